"""Replacing the server under load: the listening sockets stay, so nobody is reset."""

import contextlib
import http.client
import json
import os
import shlex
import shutil
import signal
import subprocess
import tempfile

import pytest

from client import Api
from instance import SLOW, Background, alive, free_port, wait_until


def one_request(address, path, token):
    """A request on a connection of its own; anything but a whole answer raises."""
    host, port = address.split(":")
    conn = http.client.HTTPConnection(host, int(port), timeout=20 * SLOW)
    try:
        conn.request("GET", path, headers={"Connection": "close", "Authorization": "Bearer " + token})
        answer = conn.getresponse()
        answer.read()
        return answer.status
    finally:
        conn.close()


def test_restart_resets_no_connection(faults, student):
    before = faults.pid("coachd")
    paths = ("/healthz", "/readyz", "/api/v1/courses", "/api/v1/auth/me", "/openapi.json", "/api/v1/courses")
    with Background(lambda n: one_request(faults.address, paths[n], student.token), threads=len(paths)) as load:
        for _ in range(3):
            faults.coach("restart")
        wait_until(lambda: len(load.results) > 300, 60, "some load")
    assert not load.errors
    assert set(load.results) == {200}
    assert faults.pid("coachd") != before


def test_kept_connections_see_whole_answers_only(faults, student):
    """A kept connection may be closed between two requests (the client opens another), never within an answer."""
    clients = [student.clone() for _ in range(4)]
    with Background(lambda n: clients[n].get("/courses").status, threads=4) as load:
        faults.coach("restart")
        wait_until(lambda: len(load.results) > 200, 60, "some load")
    assert not load.errors
    assert set(load.results) == {200}


def test_who_is_connected_is_answered_by_the_old_server(faults):
    """Connected before the restart, asking after it: also /readyz, since the address serves on."""
    clients = []
    for _ in range(8):
        clients.append(http.client.HTTPConnection(*faults.address.split(":"), timeout=20 * SLOW))
        clients[-1].connect()
    faults.coach("restart")
    for n, conn in enumerate(clients):
        conn.request("GET", "/readyz" if n % 2 else "/healthz")
        with conn.getresponse() as answer:
            assert answer.status == 200
            assert answer.headers["Connection"] == "close"
        conn.close()


def test_the_old_server_ends_after_its_work(faults):
    old = faults.pid("coachd")
    faults.coach("restart")
    wait_until(lambda: not alive(old), 45, "the old coachd to drain and end")


def test_a_new_server_that_dies_leaves_the_old_one(faults):
    """The keeper starts what is in bin/coachd: put something that fails there."""
    program = os.path.join(faults.var, "bin/coachd")
    old = faults.pid("coachd")
    os.rename(program, program + ".good")
    try:
        with open(program, "w", encoding="ascii") as f:
            f.write("#!/bin/sh\nexit 3\n")
        os.chmod(program, 0o755)
        os.kill(faults.pid("coachd.keeper"), signal.SIGHUP)
        wait_until(lambda: "the running one stays" in open(os.path.join(faults.logs, "coachd.log"), encoding="utf-8").read(),
                   what="the keeper to say so")
    finally:
        os.replace(program + ".good", program)
    assert faults.pid("coachd") == old and alive(old)
    assert faults.ready()


def test_a_killed_server_comes_back(faults):
    faults.kill_coachd()
    faults.wait_ready()


class Keeper:
    """A keeper of its own over a coachd that becomes what a file says."""

    def __init__(self, instance, folder):
        self.address = f"127.0.0.1:{free_port()}"
        self.api = Api(self.address)
        self.stem = os.path.join(folder, "coachd")
        self.log = self.stem + ".log"
        self.program = self.stem + ".run"
        self.settings = {**instance.coachd_environment(), "COACH_LISTEN": self.address, "COACH_LOOPS": "1",
                         "COACH_INSTANCE": "keeper-" + self.address.partition(":")[2]}
        self.instance = instance
        self.process = None

    def become(self, **settings):
        lines = [f"export {k}={shlex.quote(v)}" for k, v in {**self.settings, **settings}.items()]
        with open(self.program + ".new", "w", encoding="utf-8") as f:
            f.write("\n".join(["#!/bin/bash", *lines, "exec " + shlex.quote(os.path.join(self.instance.var, "bin/coachd"))]))
        os.chmod(self.program + ".new", 0o755)
        os.replace(self.program + ".new", self.program)

    @contextlib.contextmanager
    def running(self, seconds, *options):
        with open(self.log, "ab") as log:
            os.chmod(self.log, 0o666)
            self.process = subprocess.Popen(
                self.instance.as_owner([os.path.join(self.instance.var, "bin/coach-keeper"), "-l", self.address, "-n", "1",
                                        "-t", str(seconds), *options, "-p", self.stem, "--", self.program]),
                stdin=subprocess.DEVNULL, stdout=log, stderr=subprocess.STDOUT, cwd="/")
        try:
            yield self
        finally:
            self.process.terminate()
            self.process.wait(60 * SLOW)

    def answers(self, status):
        """Does /readyz answer with this status?"""
        try:
            return one_request(self.address, "/readyz", "") == status
        except OSError:
            return False

    def children(self):
        with open(f"/proc/{self.process.pid}/task/{self.process.pid}/children", encoding="ascii") as f:
            return [int(pid) for pid in f.read().split()]

    def said(self, words):
        with open(self.log, encoding="utf-8", errors="replace") as f:
            return words in f.read()


NOWHERE = "host=/nowhere dbname=coach user=sc_app"
BROKEN = {"COACH_DB_URL": NOWHERE, "COACH_DB_SLOW_URL": NOWHERE, "COACH_DB_DIRECT_URL": NOWHERE}


@pytest.fixture
def keeper(instance):
    folder = tempfile.mkdtemp(prefix="coach-keeper.", dir="/tmp")
    os.chmod(folder, 0o777)
    yield Keeper(instance, folder)
    shutil.rmtree(folder)


def test_a_first_server_that_cannot_serve_says_so(keeper):
    keeper.become(**BROKEN)
    with keeper.running(25):
        wait_until(lambda: keeper.answers(503), what="an answer")
        assert keeper.api.get("/courses").problem(503, "starting")
        assert keeper.api.get("/courses").headers["retry-after"]
        assert keeper.api.get("/healthz").status == 200


def test_a_new_server_that_never_gets_ready_is_given_up(keeper):
    keeper.become()
    with keeper.running(2):
        wait_until(lambda: keeper.answers(200), what="the first coachd")
        old, = keeper.children()
        keeper.become(**BROKEN)
        with Background(lambda n: one_request(keeper.address, "/readyz", ""), threads=2) as load:
            os.kill(keeper.process.pid, signal.SIGHUP)
            wait_until(lambda: keeper.said("does not get ready; the running one stays"), what="the keeper to say so")
            wait_until(lambda: keeper.children() == [old], what="the new one to end")
        assert set(load.results) == {200}


def test_who_is_to_take_over_from_a_dead_server_does_not_wait(keeper):
    """Nobody would accept while the new one waits for its database."""
    keeper.become()
    with keeper.running(600):
        wait_until(lambda: keeper.answers(200), what="the first coachd")
        old, = keeper.children()
        keeper.become(**BROKEN)
        os.kill(keeper.process.pid, signal.SIGHUP)
        wait_until(lambda: len(keeper.children()) == 2, what="the new coachd")
        os.kill(old, signal.SIGKILL)
        wait_until(lambda: keeper.answers(503), what="an answer")


def test_logs_are_bounded_and_lose_nothing(keeper):
    """Copied and emptied while coachd goes on writing; four older ones are kept."""
    keeper.become()
    with keeper.running(25, "-b", keeper.log, "-s", "64"):
        wait_until(lambda: keeper.answers(200), what="coachd")
        last = 0
        while not os.path.exists(keeper.log + ".4"):
            assert last < 100000
            for last in range(last + 1, last + 101):
                assert keeper.api.get("/healthz", headers={"X-Request-Id": f"satir.{last}"}).status == 200
    ids = []
    for name in (".4", ".3", ".2", ".1", ""):
        with open(keeper.log + name, encoding="utf-8") as f:
            text = f.read()
        assert name == "" or len(text) >= 64 * 1024
        ids += [int(json.loads(line)["req_id"].partition(".")[2]) for line in text.splitlines() if '"satir.' in line]
    assert ids == list(range(ids[0], last + 1))
    assert not os.path.exists(keeper.log + ".5")

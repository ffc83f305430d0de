"""Replacing the server under load: the listening sockets stay, so nobody is reset."""

import http.client
import os
import signal

from instance import Background, alive, wait_until


def one_request(address, path, token):
    """A request on a connection of its own; anything but a whole answer raises."""
    host, port = address.split(":")
    conn = http.client.HTTPConnection(host, int(port), timeout=20)
    try:
        conn.request("GET", path, headers={"Connection": "close", "Authorization": "Bearer " + token})
        answer = conn.getresponse()
        answer.read()
        return answer.status
    finally:
        conn.close()


def test_restart_resets_no_connection(faults, student):
    before = faults.pid("coachd")
    with Background(lambda n: one_request(faults.address, "/api/v1/courses" if n % 2 else "/healthz", student.token), threads=6) as load:
        for _ in range(3):
            faults.coach("restart")
        wait_until(lambda: len(load.results) > 300, what="some load")
    assert not load.errors
    assert set(load.results) <= {200, 503}
    assert load.results.count(503) < len(load.results) // 20
    assert faults.pid("coachd") != before


def test_kept_connections_see_whole_answers_only(faults, student):
    """A kept connection may be closed between two requests (the client opens another), never within an answer."""
    clients = [student.clone() for _ in range(4)]
    with Background(lambda n: clients[n].get("/courses").status, threads=4) as load:
        faults.coach("restart")
        wait_until(lambda: len(load.results) > 200, what="some load")
    assert not load.errors
    assert set(load.results) <= {200, 503}


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
        os.kill(faults.pid("keeper"), signal.SIGHUP)
        wait_until(lambda: "the running one stays" in open(os.path.join(faults.logs, "coachd.log"), encoding="utf-8").read(),
                   what="the keeper to say so")
    finally:
        os.replace(program + ".good", program)
    assert faults.pid("coachd") == old and alive(old)
    assert faults.ready()


def test_a_killed_server_comes_back(faults):
    faults.kill_coachd()
    faults.wait_ready()

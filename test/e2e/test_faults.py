"""Parts of the system die under load. Nobody gets more than a 503, nothing acknowledged is lost, and all of it comes back."""

import contextlib
import http.client
import json
import os
import signal
import socket

import pytest

from client import Api
from instance import SLOW, Background, wait_until


@pytest.fixture
def class_of_four(new_user, new_course, enroll):
    """Four students in a course, each with a client."""
    course = new_course(videos=4, duration=3600)
    clients = [new_user("student") for _ in range(4)]
    for c in clients:
        enroll(c.user.id, course.id)
    return course, clients


def reader(clients, course):
    def read(n):
        return clients[n].get(f"/courses/{course.id}", headers={"Connection": "close"}).status
    return read


class Writer:
    """Sends growing progress and remembers the last acknowledged value by student."""

    def __init__(self, clients, course):
        self.clients, self.course = clients, course
        self.sent = [0] * len(clients)
        self.acknowledged = [0] * len(clients)

    def __call__(self, n):
        self.sent[n] += 1
        try:
            reply = self.clients[n].post(f"/videos/{self.course.videos[n]}/progress", {"watched_seconds": self.sent[n], "total_seconds": 3600})
        except (http.client.HTTPException, OSError):
            self.clients[n].close()
            return None
        if reply.status == 200:
            self.acknowledged[n] = self.sent[n]
        return reply.status

    def check(self, db):
        for n, client in enumerate(self.clients):
            stored = db.one("SELECT covered_seconds FROM sc.video_progress WHERE user_id = %s AND video_id = %s", client.user.id, self.course.videos[n])
            assert self.acknowledged[n] > 0
            assert stored >= self.acknowledged[n]


def served(load, since):
    """Some requests that began after now have been answered with 200."""
    return load.results[since:].count(200) > 20


def test_redis_killed_and_restarted_under_load(faults, class_of_four, db):
    course, clients = class_of_four
    with Background(reader(clients, course), threads=4) as load:
        wait_until(lambda: load.results.count(200) > 50, what="load")
        faults.kill_redis()
        mark = len(load.results)
        wait_until(lambda: served(load, mark), what="answers without Redis")
        faults.start_redis()
        mark = len(load.results)
        wait_until(lambda: served(load, mark), what="answers with Redis again")
    assert set(load.results) == {200}


def test_redis_frozen_under_load(faults, class_of_four):
    """Worse than dead: it accepts and does not answer."""
    course, clients = class_of_four
    with Background(reader(clients, course), threads=4) as load:
        wait_until(lambda: load.results.count(200) > 50, what="load")
        faults.pause_redis()
        mark = len(load.results)
        wait_until(lambda: served(load, mark), what="answers while Redis is frozen")
        faults.continue_redis()
    assert set(load.results) == {200}


def test_a_revoked_token_stays_out_without_redis(faults, new_user):
    user = new_user("student")
    assert user.get("/auth/me").status == 200
    assert user.post("/auth/logout").status in (200, 204)
    user.get("/auth/me").problem(401)
    faults.kill_redis()
    wait_until(lambda: user.get("/auth/me").status == 401, what="the refusal without Redis")
    faults.start_redis()
    for _ in range(20):
        user.get("/auth/me").problem(401)


@pytest.mark.parametrize("how", ["fast", "immediate"])
def test_postgresql_restarted_under_load(faults, class_of_four, db, how):
    course, clients = class_of_four
    writer = Writer(clients, course)
    with Background(writer, threads=4) as load:
        wait_until(lambda: load.results.count(200) > 50, what="load")
        if how == "fast":
            faults.stop_postgres()
        else:
            faults.crash_postgres()
        wait_until(lambda: 503 in load.results, what="a 503")
        faults.start_postgres()
        mark = len(load.results)
        wait_until(lambda: served(load, mark), 40, what="answers with PostgreSQL again")
    assert set(load.results) <= {200, 503, 504}       # 504: timeout, outcome_unknown
    writer.check(db)


def test_coachd_killed_under_load(faults, class_of_four, db):
    course, clients = class_of_four
    writer = Writer(clients, course)
    with Background(writer, threads=4) as load:
        wait_until(lambda: load.results.count(200) > 50, what="load")
        faults.kill_coachd()
        mark = len(load.results)
        wait_until(lambda: served(load, mark), what="answers of the new coachd")
    assert set(load.results) <= {200, 503, 504, None}
    writer.check(db)


def test_a_503_says_when_to_come_back(faults, student):
    faults.stop_postgres()
    reply = wait_until(lambda: (lambda r: r if r.status == 503 else None)(student.get("/users/me/enrollments")), what="a 503")
    reply.problem(503)
    assert int(reply.headers["retry-after"]) >= 1


LEAVING = [
    b"",
    b"GET /api/v1/cour",
    b"GET /api/v1/courses HTTP/1.1\r\nHost: x\r\nX-Half",
    b"GET /api/v1/courses HTTP/1.1\r\nHost: x\r\n\r\n",
    b"POST /api/v1/auth/login HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 60\r\n\r\n{\"email\":",
    b"POST /api/v1/auth/login HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 41\r\n\r\n"
    b"{\"email\":\"yok@e2e.test\",\"password\":\"yan\"}",
    b"GET /api/v1/courses HTTP/1.1\r\nHost: x\r\n\r\n" * 20,
    b"GET /openapi.json HTTP/1.1\r\nHost: x\r\n\r\n",
]


def test_clients_that_leave_in_every_state(instance, student):
    """They close or reset at each point of a request; the server goes on, and keeps no connection of theirs."""
    with instance.coachd() as server:
        for n in range(160):
            s = socket.create_connection(("127.0.0.1", server.port), timeout=20)
            s.sendall(LEAVING[n % len(LEAVING)])
            if n % 3 == 0:
                s.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\x01\x00\x00\x00\x00\x00\x00\x00")     # reset instead of close
            elif n % 3 == 1:
                s.shutdown(socket.SHUT_WR)
            s.close()
        me = Api(server.address, student.token)
        assert me.get("/auth/me").status == 200
        me.close()

        def sockets():
            """Accepted TCP connections that the process still holds."""
            path = f"/proc/{server.pid}/fd"
            held = set()
            for fd in os.listdir(path):
                with contextlib.suppress(FileNotFoundError):        # closed since
                    held.add(os.readlink(f"{path}/{fd}").removeprefix("socket:[").removesuffix("]"))
            with open("/proc/net/tcp", encoding="ascii") as f:
                return [line for line in f.readlines()[1:] if line.split()[9] in held and int(line.split()[1].split(":")[1], 16) == server.port
                        and line.split()[3] != "0A"]
        wait_until(lambda: not sockets(), 40, "the server to drop the connections")
        assert server.process.poll() is None


def metric(api, line):
    return next(float(text.split()[-1]) for text in api.get("/metrics").text.splitlines() if text.startswith(line + " "))


@pytest.mark.parametrize("lane", ["slow", "write", "hot"])
def test_nobody_works_for_clients_that_left(instance, db, new_user, new_course, enroll, serial, lane):
    """A lane is held up; clients that queue up behind it and leave take no place in it, and nothing is done for them."""
    user, course, name = new_user("student"), new_course(duration=3600), serial()
    enroll(user.user.id, course.id)
    user.post(f"/videos/{course.videos[0]}/progress", {"watched_seconds": 1, "total_seconds": 3600}).ok()
    method, path, lock, bodies = {
        "slow": ("POST", "/auth/register", "LOCK TABLE sc.users IN SHARE MODE",
                 [{"email": f"{name}-{n}@kuyruk.test", "password": "uzun-ve-gizli-parola-9", "full_name": "Kuyruk"} for n in range(12)]),
        "write": ("PATCH", "/users/me", f"SELECT id FROM sc.users WHERE id = {user.user.id} FOR UPDATE",
                  [{"full_name": f"Kuyruk {n}"} for n in range(12)]),
        "hot": ("POST", f"/videos/{course.videos[0]}/progress", f"SELECT 1 FROM sc.video_progress WHERE user_id = {user.user.id} FOR UPDATE",
                [{"watched_seconds": 100 + n, "total_seconds": 3600} for n in range(12)])}[lane]
    done = {
        "slow": lambda: {int(r.email.partition("@")[0].rpartition("-")[2]) for r in db.all("SELECT email FROM sc.users WHERE email LIKE %s", name + "-%")},
        "write": lambda: {int(db.one("SELECT full_name FROM sc.users WHERE id = %s", user.user.id).rpartition(" ")[2])},
        "hot": lambda: {db.one("SELECT covered_seconds FROM sc.video_progress WHERE user_id = %s", user.user.id) - 100}}[lane]
    clients = []
    other = instance.db()
    # one connection a lane, and one statement at a time
    with instance.coachd(COACH_DB_CONNECTIONS=8, COACH_DB_PREPARE="off", COACH_DB_WAIT_MS=60000, COACH_WRITE_MS=600000) as server:
        api = Api(server.address)
        try:
            other.run("BEGIN")
            other.run(lock)
            for n, body in enumerate(bodies):
                body = json.dumps(body).encode()
                clients.append(socket.create_connection(("127.0.0.1", server.port), timeout=60 * SLOW))
                clients[n].sendall(f"{method} /api/v1{path} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {user.token}\r\n"
                                   f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n".encode() + body)
                if n == 0:
                    wait_until(lambda: metric(api, f'sc_pg_in_flight{{lane="{lane}"}}') == 1, what="the first request to be with the database")
            wait_until(lambda: metric(api, f'sc_pg_waiting{{lane="{lane}"}}') >= 11, what="the others to wait")
            for n, s in enumerate(clients[2:]):
                if n % 2:
                    s.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\x01\x00\x00\x00\x00\x00\x00\x00")     # reset
                s.close()
            wait_until(lambda: server.read_log().count('"status":499') == 10, what="the queue to be rid of them")
        finally:
            other.run("COMMIT")
            other.close()
        for s in clients[:2]:
            assert s.recv(65536).startswith(b"HTTP/1.1 20")
            s.close()
        assert server.read_log().count('"status":499') == 10
    assert done() == ({0, 1} if lane == "slow" else {1})


@pytest.mark.parametrize("accepted", [True, False])
def test_sigterm_answers_what_was_asked(instance, student, accepted):
    """A request that is being worked on, or that waits in the kernel's queue, when the server is told to stop gets its answer."""
    with instance.coachd() as server:
        if not accepted:
            server.signal(signal.SIGSTOP)
        s = socket.create_connection(("127.0.0.1", server.port), timeout=20)
        s.sendall(b"GET /api/v1/courses HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer " + student.token.encode() + b"\r\n\r\n")
        server.signal(signal.SIGTERM)
        server.signal(signal.SIGCONT)
        answer = s.recv(65536)
        assert answer.startswith(b"HTTP/1.1 200"), answer[:100]
        s.close()
        assert server.stop() == 0

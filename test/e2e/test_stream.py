"""Exports go out row by row: neither side holds them, whoever is slower sets the pace, and half an export is never taken for a whole one."""

import hashlib
import http.client
import json
import os
import re
import signal
import socket

import pytest

from client import Api
from instance import Background, hold, wait_until

ROUTE = 99101
MADE = f"""
CREATE FUNCTION sc_api.stream_probe(actor bigint, count bigint, bad bigint DEFAULT NULL, sleep_at bigint DEFAULT NULL, width int DEFAULT 0)
RETURNS SETOF text LANGUAGE sql STABLE AS $$
    SELECT x.i || repeat('.', width) || CASE WHEN x.i = bad THEN (1 / (x.i - bad))::text ELSE '' END
           || CASE WHEN x.i = sleep_at THEN pg_sleep(600)::text ELSE '' END || E'\\n'
    FROM (SELECT generate_series(1, count) AS i) AS x
$$;
CREATE FUNCTION sc_api.stream_probe_made(actor bigint, how text) RETURNS SETOF text LANGUAGE plpgsql STABLE AS $$
BEGIN
    PERFORM sc_api.header('Content-Disposition', 'attachment; filename="x.csv"');
    CASE how
        WHEN 'missing' THEN PERFORM sc_api.refuse(404, 'not_found');
        WHEN 'forbidden' THEN PERFORM sc_api.refuse(403, 'forbidden');
        WHEN 'invalid' THEN PERFORM sc_api.invalid('how', 'unknown_value');
        WHEN 'nothing' THEN NULL;
        ELSE RETURN QUERY SELECT how || i || E'\\r\\n' FROM generate_series(1, 3) AS i;
    END CASE;
END $$;
ALTER FUNCTION sc_api.stream_probe(bigint, bigint, bigint, bigint, int) OWNER TO sc_owner;
ALTER FUNCTION sc_api.stream_probe_made(bigint, text) OWNER TO sc_owner;
SELECT sc.route({ROUTE}, 'GET', '/stream-probe/{{count}}', 'sc_api.stream_probe', 'user', '{{"lane": "stream", "produces": "text/plain; charset=utf-8"}}');
SELECT sc.route({ROUTE + 1}, 'GET', '/stream-made/{{how}}', 'sc_api.stream_probe_made', 'user', '{{"lane": "stream", "produces": "text/csv; charset=utf-8"}}');
SELECT sc.route({ROUTE + 2}, 'GET', '/stream-staff/{{how}}', 'sc_api.stream_probe_made', 'users.read', '{{"lane": "stream"}}');
"""
LINES, WIDTH = 200_000, 200
SANITIZED = os.environ.get("SANITIZE", "") not in ("", "0")


@pytest.fixture(scope="module", autouse=True)
def probe(db):
    db.run(MADE)
    yield
    db.run(f"DELETE FROM sc.routes WHERE id BETWEEN {ROUTE} AND {ROUTE + 2}")
    db.run("DROP FUNCTION sc_api.stream_probe, sc_api.stream_probe_made")


@pytest.fixture
def server(instance, db):
    """A coachd that knows the routes, with room for two exports; afterwards none of its connections may be left."""
    with instance.coachd(COACH_EXPORTS="2") as made:
        knows(made)
        yield made
        no_session(db)


def knows(made):
    wait_until(lambda: Api(made.address).get("/stream-probe/1").status == 401, what="the routes to be known")


def no_session(db):
    wait_until(lambda: sessions(db) == 0, what="the connections of exports to be closed")


def sessions(db):
    return db.one("SELECT count(*) FROM pg_stat_activity WHERE application_name = 'coachd stream'")


def text(count, width=0):
    return "".join(f"{i}{'.' * width}\n" for i in range(1, count + 1)).encode()


def metric(api, name):
    return int(float(re.search(rf"^{name} ([\d.e+]+)$", api.get("/metrics").text, re.M).group(1)))


def log_of(server, request_id):
    """The access log's line of a request, once it is there."""
    def find():
        for line in server.read_log().splitlines():
            if f'"req_id":"{request_id}"' in line and '"msg":"request"' in line:
                return json.loads(line)
        return None
    return wait_until(find, what="the line in the log")


def begin(server, user, path, window=65536, method="GET", version="1.1"):
    """Asks, and reads nothing yet: a socket with a small window."""
    s = socket.socket()
    s.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, window)
    s.settimeout(240)
    s.connect(("127.0.0.1", server.port))
    s.sendall(f"{method} /api/v1{path} HTTP/{version}\r\nHost: x\r\nX-Request-Id: {user.user.id}-{s.fileno()}-{os.getpid()}\r\n"
              f"Authorization: Bearer {user.token}\r\n\r\n".encode())
    return s


def rss(pid):
    with open(f"/proc/{pid}/smaps_rollup", encoding="ascii") as f:
        return int(re.search(r"^Rss:\s+(\d+) kB", f.read(), re.M).group(1))


def test_an_export_arrives_whole(server, student):
    api = Api(server.address, student.token, student.user)
    reply = api.get(f"/stream-probe/{LINES}", headers={"X-Request-Id": f"whole-{server.port}"})
    assert reply.status == 200 and reply.body == text(LINES)
    assert reply.headers["content-type"] == "text/plain; charset=utf-8" and reply.headers["transfer-encoding"] == "chunked"
    assert reply.headers["cache-control"] == "no-store" and "etag" not in reply.headers and "content-length" not in reply.headers
    assert reply.headers["x-request-id"] == f"whole-{server.port}" and reply.headers["ratelimit"]
    line = log_of(server, f"whole-{server.port}")
    assert (line["status"], line["bytes"], line["user_id"], line["route"]) == (200, len(reply.body), student.user.id, "/stream-probe/{count}")
    assert "gone" not in line and "code" not in line
    # the connection goes on
    connection = api.conn
    assert api.get("/auth/me").ok()["id"] == student.user.id and api.conn is connection
    assert api.get("/stream-made/a").body == b"a1\r\na2\r\na3\r\n"
    nothing = api.get("/stream-made/nothing")
    assert (nothing.status, nothing.body, nothing.headers["content-disposition"]) == (200, b"", 'attachment; filename="x.csv"')
    assert api.get("/stream-made/a", headers={"If-None-Match": "*"}).status == 200
    metrics = api.get("/metrics").text
    assert re.search(r'sc_http_requests_total\{route="/stream-probe/\{count\}",method="GET",status="200"\} 1', metrics), metrics
    assert metric(api, "sc_exports_cut_total") == 0


def test_head_has_no_body(server, student):
    api = Api(server.address, student.token, student.user)
    reply = api.head(f"/stream-probe/{LINES}0000")
    assert reply.status == 200 and reply.body == b"" and reply.headers["content-type"].startswith("text/plain")
    assert reply.headers["connection"] == "close"
    assert api.get("/auth/me").status == 200


def test_old_clients_get_it_too(server, student):
    with begin(server, student, "/stream-probe/5000", version="1.0") as s:
        got = b""
        while piece := s.recv(65536):
            got += piece
    head, _, body = got.partition(b"\r\n\r\n")
    assert body == text(5000) and b"chunked" not in head


def test_a_slow_reader_costs_no_memory(server, student, db):
    """While nobody reads, PostgreSQL stands still and coachd holds a piece; so it is until the end."""
    Api(server.address, student.token, student.user).get("/stream-probe/5000")
    digest = hashlib.md5(usedforsecurity=False)
    with begin(server, student, f"/stream-probe/{LINES}?width={WIDTH}") as s:
        reader = http.client.HTTPResponse(s, method="GET")
        reader.begin()
        wait_until(lambda: db.one("SELECT wait_event FROM pg_stat_activity WHERE application_name = 'coachd stream'") == "ClientWrite",
                   what="the backend to be held up")
        before, most = rss(server.pid), 0
        while piece := reader.read(1 << 20):
            digest.update(piece)
            most = max(most, rss(server.pid))
    whole = text(LINES, WIDTH)
    assert digest.digest() == hashlib.md5(whole, usedforsecurity=False).digest()
    # a sanitizer keeps what was freed for a while
    assert SANITIZED or most - before < 4096 < len(whole) // 8192, (before, most)


def test_others_are_served_meanwhile(server, student, teacher):
    with begin(server, student, f"/stream-probe/{LINES}00?width={WIDTH}"), begin(server, teacher, f"/stream-probe/{LINES}00?width={WIDTH}"):
        api = Api(server.address, student.token, student.user)
        wait_until(lambda: metric(api, "sc_exports") == 2, what="both exports to run")
        for _ in range(20):
            assert api.get("/auth/me").ok()["id"] == student.user.id


@pytest.mark.parametrize("how", ["reading", "not reading", "waiting", "before the first line"])
@pytest.mark.parametrize("reset", [False, True])
def test_a_client_that_left_costs_nothing(server, student, db, how, reset):
    """Wherever it stands, the connection is closed and the query ends."""
    path = {"reading": f"/stream-probe/{LINES}0000?width={WIDTH}", "not reading": f"/stream-probe/{LINES}0000?width={WIDTH}",
            "waiting": f"/stream-probe/2000?width={WIDTH}&sleep_at=1900", "before the first line": "/stream-probe/5?sleep_at=1"}[how]
    s = begin(server, student, path)
    request_id = f"{student.user.id}-{s.fileno()}-{os.getpid()}"
    if how == "reading":
        for _ in range(50):
            assert s.recv(65536)
    elif how == "not reading":
        wait_until(lambda: db.one("SELECT wait_event FROM pg_stat_activity WHERE application_name = 'coachd stream'") == "ClientWrite",
                   what="the backend to be held up")
    else:
        got = 0
        while how == "waiting" and got < 32768:
            got += len(s.recv(65536))
        wait_until(lambda: db.one("SELECT wait_event FROM pg_stat_activity WHERE application_name = 'coachd stream'") == "PgSleep",
                   what="the backend to sleep")
    if reset:
        s.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\x01\x00\x00\x00\x00\x00\x00\x00")
    s.close()
    no_session(db)
    line = log_of(server, request_id)
    assert (line["status"], line["code"]) == (499, "client_gone") if how == "before the first line" else (line["status"] == 200 and line["gone"])
    assert metric(Api(server.address), "sc_exports") == 0


def test_an_error_after_the_first_line_cuts_the_body(server, student):
    api = Api(server.address, student.token, student.user)
    with pytest.raises(http.client.IncompleteRead) as caught:
        api.request("GET", "/stream-probe/20000", query={"bad": 15000, "width": 20}, headers={"X-Request-Id": f"cut-{server.port}"})
    assert 32768 <= len(caught.value.partial) < len(text(15000, 20)) and text(15000, 20).startswith(caught.value.partial)
    line = log_of(server, f"cut-{server.port}")
    assert (line["status"], line["code"], line["bytes"]) == (200, "cut", len(caught.value.partial)) and "gone" not in line
    assert f"request cut-{server.port}: the export was cut off after" in server.read_log() and "22012" in server.read_log()
    assert metric(api, "sc_exports_cut_total") == 1
    assert api.get("/stream-probe/3").body == text(3)


def test_a_killed_backend_cuts_it_too(server, student, db):
    with begin(server, student, f"/stream-probe/{LINES}0?width={WIDTH}") as s:
        reader = http.client.HTTPResponse(s, method="GET")
        reader.begin()
        reader.read(100_000)
        db.run("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'coachd stream'")
        with pytest.raises(http.client.IncompleteRead):
            while reader.read(1 << 20):
                pass


def test_refusals_are_problem_documents(server, student, admin):
    api = Api(server.address, student.token, student.user)
    problem = api.get("/stream-probe/5", bad=1).problem(500, "internal_error")
    assert "zero" not in json.dumps(problem)
    api.get("/stream-made/missing").problem(404, "not_found")
    api.get("/stream-made/forbidden").problem(403, "forbidden")
    assert api.get("/stream-made/invalid").field_errors() == {"how": "unknown_value"}
    assert api.get("/stream-probe/5", width="x", no=1).field_errors() == {"width": "invalid_type", "no": "unknown_parameter"}
    api.get("/stream-probe/x").problem(404, "not_found")
    api.get("/stream-probe/5", width="%ff").field_errors()
    api.get("/stream-staff/a").problem(403, "forbidden")
    api.anonymous().get("/stream-made/a").problem(401, "token_required")
    assert Api(server.address, admin.token).get("/stream-staff/a").body == b"a1\r\na2\r\na3\r\n"
    api.post("/stream-made/a").problem(405)
    assert api.get("/stream-made/missing", headers={"Accept-Language": "tr"}).problem(404)["title"] != api.get("/stream-made/missing").problem(404)["title"]
    assert metric(api, "sc_exports_cut_total") == 0 and api.conn is not None


def test_there_is_room_for_so_many(instance, student, teacher, db):
    with instance.coachd(COACH_EXPORTS="1") as server:
        knows(server)
        api = Api(server.address, teacher.token, teacher.user)
        with begin(server, student, f"/stream-probe/{LINES}00?width={WIDTH}"):
            wait_until(lambda: metric(api, "sc_exports") == 1, what="the first to run")
            refused = api.get("/stream-probe/3")
            refused.problem(503, "overloaded")
            assert int(refused.headers["retry-after"]) >= 5
            wait_until(lambda: sessions(db) == 1, what="its connection, and no other")
            assert metric(api, "sc_exports_refused_total") == 1
        wait_until(lambda: api.get("/stream-probe/3").status == 200, what="room again")
    no_session(db)


def test_an_export_has_a_deadline(instance, student, db):
    with instance.coachd(COACH_STREAM_MS="2000") as server:
        knows(server)
        api = Api(server.address, student.token, student.user)
        api.get("/stream-probe/5", sleep_at=1).problem(504, "timeout")
        with begin(server, student, f"/stream-probe/{LINES}00?width={WIDTH}") as s:
            reader = http.client.HTTPResponse(s, method="GET")
            reader.begin()
            wait_until(lambda: metric(api, "sc_exports_cut_total") == 1, what="the deadline")
            with pytest.raises(http.client.IncompleteRead):
                while reader.read(1 << 20):
                    pass
        with pytest.raises(http.client.IncompleteRead):
            api.get("/stream-probe/2000", width=WIDTH, sleep_at=1900)
    no_session(db)


def test_no_database(instance, student):
    with instance.coachd(COACH_DB_DIRECT_URL="host=/nonexistent user=sc_app") as server:
        knows(server)
        api = Api(server.address, student.token, student.user)
        api.get("/stream-made/a").problem(503, "database_unavailable")
        assert metric(api, "sc_exports") == 0


def test_draining_waits_for_exports(instance, student, db):
    """One that goes on comes to its end; one that does not is cut when the time is over."""
    with instance.coachd(COACH_DRAIN_MS="600000") as server:
        knows(server)
        got = []
        with begin(server, student, f"/stream-probe/{LINES}?width={WIDTH}") as s:
            reader = http.client.HTTPResponse(s, method="GET")
            reader.begin()
            server.signal(signal.SIGTERM)
            hold(0.5)
            while piece := reader.read(1 << 20):
                got.append(piece)
        assert b"".join(got) == text(LINES, WIDTH)
        assert server.stop() == 0
    for path in (f"/stream-probe/{LINES}00?width={WIDTH}", f"/stream-probe/2000?width={WIDTH}&sleep_at=1900"):
        with instance.coachd(COACH_DRAIN_MS="200") as server:
            knows(server)
            with begin(server, student, path) as s:
                reader = http.client.HTTPResponse(s, method="GET")
                reader.begin()
                assert server.stop() == 0
                with pytest.raises((http.client.IncompleteRead, ConnectionResetError)):
                    while reader.read(1 << 20):
                        pass
        no_session(db)


def test_many_at_once(instance, student, db):
    """More than there is room for: each is whole or refused."""
    with instance.coachd(COACH_EXPORTS="3", COACH_LOOPS="2") as server:
        knows(server)
        whole, done = text(3000, WIDTH), []

        def ask(n):
            api = Api(server.address, student.token, student.user)
            reply = api.get("/stream-probe/3000", width=WIDTH)
            assert reply.status == 503 or reply.body == whole
            done.append(reply.status)
        with Background(ask, threads=8) as load:
            wait_until(lambda: load.errors or done.count(200) > 40, 60, "exports")
        assert not load.errors
        assert metric(Api(server.address), "sc_exports") == 0
    no_session(db)


def test_the_exports_of_the_school(api, admin, db):
    """What is an export is marked so, and comes in pieces."""
    assert {r.path for r in db.all("SELECT path FROM sc.routes WHERE produces IS NOT NULL AND id < %s AND lane <> 'stream'", ROUTE)} == set()
    reply = admin.get("/questions/export", format="json")
    assert reply.headers["transfer-encoding"] == "chunked" and reply.headers["content-type"].startswith("application/json")
    assert isinstance(reply.ok()["questions"], list)
    assert admin.get("/questions/export", format="xls").field_errors() == {"format": "unknown_value"}
    admin.get("/exams/999999999/result-list.csv").problem(404, "not_found")
    operation = api.get("/openapi.json").ok()["paths"]["/questions/export"]["get"]
    assert operation["responses"]["200"]["content"]

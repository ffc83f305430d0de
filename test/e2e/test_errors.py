"""Every way to ask wrongly, and the one answer to each."""

import json
import os
import re
import socket
import urllib.parse

import pytest

from instance import TOP


def raw(address, request, quiet=1):
    """Sends bytes as they are and gives what comes back until the server closes, or says nothing more for so many seconds."""
    host, port = address.split(":")
    with socket.create_connection((host, int(port)), timeout=60) as s:
        s.sendall(request)
        out = b""
        try:
            while True:
                part = s.recv(65536)
                if not part:
                    return out
                out += part
                s.settimeout(quiet)
        except (socket.timeout, ConnectionResetError):
            return out


def status_of(answer):
    return int(answer.split(b" ", 2)[1]) if answer.startswith(b"HTTP/1.") else None


def test_400_broken_json(student):
    for body in ('{"full_name": ', "[1, 2", "{'full_name': 'x'}", '{"full_name": "x"} tail', '{"full_name": "a", "full_name": "b"}',
                 '{"full_name": "\\u0000"}', "\x00", '{"a":' * 3000):
        student.request("PATCH", "/users/me", body, headers={"Content-Type": "application/json"}).problem(400)
    student.request("PATCH", "/users/me", b'{"full_name": "\xff\xfe"}', headers={"Content-Type": "application/json"}).problem(400)


NO_TEXT = [b"\xff", b"\xc3(", b"\xc0\x80", b"\xed\xa0\x80", b"\xf4\x90\x80\x80", b"\xe2\x82", b"ab\x00cd"]


def asked(client, method, target, body=None, kind="application/json"):
    """The status and the code of the answer to a request whose target is bytes."""
    head = (method.encode() + b" /api/v1" + target + b" HTTP/1.1\r\nHost: x\r\nConnection: close\r\nAuthorization: Bearer " + client.token.encode() +
            (b"" if body is None else b"\r\nContent-Type: %s\r\nContent-Length: %d" % (kind.encode(), len(body))))
    answer = raw(client.address, head + b"\r\n\r\n" + (body or b""))
    return status_of(answer), json.loads(answer.partition(b"\r\n\r\n")[2]).get("code")


@pytest.mark.parametrize("bad", NO_TEXT)
def test_400_no_utf8_in_the_address(student, bad):
    """As it is and percent-encoded, in path, names and values; a NUL as such is no HTTP at all."""
    for text in ({urllib.parse.quote_from_bytes(bad).encode()} | ({bad} if b"\x00" not in bad else set())):
        for target in (b"/courses/" + text, b"/" + text, b"/courses?q=" + text, b"/courses?q=a&" + text + b"=1"):
            assert asked(student, "GET", target) == (400, "invalid_utf8"), target


def test_400_no_percent_encoding(student):
    for text in (b"%", b"%4", b"%zz", b"%%41"):
        for target in (b"/courses/" + text, b"/courses?q=" + text):
            assert asked(student, "GET", target) == (400, "bad_request"), target


@pytest.mark.parametrize("bad", NO_TEXT)
def test_400_no_utf8_in_the_body(student, teacher, admin, bad):
    """JSON, text handed on as it is, and text that travels to the database in parts, cut anywhere."""
    assert asked(student, "PATCH", b"/users/me", b'{"full_name": "' + bad + b'"}') == (400, "invalid_utf8")
    assert asked(teacher, "POST", b"/questions/import?format=gift", b"::a::" + bad + b" {T}", "text/plain") == (400, "invalid_utf8")
    for before in (b"", b"x" * (256 * 1024 - 1)):
        assert asked(admin, "POST", b"/imports/users", before + bad + b"\n", "text/csv") == (400, "invalid_utf8")


def test_401_without_token(api):
    for method, path in (("GET", "/auth/me"), ("PATCH", "/users/me"), ("GET", "/users"), ("POST", "/courses"), ("POST", "/videos/1/progress")):
        reply = api.request(method, path, None if method == "GET" else {})
        reply.problem(401)
        assert reply.headers["www-authenticate"].startswith("Bearer"), path


def test_401_odd_authorization(api):
    for value in ("Bearer", "Bearer ", "Basic b2xhOm9sYQ==", "Bearer a.b.c", "Bearer " + "x" * 3000, "bearer\tx"):
        reply = api.get("/auth/me", headers={"Authorization": value})
        assert reply.status in (400, 401, 431), (value, reply)
        assert reply.headers["content-type"].startswith("application/problem+json")


def test_403_missing_permission(student):
    student.get("/users").problem(403, "forbidden")
    student.post("/courses", {"title": "Benim dersim"}).problem(403, "forbidden")


def test_404_unknown_path_and_unknown_id(student):
    student.get("/nowhere").problem(404)
    student.get("/courses/999999999").problem(404)
    for bad in ("0", "042", "-1", "1e3", "abc", "9" * 25, "1%00"):
        assert student.get(f"/courses/{bad}").status in (400, 404), bad


def test_405_names_the_allowed_methods(api):
    reply = api.request("PUT", "/courses", {})
    reply.problem(405)
    allowed = {m.strip() for m in reply.headers["allow"].split(",")}
    assert {"GET", "HEAD", "POST"} <= allowed and "PUT" not in allowed


def test_409_a_second_time(api, serial):
    account = {"email": f"iki-{serial()}@e2e.test", "password": "uzun-ve-gizli-parola-9", "full_name": "İki Kez"}
    assert api.post("/auth/register", account).status == 201
    again = api.post("/auth/register", account)
    assert again.status in (201, 202, 409)      # what it says must not tell strangers who has an account


def test_413_by_the_announced_length_alone(student):
    answer = raw(student.address, b"PATCH /api/v1/users/me HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer " + student.token.encode() +
                 b"\r\nContent-Type: application/json\r\nContent-Length: 20000000\r\n\r\n")
    assert status_of(answer) == 413, answer[:200]


def test_413_by_the_body(student):
    student.patch("/users/me", {"full_name": "x" * (2 << 20)}).problem(413)
    assert student.get("/auth/me").status == 200


def chunked(size):
    piece = b"10000\r\n" + b"a" * 65536 + b"\r\n"
    return piece * (size // 65536) + b"0\r\n\r\n"


BIG = 64 << 20      # what an import may have
REFUSED = {
    # name: (who, method, path, content type, body, announced?, status)
    "announced length": ("student", "PATCH", "/users/me", "application/json", 20 << 20, True, 413),
    "length found out": ("student", "PATCH", "/users/me", "application/json", 20 << 20, False, 413),
    "nothing there": ("student", "POST", "/no-such-path", "application/json", 20 << 20, False, 413),
    "wrong type": ("student", "PATCH", "/users/me", "text/plain", 20 << 20, False, 415),
    "no token": (None, "POST", "/imports/users", "text/csv", BIG, False, 401),
    "no token, announced": (None, "POST", "/imports/users", "text/csv", BIG, True, 401),
    "not allowed": ("student", "POST", "/imports/users", "text/csv", BIG, False, 403),
    "not allowed, announced": ("student", "POST", "/imports/users", "text/csv", BIG, True, 403),
    "more than an import may have": ("admin", "POST", "/imports/users", "text/csv", BIG + (16 << 20), False, 413),
    "more, announced": ("admin", "POST", "/imports/users", "text/csv", BIG + (16 << 20), True, 413),
}


@pytest.mark.parametrize("name", REFUSED)
def test_a_refused_body_gets_its_answer(api, student, admin, name):
    """The client sends all of a large body before it looks for the answer, which is there nevertheless, and tells why."""
    who, method, path, kind, size, announced, status = REFUSED[name]
    client = {"student": student, "admin": admin, None: api}[who]
    head = f"{method} /api/v1{path} HTTP/1.1\r\nHost: x\r\nContent-Type: {kind}\r\n"
    if client.token:
        head += f"Authorization: Bearer {client.token}\r\n"
    head += f"Content-Length: {size}\r\n\r\n" if announced else "Transfer-Encoding: chunked\r\n\r\n"
    answer = raw(client.address, head.encode() + (b"a" * size if announced else chunked(size)))
    assert status_of(answer) == status, answer[:300]
    fields, _, body = answer.partition(b"\r\n\r\n")
    doc = json.loads(body)
    assert doc["status"] == status and doc["request_id"] in fields.decode()
    assert f"Content-Length: {len(body)}" in fields.decode()
    assert client.get("/healthz").status == 200


def test_who_never_stops_sending_is_cut_off(student):
    """The answer is there at once; after the bounds the connection is closed, whatever the client does."""
    head = f"PATCH /api/v1/users/me HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {student.token}\r\nContent-Type: application/json\r\n"
    host, port = student.address.split(":")
    with socket.create_connection((host, int(port)), timeout=60) as s:
        s.sendall(head.encode() + b"Transfer-Encoding: chunked\r\n\r\n")
        sent = 0
        try:
            while sent < 1 << 30:
                s.sendall(b"10000\r\n" + b"a" * 65536 + b"\r\n")
                sent += 65536
        except (BrokenPipeError, ConnectionResetError):
            pass
        assert sent < 1 << 30, "a gigabyte was taken"


def test_415_other_content_type(student):
    for kind in ("text/plain", "application/x-www-form-urlencoded", "application/jsonx", "text/csv"):
        student.request("PATCH", "/users/me", '{"full_name":"x"}', headers={"Content-Type": kind}).problem(415)
    for kind in ("application/json", "application/json; charset=utf-8", "Application/JSON"):
        assert student.request("PATCH", "/users/me", '{"full_name":"Işıl Şahin"}', headers={"Content-Type": kind}).status == 200


def test_422_names_every_field_at_once(api):
    errors = api.post("/auth/register", {"email": 5, "unknown": 1}).field_errors()
    assert {"email", "password", "full_name", "unknown"} <= set(errors)


def test_422_paging(student):
    for query in ({"page": 0}, {"per_page": 0}, {"per_page": 101}, {"page": "x"}, {"page": "1.5"}, {"nonsense": 1}):
        name = next(iter(query))
        assert name in student.get("/courses", **query).field_errors()


def test_431_large_header(api):
    answer = raw(api.address, b"GET /healthz HTTP/1.1\r\nHost: x\r\nX-Big: " + b"x" * 6000 + b"\r\n\r\n")
    assert status_of(answer) == 431


def test_smuggling_is_refused(api):
    both = b"POST /api/v1/auth/login HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"
    twice = b"POST /api/v1/auth/login HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\n{} "
    for request in (both, twice):
        answer = raw(api.address, request, quiet=3)
        assert answer.count(b"HTTP/1.1 ") == 1
        assert status_of(answer) == 400, answer[:200]


def test_every_answer_has_a_request_id(api, student):
    for reply in (api.get("/healthz"), api.get("/nowhere"), api.get("/auth/me"), student.get("/auth/me"), student.get("/courses")):
        assert reply.headers["x-request-id"]
    mine = student.get("/auth/me", headers={"X-Request-Id": "benim-istegim.42"})
    assert mine.headers["x-request-id"] == "benim-istegim.42"
    for bad in ("x" * 65, "a b", 'a"b', "ışıl".encode().decode("latin-1")):
        assert student.get("/auth/me", headers={"X-Request-Id": bad}).headers["x-request-id"] != bad


def test_problems_never_show_sql(student):
    for path in ("/courses?q='%3BDROP TABLE", "/courses?sort=id%3B--", "/users/me/enrollments?page=99999999999999999999"):
        text = student.get(path.replace(" ", "%20")).text.lower()
        for word in ("select ", "sqlstate", "plpgsql", "pg_", "syntax error", "context:"):
            assert word not in text, (path, word)


@pytest.mark.parametrize("language,word", [("tr", "Turkish"), ("tr-TR,tr;q=0.9,en;q=0.5", "Turkish"), ("en", "English"), ("de", "English"), (None, "English")])
def test_the_language_of_problems(api, language, word):
    doc = api.get("/auth/me", headers={"Accept-Language": language}).problem(401)
    english = api.get("/auth/me", headers={"Accept-Language": "en"}).problem(401)
    assert (doc["title"] == english["title"]) == (word == "English")


def test_a_code_has_one_title_whoever_refuses(db):
    with open(os.path.join(TOP, "shim", "reply.c"), encoding="utf-8") as f:
        own = {code: titles for code, *titles in re.findall(r'^\t\{"(\w+)",\n\t\t\{"([^"]+)", "([^"]+)"\}', f.read(), re.M)}
    assert {"not_found", "token_revoked", "timeout"} <= own.keys()
    shared = db.all("SELECT code, title_en, title_tr FROM sc.problems WHERE code = ANY (%s)", list(own))
    assert len(shared) >= 6
    assert {code: [en, tr] for code, en, tr in shared} == {code: own[code] for code, _, _ in shared}


def test_head_is_get_without_a_body(student):
    get, head = student.get("/courses"), student.head("/courses")
    assert head.status == 200 and head.body == b""
    assert head.headers["content-length"] == str(len(get.body))
    assert head.headers["etag"] == get.headers["etag"]


def test_etags(student, new_course):
    course = new_course()
    first = student.get(f"/courses/{course.id}")
    tag = first.headers["etag"]
    assert tag.startswith('"')
    for value in (tag, "W/" + tag, f'"other", {tag}', "*"):
        again = student.get(f"/courses/{course.id}", headers={"If-None-Match": value})
        assert again.status == 304 and again.body == b"" and again.headers["etag"] == tag, value
    assert student.get(f"/courses/{course.id}", headers={"If-None-Match": '"other"'}).status == 200


def test_lists_link_to_their_pages(student, new_course):
    for _ in range(3):
        new_course()
    reply = student.get("/courses", per_page=1, page=2)
    doc = reply.ok()
    assert len(doc["items"]) == 1 and doc["page"] == 2 and doc["per_page"] == 1 and doc["total"] >= 3
    for rel in ("next", "prev", "first", "last"):
        assert f'rel="{rel}"' in reply.headers["link"]


def test_json_comes_back_in_utf8(new_user):
    me = new_user("student", full_name="İı Ğğ Şş Çç Öö Üü 😀")
    reply = me.get("/auth/me")
    assert json.loads(reply.body.decode("utf-8"))["full_name"] == "İı Ğğ Şş Çç Öö Üü 😀"

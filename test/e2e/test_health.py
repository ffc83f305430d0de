"""The process answers for itself; also the example to start a new file from."""

from instance import wait_until


def test_liveness_needs_no_token(api):
    reply = api.get("/healthz")
    assert reply.status == 200
    assert reply.headers["x-request-id"]


def test_readiness_asks_postgresql(api):
    assert api.get("/readyz").status == 200


def test_readiness_fails_without_postgresql(faults, api):
    faults.stop_postgres()
    wait_until(lambda: api.get("/readyz").status == 503, what="/readyz to notice")
    assert api.get("/healthz").status == 200


def test_unknown_path_is_a_problem_document(api):
    api.get("/no-such-thing").problem(404, "not_found")


def test_unknown_path_in_turkish(api):
    tr = api.get("/no-such-thing", headers={"Accept-Language": "tr"}).problem(404)
    en = api.get("/no-such-thing", headers={"Accept-Language": "en"}).problem(404)
    assert tr["title"] != en["title"]


def test_the_superuser_sees_the_tables(db):
    assert db.one("SELECT count(*) FROM sc.routes") > 0


def test_a_user_made_by_the_harness_can_log_in(student):
    assert student.get("/auth/me").ok()["id"] == student.user.id

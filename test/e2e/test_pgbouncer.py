"""The student's day through PgBouncer 1.18 in transaction mode, where no prepared statement survives.

With COACH_E2E_BOUNCER=1 all the other tests go the same way.
"""

import pytest

from client import Api
from instance import Background, wait_until


@pytest.fixture
def pooled(instance, bouncer):
    with instance.coachd(**bouncer.settings()) as server:
        yield server


def test_the_students_day(pooled, new_user, new_course):
    course = new_course(videos=2)
    user = new_user("student", login=False).user
    me = Api(pooled.address).login(user.email, user.password)
    assert me.get("/auth/me").ok()["id"] == user.id
    assert me.get(f"/courses/{course.id}").ok()["id"] == course.id
    me.get(f"/videos/{course.videos[1]}/embed").problem(403, "not_enrolled")
    assert me.post(f"/courses/{course.id}/enroll").status in (200, 201)
    assert me.get(f"/videos/{course.videos[1]}/embed").ok()["can_access"] is True
    me.post(f"/videos/{course.videos[1]}/progress", {"watched_seconds": 300, "total_seconds": 600}).ok()
    assert me.get(f"/videos/{course.videos[1]}/progress").ok()["percent"] == 50
    me.post("/auth/logout")
    me.get("/auth/me").problem(401)


def test_many_at_once_share_the_pool(pooled, new_user, new_course, enroll):
    course = new_course(videos=4)
    users = [new_user("student") for _ in range(4)]
    for u in users:
        enroll(u.user.id, course.id)
    clients = [u.clone(address=pooled.address) for u in users]

    def work(n):
        a = clients[n].get(f"/courses/{course.id}").status
        b = clients[n].post(f"/videos/{course.videos[n]}/progress", {"watched_seconds": 10, "total_seconds": 600}).status
        return a, b
    with Background(work, threads=4) as load:
        while len(load.results) < 200 and not load.errors:
            load.stopping.wait(0.05)
    assert set(load.results) == {(200, 200)}


def test_readiness_sees_postgresql_behind_the_pool(faults, pooled):
    """PgBouncer accepts connections whether there is a database or not."""
    faults.stop_postgres()
    wait_until(lambda: not pooled.ready(), what="/readyz to notice")
    faults.start_postgres()
    wait_until(pooled.ready, what="/readyz to notice that it is back")

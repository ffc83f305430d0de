"""Real registrations of twelve course runs, through the import API and back out through every page."""

import datetime
import os
import sys

import pytest

from instance import TOP

sys.path.insert(0, os.path.join(TOP, "demo"))

import oulad                                # noqa: E402


@pytest.fixture(scope="module")
def folder(data_file):
    return os.path.dirname(data_file("oulad/studentRegistration.csv"))


@pytest.fixture(scope="module")
def loaded(admin, teacher, folder, db):
    """Imported once: {code: course id}."""
    csv = {"Content-Type": "text/csv"}
    texts = {"users": oulad.users_csv(folder), "courses": oulad.courses_csv(folder, teacher.user.email),
             "enrollments": oulad.enrollments_csv(folder)}
    for kind, text in texts.items():
        lines = text.count("\n") - 1
        dry = admin.request("POST", f"/imports/{kind}", text, headers=csv, timeout=120, query={"dry_run": True})
        if kind != "enrollments":
            assert dry.status == 200, dry
        before = db.one("SELECT count(*) FROM sc.users")
        reply = admin.request("POST", f"/imports/{kind}", text, headers=csv, timeout=120)
        assert reply.status in (200, 201), reply
        if kind == "users":
            assert db.one("SELECT count(*) FROM sc.users") == before + lines
    return {r.code: r.id for r in db.all("SELECT id, code FROM sc.courses WHERE title LIKE 'Open University %%'")}


def expected(folder):
    return list(oulad.rows(folder, "studentRegistration.csv"))


def test_counts(loaded, db, folder):
    assert len(loaded) == sum(1 for _ in oulad.rows(folder, "courses.csv")) == 12
    rows = expected(folder)
    assert len(rows) == 12489
    have = db.row("SELECT count(*) AS n, count(*) FILTER (WHERE status = 'cancelled') AS cancelled, count(DISTINCT user_id) AS people "
                  "FROM sc.enrollments WHERE course_id = ANY (%s)", list(loaded.values()))
    assert have.n == len(rows)
    assert have.cancelled == sum(1 for r in rows if r["date_unregistration"])
    assert have.people == len({r["id_student"] for r in rows})


def test_every_page_of_a_course(loaded, admin, folder):
    """Paging gives every enrolment once."""
    code = "AAA-2013J"
    want = {r["id_student"]: "cancelled" if r["date_unregistration"] else "active" for r in expected(folder) if oulad.code(r) == code}
    items = admin.pages(f"/courses/{loaded[code]}/enrollments")
    assert len(items) == len(want)
    assert {i["student_no"]: i["status"] for i in items} == want


def test_some_students_rows(loaded, db, folder):
    for r in expected(folder)[::1500]:
        row = db.row("SELECT e.status, e.enrolled_at AT TIME ZONE 'UTC' AS at FROM sc.enrollments AS e JOIN sc.students AS s USING (user_id) "
                     "WHERE s.student_no = %s AND e.course_id = %s", r["id_student"], loaded[oulad.code(r)])
        assert row.status == ("cancelled" if r["date_unregistration"] else "active")
        start = datetime.date.fromisoformat(oulad.STARTS[r["code_presentation"]])
        assert row.at.date() == start + datetime.timedelta(days=int(r["date_registration"] or 0))


def test_loading_twice_is_refused_whole(loaded, admin, teacher, folder, db):
    """Course codes are unique: the second load changes nothing and says which lines clash."""
    before = db.one("SELECT count(*) FROM sc.courses")
    reply = admin.request("POST", "/imports/courses", oulad.courses_csv(folder, teacher.user.email), headers={"Content-Type": "text/csv"})
    assert reply.status in (200, 409, 422)
    assert db.one("SELECT count(*) FROM sc.courses") == before

"""A dump restored elsewhere, or two months later, is the same school, and dropping the extension costs no row."""

import datetime
import os
import subprocess

import pytest

from instance import Cluster

# Two exams of one question: one is over, the other is being written and ends within the hour.
EXAMS = """
WITH q AS (INSERT INTO sc.questions DEFAULT VALUES RETURNING id),
     v AS (INSERT INTO sc.question_versions (question_id, version, type, prompt, options, key)
           SELECT id, 1, 'single', '2 + 2?', '[{"id":"a","text":"3"},{"id":"b","text":"4"}]', '{"correct":"b"}' FROM q RETURNING id, question_id),
     e AS (INSERT INTO sc.exams (title, time_limit, opens_at, closes_at, is_published, created_by)
           SELECT x.title, 3600, clock_timestamp() - x.ago, clock_timestamp() - x.ago + interval '2 hours', true, u.id
           FROM (VALUES ('Biten deneme', interval '3 days'), ('Süren deneme', interval '1 hour')) AS x(title, ago), sc.users AS u
           WHERE u.email = 'ogretmen@demo.test' RETURNING id),
     s AS (INSERT INTO sc.exam_sections (exam_id, order_index, title, test, question_count) SELECT id, 1, 'Matematik', 'Matematik', 1 FROM e RETURNING id, exam_id),
     a AS (INSERT INTO sc.exam_audience (exam_id, user_id) SELECT e.id, st.user_id FROM e, sc.students AS st)
INSERT INTO sc.exam_questions (exam_id, section_id, question_id, version_id, order_index)
SELECT s.exam_id, s.id, v.question_id, v.id, 1 FROM s, v;

DO $$
DECLARE
    student record;
    exam record;
    attempt bigint;
BEGIN
    FOR exam IN SELECT * FROM sc.exams ORDER BY id LOOP
        FOR student IN SELECT user_id AS id, row_number() OVER (ORDER BY user_id) AS n FROM sc.students ORDER BY user_id LIMIT 4 LOOP
            attempt := (sc.start_attempt(exam.id, student.id, at => exam.opens_at + interval '50 minutes')).attempt_id;
            PERFORM sc.save_answer(attempt, (SELECT max(id) FROM sc.questions), 1, to_jsonb(substr('abb', student.n::int % 4, 1)),
                                   at => exam.opens_at + interval '55 minutes');
            IF exam.closes_at < clock_timestamp() THEN
                PERFORM sc.submit_attempt(attempt, student.id, at => exam.opens_at + interval '58 minutes');
            END IF;
        END LOOP;
    END LOOP;
    PERFORM sc.upkeep_minute();
END
$$;
"""


def tool(instance, name, *args):
    done = subprocess.run(instance.as_owner([os.path.join(instance.bin, name), "-h", instance.run, "-U", "postgres", *args]),
                          capture_output=True, text=True, timeout=300, check=False, cwd="/")
    assert done.returncode == 0, done.stderr
    return done


def tables(db):
    return [r.name for r in db.all(
        "SELECT c.oid::regclass::text AS name FROM pg_class AS c WHERE c.relnamespace = 'sc'::regnamespace "
        "AND c.relkind IN ('r', 'p') AND NOT c.relispartition AND c.relpersistence = 'p' ORDER BY 1")]


def contents(db):
    """Rows and their sum by table; the order of columns does not matter, their values do."""
    out = {}
    for name in tables(db):
        row = db.row(f"SELECT count(*) AS n, coalesce(sum(hashtextextended(to_jsonb(t)::text, 0)::numeric), 0) AS h FROM {name} AS t")
        out[name] = (row.n, row.h)
    return out


def answers(db):
    """What a few functions say about everybody, and what everybody is told by the API, but for what is about today."""
    functions = db.all("SELECT e.user_id, e.course_id, sc.is_enrolled(e.user_id, e.course_id), p.videos_completed, p.percent "
                       "FROM sc.enrollments AS e, sc.course_progress(e.user_id, e.course_id) AS p ORDER BY 1, 2")
    api = db.all("SELECT u.email, r.method || ' ' || r.path AS call, x.path, d.status, d.body "
                 "FROM sc.users AS u CROSS JOIN sc.routes AS r "
                 "CROSS JOIN LATERAL ("
                 "    SELECT '{}'::text[] WHERE r.path !~ '{' UNION ALL "
                 "    SELECT ARRAY[c.id::text] FROM sc.courses AS c WHERE r.path ~ '{course_id}' UNION ALL "
                 "    SELECT ARRAY[a.id::text] FROM sc.exam_attempts AS a JOIN sc.exams AS e ON e.id = a.exam_id "
                 "    WHERE r.path ~ '{attempt_id}/result' AND e.title = 'Biten deneme' UNION ALL "
                 "    SELECT ARRAY[s.user_id::text] FROM sc.students AS s WHERE r.path ~ '{user_id}/results') AS x(path) "
                 "CROSS JOIN LATERAL sc_api.dispatch(r.id, u.id, NULL, NULL, x.path, NULL, NULL, NULL) AS d "
                 "WHERE r.method = 'GET' AND r.access = 'read' AND r.path NOT IN ('/exams', '/users/me/exams', '/users/me/data', '/stats/daily') "
                 "ORDER BY 1, 2, 3")
    assert {r.status for r in api} <= {200, 403, 404, 422}, [r for r in api if r.status not in (200, 403, 404, 422)]
    return functions, api


def definitions(db, kind):
    """Without parentheses: a restored condition comes back with other, equal ones."""
    return [r[0].replace("(", "").replace(")", "") for r in db.all(
        {"indexes": "SELECT indexdef FROM pg_indexes WHERE schemaname = 'sc' ORDER BY 1",
         "triggers": "SELECT pg_get_triggerdef(oid) FROM pg_trigger WHERE NOT tgisinternal AND tgparentid = 0 "
                     "AND tgrelid::regclass::text LIKE 'sc.%' ORDER BY 1",
         "constraints": "SELECT conrelid::regclass || ' ' || pg_get_constraintdef(oid) FROM pg_constraint "
                        "WHERE connamespace = 'sc'::regnamespace AND conparentid = 0 ORDER BY 1",
         "views": "SELECT viewname || definition FROM pg_views WHERE schemaname = 'sc_report' ORDER BY 1",
         "grants": "SELECT oid::regclass::text || ' ' || coalesce(relacl::text, '') FROM pg_class "
                   "WHERE relnamespace IN ('sc'::regnamespace, 'sc_report'::regnamespace) AND relkind IN ('r', 'p', 'v') ORDER BY 1"}[kind])]


@pytest.fixture(scope="module")
def source(instance, scratch_db):
    """A database with the demo, a DBA's column and index, and edited seeds; and its dump."""
    db = scratch_db("dump_source")
    db.run("CREATE EXTENSION student_coach")
    db.run("SELECT sc.install()")
    demo = os.path.join(instance.top, "demo/demo.sql")
    with open(demo, encoding="utf-8") as f:
        done = subprocess.run(instance.as_owner([os.path.join(instance.bin, "psql"), "-X", "-q", "-h", instance.run, "-U", "postgres",
                                                 "-d", "dump_source", "-v", "ON_ERROR_STOP=1", "-v", "password=deneme-sifresi-1"]),
                              stdin=f, capture_output=True, text=True, timeout=120, check=False, cwd="/")
    assert done.returncode == 0, done.stderr
    db.run("ALTER TABLE sc.users ADD COLUMN dba_note text DEFAULT 'none'")
    db.run("UPDATE sc.users SET dba_note = 'ödedi' WHERE email LIKE 'o%%'")
    db.run("CREATE INDEX dba_users_note ON sc.users (dba_note)")
    db.run("UPDATE sc.roles SET permissions = permissions || 'reports.read'::text, description = 'edited by the school' WHERE name = 'coach'")
    db.run("DELETE FROM sc.roles WHERE name = 'parent' AND NOT EXISTS (SELECT FROM sc.users WHERE role_id = roles.id)")
    db.run("INSERT INTO sc.roles (name, permissions) VALUES ('secretary', '{users.read}')")
    db.run(EXAMS)
    db.run("UPDATE sc.enrollments SET expires_at = clock_timestamp() + interval '40 days' "
           "WHERE id = (SELECT max(id) FROM sc.enrollments WHERE status = 'active')")
    path = f"/tmp/coach-dump.{os.getpid()}"
    tool(instance, "pg_dump", "-Fc", "-f", path, "dump_source")
    yield db, path
    os.remove(path)


@pytest.mark.parametrize("jobs", ["1", "4"])
def test_restore_gives_the_same_school(instance, scratch_db, source, jobs):
    db, path = source
    copy = scratch_db(f"dump_copy_{jobs}")
    done = tool(instance, "pg_restore", "-j", jobs, "-d", f"dump_copy_{jobs}", path)
    assert "error" not in done.stderr.lower()
    assert contents(copy) == contents(db)
    assert answers(copy) == answers(db)
    for kind in ("indexes", "triggers", "constraints", "views", "grants"):
        assert definitions(copy, kind) == definitions(db, kind), kind
    assert copy.one("SELECT count(*) FROM sc.users WHERE dba_note = 'ödedi'") == db.one("SELECT count(*) FROM sc.users WHERE dba_note = 'ödedi'") > 0

    # The restored school goes on: new ids follow the old ones, seeds that were edited stay edited.
    copy.run("SELECT sc.install()")
    assert contents(copy) == contents(db)
    last = copy.one("SELECT max(id) FROM sc.users")
    assert copy.one("INSERT INTO sc.users (email, full_name, role_id) VALUES ('sonraki@e2e.test', 'Sonraki', 1) RETURNING id") > last


@pytest.fixture(scope="module")
def later(instance, source):
    """The dump, restored into another, empty cluster two months later."""
    _, path = source
    with Cluster(instance, days=62) as cluster:
        root = cluster.db()
        assert root.one("SELECT count(*) FROM pg_roles WHERE rolname LIKE 'sc_%%'") == 0
        root.run("CREATE DATABASE school")
        root.close()
        assert "error" not in cluster.tool("pg_restore", "-h", cluster.run, "-U", "postgres", "-j", "4", "-d", "school", path).lower()
        db = cluster.db("school")
        yield db
        db.close()


def test_two_months_later_it_is_the_same_school(later, source):
    db, _ = source
    assert later.one("SELECT clock_timestamp()") - db.one("SELECT clock_timestamp()") > datetime.timedelta(days=61)
    assert contents(later) == contents(db)
    for kind in ("indexes", "triggers", "constraints", "views", "grants"):
        assert definitions(later, kind) == definitions(db, kind), kind
    # One enrolment has ended since, and nothing else is told differently.
    functions, api = answers(later)
    functions_then, api_then = answers(db)
    ended = [(now, then) for now, then in zip(functions, functions_then) if now != then]
    assert len(functions) == len(functions_then) and [(now.is_enrolled, then.is_enrolled) for now, then in ended] == [(False, True)]
    assert sum('"status":"expired"' in r.body for r in api) > 2
    assert [r._replace(body=r.body.replace('"status":"expired"', '"status":"active"')) for r in api] == api_then


def test_two_months_later_it_goes_on(later):
    """In a month that the dump knew nothing of: upkeep, logs with and without a partition, exams, tokens, install()."""
    def partition(log, where, *args):
        return later.one(f"SELECT c.relname FROM sc.{log} AS l JOIN pg_class AS c ON c.oid = l.tableoid WHERE {where}", *args)

    def month(at="clock_timestamp()"):
        return later.one(f"SELECT to_char(({at}) AT TIME ZONE 'UTC', 'YYYYMM')")

    # beyond the months that were made ahead, rows wait in the rest
    far = "clock_timestamp() + interval '3 months'"
    later.run(f"INSERT INTO sc.video_access_log (at, video_id, granted, reason) VALUES ({far}, -1, true, 'ok')")
    assert partition("video_access_log", "video_id = -1") == "video_access_log_rest"

    # upkeep closes what was being written, ends the enrolment, and makes the months to come
    done = later.row("SELECT * FROM sc.upkeep_minute()")
    assert (done.closed, done.folded) == (4, 4)
    assert later.all("SELECT DISTINCT state, finish_reason FROM sc.exam_attempts AS a JOIN sc.exams AS e ON e.id = a.exam_id "
                     "WHERE e.title = 'Süren deneme'") == [("graded", "deadline")]
    done = later.row("SELECT * FROM sc.upkeep_daily()")
    assert done.enrollments_expired == 1 and done.partitions_made >= 4
    assert partition("video_access_log", "video_id = -1") == f"video_access_log_{month(far)}"
    assert later.row("SELECT * FROM sc.upkeep_daily()")[:2] == (0, 0)

    # a lesson and an exam of today are logged in the month of today
    student = later.one("SELECT e.user_id FROM sc.enrollments AS e WHERE e.status = 'active' ORDER BY e.id LIMIT 1")
    status = later.one("SELECT d.status FROM sc.enrollments AS e JOIN sc.videos AS v ON v.course_id = e.course_id, "
                       "sc_api.dispatch(600, e.user_id, NULL, NULL, ARRAY[v.id::text], NULL, NULL, NULL) AS d "
                       "WHERE e.user_id = %s AND e.status = 'active' ORDER BY e.id, v.id LIMIT 1", student)
    assert status == 200
    assert partition("video_access_log", "user_id = %s ORDER BY at DESC LIMIT 1", student) == f"video_access_log_{month()}"
    later.run("UPDATE sc.exams SET opens_at = clock_timestamp() - interval '1 minute', closes_at = clock_timestamp() + interval '2 hours', "
              "max_attempts = 2 WHERE title = 'Süren deneme'")
    attempt = later.one("SELECT (sc.start_attempt(id, %s)).attempt_id FROM sc.exams WHERE title = 'Süren deneme'", student)
    saved = later.row("SELECT * FROM sc.save_answer(%s, (SELECT max(id) FROM sc.questions), 1, '\"b\"')", attempt)
    assert (saved.stale, saved.late_ms) == (False, 0)
    assert partition("answer_log", "attempt_id = %s", attempt) == f"answer_log_{month()}"
    assert later.one("SELECT state FROM sc.submit_attempt(%s)", attempt) == "graded"

    # log-ins work, and a second install() finds nothing to do
    body = '{"email": "ogrenci@demo.test", "password": "deneme-sifresi-1"}'
    assert later.one("SELECT d.status FROM sc.routes AS r, sc_api.dispatch(r.id, NULL, NULL, NULL, '{}', NULL, %s, NULL) AS d "
                     "WHERE r.path = '/auth/login'", body) == 200
    before = contents(later)
    later.run("SELECT sc.install()")
    assert contents(later) == before


def test_signing_keys_survive_a_restore(source, instance, scratch_db):
    """Log-ins made before the dump stay valid after it."""
    db, path = source
    copy = scratch_db("dump_keys")
    tool(instance, "pg_restore", "-d", "dump_keys", path)
    query = "SELECT kid, state FROM sc.signing_keys ORDER BY kid"
    assert copy.all(query) == db.all(query) and db.all(query)


def test_dropping_the_extension_costs_no_row(scratch_db, source, instance):
    db, path = source
    copy = scratch_db("dump_drop")
    tool(instance, "pg_restore", "-d", "dump_drop", path)
    before = contents(copy), answers(copy), definitions(copy, "triggers"), definitions(copy, "views")
    copy.run("DROP EXTENSION student_coach CASCADE")
    assert contents(copy) == before[0]
    assert definitions(copy, "triggers") != before[2]
    copy.run("CREATE EXTENSION student_coach")
    copy.run("SELECT sc.install()")
    assert (contents(copy), answers(copy), definitions(copy, "triggers"), definitions(copy, "views")) == before


def test_install_is_idempotent(scratch_db):
    db = scratch_db("install_twice")
    db.run("CREATE EXTENSION student_coach")
    first = db.one("SELECT sc.install()")
    before = contents(db), [definitions(db, k) for k in ("indexes", "triggers", "constraints", "views", "grants")]
    assert db.one("SELECT sc.install()") == first
    assert (contents(db), [definitions(db, k) for k in ("indexes", "triggers", "constraints", "views", "grants")]) == before


def test_the_schema_holds_the_originals_indexes(db):
    wanted = {"idx_users_email", "idx_users_active", "idx_courses_published", "idx_courses_category", "idx_courses_teacher",
              "idx_courses_search", "idx_enrollments_user_course", "idx_enrollments_status", "idx_video_progress_user_video",
              "idx_exam_results_user", "idx_exam_results_date"}
    have = {r.indexname for r in db.all("SELECT indexname FROM pg_indexes WHERE schemaname = 'sc'")}
    assert wanted <= have, wanted - have

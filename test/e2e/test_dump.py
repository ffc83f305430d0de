"""A dump restored elsewhere is the same school, and dropping the extension costs no row."""

import os
import subprocess

import pytest

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
    """What a few functions say about everybody."""
    return db.all("SELECT e.user_id, e.course_id, sc.is_enrolled(e.user_id, e.course_id), p.videos_completed, p.percent "
                  "FROM sc.enrollments AS e, sc.course_progress(e.user_id, e.course_id) AS p ORDER BY 1, 2")


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
    assert answers(copy) == answers(db) and len(answers(db)) > 5
    for kind in ("indexes", "triggers", "constraints", "views", "grants"):
        assert definitions(copy, kind) == definitions(db, kind), kind
    assert copy.one("SELECT count(*) FROM sc.users WHERE dba_note = 'ödedi'") == db.one("SELECT count(*) FROM sc.users WHERE dba_note = 'ödedi'") > 0

    # The restored school goes on: new ids follow the old ones, seeds that were edited stay edited.
    copy.run("SELECT sc.install()")
    assert contents(copy) == contents(db)
    last = copy.one("SELECT max(id) FROM sc.users")
    assert copy.one("INSERT INTO sc.users (email, full_name, role_id) VALUES ('sonraki@e2e.test', 'Sonraki', 1) RETURNING id") > last


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

"""A new release over an old school: the extension is updated, coachd waits for the tables, sc.migrate() brings them up.

The old release is this one under the name 0.9.
"""

import os
import shutil
import subprocess

import pytest

from client import Api
from instance import TOP
from test_dump import contents, definitions

KINDS = ("indexes", "triggers", "constraints", "views", "grants")


@pytest.fixture
def old_release(instance):
    """CREATE EXTENSION … VERSION '0.9', and the way from there to this release."""
    folder = os.path.join(os.path.dirname(instance.bin), "../../../share/postgresql/15/extension")
    built = os.path.join(folder, "student_coach--1.0.sql")
    made = [os.path.join(folder, name) for name in ("student_coach--0.9.sql", "student_coach--0.9--1.0.sql")]
    shutil.copy(built, made[0])
    with open(made[1], "wb") as f:
        subprocess.run([os.path.join(TOP, "dev/update.sh"), built], stdout=f, check=True)
    yield "0.9"
    for path in made:
        os.remove(path)


@pytest.fixture
def school(scratch_db, old_release):
    """A database of the old release, with a student, and with what a DBA added."""
    db = scratch_db("upgrade")
    db.run(f"CREATE EXTENSION student_coach VERSION '{old_release}'")
    assert db.one("SELECT sc.install()") == old_release
    db.run("INSERT INTO sc.users (email, full_name, password_hash, role_id, email_verified_at) "
           "SELECT 'eski@e2e.test', 'Eski Öğrenci', sc.password_hash('eski-parola-1'), id, clock_timestamp() FROM sc.roles WHERE name = 'student'")
    db.run("INSERT INTO sc.students (user_id) SELECT id FROM sc.users")
    db.run("ALTER TABLE sc.users ADD COLUMN dba_note text DEFAULT 'ödedi'")
    return db


def coachd_on(instance, dbname):
    url = f"host={instance.run} dbname={dbname} user="
    return instance.coachd(COACH_DB_URL=url + "sc_app", COACH_DB_SLOW_URL=url + "sc_app_slow", COACH_DB_DIRECT_URL=url + "sc_app",
                           COACH_DB_PREPARE="on", COACH_REDIS_CACHE_URL="-", COACH_REDIS_SESSION_URL="-", COACH_REDIS_LIMIT_URL="-")


@pytest.mark.parametrize("way", ["ALTER EXTENSION student_coach UPDATE",
                                 "DROP EXTENSION student_coach CASCADE; CREATE EXTENSION student_coach"])
def test_update(instance, scratch_db, school, way):
    fresh = scratch_db("upgrade_fresh")
    fresh.run("CREATE EXTENSION student_coach; SELECT sc.install()")
    new = fresh.one("SELECT sc.version()")
    before = contents(school)

    school.run(way)
    assert (school.one("SELECT sc.version()"), school.one("SELECT sc.tables_version()")) == (new, "0.9")
    server = coachd_on(instance, "upgrade")
    server.start(ready=False)
    try:
        assert server.process.wait(30) == 1
    finally:
        server.kill()
    assert "run SELECT sc.migrate()" in server.read_log() and "0.9" in server.read_log()

    assert school.one("SELECT sc.migrate()") == new
    after = contents(school)
    assert {name for name in after if after[name] != before.get(name)} == {"sc.schema_version"}
    for kind in KINDS:
        assert definitions(school, kind) == definitions(fresh, kind), kind
    functions = ("SELECT p.oid::regprocedure::text, md5(p.prosrc), p.proowner::regrole::text, p.proacl::text, p.prosecdef "
                 "FROM pg_proc AS p WHERE p.pronamespace IN ('sc'::regnamespace, 'sc_api'::regnamespace) ORDER BY 1")
    assert school.all(functions) == fresh.all(functions)
    members = ("SELECT d.classid::regclass::text, count(*) FROM pg_depend AS d JOIN pg_extension AS e ON e.oid = d.refobjid "
               "WHERE e.extname = 'student_coach' AND d.refclassid = 'pg_extension'::regclass AND d.deptype = 'e' GROUP BY 1 ORDER BY 1")
    assert school.all(members) == fresh.all(members)
    assert school.one("SELECT dba_note FROM sc.users") == "ödedi"

    with coachd_on(instance, "upgrade") as server:
        me = Api(server.address).login("eski@e2e.test", "eski-parola-1")
        assert me.get("/auth/me").ok()["full_name"] == "Eski Öğrenci"


def test_a_server_that_finds_no_tables_says_so(instance, scratch_db):
    scratch_db("upgrade_empty").run("CREATE EXTENSION student_coach")
    server = coachd_on(instance, "upgrade_empty")
    server.start(ready=False)
    try:
        assert server.process.wait(30) == 1
    finally:
        server.kill()
    assert "run SELECT sc.install()" in server.read_log()

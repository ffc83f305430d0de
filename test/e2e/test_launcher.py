"""./coach itself: as often as one likes, several side by side, and nothing left behind."""

import os
import signal
import socket
import subprocess

from client import Api
from instance import alive, has_ipv6, wait_until

DEMO_PASSWORD = "deneme-sifresi-1"


def test_up_again_changes_nothing(demo_instance):
    db = demo_instance.db()
    before = demo_instance.pid("coachd"), demo_instance.pid("postgresql"), db.one("SELECT count(*) FROM sc.users")
    out = demo_instance.coach("up")
    assert demo_instance.address in out and "ogrenci@demo.test" in out
    assert (demo_instance.pid("coachd"), demo_instance.pid("postgresql"), db.one("SELECT count(*) FROM sc.users")) == before
    db.close()


def test_instances_side_by_side_share_nothing(instance, demo_instance):
    assert instance.address != demo_instance.address
    assert not {instance.pid(n) for n in ("coachd", "redis", "postgresql")} & {demo_instance.pid(n) for n in ("coachd", "redis", "postgresql")}
    assert instance.ready() and demo_instance.ready()


def test_every_demo_account_can_log_in(demo_instance):
    for name, role in (("ogrenci", "student"), ("veli", "parent"), ("ogretmen", "teacher"), ("koc", "coach"), ("yonetici", "admin")):
        me = Api(demo_instance.address).login(f"{name}@demo.test", DEMO_PASSWORD).get("/auth/me").ok()
        assert me["email"] == f"{name}@demo.test"
        assert role in (me.get("role"), *me.get("roles", []))


def test_a_setting_changes_with_a_restart(demo_instance):
    old = demo_instance.pid("coachd")
    demo_instance.coach("restart", env={"COACH_CORS_ORIGINS": "https://uygulama.test"})
    assert demo_instance.pid("coachd") != old
    reply = Api(demo_instance.address).get("/courses", headers={"Origin": "https://uygulama.test"})
    assert reply.headers.get("access-control-allow-origin") == "https://uygulama.test"
    demo_instance.coach("restart")
    reply = Api(demo_instance.address).get("/courses", headers={"Origin": "https://uygulama.test"})
    assert "access-control-allow-origin" not in reply.headers


def test_a_bad_setting_leaves_the_running_server(demo_instance):
    out = demo_instance.coach("restart", env={"COACH_RATE_API": "many"}, check=False)
    assert "COACH_RATE_API" in out
    assert demo_instance.ready()
    demo_instance.coach("restart")


def test_an_overdue_attempt_is_closed_without_anybody_calling(demo_instance):
    db = demo_instance.db()
    attempt = db.one(
        "WITH e AS (INSERT INTO sc.exams (title, is_published) VALUES ('Unutulan', true) RETURNING id) "
        "INSERT INTO sc.exam_attempts (exam_id, user_id, attempt_no, state, seed, question_ids, version_ids, section_ids, started_at, deadline_at) "
        "SELECT e.id, u.id, 1, 'in_progress', 1, '{}', '{}', '{}', clock_timestamp() - interval '2 hours', clock_timestamp() - interval '1 hour' "
        "FROM e, sc.users AS u WHERE u.email = 'ogrenci@demo.test' RETURNING id")

    def state():
        return db.one("SELECT state FROM sc.exam_attempts WHERE id = %s", attempt)
    # by the default the next tick is up to a minute away
    demo_instance.coach("restart", env={"COACH_UPKEEP_S": "1"})
    wait_until(lambda: state() != "in_progress", 60, "the sweep")
    wait_until(lambda: "closed 1" in demo_instance.coach("logs", "upkeep"), 20, "the log of it")
    assert "partitions" in demo_instance.coach("logs", "upkeep")

    # it comes back when it dies, and outlives a restart of the database
    old = demo_instance.pid("upkeep")
    os.kill(old, signal.SIGKILL)
    wait_until(lambda: demo_instance.pid("upkeep") not in (None, old), 20, "a new upkeep")
    demo_instance.stop_postgres()
    demo_instance.start_postgres()
    demo_instance.wait_ready()
    db.run("UPDATE sc.exam_attempts SET state = 'in_progress', finished_at = NULL, finish_reason = NULL, submitted_at = NULL WHERE id = %s", attempt)
    wait_until(lambda: state() != "in_progress", 60, "another sweep")

    demo_instance.coach("restart", env={"COACH_UPKEEP_S": "0"})
    assert demo_instance.pid("upkeep") is None and demo_instance.pid("upkeep.keeper") is None
    demo_instance.coach("restart")
    assert demo_instance.pid("upkeep")
    db.close()


def test_admin_create(demo_instance):
    email = "mudire.o'neil@okul.test"
    out = demo_instance.coach("admin", "create", email, stdin="çok gizli \\ 'parola'\n")
    assert email in out and "gizli" not in out
    admin = Api(demo_instance.address).login(email, "çok gizli \\ 'parola'")
    assert admin.get("/users").status == 200
    assert "already" in demo_instance.coach("admin", "create", email, stdin="baska-parola-1\n", check=False)
    assert "at least" in demo_instance.coach("admin", "create", "kisa@okul.test", stdin="kisa\n", check=False)
    assert "easy to guess" in demo_instance.coach("admin", "create", "kolay@okul.test", stdin="12345678\n", check=False)
    out = demo_instance.coach("admin", "create", "MÜDÜR İ@okul.test", stdin="baska-parola-1\n", check=False)
    assert "no e-mail address" in out and "argon2" not in out
    # however a terminal composes ü and ş, it is one address and one password
    demo_instance.coach("admin", "create", "Mu\u0308dur@Okul.TEST", stdin="du\u0308s\u0327 kapanı\n")
    assert Api(demo_instance.address).login("müdur@okul.test", "düş kapanı").get("/users").status == 200
    db = demo_instance.db()
    assert db.one("SELECT count(*) FROM sc.users WHERE email = 'kolay@okul.test' OR full_name LIKE 'MÜDÜR%%'") == 0
    db.close()


def test_an_address_to_listen_on_is_checked_first(demo_instance, tmp_path):
    folder = str(tmp_path / "never")
    for address in ("abc", "127.0.0.1", "8080", "127.0.0.1:http"):
        out = demo_instance.coach("up", env={"COACH_VAR": folder, "COACH_LISTEN": address}, check=False)
        assert "COACH_LISTEN is ADDRESS:PORT" in out and not os.path.exists(folder)


def test_the_open_universitys_data_can_be_loaded_once(demo_instance, data_file):
    folder = os.path.dirname(data_file("oulad/studentRegistration.csv"))
    out = demo_instance.coach("demo", "--oulad", folder)
    assert [line.split() for line in out.splitlines()] == [["12400", "users"], ["12", "courses"], ["12489", "enrollments"]]
    out = demo_instance.coach("demo", "--oulad", folder, check=False)
    assert "line 2, student_no: This student number is in use" in out and len(out.splitlines()) < 12


def test_production_refuses_the_demo(demo_instance):
    assert "production" in demo_instance.coach("demo", env={"COACH_ENV": "production"}, check=False)
    # its accounts are open: who serves goes on, nobody begins
    before = demo_instance.pid("coachd")
    demo_instance.coach("restart", env={"COACH_ENV": "production"}, check=False)
    assert demo_instance.pid("coachd") == before and demo_instance.ready()
    assert "accounts of the demo" in demo_instance.coach("logs")
    db = demo_instance.db()
    db.run("UPDATE sc.users SET is_active = false WHERE email LIKE '%%@demo.test'")
    try:
        demo_instance.coach("restart", env={"COACH_ENV": "production"})
        assert demo_instance.pid("coachd") != before
    finally:
        db.run("UPDATE sc.users SET is_active = true WHERE email LIKE '%%@demo.test'")
        demo_instance.coach("restart")
        db.close()


def test_a_taken_port_is_said_plainly(instance):
    folder = f"/tmp/coach-taken.{os.getpid()}"
    try:
        out = instance.coach("up", env={"COACH_VAR": folder, "COACH_LISTEN": instance.address}, check=False)
        assert f"{instance.address} is taken" in out
        if has_ipv6():
            with socket.create_server(("::1", 0), family=socket.AF_INET6) as taken:
                address = f"[::1]:{taken.getsockname()[1]}"
                assert f"{address} is taken" in instance.coach("up", env={"COACH_VAR": folder, "COACH_LISTEN": address}, check=False)
    finally:
        instance.coach("down", env={"COACH_VAR": folder})
        subprocess.run(["rm", "-rf", folder], check=True)


def test_down_leaves_no_process_and_keeps_the_data(demo_instance):
    pids = [demo_instance.pid(n) for n in ("coachd", "coachd.keeper", "upkeep", "upkeep.keeper", "redis", "postgresql")]
    assert all(pids)
    demo_instance.down()
    for pid in pids:
        wait_until(lambda pid=pid: not alive(pid), 20, f"process {pid} to end")
    demo_instance.coach("down")         # twice does no harm
    assert "run ./coach up" in demo_instance.coach("demo", check=False)
    demo_instance.coach("up")
    assert Api(demo_instance.address).login("ogrenci@demo.test", DEMO_PASSWORD)


def test_help_names_every_command(instance):
    out = instance.coach("--help")
    for command in ("up", "down", "restart", "status", "psql", "logs", "demo", "admin", "check", "bench"):
        assert f"\n  {command}" in out
    assert "usage" in instance.coach("no-such-command", check=False)

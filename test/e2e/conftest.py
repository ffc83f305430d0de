"""Fixtures of the end-to-end tests.

One instance (PostgreSQL, Redis, coachd) serves the whole run. `./coach check e2e` starts it; by hand,

    COACH_VAR=/tmp/x ./coach up
    COACH_E2E_VAR=/tmp/x /usr/bin/python3 -m pytest test/e2e -k progress

uses one that is up already, and without COACH_E2E_VAR pytest starts and stops its own. With COACH_E2E_BOUNCER=1 its coachd
stands behind PgBouncer for the length of the run.

A test makes its own users and courses (new_user, new_course), so that order does not matter; names and e-mails are
unique by themselves. test_health.py shows the manner.
"""

import contextlib
import fcntl
import filecmp
import itertools
import os
import shutil
import subprocess
import tempfile

import psycopg2
import pytest
import redis as redis_client

from client import Api
from instance import TOP, Bouncer, Instance, free_port

DATA = os.path.join(os.path.dirname(os.path.abspath(__file__)), "../../../shared/data")
PASSWORD = "parola-Uzun-ve-Gizli-7"
BEHIND_BOUNCER = os.environ.get("COACH_E2E_BOUNCER", "") not in ("", "0")


def pytest_configure(config):
    config.addinivalue_line("markers", "direct: makes no sense behind PgBouncer")


def pytest_collection_modifyitems(items):
    for item in items:
        if BEHIND_BOUNCER and item.get_closest_marker("direct"):
            item.add_marker(pytest.mark.skip(reason="makes no sense behind PgBouncer"))


@pytest.fixture(scope="session")
def instance():
    """The instance under test: .address, .run, .pid(name), .coachd(**settings), .kill_redis(), …"""
    var = os.environ.get("COACH_E2E_VAR")
    if var:
        made = Instance(var)
    else:
        folder = tempfile.mkdtemp(prefix="coach-e2e.", dir="/tmp")
        os.chmod(folder, 0o755)
        made = Instance(os.path.join(folder, "var"))
        made.up()
    if BEHIND_BOUNCER:
        with bouncer_of(made) as between:
            made.environment.update(between.settings())
            made.coach("restart")
            yield made
            for name in between.settings():
                del made.environment[name]
            if var:
                made.coach("restart")
    else:
        yield made
    if not var:
        made.down()
        shutil.rmtree(folder)


@contextlib.contextmanager
def bouncer_of(instance):
    folder = tempfile.mkdtemp(prefix="coach-pgb.", dir="/tmp")
    os.chmod(folder, 0o755)
    with Bouncer(instance, folder) as made:
        yield made
    shutil.rmtree(folder)


@pytest.fixture(scope="session")
def demo_instance():
    """A second instance beside the first, as a newcomer gets it: demo data, default settings and limits."""
    folder = tempfile.mkdtemp(prefix="coach-demo.", dir="/tmp")
    os.chmod(folder, 0o755)
    made = Instance(os.path.join(folder, "var"))
    made.environment = {k: v for k, v in os.environ.items() if not k.startswith(("COACH_", "PG"))}
    made.environment.update(COACH_VAR=made.var, COACH_LISTEN=f"127.0.0.1:{free_port()}")
    made.coach("up")
    yield made
    made.down()
    shutil.rmtree(folder)


@pytest.fixture(scope="session")
def db(instance):
    """Superuser SQL: db.one(sql, *args), db.row, db.all, db.run. Placeholders are %s."""
    made = instance.db()
    yield made
    made.close()


@pytest.fixture(scope="session")
def redis(instance):
    """redis(0), redis(1), redis(2): a client on the cache, session and limit databases."""
    def make(number=0):
        return redis_client.Redis(unix_socket_path=os.path.join(instance.run, "redis.sock"), db=number)
    return make


@pytest.fixture(scope="session")
def api(instance):
    """An anonymous client."""
    return Api(instance.address)


@pytest.fixture(scope="session")
def serial():
    counter = itertools.count(1)
    return lambda: f"{os.getpid()}-{next(counter)}"


@pytest.fixture(scope="session")
def new_user(api, db, serial):
    """new_user("student", login=True, full_name=…, **columns of sc.users) -> a client with .user.id, .user.email, .user.password.

    The password is always PASSWORD; its hash is made once, since hashing is meant to be slow.
    """
    hashed = db.one("SELECT sc.password_hash(%s)", PASSWORD)

    def make(role="student", login=True, student_no=None, **columns):
        columns = {"email": f"{role}-{serial()}@e2e.test", "full_name": "Deneme Kişisi", "password_hash": hashed, **columns}
        names = list(columns)
        user = db.row(
            f"INSERT INTO sc.users ({', '.join(names)}, role_id, email_verified_at) "
            f"SELECT {', '.join(['%s'] * len(names))}, id, clock_timestamp() FROM sc.roles WHERE name = %s RETURNING id, email",
            *[columns[n] for n in names], role)
        if role == "student":
            db.run("INSERT INTO sc.students (user_id, student_no) VALUES (%s, %s)", user.id, student_no)
        client = api.login(user.email or student_no, PASSWORD) if login else Api(api.address)
        client.user = type("User", (), {"id": user.id, "email": user.email, "password": PASSWORD, "role": role})
        return client
    return make


@pytest.fixture(scope="session")
def student(new_user):
    return new_user("student", full_name="Işıl Şahin")


@pytest.fixture(scope="session")
def parent(new_user):
    return new_user("parent", full_name="Çiğdem Şahin")


@pytest.fixture(scope="session")
def teacher(new_user):
    return new_user("teacher", full_name="Gökhan Öztürk")


@pytest.fixture(scope="session")
def coach(new_user):
    return new_user("coach", full_name="İrem Yıldız")


@pytest.fixture(scope="session")
def admin(new_user):
    return new_user("admin", full_name="Ümit Ağaoğlu")


@pytest.fixture(scope="session")
def new_course(db, teacher, serial):
    """new_course(topics=1, videos=2, duration=600, **columns of sc.courses) -> object with .id, .topics, .videos (ids)."""
    def make(topics=1, videos=2, duration=600, **columns):
        columns = {"title": f"Ders {serial()}", "teacher_id": teacher.user.id, "is_published": True, **columns}
        names = list(columns)
        course = db.one(f"INSERT INTO sc.courses ({', '.join(names)}) VALUES ({', '.join(['%s'] * len(names))}) RETURNING id",
                        *[columns[n] for n in names])
        topic_ids, video_ids = [], []
        for t in range(1, topics + 1):
            topic_ids.append(db.one("INSERT INTO sc.topics (course_id, title, order_index) VALUES (%s, %s, %s) RETURNING id",
                                    course, f"Konu {t}", t))
            for v in range(1, videos + 1):
                video_ids.append(db.one(
                    "INSERT INTO sc.videos (course_id, topic_id, youtube_id, title, duration, order_index) "
                    "VALUES (%s, %s, substr(md5(random()::text), 1, 11), %s, %s, %s) RETURNING id",
                    course, topic_ids[-1], f"Video {t}.{v}", duration, v))
        return type("Course", (), {"id": course, "topics": topic_ids, "videos": video_ids})
    return make


@pytest.fixture(scope="session")
def enroll(db):
    """enroll(user_id, course_id, status="active", **columns): an enrolment made behind the API's back."""
    def make(user_id, course_id, status="active", **columns):
        columns = {"user_id": user_id, "course_id": course_id, "status": status, **columns}
        return db.one(f"INSERT INTO sc.enrollments ({', '.join(columns)}) VALUES ({', '.join(['%s'] * len(columns))}) RETURNING id",
                      *columns.values())
    return make


@pytest.fixture
def faults(instance):
    """The instance, for tests that break something: afterwards everything is made to run again."""
    yield instance
    instance.repair()


@pytest.fixture
def bouncer(instance):
    """PgBouncer 1.18 in transaction mode: bouncer.url(user)."""
    with bouncer_of(instance) as made:
        yield made


@pytest.fixture(scope="session")
def scratch_db(instance):
    """scratch_db("name") -> Db on a new empty database of the cluster, dropped at the end."""
    made = []
    root = instance.db("postgres")

    def make(name):
        root.run(f"DROP DATABASE IF EXISTS {name} WITH (FORCE)")
        root.run(f"CREATE DATABASE {name}")
        made.append(instance.db(name))
        return made[-1]
    yield make
    for d in made:
        d.close()
        try:
            root.run(f"DROP DATABASE IF EXISTS {d.dsn['dbname']} WITH (FORCE)")
        except psycopg2.Error as error:
            print(error)
    root.close()


@pytest.fixture(scope="session")
def data_file():
    """data_file("oulad/courses.csv") -> path; skips the test where the optional data folder is absent."""
    def path(name):
        full = os.path.normpath(os.path.join(DATA, name))
        if not os.path.exists(full):
            pytest.skip(f"no ../shared/data/{name} here")
        return full
    return path


@pytest.fixture(scope="session")
def node():
    """node("jwt.mjs", stdin) -> CompletedProcess: a script of test/e2e/npm, with its pinned packages in build/npm."""
    if shutil.which("npm") is None:
        pytest.skip("npm is not installed")
    source, target = os.path.join(TOP, "test/e2e/npm"), os.path.join(TOP, "build/npm")
    os.makedirs(target, exist_ok=True)
    with open(os.path.join(target, ".lock"), "w", encoding="ascii") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        wanted, have = os.path.join(source, "package.json"), os.path.join(target, "package.json")
        if not (os.path.exists(have) and filecmp.cmp(wanted, have, shallow=False)):
            shutil.copy(wanted, have + ".new")
            shutil.rmtree(os.path.join(target, "node_modules"), ignore_errors=True)
            os.replace(have + ".new", have)
            done = subprocess.run(["npm", "install", "--silent", "--no-audit", "--no-fund", "--no-package-lock"], cwd=target,
                                  timeout=300, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)
            if done.returncode != 0:
                os.remove(have)
                pytest.skip(f"npm install failed: {done.stderr[-500:]}")

    def run(script, stdin=""):
        shutil.copy(os.path.join(source, script), target)
        return subprocess.run(["node", os.path.join(target, script)], input=stdin, capture_output=True, text=True, timeout=120, check=False)
    return run

"""Every route, asked by every role, answers exactly as role_matrix.tsv says.

The askers are strangers to what they ask for: the course belongs to another teacher, the progress to another student,
so the matrix holds the object-level checks too. Each request gets objects of its own, since some are deleted by it.

A line is: route, and status for anonymous, student, parent, teacher, coach and admin. What is sent (query of GET and
DELETE, body of the others) is made from the types of the route's required parameters, or stands in role_samples.json,
where {"$": "course_id"} is the id of a fresh course and the like. A route without a line fails; COACH_E2E_MATRIX=write adds lines as
the server answers now, to be read with care before they are committed.
"""

import json
import os
import re
import uuid

import pytest

ROLES = ("anonymous", "student", "parent", "teacher", "coach", "admin")
FILE = os.path.join(os.path.dirname(os.path.abspath(__file__)), "role_matrix.tsv")


def read_matrix():
    """{route: [status by role]}"""
    matrix = {}
    if os.path.exists(FILE):
        with open(FILE, encoding="utf-8") as f:
            for line in f:
                if line.strip() and not line.startswith("#"):
                    name, *cells = line.rstrip("\n").split("\t")
                    matrix[name] = [int(c) for c in cells]
    return matrix


def read_samples():
    with open(os.path.join(os.path.dirname(FILE), "role_samples.json"), encoding="utf-8") as f:
        return json.load(f)


SAMPLES = read_samples()
MATRIX = read_matrix()


@pytest.fixture(scope="session")
def askers(api, new_user):
    return {role: api.anonymous() if role == "anonymous" else new_user(role) for role in ROLES}


@pytest.fixture(scope="session")
def routes(db):
    return {f"{r.method} {r.path}": r for r in db.all("SELECT id, method, path, content_type, params FROM sc_api.routes() WHERE path LIKE '/%%'")}


def make_sample(db, new_course, new_user, teacher, student, enroll, serial):
    """Gives sample(name) -> the id of a fresh object of the default teacher and students, by the name of the parameter."""
    made = {}

    def insert(table, **columns):
        return db.one(f"INSERT INTO sc.{table} ({', '.join(columns)}) VALUES ({', '.join(['%s'] * len(columns))}) RETURNING id", *columns.values())

    def course():
        if "course" not in made:
            made["course"] = new_course(videos=2)
            enroll(student.user.id, made["course"].id)
        return made["course"]

    def season():
        return insert("seasons", name=f"Sezon {serial()}", starts_on="2026-09-01", ends_on="2027-06-30")

    def question():
        made_id = insert("questions", created_by=teacher.user.id)
        insert("question_versions", question_id=made_id, version=1, type="single", prompt="İki kere iki?",
               options='[{"id": "a", "text": "3"}, {"id": "b", "text": "4"}]', key='{"correct": "b"}')
        return made_id

    def section():
        return insert("exam_sections", exam_id=value("exam_id"), order_index=1, title="Bölüm", test="Bölüm", question_count=1)

    def exam():
        return insert("exams", title=f"Sınav {serial()}", created_by=teacher.user.id)

    def attempt():
        """The default student is writing."""
        version = db.one("SELECT id FROM sc.question_versions WHERE question_id = %s", value("question_id"))
        return insert("exam_attempts", exam_id=value("exam_id"), user_id=student.user.id, attempt_no=1, seed=1,
                      question_ids=[value("question_id")], version_ids=[version], section_ids=[value("section_id")],
                      started_at="2026-01-01", deadline_at="2099-01-01")

    makers = {
        "course_id": lambda: course().id,
        "topic_id": lambda: course().topics[0],
        "video_id": lambda: course().videos[1],
        "user_id": lambda: new_user("student", login=False).user.id,
        "student_id": lambda: new_user("student", login=False).user.id,
        "guardian_id": lambda: new_user("parent", login=False).user.id,
        "coach_id": lambda: new_user("coach", login=False).user.id,
        "teacher_id": lambda: teacher.user.id,
        "enrollment_id": lambda: enroll(new_user("student", login=False).user.id, course().id),
        "category_id": lambda: insert("categories", name="Raf", slug=f"raf-{serial()}"),
        "season_id": season,
        "branch_id": lambda: insert("branches", name=f"Şube {serial()}"),
        "group_id": lambda: insert("groups", name=f"Sınıf {serial()}", season_id=season()),
        "package_id": lambda: insert("packages", name=f"Paket {serial()}"),
        "subject_id": lambda: insert("subjects", code=f"D{serial()}", name="Ders"),
        "unit_id": lambda: insert("units", subject_id=value("subject_id"), name="Ünite"),
        "outcome_id": lambda: insert("outcomes", unit_id=value("unit_id"), code=f"K{serial()}", description="Kazanım"),
        "relation_id": lambda: insert("guardians", guardian_id=value("guardian_id"), student_id=value("student_id")),
        "notice_id": lambda: insert("consent_notices", kind="marketing", version=db.one("SELECT count(*) + 1 FROM sc.consent_notices"), body="Metin"),
        "exam_id": exam,
        "question_id": question,
        "section_id": section,
        "attempt_id": attempt,
    }

    def value(name):
        if name not in made:
            made[name] = makers[name]() if name in makers else 999999999
        return made[name]
    return value


def body_of(route, sample, serial):
    """A body that satisfies the types of the route's required parameters."""
    body = {}
    for p in route.params or []:
        if p["in"] != "body" or not p["required"]:
            continue
        name, kind = p["name"], p["type"]
        if name.endswith("_id"):
            body[name] = sample(name)
        elif kind.endswith("[]"):
            body[name] = []
        elif kind in ("bigint", "integer", "smallint", "numeric", "double precision", "int", "int8", "int4", "int2", "float8"):
            body[name] = 1
        elif kind in ("boolean", "bool"):
            body[name] = True
        elif kind in ("jsonb", "json"):
            body[name] = {}
        elif kind.startswith("timestamp"):
            body[name] = "2030-01-01T00:00:00Z"
        elif kind == "date":
            body[name] = "2030-01-01"
        elif kind == "uuid":
            body[name] = str(uuid.uuid4())
        elif "email" in name:
            body[name] = f"yeni-{serial()}@e2e.test"
        elif "password" in name:
            body[name] = "uzun-ve-gizli-parola-9"
        else:
            body[name] = f"Deneme {serial()}"
    return body


def fill(value, sample, serial):
    """A value of role_samples.json with its ids and serial numbers."""
    if isinstance(value, dict):
        return sample(value["$"]) if list(value) == ["$"] else {k: fill(v, sample, serial) for k, v in value.items()}
    if isinstance(value, list):
        return [fill(v, sample, serial) for v in value]
    return value.replace("{serial}", serial()) if isinstance(value, str) else value


def ask(name, route, client, sample, serial):
    path = re.sub(r"\{(\w+)\}", lambda m: str(sample(m.group(1))), route.path)
    given = fill(SAMPLES[name], sample, serial) if name in SAMPLES else None
    if route.method in ("GET", "DELETE"):
        return client.request(route.method, path, query=given)
    if not route.content_type.startswith("application/json"):
        return client.request(route.method, path, given or "x\n", headers={"Content-Type": route.content_type.split(",")[0]})
    return client.request(route.method, path, given if given is not None else body_of(route, sample, serial))


@pytest.fixture
def sample_factory(db, new_course, new_user, teacher, student, enroll, serial):
    """A sample of its own for each role: what one role deletes, the next one finds again."""
    return lambda: make_sample(db, new_course, new_user, teacher, student, enroll, serial)


def statuses(name, route, askers, sample_factory, serial, new_user):
    out = []
    for role in ROLES:
        # What ends sessions or changes the asker gets one of its own.
        own = role != "anonymous" and route.method != "GET" and re.match(r"/auth/|/users/me", route.path)
        out.append(ask(name, route, new_user(role) if own else askers[role], sample_factory(), serial).status)
    return out


@pytest.mark.parametrize("name", sorted(MATRIX))
def test_route(name, routes, askers, sample_factory, serial, new_user):
    assert name in routes, "the matrix has a line for a route that is gone"
    got = statuses(name, routes[name], askers, sample_factory, serial, new_user)
    assert dict(zip(ROLES, got)) == dict(zip(ROLES, MATRIX[name]))


def test_every_route_has_a_decision(routes, askers, sample_factory, serial, new_user):
    missing = sorted(set(routes) - set(MATRIX))
    if missing and os.environ.get("COACH_E2E_MATRIX") == "write":
        with open(FILE, "a", encoding="utf-8") as f:
            for name in missing:
                f.write("\t".join([name, *map(str, statuses(name, routes[name], askers, sample_factory, serial, new_user))]) + "\n")
    assert not missing, f"no decision in role_matrix.tsv for {missing}"


def test_samples_belong_to_routes(routes):
    assert set(SAMPLES) <= set(routes), set(SAMPLES) - set(routes)


def test_no_decision_is_a_server_error():
    assert MATRIX
    for name, expected in MATRIX.items():
        assert all(200 <= s < 500 for s in expected), name


def test_nobody_without_a_token_changes_anything():
    """Without a token only registration, log-in and the mailed links work."""
    for name, expected in MATRIX.items():
        method, path = name.split(" ")
        if method != "GET" and not path.startswith("/auth/") and not path.startswith("/attempts/"):
            assert expected[0] == 401, name

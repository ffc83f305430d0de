"""The exam day: 200 students write at once while coachd, Redis and PostgreSQL are killed, one after the other.

Every answer that was acknowledged is in the result, nobody has two attempts, nobody gains a second.
"""

import http.client
import random
import threading
import time
import uuid

import pytest

from client import Api
from instance import wait_until

STUDENTS = 200
QUESTIONS = 20


@pytest.fixture(scope="module")
def bank(db):
    """Twenty questions of five options; "b" is right."""
    made = [r.id for r in db.all("INSERT INTO sc.questions (category) SELECT 'drill' FROM generate_series(1, %s) RETURNING id", QUESTIONS)]
    db.run("INSERT INTO sc.question_versions (question_id, version, type, prompt, options, key) "
           "SELECT q, 1, 'single', 'Soru ' || q, (SELECT jsonb_agg(jsonb_build_object('id', o, 'text', o)) FROM unnest('{a,b,c,d,e}'::text[]) AS o), "
           "jsonb_build_object('correct', 'b') FROM unnest(%s::bigint[]) AS q", made)
    return made


@pytest.fixture
def exam(teacher, bank, serial):
    """exam(time_limit=..., ...) -> id of a published exam of the bank's questions, open to all."""
    def make(**settings):
        body = {"title": f"Tatbikat {serial()}", "everyone": True, "shuffle_options": True, "shuffle_questions": True, "wrongs_per_right": 4, **settings}
        made = teacher.post("/exams", body).ok(201)["id"]
        teacher.post(f"/exams/{made}/questions", {"question_ids": bank}).ok(201)
        teacher.post(f"/exams/{made}/publish").ok()
        return made
    return make


@pytest.fixture(scope="module")
def school(db, instance):
    """200 students, each with a client of its own."""
    tag = uuid.uuid4().hex[:8]
    ids = [r.id for r in db.all("INSERT INTO sc.users (email, full_name, role_id) SELECT format('tatbikat-%%s-%%s@drill.test', %s, n), 'Öğrenci ' || n, 1 "
                                "FROM generate_series(1, %s) AS n RETURNING id", tag, STUDENTS)]
    tokens = [r.token for r in db.all("SELECT sc.sign_access(u, gen_random_uuid(), clock_timestamp(), clock_timestamp() + interval '2 hours') AS token "
                                      "FROM unnest(%s::bigint[]) WITH ORDINALITY AS x(u, n) ORDER BY n", ids)]
    return [Sitter(Api(instance.address, token), student) for student, token in zip(ids, tokens)]


class Sitter:
    """A student who writes, forgets nothing that was acknowledged, and tries again what was not."""

    def __init__(self, api, student):
        self.api, self.student = api, student
        self.rng = random.Random(student)
        self.seq, self.saved, self.shown = {}, {}, {}
        self.acknowledged = 0
        self.surprises = []

    def persist(self, call, good=(200, 201)):
        """Repeat a call until it is answered; only 503 and lost connections are forgiven."""
        until = time.monotonic() + 90
        while time.monotonic() < until:
            try:
                reply = call()
            except (http.client.HTTPException, OSError):
                self.api.close()
                time.sleep(self.rng.uniform(0.05, 0.2))
                continue
            if reply.status in good:
                return reply.json
            if reply.status != 503:
                self.surprises.append(reply)
                return None
            time.sleep(self.rng.uniform(0.05, 0.2))
        self.surprises.append("no answer for 90 seconds")
        return None

    def start(self, exam):
        first = self.persist(lambda: self.api.post(f"/exams/{exam}/attempts"))
        second = self.persist(lambda: self.api.post(f"/exams/{exam}/attempts"))
        assert first["id"] == second["id"]
        self.attempt, self.deadline = first["id"], first["deadline_at"]
        self.questions = {q["question_id"]: {o["id"]: o["text"] for o in q["options"]} for q in first["questions"]}

    def write(self, stopping):
        order = list(self.questions)
        while not stopping.is_set():
            q = self.rng.choice(order)
            answer = self.rng.choice([*self.questions[q], None])
            self.seq[q] = self.seq.get(q, 0) + 1
            body = {"seq": self.seq[q], "answer": answer, "elapsed_ms": 1000}
            reply = self.persist(lambda q=q, body=body: self.api.put(f"/attempts/{self.attempt}/answers/{q}", body))
            if reply is not None:
                if reply["stale"] or reply["seq"] != self.seq[q]:
                    self.surprises.append(reply)
                self.saved[q] = (self.seq[q], self.questions[q].get(answer))
                self.acknowledged += 1
            time.sleep(self.rng.uniform(0, 0.05))

    def submit(self):
        self.result = self.persist(lambda: self.api.post(f"/attempts/{self.attempt}/submit"))


def everyone(work, people):
    threads = [threading.Thread(target=work, args=(p,), daemon=True) for p in people]
    for t in threads:
        t.start()
    return threads


def finish(threads):
    for t in threads:
        t.join(150)
        assert not t.is_alive(), "a student hangs"


def test_drill(faults, db, school, exam):
    made = exam(time_limit=7200)
    finish(everyone(lambda s: s.start(made), school))
    stopping = threading.Event()
    writers = everyone(lambda s: s.write(stopping), school)

    def saves():
        return sum(s.acknowledged for s in school)

    def go_on(what):
        mark = saves()
        wait_until(lambda: saves() > mark + 2 * STUDENTS, 90, what)

    go_on("saves")
    faults.kill_coachd()
    go_on("saves after coachd was killed")
    faults.kill_redis()
    go_on("saves without Redis")
    faults.start_redis()
    go_on("saves with Redis again")
    faults.crash_postgres()
    faults.start_postgres()
    go_on("saves after PostgreSQL crashed")
    stopping.set()
    finish(writers)
    finish(everyone(lambda s: s.submit(), school))
    assert [s.surprises for s in school if s.surprises] == []

    rows = {(r.attempt_id, r.question_id): r for r in db.all(
        "SELECT s.attempt_id, s.question_id, s.seq, s.answer #>> '{}' AS answer FROM sc.attempt_answers AS s "
        "JOIN sc.exam_attempts AS a ON a.id = s.attempt_id WHERE a.exam_id = %s", made)}
    results = {r.attempt_id: r for r in db.all("SELECT attempt_id, correct, wrong, blank FROM sc.exam_results WHERE exam_id = %s", made)}
    for s in school:
        right = sum(text == "b" for _, text in s.saved.values())
        wrong = sum(text not in ("b", None) for _, text in s.saved.values())
        for q, (seq, text) in s.saved.items():
            row = rows[s.attempt, q]
            assert (row.seq, row.answer) == (seq, text), (s.student, q)
        r = results[s.attempt]
        assert (r.correct, r.wrong, r.blank) == (right, wrong, QUESTIONS - right - wrong)
        assert s.result["result"]["correct"] == right
        # nobody gained time
        assert s.result["deadline_at"] == s.deadline
    assert db.one("SELECT count(*) FROM sc.exam_attempts WHERE exam_id = %s", made) == STUDENTS
    # the log has at least what was acknowledged
    assert db.one("SELECT count(*) FROM sc.answer_log AS l JOIN sc.exam_attempts AS a ON a.id = l.attempt_id WHERE a.exam_id = %s", made) >= saves()


def test_one_attempt_however_many_starts(school, exam, db):
    made = exam(time_limit=600)
    student = school[0]
    replies = []

    def start(n):
        api = student.api.clone()
        replies.append(api.post(f"/exams/{made}/attempts"))
        api.close()
    finish(everyone(start, range(24)))
    assert sorted({r.status for r in replies}) == [200, 201]
    assert [r.status for r in replies].count(201) == 1
    assert len({r.json["id"] for r in replies}) == 1
    assert len({r.json["deadline_at"] for r in replies}) == 1
    assert db.one("SELECT count(*) FROM sc.exam_attempts WHERE exam_id = %s", made) == 1


def test_the_attempt_outlives_the_log_in(new_user, exam):
    student = new_user("student")
    attempt = student.post(f"/exams/{exam(time_limit=600)}/attempts", {"with_token": True}).ok(201)
    student.post("/auth/logout-all").ok(204)
    student.get(f"/attempts/{attempt['id']}/clock").problem(401)
    bearer = student.anonymous().clone(headers={"X-Attempt-Token": attempt["token"]})
    assert bearer.get(f"/attempts/{attempt['id']}/clock").ok()["accepts_answers"]
    question = attempt["questions"][0]
    assert bearer.put(f"/attempts/{attempt['id']}/answers/{question['question_id']}", {"seq": 1, "answer": "c"}).ok()["seq"] == 1
    assert bearer.post(f"/attempts/{attempt['id']}/submit").ok()["state"] == "graded"
    # it opens nothing else
    bearer.get("/users/me").problem(401)
    student.anonymous().clone(headers={"X-Attempt-Token": "x" * 64}).get(f"/attempts/{attempt['id']}/clock").problem(401)


def test_an_extension_reaches_who_only_polls(new_user, teacher, exam):
    made, student = exam(time_limit=600), new_user("student")
    attempt = student.post(f"/exams/{made}/attempts").ok(201)["id"]
    before = student.get(f"/attempts/{attempt}/clock").ok()
    teacher.post(f"/exams/{made}/extend", {"all": True, "seconds": 300, "reason": "Kesinti"}).ok()
    teacher.post(f"/exams/{made}/announcements", {"text": "Beş dakika eklendi."}).ok(201)
    after = student.get(f"/attempts/{attempt}/clock").ok()
    assert 295_000 < after["remaining_ms"] - before["remaining_ms"] <= 300_000
    assert len(after["announcement_ids"]) == 1
    assert student.get(f"/attempts/{attempt}").ok()["announcements"][0]["body"] == "Beş dakika eklendi."


def test_closed_with_the_browser_shut(new_user, exam, db):
    """Nobody calls any more: the sweep hands in, as of the deadline, what was saved."""
    made, student = exam(time_limit=600), new_user("student")
    attempt = student.post(f"/exams/{made}/attempts").ok(201)
    question = attempt["questions"][0]
    right = next(o["id"] for o in question["options"] if o["text"] == "b")
    student.put(f"/attempts/{attempt['id']}/answers/{question['question_id']}", {"seq": 1, "answer": right}).ok()
    db.run("UPDATE sc.exam_attempts SET started_at = started_at - interval '700 seconds', deadline_at = deadline_at - interval '700 seconds' WHERE id = %s", attempt["id"])
    student.put(f"/attempts/{attempt['id']}/answers/{question['question_id']}", {"seq": 2, "answer": right}).problem(409, "attempt_closed")
    assert db.one("SELECT sc.close_overdue()") >= 1
    seen = student.get(f"/attempts/{attempt['id']}").ok()
    assert (seen["state"], seen["finish_reason"], seen["finished_at"]) == ("graded", "deadline", seen["deadline_at"])
    assert (seen["result"]["correct"], seen["questions"]) == (1, [])


def test_keys_stay_on_the_server(new_user, exam):
    """No answer to a student holds a key before the exam is closed for everybody."""
    made, student = exam(time_limit=600), new_user("student")
    started = student.post(f"/exams/{made}/attempts")
    attempt = started.ok(201)["id"]
    replies = [started, student.get(f"/attempts/{attempt}"), student.get(f"/exams/{made}"), student.post(f"/attempts/{attempt}/submit"),
               student.get(f"/attempts/{attempt}/review"), student.get(f"/attempts/{attempt}"), student.get("/users/me/exams")]
    for r in replies:
        assert r.status in (200, 201)
        assert '"correct":"' not in r.text and '"explanation":"' not in r.text and '"seed"' not in r.text

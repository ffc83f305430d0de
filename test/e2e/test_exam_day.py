"""The day of the exam: 200 students write while coachd, Redis and PostgreSQL are each killed once.

Every student is a thread with a kept connection, and repeats a request with the same counter until it is answered. Faults
come at marks: a student waits at one until the fault has begun, and the fault begins when a third have arrived, so that some
are waiting, some are in the middle of a request and some have yet to come.
"""

import http.client
import threading
import uuid

import pytest

from client import Api
from instance import SLOW, wait_until

STUDENTS = 200
QUESTIONS = 20
PATIENCE = 75           # seconds in which one request must be answered, whatever is down
HIDDEN = "73914682"     # the right answer of the numeric question, seen nowhere else
WHY = "gizli-gerekce"   # in every explanation


def tokens_of(db, users):
    """Access tokens of two hours, without 200 log-ins."""
    return [r.token for r in db.all(
        "SELECT sc.sign_access(u, gen_random_uuid(), clock_timestamp(), clock_timestamp() + interval '2 hours') AS token "
        "FROM unnest(%s::bigint[]) WITH ORDINALITY AS x(u, n) ORDER BY n", users)]


def people(db, count):
    tag = uuid.uuid4().hex[:8]
    return [r.id for r in db.all(
        "WITH made AS (INSERT INTO sc.users (email, full_name, role_id) SELECT format('gun-%%s-%%s@day.test', %s, n), "
        "'Öğrenci ' || n, 1 FROM generate_series(1, %s) AS n RETURNING id) "
        "INSERT INTO sc.students (user_id) SELECT id FROM made RETURNING user_id AS id", tag, count)]


@pytest.fixture(scope="module")
def bank(teacher):
    """Twenty questions, the last one numeric: {question id: right answer}."""
    right = {}
    for n in range(QUESTIONS):
        question = {"type": "single", "prompt": f"Soru {n + 1}?", "explanation": WHY,
                    "options": [{"id": x, "text": f"Seçenek {x}"} for x in "abcde"], "key": {"correct": "abcde"[n % 5]}}
        if n == QUESTIONS - 1:
            question = {"type": "numeric", "prompt": "Kaç?", "explanation": WHY, "key": {"answers": [{"value": HIDDEN, "fraction": 1}]}}
        right[teacher.post("/questions", question).ok(201)["id"]] = HIDDEN if n == QUESTIONS - 1 else "abcde"[n % 5]
    return right


@pytest.fixture
def new_exam(teacher, admin, bank):
    """new_exam(users, **fields) -> id of a published exam of all questions for these users."""
    def make(users, **fields):
        exam = teacher.post("/exams", {"title": "Tatbikat", "time_limit": 7200, "closes_at": "2099-01-01T00:00:00Z", "wrongs_per_right": 4,
                                       **fields}).ok(201)["id"]
        teacher.post(f"/exams/{exam}/questions", {"question_ids": list(bank)}).ok(201)
        admin.put(f"/exams/{exam}/audience", {"user_ids": users}).ok()      # strangers to the teacher
        teacher.post(f"/exams/{exam}/publish").ok()
        return exam
    return make


class Mark:
    """A place in the exam where a fault strikes."""

    def __init__(self):
        self.lock = threading.Lock()
        self.arrived = 0
        self.begun = threading.Event()

    def pass_by(self):
        with self.lock:
            self.arrived += 1
        assert self.begun.wait(PATIENCE * SLOW), "the fault never came"


class Sitter:
    """A student: what was acknowledged to him, and what must not happen to him."""

    def __init__(self, number, api):
        self.number = number
        self.api = api
        self.attempt = None
        self.acked = {}             # question id: (seq, answer)
        self.deadlines = set()
        self.remaining = []
        self.handed_in = []
        self.repeated = 0
        self.error = None

    def ask(self, method, path, body=None):
        """Repeats the request until it is answered; only what does not say what happened is repeated."""
        def once():
            try:
                reply = self.api.request(method, path, body, timeout=15)
                if reply.status != 503:
                    return reply
            except (OSError, http.client.HTTPException):
                self.api.close()
            self.repeated += 1
            return None
        return wait_until(once, PATIENCE, f"an answer to student {self.number}: {method} {path}", every=0.1)

    def clock(self, doc):
        self.deadlines.add(doc["deadline_at"])
        self.remaining.append(doc["remaining_ms"])

    def save(self, question, seq, answer):
        saved = self.ask("PUT", f"/attempts/{self.attempt}/answers/{question}", {"seq": seq, "answer": answer}).ok()
        assert saved["seq"] == seq and not saved["stale"], saved
        self.acked[question] = (seq, answer)
        self.clock(saved)

    def choice(self, place, right, seq):
        """Right for some, wrong for others; a second thought may turn either way."""
        if (self.number + place + seq) % 3:
            return right
        return "12" if right == HIDDEN else "abcde"["abcde".index(right) - 1]

    def sit(self, exam, right, marks, submit):
        try:
            began = self.ask("POST", f"/exams/{exam}/attempts", {})
            assert began.status in (200, 201), began
            self.attempt = began.json["id"]
            self.clock(began.json)
            again = self.ask("POST", f"/exams/{exam}/attempts", {}).ok()
            assert again["id"] == self.attempt
            self.clock(again)
            for place, (question, key) in enumerate(right.items()):
                if place in marks:
                    marks[place].pass_by()
                if (self.number + place) % 7 == 0:
                    continue                            # left blank
                self.save(question, 1, self.choice(place, key, 1))
                if (self.number + place) % 5 == 0:
                    self.save(question, 2, self.choice(place, key, 2))
            if submit:
                for _ in range(2):
                    doc = self.ask("POST", f"/attempts/{self.attempt}/submit", {}).ok()
                    self.handed_in.append((doc["state"], doc["submitted_at"], doc["result"]))
        except Exception as error:                      # reported by the test
            self.error = error
        finally:
            self.api.close()


def test_exam_day(faults, db, new_exam, bank):
    users = people(db, STUDENTS)
    exam = new_exam(users, review_policy={"after": ["marks"], "open": ["marks"], "closed": ["answer", "marks", "key"]})
    sitters = [Sitter(n, Api(faults.address, token)) for n, token in enumerate(tokens_of(db, users))]
    marks = {0: Mark(), 7: Mark(), 14: Mark()}
    closed_browser = range(0, STUDENTS, 10)
    threads = [threading.Thread(target=s.sit, args=(exam, bank, marks, s.number not in closed_browser), daemon=True) for s in sitters]
    for t in threads:
        t.start()

    def strike(place):
        wait_until(lambda: marks[place].arrived >= STUDENTS // 3 or any(s.error for s in sitters), PATIENCE, f"students at question {place}")
        marks[place].begun.set()
    strike(0)
    faults.kill_coachd()
    strike(7)
    faults.crash_postgres()
    # what is repeated for them they do not notice: away for longer than a request waits
    wait_until(lambda: any(s.repeated or s.error for s in sitters), PATIENCE, "students to notice")
    faults.start_postgres()
    db.close()
    strike(14)
    faults.kill_redis()
    faults.start_redis()
    for t in threads:
        t.join(2 * PATIENCE * SLOW)
        assert not t.is_alive()
    assert [s.error for s in sitters if s.error] == []

    # nobody has two attempts, nobody gained time, handing in twice is handing in once
    attempts = {r.user_id: r for r in db.all("SELECT user_id, id, state, deadline_at FROM sc.exam_attempts WHERE exam_id = %s", exam)}
    assert db.one("SELECT count(*) FROM sc.exam_attempts WHERE exam_id = %s", exam) == len(attempts) == STUDENTS
    for user, s in zip(users, sitters):
        assert attempts[user].id == s.attempt
        assert len(s.deadlines) == 1, s.deadlines
        assert s.remaining == sorted(s.remaining, reverse=True)
        if s.number in closed_browser:
            assert attempts[user].state == "in_progress"
        else:
            assert s.handed_in[0] == s.handed_in[1] and s.handed_in[0][0] in ("submitted", "graded"), s.handed_in

    # the time of those who closed the browser runs out; the sweep hands in for them
    db.run("UPDATE sc.exam_attempts SET started_at = started_at - interval '3 hours', deadline_at = deadline_at - interval '3 hours' "
           "WHERE exam_id = %s AND state = 'in_progress'", exam)
    wait_until(lambda: db.one("SELECT sc.close_overdue()") == 0, 20, "the sweep to find nothing more")
    assert db.one("SELECT count(*) FROM sc.exam_attempts WHERE exam_id = %s AND finish_reason = 'deadline'", exam) == len(closed_browser)

    # every acknowledged answer is stored and counted
    stored = {}
    for r in db.all("SELECT a.user_id, s.question_id, s.seq, s.answer FROM sc.attempt_answers AS s "
                    "JOIN sc.exam_attempts AS a ON a.id = s.attempt_id WHERE a.exam_id = %s", exam):
        stored.setdefault(r.user_id, {})[r.question_id] = (r.seq, r.answer)
    results = {r.user_id: r for r in db.all("SELECT user_id, correct, wrong, blank FROM sc.exam_results WHERE exam_id = %s", exam)}
    for user, s in zip(users, sitters):
        assert stored[user] == s.acked
        correct = sum(answer == bank[question] for question, (_, answer) in s.acked.items())
        assert (results[user].correct, results[user].wrong, results[user].blank) == (
            correct, len(s.acked) - correct, QUESTIONS - len(s.acked))


# What the staff does on the day, and what nobody may do.

@pytest.fixture
def pair(db, instance):
    """Two students who may sit, as clients with .user_id."""
    users = people(db, 2)
    made = [Api(instance.address, t) for t in tokens_of(db, users)]
    for client, user in zip(made, users):
        client.user_id = user
    return made


def moved_back(db, attempt, seconds):
    """The same attempt, begun so much earlier."""
    db.run("UPDATE sc.exam_attempts SET started_at = started_at - make_interval(secs => %s), "
           "deadline_at = deadline_at - make_interval(secs => %s) WHERE id = %s", seconds, seconds, attempt)


def test_more_time_reaches_the_student_by_the_clock(pair, teacher, new_exam):
    one, two = pair
    exam = new_exam([one.user_id, two.user_id])
    a, b = (s.post(f"/exams/{exam}/attempts").ok(201) for s in pair)
    teacher.post(f"/exams/{exam}/extend", {"seconds": 300, "reason": "Rapor", "user_ids": [one.user_id]}).ok()
    more = one.get(f"/attempts/{a['id']}/clock").ok()
    assert more["deadline_at"] > a["deadline_at"] and more["remaining_ms"] > 7200 * 1000
    assert two.get(f"/attempts/{b['id']}/clock").ok()["deadline_at"] == b["deadline_at"]
    # the exam's own limit moves whoever is writing, the extension stays on top
    teacher.patch(f"/exams/{exam}", {"time_limit": 9000}).ok()
    assert one.get(f"/attempts/{a['id']}/clock").ok()["remaining_ms"] > 9000 * 1000
    assert 7200 * 1000 < two.get(f"/attempts/{b['id']}/clock").ok()["remaining_ms"] <= 9000 * 1000


def test_a_save_after_the_deadline(pair, db, new_exam, bank):
    exam = new_exam([pair[0].user_id], slack_seconds=600)
    attempt = pair[0].post(f"/exams/{exam}/attempts").ok(201)["id"]
    path = f"/attempts/{attempt}/answers/{next(iter(bank))}"
    moved_back(db, attempt, 7200 + 60)
    late = pair[0].put(path, {"seq": 1, "answer": "a"}).ok()
    assert late["late_ms"] >= 60000 and late["remaining_ms"] == 0
    moved_back(db, attempt, 600)
    refused = pair[0].put(path, {"seq": 2, "answer": "b"})
    assert refused.problem(409)["code"] == "attempt_closed"
    assert db.row("SELECT seq, answer FROM sc.attempt_answers WHERE attempt_id = %s", attempt) == (1, "a")


def test_the_attempt_token_outlives_the_log_in(pair, new_exam, bank):
    one, two = pair
    exam = new_exam([one.user_id, two.user_id])
    attempt = one.post(f"/exams/{exam}/attempts", {"with_token": True}).ok(201)
    bearer = Api(one.address, headers={"X-Attempt-Token": attempt["token"]})
    path = f"/attempts/{attempt['id']}"
    bearer.put(f"{path}/answers/{next(iter(bank))}", {"seq": 1, "answer": "a"}).ok()
    assert bearer.get(path).ok()["answered_count"] == 1
    bearer.get("/users/me").problem(401)
    other = two.post(f"/exams/{exam}/attempts").ok(201)["id"]
    bearer.get(f"/attempts/{other}").problem(401, "attempt_token_invalid")
    bearer.clone(headers={"X-Attempt-Token": "0" * 64}).get(path).problem(401)
    assert bearer.post(f"{path}/submit").ok()["state"] in ("submitted", "graded")


def test_the_attempt_of_another(pair, new_exam, bank):
    one, two = pair
    exam = new_exam([one.user_id, two.user_id])
    attempt = one.post(f"/exams/{exam}/attempts").ok(201)["id"]
    question = next(iter(bank))
    for reply in (two.get(f"/attempts/{attempt}"), two.get(f"/attempts/{attempt}/clock"), two.get(f"/attempts/{attempt}/review"),
                  two.get(f"/attempts/{attempt}/result"), two.put(f"/attempts/{attempt}/answers/{question}", {"seq": 1, "answer": "a"}),
                  two.post(f"/attempts/{attempt}/answers", {"answers": [{"question_id": question, "seq": 1, "answer": "a"}]}),
                  two.post(f"/attempts/{attempt}/submit")):
        reply.problem(404)
    assert one.get(f"/attempts/{attempt}").ok()["answered_count"] == 0


def test_the_password_of_the_exam(pair, new_exam):
    exam = new_exam([pair[0].user_id], password="Salon-12-parolasi")
    pair[0].post(f"/exams/{exam}/attempts").problem(403, "password_required")
    pair[0].post(f"/exams/{exam}/attempts", {"password": "tahmin"}).problem(403, "wrong_password")
    pair[0].post(f"/exams/{exam}/attempts", {"password": "Salon-12-parolasi"}).ok(201)


def test_no_key_before_the_close(pair, teacher, db, new_exam, bank):
    exam = new_exam([pair[0].user_id])
    one, replies = pair[0], []
    replies.append(one.post(f"/exams/{exam}/attempts"))
    path = f"/attempts/{replies[0].ok(201)['id']}"
    for question in bank:
        replies.append(one.put(f"{path}/answers/{question}", {"seq": 1, "answer": "17" if bank[question] == HIDDEN else "a"}))
    replies += [one.get(path), one.get(f"{path}/clock"), one.get(f"{path}/review"), one.get(f"{path}/result"), one.post(f"{path}/submit"),
                one.get(path), one.get(f"{path}/review"), one.get(f"{path}/result"), one.get(f"/exams/{exam}"), one.get("/users/me/exams")]
    for reply in replies:
        assert reply.status < 500 and HIDDEN not in reply.text and WHY not in reply.text, reply
    for question in bank:
        one.get(f"/questions/{question}").problem(403)
    one.get(f"/exams/{exam}/questions").problem(403)
    # once it is closed the review shows both
    db.run("UPDATE sc.exams SET opens_at = clock_timestamp() - interval '2 days', closes_at = clock_timestamp() - interval '1 day' "
           "WHERE id = %s", exam)
    shown = one.get(f"{path}/review")
    assert shown.status == 200 and HIDDEN in shown.text and WHY in shown.text


def test_the_board_and_the_hand_of_the_staff(pair, teacher, db, new_exam):
    one, two = pair
    exam = new_exam([one.user_id, two.user_id])

    def board():
        m = teacher.get(f"/exams/{exam}/monitor").ok()
        return m["not_started"], m["writing"], m["done"], m["absent"]
    assert board() == (2, 0, 0, 0)
    attempt = one.post(f"/exams/{exam}/attempts").ok(201)["id"]
    assert board() == (1, 1, 0, 0)
    said = teacher.post(f"/exams/{exam}/announcements", {"text": "7. soruda baskı hatası var."}).ok(201)["id"]
    assert one.get(f"/attempts/{attempt}/clock").ok()["announcement_ids"] == [said]
    assert one.get(f"/attempts/{attempt}").ok()["announcements"][0]["body"] == "7. soruda baskı hatası var."
    one.post(f"/attempts/{attempt}/force-submit", {"reason": "ben"}).problem(403)
    assert teacher.post(f"/attempts/{attempt}/force-submit", {"reason": "Kopya"}).ok()["finish_reason"] == "staff"
    assert board() == (1, 0, 1, 0)
    one.post(f"/attempts/{attempt}/reopen", {"reason": "ben", "seconds": 60}).problem(403)
    moved_back(db, attempt, 7200)
    assert teacher.post(f"/attempts/{attempt}/reopen", {"reason": "Yanlışlık", "seconds": 600}).ok()["state"] == "in_progress"
    # given in whole seconds, rounded up
    assert 0 < one.get(f"/attempts/{attempt}/clock").ok()["remaining_ms"] <= 601 * 1000
    one.post(f"/attempts/{attempt}/submit").ok()
    db.run("UPDATE sc.exams SET opens_at = clock_timestamp() - interval '2 days', closes_at = clock_timestamp() - interval '1 day' "
           "WHERE id = %s", exam)
    assert board() == (0, 0, 1, 1)


def test_one_attempt_however_many_starts(pair, db, new_exam):
    one = pair[0]
    exam = new_exam([one.user_id])
    replies = []

    def start():
        api = one.clone()
        replies.append(api.post(f"/exams/{exam}/attempts"))
        api.close()
    threads = [threading.Thread(target=start) for _ in range(24)]
    for t in threads:
        t.start()
    for t in threads:
        t.join(60 * SLOW)
    assert sorted({r.status for r in replies}) == [200, 201] and len(replies) == 24
    assert [r.status for r in replies].count(201) == 1
    assert len({(r.json["id"], r.json["deadline_at"]) for r in replies}) == 1
    assert db.one("SELECT count(*) FROM sc.exam_attempts WHERE exam_id = %s", exam) == 1

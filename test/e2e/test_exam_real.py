"""Real questions and many students: the bank takes 900 questions, 2,000 students sit 90 of them over HTTP.

Each student answers a question right with the share of real students that did, and leaves one in ten blank; the
facility index that the statistics report must give that share back. The seed is fixed.
"""

import concurrent.futures
import json
import random
import uuid

import pytest

from client import Api

STUDENTS = 2000
PER_SUBJECT = 10
BLANK = 0.1
SINGLY = 40             # students whose every answer is a request of its own; the others save ten at a time
CLIENTS = 4


def plain(text):
    """The words of a text: blanks are not what options are told apart by."""
    return " ".join(text.split())


def bank_rows(questions):
    """The published questions in the JSON form of the bank."""
    levels = {"easy", "medium", "hard"}
    return [{
        "type": "single",
        "prompt": q["question"],
        "options": [{"id": chr(ord("a") + i), "text": text} for i, text in enumerate(q["choices"])],
        "key": {"correct": chr(ord("a") + q["answer"])},
        "subject": q["subject"],
        "difficulty": q["metadata"]["difficulty"] if q["metadata"]["difficulty"] in levels else None,
        "grade": int(q["metadata"]["grade"]) if str(q["metadata"]["grade"]).isdigit() else None,
        "tags": [f"real-{n}"],
    } for n, q in enumerate(questions)]


def sit(address, exam, students, wanted):
    """Worker: these students start, save and hand in, one after the other.

    wanted: {question id: (text of the right option, its share)}. Gives for each student what was answered right.
    """
    done = []
    for student, token, seed in students:
        rng = random.Random(seed)
        api = Api(address, token)
        paper = api.post(f"/exams/{exam}/attempts").ok(201)
        assert len(paper["questions"]) == len(wanted)
        answers, right = [], 0
        for q in paper["questions"]:
            text, share = wanted[q["question_id"]]
            if rng.random() < BLANK:
                continue
            hit = rng.random() < share
            options = [o["id"] for o in q["options"] if (plain(o["text"]) == text) == hit]
            answers.append({"question_id": q["question_id"], "seq": 1, "answer": rng.choice(options)})
            right += hit
        if seed < SINGLY:
            for a in answers:
                saved = api.put(f"/attempts/{paper['id']}/answers/{a['question_id']}", {"seq": a["seq"], "answer": a["answer"]}).ok()
                assert saved["seq"] == a["seq"] and not saved["stale"]
        else:
            for i in range(0, len(answers) - 10, 10):
                api.post(f"/attempts/{paper['id']}/answers", {"answers": answers[i:i + 10]}).ok()
        # the last batch travels with the hand-in, and may repeat what was saved
        api.post(f"/attempts/{paper['id']}/submit", {"answers": answers[-10:]}).ok()
        api.close()
        done.append((student, right, len(answers)))
    return done


@pytest.fixture(scope="module")
def bank(data_file, teacher):
    """The 900 questions, imported once: list of (published question, id in the bank)."""
    with open(data_file("turkish_questions.json"), encoding="utf-8") as file:
        questions = json.load(file)
    rows = json.dumps(bank_rows(questions), ensure_ascii=False)
    headers = {"Content-Type": "application/json"}
    dry = teacher.post("/questions/import", rows, headers=headers, create_subjects=True, dry_run=True).ok()
    assert (dry["found"], dry["imported"], dry["errors"]) == (900, 0, [])
    done = teacher.post("/questions/import", rows, headers=headers, create_subjects=True).ok()
    assert (done["found"], done["imported"]) == (900, 900)
    return list(zip(questions, done["question_ids"]))


def test_the_bank_keeps_every_letter(bank, teacher):
    for question, question_id in random.Random(1).sample(bank, 25):
        kept = teacher.get(f"/questions/{question_id}").ok()
        # only around the whole text blanks go; at the end of a line two are a line break of Markdown
        assert kept["prompt"] == question["question"].replace("\r", "").strip(" \t\n")
        assert [o["text"] for o in kept["options"]] == [c.replace("\r", "").strip(" \t\n") for c in question["choices"]]


def test_two_thousand_students(bank, instance, db, teacher):
    rng = random.Random(20)
    # an option that stands twice in a question could not be told apart by its text
    clear = [(q, i) for q, i in bank if len({plain(c) for c in q["choices"]}) == len(q["choices"])]
    subjects = sorted({q["subject"] for q, _ in bank})
    assert len(subjects) == 9
    exam = teacher.post("/exams", {"title": "Dokuz dersten deneme", "exam_type": "nine", "time_limit": 7200, "everyone": True,
                                   "closes_at": "2099-01-01T00:00:00Z", "shuffle_options": True,
                                   "shuffle_questions": True}).ok(201)["id"]
    wanted = {}
    for subject in subjects:
        section = teacher.post(f"/exams/{exam}/sections", {"title": subject, "test": subject, "question_count": PER_SUBJECT,
                                                           "wrongs_per_right": 4}).ok(201)["id"]
        chosen = rng.sample([(q, i) for q, i in clear if q["subject"] == subject], PER_SUBJECT)
        teacher.post(f"/exams/{exam}/questions", {"section_id": section, "question_ids": [i for _, i in chosen]}).ok(201)
        for q, i in chosen:
            wanted[i] = (plain(q["choices"][q["answer"]]), q["metadata"]["correctness_ratio"] / 100)
    teacher.post(f"/exams/{exam}/publish").ok()

    tag = uuid.uuid4().hex[:8]
    students = [r.id for r in db.all(
        "INSERT INTO sc.users (email, full_name, role_id) SELECT format('deneme-%%s-%%s@real.test', %s, n), 'Öğrenci ' || n, 1 "
        "FROM generate_series(1, %s) AS n RETURNING id", tag, STUDENTS)]
    tokens = [r.token for r in db.all(
        "SELECT sc.sign_access(u, gen_random_uuid(), clock_timestamp(), clock_timestamp() + interval '2 hours') AS token "
        "FROM unnest(%s::bigint[]) WITH ORDINALITY AS x(u, n) ORDER BY n", students)]
    work = list(zip(students, tokens, range(STUDENTS)))
    with concurrent.futures.ProcessPoolExecutor(CLIENTS) as pool:
        parts = [pool.submit(sit, instance.address, exam, work[i::CLIENTS], wanted) for i in range(CLIENTS)]
        done = [d for p in parts for d in p.result()]
    assert len(done) == STUDENTS

    # everybody's counts are what was answered
    counted = {r.user_id: r for r in db.all("SELECT user_id, correct, wrong, blank FROM sc.exam_results WHERE exam_id = %s", exam)}
    for student, right, answered in done:
        r = counted[student]
        assert (r.correct, r.wrong, r.blank) == (right, answered - right, len(wanted) - answered)

    while db.one("SELECT sc.fold_exam(%s)", exam):
        pass
    statistics = teacher.get(f"/exams/{exam}/statistics").ok()
    assert len(statistics["questions"]) == len(wanted)
    for item in statistics["questions"]:
        share = wanted[item["question_id"]][1] * (1 - BLANK)
        error = (share * (1 - share) / STUDENTS) ** 0.5
        assert item["attempts"] == STUDENTS
        assert abs(item["facility"] - share) <= 4 * error, (item["question_id"], item["facility"], share)
    ranks = db.all("SELECT r.rank_key, (sc.standing(r.exam_id, r.rank_key)).rank FROM sc.exam_results AS r "
                   "WHERE r.exam_id = %s ORDER BY r.rank_key DESC", exam)
    place = 0
    for n, r in enumerate(ranks):
        if n == 0 or r.rank_key != ranks[n - 1].rank_key:
            place = n + 1
        assert r.rank == place

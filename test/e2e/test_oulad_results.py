"""Real marks of twelve course runs, imported as paper exams and averaged."""

import csv
import uuid

import pytest


def rows(path):
    with open(path, encoding="utf-8", newline="") as f:
        return list(csv.DictReader(f))


@pytest.fixture(scope="module")
def marks(data_file):
    """{assessment: [(student number, score text)]} and {assessment: code of the course run}."""
    run, given = uuid.uuid4().hex[:6], {}            # numbers of this run alone
    for r in rows(data_file("oulad/studentAssessment.csv")):
        given.setdefault(r["id_assessment"], []).append((f"{run}-{r['id_student']}", r["score"]))
    runs = {r["id_assessment"]: r["code_module"] + "-" + r["code_presentation"] for r in rows(data_file("oulad/assessments.csv"))}
    return given, runs


@pytest.fixture(scope="module")
def exams(marks, admin, db):
    """{assessment: exam id}, with everything imported over HTTP."""
    given, runs = marks
    numbers = sorted({student for entries in given.values() for student, _ in entries})
    db.run("WITH made AS (INSERT INTO sc.users (email, full_name, role_id) SELECT n || '@marks.test', n, r.id "
           "FROM unnest(%s::text[]) AS n, sc.roles AS r WHERE r.name = 'student' RETURNING id, full_name) "
           "INSERT INTO sc.students (user_id, student_no) SELECT id, full_name FROM made", numbers)
    made = {}
    for assessment, entries in given.items():
        made[assessment] = admin.post("/exams", {"title": f"OULAD {assessment}", "kind": "paper", "exam_type": runs[assessment]}).ok(201)["id"]
        text = "student_no,score\n" + "".join(f"{student},{score}\n" for student, score in entries)
        reply = admin.request("POST", f"/exams/{made[assessment]}/results/import", text, headers={"Content-Type": "text/csv"}, timeout=120)
        done = reply.json
        assert reply.status in (200, 201) and done["errors"] == [], reply
        assert (done["lines"], done["imported"]) == (len(entries), sum(1 for _, score in entries if score)), done
    return made


def test_every_mark(marks, exams, db):
    given, _ = marks
    assert sum(len(entries) for entries in given.values()) == 36184
    have = db.all("SELECT r.exam_id, s.student_no, r.points FROM sc.exam_results AS r JOIN sc.students AS s ON s.user_id = r.user_id "
                  "WHERE r.exam_id = ANY (%s)", list(exams.values()))
    want = sorted((exams[a], student, float(score)) for a, entries in given.items() for student, score in entries if score)
    assert sorted((r.exam_id, r.student_no, float(r.points)) for r in have) == want


def test_averages(marks, exams, db):
    """Per assessment and per course run; who has no score is absent, not zero."""
    given, runs = marks

    def mean(values):
        values = [float(v) for v in values if v]
        return sum(values) / len(values)
    have = {r.exam_id: float(r.mean) for r in db.all("SELECT exam_id, avg(percent) AS mean FROM sc.exam_results WHERE exam_id = ANY (%s) GROUP BY exam_id",
                                                     list(exams.values()))}
    for assessment, exam in exams.items():
        assert have[exam] == pytest.approx(mean(score for _, score in given[assessment]), abs=1e-9)
    have = {r.exam_type: float(r.mean) for r in db.all(
        "SELECT e.exam_type, avg(r.percent) AS mean FROM sc.exam_results AS r JOIN sc.exams AS e ON e.id = r.exam_id "
        "WHERE e.id = ANY (%s) GROUP BY e.exam_type", list(exams.values()))}
    for run in set(runs[a] for a in exams):
        assert have[run] == pytest.approx(mean(score for a in exams if runs[a] == run for _, score in given[a]), abs=1e-9)


def test_who_has_no_score_has_no_result(marks, exams, db):
    given, _ = marks
    absent = [(exams[a], student) for a, entries in given.items() for student, score in entries if not score]
    assert absent
    for exam, student in absent:
        assert db.one("SELECT count(*) FROM sc.exam_results AS r JOIN sc.students AS s ON s.user_id = r.user_id "
                      "WHERE r.exam_id = %s AND s.student_no = %s", exam, student) == 0

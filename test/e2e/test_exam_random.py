"""Random exams of all types of questions, sat by students who go by the texts they see, against a second opinion in exact fractions."""
import json
import random
import uuid
from fractions import Fraction

import pytest

from instance import wait_until

EXAMS, SITTERS = 12, 4
LETTERS = "abcdef"
TOWNS = {"Iğdır": "IĞDIR", "İzmir": "izmir", "Şırnak": "ŞIRNAK"}


class Single:
    """One right option of two to five."""

    def __init__(self, rng):
        self.n = rng.randint(2, 5)
        self.right = rng.randrange(self.n)
        self.body = {"options": [{"id": LETTERS[i], "text": str(i)} for i in range(self.n)], "key": {"correct": LETTERS[self.right]}}

    def answer(self, rng, options, well):
        pick = self.right if well else rng.randrange(self.n)
        return {o["text"]: o["id"] for o in options}[str(pick)], Fraction(pick == self.right)


class Multiple:
    """Some right options; a wrong one takes a right one back, never below zero."""

    def __init__(self, rng):
        self.n = rng.randint(3, 6)
        self.right = sorted(rng.sample(range(self.n), rng.randint(1, self.n - 1)))
        self.body = {"options": [{"id": LETTERS[i], "text": str(i)} for i in range(self.n)],
                     "key": {"correct": [LETTERS[i] for i in self.right]}}

    def answer(self, rng, options, well):
        pick = list(self.right) if well else rng.sample(range(self.n), rng.randint(1, self.n))
        rng.shuffle(pick)
        hits = len(set(pick) & set(self.right))
        ids = {o["text"]: o["id"] for o in options}
        return [ids[str(i)] for i in pick], max(Fraction(0), Fraction(2 * hits - len(pick), len(self.right)))


class Truefalse:
    def __init__(self, rng):
        self.right = rng.random() < 0.5
        self.body = {"key": {"correct": self.right}}

    def answer(self, rng, options, well):
        said = self.right if well else rng.random() < 0.5
        return said, Fraction(said == self.right)


class Numeric:
    """Half a unit off is still right, to the edge."""

    def __init__(self, rng):
        self.right = rng.randint(-50, 50)
        self.body = {"key": {"answers": [{"value": str(self.right), "tolerance": "0.5"}]}}

    def answer(self, rng, options, well):
        off = rng.choice([Fraction(0), Fraction(1, 2), Fraction(-1, 2)] if well else [Fraction(51, 100), Fraction(-3)])
        said = float(self.right + off)
        return rng.choice([said, str(said).replace(".", ",")]), Fraction(abs(off) <= Fraction(1, 2))


class Short:
    def __init__(self, rng):
        self.right = rng.choice(sorted(TOWNS))
        self.body = {"key": {"answers": [self.right]}}

    def answer(self, rng, options, well):
        said = rng.choice([self.right, TOWNS[self.right], f" {self.right} "]) if well else "Ankara"
        return said, Fraction(well)


class Matching:
    """Pairs of the same text; some may be left open."""

    def __init__(self, rng):
        self.n = rng.randint(2, 5)
        self.body = {"options": {"left": [{"id": str(i), "text": f"ad {i}"} for i in range(self.n)],
                                 "right": [{"id": LETTERS[i], "text": f"ad {i}"} for i in range(self.n)]},
                     "key": {"pairs": {str(i): LETTERS[i] for i in range(self.n)}}}

    def answer(self, rng, options, well):
        ids = {o["text"]: o["id"] for o in options["right"]}
        texts = [o["text"] for o in options["left"]]
        partners = list(texts)
        if not well:
            rng.shuffle(partners)
        kept = [i for i in range(self.n) if well or i == 0 or rng.random() < 0.8]
        return ({options["left"][i]["id"]: ids[partners[i]] for i in kept},
                Fraction(sum(texts[i] == partners[i] for i in kept), self.n))


class Ordering:
    """Items in their places of all items."""

    def __init__(self, rng):
        self.n = rng.randint(2, 5)
        self.body = {"options": [{"id": str(i), "text": f"adım {i}"} for i in range(self.n)], "key": {"order": [str(i) for i in range(self.n)]}}

    def answer(self, rng, options, well):
        ids = {o["text"]: o["id"] for o in options}
        order = list(range(self.n))
        if not well:
            rng.shuffle(order)
        return [ids[f"adım {i}"] for i in order], Fraction(sum(place == i for place, i in enumerate(order)), self.n)


TYPES = {"single": Single, "multiple": Multiple, "truefalse": Truefalse, "numeric": Numeric, "short": Short, "matching": Matching, "ordering": Ordering}


class Exam:
    """A published exam of one to four sections, fixed or drawn, perhaps with alternatives; ks holds the penalty of each section."""

    def __init__(self, rng, teacher, name):
        self.rng, self.teacher, self.questions, self.ks = rng, teacher, {}, {}
        self.id = teacher.post("/exams", {"title": name, "everyone": True, "max_attempts": 0, "shuffle_options": rng.random() < 0.7,
                                          "shuffle_questions": rng.random() < 0.5}).ok(201)["id"]
        for n in range(rng.randint(1, 4)):
            size = rng.randint(1, 5)
            if rng.random() < 0.3:
                tag = f"{name} {n}"
                for _ in range(size + 2):
                    self.question(tag)
                self.section({"title": f"Bölüm {n}", "draw": {"tags": [tag]}, "question_count": size}, [])
            else:
                self.section({"title": f"Bölüm {n}"}, [self.question() for _ in range(size)])
        if rng.random() < 0.5:
            for n in range(2):
                self.section({"title": f"Seçmeli {n}", "alternative_group": "s"}, [self.question() for _ in range(2)])
        teacher.post(f"/exams/{self.id}/publish").ok()

    def question(self, *tags):
        kind = self.rng.choice(sorted(TYPES))
        made = TYPES[kind](self.rng)
        number = self.teacher.post("/questions", {"type": kind, "prompt": "?", "tags": list(tags), **made.body}).ok(201)["id"]
        self.questions[number] = made
        return number

    def section(self, body, questions):
        k = self.rng.choice([None, 3, 4, 2.5])
        made = self.teacher.post(f"/exams/{self.id}/sections", {**body, "wrongs_per_right": k}).ok(201)["id"]
        self.ks[made] = k
        if questions:
            self.teacher.post(f"/exams/{self.id}/questions", {"section_id": made, "question_ids": questions,
                                                              "points": self.rng.choice([1, 2.5])}).ok(201)


def sit(rng, exam, api):
    """One student: gives what the server counted and what we did: {section: (right, wrong, blank)}, net, points."""
    paper = api.post(f"/exams/{exam.id}/attempts").ok(201)
    alternatives = [s["id"] for s in paper["sections"] if s["alternative_group"]]
    left_out = rng.choice(alternatives) if alternatives else None
    sent, counts, points, answered = [], {}, {}, set()
    for q in paper["questions"]:
        section, blank = q["section_id"], q["section_id"] == left_out or rng.random() < 0.2
        answer, share = exam.questions[q["question_id"]].answer(rng, q["options"], rng.random() < 0.5)
        # a partly right answer is neither right nor wrong and stands among the blanks
        place = 2 if blank or 0 < share < 1 else 0 if share == 1 else 1
        counts.setdefault(section, [0, 0, 0])[place] += 1
        if not blank:
            sent.append({"question_id": q["question_id"], "seq": 1, "answer": answer})
            points[section] = points.get(section, 0) + share * Fraction(str(q["points"]))
            answered.add(section)
    if alternatives:
        # the one that was answered counts, the first where none was
        counts.pop(next((s for s in alternatives if s not in answered), None) if answered & set(alternatives) else alternatives[-1])
    rng.shuffle(sent)
    half = len(sent) // 2
    api.post(f"/attempts/{paper['id']}/answers", {"answers": sent[:half]}).ok()
    result = api.post(f"/attempts/{paper['id']}/submit", {"answers": sent[half:]}).ok()["result"]
    net = sum(c[0] - (Fraction(c[1]) / Fraction(str(exam.ks[s])) if exam.ks[s] else 0) for s, c in counts.items())
    theirs = {s["section_id"]: [s["correct"], s["wrong"], s["blank"]] for s in result["sections"]}
    for s, c in theirs.items():
        assert sum(c) == next(x["question_count"] for x in paper["sections"] if x["id"] == s)
    return (theirs, result["net"], result["points"]), (counts, net, sum(points.get(s, 0) for s in counts))


@pytest.mark.parametrize("seed", range(EXAMS))
def test_a_random_exam(seed, teacher, new_user, db):
    rng = random.Random(seed)
    exam = Exam(rng, teacher, f"Rastgele {uuid.uuid4().hex[:8]}")
    nets = {}
    for _ in range(SITTERS):
        api = new_user("student")
        theirs, ours = sit(rng, exam, api)
        assert theirs[0] == ours[0], json.dumps(theirs)
        assert abs(theirs[1] - float(ours[1])) < 1e-3
        # points are kept to the thousandth, question by question
        assert abs(theirs[2] - float(ours[2])) < 0.05
        nets[api.user.id] = ours[1]
    # the same keys once more change nothing, and ranks go by the exact nets
    assert teacher.post(f"/exams/{exam.id}/regrade", {"policy": "rekey", "reason": "bir daha"}).ok()["changed"] == 0
    ranks = {}

    def folded():
        db.one("SELECT sc.fold_exam(%s)", exam.id)
        ranks.update({r["user_id"]: r["rank"] for r in teacher.get(f"/exams/{exam.id}/results").ok()["items"]})
        return all(ranks.values())
    wait_until(folded, 20, "ranks")
    assert ranks == {user: 1 + sum(other > net for other in nets.values()) for user, net in nets.items()}

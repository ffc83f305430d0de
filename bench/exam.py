"""Saves of an exam over HTTP, each durable before it is answered, against one UPSERT a transaction in pgbench."""

import json

from tools import pgbench, wrk

QUESTIONS = 20

UPSERT = """\\set attempt random(1, 256)
\\set question random(1, %d)
INSERT INTO public.bench_answers AS a (attempt_id, question_id, seq, answer, saved_at)
VALUES (:attempt, :question, :client_id, '"b"', clock_timestamp())
ON CONFLICT (attempt_id, question_id) DO UPDATE SET seq = a.seq + 1, answer = excluded.answer, saved_at = excluded.saved_at;
""" % QUESTIONS


class Exam:
    """An exam that all users of the world write."""

    def __init__(self, world):
        self.world = world
        db = world.db
        tokens = [r.token for r in db.all(
            "SELECT sc.sign_access(u, gen_random_uuid(), clock_timestamp(), clock_timestamp() + interval '6 hours') AS token "
            "FROM unnest(%s::bigint[]) WITH ORDINALITY AS x(u, n) ORDER BY n", world.users)]
        teacher = world.api.clone(token=db.one(
            "SELECT sc.sign_access(id, gen_random_uuid(), clock_timestamp(), clock_timestamp() + interval '6 hours') "
            "FROM sc.users WHERE email = 'ogretmen@demo.test'"))
        questions = [teacher.post("/questions", {
            "type": "single", "prompt": f"Soru {n}?", "options": [{"id": x, "text": x} for x in "abcde"],
            "key": {"correct": "a"}}).ok(201)["id"] for n in range(QUESTIONS)]
        exam = teacher.post("/exams", {"title": "Yük", "time_limit": 36000, "everyone": True}).ok(201)["id"]
        teacher.post(f"/exams/{exam}/questions", {"question_ids": questions}).ok(201)
        teacher.post(f"/exams/{exam}/publish").ok()
        attempts = [world.api.clone(token=t).post(f"/exams/{exam}/attempts").ok(201)["id"] for t in tokens]
        # neighbouring requests belong to different attempts; the counter rises with every request
        self.saves = [(f"/api/v1/attempts/{a}/answers/{q}", t, json.dumps({"seq": "{seq}", "answer": "b"}).replace('"{seq}"', "{seq}"))
                      for q in questions for a, t in zip(attempts, tokens)]
        db.run("CREATE TABLE public.bench_answers (attempt_id bigint, question_id bigint, seq bigint NOT NULL, answer jsonb, "
               "saved_at timestamptz NOT NULL, PRIMARY KEY (attempt_id, question_id))")
        db.run("INSERT INTO public.bench_answers SELECT a, q, 0, '\"a\"', clock_timestamp() FROM generate_series(1, 256) AS a, "
               "generate_series(1, %s) AS q", QUESTIONS)
        assert db.one("SHOW synchronous_commit") == "on"

    def round(self, bench):
        """One round: the same seconds for both, pgbench at the client count that suits it best."""
        w, s = self.world, bench.seconds
        for clients in (64, 256):
            bench.note(f"answer saves, {clients} clients", wrk(w.base, s, clients, requests=self.saves, method="PUT"))
        bench.note("pgbench, one UPSERT a transaction",
                   max(pgbench(w.instance, s, c, UPSERT, options=["-M", "prepared"]) for c in (8, 16, 32, 64)))

"""Exams: saves over HTTP, each durable before it is answered, against one UPSERT a transaction in pgbench; starts and
hand-ins; statistics of 10,000 results against one plain pass over the same rows."""

import json
import time

from tools import median, pgbench, wrk

QUESTIONS = 20
SITTINGS = 30           # exams that everybody starts and hands in, a round: more sittings than fit into its seconds
RESULTS, ITEMS = 10000, 120

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
        self.tokens = tokens = [r.token for r in db.all(
            "SELECT sc.sign_access(u, gen_random_uuid(), clock_timestamp(), clock_timestamp() + interval '6 hours') AS token "
            "FROM unnest(%s::bigint[]) WITH ORDINALITY AS x(u, n) ORDER BY n", world.users)]
        self.teacher = teacher = world.api.clone(token=db.one(
            "SELECT sc.sign_access(id, gen_random_uuid(), clock_timestamp(), clock_timestamp() + interval '6 hours') "
            "FROM sc.users WHERE email = 'ogretmen@demo.test'"))
        questions = [teacher.post("/questions", {
            "type": "single", "prompt": f"Soru {n}?", "options": [{"id": x, "text": x} for x in "abcde"],
            "key": {"correct": "a"}}).ok(201)["id"] for n in range(QUESTIONS)]
        self.id = exam = teacher.post("/exams", {"title": "Yük", "time_limit": 36000, "everyone": True}).ok(201)["id"]
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
        self.sittings(bench)

    def sittings(self, bench):
        """New copies of the exam: everybody starts as many as the time allows, then hands them in. Counted in the tables."""
        w, s, db = self.world, bench.seconds, self.world.db
        copies = []
        for _ in range(SITTINGS):
            copies.append(self.teacher.post(f"/exams/{self.id}/copy", {"title": "Yük, bir daha"}).ok(201)["id"])
            self.teacher.post(f"/exams/{copies[-1]}/publish").ok()
        load = wrk(w.base, s, 64, requests=[(f"/api/v1/exams/{e}/attempts", t, "{}") for e in copies for t in self.tokens])
        started = db.all("SELECT id, user_id FROM sc.exam_attempts WHERE exam_id = ANY (%s)", copies)
        bench.note("exam starts", load if len(started) < len(copies) * len(self.tokens) else len(started) / s)
        token = dict(zip(w.users, self.tokens))
        load = wrk(w.base, s, 64, requests=[(f"/api/v1/attempts/{a.id}/submit", token[a.user_id], "{}") for a in started])
        done = db.one("SELECT count(*) FROM sc.exam_results WHERE exam_id = ANY (%s)", copies)
        bench.note("exam hand-ins, scored", load if done < len(started) else done / s)

    def statistics(self):
        """(seconds from scratch, seconds of a plain avg over the same marks, ms of the page from the kept sums): medians of five."""
        db = self.world.db
        exam = db.one("INSERT INTO sc.exams (title, kind) VALUES ('İstatistik', 'paper') RETURNING id")
        section = db.one("INSERT INTO sc.exam_sections (exam_id, order_index, title, test, question_count, wrongs_per_right) "
                         "VALUES (%s, 1, 'Test', 'Test', %s, 4) RETURNING id", exam, ITEMS)
        db.run("WITH q AS (INSERT INTO sc.questions (source) SELECT 'bench' FROM generate_series(1, %s) RETURNING id), "
               "v AS (INSERT INTO sc.question_versions (question_id, version, type, prompt, options, key) "
               "      SELECT id, 1, 'single', 'Soru', '[{\"id\":\"a\",\"text\":\"A\"},{\"id\":\"b\",\"text\":\"B\"}]', '{\"correct\":\"a\"}' FROM q RETURNING id, question_id) "
               "INSERT INTO sc.exam_questions (exam_id, section_id, question_id, version_id, order_index) "
               "SELECT %s, %s, question_id, id, row_number() OVER (ORDER BY id) FROM v", ITEMS, exam, section)
        db.run("WITH u AS (INSERT INTO sc.users (full_name, role_id) SELECT 'Yük', 1 FROM generate_series(1, %s) RETURNING id), "
               "m AS (SELECT u.id, eq.question_id, eq.version_id, eq.order_index, (random() < 0.3 + 0.5 * ((u.id * 7919) %% 100) / 100)::int AS hit "
               "      FROM u, sc.exam_questions AS eq WHERE eq.exam_id = %s) "
               "INSERT INTO sc.exam_results (user_id, exam_id, source, submitted_at, correct, wrong, blank, net, sort_key, rank_key, points, "
               "max_points, percent, item_ids, item_versions, item_outcomes, item_points, item_choices) "
               "SELECT m.id, %s, 'optical', clock_timestamp(), sum(hit), %s - sum(hit), 0, sum(hit), sum(hit), sum(hit), sum(hit), %s, "
               "100.0 * sum(hit) / %s, array_agg(question_id ORDER BY order_index), array_agg(version_id ORDER BY order_index), "
               "array_agg(CASE hit WHEN 1 THEN 1 ELSE -1 END::smallint ORDER BY order_index), array_agg(hit::float8 ORDER BY order_index), "
               "array_agg(CASE hit WHEN 1 THEN 'a' ELSE 'b' END ORDER BY order_index) FROM m GROUP BY m.id",
               RESULTS, exam, exam, ITEMS, ITEMS, ITEMS)
        while db.one("SELECT sc.fold_exam(%s)", exam):
            pass
        db.run("VACUUM ANALYZE sc.exam_results")

        def timed(sql):
            began = time.monotonic()
            db.one(sql, exam)
            return time.monotonic() - began
        rounds = [(timed("SELECT count(*) FROM sc.recompute_statistics(%s)"),
                   timed("SELECT avg(p) FROM sc.exam_results AS r, unnest(r.item_points) AS p WHERE r.exam_id = %s"),
                   timed("SELECT count(*) FROM sc.item_statistics(%s)") * 1000) for _ in range(5)]
        return tuple(median(column) for column in zip(*rounds))

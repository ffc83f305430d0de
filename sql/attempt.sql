-- Attempts: start, save, hand in, close.  Times are injected; the exam opens
-- at 09:00 and closes at 12:00 with an hour to write.
BEGIN;
SET LOCAL timezone = 'UTC';
INSERT INTO sc.users (id, email, full_name, role_id) VALUES
    (900001, 'ada@attempt.test', 'Ada', 1), (900002, 'bora@attempt.test', 'Bora', 1),
    (900003, 'can@attempt.test', 'Can', 1), (900009, 'ogretmen@attempt.test', 'Öğretmen', 3);
INSERT INTO sc.questions (id) VALUES (900001), (900002), (900003), (900004);
INSERT INTO sc.question_versions (id, question_id, version, type, prompt, options, key) VALUES
    (900001, 900001, 1, 'single', '2 + 2', '[{"id":"a","text":"3"},{"id":"b","text":"4"},{"id":"c","text":"5"}]', '{"correct": "b"}'),
    (900002, 900002, 1, 'single', '3 + 3', '[{"id":"a","text":"6","feedback":"Doğru!"},{"id":"b","text":"7","weight":-1}]', '{"correct": "a"}'),
    (900003, 900003, 1, 'numeric', 'pi', '[]', '{"answers": [{"value": "3.14", "tolerance": "0.01"}]}'),
    (900004, 900004, 1, 'multiple', 'even', '[{"id":"a","text":"1"},{"id":"b","text":"2"},{"id":"c","text":"4"}]', '{"correct": ["b", "c"]}');
INSERT INTO sc.exams (id, title, time_limit, opens_at, closes_at, max_attempts, wrongs_per_right, is_published, created_by) VALUES
    (900001, 'Deneme', 3600, '2030-05-01 09:00Z', '2030-05-01 12:00Z', 2, 4, true, 900009);
INSERT INTO sc.exam_sections (id, exam_id, order_index, title, test, question_count, wrongs_per_right) VALUES
    (900001, 900001, 1, 'Matematik', 'Matematik', 4, 4);
INSERT INTO sc.exam_questions (exam_id, section_id, question_id, version_id, order_index)
    SELECT 900001, 900001, v.id, v.id, v.id - 900000 FROM sc.question_versions AS v WHERE v.id BETWEEN 900001 AND 900004;
INSERT INTO sc.exam_audience (exam_id, user_id) VALUES (900001, 900001), (900001, 900002);

-- what a call is refused with
CREATE FUNCTION pg_temp.refusal(call text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
    detail text;
BEGIN
    EXECUTE call;
    RETURN 'not refused';
EXCEPTION WHEN OTHERS THEN
    GET STACKED DIAGNOSTICS detail = PG_EXCEPTION_DETAIL;
    RETURN concat_ws(' ', SQLSTATE, SQLERRM, nullif(detail, ''));
END
$$;
CREATE FUNCTION pg_temp.att(u bigint, n int DEFAULT 1) RETURNS bigint LANGUAGE sql AS
    'SELECT id FROM sc.exam_attempts WHERE user_id = u AND attempt_no = n';

-- 1. the window: before, at the opening, late, at the close, a stranger
SELECT t.at, w.deadline_if_started_now, w.allowed, w.reason
FROM unnest('{2030-05-01 08:59:59.999Z,2030-05-01 09:00Z,2030-05-01 11:30Z,2030-05-01 12:00Z}'::timestamptz[]) AS t(at),
     LATERAL sc.exam_window(900001, 900001, t.at) AS w;
SELECT w.allowed, w.reason FROM sc.exam_window(900001, 900003, '2030-05-01 09:00Z') AS w;
SELECT sc.exam_window(900001, 4242424242) IS NULL AS nobody;

-- 2. refused starts
SELECT pg_temp.refusal($$SELECT sc.start_attempt(900001, 900001, at => '2030-05-01 08:00Z')$$);
SELECT pg_temp.refusal($$SELECT sc.start_attempt(900001, 900001, at => '2030-05-01 12:00Z')$$);
SELECT pg_temp.refusal($$SELECT sc.start_attempt(900001, 900003, at => '2030-05-01 09:00Z')$$);
SELECT pg_temp.refusal($$SELECT sc.start_attempt(900001, 900001, sections => '{900001}', at => '2030-05-01 09:00Z')$$);

-- 3. start, and start again: one attempt
SELECT s.outcome FROM sc.start_attempt(900001, 900001, at => '2030-05-01 09:00Z') AS s;
SELECT s.outcome, s.attempt_id = pg_temp.att(900001) AS same FROM sc.start_attempt(900001, 900001, at => '2030-05-01 09:10Z') AS s;
SELECT a.state, a.attempt_no, a.started_at, a.deadline_at, a.question_ids FROM sc.exam_attempts AS a WHERE a.user_id = 900001;
SELECT w.attempts_used, w.allowed, w.reason FROM sc.exam_window(900001, 900001, '2030-05-01 09:10Z') AS w;

-- 4. who starts late is told the shorter time
SELECT s.outcome FROM sc.start_attempt(900001, 900002, at => '2030-05-01 11:30Z') AS s;
SELECT v.time_limit, v.remaining_ms, v.accepts_answers, v.question_count, v.answered_count
FROM sc.attempt_view(pg_temp.att(900002), true, '2030-05-01 11:30Z') AS v;

-- 5. the view has no key, nor what gives it away
SELECT q.number, q.type, q.options, q.points, q.answer FROM unnest(sc.attempt_questions(pg_temp.att(900001))) AS q;

-- 6. seq: higher wins, the same again is fine, the rest is stale
SELECT s.stored_seq, s.stored_answer, s.stale, s.remaining_ms FROM sc.save_answer(pg_temp.att(900001), 900001, 1, '"a"', 500, '2030-05-01 09:20Z') AS s;
SELECT s.stored_seq, s.stored_answer, s.stale FROM sc.save_answer(pg_temp.att(900001), 900001, 1, '"a"', 500, '2030-05-01 09:21Z') AS s;
SELECT s.stored_seq, s.stored_answer, s.stale FROM sc.save_answer(pg_temp.att(900001), 900001, 1, '"b"', 500, '2030-05-01 09:21Z') AS s;
SELECT s.stored_seq, s.stored_answer, s.stale FROM sc.save_answer(pg_temp.att(900001), 900001, 5, '"b"', 500, '2030-05-01 09:22Z') AS s;
SELECT s.stored_seq, s.stored_answer, s.stale FROM sc.save_answer(pg_temp.att(900001), 900001, 4, '"c"', 500, '2030-05-01 09:22Z') AS s;
-- cleared, and answered again
SELECT s.stored_seq, s.stored_answer, s.stale FROM sc.save_answer(pg_temp.att(900001), 900001, 6, NULL, 500, '2030-05-01 09:23Z') AS s;
SELECT s.stored_seq, s.stored_answer, s.stale FROM sc.save_answer(pg_temp.att(900001), 900001, 6, 'null', 500, '2030-05-01 09:23Z') AS s;
SELECT s.stored_seq, s.stored_answer, s.stale FROM sc.save_answer(pg_temp.att(900001), 900001, 7, '"b"', NULL, '2030-05-01 09:23Z') AS s;
-- the log has what was accepted, and only that
SELECT l.seq, l.answer FROM sc.answer_log AS l WHERE l.attempt_id = pg_temp.att(900001) ORDER BY l.seq;

-- 7. what is no answer to its question
SELECT q.id, a.answer, pg_temp.refusal(format('SELECT sc.save_answer(%s, %s, 9, %L, 1, %L)', pg_temp.att(900001), q.id, a.answer, '2030-05-01 09:24Z')) AS refusal
FROM (VALUES (900001, '"d"'), (900001, '1'), (900001, '["a"]'), (900001, '{"a": 1}'), (900001, 'true'),
             (900003, '[1]'), (900003, '"' || repeat('1', 81) || '"'),
             (900004, '"a"'), (900004, '["a", "a"]'), (900004, '["a", "x"]'), (900004, '["a", "b", "c", "a"]'), (900004, '[1]'),
             (424242, '"a"')) AS a(q, answer), LATERAL (SELECT a.q AS id) AS q;
-- what is blank
SELECT s.stored_answer IS NULL AS blank FROM (VALUES ('""'), ('"  "'), ('[]')) AS v(answer),
    LATERAL sc.save_answer(pg_temp.att(900001), CASE v.answer WHEN '[]' THEN 900004 ELSE 900003 END,
                           CASE v.answer WHEN '""' THEN 1 ELSE 2 END, v.answer::jsonb, 1, '2030-05-01 09:25Z') AS s;
SELECT pg_temp.refusal(format('SELECT sc.save_answer(%s, 900001, -1, %L)', pg_temp.att(900001), '"a"'));

-- 8. a batch: each by itself
SELECT jsonb_pretty(sc.save_answers(pg_temp.att(900001), 900001,
    '[{"question_id": 900002, "seq": 1, "answer": "a", "elapsed_ms": 10}, {"question_id": 900002, "seq": 2, "answer": "b"},
      {"question_id": 900002, "seq": 1, "answer": "a"}, {"question_id": 900001, "seq": 8, "answer": "zz"},
      {"question_id": 1, "seq": 1, "answer": "a"}, {"question_id": 900003, "seq": 3, "answer": "3,14"}]', '2030-05-01 09:30Z'));
SELECT pg_temp.refusal(format('SELECT sc.save_answers(%s, 900001, %L)', pg_temp.att(900001), v))
FROM (VALUES ('{}'), ('[1]'), ('[{"seq": 1, "answer": "a"}]'), ('[{"question_id": 900001, "seq": 1.5, "answer": "a"}]'),
             ('[{"question_id": 900001, "seq": 1}]'), ('[{"question_id": 900001, "seq": 9223372036854775808, "answer": null}]')) AS t(v);
SELECT pg_temp.refusal(format('SELECT sc.save_answers(%s, 900001, %L)', pg_temp.att(900001),
    (SELECT jsonb_agg(jsonb_build_object('question_id', 900001, 'seq', n, 'answer', 'a')) FROM generate_series(1, 501) AS n)));
-- another's attempt is not there
SELECT pg_temp.refusal(format('SELECT sc.save_answers(%s, 900002, %L)', pg_temp.att(900001), '[]'));

-- 9. the deadline is 10:00: a millisecond before, at it, within the slack, beyond
SELECT t.at::time, s.stored_seq, s.late_ms, s.remaining_ms
FROM (VALUES (10, '2030-05-01 09:59:59.999Z'::timestamptz), (11, '2030-05-01 10:00Z')) AS t(seq, at),
     LATERAL sc.save_answer(pg_temp.att(900001), 900001, t.seq, '"a"', 1, t.at) AS s;
SELECT s.stored_seq, s.late_ms, s.state FROM sc.save_answer(pg_temp.att(900001), 900001, 12, '"b"', 1, '2030-05-01 10:00:30Z') AS s;
-- once: late twice is too late
SELECT pg_temp.refusal(format('SELECT sc.save_answer(%s, 900001, 13, %L, 1, %L)', pg_temp.att(900001), '"c"', '2030-05-01 10:00:30Z'));
SELECT pg_temp.refusal(format('SELECT sc.save_answer(%s, 900002, 13, %L, 1, %L)', pg_temp.att(900001), '"a"', '2030-05-01 10:00:30.001Z'));
SELECT a.late_ms FROM sc.exam_attempts AS a WHERE a.id = pg_temp.att(900001);
-- the sweep comes after the slack, not before
SELECT sc.close_overdue(10, '2030-05-01 10:00:30Z');
SELECT sc.close_overdue(10, '2030-05-01 10:05Z');
SELECT sc.close_overdue(10, '2030-05-01 10:05Z');
SELECT a.state, a.submitted_at, a.finished_at, a.finish_reason FROM sc.exam_attempts AS a WHERE a.id = pg_temp.att(900001);
SELECT r.correct, r.wrong, r.blank, round(r.net, 2) AS net FROM sc.exam_results AS r WHERE r.attempt_id = pg_temp.att(900001);
-- handing in what is closed changes nothing and takes nothing
SELECT s.state, s.saved FROM sc.submit_attempt(pg_temp.att(900001), 900001,
    '[{"question_id": 900002, "seq": 50, "answer": "a"}]', at => '2030-05-01 10:06Z') AS s;
SELECT pg_temp.refusal(format('SELECT sc.save_answer(%s, 900001, 14, %L, 1, %L)', pg_temp.att(900001), '"c"', '2030-05-01 09:00Z'));

-- 10. hand in with a last batch; again; with another batch
SELECT s.state, s.saved FROM sc.submit_attempt(pg_temp.att(900002), 900002,
    '[{"question_id": 900001, "seq": 1, "answer": "b"}, {"question_id": 900004, "seq": 1, "answer": ["c", "b"]}]', at => '2030-05-01 11:40Z') AS s;
SELECT s.state, s.saved FROM sc.submit_attempt(pg_temp.att(900002), 900002, at => '2030-05-01 11:41Z') AS s;
-- the same batch again: it is there
SELECT s.state, s.saved FROM sc.submit_attempt(pg_temp.att(900002), 900002, $$[{"question_id": 900001, "seq": 1, "answer": "b"}]$$, at => $$2030-05-01 11:41Z$$) AS s;
SELECT s.state, s.saved FROM sc.submit_attempt(pg_temp.att(900002), 900002, '[{"question_id": 900001, "seq": 2, "answer": "a"}]', at => '2030-05-01 11:41Z') AS s;
SELECT a.submitted_at, a.finished_at, a.finish_reason, r.correct, r.wrong, r.blank
FROM sc.exam_attempts AS a JOIN sc.exam_results AS r ON r.attempt_id = a.id WHERE a.user_id = 900002;
SELECT pg_temp.refusal(format('SELECT sc.submit_attempt(%s, 900001)', pg_temp.att(900002)));

-- 11. attempts are counted at the start, whatever their state
SELECT s.outcome FROM sc.start_attempt(900001, 900001, at => '2030-05-01 10:10Z') AS s;
SELECT a.attempt_no, a.state FROM sc.exam_attempts AS a WHERE a.user_id = 900001 ORDER BY 1;
SELECT s.state FROM sc.submit_attempt(pg_temp.att(900001, 2), at => '2030-05-01 10:20Z') AS s;
SELECT pg_temp.refusal($$SELECT sc.start_attempt(900001, 900001, at => '2030-05-01 10:30Z')$$);

-- 12. a hand-in past the slack is the deadline's, and what comes with it is not taken
UPDATE sc.exams SET max_attempts = 0 WHERE id = 900001;
SELECT s.outcome FROM sc.start_attempt(900001, 900001, at => '2030-05-01 10:30Z') AS s;
SELECT s.state, s.saved FROM sc.submit_attempt(pg_temp.att(900001, 3), 900001, '[{"question_id": 900001, "seq": 1, "answer": "b"}]', at => '2030-05-01 11:31Z') AS s;
SELECT a.finished_at, a.finish_reason FROM sc.exam_attempts AS a WHERE a.id = pg_temp.att(900001, 3);

-- 13. policies: a grace in which to hand in but not to answer
UPDATE sc.exams SET overdue_policy = 'graceperiod', grace_seconds = 300 WHERE id = 900001;
SELECT s.outcome FROM sc.start_attempt(900001, 900001, at => '2030-05-01 10:30Z') AS s;
SELECT sc.close_overdue(10, '2030-05-01 11:31Z');
SELECT a.state, a.finished_at FROM sc.exam_attempts AS a WHERE a.id = pg_temp.att(900001, 4);
SELECT pg_temp.refusal(format('SELECT sc.save_answer(%s, 900001, 1, %L, 1, %L)', pg_temp.att(900001, 4), '"c"', '2030-05-01 11:32Z'));
SELECT s.state, s.saved FROM sc.submit_attempt(pg_temp.att(900001, 4), 900001, '[{"question_id": 900001, "seq": 1, "answer": "b"}]', at => '2030-05-01 11:34Z') AS s;
SELECT a.state, a.finished_at, a.submitted_at FROM sc.exam_attempts AS a WHERE a.id = pg_temp.att(900001, 4);
-- and past the grace
SELECT s.outcome FROM sc.start_attempt(900001, 900001, at => '2030-05-01 10:30Z') AS s;
SELECT sc.close_overdue(10, '2030-05-01 11:31Z') AS overdue, sc.close_overdue(10, '2030-05-01 11:35Z') AS at_the_end, sc.close_overdue(10, '2030-05-01 11:35:01Z') AS abandoned;
SELECT a.state, a.finish_reason, a.finished_at FROM sc.exam_attempts AS a WHERE a.id = pg_temp.att(900001, 5);
SELECT count(*) AS results FROM sc.exam_results AS r WHERE r.attempt_id = pg_temp.att(900001, 5);
-- abandon
UPDATE sc.exams SET overdue_policy = 'abandon' WHERE id = 900001;
SELECT s.outcome FROM sc.start_attempt(900001, 900001, at => '2030-05-01 10:30Z') AS s;
SELECT s.state FROM sc.submit_attempt(pg_temp.att(900001, 6), 900001, at => '2030-05-01 11:31Z') AS s;

-- 14. no deadline at all
UPDATE sc.exams SET time_limit = NULL, closes_at = NULL, overdue_policy = 'autosubmit' WHERE id = 900001;
SELECT s.outcome FROM sc.start_attempt(900001, 900001, at => '2030-05-01 10:30Z') AS s;
SELECT v.deadline_at, v.time_limit, v.remaining_ms, v.accepts_answers FROM sc.attempt_view(pg_temp.att(900001, 7), false, '2035-01-01Z') AS v;
SELECT sc.close_overdue(10, '2040-01-01Z');

-- 15. an hour is an hour, whatever the clocks on the wall do
SET LOCAL timezone = 'Europe/Berlin';
UPDATE sc.exams SET opens_at = '2030-10-27 00:30Z', closes_at = '2030-10-27 04:00Z', time_limit = 3600 WHERE id = 900001;
SELECT s.outcome FROM sc.start_attempt(900001, 900002, at => '2030-10-27 00:30Z') AS s;
SELECT a.deadline_at - a.started_at AS limit, a.deadline_at AT TIME ZONE 'UTC' AS utc FROM sc.exam_attempts AS a WHERE a.id = pg_temp.att(900002, 2);
-- 16. a DBA's own columns and triggers: saves go another way, and go on
UPDATE sc.exam_attempts SET state = 'in_progress', started_at = '2030-05-01 09:00Z', deadline_at = '2030-05-01 10:00Z' WHERE id = pg_temp.att(900002, 2);
SELECT s.stored_seq, s.stale FROM sc.save_answer(pg_temp.att(900002, 2), 900001, 1, '"a"', 1, '2030-05-01 09:01Z') AS s;
ALTER TABLE sc.answer_log ADD COLUMN note text DEFAULT 'mine';
SELECT s.stored_seq, s.stale FROM sc.save_answer(pg_temp.att(900002, 2), 900001, 2, '"b"', 1, '2030-05-01 09:02Z') AS s;
ALTER TABLE sc.attempt_answers ADD COLUMN note text DEFAULT 'mine';
SELECT s.stored_seq, s.stale FROM sc.save_answer(pg_temp.att(900002, 2), 900001, 3, '"c"', 1, '2030-05-01 09:03Z') AS s;
SELECT s.stored_seq, s.stale FROM sc.save_answer(pg_temp.att(900002, 2), 900001, 2, '"b"', 1, '2030-05-01 09:03Z') AS s;
SELECT s.stored_seq, s.stale FROM sc.save_answer(pg_temp.att(900002, 2), 900002, 1, '"b"', 1, '2030-05-01 09:04Z') AS s;
ALTER TABLE sc.answer_log DROP COLUMN note;
ALTER TABLE sc.attempt_answers DROP COLUMN note;
SELECT s.stored_seq, s.stale FROM sc.save_answer(pg_temp.att(900002, 2), 900002, 2, NULL, 1, '2030-05-01 09:05Z') AS s;
CREATE FUNCTION pg_temp.shout() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE INFO '% %', TG_OP, TG_TABLE_NAME; RETURN NULL; END $$;
CREATE TRIGGER shout AFTER INSERT OR UPDATE ON sc.attempt_answers FOR EACH ROW EXECUTE FUNCTION pg_temp.shout();
CREATE TRIGGER shout AFTER INSERT ON sc.answer_log FOR EACH ROW EXECUTE FUNCTION pg_temp.shout();
SELECT s.stored_seq, s.stale FROM sc.save_answer(pg_temp.att(900002, 2), 900002, 3, '"a"', 1, '2030-05-01 09:06Z') AS s;
DROP TRIGGER shout ON sc.attempt_answers;
DROP TRIGGER shout ON sc.answer_log;
ALTER TABLE sc.attempt_answers ADD CONSTRAINT no_more CHECK (seq < 4) NOT VALID;
SELECT left(pg_temp.refusal(format('SELECT sc.save_answer(%s, 900002, 4, %L, 1, %L)', pg_temp.att(900002, 2), '"a"', '2030-05-01 09:07Z')), 5) AS refusal;
SELECT l.question_id, l.seq, l.answer FROM sc.answer_log AS l WHERE l.attempt_id = pg_temp.att(900002, 2) ORDER BY l.question_id, l.seq;
SELECT s.question_id, s.seq, s.answer FROM sc.attempt_answers AS s WHERE s.attempt_id = pg_temp.att(900002, 2) ORDER BY s.question_id;

-- 17. years between: numbers stay numbers
UPDATE sc.exam_attempts SET started_at = '1990-01-01Z', deadline_at = '2090-01-01Z' WHERE id = pg_temp.att(900002, 2);
SELECT v.time_limit FROM sc.attempt_view(pg_temp.att(900002, 2), false, '2000-01-01Z') AS v;
UPDATE sc.exam_attempts SET deadline_at = '1991-01-01Z' WHERE id = pg_temp.att(900002, 2);
SELECT pg_temp.refusal(format('SELECT sc.save_answer(%s, 900001, 1, %L, 1, %L)', pg_temp.att(900002, 2), '"a"', '2030-01-01Z'));
ROLLBACK;

-- Edges of an exam: the last millisecond, clocks on walls, penalties, blanks,
-- and what has gone wrong in other systems.  Times are injected or moved.
BEGIN;
SET LOCAL timezone = 'UTC';
SET LOCAL client_min_messages = warning;
INSERT INTO sc.users (id, email, full_name, role_id)
SELECT 940000 + n, n || '@edge.test', CASE n WHEN 1 THEN 'Şule Iğdır' WHEN 2 THEN '=CMD()' ELSE 'Öğrenci ' || n END, 1 FROM generate_series(1, 30) AS n;
INSERT INTO sc.users (id, email, full_name, role_id) VALUES (940090, 'ogretmen@edge.test', 'Öğretmen', 3), (940091, 'veli@edge.test', 'Veli', 2), (940092, 'ofis@edge.test', 'Ofis', 5);
INSERT INTO sc.questions (id, created_by) SELECT 940000 + n, 940090 FROM generate_series(1, 9) AS n;
INSERT INTO sc.question_versions (id, question_id, version, type, prompt, options, key)
SELECT 940000 + n, 940000 + n, 1, 'single', 'Soru ' || n, '[{"id":"a","text":"A"},{"id":"b","text":"B"},{"id":"c","text":"C"}]', '{"correct": "a"}'
FROM generate_series(1, 9) AS n;
INSERT INTO sc.exams (id, title, time_limit, opens_at, closes_at, max_attempts, is_published, is_open_to_all, created_by)
VALUES (940001, 'Kenar', 3600, '2030-05-01 09:00Z', '2030-05-01 12:00Z', 0, true, true, 940090);
INSERT INTO sc.exam_sections (id, exam_id, order_index, title, test, question_count, wrongs_per_right) VALUES
    (940001, 940001, 1, 'Serbest', 'Serbest', 3, NULL), (940002, 940001, 2, 'Üçe bir', 'Üçe bir', 3, 3), (940003, 940001, 3, 'Dörde bir', 'Dörde bir', 3, 4);
INSERT INTO sc.exam_questions (exam_id, section_id, question_id, version_id, order_index)
SELECT 940001, 940001 + (n - 1) / 3, 940000 + n, 940000 + n, 1 + (n - 1) % 3 FROM generate_series(1, 9) AS n;

CREATE FUNCTION pg_temp.call(route int, actor bigint, path text[], body text DEFAULT NULL, VARIADIC want text[] DEFAULT '{}')
RETURNS text LANGUAGE plpgsql AS $$
DECLARE
    r record;
    j jsonb;
BEGIN
    SELECT * INTO r FROM sc_api.dispatch(route, actor, NULL, 0, path, CASE WHEN body LIKE '?%' THEN substr(body, 2) END,
                                         CASE WHEN body NOT LIKE '?%' THEN body END, '{"lang": "en"}');
    j := coalesce(r.body, '{}')::jsonb;
    IF r.status >= 400 THEN
        RETURN concat_ws(' ', r.status, j ->> 'code', (SELECT jsonb_agg(concat_ws(' ', e ->> 'field', e ->> 'code')) FROM jsonb_array_elements(j -> 'errors') AS e));
    END IF;
    RETURN concat_ws(' ', r.status, (SELECT string_agg(w || '=' || coalesce((j #> string_to_array(w, '.'))::text, '?'), ' ' ORDER BY o)
                                     FROM unnest(want) WITH ORDINALITY AS u(w, o)));
END
$$;
CREATE FUNCTION pg_temp.refusal(call text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
    answer text;
BEGIN
    EXECUTE call INTO answer;
    RETURN answer;
EXCEPTION WHEN OTHERS THEN
    RETURN concat_ws(' ', SQLSTATE, SQLERRM);
END
$$;
CREATE FUNCTION pg_temp.start(student bigint, at timestamptz) RETURNS bigint LANGUAGE sql AS
    'SELECT s.attempt_id FROM sc.start_attempt(940001, student, at => at) AS s';

-- 1. hand-in with a last batch around the deadline of 10:00: in time, at it, within the slack, at its end, a millisecond later
CREATE TEMP TABLE moment (n int, at timestamptz);
INSERT INTO moment VALUES (1, '2030-05-01 09:59:59.999Z'), (2, '2030-05-01 10:00Z'), (3, '2030-05-01 10:00:00.001Z'), (4, '2030-05-01 10:00:30Z'), (5, '2030-05-01 10:00:30.001Z');
SELECT count(pg_temp.start(940000 + n, '2030-05-01 09:00Z')) FROM moment;
CREATE FUNCTION pg_temp.att(n int) RETURNS bigint LANGUAGE sql STABLE AS
    'SELECT id FROM sc.exam_attempts WHERE exam_id = 940001 AND user_id = 940000 + n ORDER BY attempt_no DESC LIMIT 1';
SELECT m.at::time, s.state, s.saved -> 0 ->> 'status' AS batch, (s.saved -> 0 ->> 'late_ms')::int AS late_ms
FROM moment AS m, LATERAL sc.submit_attempt(pg_temp.att(m.n), 940000 + m.n, '[{"question_id": 940001, "seq": 1, "answer": "a"}]', at => m.at) AS s ORDER BY m.n;
SELECT m.at::time, a.submitted_at::time, a.finished_at::time, a.finish_reason, a.late_ms, r.correct, r.wrong, r.blank
FROM moment AS m JOIN sc.exam_attempts AS a ON a.id = pg_temp.att(m.n) JOIN sc.exam_results AS r ON r.attempt_id = a.id ORDER BY m.n;
-- the same through the door, by a deadline that is moved: five minutes to go, five minutes late with ten of slack, eleven minutes late
UPDATE sc.exams SET opens_at = NULL, closes_at = NULL, time_limit = 7200, slack_seconds = 600 WHERE id = 940001;
CREATE FUNCTION pg_temp.door(n int, left_seconds int) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
    a bigint;
    answer text;
BEGIN
    SELECT s.attempt_id INTO a FROM sc.start_attempt(940001, 940000 + n) AS s;
    UPDATE sc.exam_attempts SET started_at = clock_timestamp() - interval '2 hours', deadline_at = clock_timestamp() + make_interval(secs => left_seconds) WHERE id = a;
    answer := concat_ws(' | ',
        pg_temp.call(1003, 940000 + n, ARRAY[a::text, '940001'], '{"seq": 1, "answer": "a"}', 'stale'),
        pg_temp.call(1004, 940000 + n, ARRAY[a::text], '{"answers": [{"question_id": 940002, "seq": 1, "answer": "a"}]}', 'answers.0.status'),
        pg_temp.call(1006, 940000 + n, ARRAY[a::text], '{"answers": [{"question_id": 940003, "seq": 1, "answer": "a"}]}', 'state', 'finish_reason', 'saved.0.status'),
        '');
    RETURN answer || (SELECT concat('late ', x.late_ms >= 300000, ', right ', r.correct) FROM sc.exam_attempts AS x JOIN sc.exam_results AS r ON r.attempt_id = x.id WHERE x.id = a);
END
$$;
SELECT pg_temp.door(6, 300) AS in_time;
SELECT pg_temp.door(7, -300) AS in_the_slack;
SELECT pg_temp.door(8, -660) AS too_late;
UPDATE sc.exams SET opens_at = '2030-05-01 09:00Z', closes_at = '2030-05-01 12:00Z', time_limit = 3600, slack_seconds = 30 WHERE id = 940001;

-- 2. an hour is an hour in every zone, over every change of the clocks on the wall, and after an extension
CREATE FUNCTION pg_temp.hour(n int, zone text, day timestamptz) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
    a bigint;
    v record;
    given timestamptz;
    swept text;
BEGIN
    PERFORM set_config('timezone', zone, true);
    UPDATE sc.exams SET opens_at = day - interval '10 minutes', closes_at = day + interval '5 hours' WHERE id = 940001;
    a := pg_temp.start(940000 + n, day);
    PERFORM sc.save_answer(a, 940001, 1, '"a"', 1, day + interval '3599.999 seconds');
    SELECT x.remaining_ms INTO v FROM sc.attempt_view(a, false, day + interval '59 minutes') AS x;
    INSERT INTO sc.exam_overrides (exam_id, user_id, extra_seconds, reason) VALUES (940001, 940000 + n, 600, 'x');
    SELECT deadline_at INTO given FROM sc.exam_attempts WHERE id = a;
    DELETE FROM sc.exam_overrides WHERE exam_id = 940001;
    swept := concat_ws(' ', sc.close_overdue(100, day + interval '60 minutes 30 seconds'), sc.close_overdue(100, day + interval '60 minutes 30.001 seconds'));
    RETURN concat_ws(' ', v.remaining_ms, given - day, swept, (SELECT finished_at - day FROM sc.exam_attempts WHERE id = a));
END
$$;
SELECT w.what, z.zone, pg_temp.hour(9 + z.n::int, z.zone, w.day) AS ms_and_times
FROM (VALUES (1, 'Berlin falls back', '2030-10-27 00:30Z'::timestamptz), (2, 'Berlin springs on', '2030-03-31 00:30Z'), (3, 'İstanbul fell back', '2014-10-26 00:30Z'), (4, 'İstanbul sprang on', '2014-03-31 00:30Z')) AS w(n, what, day),
     unnest('{UTC,Europe/Berlin,Europe/Istanbul,America/New_York}'::text[]) WITH ORDINALITY AS z(zone, n)
ORDER BY w.n, z.n;
-- a class is that of the day in İstanbul, whatever the session thinks the day is
INSERT INTO sc.seasons (id, name, starts_on, ends_on) VALUES (940001, 'edge', '2029-09-01', '2030-08-31');
INSERT INTO sc.groups (id, season_id, name, teacher_id) VALUES (940001, 940001, '12-K', 940090);
INSERT INTO sc.group_members (group_id, student_id, valid_from, valid_to) VALUES (940001, 940020, '2030-05-02', '2030-05-02');
UPDATE sc.exams SET is_open_to_all = false, opens_at = '2030-04-01', closes_at = '2030-06-01' WHERE id = 940001;
INSERT INTO sc.exam_audience (exam_id, group_id) VALUES (940001, 940001);
SELECT z.zone, (SELECT string_agg(w.reason, ' ' ORDER BY t.at) FROM unnest('{2030-05-01 20:59:59.999Z,2030-05-01 21:00Z,2030-05-02 20:59:59.999Z,2030-05-02 21:00Z}'::timestamptz[]) AS t(at), LATERAL sc.exam_window(940001, 940020, t.at) AS w) AS reasons
FROM unnest('{UTC,Asia/Tokyo,America/New_York}'::text[]) AS z(zone), LATERAL set_config('timezone', z.zone, true) AS s(x) WHERE s.x <> '';
SET LOCAL timezone = 'UTC';
DELETE FROM sc.exam_audience WHERE exam_id = 940001;
UPDATE sc.exams SET is_open_to_all = true, opens_at = '2030-05-01 09:00Z', closes_at = '2030-05-01 12:00Z' WHERE id = 940001;

-- 3. k of none, three and four in one exam: all blank, all wrong, all right, one of each; then one question of each section cancelled
CREATE FUNCTION pg_temp.sit(n int, marks text) RETURNS bigint LANGUAGE plpgsql AS $$
DECLARE
    a bigint := pg_temp.start(940000 + n, '2030-05-01 09:00Z');
BEGIN
    PERFORM sc.save_answers(a, 940000 + n, (SELECT coalesce(jsonb_agg(jsonb_build_object('question_id', 940000 + i, 'seq', 1, 'answer', nullif(substr(marks, i, 1), '-'))), '[]')
                                            FROM generate_series(1, length(marks)) AS i), '2030-05-01 09:30Z');
    PERFORM sc.submit_attempt(a, 940000 + n, at => '2030-05-01 09:40Z');
    RETURN a;
END
$$;
CREATE FUNCTION pg_temp.score(a bigint) RETURNS text LANGUAGE sql STABLE AS $$
    SELECT concat_ws(' ', concat_ws('/', r.correct, r.wrong, r.blank), 'net', round(r.net, 4), 'key', r.sort_key || '/' || r.key_multiple, 'of', r.correct + r.wrong + r.blank, ':',
                     (SELECT string_agg(concat_ws('/', s.correct, s.wrong, s.blank, round(s.net, 4)), ' ' ORDER BY s.section_id) FROM sc.result_sections AS s WHERE s.result_id = r.id))
    FROM sc.exam_results AS r WHERE r.attempt_id = a $$;
CREATE TEMP TABLE sitting AS
SELECT x.n, x.marks, pg_temp.sit(20 + x.n, x.marks) AS a FROM (VALUES (1, ''), (2, '---------'), (3, 'bbbbbbbbb'), (4, 'aaaaaaaaa'), (5, 'ab-ab-ab-')) AS x(n, marks);
SELECT marks, pg_temp.score(a) FROM sitting ORDER BY n;
SELECT sc.regrade_begin(940001, 'exclude', '{940001,940004,940007}', NULL, false, 'iptal', NULL) AS g \gset
SELECT sc.regrade_step(:g, 1000) > 0 AS done;
SELECT marks, pg_temp.score(a) FROM sitting ORDER BY n;
SELECT count(*) AS lost_the_first_score FROM sc.exam_results AS r JOIN sitting AS s ON s.a = r.attempt_id WHERE r.first_score IS NULL;
-- every question cancelled: nothing is divided by nothing
SELECT sc.regrade_begin(940001, 'exclude', ARRAY(SELECT 940000 + n FROM generate_series(1, 9) AS n), NULL, false, 'hepsi', NULL) AS g \gset
SELECT sc.regrade_step(:g, 1000) > 0 AS done;
SELECT pg_temp.score(a), (SELECT r.percent FROM sc.exam_results AS r WHERE r.attempt_id = a) FROM sitting WHERE n = 5;
UPDATE sc.exam_questions SET treatment = 'normal' WHERE exam_id = 940001;
SELECT sc.regrade_exam(940001) > 0 AS back;
SELECT pg_temp.score(a) FROM sitting WHERE n = 5;

-- 3b. a correction of many results: the first at once, the rest by the upkeep, ranks only when all of it is done
UPDATE sc.settings SET value = '2' WHERE name = 'regrade_at_once';
SELECT sc.fold_exam(940001) > 0 AS folded;
CREATE TEMP TABLE ranks AS SELECT h.* FROM sc.exam_histograms AS h WHERE h.exam_id = 940001;
SELECT pg_temp.call(1107, 940090, '{940001}', '{"policy": "rekey", "question_ids": [940001], "keys": {"940001": {"correct": "b"}}, "reason": "x"}', 'state', 'examined') AS begun;
SELECT max(id) AS g FROM sc.regrades \gset
SELECT pg_temp.call(1114, 940090, ARRAY['940001', :'g'], NULL, 'state', 'examined', 'finished_at') AS progress, pg_temp.call(1114, 940090, '{940001,999999999}') AS nothing,
       pg_temp.call(1114, 940090, ARRAY['940002', :'g']) AS of_another_exam, pg_temp.call(1114, 940001, ARRAY['940001', :'g']) AS student;
SELECT sc.fold_exam(940001) AS folds_meanwhile, (SELECT count(*) FROM (SELECT * FROM ranks EXCEPT SELECT * FROM sc.exam_histograms WHERE exam_id = 940001) AS x) AS moved;
SELECT sc.regrade_waiting(2) AS a_step, (SELECT concat_ws(' ', state, examined) FROM sc.regrades WHERE id = :g) AS before_it;
SELECT sc.regrade_waiting() > 0 AS the_rest;
SELECT state, examined = total AS all_of_them, changed, total - changed AS as_they_were FROM sc.regrades WHERE id = :g;
SELECT sc.regrade_waiting() AS nothing_left, (SELECT count(*) FROM sc.exam_results AS r JOIN sc.exams AS e ON e.id = r.exam_id WHERE e.id = 940001 AND r.key_version < e.key_version) AS behind;
SELECT sc.fold_exam(940001) > 0 AS folded;
SELECT marks, pg_temp.score(a) FROM sitting WHERE n >= 4 ORDER BY n;
-- a result that was scored by the old key and came in after the end is found; one of last week's would have been
UPDATE sc.exam_results AS r SET key_version = 1 FROM sitting AS s WHERE s.a = r.attempt_id AND s.n = 4;
SELECT sc.regrade_waiting() > 0 AS found, sc.regrade_waiting() AS again;
UPDATE sc.exam_results AS r SET key_version = 1 FROM sitting AS s WHERE s.a = r.attempt_id AND s.n = 4;
SELECT sc.regrade_waiting(5000, clock_timestamp() + interval '61 minutes') AS too_long_ago;
-- one that cannot be done stands in nobody's way
INSERT INTO sc.regrades (exam_id, policy, reason, key_version) SELECT 940001, 'rekey', 'x', 999;
UPDATE sc.exam_questions SET key = '5' WHERE exam_id = 940001 AND question_id = 940001;
SET LOCAL client_min_messages = error;
SELECT sc.regrade_waiting() AS looked_at, (SELECT array_agg(state) FROM sc.regrades WHERE key_version = 999) AS was;
SET LOCAL client_min_messages = warning;
SELECT state FROM sc.regrades WHERE key_version = 999;
UPDATE sc.exam_questions SET key = NULL WHERE exam_id = 940001;
SELECT sc.regrade_exam(940001) >= 0 AS back;
SELECT sc.fold_exam(940001) > 0 AS folded;
UPDATE sc.settings SET value = '2000' WHERE name = 'regrade_at_once';

-- 3c. alternatives with penalties of their own: all are ordered in one unit, sat here or on paper
INSERT INTO sc.exams (id, title, kind, is_published, is_open_to_all, created_by) VALUES (940006, 'Seçmeli', 'online', true, true, 940090), (940007, 'Seçmeli kâğıt', 'paper', true, true, 940090);
INSERT INTO sc.exam_sections (id, exam_id, order_index, title, test, question_count, wrongs_per_right, alternative_group) VALUES
    (940051, 940006, 1, 'Üç', 'S', 4, 3, 's'), (940052, 940006, 2, 'Dört', 'S', 5, 4, 's'), (940053, 940007, 1, 'Üç', 'S', 4, 3, 's'), (940054, 940007, 2, 'Dört', 'S', 5, 4, 's');
INSERT INTO sc.exam_questions (exam_id, section_id, question_id, version_id, order_index) SELECT 940006, 940051 + (n > 4)::int, 940000 + n, 940000 + n, n FROM generate_series(1, 9) AS n;
CREATE FUNCTION pg_temp.choose(n int, marks text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
    a bigint;
BEGIN
    SELECT s.attempt_id INTO a FROM sc.start_attempt(940006, 940000 + n) AS s;
    PERFORM sc.submit_attempt(a, 940000 + n, (SELECT jsonb_agg(jsonb_build_object('question_id', 940000 + i, 'seq', 1, 'answer', nullif(substr(marks, i, 1), '-'))) FROM generate_series(1, 9) AS i));
    RETURN pg_temp.score(a);
END
$$;
SELECT pg_temp.choose(1, 'aab------') AS two_thirds, pg_temp.choose(2, '----aabbb') AS three_quarters;
SELECT pg_temp.call(1111, 940092, '{940007}', '{"user_id": 940001, "sections": [{"section_id": 940053, "correct": 2, "wrong": 1}]}', 'net') AS three,
       pg_temp.call(1111, 940092, '{940007}', '{"user_id": 940002, "sections": [{"section_id": 940054, "correct": 2, "wrong": 3}]}', 'net') AS four;
-- nothing that was typed is lost or guessed
SELECT s AS sections, pg_temp.call(1111, 940092, '{940007}', '{"user_id": 940003, "sections": ' || s || '}', 'net') AS answer
FROM unnest(ARRAY['[]', '[7]', '[{"section_id": 940053, "correct": 1}, {"section_id": 940053, "correct": 2}]', '[{"section_id": 940053, "doğru": 1}]',
                  '[{"section_id": 940053, "correct": "1"}]', '[{"section_id": 940053, "correct": 1.5}]', '[{"section_id": 940053, "correct": 3000000000, "wrong": 1}]',
                  '[{"section_id": 940053, "correct": -1}]', '[{"section_id": 940053, "correct": 2, "wrong": 9}]', '[{"section_id": 1, "correct": 1}]']) AS s;
SELECT pg_temp.call(1111, 940092, '{940007}', '{"user_id": 940003, "sections": [{"section_id": 940053, "correct": 1}], "submitted_at": "2999-01-01T00:00:00Z"}') AS future;
-- sat at the opening of the exam, however late it is entered
UPDATE sc.exams SET opens_at = '2025-11-05 06:00Z' WHERE id = 940007;
SELECT r.submitted_at FROM sc_api.exam_result_enter(940092, 940007, 940003, '[{"section_id": 940053, "correct": 1, "wrong": null}]') AS r;
DELETE FROM sc.exam_results WHERE exam_id = 940007 AND user_id = 940003;
SELECT sc.fold_exam(940006) AS here, sc.fold_exam(940007) AS paper;
SELECT r.exam_id, r.user_id, r.net, r.sort_key, r.key_multiple, (sc.standing(r.exam_id, r.rank_key)).rank FROM sc.exam_results AS r WHERE r.exam_id IN (940006, 940007) ORDER BY 1, 2;
SAVEPOINT carried;
-- AYT scores carry the TYT score on, also one that is entered later or corrected
INSERT INTO sc.exams (id, title, kind, exam_type, is_published) VALUES (940011, 'TYT kâğıt', 'paper', 'TYT', true), (940010, 'AYT kâğıt', 'paper', 'AYT', true);
INSERT INTO sc.exam_sections (exam_id, order_index, title, test, question_count, wrongs_per_right) VALUES
    (940011, 1, 'Türkçe', 'Türkçe', 40, 4), (940010, 1, 'Matematik', 'Matematik', 40, 4), (940010, 2, 'Fizik', 'Fen Bilimleri', 14, 4);
INSERT INTO sc.students (user_id, student_no) VALUES (940001, 'E-1');
SELECT (sc.import_results(940010, E'student_no;Matematik D;Matematik Y;Fizik D;Fizik Y\nE-1;20;0;10;0\n')).imported, sc.fold_exam(940010) AS folded,
       (SELECT r.scores -> 'SAY' FROM sc.exam_results AS r WHERE r.exam_id = 940010) AS no_tyt_yet;
SELECT (sc.import_results(940011, E'student_no;Türkçe D;Türkçe Y\nE-1;10;0\n')).imported, sc.fold_exam(940011) AS folded, sc.fold_exam(940010) AS again;
SELECT e.exam_type, r.scores -> 'TYT' AS tyt, r.scores -> 'SAY' AS say FROM sc.exam_results AS r JOIN sc.exams AS e ON e.id = r.exam_id WHERE e.id IN (940010, 940011) ORDER BY 1;
SELECT (sc.import_results(940011, E'student_no;Türkçe D;Türkçe Y\nE-1;20;0\n')).imported, sc.fold_exam(940011) AS folded, sc.fold_exam(940010) AS again, sc.fold_exam(940010) AS settled;
SELECT e.exam_type, r.scores -> 'TYT' AS tyt, r.scores -> 'SAY' AS say FROM sc.exam_results AS r JOIN sc.exams AS e ON e.id = r.exam_id WHERE e.id IN (940010, 940011) ORDER BY 1;
-- over REST a reader without a booklet column, and faults in words
SELECT sc_api.exam_results_optical(940092, 940010, E'E-1  ABCDE\n', '1-5', '6-59', key_a => rpad('ABCDE', 54, 'A'));
SELECT sc_api.exam_results_optical(940092, 940010, E'E-9  ABCDE\nE-1  ABCDE\n', '1-5', '6-59', key_a => 'A', dry_run => true);
SELECT (sc_api.exam_results_optical(940092, 940010, E'E-1  ABCDE\n', '1-5', '6-59', dry_run => true)).errors -> 0 ->> 'code' AS no_key;
ROLLBACK TO carried;
-- penalties that have no common unit are not published
UPDATE sc.exams SET is_published = false WHERE id = 940006;
DELETE FROM sc.exam_results WHERE exam_id = 940006;
DELETE FROM sc.exam_attempts WHERE exam_id = 940006;
UPDATE sc.exam_sections SET wrongs_per_right = 99.999 - id % 2 * 0.002 WHERE exam_id = 940006;
SELECT pg_temp.call(906, 940090, '{940006}') AS publish;

-- 4. handed in twice, and once more with something to add: nothing moves
SELECT to_jsonb(r) - 'updated_at' AS r FROM sc.exam_results AS r JOIN sitting AS s ON s.a = r.attempt_id WHERE s.n = 5 \gset was_
SELECT s.state, s.saved FROM sitting AS x, LATERAL sc.submit_attempt(x.a, 940025, at => '2030-05-01 09:41Z') AS s WHERE x.n = 5;
SELECT s.state, s.saved -> 0 ->> 'status' AS late_addition FROM sitting AS x, LATERAL sc.submit_attempt(x.a, 940025, '[{"question_id": 940003, "seq": 7, "answer": "a"}]', at => '2030-05-01 09:42Z') AS s WHERE x.n = 5;
SELECT to_jsonb(r) - 'updated_at' = :'was_r'::jsonb AS same FROM sc.exam_results AS r JOIN sitting AS s ON s.a = r.attempt_id WHERE s.n = 5;

-- 5. short answers: the capital of ı is I, that of i is İ; both are taken for what they may have meant
INSERT INTO sc.questions (id) VALUES (940011);
INSERT INTO sc.question_versions (id, question_id, version, type, prompt, key) VALUES (940011, 940011, 1, 'short', 'İl?', '{"answers": ["Iğdır", "İzmir"]}');
INSERT INTO sc.exams (id, title, time_limit, opens_at, closes_at, max_attempts, is_published, is_open_to_all, created_by) VALUES (940002, 'Kısa', 3600, '2030-05-01 09:00Z', '2030-05-01 12:00Z', 0, true, true, 940090);
INSERT INTO sc.exam_sections (id, exam_id, order_index, title, test, question_count, wrongs_per_right) VALUES (940011, 940002, 1, 'Kısa', 'Kısa', 1, 4);
INSERT INTO sc.exam_questions (exam_id, section_id, question_id, version_id, order_index) VALUES (940002, 940011, 940011, 940011, 1);
CREATE FUNCTION pg_temp.short(said text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
    a bigint;
BEGIN
    SELECT s.attempt_id INTO a FROM sc.start_attempt(940002, 940001, at => '2030-05-01 09:00Z') AS s;
    PERFORM sc.submit_attempt(a, 940001, jsonb_build_array(jsonb_build_object('question_id', 940011, 'seq', 1, 'answer', said)), at => '2030-05-01 09:01Z');
    RETURN (SELECT concat_ws('/', r.correct, r.wrong, r.blank) FROM sc.exam_results AS r WHERE r.attempt_id = a);
END
$$;
SELECT w.said, pg_temp.short(w.said) FROM unnest(ARRAY['IĞDIR', 'ığdır', 'iğdir', 'İZMİR', 'izmir', 'IZMIR', E'I\u0307zmir', 'Izmır', ' ', 'Ankara']) WITH ORDINALITY AS w(said, n) ORDER BY w.n;

-- 5b. what is shown is what is scored: who picks the right options by their texts has everything right, of every type, whatever the seed;
-- and the review shows the options as the attempt did
INSERT INTO sc.questions (id) SELECT n FROM generate_series(940021, 940024) AS n;
INSERT INTO sc.question_versions (id, question_id, version, type, prompt, options, key) VALUES
    (940021, 940021, 1, 'single', 's', '[{"id":"a","text":"Y1"},{"id":"b","text":"D"},{"id":"c","text":"Y2"},{"id":"d","text":"Y3"}]', '{"correct": "b"}'),
    (940022, 940022, 1, 'multiple', 'm', '[{"id":"a","text":"D1"},{"id":"b","text":"Y1"},{"id":"c","text":"D2"},{"id":"d","text":"Y2"}]', '{"correct": ["a", "c"]}'),
    (940023, 940023, 1, 'ordering', 'o', '[{"id":"1","text":"1 ilk"},{"id":"2","text":"2 sonra"},{"id":"3","text":"3 daha sonra"},{"id":"4","text":"4 son"}]', '{"order": ["1", "2", "3", "4"]}'),
    (940024, 940024, 1, 'matching', 'e', '{"left":[{"id":"1","text":"bir"},{"id":"2","text":"iki"},{"id":"3","text":"üç"}],"right":[{"id":"a","text":"bir"},{"id":"b","text":"iki"},{"id":"c","text":"üç"}]}', '{"pairs": {"1": "a", "2": "b", "3": "c"}}');
INSERT INTO sc.exams (id, title, max_attempts, is_published, is_open_to_all, shuffle_options, created_by) VALUES (940004, 'Gösterilen', 0, true, true, true, 940090);
INSERT INTO sc.exam_sections (id, exam_id, order_index, title, test, question_count) VALUES (940031, 940004, 1, 'G', 'G', 4);
INSERT INTO sc.exam_questions (exam_id, section_id, question_id, version_id, order_index) SELECT 940004, 940031, n, n, n - 940020 FROM generate_series(940021, 940024) AS n;
CREATE FUNCTION pg_temp.sit_by_text(seed bigint) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
    a bigint;
    shown jsonb;
    sent jsonb;
    seen jsonb;
BEGIN
    SELECT s.attempt_id INTO a FROM sc.start_attempt(940004, 940001) AS s;
    UPDATE sc.exam_attempts AS t SET seed = sit_by_text.seed WHERE t.id = a;
    SELECT d.body::jsonb -> 'questions' INTO shown FROM sc_api.dispatch(1001, 940001, NULL, 0, ARRAY[a::text], NULL, NULL, '{}') AS d;
    SELECT jsonb_agg(jsonb_build_object('question_id', q -> 'question_id', 'seq', 1, 'answer', CASE q ->> 'type'
               WHEN 'single' THEN (SELECT o -> 'id' FROM jsonb_array_elements(q -> 'options') AS o WHERE o ->> 'text' = 'D')
               WHEN 'multiple' THEN (SELECT jsonb_agg(o -> 'id') FROM jsonb_array_elements(q -> 'options') AS o WHERE o ->> 'text' LIKE 'D%')
               WHEN 'ordering' THEN (SELECT jsonb_agg(o -> 'id' ORDER BY o ->> 'text') FROM jsonb_array_elements(q -> 'options') AS o)
               WHEN 'matching' THEN (SELECT jsonb_object_agg(l ->> 'id', r -> 'id') FROM jsonb_array_elements(q -> 'options' -> 'left') AS l
                                     JOIN jsonb_array_elements(q -> 'options' -> 'right') AS r ON r ->> 'text' = l ->> 'text') END)) INTO sent
    FROM jsonb_array_elements(shown) AS q;
    PERFORM sc_api.dispatch(1006, 940001, NULL, 0, ARRAY[a::text], NULL, jsonb_build_object('answers', sent)::text, '{}');
    SELECT d.body::jsonb -> 'items' INTO seen FROM sc_api.dispatch(1007, 940001, NULL, 0, ARRAY[a::text], NULL, NULL, '{}') AS d;
    RETURN (SELECT concat_ws(' ', r.correct, r.wrong, r.blank,
                (SELECT count(*) FILTER (WHERE i -> 'options' = (SELECT q -> 'options' FROM jsonb_array_elements(shown) AS q WHERE q -> 'question_id' = i -> 'question_id'))
                 FROM jsonb_array_elements(seen) AS i), 'as shown',
                (SELECT count(*) FILTER (WHERE i -> 'answer' = (SELECT x -> 'answer' FROM jsonb_array_elements(sent) AS x WHERE x -> 'question_id' = i -> 'question_id'))
                 FROM jsonb_array_elements(seen) AS i), 'as sent')
            FROM sc.exam_results AS r WHERE r.attempt_id = a);
END
$$;
SELECT pg_temp.sit_by_text(n) AS outcome, count(*) AS seeds FROM generate_series(1, 60) AS n GROUP BY 1;
-- without a deadline nothing is said of one; over, there is no time left
SELECT pg_temp.call(1000, 940002, '{940004}', '{}', 'time_limit', 'deadline_at', 'remaining_ms');
SELECT id AS a FROM sc.exam_attempts WHERE user_id = 940002 AND exam_id = 940004 \gset
SELECT pg_temp.call(1002, 940002, ARRAY[:'a'], NULL, 'remaining_ms') AS clock, pg_temp.call(1006, 940002, ARRAY[:'a'], '{}', 'remaining_ms') AS handed_in, pg_temp.call(1002, 940002, ARRAY[:'a'], NULL, 'remaining_ms', 'accepts_answers') AS clock_after;

-- 5c. what an app needs beside the numbers: names, places, the end of the time, the points of an essay's criteria
INSERT INTO sc.questions (id) VALUES (940041);
INSERT INTO sc.question_versions (id, question_id, version, type, prompt, format, key, points, media) VALUES (940041, 940041, 1, 'essay', 'Yaz', 'plain', '{"rubric": [{"text": "dil", "points": 2}, {"text": "içerik", "points": 3}]}', 5, '[{"url": "https://x.test/a.png"}]');
INSERT INTO sc.exams (id, title, time_limit, closes_at, max_attempts, is_published, is_open_to_all, created_by, review_policy) VALUES (940005, 'Yazılı', 7200, clock_timestamp() + interval '1 hour', 1, true, true, 940090, '{"after": ["marks", "answer"], "open": ["marks", "answer"]}');
INSERT INTO sc.exam_sections (id, exam_id, order_index, title, test, question_count) VALUES (940041, 940005, 1, 'Y', 'Y', 1);
INSERT INTO sc.exam_questions (exam_id, section_id, question_id, version_id, order_index, points) VALUES (940005, 940041, 940041, 940041, 1, 5);
SELECT m.title, m.reason, m.time_limit, m.deadline_at = (SELECT closes_at FROM sc.exams WHERE id = 940005) AS cut_short, m.remaining_ms BETWEEN 3500000 AND 3600000 AS an_hour FROM sc_api.my_exam(940001, 940005) AS m;
SELECT pg_temp.call(920, 940001, '{940005}', NULL, 'exam_id', 'reason') AS one, pg_temp.call(920, 940001, '{999999999}') AS none, pg_temp.call(920, 940090, '{940005}', NULL, 'allowed') AS staff,
       -- open to everyone is open to every student: nobody else reads the questions so
       pg_temp.call(1000, 940090, '{940005}', '{}') AS staff_start, pg_temp.call(1000, 940091, '{940005}', '{}') AS guardian_start;
SELECT s.attempt_id AS a FROM sc.start_attempt(940005, 940001) AS s \gset
SELECT m.reason, m.attempt_state, m.deadline_at = a.deadline_at AS of_the_attempt FROM sc_api.my_exam(940001, 940005) AS m JOIN sc.exam_attempts AS a ON a.id = :a;
SELECT pg_temp.call(1006, 940001, ARRAY[:'a'], '{"answers": [{"question_id": 940041, "seq": 1, "answer": "Uzun bir metin"}]}', 'state', 'result.state') AS handed_in,
       pg_temp.call(1109, 940090, '{940005}', NULL, 'items.0.full_name', 'items.0.answer', 'items.0.points') AS waits;
SELECT pg_temp.call(1110, 940090, ARRAY[:'a', '940041'], '{"points": 4, "rubric": [{"criterion": "dil", "points": 1}, {"criterion": "içerik", "points": 3}], "comment": "Güzel"}', 'state', 'points') AS marked,
       pg_temp.call(1110, 940090, ARRAY[:'a', '940041'], '{"points": 4, "rubric": [{"criterion": "dil", "points": 1}]}') AS sum, pg_temp.call(1110, 940001, ARRAY[:'a', '940041'], '{"points": 5}') AS student;
SELECT pg_temp.call(1109, 940090, '{940005}', '?graded=true', 'items.0.points', 'items.0.rubric', 'items.0.graded_by') AS marked,
       pg_temp.call(1007, 940001, ARRAY[:'a'], NULL, 'items.0.format', 'items.0.media', 'items.0.points', 'items.0.rubric', 'items.0.comment', 'items.0.key') AS student;
-- marks without correctness are those of the whole, and of what a person marked: points would tell which answers were right
SELECT id AS b FROM sc.exam_attempts WHERE exam_id = 940004 AND user_id = 940002 \gset
UPDATE sc.exams SET review_policy = '{"after": ["marks", "answer"], "open": ["marks", "answer"]}' WHERE id = 940004;
SELECT pg_temp.call(1007, 940002, ARRAY[:'b'], NULL, 'result.net', 'items.0.points', 'items.0.outcome') AS marks_only;
UPDATE sc.exams SET review_policy = '{"after": ["marks", "correctness"], "open": ["marks", "correctness"]}' WHERE id = 940004;
SELECT pg_temp.call(1007, 940002, ARRAY[:'b'], NULL, 'result.net', 'items.0.points', 'items.0.outcome') AS and_correctness;
SELECT pg_temp.call(961, 940090, '{940005}', '{"user_id": 940001, "extra_seconds": 60, "reason": "x"}', 'full_name', 'group_name') AS override, pg_temp.call(960, 940090, '{940005}', NULL, 'items.0.full_name') AS listed,
       pg_temp.call(955, 940090, '{940005}', NULL, 'items.0.action', 'items.0.actor_name') AS log, (SELECT count(*) FROM sc.exam_audit WHERE detail::text LIKE '%Şule%') AS names_kept;
SELECT pg_temp.call(1107, 940090, '{940005}', '{"policy": "full_credit", "question_ids": [940041], "reason": "x", "dry_run": true}', 'changed', 'changes.0.full_name', 'changes.0.before.points', 'changes.0.after.points') AS dry_run,
       pg_temp.call(1107, 940090, '{940005}', '{"policy": "exclude", "question_ids": [940041], "reason": "x"}', 'state', 'changes.0.full_name') AS done;
SELECT pg_temp.call(914, 940090, '{940005}', NULL, 'items.0.version', 'items.0.latest_version', 'items.0.treatment');

-- 5d. the password of an exam is not found by trying; who starts without one tries nothing
UPDATE sc.exams SET password_hash = sc.password_hash('Salon-12') WHERE id = 940005;
INSERT INTO sc.exam_audit (exam_id, actor_id, action, detail, at)
SELECT 940005, 940002, 'wrong_password', jsonb_build_object('given', n <= 9), clock_timestamp() - interval '20 seconds' FROM generate_series(1, 12) AS n;
SELECT pg_temp.call(1000, 940002, '{940005}', '{"password": "Salon-11"}') AS tenth, pg_temp.call(1000, 940002, '{940005}', '{"password": "Salon-12"}') AS eleventh, pg_temp.call(1000, 940002, '{940005}', '{}') AS none,
       pg_temp.call(1000, 940003, '{940005}', '{"password": "Salon-12"}', 'state') AS another;
SELECT d.headers ->> 'Retry-After' AS retry_after FROM sc_api.dispatch(1000, 940002, NULL, 0, '{940005}', NULL, '{"password": "x"}', '{}') AS d;
UPDATE sc.exam_audit SET at = at - interval '1 minute' WHERE action = 'wrong_password';
SELECT pg_temp.call(1000, 940002, '{940005}', '{"password": "Salon-12"}', 'state') AS a_minute_later;

-- Failures seen elsewhere.
-- 6. the time is up, the student comes back: the old attempt is closed as of its deadline, not resumed, and not started anew where one is all there is
UPDATE sc.exams SET max_attempts = 1 WHERE id = 940002;
SELECT s.attempt_id AS a FROM sc.start_attempt(940002, 940002, at => '2030-05-01 09:00Z') AS s \gset
SELECT s.stale FROM sc.save_answer(:a, 940011, 1, '"Iğdır"', 1, '2030-05-01 09:10Z') AS s;
SELECT pg_temp.refusal('SELECT s.outcome FROM sc.start_attempt(940002, 940002, at => ''2030-05-01 10:00:30Z'') AS s') AS within_the_slack,
       pg_temp.refusal('SELECT s.outcome FROM sc.start_attempt(940002, 940002, at => ''2030-05-01 10:01Z'') AS s') AS after_it;
SELECT sc.close_if_due(:a, '2030-05-01 10:01Z') AS state;
-- (the refused start took its own closing back; whoever comes next closes it)
SELECT a.state, a.finished_at::time, r.correct FROM sc.exam_attempts AS a JOIN sc.exam_results AS r ON r.attempt_id = a.id WHERE a.id = :a;

-- 7. reloading does not move the deadline, at no second, and the hand-in of second zero works
SELECT s.attempt_id AS a FROM sc.start_attempt(940002, 940003, at => '2030-05-01 09:00Z') AS s \gset
SELECT t.at::time, s.outcome, v.remaining_ms
FROM unnest('{2030-05-01 09:30Z,2030-05-01 09:59:59.999Z,2030-05-01 10:00Z}'::timestamptz[]) AS t(at), LATERAL sc.start_attempt(940002, 940003, at => t.at) AS s, LATERAL sc.attempt_view(s.attempt_id, false, t.at) AS v;
SELECT s.state FROM sc.submit_attempt(:a, 940003, at => '2030-05-01 10:00Z') AS s;

-- 8. the only clock is the server's: every answer of an attempt has it, and no client's clock is believed
UPDATE sc.exams SET opens_at = NULL, closes_at = NULL WHERE id = 940002;
SELECT pg_temp.call(1000, 940004, '{940002}', '{}', 'x') AS started;
SELECT id AS a FROM sc.exam_attempts WHERE user_id = 940004 AND exam_id = 940002 \gset
SELECT c.what, c.answer ? 'server_now' AS server_now, (c.answer ->> 'remaining_ms')::bigint BETWEEN 1 AND 3600000 AS remaining_ms, c.answer ? 'deadline_at' AS deadline_at
FROM (VALUES (1, 'start', 1000, '{940002}', '{}'), (2, 'attempt', 1001, ARRAY[:'a']::text, NULL), (3, 'clock', 1002, ARRAY[:'a']::text, NULL),
             (4, 'save', 1003, ARRAY[:'a', '940011']::text, '{"seq": 1, "answer": "x", "elapsed_ms": 2147483647}'), (5, 'saves', 1004, ARRAY[:'a']::text, '{"answers": []}')) AS x(n, what, route, path, sent),
     LATERAL (SELECT x.what, d.body::jsonb AS answer FROM sc_api.dispatch(x.route, 940004, NULL, 0, x.path::text[], NULL, x.sent, '{}') AS d) AS c ORDER BY x.n;

-- 9. who never came has no result and is nobody's average; who left without handing in has one
INSERT INTO sc.exam_attempts (exam_id, user_id, attempt_no, state, seed, question_ids, version_ids, section_ids) VALUES (940002, 940005, 1, 'not_started', 1, '{940011}', '{940011}', '{940011}');
UPDATE sc.exam_attempts SET started_at = clock_timestamp() - interval '2 hours', deadline_at = clock_timestamp() - interval '1 hour' WHERE id = :a;
SELECT sc.close_overdue(1000) > 0 AS swept;
SELECT a.user_id, a.state, r.wrong, r.blank FROM sc.exam_attempts AS a LEFT JOIN sc.exam_results AS r ON r.attempt_id = a.id WHERE a.id = :a OR a.state = 'not_started' AND a.exam_id = 940002 ORDER BY 1;

-- 10. every attempt gets as many questions as were promised, none twice, whatever its seed
INSERT INTO sc.exams (id, title, is_published, is_open_to_all, shuffle_questions, created_by) VALUES (940003, 'Çekiliş', true, true, true, 940090);
INSERT INTO sc.exam_sections (id, exam_id, order_index, title, test, question_count, draw) VALUES (940021, 940003, 1, 'Ç', 'Ç', 4, '{"tags": ["x"]}');
INSERT INTO sc.exam_questions (exam_id, section_id, question_id, version_id) SELECT 940003, 940021, 940000 + n, 940000 + n FROM generate_series(1, 9) AS n;
SELECT count(*) AS started FROM generate_series(1, 30) AS n, LATERAL sc.start_attempt(940003, 940000 + n) AS s;
SELECT count(*) AS attempts, min(cardinality(a.question_ids)) AS fewest, max(cardinality(a.question_ids)) AS most, count(*) FILTER (WHERE (SELECT count(DISTINCT q) FROM unnest(a.question_ids) AS q) < 4) AS repeated,
       count(DISTINCT a.question_ids) > 10 AS differ
FROM sc.exam_attempts AS a WHERE a.exam_id = 940003;

-- 11. a question that is changed or withdrawn stays for those who have it as they saw it, key too
SELECT s.attempt_id AS a FROM sc.start_attempt(940001, 940006, at => '2030-05-01 09:00Z') AS s \gset
SELECT pg_temp.call(803, 940090, '{940001}', '{"prompt": "Başka", "key": {"correct": "c"}}', 'version') AS changed, pg_temp.call(804, 940090, '{940002}') AS withdrawn;
SELECT q.prompt, q.type FROM unnest(sc.attempt_questions(:a)) AS q WHERE q.question_id IN (940001, 940002) ORDER BY 1;
SELECT s.state FROM sc.submit_attempt(:a, 940006, '[{"question_id": 940001, "seq": 1, "answer": "a"}, {"question_id": 940002, "seq": 1, "answer": "a"}]', at => '2030-05-01 09:10Z') AS s;
SELECT pg_temp.score(:a);

-- 12. the list for the wall in a Turkish spreadsheet: its mark, its letters, decimal commas, nothing that runs
INSERT INTO sc.students (user_id, student_no) VALUES (940001, 'K-1'), (940002, 'K-2');
SELECT replace(l, E'\uFEFF', '<BOM>') AS line
FROM sc_api.dispatch(1105, 940090, NULL, 0, '{940002}', NULL, NULL, '{}') AS d, LATERAL regexp_split_to_table(d.body, '\r\n') WITH ORDINALITY AS t(l, n)
WHERE t.n = 1 OR l LIKE '%Iğdır%' OR l LIKE '%CMD%' ORDER BY t.n;

-- Earlier mends.
-- 13. a page of results looks up its own ranks and no others
SELECT sc.fold_exam(940001) > 0 AS folded;
SET LOCAL track_functions = 'all';
SELECT pg_stat_get_xact_function_calls('sc.standing(bigint,bigint,text,text,text)'::regprocedure) AS before;
SELECT (pg_temp.call(1101, 940090, '{940001}', '?per_page=2', 'total', 'items.0.rank', 'items.1.rank')) AS page;
SELECT pg_stat_get_xact_function_calls('sc.standing(bigint,bigint,text,text,text)'::regprocedure) AS looked_up;
SET LOCAL track_functions = 'none';

-- 13b. many windows at once are the windows one by one; a student's lists hold exactly what may be sat
INSERT INTO sc.exam_overrides (exam_id, group_id, extra_seconds, max_attempts, password_hash, reason) VALUES (940001, 940001, 60, 2, 'x', 'x'), (940002, 940001, NULL, 0, NULL, 'x');
SELECT u, count(*) AS windows, count(*) FILTER (WHERE to_jsonb(w) - '{exam_id,has_password}'::text[] <> to_jsonb(o)) AS other, count(*) FILTER (WHERE w.has_password) AS passwords,
       (SELECT array_agg(s ORDER BY s) FROM sc.exams_shown_to(u, '2030-05-02 00:00Z') AS s WHERE s BETWEEN 940001 AND 940003) IS NOT DISTINCT FROM (SELECT array_agg(e.id ORDER BY e.id) FROM sc.exams AS e WHERE e.id BETWEEN 940001 AND 940003 AND sc.sits_exam(u, e.id)) AS same_lists
FROM unnest('{940001,940020,940029,940090}'::bigint[]) AS u, sc.exam_windows('{940001,940002,940003,0}', u, '2030-05-02 00:00Z') AS w, LATERAL sc.exam_window(w.exam_id, u, '2030-05-02 00:00Z') AS o
GROUP BY u ORDER BY u;
UPDATE sc.users SET is_active = false WHERE id = 940029;
SELECT count(*) AS shown_to_nobody FROM sc.exams_shown_to(940029);
DELETE FROM sc.exam_overrides WHERE group_id = 940001;

-- 14. more time for all is one pass over the attempts: each gets it once, the close moves once
UPDATE sc.exams SET opens_at = clock_timestamp() - interval '1 hour', closes_at = clock_timestamp() + interval '10 hours', time_limit = 3600 WHERE id = 940001;
SELECT count(*) AS writing FROM generate_series(1, 3) AS n, LATERAL sc.start_attempt(940001, 940000 + n) AS s;
CREATE TEMP TABLE was AS SELECT a.id, a.deadline_at FROM sc.exam_attempts AS a WHERE a.exam_id = 940001 AND a.state = 'in_progress';
SELECT closes_at AS c FROM sc.exams WHERE id = 940001 \gset was_
SET LOCAL track_functions = 'all';
SELECT pg_temp.call(951, 940090, '{940001}', '{"all": true, "seconds": 90, "reason": "x"}', 'students');
SELECT pg_stat_get_xact_function_calls('sc.recompute_deadlines(bigint,bigint,timestamptz)'::regprocedure) AS passes;
SET LOCAL track_functions = 'none';
SELECT DISTINCT a.deadline_at - w.deadline_at AS each, (SELECT e.closes_at - :'was_c'::timestamptz FROM sc.exams AS e WHERE e.id = 940001) AS close, a.extra_seconds FROM was AS w JOIN sc.exam_attempts AS a ON a.id = w.id;

-- 15. overrides that no clock could hold
SELECT f.field, pg_temp.call(961, 940090, '{940001}', jsonb_build_object('user_id', 940007, 'reason', 'x', f.field, f.value)::text, f.field) AS answer
FROM (VALUES (1, 'time_limit', 31622401), (2, 'time_limit', -1), (3, 'extra_seconds', 31622401), (4, 'extra_seconds', -1), (5, 'max_attempts', -1), (6, 'time_limit', 31622400)) AS f(n, field, value) ORDER BY f.n;
SELECT pg_temp.call(961, 940090, '{940001}', '{"user_id": 940008, "reason": "x", "opens_at": "2030-01-02T00:00:00Z", "closes_at": "2030-01-02T00:00:00Z"}') AS no_time_between;

-- 16. topics: right ones of the questions asked, cancelled ones aside, what pays most first
INSERT INTO sc.subjects (id, code, name) VALUES (940001, 'EDGE', 'Kenar Bilgisi');
INSERT INTO sc.units (id, subject_id, name, order_index) VALUES (940001, 940001, 'Birinci', 1), (940002, 940001, 'İkinci', 2);
INSERT INTO sc.outcomes (id, unit_id, code, description) VALUES (940001, 940001, 'K.1', 'Kazanım bir');
UPDATE sc.questions SET outcome_id = 940001 WHERE id BETWEEN 940001 AND 940003;
UPDATE sc.questions SET unit_id = 940002 WHERE id BETWEEN 940004 AND 940006;
UPDATE sc.exam_questions SET treatment = 'exclude' WHERE exam_id = 940001 AND question_id = 940003;
SELECT count(sc.score_attempt(a)) AS scored FROM sitting WHERE n = 5;
SELECT t.subject, t.unit, t.outcome_code, t.questions, t.correct, t.wrong, t.blank, t.success, t.priority
FROM unnest(sc.topic_successes(ARRAY(SELECT r.id FROM sc.exam_results AS r JOIN sitting AS s ON s.a = r.attempt_id WHERE s.n = 5))) AS t;

-- 17. guardians: of one's own child, confirmed, and only what the child may see
SELECT pg_temp.call(1103, 940091, '{940025}', NULL, 'total') AS stranger;
INSERT INTO sc.guardians (guardian_id, student_id) VALUES (940091, 940025);
SELECT pg_temp.call(1103, 940091, '{940025}', NULL, 'total') AS not_confirmed;
UPDATE sc.guardians SET approved_at = clock_timestamp() WHERE guardian_id = 940091;
UPDATE sc.exams SET max_attempts = 1 WHERE id = 940001;
SELECT pg_temp.call(1103, 940091, '{940025}', NULL, 'total') AS before_the_close, pg_temp.call(1103, 940025, '{940025}', NULL, 'total') AS child, pg_temp.call(1103, 940090, '{940025}', NULL, 'total') AS teacher_of_nothing;
UPDATE sc.exam_attempts SET state = 'graded', finished_at = coalesce(finished_at, clock_timestamp()) WHERE exam_id = 940001;
UPDATE sc.exams SET closes_at = clock_timestamp() - interval '1 minute' WHERE id = 940001;
SELECT pg_temp.call(1103, 940091, '{940025}', NULL, 'total', 'items.0.correct') AS after_it;

-- 18. no hash of a password or token is in the copy of one's data
UPDATE sc.exams SET password_hash = 'exam-hash-1' WHERE id = 940001;
INSERT INTO sc.exam_overrides (exam_id, user_id, password_hash, reason, created_by) VALUES (940001, 940009, 'override-hash-1', 'x', 940090);
UPDATE sc.exam_attempts SET token_hash = sha256('x') WHERE exam_id = 940003 AND user_id = 940009;
SELECT u, d.status, d.body ~ '(exam|override)-hash-1|password_hash|token_hash|2d711642b726b04401627ca9fbac32f5c8530fb1903cc4db02258717921a4881' AS told, d.body::jsonb -> 'records' ? 'exam_attempts' AS has_attempts
FROM unnest('{940009,940090}'::bigint[]) AS u, sc_api.dispatch(210, u, gen_random_uuid(), sc.epoch_ms(clock_timestamp()) + 60000, '{}', NULL, NULL, '{"lang": "en"}') AS d;
ROLLBACK;

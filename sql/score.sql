-- Scoring: from answers to results, ranks, corrections of keys, paper exams.
SET client_min_messages = warning;
\set VERBOSITY terse
BEGIN;

-- A class of six and an exam of two sections: four questions at k = 4, three at k = 3.
CREATE TEMPORARY TABLE n (name text PRIMARY KEY, id bigint);
INSERT INTO n SELECT 'teacher', sc_test_user.id FROM (
    SELECT nextval(pg_get_serial_sequence('sc.users', 'id')) AS id) AS sc_test_user;
INSERT INTO sc.users (id, email, full_name, role_id) SELECT id, 'score.teacher@example.test', 'Öğretmen', 3 FROM n WHERE name = 'teacher';
INSERT INTO n SELECT 's' || i, nextval(pg_get_serial_sequence('sc.users', 'id')) FROM generate_series(1, 6) AS i;
INSERT INTO sc.users (id, email, full_name, role_id)
SELECT id, 'score.' || name || '@example.test', upper(name), 1 FROM n WHERE name ~ '^s[0-9]';
INSERT INTO sc.students (user_id, student_no, city) SELECT id, 'SCORE-' || name, 'İzmir' FROM n WHERE name ~ '^s[0-9]';

WITH e AS (INSERT INTO sc.exams (title, exam_type, is_published, opens_at, closes_at, created_by, pass_mark)
           SELECT 'Deneme 1', 'score_test', true, '2026-01-10 07:00Z', '2026-01-10 10:00Z', id, 50 FROM n WHERE name = 'teacher'
           RETURNING id)
INSERT INTO n SELECT 'exam', id FROM e;
WITH s AS (INSERT INTO sc.exam_sections (exam_id, order_index, title, test, question_count, wrongs_per_right)
           SELECT id, x.i, x.title, x.title, x.c, x.k
           FROM n, (VALUES (1, 'Türkçe', 4, 4), (2, 'Fen', 3, 3)) AS x(i, title, c, k) WHERE name = 'exam'
           RETURNING id, order_index)
INSERT INTO n SELECT 'section' || order_index, id FROM s;
INSERT INTO n SELECT 'q' || i, nextval(pg_get_serial_sequence('sc.questions', 'id')) FROM generate_series(1, 7) AS i;
INSERT INTO sc.questions (id) SELECT id FROM n WHERE name ~ '^q';
INSERT INTO sc.question_versions (id, question_id, version, type, prompt, options, key)
SELECT id, id, 1, 'single', 'Soru', '[{"id":"a","text":"A"},{"id":"b","text":"B"},{"id":"c","text":"C"}]', '{"correct":"a"}'
FROM n WHERE name ~ '^q';
INSERT INTO sc.exam_questions (exam_id, section_id, question_id, version_id, order_index)
SELECT e.id, s.id, q.id, q.id, right(q.name, 1)::int
FROM n AS q JOIN n AS e ON e.name = 'exam'
JOIN n AS s ON s.name = CASE WHEN right(q.name, 1)::int <= 4 THEN 'section1' ELSE 'section2' END
WHERE q.name ~ '^q';

CREATE FUNCTION pg_temp.id(name text) RETURNS bigint LANGUAGE sql STABLE AS 'SELECT id FROM n WHERE n.name = $1';
-- one sitting: a string of marks, '-' is blank
CREATE FUNCTION pg_temp.sit(student text, marks text) RETURNS bigint LANGUAGE plpgsql AS $$
DECLARE
    a bigint;
BEGIN
    INSERT INTO sc.exam_attempts (exam_id, user_id, attempt_no, state, seed, question_ids, version_ids, section_ids,
                                  started_at, submitted_at, finished_at)
    SELECT pg_temp.id('exam'), pg_temp.id(student),
           1 + (SELECT count(*) FROM sc.exam_attempts AS x WHERE x.exam_id = pg_temp.id('exam') AND x.user_id = pg_temp.id(student)),
           'submitted', 1,
           array_agg(eq.question_id ORDER BY eq.order_index), array_agg(eq.version_id ORDER BY eq.order_index),
           array_agg(eq.section_id ORDER BY eq.order_index),
           '2026-01-10 08:00Z', '2026-01-10 09:00Z', '2026-01-10 09:00Z'
    FROM sc.exam_questions AS eq WHERE eq.exam_id = pg_temp.id('exam')
    RETURNING id INTO a;
    INSERT INTO sc.attempt_answers (attempt_id, question_id, seq, answer)
    SELECT a, pg_temp.id('q' || i), 1, CASE substr(marks, i, 1) WHEN '-' THEN NULL ELSE to_jsonb(substr(marks, i, 1)) END
    FROM generate_series(1, length(marks)) AS i;
    PERFORM sc.score_attempt(a);
    RETURN a;
END
$$;
CREATE FUNCTION pg_temp.show(student text) RETURNS TABLE (d int, y int, b int, net numeric, key bigint, points numeric, sections text)
LANGUAGE sql STABLE AS $$
    SELECT r.correct, r.wrong, r.blank, r.net, r.sort_key, r.points,
           (SELECT string_agg(concat_ws('/', x.correct, x.wrong, x.blank, x.net), ' ' ORDER BY s.order_index)
            FROM sc.result_sections AS x JOIN sc.exam_sections AS s ON s.id = x.section_id WHERE x.result_id = r.id)
    FROM sc.exam_results AS r WHERE r.exam_id = pg_temp.id('exam') AND r.user_id = pg_temp.id($1) AND r.counts
$$;

-- 1. worked examples: all right; all wrong (a negative net stays); all blank; mixed: 2 - 1/4 and 1 - 2/3
SELECT count(pg_temp.sit('s1', 'aaaaaaa')) + count(pg_temp.sit('s2', 'bbbbbbb')) + count(pg_temp.sit('s3', '-------'))
     + count(pg_temp.sit('s4', 'aab-abb')) AS sat;
SELECT s, (pg_temp.show(s)).* FROM unnest(ARRAY['s1', 's2', 's3', 's4']) AS s;

-- 2. scoring again changes nothing, not even the time of the row
CREATE TEMPORARY TABLE before AS SELECT * FROM sc.exam_results WHERE exam_id = pg_temp.id('exam');
SELECT count(sc.score_attempt(attempt_id)) FROM before;
SELECT count(*) AS unchanged FROM (SELECT * FROM before INTERSECT SELECT * FROM sc.exam_results) AS x;
SELECT sc.regrade_exam(pg_temp.id('exam')) AS changed;

-- 3. an answer that is no option is wrong; a cleared answer is blank
SELECT count(pg_temp.sit('s5', 'z-aa-aa'));
SELECT (pg_temp.show('s5')).*;

-- 4. folding: ranks with ties, cohort, percentile; before that nobody has a rank
SELECT pg_temp.sit('s6', 'aab-abb') IS NOT NULL AS sat;
SELECT sc.standing(pg_temp.id('exam'), 0) AS before_folding;
SELECT sc.fold_exam(pg_temp.id('exam'), 4, '2026-01-10 09:30Z') AS first, sc.fold_exam(pg_temp.id('exam'), 100, '2026-01-10 09:30Z') AS rest,
       sc.fold_exam(pg_temp.id('exam'), 100, '2026-01-10 09:30Z') AS again;
SELECT u.full_name, (sc.standing(r.exam_id, r.rank_key)).*
FROM sc.exam_results AS r JOIN sc.users AS u ON u.id = r.user_id
WHERE r.exam_id = pg_temp.id('exam') ORDER BY r.rank_key DESC, u.full_name;
-- the histogram holds everybody once in each scope, and rank order is key order
SELECT scope, measure, sum(n) FROM sc.exam_histograms WHERE exam_id = pg_temp.id('exam') GROUP BY 1, 2 ORDER BY 1, 2;
-- ranks open only when the exam is over
SELECT results_published_at FROM sc.exams WHERE id = pg_temp.id('exam');
SELECT sc.fold_exam(pg_temp.id('exam'), 100, '2026-01-10 10:05Z');
SELECT results_published_at = '2026-01-10 10:05Z' AS published FROM sc.exams WHERE id = pg_temp.id('exam');

-- 5. sums folded in batches equal those of one pass
SELECT a.n, abs(a.mean - b.mean) < 1e-9 AND abs(a.sd - b.sd) < 1e-9 AND abs(a.total_covariance - b.total_covariance) < 1e-9 AS same
FROM sc.item_sums AS i
JOIN (SELECT (unnest((sc.fold_marks(r.item_ids, r.item_points, r.item_outcomes, r.item_choices, r.points::float8)).items)).*
      FROM sc.exam_results AS r WHERE r.exam_id = pg_temp.id('exam')) AS f ON f.question_id = i.question_id
CROSS JOIN LATERAL sc.item_moments_final(i.sums) AS a
CROSS JOIN LATERAL sc.item_moments_final(f.moments) AS b
WHERE i.exam_id = pg_temp.id('exam') ORDER BY i.question_id;

-- 6. corrections: what a dry run says is what then happens
CREATE TEMPORARY TABLE dry AS
SELECT * FROM sc.regrade_preview(pg_temp.id('exam'), 'rekey', ARRAY[pg_temp.id('q3')],
                                 jsonb_build_object(pg_temp.id('q3')::text, '{"correct": "b"}'::jsonb), false, pg_temp.id('teacher'));
SELECT (pg_temp.show('s4')).net AS still;
SELECT count(*) AS would_change FROM dry;
SELECT sc.regrade_begin(pg_temp.id('exam'), 'rekey', ARRAY[pg_temp.id('q3')],
                        jsonb_build_object(pg_temp.id('q3')::text, '{"correct": "b"}'::jsonb), false, 'anahtar yanlış',
                        pg_temp.id('teacher')) AS g \gset
-- in steps, resumable
SELECT sc.regrade_step(:g, 4) AS step, sc.regrade_step(:g, 4) AS step, sc.regrade_step(:g, 4) AS step;
SELECT count(*) AS as_foreseen FROM dry JOIN sc.regrade_changes AS c USING (result_id)
WHERE c.regrade_id = :g AND dry.before = c.before AND dry.after = c.after;
SELECT s, (pg_temp.show(s)).* FROM unnest(ARRAY['s1', 's2', 's4', 's5']) AS s;
SELECT first_score FROM sc.exam_results WHERE exam_id = pg_temp.id('exam') AND user_id = pg_temp.id('s4');
-- ranks follow with the next fold, which starts from scratch
SELECT is_stale FROM sc.exam_sums WHERE exam_id = pg_temp.id('exam');
SELECT sc.fold_exam(pg_temp.id('exam'), 2) AS folded;
SELECT sum(n) FROM sc.exam_histograms WHERE exam_id = pg_temp.id('exam') AND measure = 'net' AND scope = 'all';

-- 7. the other policies
CREATE FUNCTION pg_temp.correct(policy text, question text, key text DEFAULT NULL, higher boolean DEFAULT false) RETURNS int LANGUAGE plpgsql AS $$
DECLARE
    g bigint := sc.regrade_begin(pg_temp.id('exam'), policy, ARRAY[pg_temp.id(question)],
                                 jsonb_build_object(pg_temp.id(question)::text, jsonb_build_object('correct', key)), higher, 'neden', NULL);
BEGIN
    PERFORM sc.regrade_step(g, 1000);
    RETURN (SELECT changed FROM sc.regrades WHERE id = g);
END
$$;
SAVEPOINT policies;
SELECT pg_temp.correct('best_of', 'q1', 'b') AS best_of;            -- a or b is right: only who marked b rises
SELECT s, (pg_temp.show(s)).d, (pg_temp.show(s)).y FROM unnest(ARRAY['s1', 's2', 's3']) AS s;
ROLLBACK TO policies;
SELECT pg_temp.correct('full_credit', 'q1') AS full_credit;         -- blank too
SELECT s, (pg_temp.show(s)).* FROM unnest(ARRAY['s1', 's2', 's3']) AS s;
ROLLBACK TO policies;
SELECT pg_temp.correct('exclude', 'q7') AS exclude;                 -- N falls to 6
SELECT s, (pg_temp.show(s)).*, (pg_temp.show(s)).d + (pg_temp.show(s)).y + (pg_temp.show(s)).b AS n FROM unnest(ARRAY['s1', 's2', 's3']) AS s;
ROLLBACK TO policies;
SELECT pg_temp.correct('rekey', 'q1', 'b', true) AS only_if_higher; -- nobody falls
SELECT s, (pg_temp.show(s)).net FROM unnest(ARRAY['s1', 's2']) AS s;
ROLLBACK TO policies;
SELECT pg_temp.correct('no_regrade', 'q1', 'b') AS no_regrade;
ROLLBACK TO policies;
-- refused: frozen, not in the exam, no key
UPDATE sc.exams SET is_frozen = true WHERE id = pg_temp.id('exam');
SELECT pg_temp.correct('exclude', 'q1');
ROLLBACK TO policies;
SELECT sc.regrade_begin(pg_temp.id('exam'), 'exclude', ARRAY[0::bigint], NULL, false, 'x', NULL);
ROLLBACK TO policies;
SELECT sc.regrade_begin(pg_temp.id('exam'), 'rekey', ARRAY[pg_temp.id('q1')], NULL, false, 'x', NULL) IS NULL;
ROLLBACK TO policies;

-- 8. several sittings: which one counts
UPDATE sc.exams SET max_attempts = 0 WHERE id = pg_temp.id('exam');
CREATE FUNCTION pg_temp.counting(method text) RETURNS text LANGUAGE plpgsql AS $$
BEGIN
    UPDATE sc.exams SET grading_method = method WHERE id = pg_temp.id('exam');
    UPDATE sc.exam_results SET counts = true WHERE exam_id = pg_temp.id('exam') AND user_id = pg_temp.id('s3');
    DELETE FROM sc.exam_results WHERE exam_id = pg_temp.id('exam') AND user_id = pg_temp.id('s3');
    PERFORM sc.score_attempt(id) FROM sc.exam_attempts WHERE exam_id = pg_temp.id('exam') AND user_id = pg_temp.id('s3') ORDER BY id;
    RETURN (SELECT string_agg(a.attempt_no || ': net ' || r.net || ', ranked by ' || r.rank_key, '; ')
            FROM sc.exam_results AS r JOIN sc.exam_attempts AS a ON a.id = r.attempt_id
            WHERE r.exam_id = pg_temp.id('exam') AND r.user_id = pg_temp.id('s3') AND r.counts);
END
$$;
SELECT count(pg_temp.sit('s3', 'aabaaaa')) + count(pg_temp.sit('s3', 'aa-----')) AS sat_again;
SELECT m, pg_temp.counting(m) FROM unnest(ARRAY['highest', 'first', 'last', 'average']) AS m;

-- 9. property: random marks, D + Y + B = N in every section; key order is net order
UPDATE sc.exams SET grading_method = 'highest' WHERE id = pg_temp.id('exam');
SELECT setseed(0.42);
SELECT count(pg_temp.sit('s' || 1 + i % 6, (SELECT string_agg(substr('ab-c', 1 + floor(random() * 4)::int, 1), '') FROM generate_series(1, 7) WHERE i > 0))) AS sat
FROM generate_series(1, 60) AS i;
SELECT count(*) AS broken FROM sc.exam_results AS r
WHERE r.exam_id = pg_temp.id('exam')
  AND (r.correct + r.wrong + r.blank <> 7
       OR round(r.sort_key::numeric / r.key_multiple, 4) <> r.net
       OR abs(r.net - (SELECT sum(s.net) FROM sc.result_sections AS s WHERE s.result_id = r.id)) > 0.0002
       OR EXISTS (SELECT FROM sc.result_sections AS s JOIN sc.exam_sections AS x ON x.id = s.section_id
                  WHERE s.result_id = r.id AND s.correct + s.wrong + s.blank <> x.question_count));
SELECT count(*) AS out_of_order FROM sc.exam_results AS a JOIN sc.exam_results AS b ON a.exam_id = b.exam_id
WHERE a.exam_id = pg_temp.id('exam') AND a.net > b.net AND a.sort_key <= b.sort_key;
SELECT sc.regrade_exam(pg_temp.id('exam')) AS changed_by_the_same_keys;

-- 10. the wall: per test counts and nets, rank
SELECT full_name, student_no, tests, net, rank FROM sc.result_list(pg_temp.id('exam')) ORDER BY rank, full_name LIMIT 3;
-- the same for a spreadsheet, a line at a time
SELECT to_json(x.line) FROM sc_api.exam_result_list_csv(pg_temp.id('teacher'), pg_temp.id('exam')) WITH ORDINALITY AS x(line, n) WHERE x.n <= 4 ORDER BY x.n;
SELECT (SELECT count(*) - 1 FROM sc_api.exam_result_list_csv(pg_temp.id('teacher'), pg_temp.id('exam'))) = (SELECT count(*) FROM sc.result_list(pg_temp.id('exam'))) AS all_lines;
ROLLBACK;

-- 11. paper
BEGIN;
INSERT INTO sc.users (id, email, full_name, role_id) VALUES (-1, 'paper.one@example.test', 'Çağlar', 1), (-2, 'paper.two@example.test', 'Iğdır', 1);
INSERT INTO sc.students (user_id, student_no) VALUES (-1, 'P1'), (-2, 'P2');
INSERT INTO sc.exams (id, title, kind, exam_type) VALUES (-1, 'Kağıt', 'paper', 'TYT'), (-2, 'Puan', 'paper', 'quiz');
INSERT INTO sc.exam_sections (id, exam_id, order_index, title, test, question_count, wrongs_per_right, alternative_group) VALUES
    (-1, -1, 1, 'Türkçe', 'Türkçe', 4, 4, NULL), (-2, -1, 2, 'Din', 'Sosyal', 2, 4, 'd'), (-3, -1, 3, 'Ek Felsefe', 'Sosyal', 2, 4, 'd');
-- a list with semicolons, Turkish headings of any case, an empty cell; the second student answered the other alternative
SELECT * FROM sc.import_results(-1, E'\uFEFFstudent_no;TÜRKÇE D;Türkçe Y;din d;din y;Ek Felsefe D;Ek Felsefe Y\r\nP1;3;1;2;;;\r\nP2;0;4;;;1;1\r\n');
SELECT u.full_name, r.correct, r.wrong, r.blank, r.net, r.sort_key,
       (SELECT string_agg(x.section_id || ':' || x.correct || '/' || x.wrong || '/' || x.blank, ' ' ORDER BY x.section_id DESC) FROM sc.result_sections AS x WHERE x.result_id = r.id)
FROM sc.exam_results AS r JOIN sc.users AS u ON u.id = r.user_id WHERE r.exam_id = -1 ORDER BY u.id DESC;
-- every fault with its line; nothing is counted as imported
SELECT imported, jsonb_pretty(errors) FROM sc.import_results(-1, E'student_no,Türkçe D,Türkçe Y\nP1,4,1\nP9,1,1\nP2,x,1\nP1,1,1\n,1,1\n');
SELECT errors FROM sc.import_results(-1, E'ad,soyad\nA,B\n');
-- headings: one of a pair missing, a misspelt section; totals and headings in capitals do no harm
SELECT errors FROM sc.import_results(-1, E'student_no;Türkçe D;Din D;Din Y;Turkçe Y;Toplam D\nP1;1;1;1;1;2\n');
SELECT lines, imported, errors FROM sc.import_results(-1, E'ÖĞRENCİ NO;TÜRKÇE D;TÜRKÇE Y;DİN  D;DIN Y;Toplam D;Sosyal D\nP1;3;1;;;3;0\n');
-- the day comes first, as Turkish spreadsheets write it; nobody has sat it tomorrow; a line without numbers is of somebody absent
SELECT lines, imported, errors FROM sc.import_results(-1, E'EMAIL;Türkçe D;Türkçe Y;Tarih\npaper.one@example.test;3;;05.11.2025\nPAPER.TWO@example.test;;;05.11.2025 09:30\n');
SELECT u.full_name, r.submitted_at AT TIME ZONE 'Europe/Istanbul' = '2025-11-05' AS that_day, r.correct, r.wrong, r.blank FROM sc.exam_results AS r JOIN sc.users AS u ON u.id = r.user_id WHERE r.exam_id = -1 ORDER BY u.id DESC;
SELECT errors FROM sc.import_results(-1, E'student_no;Türkçe D;Türkçe Y;submitted_at\nP1;1;1;31.02.2025\nP2;1;1;infinity\nP1;1,5;1;01.01.2999\n');
SELECT sc.sat_on('24.11.2025 09:30') AT TIME ZONE 'UTC', sc.sat_on('2025-11-24') AT TIME ZONE 'UTC', sc.sat_on('tomorrow') IS NULL AS refused;
-- only of those whom the teacher may name
SELECT lines, imported, errors FROM sc.import_results(-1, E'student_no;Türkçe D;Türkçe Y\nP1;1;1\nP2;1;1\n', examinees => '{-2}');
-- bare scores, decimal comma, by e-mail, blank score = absent
SELECT lines, imported, errors FROM sc.import_results(-2, E'email;score\npaper.one@example.test;72,5\nPaper.Two@example.test;\n');
SELECT net, points, max_points, percent FROM sc.exam_results WHERE exam_id = -2;
-- optical: keys only, booklet B is A turned round; ' ' blank, * two marks
SELECT lines, imported, errors FROM sc.import_optical(-1, E'P1        AABCD AB\nP2        BBADCBA*\n', '1-10', '11', '12-19',
    '{"A": "ABCDABAB"}', '{"B": [8, 7, 6, 5, 4, 3, 2, 1]}');
SELECT u.full_name, r.booklet, r.correct, r.wrong, r.blank, r.net FROM sc.exam_results AS r JOIN sc.users AS u ON u.id = r.user_id WHERE r.exam_id = -1 ORDER BY u.id DESC;
-- without a column for the booklet all forms are A; a byte order mark shifts nothing; a strange student
SELECT lines, imported, errors FROM sc.import_optical(-1, E'\uFEFFP1        ABCDABAB\nP2        ABCD\n', '1-10', NULL, '11-18', '{"A": "ABCDABAB"}', examinees => '{-1}');
SELECT correct, wrong, blank FROM sc.exam_results WHERE exam_id = -1 AND user_id = -1;
SELECT errors FROM sc.import_optical(-1, E'P1        CABCDABAB\nP7        AABCDABAB\n', '1-10', '11', '12-19', '{"A": "ABCDABAB"}');
SELECT sc.booklet_places(3, '{"B": [1, 1, 2]}', 'B') IS NULL AS refused, (sc.column_range('5-3')).first IS NULL AS refused, sc.column_range('12-20');
ROLLBACK;

-- 12. keys: common multiples, ratios that have none, nonsense
SELECT sc.key_multiple('{4, 4}'), sc.key_multiple('{4, 3}'), sc.key_multiple('{NULL}'), sc.key_multiple('{2.5, NULL}'), sc.key_multiple('{}');
SELECT sc.sort_key('{30, 10}', '{9, 0}', '{4, 3}');
SELECT sc.sort_key('{1}', '{1, 2}', '{4}');
SELECT sc.key_multiple('{999.999, 999.998}');
SELECT sc.key_multiple('{-1}');
SELECT sc.key_multiple('{NaN}');
SELECT sc.score_attempt(0);

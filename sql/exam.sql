-- An exam from draft to review, over dispatch: assembly, publishing, audience,
-- the exam day, overrides, review.
BEGIN;
SET LOCAL timezone = 'UTC';
INSERT INTO sc.users (id, email, full_name, role_id) VALUES
    (910001, 'ada@exam.test', 'Ada Işık', 1), (910002, 'bora@exam.test', 'Bora Çelik', 1),
    (910003, 'can@exam.test', 'Can Şen', 1), (910004, 'deniz@exam.test', 'Deniz Ağa', 1),
    (910010, 'ogretmen@exam.test', 'Öğretmen', 3), (910011, 'baska@exam.test', 'Başka Öğretmen', 3),
    (910012, 'koc@exam.test', 'Koç', 4), (910013, 'yonetici@exam.test', 'Yönetici', 5);
INSERT INTO sc.seasons (id, name, starts_on, ends_on) VALUES (910001, 'exam test', '2026-09-01', '2027-08-31');
INSERT INTO sc.groups (id, season_id, name) VALUES (910001, 910001, '12-A'), (910002, 910001, '12-B');
INSERT INTO sc.group_members (group_id, student_id, valid_from) VALUES
    (910001, 910001, '2020-01-01'), (910001, 910002, '2020-01-01'), (910002, 910002, '2020-01-01');
INSERT INTO sc.coach_students (coach_id, student_id, valid_from) VALUES (910012, 910002, '2020-01-01');
INSERT INTO sc.questions (id, tags) SELECT 910000 + n, CASE WHEN n > 4 THEN '{exam-test}'::text[] ELSE '{}' END FROM generate_series(1, 9) AS n;
INSERT INTO sc.question_versions (id, question_id, version, type, prompt, options, key, explanation)
SELECT 910000 + n, 910000 + n, 1, 'single', 'Soru ' || n,
       '[{"id":"a","text":"bir"},{"id":"b","text":"iki"},{"id":"c","text":"üç"},{"id":"d","text":"dört"},{"id":"e","text":"beş"}]',
       CASE WHEN n = 4 THEN '{}'::jsonb ELSE '{"correct": "b"}' END, 'Çünkü.'
FROM generate_series(1, 9) AS n;

-- one call: status, and of the answer what is named
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
        RETURN concat_ws(' ', r.status, j ->> 'code', (SELECT jsonb_agg(concat_ws(' ', e ->> 'field', e ->> 'code', e ->> 'message')) FROM jsonb_array_elements(j -> 'errors') AS e));
    END IF;
    RETURN concat_ws(' ', r.status, (SELECT string_agg(w || '=' || coalesce((j #> string_to_array(w, '.'))::text, '?'), ' ' ORDER BY o)
                                     FROM unnest(want) WITH ORDINALITY AS u(w, o)));
END
$$;
CREATE FUNCTION pg_temp.exam(t text) RETURNS text LANGUAGE sql AS 'SELECT max(id)::text FROM sc.exams WHERE title = t';

-- 1. presets: sections add up to what is published
SELECT p.code, (p.definition ->> 'time_limit')::int / 60 AS minutes, p.definition ->> 'wrongs_per_right' AS k,
       (SELECT string_agg(t.test || ' ' || t.n, ', ' ORDER BY t.place)
        FROM (SELECT s.value ->> 'test' AS test, min(s.ordinality) AS place,
                     sum((s.value ->> 'questions')::int) FILTER (WHERE s.value ->> 'title' NOT LIKE '%(ek)') AS n
              FROM jsonb_array_elements(p.definition -> 'sections') WITH ORDINALITY AS s GROUP BY 1) AS t) AS tests
FROM sc.exam_presets AS p WHERE p.code IN ('TYT', 'AYT', 'YDT', 'LGS') ORDER BY p.code COLLATE "C";

-- 2. who may make exams
SELECT pg_temp.call(901, 910001, '{}', '{"title": "x"}') AS student, pg_temp.call(901, NULL, '{}', '{"title": "x"}') AS nobody,
       pg_temp.call(901, 910012, '{}', '{"title": "x"}') AS coach;
SELECT pg_temp.call(901, 910010, '{}', '{"title": "Deneme TYT", "preset": "tyt"}', 'exam_type', 'time_limit', 'wrongs_per_right', 'question_count', 'is_published');
-- a preset shows nothing before the close; nobody may ask for the key while the exam is written
SELECT pg_temp.call(901, 910010, '{}', '{"title": "Sıkı", "preset": "LGS"}', 'review_policy.after', 'review_policy.open') AS strict,
       pg_temp.call(901, 910010, '{}', '{"title": "Gevşek", "preset": "LGS", "review_policy": {"after": ["marks"]}}', 'review_policy') AS own_policy,
       pg_temp.call(901, 910010, '{}', '{"title": "x", "review_policy": {"during": ["answer", "key"]}, "grace_seconds": 2147483647, "time_limit": 2147483647, "wrongs_per_right": 101}') AS nonsense;
SELECT pg_temp.call(901, 910010, '{}', '{"title": " ", "preset": "XYZ", "course_id": 4242, "time_limit": 0, "opens_at": "2030-01-02T00:00:00Z", "closes_at": "2030-01-01T00:00:00Z", "kind": "oral", "slack_seconds": 601, "review_policy": {"later": ["key"]}}');
SELECT pg_temp.call(901, 910010, '{}', '{"title": "Deneme 1", "time_limit": 3600, "wrongs_per_right": 4, "review_policy": {"during": [], "after": ["marks"], "open": ["marks"], "closed": ["answer", "correctness", "marks", "key", "explanation", "rank"]}, "max_attempts": 1, "shuffle_options": true, "opens_at": "2020-01-01T00:00:00Z", "closes_at": "2090-01-01T00:00:00Z"}', 'time_limit', 'max_attempts', 'slack_seconds', 'sections', 'has_password');

-- 3. publishing names what is missing
SELECT pg_temp.call(906, 910010, ARRAY[pg_temp.exam('Deneme 1')]);
SELECT pg_temp.call(911, 910010, ARRAY[pg_temp.exam('Deneme 1')], '{"title": "Matematik", "question_count": 3}', 'order_index', 'test', 'wrongs_per_right');
SELECT pg_temp.call(911, 910010, ARRAY[pg_temp.exam('Deneme 1')], '{"title": "Çekiliş", "question_count": 9, "draw": {"tags": ["exam-test"]}, "wrongs_per_right": null}', 'order_index', 'draw', 'wrongs_per_right');
SELECT pg_temp.call(911, 910010, ARRAY[pg_temp.exam('Deneme 1')], '{"title": "Din", "question_count": 1, "alternative_group": "din", "draw": {"colour": "red"}}');
SELECT id AS m FROM sc.exam_sections WHERE exam_id = pg_temp.exam('Deneme 1')::bigint AND order_index = 1 \gset
SELECT id AS c FROM sc.exam_sections WHERE exam_id = pg_temp.exam('Deneme 1')::bigint AND order_index = 2 \gset
SELECT pg_temp.call(915, 910010, ARRAY[pg_temp.exam('Deneme 1')], '{"question_id": 910001}');
SELECT pg_temp.call(915, 910010, ARRAY[pg_temp.exam('Deneme 1')], '{"section_id": ' || :m || ', "question_ids": [910001, 910002, 910004]}', 'items.0.question_id', 'items.2.order_index');
SELECT pg_temp.call(915, 910010, ARRAY[pg_temp.exam('Deneme 1')], '{"section_id": ' || :m || ', "question_ids": [910002]}'),
       pg_temp.call(915, 910010, ARRAY[pg_temp.exam('Deneme 1')], '{"section_id": ' || :m || ', "question_ids": [42424242]}'),
       pg_temp.call(915, 910010, ARRAY[pg_temp.exam('Deneme 1')], '{"section_id": ' || :c || ', "question_ids": [910003]}');
SELECT pg_temp.call(906, 910010, ARRAY[pg_temp.exam('Deneme 1')]);
-- mended: the keyless question out, another in and moved to the front, a draw that can be met
SELECT pg_temp.call(917, 910010, ARRAY[pg_temp.exam('Deneme 1'), '910004']) AS out,
       pg_temp.call(915, 910010, ARRAY[pg_temp.exam('Deneme 1')], '{"section_id": ' || :m || ', "question_id": 910003}', 'items.0.order_index') AS "in",
       pg_temp.call(916, 910010, ARRAY[pg_temp.exam('Deneme 1'), '910003'], '{"order_index": 1, "points": 2.5}', 'order_index', 'points') AS moved,
       pg_temp.call(912, 910010, ARRAY[pg_temp.exam('Deneme 1'), :'c'], '{"question_count": 2}', 'question_count') AS met;
SELECT q.question_id, q.order_index FROM sc.exam_questions AS q WHERE q.section_id = :m ORDER BY q.order_index;
-- a teacher names own classes and students, no strangers and no colleagues; the office names whom it wants
SELECT pg_temp.call(919, 910010, ARRAY[pg_temp.exam('Deneme 1')], '{"group_ids": [910001], "user_ids": [910003]}') AS strangers,
       pg_temp.call(919, 910013, ARRAY[pg_temp.exam('Deneme 1')], '{"user_ids": [910011]}') AS no_student;
SELECT pg_temp.call(919, 910013, ARRAY[pg_temp.exam('Deneme 1')], '{"group_ids": [910001], "user_ids": [910003]}', 'students', 'everyone'),
       -- whom the office has named, the teacher may name again
       pg_temp.call(919, 910010, ARRAY[pg_temp.exam('Deneme 1')], '{"group_ids": [910001], "user_ids": [910003]}', 'students') AS again,
       pg_temp.call(919, 910010, ARRAY[pg_temp.exam('Deneme 1')], '{"group_ids": [4242], "user_ids": [4242]}');
-- another teacher, a student, the admin
SELECT pg_temp.call(906, 910011, ARRAY[pg_temp.exam('Deneme 1')]) AS other, pg_temp.call(906, 910001, ARRAY[pg_temp.exam('Deneme 1')]) AS student,
       pg_temp.call(902, 910001, ARRAY[pg_temp.exam('Deneme 1')]) AS draft_for_student, pg_temp.call(902, 910013, ARRAY[pg_temp.exam('Deneme 1')], NULL, 'title') AS admin,
       pg_temp.call(906, 910010, '{4242424242}') AS nowhere;
SELECT pg_temp.call(906, 910010, ARRAY[pg_temp.exam('Deneme 1')], NULL, 'is_published', 'question_count', 'sections.1.questions_present') AS published,
       pg_temp.call(906, 910010, ARRAY[pg_temp.exam('Deneme 1')], NULL, 'is_published') AS again,
       pg_temp.call(911, 910010, ARRAY[pg_temp.exam('Deneme 1')], '{"title": "Geç"}') AS too_late;
SELECT pg_temp.call(902, 910001, ARRAY[pg_temp.exam('Deneme 1')], NULL, 'title', 'sections.1.question_count', 'sections.1.draw') AS student, pg_temp.call(902, 910004, ARRAY[pg_temp.exam('Deneme 1')]) AS stranger;

-- 4. start over dispatch: 201, then 200; nobody else
SELECT pg_temp.call(1000, 910001, ARRAY[pg_temp.exam('Deneme 1')], '{"with_token": true}', 'state', 'question_count', 'time_limit', 'attempt_no') AS first,
       pg_temp.call(1000, 910001, ARRAY[pg_temp.exam('Deneme 1')], '{}', 'state', 'token') AS second,
       pg_temp.call(1000, 910004, ARRAY[pg_temp.exam('Deneme 1')], '{}') AS stranger,
       pg_temp.call(1000, NULL, ARRAY[pg_temp.exam('Deneme 1')], '{}') AS nobody;
SELECT id AS a FROM sc.exam_attempts WHERE user_id = 910001 \gset
-- two of five drawn, by the seed alone
SELECT cardinality(a.question_ids) AS n, a.question_ids[1:3] AS fixed, a.question_ids[4:5] <@ '{910005,910006,910007,910008,910009}'::bigint[] AS drawn,
       a.question_ids[4] <> a.question_ids[5] AS different
FROM sc.exam_attempts AS a WHERE a.id = :a;
-- shuffled options go by their place
SELECT bool_and((SELECT string_agg(o ->> 'id', '') FROM jsonb_array_elements(q.options) AS o) = 'abcde') AS by_place,
       bool_and((SELECT string_agg(o ->> 'text', ',' ORDER BY o ->> 'text') FROM jsonb_array_elements(q.options) AS o) = 'beş,bir,dört,iki,üç') AS complete
FROM unnest(sc.attempt_questions(:a)) AS q;
SELECT pg_temp.call(1001, 910001, ARRAY[:'a'], NULL, 'state', 'accepts_answers', 'answered_count', 'result') AS own,
       pg_temp.call(1001, 910002, ARRAY[:'a']) AS stranger, pg_temp.call(1001, 910011, ARRAY[:'a']) AS other_teacher,
       pg_temp.call(1001, 910010, ARRAY[:'a'], NULL, 'state', 'questions') AS teacher, pg_temp.call(1001, 910012, ARRAY[:'a']) AS coach;
SELECT pg_temp.call(1002, 910001, ARRAY[:'a'], NULL, 'state', 'announcement_ids', 'accepts_answers') AS own, pg_temp.call(1002, 910010, ARRAY[:'a']) AS teacher;
-- the student marks, everywhere, the option that reads "iki"
SELECT pg_temp.call(1003, 910001, ARRAY[:'a', q.question_id::text],
                    jsonb_build_object('seq', 1, 'answer', (SELECT o ->> 'id' FROM jsonb_array_elements(q.options) AS o WHERE o ->> 'text' = 'iki'))::text,
                    'seq', 'stale') AS saved
FROM unnest(sc.attempt_questions(:a)) AS q WHERE q.number <= 3;
SELECT DISTINCT s.answer AS stored FROM sc.attempt_answers AS s WHERE s.attempt_id = :a;
SELECT pg_temp.call(1003, 910001, ARRAY[:'a', '910001'], '{"answer": "a"}') AS no_seq, pg_temp.call(1003, 910001, ARRAY[:'a', '910001'], '{"seq": 2}') AS no_answer,
       pg_temp.call(1003, 910001, ARRAY[:'a', '910001'], '{"seq": 2, "answer": "z"}') AS no_option, pg_temp.call(1003, 910002, ARRAY[:'a', '910001'], '{"seq": 2, "answer": "a"}') AS stranger,
       pg_temp.call(1003, 910001, ARRAY[:'a', '910004'], '{"seq": 2, "answer": "a"}') AS no_question;
-- a cleared answer is a blank one
SELECT pg_temp.call(1003, 910001, ARRAY[:'a', '910001'], '{"seq": 2, "answer": null}', 'seq', 'answer', 'stale'),
       pg_temp.call(1001, 910001, ARRAY[:'a'], NULL, 'answered_count');

-- 5. the board
SELECT pg_temp.call(950, 910010, ARRAY[pg_temp.exam('Deneme 1')], NULL, 'students', 'not_started', 'writing', 'done', 'absent', 'total', 'items.0.full_name', 'items.0.answered', 'items.0.questions') AS teacher;
SELECT pg_temp.call(950, 910010, ARRAY[pg_temp.exam('Deneme 1')], '?status=not_started&per_page=1&page=2', 'total', 'items.0.full_name') AS page_2,
       pg_temp.call(950, 910010, ARRAY[pg_temp.exam('Deneme 1')], '?status=asleep') AS bad,
       pg_temp.call(950, 910010, ARRAY[pg_temp.exam('Deneme 1')], '?page=0&per_page=101') AS no_page, pg_temp.call(950, 910001, ARRAY[pg_temp.exam('Deneme 1')]) AS student,
       pg_temp.call(950, 910012, ARRAY[pg_temp.exam('Deneme 1')], NULL, 'students', 'items.0.full_name') AS coach;

-- 6. time: an override of the class, one of the student, an outage; all reach the running attempt
CREATE FUNCTION pg_temp.minutes(a bigint) RETURNS int LANGUAGE sql AS
    'SELECT (extract(epoch FROM deadline_at - started_at) / 60)::int FROM sc.exam_attempts WHERE id = a';
SELECT pg_temp.minutes(:a) AS at_first;
SELECT pg_temp.call(961, 910010, ARRAY[pg_temp.exam('Deneme 1')], '{"group_id": 910001, "extra_seconds": 600, "reason": "Rapor"}', 'extra_seconds'), pg_temp.minutes(:a) AS plus_10;
SELECT pg_temp.minutes(:a) AS plus_10;
SELECT pg_temp.call(961, 910010, ARRAY[pg_temp.exam('Deneme 1')], '{"user_id": 910001, "time_limit": 7200, "reason": "Rapor"}', 'time_limit');
SELECT pg_temp.minutes(:a) AS own_limit_class_extra;
SELECT pg_temp.call(961, 910010, ARRAY[pg_temp.exam('Deneme 1')], '{"user_id": 910001, "time_limit": 60, "reason": "Rapor"}') AS twice,
       pg_temp.call(961, 910010, ARRAY[pg_temp.exam('Deneme 1')], '{"reason": "x"}') AS empty,
       pg_temp.call(961, 910010, ARRAY[pg_temp.exam('Deneme 1')], '{"user_id": 910001, "group_id": 910001, "time_limit": -1, "reason": ""}') AS nonsense;
SELECT pg_temp.call(951, 910010, ARRAY[pg_temp.exam('Deneme 1')], '{"user_ids": [910001], "seconds": 300, "reason": "Kesinti"}', 'students');
SELECT pg_temp.minutes(:a) AS plus_5;
SELECT pg_temp.call(951, 910010, ARRAY[pg_temp.exam('Deneme 1')], '{"all": true, "seconds": 60, "reason": "Kesinti"}', 'students');
SELECT pg_temp.minutes(:a) AS plus_1;
SELECT e.closes_at FROM sc.exams AS e WHERE e.title = 'Deneme 1';
SELECT pg_temp.call(951, 910010, ARRAY[pg_temp.exam('Deneme 1')], '{"seconds": 60, "reason": "Kesinti"}') AS whom,
       pg_temp.call(951, 910010, ARRAY[pg_temp.exam('Deneme 1')], '{"user_ids": [910004], "seconds": 0, "reason": " "}') AS nonsense,
       pg_temp.call(951, 910010, ARRAY[pg_temp.exam('Deneme 1')], '{"user_ids": [910004], "seconds": 60, "reason": "x"}') AS stranger;
SELECT id AS o FROM sc.exam_overrides WHERE user_id = 910001 \gset
SELECT pg_temp.call(962, 910010, ARRAY[pg_temp.exam('Deneme 1'), :'o'], '{"time_limit": 0}', 'time_limit');
SELECT a.deadline_at = (SELECT o.closes_at FROM sc.exam_overrides AS o WHERE o.id = :o) AS no_limit_but_the_close FROM sc.exam_attempts AS a WHERE a.id = :a;
SELECT pg_temp.call(963, 910010, ARRAY[pg_temp.exam('Deneme 1'), :'o']);
SELECT pg_temp.minutes(:a) AS class_and_outage;
-- out of the class: the extra time goes too
UPDATE sc.group_members SET valid_to = '2020-01-02' WHERE student_id = 910001;
SELECT pg_temp.minutes(:a) AS outage_only;
UPDATE sc.group_members SET valid_to = NULL WHERE student_id = 910001;
-- in two classes: the better of each field, 0 beats all
INSERT INTO sc.exam_overrides (exam_id, group_id, opens_at, closes_at, max_attempts, time_limit, reason)
SELECT pg_temp.exam('Deneme 1')::bigint, 910002, '2019-01-01', '2080-01-01', 0, 1800, 'test';
UPDATE sc.exam_overrides SET opens_at = '2019-06-01', closes_at = '2085-01-01', max_attempts = 3, time_limit = 2400 WHERE group_id = 910001;
SELECT w.opens_at, w.closes_at, w.time_limit, w.max_attempts FROM sc.exam_window(pg_temp.exam('Deneme 1')::bigint, 910002) AS w;
DELETE FROM sc.exam_overrides WHERE exam_id = pg_temp.exam('Deneme 1')::bigint;

-- 7. an announcement reaches the clock
SELECT pg_temp.call(953, 910010, ARRAY[pg_temp.exam('Deneme 1')], '{"text": "5. soruda şekil yok"}', 'body') AS said,
       pg_temp.call(953, 910001, ARRAY[pg_temp.exam('Deneme 1')], '{"text": "x"}') AS student;
SELECT jsonb_array_length((SELECT d.body FROM sc_api.dispatch(1002, 910001, NULL, 0, ARRAY[:'a'], NULL, NULL, '{}') AS d)::jsonb -> 'announcement_ids') AS announced;

-- 8. hand-in: the result in the answer, no key before the close
SELECT pg_temp.call(1007, 910001, ARRAY[:'a']) AS review_while_writing;
SELECT pg_temp.call(1006, 910001, ARRAY[:'a'], '{"answers": []}', 'state', 'accepts_answers', 'result.correct', 'result.wrong', 'result.blank', 'questions') AS handed_in,
       pg_temp.call(1006, 910001, ARRAY[:'a'], '{}', 'state', 'result.correct') AS again;
SELECT pg_temp.call(1007, 910001, ARRAY[:'a'], NULL, 'phase', 'shows', 'result.net', 'items') AS after_it;
SELECT pg_temp.call(1007, 910010, ARRAY[:'a'], NULL, 'items.1.outcome', 'items.1.explanation', 'result.correct') AS teacher, pg_temp.call(1007, 910004, ARRAY[:'a']) AS stranger;
-- the key of the review is in the ids that were shown
SELECT bool_and((i -> 'key' ->> 'correct') = (SELECT o ->> 'id' FROM jsonb_array_elements(i -> 'options') AS o WHERE o ->> 'text' = 'iki')) AS keys_fit
FROM (SELECT d.body::jsonb AS b FROM sc_api.dispatch(1007, 910010, NULL, 0, ARRAY[:'a'], NULL, NULL, '{}') AS d) AS r, jsonb_array_elements(r.b -> 'items') AS i;
SELECT sc.review_phase(x.exam_id, x.id, x.finished_at + interval '119 seconds'), sc.review_phase(x.exam_id, x.id, x.finished_at + interval '120 seconds'),
       sc.review_phase(x.exam_id, x.id, '2090-01-01 00:01:30Z') AS in_the_slack, sc.review_phase(x.exam_id, x.id, '2090-01-01 00:01:31Z') AS over,
       sc.review_allows(x.exam_id, x.id, 'key', '2089-12-31Z') AS key_before, sc.review_allows(x.exam_id, x.id, 'key', '2091-01-01Z') AS key_after
FROM sc.exam_attempts AS x WHERE x.id = :a;
-- a coach is not the staff of the exam: answers and marks, not the key, until it is closed
INSERT INTO sc.coach_students (coach_id, student_id, valid_from) VALUES (910012, 910001, '2020-01-01');
SELECT pg_temp.call(1007, 910012, ARRAY[:'a'], NULL, 'shows', 'items.0.key', 'items.0.explanation', 'items.0.outcome', 'result.correct') AS coach;
-- the copy of one's data tells no more than the review
SELECT x.p ? 'net' AS net, x.p ? 'item_outcomes' AS right_or_wrong
FROM sc.exam_results AS r, LATERAL (SELECT sc.released_part(to_jsonb(r)) AS p) AS x WHERE r.attempt_id = :a;
UPDATE sc.exams SET review_policy = '{"closed": ["marks", "correctness"]}' WHERE id = pg_temp.exam('Deneme 1')::bigint;
SELECT d.body::jsonb #> '{records,exam_results,0}' ? 'submitted_at' AS there, d.body ~ '"(net|item_outcomes|item_points|points|rank_key|scores)"' AS told
FROM sc_api.dispatch(210, 910001, gen_random_uuid(), sc.epoch_ms(clock_timestamp()) + 60000, '{}', NULL, NULL, '{"lang": "en"}') AS d;
UPDATE sc.exams SET review_policy = '{"after": ["marks"], "open": ["marks"], "closed": ["answer", "correctness", "marks", "key", "explanation", "rank"]}' WHERE id = pg_temp.exam('Deneme 1')::bigint;
-- a new key must be one that the question can be graded by, and is refused by name
SELECT pg_temp.call(1107, 910010, ARRAY[pg_temp.exam('Deneme 1')], '{"policy": "rekey", "reason": "x", "question_ids": [910001, 910002], "keys": {"910001": {"correct": "f"}, "910002": 5}}') AS bad_keys,
       pg_temp.call(1107, 910010, ARRAY[pg_temp.exam('Deneme 1')], '{"policy": "rekey", "reason": "x", "question_ids": [910001], "keys": {"910001": {"correct": "c"}}, "dry_run": true}', 'state') AS good_key;
-- somebody may still write later: closed for nobody
INSERT INTO sc.exam_overrides (exam_id, user_id, closes_at, reason) SELECT x.exam_id, 910003, '2095-01-01', 'test' FROM sc.exam_attempts AS x WHERE x.id = :a;
SELECT sc.review_phase(x.exam_id, x.id, '2091-01-01Z') FROM sc.exam_attempts AS x WHERE x.id = :a;
SELECT pg_temp.call(1000, 910001, ARRAY[pg_temp.exam('Deneme 1')], '{}') AS no_second;

-- 9. reopened by the teacher, with time; forced in
SELECT pg_temp.call(1009, 910001, ARRAY[:'a'], '{"reason": "x"}') AS student,
       pg_temp.call(1009, 910010, ARRAY[:'a'], '{"reason": ""}') AS why,
       pg_temp.call(1009, 910010, ARRAY[:'a'], '{"reason": "Elektrik kesildi", "seconds": 7200}', 'state', 'accepts_answers', 'finished_at') AS reopened,
       pg_temp.call(1009, 910010, ARRAY[:'a'], '{"reason": "x"}') AS again;
SELECT extract(epoch FROM a.deadline_at - clock_timestamp()) BETWEEN 7190 AND 7202 AS two_hours FROM sc.exam_attempts AS a WHERE a.id = :a;
SELECT pg_temp.call(1007, 910012, ARRAY[:'a']) AS coach_while_writing;
DELETE FROM sc.coach_students WHERE student_id = 910001;
SELECT pg_temp.call(1003, 910001, ARRAY[:'a', '910001'], '{"seq": 3, "answer": "a"}', 'seq');
SELECT pg_temp.call(1008, 910010, ARRAY[:'a'], '{"reason": "Süre bitti"}', 'state', 'finish_reason');
SELECT pg_temp.call(1003, 910001, ARRAY[:'a', '910001'], '{"seq": 4, "answer": "a"}') AS closed;
SELECT x.action FROM sc.exam_audit AS x WHERE x.exam_id = pg_temp.exam('Deneme 1')::bigint ORDER BY x.id;

-- 10. unpublish, patch and delete
SELECT pg_temp.call(907, 910010, ARRAY[pg_temp.exam('Deneme 1')]) AS begun,
       pg_temp.call(903, 910010, ARRAY[pg_temp.exam('Deneme 1')], '{"shuffle_options": false}') AS no_change,
       pg_temp.call(903, 910011, ARRAY[pg_temp.exam('Deneme 1')], '{"title": "x"}') AS other,
       pg_temp.call(903, 910010, ARRAY[pg_temp.exam('Deneme 1')], '{"title": "Deneme Bir", "closes_at": null, "pass_mark": 50}', 'title', 'closes_at', 'pass_mark') AS changed;
SELECT pg_temp.call(905, 910010, ARRAY[pg_temp.exam('Deneme Bir')], '{"title": "Kopya"}', 'title', 'is_published', 'sections.0.questions_present', 'question_count', 'pass_mark');
SELECT pg_temp.call(904, 910010, ARRAY[pg_temp.exam('Kopya')]) AS gone, pg_temp.call(902, 910010, ARRAY[pg_temp.exam('Kopya')]) AS not_there;

-- 11. a password; a wrong one leaves a trace
SELECT pg_temp.call(903, 910010, ARRAY[pg_temp.exam('Deneme Bir')], '{"password": "gizli"}', 'has_password');
SELECT pg_temp.call(1000, 910002, ARRAY[pg_temp.exam('Deneme Bir')], '{}') AS none, pg_temp.call(1000, 910002, ARRAY[pg_temp.exam('Deneme Bir')], '{"password": "Gizli"}') AS wrong,
       pg_temp.call(1000, 910002, ARRAY[pg_temp.exam('Deneme Bir')], '{"password": "gizli"}', 'state') AS "right",
       pg_temp.call(1000, 910003, ARRAY[pg_temp.exam('Deneme Bir')], '{"password": "gizli"}', 'state') AS right_again,
       pg_temp.call(1000, 910001, ARRAY[pg_temp.exam('Deneme Bir')], '{"password": "gizli2"}') AS used_up;
SELECT count(*) FROM sc.exam_audit AS x WHERE x.action = 'wrong_password' AND x.exam_id = pg_temp.exam('Deneme Bir')::bigint;

-- 12. a token stands in for the log-in until an hour after the end
SELECT d.body::jsonb ->> 'token' AS token FROM sc_api.dispatch(1000, 910002, NULL, 0, ARRAY[pg_temp.exam('Deneme Bir')], NULL, '{"with_token": true}', '{}') AS d \gset
SELECT id AS b FROM sc.exam_attempts WHERE user_id = 910002 \gset
SELECT sc.attempt_actor(:'token', :b) AS actor, sc.attempt_actor('x', :b) AS nobody, sc.attempt_actor(:'token', :a) AS of_another;
SELECT d.status FROM sc_api.dispatch(1002, NULL, NULL, 0, ARRAY[(SELECT x.id::text FROM sc.exam_attempts AS x WHERE x.user_id = 910002)], NULL, NULL, jsonb_build_object('attempt_token', :'token')::text) AS d;
-- for its own attempt only: another of the same student, of somebody else, none at all
INSERT INTO sc.exam_attempts (id, exam_id, user_id, attempt_no, state, seed, question_ids, version_ids, section_ids, started_at, finished_at)
SELECT 910099, a.exam_id, a.user_id, 9, 'graded', 1, a.question_ids, a.version_ids, a.section_ids, '2025-01-01', '2025-01-02' FROM sc.exam_attempts AS a WHERE a.id = :b;
SELECT x.n, d.status, d.body::jsonb ->> 'code' AS code
FROM unnest(ARRAY['910099', :'a', '0', 'x']) WITH ORDINALITY AS x(attempt, n),
     sc_api.dispatch(1001, NULL, NULL, 0, ARRAY[x.attempt], NULL, NULL, jsonb_build_object('attempt_token', :'token')::text) AS d
ORDER BY x.n;
DELETE FROM sc.exam_attempts WHERE id = 910099;
-- the answer that an Idempotency-Key keeps does not hold it
SELECT d.body::jsonb ->> 'token' AS second FROM sc_api.dispatch(1000, 910002, NULL, 0, ARRAY[pg_temp.exam('Deneme Bir')], NULL, '{"with_token": true}', '{"idempotency_key": "ex-1"}') AS d \gset
SELECT :'second' <> :'token' AS another, sc.attempt_actor(:'second', :b) AS good, sc.attempt_actor(:'token', :b) AS replaced,
       (SELECT strpos(k.body, :'second') FROM sc.idempotency_keys AS k WHERE k.key = 'ex-1') AS kept,
       d.status, d.headers ->> 'Idempotency-Replayed' AS replayed, d.body::jsonb -> 'token' AS token, d.body::jsonb ->> 'state' AS state
FROM sc_api.dispatch(1000, 910002, NULL, 0, ARRAY[pg_temp.exam('Deneme Bir')], NULL, '{"with_token": true}', '{"idempotency_key": "ex-1"}') AS d;
UPDATE sc.exam_attempts SET state = 'submitted', finished_at = clock_timestamp() - interval '61 minutes' WHERE user_id = 910002;
SELECT sc.attempt_actor(:'second', :b) AS actor;

-- 13. lists
SELECT pg_temp.call(909, 910001, '{}', NULL, 'total', 'items.0.title', 'items.0.reason', 'items.0.attempt_state') AS mine,
       pg_temp.call(909, 910004, '{}', NULL, 'total') AS nobodys, pg_temp.call(909, 910001, '{}', '?status=open', 'total') AS open;
SELECT pg_temp.call(900, 910010, '{}', NULL, 'total') AS author, pg_temp.call(900, 910010, '{}', '?status=draft', 'total') AS drafts,
       pg_temp.call(900, 910010, '{}', '?q=DENEME%20B%C4%B0R', 'total') AS turkish, pg_temp.call(900, 910011, '{}', NULL, 'total') AS other_teacher,
       pg_temp.call(900, 910001, '{}', NULL, 'total') AS student, pg_temp.call(900, 910001, '{}', '?status=x') AS bad;

-- 14. an exam of a course, without a list: the enrolled; open to all: everybody
INSERT INTO sc.courses (id, title, teacher_id) VALUES (910001, 'Ders', 910011);
INSERT INTO sc.enrollments (user_id, course_id, status, expires_at) VALUES (910001, 910001, 'active', NULL), (910002, 910001, 'suspended', NULL), (910003, 910001, 'active', '2020-01-01');
INSERT INTO sc.exams (id, title, course_id, is_published) VALUES (910001, 'Ders sınavı', 910001, true);
SELECT u.id, (SELECT w.reason FROM sc.exam_window(910001, u.id) AS w) FROM sc.users AS u WHERE u.id BETWEEN 910001 AND 910004 ORDER BY u.id;
SELECT sc.is_exam_staff(910011, 910001) AS course_teacher, sc.is_exam_staff(910010, 910001) AS other, (SELECT array_agg(s) FROM sc.exam_students(910001) AS s) AS students;
UPDATE sc.exams SET is_open_to_all = true WHERE id = 910001;
SELECT w.reason FROM sc.exam_window(910001, 910004) AS w;
UPDATE sc.exams SET is_open_to_all = false, course_id = NULL WHERE id = 910001;
SELECT w.reason FROM sc.exam_window(910001, 910001) AS w;

-- 15. prepared before the opening: the start only begins it
INSERT INTO sc.exams (id, title, is_published, opens_at, time_limit, shuffle_questions) VALUES (910002, 'Hazır', true, '2030-01-01', 600, true);
INSERT INTO sc.exam_sections (id, exam_id, order_index, title, test, question_count, alternative_group) VALUES
    (910001, 910002, 1, 'Ortak', 'Ortak', 3, NULL), (910002, 910002, 2, 'Din', 'Sosyal', 1, 'din'), (910003, 910002, 3, 'Felsefe', 'Sosyal', 1, 'din');
INSERT INTO sc.exam_questions (exam_id, section_id, question_id, version_id, order_index)
SELECT 910002, CASE WHEN n <= 3 THEN 910001 WHEN n = 5 THEN 910002 ELSE 910003 END, 910000 + n, 910000 + n, n FROM unnest('{1,2,3,5,6}'::int[]) AS n;
INSERT INTO sc.exam_audience (exam_id, group_id) VALUES (910002, 910001);
SELECT sc.precreate_attempts(910002) AS made, sc.precreate_attempts(910002) AS again;
SELECT w.attempts_used FROM sc.exam_window(910002, 910001) AS w;
CREATE TEMP TABLE prepared AS SELECT a.user_id, a.question_ids, a.seed FROM sc.exam_attempts AS a WHERE a.exam_id = 910002;
SELECT s.outcome FROM sc.start_attempt(910002, 910001, at => '2030-01-01 00:00Z') AS s;
SELECT s.outcome FROM sc.start_attempt(910002, 910002, sections => '{910003}', at => '2030-01-01 00:00Z') AS s;
SELECT a.user_id, a.attempt_no, a.deadline_at, a.question_ids = p.question_ids AS as_prepared, cardinality(a.question_ids) AS n, a.chosen_sections, a.seed = p.seed AS same_seed
FROM sc.exam_attempts AS a JOIN prepared AS p ON p.user_id = a.user_id WHERE a.exam_id = 910002 ORDER BY a.user_id;
SELECT sc.start_attempt(910002, 910001, at => '2030-01-01 00:00Z') IS NOT NULL AS still_there;

-- 90. on paper: no stranger sees it, who has a result does; its sections stay as the results were counted; ranks open with them
INSERT INTO sc.exams (id, title, kind, is_published, published_at, created_by) VALUES (910090, 'Kâğıtta', 'paper', true, clock_timestamp(), 910010);
INSERT INTO sc.exam_sections (id, exam_id, order_index, title, test, question_count) VALUES (910090, 910090, 1, 'Bir', 'Bir', 4);
INSERT INTO sc.exam_audience (exam_id, group_id) VALUES (910090, 910002);
SELECT u, pg_temp.call(902, u, '{910090}', NULL, 'title') AS exam, pg_temp.call(952, u, '{910090}') AS announcements, pg_temp.call(1000, u, '{910090}', '{}') AS start
FROM unnest('{910002,910004,910012}'::bigint[]) AS u;
SELECT sc.fold_exam(910090), sc.fold_results() * 0 AS others;
SELECT results_published_at IS NULL AS ranks_wait FROM sc.exams WHERE id = 910090;
SELECT pg_temp.call(1111, 910010, '{910090}', '{"user_id": 910004, "sections": [{"section_id": 910090, "correct": 3}]}') AS stranger,
       pg_temp.call(1111, 910013, '{910090}', '{"user_id": 910010, "sections": [{"section_id": 910090, "correct": 3}]}') AS no_student;
SELECT pg_temp.call(1111, 910013, '{910090}', '{"user_id": 910004, "sections": [{"section_id": 910090, "correct": 3, "wrong": 1}]}', 'net');
SELECT pg_temp.call(902, 910004, '{910090}', NULL, 'title') AS has_a_result, pg_temp.call(907, 910010, '{910090}', NULL, 'is_published') AS unpublished,
       pg_temp.call(912, 910010, '{910090,910090}', '{"question_count": 2}') AS section;
UPDATE sc.exams SET is_published = true WHERE id = 910090;
SELECT sc.fold_exam(910090);
SELECT results_published_at IS NOT NULL AS ranks_open FROM sc.exams WHERE id = 910090;
-- 91. who sees what when: the policy that fits the exam, as long as none is set
INSERT INTO sc.exams (id, title, is_published, closes_at, max_attempts, created_by) VALUES
    (910091, 'window, once', true, '2030-01-01 12:00Z', 1, 910010), (910092, 'window, again', true, '2030-01-01 12:00Z', 0, 910010),
    (910093, 'endless, once', true, NULL, 1, 910010), (910094, 'practice', true, NULL, 3, 910010);
INSERT INTO sc.exam_attempts (id, exam_id, user_id, attempt_no, state, seed, question_ids, version_ids, section_ids, started_at, finished_at)
SELECT e, e, 910001, 1, 'graded', 1, '{}', '{}', '{}', '2030-01-01 10:00Z', '2030-01-01 11:00Z' FROM generate_series(910091, 910094) AS e;
SELECT e.title, sc.review_shows(e.id, e.id, '2030-01-01 11:01Z') AS after, sc.review_shows(e.id, e.id, '2030-01-01 12:00:30Z') AS open, sc.review_shows(e.id, e.id, '2030-01-01 12:00:31Z') AS later
FROM sc.exams AS e WHERE e.id BETWEEN 910091 AND 910094 ORDER BY e.id;
-- others are still writing: nothing, whatever the clock says
INSERT INTO sc.exam_attempts (id, exam_id, user_id, attempt_no, state, seed, question_ids, version_ids, section_ids, started_at)
VALUES (910090, 910091, 910002, 1, 'in_progress', 1, '{}', '{}', '{}', '2030-01-01 11:59Z');
SELECT sc.exam_over(910091, '2030-01-02Z') AS over, sc.review_shows(910091, 910091, '2030-01-02Z') AS shows;
DELETE FROM sc.exam_attempts WHERE id = 910090;
-- set, and taken back; what holds is shown
SELECT pg_temp.call(903, 910010, '{910091}', '{"review_policy": {"after": ["marks"]}}', 'review_policy') AS own, pg_temp.call(903, 910010, '{910091}', '{"title": "once"}', 'review_policy') AS kept,
       pg_temp.call(903, 910010, '{910091}', '{"review_policy": null}', 'review_policy.after') AS fitting;
-- marks promised for a close that never comes: not published, and not changed to it
SELECT pg_temp.call(903, 910010, '{910091}', '{"closes_at": null, "review_policy": {"closed": ["marks"]}}') AS change, pg_temp.call(903, 910010, '{910091}', '{"closes_at": null}', 'review_policy.open') AS fits;
SELECT pg_temp.call(906, 910010, ARRAY[pg_temp.exam('Sıkı')]) LIKE '%"closes_at review_never_opens %' AS named,
       pg_temp.call(903, 910010, ARRAY[pg_temp.exam('Sıkı')], '{"closes_at": "2090-01-01T00:00:00Z"}', 'is_published') AS given_a_close,
       pg_temp.call(906, 910010, ARRAY[pg_temp.exam('Sıkı')]) LIKE '%review_never_opens%' AS still;

-- a class that an exam is for cannot go: the exam would fall to others
SELECT pg_temp.call(314, 910013, '{910002}');
ROLLBACK;

-- The shuffle is part of the data: these orders may never change.
SELECT n AS seed, (SELECT string_agg(o ->> 'text', '') FROM jsonb_array_elements(sc.shown_options('single',
    '[{"id":"a","text":"A"},{"id":"b","text":"B"},{"id":"c","text":"C"},{"id":"d","text":"D"},{"id":"e","text":"E"}]', n, 7, true)) AS o) AS shown
FROM generate_series(1, 6) AS n;
-- every place is as likely for the first option: chi square with 4 degrees of freedom
SELECT sum(power(c.n - 1000, 2) / 1000) < 18.5 AS even
FROM (SELECT count(*) AS n FROM generate_series(1, 5000) AS s,
      LATERAL (SELECT p.ordinality FROM jsonb_array_elements(sc.shown_options('single',
          '[{"id":"a","text":"A"},{"id":"b","text":"B"},{"id":"c","text":"C"},{"id":"d","text":"D"},{"id":"e","text":"E"}]', s, 7, true)) WITH ORDINALITY AS p
          WHERE p.value ->> 'text' = 'A') AS x GROUP BY x.ordinality) AS c;
-- matching and ordering are shuffled whatever the exam says; there and back is the same
SELECT sc.shown_options('ordering', '[{"id":"1","text":"ilk"},{"id":"2","text":"orta"},{"id":"3","text":"son"}]', 5, 9, false) AS ordering,
       sc.shown_options('matching', '{"left":[{"id":"1","text":"tek"},{"id":"2","text":"çift"}],"right":[{"id":"a","text":"3"},{"id":"b","text":"4"}]}', 6, 9, false) AS matching;
SELECT sc.shown_answer('ordering', '[{"id":"1","text":"ilk"},{"id":"2","text":"orta"},{"id":"3","text":"son"}]', 5, 9, false, '["1", "2", "3"]') AS ordering,
       sc.shown_key('ordering', '[{"id":"1","text":"ilk"},{"id":"2","text":"orta"},{"id":"3","text":"son"}]', 5, 9, false, '{"order": ["1", "2", "3"], "scoring": "exact"}') AS key,
       sc.shown_key('matching', '{"left":[{"id":"1"},{"id":"2"}],"right":[{"id":"a","text":"3"},{"id":"b","text":"4"}]}', 6, 9, false, '{"pairs": {"1": "a", "2": "b"}}') AS pairs,
       sc.shown_key('single', '[{"id":"a"},{"id":"b"},{"id":"c"}]', 2, 9, true, '{"weights": {"a": 1, "c": -0.25}}') AS weights;
SELECT sc.shown_answer('single', '[]', 1, 1, true, '"x"') AS unknown, sc.shown_answer('numeric', '[]', 1, 1, true, '3') AS number,
       sc.shown_options('essay', '[]', 1, 1, true) AS essay, sc.shown_answer('multiple', '[{"id":"a"},{"id":"b"}]', 1, 1, true, '[1, null]') AS odd;

-- The question bank: checks, what students see, REST, import and export.
BEGIN;
SET LOCAL timezone = 'UTC';
\pset null none
INSERT INTO sc.users (id, email, full_name, role_id) VALUES
    (870001, 'ogretmen@bank.test', 'Öğretmen', 3), (870002, 'ogrenci@bank.test', 'Öğrenci', 1), (870003, 'baska@bank.test', 'Başka Öğretmen', 3);
INSERT INTO sc.subjects (id, code, name) VALUES (870001, 'BNK-MAT', 'Banka Matematiği'), (870002, 'BNK-TAR', 'Banka Tarihi');
INSERT INTO sc.units (id, subject_id, name) VALUES (870001, 870001, 'Kümeler'), (870002, 870002, 'İlk Çağ');
INSERT INTO sc.outcomes (id, unit_id, code, description) VALUES (870001, 870001, 'BNK.1.1', 'Kümeyi tanır');

-- 1. a sound question has no complaints
SELECT count(*) AS complaints
FROM (VALUES ('single', '[{"id":"a","text":"x"},{"id":"b","text":"y"}]', '{"correct":"a"}'),
             ('single_choice', '[{"id":"a","media":[{"url":"u"}]},{"id":"b","text":"y"}]', '{"weights":{"a":1,"b":-0.25}}'),
             ('multiple', '[{"id":"a","text":"x"},{"id":"b","text":"y"}]', '{"correct":["a","b"],"all_or_nothing":true}'),
             ('multiple', '[{"id":"a","text":"x"},{"id":"b","text":"y"},{"id":"c","text":"z"}]', '{"weights":{"a":0.3333333,"b":0.3333333,"c":0.3333333}}'),
             ('truefalse', '[]', '{"correct":false}'), ('numeric', '[]', '{"value":"3,5","tolerance":0}'), ('numeric', '[]', '{"answers":[{"min":1,"max":1},{"any":true,"fraction":0}]}'),
             ('short', '[]', '{"answers":["x",{"text":"y","fraction":0.5}]}'), ('essay', '[]', '{"rubric":[{"text":"dil","points":5}]}'), ('description', '[]', '{}'),
             ('matching', '{"left":[{"id":"1","text":"x"},{"id":"2","text":"y"}],"right":[{"id":"a","text":"p"},{"id":"b","text":"q"}]}', '{"pairs":{"1":"a","2":"a"}}'),
             ('ordering', '[{"id":"a","text":"x"},{"id":"b","text":"y"}]', '{"order":["b","a"],"scoring":"exact"}')) AS q(type, options, key),
     sc.question_check(q.type, 'metin', q.options::jsonb, q.key::jsonb);
-- and every fault is named
SELECT q.type, q.options, q.key, c.field, c.code
FROM (VALUES ('riddle', '[]', '{}'), ('single', '{}', '{"correct":"a"}'), ('single', '[{"id":"a","text":"x"}]', '{"correct":"b"}'),
             ('single', '[{"id":"a","text":"x"},{"id":"a","text":" "},{"text":"y"}]', '{}'), ('single', '[{"id":"a","text":"x"},{"id":"b","text":"y"}]', '{"weights":{"a":0.5,"c":2}}'),
             ('multiple', '[{"id":"a","text":"x"},{"id":"b","text":"y"}]', '{"correct":["a","a","z"]}'), ('multiple', '[{"id":"a","text":"x"},{"id":"b","text":"y"}]', '{"weights":{"a":0.5}}'),
             ('truefalse', '[{"id":"a","text":"x"}]', '{"correct":"yes"}'), ('numeric', '[]', '{"answers":[]}'), ('numeric', '[]', '{"answers":[{"value":"x","tolerance":-1,"tolerance_type":"soft"},{"min":2,"max":1}]}'),
             ('short', '[]', '{"answers":[{"text":" "},{"text":"x","fraction":3}]}'), ('short', '[]', '{"text":"x","fraction":0.5}'), ('essay', '[]', '{"rubric":[{"points":-1}]}'),
             ('matching', '[]', '{}'), ('matching', '{"left":[{"id":"1","text":"x"},{"id":"2","text":"y"}],"right":[{"id":"a","text":"p"},{"id":"b","text":"q"}]}', '{"pairs":{"1":"a","3":"b"}}'),
             ('ordering', '[{"id":"a","text":"x"},{"id":"b","text":"y"}]', '{"order":["b"],"scoring":"some"}'), ('single', '[]', '[]')) AS q(type, options, key),
     sc.question_check(q.type, 'metin', q.options::jsonb, q.key::jsonb) AS c;
-- property: what passes the check is graded without an error, within bounds, and can be written
SELECT setseed(0.6);
CREATE FUNCTION pg_temp.some(depth int) RETURNS jsonb LANGUAGE plpgsql VOLATILE AS $$
BEGIN
    IF depth = 0 OR random() < 0.3 THEN
        RETURN (ARRAY['null','1','"a"','"b"','true','-2.5','"1,5"','""','"*"'])[1 + floor(random() * 9)]::jsonb;
    ELSIF random() < 0.4 THEN
        RETURN (SELECT coalesce(jsonb_agg(pg_temp.some(depth - 1)), '[]') FROM generate_series(1, floor(random() * 4)::int));
    END IF;
    RETURN (SELECT jsonb_object_agg(('{correct,weights,answers,text,value,min,max,tolerance,tolerance_type,pairs,order,scoring,fraction,any,id,left,right,rubric,points,a,b,1,case_sensitive,all_or_nothing}'::text[])[1 + floor(random() * 24)], pg_temp.some(depth - 1))
            FROM generate_series(1, 1 + floor(random() * 4)::int));
END
$$;
CREATE FUNCTION pg_temp.tried(type text, options jsonb, key jsonb, answer jsonb) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
    sound boolean := NOT EXISTS (SELECT FROM sc.question_check(type, 'p', options, key));
    fraction numeric;
BEGIN
    PERFORM sc.options_public(type, options), sc.gift_format(type, 'p', options, key);
    fraction := sc.grade(type, key, answer);
    PERFORM sc.random_guess_score(type, key, options);
    RETURN CASE WHEN fraction NOT BETWEEN -1 AND 1 THEN 'out of bounds' WHEN sound THEN 'sound' ELSE 'graded' END;
EXCEPTION
    WHEN invalid_parameter_value THEN
        RETURN CASE WHEN sound THEN 'sound, yet refused' ELSE 'refused' END;
END
$$;
SELECT DISTINCT pg_temp.tried((ARRAY['single','multiple','truefalse','numeric','short','matching','ordering','essay','description'])[1 + n % 9], pg_temp.some(3), pg_temp.some(3), pg_temp.some(2)) AS outcome
FROM generate_series(1, 4000) AS n ORDER BY 1;
SELECT field, code FROM sc.question_check('essay', E' \u00a0', '[]', NULL);
SELECT field, code FROM sc.question_check(NULL, NULL, NULL, NULL);

-- 2. students see ids and texts, and no order that tells
SELECT sc.question_public('single', 'p', 'markdown', '[{"id":"a","text":"x","feedback":"yes!","weight":1},{"id":"b","text":"y","format":"html"}]');
SELECT sc.options_public('ordering', '[{"id":"a","text":"1"},{"id":"b","text":"2"},{"id":"c","text":"3"}]') = sc.options_public('ordering', '[{"id":"c","text":"3"},{"id":"b","text":"2"},{"id":"a","text":"1"}]') AS ordering_hides_order;
SELECT jsonb_array_length(sc.options_public('matching', '{"left":[{"id":"1","text":"x"}],"right":[{"id":"a","text":"p"},{"id":"b","text":"q","feedback":"f"}]}') -> 'right') AS right_sides,
       sc.options_public('essay', '[]') AS none;

-- one call: status, and of the answer what is named
CREATE FUNCTION pg_temp.call(route int, actor bigint, path text[], body text DEFAULT NULL, VARIADIC want text[] DEFAULT '{}')
RETURNS text LANGUAGE plpgsql AS $$
DECLARE
    r record;
    j jsonb;
BEGIN
    SELECT * INTO r FROM sc_api.dispatch(route, actor, NULL, 0, path, CASE WHEN body LIKE '?%' THEN substr(split_part(body, E'\n', 1), 2) END,
                                         CASE WHEN body LIKE '?%' THEN nullif(substr(body, strpos(body, E'\n') + 1), body) ELSE body END, '{"lang": "en", "content_type": "text/plain; charset=utf-8"}');
    j := coalesce(sc.json_or_null(r.body), '{}');
    IF r.status >= 400 THEN
        RETURN concat_ws(' ', r.status, j ->> 'code', (SELECT jsonb_agg(concat_ws(' ', e ->> 'line', e ->> 'field', e ->> 'code')) FROM jsonb_array_elements(j -> 'errors') AS e));
    END IF;
    RETURN concat_ws(' ', r.status, (SELECT string_agg(w || '=' || coalesce((j #> string_to_array(w, '.'))::text, '?'), ' ' ORDER BY o) FROM unnest(want) WITH ORDINALITY AS u(w, o)));
END
$$;
CREATE FUNCTION pg_temp.q(words text) RETURNS text LANGUAGE sql AS 'SELECT max(question_id)::text FROM sc.question_versions WHERE prompt LIKE words || ''%''';

-- 3. add: who may, what is refused, what is made of it
SELECT pg_temp.call(801, 870002, '{}', '{"type": "essay", "prompt": "x"}') AS student, pg_temp.call(801, NULL, '{}', '{"type": "essay", "prompt": "x"}') AS nobody;
SELECT pg_temp.call(801, 870001, '{}', '{"type": "single", "prompt": " ", "options": [{"id": "a", "text": "x"}], "key": {"correct": "b"}, "difficulty": "brutal", "grade": 14, "points": -1, "subject_id": 4242, "format": "pdf"}');
SELECT pg_temp.call(801, 870001, '{}', '{"type": "essay", "prompt": "x", "subject_id": 870001, "unit_id": 870002, "outcome_id": 870001}');
SELECT pg_temp.call(801, 870001, '{}', '{"type": "single_choice", "prompt": "  Kümeler\r\nüçgen mi?  ", "options": [{"id": "a", "text": " x "}, {"id": "b", "text": "y"}], "key": {"correct": "b"}, "subject_id": 870001, "unit_id": 870001, "outcome_id": 870001, "category": "Banka/Kümeler", "difficulty": "hard", "grade": 9, "tags": ["yeni"]}', 'version', 'type', 'prompt', 'options', 'points', 'tags', 'unit_id');
SELECT pg_temp.call(801, 870003, '{}', '{"type": "short", "prompt": "Banka başkent?", "key": {"text": "Ankara", "case_sensitive": true}, "category": "Banka"}', 'key');

-- 4. find: by words without Turkish letters, by shelf, tag, type, subject; pages
SELECT pg_temp.call(800, 870001, '{}', '?q=ucgen%20kumeler', 'total', 'items.0.prompt') AS words, pg_temp.call(800, 870001, '{}', '?category=Banka', 'total') AS shelf,
       pg_temp.call(800, 870001, '{}', '?category=Banka/K%C3%BCmeler', 'total') AS below, pg_temp.call(800, 870001, '{}', '?tag=yeni&type=single&difficulty=hard&grade=9&subject_id=870001&outcome_id=870001', 'total') AS tags,
       pg_temp.call(800, 870001, '{}', '?category=Banka&per_page=1&page=2', 'total', 'items.0.type') AS page, pg_temp.call(800, 870001, '{}', '?type=riddle') AS refused, pg_temp.call(800, 870002, '{}') AS student;

-- 5. change: what it says makes a version, where it is filed does not; nothing changes in the old version
SELECT pg_temp.call(803, 870003, ARRAY[pg_temp.q('Kümeler')], '{"tags": ["eski"], "difficulty": null}', 'version', 'tags', 'difficulty') AS filed,
       pg_temp.call(803, 870003, ARRAY[pg_temp.q('Kümeler')], '{"key": {"correct": "b"}}', 'version') AS same,
       pg_temp.call(803, 870003, ARRAY[pg_temp.q('Kümeler')], '{"key": {"correct": "a"}, "explanation": "çünkü"}', 'version', 'key', 'prompt') AS new_key,
       pg_temp.call(803, 870003, ARRAY[pg_temp.q('Kümeler')], '{"subject_id": 870002}', 'version', 'subject_id', 'unit_id', 'outcome_id') AS moved;
SELECT pg_temp.call(803, 870003, ARRAY[pg_temp.q('Kümeler')], '{"options": []}') AS broken, pg_temp.call(803, 870003, '{999999999}', '{"name": "x"}') AS missing, pg_temp.call(803, 870002, ARRAY[pg_temp.q('Kümeler')], '{"name": "x"}') AS student;
SELECT pg_temp.call(805, 870001, ARRAY[pg_temp.q('Kümeler')], NULL, 'items.0.version', 'items.0.key', 'items.1.version', 'items.1.key', 'items.2') AS versions, pg_temp.call(805, 870001, '{999999999}') AS missing;

-- 6. withdraw: gone from lists, still there for exams; once
SELECT pg_temp.call(804, 870001, ARRAY[pg_temp.q('Banka başkent')]) AS withdrawn, pg_temp.call(804, 870001, ARRAY[pg_temp.q('Banka başkent')]) AS again,
       pg_temp.call(800, 870001, '{}', '?category=Banka', 'total') AS listed, pg_temp.call(800, 870001, '{}', '?category=Banka&all=true', 'total') AS everything, pg_temp.call(802, 870001, ARRAY[pg_temp.q('Banka başkent')], NULL, 'is_active') AS read;

-- 7. import: a dry run stores nothing, one fault stores nothing, and errors say their lines
\set good '$CATEGORY: Banka/GIFT\n\n// [tag:subject:BNK-MAT] [tag:grade:10] [tag:serbest]\nİçe bir {=a ~b}\n\nİçe iki {T}\n'
SELECT pg_temp.call(806, 870001, '{}', E'?dry_run=true\n' || E:'good', 'format', 'dry_run', 'found', 'imported', 'errors') AS dry, pg_temp.q('İçe') AS stored;
SELECT pg_temp.call(806, 870001, '{}', E:'good' || E'\nkötü {=tek ~%999%x}\n\n// [tag:subject:YOK] [tag:outcome:YOK] [tag:difficulty:brutal]\nhata {F}') AS refused, pg_temp.q('İçe') AS stored;
SELECT pg_temp.call(806, 870001, '{}', E'?format=gift&dry_run=true\n' || E'kötü {=tek', 'found', 'errors.0.line', 'errors.0.code') AS dry, pg_temp.call(806, 870001, '{}', E'// boş\n') AS empty,
       pg_temp.call(806, 870001, '{}', E'?format=xml\nx') AS format, pg_temp.call(806, 870002, '{}', 'x {T}') AS student;
SELECT pg_temp.call(806, 870001, '{}', E:'good', 'imported', 'errors') AS imported;
SELECT (SELECT array_agg(q.category || ' ' || q.subject_id || ' ' || q.grade || ' ' || q.tags::text) FROM sc.questions AS q WHERE q.id = pg_temp.q('İçe bir')::bigint) AS filed;
-- CSV: semicolons, a quoted line break, the short form, a guarded formula; faults with lines
SELECT pg_temp.call(806, 870001, '{}', E'?format=csv\n\uFEFFPrompt;Type;a;b;c;correct;tags\r\n"CSV iki\nsatır";;bir;iki;üç;B;x|y\r\nCSV çok;multiple;bir;iki;üç;a, c;\r\nCSV sayı;numeric;;;;3,14;\r\n''=CSV formül;short;;;;x;\r\n;;;;;;\r\n', 'imported', 'errors');
SELECT v.type, v.prompt, v.options, v.key, q.tags FROM sc.question_versions AS v JOIN sc.questions AS q ON q.id = v.question_id WHERE v.prompt LIKE 'CSV%' OR v.prompt LIKE '=CSV%' ORDER BY v.id;
SELECT pg_temp.call(806, 870001, '{}', E'?format=csv\nprompt,type,key,grade\nx,short,{bad,9\ny,essay,,çok\n"z\n",single,,1,2\n') AS faults, pg_temp.call(806, 870001, '{}', E'?format=csv\nsoru,cevap\nx,y\n') AS header, pg_temp.call(806, 870001, '{}', E'?format=csv\nprompt\n"açık') AS unclosed;
-- JSON: our own form and the form of published sets; missing subjects on demand
SELECT pg_temp.call(806, 870001, '{}', E'?format=json\n[\n{"subject": "Banka Yeni", "question": "JSON bir", "choices": ["x", "y"], "answer": 1, "metadata": {"difficulty": "easy", "grade": "9"}},\n\n{"type": "essay", "prompt": "JSON iki", "tags": ["t"]}]') AS unknown;
SELECT pg_temp.call(806, 870001, '{}', E'?format=json&create_subjects=true\n[\n{"subject": "Banka Yeni", "question": "JSON bir", "choices": ["x", "y"], "answer": 1, "metadata": {"difficulty": "easy", "grade": "9"}},\n\n{"type": "essay", "prompt": "JSON iki", "tags": ["t"]}]', 'imported') AS created;
SELECT v.options, v.key, q.difficulty, q.grade, s.name FROM sc.question_versions AS v JOIN sc.questions AS q ON q.id = v.question_id JOIN sc.subjects AS s ON s.id = q.subject_id WHERE v.prompt = 'JSON bir';
SELECT pg_temp.call(806, 870001, '{}', E'?format=json\n{"questions": [{"prompt": "x", "type": "short"},\n5,\n{"prompt": "] \\" {", "type": "essay"},\n{"type": "essay"}]}') AS faults, pg_temp.call(806, 870001, '{}', E'?format=json\n{"questions": 1}') AS none, pg_temp.call(806, 870001, '{}', E'?format=json\n{') AS broken;

-- 8. export -> import gives the same questions, in every format
CREATE FUNCTION pg_temp.shape(ids bigint[]) RETURNS text LANGUAGE sql AS $$
    SELECT md5(string_agg(x::text, E'\n' ORDER BY x::text))
    FROM (SELECT to_jsonb(r) AS x
          FROM (SELECT v.type, v.name, v.prompt, v.format, v.options, v.key, v.explanation, v.media, v.points, q.subject_id, q.unit_id, q.outcome_id, q.category, q.difficulty, q.grade, q.source, q.tags
                FROM sc.questions AS q JOIN sc.question_versions AS v ON v.question_id = q.id AND v.version = q.current_version WHERE q.id = ANY (ids)) AS r) AS y
$$;
SELECT (sc.import_questions(870001, $json$[
{"type": "single", "prompt": "A \"b\", 'c';\n=1\n\n$\\frac{a}{b} \\neq \\{x\\}$", "name": "+ad", "options": [{"id": "a", "text": "=x", "feedback": "-1"}, {"id": "q", "text": "~y\n#"}], "key": {"weights": {"a": 1, "q": -0.3333333}}, "explanation": "''@", "media": [{"url": "https://x.test/a]b.png", "alt": "%5D"}], "points": 2.5, "subject": "BNK-MAT", "unit": "Kümeler", "outcome": "BNK.1.1", "category": "A/B: {c}", "difficulty": "easy", "grade": 12, "source": "Kitap [2] s. 5", "tags": ["a b", "x]y", "grade"]},
{"type": "multiple", "prompt": "Ç", "format": "html", "options": [{"id": "a", "text": "1"}, {"id": "b", "text": "2"}], "key": {"correct": ["b", "a"], "all_or_nothing": true}},
{"type": "truefalse", "prompt": "D", "key": {"correct": false, "feedback_right": "r"}, "subject": "banka tarihi"},
{"type": "numeric", "prompt": "E", "key": {"answers": [{"value": "3,5", "tolerance": 0.1, "tolerance_type": "geometric"}, {"min": 1, "max": 2, "fraction": 0.5}]}},
{"type": "short", "prompt": "F", "key": {"answers": [{"text": "\\* a*"}, "düz"], "case_sensitive": true}},
{"type": "matching", "prompt": "G", "options": {"left": [{"id": "l1", "text": "x -> y"}, {"id": "l2", "text": "z"}], "right": [{"id": "r1", "text": "p"}, {"id": "r2", "text": "q"}]}, "key": {"pairs": {"l1": "r2", "l2": "r1"}}},
{"type": "ordering", "prompt": "H", "options": [{"id": "a", "text": "1"}, {"id": "b", "text": "2"}], "key": {"order": ["b", "a"], "scoring": "adjacent"}},
{"type": "essay", "prompt": "I", "key": {"rubric": [{"text": "dil", "points": 3}]}, "points": 3},
{"type": "description", "prompt": "J"}
]$json$, 'json')).question_ids AS ids \gset
SELECT f AS format, i.imported, i.errors, pg_temp.shape(i.question_ids) = pg_temp.shape(:'ids') AS same
FROM unnest('{gift,csv,json}'::text[]) AS f, LATERAL (SELECT (sc.import_questions(870001, (SELECT string_agg(x, '') FROM sc.export_questions(f, :'ids') AS x), f)).* OFFSET 0) AS i;
SELECT string_agg(x, '') AS export_questions FROM sc.export_questions('csv', (:'ids'::bigint[])[1:1]) AS x;
-- two blanks at the end of a line are a line break of Markdown: they stay, in and out, as do indents; around a text blanks go
SELECT (sc.import_questions(870001, E'[{"type": "single", "prompt": "  bir  \\n  iki\\t \\n\\n    kod  \\nson  \\n", "explanation": "a  \\nb  ", "options": [{"id": "a", "text": "p  \\nq "}, {"id": "b", "text": " r"}], "key": {"correct": "a"}}]', 'json')).question_ids AS broken \gset
SELECT to_json(v.prompt) AS prompt, to_json(v.explanation) AS explanation, v.options -> 0 ->> 'text' = E'p  \nq' AS option FROM sc.question_versions AS v WHERE v.question_id = ANY (:'broken');
SELECT f AS format, pg_temp.shape(i.question_ids) = pg_temp.shape(:'broken') AS same
FROM unnest('{gift,csv,json}'::text[]) AS f, LATERAL (SELECT (sc.import_questions(870001, (SELECT string_agg(x, '') FROM sc.export_questions(f, :'broken') AS x), f)).* OFFSET 0) AS i;
SELECT (sc.import_questions(870001, E'kırık bir  \niki\\n  üç {}\r\n\r\n// x\r\n::ad::kırık dört  \r\nbeş {T}\r\n', 'gift')).imported AS gift, (sc.import_questions(870001, E'prompt;type\r\n"kırık altı  \r\nyedi";essay\r\n', 'csv')).imported AS csv;
SELECT to_json(v.prompt) AS prompt FROM sc.question_versions AS v WHERE v.prompt LIKE 'kırık%' ORDER BY v.id;
SELECT pg_temp.call(803, 870001, ARRAY[(:'broken'::bigint[])[1]::text], '{"prompt": "x  \ny"}', 'prompt') AS changed;
SELECT r.status, r.headers ->> 'Content-Type' AS type, r.headers ->> 'Content-Disposition' AS file, r.body LIKE '%type,name,prompt%' AS csv
FROM sc_api.dispatch(807, 870001, NULL, 0, '{}', 'format=csv&subject_id=870001', NULL, '{}') AS r;
SELECT pg_temp.call(807, 870001, '{}', '?format=pdf') AS format, pg_temp.call(807, 870002, '{}') AS student;

-- 8b. what somebody else's exam keeps secret: no key, no change, no way into one's own exam, until that exam is over
INSERT INTO sc.users (id, email, full_name, role_id) VALUES (870009, 'admin@bank.test', 'Admin', 5);
INSERT INTO sc.questions (id, created_by, tags) VALUES (870051, 870001, '{gizli}'), (870052, NULL, '{gizli}');
INSERT INTO sc.question_versions (id, question_id, version, type, prompt, options, key, explanation)
SELECT q, q, 1, 'single', 'Gizli ' || q, '[{"id":"a","text":"A","feedback":"evet"},{"id":"b","text":"B"}]', '{"correct":"a"}', 'çünkü' FROM unnest('{870051,870052}'::bigint[]) AS q;
INSERT INTO sc.exams (id, title, created_by) VALUES (870051, 'coming', 870001), (870053, 'mine', 870003);
INSERT INTO sc.exam_sections (id, exam_id, order_index, title, test, question_count) VALUES (870051, 870051, 1, 'x', 'x', 2);
INSERT INTO sc.exam_sections (id, exam_id, order_index, title, test, question_count, draw) VALUES (870053, 870053, 1, 'x', 'x', 2, '{"tags": ["gizli"]}');
INSERT INTO sc.exam_questions (exam_id, section_id, question_id, version_id, order_index) VALUES (870051, 870051, 870051, 870051, 1), (870051, 870051, 870052, 870052, 2);
SELECT who, pg_temp.call(802, u, '{870052}', NULL, 'is_reserved', 'key', 'explanation', 'options.0.feedback') AS one,
       pg_temp.call(800, u, '{}', '?tag=gizli', 'total', 'items.0.is_reserved', 'items.0.key', 'items.1.key') AS list,
       pg_temp.call(805, u, '{870052}', NULL, 'items.0.key', 'items.0.explanation') AS versions
FROM (VALUES ('author', 870001::bigint), ('other', 870003), ('admin', 870009)) AS t(who, u);
SELECT pg_temp.call(803, 870003, '{870052}', '{"key": {"correct": "b"}}') AS change, pg_temp.call(804, 870003, '{870052}') AS withdraw,
       pg_temp.call(915, 870003, '{870053}', '{"question_id": 870052}') AS drawn_section, pg_temp.call(807, 870003, '{}', '?format=json&tag=gizli') AS export;
UPDATE sc.exam_sections SET draw = NULL WHERE id = 870053;
SELECT pg_temp.call(915, 870003, '{870053}', '{"question_id": 870052}') AS own_exam;
UPDATE sc.exam_sections SET draw = '{"tags": ["gizli"]}' WHERE id = 870053;
SELECT pg_temp.call(906, 870003, '{870053}') AS draw;
SELECT r.body LIKE '%Gizli%' AS other FROM sc_api.dispatch(807, 870003, NULL, 0, '{}', 'format=gift&tag=gizli', NULL, '{}') AS r;
SELECT r.body LIKE '%Gizli%' AS author FROM sc_api.dispatch(807, 870001, NULL, 0, '{}', 'format=gift&tag=gizli', NULL, '{}') AS r;
-- published and not over; practice that shows its keys anyway; over; deleted
UPDATE sc.exams SET is_published = true, closes_at = clock_timestamp() + interval '1 hour' WHERE id = 870051;
SELECT sc.is_reserved(870003, 870052) AS open, sc.is_reserved(870003, 870051) AS others, sc.is_reserved(870001, 870052) AS staff;
UPDATE sc.exams SET closes_at = NULL, max_attempts = 0 WHERE id = 870051;
SELECT sc.is_reserved(870003, 870052) AS practice;
UPDATE sc.exams SET closes_at = clock_timestamp() - interval '29 seconds' WHERE id = 870051;
SELECT sc.is_reserved(870003, 870052) AS slack;
UPDATE sc.exams SET closes_at = clock_timestamp() - interval '31 seconds' WHERE id = 870051;
SELECT sc.is_reserved(870003, 870052) AS over, pg_temp.call(802, 870003, '{870052}', NULL, 'key') AS key;
UPDATE sc.exams SET closes_at = NULL, max_attempts = 1, kind = 'paper' WHERE id = 870051;
SELECT sc.is_reserved(870003, 870052) AS paper;
UPDATE sc.exams SET is_active = false WHERE id = 870051;
SELECT sc.is_reserved(870003, 870052) AS deleted;

-- 9. statistics of an exam are for its staff
INSERT INTO sc.exams (id, title, created_by) VALUES (870001, 'bank test', 870001);
SELECT pg_temp.call(850, 870001, '{870001}', NULL, 'exam.attempts', 'questions') AS owner, pg_temp.call(850, 870003, '{870001}') AS other, pg_temp.call(850, 870002, '{870001}') AS student, pg_temp.call(850, 870001, '{999999999}') AS missing,
       pg_temp.call(851, 870001, '{870001}', NULL, 'exam.attempts') AS recompute, pg_temp.call(851, 870003, '{870001}') AS other_recompute;
ROLLBACK;

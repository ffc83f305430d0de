-- What an answer is worth.
\pset null blank

-- 1. single choice: right, wrong, blank in all its forms, two marks, a mark as a list
SELECT a AS answer, sc.grade('single', '{"correct": "b"}', a::jsonb) AS fraction
FROM unnest('{"\"b\"","\"a\"","\"z\"","null","\"\"","\"  \"","[]","[null]","{}","[\"b\"]","[\"a\",\"b\"]","1","true","{\"b\":1}"}'::text[]) AS a;
SELECT sc.grade('single', '{"correct": "b"}', NULL) AS sql_null;
-- weights: partial credit and penalty; the long name of the type
SELECT sc.grade('single_choice', '{"weights": {"b": 1, "c": 0.5, "a": -0.25}}', to_jsonb(a)) AS fraction FROM unnest('{b,c,a,d}'::text[]) AS a;

-- 2. multiple choice: right less wrong, never below zero; weights; all or nothing; a tick counts once
SELECT a AS answer,
       sc.grade('multiple', '{"correct": ["a", "c"]}', a::jsonb) AS plain,
       sc.grade('multiple', '{"correct": ["a", "c"], "all_or_nothing": true}', a::jsonb) AS strict,
       sc.grade('multiple', '{"weights": {"a": 0.3333333, "c": 0.3333333, "d": 0.3333333, "b": -1}}', a::jsonb) AS weighted
FROM unnest('{"[\"a\",\"c\"]","[\"a\"]","[\"a\",\"b\"]","[\"b\"]","[\"a\",\"c\",\"d\"]","[\"a\",\"a\"]","\"a\"","[]","{\"a\":1}","5"}'::text[]) AS a;

-- 3. true or false
SELECT a, sc.grade('truefalse', '{"correct": true}', a::jsonb) AS is_true, sc.grade('true_false', '{"correct": false}', a::jsonb) AS is_false
FROM unnest('{true,false,"\"true\"",null,"\"\"","\"yes\"",1}'::text[]) AS a;

-- 4. numeric: decimal tolerance is exact at its edges
SELECT a, sc.grade('numeric', '{"value": -11.7, "tolerance": 0.02}', a::jsonb) AS fraction
FROM unnest('{-11.72,-11.68,-11.720000000000000001,-11.6799999,"\"-11,72\"","\"−11,7\""}'::text[]) AS a;
-- how people write numbers
SELECT a, sc.grade('numeric', '{"value": 1234.5}', to_jsonb(a)) AS fraction
FROM unnest('{"1234,5","1234.5","1.234,5","1,234.5","1 234,5"," +1234,50 ","12345e-1","1.2345E3","1234,5 cm","1.23.4,5","1,2345","12.34,5","e5","-","","  ","1e400","NaN","Infinity"}'::text[]) AS a;
-- relative, geometric (also about a negative value), ranges, several answers, any number
SELECT x, sc.grade('numeric', '{"value": 200, "tolerance": 0.1, "tolerance_type": "relative"}', to_jsonb(x)) AS relative,
       sc.grade('numeric', '{"value": 200, "tolerance": 1, "tolerance_type": "geometric"}', to_jsonb(x)) AS geometric,
       sc.grade('numeric', '{"min": 180, "max": "219,5"}', to_jsonb(x)) AS range
FROM unnest('{99.9,100,179.9,180,219.5,219.6,220,400,400.1}'::numeric[]) AS x;
SELECT x, sc.grade('numeric', '{"value": -200, "tolerance": 0.1, "tolerance_type": "relative"}', to_jsonb(x)) AS relative,
       sc.grade('numeric', '{"value": -200, "tolerance": 1, "tolerance_type": "geometric"}', to_jsonb(x)) AS geometric
FROM unnest('{-400.1,-400,-220,-180,-100,-99,200}'::numeric[]) AS x;
SELECT a, sc.grade('numeric', '{"answers": [{"value": 3}, {"value": 3, "tolerance": 1, "fraction": 0.5}, {"any": true, "fraction": -0.25}]}', to_jsonb(a)) AS fraction
FROM unnest('{3,4,5,pi}'::text[]) AS a;

-- 5. short answers: both foldings, white space, composed and decomposed letters, wildcards
SELECT k AS key, a AS answer, sc.grade('short', jsonb_build_object('text', k), to_jsonb(a)) AS fraction
FROM (VALUES ('Isparta', 'ısparta'), ('Isparta', 'isparta'), ('Isparta', 'ISPARTA'), ('isparta', 'İSPARTA'),
             ('ılık', 'ILIK'), ('ılık', 'ilik'), ('İstanbul', E'i\u0307stanbul'), ('ÇÖĞÜŞ', 'çöğüş'), ('çığ', E'c\u0327ıg\u0306'),
             ('kâğıt', 'KÂĞIT'), ('iki  kelime', E' İKİ\u00a0kelime '), ('ankara*', 'Ankara şehri'), ('*kara*', 'ANKARA'),
             ('a*c', 'abd'), ('a*b*c', 'aXbYc'), ('2\*3', '2*3'), ('2\*3', '2x3'), ('\frac', '\FRAC'), ('*', 'x'), ('Ёж', 'ёж'), ('ΣΊΣΥΦΟΣ', 'σίσυφος')) AS v(k, a);
SELECT sc.grade('short', '{"answers": ["Ankara", {"text": "İzmir", "fraction": 0.5}]}', to_jsonb(a)) AS listed,
       sc.grade('short', '{"text": "pH", "case_sensitive": true}', to_jsonb(a)) AS exact
FROM unnest('{ankara,izmir,pH,PH," "}'::text[]) AS a;
SELECT sc.grade('short', '{"text": "42"}', '42') AS number, sc.grade('short', '{"text": "x"}', '["x"]') AS list;
-- a star backtracks without blowing up
SELECT sc.grade('short', jsonb_build_object('text', repeat('*a', 30) || 'b'), to_jsonb(repeat('a', 2000))) AS fraction;

-- 6. matching and ordering
SELECT a, sc.grade('matching', '{"pairs": {"1": "b", "2": "a", "3": "b", "4": "c"}}', a::jsonb) AS fraction
FROM unnest('{"{\"1\":\"b\",\"2\":\"a\",\"3\":\"b\",\"4\":\"c\"}","{\"1\":\"b\"}","{\"1\":\"a\"}","{}","{\"1\":null}","[\"b\"]"}'::text[]) AS a;
SELECT a, sc.grade('ordering', '{"order": ["c", "a", "b"]}', a::jsonb) AS positions,
       sc.grade('ordering', '{"order": ["c", "a", "b"], "scoring": "adjacent"}', a::jsonb) AS adjacent,
       sc.grade('ordering', '{"order": ["c", "a", "b"], "scoring": "exact"}', a::jsonb) AS exact
FROM unnest('{"[\"c\",\"a\",\"b\"]","[\"a\",\"b\",\"c\"]","[\"c\",\"b\",\"a\"]","[\"c\",\"a\"]","[\"c\",\"a\",\"b\",\"b\"]","[]","\"c\""}'::text[]) AS a;

-- 7. a person marks essays; blank or not is another question
SELECT sc.grade('essay', '{}', '"uzun bir metin"') AS essay, sc.answer_is_blank('essay', '"uzun"') AS written, sc.answer_is_blank('essay', '" \n"') AS blank,
       sc.answer_is_blank('single', NULL) AS nothing, sc.answer_is_blank('truefalse', 'false') AS said_false, sc.answer_is_blank('matching', '{"1": null}') AS no_pairs;

-- 8. refused
SELECT sc.grade('quiz', '{}', '1');
SELECT sc.grade('single', NULL, '"a"');
SELECT sc.grade('single', '{"right": "a"}', '"a"');
SELECT sc.grade('multiple', '{"correct": []}', '["a"]');
SELECT sc.grade('numeric', '{"value": "abc"}', '1');

-- 9. net: exact, may be negative, no penalty without a ratio
SELECT sc.net(30, 8, 4) AS yks, sc.net(15, 1, 3) AS lgs, sc.net(0, 4, 4) AS negative, sc.net(5, 5, NULL) AS free, sc.net(5, 5, 0) AS zero,
       sc.net(1, 1, 2.5) AS odd, sc.net(NULL, 1, 4) AS unknown;
SELECT sc.net(-1, 0, 4);
SELECT sc.net(1, 0, -4);

-- 10. what guessing earns
SELECT sc.random_guess_score('single', '{"correct": "a"}', '[{"id":"a"},{"id":"b"},{"id":"c"},{"id":"d"},{"id":"e"}]') AS five,
       sc.random_guess_score('single', '{"weights": {"a": 1, "b": -0.25, "c": -0.25, "d": -0.25, "e": -0.25}}') AS penalised,
       sc.random_guess_score('single', '{"correct": "a"}') AS unknown, sc.random_guess_score('truefalse', '{"correct": true}') AS tf,
       sc.random_guess_score('matching', '{"pairs": {"1": "a", "2": "b"}}', '{"right": [{}, {}, {}, {}]}') AS matching,
       sc.random_guess_score('short', '{"answers": [{"text": "x"}, {"text": "*", "fraction": 0.1}]}') AS star,
       sc.random_guess_score('numeric', '{"answers": [{"value": 1}]}') AS numeric,
       sc.random_guess_score('ordering', '{"order": ["a", "b", "c"], "scoring": "exact"}') AS ordering,
       sc.random_guess_score('multiple', '{"correct": ["a"]}') AS multiple;

-- 11. properties, over random keys and answers: never outside [-1, 1]; the key itself earns everything
SELECT setseed(0.25);
SELECT count(*) AS cases, count(*) FILTER (WHERE g NOT BETWEEN 0 AND 1) AS outside,
       count(*) FILTER (WHERE full_marks IS DISTINCT FROM 1) AS key_is_not_full
FROM (SELECT sc.grade('multiple', jsonb_build_object('correct', k), to_jsonb(a)) AS g,
             sc.grade('multiple', jsonb_build_object('correct', k), to_jsonb(k)) AS full_marks
      FROM (SELECT ARRAY(SELECT x FROM unnest('{a,b,c,d,e}'::text[]) AS x WHERE random() < 0.5 OR x = chr(97 + n % 5)) AS k,
                   ARRAY(SELECT x FROM unnest('{a,b,c,d,e}'::text[]) AS x WHERE random() < 0.5 OR x = chr(97 + n % 3)) AS a
            FROM generate_series(1, 500) AS n) AS r) AS s;

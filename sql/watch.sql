-- Who may watch, what was watched, how far a course has come.
\pset null '~'
BEGIN;
SET LOCAL client_min_messages = warning;
CREATE FUNCTION pg_temp.call(route int, who text, path text[] DEFAULT '{}', sent jsonb DEFAULT NULL, query text DEFAULT '', n text DEFAULT '',
                             OUT status int, OUT code text, OUT body jsonb, OUT touched text[], OUT headers jsonb)
LANGUAGE plpgsql AS $$
DECLARE
    d record;
BEGIN
    SELECT * INTO d FROM sc_api.dispatch(route, (SELECT u.id FROM sc.users AS u WHERE u.email = who || '@watch.test'), gen_random_uuid(),
                                         (extract(epoch FROM clock_timestamp()) * 1000)::bigint, path, query, sent::text,
                                         '{"ip": "192.0.2.1", "lang": "en", "request_id": "test", "touch": "ack"}');
    status := d.status; body := d.body::jsonb; code := body->>'code'; touched := d.touched; headers := d.headers;
END
$$;
CREATE FUNCTION pg_temp.uid(who text) RETURNS bigint LANGUAGE sql AS $$ SELECT u.id FROM sc.users AS u WHERE u.email = who || '@watch.test' $$;
CREATE FUNCTION pg_temp.vid(title text) RETURNS bigint LANGUAGE sql AS $$ SELECT v.id FROM sc.videos AS v JOIN sc.courses AS c ON c.id = v.course_id WHERE c.code LIKE 'W-%' AND v.title = vid.title $$;
CREATE FUNCTION pg_temp.cid(code text) RETURNS bigint LANGUAGE sql AS $$ SELECT c.id FROM sc.courses AS c WHERE c.code = cid.code $$;
-- a heartbeat at so many seconds after the grant
CREATE FUNCTION pg_temp.beat(title text, at int, watched float8 DEFAULT NULL, total float8 DEFAULT NULL, pos float8 DEFAULT NULL, spans int4multirange DEFAULT NULL,
                             OUT percent numeric, OUT covered int, OUT pos_s int, OUT completed boolean, OUT watched_s int, OUT total_s int)
LANGUAGE sql AS $$
    SELECT p.percent, p.covered_seconds, p.position_s, p.completed_at IS NOT NULL, p.watched_seconds, p.total_seconds
    FROM sc.record_progress(pg_temp.uid('ada'), pg_temp.vid(title), watched, total, pos, spans, '2026-03-02 10:00:00Z'::timestamptz + make_interval(secs => at)) AS p $$;
CREATE FUNCTION pg_temp.spans(title text) RETURNS int4multirange LANGUAGE sql AS $$
    SELECT p.segments FROM sc.video_progress AS p WHERE p.user_id = pg_temp.uid('ada') AND p.video_id = pg_temp.vid(title) $$;

INSERT INTO sc.users (email, full_name, role_id, is_active)
SELECT x.name || '@watch.test', initcap(x.name), r.id, x.name <> 'gone'
FROM (VALUES ('hoca', 'teacher'), ('baska', 'teacher'), ('ada', 'student'), ('eda', 'student'), ('gone', 'student'), ('mudur', 'admin')) AS x(name, role)
JOIN sc.roles AS r ON r.name = x.role;
INSERT INTO sc.courses (code, title, teacher_id, is_published, strict_progress, sequential, completion_percent)
SELECT x.code, x.code, pg_temp.uid('hoca'), x.published, x.strict, x.sequential, x.threshold
FROM (VALUES ('W-FREE', true, false, false, 90), ('W-STRICT', true, true, false, 90), ('W-STEPS', true, false, true, 50), ('W-DRAFT', false, false, false, 90)) AS x(code, published, strict, sequential, threshold);
INSERT INTO sc.topics (course_id, title, order_index, unlocks_at)
SELECT pg_temp.cid('W-STEPS'), x.title, x.place, x.unlocks FROM (VALUES ('one', 1, NULL), ('empty', 2, NULL), ('two', 3, NULL), ('later', 4, '2099-01-01Z'::timestamptz)) AS x(title, place, unlocks);
INSERT INTO sc.videos (course_id, topic_id, youtube_id, title, duration, order_index, is_preview)
SELECT pg_temp.cid(x.code), (SELECT t.id FROM sc.topics AS t WHERE t.course_id = pg_temp.cid(x.code) AND t.title = x.topic),
       'yt_________', x.title, x.duration, row_number() OVER (), x.preview
FROM (VALUES ('W-FREE', NULL, 'plain', 600, false), ('W-FREE', NULL, 'spans', 600, false), ('W-FREE', NULL, 'unknown', 0, false), ('W-FREE', NULL, 'preview', 100, true),
             ('W-STRICT', NULL, 'strict', 600, false), ('W-STRICT', NULL, 'many', 86400, false), ('W-DRAFT', NULL, 'draft', 100, false),
             ('W-STEPS', 'one', 'step 1', 100, false), ('W-STEPS', 'two', 'step 2', 100, false), ('W-STEPS', 'later', 'step 3', 100, false)) AS x(code, topic, title, duration, preview);
INSERT INTO sc.enrollments (user_id, course_id) SELECT pg_temp.uid('ada'), c.id FROM sc.courses AS c WHERE c.code LIKE 'W-%' AND c.code <> 'W-DRAFT';

-- 1. the aggregate
SELECT sc.coverage(x) FROM (VALUES (int4range(0, 12)), (int4range(18, 30)), (int4range(14, 21))) AS v(x);
SELECT sc.coverage(x), sc.coverage(int4multirange(x)) FROM (VALUES (NULL::int4range), ('empty')) AS v(x);
SELECT sc.coverage(x) FROM (SELECT NULL::int4range AS x) AS v;
SELECT sc.coverage(x) FROM (VALUES (int4range(NULL, 5)), (int4range(7, NULL)), (int4range(2147483646, 2147483647))) AS v(x);
SELECT sc.coverage(x) FROM (VALUES ('{[5,7),[1,2)}'::int4multirange), ('{[2,5)}'), ('{}')) AS v(x);
SELECT sc.coverage_seconds('{[0,10),[20,25)}'), sc.coverage_seconds('{}'), sc.coverage_seconds('{[-2147483648,2147483647)}');
SAVEPOINT s; SELECT sc.coverage_seconds('{(,5)}'); ROLLBACK TO s;
SELECT sc.coverage(r) = range_agg(r) AS same FROM (SELECT int4range((i * 7919) % 10007, (i * 7919) % 10007 + 1 + i % 5) AS r FROM generate_series(1, 20000) AS i) AS x;

-- 2. reasons
SELECT x.who, x.title, a.* FROM (VALUES ('ada', 'plain'), ('eda', 'plain'), ('gone', 'plain'), ('hoca', 'plain'), ('baska', 'plain'), ('mudur', 'plain'), ('eda', 'preview'),
    ('ada', 'draft'), ('hoca', 'draft'), ('mudur', 'draft'), ('ada', 'step 1'), ('ada', 'step 2'), ('ada', 'step 3'), ('hoca', 'step 3'), ('ada', 'nothing')) AS x(who, title),
    sc.video_access(pg_temp.uid(x.who), pg_temp.vid(x.title)) AS a;
SELECT a.* FROM (VALUES (NULL::bigint, 1::bigint), (1, NULL), (-1, -1)) AS x(u, v), sc.video_access(x.u, x.v) AS a;
CREATE FUNCTION pg_temp.as_if(state text, ends interval) RETURNS text LANGUAGE plpgsql AS $$
BEGIN
    UPDATE sc.enrollments SET status = state, expires_at = clock_timestamp() + ends WHERE user_id = pg_temp.uid('ada') AND course_id = pg_temp.cid('W-FREE');
    RETURN (sc.video_access(pg_temp.uid('ada'), pg_temp.vid('plain'))).reason || ' ' || sc.is_enrolled(pg_temp.uid('ada'), pg_temp.cid('W-FREE'));
END $$;
SELECT e.status, e.ends, pg_temp.as_if(e.status, e.ends::interval)
FROM (VALUES ('completed', NULL), ('completed', '-1 s'), ('suspended', NULL), ('suspended', '-1 s'), ('cancelled', NULL), ('expired', NULL), ('active', '-1 s'), ('active', '1 h'), ('active', NULL)) AS e(status, ends);

-- 3. the plain body: one span from 0, monotonic, clamped; the known duration wins
SELECT * FROM pg_temp.beat('plain', 10, 450, 1200);
SELECT * FROM pg_temp.beat('plain', 20, 300, 300);
SELECT * FROM pg_temp.beat('plain', 30, -5, 1200);
SELECT * FROM pg_temp.beat('plain', 40, 539.99, 1200);
SELECT * FROM pg_temp.beat('plain', 50, 540, 1200);
SELECT * FROM pg_temp.beat('plain', 60, 'infinity', '-infinity', 1e300);
SELECT pg_temp.spans('plain');
SAVEPOINT s; SELECT * FROM pg_temp.beat('plain', 70, 'NaN', 1200); ROLLBACK TO s;
SAVEPOINT s; SELECT sc.record_progress(NULL, 1, 1, 1); ROLLBACK TO s;
-- a late one adds its seconds and leaves the position alone
SELECT * FROM pg_temp.beat('spans', 100, 200, 600);
SELECT * FROM pg_temp.beat('spans', 50, 210, 600);
-- no duration yet: what the player says, the longest of it
SELECT * FROM pg_temp.beat('unknown', 10, 50, 100);
SELECT * FROM pg_temp.beat('unknown', 20, 60, 80);
SELECT * FROM pg_temp.beat('unknown', 30, 70, 200);
-- the duration comes to be known: percentages follow, completion would stay
UPDATE sc.videos SET duration = 140 WHERE id = pg_temp.vid('unknown');
SELECT percent, total_seconds FROM sc.video_progress WHERE user_id = pg_temp.uid('ada') AND video_id = pg_temp.vid('unknown');
-- nobody who may not watch
SAVEPOINT s; SELECT sc.record_progress(pg_temp.uid('eda'), pg_temp.vid('plain'), 10, 100); ROLLBACK TO s;
SAVEPOINT s; SELECT sc.record_progress(pg_temp.uid('ada'), pg_temp.vid('draft'), 10, 100); ROLLBACK TO s;

-- 4. spans: union, and a budget of twice the time since the last heartbeat and 30 lent seconds
SELECT can_access, reason, position_s FROM sc.grant_video(pg_temp.uid('ada'), pg_temp.vid('strict'), NULL, NULL, NULL, '2026-03-02 10:00:00Z');
-- seeking to the end completes nothing
SELECT * FROM pg_temp.beat('strict', 10, spans => '{[590,600)}');
SELECT pg_temp.spans('strict');
-- all at once: cut, not refused; 10 s of 50 were used, so 40 lie unused and are forgotten
SELECT * FROM pg_temp.beat('strict', 10, spans => '{[0,600)}');
-- a burst buys nothing more
SELECT * FROM pg_temp.beat('strict', 10, spans => '{[0,600)}');
-- 10 s later: 20 to pay back the loan of 30
SELECT * FROM pg_temp.beat('strict', 20, spans => '{[0,600)}');
-- a minute later the loan is paid back and there are 120 + 20
SELECT * FROM pg_temp.beat('strict', 80, spans => '{[0,600)}');
-- watching at double speed is never cut
SELECT max(b.covered) AS covered FROM generate_series(1, 20) AS i, pg_temp.beat('strict', 80 + 10 * i, spans => int4multirange(int4range(180 + 20 * i - 20, 180 + 20 * i))) AS b;
SELECT percent, completed_at IS NOT NULL AS completed FROM sc.video_progress WHERE user_id = pg_temp.uid('ada') AND video_id = pg_temp.vid('strict');
-- a strict course holds the plain body to the clock as well
SELECT * FROM pg_temp.beat('many', 1000, 86400, 86400);
-- outside of the video there is nothing to watch
SELECT * FROM pg_temp.beat('many', 2000, spans => '{[-50,-1),[86400,90000)}');
SELECT * FROM pg_temp.beat('many', 2000, spans => '{}');
-- at most 200 spans are kept; the nearest grow together, if the clock allows that much
UPDATE sc.video_progress SET segments = (SELECT range_agg(int4range(i * 100, i * 100 + 1)) FROM generate_series(0, 199) AS i), covered_seconds = 200
WHERE user_id = pg_temp.uid('ada') AND video_id = pg_temp.vid('many');
SELECT * FROM pg_temp.beat('many', 2000, spans => '{[50000,50001)}');
SELECT * FROM pg_temp.beat('many', 3000, spans => '{[50000,50001)}');
SELECT (SELECT count(*) FROM unnest(pg_temp.spans('many'))) AS spans, sc.coverage_seconds(pg_temp.spans('many'));

-- 5. over HTTP
SELECT body - 'video_id' - 'completed_at' AS body FROM pg_temp.call(600, 'ada', ARRAY[pg_temp.vid('spans')::text]);
SELECT x.who, x.title, c.status, c.code FROM (VALUES ('eda', 'plain'), ('ada', 'draft'), ('ada', 'step 2'), ('eda', 'preview')) AS x(who, title), pg_temp.call(600, x.who, ARRAY[pg_temp.vid(x.title)::text]) AS c;
SELECT split_part(u.email, '@', 1) AS who, v.title, l.granted, l.reason, l.ip, l.request_id, l.session_id IS NOT NULL AS session
FROM sc.video_access_log AS l JOIN sc.users AS u ON u.id = l.user_id JOIN sc.videos AS v ON v.id = l.video_id WHERE l.request_id = 'test' AND u.email LIKE '%@watch.test' ORDER BY l.at;
SELECT status, body - 'video_id' AS body FROM pg_temp.call(601, 'ada', ARRAY[pg_temp.vid('spans')::text], '{"segments": [{"from": 200, "to": 212.5, "rate": 1}, {"from": 212.5, "to": 220.4, "rate": 1.5}]}');
-- no span at all does not move the player
SELECT status, body - 'video_id' AS body FROM pg_temp.call(601, 'ada', ARRAY[pg_temp.vid('spans')::text], '{"segments": []}');
SELECT b.n, c.status, coalesce(c.body#>>'{errors,0,code}', c.code) AS code
FROM unnest(ARRAY['{}', '{"segments": 5}', '{"segments": [{"from": 1}]}', '{"segments": [{"from": "1", "to": 2}]}', '{"segments": [{"from": 1, "to": 2, "rate": "x"}]}', '{"segments": [null]}',
                  '{"watched_seconds": "5"}', '{"watched_seconds": 1e400}', '{"watched_seconds": 5, "speed": 2}', '{"segments": [{"from": 1e300, "to": -1e300}]}']::jsonb[]) WITH ORDINALITY AS b(sent, n),
     pg_temp.call(601, 'ada', ARRAY[pg_temp.vid('spans')::text], b.sent) AS c;
SELECT status, code FROM pg_temp.call(601, 'eda', ARRAY[pg_temp.vid('plain')::text], '{"watched_seconds": 5}');
SELECT status, code FROM pg_temp.call(601, 'ada', '{999999999}', '{"watched_seconds": 5}');
SELECT status, touched FROM pg_temp.call(601, 'ada', ARRAY[pg_temp.vid('plain')::text], '{"watched_seconds": 5, "total_seconds": 600}');
SELECT status, body - 'video_id' AS body FROM pg_temp.call(603, 'eda', ARRAY[pg_temp.vid('plain')::text]);

-- 6. heartbeats kept offline: each at its own time, one refusal stops no other
SELECT status, (SELECT jsonb_agg(i - 'video_id' - 'completed_at') FROM jsonb_array_elements(body->'items') AS i) AS items
FROM pg_temp.call(602, 'eda', '{}', jsonb_build_object('heartbeats', jsonb_build_array(
    jsonb_build_object('video_id', pg_temp.vid('preview'), 'at', to_char(clock_timestamp() - interval '20 s', 'YYYY-MM-DD"T"HH24:MI:SS"Z"'), 'segments', '[{"from": 20, "to": 40}]'::jsonb),
    jsonb_build_object('video_id', pg_temp.vid('preview'), 'at', to_char(clock_timestamp() - interval '40 s', 'YYYY-MM-DD"T"HH24:MI:SS"Z"'), 'segments', '[{"from": 0, "to": 20}]'::jsonb),
    jsonb_build_object('video_id', pg_temp.vid('plain'), 'at', to_char(clock_timestamp(), 'YYYY-MM-DD"T"HH24:MI:SS"Z"'), 'watched_seconds', 5),
    jsonb_build_object('video_id', pg_temp.vid('preview'), 'at', 'yesterday', 'watched_seconds', 5),
    jsonb_build_object('video_id', pg_temp.vid('preview'), 'at', '2026-02-30T10:00:00Z', 'watched_seconds', 5),
    jsonb_build_object('video_id', '7'::text, 'at', '2001-02-03T10:00:00Z', 'watched_seconds', 5),
    '5'::jsonb)));
SELECT status, body#>>'{errors,0,code}' AS fault FROM pg_temp.call(602, 'eda', '{}', '{"heartbeats": []}');

-- 7. topics open one after the other; the last video completes the course
SELECT a.reason FROM sc.record_progress(pg_temp.uid('ada'), pg_temp.vid('step 1'), 49, 100), sc.video_access(pg_temp.uid('ada'), pg_temp.vid('step 2')) AS a;
SELECT completed FROM pg_temp.beat('step 1', 10, 50, 100);
SELECT (sc.video_access(pg_temp.uid('ada'), pg_temp.vid('step 2'))).reason, (sc.video_access(pg_temp.uid('ada'), pg_temp.vid('step 3'))).reason AS by_date;
SELECT i->>'title' AS title, i->'is_locked' AS locked, i->'percent' AS percent FROM pg_temp.call(604, 'ada', ARRAY[pg_temp.cid('W-STEPS')::text]) AS c, jsonb_array_elements(c.body->'videos') AS i;
SELECT status, code FROM pg_temp.call(606, 'ada', ARRAY[pg_temp.vid('step 2')::text], jsonb_build_object('user_id', pg_temp.uid('ada')));
SELECT status, code FROM pg_temp.call(606, 'baska', ARRAY[pg_temp.vid('step 2')::text], jsonb_build_object('user_id', pg_temp.uid('ada')));
SELECT status, body#>>'{errors,0,code}' AS fault FROM pg_temp.call(606, 'hoca', ARRAY[pg_temp.vid('step 2')::text], jsonb_build_object('user_id', pg_temp.uid('eda')));
SELECT t.title, c.status
FROM (VALUES ('step 2'), ('step 3'), ('step 3')) AS t(title), pg_temp.call(606, 'hoca', ARRAY[pg_temp.vid(t.title)::text], jsonb_build_object('user_id', pg_temp.uid('ada'))) AS c;
SELECT status, completed_at IS NOT NULL AS completed FROM sc.enrollments WHERE user_id = pg_temp.uid('ada') AND course_id = pg_temp.cid('W-STEPS');
SELECT videos_total, videos_completed, covered_seconds, total_seconds, percent FROM sc.course_progress(pg_temp.uid('ada'), pg_temp.cid('W-STEPS'));
-- a new lesson: less than all, yet the course stays completed
INSERT INTO sc.videos (course_id, youtube_id, title, duration, order_index) VALUES (pg_temp.cid('W-STEPS'), 'yt_________', 'extra', 100, 1);
SELECT videos_total, videos_completed, percent FROM sc.course_progress(pg_temp.uid('ada'), pg_temp.cid('W-STEPS'));

-- 8. the sums agree with each other, and with plain SQL
SELECT count(*) AS courses, bool_and(ROW(m.videos_total, m.videos_completed, m.watched_seconds, m.covered_seconds, m.total_seconds, m.percent) =
                                     ROW(o.videos_total, o.videos_completed, o.watched_seconds, o.covered_seconds, o.total_seconds, o.percent)) AS same
FROM sc.course_progress_of_user(pg_temp.uid('ada')) AS m, sc.course_progress(m.user_id, m.course_id) AS o;
SELECT count(*) AS students, bool_and(m.percent = r.percent AND m.videos_completed = r.videos_completed AND m.watched_seconds = r.watched_seconds) AS as_reported
FROM sc.course_progress_of_students(pg_temp.cid('W-FREE')) AS m JOIN sc_report.course_progress AS r USING (user_id, course_id);
SELECT * FROM sc.course_progress(-1, -1);
SELECT count(*) FROM sc.course_progress_of_students(-1);
SELECT w.who, c.status FROM unnest('{ada,eda,hoca,baska,mudur}'::text[]) AS w(who), pg_temp.call(604, w.who, ARRAY[pg_temp.cid('W-FREE')::text], NULL, 'user_id=' || pg_temp.uid('ada')) AS c;
SELECT w.who, c.status, c.body->'total' AS total FROM unnest('{ada,hoca,baska,mudur}'::text[]) AS w(who), pg_temp.call(605, w.who, ARRAY[pg_temp.cid('W-FREE')::text]) AS c;
SELECT w.who, c.status FROM unnest('{hoca,mudur}'::text[]) AS w(who), pg_temp.call(620, w.who) AS c;
-- analysts see reports and nothing else
SET LOCAL ROLE sc_reader;
SELECT videos_total FROM sc.course_progress(0, 0);
SELECT count(*) >= 0 AS readable FROM sc_report.access_by_day;
SAVEPOINT s; SELECT count(*) FROM sc.videos; ROLLBACK TO s;
SAVEPOINT s; SELECT sc.record_progress(1, 1, 1, 1); ROLLBACK TO s;
ROLLBACK;

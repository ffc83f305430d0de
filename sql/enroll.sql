-- Enrolments: seats, rules of enrolling oneself, expiry, staff.
BEGIN;
SET LOCAL client_min_messages = warning;
CREATE FUNCTION pg_temp.call(route int, who text, path text[] DEFAULT '{}', sent jsonb DEFAULT NULL, query text DEFAULT '', n text DEFAULT '',
                             OUT status int, OUT code text, OUT body jsonb, OUT touched text[], OUT headers jsonb)
LANGUAGE plpgsql AS $$
DECLARE
    d record;
BEGIN
    SELECT * INTO d FROM sc_api.dispatch(route, (SELECT u.id FROM sc.users AS u WHERE u.email = who || '@enroll.test'), gen_random_uuid(),
                                         (extract(epoch FROM clock_timestamp()) * 1000)::bigint, path, query, sent::text,
                                         '{"ip": "192.0.2.1", "lang": "en", "request_id": "test", "touch": "ack"}');
    status := d.status; body := d.body::jsonb; code := body->>'code'; touched := d.touched; headers := d.headers;
END
$$;
CREATE FUNCTION pg_temp.uid(who text) RETURNS bigint LANGUAGE sql AS $$ SELECT u.id FROM sc.users AS u WHERE u.email = who || '@enroll.test' $$;
CREATE FUNCTION pg_temp.course(code text) RETURNS text LANGUAGE sql AS $$ SELECT c.id::text FROM sc.courses AS c WHERE c.code = course.code $$;
CREATE FUNCTION pg_temp.taken(code text) RETURNS int LANGUAGE sql AS $$
    SELECT s.taken FROM sc.course_seats AS s JOIN sc.courses AS c ON c.id = s.course_id WHERE c.code = taken.code $$;
INSERT INTO sc.users (email, full_name, role_id, email_verified_at)
SELECT x.name || '@enroll.test', initcap(x.name), r.id, CASE WHEN x.name <> 'cem' THEN clock_timestamp() END
FROM (VALUES ('hoca', 'teacher'), ('baska', 'teacher'), ('ali', 'student'), ('bora', 'student'), ('cem', 'student'), ('veli', 'parent'), ('mudur', 'admin')) AS x(name, role)
JOIN sc.roles AS r ON r.name = x.role;
INSERT INTO sc.courses (code, title, teacher_id, is_published, capacity, self_enroll, access_days, requires_verified_email)
SELECT x.code, x.code, pg_temp.uid('hoca'), x.published, x.capacity, x.self_enroll, x.days, x.verified
FROM (VALUES ('E-ONE', true, 1, true, NULL::int, false), ('E-STAFF', true, NULL, false, NULL, false), ('E-DRAFT', false, NULL, true, NULL, false),
             ('E-DAYS', true, NULL, true, 30, false), ('E-VERIFIED', true, NULL, true, NULL, true)) AS x(code, published, capacity, self_enroll, days, verified);

-- 1. the last seat
SELECT status, body->>'status' AS state, body->>'source' AS source, touched = ARRAY['0:sc:user:' || pg_temp.uid('ali') || ':enrollments'] AS only_hers
FROM pg_temp.call(500, 'ali', ARRAY[pg_temp.course('E-ONE')]);
SELECT status, code FROM pg_temp.call(500, 'ali', ARRAY[pg_temp.course('E-ONE')]);
SELECT status, code, body->'capacity' AS capacity, body->>'detail' AS detail FROM pg_temp.call(500, 'bora', ARRAY[pg_temp.course('E-ONE')]);
SELECT body - 'course_id' AS seats FROM pg_temp.call(418, 'bora', ARRAY[pg_temp.course('E-ONE')]);
-- staff cannot oversell either, nor can SQL
SELECT status, code FROM pg_temp.call(504, 'mudur', ARRAY[pg_temp.course('E-ONE')], jsonb_build_object('user_id', pg_temp.uid('bora')));
SAVEPOINT s;
INSERT INTO sc.enrollments (user_id, course_id) VALUES (pg_temp.uid('bora'), pg_temp.course('E-ONE')::bigint);
ROLLBACK TO s;
-- given up, it is free; taken by another, it is gone for the first
SELECT status FROM pg_temp.call(501, 'ali', ARRAY[pg_temp.course('E-ONE')]);
SELECT status, code FROM pg_temp.call(501, 'ali', ARRAY[pg_temp.course('E-ONE')]);
SELECT pg_temp.taken('E-ONE');
SELECT status FROM pg_temp.call(500, 'bora', ARRAY[pg_temp.course('E-ONE')]);
SELECT status, code FROM pg_temp.call(500, 'ali', ARRAY[pg_temp.course('E-ONE')]);
SELECT status, code, body->'taken' AS taken FROM pg_temp.call(413, 'hoca', ARRAY[pg_temp.course('E-ONE')], '{"capacity": 0}');
-- an expired place gives its seat to who asks next, job or no job
UPDATE sc.enrollments SET expires_at = clock_timestamp() - interval '1 s' WHERE user_id = pg_temp.uid('bora');
SELECT i->>'status' AS state FROM pg_temp.call(502, 'bora') AS c, jsonb_array_elements(c.body->'items') AS i;
SELECT status FROM pg_temp.call(500, 'ali', ARRAY[pg_temp.course('E-ONE')]);
SELECT status, code FROM pg_temp.call(500, 'bora', ARRAY[pg_temp.course('E-ONE')]);
SELECT pg_temp.taken('E-ONE'), sc.recount_seats() AS wrong_counts;

-- 2. courses that do not want to be entered so
SELECT x.code AS course, c.status, c.code FROM unnest('{E-STAFF,E-DRAFT,E-VERIFIED}'::text[]) AS x(code), pg_temp.call(500, 'cem', ARRAY[pg_temp.course(x.code)]) AS c;
SELECT status FROM pg_temp.call(500, 'ali', ARRAY[pg_temp.course('E-VERIFIED')]);
SELECT status, code FROM pg_temp.call(500, 'veli', ARRAY[pg_temp.course('E-DAYS')]);
SELECT status, code FROM pg_temp.call(500, 'ali', '{999999999}');
UPDATE sc.settings SET value = 'yes' WHERE name = 'enroll_requires_verified_email';
SELECT status, code FROM pg_temp.call(500, 'cem', ARRAY[pg_temp.course('E-DAYS')]);
UPDATE sc.settings SET value = 'no' WHERE name = 'enroll_requires_verified_email';

-- 3. time that was given is not renewed by leaving and coming back
SELECT status, (body->>'expires_at')::timestamptz - clock_timestamp() BETWEEN '29 days 23 hours' AND '30 days' AS a_month FROM pg_temp.call(500, 'cem', ARRAY[pg_temp.course('E-DAYS')]);
UPDATE sc.enrollments SET expires_at = clock_timestamp() + interval '1 day' WHERE user_id = pg_temp.uid('cem');
SELECT status FROM pg_temp.call(501, 'cem', ARRAY[pg_temp.course('E-DAYS')]);
SELECT status, (body->>'expires_at')::timestamptz < clock_timestamp() + interval '1 day' AS same_end FROM pg_temp.call(500, 'cem', ARRAY[pg_temp.course('E-DAYS')]);
UPDATE sc.enrollments SET expires_at = clock_timestamp() - interval '1 s' WHERE user_id = pg_temp.uid('cem');
SELECT status, code FROM pg_temp.call(500, 'cem', ARRAY[pg_temp.course('E-DAYS')]);
SELECT status, code FROM pg_temp.call(501, 'cem', ARRAY[pg_temp.course('E-DAYS')]);
SELECT sc.expire_enrollments(pg_temp.course('E-DAYS')::bigint), sc.expire_enrollments(pg_temp.course('E-DAYS')::bigint) AS again;

-- 4. suspended: no way out by oneself
SELECT e.id AS place FROM sc.enrollments AS e WHERE e.user_id = pg_temp.uid('ali') AND e.course_id = pg_temp.course('E-ONE')::bigint \gset
SELECT status, body->>'status' AS state FROM pg_temp.call(506, 'hoca', ARRAY[:'place'], '{"status": "suspended"}');
SELECT status, code FROM pg_temp.call(501, 'ali', ARRAY[pg_temp.course('E-ONE')]);
SELECT status, code FROM pg_temp.call(500, 'ali', ARRAY[pg_temp.course('E-ONE')]);
SELECT pg_temp.taken('E-ONE');

-- 5. staff: their own courses only; renewal
SELECT w.who, c.status FROM unnest('{hoca,baska,ali,mudur}'::text[]) AS w(who), pg_temp.call(503, w.who, ARRAY[pg_temp.course('E-ONE')]) AS c;
SELECT i->>'full_name' AS name, i->>'status' AS state FROM pg_temp.call(503, 'hoca', ARRAY[pg_temp.course('E-ONE')]) AS c, jsonb_array_elements(c.body->'items') AS i;
SELECT c.body->'total' AS found FROM unnest('{ALI,ali@,b,zzz}'::text[]) AS q(q), pg_temp.call(503, 'hoca', ARRAY[pg_temp.course('E-ONE')], NULL, 'q=' || q.q) AS c;
SELECT status, code FROM pg_temp.call(506, 'baska', ARRAY[:'place'], '{"status": "active"}');
SELECT w.who, c.status FROM unnest('{ali,bora,hoca,baska,mudur}'::text[]) AS w(who), pg_temp.call(505, w.who, ARRAY[:'place']) AS c;
SELECT status, body#>>'{errors,0,code}' AS fault FROM pg_temp.call(506, 'hoca', ARRAY[:'place'], '{"status": "completed"}');
SELECT status, body#>>'{errors,0,field}' AS field, body#>>'{errors,0,code}' AS fault FROM pg_temp.call(504, 'hoca', ARRAY[pg_temp.course('E-STAFF')], '{"user_id": 999999999}');
-- a stranger is answered like nobody, and her card stays shut; the office enrols anybody; in the teacher's class she is none
SAVEPOINT s;
SELECT status, body#>>'{errors,0,code}' AS fault FROM pg_temp.call(504, 'hoca', ARRAY[pg_temp.course('E-STAFF')], jsonb_build_object('user_id', pg_temp.uid('bora')));
SELECT status FROM pg_temp.call(204, 'hoca', ARRAY[pg_temp.uid('bora')::text]);
SELECT status FROM pg_temp.call(504, 'mudur', ARRAY[pg_temp.course('E-STAFF')], jsonb_build_object('user_id', pg_temp.uid('bora')));
SELECT status FROM pg_temp.call(204, 'hoca', ARRAY[pg_temp.uid('bora')::text]);
ROLLBACK TO s;
INSERT INTO sc.seasons (name, starts_on, ends_on) VALUES ('enroll test', '2026-09-01', '2027-08-31');
INSERT INTO sc.groups (season_id, name, teacher_id) SELECT id, 'E-9A', pg_temp.uid('hoca') FROM sc.seasons WHERE name = 'enroll test';
INSERT INTO sc.group_members (group_id, student_id, valid_from) SELECT id, pg_temp.uid('cem'), '2020-01-01' FROM sc.groups WHERE name = 'E-9A';
SELECT status, body#>>'{errors,0,code}' AS fault FROM pg_temp.call(504, 'hoca', ARRAY[pg_temp.course('E-STAFF')], jsonb_build_object('user_id', pg_temp.uid('cem'), 'expires_at', '2001-01-01T00:00:00Z'));
SELECT status, body->>'source' AS source FROM pg_temp.call(504, 'hoca', ARRAY[pg_temp.course('E-STAFF')], jsonb_build_object('user_id', pg_temp.uid('cem'), 'expires_at', to_char(clock_timestamp() + interval '2 days', 'YYYY-MM-DD"T"HH24:MI:SS"Z"')));
SELECT status, code FROM pg_temp.call(504, 'hoca', ARRAY[pg_temp.course('E-STAFF')], jsonb_build_object('user_id', pg_temp.uid('cem')));
-- sc.enroll for others: a place held is lengthened, never cut short
SELECT sc.enroll(pg_temp.uid('cem'), pg_temp.course('E-STAFF')::bigint, 'package', clock_timestamp() + interval '9 days') IS NOT NULL AS longer,
       sc.enroll(pg_temp.uid('cem'), pg_temp.course('E-STAFF')::bigint, 'package', clock_timestamp() + interval '1 day') IS NOT NULL AS shorter;
-- an expired place comes back with a new end
UPDATE sc.enrollments SET status = 'expired', expires_at = clock_timestamp() - interval '1 s' WHERE user_id = pg_temp.uid('cem') AND source = 'staff' RETURNING id AS old \gset
SELECT status, body->>'status' AS state FROM pg_temp.call(506, 'hoca', ARRAY[:'old'], '{"expires_at": null}');
SELECT bool_and(s.taken = (SELECT count(*) FROM sc.enrollments AS e WHERE e.course_id = s.course_id AND sc.holds_seat(e.status))) AS counts_right
FROM sc.course_seats AS s;
DELETE FROM sc.users WHERE email = 'cem@enroll.test';
SELECT pg_temp.taken('E-STAFF') AS left_behind;
ROLLBACK;

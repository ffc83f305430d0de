-- Packages: several courses given to users or a class until a date.
BEGIN;
CREATE FUNCTION pg_temp.call(route int, actor bigint, path text[] DEFAULT '{}', sent jsonb DEFAULT NULL, n int DEFAULT 0, OUT status int, OUT code text, OUT body jsonb)
LANGUAGE plpgsql AS $$
DECLARE
    d record;
BEGIN
    SELECT * INTO d FROM sc_api.dispatch(route, actor, gen_random_uuid(), sc.epoch_ms(clock_timestamp() + interval '1 minute'), path, '', sent::text, '{"lang": "en", "touch": "ack"}');
    status := d.status; body := d.body::jsonb; code := CASE WHEN d.status >= 400 THEN body ->> 'code' END;
END
$$;
CREATE FUNCTION pg_temp.who(name text) RETURNS bigint LANGUAGE sql AS $$ SELECT id FROM sc.users WHERE email = name || '@package.test' $$;
INSERT INTO sc.users (email, full_name, role_id) SELECT n || '@package.test', n, CASE n WHEN 'admin' THEN 5 WHEN 'teacher' THEN 3 ELSE 1 END FROM unnest('{admin,teacher,s1,s2,s3}'::text[]) AS n;
INSERT INTO sc.students (user_id) SELECT pg_temp.who(n) FROM unnest('{s1,s2,s3}'::text[]) AS n;
INSERT INTO sc.courses (code, title, capacity) VALUES ('PK-1', 'Bir', NULL), ('PK-2', 'İki', 2), ('PK-3', 'Silinmiş', NULL);
UPDATE sc.courses SET is_active = false WHERE code = 'PK-3';
CREATE FUNCTION pg_temp.course(c text) RETURNS bigint LANGUAGE sql AS $$ SELECT id FROM sc.courses WHERE code = c $$;

-- 1. made, seen, changed
SELECT c.status, c.code, jsonb_array_length(c.body -> 'course_ids') AS courses
FROM unnest(ARRAY[jsonb_build_object('name', 'TYT Paketi', 'course_ids', ARRAY[pg_temp.course('PK-1')], 'ends_at', '2099-06-30T21:00:00Z'),
                  jsonb_build_object('name', 'TYT Paketi', 'course_ids', ARRAY[pg_temp.course('PK-1')]), jsonb_build_object('name', 'X', 'course_ids', ARRAY[pg_temp.course('PK-3')]),
                  '{"name": "X", "course_ids": [999999999]}', '{"name": "X", "course_ids": [], "season_id": 999999999}', '{"name": "Boş", "course_ids": []}']) AS b,
     pg_temp.call(361, pg_temp.who('admin'), sent => b) AS c;
SELECT id AS package FROM sc.packages WHERE name = 'TYT Paketi' \gset
SELECT c.status, jsonb_array_length(c.body -> 'course_ids') AS courses, c.body ->> 'ends_at' AS ends_at
FROM unnest(ARRAY[jsonb_build_object('course_ids', ARRAY[pg_temp.course('PK-1'), pg_temp.course('PK-2')]), '{"name": "TYT Paketi"}']) AS b, pg_temp.call(363, pg_temp.who('admin'), ARRAY[:'package'], b) AS c;
SELECT a, c.status FROM unnest('{admin,teacher,s1}'::text[]) AS a, pg_temp.call(362, pg_temp.who(a), ARRAY[:'package']) AS c;
SELECT c.status, c.code FROM pg_temp.call(362, pg_temp.who('admin'), '{999999999}') AS c;

-- 2. given: every course until the package ends; giving it again changes nothing
SELECT n, c.status, c.body FROM generate_series(1, 2) AS n, pg_temp.call(364, pg_temp.who('admin'), ARRAY[:'package'], jsonb_build_object('user_ids', ARRAY[pg_temp.who('s1'), pg_temp.who('s1')]), n) AS c;
SELECT u.full_name, k.code, e.status, e.source, e.package_id = :package AS by_package, to_char(e.expires_at AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI') AS expires_at
FROM sc.enrollments AS e JOIN sc.users AS u ON u.id = e.user_id JOIN sc.courses AS k ON k.id = e.course_id WHERE k.code LIKE 'PK-%' ORDER BY 1, 2;
-- a class; one seat is left and two want it, so nobody gets anything
INSERT INTO sc.seasons (name, starts_on, ends_on) VALUES ('package test', sc.today(), sc.today() + 1);
INSERT INTO sc.groups (season_id, name) SELECT id, 'PK' FROM sc.seasons WHERE name = 'package test';
SELECT id AS grp FROM sc.groups WHERE name = 'PK' \gset
INSERT INTO sc.group_members (group_id, student_id) SELECT :grp, pg_temp.who(n) FROM unnest('{s2,s3}'::text[]) AS n;
SELECT c.status, c.code FROM pg_temp.call(364, pg_temp.who('admin'), ARRAY[:'package'], jsonb_build_object('group_id', :grp)) AS c;
SELECT count(*) FROM sc.enrollments AS e JOIN sc.courses AS k ON k.id = e.course_id WHERE k.code LIKE 'PK-%';
UPDATE sc.courses SET capacity = 3 WHERE code = 'PK-2';
SELECT c.status, c.body FROM pg_temp.call(364, pg_temp.who('admin'), ARRAY[:'package'], jsonb_build_object('group_id', :grp)) AS c;

-- 3. refused
SELECT c.status, c.code, c.body #>> '{errors,0,code}' AS fault
FROM unnest(ARRAY['{}', '{"user_ids": [], "group_id": 1}', '{"user_ids": []}', '{"user_ids": [999999999]}', '{"user_ids": [null]}', '{"group_id": 999999999}']::jsonb[]) AS b, pg_temp.call(364, pg_temp.who('admin'), ARRAY[:'package'], b) AS c;
SELECT c.status FROM pg_temp.call(363, pg_temp.who('admin'), ARRAY[:'package'], '{"is_active": false}') AS c;
SELECT c.status, c.code FROM pg_temp.call(364, pg_temp.who('admin'), ARRAY[:'package'], jsonb_build_object('group_id', :grp)) AS c;
ROLLBACK;

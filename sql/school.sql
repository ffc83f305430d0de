-- The school's frame: branches, seasons, classes, codes, coaches, guardians, curriculum.
BEGIN;
CREATE FUNCTION pg_temp.call(route int, actor bigint, path text[] DEFAULT '{}', query text DEFAULT '', sent jsonb DEFAULT NULL,
                             OUT status int, OUT code text, OUT body jsonb, OUT touched text[])
LANGUAGE plpgsql AS $$
DECLARE
    d record;
BEGIN
    SELECT * INTO d FROM sc_api.dispatch(route, actor, CASE WHEN actor IS NOT NULL THEN gen_random_uuid() END, sc.epoch_ms(clock_timestamp() + interval '1 minute'),
                                         path, query, sent::text, '{"ip": "192.0.2.1", "lang": "en", "touch": "ack"}');
    status := d.status; body := d.body::jsonb; code := CASE WHEN d.status >= 400 THEN body ->> 'code' END; touched := d.touched;
END
$$;
CREATE FUNCTION pg_temp.who(name text) RETURNS bigint LANGUAGE sql AS $$ SELECT id FROM sc.users WHERE email = name || '@school.test' $$;
CREATE FUNCTION pg_temp.names(body jsonb, field text) RETURNS text LANGUAGE sql AS $$ SELECT string_agg(i ->> field, ', ' ORDER BY n) FROM jsonb_array_elements(body -> 'items') WITH ORDINALITY AS x(i, n) $$;
INSERT INTO sc.users (email, full_name, role_id)
SELECT p.name || '@school.test', p.full_name, r.id
FROM (VALUES ('admin', 'Yönetici', 'admin'), ('teacher', 'Öğretmen', 'teacher'), ('coach', 'Koç Bir', 'coach'), ('coach2', 'Koç İki', 'coach'), ('parent', 'Veli', 'parent'),
             ('s1', 'Çınar', 'student'), ('s2', 'Cem', 'student'), ('s3', 'Ilgaz', 'student')) AS p(name, full_name, role) JOIN sc.roles AS r ON r.name = p.role;
INSERT INTO sc.students (user_id, student_no) SELECT id, 'S-' || split_part(email, '@', 1) FROM sc.users WHERE email ~ '^s[0-9]@school';

-- 1. branches and seasons
SELECT c.status, c.code, c.body - '{id,updated_at}'::text[] AS body
FROM unnest(ARRAY['{"name": " Iğdır  Şubesi ", "city": "Iğdır"}', '{"name": "Iğdır Şubesi"}', '{"name": ""}']::jsonb[]) AS b, pg_temp.call(301, pg_temp.who('admin'), sent => b) AS c;
SELECT id AS branch FROM sc.branches WHERE name = 'Iğdır Şubesi' \gset
SELECT c.status, c.body ->> 'name' AS name, c.body ->> 'city' AS city FROM unnest(ARRAY['{"city": null}', '{"name": "İzmir Şubesi"}', '{}']::jsonb[]) AS b, pg_temp.call(302, pg_temp.who('admin'), ARRAY[:'branch'], sent => b) AS c;
SELECT c.status, c.code FROM unnest(ARRAY['{"name": "2030-2031", "starts_on": "2030-09-01", "ends_on": "2031-06-30"}', '{"name": "2030-2031", "starts_on": "2030-09-01", "ends_on": "2031-06-30"}',
     '{"name": "2032", "starts_on": "2032-09-01", "ends_on": "2032-09-01"}', '{"name": "2033", "starts_on": "2033-02-29", "ends_on": "2034-01-01"}']::jsonb[]) AS b, pg_temp.call(305, pg_temp.who('admin'), sent => b) AS c;
SELECT id AS season FROM sc.seasons WHERE name = '2030-2031' \gset
SELECT a, c.status FROM unnest('{teacher,coach,parent,s1}'::text[]) AS a, pg_temp.call(301, pg_temp.who(a), sent => '{"name": "X"}') AS c;

-- 2. a class and its members, dated
SELECT c.status, c.code, c.body ->> 'name' AS name
FROM unnest(ARRAY[jsonb_build_object('season_id', :season, 'branch_id', :branch, 'name', '12-A', 'grade', 12, 'track', 'SAY', 'teacher_id', pg_temp.who('teacher')),
                  jsonb_build_object('season_id', :season, 'branch_id', :branch, 'name', '12-A'),
                  jsonb_build_object('season_id', :season, 'name', '12-B', 'teacher_id', pg_temp.who('s1')), '{"season_id": 999999999, "name": "12-C", "track": "say"}']) AS b,
     pg_temp.call(311, pg_temp.who('admin'), sent => b) AS c;
SELECT id AS grp FROM sc.groups WHERE season_id = :season \gset
SELECT n, c.status, c.code, pg_temp.names(c.body, 'full_name') AS members
FROM (VALUES (1, jsonb_build_object('student_ids', ARRAY[pg_temp.who('s1'), pg_temp.who('s2'), pg_temp.who('s1')])), (2, jsonb_build_object('student_ids', ARRAY[pg_temp.who('s2'), pg_temp.who('s3')], 'valid_from', sc.today() - 3)),
             (3, jsonb_build_object('student_ids', ARRAY[pg_temp.who('parent')])), (4, '{"student_ids": []}'), (5, '{"student_ids": [null]}')) AS x(n, b), pg_temp.call(316, pg_temp.who('admin'), ARRAY[:'grp'], sent => b) AS c;
SELECT a, c.status, pg_temp.names(c.body, 'student_no') AS members FROM unnest('{admin,teacher,coach,s1}'::text[]) AS a, pg_temp.call(315, pg_temp.who(a), ARRAY[:'grp']) AS c;
-- s1 came today and leaves today: never was there; s3 was there for some days
SELECT s, c.status FROM unnest('{s1,s3,s3}'::text[]) WITH ORDINALITY AS x(s, n), pg_temp.call(317, pg_temp.who('admin'), ARRAY[:'grp', (pg_temp.who(s) + 0 * n)::text]) AS c;
SELECT u.full_name, sc.today() - m.valid_from AS since, sc.today() - m.valid_to AS until FROM sc.group_members AS m JOIN sc.users AS u ON u.id = m.student_id WHERE m.group_id = :grp ORDER BY u.full_name COLLATE "C";
SELECT d, c.status, pg_temp.names(c.body, 'full_name') AS members FROM unnest('{0,1,4}'::int[]) AS d, pg_temp.call(315, pg_temp.who('admin'), ARRAY[:'grp'], 'on_date=' || to_char(sc.today() - d, 'YYYY-MM-DD')) AS c;

-- 3. first-use codes: for those without a password; a code is typed as people type, and is good once
SELECT c.status, i ->> 'full_name' AS name, i ->> 'code' ~ '^[A-Z2-9]{4}-[A-Z2-9]{4}-[A-Z2-9]{4}$' AS code FROM pg_temp.call(318, pg_temp.who('admin'), ARRAY[:'grp']) AS c, jsonb_array_elements(c.body -> 'items') AS i;
SELECT i ->> 'code' AS code FROM pg_temp.call(318, pg_temp.who('admin'), ARRAY[:'grp']) AS c, jsonb_array_elements(c.body -> 'items') AS i \gset
SELECT count(*) AS codes_that_work FROM sc.user_tokens WHERE user_id = pg_temp.who('s2') AND used_at IS NULL;
SELECT n, c.status, c.code, c.body #>> '{user,student_no}' AS student_no, c.body ? 'access_token' AS token
FROM (VALUES (1, 'AAAA-BBBB-CCCC', 'mor-kedi-uzun'), (2, :'code', 's-s2'), (3, lower(replace(:'code', '-', ' ')), 'mor-kedi-uzun'), (4, :'code', 'mor-kedi-uzun')) AS x(n, k, p),
     pg_temp.call(110, NULL, sent => jsonb_build_object('code', k, 'password', p)) AS c;
SELECT status FROM pg_temp.call(101, NULL, sent => '{"student_no": "S-s2", "password": "mor-kedi-uzun"}');
SELECT c.status, c.body FROM pg_temp.call(318, pg_temp.who('admin'), ARRAY[:'grp']) AS c;

-- 4. coaches: one of them the main one
SELECT n, c.status, c.code, (SELECT string_agg(concat(i ->> 'coach_name', CASE WHEN (i ->> 'is_primary')::boolean THEN '*' END), ', ') FROM jsonb_array_elements(c.body -> 'items') AS i) AS coaches
FROM (VALUES (1, 'coach', true), (2, 'coach2', true), (3, 'coach2', true), (4, 'coach', true), (5, 'teacher', true)) AS x(n, k, main),
     pg_temp.call(322, pg_temp.who('admin'), ARRAY[pg_temp.who('s1')::text], sent => jsonb_build_object('coach_id', pg_temp.who(k), 'is_primary', main)) AS c;
SELECT a, c.status, pg_temp.names(c.body, 'student_name') AS students FROM unnest('{coach,coach2,teacher}'::text[]) AS a, pg_temp.call(320, pg_temp.who(a)) AS c;
SELECT a, c.status FROM unnest('{s1,s2,coach,parent,admin}'::text[]) AS a, pg_temp.call(321, pg_temp.who(a), ARRAY[pg_temp.who('s1')::text]) AS c;
SELECT k, c.status FROM unnest('{coach2,teacher}'::text[]) AS k, pg_temp.call(323, pg_temp.who('admin'), ARRAY[pg_temp.who('s1')::text, pg_temp.who(k)::text]) AS c;
SELECT a, c.status, pg_temp.names(c.body, 'student_name') AS students FROM unnest('{coach,coach2}'::text[]) AS a, pg_temp.call(320, pg_temp.who(a)) AS c;

-- 5. guardians: asking tells nothing; the school confirms
SELECT n, c.status, c.body FROM unnest('{S-s1,S-yok,S-s1}'::text[]) WITH ORDINALITY AS x(s, n), pg_temp.call(326, pg_temp.who('parent'), sent => jsonb_build_object('student_no', s, 'relation', CASE n WHEN 3 THEN 'father' ELSE 'mother' END)) AS c;
SELECT c.status, c.body #>> '{items,0,student_name}' AS child, c.body #> '{items,0,approved_at}' AS approved FROM pg_temp.call(325, pg_temp.who('parent')) AS c;
SELECT c.status FROM pg_temp.call(204, pg_temp.who('parent'), ARRAY[pg_temp.who('s1')::text]) AS c;
SELECT id AS relation FROM sc.guardians WHERE guardian_id = pg_temp.who('parent') \gset
SELECT a, c.status, c.body ->> 'student_name' AS child FROM unnest('{parent,teacher,admin}'::text[]) AS a, pg_temp.call(330, pg_temp.who(a), ARRAY[:'relation']) AS c;
SELECT c.body #>> '{items,0,student_name}' AS child, c.body #>> '{items,0,relation}' AS relation FROM pg_temp.call(325, pg_temp.who('parent')) AS c;
SELECT c.status FROM pg_temp.call(204, pg_temp.who('parent'), ARRAY[pg_temp.who('s1')::text]) AS c;
SELECT a, c.status FROM unnest('{s2,parent,parent}'::text[]) WITH ORDINALITY AS x(a, n), pg_temp.call(331, pg_temp.who(a), ARRAY[(:relation + 0 * n)::text]) AS c;
SELECT c.status, c.code FROM unnest(ARRAY[jsonb_build_object('guardian_id', pg_temp.who('parent')), jsonb_build_object('guardian_id', pg_temp.who('s2')), '{"guardian_id": 999999999}',
     jsonb_build_object('guardian_id', pg_temp.who('parent'), 'relation', 'uncle')]) AS b, pg_temp.call(328, pg_temp.who('admin'), ARRAY[pg_temp.who('s2')::text], sent => b) AS c;

-- 6. curriculum, and what an app fetches that was away for a while
SELECT c.status, c.code FROM unnest(ARRAY['{"code": "SCH", "name": "Okul Dersi"}', '{"code": "SCH", "name": "Yine"}', '{"code": "", "name": "Adsız"}']::jsonb[]) AS b, pg_temp.call(341, pg_temp.who('teacher'), sent => b) AS c;
SELECT id AS subject FROM sc.subjects WHERE code = 'SCH' \gset
SELECT c.status, c.code FROM unnest(ARRAY[jsonb_build_object('subject_id', :subject, 'name', 'Ünite', 'grade', 9), jsonb_build_object('subject_id', :subject, 'name', 'Ünite', 'grade', 9),
     jsonb_build_object('subject_id', :subject, 'name', 'X', 'grade', 0), '{"subject_id": 999999999, "name": "X"}']) AS b, pg_temp.call(345, pg_temp.who('teacher'), sent => b) AS c;
SELECT id AS unit FROM sc.units WHERE subject_id = :subject \gset
SELECT c.status, c.code FROM unnest(ARRAY[jsonb_build_object('unit_id', :unit, 'code', 'SCH.9.1', 'description', 'Açıklar.'), jsonb_build_object('unit_id', :unit, 'code', 'SCH.9.1', 'description', 'Yine.'),
     '{"unit_id": 999999999, "code": "x", "description": "x"}']) AS b, pg_temp.call(349, pg_temp.who('teacher'), sent => b) AS c;
SELECT r, c.status, c.code FROM (VALUES (343, :'subject'), (347, :'unit')) AS x(r, id), pg_temp.call(r, pg_temp.who('admin'), ARRAY[id]) AS c;
SELECT to_char(clock_timestamp() AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') AS since \gset
SELECT c.status FROM pg_temp.call(348, pg_temp.who('s1'), '{}', 'updated_since=' || :'since') AS c WHERE c.body ->> 'total' = '0';
SELECT c.status FROM sc.outcomes AS o, pg_temp.call(351, pg_temp.who('admin'), ARRAY[o.id::text]) AS c WHERE o.code = 'SCH.9.1';
SELECT c.status FROM pg_temp.call(347, pg_temp.who('admin'), ARRAY[:'unit']) AS c;
SELECT c.status FROM pg_temp.call(342, pg_temp.who('teacher'), ARRAY[:'subject'], sent => '{"name": "Okul Dersi 2"}') AS c;
SELECT r, c.status, jsonb_array_length(c.body -> 'items') AS changed, c.body #>> '{items,0,name}' AS name, c.body #> '{items,0,deleted_at}' <> 'null' AS deleted
FROM unnest('{340,344,348}'::int[]) AS r, pg_temp.call(r, pg_temp.who('s1'), '{}', 'updated_since=' || :'since') AS c;
SELECT c.status FROM pg_temp.call(314, pg_temp.who('admin'), ARRAY[:'grp']) AS c;
SELECT c.status, c.body ->> 'total' AS total, (c.body #>> '{items,0,id}')::bigint = :grp AS id, c.body #> '{items,0,deleted_at}' <> 'null' AS deleted FROM pg_temp.call(310, pg_temp.who('s1'), '{}', 'updated_since=' || :'since') AS c;
SELECT c.status, c.code FROM pg_temp.call(312, pg_temp.who('s1'), ARRAY[:'grp']) AS c;
ROLLBACK;

-- What lasts from day to day: the days around it, and no end. The planner must
-- see through it, or every member of a class costs a call.
SELECT d, sc.in_force('2026-09-07', '2026-09-09', d) AS ended, sc.in_force('2026-09-07', NULL, d) AS open
FROM unnest('{2026-09-06,2026-09-07,2026-09-09,2026-09-10}'::date[]) AS d;
SELECT sc.school_day('2026-09-07 20:59:59.999Z'), sc.school_day('2026-09-07 21:00Z');
CREATE FUNCTION pg_temp.plan(q text) RETURNS SETOF text LANGUAGE plpgsql AS $$
BEGIN
    RETURN QUERY EXECUTE 'EXPLAIN (COSTS OFF) ' || q;
END
$$;
SELECT p AS not_inlined
FROM unnest(ARRAY['SELECT FROM sc.group_members AS m WHERE sc.in_force(m.valid_from, m.valid_to, sc.today())',
                  'SELECT FROM sc.exam_results AS r, sc.group_members AS m WHERE sc.in_force(m.valid_from, m.valid_to, sc.school_day(r.submitted_at))']) AS q,
     pg_temp.plan(q) AS p
WHERE p ~ 'in_force|school_day';

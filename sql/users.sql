-- Users as staff see them: finding, making, changing, roles.
BEGIN;
CREATE FUNCTION pg_temp.call(route int, actor bigint, path text[] DEFAULT '{}', query text DEFAULT '', sent jsonb DEFAULT NULL,
                             OUT status int, OUT code text, OUT body jsonb, OUT touched text[])
LANGUAGE plpgsql AS $$
DECLARE
    d record;
BEGIN
    SELECT * INTO d FROM sc_api.dispatch(route, actor, gen_random_uuid(), sc.epoch_ms(clock_timestamp() + interval '1 minute'), path, query, sent::text,
                                         '{"ip": "192.0.2.1", "lang": "en", "request_id": "test", "touch": "ack"}');
    status := d.status; body := d.body::jsonb; code := CASE WHEN d.status >= 400 THEN body ->> 'code' END; touched := d.touched;
END
$$;
CREATE FUNCTION pg_temp.who(name text) RETURNS bigint LANGUAGE sql AS $$ SELECT id FROM sc.users WHERE email = name || '@users.test' $$;
CREATE FUNCTION pg_temp.names(query text, actor text DEFAULT 'admin') RETURNS text LANGUAGE sql AS $$
    SELECT concat_ws(' ', c.status, c.code, c.body ->> 'total', (SELECT string_agg(i ->> 'full_name', ', ' ORDER BY n) FROM jsonb_array_elements(c.body -> 'items') WITH ORDINALITY AS x(i, n)))
    FROM pg_temp.call(202, pg_temp.who(actor), '{}', query) AS c $$;

INSERT INTO sc.users (email, full_name, role_id)
SELECT p.name || '@users.test', p.full_name, r.id
FROM (VALUES ('admin', 'Zzadmin Users', 'admin'), ('teacher', 'Zzteacher Users', 'teacher'), ('coach', 'Zzcoach Users', 'coach'), ('parent', 'Zzparent Users', 'parent'),
             ('s1', 'Zzçağla Işık', 'student'), ('s2', 'Zzcagatay İnce', 'student'), ('s3', 'Zzısparta Şen', 'student'), ('s4', 'Zziğdır Can', 'student'),
             ('s5', 'Zzşule Öz', 'student'), ('s6', 'Zzsule Oz', 'student')) AS p(name, full_name, role)
JOIN sc.roles AS r ON r.name = p.role;
INSERT INTO sc.students (user_id, student_no) SELECT id, 'U-' || split_part(email, '@', 1) FROM sc.users WHERE email ~ '^s[0-9]@users\.test$';

-- 1. found with and without Turkish letters, by beginnings of words, of the address, by the whole number; sorted as Turkish sorts
SELECT q, pg_temp.names('q=' || q) FROM unnest('{zz,zzcag,ZZÇAĞ,zzi,zzı,ZZI,zzisparta,zzşule,sule,isik,zzcagla%20isik,isik%20zzcagla,s5%40users.test,U-s5,u-s5,hic,%27%3A*,%20}'::text[]) AS q
WHERE q <> '%20';
SELECT pg_temp.names('q=zz&role=coach'), pg_temp.names('q=zz&role=student&per_page=2&page=2'), pg_temp.names('q=zz&per_page=101'), pg_temp.names('q=zz&page=0');
UPDATE sc.users SET is_active = false WHERE email = 's6@users.test';
SELECT pg_temp.names('q=zzsule&is_active=true'), pg_temp.names('q=zzsule&is_active=false');
-- the words that are stored and the words that are asked for are folded alike
SELECT count(*) FILTER (WHERE NOT u.search @@ sc.prefix_query(u.full_name)) AS not_found_by_own_name FROM sc.users AS u;

-- 2. who sees whom: a teacher and a coach their students only, others nobody
INSERT INTO sc.seasons (name, starts_on, ends_on) VALUES ('users test', sc.today() - 10, sc.today() + 10);
INSERT INTO sc.groups (season_id, name, teacher_id) SELECT id, 'U-1', pg_temp.who('teacher') FROM sc.seasons WHERE name = 'users test';
INSERT INTO sc.group_members (group_id, student_id, valid_from, valid_to)
SELECT g.id, pg_temp.who(m.s), sc.today() - 5, m.valid_to FROM sc.groups AS g, (VALUES ('s1', NULL), ('s2', sc.today() - 1), ('s3', sc.today())) AS m(s, valid_to) WHERE g.name = 'U-1';
INSERT INTO sc.coach_students (coach_id, student_id, valid_from) VALUES (pg_temp.who('coach'), pg_temp.who('s4'), sc.today());
INSERT INTO sc.guardians (guardian_id, student_id, approved_at) VALUES (pg_temp.who('parent'), pg_temp.who('s5'), clock_timestamp()), (pg_temp.who('parent'), pg_temp.who('s6'), NULL);
SELECT a, pg_temp.names('q=zz', a) FROM unnest('{teacher,coach,parent,s1}'::text[]) AS a;
SELECT pg_temp.names('q=zz&group=' || id) FROM sc.groups WHERE name = 'U-1';
SELECT a, string_agg(concat_ws(' ', s, c.status), ', ' ORDER BY s)
FROM unnest('{admin,teacher,coach,parent,s1}'::text[]) AS a, unnest('{s1,s2,s3,s4,s5,s6,coach}'::text[]) AS s, pg_temp.call(204, pg_temp.who(a), ARRAY[pg_temp.who(s)::text]) AS c
GROUP BY a ORDER BY a;
SELECT pg_temp.who('s1') = (c.body ->> 'id')::bigint AS id, c.body - '{id,created_at,group_ids}'::text[] AS card, jsonb_array_length(c.body -> 'group_ids') AS groups
FROM pg_temp.call(204, pg_temp.who('teacher'), ARRAY[pg_temp.who('s1')::text]) AS c;
SELECT sc.is_coach_of(pg_temp.who('coach'), pg_temp.who('s4')) AS coach, sc.is_coach_of(pg_temp.who('coach'), pg_temp.who('s1')) AS no_coach,
       sc.is_guardian_of(pg_temp.who('parent'), pg_temp.who('s5')) AS guardian, sc.is_guardian_of(pg_temp.who('parent'), pg_temp.who('s6')) AS unconfirmed,
       sc.teaches_student(pg_temp.who('teacher'), pg_temp.who('s1')) AS teacher, sc.teaches_student(pg_temp.who('teacher'), pg_temp.who('s2')) AS not_any_more,
       sc.may_see_student(NULL, pg_temp.who('s1')) AS nobody, sc.can(NULL, 'users.read') AS can;
-- every look by somebody else was kept
SELECT count(*) AS looks, count(DISTINCT staff_id) AS lookers, bool_and(ip = '192.0.2.1' AND request_id = 'test') AS traced FROM sc.card_views AS v WHERE v.user_id = pg_temp.who('s1');

-- 3. an account made by staff
SELECT c.status, c.code, c.body - '{id,created_at}'::text[] AS body, e.errors
FROM unnest(ARRAY['{"full_name": "Yeni  Öğrenci", "student_no": "U-100", "grade": 12, "track": "SAY", "city": "Iğdır"}', '{"full_name": "Aynı Numara", "student_no": "U-100"}',
                  '{"full_name": "Adsız"}', '{"full_name": "X", "student_no": "a b", "grade": 14, "track": "sayısal", "branch_id": 999999999, "role": "king", "password": "12345678"}']::jsonb[]) AS b,
     pg_temp.call(203, pg_temp.who('admin'), sent => b) AS c,
     LATERAL (SELECT string_agg(concat(e ->> 'field', '=', e ->> 'code'), ' ' ORDER BY e ->> 'field') FROM jsonb_array_elements(c.body -> 'errors') AS e) AS e(errors)
WHERE c.status <> 422 OR e.errors IS NOT NULL;
SELECT status, code FROM pg_temp.call(203, pg_temp.who('teacher'), sent => '{"full_name": "Yasak", "student_no": "U-101"}');

-- 4. changes: what is not sent stays, what is null goes
SELECT c.status, c.body ->> 'phone' AS phone, c.body ->> 'city' AS city, c.body ->> 'locale' AS locale, c.body ->> 'full_name' AS name
FROM unnest(ARRAY['{"phone": "+90 555 000 11 22", "city": " Muğla "}', '{"locale": "en"}', '{"phone": null}', '{"full_name": "Zzçağla  Işık Su"}']::jsonb[]) AS b, pg_temp.call(201, pg_temp.who('s1'), sent => b) AS c;
SELECT c.status, c.body -> 'errors' -> 0 ->> 'field' AS field, c.body -> 'errors' -> 0 ->> 'code' AS fault
FROM unnest(ARRAY['{"full_name": null}', '{"locale": "fr"}', '{"phone": "evet"}', '{"email": "baska@users.test"}', '{"role": "admin"}', '{"full_name": "\u0001"}']::jsonb[]) AS b, pg_temp.call(201, pg_temp.who('s1'), sent => b) AS c;
UPDATE sc.users SET email_verified_at = clock_timestamp() WHERE email = 's2@users.test';
SELECT c.status, c.code, c.body ->> 'email' AS email, c.body ->> 'email_verified' AS verified, c.body ->> 'grade' AS grade
FROM pg_temp.who('s2') AS s2, unnest(ARRAY['{"grade": 11}', '{"email": "S2B@users.test", "student_no": "U-200"}', '{"email": "s1@users.test"}', '{"grade": null, "email": "s2@users.test"}']::jsonb[]) AS b,
     pg_temp.call(205, pg_temp.who('admin'), ARRAY[s2::text], sent => b) AS c;
SELECT c.status, c.code FROM pg_temp.call(205, pg_temp.who('admin'), '{999999999}', sent => '{"grade": 11}') AS c;

-- 5. roles: only who manages them, never one's own, and one administrator remains
UPDATE sc.users SET is_active = false WHERE role_id = 5 AND email <> 'admin@users.test';
SELECT a, t, c.status, c.code, c.body -> 'roles' AS roles
FROM (VALUES ('teacher', 's1', '{"role": "admin"}'), ('admin', 'admin', '{"role": "student"}'), ('admin', 'coach', '{"role": "coach", "roles": ["teacher", "admin"]}'),
             ('coach', 'admin', '{"role": "teacher"}'), ('coach', 'coach', '{"role": "coach", "roles": ["admin"]}'), ('admin', 'coach', '{"role": "student"}'),
             ('coach', 'admin', '{"role": "admin"}'), ('coach', 's1', '{"role": "king", "roles": [null]}')) AS x(a, t, b),
     pg_temp.call(208, pg_temp.who(a), ARRAY[pg_temp.who(t)::text], sent => b::jsonb) AS c;
SELECT sc.can(pg_temp.who('coach'), 'roles.manage') AS coach, sc.can(pg_temp.who('coach'), 'courses.create') AS teaches, sc.permissions_of(pg_temp.who('s1')) AS student;
SELECT a, t, c.status, c.code
FROM (VALUES ('coach', 'coach'), ('coach', 'admin'), ('coach', 's3')) AS x(a, t), pg_temp.call(207, pg_temp.who(a), ARRAY[pg_temp.who(t)::text]) AS c;
UPDATE sc.users SET is_active = true WHERE email = 'admin@users.test';
DELETE FROM sc.user_roles AS r WHERE r.user_id = pg_temp.who('coach');
-- who may manage users but not roles has no power over those who manage
UPDATE sc.roles SET permissions = '{users.manage}' WHERE name = 'coach';
SELECT r, c.status, c.code FROM unnest('{205,206,207,211}'::int[]) AS r,
     pg_temp.call(r, pg_temp.who('coach'), ARRAY[pg_temp.who('admin')::text], '', CASE r WHEN 205 THEN '{"email": "kral@users.test"}'::jsonb END) AS c;
SELECT status, code FROM pg_temp.call(203, pg_temp.who('coach'), sent => '{"full_name": "Kral", "email": "kral@users.test", "role": "admin"}');
SELECT is_active, anonymised_at FROM sc.users WHERE email = 'admin@users.test';

-- 6. shut out: tokens are void at once, and the shim is told; let in again
SELECT c.status, c.body -> 'is_active' AS active, replace(t, format(':%s:', pg_temp.who('s4')), ':S4:') AS told
FROM pg_temp.call(207, pg_temp.who('admin'), ARRAY[pg_temp.who('s4')::text]) AS c, unnest(c.touched) AS t WHERE t LIKE '1:%';
SELECT status, code FROM pg_temp.call(200, pg_temp.who('s4'));
SELECT c.status, c.body -> 'is_active' AS active, regexp_replace(replace(t, format(':%s:', pg_temp.who('s4')), ':S4:'), '=\d{13}@', '=MS@') AS told
FROM pg_temp.call(206, pg_temp.who('admin'), ARRAY[pg_temp.who('s4')::text]) AS c, unnest(c.touched) AS t WHERE t LIKE '1:%';
SELECT status, code FROM pg_temp.call(200, pg_temp.who('s4'));
SELECT c.status, (SELECT array_agg(i ->> 'name') FROM jsonb_array_elements(c.body -> 'items') AS i) FROM pg_temp.call(209, pg_temp.who('admin')) AS c;
ROLLBACK;

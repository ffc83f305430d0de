-- KVKK: consents, a copy of everything, erasure that keeps the statistics true.
BEGIN;
CREATE FUNCTION pg_temp.call(route int, actor bigint, path text[] DEFAULT '{}', query text DEFAULT '', sent jsonb DEFAULT NULL,
                             OUT status int, OUT code text, OUT body jsonb, OUT touched text[])
LANGUAGE plpgsql AS $$
DECLARE
    d record;
BEGIN
    SELECT * INTO d FROM sc_api.dispatch(route, actor, CASE WHEN actor IS NOT NULL THEN gen_random_uuid() END, sc.epoch_ms(clock_timestamp() + interval '1 minute'),
                                         path, query, sent::text, '{"ip": "192.0.2.1", "lang": "en", "request_id": "test", "touch": "ack"}');
    status := d.status; body := d.body::jsonb; code := CASE WHEN d.status >= 400 THEN body ->> 'code' END; touched := d.touched;
END
$$;
CREATE FUNCTION pg_temp.who(name text) RETURNS bigint LANGUAGE sql AS $$ SELECT id FROM sc.users WHERE email = name || '@privacy.test' $$;
INSERT INTO sc.users (email, full_name, phone, role_id, password_hash)
SELECT p.name || '@privacy.test', p.full_name, '+90 555 111 22 33', r.id, 'gizli-özet'
FROM (VALUES ('admin', 'Yönetici', 'admin'), ('parent', 'Veli', 'parent'), ('child', 'Çocuk Öz', 'student'), ('other', 'Başkası', 'student')) AS p(name, full_name, role)
JOIN sc.roles AS r ON r.name = p.role;
INSERT INTO sc.students (user_id, student_no, city, grade) VALUES (pg_temp.who('child'), 'P-1', 'Şırnak', 12), (pg_temp.who('other'), 'P-2', 'Ağrı', 12);
INSERT INTO sc.guardians (guardian_id, student_id, approved_at) VALUES (pg_temp.who('parent'), pg_temp.who('child'), clock_timestamp());

-- 1. notices have versions; only the latest is in force
SELECT c.status, c.code, c.body ->> 'version' AS version
FROM unnest(ARRAY['{"kind": "privacy", "body": "Birinci metin"}', '{"kind": "privacy", "body": "İkinci metin"}', '{"kind": "guardian", "body": "Veli metni"}',
                  '{"kind": "spam", "body": "x"}', '{"kind": "privacy", "body": " "}']::jsonb[]) AS b, pg_temp.call(214, pg_temp.who('admin'), sent => b) AS c;
SELECT status FROM pg_temp.call(214, pg_temp.who('child'), sent => '{"kind": "privacy", "body": "x"}');
SELECT i ->> 'kind' AS kind, i ->> 'body' AS body FROM pg_temp.call(213, NULL) AS c, jsonb_array_elements(c.body -> 'items') AS i;

-- 2. consent: for oneself, or by a guardian for a child; the version agreed to is kept; withdrawn, it stays as history
CREATE FUNCTION pg_temp.notice(of_kind text, of_version int) RETURNS bigint LANGUAGE sql AS $$ SELECT id FROM sc.consent_notices WHERE kind = of_kind AND version = of_version $$;
SELECT a, c.status, c.code, c.body ->> 'kind' AS kind, c.body ->> 'version' AS version, (c.body ->> 'given_by')::bigint = pg_temp.who(a) AS given_by
FROM (VALUES (1, 'child', jsonb_build_object('notice_id', pg_temp.notice('privacy', 2))), (2, 'child', jsonb_build_object('notice_id', pg_temp.notice('privacy', 2))),
             (3, 'child', jsonb_build_object('notice_id', pg_temp.notice('privacy', 1))), (4, 'child', '{"notice_id": 999999999}'),
             (5, 'parent', jsonb_build_object('notice_id', pg_temp.notice('guardian', 1), 'student_id', pg_temp.who('child'))),
             (6, 'parent', jsonb_build_object('notice_id', pg_temp.notice('guardian', 1), 'student_id', pg_temp.who('other')))) AS x(n, a, b),
     pg_temp.call(216, pg_temp.who(a), sent => b) AS c ORDER BY n;
SELECT a, q, c.status, jsonb_array_length(c.body -> 'items') AS consents
FROM (VALUES ('child', ''), ('parent', 'student_id=' || pg_temp.who('child')), ('parent', 'student_id=' || pg_temp.who('other')), ('other', 'student_id=' || pg_temp.who('child')),
             ('admin', 'student_id=' || pg_temp.who('child'))) AS x(a, q0), LATERAL (SELECT CASE q0 WHEN '' THEN '' ELSE 'of a student' END) AS y(q), pg_temp.call(215, pg_temp.who(a), '{}', q0) AS c;
SELECT a, c.status
FROM unnest('{other,child,child}'::text[]) WITH ORDINALITY AS x(a, n), pg_temp.call(217, pg_temp.who(a), ARRAY[(SELECT k.id + 0 * n FROM sc.consents AS k WHERE k.notice_id = pg_temp.notice('privacy', 2))::text]) AS c;
SELECT n.kind, k.withdrawn_at IS NOT NULL AS withdrawn, host(k.ip) AS ip FROM sc.consents AS k JOIN sc.consent_notices AS n ON n.id = k.notice_id WHERE k.user_id = pg_temp.who('child') ORDER BY n.kind;

-- 3. everything held about me: every table that refers to me, and no secret
INSERT INTO sc.sessions (user_id, ip, user_agent, secret, expires_at) VALUES (pg_temp.who('child'), '192.0.2.7', 'telefon', '\x736972', clock_timestamp() + interval '1 day');
INSERT INTO sc.courses (title, is_published) VALUES ('Gizlilik', true);
INSERT INTO sc.enrollments (user_id, course_id) SELECT pg_temp.who('child'), id FROM sc.courses WHERE title = 'Gizlilik';
INSERT INTO sc.videos (course_id, youtube_id, title, order_index, duration) SELECT id, 'abcdefghijk', 'V', 1, 100 FROM sc.courses WHERE title = 'Gizlilik';
INSERT INTO sc.video_progress (user_id, video_id, covered_seconds) SELECT pg_temp.who('child'), v.id, 60 FROM sc.videos AS v JOIN sc.courses AS c ON c.id = v.course_id WHERE c.title = 'Gizlilik';
INSERT INTO sc.video_access_log (user_id, video_id, granted, reason, ip, session_id) SELECT user_id, video_id, true, 'ok', '192.0.2.7', gen_random_uuid() FROM sc.video_progress WHERE user_id = pg_temp.who('child');
SELECT c.status FROM pg_temp.call(204, pg_temp.who('admin'), ARRAY[pg_temp.who('child')::text]) AS c;
SELECT c.status, (SELECT string_agg(k || ':' || jsonb_array_length(v), ' ' ORDER BY k COLLATE "C") FROM jsonb_each(c.body -> 'records') AS r(k, v)) AS records,
       c.body #>> '{account,full_name}' AS name, c.body::text ~ 'gizli-özet|736972|password_hash|"secret"' AS leaks
FROM pg_temp.call(210, pg_temp.who('child')) AS c;
SELECT c.body::text ~ 'Çocuk|P-1|Şırnak' AS about_others FROM pg_temp.call(210, pg_temp.who('other')) AS c;

-- 4. who looked: the child, the guardian and the school see it, nobody else
SELECT a, c.status, c.body ->> 'total' AS total, c.body #>> '{items,0,staff_name}' AS by
FROM unnest('{child,parent,admin,other}'::text[]) AS a, pg_temp.call(212, pg_temp.who(a), ARRAY[pg_temp.who('child')::text]) AS c;

-- 5. erasure: the person goes, what was done stays and counts
SELECT pg_temp.who('child') AS gone \gset
-- what was answered about the child and is kept to be repeated
INSERT INTO sc.idempotency_keys (route_id, actor, key, request_hash, status, body)
SELECT 203, x.actor, x.key, '', 201, x.body
FROM (VALUES (0, 'privacy-1', '{"email":"child@privacy.test"}'), (pg_temp.who('admin'), 'privacy-2', '{"full_name":"Çocuk Öz"}'),
             (pg_temp.who('admin'), 'privacy-3', '{"student_no":"P-1"}'), (pg_temp.who('admin'), 'privacy-4', '{"student_no":"P-10"}')) AS x(actor, key, body);
SELECT a, t, c.status, c.code FROM (VALUES ('other', 'child'), ('admin', 'admin'), ('admin', 'child'), ('admin', 'nobody')) AS x(a, t),
     pg_temp.call(211, pg_temp.who(a), ARRAY[coalesce(pg_temp.who(t), 999999999)::text]) AS c;
SELECT c.status FROM pg_temp.call(211, pg_temp.who('admin'), ARRAY[:'gone']) AS c;
SELECT email, full_name, phone, password_hash, is_active, anonymised_at IS NOT NULL AS erased, s.student_no, s.city, s.grade FROM sc.users AS u JOIN sc.students AS s ON s.user_id = u.id WHERE u.id = :gone;
SELECT (SELECT count(*) FROM sc.sessions WHERE user_id = :gone) AS sessions, (SELECT count(*) FROM sc.enrollments WHERE user_id = :gone) AS enrolments,
       (SELECT sum(covered_seconds) FROM sc.video_progress WHERE user_id = :gone) AS seconds, (SELECT count(*) FROM sc.video_access_log WHERE user_id = :gone AND (ip IS NOT NULL OR session_id IS NOT NULL)) AS traces,
       (SELECT count(*) FROM sc.video_access_log WHERE user_id = :gone) AS views, (SELECT count(*) FROM sc.consents WHERE user_id = :gone AND ip IS NULL) AS consents,
       sc.is_guardian_of(pg_temp.who('parent'), :gone) AS guardian;
SELECT string_agg(key, ' ') AS kept FROM sc.idempotency_keys WHERE key LIKE 'privacy-%';
SELECT status, code FROM pg_temp.call(200, :gone);
SELECT c.body ->> 'total' AS found FROM pg_temp.call(202, pg_temp.who('admin'), '{}', 'q=Silinmiş') AS c;
SELECT r, c.status FROM unnest('{205,206,208}'::int[]) AS r, pg_temp.call(r, pg_temp.who('admin'), ARRAY[:'gone'], '', CASE r WHEN 205 THEN '{"grade": 1}' WHEN 208 THEN '{"role": "student"}' END::jsonb) AS c;
-- no row of any table holds the name, the address or the number any more
DO $$
DECLARE
    p record;
    n bigint;
BEGIN
    FOR p IN SELECT c.oid::regclass AS tab FROM pg_class AS c WHERE c.relnamespace = 'sc'::regnamespace AND c.relkind IN ('r', 'p') AND NOT c.relispartition LOOP
        EXECUTE format('SELECT count(*) FROM %s AS t WHERE to_jsonb(t)::text ~ ''Çocuk Öz|child@privacy|"P-1"''', p.tab) INTO n;
        IF n > 0 THEN
            RAISE NOTICE '% still knows', p.tab;
        END IF;
    END LOOP;
END
$$;
ROLLBACK;

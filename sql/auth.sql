-- Log-in, sessions and tokens, as a client meets them.
BEGIN;
-- n is there to be referred to: a call in FROM that refers to nothing is made once
CREATE FUNCTION pg_temp.call(route int, sent jsonb DEFAULT NULL, actor bigint DEFAULT NULL, jti uuid DEFAULT NULL, iat_ms bigint DEFAULT NULL,
                             path text[] DEFAULT '{}', ip text DEFAULT '192.0.2.1', n text DEFAULT '', OUT status int, OUT code text, OUT body jsonb, OUT touched text[], OUT headers jsonb)
LANGUAGE plpgsql AS $$
DECLARE
    d record;
BEGIN
    SELECT * INTO d FROM sc_api.dispatch(route, actor, jti, iat_ms, path, '', sent::text,
                                         jsonb_build_object('ip', ip, 'lang', 'en', 'request_id', 'test', 'user_agent', 'pg_regress', 'touch', 'ack')::text);
    status := d.status; body := d.body::jsonb; code := body ->> 'code'; touched := d.touched; headers := d.headers;
END
$$;
-- the claims of a token, whoever signed it
CREATE FUNCTION pg_temp.claims(answer jsonb) RETURNS jsonb LANGUAGE sql AS $$ SELECT payload::jsonb FROM sc.jwt_verify(answer ->> 'access_token', '') $$;
-- GET /auth/me with the access token of an answer
CREATE FUNCTION pg_temp.me(answer jsonb) RETURNS text LANGUAGE sql AS $$
    SELECT concat_ws(' ', status, code)
    FROM pg_temp.claims(answer) AS c, pg_temp.call(111, NULL, (c ->> 'sub')::bigint, (c ->> 'jti')::uuid, (c ->> 'iat_ms')::bigint) $$;
CREATE TEMP TABLE said (name text PRIMARY KEY, body jsonb);

-- 1. registration: the address is normalised, the name keeps its Turkish letters
SELECT status, body - 'id' AS body FROM pg_temp.call(100, '{"email": "  Işıl.ÖZ@Auth.Test ", "password": "mor-kedi-uzun", "full_name": " Işıl   Öz "}');
SELECT kind, queue, state, request_id, args ? 'token' AS has_token, (SELECT email FROM sc.users WHERE id = (args ->> 'user_id')::bigint) FROM sc.jobs WHERE kind = 'send_verification_email';
SELECT status, code FROM pg_temp.call(100, '{"email": "IşıL.Öz@auth.TEST", "password": "mor-kedi-uzun", "full_name": "Başka Biri"}');
SELECT status, code, e ->> 'field' AS field, e ->> 'code' AS fault
FROM pg_temp.call(100, '{"email": "x@y", "password": "kısa", "full_name": " ", "phone": "yok", "locale": "de"}') AS c, jsonb_array_elements(c.body -> 'errors') AS e;
SELECT f.email, sc.is_email(sc.normal_email(f.email)) FROM unnest('{a@b.co,A.B+c@d-e.com.tr,ş@ığ.com.tr,a@b,a@@b.co,a b@c.de,@b.co,a@.co,a@b..co,a@-b.co}'::text[]) AS f(email);
UPDATE sc.settings SET value = 'closed' WHERE name = 'registration';
SELECT status, code FROM pg_temp.call(100, '{"email": "c@auth.test", "password": "mor-kedi-uzun", "full_name": "C"}');
UPDATE sc.settings SET value = 'open' WHERE name = 'registration';

-- 2. verification, once
SELECT args ->> 'token' AS token FROM sc.jobs WHERE kind = 'send_verification_email' \gset
SELECT status, body -> 'email_verified' AS verified FROM pg_temp.call(105, jsonb_build_object('token', :'token'));
SELECT status, code FROM pg_temp.call(105, jsonb_build_object('token', :'token'));
SELECT status, code FROM pg_temp.call(105, '{"token": ""}');

-- 3. log-in: one answer for a wrong password, an unknown account, an inactive user, a user without password
SELECT u.id AS me FROM sc.users AS u WHERE u.email = sc.normal_email('Işıl.Öz@auth.test') \gset
INSERT INTO sc.users (email, full_name, role_id, is_active, password_hash)
VALUES ('kapali@auth.test', 'Kapalı', 1, false, sc.password_hash('mor-kedi-uzun')), ('parolasiz@auth.test', 'Parolasız', 1, true, NULL);
SELECT c.status, c.body, c.headers
FROM unnest(ARRAY['{"email": "Işıl.Öz@auth.test", "password": "mor-kedi-kısa"}', '{"email": "yok@auth.test", "password": "mor-kedi-uzun"}',
                  '{"email": "kapali@auth.test", "password": "mor-kedi-uzun"}', '{"email": "parolasiz@auth.test", "password": ""}',
                  '{"student_no": "yok", "password": "mor-kedi-uzun"}']::jsonb[]) AS b, pg_temp.call(101, b) AS c;
SELECT status, code FROM pg_temp.call(101, '{"password": "mor-kedi-uzun"}');
SELECT status, code FROM pg_temp.call(101, '{"email": "a@b.co", "student_no": "1", "password": "mor-kedi-uzun"}');
INSERT INTO said SELECT 'first', body FROM pg_temp.call(101, '{"email": "Işıl.Öz@AUTH.test", "password": "mor-kedi-uzun"}');
SELECT jsonb_object_keys(body) FROM said;
SELECT c - '{sub,jti,iat,exp,iat_ms}'::text[] AS claims, (c ->> 'sub')::bigint = :me AS sub, c ->> 'jti' ~ '^[0-9a-f-]{36}$' AS jti,
       (c ->> 'exp')::bigint - (c ->> 'iat')::bigint AS life, (c ->> 'iat_ms')::bigint / 1000 = (c ->> 'iat')::bigint AS iat_ms,
       abs((c ->> 'iat')::bigint - extract(epoch FROM clock_timestamp())) < 5 AS now
FROM said, pg_temp.claims(body) AS c;
-- the active key has signed it, and says so
SELECT (h ->> 'typ') AS typ, sc.access_token(payload, k.secret, k.algorithm, k.kid) = body ->> 'access_token' AS signed
FROM said, sc.jwt_verify(body ->> 'access_token', '') AS v(h, payload, valid), sc.signing_keys AS k WHERE k.kid = h ->> 'kid' AND k.state = 'active';
SELECT pg_temp.me(body) FROM said;
-- by student number; an imported hash is replaced by one of ours
UPDATE sc.students SET student_no = 'A-1907' WHERE user_id = :me;
UPDATE sc.users SET password_hash = 'pbkdf2:sha256:1000$salt$632c2812e46d4604102ba7618e9d6d7d2f8128f6266b4a03264d2a0460b7dcb3' WHERE id = :me;
SELECT status, body -> 'user' ->> 'student_no' AS student_no FROM pg_temp.call(101, '{"student_no": " A-1907 ", "password": "password"}');
SELECT left(password_hash, 30), sc.password_verify('password', password_hash), last_login_at IS NOT NULL AS stamped FROM sc.users WHERE id = :me;
-- what the shim is told: tokens of this user are good from the beginning of time
SELECT replace(t, format(':%s:', :me), ':ME:') FROM pg_temp.call(101, '{"student_no": "A-1907", "password": "password"}') AS c, unnest(c.touched) AS t;

-- 4. refresh: each token once; a lost answer is given again; anything later ends the session
INSERT INTO said SELECT 'second', c.body FROM said AS f, pg_temp.call(102, jsonb_build_object('refresh_token', f.body ->> 'refresh_token')) AS c WHERE f.name = 'first';
INSERT INTO said SELECT 'again', c.body FROM said AS f, pg_temp.call(102, jsonb_build_object('refresh_token', f.body ->> 'refresh_token')) AS c WHERE f.name = 'first';
SELECT a.body ->> 'refresh_token' = b.body ->> 'refresh_token' AS same_refresh, a.body ->> 'access_token' = b.body ->> 'access_token' AS same_access,
       a.body ->> 'refresh_token' <> f.body ->> 'refresh_token' AS rotated
FROM said AS f, said AS a, said AS b WHERE f.name = 'first' AND a.name = 'second' AND b.name = 'again';
SELECT count(*) AS tokens, bool_and(length(token_hash) = 32) AS hashed FROM sc.refresh_tokens AS r
WHERE r.session_id = (SELECT x.session_id FROM sc.refresh_tokens AS x, said AS f WHERE f.name = 'first' AND x.token_hash = sc.token_hash(f.body ->> 'refresh_token'));
INSERT INTO said SELECT 'third', c.body FROM said AS f, pg_temp.call(102, jsonb_build_object('refresh_token', f.body ->> 'refresh_token')) AS c WHERE f.name = 'second';
SELECT name, pg_temp.me(body) FROM said ORDER BY name;
-- the first is not the immediate predecessor any more: within the grace or not, that is theft
SELECT c.status, c.code, cardinality(c.touched) AS revoked, bool_and(t ~ '^1:session:jwt:blacklist:[0-9a-f-]{36}=1@(89[0-9]|900)$') AS told
FROM said AS f, pg_temp.call(102, jsonb_build_object('refresh_token', f.body ->> 'refresh_token')) AS c, unnest(c.touched) AS t WHERE f.name = 'first' GROUP BY 1, 2, 3;
SELECT name, pg_temp.me(body) FROM said ORDER BY name;
SELECT c.status, c.code FROM said AS f, pg_temp.call(102, jsonb_build_object('refresh_token', f.body ->> 'refresh_token')) AS c WHERE f.name = 'third';
SELECT revoke_reason FROM sc.sessions WHERE user_id = :me AND revoked_at IS NOT NULL;
-- the grace is short
INSERT INTO said SELECT 'fourth', body FROM pg_temp.call(101, '{"student_no": "A-1907", "password": "password"}');
SELECT c.status FROM said AS f, pg_temp.call(102, jsonb_build_object('refresh_token', f.body ->> 'refresh_token')) AS c WHERE f.name = 'fourth';
UPDATE sc.refresh_tokens SET used_at = used_at - interval '11 seconds' WHERE used_at IS NOT NULL;
SELECT c.status, c.code FROM said AS f, pg_temp.call(102, jsonb_build_object('refresh_token', f.body ->> 'refresh_token')) AS c WHERE f.name = 'fourth';
SELECT status, code FROM pg_temp.call(102, '{"refresh_token": "unknown"}');
-- unused for too long, or the session is over
INSERT INTO said SELECT 'fifth', body FROM pg_temp.call(101, '{"student_no": "A-1907", "password": "password"}');
UPDATE sc.refresh_tokens SET expires_at = clock_timestamp() - interval '1 second' WHERE token_hash = (SELECT sc.token_hash(body ->> 'refresh_token') FROM said WHERE name = 'fifth');
SELECT c.status, c.code FROM said AS f, pg_temp.call(102, jsonb_build_object('refresh_token', f.body ->> 'refresh_token')) AS c WHERE f.name = 'fifth';
SELECT pg_temp.me(body) FROM said WHERE name = 'fifth';

-- 5. sessions: seen, ended one by one, ended all
DELETE FROM said;
INSERT INTO said SELECT n, c.body FROM unnest('{phone,tablet,laptop}'::text[]) AS n, pg_temp.call(101, '{"student_no": "A-1907", "password": "password"}', n => n) AS c;
SELECT status, jsonb_array_length(c.body -> 'items') AS live, (SELECT count(*) FROM jsonb_array_elements(c.body -> 'items') AS i WHERE (i ->> 'current')::boolean) AS current,
       c.body -> 'items' -> 0 ->> 'ip' AS ip, c.body -> 'items' -> 0 ->> 'user_agent' AS agent
FROM said AS f, pg_temp.claims(f.body) AS k, pg_temp.call(112, NULL, :me, (k ->> 'jti')::uuid, (k ->> 'iat_ms')::bigint) AS c WHERE f.name = 'phone';
SELECT c.status, cardinality(c.touched) AS told
FROM said AS f, said AS t, pg_temp.claims(f.body) AS k,
     pg_temp.call(113, NULL, :me, (k ->> 'jti')::uuid, (k ->> 'iat_ms')::bigint,
                  ARRAY[(SELECT session_id::text FROM sc.refresh_tokens WHERE token_hash = sc.token_hash(t.body ->> 'refresh_token'))]) AS c
WHERE f.name = 'phone' AND t.name = 'tablet';
SELECT name, pg_temp.me(body) FROM said ORDER BY name;
-- somebody else's session does not exist
INSERT INTO sc.sessions (id, user_id, secret, expires_at)
SELECT '00000000-0000-4000-8000-000000000001', id, '\x00', clock_timestamp() + interval '1 day' FROM sc.users WHERE email = 'parolasiz@auth.test';
SELECT c.status, c.code FROM said AS f, pg_temp.claims(f.body) AS k,
     pg_temp.call(113, NULL, :me, (k ->> 'jti')::uuid, (k ->> 'iat_ms')::bigint, '{00000000-0000-4000-8000-000000000001}') AS c WHERE f.name = 'phone';
SELECT c.status, c.body IS NULL AS empty FROM said AS f, pg_temp.claims(f.body) AS k, pg_temp.call(103, NULL, :me, (k ->> 'jti')::uuid, (k ->> 'iat_ms')::bigint) AS c WHERE f.name = 'phone';
SELECT name, pg_temp.me(body) FROM said ORDER BY name;
SELECT c.status, regexp_replace(replace(c.touched::text, format(':%s:', :me), ':ME:'), '=\d{13}@', '=MS@') AS told
FROM said AS f, pg_temp.claims(f.body) AS k, pg_temp.call(104, NULL, :me, (k ->> 'jti')::uuid, (k ->> 'iat_ms')::bigint) AS c WHERE f.name = 'laptop';
SELECT name, pg_temp.me(body) FROM said ORDER BY name;
SELECT c.status, c.code FROM said AS f, pg_temp.call(102, jsonb_build_object('refresh_token', f.body ->> 'refresh_token')) AS c WHERE f.name = 'laptop';
-- and a log-in right after works
INSERT INTO said SELECT 'new', body FROM pg_temp.call(101, '{"student_no": "A-1907", "password": "password"}');
SELECT pg_temp.me(body) FROM said WHERE name = 'new';

-- 6. password: changed by its owner, who stays logged in while others are not
INSERT INTO said SELECT 'other', body FROM pg_temp.call(101, '{"student_no": "A-1907", "password": "password"}');
SELECT c.status, c.code FROM said AS f, pg_temp.claims(f.body) AS k,
     unnest(ARRAY['{"current_password": "wrong", "new_password": "sarı-lale-bahçe"}', '{"current_password": "password", "new_password": "password"}',
                  '{"current_password": "password", "new_password": "sarı-lale-bahçe"}']::jsonb[]) AS b,
     pg_temp.call(109, b, :me, (k ->> 'jti')::uuid, (k ->> 'iat_ms')::bigint) AS c WHERE f.name = 'new';
SELECT name, pg_temp.me(body) FROM said WHERE name IN ('new', 'other') ORDER BY name;
-- forgotten: 202 whoever asks for whom, one mail a minute
SELECT c.status, c.body FROM unnest('{Işıl.Öz@auth.test,Işıl.Öz@auth.test,yok@auth.test,kapali@auth.test,""}'::text[]) WITH ORDINALITY AS x(e, n), pg_temp.call(107, jsonb_build_object('email', e), n => n::text) AS c;
SELECT count(*), min(args ->> 'token') AS token FROM sc.jobs WHERE kind = 'send_password_reset_email' \gset
SELECT :count AS mails;
SELECT status, body -> 'errors' -> 0 ->> 'code' AS fault FROM pg_temp.call(108, jsonb_build_object('token', :'token', 'password', 'ışılöz'));
SELECT c.status, c.code FROM generate_series(1, 2) AS n, pg_temp.call(108, jsonb_build_object('token', :'token', 'password', 'yeşil-elma-dalı'), n => n::text) AS c;
SELECT name, pg_temp.me(body) FROM said WHERE name = 'new';
SELECT c.status FROM unnest('{sarı-lale-bahçe,yeşil-elma-dalı}'::text[]) AS p, pg_temp.call(101, jsonb_build_object('student_no', 'A-1907', 'password', p)) AS c;
-- a token for an address that was changed since is void
DELETE FROM sc.jobs;
UPDATE sc.login_guards SET last_failed_at = last_failed_at - interval '2 minutes' WHERE account LIKE 'forgot %';
SELECT status FROM pg_temp.call(107, '{"email": "Işıl.Öz@auth.test"}');
UPDATE sc.users SET email = 'isil@auth.test' WHERE id = :me;
SELECT c.status, c.code FROM sc.jobs AS j, pg_temp.call(108, jsonb_build_object('token', j.args ->> 'token', 'password', 'kırmızı-elma-dalı')) AS c;

-- 7. guessing: ten in a minute, then locks that grow; unknown accounts are locked alike
SELECT c.status, c.code, c.headers ->> 'Retry-After' AS retry_after, count(*)
FROM unnest('{isil@auth.test,hic-yok@auth.test}'::text[]) AS e, generate_series(1, 11) AS n,
     pg_temp.call(101, jsonb_build_object('email', e, 'password', 'tahmin'), ip => '198.51.100.7', n => n::text) AS c
GROUP BY e, 1, 2, 3 ORDER BY e, 1;
-- the right password does not help either, except where its owner has been before
SELECT ip, c.status, c.code FROM unnest('{198.51.100.7,192.0.2.1}'::text[]) AS ip,
     pg_temp.call(101, '{"email": "isil@auth.test", "password": "yeşil-elma-dalı"}', ip => ip) AS c;
UPDATE sc.login_guards SET locked_until = locked_until - interval '31 seconds';
SELECT c.status, c.code, c.headers ->> 'Retry-After' AS retry_after FROM generate_series(1, 2) AS n, pg_temp.call(101, '{"email": "hic-yok@auth.test", "password": "tahmin"}', n => n::text) AS c;
-- a success clears the count
SELECT status FROM pg_temp.call(101, '{"email": "isil@auth.test", "password": "yeşil-elma-dalı"}', ip => '198.51.100.7');
SELECT account, failures FROM sc.login_guards WHERE account ~ '^login.*(isil|hic-yok)' ORDER BY account;
-- it never exceeds a quarter of an hour
UPDATE sc.login_guards SET failures = 1000000, locked_until = NULL WHERE account = 'login hic-yok@auth.test';
SELECT c.status, c.headers ->> 'Retry-After' AS retry_after FROM generate_series(1, 2) AS n, pg_temp.call(101, '{"email": "hic-yok@auth.test", "password": "tahmin"}', n => n::text) AS c;

-- a name that looks like somebody's guard is guarded apart from it
SELECT count(*) FROM generate_series(1, 11) AS n, pg_temp.call(101, jsonb_build_object('email', 'forgot isil@auth.test', 'password', 'x'), n => n::text) AS c WHERE c.status = 401;
DELETE FROM sc.jobs;
SELECT c.status FROM pg_temp.call(107, '{"email": "isil@auth.test"}') AS c;
SELECT count(*) AS mails FROM sc.jobs;

-- 8. what is of no use any more goes
UPDATE sc.sessions SET expires_at = clock_timestamp() - interval '2 days' WHERE user_id = :me;
UPDATE sc.login_guards SET last_failed_at = clock_timestamp() - interval '2 days';
SELECT sc.clean_sessions() > 0 AS cleaned;
SELECT (SELECT count(*) FROM sc.sessions WHERE user_id = :me) AS sessions, (SELECT count(*) FROM sc.login_guards) AS guards;
ROLLBACK;

-- Tokens in SQL: as users of pgjwt know them, and never an error on what a stranger sends.

-- 1. RFC 7519, section 3.1: the example of the standard, whose exp is long past
SELECT payload ->> 'iss' AS iss, header ->> 'typ' AS typ, valid
FROM sc.jwt_verify('eyJ0eXAiOiJKV1QiLA0KICJhbGciOiJIUzI1NiJ9.eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0cnVlfQ.dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk', 'x');
-- 2. the token that everybody knows, in all three sizes
SELECT sc.jwt_sign('{"sub":"1234567890","name":"John Doe","iat":1516239022}', 'your-256-bit-secret');
SELECT a, v.header ->> 'alg' AS alg, v.payload, v.valid
FROM unnest('{HS256,HS384,HS512}'::text[]) AS a,
     sc.jwt_verify(sc.jwt_sign('{"sub":"7","ad":"Ğöksu İ. \u00c7ı"}', 'sır', a), 'sır', a) AS v;
-- 3. exp is the first instant at which a token is void, nbf the first at which it is good
SELECT claim, shift, (sc.jwt_verify(sc.jwt_sign(format('{"%s":%s}', claim, floor(extract(epoch FROM statement_timestamp())) + shift)::json, 'k'), 'k')).valid
FROM (VALUES ('exp', -1), ('exp', 0), ('exp', 1), ('nbf', -1), ('nbf', 0), ('nbf', 1)) AS c(claim, shift);
SELECT (sc.jwt_verify(sc.jwt_sign('{"exp":1e300}', 'k'), 'k')).valid AS far, (sc.jwt_verify(sc.jwt_sign('{"exp":-1e300}', 'k'), 'k')).valid AS past;
-- 4. another secret, another algorithm, no algorithm
SELECT (sc.jwt_verify(sc.jwt_sign('{}', 'k'), 'K')).valid AS secret, (sc.jwt_verify(sc.jwt_sign('{}', 'k', 'HS512'), 'k')).valid AS algorithm,
       (sc.jwt_verify(sc.jwt_sign('{}', 'k'), 'k', 'none')).valid AS none, (sc.jwt_verify(sc.jwt_sign('{}', ''), '')).valid AS empty_secret;
SELECT v.* FROM sc.jwt_verify('eyJhbGciOiJub25lIn0.e30.', 'k') AS v;
SELECT v.* FROM sc.jwt_verify('eyJhbGciOiJub25lIn0.e30.AA', 'k', 'none') AS v;
-- 5. malformed: not an error, whatever it is
SELECT t, v.*
FROM unnest(ARRAY['', '.', '..', '...', 'a.b.c', 'e30.e30', 'e30.e30.e30.e30', 'eyJhbGciOiJIUzI1NiJ9.e30=.AAAA', 'eyJhbGciOiJIUzI1NiJ9.e31.AAAA',
                  'eyJhbGciOiJIUzI1NiJ9. e30.AAAA', 'ğ.ü.ş', 'eyJhbGciOiJIUzI1NiIsImNyaXQiOlsiYiJdfQ.e30.AAAA',
                  'eyJhbGciOiJIUzI1NiIsImFsZyI6Im5vbmUifQ.e30.AAAA', 'eyJhbGciOiJIUzI1NiJ9.W10.AAAA', 'eyJhbGciOiJIUzI1NiJ9._w.AAAA']) AS t,
     sc.jwt_verify(t, 'k') AS v;
SELECT (sc.jwt_verify(repeat('e30.', 250000), 'k')).valid AS many_parts, (sc.jwt_verify(repeat('A', 1000000), 'k')).valid AS one_part,
       (sc.jwt_verify(NULL, 'k')).valid AS no_token;
SELECT (sc.jwt_verify(sc.jwt_sign(json_build_object('x', repeat('y', 1000000)), 'k'), 'k')).valid AS a_megabyte;
-- 6. what could not be read again is not signed
SELECT sc.jwt_sign('[]', 'k');
SELECT sc.jwt_sign('{"sub":"1","sub":"2"}', 'k');
SELECT sc.jwt_sign('{"exp":"tomorrow"}', 'k');
SELECT sc.jwt_sign('{}', 'k', 'none');
SELECT sc.access_token('{}', '\x00', 'HS256', 'a"b');

-- 7. signing keys: next becomes active, active is kept for the tokens it signed
BEGIN;
SELECT kid AS was_active FROM sc.signing_keys WHERE state = 'active' \gset
SELECT kid AS was_next FROM sc.signing_keys WHERE state = 'next' \gset
SELECT sc.rotate_signing_key() = :'was_next' AS next_is_active;
SELECT state, kid = :'was_active' AS was_active, kid = :'was_next' AS was_next, length(secret) FROM sc.signing_keys ORDER BY created_at, kid;
UPDATE sc.signing_keys SET retired_at = retired_at - interval '1 day' WHERE state = 'retired';
SELECT sc.rotate_signing_key() <> :'was_next' AS rotated;
SELECT state, count(*), bool_or(kid = :'was_active') AS first_is_still_there FROM sc.signing_keys GROUP BY state ORDER BY state;
-- a database that has lost its keys makes new ones when asked
DELETE FROM sc.signing_keys;
SELECT state, algorithm, length(secret) FROM sc_api.signing_keys() ORDER BY state;
-- in production not while the demo's accounts are open
SELECT count(*) > 0 AS keys FROM sc_api.signing_keys(true);
INSERT INTO sc.users (email, full_name, password_hash, role_id) SELECT 'yonetici@demo.test', 'Demo', 'x', id FROM sc.roles WHERE name = 'admin';
SAVEPOINT s;
SELECT count(*) FROM sc_api.signing_keys(true);
ROLLBACK TO s;
UPDATE sc.users SET is_active = false WHERE email = 'yonetici@demo.test';
SELECT count(*) > 0 AS keys FROM sc_api.signing_keys(true);
ROLLBACK;

-- From a request to an answer: routes, authentication, results, refusals.
\pset null '~'
BEGIN;
SET LOCAL client_min_messages = warning;

-- handlers of our own
CREATE TABLE public.things (id bigint PRIMARY KEY, name text NOT NULL, size int CONSTRAINT things_size CHECK (size > 0),
                            place int CONSTRAINT things_place UNIQUE DEFERRABLE INITIALLY DEFERRED);
GRANT ALL ON public.things TO sc_owner;
INSERT INTO public.things VALUES (1, 'one', 1, 1), (2, 'two', 2, 2);
CREATE TYPE sc_api.thing AS (id bigint, name text, size int);

CREATE FUNCTION sc_api.thing_get(actor bigint, thing_id bigint) RETURNS sc_api.thing LANGUAGE plpgsql STABLE AS $$
DECLARE r sc_api.thing;
BEGIN
    SELECT t.id, t.name, t.size INTO r FROM public.things AS t WHERE t.id = thing_id;
    RETURN r;
END $$;
CREATE FUNCTION sc_api.thing_list(actor bigint, page int DEFAULT 1, per_page int DEFAULT 20, q text DEFAULT NULL)
RETURNS SETOF sc_api.thing LANGUAGE plpgsql STABLE AS $$
BEGIN
    PERFORM sc_api.total((SELECT count(*) FROM public.things));
    RETURN QUERY SELECT t.id, t.name, t.size FROM public.things AS t WHERE q IS NULL OR t.name = q
                 ORDER BY t.id LIMIT per_page OFFSET (page - 1) * per_page;
END $$;
CREATE FUNCTION sc_api.thing_all() RETURNS SETOF sc_api.thing LANGUAGE sql STABLE
AS 'SELECT t.id, t.name, t.size FROM public.things AS t ORDER BY t.id';
CREATE FUNCTION sc_api.thing_make(actor bigint, name text, size int DEFAULT NULL, place int DEFAULT NULL)
RETURNS sc_api.thing LANGUAGE plpgsql VOLATILE AS $$
DECLARE r sc_api.thing;
BEGIN
    IF thing_make.name = '' THEN PERFORM sc_api.invalid('name', 'required'); END IF;
    IF thing_make.size = 7 THEN PERFORM sc_api.invalid('size', 'out_of_range', '{"max": 6}'); END IF;
    IF thing_make.name = 'stop' THEN PERFORM sc_api.check_valid(); PERFORM sc_api.header('X-Got', 'past'); END IF;
    INSERT INTO public.things AS t VALUES ((SELECT max(x.id) + 1 FROM public.things AS x), thing_make.name, thing_make.size, thing_make.place)
    RETURNING t.id, t.name, t.size INTO r;
    PERFORM sc.touch_key('0:sc:thing:' || r.id);
    PERFORM sc_api.header('Location', '/api/v1/things/' || r.id);
    RETURN r;
END $$;
CREATE FUNCTION sc_api.thing_drop(actor bigint, thing_id bigint) RETURNS void LANGUAGE plpgsql VOLATILE AS $$
BEGIN
    DELETE FROM public.things AS t WHERE t.id = thing_id;
    IF NOT FOUND THEN PERFORM sc_api.refuse(404, 'not_found'); END IF;
END $$;
CREATE FUNCTION sc_api.thing_rename(actor bigint, thing_id bigint, _name text DEFAULT NULL, size int DEFAULT NULL, given text[] DEFAULT NULL)
RETURNS sc_api.thing LANGUAGE plpgsql VOLATILE AS $$
DECLARE r sc_api.thing;
BEGIN
    UPDATE public.things AS t
    SET name = coalesce(_name, t.name), size = CASE WHEN 'size' = ANY (given) THEN thing_rename.size ELSE t.size END
    WHERE t.id = thing_id RETURNING t.id, t.name, t.size INTO r;
    RETURN r;
END $$;
CREATE FUNCTION sc_api.thing_try(what text) RETURNS sc_api.reply LANGUAGE plpgsql VOLATILE AS $$
BEGIN
    INSERT INTO public.things VALUES ((SELECT max(x.id) + 1 FROM public.things AS x), what);
    IF what = 'refuse' THEN RETURN sc_api.reply(401, 'token_required', '{"tries": 3}'); END IF;
    IF what = 'body' THEN RETURN sc_api.reply(202, NULL, '{"a": [1, null]}', '{"Retry-After": "5"}'); END IF;
    RETURN sc_api.reply(204);
END $$;
CREATE FUNCTION sc_api.thing_fail(how text) RETURNS void LANGUAGE plpgsql VOLATILE AS $$
DECLARE i int;
BEGIN
    INSERT INTO public.things VALUES (1000, 'must not stay');
    PERFORM sc.touch_key('0:sc:must-not-stay');
    CASE how
        WHEN 'params' THEN PERFORM sc_api.refuse(413, 'body_too_large', '{"max_bytes": 20, "status": 1, "unit": {"a": "b"}}');
        WHEN 'raise' THEN RAISE EXCEPTION 'secret';
        WHEN 'odd' THEN RAISE EXCEPTION USING ERRCODE = 'SC409', MESSAGE = 'conflict', DETAIL = 'no json';
        WHEN 'unknown' THEN PERFORM sc_api.refuse(418, 'teapot');
        WHEN 'check' THEN UPDATE public.things SET size = -1;
        WHEN 'unique' THEN INSERT INTO public.things VALUES (1, 'again');
        WHEN 'null' THEN UPDATE public.things SET name = NULL;
        WHEN 'deferred' THEN UPDATE public.things SET place = 1;
        WHEN 'fk' THEN INSERT INTO sc.user_roles VALUES (-1, -1);
        WHEN 'zero' THEN i := 1 / 0;
        WHEN 'cast' THEN i := how::int;
        WHEN 'deadlock' THEN RAISE EXCEPTION USING ERRCODE = '40P01', MESSAGE = 'x';
        WHEN 'dup' THEN PERFORM sc_api.invalid('a', 'required'); PERFORM sc_api.refuse(409, 'conflict');
    END CASE;
END $$;
CREATE FUNCTION sc_api.thing_sneak() RETURNS text LANGUAGE plpgsql STABLE AS $$
BEGIN
    PERFORM sc_api.thing_make(NULL, 'sneaked');
    RETURN 'wrote';
END $$;
CREATE FUNCTION sc_api.thing_csv() RETURNS SETOF text LANGUAGE plpgsql STABLE AS $$
BEGIN
    PERFORM sc_api.event('{"kind": "seen", "user_id": 1}');
    PERFORM sc_api.no_store();
    RETURN QUERY SELECT t.id || ';' || t.name || E'\r\n' FROM public.things AS t ORDER BY t.id;
END $$;
CREATE FUNCTION sc_api.thing_ctx(ctx jsonb DEFAULT NULL, body jsonb DEFAULT NULL) RETURNS text LANGUAGE plpgsql STABLE AS
$$ BEGIN RETURN concat_ws('|', sc_api.ctx('ip'), sc_api.ctx('nothing'), ctx->>'ip', body); END $$;

SELECT count(sc.route(n, m, p, 'sc_api.' || h, a, o::jsonb)) FROM (VALUES
    (2000000001, 'GET', '/things/{thing_id}', 'thing_get', NULL, '{}'),
    (2000000002, 'GET', '/things', 'thing_list', 'user', '{}'),
    (2000000003, 'GET', '/things-all', 'thing_all', 'courses.manage', '{}'),
    (2000000004, 'POST', '/things', 'thing_make', NULL, '{"status": 201, "idempotency": true}'),
    (2000000005, 'DELETE', '/things/{thing_id}', 'thing_drop', NULL, '{}'),
    (2000000006, 'PATCH', '/things/{thing_id}', 'thing_rename', NULL, '{"lane": "hot", "lock_key": "thing_id"}'),
    (2000000007, 'POST', '/things-try', 'thing_try', NULL, '{}'),
    (2000000008, 'POST', '/things-fail', 'thing_fail', NULL, '{}'),
    (2000000009, 'GET', '/things-sneak', 'thing_sneak', NULL, '{"produces": "text/plain"}'),
    (2000000010, 'GET', '/things.csv', 'thing_csv', NULL, '{"produces": "text/csv"}'),
    (2000000011, 'POST', '/things-ctx', 'thing_ctx', NULL, '{"access": "read"}')) AS v(n, m, p, h, a, o);

CREATE FUNCTION pg_temp.call(route int, path text[] DEFAULT '{}', query text DEFAULT NULL, body text DEFAULT NULL,
                             ctx jsonb DEFAULT NULL, actor bigint DEFAULT NULL, jti uuid DEFAULT NULL, iat_ms bigint DEFAULT 0)
RETURNS SETOF text LANGUAGE sql AS $$
    SELECT concat_ws(E'\n  ', d.status || ' ' || coalesce(d.body, '-'), d.headers::text, d.touched::text, d.events::text)
    FROM sc_api.dispatch(2000000000 + route, actor, jti, iat_ms, path, query, body, ctx::text) AS d
$$;
\t on
\pset format unaligned

-- 1. results: a row, no row, a page, all rows, nothing, text
SELECT pg_temp.call(1, '{1}');
SELECT pg_temp.call(1, '{77}');
SELECT pg_temp.call(10);
SELECT pg_temp.call(5, '{2}');
SELECT pg_temp.call(5, '{2}');
SELECT pg_temp.call(99);

-- 2. a write: status, header, touched keys; what the second request of the transaction sees
SELECT pg_temp.call(4, body => '{"name": "three", "size": 3}', ctx => '{"touch": "ack"}');
SELECT pg_temp.call(1, '{2}');
-- a request that nobody acknowledges keeps its keys for NOTIFY and names them too
SELECT pg_temp.call(4, body => '{"name": "four"}');
SELECT pg_temp.call(6, '{3}', body => '{"size": 4}');
SELECT pg_temp.call(6, '{3}', body => '{"size": null}');
SELECT pg_temp.call(6, '{3}', body => '{"name": null}');
SELECT pg_temp.call(6, '{44}', body => '{}');

-- 3. who may
INSERT INTO sc.users (id, email, full_name, role_id, tokens_not_before)
SELECT v.id, v.email, v.email, r.id, v.nbf
FROM (VALUES (2000000001, 'dispatch-student@example.org', 'student', '-infinity'::timestamptz),
             (2000000002, 'dispatch-admin@example.org', 'admin', '2026-01-01 00:00:00.5+00'),
             (2000000003, 'dispatch-gone@example.org', 'student', '-infinity')) AS v(id, email, role, nbf)
JOIN sc.roles AS r ON r.name = v.role;
UPDATE sc.users SET is_active = false WHERE id = 2000000003;
INSERT INTO sc.revoked_tokens (jti, user_id, expires_at)
VALUES ('00000000-0000-0000-0000-000000000001', 2000000001, 'infinity');
SELECT pg_temp.call(2);
SELECT pg_temp.call(2, actor => 2000000001, query => 'per_page=1&q=one');
SELECT pg_temp.call(2, actor => 2000000001, query => 'page=2147483648&per_page=101');
SELECT pg_temp.call(2, actor => 2000000001, query => 'page=0&per_page=x');
SELECT pg_temp.call(2, actor => 2000000001, jti => '00000000-0000-0000-0000-000000000001');
SELECT pg_temp.call(2, actor => 2000000001, jti => '00000000-0000-0000-0000-000000000002', query => 'page=9');
SELECT pg_temp.call(2, actor => 2000000003);
SELECT pg_temp.call(2, actor => 2000000009);
SELECT pg_temp.call(3, actor => 2000000001);
-- the token must be younger than the cut, to the millisecond
SELECT pg_temp.call(3, actor => 2000000002, iat_ms => 1767225600500);
SELECT pg_temp.call(3, actor => 2000000002, iat_ms => 1767225600501);
-- a bad token does not become anonymous
SELECT pg_temp.call(1, '{1}', actor => 2000000003);
SELECT sc.can(2000000002, 'courses.manage'), sc.can(2000000001, 'courses.manage'), sc.can(2000000003, 'courses.manage'),
       sc.can(NULL, 'courses.manage'), sc.can(2000000002, NULL), sc.can(2000000002, 'no.such');

-- 4. addresses: ids have one spelling
SELECT pg_temp.call(1, ARRAY[p]) FROM unnest(ARRAY['01', '0', '-1', '1.0', '1e0', ' 1', '', 'x', '9223372036854775807',
                                                     '9223372036854775808', '99999999999999999999']) AS p;
SELECT pg_temp.call(1, '{}');
SELECT pg_temp.call(1, '{1,2}');

-- 5. refusals
SELECT pg_temp.call(8, body => jsonb_build_object('how', how)::text, ctx => '{"request_id": "r-1", "lang": "en"}')
FROM unnest(ARRAY['params', 'odd', 'unknown', 'check', 'unique', 'null', 'deferred', 'fk', 'cast', 'deadlock', 'dup']) AS how;
SELECT pg_temp.call(8, body => '{"how": "params"}', ctx => '{"lang": "tr"}');
-- of what is our own fault nothing is told
SELECT pg_temp.call(8, body => '{"how": "raise"}'), pg_temp.call(8, body => '{"how": "zero"}'), pg_temp.call(9);
SELECT count(*) FROM public.things WHERE id = 1000 OR name = 'sneaked';

-- 6. field errors of the handler undo its writes
SELECT pg_temp.call(4, body => '{"name": "", "size": 7}', ctx => '{"lang": "tr"}');
SELECT pg_temp.call(4, body => '{"name": "stop", "size": 7}');
SELECT pg_temp.call(4, body => '{"name": "stop"}', ctx => '{"touch": "ack"}');
SELECT id, name FROM public.things ORDER BY id;

-- 7. sc_api.reply: kept writes
SELECT pg_temp.call(7, body => jsonb_build_object('what', what)::text) FROM unnest(ARRAY['refuse', 'body', 'empty']) AS what;
SELECT id, name FROM public.things WHERE id > 5 ORDER BY id;

-- 8. context and whole body
SELECT pg_temp.call(11, body => '[1, {"a": null}]', ctx => '{"ip": "10.0.0.1"}');
SELECT pg_temp.call(11);
SELECT sc_api.ctx('ip') IS NULL;

-- 9. Idempotency-Key
SELECT pg_temp.call(4, body => '{"name": "once"}', ctx => '{"idempotency_key": "k-1", "touch": "ack"}');
SELECT pg_temp.call(4, body => '{"name": "once"}', ctx => '{"idempotency_key": "k-1", "touch": "ack"}');
SELECT pg_temp.call(4, body => '{"name": "twice"}', ctx => '{"idempotency_key": "k-1"}');
SELECT pg_temp.call(4, body => '{"name": "once"}', ctx => '{"idempotency_key": "k-1", "touch": "ack"}', actor => 2000000001);
SELECT pg_temp.call(4, body => '{"name": "", "size": 7}', ctx => '{"idempotency_key": "k-2"}');
-- a refused request left no trace: the key is free
SELECT pg_temp.call(4, body => '{"name": "k-2"}', ctx => '{"idempotency_key": "k-2", "touch": "ack"}');
UPDATE sc.idempotency_keys SET created_at = created_at - interval '25 hours' WHERE key = 'k-1' AND actor = 0 AND route_id = 2000000004;
SELECT sc.forget_idempotency_keys() > 0;
SELECT actor, key FROM sc.idempotency_keys WHERE route_id = 2000000004 ORDER BY actor, key;
SELECT pg_temp.call(4, body => '{"name": "x"}', ctx => jsonb_build_object('idempotency_key', k))
FROM unnest(ARRAY['', 'a b', 'ğ', repeat('x', 201)]) AS k;

-- 10. If-Match: the validator is the one the shim makes
SELECT '"' || left(encode(sha256('{"id":1,"name":"one","size":1}'), 'hex'), 32) || '"' AS etag \gset
SELECT pg_temp.call(6, '{1}', body => '{"size": 9}', ctx => '{"if_match": "\"0123\""}');
SELECT pg_temp.call(6, '{1}', body => '{"size": 9}', ctx => jsonb_build_object('if_match', 'W/"x", W/' || :'etag'));
SELECT pg_temp.call(6, '{1}', body => '{"size": 8}', ctx => jsonb_build_object('if_match', :'etag'));
SELECT pg_temp.call(6, '{1}', body => '{"size": 8}', ctx => '{"if_match": "*"}');
SELECT pg_temp.call(6, '{55}', body => '{"size": 8}', ctx => '{"if_match": "*"}');

-- 11. many at once: sorted by the lock key, answered by number, each on its own
SELECT d.n, d.status, d.body, d.touched
FROM sc_api.dispatch_many(2000000006, '{NULL,2000000001,2000000003,NULL,NULL}', NULL, '{0,0,0,0,0}',
                          '{4,1,1,01,1}', NULL,
                          ARRAY['{"size": 40}', '{"size": 10}', '{}', '{}', '{"size": -1}'], NULL) AS d;
SELECT count(*) FROM sc_api.dispatch_many(2000000006, '{}', NULL, NULL, NULL, NULL, NULL, NULL);
SELECT d.n, d.status FROM sc_api.dispatch_many(1, '{NULL}', NULL, NULL, NULL, NULL, NULL, NULL) AS d;
SAVEPOINT s;
SELECT * FROM sc_api.dispatch_many(2000000006, NULL, NULL, NULL, NULL, NULL, NULL, NULL);
ROLLBACK TO s;
SELECT * FROM sc_api.dispatch_many(2000000006, '{1,2}', NULL, '{1}', NULL, NULL, NULL, NULL);
ROLLBACK TO s;

-- 12. uploads
CREATE FUNCTION sc_api.thing_import(raw text, dry_run boolean DEFAULT false) RETURNS text LANGUAGE plpgsql VOLATILE AS
$$ BEGIN RETURN length(raw) || ':' || dry_run || ':' || raw; END $$;
SELECT sc.route(2000000012, 'POST', '/things-import', 'sc_api.thing_import', 'courses.manage',
                '{"content_type": "text/csv", "lane": "stream", "query": ["dry_run"], "max_body": 40, "produces": "text/plain"}');
SELECT status, body, upload IS NULL FROM sc_api.upload_begin(2000000012, 2000000001, NULL, 0, NULL);
SELECT status, body, upload FROM sc_api.upload_begin(2000000012, 2000000002, NULL, 1800000000000, NULL) \gset
SELECT :'status', :'upload' ~ '^[0-9a-f-]{36}$';
SELECT sc_api.upload_chunk(:'upload', 0, '\xefbbbf61c5');
SELECT sc_api.upload_chunk(:'upload', 1, '\x9f62');
SELECT pg_temp.call(12, query => 'dry_run=true', ctx => jsonb_build_object('upload', :'upload'), actor => 2000000002, iat_ms => 1800000000000);
SAVEPOINT s;
SELECT sc_api.upload_chunk(:'upload', 1, '\x00');
ROLLBACK TO s;
SELECT sc_api.upload_chunk('00000000-0000-0000-0000-000000000000', 2, '\x61');
ROLLBACK TO s;
SELECT sc_api.upload_chunk(:'upload', 2, convert_to(repeat('x', 40), 'UTF8'));
ROLLBACK TO s;
SELECT sc_api.upload_chunk(:'upload', 2, '\xff');
SELECT pg_temp.call(12, ctx => jsonb_build_object('upload', :'upload'), actor => 2000000002, iat_ms => 1800000000000);
SELECT pg_temp.call(12, ctx => '{"upload": "00000000-0000-0000-0000-000000000000"}', actor => 2000000002, iat_ms => 1800000000000);
SELECT pg_temp.call(12, ctx => '{"upload": "nonsense"}', actor => 2000000002, iat_ms => 1800000000000);
-- without an upload the body is the raw text
SELECT pg_temp.call(12, body => 'a;b', actor => 2000000002, iat_ms => 1800000000000);

-- 13. events
SELECT sc_api.log_events('[{"kind": "seen", "user_id": 2000000001, "at": "2026-01-01T10:00:00Z"},
                           {"kind": "seen", "user_id": 2000000001, "at": "2026-01-01T11:00:00Z"},
                           {"kind": "odd"}, 5, null]');
SELECT last_seen_at AT TIME ZONE 'UTC' FROM sc.users WHERE id = 2000000001;
SELECT sc_api.log_events('[{"kind": "seen", "user_id": 2000000001, "at": "2026-01-01T11:04:00Z"}]'), sc_api.log_events('{}'), sc_api.log_events(NULL);

-- 14. a changed function and a changed route are noticed
CREATE OR REPLACE FUNCTION sc_api.thing_ctx(ctx jsonb DEFAULT NULL, body jsonb DEFAULT NULL) RETURNS text LANGUAGE plpgsql STABLE AS
$$ BEGIN RETURN 'new'; END $$;
SELECT pg_temp.call(11);
SELECT sc.route(2000000011, 'POST', '/things-ctx', 'sc_api.thing_csv', NULL, '{"access": "read"}');
SELECT pg_temp.call(11);

-- a route whose handler has gone is a fault of ours, not the end of the transaction
DROP FUNCTION sc_api.thing_sneak();
SELECT pg_temp.call(9), pg_temp.call(1, '{1}');

-- a read that takes too long is given back, a write is not
CREATE FUNCTION sc_api.thing_sleep() RETURNS text LANGUAGE plpgsql STABLE AS $$ BEGIN PERFORM pg_sleep(60); RETURN ''; END $$;
SELECT sc.route(2000000013, 'GET', '/things-sleep', 'sc_api.thing_sleep', NULL),
       sc.route(2000000014, 'POST', '/things-sleep', 'sc_api.thing_sleep', NULL);
SET LOCAL statement_timeout = '50ms';
SELECT pg_temp.call(13);
SELECT pg_temp.call(14);
ROLLBACK;

-- 15. routes that could not work
\set VERBOSITY terse
BEGIN;
CREATE FUNCTION sc_api.v() RETURNS void LANGUAGE plpgsql VOLATILE AS $$ BEGIN END $$;
CREATE FUNCTION sc_api.s() RETURNS text LANGUAGE plpgsql STABLE AS $$ BEGIN RETURN ''; END $$;
SAVEPOINT s;
SELECT sc.route(2000000001, 'GET', '/v', 'sc_api.v', NULL);
ROLLBACK TO s;
SELECT sc.route(2000000001, 'GET', '/v', 'sc_api.none', NULL);
ROLLBACK TO s;
SELECT sc.route(2000000001, 'GET', '/v/{id}', 'sc_api.s', NULL);
ROLLBACK TO s;
SELECT sc.route(2000000001, 'GET', '/v', 'sc_api.s', NULL, '{"colour": 1}');
ROLLBACK TO s;
SELECT sc.route(2000000001, 'GET', '/v', 'sc_api.s', 'courses.manage', '{"cache_key": "k"}');
ROLLBACK TO s;
SELECT sc.route(2000000001, 'GET', '/v', 'sc_api.s', NULL, '{"replica": true}');
ROLLBACK TO s;
SELECT sc.route(2000000001, 'GET', '/v', 'sc_api.s', 'user', '{"replica": true, "cache_key": "k"}');
ROLLBACK TO s;
SELECT sc.route(2000000001, 'GET', '/v', 'sc_api.s', 'user', '{"replica": true, "lane": "hot"}');
ROLLBACK TO s;
SELECT sc.route(2000000001, 'POST', '/v', 'sc_api.v', 'user', '{"replica": true}');
ROLLBACK TO s;
SELECT sc.route(2000000001, 'GET', '/v', 'sc_api.s', 'user', '{"public": true}');
ROLLBACK TO s;
SELECT sc.route(2000000001, 'GET', 'v', 'sc_api.s', NULL);
ROLLBACK TO s;
SELECT sc.route(2000000001, 'BREW', '/v', 'sc_api.v', NULL);
ROLLBACK TO s;
SELECT sc.route(2000000001, 'POST', '/v', 'sc_api.v', NULL, '{"lane": "fast"}');
ROLLBACK;

-- 16. refusing outside of a request
\set VERBOSITY default
SELECT sc_api.refuse(409, 'conflict', '{"capacity": 20}');
SELECT sc_api.refuse(200, 'conflict');
SELECT sc_api.refuse(409, NULL);
SELECT sc_api.invalid('name', 'required');
SELECT sc_api.check_valid() IS NOT NULL, sc_api.total(3) IS NOT NULL, sc_api.header('a', 'b') IS NOT NULL;

-- Exports: answers that are handed out while they are made.
BEGIN;
CREATE TABLE public.stream_log (at text);
GRANT ALL ON public.stream_log TO sc_owner;
-- made row by row, and bad where it is told
CREATE FUNCTION sc_api.stream_lines(count bigint, bad bigint DEFAULT NULL, width int DEFAULT 0) RETURNS SETOF text LANGUAGE sql STABLE AS $$
    SELECT x.i || repeat('.', width) || CASE WHEN x.i = bad THEN (1 / (x.i - bad))::text ELSE '' END || E'\n'
    FROM (SELECT generate_series(1, count) AS i) AS x
$$;
-- made as a whole, with all that a handler may say
CREATE FUNCTION sc_api.stream_made(actor bigint, how text, _size int DEFAULT 1) RETURNS SETOF text LANGUAGE plpgsql STABLE AS $$
BEGIN
    CASE how
        WHEN 'refuse' THEN PERFORM sc_api.refuse(404, 'not_found');
        WHEN 'collect' THEN PERFORM sc_api.invalid('size', 'unknown_value');
        WHEN 'answer' THEN PERFORM sc_api.answer(403, 'forbidden');
        WHEN 'write' THEN INSERT INTO public.stream_log VALUES ('at once');
        WHEN 'who' THEN RETURN NEXT concat_ws(' ', actor, sc_api.ctx('lang'), current_user, E'\n');
        WHEN 'gaps' THEN RETURN NEXT NULL; RETURN NEXT 'a'; RETURN NEXT NULL;
        WHEN 'nothing' THEN NULL;
        WHEN 'head' THEN
            PERFORM sc_api.header('Content-Disposition', 'attachment');
            PERFORM sc_api.no_store();
            PERFORM sc_api.event('{"kind": "seen", "user_id": 1}');
            RETURN NEXT 'ğ';
        WHEN 'much' THEN RETURN QUERY SELECT repeat(chr(96 + i), _size) FROM generate_series(1, 5) AS i;
    END CASE;
END $$;
CREATE FUNCTION sc_api.stream_sneak() RETURNS text LANGUAGE plpgsql VOLATILE AS $$
BEGIN
    INSERT INTO public.stream_log VALUES ('late');
    RETURN 'wrote';
END $$;
CREATE FUNCTION sc_api.stream_late() RETURNS SETOF text LANGUAGE sql STABLE AS $$
    SELECT CASE WHEN x.i < 3 THEN 'line ' || coalesce(sc_api.ctx('lang'), '?') || E'\n' ELSE (SELECT sc_api.stream_sneak()) END
    FROM (SELECT generate_series(1, 3) AS i) AS x
$$;
CREATE FUNCTION sc_api.stream_one(name text DEFAULT NULL) RETURNS text LANGUAGE plpgsql STABLE AS $$ BEGIN RETURN name; END $$;
CREATE FUNCTION sc_api.stream_strict(name text DEFAULT NULL) RETURNS SETOF text LANGUAGE plpgsql STABLE STRICT AS $$ BEGIN RETURN NEXT name; END $$;
CREATE FUNCTION sc_api.stream_list() RETURNS sc_api.reply LANGUAGE plpgsql STABLE AS $$ BEGIN RETURN sc_api.reply(200); END $$;

SELECT count(sc.route(n, m, p, 'sc_api.' || h, a, '{"lane": "stream", "produces": "text/plain"}')) FROM (VALUES
    (2000000601, 'GET', '/stream/lines/{count}', 'stream_lines', NULL),
    (2000000602, 'GET', '/stream/made/{how}', 'stream_made', NULL),
    (2000000603, 'GET', '/stream/mine/{how}', 'stream_made', 'user'),
    (2000000604, 'GET', '/stream/ours/{how}', 'stream_made', 'users.read'),
    (2000000605, 'GET', '/stream/late', 'stream_late', NULL),
    (2000000606, 'GET', '/stream/one', 'stream_one', NULL),
    (2000000607, 'GET', '/stream/strict', 'stream_strict', NULL)) AS v(n, m, p, h, a);
SELECT sc.route(2000000608, 'GET', '/stream/list', 'sc_api.stream_list', NULL);

INSERT INTO sc.users (id, email, full_name, role_id)
SELECT 2000000601, 'stream-student@example.org', 'student', r.id FROM sc.roles AS r WHERE r.name = 'student';

-- bodies as number and digest of the pieces, unless they are short
CREATE FUNCTION pg_temp.call(route int, path text[] DEFAULT '{}', query text DEFAULT NULL, actor bigint DEFAULT NULL, ctx text DEFAULT '{"lang": "en"}')
RETURNS SETOF text LANGUAGE sql AS $$
    SELECT concat_ws(' ', d.status, d.headers::text, d.touched::text, d.events::text,
                     CASE WHEN length(d.body) > 200 AND d.status IS NULL THEN length(d.body) || ' characters' ELSE to_json(d.body)::text END)
    FROM (SELECT (x.d).* FROM (SELECT sc_api.dispatch_stream(2000000000 + route, actor, NULL, 0, path, query, NULL, ctx) AS d OFFSET 0) AS x) AS d
$$;
\set ON_ERROR_ROLLBACK on
\t on
\pset format unaligned

-- 1. a head, then the lines; long texts in pieces, whose sum is the whole
SELECT pg_temp.call(601, '{3}');
SELECT pg_temp.call(602, '{head}');
SELECT pg_temp.call(602, '{nothing}');
SELECT pg_temp.call(602, '{gaps}');
SELECT pg_temp.call(603, '{who}', actor => 2000000601, ctx => '{"lang": "tr"}');
SELECT count(*) > 20, sum(length(body)), md5(string_agg(body, '')) = md5((SELECT string_agg(i || E'\n', '' ORDER BY i) FROM generate_series(1, 200000) AS i))
FROM (SELECT (sc_api.dispatch_stream(2000000601, NULL, NULL, NULL, '{200000}', NULL, NULL, NULL)).body) AS d;
SELECT pg_temp.call(602, '{much}', 'size=40000');
SELECT pg_temp.call(602, '{much}', 'size=10000');
SELECT pg_temp.call(606, '{}', 'name=one');
-- the same by dispatch, whole
SELECT status, body FROM sc_api.dispatch(2000000601, NULL, NULL, NULL, '{3}', NULL, NULL, NULL);
-- FROM makes all of it first, and gives the same
SELECT count(status), string_agg(body, '') FROM sc_api.dispatch_stream(2000000601, NULL, NULL, NULL, '{3}', NULL, NULL, NULL);

-- 2. nothing is made before it is asked for: this would take hours
SELECT (d).status, left((d).body, 3) FROM (SELECT sc_api.dispatch_stream(2000000601, NULL, NULL, NULL, '{200000000000}', NULL, NULL, NULL) AS d OFFSET 0) AS x LIMIT 3;

-- 3. refusals are answers, and all there is
SELECT pg_temp.call(602, '{refuse}');
SELECT pg_temp.call(602, '{collect}');
SELECT pg_temp.call(602, '{answer}');
SELECT pg_temp.call(603, '{who}');
SELECT pg_temp.call(603, '{who}', actor => -1);
SELECT pg_temp.call(604, '{who}', actor => 2000000601);
SELECT pg_temp.call(601, '{x}');
SELECT pg_temp.call(601, '{3}', 'width=-&no=1', ctx => '{"lang": "tr"}');
SELECT pg_temp.call(606);
SELECT pg_temp.call(607);
SELECT pg_temp.call(699);
SELECT pg_temp.call(601, '{3}', 'bad=1');
-- no export
SELECT pg_temp.call(608);
-- what was refused left no cursor behind; the one that is there was not read to its end, above
SELECT count(*) FROM pg_cursors WHERE name LIKE '<unnamed%';

-- 4. an export writes nothing, neither at once nor later
SELECT pg_temp.call(602, '{write}');
SAVEPOINT late;
SELECT pg_temp.call(605);
ROLLBACK TO late;
SELECT count(*) FROM public.stream_log;
INSERT INTO public.stream_log VALUES ('afterwards');
SELECT at FROM public.stream_log;

-- 5. an error after the first line surfaces; the lines before it were there
SAVEPOINT broken;
DECLARE c CURSOR FOR SELECT (d).status, left((d).body, 5) FROM (SELECT sc_api.dispatch_stream(2000000601, NULL, NULL, NULL, '{20000}', 'bad=15000&width=10', NULL, NULL) AS d OFFSET 0) AS x;
FETCH 3 c;
FETCH ALL c;
ROLLBACK TO broken;
-- two at a time, and other requests between their rows
DECLARE a CURSOR FOR SELECT length((d).body) FROM (SELECT sc_api.dispatch_stream(2000000601, NULL, NULL, NULL, '{5000}', 'width=10', NULL, NULL) AS d OFFSET 0) AS x;
DECLARE b CURSOR FOR SELECT length((d).body) FROM (SELECT sc_api.dispatch_stream(2000000601, NULL, NULL, NULL, '{5000}', 'width=20', NULL, NULL) AS d OFFSET 0) AS x;
FETCH 2 a;
FETCH 2 b;
SELECT status FROM sc_api.dispatch(2000000602, NULL, NULL, NULL, '{refuse}', NULL, NULL, NULL);
UPDATE sc.routes SET summary = 'changed' WHERE id = 2000000601;
SELECT status FROM sc_api.dispatch(2000000602, NULL, NULL, NULL, '{nothing}', NULL, NULL, NULL);
FETCH ALL a;
FETCH ALL b;

-- 6. who may: the shim's role the entry point and nothing else
SET LOCAL ROLE sc_app;
SELECT (d).status, (d).body FROM (SELECT sc_api.dispatch_stream(2000000602, NULL, NULL, NULL, '{who}', NULL, NULL, NULL) AS d OFFSET 0) AS x;
RESET ROLE;

-- 7. routes that could not work
\set SHOW_CONTEXT never
SELECT sc.route(2000000609, 'GET', '/stream/x', 'sc_api.stream_list', NULL, '{"lane": "stream"}');
SELECT sc.route(2000000609, 'GET', '/stream/x', 'sc_api.stream_one', NULL, '{"lane": "stream", "access": "write"}');
SELECT sc.route(2000000609, 'GET', '/stream/x', 'sc_api.stream_one', NULL, '{"lane": "stream", "cache_key": "sc:x"}');
SELECT sc.route(2000000609, 'GET', '/stream/x', 'sc_api.stream_one', NULL, '{"lane": "stream", "replica": true}');
ROLLBACK;

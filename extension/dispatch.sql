-- The way from a request to a handler and back.

CREATE TYPE sc_api.reply AS (status int, code text, body jsonb, headers jsonb);
COMMENT ON TYPE sc_api.reply IS 'an answer that says its own status; make it with sc_api.reply()';

CREATE FUNCTION sc_api.reply(status int, code text DEFAULT NULL, body jsonb DEFAULT NULL, headers jsonb DEFAULT NULL)
RETURNS sc_api.reply
LANGUAGE sql IMMUTABLE PARALLEL SAFE
AS $$ SELECT ROW(status, code, body, headers)::sc_api.reply $$;
COMMENT ON FUNCTION sc_api.reply(int, text, jsonb, jsonb) IS
    'an answer whose writes are kept: with a code a problem document (body gives its parameters), else body as it is';

CREATE FUNCTION sc_api.total(n bigint)
RETURNS void
AS 'MODULE_PATHNAME', 'sc_api_total'
LANGUAGE C VOLATILE STRICT PARALLEL RESTRICTED;
COMMENT ON FUNCTION sc_api.total(bigint) IS 'says how many items the whole list has';

CREATE FUNCTION sc_api.header(name text, value text)
RETURNS void
AS 'MODULE_PATHNAME', 'sc_api_header'
LANGUAGE C VOLATILE STRICT PARALLEL RESTRICTED;
COMMENT ON FUNCTION sc_api.header(text, text) IS 'adds a header to the answer';

CREATE FUNCTION sc_api.no_store()
RETURNS void
AS 'MODULE_PATHNAME', 'sc_api_no_store'
LANGUAGE C VOLATILE PARALLEL RESTRICTED;
COMMENT ON FUNCTION sc_api.no_store() IS 'says that this answer must not be cached';

CREATE FUNCTION sc_api.not_kept(secret text)
RETURNS void
AS 'MODULE_PATHNAME', 'sc_api_not_kept'
LANGUAGE C VOLATILE STRICT PARALLEL RESTRICTED;
COMMENT ON FUNCTION sc_api.not_kept(text) IS
    'says that a text of this answer must not be stored beside an Idempotency-Key: a replay shows null in its place';

CREATE FUNCTION sc_api.answer(status int, code text DEFAULT NULL, params jsonb DEFAULT NULL)
RETURNS void
AS 'MODULE_PATHNAME', 'sc_api_answer'
LANGUAGE C VOLATILE PARALLEL RESTRICTED;
COMMENT ON FUNCTION sc_api.answer(int, text, jsonb) IS
    'says the status of a handler that returns a row; with a code the answer is that refusal instead, and the handler''s writes are kept';

CREATE FUNCTION sc_api.event(event jsonb)
RETURNS void
AS 'MODULE_PATHNAME', 'sc_api_event'
LANGUAGE C VOLATILE STRICT PARALLEL RESTRICTED;
COMMENT ON FUNCTION sc_api.event(jsonb) IS 'hands a best-effort event to whoever writes them later, with sc_api.log_events()';

CREATE FUNCTION sc_api.ctx(name text)
RETURNS text
AS 'MODULE_PATHNAME', 'sc_api_ctx'
LANGUAGE C STABLE STRICT PARALLEL RESTRICTED;
COMMENT ON FUNCTION sc_api.ctx(text) IS
    'a text of the context of the request in hand (request_id, ip, user_agent, lang, …); NULL outside of one';

CREATE FUNCTION sc.can(actor bigint, permission text)
RETURNS boolean
AS 'MODULE_PATHNAME', 'sc_can'
LANGUAGE C STABLE PARALLEL SAFE;
COMMENT ON FUNCTION sc.can(bigint, text) IS
    'does the user, while active, hold the permission? The union over the user''s roles; false for nobody';

CREATE FUNCTION sc_api.dispatch(route int, actor bigint, jti uuid, iat_ms bigint, path text[], query text, body text, ctx text,
                                OUT status int, OUT headers jsonb, OUT body text, OUT touched text[], OUT events jsonb)
AS 'MODULE_PATHNAME', 'sc_api_dispatch'
LANGUAGE C VOLATILE SECURITY DEFINER PARALLEL UNSAFE
SET search_path = pg_catalog, sc, pg_temp;
COMMENT ON FUNCTION sc_api.dispatch(int, bigint, uuid, bigint, text[], text, text, text) IS
    'serves one request: authenticates, binds, runs the handler of the route and gives its answer; errors of the request are answers too';

CREATE FUNCTION sc_api.dispatch_many(route int, actor bigint[], jti uuid[], iat_ms bigint[], path text[], query text[], body text[], ctx text[])
RETURNS TABLE (n int, status int, headers jsonb, body text, touched text[], events jsonb)
AS 'MODULE_PATHNAME', 'sc_api_dispatch_many'
LANGUAGE C VOLATILE SECURITY DEFINER PARALLEL UNSAFE
SET search_path = pg_catalog, sc, pg_temp;
COMMENT ON FUNCTION sc_api.dispatch_many(int, bigint[], uuid[], bigint[], text[], text[], text[], text[]) IS
    'serves many requests of one route with one commit, in the order of the route''s lock key; a path has a value in each line; n counts the input from 1';

CREATE FUNCTION sc_api.dispatch_stream(route int, actor bigint, jti uuid, iat_ms bigint, path text[], query text, body text, ctx text)
RETURNS TABLE (status int, headers jsonb, body text, touched text[], events jsonb)
AS 'MODULE_PATHNAME', 'sc_api_dispatch_stream'
LANGUAGE C VOLATILE SECURITY DEFINER PARALLEL UNSAFE
SET search_path = pg_catalog, sc, pg_temp;
COMMENT ON FUNCTION sc_api.dispatch_stream(int, bigint, uuid, bigint, text[], text, text, text) IS
    'serves a request of an export bit by bit: dispatch''s row without the body, or a refusal; then rows with a piece of the body each. Call it in the select list: in FROM all is made first. An error after the first row surfaces';

CREATE FUNCTION sc_api.upload_begin(route int, actor bigint, jti uuid, iat_ms bigint, ctx text,
                                    OUT status int, OUT headers jsonb, OUT body text, OUT upload uuid)
AS 'MODULE_PATHNAME', 'sc_api_upload_begin'
LANGUAGE C VOLATILE SECURITY DEFINER PARALLEL UNSAFE
SET search_path = pg_catalog, sc, pg_temp;
COMMENT ON FUNCTION sc_api.upload_begin(int, bigint, uuid, bigint, text) IS
    'opens an upload in this transaction if the user may call the route; its id goes into ctx.upload of the dispatch that follows';

CREATE FUNCTION sc_api.upload_chunk(upload uuid, seq int, data bytea)
RETURNS void
AS 'MODULE_PATHNAME', 'sc_api_upload_chunk'
LANGUAGE C VOLATILE STRICT SECURITY DEFINER PARALLEL UNSAFE
SET search_path = pg_catalog, sc, pg_temp;
COMMENT ON FUNCTION sc_api.upload_chunk(uuid, int, bytea) IS 'adds a chunk, numbered from 0, to the open upload';

CREATE FUNCTION sc_api.log_events(events jsonb)
RETURNS bigint
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SECURITY DEFINER
SET search_path = pg_catalog, sc, pg_temp
AS $$
DECLARE
    written bigint;
BEGIN
    -- at most one write per user in five minutes: a busy user costs nothing
    UPDATE sc.users AS u
    SET last_seen_at = e.at
    FROM (SELECT (x.event->>'user_id')::bigint AS user_id, max((x.event->>'at')::timestamptz) AS at
          FROM jsonb_array_elements(CASE WHEN jsonb_typeof(events) = 'array' THEN events ELSE '[]' END) AS x(event)
          WHERE x.event->>'kind' = 'seen'
          GROUP BY 1
          ORDER BY 1) AS e
    WHERE u.id = e.user_id AND (u.last_seen_at IS NULL OR u.last_seen_at < e.at - interval '5 minutes');
    GET DIAGNOSTICS written = ROW_COUNT;
    RETURN written;
END
$$;
COMMENT ON FUNCTION sc_api.log_events(jsonb) IS
    'writes events of read handlers; {"kind": "seen", "user_id": 7, "at": "…"} moves last_seen_at; unknown kinds are dropped; returns the rows written';

CREATE FUNCTION sc.forget_idempotency_keys(keep interval DEFAULT '24 hours')
RETURNS bigint
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
AS $$
DECLARE
    forgotten bigint;
BEGIN
    DELETE FROM sc.idempotency_keys AS k WHERE k.created_at < clock_timestamp() - keep;
    GET DIAGNOSTICS forgotten = ROW_COUNT;
    RETURN forgotten;
END
$$;
COMMENT ON FUNCTION sc.forget_idempotency_keys(interval) IS
    'removes answers kept for Idempotency-Key that are older than keep; returns how many';

-- Routes

CREATE TYPE sc.handler_param AS (name text, place text, type text, required boolean, fallback text);
COMMENT ON TYPE sc.handler_param IS 'a parameter of a handler as the API shows it; fallback is the text of its default';

CREATE FUNCTION sc.handler_params(handler text, method text, path text, query text[])
RETURNS SETOF sc.handler_param
LANGUAGE plpgsql STABLE PARALLEL RESTRICTED
AS $$
DECLARE
    a record;
    item sc.handler_param;
BEGIN
    FOR a IN
        SELECT p.proargnames[i] AS name, p.proargtypes[i - 1] AS type, i > p.pronargs - p.pronargdefaults AS has_default,
               pg_get_function_arg_default(p.oid, i) AS fallback
        FROM pg_proc AS p, generate_series(1, p.pronargs) AS i
        WHERE p.oid = to_regproc(handler)
        ORDER BY i
    LOOP
        CONTINUE WHEN (a.name, a.type) IN (('actor', 'int8'::regtype), ('jti', 'uuid'::regtype), ('jti', 'uuid'::regtype), ('given', 'text[]'::regtype), ('body', 'jsonb'::regtype),
                                           ('ctx', 'jsonb'::regtype), ('raw', 'text'::regtype));
        item.name := ltrim(left(a.name, 1), '_') || substr(a.name, 2);
        item.place := CASE WHEN strpos(path, '{' || item.name || '}') > 0 THEN 'path'
                           WHEN method IN ('GET', 'DELETE') OR item.name = ANY (query) THEN 'query'
                           ELSE 'body' END;
        item.type := format_type(a.type, NULL);
        item.required := NOT a.has_default;
        item.fallback := NULL;
        IF a.has_default THEN
            EXECUTE 'SELECT (' || a.fallback || ')::text' INTO item.fallback;
        END IF;
        RETURN NEXT item;
    END LOOP;
END
$$;
COMMENT ON FUNCTION sc.handler_params(text, text, text, text[]) IS
    'the parameters of a handler as the API shows them: reserved ones left out, the leading underscore dropped';

CREATE FUNCTION sc.check_route(method text, path text, handler text, permission text, options jsonb)
RETURNS void
LANGUAGE plpgsql STABLE PARALLEL RESTRICTED
AS $$
DECLARE
    proc record;
    name text;
    access text := coalesce(options->>'access', CASE WHEN method = 'GET' THEN 'read' ELSE 'write' END);
    fault text;
BEGIN
    SELECT p.oid, p.provolatile, p.proretset, p.prorettype, p.proargnames INTO proc
    FROM pg_proc AS p WHERE p.oid = to_regproc(handler);
    SELECT string_agg(k, ', ') INTO name
    FROM jsonb_object_keys(options) AS k
    WHERE k NOT IN ('access', 'lane', 'cost', 'lock_key', 'status', 'cache_key', 'cache_query', 'cache_tags', 'cache_ttl', 'public',
                    'rate', 'auth', 'query', 'content_type', 'max_body', 'response', 'produces', 'idempotent', 'idempotency',
                    'replica', 'tag', 'summary');
    fault := CASE
        WHEN name IS NOT NULL THEN 'unknown option ' || name
        WHEN proc.oid IS NULL THEN 'handler ' || handler || ' does not exist, or not just once'
        WHEN access = 'read' AND proc.provolatile = 'v' THEN 'a read handler must be STABLE'
        WHEN options->>'lane' = 'stream' AND method = 'GET'
             AND (access <> 'read' OR proc.prorettype <> 'text'::regtype OR options ? 'cache_key' OR coalesce((options->>'replica')::boolean, false))
            THEN 'an export is a read handler that returns text, not cached and not from a replica'
        WHEN options ? 'cache_key' AND permission IS NOT NULL AND permission <> 'user'
            THEN 'only routes of permission NULL or user may be cached'
        WHEN options ? 'cache_key' AND access <> 'read' THEN 'only read routes may be cached'
        WHEN (options->>'replica')::boolean AND (access <> 'read' OR permission IS NULL OR options ?| '{cache_key,auth}'
                                                 OR coalesce(options->>'lane', 'read') NOT IN ('read', 'slow'))
            THEN 'a replica may answer only reads of the lanes read and slow, by a known user, that are not cached'
        WHEN coalesce((options->>'public')::boolean, false) AND permission IS NOT NULL
            THEN 'only anonymous routes may be public'
        WHEN options ? 'response' AND to_regtype(options->>'response') IS NULL
            THEN 'response type ' || (options->>'response') || ' does not exist'
    END;
    IF fault IS NULL THEN
        FOR name IN SELECT m[1] FROM regexp_matches(path, '\{([^}]*)\}', 'g') AS m LOOP
            IF NOT coalesce(ARRAY[name, '_' || name] && proc.proargnames, false) THEN
                fault := 'handler ' || handler || ' has no parameter for {' || name || '}';
            END IF;
        END LOOP;
    END IF;
    IF fault IS NOT NULL THEN
        RAISE EXCEPTION USING ERRCODE = 'invalid_parameter_value',
            MESSAGE = format('route %s %s: %s', method, path, fault);
    END IF;
END
$$;
COMMENT ON FUNCTION sc.check_route(text, text, text, text, jsonb) IS 'refuses a route that could not work';

CREATE FUNCTION sc.route(id int, method text, path text, handler text, permission text, options jsonb DEFAULT '{}')
RETURNS void
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
AS $$
DECLARE
    access text := coalesce(options->>'access', CASE WHEN method = 'GET' THEN 'read' ELSE 'write' END);
BEGIN
    PERFORM sc.check_route(method, path, handler, permission, options);
    INSERT INTO sc.routes AS r (
        id, method, path, handler, permission, access, lane, cost, lock_key, status,
        cache_key, cache_query, cache_tags, cache_ttl, public, rate, auth, query,
        content_type, max_body, response, produces, idempotent, idempotency, replica, tag, summary)
    VALUES (
        route.id, route.method, route.path, route.handler, route.permission, access,
        coalesce(options->>'lane', CASE access WHEN 'read' THEN 'read' ELSE 'write' END),
        coalesce(options->>'cost', 'wait'), options->>'lock_key', (options->>'status')::smallint,
        options->>'cache_key',
        CASE WHEN options ? 'cache_query' THEN ARRAY(SELECT jsonb_array_elements_text(options->'cache_query')) END,
        ARRAY(SELECT jsonb_array_elements_text(coalesce(options->'cache_tags', '[]'))),
        coalesce((options->>'cache_ttl')::int, 600), coalesce((options->>'public')::boolean, false),
        coalesce(options->>'rate', 'api'), options->>'auth',
        ARRAY(SELECT jsonb_array_elements_text(coalesce(options->'query', '[]'))),
        coalesce(options->>'content_type', 'application/json'), coalesce((options->>'max_body')::bigint, 1048576),
        options->>'response', options->>'produces',
        coalesce((options->>'idempotent')::boolean, route.method = 'GET' AND access = 'read'),
        coalesce((options->>'idempotency')::boolean, false),
        coalesce((options->>'replica')::boolean, false), options->>'tag', options->>'summary')
    ON CONFLICT ON CONSTRAINT routes_pkey DO UPDATE SET
        method = excluded.method, path = excluded.path, handler = excluded.handler, permission = excluded.permission,
        access = excluded.access, lane = excluded.lane, cost = excluded.cost, lock_key = excluded.lock_key,
        status = excluded.status, cache_key = excluded.cache_key, cache_query = excluded.cache_query,
        cache_tags = excluded.cache_tags, cache_ttl = excluded.cache_ttl, public = excluded.public,
        rate = excluded.rate, auth = excluded.auth, query = excluded.query, content_type = excluded.content_type,
        max_body = excluded.max_body, response = excluded.response, produces = excluded.produces,
        idempotent = excluded.idempotent, idempotency = excluded.idempotency, replica = excluded.replica,
        tag = excluded.tag, summary = excluded.summary
    -- install() runs again at every update: what did not change is not written.
    WHERE to_jsonb(r) - '{created_at,updated_at}'::text[] <> to_jsonb(excluded) - '{created_at,updated_at}'::text[];
END
$$;
COMMENT ON FUNCTION sc.route(int, text, text, text, text, jsonb) IS
    'makes or changes a route after checking it; the options are those of CONTRIBUTING.md';

CREATE FUNCTION sc_api.routes()
RETURNS TABLE (id int, method text, path text, access text, lane text, cost text, auth text, anonymous boolean,
               cache_key text, cache_query text[], cache_tags text[], cache_ttl int, public boolean, rate text,
               max_body bigint, content_type text, produces text, lock_key text, idempotent boolean, replica boolean,
               status int, params jsonb)
LANGUAGE plpgsql STABLE PARALLEL RESTRICTED SECURITY DEFINER
SET search_path = pg_catalog, sc, pg_temp
AS $$
#variable_conflict use_column
BEGIN
    PERFORM sc.check_schema();
    RETURN QUERY
    SELECT r.id, r.method, r.path, r.access, r.lane, r.cost, coalesce(r.auth, 'token'), r.permission IS NULL,
           r.cache_key,
           coalesce(r.cache_query, ARRAY(SELECT h.name FROM sc.handler_params(r.handler, r.method, r.path, r.query) AS h
                                         WHERE h.place = 'query' ORDER BY h.name)),
           r.cache_tags, r.cache_ttl, r.public, r.rate, r.max_body, r.content_type, r.produces, r.lock_key,
           r.idempotent, r.replica, r.status::int,
           (SELECT coalesce(jsonb_agg(jsonb_build_object('name', h.name, 'in', h.place, 'type', h.type,
                                                         'required', h.required, 'default', h.fallback) ORDER BY n), '[]')
            FROM sc.handler_params(r.handler, r.method, r.path, r.query) WITH ORDINALITY
                 AS h(name, place, type, required, fallback, n))
    FROM sc.routes AS r
    ORDER BY r.id;
END
$$;
COMMENT ON FUNCTION sc_api.routes() IS 'the route table, as the shim reads it; refused while the tables are of another version than the code';

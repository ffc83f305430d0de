-- The API document (OpenAPI 3.1), from the routes and the catalogue.
--
-- Nothing is described by hand: parameters and their types are those of the
-- handlers, answers are composite types, and the words are comments of
-- functions, types and columns.

CREATE FUNCTION sc.schema_name(type oid)
RETURNS text
LANGUAGE plpgsql STABLE STRICT PARALLEL SAFE
AS $$
BEGIN
    RETURN (SELECT CASE WHEN n.nspname = 'sc_api' THEN '' ELSE n.nspname || '_' END || t.typname
            FROM pg_type AS t JOIN pg_namespace AS n ON n.oid = t.typnamespace
            WHERE t.oid = schema_name.type);
END
$$;
COMMENT ON FUNCTION sc.schema_name(oid) IS 'name of a composite type among the schemas of the API document';

CREATE FUNCTION sc.type_schema(type oid, nullable boolean DEFAULT false)
RETURNS jsonb
LANGUAGE plpgsql STABLE STRICT PARALLEL SAFE
AS $$
DECLARE
    t pg_type%ROWTYPE;
    schema jsonb;
BEGIN
    SELECT * INTO STRICT t FROM pg_type WHERE oid = type_schema.type;
    IF t.typtype = 'd' THEN
        RETURN sc.type_schema(t.typbasetype, nullable);
    END IF;
    schema := CASE
        WHEN type IN ('int8'::regtype) THEN '{"type": "integer", "format": "int64"}'
        WHEN type IN ('int4'::regtype, 'int2'::regtype) THEN '{"type": "integer", "format": "int32"}'
        WHEN type IN ('numeric'::regtype, 'float8'::regtype, 'float4'::regtype) THEN '{"type": "number"}'
        WHEN type = 'bool'::regtype THEN '{"type": "boolean"}'
        WHEN type = 'timestamptz'::regtype THEN '{"type": "string", "format": "date-time"}'
        WHEN type = 'date'::regtype THEN '{"type": "string", "format": "date"}'
        WHEN type = 'uuid'::regtype THEN '{"type": "string", "format": "uuid"}'
        WHEN type IN ('json'::regtype, 'jsonb'::regtype) THEN '{}'
        WHEN t.typtype = 'c' THEN jsonb_build_object('$ref', '#/components/schemas/' || sc.schema_name(type))
        WHEN t.typtype = 'e' THEN jsonb_build_object(
            'type', 'string',
            'enum', (SELECT jsonb_agg(e.enumlabel ORDER BY e.enumsortorder) FROM pg_enum AS e WHERE e.enumtypid = type))
        WHEN t.typtype = 'm' THEN
            '{"type": "array", "items": {"type": "object", "required": ["from", "to"],
              "properties": {"from": {"type": ["number", "null"]}, "to": {"type": ["number", "null"]}}}}'
        WHEN t.typcategory = 'A' THEN jsonb_build_object('type', 'array', 'items', sc.type_schema(t.typelem))
        ELSE '{"type": "string"}'
    END;
    IF NOT nullable OR schema = '{}' THEN
        RETURN schema;
    ELSIF schema ? '$ref' THEN
        RETURN jsonb_build_object('anyOf', jsonb_build_array(schema, '{"type": "null"}'::jsonb));
    ELSIF schema ? 'enum' THEN
        schema := jsonb_set(schema, '{enum}', schema->'enum' || 'null'::jsonb);
    END IF;
    RETURN jsonb_set(schema, '{type}', jsonb_build_array(schema->'type', 'null'));
END
$$;
COMMENT ON FUNCTION sc.type_schema(oid, boolean) IS 'JSON schema of the values of a type, as answers show them';

CREATE FUNCTION sc.composite_schema(type oid)
RETURNS jsonb
LANGUAGE plpgsql STABLE STRICT PARALLEL SAFE
AS $$
BEGIN
    RETURN (
        SELECT jsonb_strip_nulls(jsonb_build_object('type', 'object', 'description', obj_description(type, 'pg_type')))
            || jsonb_build_object(
                'required', jsonb_agg(a.attname ORDER BY a.attnum),
                'properties', jsonb_object_agg(
                    a.attname,
                    sc.type_schema(a.atttypid, true)
                    || jsonb_strip_nulls(jsonb_build_object('description', col_description(t.typrelid, a.attnum)))))
        FROM pg_type AS t
        JOIN pg_attribute AS a ON a.attrelid = t.typrelid AND a.attnum > 0 AND NOT a.attisdropped
        WHERE t.oid = composite_schema.type);
END
$$;
COMMENT ON FUNCTION sc.composite_schema(oid) IS
    'JSON schema of a composite type; every field is always there, and may be null';

CREATE FUNCTION sc.answer_type(handler text, response text)
RETURNS oid
LANGUAGE plpgsql STABLE PARALLEL SAFE
AS $$
DECLARE
    type oid := (SELECT p.prorettype FROM pg_proc AS p WHERE p.oid = to_regproc(handler));
BEGIN
    RETURN CASE WHEN type = 'sc_api.reply'::regtype THEN to_regtype(response)::oid ELSE type END;
END
$$;
COMMENT ON FUNCTION sc.answer_type(text, text) IS
    'type that a route answers with: what its handler returns, or what the route names; NULL if it names none';

CREATE FUNCTION sc.answer_schemas()
RETURNS jsonb
LANGUAGE plpgsql STABLE PARALLEL SAFE
AS $$
BEGIN
    RETURN (
        WITH RECURSIVE used(type) AS (
            SELECT sc.answer_type(r.handler, r.response) FROM sc.routes AS r
            UNION
            SELECT x.type
            FROM used AS u
            JOIN pg_type AS t ON t.oid = u.type
            LEFT JOIN pg_attribute AS a ON a.attrelid = t.typrelid AND a.attnum > 0 AND NOT a.attisdropped
            CROSS JOIN LATERAL (VALUES (a.atttypid), (nullif(t.typelem, 0)), (nullif(t.typbasetype, 0))) AS x(type)
            WHERE x.type IS NOT NULL
        )
        SELECT coalesce(jsonb_object_agg(sc.schema_name(t.oid), sc.composite_schema(t.oid)), '{}')
        FROM used AS u
        JOIN pg_type AS t ON t.oid = u.type AND t.typtype = 'c');
END
$$;
COMMENT ON FUNCTION sc.answer_schemas() IS 'JSON schemas of all composite types that answers are made of, by name';

CREATE FUNCTION sc.param_schema(param sc.handler_param)
RETURNS jsonb
LANGUAGE plpgsql STABLE PARALLEL SAFE
AS $$
DECLARE
    type oid := to_regtype(param.type);
    schema jsonb := sc.type_schema(type, NOT param.required AND param.place = 'body');
BEGIN
    -- a default that is no constant would make every document another one
    IF param.fallback IS NULL OR type IN ('timestamptz'::regtype, 'date'::regtype, 'uuid'::regtype) THEN
        RETURN schema;
    ELSIF type IN ('int8'::regtype, 'int4'::regtype, 'int2'::regtype, 'numeric'::regtype, 'float8'::regtype, 'bool'::regtype,
                   'jsonb'::regtype, 'json'::regtype) THEN
        RETURN schema || jsonb_build_object('default', param.fallback::jsonb);
    ELSIF type = 'text'::regtype THEN
        RETURN schema || jsonb_build_object('default', param.fallback);
    END IF;
    RETURN schema;
END
$$;
COMMENT ON FUNCTION sc.param_schema(sc.handler_param) IS 'JSON schema of a parameter, with its default where that is a constant';

CREATE FUNCTION sc.request_body(handler text, method text, path text, query text[], content_type text)
RETURNS jsonb
LANGUAGE plpgsql STABLE PARALLEL RESTRICTED
AS $$
DECLARE
    names text[] := (SELECT p.proargnames FROM pg_proc AS p WHERE p.oid = to_regproc(handler));
    properties jsonb;
    required jsonb;
    schema jsonb;
BEGIN
    IF method IN ('GET', 'DELETE') THEN
        RETURN NULL;
    ELSIF 'raw' = ANY (names) THEN
        schema := '{"type": "string"}';
    ELSE
        SELECT jsonb_object_agg(h.name, sc.param_schema(h)), jsonb_agg(h.name ORDER BY h.name) FILTER (WHERE h.required)
        INTO properties, required
        FROM sc.handler_params(handler, method, path, query) AS h
        WHERE h.place = 'body';
        IF properties IS NULL AND NOT 'body' = ANY (names) THEN
            RETURN NULL;
        END IF;
        schema := CASE WHEN properties IS NULL THEN '{}' ELSE '{"type": "object", "additionalProperties": false}' END::jsonb
            || jsonb_strip_nulls(jsonb_build_object('properties', properties, 'required', required));
    END IF;
    RETURN jsonb_build_object('required', required IS NOT NULL OR 'raw' = ANY (names),
                              'content', jsonb_build_object(content_type, jsonb_build_object('schema', schema)));
END
$$;
COMMENT ON FUNCTION sc.request_body(text, text, text, text[], text) IS 'what a route takes as its body, NULL if nothing';

CREATE FUNCTION sc.success_response(handler text, response text, produces text, status int)
RETURNS jsonb
LANGUAGE plpgsql STABLE PARALLEL RESTRICTED
AS $$
DECLARE
    proc record;
    type oid := sc.answer_type(handler, response);
    schema jsonb;
    headers jsonb := '{}';
BEGIN
    SELECT p.proretset, p.proargnames INTO STRICT proc FROM pg_proc AS p WHERE p.oid = to_regproc(handler);
    IF type = 'void'::regtype OR status = 204 THEN
        RETURN jsonb_build_object(coalesce(status, 204), '{"description": "Done; no content."}'::jsonb);
    ELSIF type = 'text'::regtype THEN
        RETURN jsonb_build_object(coalesce(status, 200), jsonb_build_object(
            'description', 'Text.',
            'content', jsonb_build_object(coalesce(produces, 'text/plain'), '{"schema": {"type": "string"}}'::jsonb)));
    ELSIF type IS NULL THEN
        schema := '{}';
    ELSIF NOT proc.proretset THEN
        schema := sc.type_schema(type);
    ELSE
        schema := jsonb_build_object(
            'type', 'object', 'required', '["items"]'::jsonb,
            'properties', jsonb_build_object('items', jsonb_build_object('type', 'array', 'items', sc.type_schema(type))));
        IF 'page' = ANY (proc.proargnames) THEN
            schema := jsonb_set(schema, '{required}', '["items", "page", "per_page"]');
            schema := jsonb_set(schema, '{properties}', schema->'properties' || '{
                "page": {"type": "integer", "minimum": 1},
                "per_page": {"type": "integer", "minimum": 1, "maximum": 100},
                "total": {"type": "integer", "minimum": 0, "description": "items of the whole list"}}');
            headers := '{"Link": {"description": "first, prev, next and last page (RFC 8288)", "schema": {"type": "string"}}}';
        END IF;
    END IF;
    RETURN jsonb_build_object(coalesce(status, 200), jsonb_build_object(
        'description', 'Done.', 'headers', headers,
        'content', jsonb_build_object('application/json', jsonb_build_object('schema', schema))));
END
$$;
COMMENT ON FUNCTION sc.success_response(text, text, text, int) IS 'the answer of a route that succeeds, under its status';

CREATE FUNCTION sc.operation(route_id int)
RETURNS jsonb
LANGUAGE plpgsql STABLE PARALLEL RESTRICTED
AS $$
DECLARE
    r record;
    words text;
    params jsonb;
BEGIN
    SELECT x.*, (SELECT count(*) FROM sc.routes AS y WHERE y.handler = x.handler) AS uses
    INTO STRICT r FROM sc.routes AS x WHERE x.id = route_id;
    words := coalesce(obj_description(to_regproc(r.handler), 'pg_proc'), r.method || ' ' || r.path);
    SELECT coalesce(jsonb_agg(jsonb_build_object(
               'name', h.name, 'in', h.place, 'required', h.required OR h.place = 'path', 'schema', sc.param_schema(h))
               || CASE WHEN h.place = 'query' AND h.type LIKE '%[]'
                       THEN '{"style": "form", "explode": false}'::jsonb ELSE '{}' END
               ORDER BY h.place, h.name), '[]')
    INTO params
    FROM sc.handler_params(r.handler, r.method, r.path, r.query) AS h
    WHERE h.place IN ('path', 'query');
    IF r.idempotency THEN
        params := params || '[{"name": "Idempotency-Key", "in": "header", "required": false,
            "description": "the same key again gives the same answer, for 24 hours",
            "schema": {"type": "string", "minLength": 1, "maxLength": 200}}]';
    END IF;
    RETURN jsonb_strip_nulls(jsonb_build_object(
            'operationId', split_part(r.handler, '.', 2) || CASE WHEN r.uses > 1 THEN '_' || r.id ELSE '' END,
            'summary', coalesce(r.summary, words),
            'requestBody', sc.request_body(r.handler, r.method, r.path, r.query, r.content_type)))
        || jsonb_build_object(
            'description', words,
            'tags', jsonb_build_array(coalesce(r.tag, split_part(r.path, '/', 2))),
            'parameters', params,
            'security', CASE WHEN r.permission IS NULL THEN '[]'::jsonb
                             WHEN r.auth = 'attempt' THEN '[{"token": []}, {"attempt": []}]'
                             ELSE '[{"token": []}]' END,
            'responses', sc.success_response(r.handler, r.response, r.produces, r.status)
                || '{"4XX": {"$ref": "#/components/responses/problem"}, "5XX": {"$ref": "#/components/responses/problem"}}')
        || CASE WHEN r.permission NOT IN ('user') THEN jsonb_build_object('x-permission', r.permission) ELSE '{}' END;
END
$$;
COMMENT ON FUNCTION sc.operation(int) IS 'a route as an operation of the API document';

CREATE FUNCTION sc_api.openapi(base_url text)
RETURNS json
LANGUAGE plpgsql STABLE PARALLEL RESTRICTED SECURITY DEFINER
SET search_path = pg_catalog, sc, pg_temp
AS $$
DECLARE
    problem CONSTANT jsonb := '{
        "type": "object",
        "description": "what went wrong (RFC 9457)",
        "required": ["type", "title", "status", "code"],
        "properties": {
            "type": {"type": "string", "format": "uri-reference"},
            "title": {"type": "string", "description": "in the language of the request"},
            "status": {"type": "integer"},
            "detail": {"type": "string"},
            "code": {"type": "string", "description": "stable name of the problem"},
            "request_id": {"type": "string"},
            "errors": {
                "type": "array",
                "description": "what is wrong with single fields",
                "items": {
                    "type": "object",
                    "required": ["field", "code", "message"],
                    "properties": {
                        "field": {"type": "string"},
                        "code": {"type": "string"},
                        "message": {"type": "string"}}}}}}';
BEGIN
    RETURN json_build_object(
        'openapi', '3.1.0',
        'info', json_build_object(
            'title', 'Student Coach',
            'version', (SELECT v.version FROM sc.schema_version AS v ORDER BY v.installed_at DESC LIMIT 1),
            'description', 'Courses, video progress and timed exams. Times are RFC 3339 in UTC, ids are numbers, durations are seconds. '
                || 'Lists come in pages; errors are problem documents. Every answer carries X-Request-Id.'),
        'servers', json_build_array(json_build_object('url', coalesce(rtrim(base_url, '/'), '') || '/api/v1')),
        'tags', (SELECT coalesce(json_agg(json_build_object('name', t.tag) ORDER BY t.tag), '[]')
                 FROM (SELECT DISTINCT coalesce(r.tag, split_part(r.path, '/', 2)) AS tag FROM sc.routes AS r) AS t),
        'paths', (SELECT coalesce(json_object_agg(p.path, p.operations ORDER BY p.path), '{}')
                  FROM (SELECT r.path, jsonb_object_agg(lower(r.method), sc.operation(r.id)) AS operations
                        FROM sc.routes AS r GROUP BY r.path) AS p),
        'components', json_build_object(
            'schemas', sc.answer_schemas() || jsonb_build_object('problem', problem),
            'responses', '{"problem": {"description": "A problem.",
                "content": {"application/problem+json": {"schema": {"$ref": "#/components/schemas/problem"}}}}}'::json,
            'securitySchemes', '{
                "token": {"type": "http", "scheme": "bearer", "bearerFormat": "JWT"},
                "attempt": {"type": "apiKey", "in": "header", "name": "X-Attempt-Token"}}'::json));
END
$$;
COMMENT ON FUNCTION sc_api.openapi(text) IS
    'the API document (OpenAPI 3.1) of all routes; base_url is what stands before /api/v1, empty for a relative address';

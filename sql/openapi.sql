-- The API document: what the catalogue says, nothing else.
\pset null '~'
\t on
\pset format unaligned
BEGIN;
SET LOCAL client_min_messages = warning;
DELETE FROM sc.routes;
CREATE TYPE sc_api.oa_mood AS ENUM ('glad', 'sad');
CREATE TYPE sc_api.oa_leaf AS (x int);
CREATE TYPE sc_api.oa_item AS (id bigint, mood sc_api.oa_mood, leaf sc_api.oa_leaf, leaves sc_api.oa_leaf[], spans int4multirange, at timestamptz, any_thing jsonb);
COMMENT ON TYPE sc_api.oa_item IS 'an item';
COMMENT ON COLUMN sc_api.oa_item.at IS 'when';
CREATE FUNCTION sc_api.oa_list(actor bigint, page int DEFAULT 1, per_page int DEFAULT 20, tags text[] DEFAULT NULL, since timestamptz DEFAULT clock_timestamp())
RETURNS SETOF sc_api.oa_item LANGUAGE plpgsql STABLE AS $$ BEGIN END $$;
COMMENT ON FUNCTION sc_api.oa_list(bigint, int, int, text[], timestamptz) IS 'all items';
CREATE FUNCTION sc_api.oa_put(actor bigint, item_id uuid, _title text, size numeric DEFAULT 1.5, dry_run boolean DEFAULT false, given text[] DEFAULT NULL)
RETURNS sc_api.reply LANGUAGE plpgsql VOLATILE AS $$ BEGIN END $$;
CREATE FUNCTION sc_api.oa_none(raw text) RETURNS void LANGUAGE plpgsql VOLATILE AS $$ BEGIN END $$;
CREATE FUNCTION sc_api.oa_text(body jsonb DEFAULT NULL) RETURNS text LANGUAGE plpgsql VOLATILE AS $$ BEGIN END $$;
SELECT count(sc.route(n, m, p, 'sc_api.' || h, a, o::jsonb)) FROM (VALUES
    (1, 'GET', '/items', 'oa_list', 'user', '{"tag": "things", "summary": "Items"}'),
    (2, 'PUT', '/items/{item_id}', 'oa_put', 'courses.manage', '{"query": ["dry_run"], "response": "sc_api.oa_leaf", "idempotency": true, "status": 201}'),
    (3, 'POST', '/none', 'oa_none', NULL, '{"content_type": "text/csv"}'),
    (4, 'POST', '/text', 'oa_text', 'user', '{"produces": "text/csv", "auth": "attempt"}')) AS v(n, m, p, h, a, o);
CREATE FUNCTION pg_temp.doc() RETURNS jsonb LANGUAGE sql AS $$ SELECT sc_api.openapi('https://x.example/')::jsonb $$;

SELECT doc->>'openapi', doc->'servers', doc->'tags' FROM pg_temp.doc() AS doc;
SELECT p.key, o.key, o.value->>'operationId', o.value->>'summary', o.value->'tags', o.value->'security', o.value->>'x-permission'
FROM pg_temp.doc() AS doc, jsonb_each(doc->'paths') AS p, jsonb_each(p.value) AS o ORDER BY 1, 2;
SELECT p.key, x.value FROM pg_temp.doc() AS doc, jsonb_each(doc->'paths') AS p, jsonb_each(p.value) AS o, jsonb_array_elements(o.value->'parameters') AS x
ORDER BY 1, x.value->>'in', x.value->>'name';
SELECT p.key, o.value->'requestBody' FROM pg_temp.doc() AS doc, jsonb_each(doc->'paths') AS p, jsonb_each(p.value) AS o ORDER BY 1;
SELECT p.key, r.key, r.value FROM pg_temp.doc() AS doc, jsonb_each(doc->'paths') AS p, jsonb_each(p.value) AS o, jsonb_each(o.value->'responses') AS r
WHERE r.key NOT LIKE '_XX' ORDER BY 1, 2;
SELECT s.key, s.value FROM pg_temp.doc() AS doc, jsonb_each(doc->'components'->'schemas') AS s WHERE s.key <> 'problem' ORDER BY 1;
-- every reference leads somewhere
SELECT DISTINCT m[1] FROM pg_temp.doc() AS doc, regexp_matches(doc::text, '"#/components/([^"]*)"', 'g') AS m
WHERE doc->'components' #> string_to_array(m[1], '/') IS NULL;
-- the same document twice; an address of one's own; no route at all
SELECT sc_api.openapi('')::text = sc_api.openapi(NULL)::text, sc_api.openapi(NULL)->'servers';
DELETE FROM sc.routes;
SELECT doc->'paths', doc->'tags' FROM pg_temp.doc() AS doc;
ROLLBACK;

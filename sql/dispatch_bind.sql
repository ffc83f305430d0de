-- Binding: every type, every wrong value, path, query and body.
\pset null '~'
BEGIN;
SET LOCAL client_min_messages = warning;
CREATE TYPE sc_api.bind_mood AS ENUM ('glad', 'sad');
CREATE FUNCTION sc_api.bind_all(
    b boolean DEFAULT NULL, i2 smallint DEFAULT NULL, i4 int DEFAULT NULL, i8 bigint DEFAULT NULL, n numeric DEFAULT NULL,
    f float8 DEFAULT NULL, _t text DEFAULT NULL, u uuid DEFAULT NULL, d date DEFAULT NULL, ts timestamptz DEFAULT NULL,
    mood sc_api.bind_mood DEFAULT NULL, ip inet DEFAULT NULL, span int4range DEFAULT NULL, j jsonb DEFAULT NULL,
    ia int[] DEFAULT NULL, ta text[] DEFAULT NULL, da date[] DEFAULT NULL, given text[] DEFAULT NULL)
RETURNS text LANGUAGE plpgsql STABLE AS $$
BEGIN
    RETURN concat_ws(' ', b, i2, i4, i8, n, f, _t, u, d, ts AT TIME ZONE 'UTC', mood, ip, span, j, ia, ta, da, '|', given);
END $$;
CREATE FUNCTION sc_api.bind_need(actor bigint, a int, b text DEFAULT upper('dflt'), c int DEFAULT 7) RETURNS text LANGUAGE plpgsql STABLE AS
$$ BEGIN RETURN concat_ws(' ', a, b, c); END $$;
CREATE FUNCTION sc_api.bind_uuid(key uuid) RETURNS text LANGUAGE plpgsql STABLE AS $$ BEGIN RETURN key; END $$;
SELECT count(sc.route(n, m, p, 'sc_api.' || h, NULL, o::jsonb)) FROM (VALUES
    (2000000101, 'POST', '/bind', 'bind_all', '{"access": "read"}'),
    (2000000102, 'GET', '/bind', 'bind_all', '{}'),
    (2000000103, 'POST', '/bind-need', 'bind_need', '{"access": "read", "query": ["c"]}'),
    (2000000104, 'GET', '/bind/{key}', 'bind_uuid', '{}')) AS v(n, m, p, h, o);

-- the answer, or the fields at fault
CREATE FUNCTION pg_temp.call(route int, body text DEFAULT NULL, query text DEFAULT NULL, path text[] DEFAULT '{}')
RETURNS SETOF text LANGUAGE sql AS $$
    SELECT d.status || ' ' || CASE
        WHEN d.status = 422 THEN coalesce(
            (SELECT string_agg(concat_ws(':', e->>'field', e->>'code'), ' ') FROM jsonb_array_elements(d.body::jsonb->'errors') AS e),
            d.body::jsonb->>'code')
        WHEN d.status >= 400 THEN concat_ws(' ', d.body::jsonb->>'code', d.body::jsonb->>'offset')
        ELSE d.body END
    FROM sc_api.dispatch(2000000100 + route, NULL, NULL, NULL, path, query, body, NULL) AS d
$$;
\t on
\pset format unaligned

-- 1. every type, in a body and in a query
SELECT pg_temp.call(1, '{"b": true, "i2": -32768, "i4": 2147483647, "i8": -9223372036854775808, "n": 1.50, "f": 1e3, "t": "ş\"\n",
    "u": "3F0E8A52-6f0c-4f7e-9b3a-111111111111", "d": "2024-02-29", "ts": "2026-01-02t03:04:05.1234567+03:00", "mood": "sad",
    "ip": "10.0.0.0/8", "span": "[1,5)", "j": {"a": [1, null]}, "ia": [1, -2], "ta": ["", "a,b"], "da": []}');
SELECT pg_temp.call(2, NULL, 'b=false&i2=1&i4=-0&i8=9223372036854775807&n=-1.5e2&f=0.1&t=a+b%26&u=3f0e8a52-6f0c-4f7e-9b3a-111111111111'
    '&d=0001-01-01&ts=9999-12-31T23:59:59Z&mood=glad&ip=::1&span=empty&j=%5B1%5D&ia=1,2&ta=,&da=2026-01-01');
-- none of them, and null for all
SELECT pg_temp.call(1, '{}'), pg_temp.call(1), pg_temp.call(2, NULL, '');
SELECT pg_temp.call(1, '{"b": null, "i4": null, "t": null, "j": null, "ia": null, "ip": null}');

-- 2. JSON's type must fit
SELECT v, pg_temp.call(1, format('{"b": %1$s, "i4": %1$s, "n": %1$s, "f": %1$s, "t": %1$s, "u": %1$s, "d": %1$s, "ts": %1$s, "mood": %1$s, "ip": %1$s, "ia": %1$s, "ta": %1$s}', v))
FROM unnest(ARRAY['true', '1', '1.5', '"1"', '""', '"now"', '[]', '["1"]', '[null]', '[[1]]', '{}']) AS v;

-- 3. values at the edge and beyond it
SELECT v, pg_temp.call(1, '{"i2": ' || v || ', "i4": ' || v || ', "i8": ' || v || '}')
FROM unnest(ARRAY['32768', '2147483648', '9223372036854775808', '1.0', '1e2', '-0']) AS v;
SELECT v, pg_temp.call(1, '{"n": ' || v || ', "f": ' || v || '}')
FROM unnest(ARRAY['1e308', '1e309', '-1e999', '1e-999', '1e1000', '0.1', repeat('9', 100), repeat('9', 101)]) AS v;
SELECT v, pg_temp.call(2, NULL, 'i4=' || v || '&n=' || v || '&f=' || v)
FROM unnest(ARRAY['', '%20 1', '+1', '01', 'NaN', 'Infinity', '0x10', '1_000', '1.', '.5', '١']) AS v;
SELECT v, pg_temp.call(1, '{"d": "' || v || '"}')
FROM unnest(ARRAY['2023-02-29', '1900-02-29', '2000-02-29', '2026-13-01', '2026-00-10', '2026-1-1', '0000-01-01', 'today', 'infinity', '2026-01-01 ', '20260101']) AS v;
SELECT v, pg_temp.call(1, '{"ts": "' || v || '"}')
FROM unnest(ARRAY['2026-01-01T00:00:00Z', '2026-01-01T00:00:00z', '2026-01-01T00:00:00.5+14:00', '2026-01-01T00:00:00-00:30', '2026-01-01T00:00:00', '2026-01-01',
                  '2026-01-01 00:00:00Z', '2026-01-01T24:00:00Z', '2026-01-01T00:60:00Z', '2026-06-30T23:59:60Z', '2026-01-01T00:00:00.Z',
                  '2026-01-01T00:00:00+24:00', '2026-01-01T00:00:00+3', '2026-02-30T00:00:00Z', 'infinity', 'epoch', '']) AS v;
SELECT v, pg_temp.call(1, '{"u": "' || v || '"}')
FROM unnest(ARRAY['{3f0e8a52-6f0c-4f7e-9b3a-111111111111}', '3f0e8a526f0c4f7e9b3a111111111111', '3f0e8a52-6f0c-4f7e-9b3a-11111111111g', '']) AS v;
SELECT v, pg_temp.call(1, '{"mood": "' || v || '", "span": "' || v || '"}') FROM unnest(ARRAY['GLAD', 'glad ', repeat('x', 100), '[5,1)']) AS v;
-- several that only their input functions can judge
SELECT pg_temp.call(1, '{"ip": "x", "span": "y", "i4": "z", "mood": "sad"}');

-- 4. required, unknown, repeated; defaults that must be computed
SELECT pg_temp.call(3, '{"a": 1}'), pg_temp.call(3, '{"a": 1, "b": null}', 'c=9');
SELECT pg_temp.call(3, '{}'), pg_temp.call(3), pg_temp.call(3, '{"a": null, "b": 5, "x": 1}', 'c=9&c=9&d=1');
SELECT pg_temp.call(3, '{"a": 1, "c": 2}'), pg_temp.call(3, '{"a": 1, "actor": 5}'), pg_temp.call(3, '{"a": 1}', 'actor=5&a=1');
SELECT pg_temp.call(1, '{"_t": "x", "given": ["x"]}'), pg_temp.call(2, NULL, '_t=x&given=y');

-- 5. bodies that are no JSON object
SELECT b, pg_temp.call(1, b)
FROM unnest(ARRAY['', ' ', '{', '[]', '1', '"x"', 'null', '{"b": true,}', '{''b'': true}', '{"b": tru}', '{"b": 01}', '{"b": true} x', E'{"t": "\t"}',
                  '{"t": "\u0000"}', '{"t": "\ud800"}', '{"\u0062": true, "b": true}', '{"j": {"x": 1, "x": 1}}', '{"j": [{"a": {"b": 1, "c": 2, "b": 3}}]}', '{"": 1}']) AS b;
SELECT pg_temp.call(1, '{"j": ' || repeat('[', 63) || repeat(']', 63) || '}') = '200 ' || repeat('[', 63) || repeat(']', 63) || ' | {j}';
SELECT pg_temp.call(1, '{"j": ' || repeat('[', 64) || repeat(']', 64) || '}'), pg_temp.call(1, repeat('[', 1000000));
-- brackets in a string are no nesting
SELECT length(pg_temp.call(1, '{"t": "' || repeat('[\"', 500) || '"}'));
-- a megabyte, and many names
SELECT length(pg_temp.call(1, '{"t": "' || repeat('x', 1000000) || '"}'));
SELECT left(pg_temp.call(1, '{' || string_agg('"k' || i || '": ' || i, ', ') || '}'), 60) FROM generate_series(1, 20000) AS i;
SELECT pg_temp.call(1, '{"j": {' || string_agg('"k' || i % 9999 || '": ' || i, ', ') || '}}') FROM generate_series(1, 10000) AS i;

-- 6. query strings
SELECT q, pg_temp.call(2, NULL, q)
FROM unnest(ARRAY['t=a%', 't=a%4', 't=%00', 't=%ff', 't=%C5%9F', 't=%c5', 't', 't=', '&&t=1&', 't=a=b', '=1', 't=1&t=2', '%74=x', 'T=1', 'b=TRUE', 'b=1', 'b=']) AS q;

-- 7. a path parameter that is no id
SELECT p, pg_temp.call(4, NULL, NULL, ARRAY[p]) FROM unnest(ARRAY['3f0e8a52-6f0c-4f7e-9b3a-111111111111', '1', '']) AS p;
ROLLBACK;

-- How answers are written.
\t on
\pset format unaligned
BEGIN;
SET LOCAL TimeZone = 'Asia/Tokyo';
SET LOCAL DateStyle = 'German';
CREATE TYPE public.json_inner AS (a int, "odd ""name" text);
CREATE TYPE public.json_outer AS (one public.json_inner, many public.json_inner[], spans int4multirange, dates datemultirange);
CREATE DOMAIN public.json_percent AS numeric CHECK (value <= 100);
CREATE TYPE public.json_mood AS ENUM ('glad', 'sad');

-- 1. numbers
SELECT sc_api.as_json(1::smallint), sc_api.as_json(-2147483648), sc_api.as_json(9223372036854775807), sc_api.as_json((-9223372036854775808)::bigint);
SELECT sc_api.as_json(1.50), sc_api.as_json('NaN'::numeric), sc_api.as_json('-Infinity'::numeric), sc_api.as_json(0.1::float8),
       sc_api.as_json('NaN'::float8), sc_api.as_json('Infinity'::float8), sc_api.as_json('-Infinity'::real), sc_api.as_json(0.1::real), sc_api.as_json(1e300::float8);
SELECT sc_api.as_json(99.90::public.json_percent), sc_api.as_json(true), sc_api.as_json(false), sc_api.as_json(NULL::int) = 'null';
-- 2. text
SELECT sc_api.as_json(''::text), sc_api.as_json(E'q" b\\ \b\f\n\r\t\x01\x1f / ş 😀'::text);
SELECT sc_api.as_json('x'::varchar), sc_api.as_json('x'::char(3)), sc_api.as_json('glad'::public.json_mood), sc_api.as_json('10.0.0.1'::inet), sc_api.as_json('\x00ff'::bytea);
SELECT length(sc_api.as_json(repeat('"', 500000)) #>> '{}');
-- 3. times, in UTC whatever the session says
SELECT sc_api.as_json(t::timestamptz) FROM unnest(ARRAY['2026-01-02 03:04:05+03', '2026-01-02 03:04:05.100+00', '2026-01-02 03:04:05.000001+00',
    '0001-01-01 00:00:00+00', '0001-12-31 00:00:00+00 BC', '9999-12-31 23:59:59.999999+00', 'infinity', '-infinity', 'epoch']) AS t;
SELECT sc_api.as_json('2024-02-29'::date), sc_api.as_json('infinity'::date), sc_api.as_json('3F0E8A52-6f0c-4f7e-9b3a-1234567890ab'::uuid);
-- 4. json as it is
SELECT sc_api.as_json('{"a" : 1}'::json), sc_api.as_json('[1, null]'::jsonb);
-- 5. arrays
SELECT sc_api.as_json('{}'::int[]), sc_api.as_json(ARRAY[1, NULL, 3]), sc_api.as_json('{{1,2},{3,4}}'::int[]), sc_api.as_json('[5:6]={a,b}'::text[]),
       sc_api.as_json('{{{x}},{{NULL}}}'::text[]), sc_api.as_json(ARRAY['2026-01-01 00:00+00'::timestamptz]);
-- 6. rows within rows, multiranges
SELECT sc_api.as_json(ROW(ROW(1, 'x')::public.json_inner, ARRAY[ROW(NULL, NULL)::public.json_inner, NULL], '{[1,3),[5,)}', '{}')::public.json_outer);
SELECT sc_api.as_json(NULL::public.json_outer), sc_api.as_json('{(,5),[7,8]}'::int4multirange), sc_api.as_json('[1,5)'::int4range);
SELECT sc_api.as_json(r) FROM (SELECT 1 AS a, 'x'::text AS b) AS r;
-- 7. a type that changes under a session
SELECT sc_api.as_json(ROW(1, 'x')::public.json_inner);
ALTER TYPE public.json_inner RENAME ATTRIBUTE a TO renamed;
ALTER TYPE public.json_inner ADD ATTRIBUTE b boolean;
SELECT sc_api.as_json(ROW(1, 'x', true)::public.json_inner);
ALTER TYPE public.json_inner DROP ATTRIBUTE renamed;
SELECT sc_api.as_json(ROW('x', true)::public.json_inner);
-- 8. 100,000 elements
SELECT jsonb_array_length(sc_api.as_json(array_agg(i))) FROM generate_series(1, 100000) AS i;
ROLLBACK;

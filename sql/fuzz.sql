-- Every C function of the extension, called with nonsense: errors are fine, a
-- crash is not.  The functions are taken from the catalogue, so that none can
-- be forgotten.
\t on
\pset format unaligned
SET client_min_messages = error;
CREATE FUNCTION pg_temp.values_for(type oid) RETURNS text[] LANGUAGE plpgsql AS $values$
DECLARE
    t text := type::regtype::text;
BEGIN
    RETURN CASE
        WHEN t IN ('smallint') THEN ARRAY['NULL', '0', '-1', '32767', '-32768']
        WHEN t IN ('integer') THEN ARRAY['NULL', '0', '-1', '2147483647', '-2147483648']
        WHEN t IN ('bigint') THEN ARRAY['NULL', '0', '-1', '9223372036854775807', '-9223372036854775808']
        WHEN t IN ('numeric', 'double precision', 'real') THEN
            ARRAY['NULL', '0', '-1.5', '''NaN''', '''Infinity''', '''-Infinity''', CASE t WHEN 'real' THEN '1e38' ELSE '1e300' END]
        WHEN t = 'boolean' THEN ARRAY['NULL', 'true', 'false']
        WHEN t IN ('text', 'character varying', 'name') THEN
            ARRAY['NULL', '''''', '''x''', '''ığüşöçİ''', 'repeat(''x'', 1000000)', 'repeat(''['', 1000000)', 'repeat(''{"a":'', 5000)',
                  'E''\x01\x7f''', 'repeat(''🎓'', 1000)', '''::x:: {=a ~b #c}''', '''%s%n$1$$argon2id$v=19$m=1,t=1,p=1$AA$AA''']
        WHEN t = 'bytea' THEN ARRAY['NULL', '''\x''', '''\x00ff''', 'decode(repeat(''ff'', 1000000), ''hex'')']
        WHEN t IN ('jsonb', 'json') THEN
            ARRAY['NULL', '''null''', '''{}''', '''[]''', '''"x"''', '1e300::text::' || t,
                  '''{"a": {"b": [1, null, {"c": "d"}]}, "": [], "value": "x", "options": 5, "key": {"id": 1}}''',
                  '(repeat(''['', 1000) || repeat('']'', 1000))::' || t,
                  '(''["'' || repeat(''x'', 1000000) || ''"]'')::' || t]
        WHEN t = 'uuid' THEN ARRAY['NULL', '''00000000-0000-0000-0000-000000000000''']
        WHEN t = 'date' THEN ARRAY['NULL', '''infinity''', '''-infinity''', '''4713-01-01 BC''', '''5874897-12-31''']
        WHEN t LIKE 'timestamp%' THEN ARRAY['NULL', '''infinity''', '''-infinity''', '''4713-01-01 BC''', '''294276-12-31''']
        WHEN t = 'interval' THEN ARRAY['NULL', '''0''', '''-178000000 years''', '''178000000 years''']
        WHEN t = 'int4range' THEN ARRAY['NULL', '''empty''', '''(,)''', '''[1,5)''', '''[-2147483648,2147483647)''']
        WHEN t = 'int4multirange' THEN ARRAY['NULL', '''{}''', '''{(,)}''', '''{[1,2),[5,9)}''']
        WHEN t LIKE '%[]' THEN
            ARRAY['NULL', '''{}''', '''{NULL,NULL}''', 'ARRAY[NULL]::' || t, 'array_fill(NULL::' || left(t, -2) || ', ARRAY[2, 3])',
                  'array_fill(NULL::' || left(t, -2) || ', ARRAY[2], ARRAY[-5])']
        WHEN t = 'anyelement' THEN ARRAY['NULL::int', '''x''::text', 'ARRAY[[1,2]]', 'ROW(1, ''x'', NULL)', '''NaN''::float8', '''{(,)}''::nummultirange']
        WHEN t = 'internal' THEN '{}'::text[]
        ELSE ARRAY['NULL']
    END;
END $values$;

-- one call: each argument in turn takes each value, the others their first that is not null
CREATE FUNCTION pg_temp.fuzz(f regprocedure) RETURNS int LANGUAGE plpgsql AS $$
DECLARE
    proc pg_proc := (SELECT p FROM pg_proc AS p WHERE p.oid = f);
    lists text[];
    args text[];
    arg text;
    calls int := 0;
    n int := proc.pronargs;
BEGIN
    FOR i IN 0 .. greatest(n - 1, 0) LOOP
        lists := CASE WHEN n = 0 THEN ARRAY[''] ELSE pg_temp.values_for(proc.proargtypes[i]) END;
        FOREACH arg IN ARRAY lists LOOP
            FOR others IN 1 .. 3 LOOP
                SELECT array_agg(CASE WHEN j = i THEN arg ELSE coalesce(v[1 + (others - 1) * (cardinality(v) - 1) / 2], 'NULL') END
                                 || CASE WHEN t::regtype::text LIKE 'any%' THEN '' ELSE '::' || t::regtype::text END ORDER BY j)
                INTO args
                FROM (SELECT j, proc.proargtypes[j] AS t, pg_temp.values_for(proc.proargtypes[j]) AS v
                      FROM generate_series(0, n - 1) AS j) AS x;
                BEGIN
                    calls := calls + 1;
                    IF proc.prokind = 'a' THEN
                        EXECUTE format('SELECT %s(%s) FROM generate_series(1, 3)', f::oid::regproc, array_to_string(args, ', '));
                    ELSE
                        EXECUTE format('SELECT * FROM %s(%s)', f::oid::regproc, coalesce(array_to_string(args, ', '), ''));
                    END IF;
                EXCEPTION
                    WHEN internal_error THEN
                        -- elog: "cannot happen", and it did
                        RAISE WARNING '% (%): %', f, left(array_to_string(args, ', '), 200), sqlerrm;
                    WHEN OTHERS THEN
                        NULL;
                END;
            END LOOP;
        END LOOP;
    END LOOP;
    RETURN calls;
END $$;

SET client_min_messages = warning;
SELECT pg_backend_pid() AS before \gset
BEGIN;
SET LOCAL statement_timeout = '120s';
SELECT p.oid::regprocedure
FROM pg_proc AS p
JOIN pg_depend AS d ON d.classid = 'pg_proc'::regclass AND d.objid = p.oid AND d.deptype = 'e'
WHERE p.pronamespace IN ('sc'::regnamespace, 'sc_api'::regnamespace)
  AND (p.prolang = (SELECT oid FROM pg_language WHERE lanname = 'c') OR p.prokind = 'a')
  AND p.prorettype <> 'trigger'::regtype
  AND NOT 'internal'::regtype = ANY (p.proargtypes) AND p.prorettype <> 'internal'::regtype
  -- Argon2 takes its time with each call, and has tests of its own
  AND p.proname NOT IN ('password_hash', 'password_verify')
  AND pg_temp.fuzz(p.oid::regprocedure) = 0;
ROLLBACK;
-- the same backend still answers
SELECT :before = pg_backend_pid(), sc_api.as_json(1);

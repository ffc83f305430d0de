-- Many requests in one statement: together where all is well, else each for itself.
\pset null '~'
BEGIN;
SET LOCAL client_min_messages = warning;
CREATE TABLE public.batch_rows (name text, place int UNIQUE DEFERRABLE INITIALLY DEFERRED, batch int);
GRANT ALL ON public.batch_rows TO sc_owner;
CREATE TYPE sc_api.batch_seen AS (name text, before bigint);
CREATE FUNCTION sc_api.batch_add(_name text, place int DEFAULT NULL, batch int DEFAULT 0) RETURNS sc_api.batch_seen LANGUAGE plpgsql VOLATILE AS $$
DECLARE
    r sc_api.batch_seen;
BEGIN
    IF _name = 'early' THEN PERFORM sc_api.invalid('name', 'invalid_value'); RETURN NULL; END IF;
    SELECT _name, count(*) INTO r FROM public.batch_rows AS b WHERE b.batch = batch_add.batch;
    INSERT INTO public.batch_rows VALUES (_name, batch_add.place, batch_add.batch);
    PERFORM sc.touch_key('0:batch:' || _name);
    IF _name = 'raise' THEN PERFORM sc_api.refuse(409, 'conflict'); END IF;
    IF _name = 'invalid' THEN PERFORM sc_api.invalid('name', 'invalid_value'); END IF;
    IF _name = 'kept' THEN PERFORM sc_api.answer(403, 'forbidden'); RETURN NULL; END IF;
    IF _name = 'inner' THEN
        BEGIN
            PERFORM sc.can(1, 'users.manage');
            PERFORM 1 / (r.before - r.before);
        EXCEPTION WHEN division_by_zero THEN
            r.name := 'caught';
        END;
    END IF;
    IF _name = 'cursor' THEN
        FOR r.before IN SELECT count(*) FROM sc.video_access(1, 1) AS x LOOP
            NULL;
        END LOOP;
        r.before := NULL;
    END IF;
    IF _name = 'sleep' THEN PERFORM pg_sleep(20); END IF;
    RETURN r;
END $$;
CREATE FUNCTION sc_api.batch_read(_name text) RETURNS sc_api.batch_seen LANGUAGE plpgsql STABLE AS $$
BEGIN
    IF _name = 'write' THEN DELETE FROM public.batch_rows; END IF;
    IF _name = 'raise' THEN PERFORM sc_api.refuse(404, 'not_found'); END IF;
    RETURN ROW(_name, (SELECT count(*) FROM public.batch_rows AS b WHERE b.name = _name))::sc_api.batch_seen;
END $$;
SELECT sc.route(2000000501, 'POST', '/batch', 'sc_api.batch_add', NULL, '{"lane": "hot"}');
SELECT sc.route(2000000502, 'GET', '/batch', 'sc_api.batch_read', NULL);

CREATE FUNCTION pg_temp.batch(batch int, VARIADIC bodies text[]) RETURNS SETOF text LANGUAGE plpgsql AS $$
BEGIN
    RETURN QUERY
    SELECT concat_ws(' ', d.n, d.status, coalesce(d.body::jsonb ->> 'code', d.body::jsonb ->> 'name'), d.body::jsonb ->> 'before', d.touched::text)
    FROM sc_api.dispatch_many(2000000501, array_fill(NULL::bigint, ARRAY[cardinality(bodies)]), NULL, NULL, NULL, NULL,
                              ARRAY(SELECT (b::jsonb || jsonb_build_object('batch', batch))::text FROM unnest(bodies) WITH ORDINALITY AS u(b, n) ORDER BY n), array_fill('{"touch": "ack"}'::text, ARRAY[cardinality(bodies)])) AS d;
END $$;
-- how many transaction ids wrote the rows of a batch, and how many there are
CREATE FUNCTION pg_temp.written(batch int) RETURNS text LANGUAGE sql AS $$
    SELECT count(DISTINCT b.xmin::text) || ' of ' || count(*) FROM public.batch_rows AS b WHERE b.batch = written.batch $$;

-- 1. all well: one subtransaction, and each sees those before it
SELECT pg_temp.batch(1, '{"name": "a"}', '{"name": "b"}', '{"name": "c"}');
SELECT pg_temp.written(1);

-- 2. refused before anything was written: nothing to undo
SELECT pg_temp.batch(2, '{"name": "a"}', '{"name": "early"}', '{"nam": "x"}', '{"name": 5}', '{"name": "b"}');
SELECT pg_temp.written(2);
SELECT d.n, d.status FROM sc_api.dispatch_many(2000000501, '{NULL,-1,NULL}', NULL, '{0,0,0}', NULL, NULL,
                                               ARRAY['{"name": "a", "batch": 3}', '{"name": "b", "batch": 3}', '{"name": "c", "batch": 3}'], array_fill('{"touch": "ack"}'::text, ARRAY[3])) AS d;
SELECT pg_temp.written(3);

-- 3. a refusal whose writes are kept, and an error that the handler catches itself, undo nothing
SELECT pg_temp.batch(4, '{"name": "a"}', '{"name": "kept"}', '{"name": "inner"}', '{"name": "b"}');
SELECT pg_temp.written(4);

-- what a cursor's query opens is closed with the cursor
SELECT pg_temp.batch(11, '{"name": "a"}', '{"name": "cursor"}', '{"name": "b"}');
SELECT pg_temp.written(11);

-- 4. one that has to be undone: it alone is, and leaves no touched key; the next batches go row by row, for a while
SELECT pg_temp.batch(5, '{"name": "a"}', '{"name": "invalid"}', '{"name": "b"}');
SELECT pg_temp.written(5);
SELECT pg_temp.batch(6, '{"name": "a"}', '{"name": "b"}');
SELECT pg_temp.written(6);
SELECT count(*) FROM generate_series(100, 106) AS n, pg_temp.batch(n, '{"name": "a"}', '{"name": "b"}');
SELECT pg_temp.batch(7, '{"name": "a"}', '{"name": "b"}');
SELECT pg_temp.written(106) AS the_eighth, pg_temp.written(7) AS after_it;

-- 5. the same by an error, and by a constraint that is checked at the end
SELECT pg_temp.batch(8, '{"name": "a"}', '{"name": "raise"}', '{"name": "b"}');
SELECT pg_temp.written(8);
SELECT count(*) FROM generate_series(200, 207) AS n, pg_temp.batch(n, '{"name": "a"}', '{"name": "b"}');
SELECT pg_temp.batch(9, '{"name": "a", "place": 1}', '{"name": "b", "place": 1}', '{"name": "c", "place": 2}');
SELECT pg_temp.written(9);

-- 6. out of time: nobody's rows stay, the caller asks again for each
SELECT count(*) FROM generate_series(300, 307) AS n, pg_temp.batch(n, '{"name": "a"}', '{"name": "b"}');
SAVEPOINT s;
SET LOCAL statement_timeout = 50;
\set VERBOSITY terse
SELECT pg_temp.batch(10, '{"name": "a"}', '{"name": "sleep"}');
ROLLBACK TO s;
\set VERBOSITY default
SELECT pg_temp.written(10);

-- 7. reads: in the order in which they came, one that is refused does no harm, and none may write
SELECT d.n, d.status, d.body FROM sc_api.dispatch_many(2000000502, '{NULL,NULL,NULL}', NULL, NULL, NULL, '{name=c,name=a,name=z}', NULL, NULL) AS d;
SELECT d.n, d.status, d.body::jsonb ->> 'code' AS code FROM sc_api.dispatch_many(2000000502, '{NULL,NULL,NULL,NULL}', NULL, NULL, NULL, '{name=c,name=raise,name=write,name=a}', NULL, NULL) AS d;
ROLLBACK;

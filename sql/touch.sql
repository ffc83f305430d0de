-- Touched keys: triggers, the list of a transaction.
\pset null '~'
\t on
\pset format unaligned
CREATE TABLE public.touch_a (id int, parent int, name text);
CREATE TRIGGER touch AFTER INSERT OR UPDATE OR DELETE ON public.touch_a
    FOR EACH ROW EXECUTE FUNCTION sc.touch('sc:a:{id}:detail', 'sc:a:list:*', 'sc:p:{parent}:a:{name}');
CREATE TRIGGER touch_all AFTER TRUNCATE ON public.touch_a
    FOR EACH STATEMENT EXECUTE FUNCTION sc.touch('sc:a:*');
CREATE FUNCTION sc_api.touch_run(command text, fail boolean DEFAULT false) RETURNS void LANGUAGE plpgsql VOLATILE AS $$
BEGIN
    EXECUTE command;
    IF fail THEN PERFORM sc_api.refuse(409, 'conflict'); END IF;
END $$;
SELECT sc.route(2000000201, 'POST', '/touch', 'sc_api.touch_run', NULL);
GRANT ALL ON public.touch_a TO sc_owner;
CREATE FUNCTION public.touch_call(command text, ctx jsonb DEFAULT '{"touch": "ack"}', fail boolean DEFAULT false)
RETURNS text LANGUAGE sql AS $$
    SELECT d.status || ' ' || coalesce(array_to_string(d.touched, ' '), '~')
    FROM sc_api.dispatch(2000000201, NULL, NULL, NULL, '{}', NULL,
                         jsonb_build_object('command', command, 'fail', fail)::text, ctx::text) AS d
$$;

-- 1. the row's columns, old and new; each key once; a NULL column notes nothing
SELECT public.touch_call('INSERT INTO public.touch_a VALUES (1, 10, ''x''), (2, NULL, ''y'')');
SELECT public.touch_call('UPDATE public.touch_a SET parent = 11, name = ''ş:{id}'' WHERE id = 1');
SELECT public.touch_call('UPDATE public.touch_a SET id = 3 WHERE id = 2');
SELECT public.touch_call('DELETE FROM public.touch_a WHERE id = 3');
SELECT public.touch_call('TRUNCATE public.touch_a');
SELECT public.touch_call('SELECT 1');

-- 2. by hand, sessions too
SELECT public.touch_call('SELECT sc.touch_key(''0:sc:x:1''), sc.touch_key(''1:session:user:5:active=off@900''), sc.touch_key(''0:sc:x:1'')');

-- 3. more keys than anybody would want to delete one by one; sessions stay
SELECT length(public.touch_call('INSERT INTO public.touch_a SELECT i, NULL, ''n'' FROM generate_series(1, 255) AS i')) > 1000;
SELECT public.touch_call('INSERT INTO public.touch_a SELECT i, NULL, ''n'' FROM generate_series(1, 256) AS i');
SELECT public.touch_call('SELECT sc.touch_key(''1:session:a=1@9''); INSERT INTO public.touch_a SELECT i, i, ''n'' FROM generate_series(1, 5000) AS i');

-- 4. a failed request touches nothing, and the next one starts clean
BEGIN;
SELECT public.touch_call('INSERT INTO public.touch_a VALUES (1, 1, ''a'')', fail => true);
SELECT public.touch_call('INSERT INTO public.touch_a VALUES (2, 2, ''b'')');
SELECT public.touch_call('INSERT INTO public.touch_a VALUES (2, 2, ''b'')');
COMMIT;

-- 5. misuse
\set VERBOSITY terse
SELECT sc.touch_key('0:');
SELECT sc.touch_key('2:x');
SELECT sc.touch_key('sc:x');
SELECT sc.touch_key('');
SELECT sc.touch_key(NULL);
SELECT sc.touch_key('0:' || repeat('x', 499));
CREATE TRIGGER bad AFTER INSERT ON public.touch_a FOR EACH ROW EXECUTE FUNCTION sc.touch('sc:{nothing}');
INSERT INTO public.touch_a VALUES (1, 1, 'x');
DROP TRIGGER bad ON public.touch_a;
CREATE TRIGGER bad BEFORE INSERT ON public.touch_a FOR EACH ROW EXECUTE FUNCTION sc.touch('sc:a');
INSERT INTO public.touch_a VALUES (1, 1, 'x');
DROP TRIGGER bad ON public.touch_a;
CREATE TRIGGER bad AFTER INSERT ON public.touch_a FOR EACH STATEMENT EXECUTE FUNCTION sc.touch('sc:{id}');
INSERT INTO public.touch_a VALUES (1, 1, 'x');
DROP TRIGGER bad ON public.touch_a;
SELECT sc.touch();

DELETE FROM sc.routes WHERE id = 2000000201;
DROP TABLE public.touch_a;
DROP FUNCTION public.touch_call(text, jsonb, boolean), sc_api.touch_run(text, boolean);

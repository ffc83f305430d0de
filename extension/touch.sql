-- Touched cache keys.

CREATE FUNCTION sc.touch()
RETURNS trigger
AS 'MODULE_PATHNAME', 'sc_touch'
LANGUAGE C VOLATILE PARALLEL UNSAFE;
COMMENT ON FUNCTION sc.touch() IS
    'trigger: notes the cache keys given as arguments; {column} stands for a value of the row, old and new';

CREATE FUNCTION sc.touch_key(entry text)
RETURNS void
AS 'MODULE_PATHNAME', 'sc_touch_key'
LANGUAGE C VOLATILE STRICT PARALLEL UNSAFE;
COMMENT ON FUNCTION sc.touch_key(text) IS
    'notes a touched entry by hand: 0:<key>, 0:<prefix>* or 1:<key>=<value>@<ttl seconds>';

CREATE FUNCTION sc.reload()
RETURNS trigger
AS 'MODULE_PATHNAME', 'sc_reload'
LANGUAGE C VOLATILE PARALLEL UNSAFE;
COMMENT ON FUNCTION sc.reload() IS
    'statement trigger: tells backends and shims that routes or keys have changed';

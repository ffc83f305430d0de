-- Scoring of attempts.

CREATE FUNCTION sc.score_attempt(
    attempt_id bigint,
    OUT result_id bigint,
    OUT attempt bigint,
    OUT exam_id bigint,
    OUT user_id bigint,
    OUT state text,
    OUT correct int,
    OUT wrong int,
    OUT blank int,
    OUT net numeric,
    OUT points numeric,
    OUT max_points numeric,
    OUT percent numeric,
    OUT passed boolean,
    OUT sort_key bigint)
AS 'MODULE_PATHNAME', 'sc_score_attempt'
LANGUAGE C VOLATILE STRICT PARALLEL UNSAFE;
COMMENT ON FUNCTION sc.score_attempt(bigint) IS
    'scores an attempt from its answers and the keys as they are now, stores the result and gives it; idempotent; state final or needs_grading';

CREATE FUNCTION sc.key_multiple(wrongs_per_right numeric[])
RETURNS int
AS 'MODULE_PATHNAME', 'sc_key_multiple'
LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION sc.key_multiple(numeric[]) IS
    'L, the least common multiple of the ratios of an exam''s sections (NULL = no penalty): L * net is an integer';

CREATE FUNCTION sc.sort_key(correct int[], wrong int[], wrongs_per_right numeric[])
RETURNS bigint
AS 'MODULE_PATHNAME', 'sc_sort_key'
LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION sc.sort_key(int[], int[], numeric[]) IS
    'exact order of results: the sum over sections of L * correct - (L / k) * wrong; the arrays are parallel';

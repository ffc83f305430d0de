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

CREATE FUNCTION sc.sort_key(correct int[], wrong int[], wrongs_per_right numeric[], multiple int DEFAULT NULL)
RETURNS bigint
AS 'MODULE_PATHNAME', 'sc_sort_key'
LANGUAGE C IMMUTABLE PARALLEL SAFE;
COMMENT ON FUNCTION sc.sort_key(int[], int[], numeric[], int) IS
    'exact order of results: the sum over sections of L * correct - (L / k) * wrong; the arrays are parallel; multiple: L of all sections of the exam, where these are only some of them';

CREATE FUNCTION sc.exam_multiple(exam_id bigint)
RETURNS int
LANGUAGE plpgsql STABLE STRICT PARALLEL SAFE
AS $$
BEGIN
    RETURN (SELECT coalesce(sc.key_multiple(array_agg(DISTINCT s.wrongs_per_right)), 1)
            FROM sc.exam_sections AS s WHERE s.exam_id = exam_multiple.exam_id);
END
$$;
COMMENT ON FUNCTION sc.exam_multiple(bigint) IS 'L of an exam: the common unit in which its results are ordered';

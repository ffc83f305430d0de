-- Classical test theory: on any matrix, and on the results of an exam.

CREATE TYPE sc.item_stat AS (
    item int,
    attempts int,
    facility float8,
    mean float8,
    sd float8,
    intended_weight float8,
    effective_weight float8,
    covariance float8,
    max_covariance float8,
    discrimination_index float8,
    discriminative_efficiency float8
);
COMMENT ON TYPE sc.item_stat IS 'statistics of one item; facility is a fraction, mean and sd are marks, the rest per cent';
COMMENT ON COLUMN sc.item_stat.item IS 'number of the item, from 1';
COMMENT ON COLUMN sc.item_stat.attempts IS 'attempts that have it';
COMMENT ON COLUMN sc.item_stat.facility IS 'mean mark / maximum mark';
COMMENT ON COLUMN sc.item_stat.mean IS 'mean mark';
COMMENT ON COLUMN sc.item_stat.sd IS 'standard deviation of the mark (n - 1)';
COMMENT ON COLUMN sc.item_stat.intended_weight IS '100 * maximum mark / sum of the maxima';
COMMENT ON COLUMN sc.item_stat.effective_weight IS '100 * root of Cov(mark, total) / sum of these roots; NULL for a negative covariance';
COMMENT ON COLUMN sc.item_stat.covariance IS 'of the mark and the rest of the total (n - 1)';
COMMENT ON COLUMN sc.item_stat.max_covariance IS 'the same with both sorted: the largest that could be';
COMMENT ON COLUMN sc.item_stat.discrimination_index IS '100 * correlation of the mark and the rest of the total';
COMMENT ON COLUMN sc.item_stat.discriminative_efficiency IS '100 * covariance / max_covariance';

CREATE TYPE sc.test_stat AS (
    attempts int,
    items int,
    mean float8,
    median float8,
    sd float8,
    skewness float8,
    kurtosis float8,
    cic float8,
    error_ratio float8,
    standard_error float8
);
COMMENT ON TYPE sc.test_stat IS 'statistics of a test; mean, median, sd and standard_error are marks';
COMMENT ON COLUMN sc.test_stat.attempts IS 'attempts';
COMMENT ON COLUMN sc.test_stat.items IS 'items';
COMMENT ON COLUMN sc.test_stat.mean IS 'mean total';
COMMENT ON COLUMN sc.test_stat.median IS 'median total';
COMMENT ON COLUMN sc.test_stat.sd IS 'standard deviation (n - 1)';
COMMENT ON COLUMN sc.test_stat.skewness IS 'k3 / k2^1.5, of the unbiased cumulants';
COMMENT ON COLUMN sc.test_stat.kurtosis IS 'k4 / k2^2 (excess)';
COMMENT ON COLUMN sc.test_stat.cic IS 'coefficient of internal consistency (Cronbach''s alpha), per cent';
COMMENT ON COLUMN sc.test_stat.error_ratio IS '100 * root of (1 - cic / 100)';
COMMENT ON COLUMN sc.test_stat.standard_error IS 'error_ratio / 100 * sd';

CREATE FUNCTION sc.item_analysis(marks float8[], max_marks float8[] DEFAULT NULL)
RETURNS SETOF sc.item_stat
AS 'MODULE_PATHNAME', 'sc_item_analysis'
LANGUAGE C IMMUTABLE PARALLEL SAFE;
COMMENT ON FUNCTION sc.item_analysis(float8[], float8[]) IS
    'a row of statistics per item from a matrix attempts x items (NULL: the attempt has not the item); max_marks defaults to 1 each';

CREATE FUNCTION sc.test_analysis(marks float8[], max_marks float8[] DEFAULT NULL)
RETURNS sc.test_stat
AS 'MODULE_PATHNAME', 'sc_test_analysis'
LANGUAGE C IMMUTABLE PARALLEL SAFE;
COMMENT ON FUNCTION sc.test_analysis(float8[], float8[]) IS
    'statistics of a test from a matrix attempts x items';

-- Moments: float8 arrays that add up, for aggregates and for tables.

CREATE TYPE sc.test_moment_stat AS (n bigint, mean float8, sd float8, skewness float8, kurtosis float8);
COMMENT ON TYPE sc.test_moment_stat IS 'distribution of totals';
CREATE TYPE sc.item_moment_stat AS (n bigint, mean float8, sd float8, covariance float8, total_covariance float8, discrimination_index float8);
COMMENT ON TYPE sc.item_moment_stat IS 'distribution of the marks of an item and its relation to the totals';

CREATE FUNCTION sc.test_moments_add(state float8[], total float8)
RETURNS float8[]
AS 'MODULE_PATHNAME', 'sc_test_moments_add'
LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION sc.test_moments_add(float8[], float8) IS 'moments of one more total';

CREATE FUNCTION sc.test_moments_combine(a float8[], b float8[])
RETURNS float8[]
AS 'MODULE_PATHNAME', 'sc_test_moments_combine'
LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION sc.test_moments_combine(float8[], float8[]) IS 'moments {n, mean, M2, M3, M4} of two sets of totals together';

CREATE FUNCTION sc.test_moments_final(state float8[])
RETURNS sc.test_moment_stat
AS 'MODULE_PATHNAME', 'sc_test_moments_final'
LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION sc.test_moments_final(float8[]) IS 'mean, standard deviation, skewness and kurtosis from moments';

CREATE AGGREGATE sc.test_moments(total float8) (
    SFUNC = sc.test_moments_add,
    STYPE = float8[],
    COMBINEFUNC = sc.test_moments_combine,
    FINALFUNC = sc.test_moments_final,
    INITCOND = '{}',
    PARALLEL = SAFE
);
COMMENT ON AGGREGATE sc.test_moments(float8) IS 'count, mean, standard deviation, skewness and kurtosis of totals';

CREATE FUNCTION sc.item_moments_add(state float8[], mark float8, total float8)
RETURNS float8[]
AS 'MODULE_PATHNAME', 'sc_item_moments_add'
LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION sc.item_moments_add(float8[], float8, float8) IS 'moments of one more mark';

CREATE FUNCTION sc.item_moments_combine(a float8[], b float8[])
RETURNS float8[]
AS 'MODULE_PATHNAME', 'sc_item_moments_combine'
LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION sc.item_moments_combine(float8[], float8[]) IS 'moments {n, mean x, mean T, Sxx, STT, SxT} of two sets of marks together';

CREATE FUNCTION sc.item_moments_final(state float8[])
RETURNS sc.item_moment_stat
AS 'MODULE_PATHNAME', 'sc_item_moments_final'
LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION sc.item_moments_final(float8[]) IS 'mean, standard deviation and discrimination from moments';

CREATE AGGREGATE sc.item_moments(mark float8, total float8) (
    SFUNC = sc.item_moments_add,
    STYPE = float8[],
    COMBINEFUNC = sc.item_moments_combine,
    FINALFUNC = sc.item_moments_final,
    INITCOND = '{}',
    PARALLEL = SAFE
);
COMMENT ON AGGREGATE sc.item_moments(float8, float8) IS 'count, mean, standard deviation and discrimination of an item, from marks and totals of the attempts';

-- Results of an exam, folded.

CREATE TYPE sc.item_fold AS (question_id bigint, moments float8[], max_covariance float8, options jsonb);
COMMENT ON TYPE sc.item_fold IS 'sums of one question over a set of results';
CREATE TYPE sc.results_fold AS (test float8[], items sc.item_fold[]);
COMMENT ON TYPE sc.results_fold IS 'sums over a set of results';

CREATE FUNCTION sc.fold_add(state internal, item_ids bigint[], item_points float8[], item_outcomes smallint[], item_choices text[], points float8)
RETURNS internal
AS 'MODULE_PATHNAME', 'sc_fold_add'
LANGUAGE C IMMUTABLE PARALLEL SAFE;
COMMENT ON FUNCTION sc.fold_add(internal, bigint[], float8[], smallint[], text[], float8) IS 'takes in one result';

CREATE FUNCTION sc.fold_final(state internal)
RETURNS sc.results_fold
AS 'MODULE_PATHNAME', 'sc_fold_final'
LANGUAGE C IMMUTABLE PARALLEL SAFE;
COMMENT ON FUNCTION sc.fold_final(internal) IS 'sums of the results taken in';

CREATE AGGREGATE sc.fold_marks(item_ids bigint[], item_points float8[], item_outcomes smallint[], item_choices text[], points float8) (
    SFUNC = sc.fold_add,
    STYPE = internal,
    FINALFUNC = sc.fold_final,
    PARALLEL = SAFE
);
COMMENT ON AGGREGATE sc.fold_marks(bigint[], float8[], smallint[], text[], float8) IS
    'moments of totals and items over results, with the sorted covariance and the sums per option; excluded and ungraded items are left out';

CREATE FUNCTION sc.option_sums_add(a jsonb, b jsonb)
RETURNS jsonb
AS 'MODULE_PATHNAME', 'sc_option_sums_add'
LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION sc.option_sums_add(jsonb, jsonb) IS 'a + b, for {"option": [ticks, sum of totals]}';

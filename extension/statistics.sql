-- Statistics of an exam, read from the sums that folding maintains.
--
-- The page costs as much as the exam has questions, not attempts.  One figure
-- cannot be kept up by adding: the largest covariance that an item could have
-- needs all marks sorted.  It comes from the last full pass; efficiency_at
-- says when that was.

CREATE TYPE sc.exam_stat AS (
    exam_id bigint,
    attempts bigint,
    items int,
    max_points numeric,
    mean float8,
    median float8,
    sd float8,
    skewness float8,
    kurtosis float8,
    cic float8,
    error_ratio float8,
    standard_error float8,
    computed_at timestamptz,
    efficiency_at timestamptz
);
COMMENT ON TYPE sc.exam_stat IS 'statistics of an exam, over the results that count; mean, median, sd and standard_error are points';
COMMENT ON COLUMN sc.exam_stat.attempts IS 'results with known items';
COMMENT ON COLUMN sc.exam_stat.items IS 'items of a result';
COMMENT ON COLUMN sc.exam_stat.max_points IS 'points that could be had';
COMMENT ON COLUMN sc.exam_stat.skewness IS 'k3 / k2^1.5';
COMMENT ON COLUMN sc.exam_stat.kurtosis IS 'k4 / k2^2 (excess)';
COMMENT ON COLUMN sc.exam_stat.cic IS 'coefficient of internal consistency (Cronbach''s alpha), per cent';
COMMENT ON COLUMN sc.exam_stat.error_ratio IS '100 * root of (1 - cic / 100)';
COMMENT ON COLUMN sc.exam_stat.standard_error IS 'error_ratio / 100 * sd';
COMMENT ON COLUMN sc.exam_stat.computed_at IS 'last time that results were folded in';
COMMENT ON COLUMN sc.exam_stat.efficiency_at IS 'last full pass, which discriminative efficiency comes from';

CREATE TYPE sc.option_stat AS (
    id text,
    is_key boolean,
    count bigint,
    share float8,
    mean_total float8,
    point_biserial float8
);
COMMENT ON TYPE sc.option_stat IS 'an option of an item: who ticked it';
COMMENT ON COLUMN sc.option_stat.is_key IS 'earns marks';
COMMENT ON COLUMN sc.option_stat.share IS 'of the attempts that have the item';
COMMENT ON COLUMN sc.option_stat.mean_total IS 'mean total of those who ticked it';
COMMENT ON COLUMN sc.option_stat.point_biserial IS 'correlation of ticking it and the total, blanks included';

CREATE TYPE sc.exam_item_stat AS (
    question_id bigint,
    version_id bigint,
    section_id bigint,
    order_index int,
    type text,
    points numeric,
    attempts bigint,
    facility float8,
    mean float8,
    sd float8,
    random_guess_score float8,
    intended_weight float8,
    effective_weight float8,
    covariance float8,
    max_covariance float8,
    discrimination_index float8,
    discriminative_efficiency float8,
    options sc.option_stat[],
    flags text[]
);
COMMENT ON TYPE sc.exam_item_stat IS 'statistics of a question in an exam; see item_stat for the terms';
COMMENT ON COLUMN sc.exam_item_stat.random_guess_score IS 'fraction that blind guessing earns on average';
COMMENT ON COLUMN sc.exam_item_stat.options IS 'of single choices';
COMMENT ON COLUMN sc.exam_item_stat.flags IS 'too_hard (facility < 0.3), too_easy (> 0.9), negative_discrimination, low_efficiency (< 15), miskeyed (the key''s point-biserial is negative, or a distractor''s positive)';

CREATE FUNCTION sc.option_statistics(options jsonb, key jsonb, sums jsonb, moments float8[])
RETURNS sc.option_stat[]
LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE
AS $$
DECLARE
    -- moments of an item: n, mean x, mean T, Sxx, STT, SxT
    n float8 := moments[1];
    mean float8 := moments[3];
    stt float8 := moments[5];
BEGIN
    RETURN ARRAY(
        SELECT ROW(x.id,
                   CASE WHEN key ? 'weights' THEN coalesce((key -> 'weights' ->> x.id)::numeric > 0, false)
                        ELSE key ->> 'correct' = x.id END,
                   x.ticks, x.ticks / nullif(n, 0), x.total / nullif(x.ticks, 0),
                   CASE WHEN x.ticks > 0 AND x.ticks < n AND stt > 1e-12 * n
                        THEN (x.total - x.ticks * mean) / sqrt(x.ticks * (n - x.ticks) / n * stt) END)::sc.option_stat
        FROM (SELECT o.value ->> 'id' AS id, o.place,
                     coalesce((sums -> (o.value ->> 'id') ->> 0)::bigint, 0) AS ticks,
                     coalesce((sums -> (o.value ->> 'id') ->> 1)::float8, 0) AS total
              FROM jsonb_array_elements(options) WITH ORDINALITY AS o(value, place)) AS x
        ORDER BY x.place);
END
$$;
COMMENT ON FUNCTION sc.option_statistics(jsonb, jsonb, jsonb, float8[]) IS 'count and point-biserial per option, from the sums of an item';

CREATE FUNCTION sc.item_statistics(exam_id bigint)
RETURNS SETOF sc.exam_item_stat
LANGUAGE plpgsql STABLE STRICT PARALLEL SAFE
AS $$
BEGIN
    RETURN QUERY
    WITH item AS (
        SELECT eq.question_id, eq.version_id, eq.section_id, s.order_index AS section_order, eq.order_index, v.type, eq.points,
               m.n, m.mean / nullif(eq.points::float8, 0) AS facility, m.mean, m.sd, m.covariance, m.total_covariance,
               m.discrimination_index, i.covariance_max,
               sc.random_guess_score(v.type, coalesce(eq.key, v.key), v.options)::float8 AS guess,
               CASE WHEN eq.treatment <> 'exclude'
                    THEN 100 * eq.points::float8 / nullif(sum(eq.points) FILTER (WHERE eq.treatment <> 'exclude') OVER (), 0)::float8
                    END AS intended,
               100 * sqrt(greatest(m.total_covariance, 0))
                   / nullif(sum(sqrt(m.total_covariance)) FILTER (WHERE m.total_covariance >= 0) OVER (), 0) AS effective,
               100 * m.covariance / nullif(i.covariance_max, 0) AS efficiency,
               CASE WHEN v.type = 'single' AND m.n > 0
                    THEN sc.option_statistics(v.options, coalesce(eq.key, v.key), i.options, i.sums) END AS option_stats
        FROM sc.exam_questions AS eq
        JOIN sc.exam_sections AS s ON s.id = eq.section_id
        JOIN sc.question_versions AS v ON v.id = eq.version_id
        LEFT JOIN sc.item_sums AS i ON i.exam_id = eq.exam_id AND i.question_id = eq.question_id
        LEFT JOIN LATERAL sc.item_moments_final(i.sums) AS m ON true
        WHERE eq.exam_id = item_statistics.exam_id
    )
    SELECT t.question_id, t.version_id, t.section_id, t.order_index, t.type, t.points, coalesce(t.n, 0), t.facility, t.mean, t.sd,
           t.guess, t.intended, CASE WHEN t.total_covariance >= 0 THEN t.effective END, t.covariance, t.covariance_max,
           t.discrimination_index, t.efficiency, t.option_stats,
           array_remove(ARRAY[
               CASE WHEN t.facility < 0.3 THEN 'too_hard' WHEN t.facility > 0.9 THEN 'too_easy' END,
               CASE WHEN t.discrimination_index < 0 THEN 'negative_discrimination' END,
               CASE WHEN t.efficiency < 15 THEN 'low_efficiency' END,
               CASE WHEN EXISTS (SELECT FROM unnest(t.option_stats) AS o
                                 WHERE CASE WHEN o.is_key THEN o.point_biserial < 0 ELSE o.point_biserial > 0 END)
                    THEN 'miskeyed' END], NULL)
    FROM item AS t
    ORDER BY t.section_order, t.order_index, t.question_id;
END
$$;
COMMENT ON FUNCTION sc.item_statistics(bigint) IS
    'statistics of every question of an exam, from the maintained sums, in the order of the paper';

CREATE FUNCTION sc.exam_statistics(exam_id bigint)
RETURNS sc.exam_stat
LANGUAGE plpgsql STABLE STRICT PARALLEL SAFE
AS $$
DECLARE
    a sc.exam_stat;
    m sc.test_moment_stat;
    item_count float8;
    item_variance float8;
BEGIN
    SELECT s.updated_at, s.full_pass_at, t.n, t.mean, t.sd, t.skewness, t.kurtosis
    INTO a.computed_at, a.efficiency_at, a.attempts, a.mean, a.sd, a.skewness, a.kurtosis
    FROM sc.exams AS e
    LEFT JOIN sc.exam_sums AS s ON s.exam_id = e.id
    LEFT JOIN LATERAL sc.test_moments_final(s.sums) AS t ON true
    WHERE e.id = exam_statistics.exam_id;
    IF NOT FOUND THEN
        RETURN NULL;
    END IF;
    a.exam_id := exam_id;
    a.attempts := coalesce(a.attempts, 0);
    SELECT max(r.max_points), percentile_cont(0.5) WITHIN GROUP (ORDER BY r.points::float8)
    INTO a.max_points, a.median
    FROM sc.exam_results AS r
    WHERE r.exam_id = exam_statistics.exam_id AND r.counts AND r.folded AND r.item_ids IS NOT NULL;

    -- an item that was drawn for some of the attempts only counts by their share
    SELECT sum(i.sums[1]) / nullif(a.attempts, 0), sum(i.sums[4] / nullif(i.sums[1] - 1, 0) * i.sums[1] / nullif(a.attempts, 0))
    INTO item_count, item_variance
    FROM sc.item_sums AS i
    WHERE i.exam_id = exam_statistics.exam_id AND cardinality(i.sums) > 0;
    a.items := round(coalesce(item_count, 0));
    IF a.skewness IS NOT NULL AND a.items > 1 THEN
        a.cic := 100 * item_count / (item_count - 1) * (1 - item_variance / (a.sd * a.sd));
        a.error_ratio := 100 * sqrt(greatest(1 - a.cic / 100, 0));
        a.standard_error := a.error_ratio * a.sd / 100;
    END IF;
    RETURN a;
END
$$;
COMMENT ON FUNCTION sc.exam_statistics(bigint) IS 'statistics of an exam, from the maintained sums; NULL if there is no such exam';

CREATE FUNCTION sc.recompute_statistics(exam_id bigint)
RETURNS bigint
LANGUAGE plpgsql VOLATILE STRICT
AS $$
DECLARE
    f sc.results_fold;
BEGIN
    -- whoever folds this exam waits, and the other way round
    INSERT INTO sc.exam_sums (exam_id) VALUES (recompute_statistics.exam_id) ON CONFLICT DO NOTHING;
    PERFORM FROM sc.exam_sums AS s WHERE s.exam_id = recompute_statistics.exam_id FOR UPDATE;
    f := (
        SELECT sc.fold_marks(r.item_ids, r.item_points, r.item_outcomes, r.item_choices, NULL)
        FROM sc.exam_results AS r
        WHERE r.exam_id = recompute_statistics.exam_id AND r.counts AND r.folded AND r.item_ids IS NOT NULL);
    UPDATE sc.exam_sums AS s
    SET sums = f.test, full_pass_at = clock_timestamp(), updated_at = clock_timestamp()
    WHERE s.exam_id = recompute_statistics.exam_id;
    DELETE FROM sc.item_sums AS i WHERE i.exam_id = recompute_statistics.exam_id;
    INSERT INTO sc.item_sums (exam_id, question_id, n, sums, options, covariance_max)
    SELECT recompute_statistics.exam_id, i.question_id, i.moments[1], i.moments, i.options, i.max_covariance
    FROM unnest(f.items) AS i;
    RETURN f.test[1];
END
$$;
COMMENT ON FUNCTION sc.recompute_statistics(bigint) IS
    'computes the sums of an exam from its folded results in one full pass; returns how many results went in';

-- Handlers

CREATE TYPE sc_api.exam_statistics AS (exam sc.exam_stat, questions sc.exam_item_stat[]);
COMMENT ON TYPE sc_api.exam_statistics IS 'statistics of an exam and of its questions';
COMMENT ON COLUMN sc_api.exam_statistics.exam IS 'of the totals';
COMMENT ON COLUMN sc_api.exam_statistics.questions IS 'of each question, in the order of the paper';

CREATE FUNCTION sc_api.exam_statistics(actor bigint, exam_id bigint)
RETURNS sc_api.exam_statistics
LANGUAGE plpgsql STABLE
AS $$
DECLARE
    a sc_api.exam_statistics;
BEGIN
    IF NOT EXISTS (SELECT FROM sc.exams AS e WHERE e.id = exam_statistics.exam_id AND e.is_active) THEN
        PERFORM sc_api.refuse(404, 'not_found');
    END IF;
    IF NOT sc.is_exam_staff(actor, exam_id) AND NOT sc.can(actor, 'reports.read') THEN
        PERFORM sc_api.refuse(403, 'forbidden');
    END IF;
    a.exam := sc.exam_statistics(exam_id);
    a.questions := ARRAY(SELECT i FROM sc.item_statistics(exam_id) AS i);
    RETURN a;
END
$$;
COMMENT ON FUNCTION sc_api.exam_statistics(bigint, bigint) IS
    'Classical test theory of an exam, from sums that are kept up to date; efficiency_at says when the discriminative efficiency was last computed.';

CREATE FUNCTION sc_api.exam_statistics_recompute(actor bigint, exam_id bigint)
RETURNS sc_api.exam_statistics
LANGUAGE plpgsql VOLATILE
AS $$
BEGIN
    PERFORM sc.own_exam(actor, exam_id);
    PERFORM sc.recompute_statistics(exam_id);
    RETURN sc_api.exam_statistics(actor, exam_id);
END
$$;
COMMENT ON FUNCTION sc_api.exam_statistics_recompute(bigint, bigint) IS 'Computes the statistics of an exam from all its results, then answers as GET does.';

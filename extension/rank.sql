-- Folding results into histograms and sums, and reading ranks from them.
--
-- Submitting an exam writes one result and touches nobody else's rows.  What
-- belongs to everybody, ranks, distribution and item sums, is folded in
-- afterwards by fold_results(), in batches, one folder per exam at a time (the
-- lock is the exam's row in exam_sums).  A result that changes after it was
-- folded (regrade, a mark given by hand, another attempt that now counts)
-- makes the exam stale, and the next fold starts it from scratch: ten thousand
-- results take about a second, and nothing has to be subtracted exactly.
--
-- A histogram holds, per exam, measure and scope, how many results have which
-- key.  Rank = 1 + number of strictly better results, so ties are equal;
-- percentile (yüzdelik dilim) = 100 * rank / cohort, lower is better.

CREATE TYPE sc.exam_standing AS (
    rank bigint,
    cohort bigint,
    percentile numeric
);
COMMENT ON TYPE sc.exam_standing IS 'place among the results of a scope';
COMMENT ON COLUMN sc.exam_standing.rank IS '1 + number of strictly better results';
COMMENT ON COLUMN sc.exam_standing.cohort IS 'results in the scope';
COMMENT ON COLUMN sc.exam_standing.percentile IS '100 * rank / cohort; lower is better';

CREATE FUNCTION sc.estimate_scores(result_id bigint)
RETURNS jsonb
LANGUAGE plpgsql STABLE STRICT
AS $$
DECLARE
    r record;
    t record;
    nets jsonb;
    carried numeric;
    score numeric;
    scores jsonb := '{}';
BEGIN
    SELECT x.exam_id, x.user_id, x.submitted_at, e.exam_type INTO r
    FROM sc.exam_results AS x
    JOIN sc.exams AS e ON e.id = x.exam_id
    WHERE x.id = estimate_scores.result_id;
    IF NOT FOUND OR NOT EXISTS (SELECT FROM sc.score_tables AS s WHERE s.exam_type = r.exam_type) THEN
        RETURN scores;
    END IF;

    -- net per section title and per test; a section that is its own test counts once
    SELECT jsonb_object_agg(n.name, n.net) INTO nets
    FROM (
        SELECT s.title AS name, sum(x.net) AS net
        FROM sc.result_sections AS x
        JOIN sc.exam_sections AS s ON s.id = x.section_id
        WHERE x.result_id = estimate_scores.result_id
        GROUP BY s.title
        UNION
        SELECT s.test, sum(x.net)
        FROM sc.result_sections AS x
        JOIN sc.exam_sections AS s ON s.id = x.section_id
        WHERE x.result_id = estimate_scores.result_id
          AND s.test NOT IN (SELECT o.title FROM sc.exam_sections AS o WHERE o.exam_id = r.exam_id)
        GROUP BY s.test
    ) AS n;

    -- the newest table of each score type
    FOR t IN
        SELECT DISTINCT ON (s.score_type) s.*
        FROM sc.score_tables AS s
        WHERE s.exam_type = r.exam_type
        ORDER BY s.score_type, s.year DESC
    LOOP
        -- every condition must hold; of its alternatives one suffices
        CONTINUE WHEN EXISTS (
            SELECT
            FROM jsonb_array_elements(t.eligibility) AS c
            WHERE NOT EXISTS (
                SELECT
                FROM jsonb_array_elements(c -> 'any') AS a
                WHERE coalesce((nets ->> (a ->> 'test'))::numeric, 0) >= (a ->> 'min_net')::numeric));

        score := t.base + coalesce((
            SELECT sum(k.value::numeric * coalesce((nets ->> k.key)::numeric, 0))
            FROM jsonb_each_text(t.coefficients) AS k), 0);
        IF t.carry_type IS NOT NULL THEN
            -- part of the score comes from the student's latest exam of another type
            SELECT (x.scores ->> t.carry_type)::numeric INTO carried
            FROM sc.exam_results AS x
            JOIN sc.exams AS e ON e.id = x.exam_id
            WHERE x.user_id = r.user_id AND x.counts AND x.scores ? t.carry_type
              AND x.submitted_at <= r.submitted_at + interval '1 day'
            ORDER BY x.submitted_at DESC
            LIMIT 1;
            CONTINUE WHEN carried IS NULL;
            score := score + t.carry_weight * (carried - t.base);
        END IF;
        scores := scores || jsonb_build_object(t.score_type, round(greatest(least(score, t.max_score), t.base), 3));
    END LOOP;
    RETURN scores;
END
$$;
COMMENT ON FUNCTION sc.estimate_scores(bigint) IS
    'estimates per score type ({"TYT": 312.4}) of a result, from the newest score tables of its exam type; a type whose conditions are not met is left out. Estimates: official scores depend on all participants of the country';

CREATE FUNCTION sc.standing(exam_id bigint, key bigint, measure text DEFAULT 'net', scope text DEFAULT 'all', scope_id text DEFAULT '')
RETURNS sc.exam_standing
LANGUAGE plpgsql STABLE PARALLEL SAFE
AS $$
DECLARE
    s sc.exam_standing;
BEGIN
    SELECT 1 + coalesce(sum(h.n) FILTER (WHERE h.key > standing.key), 0), sum(h.n)
    INTO s.rank, s.cohort
    FROM sc.exam_histograms AS h
    WHERE h.exam_id = standing.exam_id AND h.measure = standing.measure
      AND h.scope = standing.scope AND h.scope_id = standing.scope_id;
    IF s.cohort IS NULL OR standing.key IS NULL THEN
        RETURN NULL;
    END IF;
    s.percentile := round(100.0 * s.rank / s.cohort, 2);
    RETURN s;
END
$$;
COMMENT ON FUNCTION sc.standing(bigint, bigint, text, text, text) IS
    'rank, cohort and percentile of a key among the folded results of a scope; NULL where nothing is folded';

CREATE FUNCTION sc.histogram_add(exam_id bigint, result_ids bigint[])
RETURNS void
LANGUAGE plpgsql VOLATILE STRICT
AS $$
BEGIN
    INSERT INTO sc.exam_histograms AS h (exam_id, measure, scope, scope_id, key, n)
    SELECT r.exam_id, m.measure, s.scope, s.scope_id, m.key, count(*)
    FROM sc.exam_results AS r
    LEFT JOIN sc.students AS st ON st.user_id = r.user_id
    CROSS JOIN LATERAL (
        VALUES ('net', r.rank_key), ('points', round(r.points * 1000)::bigint)
        UNION ALL
        SELECT k.key, round(k.value::numeric * 1000)::bigint FROM jsonb_each_text(r.scores) AS k
    ) AS m(measure, key)
    CROSS JOIN LATERAL (
        SELECT 'all', ''
        UNION ALL
        SELECT 'city', st.city WHERE st.city IS NOT NULL
        UNION ALL
        SELECT 'branch', st.branch_id::text WHERE st.branch_id IS NOT NULL
        UNION ALL
        SELECT DISTINCT 'group', g.group_id::text
        FROM sc.group_members AS g
        WHERE g.student_id = r.user_id
          AND sc.in_force(g.valid_from, g.valid_to, sc.school_day(r.submitted_at))
    ) AS s(scope, scope_id)
    WHERE r.id = ANY (histogram_add.result_ids) AND r.exam_id = histogram_add.exam_id
    GROUP BY 1, 2, 3, 4, 5
    ON CONFLICT ON CONSTRAINT exam_histograms_pkey DO UPDATE SET n = h.n + excluded.n;
END
$$;
COMMENT ON FUNCTION sc.histogram_add(bigint, bigint[]) IS 'counts results into the histograms of their exam; called by fold_exam under its lock';

CREATE FUNCTION sc.sums_add(exam_id bigint, result_ids bigint[])
RETURNS void
LANGUAGE plpgsql VOLATILE STRICT
AS $$
DECLARE
    f sc.results_fold;
BEGIN
    f := (
        SELECT sc.fold_marks(r.item_ids, r.item_points, r.item_outcomes, r.item_choices, r.points::float8)
        FROM sc.exam_results AS r
        WHERE r.id = ANY (sums_add.result_ids) AND r.exam_id = sums_add.exam_id AND r.item_ids IS NOT NULL);
    IF f.test IS NULL THEN
        RETURN;
    END IF;

    UPDATE sc.exam_sums AS s
    SET n = s.n + cardinality(sums_add.result_ids),
        sums = sc.test_moments_combine(s.sums, f.test),
        full_pass_at = CASE WHEN s.n = 0 THEN clock_timestamp() ELSE s.full_pass_at END
    WHERE s.exam_id = sums_add.exam_id;

    INSERT INTO sc.item_sums AS s (exam_id, question_id, n, sums, options, covariance_max)
    SELECT sums_add.exam_id, i.question_id, (i.moments)[1], i.moments, coalesce(i.options, '{}'), i.max_covariance
    FROM unnest(f.items) AS i
    WHERE i.question_id IS NOT NULL
    ON CONFLICT ON CONSTRAINT item_sums_pkey DO UPDATE
    SET n = s.n + excluded.n,
        sums = sc.item_moments_combine(s.sums, excluded.sums),
        options = sc.option_sums_add(s.options, excluded.options);
END
$$;
COMMENT ON FUNCTION sc.sums_add(bigint, bigint[]) IS 'adds results to the moments of their exam and its items; called by fold_exam under its lock';

CREATE FUNCTION sc.fold_exam(exam_id bigint, lim int DEFAULT 5000, at timestamptz DEFAULT clock_timestamp())
RETURNS int
LANGUAGE plpgsql VOLATILE
AS $$
DECLARE
    state record;
    ids bigint[];
    carriers bigint[];
    ends timestamptz;
BEGIN
    -- half corrected is neither the old order nor the new one: the old one stands until it is done
    IF EXISTS (SELECT FROM sc.regrades AS g WHERE g.exam_id = fold_exam.exam_id AND g.state = 'running') THEN
        RETURN 0;
    END IF;
    INSERT INTO sc.exam_sums (exam_id) VALUES (fold_exam.exam_id) ON CONFLICT DO NOTHING;
    SELECT s.is_stale INTO state
    FROM sc.exam_sums AS s
    WHERE s.exam_id = fold_exam.exam_id
    FOR UPDATE SKIP LOCKED;
    IF NOT FOUND THEN
        RETURN 0;               -- somebody else folds this exam
    END IF;

    -- writers hold a result when they mark its exam stale: whoever holds the
    -- mark and waited for them would wait for ever, so what is being written waits
    IF state.is_stale THEN
        IF (SELECT count(*) FROM (SELECT r.id FROM sc.exam_results AS r
                                  WHERE r.exam_id = fold_exam.exam_id FOR UPDATE SKIP LOCKED) AS free)
           < (SELECT count(*) FROM sc.exam_results AS r WHERE r.exam_id = fold_exam.exam_id) THEN
            RETURN 0;
        END IF;
        DELETE FROM sc.exam_histograms AS h WHERE h.exam_id = fold_exam.exam_id;
        DELETE FROM sc.item_sums AS i WHERE i.exam_id = fold_exam.exam_id;
        UPDATE sc.exam_results AS r SET folded = false WHERE r.exam_id = fold_exam.exam_id AND r.folded;
        UPDATE sc.exam_sums AS s
        SET n = 0, sums = '{}', is_stale = false, full_pass_at = fold_exam.at
        WHERE s.exam_id = fold_exam.exam_id;
        lim := NULL;            -- from scratch means all of them
    END IF;

    SELECT array_agg(x.id) INTO ids
    FROM (
        SELECT r.id
        FROM sc.exam_results AS r
        WHERE r.exam_id = fold_exam.exam_id AND r.counts AND NOT r.folded
        ORDER BY r.id
        LIMIT lim
        FOR UPDATE SKIP LOCKED
    ) AS x;
    IF ids IS NOT NULL THEN
        -- a score that others carry on (TYT in the AYT scores) may come after them, or change under them
        WITH before AS MATERIALIZED (
            SELECT r.id, r.scores FROM sc.exam_results AS r WHERE r.id = ANY (ids)),
        estimated AS (
            UPDATE sc.exam_results AS r
            SET folded = true, scores = sc.estimate_scores(r.id)
            WHERE r.id = ANY (ids)
            RETURNING r.id, r.user_id, r.submitted_at, r.scores)
        SELECT array_agg(DISTINCT x.exam_id) INTO carriers
        FROM estimated AS n
        JOIN before AS b ON b.id = n.id
        JOIN (SELECT DISTINCT s.carry_type, s.exam_type FROM sc.score_tables AS s WHERE s.carry_type IS NOT NULL) AS t
            ON b.scores -> t.carry_type IS DISTINCT FROM n.scores -> t.carry_type
        JOIN sc.exam_results AS x ON x.user_id = n.user_id AND x.folded AND x.submitted_at >= n.submitted_at - interval '1 day'
        JOIN sc.exams AS o ON o.id = x.exam_id AND o.exam_type = t.exam_type
        WHERE x.exam_id <> fold_exam.exam_id;
        UPDATE sc.exam_sums AS s SET is_stale = true WHERE s.exam_id = ANY (carriers) AND NOT s.is_stale;
        PERFORM sc.histogram_add(fold_exam.exam_id, ids);
        PERFORM sc.sums_add(fold_exam.exam_id, ids);
        UPDATE sc.exam_sums AS s SET updated_at = fold_exam.at WHERE s.exam_id = fold_exam.exam_id;
    END IF;

    -- results are public once nobody can write any more
    SELECT greatest(e.closes_at, max(o.closes_at)) + make_interval(secs => e.slack_seconds + e.grace_seconds) INTO ends
    FROM sc.exams AS e
    LEFT JOIN sc.exam_overrides AS o ON o.exam_id = e.id
    WHERE e.id = fold_exam.exam_id
    GROUP BY e.id;
    -- who corrects keys holds the exam and waits for results: the next fold will do
    PERFORM FROM sc.exams AS e
    WHERE e.id = fold_exam.exam_id AND e.results_published_at IS NULL
      AND (ends <= fold_exam.at OR (e.kind = 'paper' AND e.is_published AND ends IS NULL
                                   AND EXISTS (SELECT FROM sc.exam_results AS r WHERE r.exam_id = e.id AND r.counts)))
      AND NOT EXISTS (SELECT FROM sc.exam_attempts AS a
                      WHERE a.exam_id = e.id AND a.state IN ('in_progress', 'overdue') AND NOT a.is_preview)
      AND NOT EXISTS (SELECT FROM sc.exam_results AS r
                      WHERE r.exam_id = e.id AND r.counts AND NOT r.folded)
    FOR NO KEY UPDATE SKIP LOCKED;
    IF FOUND THEN
        UPDATE sc.exams AS e SET results_published_at = fold_exam.at WHERE e.id = fold_exam.exam_id;
        PERFORM sc.recompute_statistics(fold_exam.exam_id);
    END IF;
    RETURN coalesce(cardinality(ids), 0);
END
$$;
COMMENT ON FUNCTION sc.fold_exam(bigint, int, timestamptz) IS
    'folds up to lim new results of one exam, or all of them from scratch when one that was folded has changed; opens the ranks once the exam is over, of a published paper exam without a closing time with its first results; returns how many were folded, 0 while somebody else is folding or a regrade of the exam is under way';

CREATE FUNCTION sc.fold_results(lim int DEFAULT 5000, at timestamptz DEFAULT clock_timestamp())
RETURNS int
LANGUAGE plpgsql VOLATILE
AS $$
DECLARE
    e record;
    folded int := 0;
BEGIN
    FOR e IN
        SELECT r.exam_id
        FROM sc.exam_results AS r
        WHERE r.counts AND NOT r.folded
        GROUP BY r.exam_id
        UNION
        SELECT s.exam_id FROM sc.exam_sums AS s WHERE s.is_stale
        UNION
        SELECT x.id FROM sc.exams AS x
        WHERE x.is_published AND x.results_published_at IS NULL
          AND (x.closes_at < fold_results.at OR (x.kind = 'paper' AND x.closes_at IS NULL))
        ORDER BY 1
    LOOP
        EXIT WHEN folded >= lim;
        folded := folded + sc.fold_exam(e.exam_id, lim - folded, fold_results.at);
    END LOOP;
    RETURN folded;
END
$$;
COMMENT ON FUNCTION sc.fold_results(int, timestamptz) IS
    'folds up to about lim new results into ranks, distributions and item sums; safe to run from many places at once; returns how many were folded';

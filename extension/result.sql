-- Results: what a student, a teacher and the wall see of them.

CREATE TYPE sc_api.section_score AS (
    section_id bigint,
    title text,
    test text,
    questions int,
    correct int,
    wrong int,
    blank int,
    net numeric,
    success numeric,
    points numeric
);
COMMENT ON TYPE sc_api.section_score IS 'counts and net of one section';
COMMENT ON COLUMN sc_api.section_score.test IS 'test the section belongs to; sections of one test add up';
COMMENT ON COLUMN sc_api.section_score.questions IS 'questions that counted: correct + wrong + blank';
COMMENT ON COLUMN sc_api.section_score.correct IS 'right answers (doğru)';
COMMENT ON COLUMN sc_api.section_score.wrong IS 'wrong answers (yanlış)';
COMMENT ON COLUMN sc_api.section_score.blank IS 'blanks (boş)';
COMMENT ON COLUMN sc_api.section_score.net IS 'correct - wrong / k';
COMMENT ON COLUMN sc_api.section_score.success IS 'per cent right of the questions';

CREATE TYPE sc_api.standing AS (
    measure text,
    scope text,
    scope_id text,
    scope_name text,
    rank bigint,
    cohort bigint,
    percentile numeric,
    mean numeric
);
COMMENT ON TYPE sc_api.standing IS 'place among the others of a scope';
COMMENT ON COLUMN sc_api.standing.measure IS 'net, points, or a score type';
COMMENT ON COLUMN sc_api.standing.scope IS 'all, city, branch or group';
COMMENT ON COLUMN sc_api.standing.rank IS '1 + number of strictly better results; ties are equal';
COMMENT ON COLUMN sc_api.standing.percentile IS 'yüzdelik dilim: 100 * rank / cohort, lower is better';
COMMENT ON COLUMN sc_api.standing.mean IS 'mean of those who sat the exam';

CREATE TYPE sc_api.exam_result AS (
    result_id bigint,
    exam_id bigint,
    exam_title text,
    exam_type text,
    user_id bigint,
    full_name text,
    attempt_id bigint,
    attempt_no int,
    counts boolean,
    source text,
    state text,
    submitted_at timestamptz,
    correct int,
    wrong int,
    blank int,
    net numeric,
    points numeric,
    max_points numeric,
    percent numeric,
    passed boolean,
    first_score jsonb,
    sections sc_api.section_score[],
    estimated_scores jsonb,
    standings sc_api.standing[]
);
COMMENT ON TYPE sc_api.exam_result IS 'result of one sitting';
COMMENT ON COLUMN sc_api.exam_result.counts IS 'the sitting that counts, by the exam''s grading method';
COMMENT ON COLUMN sc_api.exam_result.source IS 'online, manual, import or optical';
COMMENT ON COLUMN sc_api.exam_result.state IS 'final, or needs_grading while a question waits for a teacher';
COMMENT ON COLUMN sc_api.exam_result.first_score IS 'score before the first correction of a key; null if none';
COMMENT ON COLUMN sc_api.exam_result.estimated_scores IS 'estimates (tahmini puan) per score type; official scores depend on all participants of the country';
COMMENT ON COLUMN sc_api.exam_result.standings IS 'ranks; empty for students until they are published and where the cohort has fewer than 5';

CREATE FUNCTION sc.section_scores(result_id bigint)
RETURNS sc_api.section_score[]
LANGUAGE plpgsql STABLE STRICT
AS $$
BEGIN
    RETURN ARRAY(
        SELECT ROW(s.id, s.title, s.test, x.correct + x.wrong + x.blank, x.correct, x.wrong, x.blank, round(x.net, 2),
                   CASE WHEN x.correct + x.wrong + x.blank > 0
                        THEN round(100.0 * x.correct / (x.correct + x.wrong + x.blank), 1) END,
                   x.points)::sc_api.section_score
        FROM sc.result_sections AS x
        JOIN sc.exam_sections AS s ON s.id = x.section_id
        WHERE x.result_id = section_scores.result_id
        ORDER BY s.order_index);
END
$$;
COMMENT ON FUNCTION sc.section_scores(bigint) IS 'counts and nets of a result per section, in the order of the exam';

CREATE FUNCTION sc.standings(result_id bigint, min_cohort int DEFAULT 1)
RETURNS sc_api.standing[]
LANGUAGE plpgsql STABLE STRICT
AS $$
BEGIN
    RETURN ARRAY(
        SELECT ROW(m.measure, s.scope, s.scope_id, s.name, t.rank, t.cohort, round(100.0 * t.rank / t.cohort, 2),
                   round(t.total / t.cohort / m.unit, 2))::sc_api.standing
        FROM sc.exam_results AS r
        LEFT JOIN sc.students AS st ON st.user_id = r.user_id
        CROSS JOIN LATERAL (
            SELECT 'net' AS measure, r.rank_key AS key, r.key_multiple AS unit, 0 AS place
            UNION ALL
            SELECT k.key, round(k.value::numeric * 1000)::bigint, 1000, 1 FROM jsonb_each_text(r.scores) AS k
        ) AS m
        CROSS JOIN LATERAL (
            SELECT 'all' AS scope, '' AS scope_id, NULL::text AS name, 0 AS place
            UNION ALL
            SELECT 'city', st.city, st.city, 1 WHERE st.city IS NOT NULL
            UNION ALL
            SELECT 'branch', b.id::text, b.name, 2 FROM sc.branches AS b WHERE b.id = st.branch_id
            UNION ALL
            SELECT 'group', g.id::text, g.name, 3
            FROM sc.groups AS g
            WHERE EXISTS (SELECT FROM sc.group_members AS gm
                          WHERE gm.group_id = g.id AND gm.student_id = r.user_id
                            AND sc.in_force(gm.valid_from, gm.valid_to, sc.school_day(r.submitted_at)))
        ) AS s
        CROSS JOIN LATERAL (
            SELECT 1 + coalesce(sum(h.n) FILTER (WHERE h.key > m.key), 0) AS rank, sum(h.n) AS cohort,
                   sum(h.n::numeric * h.key) AS total
            FROM sc.exam_histograms AS h
            WHERE h.exam_id = r.exam_id AND h.measure = m.measure AND h.scope = s.scope AND h.scope_id = s.scope_id
        ) AS t
        WHERE r.id = standings.result_id AND r.folded AND t.cohort >= standings.min_cohort
        ORDER BY m.place, m.measure, s.place, s.scope_id);
END
$$;
COMMENT ON FUNCTION sc.standings(bigint, int) IS
    'ranks of a folded result by net and by each score type, among all, in its city, branch and classes; scopes with fewer than min_cohort results are left out';

-- One result.

CREATE FUNCTION sc.result_document(result_id bigint, actor bigint)
RETURNS sc_api.exam_result
LANGUAGE plpgsql STABLE
AS $$
DECLARE
    d sc_api.exam_result;
    r record;
    own boolean;
    sees_ranks boolean;
BEGIN
    SELECT x.*, e.title, e.exam_type, e.results_published_at, u.full_name, a.attempt_no INTO r
    FROM sc.exam_results AS x
    JOIN sc.exams AS e ON e.id = x.exam_id
    JOIN sc.users AS u ON u.id = x.user_id
    LEFT JOIN sc.exam_attempts AS a ON a.id = x.attempt_id
    WHERE x.id = result_document.result_id;
    IF NOT FOUND THEN
        RETURN NULL;
    END IF;
    own := r.user_id = result_document.actor OR NOT sc.sees_results(result_document.actor, r.exam_id, r.user_id);
    sees_ranks := NOT own OR (r.results_published_at IS NOT NULL
                              AND (r.attempt_id IS NULL OR sc.review_allows(r.exam_id, r.attempt_id, 'rank')));

    d.result_id := r.id;
    d.exam_id := r.exam_id;
    d.exam_title := r.title;
    d.exam_type := r.exam_type;
    d.user_id := r.user_id;
    d.full_name := r.full_name;
    d.attempt_id := r.attempt_id;
    d.attempt_no := r.attempt_no;
    d.counts := r.counts;
    d.source := r.source;
    d.state := r.state;
    d.submitted_at := r.submitted_at;
    d.correct := r.correct;
    d.wrong := r.wrong;
    d.blank := r.blank;
    d.net := round(r.net, 2);
    d.points := r.points;
    d.max_points := r.max_points;
    d.percent := r.percent;
    d.passed := r.passed;
    d.first_score := r.first_score;
    d.sections := sc.section_scores(r.id);
    d.estimated_scores := r.scores;
    d.standings := CASE WHEN sees_ranks THEN sc.standings(r.id, CASE WHEN own THEN 5 ELSE 1 END)
                        ELSE '{}'::sc_api.standing[] END;
    RETURN d;
END
$$;
COMMENT ON FUNCTION sc.result_document(bigint, bigint) IS
    'a result as the actor may see it; students see ranks once they are published and among at least 5; whether the actor may see the result at all is the caller''s to decide';

CREATE FUNCTION sc.sees_results(actor bigint, exam_id bigint, student_id bigint)
RETURNS boolean
LANGUAGE plpgsql STABLE
AS $$
BEGIN
    RETURN sc.is_exam_staff(sees_results.actor, sees_results.exam_id)
        OR sc.can(sees_results.actor, 'reports.read')
        OR sc.is_coach_of(sees_results.actor, sees_results.student_id);
END
$$;
COMMENT ON FUNCTION sc.sees_results(bigint, bigint, bigint) IS
    'does the actor see a student''s result as staff: who manages the exam, who reads reports, and the student''s coach';

CREATE FUNCTION sc_api.attempt_result(actor bigint, attempt_id bigint)
RETURNS sc_api.exam_result
LANGUAGE plpgsql STABLE
AS $$
DECLARE
    a record;
    result bigint;
BEGIN
    SELECT x.user_id, x.exam_id, x.state INTO a FROM sc.exam_attempts AS x WHERE x.id = attempt_result.attempt_id;
    IF NOT FOUND THEN
        PERFORM sc_api.refuse(404, 'not_found');
    END IF;
    IF NOT sc.sees_results(actor, a.exam_id, a.user_id) THEN
        IF a.user_id <> actor AND NOT sc.is_guardian_of(actor, a.user_id) THEN
            PERFORM sc_api.refuse(404, 'not_found');
        END IF;
        IF a.state IN ('not_started', 'in_progress', 'overdue') THEN
            PERFORM sc_api.refuse(409, 'attempt_running', jsonb_build_object('state', a.state));
        END IF;
        IF NOT sc.review_allows(a.exam_id, attempt_result.attempt_id, 'marks') THEN
            PERFORM sc_api.refuse(403, 'result_not_released');
        END IF;
    END IF;
    SELECT r.id INTO result FROM sc.exam_results AS r WHERE r.attempt_id = attempt_result.attempt_id;
    IF result IS NULL THEN
        PERFORM sc_api.refuse(404, 'not_found');
    END IF;
    RETURN sc.result_document(result, actor);
END
$$;
COMMENT ON FUNCTION sc_api.attempt_result(bigint, bigint) IS
    'Result of an attempt: net per section and in total, estimates, ranks. Students see it as the exam''s review policy allows.';

-- Lists.

CREATE TYPE sc_api.result_row AS (
    result_id bigint,
    exam_id bigint,
    exam_title text,
    exam_type text,
    user_id bigint,
    full_name text,
    student_no text,
    attempt_id bigint,
    counts boolean,
    source text,
    state text,
    submitted_at timestamptz,
    correct int,
    wrong int,
    blank int,
    net numeric,
    points numeric,
    max_points numeric,
    percent numeric,
    passed boolean,
    estimated_scores jsonb,
    rank bigint,
    cohort bigint,
    percentile numeric
);
COMMENT ON TYPE sc_api.result_row IS 'a result in a list';
COMMENT ON COLUMN sc_api.result_row.rank IS 'rank by net among all; null until folded, and for students until published';

CREATE FUNCTION sc.result_rows(ids bigint[], as_student boolean)
RETURNS SETOF sc_api.result_row
LANGUAGE plpgsql STABLE
AS $$
BEGIN
    -- ranks are looked up for these only: one costs a pass over the distinct nets
    RETURN QUERY
    SELECT r.id, r.exam_id, e.title, e.exam_type, r.user_id, u.full_name, st.student_no, r.attempt_id, r.counts, r.source,
           r.state, r.submitted_at, r.correct, r.wrong, r.blank, round(r.net, 2), r.points, r.max_points, r.percent,
           r.passed, r.scores, t.rank, t.cohort, t.percentile
    FROM unnest(ids) WITH ORDINALITY AS w(id, place)
    JOIN sc.exam_results AS r ON r.id = w.id
    JOIN sc.exams AS e ON e.id = r.exam_id
    JOIN sc.users AS u ON u.id = r.user_id
    LEFT JOIN sc.students AS st ON st.user_id = r.user_id
    LEFT JOIN LATERAL (
        SELECT s.* FROM sc.standing(r.exam_id, r.rank_key) AS s
        WHERE NOT as_student
           OR (e.results_published_at IS NOT NULL AND s.cohort >= 5
               AND (r.attempt_id IS NULL OR sc.review_allows(r.exam_id, r.attempt_id, 'rank')))
    ) AS t ON r.folded
    ORDER BY w.place;
END
$$;
COMMENT ON FUNCTION sc.result_rows(bigint[], boolean) IS
    'results in a list, in the order of the ids; to students ranks are shown once they are published and among at least 5';

CREATE FUNCTION sc_api.exam_results(
    actor bigint,
    _exam_id bigint,
    _group_id bigint DEFAULT NULL,
    sort text DEFAULT 'rank',
    page int DEFAULT 1,
    per_page int DEFAULT 20)
RETURNS SETOF sc_api.result_row
LANGUAGE plpgsql STABLE
AS $$
DECLARE
    all_of_them boolean;
    listed bigint[];
BEGIN
    IF NOT EXISTS (SELECT FROM sc.exams AS e WHERE e.id = _exam_id AND e.is_active) THEN
        PERFORM sc_api.refuse(404, 'not_found');
    END IF;
    IF sort NOT IN ('rank', 'name', 'submitted_at') THEN
        PERFORM sc_api.invalid('sort', 'invalid_value');
        PERFORM sc_api.check_valid();
    END IF;
    all_of_them := sc.is_exam_staff(actor, _exam_id) OR sc.can(actor, 'reports.read');
    IF NOT all_of_them AND NOT sc.can(actor, 'students.coach') THEN
        PERFORM sc_api.refuse(403, 'forbidden');
    END IF;
    -- not all of them: a class at the day of the exam, the students of a coach
    IF _group_id IS NOT NULL OR NOT all_of_them THEN
        listed := ARRAY(
            SELECT x.id
            FROM sc.exam_results AS x
            WHERE x.exam_id = _exam_id AND x.counts
              AND (all_of_them OR sc.is_coach_of(actor, x.user_id))
              AND (_group_id IS NULL OR EXISTS (
                    SELECT FROM sc.group_members AS m
                    WHERE m.group_id = _group_id AND m.student_id = x.user_id
                      AND sc.in_force(m.valid_from, m.valid_to, sc.school_day(x.submitted_at)))));
    END IF;
    PERFORM sc_api.total(coalesce(cardinality(listed),
                                  (SELECT count(*) FROM sc.exam_results AS x WHERE x.exam_id = _exam_id AND x.counts)));
    RETURN QUERY SELECT * FROM sc.result_rows(ARRAY(
        SELECT x.id
        FROM sc.exam_results AS x
        JOIN sc.users AS n ON n.id = x.user_id
        WHERE x.exam_id = _exam_id AND x.counts AND (listed IS NULL OR x.id = ANY (listed))
        ORDER BY CASE WHEN sort = 'rank' THEN x.rank_key END DESC,
                 CASE WHEN sort = 'submitted_at' THEN x.submitted_at END DESC,
                 n.full_name COLLATE "tr-x-icu", x.id
        LIMIT exam_results.per_page OFFSET (exam_results.page - 1)::bigint * exam_results.per_page), false);
END
$$;
COMMENT ON FUNCTION sc_api.exam_results(bigint, bigint, bigint, text, int, int) IS
    'Results of an exam, for those who manage it; a coach sees the own students. sort: rank, name or submitted_at.';

CREATE FUNCTION sc.results_of(student bigint, actor bigint, exam_type text, page int, per_page int)
RETURNS SETOF sc_api.result_row
LANGUAGE plpgsql STABLE
AS $$
DECLARE
    as_student boolean := results_of.actor = results_of.student OR sc.is_guardian_of(results_of.actor, results_of.student);
    ids bigint[];
BEGIN
    ids := ARRAY(
        SELECT r.id
        FROM sc.exam_results AS r
        JOIN sc.exams AS e ON e.id = r.exam_id
        WHERE r.user_id = results_of.student AND r.counts
          AND (results_of.exam_type IS NULL OR e.exam_type = results_of.exam_type)
          AND (NOT as_student OR r.attempt_id IS NULL OR sc.review_allows(r.exam_id, r.attempt_id, 'marks'))
        ORDER BY r.submitted_at DESC, r.id DESC);
    PERFORM sc_api.total(cardinality(ids));
    RETURN QUERY SELECT * FROM sc.result_rows(ids[(page - 1)::bigint * per_page + 1 : page::bigint * per_page], as_student);
END
$$;
COMMENT ON FUNCTION sc.results_of(bigint, bigint, text, int, int) IS
    'a page of the results of a student, newest first, as the actor may see them; results not yet released to the student are left out for the student and the guardians';

CREATE FUNCTION sc_api.my_results(actor bigint, exam_type text DEFAULT NULL, page int DEFAULT 1, per_page int DEFAULT 20)
RETURNS SETOF sc_api.result_row
LANGUAGE plpgsql STABLE
AS $$
BEGIN
    RETURN QUERY SELECT * FROM sc.results_of(actor, actor, exam_type, page, per_page);
END
$$;
COMMENT ON FUNCTION sc_api.my_results(bigint, text, int, int) IS 'My results, newest first.';

CREATE FUNCTION sc_api.user_results(
    actor bigint,
    user_id bigint,
    exam_type text DEFAULT NULL,
    page int DEFAULT 1,
    per_page int DEFAULT 20)
RETURNS SETOF sc_api.result_row
LANGUAGE plpgsql STABLE
AS $$
BEGIN
    PERFORM sc.require_student(actor, user_id);
    RETURN QUERY SELECT * FROM sc.results_of(user_id, actor, exam_type, page, per_page);
END
$$;
COMMENT ON FUNCTION sc_api.user_results(bigint, bigint, text, int, int) IS
    'Results of a student, newest first, for the coach, teachers, guardians and admins.';

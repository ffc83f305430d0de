-- The result list as it hangs on the wall, and what a coach reads out of many exams.

CREATE TYPE sc_api.test_score AS (test text, correct int, wrong int, blank int, net numeric);
COMMENT ON TYPE sc_api.test_score IS 'counts and net of a test: the sum of its sections';

CREATE TYPE sc_api.wall_row AS (
    user_id bigint,
    full_name text,
    student_no text,
    group_name text,
    tests sc_api.test_score[],
    correct int,
    wrong int,
    blank int,
    net numeric,
    estimated_scores jsonb,
    rank_in_group bigint,
    rank bigint
);
COMMENT ON TYPE sc_api.wall_row IS 'a line of the result list';
COMMENT ON COLUMN sc_api.wall_row.group_name IS 'class at the day of the exam; null for students without one';
COMMENT ON COLUMN sc_api.wall_row.rank_in_group IS 'rank by net in the class';
COMMENT ON COLUMN sc_api.wall_row.rank IS 'rank by net among all';

CREATE FUNCTION sc.test_scores(result_id bigint)
RETURNS sc_api.test_score[]
LANGUAGE plpgsql STABLE STRICT
AS $$
BEGIN
    RETURN ARRAY(
        SELECT ROW(s.test, sum(x.correct)::int, sum(x.wrong)::int, sum(x.blank)::int, round(sum(x.net), 2))::sc_api.test_score
        FROM sc.result_sections AS x
        JOIN sc.exam_sections AS s ON s.id = x.section_id
        WHERE x.result_id = test_scores.result_id
        GROUP BY s.test
        ORDER BY min(s.order_index));
END
$$;
COMMENT ON FUNCTION sc.test_scores(bigint) IS 'counts and nets of a result per test';

CREATE FUNCTION sc.result_list(exam_id bigint, group_id bigint DEFAULT NULL)
RETURNS SETOF sc_api.wall_row
LANGUAGE plpgsql STABLE
AS $$
BEGIN
    RETURN QUERY
    SELECT r.user_id, u.full_name, st.student_no, g.name, sc.test_scores(r.id),
           r.correct, r.wrong, r.blank, round(r.net, 2), r.scores,
           rank() OVER (PARTITION BY g.id ORDER BY r.rank_key DESC),
           rank() OVER (ORDER BY r.rank_key DESC)
    FROM sc.exam_results AS r
    JOIN sc.users AS u ON u.id = r.user_id
    LEFT JOIN sc.students AS st ON st.user_id = r.user_id
    LEFT JOIN LATERAL (
        SELECT x.id, x.name
        FROM sc.group_members AS m
        JOIN sc.groups AS x ON x.id = m.group_id
        WHERE m.student_id = r.user_id
          AND sc.in_force(m.valid_from, m.valid_to, sc.school_day(r.submitted_at))
        ORDER BY x.id = result_list.group_id DESC NULLS LAST, m.valid_from DESC
        LIMIT 1
    ) AS g ON true
    WHERE r.exam_id = result_list.exam_id AND r.counts
      AND (result_list.group_id IS NULL OR g.id = result_list.group_id)
    ORDER BY g.name COLLATE "tr-x-icu" NULLS LAST, r.rank_key DESC, u.full_name COLLATE "tr-x-icu", r.id;
END
$$;
COMMENT ON FUNCTION sc.result_list(bigint, bigint) IS
    'the result list of an exam by class: counts and net per test and in total, estimated scores, rank in the class and among all';

CREATE FUNCTION sc_api.exam_result_list(actor bigint, exam_id bigint, group_id bigint DEFAULT NULL)
RETURNS SETOF sc_api.wall_row
LANGUAGE plpgsql STABLE
AS $$
BEGIN
    IF NOT EXISTS (SELECT FROM sc.exams AS e WHERE e.id = exam_result_list.exam_id AND e.is_active) THEN
        PERFORM sc_api.refuse(404, 'not_found');
    END IF;
    IF NOT (sc.is_exam_staff(actor, exam_result_list.exam_id) OR sc.can(actor, 'reports.read')) THEN
        PERFORM sc_api.refuse(403, 'forbidden');
    END IF;
    RETURN QUERY SELECT * FROM sc.result_list(exam_result_list.exam_id, exam_result_list.group_id);
END
$$;
COMMENT ON FUNCTION sc_api.exam_result_list(bigint, bigint, bigint) IS
    'The result list as it hangs on the wall: per class counts and net per test, estimated scores, ranks.';

CREATE FUNCTION sc_api.exam_result_list_csv(actor bigint, exam_id bigint, group_id bigint DEFAULT NULL)
RETURNS SETOF text
LANGUAGE plpgsql STABLE
AS $$
DECLARE
    test_names text[];
    type_names text[];
    head text;
BEGIN
    PERFORM FROM sc_api.exam_result_list(actor, exam_result_list_csv.exam_id, -1);
    SELECT array_agg(t.test ORDER BY t.place) INTO test_names
    FROM (SELECT s.test, min(s.order_index) AS place FROM sc.exam_sections AS s
          WHERE s.exam_id = exam_result_list_csv.exam_id GROUP BY s.test) AS t;
    SELECT array_agg(DISTINCT k ORDER BY k) INTO type_names
    FROM sc.exam_results AS r, jsonb_object_keys(r.scores) AS k
    WHERE r.exam_id = exam_result_list_csv.exam_id AND r.counts;

    SELECT string_agg(sc.csv_field(c.cell), ';' ORDER BY c.place) INTO head
    FROM (
        SELECT x.cell, x.place FROM unnest(ARRAY['Sınıf', 'Öğrenci No', 'Ad Soyad']) WITH ORDINALITY AS x(cell, place)
        UNION ALL
        SELECT t.test || ' ' || x.part, 10 + t.place * 4 + x.place
        FROM unnest(test_names) WITH ORDINALITY AS t(test, place),
             unnest(ARRAY['D', 'Y', 'B', 'Net']) WITH ORDINALITY AS x(part, place)
        UNION ALL
        SELECT x.cell, 10000 + x.place
        FROM unnest(ARRAY['Doğru', 'Yanlış', 'Boş', 'Net']) WITH ORDINALITY AS x(cell, place)
        UNION ALL
        SELECT t.type || ' (tahmini)', 20000 + t.place FROM unnest(type_names) WITH ORDINALITY AS t(type, place)
        UNION ALL
        SELECT x.cell, 30000 + x.place FROM unnest(ARRAY['Sınıf Sırası', 'Genel Sıra']) WITH ORDINALITY AS x(cell, place)
    ) AS c;

    PERFORM sc_api.header('Content-Disposition', format('attachment; filename="sonuc-listesi-%s.csv"', exam_result_list_csv.exam_id));
    RETURN NEXT E'\uFEFF' || head || E'\r\n';
    RETURN QUERY
    SELECT concat_ws(';',
               sc.csv_field(w.group_name), sc.csv_field(w.student_no), sc.csv_field(w.full_name),
               (SELECT string_agg(concat_ws(';', coalesce(t.correct::text, ''), coalesce(t.wrong::text, ''),
                                            coalesce(t.blank::text, ''), coalesce(replace(t.net::text, '.', ','), '')),
                                  ';' ORDER BY x.place)
                FROM unnest(test_names) WITH ORDINALITY AS x(test, place)
                LEFT JOIN unnest(w.tests) AS t ON t.test = x.test),
               w.correct, w.wrong, w.blank, replace(w.net::text, '.', ','),
               (SELECT string_agg(coalesce(replace(w.estimated_scores ->> x.type, '.', ','), ''), ';' ORDER BY x.place)
                FROM unnest(type_names) WITH ORDINALITY AS x(type, place)),
               w.rank_in_group, w.rank) || E'\r\n'
    FROM (SELECT l.*, row_number() OVER () AS n
          FROM sc.result_list(exam_result_list_csv.exam_id, exam_result_list_csv.group_id) AS l) AS w
    ORDER BY w.n;
END
$$;
COMMENT ON FUNCTION sc_api.exam_result_list_csv(bigint, bigint, bigint) IS
    'The result list for a Turkish spreadsheet: UTF-8 with byte order mark, semicolons, decimal commas.';

-- Many exams of one student.

CREATE TYPE sc_api.trend_point AS (
    result_id bigint,
    exam_id bigint,
    exam_title text,
    submitted_at timestamptz,
    net numeric,
    percent numeric,
    estimated_scores jsonb,
    group_mean numeric,
    overall_mean numeric
);
COMMENT ON TYPE sc_api.trend_point IS 'one exam of a student beside the means of those who sat it';

CREATE TYPE sc_api.topic_success AS (
    subject text,
    unit text,
    outcome_code text,
    outcome text,
    questions int,
    correct int,
    wrong int,
    blank int,
    success numeric,
    priority numeric
);
COMMENT ON TYPE sc_api.topic_success IS 'how a student does in a learning outcome (kazanım)';
COMMENT ON COLUMN sc_api.topic_success.success IS 'per cent right of the questions';
COMMENT ON COLUMN sc_api.topic_success.priority IS 'questions not answered right: where study pays most';

CREATE TYPE sc_api.exam_analysis AS (
    user_id bigint,
    exam_type text,
    exams int,
    mean_net numeric,
    recent_mean_net numeric,
    change_percent numeric,
    is_falling boolean,
    trend sc_api.trend_point[],
    topics sc_api.topic_success[]
);
COMMENT ON TYPE sc_api.exam_analysis IS 'a student over the exams of one type';
COMMENT ON COLUMN sc_api.exam_analysis.mean_net IS 'mean of all exams of the type';
COMMENT ON COLUMN sc_api.exam_analysis.recent_mean_net IS 'mean of the last three';
COMMENT ON COLUMN sc_api.exam_analysis.change_percent IS 'recent mean against the mean of all, in per cent of it';
COMMENT ON COLUMN sc_api.exam_analysis.is_falling IS 'fell by more than the asked per cent; needs four exams';
COMMENT ON COLUMN sc_api.exam_analysis.topics IS 'by priority: what was not answered right most often comes first';

CREATE FUNCTION sc.topic_successes(result_ids bigint[])
RETURNS sc_api.topic_success[]
LANGUAGE plpgsql STABLE STRICT
AS $$
BEGIN
    RETURN ARRAY(
        SELECT ROW(t.subject, t.unit, t.code, t.outcome, t.n, t.correct, t.wrong, t.n - t.correct - t.wrong,
                   round(100.0 * t.correct / t.n, 1), t.n - t.correct)::sc_api.topic_success
        FROM (
            SELECT s.name AS subject, un.name AS unit, o.code, o.description AS outcome,
                   count(*)::int AS n,
                   (count(*) FILTER (WHERE i.outcome IN (1, 5)))::int AS correct,
                   (count(*) FILTER (WHERE i.outcome = -1))::int AS wrong
            FROM sc.exam_results AS r
            CROSS JOIN LATERAL unnest(r.item_ids, r.item_outcomes) AS i(question_id, outcome)
            JOIN sc.questions AS q ON q.id = i.question_id
            LEFT JOIN sc.outcomes AS o ON o.id = q.outcome_id
            LEFT JOIN sc.units AS un ON un.id = coalesce(q.unit_id, o.unit_id)
            LEFT JOIN sc.subjects AS s ON s.id = coalesce(q.subject_id, un.subject_id)
            WHERE r.id = ANY (topic_successes.result_ids) AND i.outcome <> 3
              AND num_nonnulls(s.id, un.id, o.id) > 0
            GROUP BY s.name, un.name, o.code, o.description
        ) AS t
        ORDER BY t.n - t.correct DESC, t.n DESC, t.subject COLLATE "tr-x-icu", t.unit COLLATE "tr-x-icu", t.code);
END
$$;
COMMENT ON FUNCTION sc.topic_successes(bigint[]) IS
    'success per subject, unit and learning outcome over results, the most rewarding to study first; cancelled questions are left out';

CREATE FUNCTION sc.exam_means(result_id bigint, OUT group_mean numeric, OUT overall_mean numeric)
LANGUAGE plpgsql STABLE STRICT
AS $$
BEGIN
    SELECT round(max(s.mean) FILTER (WHERE s.scope = 'group'), 2), round(max(s.mean) FILTER (WHERE s.scope = 'all'), 2)
    INTO group_mean, overall_mean
    FROM unnest(sc.standings(result_id, 5)) AS s
    WHERE s.measure = 'net';
END
$$;
COMMENT ON FUNCTION sc.exam_means(bigint) IS
    'mean net of the class and of all who sat the exam of a result; NULL while fewer than 5 did';

CREATE FUNCTION sc.exam_analysis(
    student bigint,
    exam_type text,
    last int DEFAULT 5,
    falling_percent numeric DEFAULT 10,
    released_only boolean DEFAULT false)
RETURNS sc_api.exam_analysis
LANGUAGE plpgsql STABLE
AS $$
DECLARE
    a sc_api.exam_analysis;
    pool bigint[];              -- results of the type, newest first
BEGIN
    pool := ARRAY(
        SELECT r.id
        FROM sc.exam_results AS r
        JOIN sc.exams AS e ON e.id = r.exam_id
        WHERE r.user_id = student AND r.counts AND e.exam_type = exam_analysis.exam_type
          AND (NOT released_only OR r.attempt_id IS NULL OR sc.review_allows(r.exam_id, r.attempt_id, 'marks'))
        ORDER BY r.submitted_at DESC, r.id DESC);
    a.user_id := student;
    a.exam_type := exam_analysis.exam_type;
    a.exams := cardinality(pool);
    SELECT round(avg(r.net), 2), round(avg(r.net) FILTER (WHERE r.id = ANY (pool[1:3])), 2)
    INTO a.mean_net, a.recent_mean_net
    FROM sc.exam_results AS r
    WHERE r.id = ANY (pool);
    IF a.mean_net <> 0 THEN
        a.change_percent := round(100 * (a.recent_mean_net - a.mean_net) / abs(a.mean_net), 1);
    END IF;
    a.is_falling := a.exams >= 4 AND coalesce(a.change_percent < -falling_percent, false);
    a.trend := ARRAY(
        SELECT ROW(r.id, r.exam_id, e.title, r.submitted_at, round(r.net, 2), r.percent, r.scores,
                   m.group_mean, m.overall_mean)::sc_api.trend_point
        FROM sc.exam_results AS r
        JOIN sc.exams AS e ON e.id = r.exam_id
        LEFT JOIN LATERAL sc.exam_means(r.id) AS m ON NOT released_only OR e.results_published_at IS NOT NULL
        WHERE r.id = ANY (pool[1:last])
        ORDER BY r.submitted_at, r.id);
    -- one question to an outcome would tell which answers were right
    a.topics := sc.topic_successes(ARRAY(
        SELECT r.id FROM sc.exam_results AS r
        WHERE r.id = ANY (pool[1:last])
          AND (NOT released_only OR r.attempt_id IS NULL OR sc.review_allows(r.exam_id, r.attempt_id, 'correctness'))));
    RETURN a;
END
$$;
COMMENT ON FUNCTION sc.exam_analysis(bigint, text, int, numeric, boolean) IS
    'a student over the exams of one type: trend over the last ones beside the means, whether the nets are falling (mean of the last three more than falling_percent below the mean of all), and success per learning outcome; released_only leaves out what the student may not see yet';

CREATE FUNCTION sc_api.user_exam_analysis(
    actor bigint,
    user_id bigint,
    exam_type text,
    last int DEFAULT 5,
    falling_percent numeric DEFAULT 10)
RETURNS sc_api.exam_analysis
LANGUAGE plpgsql STABLE
AS $$
BEGIN
    PERFORM sc.require_student(actor, user_id);
    IF last NOT BETWEEN 1 AND 50 THEN
        PERFORM sc_api.invalid('last', 'out_of_range');
        PERFORM sc_api.check_valid();
    END IF;
    RETURN sc.exam_analysis(user_id, exam_type, last, falling_percent,
                            actor = user_id OR sc.is_guardian_of(actor, user_id));
END
$$;
COMMENT ON FUNCTION sc_api.user_exam_analysis(bigint, bigint, text, int, numeric) IS
    'Trend, falling nets and success per learning outcome over the exams of one type.';

-- Marks given by hand: essays, and any answer a teacher judges otherwise.

CREATE TYPE sc_api.waiting_answer AS (
    attempt_id bigint,
    user_id bigint,
    full_name text,
    question_id bigint,
    type text,
    prompt text,
    key jsonb,
    max_points numeric,
    answer jsonb,
    points numeric,
    rubric jsonb,
    comment text,
    graded_by bigint,
    graded_at timestamptz
);
COMMENT ON TYPE sc_api.waiting_answer IS 'an answer that a person marks';
COMMENT ON COLUMN sc_api.waiting_answer.key IS 'rubric or model answer';
COMMENT ON COLUMN sc_api.waiting_answer.points IS 'points given; null = still waits';
COMMENT ON COLUMN sc_api.waiting_answer.rubric IS 'points per criterion, as given';
COMMENT ON COLUMN sc_api.waiting_answer.graded_by IS 'who marked it';

CREATE FUNCTION sc_api.exam_grading(
    actor bigint,
    exam_id bigint,
    graded boolean DEFAULT false,
    question_id bigint DEFAULT NULL,
    page int DEFAULT 1,
    per_page int DEFAULT 20)
RETURNS SETOF sc_api.waiting_answer
LANGUAGE plpgsql STABLE
AS $$
BEGIN
    PERFORM sc.read_exam(actor, exam_id);
    RETURN QUERY
    SELECT w.*
    FROM sc.answers_to_mark(exam_grading.exam_id, exam_grading.graded, exam_grading.question_id) AS w
    ORDER BY w.question_id, w.attempt_id
    LIMIT exam_grading.per_page OFFSET (exam_grading.page - 1)::bigint * exam_grading.per_page;
    PERFORM sc_api.total((
        SELECT count(*)
        FROM sc.answers_to_mark(exam_grading.exam_id, exam_grading.graded, exam_grading.question_id)));
END
$$;
COMMENT ON FUNCTION sc_api.exam_grading(bigint, bigint, boolean, bigint, int, int) IS
    'Answers that wait for a mark by hand, question by question; with graded=true those that have one.';

CREATE FUNCTION sc.answers_to_mark(exam_id bigint, graded boolean, question_id bigint)
RETURNS SETOF sc_api.waiting_answer
LANGUAGE plpgsql STABLE
AS $$
BEGIN
    RETURN QUERY
    SELECT a.id, a.user_id, u.full_name, i.question_id, v.type, v.prompt, coalesce(eq.key, v.key), eq.points, ans.answer,
           g.points, g.rubric, g.comment, g.graded_by, g.graded_at
    FROM sc.exam_attempts AS a
    JOIN sc.users AS u ON u.id = a.user_id
    JOIN sc.exam_results AS r ON r.attempt_id = a.id
    CROSS JOIN LATERAL unnest(r.item_ids, r.item_versions, r.item_outcomes) AS i(question_id, version_id, outcome)
    JOIN sc.question_versions AS v ON v.id = i.version_id
    JOIN sc.exam_questions AS eq ON eq.exam_id = a.exam_id AND eq.question_id = i.question_id
    LEFT JOIN sc.attempt_answers AS ans ON ans.attempt_id = a.id AND ans.question_id = i.question_id
    LEFT JOIN sc.attempt_grades AS g ON g.attempt_id = a.id AND g.question_id = i.question_id
    WHERE a.exam_id = answers_to_mark.exam_id AND NOT a.is_preview
      AND CASE WHEN answers_to_mark.graded THEN g.points IS NOT NULL ELSE i.outcome = 4 END
      AND (answers_to_mark.question_id IS NULL OR i.question_id = answers_to_mark.question_id);
END
$$;
COMMENT ON FUNCTION sc.answers_to_mark(bigint, boolean, bigint) IS
    'answers of an exam that wait for a mark by hand, or that have one';

CREATE FUNCTION sc_api.answer_grade(
    actor bigint,
    attempt_id bigint,
    question_id bigint,
    _points numeric,
    _rubric jsonb DEFAULT NULL,
    _comment text DEFAULT NULL)
RETURNS sc_api.exam_result
LANGUAGE plpgsql VOLATILE
AS $$
DECLARE
    a record;
    worth numeric;
    sum_of_rubric numeric;
BEGIN
    SELECT x.exam_id, x.state, e.is_frozen INTO a
    FROM sc.exam_attempts AS x
    JOIN sc.exams AS e ON e.id = x.exam_id
    WHERE x.id = answer_grade.attempt_id
    FOR UPDATE OF x;
    IF NOT FOUND THEN
        PERFORM sc_api.refuse(404, 'not_found');
    END IF;
    PERFORM sc.read_exam(actor, a.exam_id);
    IF a.state NOT IN ('submitted', 'graded') THEN
        PERFORM sc_api.refuse(409, 'attempt_running', jsonb_build_object('state', a.state));
    END IF;
    IF a.is_frozen THEN
        PERFORM sc_api.refuse(409, 'exam_frozen');
    END IF;
    SELECT eq.points INTO worth
    FROM sc.exam_questions AS eq
    JOIN sc.exam_attempts AS x ON x.id = answer_grade.attempt_id AND eq.question_id = ANY (x.question_ids)
    WHERE eq.exam_id = a.exam_id AND eq.question_id = answer_grade.question_id;
    IF NOT FOUND THEN
        PERFORM sc_api.refuse(404, 'not_found');
    END IF;
    IF _points IS NULL OR _points NOT BETWEEN 0 AND worth THEN
        PERFORM sc_api.invalid('points', 'out_of_range');
    END IF;
    IF jsonb_typeof(_rubric) = 'array' THEN
        SELECT sum((c ->> 'points')::numeric) INTO sum_of_rubric FROM jsonb_array_elements(_rubric) AS c;
        IF sum_of_rubric IS DISTINCT FROM _points THEN
            PERFORM sc_api.invalid('rubric', 'sum_differs');
        END IF;
    ELSIF _rubric IS NOT NULL THEN
        PERFORM sc_api.invalid('rubric', 'invalid_type');
    END IF;
    PERFORM sc_api.check_valid();

    INSERT INTO sc.attempt_grades AS g (attempt_id, question_id, points, rubric, comment, graded_by)
    VALUES (answer_grade.attempt_id, answer_grade.question_id, _points, _rubric, _comment, actor)
    ON CONFLICT ON CONSTRAINT attempt_grades_pkey DO UPDATE
    SET points = excluded.points, rubric = excluded.rubric, comment = excluded.comment,
        graded_by = excluded.graded_by, graded_at = clock_timestamp();
    INSERT INTO sc.exam_audit (exam_id, attempt_id, actor_id, action, detail)
    VALUES (a.exam_id, answer_grade.attempt_id, actor, 'grade',
            jsonb_build_object('question_id', answer_grade.question_id, 'points', _points));
    PERFORM sc.score_attempt(answer_grade.attempt_id);
    RETURN sc.result_document((SELECT r.id FROM sc.exam_results AS r WHERE r.attempt_id = answer_grade.attempt_id), actor);
END
$$;
COMMENT ON FUNCTION sc_api.answer_grade(bigint, bigint, bigint, numeric, jsonb, text) IS
    'Marks an answer by hand and scores the attempt again. rubric: [{"criterion", "points"}], whose points add up to the mark.';

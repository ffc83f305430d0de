-- Who sits an exam, publishing it, and the student's list.

CREATE FUNCTION sc_api.audience_get(actor bigint, exam_id bigint)
RETURNS sc_api.exam_audience
LANGUAGE plpgsql STABLE PARALLEL SAFE
AS $$
DECLARE
    v sc_api.exam_audience;
BEGIN
    PERFORM sc.read_exam(actor, exam_id);
    SELECT e.is_open_to_all,
           ARRAY(SELECT a.group_id FROM sc.exam_audience AS a WHERE a.exam_id = e.id AND a.group_id IS NOT NULL ORDER BY 1),
           ARRAY(SELECT a.user_id FROM sc.exam_audience AS a WHERE a.exam_id = e.id AND a.user_id IS NOT NULL ORDER BY 1),
           (SELECT count(*) FROM sc.exam_students(e.id))
    INTO v
    FROM sc.exams AS e WHERE e.id = audience_get.exam_id;
    RETURN v;
END
$$;
COMMENT ON FUNCTION sc_api.audience_get(bigint, bigint) IS
'Who must sit the exam. With nobody listed it is the enrolled of its course.';

CREATE FUNCTION sc_api.audience_put(
    actor bigint,
    exam_id bigint,
    _group_ids bigint[] DEFAULT '{}',
    _user_ids bigint[] DEFAULT '{}',
    _everyone boolean DEFAULT false)
RETURNS sc_api.exam_audience
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
AS $$
DECLARE
    examinees bigint[];
BEGIN
    PERFORM sc.own_exam(actor, exam_id);
    examinees := sc.examinees(actor, exam_id);
    IF EXISTS (SELECT FROM unnest(_group_ids) AS u(id) WHERE NOT EXISTS (SELECT FROM sc.groups AS g WHERE g.id = u.id)) THEN
        PERFORM sc_api.invalid('group_ids', 'not_found');
    ELSIF EXISTS (SELECT FROM sc.groups AS g
                  WHERE g.id = ANY (_group_ids) AND g.teacher_id IS DISTINCT FROM actor
                    AND EXISTS (SELECT FROM sc.group_members AS m
                                WHERE m.group_id = g.id AND sc.in_force(m.valid_from, m.valid_to, sc.today())
                                  AND m.student_id <> ALL (examinees))) THEN
        PERFORM sc_api.invalid('group_ids', 'not_your_group');
    END IF;
    IF EXISTS (SELECT FROM unnest(_user_ids) AS u(id)
               WHERE u.id <> ALL (examinees) OR NOT sc.is_student(u.id)
                  OR NOT EXISTS (SELECT FROM sc.users AS x WHERE x.id = u.id AND x.is_active)) THEN
        PERFORM sc_api.invalid('user_ids', 'not_found');
    END IF;
    PERFORM sc_api.check_valid();
    UPDATE sc.exams AS e SET is_open_to_all = coalesce(_everyone, false) WHERE e.id = audience_put.exam_id;
    DELETE FROM sc.exam_audience AS a WHERE a.exam_id = audience_put.exam_id;
    INSERT INTO sc.exam_audience (exam_id, group_id)
    SELECT DISTINCT audience_put.exam_id, u.id FROM unnest(_group_ids) AS u(id);
    INSERT INTO sc.exam_audience (exam_id, user_id)
    SELECT DISTINCT audience_put.exam_id, u.id FROM unnest(_user_ids) AS u(id);
    PERFORM sc.exam_audit_note(exam_id, NULL, actor, 'audience',
                               jsonb_build_object('group_ids', _group_ids, 'user_ids', _user_ids, 'everyone', _everyone));
    RETURN sc_api.audience_get(actor, exam_id);
END
$$;
COMMENT ON FUNCTION sc_api.audience_put(bigint, bigint, bigint[], bigint[], boolean) IS
'Says who sits the exam: classes, students, or every student. Whoever is writing stays. Teachers name classes and students whom they teach; who manages all exams names anybody.';

-- Publishing.

CREATE FUNCTION sc.fill_pools(exam_id bigint, actor bigint)
RETURNS void
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
AS $$
DECLARE
    s record;
    author bigint;
    reserved bigint[];
BEGIN
    SELECT coalesce(e.created_by, actor) INTO author FROM sc.exams AS e WHERE e.id = fill_pools.exam_id;
    DELETE FROM sc.exam_questions AS q WHERE q.exam_id = fill_pools.exam_id AND q.order_index IS NULL;
    FOR s IN
        SELECT x.id, x.draw FROM sc.exam_sections AS x
        WHERE x.exam_id = fill_pools.exam_id AND x.draw IS NOT NULL ORDER BY x.order_index
    LOOP
        reserved := ARRAY(SELECT sc.reserved_questions(author, ARRAY(SELECT d.question_id FROM sc.drawn_questions(s.draw) AS d)));
        INSERT INTO sc.exam_questions (exam_id, section_id, question_id, version_id, points)
        SELECT fill_pools.exam_id, s.id, d.question_id, d.version_id, d.points
        FROM sc.drawn_questions(s.draw) AS d
        WHERE d.question_id <> ALL (reserved)
        ON CONFLICT DO NOTHING;
    END LOOP;
END
$$;
COMMENT ON FUNCTION sc.fill_pools(bigint, bigint) IS
    'pins the questions that drawn sections may take; a question goes to the first section that can use it, and those that exams of others keep secret to none';

CREATE FUNCTION sc.publish_check(exam_id bigint, at timestamptz DEFAULT clock_timestamp())
RETURNS void
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
AS $$
DECLARE
    e record;
    s record;
    n int := 0;
BEGIN
    SELECT x.* INTO e FROM sc.exams AS x WHERE x.id = publish_check.exam_id;
    FOR s IN
        SELECT x.title, x.question_count, x.draw, x.alternative_group,
               (SELECT count(*) FROM sc.exam_questions AS q WHERE q.section_id = x.id) AS present,
               (SELECT count(*) FROM sc.exam_sections AS o
                WHERE o.exam_id = x.exam_id AND o.alternative_group = x.alternative_group) AS alternatives
        FROM sc.exam_sections AS x WHERE x.exam_id = publish_check.exam_id ORDER BY x.order_index
    LOOP
        IF e.kind = 'online' AND s.draw IS NULL
           AND (s.present = 0 OR (s.question_count > 0 AND s.present <> s.question_count)) THEN
            PERFORM sc_api.invalid(format('sections[%s]', n), 'section_incomplete',
                                   jsonb_build_object('section', s.title, 'wanted', s.question_count, 'present', s.present));
        ELSIF e.kind = 'online' AND s.draw IS NOT NULL AND (s.question_count = 0 OR s.present < s.question_count) THEN
            PERFORM sc_api.invalid(format('sections[%s]', n), 'pool_too_small',
                                   jsonb_build_object('section', s.title, 'wanted', s.question_count, 'present', s.present));
        END IF;
        IF s.alternatives = 1 THEN
            PERFORM sc_api.invalid(format('sections[%s].alternative_group', n), 'alternative_alone',
                                   jsonb_build_object('section', s.title));
        END IF;
        n := n + 1;
    END LOOP;
    IF n = 0 THEN
        PERFORM sc_api.invalid('sections', 'exam_without_sections');
    END IF;
    BEGIN
        PERFORM sc.exam_multiple(exam_id);
    EXCEPTION WHEN numeric_value_out_of_range THEN
        PERFORM sc_api.invalid('sections', 'penalties_differ');
    END;
    FOR s IN
        SELECT q.question_id
        FROM sc.exam_questions AS q
        JOIN sc.question_versions AS v ON v.id = q.version_id
        WHERE q.exam_id = publish_check.exam_id AND v.type NOT IN ('essay', 'description')
          AND coalesce(q.key, v.key) = '{}'
        ORDER BY q.question_id
        LIMIT 20
    LOOP
        PERFORM sc_api.invalid('questions', 'question_without_key', jsonb_build_object('question_id', s.question_id));
    END LOOP;
    IF e.kind = 'online' AND NOT e.is_open_to_all AND e.course_id IS NULL
       AND NOT EXISTS (SELECT FROM sc.exam_audience AS a WHERE a.exam_id = e.id) THEN
        PERFORM sc_api.invalid('audience', 'audience_missing');
    END IF;
    IF e.kind = 'online' AND e.closes_at <= publish_check.at THEN
        PERFORM sc_api.invalid('closes_at', 'closes_in_the_past');
    END IF;
    IF sc.review_never_opens(e.kind, e.review_policy, e.closes_at, e.max_attempts) THEN
        PERFORM sc_api.invalid('closes_at', 'review_never_opens');
    END IF;
    PERFORM sc_api.check_valid();
END
$$;
COMMENT ON FUNCTION sc.publish_check(bigint, timestamptz) IS 'names everything that an exam lacks to be published, and refuses if it lacks anything';

CREATE FUNCTION sc_api.exam_publish(actor bigint, exam_id bigint)
RETURNS sc_api.exam
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
AS $$
BEGIN
    PERFORM sc.own_exam(actor, exam_id);
    IF NOT EXISTS (SELECT FROM sc.exams AS e WHERE e.id = exam_publish.exam_id AND e.is_published) THEN
        IF NOT EXISTS (SELECT FROM sc.exam_attempts AS a
                       WHERE a.exam_id = exam_publish.exam_id AND a.state <> 'not_started') THEN
            PERFORM sc.fill_pools(exam_id, actor);
        END IF;
        PERFORM sc.publish_check(exam_id);
        UPDATE sc.exams AS e
        SET is_published = true, published_at = clock_timestamp()
        WHERE e.id = exam_publish.exam_id;
        PERFORM sc.exam_audit_note(exam_id, NULL, actor, 'publish');
    END IF;
    RETURN sc.exam_view(exam_id);
END
$$;
COMMENT ON FUNCTION sc_api.exam_publish(bigint, bigint) IS
'Publishes: students see the exam and, from its opening, may start. Names everything that is missing (422). Questions are pinned from here on. Again: no change.';

CREATE FUNCTION sc_api.exam_unpublish(actor bigint, exam_id bigint)
RETURNS sc_api.exam
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
AS $$
BEGIN
    PERFORM sc.own_exam(actor, exam_id);
    IF EXISTS (SELECT FROM sc.exam_attempts AS a
               WHERE a.exam_id = exam_unpublish.exam_id AND NOT a.is_preview AND a.state <> 'not_started') THEN
        PERFORM sc_api.refuse(409, 'exam_has_attempts');
    END IF;
    UPDATE sc.exams AS e SET is_published = false, published_at = NULL
    WHERE e.id = exam_unpublish.exam_id AND e.is_published;
    IF FOUND THEN
        PERFORM sc.exam_audit_note(exam_id, NULL, actor, 'unpublish');
    END IF;
    RETURN sc.exam_view(exam_id);
END
$$;
COMMENT ON FUNCTION sc_api.exam_unpublish(bigint, bigint) IS 'Makes a published exam a draft again; refused once somebody has started.';

-- The student's list.

CREATE FUNCTION sc.my_exam_rows(student bigint, exam_ids bigint[], at timestamptz DEFAULT clock_timestamp())
RETURNS SETOF sc_api.my_exam
LANGUAGE plpgsql STABLE PARALLEL SAFE
ROWS 50
AS $$
BEGIN
    RETURN QUERY
    SELECT e.id, e.title, e.exam_type, e.course_id, w.opens_at, w.closes_at, w.time_limit, w.max_attempts,
           w.attempts_used, w.allowed, w.reason, w.has_password, l.id, l.state, d.deadline_at,
           sc.remaining_ms(d.deadline_at, my_exam_rows.at), my_exam_rows.at
    FROM sc.exam_windows(exam_ids, student, my_exam_rows.at) AS w
    JOIN sc.exams AS e ON e.id = w.exam_id
    LEFT JOIN LATERAL (SELECT a.id, a.state, a.deadline_at FROM sc.exam_attempts AS a
                       WHERE a.exam_id = e.id AND a.user_id = student AND NOT a.is_preview
                       ORDER BY a.attempt_no DESC LIMIT 1) AS l ON true
    CROSS JOIN LATERAL (SELECT CASE WHEN l.state IN ('in_progress', 'overdue') THEN l.deadline_at
                                    WHEN w.allowed THEN w.deadline_if_started_now END AS deadline_at) AS d
    WHERE e.kind = 'online' AND w.reason NOT IN ('exam_not_yours', 'inactive_user', 'exam_unpublished')
    ORDER BY coalesce(w.opens_at, e.published_at) DESC, e.id DESC;
END
$$;
COMMENT ON FUNCTION sc.my_exam_rows(bigint, bigint[], timestamptz) IS
    'of these exams those that the student may see, newest first, each with what holds for the student';

CREATE FUNCTION sc_api.my_exams(actor bigint, status text DEFAULT NULL, page int DEFAULT 1, per_page int DEFAULT 20)
RETURNS SETOF sc_api.my_exam
LANGUAGE plpgsql STABLE PARALLEL SAFE
AS $$
DECLARE
    mine sc_api.my_exam[];
BEGIN
    IF status NOT IN ('upcoming', 'open', 'done', 'closed') THEN
        PERFORM sc_api.invalid('status', 'invalid_value');
        PERFORM sc_api.check_valid();
    END IF;
    mine := ARRAY(
        SELECT r FROM sc.my_exam_rows(actor, ARRAY(SELECT sc.exams_shown_to(actor))) AS r
        WHERE CASE my_exams.status
                  WHEN 'upcoming' THEN r.reason = 'exam_not_open'
                  WHEN 'open' THEN r.allowed
                  WHEN 'done' THEN r.attempt_state IN ('submitted', 'graded')
                  WHEN 'closed' THEN r.reason = 'exam_closed'
                  ELSE true END);
    PERFORM sc_api.total(cardinality(mine));
    RETURN QUERY SELECT * FROM unnest(mine[(page - 1)::bigint * per_page + 1 : page::bigint * per_page]);
END
$$;
COMMENT ON FUNCTION sc_api.my_exams(bigint, text, int, int) IS
'Own exams, newest first, each with what holds for the caller. status: upcoming, open, done or closed.';

CREATE FUNCTION sc_api.my_exam(actor bigint, exam_id bigint)
RETURNS sc_api.my_exam
LANGUAGE plpgsql STABLE PARALLEL SAFE
AS $$
DECLARE
    mine sc_api.my_exam;
BEGIN
    SELECT r.* INTO mine FROM sc.my_exam_rows(actor, ARRAY[exam_id]) AS r;
    RETURN mine;
END
$$;
COMMENT ON FUNCTION sc_api.my_exam(bigint, bigint) IS
'What holds for the caller in an exam: opening, close and limit after all overrides, attempts, and when the time would end.';

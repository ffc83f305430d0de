-- Putting an exam together: settings, sections, questions.

CREATE FUNCTION sc.check_exam(e sc_api.exam)
RETURNS void
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
AS $$
DECLARE
    phase text;
    shown jsonb;
BEGIN
    IF e.title IS NULL OR length(btrim(e.title)) NOT BETWEEN 1 AND 200 THEN
        PERFORM sc_api.invalid('title', 'invalid_length', '{"min": 1, "max": 200}');
    END IF;
    IF e.kind NOT IN ('online', 'paper') THEN
        PERFORM sc_api.invalid('kind', 'invalid_value');
    END IF;
    IF e.grading_method NOT IN ('highest', 'average', 'first', 'last') THEN
        PERFORM sc_api.invalid('grading_method', 'invalid_value');
    END IF;
    IF e.overdue_policy NOT IN ('autosubmit', 'graceperiod', 'abandon') THEN
        PERFORM sc_api.invalid('overdue_policy', 'invalid_value');
    END IF;
    -- a year and a day is more than anybody writes, and no sum of times runs over
    IF e.time_limit NOT BETWEEN 1 AND 31622400 THEN
        PERFORM sc_api.invalid('time_limit', 'invalid_value');
    END IF;
    IF e.closes_at <= e.opens_at THEN
        PERFORM sc_api.invalid('closes_at', 'closes_before_opening');
    END IF;
    IF e.max_attempts < 0 THEN
        PERFORM sc_api.invalid('max_attempts', 'invalid_value');
    END IF;
    IF e.grace_seconds NOT BETWEEN 0 AND 31622400 THEN
        PERFORM sc_api.invalid('grace_seconds', 'invalid_value');
    END IF;
    IF e.slack_seconds NOT BETWEEN 0 AND 600 THEN
        PERFORM sc_api.invalid('slack_seconds', 'invalid_value');
    END IF;
    IF e.wrongs_per_right <= 0 OR e.wrongs_per_right > 100 THEN
        PERFORM sc_api.invalid('wrongs_per_right', 'invalid_value');
    END IF;
    IF e.pass_mark NOT BETWEEN 0 AND 100 THEN
        PERFORM sc_api.invalid('pass_mark', 'invalid_value');
    END IF;
    IF jsonb_typeof(e.review_policy) <> 'object' THEN
        PERFORM sc_api.invalid('review_policy', 'invalid_type');
    ELSE
        FOR phase, shown IN SELECT p.key, p.value FROM jsonb_each(e.review_policy) AS p LOOP
            IF phase NOT IN ('during', 'after', 'open', 'closed') OR jsonb_typeof(shown) <> 'array'
               -- while it runs an attempt shows no more than what the student wrote
               OR NOT shown <@ (CASE phase WHEN 'during' THEN '["answer"]'::jsonb
                                     ELSE '["answer", "correctness", "marks", "key", "explanation", "rank"]' END) THEN
                PERFORM sc_api.invalid('review_policy.' || phase, 'invalid_value');
            END IF;
        END LOOP;
    END IF;
    IF e.is_published AND sc.review_never_opens(e.kind, e.review_policy, e.closes_at, e.max_attempts) THEN
        PERFORM sc_api.invalid('closes_at', 'review_never_opens');
    END IF;
    PERFORM sc_api.check_valid();
END
$$;
COMMENT ON FUNCTION sc.check_exam(sc_api.exam) IS 'collects what is wrong with the settings of an exam, field by field, and refuses if anything is';

CREATE FUNCTION sc.may_use_course(actor bigint, course_id bigint)
RETURNS boolean
LANGUAGE plpgsql STABLE PARALLEL SAFE
AS $$
BEGIN
    RETURN sc.can(actor, 'exams.manage')
        OR EXISTS (SELECT FROM sc.courses AS c
                   WHERE c.id = may_use_course.course_id AND c.teacher_id = actor);
END
$$;
COMMENT ON FUNCTION sc.may_use_course(bigint, bigint) IS 'may this user put an exam into the course';

CREATE FUNCTION sc.apply_preset(exam_id bigint, preset text)
RETURNS void
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
AS $$
DECLARE
    d jsonb;
BEGIN
    SELECT p.definition INTO d FROM sc.exam_presets AS p WHERE p.code = upper(preset COLLATE "C");
    IF NOT FOUND THEN
        PERFORM sc_api.invalid('preset', 'unknown_preset');
        PERFORM sc_api.check_valid();
    END IF;
    INSERT INTO sc.exam_sections (exam_id, order_index, title, test, subject_id, question_count, wrongs_per_right, alternative_group)
    SELECT apply_preset.exam_id, s.ordinality, s.value ->> 'title', s.value ->> 'test',
           (SELECT x.id FROM sc.subjects AS x WHERE x.name = s.value ->> 'title' ORDER BY x.id LIMIT 1),
           (s.value ->> 'questions')::int, (d ->> 'wrongs_per_right')::numeric, s.value ->> 'alternative'
    FROM jsonb_array_elements(d -> 'sections') WITH ORDINALITY AS s;
END
$$;
COMMENT ON FUNCTION sc.apply_preset(bigint, text) IS 'gives an exam the sections of a preset';

CREATE FUNCTION sc_api.exam_presets(actor bigint)
RETURNS SETOF sc_api.exam_preset
LANGUAGE plpgsql STABLE PARALLEL SAFE
AS $$
BEGIN
    RETURN QUERY SELECT p.code, p.title, p.definition FROM sc.exam_presets AS p ORDER BY p.code;
END
$$;
COMMENT ON FUNCTION sc_api.exam_presets(bigint) IS 'Published structures to begin an exam with.';

CREATE FUNCTION sc_api.exam_create(
    actor bigint,
    _title text,
    _preset text DEFAULT NULL,
    _course_id bigint DEFAULT NULL,
    _season_id bigint DEFAULT NULL,
    _description text DEFAULT NULL,
    _exam_type text DEFAULT NULL,
    _kind text DEFAULT 'online',
    _time_limit int DEFAULT NULL,
    _opens_at timestamptz DEFAULT NULL,
    _closes_at timestamptz DEFAULT NULL,
    _max_attempts int DEFAULT 1,
    _grading_method text DEFAULT 'highest',
    _overdue_policy text DEFAULT 'autosubmit',
    _grace_seconds int DEFAULT 0,
    _slack_seconds int DEFAULT 30,
    _wrongs_per_right numeric DEFAULT NULL,
    _shuffle_questions boolean DEFAULT false,
    _shuffle_options boolean DEFAULT false,
    _password text DEFAULT NULL,
    _pass_mark numeric DEFAULT NULL,
    _review_policy jsonb DEFAULT NULL,
    _everyone boolean DEFAULT false,
    given text[] DEFAULT '{}')
RETURNS sc_api.exam
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
AS $$
DECLARE
    e sc_api.exam;
    d jsonb;
    made bigint;
BEGIN
    IF _course_id IS NOT NULL AND NOT sc.may_use_course(actor, _course_id) THEN
        PERFORM sc_api.invalid('course_id', 'not_your_course');
    END IF;
    IF _preset IS NOT NULL THEN
        SELECT p.definition INTO d FROM sc.exam_presets AS p WHERE p.code = upper(_preset COLLATE "C");
        IF NOT FOUND THEN
            PERFORM sc_api.invalid('preset', 'unknown_preset');
        END IF;
    END IF;
    e.title := _title;
    e.kind := coalesce(_kind, 'online');
    e.grading_method := coalesce(_grading_method, 'highest');
    e.overdue_policy := coalesce(_overdue_policy, 'autosubmit');
    -- what is given wins over the preset, null too
    e.time_limit := CASE WHEN 'time_limit' = ANY (given) THEN _time_limit ELSE (d ->> 'time_limit')::int END;
    e.wrongs_per_right := CASE WHEN 'wrongs_per_right' = ANY (given) THEN nullif(_wrongs_per_right, 0)
                               ELSE (d ->> 'wrongs_per_right')::numeric END;
    e.opens_at := _opens_at;
    e.closes_at := _closes_at;
    e.max_attempts := coalesce(_max_attempts, 1);
    e.grace_seconds := coalesce(_grace_seconds, 0);
    e.slack_seconds := coalesce(_slack_seconds, 30);
    e.pass_mark := _pass_mark;
    e.review_policy := coalesce(_review_policy, d -> 'review_policy');
    PERFORM sc.check_exam(e);

    INSERT INTO sc.exams (course_id, season_id, title, description, exam_type, kind, time_limit, opens_at, closes_at,
                          max_attempts, grading_method, overdue_policy, grace_seconds, slack_seconds, wrongs_per_right,
                          shuffle_questions, shuffle_options, password_hash, pass_mark, review_policy, is_open_to_all,
                          created_by)
    VALUES (_course_id, _season_id, btrim(_title), _description,
            coalesce(_exam_type, d ->> 'exam_type', 'custom'), e.kind, e.time_limit, _opens_at, _closes_at,
            e.max_attempts, e.grading_method, e.overdue_policy, e.grace_seconds, e.slack_seconds, e.wrongs_per_right,
            coalesce(_shuffle_questions, false), coalesce(_shuffle_options, false),
            CASE WHEN _password <> '' THEN sc.password_hash(_password) END, _pass_mark, e.review_policy,
            coalesce(_everyone, false), actor)
    RETURNING id INTO made;
    IF _preset IS NOT NULL THEN
        PERFORM sc.apply_preset(made, _preset);
    END IF;
    PERFORM sc.exam_audit_note(made, NULL, actor, 'create', jsonb_build_object('preset', _preset));
    PERFORM sc_api.header('Location', '/api/v1/exams/' || made);
    RETURN sc.exam_view(made);
END
$$;
COMMENT ON FUNCTION sc_api.exam_create(bigint, text, text, bigint, bigint, text, text, text, int, timestamptz, timestamptz, int, text, text, int, int, numeric, boolean, boolean, text, numeric, jsonb, boolean, text[]) IS
'Makes a draft. preset (TYT, AYT, YDT, LGS, …) brings its sections, time limit, wrongs per right and review policy (nothing before the close); what the body gives wins. Then add questions and an audience, and publish.';

CREATE FUNCTION sc.sits_exam(actor bigint, exam_id bigint)
RETURNS boolean
LANGUAGE plpgsql STABLE PARALLEL SAFE
AS $$
DECLARE
    reason text;
BEGIN
    SELECT w.reason INTO reason FROM sc.exam_window(exam_id, actor) AS w;
    -- who has a result has sat it, listed or not, as on paper
    RETURN coalesce(reason NOT IN ('exam_unpublished', 'exam_not_yours', 'inactive_user'), false)
        OR (reason = 'exam_not_yours'
            AND EXISTS (SELECT FROM sc.exam_results AS r WHERE r.exam_id = sits_exam.exam_id AND r.user_id = actor));
END
$$;
COMMENT ON FUNCTION sc.sits_exam(bigint, bigint) IS 'is the exam shown to this student';

CREATE FUNCTION sc_api.exam_get(actor bigint, exam_id bigint)
RETURNS sc_api.exam
LANGUAGE plpgsql STABLE PARALLEL SAFE
AS $$
DECLARE
    e sc_api.exam;
BEGIN
    IF sc.is_exam_staff(actor, exam_id) THEN
        RETURN sc.exam_view(exam_id);
    END IF;
    IF NOT sc.sits_exam(actor, exam_id)
       AND NOT (sc.can(actor, 'students.coach')
                AND EXISTS (SELECT FROM sc.exam_attempts AS a
                            WHERE a.exam_id = exam_get.exam_id AND sc.is_coach_of(actor, a.user_id))) THEN
        RETURN NULL;
    END IF;
    e := sc.exam_view(exam_id);
    -- how questions are drawn is the teacher's business
    SELECT coalesce(array_agg(ROW(s.id, s.order_index, s.title, s.test, s.subject_id,
                                  greatest(s.question_count, CASE WHEN s.draw IS NULL THEN s.questions_present END),
                                  NULL, s.wrongs_per_right, s.alternative_group, NULL)::sc_api.exam_section
                              ORDER BY s.order_index), '{}')
    INTO e.sections
    FROM unnest(e.sections) AS s;
    RETURN e;
END
$$;
COMMENT ON FUNCTION sc_api.exam_get(bigint, bigint) IS 'An exam: all of it for its staff, without pools for those who sit it; 404 for everybody else.';

CREATE FUNCTION sc_api.exam_list(
    actor bigint,
    course_id bigint DEFAULT NULL,
    exam_type text DEFAULT NULL,
    kind text DEFAULT NULL,
    status text DEFAULT NULL,
    q text DEFAULT NULL,
    updated_since timestamptz DEFAULT NULL,
    page int DEFAULT 1,
    per_page int DEFAULT 20)
RETURNS SETOF sc_api.exam
LANGUAGE plpgsql STABLE PARALLEL SAFE
AS $$
DECLARE
    at timestamptz := clock_timestamp();
    everything boolean := sc.can(actor, 'exams.manage');
    own boolean := sc.can(actor, 'exams.own');
    shown bigint[] := ARRAY(SELECT sc.exams_shown_to(actor));
    ids bigint[];
    one bigint;
BEGIN
    IF status NOT IN ('draft', 'published', 'upcoming', 'open', 'closed') THEN
        PERFORM sc_api.invalid('status', 'invalid_value');
        PERFORM sc_api.check_valid();
    END IF;
    SELECT array_agg(e.id ORDER BY coalesce(e.opens_at, e.created_at) DESC, e.id DESC)
    INTO ids
    FROM sc.exams AS e
    LEFT JOIN sc.courses AS c ON c.id = e.course_id
    WHERE e.is_active
      AND (everything
           OR (own AND actor IN (e.created_by, c.teacher_id))
           OR e.id = ANY (shown))
      AND (exam_list.course_id IS NULL OR e.course_id = exam_list.course_id)
      AND (exam_list.exam_type IS NULL OR e.exam_type = exam_list.exam_type)
      AND (exam_list.kind IS NULL OR e.kind = exam_list.kind)
      AND (exam_list.q IS NULL OR strpos(lower(e.title COLLATE "tr-x-icu"), lower(exam_list.q COLLATE "tr-x-icu")) > 0)
      AND (exam_list.updated_since IS NULL OR e.updated_at >= exam_list.updated_since)
      AND CASE exam_list.status
              WHEN 'draft' THEN NOT e.is_published
              WHEN 'published' THEN e.is_published
              WHEN 'upcoming' THEN e.is_published AND e.opens_at > at
              WHEN 'open' THEN e.is_published AND coalesce(e.opens_at <= at, true) AND coalesce(e.closes_at > at, true)
              WHEN 'closed' THEN e.is_published AND e.closes_at <= at
              ELSE true END;
    PERFORM sc_api.total(coalesce(cardinality(ids), 0));
    FOREACH one IN ARRAY coalesce(ids[(page - 1) * per_page + 1 : page * per_page], '{}') LOOP
        RETURN NEXT sc.exam_view(one, false);
    END LOOP;
END
$$;
COMMENT ON FUNCTION sc_api.exam_list(bigint, bigint, text, text, text, text, timestamptz, int, int) IS
'Exams: staff see those they run, drafts too; students those they may sit. status: draft, published, upcoming, open or closed. The list leaves sections out.';

CREATE FUNCTION sc_api.exam_patch(
    actor bigint,
    exam_id bigint,
    _title text DEFAULT NULL,
    _course_id bigint DEFAULT NULL,
    _season_id bigint DEFAULT NULL,
    _description text DEFAULT NULL,
    _exam_type text DEFAULT NULL,
    _time_limit int DEFAULT NULL,
    _opens_at timestamptz DEFAULT NULL,
    _closes_at timestamptz DEFAULT NULL,
    _max_attempts int DEFAULT NULL,
    _grading_method text DEFAULT NULL,
    _overdue_policy text DEFAULT NULL,
    _grace_seconds int DEFAULT NULL,
    _slack_seconds int DEFAULT NULL,
    _wrongs_per_right numeric DEFAULT NULL,
    _shuffle_questions boolean DEFAULT NULL,
    _shuffle_options boolean DEFAULT NULL,
    _password text DEFAULT NULL,
    _pass_mark numeric DEFAULT NULL,
    _review_policy jsonb DEFAULT NULL,
    _is_frozen boolean DEFAULT NULL,
    given text[] DEFAULT '{}')
RETURNS sc_api.exam
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
AS $$
DECLARE
    e sc_api.exam;
    hashed text;
BEGIN
    PERFORM sc.read_exam(actor, exam_id);
    -- hashing is slow: before the row is locked
    IF 'password' = ANY (given) AND _password <> '' THEN
        hashed := sc.password_hash(_password);
    END IF;
    PERFORM sc.own_exam(actor, exam_id);
    e := sc.exam_view(exam_id, false);
    IF given && ARRAY['shuffle_questions', 'shuffle_options', 'wrongs_per_right'] AND EXISTS (
        SELECT FROM sc.exam_attempts AS a
        WHERE a.exam_id = e.id AND NOT a.is_preview AND a.state <> 'not_started') THEN
        PERFORM sc_api.refuse(409, 'exam_has_attempts');
    END IF;
    IF 'course_id' = ANY (given) AND _course_id IS NOT NULL AND _course_id IS DISTINCT FROM e.course_id
       AND NOT sc.may_use_course(actor, _course_id) THEN
        PERFORM sc_api.invalid('course_id', 'not_your_course');
    END IF;
    IF 'title' = ANY (given) THEN e.title := btrim(_title); END IF;
    IF 'course_id' = ANY (given) THEN e.course_id := _course_id; END IF;
    IF 'season_id' = ANY (given) THEN e.season_id := _season_id; END IF;
    IF 'description' = ANY (given) THEN e.description := _description; END IF;
    IF 'time_limit' = ANY (given) THEN e.time_limit := _time_limit; END IF;
    IF 'opens_at' = ANY (given) THEN e.opens_at := _opens_at; END IF;
    IF 'closes_at' = ANY (given) THEN e.closes_at := _closes_at; END IF;
    IF 'wrongs_per_right' = ANY (given) THEN e.wrongs_per_right := nullif(_wrongs_per_right, 0); END IF;
    IF 'pass_mark' = ANY (given) THEN e.pass_mark := _pass_mark; END IF;
    e.exam_type := coalesce(_exam_type, e.exam_type);
    e.max_attempts := coalesce(_max_attempts, e.max_attempts);
    e.grading_method := coalesce(_grading_method, e.grading_method);
    e.overdue_policy := coalesce(_overdue_policy, e.overdue_policy);
    e.grace_seconds := coalesce(_grace_seconds, e.grace_seconds);
    e.slack_seconds := coalesce(_slack_seconds, e.slack_seconds);
    SELECT CASE WHEN 'review_policy' = ANY (given) THEN _review_policy ELSE x.review_policy END INTO e.review_policy
    FROM sc.exams AS x WHERE x.id = exam_patch.exam_id;
    PERFORM sc.check_exam(e);
    UPDATE sc.exams AS x
    SET title = e.title, course_id = e.course_id, season_id = e.season_id, description = e.description,
        exam_type = e.exam_type, time_limit = e.time_limit, opens_at = e.opens_at, closes_at = e.closes_at,
        max_attempts = e.max_attempts, grading_method = e.grading_method, overdue_policy = e.overdue_policy,
        grace_seconds = e.grace_seconds, slack_seconds = e.slack_seconds, wrongs_per_right = e.wrongs_per_right,
        shuffle_questions = coalesce(_shuffle_questions, x.shuffle_questions),
        shuffle_options = coalesce(_shuffle_options, x.shuffle_options),
        password_hash = CASE WHEN 'password' = ANY (given) THEN hashed ELSE x.password_hash END,
        pass_mark = e.pass_mark, review_policy = e.review_policy,
        is_frozen = coalesce(_is_frozen, x.is_frozen)
    WHERE x.id = exam_patch.exam_id;
    PERFORM sc.exam_audit_note(exam_id, NULL, actor, 'change', jsonb_build_object('fields', to_jsonb(given)));
    RETURN sc.exam_view(exam_id);
END
$$;
COMMENT ON FUNCTION sc_api.exam_patch(bigint, bigint, text, bigint, bigint, text, text, int, timestamptz, timestamptz, int, text, text, int, int, numeric, boolean, boolean, text, numeric, jsonb, boolean, text[]) IS
'Changes settings. New times reach running attempts at once. Shuffling and penalties cannot change after the first attempt; "password": null takes the password away, "review_policy": null takes what fits the exam.';

CREATE FUNCTION sc_api.exam_delete(actor bigint, exam_id bigint)
RETURNS void
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
AS $$
BEGIN
    PERFORM sc.own_exam(actor, exam_id);
    IF EXISTS (SELECT FROM sc.exam_attempts AS a
               WHERE a.exam_id = exam_delete.exam_id AND a.state IN ('in_progress', 'overdue')) THEN
        PERFORM sc_api.refuse(409, 'exam_running');
    END IF;
    UPDATE sc.exams AS e SET is_active = false, is_published = false WHERE e.id = exam_delete.exam_id;
    PERFORM sc.exam_audit_note(exam_id, NULL, actor, 'delete');
END
$$;
COMMENT ON FUNCTION sc_api.exam_delete(bigint, bigint) IS 'Takes an exam away; its results stay. Refused while somebody is writing.';

CREATE FUNCTION sc_api.exam_copy(
    actor bigint,
    exam_id bigint,
    _title text DEFAULT NULL,
    _course_id bigint DEFAULT NULL,
    _season_id bigint DEFAULT NULL,
    _opens_at timestamptz DEFAULT NULL,
    _closes_at timestamptz DEFAULT NULL)
RETURNS sc_api.exam
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
AS $$
DECLARE
    made bigint;
    s record;
    section bigint;
    reserved bigint[];
BEGIN
    PERFORM sc.read_exam(actor, exam_id);
    reserved := ARRAY(SELECT sc.reserved_questions(actor, ARRAY(
        SELECT q.question_id FROM sc.exam_questions AS q WHERE q.exam_id = exam_copy.exam_id)));
    IF _course_id IS NOT NULL AND NOT sc.may_use_course(actor, _course_id) THEN
        PERFORM sc_api.invalid('course_id', 'not_your_course');
    END IF;
    IF _closes_at <= _opens_at THEN
        PERFORM sc_api.invalid('closes_at', 'closes_before_opening');
    END IF;
    PERFORM sc_api.check_valid();
    INSERT INTO sc.exams (course_id, season_id, title, description, exam_type, kind, time_limit, opens_at, closes_at,
                          max_attempts, grading_method, overdue_policy, grace_seconds, slack_seconds, wrongs_per_right,
                          shuffle_questions, shuffle_options, password_hash, pass_mark, review_policy, is_open_to_all,
                          created_by)
    SELECT coalesce(_course_id, e.course_id), coalesce(_season_id, e.season_id), coalesce(_title, e.title),
           e.description, e.exam_type, e.kind, e.time_limit, _opens_at, _closes_at,
           e.max_attempts, e.grading_method, e.overdue_policy, e.grace_seconds, e.slack_seconds, e.wrongs_per_right,
           e.shuffle_questions, e.shuffle_options, e.password_hash, e.pass_mark, e.review_policy, e.is_open_to_all,
           actor
    FROM sc.exams AS e WHERE e.id = exam_copy.exam_id
    RETURNING id INTO made;
    FOR s IN SELECT * FROM sc.exam_sections AS x WHERE x.exam_id = exam_copy.exam_id ORDER BY x.order_index LOOP
        INSERT INTO sc.exam_sections (exam_id, order_index, title, test, subject_id, question_count, wrongs_per_right, alternative_group, draw)
        VALUES (made, s.order_index, s.title, s.test, s.subject_id, s.question_count, s.wrongs_per_right, s.alternative_group, s.draw)
        RETURNING id INTO section;
        -- a copy takes the questions as they are now, not the old versions, unless what they are now is another exam's secret
        INSERT INTO sc.exam_questions (exam_id, section_id, question_id, version_id, order_index, points)
        SELECT made, section, q.question_id, CASE WHEN q.question_id = ANY (reserved) THEN q.version_id ELSE v.id END,
               q.order_index, q.points
        FROM sc.exam_questions AS q
        JOIN sc.questions AS b ON b.id = q.question_id
        JOIN sc.question_versions AS v ON v.question_id = b.id AND v.version = b.current_version
        WHERE q.section_id = s.id AND q.order_index IS NOT NULL;
    END LOOP;
    PERFORM sc.exam_audit_note(made, NULL, actor, 'copy', jsonb_build_object('from', exam_id));
    PERFORM sc_api.header('Location', '/api/v1/exams/' || made);
    RETURN sc.exam_view(made);
END
$$;
COMMENT ON FUNCTION sc_api.exam_copy(bigint, bigint, text, bigint, bigint, timestamptz, timestamptz) IS
'Copies an exam as a draft: settings, sections and questions in their current versions; not its times, audience or overrides.';

-- Sections.

CREATE FUNCTION sc_api.section_list(actor bigint, exam_id bigint)
RETURNS SETOF sc_api.exam_section
LANGUAGE plpgsql STABLE PARALLEL SAFE
AS $$
BEGIN
    PERFORM sc.read_exam(actor, exam_id);
    RETURN QUERY SELECT * FROM unnest(sc.exam_sections_view(exam_id));
END
$$;
COMMENT ON FUNCTION sc_api.section_list(bigint, bigint) IS 'Sections of an exam, in order.';

CREATE FUNCTION sc.check_draw(draw jsonb)
RETURNS void
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
AS $$
DECLARE
    name text;
    value jsonb;
BEGIN
    IF draw IS NULL THEN
        RETURN;
    END IF;
    IF jsonb_typeof(draw) <> 'object' OR draw = '{}' THEN
        PERFORM sc_api.invalid('draw', 'invalid_type');
        RETURN;
    END IF;
    FOR name, value IN SELECT d.key, d.value FROM jsonb_each(draw) AS d LOOP
        IF NOT (CASE
               WHEN name IN ('subject_id', 'unit_id', 'outcome_id', 'grade') THEN jsonb_typeof(value) = 'number' AND value::text ~ '^[0-9]{1,18}$'
               WHEN name IN ('difficulty', 'category', 'source', 'type') THEN jsonb_typeof(value) = 'string'
               WHEN name = 'tags' THEN jsonb_typeof(value) = 'array' AND value @? '$[*]' AND NOT value @? '$[*] ? (@.type() != "string")'
               ELSE false END) THEN
            PERFORM sc_api.invalid('draw.' || name, 'invalid_value');
        END IF;
    END LOOP;
END
$$;
COMMENT ON FUNCTION sc.check_draw(jsonb) IS 'collects what is wrong with the filter of a random draw';

CREATE FUNCTION sc.drawn_questions(draw jsonb)
RETURNS TABLE (question_id bigint, version_id bigint, points numeric)
LANGUAGE plpgsql STABLE STRICT PARALLEL SAFE
AS $$
BEGIN
    RETURN QUERY
    SELECT q.id, v.id, v.points
    FROM sc.questions AS q
    JOIN sc.question_versions AS v ON v.question_id = q.id AND v.version = q.current_version
    WHERE q.is_active AND v.type <> 'description'
      AND (draw -> 'subject_id' IS NULL OR q.subject_id = (draw ->> 'subject_id')::bigint)
      AND (draw -> 'unit_id' IS NULL OR q.unit_id = (draw ->> 'unit_id')::bigint)
      AND (draw -> 'outcome_id' IS NULL OR q.outcome_id = (draw ->> 'outcome_id')::bigint)
      AND (draw -> 'grade' IS NULL OR q.grade = (draw ->> 'grade')::int)
      AND (draw -> 'difficulty' IS NULL OR q.difficulty = draw ->> 'difficulty')
      AND (draw -> 'category' IS NULL OR q.category = draw ->> 'category' OR starts_with(q.category, (draw ->> 'category') || '/'))
      AND (draw -> 'source' IS NULL OR q.source = draw ->> 'source')
      AND (draw -> 'type' IS NULL OR v.type = draw ->> 'type')
      AND (draw -> 'tags' IS NULL OR q.tags @> ARRAY(SELECT jsonb_array_elements_text(draw -> 'tags')))
    ORDER BY q.id;
END
$$;
COMMENT ON FUNCTION sc.drawn_questions(jsonb) IS 'questions of the bank that a draw may take, in their current versions';

CREATE FUNCTION sc_api.section_add(
    actor bigint,
    exam_id bigint,
    _title text,
    _test text DEFAULT NULL,
    _subject_id bigint DEFAULT NULL,
    _question_count int DEFAULT 0,
    _wrongs_per_right numeric DEFAULT NULL,
    _alternative_group text DEFAULT NULL,
    _draw jsonb DEFAULT NULL,
    _order_index int DEFAULT NULL,
    given text[] DEFAULT '{}')
RETURNS sc_api.exam_section
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
AS $$
DECLARE
    n int;
    made bigint;
    v sc_api.exam_section;
BEGIN
    PERFORM sc.draft_exam(actor, exam_id);
    IF length(btrim(_title)) NOT BETWEEN 1 AND 200 THEN
        PERFORM sc_api.invalid('title', 'invalid_length', '{"min": 1, "max": 200}');
    END IF;
    IF _question_count NOT BETWEEN 0 AND 500 THEN
        PERFORM sc_api.invalid('question_count', 'invalid_value');
    END IF;
    IF _wrongs_per_right < 0 OR _wrongs_per_right > 100 THEN
        PERFORM sc_api.invalid('wrongs_per_right', 'invalid_value');
    END IF;
    PERFORM sc.check_draw(_draw);
    SELECT count(*) + 1 INTO n FROM sc.exam_sections AS s WHERE s.exam_id = section_add.exam_id;
    IF _order_index NOT BETWEEN 1 AND n THEN
        PERFORM sc_api.invalid('order_index', 'invalid_value');
    END IF;
    PERFORM sc_api.check_valid();
    n := coalesce(_order_index, n);
    UPDATE sc.exam_sections AS s SET order_index = s.order_index + 1
    WHERE s.exam_id = section_add.exam_id AND s.order_index >= n;
    INSERT INTO sc.exam_sections (exam_id, order_index, title, test, subject_id, question_count, wrongs_per_right, alternative_group, draw)
    SELECT e.id, n, btrim(_title), coalesce(nullif(btrim(_test), ''), btrim(_title)), _subject_id, coalesce(_question_count, 0),
           CASE WHEN 'wrongs_per_right' = ANY (given) THEN nullif(_wrongs_per_right, 0) ELSE e.wrongs_per_right END,
           nullif(_alternative_group, ''), _draw
    FROM sc.exams AS e WHERE e.id = section_add.exam_id
    RETURNING id INTO made;
    SELECT s.* INTO v FROM unnest(sc.exam_sections_view(exam_id)) AS s WHERE s.id = made;
    RETURN v;
END
$$;
COMMENT ON FUNCTION sc_api.section_add(bigint, bigint, text, text, bigint, int, numeric, text, jsonb, int, text[]) IS
'Adds a section. Its wrongs_per_right is the exam''s unless given (0 or null: wrong answers cost nothing). Sections with the same test add up to one net; sections with the same alternative_group stand for each other.';

CREATE FUNCTION sc_api.section_patch(
    actor bigint,
    exam_id bigint,
    section_id bigint,
    _title text DEFAULT NULL,
    _test text DEFAULT NULL,
    _subject_id bigint DEFAULT NULL,
    _question_count int DEFAULT NULL,
    _wrongs_per_right numeric DEFAULT NULL,
    _alternative_group text DEFAULT NULL,
    _draw jsonb DEFAULT NULL,
    given text[] DEFAULT '{}')
RETURNS sc_api.exam_section
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
AS $$
DECLARE
    v sc_api.exam_section;
BEGIN
    PERFORM sc.draft_exam(actor, exam_id);
    IF 'title' = ANY (given) AND coalesce(length(btrim(_title)), 0) NOT BETWEEN 1 AND 200 THEN
        PERFORM sc_api.invalid('title', 'invalid_length', '{"min": 1, "max": 200}');
    END IF;
    IF _question_count NOT BETWEEN 0 AND 500 THEN
        PERFORM sc_api.invalid('question_count', 'invalid_value');
    END IF;
    IF _wrongs_per_right < 0 OR _wrongs_per_right > 100 THEN
        PERFORM sc_api.invalid('wrongs_per_right', 'invalid_value');
    END IF;
    PERFORM sc.check_draw(_draw);
    PERFORM sc_api.check_valid();
    UPDATE sc.exam_sections AS s
    SET title = coalesce(btrim(_title), s.title),
        test = coalesce(nullif(btrim(_test), ''), s.test),
        subject_id = CASE WHEN 'subject_id' = ANY (given) THEN _subject_id ELSE s.subject_id END,
        question_count = coalesce(_question_count, s.question_count),
        wrongs_per_right = CASE WHEN 'wrongs_per_right' = ANY (given) THEN nullif(_wrongs_per_right, 0) ELSE s.wrongs_per_right END,
        alternative_group = CASE WHEN 'alternative_group' = ANY (given) THEN nullif(_alternative_group, '') ELSE s.alternative_group END,
        draw = CASE WHEN 'draw' = ANY (given) THEN _draw ELSE s.draw END
    WHERE s.id = section_patch.section_id AND s.exam_id = section_patch.exam_id;
    SELECT s.* INTO v FROM unnest(sc.exam_sections_view(exam_id)) AS s WHERE s.id = section_id;
    IF NOT FOUND THEN
        RETURN NULL;
    END IF;
    RETURN v;
END
$$;
COMMENT ON FUNCTION sc_api.section_patch(bigint, bigint, bigint, text, text, bigint, int, numeric, text, jsonb, text[]) IS 'Changes a section of a draft.';

CREATE FUNCTION sc_api.section_delete(actor bigint, exam_id bigint, section_id bigint)
RETURNS void
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
AS $$
BEGIN
    PERFORM sc.draft_exam(actor, exam_id);
    DELETE FROM sc.exam_sections AS s WHERE s.id = section_delete.section_id AND s.exam_id = section_delete.exam_id;
    IF NOT FOUND THEN
        PERFORM sc_api.refuse(404, 'not_found');
    END IF;
    UPDATE sc.exam_sections AS s SET order_index = n.place
    FROM (SELECT x.id, row_number() OVER (ORDER BY x.order_index) AS place
          FROM sc.exam_sections AS x WHERE x.exam_id = section_delete.exam_id) AS n
    WHERE s.id = n.id AND s.order_index <> n.place;
END
$$;
COMMENT ON FUNCTION sc_api.section_delete(bigint, bigint, bigint) IS 'Takes a section and its questions out of a draft.';

-- Questions.

CREATE FUNCTION sc.exam_question_rows(exam_id bigint)
RETURNS SETOF sc_api.exam_question
LANGUAGE plpgsql STABLE STRICT PARALLEL SAFE
ROWS 120
AS $$
BEGIN
    RETURN QUERY
    SELECT q.question_id, q.section_id, q.order_index, q.version_id, v.version, b.current_version, v.type, v.name, v.prompt,
           q.points::numeric, q.treatment, q.key IS NOT NULL
    FROM sc.exam_questions AS q
    JOIN sc.questions AS b ON b.id = q.question_id
    JOIN sc.question_versions AS v ON v.id = q.version_id
    JOIN sc.exam_sections AS s ON s.id = q.section_id
    WHERE q.exam_id = exam_question_rows.exam_id
    ORDER BY s.order_index, q.order_index NULLS LAST, q.question_id;
END
$$;
COMMENT ON FUNCTION sc.exam_question_rows(bigint) IS 'questions of an exam in the order of the paper';

CREATE FUNCTION sc_api.exam_question_list(actor bigint, exam_id bigint, section_id bigint DEFAULT NULL, page int DEFAULT 1, per_page int DEFAULT 100)
RETURNS SETOF sc_api.exam_question
LANGUAGE plpgsql STABLE PARALLEL SAFE
AS $$
BEGIN
    PERFORM sc.read_exam(actor, exam_id);
    PERFORM sc_api.total((SELECT count(*) FROM sc.exam_questions AS q
                          WHERE q.exam_id = exam_question_list.exam_id
                            AND (exam_question_list.section_id IS NULL OR q.section_id = exam_question_list.section_id)));
    RETURN QUERY
    SELECT q.* FROM sc.exam_question_rows(exam_id) AS q
    WHERE exam_question_list.section_id IS NULL OR q.section_id = exam_question_list.section_id
    LIMIT per_page OFFSET (page - 1)::bigint * per_page;
END
$$;
COMMENT ON FUNCTION sc_api.exam_question_list(bigint, bigint, bigint, int, int) IS 'Questions of an exam in order, with the pinned versions.';

CREATE FUNCTION sc_api.exam_question_add(
    actor bigint,
    exam_id bigint,
    _section_id bigint DEFAULT NULL,
    _question_id bigint DEFAULT NULL,
    _question_ids bigint[] DEFAULT NULL,
    _points numeric DEFAULT NULL)
RETURNS SETOF sc_api.exam_question
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
AS $$
DECLARE
    ids bigint[] := coalesce(_question_ids, '{}') || CASE WHEN _question_id IS NULL THEN '{}' ELSE ARRAY[_question_id] END;
    section bigint := _section_id;
    n int;
    missing bigint;
BEGIN
    PERFORM sc.draft_exam(actor, exam_id);
    IF cardinality(ids) = 0 THEN
        PERFORM sc_api.invalid('question_ids', 'required');
    END IF;
    IF _points < 0 OR _points >= 100000 THEN
        PERFORM sc_api.invalid('points', 'invalid_value');
    END IF;
    IF section IS NULL THEN
        SELECT count(*), min(s.id) INTO n, section FROM sc.exam_sections AS s WHERE s.exam_id = exam_question_add.exam_id;
        IF n = 0 THEN
            -- an exam of one piece needs no section to be thought of
            INSERT INTO sc.exam_sections (exam_id, order_index, title, test, question_count, wrongs_per_right)
            SELECT e.id, 1, e.title, e.title, 0, e.wrongs_per_right FROM sc.exams AS e WHERE e.id = exam_question_add.exam_id
            RETURNING id INTO section;
        ELSIF n > 1 THEN
            PERFORM sc_api.invalid('section_id', 'required');
        END IF;
    ELSE
        PERFORM FROM sc.exam_sections AS s WHERE s.id = section AND s.exam_id = exam_question_add.exam_id;
        IF NOT FOUND THEN
            PERFORM sc_api.invalid('section_id', 'not_found');
        END IF;
    END IF;
    IF EXISTS (SELECT FROM sc.exam_sections AS s WHERE s.id = section AND s.draw IS NOT NULL) THEN
        PERFORM sc_api.invalid('section_id', 'section_draws');
    END IF;
    SELECT u.id INTO missing
    FROM unnest(ids) AS u(id)
    WHERE NOT EXISTS (SELECT FROM sc.questions AS q WHERE q.id = u.id AND q.is_active)
    LIMIT 1;
    IF FOUND THEN
        PERFORM sc_api.invalid('question_ids', 'unknown_question', jsonb_build_object('question_id', missing));
    END IF;
    PERFORM sc_api.check_valid();
    -- whoever has a question in an exam sees its key
    SELECT min(r) INTO missing FROM sc.reserved_questions(actor, ids) AS r;
    IF missing IS NOT NULL THEN
        PERFORM sc_api.refuse(409, 'question_reserved', jsonb_build_object('question_id', missing));
    END IF;
    PERFORM FROM sc.exam_questions AS q WHERE q.exam_id = exam_question_add.exam_id AND q.question_id = ANY (ids);
    IF FOUND OR (SELECT count(DISTINCT u.id) FROM unnest(ids) AS u(id)) < cardinality(ids) THEN
        PERFORM sc_api.refuse(409, 'question_already_in_exam');
    END IF;
    INSERT INTO sc.exam_questions (exam_id, section_id, question_id, version_id, order_index, points)
    SELECT exam_question_add.exam_id, section, q.id, v.id,
           u.place + (SELECT coalesce(max(x.order_index), 0) FROM sc.exam_questions AS x WHERE x.section_id = section),
           coalesce(_points, v.points)
    FROM unnest(ids) WITH ORDINALITY AS u(id, place)
    JOIN sc.questions AS q ON q.id = u.id
    JOIN sc.question_versions AS v ON v.question_id = q.id AND v.version = q.current_version;
    RETURN QUERY SELECT q.* FROM sc.exam_question_rows(exam_id) AS q WHERE q.question_id = ANY (ids);
END
$$;
COMMENT ON FUNCTION sc_api.exam_question_add(bigint, bigint, bigint, bigint, bigint[], numeric) IS
'Puts questions of the bank at the end of a section, in their current versions. An exam of one section, or of none yet, needs no section_id.';

CREATE FUNCTION sc_api.exam_question_patch(
    actor bigint,
    exam_id bigint,
    question_id bigint,
    _section_id bigint DEFAULT NULL,
    _order_index int DEFAULT NULL,
    _points numeric DEFAULT NULL,
    _latest_version boolean DEFAULT false)
RETURNS sc_api.exam_question
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
AS $$
DECLARE
    v sc_api.exam_question;
    old record;
    section bigint;
    n int;
BEGIN
    PERFORM sc.draft_exam(actor, exam_id);
    SELECT q.section_id, q.order_index INTO old
    FROM sc.exam_questions AS q
    WHERE q.exam_id = exam_question_patch.exam_id AND q.question_id = exam_question_patch.question_id;
    IF NOT FOUND THEN
        RETURN NULL;
    END IF;
    section := coalesce(_section_id, old.section_id);
    IF NOT EXISTS (SELECT FROM sc.exam_sections AS s
                   WHERE s.id = section AND s.exam_id = exam_question_patch.exam_id AND s.draw IS NULL) THEN
        PERFORM sc_api.invalid('section_id', 'not_found');
    END IF;
    SELECT count(*) + CASE WHEN section = old.section_id THEN 0 ELSE 1 END INTO n
    FROM sc.exam_questions AS q WHERE q.section_id = section;
    IF _order_index NOT BETWEEN 1 AND n THEN
        PERFORM sc_api.invalid('order_index', 'invalid_value');
    END IF;
    IF _points < 0 OR _points >= 100000 THEN
        PERFORM sc_api.invalid('points', 'invalid_value');
    END IF;
    PERFORM sc_api.check_valid();
    IF _latest_version AND sc.is_reserved(actor, question_id) THEN
        PERFORM sc_api.refuse(409, 'question_reserved');
    END IF;
    IF _order_index IS NOT NULL OR section <> old.section_id THEN
        UPDATE sc.exam_questions AS q SET order_index = q.order_index - 1
        WHERE q.section_id = old.section_id AND q.order_index > old.order_index;
        n := coalesce(_order_index, n);
        UPDATE sc.exam_questions AS q SET order_index = q.order_index + 1
        WHERE q.section_id = section AND q.order_index >= n AND q.question_id <> exam_question_patch.question_id;
    ELSE
        n := old.order_index;
    END IF;
    UPDATE sc.exam_questions AS q
    SET section_id = section, order_index = n, points = coalesce(_points, q.points),
        version_id = CASE WHEN _latest_version
                          THEN (SELECT x.id FROM sc.questions AS b
                                JOIN sc.question_versions AS x ON x.question_id = b.id AND x.version = b.current_version
                                WHERE b.id = q.question_id)
                          ELSE q.version_id END
    WHERE q.exam_id = exam_question_patch.exam_id AND q.question_id = exam_question_patch.question_id;
    SELECT q.* INTO v FROM sc.exam_question_rows(exam_id) AS q WHERE q.question_id = exam_question_patch.question_id;
    RETURN v;
END
$$;
COMMENT ON FUNCTION sc_api.exam_question_patch(bigint, bigint, bigint, bigint, int, numeric, boolean) IS
'Moves a question of a draft, changes its points, or takes its latest version.';

CREATE FUNCTION sc_api.exam_question_delete(actor bigint, exam_id bigint, question_id bigint)
RETURNS void
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
AS $$
DECLARE
    gone record;
BEGIN
    PERFORM sc.draft_exam(actor, exam_id);
    DELETE FROM sc.exam_questions AS q
    WHERE q.exam_id = exam_question_delete.exam_id AND q.question_id = exam_question_delete.question_id
    RETURNING q.section_id, q.order_index INTO gone;
    IF NOT FOUND THEN
        PERFORM sc_api.refuse(404, 'not_found');
    END IF;
    UPDATE sc.exam_questions AS q SET order_index = q.order_index - 1
    WHERE q.section_id = gone.section_id AND q.order_index > gone.order_index;
END
$$;
COMMENT ON FUNCTION sc_api.exam_question_delete(bigint, bigint, bigint) IS 'Takes a question out of a draft.';

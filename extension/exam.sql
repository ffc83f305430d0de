-- Exams: who may do what, windows, review, assembly.

CREATE FUNCTION sc.exam_window(
    exam_id bigint,
    user_id bigint,
    at timestamptz DEFAULT clock_timestamp(),
    OUT opens_at timestamptz,
    OUT closes_at timestamptz,
    OUT time_limit int,
    OUT max_attempts int,
    OUT attempts_used int,
    OUT deadline_if_started_now timestamptz,
    OUT allowed boolean,
    OUT reason text)
AS 'MODULE_PATHNAME', 'sc_exam_window'
LANGUAGE C STABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION sc.exam_window(bigint, bigint, timestamptz) IS
'What holds for a student in an exam at an instant: per field the student''s override, else the groups'' combined (earliest opening, latest close, longest limit, most attempts; 0 = none wins), else the exam''s own; extra seconds lengthen the limit. time_limit NULL and max_attempts 0 mean no limit. reason: ok, in_progress, or why a start would be refused.';

CREATE FUNCTION sc.exam_windows(
    exam_ids bigint[],
    user_id bigint,
    at timestamptz DEFAULT clock_timestamp(),
    OUT exam_id bigint,
    OUT opens_at timestamptz,
    OUT closes_at timestamptz,
    OUT time_limit int,
    OUT max_attempts int,
    OUT attempts_used int,
    OUT deadline_if_started_now timestamptz,
    OUT allowed boolean,
    OUT reason text,
    OUT has_password boolean)
RETURNS SETOF record
AS 'MODULE_PATHNAME', 'sc_exam_windows'
LANGUAGE C STABLE STRICT PARALLEL SAFE
ROWS 50;
COMMENT ON FUNCTION sc.exam_windows(bigint[], bigint, timestamptz) IS
    'exam_window() of many exams for one student, in no order';

CREATE FUNCTION sc.exams_shown_to(student bigint, at timestamptz DEFAULT clock_timestamp())
RETURNS SETOF bigint
LANGUAGE plpgsql STABLE STRICT PARALLEL SAFE
ROWS 50
AS $$
DECLARE
    day date := sc.school_day(exams_shown_to.at);
BEGIN
    RETURN QUERY
    WITH mine AS MATERIALIZED (
        SELECT a.exam_id FROM sc.exam_audience AS a WHERE a.user_id = student
        UNION
        SELECT a.exam_id FROM sc.exam_audience AS a
        JOIN sc.group_members AS m ON m.group_id = a.group_id
        WHERE m.student_id = student AND sc.in_force(m.valid_from, m.valid_to, day)
        UNION
        -- who has a result has sat it, listed or not, as on paper
        SELECT r.exam_id FROM sc.exam_results AS r WHERE r.user_id = student)
    SELECT e.id
    FROM sc.exams AS e
    WHERE e.is_published AND e.is_active
      AND EXISTS (SELECT FROM sc.users AS u WHERE u.id = student AND u.is_active)
      AND (e.is_open_to_all AND sc.can(student, 'exams.sit')
           OR e.id IN (SELECT x.exam_id FROM mine AS x)
           OR (e.course_id IN (SELECT n.course_id FROM sc.enrollments AS n
                               WHERE n.user_id = student AND n.status IN ('active', 'completed')
                                 AND coalesce(n.expires_at > exams_shown_to.at, true))
               AND NOT EXISTS (SELECT FROM sc.exam_audience AS a WHERE a.exam_id = e.id)));
END
$$;
COMMENT ON FUNCTION sc.exams_shown_to(bigint, timestamptz) IS
    'published exams that a student may sit, has sat or will';

CREATE FUNCTION sc.is_exam_staff(actor bigint, exam_id bigint)
RETURNS boolean
LANGUAGE plpgsql STABLE PARALLEL SAFE
AS $$
DECLARE
    own boolean;
BEGIN
    SELECT actor IN (e.created_by, c.teacher_id) INTO own
    FROM sc.exams AS e
    LEFT JOIN sc.courses AS c ON c.id = e.course_id
    WHERE e.id = is_exam_staff.exam_id;
    IF NOT FOUND THEN
        RETURN false;
    END IF;
    RETURN sc.can(actor, 'exams.manage') OR (own IS true AND sc.can(actor, 'exams.own'));
END
$$;
COMMENT ON FUNCTION sc.is_exam_staff(bigint, bigint) IS
    'may this user run the exam: its author, the teacher of its course, or whoever manages all exams';

CREATE FUNCTION sc.own_exam(actor bigint, exam_id bigint)
RETURNS void
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
AS $$
BEGIN
    PERFORM FROM sc.exams AS e WHERE e.id = own_exam.exam_id AND e.is_active FOR NO KEY UPDATE;
    IF NOT FOUND THEN
        PERFORM sc_api.refuse(404, 'not_found');
    END IF;
    IF NOT sc.is_exam_staff(actor, exam_id) THEN
        PERFORM sc_api.refuse(403, 'forbidden');
    END IF;
END
$$;
COMMENT ON FUNCTION sc.own_exam(bigint, bigint) IS
    'locks an exam for a change, or refuses who may not change it';

CREATE FUNCTION sc.read_exam(actor bigint, exam_id bigint)
RETURNS void
LANGUAGE plpgsql STABLE PARALLEL SAFE
AS $$
BEGIN
    PERFORM FROM sc.exams AS e WHERE e.id = read_exam.exam_id AND e.is_active;
    IF NOT FOUND THEN
        PERFORM sc_api.refuse(404, 'not_found');
    END IF;
    IF NOT sc.is_exam_staff(actor, exam_id) THEN
        PERFORM sc_api.refuse(403, 'forbidden');
    END IF;
END
$$;
COMMENT ON FUNCTION sc.read_exam(bigint, bigint) IS 'refuses who is not staff of the exam';

CREATE FUNCTION sc.draft_exam(actor bigint, exam_id bigint)
RETURNS void
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
AS $$
BEGIN
    PERFORM sc.own_exam(actor, exam_id);
    PERFORM FROM sc.exams AS e WHERE e.id = draft_exam.exam_id AND e.is_published;
    IF FOUND THEN
        PERFORM sc_api.refuse(409, 'exam_published');
    END IF;
    PERFORM FROM sc.exam_attempts AS a
    WHERE a.exam_id = draft_exam.exam_id AND NOT a.is_preview AND a.state <> 'not_started';
    IF FOUND THEN
        PERFORM sc_api.refuse(409, 'exam_has_attempts');
    END IF;
    -- results from paper were counted by the sections as they are
    PERFORM FROM sc.exam_results AS r WHERE r.exam_id = draft_exam.exam_id;
    IF FOUND THEN
        PERFORM sc_api.refuse(409, 'exam_has_results');
    END IF;
    -- what was prepared for the old questions is worth nothing
    DELETE FROM sc.exam_attempts AS a WHERE a.exam_id = draft_exam.exam_id AND a.state = 'not_started';
END
$$;
COMMENT ON FUNCTION sc.draft_exam(bigint, bigint) IS
    'locks an exam whose questions may still change, or refuses';

CREATE FUNCTION sc.sees_attempt(actor bigint, attempt_id bigint)
RETURNS boolean
LANGUAGE plpgsql STABLE PARALLEL SAFE
AS $$
DECLARE
    a record;
BEGIN
    SELECT x.exam_id, x.user_id INTO a FROM sc.exam_attempts AS x WHERE x.id = sees_attempt.attempt_id;
    IF NOT FOUND THEN
        RETURN false;
    END IF;
    RETURN sc.is_exam_staff(actor, a.exam_id)
        OR (sc.can(actor, 'students.coach') AND sc.is_coach_of(actor, a.user_id));
END
$$;
COMMENT ON FUNCTION sc.sees_attempt(bigint, bigint) IS
    'may staff see this attempt: those who run the exam, and the student''s coach';

CREATE FUNCTION sc.is_student(user_id bigint)
RETURNS boolean
LANGUAGE plpgsql STABLE STRICT PARALLEL SAFE
AS $$
BEGIN
    RETURN sc.can(user_id, 'exams.sit')
        OR EXISTS (SELECT FROM sc.students AS s JOIN sc.users AS u ON u.id = s.user_id
                   WHERE s.user_id = is_student.user_id AND u.anonymised_at IS NULL);
END
$$;
COMMENT ON FUNCTION sc.is_student(bigint) IS 'is the user somebody who sits exams: a student, also one who has left';

CREATE FUNCTION sc.examinees(actor bigint, exam_id bigint)
RETURNS bigint[]
LANGUAGE plpgsql STABLE PARALLEL SAFE
AS $$
BEGIN
    -- a result and the board show a name and a number: only the office names strangers
    IF sc.can(actor, 'exams.manage') OR sc.can(actor, 'users.read') THEN
        RETURN NULL;
    END IF;
    RETURN ARRAY(SELECT sc.students_of(actor) UNION SELECT sc.exam_students(exam_id));
END
$$;
COMMENT ON FUNCTION sc.examinees(bigint, bigint) IS
    'students whom the actor may have sit the exam or enter a result for: the own ones, and those who are to sit it or have; NULL = anybody, for who manages all exams';

CREATE FUNCTION sc.exam_audit_note(exam_id bigint, attempt_id bigint, actor bigint, action text, detail jsonb DEFAULT '{}')
RETURNS void
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
AS $$
BEGIN
    INSERT INTO sc.exam_audit (exam_id, attempt_id, actor_id, action, detail)
    VALUES (exam_audit_note.exam_id, exam_audit_note.attempt_id, actor, action, coalesce(detail, '{}'));
END
$$;
COMMENT ON FUNCTION sc.exam_audit_note(bigint, bigint, bigint, text, jsonb) IS 'writes down what staff did';

CREATE FUNCTION sc.exam_students(exam_id bigint, at timestamptz DEFAULT clock_timestamp())
RETURNS SETOF bigint
LANGUAGE plpgsql STABLE STRICT PARALLEL SAFE
ROWS 200
AS $$
DECLARE
    e record;
    day date := sc.school_day(exam_students.at);
BEGIN
    SELECT x.id, x.course_id, x.is_open_to_all,
           EXISTS (SELECT FROM sc.exam_audience AS a WHERE a.exam_id = x.id) AS listed
    INTO e
    FROM sc.exams AS x WHERE x.id = exam_students.exam_id;
    IF e.is_open_to_all THEN
        -- everybody may, nobody must: only those who came are known
        RETURN QUERY SELECT DISTINCT a.user_id FROM sc.exam_attempts AS a
                     WHERE a.exam_id = e.id AND NOT a.is_preview;
    ELSIF e.listed THEN
        RETURN QUERY SELECT u.id FROM sc.users AS u
                     WHERE u.is_active AND u.id IN (
                         SELECT a.user_id FROM sc.exam_audience AS a
                         WHERE a.exam_id = e.id AND a.user_id IS NOT NULL
                         UNION
                         SELECT m.student_id FROM sc.exam_audience AS a
                         JOIN sc.group_members AS m ON m.group_id = a.group_id
                         WHERE a.exam_id = e.id AND sc.in_force(m.valid_from, m.valid_to, day)
                         UNION
                         SELECT t.user_id FROM sc.exam_attempts AS t
                         WHERE t.exam_id = e.id AND NOT t.is_preview);
    ELSE
        RETURN QUERY SELECT u.id FROM sc.users AS u
                     WHERE u.is_active AND u.id IN (
                         SELECT n.user_id FROM sc.enrollments AS n
                         WHERE n.course_id = e.course_id AND n.status IN ('active', 'completed')
                           AND coalesce(n.expires_at > exam_students.at, true)
                         UNION
                         SELECT t.user_id FROM sc.exam_attempts AS t
                         WHERE t.exam_id = e.id AND NOT t.is_preview);
    END IF;
END
$$;
COMMENT ON FUNCTION sc.exam_students(bigint, timestamptz) IS
    'who must sit the exam on that day, and who has sat it besides';

-- Deadlines follow the rules while an exam runs.

CREATE FUNCTION sc.recompute_deadlines(
    exam_id bigint,
    user_id bigint DEFAULT NULL,
    at timestamptz DEFAULT clock_timestamp())
RETURNS int
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
AS $$
DECLARE
    changed int;
BEGIN
    -- starts hold the exam FOR SHARE: wait for them, then see their attempts
    PERFORM FROM sc.exams AS e WHERE e.id = recompute_deadlines.exam_id FOR NO KEY UPDATE;
    PERFORM FROM sc.exam_attempts AS a
    WHERE a.exam_id = recompute_deadlines.exam_id
      AND (recompute_deadlines.user_id IS NULL OR a.user_id = recompute_deadlines.user_id)
      AND a.state IN ('in_progress', 'overdue')
    ORDER BY a.id
    FOR NO KEY UPDATE;
    WITH due AS (
        SELECT a.id, least(a.started_at + make_interval(secs => w.time_limit + a.extra_seconds), w.closes_at) AS deadline
        FROM sc.exam_attempts AS a
        CROSS JOIN LATERAL sc.exam_window(a.exam_id, a.user_id, recompute_deadlines.at) AS w
        WHERE a.exam_id = recompute_deadlines.exam_id
          AND (recompute_deadlines.user_id IS NULL OR a.user_id = recompute_deadlines.user_id)
          AND a.state IN ('in_progress', 'overdue'))
    UPDATE sc.exam_attempts AS a
    SET deadline_at = d.deadline,
        state = CASE WHEN a.state = 'overdue' AND coalesce(d.deadline > recompute_deadlines.at, true)
                     THEN 'in_progress' ELSE a.state END,
        updated_at = clock_timestamp()
    FROM due AS d
    WHERE a.id = d.id AND a.deadline_at IS DISTINCT FROM d.deadline;
    GET DIAGNOSTICS changed = ROW_COUNT;
    RETURN changed;
END
$$;
COMMENT ON FUNCTION sc.recompute_deadlines(bigint, bigint, timestamptz) IS
    'sets the deadlines of open attempts, of one student or all, to what holds now; returns how many changed';

CREATE FUNCTION sc.deadlines_follow()
RETURNS trigger
LANGUAGE plpgsql
AS $$
DECLARE
    r record;
    target record;
    waiting text := current_setting('sc.deadlines_wait', true);
BEGIN
    -- the exam named in sc.deadlines_wait is recomputed by whoever named it, once
    r := CASE WHEN TG_OP = 'DELETE' THEN OLD ELSE NEW END;
    IF TG_TABLE_NAME = 'exams' THEN
        IF r.id::text IS DISTINCT FROM waiting THEN
            PERFORM sc.recompute_deadlines(r.id);
        END IF;
    ELSIF TG_TABLE_NAME = 'exam_overrides' THEN
        IF r.exam_id::text IS NOT DISTINCT FROM waiting THEN
            RETURN NULL;
        ELSIF r.user_id IS NOT NULL THEN
            PERFORM sc.recompute_deadlines(r.exam_id, r.user_id);
        ELSE
            PERFORM sc.recompute_deadlines(r.exam_id);
        END IF;
    ELSE
        FOR target IN
            SELECT DISTINCT a.exam_id, a.user_id
            FROM sc.exam_attempts AS a
            JOIN sc.exam_overrides AS o ON o.exam_id = a.exam_id
            WHERE a.user_id IN (OLD.student_id, NEW.student_id) AND o.group_id IN (OLD.group_id, NEW.group_id)
              AND a.state IN ('in_progress', 'overdue')
            ORDER BY a.exam_id
        LOOP
            PERFORM sc.recompute_deadlines(target.exam_id, target.user_id);
        END LOOP;
    END IF;
    RETURN NULL;
END
$$;
COMMENT ON FUNCTION sc.deadlines_follow() IS
    'trigger: running attempts follow a change of times, overrides or group membership at once';

-- What a student may see, and when.

CREATE FUNCTION sc.review_policy(policy jsonb, closes_at timestamptz, max_attempts int)
RETURNS jsonb
LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE
AS $$
DECLARE
    early jsonb := CASE
        WHEN closes_at IS NOT NULL AND max_attempts = 1 THEN '["answer"]'
        WHEN closes_at IS NOT NULL OR max_attempts = 1 THEN '["answer", "marks"]'
        ELSE '["answer", "correctness", "marks", "key", "explanation"]' END;
BEGIN
    RETURN coalesce(policy, jsonb_build_object(
        'during', '[]'::jsonb, 'after', early, 'open', early,
        'closed', '["answer", "correctness", "marks", "key", "explanation", "rank"]'::jsonb));
END
$$;
COMMENT ON FUNCTION sc.review_policy(jsonb, timestamptz, int) IS
    'the review policy that holds: the one that was set, or what fits the exam: sat once in a window (a deneme), nothing but the own answers before it is closed; repeatable in a window, or sat once without an end, marks too; practice, repeatable without an end, everything at once';

CREATE FUNCTION sc.review_never_opens(kind text, policy jsonb, closes_at timestamptz, max_attempts int)
RETURNS boolean
LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE
AS $$
DECLARE
    p jsonb := sc.review_policy(policy, closes_at, max_attempts);
BEGIN
    RETURN kind = 'online' AND closes_at IS NULL
       AND coalesce(p -> 'closed' ? 'marks', false)
       AND NOT coalesce(p -> 'after' ? 'marks' OR p -> 'open' ? 'marks', false);
END
$$;
COMMENT ON FUNCTION sc.review_never_opens(text, jsonb, timestamptz, int) IS
    'does the policy promise marks for the close of an exam that never closes';

CREATE FUNCTION sc.exam_over(exam_id bigint, at timestamptz DEFAULT clock_timestamp())
RETURNS boolean
LANGUAGE plpgsql STABLE PARALLEL SAFE
AS $$
DECLARE
    e record;
BEGIN
    SELECT x.kind, x.slack_seconds, greatest(x.closes_at, (SELECT max(o.closes_at) FROM sc.exam_overrides AS o WHERE o.exam_id = x.id)) AS last_close,
           x.closes_at IS NULL AS is_endless
    INTO e
    FROM sc.exams AS x WHERE x.id = exam_over.exam_id;
    RETURN e.kind = 'paper'
        OR (NOT e.is_endless
            AND exam_over.at > e.last_close + make_interval(secs => e.slack_seconds)
            AND NOT EXISTS (SELECT FROM sc.exam_attempts AS t
                            WHERE t.exam_id = exam_over.exam_id AND t.state IN ('in_progress', 'overdue') AND NOT t.is_preview));
END
$$;
COMMENT ON FUNCTION sc.exam_over(bigint, timestamptz) IS
    'is the exam closed for everybody: past the last close of any override and the slack, and nobody is writing; a paper exam always is';

CREATE FUNCTION sc.review_phase(exam_id bigint, attempt_id bigint, at timestamptz DEFAULT clock_timestamp())
RETURNS text
LANGUAGE plpgsql STABLE PARALLEL SAFE
AS $$
DECLARE
    finished timestamptz;
BEGIN
    IF attempt_id IS NOT NULL THEN
        SELECT t.finished_at INTO finished FROM sc.exam_attempts AS t WHERE t.id = review_phase.attempt_id;
        IF NOT FOUND THEN
            RETURN NULL;
        ELSIF finished IS NULL THEN
            RETURN 'during';
        END IF;
    END IF;
    RETURN CASE WHEN sc.exam_over(exam_id, review_phase.at) THEN 'closed'
                WHEN review_phase.at < finished + interval '120 seconds' THEN 'after'
                ELSE 'open' END;
END
$$;
COMMENT ON FUNCTION sc.review_phase(bigint, bigint, timestamptz) IS
    'during (the attempt runs), after (the first two minutes), open, or closed: the exam is over for everybody, with every override and the slack, and nobody is writing';

CREATE FUNCTION sc.review_shows(exam_id bigint, attempt_id bigint, at timestamptz DEFAULT clock_timestamp())
RETURNS jsonb
LANGUAGE plpgsql STABLE PARALLEL SAFE
AS $$
DECLARE
    policy jsonb;
BEGIN
    SELECT sc.review_policy(e.review_policy, e.closes_at, e.max_attempts) INTO policy
    FROM sc.exams AS e WHERE e.id = review_shows.exam_id;
    RETURN coalesce(policy -> sc.review_phase(exam_id, attempt_id, review_shows.at), '[]');
END
$$;
COMMENT ON FUNCTION sc.review_shows(bigint, bigint, timestamptz) IS
    'what the exam''s review policy shows the student at that instant, of answer, correctness, marks, key, explanation and rank';

CREATE FUNCTION sc.review_allows(exam_id bigint, attempt_id bigint, what text, at timestamptz DEFAULT clock_timestamp())
RETURNS boolean
LANGUAGE plpgsql STABLE PARALLEL SAFE
AS $$
BEGIN
    RETURN sc.review_shows(exam_id, attempt_id, review_allows.at) ? what;
END
$$;
COMMENT ON FUNCTION sc.review_allows(bigint, bigint, text, timestamptz) IS
    'does the exam''s review policy show the student this at that instant: answer, correctness, marks, key, explanation or rank';

CREATE FUNCTION sc.exam_keeps_keys(exam_id bigint, at timestamptz DEFAULT clock_timestamp())
RETURNS boolean
LANGUAGE plpgsql STABLE PARALLEL SAFE
AS $$
DECLARE
    keeps boolean;
BEGIN
    SELECT e.is_active
           AND CASE WHEN e.kind = 'paper'
                    THEN NOT EXISTS (SELECT FROM sc.exam_results AS r WHERE r.exam_id = e.id)
                    ELSE NOT e.is_published
                      OR NOT (sc.review_policy(e.review_policy, e.closes_at, e.max_attempts) -> 'open' ? 'key'
                              OR sc.exam_over(e.id, exam_keeps_keys.at))
                    END
    INTO keeps
    FROM sc.exams AS e WHERE e.id = exam_keeps_keys.exam_id;
    RETURN coalesce(keeps, false);
END
$$;
COMMENT ON FUNCTION sc.exam_keeps_keys(bigint, timestamptz) IS
    'are the keys of the exam still secret: a draft, and what can still be written unless its review policy shows keys at once; a paper exam until its first result';

-- Types of the REST API.

CREATE TYPE sc_api.exam_section AS (
    id bigint,
    order_index int,
    title text,
    test text,
    subject_id bigint,
    question_count int,
    questions_present int,
    wrongs_per_right numeric,
    alternative_group text,
    draw jsonb
);
COMMENT ON COLUMN sc_api.exam_section.id IS 'identity';
COMMENT ON COLUMN sc_api.exam_section.order_index IS 'place, from 1';
COMMENT ON COLUMN sc_api.exam_section.title IS 'title';
COMMENT ON COLUMN sc_api.exam_section.test IS 'test whose net it adds to';
COMMENT ON COLUMN sc_api.exam_section.subject_id IS 'subject';
COMMENT ON COLUMN sc_api.exam_section.question_count IS 'questions a student gets; 0 = all that are put in';
COMMENT ON COLUMN sc_api.exam_section.questions_present IS 'questions put in, or in the pool it draws from';
COMMENT ON COLUMN sc_api.exam_section.wrongs_per_right IS 'wrong answers that cancel a right one; NULL = none do';
COMMENT ON COLUMN sc_api.exam_section.alternative_group IS 'of sections with the same group one counts';
COMMENT ON COLUMN sc_api.exam_section.draw IS 'random draw: {"subject_id","unit_id","outcome_id","tags","difficulty","grade","category","source","type"}; NULL = fixed questions';

CREATE TYPE sc_api.exam AS (
    id bigint,
    course_id bigint,
    season_id bigint,
    title text,
    description text,
    exam_type text,
    kind text,
    time_limit int,
    opens_at timestamptz,
    closes_at timestamptz,
    max_attempts int,
    grading_method text,
    overdue_policy text,
    grace_seconds int,
    slack_seconds int,
    wrongs_per_right numeric,
    shuffle_questions boolean,
    shuffle_options boolean,
    has_password boolean,
    pass_mark numeric,
    review_policy jsonb,
    is_open_to_all boolean,
    is_published boolean,
    published_at timestamptz,
    is_frozen boolean,
    results_published_at timestamptz,
    question_count int,
    sections sc_api.exam_section[],
    created_by bigint,
    created_at timestamptz,
    updated_at timestamptz
);
COMMENT ON COLUMN sc_api.exam.id IS 'identity';
COMMENT ON COLUMN sc_api.exam.course_id IS 'course; may be none';
COMMENT ON COLUMN sc_api.exam.season_id IS 'season';
COMMENT ON COLUMN sc_api.exam.title IS 'title';
COMMENT ON COLUMN sc_api.exam.description IS 'instructions';
COMMENT ON COLUMN sc_api.exam.exam_type IS 'TYT, AYT, YDT, LGS, custom, …';
COMMENT ON COLUMN sc_api.exam.kind IS 'online or paper';
COMMENT ON COLUMN sc_api.exam.time_limit IS 'seconds; NULL = until it closes';
COMMENT ON COLUMN sc_api.exam.opens_at IS 'earliest start';
COMMENT ON COLUMN sc_api.exam.closes_at IS 'latest end';
COMMENT ON COLUMN sc_api.exam.max_attempts IS '0 = no limit';
COMMENT ON COLUMN sc_api.exam.grading_method IS 'highest, average, first or last';
COMMENT ON COLUMN sc_api.exam.overdue_policy IS 'autosubmit, graceperiod or abandon';
COMMENT ON COLUMN sc_api.exam.grace_seconds IS 'with graceperiod: may still hand in, not answer';
COMMENT ON COLUMN sc_api.exam.slack_seconds IS 'transport slack after the deadline';
COMMENT ON COLUMN sc_api.exam.wrongs_per_right IS 'default k of new sections; NULL = no penalty';
COMMENT ON COLUMN sc_api.exam.shuffle_questions IS 'order of questions differs per attempt';
COMMENT ON COLUMN sc_api.exam.shuffle_options IS 'order of options differs per attempt';
COMMENT ON COLUMN sc_api.exam.has_password IS 'a password is asked at the start';
COMMENT ON COLUMN sc_api.exam.pass_mark IS 'percent of the points';
COMMENT ON COLUMN sc_api.exam.review_policy IS 'what the student sees in the phases during, after, open and closed; as set, or what fits the exam';
COMMENT ON COLUMN sc_api.exam.is_open_to_all IS 'every student may sit it';
COMMENT ON COLUMN sc_api.exam.is_published IS 'students can see it';
COMMENT ON COLUMN sc_api.exam.published_at IS 'when it was published';
COMMENT ON COLUMN sc_api.exam.is_frozen IS 'results may not change any more';
COMMENT ON COLUMN sc_api.exam.results_published_at IS 'ranks and analysis are open from here';
COMMENT ON COLUMN sc_api.exam.question_count IS 'questions a student gets at most';
COMMENT ON COLUMN sc_api.exam.sections IS 'its parts, in order';
COMMENT ON COLUMN sc_api.exam.created_by IS 'author';
COMMENT ON COLUMN sc_api.exam.created_at IS 'when it was made';
COMMENT ON COLUMN sc_api.exam.updated_at IS 'when it last changed';

CREATE TYPE sc_api.exam_question AS (
    question_id bigint,
    section_id bigint,
    order_index int,
    version_id bigint,
    version int,
    latest_version int,
    type text,
    name text,
    prompt text,
    points numeric,
    treatment text,
    is_corrected boolean
);
COMMENT ON COLUMN sc_api.exam_question.question_id IS 'question';
COMMENT ON COLUMN sc_api.exam_question.section_id IS 'section';
COMMENT ON COLUMN sc_api.exam_question.order_index IS 'place in the section; NULL = in the pool of a drawn section';
COMMENT ON COLUMN sc_api.exam_question.version_id IS 'pinned version';
COMMENT ON COLUMN sc_api.exam_question.version IS 'its number';
COMMENT ON COLUMN sc_api.exam_question.latest_version IS 'number of the version that the bank has now';
COMMENT ON COLUMN sc_api.exam_question.type IS 'kind of question';
COMMENT ON COLUMN sc_api.exam_question.name IS 'short name';
COMMENT ON COLUMN sc_api.exam_question.prompt IS 'text';
COMMENT ON COLUMN sc_api.exam_question.points IS 'worth';
COMMENT ON COLUMN sc_api.exam_question.treatment IS 'normal, best_of, full_credit or exclude';
COMMENT ON COLUMN sc_api.exam_question.is_corrected IS 'its key was corrected';

CREATE TYPE sc_api.exam_preset AS (
    code text,
    title text,
    definition jsonb
);
COMMENT ON COLUMN sc_api.exam_preset.code IS 'TYT, AYT, …';
COMMENT ON COLUMN sc_api.exam_preset.title IS 'title';
COMMENT ON COLUMN sc_api.exam_preset.definition IS 'time limit, wrongs per right and sections';

CREATE TYPE sc_api.exam_audience AS (
    everyone boolean,
    group_ids bigint[],
    user_ids bigint[],
    students int
);
COMMENT ON COLUMN sc_api.exam_audience.everyone IS 'every student may sit it';
COMMENT ON COLUMN sc_api.exam_audience.group_ids IS 'classes that must sit it';
COMMENT ON COLUMN sc_api.exam_audience.user_ids IS 'students that must sit it';
COMMENT ON COLUMN sc_api.exam_audience.students IS 'how many that makes today';

CREATE TYPE sc_api.my_exam AS (
    exam_id bigint,
    title text,
    exam_type text,
    course_id bigint,
    opens_at timestamptz,
    closes_at timestamptz,
    time_limit int,
    max_attempts int,
    attempts_used int,
    allowed boolean,
    reason text,
    has_password boolean,
    attempt_id bigint,
    attempt_state text,
    deadline_at timestamptz,
    remaining_ms bigint,
    server_now timestamptz
);
COMMENT ON COLUMN sc_api.my_exam.exam_id IS 'exam';
COMMENT ON COLUMN sc_api.my_exam.title IS 'title';
COMMENT ON COLUMN sc_api.my_exam.exam_type IS 'TYT, AYT, …';
COMMENT ON COLUMN sc_api.my_exam.course_id IS 'course; may be none';
COMMENT ON COLUMN sc_api.my_exam.opens_at IS 'earliest start, for this student';
COMMENT ON COLUMN sc_api.my_exam.closes_at IS 'latest end, for this student';
COMMENT ON COLUMN sc_api.my_exam.time_limit IS 'seconds, for this student; see deadline_at';
COMMENT ON COLUMN sc_api.my_exam.max_attempts IS '0 = no limit';
COMMENT ON COLUMN sc_api.my_exam.attempts_used IS 'attempts begun';
COMMENT ON COLUMN sc_api.my_exam.allowed IS 'a start, or going on, is possible now';
COMMENT ON COLUMN sc_api.my_exam.reason IS 'ok, in_progress, or why not';
COMMENT ON COLUMN sc_api.my_exam.has_password IS 'a password is asked at the start';
COMMENT ON COLUMN sc_api.my_exam.attempt_id IS 'latest attempt; NULL = none';
COMMENT ON COLUMN sc_api.my_exam.attempt_state IS 'its state';
COMMENT ON COLUMN sc_api.my_exam.deadline_at IS 'end of the time: of the attempt that runs, or of one begun now, which the close may cut short';
COMMENT ON COLUMN sc_api.my_exam.remaining_ms IS 'milliseconds until then';
COMMENT ON COLUMN sc_api.my_exam.server_now IS 'the only clock that counts';

CREATE FUNCTION sc.exam_sections_view(exam_id bigint)
RETURNS sc_api.exam_section[]
LANGUAGE plpgsql STABLE STRICT PARALLEL SAFE
AS $$
DECLARE
    sections sc_api.exam_section[];
BEGIN
    SELECT array_agg(ROW(s.id, s.order_index, s.title, s.test, s.subject_id, s.question_count,
                         (SELECT count(*) FROM sc.exam_questions AS q WHERE q.section_id = s.id),
                         s.wrongs_per_right, s.alternative_group, s.draw)::sc_api.exam_section ORDER BY s.order_index)
    INTO sections
    FROM sc.exam_sections AS s WHERE s.exam_id = exam_sections_view.exam_id;
    RETURN coalesce(sections, '{}');
END
$$;
COMMENT ON FUNCTION sc.exam_sections_view(bigint) IS 'sections of an exam, in order';

CREATE FUNCTION sc.exam_view(exam_id bigint, with_sections boolean DEFAULT true)
RETURNS sc_api.exam
LANGUAGE plpgsql STABLE STRICT PARALLEL SAFE
AS $$
DECLARE
    v sc_api.exam;
BEGIN
    SELECT e.id, e.course_id, e.season_id, e.title, e.description, e.exam_type, e.kind, e.time_limit,
           e.opens_at, e.closes_at, e.max_attempts, e.grading_method, e.overdue_policy, e.grace_seconds,
           e.slack_seconds, e.wrongs_per_right, e.shuffle_questions, e.shuffle_options,
           e.password_hash IS NOT NULL, e.pass_mark,
           sc.review_policy(e.review_policy, e.closes_at, e.max_attempts), e.is_open_to_all, e.is_published,
           e.published_at, e.is_frozen, e.results_published_at,
           (SELECT coalesce(sum(greatest(s.question_count, n.n)), 0)
            FROM sc.exam_sections AS s
            CROSS JOIN LATERAL (SELECT CASE WHEN s.draw IS NULL THEN count(*) ELSE 0 END AS n
                                FROM sc.exam_questions AS q WHERE q.section_id = s.id) AS n
            WHERE s.exam_id = e.id
              AND NOT EXISTS (SELECT FROM sc.exam_sections AS o
                              WHERE o.exam_id = e.id AND o.alternative_group = s.alternative_group
                                AND o.order_index < s.order_index)),
           NULL::sc_api.exam_section[], e.created_by, e.created_at, e.updated_at
    INTO v
    FROM sc.exams AS e WHERE e.id = exam_view.exam_id AND e.is_active;
    IF FOUND THEN
        v.sections := CASE WHEN with_sections THEN sc.exam_sections_view(exam_id) ELSE '{}' END;
        RETURN v;
    END IF;
    RETURN NULL;
END
$$;
COMMENT ON FUNCTION sc.exam_view(bigint, boolean) IS 'an exam as its staff sees it';

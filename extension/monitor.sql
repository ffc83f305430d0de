-- The exam day: board, extra time, announcements, closing and reopening by
-- hand, overrides, review.

CREATE TYPE sc_api.monitor_row AS (
    user_id bigint,
    full_name text,
    student_no text,
    status text,
    attempt_id bigint,
    attempt_no int,
    state text,
    started_at timestamptz,
    deadline_at timestamptz,
    remaining_ms bigint,
    finished_at timestamptz,
    finish_reason text,
    answered int,
    questions int,
    last_seen_at timestamptz
);
COMMENT ON COLUMN sc_api.monitor_row.user_id IS 'student';
COMMENT ON COLUMN sc_api.monitor_row.full_name IS 'name';
COMMENT ON COLUMN sc_api.monitor_row.student_no IS 'number';
COMMENT ON COLUMN sc_api.monitor_row.status IS 'not_started, writing, done, or absent: the exam is over and never begun';
COMMENT ON COLUMN sc_api.monitor_row.attempt_id IS 'latest attempt';
COMMENT ON COLUMN sc_api.monitor_row.attempt_no IS 'its number';
COMMENT ON COLUMN sc_api.monitor_row.state IS 'its state';
COMMENT ON COLUMN sc_api.monitor_row.started_at IS 'when it was begun';
COMMENT ON COLUMN sc_api.monitor_row.deadline_at IS 'when its time is up';
COMMENT ON COLUMN sc_api.monitor_row.remaining_ms IS 'milliseconds left to who is writing';
COMMENT ON COLUMN sc_api.monitor_row.finished_at IS 'when it ended';
COMMENT ON COLUMN sc_api.monitor_row.finish_reason IS 'what ended it';
COMMENT ON COLUMN sc_api.monitor_row.answered IS 'questions answered';
COMMENT ON COLUMN sc_api.monitor_row.questions IS 'of so many';
COMMENT ON COLUMN sc_api.monitor_row.last_seen_at IS 'last start, save or hand-in';

CREATE TYPE sc_api.monitor AS (
    exam_id bigint,
    title text,
    server_now timestamptz,
    opens_at timestamptz,
    closes_at timestamptz,
    students int,
    not_started int,
    writing int,
    done int,
    absent int,
    items sc_api.monitor_row[],
    page int,
    per_page int,
    total int
);
COMMENT ON COLUMN sc_api.monitor.exam_id IS 'exam';
COMMENT ON COLUMN sc_api.monitor.title IS 'its title';
COMMENT ON COLUMN sc_api.monitor.server_now IS 'the only clock that counts';
COMMENT ON COLUMN sc_api.monitor.opens_at IS 'opening';
COMMENT ON COLUMN sc_api.monitor.closes_at IS 'close';
COMMENT ON COLUMN sc_api.monitor.students IS 'who must sit it, or came';
COMMENT ON COLUMN sc_api.monitor.not_started IS 'have not begun, and still may';
COMMENT ON COLUMN sc_api.monitor.writing IS 'are writing';
COMMENT ON COLUMN sc_api.monitor.done IS 'have ended';
COMMENT ON COLUMN sc_api.monitor.absent IS 'never came';
COMMENT ON COLUMN sc_api.monitor.items IS 'students by name';
COMMENT ON COLUMN sc_api.monitor.page IS 'page';
COMMENT ON COLUMN sc_api.monitor.per_page IS 'students on a page';
COMMENT ON COLUMN sc_api.monitor.total IS 'students that the filter lets through';

CREATE FUNCTION sc.monitor_students(exam_id bigint, coach bigint, at timestamptz)
RETURNS TABLE (user_id bigint, full_name text, status text, attempt_id bigint)
LANGUAGE plpgsql STABLE PARALLEL SAFE
ROWS 1000
AS $$
DECLARE
    e record;
BEGIN
    SELECT x.closes_at, (SELECT max(o.closes_at) FROM sc.exam_overrides AS o WHERE o.exam_id = x.id) AS last_close
    INTO e FROM sc.exams AS x WHERE x.id = monitor_students.exam_id;
    RETURN QUERY
    WITH latest AS (
        SELECT DISTINCT ON (a.user_id) a.user_id, a.id, a.state
        FROM sc.exam_attempts AS a
        WHERE a.exam_id = monitor_students.exam_id AND NOT a.is_preview
        ORDER BY a.user_id, a.attempt_no DESC)
    SELECT u.id, u.full_name,
           CASE WHEN l.state IN ('in_progress', 'overdue') THEN 'writing'
                WHEN l.state IN ('submitted', 'graded', 'abandoned') THEN 'done'
                WHEN greatest(e.closes_at, e.last_close) <= monitor_students.at THEN 'absent'
                ELSE 'not_started' END,
           l.id
    FROM sc.exam_students(monitor_students.exam_id, monitor_students.at) AS s(id)
    JOIN sc.users AS u ON u.id = s.id
    LEFT JOIN latest AS l ON l.user_id = s.id
    WHERE coach IS NULL
       OR EXISTS (SELECT FROM sc.coach_students AS c
                  WHERE c.coach_id = coach AND c.student_id = s.id
                    AND sc.in_force(c.valid_from, c.valid_to, sc.today()));
END
$$;
COMMENT ON FUNCTION sc.monitor_students(bigint, bigint, timestamptz) IS
    'students of an exam and how far they are; with a coach: only those in his care';

CREATE FUNCTION sc_api.exam_monitor(
    actor bigint,
    exam_id bigint,
    status text DEFAULT NULL,
    group_id bigint DEFAULT NULL,
    q text DEFAULT NULL,
    page int DEFAULT 1,
    per_page int DEFAULT 50)
RETURNS sc_api.monitor
LANGUAGE plpgsql STABLE PARALLEL SAFE
AS $$
DECLARE
    m sc_api.monitor;
    at timestamptz := clock_timestamp();
    coach bigint;
BEGIN
    SELECT e.id, e.title, at, e.opens_at, e.closes_at INTO m
    FROM sc.exams AS e WHERE e.id = exam_monitor.exam_id AND e.is_active;
    IF NOT FOUND THEN
        RETURN NULL;
    END IF;
    IF NOT sc.is_exam_staff(actor, exam_id) THEN
        IF NOT sc.can(actor, 'students.coach') THEN
            PERFORM sc_api.refuse(403, 'forbidden');
        END IF;
        coach := actor;
    END IF;
    IF status NOT IN ('not_started', 'writing', 'done', 'absent') THEN
        PERFORM sc_api.invalid('status', 'invalid_value');
    END IF;
    -- dispatch looks after the pages of lists only
    IF page NOT BETWEEN 1 AND 10000000 THEN
        PERFORM sc_api.invalid('page', 'out_of_range', '{"min": 1, "max": 10000000}');
    END IF;
    IF per_page NOT BETWEEN 1 AND 100 THEN
        PERFORM sc_api.invalid('per_page', 'out_of_range', '{"min": 1, "max": 100}');
    END IF;
    PERFORM sc_api.check_valid();
    m.page := page;
    m.per_page := per_page;
    WITH students AS MATERIALIZED (
        SELECT s.* FROM sc.monitor_students(exam_monitor.exam_id, coach, at) AS s),
    wanted AS MATERIALIZED (
        SELECT s.* FROM students AS s
        WHERE (exam_monitor.status IS NULL OR s.status = exam_monitor.status)
          AND (exam_monitor.group_id IS NULL
               OR EXISTS (SELECT FROM sc.group_members AS g
                          WHERE g.group_id = exam_monitor.group_id AND g.student_id = s.user_id
                            AND sc.in_force(g.valid_from, g.valid_to, sc.today())))
          AND (exam_monitor.q IS NULL
               OR strpos(lower(s.full_name COLLATE "tr-x-icu"), lower(exam_monitor.q COLLATE "tr-x-icu")) > 0)),
    shown AS (
        SELECT w.* FROM wanted AS w
        ORDER BY w.full_name COLLATE "tr-x-icu", w.user_id
        LIMIT exam_monitor.per_page OFFSET (exam_monitor.page - 1) * exam_monitor.per_page)
    SELECT (SELECT count(*) FROM students),
           (SELECT count(*) FROM students AS s WHERE s.status = 'not_started'),
           (SELECT count(*) FROM students AS s WHERE s.status = 'writing'),
           (SELECT count(*) FROM students AS s WHERE s.status = 'done'),
           (SELECT count(*) FROM students AS s WHERE s.status = 'absent'),
           (SELECT count(*) FROM wanted),
           coalesce((SELECT array_agg(ROW(w.user_id, w.full_name, d.student_no, w.status, a.id, a.attempt_no, a.state,
                                 a.started_at, a.deadline_at,
                                 CASE WHEN w.status = 'writing' THEN sc.remaining_ms(a.deadline_at, at) END,
                                 a.finished_at, a.finish_reason, n.answered, cardinality(a.question_ids),
                                 greatest(a.last_seen_at, n.saved_at))::sc_api.monitor_row
                             ORDER BY w.full_name COLLATE "tr-x-icu", w.user_id)
                     FROM shown AS w
                     LEFT JOIN sc.students AS d ON d.user_id = w.user_id
                     LEFT JOIN sc.exam_attempts AS a ON a.id = w.attempt_id
                     LEFT JOIN LATERAL (SELECT count(*) FILTER (WHERE s.answer IS NOT NULL) AS answered, max(s.saved_at) AS saved_at
                                        FROM sc.attempt_answers AS s WHERE s.attempt_id = a.id) AS n ON true), '{}')
    INTO m.students, m.not_started, m.writing, m.done, m.absent, m.total, m.items;
    PERFORM sc_api.no_store();
    RETURN m;
END
$$;
COMMENT ON FUNCTION sc_api.exam_monitor(bigint, bigint, text, bigint, text, int, int) IS
'The board of the exam day: how many have not begun, write, are done or absent, and each student''s answers and time left. Coaches see the students in their care.';

-- Extra time.

CREATE TYPE sc_api.extension AS (
    seconds int,
    students int,
    server_now timestamptz
);
COMMENT ON COLUMN sc_api.extension.seconds IS 'seconds given';
COMMENT ON COLUMN sc_api.extension.students IS 'students who got them';
COMMENT ON COLUMN sc_api.extension.server_now IS 'the only clock that counts';

CREATE FUNCTION sc.extend_student(exam_id bigint, user_id bigint, seconds int, reason text, actor bigint)
RETURNS void
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
AS $$
DECLARE
    w record;
    extra int;
    day date := sc.today();
BEGIN
    SELECT x.closes_at INTO w FROM sc.exam_window(exam_id, user_id) AS x;
    SELECT coalesce((SELECT o.extra_seconds FROM sc.exam_overrides AS o
                     WHERE o.exam_id = extend_student.exam_id AND o.user_id = extend_student.user_id),
                    (SELECT max(o.extra_seconds) FROM sc.exam_overrides AS o
                     JOIN sc.group_members AS m ON m.group_id = o.group_id
                     WHERE o.exam_id = extend_student.exam_id AND m.student_id = extend_student.user_id
                       AND sc.in_force(m.valid_from, m.valid_to, day)), 0)
    INTO extra;
    INSERT INTO sc.exam_overrides AS o (exam_id, user_id, extra_seconds, closes_at, reason, created_by)
    VALUES (extend_student.exam_id, extend_student.user_id, extra + seconds,
            w.closes_at + make_interval(secs => seconds), extend_student.reason, actor)
    ON CONFLICT ON CONSTRAINT exam_overrides_once DO UPDATE
    SET extra_seconds = excluded.extra_seconds, closes_at = excluded.closes_at, reason = excluded.reason;
END
$$;
COMMENT ON FUNCTION sc.extend_student(bigint, bigint, int, text, bigint) IS
    'gives a student more time, beyond the close too, on top of what an override gives already';

CREATE FUNCTION sc_api.exam_extend(
    actor bigint,
    exam_id bigint,
    seconds int,
    reason text,
    user_ids bigint[] DEFAULT NULL,
    _all boolean DEFAULT false)
RETURNS sc_api.extension
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
AS $$
DECLARE
    one bigint;
    given sc_api.extension;
BEGIN
    PERFORM sc.own_exam(actor, exam_id);
    IF seconds NOT BETWEEN 1 AND 86400 THEN
        PERFORM sc_api.invalid('seconds', 'invalid_value');
    END IF;
    IF length(btrim(reason)) NOT BETWEEN 1 AND 1000 THEN
        PERFORM sc_api.invalid('reason', 'required');
    END IF;
    IF (coalesce(cardinality(user_ids), 0) = 0) = NOT coalesce(_all, false) THEN
        PERFORM sc_api.invalid('user_ids', 'all_or_some');
    END IF;
    PERFORM sc_api.check_valid();
    IF _all THEN
        UPDATE sc.exam_attempts AS a SET extra_seconds = a.extra_seconds + seconds
        FROM (SELECT x.id FROM sc.exam_attempts AS x
              WHERE x.exam_id = exam_extend.exam_id AND x.state IN ('in_progress', 'overdue')
              ORDER BY x.id FOR NO KEY UPDATE) AS o
        WHERE a.id = o.id;
        GET DIAGNOSTICS given.students = ROW_COUNT;
        -- who has not begun must not lose time either; the deadlines follow once, at the end
        PERFORM set_config('sc.deadlines_wait', exam_id::text, true);
        UPDATE sc.exam_overrides AS o SET closes_at = o.closes_at + make_interval(secs => seconds)
        WHERE o.exam_id = exam_extend.exam_id AND o.closes_at IS NOT NULL;
        UPDATE sc.exams AS e SET closes_at = e.closes_at + make_interval(secs => seconds)
        WHERE e.id = exam_extend.exam_id AND e.closes_at IS NOT NULL;
        PERFORM set_config('sc.deadlines_wait', '', true);
        PERFORM sc.recompute_deadlines(exam_id);
    ELSE
        SELECT u.id INTO one
        FROM unnest(user_ids) AS u(id)
        WHERE NOT EXISTS (SELECT FROM sc.exam_students(exam_id) AS s(id) WHERE s.id = u.id)
        ORDER BY u.id
        LIMIT 1;
        IF FOUND THEN
            PERFORM sc_api.invalid('user_ids', 'not_in_exam', jsonb_build_object('user_id', one));
            PERFORM sc_api.check_valid();
        END IF;
        FOR one IN SELECT DISTINCT u.id FROM unnest(user_ids) AS u(id) ORDER BY 1 LOOP
            PERFORM sc.extend_student(exam_id, one, seconds, btrim(reason), actor);
        END LOOP;
        given.students := (SELECT count(DISTINCT u.id) FROM unnest(user_ids) AS u(id));
    END IF;
    given.seconds := seconds;
    given.server_now := clock_timestamp();
    PERFORM sc.exam_audit_note(exam_id, NULL, actor, 'extend',
        jsonb_build_object('seconds', seconds, 'all', coalesce(_all, false), 'user_ids', user_ids, 'reason', btrim(reason)));
    RETURN given;
END
$$;
COMMENT ON FUNCTION sc_api.exam_extend(bigint, bigint, int, text, bigint[], boolean) IS
'More time, for some students or, after an outage, for all who are writing. The close moves along, so that the time can be used; who is writing sees it in the next clock call.';

-- Overrides.

CREATE TYPE sc_api.exam_override AS (
    id bigint,
    exam_id bigint,
    user_id bigint,
    full_name text,
    group_id bigint,
    group_name text,
    opens_at timestamptz,
    closes_at timestamptz,
    time_limit int,
    extra_seconds int,
    max_attempts int,
    has_password boolean,
    reason text,
    created_by bigint,
    created_at timestamptz,
    updated_at timestamptz
);
COMMENT ON COLUMN sc_api.exam_override.id IS 'identity';
COMMENT ON COLUMN sc_api.exam_override.exam_id IS 'exam';
COMMENT ON COLUMN sc_api.exam_override.user_id IS 'for a student';
COMMENT ON COLUMN sc_api.exam_override.full_name IS 'the student''s name';
COMMENT ON COLUMN sc_api.exam_override.group_id IS 'or for a class';
COMMENT ON COLUMN sc_api.exam_override.group_name IS 'name of the class';
COMMENT ON COLUMN sc_api.exam_override.opens_at IS 'opening; NULL = the exam''s';
COMMENT ON COLUMN sc_api.exam_override.closes_at IS 'close; NULL = the exam''s';
COMMENT ON COLUMN sc_api.exam_override.time_limit IS 'seconds, 0 = no limit; NULL = the exam''s';
COMMENT ON COLUMN sc_api.exam_override.extra_seconds IS 'added to the time limit';
COMMENT ON COLUMN sc_api.exam_override.max_attempts IS '0 = no limit; NULL = the exam''s';
COMMENT ON COLUMN sc_api.exam_override.has_password IS 'a password of its own';
COMMENT ON COLUMN sc_api.exam_override.reason IS 'why';
COMMENT ON COLUMN sc_api.exam_override.created_by IS 'who gave it';
COMMENT ON COLUMN sc_api.exam_override.created_at IS 'when';
COMMENT ON COLUMN sc_api.exam_override.updated_at IS 'last change';

CREATE FUNCTION sc_api.override_list(actor bigint, exam_id bigint, page int DEFAULT 1, per_page int DEFAULT 20)
RETURNS SETOF sc_api.exam_override
LANGUAGE plpgsql STABLE PARALLEL SAFE
AS $$
BEGIN
    PERFORM sc.read_exam(actor, exam_id);
    PERFORM sc_api.total((SELECT count(*) FROM sc.exam_overrides AS o WHERE o.exam_id = override_list.exam_id));
    RETURN QUERY
    SELECT v.*
    FROM (SELECT o.id FROM sc.exam_overrides AS o WHERE o.exam_id = override_list.exam_id
          ORDER BY o.id LIMIT per_page OFFSET (page - 1)::bigint * per_page) AS x, sc.override_view(x.id) AS v
    ORDER BY v.id;
END
$$;
COMMENT ON FUNCTION sc_api.override_list(bigint, bigint, int, int) IS 'Other times for students and classes.';

CREATE FUNCTION sc.override_view(override_id bigint)
RETURNS sc_api.exam_override
LANGUAGE plpgsql STABLE STRICT PARALLEL SAFE
AS $$
DECLARE
    v sc_api.exam_override;
BEGIN
    SELECT o.id, o.exam_id, o.user_id, u.full_name, o.group_id, g.name, o.opens_at, o.closes_at, o.time_limit, o.extra_seconds,
           o.max_attempts, o.password_hash IS NOT NULL, o.reason, o.created_by, o.created_at, o.updated_at
    INTO v
    FROM sc.exam_overrides AS o
    LEFT JOIN sc.users AS u ON u.id = o.user_id
    LEFT JOIN sc.groups AS g ON g.id = o.group_id
    WHERE o.id = override_id;
    RETURN v;
END
$$;
COMMENT ON FUNCTION sc.override_view(bigint) IS 'an override as staff sees it';

CREATE FUNCTION sc.override_noted(v sc_api.exam_override)
RETURNS jsonb
LANGUAGE plpgsql STABLE PARALLEL SAFE
AS $$
BEGIN
    -- a log keeps no names: who is erased must not go on in it
    RETURN to_jsonb(v) - '{full_name,group_name}'::text[];
END
$$;
COMMENT ON FUNCTION sc.override_noted(sc_api.exam_override) IS 'an override as the log of an exam holds it';

CREATE FUNCTION sc.check_override(time_limit int, extra_seconds int, max_attempts int, opens_at timestamptz, closes_at timestamptz, reason text)
RETURNS void
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
AS $$
BEGIN
    IF time_limit NOT BETWEEN 0 AND 31622400 THEN
        PERFORM sc_api.invalid('time_limit', 'invalid_value');
    END IF;
    IF extra_seconds NOT BETWEEN 0 AND 31622400 THEN
        PERFORM sc_api.invalid('extra_seconds', 'invalid_value');
    END IF;
    IF max_attempts < 0 THEN
        PERFORM sc_api.invalid('max_attempts', 'invalid_value');
    END IF;
    IF closes_at <= opens_at THEN
        PERFORM sc_api.invalid('closes_at', 'closes_before_opening');
    END IF;
    IF coalesce(length(btrim(reason)), 0) NOT BETWEEN 1 AND 1000 THEN
        PERFORM sc_api.invalid('reason', 'required');
    END IF;
    PERFORM sc_api.check_valid();
END
$$;
COMMENT ON FUNCTION sc.check_override(int, int, int, timestamptz, timestamptz, text) IS 'refuses an override that makes no sense';

CREATE FUNCTION sc_api.override_create(
    actor bigint,
    exam_id bigint,
    _reason text,
    _user_id bigint DEFAULT NULL,
    _group_id bigint DEFAULT NULL,
    _opens_at timestamptz DEFAULT NULL,
    _closes_at timestamptz DEFAULT NULL,
    _time_limit int DEFAULT NULL,
    _extra_seconds int DEFAULT NULL,
    _max_attempts int DEFAULT NULL,
    _password text DEFAULT NULL)
RETURNS sc_api.exam_override
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
AS $$
DECLARE
    made bigint;
    hash text;
BEGIN
    PERFORM sc.read_exam(actor, exam_id);
    hash := CASE WHEN _password <> '' THEN sc.password_hash(_password) END;
    PERFORM sc.own_exam(actor, exam_id);
    IF num_nonnulls(_user_id, _group_id) <> 1 THEN
        PERFORM sc_api.invalid('user_id', 'one_target');
    END IF;
    IF num_nonnulls(_opens_at, _closes_at, _time_limit, _extra_seconds, _max_attempts, hash) = 0 THEN
        PERFORM sc_api.invalid('time_limit', 'override_empty');
    END IF;
    IF _user_id IS NOT NULL AND NOT EXISTS (SELECT FROM sc.users AS u WHERE u.id = _user_id) THEN
        PERFORM sc_api.invalid('user_id', 'not_found');
    END IF;
    IF _group_id IS NOT NULL AND NOT EXISTS (SELECT FROM sc.groups AS g WHERE g.id = _group_id) THEN
        PERFORM sc_api.invalid('group_id', 'not_found');
    END IF;
    PERFORM sc.check_override(_time_limit, _extra_seconds, _max_attempts, _opens_at, _closes_at, _reason);
    INSERT INTO sc.exam_overrides (exam_id, user_id, group_id, opens_at, closes_at, time_limit, extra_seconds, max_attempts,
                                   password_hash, reason, created_by)
    VALUES (override_create.exam_id, _user_id, _group_id, _opens_at, _closes_at, _time_limit, _extra_seconds, _max_attempts,
            hash, btrim(_reason), actor)
    RETURNING id INTO made;
    PERFORM sc.exam_audit_note(exam_id, NULL, actor, 'override', sc.override_noted(sc.override_view(made)));
    RETURN sc.override_view(made);
END
$$;
COMMENT ON FUNCTION sc_api.override_create(bigint, bigint, text, bigint, bigint, timestamptz, timestamptz, int, int, int, text) IS
'Other times for one student or one class; running attempts follow at once. A student''s own override wins over the class''s, field by field.';

CREATE FUNCTION sc_api.override_patch(
    actor bigint,
    exam_id bigint,
    override_id bigint,
    _reason text DEFAULT NULL,
    _opens_at timestamptz DEFAULT NULL,
    _closes_at timestamptz DEFAULT NULL,
    _time_limit int DEFAULT NULL,
    _extra_seconds int DEFAULT NULL,
    _max_attempts int DEFAULT NULL,
    _password text DEFAULT NULL,
    given text[] DEFAULT '{}')
RETURNS sc_api.exam_override
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
AS $$
DECLARE
    hash text;
    v sc_api.exam_override;
BEGIN
    PERFORM sc.read_exam(actor, exam_id);
    hash := CASE WHEN _password <> '' THEN sc.password_hash(_password) END;
    PERFORM sc.own_exam(actor, exam_id);
    v := sc.override_view(override_id);
    IF v.exam_id IS DISTINCT FROM override_patch.exam_id THEN
        RETURN NULL;
    END IF;
    IF 'opens_at' = ANY (given) THEN v.opens_at := _opens_at; END IF;
    IF 'closes_at' = ANY (given) THEN v.closes_at := _closes_at; END IF;
    IF 'time_limit' = ANY (given) THEN v.time_limit := _time_limit; END IF;
    IF 'extra_seconds' = ANY (given) THEN v.extra_seconds := _extra_seconds; END IF;
    IF 'max_attempts' = ANY (given) THEN v.max_attempts := _max_attempts; END IF;
    PERFORM sc.check_override(v.time_limit, v.extra_seconds, v.max_attempts, v.opens_at, v.closes_at, coalesce(_reason, v.reason));
    UPDATE sc.exam_overrides AS o
    SET opens_at = v.opens_at, closes_at = v.closes_at, time_limit = v.time_limit, extra_seconds = v.extra_seconds,
        max_attempts = v.max_attempts, reason = coalesce(btrim(_reason), o.reason),
        password_hash = CASE WHEN 'password' = ANY (given) THEN hash ELSE o.password_hash END
    WHERE o.id = override_id;
    PERFORM sc.exam_audit_note(exam_id, NULL, actor, 'override', sc.override_noted(sc.override_view(override_id)));
    RETURN sc.override_view(override_id);
END
$$;
COMMENT ON FUNCTION sc_api.override_patch(bigint, bigint, bigint, text, timestamptz, timestamptz, int, int, int, text, text[]) IS
'Changes an override; null gives a field back to the exam.';

CREATE FUNCTION sc_api.override_delete(actor bigint, exam_id bigint, override_id bigint)
RETURNS void
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
AS $$
DECLARE
    v sc_api.exam_override := sc.override_view(override_id);
BEGIN
    PERFORM sc.own_exam(actor, exam_id);
    DELETE FROM sc.exam_overrides AS o WHERE o.id = override_id AND o.exam_id = override_delete.exam_id;
    IF NOT FOUND THEN
        PERFORM sc_api.refuse(404, 'not_found');
    END IF;
    PERFORM sc.exam_audit_note(exam_id, NULL, actor, 'override_removed', sc.override_noted(v));
END
$$;
COMMENT ON FUNCTION sc_api.override_delete(bigint, bigint, bigint) IS 'Takes an override back; running attempts follow at once.';

-- Announcements.

CREATE FUNCTION sc_api.announcement_list(actor bigint, exam_id bigint)
RETURNS SETOF sc_api.announcement
LANGUAGE plpgsql STABLE PARALLEL SAFE
AS $$
BEGIN
    IF NOT sc.is_exam_staff(actor, exam_id) AND NOT sc.sits_exam(actor, exam_id) THEN
        PERFORM sc_api.refuse(404, 'not_found');
    END IF;
    RETURN QUERY SELECT n.id, n.body, n.created_at FROM sc.exam_announcements AS n
                 WHERE n.exam_id = announcement_list.exam_id ORDER BY n.id;
END
$$;
COMMENT ON FUNCTION sc_api.announcement_list(bigint, bigint) IS 'Messages shown in the running exam.';

CREATE FUNCTION sc_api.announcement_create(actor bigint, exam_id bigint, _text text)
RETURNS sc_api.announcement
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
AS $$
DECLARE
    v sc_api.announcement;
BEGIN
    PERFORM sc.own_exam(actor, exam_id);
    IF length(btrim(_text)) NOT BETWEEN 1 AND 2000 THEN
        PERFORM sc_api.invalid('text', 'invalid_length', '{"min": 1, "max": 2000}');
        PERFORM sc_api.check_valid();
    END IF;
    INSERT INTO sc.exam_announcements (exam_id, body, created_by)
    VALUES (announcement_create.exam_id, btrim(_text), actor)
    RETURNING id, exam_announcements.body, created_at INTO v;
    PERFORM sc.exam_audit_note(exam_id, NULL, actor, 'announce', jsonb_build_object('text', v.body));
    RETURN v;
END
$$;
COMMENT ON FUNCTION sc_api.announcement_create(bigint, bigint, text) IS
'Shows a message to everybody who is writing: the clock names it, the attempt has it.';

-- By hand.

CREATE FUNCTION sc.own_attempt(actor bigint, attempt_id bigint)
RETURNS bigint
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
AS $$
DECLARE
    exam bigint;
BEGIN
    SELECT a.exam_id INTO exam FROM sc.exam_attempts AS a WHERE a.id = own_attempt.attempt_id;
    IF NOT FOUND THEN
        PERFORM sc_api.refuse(404, 'not_found');
    END IF;
    PERFORM sc.own_exam(actor, exam);
    RETURN exam;
END
$$;
COMMENT ON FUNCTION sc.own_attempt(bigint, bigint) IS 'locks the exam of an attempt for staff, or refuses; returns the exam';

CREATE FUNCTION sc_api.attempt_force_submit(actor bigint, attempt_id bigint, reason text)
RETURNS sc_api.attempt
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
AS $$
DECLARE
    exam bigint := sc.own_attempt(actor, attempt_id);
    v sc_api.attempt;
BEGIN
    IF length(btrim(reason)) NOT BETWEEN 1 AND 1000 THEN
        PERFORM sc_api.invalid('reason', 'required');
        PERFORM sc_api.check_valid();
    END IF;
    PERFORM sc.submit_attempt(attempt_id, reason => 'staff');
    PERFORM sc.exam_audit_note(exam, attempt_id, actor, 'force_submit', jsonb_build_object('reason', btrim(attempt_force_submit.reason)));
    v := sc.attempt_view(attempt_id, false);
    RETURN v;
END
$$;
COMMENT ON FUNCTION sc_api.attempt_force_submit(bigint, bigint, text) IS 'Hands in for a student, with what is saved.';

CREATE FUNCTION sc_api.attempt_reopen(actor bigint, attempt_id bigint, reason text, seconds int DEFAULT NULL)
RETURNS sc_api.attempt
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
AS $$
DECLARE
    exam bigint := sc.own_attempt(actor, attempt_id);
    a record;
    w record;
    at timestamptz := clock_timestamp();
BEGIN
    IF length(btrim(reason)) NOT BETWEEN 1 AND 1000 THEN
        PERFORM sc_api.invalid('reason', 'required');
    END IF;
    IF seconds NOT BETWEEN 1 AND 86400 THEN
        PERFORM sc_api.invalid('seconds', 'invalid_value');
    END IF;
    PERFORM sc_api.check_valid();
    SELECT x.* INTO a FROM sc.exam_attempts AS x WHERE x.id = attempt_reopen.attempt_id FOR NO KEY UPDATE;
    IF a.state NOT IN ('submitted', 'graded', 'abandoned')
       OR EXISTS (SELECT FROM sc.exam_attempts AS o
                  WHERE o.exam_id = exam AND o.user_id = a.user_id AND o.state IN ('not_started', 'in_progress', 'overdue')) THEN
        PERFORM sc_api.refuse(409, 'attempt_running', jsonb_build_object('state', a.state));
    END IF;
    PERFORM FROM sc.exams AS e WHERE e.id = exam AND e.is_frozen;
    IF FOUND THEN
        PERFORM sc_api.refuse(409, 'exam_frozen');
    END IF;
    UPDATE sc.exam_attempts AS x
    SET state = 'in_progress', submitted_at = NULL, finished_at = NULL, finish_reason = NULL, updated_at = at
    WHERE x.id = attempt_reopen.attempt_id;
    IF seconds IS NOT NULL THEN
        SELECT x.* INTO w FROM sc.exam_window(exam, a.user_id, at) AS x;
        IF w.closes_at < at + make_interval(secs => seconds) THEN
            INSERT INTO sc.exam_overrides AS o (exam_id, user_id, closes_at, reason, created_by)
            VALUES (exam, a.user_id, at + make_interval(secs => seconds), btrim(reason), actor)
            ON CONFLICT ON CONSTRAINT exam_overrides_once DO UPDATE SET closes_at = excluded.closes_at, reason = excluded.reason;
        END IF;
        IF w.time_limit IS NOT NULL THEN
            UPDATE sc.exam_attempts AS x
            SET extra_seconds = greatest(ceil(extract(epoch FROM at - x.started_at)) + seconds - w.time_limit, x.extra_seconds)
            WHERE x.id = attempt_reopen.attempt_id;
        END IF;
    END IF;
    PERFORM sc.recompute_deadlines(exam, a.user_id, at);
    PERFORM sc.exam_audit_note(exam, attempt_id, actor, 'reopen',
        jsonb_build_object('reason', btrim(attempt_reopen.reason), 'seconds', seconds, 'from', a.state, 'finished_at', a.finished_at));
    RETURN sc.attempt_view(attempt_id, false);
END
$$;
COMMENT ON FUNCTION sc_api.attempt_reopen(bigint, bigint, text, int) IS
'Lets a student go on with an attempt that was handed in or abandoned. seconds gives that much time from now; without it, an attempt whose time is over is handed in again at its deadline.';

CREATE FUNCTION sc_api.exam_prepare(actor bigint, exam_id bigint)
RETURNS sc_api.extension
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
AS $$
DECLARE
    made sc_api.extension;
BEGIN
    PERFORM sc.own_exam(actor, exam_id);
    IF NOT EXISTS (SELECT FROM sc.exams AS e WHERE e.id = exam_prepare.exam_id AND e.is_published) THEN
        PERFORM sc_api.refuse(409, 'exam_not_published');
    END IF;
    made.students := sc.precreate_attempts(exam_id);
    made.seconds := 0;
    made.server_now := clock_timestamp();
    PERFORM sc.exam_audit_note(exam_id, NULL, actor, 'prepare', jsonb_build_object('attempts', made.students));
    RETURN made;
END
$$;
COMMENT ON FUNCTION sc_api.exam_prepare(bigint, bigint) IS
'Makes the attempts of all who must sit the exam before it opens, so that a whole school can start in the same second.';

CREATE TYPE sc_api.exam_audit_row AS (
    id bigint,
    attempt_id bigint,
    actor_id bigint,
    actor_name text,
    action text,
    detail jsonb,
    at timestamptz
);
COMMENT ON COLUMN sc_api.exam_audit_row.id IS 'identity';
COMMENT ON COLUMN sc_api.exam_audit_row.attempt_id IS 'attempt';
COMMENT ON COLUMN sc_api.exam_audit_row.actor_id IS 'who; NULL = the system';
COMMENT ON COLUMN sc_api.exam_audit_row.actor_name IS 'name of who';
COMMENT ON COLUMN sc_api.exam_audit_row.action IS 'what';
COMMENT ON COLUMN sc_api.exam_audit_row.detail IS 'what exactly, and why';
COMMENT ON COLUMN sc_api.exam_audit_row.at IS 'when';

CREATE FUNCTION sc_api.exam_audit(actor bigint, exam_id bigint, page int DEFAULT 1, per_page int DEFAULT 20)
RETURNS SETOF sc_api.exam_audit_row
LANGUAGE plpgsql STABLE PARALLEL SAFE
AS $$
BEGIN
    PERFORM sc.read_exam(actor, exam_id);
    PERFORM sc_api.total((SELECT count(*) FROM sc.exam_audit AS x WHERE x.exam_id = exam_audit.exam_id));
    RETURN QUERY SELECT x.id, x.attempt_id, x.actor_id, u.full_name, x.action, x.detail, x.at
                 FROM sc.exam_audit AS x LEFT JOIN sc.users AS u ON u.id = x.actor_id
                 WHERE x.exam_id = exam_audit.exam_id ORDER BY x.id DESC LIMIT per_page OFFSET (page - 1) * per_page;
END
$$;
COMMENT ON FUNCTION sc_api.exam_audit(bigint, bigint, int, int) IS 'What staff did to the exam and its attempts, newest first.';

-- Review.

CREATE TYPE sc_api.review_item AS (
    question_id bigint,
    number int,
    section_id bigint,
    type text,
    prompt text,
    format text,
    options jsonb,
    media jsonb,
    answer jsonb,
    outcome text,
    points numeric,
    max_points numeric,
    key jsonb,
    explanation text,
    rubric jsonb,
    comment text
);
COMMENT ON COLUMN sc_api.review_item.question_id IS 'question';
COMMENT ON COLUMN sc_api.review_item.number IS 'place in the attempt';
COMMENT ON COLUMN sc_api.review_item.section_id IS 'section';
COMMENT ON COLUMN sc_api.review_item.type IS 'kind of question';
COMMENT ON COLUMN sc_api.review_item.prompt IS 'text';
COMMENT ON COLUMN sc_api.review_item.format IS 'markdown, html or plain';
COMMENT ON COLUMN sc_api.review_item.media IS '[{"url", "kind", "alt"}]';
COMMENT ON COLUMN sc_api.review_item.options IS 'choices as the attempt showed them';
COMMENT ON COLUMN sc_api.review_item.answer IS 'own answer; NULL = blank, or not shown now';
COMMENT ON COLUMN sc_api.review_item.outcome IS 'right, wrong, blank, partly, excluded, waiting or full_credit; NULL = not shown now';
COMMENT ON COLUMN sc_api.review_item.points IS 'points, where marks and correctness are shown; of an essay where marks are; NULL = not shown now';
COMMENT ON COLUMN sc_api.review_item.max_points IS 'worth';
COMMENT ON COLUMN sc_api.review_item.key IS 'what is right; NULL = not shown now';
COMMENT ON COLUMN sc_api.review_item.explanation IS 'why; NULL = none, or not shown now';
COMMENT ON COLUMN sc_api.review_item.rubric IS 'points per criterion, of an answer marked by hand; NULL = none, or not shown now';
COMMENT ON COLUMN sc_api.review_item.comment IS 'the teacher''s word';

CREATE TYPE sc_api.review AS (
    attempt_id bigint,
    exam_id bigint,
    phase text,
    shows text[],
    result jsonb,
    items sc_api.review_item[],
    server_now timestamptz
);
COMMENT ON COLUMN sc_api.review.attempt_id IS 'attempt';
COMMENT ON COLUMN sc_api.review.exam_id IS 'exam';
COMMENT ON COLUMN sc_api.review.phase IS 'during, after, open or closed';
COMMENT ON COLUMN sc_api.review.shows IS 'what is shown in this phase';
COMMENT ON COLUMN sc_api.review.result IS 'counts and nets; NULL = not shown now';
COMMENT ON COLUMN sc_api.review.items IS 'question by question; empty = not shown now';
COMMENT ON COLUMN sc_api.review.server_now IS 'the only clock that counts';

CREATE FUNCTION sc_api.attempt_review(actor bigint, attempt_id bigint)
RETURNS sc_api.review
LANGUAGE plpgsql STABLE PARALLEL SAFE
AS $$
DECLARE
    v sc_api.review;
    a record;
BEGIN
    SELECT x.exam_id, x.user_id, x.seed, e.shuffle_options INTO a
    FROM sc.exam_attempts AS x JOIN sc.exams AS e ON e.id = x.exam_id
    WHERE x.id = attempt_review.attempt_id;
    IF NOT FOUND OR (a.user_id <> actor AND NOT sc.sees_attempt(actor, attempt_id)) THEN
        RETURN NULL;
    END IF;
    v.attempt_id := attempt_id;
    v.exam_id := a.exam_id;
    v.server_now := clock_timestamp();
    v.phase := sc.review_phase(a.exam_id, attempt_id, v.server_now);
    IF a.user_id = actor THEN
        v.shows := ARRAY(SELECT jsonb_array_elements_text(sc.review_shows(a.exam_id, attempt_id, v.server_now)));
    ELSIF sc.is_exam_staff(actor, a.exam_id) OR v.phase = 'closed' THEN
        v.shows := '{answer,correctness,marks,key,explanation,rank}';
    ELSIF v.phase <> 'during' THEN
        -- a coach has students who may still sit the exam
        v.shows := '{answer,marks}';
    END IF;
    IF coalesce(cardinality(v.shows), 0) = 0 AND v.phase = 'during' THEN
        PERFORM sc_api.refuse(403, 'review_closed');
    END IF;
    IF 'marks' = ANY (v.shows) THEN
        v.result := sc.result_counts(attempt_id);
    END IF;
    IF v.shows && '{answer,correctness,key,explanation}' THEN
        SELECT array_agg(ROW(u.question_id, u.number, u.section_id, q.type, q.prompt, q.format,
                   sc.shown_options(q.type, CASE WHEN 'explanation' = ANY (v.shows) THEN q.options ELSE sc.options_public(q.type, q.options, false) END,
                                    a.seed, u.question_id, a.shuffle_options),
                   q.media,
                   CASE WHEN 'answer' = ANY (v.shows) THEN sc.shown_answer(q.type, q.options, a.seed, u.question_id, a.shuffle_options, s.answer) END,
                   CASE WHEN 'correctness' = ANY (v.shows) THEN
                       CASE r.item_outcomes[i.place] WHEN 1 THEN 'right' WHEN 0 THEN 'blank' WHEN -1 THEN 'wrong' WHEN 2 THEN 'partly'
                            WHEN 3 THEN 'excluded' WHEN 4 THEN 'waiting' WHEN 5 THEN 'full_credit' END END,
                   -- points tell right from wrong, but for what a person marks
                   CASE WHEN 'marks' = ANY (v.shows) AND ('correctness' = ANY (v.shows) OR q.type = 'essay') THEN r.item_points[i.place] END,
                   x.points,
                   CASE WHEN 'key' = ANY (v.shows) THEN sc.shown_key(q.type, q.options, a.seed, u.question_id, a.shuffle_options, coalesce(x.key, q.key)) END,
                   CASE WHEN 'explanation' = ANY (v.shows) THEN q.explanation END,
                   CASE WHEN 'marks' = ANY (v.shows) THEN g.rubric END,
                   CASE WHEN 'marks' = ANY (v.shows) THEN g.comment END)::sc_api.review_item ORDER BY u.number)
        INTO v.items
        FROM sc.exam_attempts AS t
        CROSS JOIN LATERAL unnest(t.question_ids, t.version_ids, t.section_ids)
            WITH ORDINALITY AS u(question_id, version_id, section_id, number)
        JOIN sc.question_versions AS q ON q.id = u.version_id
        LEFT JOIN sc.exam_questions AS x ON x.exam_id = t.exam_id AND x.question_id = u.question_id
        LEFT JOIN sc.attempt_answers AS s ON s.attempt_id = t.id AND s.question_id = u.question_id
        LEFT JOIN sc.attempt_grades AS g ON g.attempt_id = t.id AND g.question_id = u.question_id
        LEFT JOIN sc.exam_results AS r ON r.attempt_id = t.id
        CROSS JOIN LATERAL (SELECT array_position(r.item_ids, u.question_id) AS place) AS i
        WHERE t.id = attempt_review.attempt_id;
    END IF;
    v.items := coalesce(v.items, '{}');
    PERFORM sc_api.no_store();
    RETURN v;
END
$$;
COMMENT ON FUNCTION sc_api.attempt_review(bigint, bigint) IS
'The attempt question by question, as far as the exam''s review policy shows it in this phase; the staff of the exam see all of it, a coach answers and marks once it is handed in, and the key when the exam is closed.';

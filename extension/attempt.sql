-- Attempts: start, save, hand in, close.

CREATE FUNCTION sc.start_attempt(
    exam_id bigint,
    user_id bigint,
    password text DEFAULT NULL,
    sections bigint[] DEFAULT NULL,
    preview boolean DEFAULT false,
    at timestamptz DEFAULT clock_timestamp(),
    OUT attempt_id bigint,
    OUT outcome text)
AS 'MODULE_PATHNAME', 'sc_start_attempt'
LANGUAGE C VOLATILE PARALLEL UNSAFE;
COMMENT ON FUNCTION sc.start_attempt(bigint, bigint, text, bigint[], boolean, timestamptz) IS
    'begins a sitting, or gives the open one; outcome created, existing or wrong_password; refuses when the window does not allow it';

CREATE FUNCTION sc.precreate_attempts(exam_id bigint, at timestamptz DEFAULT clock_timestamp())
RETURNS int
AS 'MODULE_PATHNAME', 'sc_precreate_attempts'
LANGUAGE C VOLATILE STRICT PARALLEL UNSAFE;
COMMENT ON FUNCTION sc.precreate_attempts(bigint, timestamptz) IS
    'prepares attempts in state not_started for all who must sit the exam and have none, so that the opening is cheap; returns how many';

CREATE FUNCTION sc.save_answer(
    attempt_id bigint,
    question_id bigint,
    seq bigint,
    answer jsonb,
    elapsed_ms int DEFAULT NULL,
    at timestamptz DEFAULT clock_timestamp(),
    OUT saved_question_id bigint,
    OUT stored_seq bigint,
    OUT stored_answer jsonb,
    OUT stale boolean,
    OUT saved_at timestamptz,
    OUT late_ms int,
    OUT state text,
    OUT server_now timestamptz,
    OUT deadline_at timestamptz,
    OUT remaining_ms bigint)
AS 'MODULE_PATHNAME', 'sc_save_answer'
LANGUAGE C VOLATILE PARALLEL UNSAFE;
COMMENT ON FUNCTION sc.save_answer(bigint, bigint, bigint, jsonb, int, timestamptz) IS
    'saves one answer; a higher seq wins, NULL clears; refuses after deadline and slack';

CREATE FUNCTION sc.save_answers(
    attempt_id bigint,
    user_id bigint,
    answers jsonb,
    at timestamptz DEFAULT clock_timestamp())
RETURNS jsonb
AS 'MODULE_PATHNAME', 'sc_save_answers'
LANGUAGE C VOLATILE PARALLEL UNSAFE;
COMMENT ON FUNCTION sc.save_answers(bigint, bigint, jsonb, timestamptz) IS
    'saves up to 500 answers [{"question_id","seq","answer","elapsed_ms"}]; a bad one costs only itself: says of each what became of it; user_id NULL: whoever''s it is';

CREATE FUNCTION sc.submit_attempt(
    attempt_id bigint,
    user_id bigint DEFAULT NULL,
    answers jsonb DEFAULT NULL,
    reason text DEFAULT 'student',
    at timestamptz DEFAULT clock_timestamp(),
    OUT state text,
    OUT saved jsonb)
AS 'MODULE_PATHNAME', 'sc_submit_attempt'
LANGUAGE C VOLATILE PARALLEL UNSAFE;
COMMENT ON FUNCTION sc.submit_attempt(bigint, bigint, jsonb, text, timestamptz) IS
    'hands in with a last batch of answers and scores; past the time it closes by the exam''s policy instead; a repetition changes nothing';

CREATE FUNCTION sc.close_if_due(attempt_id bigint, at timestamptz DEFAULT clock_timestamp())
RETURNS text
AS 'MODULE_PATHNAME', 'sc_close_if_due'
LANGUAGE C VOLATILE STRICT PARALLEL UNSAFE;
COMMENT ON FUNCTION sc.close_if_due(bigint, timestamptz) IS
    'closes an attempt whose time is up; returns the state it is in then';

CREATE FUNCTION sc.score_each(attempt_ids bigint[])
RETURNS int
LANGUAGE plpgsql VOLATILE STRICT PARALLEL UNSAFE
AS $$
DECLARE
    attempt bigint;
    scored int := 0;
BEGIN
    FOREACH attempt IN ARRAY attempt_ids LOOP
        BEGIN
            PERFORM sc.score_attempt(attempt);
            scored := scored + 1;
        EXCEPTION WHEN OTHERS THEN
            -- one broken key must not keep a school's attempts open
            RAISE WARNING 'attempt % could not be scored: %', attempt, SQLERRM;
            UPDATE sc.exam_attempts AS a SET needs_scoring = true WHERE a.id = attempt;
        END;
    END LOOP;
    RETURN scored;
END
$$;
COMMENT ON FUNCTION sc.score_each(bigint[]) IS
    'scores attempts one by one; one that cannot be scored is marked, for score_waiting(); returns how many were scored';

CREATE FUNCTION sc.score_waiting(lim int DEFAULT 500)
RETURNS int
LANGUAGE plpgsql VOLATILE STRICT PARALLEL UNSAFE
AS $$
DECLARE
    ids bigint[];
BEGIN
    WITH waiting AS (
        SELECT a.id FROM sc.exam_attempts AS a
        WHERE a.needs_scoring
        ORDER BY a.id
        LIMIT lim
        FOR NO KEY UPDATE SKIP LOCKED),
    taken AS (
        UPDATE sc.exam_attempts AS a SET needs_scoring = false
        FROM waiting AS w WHERE a.id = w.id
        RETURNING a.id)
    SELECT array_agg(t.id ORDER BY t.id) INTO ids FROM taken AS t;
    RETURN coalesce(sc.score_each(ids), 0);
END
$$;
COMMENT ON FUNCTION sc.score_waiting(int) IS
    'tries again to score attempts whose scoring failed when they were closed; returns how many were scored';

CREATE FUNCTION sc.close_overdue(lim int DEFAULT 500, at timestamptz DEFAULT clock_timestamp())
RETURNS int
AS 'MODULE_PATHNAME', 'sc_close_overdue'
LANGUAGE C VOLATILE STRICT PARALLEL UNSAFE;
COMMENT ON FUNCTION sc.close_overdue(int, timestamptz) IS
    'closes up to lim attempts whose time is up, as their exams'' policies say, and scores them; many may run at once; returns how many were closed';

CREATE FUNCTION sc.attempt_actor(token text, attempt_id bigint)
RETURNS bigint
LANGUAGE plpgsql STABLE STRICT PARALLEL SAFE
AS $$
DECLARE
    holder bigint;
BEGIN
    SELECT a.user_id INTO holder
    FROM sc.exam_attempts AS a
    WHERE a.token_hash = sha256(convert_to(token, 'UTF8')) AND a.id = attempt_actor.attempt_id
      AND coalesce(a.finished_at, 'infinity') > clock_timestamp() - interval '1 hour';
    RETURN holder;
END
$$;
COMMENT ON FUNCTION sc.attempt_actor(text, bigint) IS
    'whose attempt this token is good for: the one it was given for, no other of the student''s, while it is open and an hour after, however long ago the log-in was; NULL if nobody''s';

-- What is shown of an attempt.

CREATE TYPE sc_api.attempt_section AS (
    id bigint,
    title text,
    test text,
    question_count int,
    alternative_group text
);
COMMENT ON COLUMN sc_api.attempt_section.id IS 'section';
COMMENT ON COLUMN sc_api.attempt_section.title IS 'title';
COMMENT ON COLUMN sc_api.attempt_section.test IS 'test whose net it adds to';
COMMENT ON COLUMN sc_api.attempt_section.question_count IS 'questions of it in this attempt';
COMMENT ON COLUMN sc_api.attempt_section.alternative_group IS 'of sections with the same group one counts';

CREATE TYPE sc_api.attempt_question AS (
    question_id bigint,
    number int,
    section_id bigint,
    type text,
    prompt text,
    format text,
    options jsonb,
    media jsonb,
    points numeric,
    seq bigint,
    answer jsonb,
    saved_at timestamptz
);
COMMENT ON COLUMN sc_api.attempt_question.question_id IS 'question';
COMMENT ON COLUMN sc_api.attempt_question.number IS 'place in the attempt, from 1';
COMMENT ON COLUMN sc_api.attempt_question.section_id IS 'section';
COMMENT ON COLUMN sc_api.attempt_question.type IS 'kind of question';
COMMENT ON COLUMN sc_api.attempt_question.prompt IS 'text';
COMMENT ON COLUMN sc_api.attempt_question.format IS 'markdown, html or plain';
COMMENT ON COLUMN sc_api.attempt_question.options IS 'choices, in the order and by the ids of this attempt';
COMMENT ON COLUMN sc_api.attempt_question.media IS 'pictures and the like';
COMMENT ON COLUMN sc_api.attempt_question.points IS 'worth';
COMMENT ON COLUMN sc_api.attempt_question.seq IS 'counter of the stored save; NULL = never saved';
COMMENT ON COLUMN sc_api.attempt_question.answer IS 'own answer; NULL = blank';
COMMENT ON COLUMN sc_api.attempt_question.saved_at IS 'when it was taken';

CREATE TYPE sc_api.announcement AS (
    id bigint,
    body text,
    created_at timestamptz
);
COMMENT ON COLUMN sc_api.announcement.id IS 'identity';
COMMENT ON COLUMN sc_api.announcement.body IS 'text';
COMMENT ON COLUMN sc_api.announcement.created_at IS 'when';

CREATE TYPE sc_api.attempt AS (
    id bigint,
    exam_id bigint,
    exam_title text,
    user_id bigint,
    attempt_no int,
    state text,
    is_preview boolean,
    started_at timestamptz,
    deadline_at timestamptz,
    time_limit int,
    server_now timestamptz,
    remaining_ms bigint,
    accepts_answers boolean,
    submitted_at timestamptz,
    finished_at timestamptz,
    finish_reason text,
    late_ms int,
    question_count int,
    answered_count int,
    token text,
    sections sc_api.attempt_section[],
    questions sc_api.attempt_question[],
    announcements sc_api.announcement[],
    saved jsonb,
    result jsonb
);
COMMENT ON COLUMN sc_api.attempt.id IS 'identity';
COMMENT ON COLUMN sc_api.attempt.exam_id IS 'exam';
COMMENT ON COLUMN sc_api.attempt.exam_title IS 'its title';
COMMENT ON COLUMN sc_api.attempt.user_id IS 'student';
COMMENT ON COLUMN sc_api.attempt.attempt_no IS '1, 2, …';
COMMENT ON COLUMN sc_api.attempt.state IS 'not_started, in_progress, overdue, submitted, graded or abandoned';
COMMENT ON COLUMN sc_api.attempt.is_preview IS 'staff trying the exam; never counted';
COMMENT ON COLUMN sc_api.attempt.started_at IS 'when the time began to run';
COMMENT ON COLUMN sc_api.attempt.deadline_at IS 'end of the time; NULL = none';
COMMENT ON COLUMN sc_api.attempt.time_limit IS 'seconds from start to deadline: less than the exam''s limit for who starts late';
COMMENT ON COLUMN sc_api.attempt.server_now IS 'the only clock that counts';
COMMENT ON COLUMN sc_api.attempt.remaining_ms IS 'milliseconds until the deadline, 0 when it is over; NULL = no deadline';
COMMENT ON COLUMN sc_api.attempt.accepts_answers IS 'false: the time is up or it was handed in';
COMMENT ON COLUMN sc_api.attempt.submitted_at IS 'when it was handed in';
COMMENT ON COLUMN sc_api.attempt.finished_at IS 'end of the work';
COMMENT ON COLUMN sc_api.attempt.finish_reason IS 'student, deadline, staff or abandoned';
COMMENT ON COLUMN sc_api.attempt.late_ms IS 'largest lateness of an answer';
COMMENT ON COLUMN sc_api.attempt.question_count IS 'questions';
COMMENT ON COLUMN sc_api.attempt.answered_count IS 'questions with an answer';
COMMENT ON COLUMN sc_api.attempt.token IS 'attempt token, when asked for at the start; shown once';
COMMENT ON COLUMN sc_api.attempt.sections IS 'its parts';
COMMENT ON COLUMN sc_api.attempt.questions IS 'questions in the order shown, with own answers; empty once the attempt is over (see review)';
COMMENT ON COLUMN sc_api.attempt.announcements IS 'messages of the staff';
COMMENT ON COLUMN sc_api.attempt.saved IS 'what became of the answers sent with the hand-in';
COMMENT ON COLUMN sc_api.attempt.result IS 'the result, as far as the review policy shows it now; NULL = nothing yet';

CREATE FUNCTION sc.remaining_ms(deadline timestamptz, at timestamptz)
RETURNS bigint
AS 'MODULE_PATHNAME', 'sc_remaining_ms'
LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION sc.remaining_ms(timestamptz, timestamptz) IS
    'milliseconds until a deadline, rounded up, 0 past it; NULL where there is none';

CREATE FUNCTION sc.attempt_questions(attempt_id bigint)
RETURNS sc_api.attempt_question[]
LANGUAGE plpgsql STABLE STRICT PARALLEL SAFE
AS $$
DECLARE
    questions sc_api.attempt_question[];
BEGIN
    SELECT array_agg(ROW(
               u.question_id, u.number, u.section_id, v.type, v.prompt, v.format,
               sc.shown_options(v.type, sc.options_public(v.type, v.options, false), a.seed, u.question_id, e.shuffle_options),
               v.media, q.points, s.seq,
               sc.shown_answer(v.type, v.options, a.seed, u.question_id, e.shuffle_options, s.answer),
               s.saved_at)::sc_api.attempt_question ORDER BY u.number)
    INTO questions
    FROM sc.exam_attempts AS a
    JOIN sc.exams AS e ON e.id = a.exam_id
    CROSS JOIN LATERAL unnest(a.question_ids, a.version_ids, a.section_ids)
        WITH ORDINALITY AS u(question_id, version_id, section_id, number)
    JOIN sc.question_versions AS v ON v.id = u.version_id
    LEFT JOIN sc.exam_questions AS q ON q.exam_id = a.exam_id AND q.question_id = u.question_id
    LEFT JOIN sc.attempt_answers AS s ON s.attempt_id = a.id AND s.question_id = u.question_id
    WHERE a.id = attempt_questions.attempt_id;
    RETURN coalesce(questions, '{}');
END
$$;
COMMENT ON FUNCTION sc.attempt_questions(bigint) IS
    'questions of an attempt as the student sees them while it runs: no key, no explanation, no weights, no feedback';

CREATE FUNCTION sc.attempt_view(
    attempt_id bigint,
    with_questions boolean DEFAULT true,
    at timestamptz DEFAULT clock_timestamp())
RETURNS sc_api.attempt
LANGUAGE plpgsql STABLE STRICT PARALLEL SAFE
AS $$
DECLARE
    v sc_api.attempt;
    slack interval;
BEGIN
    SELECT a.id, a.exam_id, e.title, a.user_id, a.attempt_no, a.state, a.is_preview,
           a.started_at, a.deadline_at,
           CASE WHEN a.deadline_at IS NOT NULL THEN least(extract(epoch FROM a.deadline_at - a.started_at), 2147483647)::int END,
           a.submitted_at, a.finished_at, a.finish_reason, a.late_ms, cardinality(a.question_ids),
           make_interval(secs => e.slack_seconds)
    INTO v.id, v.exam_id, v.exam_title, v.user_id, v.attempt_no, v.state, v.is_preview,
         v.started_at, v.deadline_at, v.time_limit,
         v.submitted_at, v.finished_at, v.finish_reason, v.late_ms, v.question_count,
         slack
    FROM sc.exam_attempts AS a
    JOIN sc.exams AS e ON e.id = a.exam_id
    WHERE a.id = attempt_view.attempt_id;
    IF NOT FOUND THEN
        RETURN NULL;
    END IF;
    v.server_now := attempt_view.at;
    v.remaining_ms := CASE WHEN v.finished_at IS NULL THEN sc.remaining_ms(v.deadline_at, attempt_view.at) ELSE 0 END;
    v.accepts_answers := v.state = 'in_progress' AND coalesce(attempt_view.at <= v.deadline_at + slack, true);
    SELECT count(*) INTO v.answered_count
    FROM sc.attempt_answers AS s
    WHERE s.attempt_id = attempt_view.attempt_id AND s.answer IS NOT NULL;
    SELECT array_agg(ROW(s.id, s.title, s.test, n.questions, s.alternative_group)::sc_api.attempt_section ORDER BY s.order_index)
    INTO v.sections
    FROM (SELECT u.section_id, count(*) AS questions
          FROM sc.exam_attempts AS a, unnest(a.section_ids) AS u(section_id)
          WHERE a.id = attempt_view.attempt_id
          GROUP BY u.section_id) AS n
    JOIN sc.exam_sections AS s ON s.id = n.section_id;
    v.sections := coalesce(v.sections, '{}');
    SELECT array_agg(ROW(n.id, n.body, n.created_at)::sc_api.announcement ORDER BY n.id)
    INTO v.announcements
    FROM sc.exam_announcements AS n
    WHERE n.exam_id = v.exam_id;
    v.announcements := coalesce(v.announcements, '{}');
    IF with_questions AND v.state IN ('in_progress', 'overdue') THEN
        v.questions := sc.attempt_questions(attempt_view.attempt_id);
    ELSE
        v.questions := '{}';
    END IF;
    RETURN v;
END
$$;
COMMENT ON FUNCTION sc.attempt_view(bigint, boolean, timestamptz) IS 'an attempt as its student sees it';

CREATE FUNCTION sc.result_counts(attempt_id bigint)
RETURNS jsonb
LANGUAGE plpgsql STABLE STRICT PARALLEL SAFE
AS $$
DECLARE
    result jsonb;
BEGIN
    SELECT jsonb_build_object(
               'state', r.state, 'correct', r.correct, 'wrong', r.wrong, 'blank', r.blank,
               'net', r.net, 'points', r.points, 'max_points', r.max_points,
               'percent', r.percent, 'passed', r.passed,
               'sections', coalesce((
                   SELECT jsonb_agg(jsonb_build_object(
                              'section_id', s.section_id, 'title', x.title, 'test', x.test,
                              'correct', s.correct, 'wrong', s.wrong, 'blank', s.blank, 'net', s.net)
                              ORDER BY x.order_index)
                   FROM sc.result_sections AS s
                   JOIN sc.exam_sections AS x ON x.id = s.section_id
                   WHERE s.result_id = r.id), '[]'))
    INTO result
    FROM sc.exam_results AS r
    WHERE r.attempt_id = result_counts.attempt_id;
    RETURN result;
END
$$;
COMMENT ON FUNCTION sc.result_counts(bigint) IS 'counts and nets of a handed-in attempt, whoever may see them';

CREATE FUNCTION sc.attempt_result(attempt_id bigint, at timestamptz DEFAULT clock_timestamp())
RETURNS jsonb
LANGUAGE plpgsql STABLE STRICT PARALLEL SAFE
AS $$
DECLARE
    exam bigint;
BEGIN
    SELECT a.exam_id INTO exam FROM sc.exam_attempts AS a
    WHERE a.id = attempt_result.attempt_id AND a.finished_at IS NOT NULL;
    IF NOT FOUND OR NOT sc.review_allows(exam, attempt_id, 'marks', attempt_result.at) THEN
        RETURN NULL;
    END IF;
    RETURN sc.result_counts(attempt_id);
END
$$;
COMMENT ON FUNCTION sc.attempt_result(bigint, timestamptz) IS
    'counts and nets of a handed-in attempt where the review policy shows marks at that instant, else NULL';

-- Handlers.

CREATE TYPE sc_api.saved_answer AS (
    question_id bigint,
    seq bigint,
    answer jsonb,
    stale boolean,
    saved_at timestamptz,
    late_ms int,
    state text,
    server_now timestamptz,
    deadline_at timestamptz,
    remaining_ms bigint
);
COMMENT ON COLUMN sc_api.saved_answer.question_id IS 'question';
COMMENT ON COLUMN sc_api.saved_answer.seq IS 'counter of what is stored now';
COMMENT ON COLUMN sc_api.saved_answer.answer IS 'what is stored now; NULL = blank';
COMMENT ON COLUMN sc_api.saved_answer.stale IS 'true: a save with a higher counter, or another with the same, was there before; nothing changed';
COMMENT ON COLUMN sc_api.saved_answer.saved_at IS 'when what is stored was taken';
COMMENT ON COLUMN sc_api.saved_answer.late_ms IS 'milliseconds past the deadline, within the slack';
COMMENT ON COLUMN sc_api.saved_answer.state IS 'state of the attempt';
COMMENT ON COLUMN sc_api.saved_answer.server_now IS 'the only clock that counts';
COMMENT ON COLUMN sc_api.saved_answer.deadline_at IS 'end of the time; NULL = none';
COMMENT ON COLUMN sc_api.saved_answer.remaining_ms IS 'milliseconds until the deadline; NULL = none';

CREATE TYPE sc_api.saved_answers AS (
    answers jsonb,
    state text,
    server_now timestamptz,
    deadline_at timestamptz,
    remaining_ms bigint
);
COMMENT ON COLUMN sc_api.saved_answers.answers IS
    '[{"question_id","status","seq","answer","late_ms"}] in the order sent; status saved, stale, not_found, invalid_answer or attempt_closed';
COMMENT ON COLUMN sc_api.saved_answers.state IS 'state of the attempt';
COMMENT ON COLUMN sc_api.saved_answers.server_now IS 'the only clock that counts';
COMMENT ON COLUMN sc_api.saved_answers.deadline_at IS 'end of the time; NULL = none';
COMMENT ON COLUMN sc_api.saved_answers.remaining_ms IS 'milliseconds until the deadline; NULL = none';

CREATE TYPE sc_api.attempt_clock AS (
    attempt_id bigint,
    state text,
    server_now timestamptz,
    deadline_at timestamptz,
    remaining_ms bigint,
    announcement_ids bigint[],
    accepts_answers boolean
);
COMMENT ON COLUMN sc_api.attempt_clock.attempt_id IS 'attempt';
COMMENT ON COLUMN sc_api.attempt_clock.state IS 'its state';
COMMENT ON COLUMN sc_api.attempt_clock.server_now IS 'the only clock that counts';
COMMENT ON COLUMN sc_api.attempt_clock.deadline_at IS 'end of the time; NULL = none';
COMMENT ON COLUMN sc_api.attempt_clock.remaining_ms IS 'milliseconds until the deadline, 0 when it is over; NULL = no deadline';
COMMENT ON COLUMN sc_api.attempt_clock.announcement_ids IS 'messages there are; a new one is a reason to fetch the attempt';
COMMENT ON COLUMN sc_api.attempt_clock.accepts_answers IS 'false: the time is up or it was handed in';

CREATE FUNCTION sc_api.attempt_start(
    actor bigint,
    exam_id bigint,
    password text DEFAULT NULL,
    sections bigint[] DEFAULT NULL,
    with_token boolean DEFAULT false,
    preview boolean DEFAULT false)
RETURNS sc_api.attempt
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
AS $$
DECLARE
    started record;
    v sc_api.attempt;
BEGIN
    IF preview AND NOT sc.is_exam_staff(actor, exam_id) THEN
        PERFORM sc_api.refuse(403, 'forbidden');
    END IF;
    -- a password is not found by trying
    IF password IS NOT NULL AND (SELECT count(*) FROM sc.exam_audit AS x
                                 WHERE x.actor_id = actor AND x.exam_id = attempt_start.exam_id AND x.action = 'wrong_password'
                                   AND x.detail @> '{"given": true}' AND x.at > clock_timestamp() - interval '1 minute') >= 10 THEN
        PERFORM sc_api.header('Retry-After', '60');
        PERFORM sc_api.answer(429, 'too_many_guesses');
        RETURN NULL;
    END IF;
    SELECT s.attempt_id, s.outcome INTO started
    FROM sc.start_attempt(exam_id, actor, password, sections, coalesce(preview, false)) AS s;
    IF started.outcome = 'wrong_password' THEN
        INSERT INTO sc.exam_audit (exam_id, actor_id, action, detail)
        VALUES (attempt_start.exam_id, actor, 'wrong_password', jsonb_build_object('given', password IS NOT NULL));
        PERFORM sc_api.answer(403, CASE WHEN password IS NULL THEN 'password_required' ELSE 'wrong_password' END);
        RETURN NULL;
    END IF;
    v := sc.attempt_view(started.attempt_id);
    IF with_token THEN
        v.token := replace(gen_random_uuid()::text || gen_random_uuid()::text, '-', '');
        UPDATE sc.exam_attempts AS a
        SET token_hash = sha256(convert_to(v.token, 'UTF8'))
        WHERE a.id = started.attempt_id;
        PERFORM sc_api.not_kept(v.token);
    END IF;
    PERFORM sc_api.answer(CASE started.outcome WHEN 'created' THEN 201 ELSE 200 END);
    PERFORM sc_api.header('Location', '/api/v1/attempts/' || started.attempt_id);
    RETURN v;
END
$$;
COMMENT ON FUNCTION sc_api.attempt_start(bigint, bigint, text, bigint[], boolean, boolean) IS
'Begins the exam (201), or gives the attempt that is already open (200): calling it twice never makes two. The time runs from here. sections chooses among alternative sections; without it all alternatives are shown and the one that is answered counts. with_token gives an attempt token for the header X-Attempt-Token, good for this attempt alone, which outlives the log-in; it takes the place of an earlier one, and a replay by Idempotency-Key does not repeat it: start again without the key for another. preview lets staff try the exam.';

CREATE FUNCTION sc_api.attempt_get(actor bigint, attempt_id bigint)
RETURNS sc_api.attempt
LANGUAGE plpgsql STABLE PARALLEL SAFE
AS $$
DECLARE
    v sc_api.attempt;
    own boolean;
BEGIN
    SELECT a.user_id = actor INTO own FROM sc.exam_attempts AS a WHERE a.id = attempt_get.attempt_id;
    IF own IS NOT true AND NOT sc.sees_attempt(actor, attempt_id) THEN
        RETURN NULL;
    END IF;
    v := sc.attempt_view(attempt_id, own);
    v.result := sc.attempt_result(attempt_id);
    PERFORM sc_api.no_store();
    RETURN v;
END
$$;
COMMENT ON FUNCTION sc_api.attempt_get(bigint, bigint) IS
'The attempt as it stands, to begin it and to resume it: questions without keys, own answers with their seq, and the time left. Staff see it without the questions.';

CREATE FUNCTION sc_api.attempt_clock(actor bigint, attempt_id bigint)
RETURNS sc_api.attempt_clock
AS 'MODULE_PATHNAME', 'sc_api_attempt_clock'
LANGUAGE C STABLE PARALLEL SAFE;
COMMENT ON FUNCTION sc_api.attempt_clock(bigint, bigint) IS
'Time left, state and announcements: cheap enough for every client to poll. An extension shows here at once.';

CREATE FUNCTION sc_api.answer_save(
    actor bigint,
    attempt_id bigint,
    question_id bigint,
    seq bigint,
    answer jsonb DEFAULT NULL,
    elapsed_ms int DEFAULT NULL,
    given text[] DEFAULT NULL)
RETURNS sc_api.saved_answer
AS 'MODULE_PATHNAME', 'sc_api_answer_save'
LANGUAGE C VOLATILE PARALLEL UNSAFE;
COMMENT ON FUNCTION sc_api.answer_save(bigint, bigint, bigint, bigint, jsonb, int, text[]) IS
'Saves one answer, durably before it is acknowledged. seq is the client''s counter per question: a higher one replaces, the same again is fine, a lower one changes nothing and is answered with what is stored (stale). "answer": null clears.';

CREATE FUNCTION sc_api.answers_save(actor bigint, attempt_id bigint, answers jsonb)
RETURNS sc_api.saved_answers
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
AS $$
DECLARE
    saved sc_api.saved_answers;
BEGIN
    saved.server_now := clock_timestamp();
    saved.answers := sc.save_answers(attempt_id, actor, answers, saved.server_now);
    SELECT a.state, a.deadline_at, sc.remaining_ms(a.deadline_at, saved.server_now)
    INTO saved.state, saved.deadline_at, saved.remaining_ms
    FROM sc.exam_attempts AS a
    WHERE a.id = answers_save.attempt_id;
    RETURN saved;
END
$$;
COMMENT ON FUNCTION sc_api.answers_save(bigint, bigint, jsonb) IS
'Saves up to 500 answers at once, as after a lost connection: [{"question_id", "seq", "answer", "elapsed_ms"}]. Each is judged by itself; the answer says of each what became of it.';

CREATE FUNCTION sc_api.attempt_submit(actor bigint, attempt_id bigint, answers jsonb DEFAULT NULL)
RETURNS sc_api.attempt
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
AS $$
DECLARE
    done record;
    v sc_api.attempt;
BEGIN
    SELECT s.state, s.saved INTO done FROM sc.submit_attempt(attempt_id, actor, answers) AS s;
    IF done.state = 'abandoned' THEN
        PERFORM sc_api.answer(409, 'attempt_closed', jsonb_build_object('state', done.state));
        RETURN NULL;
    END IF;
    v := sc.attempt_view(attempt_id, false);
    v.saved := done.saved;
    v.result := sc.attempt_result(attempt_id);
    RETURN v;
END
$$;
COMMENT ON FUNCTION sc_api.attempt_submit(bigint, bigint, jsonb) IS
'Hands in, with a last batch of answers if there is one, and scores. A repetition gives the same answer. Past the time the attempt was handed in at its deadline, and the batch is not taken. The result is shown as far as the review policy allows.';

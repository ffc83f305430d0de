-- Videos over HTTP: embed, heartbeats, progress.

CREATE TYPE sc_api.video_embed AS (
    video_id bigint, embed_url text, can_access boolean,
    title text, duration int, embeddable boolean, position_s int, percent numeric, completed_at timestamptz);
COMMENT ON TYPE sc_api.video_embed IS 'leave to watch a video';
COMMENT ON COLUMN sc_api.video_embed.embed_url IS 'address for the frame of the player';
COMMENT ON COLUMN sc_api.video_embed.can_access IS 'always true: a refusal is a problem document';
COMMENT ON COLUMN sc_api.video_embed.duration IS 'seconds; 0 = not yet known';
COMMENT ON COLUMN sc_api.video_embed.embeddable IS 'false: YouTube will refuse to play it in a page; show a notice instead';
COMMENT ON COLUMN sc_api.video_embed.position_s IS 'where to resume, in seconds';
COMMENT ON COLUMN sc_api.video_embed.percent IS 'watched so far';

CREATE FUNCTION sc_api.video_embed(actor bigint, jti uuid, video_id bigint)
RETURNS sc_api.video_embed
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
AS $$
DECLARE
    g record;
BEGIN
    PERFORM sc_api.no_store();
    g := sc.grant_video(actor, video_id, sc_api.ctx('ip')::inet, jti, sc_api.ctx('request_id'));
    IF NOT g.can_access THEN
        PERFORM sc_api.answer(CASE g.reason WHEN 'unpublished' THEN 404 ELSE 403 END, g.reason);
        RETURN NULL;
    END IF;
    RETURN ROW(video_id, 'https://www.youtube.com/embed/' || g.youtube_id || '?rel=0&modestbranding=1', true,
               g.title, g.duration, g.embeddable, g.position_s, g.percent, g.completed_at);
END
$$;
COMMENT ON FUNCTION sc_api.video_embed(bigint, uuid, bigint) IS
    'Checks whether the video may be watched now and gives its address. Every call is logged, refusals too; the answer is never cached. '
    'A refusal names its reason as the code: unpublished (404), not_enrolled, suspended, expired, locked (403).';

CREATE TYPE sc_api.video_progress AS (
    video_id bigint, percent numeric, covered_seconds int, watched_seconds int, total_seconds int,
    position_s int, completed_at timestamptz, segments int4multirange);
COMMENT ON TYPE sc_api.video_progress IS 'what was watched of a video';
COMMENT ON COLUMN sc_api.video_progress.percent IS 'covered of total, 0 to 100; never falls by a heartbeat';
COMMENT ON COLUMN sc_api.video_progress.covered_seconds IS 'seconds of the video seen at least once';
COMMENT ON COLUMN sc_api.video_progress.watched_seconds IS 'seconds spent watching, repeats included';
COMMENT ON COLUMN sc_api.video_progress.total_seconds IS 'duration that percent refers to';
COMMENT ON COLUMN sc_api.video_progress.position_s IS 'where to resume';
COMMENT ON COLUMN sc_api.video_progress.completed_at IS 'set once, never taken back';
COMMENT ON COLUMN sc_api.video_progress.segments IS 'the spans seen; left out of the answer to a heartbeat';

-- [{"from": 0, "to": 12.5, "rate": 1}, …] as a multirange.  Times are rounded
-- to whole seconds, so that a span that continues another still does so.
CREATE FUNCTION sc.segments_from_json(segments jsonb)
RETURNS int4multirange
LANGUAGE plpgsql IMMUTABLE STRICT PARALLEL SAFE
AS $$
DECLARE
    s jsonb;
    lo numeric;
    hi numeric;
    spans int4range[] := '{}';
BEGIN
    IF jsonb_typeof(segments) <> 'array' OR jsonb_array_length(segments) > 1000 THEN
        RETURN NULL;
    END IF;
    FOR s IN SELECT x.value FROM jsonb_array_elements(segments) AS x LOOP
        IF jsonb_typeof(s->'from') IS DISTINCT FROM 'number' OR jsonb_typeof(s->'to') IS DISTINCT FROM 'number'
           OR coalesce(jsonb_typeof(s->'rate'), 'number') <> 'number' THEN
            RETURN NULL;
        END IF;
        lo := round(least(greatest((s->>'from')::numeric, 0), 86400));
        hi := round(least(greatest((s->>'to')::numeric, 0), 86400));
        IF lo < hi THEN
            spans := spans || int4range(lo::int, hi::int);
        END IF;
    END LOOP;
    RETURN int4multirange(VARIADIC spans);
END
$$;
COMMENT ON FUNCTION sc.segments_from_json(jsonb) IS 'spans as players send them, made a set of whole seconds; NULL if they are not of that form';

-- Where the player is: the end of the span it reported last.
CREATE FUNCTION sc.last_position(segments jsonb)
RETURNS float8
LANGUAGE plpgsql IMMUTABLE STRICT PARALLEL SAFE
AS $$
BEGIN
    RETURN sc.json_seconds(segments->-1->'to');
END
$$;
COMMENT ON FUNCTION sc.last_position(jsonb) IS 'end of the last of the spans that a player sent; NULL if there is none';

CREATE FUNCTION sc_api.video_heartbeat(
    actor bigint, video_id bigint, watched_seconds float8 DEFAULT NULL, total_seconds float8 DEFAULT NULL,
    position_s float8 DEFAULT NULL, segments jsonb DEFAULT NULL)
RETURNS sc_api.video_progress
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
AS $$
DECLARE
    p record;
    spans int4multirange;
BEGIN
    IF watched_seconds IS NULL AND position_s IS NULL AND segments IS NULL THEN
        PERFORM sc_api.invalid('watched_seconds', 'required');
    END IF;
    spans := sc.segments_from_json(segments);
    IF spans IS NULL AND segments IS NOT NULL THEN
        PERFORM sc_api.invalid('segments', 'invalid_segments');
    END IF;
    PERFORM sc_api.check_valid();
    p := sc.record_progress(actor, video_id, watched_seconds, total_seconds,
                            coalesce(position_s, sc.last_position(segments)), spans);
    RETURN ROW(video_id, p.percent, p.covered_seconds, p.watched_seconds, p.total_seconds, p.position_s, p.completed_at, NULL::int4multirange);
END
$$;
COMMENT ON FUNCTION sc_api.video_heartbeat(bigint, bigint, float8, float8, float8, jsonb) IS
    'Keeps what was watched. Send {"watched_seconds", "total_seconds"}, which counts as one span from the start, or the spans played since '
    'the last heartbeat as segments [{"from", "to", "rate"}]. Spans, and everything in a strict course, may add up to twice the time since '
    'the last heartbeat plus 30 s; what exceeds that is cut. Repeated and late heartbeats do no harm.';

-- Heartbeats kept while there was no connection

CREATE TYPE sc_api.batch_result AS (n int, video_id bigint, status int, code text, percent numeric, covered_seconds int, position_s int, completed_at timestamptz);
COMMENT ON TYPE sc_api.batch_result IS 'what became of one heartbeat';
COMMENT ON COLUMN sc_api.batch_result.n IS 'its place in the request, from 1';
COMMENT ON COLUMN sc_api.batch_result.status IS '200, or the status that it would have had alone';
COMMENT ON COLUMN sc_api.batch_result.code IS 'why it was refused; null = kept';

CREATE FUNCTION sc.json_seconds(value jsonb)
RETURNS float8
LANGUAGE plpgsql IMMUTABLE STRICT PARALLEL SAFE
AS $$
BEGIN
    RETURN CASE WHEN jsonb_typeof(value) = 'number' THEN least(greatest(value::numeric, 0), 86400) END;
END
$$;
COMMENT ON FUNCTION sc.json_seconds(jsonb) IS 'a number of seconds within a day; NULL for anything else';

CREATE FUNCTION sc_api.progress_batch(actor bigint, _heartbeats jsonb)
RETURNS SETOF sc_api.batch_result
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
AS $$
DECLARE
    h record;
    r sc_api.batch_result;
    p record;
    access record;
    spans int4multirange;
    results sc_api.batch_result[];
BEGIN
    IF jsonb_typeof(_heartbeats) <> 'array' OR jsonb_array_length(_heartbeats) NOT BETWEEN 1 AND 500 THEN
        PERFORM sc_api.invalid('heartbeats', 'invalid_heartbeats');
        PERFORM sc_api.check_valid();
    END IF;
    -- by video, as all writers of progress do, then as they happened
    FOR h IN
        SELECT x.n::int, x.beat, v.video_id, sc.heartbeat_time(x.beat->'at') AS at
        FROM jsonb_array_elements(_heartbeats) WITH ORDINALITY AS x(beat, n),
             LATERAL (SELECT CASE WHEN x.beat->>'video_id' ~ '^[1-9][0-9]{0,17}$' THEN (x.beat->>'video_id')::bigint END AS video_id) AS v
        ORDER BY v.video_id, at, x.n
    LOOP
        r := NULL;
        r.n := h.n;
        r.video_id := h.video_id;
        spans := sc.segments_from_json(nullif(h.beat->'segments', 'null'));
        IF h.video_id IS NULL OR h.at IS NULL
           OR (spans IS NULL AND nullif(h.beat->'segments', 'null') IS NOT NULL)
           OR (spans IS NULL AND sc.json_seconds(h.beat->'watched_seconds') IS NULL) THEN
            r.status := 422;
            r.code := 'invalid_heartbeats';
        ELSE
            access := sc.video_access(actor, h.video_id, h.at);
            IF NOT access.can_access THEN
                r.status := CASE access.reason WHEN 'unpublished' THEN 404 ELSE 403 END;
                r.code := access.reason;
            ELSE
                p := sc.record_progress(actor, h.video_id, sc.json_seconds(h.beat->'watched_seconds'),
                                        sc.json_seconds(h.beat->'total_seconds'),
                                        coalesce(sc.json_seconds(h.beat->'position_s'), sc.last_position(nullif(h.beat->'segments', 'null'))),
                                        spans, h.at);
                r.status := 200;
                r.percent := p.percent;
                r.covered_seconds := p.covered_seconds;
                r.position_s := p.position_s;
                r.completed_at := p.completed_at;
            END IF;
        END IF;
        results := results || r;
    END LOOP;
    RETURN QUERY SELECT x.* FROM unnest(results) AS x ORDER BY x.n;
END
$$;
COMMENT ON FUNCTION sc_api.progress_batch(bigint, jsonb) IS
    'Takes in heartbeats that were kept while there was no connection: up to 500 objects {"video_id", "at", "watched_seconds", "total_seconds", "position_s", "segments"}. '
    'Each counts at its own time (RFC 3339, not later than now); one that is refused does not stop the others. Send them before asking for the next embed.';

-- When a kept heartbeat happened: not later than now, not longer ago than a month.
CREATE FUNCTION sc.heartbeat_time(at jsonb)
RETURNS timestamptz
LANGUAGE plpgsql VOLATILE PARALLEL SAFE
AS $$
DECLARE
    t timestamptz;
BEGIN
    IF at #>> '{}' !~ '^[0-9]{4}-(0[1-9]|1[0-2])-(0[1-9]|[12][0-9]|3[01])[Tt]([01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9](\.[0-9]+)?([Zz]|[+-][0-9]{2}:[0-9]{2})$' THEN
        RETURN NULL;
    END IF;
    t := (at #>> '{}')::timestamptz;
    RETURN CASE WHEN t >= clock_timestamp() - interval '31 days' THEN least(t, clock_timestamp()) END;
EXCEPTION WHEN datetime_field_overflow OR invalid_datetime_format THEN
    RETURN NULL;
END
$$;
COMMENT ON FUNCTION sc.heartbeat_time(jsonb) IS 'time of a kept heartbeat, at most now; NULL if it is no RFC 3339 time or too old';

-- Progress as it is read

CREATE FUNCTION sc_api.video_progress_get(actor bigint, _video_id bigint)
RETURNS sc_api.video_progress
AS 'MODULE_PATHNAME', 'sc_api_video_progress_get'
LANGUAGE C STABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION sc_api.video_progress_get(bigint, bigint) IS 'What the user has watched of a video; zero before the first heartbeat.';

CREATE TYPE sc_api.video_state AS (
    video_id bigint, topic_id bigint, title text, duration int, percent numeric, position_s int, completed_at timestamptz, is_locked boolean);
COMMENT ON TYPE sc_api.video_state IS 'a video of a course, as far as one student is concerned';
COMMENT ON COLUMN sc_api.video_state.is_locked IS 'its topic is not open yet';

CREATE TYPE sc_api.course_progress AS (
    course_id bigint, user_id bigint, status text, videos_total int, videos_completed int, watched_seconds bigint, covered_seconds bigint,
    total_seconds bigint, percent numeric, last_watched_at timestamptz, videos sc_api.video_state[]);
COMMENT ON TYPE sc_api.course_progress IS 'how far a student has come in a course';
COMMENT ON COLUMN sc_api.course_progress.status IS 'status of the enrolment; null = not enrolled';
COMMENT ON COLUMN sc_api.course_progress.percent IS 'completed videos of all, 0 to 100';
COMMENT ON COLUMN sc_api.course_progress.covered_seconds IS 'seconds of the videos seen at least once';

CREATE FUNCTION sc.video_states(user_id bigint, course_id bigint)
RETURNS sc_api.video_state[]
LANGUAGE plpgsql STABLE PARALLEL SAFE
AS $$
BEGIN
    RETURN (
        WITH lessons AS (
            SELECT v.id, v.topic_id, v.title, v.duration, v.order_index, v.is_preview, t.order_index AS topic_order, t.unlocks_at,
                   p.percent, p.position_s, p.completed_at
            FROM sc.videos AS v
            LEFT JOIN sc.topics AS t ON t.id = v.topic_id
            LEFT JOIN sc.video_progress AS p ON p.user_id = video_states.user_id AND p.video_id = v.id
            WHERE v.course_id = video_states.course_id AND v.is_active AND coalesce(t.is_active, true)
        ), gates AS (
            SELECT l.topic_id, c.sequential AND NOT coalesce(lag(bool_and(l.completed_at IS NOT NULL)) OVER (ORDER BY l.topic_order), true) AS waits
            FROM lessons AS l JOIN sc.courses AS c ON c.id = video_states.course_id
            WHERE l.topic_id IS NOT NULL
            GROUP BY l.topic_id, l.topic_order, c.sequential
        )
        SELECT coalesce(array_agg(ROW(l.id, l.topic_id, l.title, l.duration, coalesce(l.percent, 0), coalesce(l.position_s, 0), l.completed_at,
                                      NOT l.is_preview AND (coalesce(g.waits, false) OR coalesce(l.unlocks_at > clock_timestamp(), false))
                                  )::sc_api.video_state ORDER BY l.topic_order, l.order_index, l.id), '{}')
        FROM lessons AS l LEFT JOIN gates AS g ON g.topic_id = l.topic_id);
END
$$;
COMMENT ON FUNCTION sc.video_states(bigint, bigint) IS 'the videos of a course in order, with what a student has watched and what is not open yet';

CREATE FUNCTION sc_api.course_progress_get(actor bigint, _course_id bigint, _user_id bigint DEFAULT NULL)
RETURNS sc_api.course_progress
LANGUAGE plpgsql STABLE PARALLEL SAFE
AS $$
DECLARE
    student bigint := coalesce(_user_id, actor);
    c record;
    r sc_api.course_progress;
BEGIN
    SELECT k.is_published, sc.keeps_course(actor, k.id) AS keeps INTO c FROM sc.courses AS k WHERE k.id = _course_id AND k.is_active;
    SELECT sc.enrollment_status(e.status, e.expires_at) INTO r.status
    FROM sc.enrollments AS e WHERE e.user_id = student AND e.course_id = _course_id;
    -- what is not published exists for those only who keep it or are in it
    IF NOT coalesce(c.keeps OR c.is_published OR r.status IS NOT NULL, false) THEN
        RETURN NULL;
    ELSIF student <> actor AND NOT sc.may_see_student(actor, student)
          AND NOT (c.keeps AND EXISTS (SELECT FROM sc.enrollments AS e WHERE e.user_id = student AND e.course_id = _course_id)) THEN
        PERFORM sc_api.refuse(403, 'forbidden');
    END IF;
    SELECT p.videos_total, p.videos_completed, p.watched_seconds, p.covered_seconds, p.total_seconds, p.percent, p.last_watched_at
    INTO r.videos_total, r.videos_completed, r.watched_seconds, r.covered_seconds, r.total_seconds, r.percent, r.last_watched_at
    FROM sc.course_progress(student, _course_id) AS p;
    r.course_id := _course_id;
    r.user_id := student;
    r.videos := sc.video_states(student, _course_id);
    RETURN r;
END
$$;
COMMENT ON FUNCTION sc_api.course_progress_get(bigint, bigint, bigint) IS
    'How far one has come in a course, video by video. With user_id that of a student, for coach, teachers, guardians and who may read users.';

CREATE TYPE sc_api.student_progress AS (
    user_id bigint, full_name text, student_no text, status text, videos_total int, videos_completed int,
    watched_seconds bigint, covered_seconds bigint, total_seconds bigint, percent numeric, last_watched_at timestamptz);
COMMENT ON TYPE sc_api.student_progress IS 'how far a student of the course has come';

CREATE FUNCTION sc_api.course_progress_students(actor bigint, _course_id bigint, page int DEFAULT 1, per_page int DEFAULT 20)
RETURNS SETOF sc_api.student_progress
LANGUAGE plpgsql STABLE PARALLEL SAFE
AS $$
BEGIN
    PERFORM sc.manages_enrollments(actor, _course_id);
    PERFORM sc_api.total((SELECT count(*) FROM sc.enrollments AS e WHERE e.course_id = _course_id AND e.status <> 'cancelled'));
    RETURN QUERY
    SELECT s.user_id, s.full_name, s.student_no, s.status, p.videos_total, p.videos_completed, p.watched_seconds, p.covered_seconds,
           p.total_seconds, p.percent, p.last_watched_at
    FROM (SELECT e.user_id, u.full_name, k.student_no, sc.enrollment_status(e.status, e.expires_at) AS status
          FROM sc.enrollments AS e
          JOIN sc.users AS u ON u.id = e.user_id
          LEFT JOIN sc.students AS k ON k.user_id = e.user_id
          WHERE e.course_id = _course_id AND e.status <> 'cancelled'
          ORDER BY u.full_name COLLATE "tr-x-icu", e.user_id
          LIMIT per_page OFFSET (page - 1)::bigint * per_page) AS s,
         LATERAL sc.course_progress(s.user_id, _course_id) AS p
    ORDER BY s.full_name COLLATE "tr-x-icu", s.user_id;
END
$$;
COMMENT ON FUNCTION sc_api.course_progress_students(bigint, bigint, int, int) IS
    'How far the students of a course have come, by name; cancelled enrolments are left out.';

CREATE TYPE sc_api.my_course_progress AS (
    course_id bigint, course_title text, videos_total int, videos_completed int, watched_seconds bigint, covered_seconds bigint,
    total_seconds bigint, percent numeric, last_watched_at timestamptz);
COMMENT ON TYPE sc_api.my_course_progress IS 'how far I have come in a course';

CREATE FUNCTION sc_api.my_progress(actor bigint)
RETURNS SETOF sc_api.my_course_progress
LANGUAGE plpgsql STABLE PARALLEL SAFE
AS $$
BEGIN
    RETURN QUERY
    SELECT c.id, c.title, p.videos_total, p.videos_completed, p.watched_seconds, p.covered_seconds, p.total_seconds, p.percent, p.last_watched_at
    FROM sc.course_progress_of_user(actor) AS p
    JOIN sc.courses AS c ON c.id = p.course_id AND c.is_active
    ORDER BY p.last_watched_at DESC NULLS LAST, c.id;
END
$$;
COMMENT ON FUNCTION sc_api.my_progress(bigint) IS 'How far the user has come in each course, the one watched last first.';

CREATE FUNCTION sc_api.video_complete(actor bigint, _video_id bigint, _user_id bigint)
RETURNS void
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
AS $$
DECLARE
    course bigint := sc.course_of_video(_video_id);
BEGIN
    PERFORM sc.require_course(actor, course);
    IF NOT EXISTS (SELECT FROM sc.enrollments AS e WHERE e.user_id = _user_id AND e.course_id = course AND e.status <> 'cancelled') THEN
        PERFORM sc_api.invalid('user_id', 'not_enrolled');
        PERFORM sc_api.check_valid();
    END IF;
    PERFORM sc.complete_video(_user_id, _video_id, actor);
END
$$;
COMMENT ON FUNCTION sc_api.video_complete(bigint, bigint, bigint) IS
    'Marks a video completed for a student by hand, such as when it was shown in class.';

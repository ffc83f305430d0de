-- Topics and videos of a course, as its teacher keeps them.

CREATE FUNCTION sc.topic(topic_id bigint)
RETURNS sc_api.topic
LANGUAGE plpgsql STABLE PARALLEL SAFE
AS $$
DECLARE
    t sc_api.topic;
BEGIN
    SELECT k.id, k.course_id, k.title, k.order_index, k.unit_id, k.unlocks_at INTO t
    FROM sc.topics AS k WHERE k.id = topic.topic_id AND k.is_active;
    RETURN t;
END
$$;
COMMENT ON FUNCTION sc.topic(bigint) IS 'a topic as the API shows it; NULL if there is none';

CREATE FUNCTION sc.video(video_id bigint)
RETURNS sc_api.video
LANGUAGE plpgsql STABLE PARALLEL SAFE
AS $$
DECLARE
    r sc_api.video;
BEGIN
    SELECT v.id, v.course_id, v.topic_id, v.title, v.description, v.duration, v.order_index, v.is_preview, v.embeddable, v.updated_at
    INTO r
    FROM sc.videos AS v LEFT JOIN sc.topics AS t ON t.id = v.topic_id
    WHERE v.id = video.video_id AND v.is_active AND coalesce(t.is_active, true);
    RETURN r;
END
$$;
COMMENT ON FUNCTION sc.video(bigint) IS 'a video as the API shows it; NULL if there is none';

CREATE FUNCTION sc.check_outline(actor bigint, course_id bigint)
RETURNS void
LANGUAGE plpgsql STABLE PARALLEL RESTRICTED
AS $$
BEGIN
    IF NOT EXISTS (SELECT FROM sc.courses AS c WHERE c.id = check_outline.course_id AND c.is_active AND c.is_published) THEN
        PERFORM sc_api.no_store();
        PERFORM sc.require_course(actor, check_outline.course_id);
    END IF;
END
$$;
COMMENT ON FUNCTION sc.check_outline(bigint, bigint) IS
    'what is in a course is shown to everybody once it is published, before that to who keeps it, and then not cached';

CREATE FUNCTION sc_api.course_videos(actor bigint, _course_id bigint)
RETURNS SETOF sc_api.course_video
LANGUAGE plpgsql STABLE PARALLEL SAFE
AS $$
BEGIN
    PERFORM sc.check_outline(actor, _course_id);
    RETURN QUERY
    SELECT v.id, v.course_id, v.topic_id, t.title, v.title, v.description, v.duration, v.order_index,
           v.is_preview, v.embeddable, t.unlocks_at, v.updated_at
    FROM sc.videos AS v LEFT JOIN sc.topics AS t ON t.id = v.topic_id
    WHERE v.course_id = _course_id AND v.is_active AND coalesce(t.is_active, true)
    ORDER BY t.order_index NULLS LAST, v.order_index, v.id;
END
$$;
COMMENT ON FUNCTION sc_api.course_videos(bigint, bigint) IS
    'The videos of a course, in order. The same for everybody; who may watch what is told by the progress of the course.';

CREATE FUNCTION sc_api.course_topics(actor bigint, _course_id bigint)
RETURNS SETOF sc_api.outline_topic
LANGUAGE plpgsql STABLE PARALLEL SAFE
AS $$
BEGIN
    PERFORM sc.check_outline(actor, _course_id);
    RETURN QUERY
    SELECT t.id, t.title, t.order_index, t.unit_id, t.unlocks_at,
           coalesce((SELECT array_agg(ROW(v.id, v.course_id, v.topic_id, v.title, v.description, v.duration, v.order_index,
                                          v.is_preview, v.embeddable, v.updated_at)::sc_api.video ORDER BY v.order_index, v.id)
                     FROM sc.videos AS v
                     WHERE v.course_id = _course_id AND v.is_active AND v.topic_id IS NOT DISTINCT FROM t.id), '{}')
    FROM (SELECT k.id, k.title, k.order_index, k.unit_id, k.unlocks_at
          FROM sc.topics AS k WHERE k.course_id = _course_id AND k.is_active
          UNION ALL
          SELECT NULL, NULL, NULL, NULL, NULL
          WHERE EXISTS (SELECT FROM sc.videos AS v WHERE v.course_id = _course_id AND v.is_active AND v.topic_id IS NULL)) AS t
    ORDER BY t.order_index NULLS LAST;
END
$$;
COMMENT ON FUNCTION sc_api.course_topics(bigint, bigint) IS
    'The outline of a course: its topics in order, each with its videos. The same for everybody; who may watch what is told by the progress of the course.';

CREATE FUNCTION sc_api.topic_create(actor bigint, _course_id bigint, _title text, _unit_id bigint DEFAULT NULL, _unlocks_at timestamptz DEFAULT NULL)
RETURNS sc_api.topic
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
AS $$
DECLARE
    new_id bigint;
BEGIN
    PERFORM sc.lock_course(actor, _course_id);
    PERFORM sc.check_lesson(_title, NULL, NULL, NULL, _unit_id);
    PERFORM sc_api.check_valid();
    INSERT INTO sc.topics (course_id, title, unit_id, unlocks_at, order_index)
    SELECT _course_id, btrim(_title), _unit_id, _unlocks_at, coalesce(max(t.order_index), 0) + 1
    FROM sc.topics AS t WHERE t.course_id = _course_id AND t.is_active
    RETURNING id INTO new_id;
    RETURN sc.topic(new_id);
END
$$;
COMMENT ON FUNCTION sc_api.topic_create(bigint, bigint, text, bigint, timestamptz) IS 'Adds a topic at the end of a course.';

CREATE FUNCTION sc.check_lesson(title text, description text, youtube_id text, duration int, unit_id bigint)
RETURNS void
LANGUAGE plpgsql VOLATILE PARALLEL RESTRICTED
AS $$
BEGIN
    PERFORM sc.check_text('title', btrim(title), 1, 200);
    PERFORM sc.check_text('description', description, 0, 20000);
    PERFORM sc.check_range('duration', duration, 0, 86400);
    IF youtube_id !~ '^[0-9A-Za-z_-]{11}$' THEN
        PERFORM sc_api.invalid('youtube_id', 'invalid_youtube_id');
    END IF;
    IF unit_id IS NOT NULL AND NOT EXISTS (SELECT FROM sc.units AS u WHERE u.id = check_lesson.unit_id) THEN
        PERFORM sc_api.invalid('unit_id', 'unknown_reference');
    END IF;
END
$$;
COMMENT ON FUNCTION sc.check_lesson(text, text, text, int, bigint) IS 'notes field errors of a topic or video; NULL is not looked at';

CREATE FUNCTION sc_api.topic_update(actor bigint, given text[], body jsonb, _topic_id bigint, _title text DEFAULT NULL,
                                    _unit_id bigint DEFAULT NULL, _unlocks_at timestamptz DEFAULT NULL)
RETURNS sc_api.topic
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
AS $$
BEGIN
    PERFORM sc.lock_course(actor, sc.course_of_topic(_topic_id));
    PERFORM sc.check_not_null(given, body, 'title');
    PERFORM sc.check_lesson(_title, NULL, NULL, NULL, _unit_id);
    PERFORM sc_api.check_valid();
    UPDATE sc.topics AS t
    SET title = coalesce(btrim(_title), t.title),
        unit_id = CASE WHEN 'unit_id' = ANY (given) THEN _unit_id ELSE t.unit_id END,
        unlocks_at = CASE WHEN 'unlocks_at' = ANY (given) THEN _unlocks_at ELSE t.unlocks_at END
    WHERE t.id = _topic_id;
    RETURN sc.topic(_topic_id);
END
$$;
COMMENT ON FUNCTION sc_api.topic_update(bigint, text[], jsonb, bigint, text, bigint, timestamptz) IS
    'Changes a topic. Fields that are not sent stay as they are.';

CREATE FUNCTION sc_api.topic_delete(actor bigint, _topic_id bigint)
RETURNS void
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
AS $$
BEGIN
    PERFORM sc.lock_course(actor, sc.course_of_topic(_topic_id));
    UPDATE sc.videos AS v SET is_active = false WHERE v.topic_id = _topic_id AND v.is_active;
    UPDATE sc.topics AS t SET is_active = false WHERE t.id = _topic_id;
END
$$;
COMMENT ON FUNCTION sc_api.topic_delete(bigint, bigint) IS 'Removes a topic and its videos. What was watched of them stays on record.';

CREATE FUNCTION sc.is_order_of(ids bigint[], wanted bigint[])
RETURNS boolean
LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE
AS $$
BEGIN
    RETURN ARRAY(SELECT x FROM unnest(ids) AS x ORDER BY 1) = ARRAY(SELECT x FROM unnest(wanted) AS x ORDER BY 1);
END
$$;
COMMENT ON FUNCTION sc.is_order_of(bigint[], bigint[]) IS 'does the second array name each of the first once, in any order?';

CREATE FUNCTION sc_api.topics_order(actor bigint, _course_id bigint, _topic_ids bigint[])
RETURNS void
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
AS $$
BEGIN
    PERFORM sc.lock_course(actor, _course_id);
    IF NOT sc.is_order_of(ARRAY(SELECT t.id FROM sc.topics AS t WHERE t.course_id = _course_id AND t.is_active), _topic_ids) THEN
        PERFORM sc_api.invalid('topic_ids', 'not_an_order');
        PERFORM sc_api.check_valid();
    END IF;
    UPDATE sc.topics AS t SET order_index = o.place
    FROM unnest(_topic_ids) WITH ORDINALITY AS o(id, place)
    WHERE t.id = o.id AND t.order_index <> o.place;
END
$$;
COMMENT ON FUNCTION sc_api.topics_order(bigint, bigint, bigint[]) IS 'Puts the topics of a course in order; all of them are named, each once.';

CREATE FUNCTION sc_api.videos_order(actor bigint, _topic_id bigint, _video_ids bigint[])
RETURNS void
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
AS $$
BEGIN
    PERFORM sc.lock_course(actor, sc.course_of_topic(_topic_id));
    IF NOT sc.is_order_of(ARRAY(SELECT v.id FROM sc.videos AS v WHERE v.topic_id = _topic_id AND v.is_active), _video_ids) THEN
        PERFORM sc_api.invalid('video_ids', 'not_an_order');
        PERFORM sc_api.check_valid();
    END IF;
    UPDATE sc.videos AS v SET order_index = o.place
    FROM unnest(_video_ids) WITH ORDINALITY AS o(id, place)
    WHERE v.id = o.id AND v.order_index <> o.place;
END
$$;
COMMENT ON FUNCTION sc_api.videos_order(bigint, bigint, bigint[]) IS 'Puts the videos of a topic in order; all of them are named, each once.';

CREATE FUNCTION sc.next_place(course_id bigint, topic_id bigint)
RETURNS int
LANGUAGE plpgsql STABLE PARALLEL SAFE
AS $$
BEGIN
    RETURN (SELECT coalesce(max(v.order_index), 0) + 1 FROM sc.videos AS v
            WHERE v.course_id = next_place.course_id AND v.topic_id IS NOT DISTINCT FROM next_place.topic_id AND v.is_active);
END
$$;
COMMENT ON FUNCTION sc.next_place(bigint, bigint) IS 'place behind the last video of a topic; the course must be locked';

CREATE FUNCTION sc_api.video_create(
    actor bigint, _course_id bigint, _youtube_id text, _title text, _topic_id bigint DEFAULT NULL, _description text DEFAULT NULL,
    _duration int DEFAULT 0, _is_preview boolean DEFAULT false)
RETURNS sc_api.video
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
AS $$
DECLARE
    new_id bigint;
BEGIN
    PERFORM sc.lock_course(actor, _course_id);
    PERFORM sc.check_lesson(_title, _description, _youtube_id, _duration, NULL);
    IF _topic_id IS NOT NULL AND (sc.topic(_topic_id)).course_id IS DISTINCT FROM _course_id THEN
        PERFORM sc_api.invalid('topic_id', 'unknown_reference');
    END IF;
    PERFORM sc_api.check_valid();
    INSERT INTO sc.videos (course_id, topic_id, youtube_id, title, description, duration, order_index, is_preview)
    VALUES (_course_id, _topic_id, _youtube_id, btrim(_title), _description, coalesce(_duration, 0),
            sc.next_place(_course_id, _topic_id), coalesce(_is_preview, false))
    RETURNING id INTO new_id;
    PERFORM sc.job_enqueue('fetch_video_metadata', jsonb_build_object('video_id', new_id));
    PERFORM sc_api.header('Location', '/api/v1/videos/' || new_id);
    RETURN sc.video(new_id);
END
$$;
COMMENT ON FUNCTION sc_api.video_create(bigint, bigint, text, text, bigint, text, int, boolean) IS
    'Adds a video at the end of a topic. A missing duration is asked of YouTube later.';

CREATE FUNCTION sc_api.video_get(actor bigint, _video_id bigint)
RETURNS sc_api.video
AS 'MODULE_PATHNAME', 'sc_api_video_get'
LANGUAGE C STABLE STRICT PARALLEL RESTRICTED;
COMMENT ON FUNCTION sc_api.video_get(bigint, bigint) IS 'A video. Its address is given out by the embed call alone.';

CREATE FUNCTION sc_api.video_update(
    actor bigint, given text[], body jsonb, _video_id bigint, _youtube_id text DEFAULT NULL, _title text DEFAULT NULL,
    _topic_id bigint DEFAULT NULL, _description text DEFAULT NULL, _duration int DEFAULT NULL, _is_preview boolean DEFAULT NULL)
RETURNS sc_api.video
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
AS $$
DECLARE
    course bigint := sc.course_of_video(_video_id);
    old record;
BEGIN
    PERFORM sc.lock_course(actor, course);
    PERFORM sc.check_not_null(given, body, 'youtube_id', 'title', 'duration', 'is_preview');
    PERFORM sc.check_lesson(_title, _description, _youtube_id, _duration, NULL);
    IF _topic_id IS NOT NULL AND (sc.topic(_topic_id)).course_id IS DISTINCT FROM course THEN
        PERFORM sc_api.invalid('topic_id', 'unknown_reference');
    END IF;
    PERFORM sc_api.check_valid();
    SELECT v.topic_id, v.youtube_id INTO old FROM sc.videos AS v WHERE v.id = _video_id;
    UPDATE sc.videos AS v
    SET youtube_id = coalesce(_youtube_id, v.youtube_id), title = coalesce(btrim(_title), v.title),
        description = CASE WHEN 'description' = ANY (given) THEN _description ELSE v.description END,
        duration = coalesce(_duration, v.duration), is_preview = coalesce(_is_preview, v.is_preview)
    WHERE v.id = _video_id;
    IF 'topic_id' = ANY (given) AND _topic_id IS DISTINCT FROM old.topic_id THEN
        UPDATE sc.videos AS v SET topic_id = _topic_id, order_index = sc.next_place(course, _topic_id) WHERE v.id = _video_id;
    END IF;
    IF _youtube_id <> old.youtube_id THEN
        PERFORM sc.job_enqueue('fetch_video_metadata', jsonb_build_object('video_id', _video_id));
    END IF;
    RETURN sc.video(_video_id);
END
$$;
COMMENT ON FUNCTION sc_api.video_update(bigint, text[], jsonb, bigint, text, text, bigint, text, int, boolean) IS
    'Changes a video. Fields that are not sent stay as they are; a video moved to another topic goes to its end.';

CREATE FUNCTION sc_api.video_delete(actor bigint, _video_id bigint)
RETURNS void
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
AS $$
BEGIN
    PERFORM sc.lock_course(actor, sc.course_of_video(_video_id));
    UPDATE sc.videos AS v SET is_active = false WHERE v.id = _video_id;
END
$$;
COMMENT ON FUNCTION sc_api.video_delete(bigint, bigint) IS 'Removes a video. What was watched of it stays on record.';

-- A duration that turns out otherwise changes what the seconds amount to.
CREATE FUNCTION sc.rate_progress_anew()
RETURNS trigger
LANGUAGE plpgsql
AS $$
BEGIN
    UPDATE sc.video_progress AS p
    SET total_seconds = NEW.duration,
        percent = CASE WHEN NEW.duration > 0 THEN trunc(least(100.0, 100.0 * p.covered_seconds / NEW.duration), 2) ELSE p.percent END
    WHERE p.video_id = NEW.id AND p.total_seconds <> NEW.duration;
    RETURN NULL;
END
$$;
COMMENT ON FUNCTION sc.rate_progress_anew() IS 'trigger: a corrected duration corrects the percentages; completion stays';

CREATE FUNCTION sc.touch_taught_courses()
RETURNS trigger
LANGUAGE plpgsql
AS $$
DECLARE
    course bigint;
BEGIN
    FOR course IN SELECT c.id FROM sc.courses AS c WHERE c.teacher_id = NEW.id LOOP
        PERFORM sc.touch_key(format('0:sc:course:%s:detail', course));
        PERFORM sc.touch_key('0:sc:courses:list:*');
    END LOOP;
    RETURN NULL;
END
$$;
COMMENT ON FUNCTION sc.touch_taught_courses() IS 'trigger: courses show the name of their teacher';

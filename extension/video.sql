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

CREATE FUNCTION sc_api.video_embed(actor bigint, video_id bigint)
RETURNS sc_api.reply
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
AS $$
DECLARE
    g record;
BEGIN
    PERFORM sc_api.no_store();
    g := sc.grant_video(actor, video_id, sc_api.ctx('ip')::inet, sc_api.ctx('jti')::uuid, sc_api.ctx('request_id'));
    IF NOT g.can_access THEN
        RETURN sc_api.reply(CASE g.reason WHEN 'unpublished' THEN 404 ELSE 403 END, g.reason);
    END IF;
    RETURN sc_api.reply(200, NULL, jsonb_build_object(
        'video_id', video_id,
        'embed_url', 'https://www.youtube.com/embed/' || g.youtube_id || '?rel=0&modestbranding=1',
        'can_access', true,
        'title', g.title, 'duration', g.duration, 'embeddable', g.embeddable,
        'position_s', g.position_s, 'percent', g.percent, 'completed_at', sc.rfc3339(g.completed_at)));
END
$$;
COMMENT ON FUNCTION sc_api.video_embed(bigint, bigint) IS
    'Checks whether the video may be watched now and gives its address. Every call is logged, refusals too; the answer is never cached. '
    'A refusal names its reason as the code: unpublished (404), not_enrolled, suspended, expired, locked (403).';

CREATE FUNCTION sc.rfc3339(at timestamptz)
RETURNS text
LANGUAGE plpgsql STABLE STRICT PARALLEL SAFE
AS $$
BEGIN
    RETURN to_char(at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"');
END
$$;
COMMENT ON FUNCTION sc.rfc3339(timestamptz) IS 'an instant as clients read it, UTC';

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
    RETURN least(greatest((segments->-1->>'to')::numeric, 0), 86400);
END
$$;
COMMENT ON FUNCTION sc.last_position(jsonb) IS 'end of the last of the spans that a player sent';

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

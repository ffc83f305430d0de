-- Figures of a day, for those who run the school.

CREATE TYPE sc_api.daily_stats AS (
    day date, active_students int, heartbeat_students int, embeds_granted int, embeds_refused int,
    videos_completed int, new_enrollments int, new_users int);
COMMENT ON TYPE sc_api.daily_stats IS 'what happened on a day, Europe/Istanbul';
COMMENT ON COLUMN sc_api.daily_stats.active_students IS 'users who were given a video';
COMMENT ON COLUMN sc_api.daily_stats.heartbeat_students IS 'users whose last heartbeat was on that day';
COMMENT ON COLUMN sc_api.daily_stats.embeds_refused IS 'requests for a video that were refused';

CREATE FUNCTION sc.stats_daily(day date DEFAULT (clock_timestamp() AT TIME ZONE 'Europe/Istanbul')::date)
RETURNS sc_api.daily_stats
LANGUAGE plpgsql STABLE STRICT PARALLEL SAFE SECURITY DEFINER
SET search_path = pg_catalog, sc, pg_temp
AS $$
DECLARE
    r sc_api.daily_stats;
    first timestamptz := day::timestamp AT TIME ZONE 'Europe/Istanbul';
    behind timestamptz := (day + 1)::timestamp AT TIME ZONE 'Europe/Istanbul';
BEGIN
    r.day := day;
    SELECT count(DISTINCT l.user_id) FILTER (WHERE l.granted), count(*) FILTER (WHERE l.granted), count(*) FILTER (WHERE NOT l.granted)
    INTO r.active_students, r.embeds_granted, r.embeds_refused
    FROM sc.video_access_log AS l WHERE l.at >= first AND l.at < behind;
    SELECT count(DISTINCT p.user_id) FILTER (WHERE p.heartbeat_at >= first AND p.heartbeat_at < behind),
           count(*) FILTER (WHERE p.completed_at >= first AND p.completed_at < behind)
    INTO r.heartbeat_students, r.videos_completed
    FROM sc.video_progress AS p;
    SELECT count(*) INTO r.new_enrollments FROM sc.enrollments AS e WHERE e.enrolled_at >= first AND e.enrolled_at < behind;
    SELECT count(*) INTO r.new_users FROM sc.users AS u WHERE u.created_at >= first AND u.created_at < behind;
    RETURN r;
END
$$;
COMMENT ON FUNCTION sc.stats_daily(date) IS 'what happened on a day, Europe/Istanbul';

CREATE FUNCTION sc_api.stats_daily(actor bigint, _date date DEFAULT (clock_timestamp() AT TIME ZONE 'Europe/Istanbul')::date)
RETURNS sc_api.daily_stats
LANGUAGE plpgsql STABLE PARALLEL SAFE
AS $$
BEGIN
    RETURN sc.stats_daily(_date);
END
$$;
COMMENT ON FUNCTION sc_api.stats_daily(bigint, date) IS 'What happened on a day, Europe/Istanbul; today unless a date is given.';

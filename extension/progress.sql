-- What was watched, and how far a course has come.

CREATE FUNCTION sc.record_progress(
    user_id bigint, video_id bigint, watched_seconds float8, total_seconds float8,
    position_s float8 DEFAULT NULL, segments int4multirange DEFAULT NULL,
    at timestamptz DEFAULT clock_timestamp(),
    OUT percent numeric, OUT covered_seconds int, OUT position_s int, OUT completed_at timestamptz,
    OUT watched_seconds int, OUT total_seconds int)
AS 'MODULE_PATHNAME', 'sc_record_progress'
LANGUAGE C VOLATILE CALLED ON NULL INPUT PARALLEL UNSAFE;
COMMENT ON FUNCTION sc.record_progress(bigint, bigint, float8, float8, float8, int4multirange, timestamptz) IS
    'takes in a heartbeat of the player: unites the watched seconds (segments, else one span from 0), never takes any away; '
    'refuses with the reason of video_access';

CREATE FUNCTION sc.complete_video(user_id bigint, video_id bigint, by_user bigint, at timestamptz DEFAULT clock_timestamp())
RETURNS boolean
AS 'MODULE_PATHNAME', 'sc_complete_video'
LANGUAGE C VOLATILE STRICT PARALLEL UNSAFE;
COMMENT ON FUNCTION sc.complete_video(bigint, bigint, bigint, timestamptz) IS
    'marks a video completed by hand, and the course with it if it was the last; false if it was completed already';

CREATE FUNCTION sc.course_progress(
    user_id bigint, course_id bigint,
    OUT videos_total int, OUT videos_completed int, OUT watched_seconds bigint, OUT covered_seconds bigint,
    OUT total_seconds bigint, OUT percent numeric, OUT last_watched_at timestamptz)
AS 'MODULE_PATHNAME', 'sc_course_progress'
LANGUAGE C STABLE STRICT PARALLEL SAFE SECURITY DEFINER
SET search_path = pg_catalog, sc, pg_temp;
COMMENT ON FUNCTION sc.course_progress(bigint, bigint) IS
    'how far the user has come in the course; percent counts completed videos';

CREATE FUNCTION sc.course_progress_of_students(course_id bigint)
RETURNS TABLE (user_id bigint, course_id bigint, videos_total int, videos_completed int, watched_seconds bigint,
               covered_seconds bigint, total_seconds bigint, percent numeric, last_watched_at timestamptz)
AS 'MODULE_PATHNAME', 'sc_course_progress_of_students'
LANGUAGE C STABLE STRICT PARALLEL SAFE ROWS 100 SECURITY DEFINER
SET search_path = pg_catalog, sc, pg_temp;
COMMENT ON FUNCTION sc.course_progress_of_students(bigint) IS
    'course_progress of everybody enrolled in the course, cancelled enrolments left out';

CREATE FUNCTION sc.course_progress_of_user(user_id bigint)
RETURNS TABLE (user_id bigint, course_id bigint, videos_total int, videos_completed int, watched_seconds bigint,
               covered_seconds bigint, total_seconds bigint, percent numeric, last_watched_at timestamptz)
AS 'MODULE_PATHNAME', 'sc_course_progress_of_user'
LANGUAGE C STABLE STRICT PARALLEL SAFE ROWS 10 SECURITY DEFINER
SET search_path = pg_catalog, sc, pg_temp;
COMMENT ON FUNCTION sc.course_progress_of_user(bigint) IS
    'course_progress of every course the user is enrolled in, cancelled enrolments left out';

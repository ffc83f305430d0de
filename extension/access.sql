-- Who may watch what.

CREATE FUNCTION sc.is_enrolled(user_id bigint, course_id bigint, at timestamptz DEFAULT clock_timestamp())
RETURNS boolean
AS 'MODULE_PATHNAME', 'sc_is_enrolled'
LANGUAGE C STABLE STRICT PARALLEL SAFE SECURITY DEFINER
SET search_path = pg_catalog, sc, pg_temp;
COMMENT ON FUNCTION sc.is_enrolled(bigint, bigint, timestamptz) IS
    'does the user hold an enrolment in the course that gives access: active or completed, and not expired';

CREATE FUNCTION sc.video_access(
    user_id bigint, video_id bigint, at timestamptz DEFAULT clock_timestamp(),
    OUT can_access boolean, OUT reason text)
AS 'MODULE_PATHNAME', 'sc_video_access'
LANGUAGE C STABLE CALLED ON NULL INPUT PARALLEL SAFE SECURITY DEFINER
SET search_path = pg_catalog, sc, pg_temp;
COMMENT ON FUNCTION sc.video_access(bigint, bigint, timestamptz) IS
    'may the user watch the video; reason is ok, inactive_user, unpublished, not_enrolled, suspended, expired or locked';

CREATE FUNCTION sc.grant_video(
    user_id bigint, video_id bigint, ip inet, session_id uuid, request_id text,
    at timestamptz DEFAULT clock_timestamp(),
    OUT can_access boolean, OUT reason text, OUT youtube_id text, OUT title text, OUT duration int,
    OUT embeddable boolean, OUT position_s int, OUT percent numeric, OUT completed_at timestamptz)
AS 'MODULE_PATHNAME', 'sc_grant_video'
LANGUAGE C VOLATILE CALLED ON NULL INPUT PARALLEL UNSAFE;
COMMENT ON FUNCTION sc.grant_video(bigint, bigint, inet, uuid, text, timestamptz) IS
    'checks access, writes the access log and starts the clock of watched time; what follows reason is NULL after a refusal';

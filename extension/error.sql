-- How a handler refuses.

CREATE FUNCTION sc_api.refuse(status int, code text, params jsonb DEFAULT NULL)
RETURNS void
AS 'MODULE_PATHNAME', 'sc_api_refuse'
LANGUAGE C VOLATILE PARALLEL RESTRICTED;
COMMENT ON FUNCTION sc_api.refuse(int, text, jsonb) IS
    'refuses the request with an HTTP status and a code of sc.problems; undoes the handler''s writes';

CREATE FUNCTION sc_api.invalid(field text, code text, params jsonb DEFAULT NULL)
RETURNS void
AS 'MODULE_PATHNAME', 'sc_api_invalid'
LANGUAGE C VOLATILE PARALLEL RESTRICTED;
COMMENT ON FUNCTION sc_api.invalid(text, text, jsonb) IS
    'collects a field error; the request is refused with 422 when the handler is done';

CREATE FUNCTION sc_api.check_valid()
RETURNS void
AS 'MODULE_PATHNAME', 'sc_api_check_valid'
LANGUAGE C VOLATILE PARALLEL RESTRICTED;
COMMENT ON FUNCTION sc_api.check_valid() IS 'refuses the request at once if field errors have been collected';

-- JSON as answers are written.

CREATE FUNCTION sc_api.as_json(value anyelement)
RETURNS jsonb
AS 'MODULE_PATHNAME', 'sc_api_as_json'
LANGUAGE C STABLE PARALLEL SAFE;
COMMENT ON FUNCTION sc_api.as_json(anyelement) IS
    'the value as an answer would show it: times in RFC 3339 UTC, multiranges as [{"from","to"}], NaN and infinity as null';

-- Questions as GIFT text, without storing anything.

CREATE FUNCTION sc.gift_parse(
    source text,
    OUT line int, OUT name text, OUT category text, OUT type text, OUT prompt text, OUT format text,
    OUT options jsonb, OUT key jsonb, OUT explanation text, OUT tags text[], OUT errors jsonb)
RETURNS SETOF record
AS 'MODULE_PATHNAME', 'sc_gift_parse'
LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION sc.gift_parse(text) IS
    'the questions of a GIFT file, in order; errors is NULL or [{"line", "code", "message"}]';

CREATE FUNCTION sc.gift_format(
    type text, prompt text, options jsonb, key jsonb, name text DEFAULT NULL,
    explanation text DEFAULT NULL, format text DEFAULT 'markdown', tags text[] DEFAULT NULL)
RETURNS text
AS 'MODULE_PATHNAME', 'sc_gift_format'
LANGUAGE C IMMUTABLE PARALLEL SAFE;
COMMENT ON FUNCTION sc.gift_format(text, text, jsonb, jsonb, text, text, text, text[]) IS
    'a question in GIFT; what GIFT cannot say stands in a comment that gift_parse() obeys';

CREATE FUNCTION sc.gift_escape_text(source text)
RETURNS text
AS 'MODULE_PATHNAME', 'sc_gift_escape_text'
LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION sc.gift_escape_text(text) IS 'text in which nothing means anything to GIFT';

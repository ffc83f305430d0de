-- The seeded order of options.

CREATE FUNCTION sc.shown_options(question_type text, options jsonb, seed bigint, question_id bigint, shuffle_options boolean)
RETURNS jsonb
AS 'MODULE_PATHNAME', 'sc_shown_options'
LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION sc.shown_options(text, jsonb, bigint, bigint, boolean) IS
    'options of a question as an attempt with this seed shows them: order and ids follow the place, so neither tells the key';

CREATE FUNCTION sc.shown_answer(question_type text, options jsonb, seed bigint, question_id bigint, shuffle_options boolean, answer jsonb)
RETURNS jsonb
AS 'MODULE_PATHNAME', 'sc_shown_answer'
LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION sc.shown_answer(text, jsonb, bigint, bigint, boolean, jsonb) IS
    'a stored answer in the ids that the attempt shows';

CREATE FUNCTION sc.shown_key(question_type text, options jsonb, seed bigint, question_id bigint, shuffle_options boolean, key jsonb)
RETURNS jsonb
AS 'MODULE_PATHNAME', 'sc_shown_key'
LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION sc.shown_key(text, jsonb, bigint, bigint, boolean, jsonb) IS
    'a key in the ids that the attempt shows, for its review';

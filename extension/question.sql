-- Soundness and public view of a question, and the files questions come in.

CREATE FUNCTION sc.question_check(type text, prompt text, options jsonb, key jsonb, OUT field text, OUT code text, OUT message text)
RETURNS SETOF record
AS 'MODULE_PATHNAME', 'sc_question_check'
LANGUAGE C IMMUTABLE PARALLEL SAFE;
COMMENT ON FUNCTION sc.question_check(text, text, jsonb, jsonb) IS
    'everything that is wrong with a question; no rows: it can be graded and somebody can earn its full marks';

CREATE FUNCTION sc.options_public(type text, options jsonb, scramble boolean DEFAULT true)
RETURNS jsonb
AS 'MODULE_PATHNAME', 'sc_options_public'
LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION sc.options_public(text, jsonb, boolean) IS
    'options as a student may see them: no feedback, and no order that tells the answer; without scramble in the author''s order, for shown_options() to shuffle';

CREATE FUNCTION sc.question_public(type text, prompt text, format text, options jsonb, media jsonb DEFAULT '[]')
RETURNS jsonb
LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE
AS $$
BEGIN
    RETURN jsonb_build_object('type', type, 'prompt', prompt, 'format', format,
                              'options', sc.options_public(type, options), 'media', media);
END
$$;
COMMENT ON FUNCTION sc.question_public(text, text, text, jsonb, jsonb) IS
    'a question as a student may see it before the key is out: without name, key, feedback and explanation';

CREATE FUNCTION sc.question_normal(type text)
RETURNS text
LANGUAGE plpgsql IMMUTABLE STRICT PARALLEL SAFE
AS $$
BEGIN
    RETURN CASE type WHEN 'single_choice' THEN 'single' WHEN 'multiple_choice' THEN 'multiple'
                     WHEN 'true_false' THEN 'truefalse' WHEN 'short_answer' THEN 'short' ELSE type END;
END
$$;
COMMENT ON FUNCTION sc.question_normal(text) IS 'the stored name of a question type';

CREATE FUNCTION sc.text_normal(words text)
RETURNS text
LANGUAGE plpgsql IMMUTABLE STRICT PARALLEL SAFE
AS $$
BEGIN
    RETURN nullif(btrim(replace(words, E'\r', ''), E' \t\n'), '');
END
$$;
COMMENT ON FUNCTION sc.text_normal(text) IS 'a text with plain line ends and without white space around it; NULL if nothing is left';

CREATE FUNCTION sc.options_normal(options jsonb)
RETURNS jsonb
LANGUAGE plpgsql IMMUTABLE STRICT PARALLEL SAFE
AS $$
BEGIN
    -- a list of options, or an object of such lists (matching)
    IF jsonb_typeof(options) = 'object' THEN
        RETURN CASE WHEN options = '{}' THEN '[]'
                    ELSE (SELECT jsonb_object_agg(o.key, sc.options_normal(o.value)) FROM jsonb_each(options) AS o) END;
    ELSIF jsonb_typeof(options) = 'array' THEN
        RETURN coalesce((
            SELECT jsonb_agg(CASE WHEN jsonb_typeof(o.value -> 'text') = 'string'
                                  THEN jsonb_set(o.value, '{text}', coalesce(to_jsonb(sc.text_normal(o.value ->> 'text')), '""'))
                                  ELSE o.value END ORDER BY o.place)
            FROM jsonb_array_elements(options) WITH ORDINALITY AS o(value, place)), '[]');
    END IF;
    RETURN options;
END
$$;
COMMENT ON FUNCTION sc.options_normal(jsonb) IS 'options with normal texts';

CREATE FUNCTION sc.key_normal(type text, key jsonb)
RETURNS jsonb
LANGUAGE plpgsql IMMUTABLE STRICT PARALLEL SAFE
AS $$
BEGIN
    IF type IN ('numeric', 'short') AND jsonb_typeof(key) = 'object' AND NOT key ? 'answers' THEN
        RETURN jsonb_build_object('answers', jsonb_build_array(key - 'case_sensitive'))
            || CASE WHEN key ? 'case_sensitive' THEN jsonb_build_object('case_sensitive', key -> 'case_sensitive') ELSE '{}' END;
    END IF;
    RETURN key;
END
$$;
COMMENT ON FUNCTION sc.key_normal(text, jsonb) IS 'a key with its accepted answers in a list, also if it came flat';

CREATE FUNCTION sc.csv_parse(source text, OUT line int, OUT fields text[])
RETURNS SETOF record
AS 'MODULE_PATHNAME', 'sc_csv_parse'
LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION sc.csv_parse(text) IS
    'records of a CSV text and the lines they begin on; comma, semicolon or tab, told from the first line; fields is NULL for a record whose quotes are never closed';

CREATE FUNCTION sc.csv_field(value text)
RETURNS text
LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE
AS $$
BEGIN
    IF value IS NULL THEN
        RETURN '';
    END IF;
    -- a spreadsheet would run it as a formula
    IF value ~ '^''*[-=+@\t\r]' THEN
        value := '''' || value;
    END IF;
    IF value ~ '[",;\t\r\n]' OR value ~ '^\s|\s$' THEN
        RETURN '"' || replace(value, '"', '""') || '"';
    END IF;
    RETURN value;
END
$$;
COMMENT ON FUNCTION sc.csv_field(text) IS 'a value as a CSV field, quoted where needed and never a formula';

CREATE FUNCTION sc.csv_value(field text)
RETURNS text
LANGUAGE plpgsql IMMUTABLE STRICT PARALLEL SAFE
AS $$
BEGIN
    RETURN CASE WHEN field ~ '^''+[-=+@\t\r]' THEN substr(field, 2) ELSE field END;
END
$$;
COMMENT ON FUNCTION sc.csv_value(text) IS 'the value that csv_field() wrote';

CREATE FUNCTION sc.json_lines(source text)
RETURNS int[]
AS 'MODULE_PATHNAME', 'sc_json_lines'
LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION sc.json_lines(text) IS 'lines on which the elements of the outermost list of a JSON text begin';

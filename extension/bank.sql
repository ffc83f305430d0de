-- The question bank over REST.
--
-- A question is a row that can be found and filed; what it says lives in
-- immutable versions.  A change of the text, the options or the key makes a new
-- version, a change of where it is filed does not.  Exams pin versions.

CREATE TYPE sc_api.question AS (
    id bigint,
    version int,
    version_id bigint,
    type text,
    name text,
    prompt text,
    format text,
    options jsonb,
    key jsonb,
    explanation text,
    media jsonb,
    points numeric,
    subject_id bigint,
    unit_id bigint,
    outcome_id bigint,
    category text,
    difficulty text,
    grade int,
    source text,
    tags text[],
    is_active boolean,
    is_reserved boolean,
    created_by bigint,
    created_at timestamptz,
    updated_at timestamptz
);
COMMENT ON TYPE sc_api.question IS 'a question of the bank with its current version';
COMMENT ON COLUMN sc_api.question.id IS 'identity';
COMMENT ON COLUMN sc_api.question.version IS 'number of the version shown, from 1';
COMMENT ON COLUMN sc_api.question.version_id IS 'identity of the version';
COMMENT ON COLUMN sc_api.question.type IS 'single, multiple, truefalse, numeric, short, matching, ordering, essay or description';
COMMENT ON COLUMN sc_api.question.name IS 'short name';
COMMENT ON COLUMN sc_api.question.prompt IS 'text, Markdown with LaTeX';
COMMENT ON COLUMN sc_api.question.format IS 'markdown, html or plain';
COMMENT ON COLUMN sc_api.question.options IS 'choices: [{"id", "text"}]; matching: {"left": […], "right": […]}';
COMMENT ON COLUMN sc_api.question.key IS 'what is right; the shape depends on the type; null while reserved';
COMMENT ON COLUMN sc_api.question.explanation IS 'shown where the review policy allows';
COMMENT ON COLUMN sc_api.question.media IS '[{"url", "kind", "alt"}]';
COMMENT ON COLUMN sc_api.question.points IS 'default worth';
COMMENT ON COLUMN sc_api.question.subject_id IS 'subject';
COMMENT ON COLUMN sc_api.question.unit_id IS 'unit';
COMMENT ON COLUMN sc_api.question.outcome_id IS 'learning outcome (kazanım)';
COMMENT ON COLUMN sc_api.question.category IS 'shelf of the bank, parts parted by /';
COMMENT ON COLUMN sc_api.question.difficulty IS 'easy, medium or hard';
COMMENT ON COLUMN sc_api.question.grade IS 'class year';
COMMENT ON COLUMN sc_api.question.source IS 'book or paper it came from';
COMMENT ON COLUMN sc_api.question.tags IS 'free tags';
COMMENT ON COLUMN sc_api.question.is_active IS 'false: no longer offered';
COMMENT ON COLUMN sc_api.question.is_reserved IS 'an exam of somebody else that is not over uses it: no key, no explanation, no change';
COMMENT ON COLUMN sc_api.question.created_by IS 'author';
COMMENT ON COLUMN sc_api.question.created_at IS 'when it was made';
COMMENT ON COLUMN sc_api.question.updated_at IS 'when it last changed';

CREATE TYPE sc_api.question_version AS (
    id bigint,
    version int,
    type text,
    name text,
    prompt text,
    format text,
    options jsonb,
    key jsonb,
    explanation text,
    media jsonb,
    points numeric,
    created_by bigint,
    created_at timestamptz
);
COMMENT ON TYPE sc_api.question_version IS 'what a question said at some time';

CREATE TYPE sc_api.question_import AS (
    format text,
    dry_run boolean,
    found int,
    imported int,
    question_ids bigint[],
    errors jsonb
);
COMMENT ON TYPE sc_api.question_import IS 'outcome of an import';
COMMENT ON COLUMN sc_api.question_import.format IS 'gift, csv or json';
COMMENT ON COLUMN sc_api.question_import.dry_run IS 'nothing was stored';
COMMENT ON COLUMN sc_api.question_import.found IS 'questions in the file';
COMMENT ON COLUMN sc_api.question_import.imported IS 'questions stored';
COMMENT ON COLUMN sc_api.question_import.question_ids IS 'their ids, in the order of the file';
COMMENT ON COLUMN sc_api.question_import.errors IS '[{"line", "field", "code", "message"}]';

-- A question as a file has it: subject, unit and outcome by code or name.
CREATE TYPE sc.question_draft AS (
    line int,
    type text,
    name text,
    prompt text,
    format text,
    options jsonb,
    key jsonb,
    explanation text,
    media jsonb,
    points numeric,
    category text,
    subject text,
    unit text,
    outcome text,
    difficulty text,
    grade int,
    source text,
    tags text[],
    errors jsonb
);
COMMENT ON TYPE sc.question_draft IS 'a question read from a file, not yet stored';

CREATE FUNCTION sc.draft_error(line int, field text, code text, message text)
RETURNS jsonb
LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE
AS $$
BEGIN
    RETURN jsonb_build_array(jsonb_build_object('line', line, 'field', field, 'code', code, 'message', message));
END
$$;
COMMENT ON FUNCTION sc.draft_error(int, text, text, text) IS 'a list of one error';

CREATE FUNCTION sc.number_or_null(value text)
RETURNS numeric
LANGUAGE plpgsql IMMUTABLE STRICT PARALLEL SAFE
AS $$
BEGIN
    value := replace(btrim(value), ',', '.');
    RETURN CASE WHEN value ~ '^-?[0-9]{1,9}(\.[0-9]{1,9})?$' THEN value::numeric END;
END
$$;
COMMENT ON FUNCTION sc.number_or_null(text) IS 'a plain number with decimal point or comma; NULL for anything else';

CREATE FUNCTION sc.json_or_null(value text)
RETURNS jsonb
LANGUAGE plpgsql IMMUTABLE STRICT PARALLEL SAFE
AS $$
BEGIN
    RETURN value::jsonb;
EXCEPTION
    WHEN data_exception OR program_limit_exceeded THEN
        RETURN NULL;
END
$$;
COMMENT ON FUNCTION sc.json_or_null(text) IS 'JSON, or NULL where the text is none';

CREATE FUNCTION sc.draft_of(line int, source jsonb)
RETURNS sc.question_draft
LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE
AS $$
DECLARE
    d sc.question_draft;
BEGIN
    d.line := line;
    d.type := sc.question_normal(coalesce(source ->> 'type', 'single'));
    d.name := source ->> 'name';
    d.prompt := source ->> 'prompt';
    d.format := coalesce(source ->> 'format', 'markdown');
    d.explanation := source ->> 'explanation';
    d.points := sc.number_or_null(source ->> 'points');
    d.category := source ->> 'category';
    d.subject := source ->> 'subject';
    d.unit := source ->> 'unit';
    d.outcome := source ->> 'outcome';
    d.difficulty := source ->> 'difficulty';
    d.grade := sc.number_or_null(source ->> 'grade')::int;
    d.source := source ->> 'source';
    d.tags := '{}';
    d.errors := '[]';
    RETURN d;
END
$$;
COMMENT ON FUNCTION sc.draft_of(int, jsonb) IS 'a draft with the plain fields of an object, those whose text is their value';

CREATE FUNCTION sc.gift_drafts(file text)
RETURNS SETOF sc.question_draft
LANGUAGE plpgsql IMMUTABLE STRICT PARALLEL SAFE
AS $$
DECLARE
    g record;
    d sc.question_draft;
    mark text;
    value text;
BEGIN
    FOR g IN SELECT * FROM sc.gift_parse(file) LOOP
        d := NULL;
        d.line := g.line;
        d.type := g.type;
        d.name := g.name;
        d.prompt := g.prompt;
        d.format := g.format;
        d.options := g.options;
        d.key := g.key;
        d.explanation := g.explanation;
        d.media := '[]';
        d.category := g.category;
        d.tags := '{}';
        d.errors := coalesce(g.errors, '[]');
        FOREACH mark IN ARRAY g.tags LOOP
            value := substr(mark, strpos(mark, ':') + 1);
            CASE substr(mark, 1, strpos(mark, ':'))
                WHEN 'subject:' THEN d.subject := value;
                WHEN 'unit:' THEN d.unit := value;
                WHEN 'outcome:' THEN d.outcome := value;
                WHEN 'difficulty:' THEN d.difficulty := value;
                WHEN 'grade:' THEN d.grade := sc.number_or_null(value)::int;
                WHEN 'source:' THEN d.source := value;
                WHEN 'points:' THEN d.points := sc.number_or_null(value);
                WHEN 'media:' THEN d.media := coalesce(sc.json_or_null(value), '[]');
                ELSE d.tags := d.tags || mark;
            END CASE;
        END LOOP;
        RETURN NEXT d;
    END LOOP;
END
$$;
COMMENT ON FUNCTION sc.gift_drafts(text) IS
    'questions of a GIFT file; tags such as subject:MAT, grade:9, difficulty:hard, points:2 say where a question is filed';

CREATE FUNCTION sc.csv_drafts(file text)
RETURNS SETOF sc.question_draft
LANGUAGE plpgsql IMMUTABLE STRICT PARALLEL SAFE
AS $$
DECLARE
    r record;
    head text[];
    cell jsonb;
    d sc.question_draft;
    letters text[];
    right_ones text[];
BEGIN
    FOR r IN SELECT * FROM sc.csv_parse(file) LOOP
        IF r.fields IS NULL THEN
            d := NULL;
            d.line := r.line;
            d.errors := sc.draft_error(r.line, NULL, 'open_quote', 'a quoted field is not closed');
            RETURN NEXT d;
            RETURN;
        END IF;
        IF head IS NULL THEN
            head := ARRAY(SELECT lower(btrim(h)) FROM unnest(r.fields) AS h);
            CONTINUE;
        END IF;
        SELECT jsonb_object_agg(h.name, sc.csv_value(h.value)) INTO cell
        FROM unnest(head, r.fields) AS h(name, value)
        WHERE h.name <> '' AND coalesce(h.value, '') <> '';
        cell := coalesce(cell, '{}');
        d := sc.draft_of(r.line, cell);
        IF NOT (head @> '{prompt}') THEN
            d.errors := sc.draft_error(1, 'prompt', 'no_prompt_column', 'the first line must name the columns, prompt among them');
            RETURN NEXT d;
            RETURN;
        END IF;
        IF cardinality(r.fields) > cardinality(head) THEN
            d.errors := d.errors || sc.draft_error(r.line, NULL, 'too_many_fields', 'there are more fields than columns');
        END IF;
        d.options := coalesce(sc.json_or_null(cell ->> 'options'), '[]');
        d.key := coalesce(sc.json_or_null(cell ->> 'key'), '{}');
        d.media := coalesce(sc.json_or_null(cell ->> 'media'), '[]');
        d.tags := ARRAY(SELECT btrim(t) FROM unnest(string_to_array(cell ->> 'tags', '|')) AS t WHERE btrim(t) <> '');

        -- the short form: one column per option, and the letters of the right ones
        letters := ARRAY(SELECT x FROM unnest('{a,b,c,d,e,f,g,h}'::text[]) AS x WHERE cell ? x);
        IF NOT cell ? 'options' AND letters <> '{}' THEN
            d.options := (SELECT jsonb_agg(jsonb_build_object('id', x, 'text', cell ->> x) ORDER BY x) FROM unnest(letters) AS x);
        END IF;
        IF NOT cell ? 'key' AND cell ? 'correct' THEN
            right_ones := ARRAY(SELECT m[1] FROM regexp_matches(lower(cell ->> 'correct'), '[^\s,;|]+', 'g') AS m);
            d.key := CASE d.type
                WHEN 'single' THEN jsonb_build_object('correct', right_ones[1])
                WHEN 'multiple' THEN jsonb_build_object('correct', right_ones)
                WHEN 'truefalse' THEN jsonb_build_object('correct', right_ones[1] IN ('true', 't', 'd', 'doğru', '1'))
                WHEN 'numeric' THEN jsonb_build_object('value', cell ->> 'correct')
                WHEN 'short' THEN jsonb_build_object('text', cell ->> 'correct')
                ELSE d.key END;
            IF d.type = 'single' AND cardinality(right_ones) > 1 THEN
                d.errors := d.errors || sc.draft_error(r.line, 'correct', 'several_correct', 'a single choice has one right option');
            END IF;
        END IF;
        -- what was written but could not be read
        d.errors := d.errors || coalesce((
            SELECT jsonb_agg(e)
            FROM (
                SELECT jsonb_array_elements(sc.draft_error(r.line, f, 'invalid_json', 'the field is not JSON')) AS e
                FROM unnest('{options,key,media}'::text[]) AS f
                WHERE cell ? f AND sc.json_or_null(cell ->> f) IS NULL
                UNION ALL
                SELECT jsonb_array_elements(sc.draft_error(r.line, f, 'bad_number', 'the field is not a number')) AS e
                FROM unnest('{points,grade}'::text[]) AS f
                WHERE cell ? f AND sc.number_or_null(cell ->> f) IS NULL) AS x), '[]');
        RETURN NEXT d;
    END LOOP;
END
$$;
COMMENT ON FUNCTION sc.csv_drafts(text) IS
    'questions of a CSV file: the columns that export writes, or the short form with columns a to h and correct';

CREATE FUNCTION sc.json_drafts(file text)
RETURNS SETOF sc.question_draft
LANGUAGE plpgsql IMMUTABLE STRICT PARALLEL SAFE
AS $$
DECLARE
    doc jsonb := sc.json_or_null(file);
    lines int[];
    q record;
    e jsonb;
    d sc.question_draft;
BEGIN
    IF jsonb_typeof(doc) = 'object' THEN
        doc := doc -> 'questions';
    END IF;
    IF doc IS NULL OR jsonb_typeof(doc) <> 'array' THEN
        d.line := 1;
        d.errors := sc.draft_error(1, NULL, 'invalid_json', 'the file must be a JSON list of questions');
        RETURN NEXT d;
        RETURN;
    END IF;
    lines := sc.json_lines(file);
    FOR q IN SELECT x.value, x.n FROM jsonb_array_elements(doc) WITH ORDINALITY AS x(value, n) LOOP
        e := q.value;
        d := sc.draft_of(coalesce(lines[q.n], 1), e);
        IF jsonb_typeof(e) <> 'object' THEN
            d.errors := sc.draft_error(d.line, NULL, 'object_expected', 'a question must be an object');
            RETURN NEXT d;
            CONTINUE;
        END IF;
        d.prompt := coalesce(d.prompt, e ->> 'question');
        d.options := coalesce(e -> 'options', '[]');
        d.key := coalesce(e -> 'key', '{}');
        d.media := coalesce(e -> 'media', '[]');
        d.difficulty := coalesce(d.difficulty, e -> 'metadata' ->> 'difficulty');
        d.grade := coalesce(d.grade, sc.number_or_null(e -> 'metadata' ->> 'grade')::int);
        -- the form of published question sets: texts, and the index of the right one
        IF NOT e ? 'options' AND jsonb_typeof(e -> 'choices') = 'array' THEN
            d.options := (SELECT jsonb_agg(jsonb_build_object('id', chr(96 + c.n::int), 'text', btrim(c.value)) ORDER BY c.n)
                          FROM jsonb_array_elements_text(e -> 'choices') WITH ORDINALITY AS c(value, n)
                          WHERE c.n <= 26);
            IF NOT e ? 'key' AND jsonb_typeof(e -> 'answer') = 'number' AND sc.number_or_null(e ->> 'answer') BETWEEN 0 AND 25 THEN
                d.key := jsonb_build_object('correct', chr(97 + (e ->> 'answer')::numeric::int));
            END IF;
        END IF;
        d.tags := '{}';
        IF jsonb_typeof(e -> 'tags') = 'array' THEN
            d.tags := ARRAY(SELECT jsonb_array_elements_text(e -> 'tags'));
        END IF;
        RETURN NEXT d;
    END LOOP;
END
$$;
COMMENT ON FUNCTION sc.json_drafts(text) IS
    'questions of a JSON file: a list, or {"questions": […]}; also [{"question", "choices", "answer": index from 0}]';

-- What stands in the way of storing a draft.
CREATE FUNCTION sc.draft_errors(d sc.question_draft)
RETURNS jsonb
LANGUAGE plpgsql STABLE PARALLEL SAFE
AS $$
DECLARE
    errors jsonb := d.errors;
BEGIN
    IF d.type IS NULL AND d.prompt IS NULL AND errors <> '[]' THEN
        RETURN errors;
    END IF;
    -- a faulty source says it better than the checks of what was made of it
    IF errors = '[]' THEN
        errors := coalesce((
            SELECT jsonb_agg(jsonb_build_object('line', d.line, 'field', c.field, 'code', c.code, 'message', c.message))
            FROM sc.question_check(d.type, d.prompt, d.options, d.key) AS c), '[]');
    END IF;
    IF d.format NOT IN ('markdown', 'html', 'plain') THEN
        errors := errors || sc.draft_error(d.line, 'format', 'unknown_value', 'format is markdown, html or plain');
    END IF;
    IF length(d.prompt) > 100000 THEN
        errors := errors || sc.draft_error(d.line, 'prompt', 'too_long', 'the text is too long');
    END IF;
    IF d.difficulty NOT IN ('easy', 'medium', 'hard') THEN
        errors := errors || sc.draft_error(d.line, 'difficulty', 'unknown_value', 'difficulty is easy, medium or hard');
    END IF;
    IF d.grade NOT BETWEEN 1 AND 13 THEN
        errors := errors || sc.draft_error(d.line, 'grade', 'out_of_range', 'grade is a class year from 1 to 13');
    END IF;
    IF d.points NOT BETWEEN 0 AND 1000 THEN
        errors := errors || sc.draft_error(d.line, 'points', 'out_of_range', 'points are a number from 0 to 1000');
    END IF;
    IF jsonb_typeof(d.media) <> 'array' THEN
        errors := errors || sc.draft_error(d.line, 'media', 'not_a_list', 'media are a list of {"url"}');
    END IF;
    RETURN errors;
END
$$;
COMMENT ON FUNCTION sc.draft_errors(sc.question_draft) IS 'everything wrong with a draft, as a list';

CREATE FUNCTION sc.question_store(
    d sc.question_draft, actor bigint, subject_id bigint, unit_id bigint, outcome_id bigint)
RETURNS bigint
LANGUAGE plpgsql VOLATILE
AS $$
DECLARE
    id bigint;
BEGIN
    INSERT INTO sc.questions AS q (subject_id, unit_id, outcome_id, category, difficulty, grade, source, tags, created_by)
    VALUES (subject_id, unit_id, outcome_id, sc.text_normal(d.category), d.difficulty, d.grade, sc.text_normal(d.source),
            coalesce(d.tags, '{}'), actor)
    RETURNING q.id INTO id;
    INSERT INTO sc.question_versions (question_id, version, type, name, prompt, format, options, key, explanation, media, points, created_by)
    VALUES (id, 1, d.type, sc.text_normal(d.name), sc.text_normal(d.prompt), d.format, sc.options_normal(d.options),
            sc.key_normal(d.type, coalesce(d.key, '{}')), sc.text_normal(d.explanation), d.media, coalesce(d.points, CASE d.type WHEN 'description' THEN 0 ELSE 1 END), actor);
    RETURN id;
END
$$;
COMMENT ON FUNCTION sc.question_store(sc.question_draft, bigint, bigint, bigint, bigint) IS 'stores a draft that was checked; returns the id of the question';

CREATE FUNCTION sc.free_subject_code(name text)
RETURNS text
LANGUAGE plpgsql STABLE STRICT
AS $$
DECLARE
    stem text := upper(left(trim(regexp_replace(sc.fold_text(name), '[^a-z0-9]+', '-', 'g'), '-'), 16));
    candidate text := stem;
    n int := 1;
BEGIN
    WHILE candidate = '' OR EXISTS (SELECT FROM sc.subjects AS s WHERE s.code = candidate) LOOP
        n := n + 1;
        candidate := coalesce(nullif(stem, ''), 'S') || '-' || n;
    END LOOP;
    RETURN candidate;
END
$$;
COMMENT ON FUNCTION sc.free_subject_code(text) IS 'a short code for a new subject, made of its name, that no subject has yet';

CREATE FUNCTION sc.import_questions(
    actor bigint, file text, format text, dry_run boolean DEFAULT false, subject_id bigint DEFAULT NULL,
    create_subjects boolean DEFAULT false)
RETURNS sc_api.question_import
LANGUAGE plpgsql VOLATILE
AS $$
DECLARE
    drafts sc.question_draft[];
    d sc.question_draft;
    answer sc_api.question_import;
    subjects bigint[];
    units bigint[];
    outcomes bigint[];
    s bigint;
    u bigint;
    o bigint;
    n int := 0;
BEGIN
    CASE format
        WHEN 'gift' THEN drafts := ARRAY(SELECT x FROM sc.gift_drafts(file) AS x);
        WHEN 'csv' THEN drafts := ARRAY(SELECT x FROM sc.csv_drafts(file) AS x);
        WHEN 'json' THEN drafts := ARRAY(SELECT x FROM sc.json_drafts(file) AS x);
    END CASE;
    answer.format := format;
    answer.dry_run := dry_run;
    answer.found := cardinality(drafts);
    answer.imported := 0;
    answer.errors := '[]';

    FOREACH d IN ARRAY drafts LOOP
        n := n + 1;
        s := subject_id;
        u := NULL;
        o := NULL;
        d.errors := sc.draft_errors(d);
        IF s IS NULL AND d.subject IS NOT NULL THEN
            SELECT x.id INTO s FROM sc.subjects AS x
            WHERE x.code = d.subject OR sc.fold_text(x.name) = sc.fold_text(d.subject) ORDER BY x.code = d.subject DESC, x.id LIMIT 1;
            IF s IS NULL AND create_subjects AND NOT dry_run THEN
                INSERT INTO sc.subjects AS x (code, name) VALUES (sc.free_subject_code(d.subject), d.subject)
                RETURNING x.id INTO s;
            ELSIF s IS NULL AND NOT create_subjects THEN
                d.errors := d.errors || sc.draft_error(d.line, 'subject', 'unknown_subject', 'there is no such subject');
            END IF;
        END IF;
        IF d.unit IS NOT NULL THEN
            SELECT x.id INTO u FROM sc.units AS x
            WHERE x.subject_id = s AND sc.fold_text(x.name) = sc.fold_text(d.unit) ORDER BY x.grade = d.grade DESC NULLS LAST, x.id LIMIT 1;
            IF u IS NULL THEN
                d.errors := d.errors || sc.draft_error(d.line, 'unit', 'unknown_unit', 'the subject has no such unit');
            END IF;
        END IF;
        IF d.outcome IS NOT NULL THEN
            SELECT x.id, coalesce(u, x.unit_id), coalesce(s, y.subject_id) INTO o, u, s
            FROM sc.outcomes AS x JOIN sc.units AS y ON y.id = x.unit_id WHERE x.code = d.outcome;
            IF o IS NULL THEN
                d.errors := d.errors || sc.draft_error(d.line, 'outcome', 'unknown_outcome', 'there is no outcome with this code');
            END IF;
        END IF;
        answer.errors := answer.errors || d.errors;
        subjects[n] := s;
        units[n] := u;
        outcomes[n] := o;
    END LOOP;

    IF n = 0 THEN
        answer.errors := sc.draft_error(1, NULL, 'no_questions', 'there are no questions in the file');
    END IF;
    IF dry_run OR answer.errors <> '[]' THEN
        RETURN answer;
    END IF;
    FOR i IN 1 .. n LOOP
        answer.question_ids[i] := sc.question_store(drafts[i], actor, subjects[i], units[i], outcomes[i]);
    END LOOP;
    answer.question_ids := coalesce(answer.question_ids, '{}');
    answer.imported := n;
    RETURN answer;
END
$$;
COMMENT ON FUNCTION sc.import_questions(bigint, text, text, boolean, bigint, boolean) IS
    'reads a file (gift, csv, json) into the bank, all of it or nothing: errors, with their lines, mean that nothing was stored';

CREATE FUNCTION sc.questions_matching(
    subject bigint, unit bigint, outcome bigint, kind text, level text, year int, origin text, tag text, shelf text,
    words tsquery, everything boolean)
RETURNS SETOF bigint
LANGUAGE plpgsql STABLE PARALLEL SAFE ROWS 1000
AS $$
BEGIN
    RETURN QUERY
    SELECT q.id
    FROM sc.questions AS q
    JOIN sc.question_versions AS v ON v.question_id = q.id AND v.version = q.current_version
    WHERE (q.is_active OR everything)
      AND (subject IS NULL OR q.subject_id = subject)
      AND (unit IS NULL OR q.unit_id = unit)
      AND (outcome IS NULL OR q.outcome_id = outcome)
      AND (kind IS NULL OR v.type = kind)
      AND (level IS NULL OR q.difficulty = level)
      AND (year IS NULL OR q.grade = year)
      AND (origin IS NULL OR q.source = origin)
      AND (tag IS NULL OR q.tags @> ARRAY[tag])
      AND (shelf IS NULL OR q.category = shelf OR starts_with(q.category, shelf || '/'))
      AND (words IS NULL OR v.search @@ words);
END
$$;
COMMENT ON FUNCTION sc.questions_matching(bigint, bigint, bigint, text, text, int, text, text, text, tsquery, boolean) IS
    'questions that fit; NULL does not restrict';

CREATE FUNCTION sc.reserved_questions(actor bigint, ids bigint[])
RETURNS SETOF bigint
LANGUAGE plpgsql STABLE PARALLEL SAFE ROWS 10
AS $$
BEGIN
    IF sc.can(actor, 'exams.manage') THEN
        RETURN;
    END IF;
    RETURN QUERY
    WITH used AS MATERIALIZED (
        SELECT q.question_id, q.exam_id
        FROM sc.exam_questions AS q
        JOIN sc.questions AS b ON b.id = q.question_id
        WHERE q.question_id = ANY (ids) AND b.created_by IS DISTINCT FROM actor),
    -- one look at each exam, whatever it uses
    secret AS MATERIALIZED (
        SELECT x.exam_id
        FROM (SELECT DISTINCT u.exam_id FROM used AS u) AS x
        WHERE NOT sc.is_exam_staff(actor, x.exam_id) AND sc.exam_keeps_keys(x.exam_id))
    SELECT DISTINCT u.question_id FROM used AS u JOIN secret AS s ON s.exam_id = u.exam_id;
END
$$;
COMMENT ON FUNCTION sc.reserved_questions(bigint, bigint[]) IS
    'of these questions the ones whose keys the user may not see now: exams that others run keep them secret; authors see their own, and who manages all exams sees all';

CREATE FUNCTION sc.is_reserved(actor bigint, question_id bigint)
RETURNS boolean
LANGUAGE plpgsql STABLE PARALLEL SAFE
AS $$
BEGIN
    RETURN EXISTS (SELECT FROM sc.reserved_questions(actor, ARRAY[is_reserved.question_id]));
END
$$;
COMMENT ON FUNCTION sc.is_reserved(bigint, bigint) IS 'is the key of the question kept from this user by somebody else''s exam';

CREATE FUNCTION sc.question_row(question_id bigint, reserved boolean DEFAULT false)
RETURNS sc_api.question
LANGUAGE plpgsql STABLE STRICT PARALLEL SAFE
AS $$
DECLARE
    a sc_api.question;
BEGIN
    SELECT q.id, v.version, v.id, v.type, v.name, v.prompt, v.format,
           CASE WHEN reserved THEN sc.options_public(v.type, v.options) ELSE v.options END,
           CASE WHEN NOT reserved THEN v.key END, CASE WHEN NOT reserved THEN v.explanation END, v.media, v.points,
           q.subject_id, q.unit_id, q.outcome_id, q.category, q.difficulty, q.grade, q.source, q.tags, q.is_active, reserved,
           q.created_by, q.created_at, q.updated_at
    INTO a
    FROM sc.questions AS q
    JOIN sc.question_versions AS v ON v.question_id = q.id AND v.version = q.current_version
    WHERE q.id = question_row.question_id;
    RETURN a;
END
$$;
COMMENT ON FUNCTION sc.question_row(bigint, boolean) IS
    'a question with its current version, as a student may see it where reserved; NULL if there is none';

CREATE FUNCTION sc.export_questions(format text, ids bigint[])
RETURNS SETOF text
LANGUAGE plpgsql STABLE
AS $$
DECLARE
    r record;
    shelf text;
    separator text := '';
    fields text[];
    head constant text[] := '{type,name,prompt,format,options,key,explanation,media,points,category,subject,unit,outcome,difficulty,grade,source,tags}';
BEGIN
    IF format = 'csv' THEN
        -- the mark lets a spreadsheet know that this is UTF-8
        RETURN NEXT E'\uFEFF' || array_to_string(head, ',') || E'\r\n';
    ELSIF format = 'json' THEN
        RETURN NEXT '{"questions": [';
    END IF;
    FOR r IN
        SELECT v.type, v.name, v.prompt, v.format, v.options, v.key, v.explanation, v.media, v.points, q.category,
               s.code AS subject, u.name AS unit, o.code AS outcome, q.difficulty, q.grade, q.source, q.tags
        FROM unnest(ids) WITH ORDINALITY AS f(id, place)
        JOIN sc.questions AS q ON q.id = f.id
        JOIN sc.question_versions AS v ON v.question_id = q.id AND v.version = q.current_version
        LEFT JOIN sc.subjects AS s ON s.id = q.subject_id
        LEFT JOIN sc.units AS u ON u.id = q.unit_id
        LEFT JOIN sc.outcomes AS o ON o.id = q.outcome_id
        ORDER BY CASE WHEN export_questions.format = 'gift' THEN coalesce(q.category, '') END, f.place
    LOOP
        CASE format
            WHEN 'gift' THEN
                IF r.category IS DISTINCT FROM shelf THEN
                    shelf := r.category;
                    RETURN NEXT '$CATEGORY: ' || sc.gift_escape_text(coalesce(shelf, '')) || E'\n\n';
                END IF;
                fields := r.tags
                    || CASE WHEN r.subject IS NOT NULL THEN ARRAY['subject:' || r.subject] END
                    || CASE WHEN r.unit IS NOT NULL THEN ARRAY['unit:' || r.unit] END
                    || CASE WHEN r.outcome IS NOT NULL THEN ARRAY['outcome:' || r.outcome] END
                    || CASE WHEN r.difficulty IS NOT NULL THEN ARRAY['difficulty:' || r.difficulty] END
                    || CASE WHEN r.grade IS NOT NULL THEN ARRAY['grade:' || r.grade] END
                    || CASE WHEN r.source IS NOT NULL THEN ARRAY['source:' || r.source] END
                    || CASE WHEN r.points <> 1 THEN ARRAY['points:' || r.points] END
                    || CASE WHEN r.media <> '[]' THEN ARRAY['media:' || r.media::text] END;
                RETURN NEXT sc.gift_format(r.type, r.prompt, r.options, r.key, r.name, r.explanation, r.format, fields) || E'\n';
            WHEN 'csv' THEN
                RETURN NEXT (
                    SELECT string_agg(sc.csv_field(x.value), ',' ORDER BY x.n)
                    FROM unnest(ARRAY[r.type, r.name, r.prompt, r.format, r.options::text, r.key::text, r.explanation, r.media::text,
                                      r.points::text, r.category, r.subject, r.unit, r.outcome, r.difficulty, r.grade::text, r.source,
                                      array_to_string(r.tags, '|')]) WITH ORDINALITY AS x(value, n)) || E'\r\n';
            WHEN 'json' THEN
                RETURN NEXT separator || (SELECT jsonb_object_agg(e.key, e.value) FROM jsonb_each(to_jsonb(r)) AS e WHERE e.value <> 'null')::text;
                separator := E',\n';
        END CASE;
    END LOOP;
    IF format = 'json' THEN
        RETURN NEXT ']}';
    END IF;
END
$$;
COMMENT ON FUNCTION sc.export_questions(text, bigint[]) IS
    'questions as the pieces of a gift, csv or json text, in the order of the ids (GIFT: by category); import_questions() reads it back as the same questions';

-- Handlers

CREATE FUNCTION sc_api.questions_list(
    actor bigint, _subject_id bigint DEFAULT NULL, _unit_id bigint DEFAULT NULL, _outcome_id bigint DEFAULT NULL,
    _type text DEFAULT NULL, _difficulty text DEFAULT NULL, _grade int DEFAULT NULL, _source text DEFAULT NULL,
    _tag text DEFAULT NULL, _category text DEFAULT NULL, _q text DEFAULT NULL, _all boolean DEFAULT false,
    page int DEFAULT 1, per_page int DEFAULT 20)
RETURNS SETOF sc_api.question
LANGUAGE plpgsql STABLE
AS $$
DECLARE
    ids bigint[];
    reserved bigint[];
BEGIN
    IF _type IS NOT NULL AND sc.question_normal(_type) NOT IN
        ('single', 'multiple', 'truefalse', 'numeric', 'short', 'matching', 'ordering', 'essay', 'description') THEN
        PERFORM sc_api.invalid('type', 'unknown_type');
        PERFORM sc_api.check_valid();
    END IF;
    ids := ARRAY(
        SELECT m FROM sc.questions_matching(_subject_id, _unit_id, _outcome_id, sc.question_normal(_type), _difficulty, _grade,
                                            _source, _tag, _category, sc.prefix_query(_q), _all) AS m
        ORDER BY m);
    PERFORM sc_api.total(cardinality(ids));
    ids := ids[(page - 1)::bigint * per_page + 1 : page::bigint * per_page];
    reserved := ARRAY(SELECT sc.reserved_questions(actor, ids));
    RETURN QUERY
    SELECT x.*
    FROM unnest(ids) WITH ORDINALITY AS f(id, place), sc.question_row(f.id, f.id = ANY (reserved)) AS x
    ORDER BY f.place;
END
$$;
COMMENT ON FUNCTION sc_api.questions_list(bigint, bigint, bigint, bigint, text, text, int, text, text, text, text, boolean, int, int) IS
    'Questions of the bank, with keys. q finds by beginnings of words of name and text, with or without Turkish letters; category takes what lies below it; all shows withdrawn ones too. is_reserved: an exam of somebody else that is not over uses the question, and its key is not shown.';

CREATE FUNCTION sc_api.question_get(actor bigint, question_id bigint)
RETURNS sc_api.question
LANGUAGE plpgsql STABLE
AS $$
BEGIN
    RETURN sc.question_row(question_id, sc.is_reserved(actor, question_id));
END
$$;
COMMENT ON FUNCTION sc_api.question_get(bigint, bigint) IS 'A question with its current version and key; without the key while an exam of somebody else keeps it (is_reserved).';

CREATE FUNCTION sc_api.question_versions(actor bigint, question_id bigint)
RETURNS SETOF sc_api.question_version
LANGUAGE plpgsql STABLE
AS $$
DECLARE
    reserved boolean := sc.is_reserved(actor, question_id);
BEGIN
    RETURN QUERY
    SELECT v.id, v.version, v.type, v.name, v.prompt, v.format,
           CASE WHEN reserved THEN sc.options_public(v.type, v.options) ELSE v.options END,
           CASE WHEN NOT reserved THEN v.key END, CASE WHEN NOT reserved THEN v.explanation END, v.media, v.points,
           v.created_by, v.created_at
    FROM sc.question_versions AS v
    WHERE v.question_id = question_versions.question_id
    ORDER BY v.version DESC;
    IF NOT FOUND THEN
        PERFORM sc_api.refuse(404, 'not_found');
    END IF;
END
$$;
COMMENT ON FUNCTION sc_api.question_versions(bigint, bigint) IS 'All versions of a question, the newest first; without keys while the question is reserved.';

-- Field errors of a draft, and references that must fit together.
CREATE FUNCTION sc.question_validate(d sc.question_draft, subject_id bigint, unit_id bigint, outcome_id bigint)
RETURNS void
LANGUAGE plpgsql VOLATILE
AS $$
DECLARE
    e jsonb;
BEGIN
    FOR e IN SELECT jsonb_array_elements(sc.draft_errors(d)) LOOP
        PERFORM sc_api.invalid(e ->> 'field', e ->> 'code');
    END LOOP;
    IF unit_id IS NOT NULL AND NOT EXISTS (
        SELECT FROM sc.units AS u
        WHERE u.id = question_validate.unit_id AND u.subject_id = question_validate.subject_id) THEN
        PERFORM sc_api.invalid('unit_id', 'unknown_unit');
    END IF;
    IF outcome_id IS NOT NULL AND NOT EXISTS (
        SELECT FROM sc.outcomes AS o
        WHERE o.id = question_validate.outcome_id AND o.unit_id = question_validate.unit_id) THEN
        PERFORM sc_api.invalid('outcome_id', 'unknown_outcome');
    END IF;
    IF subject_id IS NOT NULL AND NOT EXISTS (
        SELECT FROM sc.subjects AS s WHERE s.id = question_validate.subject_id) THEN
        PERFORM sc_api.invalid('subject_id', 'unknown_subject');
    END IF;
    PERFORM sc_api.check_valid();
END
$$;
COMMENT ON FUNCTION sc.question_validate(sc.question_draft, bigint, bigint, bigint) IS 'refuses a faulty question with an error per field';

CREATE FUNCTION sc_api.question_create(
    actor bigint, _type text, _prompt text, _options jsonb DEFAULT '[]', _key jsonb DEFAULT '{}', _name text DEFAULT NULL,
    _format text DEFAULT 'markdown', _explanation text DEFAULT NULL, _media jsonb DEFAULT '[]', _points numeric DEFAULT NULL,
    _subject_id bigint DEFAULT NULL, _unit_id bigint DEFAULT NULL, _outcome_id bigint DEFAULT NULL, _category text DEFAULT NULL,
    _difficulty text DEFAULT NULL, _grade int DEFAULT NULL, _source text DEFAULT NULL, _tags text[] DEFAULT '{}')
RETURNS sc_api.question
LANGUAGE plpgsql VOLATILE
AS $$
DECLARE
    d sc.question_draft;
    id bigint;
BEGIN
    d := ROW(NULL, sc.question_normal(_type), _name, _prompt, _format, _options, _key, _explanation, _media, _points, _category,
             NULL, NULL, NULL, _difficulty, _grade, _source, _tags, '[]');
    PERFORM sc.question_validate(d, _subject_id, _unit_id, _outcome_id);
    id := sc.question_store(d, actor, _subject_id, _unit_id, _outcome_id);
    PERFORM sc_api.header('Location', '/api/v1/questions/' || id);
    RETURN sc.question_row(id);
END
$$;
COMMENT ON FUNCTION sc_api.question_create(bigint, text, text, jsonb, jsonb, text, text, text, jsonb, numeric, bigint, bigint, bigint, text, text, int, text, text[]) IS
    'Adds a question. The shapes of options and key by type are described in docs/questions.md.';

CREATE FUNCTION sc_api.question_update(
    actor bigint, question_id bigint, given text[], _type text DEFAULT NULL, _prompt text DEFAULT NULL,
    _options jsonb DEFAULT NULL, _key jsonb DEFAULT NULL, _name text DEFAULT NULL, _format text DEFAULT NULL,
    _explanation text DEFAULT NULL, _media jsonb DEFAULT NULL, _points numeric DEFAULT NULL, _subject_id bigint DEFAULT NULL,
    _unit_id bigint DEFAULT NULL, _outcome_id bigint DEFAULT NULL, _category text DEFAULT NULL, _difficulty text DEFAULT NULL,
    _grade int DEFAULT NULL, _source text DEFAULT NULL, _tags text[] DEFAULT NULL, _is_active boolean DEFAULT NULL)
RETURNS sc_api.question
LANGUAGE plpgsql VOLATILE
AS $$
DECLARE
    was sc_api.question;
    d sc.question_draft;
    s bigint;
    u bigint;
    o bigint;
BEGIN
    -- the row is locked before it is read: two editors make two versions, one after the other
    PERFORM FROM sc.questions AS q WHERE q.id = question_update.question_id FOR NO KEY UPDATE;
    IF NOT FOUND THEN
        PERFORM sc_api.refuse(404, 'not_found');
    END IF;
    IF sc.is_reserved(actor, question_id) THEN
        PERFORM sc_api.refuse(409, 'question_reserved');
    END IF;
    was := sc.question_row(question_id);
    d := ROW(NULL,
             CASE WHEN _type IS NULL THEN was.type ELSE sc.question_normal(_type) END,
             CASE WHEN 'name' = ANY (given) THEN sc.text_normal(_name) ELSE was.name END,
             CASE WHEN 'prompt' = ANY (given) THEN sc.text_normal(_prompt) ELSE was.prompt END,
             coalesce(_format, was.format),
             CASE WHEN 'options' = ANY (given) THEN coalesce(sc.options_normal(_options), '[]') ELSE was.options END,
             CASE WHEN 'key' = ANY (given) THEN coalesce(_key, '{}') ELSE was.key END,
             CASE WHEN 'explanation' = ANY (given) THEN sc.text_normal(_explanation) ELSE was.explanation END,
             CASE WHEN 'media' = ANY (given) THEN coalesce(_media, '[]') ELSE was.media END,
             coalesce(_points, was.points),
             CASE WHEN 'category' = ANY (given) THEN sc.text_normal(_category) ELSE was.category END,
             NULL, NULL, NULL,
             CASE WHEN 'difficulty' = ANY (given) THEN _difficulty ELSE was.difficulty END,
             CASE WHEN 'grade' = ANY (given) THEN _grade ELSE was.grade END,
             CASE WHEN 'source' = ANY (given) THEN sc.text_normal(_source) ELSE was.source END,
             CASE WHEN 'tags' = ANY (given) THEN coalesce(_tags, '{}') ELSE was.tags END,
             '[]');
    -- a question that moves to another subject leaves its unit behind, unless it is given one
    s := CASE WHEN 'subject_id' = ANY (given) THEN _subject_id ELSE was.subject_id END;
    u := CASE WHEN 'unit_id' = ANY (given) THEN _unit_id WHEN s IS DISTINCT FROM was.subject_id THEN NULL ELSE was.unit_id END;
    o := CASE WHEN 'outcome_id' = ANY (given) THEN _outcome_id WHEN u IS DISTINCT FROM was.unit_id THEN NULL ELSE was.outcome_id END;
    PERFORM sc.question_validate(d, s, u, o);
    d.key := sc.key_normal(d.type, d.key);

    IF (d.type, d.name, d.prompt, d.format, d.options, d.key, d.explanation, d.media, d.points)
        IS DISTINCT FROM (was.type, was.name, was.prompt, was.format, was.options, was.key, was.explanation, was.media, was.points) THEN
        INSERT INTO sc.question_versions (question_id, version, type, name, prompt, format, options, key, explanation, media, points, created_by)
        VALUES (was.id, was.version + 1, d.type, d.name, d.prompt, d.format, d.options, d.key, d.explanation, d.media, d.points, actor);
        was.version := was.version + 1;
    END IF;
    UPDATE sc.questions AS q
    SET current_version = was.version, subject_id = s, unit_id = u, outcome_id = o, category = d.category,
        difficulty = d.difficulty, grade = d.grade, source = d.source, tags = d.tags,
        is_active = coalesce(_is_active, q.is_active)
    WHERE q.id = was.id;
    RETURN sc.question_row(was.id);
END
$$;
COMMENT ON FUNCTION sc_api.question_update(bigint, bigint, text[], text, text, jsonb, jsonb, text, text, text, jsonb, numeric, bigint, bigint, bigint, text, text, int, text, text[], boolean) IS
    'Changes a question. What it says becomes a new version, so that running and past exams keep theirs; where it is filed changes in place. Refused while an exam of somebody else that is not over uses it.';

CREATE FUNCTION sc_api.question_delete(actor bigint, question_id bigint)
RETURNS void
LANGUAGE plpgsql VOLATILE
AS $$
BEGIN
    IF sc.is_reserved(actor, question_id) THEN
        PERFORM sc_api.refuse(409, 'question_reserved');
    END IF;
    UPDATE sc.questions AS q SET is_active = false WHERE q.id = question_delete.question_id AND q.is_active;
    IF NOT FOUND THEN
        PERFORM sc_api.refuse(404, 'not_found');
    END IF;
END
$$;
COMMENT ON FUNCTION sc_api.question_delete(bigint, bigint) IS
    'Withdraws a question: it is offered no more, and stays where exams use it. Refused while an exam of somebody else that is not over uses it.';

CREATE FUNCTION sc_api.questions_import(
    actor bigint, raw text, ctx jsonb, _format text DEFAULT NULL, _dry_run boolean DEFAULT false, _subject_id bigint DEFAULT NULL,
    _create_subjects boolean DEFAULT false)
RETURNS sc_api.question_import
LANGUAGE plpgsql VOLATILE
AS $$
DECLARE
    form text := coalesce(_format, CASE split_part(lower(ctx ->> 'content_type'), ';', 1)
                                       WHEN 'text/csv' THEN 'csv' WHEN 'application/json' THEN 'json' ELSE 'gift' END);
    answer sc_api.question_import;
BEGIN
    IF form NOT IN ('gift', 'csv', 'json') THEN
        PERFORM sc_api.invalid('format', 'unknown_value');
    END IF;
    IF _subject_id IS NOT NULL AND NOT EXISTS (SELECT FROM sc.subjects AS s WHERE s.id = _subject_id) THEN
        PERFORM sc_api.invalid('subject_id', 'unknown_subject');
    END IF;
    PERFORM sc_api.check_valid();
    answer := sc.import_questions(actor, coalesce(raw, ''), form, _dry_run, _subject_id, _create_subjects);
    IF NOT _dry_run AND answer.errors <> '[]' THEN
        PERFORM sc_api.refuse(422, 'import_invalid', jsonb_build_object('errors', answer.errors, 'found', answer.found));
    END IF;
    RETURN answer;
END
$$;
COMMENT ON FUNCTION sc_api.questions_import(bigint, text, jsonb, text, boolean, bigint, boolean) IS
    'Reads questions from GIFT (text/plain), CSV (text/csv) or JSON (application/json); format says so too. All or nothing: one error, and nothing is stored. dry_run reports without storing. create_subjects adds subjects that are missing.';

CREATE FUNCTION sc_api.questions_export(
    actor bigint, _format text DEFAULT 'gift', _subject_id bigint DEFAULT NULL, _unit_id bigint DEFAULT NULL,
    _outcome_id bigint DEFAULT NULL, _type text DEFAULT NULL, _difficulty text DEFAULT NULL, _grade int DEFAULT NULL,
    _source text DEFAULT NULL, _tag text DEFAULT NULL, _category text DEFAULT NULL, _q text DEFAULT NULL)
RETURNS SETOF text
LANGUAGE plpgsql STABLE
AS $$
DECLARE
    ids bigint[];
BEGIN
    IF _format NOT IN ('gift', 'csv', 'json') THEN
        PERFORM sc_api.invalid('format', 'unknown_value');
        PERFORM sc_api.check_valid();
    END IF;
    PERFORM sc_api.header('Content-Type', CASE _format WHEN 'csv' THEN 'text/csv; charset=utf-8'
                                                       WHEN 'json' THEN 'application/json' ELSE 'text/plain; charset=utf-8' END);
    PERFORM sc_api.header('Content-Disposition', 'attachment; filename="questions.' ||
                          CASE _format WHEN 'gift' THEN 'txt' ELSE _format END || '"');
    ids := ARRAY(SELECT sc.questions_matching(_subject_id, _unit_id, _outcome_id, sc.question_normal(_type), _difficulty, _grade,
                                              _source, _tag, _category, sc.prefix_query(_q), false));
    RETURN QUERY
    SELECT * FROM sc.export_questions(_format, ARRAY(SELECT unnest(ids) EXCEPT SELECT sc.reserved_questions(actor, ids) ORDER BY 1));
END
$$;
COMMENT ON FUNCTION sc_api.questions_export(bigint, text, bigint, bigint, bigint, text, text, int, text, text, text, text) IS
    'The questions that fit as a file: gift, csv or json. Importing it gives the same questions. Those that exams of others keep secret are left out.';

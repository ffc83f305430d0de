-- Paper exams: results entered by hand, from a list, or from an optical reader.
--
-- They share the tables, ranks and analysis of exams that are sat here.  Who
-- enters counts gives right and wrong answers per section; blanks, nets and
-- keys are computed, never typed.  An optical form gives the marks themselves:
-- where the exam has questions the marks become answers to them, so that
-- item statistics and corrections of keys work as online; where only an answer
-- key is given they become counts.

CREATE TYPE sc.section_counts AS (section_id bigint, correct int, wrong int);
COMMENT ON TYPE sc.section_counts IS 'right and wrong answers in a section';

CREATE TYPE sc.section_tally AS (
    section_id bigint,
    questions int,
    wrongs_per_right numeric,
    correct int,
    wrong int,
    blank int,
    points numeric,
    max_points numeric
);
COMMENT ON TYPE sc.section_tally IS 'counts and points of one section of a paper';

CREATE FUNCTION sc.tally_counts(exam_id bigint, counts sc.section_counts[])
RETURNS sc.section_tally[]
LANGUAGE plpgsql STABLE STRICT
AS $$
BEGIN
    RETURN ARRAY(
        SELECT ROW(x.id, x.n, x.k, x.d, x.y, x.n - x.d - x.y, x.d, x.n)::sc.section_tally
        FROM (
            SELECT s.id, s.order_index, s.question_count AS n, s.wrongs_per_right AS k,
                   coalesce(c.correct, 0) AS d, coalesce(c.wrong, 0) AS y,
                   -- of alternatives that one counts which has answers, else the first
                   row_number() OVER (PARTITION BY coalesce(s.alternative_group, s.id::text), s.alternative_group IS NULL
                                      ORDER BY coalesce(c.correct + c.wrong, 0) DESC, s.order_index) AS choice
            FROM sc.exam_sections AS s
            LEFT JOIN unnest(tally_counts.counts) AS c ON c.section_id = s.id
            WHERE s.exam_id = tally_counts.exam_id
        ) AS x
        WHERE x.choice = 1
        ORDER BY x.order_index);
END
$$;
COMMENT ON FUNCTION sc.tally_counts(bigint, sc.section_counts[]) IS
    'right and wrong answers per section made whole: blanks computed, missing sections blank, one of each group of alternatives; a right answer is a point';

CREATE FUNCTION sc.put_tallies(result_id bigint, tallies sc.section_tally[])
RETURNS void
LANGUAGE plpgsql VOLATILE STRICT
AS $$
BEGIN
    DELETE FROM sc.result_sections AS r WHERE r.result_id = put_tallies.result_id;
    INSERT INTO sc.result_sections (result_id, section_id, correct, wrong, blank, net, points)
    SELECT put_tallies.result_id, t.section_id, t.correct, t.wrong, t.blank,
           sc.net(t.correct, t.wrong, t.wrongs_per_right), t.points
    FROM unnest(tallies) AS t;
END
$$;
COMMENT ON FUNCTION sc.put_tallies(bigint, sc.section_tally[]) IS 'writes the sections of a paper result, replacing those before';

CREATE FUNCTION sc.put_tallied_result(
    exam_id bigint,
    user_id bigint,
    tallies sc.section_tally[],
    source text,
    submitted_at timestamptz,
    booklet text)
RETURNS bigint
LANGUAGE plpgsql VOLATILE
AS $$
DECLARE
    t record;
    multiple int := sc.exam_multiple(exam_id);
    result bigint;
BEGIN
    SELECT sum(x.correct)::int AS d, sum(x.wrong)::int AS y, sum(x.blank)::int AS b,
           sum(x.points) AS points, sum(x.max_points) AS max_points,
           sc.sort_key(array_agg(x.correct), array_agg(x.wrong), array_agg(x.wrongs_per_right), multiple) AS key
    INTO t
    FROM unnest(tallies) AS x;
    IF t.key IS NULL THEN
        PERFORM sc_api.refuse(409, 'exam_without_sections');
    END IF;
    result := sc.put_result(exam_id, user_id, source, submitted_at, booklet, t.d, t.y, t.b, t.key, multiple,
                            t.points, t.max_points);
    PERFORM sc.put_tallies(result, tallies);
    RETURN result;
END
$$;
COMMENT ON FUNCTION sc.put_tallied_result(bigint, bigint, sc.section_tally[], text, timestamptz, text) IS
    'writes the paper result of a student from its sections, replacing the one before; gives its id';

CREATE FUNCTION sc.put_result(
    exam_id bigint,
    user_id bigint,
    source text,
    submitted_at timestamptz,
    booklet text,
    correct int,
    wrong int,
    blank int,
    sort_key bigint,
    key_multiple int,
    points numeric,
    max_points numeric)
RETURNS bigint
LANGUAGE plpgsql VOLATILE
AS $$
DECLARE
    mark numeric;
    was record;
    result bigint;
BEGIN
    SELECT e.pass_mark INTO mark FROM sc.exams AS e WHERE e.id = put_result.exam_id;
    SELECT r.id, r.folded INTO was
    FROM sc.exam_results AS r
    WHERE r.exam_id = put_result.exam_id AND r.user_id = put_result.user_id AND r.attempt_id IS NULL
    FOR UPDATE;
    IF was.folded THEN
        UPDATE sc.exam_sums AS s SET is_stale = true WHERE s.exam_id = put_result.exam_id AND NOT s.is_stale;
    END IF;
    INSERT INTO sc.exam_results AS r (id, user_id, exam_id, source, booklet, submitted_at, correct, wrong, blank, net,
                                      sort_key, rank_key, key_multiple, points, max_points, percent, passed)
    VALUES (coalesce(was.id, nextval(pg_get_serial_sequence('sc.exam_results', 'id'))),
            put_result.user_id, put_result.exam_id, put_result.source, put_result.booklet, put_result.submitted_at,
            put_result.correct, put_result.wrong, put_result.blank,
            round(put_result.sort_key::numeric / put_result.key_multiple, 4),
            put_result.sort_key, put_result.sort_key, put_result.key_multiple, put_result.points, put_result.max_points,
            CASE WHEN put_result.max_points > 0 THEN round(100 * put_result.points / put_result.max_points, 3) END,
            CASE WHEN put_result.max_points > 0 THEN 100 * put_result.points >= mark * put_result.max_points END)
    ON CONFLICT (id) DO UPDATE
    SET source = excluded.source, booklet = excluded.booklet, submitted_at = excluded.submitted_at,
        correct = excluded.correct, wrong = excluded.wrong, blank = excluded.blank, net = excluded.net,
        sort_key = excluded.sort_key, rank_key = excluded.rank_key, key_multiple = excluded.key_multiple,
        points = excluded.points, max_points = excluded.max_points, percent = excluded.percent, passed = excluded.passed,
        item_ids = NULL, item_versions = NULL, item_outcomes = NULL, item_points = NULL, item_choices = NULL,
        folded = false, updated_at = clock_timestamp()
    RETURNING r.id INTO result;
    RETURN result;
END
$$;
COMMENT ON FUNCTION sc.put_result(bigint, bigint, text, timestamptz, text, int, int, int, bigint, int, numeric, numeric) IS
    'writes the one paper result of a student in an exam, new or replaced; sums that hold the old one are marked stale';

CREATE TYPE sc.sheet_item AS (section_id bigint, outcome smallint, points numeric, worth numeric);
COMMENT ON TYPE sc.sheet_item IS 'what became of one mark of an optical form; outcome as in exam_results.item_outcomes';

CREATE FUNCTION sc.grade_sheet(exam_id bigint, item_ids bigint[], item_versions bigint[], item_choices text[])
RETURNS sc.sheet_item[]
LANGUAGE plpgsql STABLE STRICT
AS $$
BEGIN
    RETURN ARRAY(
        SELECT ROW(eq.section_id,
                   CASE WHEN eq.treatment = 'exclude' THEN 3
                        WHEN eq.treatment = 'full_credit' THEN 5
                        WHEN u.choice IS NULL THEN 0
                        WHEN g.share >= 1 THEN 1
                        WHEN g.share > 0 THEN 2
                        ELSE -1 END,
                   CASE WHEN eq.treatment = 'full_credit' THEN eq.points
                        WHEN eq.treatment = 'exclude' OR u.choice IS NULL THEN 0
                        ELSE round(g.share * eq.points, 3) END,
                   CASE WHEN eq.treatment = 'exclude' THEN 0 ELSE eq.points END)::sc.sheet_item
        FROM unnest(item_ids, item_versions, item_choices) WITH ORDINALITY AS u(question_id, version_id, choice, place)
        JOIN sc.exam_questions AS eq ON eq.exam_id = grade_sheet.exam_id AND eq.question_id = u.question_id
        JOIN sc.question_versions AS v ON v.id = u.version_id
        CROSS JOIN LATERAL (
            SELECT greatest(sc.grade(v.type, coalesce(eq.key, v.key), to_jsonb(u.choice)),
                            CASE WHEN eq.treatment = 'best_of'
                                 THEN sc.grade(v.type, coalesce(eq.old_key, v.key), to_jsonb(u.choice)) END) AS share
        ) AS g
        ORDER BY u.place);
END
$$;
COMMENT ON FUNCTION sc.grade_sheet(bigint, bigint[], bigint[], text[]) IS
    'grades the marks of a form against the keys as they are now, question by question';

CREATE FUNCTION sc.tally_sheet(items sc.sheet_item[])
RETURNS sc.section_tally[]
LANGUAGE plpgsql STABLE STRICT
AS $$
BEGIN
    RETURN ARRAY(
        SELECT ROW(s.id, (count(*) FILTER (WHERE i.outcome <> 3))::int, s.wrongs_per_right,
                   (count(*) FILTER (WHERE i.outcome IN (1, 5)))::int,
                   (count(*) FILTER (WHERE i.outcome = -1))::int,
                   (count(*) FILTER (WHERE i.outcome IN (0, 2)))::int,
                   sum(i.points), sum(i.worth))::sc.section_tally
        FROM unnest(items) AS i
        JOIN sc.exam_sections AS s ON s.id = i.section_id
        GROUP BY s.id
        ORDER BY s.order_index);
END
$$;
COMMENT ON FUNCTION sc.tally_sheet(sc.sheet_item[]) IS 'adds the graded marks of a form up by section';

CREATE FUNCTION sc.put_sheet(
    exam_id bigint,
    user_id bigint,
    item_ids bigint[],
    item_versions bigint[],
    item_choices text[],
    submitted_at timestamptz,
    booklet text)
RETURNS bigint
LANGUAGE plpgsql VOLATILE
AS $$
DECLARE
    items sc.sheet_item[] := sc.grade_sheet(exam_id, item_ids, item_versions, item_choices);
    result bigint;
BEGIN
    result := sc.put_tallied_result(exam_id, user_id, sc.tally_sheet(items), 'optical', submitted_at, booklet);
    UPDATE sc.exam_results AS r
    SET item_ids = put_sheet.item_ids, item_versions = put_sheet.item_versions, item_choices = put_sheet.item_choices,
        item_outcomes = ARRAY(SELECT i.outcome FROM unnest(items) AS i),
        item_points = ARRAY(SELECT i.points::float8 FROM unnest(items) AS i),
        key_version = (SELECT e.key_version FROM sc.exams AS e WHERE e.id = put_sheet.exam_id)
    WHERE r.id = result;
    RETURN result;
END
$$;
COMMENT ON FUNCTION sc.put_sheet(bigint, bigint, bigint[], bigint[], text[], timestamptz, text) IS
    'stores and scores the marks of an optical form: questions in the order of the key, the option chosen or NULL for each';

CREATE FUNCTION sc.score_result(result_id bigint)
RETURNS void
LANGUAGE plpgsql VOLATILE STRICT
AS $$
DECLARE
    r record;
BEGIN
    SELECT x.exam_id, x.user_id, x.attempt_id, x.item_ids, x.item_versions, x.item_choices, x.submitted_at, x.booklet INTO r
    FROM sc.exam_results AS x WHERE x.id = score_result.result_id;
    IF r.attempt_id IS NOT NULL THEN
        PERFORM sc.score_attempt(r.attempt_id);
    ELSIF r.item_choices IS NOT NULL THEN
        PERFORM sc.put_sheet(r.exam_id, r.user_id, r.item_ids, r.item_versions, r.item_choices, r.submitted_at, r.booklet);
    END IF;
END
$$;
COMMENT ON FUNCTION sc.score_result(bigint) IS
    'scores a result again with the keys as they are now: the attempt behind it, or the marks of its form; bare counts stay as they are';

-- Over REST: one student, a list, a file of an optical reader.

CREATE TYPE sc_api.section_entry AS (section_id bigint, correct int, wrong int);
COMMENT ON TYPE sc_api.section_entry IS 'right and wrong answers of a section, as entered';

CREATE FUNCTION sc.paper_exam(actor bigint, exam_id bigint)
RETURNS void
LANGUAGE plpgsql VOLATILE
AS $$
DECLARE
    e record;
BEGIN
    PERFORM sc.own_exam(actor, paper_exam.exam_id);
    SELECT x.kind, x.is_frozen INTO e FROM sc.exams AS x WHERE x.id = paper_exam.exam_id;
    IF e.kind <> 'paper' THEN
        PERFORM sc_api.refuse(409, 'exam_not_on_paper');
    ELSIF e.is_frozen THEN
        PERFORM sc_api.refuse(409, 'exam_frozen');
    END IF;
END
$$;
COMMENT ON FUNCTION sc.paper_exam(bigint, bigint) IS 'locks a paper exam whose results the actor may enter, or refuses';

CREATE FUNCTION sc.count_fault(exam_id bigint, section_id bigint, correct int, wrong int)
RETURNS text
LANGUAGE plpgsql STABLE
AS $$
DECLARE
    n int;
BEGIN
    SELECT s.question_count INTO n
    FROM sc.exam_sections AS s
    WHERE s.exam_id = count_fault.exam_id AND s.id = count_fault.section_id;
    RETURN CASE WHEN n IS NULL THEN 'unknown_section'
                WHEN correct < 0 OR wrong < 0 THEN 'out_of_range'
                WHEN coalesce(correct, 0) + coalesce(wrong, 0) > n THEN 'more_than_questions' END;
END
$$;
COMMENT ON FUNCTION sc.count_fault(bigint, bigint, int, int) IS
    'what is wrong with counts entered for a section, or NULL: unknown_section, out_of_range, more_than_questions';

CREATE FUNCTION sc.sat_at(exam_id bigint)
RETURNS timestamptz
LANGUAGE plpgsql STABLE STRICT
AS $$
DECLARE
    at timestamptz;
BEGIN
    SELECT least(e.opens_at, clock_timestamp()) INTO at FROM sc.exams AS e WHERE e.id = sat_at.exam_id;
    RETURN at;
END
$$;
COMMENT ON FUNCTION sc.sat_at(bigint) IS
    'when a paper exam was sat if nobody says so: at its opening, so that exams entered late stand in their order; else now';

CREATE FUNCTION sc_api.exam_result_enter(
    actor bigint,
    _exam_id bigint,
    _user_id bigint,
    sections jsonb,
    _submitted_at timestamptz DEFAULT NULL,
    _booklet text DEFAULT NULL)
RETURNS sc_api.exam_result
LANGUAGE plpgsql VOLATILE
AS $$
DECLARE
    c record;
    counts sc.section_counts[] := '{}';
    fault text;
    examinees bigint[];
    result bigint;
BEGIN
    PERFORM sc.paper_exam(actor, _exam_id);
    examinees := sc.examinees(actor, _exam_id);
    IF NOT sc.is_student(_user_id) OR _user_id <> ALL (examinees) THEN
        PERFORM sc_api.invalid('user_id', 'unknown_reference');
    END IF;
    IF _submitted_at > clock_timestamp() + interval '1 day' THEN
        PERFORM sc_api.invalid('submitted_at', 'in_the_future');
    END IF;
    IF jsonb_typeof(sections) <> 'array' THEN
        PERFORM sc_api.invalid('sections', 'invalid_type');
        PERFORM sc_api.check_valid();
    ELSIF sections = '[]' THEN
        PERFORM sc_api.invalid('sections', 'required');
    END IF;
    FOR c IN
        SELECT x.place, x.item, (x.item -> 'section_id')::text AS section_id,
               coalesce((x.item -> 'correct')::text, 'null') AS correct, coalesce((x.item -> 'wrong')::text, 'null') AS wrong
        FROM jsonb_array_elements(sections) WITH ORDINALITY AS x(item, place)
    LOOP
        IF jsonb_typeof(c.item) <> 'object' OR coalesce(c.section_id !~ '^-?[0-9]{1,18}$', true)
           OR c.correct !~ '^(-?[0-9]{1,6}|null)$' OR c.wrong !~ '^(-?[0-9]{1,6}|null)$' THEN
            fault := 'invalid_type';
        ELSIF c.item - '{section_id,correct,wrong}'::text[] <> '{}' THEN
            fault := 'unknown_field';
        ELSIF EXISTS (SELECT FROM unnest(counts) AS x WHERE x.section_id = c.section_id::bigint) THEN
            fault := 'section_twice';
        ELSE
            counts := counts || ROW(c.section_id::bigint, nullif(c.correct, 'null')::int, nullif(c.wrong, 'null')::int)::sc.section_counts;
            fault := sc.count_fault(_exam_id, c.section_id::bigint, nullif(c.correct, 'null')::int, nullif(c.wrong, 'null')::int);
        END IF;
        IF fault IS NOT NULL THEN
            PERFORM sc_api.invalid(format('sections[%s]', c.place - 1), fault);
        END IF;
    END LOOP;
    PERFORM sc_api.check_valid();
    result := sc.put_tallied_result(_exam_id, _user_id, sc.tally_counts(_exam_id, counts), 'manual',
                                    coalesce(_submitted_at, sc.sat_at(_exam_id)), _booklet);
    RETURN sc.result_document(result, actor);
END
$$;
COMMENT ON FUNCTION sc_api.exam_result_enter(bigint, bigint, bigint, jsonb, timestamptz, text) IS
    'Enters the result of one student in a paper exam. sections: [{"section_id", "correct", "wrong"}]; blanks and nets are computed, a section left out is blank. Without submitted_at it was sat when the exam opened, or now. A second entry replaces the first. Teachers enter results of their own students and of those who are to sit the exam.';

CREATE TYPE sc_api.result_import AS (
    dry_run boolean,
    lines int,
    imported int,
    errors jsonb
);
COMMENT ON TYPE sc_api.result_import IS 'what became of an import; all lines or none';
COMMENT ON COLUMN sc_api.result_import.lines IS 'lines with a result';
COMMENT ON COLUMN sc_api.result_import.imported IS 'results stored; 0 when there are errors, or in a dry run';
COMMENT ON COLUMN sc_api.result_import.errors IS '[{"line", "field", "code", "message"}]';

CREATE FUNCTION sc.line_fault(line bigint, field text, code text)
RETURNS jsonb
LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE
AS $$
BEGIN
    RETURN jsonb_build_array(jsonb_build_object('line', line, 'field', field, 'code', code));
END
$$;
COMMENT ON FUNCTION sc.line_fault(bigint, text, text) IS 'a list of one fault of a line';

CREATE FUNCTION sc.import_outcome(dry_run boolean, lines int, imported int, errors jsonb)
RETURNS sc_api.result_import
LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE
AS $$
BEGIN
    RETURN ROW(dry_run, lines, CASE WHEN dry_run OR errors <> '[]' THEN 0 ELSE imported END, errors)::sc_api.result_import;
END
$$;
COMMENT ON FUNCTION sc.import_outcome(boolean, int, int, jsonb) IS 'the outcome of an import; with errors nothing counts as imported';

CREATE FUNCTION sc.settle_import(outcome sc_api.result_import)
RETURNS sc_api.result_import
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
AS $$
BEGIN
    outcome.errors := coalesce((
        SELECT jsonb_agg(x.error || jsonb_build_object('message', coalesce(CASE sc_api.ctx('lang') WHEN 'tr' THEN p.title_tr ELSE p.title_en END, x.error ->> 'code'))
                         ORDER BY x.place)
        FROM jsonb_array_elements(outcome.errors) WITH ORDINALITY AS x(error, place)
        LEFT JOIN sc.problems AS p ON p.code = x.error ->> 'code'), '[]');
    IF outcome.errors <> '[]' AND NOT outcome.dry_run THEN
        PERFORM sc_api.refuse(422, 'import_failed', jsonb_build_object('lines', outcome.lines, 'errors', outcome.errors));
    END IF;
    RETURN outcome;
END
$$;
COMMENT ON FUNCTION sc.settle_import(sc_api.result_import) IS
    'the outcome of an import as it is answered, faults in words; with faults the import is refused, and so undone, unless it was a dry run';

CREATE FUNCTION sc.find_student(student_no text, email text)
RETURNS bigint
LANGUAGE plpgsql STABLE
AS $$
BEGIN
    IF coalesce(find_student.student_no, '') <> '' THEN
        RETURN (SELECT s.user_id FROM sc.students AS s WHERE s.student_no = find_student.student_no);
    END IF;
    RETURN (SELECT u.id FROM sc.users AS u
            WHERE u.email = lower(normalize(find_student.email, NFC) COLLATE "C") AND sc.is_student(u.id));
END
$$;
COMMENT ON FUNCTION sc.find_student(text, text) IS 'a student by number, else by e-mail; NULL when there is none';

CREATE FUNCTION sc.sat_on(value text)
RETURNS timestamptz
LANGUAGE plpgsql STABLE PARALLEL SAFE
AS $$
DECLARE
    m text[] := regexp_match(value, '^([0-9]{1,2})[./]([0-9]{1,2})[./]([0-9]{4})(?: ([0-9]{1,2}):([0-9]{2}))?$');
BEGIN
    -- the day comes first here, whatever the server's DateStyle
    IF m IS NOT NULL THEN
        RETURN make_timestamp(m[3]::int, m[2]::int, m[1]::int, coalesce(m[4], '0')::int, coalesce(m[5], '0')::int, 0)
               AT TIME ZONE 'Europe/Istanbul';
    END IF;
    RETURN sc.import_instant(value);
EXCEPTION WHEN data_exception THEN
    RETURN NULL;
END
$$;
COMMENT ON FUNCTION sc.sat_on(text) IS
    'when an exam was sat, as lists say it: 24.11.2026, 24.11.2026 09:30, 2026-11-24 (in Istanbul) or RFC 3339; NULL for anything else';

CREATE FUNCTION sc.heading(name text)
RETURNS text
LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE
AS $$
BEGIN
    RETURN translate(lower(regexp_replace(btrim(name), '\s+', ' ', 'g') COLLATE "tr-x-icu"), 'ı', 'i');
END
$$;
COMMENT ON FUNCTION sc.heading(text) IS 'a heading of a list in the form in which headings are compared: TÜRKÇE D and Türkçe d, EMAIL and email are the same';

CREATE FUNCTION sc.result_columns(exam_id bigint, head text[], OUT columns jsonb, OUT faults jsonb)
LANGUAGE plpgsql STABLE
AS $$
BEGIN
    SELECT coalesce(jsonb_agg(jsonb_build_object('id', x.id, 'title', x.title, 'd', x.d, 'y', x.y)
                              ORDER BY x.order_index) FILTER (WHERE x.d IS NOT NULL AND x.y IS NOT NULL), '[]'),
           coalesce(jsonb_agg(jsonb_build_object('line', 1, 'field', x.title || CASE WHEN x.d IS NULL THEN ' D' ELSE ' Y' END,
                                                 'code', 'missing_column')
                              ORDER BY x.order_index) FILTER (WHERE (x.d IS NULL) <> (x.y IS NULL)), '[]')
    INTO columns, faults
    FROM (SELECT s.id, s.title, s.order_index, array_position(head, sc.heading(s.title || ' d')) AS d,
                 array_position(head, sc.heading(s.title || ' y')) AS y
          FROM sc.exam_sections AS s WHERE s.exam_id = result_columns.exam_id) AS x;
    -- a misspelt section would be blank for everybody
    SELECT faults || coalesce(jsonb_agg(jsonb_build_object('line', 1, 'field', h.name, 'code', 'unknown_section') ORDER BY h.place), '[]')
    INTO faults
    FROM unnest(head) WITH ORDINALITY AS h(name, place)
    WHERE h.name ~ '. [dy]$' AND h.name !~ '^(toplam|total) '
      AND NOT EXISTS (SELECT FROM sc.exam_sections AS s
                      WHERE s.exam_id = result_columns.exam_id AND left(h.name, -2) IN (sc.heading(s.title), sc.heading(s.test)));
END
$$;
COMMENT ON FUNCTION sc.result_columns(bigint, text[]) IS
    'which columns of a list hold right (D) and wrong (Y) answers of which section, and what is wrong with the headings';

CREATE FUNCTION sc.import_results(
    exam_id bigint,
    source text,
    max_score numeric DEFAULT 100,
    dry_run boolean DEFAULT false,
    examinees bigint[] DEFAULT NULL)
RETURNS sc_api.result_import
LANGUAGE plpgsql VOLATILE
AS $$
DECLARE
    answer sc_api.result_import;
    head text[];
    l record;
    k record;
    student bigint;
    counts sc.section_counts[];
    columns jsonb;
    errors jsonb := '[]';
    faults jsonb;
    score text;
    taken timestamptz;
    seen bigint[] := '{}';
    at_no int;
    at_email int;
    at_score int;
    at_date int;
BEGIN
    answer.lines := 0;
    answer.imported := 0;
    FOR l IN SELECT p.line, p.fields FROM sc.csv_parse(import_results.source) AS p LOOP
        IF head IS NULL THEN
            head := ARRAY(SELECT sc.heading(h.name) FROM unnest(l.fields) WITH ORDINALITY AS h(name, place) ORDER BY h.place);
            at_no := coalesce(array_position(head, 'student_no'), array_position(head, 'öğrenci no'));
            at_email := coalesce(array_position(head, 'email'), array_position(head, 'e-posta'));
            at_score := coalesce(array_position(head, 'score'), array_position(head, 'puan'));
            at_date := coalesce(array_position(head, 'submitted_at'), array_position(head, 'tarih'));
            IF at_no IS NULL AND at_email IS NULL THEN
                errors := errors || sc.line_fault(l.line, 'student_no', 'missing_column');
            END IF;
            IF at_score IS NULL THEN
                SELECT x.columns, x.faults INTO columns, faults FROM sc.result_columns(exam_id, head) AS x;
                errors := errors || CASE WHEN columns = '[]' AND faults = '[]' THEN sc.line_fault(l.line, 'score', 'missing_column')
                                         ELSE faults END;
            END IF;
            EXIT WHEN errors <> '[]';
            CONTINUE;
        END IF;
        CONTINUE WHEN l.fields = ARRAY[''];
        answer.lines := answer.lines + 1;
        faults := '[]';
        student := sc.find_student(trim(l.fields[at_no]), trim(l.fields[at_email]));
        IF student IS NULL OR student <> ALL (examinees) THEN
            faults := sc.line_fault(l.line, CASE WHEN at_no IS NULL THEN 'email' ELSE 'student_no' END, 'unknown_student');
        ELSIF student = ANY (seen) THEN
            faults := sc.line_fault(l.line, CASE WHEN at_no IS NULL THEN 'email' ELSE 'student_no' END, 'twice_in_file');
        END IF;
        seen := seen || student;
        taken := sc.sat_at(exam_id);
        IF coalesce(trim(l.fields[at_date]), '') <> '' THEN
            taken := sc.sat_on(trim(l.fields[at_date]));
            IF taken IS NULL OR taken > clock_timestamp() + interval '1 day' THEN
                faults := faults || sc.line_fault(l.line, 'submitted_at', CASE WHEN taken IS NULL THEN 'not_a_date' ELSE 'in_the_future' END);
            END IF;
        END IF;
        -- who has neither a score nor a count was absent, which is not zero
        IF at_score IS NOT NULL THEN
            score := replace(trim(l.fields[at_score]), ',', '.');
            IF score !~ '^-?[0-9]{1,9}(\.[0-9]{1,9})?$' AND score <> '' THEN
                faults := faults || sc.line_fault(l.line, 'score', 'not_a_number');
            ELSIF nullif(score, '')::numeric NOT BETWEEN 0 AND max_score THEN
                faults := faults || sc.line_fault(l.line, 'score', 'out_of_range');
            END IF;
        ELSE
            counts := '{}';
            score := '';
            FOR k IN
                SELECT x.id, x.title, coalesce(trim(l.fields[x.d]), '') AS d, coalesce(trim(l.fields[x.y]), '') AS y
                FROM jsonb_to_recordset(columns) AS x(id bigint, title text, d int, y int)
            LOOP
                score := score || k.d || k.y;
                IF k.d !~ '^(-?[0-9]{1,6})?$' OR k.y !~ '^(-?[0-9]{1,6})?$' THEN
                    faults := faults || sc.line_fault(l.line, k.title, 'not_a_number');
                ELSE
                    counts := counts || ROW(k.id, nullif(k.d, '')::int, nullif(k.y, '')::int)::sc.section_counts;
                END IF;
            END LOOP;
            faults := faults || coalesce((
                SELECT jsonb_agg(jsonb_build_object('line', l.line, 'field', s.title, 'code', f.fault) ORDER BY c.place)
                FROM unnest(counts) WITH ORDINALITY AS c(section_id, correct, wrong, place)
                JOIN sc.exam_sections AS s ON s.id = c.section_id
                CROSS JOIN LATERAL (SELECT sc.count_fault(import_results.exam_id, c.section_id, c.correct, c.wrong) AS fault) AS f
                WHERE f.fault IS NOT NULL), '[]');
        END IF;
        errors := errors || faults;
        EXIT WHEN jsonb_array_length(errors) >= 1000;
        CONTINUE WHEN faults <> '[]' OR coalesce(score, '') = '';
        answer.imported := answer.imported + 1;
        CONTINUE WHEN import_results.dry_run;
        IF at_score IS NOT NULL THEN
            -- a bare score has no counts: it is its own net, ordered to the thousandth
            PERFORM sc.put_result(import_results.exam_id, student, 'import', taken, NULL, 0, 0, 0,
                                  round(score::numeric * 1000)::bigint, 1000, score::numeric, max_score);
        ELSE
            PERFORM sc.put_tallied_result(import_results.exam_id, student,
                                          sc.tally_counts(import_results.exam_id, counts), 'import', taken, NULL);
        END IF;
    END LOOP;
    RETURN sc.import_outcome(import_results.dry_run, answer.lines, answer.imported, errors);
END
$$;
COMMENT ON FUNCTION sc.import_results(bigint, text, numeric, boolean, bigint[]) IS
    'results of a paper exam from CSV: student_no or email, then either score (up to max_score) or, per section, the columns "<title> D" and "<title> Y"; optional submitted_at (24.11.2026, 24.11.2026 09:30, 2026-11-24 or RFC 3339); decimal comma or point. A line without any number is of somebody absent. examinees: whose results may be entered, NULL = anybody''s. The caller undoes everything when errors come back';

CREATE FUNCTION sc_api.exam_results_import(
    actor bigint,
    exam_id bigint,
    raw text,
    max_score numeric DEFAULT 100,
    dry_run boolean DEFAULT false)
RETURNS sc_api.result_import
LANGUAGE plpgsql VOLATILE
AS $$
BEGIN
    PERFORM sc.paper_exam(actor, exam_id);
    IF max_score IS NULL OR max_score <= 0 THEN
        PERFORM sc_api.invalid('max_score', 'out_of_range');
        PERFORM sc_api.check_valid();
    END IF;
    RETURN sc.settle_import(sc.import_results(exam_id, raw, max_score, dry_run, sc.examinees(actor, exam_id)));
END
$$;
COMMENT ON FUNCTION sc_api.exam_results_import(bigint, bigint, text, numeric, boolean) IS
    'Imports the results of a paper exam from CSV (comma or semicolon): student_no or email, then score, or "<section> D" and "<section> Y" per section; submitted_at or tarih if it was not sat at the opening of the exam. A line without numbers is of somebody absent. All lines or none; dry_run only checks.';

-- Optical readers write one line of fixed columns per form.

CREATE FUNCTION sc.column_range(range text, OUT first int, OUT length int)
LANGUAGE plpgsql IMMUTABLE STRICT PARALLEL SAFE
AS $$
DECLARE
    m text[] := regexp_match(range, '^([1-9][0-9]{0,3})(?:-([1-9][0-9]{0,3}))?$');
BEGIN
    first := m[1]::int;
    length := coalesce(m[2], m[1])::int - first + 1;
    IF first IS NULL OR length < 1 THEN
        first := NULL;
        length := NULL;
    END IF;
END
$$;
COMMENT ON FUNCTION sc.column_range(text) IS 'columns "12-20" or "21" of a line as first and length; NULL when it is no range';

CREATE FUNCTION sc.booklet_places(n int, orders jsonb, booklet text)
RETURNS int[]
LANGUAGE plpgsql IMMUTABLE
AS $$
DECLARE
    places int[];
BEGIN
    IF NOT coalesce(orders, '{}') ? booklet THEN
        RETURN ARRAY(SELECT generate_series(1, n));
    END IF;
    places := ARRAY(SELECT p.value::int FROM jsonb_array_elements_text(orders -> booklet) WITH ORDINALITY AS p(value, i) ORDER BY p.i);
    -- a booklet is a permutation, or it is wrong
    RETURN CASE WHEN ARRAY(SELECT x FROM unnest(places) AS x ORDER BY x) = ARRAY(SELECT generate_series(1, n)) THEN places END;
END
$$;
COMMENT ON FUNCTION sc.booklet_places(int, jsonb, text) IS
    'for each question of a booklet its number in booklet A; identity without an order, NULL when the order is not a permutation of 1..n';

CREATE FUNCTION sc.import_optical(
    exam_id bigint,
    source text,
    student_no_columns text,
    booklet_columns text,
    answer_columns text,
    keys jsonb DEFAULT NULL,
    orders jsonb DEFAULT NULL,
    dry_run boolean DEFAULT false,
    examinees bigint[] DEFAULT NULL)
RETURNS sc_api.result_import
LANGUAGE plpgsql VOLATILE
AS $$
DECLARE
    answer sc_api.result_import;
    at record;
    q record;
    n int;
    l record;
    student bigint;
    booklet text;
    marks text[];
    key text;
    places int[];
    fault text;
    seen bigint[] := '{}';
    errors jsonb := '[]';
BEGIN
    SELECT n.first AS no, n.length AS no_length, b.first AS booklet, b.length AS booklet_length, a.first AS answers, a.length AS answers_length
    INTO at
    FROM sc.column_range(student_no_columns) AS n, sc.column_range(booklet_columns) AS b, sc.column_range(answer_columns) AS a;
    -- the exam's own questions in the order of booklet A, with the ids of their options
    SELECT array_agg(eq.question_id ORDER BY s.order_index, eq.order_index) AS ids,
           array_agg(eq.version_id ORDER BY s.order_index, eq.order_index) AS versions,
           jsonb_agg(v.options ORDER BY s.order_index, eq.order_index) AS options
    INTO q
    FROM sc.exam_questions AS eq
    JOIN sc.exam_sections AS s ON s.id = eq.section_id
    JOIN sc.question_versions AS v ON v.id = eq.version_id
    WHERE eq.exam_id = import_optical.exam_id AND eq.order_index IS NOT NULL;
    n := coalesce(cardinality(q.ids),
                  (SELECT sum(s.question_count)::int FROM sc.exam_sections AS s WHERE s.exam_id = import_optical.exam_id), 0);
    answer.lines := 0;
    answer.imported := 0;

    FOR l IN
        SELECT t.line, t.n
        FROM unnest(string_to_array(translate(import_optical.source, E'\r\uFEFF', ''), E'\n')) WITH ORDINALITY AS t(line, n)
        WHERE trim(t.line) <> ''
        ORDER BY t.n
    LOOP
        answer.lines := answer.lines + 1;
        student := sc.find_student(trim(substr(l.line, at.no, at.no_length)), NULL);
        booklet := coalesce(nullif(upper(trim(substr(l.line, at.booklet, at.booklet_length))), ''), 'A');
        marks := string_to_array(rpad(substr(l.line, at.answers, least(at.answers_length, n)), n), NULL);
        places := sc.booklet_places(n, orders, booklet);
        key := coalesce(keys ->> booklet, CASE WHEN booklet = 'A' OR coalesce(orders, '{}') ? booklet THEN keys ->> 'A' END);
        fault := CASE WHEN student IS NULL OR student <> ALL (examinees) THEN 'unknown_student'
                      WHEN student = ANY (seen) THEN 'twice_in_file'
                      WHEN places IS NULL THEN 'booklet_order'
                      WHEN booklet <> 'A' AND NOT coalesce(orders, '{}') ? booklet AND (q.ids IS NOT NULL OR key IS NULL)
                          THEN 'unknown_booklet'
                      WHEN q.ids IS NULL AND key IS NULL THEN 'key_missing'
                      WHEN q.ids IS NULL AND length(key) <> n THEN 'key_length' END;
        IF fault IS NOT NULL THEN
            errors := errors || sc.line_fault(l.n, CASE WHEN fault IN ('unknown_student', 'twice_in_file') THEN 'student_no' ELSE 'booklet' END, fault);
            IF fault = 'key_length' THEN
                errors := jsonb_set(errors, '{-1}', errors -> -1 || jsonb_build_object('wanted', n, 'given', length(key)));
            END IF;
            EXIT WHEN jsonb_array_length(errors) >= 1000;
            CONTINUE;
        END IF;
        seen := seen || student;
        IF NOT import_optical.dry_run AND q.ids IS NOT NULL THEN
            -- marks in the order of booklet A, as ids of options; two marks on one line count as wrong
            PERFORM sc.put_sheet(import_optical.exam_id, student, q.ids, q.versions,
                ARRAY(SELECT CASE WHEN m.mark = ' ' THEN NULL
                                  ELSE coalesce(q.options -> (places[m.place] - 1) -> (ascii(upper(m.mark)) - ascii('A')) ->> 'id', '*') END
                      FROM unnest(marks) WITH ORDINALITY AS m(mark, place)
                      ORDER BY places[m.place]),
                sc.sat_at(exam_id), booklet);
        ELSIF NOT import_optical.dry_run THEN
            PERFORM sc.put_tallied_result(import_optical.exam_id, student,
                sc.tally_counts(import_optical.exam_id,
                    ARRAY(SELECT ROW(s.id, (count(*) FILTER (WHERE m.mark <> ' ' AND m.mark = m.right_one))::int,
                                     (count(*) FILTER (WHERE m.mark <> ' ' AND m.mark <> m.right_one))::int)::sc.section_counts
                          FROM (SELECT x.id, sum(x.question_count) OVER (ORDER BY x.order_index) AS upto, x.question_count
                                FROM sc.exam_sections AS x WHERE x.exam_id = import_optical.exam_id) AS s
                          JOIN (SELECT upper(k.mark) AS mark, places[k.place] AS place,
                                       -- a booklet's own key stands in its own order
                                       upper(substr(key, CASE WHEN coalesce(keys, '{}') ? booklet THEN k.place::int
                                                              ELSE places[k.place] END, 1)) AS right_one
                                FROM unnest(marks) WITH ORDINALITY AS k(mark, place)) AS m
                            ON m.place > s.upto - s.question_count AND m.place <= s.upto
                          GROUP BY s.id)),
                'optical', sc.sat_at(exam_id), booklet);
        END IF;
        answer.imported := answer.imported + 1;
    END LOOP;
    RETURN sc.import_outcome(import_optical.dry_run, answer.lines, answer.imported, errors);
END
$$;
COMMENT ON FUNCTION sc.import_optical(bigint, text, text, text, text, jsonb, jsonb, boolean, bigint[]) IS
    'results of a paper exam from the lines of an optical reader. Columns are given as "1-10"; keys {"A": "ABCDE…", "B": …} where the exam has no questions of its own; orders {"B": [3, 1, 2, …]}: number in booklet A of each question of B. Without an order a booklet needs its own key and has A''s sections. The caller undoes everything when errors come back';

CREATE FUNCTION sc_api.exam_results_optical(
    actor bigint,
    exam_id bigint,
    raw text,
    student_no text,
    answers text,
    booklet text DEFAULT NULL,
    key_a text DEFAULT NULL,
    key_b text DEFAULT NULL,
    order_b text DEFAULT NULL,
    dry_run boolean DEFAULT false)
RETURNS sc_api.result_import
LANGUAGE plpgsql VOLATILE
AS $$
BEGIN
    PERFORM sc.paper_exam(actor, exam_id);
    IF (sc.column_range(student_no)).first IS NULL THEN
        PERFORM sc_api.invalid('student_no', 'invalid_value');
    END IF;
    IF (sc.column_range(answers)).first IS NULL THEN
        PERFORM sc_api.invalid('answers', 'invalid_value');
    END IF;
    IF booklet IS NOT NULL AND (sc.column_range(booklet)).first IS NULL THEN
        PERFORM sc_api.invalid('booklet', 'invalid_value');
    END IF;
    IF order_b !~ '^[0-9]{1,4}(,[0-9]{1,4})*$' THEN
        PERFORM sc_api.invalid('order_b', 'invalid_value');
    END IF;
    PERFORM sc_api.check_valid();
    RETURN sc.settle_import(sc.import_optical(exam_id, raw, student_no, booklet, answers,
                                    jsonb_strip_nulls(jsonb_build_object('A', key_a, 'B', key_b)),
                                    CASE WHEN order_b IS NOT NULL
                                         THEN jsonb_build_object('B', to_jsonb(string_to_array(order_b, ',')::int[])) END,
                                    dry_run, sc.examinees(actor, exam_id)));
END
$$;
COMMENT ON FUNCTION sc_api.exam_results_optical(bigint, bigint, text, text, text, text, text, text, text, boolean) IS
    'Imports the file of an optical reader: one form a line, fixed columns (student_no=1-10, booklet=31, answers=32-151). key_a, key_b: answer keys where the exam has no questions; order_b: number in booklet A of each question of B. All forms or none; dry_run only checks.';

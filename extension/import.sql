-- Import of people, courses and enrolments from CSV.
--
-- A file is taken whole or not at all.  Its records are put into a temporary
-- table, every rule is checked over all of them at once (so that a school sees
-- all its faults in one go, each with the line it stands on), and then one
-- statement makes them: import_check_KIND() and import_make().  Nothing is
-- done row by row: twelve thousand enrolments take seconds.
--
-- E-mail addresses fold by the rules of ASCII, never by Turkish ones: a capital
-- I in an address is an i.  Whatever exists already is a fault, not an update.

CREATE TYPE sc_api.import_answer AS (
    kind text,
    dry_run boolean,
    lines int,
    imported int,
    errors jsonb
);
COMMENT ON TYPE sc_api.import_answer IS 'what became of an import; all lines or none';
COMMENT ON COLUMN sc_api.import_answer.kind IS 'users, courses, topics, videos or enrollments';
COMMENT ON COLUMN sc_api.import_answer.lines IS 'records in the file, without the header';
COMMENT ON COLUMN sc_api.import_answer.imported IS 'rows made; 0 when there are errors, or in a dry run';
COMMENT ON COLUMN sc_api.import_answer.errors IS '[{"line", "field", "code", "message"}], by line; at most 1,000';

CREATE FUNCTION sc.import_columns(kind text)
RETURNS text[]
LANGUAGE plpgsql IMMUTABLE STRICT PARALLEL SAFE
AS $$
BEGIN
    RETURN CASE kind
        WHEN 'users' THEN '{email,student_no,full_name,role,phone,password_hash}'::text[]
        WHEN 'courses' THEN '{code,title,description,teacher_email,category,is_published}'::text[]
        WHEN 'topics' THEN '{course_code,title,order_index}'::text[]
        WHEN 'videos' THEN '{course_code,topic,title,youtube_id,duration,order_index}'::text[]
        WHEN 'enrollments' THEN '{course_code,email,student_no,status,enrolled_at,expires_at}'::text[]
    END;
END
$$;
COMMENT ON FUNCTION sc.import_columns(text) IS 'columns that an import of a kind knows; NULL for no such kind';

CREATE FUNCTION sc.import_read(kind text, csv text)
RETURNS int
LANGUAGE plpgsql VOLATILE STRICT
AS $$
DECLARE
    known text[] := sc.import_columns(kind);
    needed text[] := CASE kind
        WHEN 'users' THEN '{full_name}'::text[]
        WHEN 'courses' THEN '{code,title}'::text[]
        WHEN 'topics' THEN '{course_code,title,order_index}'::text[]
        WHEN 'videos' THEN '{course_code,title,youtube_id,order_index}'::text[]
        WHEN 'enrollments' THEN '{course_code}'::text[] END;
    head text[];
    head_line int;
    at int[];
BEGIN
    CREATE TEMPORARY TABLE IF NOT EXISTS import_row (line int, c text[], a bigint, b bigint) ON COMMIT DROP;
    CREATE TEMPORARY TABLE IF NOT EXISTS import_error (line int, field text, code text) ON COMMIT DROP;
    TRUNCATE pg_temp.import_row, pg_temp.import_error;

    SELECT p.line, ARRAY(SELECT lower(trim(h) COLLATE "C") FROM unnest(p.fields) AS h) INTO head_line, head
    FROM sc.csv_parse(csv) AS p
    LIMIT 1;
    IF head IS NULL OR head = '{}' THEN
        INSERT INTO pg_temp.import_error VALUES (1, NULL, CASE WHEN head IS NULL THEN 'empty_file' ELSE 'open_quote' END);
        RETURN 0;
    END IF;
    -- spreadsheets leave empty columns at the end
    WHILE head[cardinality(head)] = '' LOOP
        head := trim_array(head, 1);
    END LOOP;
    INSERT INTO pg_temp.import_error
    SELECT head_line, h, CASE WHEN h = ANY (known) THEN 'repeated_column' ELSE 'unknown_column' END
    FROM unnest(head) AS h
    GROUP BY h
    HAVING NOT h = ANY (known) OR count(*) > 1;
    INSERT INTO pg_temp.import_error
    SELECT head_line, k, 'missing_column' FROM unnest(needed) AS k WHERE NOT k = ANY (head);
    IF kind IN ('users', 'enrollments') AND NOT head && '{email,student_no}' THEN
        INSERT INTO pg_temp.import_error VALUES (head_line, 'email', 'missing_column');
    END IF;
    IF EXISTS (SELECT FROM pg_temp.import_error) THEN
        RETURN 0;
    END IF;

    at := ARRAY(SELECT array_position(head, k) FROM unnest(known) WITH ORDINALITY AS x(k, n) ORDER BY n);
    WITH records AS MATERIALIZED (
        SELECT p.line, p.fields FROM sc.csv_parse(csv) AS p WHERE p.line > head_line
    ), torn AS (
        -- what would shift columns, or swallow the lines below, is never guessed at
        INSERT INTO pg_temp.import_error
        SELECT p.line, NULL, CASE WHEN p.fields IS NULL THEN 'open_quote' ELSE 'too_many_fields' END
        FROM records AS p
        WHERE p.fields IS NULL OR array_to_string(p.fields[cardinality(head) + 1:], '') <> ''
    )
    INSERT INTO pg_temp.import_row (line, c)
    SELECT p.line, ARRAY[nullif(trim(p.fields[at[1]]), ''), nullif(trim(p.fields[at[2]]), ''), nullif(trim(p.fields[at[3]]), ''),
                         nullif(trim(p.fields[at[4]]), ''), nullif(trim(p.fields[at[5]]), ''), nullif(trim(p.fields[at[6]]), '')]
    FROM records AS p
    WHERE p.fields IS NOT NULL;
    INSERT INTO pg_temp.import_error
    SELECT r.line, known[n], 'required'
    FROM pg_temp.import_row AS r, generate_subscripts(known, 1) AS n
    WHERE known[n] = ANY (needed) AND r.c[n] IS NULL;
    ANALYZE pg_temp.import_row;
    RETURN (SELECT count(*) FROM pg_temp.import_row);
END
$$;
COMMENT ON FUNCTION sc.import_read(text, text) IS
    'reads a CSV file into the temporary tables of an import and checks its columns; gives the number of records';

CREATE FUNCTION sc.import_hash(hash text)
RETURNS boolean
LANGUAGE plpgsql IMMUTABLE STRICT PARALLEL SAFE
AS $$
BEGIN
    RETURN hash ~ ('^(\$argon2id\$v=19\$m=[1-9][0-9]*,t=[1-9][0-9]*,p=[1-9][0-9]*\$[0-9A-Za-z+/]{11,}\$[0-9A-Za-z+/]{22,}'
                   '|\$2[aby]\$[0-9]{2}\$[./0-9A-Za-z]{53}'
                   '|pbkdf2:sha256:[1-9][0-9]*\$[^$]{1,128}\$[0-9a-f]{64}|pbkdf2:sha512:[1-9][0-9]*\$[^$]{1,128}\$[0-9a-f]{128}'
                   '|scrypt:[1-9][0-9]*:[1-9][0-9]*:[1-9][0-9]*\$[^$]{1,128}\$[0-9a-f]{128})$');
END
$$;
COMMENT ON FUNCTION sc.import_hash(text) IS 'is this, whole, a hash of a form that password_verify() knows?';

CREATE FUNCTION sc.import_check_users()
RETURNS TABLE (line int, field text, code text)
LANGUAGE plpgsql VOLATILE
AS $$
BEGIN
    UPDATE pg_temp.import_row SET c[1] = sc.normal_email(c[1]), c[3] = sc.normal_name(c[3]);
    UPDATE pg_temp.import_row AS r SET a = o.id FROM sc.roles AS o WHERE o.name = coalesce(lower(r.c[4] COLLATE "C"), 'student');

    RETURN QUERY
    SELECT r.line, x.field, x.code
    FROM pg_temp.import_row AS r
    CROSS JOIN LATERAL (VALUES
        ('email', 'login_name_required', r.c[1] IS NULL AND r.c[2] IS NULL),
        ('email', 'invalid_email', NOT sc.is_email(r.c[1])),
        ('student_no', 'invalid_student_no', r.c[2] !~ '^[0-9A-Za-z._/-]{1,40}$'),
        ('full_name', 'invalid_name', length(r.c[3]) NOT BETWEEN 1 AND 200),
        ('role', 'unknown_role', r.a IS NULL),
        ('phone', 'invalid_phone', r.c[5] !~ '^\+?[0-9 ()-]{5,25}$'),
        ('password_hash', 'unknown_hash', NOT sc.import_hash(r.c[6])),
        ('email', 'email_taken', EXISTS (SELECT FROM sc.users AS u WHERE u.email = r.c[1])),
        ('student_no', 'student_no_taken', EXISTS (SELECT FROM sc.students AS s WHERE s.student_no = r.c[2]))
    ) AS x(field, code, wrong)
    WHERE x.wrong;
    RETURN QUERY
    SELECT r.line, x.field, 'twice_in_file'
    FROM (SELECT i.line, i.c,
                 row_number() OVER (PARTITION BY i.c[1] ORDER BY i.line) AS nth_email,
                 row_number() OVER (PARTITION BY i.c[2] ORDER BY i.line) AS nth_no
          FROM pg_temp.import_row AS i) AS r
    CROSS JOIN LATERAL (VALUES ('email', r.c[1] IS NOT NULL AND r.nth_email > 1),
                               ('student_no', r.c[2] IS NOT NULL AND r.nth_no > 1)) AS x(field, wrong)
    WHERE x.wrong;
END
$$;
COMMENT ON FUNCTION sc.import_check_users() IS 'what is wrong with the records read as users; role student by default';

CREATE FUNCTION sc.import_truth(value text)
RETURNS boolean
LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE
AS $$
BEGIN
    RETURN CASE WHEN lower(value COLLATE "C") IN ('true', 't', '1', 'yes', 'evet', 'e') THEN true
                WHEN value IS NULL OR lower(value COLLATE "C") IN ('false', 'f', '0', 'no', 'hayir', 'hayır', 'h') THEN false END;
END
$$;
COMMENT ON FUNCTION sc.import_truth(text) IS 'true, 1, yes, evet / false, 0, no, hayır, empty; NULL for anything else';

CREATE FUNCTION sc.import_check_courses()
RETURNS TABLE (line int, field text, code text)
LANGUAGE plpgsql VOLATILE
AS $$
BEGIN
    UPDATE pg_temp.import_row AS r SET a = u.id FROM sc.users AS u
    WHERE u.email = lower(normalize(r.c[4], NFC) COLLATE "C") AND u.is_active AND sc.can(u.id, 'courses.own');
    UPDATE pg_temp.import_row AS r SET b = k.id FROM sc.categories AS k
    WHERE k.slug = r.c[5] OR sc.fold_text(k.name) = sc.fold_text(r.c[5]);
    RETURN QUERY
    SELECT r.line, x.field, x.code
    FROM (SELECT i.*, row_number() OVER (PARTITION BY i.c[1] ORDER BY i.line) AS nth FROM pg_temp.import_row AS i) AS r
    CROSS JOIN LATERAL (VALUES
        ('code', 'invalid_code_text', r.c[1] !~ '^[0-9A-Za-z._/-]{1,60}$'),
        ('code', 'course_code_taken', EXISTS (SELECT FROM sc.courses AS o WHERE o.code = r.c[1])),
        ('code', 'twice_in_file', r.nth > 1),
        ('title', 'too_long', length(r.c[2]) > 200),
        ('description', 'too_long', length(r.c[3]) > 20000),
        ('teacher_email', 'unknown_teacher', r.c[4] IS NOT NULL AND r.a IS NULL),
        ('category', 'unknown_category', r.c[5] IS NOT NULL AND r.b IS NULL),
        ('is_published', 'invalid_truth', sc.import_truth(r.c[6]) IS NULL)
    ) AS x(field, code, wrong)
    WHERE x.wrong;
END
$$;
COMMENT ON FUNCTION sc.import_check_courses() IS 'what is wrong with the records read as courses; a category is named by its slug or its name';

CREATE FUNCTION sc.import_place(value text)
RETURNS int
LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE
AS $$
BEGIN
    RETURN CASE WHEN value ~ '^[1-9][0-9]{0,5}$' THEN value::int END;
END
$$;
COMMENT ON FUNCTION sc.import_place(text) IS 'an order_index, from 1; NULL for anything else';

CREATE FUNCTION sc.import_find_courses()
RETURNS void
LANGUAGE plpgsql VOLATILE
AS $$
BEGIN
    UPDATE pg_temp.import_row AS r SET a = k.id FROM sc.courses AS k WHERE k.code = r.c[1] AND k.is_active;
END
$$;
COMMENT ON FUNCTION sc.import_find_courses() IS 'looks up the courses that the first column names';

CREATE FUNCTION sc.import_check_topics()
RETURNS TABLE (line int, field text, code text)
LANGUAGE plpgsql VOLATILE
AS $$
BEGIN
    PERFORM sc.import_find_courses();
    RETURN QUERY
    SELECT r.line, x.field, x.code
    FROM (SELECT i.*, row_number() OVER (PARTITION BY i.c[1], sc.import_place(i.c[3]) ORDER BY i.line) AS nth
          FROM pg_temp.import_row AS i) AS r
    CROSS JOIN LATERAL (VALUES
        ('course_code', 'unknown_course', r.c[1] IS NOT NULL AND r.a IS NULL),
        ('title', 'too_long', length(r.c[2]) > 200),
        ('order_index', 'invalid_place', r.c[3] IS NOT NULL AND sc.import_place(r.c[3]) IS NULL),
        ('order_index', 'twice_in_file', sc.import_place(r.c[3]) IS NOT NULL AND r.nth > 1),
        ('order_index', 'place_taken', EXISTS (SELECT FROM sc.topics AS t WHERE t.course_id = r.a AND t.is_active
                                                AND t.order_index = sc.import_place(r.c[3])))
    ) AS x(field, code, wrong)
    WHERE x.wrong;
END
$$;
COMMENT ON FUNCTION sc.import_check_topics() IS 'what is wrong with the records read as topics';

CREATE FUNCTION sc.import_check_videos()
RETURNS TABLE (line int, field text, code text)
LANGUAGE plpgsql VOLATILE
AS $$
BEGIN
    PERFORM sc.import_find_courses();
    UPDATE pg_temp.import_row AS r SET b = t.id FROM sc.topics AS t
    WHERE t.course_id = r.a AND t.title = r.c[2] AND t.is_active;
    RETURN QUERY
    SELECT r.line, x.field, x.code
    FROM (SELECT i.*, row_number() OVER (PARTITION BY i.a, i.b, sc.import_place(i.c[6]) ORDER BY i.line) AS nth
          FROM pg_temp.import_row AS i) AS r
    CROSS JOIN LATERAL (VALUES
        ('course_code', 'unknown_course', r.c[1] IS NOT NULL AND r.a IS NULL),
        ('topic', 'unknown_topic', r.a IS NOT NULL AND r.c[2] IS NOT NULL AND r.b IS NULL),
        ('topic', 'ambiguous_topic', (SELECT count(*) FROM sc.topics AS t WHERE t.course_id = r.a AND t.title = r.c[2] AND t.is_active) > 1),
        ('title', 'too_long', length(r.c[3]) > 200),
        ('youtube_id', 'invalid_youtube_id', r.c[4] !~ '^[0-9A-Za-z_-]{11}$'),
        ('duration', 'invalid_duration', r.c[5] !~ '^[0-9]{1,5}$' OR CASE WHEN r.c[5] ~ '^[0-9]{1,5}$' THEN r.c[5]::int > 86400 END),
        ('order_index', 'invalid_place', r.c[6] IS NOT NULL AND sc.import_place(r.c[6]) IS NULL),
        ('order_index', 'twice_in_file', sc.import_place(r.c[6]) IS NOT NULL AND r.a IS NOT NULL AND r.nth > 1),
        ('order_index', 'place_taken', EXISTS (SELECT FROM sc.videos AS v WHERE v.course_id = r.a AND v.topic_id IS NOT DISTINCT FROM r.b AND v.is_active
                                                AND v.order_index = sc.import_place(r.c[6])))
    ) AS x(field, code, wrong)
    WHERE x.wrong;
END
$$;
COMMENT ON FUNCTION sc.import_check_videos() IS 'what is wrong with the records read as videos; a topic is named by its title; duration in seconds, empty = not known';

CREATE FUNCTION sc.import_instant(value text)
RETURNS timestamptz
LANGUAGE plpgsql STABLE PARALLEL SAFE
AS $$
BEGIN
    -- a bare date is that day in the school's time zone
    IF value ~ '^[0-9]{4}-[0-9]{2}-[0-9]{2}$' THEN
        RETURN value::timestamp AT TIME ZONE 'Europe/Istanbul';
    ELSIF value ~ '^[0-9]{4}-[0-9]{2}-[0-9]{2}[T ][0-9]{2}:[0-9]{2}(:[0-9]{2}(\.[0-9]{1,6})?)?(Z|[+-][0-9]{2}(:?[0-9]{2})?)$' THEN
        RETURN value::timestamptz;
    END IF;
    RETURN NULL;
EXCEPTION WHEN data_exception THEN
    RETURN NULL;
END
$$;
COMMENT ON FUNCTION sc.import_instant(text) IS 'an RFC 3339 instant, or a bare date in Istanbul; NULL for anything else';

CREATE FUNCTION sc.import_check_enrollments()
RETURNS TABLE (line int, field text, code text)
LANGUAGE plpgsql VOLATILE
AS $$
BEGIN
    PERFORM sc.import_find_courses();
    UPDATE pg_temp.import_row AS r SET b = s.user_id FROM sc.students AS s WHERE s.student_no = r.c[3];
    UPDATE pg_temp.import_row AS r SET b = u.id FROM sc.users AS u
    WHERE r.b IS NULL AND r.c[3] IS NULL AND u.email = lower(normalize(r.c[2], NFC) COLLATE "C");
    RETURN QUERY
    SELECT r.line, x.field, x.code
    FROM (SELECT i.*, row_number() OVER (PARTITION BY i.a, i.b ORDER BY i.line) AS nth, sc.holds_seat(coalesce(i.c[4], 'active')) AS sits,
                 count(*) FILTER (WHERE sc.holds_seat(coalesce(i.c[4], 'active'))) OVER (PARTITION BY i.a ORDER BY i.line) AS seats
          FROM pg_temp.import_row AS i) AS r
    LEFT JOIN sc.courses AS k ON k.id = r.a
    LEFT JOIN sc.course_seats AS s ON s.course_id = r.a
    CROSS JOIN LATERAL (VALUES
        ('course_code', 'unknown_course', r.c[1] IS NOT NULL AND r.a IS NULL),
        ('course_code', 'seat_full', r.sits AND coalesce(s.taken, 0) + r.seats > k.capacity),
        ('email', 'login_name_required', r.c[2] IS NULL AND r.c[3] IS NULL),
        (CASE WHEN r.c[3] IS NULL THEN 'email' ELSE 'student_no' END, 'unknown_student', coalesce(r.c[2], r.c[3]) IS NOT NULL AND r.b IS NULL),
        ('status', 'invalid_status', r.c[4] NOT IN ('active', 'completed', 'suspended', 'cancelled', 'expired')),
        ('enrolled_at', 'invalid_instant', r.c[5] IS NOT NULL AND sc.import_instant(r.c[5]) IS NULL),
        ('expires_at', 'invalid_instant', r.c[6] IS NOT NULL AND sc.import_instant(r.c[6]) IS NULL),
        ('course_code', 'twice_in_file', r.a IS NOT NULL AND r.b IS NOT NULL AND r.nth > 1),
        ('course_code', 'already_enrolled', EXISTS (SELECT FROM sc.enrollments AS e WHERE e.user_id = r.b AND e.course_id = r.a))
    ) AS x(field, code, wrong)
    WHERE x.wrong;
END
$$;
COMMENT ON FUNCTION sc.import_check_enrollments() IS 'what is wrong with the records read as enrolments; a student is named by number, else by e-mail';

CREATE FUNCTION sc.import_make(kind text)
RETURNS void
LANGUAGE plpgsql VOLATILE STRICT
AS $$
BEGIN
    CASE kind
    WHEN 'users' THEN
        UPDATE pg_temp.import_row AS r SET b = n.id
        FROM (SELECT o.line, nextval(pg_get_serial_sequence('sc.users', 'id')) AS id
              FROM (SELECT i.line FROM pg_temp.import_row AS i ORDER BY i.line) AS o) AS n
        WHERE n.line = r.line;
        INSERT INTO sc.users (id, email, full_name, phone, password_hash, role_id)
        SELECT r.b, r.c[1], r.c[3], r.c[5], r.c[6], r.a FROM pg_temp.import_row AS r ORDER BY r.line;
        INSERT INTO sc.students (user_id, student_no)
        SELECT r.b, r.c[2] FROM pg_temp.import_row AS r JOIN sc.roles AS o ON o.id = r.a
        WHERE r.c[2] IS NOT NULL OR o.name = 'student';
    WHEN 'courses' THEN
        INSERT INTO sc.courses (code, title, description, teacher_id, category_id, is_published, published_at)
        SELECT r.c[1], r.c[2], r.c[3], r.a, r.b, sc.import_truth(r.c[6]),
               CASE WHEN sc.import_truth(r.c[6]) THEN clock_timestamp() END
        FROM pg_temp.import_row AS r ORDER BY r.line;
    WHEN 'topics' THEN
        INSERT INTO sc.topics (course_id, title, order_index)
        SELECT r.a, r.c[2], sc.import_place(r.c[3]) FROM pg_temp.import_row AS r ORDER BY r.line;
    WHEN 'videos' THEN
        INSERT INTO sc.videos (course_id, topic_id, title, youtube_id, duration, order_index)
        SELECT r.a, r.b, r.c[3], r.c[4], coalesce(r.c[5]::int, 0), sc.import_place(r.c[6]) FROM pg_temp.import_row AS r ORDER BY r.line;
    WHEN 'enrollments' THEN
        INSERT INTO sc.enrollments (user_id, course_id, status, source, enrolled_at, expires_at)
        SELECT r.b, r.a, coalesce(r.c[4], 'active'), 'import', coalesce(sc.import_instant(r.c[5]), clock_timestamp()), sc.import_instant(r.c[6])
        FROM pg_temp.import_row AS r
        ORDER BY r.a, r.b;
    END CASE;
END
$$;
COMMENT ON FUNCTION sc.import_make(text) IS 'makes users, courses, topics, videos or enrolments of the records read, which have been found right';

CREATE FUNCTION sc.import_csv(kind text, csv text, dry_run boolean DEFAULT false, lang text DEFAULT 'en', actor bigint DEFAULT NULL)
RETURNS sc_api.import_answer
LANGUAGE plpgsql VOLATILE
AS $$
DECLARE
    answer sc_api.import_answer;
BEGIN
    IF sc.import_columns(kind) IS NULL THEN
        PERFORM sc_api.refuse(404, 'not_found');
    END IF;
    answer.kind := kind;
    answer.dry_run := dry_run;
    answer.imported := 0;
    answer.lines := sc.import_read(kind, csv);
    EXECUTE format('INSERT INTO pg_temp.import_error SELECT f.line, f.field, f.code FROM sc.import_check_%s() AS f', kind);
    IF kind = 'users' AND actor IS NOT NULL AND NOT sc.can(actor, 'roles.manage') THEN
        INSERT INTO pg_temp.import_error
        SELECT r.line, 'role', 'role_not_allowed' FROM pg_temp.import_row AS r JOIN sc.roles AS o ON o.id = r.a
        WHERE o.name NOT IN ('student', 'parent');
    END IF;
    IF NOT dry_run AND NOT EXISTS (SELECT FROM pg_temp.import_error) THEN
        PERFORM sc.import_make(kind);
        answer.imported := answer.lines;
    END IF;
    answer.errors := coalesce((
        SELECT jsonb_agg(jsonb_build_object('line', e.line, 'field', e.field, 'code', e.code,
                                            'message', coalesce(CASE WHEN p.status = 422 AND p.detail_en !~ '\{' THEN CASE lang WHEN 'tr' THEN p.detail_tr ELSE p.detail_en END END,
                                                                CASE lang WHEN 'tr' THEN p.title_tr ELSE p.title_en END, e.code))
                         ORDER BY e.line, e.field, e.code)
        FROM (SELECT * FROM pg_temp.import_error AS x ORDER BY x.line, x.field, x.code LIMIT 1000) AS e
        LEFT JOIN sc.problems AS p ON p.code = e.code), '[]');
    RETURN answer;
END
$$;
COMMENT ON FUNCTION sc.import_csv(text, text, boolean, text, bigint) IS
    'imports users, courses, topics, videos or enrollments from CSV with a header row (comma, semicolon or tab; a byte order mark is ignored); all records or none: errors, with their lines, mean that nothing was made; dry_run only checks; with an actor, roles are given as far as the actor may';

CREATE FUNCTION sc_api.import_run(actor bigint, kind text, raw text, ctx jsonb, dry_run boolean DEFAULT false)
RETURNS sc_api.import_answer
LANGUAGE plpgsql VOLATILE
AS $$
DECLARE
    answer sc_api.import_answer := sc.import_csv(kind, raw, dry_run, ctx ->> 'lang', actor);
BEGIN
    IF answer.errors <> '[]' AND NOT dry_run THEN
        PERFORM sc_api.refuse(422, 'import_failed', jsonb_build_object('lines', answer.lines, 'errors', answer.errors));
    END IF;
    RETURN answer;
END
$$;
COMMENT ON FUNCTION sc_api.import_run(bigint, text, text, jsonb, boolean) IS
    'Imports users, courses, topics, videos or enrollments from CSV (comma, semicolon or tab) with a header row. All records or none; dry_run only checks. '
    'Columns, of which those marked * must be there: users: full_name*, email or student_no*, role, phone, password_hash; '
    'courses: code*, title*, description, teacher_email, category, is_published; topics: course_code*, title*, order_index*; '
    'videos: course_code*, title*, youtube_id*, order_index*, topic, duration; enrollments: course_code*, email or student_no*, status, enrolled_at, expires_at.';

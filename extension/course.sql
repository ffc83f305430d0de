-- The catalogue: categories, courses, topics and videos as their teachers keep them.

CREATE TYPE sc_api.category AS (id bigint, parent_id bigint, name text, slug text, order_index int);
COMMENT ON TYPE sc_api.category IS 'a shelf of the catalogue';
COMMENT ON COLUMN sc_api.category.parent_id IS 'shelf above';
COMMENT ON COLUMN sc_api.category.slug IS 'name in addresses: small letters, digits, hyphens';
COMMENT ON COLUMN sc_api.category.order_index IS 'place among its siblings';

CREATE TYPE sc_api.course_item AS (
    id bigint, code text, title text, teacher_id bigint, teacher_name text, category_id bigint, subject_id bigint,
    season_id bigint, is_published boolean, published_at timestamptz, self_enroll boolean, videos_total int,
    updated_at timestamptz, is_deleted boolean);
COMMENT ON TYPE sc_api.course_item IS 'a course in a list';
COMMENT ON COLUMN sc_api.course_item.code IS 'short name, unique';
COMMENT ON COLUMN sc_api.course_item.videos_total IS 'number of videos';
COMMENT ON COLUMN sc_api.course_item.self_enroll IS 'students may enrol themselves';
COMMENT ON COLUMN sc_api.course_item.is_deleted IS 'with updated_since only: gone from the catalogue, forget it; everything but id and updated_at is null then';

CREATE TYPE sc_api.course AS (
    id bigint, code text, title text, description text, teacher_id bigint, teacher_name text, category_id bigint,
    subject_id bigint, season_id bigint, copied_from bigint, is_published boolean, published_at timestamptz,
    self_enroll boolean, capacity int, access_days int, requires_verified_email boolean, completion_percent int,
    sequential boolean, strict_progress boolean, videos_total int, created_at timestamptz, updated_at timestamptz);
COMMENT ON TYPE sc_api.course IS 'a course';
COMMENT ON COLUMN sc_api.course.code IS 'short name, unique';
COMMENT ON COLUMN sc_api.course.description IS 'Markdown';
COMMENT ON COLUMN sc_api.course.copied_from IS 'course it was copied from';
COMMENT ON COLUMN sc_api.course.self_enroll IS 'students may enrol themselves; false: staff only';
COMMENT ON COLUMN sc_api.course.capacity IS 'seats; null = no limit';
COMMENT ON COLUMN sc_api.course.access_days IS 'an enrolment ends so many days after it began; null = never';
COMMENT ON COLUMN sc_api.course.completion_percent IS 'a video counts as completed at this coverage';
COMMENT ON COLUMN sc_api.course.sequential IS 'a topic opens when the one before it is completed';
COMMENT ON COLUMN sc_api.course.strict_progress IS 'watched time is held against the clock';

CREATE TYPE sc_api.topic AS (id bigint, course_id bigint, title text, order_index int, unit_id bigint, unlocks_at timestamptz);
COMMENT ON TYPE sc_api.topic IS 'a section of a course';
COMMENT ON COLUMN sc_api.topic.order_index IS 'place in the course, from 1';
COMMENT ON COLUMN sc_api.topic.unit_id IS 'unit of the curriculum';
COMMENT ON COLUMN sc_api.topic.unlocks_at IS 'closed before this instant';

CREATE TYPE sc_api.video AS (
    id bigint, course_id bigint, topic_id bigint, title text, description text, duration int, order_index int,
    is_preview boolean, embeddable boolean, updated_at timestamptz);
COMMENT ON TYPE sc_api.video IS 'a lesson; its address is given out by the embed call alone';
COMMENT ON COLUMN sc_api.video.duration IS 'seconds; 0 = not yet known';
COMMENT ON COLUMN sc_api.video.order_index IS 'place in its topic, from 1';
COMMENT ON COLUMN sc_api.video.is_preview IS 'may be watched without enrolment';
COMMENT ON COLUMN sc_api.video.embeddable IS 'false: YouTube refuses to play it in a page';

CREATE TYPE sc_api.outline_topic AS (id bigint, title text, order_index int, unit_id bigint, unlocks_at timestamptz, videos sc_api.video[]);
COMMENT ON TYPE sc_api.outline_topic IS 'a topic and its videos, in order; id is null for videos without a topic';

CREATE TYPE sc_api.course_video AS (
    id bigint, course_id bigint, topic_id bigint, topic_title text, title text, description text, duration int, order_index int,
    is_preview boolean, embeddable boolean, unlocks_at timestamptz, updated_at timestamptz);
COMMENT ON TYPE sc_api.course_video IS 'a video in the list of its course';
COMMENT ON COLUMN sc_api.course_video.duration IS 'seconds; 0 = not yet known';
COMMENT ON COLUMN sc_api.course_video.order_index IS 'place in its topic, from 1';
COMMENT ON COLUMN sc_api.course_video.is_preview IS 'may be watched without enrolment';
COMMENT ON COLUMN sc_api.course_video.unlocks_at IS 'its topic is closed before this instant';

-- Who keeps a course

CREATE FUNCTION sc.keeps_course(actor bigint, course_id bigint)
RETURNS boolean
LANGUAGE plpgsql STABLE PARALLEL SAFE
AS $$
BEGIN
    RETURN EXISTS (SELECT FROM sc.courses AS c
                   WHERE c.id = keeps_course.course_id AND c.is_active AND c.teacher_id = actor
                     AND sc.can(actor, 'courses.own'))
        OR sc.can(actor, 'courses.manage');
END
$$;
COMMENT ON FUNCTION sc.keeps_course(bigint, bigint) IS 'may the user change the course: its teacher, or who manages all courses';

CREATE FUNCTION sc.require_course(actor bigint, course_id bigint)
RETURNS void
LANGUAGE plpgsql STABLE PARALLEL RESTRICTED
AS $$
DECLARE
    published boolean;
BEGIN
    SELECT c.is_published INTO published FROM sc.courses AS c WHERE c.id = require_course.course_id AND c.is_active;
    IF NOT FOUND THEN
        PERFORM sc_api.refuse(404, 'not_found');
    ELSIF NOT sc.keeps_course(actor, require_course.course_id) THEN
        -- that somebody else prepares a course is nobody's business
        PERFORM sc_api.refuse(CASE WHEN published THEN 403 ELSE 404 END, CASE WHEN published THEN 'forbidden' ELSE 'not_found' END);
    END IF;
END
$$;
COMMENT ON FUNCTION sc.require_course(bigint, bigint) IS
    'refuses who does not keep the course: 404 where it is not there or not published, else 403';

CREATE FUNCTION sc.lock_course(actor bigint, course_id bigint)
RETURNS void
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
AS $$
BEGIN
    PERFORM FROM sc.courses AS c WHERE c.id = lock_course.course_id FOR NO KEY UPDATE;
    PERFORM sc.require_course(actor, lock_course.course_id);
END
$$;
COMMENT ON FUNCTION sc.lock_course(bigint, bigint) IS
    'require_course, with the course locked: changes of one course, its topics and videos follow each other';

CREATE FUNCTION sc.course_of_topic(topic_id bigint)
RETURNS bigint
LANGUAGE plpgsql STABLE PARALLEL RESTRICTED
AS $$
DECLARE
    found_id bigint;
BEGIN
    SELECT t.course_id INTO found_id FROM sc.topics AS t WHERE t.id = course_of_topic.topic_id AND t.is_active;
    IF NOT FOUND THEN
        PERFORM sc_api.refuse(404, 'not_found');
    END IF;
    RETURN found_id;
END
$$;
COMMENT ON FUNCTION sc.course_of_topic(bigint) IS 'course of a topic; refuses with 404 if there is no such topic';

CREATE FUNCTION sc.course_of_video(video_id bigint)
RETURNS bigint
LANGUAGE plpgsql STABLE PARALLEL RESTRICTED
AS $$
DECLARE
    found_id bigint;
BEGIN
    SELECT v.course_id INTO found_id FROM sc.videos AS v WHERE v.id = course_of_video.video_id AND v.is_active;
    IF NOT FOUND THEN
        PERFORM sc_api.refuse(404, 'not_found');
    END IF;
    RETURN found_id;
END
$$;
COMMENT ON FUNCTION sc.course_of_video(bigint) IS 'course of a video; refuses with 404 if there is no such video';

CREATE FUNCTION sc.check_text(field text, value text, low int, high int)
RETURNS void
LANGUAGE plpgsql VOLATILE PARALLEL RESTRICTED
AS $$
BEGIN
    IF length(value) < low THEN
        PERFORM sc_api.invalid(field, 'required');
    ELSIF length(value) > high THEN
        PERFORM sc_api.invalid(field, 'too_long', jsonb_build_object('max', high));
    END IF;
END
$$;
COMMENT ON FUNCTION sc.check_text(text, text, int, int) IS 'notes a field error if the text is too short or too long; NULL is not looked at';

CREATE FUNCTION sc.check_range(field text, value bigint, low bigint, high bigint)
RETURNS void
LANGUAGE plpgsql VOLATILE PARALLEL RESTRICTED
AS $$
BEGIN
    IF value NOT BETWEEN low AND high THEN
        PERFORM sc_api.invalid(field, 'out_of_range', jsonb_build_object('min', low, 'max', high));
    END IF;
END
$$;
COMMENT ON FUNCTION sc.check_range(text, bigint, bigint, bigint) IS 'notes a field error if the number is out of range; NULL is not looked at';

CREATE FUNCTION sc.check_not_null(given text[], body jsonb, VARIADIC fields text[])
RETURNS void
LANGUAGE plpgsql VOLATILE PARALLEL RESTRICTED
AS $$
DECLARE
    field text;
BEGIN
    FOREACH field IN ARRAY fields LOOP
        IF field = ANY (given) AND body->field = 'null' THEN
            PERFORM sc_api.invalid(field, 'required');
        END IF;
    END LOOP;
END
$$;
COMMENT ON FUNCTION sc.check_not_null(text[], jsonb, text[]) IS 'notes field errors for fields of a PATCH that were sent as null and may not be';

-- Categories

CREATE FUNCTION sc_api.categories_list(actor bigint)
RETURNS SETOF sc_api.category
LANGUAGE plpgsql STABLE PARALLEL SAFE
AS $$
BEGIN
    RETURN QUERY SELECT c.id, c.parent_id, c.name, c.slug, c.order_index
    FROM sc.categories AS c ORDER BY c.order_index, c.name COLLATE "tr-x-icu", c.id;
END
$$;
COMMENT ON FUNCTION sc_api.categories_list(bigint) IS 'All shelves of the catalogue, in order.';

CREATE FUNCTION sc_api.category_create(actor bigint, _name text, _slug text, _parent_id bigint DEFAULT NULL, _order_index int DEFAULT 0)
RETURNS sc_api.category
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
AS $$
DECLARE
    c sc_api.category;
BEGIN
    PERFORM sc.check_category(_name, _slug, _parent_id);
    PERFORM sc_api.check_valid();
    INSERT INTO sc.categories AS k (name, slug, parent_id, order_index)
    VALUES (btrim(_name), _slug, _parent_id, coalesce(_order_index, 0))
    RETURNING k.id, k.parent_id, k.name, k.slug, k.order_index INTO c;
    PERFORM sc_api.header('Location', '/api/v1/categories');
    RETURN c;
END
$$;
COMMENT ON FUNCTION sc_api.category_create(bigint, text, text, bigint, int) IS 'Adds a shelf.';

CREATE FUNCTION sc.check_category(name text, slug text, parent_id bigint)
RETURNS void
LANGUAGE plpgsql VOLATILE PARALLEL RESTRICTED
AS $$
BEGIN
    PERFORM sc.check_text('name', btrim(name), 1, 120);
    IF slug !~ '^[a-z0-9]+(-[a-z0-9]+)*$' THEN
        PERFORM sc_api.invalid('slug', 'invalid_slug');
    END IF;
    PERFORM sc.check_text('slug', slug, 1, 120);
    IF parent_id IS NOT NULL AND NOT EXISTS (SELECT FROM sc.categories AS c WHERE c.id = check_category.parent_id) THEN
        PERFORM sc_api.invalid('parent_id', 'unknown_reference');
    END IF;
END
$$;
COMMENT ON FUNCTION sc.check_category(text, text, bigint) IS 'notes field errors of a category';

CREATE FUNCTION sc_api.category_update(actor bigint, given text[], body jsonb, _category_id bigint, _name text DEFAULT NULL,
                                       _slug text DEFAULT NULL, _parent_id bigint DEFAULT NULL, _order_index int DEFAULT NULL)
RETURNS sc_api.category
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
AS $$
DECLARE
    c sc_api.category;
BEGIN
    PERFORM sc.check_not_null(given, body, 'name', 'slug', 'order_index');
    PERFORM sc.check_category(_name, _slug, _parent_id);
    -- one change of the tree at a time, or two could close a circle together
    PERFORM FROM sc.categories AS k ORDER BY k.id FOR UPDATE;
    IF _parent_id IS NOT NULL AND EXISTS (
        WITH RECURSIVE above AS (
            SELECT _parent_id AS id
            UNION
            SELECT k.parent_id FROM sc.categories AS k JOIN above AS a ON k.id = a.id)
        SELECT FROM above WHERE id = _category_id) THEN
        PERFORM sc_api.invalid('parent_id', 'circular');
    END IF;
    PERFORM sc_api.check_valid();
    UPDATE sc.categories AS k
    SET name = coalesce(btrim(_name), k.name), slug = coalesce(_slug, k.slug),
        parent_id = CASE WHEN 'parent_id' = ANY (given) THEN _parent_id ELSE k.parent_id END,
        order_index = coalesce(_order_index, k.order_index)
    WHERE k.id = _category_id
    RETURNING k.id, k.parent_id, k.name, k.slug, k.order_index INTO c;
    RETURN c;
END
$$;
COMMENT ON FUNCTION sc_api.category_update(bigint, text[], jsonb, bigint, text, text, bigint, int) IS
    'Changes a shelf. Fields that are not sent stay as they are.';

CREATE FUNCTION sc_api.category_delete(actor bigint, _category_id bigint)
RETURNS void
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
AS $$
BEGIN
    IF EXISTS (SELECT FROM sc.categories AS c WHERE c.parent_id = _category_id)
       OR EXISTS (SELECT FROM sc.courses AS c WHERE c.category_id = _category_id AND c.is_active) THEN
        PERFORM sc_api.refuse(409, 'category_in_use');
    END IF;
    UPDATE sc.courses AS c SET category_id = NULL WHERE c.category_id = _category_id;
    DELETE FROM sc.categories AS c WHERE c.id = _category_id;
    IF NOT FOUND THEN
        PERFORM sc_api.refuse(404, 'not_found');
    END IF;
END
$$;
COMMENT ON FUNCTION sc_api.category_delete(bigint, bigint) IS 'Removes an empty shelf.';

-- Courses

CREATE FUNCTION sc.course(course_id bigint)
RETURNS sc_api.course
LANGUAGE plpgsql STABLE PARALLEL SAFE
AS $$
DECLARE
    c sc_api.course;
BEGIN
    SELECT k.id, k.code, k.title, k.description, k.teacher_id, u.full_name, k.category_id, k.subject_id, k.season_id,
           k.copied_from, k.is_published, k.published_at, k.self_enroll, k.capacity, k.access_days,
           k.requires_verified_email, k.completion_percent, k.sequential, k.strict_progress,
           (SELECT count(*) FROM sc.videos AS v LEFT JOIN sc.topics AS t ON t.id = v.topic_id
            WHERE v.course_id = k.id AND v.is_active AND coalesce(t.is_active, true)),
           k.created_at, k.updated_at
    INTO c
    FROM sc.courses AS k LEFT JOIN sc.users AS u ON u.id = k.teacher_id
    WHERE k.id = course.course_id AND k.is_active;
    RETURN c;
END
$$;
COMMENT ON FUNCTION sc.course(bigint) IS 'a course as the API shows it; NULL if there is none';

CREATE FUNCTION sc_api.course_get(actor bigint, _course_id bigint)
RETURNS sc_api.course
LANGUAGE plpgsql STABLE PARALLEL SAFE
AS $$
DECLARE
    c sc_api.course := sc.course(_course_id);
BEGIN
    IF NOT c.is_published THEN
        PERFORM sc_api.no_store();
        IF NOT sc.keeps_course(actor, _course_id) THEN
            RETURN NULL;
        END IF;
    END IF;
    RETURN c;
END
$$;
COMMENT ON FUNCTION sc_api.course_get(bigint, bigint) IS 'A course. One that is not published is shown to its teacher and to who manages courses only.';

CREATE FUNCTION sc_api.courses_list(actor bigint, _category bigint DEFAULT NULL, _teacher bigint DEFAULT NULL, _season bigint DEFAULT NULL,
                                    _q text DEFAULT NULL, _sort text DEFAULT 'title', _is_published boolean DEFAULT true,
                                    _updated_since timestamptz DEFAULT NULL, page int DEFAULT 1, per_page int DEFAULT 20)
RETURNS SETOF sc_api.course_item
LANGUAGE plpgsql STABLE PARALLEL SAFE
AS $$
DECLARE
    words tsquery := plainto_tsquery('pg_catalog.turkish', _q);
    plain tsquery := sc.prefix_query(_q);
    everything boolean;
    ids bigint[];
BEGIN
    IF _sort NOT IN ('title', '-title', 'published_at', '-published_at', 'updated_at', '-updated_at') THEN
        PERFORM sc_api.invalid('sort', 'invalid_choice',
            '{"choices": "title, -title, published_at, -published_at, updated_at, -updated_at"}');
        PERFORM sc_api.check_valid();
    END IF;
    -- what depends on who asks, and the endless row of instants, are not kept
    IF NOT _is_published OR _updated_since IS NOT NULL THEN
        PERFORM sc_api.no_store();
    END IF;
    everything := NOT _is_published AND sc.can(actor, 'courses.manage');
    IF btrim(_q) <> '' AND plain IS NULL THEN
        plain := '';
    END IF;
    ids := ARRAY(
        SELECT c.id FROM sc.courses AS c
        WHERE CASE WHEN _is_published THEN c.is_published ELSE NOT c.is_published AND (everything OR c.teacher_id = actor) END
          AND c.is_active
          AND (_category IS NULL OR c.category_id = _category)
          AND (_teacher IS NULL OR c.teacher_id = _teacher)
          AND (_season IS NULL OR c.season_id = _season)
          AND (plain IS NULL OR c.search @@ words OR c.search @@ plain)
          AND (_updated_since IS NULL OR c.updated_at >= _updated_since)
        UNION ALL
        -- tombstones, of what the catalogue has shown before
        SELECT c.id FROM sc.courses AS c
        WHERE _updated_since IS NOT NULL AND _is_published AND c.updated_at >= _updated_since
          AND c.published_at IS NOT NULL AND NOT (c.is_published AND c.is_active));
    ids := ARRAY(
        SELECT c.id FROM sc.courses AS c WHERE c.id = ANY (ids)
        ORDER BY CASE WHEN _sort = 'title' THEN c.title END COLLATE "tr-x-icu",
                 CASE WHEN _sort = '-title' THEN c.title END COLLATE "tr-x-icu" DESC,
                 CASE _sort WHEN 'published_at' THEN c.published_at WHEN 'updated_at' THEN c.updated_at END,
                 CASE _sort WHEN '-published_at' THEN c.published_at WHEN '-updated_at' THEN c.updated_at END DESC NULLS LAST,
                 c.id);
    PERFORM sc_api.total(cardinality(ids));
    RETURN QUERY
    SELECT c.id, CASE WHEN s.shown THEN c.code END, CASE WHEN s.shown THEN c.title END, CASE WHEN s.shown THEN c.teacher_id END,
           CASE WHEN s.shown THEN u.full_name END, CASE WHEN s.shown THEN c.category_id END,
           CASE WHEN s.shown THEN c.subject_id END, CASE WHEN s.shown THEN c.season_id END,
           CASE WHEN s.shown THEN c.is_published END, CASE WHEN s.shown THEN c.published_at END,
           CASE WHEN s.shown THEN c.self_enroll END,
           CASE WHEN s.shown THEN (SELECT count(*)::int FROM sc.videos AS v LEFT JOIN sc.topics AS t ON t.id = v.topic_id
                                   WHERE v.course_id = c.id AND v.is_active AND coalesce(t.is_active, true)) END,
           c.updated_at, NOT s.shown
    FROM (SELECT f.id, f.place FROM unnest(ids) WITH ORDINALITY AS f(id, place)
          ORDER BY f.place LIMIT per_page OFFSET (page - 1)::bigint * per_page) AS f
    JOIN sc.courses AS c ON c.id = f.id
    CROSS JOIN LATERAL (SELECT c.is_active AND c.is_published = _is_published AS shown) AS s
    LEFT JOIN sc.users AS u ON u.id = c.teacher_id
    ORDER BY f.place;
END
$$;
COMMENT ON FUNCTION sc_api.courses_list(bigint, bigint, bigint, bigint, text, text, boolean, timestamptz, int, int) IS
    'Published courses. q searches title and description, by Turkish word stems and by beginnings of words, with or without Turkish letters. '
    'is_published=false gives a teacher the own courses in preparation, and who manages courses all of them. '
    'updated_since gives what changed since then, deleted ones marked.';

CREATE FUNCTION sc.check_course(code text, title text, description text, teacher_id bigint, category_id bigint, subject_id bigint,
                                season_id bigint, capacity int, access_days int, completion_percent int)
RETURNS void
LANGUAGE plpgsql VOLATILE PARALLEL RESTRICTED
AS $$
BEGIN
    IF code !~ '^[0-9A-Za-z._/-]{1,60}$' THEN
        PERFORM sc_api.invalid('code', 'invalid_code_text');
    END IF;
    PERFORM sc.check_text('title', btrim(title), 1, 200);
    PERFORM sc.check_text('description', description, 0, 20000);
    PERFORM sc.check_range('capacity', capacity, 0, 1000000);
    PERFORM sc.check_range('access_days', access_days, 1, 3650);
    PERFORM sc.check_range('completion_percent', completion_percent, 1, 100);
    IF teacher_id IS NOT NULL AND NOT sc.can(teacher_id, 'courses.own') THEN
        PERFORM sc_api.invalid('teacher_id', 'not_a_teacher');
    END IF;
    IF category_id IS NOT NULL AND NOT EXISTS (SELECT FROM sc.categories AS c WHERE c.id = check_course.category_id) THEN
        PERFORM sc_api.invalid('category_id', 'unknown_reference');
    END IF;
    IF subject_id IS NOT NULL AND NOT EXISTS (SELECT FROM sc.subjects AS s WHERE s.id = check_course.subject_id) THEN
        PERFORM sc_api.invalid('subject_id', 'unknown_reference');
    END IF;
    IF season_id IS NOT NULL AND NOT EXISTS (SELECT FROM sc.seasons AS s WHERE s.id = check_course.season_id) THEN
        PERFORM sc_api.invalid('season_id', 'unknown_reference');
    END IF;
END
$$;
COMMENT ON FUNCTION sc.check_course(text, text, text, bigint, bigint, bigint, bigint, int, int, int) IS
    'notes field errors of a course; NULL is not looked at';

CREATE FUNCTION sc_api.course_create(
    actor bigint, _title text, _code text DEFAULT NULL, _description text DEFAULT NULL, _teacher_id bigint DEFAULT NULL,
    _category_id bigint DEFAULT NULL, _subject_id bigint DEFAULT NULL, _season_id bigint DEFAULT NULL,
    _self_enroll boolean DEFAULT true, _capacity int DEFAULT NULL, _access_days int DEFAULT NULL,
    _requires_verified_email boolean DEFAULT false, _completion_percent int DEFAULT 90,
    _sequential boolean DEFAULT false, _strict_progress boolean DEFAULT false)
RETURNS sc_api.course
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
AS $$
DECLARE
    new_id bigint;
BEGIN
    IF _teacher_id IS DISTINCT FROM actor AND _teacher_id IS NOT NULL AND NOT sc.can(actor, 'courses.manage') THEN
        PERFORM sc_api.invalid('teacher_id', 'not_yours');
    END IF;
    PERFORM sc.check_course(_code, _title, _description, _teacher_id, _category_id, _subject_id, _season_id,
                            _capacity, _access_days, _completion_percent);
    PERFORM sc_api.check_valid();
    INSERT INTO sc.courses (title, code, description, teacher_id, category_id, subject_id, season_id, self_enroll, capacity,
                            access_days, requires_verified_email, completion_percent, sequential, strict_progress)
    VALUES (btrim(_title), _code, _description, coalesce(_teacher_id, actor), _category_id, _subject_id, _season_id,
            coalesce(_self_enroll, true), _capacity, _access_days, coalesce(_requires_verified_email, false),
            coalesce(_completion_percent, 90), coalesce(_sequential, false), coalesce(_strict_progress, false))
    RETURNING id INTO new_id;
    PERFORM sc_api.header('Location', '/api/v1/courses/' || new_id);
    RETURN sc.course(new_id);
END
$$;
COMMENT ON FUNCTION sc_api.course_create(bigint, text, text, text, bigint, bigint, bigint, bigint, boolean, int, int, boolean, int, boolean, boolean) IS
    'Makes a course, not yet published. Its teacher is who makes it, unless somebody who manages courses names another.';

CREATE FUNCTION sc_api.course_update(
    actor bigint, given text[], body jsonb, _course_id bigint, _title text DEFAULT NULL, _code text DEFAULT NULL,
    _description text DEFAULT NULL, _teacher_id bigint DEFAULT NULL, _category_id bigint DEFAULT NULL,
    _subject_id bigint DEFAULT NULL, _season_id bigint DEFAULT NULL, _self_enroll boolean DEFAULT NULL,
    _capacity int DEFAULT NULL, _access_days int DEFAULT NULL, _requires_verified_email boolean DEFAULT NULL,
    _completion_percent int DEFAULT NULL, _sequential boolean DEFAULT NULL, _strict_progress boolean DEFAULT NULL)
RETURNS sc_api.course
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
AS $$
DECLARE
    seats int;
BEGIN
    PERFORM sc.lock_course(actor, _course_id);
    IF 'teacher_id' = ANY (given) AND NOT sc.can(actor, 'courses.manage') THEN
        PERFORM sc_api.invalid('teacher_id', 'not_yours');
    END IF;
    PERFORM sc.check_not_null(given, body, 'title', 'self_enroll', 'requires_verified_email', 'completion_percent',
                              'sequential', 'strict_progress');
    PERFORM sc.check_course(_code, _title, _description, _teacher_id, _category_id, _subject_id, _season_id,
                            _capacity, _access_days, _completion_percent);
    PERFORM sc_api.check_valid();
    IF _capacity IS NOT NULL THEN
        -- enrolments count under this lock
        SELECT s.taken INTO seats FROM sc.course_seats AS s WHERE s.course_id = _course_id FOR UPDATE;
        IF seats > _capacity THEN
            PERFORM sc_api.refuse(409, 'capacity_below_taken', jsonb_build_object('taken', seats));
        END IF;
    END IF;
    UPDATE sc.courses AS c
    SET title = coalesce(btrim(_title), c.title),
        code = CASE WHEN 'code' = ANY (given) THEN _code ELSE c.code END,
        description = CASE WHEN 'description' = ANY (given) THEN _description ELSE c.description END,
        teacher_id = CASE WHEN 'teacher_id' = ANY (given) THEN _teacher_id ELSE c.teacher_id END,
        category_id = CASE WHEN 'category_id' = ANY (given) THEN _category_id ELSE c.category_id END,
        subject_id = CASE WHEN 'subject_id' = ANY (given) THEN _subject_id ELSE c.subject_id END,
        season_id = CASE WHEN 'season_id' = ANY (given) THEN _season_id ELSE c.season_id END,
        self_enroll = coalesce(_self_enroll, c.self_enroll),
        capacity = CASE WHEN 'capacity' = ANY (given) THEN _capacity ELSE c.capacity END,
        access_days = CASE WHEN 'access_days' = ANY (given) THEN _access_days ELSE c.access_days END,
        requires_verified_email = coalesce(_requires_verified_email, c.requires_verified_email),
        completion_percent = coalesce(_completion_percent, c.completion_percent),
        sequential = coalesce(_sequential, c.sequential),
        strict_progress = coalesce(_strict_progress, c.strict_progress)
    WHERE c.id = _course_id;
    RETURN sc.course(_course_id);
END
$$;
COMMENT ON FUNCTION sc_api.course_update(bigint, text[], jsonb, bigint, text, text, text, bigint, bigint, bigint, bigint, boolean, int, int, boolean, int, boolean, boolean) IS
    'Changes a course. Fields that are not sent stay as they are; null empties code, description, teacher, category, subject, season, capacity and access_days.';

CREATE FUNCTION sc_api.course_delete(actor bigint, _course_id bigint)
RETURNS void
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
AS $$
BEGIN
    PERFORM sc.lock_course(actor, _course_id);
    -- the code is free again; what was watched and who was enrolled stays on record
    UPDATE sc.courses AS c SET is_active = false, is_published = false, code = NULL WHERE c.id = _course_id;
END
$$;
COMMENT ON FUNCTION sc_api.course_delete(bigint, bigint) IS 'Takes a course out of the catalogue for good. Enrolments and progress stay on record.';

CREATE FUNCTION sc.course_faults(course_id bigint)
RETURNS text[]
LANGUAGE plpgsql STABLE PARALLEL SAFE
AS $$
BEGIN
    RETURN ARRAY(
        SELECT f.fault
        FROM sc.courses AS c,
             LATERAL (VALUES
                 ('teacher', c.teacher_id IS NULL OR NOT sc.can(c.teacher_id, 'courses.own')),
                 ('description', coalesce(btrim(c.description), '') = ''),
                 ('videos', NOT EXISTS (SELECT FROM sc.videos AS v LEFT JOIN sc.topics AS t ON t.id = v.topic_id
                                        WHERE v.course_id = c.id AND v.is_active AND coalesce(t.is_active, true)))
             ) AS f(fault, present)
        WHERE c.id = course_faults.course_id AND f.present);
END
$$;
COMMENT ON FUNCTION sc.course_faults(bigint) IS 'what a course lacks before it can be published';

CREATE FUNCTION sc_api.course_publish(actor bigint, _course_id bigint)
RETURNS sc_api.course
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
AS $$
DECLARE
    faults text[];
BEGIN
    PERFORM sc.lock_course(actor, _course_id);
    faults := sc.course_faults(_course_id);
    IF faults <> '{}' THEN
        PERFORM sc_api.refuse(409, 'not_publishable', jsonb_build_object('missing', array_to_string(faults, ', ')));
    END IF;
    UPDATE sc.courses AS c SET is_published = true, published_at = coalesce(c.published_at, clock_timestamp())
    WHERE c.id = _course_id AND NOT c.is_published;
    RETURN sc.course(_course_id);
END
$$;
COMMENT ON FUNCTION sc_api.course_publish(bigint, bigint) IS
    'Shows the course to students. Refused with what is missing: a teacher, a description, a video.';

CREATE FUNCTION sc_api.course_unpublish(actor bigint, _course_id bigint)
RETURNS sc_api.course
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
AS $$
BEGIN
    PERFORM sc.lock_course(actor, _course_id);
    UPDATE sc.courses AS c SET is_published = false WHERE c.id = _course_id AND c.is_published;
    RETURN sc.course(_course_id);
END
$$;
COMMENT ON FUNCTION sc_api.course_unpublish(bigint, bigint) IS 'Hides the course. Enrolments stay; its videos cannot be watched meanwhile.';

CREATE FUNCTION sc_api.course_copy(actor bigint, _course_id bigint, _season_id bigint DEFAULT NULL, _title text DEFAULT NULL, _code text DEFAULT NULL)
RETURNS sc_api.course
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
AS $$
DECLARE
    new_id bigint;
BEGIN
    PERFORM sc.lock_course(actor, _course_id);
    PERFORM sc.check_course(_code, _title, NULL, NULL, NULL, NULL, _season_id, NULL, NULL, NULL);
    PERFORM sc_api.check_valid();
    INSERT INTO sc.courses (title, code, description, teacher_id, category_id, subject_id, season_id, copied_from, self_enroll,
                            capacity, access_days, requires_verified_email, completion_percent, sequential, strict_progress)
    SELECT coalesce(btrim(_title), c.title), _code, c.description, c.teacher_id, c.category_id, c.subject_id, _season_id, c.id,
           c.self_enroll, c.capacity, c.access_days, c.requires_verified_email, c.completion_percent, c.sequential, c.strict_progress
    FROM sc.courses AS c WHERE c.id = _course_id
    RETURNING id INTO new_id;
    -- dates at which topics open belong to the season that is left behind
    INSERT INTO sc.topics (course_id, title, order_index, unit_id)
    SELECT new_id, t.title, t.order_index, t.unit_id FROM sc.topics AS t WHERE t.course_id = _course_id AND t.is_active;
    INSERT INTO sc.videos (course_id, topic_id, youtube_id, title, description, duration, order_index, is_preview, embeddable,
                           metadata, metadata_at)
    SELECT new_id, n.id, v.youtube_id, v.title, v.description, v.duration, v.order_index, v.is_preview, v.embeddable,
           v.metadata, v.metadata_at
    FROM sc.videos AS v
    LEFT JOIN sc.topics AS t ON t.id = v.topic_id
    LEFT JOIN sc.topics AS n ON n.course_id = new_id AND n.order_index = t.order_index
    WHERE v.course_id = _course_id AND v.is_active AND coalesce(t.is_active, true);
    PERFORM sc_api.header('Location', '/api/v1/courses/' || new_id);
    RETURN sc.course(new_id);
END
$$;
COMMENT ON FUNCTION sc_api.course_copy(bigint, bigint, bigint, text, text) IS
    'Copies a course with its topics and videos, for a new season. The copy has no students, no opening dates, and is not published.';

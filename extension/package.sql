-- Packages: several courses given together until a date.

CREATE TYPE sc_api.package AS (id bigint, name text, season_id bigint, ends_at timestamptz, is_active boolean, course_ids bigint[], updated_at timestamptz);
COMMENT ON TYPE sc_api.package IS 'several courses given together';
COMMENT ON COLUMN sc_api.package.id IS 'identity';
COMMENT ON COLUMN sc_api.package.name IS 'name';
COMMENT ON COLUMN sc_api.package.season_id IS 'season';
COMMENT ON COLUMN sc_api.package.ends_at IS 'access ends; null: with the enrolment of each course';
COMMENT ON COLUMN sc_api.package.is_active IS 'can still be given';
COMMENT ON COLUMN sc_api.package.course_ids IS 'courses in it';
COMMENT ON COLUMN sc_api.package.updated_at IS 'last change';

CREATE TYPE sc_api.package_given AS (users bigint, enrolled bigint, unchanged bigint);
COMMENT ON TYPE sc_api.package_given IS 'what giving a package did';
COMMENT ON COLUMN sc_api.package_given.users IS 'users it was given to';
COMMENT ON COLUMN sc_api.package_given.enrolled IS 'enrolments made, renewed or prolonged';
COMMENT ON COLUMN sc_api.package_given.unchanged IS 'enrolments that held already';

CREATE FUNCTION sc.package_rows(only_id bigint DEFAULT NULL)
RETURNS SETOF sc_api.package
LANGUAGE plpgsql STABLE PARALLEL SAFE
AS $$
BEGIN
    RETURN QUERY
    SELECT p.id, p.name, p.season_id, p.ends_at, p.is_active,
           ARRAY(SELECT x.course_id FROM sc.package_courses AS x WHERE x.package_id = p.id ORDER BY x.course_id), p.updated_at
    FROM sc.packages AS p
    WHERE only_id IS NULL OR p.id = only_id
    ORDER BY p.name COLLATE "tr-x-icu", p.id;
END
$$;
COMMENT ON FUNCTION sc.package_rows(bigint) IS 'packages as the API shows them: one, or all by name';

CREATE FUNCTION sc_api.packages_list(actor bigint)
RETURNS SETOF sc_api.package
LANGUAGE plpgsql STABLE PARALLEL SAFE
AS $$
BEGIN
    RETURN QUERY SELECT * FROM sc.package_rows();
END
$$;
COMMENT ON FUNCTION sc_api.packages_list(bigint) IS 'Packages, by name.';

CREATE FUNCTION sc.package_row(package_id bigint)
RETURNS sc_api.package
LANGUAGE plpgsql STABLE STRICT PARALLEL SAFE
AS $$
DECLARE
    answer sc_api.package;
BEGIN
    SELECT * INTO answer FROM sc.package_rows(package_row.package_id);
    RETURN answer;
END
$$;
COMMENT ON FUNCTION sc.package_row(bigint) IS 'a package as the API shows it';

CREATE FUNCTION sc_api.package_get(actor bigint, package_id bigint)
RETURNS sc_api.package
LANGUAGE plpgsql STABLE PARALLEL SAFE
AS $$
BEGIN
    RETURN sc.package_row(package_get.package_id);
END
$$;
COMMENT ON FUNCTION sc_api.package_get(bigint, bigint) IS 'A package.';

CREATE FUNCTION sc.set_package_courses(package_id bigint, course_ids bigint[])
RETURNS void
LANGUAGE plpgsql VOLATILE STRICT PARALLEL UNSAFE
AS $$
BEGIN
    IF cardinality(course_ids) > 200
       OR EXISTS (SELECT FROM unnest(course_ids) AS x WHERE x IS NULL OR NOT EXISTS (SELECT FROM sc.courses AS c WHERE c.id = x AND c.is_active)) THEN
        PERFORM sc_api.invalid('course_ids', 'unknown_reference');
        PERFORM sc_api.check_valid();
    END IF;
    DELETE FROM sc.package_courses AS x
    WHERE x.package_id = set_package_courses.package_id AND x.course_id <> ALL (course_ids);
    INSERT INTO sc.package_courses (package_id, course_id)
    SELECT DISTINCT set_package_courses.package_id, x FROM unnest(course_ids) AS x
    ON CONFLICT DO NOTHING;
END
$$;
COMMENT ON FUNCTION sc.set_package_courses(bigint, bigint[]) IS 'puts just these courses into a package';

CREATE FUNCTION sc_api.package_create(actor bigint, _name text, _course_ids bigint[], _season_id bigint DEFAULT NULL, _ends_at timestamptz DEFAULT NULL)
RETURNS sc_api.package
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
AS $$
DECLARE
    new_id bigint;
BEGIN
    PERFORM sc.check_group(_season_id, NULL, NULL, NULL, NULL);
    INSERT INTO sc.packages (name, season_id, ends_at) VALUES (sc.normal_name(_name), _season_id, _ends_at)
    RETURNING id INTO new_id;
    PERFORM sc.set_package_courses(new_id, _course_ids);
    PERFORM sc_api.header('Location', '/api/v1/packages/' || new_id);
    RETURN sc.package_row(new_id);
END
$$;
COMMENT ON FUNCTION sc_api.package_create(bigint, text, bigint[], bigint, timestamptz) IS 'Make a package of courses.';

CREATE FUNCTION sc_api.package_update(actor bigint, package_id bigint, given text[], _name text DEFAULT NULL, _course_ids bigint[] DEFAULT NULL,
                                      _ends_at timestamptz DEFAULT NULL, _is_active boolean DEFAULT NULL)
RETURNS sc_api.package
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
AS $$
BEGIN
    UPDATE sc.packages AS p
    SET name = coalesce(sc.normal_name(_name), p.name),
        ends_at = CASE WHEN 'ends_at' = ANY (given) THEN _ends_at ELSE p.ends_at END,
        is_active = coalesce(_is_active, p.is_active)
    WHERE p.id = package_update.package_id;
    IF NOT FOUND THEN
        PERFORM sc_api.refuse(404, 'not_found');
    END IF;
    PERFORM sc.set_package_courses(package_update.package_id, _course_ids);
    RETURN sc.package_row(package_update.package_id);
END
$$;
COMMENT ON FUNCTION sc_api.package_update(bigint, bigint, text[], text, bigint[], timestamptz, boolean) IS
    'Change a package. Who has it keeps the enrolments made.';

CREATE FUNCTION sc_api.package_enroll(actor bigint, package_id bigint, _user_ids bigint[] DEFAULT NULL, _group_id bigint DEFAULT NULL)
RETURNS sc_api.package_given
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
AS $$
DECLARE
    p record;
    students bigint[];
    answer sc_api.package_given;
BEGIN
    SELECT k.ends_at, k.is_active INTO p FROM sc.packages AS k WHERE k.id = package_enroll.package_id FOR SHARE;
    IF NOT FOUND THEN
        PERFORM sc_api.refuse(404, 'not_found');
    ELSIF NOT p.is_active OR p.ends_at <= clock_timestamp() THEN
        PERFORM sc_api.refuse(409, 'package_over');
    END IF;
    IF (_user_ids IS NULL) = (_group_id IS NULL) THEN
        PERFORM sc_api.invalid('user_ids', 'users_or_group');
    ELSIF _group_id IS NOT NULL THEN
        IF NOT EXISTS (SELECT FROM sc.groups AS g WHERE g.id = _group_id) THEN
            PERFORM sc_api.invalid('group_id', 'unknown_reference');
        END IF;
        students := ARRAY(SELECT m.student_id FROM sc.group_members AS m JOIN sc.users AS u ON u.id = m.student_id AND u.is_active
                          WHERE m.group_id = _group_id AND sc.in_force(m.valid_from, m.valid_to, sc.today()));
    ELSE
        students := ARRAY(SELECT DISTINCT x FROM unnest(_user_ids) AS x);
        IF cardinality(students) NOT BETWEEN 1 AND 1000
           OR EXISTS (SELECT FROM unnest(students) AS x WHERE x IS NULL OR NOT EXISTS (SELECT FROM sc.users AS u WHERE u.id = x AND u.is_active)) THEN
            PERFORM sc_api.invalid('user_ids', 'unknown_reference');
        END IF;
    END IF;
    PERFORM sc_api.check_valid();

    -- one order for everybody, so that two packages given at once do not lock each other out
    SELECT cardinality(students), count(e.id), count(*) FILTER (WHERE e.id IS NULL) INTO answer
    FROM (SELECT c.course_id, s.id AS student_id
          FROM sc.package_courses AS c, unnest(students) AS s(id)
          WHERE c.package_id = package_enroll.package_id
          ORDER BY c.course_id, s.id) AS x,
         LATERAL (SELECT sc.enroll(x.student_id, x.course_id, 'package', p.ends_at, package_enroll.package_id)) AS e(id);
    RETURN answer;
END
$$;
COMMENT ON FUNCTION sc_api.package_enroll(bigint, bigint, bigint[], bigint) IS
    'Enrol users, or all students of a class, in every course of a package; all of it or, when a course is full, nothing. A place that is held already is kept, and prolonged if the package lasts longer.';

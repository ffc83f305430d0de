-- The curriculum: subjects, units, outcomes (kazanım).

CREATE TYPE sc_api.subject AS (id bigint, code text, name text, updated_at timestamptz, deleted_at timestamptz);
COMMENT ON TYPE sc_api.subject IS 'a subject';
COMMENT ON COLUMN sc_api.subject.id IS 'identity';
COMMENT ON COLUMN sc_api.subject.code IS 'short name, such as MAT';
COMMENT ON COLUMN sc_api.subject.name IS 'name';
COMMENT ON COLUMN sc_api.subject.updated_at IS 'last change';
COMMENT ON COLUMN sc_api.subject.deleted_at IS 'set on what was deleted since updated_since; the other fields are null then';

CREATE TYPE sc_api.unit AS (id bigint, subject_id bigint, grade int, name text, order_index int, updated_at timestamptz, deleted_at timestamptz);
COMMENT ON TYPE sc_api.unit IS 'a unit of a subject';
COMMENT ON COLUMN sc_api.unit.id IS 'identity';
COMMENT ON COLUMN sc_api.unit.subject_id IS 'subject';
COMMENT ON COLUMN sc_api.unit.grade IS 'class year';
COMMENT ON COLUMN sc_api.unit.name IS 'name';
COMMENT ON COLUMN sc_api.unit.order_index IS 'place among the units';
COMMENT ON COLUMN sc_api.unit.updated_at IS 'last change';
COMMENT ON COLUMN sc_api.unit.deleted_at IS 'set on what was deleted since updated_since; the other fields are null then';

CREATE TYPE sc_api.outcome AS (id bigint, unit_id bigint, code text, description text, updated_at timestamptz, deleted_at timestamptz);
COMMENT ON TYPE sc_api.outcome IS 'a learning outcome';
COMMENT ON COLUMN sc_api.outcome.id IS 'identity';
COMMENT ON COLUMN sc_api.outcome.unit_id IS 'unit';
COMMENT ON COLUMN sc_api.outcome.code IS 'official code, such as MAT.9.1.1';
COMMENT ON COLUMN sc_api.outcome.description IS 'what the student can do';
COMMENT ON COLUMN sc_api.outcome.updated_at IS 'last change';
COMMENT ON COLUMN sc_api.outcome.deleted_at IS 'set on what was deleted since updated_since; the other fields are null then';

CREATE FUNCTION sc_api.subjects_list(actor bigint, _updated_since timestamptz DEFAULT NULL)
RETURNS SETOF sc_api.subject
LANGUAGE plpgsql STABLE PARALLEL SAFE
AS $$
BEGIN
    RETURN QUERY
    SELECT * FROM (
        SELECT s.id, s.code, s.name, s.updated_at, NULL::timestamptz AS deleted_at
        FROM sc.subjects AS s WHERE _updated_since IS NULL OR s.updated_at >= _updated_since
        UNION ALL
        SELECT t.id, NULL, NULL, NULL, t.deleted_at
        FROM sc.tombstones AS t WHERE t.resource = 'subjects' AND t.deleted_at >= _updated_since
    ) AS x
    ORDER BY x.deleted_at NULLS FIRST, x.name COLLATE "tr-x-icu", x.id;
END
$$;
COMMENT ON FUNCTION sc_api.subjects_list(bigint, timestamptz) IS
    'Subjects by name. With updated_since: those changed since, and after them the ids of those deleted since.';

CREATE FUNCTION sc_api.subject_create(actor bigint, _code text, _name text)
RETURNS sc_api.subject
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
AS $$
DECLARE
    answer sc_api.subject;
BEGIN
    INSERT INTO sc.subjects AS s (code, name) VALUES (btrim(_code), sc.normal_name(_name))
    RETURNING s.id, s.code, s.name, s.updated_at, NULL INTO answer;
    RETURN answer;
END
$$;
COMMENT ON FUNCTION sc_api.subject_create(bigint, text, text) IS 'Add a subject.';

CREATE FUNCTION sc_api.subject_update(actor bigint, subject_id bigint, _code text DEFAULT NULL, _name text DEFAULT NULL)
RETURNS sc_api.subject
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
AS $$
DECLARE
    answer sc_api.subject;
BEGIN
    UPDATE sc.subjects AS s SET code = coalesce(btrim(_code), s.code), name = coalesce(sc.normal_name(_name), s.name)
    WHERE s.id = subject_update.subject_id
    RETURNING s.id, s.code, s.name, s.updated_at, NULL INTO answer;
    RETURN answer;
END
$$;
COMMENT ON FUNCTION sc_api.subject_update(bigint, bigint, text, text) IS 'Change a subject; null changes nothing.';

CREATE FUNCTION sc_api.subject_delete(actor bigint, subject_id bigint)
RETURNS void
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
AS $$
BEGIN
    DELETE FROM sc.subjects AS s WHERE s.id = subject_delete.subject_id;
    IF NOT FOUND THEN
        PERFORM sc_api.refuse(404, 'not_found');
    END IF;
END
$$;
COMMENT ON FUNCTION sc_api.subject_delete(bigint, bigint) IS 'Remove a subject; refused while it has units.';

CREATE FUNCTION sc_api.units_list(actor bigint, _subject_id bigint DEFAULT NULL, _grade int DEFAULT NULL, _updated_since timestamptz DEFAULT NULL)
RETURNS SETOF sc_api.unit
LANGUAGE plpgsql STABLE PARALLEL SAFE
AS $$
BEGIN
    RETURN QUERY
    SELECT u.id, u.subject_id, u.grade::int, u.name, u.order_index, u.updated_at, NULL::timestamptz
    FROM sc.units AS u
    WHERE (_subject_id IS NULL OR u.subject_id = _subject_id) AND (_grade IS NULL OR u.grade = _grade)
      AND (_updated_since IS NULL OR u.updated_at >= _updated_since)
    UNION ALL
    SELECT t.id, NULL, NULL, NULL, NULL, NULL, t.deleted_at
    FROM sc.tombstones AS t WHERE t.resource = 'units' AND t.deleted_at >= _updated_since
    ORDER BY 7 NULLS FIRST, 2, 3 NULLS FIRST, 5, 1;
END
$$;
COMMENT ON FUNCTION sc_api.units_list(bigint, bigint, int, timestamptz) IS
    'Units in their order. With updated_since: those changed since, and after them the ids of those deleted since.';

CREATE FUNCTION sc.check_unit(subject_id bigint, grade int)
RETURNS void
LANGUAGE plpgsql VOLATILE PARALLEL RESTRICTED
AS $$
BEGIN
    IF subject_id IS NOT NULL AND NOT EXISTS (SELECT FROM sc.subjects AS s WHERE s.id = check_unit.subject_id) THEN
        PERFORM sc_api.invalid('subject_id', 'unknown_reference');
    END IF;
    PERFORM sc.check_student(NULL, grade, NULL, NULL);
    PERFORM sc_api.check_valid();
END
$$;
COMMENT ON FUNCTION sc.check_unit(bigint, int) IS 'refuses what a unit may not be; NULL is not looked at';

CREATE FUNCTION sc_api.unit_create(actor bigint, _subject_id bigint, _name text, _grade int DEFAULT NULL, _order_index int DEFAULT 0)
RETURNS sc_api.unit
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
AS $$
DECLARE
    answer sc_api.unit;
BEGIN
    PERFORM sc.check_unit(_subject_id, _grade);
    INSERT INTO sc.units AS u (subject_id, grade, name, order_index) VALUES (_subject_id, _grade, sc.normal_name(_name), coalesce(_order_index, 0))
    RETURNING u.id, u.subject_id, u.grade, u.name, u.order_index, u.updated_at, NULL INTO answer;
    RETURN answer;
END
$$;
COMMENT ON FUNCTION sc_api.unit_create(bigint, bigint, text, int, int) IS 'Add a unit to a subject.';

CREATE FUNCTION sc_api.unit_update(actor bigint, unit_id bigint, given text[], _name text DEFAULT NULL, _grade int DEFAULT NULL, _order_index int DEFAULT NULL)
RETURNS sc_api.unit
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
AS $$
DECLARE
    answer sc_api.unit;
BEGIN
    PERFORM sc.check_unit(NULL, _grade);
    UPDATE sc.units AS u
    SET name = coalesce(sc.normal_name(_name), u.name),
        grade = CASE WHEN 'grade' = ANY (given) THEN _grade ELSE u.grade END,
        order_index = coalesce(_order_index, u.order_index)
    WHERE u.id = unit_update.unit_id
    RETURNING u.id, u.subject_id, u.grade, u.name, u.order_index, u.updated_at, NULL INTO answer;
    RETURN answer;
END
$$;
COMMENT ON FUNCTION sc_api.unit_update(bigint, bigint, text[], text, int, int) IS 'Change a unit. Fields that are not sent stay as they are.';

CREATE FUNCTION sc_api.unit_delete(actor bigint, unit_id bigint)
RETURNS void
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
AS $$
BEGIN
    DELETE FROM sc.units AS u WHERE u.id = unit_delete.unit_id;
    IF NOT FOUND THEN
        PERFORM sc_api.refuse(404, 'not_found');
    END IF;
END
$$;
COMMENT ON FUNCTION sc_api.unit_delete(bigint, bigint) IS 'Remove a unit; refused while it has outcomes.';

CREATE FUNCTION sc_api.outcomes_list(actor bigint, _unit_id bigint DEFAULT NULL, _subject_id bigint DEFAULT NULL,
                                     _updated_since timestamptz DEFAULT NULL, page int DEFAULT 1, per_page int DEFAULT 100)
RETURNS SETOF sc_api.outcome
LANGUAGE plpgsql STABLE PARALLEL SAFE
AS $$
BEGIN
    PERFORM sc_api.total(
        (SELECT count(*) FROM sc.outcomes AS o JOIN sc.units AS u ON u.id = o.unit_id
         WHERE (_unit_id IS NULL OR o.unit_id = _unit_id) AND (_subject_id IS NULL OR u.subject_id = _subject_id)
           AND (_updated_since IS NULL OR o.updated_at >= _updated_since))
        + (SELECT count(*) FROM sc.tombstones AS t WHERE t.resource = 'outcomes' AND t.deleted_at >= _updated_since));
    RETURN QUERY
    SELECT o.id, o.unit_id, o.code, o.description, o.updated_at, NULL::timestamptz
    FROM sc.outcomes AS o JOIN sc.units AS u ON u.id = o.unit_id
    WHERE (_unit_id IS NULL OR o.unit_id = _unit_id) AND (_subject_id IS NULL OR u.subject_id = _subject_id)
      AND (_updated_since IS NULL OR o.updated_at >= _updated_since)
    UNION ALL
    SELECT t.id, NULL, NULL, NULL, NULL, t.deleted_at
    FROM sc.tombstones AS t WHERE t.resource = 'outcomes' AND t.deleted_at >= _updated_since
    ORDER BY 6 NULLS FIRST, 3, 1
    LIMIT per_page OFFSET (page - 1)::bigint * per_page;
END
$$;
COMMENT ON FUNCTION sc_api.outcomes_list(bigint, bigint, bigint, timestamptz, int, int) IS
    'Outcomes by code. With updated_since: those changed since, and after them the ids of those deleted since.';

CREATE FUNCTION sc_api.outcome_create(actor bigint, _unit_id bigint, _code text, _description text)
RETURNS sc_api.outcome
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
AS $$
DECLARE
    answer sc_api.outcome;
BEGIN
    IF NOT EXISTS (SELECT FROM sc.units AS u WHERE u.id = _unit_id) THEN
        PERFORM sc_api.invalid('unit_id', 'unknown_reference');
        PERFORM sc_api.check_valid();
    END IF;
    INSERT INTO sc.outcomes AS o (unit_id, code, description) VALUES (_unit_id, btrim(_code), btrim(_description))
    RETURNING o.id, o.unit_id, o.code, o.description, o.updated_at, NULL INTO answer;
    RETURN answer;
END
$$;
COMMENT ON FUNCTION sc_api.outcome_create(bigint, bigint, text, text) IS 'Add an outcome to a unit.';

CREATE FUNCTION sc_api.outcome_update(actor bigint, outcome_id bigint, _code text DEFAULT NULL, _description text DEFAULT NULL)
RETURNS sc_api.outcome
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
AS $$
DECLARE
    answer sc_api.outcome;
BEGIN
    UPDATE sc.outcomes AS o
    SET code = coalesce(btrim(_code), o.code), description = coalesce(btrim(_description), o.description)
    WHERE o.id = outcome_update.outcome_id
    RETURNING o.id, o.unit_id, o.code, o.description, o.updated_at, NULL INTO answer;
    RETURN answer;
END
$$;
COMMENT ON FUNCTION sc_api.outcome_update(bigint, bigint, text, text) IS 'Change an outcome; null changes nothing.';

CREATE FUNCTION sc_api.outcome_delete(actor bigint, outcome_id bigint)
RETURNS void
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
AS $$
BEGIN
    DELETE FROM sc.outcomes AS o WHERE o.id = outcome_delete.outcome_id;
    IF NOT FOUND THEN
        PERFORM sc_api.refuse(404, 'not_found');
    END IF;
END
$$;
COMMENT ON FUNCTION sc_api.outcome_delete(bigint, bigint) IS 'Remove an outcome; refused while questions refer to it.';

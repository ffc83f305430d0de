-- The school's frame: branches, seasons, classes, coaches, guardians, packages.

CREATE FUNCTION sc.bury()
RETURNS trigger
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
AS $$
BEGIN
    INSERT INTO sc.tombstones (resource, id) VALUES (TG_TABLE_NAME, OLD.id)
    ON CONFLICT ON CONSTRAINT tombstones_pkey DO UPDATE SET deleted_at = clock_timestamp();
    RETURN NULL;
END
$$;
COMMENT ON FUNCTION sc.bury() IS 'trigger: keeps the id of a deleted row for those who synchronise';

CREATE TYPE sc_api.branch AS (id bigint, name text, city text, updated_at timestamptz);
COMMENT ON TYPE sc_api.branch IS 'a branch of the school';
COMMENT ON COLUMN sc_api.branch.id IS 'identity';
COMMENT ON COLUMN sc_api.branch.name IS 'name';
COMMENT ON COLUMN sc_api.branch.city IS 'city';
COMMENT ON COLUMN sc_api.branch.updated_at IS 'last change';

CREATE TYPE sc_api.season AS (id bigint, name text, starts_on date, ends_on date, updated_at timestamptz);
COMMENT ON TYPE sc_api.season IS 'a school year';
COMMENT ON COLUMN sc_api.season.id IS 'identity';
COMMENT ON COLUMN sc_api.season.name IS 'name, such as 2026-2027';
COMMENT ON COLUMN sc_api.season.starts_on IS 'first day';
COMMENT ON COLUMN sc_api.season.ends_on IS 'last day';
COMMENT ON COLUMN sc_api.season.updated_at IS 'last change';

CREATE TYPE sc_api."group" AS (id bigint, season_id bigint, branch_id bigint, name text, grade int, track text,
                               teacher_id bigint, updated_at timestamptz, deleted_at timestamptz);
COMMENT ON TYPE sc_api."group" IS 'a class of one season';
COMMENT ON COLUMN sc_api."group".id IS 'identity';
COMMENT ON COLUMN sc_api."group".season_id IS 'season';
COMMENT ON COLUMN sc_api."group".branch_id IS 'branch';
COMMENT ON COLUMN sc_api."group".name IS 'name, such as 12-A';
COMMENT ON COLUMN sc_api."group".grade IS 'class year';
COMMENT ON COLUMN sc_api."group".track IS 'score type prepared for';
COMMENT ON COLUMN sc_api."group".teacher_id IS 'class teacher';
COMMENT ON COLUMN sc_api."group".updated_at IS 'last change';
COMMENT ON COLUMN sc_api."group".deleted_at IS 'set on what was deleted since updated_since; the other fields are null then';

CREATE TYPE sc_api.group_member AS (student_id bigint, student_no text, full_name text, valid_from date, valid_to date);
COMMENT ON TYPE sc_api.group_member IS 'a student in a class';
COMMENT ON COLUMN sc_api.group_member.student_id IS 'student';
COMMENT ON COLUMN sc_api.group_member.student_no IS 'student number';
COMMENT ON COLUMN sc_api.group_member.full_name IS 'name';
COMMENT ON COLUMN sc_api.group_member.valid_from IS 'first day';
COMMENT ON COLUMN sc_api.group_member.valid_to IS 'last day; null while it lasts';

CREATE TYPE sc_api.access_code AS (user_id bigint, full_name text, student_no text, code text, expires_at timestamptz);
COMMENT ON TYPE sc_api.access_code IS 'a slip of paper with which a student sets the first password';
COMMENT ON COLUMN sc_api.access_code.user_id IS 'student';
COMMENT ON COLUMN sc_api.access_code.full_name IS 'name';
COMMENT ON COLUMN sc_api.access_code.student_no IS 'student number';
COMMENT ON COLUMN sc_api.access_code.code IS 'code; shown this once';
COMMENT ON COLUMN sc_api.access_code.expires_at IS 'end of its validity';

CREATE TYPE sc_api.coach_relation AS (id bigint, coach_id bigint, coach_name text, student_id bigint, student_name text,
                                      valid_from date, valid_to date, is_primary boolean);
COMMENT ON TYPE sc_api.coach_relation IS 'a coach follows a student';
COMMENT ON COLUMN sc_api.coach_relation.id IS 'identity';
COMMENT ON COLUMN sc_api.coach_relation.coach_id IS 'coach';
COMMENT ON COLUMN sc_api.coach_relation.coach_name IS 'name of the coach';
COMMENT ON COLUMN sc_api.coach_relation.student_id IS 'student';
COMMENT ON COLUMN sc_api.coach_relation.student_name IS 'name of the student';
COMMENT ON COLUMN sc_api.coach_relation.valid_from IS 'first day';
COMMENT ON COLUMN sc_api.coach_relation.valid_to IS 'last day; null while it lasts';
COMMENT ON COLUMN sc_api.coach_relation.is_primary IS 'the student''s main coach';

CREATE TYPE sc_api.guardian AS (id bigint, guardian_id bigint, guardian_name text, student_id bigint, student_name text,
                                relation text, approved_at timestamptz, wants_reports boolean);
COMMENT ON TYPE sc_api.guardian IS 'a guardian of a student';
COMMENT ON COLUMN sc_api.guardian.id IS 'identity';
COMMENT ON COLUMN sc_api.guardian.guardian_id IS 'guardian';
COMMENT ON COLUMN sc_api.guardian.guardian_name IS 'name of the guardian';
COMMENT ON COLUMN sc_api.guardian.student_id IS 'student';
COMMENT ON COLUMN sc_api.guardian.student_name IS 'name of the student; null until the school has confirmed it, for the guardian';
COMMENT ON COLUMN sc_api.guardian.relation IS 'mother, father, parent, guardian or other';
COMMENT ON COLUMN sc_api.guardian.approved_at IS 'when the school confirmed it; null: sees nothing yet';
COMMENT ON COLUMN sc_api.guardian.wants_reports IS 'weekly report by mail';

-- Branches and seasons

CREATE FUNCTION sc_api.branches_list(actor bigint)
RETURNS SETOF sc_api.branch
LANGUAGE plpgsql STABLE PARALLEL SAFE
AS $$
BEGIN
    RETURN QUERY SELECT b.id, b.name, b.city, b.updated_at FROM sc.branches AS b ORDER BY b.name COLLATE "tr-x-icu", b.id;
END
$$;
COMMENT ON FUNCTION sc_api.branches_list(bigint) IS 'Branches of the school, by name.';

CREATE FUNCTION sc_api.branch_create(actor bigint, _name text, _city text DEFAULT NULL)
RETURNS sc_api.branch
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
AS $$
DECLARE
    answer sc_api.branch;
BEGIN
    INSERT INTO sc.branches AS b (name, city) VALUES (sc.normal_name(_name), sc.normal_name(_city))
    RETURNING b.id, b.name, b.city, b.updated_at INTO answer;
    RETURN answer;
END
$$;
COMMENT ON FUNCTION sc_api.branch_create(bigint, text, text) IS 'Add a branch.';

CREATE FUNCTION sc_api.branch_update(actor bigint, branch_id bigint, given text[], _name text DEFAULT NULL, _city text DEFAULT NULL)
RETURNS sc_api.branch
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
AS $$
DECLARE
    answer sc_api.branch;
BEGIN
    UPDATE sc.branches AS b
    SET name = CASE WHEN 'name' = ANY (given) THEN sc.normal_name(_name) ELSE b.name END,
        city = CASE WHEN 'city' = ANY (given) THEN sc.normal_name(_city) ELSE b.city END
    WHERE b.id = branch_update.branch_id
    RETURNING b.id, b.name, b.city, b.updated_at INTO answer;
    RETURN answer;
END
$$;
COMMENT ON FUNCTION sc_api.branch_update(bigint, bigint, text[], text, text) IS 'Change a branch.';

CREATE FUNCTION sc_api.branch_delete(actor bigint, branch_id bigint)
RETURNS void
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
AS $$
BEGIN
    DELETE FROM sc.branches AS b WHERE b.id = branch_delete.branch_id;
    IF NOT FOUND THEN
        PERFORM sc_api.refuse(404, 'not_found');
    END IF;
END
$$;
COMMENT ON FUNCTION sc_api.branch_delete(bigint, bigint) IS 'Remove a branch; refused while it has classes.';

CREATE FUNCTION sc_api.seasons_list(actor bigint)
RETURNS SETOF sc_api.season
LANGUAGE plpgsql STABLE PARALLEL SAFE
AS $$
BEGIN
    RETURN QUERY SELECT s.id, s.name, s.starts_on, s.ends_on, s.updated_at FROM sc.seasons AS s ORDER BY s.starts_on DESC, s.id;
END
$$;
COMMENT ON FUNCTION sc_api.seasons_list(bigint) IS 'School years, the latest first.';

CREATE FUNCTION sc_api.season_create(actor bigint, _name text, _starts_on date, _ends_on date)
RETURNS sc_api.season
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
AS $$
DECLARE
    answer sc_api.season;
BEGIN
    INSERT INTO sc.seasons AS s (name, starts_on, ends_on) VALUES (sc.normal_name(_name), _starts_on, _ends_on)
    RETURNING s.id, s.name, s.starts_on, s.ends_on, s.updated_at INTO answer;
    RETURN answer;
END
$$;
COMMENT ON FUNCTION sc_api.season_create(bigint, text, date, date) IS 'Add a school year.';

CREATE FUNCTION sc_api.season_update(actor bigint, season_id bigint, _name text DEFAULT NULL, _starts_on date DEFAULT NULL, _ends_on date DEFAULT NULL)
RETURNS sc_api.season
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
AS $$
DECLARE
    answer sc_api.season;
BEGIN
    UPDATE sc.seasons AS s
    SET name = coalesce(sc.normal_name(_name), s.name), starts_on = coalesce(_starts_on, s.starts_on), ends_on = coalesce(_ends_on, s.ends_on)
    WHERE s.id = season_update.season_id
    RETURNING s.id, s.name, s.starts_on, s.ends_on, s.updated_at INTO answer;
    RETURN answer;
END
$$;
COMMENT ON FUNCTION sc_api.season_update(bigint, bigint, text, date, date) IS 'Change a school year; null changes nothing.';

CREATE FUNCTION sc_api.season_delete(actor bigint, season_id bigint)
RETURNS void
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
AS $$
BEGIN
    DELETE FROM sc.seasons AS s WHERE s.id = season_delete.season_id;
    IF NOT FOUND THEN
        PERFORM sc_api.refuse(404, 'not_found');
    END IF;
END
$$;
COMMENT ON FUNCTION sc_api.season_delete(bigint, bigint) IS 'Remove a school year; refused while something belongs to it.';

-- Classes

CREATE FUNCTION sc_api.groups_list(actor bigint, _season_id bigint DEFAULT NULL, _branch_id bigint DEFAULT NULL,
                                   _updated_since timestamptz DEFAULT NULL, page int DEFAULT 1, per_page int DEFAULT 20)
RETURNS SETOF sc_api."group"
LANGUAGE plpgsql STABLE PARALLEL SAFE
AS $$
BEGIN
    PERFORM sc_api.total(
        (SELECT count(*) FROM sc.groups AS g
         WHERE (_season_id IS NULL OR g.season_id = _season_id) AND (_branch_id IS NULL OR g.branch_id = _branch_id)
           AND (_updated_since IS NULL OR g.updated_at >= _updated_since))
        + (SELECT count(*) FROM sc.tombstones AS t WHERE t.resource = 'groups' AND t.deleted_at >= _updated_since));
    RETURN QUERY
    SELECT * FROM (
        SELECT g.id, g.season_id, g.branch_id, g.name, g.grade::int, g.track, g.teacher_id, g.updated_at, NULL::timestamptz AS deleted_at
        FROM sc.groups AS g
        WHERE (_season_id IS NULL OR g.season_id = _season_id) AND (_branch_id IS NULL OR g.branch_id = _branch_id)
          AND (_updated_since IS NULL OR g.updated_at >= _updated_since)
        UNION ALL
        SELECT t.id, NULL, NULL, NULL, NULL, NULL, NULL, NULL, t.deleted_at
        FROM sc.tombstones AS t WHERE t.resource = 'groups' AND t.deleted_at >= _updated_since
    ) AS x
    ORDER BY x.deleted_at NULLS FIRST, x.name COLLATE "tr-x-icu", x.id
    LIMIT per_page OFFSET (page - 1)::bigint * per_page;
END
$$;
COMMENT ON FUNCTION sc_api.groups_list(bigint, bigint, bigint, timestamptz, int, int) IS
    'Classes by name. With updated_since: those changed since, and after them the ids of those deleted since.';

CREATE FUNCTION sc.group_row(group_id bigint)
RETURNS sc_api."group"
LANGUAGE plpgsql STABLE STRICT PARALLEL SAFE
AS $$
DECLARE
    answer sc_api."group";
BEGIN
    SELECT g.id, g.season_id, g.branch_id, g.name, g.grade, g.track, g.teacher_id, g.updated_at, NULL INTO answer
    FROM sc.groups AS g WHERE g.id = group_row.group_id;
    RETURN answer;
END
$$;
COMMENT ON FUNCTION sc.group_row(bigint) IS 'a class as the API shows it';

CREATE FUNCTION sc_api.group_get(actor bigint, group_id bigint)
RETURNS sc_api."group"
LANGUAGE plpgsql STABLE PARALLEL SAFE
AS $$
BEGIN
    RETURN sc.group_row(group_get.group_id);
END
$$;
COMMENT ON FUNCTION sc_api.group_get(bigint, bigint) IS 'A class.';

CREATE FUNCTION sc.check_group(season_id bigint, grade int, track text, branch_id bigint, teacher_id bigint)
RETURNS void
LANGUAGE plpgsql VOLATILE PARALLEL RESTRICTED
AS $$
BEGIN
    IF season_id IS NOT NULL AND NOT EXISTS (SELECT FROM sc.seasons AS s WHERE s.id = check_group.season_id) THEN
        PERFORM sc_api.invalid('season_id', 'unknown_reference');
    END IF;
    IF teacher_id IS NOT NULL AND NOT 'teacher' = ANY (sc.role_names(teacher_id)) THEN
        PERFORM sc_api.invalid('teacher_id', 'unknown_reference');
    END IF;
    PERFORM sc.check_student(NULL, grade, track, branch_id);
    PERFORM sc_api.check_valid();
END
$$;
COMMENT ON FUNCTION sc.check_group(bigint, int, text, bigint, bigint) IS 'refuses what a class may not be; NULL is not looked at';

CREATE FUNCTION sc_api.group_create(actor bigint, _season_id bigint, _name text, _branch_id bigint DEFAULT NULL, _grade int DEFAULT NULL,
                                    _track text DEFAULT NULL, _teacher_id bigint DEFAULT NULL)
RETURNS sc_api."group"
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
AS $$
DECLARE
    new_id bigint;
BEGIN
    PERFORM sc.check_group(_season_id, _grade, _track, _branch_id, _teacher_id);
    INSERT INTO sc.groups (season_id, branch_id, name, grade, track, teacher_id)
    VALUES (_season_id, _branch_id, sc.normal_name(_name), _grade, _track, _teacher_id)
    RETURNING id INTO new_id;
    PERFORM sc_api.header('Location', '/api/v1/groups/' || new_id);
    RETURN sc.group_row(new_id);
END
$$;
COMMENT ON FUNCTION sc_api.group_create(bigint, bigint, text, bigint, int, text, bigint) IS 'Add a class to a season.';

CREATE FUNCTION sc_api.group_update(actor bigint, group_id bigint, given text[], _name text DEFAULT NULL, _branch_id bigint DEFAULT NULL,
                                    _grade int DEFAULT NULL, _track text DEFAULT NULL, _teacher_id bigint DEFAULT NULL)
RETURNS sc_api."group"
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
AS $$
BEGIN
    PERFORM sc.check_group(NULL, _grade, _track, _branch_id, _teacher_id);
    UPDATE sc.groups AS g
    SET name = CASE WHEN 'name' = ANY (given) THEN sc.normal_name(_name) ELSE g.name END,
        branch_id = CASE WHEN 'branch_id' = ANY (given) THEN _branch_id ELSE g.branch_id END,
        grade = CASE WHEN 'grade' = ANY (given) THEN _grade ELSE g.grade END,
        track = CASE WHEN 'track' = ANY (given) THEN _track ELSE g.track END,
        teacher_id = CASE WHEN 'teacher_id' = ANY (given) THEN _teacher_id ELSE g.teacher_id END
    WHERE g.id = group_update.group_id;
    RETURN sc.group_row(group_update.group_id);
END
$$;
COMMENT ON FUNCTION sc_api.group_update(bigint, bigint, text[], text, bigint, int, text, bigint) IS
    'Change a class. Fields that are not sent stay as they are.';

CREATE FUNCTION sc_api.group_delete(actor bigint, group_id bigint)
RETURNS void
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
AS $$
BEGIN
    DELETE FROM sc.groups AS g WHERE g.id = group_delete.group_id;
    IF NOT FOUND THEN
        PERFORM sc_api.refuse(404, 'not_found');
    END IF;
END
$$;
COMMENT ON FUNCTION sc_api.group_delete(bigint, bigint) IS 'Remove a class and its list of members; the students stay.';

CREATE FUNCTION sc_api.group_members(actor bigint, group_id bigint, _on_date date DEFAULT NULL)
RETURNS SETOF sc_api.group_member
LANGUAGE plpgsql STABLE PARALLEL SAFE
AS $$
DECLARE
    day date := coalesce(_on_date, sc.today());
    everybody boolean := sc.can(actor, 'users.read')
        OR EXISTS (SELECT FROM sc.groups AS g WHERE g.id = group_members.group_id AND g.teacher_id = actor);
BEGIN
    IF NOT EXISTS (SELECT FROM sc.groups AS g WHERE g.id = group_members.group_id) THEN
        PERFORM sc_api.refuse(404, 'not_found');
    END IF;
    RETURN QUERY
    SELECT m.student_id, s.student_no, u.full_name, m.valid_from, m.valid_to
    FROM sc.group_members AS m
    JOIN sc.users AS u ON u.id = m.student_id
    LEFT JOIN sc.students AS s ON s.user_id = m.student_id
    WHERE m.group_id = group_members.group_id AND sc.in_force(m.valid_from, m.valid_to, day)
      AND (everybody OR m.student_id IN (SELECT sc.students_of(actor)))
    ORDER BY u.full_name COLLATE "tr-x-icu", u.id;
END
$$;
COMMENT ON FUNCTION sc_api.group_members(bigint, bigint, date) IS
    'Members of a class on a date (default today), by name; those whom the actor may see.';

CREATE FUNCTION sc_api.group_members_add(actor bigint, group_id bigint, _student_ids bigint[], _valid_from date DEFAULT NULL)
RETURNS SETOF sc_api.group_member
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
AS $$
#variable_conflict use_column
BEGIN
    PERFORM FROM sc.groups AS g WHERE g.id = group_members_add.group_id FOR KEY SHARE;
    IF NOT FOUND THEN
        PERFORM sc_api.refuse(404, 'not_found');
    END IF;
    IF cardinality(_student_ids) NOT BETWEEN 1 AND 1000
       OR EXISTS (SELECT FROM unnest(_student_ids) AS x
                  WHERE x IS NULL OR NOT EXISTS (SELECT FROM sc.students AS s JOIN sc.users AS u ON u.id = s.user_id
                                                 WHERE s.user_id = x AND u.anonymised_at IS NULL)) THEN
        PERFORM sc_api.invalid('student_ids', 'unknown_reference');
        PERFORM sc_api.check_valid();
    END IF;
    INSERT INTO sc.group_members (group_id, student_id, valid_from)
    SELECT group_members_add.group_id, x, coalesce(_valid_from, sc.today())
    FROM (SELECT DISTINCT y FROM unnest(_student_ids) AS y ORDER BY y) AS d(x)
    ON CONFLICT (group_id, student_id) WHERE valid_to IS NULL DO NOTHING;
    RETURN QUERY SELECT * FROM sc_api.group_members(actor, group_members_add.group_id);
END
$$;
COMMENT ON FUNCTION sc_api.group_members_add(bigint, bigint, bigint[], date) IS
    'Put students into a class, from today or the given day on; who is in it already stays. Gives the members of today.';

CREATE FUNCTION sc_api.group_member_end(actor bigint, group_id bigint, student_id bigint)
RETURNS void
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
AS $$
BEGIN
    -- a membership that has not lasted a day never was
    DELETE FROM sc.group_members AS m
    WHERE m.group_id = group_member_end.group_id AND m.student_id = group_member_end.student_id
      AND m.valid_to IS NULL AND m.valid_from >= sc.today();
    IF FOUND THEN
        RETURN;
    END IF;
    UPDATE sc.group_members AS m SET valid_to = sc.today() - 1
    WHERE m.group_id = group_member_end.group_id AND m.student_id = group_member_end.student_id AND m.valid_to IS NULL;
    IF NOT FOUND THEN
        PERFORM sc_api.refuse(404, 'not_found');
    END IF;
END
$$;
COMMENT ON FUNCTION sc_api.group_member_end(bigint, bigint, bigint) IS 'Take a student out of a class; the time spent there is kept.';

CREATE FUNCTION sc_api.group_codes(actor bigint, group_id bigint, _only_new boolean DEFAULT true)
RETURNS SETOF sc_api.access_code
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
AS $$
DECLARE
    member record;
    item sc_api.access_code;
    life interval := make_interval(days => sc.setting_int('access_code_days'));
BEGIN
    PERFORM sc_api.no_store();
    IF NOT EXISTS (SELECT FROM sc.groups AS g WHERE g.id = group_codes.group_id) THEN
        PERFORM sc_api.refuse(404, 'not_found');
    END IF;
    FOR member IN
        SELECT u.id, u.full_name, s.student_no
        FROM sc.group_members AS m
        JOIN sc.users AS u ON u.id = m.student_id AND u.is_active
        LEFT JOIN sc.students AS s ON s.user_id = u.id
        WHERE m.group_id = group_codes.group_id AND sc.in_force(m.valid_from, m.valid_to, sc.today())
          AND (NOT _only_new OR u.password_hash IS NULL)
        ORDER BY u.full_name COLLATE "tr-x-icu", u.id
    LOOP
        PERFORM sc.check_target(actor, member.id);
        item := ROW(member.id, member.full_name, member.student_no, sc.make_user_token(member.id, 'first_use', life), clock_timestamp() + life);
        RETURN NEXT item;
    END LOOP;
END
$$;
COMMENT ON FUNCTION sc_api.group_codes(bigint, bigint, boolean) IS
    'Make first-use codes to print for the students of a class: by default for those without a password. Codes printed earlier are void.';

-- Coaches

CREATE FUNCTION sc.coach_relations(coach bigint, student bigint)
RETURNS SETOF sc_api.coach_relation
LANGUAGE plpgsql STABLE PARALLEL SAFE
AS $$
BEGIN
    RETURN QUERY
    SELECT c.id, c.coach_id, k.full_name, c.student_id, s.full_name, c.valid_from, c.valid_to, c.is_primary
    FROM sc.coach_students AS c
    JOIN sc.users AS k ON k.id = c.coach_id
    JOIN sc.users AS s ON s.id = c.student_id
    WHERE (coach IS NULL OR c.coach_id = coach) AND (student IS NULL OR c.student_id = student)
      AND sc.in_force(c.valid_from, c.valid_to, sc.today())
    ORDER BY s.full_name COLLATE "tr-x-icu", c.is_primary DESC, c.id;
END
$$;
COMMENT ON FUNCTION sc.coach_relations(bigint, bigint) IS 'who is coached by whom today; NULL does not restrict';

CREATE FUNCTION sc_api.my_students(actor bigint)
RETURNS SETOF sc_api.coach_relation
LANGUAGE plpgsql STABLE PARALLEL SAFE
AS $$
BEGIN
    RETURN QUERY SELECT * FROM sc.coach_relations(actor, NULL);
END
$$;
COMMENT ON FUNCTION sc_api.my_students(bigint) IS 'Students whom the coach follows, by name.';

CREATE FUNCTION sc_api.user_coaches(actor bigint, user_id bigint)
RETURNS SETOF sc_api.coach_relation
LANGUAGE plpgsql STABLE PARALLEL SAFE
AS $$
BEGIN
    PERFORM sc.require_student(actor, user_coaches.user_id);
    RETURN QUERY SELECT * FROM sc.coach_relations(NULL, user_coaches.user_id);
END
$$;
COMMENT ON FUNCTION sc_api.user_coaches(bigint, bigint) IS 'Coaches of a student.';

CREATE FUNCTION sc_api.coach_assign(actor bigint, user_id bigint, _coach_id bigint, _is_primary boolean DEFAULT true)
RETURNS SETOF sc_api.coach_relation
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
AS $$
BEGIN
    PERFORM FROM sc.students AS s WHERE s.user_id = coach_assign.user_id FOR NO KEY UPDATE;
    IF NOT FOUND THEN
        PERFORM sc_api.refuse(404, 'not_found');
    END IF;
    IF NOT 'coach' = ANY (sc.role_names(_coach_id)) THEN
        PERFORM sc_api.invalid('coach_id', 'unknown_reference');
        PERFORM sc_api.check_valid();
    END IF;
    IF _is_primary THEN
        UPDATE sc.coach_students AS c SET is_primary = false
        WHERE c.student_id = coach_assign.user_id AND c.valid_to IS NULL AND c.is_primary AND c.coach_id <> _coach_id;
    END IF;
    INSERT INTO sc.coach_students AS c (coach_id, student_id, valid_from, is_primary)
    VALUES (_coach_id, coach_assign.user_id, sc.today(), _is_primary)
    ON CONFLICT (coach_id, student_id) WHERE valid_to IS NULL DO UPDATE SET is_primary = excluded.is_primary;
    RETURN QUERY SELECT * FROM sc.coach_relations(NULL, coach_assign.user_id);
END
$$;
COMMENT ON FUNCTION sc_api.coach_assign(bigint, bigint, bigint, boolean) IS
    'Give a student a coach; the main coach before becomes a further one. Gives the student''s coaches.';

CREATE FUNCTION sc_api.coach_end(actor bigint, user_id bigint, coach_id bigint)
RETURNS void
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
AS $$
BEGIN
    DELETE FROM sc.coach_students AS c
    WHERE c.student_id = coach_end.user_id AND c.coach_id = coach_end.coach_id AND c.valid_to IS NULL AND c.valid_from >= sc.today();
    IF FOUND THEN
        RETURN;
    END IF;
    UPDATE sc.coach_students AS c SET valid_to = sc.today() - 1
    WHERE c.student_id = coach_end.user_id AND c.coach_id = coach_end.coach_id AND c.valid_to IS NULL;
    IF NOT FOUND THEN
        PERFORM sc_api.refuse(404, 'not_found');
    END IF;
END
$$;
COMMENT ON FUNCTION sc_api.coach_end(bigint, bigint, bigint) IS 'End a coach''s work with a student; its time is kept.';

-- Guardians

CREATE FUNCTION sc.guardian_relations(guardian bigint, student bigint, only_id bigint DEFAULT NULL)
RETURNS SETOF sc_api.guardian
LANGUAGE plpgsql STABLE PARALLEL SAFE
AS $$
BEGIN
    RETURN QUERY
    SELECT g.id, g.guardian_id, p.full_name, g.student_id,
           s.full_name,
           g.relation, g.approved_at, g.wants_reports
    FROM sc.guardians AS g
    JOIN sc.users AS p ON p.id = g.guardian_id
    JOIN sc.users AS s ON s.id = g.student_id
    WHERE g.revoked_at IS NULL
      -- whoever asks to be a guardian learns nothing by asking, not even that there is such a student
      AND (guardian IS NULL OR (g.guardian_id = guardian AND g.approved_at IS NOT NULL)) AND (student IS NULL OR g.student_id = student)
      AND (only_id IS NULL OR g.id = only_id)
    ORDER BY s.full_name COLLATE "tr-x-icu", p.full_name COLLATE "tr-x-icu", g.id;
END
$$;
COMMENT ON FUNCTION sc.guardian_relations(bigint, bigint, bigint) IS 'who is a guardian of whom, or has asked to be; NULL does not restrict';

CREATE FUNCTION sc_api.my_children(actor bigint)
RETURNS SETOF sc_api.guardian
LANGUAGE plpgsql STABLE PARALLEL SAFE
AS $$
BEGIN
    RETURN QUERY SELECT * FROM sc.guardian_relations(actor, NULL);
END
$$;
COMMENT ON FUNCTION sc_api.my_children(bigint) IS 'Children of the guardian, as the school has confirmed them.';

CREATE FUNCTION sc.check_relation(relation text)
RETURNS void
LANGUAGE plpgsql VOLATILE PARALLEL RESTRICTED
AS $$
BEGIN
    IF relation NOT IN ('mother', 'father', 'parent', 'guardian', 'other') THEN
        PERFORM sc_api.invalid('relation', 'invalid_choice', '{"choices": "mother, father, parent, guardian, other"}');
    END IF;
END
$$;
COMMENT ON FUNCTION sc.check_relation(text) IS 'notes a field error if a guardian cannot be that to a student';

CREATE FUNCTION sc_api.child_request(actor bigint, _student_no text, _relation text DEFAULT 'parent')
RETURNS sc_api.accepted
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
AS $$
BEGIN
    PERFORM sc.check_relation(_relation);
    PERFORM sc_api.check_valid();
    INSERT INTO sc.guardians (guardian_id, student_id, relation)
    SELECT actor, s.user_id, _relation FROM sc.students AS s WHERE s.student_no = btrim(_student_no) AND s.user_id <> actor
    ON CONFLICT (guardian_id, student_id) WHERE revoked_at IS NULL DO NOTHING;
    RETURN ROW(true)::sc_api.accepted;
END
$$;
COMMENT ON FUNCTION sc_api.child_request(bigint, text, text) IS
    'Ask the school to be named guardian of a student. The answer does not tell whether the number exists.';

CREATE FUNCTION sc_api.user_guardians(actor bigint, user_id bigint)
RETURNS SETOF sc_api.guardian
LANGUAGE plpgsql STABLE PARALLEL SAFE
AS $$
BEGIN
    PERFORM sc.require_student(actor, user_guardians.user_id);
    RETURN QUERY SELECT * FROM sc.guardian_relations(NULL, user_guardians.user_id);
END
$$;
COMMENT ON FUNCTION sc_api.user_guardians(bigint, bigint) IS 'Guardians of a student, and those who asked to be.';

CREATE FUNCTION sc_api.guardian_add(actor bigint, user_id bigint, _guardian_id bigint, _relation text DEFAULT 'parent')
RETURNS sc_api.guardian
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
AS $$
DECLARE
    new_id bigint;
    answer sc_api.guardian;
BEGIN
    IF NOT EXISTS (SELECT FROM sc.students AS s WHERE s.user_id = guardian_add.user_id) THEN
        PERFORM sc_api.refuse(404, 'not_found');
    END IF;
    IF _guardian_id = guardian_add.user_id OR NOT EXISTS (SELECT FROM sc.users AS u WHERE u.id = _guardian_id AND u.anonymised_at IS NULL) THEN
        PERFORM sc_api.invalid('guardian_id', 'unknown_reference');
    END IF;
    PERFORM sc.check_relation(_relation);
    PERFORM sc_api.check_valid();
    INSERT INTO sc.guardians AS g (guardian_id, student_id, relation, approved_at)
    VALUES (_guardian_id, guardian_add.user_id, _relation, clock_timestamp())
    ON CONFLICT (guardian_id, student_id) WHERE revoked_at IS NULL
        DO UPDATE SET relation = excluded.relation, approved_at = coalesce(g.approved_at, excluded.approved_at)
    RETURNING g.id INTO new_id;
    SELECT * INTO answer FROM sc.guardian_relations(NULL, guardian_add.user_id, new_id);
    RETURN answer;
END
$$;
COMMENT ON FUNCTION sc_api.guardian_add(bigint, bigint, bigint, text) IS 'Name a guardian of a student; it counts as confirmed.';

CREATE FUNCTION sc_api.guardians_list(actor bigint, _approved boolean DEFAULT NULL, page int DEFAULT 1, per_page int DEFAULT 20)
RETURNS SETOF sc_api.guardian
LANGUAGE plpgsql STABLE PARALLEL SAFE
AS $$
BEGIN
    PERFORM sc_api.total((SELECT count(*) FROM sc.guardians AS g
                          WHERE g.revoked_at IS NULL AND (_approved IS NULL OR (g.approved_at IS NOT NULL) = _approved)));
    RETURN QUERY
    SELECT * FROM sc.guardian_relations(NULL, NULL) AS g
    WHERE _approved IS NULL OR (g.approved_at IS NOT NULL) = _approved
    LIMIT per_page OFFSET (page - 1)::bigint * per_page;
END
$$;
COMMENT ON FUNCTION sc_api.guardians_list(bigint, boolean, int, int) IS 'Guardians and requests of the whole school; approved=false gives those that wait.';

CREATE FUNCTION sc_api.guardian_approve(actor bigint, relation_id bigint)
RETURNS sc_api.guardian
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
AS $$
DECLARE
    answer sc_api.guardian;
BEGIN
    UPDATE sc.guardians AS g SET approved_at = coalesce(g.approved_at, clock_timestamp())
    WHERE g.id = guardian_approve.relation_id AND g.revoked_at IS NULL;
    SELECT * INTO answer FROM sc.guardian_relations(NULL, NULL, guardian_approve.relation_id);
    RETURN answer;
END
$$;
COMMENT ON FUNCTION sc_api.guardian_approve(bigint, bigint) IS 'Confirm a guardian, who sees the child''s work from now on.';

CREATE FUNCTION sc_api.guardian_revoke(actor bigint, relation_id bigint)
RETURNS void
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
AS $$
BEGIN
    UPDATE sc.guardians AS g SET revoked_at = clock_timestamp()
    WHERE g.id = guardian_revoke.relation_id AND g.revoked_at IS NULL
      AND (g.guardian_id = actor OR sc.can(actor, 'school.manage'));
    IF NOT FOUND THEN
        PERFORM sc_api.refuse(404, 'not_found');
    END IF;
END
$$;
COMMENT ON FUNCTION sc_api.guardian_revoke(bigint, bigint) IS 'End a guardianship or refuse a request; a guardian may end the own one.';

-- Who may do what, and who has to do with whom.

CREATE FUNCTION sc.setting(name text)
RETURNS text
LANGUAGE plpgsql STABLE STRICT PARALLEL SAFE
AS $$
DECLARE
    found_value text;
BEGIN
    SELECT s.value INTO STRICT found_value FROM sc.settings AS s WHERE s.name = setting.name;
    RETURN found_value;
END
$$;
COMMENT ON FUNCTION sc.setting(text) IS 'value of a setting; an error if there is no such setting';

CREATE FUNCTION sc.setting_int(name text)
RETURNS int
LANGUAGE plpgsql STABLE STRICT PARALLEL SAFE
AS $$
BEGIN
    RETURN sc.setting(setting_int.name)::int;
END
$$;
COMMENT ON FUNCTION sc.setting_int(text) IS 'value of a setting that is a whole number';

CREATE FUNCTION sc.role_names(user_id bigint)
RETURNS text[]
LANGUAGE plpgsql STABLE STRICT PARALLEL SAFE
AS $$
BEGIN
    RETURN ARRAY(
        SELECT r.name FROM sc.roles AS r
        WHERE r.id IN (SELECT u.role_id FROM sc.users AS u WHERE u.id = role_names.user_id
                       UNION ALL
                       SELECT ur.role_id FROM sc.user_roles AS ur WHERE ur.user_id = role_names.user_id)
        ORDER BY r.id);
END
$$;
COMMENT ON FUNCTION sc.role_names(bigint) IS 'all roles of a user, the main one among them';

CREATE FUNCTION sc.permissions_of(user_id bigint)
RETURNS text[]
LANGUAGE plpgsql STABLE STRICT PARALLEL SAFE
AS $$
BEGIN
    RETURN ARRAY(
        SELECT DISTINCT p.permission
        FROM sc.roles AS r, unnest(r.permissions) AS p(permission)
        WHERE r.id IN (SELECT u.role_id FROM sc.users AS u WHERE u.id = permissions_of.user_id AND u.is_active
                       UNION ALL
                       SELECT ur.role_id FROM sc.user_roles AS ur
                       JOIN sc.users AS u ON u.id = ur.user_id AND u.is_active
                       WHERE ur.user_id = permissions_of.user_id)
        ORDER BY p.permission);
END
$$;
COMMENT ON FUNCTION sc.permissions_of(bigint) IS 'what a user may do: the union over the user''s roles; nothing while inactive';

CREATE FUNCTION sc.is_coach_of(coach bigint, student bigint)
RETURNS boolean
LANGUAGE plpgsql STABLE PARALLEL SAFE
AS $$
BEGIN
    RETURN EXISTS (
        SELECT FROM sc.coach_students AS c
        WHERE c.coach_id = is_coach_of.coach AND c.student_id = is_coach_of.student
          AND sc.in_force(c.valid_from, c.valid_to, sc.today()));
END
$$;
COMMENT ON FUNCTION sc.is_coach_of(bigint, bigint) IS 'does the coach follow the student today?';

CREATE FUNCTION sc.is_guardian_of(guardian bigint, student bigint)
RETURNS boolean
LANGUAGE plpgsql STABLE PARALLEL SAFE
AS $$
BEGIN
    RETURN EXISTS (
        SELECT FROM sc.guardians AS g
        WHERE g.guardian_id = is_guardian_of.guardian AND g.student_id = is_guardian_of.student
          AND g.approved_at IS NOT NULL AND g.revoked_at IS NULL);
END
$$;
COMMENT ON FUNCTION sc.is_guardian_of(bigint, bigint) IS 'is it a guardian of the student whom the school has confirmed?';

CREATE FUNCTION sc.teaches_student(teacher bigint, student bigint)
RETURNS boolean
LANGUAGE plpgsql STABLE PARALLEL SAFE
AS $$
BEGIN
    RETURN EXISTS (
        SELECT FROM sc.enrollments AS e
        JOIN sc.courses AS c ON c.id = e.course_id
        WHERE e.user_id = teaches_student.student AND e.status IN ('active', 'completed')
          AND c.teacher_id = teaches_student.teacher AND c.is_active)
    OR EXISTS (
        SELECT FROM sc.group_members AS m
        JOIN sc.groups AS g ON g.id = m.group_id
        WHERE m.student_id = teaches_student.student AND g.teacher_id = teaches_student.teacher
          AND sc.in_force(m.valid_from, m.valid_to, sc.today()));
END
$$;
COMMENT ON FUNCTION sc.teaches_student(bigint, bigint) IS
    'does the student attend a course of the teacher, or belong to a class of the teacher today?';

CREATE FUNCTION sc.may_see_student(actor bigint, student bigint)
RETURNS boolean
LANGUAGE plpgsql STABLE PARALLEL SAFE
AS $$
BEGIN
    RETURN coalesce(actor = student
                    OR sc.can(actor, 'users.read')
                    OR sc.is_coach_of(actor, student)
                    OR sc.teaches_student(actor, student)
                    OR sc.is_guardian_of(actor, student), false);
END
$$;
COMMENT ON FUNCTION sc.may_see_student(bigint, bigint) IS
    'may the actor see what concerns the student: the student, the guardians, the coach, the teachers, and who may read users';

CREATE FUNCTION sc.require_student(actor bigint, student bigint)
RETURNS void
LANGUAGE plpgsql STABLE PARALLEL RESTRICTED
AS $$
BEGIN
    IF NOT sc.may_see_student(actor, student) THEN
        PERFORM sc_api.refuse(404, 'not_found');
    END IF;
END
$$;
COMMENT ON FUNCTION sc.require_student(bigint, bigint) IS 'refuses with 404 who may not see what concerns the student: whether there is one is a secret';

-- The planner puts the bodies of these two in place of the calls; for
-- in_force() only if the day is cheap to say twice, which today() claims to be.
CREATE FUNCTION sc.school_day(at timestamptz)
RETURNS date
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN (at AT TIME ZONE 'Europe/Istanbul')::date;
COMMENT ON FUNCTION sc.school_day(timestamptz) IS 'the date that the school''s calendar shows at a moment';

CREATE FUNCTION sc.in_force(valid_from date, valid_to date, day date)
RETURNS boolean
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN valid_from <= day AND (valid_to IS NULL OR valid_to >= day);
COMMENT ON FUNCTION sc.in_force(date, date, date) IS
    'does what lasts from the first to the last of two days, or still, hold on a day: a membership of a class, a coach''s work';

CREATE FUNCTION sc.today()
RETURNS date
LANGUAGE plpgsql STABLE PARALLEL SAFE COST 1
AS $$
BEGIN
    RETURN sc.school_day(clock_timestamp());
END
$$;
COMMENT ON FUNCTION sc.today() IS 'the school''s date';

-- Users: profiles, staff's view of them, roles, and what the law (KVKK) asks.

CREATE TYPE sc_api.profile AS (
    id bigint,
    email text,
    student_no text,
    full_name text,
    phone text,
    role text,
    roles text[],
    locale text,
    email_verified boolean,
    is_active boolean,
    grade int,
    track text,
    branch_id bigint,
    city text,
    is_graduate boolean,
    group_ids bigint[],
    created_at timestamptz
);
COMMENT ON TYPE sc_api.profile IS 'a user with what is known of the student';
COMMENT ON COLUMN sc_api.profile.id IS 'identity';
COMMENT ON COLUMN sc_api.profile.email IS 'e-mail address; null for students known by number only';
COMMENT ON COLUMN sc_api.profile.student_no IS 'number given by the school';
COMMENT ON COLUMN sc_api.profile.full_name IS 'name';
COMMENT ON COLUMN sc_api.profile.phone IS 'telephone number';
COMMENT ON COLUMN sc_api.profile.role IS 'main role';
COMMENT ON COLUMN sc_api.profile.roles IS 'all roles';
COMMENT ON COLUMN sc_api.profile.locale IS 'language: tr or en';
COMMENT ON COLUMN sc_api.profile.email_verified IS 'has the address been proved';
COMMENT ON COLUMN sc_api.profile.is_active IS 'may the user log in';
COMMENT ON COLUMN sc_api.profile.grade IS 'class year';
COMMENT ON COLUMN sc_api.profile.track IS 'score type prepared for: SAY, EA, SÖZ, DİL';
COMMENT ON COLUMN sc_api.profile.branch_id IS 'branch of the school';
COMMENT ON COLUMN sc_api.profile.city IS 'city lived in';
COMMENT ON COLUMN sc_api.profile.is_graduate IS 'has left school';
COMMENT ON COLUMN sc_api.profile.group_ids IS 'classes the student belongs to today';
COMMENT ON COLUMN sc_api.profile.created_at IS 'when the account was made';

CREATE TYPE sc_api.user_item AS (
    id bigint,
    email text,
    student_no text,
    full_name text,
    role text,
    is_active boolean,
    grade int,
    track text,
    branch_id bigint
);
COMMENT ON TYPE sc_api.user_item IS 'a user in a list';
COMMENT ON COLUMN sc_api.user_item.id IS 'identity';
COMMENT ON COLUMN sc_api.user_item.email IS 'e-mail address';
COMMENT ON COLUMN sc_api.user_item.student_no IS 'student number';
COMMENT ON COLUMN sc_api.user_item.full_name IS 'name';
COMMENT ON COLUMN sc_api.user_item.role IS 'main role';
COMMENT ON COLUMN sc_api.user_item.is_active IS 'may the user log in';
COMMENT ON COLUMN sc_api.user_item.grade IS 'class year';
COMMENT ON COLUMN sc_api.user_item.track IS 'score type prepared for';
COMMENT ON COLUMN sc_api.user_item.branch_id IS 'branch of the school';

CREATE TYPE sc_api.role AS (name text, description text, permissions text[]);
COMMENT ON TYPE sc_api.role IS 'a set of permissions';
COMMENT ON COLUMN sc_api.role.name IS 'name';
COMMENT ON COLUMN sc_api.role.description IS 'what it is for';
COMMENT ON COLUMN sc_api.role.permissions IS 'what its holders may do';

CREATE TYPE sc_api.card_view AS (id bigint, staff_id bigint, staff_name text, viewed_at timestamptz);
COMMENT ON TYPE sc_api.card_view IS 'a look at a student''s card';
COMMENT ON COLUMN sc_api.card_view.id IS 'identity';
COMMENT ON COLUMN sc_api.card_view.staff_id IS 'who looked';
COMMENT ON COLUMN sc_api.card_view.staff_name IS 'name of who looked';
COMMENT ON COLUMN sc_api.card_view.viewed_at IS 'when';

CREATE TYPE sc_api.personal_data AS (generated_at timestamptz, account sc_api.profile, records jsonb);
COMMENT ON TYPE sc_api.personal_data IS 'everything held about a user';
COMMENT ON COLUMN sc_api.personal_data.generated_at IS 'as of';
COMMENT ON COLUMN sc_api.personal_data.account IS 'the user';
COMMENT ON COLUMN sc_api.personal_data.records IS 'rows that refer to the user, by table and column; secrets are left out';

CREATE FUNCTION sc.fold_text(words text)
RETURNS text
LANGUAGE plpgsql IMMUTABLE STRICT PARALLEL SAFE
AS $$
BEGIN
    -- the same as in the generated column sc.users.search
    RETURN lower(translate(normalize(words, NFC), 'ÇĞİIÖŞÜÂÎÛçğıöşüâîû@.', 'cgiiosuaiucgiosuaiu  ') COLLATE "C");
END
$$;
COMMENT ON FUNCTION sc.fold_text(text) IS
    'text as search compares it: small ASCII letters instead of Turkish ones, so that çarpım is found by carpim and ISPARTA by isparta';

CREATE FUNCTION sc.prefix_query(words text)
RETURNS tsquery
LANGUAGE plpgsql IMMUTABLE STRICT PARALLEL SAFE
AS $$
BEGIN
    RETURN (SELECT to_tsquery('pg_catalog.simple', string_agg(quote_literal(w) || ':*', ' & '))
            FROM regexp_split_to_table(sc.fold_text(words), '[^[:alnum:]]+') AS w
            WHERE w <> '');
END
$$;
COMMENT ON FUNCTION sc.prefix_query(text) IS 'query that finds texts with words beginning with all of the given ones; NULL if there are none';

CREATE FUNCTION sc.normal_name(name text)
RETURNS text
LANGUAGE plpgsql IMMUTABLE STRICT PARALLEL SAFE
AS $$
BEGIN
    RETURN normalize(btrim(regexp_replace(name, '\s+', ' ', 'g')), NFC);
END
$$;
COMMENT ON FUNCTION sc.normal_name(text) IS 'a name with single spaces, in NFC';

CREATE FUNCTION sc.profile(user_id bigint)
RETURNS sc_api.profile
LANGUAGE plpgsql STABLE STRICT PARALLEL SAFE
AS $$
DECLARE
    p sc_api.profile;
BEGIN
    SELECT u.id, u.email, s.student_no, u.full_name, u.phone, r.name, sc.role_names(u.id), u.locale,
           u.email_verified_at IS NOT NULL, u.is_active, s.grade, s.track, s.branch_id, s.city, s.is_graduate,
           ARRAY(SELECT m.group_id FROM sc.group_members AS m
                 WHERE m.student_id = u.id AND sc.in_force(m.valid_from, m.valid_to, sc.today())
                 ORDER BY m.group_id),
           u.created_at
    INTO p
    FROM sc.users AS u
    JOIN sc.roles AS r ON r.id = u.role_id
    LEFT JOIN sc.students AS s ON s.user_id = u.id
    WHERE u.id = profile.user_id;
    RETURN p;
END
$$;
COMMENT ON FUNCTION sc.profile(bigint) IS 'a user as the profile shows it';

CREATE FUNCTION sc_api.profile_get(actor bigint)
RETURNS sc_api.profile
LANGUAGE plpgsql STABLE PARALLEL SAFE
AS $$
BEGIN
    RETURN sc.profile(actor);
END
$$;
COMMENT ON FUNCTION sc_api.profile_get(bigint) IS 'The user''s own profile.';

CREATE FUNCTION sc.student_row(user_id bigint)
RETURNS void
LANGUAGE plpgsql VOLATILE STRICT PARALLEL UNSAFE
AS $$
BEGIN
    INSERT INTO sc.students (user_id) VALUES (student_row.user_id) ON CONFLICT DO NOTHING;
END
$$;
COMMENT ON FUNCTION sc.student_row(bigint) IS 'makes the student''s row of a user if it is missing';

CREATE FUNCTION sc_api.profile_update(actor bigint, given text[], _full_name text DEFAULT NULL, _phone text DEFAULT NULL,
                                      _locale text DEFAULT NULL, _city text DEFAULT NULL)
RETURNS sc_api.profile
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
AS $$
BEGIN
    IF 'full_name' = ANY (given) AND _full_name IS NULL THEN
        PERFORM sc_api.invalid('full_name', 'required');
    END IF;
    IF 'locale' = ANY (given) AND _locale IS NULL THEN
        PERFORM sc_api.invalid('locale', 'required');
    END IF;
    PERFORM sc.check_person(NULL, sc.normal_name(_full_name), _phone, _locale);
    PERFORM sc_api.check_valid();
    UPDATE sc.users AS u
    SET full_name = coalesce(sc.normal_name(_full_name), u.full_name),
        phone = CASE WHEN 'phone' = ANY (given) THEN _phone ELSE u.phone END,
        locale = coalesce(_locale, u.locale)
    WHERE u.id = actor;
    IF 'city' = ANY (given) THEN
        UPDATE sc.students AS s SET city = sc.normal_name(_city) WHERE s.user_id = actor;
    END IF;
    RETURN sc.profile(actor);
END
$$;
COMMENT ON FUNCTION sc_api.profile_update(bigint, text[], text, text, text, text) IS
    'Change the user''s own profile. Fields that are not sent stay as they are.';

CREATE FUNCTION sc.students_of(staff bigint)
RETURNS SETOF bigint
LANGUAGE plpgsql STABLE STRICT PARALLEL SAFE ROWS 200
AS $$
BEGIN
    RETURN QUERY
    SELECT c.student_id FROM sc.coach_students AS c
    WHERE c.coach_id = staff AND sc.in_force(c.valid_from, c.valid_to, sc.today())
    UNION
    SELECT e.user_id FROM sc.courses AS k JOIN sc.enrollments AS e ON e.course_id = k.id
    WHERE k.teacher_id = staff AND k.is_active AND e.status IN ('active', 'completed')
    UNION
    SELECT m.student_id FROM sc.groups AS g JOIN sc.group_members AS m ON m.group_id = g.id
    WHERE g.teacher_id = staff AND sc.in_force(m.valid_from, m.valid_to, sc.today());
END
$$;
COMMENT ON FUNCTION sc.students_of(bigint) IS 'students whom a coach follows or a teacher teaches';

CREATE FUNCTION sc_api.users_list(actor bigint, _q text DEFAULT NULL, _role text DEFAULT NULL, _is_active boolean DEFAULT NULL,
                                  _group bigint DEFAULT NULL, page int DEFAULT 1, per_page int DEFAULT 20)
RETURNS SETOF sc_api.user_item
LANGUAGE plpgsql STABLE PARALLEL SAFE
AS $$
DECLARE
    everybody boolean := sc.can(actor, 'users.read');
    words tsquery := sc.prefix_query(_q);
    number text := nullif(btrim(_q), '');
    found_ids bigint[];
BEGIN
    -- one pass makes the total and the page's ids; names are read for the page only
    PERFORM sc_api.total((SELECT count(*) FROM sc.users_matching(actor, everybody, words, number, _role, _is_active, _group)));
    found_ids := ARRAY(
        SELECT m.id FROM sc.users_matching(actor, everybody, words, number, _role, _is_active, _group) AS m
        ORDER BY m.full_name COLLATE "tr-x-icu", m.id
        LIMIT per_page OFFSET (page - 1)::bigint * per_page);
    RETURN QUERY
    SELECT u.id, u.email, s.student_no, u.full_name, r.name, u.is_active, s.grade::int, s.track, s.branch_id
    FROM unnest(found_ids) WITH ORDINALITY AS f(id, place)
    JOIN sc.users AS u ON u.id = f.id
    JOIN sc.roles AS r ON r.id = u.role_id
    LEFT JOIN sc.students AS s ON s.user_id = u.id
    ORDER BY f.place;
END
$$;
COMMENT ON FUNCTION sc_api.users_list(bigint, text, text, boolean, bigint, int, int) IS
    'Users by name. q finds by beginnings of words of the name and address, with or without Turkish letters, and by student number. Who may not read all users sees the students taught or coached.';

CREATE FUNCTION sc.users_matching(actor bigint, everybody boolean, words tsquery, number text, role text, active boolean,
                                  in_group bigint, OUT id bigint, OUT full_name text)
RETURNS SETOF record
LANGUAGE plpgsql STABLE PARALLEL SAFE ROWS 1000
-- which conditions there are decides which index is right, so no plan is good for all
SET plan_cache_mode = force_custom_plan
AS $$
DECLARE
    wanted smallint := (SELECT r.id FROM sc.roles AS r WHERE r.name = role);
    found bigint[];
    members bigint[];
    visible bigint[];
BEGIN
    -- as arrays, which the planner looks up in the primary key
    IF number IS NOT NULL THEN
        found := ARRAY(SELECT x.id FROM sc.users AS x WHERE x.search @@ words
                       UNION ALL
                       SELECT s.user_id FROM sc.students AS s WHERE s.student_no = number);
    END IF;
    IF in_group IS NOT NULL THEN
        members := ARRAY(SELECT m.student_id FROM sc.group_members AS m
                         WHERE m.group_id = in_group AND sc.in_force(m.valid_from, m.valid_to, sc.today()));
    END IF;
    IF NOT everybody THEN
        visible := ARRAY(SELECT sc.students_of(actor));
    END IF;
    RETURN QUERY
    SELECT u.id, u.full_name
    FROM sc.users AS u
    WHERE (found IS NULL OR u.id = ANY (found))
      AND (members IS NULL OR u.id = ANY (members))
      AND (visible IS NULL OR u.id = ANY (visible))
      AND (active IS NULL OR u.is_active = active)
      AND u.anonymised_at IS NULL
      AND (role IS NULL OR u.role_id = wanted OR u.id IN (SELECT x.user_id FROM sc.user_roles AS x WHERE x.role_id = wanted));
END
$$;
COMMENT ON FUNCTION sc.users_matching(bigint, boolean, tsquery, text, text, boolean, bigint) IS
    'users that a list shows; NULL does not restrict';

CREATE FUNCTION sc_api.user_get(actor bigint, user_id bigint, ctx jsonb DEFAULT NULL)
RETURNS sc_api.profile
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
AS $$
BEGIN
    PERFORM sc.require_student(actor, user_get.user_id);
    IF actor <> user_get.user_id THEN
        INSERT INTO sc.card_views (staff_id, user_id, ip, request_id)
        SELECT actor, u.id, sc.ctx_ip(ctx), ctx ->> 'request_id' FROM sc.users AS u WHERE u.id = user_get.user_id;
    END IF;
    RETURN sc.profile(user_get.user_id);
END
$$;
COMMENT ON FUNCTION sc_api.user_get(bigint, bigint, jsonb) IS
    'A user''s card, for the user, the coach, the teachers, the guardians and who may read users. Every look by somebody else is kept, and the user can see who looked.';

CREATE FUNCTION sc.check_student(student_no text, grade int, track text, branch_id bigint)
RETURNS void
LANGUAGE plpgsql VOLATILE PARALLEL RESTRICTED
AS $$
BEGIN
    IF student_no !~ '^[0-9A-Za-z._/-]{1,40}$' THEN
        PERFORM sc_api.invalid('student_no', 'invalid_student_no');
    END IF;
    IF grade NOT BETWEEN 1 AND 13 THEN
        PERFORM sc_api.invalid('grade', 'out_of_range', '{"min": 1, "max": 13}');
    END IF;
    IF track NOT IN ('SAY', 'EA', 'SÖZ', 'DİL') THEN
        PERFORM sc_api.invalid('track', 'invalid_choice', '{"choices": "SAY, EA, SÖZ, DİL"}');
    END IF;
    IF branch_id IS NOT NULL AND NOT EXISTS (SELECT FROM sc.branches AS b WHERE b.id = check_student.branch_id) THEN
        PERFORM sc_api.invalid('branch_id', 'unknown_reference');
    END IF;
END
$$;
COMMENT ON FUNCTION sc.check_student(text, int, text, bigint) IS 'notes field errors of what is known of a student; NULL is not looked at';

CREATE FUNCTION sc_api.user_create(actor bigint, _full_name text, _role text DEFAULT 'student', _email text DEFAULT NULL,
                                   _student_no text DEFAULT NULL, _phone text DEFAULT NULL, _password text DEFAULT NULL,
                                   _locale text DEFAULT 'tr', _grade int DEFAULT NULL, _track text DEFAULT NULL,
                                   _branch_id bigint DEFAULT NULL, _city text DEFAULT NULL, _is_graduate boolean DEFAULT false,
                                   ctx jsonb DEFAULT NULL)
RETURNS sc_api.profile
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
AS $$
DECLARE
    email text := sc.normal_email(_email);
    name text := sc.normal_name(_full_name);
    number text := btrim(_student_no);
    role_row record;
    hash text;
    new_id bigint;
BEGIN
    SELECT r.id, r.name INTO role_row FROM sc.roles AS r WHERE r.name = _role;
    IF NOT FOUND THEN
        PERFORM sc_api.invalid('role', 'unknown_reference');
    ELSIF _role NOT IN ('student', 'parent') AND NOT sc.can(actor, 'roles.manage') THEN
        PERFORM sc_api.invalid('role', 'role_not_allowed');
    END IF;
    IF email IS NULL AND number IS NULL THEN
        PERFORM sc_api.invalid('email', 'login_name_required');
    END IF;
    PERFORM sc.check_person(email, name, _phone, _locale);
    PERFORM sc.check_student(number, _grade, _track, _branch_id);
    IF _password IS NOT NULL THEN
        PERFORM sc.check_password('password', normalize(_password, NFC), email, name, number);
    END IF;
    PERFORM sc_api.check_valid();
    hash := sc.password_hash(normalize(_password, NFC));
    INSERT INTO sc.users (email, full_name, phone, password_hash, password_changed_at, role_id, locale)
    VALUES (email, name, _phone, hash, CASE WHEN hash IS NOT NULL THEN clock_timestamp() END, role_row.id, coalesce(_locale, 'tr'))
    RETURNING id INTO new_id;
    IF _role = 'student' OR number IS NOT NULL THEN
        INSERT INTO sc.students (user_id, student_no, grade, track, branch_id, city, is_graduate)
        VALUES (new_id, number, _grade, _track, _branch_id, sc.normal_name(_city), coalesce(_is_graduate, false));
    END IF;
    IF email IS NOT NULL THEN
        PERFORM sc.send_verification(new_id, ctx);
    END IF;
    PERFORM sc_api.header('Location', '/api/v1/users/' || new_id);
    RETURN sc.profile(new_id);
END
$$;
COMMENT ON FUNCTION sc_api.user_create(bigint, text, text, text, text, text, text, text, int, text, bigint, text, boolean, jsonb) IS
    'Make an account for somebody. Without a password the user sets one by a first-use code or by a forgotten-password mail.';

CREATE FUNCTION sc_api.user_update(actor bigint, user_id bigint, given text[], _full_name text DEFAULT NULL, _email text DEFAULT NULL,
                                   _phone text DEFAULT NULL, _locale text DEFAULT NULL, _student_no text DEFAULT NULL,
                                   _grade int DEFAULT NULL, _track text DEFAULT NULL, _branch_id bigint DEFAULT NULL,
                                   _city text DEFAULT NULL, _is_graduate boolean DEFAULT NULL, ctx jsonb DEFAULT NULL)
RETURNS sc_api.profile
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
AS $$
DECLARE
    new_email text := sc.normal_email(_email);
    old record;
    field text;
BEGIN
    PERFORM sc.check_target(actor, user_update.user_id);
    SELECT u.email INTO old FROM sc.users AS u WHERE u.id = user_update.user_id AND u.anonymised_at IS NULL FOR NO KEY UPDATE;
    IF NOT FOUND THEN
        PERFORM sc_api.refuse(404, 'not_found');
    END IF;
    FOREACH field IN ARRAY ARRAY(SELECT unnest(given) INTERSECT SELECT unnest('{full_name,locale,is_graduate}'::text[])) LOOP
        IF (CASE field WHEN 'full_name' THEN _full_name IS NULL WHEN 'locale' THEN _locale IS NULL ELSE _is_graduate IS NULL END) THEN
            PERFORM sc_api.invalid(field, 'required');
        END IF;
    END LOOP;
    PERFORM sc.check_person(new_email, sc.normal_name(_full_name), _phone, _locale);
    PERFORM sc.check_student(btrim(_student_no), _grade, _track, _branch_id);
    PERFORM sc_api.check_valid();
    UPDATE sc.users AS u
    SET full_name = coalesce(sc.normal_name(_full_name), u.full_name),
        phone = CASE WHEN 'phone' = ANY (given) THEN _phone ELSE u.phone END,
        locale = coalesce(_locale, u.locale),
        email = CASE WHEN 'email' = ANY (given) THEN new_email ELSE u.email END,
        -- another address has to be proved anew
        email_verified_at = CASE WHEN 'email' = ANY (given) AND new_email IS DISTINCT FROM u.email THEN NULL ELSE u.email_verified_at END
    WHERE u.id = user_update.user_id;
    IF given && '{student_no,grade,track,branch_id,city,is_graduate}' THEN
        PERFORM sc.student_row(user_update.user_id);
        UPDATE sc.students AS s
        SET student_no = CASE WHEN 'student_no' = ANY (given) THEN btrim(_student_no) ELSE s.student_no END,
            grade = CASE WHEN 'grade' = ANY (given) THEN _grade ELSE s.grade END,
            track = CASE WHEN 'track' = ANY (given) THEN _track ELSE s.track END,
            branch_id = CASE WHEN 'branch_id' = ANY (given) THEN _branch_id ELSE s.branch_id END,
            city = CASE WHEN 'city' = ANY (given) THEN sc.normal_name(_city) ELSE s.city END,
            is_graduate = coalesce(_is_graduate, s.is_graduate)
        WHERE s.user_id = user_update.user_id;
    END IF;
    IF new_email IS DISTINCT FROM old.email AND new_email IS NOT NULL THEN
        PERFORM sc.send_verification(user_update.user_id, ctx);
    END IF;
    RETURN sc.profile(user_update.user_id);
END
$$;
COMMENT ON FUNCTION sc_api.user_update(bigint, bigint, text[], text, text, text, text, text, int, text, bigint, text, boolean, jsonb) IS
    'Change what is known of a user. Fields that are not sent stay as they are; another address has to be verified again.';

CREATE FUNCTION sc.check_target(actor bigint, user_id bigint)
RETURNS void
LANGUAGE plpgsql VOLATILE PARALLEL RESTRICTED
AS $$
BEGIN
    -- whoever can move a manager's address can become that manager
    IF NOT sc.can(actor, 'roles.manage') AND EXISTS (
           SELECT FROM sc.roles AS r
           WHERE r.permissions && '{users.manage,roles.manage}' AND r.name = ANY (sc.role_names(check_target.user_id))) THEN
        PERFORM sc_api.refuse(403, 'forbidden');
    END IF;
END
$$;
COMMENT ON FUNCTION sc.check_target(bigint, bigint) IS
    'refuses the request if the user manages users, and the actor may not give such roles';

CREATE FUNCTION sc.keep_an_admin()
RETURNS void
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
AS $$
BEGIN
    IF NOT EXISTS (
        SELECT FROM sc.roles AS r
        JOIN sc.users AS u ON u.is_active AND (u.role_id = r.id OR EXISTS (
            SELECT FROM sc.user_roles AS x WHERE x.role_id = r.id AND x.user_id = u.id))
        WHERE 'roles.manage' = ANY (r.permissions)) THEN
        PERFORM sc_api.refuse(409, 'last_admin');
    END IF;
END
$$;
COMMENT ON FUNCTION sc.keep_an_admin() IS 'refuses the request if it leaves nobody who can give roles; call it after the change, under lock_admins()';

CREATE FUNCTION sc.lock_admins()
RETURNS void
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
AS $$
BEGIN
    PERFORM FROM sc.roles AS r WHERE 'roles.manage' = ANY (r.permissions) ORDER BY r.id FOR NO KEY UPDATE;
END
$$;
COMMENT ON FUNCTION sc.lock_admins() IS 'lets changes of who is an administrator wait for each other: two may not dismiss each other at once';

CREATE FUNCTION sc_api.user_deactivate(actor bigint, user_id bigint)
RETURNS sc_api.profile
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
AS $$
BEGIN
    PERFORM sc.check_target(actor, user_deactivate.user_id);
    IF actor = user_deactivate.user_id THEN
        PERFORM sc_api.refuse(409, 'not_yourself');
    END IF;
    PERFORM sc.lock_admins();
    UPDATE sc.users SET is_active = false WHERE id = user_deactivate.user_id AND anonymised_at IS NULL;
    IF NOT FOUND THEN
        PERFORM sc_api.refuse(404, 'not_found');
    END IF;
    PERFORM sc.keep_an_admin();
    PERFORM sc.end_all_sessions(user_deactivate.user_id, 'deactivated');
    RETURN sc.profile(user_deactivate.user_id);
END
$$;
COMMENT ON FUNCTION sc_api.user_deactivate(bigint, bigint) IS 'Shut a user out: no log-in, and all tokens are void at once.';

CREATE FUNCTION sc_api.user_activate(actor bigint, user_id bigint)
RETURNS sc_api.profile
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
AS $$
BEGIN
    PERFORM sc.check_target(actor, user_activate.user_id);
    UPDATE sc.users SET is_active = true WHERE id = user_activate.user_id AND anonymised_at IS NULL;
    IF NOT FOUND THEN
        PERFORM sc_api.refuse(404, 'not_found');
    END IF;
    PERFORM sc.touch_session(user_activate.user_id);
    RETURN sc.profile(user_activate.user_id);
END
$$;
COMMENT ON FUNCTION sc_api.user_activate(bigint, bigint) IS 'Let a user in again.';

CREATE FUNCTION sc_api.user_roles(actor bigint, user_id bigint, _role text, _roles text[] DEFAULT '{}')
RETURNS sc_api.profile
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
AS $$
DECLARE
    main smallint;
BEGIN
    IF actor = user_roles.user_id THEN
        PERFORM sc_api.refuse(403, 'own_roles');
    END IF;
    SELECT r.id INTO main FROM sc.roles AS r WHERE r.name = _role;
    IF NOT FOUND THEN
        PERFORM sc_api.invalid('role', 'unknown_reference');
    END IF;
    IF EXISTS (SELECT FROM unnest(_roles) AS x WHERE x IS NULL OR x NOT IN (SELECT r.name FROM sc.roles AS r)) THEN
        PERFORM sc_api.invalid('roles', 'unknown_reference');
    END IF;
    PERFORM sc_api.check_valid();
    PERFORM sc.lock_admins();
    UPDATE sc.users SET role_id = main WHERE id = user_roles.user_id AND anonymised_at IS NULL;
    IF NOT FOUND THEN
        PERFORM sc_api.refuse(404, 'not_found');
    END IF;
    DELETE FROM sc.user_roles AS x
    WHERE x.user_id = user_roles.user_id AND x.role_id NOT IN (SELECT r.id FROM sc.roles AS r WHERE r.name = ANY (_roles) AND r.id <> main);
    INSERT INTO sc.user_roles (user_id, role_id)
    SELECT user_roles.user_id, r.id FROM sc.roles AS r WHERE r.name = ANY (_roles) AND r.id <> main
    ON CONFLICT DO NOTHING;
    IF _role = 'student' OR 'student' = ANY (_roles) THEN
        PERFORM sc.student_row(user_roles.user_id);
    END IF;
    PERFORM sc.keep_an_admin();
    RETURN sc.profile(user_roles.user_id);
END
$$;
COMMENT ON FUNCTION sc_api.user_roles(bigint, bigint, text, text[]) IS
    'Give a user a main role and further ones; others held before are taken away. Nobody changes the own roles, and one administrator always remains.';

CREATE FUNCTION sc_api.roles_list(actor bigint)
RETURNS SETOF sc_api.role
LANGUAGE plpgsql STABLE PARALLEL SAFE
AS $$
BEGIN
    RETURN QUERY SELECT r.name, r.description, r.permissions FROM sc.roles AS r ORDER BY r.id;
END
$$;
COMMENT ON FUNCTION sc_api.roles_list(bigint) IS 'Roles and their permissions.';

-- Enrolments: who holds a place in which course, and until when.

CREATE TYPE sc_api.enrollment AS (
    id bigint, user_id bigint, course_id bigint, status text, source text, package_id bigint,
    enrolled_at timestamptz, expires_at timestamptz, completed_at timestamptz);
COMMENT ON TYPE sc_api.enrollment IS 'a place in a course';
COMMENT ON COLUMN sc_api.enrollment.status IS 'active, completed, suspended, cancelled or expired';
COMMENT ON COLUMN sc_api.enrollment.source IS 'self, staff, package or import';
COMMENT ON COLUMN sc_api.enrollment.expires_at IS 'end of access; null = none';
COMMENT ON COLUMN sc_api.enrollment.completed_at IS 'when the last video was completed';

CREATE TYPE sc_api.my_enrollment AS (
    id bigint, course_id bigint, course_title text, course_code text, teacher_name text, status text,
    enrolled_at timestamptz, expires_at timestamptz, completed_at timestamptz);
COMMENT ON TYPE sc_api.my_enrollment IS 'a course I am enrolled in; how far I have come is told by the progress calls';

CREATE TYPE sc_api.course_student AS (
    id bigint, user_id bigint, full_name text, student_no text, email text, status text, source text,
    enrolled_at timestamptz, expires_at timestamptz, completed_at timestamptz);
COMMENT ON TYPE sc_api.course_student IS 'an enrolment as staff see it';

CREATE TYPE sc_api.seats AS (course_id bigint, capacity int, taken int, free int);
COMMENT ON TYPE sc_api.seats IS 'seats of a course; capacity and free are null where there is no limit';

CREATE FUNCTION sc.enrollment_status(status text, expires_at timestamptz, at timestamptz DEFAULT clock_timestamp())
RETURNS text
LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE
AS $$
BEGIN
    RETURN CASE WHEN expires_at <= at AND status IN ('active', 'completed', 'suspended') THEN 'expired' ELSE status END;
END
$$;
COMMENT ON FUNCTION sc.enrollment_status(text, timestamptz, timestamptz) IS 'status as it is, also when expire_enrollments() has not run yet';

CREATE FUNCTION sc.enrollment(enrollment_id bigint)
RETURNS sc_api.enrollment
LANGUAGE plpgsql STABLE PARALLEL SAFE
AS $$
DECLARE
    e sc_api.enrollment;
BEGIN
    SELECT k.id, k.user_id, k.course_id, sc.enrollment_status(k.status, k.expires_at), k.source, k.package_id,
           k.enrolled_at, k.expires_at, k.completed_at INTO e
    FROM sc.enrollments AS k WHERE k.id = enrollment.enrollment_id;
    RETURN e;
END
$$;
COMMENT ON FUNCTION sc.enrollment(bigint) IS 'an enrolment as the API shows it; NULL if there is none';

-- Seats are counted per statement, so that an import of thousands counts once
-- per course.  The row of the course is the queue of those who want the last
-- seat; courses are taken in order of their ids.
CREATE FUNCTION sc.holds_seat(status text)
RETURNS boolean
LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE
AS $$
BEGIN
    RETURN status IN ('active', 'completed', 'suspended');
END
$$;
COMMENT ON FUNCTION sc.holds_seat(text) IS 'does an enrolment of this status take a seat?';

CREATE FUNCTION sc.count_seats()
RETURNS trigger
LANGUAGE plpgsql
AS $$
DECLARE
    courses bigint[];
    changes int[];
    seats int;
    capacity int;
BEGIN
    CASE TG_OP
    WHEN 'INSERT' THEN
        SELECT array_agg(x.course_id ORDER BY x.course_id), array_agg(x.n ORDER BY x.course_id) INTO courses, changes
        FROM (SELECT r.course_id, count(*)::int AS n FROM new_rows AS r WHERE sc.holds_seat(r.status) GROUP BY r.course_id) AS x;
    WHEN 'DELETE' THEN
        SELECT array_agg(x.course_id ORDER BY x.course_id), array_agg(x.n ORDER BY x.course_id) INTO courses, changes
        FROM (SELECT r.course_id, -count(*)::int AS n FROM old_rows AS r WHERE sc.holds_seat(r.status) GROUP BY r.course_id) AS x;
    ELSE
        SELECT array_agg(x.course_id ORDER BY x.course_id), array_agg(x.n ORDER BY x.course_id) INTO courses, changes
        FROM (SELECT y.course_id, sum(y.n)::int AS n
              FROM (SELECT r.course_id, 1 AS n FROM new_rows AS r WHERE sc.holds_seat(r.status)
                    UNION ALL
                    SELECT r.course_id, -1 FROM old_rows AS r WHERE sc.holds_seat(r.status)) AS y
              GROUP BY y.course_id HAVING sum(y.n) <> 0) AS x;
    END CASE;
    FOR i IN 1 .. coalesce(cardinality(courses), 0) LOOP
        UPDATE sc.course_seats AS s SET taken = s.taken + changes[i] WHERE s.course_id = courses[i] RETURNING s.taken INTO seats;
        IF NOT FOUND AND changes[i] > 0 THEN
            INSERT INTO sc.course_seats AS s (course_id, taken) VALUES (courses[i], changes[i])
            ON CONFLICT ON CONSTRAINT course_seats_pkey DO UPDATE SET taken = s.taken + excluded.taken
            RETURNING s.taken INTO seats;
        END IF;
        SELECT c.capacity INTO capacity FROM sc.courses AS c WHERE c.id = courses[i];
        IF changes[i] > 0 AND seats > capacity THEN
            PERFORM sc_api.refuse(409, 'seat_full', jsonb_build_object('capacity', capacity));
        END IF;
    END LOOP;
    RETURN NULL;
END
$$;
COMMENT ON FUNCTION sc.count_seats() IS 'trigger: keeps sc.course_seats and refuses an enrolment beyond the capacity';

CREATE FUNCTION sc.recount_seats()
RETURNS bigint
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
AS $$
DECLARE
    changed bigint;
BEGIN
    INSERT INTO sc.course_seats AS s (course_id, taken)
    SELECT e.course_id, count(*) FILTER (WHERE sc.holds_seat(e.status))
    FROM sc.enrollments AS e GROUP BY e.course_id ORDER BY e.course_id
    ON CONFLICT ON CONSTRAINT course_seats_pkey DO UPDATE SET taken = excluded.taken WHERE s.taken <> excluded.taken;
    GET DIAGNOSTICS changed = ROW_COUNT;
    RETURN changed;
END
$$;
COMMENT ON FUNCTION sc.recount_seats() IS 'counts all seats anew, for repair; returns how many counts were wrong or missing';

CREATE FUNCTION sc.expire_enrollments(_course_id bigint DEFAULT NULL, at timestamptz DEFAULT clock_timestamp())
RETURNS bigint
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
AS $$
DECLARE
    changed bigint;
BEGIN
    UPDATE sc.enrollments AS e SET status = 'expired'
    FROM (SELECT k.id FROM sc.enrollments AS k
          WHERE k.status IN ('active', 'completed', 'suspended') AND k.expires_at <= expire_enrollments.at
            AND (_course_id IS NULL OR k.course_id = _course_id)
          ORDER BY k.id FOR UPDATE) AS x
    WHERE e.id = x.id;
    GET DIAGNOSTICS changed = ROW_COUNT;
    RETURN changed;
END
$$;
COMMENT ON FUNCTION sc.expire_enrollments(bigint, timestamptz) IS
    'marks enrolments whose time is over as expired and frees their seats; of one course or of all; returns how many';

CREATE FUNCTION sc.enroll(user_id bigint, course_id bigint, source text DEFAULT 'staff', expires_at timestamptz DEFAULT NULL,
                          package_id bigint DEFAULT NULL)
RETURNS bigint
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
AS $$
DECLARE
    c record;
    old record;
    ends timestamptz;
    new_id bigint;
BEGIN
    SELECT k.capacity, k.access_days, s.taken INTO c
    FROM sc.courses AS k LEFT JOIN sc.course_seats AS s ON s.course_id = k.id
    WHERE k.id = enroll.course_id AND k.is_active;
    IF NOT FOUND THEN
        PERFORM sc_api.refuse(404, 'not_found');
    END IF;
    IF c.taken >= c.capacity THEN
        PERFORM sc.expire_enrollments(enroll.course_id);
    END IF;
    ends := coalesce(enroll.expires_at, clock_timestamp() + make_interval(days => c.access_days));
    INSERT INTO sc.enrollments AS e (user_id, course_id, source, package_id, expires_at)
    VALUES (enroll.user_id, enroll.course_id, enroll.source, enroll.package_id, ends)
    ON CONFLICT ON CONSTRAINT enrollments_once DO NOTHING
    RETURNING e.id INTO new_id;
    IF FOUND THEN
        RETURN new_id;
    END IF;
    SELECT e.id, sc.enrollment_status(e.status, e.expires_at) AS status, e.expires_at INTO old
    FROM sc.enrollments AS e
    WHERE e.user_id = enroll.user_id AND e.course_id = enroll.course_id FOR UPDATE;
    IF old.status IN ('cancelled', 'expired') THEN
        UPDATE sc.enrollments AS e
        SET status = CASE WHEN e.completed_at IS NULL THEN 'active' ELSE 'completed' END, source = enroll.source,
            package_id = enroll.package_id, enrolled_at = clock_timestamp(), expires_at = ends
        WHERE e.id = old.id;
        RETURN old.id;
    END IF;
    -- a place that is still held is never cut short, but may last longer
    IF old.expires_at < enroll.expires_at THEN
        UPDATE sc.enrollments AS e SET expires_at = enroll.expires_at, package_id = coalesce(enroll.package_id, e.package_id)
        WHERE e.id = old.id;
        RETURN old.id;
    END IF;
    RETURN NULL;
END
$$;
COMMENT ON FUNCTION sc.enroll(bigint, bigint, text, timestamptz, bigint) IS
    'gives a user a place in a course: a new one, a cancelled or expired one again, or one held for longer; returns its id, NULL if nothing changed';

CREATE FUNCTION sc_api.enroll_self(actor bigint, _course_id bigint)
RETURNS sc_api.enrollment
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
AS $$
DECLARE
    c record;
    old record;
    new_id bigint;
BEGIN
    SELECT k.self_enroll, k.requires_verified_email OR sc.setting('enroll_requires_verified_email') = 'yes' AS verified_only INTO c
    FROM sc.courses AS k WHERE k.id = _course_id AND k.is_active AND k.is_published;
    IF NOT FOUND THEN
        PERFORM sc_api.refuse(404, 'not_found');
    ELSIF NOT c.self_enroll THEN
        PERFORM sc_api.refuse(403, 'self_enroll_closed');
    ELSIF c.verified_only AND EXISTS (SELECT FROM sc.users AS u WHERE u.id = actor AND u.email_verified_at IS NULL) THEN
        PERFORM sc_api.refuse(403, 'email_not_verified');
    END IF;
    SELECT e.status, sc.enrollment_status(e.status, e.expires_at) AS state, e.expires_at INTO old
    FROM sc.enrollments AS e WHERE e.user_id = actor AND e.course_id = _course_id FOR UPDATE;
    IF old.state IN ('active', 'completed') THEN
        PERFORM sc_api.refuse(409, 'already_enrolled');
    ELSIF old.state = 'suspended' THEN
        PERFORM sc_api.refuse(403, 'suspended');
    ELSIF old.state = 'expired' OR old.expires_at <= clock_timestamp() THEN
        -- time that was given once is not renewed by oneself, nor by leaving and coming back
        PERFORM sc_api.refuse(403, 'expired');
    END IF;
    new_id := sc.enroll(actor, _course_id, 'self', old.expires_at);
    IF new_id IS NULL THEN
        PERFORM sc_api.refuse(409, 'already_enrolled');
    END IF;
    PERFORM sc_api.header('Location', '/api/v1/users/me/enrollments');
    RETURN sc.enrollment(new_id);
END
$$;
COMMENT ON FUNCTION sc_api.enroll_self(bigint, bigint) IS
    'Enrols the user in a published course. Refused when the last seat is taken (seat_full), when staff enrol (self_enroll_closed), '
    'when the address must be proved first (email_not_verified), or after the time of an earlier enrolment is over (expired).';

CREATE FUNCTION sc_api.leave_course(actor bigint, _course_id bigint)
RETURNS void
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
AS $$
DECLARE
    state text;
BEGIN
    SELECT sc.enrollment_status(e.status, e.expires_at) INTO state
    FROM sc.enrollments AS e WHERE e.user_id = actor AND e.course_id = _course_id FOR UPDATE;
    IF state IS NULL OR state = 'cancelled' THEN
        PERFORM sc_api.refuse(404, 'not_enrolled');
    ELSIF state IN ('suspended', 'expired') THEN
        PERFORM sc_api.refuse(403, state);
    END IF;
    UPDATE sc.enrollments AS e SET status = 'cancelled' WHERE e.user_id = actor AND e.course_id = _course_id;
END
$$;
COMMENT ON FUNCTION sc_api.leave_course(bigint, bigint) IS 'Gives up the place in a course. Progress is kept; a suspended place cannot be given up.';

CREATE FUNCTION sc_api.my_enrollments(actor bigint)
RETURNS SETOF sc_api.my_enrollment
LANGUAGE plpgsql STABLE PARALLEL SAFE
AS $$
BEGIN
    RETURN QUERY
    SELECT e.id, c.id, c.title, c.code, u.full_name, sc.enrollment_status(e.status, e.expires_at),
           e.enrolled_at, e.expires_at, e.completed_at
    FROM sc.enrollments AS e
    JOIN sc.courses AS c ON c.id = e.course_id AND c.is_active
    LEFT JOIN sc.users AS u ON u.id = c.teacher_id
    WHERE e.user_id = actor AND e.status <> 'cancelled'
    ORDER BY e.enrolled_at DESC, e.id;
END
$$;
COMMENT ON FUNCTION sc_api.my_enrollments(bigint) IS
    'The user''s courses, the latest first. An enrolment that has ended in the last minutes may still be shown as active; access is checked at the video.';

CREATE FUNCTION sc_api.course_seats(actor bigint, _course_id bigint)
RETURNS sc_api.seats
LANGUAGE plpgsql STABLE PARALLEL SAFE
AS $$
DECLARE
    s sc_api.seats;
BEGIN
    SELECT c.id, c.capacity, coalesce(k.taken, 0), greatest(c.capacity - coalesce(k.taken, 0), 0) INTO s
    FROM sc.courses AS c LEFT JOIN sc.course_seats AS k ON k.course_id = c.id
    WHERE c.id = _course_id AND c.is_active AND (c.is_published OR sc.keeps_course(actor, c.id));
    RETURN s;
END
$$;
COMMENT ON FUNCTION sc_api.course_seats(bigint, bigint) IS 'Seats of a course, as of now.';

CREATE FUNCTION sc.manages_enrollments(actor bigint, course_id bigint)
RETURNS void
LANGUAGE plpgsql STABLE PARALLEL RESTRICTED
AS $$
BEGIN
    IF NOT sc.can(actor, 'enrollments.manage') THEN
        PERFORM sc.require_course(actor, manages_enrollments.course_id);
    ELSIF NOT EXISTS (SELECT FROM sc.courses AS c WHERE c.id = manages_enrollments.course_id AND c.is_active) THEN
        PERFORM sc_api.refuse(404, 'not_found');
    END IF;
END
$$;
COMMENT ON FUNCTION sc.manages_enrollments(bigint, bigint) IS 'refuses who may not see and change the enrolments of the course: its teacher and the office may';

CREATE FUNCTION sc_api.course_enrollments(actor bigint, _course_id bigint, _status text DEFAULT NULL, _q text DEFAULT NULL,
                                          page int DEFAULT 1, per_page int DEFAULT 20)
RETURNS SETOF sc_api.course_student
LANGUAGE plpgsql STABLE PARALLEL SAFE
AS $$
DECLARE
    words tsquery := sc.prefix_query(_q);
    number text := nullif(btrim(_q), '');
    ids bigint[];
BEGIN
    PERFORM sc.manages_enrollments(actor, _course_id);
    IF _status NOT IN ('active', 'completed', 'suspended', 'cancelled', 'expired') THEN
        PERFORM sc_api.invalid('status', 'invalid_choice', '{"choices": "active, completed, suspended, cancelled, expired"}');
        PERFORM sc_api.check_valid();
    END IF;
    ids := ARRAY(
        SELECT e.id FROM sc.enrollments AS e
        JOIN sc.users AS u ON u.id = e.user_id
        LEFT JOIN sc.students AS s ON s.user_id = e.user_id
        WHERE e.course_id = _course_id
          AND (_status IS NULL OR sc.enrollment_status(e.status, e.expires_at) = _status)
          AND (number IS NULL OR u.search @@ words OR s.student_no = number)
        ORDER BY u.full_name COLLATE "tr-x-icu", e.id);
    PERFORM sc_api.total(cardinality(ids));
    RETURN QUERY
    SELECT e.id, e.user_id, u.full_name, s.student_no, u.email, sc.enrollment_status(e.status, e.expires_at), e.source,
           e.enrolled_at, e.expires_at, e.completed_at
    FROM (SELECT f.id, f.place FROM unnest(ids) WITH ORDINALITY AS f(id, place)
          ORDER BY f.place LIMIT per_page OFFSET (page - 1)::bigint * per_page) AS f
    JOIN sc.enrollments AS e ON e.id = f.id
    JOIN sc.users AS u ON u.id = e.user_id
    LEFT JOIN sc.students AS s ON s.user_id = e.user_id
    ORDER BY f.place;
END
$$;
COMMENT ON FUNCTION sc_api.course_enrollments(bigint, bigint, text, text, int, int) IS
    'Everybody who holds or held a place in the course, by name; q finds by beginnings of names or by student number.';

CREATE FUNCTION sc_api.enrollment_create(actor bigint, _course_id bigint, _user_id bigint, _expires_at timestamptz DEFAULT NULL)
RETURNS sc_api.enrollment
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
AS $$
DECLARE
    new_id bigint;
BEGIN
    PERFORM sc.manages_enrollments(actor, _course_id);
    -- a place in a course opens the card to its teacher: only the office enrols strangers
    IF NOT EXISTS (SELECT FROM sc.users AS u WHERE u.id = _user_id AND u.is_active)
       OR NOT (sc.can(actor, 'enrollments.manage') OR sc.may_see_student(actor, _user_id)) THEN
        PERFORM sc_api.invalid('user_id', 'unknown_reference');
    END IF;
    IF _expires_at <= clock_timestamp() THEN
        PERFORM sc_api.invalid('expires_at', 'in_the_past');
    END IF;
    PERFORM sc_api.check_valid();
    new_id := sc.enroll(_user_id, _course_id, 'staff', _expires_at);
    IF new_id IS NULL THEN
        PERFORM sc_api.refuse(409, 'already_enrolled');
    END IF;
    PERFORM sc_api.header('Location', '/api/v1/enrollments/' || new_id);
    RETURN sc.enrollment(new_id);
END
$$;
COMMENT ON FUNCTION sc_api.enrollment_create(bigint, bigint, bigint, timestamptz) IS
    'Enrols a user in a course, published or not; a later expires_at lengthens a place that is held. Teachers enrol students whom they teach already, in a class or another course; the office enrols anybody.';

CREATE FUNCTION sc_api.enrollment_get(actor bigint, _enrollment_id bigint)
RETURNS sc_api.enrollment
LANGUAGE plpgsql STABLE PARALLEL SAFE
AS $$
DECLARE
    e sc_api.enrollment := sc.enrollment(_enrollment_id);
BEGIN
    IF e.user_id = actor OR sc.can(actor, 'enrollments.manage') OR sc.keeps_course(actor, e.course_id) THEN
        RETURN e;
    END IF;
    RETURN NULL;
END
$$;
COMMENT ON FUNCTION sc_api.enrollment_get(bigint, bigint) IS 'An enrolment: one''s own, or one in a course that one keeps.';

CREATE FUNCTION sc_api.enrollment_update(actor bigint, given text[], body jsonb, _enrollment_id bigint, _status text DEFAULT NULL,
                                         _expires_at timestamptz DEFAULT NULL)
RETURNS sc_api.enrollment
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
AS $$
DECLARE
    e record;
BEGIN
    SELECT k.course_id, k.completed_at INTO e FROM sc.enrollments AS k WHERE k.id = _enrollment_id;
    IF NOT FOUND OR NOT (sc.can(actor, 'enrollments.manage') OR sc.keeps_course(actor, e.course_id)) THEN
        PERFORM sc_api.refuse(404, 'not_found');
    END IF;
    PERFORM sc.check_not_null(given, body, 'status');
    IF _status NOT IN ('active', 'suspended', 'cancelled') THEN
        PERFORM sc_api.invalid('status', 'invalid_choice', '{"choices": "active, suspended, cancelled"}');
    END IF;
    PERFORM sc_api.check_valid();
    PERFORM FROM sc.enrollments AS k WHERE k.id = _enrollment_id FOR UPDATE;
    UPDATE sc.enrollments AS k
    SET expires_at = CASE WHEN 'expires_at' = ANY (given) THEN _expires_at ELSE k.expires_at END,
        status = CASE
            WHEN _status = 'active' AND k.completed_at IS NOT NULL THEN 'completed'
            WHEN _status IS NOT NULL THEN _status
            -- a new end brings an expired place back
            WHEN 'expires_at' = ANY (given) AND k.status = 'expired' AND coalesce(_expires_at, 'infinity') > clock_timestamp()
                THEN CASE WHEN k.completed_at IS NULL THEN 'active' ELSE 'completed' END
            ELSE k.status END
    WHERE k.id = _enrollment_id;
    RETURN sc.enrollment(_enrollment_id);
END
$$;
COMMENT ON FUNCTION sc_api.enrollment_update(bigint, text[], jsonb, bigint, text, timestamptz) IS
    'Suspends, cancels or renews a place, or moves its end; expires_at null = no end.';

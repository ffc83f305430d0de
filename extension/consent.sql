-- What the law on personal data (KVKK) asks: consents, a copy of everything,
-- erasure, and who looked.

CREATE TYPE sc_api.notice AS (id bigint, kind text, version int, body text, published_at timestamptz);
COMMENT ON TYPE sc_api.notice IS 'a notice that can be agreed to';
COMMENT ON COLUMN sc_api.notice.id IS 'identity';
COMMENT ON COLUMN sc_api.notice.kind IS 'what is asked: privacy, marketing, guardian, abroad';
COMMENT ON COLUMN sc_api.notice.version IS 'version of the text';
COMMENT ON COLUMN sc_api.notice.body IS 'text';
COMMENT ON COLUMN sc_api.notice.published_at IS 'valid from';

CREATE TYPE sc_api.consent AS (id bigint, notice_id bigint, kind text, version int, given_by bigint, given_at timestamptz, withdrawn_at timestamptz);
COMMENT ON TYPE sc_api.consent IS 'a consent that was given';
COMMENT ON COLUMN sc_api.consent.id IS 'identity';
COMMENT ON COLUMN sc_api.consent.notice_id IS 'notice agreed to';
COMMENT ON COLUMN sc_api.consent.kind IS 'what was asked';
COMMENT ON COLUMN sc_api.consent.version IS 'version of the text';
COMMENT ON COLUMN sc_api.consent.given_by IS 'who agreed: the user or a guardian';
COMMENT ON COLUMN sc_api.consent.given_at IS 'when';
COMMENT ON COLUMN sc_api.consent.withdrawn_at IS 'when it was taken back; null while it holds';

CREATE FUNCTION sc_api.notices_list()
RETURNS SETOF sc_api.notice
LANGUAGE plpgsql STABLE PARALLEL SAFE
AS $$
BEGIN
    RETURN QUERY
    SELECT DISTINCT ON (n.kind) n.id, n.kind, n.version, n.body, n.published_at
    FROM sc.consent_notices AS n
    WHERE n.published_at <= clock_timestamp()
    ORDER BY n.kind, n.version DESC;
END
$$;
COMMENT ON FUNCTION sc_api.notices_list() IS 'The notices in force, one of each kind.';

CREATE FUNCTION sc_api.notice_publish(actor bigint, _kind text, _body text)
RETURNS sc_api.notice
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
AS $$
DECLARE
    answer sc_api.notice;
BEGIN
    IF _kind NOT IN ('privacy', 'marketing', 'guardian', 'abroad') THEN
        PERFORM sc_api.invalid('kind', 'invalid_choice', '{"choices": "privacy, marketing, guardian, abroad"}');
    END IF;
    IF btrim(_body) = '' THEN
        PERFORM sc_api.invalid('body', 'required');
    END IF;
    PERFORM sc_api.check_valid();
    INSERT INTO sc.consent_notices AS n (kind, version, body)
    VALUES (_kind, coalesce((SELECT max(o.version) FROM sc.consent_notices AS o WHERE o.kind = _kind), 0) + 1, _body)
    RETURNING n.id, n.kind, n.version, n.body, n.published_at INTO answer;
    RETURN answer;
END
$$;
COMMENT ON FUNCTION sc_api.notice_publish(bigint, text, text) IS 'Publish the next version of a notice. Consents to earlier versions stay what they are.';

CREATE FUNCTION sc.consents_of(user_id bigint)
RETURNS SETOF sc_api.consent
LANGUAGE plpgsql STABLE STRICT PARALLEL SAFE
AS $$
BEGIN
    RETURN QUERY
    SELECT c.id, c.notice_id, n.kind, n.version, c.given_by, c.given_at, c.withdrawn_at
    FROM sc.consents AS c JOIN sc.consent_notices AS n ON n.id = c.notice_id
    WHERE c.user_id = consents_of.user_id
    ORDER BY c.given_at DESC, c.id DESC;
END
$$;
COMMENT ON FUNCTION sc.consents_of(bigint) IS 'consents of a user, those withdrawn too, the latest first';

CREATE FUNCTION sc_api.consents_list(actor bigint, _student_id bigint DEFAULT NULL)
RETURNS SETOF sc_api.consent
LANGUAGE plpgsql STABLE PARALLEL SAFE
AS $$
DECLARE
    subject bigint := coalesce(_student_id, actor);
BEGIN
    IF subject <> actor AND NOT sc.is_guardian_of(actor, subject) AND NOT sc.can(actor, 'users.read') THEN
        PERFORM sc_api.refuse(404, 'not_found');
    END IF;
    RETURN QUERY SELECT * FROM sc.consents_of(subject);
END
$$;
COMMENT ON FUNCTION sc_api.consents_list(bigint, bigint) IS
    'Consents of the user, or of a student whose guardian the user is, the latest first.';

CREATE FUNCTION sc_api.consent_give(actor bigint, _notice_id bigint, _student_id bigint DEFAULT NULL, ctx jsonb DEFAULT NULL)
RETURNS sc_api.consent
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
AS $$
DECLARE
    subject bigint := coalesce(_student_id, actor);
    answer sc_api.consent;
BEGIN
    IF subject <> actor AND NOT sc.is_guardian_of(actor, subject) THEN
        PERFORM sc_api.refuse(404, 'not_found');
    END IF;
    IF NOT EXISTS (SELECT FROM sc_api.notices_list() AS n WHERE n.id = _notice_id) THEN
        PERFORM sc_api.invalid('notice_id', 'notice_not_in_force');
        PERFORM sc_api.check_valid();
    END IF;
    INSERT INTO sc.consents (user_id, notice_id, given_by, ip) VALUES (subject, _notice_id, actor, sc.ctx_ip(ctx))
    ON CONFLICT (user_id, notice_id) WHERE withdrawn_at IS NULL DO NOTHING;
    SELECT * INTO answer FROM sc.consents_of(subject) AS c WHERE c.notice_id = _notice_id AND c.withdrawn_at IS NULL;
    RETURN answer;
END
$$;
COMMENT ON FUNCTION sc_api.consent_give(bigint, bigint, bigint, jsonb) IS
    'Agree to a notice in force, for oneself or as a guardian for a student. Agreeing again changes nothing.';

CREATE FUNCTION sc_api.consent_withdraw(actor bigint, consent_id bigint)
RETURNS void
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
AS $$
BEGIN
    UPDATE sc.consents AS c SET withdrawn_at = clock_timestamp()
    WHERE c.id = consent_withdraw.consent_id AND c.withdrawn_at IS NULL
      AND (c.user_id = actor OR sc.is_guardian_of(actor, c.user_id));
    IF NOT FOUND THEN
        PERFORM sc_api.refuse(404, 'not_found');
    END IF;
END
$$;
COMMENT ON FUNCTION sc_api.consent_withdraw(bigint, bigint) IS 'Take a consent back; that it was given, and until when, is kept.';

CREATE FUNCTION sc_api.card_views_list(actor bigint, user_id bigint, page int DEFAULT 1, per_page int DEFAULT 20)
RETURNS SETOF sc_api.card_view
LANGUAGE plpgsql STABLE PARALLEL SAFE
AS $$
BEGIN
    IF actor <> card_views_list.user_id AND NOT sc.is_guardian_of(actor, card_views_list.user_id) AND NOT sc.can(actor, 'users.read') THEN
        PERFORM sc_api.refuse(404, 'not_found');
    END IF;
    PERFORM sc_api.total((SELECT count(*) FROM sc.card_views AS v WHERE v.user_id = card_views_list.user_id));
    RETURN QUERY
    SELECT v.id, v.staff_id, u.full_name, v.at
    FROM sc.card_views AS v LEFT JOIN sc.users AS u ON u.id = v.staff_id
    WHERE v.user_id = card_views_list.user_id
    ORDER BY v.at DESC, v.id DESC
    LIMIT per_page OFFSET (page - 1)::bigint * per_page;
END
$$;
COMMENT ON FUNCTION sc_api.card_views_list(bigint, bigint, int, int) IS
    'Who opened the user''s card, the latest first; for the user, the guardians and who may read users.';

CREATE FUNCTION sc.personal_columns()
RETURNS TABLE (tab regclass, col name)
LANGUAGE plpgsql STABLE PARALLEL SAFE
AS $$
BEGIN
    RETURN QUERY
    SELECT c.oid::regclass, a.attname
    FROM pg_class AS c
    JOIN pg_attribute AS a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
    WHERE c.relnamespace = 'sc'::regnamespace AND c.relkind IN ('r', 'p') AND NOT c.relispartition
      AND (a.attname = 'user_id' AND a.atttypid = 'int8'::regtype
           OR EXISTS (SELECT FROM pg_constraint AS k
                      WHERE k.conrelid = c.oid AND k.contype = 'f' AND k.confrelid = 'sc.users'::regclass
                        AND k.conkey = ARRAY[a.attnum]))
    ORDER BY c.relname, a.attnum;
END
$$;
COMMENT ON FUNCTION sc.personal_columns() IS
    'columns that say whom a row is about or by: whatever refers to users, and every user_id. A new table is found without being named here';

CREATE FUNCTION sc.released_part(result jsonb)
RETURNS jsonb
LANGUAGE plpgsql STABLE STRICT PARALLEL SAFE
AS $$
DECLARE
    exam bigint := (result ->> 'exam_id')::bigint;
    attempt bigint := (result ->> 'attempt_id')::bigint;
BEGIN
    IF attempt IS NULL THEN
        RETURN result;
    ELSIF NOT sc.review_allows(exam, attempt, 'marks') THEN
        RETURN result - '{state,correct,wrong,blank,net,sort_key,rank_key,key_multiple,points,max_points,percent,passed,scores,first_score,counts,item_outcomes,item_points}'::text[];
    ELSIF NOT sc.review_allows(exam, attempt, 'correctness') THEN
        RETURN result - '{item_outcomes,item_points}'::text[];
    END IF;
    RETURN result;
END
$$;
COMMENT ON FUNCTION sc.released_part(jsonb) IS
    'a row of exam_results without what the exam''s review policy does not show the student yet';

CREATE FUNCTION sc_api.my_data(actor bigint)
RETURNS sc_api.personal_data
LANGUAGE plpgsql STABLE PARALLEL SAFE
AS $$
DECLARE
    answer sc_api.personal_data;
    place record;
    part jsonb;
BEGIN
    answer.generated_at := clock_timestamp();
    answer.account := sc.profile(actor);
    answer.records := '{}';
    SELECT to_jsonb(u) - '{password_hash,search}'::text[] INTO part FROM sc.users AS u WHERE u.id = actor;
    answer.records := jsonb_build_object('users', jsonb_build_array(part));
    FOR place IN SELECT p.tab, p.col FROM sc.personal_columns() AS p LOOP
        EXECUTE format('SELECT jsonb_agg(to_jsonb(t) - ''{token_hash,password_hash,secret,search,request_hash,body}''::text[]) FROM (SELECT * FROM %s WHERE %I = $1 LIMIT 100000) AS t',
                       place.tab, place.col)
        INTO part USING actor;
        IF place.tab = 'sc.exam_results'::regclass THEN
            part := (SELECT jsonb_agg(sc.released_part(r.value) ORDER BY r.place) FROM jsonb_array_elements(part) WITH ORDINALITY AS r(value, place));
        END IF;
        IF place.tab = 'sc.guardians'::regclass AND place.col = 'guardian_id' THEN
            -- a request not yet approved would tell whether the student exists
            part := (SELECT jsonb_agg(r.value ORDER BY r.place) FROM jsonb_array_elements(part) WITH ORDINALITY AS r(value, place)
                     WHERE r.value ->> 'approved_at' IS NOT NULL);
        END IF;
        IF part IS NOT NULL THEN
            answer.records := answer.records
                || jsonb_build_object(replace(place.tab::text, 'sc.', '') || CASE place.col WHEN 'user_id' THEN '' ELSE '.' || place.col END, part);
        END IF;
    END LOOP;
    PERFORM sc_api.no_store();
    RETURN answer;
END
$$;
COMMENT ON FUNCTION sc_api.my_data(bigint) IS
    'Everything held about the user: the account, and the rows of every table that refer to it. Secrets and their hashes are left out, and of results what the exam does not show yet.';

CREATE FUNCTION sc.erase_user(user_id bigint)
RETURNS void
LANGUAGE plpgsql VOLATILE STRICT PARALLEL UNSAFE
AS $$
DECLARE
    place record;
    old record;
BEGIN
    SELECT u.email, u.full_name, s.student_no INTO old
    FROM sc.users AS u LEFT JOIN sc.students AS s ON s.user_id = u.id WHERE u.id = erase_user.user_id;
    UPDATE sc.users
    SET email = NULL, full_name = 'Silinmiş kullanıcı', phone = NULL, password_hash = NULL, is_active = false,
        email_verified_at = NULL, last_login_at = NULL, last_seen_at = NULL, anonymised_at = clock_timestamp()
    WHERE id = erase_user.user_id;
    PERFORM sc.end_all_sessions(erase_user.user_id, 'deactivated');
    UPDATE sc.students AS s SET student_no = NULL, city = NULL WHERE s.user_id = erase_user.user_id;
    DELETE FROM sc.sessions AS s WHERE s.user_id = erase_user.user_id;
    DELETE FROM sc.user_tokens AS t WHERE t.user_id = erase_user.user_id;
    -- answers kept to be repeated, whoever they were given to
    DELETE FROM sc.idempotency_keys AS k
    WHERE k.actor = erase_user.user_id
       OR EXISTS (SELECT FROM unnest(ARRAY[old.email, old.full_name, old.student_no]) AS x(word) WHERE strpos(k.body, to_json(x.word)::text) > 0);
    DELETE FROM sc.login_guards AS g WHERE substr(g.account, strpos(g.account, ' ') + 1) IN (old.email, old.student_no);
    DELETE FROM sc.jobs AS j WHERE j.args ->> 'user_id' = erase_user.user_id::text AND j.state <> 'running';
    UPDATE sc.guardians AS g SET revoked_at = coalesce(g.revoked_at, clock_timestamp())
    WHERE erase_user.user_id IN (g.guardian_id, g.student_id);
    -- an address says where somebody was: wherever one is kept beside the user, it goes
    FOR place IN
        SELECT p.tab, p.col, a.attname AS detail
        FROM sc.personal_columns() AS p
        JOIN pg_attribute AS a ON a.attrelid = p.tab AND NOT a.attisdropped AND NOT a.attnotnull
                              AND a.attname IN ('ip', 'user_agent', 'session_id', 'request_id')
        WHERE p.col IN ('user_id', 'student_id', 'staff_id', 'given_by')
    LOOP
        EXECUTE format('UPDATE %s SET %I = NULL WHERE %I = $1 AND %I IS NOT NULL', place.tab, place.detail, place.col, place.detail)
        USING erase_user.user_id;
    END LOOP;
END
$$;
COMMENT ON FUNCTION sc.erase_user(bigint) IS
    'forgets who a user was. What the user did stays, under a number, so that statistics stay true';

CREATE FUNCTION sc_api.user_erase(actor bigint, user_id bigint)
RETURNS void
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
AS $$
BEGIN
    PERFORM sc.check_target(actor, user_erase.user_id);
    IF actor = user_erase.user_id THEN
        PERFORM sc_api.refuse(409, 'not_yourself');
    END IF;
    PERFORM sc.lock_admins();
    PERFORM FROM sc.users AS u WHERE u.id = user_erase.user_id AND u.anonymised_at IS NULL FOR NO KEY UPDATE;
    IF NOT FOUND THEN
        PERFORM sc_api.refuse(404, 'not_found');
    END IF;
    PERFORM sc.erase_user(user_erase.user_id);
    PERFORM sc.keep_an_admin();
END
$$;
COMMENT ON FUNCTION sc_api.user_erase(bigint, bigint) IS
    'Forget a person: name, addresses, numbers and log-ins go for good; results and progress stay without a name, so that statistics stay true.';

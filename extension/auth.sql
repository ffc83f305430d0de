-- The calls under /auth.

CREATE FUNCTION sc.login_wait(guard text)
RETURNS int
LANGUAGE plpgsql VOLATILE STRICT PARALLEL UNSAFE
AS $$
DECLARE
    until timestamptz;
BEGIN
    SELECT g.locked_until INTO until FROM sc.login_guards AS g WHERE g.account = login_wait.guard;
    RETURN greatest(0, ceil(extract(epoch FROM until - clock_timestamp())))::int;
END
$$;
COMMENT ON FUNCTION sc.login_wait(text) IS 'seconds that an account is still locked; 0 if it is not';

CREATE FUNCTION sc.login_failed(guard text)
RETURNS void
LANGUAGE plpgsql VOLATILE STRICT PARALLEL UNSAFE
AS $$
DECLARE
    free int := sc.setting_int('login_attempts');
    at timestamptz := clock_timestamp();
    n int;
BEGIN
    -- below the limit a quiet minute forgives; above it, a quiet hour
    INSERT INTO sc.login_guards AS g (account, failures, last_failed_at) VALUES (login_failed.guard, 1, at)
    ON CONFLICT (account) DO UPDATE
    SET failures = CASE WHEN g.last_failed_at < at - CASE WHEN g.failures < free THEN interval '1 minute' ELSE interval '1 hour' END
                        THEN 1 ELSE g.failures + 1 END,
        last_failed_at = at
    RETURNING g.failures INTO n;
    IF n >= free THEN
        UPDATE sc.login_guards AS g
        SET locked_until = at + least(make_interval(secs => sc.setting_int('login_lock_seconds') * power(2, least(n - free, 16))),
                                      interval '15 minutes')
        WHERE g.account = login_failed.guard;
    END IF;
END
$$;
COMMENT ON FUNCTION sc.login_failed(text) IS 'counts a failed log-in; too many lock the account, each time for longer';

CREATE FUNCTION sc.login_locked(seconds int)
RETURNS sc_api.reply
LANGUAGE plpgsql VOLATILE STRICT PARALLEL UNSAFE
AS $$
BEGIN
    RETURN sc_api.reply(429, 'login_locked', jsonb_build_object('retry_after', seconds),
                        jsonb_build_object('Retry-After', seconds::text));
END
$$;
COMMENT ON FUNCTION sc.login_locked(int) IS 'the answer while an account is locked';

-- Somebody who knows a password of the account may come from the address of an
-- earlier log-in although strangers keep guessing: their guard is another one.
CREATE FUNCTION sc.login_guard(login text, user_id bigint, ip inet)
RETURNS text
LANGUAGE plpgsql STABLE PARALLEL SAFE
AS $$
BEGIN
    IF EXISTS (SELECT FROM sc.sessions AS s WHERE s.user_id = login_guard.user_id AND s.ip = login_guard.ip) THEN
        RETURN format('login@%s %s', host(login_guard.ip), login);
    END IF;
    RETURN 'login ' || login;
END
$$;
COMMENT ON FUNCTION sc.login_guard(text, bigint, inet) IS
    'name under which failures are counted: the account, or the account at an address it has been used from';

CREATE FUNCTION sc_api.login(_password text, _email text DEFAULT NULL, _student_no text DEFAULT NULL, ctx jsonb DEFAULT NULL)
RETURNS sc_api.reply
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
AS $$
DECLARE
    -- what nobody's password fits; checking it costs what checking a real one costs
    nobody CONSTANT text := '$argon2id$v=19$m=19456,t=2,p=1$AAAAAAAAAAAAAAAAAAAAAA$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA';
    login text := coalesce(sc.normal_email(_email), btrim(_student_no));
    password text := normalize(_password, NFC);
    u record;
    guard text;
    wait int;
    ok boolean;
    new_hash text;
BEGIN
    IF (_email IS NULL) = (_student_no IS NULL) THEN
        PERFORM sc_api.invalid('email', 'login_name_required');
    END IF;
    IF length(login) > 254 THEN
        PERFORM sc_api.invalid(CASE WHEN _email IS NULL THEN 'student_no' ELSE 'email' END, 'too_long', '{"max": 254}');
    END IF;
    IF length(password) > 1024 THEN
        PERFORM sc_api.invalid('password', 'password_too_long', '{"max": 1024}');
    END IF;
    PERFORM sc_api.check_valid();
    PERFORM sc_api.no_store();

    IF _email IS NOT NULL THEN
        SELECT x.id, x.password_hash, x.is_active INTO u FROM sc.users AS x WHERE x.email = login;
    ELSE
        SELECT x.id, x.password_hash, x.is_active INTO u
        FROM sc.users AS x JOIN sc.students AS s ON s.user_id = x.id WHERE s.student_no = login;
    END IF;
    guard := sc.login_guard(login, u.id, sc.ctx_ip(ctx));
    wait := sc.login_wait(guard);
    IF wait > 0 THEN
        RETURN sc.login_locked(wait);
    END IF;

    ok := sc.password_verify(password, coalesce(u.password_hash, nobody)) AND u.password_hash IS NOT NULL;
    IF ok AND sc.password_needs_rehash(u.password_hash) THEN
        new_hash := sc.password_hash(password);
    END IF;

    -- no hashing below: the row is locked now, and may have changed meanwhile
    IF ok THEN
        PERFORM FROM sc.users AS x
        WHERE x.id = u.id AND x.is_active AND x.password_hash = u.password_hash
        FOR NO KEY UPDATE;
        ok := FOUND;
    END IF;
    IF NOT ok THEN
        PERFORM sc.login_failed(guard);
        RETURN sc_api.reply(401, 'bad_credentials');
    END IF;
    -- guesses made side by side: once one of them has locked the account, none counts
    wait := sc.login_wait(guard);
    IF wait > 0 THEN
        RETURN sc.login_locked(wait);
    END IF;
    DELETE FROM sc.login_guards AS g WHERE g.account = guard;
    IF new_hash IS NOT NULL THEN
        UPDATE sc.users SET password_hash = new_hash WHERE id = u.id;
    END IF;
    RETURN sc_api.reply(200, NULL, to_jsonb(sc.open_session(u.id, ctx)));
END
$$;
COMMENT ON FUNCTION sc_api.login(text, text, text, jsonb) IS
    'Log in by e-mail address or by student number. The answer does not tell an unknown account from a wrong password or an inactive user. Too many failures lock the account for a while (429 with Retry-After).';

CREATE FUNCTION sc_api.refresh(_refresh_token text)
RETURNS sc_api.reply
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
AS $$
DECLARE
    hash bytea := sc.token_hash(_refresh_token);
    s record;
    t record;
    successor text;
    next record;
    answer sc_api.token_answer;
BEGIN
    PERFORM sc_api.no_store();
    -- the session's lock makes refreshes of one session wait for each other
    SELECT x.id, x.user_id, x.secret, x.revoked_at, x.expires_at INTO s
    FROM sc.sessions AS x
    WHERE x.id = (SELECT r.session_id FROM sc.refresh_tokens AS r WHERE r.token_hash = hash)
    FOR NO KEY UPDATE;
    IF NOT FOUND OR s.revoked_at IS NOT NULL OR s.expires_at <= clock_timestamp()
       OR NOT EXISTS (SELECT FROM sc.users AS u WHERE u.id = s.user_id AND u.is_active) THEN
        RETURN sc_api.reply(401, 'invalid_refresh_token');
    END IF;

    successor := sc.derive_token(s.secret, _refresh_token);
    UPDATE sc.refresh_tokens AS r SET used_at = clock_timestamp()
    WHERE r.token_hash = hash AND r.used_at IS NULL AND r.expires_at > clock_timestamp();
    IF FOUND THEN
        UPDATE sc.sessions SET last_used_at = clock_timestamp() WHERE id = s.id;
        RETURN sc_api.reply(200, NULL, to_jsonb(sc.issue_tokens(s.user_id, s.id, successor)));
    END IF;

    SELECT r.used_at INTO t FROM sc.refresh_tokens AS r WHERE r.token_hash = hash;
    IF t.used_at IS NULL THEN
        RETURN sc_api.reply(401, 'invalid_refresh_token');  -- it expired unused
    END IF;
    SELECT r.access_jti, r.access_expires_at, r.created_at INTO next
    FROM sc.refresh_tokens AS r
    WHERE r.token_hash = sc.token_hash(successor) AND r.used_at IS NULL;
    IF FOUND AND t.used_at > clock_timestamp() - make_interval(secs => sc.setting_int('refresh_grace_seconds')) THEN
        answer.access_token := sc.sign_access(s.user_id, next.access_jti, next.created_at, next.access_expires_at);
        answer.refresh_token := successor;
        answer.token_type := 'Bearer';
        answer.expires_in := greatest(0, floor(extract(epoch FROM next.access_expires_at - clock_timestamp())))::int;
        answer."user" := sc.account(s.user_id);
        RETURN sc_api.reply(200, NULL, to_jsonb(answer));
    END IF;
    PERFORM sc.end_session(s.id, 'reuse');
    RETURN sc_api.reply(401, 'refresh_token_reused');
END
$$;
COMMENT ON FUNCTION sc_api.refresh(text) IS
    'Trade a refresh token for a new pair. A token is good for one use; using it again ends its session, except within seconds by a client whose answer was lost: it gets the same pair again.';

CREATE FUNCTION sc.session_of(user_id bigint, jti uuid)
RETURNS uuid
LANGUAGE plpgsql STABLE PARALLEL SAFE
AS $$
BEGIN
    RETURN (SELECT r.session_id
            FROM sc.sessions AS s JOIN sc.refresh_tokens AS r ON r.session_id = s.id
            WHERE s.user_id = session_of.user_id AND r.access_jti = session_of.jti
            LIMIT 1);
END
$$;
COMMENT ON FUNCTION sc.session_of(bigint, uuid) IS 'the session that an access token belongs to';

CREATE FUNCTION sc_api.logout(actor bigint, jti uuid)
RETURNS void
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
AS $$
BEGIN
    PERFORM sc.end_session(sc.session_of(actor, jti), 'logout');
    -- a token whose session is gone already is revoked all the same
    INSERT INTO sc.revoked_tokens (jti, user_id, expires_at)
    VALUES (logout.jti, actor, clock_timestamp() + make_interval(secs => sc.setting_int('access_token_seconds')))
    ON CONFLICT DO NOTHING;
    IF FOUND THEN
        PERFORM sc.touch_key(format('1:session:jwt:blacklist:%s=1@%s', logout.jti, sc.setting_int('access_token_seconds')));
    END IF;
END
$$;
COMMENT ON FUNCTION sc_api.logout(bigint, uuid) IS 'End the session of the access token: it and the session''s refresh token are void at once.';

CREATE FUNCTION sc_api.logout_all(actor bigint)
RETURNS void
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
AS $$
BEGIN
    PERFORM sc.end_all_sessions(actor, 'logout_all');
END
$$;
COMMENT ON FUNCTION sc_api.logout_all(bigint) IS 'End all sessions of the user on all devices, this one too.';

CREATE FUNCTION sc_api.me(actor bigint)
RETURNS sc_api.account
LANGUAGE plpgsql STABLE PARALLEL SAFE
AS $$
BEGIN
    RETURN sc.account(actor);
END
$$;
COMMENT ON FUNCTION sc_api.me(bigint) IS 'Who the access token belongs to and what the user may do.';

CREATE FUNCTION sc_api.sessions_list(actor bigint, jti uuid)
RETURNS SETOF sc_api.session
LANGUAGE plpgsql STABLE PARALLEL SAFE
AS $$
DECLARE
    own uuid := sc.session_of(actor, jti);
BEGIN
    RETURN QUERY
    SELECT s.id, host(s.ip), s.user_agent, s.created_at, s.last_used_at, s.expires_at, s.id IS NOT DISTINCT FROM own
    FROM sc.sessions AS s
    WHERE s.user_id = actor AND s.revoked_at IS NULL AND s.expires_at > clock_timestamp()
      AND s.last_used_at > clock_timestamp() - make_interval(days => sc.setting_int('refresh_token_days'))
    ORDER BY s.last_used_at DESC, s.id;
END
$$;
COMMENT ON FUNCTION sc_api.sessions_list(bigint, uuid) IS 'Live sessions of the user, the one used last first.';

CREATE FUNCTION sc_api.session_end(actor bigint, session_id uuid)
RETURNS void
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
AS $$
BEGIN
    PERFORM FROM sc.sessions AS s WHERE s.id = session_end.session_id AND s.user_id = actor AND s.revoked_at IS NULL;
    IF NOT FOUND THEN
        PERFORM sc_api.refuse(404, 'not_found');
    END IF;
    PERFORM sc.end_session(session_end.session_id, 'logout');
END
$$;
COMMENT ON FUNCTION sc_api.session_end(bigint, uuid) IS 'End one of the user''s sessions.';

CREATE FUNCTION sc.make_user_token(user_id bigint, purpose text, life interval)
RETURNS text
LANGUAGE plpgsql VOLATILE STRICT PARALLEL UNSAFE
AS $$
DECLARE
    token text := CASE purpose WHEN 'first_use' THEN sc.random_code() ELSE sc.random_token() END;
BEGIN
    -- the newest one only: whoever asks again has lost the one before
    DELETE FROM sc.user_tokens AS t
    WHERE t.user_id = make_user_token.user_id AND t.purpose = make_user_token.purpose AND t.used_at IS NULL;
    INSERT INTO sc.user_tokens (token_hash, user_id, purpose, email, expires_at)
    SELECT sc.token_hash(token), u.id, make_user_token.purpose, u.email, clock_timestamp() + life
    FROM sc.users AS u WHERE u.id = make_user_token.user_id;
    RETURN token;
END
$$;
COMMENT ON FUNCTION sc.make_user_token(bigint, text, interval) IS
    'makes a one-time token for verify_email, reset_password or first_use; earlier ones of the purpose are void';

CREATE FUNCTION sc.take_user_token(token text, purpose text)
RETURNS bigint
LANGUAGE plpgsql VOLATILE STRICT PARALLEL UNSAFE
AS $$
DECLARE
    owner bigint;
BEGIN
    UPDATE sc.user_tokens AS t SET used_at = clock_timestamp()
    FROM sc.users AS u
    WHERE t.token_hash = sc.token_hash(take_user_token.token) AND t.purpose = take_user_token.purpose
      AND t.used_at IS NULL AND t.expires_at > clock_timestamp()
      AND u.id = t.user_id AND u.is_active AND u.email IS NOT DISTINCT FROM t.email
    RETURNING t.user_id INTO owner;
    RETURN owner;
END
$$;
COMMENT ON FUNCTION sc.take_user_token(text, text) IS
    'spends a one-time token; returns whose it was, NULL if it is unknown, spent, expired or for an address changed since';

CREATE FUNCTION sc.send_verification(user_id bigint, ctx jsonb)
RETURNS void
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
AS $$
BEGIN
    PERFORM sc.job_enqueue('send_verification_email',
                           jsonb_build_object('user_id', user_id, 'token',
                                              sc.make_user_token(user_id, 'verify_email', make_interval(hours => sc.setting_int('verification_hours')))),
                           queue => 'high', request_id => ctx ->> 'request_id');
END
$$;
COMMENT ON FUNCTION sc.send_verification(bigint, jsonb) IS 'has a mail sent by which the user proves the address';

CREATE FUNCTION sc_api.register(_email text, _password text, _full_name text, _phone text DEFAULT NULL,
                                _locale text DEFAULT 'tr', ctx jsonb DEFAULT NULL)
RETURNS sc_api.account
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
AS $$
DECLARE
    new_email text := sc.normal_email(_email);
    new_name text := sc.normal_name(_full_name);
    new_id bigint;
BEGIN
    IF sc.setting('registration') <> 'open' THEN
        PERFORM sc_api.refuse(403, 'registration_closed');
    END IF;
    PERFORM sc.check_person(new_email, new_name, _phone, _locale);
    PERFORM sc.check_password('password', normalize(_password, NFC), new_email, new_name);
    PERFORM sc_api.check_valid();
    INSERT INTO sc.users (email, full_name, phone, password_hash, password_changed_at, role_id, locale)
    SELECT new_email, new_name, _phone, sc.password_hash(normalize(_password, NFC)), clock_timestamp(), r.id, _locale
    FROM sc.roles AS r WHERE r.name = 'student'
    RETURNING id INTO new_id;
    INSERT INTO sc.students (user_id) VALUES (new_id);
    PERFORM sc.send_verification(new_id, ctx);
    RETURN sc.account(new_id);
END
$$;
COMMENT ON FUNCTION sc_api.register(text, text, text, text, text, jsonb) IS
    'Make an account as a student. A mail with a verification link is sent; the user may log in at once. An address that has an account is refused with 409.';

CREATE FUNCTION sc.check_person(email text, full_name text, phone text, locale text)
RETURNS void
LANGUAGE plpgsql VOLATILE PARALLEL RESTRICTED
AS $$
BEGIN
    IF NOT sc.is_email(email) THEN
        PERFORM sc_api.invalid('email', 'invalid_email');
    END IF;
    IF length(full_name) NOT BETWEEN 1 AND 200 OR full_name ~ '[[:cntrl:]]' THEN
        PERFORM sc_api.invalid('full_name', 'invalid_name');
    END IF;
    IF phone !~ '^\+?[0-9 ()-]{5,25}$' THEN
        PERFORM sc_api.invalid('phone', 'invalid_phone');
    END IF;
    IF locale NOT IN ('tr', 'en') THEN
        PERFORM sc_api.invalid('locale', 'invalid_choice', '{"choices": "tr, en"}');
    END IF;
END
$$;
COMMENT ON FUNCTION sc.check_person(text, text, text, text) IS
    'notes field errors of what is known of a user; NULL is not looked at';

CREATE FUNCTION sc_api.verify_email(_token text)
RETURNS sc_api.account
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
AS $$
DECLARE
    owner bigint := sc.take_user_token(_token, 'verify_email');
BEGIN
    IF owner IS NULL THEN
        PERFORM sc_api.refuse(400, 'invalid_token');
    END IF;
    UPDATE sc.users SET email_verified_at = coalesce(email_verified_at, clock_timestamp()) WHERE id = owner;
    RETURN sc.account(owner);
END
$$;
COMMENT ON FUNCTION sc_api.verify_email(text) IS 'Prove the address with the token from the mail.';

CREATE FUNCTION sc_api.resend_verification(actor bigint, ctx jsonb DEFAULT NULL)
RETURNS sc_api.accepted
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
AS $$
BEGIN
    IF EXISTS (SELECT FROM sc.users AS u WHERE u.id = actor AND u.email IS NOT NULL AND u.email_verified_at IS NULL)
       AND NOT EXISTS (SELECT FROM sc.user_tokens AS t
                       WHERE t.user_id = actor AND t.purpose = 'verify_email' AND t.created_at > clock_timestamp() - interval '1 minute') THEN
        PERFORM sc.send_verification(actor, ctx);
    END IF;
    RETURN ROW(true)::sc_api.accepted;
END
$$;
COMMENT ON FUNCTION sc_api.resend_verification(bigint, jsonb) IS
    'Have the verification mail sent again, unless the address is verified or a mail was sent within the last minute.';

CREATE FUNCTION sc_api.password_forgot(_email text, ctx jsonb DEFAULT NULL)
RETURNS sc_api.accepted
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
AS $$
DECLARE
    wanted text := left(sc.normal_email(_email), 254);
    owner bigint;
    at timestamptz := clock_timestamp();
BEGIN
    -- One mail a minute fills nobody's mailbox. An unknown address leaves the
    -- same trace, so that the time taken does not tell it from a known one.
    INSERT INTO sc.login_guards AS g (account, failures, last_failed_at) VALUES ('forgot ' || wanted, 1, at)
    ON CONFLICT (account) DO UPDATE SET failures = g.failures + 1, last_failed_at = at
        WHERE g.last_failed_at < at - interval '1 minute';
    IF FOUND THEN
        SELECT u.id INTO owner FROM sc.users AS u WHERE u.email = wanted AND u.is_active;
    END IF;
    IF owner IS NOT NULL THEN
        PERFORM sc.job_enqueue('send_password_reset_email',
                               jsonb_build_object('user_id', owner, 'token',
                                                  sc.make_user_token(owner, 'reset_password', make_interval(mins => sc.setting_int('password_reset_minutes')))),
                               queue => 'high', request_id => ctx ->> 'request_id');
    END IF;
    RETURN ROW(true)::sc_api.accepted;
END
$$;
COMMENT ON FUNCTION sc_api.password_forgot(text, jsonb) IS
    'Have a mail sent with which a new password can be set. The answer is the same whether or not the address has an account.';

CREATE FUNCTION sc.set_password(user_id bigint, password text)
RETURNS void
LANGUAGE plpgsql VOLATILE STRICT PARALLEL UNSAFE
AS $$
DECLARE
    hash text := sc.password_hash(normalize(password, NFC));
BEGIN
    UPDATE sc.users SET password_hash = hash, password_changed_at = clock_timestamp() WHERE id = set_password.user_id;
END
$$;
COMMENT ON FUNCTION sc.set_password(bigint, text) IS 'sets a password; says nothing of sessions';

CREATE FUNCTION sc_api.password_reset(_token text, _password text)
RETURNS void
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
AS $$
DECLARE
    owner bigint;
    who record;
BEGIN
    SELECT u.email, u.full_name INTO who
    FROM sc.user_tokens AS t JOIN sc.users AS u ON u.id = t.user_id
    WHERE t.token_hash = sc.token_hash(_token) AND t.purpose = 'reset_password';
    PERFORM sc.check_password('password', normalize(_password, NFC), who.email, who.full_name);
    PERFORM sc_api.check_valid();
    owner := sc.take_user_token(_token, 'reset_password');
    IF owner IS NULL THEN
        PERFORM sc_api.refuse(400, 'invalid_token');
    END IF;
    PERFORM sc.set_password(owner, _password);
    PERFORM sc.end_all_sessions(owner, 'password');
    -- who reads the mail of the address has proved it
    UPDATE sc.users SET email_verified_at = coalesce(email_verified_at, clock_timestamp()) WHERE id = owner;
    DELETE FROM sc.login_guards AS g WHERE g.account = 'login ' || who.email;
END
$$;
COMMENT ON FUNCTION sc_api.password_reset(text, text) IS
    'Set a new password with the token from the mail. All sessions of the user end.';

CREATE FUNCTION sc_api.password_change(actor bigint, jti uuid, _current_password text, _new_password text)
RETURNS sc_api.reply
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
AS $$
DECLARE
    u record;
    own uuid := sc.session_of(actor, jti);
    guard text := 'password ' || actor;
    wait int := sc.login_wait(guard);
    other uuid;
BEGIN
    SELECT x.email, x.full_name, x.password_hash INTO u FROM sc.users AS x WHERE x.id = actor;
    PERFORM sc.check_password('new_password', normalize(_new_password, NFC), u.email, u.full_name, _current_password);
    PERFORM sc_api.check_valid();
    IF wait > 0 THEN
        RETURN sc.login_locked(wait);
    END IF;
    IF u.password_hash IS NULL OR NOT sc.password_verify(normalize(_current_password, NFC), u.password_hash) THEN
        PERFORM sc.login_failed(guard);
        RETURN sc_api.reply(403, 'wrong_password');
    END IF;
    PERFORM sc.set_password(actor, _new_password);
    FOR other IN SELECT s.id FROM sc.sessions AS s WHERE s.user_id = actor AND s.revoked_at IS NULL AND s.id IS DISTINCT FROM own LOOP
        PERFORM sc.end_session(other, 'password');
    END LOOP;
    DELETE FROM sc.login_guards AS g WHERE g.account = guard;
    RETURN sc_api.reply(204);
END
$$;
COMMENT ON FUNCTION sc_api.password_change(bigint, uuid, text, text) IS
    'Change the password. All other sessions of the user end.';

CREATE FUNCTION sc_api.first_use(_code text, _password text, ctx jsonb DEFAULT NULL)
RETURNS sc_api.token_answer
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
AS $$
DECLARE
    -- as people type it: small letters, spaces, no dashes
    plain text := upper(regexp_replace(_code, '[^0-9A-Za-z]', '', 'g') COLLATE "C");
    code text := concat_ws('-', substr(plain, 1, 4), substr(plain, 5, 4), substr(plain, 9));
    who record;
    owner bigint;
BEGIN
    PERFORM sc_api.no_store();
    SELECT u.email, u.full_name, s.student_no INTO who
    FROM sc.user_tokens AS t JOIN sc.users AS u ON u.id = t.user_id LEFT JOIN sc.students AS s ON s.user_id = u.id
    WHERE t.token_hash = sc.token_hash(code) AND t.purpose = 'first_use';
    PERFORM sc.check_password('password', normalize(_password, NFC), who.email, who.full_name, who.student_no);
    PERFORM sc_api.check_valid();
    owner := sc.take_user_token(code, 'first_use');
    IF owner IS NULL THEN
        PERFORM sc_api.refuse(401, 'invalid_code');
    END IF;
    PERFORM sc.set_password(owner, _password);
    PERFORM sc.end_all_sessions(owner, 'password');
    RETURN sc.open_session(owner, ctx);
END
$$;
COMMENT ON FUNCTION sc_api.first_use(text, text, jsonb) IS
    'Set the first password with the code printed for a student, and log in.';

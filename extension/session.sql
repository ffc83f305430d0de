-- Log-in, sessions and what goes with them.
--
-- A session is one log-in on one device. It is a family of refresh tokens,
-- each good for one use; using one twice ends the family, since one of the two
-- users stole it. One exception: so that an answer lost on the way costs
-- nobody the session, the token used last gives, for a few seconds, the very
-- same answer again. The successor of a token is therefore not random but
-- derived from it with the session's secret; nothing usable is stored.
--
-- Lock order: user, session, guard. Passwords are hashed before any lock is taken.

CREATE TYPE sc_api.account AS (
    id bigint,
    email text,
    student_no text,
    full_name text,
    role text,
    roles text[],
    permissions text[],
    locale text,
    email_verified boolean
);
COMMENT ON TYPE sc_api.account IS 'the user a token was issued to';
COMMENT ON COLUMN sc_api.account.id IS 'identity';
COMMENT ON COLUMN sc_api.account.email IS 'e-mail address; null for students known by number only';
COMMENT ON COLUMN sc_api.account.student_no IS 'student number; null for others';
COMMENT ON COLUMN sc_api.account.full_name IS 'name';
COMMENT ON COLUMN sc_api.account.role IS 'main role';
COMMENT ON COLUMN sc_api.account.roles IS 'all roles';
COMMENT ON COLUMN sc_api.account.permissions IS 'what the user may do';
COMMENT ON COLUMN sc_api.account.locale IS 'language: tr or en';
COMMENT ON COLUMN sc_api.account.email_verified IS 'has the address been proved';

CREATE TYPE sc_api.token_answer AS (
    access_token text,
    refresh_token text,
    token_type text,
    expires_in int,
    "user" sc_api.account
);
COMMENT ON TYPE sc_api.token_answer IS 'a pair of tokens';
COMMENT ON COLUMN sc_api.token_answer.access_token IS 'JSON Web Token for the Authorization header';
COMMENT ON COLUMN sc_api.token_answer.refresh_token IS 'opaque, for one use at /auth/refresh';
COMMENT ON COLUMN sc_api.token_answer.token_type IS 'always Bearer';
COMMENT ON COLUMN sc_api.token_answer.expires_in IS 'seconds that the access token is good for';
COMMENT ON COLUMN sc_api.token_answer."user" IS 'whose they are';

CREATE TYPE sc_api.session AS (
    id uuid,
    ip text,
    user_agent text,
    created_at timestamptz,
    last_used_at timestamptz,
    expires_at timestamptz,
    current boolean
);
COMMENT ON TYPE sc_api.session IS 'a log-in on one device';
COMMENT ON COLUMN sc_api.session.id IS 'identity';
COMMENT ON COLUMN sc_api.session.ip IS 'address at log-in';
COMMENT ON COLUMN sc_api.session.user_agent IS 'program at log-in';
COMMENT ON COLUMN sc_api.session.created_at IS 'log-in';
COMMENT ON COLUMN sc_api.session.last_used_at IS 'last refresh';
COMMENT ON COLUMN sc_api.session.expires_at IS 'end at the latest';
COMMENT ON COLUMN sc_api.session.current IS 'is it the one that asks';

CREATE TYPE sc_api.accepted AS (accepted boolean);
COMMENT ON TYPE sc_api.accepted IS 'the request was taken; what came of it is not told';
COMMENT ON COLUMN sc_api.accepted.accepted IS 'always true';

CREATE FUNCTION sc.normal_email(email text)
RETURNS text
LANGUAGE plpgsql IMMUTABLE STRICT PARALLEL SAFE
AS $$
BEGIN
    -- ASCII letters only: a Turkish fold would make I an ı and lock people out
    RETURN lower(normalize(btrim(email), NFC) COLLATE "C");
END
$$;
COMMENT ON FUNCTION sc.normal_email(text) IS 'an e-mail address as it is stored and compared: trimmed, NFC, ASCII letters in lower case';

CREATE FUNCTION sc.is_email(email text)
RETURNS boolean
LANGUAGE plpgsql IMMUTABLE STRICT PARALLEL SAFE
AS $$
BEGIN
    RETURN length(email) BETWEEN 3 AND 254
       AND email ~ '^[^@[:space:][:cntrl:]<>",;:\\()]{1,64}@([[:alnum:]]([[:alnum:]-]*[[:alnum:]])?\.)+[[:alnum:]][[:alnum:]-]*[[:alnum:]]$';
END
$$;
COMMENT ON FUNCTION sc.is_email(text) IS 'does a normalised address look like one that mail can be sent to?';

CREATE FUNCTION sc.check_password(field text, password text, VARIADIC about text[] DEFAULT '{}')
RETURNS void
LANGUAGE plpgsql VOLATILE PARALLEL RESTRICTED
AS $$
DECLARE
    plain text := lower(password COLLATE "C");
BEGIN
    IF length(password) < 8 THEN
        PERFORM sc_api.invalid(field, 'password_too_short', '{"min": 8}');
    ELSIF length(password) > 256 THEN
        PERFORM sc_api.invalid(field, 'password_too_long', '{"max": 256}');
    ELSIF sc.is_common_password(plain)
       OR plain = ANY (SELECT lower(a COLLATE "C") FROM unnest(about) AS a)
       OR plain = ANY (SELECT split_part(lower(a COLLATE "C"), '@', 1) FROM unnest(about) AS a)
       OR plain = ANY (SELECT replace(lower(a COLLATE "C"), ' ', '') FROM unnest(about) AS a) THEN
        PERFORM sc_api.invalid(field, 'password_too_common');
    END IF;
END
$$;
COMMENT ON FUNCTION sc.check_password(text, text, text[]) IS
    'notes a field error unless the new password is 8 to 256 characters long and not the first thing to guess; about holds what is known of the user';

CREATE FUNCTION sc.is_common_password(plain text)
RETURNS boolean
LANGUAGE plpgsql IMMUTABLE STRICT PARALLEL SAFE
AS $$
DECLARE
    words CONSTANT text[] := '{password,passw0rd,qwerty,qwertyui,qwertyuiop,asdfghjk,asdfghjkl,zxcvbnm,abcdefgh,letmein,welcome,iloveyou,sunshine,princess,football,baseball,superman,trustno1,starwars,computer,internet,whatever,michelle,jennifer,master,monkey,dragon,shadow,batman,admin,administrator,secret,login,samsung,google,youtube,facebook,instagram,galatasaray,fenerbahce,fenerbahçe,besiktas,beşiktaş,trabzonspor,istanbul,ankara,izmir,turkiye,türkiye,ataturk,atatürk,sifre,şifre,parola,merhaba,seviyorum,askim,aşkım,bebegim,bebeğim,canim,canım,hayat,ogrenci,öğrenci,ogretmen,öğretmen,okul,ders,sinav,sınav,yks,lgs,tyt,deneme}';
    runs CONSTANT text := '01234567890 98765432109 abcdefghijklmnopqrstuvwxyz qwertyuiop asdfghjkl zxcvbnm 1q2w3e4r5t6y7u8i9o0p qazwsxedcrfvtgbyhnujm 1qaz2wsx3edc4rfv5tgb';
BEGIN
    RETURN plain ~ '^(.)\1*$'
        OR plain ~ '^(.{1,4})\1+$'
        OR position(plain IN runs) > 0
        OR regexp_replace(plain, '[0-9._!*?+@#$-]+$', '') = ANY (words)
        OR plain ~ '^[0-9]{8}$';
END
$$;
COMMENT ON FUNCTION sc.is_common_password(text) IS
    'is it among the first that a guesser tries: one thing repeated, a run on the keyboard, a common word with digits after it, a date in eight digits';

CREATE FUNCTION sc.account(user_id bigint)
RETURNS sc_api.account
LANGUAGE plpgsql STABLE STRICT PARALLEL SAFE
AS $$
DECLARE
    a sc_api.account;
BEGIN
    SELECT u.id, u.email, s.student_no, u.full_name, r.name, sc.role_names(u.id), sc.permissions_of(u.id),
           u.locale, u.email_verified_at IS NOT NULL
    INTO a
    FROM sc.users AS u
    JOIN sc.roles AS r ON r.id = u.role_id
    LEFT JOIN sc.students AS s ON s.user_id = u.id
    WHERE u.id = account.user_id;
    RETURN a;
END
$$;
COMMENT ON FUNCTION sc.account(bigint) IS 'the user as told beside a token';

CREATE FUNCTION sc.epoch_ms(at timestamptz)
RETURNS bigint
LANGUAGE plpgsql IMMUTABLE STRICT PARALLEL SAFE
AS $$
BEGIN
    RETURN CASE at WHEN '-infinity' THEN 0 ELSE floor(extract(epoch FROM at) * 1000)::bigint END;
END
$$;
COMMENT ON FUNCTION sc.epoch_ms(timestamptz) IS 'milliseconds since 1970, rounded down; 0 for -infinity';

CREATE FUNCTION sc.touch_session(user_id bigint)
RETURNS void
LANGUAGE plpgsql VOLATILE STRICT PARALLEL UNSAFE
AS $$
DECLARE
    said text;
BEGIN
    SELECT CASE WHEN u.is_active THEN sc.epoch_ms(u.tokens_not_before)::text ELSE 'off' END INTO said
    FROM sc.users AS u WHERE u.id = touch_session.user_id;
    PERFORM sc.touch_key(format('1:session:user:%s:active=%s@%s', touch_session.user_id, coalesce(said, 'off'),
                                sc.setting_int('access_token_seconds')));
END
$$;
COMMENT ON FUNCTION sc.touch_session(bigint) IS
    'tells the shim from which instant on tokens of the user are good, or that none is';

CREATE FUNCTION sc.sign_access(user_id bigint, jti uuid, issued_at timestamptz, expires_at timestamptz)
RETURNS text
LANGUAGE plpgsql VOLATILE STRICT PARALLEL UNSAFE
AS $$
DECLARE
    key record;
    role text;
BEGIN
    SELECT k.secret, k.algorithm, k.kid INTO key FROM sc.signing_keys AS k WHERE k.state = 'active';
    IF NOT FOUND THEN
        PERFORM sc.ensure_signing_keys();
        SELECT k.secret, k.algorithm, k.kid INTO STRICT key FROM sc.signing_keys AS k WHERE k.state = 'active';
    END IF;
    SELECT r.name INTO STRICT role FROM sc.users AS u JOIN sc.roles AS r ON r.id = u.role_id WHERE u.id = sign_access.user_id;
    RETURN sc.access_token(
        format('{"iss":%s,"aud":%s,"sub":"%s","jti":"%s","role":%s,"iat":%s,"exp":%s,"iat_ms":%s}',
               to_json(sc.setting('jwt_issuer')), to_json(sc.setting('jwt_audience')),
               sign_access.user_id, sign_access.jti, to_json(role),
               floor(extract(epoch FROM issued_at))::bigint, floor(extract(epoch FROM sign_access.expires_at))::bigint,
               sc.epoch_ms(issued_at))::json,
        key.secret, key.algorithm, key.kid);
END
$$;
COMMENT ON FUNCTION sc.sign_access(bigint, uuid, timestamptz, timestamptz) IS 'makes an access token for a user with the active key';

CREATE FUNCTION sc.issue_tokens(user_id bigint, session_id uuid, refresh_token text)
RETURNS sc_api.token_answer
LANGUAGE plpgsql VOLATILE STRICT PARALLEL UNSAFE
AS $$
DECLARE
    life int := sc.setting_int('access_token_seconds');
    at timestamptz;
    ends timestamptz;
    new_jti uuid := gen_random_uuid();
    answer sc_api.token_answer;
BEGIN
    -- whole milliseconds, since what the token says must be what is stored, and
    -- never the one in which all earlier tokens became void
    SELECT greatest(date_trunc('milliseconds', clock_timestamp()),
                    date_trunc('milliseconds', u.tokens_not_before) + interval '1 millisecond')
    INTO at FROM sc.users AS u WHERE u.id = issue_tokens.user_id;
    ends := date_trunc('second', at) + make_interval(secs => life);

    INSERT INTO sc.refresh_tokens (token_hash, session_id, access_jti, access_expires_at, created_at, expires_at)
    SELECT sc.token_hash(issue_tokens.refresh_token), s.id, new_jti, ends, at,
           least(s.expires_at, at + make_interval(days => sc.setting_int('refresh_token_days')))
    FROM sc.sessions AS s WHERE s.id = issue_tokens.session_id;

    answer.access_token := sc.sign_access(issue_tokens.user_id, new_jti, at, ends);
    answer.refresh_token := issue_tokens.refresh_token;
    answer.token_type := 'Bearer';
    answer.expires_in := life;
    answer."user" := sc.account(issue_tokens.user_id);
    PERFORM sc.touch_session(issue_tokens.user_id);
    RETURN answer;
END
$$;
COMMENT ON FUNCTION sc.issue_tokens(bigint, uuid, text) IS 'stores a refresh token of a session and makes the answer that carries it';

CREATE FUNCTION sc.open_session(user_id bigint, ctx jsonb)
RETURNS sc_api.token_answer
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
AS $$
DECLARE
    session_id uuid;
BEGIN
    INSERT INTO sc.sessions (user_id, ip, user_agent, secret, expires_at)
    VALUES (open_session.user_id, sc.ctx_ip(ctx), left(ctx ->> 'user_agent', 300), sha256(convert_to(sc.random_token(), 'UTF8')),
            clock_timestamp() + make_interval(days => sc.setting_int('session_days')))
    RETURNING id INTO session_id;
    UPDATE sc.users SET last_login_at = clock_timestamp() WHERE id = open_session.user_id;
    RETURN sc.issue_tokens(open_session.user_id, session_id, sc.random_token());
END
$$;
COMMENT ON FUNCTION sc.open_session(bigint, jsonb) IS 'begins a session for a user who has proved who it is';

CREATE FUNCTION sc.ctx_ip(ctx jsonb)
RETURNS inet
LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE
AS $$
BEGIN
    RETURN (ctx ->> 'ip')::inet;
EXCEPTION
    WHEN invalid_text_representation THEN
        RETURN NULL;
END
$$;
COMMENT ON FUNCTION sc.ctx_ip(jsonb) IS 'address that a request came from; NULL if there is none or it is no address';

CREATE FUNCTION sc.end_session(session_id uuid, reason text)
RETURNS boolean
LANGUAGE plpgsql VOLATILE STRICT PARALLEL UNSAFE
AS $$
DECLARE
    owner bigint;
    token record;
BEGIN
    UPDATE sc.sessions SET revoked_at = clock_timestamp(), revoke_reason = reason
    WHERE id = end_session.session_id AND revoked_at IS NULL
    RETURNING user_id INTO owner;
    IF NOT FOUND THEN
        RETURN false;
    END IF;
    FOR token IN
        INSERT INTO sc.revoked_tokens (jti, user_id, expires_at)
        SELECT r.access_jti, owner, r.access_expires_at
        FROM sc.refresh_tokens AS r
        WHERE r.session_id = end_session.session_id AND r.access_expires_at > clock_timestamp()
        ON CONFLICT DO NOTHING
        RETURNING jti, expires_at
    LOOP
        PERFORM sc.touch_key(format('1:session:jwt:blacklist:%s=1@%s', token.jti,
                                    greatest(1, ceil(extract(epoch FROM token.expires_at - clock_timestamp())))::int));
    END LOOP;
    RETURN true;
END
$$;
COMMENT ON FUNCTION sc.end_session(uuid, text) IS
    'ends one session: its refresh tokens are void, its access tokens are revoked; false if it was not live';

CREATE FUNCTION sc.end_all_sessions(user_id bigint, reason text)
RETURNS void
LANGUAGE plpgsql VOLATILE STRICT PARALLEL UNSAFE
AS $$
BEGIN
    -- the user first, against log-ins; then the sessions, against refreshes;
    -- whatever either of them issued meanwhile lies before the instant set last
    PERFORM FROM sc.users AS u WHERE u.id = end_all_sessions.user_id FOR NO KEY UPDATE;
    UPDATE sc.sessions AS s SET revoked_at = clock_timestamp(), revoke_reason = reason
    WHERE s.user_id = end_all_sessions.user_id AND s.revoked_at IS NULL;
    UPDATE sc.users SET tokens_not_before = clock_timestamp() WHERE id = end_all_sessions.user_id;
    PERFORM sc.touch_session(end_all_sessions.user_id);
END
$$;
COMMENT ON FUNCTION sc.end_all_sessions(bigint, text) IS 'ends every session of a user; all access tokens issued so far are void';

CREATE FUNCTION sc.clean_sessions()
RETURNS bigint
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
AS $$
DECLARE
    at timestamptz := clock_timestamp();
    n bigint;
    total bigint := 0;
BEGIN
    DELETE FROM sc.sessions AS s
    WHERE s.expires_at < at - interval '1 day' OR s.revoked_at < at - interval '30 days'
       OR s.last_used_at < at - make_interval(days => sc.setting_int('refresh_token_days') + 1);
    GET DIAGNOSTICS n = ROW_COUNT;
    total := total + n;
    -- a used token is kept while its reuse must be noticed: as long as it would have lived
    DELETE FROM sc.refresh_tokens AS r WHERE r.expires_at < at;
    GET DIAGNOSTICS n = ROW_COUNT;
    total := total + n;
    DELETE FROM sc.revoked_tokens AS r WHERE r.expires_at < at - interval '1 hour';
    GET DIAGNOSTICS n = ROW_COUNT;
    total := total + n;
    DELETE FROM sc.user_tokens AS t WHERE t.expires_at < at - interval '30 days';
    GET DIAGNOSTICS n = ROW_COUNT;
    total := total + n;
    DELETE FROM sc.login_guards AS g WHERE g.last_failed_at < at - interval '1 day';
    GET DIAGNOSTICS n = ROW_COUNT;
    RETURN total + n;
END
$$;
COMMENT ON FUNCTION sc.clean_sessions() IS
    'removes sessions, tokens and guards that are of no use any more; returns how many rows; to be run daily';

-- JSON Web Tokens, opaque tokens, signing keys.

CREATE FUNCTION sc.jwt_sign(payload json, secret text, algorithm text DEFAULT 'HS256')
RETURNS text
LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE
AS 'MODULE_PATHNAME', 'sc_jwt_sign';
COMMENT ON FUNCTION sc.jwt_sign(json, text, text) IS
    'makes a compact JSON Web Token, signed with HS256, HS384 or HS512';

CREATE FUNCTION sc.jwt_verify(token text, secret text, algorithm text DEFAULT 'HS256',
                              OUT header json, OUT payload json, OUT valid boolean)
LANGUAGE C STABLE STRICT PARALLEL SAFE
AS 'MODULE_PATHNAME', 'sc_jwt_verify';
COMMENT ON FUNCTION sc.jwt_verify(text, text, text) IS
    'reads a token; valid only if the signature fits, the header names the algorithm asked for, and exp and nbf allow it. Never an error: a malformed token gives NULL, NULL, false';

CREATE FUNCTION sc.access_token(claims json, secret bytea, algorithm text, kid text)
RETURNS text
LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE
AS 'MODULE_PATHNAME', 'sc_access_token';
COMMENT ON FUNCTION sc.access_token(json, bytea, text, text) IS
    'signs the claims with a signing key and names the key in the header';

CREATE FUNCTION sc.random_token()
RETURNS text
LANGUAGE C VOLATILE STRICT PARALLEL SAFE
AS 'MODULE_PATHNAME', 'sc_random_token';
COMMENT ON FUNCTION sc.random_token() IS '256 random bits as 43 characters that need no escaping in an address';

CREATE FUNCTION sc.random_code()
RETURNS text
LANGUAGE C VOLATILE STRICT PARALLEL SAFE
AS 'MODULE_PATHNAME', 'sc_random_code';
COMMENT ON FUNCTION sc.random_code() IS '60 random bits as a code to print and type, such as K7PM-X3QW-RT4N';

CREATE FUNCTION sc.derive_token(secret bytea, token text)
RETURNS text
LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE
AS 'MODULE_PATHNAME', 'sc_derive_token';
COMMENT ON FUNCTION sc.derive_token(bytea, text) IS
    'a token that only the holder of both the secret and the given token can know (HMAC-SHA-256)';

CREATE FUNCTION sc.token_hash(token text)
RETURNS bytea
LANGUAGE plpgsql IMMUTABLE STRICT PARALLEL SAFE
AS $$
BEGIN
    RETURN sha256(convert_to(token, 'UTF8'));
END
$$;
COMMENT ON FUNCTION sc.token_hash(text) IS 'what is stored of a token';

CREATE FUNCTION sc.make_signing_key(state text, algorithm text DEFAULT 'HS256')
RETURNS text
LANGUAGE plpgsql VOLATILE STRICT PARALLEL UNSAFE
AS $$
DECLARE
    made text;
BEGIN
    INSERT INTO sc.signing_keys (kid, secret, algorithm, state, activated_at)
    VALUES (left(sc.random_token(), 16),
            sha256(convert_to(sc.random_token(), 'UTF8')) || sha256(convert_to(sc.random_token(), 'UTF8')),
            make_signing_key.algorithm, make_signing_key.state,
            CASE WHEN make_signing_key.state = 'active' THEN clock_timestamp() END)
    RETURNING kid INTO made;
    RETURN made;
END
$$;
COMMENT ON FUNCTION sc.make_signing_key(text, text) IS 'makes a signing key in the given state; returns its name';

CREATE FUNCTION sc.ensure_signing_keys()
RETURNS void
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
AS $$
BEGIN
    IF EXISTS (SELECT FROM sc.signing_keys AS k WHERE k.state = 'active')
       AND EXISTS (SELECT FROM sc.signing_keys AS k WHERE k.state = 'next') THEN
        RETURN;
    END IF;
    -- two backends may find none at the same time
    LOCK TABLE sc.signing_keys IN SHARE ROW EXCLUSIVE MODE;
    IF NOT EXISTS (SELECT FROM sc.signing_keys AS k WHERE k.state = 'active') THEN
        PERFORM sc.make_signing_key('active');
    END IF;
    IF NOT EXISTS (SELECT FROM sc.signing_keys AS k WHERE k.state = 'next') THEN
        PERFORM sc.make_signing_key('next');
    END IF;
END
$$;
COMMENT ON FUNCTION sc.ensure_signing_keys() IS
    'makes the active and the next signing key if they are missing, as in a new database';

CREATE FUNCTION sc.rotate_signing_key()
RETURNS text
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
AS $$
DECLARE
    active_kid text;
BEGIN
    PERFORM sc.ensure_signing_keys();
    LOCK TABLE sc.signing_keys IN SHARE ROW EXCLUSIVE MODE;
    UPDATE sc.signing_keys SET state = 'retired', retired_at = clock_timestamp() WHERE state = 'active';
    UPDATE sc.signing_keys SET state = 'active', activated_at = clock_timestamp()
    WHERE kid = (SELECT k.kid FROM sc.signing_keys AS k WHERE k.state = 'next' ORDER BY k.created_at, k.kid LIMIT 1)
    RETURNING kid INTO active_kid;
    PERFORM sc.make_signing_key('next');
    -- a retired key is of use until the last token signed with it has expired
    DELETE FROM sc.signing_keys
    WHERE state = 'retired'
      AND retired_at < clock_timestamp() - make_interval(secs => sc.setting_int('access_token_seconds')) - interval '1 hour';
    RETURN active_kid;
END
$$;
COMMENT ON FUNCTION sc.rotate_signing_key() IS
    'next becomes active, active becomes retired, a new next is made; returns the name of the active key. Tokens signed before stay good';

CREATE TYPE sc_api.signing_key AS (kid text, secret bytea, algorithm text, state text);
COMMENT ON TYPE sc_api.signing_key IS 'a key of access tokens';

CREATE FUNCTION sc_api.signing_keys(production boolean DEFAULT false)
RETURNS SETOF sc_api.signing_key
LANGUAGE plpgsql VOLATILE SECURITY DEFINER PARALLEL UNSAFE
SET search_path = pg_catalog, sc, pg_temp
AS $$
BEGIN
    -- everybody knows the demo's password; no real address ends like this (RFC 6761)
    IF production AND EXISTS (SELECT FROM sc.users AS u WHERE u.is_active AND u.email LIKE '%@demo.test' AND u.password_hash IS NOT NULL) THEN
        RAISE EXCEPTION USING ERRCODE = 'SCDEM',
            MESSAGE = 'the demo''s accounts are open: UPDATE sc.users SET is_active = false WHERE email LIKE ''%@demo.test''';
    END IF;
    PERFORM sc.ensure_signing_keys();
    RETURN QUERY SELECT k.kid, k.secret, k.algorithm, k.state FROM sc.signing_keys AS k ORDER BY k.created_at, k.kid;
END
$$;
COMMENT ON FUNCTION sc_api.signing_keys(boolean) IS
    'the keys that access tokens may be signed with; for the shim alone. In production none (SCDEM) while accounts of the demo can log in';

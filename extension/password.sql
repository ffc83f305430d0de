-- Password hashes.

CREATE FUNCTION sc.password_hash(password text)
RETURNS text
LANGUAGE C VOLATILE STRICT PARALLEL SAFE COST 1000000
AS 'MODULE_PATHNAME', 'sc_password_hash';
COMMENT ON FUNCTION sc.password_hash(text) IS
    'hashes a password: Argon2id, a PHC string with a salt of its own (m=19456, t=2, p=1)';

CREATE FUNCTION sc.password_verify(password text, hash text)
RETURNS boolean
LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE COST 1000000
AS 'MODULE_PATHNAME', 'sc_password_verify';
COMMENT ON FUNCTION sc.password_verify(text, text) IS
    'does the password fit the hash? Knows Argon2id, Werkzeug''s pbkdf2 and scrypt, and bcrypt; a hash in another form fits nothing';

CREATE FUNCTION sc.password_needs_rehash(hash text)
RETURNS boolean
LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE
AS 'MODULE_PATHNAME', 'sc_password_needs_rehash';
COMMENT ON FUNCTION sc.password_needs_rehash(text) IS
    'was the hash made in another way than password_hash() makes them now?';

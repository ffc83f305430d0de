\echo Use "CREATE EXTENSION student_coach" to load this file. \quit

-- Roles belong to the cluster, not to the database: make what is missing, so
-- that a dump restores into a new cluster too.
DO $roles$
DECLARE
    r text;
BEGIN
    FOREACH r IN ARRAY ARRAY['sc_owner', 'sc_app', 'sc_app_slow', 'sc_worker', 'sc_reader'] LOOP
        IF NOT EXISTS (SELECT FROM pg_catalog.pg_roles WHERE rolname = r) THEN
            EXECUTE format('CREATE ROLE %I %s', r,
                           CASE WHEN r IN ('sc_owner', 'sc_reader') THEN 'NOLOGIN' ELSE 'LOGIN' END);
        END IF;
    END LOOP;
    -- A pooler between us does not pass what a client asks for when it connects,
    -- so the limits belong to the roles; what the administrator set stays.
    FOR r IN
        SELECT format('ALTER ROLE %I SET %s = %L', x.role, x.name, x.value)
        FROM (VALUES ('sc_app', 'statement_timeout', '5s'), ('sc_app', 'lock_timeout', '4s'),
                     ('sc_app', 'idle_in_transaction_session_timeout', '60s'), ('sc_app', 'jit', 'off'),
                     ('sc_app_slow', 'statement_timeout', '30s'),
                     ('sc_app_slow', 'idle_in_transaction_session_timeout', '60s'), ('sc_app_slow', 'jit', 'off'),
                     ('sc_worker', 'jit', 'off')) AS x(role, name, value)
        WHERE NOT EXISTS (
            SELECT FROM pg_catalog.pg_db_role_setting AS s, unnest(s.setconfig) AS c
            WHERE s.setrole = x.role::regrole AND s.setdatabase = 0 AND c LIKE x.name || '=%')
    LOOP
        EXECUTE r;
    END LOOP;
END
$roles$;

CREATE SCHEMA sc_api;
COMMENT ON SCHEMA sc_api IS 'what the HTTP shim calls: dispatch and the handlers of the routes';

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
END
$roles$;

CREATE SCHEMA sc_api;
COMMENT ON SCHEMA sc_api IS 'what the HTTP shim calls: dispatch and the handlers of the routes';

-- Versions: of the code, which the extension carries, and of the tables.
--
-- The two can differ: a dump of last year under this year's extension, or a
-- new extension over the old tables.  sc.schema_version says what the tables
-- are.  The server reads its routes first, and check_schema() keeps it from
-- working on tables of another version.
--
-- install() makes what is missing, but IF NOT EXISTS adds no column to a table
-- that is there.  A release that needs more brings a step: a function
-- sc.migrate_to_1_1() without arguments, which turns the tables of the release
-- before into those of 1.1.  migrate() finds the steps by their names, runs
-- those that are due in the order of their versions, and then install().

CREATE FUNCTION sc.version()
RETURNS text
LANGUAGE plpgsql STABLE PARALLEL SAFE
AS $$
BEGIN
    RETURN (SELECT e.extversion FROM pg_catalog.pg_extension AS e WHERE e.extname = 'student_coach');
END
$$;
COMMENT ON FUNCTION sc.version() IS 'version of the extension, that is of the code';

CREATE FUNCTION sc.version_order(version text)
RETURNS int[]
LANGUAGE plpgsql IMMUTABLE STRICT PARALLEL SAFE
AS $$
BEGIN
    RETURN string_to_array(version, '.')::int[];
END
$$;
COMMENT ON FUNCTION sc.version_order(text) IS 'a version as numbers, by which versions are compared: 1.10 comes after 1.9';

CREATE FUNCTION sc.tables_version()
RETURNS text
LANGUAGE plpgsql STABLE PARALLEL SAFE
AS $$
BEGIN
    IF to_regclass('sc.schema_version') IS NULL THEN
        RETURN NULL;
    END IF;
    RETURN (SELECT v.version FROM sc.schema_version AS v ORDER BY sc.version_order(v.version) DESC LIMIT 1);
END
$$;
COMMENT ON FUNCTION sc.tables_version() IS 'version of the tables; NULL when there are none';

CREATE FUNCTION sc.check_schema()
RETURNS void
LANGUAGE plpgsql STABLE PARALLEL SAFE
AS $$
DECLARE
    code text := sc.version();
    tables text := sc.tables_version();
BEGIN
    IF tables = code THEN
        RETURN;
    END IF;
    RAISE EXCEPTION USING ERRCODE = 'SCVER', MESSAGE = CASE
        WHEN tables IS NULL THEN 'there are no tables yet: run SELECT sc.install()'
        WHEN sc.version_order(tables) < sc.version_order(code) THEN
            format('the tables are of version %s, the extension is of version %s: run SELECT sc.migrate()', tables, code)
        ELSE format('the tables are of version %s, the extension is of version %s: install the newer extension', tables, code) END;
END
$$;
COMMENT ON FUNCTION sc.check_schema() IS 'raises SCVER when the tables are not of the version of the code, and says what to do';

CREATE FUNCTION sc.migrate()
RETURNS text
LANGUAGE plpgsql VOLATILE
SET search_path = pg_catalog, pg_temp
SET client_min_messages = warning
AS $$
DECLARE
    code text := sc.version();
    tables text;
    step record;
BEGIN
    PERFORM pg_advisory_xact_lock(hashtext('sc.migrate'));
    tables := sc.tables_version();
    IF sc.version_order(tables) < sc.version_order(code) THEN
        FOR step IN
            WITH steps AS MATERIALIZED (
                SELECT p.proname, replace(substr(p.proname, length('migrate_to_') + 1), '_', '.') AS version
                FROM pg_proc AS p
                WHERE p.pronamespace = 'sc'::regnamespace AND p.proname ~ '^migrate_to_[0-9]+(_[0-9]+)*$' AND p.pronargs = 0
            )
            SELECT s.proname, s.version
            FROM steps AS s
            WHERE sc.version_order(s.version) > sc.version_order(tables) AND sc.version_order(s.version) <= sc.version_order(code)
            ORDER BY sc.version_order(s.version)
        LOOP
            EXECUTE format('SELECT sc.%I()', step.proname);
            INSERT INTO sc.schema_version (version) VALUES (step.version);
        END LOOP;
        INSERT INTO sc.schema_version (version) VALUES (code) ON CONFLICT DO NOTHING;
    END IF;
    RETURN sc.install();
END
$$;
COMMENT ON FUNCTION sc.migrate() IS
    'brings tables of an older version up to that of the extension, all or nothing, and then installs what is missing; makes everything where there is nothing; returns the schema version';

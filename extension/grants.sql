-- Who owns what, and who may call what.  sc_owner owns everything but the
-- schema sc, and logs in nowhere; PUBLIC may execute nothing; the entry points
-- run as their owner.

CREATE SCHEMA sc_report;
COMMENT ON SCHEMA sc_report IS 'views for analysts: no secret, no contact data';

DO $grants$
DECLARE
    o record;
BEGIN
    FOR o IN
        SELECT format('ALTER ROUTINE %s OWNER TO sc_owner', p.oid::regprocedure) AS own,
               format('REVOKE ALL ON ROUTINE %s FROM PUBLIC', p.oid::regprocedure) AS revoke
        FROM pg_catalog.pg_depend AS d
        JOIN pg_catalog.pg_extension AS e ON e.oid = d.refobjid AND e.extname = 'student_coach'
        JOIN pg_catalog.pg_proc AS p ON p.oid = d.objid
        WHERE d.refclassid = 'pg_catalog.pg_extension'::regclass AND d.classid = 'pg_catalog.pg_proc'::regclass
          AND d.deptype = 'e'
    LOOP
        EXECUTE o.own;
        EXECUTE o.revoke;
    END LOOP;
    FOR o IN
        SELECT format('ALTER TYPE %s OWNER TO sc_owner', t.oid::regtype) AS own
        FROM pg_catalog.pg_depend AS d
        JOIN pg_catalog.pg_extension AS e ON e.oid = d.refobjid AND e.extname = 'student_coach'
        JOIN pg_catalog.pg_type AS t ON t.oid = d.objid AND t.typtype IN ('c', 'e', 'd')
        WHERE d.refclassid = 'pg_catalog.pg_extension'::regclass AND d.classid = 'pg_catalog.pg_type'::regclass
          AND d.deptype = 'e'
    LOOP
        EXECUTE o.own;
    END LOOP;
END
$grants$;

-- sc is not part of the extension: a dump makes it, and names its owner, before
-- the extension makes the roles of a new cluster.
ALTER SCHEMA sc OWNER TO CURRENT_USER;
GRANT CREATE, USAGE ON SCHEMA sc TO sc_owner;
ALTER SCHEMA sc_api OWNER TO sc_owner;
ALTER SCHEMA sc_report OWNER TO sc_owner;

-- Whatever sc_owner makes later is closed too.
ALTER DEFAULT PRIVILEGES FOR ROLE sc_owner REVOKE EXECUTE ON FUNCTIONS FROM PUBLIC;

-- They make the tables as sc_owner, whoever calls them.
ALTER FUNCTION sc.install() SECURITY DEFINER;
ALTER FUNCTION sc.migrate() SECURITY DEFINER;

-- The entry points of the shim are the SECURITY DEFINER functions of sc_api.
GRANT USAGE ON SCHEMA sc_api TO sc_app, sc_app_slow;
DO $entry$
DECLARE
    f regprocedure;
BEGIN
    FOR f IN
        SELECT p.oid FROM pg_catalog.pg_proc AS p
        WHERE p.pronamespace = 'sc_api'::regnamespace AND p.prosecdef
    LOOP
        EXECUTE format('GRANT EXECUTE ON FUNCTION %s TO sc_app, sc_app_slow', f);
    END LOOP;
END
$entry$;

GRANT USAGE ON SCHEMA sc, sc_report TO sc_reader;

-- Analysts run the formulae on any data of theirs.
GRANT EXECUTE ON FUNCTION
    sc.net(int, int, numeric),
    sc.grade(text, jsonb, jsonb),
    sc.random_guess_score(text, jsonb, jsonb),
    sc.item_analysis(float8[], float8[]),
    sc.test_analysis(float8[], float8[]),
    sc.test_moments(float8),
    sc.item_moments(float8, float8)
TO sc_reader;

-- What analysts may call; the functions that read tables run as their owner.
GRANT EXECUTE ON FUNCTION sc.coverage(int4range), sc.coverage(int4multirange), sc.coverage_seconds(int4multirange),
    sc.is_enrolled(bigint, bigint, timestamptz), sc.video_access(bigint, bigint, timestamptz),
    sc.course_progress(bigint, bigint), sc.course_progress_of_students(bigint), sc.course_progress_of_user(bigint),
    sc.stats_daily(date) TO sc_reader;

-- upkeep: the worker's, or a timer's
GRANT USAGE ON SCHEMA sc TO sc_worker;
GRANT EXECUTE ON FUNCTION sc.upkeep_minute(timestamptz), sc.upkeep_daily() TO sc_worker;

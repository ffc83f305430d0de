-- Versions of code and tables, and the steps between them. The tables here
-- play those of release 0.8, whose seasons called their last day otherwise.
BEGIN;
SET LOCAL client_min_messages = warning;
CREATE FUNCTION pg_temp.refusal(call text) RETURNS text LANGUAGE plpgsql AS $$
BEGIN
    EXECUTE call;
    RETURN 'not refused';
EXCEPTION WHEN OTHERS THEN
    RETURN SQLSTATE || ' ' || replace(SQLERRM, sc.version(), 'CODE');
END
$$;

-- 1. what install() has made is of the version of the code
SELECT sc.version() = e.extversion AS code, sc.tables_version() = e.extversion AS tables
FROM pg_extension AS e WHERE e.extname = 'student_coach';
SELECT sc.check_schema();
SELECT v FROM unnest('{1.10,1.9,0.10,1.9.1,2}'::text[]) AS v ORDER BY sc.version_order(v);

-- 2. with older tables the server does not start, and install() does not hide it
UPDATE sc.schema_version SET version = '0.8';
ALTER TABLE sc.seasons RENAME COLUMN ends_on TO last_day;
SELECT pg_temp.refusal('SELECT sc.check_schema()');
SELECT pg_temp.refusal('SELECT sc_api.routes()');
SELECT pg_temp.refusal('SELECT sc.install()');

-- 3. a step that fails undoes those before it
CREATE TABLE sc.ran (step text);
CREATE FUNCTION sc.migrate_to_0_9() RETURNS void LANGUAGE plpgsql AS $$
BEGIN INSERT INTO sc.ran VALUES ('0.9'); ALTER TABLE sc.seasons RENAME COLUMN last_day TO end_day; END $$;
CREATE FUNCTION sc.migrate_to_0_10() RETURNS void LANGUAGE plpgsql AS $$
BEGIN INSERT INTO sc.ran VALUES ('0.10'); PERFORM 1 / 0; END $$;
GRANT ALL ON sc.ran TO sc_owner;
SELECT pg_temp.refusal('SELECT sc.migrate()');
SELECT step FROM sc.ran;
SELECT version FROM sc.schema_version;

-- 4. steps run in the order of their versions, and only those that are due
CREATE OR REPLACE FUNCTION sc.migrate_to_0_10() RETURNS void LANGUAGE plpgsql AS $$
BEGIN INSERT INTO sc.ran VALUES ('0.10'); ALTER TABLE sc.seasons RENAME COLUMN end_day TO ends_on; END $$;
CREATE FUNCTION sc.migrate_to_0_8() RETURNS void LANGUAGE plpgsql AS 'BEGIN INSERT INTO sc.ran VALUES (''0.8, too early''); END';
CREATE FUNCTION sc.migrate_to_99_0() RETURNS void LANGUAGE plpgsql AS 'BEGIN INSERT INTO sc.ran VALUES (''99.0, too late''); END';
CREATE FUNCTION sc.migrate_to_0_10_1(int) RETURNS void LANGUAGE plpgsql AS 'BEGIN INSERT INTO sc.ran VALUES (''no step''); END';
SELECT sc.migrate() = sc.version() AS migrated;
SELECT step FROM sc.ran;
SELECT replace(version, sc.version(), 'CODE') AS version FROM sc.schema_version ORDER BY sc.version_order(version);
SELECT count(*) AS columns FROM pg_attribute WHERE attrelid = 'sc.seasons'::regclass AND attname = 'ends_on' AND NOT attisdropped;
SELECT count(*) > 0 AS served FROM sc_api.routes();

-- 5. again: nothing to do
SELECT sc.migrate() = sc.version() AS migrated;
SELECT count(*) FROM sc.ran;

-- 6. older code does not touch newer tables
INSERT INTO sc.schema_version (version) VALUES ('99.1');
SELECT pg_temp.refusal('SELECT sc_api.routes()');
SELECT pg_temp.refusal('SELECT sc.install()');
SELECT pg_temp.refusal('SELECT sc.migrate()');
ROLLBACK;

-- 7. no tables at all
BEGIN;
ALTER TABLE sc.schema_version RENAME TO schema_version_away;
SELECT sc.tables_version() IS NULL AS none;
DO $$ BEGIN PERFORM sc.check_schema(); EXCEPTION WHEN SQLSTATE 'SCVER' THEN RAISE NOTICE '%', SQLERRM; END $$;
ROLLBACK;

#!/bin/sh
# The script of ALTER EXTENSION … UPDATE to this release, from any other: what
# the extension consists of is dropped and made again. Tables are not part of
# it; what hangs on its functions (triggers, the views of sc_report) goes too,
# and sc.migrate(), which has to follow, makes it again.
#
# usage: update.sh BUILT_SCRIPT
set -eu

cat <<'SQL'
\echo Use "ALTER EXTENSION student_coach UPDATE" to load this file. \quit
SET LOCAL client_min_messages = warning;
DO $drop$
DECLARE
    part record;
BEGIN
    FOR part IN
        SELECT CASE d.classid WHEN 'pg_catalog.pg_proc'::regclass THEN 'ROUTINE'
                              WHEN 'pg_catalog.pg_type'::regclass THEN 'TYPE'
                              WHEN 'pg_catalog.pg_class'::regclass THEN 'TYPE'
                              ELSE i.type END AS kind, i.identity
        FROM pg_catalog.pg_depend AS d
        JOIN pg_catalog.pg_extension AS e ON e.oid = d.refobjid AND e.extname = 'student_coach'
        CROSS JOIN LATERAL pg_catalog.pg_identify_object(d.classid, d.objid, d.objsubid) AS i
        WHERE d.refclassid = 'pg_catalog.pg_extension'::regclass AND d.deptype = 'e'
        ORDER BY d.objid DESC
    LOOP
        EXECUTE format('DROP %s IF EXISTS %s CASCADE', part.kind, part.identity);
    END LOOP;
END
$drop$;
SQL
cat "$1"

#!/bin/sh
# Assemble the extension script: functions, then the schema fragments wrapped
# into sc.install(), then owners and grants.
#
# usage: assemble.sh 'function parts' 'schema parts' 'last parts'
set -eu

parts() {
    for f in $1; do
        printf -- '-- %s\n' "$f"
        cat "$f"
        printf '\n'
    done
}

parts "$1"

cat <<'SQL'
CREATE FUNCTION sc.install()
RETURNS text
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
SET client_min_messages = warning
AS $install$
BEGIN
    IF sc.tables_version() <> sc.version() THEN
        PERFORM sc.check_schema();
    END IF;
SQL
parts "$2"
cat <<'SQL'
    RETURN sc.tables_version();
END
$install$;
COMMENT ON FUNCTION sc.install() IS
    'makes the tables, indexes, triggers, views, seeds and routes that are missing; safe to run again; refuses tables of another version (see migrate()); returns the schema version';
SQL

parts "$3"

#!/bin/bash
# Ticks the upkeep where no timer of the operating system does:
# sc.upkeep_minute() every so many seconds, sc.upkeep_daily() at the start and
# then once a day. A line says what they did, if there was anything to do.
# While the database is away, the next tick tries again.
#
# usage: upkeep.sh [SECONDS]
# PSQL is the psql to use; PGHOST and the like say where to.
set -u
seconds=${1:-60}
child=
trap 'kill $child 2>/dev/null; exit 0' TERM INT

# In the background, so that a signal need not wait for the end of it.
run() {
    "$@" &
    child=$!
    wait "$child"
}

tick() {
    run "${PSQL:-psql}" -X -q -A -t -F ' ' -v ON_ERROR_STOP=1 -c "$1"
}

next_daily=0
while :; do
    tick "SELECT to_char(clock_timestamp(), 'YYYY-MM-DD HH24:MI:SS OF'), 'closed', closed, 'scored', scored, 'folded', folded
          FROM sc.upkeep_minute() WHERE closed + scored + folded > 0"
    if ((SECONDS >= next_daily)) &&
        tick "SELECT to_char(clock_timestamp(), 'YYYY-MM-DD HH24:MI:SS OF'), 'partitions', partitions_made, 'enrolments expired', enrollments_expired
              FROM sc.upkeep_daily()"; then
        next_daily=$((SECONDS + 86400))
    fi
    run sleep "$seconds"
done

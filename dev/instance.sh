# shellcheck shell=bash
# One private instance: its folders, PostgreSQL, Redis and coachd. Sourced by
# the launcher; everything here is safe to call again.
#
# The folder of an instance ($VAR):
#   pg/        a copy of Debian's PostgreSQL with the extension installed in it,
#              so that two instances never fight over one student_coach.so
#   data/      the database cluster
#   bin/       coachd, its keeper and the upkeep, as last built
#   run/       sockets, pids, settings; readable by the owner alone
#   log/       what they say
# PostgreSQL refuses to run as root: root's instance belongs to user postgres.

: "${TOP:?}"
PG_MAJOR=15
DATABASE=coach
DEMO_PASSWORD=deneme-sifresi-1

die() {
    echo "coach: $*" >&2
    exit 1
}

# instance_paths: sets VAR, RUN, LOG, PGBIN and OWNER.
instance_paths() {
    VAR=$(readlink -m "${COACH_VAR:-$TOP/var}")
    OWNER=$(id -un)
    if [ "$(id -u)" = 0 ]; then
        OWNER=postgres
        if [ -z "${COACH_VAR:-}" ] && ! reachable "$TOP"; then
            VAR=/var/lib/student_coach/$(printf %s "$TOP" | cksum | cut -d ' ' -f 1)
        fi
    fi
    PGBIN=$VAR/pg/usr/lib/postgresql/$PG_MAJOR/bin
    LOG=$VAR/log
    RUN=$VAR/run
    # A socket's path has at most 107 bytes.
    if [ ${#RUN} -gt 70 ]; then
        RUN=/tmp/coach.$(printf %s "$VAR" | cksum | cut -d ' ' -f 1)
    fi
}

# Can the owner enter this folder and everything above it?
reachable() {
    id "$OWNER" >/dev/null 2>&1 || return 0
    setpriv --reuid="$OWNER" --regid="$OWNER" --init-groups test -x "$1" 2>/dev/null
}

as_owner() {
    if [ "$(id -un)" = "$OWNER" ]; then
        "$@"
    else
        setpriv --reuid="$OWNER" --regid="$OWNER" --init-groups -- "$@"
    fi
}

# instance_lock: one launcher at a time in one instance.
instance_lock() {
    mkdir -p "$VAR" "$LOG" "$VAR/bin" "$RUN"
    chmod 755 "$VAR"
    chmod 700 "$RUN"
    if [ "$(id -u)" = 0 ]; then
        chown "$OWNER": "$VAR" "$LOG" "$RUN"
        reachable "$VAR" || die "user $OWNER cannot enter $VAR: set COACH_VAR to another folder"
    fi
    [ "$(stat -c %U "$RUN")" = "$OWNER" ] || die "$RUN belongs to somebody else"
    exec 8>"$VAR/lock"
    flock -w 120 8 || die "another launcher is at work in $VAR"
}

# running_pid NAME: prints the pid, fails if the process is gone.
running_pid() {
    local pid file
    case $1 in
        postgresql) file=$VAR/data/postmaster.pid ;;
        *) file=$RUN/$1.pid ;;
    esac
    [ -r "$file" ] || return 1
    read -r pid <"$file" || return 1
    ! gone "$pid" || return 1
    echo "$pid"
}

# wait_for SECONDS COMMAND...: polls until the command succeeds.
wait_for() {
    local deadline=$((SECONDS + $1))
    shift
    until "$@"; do
        [ $SECONDS -lt $deadline ] || return 1
        sleep 0.05
    done
}

# gone PID: it has ended, be it that nobody has collected it yet.
gone() {
    local state
    state=$(sed -n 's/^State:[[:space:]]*\(.\).*/\1/p' "/proc/$1/status" 2>/dev/null) || return 0
    [ -z "$state" ] || [ "$state" = Z ]
}

# The private copy of PostgreSQL. Debian's build is relocatable: the server
# finds its files relative to its own binary.
postgres_tree() {
    local lib=$VAR/pg/usr/lib/postgresql share=$VAR/pg/usr/share/postgresql
    if [ -e "$VAR/pg/complete" ] && [ "$VAR/pg/complete" -nt "/usr/lib/postgresql/$PG_MAJOR/bin/postgres" ]; then
        return
    fi
    rm -rf "$VAR/pg"
    mkdir -p "$lib" "$share" "$VAR/pg/usr/include"
    cp -r "/usr/lib/postgresql/$PG_MAJOR" "$lib/"
    cp -r "/usr/share/postgresql/$PG_MAJOR" "$share/"
    ln -s /usr/include/postgresql "$VAR/pg/usr/include/postgresql"
    touch "$VAR/pg/complete"
}

build_all() {
    postgres_tree
    mkdir -p "$TOP/build"
    (
        flock 7
        make -s -C "$TOP" PG_CONFIG="$PGBIN/pg_config" all
        make -s -C "$TOP" PG_CONFIG="$PGBIN/pg_config" ${SANITIZE:+SANITIZE="$SANITIZE"} shim keeper
        make -s -C "$TOP" PG_CONFIG="$PGBIN/pg_config" docs || true
        make -s -C "$TOP" PG_CONFIG="$PGBIN/pg_config" install >"$TOP/build/install.log" 2>&1 ||
            { cat "$TOP/build/install.log" >&2; exit 1; }
    ) 7>"$TOP/build/.lock"
}

# install_program NAME SOURCE
install_program() {
    if ! cmp -s "$TOP/$2" "$VAR/bin/$1"; then
        install -m 755 "$TOP/$2" "$VAR/bin/$1.new"
        mv "$VAR/bin/$1.new" "$VAR/bin/$1"
        CHANGED=1
    fi
}

# install_tree: the daemons run from a copy, so that a build does not pull the
# program from under a running server.
install_tree() {
    install_program coachd "build/coachd${SANITIZE:+-san}"
    install_program coach-keeper build/coach-keeper
    install_program coach-upkeep deploy/upkeep.sh
    if [ -d "$TOP/build/docs" ]; then
        rm -rf "$VAR/docs"
        cp -r "$TOP/build/docs" "$VAR/docs"
    fi
}

postgres_start() {
    local data=$VAR/data
    if [ ! -s "$data/PG_VERSION" ]; then
        rm -rf "$data"
        as_owner "$PGBIN/initdb" -D "$data" -U postgres -A trust -E UTF8 --locale=C.UTF-8 >"$LOG/initdb.log" 2>&1 ||
            { cat "$LOG/initdb.log" >&2; die "initdb failed"; }
        as_owner tee -a "$data/postgresql.conf" >/dev/null <<CONF
include 'coach.conf'
CONF
    fi
    as_owner tee "$data/coach.conf" >/dev/null <<CONF
# Written by the launcher; put your own settings into postgresql.conf below its include.
listen_addresses = ''
unix_socket_directories = '$RUN'
unix_socket_permissions = 0700
max_connections = 100
shared_buffers = 256MB
effective_cache_size = 1GB
work_mem = 8MB
maintenance_work_mem = 128MB
wal_compression = on
max_wal_size = 2GB
random_page_cost = 1.1
jit = off
timezone = 'UTC'
log_timezone = 'UTC'
log_min_duration_statement = 1000
log_line_prefix = '%m [%p] %u %a '
CONF
    if ! running_pid postgresql >/dev/null; then
        as_owner "$PGBIN/pg_ctl" -D "$data" -l "$LOG/postgresql.log" -t 60 -w start >/dev/null 8>&- ||
            { tail -n 20 "$LOG/postgresql.log" >&2; die "PostgreSQL does not start"; }
    fi
}

postgres_stop() {
    if running_pid postgresql >/dev/null; then
        as_owner "$PGBIN/pg_ctl" -D "$VAR/data" -m fast -t 60 -w stop >/dev/null
    fi
}

redis_start() {
    if running_pid redis >/dev/null; then
        return
    fi
    as_owner tee "$RUN/redis.conf" >/dev/null <<CONF
port 0
unixsocket $RUN/redis.sock
unixsocketperm 700
daemonize yes
pidfile $RUN/redis.pid
logfile $LOG/redis.log
dir $RUN
save ""
appendonly no
maxmemory 512mb
maxmemory-policy noeviction
CONF
    rm -f "$RUN/redis.sock" "$RUN/redis.pid"
    as_owner redis-server "$RUN/redis.conf" 8>&-
    wait_for 30 redis_answers || die "Redis does not start: see $LOG/redis.log"
}

redis_answers() {
    running_pid redis >/dev/null && [ "$(redis-cli -s "$RUN/redis.sock" ping 2>/dev/null)" = PONG ]
}

redis_stop() {
    local pid
    if pid=$(running_pid redis); then
        kill "$pid"
        wait_for 10 gone "$pid" || kill -9 "$pid"
    fi
}

# sql [PSQL ARGUMENT...]: as superuser, in the instance's database.
sql() {
    PGHOST=$RUN PGUSER=postgres PGDATABASE=${PGDATABASE:-$DATABASE} \
        "$PGBIN/psql" -X -q -A -t -v ON_ERROR_STOP=1 "$@"
}

# database_prepare: the database, the extension as built, and its tables. A
# changed extension is dropped and made again: the tables are not part of it.
database_prepare() {
    local built have
    if [ "$(PGDATABASE=postgres sql -c "SELECT count(*) FROM pg_database WHERE datname = '$DATABASE'")" = 0 ]; then
        PGDATABASE=postgres sql -c "CREATE DATABASE $DATABASE"
    fi
    built=$(cat "$TOP"/sql/student_coach--*.sql "$TOP/student_coach.control" "$TOP/student_coach.so" | sha256sum | cut -c 1-64)
    have=$(cat "$VAR/extension.sha256" 2>/dev/null || true)
    if [ "$built" = "$have" ] && [ "$(sql -c "SELECT count(*) FROM pg_extension WHERE extname = 'student_coach'")" = 1 ]; then
        return
    fi
    sql -c 'SET client_min_messages = warning' -c 'BEGIN' \
        -c 'DROP EXTENSION IF EXISTS student_coach CASCADE' \
        -c 'CREATE EXTENSION student_coach' \
        -c 'SELECT sc.migrate()' -c 'COMMIT' >/dev/null ||
        die "the database in $VAR does not fit this build; nothing was changed in it"
    echo "$built" >"$VAR/extension.sha256"
    CHANGED=1
}

# demo_load [force]: loads the demo once; "force" loads what is missing of it.
demo_load() {
    if [ "${1:-}" = force ] || [ "$(sql -c 'SELECT count(*) FROM sc.users')" = 0 ]; then
        sql -v password="$DEMO_PASSWORD" -f "$TOP/demo/demo.sql" >/dev/null
    fi
}

# psql_quote TEXT: as a quoted argument of \set.
psql_quote() {
    printf %s "$1" | sed -e 's/\\/\\\\/g' -e "s/'/''/g" -e "1s/^/'/" -e "\$s/\$/'/"
}

# admin_create EMAIL PASSWORD: both travel on standard input, so that the list
# of processes never shows them.
admin_create() {
    local outcome
    outcome=$(sql <<SQL
\set email $(psql_quote "$1")
\set password $(psql_quote "$2")
SELECT sc.normal_email(:'email') AS email, normalize(:'password', NFC) AS password \gset
SELECT coalesce(CASE WHEN NOT sc.is_email(:'email') THEN 'this is no e-mail address'
                     WHEN sc.is_common_password(lower(:'password' COLLATE "C")) THEN 'the password is too easy to guess'
                     WHEN EXISTS (SELECT FROM sc.users WHERE email = :'email') THEN 'there is a user of this address already' END, '') AS fault \gset
SELECT :'fault' <> '' AS refused \gset
\if :refused
    \echo :fault
    \quit
\endif
INSERT INTO sc.users (email, full_name, password_hash, role_id, email_verified_at, password_changed_at)
SELECT :'email', split_part(:'email', '@', 1), sc.password_hash(:'password'), r.id, clock_timestamp(), clock_timestamp()
FROM sc.roles AS r WHERE r.name = 'admin'
RETURNING 'made';
SQL
    )
    [ "$outcome" = made ] || die "$1: $outcome"
    echo "administrator $1 made"
}

port_is_free() {
    local host=${1%:*}
    host=${host#[}
    ! (exec 3<>"/dev/tcp/${host%]}/${1##*:}") 2>/dev/null
}

# listen_address: what is set; else what was used last; else 8080 or the next
# free port.
listen_address() {
    local port
    if [ -n "${COACH_LISTEN:-}" ]; then
        echo "$COACH_LISTEN"
    elif [ -s "$RUN/address" ] && port_is_free "$(cat "$RUN/address")"; then
        cat "$RUN/address"
    else
        for ((port = 8080; port < 8180; port++)); do
            if port_is_free "127.0.0.1:$port"; then
                echo "127.0.0.1:$port"
                return
            fi
        done
        die "no free port from 8080 to 8179: set COACH_LISTEN"
    fi
}

# coachd_settings ADDRESS: the environment of coachd, as a shell script that
# becomes it. Settings given to the launcher go through; the rest points at
# this instance.
coachd_settings() {
    local name
    COACH_LISTEN=$1
    # One socket for each loop; more loops want more database connections too.
    : "${COACH_LOOPS:=$(($(nproc) < 4 ? $(nproc) : 4))}"
    : "${COACH_DB_URL:=host=$RUN dbname=$DATABASE user=sc_app}"
    : "${COACH_DB_SLOW_URL:=host=$RUN dbname=$DATABASE user=sc_app_slow}"
    : "${COACH_DB_DIRECT_URL:=host=$RUN dbname=$DATABASE user=sc_app}"
    : "${COACH_REDIS_CACHE_URL:=unix:$RUN/redis.sock?db=0}"
    : "${COACH_REDIS_SESSION_URL:=unix:$RUN/redis.sock?db=1}"
    : "${COACH_REDIS_LIMIT_URL:=unix:$RUN/redis.sock?db=2}"
    : "${COACH_DOCS_DIR:=$VAR/docs}"
    {
        echo '#!/bin/bash'
        # what the keeper was started with is not a setting of now
        # shellcheck disable=SC2016
        echo 'unset "${!COACH_@}"'
        for name in "${!COACH_@}"; do
            case $name in
                COACH_VAR | COACH_DEMO | COACH_UPKEEP_S | COACH_E2E_*) ;;
                *) printf 'export %s=%q\n' "$name" "${!name}" ;;
            esac
        done
        printf 'exec %q "$@"\n' "$VAR/bin/coachd"
    } >"$RUN/coachd.run.new"
    chmod 700 "$RUN/coachd.run.new"
    if [ "$(id -u)" = 0 ]; then
        chown "$OWNER": "$RUN/coachd.run.new"
    fi
    as_owner "$RUN/coachd.run.new" --check >/dev/null || die "coachd cannot run with these settings; nothing was changed"
    if ! cmp -s "$RUN/coachd.run.new" "$RUN/coachd.run"; then
        CHANGED=1
    fi
    mv "$RUN/coachd.run.new" "$RUN/coachd.run"
}

answers() {
    curl -fsS -m 2 -o /dev/null "http://$1/readyz" 2>/dev/null
}

coachd_start() {
    local address
    if running_pid coachd.keeper >/dev/null; then
        address=$(cat "$RUN/address")
        if [ -n "${COACH_LISTEN:-}" ] && [ "$COACH_LISTEN" != "$address" ]; then
            keeper_stop coachd
        else
            coachd_settings "$address"
            [ -z "${CHANGED:-}" ] || coachd_restart
            return
        fi
    fi
    address=$(listen_address)
    port_is_free "$address" || die "$address is taken: set COACH_LISTEN to another one"
    coachd_settings "$address"
    echo "$address" >"$RUN/address"
    keeper_start coachd -l "$address" -n "$COACH_LOOPS" -b "$LOG/postgresql.log" -b "$LOG/redis.log"
    wait_for 60 answers "$address" || { tail -n 20 "$LOG/coachd.log" >&2; die "coachd does not answer on $address"; }
}

# coachd_restart: the keeper starts the new one before it drains the old.
coachd_restart() {
    local keeper old
    keeper=$(running_pid coachd.keeper) || die "coachd does not run: ./coach up"
    old=$(running_pid coachd || true)
    coachd_settings "$(cat "$RUN/address")"
    kill -HUP "$keeper"
    wait_for 40 replaced "${old:-0}" ||
        { tail -n 20 "$LOG/coachd.log" >&2; die "the new coachd does not start; the old one goes on"; }
    wait_for 60 answers "$(cat "$RUN/address")" || die "coachd does not answer"
}

replaced() {
    local now
    now=$(running_pid coachd) && [ "$now" != "$1" ]
}

# upkeep_start: ticks sc.upkeep_minute() and sc.upkeep_daily(), as timers of
# the operating system do in production.
upkeep_start() {
    local seconds=${COACH_UPKEEP_S:-60}
    [[ $seconds =~ ^(0|[1-9][0-9]{0,4})$ ]] || die "COACH_UPKEEP_S is a number of seconds, or 0 for none"
    printf '#!/bin/bash\nexport PGHOST=%q PGDATABASE=%q PGUSER=sc_worker PSQL=%q\nexec %q %q\n' \
        "$RUN" "$DATABASE" "$PGBIN/psql" "$VAR/bin/coach-upkeep" "$seconds" >"$RUN/upkeep.run.new"
    chmod 755 "$RUN/upkeep.run.new"
    if ! cmp -s "$RUN/upkeep.run.new" "$RUN/upkeep.run" || [ -n "${CHANGED:-}" ]; then
        keeper_stop upkeep
    fi
    mv "$RUN/upkeep.run.new" "$RUN/upkeep.run"
    if [ "$seconds" = 0 ]; then
        keeper_stop upkeep
    elif ! running_pid upkeep.keeper >/dev/null; then
        keeper_start upkeep
        wait_for 10 running_pid upkeep >/dev/null || { tail -n 20 "$LOG/upkeep.log" >&2; die "the upkeep does not start"; }
    fi
}

# keeper_start NAME [OPTION...]: keeps $RUN/NAME.run running; what it says goes
# to NAME.log, which is bounded.
keeper_start() {
    local name=$1 log=$LOG/$1.log
    shift
    touch "$log"
    [ "$(id -u)" != 0 ] || chown "$OWNER": "$log"
    set -- -p "$RUN/$name" -b "$log" "$@" -- "$RUN/$name.run"
    as_owner setsid "$VAR/bin/coach-keeper" "$@" >>"$log" 2>&1 </dev/null 8>&- &
}

# keeper_stop NAME: ends a keeper and what it keeps.
keeper_stop() {
    local pid
    if pid=$(running_pid "$1.keeper"); then
        kill "$pid"
        wait_for 70 gone "$pid" || kill -9 "$pid"
    fi
}

print_summary() {
    local address
    address=$(cat "$RUN/address")
    cat <<TXT
Student Coach is up.
  API        http://$address/api/v1
  reference  http://$address/docs
  SQL        ./coach psql
  logs       ./coach logs -f
TXT
    if [ "$(sql -c "SELECT count(*) FROM sc.users WHERE email = 'ogrenci@demo.test'")" = 1 ]; then
        cat <<TXT
  demo log-ins (password $DEMO_PASSWORD):
             ogrenci@demo.test (student), veli@demo.test (parent), ogretmen@demo.test (teacher),
             koc@demo.test (coach), yonetici@demo.test (administrator)
TXT
    fi
}

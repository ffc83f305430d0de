# shellcheck shell=bash
# The Debian packages that the launcher installs when they are missing. Why
# each is needed stands in docs/operations.md; a test compares the two.

# shellcheck disable=SC2034
PACKAGES_RUN=(
    gcc
    libc6-dev
    make
    pkgconf
    postgresql-15
    postgresql-server-dev-15
    libpq-dev
    libmicrohttpd-dev
    libhiredis-dev
    libargon2-dev
    libssl-dev
    libcrypt-dev
    redis-server
    curl
)

# shellcheck disable=SC2034
PACKAGES_CHECK=(
    cppcheck
    git
    libfaketime
    pgbouncer
    pg-bsd-indent
    python3
    python3-psycopg2
    python3-pytest
    python3-redis
    shellcheck
)

# shellcheck disable=SC2034
PACKAGES_BENCH=(
    git
    nginx-light
    python3
    python3-psycopg2
    redis-tools
    wrk
)

# npm comes with some builds of Node and conflicts with them as a package.
need_npm() {
    command -v npm >/dev/null || need_packages nodejs npm
}

as_root() {
    if [ "$(id -u)" = 0 ]; then
        "$@"
    else
        sudo "$@"
    fi
}

is_installed() {
    [ "$(dpkg-query -W -f '${db:Status-Status}' "$1" 2>/dev/null)" = installed ]
}

# need_packages PACKAGE...: installs those that are missing, and nothing else.
# Debian would start services and a PostgreSQL cluster of its own: neither is
# wanted, and what already runs on the machine is left alone.
need_packages() {
    local missing=() p policy=/usr/sbin/policy-rc.d
    for p in "$@"; do
        is_installed "$p" || missing+=("$p")
    done
    if [ ${#missing[@]} -eq 0 ]; then
        return
    fi
    echo "installing ${missing[*]}"
    if [ "$(id -u)" != 0 ] && ! command -v sudo >/dev/null; then
        echo "coach: run as root, or install by hand: apt-get install ${missing[*]}" >&2
        exit 1
    fi
    if [ ! -e /etc/postgresql-common/createcluster.conf ]; then
        as_root mkdir -p /etc/postgresql-common
        echo 'create_main_cluster = false' | as_root tee /etc/postgresql-common/createcluster.conf >/dev/null
    fi
    if [ ! -e $policy ]; then
        printf '#!/bin/sh\nexit 101\n' | as_root tee $policy >/dev/null
        as_root chmod 755 $policy
        # shellcheck disable=SC2064
        trap "as_root rm -f $policy" EXIT
    fi
    as_root apt-get -q update
    as_root env DEBIAN_FRONTEND=noninteractive apt-get -q -y --no-install-recommends \
        -o Dpkg::Options::=--force-confold install "${missing[@]}"
    if [ -n "$(trap -p EXIT)" ]; then
        as_root rm -f $policy
        trap - EXIT
    fi
}

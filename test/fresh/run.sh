#!/bin/bash
# Tries the launcher on a machine that has nothing: a new Debian 12 tree,
# entered with chroot in namespaces of its own. Run on demand, as root; needs
# mmdebstrap and a Debian mirror.
#
# usage: test/fresh/run.sh [COMMAND...]      (default: ./coach up, a request, ./coach down)
#
# FRESH_MIRROR names the mirror (default: the one this machine uses), FRESH_TREE keeps the tree in a folder for the next run.
set -euo pipefail
cd "$(dirname "$0")/../.."
[ "$(id -u)" = 0 ] || { echo "run as root" >&2; exit 1; }
command -v mmdebstrap >/dev/null || { echo "mmdebstrap is missing: apt-get install mmdebstrap" >&2; exit 1; }

tree=${FRESH_TREE:-$(mktemp -d /tmp/coach-fresh.XXXXXX)}
mirror=${FRESH_MIRROR:-/etc/apt/sources.list.d/debian.sources}
if [ -z "${FRESH_TREE:-}" ]; then
    trap 'rm -rf "$tree"' EXIT
fi
if [ ! -e "$tree/etc/debian_version" ]; then
    mmdebstrap --quiet --variant=minbase --include=ca-certificates bookworm "$tree" "$mirror"
fi
rm -rf "$tree/srv/coach"
mkdir -p "$tree/srv/coach"
git ls-files -z | xargs -0 cp --parents -t "$tree/srv/coach"
cp /etc/resolv.conf "$tree/etc/resolv.conf"
# shellcheck disable=SC2016
if [ $# -eq 0 ]; then
    set -- bash -euc './coach up && curl -fsS "http://$(cat var/run/address)/healthz" && ./coach up && ./coach down'
fi
# shellcheck disable=SC2016
unshare --mount --pid --fork --kill-child bash -euc '
    tree=$1; shift
    mount -t proc proc "$tree/proc"
    mount --rbind /dev "$tree/dev"
    mount -t tmpfs tmpfs "$tree/run"
    exec chroot "$tree" /usr/bin/env -i PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin HOME=/root \
        LANG=C.UTF-8 bash -c "cd /srv/coach && exec \"\$@\"" coach "$@"' fresh "$tree" "$@"

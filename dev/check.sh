#!/bin/bash
# The whole test suite, in stages:
#
#   lint       sources                     dev/lint.sh
#   build      extension and daemons, from nothing, warnings are errors
#   regress    SQL                         sql/ expected/
#   isolation  concurrency in SQL          test/isolation/
#   unit       C, under sanitizers         test/unit/
#   e2e        everything, over HTTP       test/e2e/
#
# usage: check.sh [STAGE...] [-k EXPRESSION] [REGRESS TEST...]
#
# SANITIZE=1: e2e runs a coachd with the address and undefined-behaviour
# sanitizers, and what they find is a failure.
#
# The last line is "N passed, N failed", with ", N skipped" where some were;
# the exit status is 1 if any failed.
set -uo pipefail
cd "$(dirname "$0")/.." || exit 1
exec </dev/null

STAGES=()
NAMES=()
KEYWORD=()
while [ $# -gt 0 ]; do
    case $1 in
        lint | build | regress | isolation | unit | e2e) STAGES+=("$1") ;;
        -k)
            KEYWORD=(-k "${2:?-k needs an expression}")
            shift
            ;;
        *) NAMES+=("$1") ;;
    esac
    shift
done
if [ ${#STAGES[@]} -eq 0 ]; then
    STAGES=(lint build regress isolation unit e2e)
fi

passed=0 failed=0 skipped=0
failures=()
WORK=$(mktemp -d /tmp/coach-check.XXXXXX)
chmod 755 "$WORK"
export COACH_VAR=$WORK/var
OUT=build/check
mkdir -p $OUT build/regress build/isolation
if [ -n "${SANITIZE:-}" ]; then
    FOUND=$WORK/sanitizer
    mkdir -m 777 "$FOUND"           # coachd may run as another user
    export ASAN_OPTIONS=detect_leaks=1:log_path=$FOUND/coachd UBSAN_OPTIONS=print_stacktrace=1:log_path=$FOUND/coachd
fi

finish() {
    ./coach down >/dev/null 2>&1
    if [ "$failed" -eq 0 ]; then
        rm -rf "$WORK"
    fi
}
trap finish EXIT
trap 'exit 130' INT TERM

pass() { passed=$((passed + 1)); }
fail() {
    failed=$((failed + 1))
    failures+=("$1")
}

# tally FILE: counts the lines "ok NAME" and "not ok NAME".
tally() {
    local line
    while IFS= read -r line; do
        case $line in
            "ok "*) pass ;;
            "not ok "*) fail "${line#not ok }" ;;
        esac
    done <"$1"
}

stage_lint() {
    dev/lint.sh 2>&1 | tee $OUT/lint.log
    tally $OUT/lint.log
}

# The build is tried from a clean copy of the tree, so that neither a stale
# object nor a file that was never added helps it.
stage_build() {
    local copy=$WORK/copy target
    mkdir -p "$copy"
    git ls-files -z --cached --others --exclude-standard | xargs -0 cp --parents -t "$copy" 2>/dev/null
    for target in all shim keeper; do
        if make -s -C "$copy" $target >$OUT/build-$target.log 2>&1; then
            pass
            echo "ok build $target"
        else
            tail -n 30 $OUT/build-$target.log
            echo "not ok build $target"
            fail "build $target"
        fi
    done
    rm -rf "$copy"
}

# instance: starts the instance that the next stages share, once.
instance() {
    if [ -z "${INSTANCE:-}" ]; then
        # shellcheck disable=SC2046
        if ! env $(grep -v '^#' test/e2e/settings.env) COACH_LISTEN="${COACH_LISTEN:-$(free_port)}" \
            ./coach up >$OUT/up.log 2>&1; then
            cat $OUT/up.log
            fail "coach up"
            return 1
        fi
        INSTANCE=1
        # shellcheck source=dev/instance.sh
        TOP=$PWD . dev/instance.sh
        instance_paths
        export PGHOST=$RUN PGUSER=postgres
        PGPATH=$PGBIN
    fi
}

free_port() {
    /usr/bin/python3 -c 'import socket
s = socket.socket()
s.bind(("127.0.0.1", 0))
print("127.0.0.1:%d" % s.getsockname()[1])'
}

# pg_regress prints "test NAME ... ok" (or FAILED) a line, in groups and alone.
tally_regress() {
    local kind=$1 log=$2 line name
    while IFS= read -r line; do
        name=$(sed -E 's/^(test)? +([A-Za-z0-9_-]+) +\.\.\. .*/\2/' <<<"$line")
        case $line in
            *" ... ok"*) pass ;;
            *" ... FAILED"*) fail "$kind $name" ;;
        esac
    done < <(grep -E ' \.\.\. (ok|FAILED)' "$log")
}

stage_regress() {
    local list=()
    instance || return
    [ ${#NAMES[@]} -eq 0 ] || list=("REGRESS=setup ${NAMES[*]}")
    make -s PG_CONFIG="$PGPATH/pg_config" installcheck ISOLATION= "${list[@]}" >$OUT/regress.log 2>&1
    local rc=$?
    grep -E ' \.\.\. |^ok|^All|failed' $OUT/regress.log
    tally_regress regress $OUT/regress.log
    if [ $rc -ne 0 ]; then
        head -n 200 build/regress/regression.diffs 2>/dev/null
        grep -qE ' \.\.\. FAILED' $OUT/regress.log || { cat $OUT/regress.log; fail "regress did not run"; }
    fi
}

stage_isolation() {
    local list=() rc
    [ -n "$(ls test/isolation/specs 2>/dev/null)" ] || return
    instance || return
    [ ${#NAMES[@]} -eq 0 ] || list=("ISOLATION=setup ${NAMES[*]}")
    make -s PG_CONFIG="$PGPATH/pg_config" installcheck REGRESS= "${list[@]}" >$OUT/isolation.log 2>&1
    rc=$?
    grep -E ' \.\.\. |^All|failed' $OUT/isolation.log
    tally_regress isolation $OUT/isolation.log
    if [ $rc -ne 0 ]; then
        head -n 200 build/isolation/regression.diffs 2>/dev/null
        grep -qE ' \.\.\. FAILED' $OUT/isolation.log || { cat $OUT/isolation.log; fail "isolation did not run"; }
    fi
}

stage_unit() {
    dev/unit.sh "${NAMES[@]}" 2>&1 | tee $OUT/unit.log
    tally $OUT/unit.log
}

stage_e2e() {
    local files=() n
    instance || return
    for n in "${NAMES[@]}"; do files+=("test/e2e/test_$n.py"); done
    [ ${#files[@]} -gt 0 ] || files=(test/e2e)
    COACH_E2E_VAR=$COACH_VAR timeout 1800 /usr/bin/python3 -m pytest -q -rfEs -p no:cacheprovider \
        --junitxml=$OUT/e2e.xml "${KEYWORD[@]}" "${files[@]}" 2>&1 | tee $OUT/e2e.log
    tally_e2e
    if [ -n "${SANITIZE:-}" ]; then
        ./coach down >/dev/null     # leaks are told at the end
        INSTANCE=
        for n in "$FOUND"/*; do
            [ -e "$n" ] || break
            head -n 40 "$n"
            fail "sanitizer $(basename "$n")"
        done
    fi
}

tally_e2e() {
    local counts
    if ! counts=$(/usr/bin/python3 - $OUT/e2e.xml <<'PY'
import sys, xml.etree.ElementTree as ET
ok = bad = skip = 0
names = []
for case in ET.parse(sys.argv[1]).iter("testcase"):
    kinds = {child.tag for child in case}
    if kinds & {"failure", "error"}:
        bad += 1
        names.append(case.get("classname", "").rpartition(".")[2] + "::" + case.get("name"))
    elif "skipped" in kinds:
        skip += 1
    else:
        ok += 1
print(ok, bad, skip)
print("\n".join(names))
PY
    ); then
        fail "e2e did not finish"
        return
    fi
    local ok bad skip name
    {
        read -r ok bad skip
        while IFS= read -r name; do [ -z "$name" ] || failures+=("e2e $name"); done
    } <<<"$counts"
    passed=$((passed + ok)) failed=$((failed + bad)) skipped=$((skipped + skip))
    rm -f $OUT/e2e.xml
}

for stage in "${STAGES[@]}"; do
    echo "== $stage"
    began=$SECONDS
    "stage_$stage"
    echo "-- $stage: $((SECONDS - began)) s"
done

if [ ${#failures[@]} -gt 0 ]; then
    printf 'failed: %s\n' "${failures[@]}"
    echo "the instance's files are in $WORK, logs in $OUT"
fi
if [ $skipped -gt 0 ]; then
    echo "$passed passed, $failed failed, $skipped skipped"
else
    echo "$passed passed, $failed failed"
fi
[ $failed -eq 0 ]

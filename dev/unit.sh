#!/bin/bash
# Builds and runs the C unit tests under the address and undefined-behaviour
# sanitizers. A test is a program test/unit/NAME.c that exits 0 when all is
# well. All of common/ is linked to it; further sources and libraries stand in
# a comment line of the test, so that the build needs no list:
#
#     links: daemon/buf.c daemon/arena.c -lpq
#
# usage: dev/unit.sh [NAME...]
set -uo pipefail
cd "$(dirname "$0")/.." || exit 1
shopt -s nullglob
mkdir -p build/unit
bad=0
if [ $# -gt 0 ]; then
    tests=("${@/%/.c}")
    tests=("${tests[@]/#/test/unit/}")
else
    tests=(test/unit/*.c)
fi
export ASAN_OPTIONS=detect_leaks=1:abort_on_error=0 UBSAN_OPTIONS=print_stacktrace=1:halt_on_error=1
for t in "${tests[@]}"; do
    name=$(basename "$t" .c)
    links=$(sed -n 's/^[ */]*links:[ ]*//p' "$t" | sed 's,\*/,,' | tr '\n' ' ')
    # shellcheck disable=SC2086
    if gcc -std=gnu11 -g -O1 -Wall -Wextra -Werror -Wno-unused-parameter -Wno-missing-field-initializers \
        -Wno-sign-compare -fsanitize=address,undefined -fno-omit-frame-pointer -I. -I/usr/include/postgresql \
        -o "build/unit/$name" "$t" common/*.c $links -lcrypto -lm -lpthread &&
        timeout 120 "build/unit/$name" >"build/unit/$name.log" 2>&1; then
        echo "ok unit $name"
    else
        tail -n 40 "build/unit/$name.log" 2>/dev/null
        echo "not ok unit $name"
        bad=1
    fi
done
exit $bad

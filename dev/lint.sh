#!/bin/bash
# Everything that can be said about the sources without running them. Prints
# one "ok NAME" or "not ok NAME" a check; fails if any did.
#
# usage: dev/lint.sh
# shellcheck disable=SC2317 # the checks are called by name
set -uo pipefail
cd "$(dirname "$0")/.." || exit 1
bad=0

check() {
    local name=$1 out
    shift
    if out=$("$@" 2>&1); then
        echo "ok lint $name"
    else
        printf '%s\n' "$out"
        echo "not ok lint $name"
        bad=1
    fi
}

tracked() {
    git ls-files --cached --others --exclude-standard -- "$@" | while read -r f; do [ ! -f "$f" ] || echo "$f"; done
}

shell_scripts() {
    tracked | while read -r f; do
        case $f in
            *.sh) echo "$f" ;;
            *.*) ;;
            *) head -c 40 "$f" | grep -qE '^#!.*\b(ba|da)?sh\b' && echo "$f" ;;
        esac
    done
}

lint_shell() {
    local files
    mapfile -t files < <(shell_scripts)
    shellcheck -x "${files[@]}"
}

lint_cppcheck() {
    local files
    mapfile -t files < <(tracked '*.c')
    cppcheck -q --std=c11 --enable=warning,portability --inline-suppr --error-exitcode=1 \
        --suppress=missingIncludeSystem --suppress=nullPointerRedundantCheck --suppress=unknownMacro \
        --suppress=uninitvar --suppress=legacyUninitvar --suppress=ctunullpointer --max-configs=4 -I. -j2 "${files[@]}"
}

# Handlers that share a transaction see one now(); what means "at this moment"
# is clock_timestamp().
lint_now() {
    local files
    mapfile -t files < <(tracked 'extension/*.sql' 'extension/schema/*.sql' 'extension/*.c')
    [ ${#files[@]} -eq 0 ] || ! grep -nE '\b(now\(\)|CURRENT_TIMESTAMP|transaction_timestamp\(\))' "${files[@]}" | grep -v -- '-- now() meant'
}

lint_length() {
    local files
    mapfile -t files < <(tracked '*.c' '*.h' '*.py' '*.sh' coach)
    wc -l "${files[@]}" | awk '$2 != "total" && $1 > 900 { print $2 " has " $1 " lines: more than 900"; bad = 1 } END { exit bad }'
}

lint_functions() {
    local files
    mapfile -t files < <(tracked '*.c')
    awk 'FNR == 1 { start = 0 } /^\{/ { start = FNR }
         /^\}/ { if (start && FNR - start > 110) { print FILENAME ":" start ": function of " FNR - start " lines"; bad = 1 } start = 0 }
         END { exit bad }' "${files[@]}"
}

lint_leftovers() {
    local word='TO''DO|FIX''ME|XX''X'
    ! git grep -nIE "\\b($word)\\b" -- . ':!bench/RESULTS.md' ':!expected'
}

lint_utf8() {
    local f bad=0
    while IFS= read -r f; do
        iconv -f UTF-8 -t UTF-8 "$f" >/dev/null 2>&1 || { echo "$f is not UTF-8"; bad=1; }
    done < <(tracked)
    return "$bad"
}

lint_python() {
    local files
    mapfile -t files < <(tracked '*.py')
    [ ${#files[@]} -eq 0 ] || /usr/bin/python3 - "${files[@]}" <<'PY'
import ast, sys
bad = 0
for name in sys.argv[1:]:
    tree = ast.parse(open(name, encoding="utf-8").read(), name)
    used = {n.id for n in ast.walk(tree) if isinstance(n, ast.Name)} | {n.value.id for n in ast.walk(tree) if isinstance(n, ast.Attribute) and isinstance(n.value, ast.Name)}
    for node in ast.walk(tree):
        if isinstance(node, (ast.Import, ast.ImportFrom)):
            for a in node.names:
                if (a.asname or a.name).split(".")[0] not in used and a.name != "*":
                    print(f"{name}:{node.lineno}: {a.name} is imported and not used"); bad = 1
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr == "sleep" and "test/e2e/test_" in name \
                and isinstance(node.args[0], ast.Constant) and node.args[0].value > 0.1:
            print(f"{name}:{node.lineno}: a test polls with a deadline (wait_until), it does not sleep"); bad = 1
sys.exit(bad)
PY
}

check format dev/format.sh check
check cppcheck lint_cppcheck
check shellcheck lint_shell
check now lint_now
check file-length lint_length
check function-length lint_functions
check leftovers lint_leftovers
check utf-8 lint_utf8
check python lint_python
exit $bad

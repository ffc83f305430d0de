#!/bin/bash
# The house style of C: pg_bsd_indent with the options of PostgreSQL's pgindent.
#
# usage: dev/format.sh fix|check [FILE...]
set -euo pipefail
cd "$(dirname "$0")/.."
mode=${1:?usage: dev/format.sh fix|check [FILE...]}
shift

dirs=()
for d in common daemon deploy extension shim test worker; do
    [ ! -d $d ] || dirs+=("$d")
done
if [ $# -eq 0 ]; then
    mapfile -t files < <(find "${dirs[@]}" -name '*.[ch]' | sort)
    set -- "${files[@]}"
fi

# The indenter must know which words are types. Ours are read off the sources,
# PostgreSQL's off its headers.
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
typedef_names() {
    # shellcheck disable=SC2016
    xargs -0 -r perl -0777 -ne '
        s{/\*.*?\*/}{}gs;
        print "$1\n" while /^\}\s*(\w+)\s*;/gm;
        print "$1\n" while /^typedef\s+[^;{]*?\b(\w+)\s*;/gm;
        print "$1\n" while /^typedef\s+[^;{(]*\(\s*\*\s*(\w+)\s*\)/gm;
        print "$1\n" while /^typedef\s+[^;{(]*?\b(\w+)\s*\([^*]/gm;'
}
{
    find "${dirs[@]}" -name '*.[ch]' -print0 | typedef_names
    find /usr/include/hiredis /usr/include/postgresql -maxdepth 1 -name '*.h' -print0 | typedef_names
    printf '%s\n' FILE bool size_t ssize_t time_t pid_t uid_t gid_t va_list sigset_t socklen_t \
        int8_t int16_t int32_t int64_t uint8_t uint16_t uint32_t uint64_t uintptr_t intptr_t
} | sort -u >"$work/typedefs"
{
    cat "$work/typedefs"
    find "$(pg_config --includedir-server)" -name '*.h' -print0 | typedef_names
    printf '%s\n' int8 int16 int32 int64 uint8 uint16 uint32 uint64
} | sort -u >"$work/typedefs.extension"

# Two things the indenter does not understand are hidden from it. It keeps the
# byte 0x80 for itself and would turn it into something else, which ends a
# UTF-8 … or “: it passes as 0x01. And a compound literal within parentheses,
# f((Span) {a, b}), passes as f((Span) Z_(a, b)), which looks like a call.
# shellcheck disable=SC2016
hide='s/\x80/\x01/g;
    s{(\((?:const |struct )*\w+(?:\[\w*\])?\))\s*\{(?=\s*[^\s\}])((?:[^{};]|\{[^{};]*\})+)\}}{
        my ($type, $in) = ($1, $2); $in =~ s/\{/Y_(/g; $in =~ s/\}/)/g;
        if ($in =~ /^\s*\n/) { $in =~ s/\s+/ /g; $in =~ s/^ | $//g } "$type Z_($in)"}ge'
# shellcheck disable=SC2016
show='1 while s/\b[ZY]_(\(((?:[^()]|(?1))*)\))/{$2}/; s/\x01/\x80/g'

bad=0
for f in "$@"; do
    types=$work/typedefs
    case $f in extension/*) types=$work/typedefs.extension ;; esac
    perl -0777 -pe "$hide" "$f" >"$work/in"
    pg_bsd_indent -bad -bap -bbb -bc -bl -cli1 -cp33 -cdb -nce -d0 -di12 -nfc1 -i4 -l79 -lp -lpl -nip -npro \
        -sac -tpg -ts4 -U"$types" <"$work/in" >"$work/out" 2>"$work/err" ||
        { echo "$f: the indenter does not understand it"; grep -h 'INDENT\*\*' "$work/out" "$work/err"; bad=1; continue; }
    # What pgindent mends after the indenter: names after a closing brace, the
    # star of a function's return type, the space before a designator.
    perl -pi -e 's/^\}\t+(\w+(?:\[\w+\])?;)/} $1/; s/^\}\t+(?=\w+ = )/} /;
        s/^([A-Za-z_]\S*(?: \S+)*)[ \t]+\*$/$1 */; s/(?<=,)(?=\.[a-z_]\w* = )/ /g' "$work/out"
    perl -0777 -pi -e "$show" "$work/out"
    if cmp -s "$f" "$work/out"; then
        continue
    fi
    if [ "$mode" = fix ]; then
        cat "$work/out" >"$f"
        echo "formatted $f"
    else
        echo "not formatted: $f (run make format)"
        diff -u "$f" "$work/out" | head -n 20 || true
        bad=1
    fi
done
exit $bad

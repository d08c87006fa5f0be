#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
# The documents: what is generated is current, links lead somewhere, and the functions and files that
# are named are there. A name counts when it stands in backquotes: `name()`, `path/file`.
cd "$(dirname "$0")/../.." || exit 1

count=0
failed=0

# report TITLE WRONG: what is wrong, or nothing.
report()
{
    count=$((count + 1))
    if [ -z "$2" ]; then
        echo "ok $count - $1"
    else
        failed=1
        echo "not ok $count - $1"
        echo "$2" | sed 's/^/# /'
    fi
}

# each PATTERN CHECK FILE...: every text in the files that matches, and for which CHECK fails.
each()
{
    pattern=$1
    check=$2
    shift 2
    for file in "$@"; do
        grep -o "$pattern" "$file" | sort -u | while read -r text; do
            $check "$file" "$text" || echo "$file: $text"
        done
    done
}

# Drops what is not part of the name.
bare()
{
    echo "$1" | tr -d '`()[]'
}

link_leads()
{
    to=$(echo "$2" | sed 's/^](//; s/[#)].*//')
    [ -z "$to" ] || [ -e "$(dirname "$1")/$to" ]
}

function_exists()
{
    grep -q "\\<$(bare "$2")(" "$sources"
}

# Of the sources, or the name of a test.
identifier_exists()
{
    name=$(bare "$2")
    grep -q "\\<$name\\>" "$sources" "$abi" || [ -e "tests/guest/$name.c" ]
}

# By its path from the top or from a folder, or by its name alone.
file_exists()
{
    name=$(bare "$2")
    [ -e "$name" ] || [ -e "/usr/include/$name" ] ||
        [ -n "$(find hypervisor tests toolstack guest-patches -path "*/$name")" ]
}

# plain PAGE: the source of a manual page, without fonts.
plain()
{
    sed 's/\\f.//g; s/\\-/-/g' "$1"
}

# options_differ PAGE SOURCE: options that only one of the page and the help in the source has.
options_differ()
{
    grep -oE '^ *"  +(-[a-zA-Z], )?--[a-z-]+' "$2" | grep -oE -- '--?[a-zA-Z][a-z-]*' |
        sort -u >"$work/told"
    plain "$1" | sed -n '/^\.SH OPTIONS/,/^\.SH [^O]/p' | grep -A1 '^\.TP' |
        grep -oE -- '[ "]--?[a-zA-Z][a-z-]*' | tr -d ' "' | sort -u >"$work/explained"
    [ -s "$work/told" ] || echo "$2: no option was found"
    diff "$work/told" "$work/explained" | sed -n "s|^[<>]|$1: &|p"
}

# keys_missing SOURCE: keys of its table that the page or the chapter on configurations lacks.
keys_missing()
{
    sed -n 's/^ *{"\([a-z0-9_]*\)", take_.*/\1/p' "$1" >"$work/keys"
    [ -s "$work/keys" ] || echo "$1: no key was found"
    plain docs/man/paravane-guest.cfg.5 | sed -n '/^\.SH KEYS/,/^\.SH [^K]/p' | grep '^\.B' \
        >"$work/entries"
    while read -r key; do
        grep -qE "^\.BI $key=|^\.B (.* )?$key( |\$)" "$work/entries" ||
            echo "paravane-guest.cfg.5: $key"
        grep -q "\`$key\`" docs/guest-config.md || echo "guest-config.md: $key"
    done <"$work/keys"
}

work=$(mktemp -d "${TMPDIR:-/tmp}/docs.XXXXXX") || exit 1
trap 'rm -rf "$work"' EXIT
sources=$work/sources
abi=$work/abi
find hypervisor toolstack tests guest-patches -name '*.[chS]' -o -name '*.def' -o -name '*.lds' |
    xargs cat >"$sources"
find /usr/include/xen -name '*.h' -exec cat {} + >"$abi"
chapters=docs/internals/*.md

report "docs/command-line.md is current" "$(docs/mkcmdline | cmp - docs/command-line.md 2>&1)"
report "docs/abi-coverage.md is current" "$(docs/mkabi | cmp - docs/abi-coverage.md 2>&1)"
report "links lead to files" \
    "$(each '](\([^)#:]*\)[^):]*)' link_leads README.md docs/*.md $chapters)"
report "functions that are named exist" \
    "$(each '`[A-Za-z_][A-Za-z_0-9]*()`' function_exists docs/*.md $chapters)"
report "identifiers that are named exist" \
    "$(each '`[A-Za-z0-9]*_[A-Za-z_0-9]*\(\[\]\)\{0,1\}`' identifier_exists $chapters)"
report "files that are named exist" \
    "$(each '`[A-Za-z0-9_./-]*\.\(c\|h\|S\|def\|lds\|t\|py\)`' file_exists $chapters \
        docs/manual.md docs/abi-coverage.md docs/README.md)"
for page in docs/man/pvstored.8:store/main docs/man/pvconsoled.8:console/main \
    docs/man/pvwatchd.8:watch/main docs/man/pvunpack.1:unpack/pvunpack; do
    report "${page%%:*} explains the options that there are" \
        "$(options_differ "${page%%:*}" "toolstack/${page#*:}.c")"
done
report "every key of a configuration is explained" \
    "$(keys_missing toolstack/common/guest_config.c)"
if command -v groff >/dev/null; then
    report "groff takes the manual pages" \
        "$(for page in docs/man/*; do groff -man -ww -Tutf8 "$page" 2>&1 >/dev/null; done)"
fi

echo "1..$count"
exit $failed

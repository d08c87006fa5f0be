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

echo "1..$count"
exit $failed

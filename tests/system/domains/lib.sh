# SPDX-License-Identifier: BSD-2-Clause
# What the scripts in /tests of the control domain share: checks in the Test Anything Protocol, and
# waiting for what guests do. A script sources this, makes its checks, and ends with `finish`.
# shellcheck shell=sh
export PATH=/tests:$PATH TERM=linux
checks=0
failures=0
echo 1 >/proc/sys/kernel/sysrq # who stands still can be asked by the console what he waits for

# ok STATUS TITLE: one check, passed when STATUS is 0.
ok()
{
    checks=$((checks + 1))
    if [ "$1" = 0 ]; then
        echo "ok $checks - $2"
    else
        echo "not ok $checks - $2"
        failures=$((failures + 1))
    fi
    return "$1"
}

# is FOUND WANTED TITLE: one check, passed when they are the same text.
is()
{
    [ "$1" = "$2" ]
    ok $? "$3" || printf 'found: %s\nwanted: %s\n' "$1" "$2" | diag
}

diag()
{
    sed 's/^/# /'
}

# check STATUS PATTERN COMMAND...: one check, passed when the command ends with STATUS and prints a
# line that matches PATTERN on one of its outputs.
check()
{
    wanted=$1 pattern=$2
    shift 2
    output=$("$@" 2>&1)
    status=$?
    [ $status = "$wanted" ] && printf '%s\n' "$output" | grep -q -e "$pattern"
    ok $? "$*" || printf "status %s, wanted %s and '%s':\n%s\n" "$status" "$wanted" "$pattern" \
        "$output" | diag
}

# wait_for SECONDS COMMAND...: runs the command until it succeeds. Fails when the time is over.
# It starts no program of its own: that would take the time of the guests it waits for.
wait_for()
{
    read -r now _ </proc/uptime
    end=$((${now%.*} + $1))
    shift
    until "$@" >/dev/null 2>&1; do
        read -r now _ </proc/uptime
        [ "${now%.*}" -le $end ] || return 1
        pause 0.1
    done
}

# prints TEXT COMMAND...: what wait_for asks when a command's output is to become TEXT.
prints()
{
    wanted_text=$1
    shift
    [ "$("$@")" = "$wanted_text" ]
}

# pause SECONDS: nobody writes into that pipe.
[ -p /tmp/.pause ] || mkfifo /tmp/.pause
pause()
{
    read -r -t "$1" _ <>/tmp/.pause
    return 0
}

# The value that `pvctl info` has under a name.
info()
{
    pvctl info | sed -n "s/^$1 *: *//p"
}


# Ends the script: the plan, and an exit status for init.
finish()
{
    echo "1..$checks"
    [ $failures = 0 ] && [ $checks != 0 ]
    exit
}

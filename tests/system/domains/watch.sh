# SPDX-License-Identifier: BSD-2-Clause
# Guests that stop are restarted, renamed, kept or destroyed, as their configurations say; also those
# that stop while the daemon is not there, or is killed. Sourced behind lib.sh.
# shellcheck shell=sh

# guest NAME LINE...: one that obeys, with so many lines of configuration more.
watched_guest()
{
    name=$1
    shift
    {
        echo "name = '$name'; kernel = '${kernel-/guests/obey}'; memory = 16"
        for line in "$@"; do
            echo "$line"
        done
    } >"/tmp/$name.cfg"
    check 0 '' pvctl create "/tmp/$name.cfg"
}

# Tells the guest to do something, by its console.
tell()
{
    printf '%s\n\035' "$2" | timeout 60 pvctl console "$1" >/tmp/told 2>&1
}

id()
{
    pvctl domid "$1" 2>/dev/null || echo none
}

# Whether the guest is another domain than NUMBER by now, and runs.
renewed()
{
    [ "$(id "$1")" != none ] && [ "$(id "$1")" != "$2" ]
}

gone()
{
    [ "$(id "$1")" = none ]
}

uuid_of()
{
    store read "/local/domain/$(id "$1")/vm" | sed 's,/vm/,,'
}

start_daemon()
{
    pvwatchd "$@" 2>>/tmp/log
    ok $? "the daemon starts: pvwatchd $*"
}

# Directories that the first guest with a card leaves are there from the beginning.
watched_guest first "vif = [ 'bridge=paravanebr0' ]"
check 0 '' pvctl destroy first
nodes=$(store count /)
free=$(info free_memory)
pidof pvwatchd >/dev/null
ok $? "the daemon runs"
check 2 'no option' pvwatchd extra
check 2 'no number' pvwatchd --quick-limit=many
check 1 'another pvwatchd runs' pvwatchd -F
kill "$(pidof pvwatchd)"
wait_for 10 test ! -e /run/paravane/pvwatchd.pid
ok $? "SIGTERM ends it, and its pid file goes"
start_daemon --quick-seconds=0

# Each reason and what follows by default and by configuration.
watched_guest back "on_reboot = 'restart'" "on_poweroff = 'destroy'"
before=$(id back) uuid=$(uuid_of back)
tell back reboot
wait_for 60 renewed back "$before"
ok $? "a guest that reboots is restarted"
is "$(uuid_of back)" "$uuid" "it has its UUID still"
pvctl console back </dev/null >/tmp/told 2>&1 &
wait_for 30 grep -q obedient /tmp/told
ok $? "it runs" || diag </tmp/told
kill $!
watched_guest off
tell off poweroff
wait_for 60 gone off
ok $? "a guest that switches itself off is destroyed"
watched_guest kept "on_poweroff = 'preserve'"
before=$(id kept)
tell kept poweroff
wait_for 30 grep -q '^pvwatchd: kept, .*: preserve' /tmp/log
ok $? "it is logged that a guest is preserved"
is "$(id kept)" "$before" "it is there still"
watched_guest crashed "on_crash = 'restart'" "on_watchdog = 'restart'"
before=$(id crashed)
tell crashed crash
wait_for 60 renewed crashed "$before"
ok $? "a guest that crashes is restarted"
before=$(id crashed)
tell crashed watchdog
wait_for 60 renewed crashed "$before"
ok $? "a guest whose watchdog ends it is restarted"
watched_guest renamed "on_crash = 'rename-restart'" "vif = [ 'bridge=paravanebr0' ]"
before=$(id renamed)
tell renamed crash
wait_for 60 renewed renamed "$before"
ok $? "a guest with rename-restart is made anew"
old=$(pvctl domname "$before")
[ "${old#renamed-20}" != "$old" ]
ok $? "what stopped is $old"
[ "$(uuid_of renamed)" != "$(uuid_of "$old")" ]
ok $? "and has another UUID"
is "$(pvctl network-list "$before" | grep -c 00:16:3e)" 0 "without network card"
pvctl network-list renamed | grep -q 00:16:3e
ok $? "the new one has it"
watched_guest dumped "on_crash = 'coredump-restart'"
before=$(id dumped)
tell dumped crash
wait_for 60 renewed dumped "$before"
ok $? "a guest with coredump-restart is restarted"
dump=$(ls /var/lib/paravane/dump/dumped-*.core)
grep -q obedient "$dump"
ok $? "$dump has what was in its memory"
[ "$(stat -c %s "$dump")" -gt $((16 << 20)) ]
ok $? "all of it"
is "$(hexdump -n 4 -e '4/1 "%02x"' "$dump")" 7f454c46 "in an ELF file"
rm "$dump"

# A guest that is renamed is restarted under its new name.
before=$(id crashed)
check 0 '' pvctl rename crashed hound
tell hound reboot
wait_for 60 renewed hound "$before"
ok $? "a renamed guest is restarted under its new name"

# The daemon is not there; then it is killed again and again.
before=$(id back) before_off=$(id hound)
kill -9 "$(pidof pvwatchd)"
tell back reboot
tell hound poweroff
is "$(id back) $(id hound)" "$before $before_off" "nothing happens without the daemon"
start_daemon --quick-seconds=0
wait_for 60 renewed back "$before"
ok $? "what stopped meanwhile is restarted"
wait_for 60 gone hound
ok $? "or destroyed"
for pause in 20000 200000; do
    before=$(id back)
    tell back reboot
    usleep $pause
    killall -9 pvwatchd
    pvwatchd --quick-seconds=0 2>>/tmp/log
    wait_for 60 renewed back "$before"
    ok $? "restarted, though all of the daemon was killed after $((pause / 1000)) ms"
done
wait_for 30 prints "" ls /run/paravane/watch
is "$(ls /run/paravane/watch)" "" "no task is left"
is "$(pvctl list | grep -c ' *back ')" 1 "one guest of that name is there"

# The store is a new one.
kill -9 "$(pidof pvstored)"
pvstored
before=$(id back)
tell back reboot
wait_for 60 renewed back "$before"
ok $? "a guest is restarted when the store is a new one"

# Too often too soon.
kill "$(pidof pvwatchd)"
wait_for 10 test ! -e /run/paravane/pvwatchd.pid
start_daemon --quick-seconds=3600 --quick-limit=3
watched_guest loop "extra = 'crash'" "on_crash = 'restart'"
wait_for 60 grep -q 'loop, .*: destroy, .* too soon too often' /tmp/log
ok $? "the log says that a guest crashes too soon too often"
is "$(grep -c '^pvwatchd: loop is domain' /tmp/log)" 2 "it was restarted twice"
wait_for 60 gone loop
ok $? "then it is destroyed"

# What cannot be restarted.
cp /guests/obey /tmp/gone-kernel
kernel=/tmp/gone-kernel
watched_guest lost
unset kernel
rm /tmp/gone-kernel
tell lost reboot
wait_for 30 grep -q 'lost: .*gone-kernel' /tmp/log
ok $? "the log says why a guest cannot be restarted"
cp /guests/obey /tmp/gone-kernel
wait_for 60 renewed lost none
ok $? "it is tried again, until it can"

# The end.
for name in back kept renamed "$old" lost dumped; do
    check 0 '' pvctl destroy "$name"
done
wait_for 10 prints "$nodes" store count /
is "$(store count /)" "$nodes" "the store has the nodes that it had"
wait_for 10 prints "$free" info free_memory
is "$(info free_memory)" "$free" "all memory is free again"
is "$(ls /var/lib/paravane/guests)" "" "no configuration is left"
[ $failures = 0 ] || diag </tmp/log

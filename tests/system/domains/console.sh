# SPDX-License-Identifier: BSD-2-Clause
# Guests' consoles: `pvctl console` both ways, what nobody reads, logs, daemons that are killed,
# guests that write rubbish beside one that does not. Sourced behind lib.sh.
# shellcheck shell=sh

# The whole session with NAME: what is typed goes to the file in.NAME, what comes is in out.NAME.
attach()
{
    rm -f "/tmp/in.$1"
    mkfifo "/tmp/in.$1"
    pvctl console "$1" <"/tmp/in.$1" >"/tmp/out.$1" 2>"/tmp/err.$1" &
    eval "console_$1=$!"
}

console_guest()
{
    echo "name = '$1'; kernel = '/guests/obey'; memory = 16; ${2-}" >"/tmp/$1.cfg"
    check 0 '' pvctl create "/tmp/$1.cfg"
}

tty_of()
{
    store read "/local/domain/$(pvctl domid "$1")/console/tty"
}

has_tty()
{
    [ -c "$(tty_of "$1")" ]
}

# Looked for now and then only: looking takes time that the guest needs.
said()
{
    tries=0
    until grep -q "$2" "/tmp/out.$1" || [ $tries = 300 ]; do
        tries=$((tries + 1))
        usleep 400000
    done
    [ $tries != 300 ]
    ok $? "${3:-$1 says $2}" || tail -n 5 "/tmp/out.$1" "/tmp/err.$1" | diag
}

restart_daemon()
{
    kill -9 "$(pidof pvconsoled)"
    pvconsoled --log=all --log-size=64k --log-keep=2
    ok $? "a console daemon that was killed can be started anew"
}

free=$(info free_memory)
nodes=$(store count /local)
pidof pvconsoled >/dev/null
ok $? "the daemon runs"
is "$(pidof pvconsoled)" "$(cat /run/paravane/pvconsoled.pid)" "its pid file says so"
check 1 'another pvconsoled runs' pvconsoled -F

# Both ways; what was written before anybody looked is there.
console_guest one
wait_for 10 has_tty one
ok $? "its node console/tty names a terminal"
attach one
exec 3>/tmp/in.one
said one obedient "what the guest wrote before anybody looked is shown"
echo "say how are you" >&3
said one '^how are you'
seq 1 300 | sed 's/^/say number /' >&3
said one '^number 300' "more is typed than the ring holds"
is "$(grep -c '^number [0-9]*.$' /tmp/out.one)" 300 "and nothing of it is lost"

# The daemon is killed while a guest writes and somebody looks.
restart_daemon
said one '' "the session goes on"
echo "say still here" >&3
said one '^still here' "the same session talks to the guest when the daemon is a new one"
echo "flood 2000" >&3
sleep 1
restart_daemon
wait_for 60 grep -q 'flood done' /var/log/paravane/console/one.log
ok $? "the flood ends"
cat /var/log/paravane/console/one.log.2 /var/log/paravane/console/one.log.1 \
    /var/log/paravane/console/one.log >/tmp/logged 2>/dev/null
# The last 3 * 64 KiB: the lines are in order, and none is missing; some may be there twice.
first=$(sed -n 's/^line \([0-9]*\) .*/\1/p' /tmp/logged | head -n 1)
sed -n 's/^line \([0-9]*\) .*/\1/p' /tmp/logged | sort -u >/tmp/numbers
is "$(wc -l </tmp/numbers)" $((2000 - ${first#"${first%%[!0]*}"} + 1)) \
    "no line from $first on is missing in the logs"
for file in one.log one.log.1 one.log.2; do
    size=$(stat -c %s /var/log/paravane/console/$file)
    [ "$size" -le $((65536 + 4096)) ]
    ok $? "$file has $size bytes"
done
[ ! -e /var/log/paravane/console/one.log.3 ]
ok $? "older logs are gone"

# Nobody looks: the guest is not held up, the newest is kept.
console_guest two "extra = '\"flood 4000\"'"
wait_for 60 grep -q 'flood done' /var/log/paravane/console/two.log
ok $? "a guest that nobody looks at writes as much as it likes"
attach two
exec 4>/tmp/in.two
said two 'flood done' "the newest of it is kept"
grep -q obedient /tmp/out.two
is $? 1 "the oldest is not"
sed -n 's/^line \([0-9]*\) .*/\1/p' /tmp/out.two >/tmp/numbers
is "$(tail -n 1 /tmp/numbers)" 004000 "what is kept ends with the last line"
is "$(wc -l </tmp/numbers)" $((4000 - $(sed -n '1s/^0*//p' /tmp/numbers) + 1)) "and has no gap"

# Rubbish on one ring does not reach the other guest.
echo "rubbish" >&4
echo "say meanwhile" >&3
said one '^meanwhile' "a guest beside one with rubbish on its ring is served"
said two 'rubbish done' "the one with the rubbish is served again afterwards"
echo "storm 1000" >&4
echo "say in the storm" >&3
said one '^in the storm' "a guest beside one that rings without end is served"
said two 'storm done'

# A new store daemon.
kill -9 "$(pidof pvstored)"
pvstored
echo "say without store" >&3
said one '^without store' "consoles work on when the store is a new one"
console_guest three
wait_for 10 has_tty three
ok $? "new guests are seen by the new store, too"

# A Linux guest and its shell.
cat >/tmp/linux.cfg <<END
name = "linux"
kernel = "/guests/vmlinuz"
ramdisk = "/guests/initrd"
extra = "console=hvc0"
memory = 160
END
check 0 '' pvctl create /tmp/linux.cfg
attach linux
exec 5>/tmp/in.linux
said linux 'leaving the shell' "a Linux guest comes up to its shell"
echo 'echo 6 times 7 is $((6 * 7))' >&5
said linux '^6 times 7 is 42' "the shell does what is typed"
echo 'dmesg; echo all of it' >&5
said linux '^all of it' "a screenful more than the ring holds comes"
echo 'exit' >&5
wait "$console_linux"
is $? 0 "the session ends when the guest has switched itself off"
exec 5>&-

# Ends.
printf 'say x\n\035say y\n' | timeout 20 pvctl console three >/tmp/out.three
is $? 0 "^] leaves a console"
check 0 '' on-terminal 'flood 1' 'flood done' pvctl console three
check 2 'number' pvctl console -n 1 one
check 2 'type' pvctl console -t vnc one
check 0 '' pvctl console --help
check 0 obedient pvctl create -c /tmp/three.cfg "name = 'four'" "extra = 'poweroff'" </dev/null
check 1 'no such domain' pvctl console nobody
echo "say last words" >&3
echo poweroff >&3
wait "$console_one"
is $? 0 "a session ends with its guest"
said one '^last words'
exec 3>&- 4>&-
for name in one two three linux; do
    pvctl destroy $name 2>/dev/null
done
wait "$console_two"
wait_for 10 prints "$nodes" store count /local
is "$(store count /local)" "$nodes" "the store has the nodes that it had"
wait_for 10 prints "$free" info free_memory
is "$(info free_memory)" "$free" "all memory is free again"
is "$(ls /dev/pts | grep -c '[0-9]')" 0 "no pty is left"

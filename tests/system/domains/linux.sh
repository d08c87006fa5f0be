# SPDX-License-Identifier: BSD-2-Clause
# Linux guests of the tests' scripts: making them, and running something in them. Sourced behind
# lib.sh.
# shellcheck shell=sh

# linux_create NAME NUMBER LINE...: a guest whose first card has the address 10.0.0.NUMBER, where it
# takes commands. LINE...: more of its configuration; devices are given in $disks and $vifs, which
# are used once.
linux_create()
{
    name=$1 number=$2
    shift 2
    {
        cat <<END
name = "$name"
kernel = "/guests/vmlinuz"
ramdisk = "/guests/initrd"
extra = "console=hvc0 guest.ip=10.0.0.$number/24 guest.test=agent"
memory = 160
vif = [ "bridge=paravanebr0"${vifs:+, $vifs} ]
disk = [ ${disks-} ]
END
        for line in "$@"; do
            echo "$line"
        done
    } >"/tmp/$name.cfg"
    vifs='' disks=''
    check 0 '' pvctl create "/tmp/$name.cfg"
}

# run NUMBER SCRIPT: runs the script in the guest 10.0.0.NUMBER and prints what it prints. The
# status is the script's; 255: the guest does not answer.
run()
{
    answer=$(printf '%s\n' "$2" | timeout "${patience-120}" nc -w 5 "10.0.0.$1" 7)
    case ${answer##*
} in
    'status '*) ;;
    *)
        echo "no answer: $answer"
        return 255
        ;;
    esac
    printf '%s\n' "$answer" | sed '$d'
    return "${answer##*status }"
}

# linux_wait NUMBER: waits until the guest takes commands; one check.
linux_wait()
{
    wait_for 120 run "$1" true
    ok $? "guest 10.0.0.$1 takes commands"
}

# in_guest NUMBER SCRIPT TITLE: one check, passed when the script ends with status 0 there.
in_guest()
{
    output=$(run "$1" "$2")
    status=$?
    [ $status = 0 ]
    ok $? "$3" || printf 'status %s:\n%s\n' "$status" "$output" | diag
}

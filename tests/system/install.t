#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
# make install and uninstall: every file at its place, systemd takes the units, and what is installed
# works from there: the programs, the library, GRUB's entries, the scripts that start guests.
cd "$(dirname "$0")/../.." || exit 1
build=${PV_BUILD:-build}
kernel=$build/control-domain/${KERNEL:-6.1}/bzImage

# The build that the tests use has what is to be installed already.
DEBUG=$([ ! -e "$build/debug/paravane" ] || echo 1)
export DEBUG

count=0
failed=0
work=$(mktemp -d "${TMPDIR:-/tmp}/paravane-install.XXXXXX")
trap 'rm -rf "$work"' EXIT

# ok STATUS TITLE [TEXT]: one check; the text tells of a failure.
ok()
{
    count=$((count + 1))
    if [ "$1" = 0 ]; then
        echo "ok $count - $2"
    else
        failed=1
        echo "not ok $count - $2"
        printf '%s\n' "${3-}" | sed 's/^/# /'
    fi
}

# is FOUND WANTED TITLE
is()
{
    [ "$1" = "$2" ]
    ok $? "$3" "found: $1
wanted: $2"
}

# The paths are those of a real place, so that what names a path can be tried out.
root=$work/root
install()
{
    env -u MAKEFLAGS -u MAKELEVEL -u DESTDIR make -s B="$build" PREFIX="$root/usr" \
        SYSCONFDIR="$root/etc" BOOTDIR="$root/boot" "$@" 2>&1
}

# --- what is there ------------------------------------------------------------------------------

said=$(install install)
ok $? "make install" "$said"

cat >"$work/wanted" <<'END'
boot/paravane
etc/default/grub.d/paravane.cfg
etc/default/paravane
etc/grub.d/20_linux_paravane
etc/kernel/postrm.d/zy-paravane
usr/include/paravane/xenctrl.h
usr/lib/paravane/guests
usr/lib/paravane/host
usr/lib/paravane/kernels
usr/lib/paravane/libxenctrl.a
usr/lib/paravane/libxenctrl.so
usr/lib/paravane/libxenctrl.so.4.17
usr/lib/paravane/pkgconfig/xencontrol.pc
usr/lib/systemd/system/paravane-guests.service
usr/lib/systemd/system/paravane-host.service
usr/lib/systemd/system/pvconsoled.service
usr/lib/systemd/system/pvstored.service
usr/lib/systemd/system/pvwatchd.service
usr/sbin/pvconsoled
usr/sbin/pvctl
usr/sbin/pvstored
usr/sbin/pvunpack
usr/sbin/pvwatchd
usr/share/bash-completion/completions/pvctl
usr/share/doc/paravane/installing.md
usr/share/man/man1/pvctl.1
usr/share/man/man1/pvunpack.1
usr/share/man/man5/paravane-guest.cfg.5
usr/share/man/man8/pvconsoled.8
usr/share/man/man8/pvstored.8
usr/share/man/man8/pvwatchd.8
END
missing=$(while read -r path; do [ -e "$root/$path" ] || echo "$path"; done <"$work/wanted")
is "$missing" "" "every file is at its place"
is "$(ls "$root")" "$(printf 'boot\netc\nusr')" "and none is outside"
is "$(cd "$root" && find etc usr/sbin usr/lib -type f ! -name '*.a' ! -name '*.so*' -perm /111 | sort)" \
    "$(cd "$root" && ls -d etc/grub.d/* etc/kernel/postrm.d/* usr/lib/paravane/guests \
        usr/lib/paravane/host usr/lib/paravane/kernels usr/sbin/* | sort)" "programs may be run"
is "$(grep -rlI '@[A-Z]*@' "$root/etc" "$root/usr/lib")" "" "no place is left to be filled in"
[ -d "$root/etc/paravane/auto" ]
ok $? "there is a directory for guests that start with the host"

for program in pvctl pvstored pvconsoled pvwatchd pvunpack; do
    said=$("$root/usr/sbin/$program" --help 2>&1)
    ok $? "$program starts" "$said"
done

cat >"$work/version.c" <<'END'
#include <xenctrl.h>
int main(void) { return xc_interface_close != 0 ? 0 : 1; }
END
flags=$(PKG_CONFIG_PATH=$root/usr/lib/paravane/pkgconfig pkg-config --cflags --libs xencontrol 2>&1)
# shellcheck disable=SC2086 # words
said=$("${CC:-gcc}" -o "$work/version" "$work/version.c" $flags 2>&1 &&
    LD_LIBRARY_PATH=$root/usr/lib/paravane "$work/version" 2>&1)
ok $? "a program is compiled with the library that pkg-config finds, and starts" "$flags: $said"

# --- scripts and units --------------------------------------------------------------------------

for script in "$root"/usr/lib/paravane/host "$root"/usr/lib/paravane/guests \
    "$root"/usr/lib/paravane/kernels "$root"/etc/grub.d/* "$root"/etc/kernel/postrm.d/* \
    "$root/etc/default/paravane" "$root"/etc/default/grub.d/*; do
    said=$(sh -n "$script" 2>&1)
    ok $? "${script#"$root"/} is a shell script" "$said"
done
said=$(bash -n "$root/usr/share/bash-completion/completions/pvctl" 2>&1)
ok $? "bash takes the completion" "$said"

if command -v systemd-analyze >/dev/null; then
    said=$(SYSTEMD_UNIT_PATH=$root/usr/lib/systemd/system: systemd-analyze verify --man=no \
        "$root"/usr/lib/systemd/system/*.service 2>&1)
    status=$?
    [ $status = 0 ] && ! printf '%s\n' "$said" | grep -q "$root"
    ok $? "systemd takes the units" "$said"
else
    ok 0 "systemd takes the units # SKIP there is no systemd-analyze"
fi

# --- guests that start with the host --------------------------------------------------------------

# Notes how it is called; there is a guest "there", and "broken.cfg" cannot be created.
cat >"$work/pvctl" <<'END'
#!/bin/sh
case "$1 $2" in
'create --dry-run') echo "  \"name\": \"$(basename "$3" .cfg)\"," ;;
'domid there') echo 3 ;;
domid*) exit 1 ;;
*)
    echo "$*" | sed "s|/[^ ]*/||" >>"$CALLS"
    case $2 in */broken.cfg) exit 1 ;; esac
    ;;
esac
END
chmod +x "$work/pvctl"
guests()
{
    : >"$work/calls"
    CALLS=$work/calls PVCTL=$work/pvctl "$root/usr/lib/paravane/guests" "$@" 2>&1
}

guests start
is "$?, $(cat "$work/calls")" "0, " "without configurations nothing is started"
touch "$root/etc/paravane/auto/b.cfg" "$root/etc/paravane/auto/a.cfg" \
    "$root/etc/paravane/auto/there.cfg" "$root/etc/paravane/auto/broken.cfg" \
    "$root/etc/paravane/auto/off.cfg.disabled"
guests start
is "$?, $(paste -sd, "$work/calls")" "1, create a.cfg,create b.cfg,create broken.cfg" \
    "each is created once, in order; one that fails is told at the end"
guests stop
is "$?, $(cat "$work/calls")" "0, shutdown --all --wait --destroy --timeout=120" \
    "all are shut down, within a time"
sed -i 's/^SHUTDOWN_TIMEOUT=.*/SHUTDOWN_TIMEOUT=7/' "$root/etc/default/paravane"
guests stop
is "$(cat "$work/calls")" "shutdown --all --wait --destroy --timeout=7" "which is a setting"
guests restart >/dev/null
is "$?" 2 "an unknown command is refused"

# --- GRUB's entries -------------------------------------------------------------------------------

boot=$root/boot
# GRUB's own functions, but for those that look at the disks of this machine.
mkdir "$work/grub"
cat >"$work/grub/grub-mkconfig_lib" <<'END'
. /usr/share/grub/grub-mkconfig_lib
prepare_grub_to_access_device() { echo "search --no-floppy --fs-uuid --set=root 1234-5678"; }
make_system_path_relative_to_its_root() { echo /boot; }
END

entries()
{
    (
        . "$root/etc/default/grub.d/paravane.cfg"
        env pkgdatadir="$work/grub" PARAVANE_BOOT="$boot" GRUB_DISTRIBUTOR=Debian \
            GRUB_DEVICE=/dev/sda1 GRUB_DEVICE_UUID=aa-bb GRUB_CMDLINE_LINUX=everywhere \
            GRUB_CMDLINE_LINUX_DEFAULT=quiet "$@" "$root/etc/grub.d/20_linux_paravane" \
            2>"$work/warnings"
    )
}

is "$(entries x=y)" "" "no kernel, no entry"

cp "$kernel" "$boot/vmlinuz-6.1.0-9-amd64"
ln "$boot/vmlinuz-6.1.0-9-amd64" "$boot/vmlinuz-6.1.0-10-amd64"
ln "$boot/vmlinuz-6.1.0-9-amd64" "$boot/vmlinuz-6.1.0-20-cloud-amd64"
echo garbage >"$boot/vmlinuz-6.1.0-30-broken"
echo CONFIG_XEN_DOM0=y | tee "$boot/config-6.1.0-9-amd64" >"$boot/config-6.1.0-10-amd64"
echo '# CONFIG_XEN_DOM0 is not set' >"$boot/config-6.1.0-20-cloud-amd64"
touch "$boot/initrd.img-6.1.0-9-amd64" "$boot/initrd.img-6.1.0-10-amd64"
entries x=y >"$work/menu"
ok $? "GRUB's script runs" "$(cat "$work/warnings")"
said=$(grub-script-check "$work/menu" 2>&1)
ok $? "GRUB takes what it prints" "$said
$(cat "$work/menu")"

title='Debian GNU/Linux, with Paravane'
is "$(sed -n "s/^\t*menuentry '\([^']*\)'.*/\1/p" "$work/menu")" "$title
$title and Linux 6.1.0-10-amd64
$title and Linux 6.1.0-10-amd64 (recovery mode)
$title and Linux 6.1.0-9-amd64
$title and Linux 6.1.0-9-amd64 (recovery mode)" "entries: the newest first, none for a kernel of guests alone"
grep -q 'no entry for Linux 6.1.0-30-broken: pvunpack' "$work/warnings"
ok $? "a file that is no kernel is named in a warning" "$(cat "$work/warnings")"
is "$(sed -n '/^menuentry/,/^}/s/^\t\(multiboot2\|module2\) /\1 /p' "$work/menu")" \
    "multiboot2 /boot/paravane console=vga 
module2 /boot/paravane-vmlinux-6.1.0-10-amd64 root=UUID=aa-bb ro everywhere quiet
module2 --nounzip /boot/initrd.img-6.1.0-10-amd64" "hypervisor, kernel, ramdisk, with their options"
is "$(head -c 4 "$boot/paravane-vmlinux-6.1.0-10-amd64" | tail -c 3)" ELF "the kernel is unpacked"

before=$(ls -i "$boot"/paravane-vmlinux-*)
entries GRUB_CMDLINE_PARAVANE='dom0_mem=1G' GRUB_CMDLINE_PARAVANE_DEFAULT='audit' \
    GRUB_CMDLINE_LINUX_PARAVANE_REPLACE_DEFAULT='console=hvc0' GRUB_DISABLE_RECOVERY=true \
    GRUB_DISABLE_LINUX_UUID=true >"$work/menu"
is "$(ls -i "$boot"/paravane-vmlinux-*)" "$before" "and not again before it changes"
is "$(grep -c menuentry "$work/menu"), $(sed -n '/^menuentry/,/^}/s/.*paravane-vmlinux[^ ]* //p;
    /^menuentry/,/^}/s/.*multiboot2 //p' "$work/menu" | paste -sd,)" \
    "3, /boot/paravane dom0_mem=1G audit,root=/dev/sda1 ro everywhere console=hvc0" \
    "options of /etc/default/grub are obeyed"

PARAVANE_BOOT=$boot "$root/etc/kernel/postrm.d/zy-paravane" 6.1.0-9-amd64
is "$(cd "$boot" && ls paravane-vmlinux-*)" paravane-vmlinux-6.1.0-10-amd64 \
    "what was unpacked of a kernel goes with its package"

# --- again, and away ------------------------------------------------------------------------------

install install >/dev/null
is "$(sed -n 's/^SHUTDOWN_TIMEOUT=//p' "$root/etc/default/paravane" "$root/etc/default/paravane.new" |
    paste -sd,)" "7,120" "settings that were changed stay, the new ones lie beside them"
said=$(install uninstall)
ok $? "make uninstall" "$said"
is "$(cd "$root" && find . -type f | sed 's|^./||' | sort | grep -v '^boot/.*-6.1.0-\|/auto/')" \
    "etc/default/grub.d/paravane.cfg
etc/default/paravane" "leaves settings alone"

DESTDIR=$work/dest
said=$(env -u MAKEFLAGS -u MAKELEVEL make -s B="$build" DESTDIR="$DESTDIR" PREFIX=/usr install 2>&1)
ok $? "make install DESTDIR=, for a package" "$said"
is "$(grep -rlI "$DESTDIR" "$DESTDIR")" "" "no file names that place"
grep -q '^ExecStart=/usr/sbin/pvstored ' "$DESTDIR/usr/lib/systemd/system/pvstored.service"
ok $? "but where it will lie"

echo "1..$count"
exit $failed

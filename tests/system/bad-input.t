#!/usr/bin/python3 -B
# SPDX-License-Identifier: BSD-2-Clause
"""What cannot be booted ends with one clear line on the console and a machine that stands still."""
import os
import struct
import tempfile

import machine as m
import tap

ARGS = m.default_hypervisor_args(1024)
VMLINUX = m.control_domain(m.KERNEL, "vmlinux")
INITRD = m.control_domain(m.KERNEL, "initramfs.cpio")
scratch = tempfile.TemporaryDirectory(prefix="paravane-")


def scratch_file(name, data, size=None):
    """A file with the data, and zeros up to the size."""
    path = os.path.join(scratch.name, name)
    with open(path, "wb") as f:
        f.write(data)
        if size is not None:
            f.truncate(size)
    return path


def elf(elf_class=2, machine=62):
    """A program of one page and no notes: it was never built for PV."""
    header = struct.pack("<4sBBBB8xHHIQQQIHHHHHH", b"\x7fELF", elf_class, 1, 1, 0, 2, machine, 1,
                         0x100000, 64, 0, 0, 64, 56, 1, 64, 0, 0)
    segment = struct.pack("<IIQQQQQQ", 1, 5, 0, 0x100000, 0x100000, 4096, 4096, 4096)
    return (header + segment).ljust(4096, b"\x90")


def refused(name, title, line, kernel=VMLINUX, initrd=INITRD, args=ARGS, **machine):
    options = ["-kernel", m.HYPERVISOR, "-append", args]
    if kernel:
        modules = f"{m.escape(kernel)} console=hvc0" + (f",{m.escape(initrd)}" if initrd else "")
        options += ["-initrd", modules]
    with m.Machine(f"bad-{name}", options, **machine) as qemu:
        if not tap.ok(qemu.expect(line, timeout=60, fatal=None), f"{title}: is said"):
            tap.diag(qemu.explain())
        if not tap.ok(qemu.is_quiet(4), f"{title}: the machine stands still"):
            tap.diag(qemu.explain())
        tap.ok(b"Linux version" not in qemu.buffer, f"{title}: nothing was started")


refused("no-modules", "no modules", r"cannot boot: no kernel for the control domain", kernel=None)

refused("bzimage", "a bzImage as kernel", r"cannot boot: .*bzImage.*pvunpack",
        kernel=m.control_domain(m.KERNEL, "bzImage"))

refused("text", "a text as kernel", r"cannot boot: .*no ELF file",
        kernel=scratch_file("text", b"This is no kernel.\n" * 100))

refused("empty", "an empty kernel", r"cannot boot: .*no ELF file", kernel=scratch_file("one", b"\n"))

refused("not-pv", "a kernel without PV support", r"cannot boot: .*CONFIG_XEN_PV",
        kernel=scratch_file("not-pv", elf()))

refused("i386", "a 32-bit kernel", r"cannot boot: .*32-bit", kernel=scratch_file("i386", elf(1, 3)))

with open(VMLINUX, "rb") as f:
    start = f.read(8 << 20)
refused("cut-off", "a kernel that is cut off", r"cannot boot: .*beyond the end of the file",
        kernel=scratch_file("cut-off", start))

broken = bytearray(start)
broken[56:58] = b"\xff\xff"  # e_phnum
refused("broken", "a kernel with a broken ELF header", r"cannot boot: the control domain's kernel: .*",
        kernel=scratch_file("broken", broken))

refused("dom0-mem", "a kernel too large for dom0_mem", r"cannot boot: .*dom0_mem",
        args=m.default_hypervisor_args(24))

refused("initramfs", "an initramfs beyond dom0_mem", r"cannot boot: .*dom0_mem",
        initrd=scratch_file("initramfs", b"", 160 << 20), args=m.default_hypervisor_args(128))

refused("no-long-mode", "a CPU without long mode", r"this CPU has no 64-bit mode", cpu=",-lm")

refused("no-nx", "a CPU without NX", r"this CPU has no NX", cpu=",-nx")

refused("no-timer", "a machine without a timer", r"cannot boot: no usable timer",
        machine="pc,hpet=off,pit=off,acpi=off")

tap.done()

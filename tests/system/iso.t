#!/usr/bin/python3 -B
# SPDX-License-Identifier: BSD-2-Clause
"""The bootable image starts under BIOS (SeaBIOS) and under UEFI (OVMF), by Multiboot 2 and 1."""
import os
import subprocess
import sys

import machine as m
import tap

OVMF = "/usr/share/ovmf/OVMF.fd"
MKISO = os.path.join(os.path.dirname(sys.argv[0]), "..", "..", "toolstack", "mkiso")


def make_image(name, protocol):
    path = os.path.join(m.LOGS, name + ".iso")
    environment = dict(os.environ, PROTOCOL=protocol, HVARGS=m.default_hypervisor_args(1024),
                       ARGS="paravane.batch paravane.net=no")
    os.makedirs(m.LOGS, exist_ok=True)
    subprocess.run([MKISO, m.HYPERVISOR, m.control_domain(m.KERNEL, "vmlinux"),
                    m.control_domain(m.KERNEL, "initramfs.cpio"), path], env=environment, check=True)
    return path


def boots(name, title, image, options):
    with m.Machine(name, ["-cdrom", image, "-device", "VGA"] + options) as machine:
        result = machine.expect(r"^selfcheck: (passed|failed)$", timeout=240)
        passed = result is not None and result.group(1) == b"passed"
        if not tap.ok(passed, f"{title}: the control domain finds its machine complete"):
            tap.diag(machine.explain(30))
        if not tap.ok(machine.wait_end(), f"{title}: it switches the machine off"):
            tap.diag(machine.explain())
        tap.diag(f"{title}: {machine.elapsed():.0f} s")


image = make_image("iso", "multiboot2")
boots("iso-bios", "SeaBIOS", image, [])
if os.path.exists(OVMF):
    boots("iso-uefi", "OVMF", image, ["-bios", OVMF])
else:
    tap.skip("OVMF", f"{OVMF} is missing")
image1 = make_image("iso-multiboot1", "multiboot")
boots("iso-bios-multiboot1", "SeaBIOS, Multiboot 1", image1, [])
os.unlink(image)
os.unlink(image1)
tap.done()

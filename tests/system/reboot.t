#!/usr/bin/python3 -B
# SPDX-License-Identifier: BSD-2-Clause
"""The control domain reboots the machine, and a file system on its virtio disk survives that."""
import machine as m
import scenario
import tap

disk = m.virtio_disk(m.disk_image("reboot"))
with m.boot("reboot", "paravane.test=disk-reboot", options=disk, reboot=True) as machine:
    scenario.guest_ended(machine, "disk-reboot", "a file system is made and written")
    tap.ok(b"disk-reboot: written" in machine.buffer, "files were written")
    if not tap.ok(machine.expect(r"^init: test disk-reboot begins$"), "the machine boots again"):
        tap.diag(machine.explain())
    scenario.guest_ended(machine, "disk-reboot", "the file system is mounted again")
    tap.ok(b"disk-reboot: intact" in machine.buffer, "every file is as it was")
    if not tap.ok(machine.wait_end(), "the machine goes off"):
        tap.diag(machine.explain())
tap.done()

#!/usr/bin/python3 -B
# SPDX-License-Identifier: BSD-2-Clause
"""stress-ng works the control domain's page tables, signals, threads and scheduler; the audit holds."""
import os

import machine as m
import scenario
import tap

seconds = os.environ.get("SECONDS_EACH", "6")
initrd = m.control_domain(m.KERNEL, "initramfs-stress.cpio")
args = m.default_hypervisor_args(m.control_domain_share("3G"))
options = m.boot_options(args, f"paravane.test=stress paravane.seconds={seconds}", initrd=initrd)
with m.Machine("stress", options) as machine:
    if not tap.ok(machine.expect(r"^stress: done$", timeout=300), "the stress ends by itself"):
        tap.diag(machine.explain(30))
    elif m.IS_PARAVANE:
        scenario.audit(machine, "the memory audit finds nothing wrong")
    scenario.guest_ended(machine, "stress", "no worker failed")
    tap.ok(b"unsuccessful" not in machine.buffer, "stress-ng verified what it did")
    tap.ok(machine.wait_end(), "the machine goes off")
tap.done()

#!/usr/bin/python3 -B
# SPDX-License-Identifier: BSD-2-Clause
"""The control domain's kernel panics: the hypervisor says so, with the reason, and stops."""
import machine as m
import tap

with m.boot("crash", "paravane.test=crash") as machine:
    tap.ok(machine.expect(r"Kernel panic - not syncing: sysrq triggered crash", fatal=None),
           "the kernel panics")
    said = machine.expect(r"(?i)(domain 0|d0|dom0|control domain).*crash",
                          timeout=60, fatal=None)
    if not tap.ok(said, "the hypervisor reports the control domain's crash"):
        tap.diag(machine.explain())
    if not tap.ok(machine.is_quiet(5), "and stops"):
        tap.diag(machine.explain())
tap.done()

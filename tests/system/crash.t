#!/usr/bin/python3 -B
# SPDX-License-Identifier: BSD-2-Clause
"""The control domain's kernel panics: the hypervisor says so, with the reason, and restarts."""
import machine as m
import scenario
import tap

# That it halts with `noreboot`, panic.t sees: both ends are one.
with m.boot("crash", "paravane.test=crash", hypervisor_args="noreboot=no") as machine:
    tap.ok(machine.expect(r"Kernel panic - not syncing: sysrq triggered crash", fatal=None),
           "the kernel panics")
    said = machine.expect(r"(?i)(domain 0|d0|dom0|control domain).*crash",
                          timeout=60, fatal=None)
    if not tap.ok(said, "the hypervisor reports the control domain's crash"):
        tap.diag(machine.explain())
    if m.IS_PARAVANE:
        tap.ok(machine.expect(r"rebooting in \d+ seconds", timeout=60, fatal=None),
               "says what comes next") or tap.diag(machine.explain())
    if not tap.ok(machine.wait_end(), "and restarts the machine"):
        tap.diag(machine.explain())
    scenario.check_last_audit(machine, "the crash")
tap.done()

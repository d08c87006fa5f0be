#!/usr/bin/python3 -B
# SPDX-License-Identifier: BSD-2-Clause
"""Programs of the control domain use segments of the local descriptor table."""
import machine as m
import scenario
import tap

with m.boot("ldt", "paravane.test=ldt-program") as machine:
    scenario.guest_ended(machine, "ldt-program", "the program's checks pass")
    tap.ok(machine.buffer.count(b"\nok 4 - entry 8191") == 2, "they were made on both CPUs")
    if tap.ok(machine.wait_end(), "the machine goes off"):
        scenario.check_last_audit(machine, "local descriptor tables")
tap.done()

#!/usr/bin/python3 -B
# SPDX-License-Identifier: BSD-2-Clause
"""Breakpoints, single steps and traps held back by MOV SS, in programs of the control domain."""
import machine as m
import scenario
import tap

with m.boot("debugtraps", "paravane.test=debugtraps-program") as machine:
    scenario.guest_ended(machine, "debugtraps-program", "the program's checks pass")
    tap.ok(machine.buffer.count(b"\n1..5\n") == 2, "they were made on both CPUs")
    tap.ok(b"\nnot ok" not in machine.buffer, "none failed")
    scenario.check_last_audit(machine, "debug traps") if machine.wait_end() else tap.ok(False, "off")
tap.done()

#!/usr/bin/python3 -B
# SPDX-License-Identifier: BSD-2-Clause
"""A 32-bit program runs in the control domain, on each CPU."""
import machine as m
import scenario
import tap

with m.boot("i386", "paravane.test=i386-program") as machine:
    scenario.guest_ended(machine, "i386-program", "the program's checks pass")
    tap.ok(machine.buffer.count(b"\n1..6\n") == 2, "they were made on both CPUs")
    tap.ok(b"\nnot ok" not in machine.buffer, "none failed")
tap.done()

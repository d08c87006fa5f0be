#!/usr/bin/python3 -B
# SPDX-License-Identifier: BSD-2-Clause
"""A USB keyboard on an xHCI controller: a key typed at the machine is seen by a program."""
import time

import machine as m
import scenario
import tap

options = ["-device", "qemu-xhci", "-device", "usb-kbd"]
with m.boot("keyboard", "paravane.test=keyboard", options=options) as machine:
    if tap.ok(machine.expect(r"^keyboard: ready on event\d+$"), "the keyboard is found"):
        time.sleep(1)
        machine.type_key("a")
        # EV_KEY (1), KEY_A (30), pressed (1) and released (0); input-event-codes.h.
        pressed = machine.expect(r"\| 0001 001e 0001 0000", timeout=30)
        released = machine.expect(r"\| 0001 001e 0000 0000", timeout=30)
        if not tap.ok(pressed and released, "its key A is pressed and released"):
            tap.diag(machine.explain())
        scenario.guest_ended(machine, "keyboard", "the program ends")
    else:
        tap.diag(machine.explain())
tap.done()

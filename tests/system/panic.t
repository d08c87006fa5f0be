#!/usr/bin/python3 -B
# SPDX-License-Identifier: BSD-2-Clause
"""
A panic shows registers and a stack trace with names, and halts: once asked for by debug key, once
after a double fault, which QEMU's debugger interface causes by taking a CPU's stack away.
"""
import os
import socket
import tempfile
import time

import machine as m
import tap

NAME = r"[a-z_0-9]+\+0x[0-9a-f]+"  # function and offset
# Places in GDB's list of registers on x86-64, in digits.
RSP_AT = 7 * 16
CS_AT = 17 * 16 + 8


class Debugger:
    """QEMU's GDB stub: packets are $DATA#CHECKSUM."""

    def __init__(self, path):
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.settimeout(20)
        self.socket.connect(path)
        self.data = b""

    def ask(self, text):
        checksum = sum(text.encode()) % 256
        self.socket.sendall(f"+${text}#{checksum:02x}".encode())
        packet = self.answer()
        while packet.startswith("T"):  # a report, late, that the machine has stopped
            packet = self.answer()
        return packet

    def answer(self):
        while True:
            start = self.data.find(b"$")
            end = self.data.find(b"#", start)
            if start >= 0 and end >= 0 and len(self.data) >= end + 3:
                packet = self.data[start + 1:end].decode()
                self.data = self.data[end + 3:]
                self.socket.sendall(b"+")
                return packet
            self.data += self.socket.recv(4096)

    def interrupt(self):
        self.socket.sendall(b"\x03")

    def go_on(self):
        self.socket.sendall(b"+$c#63")

    def registers(self):
        """All, as one string of hexadecimal digits: seventeen of 8 bytes, then some of 4."""
        return self.ask("g")

    def privilege(self):
        """Of the code that runs: the low bits of CS."""
        return int(self.registers()[CS_AT:CS_AT + 2], 16) & 3

    def set_stack(self, address):
        old = self.registers()
        value = address.to_bytes(8, "little").hex()
        return self.ask("G" + old[:RSP_AT] + value + old[RSP_AT + len(value):])


def shows_panic(machine, reason):
    tap.ok(machine.expect(rf"Paravane is stopping on CPU \d+: .*{reason}", timeout=60, fatal=None),
           f"{reason}: the reason is shown") or tap.diag(machine.explain())
    text = machine.expect(NAME, timeout=20, fatal=None)
    tap.ok(text, f"{reason}: the stack trace has names") or tap.diag(machine.explain(30))
    tap.ok(machine.expect(r"halted, as noreboot says", timeout=20, fatal=None),
           f"{reason}: the machine halts") or tap.diag(machine.explain())
    tap.ok(machine.is_quiet(4), f"{reason}: and stays so")


def by_key():
    with m.boot("panic-key", "paravane.test=idle") as machine:
        tap.ok(machine.expect(r"^init: test idle begins$"), "the control domain runs")
        machine.send("\x01\x01\x01C")
        shows_panic(machine, "debug key C")


def double_fault():
    directory = tempfile.TemporaryDirectory(prefix="paravane-")
    path = os.path.join(directory.name, "gdb")
    gdb = ["-gdb", f"unix:{path},server=on,wait=off"]
    with m.boot("panic-double-fault", "paravane.test=idle", cpus=1, options=gdb) as machine:
        tap.ok(machine.expect(r"^init: test idle begins$"), "the control domain idles")
        time.sleep(3)
        debugger = Debugger(path)
        # An idle CPU is halted in the hypervisor nearly always.
        tries = 0
        while debugger.privilege() and tries < 50:
            debugger.go_on()
            time.sleep(0.1)
            debugger.interrupt()
            tries += 1
        # A page that nobody maps: the next interrupt cannot be delivered.
        tap.ok(debugger.set_stack(0xffff82cfffff0000) == "OK", "its CPU's stack is taken away")
        debugger.go_on()
        shows_panic(machine, "double fault")
        tap.ok(machine.buffer.count(b"Paravane is stopping") == 1, "there is one panic")


by_key()
double_fault()
tap.done()

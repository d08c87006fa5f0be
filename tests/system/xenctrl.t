#!/usr/bin/python3 -B
# SPDX-License-Identifier: BSD-2-Clause
"""A program for libxenctrl, built with our library and with Debian's, on Paravane and on Xen 4.17."""
import os
import re

import machine as m
import scenario
import tap

WAYS = ("ours", "debian", "shared")
NAMES = {"ours": "our library", "debian": "Debian's library",
         "shared": "built with Debian's library, run with our shared one"}
XEN = os.path.join(m.BUILD, "bench", "xen")
INITRD = m.control_domain(m.KERNEL, "initramfs-xenctrl.cpio")


def run(title, hypervisor, arguments):
    """Boots the control domain. Returns {way: {check: passed}}."""
    m.HYPERVISOR = hypervisor
    options = m.boot_options(arguments, "paravane.test=xenctrl", initrd=INITRD)
    with m.Machine(f"xenctrl-{title.lower()}", options) as machine:
        if not tap.ok(machine.expect(r"^init: test xenctrl ended", timeout=400),
                      f"{title}: the programs end"):
            tap.diag(machine.explain(30))
        used = machine.cpu_seconds()
        if not tap.ok(machine.wait_end(), f"{title}: the machine goes off"):
            tap.diag(machine.explain())
        if title == "Paravane" and m.IS_PARAVANE:
            scenario.check_last_audit(machine, title)
        tap.diag(f"{title}: {machine.elapsed():.0f} s, {used:.0f} of them of a CPU")
        return checks(title, machine.buffer.decode(errors="replace"))


def checks(title, text):
    """The checks of each way become this test's; what a failed one found is printed."""
    found = {}
    for way in WAYS:
        match = re.search(rf"^xenctrl: {way}$(.*?)^xenctrl: ", text, re.M | re.S)
        lines = match.group(1).splitlines() if match else []
        results = {}
        plan = None
        for line in lines:
            check = re.match(r"(ok|not ok) (\d+) - (.*)", line)
            if check:
                name = f"{check.group(2)} {check.group(3)}"
                results[name] = check.group(1) == "ok"
                if not results[name]:
                    tap.ok(False, f"{title}, {NAMES[way]}: {check.group(3)}")
            elif line.startswith("# "):
                tap.diag(line[2:])
            elif line.startswith("1.."):
                plan = int(line[3:])
        tap.ok(plan is not None and plan == len(results) and all(results.values()),
               f"{title}, {NAMES[way]}: all {len(results)} checks are made, and pass")
        found[way] = results
    return found


if m.NATIVE:
    tap.skip("control of domains", "there is no hypervisor")
    tap.done()
paravane = run("Paravane", m.HYPERVISOR, m.default_hypervisor_args(1024))
xen = run("Xen", XEN, "console=com1 com1=115200,8n1 loglvl=all guest_loglvl=all noreboot "
          "dom0_mem=1024M,max:1024M")
reference = xen["debian"]
for there, results in (("Paravane", paravane), ("Xen", xen)):
    for way in WAYS:
        tap.ok(reference and results[way] == reference,
               f"{there}, {NAMES[way]}: the same results as those of Debian's library on Xen")
tap.done()

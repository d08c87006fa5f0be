#!/usr/bin/python3 -B
# SPDX-License-Identifier: BSD-2-Clause
"""The control domain boots with little memory and with more than 32 bits address; others have 3 and 4 GiB."""
import scenario
import tap


def available():
    """MiB that QEMU may fill."""
    with open("/proc/meminfo") as f:
        return next(int(line.split()[1]) // 1024 for line in f if line.startswith("MemAvailable:"))


for memory in ("1G", "12G"):
    if available() < int(memory[:-1]) * 1024 + 1024:
        tap.skip(f"{memory} of memory", "this machine has less")
        continue
    scenario.selfcheck(f"boot-{memory}", memory, memory=memory)
tap.done()

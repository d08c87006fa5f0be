#!/usr/bin/python3 -B
# SPDX-License-Identifier: BSD-2-Clause
"""The control domain boots on one and on eight CPUs; the other tests have two."""
import scenario
import tap

for cpus in (1, 8):
    scenario.selfcheck(f"boot-{cpus}-cpus", f"{cpus} CPUs", cpus=cpus)
tap.done()

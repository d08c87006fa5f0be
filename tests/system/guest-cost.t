#!/usr/bin/python3 -B
# SPDX-License-Identifier: BSD-2-Clause
"""What guests cost, in instructions and memory, on the release build."""
import os

import machine as m
import scenario
import tap

m.HYPERVISOR = os.path.join(m.BUILD, "paravane")

scenario.domains("guest-cost", timeout=900, cpus=1, cpu=",-erms,-fsrm", options=m.ICOUNT,
                 initrd="initramfs-cost.cpio", audited=False)
tap.done()

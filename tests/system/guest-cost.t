#!/usr/bin/python3 -B
# SPDX-License-Identifier: BSD-2-Clause
"""What guests cost, in instructions and memory."""
import machine as m
import scenario
import tap

scenario.domains("guest-cost", timeout=900, cpus=1, cpu=",-erms,-fsrm", options=m.ICOUNT,
                 initrd="initramfs-cost.cpio")
tap.done()

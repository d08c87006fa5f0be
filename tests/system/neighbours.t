#!/usr/bin/python3 -B
# SPDX-License-Identifier: BSD-2-Clause
"""Hostile guests, and what guests do to each other, beside one that works undisturbed.

SEED=N has the random ones do the same again.
"""
import os

import scenario
import tap

# The control domain has one vCPU: with a thread for each CPU, QEMU 7.2 mistakes what Linux patches
# on several (machine.py). The guests, which patch nothing, need CPUs that really run at once.
scenario.domains("neighbours", memory="2G", dom0_mem=768, cpus=4, timeout=1800, threads="multi",
                 hypervisor_args="dom0_max_vcpus=1",
                 kernel_args=f"paravane.seed={os.environ.get('SEED', 20261122)}")
tap.done()

#!/usr/bin/python3 -B
# SPDX-License-Identifier: BSD-2-Clause
"""Bad guests beside a good one, guests that come and go, and many at once, in 4 GiB.

ROUNDS=N and MANY=N: how many come and go (200), and are there at once (100; no more have room).
"""
import os

import scenario
import tap

scenario.domains("numbers", memory="4G", dom0_mem=640, timeout=2400,
                 kernel_args=f"paravane.rounds={os.environ.get('ROUNDS', 200)} "
                             f"paravane.many={os.environ.get('MANY', 100)}")
tap.done()

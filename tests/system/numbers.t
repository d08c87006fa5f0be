#!/usr/bin/python3 -B
# SPDX-License-Identifier: BSD-2-Clause
"""Bad guests beside a good one, guests that come and go, and many at once, in 4 GiB."""
import scenario
import tap

scenario.domains("numbers", memory="4G", dom0_mem=640, timeout=2400)
tap.done()

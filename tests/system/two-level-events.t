#!/usr/bin/python3 -B
# SPDX-License-Identifier: BSD-2-Clause
"""The control domain on two-level event channels; everywhere else it chooses the FIFO ones."""
import scenario
import tap

scenario.selfcheck("two-level-events", "two-level event channels", kernel="xen.fifo_events=0")
tap.done()

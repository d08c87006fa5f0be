#!/usr/bin/python3 -B
# SPDX-License-Identifier: BSD-2-Clause
"""The control domain's network over e1000."""
import netcheck

netcheck.check("e1000", "e1000")

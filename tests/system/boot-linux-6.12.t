#!/usr/bin/python3 -B
# SPDX-License-Identifier: BSD-2-Clause
"""The control domain may be Debian's Linux 6.12."""
import scenario
import tap

scenario.selfcheck("boot-6.12", "Linux 6.12", kernel="6.12")
tap.done()

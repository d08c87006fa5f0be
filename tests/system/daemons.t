#!/usr/bin/python3 -B
# SPDX-License-Identifier: BSD-2-Clause
"""
Guests' consoles on ptys and in logs, with guests that misbehave; and guests that stop, dealt with as
their configurations say. The daemons are killed meanwhile.
"""
import scenario
import tap

scenario.domains("daemons", timeout=1200)
tap.done()

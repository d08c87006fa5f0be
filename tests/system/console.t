#!/usr/bin/python3 -B
# SPDX-License-Identifier: BSD-2-Clause
"""Guests' consoles on ptys and in logs, with daemons that are killed and guests that misbehave."""
import scenario
import tap

scenario.domains("console")
tap.done()

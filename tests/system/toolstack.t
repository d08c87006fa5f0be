#!/usr/bin/python3 -B
# SPDX-License-Identifier: BSD-2-Clause
"""The control domain starts its toolstack by itself, and a guest comes and goes."""
import scenario
import tap

scenario.domains("toolstack")
tap.done()

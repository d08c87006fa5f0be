#!/usr/bin/python3 -B
# SPDX-License-Identifier: BSD-2-Clause
"""Guests' vCPUs, memory and ends, as the hypervisor sees them."""
import scenario
import tap

scenario.domains("guest-life", timeout=600)
tap.done()

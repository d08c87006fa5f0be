#!/usr/bin/python3 -B
# SPDX-License-Identifier: BSD-2-Clause
"""pvctl's verbs, the keys of configurations, and that what fails or is killed leaves nothing."""
import scenario
import tap

scenario.domains("pvctl", script="pvctl-all", timeout=900)
tap.done()

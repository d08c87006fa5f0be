#!/usr/bin/python3 -B
# SPDX-License-Identifier: BSD-2-Clause
"""The control domain's network over virtio-net."""
import netcheck

netcheck.check("virtio-net-pci", "virtio_net")

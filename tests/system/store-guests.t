#!/usr/bin/python3 -B
# SPDX-License-Identifier: BSD-2-Clause
"""The store with real guests: good ones, prying ones, broken ones; killed and started anew."""
import scenario
import tap

scenario.domains("store-guests", initrd="initramfs-store.cpio", timeout=900)
tap.done()

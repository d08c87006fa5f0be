#!/usr/bin/python3 -B
# SPDX-License-Identifier: BSD-2-Clause
"""Disks and network cards of Linux guests: every kind, plugged and unplugged, pulled out."""
import struct

import machine as m
import scenario
import tap

# Two partitions of 40 MiB: an entry of the table has its kind, its first sector and their number.
SECTORS = 40 << 11
disk = m.disk_image("disks-disk", 96)
with open(disk, "r+b") as image:
    image.seek(446)
    for start in (2048, 2048 + SECTORS):
        image.write(struct.pack("<8B2I", 0, 0, 0, 0, 0x83, 0, 0, 0, start, SECTORS))
    image.seek(510)
    image.write(b"\x55\xaa")

scenario.domains("disks", timeout=900, initrd="initramfs-devices.cpio",
                 options=m.virtio_disk(disk))
tap.done()

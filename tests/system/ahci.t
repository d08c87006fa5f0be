#!/usr/bin/python3 -B
# SPDX-License-Identifier: BSD-2-Clause
"""A disk on an AHCI controller, with and without message-signalled interrupts' only user, the disk."""
import machine as m
import scenario
import tap

disk = ["-drive", f"file={m.disk_image('ahci')},if=none,id=disk,format=raw",
        "-device", "ide-hd,drive=disk,bus=ide.0"]
scenario.selfcheck("ahci", "AHCI", options=disk + m.network(), disk="sda")
tap.done()

#!/usr/bin/python3 -B
# SPDX-License-Identifier: BSD-2-Clause
"""The older machine: no MMCONFIG, PIIX disk controller, e1000, PCI interrupts by the IOAPIC."""
import machine as m
import scenario
import tap

disk = ["-drive", f"file={m.disk_image('machine-pc')},if=ide,index=0,media=disk,format=raw"]
scenario.selfcheck("machine-pc", "pc", options=disk + m.network("e1000"), disk="sda", machine="pc")
tap.done()

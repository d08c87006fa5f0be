#!/usr/bin/python3 -B
# SPDX-License-Identifier: BSD-2-Clause
"""
make run BATCH=1, the main job: the control domain finds its machine complete, two guests with
Debian's kernel make file systems on their disks, ping each other and exchange a file. And every
value that make run cannot use is refused at once.
"""
import os
import re
import subprocess
import sys

import machine as m
import tap

if m.NATIVE:
    tap.skip("the main job", "without a hypervisor there are no guests")
    tap.done()

run = os.path.join(os.path.dirname(sys.argv[0]), "run")

WRONG = ["CPUS=0", "CPUS=65", "CPUS=two", "MEMORY=3", "MEMORY=3T", "MEMORY=100M", "BATCH=yes",
         "NATIVE=2", "THREADS=many", "PATIENCE=0", "PATIENCE=long", "DISK=/nowhere", "DISK=/",
         "HYPERVISOR=/nowhere", "QEMU=no-such-program", "GUEST=fedora"]
for setting in WRONG:
    name, value = setting.split("=")
    done = subprocess.run([run], env=dict(os.environ, **{name: value}), stdin=subprocess.DEVNULL,
                          capture_output=True, text=True, check=False)
    tap.ok(done.returncode == 2 and done.stderr.startswith(f"make run: {setting}: ") and
           not done.stdout, f"{setting}: {done.stderr.strip()}")

done = subprocess.run([run], env=dict(os.environ, BATCH="1", HVARGS="loglvl=all audit noreboot"),
                      stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)
steps = re.findall(r"^ *[\d.]+  (web[12]) +(.*?) +ok$", done.stdout, re.M)

tap.ok(done.returncode == 0, "the main job succeeds")
for guest in ["web1", "web2"]:
    for what in ["created by pvctl", "Linux .* is up", "made a file system", "read the same back",
                 "ping 10.0.0.1[12]: 3 answers", "by TCP to .*: checksums agree"]:
        tap.ok(any(name == guest and re.search(what, text) for name, text in steps),
               f"{guest}: {what}")
tap.ok(not re.search(r"FAILED", done.stdout), "every line of the table says ok")
with open(os.path.join(m.LOGS, "run.log"), encoding="utf-8", errors="replace") as log:
    audits = re.findall(r"memory audit: .*", log.read())
tap.ok(not m.IS_PARAVANE or (audits and audits[-1].rstrip().endswith("ok")),
       "the memory audit finds nothing wrong")
for line in done.stdout.splitlines():
    tap.diag(line)
tap.done()

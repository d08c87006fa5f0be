#!/usr/bin/python3 -B
# SPDX-License-Identifier: BSD-2-Clause
"""What pvctl says where no hypervisor is needed: help, wrong usage, wrong configurations.

It runs on the host, which is no control domain. Its manual page and its completion for bash must
know all that its help tells.
"""
import json
import os
import re
import subprocess
import tempfile

import machine as m
import tap

PVCTL = os.path.abspath(os.path.join(m.BUILD, "pvctl"))
ROOT = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..")
ON_XEN = os.path.exists("/proc/xen/privcmd")
SOCKET = os.path.exists("/run/xenstored/socket")


def run(*args, **more):
    """Status, standard output and standard error."""
    result = subprocess.run([PVCTL, *args], stdin=subprocess.DEVNULL, capture_output=True,
                            timeout=60, check=False, **more)
    return (result.returncode, result.stdout.decode(errors="replace"),
            result.stderr.decode(errors="replace"))


def check(wanted, pattern, *args, title=""):
    """One check: the exit status, and a line on either output that matches."""
    status, out, err = run(*args)
    if not tap.ok(status == wanted and re.search(pattern, out + err, re.M),
                  title or "pvctl " + " ".join(args)):
        tap.diag(f"status {status}, wanted {wanted} and {pattern!r}:\n{out}{err}"[:2000])


def refused(text, place, pattern, title=""):
    """A configuration that is wrong at a place: an error that names it, status 2, no output."""
    path = os.path.join(work.name, "test.cfg")
    with open(path, "wb") as f:
        f.write(text if isinstance(text, bytes) else text.encode())
    status, out, err = run("create", "-n", path)
    prefix = f"pvctl create: {path}:{place + ': ' if place else ' '}"
    if not tap.ok(status == 2 and out == "" and err.startswith(prefix) and
                  re.search(pattern, err) and err.count("\n") == 1,
                  "refused: " + (title or str(text))):
        tap.diag(f"status {status}, wanted {prefix!r} and {pattern!r}:\n{err}"[:1000])


work = tempfile.TemporaryDirectory(prefix="pvctl-usage-")
GOOD = 'name = "web"\nkernel = "/k"\n'

# --- help: every verb, the manual page, the completion -------------------------------------------

status, text, _ = run("help")
verbs = re.findall(r"^  ([a-z-]+) ", text, re.M)
WANTED = """create destroy shutdown reboot pause unpause list info console dmesg uptime rename vcpu-list
    vcpu-set vcpu-pin sched mem-set mem-max block-attach block-detach block-list network-attach
    network-detach network-list top config-update domid domname""".split()
tap.ok(status == 0 and sorted(verbs) == sorted(WANTED), "help lists all verbs")
with open(os.path.join(ROOT, "docs/man/pvctl.1"), encoding="utf-8") as f:
    manual = re.sub(r"\\f.", "", f.read().replace("\\-", "-"))
for verb in verbs:
    status, text, _ = run(verb, "--help")
    options = re.findall(r"^ .*?(--[a-z-]+)", text, re.M)
    unknown = [o for o in options if o not in manual]
    good = (status == 0 and text.startswith(f"Usage: pvctl {verb}") and
            text == run("help", verb)[1] == run(verb, "-h")[1])
    tap.ok(good and not unknown and re.search(rf"^\.B[IR]? {verb}\b", manual, re.M),
           f"{verb}: help, and the manual knows it: {' '.join(unknown)}")
    for option in re.findall(r"^ +(-[-a-zA-Z]+)", text, re.M):
        if option not in ("-h", "-v"):
            error = run(verb, option, "1", "--nonsense")[2]
            tap.ok(error and "invalid option" not in error and f"option '{option}'" not in error,
                   f"{verb} {option}: an option that there is")
for args in (["help", "--long"], ["--help"], ["-h"]):
    check(0, r"^  create ", *args)


def complete(*words):
    """What bash offers for the last of the words."""
    script = ('source toolstack/pvctl/pvctl.bash; COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); '
              'compopt() { :; }; _pvctl; printf "%s\\n" "${COMPREPLY[@]}"')
    path = os.path.dirname(PVCTL) + ":" + os.environ["PATH"]
    result = subprocess.run(["bash", "-c", script, "bash", "pvctl", *words], cwd=ROOT, check=False,
                            capture_output=True, timeout=60, env={**os.environ, "PATH": path})
    return result.stdout.decode().split()


tap.ok(complete("cr") == ["create"], "completion: a verb")
tap.ok(sorted(set(complete("")) & set(verbs)) == sorted(verbs), "completion: all verbs")
tap.ok({"--paused", "--console", "--help"} <= set(complete("create", "--")),
       "completion: a verb's options")
tap.ok(complete("create", os.path.join(work.name[:-2]))[:1] == [work.name], "completion: a file")

# --- wrong usage ---------------------------------------------------------------------------------

check(2, "Usage:")
check(2, "there is no such verb", "nonsense")
check(2, "there is no such verb", "help", "nonsense")
check(2, "more than one verb begins so: create, console, config-update", "c")
check(2, "Usage", "--nonsense")
check(0, "Usage: pvctl create", "cr", "--help")
check(0, "Usage: pvctl list", "li", "--help")
check(0, "Usage: pvctl vcpu-list", "vcpu-l", "--help")
check(0, "Usage: pvctl sched", "sched-credit2", "--help")
ARGUMENTS = {"create": 1, "destroy": 1, "shutdown": 1, "reboot": 1, "pause": 1, "unpause": 1,
             "console": 1, "rename": 2, "vcpu-set": 2, "vcpu-pin": 3, "mem-set": 2, "mem-max": 2,
             "block-attach": 2, "block-detach": 2, "block-list": 1, "network-attach": 1,
             "network-detach": 2, "network-list": 1, "config-update": 2, "domid": 1, "domname": 1}
for verb in verbs:
    check(2, "unrecognized option", verb, "--nonsense")
    for given in range(ARGUMENTS.get(verb, 0)):
        check(2, f"an argument is missing: usage: pvctl {verb}", verb, *["1"] * given)
for verb in ("destroy", "pause", "unpause", "rename", "vcpu-set", "vcpu-pin", "mem-set", "mem-max",
             "block-list", "network-list", "domid", "domname", "info", "dmesg", "top", "sched"):
    check(2, "too many arguments", verb, *["1"] * (ARGUMENTS.get(verb, 0) + 2))
check(2, "a timeout is", "shutdown", "-t", "soon", "1")
check(2, "a timeout is", "shutdown", "-t", "86401", "1")
check(2, "too many arguments", "shutdown", "-a", "1")
check(2, "waits for nothing", "reboot", "--wait", "1")
check(2, "requires an argument", "create", "-f")
check(2, "a number of vCPUs", "vcpu-set", "1", "0")
check(2, "a number of vCPUs", "vcpu-set", "1", "129")
check(2, "a number of vCPUs", "vcpu-set", "-i", "1", "two")
check(2, "a vCPU's number", "vcpu-pin", "1", "first", "0")
check(2, "soft affinity", "vcpu-pin", "1", "0", "0", "1")
check(2, "a weight is", "sched", "-d", "1", "-w", "0")
check(2, "a weight is", "sched", "-d", "1", "-w", "65536")
check(2, "a cap is", "sched", "-d", "1", "-c", "-1")
check(2, "whose weight", "sched", "-w", "5")
for size in ("lots", "0", "+5", "", "1gg", "18446744073709551616", "99999999t", "0x10", "1 ", "1 m"):
    check(2, "a size is", "mem-set", "1", size)
check(2, "a size is", "mem-max", "1", "1z")
for name in ("", "12", "a/b", "a b", "Domain-0", "a\nb", "-x", ".", "x" * 129):
    check(2, "a name must", "rename", "--", "1", name, title=f"rename 1 {name!r}")
check(2, "no disk has such a name", "block-detach", "1", "nonsense")
check(2, "nonsense", "block-attach", "1", "nonsense=1")
check(2, "nonsense", "network-attach", "1", "nonsense=1")
check(2, "a domain's number", "domname", "web")
check(2, "a delay is", "top", "-d", "0")
check(2, "a number of looks", "top", "-i", "0")
check(2, "no terminal: -b", "top")

# --- configurations ------------------------------------------------------------------------------

check(2, "cannot be opened: No such file", "create", os.path.join(work.name, "nothing"))
check(2, "cannot be (opened|read): Is a directory|cannot be read", "create", work.name)
refused("", "", "name: is missing", "an empty file")
refused("name = 'n'", "", "kernel: is missing")
refused(bytes(range(256)) * 100, "1:1", "NUL", "bytes of every kind")
refused(b"\x7fELF\x02\x01\x01\0" * 9, "1:1", "key = value", "a program")
refused(GOOD + "extra = 'no end", "3:9", "not ended")
refused(GOOD + "disk = [ 'a',", "3:8", "']'")
refused(GOOD + "disk = 'a'", "3:8", "list")
refused(GOOD + "memory = -1", "3:10", "from 1")
refused(GOOD + "memory = 99999999999999999999999", "3:10", "large|long")
refused(GOOD + "vcpus = 'two'", "3:9", "number")
refused(GOOD + "vcpus = 129", "3:9", "to 128")
refused(GOOD + "name = 'a\\nb'", "3:8", "control characters")
refused(GOOD + "name = 'a\\x1bb'", "3:8", "control characters")
refused((GOOD + "extra = '").encode() + b"\xff'", "3:9", "UTF-8")
refused(GOOD + "vif = [ 'mac=nonsense' ]", "3:14", "no MAC address")
refused(GOOD + "disk = [ '/a,raw,nonsense,w' ]", "3:18", "nonsense|virtual disk|vdev")
refused(GOOD + "on_crash = 'nothing'", "3:12", "must be destroy")
refused(GOOD + "uuid = '12'", "3:8", "must be like")
refused(GOOD + "type = 'hvm'", "3:8", "pv")
refused(GOOD + "bootloader = 'pygrub'", "3:14", "kernel")
refused(GOOD + "vcpus=1\n" * 100000 + "memory = x", "100003:10", "no number", "100 000 lines")
refused("\n" * (1 << 20) + "\n", "", "1 MiB", "more than 1 MiB")
refused(GOOD + "".join(f"k{i} = 1\n" for i in range(2000)), "1001:1", "1000 keys", "2000 keys")

config = os.path.join(work.name, "good.cfg")
with open(config, "w", encoding="utf-8") as f:
    f.write(GOOD + "memory = 64\nnonsense = 1\nmemory = 128\n")
status, out, err = run("create", "-n", config, "memory=256", "name='two'; vcpus=2")
tap.ok(status == 0 and err == f"pvctl create: {config}:4:1: warning: nonsense: this key is not "
       "known, and is passed over\n", "an unknown key: a warning with its line")
good = json.loads(out)
tap.ok((good["name"], good["memory_kib"], good["vcpus"]) == ("two", 256 << 10, 2),
       "settings of the command line count more")
check(2, "memory=none:1:8: ", "create", "-n", config, "memory=none")
kept = os.path.join(work.name, "kept.json")
with open(kept, "w", encoding="utf-8") as f:
    f.write(out)
status, again, _ = run("create", "--dry-run", "--from-json", "-f", kept)
tap.ok(status == 0 and again == out, "what a dry run prints is a configuration, too")
for text, pattern in (("", "not JSON"), ("{", "not JSON"), ("[]", "object"), ("{}", "must be there"),
                      (out.replace('"vcpus": 2', '"vcpus": "x"'), "vcpus"),
                      (out.replace('"disks": [', '"disks": [ { }'), "vdev")):
    with open(kept, "w", encoding="utf-8") as f:
        f.write(text)
    check(2, pattern, "create", "-n", "--from-json", kept, title=f"JSON: {pattern}")

# --- no hypervisor -------------------------------------------------------------------------------

if not ON_XEN:
    for verb in verbs:
        args = {"rename": ["1", "new"], "vcpu-set": ["1", "1"], "vcpu-pin": ["1", "0", "0"],
                "mem-set": ["1", "64"], "mem-max": ["1", "64"], "create": [config, "-q"],
                "block-attach": ["1", "/a,raw,xvda,w"], "block-detach": ["1", "xvda"],
                "network-detach": ["1", "0"], "config-update": ["1", config],
                "top": ["-b", "-i", "1"]}.get(verb, ["1"] * ARGUMENTS.get(verb, 0))
        wanted = "hypervisor cannot be reached|store cannot be reached"
        check(1, wanted, verb, *args, title=f"{verb}: no hypervisor")
    tap.ok(run("list")[1] == "", "and nothing is listed")
if not SOCKET and not ON_XEN:
    check(1, "is pvstored running", "domname", "0")
work.cleanup()
tap.done()

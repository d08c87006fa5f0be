# SPDX-License-Identifier: BSD-2-Clause
"""What is booted to be measured: the control domain alone, guests, and the boot itself.

A benchmark has a name and a boot of its own on each system, so that its figures are the same whatever
else is measured, and several can run at once.
"""
import os
import re
import subprocess
import sys

import bench
import rows
import sections
from bench import m
from rows import HYPERVISORS, SYSTEMS

PATIENCE = 3000
# tests/bench/control/bench has a function for each; those of the last list are of Linux alone.
WITH_GUESTS = ("calls", "guest_micro", "guest_block", "guest_net", "pair_net", "life",
               "boot_guest", "memory")
XEN_DEVICES = ("xen", "domains")
PLAIN = ("block", "net")
# On a larger machine: five hundred guests are there.
SCALING = "scaling"
SCALING_MIB = 5120
SCRIPTS = XEN_DEVICES + PLAIN + WITH_GUESTS + (SCALING,)
# On two CPUs: Paravane's own counters, of what the control domain does and of what a guest does.
COUNTERS = ("counters", "guest_counters")
NAMES = ("micro", "boot", "size") + COUNTERS + SCRIPTS
# What takes longest comes first, and short ones fill the gaps.
SLOWEST = ("scaling", "guest_counters", "counters", "boot_guest", "life", "boot", "guest_micro",
           "memory", "micro")


def systems_of(name):
    """Where a benchmark can be run."""
    if name in COUNTERS + ("size",):
        return ("paravane",)
    return SYSTEMS if name in PLAIN + ("micro", "boot") else HYPERVISORS


def rows_of(name):
    """The rows that a benchmark gives, but for those whose name is no word."""
    return [line.operation for line in rows.LINES
            if name in (line.source, line.native) and line.operation.isidentifier()]


def named(name):
    """The benchmarks of that name, or that give the rows of that name."""
    return [name] if name in NAMES else [one for one in NAMES if name in rows_of(one)]


def jobs(names, systems):
    """(system, benchmark) of all that is to be measured, those first that take longest."""
    found = [(system, name) for name in names for system in systems if system in systems_of(name)]
    return sorted(found, key=lambda job: SLOWEST.index(job[1]) if job[1] in SLOWEST else
                  len(SLOWEST))


def measure(table, system, name):
    """Adds the benchmark's figures; ends the program, saying why, when it cannot."""
    if name == "size":
        return measure_size(table)
    if name == "micro":
        return measure_micro(table, system)
    if name == "boot":
        return measure_boot(table, system)
    if name in COUNTERS:
        return measure_counters(table, system, name)
    return measure_script(table, system, name)


def expect(machine, pattern):
    """The match; ends the program when there is none."""
    found = machine.expect(pattern, timeout=PATIENCE)
    if not found:
        sys.exit(machine.explain())
    return found


def sections_path(system, name):
    return os.path.join(bench.WORK, f"sections-{name}-{system}")


# --- scripts of the control domain --------------------------------------------------------------

def run_scripts(system, names, out, **how):
    """The scripts of those names, one after the other in one boot: {(phase, operation): [Section]},
    how often each is done in a section, and what else was printed."""
    console, failure = script_console(system, names, bench.plugin_arguments(system, out, **how))
    if failure:
        sys.exit(failure)
    return sections.by_operation(sections.read(out)), sections.repetitions(console), console


def script_console(system, names, plugin, **machine_has):
    """What is printed when the scripts of those names run, and why they failed, or None."""
    initramfs = m.control_domain(m.KERNEL, "initramfs-bench.cpio")
    with bench.boot("-".join(names), system, initramfs, plugin=plugin, **machine_has,
                    kernel_args=f"paravane.test=bench paravane.bench={','.join(names)}") as machine:
        found = machine.expect(r"init: test bench ended with status (\d+)|^bench: failed.*", PATIENCE)
        if found and found.group(1) == b"0":
            return machine.buffer, None
        why = found.group(0).decode() if found else machine.explain()
        return machine.buffer, f"{why} ({machine.log_path})"


def measure_script(table, system, name):
    out = sections_path(system, name)
    memory = SCALING_MIB if name == SCALING else bench.MEMORY_MIB
    console, failure = script_console(system, [name], bench.plugin_arguments(system, out),
                                      memory_mib=memory)
    operations = sections.by_operation(sections.read(out), complete=not failure)
    rows.add(table, system, name, sections.measured(operations, sections.repetitions(console)))
    for what, passes in sections.printed_figures(console).items():
        rows.add_figure(table, system, what, passes)
    if failure:
        sys.exit(failure)


def measure_counters(table, system, name):
    """What the hypervisor counts itself, on two CPUs: it is asked in the control domain."""
    console, failure = script_console(system, [name], (), cpus=2)
    whose = {"counters": "control domain", "guest_counters": "guest"}[name]
    printed = re.findall(r"^counts (\w+) (\d+) ([^\r\n]+)", console.decode(errors="replace"), re.M)
    rows.add_counters(table, whose, printed)
    if failure:
        sys.exit(failure)


# --- the control domain alone -------------------------------------------------------------------

def run_micro(system, _, out, then=lambda machine: None, **how):
    """The same as run_scripts() of the system calls in the control domain, and of its boot."""
    arguments = bench.plugin_arguments(system, out, boot=True, **how)
    with bench.boot("micro", system, bench.micro_initramfs(), plugin=arguments) as machine:
        expect(machine, r"^bench: end")
        console = machine.buffer
        then(machine)
    return sections.by_operation(sections.read(out)), sections.repetitions(console), console


def measure_micro(table, system):
    """The system calls; in the same boot, instructions up to the control domain and to /init."""
    def then(machine):
        if system != "native":
            measure_memory(table, system, machine)

    operations, repetitions, _ = run_micro(system, ["micro"], sections_path(system, "micro"), then)
    rows.add(table, system, "micro", sections.measured(operations, repetitions))


def measure_memory(table, system, machine):
    """What neither a domain has nor is free, as the hypervisor's debug keys tell."""
    free_key, free_line, unit = {
        "paravane": ("M", r"free in (\d+) frames", 4096),
        "xen": ("m", r"Dom heap: (\d+)kB free", 1024),
    }[system]
    expect_key(machine, "\x01\x01\x01", r"(input|Input|console)")
    free = int(expect_key(machine, free_key, free_line).group(1)) * unit
    domain = expect_key(machine, "q", r"(?:nr_pages=(\d+)|domain 0:.* (\d+) of \d+ pages)")
    given = int(domain.group(1) or domain.group(2)) * 4096
    rows.add_figure(table, system, "memory", [usable_memory(system) - free - given])


def expect_key(machine, key, pattern):
    machine.send(key)
    return expect(machine, pattern)


def usable_memory(system):
    """Bytes of RAM in the machine's E820 map, which the kernel prints on the bare machine."""
    with bench.boot(f"e820-of-{system}", "native", bench.micro_initramfs(),
                    dom0_mib=None) as machine:
        expect(machine, r"NX \(Execute Disable\)")
        ranges = re.findall(rb"BIOS-e820: \[mem 0x(\w+)-0x(\w+)\] usable", machine.buffer)
    return sum(int(last, 16) + 1 - int(first, 16) for first, last in ranges)


# --- the boot -----------------------------------------------------------------------------------

def measure_boot(table, system):
    """The kernel's clock at /init, and the hypervisor's boot with all memory for the domain."""
    with bench.boot("clock", system, bench.micro_initramfs(), cpu="") as machine:
        found = expect(machine, r"^\[ *(\d+)\.(\d+)\] Run /init as init process")
        rows.add_figure(table, system, "Run /init",
                        [int(found.group(1)) * 1000 + int(found.group(2)) / 1000])
    if system == "native":
        return
    out = sections_path(system, "boot")
    arguments = bench.plugin_arguments(system, out, boot=True)
    initramfs = m.control_domain(m.KERNEL, "initramfs.cpio")
    # The section ends where the next begins, which is at the kernel's first instruction.
    with bench.boot("all", system, initramfs, plugin=arguments, dom0_mib=None) as machine:
        wait_for_section(machine, out, "boot")
    found = {section.name: section.total() for section in sections.read(out)}
    rows.add_figure(table, system, "boot, all memory", [found["boot"]])


def wait_for_section(machine, path, name):
    """Waits until the plugin has written a section."""
    for _ in range(PATIENCE):
        machine.read(0.5)
        if machine.qemu.poll() is not None:
            sys.exit(machine.explain())
        with open(path) as f:
            if f"section {name}\n" in f.read():
                return
    sys.exit(machine.explain())


def measure_size(table):
    text = subprocess.run(["size", "-A", bench.PARAVANE + ".elf"], check=True,
                          capture_output=True, text=True).stdout
    sizes = dict(re.findall(r"^(\.\w+) +(\d+)", text, re.M))
    rows.add_figure(table, "paravane", "text+data",
                    [sum(int(sizes[name]) for name in (".text", ".rodata", ".data"))])

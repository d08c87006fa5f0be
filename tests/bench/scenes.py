# SPDX-License-Identifier: BSD-2-Clause
"""What is booted to be measured: the control domain alone, guests, and the boot itself."""
import os
import re
import subprocess
import sys

import bench
import rows
import sections
from bench import m

PATIENCE = 3000
MEGABYTES = 1 << 20
# tests/bench/control/bench has a function for each; those of the second list are of Linux alone.
WITH_GUESTS = ("calls", "guest_micro", "guest_block", "guest_net", "pair_net", "life",
               "boot_guest")
XEN_DEVICES = ("xen", "domains")
PLAIN = ("block", "net")
SCRIPTS = XEN_DEVICES + PLAIN + WITH_GUESTS
# In a boot of its own, on a larger machine.
SCALING = "scaling"
SCALING_MIB = 8192
COUNTERS = "counters"


def expect(machine, pattern):
    """The match; ends the program when there is none."""
    found = machine.expect(pattern, timeout=PATIENCE)
    if not found:
        sys.exit(machine.explain())
    return found


def run_scripts(system, names, out, memory_mib=bench.MEMORY_MIB, **how):
    """The scripts of those names, one after the other in one boot: {(phase, operation): [Section]}
    and how often each is done in a section."""
    arguments = bench.plugin_arguments(system, out, **how)
    console = script_console(system, names, arguments, memory_mib=memory_mib)
    return sections.by_operation(sections.read(out)), sections.repetitions(console)


def script_console(system, names, plugin, **machine_has):
    """What is printed when the scripts of those names run."""
    initramfs = m.control_domain(m.KERNEL, "initramfs-bench.cpio")
    with bench.boot("scripts", system, initramfs, plugin=plugin, **machine_has,
                    kernel_args=f"paravane.test=bench paravane.bench={','.join(names)}") as machine:
        status = expect(machine, r"init: test bench ended with status (\d+)").group(1)
        if status != b"0" or b"bench: failed" in machine.buffer:
            failed = re.search(rb"bench: failed.*", machine.buffer)
            sys.exit(f"{machine.log_path}: {failed.group(0).decode() if failed else status}")
        return machine.buffer


def run_micro(system, _, out, **how):
    """The same of the system calls in the control domain, and of its boot."""
    arguments = bench.plugin_arguments(system, out, boot=True, **how)
    with bench.boot("micro", system, bench.micro_initramfs(), plugin=arguments) as machine:
        expect(machine, r"^bench: end")
        return (sections.by_operation(sections.read(out)),
                sections.repetitions(machine.buffer))


def measure_scripts(table, system, names):
    if system == "native":
        names = [name for name in names if name in PLAIN]
    if names:
        out = os.path.join(bench.WORK, f"sections-scripts-{system}")
        rows.add(table, system, sections.measured(*run_scripts(system, names, out)))


def measure_scaling(table, system):
    if system != "native":
        out = os.path.join(bench.WORK, f"sections-scaling-{system}")
        rows.add_scaling(table, system, sections.measured(
            *run_scripts(system, [SCALING], out, SCALING_MIB)))


def measure_counters(table):
    """What the hypervisor counts itself, on two CPUs: it is asked in the control domain."""
    arguments = bench.plugin_arguments("paravane", os.path.join(bench.WORK, "sections-counters"))
    console = script_console("paravane", [COUNTERS], arguments, cpus=2)
    rows.add_counters(table, re.findall(rb"^counts (\w+) (\d+) ([^\r\n]+)", console, re.M))


def measure_micro(table, system):
    """The system calls; in the same boot, instructions up to the control domain and to /init."""
    out = os.path.join(bench.WORK, f"sections-micro-{system}")
    arguments = bench.plugin_arguments(system, out, boot=True)
    with bench.boot("micro", system, bench.micro_initramfs(), plugin=arguments) as machine:
        expect(machine, r"^bench: end")
        found = sections.by_operation(sections.read(out))
        rows.add(table, system, sections.measured(found, sections.repetitions(machine.buffer)))
        if system == "native":
            return
        measure_memory(table, system, machine)
    for name, bar in (("boot", 100e6), ("kernel", None)):
        table.row("Machine", name, bar=bar).add(
            system, [found[sections.CONTROL, name][0].total()])


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
    taken = usable_memory() - free - given
    table.row("Machine", "memory", unit="bytes", bar=0.007 * bench.MEMORY_MIB * MEGABYTES).add(
        system, [taken])


def expect_key(machine, key, pattern):
    machine.send(key)
    return expect(machine, pattern)


def usable_memory():
    """Bytes of RAM in the machine's E820 map, which the kernel prints on the bare machine."""
    log = os.path.join(m.LOGS, "bench-e820-native.log")
    if not os.path.exists(log):
        with bench.boot("e820", "native", bench.micro_initramfs(), dom0_mib=None) as machine:
            expect(machine, r"NX \(Execute Disable\)")
    with open(log) as f:
        ranges = re.findall(r"BIOS-e820: \[mem 0x(\w+)-0x(\w+)\] usable", f.read())
    return sum(int(last, 16) + 1 - int(first, 16) for first, last in ranges)


def measure_boot(table, system):
    """The kernel's clock at /init, and the hypervisor's boot with all memory for the domain."""
    with bench.boot("clock", system, bench.micro_initramfs(), cpu="") as machine:
        found = expect(machine, r"^\[ *(\d+)\.(\d+)\] Run /init as init process")
        table.row("Machine", "Run /init", unit="ms", bar=1.0, of_xen=True).add(
            system, [int(found.group(1)) * 1000 + int(found.group(2)) / 1000])
    if system == "native":
        return
    out = os.path.join(bench.WORK, f"sections-all-{system}")
    arguments = bench.plugin_arguments(system, out, boot=True)
    initramfs = m.control_domain(m.KERNEL, "initramfs.cpio")
    # The section ends where the next begins, which is at the kernel's first instruction.
    with bench.boot("all", system, initramfs, plugin=arguments, dom0_mib=None) as machine:
        wait_for_section(machine, out, "boot")
    found = {section.name: section.total() for section in sections.read(out)}
    table.row("Machine", "boot, all memory").add(system, [found["boot"]])


def wait_for_section(machine, path, name):
    """Waits until the plugin has written a section."""
    for _ in range(PATIENCE):
        if not machine.is_quiet(0.5) and machine.qemu.poll() is not None:
            sys.exit(machine.explain())
        with open(path) as f:
            if f"section {name}\n" in f.read():
                return
    sys.exit(machine.explain())


def measure_size(table):
    text = subprocess.run(["size", "-A", bench.PARAVANE + ".elf"], check=True,
                          capture_output=True, text=True).stdout
    sizes = dict(re.findall(r"^(\.\w+) +(\d+)", text, re.M))
    table.row("Machine", "text+data", unit="bytes", bar=256 << 10).add(
        "paravane", [sum(int(sizes[name]) for name in (".text", ".rodata", ".data"))])

# SPDX-License-Identifier: BSD-2-Clause
"""The machine that benchmarks and profiles run on, and the control domain's small initramfs.

One CPU, 3 GiB, QEMU with -icount: every executed instruction advances the virtual clock by 2 ns, and
the TSC runs at 1 GHz of it, so that two ticks are one instruction. The same files and command line
give the same figures to the last digit, on any host and however busy it is.
"""
import os
import re
import struct
import subprocess
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "..", "system"))
import machine as m  # noqa: E402
from symbols import symbols  # noqa: E402

NS_PER_INSTRUCTION = 2
MEMORY_MIB = 3072
DOM0_MIB = 1536
WORK = os.path.join(m.BUILD, "bench")
PARAVANE = os.path.join(m.BUILD, "paravane")
XEN = os.path.join(WORK, "xen")
SYSTEMS = ("paravane", "xen", "native")
# With ERMS Linux clears a page by REP STOSB, which TCG executes and counts byte by byte.
NO_ERMS = ",-erms,-fsrm"
# Under -icount there is no other accelerator, and a process more on the host is no guest's time.
m.kvm_usable = lambda: False

XEN_ELFNOTE_ENTRY = 1
PT_LOAD, PT_NOTE = 1, 4


def vmlinux():
    return m.control_domain(m.KERNEL, "vmlinux")


def hypervisor_of(system):
    return {"paravane": PARAVANE, "xen": XEN}[system]


def boot(name, system, initrd, cpu=NO_ERMS, plugin=(), dom0_mib=DOM0_MIB, kernel_args=""):
    """Starts a machine. `plugin` is (file, arguments)."""
    options = list(m.ICOUNT)
    if plugin:
        options += ["-plugin", ",".join(plugin)]
    if system == "native":
        # As much memory as a control domain has beside it.
        options += ["-kernel", m.control_domain(m.KERNEL, "bzImage"), "-initrd", initrd,
                    "-append", f"console=ttyS0 nokaslr {kernel_args}"]
    else:
        share = f" dom0_mem={dom0_mib}M,max:{dom0_mib}M" if dom0_mib else ""
        options += ["-kernel", hypervisor_of(system),
                    "-append", f"console=com1 com1=115200,8n1{share}",
                    "-initrd", f"{m.escape(vmlinux())} console=hvc0 {kernel_args},"
                               f"{m.escape(initrd)}"]
    memory = dom0_mib if system == "native" and dom0_mib else MEMORY_MIB
    return m.Machine(f"bench-{name}-{system}", options, memory=f"{memory}M", cpus=1, cpu=cpu)


# --- the initramfs ------------------------------------------------------------------------------

def _cpio_entry(name, mode, data=b"", device=(0, 0)):
    """An entry of a "newc" archive (Linux, driver-api/early-userspace/buffer-format)."""
    fields = (0, mode, 0, 0, 1, 0, len(data), 0, 0, *device, len(name) + 1, 0)
    head = b"070701" + b"".join(b"%08x" % field for field in fields) + name.encode() + b"\0"
    return head + bytes(-len(head) % 4) + data + bytes(-len(data) % 4)


def make_initramfs(path, init):
    """An archive of a program as /init, the console, and /dev/zero."""
    with open(init, "rb") as f:
        program = f.read()
    with open(path, "wb") as f:
        f.write(_cpio_entry("dev", 0o040755) +
                _cpio_entry("dev/console", 0o020600, device=(5, 1)) +
                _cpio_entry("dev/zero", 0o020666, device=(1, 5)) +
                _cpio_entry("init", 0o100755, program) +
                _cpio_entry("TRAILER!!!", 0))


def build():
    """Compiles the guest's program and the plugin. Returns the paths of initramfs and plugin."""
    os.makedirs(WORK, exist_ok=True)
    compiler = os.environ.get("CC") or "gcc"
    micro, count = os.path.join(WORK, "micro"), os.path.join(WORK, "count.so")
    flags = ["-std=gnu11", "-D_GNU_SOURCE", "-O2", "-g", "-Wall", "-Wextra"]
    # Linked where neither a kernel nor a hypervisor has anything, for the marks' sake.
    subprocess.run([compiler, *flags, "-static", "-no-pie", "-Wl,--build-id=none",
                    "-Wl,-Ttext-segment=0x10000000",
                    "-o", micro, os.path.join(HERE, "micro.c")], check=True)
    subprocess.run([compiler, *flags, "-fPIC", "-shared", "-fvisibility=hidden",
                    "-o", count, os.path.join(HERE, "count.c")], check=True)
    initramfs = os.path.join(WORK, "initramfs.cpio")
    stripped = micro + ".stripped"
    subprocess.run(["objcopy", "--strip-all", micro, stripped], check=True)
    make_initramfs(initramfs, stripped)
    return initramfs, count


# --- addresses, for the plugin's marks ----------------------------------------------------------

def _segments(data):
    """Entry and (type, offset, virtual, physical, size) of the program headers; 32 or 64 bit."""
    if data[4] == 1:
        entry, table = struct.unpack_from("<II", data, 24)
        size, count = struct.unpack_from("<HH", data, 42)
        headers = [struct.unpack_from("<IIIII", data, table + i * size) for i in range(count)]
        return entry, headers
    entry, table = struct.unpack_from("<QQ", data, 24)
    size, count = struct.unpack_from("<HH", data, 54)
    headers = [struct.unpack_from("<IIQQQQ", data, table + i * size) for i in range(count)]
    return entry, [(kind, offset, virtual, physical, length)
                   for kind, _, offset, virtual, physical, length in headers]


def loader_entry(path):
    """Where the boot loader jumps: the machine address of a hypervisor's entry."""
    with open(path, "rb") as f:
        entry, headers = _segments(f.read())
    for kind, _, virtual, physical, length in headers:
        if kind == PT_LOAD and virtual <= entry < virtual + length:
            return entry - virtual + physical
    return entry


def pv_entry(path):
    """Where a PV kernel begins: the descriptor of its ELF note XEN_ELFNOTE_ENTRY."""
    with open(path, "rb") as f:
        data = f.read()
    for kind, offset, _, _, length in _segments(data)[1]:
        end = offset + length
        while kind == PT_NOTE and offset < end:
            name_size, size, note = struct.unpack_from("<III", data, offset)
            name = offset + 12
            descriptor = name + (name_size + 3) // 4 * 4
            if note == XEN_ELFNOTE_ENTRY and data[name:name + 4] == b"Xen\0":
                return struct.unpack_from("<Q", data, descriptor)[0]
            offset = descriptor + (size + 3) // 4 * 4
    raise ValueError(f"{path} has no note with a PV entry")


def plugin_arguments(plugin, system, out):
    """The plugin with marks at the loader's jump, the control domain's entry, and /init's."""
    marks = {name: address for address, name in symbols(os.path.join(WORK, "micro"))
             if name.startswith("op_")}
    arguments = [plugin, f"out={out}"]
    if system != "native":
        marks["boot"] = loader_entry(hypervisor_of(system))
        marks["kernel"] = pv_entry(vmlinux())
    if system == "paravane":
        table = {name: address for address, name in symbols(PARAVANE + ".elf")}
        arguments.append(f"text={table['image_start']:#x}-{table['image_text_end']:#x}")
    return arguments + [f"mark={name}:{address:#x}" for name, address in marks.items()]


class Section:
    """What was executed in all sections of one name: how many there were, and instructions."""

    def __init__(self):
        self.times = 0
        self.classes = {"low": 0, "hypervisor": 0, "kernel": 0}
        self.addresses = {}

    def total(self):
        return sum(self.classes.values())


def read_sections(path):
    """The plugin's file: a Section for each name."""
    sections = {}
    section = None
    with open(path) as f:
        for line in f:
            key, value = line.split()
            if key == "section":
                section = sections.setdefault(value, Section())
                section.times += 1
            elif key in section.classes:
                section.classes[key] += int(value)
            else:
                address = int(key, 16)
                section.addresses[address] = section.addresses.get(address, 0) + int(value)
    return sections


def micro_results(console):
    """What micro.c printed: {operation: [instructions of pass 1, of pass 2]}."""
    results = {}
    for name, _, value, _ in re.findall(rb"^bench (\w+) (\d) (\d+) (\d+)", console, re.M):
        results.setdefault(name.decode(), []).append(int(value) / 100)
    return results


def repetitions(console):
    """How often each operation is done in a batch."""
    return {name.decode(): int(count) for name, count in
            re.findall(rb"^bench (\w+) 1 \d+ (\d+)", console, re.M)}

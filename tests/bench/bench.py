# SPDX-License-Identifier: BSD-2-Clause
"""The machine that benchmarks and profiles run on, and the control domain's small initramfs.

One CPU, 3 GiB, QEMU with -icount: every executed instruction advances the virtual clock by 2 ns, and
the TSC runs at 1 GHz of it, so that two ticks are one instruction. The same files and command line
give the same figures to the last digit, on any host and however busy it is.
"""
import os
import struct
import subprocess
import sys
import tempfile

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


def boot(name, system, initrd, cpu=NO_ERMS, plugin=(), dom0_mib=DOM0_MIB, memory_mib=MEMORY_MIB, cpus=1,
         kernel_args=""):
    """Starts a machine. `plugin` is (file, arguments).

    On more than one CPU nothing may wait without sleeping: QEMU before 8.1 shares out the instructions up
    to the next timer among the CPUs in their order, and when the first uses all of them the others get
    none, every time.
    """
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
                    "-initrd", f"{m.escape(vmlinux())} console=hvc0 {m.escape(kernel_args)},"
                               f"{m.escape(initrd)}"]
    memory = dom0_mib if system == "native" and dom0_mib else memory_mib
    return m.Machine(f"bench-{name}-{system}", options, memory=f"{memory}M", cpus=cpus, cpu=cpu)


# --- the initramfs ------------------------------------------------------------------------------

def _cpio_entry(name, mode, data=b"", device=(0, 0)):
    """An entry of a "newc" archive (Linux, driver-api/early-userspace/buffer-format)."""
    fields = (0, mode, 0, 0, 1, 0, len(data), 0, 0, *device, len(name) + 1, 0)
    head = b"070701" + b"".join(b"%08x" % field for field in fields) + name.encode() + b"\0"
    return head + bytes(-len(head) % 4) + data + bytes(-len(data) % 4)


def micro_initramfs():
    """An initramfs of two programs, /init (programs/micro.c) and /nothing, the console, and
    /dev/zero. Returns its path. Another scene may read it meanwhile: it is there whole, always."""
    path = os.path.join(WORK, "initramfs.cpio")
    with tempfile.TemporaryDirectory(dir=WORK) as directory:
        def program(name):
            stripped = os.path.join(directory, name)
            subprocess.run(["objcopy", "--strip-all", os.path.join(WORK, "bin", name), stripped],
                           check=True)
            with open(stripped, "rb") as f:
                return f.read()

        made = os.path.join(directory, "initramfs.cpio")
        with open(made, "wb") as f:
            f.write(_cpio_entry("dev", 0o040755) +
                    _cpio_entry("dev/console", 0o020600, device=(5, 1)) +
                    _cpio_entry("dev/zero", 0o020666, device=(1, 5)) +
                    _cpio_entry("nothing", 0o100755, program("nothing")) +
                    _cpio_entry("init", 0o100755, program("micro")) +
                    _cpio_entry("TRAILER!!!", 0))
        os.replace(made, path)
    return path


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


def plugin_arguments(system, out, boot=False, functions=False):
    """The plugin's; with `boot` it has marks at the loader's jump and at the control domain's entry
    (which a guest of the same kernel executes, too), with `functions` it counts each instruction of
    the hypervisor."""
    arguments = [os.path.join(WORK, "count.so"), f"out={out}"]
    if system == "paravane" and functions:
        table = {name: address for address, name in symbols(PARAVANE + ".elf")}
        arguments.append(f"text={table['image_start']:#x}-{table['image_text_end']:#x}")
    if system != "native" and boot:
        arguments.append(f"mark=boot:{loader_entry(hypervisor_of(system)):#x}")
        arguments.append(f"mark=kernel:{pv_entry(vmlinux()):#x}")
    return arguments

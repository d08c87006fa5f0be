# SPDX-License-Identifier: BSD-2-Clause
"""What each row's timer includes: (rows, as they are called; what is measured from where to where).

A name alone is that row's in every group; (group, None) is all of a group that is not named itself.
"""
from rows import (BLOCK, COUNTERS_GROUP, DIFFERENCE, LINES, NEWLIB_GROUP, SCALING_GROUP)

TIMERS = (
    (("getpid", "read_zero", "clock_gettime", "sched_yield", "pipe_self", "mmap_untouched"),
     "the system call, or calls: one byte of /dev/zero; CLOCK_MONOTONIC, by the vDSO where it serves; "
     "a byte written to a pipe and read again; a page mapped and unmapped. In these and the next rows: "
     "the loop and its instructions in user mode, kernel and hypervisor together, timer ticks as they "
     "fall. In the control domain the program is /init; on the bare machine too, whose figures stand "
     "in both groups"),
    (("pipe_round_trip", "thread_switch"),
     "two processes (threads of one), there and back: two switches, and four system calls (on a "
     "futex)"),
    (("signal",), "sent to itself, handled, returned from"),
    (("fork_exit", "fork_exec", "vfork_exec"),
     "`waitpid` included; the process has its program, static, a heap and a stack; the program executed is "
     "static, without a C library, and ends at once"),
    (("mmap_touch",), "one page, of 256 mapped, written to once and unmapped"),
    (("mprotect_pair",), "one page, in use and an area of its own, to read-only and back"),
    (("timer",),
     "a sleep of 100 us up to an absolute time, clock_gettime before it: setting the timer, the way to "
     "idle, the interrupt, the way back. The waiting itself is not counted. The hypervisor has scrubbed "
     "all free memory before"),
    (((NEWLIB_GROUP, None),),
     "in this group only what the hypervisor executes"),
    (("hypercall",),
     "xen_version(version): from the first instruction of the hypervisor's to the last"),
    (("evtchn_upcall",), "an event to itself, with its upcall"),
    (("va_mapping",), "update_va_mapping of one page with INVLPG, set and cleared in turn"),
    (("mmu_update_1", "mmu_update_8", "mmu_update_64"),
     "one entry, of lists of 1, 8 and 64, set and cleared in turn"),
    (("pin", "unpin"),
     "a process's tables, a table of each of four levels and 512 entries in the lowest"),
    (("privcmd_version", "privcmd_invalid", DIFFERENCE),
     "the hypercall xen_version by /dev/xen/privcmd; an ioctl that is refused: the difference is the "
     "hypercall"),
    (("evtchn_self", "evtchn_pair"),
     "notify, read and unmask through /dev/xen/evtchn; there and back between two processes"),
    (("evtchn_domains",),
     "an event to a newlib guest, which sends one back from its upcall, through /dev/xen/evtchn here: "
     "both domains, and the changes between them"),
    (("store_write",),
     "16 bytes into a node of pvstored: the writer, the daemon, the switches between them"),
    (("grant_map", "grant_map_64"),
     "a page of its own (gntalloc) mapped through gntdev, written to and unmapped; one page of 64 at "
     "once"),
    (("grant_copy", "grant_copy_64"), "such a page copied from, by gntdev; one page of 64 at once"),
    (BLOCK,
     "one request with O_DIRECT of 4 KiB or 1 MiB, of 32 at once where the name says so, on a "
     "memory-backed disk (brd) in the control domain, by xen-blkback and xen-blkfront in the guest"),
    (("tcp_send", "tcp_receive"),
     "one byte of 4 MiB by TCP, as the client sees it, both ends counted. The client is the guest "
     "(tcp_send: guest to control domain, tcp_receive: control domain to guest), or one of the two "
     "guests; on the bare machine both ends of the loopback device"),
    (("tcp_round_trip",), "8 bytes there and one back by TCP"),
    (("ping",), "ICMP echo of 64 bytes"),
    (("create_newlib", "create_newlib_devices", "create_linux", "create_linux_devices"),
     "all of `pvctl create -p`, from fork to its end: newlib: 32 MiB; linux: 128 MiB and Debian's "
     "kernel unpacked; devices: a disk and a network card. Memory that was freed has been scrubbed "
     "before"),
    (("destroy_newlib", "destroy_newlib_devices", "destroy", "destroy_devices"),
     "all of `pvctl destroy` of those; destroy and destroy_devices: of the Linux guests"),
    (("boot_linux",),
     "from the beginning of `pvctl create` up to the first program of the guest's own, with 256 MiB "
     "and an initramfs of 16 MiB"),
    (("memory_newlib", "memory_linux", "memory_linux_8"),
     "free memory before the guest is made, less what is free then, less the guest's own pages: 32 MiB; "
     "128 MiB; the same with 8 vCPUs. Not started yet"),
    (((SCALING_GROUP, None),),
     "the same operations while 1, 10, 100 and 500 newlib guests of 4 MiB are there and idle; on a "
     "machine of 5 GiB"),
    (((COUNTERS_GROUP, None),),
     "what Paravane counts itself (`XEN_SYSCTL_perfc_op`; Debian's Xen is built without), on a machine "
     "of two CPUs: one operation's part of four batches. A guest, of two vCPUs, tells the control domain "
     "by the store when to read. \"cr3 loads between program and kernel\" are two a system call"),
    (("memory",),
     "usable RAM of the E820 map, less the domain's pages, less what is free, after /init has done its "
     "work; by the hypervisors' debug keys"),
    (("boot",),
     "from the first instruction at the Multiboot entry point up to the first at the kernel's PV entry "
     "point; QEMU's own loading and firmware are not in it"),
    (("boot, all memory",), "the same without `dom0_mem`, with the control domain's own initramfs"),
    (("kernel",), "from there to `main` of /init: kernel and hypervisor"),
    (("Run /init",),
     "ms of virtual time: the kernel's own time stamp of that line, waiting included, the hypervisor's "
     "boot not; ERMS and FSRM on. The bare kernel's clock starts after it has unpacked itself"),
    (("text+data",),
     "sections .text, .rodata and .data, padded to pages, of the release build"),
)


def said_of(line):
    """The texts that are about a row."""
    wanted = (line.name, (line.group, None))
    return [text for names, text in TIMERS if any(name in names for name in wanted)]


def silent():
    """Rows whose timer nothing is said of."""
    return [f"{line.group}: {line.name}" for line in LINES if not said_of(line)]


def markdown():
    lines = ["### What each timer includes", "", "| rows | from, to |", "| --- | --- |"]
    for names, text in TIMERS:
        called = [name if isinstance(name, str) else f"\"{name[0]}\"" for name in names]
        lines.append(f"| {', '.join(called)} | {text} |")
    return "\n".join(lines)

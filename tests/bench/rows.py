# SPDX-License-Identifier: BSD-2-Clause
"""Every row of the table: which benchmark gives it, of what, and the bar that Paravane must hold."""
from typing import NamedTuple, Optional

SYSTEMS = ("paravane", "xen", "native")
HYPERVISORS = ("paravane", "xen")

MICRO = ("getpid", "read_zero", "clock_gettime", "sched_yield", "signal", "pipe_self",
         "pipe_round_trip", "thread_switch", "fork_exit", "fork_exec", "vfork_exec",
         "mmap_untouched", "mmap_touch", "mprotect_pair", "timer")
BLOCK = ("read_4k", "write_4k", "read_1m", "write_1m", "read_4k_32", "write_4k_32", "read_1m_32",
         "write_1m_32")
NET = ("tcp_send", "tcp_receive", "tcp_round_trip", "ping")
CALLS = ("hypercall", "evtchn_upcall", "va_mapping", "mmu_update_1", "mmu_update_8",
         "mmu_update_64", "pin", "unpin")
DEVICES = ("privcmd_invalid", "privcmd_version", "evtchn_self", "evtchn_pair", "grant_map",
           "grant_map_64", "grant_copy", "grant_copy_64")
DOMAINS = ("evtchn_domains", "store_write")
LIFE = ("create_newlib", "create_newlib_devices", "create_linux", "create_linux_devices",
        "destroy_newlib", "destroy_newlib_devices", "destroy", "destroy_devices")
SCALED = ("create_newlib", "destroy_newlib", "evtchn_domains", "store_write")
PRESENT = (1, 10, 100, 500)
MEMORY = ("memory_newlib", "memory_linux", "memory_linux_8")

NEWLIB_GROUP = "Hypercalls of a newlib guest, in the hypervisor"
EVENTS_GROUP = "Events and grants, control domain"
GUESTS_GROUP = "Guests"
SCALING_GROUP = "With other guests present"
MACHINE_GROUP = "Machine"
# Paravane counts and tells; Debian's Xen is built without (XEN_SYSCTL_perfc_op: ENOSYS).
COUNTERS_GROUP = "Hypervisor's counters, two CPUs"
DIFFERENCE = "privcmd_version less privcmd_invalid"


class Line(NamedTuple):
    """A row, and where its figures come from."""
    group: str
    name: str
    source: str             # the benchmark that measures it,
    operation: str          # the name of its sections there,
    phase: str = "control"  # the phase that they are of,
    what: str = "total"     # and what is taken of them
    native: str = ""        # the benchmark whose figure of the bare machine stands beside it
    systems: tuple = HYPERVISORS
    unit: str = "instructions"
    bar: Optional[float] = None
    of_xen: bool = False    # the bar is a part of Xen's figure

    def sources(self):
        """(system, benchmark) for each figure that the row should have."""
        pairs = [(system, self.source) for system in self.systems]
        return pairs + [("native", self.native)] * bool(self.native)


BARS = {
    ("Control domain", "getpid"): 700,
    ("Guest", "getpid"): 520,
    ("Guest", "pipe_round_trip"): 17000,
    ("Guest", "fork_exit"): 330e3,
    ("Guest", "fork_exec"): 640e3,
    ("Guest", "mmap_touch"): 6500,
    ("Guest", "mprotect_pair"): 8500,
    (NEWLIB_GROUP, "hypercall"): 60,
    (EVENTS_GROUP, "evtchn_self"): 6000,
    (EVENTS_GROUP, "grant_map"): 20000,
    ("Disk, guest", "read_4k"): 35000,
    ("Network, guest and control domain", "tcp_send"): 1.8,
    ("Network, guest and control domain", "ping"): 45000,
    (GUESTS_GROUP, "create_linux"): 40e6,
    (GUESTS_GROUP, "destroy_devices"): 40e6,
}


def _lines(group, source, operations, **more):
    return [Line(group, name, source, name, bar=BARS.get((group, name)), **more)
            for name in operations]


def _machine(name, source, **more):
    return Line(MACHINE_GROUP, name, source, name, **more)


LINES = (
    *_lines("Control domain", "micro", MICRO, native="micro"),
    *_lines("Guest", "guest_micro", MICRO, phase="guest", native="micro"),
    *_lines(NEWLIB_GROUP, "calls", CALLS, phase="newlib", what="hypervisor"),
    *_lines(EVENTS_GROUP, "xen", DEVICES),
    *_lines(EVENTS_GROUP, "xen", [DIFFERENCE]),
    *_lines(EVENTS_GROUP, "domains", DOMAINS),
    *_lines("Disk, control domain", "block", BLOCK, native="block"),
    *_lines("Disk, guest", "guest_block", BLOCK, phase="guest", native="block"),
    *_lines("Network, loopback of the control domain", "net", NET, native="net"),
    *_lines("Network, guest and control domain", "guest_net", NET, phase="guest", native="net"),
    *_lines("Network, two guests", "pair_net", NET, phase="pair", native="net"),
    *_lines(GUESTS_GROUP, "life", LIFE),
    *_lines(GUESTS_GROUP, "boot_guest", ["boot_linux"]),
    *_lines(GUESTS_GROUP, "memory", MEMORY, unit="bytes"),
    *[Line(SCALING_GROUP, f"{operation}, {present}", "scaling", operation, phase=str(present))
      for operation in SCALED for present in PRESENT],
    _machine("memory", "micro", unit="bytes", bar=0.007 * (3072 << 20)),
    _machine("boot", "micro", bar=100e6),
    _machine("boot, all memory", "boot"),
    _machine("kernel", "micro"),
    _machine("Run /init", "boot", unit="ms", native="boot", bar=1.0, of_xen=True),
    _machine("text+data", "size", unit="bytes", systems=("paravane",), bar=256 << 10),
)
ORDER = {(line.group, line.name): place for place, line in enumerate(LINES)}
GROUPS = tuple(dict.fromkeys(line.group for line in LINES)) + (COUNTERS_GROUP,)


def row_of(table, line):
    return table.row(line.group, line.name, unit=line.unit, bar=line.bar, of_xen=line.of_xen)


def add(table, system, benchmark, measured):
    """Adds what a benchmark has given on a system: {(phase, operation): figures}."""
    for line in LINES:
        if (system, benchmark) not in line.sources():
            continue
        phase = "control" if system == "native" else line.phase
        found = measured.get((phase, line.operation))
        if found and found[line.what]:
            row_of(table, line).add(system, found[line.what],
                                    **{key: found[key] for key in found if key != line.what})
    # A hypercall by Linux, without the system call that brings it to the kernel.
    whole, part = (measured.get(("control", name)) for name in DEVICES[1::-1])
    if whole and part:
        add_figure(table, system, DIFFERENCE, [a - b for a, b in zip(whole["total"], part["total"])])


def add_figure(table, system, name, passes):
    """What is no section's: the row of that name, which no other has."""
    row_of(table, next(line for line in LINES if line.name == name)).add(system, passes)


def add_counters(table, whose, printed):
    """The hypervisor's counters: (operation, hundredths, counter) of each pass."""
    for operation, hundredths, counter in printed:
        row = table.row(COUNTERS_GROUP, f"{whose}, {operation}: {counter}", unit="an operation")
        row.add("paravane", row.passes.get("paravane", []) + [int(hundredths) / 100])


def explain(table, asked, failures):
    """Says of each figure that is not there why: `asked` and `failures` by (system, benchmark)."""
    for line in LINES:
        for pair in line.sources():
            if pair in asked and pair[0] not in row_of(table, line).passes:
                why = failures.get(pair, "its program gave no figure")
                row_of(table, line).why.setdefault(pair[0], why)

# SPDX-License-Identifier: BSD-2-Clause
"""Which measured operations make which rows of the table, and the bars that Paravane must hold."""

MICRO = ("getpid", "read_zero", "clock_gettime", "sched_yield", "signal", "pipe_self",
         "pipe_round_trip", "thread_switch", "fork_exit", "fork_exec", "vfork_exec",
         "mmap_untouched", "mmap_touch", "mprotect_pair", "timer")
BLOCK = ("read_4k", "write_4k", "read_1m", "write_1m", "read_4k_32", "write_4k_32", "read_1m_32",
         "write_1m_32")
NET = ("tcp_send", "tcp_receive", "tcp_round_trip", "ping")
CALLS = ("hypercall", "evtchn_upcall", "va_mapping", "mmu_update_1", "mmu_update_8",
         "mmu_update_64", "pin")
DEVICES = ("privcmd_invalid", "privcmd_version", "evtchn_self", "evtchn_pair", "evtchn_domains",
           "store_write", "grant_map", "grant_map_64", "grant_copy", "grant_copy_64")
LIFE = ("create_newlib", "create_newlib_devices", "create_linux", "create_linux_devices",
        "boot_linux", "destroy_newlib", "destroy_newlib_devices", "destroy", "destroy_devices")

# (group, phase, operations, what is taken of a section, whether the bare machine's figures of the
# control phase stand beside it)
GROUPS = (
    ("Control domain", "control", MICRO, "total", True),
    ("Guest", "guest", MICRO, "total", True),
    ("Hypercalls of a newlib guest, in the hypervisor", "newlib", CALLS, "hypervisor", False),
    ("Events and grants, control domain", "control", DEVICES, "total", False),
    ("Disk, control domain", "control", BLOCK, "total", True),
    ("Disk, guest", "guest", BLOCK, "total", True),
    ("Network, loopback of the control domain", "control", NET, "total", True),
    ("Network, guest and control domain", "guest", NET, "total", True),
    ("Network, two guests", "pair", NET, "total", True),
    ("Guests", "control", LIFE, "total", False),
)

BARS = {
    ("Control domain", "getpid"): 700,
    ("Guest", "getpid"): 520,
    ("Guest", "pipe_round_trip"): 17000,
    ("Guest", "fork_exit"): 330e3,
    ("Guest", "fork_exec"): 640e3,
    ("Guest", "mmap_touch"): 6500,
    ("Guest", "mprotect_pair"): 8500,
    ("Hypercalls of a newlib guest, in the hypervisor", "hypercall"): 60,
    ("Events and grants, control domain", "evtchn_self"): 6000,
    ("Events and grants, control domain", "grant_map"): 20000,
    ("Disk, guest", "read_4k"): 35000,
    ("Network, guest and control domain", "tcp_send"): 1.8,
    ("Network, guest and control domain", "ping"): 45000,
    ("Guests", "create_linux"): 40e6,
    ("Guests", "destroy_devices"): 40e6,
}


SCALED = ("create_newlib", "destroy_newlib", "evtchn_domains", "store_write")
PRESENT = (1, 10, 100, 500)


def add_scaling(table, system, measured):
    """What was done with a number of idle guests present, which is the phase."""
    for operation in SCALED:
        for present in PRESENT:
            found = measured.get((str(present), operation))
            if found and found["total"]:
                table.row("With other guests present", f"{operation}, {present}").add(
                    system, found["total"], spread=found["spread"])


def add_counters(table, printed):
    """The hypervisor's counters: (operation, hundredths, counter) of each pass."""
    for operation, hundredths, counter in printed:
        row = table.row("Hypervisor's counters, two CPUs", f"{operation.decode()}: {counter.decode()}",
                        unit="an operation")
        row.add("paravane", row.passes.get("paravane", []) + [int(hundredths) / 100])
    for key in [key for key, row in table.rows.items() if row.unit == "an operation"]:
        if not any(table.rows[key].passes["paravane"]):
            del table.rows[key]


def add(table, system, measured):
    """Adds what one boot of a system has given: {(phase, operation): figures}."""
    for group, phase, operations, what, beside_native in GROUPS:
        if system == "native":
            if not beside_native:
                continue
            phase = "control"
        for operation in operations:
            found = measured.get((phase, operation))
            if not found or not found[what]:
                continue
            row = table.row(group, operation, bar=BARS.get((group, operation)))
            row.add(system, found[what], **{key: found[key] for key in found if key != what})
    add_difference(table, system, measured)


def add_difference(table, system, measured):
    """A hypercall by Linux, without the system call that brings it to the kernel."""
    whole, part = (measured.get(("control", name)) for name in ("privcmd_version", "privcmd_invalid"))
    if whole and part and system != "native":
        table.row("Events and grants, control domain", "privcmd_version less privcmd_invalid").add(
            system, [a - b for a, b in zip(whole["total"], part["total"])])

# SPDX-License-Identifier: BSD-2-Clause
"""One boot of a guest test: the machine, its console read line by line, and how it ended.

A machine that hangs is found in virtual time. QEMU's watchdog device ib700 counts on the virtual
clock, which under -icount is a count of executed instructions, and which jumps to the next timer
when all CPUs sleep. It is armed by QEMU's monitor before the first instruction is executed, so the
limit is the same instruction in every run, and the guest knows nothing of it.
"""
import os
import re
import sys
import time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "..", "system"))
import machine as m  # noqa: E402
from symbols import Names  # noqa: E402

# ib700: writing N to this port arms it for (15 - N) * 2 seconds (QEMU, hw/watchdog/wdt_ib700.c).
WATCHDOG_PORT, WATCHDOG_STEP, WATCHDOG_STEPS = 0x443, 2, 15
WATCHDOG = ["-S", "-device", "ib700", "-action", "watchdog=pause"]
# Xen's boot waits long for timers, instructions that tell nothing: on Xen one takes four times as
# long. In virtual time a test then is slower, too.
ICOUNT_ON_XEN = ["shift=3,sleep=off" if word.startswith("shift=") else word for word in m.ICOUNT]
SLOWER_ON_XEN = 4
# QEMU itself may fail to go on. Nothing that works takes so long.
LAST_RESORT = 900
# A host that is busy gives a test less than a second of CPU time in a second.
BUSY_HOST = 4
LAST_LINES = 15

PANIC = re.compile(r"Paravane is stopping on CPU|cannot boot: |Panic on CPU")
DOWN = re.compile(r"control domain shut down: (.*)|Hardware Dom0 (halted|crashed|shutdown.*)")
AUDIT = re.compile(r"memory audit: .*")
GOOD_ENDS = ("poweroff", "halted")


def hypervisor_options(boot, hypervisor, image):
    command_line = f"{m.default_hypervisor_args(boot.memory)},max:{boot.memory}M {boot.options}"
    return ["-kernel", hypervisor, "-append", command_line.rstrip(),
            "-initrd", f"{m.escape(image)} {m.escape(boot.args)}".rstrip()]


class Watch:
    """Boots, and reads until the end. `listener` is told of the guest's lines as they come.

    Afterwards: `trouble` is empty or says what was wrong; `audit` is the audit's last line;
    `expected` tells whether the hypervisor said what the boot expects.
    """

    def __init__(self, name, boot, hypervisor, image, listener):
        self.boot = boot
        self.names = Names(hypervisor + ".elf", image)
        self.has_audit = os.path.basename(hypervisor) == "paravane"
        self.listener = listener
        self.trouble = self.audit = self.down = ""
        self.expected = self.over = False
        self.details = []
        self._position = 0
        self._asked_at = None
        self._limit = boot.limit * (1 if self.has_audit else SLOWER_ON_XEN)
        self._limit_left = self._limit
        options = hypervisor_options(boot, hypervisor, image)
        if not boot.parallel:
            options += (m.ICOUNT if self.has_audit else ICOUNT_ON_XEN) + WATCHDOG
        self.machine = m.Machine(name, options, memory=f"{boot.machine}M", cpus=boot.vcpus,
                                 threads="multi" if boot.parallel else "single")

    def run(self):
        with self.machine:
            if not self.boot.parallel:
                self._arm()
            self._read()
        if self.trouble:
            tail = self.machine.buffer.decode(errors="replace").splitlines()[-LAST_LINES:]
            self.details += [f"the console's last lines ({self.machine.log_path}):"] + tail

    def seconds(self):
        return self.machine.elapsed()

    # --- time ---

    def _arm(self):
        """Sets the watchdog to what is left of the limit, or to as much as it takes."""
        steps = min(-(-self._limit_left // WATCHDOG_STEP), WATCHDOG_STEPS)
        self._limit_left -= steps * WATCHDOG_STEP
        monitor = self.machine.monitor()
        monitor.human(f"o /b {WATCHDOG_PORT:#x} {WATCHDOG_STEPS - steps}")
        monitor.command("cont")

    def _too_long(self):
        """Whether the limit is reached."""
        if self.boot.parallel:
            limit = self.boot.limit * m.PATIENCE
            return (self.machine.cpu_seconds() > limit or
                    self.machine.elapsed() > BUSY_HOST * limit)
        if self.machine.elapsed() > LAST_RESORT * m.PATIENCE:
            return True
        if "WATCHDOG" not in self.machine.monitor().events():
            return False
        if self._limit_left > 0:
            self._arm()
            return False
        return True

    def _hang(self):
        unit = "seconds of CPU time" if self.boot.parallel else "virtual seconds"
        self.trouble = f"hangs: no end within {self._limit} {unit}"
        text = self.machine.monitor().human("info registers -a")
        for cpu in re.split(r"^CPU#", text, flags=re.M)[1:]:
            number = cpu.split(None, 1)[0]
            rip = re.search(r"RIP=([0-9a-f]+)", cpu)
            where = self.names.name(int(rip.group(1), 16)) if rip else "?"
            self.details.append(f"CPU {number} is at {where}")
            # The general registers, to the segments.
            self.details += cpu.split("\nES", 1)[0].splitlines()[1:]

    # --- the console ---

    def _read(self):
        while not self.over:
            alive = self.machine.read(0.5)
            self._take_lines(not alive)
            if self.over:
                break
            if not alive:
                self._end("the machine ended" if not self.down else "")
            elif self._too_long():
                self._hang()
                self._end("")
            else:
                self._ask_for_audit()

    def _end(self, trouble):
        self.trouble = self.trouble or trouble
        self.over = True

    def _take_lines(self, all_of_it):
        end = self.machine.buffer.rfind(b"\n") + 1
        if all_of_it:
            end = len(self.machine.buffer)
        text = self.machine.buffer[self._position:end].decode(errors="replace")
        self._position = max(end, self._position)
        for line in text.splitlines():
            if line.startswith(("(pv) ", "(XEN) ")):
                self._hypervisor_line(line)
            elif line.strip():
                self.listener(line)

    def _hypervisor_line(self, line):
        if self.boot.expect and re.search(self.boot.expect, line) and not self.expected:
            self.expected = True
            self._asked_at = time.monotonic() + 2
        if PANIC.search(line) and not self.over:
            self.trouble = "the hypervisor stopped: " + line
            self.over = True
            self.machine.read_rest(2)
        elif DOWN.search(line):
            self.down = next(group for group in DOWN.search(line).groups() if group)
        elif AUDIT.search(line) and (self.down or self.expected):
            self.audit = line
        if self.audit if self.has_audit else self.down or self.expected:
            self.over = True

    def _ask_for_audit(self):
        """What was expected came, and the domain lives on: the debug key m audits."""
        if self.expected and not self.down and time.monotonic() > self._asked_at:
            self.machine.send("\x01\x01\x01m")
            self._asked_at += 30

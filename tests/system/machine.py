# SPDX-License-Identifier: BSD-2-Clause
"""A machine under QEMU: how it is put together, its serial console, and that it ends.

What the environment may choose (make passes them on; docs/building.md explains them):
  HYPERVISOR  multiboot image to boot (build/debug/paravane)
  KERNEL      which Debian kernel (6.1)
  NATIVE=1    the same kernel and initramfs without a hypervisor
  QEMU        the program
"""
import atexit
import ctypes
import json
import os
import re
import select
import signal
import socket
import subprocess
import sys
import tempfile
import time

BUILD = os.environ.get("PV_BUILD", "build")
LOGS = os.path.join(BUILD, "logs")
QEMU = os.environ.get("QEMU") or "qemu-system-x86_64"
HYPERVISOR = os.environ.get("HYPERVISOR") or os.path.join(BUILD, "debug", "paravane")
KERNEL = os.environ.get("KERNEL") or "6.1"
NATIVE = os.environ.get("NATIVE") == "1"
# TCG executes a hypervisor's code some two times slower with assertions on, and CI machines vary.
PATIENCE = float(os.environ.get("PATIENCE") or "1")

# With a thread for each CPU, QEMU 7.2 has been seen to go on executing a breakpoint that Linux had
# already taken out of its code (docs/building.md). One thread for all does not.
THREADS = os.environ.get("THREADS") or "single"

# Xen is run for comparison; it has no audit and words of its own.
IS_PARAVANE = not NATIVE and os.path.basename(HYPERVISOR) == "paravane"

# Ends the watching at once: nothing good follows these.
FATAL = re.compile(rb"Paravane is stopping on CPU|cannot boot: |domain 0 crashed|Panic on CPU|"
                   rb"Kernel panic - not syncing")


# Virtual time is a count of instructions, 2 ns each, and nothing else depends on the host: the same
# files and command line do the same, to the last instruction.
ICOUNT = ["-icount", "shift=1,sleep=off", "-rtc", "base=2026-01-01T00:00:00,clock=vm",
          "-seed", "1"]


def kvm_usable():
    """KVM without vmx or svm is emulated in software: a hundred times slower than TCG."""
    with open("/proc/cpuinfo") as f:
        flags = re.search(r"^flags\s*:.*\b(vmx|svm)\b", f.read(), re.M)
    return bool(flags) and os.access("/dev/kvm", os.W_OK)


def cpu_options(extra="", threads=None):
    """Emulation where `threads` says how many it has ("single", "multi"); else KVM if it can be."""
    if threads is None and kvm_usable():
        return ["-accel", "kvm", "-cpu", "host" + extra]
    # QEMU 7.2 executes iret of ring 3 with supervisor rights: with SMAP that faults. With ERMS Linux
    # clears and copies pages by the byte, which is one step of the emulation for each.
    return ["-accel", f"tcg,thread={threads or THREADS}", "-cpu", "max,-smap,-erms,-fsrm" + extra]


def control_domain(kernel, name):
    """A file of the control domain made by `make control-domain`: vmlinux, bzImage, initramfs."""
    return os.path.join(BUILD, "control-domain", kernel, name)


def escape(text):
    """A comma separates modules in QEMU's -initrd; doubled it stands for itself."""
    return text.replace(",", ",,")


def default_hypervisor_args(memory_mib):
    return ("console=com1 com1=115200,8n1 loglvl=all guest_loglvl=all noreboot audit "
            f"dom0_mem={memory_mib}M")


def boot_options(hypervisor_args, kernel_args, kernel=None, initrd=None, vmlinux=None):
    """-kernel, -append and -initrd: the hypervisor with its modules, or with NATIVE the kernel."""
    kernel = kernel or KERNEL
    initrd = initrd or control_domain(kernel, "initramfs-tests.cpio")
    if NATIVE:
        return ["-kernel", control_domain(kernel, "bzImage"), "-initrd", initrd,
                "-append", f"console=ttyS0 paravane.native {kernel_args}"]
    vmlinux = vmlinux or control_domain(kernel, "vmlinux")
    return ["-kernel", HYPERVISOR, "-append", hypervisor_args,
            "-initrd", f"{escape(vmlinux)} console=hvc0 {escape(kernel_args)},{escape(initrd)}"]


def disk_image(name, mebibytes=64):
    """A new, empty disk image. Returns its path."""
    path = os.path.join(BUILD, "logs", name + ".img")
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path, "wb") as f:
        f.truncate(mebibytes << 20)
    return path


def virtio_disk(path):
    return ["-drive", f"file={path},if=none,id=disk,format=raw,cache=unsafe",
            "-device", "virtio-blk-pci,drive=disk"]


def network(model="virtio-net-pci"):
    # romfile: no network boot ROM, which would take its time looking for a server.
    return ["-netdev", "user,id=net", "-device", f"{model},netdev=net,romfile="]


class Monitor:
    """QEMU's machine protocol (QMP): commands with their answers, and events that come between."""

    def __init__(self, path, qemu, timeout=20):
        self._socket = socket.socket(socket.AF_UNIX)
        deadline = time.monotonic() + timeout * PATIENCE
        while True:
            try:
                self._socket.connect(path)
                break
            except (FileNotFoundError, ConnectionRefusedError):  # QEMU has not come so far
                if time.monotonic() > deadline or qemu.poll() is not None:
                    raise
                time.sleep(0.02)
        self._socket.settimeout(timeout * PATIENCE)
        self._pending = b""
        self._events = []
        self._message()  # the greeting
        self.command("qmp_capabilities")

    def close(self):
        self._socket.close()

    def _message(self):
        while b"\n" not in self._pending:
            data = self._socket.recv(65536)
            if not data:
                raise ConnectionError("QEMU closed its monitor")
            self._pending += data
        line, self._pending = self._pending.split(b"\n", 1)
        return json.loads(line)

    def command(self, name, **arguments):
        """Returns QEMU's answer: {"return": ...} or {"error": ...}."""
        request = {"execute": name, "arguments": arguments}
        self._socket.sendall(json.dumps(request).encode() + b"\n")
        while True:
            answer = self._message()
            if "event" not in answer:
                return answer
            self._events.append(answer["event"])

    def human(self, command):
        """A command of the human monitor. Returns its text."""
        answer = self.command("human-monitor-command", **{"command-line": command})
        return answer.get("return", "").replace("\r", "")

    def events(self):
        """The names of the events since the last call."""
        while b"\n" in self._pending or select.select([self._socket], [], [], 0)[0]:
            try:
                self._events.append(self._message().get("event"))
            except ConnectionError:
                break
        events, self._events = self._events, []
        return events


def _die_with_parent():
    os.setsid()
    ctypes.CDLL(None).prctl(1, signal.SIGKILL)  # PR_SET_PDEATHSIG


class Machine:
    """QEMU with its first serial port as console; everything printed there goes to a log file.

    Use it in a `with` statement: QEMU is killed at the end, whatever happens.
    """

    def __init__(self, name, options, memory="3G", cpus=2, cpu="", machine="q35", reboot=False,
                 threads=None):
        os.makedirs(LOGS, exist_ok=True)
        self.log_path = os.path.join(LOGS, name + ".log")
        self.log = open(self.log_path, "wb")
        self.buffer = b""
        self.seen = 0  # what lies before was matched already
        self.failure = ""
        self._monitor = None
        self._dir = tempfile.TemporaryDirectory(prefix="paravane-")
        self._qmp_path = os.path.join(self._dir.name, "qmp")
        self.command = ([QEMU, "-nodefaults", "-machine", machine] + cpu_options(cpu, threads) +
                        ["-smp", str(cpus), "-m", str(memory), "-display", "none",
                         "-serial", "stdio", "-qmp", f"unix:{self._qmp_path},server=on,wait=off"] +
                        ([] if reboot else ["-no-reboot"]) + options)
        self.log.write((" ".join(self.command) + "\n").encode())
        self.started = time.monotonic()
        self.qemu = subprocess.Popen(self.command, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                     stderr=subprocess.STDOUT, preexec_fn=_die_with_parent)
        atexit.register(self.kill)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.kill()

    def kill(self):
        if self.qemu.poll() is None:
            self.qemu.kill()
        self.qemu.wait()
        self.qemu.stdin.close()
        self.qemu.stdout.close()
        if self._monitor:
            self._monitor.close()
        self.log.close()
        self._dir.cleanup()
        atexit.unregister(self.kill)

    def elapsed(self):
        return time.monotonic() - self.started

    def cpu_seconds(self):
        """The host's CPU time that QEMU has used (proc(5): utime, stime)."""
        with open(f"/proc/{self.qemu.pid}/stat", encoding="ascii") as f:
            values = f.read().rpartition(")")[2].split()
        return (int(values[11]) + int(values[12])) / os.sysconf("SC_CLK_TCK")

    def read(self, timeout):
        """Waits for console output. Returns False at its end."""
        fd = self.qemu.stdout.fileno()
        if not select.select([fd], [], [], timeout)[0]:
            return True
        data = os.read(fd, 65536)
        self.log.write(data)
        self.log.flush()
        self.buffer += data.replace(b"\r", b"")
        return bool(data)

    def expect(self, pattern, timeout=120, fatal=FATAL):
        """Waits for a line that matches the regular expression. Returns the match, or None.

        Looks behind what was matched before. None comes with the reason in self.failure: the time
        is over, QEMU ended, or a line matched `fatal`.
        """
        regex = re.compile(pattern.encode(), re.M)
        deadline = time.monotonic() + timeout * PATIENCE
        alive = True
        while True:
            match = regex.search(self.buffer, self.seen)
            # A match at the end of what has come may grow: wait for its line to end.
            if match and (not alive or b"\n" in self.buffer[match.end():]):
                self.seen = match.end()
                return match
            bad = fatal and fatal.search(self.buffer, self.seen)
            left = deadline - time.monotonic()
            if bad and not match:
                self.read_rest(2)
                return self._fail(f"fatal line: {self._line(bad.start())}")
            if not alive:
                return self._fail("QEMU ended")
            if left <= 0:
                if match:
                    self.seen = match.end()
                    return match
                return self._fail(f"nothing in {timeout * PATIENCE:.0f} s")
            alive = self.read(min(left, 1.0))

    def read_rest(self, seconds):
        end = time.monotonic() + seconds
        while time.monotonic() < end and self.read(0.2):
            pass

    def _line(self, position):
        return self.buffer[position:].split(b"\n", 1)[0].decode(errors="replace")

    def _fail(self, why):
        self.failure = why
        return None

    def explain(self, lines=12):
        """Why the last expect() failed, and the end of the console's output."""
        tail = self.buffer.decode(errors="replace").splitlines()[-lines:]
        return "\n".join([f"{self.failure}; the console's last lines ({self.log_path}):"] + tail)

    def send(self, text):
        """Types on the console. When QEMU has ended nothing comes of it: what is expected tells."""
        try:
            self.qemu.stdin.write(text.encode())
            self.qemu.stdin.flush()
        except BrokenPipeError:
            pass

    def wait_end(self, timeout=60):
        """Waits until QEMU ends by itself (power-off; reset with -no-reboot)."""
        deadline = time.monotonic() + timeout * PATIENCE
        alive = True
        while alive and time.monotonic() < deadline:
            alive = self.read(1.0)
        try:
            status = self.qemu.wait(1)
        except subprocess.TimeoutExpired:
            self._fail(f"the machine did not end in {timeout * PATIENCE:.0f} s")
            return False
        if status:  # it was killed, or failed itself
            self._fail(f"QEMU ended with status {status}")
        return status == 0

    def is_quiet(self, seconds=5):
        """True when nothing more is printed and QEMU lives: the machine has stopped."""
        before = len(self.buffer)
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            if not self.read(0.5):
                self.failure = "QEMU ended"
                return False
        return len(self.buffer) == before

    def qmp(self, command, **arguments):
        """One command to QEMU's monitor. Returns its answer."""
        return self.monitor().command(command, **arguments)

    def monitor(self):
        if not self._monitor:
            self._monitor = Monitor(self._qmp_path, self.qemu)
        return self._monitor

    def type_key(self, key):
        self.qmp("send-key", keys=[{"type": "qcode", "data": key}])


def mebibytes(memory):
    """QEMU's -m as a number: 3G is 3072."""
    number, unit = re.fullmatch(r"(\d+)([MG])", memory).groups()
    return int(number) * (1024 if unit == "G" else 1)


def control_domain_share(memory):
    """dom0_mem in MiB for a machine of that size: what is left suffices for a hypervisor's own."""
    return min(mebibytes(memory) * 3 // 4, 2048)


def boot(name, what, memory="3G", cpus=2, hypervisor_args="", kernel=None, options=(), **machine):
    """A Machine that boots the control domain; `what` is init's instruction (paravane.*)."""
    args = default_hypervisor_args(control_domain_share(memory)) + " " + hypervisor_args
    return Machine(name, boot_options(args, what, kernel=kernel) + list(options), memory=memory,
                   cpus=cpus, **machine)

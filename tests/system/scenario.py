# SPDX-License-Identifier: BSD-2-Clause
"""What several test scripts do alike: boot and check, boot and run a guest program."""
import re

import machine as m
import tap


def selfcheck(name, title, memory="3G", cpus=2, options=None, disk="vda", kernel="", **more):
    """The control domain boots, finds its machine complete, and switches off."""
    if options is None:
        options = m.virtio_disk(m.disk_image(name)) + m.network()
    least = (m.mebibytes(memory) if m.NATIVE else m.control_domain_share(memory)) * 3 // 4
    what = (f"paravane.batch paravane.cpus={cpus} paravane.memory={least} paravane.disk={disk} "
            f"{kernel}").rstrip()
    with m.boot(name, what, memory=memory, cpus=cpus, options=options, **more) as machine:
        # All CPUs share the two or so of the machine that runs the test.
        result = machine.expect(r"^selfcheck: (passed|failed)$", timeout=180 + 30 * cpus)
        passed = result is not None and result.group(1) == b"passed"
        if not tap.ok(passed, f"{title}: the control domain finds its machine complete"):
            tap.diag(machine.explain(30))
        if not tap.ok(machine.wait_end(), f"{title}: it switches the machine off"):
            tap.diag(machine.explain())
        check_last_audit(machine, title)
        tap.diag(f"{title}: {machine.elapsed():.0f} s")


def check_last_audit(machine, title):
    """One check: the audit made when the control domain shut down found nothing wrong."""
    if m.IS_PARAVANE:
        audits = re.findall(rb"memory audit: .*", machine.buffer)
        if not tap.ok(audits and audits[-1].rstrip().endswith(b"ok"),
                      f"{title}: the memory audit finds nothing wrong"):
            tap.diag(b"\n".join(audits).decode(errors="replace") or "there was no audit")


def guest_ended(machine, program, title, timeout=120):
    """One check: the guest program ends with status 0."""
    # What was typed before may stand on the same line, echoed.
    result = machine.expect(rf"init: test {program} ended with status (\d+)$", timeout)
    good = result is not None and result.group(1) == b"0"
    if not tap.ok(good, title):
        tap.diag(machine.explain(30))
    return good


def domains(name, memory="3G", dom0_mem=1024, cpus=2, timeout=300, kernel_args="", options=(),
            hypervisor_args="", script=None, initrd="initramfs-domains.cpio", audited=True,
            **more):
    """
    The control domain with its toolstack runs tests/system/domains/NAME, whose checks become this
    script's; then the machine goes off, and the audit finds nothing wrong.
    """
    script = script or name
    args = f"{m.default_hypervisor_args(dom0_mem)} {hypervisor_args}"
    boot = m.boot_options(args, f"paravane.test={script} {kernel_args}",
                          initrd=m.control_domain(m.KERNEL, initrd))
    with m.Machine(name, boot + list(options), memory=memory, cpus=cpus, **more) as machine:
        end = machine.expect(rf"init: test {script} ended with status (\d+)$", timeout)
        if not end:
            log_state(machine)
        begin = machine.buffer.find(f"init: test {script} begins".encode())
        lines = machine.buffer[begin:].decode(errors="replace").splitlines()[1:] if begin >= 0 else []
        for line in lines:
            check = re.match(r"(ok|not ok) \d+ - (.*)", line)
            if check:
                tap.ok(check.group(1) == "ok", check.group(2))
            elif line.startswith("# "):
                tap.diag(line[2:])
        if not tap.ok(end and end.group(1) == b"0", f"{script} ends with status 0"):
            tap.diag(machine.explain(30))
        if not tap.ok(machine.wait_end(), "the machine goes off"):
            tap.diag(machine.explain())
        if audited:  # the debug build's is
            check_last_audit(machine, name)
        tap.diag(f"{name}: {machine.elapsed():.0f} s")


def log_state(machine):
    """
    Into the console's log: what the control domain's processes wait for (Ctrl-O t is a key of its
    kernel), then domains, run queues, event channels and timers by the hypervisor's keys.
    """
    for keys in ("\x0ft", "\x01\x01\x01", "q", "r", "e", "t", "\x01\x01\x01"):
        machine.send(keys)
        machine.read_rest(3)


def audit(machine, title):
    """
    One check: three times Ctrl-A gives the console to the hypervisor, whose key m audits memory;
    three times again gives it back.
    """
    machine.send("\x01\x01\x01")
    machine.send("m")
    result = machine.expect(r"memory audit: .*", timeout=60)
    good = result is not None and result.group(0).rstrip().endswith(b"ok")
    if not tap.ok(good, title):
        tap.diag(machine.explain(30))
    machine.send("\x01\x01\x01")

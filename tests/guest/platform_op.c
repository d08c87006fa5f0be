/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * platform_op: services of the machine, for the control domain.
 *
 * The structure says the version of the interface and the command; what is asked for comes back in
 * it. Setting the time, the CPUs that there are, how long each was idle, ranges of memory types,
 * facts of the firmware, symbols of the hypervisor. What this hypervisor does not do (microcode,
 * plugging CPUs and memory) is refused with one error.
 *
 *   test: vcpus=1,4
 */
#include <pv/clock.h>
#include <pv/hypercall.h>
#include <pv/smp.h>
#include <pv/start.h>

#include "machine.h"
#include "tap.h"

static struct xen_platform_op op __attribute__((aligned(4096)));

static long call(unsigned cmd)
{
    op.cmd = cmd;
    op.interface_version = XENPF_INTERFACE_VERSION;
    return HYPERVISOR_platform_op(&op);
}

static void begin(void)
{
    memset(&op, 0, sizeof(op));
}

static void test_envelope(void)
{
    begin();
    op.cmd = XENPF_get_cpuinfo;
    is_error(HYPERVISOR_platform_op(&op), -XEN_EACCES, "a structure without the version");
    op.interface_version = XENPF_INTERFACE_VERSION + 1;
    is_error(HYPERVISOR_platform_op(&op), -XEN_EACCES, "with the version after");
    for (const struct address *a = addresses(sizeof(op)); a->name != NULL; a++)
        if (!a->readable)
            is_error(HYPERVISOR_platform_op(a->address), -XEN_EFAULT, "the structure at %s",
                     a->name);
    static const unsigned missing[] = {0, 999, 0x80000000, ~0u};
    for (unsigned i = 0; i < sizeof(missing) / sizeof(missing[0]); i++) {
        begin();
        is_error(call(missing[i]), -XEN_ENOSYS, "command %#x is not there", missing[i]);
    }
}

static void test_time(void)
{
    uint64_t before = wallclock_ns();
    begin();
    op.u.settime64.secs = 1000000000;
    op.u.settime64.nsecs = 5;
    op.u.settime64.system_time = monotonic_ns();
    is_error(call(XENPF_settime64), 0, "the time of day can be set");
    uint64_t now = wallclock_ns();
    ok(now >= 1000000000ull * NS_PER_SEC && now < 1000000100ull * NS_PER_SEC, "and is seen");
    begin();
    op.u.settime64.mbz = 1;
    is_error(call(XENPF_settime64), -XEN_EINVAL, "what must be 0 must be");
    begin();
    op.u.settime32.secs = 1100000000;
    op.u.settime32.system_time = monotonic_ns();
    is_error(call(XENPF_settime32), 0, "the older form works, too");
    now = wallclock_ns();
    ok(now >= 1100000000ull * NS_PER_SEC && now < 1100000100ull * NS_PER_SEC, "as is seen");
    begin();
    op.u.settime64.secs = before / NS_PER_SEC;
    op.u.settime64.system_time = monotonic_ns();
    is_error(call(XENPF_settime64), 0, "and back");
}

static void test_cpus(void)
{
    begin();
    is_error(call(XENPF_get_cpuinfo), 0, "get_cpuinfo of CPU 0");
    ok(op.u.pcpu_info.flags & XEN_PCPU_FLAGS_ONLINE, "which is online");
    is(op.u.pcpu_info.max_present, nr_vcpus() - 1, "the last CPU is told");
    is(op.u.pcpu_info.apic_id, 0, "the boot CPU's APIC is 0");
    static const unsigned beyond[] = {64, 1000, 0x7fffffff, 0x80000000, ~0u};
    for (unsigned i = 0; i < sizeof(beyond) / sizeof(beyond[0]); i++) {
        begin();
        op.u.pcpu_info.xen_cpuid = beyond[i];
        is_error(call(XENPF_get_cpuinfo), 0, "get_cpuinfo of CPU %#x is no error", beyond[i]);
        is(op.u.pcpu_info.flags, XEN_PCPU_FLAGS_INVALID, "but CPU %#x is not there", beyond[i]);
        begin();
        op.u.pcpu_version.xen_cpuid = beyond[i];
        is_error(call(XENPF_get_cpu_version), 0, "get_cpu_version of CPU %#x", beyond[i]);
        is(op.u.pcpu_version.family, 0, "is that of none: %#x", beyond[i]);
    }
    begin();
    is_error(call(XENPF_get_cpu_version), 0, "get_cpu_version of CPU 0");
    struct cpuid vendor = cpuid_native(0, 0);
    ok(memcmp(op.u.pcpu_version.vendor_id, &vendor.b, 4) == 0, "names the CPU's vendor");
    is(op.u.pcpu_version.stepping, cpuid_native(1, 0).a & 15, "and its stepping");
}

static void test_idle_time(void)
{
    static uint8_t map[16];
    static uint64_t idle[128];
    begin();
    memset(map, 0xff, sizeof(map));
    op.u.getidletime.cpumap_bitmap.p = map;
    op.u.getidletime.cpumap_nr_cpus = 128;
    op.u.getidletime.idletime.p = idle;
    is_error(call(XENPF_getidletime), 0, "getidletime");
    is(map[0], (1u << nr_vcpus()) - 1, "tells which CPUs there are");
    ok(op.u.getidletime.now != 0, "and the time");
    begin();
    op.u.getidletime.cpumap_nr_cpus = 8;
    op.u.getidletime.cpumap_bitmap.p = (void *)8;
    op.u.getidletime.idletime.p = idle;
    is_error(call(XENPF_getidletime), -XEN_EFAULT, "a map that cannot be read");
    op.u.getidletime.cpumap_bitmap.p = map;
    op.u.getidletime.idletime.p = (void *)HYPERVISOR_FIRST;
    map[0] = 1;
    is_error(call(XENPF_getidletime), -XEN_EFAULT, "times into the hypervisor");
}

static void test_firmware(void)
{
    static const unsigned types[] = {XEN_FW_DISK_INFO, XEN_FW_DISK_MBR_SIGNATURE};
    for (unsigned i = 0; i < sizeof(types) / sizeof(types[0]); i++) {
        begin();
        op.u.firmware_info.type = types[i];
        op.u.firmware_info.index = 200;
        is_error(call(XENPF_firmware_info), -XEN_ESRCH, "firmware %u: no disk 200", types[i]);
    }
    begin();
    op.u.firmware_info.type = 99;
    is_error(call(XENPF_firmware_info), -XEN_EINVAL, "firmware 99 is not known");
    begin();
    op.u.firmware_info.type = XEN_FW_KBD_SHIFT_FLAGS;
    is_error(call(XENPF_firmware_info), 0, "the keyboard's flags");
    begin();
    op.u.firmware_info.type = XEN_FW_KBD_SHIFT_FLAGS;
    op.u.firmware_info.index = 1;
    is_error(call(XENPF_firmware_info), -XEN_ESRCH, "of one keyboard");
}

static void test_memory_types(void)
{
    begin();
    is_error(call(XENPF_read_memtype), 0, "the first range of memory types");
    begin();
    op.u.read_memtype.reg = 255;
    is_error(call(XENPF_read_memtype), -XEN_EINVAL, "range 255 is not there");
    begin();
    op.u.read_memtype.reg = ~0u;
    is_error(call(XENPF_read_memtype), -XEN_EINVAL, "nor is range ~0");
}

static void test_symbols(void)
{
    static char name[128], end[128];
    unsigned seen = 0;
    begin();
    op.u.symdata.name.p = name;
    op.u.symdata.namelen = sizeof(name);
    is_error(call(XENPF_get_symbol), 0, "the first symbol");
    ok(name[0] != 0 && op.u.symdata.address >= HYPERVISOR_VIRT_START, "has a name and an address");
    is(op.u.symdata.symnum, 1, "and leads to the second");
    op.u.symdata.namelen = sizeof(name);
    for (; seen < 3 && call(XENPF_get_symbol) == 0; seen++)
        op.u.symdata.namelen = sizeof(name);
    is(op.u.symdata.symnum, 4, "which leads on");
    op.u.symdata.symnum = 0x7fffffff;
    op.u.symdata.name.p = end;
    is_error(call(XENPF_get_symbol), -XEN_ERANGE, "a symbol far beyond");
    op.u.symdata.symnum = 0;
    op.u.symdata.namelen = sizeof(name);
    op.u.symdata.name.p = (void *)HYPERVISOR_FIRST;
    is_error(call(XENPF_get_symbol), -XEN_EFAULT, "a name into the hypervisor");
}

static void test_refused(void)
{
    static const struct {
        unsigned cmd;
        const char *name;
    } cases[] = {
        {XENPF_microcode_update, "microcode_update"},
        {XENPF_add_memtype, "add_memtype"},
        {XENPF_del_memtype, "del_memtype"},
        {XENPF_core_parking, "core_parking"},
        {XENPF_cpu_online, "cpu_online"},
        {XENPF_cpu_offline, "cpu_offline"},
        {XENPF_cpu_hotadd, "cpu_hotadd"},
        {XENPF_mem_hotadd, "mem_hotadd"},
    };
    if (!is_paravane()) {
        skip(sizeof(cases) / sizeof(cases[0]), "Xen would do these");
        return;
    }
    for (unsigned i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        begin();
        is_error(call(cases[i].cmd), -XEN_EOPNOTSUPP, "%s is refused", cases[i].name);
    }
    begin();
    op.u.enter_acpi_sleep.flags = 2;
    is_error(call(XENPF_enter_acpi_sleep), -XEN_EINVAL, "sleep with flags that there are not");
}

int main(void)
{
    test_envelope();
    test_time();
    test_cpus();
    test_idle_time();
    test_firmware();
    test_memory_types();
    test_symbols();
    test_refused();
    return done();
}

/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * platform_op: services of the machine for the control domain alone (xen/platform.h). Commands are
 * rows of a table; what is not there is not built, and answers -XEN_ENOSYS.
 */
#include "core/abi.h"
#include "core/boot.h"
#include "core/domain.h"
#include "core/guest.h"
#include "core/hypercall.h"
#include "core/lib.h"
#include "core/timer.h"
#include "x86/acpi.h"
#include "x86/apic.h"
#include "x86/efi.h"
#include "x86/symbols.h"
#include "x86/time.h"
#include "x86/x86.h"

#define MSR_MTRR_CAP     0xfeu
#define MSR_MTRR_BASE(n) (0x200u + 2 * (n))
#define MTRR_CAP_COUNT   0xffu
#define MTRR_VALID       (1u << 11)

/* ---- Time ----------------------------------------------------------------------------------- */

static long set_time(uint64_t secs, uint32_t nsecs, uint64_t at)
{
    if (nsecs >= NS_PER_SEC)
        return -XEN_EINVAL;
    time_set_wallclock(secs, nsecs, at);
    return 0;
}

static long op_settime32(struct xen_platform_op *op)
{
    const struct xenpf_settime32 *t = &op->u.settime32;

    return set_time(t->secs, t->nsecs, t->system_time);
}

static long op_settime64(struct xen_platform_op *op)
{
    const struct xenpf_settime64 *t = &op->u.settime64;

    return t->mbz == 0 ? set_time(t->secs, t->nsecs, t->system_time) : -XEN_EINVAL;
}

/* ---- CPUs ----------------------------------------------------------------------------------- */

static uint32_t last_cpu(void)
{
    return 63u - (uint32_t)__builtin_clzll(cpu_online_mask.bits);
}

static bool is_online(uint32_t cpu)
{
    return cpu < NR_CPUS && cpumask_has(cpu_online_mask, cpu);
}

static long op_cpuinfo(struct xen_platform_op *op)
{
    struct xenpf_pcpuinfo *info = &op->u.pcpu_info;
    uint32_t cpu = info->xen_cpuid;

    info->max_present = last_cpu();
    info->apic_id = info->acpi_id = 0;
    if (!is_online(cpu)) {
        info->flags = XEN_PCPU_FLAGS_INVALID;
        return 0;
    }
    cpu = (uint32_t)array_index_nospec(cpu, NR_CPUS);
    info->flags = XEN_PCPU_FLAGS_ONLINE;
    info->apic_id = acpi_cpu_apic_id(cpu);
    info->acpi_id = acpi_cpu_acpi_id(cpu);
    return 0;
}

/* All CPUs of a machine are of one kind, so this one's answer serves. */
static long op_cpu_version(struct xen_platform_op *op)
{
    struct xenpf_pcpu_version *ver = &op->u.pcpu_version;
    struct cpuid_regs vendor = cpuid(0);
    uint32_t signature = cpuid(1).a, family = signature >> 8 & 15, model = signature >> 4 & 15;

    if (!is_online(ver->xen_cpuid)) {
        memset(ver->vendor_id, 0, sizeof(ver->vendor_id));
        ver->family = ver->model = ver->stepping = 0;
    } else {
        memcpy(ver->vendor_id, &vendor.b, 4);
        memcpy(ver->vendor_id + 4, &vendor.d, 4);
        memcpy(ver->vendor_id + 8, &vendor.c, 4);
        if (family >= 6)
            model |= (signature >> 16 & 15) << 4;
        if (family == 15)
            family += signature >> 20 & 0xff;
        ver->family = family;
        ver->model = model;
        ver->stepping = signature & 15;
    }
    ver->max_present = last_cpu();
    return 0;
}

/* For each CPU named by the bitmap: nanoseconds idle, and its bit kept if it is online. */
static long op_idle_time(struct xen_platform_op *op)
{
    struct xenpf_getidletime *t = &op->u.getidletime;
    unsigned count = MIN(t->cpumap_nr_cpus, NR_CPUS);
    vaddr_t times = HANDLE_VA(t->idletime);
    uint64_t map = 0;

    if (guest_copy_in(&map, HANDLE_VA(t->cpumap_bitmap), DIV_ROUND_UP(count, 8u)))
        return -XEN_EFAULT;
    if (count < 64)
        map &= (1ull << count) - 1;
    map &= cpu_online_mask.bits;
    for_each_cpu (cpu, ((cpumask_t){map})) {
        uint64_t idle = (uint64_t)sched_vcpu_time(idle_domain.vcpu[cpu]);
        vaddr_t slot = VADDR(times.v + cpu * sizeof(idle));

        if (guest_write(slot, &idle))
            return -XEN_EFAULT;
    }
    t->now = (uint64_t)now();
    if (guest_copy_out(HANDLE_VA(t->cpumap_bitmap), &map, DIV_ROUND_UP(count, 8u)))
        return -XEN_EFAULT;
    return 0;
}

/* Ranges of the MTRRs as the firmware set them; a guest's PAT is what it has to work with. */
static long op_read_memtype(struct xen_platform_op *op)
{
    struct xenpf_read_memtype *m = &op->u.read_memtype;
    uint64_t cap, base, mask, pages;

    if (rdmsr_safe(MSR_MTRR_CAP, &cap) || m->reg >= (cap & MTRR_CAP_COUNT))
        return -XEN_EINVAL;
    if (rdmsr_safe(MSR_MTRR_BASE(m->reg), &base) || rdmsr_safe(MSR_MTRR_BASE(m->reg) + 1, &mask))
        return -XEN_EINVAL;
    pages = (mask & PTE_MFN_MASK) >> PAGE_SHIFT;
    m->mfn = (base & PTE_MFN_MASK) >> PAGE_SHIFT;
    m->nr_mfns =
        mask & MTRR_VALID ? pages & -pages : 0; /* the lowest bit of the mask is the size */
    m->type = base & 0xff;
    return 0;
}

/* ---- Firmware ------------------------------------------------------------------------------- */

/* The BIOS is not called, so that nothing is known of its disks or of the monitor. */
static long op_firmware_info(struct xen_platform_op *op)
{
    struct xenpf_firmware_info *info = &op->u.firmware_info;

    switch (info->type) {
    case XEN_FW_DISK_INFO:
    case XEN_FW_DISK_MBR_SIGNATURE:
    case XEN_FW_VBEDDC_INFO:
        return -XEN_ESRCH;
    case XEN_FW_EFI_INFO:
        return efi_firmware_info(info->index, &info->u.efi_info);
    case XEN_FW_KBD_SHIFT_FLAGS:
        if (boot_info.efi || info->index != 0)
            return -XEN_ESRCH;
        info->u.kbd_shift_flags = acpi_info.keyboard_flags;
        return 0;
    default:
        return -XEN_EINVAL;
    }
}

static long op_acpi_sleep(struct xen_platform_op *op)
{
    const struct xenpf_enter_acpi_sleep *s = &op->u.enter_acpi_sleep;

    if (s->flags & ~XENPF_ACPI_SLEEP_EXTENDED)
        return -XEN_EINVAL;
    if (s->flags & XENPF_ACPI_SLEEP_EXTENDED) /* hardware-reduced machines */
        return -XEN_EOPNOTSUPP;
    return acpi_enter_sleep(s->sleep_state, s->val_a, s->val_b);
}

/* ---- Symbols -------------------------------------------------------------------------------- */

/* The symnum-th symbol; at the end symnum stays as it is, and there is none beyond. */
static long op_symbol(struct xen_platform_op *op)
{
    struct xenpf_symdata *s = &op->u.symdata;
    const char *name;
    uintptr_t addr;
    size_t length;

    if (s->symnum != 0 && !symbol_at(s->symnum - 1, &addr, &name))
        return -XEN_ERANGE;
    if (!symbol_at(s->symnum, &addr, &name)) {
        s->namelen = 0;
        return 0;
    }
    length = strlen(name);
    if (guest_copy_out(HANDLE_VA(s->name), name, MIN(length + 1, (size_t)s->namelen)))
        return -XEN_EFAULT;
    s->namelen = (uint32_t)length;
    s->address = addr;
    s->type = 't';
    s->symnum++;
    return 0;
}

/* ---- Dispatch ------------------------------------------------------------------------------- */

static long op_unsupported(struct xen_platform_op *op)
{
    (void)op;
    return -XEN_EOPNOTSUPP;
}

static const struct {
    uint32_t cmd;
    long (*handle)(struct xen_platform_op *op);
    bool answers; /* the structure is copied back */
} ops[] = {
    {XENPF_settime32, op_settime32, false},        {XENPF_settime64, op_settime64, false},
    {XENPF_get_cpuinfo, op_cpuinfo, true},         {XENPF_get_cpu_version, op_cpu_version, true},
    {XENPF_firmware_info, op_firmware_info, true}, {XENPF_enter_acpi_sleep, op_acpi_sleep, false},
    {XENPF_getidletime, op_idle_time, true},       {XENPF_read_memtype, op_read_memtype, true},
    {XENPF_get_symbol, op_symbol, true},           {XENPF_microcode_update, op_unsupported, false},
    {XENPF_add_memtype, op_unsupported, false},    {XENPF_del_memtype, op_unsupported, false},
    {XENPF_core_parking, op_unsupported, false},   {XENPF_cpu_online, op_unsupported, false},
    {XENPF_cpu_offline, op_unsupported, false},    {XENPF_cpu_hotadd, op_unsupported, false},
    {XENPF_mem_hotadd, op_unsupported, false},
};

long hc_platform_op(struct vcpu *v, struct hypercall_args *a)
{
    vaddr_t arg = VADDR(a->arg[0]);
    struct xen_platform_op op;
    long ret = -XEN_ENOSYS;

    if (!v->domain->is_privileged)
        return -XEN_EPERM;
    if (guest_read(&op, arg))
        return -XEN_EFAULT;
    if (op.interface_version != XENPF_INTERFACE_VERSION)
        return -XEN_EACCES;
    for (unsigned i = 0; i < ARRAY_SIZE(ops); i++) {
        if (ops[i].cmd != op.cmd)
            continue;
        ret = ops[i].handle(&op);
        if (ret == 0 && ops[i].answers && guest_write(arg, &op))
            ret = -XEN_EFAULT;
        break;
    }
    return ret;
}

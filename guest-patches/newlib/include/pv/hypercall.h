/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Hypercalls from C. The hypervisor fills the page `hypercall_page` with one stub of 32 bytes a
 * call, so a program need not know which instruction enters it (xen/arch-x86/xen-x86_64.h: number
 * in RAX, arguments in RDI, RSI, RDX, R10, R8; RAX returns 0 or more, or -XEN_E*).
 *
 * All may be called on any vCPU at any time, also from handlers of traps and events.
 */
#ifndef PV_HYPERCALL_H
#define PV_HYPERCALL_H

#include <pv/abi.h>

extern char hypercall_page[];

/* Any hypercall by its number, 0 to 63; arguments that it does not take are ignored. */
static inline long hypercall(unsigned long number, unsigned long a1, unsigned long a2,
                             unsigned long a3, unsigned long a4, unsigned long a5)
{
    register unsigned long r10 __asm__("r10") = a4;
    register unsigned long r8 __asm__("r8") = a5;
    unsigned long result = (unsigned long)hypercall_page + number * 32;
    __asm__ volatile("call *%[entry]"
                     : [entry] "+a"(result), "+D"(a1), "+S"(a2), "+d"(a3), "+r"(r10), "+r"(r8)
                     :
                     : "rcx", "r11", "memory", "cc");
    return (long)result;
}

#define PV_ARG(x)              ((unsigned long)(x))
#define HYPERCALL1(name, a)    hypercall(__HYPERVISOR_##name, PV_ARG(a), 0, 0, 0, 0)
#define HYPERCALL2(name, a, b) hypercall(__HYPERVISOR_##name, PV_ARG(a), PV_ARG(b), 0, 0, 0)
#define HYPERCALL3(name, a, b, c)                                                                  \
    hypercall(__HYPERVISOR_##name, PV_ARG(a), PV_ARG(b), PV_ARG(c), 0, 0)
#define HYPERCALL4(name, a, b, c, d)                                                               \
    hypercall(__HYPERVISOR_##name, PV_ARG(a), PV_ARG(b), PV_ARG(c), PV_ARG(d), 0)

static inline long HYPERVISOR_set_trap_table(struct trap_info *table)
{
    return HYPERCALL1(set_trap_table, table);
}

static inline long HYPERVISOR_mmu_update(struct mmu_update *requests, unsigned count,
                                         unsigned *done, domid_t owner)
{
    return HYPERCALL4(mmu_update, requests, count, done, owner);
}

static inline long HYPERVISOR_set_gdt(unsigned long *frames, unsigned entries)
{
    return HYPERCALL2(set_gdt, frames, entries);
}

static inline long HYPERVISOR_stack_switch(unsigned long ss, unsigned long rsp)
{
    return HYPERCALL2(stack_switch, ss, rsp);
}

static inline long HYPERVISOR_set_callbacks(unsigned long event, unsigned long failsafe,
                                            unsigned long syscall)
{
    return HYPERCALL3(set_callbacks, event, failsafe, syscall);
}

static inline long HYPERVISOR_fpu_taskswitch(int set)
{
    return HYPERCALL1(fpu_taskswitch, set);
}

static inline long HYPERVISOR_platform_op(struct xen_platform_op *op)
{
    return HYPERCALL1(platform_op, op);
}

static inline long HYPERVISOR_set_debugreg(unsigned reg, unsigned long value)
{
    return HYPERCALL2(set_debugreg, reg, value);
}

/* The value; -XEN_ENODEV for a register that there is not, which a value may look like. */
static inline unsigned long HYPERVISOR_get_debugreg(unsigned reg)
{
    return (unsigned long)HYPERCALL1(get_debugreg, reg);
}

static inline long HYPERVISOR_update_descriptor(uint64_t maddr, uint64_t descriptor)
{
    return HYPERCALL2(update_descriptor, maddr, descriptor);
}

static inline long HYPERVISOR_memory_op(unsigned cmd, void *arg)
{
    return HYPERCALL2(memory_op, cmd, arg);
}

static inline long HYPERVISOR_multicall(struct multicall_entry *calls, unsigned count)
{
    return HYPERCALL2(multicall, calls, count);
}

static inline long HYPERVISOR_update_va_mapping(unsigned long va, uint64_t pte, unsigned long flags)
{
    return HYPERCALL3(update_va_mapping, va, pte, flags);
}

static inline long HYPERVISOR_update_va_mapping_otherdomain(unsigned long va, uint64_t pte,
                                                            unsigned long flags, domid_t owner)
{
    return HYPERCALL4(update_va_mapping_otherdomain, va, pte, flags, owner);
}

/* System time in ns at which VIRQ_TIMER comes; 0: never. */
static inline long HYPERVISOR_set_timer_op(uint64_t when)
{
    return HYPERCALL1(set_timer_op, when);
}

static inline long HYPERVISOR_xen_version(unsigned cmd, void *arg)
{
    return HYPERCALL2(xen_version, cmd, arg);
}

static inline long HYPERVISOR_console_io(unsigned cmd, unsigned count, char *text)
{
    return HYPERCALL3(console_io, cmd, count, text);
}

static inline long HYPERVISOR_grant_table_op(unsigned cmd, void *ops, unsigned count)
{
    return HYPERCALL3(grant_table_op, cmd, ops, count);
}

static inline long HYPERVISOR_vm_assist(unsigned cmd, unsigned type)
{
    return HYPERCALL2(vm_assist, cmd, type);
}

static inline long HYPERVISOR_vcpu_op(unsigned cmd, unsigned vcpu, void *arg)
{
    return HYPERCALL3(vcpu_op, cmd, vcpu, arg);
}

static inline long HYPERVISOR_set_segment_base(unsigned which, unsigned long base)
{
    return HYPERCALL2(set_segment_base, which, base);
}

static inline long HYPERVISOR_mmuext_op(struct mmuext_op *ops, unsigned count, unsigned *done,
                                        domid_t owner)
{
    return HYPERCALL4(mmuext_op, ops, count, done, owner);
}

static inline long HYPERVISOR_nmi_op(unsigned cmd, void *arg)
{
    return HYPERCALL2(nmi_op, cmd, arg);
}

static inline long HYPERVISOR_sched_op(unsigned cmd, void *arg)
{
    return HYPERCALL2(sched_op, cmd, arg);
}

static inline long HYPERVISOR_callback_op(unsigned cmd, void *arg)
{
    return HYPERCALL2(callback_op, cmd, arg);
}

static inline long HYPERVISOR_event_channel_op(unsigned cmd, void *arg)
{
    return HYPERCALL2(event_channel_op, cmd, arg);
}

static inline long HYPERVISOR_physdev_op(unsigned cmd, void *arg)
{
    return HYPERCALL2(physdev_op, cmd, arg);
}

static inline long HYPERVISOR_hvm_op(unsigned cmd, void *arg)
{
    return HYPERCALL2(hvm_op, cmd, arg);
}

#endif

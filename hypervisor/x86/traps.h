/* SPDX-License-Identifier: BSD-2-Clause */
/* Exceptions: what the hypervisor handles itself, and how the others reach the guest kernel. */
#ifndef X86_TRAPS_H
#define X86_TRAPS_H

#include "core/domain.h"

void traps_init(void);       /* once: fill the IDT */
void syscall_init_cpu(void); /* each CPU: SYSCALL, SYSENTER and their entry stubs */

/*
 * Let the current vCPU take a trap on its way back to the guest, through the handler that it
 * registered with set_trap_table. error_code < 0: the frame has none.
 */
void pv_inject_trap(unsigned vector, int error_code);
void pv_inject_page_fault(uint32_t error_code, uint64_t cr2);

/* Of trap_info.flags, TI_GET_IF() in xen/arch-x86/xen.h: the handler starts with events masked. */
#define TRAP_GATE_MASKS 4

/* What an iret may set: all but IOPL, VM, VIF and VIP; RF and AC are the guest's own affair. */
#define IRET_RFLAGS 0x254dd5u

/* What v's kernel registered for a vector; address 0: nothing. */
static inline struct trap_info trap_gate(const struct vcpu *v, uint8_t vector)
{
    const struct trap_table *t = &v->arch.trap;

    return (struct trap_info){.vector = vector,
                              .flags = t->flags[vector],
                              .cs = t->cs[vector],
                              .address = t->address[vector]};
}

static inline void trap_gate_set(struct vcpu *v, struct trap_info gate)
{
    struct trap_table *t = &v->arch.trap;

    t->address[gate.vector] = gate.address;
    t->cs[gate.vector] = gate.cs;
    t->flags[gate.vector] = gate.flags;
}

/* Did this frame come from a guest (ring 3), or from the hypervisor itself? */
static inline bool regs_from_guest(const struct cpu_user_regs *regs)
{
    return (regs->cs & 3) == 3;
}

/* The idle loop of a CPU: scrubs memory, halts. */
void idle_loop(void) __attribute__((noreturn));

#endif

/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Telling the hypervisor where traps and callbacks go: every vector to its stub of entry.S, with
 * events masked on entry. Software interrupts 0x80 to 0xff, #BP and #OF may be raised by user mode.
 */
#include "trap_internal.h"

#include <pv/hypercall.h>

#define STUB_SIZE  16
#define FIRST_GATE 0x80
#define TI_EVENTS  4 /* xen/arch-x86/xen.h: mask events */
#define USER_DPL   3

static struct trap_info gate(unsigned vector, const char *stub, unsigned dpl)
{
    return (struct trap_info){(uint8_t)vector, (uint8_t)(dpl | TI_EVENTS), FLAT_KERNEL_CS,
                              (unsigned long)stub};
}

static struct trap_info vector_gate(unsigned vector)
{
    if (vector >= FIRST_GATE)
        return gate(vector, gate_stubs + (vector - FIRST_GATE) * STUB_SIZE, USER_DPL);
    return gate(vector, trap_stubs + vector * STUB_SIZE,
                vector == TRAP_BP || vector == TRAP_OF ? USER_DPL : 0);
}

static bool has_gate(unsigned vector)
{
    return vector < TRAP_VECTORS || vector >= FIRST_GATE;
}

static void must(long error, const char *what)
{
    if (error < 0)
        fatal("%s: %s", what, xen_error(error));
}

static long callback_register(uint16_t type, const char *address)
{
    struct callback_register callback = {type, CALLBACKF_mask_events, (unsigned long)address};

    return HYPERVISOR_callback_op(CALLBACKOP_register, &callback);
}

void trap_init_vcpu(void)
{
    must(callback_register(CALLBACKTYPE_syscall32, callback_syscall32), "SYSCALL32 callback");
    must(callback_register(CALLBACKTYPE_sysenter, callback_sysenter), "SYSENTER callback");
}

void trap_init(void)
{
    struct trap_info table[TRAP_VECTORS + 256 - FIRST_GATE + 1];
    struct xennmi_callback nmi = {.handler_address = (unsigned long)callback_nmi};
    unsigned n = 0;

    for (unsigned vector = 0; vector < 256; vector++)
        if (has_gate(vector))
            table[n++] = vector_gate(vector);
    table[n] = (struct trap_info){0};
    must(HYPERVISOR_set_trap_table(table), "trap table");
    must(callback_register(CALLBACKTYPE_event, callback_event), "event callback");
    must(callback_register(CALLBACKTYPE_failsafe, callback_failsafe), "failsafe callback");
    must(callback_register(CALLBACKTYPE_syscall, callback_syscall), "SYSCALL callback");
    must(HYPERVISOR_nmi_op(XENNMI_register_callback, &nmi), "NMI callback");
    trap_init_vcpu();
}

void trap_context_make(struct vcpu_guest_context *context)
{
    for (unsigned vector = 0; vector < 256; vector++)
        if (has_gate(vector))
            context->trap_ctxt[vector] = vector_gate(vector);
    context->event_callback_eip = (unsigned long)callback_event;
    context->failsafe_callback_eip = (unsigned long)callback_failsafe;
    context->syscall_callback_eip = (unsigned long)callback_syscall;
    context->flags |= VGCF_failsafe_disables_events | VGCF_syscall_disables_events;
}

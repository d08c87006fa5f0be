/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What the two tests of boundary arguments share: the hypervisor's own table of hypercalls, the
 * state that a strange argument may have spoilt and how it is put right, and results in few words.
 *
 * Invariant: whatever a call did, boundary_restore() makes the program go on; it uses no trap, no
 * event and no data of the vCPU (%gs) before they are as they were.
 */
#ifndef BOUNDARY_H
#define BOUNDARY_H

#define __XEN_TOOLS__ 1 /* the table has operations of the toolstack */

#include <pv/abi.h>

#include <xen/domctl.h>
#include <xen/sysctl.h>

#include <pv/event.h>
#include <pv/hypercall.h>
#include <pv/smp.h>
#include <pv/trap.h>

#include "tap.h"

/* The table's names for types that the hypervisor calls otherwise (hypervisor/core/abi.h). */
typedef domid_t xen_domid_t;
typedef struct {
    uint64_t v;
} vaddr_t;

#define NR_HYPERCALLS 64u

/* memory_op's command has 6 bits; above them is how many extents were done before. */
#define MEMOP_CMD_MASK 63u

/* ---- Results ------------------------------------------------------------------------------ */

/* How often each result came. All that is not negative counts as one: values differ by machine. */
#define RESULTS 16
struct results {
    struct {
        long value;
        unsigned count;
    } of[RESULTS];
    unsigned kinds;
};

static inline void results_add(struct results *r, long value)
{
    unsigned i = 0;
    value = value > 0 ? 1 : value;
    while (i < r->kinds && r->of[i].value != value)
        i++;
    if (i == RESULTS)
        return;
    if (i == r->kinds) {
        r->of[i].value = value;
        r->of[i].count = 0;
        r->kinds++;
    }
    r->of[i].count++;
}

/* By value, so that the text does not depend on which came first. */
static inline void results_print(const struct results *r, const char *name)
{
    char text[RESULTS * 24] = "";
    size_t size = 0;
    long below = 2;
    for (unsigned n = 0; n < r->kinds; n++) {
        unsigned best = RESULTS;
        for (unsigned i = 0; i < r->kinds; i++) {
            if (r->of[i].value < below && (best == RESULTS || r->of[i].value > r->of[best].value))
                best = i;
        }
        if (best == RESULTS)
            break;
        below = r->of[best].value;
        size += (size_t)snprintf(text + size, sizeof(text) - size, " %s*%u",
                                 below > 0 ? ">0" : xen_error(below), r->of[best].count);
    }
    diag("result %s:%s", name, text);
}

/* ---- Pointers -------------------------------------------------------------------------------- */

/* Whether a hypercall may read a little there. A guest sees its machine-to-phys table in the
 * hypervisor's part of the address space, but hypercalls do not take it. */
static inline bool boundary_can_read(const void *pointer)
{
    unsigned long va = (unsigned long)pointer;
    uint64_t value;
    return (va < HYPERVISOR_VIRT_START || va >= HYPERVISOR_VIRT_END) && try_read(pointer, &value);
}

/* ---- Putting right -------------------------------------------------------------------------- */

static struct vcpu_guest_context boundary_context;

static bool boundary_ignore(struct trap_frame *frame)
{
    (void)frame;
    return true;
}

/* #NM: after fpu_taskswitch(1), at the next use of a vector register. */
static bool boundary_fpu(struct trap_frame *frame)
{
    (void)frame;
    return HYPERVISOR_fpu_taskswitch(0) == 0;
}

/* Events stay off for good: ports and callbacks do not survive the test. */
static inline void boundary_start(void)
{
    (void)events_disable();
    trap_set_handler(TRAP_NMI, boundary_ignore);
    trap_set_handler(TRAP_DB, boundary_ignore);
    trap_set_handler(TRAP_NM, boundary_fpu);
    vcpu_context_make(&boundary_context, 0, NULL, NULL);
}

static inline void boundary_restore(void)
{
    /* A table ends with address 0; vectors without handler have it, too. */
    static struct trap_info table[257];
    static struct xennmi_callback nmi;
    const struct vcpu_guest_context *c = &boundary_context;
    unsigned n = 0;
    HYPERCALL2(set_segment_base, SEGBASE_GS_KERNEL, c->gs_base_kernel);
    HYPERCALL3(set_callbacks, c->event_callback_eip, c->failsafe_callback_eip,
               c->syscall_callback_eip);
    for (unsigned i = 0; i < 256; i++) {
        if (c->trap_ctxt[i].address)
            table[n++] = c->trap_ctxt[i];
    }
    HYPERCALL1(set_trap_table, table);
    nmi.handler_address = c->trap_ctxt[TRAP_NMI].address;
    HYPERCALL2(nmi_op, XENNMI_register_callback, &nmi);
    HYPERCALL1(fpu_taskswitch, 0);
    HYPERCALL2(set_debugreg, 7, 0);
    HYPERCALL2(stack_switch, c->kernel_ss, c->kernel_sp);
}

/* What a domain has must not change by calls that are refused. */
static inline long boundary_pages(void)
{
    domid_t self = DOMID_SELF;
    return HYPERVISOR_memory_op(XENMEM_current_reservation, &self);
}

#endif

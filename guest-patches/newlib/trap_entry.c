/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The first C function of every trap: keeps the FPU's and SSE's registers over handlers, which are
 * ordinary C. This file itself is compiled without them (-mgeneral-regs-only).
 *
 * While CR0.TS is set (HYPERVISOR_fpu_taskswitch()), saving traps, once: the hypervisor clears TS
 * when it delivers #NM. It is set again on the way out, so the program sees no difference.
 */
#include "trap_internal.h"

#include <pv/hypercall.h>

#define FXSAVE_SIZE 512 /* SDM 1 10.5 */

void fpu_save(void *area);
extern const char fpu_save_at[];

void trap_entry(struct trap_frame *frame)
{
    uint8_t area[FXSAVE_SIZE] __attribute__((aligned(16)));
    struct vcpu_local *local = vcpu_local();

    frame->cs = (uint16_t)frame->cs; /* above it the hypervisor shows the event mask */
    if (frame->vector == TRAP_NM && frame->rip == (uint64_t)fpu_save_at) {
        local->fpu_was_off = true;
        return;
    }
    local->fpu_was_off = false;
    fpu_save(area);
    bool was_off = local->fpu_was_off;

    if (frame->vector == VECTOR_EVENT)
        trap_event(frame);
    else
        trap_dispatch(frame);

    __asm__ volatile("fxrstor64 %0" : : "m"(area));
    if (was_off)
        (void)HYPERVISOR_fpu_taskswitch(1);
}

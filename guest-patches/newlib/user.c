/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * User mode. user_enter() names the kernel's stack to the hypervisor and leaves by the hypercall
 * iret; the next trap comes in on that stack, below what user_call() of entry.S saved, and
 * user_leave() makes it return there.
 */
#include "trap_internal.h"

#include <pv/hypercall.h>

int user_call(struct user_context *context, const struct trap_frame *registers);
extern const char user_resume[];

/* User mode has the FPU's registers as well, and may leave them in any state. */
struct fpu_control {
    uint32_t mxcsr;
    uint16_t control;
};

static struct fpu_control fpu_control_save(void)
{
    struct fpu_control saved;

    __asm__ volatile("stmxcsr %0; fnstcw %1" : "=m"(saved.mxcsr), "=m"(saved.control));
    return saved;
}

static void fpu_control_restore(struct fpu_control saved)
{
    __asm__ volatile("ldmxcsr %0; fninit; fldcw %1" : : "m"(saved.mxcsr), "m"(saved.control));
}

int user_enter(struct trap_frame *registers)
{
    struct vcpu_local *local = vcpu_local();
    struct user_context context = {
        .events = !local->info->evtchn_upcall_mask,
        .registers = registers,
        .outer = local->user,
    };
    struct trap_frame frame = *registers;
    struct fpu_control fpu = fpu_control_save();

    frame.cs |= 3; /* the hypercall iret tells the modes apart by it */
    frame.rflags |= RFLAGS_IF;
    local->user = &context;
    int vector = user_call(&context, &frame);
    local->user = context.outer;
    fpu_control_restore(fpu);
    if (context.outer != NULL)
        (void)HYPERVISOR_stack_switch(FLAT_KERNEL_SS, context.outer->rsp);
    return vector;
}

void user_leave(struct trap_frame *frame)
{
    struct user_context *context = vcpu_local()->user;

    *context->registers = *frame;
    frame->rsi = frame->vector;
    trap_return_to(frame, user_resume, context, context->rsp, 0, context->events);
}

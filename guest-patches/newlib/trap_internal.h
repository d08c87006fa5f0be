/* SPDX-License-Identifier: BSD-2-Clause */
/* What the files of traps share. */
#ifndef PV_TRAP_INTERNAL_H
#define PV_TRAP_INTERNAL_H

#include "internal.h"

/* Vectors of callbacks, as entry.S numbers them after those of pv/trap.h. */
#define VECTOR_EVENT 0x104

#define RFLAGS_IF 0x200ul

/* trap_catch() that is going on. The first part is written and read by entry.S. */
struct trap_catcher {
    uint64_t rsp, rbp, rbx, r12, r13, r14, r15, rflags;
    uint32_t mxcsr;
    uint16_t fpu_control;
    bool events; /* were enabled */
    struct trap_catcher *outer;
    struct user_context *user;
    struct trap_result result;
};
_Static_assert(offsetof(struct trap_catcher, mxcsr) == 64, "entry.S");
_Static_assert(offsetof(struct trap_catcher, fpu_control) == 68, "entry.S");

/* user_enter() that is going on; the first field is entry.S's. */
struct user_context {
    uint64_t rsp;
    bool events;
    struct trap_frame *registers; /* the caller's */
    struct user_context *outer;
};

_Static_assert(sizeof(struct trap_frame) == 176, "entry.S");
_Static_assert(offsetof(struct trap_frame, vector) == 120, "entry.S");

void trap_entry(struct trap_frame *frame);
void trap_event(struct trap_frame *frame);
void trap_dispatch(struct trap_frame *frame);

/* The frame will lead back to a place of entry.S, in kernel mode. */
void trap_return_to(struct trap_frame *frame, const char *place, void *context, uint64_t rsp,
                    uint64_t rflags, bool events);
/* A trap out of user mode ends user_enter(). */
void user_leave(struct trap_frame *frame);

extern const char trap_stubs[], gate_stubs[];
extern const char callback_event[], callback_failsafe[], callback_syscall[];
extern const char callback_syscall32[], callback_sysenter[], callback_nmi[];

#endif

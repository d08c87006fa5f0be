/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What the parts of the library share and programs do not see: the data of a vCPU, the order in
 * which the parts start, and the entry points between assembly and C.
 *
 * struct vcpu_local is found through the GS base of kernel mode. The hypervisor exchanges it for
 * that of user mode with the mode, so it is right in every handler.
 */
#ifndef PV_INTERNAL_H
#define PV_INTERNAL_H

#include <reent.h>

#include <pv/abi.h>
#include <pv/smp.h>
#include <pv/trap.h>

struct trap_catcher; /* a trap_catch() that is going on */
struct user_context; /* a user_enter() that is going on */

struct vcpu_local {
    struct vcpu_local *self; /* first: %gs:0 */
    unsigned id;
    bool fpu_was_off;             /* CR0.TS was set when a trap saved the FPU's registers */
    unsigned long fault_address;  /* of the last page fault */
    struct trap_catcher *catcher; /* innermost */
    struct user_context *user;    /* innermost */
    struct vcpu_info *info;       /* where the hypervisor keeps it now */
    void *stack;                  /* lowest address, STACK_SIZE bytes */
    struct _reent *reent;
    struct _reent reent_space; /* of those that are not the first */
};

static inline struct vcpu_local *vcpu_local(void)
{
    struct vcpu_local *local;
    __asm__ volatile("mov %%gs:0, %0" : "=r"(local));
    return local;
}

/* All vCPUs' data, NULL for one that has none yet. */
extern struct vcpu_local *vcpu_locals[MAX_VCPUS];

/*
 * start.c. Fills the data of vCPU `id`: self, id, info (the shared page's), reent; `stack` may be
 * NULL. Can be called on any vCPU once the C library works. Does not enter it in vcpu_locals.
 */
void vcpu_local_init(struct vcpu_local *local, unsigned id, void *stack);

/*
 * Start, in this order, on the first vCPU, events disabled until all are done:
 *
 *   trap_init       traps are reported; needs nothing
 *   console_init    console_write works; for the ring it uses machine_to_phys_mapping only
 *   memory_init     pv/memory.h, sbrk(), so malloc
 *   events_init     pv/event.h: event_upcall() works (its entry point is registered by trap_init)
 *   clock_init      pv/clock.h
 *   smp_init        the other vCPUs can be started
 *   files_init      files in memory
 *
 * Front-ends start when they are first used.
 */
void trap_init(void);       /* trap*.c */
void console_init(void);    /* console.c */
void memory_init(void);     /* memory.c */
void events_init(void);     /* event.c */
void clock_init(void);      /* clock.c */
void smp_init(void);        /* smp.c */
void files_init(void);      /* files.c */
void clock_init_vcpu(void); /* clock.c: on each other vCPU when it starts */
/* trap.c, on each vCPU when it starts: callbacks that a vCPU's context has no field for. */
void trap_init_vcpu(void);

/* event.c: the upcall, on the vCPU that it is for, events disabled, FPU registers saved. */
void event_upcall(struct trap_frame *frame);

/*
 * trap.c: fills trap_ctxt, and the event, failsafe and syscall callbacks with their flags
 * (VGCF_*_disables_events), of a context for VCPUOP_initialise.
 */
void trap_context_make(struct vcpu_guest_context *context);

/*
 * entry.S: where another vCPU starts, in kernel mode, %rsp at the end of its stack, %gs base its
 * vcpu_local: calls secondary_main(rdi, rsi) of smp.c, which does not return.
 */
extern char secondary_entry[];
void secondary_main(void (*function)(void *data), void *data) __attribute__((noreturn));

/* Ends the domain with SHUTDOWN_crash and a message, for what the library cannot go on after. */
void fatal(const char *format, ...) __attribute__((noreturn, format(printf, 1, 2)));

#endif

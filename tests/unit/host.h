/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What a host unit test sets and sees of the machine that the portable code believes to be on.
 *
 * host.c gives every service below as a weak symbol: a test that links the real module, or defines
 * the function itself, replaces it.
 */
#ifndef HOST_H
#define HOST_H

#include <arch/cpu.h>
#include <arch/current.h>
#include <arch/guest.h>
#include <arch/memory.h>

#include <setjmp.h>

/* The C library's function of this name is another. */
#define sched_yield libc_sched_yield
#include <pthread.h>
#undef sched_yield

#include "core/frame.h"
#include "core/guest.h"
#include "core/lib.h"
#include "core/log.h"
#include "tap.h"

/* ---- RAM ------------------------------------------------------------------------------------ */

/* Frames [base, base + count): zeroed memory, frame entries and M2P (all INVALID_M2P). Repeatable.
 */
void host_ram_init(mfn_t base, uint64_t count);

/* ---- Guest memory --------------------------------------------------------------------------- */

/* Accesses within [start, end) fault. Addresses below 64 KiB always do. */
extern uintptr_t host_fault_start, host_fault_end;
/* Count of accesses that still succeed before all fault; -1 (at start): no such limit. */
extern long host_fault_after;
/* Called before each access, to look at it or to change the memory behind the reader's back. */
extern void (*host_guest_hook)(uintptr_t addr, size_t size, bool write);
#define host_va(ptr) VADDR((uint64_t)(uintptr_t)(ptr))

/* ---- Time, log, panics ---------------------------------------------------------------------- */

extern int64_t host_now;     /* what now() returns, ns */
extern char host_log[65536]; /* all lines logged, each ending in \n; host_log_reset() empties it */
void host_log_reset(void);
bool host_logged(const char *text); /* is it in the log? */

extern char host_panic_text[512]; /* of the last panic or failed assertion */
extern jmp_buf *host_panic_jump;  /* where an expected panic goes; NULL: abort() */
/* True when the statement panics. Locals that it changes must be volatile. */
#define panics(statement)                                                                          \
    ({                                                                                             \
        jmp_buf jump_;                                                                             \
        volatile bool panicked_ = true;                                                            \
        host_panic_jump = &jump_;                                                                  \
        if (setjmp(jump_) == 0) {                                                                  \
            statement;                                                                             \
            panicked_ = false;                                                                     \
        }                                                                                          \
        host_panic_jump = NULL;                                                                    \
        panicked_;                                                                                 \
    })

/* ---- Locks ---------------------------------------------------------------------------------- */

/* Locks that this thread holds now, by host.c's own lock functions (rank order is checked there).
 */
extern _Thread_local unsigned host_locks_held;

#endif

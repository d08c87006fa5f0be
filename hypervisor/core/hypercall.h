/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Hypercalls: one declarative table (core/hypercalls.def) gives the dispatch, the argument counts,
 * the trace names, the reference in docs/ and the fuzzer's grammar.
 *
 * A handler of a sub-operation is given its argument structure already copied from the guest, and
 * what it leaves there is copied back when the table says so. It checks everything and takes
 * what references it needs (decode) before it changes anything (commit).
 */
#ifndef CORE_HYPERCALL_H
#define CORE_HYPERCALL_H

#include "core/abi.h"

struct vcpu;

/*
 * Returned by a handler that has more to do: it is called again, with the argument structure as it
 * left it, after pending work has run. The dispatcher writes the structure back to the guest first,
 * so that all it finds there next time must be checked again. A DIRECT handler is called again with
 * the arguments as the guest gave them.
 */
#define HC_AGAIN (-XEN_ERESTART)

/* In the count of mmu_update and mmuext_op: this call goes on with one that was interrupted. */
#define HC_COUNT_PREEMPTED (1u << 31)

/* The six argument registers of a 64-bit hypercall: rdi rsi rdx r10 r8 r9. */
struct hypercall_args {
    uint64_t arg[6];
};

/* Numbers at or above this one are -ENOSYS. */
#define NR_HYPERCALLS 64u

/* Once, at boot: index the table. */
void hypercall_init(void);
/*
 * A hypercall of the current vCPU `v`. Any number; HC_REWOUND: the caller's registers are as they
 * must be. The entry path of a release build makes the two steps itself: hypercall_call(), and if
 * that says HC_AGAIN, which only a handler does, hypercall_again().
 */
long hypercall_dispatch(struct vcpu *v, uint64_t nr, struct hypercall_args *args);
long hypercall_call(struct vcpu *v, uint64_t nr, struct hypercall_args *args);
long hypercall_again(uint64_t nr, struct hypercall_args *args);
#define HC_REWOUND INT64_MIN

const char *hypercall_name(unsigned nr);

/* The arguments of the hypercall that this CPU is carrying out, as the guest gave them. */
const struct hypercall_args *hypercall_current_args(void);

/* memory_op's command carries the number of extents already done above these bits. */
#define MEMOP_EXTENT_SHIFT 6u
#define MEMOP_CMD_MASK     ((1u << MEMOP_EXTENT_SHIFT) - 1)

/*
 * Arrange that the current hypercall is made again with these arguments: the guest's registers (or
 * the multicall entry) are rewound. Returns what the handler must return.
 */
long hypercall_continue(unsigned nr, unsigned nargs, const uint64_t *args) must_check;

/* From the machine layer: rewind the current vCPU's registers to make the hypercall again. */
void arch_hypercall_rewind(unsigned nr, unsigned nargs, const uint64_t *args);

#endif

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
 * so that all it finds there next time must be checked again.
 */
#define HC_AGAIN (-XEN_ERESTART)

/* The six argument registers of a 64-bit hypercall: rdi rsi rdx r10 r8 r9. */
struct hypercall_args {
    uint64_t arg[6];
};

/* The entry path's call. `nr` is already known to be below NR_HYPERCALLS. */
long hypercall_dispatch(unsigned nr, struct hypercall_args *args);
#define NR_HYPERCALLS 64u

const char *hypercall_name(unsigned nr);

/*
 * Arrange that the current hypercall is made again with these arguments: the guest's registers (or
 * the multicall entry) are rewound. Returns what the handler must return.
 */
long hypercall_continue(unsigned nr, unsigned nargs, const uint64_t *args);

/* From the machine layer: rewind the guest's registers to make the hypercall again. */
void arch_hypercall_rewind(struct vcpu *v, unsigned nr, unsigned nargs, const uint64_t *args);

#endif

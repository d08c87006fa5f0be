/* SPDX-License-Identifier: BSD-2-Clause */
/* Writable page tables: writes of guest kernels to L1 tables, which they can only map read-only. */
#ifndef X86_MM_PTWR_H
#define X86_MM_PTWR_H

#include "core/abi.h"

/*
 * A guest kernel's write at `va` faulted on a present mapping. True when it was to one of its L1
 * tables and has been carried out as a checked update. Called with interrupts off, turns them on.
 */
bool ptwr_emulate(struct cpu_user_regs *regs, uint64_t va) must_check;

#endif

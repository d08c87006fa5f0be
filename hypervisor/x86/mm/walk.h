/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Walking the current guest's page tables in software: its kernel's, also while it is in user mode,
 * where a program's use of the LDT leads to pages of the kernel.
 */
#ifndef X86_MM_WALK_H
#define X86_MM_WALK_H

#include "core/types.h"
#include "x86/pte.h"

struct vcpu;

/*
 * The L1 table that maps `va` for the current vCPU, held (a reference and an FT_L1 reference: drop
 * by frame_put_both). False when there is none, or `va` is the hypervisor's.
 */
bool walk_hold_l1(struct vcpu *v, uint64_t va, mfn_t *l1) must_check;
/* The entry that maps `va` now, 0 when nothing does. For looking at, not for trusting. */
uint64_t walk_read_l1e(const struct vcpu *v, uint64_t va);
/* The same with interrupts off, whether or not it is present. */
uint64_t walk_l1e(const struct vcpu *v, uint64_t va);

#endif

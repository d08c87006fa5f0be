/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Guests' segment descriptors: pages of them are judged before they are used (FT_SEGDESC), and
 * mapped in the CPU's window (DESC_WINDOW_START) while their vCPU is loaded there.
 */
#ifndef X86_MM_SEGDESC_H
#define X86_MM_SEGDESC_H

#include "core/abi.h"

struct vcpu;

/* For arch_table_acquire: judge (and repair) the descriptors of a page that nobody can write. */
int segdesc_page_acquire(mfn_t mfn, unsigned *progress) must_check;

/* The current vCPU's LDT: page-aligned guest address and entries, 0 to clear. -XEN_EINVAL. */
int segdesc_set_ldt(struct vcpu *v, uint64_t base, unsigned long entries) must_check;
/*
 * Replace the GDT of v (current, or not running) by frames whose references the caller has taken.
 */
void segdesc_install_gdt(struct vcpu *v, const mfn_t *frames, unsigned count, unsigned entries);
/* Take FT_SEGDESC references for a GDT of `entries` descriptors. On error none is held. */
int segdesc_hold_gdt(struct vcpu *v, const xen_pfn_t *list, mfn_t *frames,
                     unsigned entries) must_check;
void segdesc_release_gdt(const mfn_t *frames, unsigned entries);
/*
 * A page fault inside this CPU's window at `va`: map the LDT page. True when the access may go on.
 */
bool segdesc_ldt_fault(struct vcpu *v, uint64_t va);
/* The address in the LDT of v, which is current, that `va` in this CPU's window stands for. */
uint64_t segdesc_guest_address(const struct vcpu *v, uint64_t va);
/* This CPU, once, after desc_init_cpu(): its window shows no guest's tables. */
void segdesc_init_cpu(void);
/*
 * Switch this CPU's window to v's tables. Interrupts off; a load of CR3 must follow, which makes
 * the TLB forget the tables that were there.
 */
void segdesc_load(const struct vcpu *v);
/* Drop all that v holds; v is loaded nowhere. */
void segdesc_drop(struct vcpu *v);

#define GDT_GUEST_PAGES  14u
#define GDT_PAGE_ENTRIES 512u
#define LDT_PAGES        16u
#define LDT_MAX_ENTRIES  8192u

#endif

/* SPDX-License-Identifier: BSD-2-Clause */
/* The virtual CPU's set-up, and hypercall pages. */
#ifndef X86_PV_CALLS_H
#define X86_PV_CALLS_H

#include "core/abi.h"

struct vcpu;

/* Write the stubs of a hypercall page. */
void hypercall_page_fill(uint8_t *page);
/* The guest's write to the hypercall-page MSR. 0 or a negative error. */
int pv_hypercall_page_write(struct vcpu *v, uint64_t mfn) must_check;
int pv_set_kernel_stack(struct vcpu *v, uint64_t ss, uint64_t sp);

#endif

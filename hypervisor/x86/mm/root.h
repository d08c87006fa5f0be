/* SPDX-License-Identifier: BSD-2-Clause */
/* The L4 tables that a vCPU runs on: one for its kernel, one for user mode. */
#ifndef X86_MM_ROOT_H
#define X86_MM_ROOT_H

#include "core/types.h"

struct vcpu;

/*
 * Make `mfn` the kernel's (and load it, when v is current and in kernel mode) or the user mode's
 * table; INVALID_MFN for no user table. -XEN_EINVAL, -XEN_EBUSY, -XEN_ERESTART as frame_get_type.
 */
int root_set_kernel(struct vcpu *v, mfn_t mfn) must_check;
int root_set_user(struct vcpu *v, mfn_t mfn) must_check;
/* Drop both; v is not running, and its CPU has other tables loaded. */
void root_drop(struct vcpu *v);
/*
 * MOV to CR3 by the current vCPU's kernel: the value as xen_pfn_to_cr3 makes it. 0 or a negative
 * error.
 */
int pv_set_cr3(struct vcpu *v, uint64_t cr3) must_check;

#endif

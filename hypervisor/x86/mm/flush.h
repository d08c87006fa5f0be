/* SPDX-License-Identifier: BSD-2-Clause */
/* Flushes that guests ask for: which CPUs hold translations of which vCPUs. */
#ifndef X86_MM_FLUSH_H
#define X86_MM_FLUSH_H

#include "core/domain.h"
#include "x86/tlb.h"

/* UVMF_* flags of update_va_mapping into the flush to make. -XEN_EFAULT, -XEN_EINVAL. */
int flush_decode(struct vcpu *v, uint64_t va, uint64_t flags, tlb_flush_t *out) must_check;
/* The CPUs of the vCPUs in the guest's bitmap at `mask`. */
int flush_vcpu_mask(const struct domain *d, vaddr_t mask, cpumask_t *out) must_check;
cpumask_t flush_domain_mask(const struct domain *d);

#endif

/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Flushes that guests ask for. d->arch.dirty_cpus holds every CPU that may have translations of the
 * domain: set before its tables are loaded, cleared when another domain's are.
 */
#include "x86/mm/flush.h"

#include "core/guest.h"
#include "core/lib.h"

cpumask_t flush_domain_mask(const struct domain *d)
{
    return (cpumask_t){atomic_load(&d->arch.dirty_cpus.bits)};
}

int flush_vcpu_mask(const struct domain *d, vaddr_t mask, cpumask_t *out)
{
    unsigned long bits[BITMAP_LONGS(MAX_VCPUS)] = {0};
    if (guest_copy_in(bits, mask, DIV_ROUND_UP(d->max_vcpus, 8u)))
        return -XEN_EFAULT;
    *out = CPUMASK_NONE;
    for (unsigned i = bitmap_find_set(bits, d->max_vcpus, 0); i < d->max_vcpus;
         i = bitmap_find_set(bits, d->max_vcpus, i + 1))
        if (d->vcpu[i] != NULL)
            out->bits |= 1ull << READ_ONCE(d->vcpu[i]->cpu);
    *out = cpumask_and(*out, flush_domain_mask(d));
    return 0;
}

/* Where the flush goes: a pointer to a bitmap, or one of UVMF_LOCAL and UVMF_ALL in its place. */
static int flush_target(struct vcpu *v, uint64_t where, cpumask_t *out)
{
    if (where == UVMF_LOCAL)
        *out = CPUMASK_OF(cpu_id());
    else if (where == UVMF_ALL)
        *out = flush_domain_mask(v->domain);
    else
        return flush_vcpu_mask(v->domain, VADDR(where), out);
    return 0;
}

int flush_decode(struct vcpu *v, uint64_t va, uint64_t flags, tlb_flush_t *out)
{
    *out = TLB_FLUSH_NONE;
    switch (flags & UVMF_FLUSHTYPE_MASK) {
    case UVMF_NONE:
        return 0;
    case UVMF_TLB_FLUSH:
        out->all = true;
        break;
    case UVMF_INVLPG:
        out->va = va;
        break;
    default:
        return -XEN_EINVAL;
    }
    return flush_target(v, flags & ~(uint64_t)UVMF_FLUSHTYPE_MASK, &out->mask);
}

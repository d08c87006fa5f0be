/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * memory_op: what memory there is, claims on it, and domains' memory maps (xen/memory.h).
 *
 * The claims of all domains together never exceed what was free when the last one was made; each is
 * part of its domain's claimed_pages, both under claims.lock.
 */
#include "core/memory.h"

#include <arch/layout.h>
#include <arch/memory.h>

#include "core/domain.h"
#include "core/e820.h"
#include "core/guest.h"
#include "core/hypercall.h"

/* Only what may stop and go on has a count above the command's bits. */
static bool has_start_extent(void)
{
    return hypercall_current_args()->arg[0] >> MEMOP_EXTENT_SHIFT != 0;
}

/* ---- The machine -------------------------------------------------------------------------- */

/* One past the highest frame of RAM, as Xen's answer is. */
long memory_maximum_ram_page(struct vcpu *v, void *arg)
{
    (void)v;
    (void)arg;
    if (has_start_extent())
        return -XEN_EINVAL;
    return (long)(e820_ram_end(&e820) >> PAGE_SHIFT);
}

long memory_machphys_mfn_list(struct vcpu *v, struct xen_machphys_mfn_list *arg)
{
    unsigned count = MIN(arg->max_extents, m2p_chunk_count());

    (void)v;
    for (unsigned i = 0; i < count; i++) {
        mfn_t mfn = m2p_chunk_mfn(i);
        xen_pfn_t first = mfn_eq(mfn, INVALID_MFN) ? 0 : mfn.v;
        vaddr_t at = VADDR(HANDLE_VA(arg->extent_start).v + i * sizeof(first));
        if (guest_write(at, &first))
            return -XEN_EFAULT;
    }
    arg->nr_extents = count;
    return 0;
}

long memory_machphys_mapping(struct vcpu *v, struct xen_machphys_mapping *arg)
{
    (void)v;
    arg->v_start = M2P_VIRT_START;
    arg->v_end = M2P_VIRT_END;
    arg->max_mfn = (e820_ram_end(&e820) >> PAGE_SHIFT) - 1;
    return 0;
}

/* Without a buffer: only how many entries there are. */
long memory_machine_memory_map(struct vcpu *v, struct xen_memory_map *arg)
{
    vaddr_t buffer = HANDLE_VA(arg->buffer);

    if (!v->domain->is_privileged)
        return -XEN_EPERM;
    if (buffer.v != 0) {
        if (arg->nr_entries < e820.count)
            return -XEN_EINVAL;
        if (guest_copy_out(buffer, e820.entry, e820.count * sizeof(e820.entry[0])))
            return -XEN_EFAULT;
    }
    arg->nr_entries = e820.count;
    return 0;
}

/* ---- How much a domain has ---------------------------------------------------------------- */

static uint64_t tot_pages(const struct domain *d)
{
    return READ_ONCE(d->tot_pages);
}

static uint64_t max_pages(const struct domain *d)
{
    return READ_ONCE(d->max_pages);
}

/* What a PV guest says itself, for the toolstack that saves it; page 0 when it says nothing. */
static uint64_t maximum_gpfn(const struct domain *d)
{
    uint64_t pages = READ_ONCE(d->shared->arch.max_pfn);
    return pages ? pages - 1 : 0;
}

static long ask_domain(struct vcpu *v, xen_domid_t id, uint64_t (*question)(const struct domain *))
{
    struct domain *d;

    if (has_start_extent())
        return -XEN_EINVAL;
    int rc = domain_get_for(v, DOMID(id), &d);
    if (rc)
        return rc;
    long answer = (long)question(d);
    domain_put(d);
    return answer;
}

long memory_current_reservation(struct vcpu *v, xen_domid_t *arg)
{
    return ask_domain(v, *arg, tot_pages);
}

long memory_maximum_reservation(struct vcpu *v, xen_domid_t *arg)
{
    return ask_domain(v, *arg, max_pages);
}

long memory_maximum_gpfn(struct vcpu *v, xen_domid_t *arg)
{
    return ask_domain(v, *arg, maximum_gpfn);
}

/* ---- Memory maps of domains --------------------------------------------------------------- */

long memory_set_memory_map(struct vcpu *v, struct xen_foreign_memory_map *arg)
{
    struct domain *d;

    if (arg->map.nr_entries > E820_MAX)
        return -XEN_EINVAL;
    int rc = domain_get_for(v, DOMID(arg->domid), &d);
    if (rc)
        return rc;
    struct e820_map *map = hv_new(d, struct e820_map), *old = NULL;
    if (!map) {
        rc = -XEN_ENOMEM;
        goto out;
    }
    map->count = arg->map.nr_entries;
    if (guest_copy_in(map->entry, HANDLE_VA(arg->map.buffer), map->count * sizeof(map->entry[0]))) {
        old = map;
        rc = -XEN_EFAULT;
    } else {
        lock(&d->lock);
        old = d->memory_map;
        d->memory_map = map;
        unlock(&d->lock);
    }
    hv_free(d, old, sizeof(*old));
out:
    domain_put(d);
    return rc;
}

/* As much as the buffer takes. */
long memory_memory_map(struct vcpu *v, struct xen_memory_map *arg)
{
    struct domain *d = v->domain;
    struct e820_map map = {.count = 0};

    lock(&d->lock);
    if (d->memory_map)
        map = *d->memory_map;
    unlock(&d->lock);
    if (map.count == 0)
        return -XEN_ENOSYS;
    arg->nr_entries = MIN(arg->nr_entries, map.count);
    if (guest_copy_out(HANDLE_VA(arg->buffer), map.entry, arg->nr_entries * sizeof(map.entry[0])))
        return -XEN_EFAULT;
    return 0;
}

/* ---- Claims ------------------------------------------------------------------------------- */

static struct {
    struct spinlock lock;
    uint64_t total;
} claims = {.lock = {.rank = RANK_PAGES}};

uint64_t memory_claims_outstanding(void)
{
    return READ_ONCE(claims.total);
}

bool memory_claims_allow(const struct domain *d, uint64_t frames)
{
    lock(&claims.lock);
    uint64_t free = heap_free_count(), others = claims.total - d->claimed_pages;
    unlock(&claims.lock);
    return free >= others && free - others >= frames;
}

void memory_claim_used(struct domain *d, uint64_t frames)
{
    lock(&claims.lock);
    frames = MIN(frames, d->claimed_pages);
    d->claimed_pages -= frames;
    claims.total -= frames;
    unlock(&claims.lock);
}

/* `pages` counts what the domain has already; 0 ends the claim. */
static int claim_set(struct domain *d, uint64_t pages)
{
    uint64_t has = tot_pages(d);
    int rc = 0;

    if (pages == 0) {
        memory_claim_used(d, ~0ull);
        return 0;
    }
    lock(&claims.lock);
    if (d->claimed_pages || pages <= has || pages > max_pages(d)) {
        rc = -XEN_EINVAL;
    } else if (pages - has + claims.total > heap_free_count()) {
        rc = -XEN_ENOMEM;
    } else {
        d->claimed_pages = pages - has;
        claims.total += pages - has;
    }
    unlock(&claims.lock);
    return rc;
}

long memory_claim_pages(struct vcpu *v, struct xen_memory_reservation *arg)
{
    if (has_start_extent() || HANDLE_VA(arg->extent_start).v || arg->extent_order || arg->mem_flags)
        return -XEN_EINVAL;
    /* A domain is named by its number: DOMID_SELF is none. */
    struct domain *d = domain_get(DOMID(arg->domid));
    if (!d)
        return -XEN_EINVAL;
    int rc = v->domain->is_privileged ? claim_set(d, arg->nr_extents) : -XEN_EPERM;
    domain_put(d);
    return rc;
}

void memory_domain_free(struct domain *d)
{
    memory_claim_used(d, ~0ull);
    hv_free(d, d->memory_map, sizeof(*d->memory_map));
    d->memory_map = NULL;
}

/* ---- What no PV domain has ---------------------------------------------------------------- */

/* A PV guest maps by machine frame numbers: it has no physmap that the hypervisor could add to. */
long memory_add_to_physmap(struct vcpu *v, struct xen_add_to_physmap *arg)
{
    struct domain *d;

    if (arg->space == XENMAPSPACE_gmfn_foreign)
        return -XEN_ENOSYS;
    int rc = domain_get_for(v, DOMID(arg->domid), &d);
    /* That the domain is not translated is said even to who may not ask. */
    if (rc == -XEN_ESRCH)
        return rc;
    if (rc == 0)
        domain_put(d);
    return -XEN_EACCES;
}

long memory_get_vnumainfo(struct vcpu *v, struct xen_vnuma_topology_info *arg)
{
    struct domain *d;

    if (arg->pad != 0)
        return -XEN_EINVAL;
    int rc = domain_get_for(v, DOMID(arg->domid), &d);
    if (rc)
        return rc;
    domain_put(d);
    return -XEN_EOPNOTSUPP;
}

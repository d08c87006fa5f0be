/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * memory_op: how much memory a domain has, and which (xen/memory.h).
 *
 * Extents are handled one after the other; what is asked for is checked and read before anything of
 * the extent changes, and an extent that fails leaves nothing behind. The number of extents done is
 * the answer; a call that is interrupted carries it above the command's bits.
 */
#include <arch/memory.h>

#include "core/domain.h"
#include "core/frame.h"
#include "core/guest.h"
#include "core/hypercall.h"
#include "core/log.h"
#include "core/memory.h"
#include "core/softirq.h"

/* Extents an ordinary domain may ask for, and the control domain (Xen's defaults). */
#define GUEST_MAX_ORDER   9u
#define CONTROL_MAX_ORDER HEAP_MAX_ORDER

static unsigned max_order(const struct domain *caller)
{
    return caller->is_privileged ? CONTROL_MAX_ORDER : GUEST_MAX_ORDER;
}

/* The width that XENMEMF_address_bits asks for; none: any. */
static unsigned address_bits(unsigned mem_flags)
{
    unsigned bits = XENMEMF_get_address_bits(mem_flags);
    return bits ? bits : 64;
}

static vaddr_t list_entry(vaddr_t list, uint64_t i)
{
    return VADDR(list.v + i * sizeof(xen_pfn_t));
}

/* ---- Extents given and taken -------------------------------------------------------------- */

struct memop {
    struct domain *d;
    vaddr_t list; /* of frame numbers, one an extent; 0: none */
    uint64_t count;
    unsigned order, bits;
};

static bool give_back(struct domain *d, mfn_t mfn, unsigned order)
{
    bool all = true;

    for (uint64_t i = 0; i < 1ull << order && all; i++)
        all = frame_release(d, mfn_add(mfn, i)) == 0;
    return all;
}

/* New frames of d's, or INVALID_MFN. */
static mfn_t allocate(const struct memop *m)
{
    uint64_t frames = 1ull << m->order;
    mfn_t mfn = INVALID_MFN;

    if (memory_claims_allow(m->d, frames))
        mfn = heap_alloc_frames_bits(m->order, m->bits, 0);
    if (mfn_eq(mfn, INVALID_MFN)) {
        log_guest(LOG_DEBUG, "no memory of order %u, %u bits for domain %u", m->order, m->bits,
                  m->d->id.v);
        return INVALID_MFN;
    }
    if (frame_assign(m->d, mfn, m->order)) {
        heap_free_frames(mfn, m->order, false);
        return INVALID_MFN;
    }
    memory_claim_used(m->d, frames);
    return mfn;
}

static bool report(const struct memop *m, uint64_t i, mfn_t mfn)
{
    xen_pfn_t number = mfn.v;

    if (guest_write(list_entry(m->list, i), &number) == 0)
        return true;
    (void)give_back(m->d, mfn, m->order);
    return false;
}

static bool increase_one(const struct memop *m, uint64_t i)
{
    mfn_t mfn = allocate(m);

    return !mfn_eq(mfn, INVALID_MFN) && (m->list.v == 0 || report(m, i, mfn));
}

static bool populate_one(const struct memop *m, uint64_t i)
{
    xen_pfn_t pfn;

    if (guest_read(&pfn, list_entry(m->list, i)))
        return false;
    mfn_t mfn = allocate(m);
    if (mfn_eq(mfn, INVALID_MFN))
        return false;
    for (uint64_t k = 0; k < 1ull << m->order; k++)
        m2p_set(mfn_add(mfn, k), PFN(pfn + k));
    return report(m, i, mfn);
}

/* Frames before one that is not the domain's are given back all the same, as Xen does. */
static bool decrease_one(const struct memop *m, uint64_t i)
{
    xen_pfn_t mfn;

    return guest_read(&mfn, list_entry(m->list, i)) == 0 && give_back(m->d, MFN(mfn), m->order);
}

/* Is it a request that can be begun? On true m->d is held. */
static bool memop_decode(struct memop *m, struct vcpu *v, const struct xen_memory_reservation *r)
{
    *m = (struct memop){.list = HANDLE_VA(r->extent_start),
                        .count = r->nr_extents,
                        .order = r->extent_order,
                        .bits = address_bits(r->mem_flags)};
    return m->count <= UINT32_MAX >> MEMOP_EXTENT_SHIFT && m->order <= max_order(v->domain) &&
           m->bits > PAGE_SHIFT && domain_get_for(v, DOMID(r->domid), &m->d) == 0;
}

/* The answer is the number of extents done, whatever stopped it: so Xen answers. */
static long memop_run(struct vcpu *v, const struct xen_memory_reservation *r,
                      bool (*one)(const struct memop *m, uint64_t i))
{
    const struct hypercall_args *args = hypercall_current_args();
    uint64_t start = args->arg[0] >> MEMOP_EXTENT_SHIFT, done = start;
    struct memop m;

    if (!memop_decode(&m, v, r))
        return (long)start;
    while (done < m.count && one(&m, done)) {
        done++;
        if (done < m.count && preempt_wanted()) {
            const uint64_t rest[2] = {
                (args->arg[0] & MEMOP_CMD_MASK) | (done << MEMOP_EXTENT_SHIFT), args->arg[1]};
            domain_put(m.d);
            return hypercall_continue(__HYPERVISOR_memory_op, 2, rest);
        }
    }
    domain_put(m.d);
    return (long)done;
}

long memory_increase_reservation(struct vcpu *v, struct xen_memory_reservation *arg)
{
    return memop_run(v, arg, increase_one);
}

long memory_decrease_reservation(struct vcpu *v, struct xen_memory_reservation *arg)
{
    return memop_run(v, arg, decrease_one);
}

/* Memory on demand is for translated guests: a PV domain's frames are there or not. */
long memory_populate_physmap(struct vcpu *v, struct xen_memory_reservation *arg)
{
    if (arg->mem_flags & XENMEMF_populate_on_demand)
        return (long)(hypercall_current_args()->arg[0] >> MEMOP_EXTENT_SHIFT);
    return memop_run(v, arg, populate_one);
}

/* ---- Exchange ----------------------------------------------------------------------------- */

/*
 * The work is done in chunks of the larger of the two orders: as many extents of the smaller order
 * as make one of the larger.
 */
struct exchange {
    struct domain *d;
    struct domain *payer;         /* whom the lists below are charged to: the caller's domain */
    vaddr_t in, out;              /* lists of frame numbers */
    uint64_t chunks;              /* in all */
    unsigned in_order, out_order; /* of an extent */
    unsigned in_count, out_count; /* extents in a chunk */
    unsigned bits;
    xen_pfn_t *in_mfn, *out_pfn, *out_mfn; /* of the chunk at work */
};

/* Frames [0, count) of the chunk's input become the domain's again, or free if it may have no more.
 */
static void exchange_return_inputs(const struct exchange *x, uint64_t count)
{
    for (uint64_t i = 0; i < count; i++) {
        mfn_t mfn = MFN(x->in_mfn[i >> x->in_order] + (i & ((1ull << x->in_order) - 1)));
        if (frame_attach(x->d, mfn))
            frame_discard(mfn);
    }
}

static void exchange_discard_inputs(const struct exchange *x)
{
    for (unsigned i = 0; i < x->in_count; i++)
        for (uint64_t k = 0; k < 1ull << x->in_order; k++)
            frame_discard(MFN(x->in_mfn[i] + k));
}

static int exchange_take_inputs(const struct exchange *x)
{
    uint64_t done = 0;

    for (unsigned i = 0; i < x->in_count; i++) {
        for (uint64_t k = 0; k < 1ull << x->in_order; k++, done++) {
            /* One that is in use, too, is no frame to exchange: so Xen answers. */
            if (frame_detach(x->d, MFN(x->in_mfn[i] + k))) {
                exchange_return_inputs(x, done);
                return -XEN_EINVAL;
            }
        }
    }
    return 0;
}

static void exchange_free_outputs(const struct exchange *x, unsigned from, unsigned to)
{
    for (unsigned i = from; i < to; i++)
        heap_free_frames(MFN(x->out_mfn[i]), x->out_order, false);
}

static int exchange_make_outputs(const struct exchange *x)
{
    for (unsigned i = 0; i < x->out_count; i++) {
        mfn_t mfn = heap_alloc_frames_bits(x->out_order, x->bits, 0);
        if (mfn_eq(mfn, INVALID_MFN)) {
            exchange_free_outputs(x, 0, i);
            return -XEN_ENOMEM;
        }
        x->out_mfn[i] = mfn.v;
    }
    return 0;
}

/* Fails when the domain dies, or another of its vCPUs has filled its reservation meanwhile. */
static int exchange_assign_outputs(const struct exchange *x)
{
    for (unsigned i = 0; i < x->out_count; i++) {
        int rc = frame_assign(x->d, MFN(x->out_mfn[i]), x->out_order);
        if (rc) {
            exchange_free_outputs(x, i, x->out_count);
            while (i-- > 0)
                (void)give_back(x->d, MFN(x->out_mfn[i]), x->out_order);
            return rc;
        }
    }
    for (unsigned i = 0; i < x->out_count; i++)
        for (uint64_t k = 0; k < 1ull << x->out_order; k++)
            m2p_set(MFN(x->out_mfn[i] + k), PFN(x->out_pfn[i] + k));
    return 0;
}

/* One chunk: all of it, or an error and nothing is changed. */
static int exchange_chunk(const struct exchange *x, uint64_t chunk)
{
    vaddr_t out = list_entry(x->out, chunk * x->out_count);
    size_t out_bytes = x->out_count * sizeof(xen_pfn_t);

    if (guest_copy_in(x->in_mfn, list_entry(x->in, chunk * x->in_count),
                      x->in_count * sizeof(xen_pfn_t)) ||
        guest_copy_in(x->out_pfn, out, out_bytes))
        return -XEN_EFAULT;
    int rc = exchange_take_inputs(x);
    if (rc)
        return rc;
    rc = exchange_make_outputs(x);
    if (rc)
        goto undo;
    /* The guest is told before it is so: after this nothing of the guest's can fail. */
    if (guest_copy_out(out, x->out_mfn, out_bytes)) {
        exchange_free_outputs(x, 0, x->out_count);
        rc = -XEN_EFAULT;
        goto undo;
    }
    rc = exchange_assign_outputs(x);
    if (rc)
        goto undo;
    exchange_discard_inputs(x);
    return 0;
undo:
    exchange_return_inputs(x, (uint64_t)x->in_count << x->in_order);
    return rc;
}

/* Chunks [first, x->chunks); *done says how far it came. HC_AGAIN: work is pending. */
static int exchange_run(struct exchange *x, uint64_t first, uint64_t *done)
{
    int rc = 0;

    x->in_mfn = hv_new_array(x->payer, xen_pfn_t, x->in_count);
    x->out_pfn = hv_new_array(x->payer, xen_pfn_t, x->out_count);
    x->out_mfn = hv_new_array(x->payer, xen_pfn_t, x->out_count);
    if (!x->in_mfn || !x->out_pfn || !x->out_mfn)
        rc = -XEN_ENOMEM;
    for (*done = first; *done < x->chunks && rc == 0;) {
        rc = exchange_chunk(x, *done);
        if (rc == 0 && ++*done < x->chunks && preempt_wanted())
            rc = HC_AGAIN;
    }
    hv_free(x->payer, x->in_mfn, x->in_count * sizeof(xen_pfn_t));
    hv_free(x->payer, x->out_pfn, x->out_count * sizeof(xen_pfn_t));
    hv_free(x->payer, x->out_mfn, x->out_count * sizeof(xen_pfn_t));
    return rc;
}

static int exchange_decode(struct exchange *x, struct vcpu *v, const struct xen_memory_exchange *e)
{
    const struct xen_memory_reservation *in = &e->in, *out = &e->out;
    unsigned limit = max_order(v->domain);

    if (in->extent_order > limit || out->extent_order > limit)
        return -XEN_EPERM;
    if (e->nr_exchanged > in->nr_extents || in->domid != out->domid ||
        ~0ul >> in->extent_order < in->nr_extents || ~0ul >> out->extent_order < out->nr_extents ||
        in->nr_extents << in->extent_order != out->nr_extents << out->extent_order)
        return -XEN_EINVAL;
    unsigned larger = MAX(in->extent_order, out->extent_order);
    *x = (struct exchange){.payer = v->domain,
                           .in = HANDLE_VA(in->extent_start),
                           .out = HANDLE_VA(out->extent_start),
                           .chunks = (in->nr_extents << in->extent_order) >> larger,
                           .in_order = in->extent_order,
                           .out_order = out->extent_order,
                           .in_count = 1u << (larger - in->extent_order),
                           .out_count = 1u << (larger - out->extent_order),
                           .bits = address_bits(out->mem_flags)};
    return domain_get_for(v, DOMID(in->domid), &x->d);
}

/*
 * nr_exchanged is written back whatever the outcome, by itself: it is also what a call that was
 * interrupted starts from.
 */
long memory_exchange(struct vcpu *v, struct xen_memory_exchange *arg)
{
    const struct hypercall_args *args = hypercall_current_args();
    struct exchange x;
    uint64_t done;

    if (args->arg[0] >> MEMOP_EXTENT_SHIFT)
        return -XEN_EINVAL;
    int rc = exchange_decode(&x, v, arg);
    if (rc)
        return rc;
    rc = exchange_run(&x, arg->nr_exchanged / x.in_count, &done);
    domain_put(x.d);
    xen_ulong_t exchanged = done * x.in_count;
    vaddr_t at = VADDR(args->arg[1] + offsetof(struct xen_memory_exchange, nr_exchanged));
    return guest_write(at, &exchanged) ? -XEN_EFAULT : rc;
}

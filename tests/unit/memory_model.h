/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What test_memory.c and test_exchange.c share. Frames and domains are plain models: an owner, a
 * count of references and the allocation's mark for each frame; three domains, one of them
 * privileged.
 */
#ifndef MEMORY_MODEL_H
#define MEMORY_MODEL_H

#include "core/domain.h"
#include "core/e820.h"
#include "core/hypercall.h"
#include "core/memory.h"
#include "core/softirq.h"
#include "host.h"

#define SUBOP(hypercall, command, handler, type, direction, doc)                                   \
    long handler(struct vcpu *, type *);
#define HYPERCALL(name, nargs, style, args, doc)
#include "core/hypercalls.def"
#undef SUBOP
#undef HYPERCALL

#define RAM_FRAMES 0x4000ull

/* ---- Models --------------------------------------------------------------------------------- */

static struct {
    struct domain *owner;
    unsigned refs;
    bool allocated;
} model[RAM_FRAMES];

static struct domain control, guest, other;
static struct vcpu control_vcpu = {.domain = &control}, guest_vcpu = {.domain = &guest};
static struct shared_info guest_shared;

static int count(struct domain *d, uint64_t frames)
{
    if (d->is_dying)
        return -XEN_EINVAL;
    if (d->tot_pages + frames > d->max_pages)
        return -XEN_E2BIG;
    d->tot_pages += frames;
    return 0;
}

int frame_assign(struct domain *d, mfn_t mfn, unsigned order)
{
    int rc = count(d, 1ull << order);
    for (uint64_t i = 0; rc == 0 && i < 1ull << order; i++) {
        if (model[mfn.v + i].owner)
            bail_out("frame %#" PRIx64 " assigned twice", mfn.v + i);
        model[mfn.v + i].owner = d;
        model[mfn.v + i].refs = 1;
        model[mfn.v + i].allocated = true;
    }
    return rc;
}

static void drop(mfn_t mfn)
{
    if (--model[mfn.v].refs)
        return;
    model[mfn.v].owner->tot_pages--;
    model[mfn.v].owner = NULL;
    m2p_set(mfn, INVALID_M2P);
    heap_free_frames(mfn, 0, true);
}

int frame_release(struct domain *d, mfn_t mfn)
{
    if (mfn.v >= RAM_FRAMES || model[mfn.v].owner != d || !model[mfn.v].allocated)
        return -XEN_EINVAL;
    model[mfn.v].allocated = false;
    drop(mfn);
    return 0;
}

int frame_detach(struct domain *d, mfn_t mfn)
{
    if (mfn.v >= RAM_FRAMES || model[mfn.v].owner != d || !model[mfn.v].allocated)
        return -XEN_EINVAL;
    if (model[mfn.v].refs != 1)
        return -XEN_EBUSY;
    model[mfn.v].owner = NULL;
    d->tot_pages--;
    return 0;
}

int frame_attach(struct domain *d, mfn_t mfn)
{
    int rc = count(d, 1);
    if (rc == 0) {
        model[mfn.v].owner = d;
        model[mfn.v].refs = 1;
        model[mfn.v].allocated = true;
    }
    return rc;
}

void frame_discard(mfn_t mfn)
{
    m2p_set(mfn, INVALID_M2P);
    heap_free_frames(mfn, 0, true);
}

struct domain *domain_get(domid_t id)
{
    struct domain *d = id.v == 0 ? &control : id.v == 1 ? &guest : id.v == 2 ? &other : NULL;
    if (d)
        d->refs++;
    return d;
}

int domain_get_for(struct vcpu *caller, domid_t id, struct domain **out)
{
    struct domain *d = domain_get(id.v == DOMID_SELF ? caller->domain->id : id);
    if (!d)
        return -XEN_ESRCH;
    if (d != caller->domain && !caller->domain->is_privileged) {
        d->refs--;
        return -XEN_EPERM;
    }
    *out = d;
    return 0;
}

void domain_put(struct domain *d)
{
    d->refs--;
}

uint32_t arch_tlb_stamp(void)
{
    return 0;
}

void arch_tlb_flush_stamp(uint32_t stamp)
{
    (void)stamp;
}

unsigned m2p_chunk_count(void)
{
    return 3;
}

mfn_t m2p_chunk_mfn(unsigned chunk)
{
    return chunk == 1 ? INVALID_MFN : MFN(0x200ull * (chunk + 1));
}

static struct hypercall_args args;
static unsigned continued;

const struct hypercall_args *hypercall_current_args(void)
{
    return &args;
}

long hypercall_continue(unsigned nr, unsigned nargs, const uint64_t *rest)
{
    if (nr != __HYPERVISOR_memory_op || nargs != 2)
        bail_out("continued as something else");
    memcpy(args.arg, rest, 2 * sizeof(rest[0]));
    continued++;
    return HC_REWOUND;
}

/* ---- Calling as the dispatcher does --------------------------------------------------------- */

typedef long (*reservation_fn)(struct vcpu *, struct xen_memory_reservation *);

static long call_from(struct vcpu *v, reservation_fn fn, struct xen_memory_reservation *r,
                      uint64_t start)
{
    struct xen_memory_reservation copy;
    long rc;

    args.arg[0] = start << MEMOP_EXTENT_SHIFT;
    args.arg[1] = (uintptr_t)r;
    do {
        copy = *r;
        rc = fn(v, &copy);
    } while (rc == HC_REWOUND);
    return rc;
}

static long call(struct vcpu *v, reservation_fn fn, struct xen_memory_reservation *r)
{
    return call_from(v, fn, r, 0);
}

static xen_pfn_t list[64];

static struct xen_memory_reservation ask(unsigned n, unsigned order, unsigned flags, unsigned domid)
{
    struct xen_memory_reservation r = {
        .nr_extents = n, .extent_order = order, .mem_flags = flags, .domid = (xen_domid_t)domid};
    r.extent_start.p = list;
    return r;
}

/* Give the guest's frames back, so that each test starts from nothing. */
static void empty(struct domain *d)
{
    for (uint64_t m = 0; m < RAM_FRAMES; m++)
        if (model[m].owner == d) {
            model[m].refs = 1;
            model[m].allocated = true;
            if (frame_release(d, MFN(m)))
                bail_out("frame %#" PRIx64 " cannot be released", m);
        }
    d->max_pages = 2048;
    d->is_dying = false;
}

/* The guest has n extents, named in the list. */
static void populate(unsigned n, unsigned order)
{
    empty(&guest);
    for (unsigned i = 0; i < n; i++)
        list[i] = 100 + ((xen_pfn_t)i << order);
    struct xen_memory_reservation r = ask(n, order, 0, DOMID_SELF);
    if (call(&guest_vcpu, memory_populate_physmap, &r) != n)
        bail_out("populate");
}

static void make_machine(void)
{
    host_ram_init(MFN(0), RAM_FRAMES);
    heap_add_range(MFN(1), MFN(RAM_FRAMES));
    e820 = (struct e820_map){
        .count = 2,
        .entry = {{0, RAM_FRAMES * PAGE_SIZE, E820_RAM}, {0xfee00000, 0x1000, E820_RESERVED}}};
    struct domain *all[] = {&control, &guest, &other};
    for (unsigned i = 0; i < 3; i++) {
        all[i]->id = DOMID((uint16_t)i);
        all[i]->max_pages = 2048;
        all[i]->account.limit = 1 << 20;
        all[i]->shared = &guest_shared;
        lock_init(&all[i]->lock, RANK_DOMAIN);
    }
    control.is_privileged = true;
}

#endif

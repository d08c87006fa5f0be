/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A small world for tests of event channels and grants: domains with vCPUs, frames with plain
 * reference counts, an allocator that can be told to fail, and a record of what was asked of the
 * scheduler and the interrupt code. Include it in one file of a test program.
 */
#ifndef WORLD_H
#define WORLD_H

#include "core/atomic.h"
#include "core/audit.h"
#include "core/domain.h"
#include "core/frame.h"
#include "core/hypercall.h"
#include "core/softirq.h"
#include "host.h"

/* Handlers of sub-operations, declared as the dispatcher declares them. */
#define HYPERCALL(...)
#define SUBOP(hypercall, command, handler, type, direction, doc)                                   \
    long handler(struct vcpu *v, WORLD_ARG_##direction(type));
#define WORLD_ARG_IN(type)    type *arg
#define WORLD_ARG_OUT(type)   type *arg
#define WORLD_ARG_INOUT(type) type *arg
#define WORLD_ARG_NONE(type)  type *arg
#define WORLD_ARG_RAW(type)   type arg
#include "core/hypercalls.def"

/* ---- Memory -------------------------------------------------------------------------------- */

static long world_alloc_left = -1; /* allocations that still succeed; -1: all */

void *hv_alloc(struct domain *d, size_t size)
{
    void *p = NULL;

    if (world_alloc_left == 0)
        return NULL;
    if (world_alloc_left > 0)
        world_alloc_left--;
    if (posix_memalign(&p, size >= PAGE_SIZE ? PAGE_SIZE : 16, size ? size : 1))
        return NULL;
    memset(p, 0, size);
    if (d)
        atomic_fetch_add(&d->account.used, size);
    return p;
}

void hv_free(struct domain *d, void *ptr, size_t size)
{
    if (ptr && d)
        atomic_fetch_sub(&d->account.used, size);
    free(ptr);
}

/* ---- Frames -------------------------------------------------------------------------------- */

#define WORLD_BASE   0x1000ull
#define WORLD_FRAMES 4096u

static struct world_frame {
    uint16_t owner; /* DOMID_INVALID: free */
    int32_t refs, types;
    enum frame_type type;
    bool shared, read_only, allocated;
} world_frame[WORLD_FRAMES];
static uint64_t world_next_frame;

static inline struct world_frame *frame_info(mfn_t mfn)
{
    if (mfn.v < WORLD_BASE || mfn.v >= WORLD_BASE + WORLD_FRAMES)
        bail_out("frame %#lx has no entry", mfn.v);
    return &world_frame[mfn.v - WORLD_BASE];
}

/* All free; what was is forgotten. */
static inline void world_init_frames(void)
{
    host_ram_init(MFN(WORLD_BASE), WORLD_FRAMES);
    world_next_frame = 0;
    for (unsigned i = 0; i < WORLD_FRAMES; i++)
        world_frame[i] = (struct world_frame){.owner = DOMID_INVALID};
}

/* A frame of d's, with the one reference that its allocation holds. */
static inline mfn_t world_frame_of(const struct domain *d)
{
    mfn_t mfn = MFN(WORLD_BASE + world_next_frame++);

    *frame_info(mfn) = (struct world_frame){.owner = d->id.v, .refs = 1, .allocated = true};
    return mfn;
}

bool frame_get(mfn_t mfn, const struct domain *owner)
{
    struct world_frame *f;

    if (!mfn_valid(mfn))
        return false;
    f = frame_info(mfn);
    if (f->owner != owner->id.v || READ_ONCE(f->refs) == 0)
        return false;
    atomic_fetch_add(&f->refs, 1);
    return true;
}

static void (*world_put_hook)(mfn_t mfn); /* sees each reference go */

void frame_put(mfn_t mfn)
{
    if (world_put_hook)
        world_put_hook(mfn);
    int32_t was = atomic_fetch_sub(&frame_info(mfn)->refs, 1);

    if (was <= 0)
        bail_out("frame %#lx put once too often", mfn.v);
    if (was == 1) {
        if (frame_info(mfn)->types != 0)
            bail_out("frame %#lx freed while a type is held", mfn.v);
        frame_info(mfn)->owner = DOMID_INVALID;
    }
}

int frame_get_type(mfn_t mfn, enum frame_type type)
{
    struct world_frame *f = frame_info(mfn);

    if (f->refs <= 0)
        bail_out("type of frame %#lx without a reference", mfn.v);
    if (f->read_only || (f->types > 0 && f->type != type))
        return -XEN_EBUSY;
    f->type = type;
    atomic_fetch_add(&f->types, 1);
    return 0;
}

void frame_put_type(mfn_t mfn, struct torn_tables *torn)
{
    (void)torn;
    if (atomic_fetch_sub(&frame_info(mfn)->types, 1) <= 0)
        bail_out("type of frame %#lx put once too often", mfn.v);
}

int frame_get_both(mfn_t mfn, const struct domain *owner, enum frame_type type)
{
    int ret;

    if (!frame_get(mfn, owner))
        return -XEN_EPERM;
    ret = frame_get_type(mfn, type);
    if (ret)
        frame_put(mfn);
    return ret;
}

void frame_put_both(mfn_t mfn)
{
    frame_put_type(mfn, NULL);
    frame_put(mfn);
}

domid_t frame_owner(mfn_t mfn)
{
    return DOMID(mfn_valid(mfn) ? frame_info(mfn)->owner : DOMID_INVALID);
}

mfn_t heap_alloc_frames(unsigned order, unsigned flags)
{
    mfn_t mfn;

    (void)flags;
    if (order != 0 || world_alloc_left == 0)
        return INVALID_MFN;
    if (world_alloc_left > 0)
        world_alloc_left--;
    for (uint64_t i = 0; i < WORLD_FRAMES; i++) {
        mfn = MFN(WORLD_BASE + (world_next_frame + i) % WORLD_FRAMES);
        if (frame_info(mfn)->refs == 0 && frame_info(mfn)->owner == DOMID_INVALID) {
            world_next_frame = (mfn.v - WORLD_BASE + 1) % WORLD_FRAMES;
            frame_info(mfn)->owner = DOMID_XEN;
            memset(mfn_to_virt(mfn), 0, PAGE_SIZE);
            return mfn;
        }
    }
    return INVALID_MFN;
}

void heap_free_frames(mfn_t mfn, unsigned order, bool dirty)
{
    (void)order;
    (void)dirty;
    frame_info(mfn)->owner = DOMID_INVALID;
}

void frame_share(struct domain *d, mfn_t mfn, bool writable)
{
    *frame_info(mfn) =
        (struct world_frame){.owner = d->id.v, .refs = 1, .shared = true, .read_only = !writable};
}

void frame_unshare(mfn_t mfn)
{
    if (!frame_info(mfn)->shared)
        bail_out("frame %#lx is not shared", mfn.v);
    frame_put(mfn);
}

int frame_assign(struct domain *d, mfn_t mfn, unsigned order)
{
    (void)order;
    if (d->tot_pages >= d->max_pages)
        return -XEN_E2BIG;
    d->tot_pages++;
    *frame_info(mfn) = (struct world_frame){.owner = d->id.v, .refs = 1, .allocated = true};
    return 0;
}

int frame_release(struct domain *d, mfn_t mfn)
{
    struct world_frame *f = frame_info(mfn);

    if (f->owner != d->id.v || !f->allocated)
        return -XEN_EINVAL;
    f->allocated = false;
    d->tot_pages--;
    frame_put(mfn);
    return 0;
}

int frame_detach(struct domain *d, mfn_t mfn)
{
    if (!mfn_valid(mfn) || frame_info(mfn)->owner != d->id.v || !frame_info(mfn)->allocated)
        return -XEN_EINVAL;
    if (frame_info(mfn)->refs != 1 || frame_info(mfn)->types)
        return -XEN_EBUSY;
    *frame_info(mfn) = (struct world_frame){.owner = DOMID_XEN};
    d->tot_pages--;
    return 0;
}

int frame_attach(struct domain *d, mfn_t mfn)
{
    return frame_assign(d, mfn, 0);
}

void frame_discard(mfn_t mfn)
{
    heap_free_frames(mfn, 0, true);
}

/* What the audit's reporters have reported. */
static unsigned world_audit_refs, world_audit_types;

void audit_note(mfn_t mfn, unsigned refs, unsigned types)
{
    (void)frame_info(mfn);
    world_audit_refs += refs;
    world_audit_types += types;
}

/* ---- Domains ------------------------------------------------------------------------------- */

#define WORLD_DOMAINS 8u

static struct domain *world_domain[WORLD_DOMAINS];
static unsigned upcalls[WORLD_DOMAINS][MAX_VCPUS], wakes[WORLD_DOMAINS][MAX_VCPUS];

static inline struct domain *world_make_domain(uint16_t id, unsigned vcpus, bool privileged)
{
    struct domain *d = calloc(1, sizeof(*d));

    d->id = DOMID(id);
    d->refs = 1;
    d->is_privileged = privileged;
    d->max_vcpus = vcpus;
    d->shared = aligned_alloc(PAGE_SIZE, PAGE_SIZE);
    memset(d->shared, 0, PAGE_SIZE);
    lock_init(&d->lock, RANK_DOMAIN);
    lock_init(&d->pages_lock, RANK_PAGES);
    d->max_pages = 1000;
    for (unsigned i = 0; i < vcpus; i++) {
        struct vcpu *v = calloc(1, sizeof(*v));
        v->id = i;
        v->domain = d;
        v->info = i < XEN_LEGACY_MAX_VCPUS ? &d->shared->vcpu_info[i] : calloc(1, 64);
        d->vcpu[i] = v;
        upcalls[id][i] = wakes[id][i] = 0;
    }
    world_domain[id] = d;
    return d;
}

/* For tests that play a domain's end by themselves. */
static inline void world_free_domain(struct domain *d)
{
    for (unsigned i = 0; i < d->max_vcpus; i++) {
        if (i >= XEN_LEGACY_MAX_VCPUS)
            free(d->vcpu[i]->info);
        free(d->vcpu[i]);
    }
    world_domain[d->id.v] = NULL;
    free(d->shared);
    free(d);
}

struct domain *domain_get(domid_t id)
{
    if (id.v >= WORLD_DOMAINS || !world_domain[id.v])
        return NULL;
    atomic_fetch_add(&world_domain[id.v]->refs, 1);
    return world_domain[id.v];
}

void domain_put(struct domain *d)
{
    if (atomic_fetch_sub(&d->refs, 1) <= 1)
        bail_out("domain %u held by nobody", d->id.v);
}

int domain_get_for(struct vcpu *caller, domid_t id, struct domain **out)
{
    *out = domain_get(id.v == DOMID_SELF ? caller->domain->id : id);
    if (!*out)
        return -XEN_ESRCH;
    if (*out == caller->domain || caller->domain->is_privileged)
        return 0;
    domain_put(*out);
    return -XEN_EPERM;
}

/* ---- Scheduler and interrupts -------------------------------------------------------------- */

void vcpu_raise_upcall(struct vcpu *v)
{
    atomic_store(&v->info->evtchn_upcall_pending, 1);
    atomic_fetch_add(&upcalls[v->domain->id.v][v->id], 1);
}

void vcpu_wake(struct vcpu *v)
{
    atomic_fetch_add(&wakes[v->domain->id.v][v->id], 1);
}

#endif

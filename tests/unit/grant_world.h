/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What the tests of grants share: a machine layer that maps into a small table of entries and notes
 * what was flushed when, the calls in short, three domains and their end. Include it in one file of
 * a test program.
 */
#ifndef GRANT_WORLD_H
#define GRANT_WORLD_H

#define sched_yield host_sched_yield /* the hypervisor's is another */
#include <pthread.h>
#undef sched_yield

#include "core/grant_internal.h"
#include "world.h"

/* ---- The machine layer ---------------------------------------------------------------------- */

/* Page-table entries, by address modulo their number; all of one page table. */
#define PTES     64u
#define BAD_ADDR 0xbad000ull
static struct pte {
    uint64_t frame;
    bool present, writable;
} pte[PTES];
static int32_t stale[WORLD_FRAMES]; /* translations cleared and not flushed */
static unsigned flushes, early_drops;
static int arch_result;

static struct pte *pte_of(uint64_t addr)
{
    return &pte[(addr >> 12) % PTES];
}

/* What a place holds, and has to give back. */
static int32_t places_held;

static void enter(struct grant_place *place)
{
    if (!place->where)
        atomic_fetch_add(&places_held, 1);
    place->where = 1;
}

void arch_grant_leave(struct grant_place *place)
{
    if (place->where)
        atomic_fetch_sub(&places_held, 1);
    place->where = 0;
}

int arch_grant_map(struct vcpu *v, uint64_t host_addr, mfn_t frame, const struct domain *owner,
                   unsigned flags, struct grant_place *place)
{
    (void)v;
    enter(place);
    if (frame_info(frame)->owner != owner->id.v)
        bail_out("a frame is mapped as another domain's");
    if (host_locks_held)
        bail_out("a lock is held while an entry is written");
    if (host_addr == BAD_ADDR)
        return GNTST_bad_virt_addr;
    if (arch_result)
        return arch_result;
    if (frame_info(frame)->refs < 1 || (!(flags & GNTMAP_readonly) && frame_info(frame)->types < 1))
        bail_out("an entry is made without references");
    *pte_of(host_addr) = (struct pte){frame.v, true, !(flags & GNTMAP_readonly)};
    return GNTST_okay;
}

int arch_grant_unmap(struct vcpu *v, uint64_t host_addr, mfn_t frame, unsigned flags,
                     uint64_t new_addr, struct grant_place *place)
{
    struct pte *p = pte_of(host_addr);

    (void)v;
    enter(place);
    if (!p->present || p->frame != frame.v || p->writable != !(flags & GNTMAP_readonly))
        return GNTST_general_error;
    *p = (struct pte){0};
    if (new_addr) {
        *p = *pte_of(new_addr);
        *pte_of(new_addr) = (struct pte){0};
    }
    atomic_fetch_add(&stale[frame.v - WORLD_BASE], 1);
    return GNTST_okay;
}

void arch_grant_flush(struct domain *d)
{
    (void)d;
    if (host_locks_held || !host_irqs_on)
        bail_out("a flush with a lock held or interrupts off");
    flushes++;
    for (unsigned i = 0; i < WORLD_FRAMES; i++)
        atomic_store(&stale[i], 0);
}

/* Sees each reference go. */
static void watch_put(mfn_t mfn)
{
    if (atomic_load(&stale[mfn.v - WORLD_BASE]))
        atomic_fetch_add(&early_drops, 1);
}

static struct hypercall_args continued;
static bool was_continued;

long hypercall_continue(unsigned nr, unsigned nargs, const uint64_t *args)
{
    is(nr, __HYPERVISOR_grant_table_op);
    memcpy(continued.arg, args, nargs * sizeof(*args));
    was_continued = true;
    return HC_REWOUND;
}

/* ---- The calls, shorter --------------------------------------------------------------------- */

static struct domain *dom0, *dom1, *dom2;
static struct vcpu *v0, *v1, *v2;

static long call(struct vcpu *v, unsigned cmd, void *array, unsigned count)
{
    struct hypercall_args a = {{cmd, (uintptr_t)array, count}};

    return hc_grant_table_op(v, &a);
}

static struct gnttab_map_grant_ref last_map;

static int map_flags(struct vcpu *v, uint16_t dom, uint32_t ref, uint64_t addr, uint32_t flags)
{
    last_map = (struct gnttab_map_grant_ref){
        .host_addr = addr, .flags = flags, .ref = ref, .dom = dom, .status = 1, .handle = ~0u};
    if (call(v, GNTTABOP_map_grant_ref, &last_map, 1))
        return 1;
    return last_map.status;
}

static int map(struct vcpu *v, uint16_t dom, uint32_t ref, uint64_t addr, bool readonly)
{
    return map_flags(v, dom, ref, addr, GNTMAP_host_map | (readonly ? GNTMAP_readonly : 0u));
}

static int unmap_parts(struct vcpu *v, uint32_t handle, uint64_t addr, uint64_t bus)
{
    struct gnttab_unmap_grant_ref op = {
        .host_addr = addr, .dev_bus_addr = bus, .handle = handle, .status = 1};

    if (call(v, GNTTABOP_unmap_grant_ref, &op, 1))
        return 1;
    return op.status;
}

static inline int unmap(struct vcpu *v, uint32_t handle, uint64_t addr)
{
    return unmap_parts(v, handle, addr, 0);
}

static inline struct gnttab_copy copy_op(uint16_t sdom, uint64_t s, unsigned soff, uint16_t ddom,
                                         uint64_t t, unsigned toff, unsigned len, unsigned flags)
{
    struct gnttab_copy op = {.len = (uint16_t)len, .flags = (uint16_t)flags, .status = 1};

    op.source.domid = sdom;
    op.source.offset = (uint16_t)soff;
    op.dest.domid = ddom;
    op.dest.offset = (uint16_t)toff;
    if (flags & GNTCOPY_source_gref)
        op.source.u.ref = (uint32_t)s;
    else
        op.source.u.gmfn = s;
    if (flags & GNTCOPY_dest_gref)
        op.dest.u.ref = (uint32_t)t;
    else
        op.dest.u.gmfn = t;
    return op;
}

/* The guest's own side. */
static struct grant_entry_v1 *entry(struct domain *d, uint32_t ref)
{
    return (struct grant_entry_v1 *)d->grant->frame[ref / 512] + ref % 512;
}

static union grant_entry_v2 *entry2(struct domain *d, uint32_t ref)
{
    return (union grant_entry_v2 *)d->grant->frame[ref / 256] + ref % 256;
}

static void offer(struct domain *d, uint32_t ref, uint16_t to, mfn_t frame, unsigned flags)
{
    if (d->grant->version == 1) {
        *entry(d, ref) = (struct grant_entry_v1){.flags = (uint16_t)(GTF_permit_access | flags),
                                                 .domid = to,
                                                 .frame = (uint32_t)frame.v};
        return;
    }
    memset(entry2(d, ref), 0, sizeof(union grant_entry_v2));
    entry2(d, ref)->full_page.frame = frame.v;
    entry2(d, ref)->hdr.domid = to;
    entry2(d, ref)->hdr.flags = (uint16_t)(GTF_permit_access | flags);
}

static unsigned in_use(struct domain *d, uint32_t ref)
{
    unsigned flags =
        d->grant->version == 1 ? entry(d, ref)->flags : d->grant->status[ref / 2048][ref % 2048];
    return flags & (GTF_reading | GTF_writing);
}

static long set_version(struct vcpu *v, uint32_t version)
{
    struct gnttab_set_version op = {.version = version};

    return call(v, GNTTABOP_set_version, &op, 1);
}

/* ---- Beginning and end ---------------------------------------------------------------------- */

static struct domain *make(uint16_t id, bool privileged)
{
    struct domain *d = world_make_domain(id, 2, privileged);

    if (grant_domain_init(d))
        bail_out("grant_domain_init");
    return d;
}

static void begin(void)
{
    world_init_frames();
    world_put_hook = watch_put;
    memset(pte, 0, sizeof(pte));
    dom0 = make(0, true);
    dom1 = make(1, false);
    dom2 = make(2, false);
    v0 = dom0->vcpu[0];
    v1 = dom1->vcpu[0];
    v2 = dom2->vcpu[0];
}

static void end(struct domain *d)
{
    grant_domain_free(d);
    is(d->account.used, 0, "domain %u: all memory charged is back", d->id.v);
    is(d->refs, 1, "nobody holds it");
    world_free_domain(d);
}

static void finish(void)
{
    struct domain *all[] = {dom0, dom1, dom2};
    unsigned held = 0;

    for (unsigned i = 0; i < 3; i++) {
        all[i]->is_dying = true;
        is(grant_domain_release(all[i]), 0);
    }
    for (unsigned i = 0; i < 3; i++)
        end(all[i]);
    for (unsigned i = 0; i < WORLD_FRAMES; i++)
        held += world_frame[i].refs > 1 || world_frame[i].types ||
                (world_frame[i].shared && world_frame[i].refs);
    is(places_held, 0, "no page table is held");
    is(held, 0, "no frame has a reference too many");
    is(early_drops, 0, "none was dropped before its flush");
}

#endif

/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Spare references. A kernel gives up references to page tables only to take the same ones again: a
 * process ends and another begins, whose top-level table has the same kernel slots; a switch of
 * tasks goes back to the table before. What is given up is kept here, and handed on without
 * looking at the frames.
 *
 * Invariant: what is kept are true references, with types, to frames of the domain's own: each of
 * the slots' present entries has `sets` of them, each root one. So a table whose slots equal those
 * kept is as valid there as the one that they come from.
 *
 * Nobody may be refused a frame because of them: where a frame is in the way as what it is, or does
 * not become free, all of its owner's spare ones are dropped (arch_spare_drop), then it is
 * tried again. A dying domain gets no more.
 */
#include "x86/mm/spare.h"

#include <arch/cpu.h>

#include "core/atomic.h"
#include "core/domain.h"
#include "core/lib.h"
#include "x86/mm/entry.h"

/* As many processes as may end in a row before others begin. */
#define SETS_MAX 8u

static bool slots_seize(struct spare_slots *s)
{
    return s != NULL && !READ_ONCE(s->taken) && atomic_swap(&s->taken, 1) == 0;
}

static void slots_leave(struct spare_slots *s)
{
    atomic_store(&s->taken, 0);
}

/* The CPU sets the accessed bit of those that are walked. */
static __attribute__((noinline)) bool slots_alike(const uint64_t *a, const uint64_t *b)
{
    for (unsigned i = 0; i < KERNEL_SLOTS; i += 16) {
        uint64_t unlike = 0;
#pragma GCC unroll 16
        for (unsigned k = 0; k < 16; k++)
            unlike |= a[i + k] ^ b[i + k];
        if (unlike & ~PTE_ACCESSED)
            return false;
    }
    return true;
}
static_assert(KERNEL_SLOTS % 16 == 0, "slots are compared so many at a time");

bool spare_slots_take(const struct domain *d, const uint64_t *entries, unsigned *parts)
{
    struct spare_slots *s = d->arch.spare_slots;
    if (!slots_seize(s))
        return false;
    bool taken = s->sets != 0 && slots_alike(s->entry, entries);
    if (taken) {
        s->sets--;
        *parts |= s->parts;
    }
    slots_leave(s);
    return taken;
}

/* Seized. -XEN_ERESTART: a table below is half taken down; the entries after it are kept still. */
static int slots_drop(struct spare_slots *s, struct torn_tables *torn)
{
    for (unsigned i = 0; s->sets != 0 && i < KERNEL_SLOTS; i++) {
        if (!(s->entry[i] & PTE_PRESENT))
            continue;
        if (torn != NULL && torn_any(torn))
            return -XEN_ERESTART;
        for (unsigned n = s->sets; n != 0; n--)
            entry_release(4, s->entry[i], torn);
        s->entry[i] = 0;
    }
    s->sets = s->parts = 0;
    return 0;
}

/* Seized. Others than those kept; not if they are fewer, as in the table of a user mode. */
static bool slots_replace(struct spare_slots *s, const uint64_t *entries, unsigned parts,
                          struct torn_tables *torn)
{
    if ((s->parts & ~parts) || slots_drop(s, torn) != 0)
        return false;
    memcpy(s->entry, entries, sizeof(s->entry));
    s->parts = (uint16_t)parts;
    s->sets = 1;
    return true;
}

bool spare_slots_give(const struct domain *d, const uint64_t *entries, unsigned parts,
                      struct torn_tables *torn)
{
    struct spare_slots *s = d->arch.spare_slots;
    parts &= ~0u << arch_table_part(entries);
    if (parts == 0 || !slots_seize(s))
        return false;
    bool given = false;
    if (READ_ONCE(d->is_dying))
        given = false;
    else if (parts != s->parts || !slots_alike(s->entry, entries))
        given = slots_replace(s, entries, parts, torn);
    else if (s->sets < SETS_MAX)
        given = ++s->sets;
    slots_leave(s);
    return given;
}

/* ---- Roots ---------------------------------------------------------------------------------- */

static bool taken_from(struct vcpu *v, unsigned place, mfn_t root)
{
    uint64_t kept = root.v + 1;
    return READ_ONCE(v->arch.spare_root[place]) == kept &&
           atomic_cas(&v->arch.spare_root[place], &kept, 0ull);
}

unsigned spare_root_take(struct vcpu *v, mfn_t root, unsigned guess)
{
    if (mfn_eq(root, INVALID_MFN)) /* a guest's number, whose successor would be "none" */
        return NO_PLACE;
    if (likely(taken_from(v, guess % SPARE_ROOTS, root)))
        return guess % SPARE_ROOTS;
    for (unsigned i = 0; i < SPARE_ROOTS; i++)
        if (taken_from(v, i, root))
            return i;
    return NO_PLACE;
}

/* To an empty place, or, when there is none, to one whose turn it is. */
static void put_somewhere(struct vcpu *v, mfn_t root)
{
    uint64_t *kept = v->arch.spare_root;
    unsigned i = 0;
    while (i < SPARE_ROOTS && READ_ONCE(kept[i]) != 0)
        i++;
    if (i == SPARE_ROOTS)
        i = v->arch.spare_turn++ % SPARE_ROOTS;
    uint64_t old = atomic_swap(&kept[i], root.v + 1);
    if (old != 0)
        frame_put_both(MFN(old - 1));
}

static __attribute__((noinline)) void give_slowly(struct vcpu *v, mfn_t root, bool there)
{
    if (!there)
        put_somewhere(v, root);
    if (READ_ONCE(v->domain->is_dying) && spare_root_take(v, root, 0) != NO_PLACE)
        frame_put_both(root);
}

void spare_root_give(struct vcpu *v, mfn_t root, unsigned place)
{
    uint64_t none = 0;
    bool there = place < SPARE_ROOTS && atomic_cas(&v->arch.spare_root[place], &none, root.v + 1);
    if (unlikely(!there || READ_ONCE(v->domain->is_dying)))
        give_slowly(v, root, there);
}

void spare_root_forget(const struct domain *d, mfn_t root)
{
    for_each_vcpu (d, v)
        while (spare_root_take(v, root, 0) != NO_PLACE)
            frame_put_both(root);
}

static int roots_drop(struct vcpu *v, struct torn_tables *torn)
{
    for (unsigned i = 0; i < SPARE_ROOTS; i++) {
        if (READ_ONCE(v->arch.spare_root[i]) == 0)
            continue;
        if (torn != NULL && torn_any(torn))
            return -XEN_ERESTART;
        uint64_t kept = atomic_swap(&v->arch.spare_root[i], 0ull);
        if (kept == 0)
            continue;
        frame_put_type(MFN(kept - 1), torn);
        frame_put(MFN(kept - 1));
    }
    return 0;
}

/*
 * Roots first: the end of one gives up its slots. What was left half done the last time is gone on
 * with here, as the caller may be any hypercall: each call takes it further.
 */
int spare_drop(struct domain *d, struct torn_tables *torn)
{
    int rc = torn != NULL ? frame_resume_teardown(torn) : 0;
    if (rc)
        return rc;
    for_each_vcpu (d, v) {
        rc = roots_drop(v, torn);
        if (rc)
            return rc;
    }
    struct spare_slots *s = d->arch.spare_slots;
    if (s == NULL)
        return 0;
    while (!slots_seize(s))
        cpu_relax();
    rc = slots_drop(s, torn);
    slots_leave(s);
    /* What is half taken down holds what it refers to still. */
    return rc == 0 && torn != NULL && torn_any(torn) ? -XEN_ERESTART : rc;
}

int arch_spare_drop(struct domain *d)
{
    return d != NULL ? spare_drop(d, arch_current_torn()) : 0;
}

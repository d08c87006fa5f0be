/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * mmu_update, update_va_mapping and update_va_mapping_otherdomain: single entries.
 */
#include <arch/memory.h>

#include "core/atomic.h"
#include "core/domain.h"
#include "core/guest.h"
#include "core/hypercall.h"
#include "core/softirq.h"
#include "x86/mm/entry.h"
#include "x86/mm/flush.h"
#include "x86/mm/owner.h"
#include "x86/mm/walk.h"

/*
 * What one mmu_update call works on. The table of the last entry is kept, as the next is often in
 * it.
 */
struct update_call {
    struct vcpu *v;
    struct domain *tables; /* whose page tables */
    struct domain *pages;  /* whose frames */
    mfn_t held;            /* the table held, INVALID_MFN: none */
    enum frame_type held_type;
};

static void table_drop(struct update_call *c)
{
    if (!mfn_eq(c->held, INVALID_MFN))
        frame_put_both(c->held);
    c->held = INVALID_MFN;
}

static bool table_hold(struct update_call *c, mfn_t mfn)
{
    if (mfn_eq(c->held, mfn))
        return true;
    table_drop(c);
    c->held_type = frame_hold_table(mfn, c->tables);
    if (c->held_type == FT_NONE)
        return false;
    c->held = mfn;
    return true;
}

/* A frame that is no table is written as data: guests use mmu_update on tables that they build. */
static int update_data(struct update_call *c, maddr_t at, uint64_t val)
{
    mfn_t mfn = maddr_to_mfn(at);
    int rc = frame_get_both(mfn, c->tables, FT_WRITABLE);
    if (rc)
        return rc == -XEN_EPERM ? -XEN_EINVAL : rc;
    atomic_store((uint64_t *)maddr_to_virt(at), val);
    frame_put_both(mfn);
    return 0;
}

static int update_there(struct update_call *c, maddr_t at, uint64_t val, bool preserve_ad)
{
    if (!table_hold(c, maddr_to_mfn(at)))
        return update_data(c, at, val);
    unsigned slot = (at.v & ~PAGE_MASK) / sizeof(uint64_t);
    if (c->held_type == FT_L4 && slot_is_hypervisor(slot))
        return -XEN_EINVAL;
    return entry_set(c->held_type, maddr_to_virt(at), val, preserve_ad, NULL, c->tables, c->pages);
}

/* What a table refuses is data, if it is only spare references that make it a table still. */
static int update_entry(struct update_call *c, maddr_t at, uint64_t val, bool preserve_ad)
{
    int rc = update_there(c, at, val, preserve_ad);
    if (likely(rc == 0) || rc == -XEN_ERESTART || mfn_eq(c->held, INVALID_MFN))
        return rc;
    table_drop(c);
    rc = arch_spare_drop(c->tables);
    return rc ? rc : update_there(c, at, val, preserve_ad);
}

static int update_machphys(struct update_call *c, maddr_t at, uint64_t pfn)
{
    mfn_t mfn = maddr_to_mfn(at);
    if (!frame_get(mfn, c->pages))
        return -XEN_EINVAL;
    m2p_set(mfn, PFN(pfn));
    frame_put(mfn);
    return 0;
}

static int update_one(struct update_call *c, const struct mmu_update *req)
{
    maddr_t at = MADDR(req->ptr & ~7ull);
    switch (req->ptr & 7) {
    case MMU_NORMAL_PT_UPDATE:
    case MMU_PT_UPDATE_NO_TRANSLATE:
        return update_entry(c, at, req->val, false);
    case MMU_PT_UPDATE_PRESERVE_AD:
        return update_entry(c, at, req->val, true);
    case MMU_MACHPHYS_UPDATE:
        return update_machphys(c, at, req->val);
    default:
        return -XEN_ENOSYS;
    }
}

/* Requests are copied in this many at a time. */
#define UPDATE_BATCH 16u

/* Carry out requests [0, count); *done says how many. */
static int update_all(struct update_call *c, vaddr_t list, unsigned count, unsigned *done)
{
    struct mmu_update req[UPDATE_BATCH];
    int rc = 0;
    for (*done = 0; *done < count && rc == 0; (*done)++) {
        unsigned in_batch = *done % UPDATE_BATCH;
        if (in_batch == 0) {
            unsigned n = MIN(UPDATE_BATCH, count - *done);
            if (guest_copy_in(req, VADDR(list.v + *done * sizeof(req[0])), n * sizeof(req[0])))
                return -XEN_EFAULT;
        }
        if (*done != 0 && preempt_wanted())
            return -XEN_ERESTART;
        rc = update_one(c, &req[in_batch]);
        if (rc)
            return rc;
    }
    return rc;
}

/* foreigndom: the frames' owner in the low half; the tables' owner + 1 in the high half, or 0. */
static int update_owners(struct update_call *c, uint32_t foreigndom)
{
    int rc = page_owner_get(c->v, DOMID((uint16_t)foreigndom), &c->pages);
    if (rc)
        return rc;
    c->tables = c->v->domain;
    if (foreigndom >> 16)
        rc = table_owner_get(c->v, DOMID((uint16_t)((foreigndom >> 16) - 1)), &c->tables);
    if (rc)
        page_owner_put(c->v, c->pages);
    return rc;
}

/* What a list comes to that has been carried out as far as `done`. */
static long update_result(struct vcpu *v, const struct hypercall_args *a, int rc, unsigned done)
{
    if (likely(rc != -XEN_ERESTART && (rc != 0 || !torn_any(&v->arch.torn))))
        return rc;
    unsigned count = (unsigned)a->arg[1] & ~HC_COUNT_PREEMPTED;
    uint64_t args[] = {a->arg[0] + done * sizeof(struct mmu_update),
                       (count - done) | HC_COUNT_PREEMPTED, a->arg[2], a->arg[3]};
    return hypercall_continue(__HYPERVISOR_mmu_update, 4, args);
}

static long update_list(struct vcpu *v, const struct hypercall_args *a)
{
    vaddr_t list = VADDR(a->arg[0]), pdone = VADDR(a->arg[2]);
    unsigned count = (unsigned)a->arg[1], before = 0, done = 0;
    struct update_call c = {.v = v, .held = INVALID_MFN};

    if (count & HC_COUNT_PREEMPTED) {
        count &= ~HC_COUNT_PREEMPTED;
        if (pdone.v && guest_read(&before, pdone))
            return -XEN_EFAULT;
    }
    int rc = update_owners(&c, (uint32_t)a->arg[3]);
    if (rc)
        return rc;
    rc = update_all(&c, list, count, &done);
    table_drop(&c);
    page_owner_put(v, c.tables);
    page_owner_put(v, c.pages);

    unsigned total = before + done;
    if (pdone.v)
        (void)guest_write(pdone, &total); /* what is done is done, whether or not it can be told */
    return update_result(v, a, rc, done);
}

/* The list that kernels nearly always have: one entry of their own, with nobody to be told. */
static bool is_single(const struct hypercall_args *a)
{
    return (unsigned)a->arg[1] == 1 && a->arg[2] == 0 && (uint32_t)a->arg[3] == DOMID_SELF;
}

/* False: it is none of a table of level 1, or refused. Then nothing has been done. */
static bool l1_update(struct domain *d, const struct mmu_update *req)
{
    maddr_t at = MADDR(req->ptr & ~7ull);
    unsigned kind = req->ptr & 7;
    if (kind == MMU_MACHPHYS_UPDATE || kind > MMU_PT_UPDATE_NO_TRANSLATE ||
        !frame_hold(maddr_to_mfn(at), d, FT_L1))
        return false;
    bool preserve_ad = kind == MMU_PT_UPDATE_PRESERVE_AD;
    int rc = l1_entry_set(maddr_to_virt(at), req->val, preserve_ad, NULL, d, d);
    frame_put_both(maddr_to_mfn(at));
    return rc == 0;
}

long hc_mmu_update(struct vcpu *v, struct hypercall_args *a)
{
    struct mmu_update req;
    if (frame_resume_teardown(&v->arch.torn))
        return hypercall_continue(__HYPERVISOR_mmu_update, 4, a->arg);
    if (likely(is_single(a)) && guest_read(&req, VADDR(a->arg[0])) == 0 &&
        l1_update(v->domain, &req))
        return update_result(v, a, 0, 1);
    return update_list(v, a);
}

/* ---- By virtual address -------------------------------------------------------------------- */

static int va_mapping(struct vcpu *v, uint64_t va, uint64_t val, uint64_t flags,
                      const struct domain *pages)
{
    mfn_t l1;
    tlb_flush_t owed;
    int rc = frame_resume_teardown(&v->arch.torn);
    if (rc == 0)
        rc = flush_decode(v, va, flags, &owed);
    if (rc)
        return rc;
    if (!walk_hold_l1(v, va, &l1))
        return -XEN_EINVAL;
    uint64_t *slot = (uint64_t *)mfn_to_virt(l1) + table_index(va, 1);
    rc = l1_entry_set(slot, val, false, NULL, v->domain, pages);
    frame_put_both(l1);
    if (rc == 0)
        tlb_flush_pay(owed);
    return rc;
}

long hc_update_va_mapping(struct vcpu *v, struct hypercall_args *a)
{
    return va_mapping(v, a->arg[0], a->arg[1], a->arg[2], v->domain);
}

long hc_update_va_mapping_otherdomain(struct vcpu *v, struct hypercall_args *a)
{
    struct domain *pages;
    int rc = page_owner_get(v, DOMID((uint16_t)a->arg[3]), &pages);
    if (rc)
        return rc;
    rc = va_mapping(v, a->arg[0], a->arg[1], a->arg[2], pages);
    page_owner_put(v, pages);
    return rc;
}

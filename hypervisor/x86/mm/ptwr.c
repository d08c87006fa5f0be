/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Writable page tables. The instruction is decoded, and what it would store becomes an update of
 * the entry, with the value that the instruction saw as the one that must still be there.
 */
#include "x86/mm/ptwr.h"

#include <arch/memory.h>

#include "core/atomic.h"
#include "core/domain.h"
#include "x86/emulate/emulate.h"
#include "x86/mm/entry.h"
#include "x86/mm/walk.h"

struct ptwr {
    struct vcpu *v;
    mfn_t table;
    uint64_t page; /* guest address of the table's first byte */
};

/*
 * The entry that [va, va + size) lies in, and where in it; NULL when it spans two or leaves the
 * page.
 */
static uint64_t *ptwr_slot(const struct ptwr *p, uint64_t va, unsigned size, unsigned *shift)
{
    unsigned offset = va & 7;
    if ((va & PAGE_MASK) != p->page || offset + size > sizeof(uint64_t))
        return NULL;
    *shift = offset * 8;
    return (uint64_t *)mfn_to_virt(p->table) + (va & ~PAGE_MASK) / sizeof(uint64_t);
}

static int ptwr_read(void *ctx, uint64_t va, unsigned size, uint64_t *val)
{
    unsigned shift;
    const uint64_t *slot = ptwr_slot(ctx, va, size, &shift);
    if (slot == NULL)
        return -XEN_EINVAL;
    *val = (atomic_load(slot) >> shift) & size_mask(size);
    return 0;
}

static int ptwr_cmpxchg(void *ctx, uint64_t va, unsigned size, uint64_t *old, uint64_t new)
{
    const struct ptwr *p = ctx;
    unsigned shift;
    uint64_t *slot = ptwr_slot(p, va, size, &shift);
    if (slot == NULL)
        return -XEN_EINVAL;
    uint64_t mask = size_mask(size) << shift;
    uint64_t whole = atomic_load(slot);
    if (((whole & mask) >> shift) != *old) {
        *old = (whole & mask) >> shift;
        return 1;
    }
    uint64_t entry = (whole & ~mask) | ((new << shift) & mask);
    int rc = entry_set(1, slot, entry, false, &whole, p->v->domain, p->v->domain);
    /* Work is pending: as a lost race. After some of these the guest faults again, and it is done.
     */
    if (rc != -XEN_EAGAIN && rc != -XEN_ERESTART)
        return rc;
    *old = (whole & mask) >> shift;
    return 1;
}

static const struct store_ops ptwr_ops = {.read = ptwr_read, .cmpxchg = ptwr_cmpxchg};

bool ptwr_emulate(struct cpu_user_regs *regs, uint64_t va)
{
    struct ptwr p = {.v = current_vcpu(), .page = va & PAGE_MASK};
    uint64_t entry = walk_read_l1e(p.v, va);
    p.table = entry_mfn(entry);
    if (!entry || (entry & PTE_WRITE) || !frame_hold(p.table, p.v->domain, FT_L1))
        return false;
    bool done = emulate_store(regs, va, &ptwr_ops, &p);
    frame_put_both(p.table);
    return done;
}

/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Writable page tables. The instruction is decoded, and what it would store becomes an update of
 * the entry, with the value that the instruction saw as the one that must still be there.
 */
#include "x86/mm/ptwr.h"

#include <arch/cpu.h>
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
    int rc = l1_entry_set(slot, entry, false, &whole, p->v->domain, p->v->domain);
    /* Work is pending: as a lost race. After some of these the guest faults again, and it is done.
     */
    if (rc != -XEN_EAGAIN && rc != -XEN_ERESTART)
        return rc;
    *old = (whole & mask) >> shift;
    return 1;
}

static const struct store_ops ptwr_ops = {.read = ptwr_read, .cmpxchg = ptwr_cmpxchg};

/* False: refused, and nothing has changed. */
static inline bool plain_set(struct cpu_user_regs *regs, struct domain *d, uint64_t *slot,
                             const struct plain_store *s)
{
    uint64_t *reg = (uint64_t *)regs + s->reg, old = atomic_load(slot);
    for (unsigned n = 0; n < STORE_MAX_ATTEMPTS; n++) {
        int rc = l1_entry_set(slot, *reg, false, &old, d, d);
        if (likely(rc == 0)) {
            if (s->exchanges)
                *reg = old;
            retire_insn(regs, s->length);
            return true;
        }
        if (rc != -XEN_EAGAIN)
            return rc == -XEN_ERESTART;
    }
    return true;
}

static bool any_store(struct cpu_user_regs *regs, uint64_t va, struct vcpu *v, mfn_t table)
{
    struct ptwr p = {.v = v, .table = table, .page = va & PAGE_MASK};
    return emulate_store(regs, va, &ptwr_ops, &p);
}

static inline bool table_store(struct cpu_user_regs *regs, uint64_t va, struct vcpu *v, mfn_t table)
{
    struct plain_store *s = &v->arch.plain_store;
    if (unlikely(!plain_store_find(regs, va, s)))
        return any_store(regs, va, v, table);
    uint64_t *slots = mfn_to_virt(table);
    return plain_set(regs, v->domain, &slots[(va & ~PAGE_MASK) / sizeof(*slots)], s);
}

bool ptwr_emulate(struct cpu_user_regs *regs, uint64_t va)
{
    struct vcpu *v = current_vcpu();
    uint64_t entry = walk_l1e(v, va);
    mfn_t table = entry_mfn(entry);
    irq_enable();
    if ((entry & (PTE_PRESENT | PTE_WRITE)) != PTE_PRESENT || !frame_hold(table, v->domain, FT_L1))
        return false;
    bool done = table_store(regs, va, v, table);
    frame_put_both(table);
    return done;
}

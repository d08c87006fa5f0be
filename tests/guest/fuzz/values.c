/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Values for arguments and fields: bounds of this and that, what the playground consists of, and
 * what the hypervisor gave out. The pools are shared, so that vCPUs meet at the same objects.
 */
#include "fuzz.h"

#define POOL_VALUES 64u

static struct {
    uint64_t value[POOL_VALUES];
    unsigned count;
} pools[NR_POOLS];

uint64_t pool_get(enum pool pool)
{
    unsigned count = __atomic_load_n(&pools[pool].count, __ATOMIC_RELAXED);
    if (count == 0)
        return value_small();
    count = count < POOL_VALUES ? count : POOL_VALUES;
    return __atomic_load_n(&pools[pool].value[random_below(count)], __ATOMIC_RELAXED);
}

void pool_add(enum pool pool, uint64_t value)
{
    unsigned at = __atomic_fetch_add(&pools[pool].count, 1, __ATOMIC_RELAXED) % POOL_VALUES;
    __atomic_store_n(&pools[pool].value[at], value, __ATOMIC_RELAXED);
}

/* ---- Numbers ------------------------------------------------------------------------------ */

uint64_t value_small(void)
{
    return random_below(16);
}

/* Powers of two and their neighbours, mostly of the widths that fields have. */
uint64_t value_number(void)
{
    static const uint64_t widths[] = {8, 12, 15, 16, 31, 32, 47, 48, 52, 63};
    uint64_t n;
    switch (random_below(4)) {
    case 0:
        return value_small();
    case 1:
        n = 1ull << random_below(64);
        break;
    case 2:
        n = 1ull << widths[random_below(sizeof(widths) / sizeof(widths[0]))];
        break;
    default:
        return one_in(2) ? 0 - value_small() : random_u64();
    }
    return n + random_below(3) - 1;
}

domid_t fuzz_self, fuzz_peer;

uint64_t value_domid(void)
{
    const domid_t special[] = {DOMID_SELF, DOMID_IO, DOMID_XEN, DOMID_COW, DOMID_INVALID,
                               DOMID_IDLE, 0,        1,         fuzz_self, fuzz_peer};
    if (!one_in(4))
        return DOMID_SELF;
    return one_in(8) ? random_below(0x10000)
                     : special[random_below(sizeof(special) / sizeof(special[0]))];
}

uint64_t value_flush(void)
{
    return UVMF_INVLPG | (one_in(16) ? UVMF_ALL : UVMF_LOCAL);
}

/* ---- Memory ------------------------------------------------------------------------------- */

/* The playground's, frames got from the hypervisor, and now and then the machine's or any. */
uint64_t value_mfn(void)
{
    static const uint64_t machine[] = {0,       0xa0,    0xb8,    0xf0,    0x100,     0x400,
                                       0xfec00, 0xfed00, 0xfee00, 0xfffff, 1ull << 40};
    switch (random_below(16)) {
    case 0:
        return machine[random_below(sizeof(machine) / sizeof(machine[0]))];
    case 1:
        return random_below(0x8000);
    case 2:
    case 3:
        return pool_get(POOL_MFN);
    case 4:
        return pool_get(POOL_PINNED);
    default:
        return play.mfn[play_any_page()];
    }
}

uint64_t value_pte(unsigned level)
{
    static const uint64_t usual[] = {
        PTE_KERNEL_RW,  PTE_KERNEL_RO,          PTE_KERNEL_RW | PTE_NX,           PTE_P,
        PTE_P | PTE_RW, PTE_KERNEL_RO | PTE_NX, PTE_KERNEL_RW | PTE_PCD | PTE_PWT};
    uint64_t flags = level > 1 ? PTE_TABLE : usual[random_below(sizeof(usual) / sizeof(usual[0]))];
    if (one_in(12))
        return 0;
    if (one_in(6))
        flags ^= 1ull << random_below(12);
    if (one_in(24))
        flags ^= 1ull << (52 + random_below(12));
    uint64_t mfn = level > 1 && !one_in(4) ? pool_get(POOL_PINNED) : value_mfn();
    /* Pages that are to be tables could not be, if writable mappings of them were all over. */
    if (level == 1 && (flags & PTE_RW) && !one_in(24))
        mfn = play.mfn[PLAY_TABLES + random_below(PLAY_PAGES - PLAY_TABLES)];
    return mfn << PAGE_SHIFT | flags;
}

uint64_t value_va(void)
{
    static const uint64_t special[] = {0,
                                       0x00007fffffffffff,
                                       0x0000800000000000,
                                       0xffff7fffffffffff,
                                       0xffff800000000000,
                                       0xffff82ffffffffff,
                                       0xffff87ffffffffff,
                                       0xffff880000000000,
                                       0xfffffffffffff000,
                                       ~0ull};
    if (one_in(16))
        return special[random_below(sizeof(special) / sizeof(special[0]))];
    unsigned long va =
        one_in(3) ? play_home(play_any_page()) : PLAY_WINDOW + random_below(PLAY_SLOTS) * PAGE_SIZE;
    return one_in(8) ? va + random_below(PAGE_SIZE) : va;
}

/* An entry of a table of the playground's, or of one of its pages that may be a table. */
uint64_t value_maddr(void)
{
    switch (random_below(16)) {
    case 0:
        return play.table2 + random_below(512) * 8;
    case 1:
        return play.table3 + random_below(512) * 8;
    case 2:
    case 3:
    case 4:
        return (value_mfn() << PAGE_SHIFT) + random_below(512) * 8;
    case 5:
        return (pool_get(POOL_PINNED) << PAGE_SHIFT) + random_below(512) * 8;
    default:
        return play_entry(value_va());
    }
}

/* ---- By kind ------------------------------------------------------------------------------ */

uint64_t value_argument(enum arg_kind kind)
{
    switch (kind) {
    case ARG_CMD:
        return one_in(16) ? value_number() : random_below(NR_COMMANDS);
    case ARG_COUNT:
        return one_in(16) ? value_number() : 1 + random_below(4);
    case ARG_DOMID:
        return value_domid();
    case ARG_MFN:
        return value_mfn();
    case ARG_MADDR:
        return value_maddr();
    case ARG_VA:
        return value_va();
    case ARG_PTE:
        return value_pte(1);
    case ARG_FLAGS:
        return one_in(8) ? value_number() : value_small();
    case ARG_REG:
    case ARG_NUM:
    default:
        return value_number();
    }
}

uint64_t value_word(void)
{
    switch (random_below(16)) {
    case 0:
    case 1:
    case 2:
    case 3:
        return 0;
    case 4:
    case 5:
        return value_small();
    case 6:
        return value_small() | value_small() << 32;
    case 7:
        return value_number();
    case 8:
        return value_mfn();
    case 9:
        return value_va();
    case 10:
        return value_domid() | (one_in(2) ? value_small() << 32 : 0);
    case 11:
        return pool_get((enum pool)random_below(NR_POOLS)) | value_small() << 32;
    case 12:
        return value_small() | pool_get((enum pool)random_below(NR_POOLS)) << 32;
    case 13:
        return value_maddr();
    case 14:
        return value_pte(1);
    default:
        return DOMID_SELF | pool_get(POOL_PORT) << 32;
    }
}

/* ---- What the hypervisor gave out ---------------------------------------------------------- */

static void harvest_event(unsigned command, const void *data)
{
    switch (command) {
    case EVTCHNOP_bind_interdomain:
        pool_add(POOL_PORT, ((const struct evtchn_bind_interdomain *)data)->local_port);
        break;
    case EVTCHNOP_bind_virq:
        pool_add(POOL_PORT, ((const struct evtchn_bind_virq *)data)->port);
        break;
    case EVTCHNOP_bind_pirq:
        pool_add(POOL_PORT, ((const struct evtchn_bind_pirq *)data)->port);
        break;
    case EVTCHNOP_alloc_unbound:
        pool_add(POOL_PORT, ((const struct evtchn_alloc_unbound *)data)->port);
        break;
    case EVTCHNOP_bind_ipi:
        pool_add(POOL_PORT, ((const struct evtchn_bind_ipi *)data)->port);
        break;
    default:
        break;
    }
}

static void harvest_memory(const struct call *call, long result)
{
    unsigned command = call->arg[0] & 63;
    if (command != XENMEM_increase_reservation && command != XENMEM_populate_physmap)
        return;
    const struct xen_memory_reservation *r = (const void *)call->data;
    unsigned long at = (unsigned long)r->extent_start.p - call->arg[1];
    for (long i = 0; i < result && at + 8 <= call->words * 8ul; i++, at += 8)
        pool_add(POOL_MFN, call->data[at / 8]);
}

static void harvest_pinned(const struct call *call)
{
    const struct mmuext_op *op = (const void *)call->data;
    for (uint64_t i = 0; i < call->arg[1] && (i + 1) * sizeof(*op) <= call->words * 8ul; i++)
        if (op[i].cmd <= MMUEXT_PIN_L4_TABLE)
            pool_add(POOL_PINNED, op[i].arg1.mfn);
}

static void harvest_physdev(unsigned command, const void *data)
{
    if (command == PHYSDEVOP_map_pirq)
        pool_add(POOL_PIRQ, (uint32_t)((const struct physdev_map_pirq *)data)->pirq);
    else if (command == PHYSDEVOP_get_free_pirq)
        pool_add(POOL_PIRQ, ((const struct physdev_get_free_pirq *)data)->pirq);
}

void values_harvest(const struct call *call, long result)
{
    if (call->words == 0)
        return;
    switch (call->nr) {
    case __HYPERVISOR_event_channel_op:
        harvest_event((unsigned)call->arg[0], call->data);
        break;
    case __HYPERVISOR_memory_op:
        harvest_memory(call, result);
        break;
    case __HYPERVISOR_mmuext_op:
        harvest_pinned(call);
        break;
    case __HYPERVISOR_grant_table_op: {
        const struct gnttab_map_grant_ref *map = (const void *)call->data;
        if (call->arg[0] == GNTTABOP_map_grant_ref && map->status == GNTST_okay)
            pool_add(POOL_HANDLE, map->handle);
        break;
    }
    case __HYPERVISOR_physdev_op:
        harvest_physdev((unsigned)call->arg[0], call->data);
        break;
    default:
        break;
    }
}

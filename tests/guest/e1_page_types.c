/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * E1: page types. A guest that could write one of its page tables, or a page of descriptors, would
 * own the machine. So this guest tries every way to get a writable mapping of one:
 *
 *   - each subset of the bits P, RW, US, PWT, PCD, A, D, PSE (PAT), G and NX, with some of the
 *     available bits, in an entry of each level
 *   - for each kind of frame: plain, free of type, tables of all levels, descriptors, the shared
 *     page, the hypervisor's own
 *   - by mmu_update with and without PRESERVE_AD, by update_va_mapping, by writes that trap, and by
 *     mapping a grant of its own into an entry
 *
 * What is taken is looked at at once: a present writable entry of level 1 may name only what is no
 * table and no descriptors; one above may name only a table of the level below, and no superpage.
 * At the end all tables are walked.
 *
 * test: vcpus=1,4 memory=16 limit=30
 */
#include "mmu.h"

#include "grants.h"

enum kind { PLAIN, FREE, TABLE1, TABLE2, TABLE3, TABLE4, DESCRIPTORS, SHARED, HYPERVISOR, KINDS };

static const char *const kind_name[KINDS] = {
    "a plain page",          "a page of no type",       "a table of level 1",
    "a table of level 2",    "a table of level 3",      "a table of level 4",
    "a page of descriptors", "the page of shared_info", "a page of the hypervisor"};

static unsigned long frame[KINDS];
static uint64_t *table[LEVELS + 1]; /* pinned, to be written to */
static uint64_t *page[KINDS];
static uint64_t *window;

/* The bits, and of bits 9 to 11 and 52 to 62 some. */
static const uint64_t bits[] = {PTE_P, PTE_RW,  PTE_US, PTE_PWT, PTE_PCD,  PTE_A,
                                PTE_D, PTE_PSE, PTE_G,  PTE_NX,  1ul << 9, 1ul << 58};
#define BITS    (sizeof(bits) / sizeof(bits[0]))
#define SUBSETS (1u << BITS)

static uint64_t subset(unsigned n)
{
    uint64_t value = 0;
    for (unsigned i = 0; i < BITS; i++)
        value |= n >> i & 1 ? bits[i] : 0;
    return value;
}

/* ---- What may be ------------------------------------------------------------------------------
 */

static bool may_be_writable(enum kind kind)
{
    return kind == PLAIN || kind == FREE || kind == SHARED;
}

static bool entry_is_good(unsigned level, enum kind kind, uint64_t entry)
{
    if (!(entry & PTE_P))
        return true;
    if (kind == HYPERVISOR)
        return false;
    if (level == 1)
        return !(entry & PTE_RW) || may_be_writable(kind);
    if (entry & PTE_PSE)
        return false;
    /* A page of no type may become a table; a read-only entry of its own level a linear one. */
    return kind == FREE || kind == TABLE1 + level - 2 ||
           (!is_paravane() && kind == TABLE1 + level - 1 && !(entry & PTE_RW));
}

struct tally {
    unsigned long taken, refused, bad;
};

static void count(struct tally *tally, unsigned level, enum kind kind, uint64_t asked, long result,
                  const volatile uint64_t *entry)
{
    uint64_t now = *entry;
    if (result != 0)
        tally->refused++;
    else
        tally->taken++;
    if (entry_is_good(level, kind, now))
        return;
    if (tally->bad++ == 0)
        diag("level %u, %s: asked for %" PRIx64 ", there is %" PRIx64, level, kind_name[kind],
             asked, now);
}

static void report(const char *way, unsigned level, enum kind kind, const struct tally *tally)
{
    is(tally->bad, 0, "%s, level %u, %s: no mapping that must not be", way, level, kind_name[kind]);
    ok(tally->taken >= SUBSETS / 2, "%s, level %u, %s: what is not present is taken", way, level,
       kind_name[kind]);
}

/* ---- The ways ---------------------------------------------------------------------------------
 */

static void by_mmu_update(unsigned level, enum kind kind, unsigned how, const char *way)
{
    struct tally tally = {0};
    uint64_t *entry = &table[level][17], at = maddr_of(entry);
    for (unsigned n = 0; n < SUBSETS; n++) {
        uint64_t value = pte_make(frame[kind], subset(n));
        count(&tally, level, kind, value, mmu_request(at | how, value, DOMID_SELF), entry);
    }
    if (mmu_set(at, 0) != 0)
        diag("an entry cannot be cleared");
    report(way, level, kind, &tally);
}

static void by_va_mapping(enum kind kind)
{
    struct tally tally = {0};
    for (unsigned n = 0; n < SUBSETS; n++) {
        uint64_t value = pte_make(frame[kind], subset(n));
        long result = HYPERVISOR_update_va_mapping((unsigned long)window, value, UVMF_NONE);
        count(&tally, 1, kind, value, result, pte_of(window, 1));
    }
    HYPERVISOR_update_va_mapping((unsigned long)window, 0, UVMF_INVLPG | UVMF_ALL);
    report("update_va_mapping", 1, kind, &tally);
}

static void by_trapped_write(enum kind kind)
{
    struct tally tally = {0};
    uint64_t *entry = (uint64_t *)pte_of(window, 1);
    for (unsigned n = 0; n < SUBSETS; n++) {
        uint64_t value = pte_make(frame[kind], subset(n));
        count(&tally, 1, kind, value, try_write(entry, value) ? 0 : -1, entry);
    }
    mmu_set(pte_maddr(window, 1), 0);
    report("a trapped write", 1, kind, &tally);
}

/* Bit by bit: from a mapping that is allowed to one that is not, through every order of two. */
static void by_single_bits(enum kind kind)
{
    struct tally tally = {0};
    uint64_t *entry = (uint64_t *)pte_of(window, 1), value = pte_make(frame[kind], 0);
    for (unsigned i = 0; i < BITS; i++)
        for (unsigned j = 0; j < BITS; j++)
            for (unsigned k = 0; k < BITS; k++) {
                value = pte_make(frame[kind], bits[i]);
                count(&tally, 1, kind, value, try_write(entry, value) ? 0 : -1, entry);
                value |= bits[j];
                count(&tally, 1, kind, value, try_write(entry, value) ? 0 : -1, entry);
                value = (value | bits[k]) ^ bits[i];
                count(&tally, 1, kind, value, try_write(entry, value) ? 0 : -1, entry);
            }
    mmu_set(pte_maddr(window, 1), 0);
    is(tally.bad, 0, "bit by bit, %s: no mapping that must not be", kind_name[kind]);
}

/* Grants that the domain gives itself, mapped to an address and straight into an entry. */
static void by_grant(enum kind kind)
{
    struct tally tally = {0};
    if (page[kind] == NULL)
        return;
    domid_t self = own_domain();
    grant_ref_t ref = grant_give(self, page[kind], false);
    const volatile uint64_t *entry = pte_of(window, 1);
    for (unsigned flags = 0; flags < 1u << 8; flags++) {
        if (!(flags & GNTMAP_host_map))
            continue;
        struct gnttab_map_grant_ref map = {
            .host_addr = flags & GNTMAP_contains_pte ? pte_maddr(window, 1) : (unsigned long)window,
            .flags = flags & ~(unsigned)GNTMAP_device_map,
            .ref = ref,
            .dom = self};
        long error = HYPERVISOR_grant_table_op(GNTTABOP_map_grant_ref, &map, 1);
        bool mapped = error == 0 && map.status == GNTST_okay;
        count(&tally, 1, kind, flags, mapped ? 0 : -1, entry);
        struct gnttab_unmap_grant_ref unmap = {.host_addr = map.host_addr, .handle = map.handle};
        if (mapped && (HYPERVISOR_grant_table_op(GNTTABOP_unmap_grant_ref, &unmap, 1) != 0 ||
                       unmap.status != GNTST_okay))
            diag("a grant cannot be unmapped: %d", unmap.status);
    }
    is(tally.bad, 0, "a grant of %s: no mapping that must not be", kind_name[kind]);
    if (kind == PLAIN || kind == FREE)
        ok(tally.taken > 0, "a grant of %s is mapped", kind_name[kind]);
    ok(grant_end(ref), "a grant of %s ends", kind_name[kind]);
}

/* ---- ------------------------------------------------------------------------------------------
 */

static void set_up(void)
{
    for (unsigned level = 1; level <= LEVELS; level++) {
        table[level] = table_pinned(level);
        page[TABLE1 + level - 1] = table_pinned(level);
    }
    window = window_alloc(1);
    page[PLAIN] = page_alloc();
    page[FREE] = table_page();
    page[DESCRIPTORS] = table_page();
    for (unsigned kind = 0; kind < KINDS; kind++)
        if (page[kind] != NULL)
            frame[kind] = virt_to_mfn(page[kind]);
    if (HYPERVISOR_set_gdt(&frame[DESCRIPTORS], 512) != 0)
        diag("no page of descriptors");
    frame[SHARED] = start_info->shared_info >> PAGE_SHIFT;
    frame[HYPERVISOR] = 0x200; /* a page of RAM where the hypervisor lies */
}

static void walk_at_end(void)
{
    struct walk_root roots[2 * LEVELS + 1] = {{.level = 0, .mfn = frame[DESCRIPTORS]}};
    for (unsigned level = 1; level <= LEVELS; level++) {
        roots[level] = (struct walk_root){.level = level, .mfn = virt_to_mfn(table[level])};
        roots[LEVELS + level] =
            (struct walk_root){.level = level, .mfn = frame[TABLE1 + level - 1]};
    }
    is(walk_all(roots, 2 * LEVELS + 1), 0, "no table and no descriptors are writable anywhere");
}

static void tear_down(void)
{
    HYPERVISOR_set_gdt(NULL, 0);
    unsigned wrong = 0;
    for (unsigned level = 1; level <= LEVELS; level++) {
        wrong += unpin_table(virt_to_mfn(table[level])) != 0;
        wrong += unpin_table(frame[TABLE1 + level - 1]) != 0;
    }
    for (unsigned level = 1; level <= LEVELS; level++)
        wrong += !table_free(table[level]) + !table_free(page[TABLE1 + level - 1]);
    wrong += !table_free(page[FREE]) + !table_free(page[DESCRIPTORS]);
    is(wrong, 0, "all are plain pages at the end");
    page_free(page[PLAIN]);
    window_free(window, 1);
}

int main(void)
{
    set_up();
    for (unsigned kind = 0; kind < KINDS; kind++) {
        for (unsigned level = 1; level <= LEVELS; level++) {
            by_mmu_update(level, kind, MMU_NORMAL_PT_UPDATE, "mmu_update");
            by_mmu_update(level, kind, MMU_PT_UPDATE_PRESERVE_AD, "mmu_update with PRESERVE_AD");
        }
        by_va_mapping(kind);
        by_trapped_write(kind);
        by_single_bits(kind);
        by_grant(kind);
    }
    walk_at_end();
    tear_down();
    return done();
}

/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * E1, raced: vCPUs map a few pages writable, write through the mappings, take them away without a
 * flush, and write on for as long as that goes; others make tables of all levels and pages of
 * descriptors of the same pages. Who has made one looks at it for a while: not a word may change,
 * and the word that the writers write, an entry that maps the page itself writable, may not be in
 * a table at all.
 *
 * test: vcpus=2,4 parallel=yes limit=60
 */
#include "mmu.h"

#include <pv/smp.h>

#define PAGES 4u
#define SLOT  5u /* that is written */
#define LOOKS 40u

static uint64_t *page[PAGES];
static uint64_t *table2; /* pinned; pages are hooked in as tables of level 1 */
static uint8_t *windows; /* PAGES for each vCPU */
static unsigned long mapped, made, changed, poisoned, stuck;
static unsigned long rounds;

static void add(unsigned long *counter)
{
    __atomic_fetch_add(counter, 1, __ATOMIC_RELAXED);
}

static uint64_t poison(unsigned i)
{
    return pte_make(virt_to_mfn(page[i]), PTE_KERNEL_RW);
}

static bool set_entry(const volatile void *va, uint64_t value)
{
    switch (random_below(3)) {
    case 0:
        return mmu_set(pte_maddr(va, 1), value) == 0;
    case 1:
        return HYPERVISOR_update_va_mapping((unsigned long)va, value, UVMF_NONE) == 0;
    default:
        return try_write((void *)pte_of(va, 1), value);
    }
}

/* What a writer has left behind is wiped off when nobody has the page as a table. */
static void wipe(volatile uint64_t *window, unsigned i)
{
    for (unsigned n = 0; n < 100000; n++) {
        bool can = set_entry(window, poison(i));
        mmuext_va(MMUEXT_INVLPG_LOCAL, (unsigned long)window);
        if (can && try_write((void *)&window[SLOT], 0)) {
            set_entry(window, 0);
            return;
        }
        cpu_relax();
    }
    add(&stuck);
}

static void write_through(unsigned i)
{
    volatile uint64_t *window =
        (volatile uint64_t *)(windows + (this_vcpu() * PAGES + i) * PAGE_SIZE);
    if (random_below(2))
        set_entry(window, pte_make(virt_to_mfn(page[i]), PTE_KERNEL_RO));
    if (!set_entry(window, poison(i)))
        return;
    add(&mapped);
    bool left = false;
    for (unsigned n = 0; n < 12 && !left; n++) {
        if (n == 4) /* from here on only the TLB may know */
            set_entry(window, random_below(2) ? 0 : pte_make(virt_to_mfn(page[i]), PTE_KERNEL_RO));
        if (!try_write((void *)&window[SLOT], poison(i)))
            break;
        left = !try_write((void *)&window[SLOT], 0);
    }
    if (left)
        wipe(window, i);
    set_entry(window, 0);
}

static void look_at(unsigned i, bool table)
{
    const volatile uint64_t *slot = &page[i][SLOT];
    uint64_t first = *slot;
    add(&made);
    if (table && first == poison(i))
        add(&poisoned);
    for (unsigned n = 0; n < LOOKS; n++) {
        if (*slot != first)
            add(&changed);
        cpu_relax();
    }
}

static void make_table(unsigned i)
{
    if (pin_table((unsigned)random_below(LEVELS) + 1, virt_to_mfn(page[i])) != 0)
        return;
    look_at(i, true);
    if (unpin_table(virt_to_mfn(page[i])) != 0)
        add(&stuck);
}

static void make_descriptors(unsigned i)
{
    unsigned long mfn = virt_to_mfn(page[i]);
    if (HYPERVISOR_set_gdt(&mfn, 512) != 0)
        return;
    look_at(i, false);
    HYPERVISOR_set_gdt(NULL, 0);
}

static void hook_in(unsigned i)
{
    uint64_t at = maddr_of(&table2[this_vcpu() * PAGES + i]);
    if (mmu_set(at, pte_make(virt_to_mfn(page[i]), PTE_TABLE)) != 0)
        return;
    look_at(i, true);
    mmu_set(at, 0);
}

static void on_each(void *data)
{
    (void)data;
    for (unsigned long n = 0; n < rounds; n++) {
        unsigned i = (unsigned)random_below(PAGES);
        switch (random_below(5)) {
        case 0:
            make_table(i);
            break;
        case 1:
            make_descriptors(i);
            break;
        case 2:
            hook_in(i);
            break;
        default:
            write_through(i);
        }
    }
}

int main(int argc, char **argv)
{
    random_start(argc, argv);
    rounds = argument(argc, argv, "rounds", 3000);
    windows = window_alloc(PAGES * nr_vcpus());
    table2 = table_pinned(2);
    for (unsigned i = 0; i < PAGES; i++)
        page[i] = table_page();
    vcpus_run(on_each, NULL);
    diag("%lu mappings, %lu tables and pages of descriptors", mapped, made);
    ok(mapped > 0, "pages are mapped writable");
    ok(made > 0, "pages are made tables and pages of descriptors");
    is(changed, 0, "none of these is written to");
    is(poisoned, 0, "no table maps itself writable");
    is(stuck, 0, "all of them can be given up");
    struct walk_root root = {.level = 2, .mfn = virt_to_mfn(table2)};
    is(walk_all(&root, 1), 0, "no table is writable");
    unpin_table(virt_to_mfn(table2));
    ok(table_free(table2), "the table that they were hooked into is a plain page");
    for (unsigned i = 0; i < PAGES; i++)
        ok(table_free(page[i]), "page %u is a plain page at the end", i);
    window_free(windows, PAGES * nr_vcpus());
    return done();
}

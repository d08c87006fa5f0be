/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * E2: counts of references, and half-done work.
 *
 *   - one frame in as many entries as memory allows; one table in all entries of a table
 *   - tables that name themselves and each other
 *   - a large tree that is pinned and unpinned while timer events interrupt the hypercall: between
 *     two parts of it the handler of the event attacks the tree
 *
 * After each, every page must be what it was: plain, and as many free ones as before.
 *
 * test: vcpus=1,4 memory=32 limit=30
 */
#include "mmu.h"

#include <pv/clock.h>
#include <pv/smp.h>

#define MANY    200u /* tables of 512 entries */
#define WIDTH   24u  /* tables of level 1 below one of level 2, all full */
#define ATTACKS 300u /* each undoes work: without an end no pin would come to one */

/* ---- Many references --------------------------------------------------------------------------
 */

static void test_one_frame(void)
{
    uint64_t *data = page_alloc(), **tables = calloc(MANY, sizeof(*tables));
    unsigned wrong = 0;
    for (unsigned i = 0; i < MANY; i++) {
        tables[i] = page_alloc();
        for (unsigned slot = 0; slot < TABLE_ENTRIES; slot++)
            tables[i][slot] = pte_make(virt_to_mfn(data), slot % 2 ? PTE_KERNEL_RW : PTE_KERNEL_RO);
        wrong += page_read_only(tables[i]) != 0 || pin_table(1, virt_to_mfn(tables[i])) != 0;
    }
    is(wrong, 0, "a frame is mapped %u times", MANY * TABLE_ENTRIES);
    ok(pin_table(1, virt_to_mfn(data)) != 0, "it is no table meanwhile");
    for (unsigned i = 0; i < MANY; i++)
        wrong += unpin_table(virt_to_mfn(tables[i])) != 0 || !table_free(tables[i]);
    is(wrong, 0, "all mappings are taken away");
    is_error(page_read_only(data), 0, "the last one, too");
    is_error(pin_table(1, virt_to_mfn(data)), 0, "now it may be a table");
    is_error(unpin_table(virt_to_mfn(data)), 0, "and a page again");
    ok(table_free(data), "that is given back");
    free(tables);
}

static void test_one_table(void)
{
    for (unsigned level = 2; level <= LEVELS; level++) {
        uint64_t *above = page_alloc(), *below = table_page();
        for (unsigned slot = 0; slot < TABLE_ENTRIES; slot++)
            above[slot] = pte_make(virt_to_mfn(below), PTE_TABLE);
        page_read_only(above);
        is_error(pin_table(level, virt_to_mfn(above)), 0, "level %u: one table in all entries",
                 level);
        unsigned wrong = 0;
        for (unsigned slot = 0; slot < TABLE_ENTRIES; slot++)
            if (level < 4 || slot < HV_SLOT_FIRST || slot > HV_SLOT_LAST)
                wrong += mmu_set(maddr_of(&above[slot]), 0) != 0;
        is(wrong, 0, "level %u: it is taken out of all", level);
        is_error(page_writable(below), 0, "level %u: and no table any more", level);
        page_read_only(below);
        is_error(unpin_table(virt_to_mfn(above)), 0, "level %u: the one above is unpinned", level);
        ok(table_free(above) && table_free(below), "level %u: both are given back", level);
    }
}

/* ---- Circles ----------------------------------------------------------------------------------
 */

/* Tables a and b of one level that name each other, and themselves, in every way. */
static void test_circles(void)
{
    for (unsigned level = 2; level <= LEVELS; level++) {
        uint64_t *a = page_alloc(), *b = page_alloc();
        a[1] = pte_make(virt_to_mfn(b), PTE_TABLE & ~PTE_RW);
        b[1] = pte_make(virt_to_mfn(a), PTE_TABLE & ~PTE_RW);
        a[2] = pte_make(virt_to_mfn(a), PTE_TABLE);
        page_read_only(a);
        page_read_only(b);
        for (unsigned other = 1; other <= LEVELS; other++) {
            if (pin_table(other, virt_to_mfn(a)) == 0)
                unpin_table(virt_to_mfn(a));
            if (pin_table(other, virt_to_mfn(b)) == 0)
                unpin_table(virt_to_mfn(b));
        }
        ok(table_free(a) && table_free(b), "level %u: tables in a circle are given up", level);
    }
}

/* A chain: each table names the next of its own level, and is pinned before it. */
static void test_chain(void)
{
    uint64_t *chain[20];
    unsigned taken = 0;
    for (unsigned i = 0; i < 20; i++)
        chain[i] = table_pinned(2);
    for (unsigned i = 0; i + 1 < 20; i++)
        taken += mmu_set(maddr_of(&chain[i][3]),
                         pte_make(virt_to_mfn(chain[i + 1]), PTE_P | PTE_US)) == 0;
    diag("a chain of linear page tables has %u links", taken);
    unsigned wrong = 0;
    for (unsigned i = 0; i < 20; i++)
        wrong += unpin_table(virt_to_mfn(chain[i])) != 0;
    is(wrong, 0, "all of a chain are unpinned");
    for (unsigned i = 0; i < 20; i++)
        wrong += !table_free(chain[i]);
    is(wrong, 0, "all of a chain are given back");
}

/* ---- Half-done work ---------------------------------------------------------------------------
 */

static struct {
    uint64_t *top, *l3, *l2, *l1[WIDTH], *data;
    unsigned long attacks, taken;
    bool on;
} tree;

static void tree_make(void)
{
    tree.top = page_alloc();
    tree.l3 = page_alloc();
    tree.l2 = page_alloc();
    tree.data = page_alloc();
    for (unsigned i = 0; i < WIDTH; i++) {
        tree.l1[i] = page_alloc();
        for (unsigned slot = 0; slot < TABLE_ENTRIES; slot++)
            tree.l1[i][slot] = pte_make(virt_to_mfn(tree.data), PTE_KERNEL_RW);
        tree.l2[i * 17] = pte_make(virt_to_mfn(tree.l1[i]), PTE_TABLE);
        page_read_only(tree.l1[i]);
    }
    tree.l3[9] = pte_make(virt_to_mfn(tree.l2), PTE_TABLE);
    tree.top[300] = pte_make(virt_to_mfn(tree.l3), PTE_TABLE);
    page_read_only(tree.l2);
    page_read_only(tree.l3);
    page_read_only(tree.top);
}

static void tree_attack(void)
{
    uint64_t *l1 = tree.l1[random_below(WIDTH)];
    switch (random_below(6)) {
    case 0:
        tree.taken += unpin_table(virt_to_mfn(tree.top)) == 0;
        break;
    case 1:
        if (pin_table(1, virt_to_mfn(l1)) == 0)
            tree.taken += unpin_table(virt_to_mfn(l1)) == 0;
        break;
    case 2:
        if (page_writable(l1) == 0)
            tree.taken += page_read_only(l1) == 0;
        break;
    case 3:
        if (pin_table(3, virt_to_mfn(tree.l2)) == 0)
            unpin_table(virt_to_mfn(tree.l2));
        break;
    case 4:
        if (pin_table(4, virt_to_mfn(tree.top)) == 0)
            tree.taken += unpin_table(virt_to_mfn(tree.top)) == 0;
        break;
    default:
        mmu_set(maddr_of(&tree.l2[17]), pte_make(virt_to_mfn(tree.l1[1]), PTE_TABLE));
    }
}

static void tick(void *data)
{
    if (!tree.on)
        return;
    tree.attacks++;
    if (this_vcpu() == 0)
        tree_attack();
    if (tree.attacks < ATTACKS)
        timer_set(monotonic_ns() + 100000 + random_below(500000), tick, data);
}

static void test_interrupted(void)
{
    unsigned pins = 0;
    tree_make();
    tree.on = true;
    timer_set(monotonic_ns() + 50000, tick, NULL);
    for (unsigned i = 0; i < 100; i++) {
        pins += pin_table(4, virt_to_mfn(tree.top)) == 0;
        unpin_table(virt_to_mfn(tree.top));
    }
    tree.on = false;
    timer_set(0, NULL, NULL);
    diag("%u pins, %lu attacks of which %lu went through", pins, tree.attacks, tree.taken);
    ok(pins > 0, "a tree is pinned though events interrupt it");
    ok(tree.attacks > 0, "events have come between");
    while (unpin_table(virt_to_mfn(tree.top)) == 0)
        diag("it was pinned still");
    struct walk_root root = {.level = 0, .mfn = NO_SUCH_MFN};
    is(walk_all(&root, 1), 0, "no table is writable");
    bool good = table_free(tree.top) && table_free(tree.l3) && table_free(tree.l2);
    for (unsigned i = 0; i < WIDTH; i++)
        good = table_free(tree.l1[i]) && good;
    ok(good, "all of the tree are plain pages at the end");
    page_free(tree.data);
}

int main(int argc, char **argv)
{
    random_start(argc, argv);
    walk_all(NULL, 0); /* the heap keeps pages that it has had */
    unsigned long before = pages_free_count();
    test_one_frame();
    test_one_table();
    test_circles();
    test_chain();
    test_interrupted();
    is(pages_free_count(), before, "all pages are free again");
    return done();
}

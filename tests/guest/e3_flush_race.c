/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * E3, raced: some pages, each with a window that all vCPUs write to whenever they like. In turns
 * each vCPU takes a page for itself, takes its window away without any flush, makes of it a page
 * table of any level, a page of descriptors, or gives its frame back and takes a new one, and
 * looks: nobody's write may come through any more. Then the window shows it again.
 *
 * test: vcpus=2,4 parallel=yes limit=60
 */
#include "mmu.h"

#include <pv/smp.h>

#define PAGES 6u
#define LOOKS 200u

static uint64_t *page[PAGES];
static uint8_t *windows; /* one for each page, of all vCPUs */
static struct spinlock turn[PAGES];
static unsigned long rounds, writes, turns, seen, failed;

static void add(unsigned long *counter, unsigned long count)
{
    __atomic_fetch_add(counter, count, __ATOMIC_RELAXED);
}

static volatile uint64_t *window_of(unsigned i)
{
    return (volatile uint64_t *)(windows + i * PAGE_SIZE);
}

/* A word of this vCPU's; what is written is no entry and no descriptor that is present. */
static void write_some(void)
{
    unsigned i = (unsigned)random_below(PAGES);
    for (unsigned n = 0; n < 20; n++)
        add(&writes, try_write((void *)&window_of(i)[8 + this_vcpu()], n << 1 & ~1ul));
}

/* Own writes are not there to be seen: it is this vCPU that looks. */
static void look(const volatile uint64_t *words)
{
    uint64_t first[8];
    for (unsigned v = 0; v < 8; v++)
        first[v] = words[8 + v];
    for (unsigned n = 0; n < LOOKS; n++) {
        for (unsigned v = 0; v < 8; v++)
            add(&seen, words[8 + v] != first[v]);
        cpu_relax();
    }
}

static void as_table(unsigned i)
{
    unsigned level = (unsigned)random_below(LEVELS) + 1;
    if (pin_table(level, virt_to_mfn(page[i])) != 0) {
        add(&failed, 1);
        return;
    }
    look(page[i]);
    add(&failed, unpin_table(virt_to_mfn(page[i])) != 0);
}

static void as_descriptors(unsigned i)
{
    unsigned long mfn = virt_to_mfn(page[i]);
    if (HYPERVISOR_set_gdt(&mfn, 512) != 0) {
        add(&failed, 1);
        return;
    }
    look(page[i]);
    HYPERVISOR_set_gdt(NULL, 0);
}

/* The frame may be the same or another; either way it is new. */
static void as_new_frame(unsigned i)
{
    unsigned long pfn = virt_to_pfn(page[i]), mfn = p2m[pfn], frame = pfn;
    struct xen_memory_reservation r = {.nr_extents = 1, .domid = DOMID_SELF};
    HYPERVISOR_update_va_mapping((unsigned long)page[i], 0, UVMF_INVLPG | UVMF_ALL);
    set_xen_guest_handle(r.extent_start, &mfn);
    add(&failed, HYPERVISOR_memory_op(XENMEM_decrease_reservation, &r) != 1);
    set_xen_guest_handle(r.extent_start, &frame);
    add(&failed, HYPERVISOR_memory_op(XENMEM_populate_physmap, &r) != 1);
    p2m[pfn] = frame;
    add(&failed,
        HYPERVISOR_update_va_mapping((unsigned long)page[i], pte_make(frame, PTE_KERNEL_RO),
                                     UVMF_INVLPG | UVMF_ALL) != 0);
    look(page[i]);
}

static void take_turn(void)
{
    unsigned i = (unsigned)random_below(PAGES);
    if (!spin_try_lock(&turn[i]))
        return;
    add(&turns, 1);
    uint64_t at = pte_maddr(window_of(i), 1);
    add(&failed, mmu_set(at, 0) != 0);
    switch (random_below(4)) {
    case 0:
        as_descriptors(i);
        break;
    case 1:
        as_new_frame(i);
        break;
    default:
        as_table(i);
    }
    add(&failed, mmu_set(at, pte_make(virt_to_mfn(page[i]), PTE_KERNEL_RW)) != 0);
    spin_unlock(&turn[i]);
}

static void on_each(void *unused)
{
    (void)unused;
    for (unsigned long n = 0; n < rounds; n++) {
        if (random_below(4) == 0)
            take_turn();
        else
            write_some();
    }
}

int main(int argc, char **argv)
{
    random_start(argc, argv);
    rounds = argument(argc, argv, "rounds", 2000);
    windows = window_alloc(PAGES);
    for (unsigned i = 0; i < PAGES; i++) {
        page[i] = table_page();
        mmu_set(pte_maddr(window_of(i), 1), pte_make(virt_to_mfn(page[i]), PTE_KERNEL_RW));
    }
    vcpus_run(on_each, NULL);
    diag("%lu writes, %lu turns", writes, turns);
    ok(writes > 0, "pages are written to");
    ok(turns > 0, "pages get other meanings");
    is(seen, 0, "what has another meaning is not written to");
    is(failed, 0, "each turn can be taken");
    is(walk_all(NULL, 0), 0, "no table is writable");
    window_free(windows, PAGES);
    for (unsigned i = 0; i < PAGES; i++)
        ok(table_free(page[i]), "page %u is a plain page at the end", i);
    return done();
}

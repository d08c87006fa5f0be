/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What a domain leaves behind (E2, E9).
 *   leave to=N      grants pages to a domain, and when it uses them has itself destroyed
 *   inherit from=N  maps those pages, and goes on using them when their owner is no more
 *   poison          fills all memory with a mark, page tables and descriptor tables too where it
 *                   can be, and has itself destroyed
 *   fresh           comes after that one, and looks for the mark in all that it has and gets
 */
#include <pv/clock.h>
#include <pv/event.h>
#include <pv/smp.h>

#include "grants.h"

#define REF         40u
#define PAGES       16u
#define MARK        0x1e9ac7001e9ac700ull
#define MARK_HEIR   0x1e9ac7021e9ac702ull
#define ODD         0x9e3779b97f4a7c15ull
#define ODD_INVERSE 0xf1de83e19937733dull
#define PATIENCE_NS 60000000000ull
#define WORDS       (PAGE_SIZE / 8)

/* The poison is this times ODD's inverse: as a word it is nowhere in the program. */
static volatile uint64_t poison_times_odd = 0x5ec2e7005ec2e700ull;

static bool is_word(int argc, char **argv, const char *word)
{
    return argc > 1 && strcmp(argv[1], word) == 0;
}

/* ---- An owner who dies ---------------------------------------------------------------------- */

static int leave(domid_t to)
{
    for (unsigned i = 0; i < PAGES; i++) {
        uint64_t *page = page_alloc();
        for (unsigned j = 0; j < WORDS; j++)
            page[j] = MARK + i * WORDS + j;
        write_v1(REF + i, GTF_permit_access, to, virt_to_mfn(page));
    }
    while (!(flags_v1(REF + PAGES - 1) & GTF_writing))
        vcpu_give_way();
    puts("destroy me");
    sleep_ns(PATIENCE_NS);
    return 1;
}

static unsigned changed(uint64_t *const *pages, uint64_t mark)
{
    unsigned n = 0;
    for (unsigned i = 0; i < PAGES; i++) {
        for (unsigned j = 0; j < WORDS; j++)
            n += pages[i][j] != mark + i * WORDS + j;
    }
    return n;
}

/* Whether the owner's grants are still mapped when asked for. */
static bool is_alive(domid_t owner, uint64_t window)
{
    struct gnttab_map_grant_ref op = map_request(owner, REF, window, GNTMAP_host_map);
    if (map_one(&op) != GNTST_okay)
        return false;
    return unmap_one(window, 0, op.handle) == GNTST_okay;
}

static int inherit(domid_t from)
{
    static uint64_t *pages[PAGES];
    static grant_handle_t handles[PAGES];
    uint64_t until = monotonic_ns() + PATIENCE_NS, window = (uint64_t)window_alloc(1);
    for (unsigned i = 0; i < PAGES; i++) {
        while (!(pages[i] = grant_map(from, REF + i, false, &handles[i], NULL)) &&
               monotonic_ns() < until)
            vcpu_give_way();
    }
    if (!ok(pages[PAGES - 1] != NULL, "pages are mapped"))
        return done();
    is(changed(pages, MARK), 0, "with what their owner wrote");
    while (is_alive(from, window) && monotonic_ns() < until)
        sleep_ns(1000000);
    ok(monotonic_ns() < until, "the owner is no more, and grants nothing");
    is(changed(pages, MARK), 0, "its pages are as it left them");
    for (unsigned i = 0; i < PAGES * WORDS; i++)
        pages[i / WORDS][i % WORDS] = MARK_HEIR + i;
    /* Whatever the hypervisor now gives to anybody must not be one of them. */
    for (unsigned i = 0; i < 256; i++) {
        uint64_t *mine = page_alloc();
        if (mine)
            mine[0] = MARK;
    }
    sleep_ns(50000000);
    is(changed(pages, MARK_HEIR), 0, "and may be written to");
    unsigned refused = 0;
    for (unsigned i = 0; i < PAGES; i++)
        refused += grant_unmap(pages[i], handles[i]) != GNTST_okay;
    is(refused, 0, "they are unmapped");
    struct gnttab_map_grant_ref op = map_request(from, REF, window, GNTMAP_host_map);
    ok(map_one(&op) < 0, "and not mapped again");
    return done();
}

/* ---- Memory that another had ------------------------------------------------------------------
 */

static int poison(void)
{
    uint64_t *page;
    while ((page = page_alloc()) != NULL) {
        for (unsigned i = 0; i < WORDS; i++)
            page[i] = poison_times_odd * ODD_INVERSE;
    }
    puts("destroy me");
    sleep_ns(PATIENCE_NS);
    return 1;
}

/* A page that cannot be read is the hypervisor's matter, not memory that another had. */
static unsigned marks_in(const uint64_t *page)
{
    /* Never the mark itself: it would be found in this program's own code, stack or registers. */
    uint64_t wanted = poison_times_odd;
    unsigned n = 0;
    uint64_t word;
    if (!try_read(page, &word))
        return 0;
    for (unsigned i = 0; i < WORDS; i++)
        n += page[i] * ODD == wanted;
    return n;
}

/* Before anything is allocated: all pages as they came, free ones first of all zero. */
static int fresh(void)
{
    unsigned marks = 0, dirty = 0, had = 0;
    for (unsigned long pfn = 0; pfn < nr_pages; pfn++)
        marks += marks_in(pfn_to_virt(pfn));
    is(marks, 0, "no page holds what a domain before had there");
    const uint64_t *last = pfn_to_virt(nr_pages - 1);
    for (unsigned i = 0; i < WORDS; i++)
        dirty += last[i] != 0;
    is(dirty, 0, "and a page that nobody has used yet is zero");
    uint64_t *window = window_alloc(1);
    for (; had < 200; had++) {
        xen_pfn_t frame;
        struct xen_memory_reservation r = {.nr_extents = 1, .domid = DOMID_SELF};
        set_xen_guest_handle(r.extent_start, &frame);
        if (HYPERVISOR_memory_op(XENMEM_increase_reservation, &r) != 1)
            break;
        pte_set(window, pte_make(frame, PTE_KERNEL_RO));
        for (unsigned i = 0; i < WORDS; i++)
            dirty += window[i] != 0;
    }
    pte_set(window, 0);
    ok(had > 0, "more pages come");
    is(dirty, 0, "all of them zero");
    return done();
}

int main(int argc, char **argv)
{
    (void)grant_entries();
    if (is_word(argc, argv, "leave"))
        return leave((domid_t)argument(argc, argv, "to", 0));
    if (is_word(argc, argv, "inherit"))
        return inherit((domid_t)argument(argc, argv, "from", 0));
    if (is_word(argc, argv, "poison"))
        return poison();
    return fresh();
}

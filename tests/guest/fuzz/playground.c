/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The playground: what calls may damage. Its page tables are the library's in form, but two of them
 * are the fuzzer's: the one of home and the one of the window. The entries that lead to these stay
 * as they are, so that the playground can always be put in order again.
 *
 * Its pages leave the direct map, so that no number below 64 GiB is an address of theirs: guard.c
 * can then tell machine addresses from virtual ones.
 */
#include "fuzz.h"

struct playground play;

/* Of home, as read; the calls change the machine-to-phys table by which pte_of() goes. */
static const uint64_t *home_entries;

unsigned play_any_page(void)
{
    return (unsigned)random_below(PLAY_PAGES);
}

uint64_t play_entry(unsigned long va)
{
    uint64_t table = va >= PLAY_WINDOW && va < PLAY_END ? play.window_table : play.home_table;
    return table + ((va >> PAGE_SHIFT) & 511) * 8;
}

static uint64_t table_at(unsigned long va, unsigned level)
{
    return pte_maddr((const void *)va, level) & PAGE_MASK;
}

static bool page_move_home(unsigned i, const char *page)
{
    play.mfn[i] = virt_to_mfn(page);
    if (pte_set(page, 0) != 0)
        return false;
    struct mmu_update update = {.ptr = play_entry(play_home(i)),
                                .val = pte_make(play.mfn[i], PTE_KERNEL_RW)};
    return HYPERVISOR_mmu_update(&update, 1, NULL, DOMID_SELF) == 0;
}

/* Pages for calls to get: as many as are given back here. */
static bool room_make(void)
{
    for (unsigned i = 0; i < PLAY_ROOM; i++) {
        const char *page = page_alloc();
        xen_pfn_t frame = page ? virt_to_mfn(page) : 0;
        struct xen_memory_reservation r = {.nr_extents = 1, .domid = DOMID_SELF};
        set_xen_guest_handle(r.extent_start, &frame);
        if (!page || pte_set(page, 0) != 0 ||
            HYPERVISOR_memory_op(XENMEM_decrease_reservation, &r) != 1)
            return false;
        p2m[virt_to_pfn(page)] = INVALID_P2M;
    }
    return true;
}

bool playground_start(void)
{
    if (tables_make((const void *)PLAY_START, 1024) != 0)
        return false;
    home_entries = pte_of((const void *)PLAY_HOME, 1);
    play.home_table = table_at(PLAY_HOME, 1);
    play.window_table = table_at(PLAY_WINDOW, 1);
    play.table2 = table_at(PLAY_START, 2);
    play.table3 = table_at(PLAY_START, 3);
    for (unsigned i = 0; i < PLAY_PAGES; i++) {
        const char *page = page_alloc();
        if (!page || !page_move_home(i, page))
            return false;
    }
    return room_make();
}

/* A page that is not at its home any more: its frame, or another one, comes back. */
static void page_repair(unsigned i)
{
    uint64_t entry = home_entries[i];
    if ((entry & PTE_P) && (entry & PTE_RW))
        return;
    const uint64_t frames[] = {play.mfn[i], pool_get(POOL_MFN)};
    for (unsigned k = 0; k < 2; k++) {
        struct mmu_update update = {.ptr = play_entry(play_home(i)),
                                    .val = pte_make(frames[k], PTE_KERNEL_RW)};
        if (!guard_frame(frames[k]) && HYPERVISOR_mmu_update(&update, 1, NULL, DOMID_SELF) == 0) {
            play.mfn[i] = frames[k];
            play.phase[i] = 0;
            return;
        }
    }
}

/* Frames for pages that are lost, unless the domain has all that it may have. */
static void frames_refill(void)
{
    xen_pfn_t frame[8] = {0};
    struct xen_memory_reservation r = {.nr_extents = 8, .domid = DOMID_SELF};
    set_xen_guest_handle(r.extent_start, frame);
    long n = HYPERVISOR_memory_op(XENMEM_increase_reservation, &r);
    for (long i = 0; i < n; i++) {
        guard_allow_frame(frame[i]);
        pool_add(POOL_MFN, frame[i]);
    }
}

/* Some pages are left as they are: those are what makes calls meet. */
void playground_repair(void)
{
    frames_refill();
    for (unsigned i = 0; i < PLAY_PAGES; i++)
        if (one_in(2))
            page_repair(i);
}

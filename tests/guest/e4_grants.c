/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * E4, grant tables attacked one step after another.
 *
 * What has gone wrong in hypervisors: a handle undone twice, so that a reference is dropped twice;
 * a page-table entry overwritten behind a mapping's back; a page that changes what it is while it
 * is granted; a status that is positive and taken for success. What must hold: while a page can be
 * written through a grant it is no page table and belongs to nobody else; and what two vCPUs undo
 * at the same time is undone once.
 *
 * test: vcpus=1,4
 */
#include <pv/smp.h>

#include "mmu.h"

#include "grants.h"

static domid_t own;
static uint64_t *page;
static grant_ref_t ref;
static char *window;

static uint64_t va(unsigned n)
{
    return (uint64_t)(window + n * PAGE_SIZE);
}

static grant_handle_t map_at(unsigned n, unsigned flags)
{
    struct gnttab_map_grant_ref op = map_request(own, ref, va(n), GNTMAP_host_map | flags);

    if (map_one(&op) != GNTST_okay)
        diag("map: status %d", op.status);
    return op.handle;
}

static void check_unused(const char *when)
{
    is(flags_v1(ref) & (GTF_reading | GTF_writing), 0, "%s: the grant is unused", when);
}

/* ---- Handles ------------------------------------------------------------------------------- */

static void test_twice_in_a_batch(void)
{
    grant_handle_t handle = map_at(0, 0);
    struct gnttab_unmap_grant_ref un[3];

    for (unsigned i = 0; i < 3; i++)
        un[i] = (struct gnttab_unmap_grant_ref){
            .host_addr = va(0), .handle = handle, .status = STATUS_UNSET};
    is_error(HYPERVISOR_grant_table_op(GNTTABOP_unmap_grant_ref, un, 3), 0,
             "one handle three times in a batch: returns 0");
    ok(un[0].status == GNTST_okay && un[1].status == GNTST_bad_handle &&
           un[2].status == GNTST_bad_handle,
       "one handle three times in a batch: undone once");
    check_unused("one handle three times in a batch");
}

/* The handle of what has been undone is given to the next; the old holder must not profit. */
static void test_reused_handle(void)
{
    grant_handle_t first = map_at(0, 0), second;

    (void)unmap_one(va(0), 0, first);
    second = map_at(1, 0);
    ok(unmap_one(va(0), 0, first) != GNTST_okay, "an old handle: undoes nothing at its old place");
    is(*(volatile uint64_t *)(window + PAGE_SIZE), page[0], "an old handle: the new mapping stays");
    is(unmap_one(va(1), 0, second), GNTST_okay, "the new handle: undone");
    check_unused("handles used again");
}

/* Every number that a handle may have: no status is positive, and nothing comes of it. */
static void test_all_handles(void)
{
    grant_handle_t mine = map_at(0, 0);
    unsigned wrong = 0;

    for (unsigned bit = 0; bit < 32; bit++)
        for (int off = -1; off <= 1; off++) {
            grant_handle_t handle = (1u << bit) + (unsigned)off;

            if (handle != mine)
                wrong += unmap_one(va(0), 0, handle) >= GNTST_okay;
        }
    is(wrong, 0, "handles near powers of 2: all refused, by negative statuses");
    is(unmap_one(va(0), 0, mine), GNTST_okay, "the right handle: undone");
}

static struct {
    struct barrier barrier;
    grant_handle_t handle;
    unsigned undone;
} race;

#define RACES 200u

static void race_unmap(void *unused)
{
    (void)unused;
    for (unsigned i = 0; i < RACES; i++) {
        if (this_vcpu() == 0) {
            struct gnttab_map_grant_ref op = map_request(own, ref, va(0), GNTMAP_host_map);

            (void)map_one(&op);
            race.handle = op.handle;
        }
        barrier_wait(&race.barrier, nr_vcpus());
        if (unmap_one(va(0), 0, race.handle) == GNTST_okay)
            __atomic_fetch_add(&race.undone, 1, __ATOMIC_SEQ_CST);
        barrier_wait(&race.barrier, nr_vcpus());
    }
}

static void test_race(void)
{
    vcpus_run(race_unmap, NULL);
    is(race.undone, RACES, "all vCPUs undo one handle, 200 times: once each time");
    check_unused("all vCPUs undo one handle");
}

/* ---- Entries behind a mapping's back ------------------------------------------------------- */

static void test_overwritten_entry(void)
{
    grant_handle_t handle = map_at(0, 0);
    char *other = page_alloc();

    (void)pte_set(window, pte_make(virt_to_mfn(other), PTE_KERNEL_RW));
    is(unmap_one(va(0), 0, handle), GNTST_general_error, "entry of another page: refused");
    (void)pte_set(window, 0);
    is(unmap_one(va(0), 0, handle), GNTST_general_error, "entry that is empty: refused");
    ok(flags_v1(ref) & GTF_writing, "the grant is in use still");
    ok(!grant_end(ref), "and cannot be ended");
    (void)pte_set(window, pte_make(virt_to_mfn(page), PTE_KERNEL_RW));
    is(unmap_one(va(0), 0, handle), GNTST_okay, "the right entry again: undone");
    check_unused("an entry overwritten");
    page_free(other);
}

/* Two mappings, and their entries exchanged by hand: each is as good as the other. */
static void test_exchanged_entries(void)
{
    grant_handle_t a = map_at(0, 0), b = map_at(1, GNTMAP_readonly);

    is(unmap_one(va(1), 0, a), GNTST_general_error, "a writable mapping at a read-only entry: no");
    is(unmap_one(va(0), 0, b), GNTST_general_error, "a read-only mapping at a writable entry: no");
    is(unmap_one(va(0), 0, a), GNTST_okay, "the writable one at its own: undone");
    is(unmap_one(va(1), 0, b), GNTST_okay, "the read-only one at its own: undone");
    check_unused("entries exchanged");
}

static void test_replace_by_itself(void)
{
    grant_handle_t handle = map_at(0, 0);

    (void)replace_one(va(0), va(0), handle);
    /* Xen takes the entry for the new one first, and so finds none to replace. */
    (void)pte_set(window, pte_make(virt_to_mfn(page), PTE_KERNEL_RW));
    (void)unmap_one(va(0), 0, handle);
    (void)pte_set(window, 0);
    check_unused("replaced by itself, and undone");
}

/* ---- Pages that change what they are ------------------------------------------------------- */

static void test_table_while_mapped(void)
{
    char *direct = page_alloc();
    grant_ref_t mine = grant_give(own, direct, false);
    struct gnttab_map_grant_ref op = map_request(own, mine, va(0), GNTMAP_host_map);
    unsigned long mfn = virt_to_mfn(direct);

    (void)page_read_only(direct);
    is(map_one(&op), GNTST_okay, "a page that is granted: mapped writable");
    ok(pin_table(1, mfn) != 0, "while it is mapped writable it becomes no page table");
    is(unmap_one(va(0), 0, op.handle), GNTST_okay, "undone");
    is_error(pin_table(1, mfn), 0, "then it becomes a page table");
    is(map_one(&op), GNTST_general_error, "a page table: not mapped writable");
    op.flags |= GNTMAP_readonly;
    is(map_one(&op), GNTST_okay, "a page table: mapped read-only");
    /* The hypervisor carries out writes to a table that are good: this one is not. */
    ok(!try_write(window, pte_make(mfn, PTE_KERNEL_RW)),
       "through it the page table cannot be made to map itself writable");
    is(unmap_one(va(0), 0, op.handle), GNTST_okay, "undone");
    is_error(unpin_table(mfn), 0, "no page table any more");
    ok(grant_end(mine), "and no longer granted");
    (void)page_writable(direct);
    page_free(direct);
}

/* The page is given back while the grant has it: it stays until the last mapping goes. */
static void test_given_back_while_mapped(void)
{
    uint64_t *direct = page_alloc();
    unsigned long pfn = virt_to_pfn(direct), mfn = virt_to_mfn(direct);
    grant_ref_t mine = grant_give(own, direct, false);
    struct gnttab_map_grant_ref op = map_request(own, mine, va(0), GNTMAP_host_map);
    struct xen_memory_reservation back = {.nr_extents = 1, .domid = DOMID_SELF};
    xen_pfn_t list[1] = {mfn};

    fill_page(direct, 5);
    is(map_one(&op), GNTST_okay, "a page to be given back: mapped");
    (void)pte_set(direct, 0);
    set_xen_guest_handle(back.extent_start, list);
    is_error(HYPERVISOR_memory_op(XENMEM_decrease_reservation, &back), 1, "it is given back");
    p2m[pfn] = INVALID_P2M;
    *(volatile uint64_t *)window = 77;
    is(*(volatile uint64_t *)window, 77, "through the grant it can be used still");
    is(unmap_one(va(0), 0, op.handle), GNTST_okay, "undone: it goes");
    is(map_one(&op), GNTST_bad_page, "it cannot be mapped again");
    ok(grant_end(mine), "and no longer granted");
}

/* A frame of the grant table itself, which the entry of the table gives. */
static void test_table_of_grants(void)
{
    grant_ref_t mine = grant_give(own, page, false);
    struct gnttab_map_grant_ref op = map_request(own, mine, va(0), GNTMAP_host_map);

    write_v1(mine, GTF_permit_access, own, pte_mfn(*pte_of(entry_v1(0), 1)));
    if (map_one(&op) == GNTST_okay)
        (void)unmap_one(va(0), 0, op.handle);
    ok(op.status <= 0, "a grant of the grant table: a status that is not positive");
    is(flags_v1(mine), GTF_permit_access, "a grant of the grant table: unused afterwards");
    (void)grant_end(mine);
}

/* A mapping into the very page table that is granted, over the entry that maps it. */
static void test_into_itself(void)
{
    grant_ref_t mine = grant_give(own, page, true);
    const uint64_t *entry = pte_of(window, 1);
    uint64_t maddr = pte_maddr(window, 1);
    struct gnttab_map_grant_ref op =
        map_request(own, mine, maddr, GNTMAP_host_map | GNTMAP_contains_pte | GNTMAP_readonly);

    write_v1(mine, GTF_permit_access | GTF_readonly, own, maddr >> PAGE_SHIFT);
    is(map_one(&op), GNTST_okay, "a page table granted, mapped into itself: read-only, okay");
    ok(!try_write(window + PAGE_SIZE - 8, pte_make(maddr >> PAGE_SHIFT, PTE_KERNEL_RW)),
       "a page table mapped into itself: cannot be made to map itself writable");
    is(pte_mfn(*(volatile const uint64_t *)entry), maddr >> PAGE_SHIFT,
       "a page table mapped into itself: the entry names the table");
    is(unmap_one(maddr, 0, op.handle), GNTST_okay, "a page table mapped into itself: undone");
    (void)grant_end(mine);
}

int main(void)
{
    own = own_domain();
    page = page_alloc();
    window = window_alloc(4);
    ref = grant_give(own, page, false);
    fill_page(page, 4);
    test_twice_in_a_batch();
    test_reused_handle();
    test_all_handles();
    test_race();
    test_overwritten_entry();
    test_exchanged_entries();
    test_replace_by_itself();
    test_table_while_mapped();
    test_given_back_while_mapped();
    test_table_of_grants();
    test_into_itself();
    return done();
}

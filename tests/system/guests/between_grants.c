/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Grants between domains (E2, E3, E4): the teller owns pages and entries, one hand may use them, a
 * third domain may not. Each operation is tried as it is meant, then in the ways that would give
 * somebody what nobody gave him: with another's reference or handle, twice, for more rights, on
 * pages that have changed their use, and after the end.
 */
#include "teller.h"

#define REF        40u /* entries of the teller that tests write: REF and on */
#define REF_MANY   ((grant_ref_t)~0u)
#define MAP        GNTMAP_host_map
#define MAP_RO     (GNTMAP_host_map | GNTMAP_readonly)
#define STAMP      0x5eaf00d5eaf00dull
#define TOUCHES    20u
#define NO_VERSION 7u

static domid_t self;
static uint64_t window, window2; /* the hand's */
static uint64_t window_third;
static uint64_t *page;
static grant_handle_t handle;

static void offer(unsigned flags)
{
    write_v1(REF, GTF_permit_access | flags, HAND->domain, virt_to_mfn(page));
}

static int map(unsigned flags)
{
    return tell_map(HAND, self, REF, window, flags, &handle);
}

/* ---- Mapping -------------------------------------------------------------------------------- */

static void test_map(void)
{
    grant_handle_t second = 0;
    offer(0);
    page[0] = STAMP;
    is(map(MAP), GNTST_okay, "a page is mapped by whom it was granted to");
    is(tell_peek(HAND, window), STAMP, "who finds there what the owner wrote");
    ok(!tell_faults(HAND, REMOTE_POKE, window, STAMP + 1), "and writes to it");
    is(page[0], STAMP + 1, "which the owner sees");
    is(flags_v1(REF) & (GTF_reading | GTF_writing), GTF_reading | GTF_writing,
       "the owner sees that it is in use");
    is(tell_map(HAND, self, REF, window2, MAP_RO, &second), GNTST_okay, "it is mapped twice");
    is(tell_unmap(HAND, window2, handle), GNTST_general_error,
       "a handle and the address of another mapping do not go together");
    is(tell_peek(HAND, window2), STAMP + 1, "both mappings stay");
    is(tell_unmap(THIRD, window, handle), GNTST_bad_handle, "a third domain has no such handle");
    is(tell_unmap(HAND, window, handle + 1000), GNTST_bad_handle, "nor is any number one");
    is(tell_unmap(HAND, window, REF_MANY), GNTST_bad_handle, "nor the largest");
    is(tell_unmap(HAND, window, handle), GNTST_okay, "the first is unmapped");
    ok(tell_faults(HAND, REMOTE_PEEK, window, 0), "and is gone");
    is(tell_unmap(HAND, window, handle), GNTST_bad_handle, "it cannot be unmapped again");
    is(flags_v1(REF) & (GTF_reading | GTF_writing), GTF_reading,
       "the owner sees that only a read-only mapping is left");
    is(tell_unmap(HAND, window2, second), GNTST_okay, "the second is unmapped");
    is(flags_v1(REF) & (GTF_reading | GTF_writing), 0, "the owner sees that nobody uses it");
}

static void test_rights(void)
{
    offer(GTF_readonly);
    ok(map(MAP) < 0, "a read-only grant is not mapped writable");
    is(map(MAP_RO), GNTST_okay, "but read-only");
    ok(tell_faults(HAND, REMOTE_POKE, window, 0), "a write faults");
    uint64_t pte = pte_make(virt_to_mfn(page), PTE_KERNEL_RW);
    ok(tell_call(HAND, __HYPERVISOR_update_va_mapping, window, pte, UVMF_INVLPG, 0) < 0,
       "its entry cannot be made writable");
    ok(tell_call(HAND, __HYPERVISOR_update_va_mapping, window2, pte, UVMF_INVLPG, 0) < 0,
       "nor another entry");
    pte = pte_make(virt_to_mfn(page), PTE_KERNEL_RO);
    ok(tell_call(HAND, __HYPERVISOR_update_va_mapping, window2, pte, UVMF_INVLPG, 0) < 0,
       "nor is the page mapped another time without a grant");
    is(tell_unmap(HAND, window, handle), GNTST_okay, "it is unmapped");
    ok(tell_map(THIRD, self, REF, window_third, MAP_RO, NULL) < 0,
       "a third domain cannot map what is granted to another");
    ok(tell_map(HAND, THIRD->domain, REF, window, MAP_RO, NULL) < 0,
       "what one domain grants another does not");
    ok(tell_map(HAND, NO_DOMAIN, REF, window, MAP_RO, NULL) < 0, "nor a domain that there is not");
    for (grant_ref_t ref = 0; ref < 2; ref++)
        ok(tell_map(HAND, self, ref, window, MAP_RO, NULL) < 0,
           "the control domain's grant %u is not another's", ref);
    ok(tell_map(HAND, self, 100000, window, MAP_RO, NULL) < 0, "nor is there one beyond the table");
    ok(tell_map(HAND, self, REF_MANY, window, MAP_RO, NULL) < 0, "nor of the largest number");
    write_v1(REF, 0, 0, 0);
    ok(map(MAP_RO) < 0, "a grant that was taken back is not mapped");
}

/* ---- What can be done to a page that another has ----------------------------------------------
 */

static long pin(unsigned cmd, unsigned long mfn)
{
    struct mmuext_op op = {.cmd = cmd, .arg1.mfn = mfn};
    return HYPERVISOR_mmuext_op(&op, 1, NULL, DOMID_SELF);
}

static long tell_pin(struct hand *h, unsigned cmd, unsigned long mfn)
{
    struct mmuext_op op = {.cmd = cmd, .arg1.mfn = mfn};
    memcpy(h->page->data, &op, sizeof(op));
    return tell_call(h, __HYPERVISOR_mmuext_op, REMOTE_ARG(0), 1, 0, DOMID_SELF);
}

static void test_types(void)
{
    static const unsigned levels[] = {MMUEXT_PIN_L1_TABLE, MMUEXT_PIN_L2_TABLE, MMUEXT_PIN_L3_TABLE,
                                      MMUEXT_PIN_L4_TABLE};
    unsigned long mfn = virt_to_mfn(page);
    memset(page, 0, PAGE_SIZE);
    offer(0);
    is(map(MAP), GNTST_okay, "a page is mapped writable");
    is(page_read_only(page), 0, "its owner has it read-only");
    for (unsigned i = 0; i < 4; i++) {
        ok(pin(levels[i], mfn) < 0, "it does not become a table of level %u", i + 1);
        ok(tell_pin(HAND, levels[i], mfn) < 0, "nor one of the other's, level %u", i + 1);
    }
    unsigned long frames[1] = {mfn};
    ok(HYPERVISOR_set_gdt(frames, 512) < 0, "nor a descriptor table");
    is(tell_unmap(HAND, window, handle), GNTST_okay, "it is unmapped");
    is_error(pin(MMUEXT_PIN_L1_TABLE, mfn), 0, "now it may be a page table");
    ok(map(MAP) < 0, "which is not mapped writable by its grant");
    is(map(MAP_RO), GNTST_okay, "but read-only");
    is_error(pin(MMUEXT_UNPIN_TABLE, mfn), 0, "it stops being a page table");
    is(tell_unmap(HAND, window, handle), GNTST_okay, "and is unmapped");
    is(page_writable(page), 0, "its owner may write to it again");
}

/* A page that its owner gives back while another has it. */
static void test_given_back(void)
{
    uint64_t *gone = page_alloc();
    unsigned long mfn = virt_to_mfn(gone), pfn = virt_to_pfn(gone);
    gone[0] = STAMP;
    write_v1(REF, GTF_permit_access, HAND->domain, mfn);
    is(map(MAP), GNTST_okay, "a page is mapped that its owner gives back");
    is_error(HYPERVISOR_update_va_mapping((unsigned long)gone, 0, UVMF_INVLPG | UVMF_ALL), 0,
             "its owner unmaps it");
    xen_pfn_t frame = mfn;
    struct xen_memory_reservation r = {.nr_extents = 1, .domid = DOMID_SELF};
    set_xen_guest_handle(r.extent_start, &frame);
    is_error(HYPERVISOR_memory_op(XENMEM_decrease_reservation, &r), 1, "and gives it back");
    is(tell_peek(HAND, window), STAMP, "the other still has it, as it was");
    xen_pfn_t fresh = pfn;
    set_xen_guest_handle(r.extent_start, &fresh);
    is_error(HYPERVISOR_memory_op(XENMEM_populate_physmap, &r), 1, "the owner gets another");
    ok(fresh != mfn, "which is another indeed, as that one is in use");
    ok(!tell_faults(HAND, REMOTE_POKE, window, STAMP + 2), "the other writes to its own");
    is(pte_set(gone, pte_make(fresh, PTE_KERNEL_RW)), 0, "the new one is mapped");
    is(gone[0], 0, "it is zero");
    is(tell_unmap(HAND, window, handle), GNTST_okay, "the other lets go");
    write_v1(REF, 0, 0, 0);
    p2m[pfn] = fresh;
    page_free(gone);
}

/* ---- Other people's frames ------------------------------------------------------------------ */

static void test_foreign_frames(void)
{
    unsigned long theirs;
    uint64_t there = tell_page(HAND, &theirs);
    tell(HAND, REMOTE_POKE, there, STAMP, 0, 0);
    write_v1(REF, GTF_permit_access, THIRD->domain, theirs);
    ok(tell_map(THIRD, self, REF, window_third, MAP, NULL) < 0,
       "nobody grants a frame of another domain");
    ok(tell_map(THIRD, self, REF, window_third, MAP_RO, NULL) < 0, "not read-only either");
    unsigned long mine;
    uint64_t third_page = tell_page(THIRD, &mine);
    ok(tell_copy_from(THIRD, self, REF, 0, mine, 8) < 0, "nor is it copied from");
    ok(tell_copy_to(THIRD, self, REF, 0, mine, 8) < 0, "nor to");
    is(tell_peek(THIRD, third_page), 0, "nothing came of it");
    is(tell_peek(HAND, there), STAMP, "and nothing went there");

    /* What I was given I do not give on. */
    offer(0);
    is(map(MAP), GNTST_okay, "a page is mapped");
    tell(HAND, REMOTE_GRANT, REF, GTF_permit_access, THIRD->domain, virt_to_mfn(page));
    ok(tell_map(THIRD, HAND->domain, REF, window_third, MAP, NULL) < 0,
       "who has a page by a grant cannot grant it on");
    ok(tell_copy_from(THIRD, HAND->domain, REF, 0, mine, 8) < 0, "nor let it be copied");
    is(tell_unmap(HAND, window, handle), GNTST_okay, "it is unmapped");

    static const unsigned long strange[] = {0, 1, 0x100, 0xa0, 0xfee00, 0xfec00, NO_SUCH_MFN};
    for (unsigned i = 0; i < sizeof(strange) / sizeof(*strange); i++) {
        write_v1(REF, GTF_permit_access, HAND->domain, strange[i]);
        ok(map(MAP_RO) < 0, "a grant of frame %#lx is not mapped", strange[i]);
    }
    write_v1(REF, 0, 0, 0);
}

/* ---- Copying -------------------------------------------------------------------------------- */

static void test_copy(void)
{
    unsigned long theirs, thirds;
    uint64_t there = tell_page(HAND, &theirs);
    tell_page(THIRD, &thirds);
    page[1] = STAMP;
    offer(GTF_readonly);
    is(tell_copy_from(HAND, self, REF, 0, theirs, PAGE_SIZE), GNTST_okay, "a page is copied");
    is(tell_peek(HAND, there + 8), STAMP, "it has arrived");
    ok(tell_copy_to(HAND, self, REF, 0, theirs, 8) < 0, "nobody copies to a read-only grant");
    ok(tell_copy_from(THIRD, self, REF, 0, thirds, 8) < 0, "nor a third domain from it");
    ok(tell_copy_from(HAND, self, REF, 4090, theirs, 8) < 0, "nor across the end of the page");
    ok(tell_copy_from(HAND, self, REF, 0xffff, theirs, 8) < 0, "nor from behind it");
    ok(tell_copy_from(HAND, self, REF, 0, virt_to_mfn(page), 8) < 0,
       "nor into a frame of another domain");
    offer(0);
    tell(HAND, REMOTE_POKE, there, STAMP + 5, 0, 0);
    is(tell_copy_to(HAND, self, REF, 8, theirs, 8), GNTST_okay, "a page is copied to");
    is(page[1], STAMP + 5, "it has arrived");

    /* From grant to grant: who is given both may, between two others. */
    tell(THIRD, REMOTE_GRANT, REF, GTF_permit_access, HAND->domain, thirds);
    struct gnttab_copy op = {.source.u.ref = REF,
                             .source.domid = self,
                             .dest.u.ref = REF,
                             .dest.domid = THIRD->domain,
                             .len = 64,
                             .flags = GNTCOPY_source_gref | GNTCOPY_dest_gref};
    is_error(tell_op(HAND, __HYPERVISOR_grant_table_op, GNTTABOP_copy, &op, sizeof(op)), 0,
             "from a grant of one to a grant of another");
    is(op.status, GNTST_okay, "copies who was given both");
    op.source.domid = THIRD->domain, op.dest.domid = self;
    tell_op(THIRD, __HYPERVISOR_grant_table_op, GNTTABOP_copy, &op, sizeof(op));
    ok(op.status < 0, "and not who was given none");
    write_v1(REF, 0, 0, 0);
    tell(THIRD, REMOTE_GRANT, REF, 0, 0, 0);
}

/* ---- Transfer ------------------------------------------------------------------------------- */

static int tell_transfer(struct hand *h, domid_t to, grant_ref_t ref, unsigned long mfn)
{
    struct gnttab_transfer op = {.mfn = mfn, .domid = to, .ref = ref, .status = STATUS_UNSET};
    tell_op(h, __HYPERVISOR_grant_table_op, GNTTABOP_transfer, &op, sizeof(op));
    return op.status;
}

static void test_transfer(void)
{
    unsigned long theirs, other;
    uint64_t there = tell_page(HAND, &theirs);
    tell_page(HAND, &other);
    tell(HAND, REMOTE_POKE, there, STAMP + 9, 0, 0);
    offer(0);
    is(map(MAP), GNTST_okay, "a page is mapped");
    ok(tell_transfer(HAND, THIRD->domain, REF, virt_to_mfn(page)) < 0,
       "what is mapped by a grant is not given away");
    is(tell_unmap(HAND, window, handle), GNTST_okay, "and still can be unmapped");
    write_v1(REF, GTF_accept_transfer, HAND->domain, 0);
    ok(tell_transfer(HAND, self, REF, theirs) < 0, "a page that is mapped is not given away");
    is_error(tell_call(HAND, __HYPERVISOR_update_va_mapping, there, 0, UVMF_INVLPG | UVMF_ALL, 0),
             0, "its owner unmaps it");
    write_v1(REF, GTF_accept_transfer, HAND->domain, 0);
    is(tell_transfer(HAND, self, REF, theirs), GNTST_okay, "then it is");
    is(entry_v1(REF)->frame, theirs, "whom it was given to learns which");
    ok(flags_v1(REF) & GTF_transfer_completed, "and that it is there");
    uint64_t *mine = window_alloc(1);
    is_error(pte_set(mine, pte_make(theirs, PTE_KERNEL_RW)), 0, "the new owner maps it");
    is(*mine, STAMP + 9, "with what was in it");
    ok(tell_call(HAND, __HYPERVISOR_update_va_mapping, there, pte_make(theirs, PTE_KERNEL_RO), 0,
                 0) < 0,
       "the old one no longer can");
    ok(tell_transfer(HAND, self, REF, other) < 0, "an entry takes one page");
    window_free(mine, 1);
    xen_pfn_t frame = theirs;
    struct xen_memory_reservation r = {.nr_extents = 1, .domid = DOMID_SELF};
    set_xen_guest_handle(r.extent_start, &frame);
    is_error(HYPERVISOR_memory_op(XENMEM_decrease_reservation, &r), 1, "it is given back");
    write_v1(REF, 0, 0, 0);
}

/* ---- Flushes -------------------------------------------------------------------------------- */

/* The hand's second vCPU writes through the mapping while the first one takes it away. */
static void test_flush(void)
{
    unsigned late = 0, silent = 0, stuck = 0;
    for (unsigned i = 0; i < TOUCHES; i++) {
        offer(0);
        if (map(MAP) != GNTST_okay)
            break;
        tell(HAND, REMOTE_TOUCH, window, 0, 0, 0);
        stuck += tell_unmap(HAND, window, handle) != GNTST_okay;
        uint64_t seen = *(volatile uint64_t *)page;
        sleep_ns(200000);
        late += *(volatile uint64_t *)page != seen;
        silent += tell(HAND, REMOTE_TOUCHED, 0, 0, 0, 0) == 0 || !HAND->page->fault;
        stuck += (flags_v1(REF) & (GTF_reading | GTF_writing)) != 0;
    }
    is(late, 0, "nothing is written through a mapping that was taken away");
    is(silent, 0, "a vCPU that goes on writing there faults");
    is(stuck, 0, "and each time the owner has its page back");
}

/* ---- Version 2 ------------------------------------------------------------------------------ */

static void write_transitive(domid_t user, domid_t behind, grant_ref_t behind_ref)
{
    volatile grant_entry_v2_t *entry = entry_v2(REF);
    entry->hdr.flags = 0;
    entry->transitive.hdr.domid = user;
    entry->transitive.trans_domid = behind;
    entry->transitive.gref = behind_ref;
    __atomic_thread_fence(__ATOMIC_RELEASE);
    entry->hdr.flags = GTF_transitive;
}

static void test_version(void)
{
    struct gnttab_set_version op = {.version = 2};
    offer(0);
    is(map(MAP), GNTST_okay, "a page is mapped");
    is_error(set_version(2), -XEN_EBUSY, "then the table's version does not change");
    is(tell_peek(HAND, window), page[0], "the mapping stays");
    is(tell_unmap(HAND, window, handle), GNTST_okay, "it is unmapped");
    is_error(set_version(NO_VERSION), -XEN_EINVAL, "there are two versions");
    is_error(set_version(2), 0, "now the version changes");
    unsigned long theirs;
    ok(tell_page(HAND, &theirs) != 0, "the hand still hears what it is told");
    ok(map(MAP_RO) < 0, "no entry of before is left");
    is_error(tell_op(HAND, __HYPERVISOR_grant_table_op, GNTTABOP_set_version, &op, sizeof(op)), 0,
             "the hand's changes, too");
}

static void test_version_2(void)
{
    unsigned long theirs, thirds;
    uint64_t there = tell_page(HAND, &theirs), third = tell_page(THIRD, &thirds);
    write_v2(REF, GTF_permit_access, HAND->domain, virt_to_mfn(page));
    is(map(MAP), GNTST_okay, "an entry of version 2 is mapped");
    is_error(set_version(1), -XEN_EBUSY, "and keeps the version");
    is(tell_unmap(HAND, window, handle), GNTST_okay, "it is unmapped");

    /* The hand lets the third have what the teller lets the hand have. */
    page[0] = STAMP + 20;
    tell(HAND, REMOTE_POKE, there, STAMP + 21, 0, 0);
    HAND->page->args[4] = REF;
    tell(HAND, REMOTE_GRANT_TRANSITIVE, REF, GTF_transitive, THIRD->domain, self);
    is(tell_copy_from(THIRD, HAND->domain, REF, 0, thirds, 64), GNTST_okay,
       "a transitive grant is copied from");
    is(tell_peek(THIRD, third), STAMP + 20, "it is the first owner's page");
    ok(tell_map(THIRD, HAND->domain, REF, window_third, MAP_RO, NULL) < 0, "but not mapped");
    ok(tell_copy_from(THIRD, self, REF, 0, thirds, 8) < 0,
       "the third cannot have it from the owner");
    write_v2(REF, 0, 0, 0);
    ok(tell_copy_from(THIRD, HAND->domain, REF, 0, thirds, 8) < 0,
       "when the owner ends it, the grant behind it ends");
    write_transitive(HAND->domain, HAND->domain, REF);
    ok(tell_copy_from(THIRD, HAND->domain, REF, 0, thirds, 8) < 0, "a circle leads nowhere");
    ok(tell_copy_from(HAND, self, REF, 0, theirs, 8) < 0, "from neither side");
    write_transitive(HAND->domain, DOMID_SELF, REF);
    ok(tell_copy_from(HAND, self, REF, 0, theirs, 8) < 0, "nor one that leads to itself");
    HAND->page->args[4] = REF_MANY;
    tell(HAND, REMOTE_GRANT_TRANSITIVE, REF, GTF_transitive, THIRD->domain, self);
    ok(tell_copy_from(THIRD, HAND->domain, REF, 0, thirds, 8) < 0, "nor one beyond a table");
    tell(HAND, REMOTE_GRANT_V2, REF, 0, 0, 0);
}

static void test_sub_page(void)
{
    unsigned long theirs;
    uint64_t there = tell_page(HAND, &theirs);
    volatile grant_entry_v2_t *entry = entry_v2(REF);
    page[16] = STAMP + 30, page[17] = STAMP + 31;
    entry->hdr.flags = 0;
    entry->sub_page.hdr.domid = HAND->domain;
    entry->sub_page.page_off = 128;
    entry->sub_page.length = 8;
    entry->sub_page.frame = virt_to_mfn(page);
    __atomic_thread_fence(__ATOMIC_RELEASE);
    entry->hdr.flags = GTF_permit_access | GTF_sub_page;
    is(tell_copy_from(HAND, self, REF, 128, theirs, 8), GNTST_okay, "a part of a page is copied");
    is(tell_peek(HAND, there), STAMP + 30, "that part");
    ok(tell_copy_from(HAND, self, REF, 128, theirs, 9) < 0, "no byte behind it");
    ok(tell_copy_from(HAND, self, REF, 127, theirs, 8) < 0, "none before it");
    ok(map(MAP_RO) < 0, "and it is not mapped");
    entry->hdr.flags = 0;
    entry->sub_page.page_off = 4090;
    entry->sub_page.length = 0xffff;
    entry->hdr.flags = GTF_permit_access | GTF_sub_page;
    ok(tell_copy_from(HAND, self, REF, 4090, theirs, 8) < 0, "no part reaches into the next page");
    entry->hdr.flags = 0;
}

int main(int argc, char **argv)
{
    self = own_domain();
    page = page_alloc();
    hands_start(argc, argv);
    window = (uint64_t)tell(HAND, REMOTE_WINDOW, 1, 0, 0, 0);
    window2 = (uint64_t)tell(HAND, REMOTE_WINDOW, 1, 0, 0, 0);
    window_third = (uint64_t)tell(THIRD, REMOTE_WINDOW, 1, 0, 0, 0);
    test_map();
    test_rights();
    test_types();
    test_given_back();
    test_foreign_frames();
    test_copy();
    test_transfer();
    test_flush();
    test_version();
    test_version_2();
    test_sub_page();
    hands_end();
    return done();
}

/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Giving a page away for good.
 *
 * The receiver writes an entry that accepts a frame from a certain domain; the giver names the
 * frame, and has lost it then, whatever comes of the transfer, but for GNTST_bad_page. The entry
 * tells the receiver which frame it got: GTF_transfer_completed. The giver must not have the page
 * mapped any more. Here the domain gives pages to itself.
 *
 * test: vcpus=1,4
 */
#include <pv/start.h>

#include "grants.h"

static domid_t own;
static grant_ref_t ref;

/* A page with contents that the domain has no longer mapped, ready to be given. Its place in the
 * direct map is empty from now on; the page is not freed, as it will be gone. */
struct parcel {
    char *place;
    unsigned long pfn, mfn;
    uint64_t sum;
};

static struct parcel pack(void)
{
    struct parcel p = {.place = page_alloc()};

    fill_page(p.place, random_u64());
    p.sum = checksum(p.place, PAGE_SIZE);
    p.pfn = virt_to_pfn(p.place);
    p.mfn = virt_to_mfn(p.place);
    (void)pte_set(p.place, 0);
    return p;
}

/* The frame is in its place again. */
static void unpack(const struct parcel *p, unsigned long mfn)
{
    p2m[p->pfn] = mfn;
    (void)pte_set(p->place, pte_make(mfn, PTE_KERNEL_RW));
    page_free(p->place);
}

static void lost(const struct parcel *p)
{
    p2m[p->pfn] = INVALID_P2M;
}

static int transfer(unsigned long mfn, domid_t domain, grant_ref_t to)
{
    struct gnttab_transfer op = {.mfn = mfn, .domid = domain, .ref = to, .status = STATUS_UNSET};

    (void)grant_op(GNTTABOP_transfer, &op);
    return op.status;
}

static bool is_ours(unsigned long mfn)
{
    void *window = map_frames(&mfn, 1, PTE_KERNEL_RO, DOMID_SELF, NULL);

    if (window)
        window_free(window, 1);
    return window != NULL;
}

/* ---- What works ---------------------------------------------------------------------------- */

static void test_transfer(void)
{
    const unsigned all = GTF_accept_transfer | GTF_transfer_committed | GTF_transfer_completed;
    struct parcel p = pack();
    unsigned long mfn;

    write_v1(ref, GTF_accept_transfer, own, p.pfn);
    is(transfer(p.mfn, own, ref), GNTST_okay, "transfer: okay");
    is(flags_v1(ref), all, "transfer: the entry says it is completed");
    mfn = entry_v1(ref)->frame;
    ok(is_ours(mfn), "transfer: the frame told is the domain's");
    is(mfn_to_pfn(mfn), p.pfn, "transfer: it has the pfn that the entry asked for");
    p2m[p.pfn] = mfn;
    (void)pte_set(p.place, pte_make(mfn, PTE_KERNEL_RW));
    is(checksum(p.place, PAGE_SIZE), p.sum, "transfer: with the contents of the one given");
    is(transfer(mfn, own, ~0u), GNTST_bad_page, "transfer of what is mapped: bad page");
    ok(is_ours(mfn), "transfer of what is mapped: it is kept");
    unpack(&p, mfn);
}

static void test_version_2(void)
{
    struct parcel p = pack();

    is_error(set_version(2), 0, "version 2");
    write_v2(50, GTF_accept_transfer, own, p.pfn);
    is(transfer(p.mfn, own, 50), GNTST_okay, "version 2, transfer: okay");
    ok(entry_v2(50)->hdr.flags & GTF_transfer_completed, "version 2, transfer: completed");
    p.mfn = entry_v2(50)->full_page.frame;
    (void)pte_set(p.place, pte_make(p.mfn, PTE_KERNEL_RW));
    is(checksum(p.place, PAGE_SIZE), p.sum, "version 2, transfer: with its contents");
    unpack(&p, p.mfn);
    is_error(set_version(1), 0, "version 1 again");
}

/* ---- What is refused ----------------------------------------------------------------------- */

/* The page is gone nevertheless. */
static void check_lost(domid_t domain, grant_ref_t to, int status, const char *what)
{
    struct parcel p = pack();

    is(transfer(p.mfn, domain, to), status, "transfer %s", what);
    ok(!is_ours(p.mfn), "transfer %s; the page is lost", what);
    lost(&p);
}

static void test_lost(void)
{
    check_lost(NO_DOMAIN, ref, GNTST_bad_domain, "to no domain: bad domain");
    check_lost(DOMID_SELF, ref, GNTST_bad_domain, "to DOMID_SELF: bad domain");
    check_lost(own, grant_entries(), GNTST_general_error,
               "to the reference behind the table: error");
    check_lost(own, ~0u, GNTST_general_error, "to reference 2^32 - 1: error");
    write_v1(ref, 0, own, 0);
    check_lost(own, ref, GNTST_general_error, "to an unused entry: error");
    write_v1(ref, GTF_permit_access, own, 0);
    check_lost(own, ref, GNTST_general_error, "to an entry that gives a page: error");
    write_v1(ref, GTF_accept_transfer, NO_DOMAIN, 0);
    check_lost(own, ref, GNTST_general_error, "to an entry for another giver: error");
    write_v1(ref, GTF_accept_transfer | GTF_transfer_completed, own, 0);
    check_lost(own, ref, GNTST_general_error, "to an entry that has been filled: error");
    is(entry_v1(ref)->frame, 0, "after refusals: the entry tells no frame");
}

static void test_kept(void)
{
    write_v1(ref, GTF_accept_transfer, own, 1);
    is(transfer(NO_SUCH_MFN, own, ref), GNTST_bad_page, "transfer of no frame: bad page");
    is(transfer(~0ul, own, ref), GNTST_bad_page, "transfer of frame 2^64 - 1: bad page");
    is(transfer(0, own, ref), GNTST_bad_page, "transfer of frame 0: bad page");
    is(transfer(tables_root(), own, ref), GNTST_bad_page, "transfer of a page table: bad page");
    is(transfer(pte_mfn(*pte_of(entry_v1(0), 1)), own, ref), GNTST_bad_page,
       "transfer of the grant table: bad page");
    is(transfer(start_info->shared_info >> PAGE_SHIFT, own, ref), GNTST_bad_page,
       "transfer of the shared page: bad page");
    is(flags_v1(ref), GTF_accept_transfer, "after bad pages: the entry still accepts");
}

static void test_batch(void)
{
    struct parcel a = pack(), b = pack();
    grant_ref_t second = grant_give(own, a.place, false);
    struct gnttab_transfer ops[3] = {
        {.mfn = a.mfn, .domid = own, .ref = ref, .status = STATUS_UNSET},
        {.mfn = NO_SUCH_MFN, .domid = own, .ref = ref, .status = STATUS_UNSET},
        {.mfn = b.mfn, .domid = own, .ref = second, .status = STATUS_UNSET},
    };

    write_v1(ref, GTF_accept_transfer, own, a.pfn);
    write_v1(second, GTF_accept_transfer, own, b.pfn);
    is_error(HYPERVISOR_grant_table_op(GNTTABOP_transfer, ops, 3), 0, "three transfers: 0");
    ok(ops[0].status == GNTST_okay && ops[1].status == GNTST_bad_page &&
           ops[2].status == GNTST_okay,
       "three transfers: each has its own status");
    unpack(&a, entry_v1(ref)->frame);
    unpack(&b, entry_v1(second)->frame);
    is_error(HYPERVISOR_grant_table_op(GNTTABOP_transfer, ops, 0), 0, "no transfers: 0");
    write_v1(second, 0, 0, 0);
    (void)grant_end(second);
}

static void prepare(void *op)
{
    *(struct gnttab_transfer *)op = (struct gnttab_transfer){.mfn = NO_SUCH_MFN, .domid = own};
}

int main(int argc, char **argv)
{
    void *page = page_alloc();

    random_start(argc, argv);
    own = own_domain();
    ref = grant_give(own, page, false);
    test_transfer();
    test_lost();
    test_kept();
    test_batch();
    check_addresses(GNTTABOP_transfer, sizeof(struct gnttab_transfer), "transfer", ANSWERS_ANYWHERE,
                    prepare);
    test_version_2();
    return done();
}

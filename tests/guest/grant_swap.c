/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Two small operations on grants.
 *
 * swap_grant_ref exchanges the contents of two entries of the caller's table, unless one is in use.
 * cache_flush writes back, or discards, the cache of a part of a page that the caller has, as is
 * needed where devices do not see what is in caches; on x86 they do.
 *
 * test: vcpus=1,4
 */
#include "grants.h"

static domid_t own;
static void *page_a, *page_b;
static grant_ref_t ref_a, ref_b;

/* ---- Swapping ------------------------------------------------------------------------------ */

static int swap(grant_ref_t a, grant_ref_t b)
{
    struct gnttab_swap_grant_ref op = {.ref_a = a, .ref_b = b, .status = STATUS_UNSET};

    (void)grant_op(GNTTABOP_swap_grant_ref, &op);
    return op.status;
}

static void test_swap(void)
{
    grant_entry_v1_t a = *entry_v1(ref_a), b = *entry_v1(ref_b);

    is(swap(ref_a, ref_b), GNTST_okay, "swap: okay");
    ok(memcmp(entry_v1(ref_a), &b, sizeof(b)) == 0 && memcmp(entry_v1(ref_b), &a, sizeof(a)) == 0,
       "swap: each has the other's contents");
    is(swap(ref_b, ref_a), GNTST_okay, "swap back: okay");
    ok(memcmp(entry_v1(ref_a), &a, sizeof(a)) == 0, "swap back: as before");
    is(swap(ref_a, ref_a), GNTST_okay, "swap with itself: okay");
    ok(memcmp(entry_v1(ref_a), &a, sizeof(a)) == 0, "swap with itself: as before");
}

static void test_swap_errors(void)
{
    unsigned entries = grant_entries();
    grant_handle_t handle;
    void *mapped;

    is(swap(entries, ref_a), GNTST_bad_gntref, "swap, first behind the table: bad reference");
    is(swap(ref_a, entries), GNTST_bad_gntref, "swap, second behind the table: bad reference");
    is(swap(~0u, ~0u), GNTST_bad_gntref, "swap, both 2^32 - 1: bad reference");
    mapped = grant_map(own, ref_a, false, &handle, NULL);
    is(swap(ref_a, ref_b), GNTST_eagain, "swap, first in use: again later");
    is(swap(ref_b, ref_a), GNTST_eagain, "swap, second in use: again later");
    is(swap(ref_a, ref_a), GNTST_okay, "swap with itself, in use: okay");
    (void)grant_unmap(mapped, handle);
    is(swap(ref_a, ref_b), GNTST_okay, "swap, no longer in use: okay");
    is(swap(ref_b, ref_a), GNTST_okay, "swap back again: okay");
}

static void test_swap_batch(void)
{
    struct gnttab_swap_grant_ref ops[3] = {
        {.ref_a = ref_a, .ref_b = ref_b, .status = STATUS_UNSET},
        {.ref_a = ref_a, .ref_b = ~0u, .status = STATUS_UNSET},
        {.ref_a = ref_a, .ref_b = ref_b, .status = STATUS_UNSET},
    };

    is_error(HYPERVISOR_grant_table_op(GNTTABOP_swap_grant_ref, ops, 3), 0, "three swaps: 0");
    ok(ops[0].status == GNTST_okay && ops[1].status == GNTST_bad_gntref &&
           ops[2].status == GNTST_okay,
       "three swaps: each has its own status");
    is(entry_v1(ref_a)->frame, virt_to_mfn(page_a), "three swaps: two were made");
    is_error(HYPERVISOR_grant_table_op(GNTTABOP_swap_grant_ref, ops, 0), 0, "no swaps: 0");
}

static void test_swap_version_2(void)
{
    is_error(set_version(2), 0, "version 2");
    write_v2(30, GTF_permit_access, own, virt_to_mfn(page_a));
    write_v2(31, GTF_permit_access | GTF_readonly, NO_DOMAIN, 1ul << 40);
    is(swap(30, 31), GNTST_okay, "version 2, swap: okay");
    ok(entry_v2(30)->full_page.frame == 1ul << 40 && entry_v2(30)->hdr.domid == NO_DOMAIN &&
           entry_v2(31)->full_page.frame == virt_to_mfn(page_a) &&
           entry_v2(31)->hdr.flags == GTF_permit_access,
       "version 2, swap: all 16 bytes");
    is(swap(grant_entries() / 2, 30), GNTST_bad_gntref,
       "version 2: half as many entries as in version 1");
    is_error(set_version(1), 0, "version 1 again");
}

static void prepare_swap(void *request)
{
    *(struct gnttab_swap_grant_ref *)request = (struct gnttab_swap_grant_ref){.ref_a = ~0u};
}

/* ---- Caches -------------------------------------------------------------------------------- */

static long flush(uint64_t bus, unsigned offset, unsigned length, unsigned how)
{
    struct gnttab_cache_flush op = {
        .a.dev_bus_addr = bus,
        .offset = (uint16_t)offset,
        .length = (uint16_t)length,
        .op = how,
    };

    return grant_op(GNTTABOP_cache_flush, &op);
}

static void test_flush(void)
{
    const unsigned clean = GNTTAB_CACHE_CLEAN, both = GNTTAB_CACHE_CLEAN | GNTTAB_CACHE_INVAL;
    uint64_t bus = virt_to_maddr(page_a), sum = checksum(page_a, PAGE_SIZE);

    is_error(flush(bus, 0, 4096, clean), 0, "clean a page: works");
    is_error(flush(bus, 0, 4096, both), 0, "clean and invalidate a page: works");
    is_error(flush(bus, 4095, 1, clean), 0, "clean the last byte: works");
    is_error(flush(bus, 0, 0, clean), 0, "clean nothing: works");
    is_error(flush(bus, 0, 4096, 0), 0, "no operation: works");
    is(checksum(page_a, PAGE_SIZE), sum, "after it the page is as before");
    is_error(flush(bus, 0, 4096, GNTTAB_CACHE_INVAL), -XEN_EOPNOTSUPP,
             "invalidate alone: -EOPNOTSUPP");
    is_error(flush(bus, 0, 4097, clean), -XEN_EINVAL, "more than a page: -EINVAL");
    is_error(flush(bus, 4096, 0, clean), -XEN_EINVAL, "from the page's end: -EINVAL");
    is_error(flush(bus, 4095, 2, clean), -XEN_EINVAL, "across the page's end: -EINVAL");
    is_error(flush(bus, 0xffff, 0xffff, clean), -XEN_EINVAL, "the greatest numbers: -EINVAL");
    is_error(flush(bus, 0, 8, 4), -XEN_EINVAL, "an operation that there is not: -EINVAL");
    is_error(flush(ref_a, 0, 8, clean | GNTTAB_CACHE_SOURCE_GREF), -XEN_EINVAL,
             "by reference, which there is not: -EINVAL");
    is_error(flush(NO_SUCH_MFN << PAGE_SHIFT, 0, 8, clean), -XEN_EINVAL, "of no frame: -EINVAL");
    is_error(flush(~0ull, 0, 8, clean), -XEN_EINVAL, "of the last address: -EINVAL");
}

int main(void)
{
    own = own_domain();
    page_a = page_alloc();
    page_b = page_alloc();
    fill_page(page_a, 3);
    ref_a = grant_give(own, page_a, false);
    ref_b = grant_give(NO_DOMAIN, page_b, true);
    test_swap();
    test_swap_errors();
    test_swap_batch();
    check_addresses(GNTTABOP_swap_grant_ref, sizeof(struct gnttab_swap_grant_ref), "swap_grant_ref",
                    ANSWERS_ANYWHERE, prepare_swap);
    test_swap_version_2();
    test_flush();
    check_addresses(GNTTABOP_cache_flush, sizeof(struct gnttab_cache_flush), "cache_flush",
                    ANSWERS_NOWHERE, NULL);
    return done();
}

/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Mapping a granted page, and letting it go.
 *
 * map_grant_ref takes a page that an entry of the table gives and puts it into the page tables of
 * the caller, at a virtual address or, with GNTMAP_contains_pte, into an entry named by its machine
 * address. The answer is a handle, which unmap_grant_ref wants to see again. GNTMAP_device_map asks
 * for the page's bus address, and is a mapping of its own: each of the two is undone for itself.
 * unmap_and_replace moves the entry of another address to where the grant was.
 *
 * As long as a grant is mapped its entry says GTF_reading, or _writing, too.
 *
 * test: vcpus=1,4
 */
#include "grants.h"

static domid_t own;
static uint64_t *page;  /* what is granted */
static char *window;    /* where it is mapped, four pages */
static grant_ref_t ref; /* read and write */
static grant_ref_t ro;  /* the same page, read-only */
static const unsigned HOST = GNTMAP_host_map;

static uint64_t va(unsigned n)
{
    return (uint64_t)(window + n * PAGE_SIZE);
}

static int map_at(unsigned n, unsigned flags, grant_handle_t *handle)
{
    struct gnttab_map_grant_ref op = map_request(own, ref, va(n), flags);
    int status = map_one(&op);

    *handle = op.handle;
    return status;
}

/* ---- What works ---------------------------------------------------------------------------- */

static void test_host_map(void)
{
    struct gnttab_map_grant_ref op = map_request(own, ref, va(0), HOST);
    struct gnttab_map_grant_ref second = map_request(own, ref, va(1), HOST | GNTMAP_readonly);
    uint64_t value;

    fill_page(page, 7);
    is(map_one(&op), GNTST_okay, "map: okay");
    is(op.dev_bus_addr, virt_to_maddr(page), "map: tells the bus address");
    is(checksum(window, PAGE_SIZE), checksum(page, PAGE_SIZE), "map: shows the page");
    is(flags_v1(ref), GTF_permit_access | GTF_reading | GTF_writing, "map: the entry says so");
    *(volatile uint64_t *)window = 12345;
    is(page[0], 12345, "map: what is written through it reaches the page");
    is(map_one(&second), GNTST_okay, "map again, read-only: okay");
    ok(second.handle != op.handle, "map again: another handle");
    ok(try_read(window + PAGE_SIZE, &value) && value == 12345, "read-only mapping: can be read");
    ok(!try_write(window + PAGE_SIZE, 1), "read-only mapping: cannot be written");
    is(unmap_one(va(0), 0, op.handle), GNTST_okay, "unmap: okay");
    ok(!try_read(window, &value), "unmap: nothing is mapped there any more");
    is(flags_v1(ref), GTF_permit_access | GTF_reading, "unmap of the writer: one reads it still");
    is(unmap_one(va(1), 0, second.handle), GNTST_okay, "unmap of the reader: okay");
    is(flags_v1(ref), GTF_permit_access, "unmap of the last: the entry is unused");
}

static void test_device_map(void)
{
    struct gnttab_map_grant_ref op = map_request(own, ref, 0, GNTMAP_device_map);
    uint64_t bus = virt_to_maddr(page);

    is(map_one(&op), GNTST_okay, "device map: okay, without an address");
    is(op.dev_bus_addr, bus, "device map: tells the bus address");
    is(unmap_one(0, bus + PAGE_SIZE, op.handle), GNTST_bad_dev_addr,
       "device unmap, wrong bus address: bad device address");
    is(unmap_one(0, 0, op.handle), GNTST_okay, "unmap of neither part: okay");
    is(flags_v1(ref) & GTF_reading, GTF_reading, "unmap of neither part: nothing has changed");
    is(unmap_one(0, bus, op.handle), GNTST_okay, "device unmap: okay");
    is(flags_v1(ref), GTF_permit_access, "device unmap: the entry is unused");

    op = map_request(own, ref, va(0), HOST | GNTMAP_device_map);
    is(map_one(&op), GNTST_okay, "both maps: okay");
    is(unmap_one(va(0), 0, op.handle), GNTST_okay, "both maps, host unmapped: okay");
    ok(flags_v1(ref) & GTF_reading, "both maps, host unmapped: still in use");
    is(unmap_one(0, bus, op.handle), GNTST_okay, "both maps, device unmapped: okay");
    is(flags_v1(ref), GTF_permit_access, "both maps, both unmapped: unused");
    is(unmap_one(0, bus, op.handle), GNTST_bad_handle, "both maps, unmapped again: bad handle");
}

static void test_contains_pte(void)
{
    uint64_t maddr = pte_maddr(window, 1);
    struct gnttab_map_grant_ref op = map_request(own, ref, maddr, HOST | GNTMAP_contains_pte);

    is(map_one(&op), GNTST_okay, "map to an entry: okay");
    is(checksum(window, PAGE_SIZE), checksum(page, PAGE_SIZE), "map to an entry: shows the page");
    is(replace_one(maddr, va(1), op.handle), GNTST_general_error,
       "replace of what is mapped to an entry: error");
    is(unmap_one(va(0), 0, op.handle), GNTST_general_error,
       "map to an entry, unmap by virtual address: error");
    is(unmap_one(maddr, 0, op.handle), GNTST_okay, "map to an entry, unmap by it: okay");

    for (unsigned offset = 1; offset < 8; offset++) {
        op = map_request(own, ref, maddr + offset, HOST | GNTMAP_contains_pte);
        is(map_one(&op), GNTST_general_error, "map to an entry, %u bytes on: error", offset);
    }
    op = map_request(own, ref, virt_to_maddr(page), HOST | GNTMAP_contains_pte);
    is(map_one(&op), GNTST_general_error, "map to an entry of no page table: error");
    op = map_request(own, ref, pte_maddr(window, 2), HOST | GNTMAP_contains_pte);
    is(map_one(&op), GNTST_general_error, "map to an entry of level 2: error");
    op = map_request(own, ref, pte_maddr(window, 4), HOST | GNTMAP_contains_pte);
    is(map_one(&op), GNTST_general_error, "map to an entry of level 4: error");
    op = map_request(own, ref, NO_SUCH_MFN << PAGE_SHIFT, HOST | GNTMAP_contains_pte);
    is(map_one(&op), GNTST_general_error, "map to an entry in no frame: error");
    op = map_request(own, ref, ~7ull, HOST | GNTMAP_contains_pte);
    is(map_one(&op), GNTST_general_error, "map to an entry at the end of addresses: error");
    is(flags_v1(ref), GTF_permit_access, "map to an entry, all refused: unused");
}

static void test_other_flags(void)
{
    grant_handle_t handle;
    uint64_t pte;

    is(map_at(0, HOST | GNTMAP_application_map, &handle), GNTST_okay, "application map: okay");
    is(unmap_one(va(0), 0, handle), GNTST_okay, "application map: unmapped");
    is(map_at(0, HOST | 0x5u << _GNTMAP_guest_avail0, &handle), GNTST_okay, "avail bits: okay");
    pte = *(volatile const uint64_t *)pte_of(window, 1);
    is(pte >> 9 & 7, 5, "avail bits: in bits 9 to 11 of the entry");
    is(unmap_one(va(0), 0, handle), GNTST_okay, "avail bits: unmapped");
    is(map_at(0, HOST | 0x1e0, &handle), GNTST_okay, "unknown flags: ignored");
    is(unmap_one(va(0), 0, handle), GNTST_okay, "unknown flags: unmapped");
}

/* What was mapped at the address before is given up, as by an update of the page table. */
static void test_over_mapping(void)
{
    char *other = page_alloc();
    grant_handle_t first, second;

    fill_page(other, 8);
    is_error(pte_set(window, pte_make(virt_to_mfn(other), PTE_KERNEL_RW)), 0,
             "a page of our own is mapped at the address");
    is(map_at(0, HOST, &first), GNTST_okay, "map over it: okay");
    is(checksum(window, PAGE_SIZE), checksum(page, PAGE_SIZE), "map over it: shows the grant");
    is(map_at(0, HOST, &second), GNTST_okay, "map over the mapping itself: okay");
    is(unmap_one(va(0), 0, first), GNTST_okay, "unmap of the one: okay, the entry fits");
    is(unmap_one(va(0), 0, second), GNTST_general_error, "unmap of the other: error, it is gone");
    is_error(pte_set(window, pte_make(virt_to_mfn(page), PTE_KERNEL_RW)), 0,
             "an entry that fits, by hand");
    is(unmap_one(va(0), 0, second), GNTST_okay, "unmap of the other: okay then");
    is(flags_v1(ref), GTF_permit_access, "unmap of both: unused");
    page_free(other);
}

static void test_replace(void)
{
    char *other = page_alloc();
    grant_handle_t handle;
    uint64_t value;

    fill_page(other, 9);
    is_error(pte_set(window + PAGE_SIZE, pte_make(virt_to_mfn(other), PTE_KERNEL_RW)), 0,
             "another page is mapped at another address");
    is(map_at(0, HOST, &handle), GNTST_okay, "map, to be replaced: okay");
    is(replace_one(va(2), va(1), handle), GNTST_general_error, "replace at a wrong address: error");
    is(replace_one(va(0), NO_ADDRESS, handle), GNTST_general_error,
       "replace by an address without tables: error");
    is(checksum(window, PAGE_SIZE), checksum(page, PAGE_SIZE), "replace refused: still mapped");
    is_error(pte_set(window + PAGE_SIZE, pte_make(virt_to_mfn(other), PTE_KERNEL_RW)), 0,
             "the other page is mapped again, as it may have been taken");
    is(replace_one(va(0), va(1), handle), GNTST_okay, "replace: okay");
    is(checksum(window, PAGE_SIZE), checksum(other, PAGE_SIZE), "replace: shows the other page");
    ok(!try_read(window + PAGE_SIZE, &value), "replace: the other address is empty");
    is(replace_one(va(0), va(1), handle), GNTST_bad_handle, "replace again: bad handle");
    is_error(pte_set(window, 0), 0, "the moved entry can be cleared");

    is(map_at(0, HOST, &handle), GNTST_okay, "map, to be replaced by nothing: okay");
    is(replace_one(va(0), 0, handle), GNTST_okay, "replace by address 0: an unmap");
    ok(!try_read(window, &value), "replace by address 0: nothing is mapped");
    is(map_at(0, HOST, &handle), GNTST_okay, "map, to be replaced by an empty entry: okay");
    is(replace_one(va(0), va(3), handle), GNTST_okay, "replace by an empty entry: okay");
    ok(!try_read(window, &value), "replace by an empty entry: nothing is mapped");
    is(flags_v1(ref), GTF_permit_access, "replaced: unused");
    page_free(other);
}

/* ---- What is refused ----------------------------------------------------------------------- */

static void refused(struct gnttab_map_grant_ref op, int status, const char *what)
{
    is(map_one(&op), status, "map, %s", what);
    if (op.status == GNTST_okay)
        (void)unmap_one(op.host_addr, 0, op.handle);
}

static void test_bad_names(void)
{
    grant_ref_t unused = grant_give(own, page, false), other = grant_give(NO_DOMAIN, page, false);

    write_v1(unused, 0, own, virt_to_mfn(page));
    refused(map_request(own, ref, va(0), 0), GNTST_bad_gntref, "no flags: bad reference");
    refused(map_request(own, ref, va(0), GNTMAP_readonly | GNTMAP_contains_pte), GNTST_bad_gntref,
            "neither host nor device: bad reference");
    refused(map_request(DOMID_SELF, ref, va(0), HOST), GNTST_bad_domain,
            "of DOMID_SELF: bad domain");
    refused(map_request(NO_DOMAIN, ref, va(0), HOST), GNTST_bad_domain, "of no domain: bad domain");
    refused(map_request(DOMID_IO, ref, va(0), HOST), GNTST_bad_domain, "of DOMID_IO: bad domain");
    refused(map_request(DOMID_XEN, ref, va(0), HOST), GNTST_bad_domain, "of DOMID_XEN: bad domain");
    refused(map_request(own, grant_entries(), va(0), HOST), GNTST_bad_gntref,
            "first reference behind the table: bad reference");
    refused(map_request(own, 0x80000000u, va(0), HOST), GNTST_bad_gntref,
            "reference 2^31: bad reference");
    refused(map_request(own, ~0u, va(0), HOST), GNTST_bad_gntref,
            "reference 2^32 - 1: bad reference");
    refused(map_request(own, unused, va(0), HOST), GNTST_general_error, "unused entry: error");
    refused(map_request(own, other, va(0), HOST), GNTST_general_error,
            "granted to another domain: error");
    refused(map_request(own, ro, va(0), HOST), GNTST_general_error,
            "writable, of a read-only grant: error");
    refused(map_request(own, ro, va(0), HOST | GNTMAP_readonly), GNTST_okay,
            "read-only, of a read-only grant: okay");
    (void)grant_end(unused);
    (void)grant_end(other);
}

static void test_bad_entries(void)
{
    grant_ref_t odd = grant_give(own, page, false);
    void *table = page_alloc();

    write_v1(odd, GTF_accept_transfer, own, virt_to_mfn(page));
    refused(map_request(own, odd, va(0), HOST), GNTST_general_error, "entry for a transfer: error");
    write_v1(odd, GTF_transitive, own, virt_to_mfn(page));
    refused(map_request(own, odd, va(0), HOST), GNTST_general_error, "transitive entry: error");
    write_v1(odd, GTF_permit_access | GTF_sub_page, own, virt_to_mfn(page));
    refused(map_request(own, odd, va(0), HOST), GNTST_general_error, "entry of a part: error");
    write_v1(odd, GTF_permit_access, own, NO_SUCH_MFN);
    refused(map_request(own, odd, va(0), HOST), GNTST_bad_page, "entry of no frame: bad page");
    write_v1(odd, GTF_permit_access, own, 0);
    refused(map_request(own, odd, va(0), HOST), GNTST_bad_page, "entry of frame 0: bad page");
    write_v1(odd, GTF_permit_access, own, tables_root());
    refused(map_request(own, odd, va(0), HOST), GNTST_general_error,
            "writable, entry of a page table: error");
    refused(map_request(own, odd, va(0), HOST | GNTMAP_readonly), GNTST_okay,
            "read-only, entry of a page table: okay");
    is(flags_v1(odd), GTF_permit_access, "after all that was refused: unused");
    page_free(table);
    (void)grant_end(odd);
}

static void test_bad_addresses(void)
{
    refused(map_request(own, ref, NO_ADDRESS, HOST), GNTST_general_error,
            "address without tables: error");
    refused(map_request(own, ref, 0, HOST), GNTST_general_error, "address 0: error");
    refused(map_request(own, ref, 0x800000000000ull, HOST), GNTST_general_error,
            "address not canonical: error");
    refused(map_request(own, ref, HYPERVISOR_VIRT_START, HOST), GNTST_general_error,
            "address of the hypervisor: error");
    refused(map_request(own, ref, HYPERVISOR_VIRT_END - PAGE_SIZE, HOST), GNTST_general_error,
            "last address of the hypervisor: error");
    refused(map_request(own, ref, ~0ull, HOST), GNTST_general_error, "the last address: error");
    refused(map_request(own, ref, va(0) + 8, HOST), GNTST_okay,
            "address in the middle of a page: that page");
    is(flags_v1(ref), GTF_permit_access, "after bad addresses: unused");
}

static void test_bad_unmaps(void)
{
    grant_handle_t handle;

    is(map_at(0, HOST, &handle), GNTST_okay, "map, to be unmapped wrongly: okay");
    is(unmap_one(va(1), 0, handle), GNTST_general_error, "unmap at an empty address: error");
    is(unmap_one((uint64_t)page, 0, handle), GNTST_okay,
       "unmap at another mapping of the same page: that one goes");
    is_error(pte_set(page, pte_make(pte_mfn(*pte_of(window, 1)), PTE_KERNEL_RW)), 0,
             "the page is mapped again where it was");
    is(unmap_one(va(0), 0, handle), GNTST_bad_handle, "unmap again: bad handle");
    is_error(pte_set(window, 0), 0, "what is left of it is cleared as an entry of our own");
    is(flags_v1(ref), GTF_permit_access, "unmapped in another place: unused");
    is(unmap_one(va(0), 0, 0x7fffffffu), GNTST_bad_handle, "handle 2^31 - 1: bad handle");
    is(unmap_one(va(0), 0, ~0u), GNTST_bad_handle, "handle 2^32 - 1: bad handle");
    is(map_at(0, HOST | GNTMAP_readonly, &handle), GNTST_okay, "map read-only: okay");
    is_error(pte_set(window, pte_make(virt_to_mfn(page), PTE_KERNEL_RW)), 0,
             "the entry is made writable by hand");
    is(unmap_one(va(0), 0, handle), GNTST_general_error,
       "unmap where rights differ from the mapping's: error");
    is_error(pte_set(window, pte_make(virt_to_mfn(page), PTE_KERNEL_RO)), 0,
             "the entry is made read-only again");
    is(unmap_one(va(0), 0, handle), GNTST_okay, "unmap where rights are the mapping's: okay");
}

/* The entry is read when a grant is first used; what is written to it later comes too late. */
static void test_end_while_mapped(void)
{
    grant_ref_t mine = grant_give(own, page, false);
    struct gnttab_map_grant_ref op = map_request(own, mine, va(0), HOST | GNTMAP_readonly);
    struct gnttab_map_grant_ref again = map_request(own, mine, va(1), HOST | GNTMAP_readonly);
    uint64_t value;

    is(map_one(&op), GNTST_okay, "map, to be ended: okay");
    ok(!grant_end(mine), "a grant that is mapped cannot be ended");
    entry_v1(mine)->frame = (uint32_t)virt_to_mfn(page) ^ 1;
    entry_v1(mine)->flags = 0;
    ok(try_read(window, &value) && value == page[0], "ended by force: it stays mapped");
    is(map_one(&again), GNTST_okay, "ended by force: it can be mapped again, being in use");
    is(again.dev_bus_addr, virt_to_maddr(page), "ended by force: the same page as before");
    is(unmap_one(va(1), 0, again.handle), GNTST_okay, "ended by force: unmapped once");
    is(unmap_one(va(0), 0, op.handle), GNTST_okay, "ended by force: unmapped twice");
    is(flags_v1(mine), 0, "ended by force: the entry is as it was written");
    is(map_one(&op), GNTST_general_error, "ended by force, and unmapped: refused");
    (void)grant_end(mine);
}

/* ---- Batches ------------------------------------------------------------------------------- */

static void test_batch(void)
{
    struct gnttab_map_grant_ref ops[3] = {
        map_request(own, ref, va(0), HOST),
        map_request(own, ~0u, va(1), HOST),
        map_request(own, ref, va(2), HOST),
    };
    struct gnttab_unmap_grant_ref un[3];

    is_error(HYPERVISOR_grant_table_op(GNTTABOP_map_grant_ref, ops, 3), 0, "batch: returns 0");
    ok(ops[0].status == GNTST_okay && ops[1].status == GNTST_bad_gntref &&
           ops[2].status == GNTST_okay,
       "batch: each element has its own status");
    for (unsigned i = 0; i < 3; i++)
        un[i] = (struct gnttab_unmap_grant_ref){
            .host_addr = va(i), .handle = i == 1 ? ~0u : ops[i].handle, .status = STATUS_UNSET};
    is_error(HYPERVISOR_grant_table_op(GNTTABOP_unmap_grant_ref, un, 3), 0,
             "batch of unmaps: returns 0");
    ok(un[0].status == GNTST_okay && un[1].status == GNTST_bad_handle && un[2].status == GNTST_okay,
       "batch of unmaps: each element has its own status");
    is_error(HYPERVISOR_grant_table_op(GNTTABOP_map_grant_ref, ops, 0), 0, "batch of none: 0");
    is_error(HYPERVISOR_grant_table_op(GNTTABOP_unmap_grant_ref, un, 0), 0,
             "batch of no unmaps: 0");
    is_error(HYPERVISOR_grant_table_op(GNTTABOP_map_grant_ref, ops, 0x80000000u), -XEN_EINVAL,
             "batch of 2^31: -EINVAL");
}

/* An array that runs out of its page: what is in the page is done. */
static void test_batch_fault(void)
{
    char *area = window_alloc(2), *first = page_alloc();
    struct gnttab_map_grant_ref *ops;

    (void)pte_set(area, pte_make(virt_to_mfn(first), PTE_KERNEL_RW));
    ops = (struct gnttab_map_grant_ref *)(void *)(area + PAGE_SIZE) - 2;
    ops[0] = map_request(own, ref, va(0), HOST);
    ops[1] = map_request(own, ref, va(1), HOST);
    is_error(HYPERVISOR_grant_table_op(GNTTABOP_map_grant_ref, ops, 3), -XEN_EFAULT,
             "batch into an unmapped page: -EFAULT");
    ok(ops[0].status == GNTST_okay && ops[1].status == GNTST_okay,
       "batch into an unmapped page: what came before is done");
    for (unsigned i = 0; i < 2; i++)
        (void)unmap_one(va(i), 0, ops[i].handle);
    is(flags_v1(ref), GTF_permit_access, "batch into an unmapped page: can be undone");
    (void)pte_set(area, 0);
    window_free(area, 2);
    page_free(first);
}

/* Three grants of the page, as Xen lets one be mapped only 128 times at once. */
static void test_many(void)
{
    enum { MANY = 300 };
    static struct gnttab_map_grant_ref ops[MANY];
    static struct gnttab_unmap_grant_ref un[MANY];
    grant_ref_t refs[3];
    char *area = window_alloc(MANY);
    unsigned wrong = 0;

    for (unsigned i = 0; i < 3; i++)
        refs[i] = grant_give(own, page, false);
    for (unsigned i = 0; i < MANY; i++)
        ops[i] = map_request(own, refs[i % 3], (uint64_t)(area + i * PAGE_SIZE), HOST);
    is_error(HYPERVISOR_grant_table_op(GNTTABOP_map_grant_ref, ops, MANY), 0, "300 maps: 0");
    for (unsigned i = 0; i < MANY; i++) {
        wrong += ops[i].status != GNTST_okay;
        un[i] =
            (struct gnttab_unmap_grant_ref){.host_addr = ops[i].host_addr, .handle = ops[i].handle};
    }
    for (unsigned i = 0; i < MANY && !wrong; i++)
        wrong += *(volatile uint64_t *)(area + i * PAGE_SIZE) != page[0];
    is(wrong, 0, "300 maps: all show the page");
    is_error(HYPERVISOR_grant_table_op(GNTTABOP_unmap_grant_ref, un, MANY), 0, "300 unmaps: 0");
    for (unsigned i = 0; i < MANY; i++)
        wrong += un[i].status != GNTST_okay;
    is(wrong, 0, "300 unmaps: all okay");
    for (unsigned i = 0; i < 3; i++)
        wrong += !grant_end(refs[i]);
    is(wrong, 0, "300 unmaps: the grants can be ended");
    window_free(area, MANY);
}

static void prepare_map(void *request)
{
    *(struct gnttab_map_grant_ref *)request = map_request(own, ~0u, va(0), HOST);
}

static void prepare_unmap(void *request)
{
    *(struct gnttab_unmap_grant_ref *)request =
        (struct gnttab_unmap_grant_ref){.host_addr = va(0), .handle = ~0u};
}

int main(void)
{
    own = own_domain();
    page = page_alloc();
    window = window_alloc(4);
    ref = grant_give(own, page, false);
    ro = grant_give(own, page, true);
    test_host_map();
    test_device_map();
    test_contains_pte();
    test_other_flags();
    test_over_mapping();
    test_replace();
    test_bad_names();
    test_bad_entries();
    test_bad_addresses();
    test_bad_unmaps();
    test_end_while_mapped();
    test_batch();
    test_batch_fault();
    test_many();
    check_addresses(GNTTABOP_map_grant_ref, sizeof(struct gnttab_map_grant_ref), "map_grant_ref",
                    ANSWERS_ANYWHERE, prepare_map);
    check_addresses(GNTTABOP_unmap_grant_ref, sizeof(struct gnttab_unmap_grant_ref),
                    "unmap_grant_ref", ANSWERS_ANYWHERE, prepare_unmap);
    check_addresses(GNTTABOP_unmap_and_replace, sizeof(struct gnttab_unmap_and_replace),
                    "unmap_and_replace", ANSWERS_ANYWHERE, prepare_unmap);
    return done();
}

/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Copying by the hypervisor, between granted pages and pages of the caller's own.
 *
 * Each side of a copy is a grant of some domain's, or a frame of the caller's; with an offset. The
 * bytes must lie in one page. Nothing is mapped, so copying is the way for small things, and many
 * requests go in one hypercall. In version 2 a grant may be of a part of a page, which only copying
 * can use, or stand for a grant of another domain (transitive).
 *
 * test: vcpus=1,4
 */
#include "grants.h"

static domid_t own;
static char *from, *to; /* two pages */
static grant_ref_t from_ref, to_ref;

#define GREF_TO_GREF (GNTCOPY_source_gref | GNTCOPY_dest_gref)

/* From `from` to `to`, by grants or frames as flags say. */
static struct gnttab_copy request(unsigned flags, unsigned from_at, unsigned to_at, unsigned len)
{
    struct gnttab_copy op = {
        .source = {.domid = DOMID_SELF, .offset = (uint16_t)from_at},
        .dest = {.domid = DOMID_SELF, .offset = (uint16_t)to_at},
        .len = (uint16_t)len,
        .flags = (uint16_t)flags,
        .status = STATUS_UNSET,
    };

    if (flags & GNTCOPY_source_gref)
        op.source.u.ref = from_ref;
    else
        op.source.u.gmfn = virt_to_mfn(from);
    if (flags & GNTCOPY_dest_gref)
        op.dest.u.ref = to_ref;
    else
        op.dest.u.gmfn = virt_to_mfn(to);
    return op;
}

static int copy(struct gnttab_copy op)
{
    (void)grant_op(GNTTABOP_copy, &op);
    return op.status;
}

static void reset(void)
{
    fill_page(from, random_u64());
    fill_page(to, random_u64());
}

/* ---- What works ---------------------------------------------------------------------------- */

/* Copies, and looks at every byte of the destination. */
static void check_copy(struct gnttab_copy op, const char *what)
{
    static char wanted[PAGE_SIZE];

    reset();
    memcpy(wanted, to, PAGE_SIZE);
    memcpy(wanted + op.dest.offset, from + op.source.offset, op.len);
    is(copy(op), GNTST_okay, "%s: okay", what);
    is(checksum(to, PAGE_SIZE), checksum(wanted, PAGE_SIZE), "%s: these bytes, and no others",
       what);
}

static void test_kinds(void)
{
    check_copy(request(0, 0, 0, 4096), "frame to frame");
    check_copy(request(GNTCOPY_source_gref, 0, 0, 4096), "grant to frame");
    check_copy(request(GNTCOPY_dest_gref, 0, 0, 4096), "frame to grant");
    check_copy(request(GREF_TO_GREF, 0, 0, 4096), "grant to grant");
    check_copy(request(GREF_TO_GREF | 0x8000, 0, 0, 4096), "flags that mean nothing");
    is(flags_v1(from_ref), GTF_permit_access, "after copies: the source is unused");
    is(flags_v1(to_ref), GTF_permit_access, "after copies: the destination is unused");
}

static void test_places(void)
{
    check_copy(request(GREF_TO_GREF, 0, 0, 0), "no bytes");
    check_copy(request(GREF_TO_GREF, 4096, 4096, 0), "no bytes at the page's end");
    check_copy(request(GREF_TO_GREF, 0, 0, 1), "the first byte");
    check_copy(request(GREF_TO_GREF, 4095, 4095, 1), "the last byte");
    check_copy(request(GREF_TO_GREF, 4095, 0, 1), "the last byte to the first");
    check_copy(request(GREF_TO_GREF, 1, 3, 4093), "up to the page's end, misaligned");
    check_copy(request(GNTCOPY_source_gref, 2048, 0, 2048), "the second half to the first");
}

static void test_same_page(void)
{
    struct gnttab_copy op = request(GREF_TO_GREF, 0, 2048, 2048);

    reset();
    op.dest.u.ref = from_ref;
    is(copy(op), GNTST_okay, "within one granted page: okay");
    ok(memcmp(from, from + 2048, 2048) == 0, "within one granted page: copied");
    is(flags_v1(from_ref), GTF_permit_access, "within one granted page: unused afterwards");
}

/* ---- What is refused ----------------------------------------------------------------------- */

static void refused(struct gnttab_copy op, int status, const char *what)
{
    uint64_t before;

    reset();
    before = checksum(to, PAGE_SIZE);
    is(copy(op), status, "copy, %s", what);
    if (status != GNTST_okay)
        is(checksum(to, PAGE_SIZE), before, "copy, %s; nothing was written", what);
}

static void test_bounds(void)
{
    refused(request(GREF_TO_GREF, 4095, 0, 2), GNTST_bad_copy_arg, "source across the page's end");
    refused(request(GREF_TO_GREF, 0, 4095, 2), GNTST_bad_copy_arg,
            "destination across the page's end");
    refused(request(GREF_TO_GREF, 4096, 0, 1), GNTST_bad_copy_arg, "source behind the page");
    refused(request(GREF_TO_GREF, 0, 0, 4097), GNTST_bad_copy_arg, "more than a page");
    refused(request(GREF_TO_GREF, 0xffff, 0, 0xffff), GNTST_bad_copy_arg, "the greatest numbers");
    refused(request(0, 1, 0, 0xffff), GNTST_bad_copy_arg, "a sum that overflows 16 bits");
}

static void test_bad_sides(void)
{
    struct gnttab_copy op = request(GNTCOPY_source_gref, 0, 0, 8);

    op.source.domid = NO_DOMAIN;
    refused(op, GNTST_bad_domain, "grant of no domain");
    op = request(0, 0, 0, 8);
    op.source.domid = own;
    refused(op, GNTST_permission_denied, "source frame by the domain's own number");
    op = request(0, 0, 0, 8);
    op.dest.domid = NO_DOMAIN;
    refused(op, GNTST_bad_domain, "destination frame of no domain");
    op = request(GNTCOPY_source_gref, 0, 0, 8);
    op.source.domid = own;
    refused(op, GNTST_okay, "grant by the domain's own number");
    op.source.u.ref = ~0u;
    refused(op, GNTST_bad_gntref, "reference 2^32 - 1");
    op.source.u.ref = grant_entries();
    refused(op, GNTST_bad_gntref, "first reference behind the table");
    op = request(0, 0, 0, 8);
    op.source.u.gmfn = NO_SUCH_MFN;
    refused(op, GNTST_bad_page, "source frame that there is not");
    op.source.u.gmfn = ~0ul;
    refused(op, GNTST_bad_page, "source frame 2^64 - 1");
    op = request(0, 0, 0, 8);
    op.dest.u.gmfn = tables_root();
    refused(op, GNTST_general_error, "destination frame a page table");
    op = request(0, 0, 0, 8);
    op.source.u.gmfn = tables_root();
    refused(op, GNTST_okay, "source frame a page table");
    op.dest.u.gmfn = 0;
    refused(op, GNTST_bad_page, "destination frame 0");
}

static void test_bad_entries(void)
{
    grant_ref_t odd = grant_give(own, from, false);
    struct gnttab_copy source = request(GNTCOPY_source_gref, 0, 0, 8);
    struct gnttab_copy dest = request(GNTCOPY_dest_gref, 0, 0, 8);

    source.source.u.ref = odd;
    dest.dest.u.ref = odd;
    write_v1(odd, 0, own, virt_to_mfn(to));
    refused(source, GNTST_general_error, "unused entry");
    write_v1(odd, GTF_permit_access, NO_DOMAIN, virt_to_mfn(to));
    refused(source, GNTST_general_error, "granted to another domain");
    write_v1(odd, GTF_permit_access | GTF_readonly, own, virt_to_mfn(to));
    refused(dest, GNTST_general_error, "to a read-only grant");
    write_v1(odd, GTF_accept_transfer, own, virt_to_mfn(to));
    refused(source, GNTST_general_error, "entry for a transfer");
    write_v1(odd, GTF_transitive, own, virt_to_mfn(to));
    refused(source, GNTST_general_error, "transitive entry in version 1");
    write_v1(odd, GTF_permit_access, own, NO_SUCH_MFN);
    refused(source, GNTST_bad_page, "entry of no frame");
    write_v1(odd, GTF_permit_access, own, tables_root());
    refused(dest, GNTST_general_error, "to an entry of a page table");
    is(flags_v1(odd), GTF_permit_access, "after all that was refused: unused");
    is(flags_v1(from_ref), GTF_permit_access, "after all that was refused: the source, too");
    (void)grant_end(odd);
}

/* ---- Batches ------------------------------------------------------------------------------- */

static void test_batch(void)
{
    enum { MANY = 512 };
    static struct gnttab_copy ops[MANY];
    unsigned wrong = 0;

    reset();
    /* Every eighth byte, from the end to the beginning. */
    for (unsigned i = 0; i < MANY; i++)
        ops[i] = request(i & GREF_TO_GREF, i * 8, 4096 - (i + 1) * 8, 8);
    ops[100].source.u.gmfn = NO_SUCH_MFN;
    ops[101].len = 4097;
    is_error(HYPERVISOR_grant_table_op(GNTTABOP_copy, ops, MANY), 0, "512 copies: returns 0");
    for (unsigned i = 0; i < MANY; i++)
        wrong += ops[i].status != (i == 100   ? GNTST_bad_page
                                   : i == 101 ? GNTST_bad_copy_arg
                                              : GNTST_okay);
    is(wrong, 0, "512 copies: each has its own status, the two that are wrong, too");
    for (unsigned i = 0; i < MANY; i++)
        wrong += i != 100 && i != 101 && memcmp(from + i * 8, to + 4096 - (i + 1) * 8, 8) != 0;
    is(wrong, 0, "512 copies: all others copied");
    is_error(HYPERVISOR_grant_table_op(GNTTABOP_copy, ops, 0), 0, "no copies: returns 0");
    is_error(HYPERVISOR_grant_table_op(GNTTABOP_copy, ops, 0x80000000u), -XEN_EINVAL,
             "2^31 copies: -EINVAL");
}

static void test_batch_fault(void)
{
    char *area = window_alloc(2), *first = page_alloc();
    struct gnttab_copy *ops = (struct gnttab_copy *)(void *)(area + PAGE_SIZE) - 1;

    (void)pte_set(area, pte_make(virt_to_mfn(first), PTE_KERNEL_RW));
    reset();
    ops[0] = request(GREF_TO_GREF, 0, 0, 4096);
    is_error(HYPERVISOR_grant_table_op(GNTTABOP_copy, ops, 2), -XEN_EFAULT,
             "batch into an unmapped page: -EFAULT");
    is(ops[0].status, GNTST_okay, "batch into an unmapped page: what came before is done");
    is(checksum(to, PAGE_SIZE), checksum(from, PAGE_SIZE), "batch into an unmapped page: copied");
    (void)pte_set(area, 0);
    window_free(area, 2);
    page_free(first);
}

/* ---- Version 2 ----------------------------------------------------------------------------- */

enum { PART = 20, WHOLE, TRANSITIVE, DEST }; /* references */

static struct gnttab_copy request_v2(unsigned source, unsigned from_at, unsigned to_at,
                                     unsigned len)
{
    struct gnttab_copy op = request(GREF_TO_GREF, from_at, to_at, len);

    op.source.u.ref = source;
    op.dest.u.ref = DEST;
    return op;
}

static void test_parts(void)
{
    volatile grant_entry_v2_t *part = entry_v2(PART);
    struct gnttab_copy op;
    void *window = window_alloc(1);
    struct gnttab_map_grant_ref map = map_request(own, PART, (uint64_t)window, GNTMAP_host_map);

    write_v2(PART, 0, own, virt_to_mfn(from));
    part->sub_page.page_off = 100;
    part->sub_page.length = 50;
    part->hdr.flags = GTF_permit_access | GTF_sub_page;
    check_copy(request_v2(PART, 100, 0, 50), "all of a part of a page");
    check_copy(request_v2(PART, 149, 0, 1), "the last byte of a part");
    refused(request_v2(PART, 99, 0, 2), GNTST_general_error, "a byte before the part");
    refused(request_v2(PART, 149, 0, 2), GNTST_general_error, "a byte behind the part");
    refused(request_v2(PART, 0, 0, 4096), GNTST_general_error, "the page round the part");
    refused(request_v2(PART, 4095, 0, 2), GNTST_bad_copy_arg, "across the page's end");
    is(map_one(&map), GNTST_general_error, "a part of a page cannot be mapped");
    part->sub_page.page_off = 4000;
    part->sub_page.length = 0xffff;
    refused(request_v2(PART, 4095, 0, 2), GNTST_bad_copy_arg, "a part that leaves its page");
    check_copy(request_v2(PART, 4000, 0, 96), "what is in the page of a part that leaves it");
    op = request_v2(WHOLE, 0, 0, 8);
    op.dest.u.ref = PART;
    refused(op, GNTST_general_error, "to a place outside the part");
    window_free(window, 1);
}

/* To a third domain there is no way here; what names the granting domain itself is refused. */
static void test_transitive(void)
{
    volatile grant_entry_v2_t *entry = entry_v2(TRANSITIVE);
    void *window = window_alloc(1);
    struct gnttab_map_grant_ref map =
        map_request(own, TRANSITIVE, (uint64_t)window, GNTMAP_host_map);

    write_v2(TRANSITIVE, 0, own, 0);
    entry->transitive.trans_domid = own;
    entry->transitive.gref = WHOLE;
    entry->hdr.flags = GTF_transitive;
    refused(request_v2(TRANSITIVE, 0, 0, 8), GNTST_general_error, "transitive to the same domain");
    entry->transitive.trans_domid = NO_DOMAIN;
    refused(request_v2(TRANSITIVE, 0, 0, 8), GNTST_general_error, "transitive to no domain");
    is(map_one(&map), GNTST_general_error, "a transitive grant cannot be mapped");
    window_free(window, 1);
}

static void test_version_2(void)
{
    is_error(set_version(2), 0, "version 2");
    write_v2(WHOLE, GTF_permit_access, own, virt_to_mfn(from));
    write_v2(DEST, GTF_permit_access, own, virt_to_mfn(to));
    check_copy(request_v2(WHOLE, 0, 0, 4096), "version 2, whole pages");
    write_v2(WHOLE, GTF_permit_access, own, 1ul << 40);
    refused(request_v2(WHOLE, 0, 0, 8), GNTST_bad_page, "version 2, entry of no frame");
    write_v2(WHOLE, GTF_permit_access | GTF_readonly, own, virt_to_mfn(from));
    test_parts();
    test_transitive();
    is_error(set_version(1), 0, "version 1 again: nothing is in use");
}

static void prepare(void *op)
{
    *(struct gnttab_copy *)op = request(0, 0, 0, 0);
}

int main(int argc, char **argv)
{
    random_start(argc, argv);
    own = own_domain();
    from = page_alloc();
    to = page_alloc();
    from_ref = grant_give(own, from, false);
    to_ref = grant_give(own, to, false);
    test_kinds();
    test_places();
    test_same_page();
    test_bounds();
    test_bad_sides();
    test_bad_entries();
    test_batch();
    test_batch_fault();
    check_addresses(GNTTABOP_copy, sizeof(struct gnttab_copy), "copy", ANSWERS_ANYWHERE, prepare);
    test_version_2();
    return done();
}

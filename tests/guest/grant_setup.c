/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The grant table as memory: how large it is and may grow, its frames, its version.
 *
 * The table belongs to the hypervisor, which lends its frames to the domain: setup_table grows it
 * and gives their numbers, and the domain maps them. It never shrinks, and frames never change. In
 * version 2, marks of use are apart from the entries, in an array of status words, whose frames
 * get_status_frames gives. A change of the version empties the table, but for the first eight
 * entries, which tools may have filled in; and it is refused while any other is in use.
 *
 * test: vcpus=1,4
 */
#include "grants.h"

#define MAX_LIST 1024u
#define V2_REF   200 /* one frame holds 256 entries of version 2 */

static domid_t own;
static xen_pfn_t list[MAX_LIST];
static uint64_t status_list[MAX_LIST];

static struct gnttab_query_size query(domid_t domain)
{
    struct gnttab_query_size op = {.dom = domain, .status = STATUS_UNSET};

    (void)grant_op(GNTTABOP_query_size, &op);
    return op;
}

static int setup(domid_t domain, unsigned frames)
{
    struct gnttab_setup_table op = {.dom = domain, .nr_frames = frames, .status = STATUS_UNSET};

    set_xen_guest_handle(op.frame_list, list);
    (void)grant_op(GNTTABOP_setup_table, &op);
    return op.status;
}

static int status_frames(domid_t domain, unsigned frames)
{
    struct gnttab_get_status_frames op = {
        .dom = domain, .nr_frames = frames, .status = STATUS_UNSET};

    set_xen_guest_handle(op.frame_list, status_list);
    (void)grant_op(GNTTABOP_get_status_frames, &op);
    return op.status;
}

static long version_of(domid_t domain, unsigned *version)
{
    struct gnttab_get_version op = {.dom = domain};
    long result = grant_op(GNTTABOP_get_version, &op);

    *version = op.version;
    return result;
}

/* ---- Size ---------------------------------------------------------------------------------- */

static void test_query_size(void)
{
    struct gnttab_query_size size = query(DOMID_SELF), same = query(own);

    is(size.status, GNTST_okay, "query_size: okay");
    ok(size.nr_frames >= 1 && size.nr_frames <= size.max_nr_frames,
       "query_size: at least one frame, at most the limit");
    ok(same.status == GNTST_okay && same.nr_frames == size.nr_frames &&
           same.max_nr_frames == size.max_nr_frames,
       "query_size: the same by the domain's own number");
    is(query(NO_DOMAIN).status, GNTST_bad_domain, "query_size of no domain: bad domain");
    is(query(DOMID_INVALID).status, GNTST_bad_domain, "query_size of DOMID_INVALID: bad domain");
}

static void test_setup(void)
{
    struct gnttab_setup_table op = {.dom = DOMID_SELF, .nr_frames = 1};

    list[0] = list[1] = 0;
    is(setup(DOMID_SELF, 1), GNTST_okay, "setup_table of one frame: okay");
    is(list[0], pte_mfn(*pte_of(entry_v1(0), 1)), "setup_table: gives the frame mapped as table");
    is(list[1], 0, "setup_table: gives no more frames than were asked for");
    is(setup(own, 1), GNTST_okay, "setup_table by the domain's own number: okay");
    is(setup(DOMID_SELF, 0), GNTST_okay, "setup_table of no frame: okay");
    is(setup(NO_DOMAIN, 1), GNTST_bad_domain, "setup_table of no domain: bad domain");

    set_xen_guest_handle(op.frame_list, (xen_pfn_t *)NO_ADDRESS);
    is_error(grant_op(GNTTABOP_setup_table, &op), 0, "setup_table, list not mapped: returns 0");
    is(op.status, GNTST_bad_virt_addr, "setup_table, list not mapped: bad virtual address");
    set_xen_guest_handle(op.frame_list, (xen_pfn_t *)HYPERVISOR_VIRT_START);
    is_error(grant_op(GNTTABOP_setup_table, &op), -XEN_EFAULT,
             "setup_table, list in the hypervisor: -EFAULT");
}

static void test_counts(void)
{
    static const struct {
        unsigned cmd;
        const char *name;
    } ops[] = {{GNTTABOP_setup_table, "setup_table"},
               {GNTTABOP_query_size, "query_size"},
               {GNTTABOP_get_status_frames, "get_status_frames"}};
    struct gnttab_set_version version = {.version = 1};
    struct gnttab_get_version get = {.dom = DOMID_SELF};
    static char zeroes[256];

    for (unsigned i = 0; i < sizeof(ops) / sizeof(ops[0]); i++) {
        is_error(HYPERVISOR_grant_table_op(ops[i].cmd, zeroes, 0), -XEN_EINVAL,
                 "%s of 0 elements: -EINVAL", ops[i].name);
        is_error(HYPERVISOR_grant_table_op(ops[i].cmd, zeroes, 2), -XEN_EINVAL,
                 "%s of 2 elements: -EINVAL", ops[i].name);
        is_error(HYPERVISOR_grant_table_op(ops[i].cmd, zeroes, 0x80000000u), -XEN_EINVAL,
                 "%s of 2^31 elements: -EINVAL", ops[i].name);
    }
    is_error(HYPERVISOR_grant_table_op(GNTTABOP_set_version, &version, 0), 0,
             "set_version of 0 elements: takes one");
    is_error(HYPERVISOR_grant_table_op(GNTTABOP_set_version, &version, 2), 0,
             "set_version of 2 elements: takes one");
    is_error(HYPERVISOR_grant_table_op(GNTTABOP_get_version, &get, 0), 0,
             "get_version of 0 elements: takes one");
    is_error(HYPERVISOR_grant_table_op(GNTTABOP_get_version, &get, 2), 0,
             "get_version of 2 elements: takes one");
    is_error(HYPERVISOR_grant_table_op(GNTTABOP_dump_table, zeroes, 1), -XEN_ENOSYS,
             "dump_table: -ENOSYS");
    is_error(HYPERVISOR_grant_table_op(GNTTABOP_cache_flush + 1, zeroes, 1), -XEN_ENOSYS,
             "operation 13: -ENOSYS");
}

/* One frame at a time to the limit, and beyond. */
static void test_growth(void)
{
    unsigned max = query(DOMID_SELF).max_nr_frames, before = query(DOMID_SELF).nr_frames;
    unsigned wrong = 0;
    xen_pfn_t first;

    (void)setup(DOMID_SELF, 1);
    first = list[0];
    for (unsigned frames = before; frames <= max; frames++)
        wrong += setup(DOMID_SELF, frames) != GNTST_okay || list[0] != first ||
                 query(DOMID_SELF).nr_frames != frames;
    is(wrong, 0, "setup_table: grows to the limit a frame at a time, and the first one stays");
    for (unsigned i = 0; i < max; i++)
        for (unsigned j = 0; j < i; j++)
            wrong += list[i] == list[j];
    is(wrong, 0, "setup_table: all frames differ");
    is(setup(DOMID_SELF, max + 1), GNTST_general_error, "setup_table above the limit: error");
    is(setup(DOMID_SELF, 0x7fffffffu), GNTST_general_error,
       "setup_table of 2^31 - 1 frames: error");
    is(query(DOMID_SELF).nr_frames, max, "setup_table above the limit: nothing has changed");
    is(setup(DOMID_SELF, 1), GNTST_okay, "setup_table of fewer frames than there are: okay");
    is(query(DOMID_SELF).nr_frames, max, "setup_table of fewer frames: the table keeps its size");
}

/* The last entry of the grown table works as the first. */
static void test_last_entry(void)
{
    unsigned max = query(DOMID_SELF).max_nr_frames, index = (unsigned)(PAGE_SIZE / 8 - 1);
    grant_ref_t last = max * (grant_ref_t)(PAGE_SIZE / 8) - 1;
    void *page = page_alloc(), *window = window_alloc(1);
    unsigned long mfn;
    volatile grant_entry_v1_t *table;
    struct gnttab_map_grant_ref op = map_request(own, last, (uint64_t)window, GNTMAP_host_map);

    (void)setup(DOMID_SELF, max);
    mfn = list[max - 1];
    table = map_frames(&mfn, 1, PTE_KERNEL_RW, DOMID_SELF, NULL);
    if (!ok(table != NULL, "the last frame of the table can be mapped"))
        return;
    fill_page(page, 1);
    table[index].domid = own;
    table[index].frame = (uint32_t)virt_to_mfn(page);
    table[index].flags = GTF_permit_access;
    is(map_one(&op), GNTST_okay, "the last entry of the table: can be mapped");
    is(checksum(window, PAGE_SIZE), checksum(page, PAGE_SIZE), "the last entry: shows its page");
    is(unmap_one((uint64_t)window, 0, op.handle), GNTST_okay, "the last entry: unmapped");
    op.ref = last + 1;
    is(map_one(&op), GNTST_bad_gntref, "the entry behind the last: bad reference");
    table[index].flags = 0;
    window_free((void *)(uintptr_t)table, 1);
    window_free(window, 1);
    page_free(page);
}

/* ---- Versions ------------------------------------------------------------------------------ */

static void test_version_errors(void)
{
    static const unsigned wrong[] = {0, 3, 0x80000001u, ~0u};
    unsigned version;

    is_error(version_of(DOMID_SELF, &version), 0, "get_version: works");
    is(version, 1, "get_version: 1 at first");
    is_error(version_of(own, &version), 0, "get_version by the domain's own number: works");
    is_error(version_of(NO_DOMAIN, &version), -XEN_ESRCH, "get_version of no domain: -ESRCH");
    for (unsigned i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
        struct gnttab_set_version op = {.version = wrong[i]};

        is_error(grant_op(GNTTABOP_set_version, &op), -XEN_EINVAL, "set_version %u: -EINVAL",
                 wrong[i]);
        is(op.version, 1, "set_version %u: tells the version in force", wrong[i]);
    }
    is_error(set_version(1), 0, "set_version to what it is: works");
    is(status_frames(DOMID_SELF, 1), GNTST_general_error, "status frames in version 1: error");
    is(status_frames(DOMID_SELF, 0), GNTST_okay, "no status frame in version 1: okay");
}

static void test_busy(void)
{
    void *page = page_alloc();
    grant_handle_t handle;
    grant_ref_t ref = grant_give(own, page, false);
    void *mapped = grant_map(own, ref, false, &handle, NULL);
    unsigned version;

    is_error(set_version(2), -XEN_EBUSY, "set_version while a grant is mapped: -EBUSY");
    (void)version_of(DOMID_SELF, &version);
    is(version, 1, "set_version while a grant is mapped: nothing has changed");
    is(entry_v1(ref)->domid, own, "set_version while a grant is mapped: entries are kept");
    (void)grant_unmap(mapped, handle);
    (void)grant_end(ref);
    page_free(page);
}

static void test_version_2(void)
{
    struct gnttab_get_status_frames op = {.dom = DOMID_SELF, .nr_frames = 1};
    void *page = page_alloc();
    unsigned version;

    write_v1(2, GTF_permit_access | GTF_readonly, own, virt_to_mfn(page));
    write_v1(100, GTF_permit_access, own, virt_to_mfn(page));
    is_error(set_version(2), 0, "set_version 2: works");
    (void)version_of(DOMID_SELF, &version);
    is(version, 2, "get_version: 2 after it");
    ok(entry_v2(2)->hdr.flags == (GTF_permit_access | GTF_readonly) &&
           entry_v2(2)->hdr.domid == own && entry_v2(2)->full_page.frame == virt_to_mfn(page),
       "set_version 2: a reserved entry keeps its meaning");
    is(entry_v1(100)->flags, 0, "set_version 2: other entries are cleared");
    is(status_frames(DOMID_SELF, 1), GNTST_okay, "status frames: okay in version 2");
    set_xen_guest_handle(op.frame_list, (uint64_t *)NO_ADDRESS);
    is_error(grant_op(GNTTABOP_get_status_frames, &op), 0, "status frames, list not mapped: 0");
    is(op.status, GNTST_bad_virt_addr, "status frames, list not mapped: bad virtual address");
    is(status_frames(NO_DOMAIN, 1), GNTST_bad_domain, "status frames of no domain: bad domain");
    page_free(page);
}

/* A table of n frames has 256 entries a frame, and 2048 status words a frame of status. */
static void test_status_frames(void)
{
    unsigned frames = query(DOMID_SELF).nr_frames, wanted = (frames + 7) / 8;
    void *page = page_alloc(), *window = window_alloc(1);
    struct gnttab_map_grant_ref op = map_request(own, V2_REF, (uint64_t)window, GNTMAP_host_map);
    unsigned long mfn;
    volatile uint16_t *status;

    is(status_frames(DOMID_SELF, wanted), GNTST_okay, "status frames: as many as entries need");
    is(status_frames(DOMID_SELF, wanted + 1), GNTST_general_error, "one more status frame: error");
    mfn = status_list[0];
    status = map_frames(&mfn, 1, PTE_KERNEL_RW, DOMID_SELF, NULL);
    if (!ok(status != NULL, "a status frame can be mapped"))
        return;
    write_v2(V2_REF, GTF_permit_access, own, virt_to_mfn(page));
    is(map_one(&op), GNTST_okay, "version 2: a grant is mapped");
    is(status[V2_REF], GTF_reading | GTF_writing, "version 2: the status word says so");
    is(entry_v2(V2_REF)->hdr.flags, GTF_permit_access, "version 2: the entry does not");
    is_error(set_version(1), -XEN_EBUSY, "set_version 1 while a grant is mapped: -EBUSY");
    is(unmap_one((uint64_t)window, 0, op.handle), GNTST_okay, "version 2: unmapped");
    is(status[V2_REF], 0, "version 2: the status word is clear again");
    window_free((void *)(uintptr_t)status, 1);
    window_free(window, 1);
    page_free(page);
}

static void test_back_to_1(void)
{
    volatile grant_entry_v2_t *entry = entry_v2(7);

    entry->transitive.trans_domid = own;
    entry->transitive.gref = 1;
    entry->hdr.domid = own;
    entry->hdr.flags = GTF_transitive;
    is_error(set_version(1), -XEN_ERANGE, "set_version 1, a reserved entry transitive: -ERANGE");
    write_v2(7, 0, 0, 0);
    is_error(set_version(1), 0, "set_version 1: works");
    is(entry_v1(2)->flags, GTF_permit_access | GTF_readonly,
       "set_version 1: a reserved entry keeps its meaning");
    is(status_frames(DOMID_SELF, 1), GNTST_general_error,
       "status frames in version 1 again: error");
    write_v1(2, 0, 0, 0);
}

/* ---- Arguments ----------------------------------------------------------------------------- */

static void prepare_query(void *request)
{
    *(struct gnttab_query_size *)request = (struct gnttab_query_size){.dom = DOMID_SELF};
}

static void prepare_version(void *request)
{
    *(struct gnttab_set_version *)request = (struct gnttab_set_version){.version = 1};
}

static void prepare_get_version(void *request)
{
    *(struct gnttab_get_version *)request = (struct gnttab_get_version){.dom = DOMID_SELF};
}

static void test_arguments(void)
{
    check_addresses(GNTTABOP_query_size, sizeof(struct gnttab_query_size), "query_size",
                    ANSWERS_ANYWHERE, prepare_query);
    check_addresses(GNTTABOP_setup_table, sizeof(struct gnttab_setup_table), "setup_table",
                    ANSWERS_FIRST_HALF, NULL);
    check_addresses(GNTTABOP_set_version, sizeof(struct gnttab_set_version), "set_version",
                    ANSWERS_ANYWHERE, prepare_version);
    check_addresses(GNTTABOP_get_version, sizeof(struct gnttab_get_version), "get_version",
                    ANSWERS_ANYWHERE, prepare_get_version);
    check_addresses(GNTTABOP_get_status_frames, sizeof(struct gnttab_get_status_frames),
                    "get_status_frames", ANSWERS_FIRST_HALF, NULL);
}

int main(void)
{
    own = own_domain();
    test_query_size();
    test_setup();
    test_counts();
    test_arguments();
    test_version_errors();
    test_busy();
    test_version_2();
    test_status_frames();
    test_back_to_1();
    test_growth();
    test_last_entry();
    return done();
}

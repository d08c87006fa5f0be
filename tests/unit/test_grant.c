/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Grant tables and their mappings: every operation's working case, its statuses and its boundaries,
 * in both versions of the table; the end of either side.
 *
 * links: hypervisor/core/grant.c hypervisor/core/grant_table.c hypervisor/core/grant_pin.c
 * links: hypervisor/core/grant_map.c hypervisor/core/grant_copy.c tests/unit/host.c
 */
#include "grant_world.h"

static int setup(struct vcpu *v, uint16_t dom, uint32_t frames, uint64_t *list)
{
    struct gnttab_setup_table op = {.dom = dom, .nr_frames = frames, .status = 1};
    long ret;

    set_xen_guest_handle(op.frame_list, (void *)list);
    ret = call(v, GNTTABOP_setup_table, &op, 1);
    return ret ? (int)ret : op.status;
}

static void test_hypercall(void)
{
    struct gnttab_query_size q = {.dom = DOMID_SELF};
    char *unmapped = (char *)16;

    begin();
    is(call(v1, 13, &q, 1), -XEN_ENOSYS, "an operation that there is not");
    is(call(v1, ~0u, &q, 1), -XEN_ENOSYS);
    is(call(v1, GNTTABOP_dump_table, &q, 1), -XEN_ENOSYS);
    is(call(v1, GNTTABOP_map_grant_ref, &q, ~0u), -XEN_EINVAL, "a count of -1");
    is(call(v1, GNTTABOP_map_grant_ref, &q, 1u << 31), -XEN_EINVAL);
    is(call(v1, GNTTABOP_map_grant_ref, unmapped, 0), 0, "nothing to do");
    is(call(v1, GNTTABOP_map_grant_ref, unmapped, 1), -XEN_EFAULT);
    is(call(v1, GNTTABOP_unmap_grant_ref, unmapped, 1), -XEN_EFAULT);
    is(call(v1, GNTTABOP_copy, (void *)HV_VIRT_START, 1), -XEN_EFAULT, "the hypervisor's memory");
    is(call(v1, GNTTABOP_query_size, &q, 0), -XEN_EINVAL, "one at a time");
    is(call(v1, GNTTABOP_query_size, &q, 2), -XEN_EINVAL);
    is(call(v1, GNTTABOP_setup_table, unmapped, 2), -XEN_EINVAL);
    is(call(v1, GNTTABOP_get_status_frames, unmapped, 2), -XEN_EINVAL);
    finish();
}

static void test_table(void)
{
    struct gnttab_query_size q = {.dom = DOMID_SELF};
    struct gnttab_get_version gv = {.dom = 1};
    uint64_t list[65] = {0};
    mfn_t grown;

    begin();
    is(call(v1, GNTTABOP_query_size, &q, 1), 0);
    is(q.status, GNTST_okay);
    is(q.nr_frames, 1, "a table of one frame");
    is(q.max_nr_frames, GRANT_DEFAULT_FRAMES);
    q.dom = 0;
    is(call(v1, GNTTABOP_query_size, &q, 1), 0);
    is(q.status, GNTST_permission_denied, "another's table");
    q.dom = 7;
    is(call(v0, GNTTABOP_query_size, &q, 1), 0);
    is(q.status, GNTST_bad_domain);

    is(setup(v1, DOMID_SELF, 3, list), 0);
    is(list[0], virt_to_mfn(dom1->grant->frame[0]).v, "the frames' numbers");
    is(list[2], virt_to_mfn(dom1->grant->frame[2]).v);
    is(list[3], 0, "no more than asked for");
    is(dom1->grant->nr_frames, 3);
    is(setup(v1, DOMID_SELF, 1, list), 0, "it does not shrink");
    is(dom1->grant->nr_frames, 3);
    is(setup(v1, DOMID_SELF, 65, list), GNTST_general_error, "beyond the limit");
    is(setup(v1, DOMID_SELF, ~0u, list), GNTST_general_error);
    is(setup(v1, 2, 1, list), GNTST_permission_denied);
    is(setup(v0, 1, 2, list), 0, "the control domain for another");
    is(setup(v0, 6, 2, list), GNTST_bad_domain);
    is(setup(v1, DOMID_SELF, 1, (uint64_t *)8), GNTST_bad_virt_addr, "a list that is not mapped");
    is(setup(v1, DOMID_SELF, 1, (uint64_t *)HV_VIRT_START), -XEN_EFAULT, "the hypervisor's memory");
    is(setup(v1, DOMID_SELF, 64, list), 0, "up to the limit");
    world_alloc_left = 0;
    is(setup(v2, DOMID_SELF, 2, list), GNTST_general_error, "no memory");
    world_alloc_left = -1;
    is(setup(v2, DOMID_SELF, 2, list), 0, "later there is");
    is(grant_set_limits(dom2, 2, 0), 0);
    is(setup(v2, DOMID_SELF, 3, list), GNTST_general_error, "the toolstack's limit");
    is(grant_set_limits(dom1, 63, 0), -XEN_EINVAL, "not below what there is");
    is(grant_set_limits(dom2, GRANT_LIMIT_FRAMES + 1, 0), -XEN_EINVAL);
    grown = grant_table_frame(dom2, 1, false);
    ok(mfn_eq(grown, virt_to_mfn(dom2->grant->frame[1])), "grown by asking for a frame");
    ok(mfn_eq(grant_table_frame(dom2, 2, false), INVALID_MFN));
    ok(mfn_eq(grant_table_frame(dom2, ~0u, false), INVALID_MFN));
    ok(mfn_eq(grant_table_frame(dom2, 0, true), INVALID_MFN), "no status in version 1");

    is(call(v0, GNTTABOP_get_version, &gv, 1), 0);
    is(gv.version, 1);
    gv.dom = 0;
    is(call(v1, GNTTABOP_get_version, &gv, 1), -XEN_EPERM);
    gv.dom = 5;
    is(call(v0, GNTTABOP_get_version, &gv, 1), -XEN_ESRCH);
    finish();
}

static void test_map(unsigned version)
{
    mfn_t f, foreign;
    uint32_t h, h2;

    begin();
    is(set_version(v1, version), 0, "version %u", version);
    f = world_frame_of(dom1);
    foreign = world_frame_of(dom2);
    offer(dom1, 9, 0, f, 0);
    is(map(v0, 1, 9, 0x1000, false), GNTST_okay);
    h = last_map.handle;
    is(last_map.dev_bus_addr, f.v << PAGE_SHIFT);
    is(in_use(dom1, 9), GTF_reading | GTF_writing, "the guest sees it");
    is(frame_info(f)->refs, 2);
    is(frame_info(f)->types, 1);
    ok(pte_of(0x1000)->writable);
    offer(dom1, 9, 2, foreign, GTF_readonly);
    if (version == 1)
        entry(dom1, 9)->flags |= GTF_reading | GTF_writing;
    is(map(v0, 1, 9, 0x2000, true), GNTST_okay, "pinned: the entry is not read again");
    h2 = last_map.handle;
    is(pte_of(0x2000)->frame, f.v);
    is(map(v2, 1, 9, 0x3000, true), GNTST_general_error, "and is pinned for domain 0");
    is(unmap(v0, h, 0x1000), GNTST_okay);
    is(in_use(dom1, 9), GTF_reading, "the writer is gone");
    is(frame_info(f)->types, 0);
    is(unmap(v0, h, 0x1000), GNTST_bad_handle, "twice");
    is(map(v0, 1, 9, 0x1000, false), GNTST_general_error, "read-only now: no upgrade");
    is(in_use(dom1, 9), GTF_reading);
    is(unmap(v0, h2, 0x2000), GNTST_okay);
    is(in_use(dom1, 9), 0);
    is(frame_info(f)->refs, 1);

    is(map(v0, 1, 9, 0x1000, true), GNTST_general_error, "it is domain 2's");
    is(map(v2, 1, 9, 0x1000, true), GNTST_bad_page, "but not domain 1's frame");
    is(in_use(dom1, 9), 0, "a failed map leaves no mark");
    offer(dom1, 9, 0, MFN(~0u), 0);
    is(map(v0, 1, 9, 0x1000, true), GNTST_bad_page, "no frame");
    offer(dom1, 9, 0, f, GTF_readonly);
    is(map(v0, 1, 9, 0x1000, false), GNTST_general_error, "a read-only grant");
    offer(dom1, 9, 0, f, GTF_sub_page);
    is(map(v0, 1, 9, 0x1000, true), GNTST_general_error, "part of a page");
    offer(dom1, 9, 0, f, 0);
    frame_info(f)->types = 1;
    frame_info(f)->type = FT_L1;
    is(map(v0, 1, 9, 0x1000, false), GNTST_general_error, "a page table, writable");
    is(map(v0, 1, 9, 0x1000, true), GNTST_okay, "read-only");
    is(unmap(v0, last_map.handle, 0x1000), GNTST_okay);
    frame_info(f)->types = 0;
    is(map(v0, 1, 9, BAD_ADDR, false), GNTST_bad_virt_addr);
    arch_result = -XEN_EINVAL;
    is(map(v0, 1, 9, 0x1000, false), GNTST_general_error, "an error that is not a status");
    arch_result = 1;
    is(map(v0, 1, 9, 0x1000, false), GNTST_general_error, "an error is never 1");
    arch_result = 0;
    is(frame_info(f)->refs, 1, "nothing stays of failed maps");
    is(in_use(dom1, 9), 0);
    is(dom0->grant->maps_in_use, 0);

    is(map(v0, 1, 200, 0x1000, true), GNTST_general_error, "what was not granted");
    ok(grant_active_of(dom1->grant, 200) == NULL, "costs who did not grant it no record");
    offer(dom1, 200, 0, f, 0);
    world_alloc_left = 0;
    is(map(v0, 1, 200, 0x1000, true), GNTST_general_error, "no memory for the grant's record");
    world_alloc_left = -1;
    is(in_use(dom1, 200), 0, "it leaves no mark");

    is(map(v0, 1, 512 / version, 0x1000, true), GNTST_bad_gntref, "behind the table");
    is(map(v0, 1, ~0u, 0x1000, true), GNTST_bad_gntref);
    offer(dom1, 512 / version - 1, 0, f, 0);
    is(map(v0, 1, 512 / version - 1, 0x1000, true), GNTST_okay, "its last entry");
    is(unmap(v0, last_map.handle, 0x1000), GNTST_okay);
    is(map(v0, 7, 9, 0x1000, true), GNTST_bad_domain);
    is(map(v0, DOMID_SELF, 9, 0x1000, true), GNTST_bad_domain);
    is(map_flags(v0, 1, 9, 0x1000, GNTMAP_readonly), GNTST_bad_gntref, "neither host nor device");
    world_alloc_left = 0;
    is(map(v1, 2, 9, 0x1000, true), GNTST_no_space, "no memory for a handle");
    world_alloc_left = -1;
    dom1->is_dying = true;
    is(map(v0, 1, 9, 0x1000, true), GNTST_bad_domain, "a dying domain's");
    finish();
}

static void test_parts(void)
{
    const uint32_t both = GNTMAP_host_map | GNTMAP_device_map;
    struct gnttab_unmap_and_replace op = {.host_addr = 0x5000, .new_addr = 0x6000};
    mfn_t f;
    uint32_t h;
    uint64_t bus;

    begin();
    f = world_frame_of(dom1);
    offer(dom1, 8, 0, f, 0);
    is(map_flags(v0, 1, 8, 0x1000, both), GNTST_okay);
    h = last_map.handle;
    bus = last_map.dev_bus_addr;
    is(unmap_parts(v0, h, 0, bus + 4096), GNTST_bad_dev_addr, "another bus address");
    is(unmap_parts(v0, h, 0, 0), GNTST_okay, "no part at all");
    is(unmap_parts(v0, h, 0x2000, 0), GNTST_general_error, "not what is mapped there");
    flushes = 0;
    is(unmap_parts(v0, h, 0, bus), GNTST_okay, "the device's part");
    is(flushes, 0, "needs no flush");
    is(frame_info(f)->refs, 2, "the host's part keeps the frame");
    is(frame_info(f)->types, 1);
    is(unmap_parts(v0, h, 0x1000, bus), GNTST_okay, "the rest");
    is(flushes, 1);
    is(frame_info(f)->refs, 1);
    is(unmap_parts(v0, h, 0x1000, bus), GNTST_bad_handle);
    is(unmap(v0, ~0u, 0x1000), GNTST_bad_handle);
    is(unmap(v0, dom0->grant->nr_maps, 0x1000), GNTST_bad_handle);
    is(unmap(v2, 0, 0x1000), GNTST_bad_handle, "a domain that has none");

    is(map_flags(v0, 1, 8, 0x1000, GNTMAP_device_map), GNTST_okay, "for a device alone");
    is(frame_info(f)->types, 1, "is writable all the same");
    is(unmap_parts(v0, last_map.handle, 0, last_map.dev_bus_addr), GNTST_okay);

    is(map(v0, 1, 8, 0x5000, false), GNTST_okay);
    op.handle = last_map.handle;
    *pte_of(0x6000) = (struct pte){f.v + 100, true, true};
    is(call(v0, GNTTABOP_unmap_and_replace, &op, 1), 0);
    is(op.status, GNTST_okay, "replaced");
    is(pte_of(0x5000)->frame, f.v + 100);
    ok(!pte_of(0x6000)->present);
    is(frame_info(f)->refs, 1);
    finish();
}

static void test_batch(void)
{
    struct gnttab_map_grant_ref m[100];
    struct gnttab_unmap_grant_ref u[100];
    long ret;
    unsigned calls = 0;

    begin();
    for (uint32_t i = 0; i < 100; i++) {
        offer(dom1, i, 0, world_frame_of(dom1), 0);
        m[i] = (struct gnttab_map_grant_ref){.flags = GNTMAP_host_map, .ref = i, .dom = 1};
        m[i].host_addr = 0x100000 + i * 4096ull; /* 0 would mean: no mapping of the host's */
    }
    m[50].ref = 4000;
    this_cpu(softirq_pending) = 1;
    continued = (struct hypercall_args){{GNTTABOP_map_grant_ref, (uintptr_t)m, 100}};
    do {
        struct hypercall_args a = continued;
        was_continued = false;
        ret = hc_grant_table_op(v0, &a);
        calls++;
    } while (was_continued);
    is(ret, 0, "continued to the end");
    is(calls, 100, "with work pending, one at a time");
    is(dom0->grant->maps_in_use, 99);
    is(m[50].status, GNTST_bad_gntref, "one fails, the others do not");
    is(m[99].status, GNTST_okay);
    this_cpu(softirq_pending) = 0;
    /* The table of entries is small: later maps took the place of the first ones. */
    for (unsigned i = 0; i < 100; i++)
        u[i] = (struct gnttab_unmap_grant_ref){.host_addr = m[i].host_addr, .handle = m[i].handle};
    for (unsigned i = 0; i < 36; i++)
        *pte_of(u[i].host_addr) = (struct pte){m[i].dev_bus_addr >> 12, true, true};
    flushes = 0;
    is(call(v0, GNTTABOP_unmap_grant_ref, u, 64), 0);
    is(flushes, 2, "a flush for each 32");
    is(u[0].status, GNTST_okay);
    is(u[63].status, GNTST_okay);
    for (unsigned i = 64; i < 100; i++)
        *pte_of(u[i].host_addr) = (struct pte){m[i].dev_bus_addr >> 12, true, true};
    host_fault_start = (uintptr_t)&u[70];
    host_fault_end = (uintptr_t)&u[71];
    is(call(v0, GNTTABOP_unmap_grant_ref, u + 64, 36), -XEN_EFAULT, "an array that ends early");
    host_fault_start = host_fault_end = 0;
    is(dom0->grant->maps_in_use, 99 - 63 - 6, "what was undone before is done");
    is(call(v0, GNTTABOP_unmap_grant_ref, u + 70, 30), 0);
    is(u[70].status, GNTST_okay);
    is(dom0->grant->maps_in_use, 0);
    finish();
}

static void test_versions(void)
{
    struct gnttab_get_status_frames sf = {.dom = DOMID_SELF, .nr_frames = 1};
    uint64_t list[8] = {0};
    mfn_t f;
    uint32_t h;

    begin();
    set_xen_guest_handle(sf.frame_list, (void *)list);
    is(call(v1, GNTTABOP_get_status_frames, &sf, 1), 0);
    is(sf.status, GNTST_general_error, "version 1 has none");
    is(set_version(v1, 0), -XEN_EINVAL);
    is(set_version(v1, 3), -XEN_EINVAL);
    is(set_version(v1, ~0u), -XEN_EINVAL);
    f = world_frame_of(dom1);
    offer(dom1, GNTTAB_RESERVED_XENSTORE, 0, f, 0);
    offer(dom1, 8, 0, f, 0);
    is(map(v0, 1, GNTTAB_RESERVED_XENSTORE, 0x1000, false), GNTST_okay);
    h = last_map.handle;
    is(map(v0, 1, 8, 0x2000, false), GNTST_okay);
    is(set_version(v1, 2), -XEN_EBUSY, "a grant is in use");
    is(unmap(v0, last_map.handle, 0x2000), GNTST_okay);
    world_alloc_left = 0;
    is(set_version(v1, 2), -XEN_ENOMEM);
    world_alloc_left = -1;
    is(set_version(v1, 2), 0, "the tools' ones may be");
    is(in_use(dom1, GNTTAB_RESERVED_XENSTORE), GTF_reading | GTF_writing, "and stay so");
    is(entry2(dom1, GNTTAB_RESERVED_XENSTORE)->full_page.frame, f.v);
    is(entry2(dom1, GNTTAB_RESERVED_XENSTORE)->hdr.flags, GTF_permit_access);
    is(entry2(dom1, 8)->hdr.flags, 0, "others are gone");
    is(call(v1, GNTTABOP_get_status_frames, &sf, 1), 0);
    is(sf.status, GNTST_okay);
    is(list[0], virt_to_mfn(dom1->grant->status[0]).v);
    sf.nr_frames = 2;
    is(call(v1, GNTTABOP_get_status_frames, &sf, 1), 0);
    is(sf.status, GNTST_general_error, "more than there are");
    sf.dom = 0;
    is(call(v1, GNTTABOP_get_status_frames, &sf, 1), 0);
    is(sf.status, GNTST_permission_denied);
    is(setup(v1, DOMID_SELF, 8, list), 0);
    is(dom1->grant->nr_status, 1);
    is(setup(v1, DOMID_SELF, 8, list), 0);
    entry2(dom1, 3)->hdr.flags = GTF_permit_access | GTF_sub_page;
    is(set_version(v1, 1), -XEN_ERANGE, "what version 1 cannot say");
    entry2(dom1, 3)->hdr.flags = GTF_transitive;
    is(set_version(v1, 1), -XEN_ERANGE);
    entry2(dom1, 3)->hdr.flags = 0;
    is(set_version(v1, 1), 0);
    is(entry(dom1, GNTTAB_RESERVED_XENSTORE)->frame, f.v);
    is(in_use(dom1, GNTTAB_RESERVED_XENSTORE), GTF_reading | GTF_writing);
    is(unmap(v0, h, 0x1000), GNTST_okay);
    is(in_use(dom1, GNTTAB_RESERVED_XENSTORE), 0);
    for (unsigned i = 0; i < 20; i++)
        if (set_version(v1, 2) || set_version(v1, 1))
            fail("to and fro");
    is(dom1->grant->nr_status, 1, "a guest that keeps status frames mapped gets no more of them");
    finish();
}

static void test_swap_and_cache(void)
{
    struct gnttab_swap_grant_ref s = {.ref_a = 1, .ref_b = 2};
    struct gnttab_cache_flush c = {.length = 64, .op = GNTTAB_CACHE_CLEAN};
    mfn_t f, g;

    begin();
    f = world_frame_of(dom1);
    g = world_frame_of(dom1);
    for (unsigned version = 1; version <= 2; version++) {
        is(set_version(v1, version), 0);
        offer(dom1, 10, 0, f, 0);
        offer(dom1, 11, 0, g, 0);
        s = (struct gnttab_swap_grant_ref){.ref_a = 10, .ref_b = 11};
        is(call(v1, GNTTABOP_swap_grant_ref, &s, 1), 0);
        is(s.status, GNTST_okay);
        is(map(v0, 1, 10, 0x1000, true), GNTST_okay);
        is(pte_of(0x1000)->frame, g.v, "swapped in version %u", version);
        is(call(v1, GNTTABOP_swap_grant_ref, &s, 1), 0);
        is(s.status, GNTST_eagain, "in use");
        is(unmap(v0, last_map.handle, 0x1000), GNTST_okay);
    }
    s.ref_b = 256;
    is(call(v1, GNTTABOP_swap_grant_ref, &s, 1), 0);
    is(s.status, GNTST_bad_gntref);
    s.ref_a = ~0u;
    is(call(v1, GNTTABOP_swap_grant_ref, &s, 1), 0);
    is(s.status, GNTST_bad_gntref);

    c.a.dev_bus_addr = f.v << PAGE_SHIFT;
    is(call(v1, GNTTABOP_cache_flush, &c, 1), 0);
    c.op = GNTTAB_CACHE_INVAL;
    is(call(v1, GNTTABOP_cache_flush, &c, 1), -XEN_EOPNOTSUPP);
    c.op = 4;
    is(call(v1, GNTTABOP_cache_flush, &c, 1), -XEN_EINVAL);
    c.op = GNTTAB_CACHE_CLEAN | GNTTAB_CACHE_SOURCE_GREF;
    is(call(v1, GNTTABOP_cache_flush, &c, 1), -XEN_EINVAL);
    c.op = GNTTAB_CACHE_CLEAN | GNTTAB_CACHE_INVAL;
    c.offset = 4033;
    is(call(v1, GNTTABOP_cache_flush, &c, 1), -XEN_EINVAL, "across the page's end");
    c.offset = 4096;
    is(call(v1, GNTTABOP_cache_flush, &c, 1), -XEN_EINVAL);
    c.offset = 0;
    c.a.dev_bus_addr = ~0ull;
    is(call(v1, GNTTABOP_cache_flush, &c, 1), -XEN_EINVAL);
    finish();
}

/* Either side dies while mapped. */
static void test_deaths(void)
{
    mfn_t f;
    unsigned calls = 0;

    begin();
    f = world_frame_of(dom1);
    for (uint32_t i = 0; i < 500; i++) {
        offer(dom1, i, 2, f, 0);
        if (map(v2, 1, i, i * 4096ull, i % 2) != GNTST_okay)
            bail_out("map %u", i);
    }
    is(dom1->refs, 501, "each mapping holds the granter");
    world_audit_refs = world_audit_types = 0;
    grant_audit_domain(dom1);
    grant_audit_domain(dom2);
    is(world_audit_refs, 500, "the audit hears of each");
    is(world_audit_types, 250, "and of those that are writable");
    grant_dump(dom1);
    ok(host_logged("499: domain 2"), "the debug key");
    dom1->is_dying = true;
    is(grant_domain_release(dom1), 0, "the granter dies first: it has mapped nothing");
    is(frame_release(dom1, f), 0);
    is(frame_owner(f).v, 1, "its frame stays while it is mapped");
    dom2->is_dying = true;
    this_cpu(softirq_pending) = 1;
    flushes = 0;
    while (grant_domain_release(dom2) == -XEN_ERESTART)
        calls++;
    this_cpu(softirq_pending) = 0;
    is(flushes, 1);
    ok(calls >= 500 / 64, "the end of many mappings stops %u times", calls);
    is(dom1->refs, 1);
    is(frame_owner(f).v, DOMID_INVALID, "and now the frame is free");
    is(in_use(dom1, 499), 0);
    finish();
}

int main(void)
{
    test_hypercall();
    test_table();
    test_map(1);
    test_map(2);
    test_parts();
    test_batch();
    test_versions();
    test_swap_and_cache();
    test_deaths();
    return done();
}

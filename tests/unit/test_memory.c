/* SPDX-License-Identifier: BSD-2-Clause */
/* links: hypervisor/core/memory.c hypervisor/core/reservation.c hypervisor/core/heap.c */
/* links: hypervisor/core/object.c hypervisor/core/e820.c tests/unit/host.c */
/* memory_op: reservations, questions, memory maps and claims. */
#include "memory_model.h"

/* ---- Reservations --------------------------------------------------------------------------- */

static void test_populate(void)
{
    uint64_t before = heap_free_count();

    for (unsigned i = 0; i < 10; i++)
        list[i] = 1000 + 4 * i;
    struct xen_memory_reservation r = ask(10, 2, 0, DOMID_SELF);
    is(call(&guest_vcpu, memory_populate_physmap, &r), 10, "ten extents of four frames");
    is(guest.tot_pages, 40);
    bool good = true;
    for (unsigned i = 0; i < 10; i++)
        for (unsigned k = 0; k < 4; k++)
            good &= list[i] % 4 == 0 && model[list[i] + k].owner == &guest &&
                    m2p_get(MFN(list[i] + k)).v == 1000 + 4 * i + k;
    ok(good, "aligned, owned, each with its guest frame number");
    is(call(&guest_vcpu, memory_decrease_reservation, &r), 10, "and given back");
    is(guest.tot_pages, 0);
    is(heap_free_count(), before, "to the heap");
    is(m2p_get(MFN(list[0])).v, ~0ull, "the M2P forgets them");
    is(call(&guest_vcpu, memory_decrease_reservation, &r), 0, "which can be done once");
    is(guest.refs, 0, "no hold on the domain is left");
}

static void test_increase(void)
{
    struct xen_memory_reservation r = ask(3, 0, XENMEMF_address_bits(24), DOMID_SELF);

    is(call(&guest_vcpu, memory_increase_reservation, &r), 3);
    ok(list[0] < 0x1000 && list[1] < 0x1000 && list[2] < 0x1000, "below 16 MiB, as asked");
    is(m2p_get(MFN(list[0])).v, ~0ull, "no guest frame number yet");
    r.extent_start.p = NULL;
    is(call(&guest_vcpu, memory_increase_reservation, &r), 3, "a list is not needed");
    is(guest.tot_pages, 6);
    r = ask(1, 0, XENMEMF_address_bits(12), DOMID_SELF);
    is(call(&guest_vcpu, memory_increase_reservation, &r), 0, "12 bits hold no frame");
    r.mem_flags = XENMEMF_address_bits(255) | XENMEMF_exact_node(3);
    is(call(&guest_vcpu, memory_increase_reservation, &r), 1, "255 bits, and some node");
    empty(&guest);
}

static void test_limits(void)
{
    struct xen_memory_reservation r = ask(5, 0, 0, DOMID_SELF);

    guest.max_pages = 3;
    is(call(&guest_vcpu, memory_populate_physmap, &r), 3, "as many as max_pages allows");
    is(call(&guest_vcpu, memory_populate_physmap, &r), 0);
    empty(&guest);
    uint64_t before = heap_free_count();
    guest.is_dying = true;
    is(call(&guest_vcpu, memory_populate_physmap, &r), 0, "a dying domain gets none");
    is(heap_free_count(), before, "and the frames are not lost");
    guest.is_dying = false;

    r = ask(1, 9, 0, DOMID_SELF);
    is(call(&guest_vcpu, memory_populate_physmap, &r), 1, "order 9");
    is(list[0] % 512, 0);
    is(call(&guest_vcpu, memory_decrease_reservation, &r), 1);
    r.extent_order = 10;
    is(call(&guest_vcpu, memory_populate_physmap, &r), 0, "not order 10 for a guest");
    is(call(&guest_vcpu, memory_decrease_reservation, &r), 0);
    r.extent_order = ~0u;
    is(call(&guest_vcpu, memory_increase_reservation, &r), 0, "order -1");
    r.extent_order = 10;
    is(call(&control_vcpu, memory_increase_reservation, &r), 1, "order 10 for the control domain");
    is(call(&control_vcpu, memory_decrease_reservation, &r), 1);
    r.extent_order = 19;
    is(call(&control_vcpu, memory_increase_reservation, &r), 0, "not 19");

    r = ask(0, 0, 0, DOMID_SELF);
    is(call(&guest_vcpu, memory_populate_physmap, &r), 0, "no extents");
    r.nr_extents = ~0ul;
    is(call(&guest_vcpu, memory_populate_physmap, &r), 0, "-1 extents");
    r.nr_extents = (UINT32_MAX >> MEMOP_EXTENT_SHIFT) + 1ul;
    is(call(&guest_vcpu, memory_populate_physmap, &r), 0, "one more than can be continued");
    is(guest.tot_pages, 0);
    r.nr_extents = 5;
    is(call_from(&guest_vcpu, memory_populate_physmap, &r, 5), 5, "a start at the end");
    is(call_from(&guest_vcpu, memory_populate_physmap, &r, ~0ull >> MEMOP_EXTENT_SHIFT),
       (long)(~0ull >> MEMOP_EXTENT_SHIFT), "a start far behind it");
    is(guest.tot_pages, 0);
    is(call_from(&guest_vcpu, memory_populate_physmap, &r, 3), 5, "a start in the middle");
    is(guest.tot_pages, 2);
    empty(&guest);
}

static void test_domains(void)
{
    struct xen_memory_reservation r = ask(1, 0, 0, 2);

    is(call(&guest_vcpu, memory_populate_physmap, &r), 0, "a guest cannot name another domain");
    is(other.tot_pages, 0);
    is(call(&control_vcpu, memory_populate_physmap, &r), 1, "the control domain can");
    is(other.tot_pages, 1);
    r.domid = DOMID_SELF;
    is(call(&guest_vcpu, memory_decrease_reservation, &r), 0, "others' frames cannot be freed");
    is(other.tot_pages, 1);
    r.domid = 77;
    is(call(&control_vcpu, memory_populate_physmap, &r), 0, "no such domain");
    is(control.refs + guest.refs + other.refs, 0);
    empty(&other);
}

static void test_faults(void)
{
    struct xen_memory_reservation r = ask(8, 0, 0, DOMID_SELF);
    uint64_t before = heap_free_count();

    host_fault_start = (uintptr_t)&list[4];
    host_fault_end = (uintptr_t)&list[8];
    is(call(&guest_vcpu, memory_populate_physmap, &r), 4, "stops where the list is unmapped");
    is(guest.tot_pages, 4);
    is(call(&guest_vcpu, memory_decrease_reservation, &r), 4);
    host_fault_start = host_fault_end = 0;

    host_fault_after = 1; /* the list can be read, but not written */
    is(call(&guest_vcpu, memory_populate_physmap, &r), 0, "a list that cannot be written");
    is(guest.tot_pages, 0, "costs the guest no frame");
    host_fault_after = 0;
    is(call(&guest_vcpu, memory_increase_reservation, &r), 0);
    host_fault_after = -1;
    is(guest.tot_pages, 0);
    is(heap_free_count(), before);
    r.extent_start.p = (void *)HV_VIRT_START;
    is(call(&guest_vcpu, memory_populate_physmap, &r), 0, "the hypervisor's addresses");
    r.extent_start.p = (void *)0x800000000000ul;
    is(call(&guest_vcpu, memory_populate_physmap, &r), 0, "no canonical address");
    r.extent_start.p = (void *)~7ul;
    is(call(&guest_vcpu, memory_populate_physmap, &r), 0, "the end of the address space");
    const xen_pfn_t bad[] = {0, RAM_FRAMES, RAM_FRAMES - 1, ~0ul, ~0ul << 12, 1ul << 52};
    for (unsigned i = 0; i < ARRAY_SIZE(bad); i++) {
        list[0] = bad[i];
        r = ask(1, 1, 0, DOMID_SELF);
        is(call(&guest_vcpu, memory_decrease_reservation, &r), 0, "frame %#lx", bad[i]);
    }
}

static void test_preemption(void)
{
    struct xen_memory_reservation r = ask(6, 0, 0, DOMID_SELF);

    this_cpu(softirq_pending) = 1;
    continued = 0;
    is(call(&guest_vcpu, memory_populate_physmap, &r), 6, "done in the end");
    is(continued, 5, "one extent at a time");
    is(guest.tot_pages, 6, "none of them twice");
    is(r.nr_extents, 6, "and the guest's structure is as it was");
    continued = 0;
    is(call(&guest_vcpu, memory_decrease_reservation, &r), 6);
    is(continued, 5);
    is(guest.refs, 0);
    this_cpu(softirq_pending) = 0;
}

/* ---- Questions ------------------------------------------------------------------------------ */

static void test_questions(void)
{
    xen_domid_t self = DOMID_SELF, two = 2, none = 99;

    args.arg[0] = 0;
    populate(3, 0);
    is(memory_current_reservation(&guest_vcpu, &self), 3);
    is(memory_maximum_reservation(&guest_vcpu, &self), 2048);
    guest_shared.arch.max_pfn = 0x8000;
    is(memory_maximum_gpfn(&guest_vcpu, &self), 0x7fff);
    guest_shared.arch.max_pfn = 0;
    is(memory_maximum_gpfn(&guest_vcpu, &self), 0, "a guest that does not say");
    is(memory_current_reservation(&guest_vcpu, &two), -XEN_EPERM);
    is(memory_current_reservation(&control_vcpu, &two), 0);
    is(memory_current_reservation(&control_vcpu, &none), -XEN_ESRCH);
    is(memory_maximum_ram_page(&guest_vcpu, NULL), RAM_FRAMES);
    args.arg[0] = 1 << MEMOP_EXTENT_SHIFT;
    is(memory_maximum_ram_page(&guest_vcpu, NULL), -XEN_EINVAL, "a start where there is none");
    is(memory_current_reservation(&guest_vcpu, &self), -XEN_EINVAL);
    args.arg[0] = 0;

    struct xen_machphys_mapping map = {0};
    is(memory_machphys_mapping(&guest_vcpu, &map), 0);
    is(map.v_start, HYPERVISOR_VIRT_START);
    is(map.v_end, MACH2PHYS_VIRT_END);
    is(map.max_mfn, RAM_FRAMES - 1);

    struct xen_machphys_mfn_list m = {.max_extents = 10};
    m.extent_start.p = list;
    is(memory_machphys_mfn_list(&guest_vcpu, &m), 0);
    ok(m.nr_extents == 3 && list[0] == 0x200 && list[1] == 0 && list[2] == 0x600, "a gap is zero");
    m.max_extents = 1, list[1] = 7;
    is(memory_machphys_mfn_list(&guest_vcpu, &m), 0);
    ok(m.nr_extents == 1 && list[1] == 7, "no more than there is room for");
    m.extent_start.p = NULL;
    is(memory_machphys_mfn_list(&guest_vcpu, &m), -XEN_EFAULT);

    struct xen_add_to_physmap a = {.domid = DOMID_SELF, .space = XENMAPSPACE_shared_info};
    is(memory_add_to_physmap(&guest_vcpu, &a), -XEN_EACCES);
    a.domid = 2;
    is(memory_add_to_physmap(&guest_vcpu, &a), -XEN_EACCES);
    a.domid = 99;
    is(memory_add_to_physmap(&guest_vcpu, &a), -XEN_ESRCH);
    a.space = XENMAPSPACE_gmfn_foreign;
    is(memory_add_to_physmap(&guest_vcpu, &a), -XEN_ENOSYS);

    struct xen_vnuma_topology_info n = {.domid = DOMID_SELF};
    is(memory_get_vnumainfo(&guest_vcpu, &n), -XEN_EOPNOTSUPP);
    n.domid = 2;
    is(memory_get_vnumainfo(&guest_vcpu, &n), -XEN_EPERM);
    n.pad = 1;
    is(memory_get_vnumainfo(&guest_vcpu, &n), -XEN_EINVAL);
    is(guest.refs + other.refs + control.refs, 0);
    empty(&guest);
}

static void test_maps(void)
{
    struct e820_entry buffer[E820_MAX + 1] = {{0, 0x1000, 1}, {0x2000, 0x3000, 2}};
    struct xen_memory_map m = {.nr_entries = 10};
    struct xen_foreign_memory_map f = {.domid = 1, .map.nr_entries = 2};

    m.buffer.p = f.map.buffer.p = buffer;
    is(memory_memory_map(&guest_vcpu, &m), -XEN_ENOSYS, "none is set");
    f.domid = 2;
    is(memory_set_memory_map(&guest_vcpu, &f), -XEN_EPERM);
    f.domid = 1;
    is(memory_set_memory_map(&control_vcpu, &f), 0);
    memset(buffer, 0, sizeof(buffer));
    is(memory_memory_map(&guest_vcpu, &m), 0);
    ok(m.nr_entries == 2 && buffer[1].addr == 0x2000 && buffer[1].type == 2);
    m.nr_entries = 1;
    is(memory_memory_map(&guest_vcpu, &m), 0);
    is(m.nr_entries, 1, "as much as the buffer takes");
    f.map.nr_entries = E820_MAX;
    is(memory_set_memory_map(&control_vcpu, &f), 0, "replaced by the largest");
    f.map.nr_entries = E820_MAX + 1;
    is(memory_set_memory_map(&control_vcpu, &f), -XEN_EINVAL, "one more");
    f.map.nr_entries = ~0u;
    is(memory_set_memory_map(&control_vcpu, &f), -XEN_EINVAL, "-1");
    f.map.nr_entries = 2;
    f.map.buffer.p = NULL;
    is(memory_set_memory_map(&control_vcpu, &f), -XEN_EFAULT);
    m.nr_entries = 200;
    is(memory_memory_map(&guest_vcpu, &m), 0);
    is(m.nr_entries, E820_MAX, "a failed call leaves the old map");
    m.buffer.p = NULL;
    is(memory_memory_map(&guest_vcpu, &m), -XEN_EFAULT);
    f.map.nr_entries = 0;
    is(memory_set_memory_map(&control_vcpu, &f), 0);
    is(memory_memory_map(&guest_vcpu, &m), -XEN_ENOSYS, "an empty map is none");
    memory_domain_free(&guest);
    is(guest.account.used, 0);

    m.buffer.p = NULL;
    is(memory_machine_memory_map(&guest_vcpu, &m), -XEN_EPERM);
    is(memory_machine_memory_map(&control_vcpu, &m), 0);
    is(m.nr_entries, 2, "without a buffer: the size");
    m.buffer.p = buffer;
    m.nr_entries = 1;
    is(memory_machine_memory_map(&control_vcpu, &m), -XEN_EINVAL, "too small");
    m.nr_entries = 2;
    is(memory_machine_memory_map(&control_vcpu, &m), 0);
    is(buffer[0].size, RAM_FRAMES * PAGE_SIZE);
    m.buffer.p = (void *)HV_VIRT_START;
    is(memory_machine_memory_map(&control_vcpu, &m), -XEN_EFAULT);
}

static long claim(struct vcpu *v, unsigned domid, uint64_t pages)
{
    struct xen_memory_reservation r = {.nr_extents = pages, .domid = (xen_domid_t)domid};
    args.arg[0] = XENMEM_claim_pages;
    return memory_claim_pages(v, &r);
}

static void test_claims(void)
{
    uint64_t free = heap_free_count();

    other.max_pages = guest.max_pages = control.max_pages = RAM_FRAMES;
    is(claim(&guest_vcpu, 1, 10), -XEN_EPERM);
    is(claim(&control_vcpu, DOMID_SELF, 10), -XEN_EINVAL);
    is(claim(&control_vcpu, 99, 10), -XEN_EINVAL);
    is(claim(&control_vcpu, 1, RAM_FRAMES + 1), -XEN_EINVAL, "more than it may have");
    is(claim(&control_vcpu, 1, free + 1), -XEN_ENOMEM, "more than there is");
    is(claim(&control_vcpu, 1, free - 4), 0, "all but four");
    is(claim(&control_vcpu, 1, free - 4), -XEN_EINVAL, "one claim a domain");
    is(claim(&control_vcpu, 2, 5), -XEN_ENOMEM, "beside it only four");
    struct xen_memory_reservation r = ask(8, 0, 0, 2);
    is(call(&control_vcpu, memory_populate_physmap, &r), 4, "others get those four");
    r = ask(8, 0, 0, DOMID_SELF);
    is(call(&guest_vcpu, memory_populate_physmap, &r), 8, "the claimer gets its own");
    is(guest.claimed_pages, free - 12, "which shrinks the claim");
    is(claim(&control_vcpu, 1, 0), 0, "a claim is ended");
    r = ask(1, 0, 0, 2);
    is(call(&control_vcpu, memory_populate_physmap, &r), 1, "and others get memory again");
    is(claim(&control_vcpu, 1, 8), -XEN_EINVAL, "it has eight already");
    is(claim(&control_vcpu, 1, 9), 0);
    memory_domain_free(&guest);
    is(guest.claimed_pages, 0, "a claim ends with its domain");
    r = ask(1, 0, 0, 1);
    r.extent_order = 0, r.mem_flags = 1;
    is(memory_claim_pages(&control_vcpu, &r), -XEN_EINVAL);
    is(control.refs + guest.refs + other.refs, 0);
    empty(&guest);
    empty(&other);
}

int main(void)
{
    make_machine();
    test_populate();
    test_increase();
    test_limits();
    test_domains();
    test_faults();
    test_preemption();
    test_questions();
    test_maps();
    test_claims();
    return done();
}

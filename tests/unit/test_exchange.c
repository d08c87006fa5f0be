/* SPDX-License-Identifier: BSD-2-Clause */
/* links: hypervisor/core/memory.c hypervisor/core/reservation.c hypervisor/core/heap.c */
/* links: hypervisor/core/object.c hypervisor/core/e820.c tests/unit/host.c */
/* XENMEM_exchange: frames for frames, all of a chunk or nothing. */
#include "memory_model.h"

static xen_pfn_t outlist[64];

static long exchange(struct vcpu *v, struct xen_memory_exchange *e)
{
    struct xen_memory_exchange copy;
    long rc;

    args.arg[0] = XENMEM_exchange;
    args.arg[1] = (uintptr_t)e;
    do {
        copy = *e;
        rc = memory_exchange(v, &copy);
    } while (rc == HC_AGAIN && ++continued);
    return rc;
}

/* ---- Exchange ------------------------------------------------------------------------------- */

static struct xen_memory_exchange make_exchange(unsigned in_n, unsigned in_order, unsigned out_n,
                                                unsigned out_order)
{
    struct xen_memory_exchange e = {.in = ask(in_n, in_order, 0, DOMID_SELF),
                                    .out = ask(out_n, out_order, 0, DOMID_SELF)};
    e.out.extent_start.p = outlist;
    for (unsigned i = 0; i < out_n; i++)
        outlist[i] = 5000 + ((xen_pfn_t)i << out_order);
    return e;
}

static bool owned(const xen_pfn_t *frames, unsigned n, unsigned order)
{
    for (unsigned i = 0; i < n; i++)
        for (uint64_t k = 0; k < 1ull << order; k++)
            if (model[frames[i] + k].owner != &guest)
                return false;
    return true;
}

/* Contiguous memory for a device, and its return: what Linux exchanges for. */
static void test_exchange(void)
{
    uint64_t before = heap_free_count();

    populate(16, 0);
    guest.max_pages = 16; /* no room for more, not even for a moment */
    struct xen_memory_exchange e = make_exchange(16, 0, 2, 3);
    e.out.mem_flags = XENMEMF_address_bits(25);
    is(exchange(&guest_vcpu, &e), 0, "sixteen frames for two times eight");
    is(e.nr_exchanged, 16);
    is(guest.tot_pages, 16);
    ok(owned(outlist, 2, 3) && outlist[0] % 8 == 0 && outlist[1] < 0x2000, "contiguous, low");
    is(m2p_get(MFN(outlist[1] + 5)).v, 5000 + 8 + 5, "M2P set");
    memcpy(list, outlist, sizeof(list));
    e = make_exchange(2, 3, 16, 0);
    is(exchange(&guest_vcpu, &e), 0, "and back");
    is(e.nr_exchanged, 2);
    is(guest.tot_pages, 16);
    ok(owned(outlist, 16, 0));
    guest.max_pages = 2048;
    memcpy(list, outlist, sizeof(list));
    e = make_exchange(16, 0, 16, 0);
    for (unsigned i = 0; i < 16; i++)
        outlist[i] = i;
    this_cpu(softirq_pending) = 1;
    continued = 0;
    is(exchange(&guest_vcpu, &e), 0, "with interruptions");
    is(continued, 15);
    is(e.nr_exchanged, 16);
    this_cpu(softirq_pending) = 0;
    is(guest.tot_pages, 16);
    is(guest.account.used, 0, "nothing stays charged");
    is(guest.refs, 0);
    empty(&guest);
    is(heap_free_count(), before, "and every frame comes back");
}

static void refuse_exchange(struct xen_memory_exchange e, long want, const char *what)
{
    uint64_t had = guest.tot_pages;
    is(exchange(&guest_vcpu, &e), want, "%s", what);
    is(guest.tot_pages, had, "  changes nothing");
}

static void test_exchange_refused(void)
{
    populate(8, 0);
    struct xen_memory_exchange good = make_exchange(8, 0, 1, 3), e;

    e = good, e.in.extent_order = 10;
    refuse_exchange(e, -XEN_EPERM, "input order");
    e = good, e.out.extent_order = 10;
    refuse_exchange(e, -XEN_EPERM, "output order");
    e = good, e.nr_exchanged = 9;
    refuse_exchange(e, -XEN_EINVAL, "more done than there is");
    e = good, e.out.domid = 1;
    refuse_exchange(e, -XEN_EINVAL, "two domains");
    e = good, e.out.nr_extents = 2;
    refuse_exchange(e, -XEN_EINVAL, "sizes differ");
    e = good, e.out.nr_extents = 1 + (1ul << 61);
    refuse_exchange(e, -XEN_EINVAL, "sizes overflow");
    e = good, e.in.domid = e.out.domid = 2;
    refuse_exchange(e, -XEN_EPERM, "another's memory");
    e = good, e.out.mem_flags = XENMEMF_address_bits(12);
    refuse_exchange(e, -XEN_ENOMEM, "no memory of 12 bits");
    ok(owned(list, 8, 0), "the inputs are the guest's as before");
    is(m2p_get(MFN(list[3])).v, 103, "  with their guest frame numbers");
    e = good, e.in.extent_start.p = (void *)HV_VIRT_START;
    refuse_exchange(e, -XEN_EFAULT, "input list in the hypervisor");
    e = good, e.out.extent_start.p = NULL;
    refuse_exchange(e, -XEN_EFAULT, "output list unmapped");
    xen_pfn_t saved = list[5];
    list[5] = list[2];
    refuse_exchange(good, -XEN_EINVAL, "a frame named twice");
    list[5] = RAM_FRAMES + 3;
    refuse_exchange(good, -XEN_EINVAL, "a frame that is not there");
    list[5] = saved;
    model[saved].refs++;
    refuse_exchange(good, -XEN_EINVAL, "a frame in use");
    model[saved].refs--;
    host_fault_after = 2; /* both lists can be read; the output cannot be written */
    is(exchange(&guest_vcpu, &good), -XEN_EFAULT, "the output list is read-only");
    host_fault_after = -1;
    ok(owned(list, 8, 0) && guest.tot_pages == 8, "  changes nothing");
    guest.account.limit = 60;
    refuse_exchange(good, -XEN_ENOMEM, "the lists find no room in the account");
    guest.account.limit = 1 << 20;
    e = make_exchange(0, 0, 0, 0);
    is(exchange(&guest_vcpu, &e), 0, "nothing for nothing");
    args.arg[0] = XENMEM_exchange | 1 << MEMOP_EXTENT_SHIFT;
    is(memory_exchange(&guest_vcpu, &good), -XEN_EINVAL, "a start in the command");
    is(guest.refs + other.refs, 0);
    empty(&guest);
}

/* The second chunk fails: the first stays done and is reported. */
static void test_exchange_partial(void)
{
    populate(8, 0);
    struct xen_memory_exchange e = make_exchange(8, 0, 2, 2);
    list[6] = 0;
    is(exchange(&guest_vcpu, &e), -XEN_EINVAL);
    is(e.nr_exchanged, 4, "half is done");
    ok(owned(outlist, 1, 2) && outlist[1] == 5004 && guest.tot_pages == 8);
    empty(&guest);
}

static void test_exchange_for_another(void)
{
    populate(4, 0);
    struct xen_memory_exchange e = make_exchange(4, 0, 1, 2);
    e.in.domid = e.out.domid = 1;
    is(exchange(&control_vcpu, &e), 0, "the control domain may for a guest");
    ok(owned(outlist, 1, 2) && guest.tot_pages == 4 && control.tot_pages == 0);
    is(control.account.used, 0);
    e.in.domid = e.out.domid = 99;
    is(exchange(&control_vcpu, &e), -XEN_ESRCH, "not for nobody");
    is(guest.refs + control.refs, 0);
    empty(&guest);
}

/* Another vCPU fills the reservation while the frames are nobody's. */
static struct domain *filled;

static void fill_up(uintptr_t addr, size_t size, bool write)
{
    (void)addr;
    (void)size;
    if (write && filled) {
        filled->max_pages = filled->tot_pages;
        filled = NULL;
    }
}

static void test_exchange_race(void)
{
    uint64_t before = heap_free_count();

    populate(4, 0);
    struct xen_memory_exchange e = make_exchange(4, 0, 1, 2);
    filled = &guest;
    host_guest_hook = fill_up;
    is(exchange(&guest_vcpu, &e), -XEN_E2BIG, "no room for the new frames any more");
    host_guest_hook = NULL;
    is(e.nr_exchanged, 0);
    is(guest.tot_pages, 0, "nor for the old ones");
    is(heap_free_count(), before, "which are free then, not lost");
    empty(&guest);
}

int main(void)
{
    make_machine();
    test_exchange();
    test_exchange_refused();
    test_exchange_partial();
    test_exchange_for_another();
    test_exchange_race();
    return done();
}

/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Calls on the domain's memory: frames are given back, come anew and are exchanged. The lists of
 * frames lie behind the structures, in the same data.
 */
#include "fuzz.h"

#define EXTENTS 8u

static unsigned value_order(void)
{
    return one_in(8) ? (unsigned)value_number() & 31 : (unsigned)random_below(3);
}

static void reservation_fill(struct xen_memory_reservation *r, unsigned long list)
{
    r->nr_extents = one_in(12) ? value_number() : 1 + random_below(EXTENTS);
    r->extent_order = one_in(2) ? 0 : value_order();
    r->mem_flags = one_in(6) ? (unsigned)value_number() : 0;
    r->domid = (domid_t)value_domid();
    set_xen_guest_handle(r->extent_start, (void *)list);
}

static void reservation(struct fuzzer *f, struct call *call, unsigned cmd)
{
    struct xen_memory_reservation *r =
        call_begin(f, call, __HYPERVISOR_memory_op, 1, sizeof(*r) + EXTENTS * sizeof(xen_pfn_t));
    xen_pfn_t *list = (xen_pfn_t *)(r + 1);
    reservation_fill(r, call_address(f, call, list));
    for (unsigned i = 0; i < EXTENTS; i++)
        list[i] = cmd == XENMEM_decrease_reservation ? value_mfn() : value_number();
    call->arg[0] = cmd;
}

/* A page leaves its home, so that its frame has no user and can be given back. */
static void leave_home(struct fuzzer *f, struct call *call)
{
    call_begin(f, call, __HYPERVISOR_update_va_mapping, 0, 0);
    call->arg[0] = play_home(play_any_page());
    call->arg[2] = value_flush();
}

/* A page that has none gets a new frame. */
static void come_home(struct fuzzer *f, struct call *call)
{
    unsigned page = play_any_page();
    call_begin(f, call, __HYPERVISOR_update_va_mapping, 0, 0);
    play.mfn[page] = pool_get(POOL_MFN);
    play.phase[page] = 0;
    call->arg[0] = play_home(page);
    call->arg[1] = pte_make(play.mfn[page], PTE_KERNEL_RW);
    call->arg[2] = value_flush();
}

static void exchange(struct fuzzer *f, struct call *call)
{
    struct xen_memory_exchange *e = call_begin(f, call, __HYPERVISOR_memory_op, 1,
                                               sizeof(*e) + 2 * EXTENTS * sizeof(xen_pfn_t));
    xen_pfn_t *in = (xen_pfn_t *)(e + 1), *out = in + EXTENTS;
    reservation_fill(&e->in, call_address(f, call, in));
    reservation_fill(&e->out, call_address(f, call, out));
    e->out.domid = e->in.domid;
    if (!one_in(8)) {
        e->out.extent_order = e->in.extent_order = 0;
        e->out.nr_extents = e->in.nr_extents = 1 + random_below(2);
        e->out.mem_flags = 0;
    }
    for (unsigned i = 0; i < EXTENTS; i++) {
        in[i] = one_in(8) ? value_mfn() : pool_get(POOL_MFN);
        out[i] = value_number();
    }
    e->nr_exchanged = one_in(16) ? value_number() : 0;
    call->arg[0] = XENMEM_exchange;
}

void generate_memory(struct fuzzer *f, struct call *call)
{
    switch (random_below(8)) {
    case 0:
        leave_home(f, call);
        break;
    case 1:
    case 2:
        come_home(f, call);
        break;
    case 3:
        reservation(f, call, XENMEM_decrease_reservation);
        break;
    case 4:
        reservation(f, call, XENMEM_increase_reservation);
        break;
    case 5:
        reservation(f, call, XENMEM_populate_physmap);
        break;
    default:
        exchange(f, call);
        break;
    }
}

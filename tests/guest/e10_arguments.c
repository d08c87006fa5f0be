/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Hostile guest, class E10: arguments that were not checked.
 *
 * PV hypervisors have been broken by arguments that are each harmless and together are not: a
 * pointer that is good, with a count or a start that moves it (XSA-212); a size that overflows when
 * it is multiplied (XSA-158); an index into a table that is a guest's to choose (XSA-231); an
 * alignment that was taken for granted (XSA-327); an error path that forgot a lock (XSA-334). Each
 * check here is one such case. What must come of it is an error and nothing else: no memory
 * changes, and the same call can be made again.
 *
 * test: vcpus=1,4
 */
#include <pv/hypercall.h>
#include <pv/memory.h>
#include <pv/smp.h>
#include <pv/trap.h>

#include "tap.h"

#define M2P_START HYPERVISOR_VIRT_START

static long pages_owned(void)
{
    domid_t self = DOMID_SELF;
    return HYPERVISOR_memory_op(XENMEM_current_reservation, &self);
}

/* ---- Pointers that a count moves ------------------------------------------------------------ */

/* XSA-212: the pointer is the guest's own, but what is written lies `done` elements further. */
static void exchange_into_hypervisor(void)
{
    static xen_pfn_t in[4];
    const unsigned long done[] = {1, 512, 1ul << 20};
    bool refused = true;
    uint64_t before = 0, after = 0;
    (void)try_read((void *)M2P_START, &before);
    for (unsigned i = 0; i < sizeof(done) / sizeof(done[0]); i++) {
        struct xen_memory_exchange exchange = {
            .in = {.nr_extents = done[i] + 1, .domid = DOMID_SELF},
            .out = {.nr_extents = done[i] + 1, .domid = DOMID_SELF},
            .nr_exchanged = done[i],
        };
        set_xen_guest_handle(exchange.in.extent_start, in);
        set_xen_guest_handle(exchange.out.extent_start,
                             (xen_pfn_t *)(M2P_START - done[i] * sizeof(xen_pfn_t)));
        refused &= HYPERVISOR_memory_op(XENMEM_exchange, &exchange) < 0;
    }
    (void)try_read((void *)M2P_START, &after);
    ok(refused, "XSA-212: an exchange that is to go on within the hypervisor's memory is refused");
    is(after, before, "XSA-212: and nothing is written there");
}

/* The structure is the guest's own, the array that it names is not. */
static void arrays_in_hypervisor(void)
{
    struct xen_machphys_mfn_list list = {.max_extents = 1};
    set_xen_guest_handle(list.extent_start, (xen_pfn_t *)M2P_START);
    is_error(HYPERVISOR_memory_op(XENMEM_machphys_mfn_list, &list), -XEN_EFAULT,
             "a list is not written into the hypervisor's memory");
    struct xen_memory_map map = {.nr_entries = 1000};
    set_xen_guest_handle(map.buffer, (void *)M2P_START);
    is_error(HYPERVISOR_memory_op(XENMEM_machine_memory_map, &map), -XEN_EFAULT,
             "a memory map is not written into the hypervisor's memory");
    struct vcpu_register_runstate_memory_area runstate = {.addr = {.p = M2P_START}};
    is_error(HYPERVISOR_vcpu_op(VCPUOP_register_runstate_memory_area, 0, &runstate), -XEN_EFAULT,
             "run states are not published in the hypervisor's memory");
    struct vcpu_register_time_memory_area time = {.addr = {.p = M2P_START}};
    is_error(HYPERVISOR_vcpu_op(VCPUOP_register_vcpu_time_memory_area, 0, &time), -XEN_EFAULT,
             "nor is the time");
    struct sched_poll poll = {.nr_ports = 1, .timeout = 1};
    set_xen_guest_handle(poll.ports, (evtchn_port_t *)M2P_START);
    is_error(HYPERVISOR_sched_op(SCHEDOP_poll, &poll), -XEN_EFAULT,
             "ports to poll are not read from the hypervisor's memory");
}

/* ---- Sizes that overflow -------------------------------------------------------------------- */

/* XSA-158: orders and counts that, shifted and multiplied, come back small. */
static void exchange_overflows(void)
{
    static xen_pfn_t frames[4];
    const struct {
        unsigned long in, out;
        unsigned in_order, out_order;
        const char *name;
    } cases[] = {
        {1, 1, 63, 63, "order 63"},           {1, 1, 64, 0, "order 64 for order 0"},
        {1, 2, 255, 255, "order 255"},        {1ul << 63, 1, 1, 0, "2^64 frames for one"},
        {1, 1ul << 52, 52, 0, "2^52 frames"}, {~0ul, ~0ul, 0, 0, "2^64 - 1 frames"},
    };
    for (unsigned i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct xen_memory_exchange exchange = {
            .in = {.nr_extents = cases[i].in, .extent_order = cases[i].in_order},
            .out = {.nr_extents = cases[i].out, .extent_order = cases[i].out_order},
        };
        exchange.in.domid = exchange.out.domid = DOMID_SELF;
        set_xen_guest_handle(exchange.in.extent_start, frames);
        set_xen_guest_handle(exchange.out.extent_start, frames);
        ok(HYPERVISOR_memory_op(XENMEM_exchange, &exchange) < 0,
           "XSA-158: an exchange of %s is refused", cases[i].name);
    }
}

static void reservation_overflows(void)
{
    static xen_pfn_t frame;
    const unsigned long counts[] = {~0ul, 1ul << 63, 1ul << 32, 1ul << 26, 0x3ffffff};
    const unsigned ops[] = {XENMEM_increase_reservation, XENMEM_decrease_reservation,
                            XENMEM_populate_physmap};
    long pages = pages_owned();
    bool none = true;
    for (unsigned i = 0; i < sizeof(counts) / sizeof(counts[0]); i++) {
        for (unsigned j = 0; j < sizeof(ops) / sizeof(ops[0]); j++) {
            struct xen_memory_reservation r = {
                .nr_extents = counts[i], .extent_order = 63, .domid = DOMID_SELF};
            set_xen_guest_handle(r.extent_start, &frame);
            none &= HYPERVISOR_memory_op(ops[j], &r) <= 0;
        }
    }
    ok(none, "a reservation of 2^63 pages, so many times, gets nothing");
    is(pages_owned(), pages, "and changes nothing");
}

/* XSA-231: a node of memory that there is not. Allocating elsewhere is allowed. */
static void reservation_nodes(void)
{
    bool sane = true;
    for (unsigned node = 0; node < 256; node++) {
        xen_pfn_t frame = ~0ul;
        struct xen_memory_reservation r = {
            .nr_extents = 1, .mem_flags = XENMEMF_exact_node(node), .domid = DOMID_SELF};
        set_xen_guest_handle(r.extent_start, &frame);
        long got = HYPERVISOR_memory_op(XENMEM_increase_reservation, &r);
        sane &= got <= 1;
        if (got == 1)
            sane &= HYPERVISOR_memory_op(XENMEM_decrease_reservation, &r) == 1;
    }
    ok(sane, "XSA-231: memory of each node, of 256, comes or does not");
}

/* Lists at the end of what a guest may name, longer than what is left. */
static void lists_overflow(void)
{
    const unsigned long end = M2P_START;
    unsigned done = 1;
    is_error(HYPERVISOR_multicall((struct multicall_entry *)(end - 64), 0xffffffff), -XEN_EFAULT,
             "a multicall of 2^32 - 1 calls at the end of the lower half");
    is_error(HYPERVISOR_multicall((struct multicall_entry *)-64l, 0x8000000), -XEN_EFAULT,
             "a multicall whose list goes over the end of all addresses");
    is_error(HYPERVISOR_mmu_update((struct mmu_update *)-16l, 0x7fffffff, &done, DOMID_SELF),
             -XEN_EFAULT, "page-table updates that go over the end of all addresses");
    is_error(HYPERVISOR_mmuext_op((struct mmuext_op *)-24l, 0x7fffffff, &done, DOMID_SELF),
             -XEN_EFAULT, "extended operations that go over the end of all addresses");
    is_error(HYPERVISOR_grant_table_op(GNTTABOP_map_grant_ref, (void *)-8l, 0x7fffffff),
             -XEN_EFAULT, "grants that go over the end of all addresses");
    is_error(HYPERVISOR_grant_table_op(GNTTABOP_map_grant_ref, &done, 0x80000000), -XEN_EINVAL,
             "fewer than no grants");
    is_error(HYPERVISOR_set_gdt((unsigned long *)-8l, 512), -XEN_EFAULT,
             "a GDT's frames that go over the end of all addresses");
    is_error(HYPERVISOR_set_gdt(NULL, 8193), -XEN_EINVAL, "a GDT of 8193 entries");
    struct sched_poll poll = {.nr_ports = 129, .timeout = 1};
    is_error(HYPERVISOR_sched_op(SCHEDOP_poll, &poll), -XEN_EINVAL, "polling 129 ports");
    poll.nr_ports = ~0u;
    is_error(HYPERVISOR_sched_op(SCHEDOP_poll, &poll), -XEN_EINVAL, "polling 2^32 - 1 ports");
}

/* ---- Alignment ------------------------------------------------------------------------------ */

/* XSA-327: a vcpu_info that lies in two pages, or across a cache line's atomic parts. */
static void vcpu_info_alignment(void)
{
    struct vcpu_register_vcpu_info info = {.mfn = virt_to_mfn(page_alloc())};
    bool refused = true;
    for (unsigned offset = 1; offset < sizeof(uint64_t); offset++) {
        info.offset = offset;
        refused &= HYPERVISOR_vcpu_op(VCPUOP_register_vcpu_info, 0, &info) == -XEN_ENXIO;
    }
    ok(refused, "XSA-327: a misaligned vcpu_info is refused");
    const uint32_t far[] = {PAGE_SIZE - sizeof(struct vcpu_info) + 8, PAGE_SIZE - 8, PAGE_SIZE,
                            0x80000000, 0xfffffff8};
    refused = true;
    for (unsigned i = 0; i < sizeof(far) / sizeof(far[0]); i++) {
        info.offset = far[i];
        refused &= HYPERVISOR_vcpu_op(VCPUOP_register_vcpu_info, 0, &info) == -XEN_ENXIO;
    }
    ok(refused, "XSA-327: one that is not within its page, too");
}

/* ---- Numbers too wide, and progress that a guest invents ------------------------------------ */

static void upper_halves(void)
{
    const unsigned long high = 1ul << 32;
    is(HYPERCALL2(xen_version, high | XENVER_version, 0), HYPERVISOR_xen_version(XENVER_version, 0),
       "a command is its lower 32 bits");
    is_error(HYPERCALL3(vcpu_op, VCPUOP_is_up, high, 0), 1, "a vCPU's number is its lower 32 bits");
    static struct multicall_entry entry;
    is_error(HYPERCALL2(multicall, &entry, high), 0, "a count is its lower 32 bits");
    uint64_t maddr = ~0ul << PAGE_SHIFT;
    is_error(HYPERVISOR_update_descriptor(maddr, 0), -XEN_EINVAL,
             "a descriptor beyond all memory is refused");
    is_error(HYPERVISOR_update_descriptor(virt_to_maddr(page_alloc()) + 4, 0), -XEN_EINVAL,
             "a misaligned descriptor is refused");
}

/* memory_op's command carries how many extents are done: the guest may say what it likes. */
static void invented_progress(void)
{
    xen_pfn_t frame = virt_to_mfn(page_alloc());
    struct xen_memory_reservation r = {.nr_extents = 1, .domid = DOMID_SELF};
    set_xen_guest_handle(r.extent_start, &frame);
    long pages = pages_owned();
    for (unsigned long start = 1; start < 1ul << 26; start <<= 5) {
        (void)HYPERVISOR_memory_op((unsigned)(XENMEM_decrease_reservation | start << 6), &r);
        (void)HYPERVISOR_memory_op((unsigned)(XENMEM_increase_reservation | start << 6), &r);
    }
    is(pages_owned(), pages, "extents that are said to be done do nothing");
    ok(HYPERVISOR_memory_op(XENMEM_maximum_ram_page | 1 << 6, NULL) <= 0 ||
           HYPERVISOR_memory_op(XENMEM_maximum_ram_page, NULL) > 0,
       "nor do they where there are no extents");
}

/* XSA-334: had an error path kept a lock, the second call would wait for ever. */
static void errors_again(void)
{
    unsigned operations = 0;
    static char zeroes[4096];
    for (unsigned pass = 0; pass < 2; pass++) {
        for (unsigned command = 0; command < 64; command++) {
            (void)HYPERVISOR_memory_op(command, (void *)M2P_START);
            (void)HYPERVISOR_event_channel_op(command, (void *)M2P_START);
            (void)HYPERVISOR_physdev_op(command, (void *)M2P_START);
            (void)HYPERVISOR_grant_table_op(command, zeroes, 0x80000000);
            (void)HYPERVISOR_grant_table_op(command, (void *)M2P_START, 1);
            operations += 5;
        }
    }
    is(operations, 640, "XSA-334: what was refused is refused again, and every call returns");
}

/* ---- Multicalls ----------------------------------------------------------------------------- */

static void multicalls(void)
{
    static struct multicall_entry list[3], inner[1];
    inner[0] = (struct multicall_entry){.op = __HYPERVISOR_xen_version};
    list[0] = (struct multicall_entry){.op = __HYPERVISOR_multicall, .args = {PV_ARG(inner), 1}};
    list[1] = (struct multicall_entry){.op = ~0ul};
    list[2] = (struct multicall_entry){.op = __HYPERVISOR_xen_version};
    is_error(HYPERVISOR_multicall(list, 3), 0, "a multicall with bad entries is carried out");
    is_error(list[0].result, -XEN_EINVAL, "a multicall within a multicall is refused");
    is_error(list[1].result, -XEN_ENOSYS, "a hypercall 2^64 - 1 is refused");
    ok((long)list[2].result > 0, "the calls behind them are made");
    /* A result is written where the next entry's number lies. */
    static char overlap[64 * 4] __attribute__((aligned(64)));
    struct multicall_entry *first = (void *)overlap;
    memset(overlap, 0, sizeof(overlap));
    first->op = __HYPERVISOR_xen_version;
    first->args[0] = XENVER_get_features;
    first->args[1] = PV_ARG(overlap + sizeof(*first));
    is_error(HYPERVISOR_multicall(first, 2), 0, "a multicall may write its own next entry");
    is_error(first->result, 0, "and goes on with what is there then");
}

int main(void)
{
    long pages = pages_owned();
    exchange_into_hypervisor();
    arrays_in_hypervisor();
    exchange_overflows();
    reservation_overflows();
    reservation_nodes();
    lists_overflow();
    vcpu_info_alignment();
    upper_halves();
    invented_progress();
    errors_again();
    multicalls();
    is(pages_owned(), pages, "the domain has as many pages as before");
    return done();
}

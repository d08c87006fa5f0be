/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What a domain without privileges may not: every hypercall and sub-operation of the hypervisor's
 * own table (hypervisor/core/hypercalls.def) is either a domain's own matter, or refused with the
 * error that is said here. An operation that is added to the table and is not said here fails the
 * test. Then, of all operations that take a domain, each is tried on the control domain, on the
 * neighbour (peer=N), and on a domain that there is not.
 */
#include "boundary.h"

#include <pv/memory.h>

#define NO_DOMAIN ((domid_t)0x7fe0)
#define ARGUMENT  4096u
#define OWN       1L /* an answer that no error has: whatever comes of it */

enum style { DIRECT, SUBOPS, VCPUOPS, CONTROL };

static const struct subop {
    const char *call, *name;
    uint8_t number, command;
} subops[] = {
#define HYPERCALL(name, nargs, style, args, doc)
#define SUBOP(call_, command_, handler, type, direction, doc)                                      \
    {#call_, #command_, __HYPERVISOR_##call_, command_},
#include "core/hypercalls.def"
#undef HYPERCALL
#undef SUBOP
};
#define NR_SUBOPS (sizeof(subops) / sizeof(subops[0]))

static const struct call {
    const char *name;
    enum style style;
    uint8_t number;
} calls[] = {
#define HYPERCALL(name_, nargs, style_, args, doc) {#name_, style_, __HYPERVISOR_##name_},
#define SUBOP(call, command, handler, type, direction, doc)
#include "core/hypercalls.def"
#undef HYPERCALL
#undef SUBOP
};
#define NR_CALLS (sizeof(calls) / sizeof(calls[0]))

/* Whole hypercalls, sub-operations: what is refused, asked with zeroes (domain 0 where one is
 * named). Those of domctl and sysctl are all refused and not said singly. */
static const struct answer {
    const char *name;
    long wanted;
} refused[] = {
    {"platform_op", -XEN_EPERM},
    {"console_io", -XEN_EPERM},
    {"update_va_mapping_otherdomain", -XEN_EPERM},
    {"XENMEM_machine_memory_map", -XEN_EPERM},
    {"XENMEM_set_memory_map", -XEN_EPERM},
    {"XENMEM_claim_pages", -XEN_EPERM},
    {"XENMEM_acquire_resource", -XEN_EPERM},
    {"XENMEM_exchange", -XEN_EPERM},
    {"XENMEM_current_reservation", -XEN_EPERM},
    {"XENMEM_maximum_reservation", -XEN_EPERM},
    {"XENMEM_maximum_gpfn", -XEN_EPERM},
    {"XENMEM_add_to_physmap", -XEN_EACCES},
    {"XENMEM_get_vnumainfo", -XEN_EPERM},
    {"SCHEDOP_remote_shutdown", -XEN_EPERM},
    {"SCHEDOP_pin_override", -XEN_EPERM},
    {"VCPUOP_get_physid", -XEN_EINVAL},
    {"EVTCHNOP_bind_pirq", -XEN_EINVAL},
    {"PHYSDEVOP_eoi", -XEN_EINVAL},
    {"PHYSDEVOP_apic_read", -XEN_EPERM},
    {"PHYSDEVOP_apic_write", -XEN_EPERM},
    {"PHYSDEVOP_alloc_irq_vector", -XEN_EPERM},
    {"PHYSDEVOP_free_irq_vector", -XEN_EPERM},
    {"PHYSDEVOP_map_pirq", -XEN_EPERM},
    {"PHYSDEVOP_unmap_pirq", -XEN_EPERM},
    {"PHYSDEVOP_manage_pci_add", -XEN_EPERM},
    {"PHYSDEVOP_manage_pci_remove", -XEN_EPERM},
    {"PHYSDEVOP_manage_pci_add_ext", -XEN_EPERM},
    {"PHYSDEVOP_restore_msi", -XEN_EPERM},
    {"PHYSDEVOP_setup_gsi", -XEN_EPERM},
    {"PHYSDEVOP_get_free_pirq", -XEN_EPERM},
    {"PHYSDEVOP_pci_mmcfg_reserved", -XEN_EPERM},
    {"PHYSDEVOP_pci_device_add", -XEN_EPERM},
    {"PHYSDEVOP_pci_device_remove", -XEN_EPERM},
    {"PHYSDEVOP_restore_msi_ext", -XEN_EPERM},
    {"PHYSDEVOP_dbgp_op", -XEN_EPERM},
    {"PHYSDEVOP_prepare_msix", -XEN_EPERM},
    {"PHYSDEVOP_release_msix", -XEN_EPERM},
};

/* A domain's own matters: about itself, about nobody, or about what others offered it. */
static const char *const own[] = {
    "set_trap_table",
    "mmu_update",
    "set_gdt",
    "stack_switch",
    "set_callbacks",
    "fpu_taskswitch",
    "set_debugreg",
    "get_debugreg",
    "update_descriptor",
    "multicall",
    "update_va_mapping",
    "set_timer_op",
    "grant_table_op",
    "vm_assist",
    "iret",
    "set_segment_base",
    "mmuext_op",
    "xen_version",
    "nmi_op",
    "callback_op",
    "hvm_op",
    "vcpu_op",
    "XENMEM_increase_reservation", /* of no extents: below with one */
    "XENMEM_decrease_reservation",
    "XENMEM_populate_physmap",
    "XENMEM_maximum_ram_page",
    "XENMEM_machphys_mfn_list",
    "XENMEM_machphys_mapping",
    "XENMEM_memory_map",
    "SCHEDOP_yield",
    "SCHEDOP_block",
    "SCHEDOP_shutdown",
    "SCHEDOP_poll",
    "SCHEDOP_shutdown_code",
    "SCHEDOP_watchdog",
    "EVTCHNOP_bind_interdomain",
    "EVTCHNOP_bind_virq",
    "EVTCHNOP_close",
    "EVTCHNOP_send",
    "EVTCHNOP_status", /* of others: below */
    "EVTCHNOP_alloc_unbound",
    "EVTCHNOP_bind_ipi",
    "EVTCHNOP_bind_vcpu",
    "EVTCHNOP_unmask",
    "EVTCHNOP_reset",
    "EVTCHNOP_init_control",
    "EVTCHNOP_expand_array",
    "EVTCHNOP_set_priority",
    "PHYSDEVOP_irq_status_query",
    "PHYSDEVOP_pirq_eoi_gmfn_v1",
    "PHYSDEVOP_pirq_eoi_gmfn_v2",
    "PHYSDEVOP_set_iopl", /* virtual, and so of no effect on ports: tests/guest/ports.c */
    "PHYSDEVOP_set_iobitmap",
};

static _Alignas(PAGE_SIZE) char argument_page[ARGUMENT];
static domid_t peer, self;

static long wanted_answer(const char *call, const char *name)
{
    for (size_t i = 0; i < sizeof(refused) / sizeof(refused[0]); i++) {
        if (strcmp(refused[i].name, name) == 0 || strcmp(refused[i].name, call) == 0)
            return refused[i].wanted;
    }
    for (size_t i = 0; i < sizeof(own) / sizeof(own[0]); i++) {
        if (strcmp(own[i], name) == 0 || strcmp(own[i], call) == 0)
            return OWN;
    }
    return 0;
}

/* ---- The table ------------------------------------------------------------------------------ */

static void test_subop(const struct subop *op, enum style style)
{
    long want = wanted_answer(op->call, op->name), rc;
    if (!ok(want != 0, "%s is known to be somebody's", op->name) || want == OWN)
        return;
    memset(argument_page, 0, sizeof(argument_page));
    if (style == VCPUOPS)
        rc = hypercall(op->number, op->command, 0, PV_ARG(argument_page), 0, 0);
    else
        rc = hypercall(op->number, op->command, PV_ARG(argument_page), 0, 0, 0);
    boundary_restore();
    is_error(rc, want, "%s is not for a guest", op->name);
}

static enum style style_of(unsigned number)
{
    for (size_t i = 0; i < NR_CALLS; i++) {
        if (calls[i].number == number)
            return calls[i].style;
    }
    return DIRECT;
}

static void test_call(const struct call *c)
{
    long want = wanted_answer(c->name, c->name);
    if (!ok(want != 0, "%s is known to be somebody's", c->name) || want == OWN)
        return;
    memset(argument_page, 0, sizeof(argument_page));
    /* console_io(CONSOLEIO_read, ...), update_va_mapping_otherdomain(0, 0, 0, 0) */
    long rc = strcmp(c->name, "platform_op") == 0
                  ? hypercall(c->number, PV_ARG(argument_page), 0, 0, 0, 0)
                  : hypercall(c->number, c->number == __HYPERVISOR_console_io, 0, 0, 0, 0);
    boundary_restore();
    is_error(rc, want, "%s is not for a guest", c->name);
}

/* Every command, known or not, on every domain: the answer must not even tell which there are. */
static void test_control(void)
{
    const domid_t domains[] = {0, self, peer, NO_DOMAIN, DOMID_SELF, DOMID_XEN, DOMID_INVALID};
    unsigned domctls = 0, sysctls = 0, platform = 0;
    for (unsigned command = 0; command < 128; command++) {
        for (unsigned i = 0; i < sizeof(domains) / sizeof(*domains); i++) {
            struct xen_domctl *d = memset(argument_page, 0, ARGUMENT);
            d->cmd = command;
            d->interface_version = XEN_DOMCTL_INTERFACE_VERSION;
            d->domain = domains[i];
            domctls += hypercall(__HYPERVISOR_domctl, PV_ARG(d), 0, 0, 0, 0) != -XEN_EPERM;
        }
        struct xen_sysctl *s = memset(argument_page, 0, ARGUMENT);
        s->cmd = command;
        s->interface_version = XEN_SYSCTL_INTERFACE_VERSION;
        sysctls += hypercall(__HYPERVISOR_sysctl, PV_ARG(s), 0, 0, 0, 0) != -XEN_EPERM;
        struct xen_platform_op *p = memset(argument_page, 0, ARGUMENT);
        p->cmd = command;
        p->interface_version = XENPF_INTERFACE_VERSION;
        platform += hypercall(__HYPERVISOR_platform_op, PV_ARG(p), 0, 0, 0, 0) != -XEN_EPERM;
    }
    is(domctls, 0, "every domctl is refused, on every domain");
    is(sysctls, 0, "every sysctl is refused");
    is(platform, 0, "every platform operation is refused");
    struct multicall_entry batch = {.op = __HYPERVISOR_sysctl, .args = {PV_ARG(argument_page)}};
    is_error(HYPERVISOR_multicall(&batch, 1), 0, "a batch is carried out");
    is_error((long)batch.result, -XEN_EPERM, "in which a sysctl is refused, too");
}

/* ---- Other domains -------------------------------------------------------------------------- */

/* Which error says "not you" where the domain is there, and where it is not. */
static long not_mine(domid_t domain)
{
    return domain == NO_DOMAIN ? -XEN_ESRCH : -XEN_EPERM;
}

static void test_memory_of(domid_t domain, const char *who)
{
    xen_pfn_t frame = virt_to_mfn(argument_page);
    struct xen_memory_reservation r = {.nr_extents = 1, .domid = domain};
    static const unsigned changes[] = {XENMEM_increase_reservation, XENMEM_decrease_reservation,
                                       XENMEM_populate_physmap};
    static const unsigned questions[] = {XENMEM_current_reservation, XENMEM_maximum_reservation,
                                         XENMEM_maximum_gpfn};
    set_xen_guest_handle(r.extent_start, &frame);
    /* The result is how many extents were done, not an error. */
    for (unsigned i = 0; i < 3; i++)
        is_error(HYPERVISOR_memory_op(changes[i], &r), 0, "memory operation %u is not done to %s",
                 changes[i], who);
    struct xen_memory_exchange e = {.in = r, .out = r};
    is_error(HYPERVISOR_memory_op(XENMEM_exchange, &e), not_mine(domain), "%s exchanges nothing",
             who);
    for (unsigned i = 0; i < 3; i++)
        is_error(HYPERVISOR_memory_op(questions[i], &domain), not_mine(domain),
                 "memory operation %u does not tell of %s", questions[i], who);
    is(frame, virt_to_mfn(argument_page), "and nothing is written for %s", who);
}

static void test_tables_of(domid_t domain, const char *who)
{
    const volatile void *place = argument_page;
    uint64_t old = *pte_of(place, 1);
    struct mmu_update update = {.ptr = pte_maddr(place, 1), .val = old};
    ok(HYPERVISOR_mmu_update(&update, 1, NULL, domain) < 0, "no page of %s is mapped", who);
    ok(HYPERCALL4(mmu_update, &update, 1, NULL, (domain + 1u) << 16 | DOMID_SELF) < 0,
       "no page table of %s is changed", who);
    update.ptr = virt_to_maddr(place) | MMU_MACHPHYS_UPDATE;
    ok(HYPERVISOR_mmu_update(&update, 1, NULL, domain) < 0, "no number of %s's is changed", who);
    ok(HYPERVISOR_update_va_mapping_otherdomain(PV_ARG(place), old, 0, domain) < 0,
       "no page of %s is mapped by its address", who);
    for (unsigned cmd = MMUEXT_PIN_L1_TABLE; cmd <= MMUEXT_UNMARK_SUPER; cmd++) {
        struct mmuext_op op = {.cmd = cmd, .arg1.mfn = virt_to_mfn(place)};
        if (cmd != MMUEXT_NEW_BASEPTR)
            ok(HYPERVISOR_mmuext_op(&op, 1, NULL, domain) < 0, "mmuext_op %u is not done for %s",
               cmd, who);
    }
    is(*pte_of(place, 1) & ~(PTE_A | PTE_D), old & ~(PTE_A | PTE_D), "nothing came of it for %s",
       who);
}

static void test_grants_of(domid_t domain, const char *who)
{
    xen_pfn_t frames[1] = {0};
    uint64_t status_frames[1] = {0};
    struct gnttab_setup_table setup = {.dom = domain, .nr_frames = 1};
    set_xen_guest_handle(setup.frame_list, frames);
    HYPERVISOR_grant_table_op(GNTTABOP_setup_table, &setup, 1);
    ok(setup.status < 0 && frames[0] == 0, "the grant table of %s is not shown", who);
    struct gnttab_get_status_frames status = {.dom = domain, .nr_frames = 1};
    set_xen_guest_handle(status.frame_list, status_frames);
    HYPERVISOR_grant_table_op(GNTTABOP_get_status_frames, &status, 1);
    ok(status.status < 0 && status_frames[0] == 0, "nor its status frames, of %s", who);
    struct gnttab_query_size size = {.dom = domain};
    HYPERVISOR_grant_table_op(GNTTABOP_query_size, &size, 1);
    ok(size.status < 0 && size.nr_frames == 0, "nor how large it is, of %s", who);
    struct gnttab_get_version version = {.dom = domain};
    ok(HYPERVISOR_grant_table_op(GNTTABOP_get_version, &version, 1) < 0, "nor its version, of %s",
       who);
    struct gnttab_dump_table dump = {.dom = domain};
    long rc = HYPERVISOR_grant_table_op(GNTTABOP_dump_table, &dump, 1);
    ok(rc < 0 || dump.status < 0, "nor does the console show it, of %s", who);
}

static void test_events_of(domid_t domain, const char *who)
{
    struct evtchn_status status = {.dom = domain, .port = 1};
    is_error(HYPERVISOR_event_channel_op(EVTCHNOP_status, &status), not_mine(domain),
             "ports of %s are not shown", who);
    struct evtchn_reset reset = {.dom = domain};
    is_error(HYPERVISOR_event_channel_op(EVTCHNOP_reset, &reset), not_mine(domain),
             "ports of %s are not reset", who);
    struct evtchn_alloc_unbound alloc = {.dom = domain, .remote_dom = self};
    is_error(HYPERVISOR_event_channel_op(EVTCHNOP_alloc_unbound, &alloc), not_mine(domain),
             "no port of %s is allocated", who);
    unsigned bound = 0;
    for (evtchn_port_t port = 0; port < 256; port++) {
        struct evtchn_bind_interdomain bind = {.remote_dom = domain, .remote_port = port};
        bound += HYPERVISOR_event_channel_op(EVTCHNOP_bind_interdomain, &bind) == 0;
    }
    is(bound, 0, "nobody is connected to what %s did not offer", who);
}

static void test_others(domid_t domain, const char *who)
{
    struct sched_remote_shutdown down = {.domain_id = domain, .reason = SHUTDOWN_crash};
    is_error(HYPERVISOR_sched_op(SCHEDOP_remote_shutdown, &down), not_mine(domain),
             "%s is not shut down", who);
    struct physdev_map_pirq map = {
        .domid = domain, .type = MAP_PIRQ_TYPE_GSI, .index = 9, .pirq = -1};
    is_error(HYPERVISOR_physdev_op(PHYSDEVOP_map_pirq, &map), -XEN_EPERM,
             "no interrupt is mapped for %s", who);
    struct xen_mem_acquire_resource resource = {
        .domid = domain, .type = XENMEM_resource_grant_table, .nr_frames = 1};
    xen_pfn_t frame = 0;
    set_xen_guest_handle(resource.frame_list, &frame);
    ok(HYPERVISOR_memory_op(XENMEM_acquire_resource, &resource) < 0 && frame == 0,
       "no grant table of %s is had as a resource", who);
    test_memory_of(domain, who);
    test_tables_of(domain, who);
    test_grants_of(domain, who);
    test_events_of(domain, who);
}

/* ---- Things of the machine ------------------------------------------------------------------ */

static void test_machine(void)
{
    static const unsigned long frames[] = {0xfee00, 0xfec00, 0xb8, 0xa0, 0xfed00};
    char *window = window_alloc(1);
    for (unsigned i = 0; i < sizeof(frames) / sizeof(*frames); i++) {
        uint64_t pte = pte_make(frames[i], PTE_KERNEL_RW);
        ok(pte_set(window, pte) < 0, "device memory %#lx is not mapped", frames[i]);
        ok(pte_set_of(window, pte, DOMID_IO) < 0, "nor as DOMID_IO's, %#lx", frames[i]);
        ok(pte_set_of(window, pte, DOMID_XEN) < 0, "nor as DOMID_XEN's, %#lx", frames[i]);
    }
    static const unsigned virqs[] = {VIRQ_DOM_EXC, VIRQ_CON_RING, VIRQ_DEBUGGER, VIRQ_TBUF,
                                     VIRQ_PCPU_STATE};
    for (unsigned i = 0; i < sizeof(virqs) / sizeof(*virqs); i++) {
        long port = event_bind_virq(virqs[i], 0, NULL, NULL);
        ok(port < 0 || !event_is_pending((evtchn_port_t)port), "VIRQ %u does not come", virqs[i]);
        if (port >= 0)
            event_close((evtchn_port_t)port);
    }
    window_free(window, 1);
}

int main(int argc, char **argv)
{
    long pages = boundary_pages();
    peer = (domid_t)argument(argc, argv, "peer", 1);
    self = (domid_t)argument(argc, argv, "self", 2);
    boundary_start();
    for (size_t i = 0; i < NR_SUBOPS; i++) {
        enum style style = style_of(subops[i].number);
        if (style != CONTROL)
            test_subop(&subops[i], style);
    }
    for (size_t i = 0; i < NR_CALLS; i++) {
        if (calls[i].style == DIRECT)
            test_call(&calls[i]);
    }
    test_control();
    test_others(0, "the control domain");
    test_others(peer, "the neighbour");
    test_others(NO_DOMAIN, "nobody");
    test_machine();
    is(boundary_pages(), pages, "the domain has as many pages as before");
    return done();
}

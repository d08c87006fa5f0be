/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * physdev_op: interrupts, PCI devices and I/O privilege, for a domain with devices.
 *
 * A PIRQ is a domain's number for a physical interrupt: for the lines of the IOAPICs (GSIs) the
 * same number, for messages (MSI) one that the hypervisor chooses. It is mapped first, then bound
 * to an event channel; level-triggered ones are acknowledged by PHYSDEVOP_eoi. The rest tells the
 * hypervisor what only the control domain's ACPI and PCI drivers know.
 *
 * The machine is one of QEMU's: device 00:00.0 is the host bridge, which has no MSI.
 *
 *   test: vcpus=1
 */
#include <pv/event.h>
#include <pv/hypercall.h>
#include <pv/memory.h>
#include <pv/start.h>

#include "machine.h"
#include "tap.h"

#define GSI          10
#define BRIDGE_DEVFN 0u
#define NO_DEVFN     (30u << 3)
#define IOAPIC       0xfec00000ul

static long op(unsigned cmd, void *arg)
{
    return HYPERVISOR_physdev_op(cmd, arg);
}

static long map(int type, int index, int pirq, int *result)
{
    struct physdev_map_pirq arg = {.domid = DOMID_SELF,
                                   .type = type,
                                   .index = index,
                                   .pirq = pirq,
                                   .devfn = (int)BRIDGE_DEVFN};
    long rc = op(PHYSDEVOP_map_pirq, &arg);
    if (result != NULL)
        *result = arg.pirq;
    return rc;
}

static long unmap(int pirq)
{
    struct physdev_unmap_pirq arg = {.domid = DOMID_SELF, .pirq = pirq};
    return op(PHYSDEVOP_unmap_pirq, &arg);
}

static void test_iopl(void)
{
    for (unsigned iopl = 0; iopl <= 3; iopl++) {
        struct physdev_set_iopl arg = {.iopl = iopl};
        is_error(op(PHYSDEVOP_set_iopl, &arg), 0, "IOPL %u", iopl);
    }
    static const unsigned wrong[] = {4, 5, 0x100, ~0u};
    for (unsigned i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
        struct physdev_set_iopl arg = {.iopl = wrong[i]};
        is_error(op(PHYSDEVOP_set_iopl, &arg), -XEN_EINVAL, "IOPL %#x is none", wrong[i]);
    }
    struct physdev_set_iopl arg = {.iopl = 0};
    op(PHYSDEVOP_set_iopl, &arg);
}

static void test_iobitmap(void)
{
    static uint8_t bits[8192];
    struct physdev_set_iobitmap arg = {.nr_ports = 65536};
    arg.bitmap.p = bits;
    is_error(op(PHYSDEVOP_set_iobitmap, &arg), 0, "a bitmap of all ports");
    arg.nr_ports = 65537;
    is_error(op(PHYSDEVOP_set_iobitmap, &arg), -XEN_EINVAL, "there are no more ports");
    arg.nr_ports = ~0u;
    is_error(op(PHYSDEVOP_set_iobitmap, &arg), -XEN_EINVAL, "by far");
    arg.nr_ports = 1;
    arg.bitmap.p = (void *)HYPERVISOR_FIRST;
    is_error(op(PHYSDEVOP_set_iobitmap, &arg), -XEN_EINVAL, "a bitmap in the hypervisor");
    arg.nr_ports = 0;
    arg.bitmap.p = NULL;
    is_error(op(PHYSDEVOP_set_iobitmap, &arg), 0, "no bitmap");
}

static void test_gsi(void)
{
    int pirq = -1;
    struct physdev_setup_gsi setup = {.gsi = GSI, .triggering = 0, .polarity = 0};
    is_error(op(PHYSDEVOP_setup_gsi, &setup), 0, "a GSI is set up");
    setup.gsi = 100000;
    is_error(op(PHYSDEVOP_setup_gsi, &setup), -XEN_EINVAL, "one that is not there");
    setup.gsi = -1;
    is_error(op(PHYSDEVOP_setup_gsi, &setup), -XEN_EINVAL, "nor one below 0");

    is_error(map(MAP_PIRQ_TYPE_GSI, GSI, GSI, &pirq), 0, "a GSI becomes a PIRQ");
    is(pirq, GSI, "of its own number");
    is_error(map(MAP_PIRQ_TYPE_GSI, GSI, -1, &pirq), 0, "again, the number left to choose");
    is(pirq, GSI, "it is the same");
    is_error(map(MAP_PIRQ_TYPE_GSI, -1, -1, NULL), -XEN_EINVAL, "no GSI below 0");
    is_error(map(MAP_PIRQ_TYPE_GSI, 100000, -1, NULL), -XEN_EINVAL, "nor beyond the last");
    is_error(map(99, 0, -1, NULL), -XEN_EINVAL, "no PIRQ of type 99");

    struct physdev_eoi eoi = {.irq = GSI};
    is_error(op(PHYSDEVOP_eoi, &eoi), 0, "end of interrupt");
    struct evtchn_bind_pirq bind = {.pirq = GSI};
    is_error(HYPERVISOR_event_channel_op(EVTCHNOP_bind_pirq, &bind), 0, "it is bound to an event");
    is_error(op(PHYSDEVOP_eoi, &eoi), 0, "end of interrupt when it is bound");
    is_error(HYPERVISOR_event_channel_op(EVTCHNOP_bind_pirq, &bind), -XEN_EEXIST, "once");
    struct evtchn_close close = {.port = bind.port};
    is_error(HYPERVISOR_event_channel_op(EVTCHNOP_close, &close), 0, "and unbound");
    is_error(unmap(GSI), 0, "the PIRQ is given back");
    is_error(unmap(GSI), -XEN_EINVAL, "once only");
    is_error(unmap(-1), -XEN_EINVAL, "there is none below 0");
    is_error(unmap(1 << 30), -XEN_EINVAL, "nor beyond the last PIRQ");
    eoi.irq = 100000;
    is_error(op(PHYSDEVOP_eoi, &eoi), -XEN_EINVAL, "no end of an interrupt that is not there");
}

static void test_status(void)
{
    struct physdev_irq_status_query query = {.irq = GSI};
    map(MAP_PIRQ_TYPE_GSI, GSI, GSI, NULL);
    is_error(op(PHYSDEVOP_irq_status_query, &query), 0, "the status of a PIRQ");
    is(query.flags & ~(XENIRQSTAT_needs_eoi | XENIRQSTAT_shared), 0, "has two flags");
    query.irq = ~0u;
    is_error(op(PHYSDEVOP_irq_status_query, &query), -XEN_EINVAL, "of one that is not there");
    unmap(GSI);

    struct physdev_get_free_pirq get = {.type = MAP_PIRQ_TYPE_MSI};
    is_error(op(PHYSDEVOP_get_free_pirq, &get), 0, "a PIRQ for later is given");
    ok(get.pirq >= 16, "above the lines");
    is_error(unmap((int)get.pirq), 0, "and taken back");
    get.type = 99;
    is_error(op(PHYSDEVOP_get_free_pirq, &get), -XEN_EINVAL, "none of type 99");
}

static void test_ioapic(void)
{
    struct physdev_apic arg = {.apic_physbase = IOAPIC, .reg = 1};
    is_error(op(PHYSDEVOP_apic_read, &arg), 0, "a register of the IOAPIC");
    is(arg.value >> 16 & 0xff, 23, "says that it has 24 pins");
    arg.apic_physbase = 0x1000;
    is_error(op(PHYSDEVOP_apic_read, &arg), -XEN_EINVAL, "no IOAPIC is there");
    is_error(op(PHYSDEVOP_apic_write, &arg), -XEN_EINVAL, "to write, either");
    struct physdev_irq irq = {.irq = GSI};
    is_error(op(PHYSDEVOP_alloc_irq_vector, &irq), 0, "a vector for a line");
    ok(irq.vector != 0 && irq.vector < 0x100, "is a number of its own");
    is_error(op(PHYSDEVOP_free_irq_vector, &irq), 0, "it may be freed");
    irq.irq = 100000;
    is_error(op(PHYSDEVOP_alloc_irq_vector, &irq), -XEN_EINVAL, "no vector for no line");
}

static void test_pci(void)
{
    struct physdev_manage_pci old = {.bus = 0, .devfn = BRIDGE_DEVFN};
    is_error(op(PHYSDEVOP_manage_pci_add, &old), 0, "a device is announced");
    is_error(op(PHYSDEVOP_manage_pci_remove, &old), 0, "and withdrawn");
    struct physdev_manage_pci_ext ext = {.bus = 0, .devfn = BRIDGE_DEVFN};
    is_error(op(PHYSDEVOP_manage_pci_add_ext, &ext), 0, "with its kind of function");
    struct physdev_pci_device_add add = {.seg = 0, .bus = 0, .devfn = BRIDGE_DEVFN};
    is_error(op(PHYSDEVOP_pci_device_add, &add), 0, "with its segment");
    struct physdev_pci_device device = {.seg = 0, .bus = 0, .devfn = BRIDGE_DEVFN};
    is_error(op(PHYSDEVOP_restore_msi_ext, &device), 0, "its messages are restored: it has none");
    struct physdev_restore_msi restore = {.bus = 0, .devfn = BRIDGE_DEVFN};
    is_error(op(PHYSDEVOP_restore_msi, &restore), 0, "by the older call, too");
    if (is_paravane()) {
        is_error(op(PHYSDEVOP_prepare_msix, &device), -XEN_ENODEV, "it has no MSI-X to prepare");
        is_error(op(PHYSDEVOP_release_msix, &device), -XEN_ENODEV, "nor to release");
    } else {
        skip(2, "Xen 4.17 panics when a device has no MSI-X");
    }
    ok(map(MAP_PIRQ_TYPE_MSI, -1, -1, NULL) < 0, "nor a message to map");
    is_error(op(PHYSDEVOP_pci_device_remove, &device), 0, "it is withdrawn with its segment");

    device.devfn = NO_DEVFN;
    is_error(op(PHYSDEVOP_prepare_msix, &device), -XEN_ENODEV, "no MSI-X of no device");
    ok(op(PHYSDEVOP_restore_msi_ext, &device) != 0, "no messages of no device");
    struct physdev_map_pirq msi = {
        .domid = DOMID_SELF, .type = MAP_PIRQ_TYPE_MULTI_MSI, .pirq = -1, .entry_nr = 33};
    is_error(op(PHYSDEVOP_map_pirq, &msi), -XEN_EDOM, "33 messages are too many");
    msi.entry_nr = 0;
    is_error(op(PHYSDEVOP_map_pirq, &msi), -XEN_EDOM, "and none too few");
    struct physdev_dbgp_op debug = {.op = PHYSDEVOP_DBGP_RESET_PREPARE,
                                    .bus = PHYSDEVOP_DBGP_BUS_UNKNOWN};
    is_error(op(PHYSDEVOP_dbgp_op, &debug), 0, "the debug port may be reset");
}

static void test_eoi_page(void)
{
    void *page = page_alloc();
    struct physdev_pirq_eoi_gmfn arg = {.gmfn = ~0ul};
    is_error(op(PHYSDEVOP_pirq_eoi_gmfn_v2, &arg), -XEN_EINVAL, "no page");
    arg.gmfn = tables_root();
    is_error(op(PHYSDEVOP_pirq_eoi_gmfn_v2, &arg), -XEN_EINVAL, "a page table");
    arg.gmfn = virt_to_mfn(page);
    is_error(op(PHYSDEVOP_pirq_eoi_gmfn_v2, &arg), 0, "a page that tells which PIRQs need EOI");
    is_error(op(PHYSDEVOP_pirq_eoi_gmfn_v2, &arg), -XEN_EBUSY, "there is one already");
    is_error(op(PHYSDEVOP_pirq_eoi_gmfn_v1, &arg), -XEN_EBUSY, "of either kind");
}

static void test_errors(void)
{
    static const unsigned commands[] = {
        PHYSDEVOP_eoi,           PHYSDEVOP_irq_status_query,
        PHYSDEVOP_set_iopl,      PHYSDEVOP_set_iobitmap,
        PHYSDEVOP_apic_read,     PHYSDEVOP_map_pirq,
        PHYSDEVOP_unmap_pirq,    PHYSDEVOP_setup_gsi,
        PHYSDEVOP_get_free_pirq, PHYSDEVOP_pci_device_add,
        PHYSDEVOP_prepare_msix,  PHYSDEVOP_dbgp_op,
    };
    for (unsigned i = 0; i < sizeof(commands) / sizeof(commands[0]); i++) {
        is_error(op(commands[i], (void *)8), -XEN_EFAULT, "command %u without memory", commands[i]);
        is_error(op(commands[i], (void *)HYPERVISOR_FIRST), -XEN_EFAULT,
                 "command %u with the hypervisor's", commands[i]);
    }
    static const unsigned missing[] = {0, 1, 3, 22, 33, 0x80000000, ~0u};
    for (unsigned i = 0; i < sizeof(missing) / sizeof(missing[0]); i++)
        is_error(op(missing[i], NULL), -XEN_ENOSYS, "command %#x is not there", missing[i]);
}

int main(void)
{
    test_iopl();
    test_iobitmap();
    test_gsi();
    test_status();
    test_ioapic();
    test_pci();
    test_errors();
    test_eoi_page();
    return done();
}

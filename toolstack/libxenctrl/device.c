/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Devices: who may use interrupts, memory and ports of the machine, and interrupts as such.
 */
#include "private.h"

#include <xen/physdev.h>

/* ---- Permissions -------------------------------------------------------------------------- */

int xc_domain_ioport_permission(xc_interface *xch, uint32_t domid, uint32_t first_port,
                                uint32_t nr_ports, uint32_t allow_access)
{
    struct xen_domctl op = xci_domctl(XEN_DOMCTL_ioport_permission, domid);

    op.u.ioport_permission.first_port = first_port;
    op.u.ioport_permission.nr_ports = nr_ports;
    op.u.ioport_permission.allow_access = allow_access != 0;
    return xc_domctl(xch, &op);
}

int xc_domain_irq_permission(xc_interface *xch, uint32_t domid, uint32_t pirq, bool allow_access)
{
    struct xen_domctl op = xci_domctl(XEN_DOMCTL_irq_permission, domid);

    op.u.irq_permission.pirq = pirq;
    op.u.irq_permission.allow_access = allow_access;
    return xc_domctl(xch, &op);
}

int xc_domain_iomem_permission(xc_interface *xch, uint32_t domid, unsigned long first_mfn,
                               unsigned long nr_mfns, uint8_t allow_access)
{
    struct xen_domctl op = xci_domctl(XEN_DOMCTL_iomem_permission, domid);

    op.u.iomem_permission.first_mfn = first_mfn;
    op.u.iomem_permission.nr_mfns = nr_mfns;
    op.u.iomem_permission.allow_access = allow_access;
    return xc_domctl(xch, &op);
}

/* ---- Interrupts --------------------------------------------------------------------------- */

static int physdev_op(xc_interface *xch, int cmd, void *arg, size_t size)
{
    void *buffer = xci_buffer_get(xch, arg, size);
    int rc;

    if (buffer == NULL)
        return -1;
    rc = xencall2(xch->xcall, __HYPERVISOR_physdev_op, (uint64_t)cmd, (uint64_t)(uintptr_t)buffer);
    xci_buffer_put(xch, buffer, arg, size);
    return rc;
}

static int map_pirq(xc_interface *xch, struct physdev_map_pirq *map, int *pirq)
{
    int rc;

    if (pirq == NULL) {
        errno = EINVAL;
        return -1;
    }
    map->pirq = *pirq;
    rc = physdev_op(xch, PHYSDEVOP_map_pirq, map, sizeof(*map));
    if (rc == 0)
        *pirq = map->pirq;
    return rc;
}

int xc_physdev_map_pirq(xc_interface *xch, uint32_t domid, int index, int *pirq)
{
    struct physdev_map_pirq map = {
        .domid = (domid_t)domid, .type = MAP_PIRQ_TYPE_GSI, .index = index};

    return map_pirq(xch, &map, pirq);
}

int xc_physdev_map_pirq_msi(xc_interface *xch, uint32_t domid, int index, int *pirq, int devfn,
                            int bus, int entry_nr, uint64_t table_base)
{
    struct physdev_map_pirq map = {
        .domid = (domid_t)domid,
        .type = MAP_PIRQ_TYPE_MSI,
        .index = index,
        .bus = bus,
        .devfn = devfn,
        .entry_nr = entry_nr,
        .table_base = table_base,
    };

    return map_pirq(xch, &map, pirq);
}

int xc_physdev_unmap_pirq(xc_interface *xch, uint32_t domid, int pirq)
{
    struct physdev_unmap_pirq unmap = {.domid = (domid_t)domid, .pirq = pirq};

    return physdev_op(xch, PHYSDEVOP_unmap_pirq, &unmap, sizeof(unmap));
}

/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * physdev_op: what a domain with devices asks of interrupt controllers, PCI and I/O privilege
 * (xen/physdev.h). Each handler checks who asks, then the argument, then acts; the state is
 * pirq.c's, irq.c's, msi.c's and ports.c's.
 */
#include "core/abi.h"
#include "core/atomic.h"
#include "core/domain.h"
#include "core/evtchn.h"
#include "core/guest.h"
#include "core/hypercall.h"
#include "core/lib.h"
#include "core/log.h"
#include "x86/emulate/ports.h"
#include "x86/ioapic.h"
#include "x86/irq.h"
#include "x86/msi.h"
#include "x86/pci.h"
#include "x86/pirq.h"

#define IO_PORTS          65536u
#define MULTI_MSI_MAX     32
#define IOAPIC_ACTIVE_LOW (1u << 13) /* in a pin's low word */
#define IOAPIC_LEVEL      (1u << 15)

static bool privileged(const struct vcpu *v)
{
    return v->domain->is_privileged;
}

/* ---- End of interrupt ----------------------------------------------------------------------- */

long physdev_eoi(struct vcpu *v, struct physdev_eoi *arg)
{
    struct domain *d = v->domain;
    unsigned irq;

    if (!pirq_to_irq(d, arg->irq, &irq))
        return -XEN_EINVAL;
    irq_guest_eoi(irq, d, arg->irq);
    if (d->arch.pirqs->eoi_unmasks)
        evtchn_unmask_pirq(d, arg->irq);
    return 0;
}

long physdev_pirq_eoi_gmfn_v1(struct vcpu *v, struct physdev_pirq_eoi_gmfn *arg)
{
    return pirq_set_eoi_page(v->domain, arg->gmfn, true);
}

long physdev_pirq_eoi_gmfn_v2(struct vcpu *v, struct physdev_pirq_eoi_gmfn *arg)
{
    return pirq_set_eoi_page(v->domain, arg->gmfn, false);
}

long physdev_irq_status_query(struct vcpu *v, struct physdev_irq_status_query *arg)
{
    unsigned irq;

    arg->flags = 0;
    if (arg->irq >= arch_pirq_count(v->domain))
        return -XEN_EINVAL;
    if (!pirq_to_irq(v->domain, arg->irq, &irq))
        return 0;
    if (irq_needs_eoi(irq))
        arg->flags |= XENIRQSTAT_needs_eoi;
    if (irq_is_shared(irq))
        arg->flags |= XENIRQSTAT_shared;
    return 0;
}

/* ---- I/O privilege -------------------------------------------------------------------------- */

long physdev_set_iopl(struct vcpu *v, struct physdev_set_iopl *arg)
{
    if (arg->iopl > 3)
        return -XEN_EINVAL;
    v->arch.iopl = (uint8_t)arg->iopl;
    ports_update_iopl(v);
    return 0;
}

long physdev_set_iobitmap(struct vcpu *v, struct physdev_set_iobitmap *arg)
{
    vaddr_t bitmap = HANDLE_VA(arg->bitmap);

    if (arg->nr_ports > IO_PORTS ||
        (arg->nr_ports != 0 && !guest_range_ok(bitmap, DIV_ROUND_UP(arg->nr_ports, 8u))))
        return -XEN_EINVAL;
    v->arch.iobmp = bitmap;
    v->arch.iobmp_limit = arg->nr_ports;
    return 0;
}

/* ---- IOAPICs and GSIs ----------------------------------------------------------------------- */

long physdev_apic_read(struct vcpu *v, struct physdev_apic *arg)
{
    if (!privileged(v))
        return -XEN_EPERM;
    return ioapic_read_register(arg->apic_physbase, arg->reg, &arg->value) ? 0 : -XEN_EINVAL;
}

/* Of a write, only what the control domain may decide is used: trigger and polarity of a pin. */
long physdev_apic_write(struct vcpu *v, struct physdev_apic *arg)
{
    unsigned gsi;

    if (!privileged(v))
        return -XEN_EPERM;
    if (!ioapic_exists(arg->apic_physbase))
        return -XEN_EINVAL;
    if (!ioapic_register_gsi(arg->apic_physbase, arg->reg, &gsi))
        return -XEN_EPERM;
    return irq_setup_gsi(gsi, arg->value & IOAPIC_LEVEL, arg->value & IOAPIC_ACTIVE_LOW);
}

long physdev_alloc_irq_vector(struct vcpu *v, struct physdev_irq *arg)
{
    int ret;

    if (!privileged(v))
        return -XEN_EPERM;
    ret = irq_gsi_prepare(arg->irq);
    if (ret == 0)
        arg->vector = irq_gsi_vector(arg->irq);
    return ret;
}

long physdev_free_irq_vector(struct vcpu *v, struct physdev_irq *arg)
{
    (void)arg;
    return privileged(v) ? 0 : -XEN_EPERM;
}

long physdev_setup_gsi(struct vcpu *v, struct physdev_setup_gsi *arg)
{
    if (!privileged(v))
        return -XEN_EPERM;
    if (arg->gsi < 0 || arg->triggering > 1 || arg->polarity > 1)
        return -XEN_EINVAL;
    return irq_setup_gsi((unsigned)arg->gsi, arg->triggering, arg->polarity);
}

/* ---- PIRQs ---------------------------------------------------------------------------------- */

/* One message of MSI, or (with a table) of MSI-X, or a block of MSI. physdev_lock held. */
static int map_messages(struct domain *d, struct physdev_map_pirq *arg)
{
    bool multiple = arg->type == MAP_PIRQ_TYPE_MULTI_MSI;
    struct pci_address dev = {.bus = (uint8_t)arg->bus, .devfn = (uint8_t)arg->devfn};
    unsigned irq, count = 1;
    int ret;

    if (arg->type != MAP_PIRQ_TYPE_MSI)
        dev.seg = (uint16_t)((uint32_t)arg->bus >> 16);
    if (multiple) {
        if (arg->entry_nr <= 0 || arg->entry_nr > MULTI_MSI_MAX)
            return -XEN_EDOM;
        if (arg->table_base != 0)
            return -XEN_EINVAL;
        count = (unsigned)arg->entry_nr;
    }
    if (arg->entry_nr < 0 || arg->devfn < 0 || arg->devfn > 255)
        return -XEN_EINVAL;
    if (arg->table_base != 0)
        ret = msix_setup(dev, (unsigned)arg->entry_nr, arg->table_base, &irq);
    else
        ret = msi_setup(dev, count, &irq);
    if (ret != 0)
        return ret;
    ret = pirq_map_irqs(d, irq, count, &arg->pirq);
    if (ret != 0)
        msi_teardown(irq);
    return ret;
}

/* The domain that a privileged caller gives or takes an interrupt; drop by domain_put(). */
static int target_get(struct vcpu *v, domid_t id, struct domain **d)
{
    return privileged(v) ? domain_get_for(v, id, d) : -XEN_EPERM;
}

long physdev_map_pirq(struct vcpu *v, struct physdev_map_pirq *arg)
{
    struct domain *d;
    int ret;

    ret = target_get(v, DOMID(arg->domid), &d);
    if (ret != 0)
        return ret;
    lock(&physdev_lock);
    switch (arg->type) {
    case MAP_PIRQ_TYPE_GSI:
        ret = arg->index >= 0 ? pirq_map_gsi(d, (unsigned)arg->index, &arg->pirq) : -XEN_EINVAL;
        break;
    case MAP_PIRQ_TYPE_MSI:
    case MAP_PIRQ_TYPE_MSI_SEG:
    case MAP_PIRQ_TYPE_MULTI_MSI:
        ret = d->is_dying ? -XEN_EINVAL : map_messages(d, arg);
        break;
    default:
        ret = -XEN_EINVAL;
    }
    unlock(&physdev_lock);
    domain_put(d);
    return ret;
}

long physdev_unmap_pirq(struct vcpu *v, struct physdev_unmap_pirq *arg)
{
    struct domain *d;
    int ret;

    ret = target_get(v, DOMID(arg->domid), &d);
    if (ret != 0)
        return ret;
    lock(&physdev_lock);
    ret = pirq_unmap(d, arg->pirq);
    unlock(&physdev_lock);
    domain_put(d);
    return ret;
}

long physdev_get_free_pirq(struct vcpu *v, struct physdev_get_free_pirq *arg)
{
    unsigned pirq = 0;
    int ret;

    if (!privileged(v))
        return -XEN_EPERM;
    if (arg->type != MAP_PIRQ_TYPE_GSI && arg->type != MAP_PIRQ_TYPE_MSI)
        return -XEN_EINVAL;
    lock(&physdev_lock);
    ret = pirq_reserve(v->domain, &pirq);
    unlock(&physdev_lock);
    arg->pirq = pirq;
    return ret;
}

/* ---- PCI devices ---------------------------------------------------------------------------- */

/* Devices are looked up in configuration space when needed, so there is nothing to remember. */
static long device_found(const struct vcpu *v, struct pci_address dev)
{
    if (!privileged(v))
        return -XEN_EPERM;
    return pci_device_present(dev.seg, dev.bus, dev.devfn) ? 0 : -XEN_ENODEV;
}

/* A device is gone: so are its messages, whoever of the control domain's PIRQs they were. */
static long device_gone(struct vcpu *v, struct pci_address dev)
{
    struct domain *d = v->domain;
    unsigned irq;
    int ret = 0;

    if (!privileged(v))
        return -XEN_EPERM;
    lock(&physdev_lock);
    for (unsigned pirq = irq_nr_gsis(); pirq < arch_pirq_count(d) && ret == 0; pirq++)
        if (pirq_to_irq(d, pirq, &irq) && msi_belongs_to(irq, dev))
            ret = pirq_unmap(d, (int)pirq);
    unlock(&physdev_lock);
    return ret;
}

static long restore(const struct vcpu *v, struct pci_address dev)
{
    long ret = device_found(v, dev);

    if (ret != 0)
        return ret;
    lock(&physdev_lock);
    msi_restore(dev);
    unlock(&physdev_lock);
    return 0;
}

long physdev_manage_pci_add(struct vcpu *v, struct physdev_manage_pci *arg)
{
    return device_found(v, (struct pci_address){0, arg->bus, arg->devfn});
}

long physdev_manage_pci_remove(struct vcpu *v, struct physdev_manage_pci *arg)
{
    return device_gone(v, (struct pci_address){0, arg->bus, arg->devfn});
}

long physdev_manage_pci_add_ext(struct vcpu *v, struct physdev_manage_pci_ext *arg)
{
    return device_found(v, (struct pci_address){0, arg->bus, arg->devfn});
}

/* Only the fixed part is read: the optional data name a NUMA node, of which there is one. */
long physdev_pci_device_add(struct vcpu *v, vaddr_t *arg)
{
    struct {
        uint8_t bytes[offsetof(struct physdev_pci_device_add, optarr)];
    } raw;
    struct physdev_pci_device_add add;

    if (!privileged(v))
        return -XEN_EPERM;
    if (guest_read(&raw, *arg))
        return -XEN_EFAULT;
    memcpy(&add, &raw, sizeof(raw));
    return device_found(v, (struct pci_address){add.seg, add.bus, add.devfn});
}

long physdev_pci_device_remove(struct vcpu *v, struct physdev_pci_device *arg)
{
    return device_gone(v, (struct pci_address){arg->seg, arg->bus, arg->devfn});
}

long physdev_restore_msi(struct vcpu *v, struct physdev_restore_msi *arg)
{
    return restore(v, (struct pci_address){0, arg->bus, arg->devfn});
}

long physdev_restore_msi_ext(struct vcpu *v, struct physdev_pci_device *arg)
{
    return restore(v, (struct pci_address){arg->seg, arg->bus, arg->devfn});
}

long physdev_pci_mmcfg_reserved(struct vcpu *v, struct physdev_pci_mmcfg_reserved *arg)
{
    if (!privileged(v))
        return -XEN_EPERM;
    if (!(arg->flags & XEN_PCI_MMCFG_RESERVED)) /* not reserved: it stays unused, as it is */
        return 0;
    return pci_mmcfg_reserved(arg->address, arg->segment, arg->start_bus, arg->end_bus);
}

static long has_msix(const struct vcpu *v, const struct physdev_pci_device *arg)
{
    if (!privileged(v))
        return -XEN_EPERM;
    return pci_find_capability(arg->seg, arg->bus, arg->devfn, PCI_CAP_MSIX) ? 0 : -XEN_ENODEV;
}

long physdev_prepare_msix(struct vcpu *v, struct physdev_pci_device *arg)
{
    return has_msix(v, arg);
}

long physdev_release_msix(struct vcpu *v, struct physdev_pci_device *arg)
{
    return has_msix(v, arg);
}

/* The hypervisor uses no USB debug port, so that one may be reset at will. */
long physdev_dbgp_op(struct vcpu *v, struct physdev_dbgp_op *arg)
{
    if (!privileged(v))
        return -XEN_EPERM;
    return arg->op == PHYSDEVOP_DBGP_RESET_PREPARE || arg->op == PHYSDEVOP_DBGP_RESET_DONE
               ? 0
               : -XEN_EINVAL;
}

/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * vCPUs and the share of the CPUs that they get.
 */
#include "private.h"

/* ---- State -------------------------------------------------------------------------------- */

int xc_vcpu_getinfo(xc_interface *xch, uint32_t domid, uint32_t vcpu, xc_vcpuinfo_t *info)
{
    struct xen_domctl op = xci_domctl(XEN_DOMCTL_getvcpuinfo, domid);

    op.u.getvcpuinfo.vcpu = vcpu;
    int rc = xc_domctl(xch, &op);
    *info = op.u.getvcpuinfo;
    return rc;
}

long long xc_domain_get_cpu_usage(xc_interface *xch, uint32_t domid, int vcpu)
{
    xc_vcpuinfo_t info;

    if (xc_vcpu_getinfo(xch, domid, (uint32_t)vcpu, &info))
        return -1;
    return (long long)info.cpu_time;
}

static int context(xc_interface *xch, uint32_t cmd, uint32_t domid, uint32_t vcpu,
                   vcpu_guest_context_any_t *ctxt)
{
    struct xen_domctl op = xci_domctl(cmd, domid);
    void *buffer = ctxt != NULL ? xci_buffer_get(xch, ctxt, sizeof(*ctxt)) : NULL;

    if (ctxt != NULL && buffer == NULL)
        return -1;
    op.u.vcpucontext.vcpu = vcpu;
    set_xen_guest_handle_raw(op.u.vcpucontext.ctxt, buffer);
    int rc = xc_domctl(xch, &op);
    xci_buffer_put(xch, buffer, cmd == XEN_DOMCTL_getvcpucontext && rc == 0 ? ctxt : NULL,
                   sizeof(*ctxt));
    return rc;
}

int xc_vcpu_setcontext(xc_interface *xch, uint32_t domid, uint32_t vcpu,
                       vcpu_guest_context_any_t *ctxt)
{
    return context(xch, XEN_DOMCTL_setvcpucontext, domid, vcpu, ctxt);
}

int xc_vcpu_getcontext(xc_interface *xch, uint32_t domid, uint32_t vcpu,
                       vcpu_guest_context_any_t *ctxt)
{
    return context(xch, XEN_DOMCTL_getvcpucontext, domid, vcpu, ctxt);
}

/* ---- Affinity ----------------------------------------------------------------------------- */

static int affinity(xc_interface *xch, struct xen_domctl *op, int vcpu, xc_cpumap_t hard,
                    xc_cpumap_t soft, uint32_t flags)
{
    struct xen_domctl_vcpuaffinity *a = &op->u.vcpuaffinity;
    int bytes = xc_get_cpumap_size(xch);
    size_t size = bytes > 0 ? (size_t)bytes : 0;
    void *hard_buffer = NULL, *soft_buffer = NULL;
    int rc = -1;

    if (size == 0)
        return -1;
    if (hard != NULL)
        hard_buffer = xci_buffer_get(xch, hard, size);
    if (soft != NULL)
        soft_buffer = xci_buffer_get(xch, soft, size);
    if ((hard == NULL || hard_buffer != NULL) && (soft == NULL || soft_buffer != NULL)) {
        a->vcpu = (uint32_t)vcpu;
        a->flags = flags;
        set_xen_guest_handle_raw(a->cpumap_hard.bitmap, hard_buffer);
        a->cpumap_hard.nr_bits = (uint32_t)size * 8;
        set_xen_guest_handle_raw(a->cpumap_soft.bitmap, soft_buffer);
        a->cpumap_soft.nr_bits = (uint32_t)size * 8;
        rc = xc_domctl(xch, op);
    }
    xci_buffer_put(xch, hard_buffer, hard, size);
    xci_buffer_put(xch, soft_buffer, soft, size);
    return rc;
}

int xc_vcpu_setaffinity(xc_interface *xch, uint32_t domid, int vcpu, xc_cpumap_t cpumap_hard_inout,
                        xc_cpumap_t cpumap_soft_inout, uint32_t flags)
{
    struct xen_domctl op = xci_domctl(XEN_DOMCTL_setvcpuaffinity, domid);

    return affinity(xch, &op, vcpu, cpumap_hard_inout, cpumap_soft_inout, flags);
}

int xc_vcpu_getaffinity(xc_interface *xch, uint32_t domid, int vcpu, xc_cpumap_t cpumap_hard,
                        xc_cpumap_t cpumap_soft, uint32_t flags)
{
    struct xen_domctl op = xci_domctl(XEN_DOMCTL_getvcpuaffinity, domid);

    return affinity(xch, &op, vcpu, cpumap_hard, cpumap_soft, flags);
}

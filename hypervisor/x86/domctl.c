/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * domctl: what of a domain is the x86 machine's: entry points, extended state, the clock, page
 * types, devices.
 */
#include "core/domctl.h"

#include <arch/memory.h>

#include "core/domain.h"
#include "core/frame.h"
#include "core/guest.h"
#include "core/hypercall.h"
#include "core/lib.h"
#include "x86/pv_calls.h"
#include "x86/x86.h"

/* ---- Making ------------------------------------------------------------------------------- */

/* No device is emulated, and unknown MSRs are refused alike in every domain. */
int arch_check_config(const struct xen_domctl_createdomain *config)
{
    if (config->arch.emulation_flags)
        return -XEN_EOPNOTSUPP;
    return config->arch.misc_flags & ~XEN_X86_MSR_RELAXED ? -XEN_EINVAL : 0;
}

void arch_domain_info(const struct domain *d, struct xen_arch_domainconfig *config)
{
    (void)d;
    config->emulation_flags = 0;
}

/* The stubs of a hypercall page, in a frame of the domain that nobody uses as a table. */
long domctl_hypercall_init(struct vcpu *v, struct xen_domctl *op)
{
    mfn_t mfn = MFN(op->u.hypercall_init.gmfn);
    struct domain *d;
    int rc = domctl_domain(op, &d);

    (void)v;
    if (rc != 0)
        return rc;
    rc = frame_get_both(mfn, d, FT_WRITABLE);
    if (rc == 0) {
        hypercall_page_fill(mfn_to_virt(mfn));
        frame_put_both(mfn);
    } else if (rc == -XEN_EPERM) {
        rc = -XEN_EACCES;
    }
    domain_put(d);
    return rc;
}

/* Domains are 64 bits wide, all of them. */
long domctl_set_address_size(struct vcpu *v, struct xen_domctl *op)
{
    struct domain *d;
    int rc = domctl_domain(op, &d);

    (void)v;
    if (rc != 0)
        return rc;
    domain_put(d);
    if (op->u.address_size.size == 64)
        return 0;
    return op->u.address_size.size == 32 ? -XEN_EOPNOTSUPP : -XEN_EINVAL;
}

long domctl_get_address_size(struct vcpu *v, struct xen_domctl *op)
{
    struct domain *d;
    int rc = domctl_domain(op, &d);

    (void)v;
    if (rc != 0)
        return rc;
    op->u.address_size.size = 64;
    domain_put(d);
    return 0;
}

/* ---- The time-stamp counter --------------------------------------------------------------- */

#define TSC_MODE_DEFAULT 0u /* of TSC_MODE_*, a private header of Xen's tools */
#define TSC_MODE_NATIVE  2u /* "never emulate" */

/* RDTSC is the machine's own, always. */
long domctl_get_tsc_info(struct vcpu *v, struct xen_domctl *op)
{
    struct domain *d;
    int rc = domctl_domain(op, &d);

    (void)v;
    if (rc != 0)
        return rc;
    op->u.tsc_info = (struct xen_domctl_tsc_info){
        .tsc_mode = TSC_MODE_NATIVE,
        .gtsc_khz = d->arch.tsc_khz,
    };
    domain_put(d);
    return 0;
}

long domctl_set_tsc_info(struct vcpu *v, struct xen_domctl *op)
{
    uint32_t mode = op->u.tsc_info.tsc_mode;
    struct domain *d;
    int rc = domctl_domain(op, &d);

    if (rc != 0)
        return rc;
    if (d == v->domain)
        rc = -XEN_EINVAL;
    else if (mode != TSC_MODE_DEFAULT && mode != TSC_MODE_NATIVE)
        rc = -XEN_EOPNOTSUPP;
    domain_put(d);
    return rc;
}

/* ---- vCPUs -------------------------------------------------------------------------------- */

/* The size of the structure up to the fields of machine checks, which PV vCPUs do not have. */
#define EXT_SIZE     sizeof(struct xen_domctl_ext_vcpucontext)
#define EXT_SIZE_MIN offsetof(struct xen_domctl_ext_vcpucontext, mcg_cap)

long domctl_get_ext_context(struct vcpu *caller, struct xen_domctl *op)
{
    struct xen_domctl_ext_vcpucontext *e = &op->u.ext_vcpucontext;
    uint32_t id = e->vcpu;
    struct vcpu *v;
    int rc = domctl_find_vcpu(op, id, &v);

    if (rc != 0)
        return rc;
    if (v == caller) {
        rc = -XEN_EINVAL;
    } else {
        memset(e, 0, sizeof(*e));
        e->vcpu = id;
        e->size = EXT_SIZE;
        e->syscall32_callback_cs = e->sysenter_callback_cs = FLAT_KERNEL_CS;
        e->syscall32_callback_eip = v->arch.syscall32_callback.address;
        e->sysenter_callback_eip = v->arch.sysenter_callback.address;
        e->syscall32_disables_events = v->arch.syscall32_callback.disables_events;
        e->sysenter_disables_events = v->arch.sysenter_callback.disables_events;
    }
    domain_put(v->domain);
    return rc;
}

long domctl_set_ext_context(struct vcpu *caller, struct xen_domctl *op)
{
    const struct xen_domctl_ext_vcpucontext *e = &op->u.ext_vcpucontext;
    struct vcpu *v;
    int rc = domctl_find_vcpu(op, e->vcpu, &v);

    if (rc != 0)
        return rc;
    if (v->domain == caller->domain || e->size < EXT_SIZE_MIN ||
        !guest_range_ok(VADDR(e->syscall32_callback_eip), 1) ||
        !guest_range_ok(VADDR(e->sysenter_callback_eip), 1)) {
        rc = -XEN_EINVAL;
    } else {
        domain_pause(v->domain);
        v->arch.syscall32_callback =
            (struct callback){e->syscall32_callback_eip, e->syscall32_disables_events != 0};
        v->arch.sysenter_callback =
            (struct callback){e->sysenter_callback_eip, e->sysenter_disables_events != 0};
        domain_unpause(v->domain);
    }
    domain_put(v->domain);
    return rc;
}

/* ---- Memory ------------------------------------------------------------------------------- */

/* The type of a frame of d's, in the bits that tools know. */
static xen_pfn_t describe_frame(struct domain *d, mfn_t mfn)
{
    static const xen_pfn_t table[] = {
        [FT_L1] = XEN_DOMCTL_PFINFO_L1TAB,
        [FT_L2] = XEN_DOMCTL_PFINFO_L2TAB,
        [FT_L3] = XEN_DOMCTL_PFINFO_L3TAB,
        [FT_L4] = XEN_DOMCTL_PFINFO_L4TAB,
    };
    xen_pfn_t what = XEN_DOMCTL_PFINFO_NOTAB;

    if (!frame_get(mfn, d))
        return XEN_DOMCTL_PFINFO_XTAB;
    unsigned type = frame_type_hint(mfn);
    if (type < ARRAY_SIZE(table))
        what = table[array_index_nospec(type, ARRAY_SIZE(table))];
    if (frame_pinned_hint(mfn))
        what |= XEN_DOMCTL_PFINFO_LPINTAB;
    frame_put(mfn);
    return what;
}

#define PAGEFRAMES_MAX 1024u /* in a call; Xen's limit as well */

long domctl_page_frame_info(struct vcpu *v, struct xen_domctl *op)
{
    const struct xen_domctl_getpageframeinfo3 *g = &op->u.getpageframeinfo3;
    vaddr_t array = HANDLE_VA(g->array);
    struct domain *d;
    int rc = domctl_domain(op, &d);

    (void)v;
    if (rc != 0)
        return rc;
    if (g->num > PAGEFRAMES_MAX)
        rc = -XEN_E2BIG;
    for (uint64_t i = 0; rc == 0 && i < g->num; i++) {
        vaddr_t at = VADDR(array.v + i * sizeof(xen_pfn_t));
        xen_pfn_t frame;

        rc = guest_read(&frame, at);
        if (rc == 0) {
            frame = describe_frame(d, MFN(frame));
            rc = guest_write(at, &frame);
        }
    }
    domain_put(d);
    return rc;
}

/* ---- Devices ------------------------------------------------------------------------------ */

/*
 * Devices are the control domain's: none can be given to another domain, and what a domain does not
 * have can be taken from it without an error.
 */
static long device_permission(struct vcpu *v, struct xen_domctl *op, bool range_ok, bool allow)
{
    struct domain *d;
    int rc = domctl_domain(op, &d);

    if (rc != 0)
        return rc;
    if (!range_ok)
        rc = -XEN_EINVAL;
    else if (allow || d == v->domain)
        rc = -XEN_EOPNOTSUPP;
    domain_put(d);
    return rc;
}

long domctl_irq_permission(struct vcpu *v, struct xen_domctl *op)
{
    const struct xen_domctl_irq_permission *p = &op->u.irq_permission;

    return device_permission(v, op, true, p->allow_access != 0);
}

long domctl_iomem_permission(struct vcpu *v, struct xen_domctl *op)
{
    const struct xen_domctl_iomem_permission *p = &op->u.iomem_permission;
    bool ok = p->nr_mfns != 0 && p->first_mfn + p->nr_mfns - 1 >= p->first_mfn;

    return device_permission(v, op, ok, p->allow_access != 0);
}

long domctl_ioport_permission(struct vcpu *v, struct xen_domctl *op)
{
    const struct xen_domctl_ioport_permission *p = &op->u.ioport_permission;
    bool ok = p->first_port < 0x10000 && p->nr_ports <= 0x10000 - p->first_port;

    return device_permission(v, op, ok, p->allow_access != 0);
}

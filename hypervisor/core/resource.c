/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * XENMEM_acquire_resource: the frames of a domain's grant table, for the control domain to map and
 * fill in before the domain runs. They stay the domain's own; the caller maps them as such.
 */
#include "core/domain.h"
#include "core/grant.h"
#include "core/guest.h"
#include "core/memory.h"

#include <arch/memory.h>

static long list_frames(struct domain *d, const struct xen_mem_acquire_resource *arg)
{
    bool status = arg->id == XENMEM_resource_grant_table_id_status;

    if (arg->frame > GRANT_LIMIT_FRAMES || arg->nr_frames > GRANT_LIMIT_FRAMES - arg->frame)
        return -XEN_EINVAL;
    for (uint32_t i = 0; i < arg->nr_frames; i++) {
        mfn_t mfn = grant_table_frame(d, (unsigned)arg->frame + i, status);
        xen_pfn_t frame = mfn.v;

        if (mfn_eq(mfn, INVALID_MFN))
            return -XEN_EINVAL;
        if (guest_write(VADDR(HANDLE_VA(arg->frame_list).v + i * sizeof(frame)), &frame))
            return -XEN_EFAULT;
    }
    return 0;
}

long memory_acquire_resource(struct vcpu *v, struct xen_mem_acquire_resource *arg)
{
    struct domain *d;
    long rc;

    if (arg->pad != 0)
        return -XEN_EINVAL;
    if (arg->domid == DOMID_SELF || arg->domid == v->domain->id.v || !v->domain->is_privileged)
        return -XEN_EPERM;
    d = domain_get(DOMID(arg->domid));
    if (d == NULL)
        return -XEN_ESRCH;
    bool list = HANDLE_VA(arg->frame_list).v != 0;
    if (arg->type != XENMEM_resource_grant_table) {
        rc = -XEN_EOPNOTSUPP;
    } else if (arg->id > XENMEM_resource_grant_table_id_status || (!list && arg->nr_frames != 0)) {
        rc = -XEN_EINVAL;
    } else if (list) {
        rc = list_frames(d, arg);
    } else {
        arg->nr_frames = grant_table_limit(d, arg->id == XENMEM_resource_grant_table_id_status);
        rc = 0;
    }
    domain_put(d);
    return rc;
}

/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * vCPUs and the share of the CPUs that they get.
 */
#include "private.h"

static struct xen_domctl op_for(uint32_t cmd, uint32_t domid)
{
    struct xen_domctl op;

    memset(&op, 0, sizeof(op));
    op.cmd = cmd;
    op.domain = (domid_t)domid;
    return op;
}

/* ---- State -------------------------------------------------------------------------------- */

int xc_vcpu_getinfo(xc_interface *xch, uint32_t domid, uint32_t vcpu, xc_vcpuinfo_t *info)
{
    struct xen_domctl op = op_for(XEN_DOMCTL_getvcpuinfo, domid);

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
    struct xen_domctl op = op_for(cmd, domid);
    void *buffer;

    if (ctxt == NULL) {
        errno = EINVAL;
        return -1;
    }
    buffer = buffer_get(xch, ctxt, sizeof(*ctxt));
    if (buffer == NULL)
        return -1;
    op.u.vcpucontext.vcpu = vcpu;
    set_xen_guest_handle(op.u.vcpucontext.ctxt, buffer);
    int rc = xc_domctl(xch, &op);
    buffer_put(xch, buffer, cmd == XEN_DOMCTL_getvcpucontext && rc == 0 ? ctxt : NULL,
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
    if (hard == NULL && soft == NULL) {
        errno = EINVAL;
        return -1;
    }
    hard_buffer = buffer_get(xch, hard, size);
    soft_buffer = buffer_get(xch, soft, size);
    if (hard_buffer != NULL && soft_buffer != NULL) {
        a->vcpu = (uint32_t)vcpu;
        a->flags = flags;
        set_xen_guest_handle(a->cpumap_hard.bitmap, hard_buffer);
        a->cpumap_hard.nr_bits = (uint32_t)size * 8;
        set_xen_guest_handle(a->cpumap_soft.bitmap, soft_buffer);
        a->cpumap_soft.nr_bits = (uint32_t)size * 8;
        rc = xc_domctl(xch, op);
    }
    buffer_put(xch, hard_buffer, hard, size);
    buffer_put(xch, soft_buffer, soft, size);
    return rc;
}

int xc_vcpu_setaffinity(xc_interface *xch, uint32_t domid, int vcpu, xc_cpumap_t cpumap_hard_inout,
                        xc_cpumap_t cpumap_soft_inout, uint32_t flags)
{
    struct xen_domctl op = op_for(XEN_DOMCTL_setvcpuaffinity, domid);

    return affinity(xch, &op, vcpu, cpumap_hard_inout, cpumap_soft_inout, flags);
}

int xc_vcpu_getaffinity(xc_interface *xch, uint32_t domid, int vcpu, xc_cpumap_t cpumap_hard,
                        xc_cpumap_t cpumap_soft, uint32_t flags)
{
    struct xen_domctl op = op_for(XEN_DOMCTL_getvcpuaffinity, domid);

    return affinity(xch, &op, vcpu, cpumap_hard, cpumap_soft, flags);
}

/* ---- Scheduling --------------------------------------------------------------------------- */

static struct xen_domctl credit2_op(uint32_t domid, uint32_t cmd)
{
    struct xen_domctl op = op_for(XEN_DOMCTL_scheduler_op, domid);

    op.u.scheduler_op.sched_id = XEN_SCHEDULER_CREDIT2;
    op.u.scheduler_op.cmd = cmd;
    return op;
}

int xc_sched_credit2_domain_set(xc_interface *xch, uint32_t domid,
                                struct xen_domctl_sched_credit2 *sdom)
{
    struct xen_domctl op = credit2_op(domid, XEN_DOMCTL_SCHEDOP_putinfo);

    op.u.scheduler_op.u.credit2 = *sdom;
    return xc_domctl(xch, &op);
}

int xc_sched_credit2_domain_get(xc_interface *xch, uint32_t domid,
                                struct xen_domctl_sched_credit2 *sdom)
{
    struct xen_domctl op = credit2_op(domid, XEN_DOMCTL_SCHEDOP_getinfo);

    if (xc_domctl(xch, &op))
        return -1;
    *sdom = op.u.scheduler_op.u.credit2;
    return 0;
}

static struct xen_sysctl pool_scheduler_op(uint32_t pool, uint32_t cmd)
{
    struct xen_sysctl op;

    memset(&op, 0, sizeof(op));
    op.cmd = XEN_SYSCTL_scheduler_op;
    op.u.scheduler_op.cpupool_id = pool;
    op.u.scheduler_op.sched_id = XEN_SCHEDULER_CREDIT2;
    op.u.scheduler_op.cmd = cmd;
    return op;
}

/* Both give back what is in force. */
static int pool_scheduler(xc_interface *xch, struct xen_sysctl *op,
                          struct xen_sysctl_credit2_schedule *schedule)
{
    if (xc_sysctl(xch, op))
        return -1;
    *schedule = op->u.scheduler_op.u.sched_credit2;
    return 0;
}

int xc_sched_credit2_params_set(xc_interface *xch, uint32_t cpupool_id,
                                struct xen_sysctl_credit2_schedule *schedule)
{
    struct xen_sysctl op = pool_scheduler_op(cpupool_id, XEN_SYSCTL_SCHEDOP_putinfo);

    op.u.scheduler_op.u.sched_credit2 = *schedule;
    return pool_scheduler(xch, &op, schedule);
}

int xc_sched_credit2_params_get(xc_interface *xch, uint32_t cpupool_id,
                                struct xen_sysctl_credit2_schedule *schedule)
{
    struct xen_sysctl op = pool_scheduler_op(cpupool_id, XEN_SYSCTL_SCHEDOP_getinfo);

    return pool_scheduler(xch, &op, schedule);
}

int xc_sched_id(xc_interface *xch, int *sched_id)
{
    struct xen_sysctl op;

    memset(&op, 0, sizeof(op));
    op.cmd = XEN_SYSCTL_sched_id;
    if (xc_sysctl(xch, &op))
        return -1;
    *sched_id = (int)op.u.sched_id.sched_id;
    return 0;
}

/* ---- Pools -------------------------------------------------------------------------------- */

static int pool_info(xc_interface *xch, xc_cpupoolinfo_t *info, uint32_t poolid, size_t size)
{
    void *buffer = buffer_get(xch, NULL, size);
    struct xen_sysctl op;

    if (buffer == NULL)
        return -1;
    memset(&op, 0, sizeof(op));
    op.cmd = XEN_SYSCTL_cpupool_op;
    op.u.cpupool_op.op = XEN_SYSCTL_CPUPOOL_OP_INFO;
    op.u.cpupool_op.cpupool_id = poolid;
    set_xen_guest_handle(op.u.cpupool_op.cpumap.bitmap, buffer);
    op.u.cpupool_op.cpumap.nr_bits = (uint32_t)size * 8;
    int rc = xc_sysctl(xch, &op);
    info->cpupool_id = op.u.cpupool_op.cpupool_id;
    info->sched_id = op.u.cpupool_op.sched_id;
    info->n_dom = op.u.cpupool_op.n_dom;
    buffer_put(xch, buffer, info->cpumap, size);
    /* As of Xen's: the pool itself, not the next one behind a number that there is not. */
    if (rc == 0 && info->cpupool_id != poolid && poolid != XEN_SYSCTL_CPUPOOL_PAR_ANY) {
        errno = ENOENT;
        rc = -1;
    }
    return rc;
}

xc_cpupoolinfo_t *xc_cpupool_getinfo(xc_interface *xch, uint32_t poolid)
{
    xc_cpupoolinfo_t *info = calloc(1, sizeof(*info));
    int size = xc_get_cpumap_size(xch);

    if (info == NULL)
        return NULL;
    info->cpumap = size > 0 ? xc_cpumap_alloc(xch) : NULL;
    if (info->cpumap == NULL || pool_info(xch, info, poolid, (size_t)size)) {
        xc_cpupool_infofree(xch, info);
        return NULL;
    }
    return info;
}

void xc_cpupool_infofree(xc_interface *xch, xc_cpupoolinfo_t *info)
{
    int error = errno;

    (void)xch;
    if (info != NULL)
        free(info->cpumap);
    free(info);
    errno = error;
}

int xc_cpupool_movedomain(xc_interface *xch, uint32_t poolid, uint32_t domid)
{
    struct xen_sysctl op;

    memset(&op, 0, sizeof(op));
    op.cmd = XEN_SYSCTL_cpupool_op;
    op.u.cpupool_op.op = XEN_SYSCTL_CPUPOOL_OP_MOVEDOMAIN;
    op.u.cpupool_op.cpupool_id = poolid;
    op.u.cpupool_op.domid = domid;
    return xc_sysctl(xch, &op);
}

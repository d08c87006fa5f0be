/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Shares of the CPUs: the scheduler's parameters, and pools of CPUs. Paravane has one scheduler,
 * which answers as Xen's credit2 does, and one pool; what asks for another one is the hypervisor's
 * to refuse.
 */
#include "private.h"

/* ---- Domains' shares ---------------------------------------------------------------------- */

static struct xen_domctl share_op(uint32_t domid, uint32_t scheduler, uint32_t cmd)
{
    struct xen_domctl op = xci_domctl(XEN_DOMCTL_scheduler_op, domid);

    op.u.scheduler_op.sched_id = scheduler;
    op.u.scheduler_op.cmd = cmd;
    return op;
}

int xc_sched_credit_domain_set(xc_interface *xch, uint32_t domid,
                               struct xen_domctl_sched_credit *sdom)
{
    struct xen_domctl op = share_op(domid, XEN_SCHEDULER_CREDIT, XEN_DOMCTL_SCHEDOP_putinfo);

    op.u.scheduler_op.u.credit = *sdom;
    return xc_domctl(xch, &op);
}

int xc_sched_credit_domain_get(xc_interface *xch, uint32_t domid,
                               struct xen_domctl_sched_credit *sdom)
{
    struct xen_domctl op = share_op(domid, XEN_SCHEDULER_CREDIT, XEN_DOMCTL_SCHEDOP_getinfo);

    if (xc_domctl(xch, &op))
        return -1;
    *sdom = op.u.scheduler_op.u.credit;
    return 0;
}

int xc_sched_credit2_domain_set(xc_interface *xch, uint32_t domid,
                                struct xen_domctl_sched_credit2 *sdom)
{
    struct xen_domctl op = share_op(domid, XEN_SCHEDULER_CREDIT2, XEN_DOMCTL_SCHEDOP_putinfo);

    op.u.scheduler_op.u.credit2 = *sdom;
    return xc_domctl(xch, &op);
}

int xc_sched_credit2_domain_get(xc_interface *xch, uint32_t domid,
                                struct xen_domctl_sched_credit2 *sdom)
{
    struct xen_domctl op = share_op(domid, XEN_SCHEDULER_CREDIT2, XEN_DOMCTL_SCHEDOP_getinfo);

    if (xc_domctl(xch, &op))
        return -1;
    *sdom = op.u.scheduler_op.u.credit2;
    return 0;
}

/* ---- The scheduler of a pool -------------------------------------------------------------- */

static struct xen_sysctl parameters_op(uint32_t pool, uint32_t scheduler, uint32_t cmd)
{
    struct xen_sysctl op = xci_sysctl(XEN_SYSCTL_scheduler_op);

    op.u.scheduler_op.cpupool_id = pool;
    op.u.scheduler_op.sched_id = scheduler;
    op.u.scheduler_op.cmd = cmd;
    return op;
}

/* Setting gives back what is in force, too. */
static int credit_parameters(xc_interface *xch, struct xen_sysctl *op,
                             struct xen_sysctl_credit_schedule *schedule)
{
    if (xc_sysctl(xch, op))
        return -1;
    *schedule = op->u.scheduler_op.u.sched_credit;
    return 0;
}

static int credit2_parameters(xc_interface *xch, struct xen_sysctl *op,
                              struct xen_sysctl_credit2_schedule *schedule)
{
    if (xc_sysctl(xch, op))
        return -1;
    *schedule = op->u.scheduler_op.u.sched_credit2;
    return 0;
}

int xc_sched_credit_params_set(xc_interface *xch, uint32_t cpupool_id,
                               struct xen_sysctl_credit_schedule *schedule)
{
    struct xen_sysctl op =
        parameters_op(cpupool_id, XEN_SCHEDULER_CREDIT, XEN_SYSCTL_SCHEDOP_putinfo);

    op.u.scheduler_op.u.sched_credit = *schedule;
    return credit_parameters(xch, &op, schedule);
}

int xc_sched_credit_params_get(xc_interface *xch, uint32_t cpupool_id,
                               struct xen_sysctl_credit_schedule *schedule)
{
    struct xen_sysctl op =
        parameters_op(cpupool_id, XEN_SCHEDULER_CREDIT, XEN_SYSCTL_SCHEDOP_getinfo);

    return credit_parameters(xch, &op, schedule);
}

int xc_sched_credit2_params_set(xc_interface *xch, uint32_t cpupool_id,
                                struct xen_sysctl_credit2_schedule *schedule)
{
    struct xen_sysctl op =
        parameters_op(cpupool_id, XEN_SCHEDULER_CREDIT2, XEN_SYSCTL_SCHEDOP_putinfo);

    op.u.scheduler_op.u.sched_credit2 = *schedule;
    return credit2_parameters(xch, &op, schedule);
}

int xc_sched_credit2_params_get(xc_interface *xch, uint32_t cpupool_id,
                                struct xen_sysctl_credit2_schedule *schedule)
{
    struct xen_sysctl op =
        parameters_op(cpupool_id, XEN_SCHEDULER_CREDIT2, XEN_SYSCTL_SCHEDOP_getinfo);

    return credit2_parameters(xch, &op, schedule);
}

int xc_sched_id(xc_interface *xch, int *sched_id)
{
    struct xen_sysctl op = xci_sysctl(XEN_SYSCTL_sched_id);

    if (xc_sysctl(xch, &op))
        return -1;
    *sched_id = (int)op.u.sched_id.sched_id;
    return 0;
}

/* ---- Pools -------------------------------------------------------------------------------- */

static struct xen_sysctl pool_op(uint32_t what, uint32_t pool)
{
    struct xen_sysctl op = xci_sysctl(XEN_SYSCTL_cpupool_op);

    op.u.cpupool_op.op = what;
    op.u.cpupool_op.cpupool_id = pool;
    return op;
}

/* The answer's set of CPUs into `map`. */
static int pool_map(xc_interface *xch, struct xen_sysctl *op, xc_cpumap_t map, size_t size)
{
    void *buffer = xci_buffer_get(xch, NULL, size);

    if (buffer == NULL)
        return -1;
    set_xen_guest_handle_raw(op->u.cpupool_op.cpumap.bitmap, buffer);
    op->u.cpupool_op.cpumap.nr_bits = (uint32_t)size * 8;
    int rc = xc_sysctl(xch, op);
    xci_buffer_put(xch, buffer, map, size);
    return rc;
}

int xc_cpupool_create(xc_interface *xch, uint32_t *ppoolid, uint32_t sched_id)
{
    struct xen_sysctl op = pool_op(XEN_SYSCTL_CPUPOOL_OP_CREATE, *ppoolid);

    op.u.cpupool_op.sched_id = sched_id;
    if (xc_sysctl(xch, &op))
        return -1;
    *ppoolid = op.u.cpupool_op.cpupool_id;
    return 0;
}

int xc_cpupool_destroy(xc_interface *xch, uint32_t poolid)
{
    struct xen_sysctl op = pool_op(XEN_SYSCTL_CPUPOOL_OP_DESTROY, poolid);

    return xc_sysctl(xch, &op);
}

/* The pool itself, not the next one behind a number that there is not: ENOENT, as with Xen's. */
xc_cpupoolinfo_t *xc_cpupool_getinfo(xc_interface *xch, uint32_t poolid)
{
    struct xen_sysctl op = pool_op(XEN_SYSCTL_CPUPOOL_OP_INFO, poolid);
    xc_cpupoolinfo_t *info = calloc(1, sizeof(*info));
    int size = xc_get_cpumap_size(xch), rc = -1;

    if (info == NULL)
        return NULL;
    info->cpumap = size > 0 ? xc_cpumap_alloc(xch) : NULL;
    if (info->cpumap != NULL)
        rc = pool_map(xch, &op, info->cpumap, (size_t)size);
    info->cpupool_id = op.u.cpupool_op.cpupool_id;
    info->sched_id = op.u.cpupool_op.sched_id;
    info->n_dom = op.u.cpupool_op.n_dom;
    if (rc == 0 && info->cpupool_id != poolid && poolid != XC_CPUPOOL_POOLID_ANY) {
        errno = ENOENT;
        rc = -1;
    }
    if (rc != 0) {
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

static int pool_cpu(xc_interface *xch, uint32_t what, uint32_t poolid, int cpu)
{
    struct xen_sysctl op = pool_op(what, poolid);

    op.u.cpupool_op.cpu = cpu < 0 ? XEN_SYSCTL_CPUPOOL_PAR_ANY : (uint32_t)cpu;
    return xc_sysctl(xch, &op);
}

int xc_cpupool_addcpu(xc_interface *xch, uint32_t poolid, int cpu)
{
    return pool_cpu(xch, XEN_SYSCTL_CPUPOOL_OP_ADDCPU, poolid, cpu);
}

int xc_cpupool_removecpu(xc_interface *xch, uint32_t poolid, int cpu)
{
    return pool_cpu(xch, XEN_SYSCTL_CPUPOOL_OP_RMCPU, poolid, cpu);
}

int xc_cpupool_movedomain(xc_interface *xch, uint32_t poolid, uint32_t domid)
{
    struct xen_sysctl op = pool_op(XEN_SYSCTL_CPUPOOL_OP_MOVEDOMAIN, poolid);

    op.u.cpupool_op.domid = domid;
    return xc_sysctl(xch, &op);
}

xc_cpumap_t xc_cpupool_freeinfo(xc_interface *xch)
{
    struct xen_sysctl op = pool_op(XEN_SYSCTL_CPUPOOL_OP_FREEINFO, 0);
    int size = xc_get_cpumap_size(xch);
    xc_cpumap_t map = size > 0 ? xc_cpumap_alloc(xch) : NULL;

    if (map != NULL && pool_map(xch, &op, map, (size_t)size)) {
        int error = errno;

        free(map);
        errno = error;
        map = NULL;
    }
    return map;
}

/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * domctl: a domain's vCPUs, their state and their share of the CPUs.
 */
#include <arch/memory.h>

#include "core/domain.h"
#include "core/domctl.h"
#include "core/guest.h"
#include "core/hypercall.h"
#include "core/lib.h"

/* ---- State -------------------------------------------------------------------------------- */

long domctl_set_vcpu_context(struct vcpu *caller, struct xen_domctl *op)
{
    const struct xen_domctl_vcpucontext *c = &op->u.vcpucontext;
    struct vcpu *v;
    int rc = domctl_find_vcpu(op, c->vcpu, &v);

    if (rc != 0)
        return rc;
    if (v->domain == caller->domain || HANDLE_VA(c->ctxt).v == 0) {
        /* A null context takes the state away again; a vCPU of PV keeps what it has. */
        rc = -XEN_EINVAL;
    } else {
        bool online = false;
        domain_pause(v->domain);
        rc = arch_vcpu_set_context(v, HANDLE_VA(c->ctxt), &online);
        if (rc == 0) {
            WRITE_ONCE(v->initialised, true);
            if (!online)
                vcpu_down(v);
            else
                rc = vcpu_up(v);
        }
        domain_unpause(v->domain);
    }
    domain_put(v->domain);
    return rc;
}

long domctl_get_vcpu_context(struct vcpu *caller, struct xen_domctl *op)
{
    const struct xen_domctl_vcpucontext *c = &op->u.vcpucontext;
    struct vcpu *v;
    int rc = domctl_find_vcpu(op, c->vcpu, &v);

    if (rc != 0)
        return rc;
    if (v->domain == caller->domain) {
        rc = -XEN_EINVAL;
    } else if (!READ_ONCE(v->initialised)) {
        rc = -XEN_ENODATA;
    } else {
        domain_pause(v->domain);
        rc = arch_vcpu_get_context(v, HANDLE_VA(c->ctxt));
        domain_unpause(v->domain);
    }
    domain_put(v->domain);
    return rc;
}

long domctl_vcpu_info(struct vcpu *caller, struct xen_domctl *op)
{
    struct xen_domctl_getvcpuinfo *info = &op->u.getvcpuinfo;
    struct vcpu_runstate_info run;
    struct vcpu *v;
    int rc = domctl_find_vcpu(op, info->vcpu, &v);

    (void)caller;
    if (rc != 0)
        return rc;
    runstate_get(v, &run);
    info->online = !(READ_ONCE(v->pause_flags) & VPF_DOWN);
    info->blocked = (READ_ONCE(v->pause_flags) & VPF_BLOCKED) != 0;
    info->running = READ_ONCE(v->running);
    info->cpu_time = run.time[RUNSTATE_running];
    info->cpu = READ_ONCE(v->cpu);
    domain_put(v->domain);
    return 0;
}

/* ---- Affinity ----------------------------------------------------------------------------- */

#define AFFINITY_FLAGS (XEN_VCPUAFFINITY_HARD | XEN_VCPUAFFINITY_SOFT | XEN_VCPUAFFINITY_FORCE)

/* Which affinity must be said, and for each a set given. */
static bool affinity_ok(const struct xen_domctl_vcpuaffinity *a)
{
    if (a->flags & ~AFFINITY_FLAGS ||
        (a->flags & (XEN_VCPUAFFINITY_HARD | XEN_VCPUAFFINITY_SOFT)) == 0)
        return false;
    if (a->flags & XEN_VCPUAFFINITY_HARD && HANDLE_VA(a->cpumap_hard.bitmap).v == 0)
        return false;
    return !(a->flags & XEN_VCPUAFFINITY_SOFT) || HANDLE_VA(a->cpumap_soft.bitmap).v != 0;
}

static int set_affinity(struct vcpu *v, struct xen_domctl_vcpuaffinity *a)
{
    cpumask_t hard = v->sched.affinity, soft;
    int rc = 0;

    if (a->flags & XEN_VCPUAFFINITY_HARD)
        rc = bitmap_to_cpumask(&a->cpumap_hard, &hard);
    if (rc == 0 && a->flags & XEN_VCPUAFFINITY_SOFT)
        rc = bitmap_to_cpumask(&a->cpumap_soft, &soft);
    if (rc != 0)
        return rc;
    if (a->flags & XEN_VCPUAFFINITY_FORCE && !cpumask_empty(v->sched.unpinned))
        rc = sched_unpin(v);
    if (rc == 0 && a->flags & XEN_VCPUAFFINITY_HARD)
        rc = sched_set_affinity(v, hard);
    if (rc != 0)
        return rc;
    if (a->flags & XEN_VCPUAFFINITY_SOFT)
        sched_set_soft_affinity(v, soft);
    hard = cpumask_and(hard, cpu_online_mask);
    if (a->flags & XEN_VCPUAFFINITY_HARD)
        rc = cpumask_to_bitmap(&a->cpumap_hard, hard);
    if (rc == 0 && a->flags & XEN_VCPUAFFINITY_SOFT)
        rc = cpumask_to_bitmap(&a->cpumap_soft, cpumask_and(soft, hard));
    return rc;
}

long domctl_set_affinity(struct vcpu *caller, struct xen_domctl *op)
{
    struct xen_domctl_vcpuaffinity *a = &op->u.vcpuaffinity;
    struct vcpu *v;
    int rc = domctl_find_vcpu(op, a->vcpu, &v);

    (void)caller;
    if (rc != 0)
        return rc;
    rc = affinity_ok(a) ? set_affinity(v, a) : -XEN_EINVAL;
    domain_put(v->domain);
    return rc;
}

long domctl_get_affinity(struct vcpu *caller, struct xen_domctl *op)
{
    struct xen_domctl_vcpuaffinity *a = &op->u.vcpuaffinity;
    struct vcpu *v;
    int rc = domctl_find_vcpu(op, a->vcpu, &v);

    (void)caller;
    if (rc != 0)
        return rc;
    cpumask_t hard = cpumask_empty(v->sched.unpinned) ? v->sched.affinity : v->sched.unpinned;
    rc = affinity_ok(a) ? 0 : -XEN_EINVAL;
    if (rc == 0 && a->flags & XEN_VCPUAFFINITY_HARD)
        rc = cpumask_to_bitmap(&a->cpumap_hard, hard);
    if (rc == 0 && a->flags & XEN_VCPUAFFINITY_SOFT)
        rc = cpumask_to_bitmap(&a->cpumap_soft, v->sched.soft);
    domain_put(v->domain);
    return rc;
}

/* One node: affinity to it is what every domain has. */
long domctl_set_node_affinity(struct vcpu *caller, struct xen_domctl *op)
{
    cpumask_t nodes;
    struct domain *d;
    int rc = domctl_domain(op, &d);

    (void)caller;
    if (rc != 0)
        return rc;
    rc = bitmap_to_cpumask(&op->u.nodeaffinity.nodemap, &nodes);
    if (rc == 0 && !cpumask_has(nodes, 0))
        rc = -XEN_EINVAL;
    domain_put(d);
    return rc;
}

long domctl_get_node_affinity(struct vcpu *caller, struct xen_domctl *op)
{
    struct domain *d;
    int rc = domctl_domain(op, &d);

    (void)caller;
    if (rc != 0)
        return rc;
    rc = node_to_bitmap(&op->u.nodeaffinity.nodemap);
    domain_put(d);
    return rc;
}

/* ---- Share -------------------------------------------------------------------------------- */

/*
 * The scheduler speaks as Xen's credit2 does: weights from 1 to 65535, caps in percent of one CPU
 * for the domain as a whole. A weight of 0 leaves it as it is.
 */
long domctl_scheduler_op(struct vcpu *caller, struct xen_domctl *op)
{
    struct xen_domctl_scheduler_op *s = &op->u.scheduler_op;
    struct domain *d;
    int rc = domctl_domain(op, &d);

    (void)caller;
    if (rc != 0)
        return rc;
    bool known = s->sched_id == XEN_SCHEDULER_CREDIT2;
    if (known && s->cmd == XEN_DOMCTL_SCHEDOP_putinfo) {
        rc = sched_set_share(d, s->u.credit2.weight ? s->u.credit2.weight : d->sched.weight,
                             s->u.credit2.cap);
    } else if (known && s->cmd == XEN_DOMCTL_SCHEDOP_getinfo) {
        s->u.credit2.weight = d->sched.weight;
        s->u.credit2.cap = (uint16_t)d->sched.cap;
    } else {
        rc = -XEN_EINVAL;
    }
    domain_put(d);
    return rc;
}

/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * sysctl: the machine as a whole, for the control domain (xen/sysctl.h).
 */
#include <arch/memory.h>

#include "core/console.h"
#include "core/domain.h"
#include "core/domctl.h"
#include "core/frame.h"
#include "core/guest.h"
#include "core/heap.h"
#include "core/hypercall.h"
#include "core/lib.h"
#include "core/log.h"
#include "core/memory.h"

/* ---- The log ------------------------------------------------------------------------------ */

/*
 * Without `incremental` from the oldest text on that was not cleared; with it from `index` on, if
 * that is later. It comes back as where to go on. `index` has 32 bits of a position of 64: the rest
 * is the newest that fits.
 */
static uint64_t read_position(const struct xen_sysctl_readconsole *r)
{
    uint64_t end = log_end(), at;

    if (!r->incremental)
        return log_start();
    at = (end & ~(uint64_t)UINT32_MAX) | r->index;
    if (at > end && at > UINT32_MAX)
        at -= 1ull << 32;
    return MAX(at, log_start());
}

long sysctl_readconsole(struct vcpu *v, struct xen_sysctl *op)
{
    struct xen_sysctl_readconsole *r = &op->u.readconsole;
    uint64_t at = read_position(r);
    vaddr_t to = HANDLE_VA(r->buffer);
    uint32_t done = 0;
    char part[256];

    (void)v;
    while (done < r->count) {
        size_t n = log_read(part, MIN(sizeof(part), (size_t)(r->count - done)), &at);
        if (n == 0)
            break;
        if (guest_copy_out(VADDR(to.v + done), part, n))
            return -XEN_EFAULT;
        done += (uint32_t)n;
    }
    r->count = done;
    r->index = (uint32_t)at;
    if (r->clear)
        log_clear();
    return 0;
}

#define DEBUG_KEYS_MAX 64u

long sysctl_debug_keys(struct vcpu *v, struct xen_sysctl *op)
{
    const struct xen_sysctl_debug_keys *k = &op->u.debug_keys;
    char keys[DEBUG_KEYS_MAX];

    (void)v;
    if (k->nr_keys > sizeof(keys))
        return -XEN_E2BIG;
    if (guest_copy_in(keys, HANDLE_VA(k->keys), k->nr_keys))
        return -XEN_EFAULT;
    for (uint32_t i = 0; i < k->nr_keys; i++)
        debug_key_pressed(keys[i]);
    return 0;
}

/* ---- Domains ------------------------------------------------------------------------------ */

long sysctl_domain_list(struct vcpu *v, struct xen_sysctl *op)
{
    struct xen_sysctl_getdomaininfolist *l = &op->u.getdomaininfolist;
    vaddr_t to = HANDLE_VA(l->buffer);
    struct domain *d = domain_next(NULL);
    long rc = 0;

    (void)v;
    l->num_domains = 0;
    while (d != NULL && l->num_domains < l->max_domains) {
        struct xen_domctl_getdomaininfo info;

        if (d->id.v >= l->first_domain) {
            domain_info(d, &info);
            if (guest_write(VADDR(to.v + l->num_domains * sizeof(info)), &info)) {
                rc = -XEN_EFAULT;
                break;
            }
            l->num_domains++;
        }
        d = domain_next(d);
    }
    if (d != NULL)
        domain_put(d);
    return rc;
}

/* ---- CPUs and memory ---------------------------------------------------------------------- */

static uint32_t last_cpu(void)
{
    return 63u - (uint32_t)__builtin_clzll(cpu_online_mask.bits);
}

long sysctl_physinfo(struct vcpu *v, struct xen_sysctl *op)
{
    struct xen_sysctl_physinfo *p = &op->u.physinfo;

    (void)v;
    memset(p, 0, sizeof(*p));
    p->nr_cpus = cpumask_count(cpu_online_mask);
    p->max_cpu_id = last_cpu();
    p->nr_nodes = 1;
    p->capabilities =
        XEN_SYSCTL_PHYSCAP_pv | XEN_SYSCTL_PHYSCAP_gnttab_v1 | XEN_SYSCTL_PHYSCAP_gnttab_v2;
    p->free_pages = heap_free_count();
    p->scrub_pages = heap_dirty_count();
    p->outstanding_pages = memory_claims_outstanding();
    p->max_mfn = frame_max().v - 1;
    arch_physinfo(p);
    return 0;
}

long sysctl_cpuinfo(struct vcpu *v, struct xen_sysctl *op)
{
    struct xen_sysctl_getcpuinfo *g = &op->u.getcpuinfo;
    uint32_t count = MIN(g->max_cpus, last_cpu() + 1);
    vaddr_t to = HANDLE_VA(g->info);

    (void)v;
    for (uint32_t cpu = 0; cpu < count; cpu++) {
        struct vcpu *idle = idle_domain.vcpu[cpu];
        struct xen_sysctl_cpuinfo info = {.idletime =
                                              idle != NULL ? (uint64_t)sched_vcpu_time(idle) : 0};

        if (guest_write(VADDR(to.v + cpu * sizeof(info)), &info))
            return -XEN_EFAULT;
    }
    g->nr_cpus = count;
    return 0;
}

/* Memory below an address is not counted apart, so a part of it is not told. */
long sysctl_availheap(struct vcpu *v, struct xen_sysctl *op)
{
    struct xen_sysctl_availheap *a = &op->u.availheap;

    (void)v;
    if (a->node > 0 || a->node < -1)
        return -XEN_EINVAL;
    if (a->min_bitwidth || a->max_bitwidth)
        return -XEN_EOPNOTSUPP;
    a->avail_bytes = heap_free_count() << PAGE_SHIFT;
    return 0;
}

long sysctl_cputopoinfo(struct vcpu *v, struct xen_sysctl *op)
{
    struct xen_sysctl_cputopoinfo *t = &op->u.cputopoinfo;
    uint32_t count = last_cpu() + 1;
    vaddr_t to = HANDLE_VA(t->cputopo);

    (void)v;
    if (to.v != 0) {
        count = MIN(count, t->num_cpus);
        for (uint32_t cpu = 0; cpu < count; cpu++) {
            struct xen_sysctl_cputopo topo = {XEN_INVALID_CORE_ID, XEN_INVALID_SOCKET_ID,
                                              XEN_INVALID_NODE_ID};

            if (cpumask_has(cpu_online_mask, cpu))
                arch_cpu_topology(cpu, &topo);
            if (guest_write(VADDR(to.v + cpu * sizeof(topo)), &topo))
                return -XEN_EFAULT;
        }
    }
    t->num_cpus = count;
    return 0;
}

/* All memory is one node's. */
long sysctl_numainfo(struct vcpu *v, struct xen_sysctl *op)
{
    struct xen_sysctl_numainfo *n = &op->u.numainfo;
    vaddr_t meminfo = HANDLE_VA(n->meminfo), distance = HANDLE_VA(n->distance);

    (void)v;
    if ((meminfo.v != 0 || distance.v != 0) && n->num_nodes > 0) {
        struct xen_sysctl_meminfo info = {
            .memsize = (uint64_t)frame_max().v << PAGE_SHIFT,
            .memfree = heap_free_count() << PAGE_SHIFT,
        };
        uint32_t own = 10; /* ACPI's distance of a node to itself (SLIT) */

        if (meminfo.v != 0 && guest_write(meminfo, &info))
            return -XEN_EFAULT;
        if (distance.v != 0 && guest_write(distance, &own))
            return -XEN_EFAULT;
        n->num_nodes = 1;
    } else if (meminfo.v == 0 && distance.v == 0) {
        n->num_nodes = 1;
    }
    return 0;
}

long sysctl_pcitopoinfo(struct vcpu *v, struct xen_sysctl *op)
{
    struct xen_sysctl_pcitopoinfo *t = &op->u.pcitopoinfo;
    uint32_t node = XEN_INVALID_NODE_ID;

    (void)v;
    if (HANDLE_VA(t->devs).v == 0 || HANDLE_VA(t->nodes).v == 0)
        return -XEN_EINVAL;
    for (uint32_t i = 0; i < t->num_devs; i++) {
        if (i != 0 && preempt_wanted()) {
            t->num_devs = i; /* the caller asks for the rest */
            return 0;
        }
        if (guest_write(VADDR(HANDLE_VA(t->nodes).v + i * sizeof(node)), &node))
            return -XEN_EFAULT;
    }
    return 0;
}

/* ---- Scheduling --------------------------------------------------------------------------- */

long sysctl_sched_id(struct vcpu *v, struct xen_sysctl *op)
{
    (void)v;
    op->u.sched_id.sched_id = XEN_SCHEDULER_CREDIT2;
    return 0;
}

static long pool_info(struct xen_sysctl_cpupool_op *p)
{
    if (p->cpupool_id != 0 && p->cpupool_id != XEN_SYSCTL_CPUPOOL_PAR_ANY)
        return -XEN_ENOENT;
    p->cpupool_id = 0;
    p->sched_id = XEN_SCHEDULER_CREDIT2;
    p->n_dom = 0;
    for (struct domain *d = domain_next(NULL); d != NULL; d = domain_next(d))
        p->n_dom++;
    return cpumask_to_bitmap(&p->cpumap, cpu_online_mask);
}

/* To the pool where it is. */
static long move_domain(struct vcpu *v, const struct xen_sysctl_cpupool_op *p)
{
    struct domain *d = domain_get(DOMID((xen_domid_t)p->domid));

    if (d == NULL)
        return -XEN_ESRCH;
    bool own = d == v->domain;
    domain_put(d);
    if (own)
        return -XEN_EPERM;
    return p->cpupool_id == 0 ? 0 : -XEN_ENOENT;
}

/* There is one pool, number 0, of all CPUs. */
long sysctl_cpupool_op(struct vcpu *v, struct xen_sysctl *op)
{
    struct xen_sysctl_cpupool_op *p = &op->u.cpupool_op;

    switch (p->op) {
    case XEN_SYSCTL_CPUPOOL_OP_INFO:
        return pool_info(p);
    case XEN_SYSCTL_CPUPOOL_OP_FREEINFO:
        return cpumask_to_bitmap(&p->cpumap, CPUMASK_NONE);
    case XEN_SYSCTL_CPUPOOL_OP_MOVEDOMAIN:
        return move_domain(v, p);
    case XEN_SYSCTL_CPUPOOL_OP_CREATE:
    case XEN_SYSCTL_CPUPOOL_OP_DESTROY:
    case XEN_SYSCTL_CPUPOOL_OP_ADDCPU:
    case XEN_SYSCTL_CPUPOOL_OP_RMCPU:
        return -XEN_EOPNOTSUPP;
    default:
        return -XEN_ENOSYS;
    }
}

/* All that can be set of the scheduler is its least time between two wake-ups' switches. */
long sysctl_scheduler_op(struct vcpu *v, struct xen_sysctl *op)
{
    struct xen_sysctl_scheduler_op *s = &op->u.scheduler_op;

    (void)v;
    if (s->cpupool_id != 0)
        return -XEN_ESRCH;
    if (s->sched_id != XEN_SCHEDULER_CREDIT2)
        return -XEN_EINVAL;
    switch (s->cmd) {
    case XEN_SYSCTL_SCHEDOP_putinfo:
        return sched_set_ratelimit(s->u.sched_credit2.ratelimit_us);
    case XEN_SYSCTL_SCHEDOP_getinfo:
        s->u.sched_credit2.ratelimit_us = sched_get_ratelimit();
        return 0;
    default:
        return -XEN_EINVAL;
    }
}

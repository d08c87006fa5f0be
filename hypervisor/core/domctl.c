/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * domctl: the life of domains, as the toolstack decides it (xen/domctl.h). Operations on vCPUs are
 * in domctl_vcpu.c, those on the machine's own things in x86/domctl.c.
 *
 * Each operation finds its domain, checks everything, changes, and drops its hold.
 */
#include "core/domctl.h"

#include <arch/memory.h>

#include "core/domain.h"
#include "core/frame.h"
#include "core/grant.h"
#include "core/guest.h"
#include "core/hypercall.h"
#include "core/lib.h"
#include "core/log.h"

/* ---- Names -------------------------------------------------------------------------------- */

int domctl_domain(const struct xen_domctl *op, struct domain **out)
{
    *out = domain_get(DOMID(op->domain));
    return *out != NULL ? 0 : -XEN_ESRCH;
}

static int vcpu_by_number(const struct domain *d, uint32_t id, struct vcpu **v)
{
    if (id >= d->max_vcpus)
        return -XEN_EINVAL;
    *v = d->vcpu[array_index_nospec(id, d->max_vcpus)];
    return *v != NULL ? 0 : -XEN_ESRCH;
}

int domctl_find_vcpu(const struct xen_domctl *op, uint32_t id, struct vcpu **v)
{
    struct domain *d;
    int rc = domctl_domain(op, &d);

    if (rc != 0)
        return rc;
    rc = vcpu_by_number(d, id, v);
    if (rc != 0)
        domain_put(d);
    return rc;
}

int bitmap_to_cpumask(const struct xenctl_bitmap *from, cpumask_t *mask)
{
    uint32_t bits = MIN(from->nr_bits, NR_CPUS);
    uint64_t word = 0;

    if (guest_copy_in(&word, HANDLE_VA(from->bitmap), DIV_ROUND_UP(bits, 8u)))
        return -XEN_EFAULT;
    if (bits < 64)
        word &= (1ull << bits) - 1;
    mask->bits = word;
    return 0;
}

/* `word` into a map of any size: what lies behind its 64 bits becomes zero. */
static int word_to_bitmap(const struct xenctl_bitmap *to, uint64_t word)
{
    static const uint8_t zeroes[64];
    uint64_t bytes = DIV_ROUND_UP((uint64_t)to->nr_bits, 8), first = MIN(bytes, sizeof(word));
    vaddr_t at = HANDLE_VA(to->bitmap);

    if (to->nr_bits < 64)
        word &= (1ull << to->nr_bits) - 1;
    if (guest_copy_out(at, &word, first))
        return -XEN_EFAULT;
    /* More CPUs than that nobody has. */
    bytes = MIN(bytes, 1024u);
    for (uint64_t done = first; done < bytes; done += sizeof(zeroes))
        if (guest_copy_out(VADDR(at.v + done), zeroes, MIN(sizeof(zeroes), bytes - done)))
            return -XEN_EFAULT;
    return 0;
}

int cpumask_to_bitmap(const struct xenctl_bitmap *to, cpumask_t mask)
{
    return word_to_bitmap(to, mask.bits);
}

int node_to_bitmap(const struct xenctl_bitmap *to)
{
    return word_to_bitmap(to, 1);
}

/* ---- Making ------------------------------------------------------------------------------- */

#define FLAGS_ALLOWED (XEN_DOMCTL_CDF_xs_domain | XEN_DOMCTL_CDF_s3_integrity)

static int check_config(const struct xen_domctl_createdomain *c)
{
    uint32_t version = c->grant_opts & XEN_DOMCTL_GRANT_version_mask;

    if (c->flags & ~FLAGS_ALLOWED || c->iommu_opts)
        return -XEN_EINVAL; /* hardware virtualization and its helpers: there are none */
    if (c->max_vcpus < 1 || c->max_vcpus > MAX_VCPUS)
        return -XEN_EINVAL;
    if (version < 1 || version > 2 || c->grant_opts & ~XEN_DOMCTL_GRANT_version_mask)
        return -XEN_EINVAL;
    if (c->max_grant_frames == 0 || c->max_grant_frames > (int32_t)GRANT_LIMIT_FRAMES ||
        c->vmtrace_size)
        return -XEN_EINVAL;
    if (c->cpupool_id != 0)
        return -XEN_ESRCH;
    return arch_check_config(c);
}

/* The next identifier that is free, so that one comes again as late as can be. */
static domid_t free_domid(void)
{
    static xen_domid_t last;

    for (unsigned tries = 0; tries < DOMID_FIRST_RESERVED; tries++) {
        last = (xen_domid_t)(last + 1u < DOMID_FIRST_RESERVED ? last + 1u : 1u);
        if (domain_by_id(DOMID(last)) == NULL)
            return DOMID(last);
    }
    return DOMID(DOMID_INVALID);
}

long domctl_create(struct vcpu *v, struct xen_domctl *op)
{
    const struct xen_domctl_createdomain *c = &op->u.createdomain;
    struct domain_config config = {
        .max_vcpus = c->max_vcpus,
        .max_event_port = MIN(c->max_evtchn_port, (uint32_t)EVTCHN_FIFO_PORTS - 1),
        .max_grant_frames = c->max_grant_frames < 0 ? 0 : (unsigned)c->max_grant_frames,
        .max_grant_version = c->grant_opts & XEN_DOMCTL_GRANT_version_mask,
    };
    domid_t id = DOMID(op->domain);
    struct domain *d;
    int rc = check_config(c);

    (void)v;
    if (rc != 0)
        return rc;
    if (id.v == 0 || id.v >= DOMID_FIRST_RESERVED)
        id = free_domid();
    else if (domain_by_id(id) != NULL)
        return -XEN_EEXIST;
    if (id.v == DOMID_INVALID)
        return -XEN_ENOMEM;
    memcpy(config.handle, c->handle, sizeof(config.handle));
    rc = domain_create(id, &config, &d);
    if (rc == 0) {
        arch_update_wallclock(d);
        op->domain = id.v;
    }
    return rc;
}

/* vCPUs start spread over the CPUs; the scheduler moves them as they run. */
long domctl_max_vcpus(struct vcpu *v, struct xen_domctl *op)
{
    static unsigned place;
    struct domain *d;
    int rc = domctl_domain(op, &d);

    if (rc != 0)
        return rc;
    if (d == v->domain || op->u.max_vcpus.max != d->max_vcpus)
        rc = -XEN_EINVAL;
    for (unsigned i = 0; i < d->max_vcpus && rc == 0; i++) {
        if (d->vcpu[i] != NULL)
            continue;
        do
            place = (place + 1) % NR_CPUS;
        while (!cpumask_has(cpu_online_mask, place));
        rc = vcpu_create(d, i, place);
        if (rc == 0 && i + 1 < d->max_vcpus && preempt_wanted())
            rc = HC_AGAIN;
    }
    domain_put(d);
    return rc;
}

/* ---- Running ------------------------------------------------------------------------------ */

long domctl_pause(struct vcpu *v, struct xen_domctl *op)
{
    struct domain *d;
    int rc = domctl_domain(op, &d);

    if (rc != 0)
        return rc;
    rc = d == v->domain ? -XEN_EINVAL : domain_controller_pause(d);
    domain_put(d);
    return rc;
}

long domctl_unpause(struct vcpu *v, struct xen_domctl *op)
{
    struct domain *d;
    int rc = domctl_domain(op, &d);

    (void)v;
    if (rc != 0)
        return rc;
    rc = domain_controller_unpause(d);
    domain_put(d);
    return rc;
}

long domctl_resume(struct vcpu *v, struct xen_domctl *op)
{
    struct domain *d;
    int rc = domctl_domain(op, &d);

    if (rc != 0)
        return rc;
    if (d == v->domain)
        rc = -XEN_EINVAL;
    else
        domain_resume(d);
    domain_put(d);
    return rc;
}

long domctl_destroy(struct vcpu *v, struct xen_domctl *op)
{
    struct domain *d;
    int rc = domctl_domain(op, &d);

    (void)v;
    if (rc != 0)
        return rc;
    rc = domain_kill(d);
    domain_put(d);
    return rc; /* -XEN_ERESTART is HC_AGAIN: the rest follows after pending work */
}

/* ---- What there is to know ---------------------------------------------------------------- */

static uint32_t state_flags(struct domain *d, struct xen_domctl_getdomaininfo *info)
{
    uint32_t flags = XEN_DOMINF_blocked;
    unsigned code = READ_ONCE(d->shutdown_code);

    for_each_vcpu (d, v) {
        struct vcpu_runstate_info run;

        info->max_vcpu_id = v->id;
        runstate_get(v, &run);
        info->cpu_time += run.time[RUNSTATE_running];
        if (READ_ONCE(v->pause_flags) & VPF_DOWN)
            continue;
        info->nr_online_vcpus++;
        if (!(READ_ONCE(v->pause_flags) & VPF_BLOCKED))
            flags &= ~XEN_DOMINF_blocked;
        if (READ_ONCE(v->running))
            flags |= XEN_DOMINF_running;
    }
    if (READ_ONCE(d->is_dying))
        flags |= XEN_DOMINF_dying;
    if (READ_ONCE(d->is_shut_down))
        flags |= XEN_DOMINF_shutdown;
    if (READ_ONCE(d->controller_pauses) != 0)
        flags |= XEN_DOMINF_paused;
    if (READ_ONCE(d->is_shut_down) && code != SHUTDOWN_CODE_NONE)
        flags |= (code & XEN_DOMINF_shutdownmask) << XEN_DOMINF_shutdownshift;
    return flags;
}

void domain_info(struct domain *d, struct xen_domctl_getdomaininfo *info)
{
    memset(info, 0, sizeof(*info));
    info->domain = d->id.v;
    info->max_vcpu_id = XEN_INVALID_MAX_VCPU_ID;
    info->flags = state_flags(d, info);
    info->tot_pages = READ_ONCE(d->tot_pages);
    info->max_pages = READ_ONCE(d->max_pages);
    info->outstanding_pages = READ_ONCE(d->claimed_pages);
    info->shared_info_frame = virt_to_mfn(d->shared).v;
    memcpy(info->handle, d->handle, sizeof(info->handle));
    arch_domain_info(d, &info->arch_config);
}

/*
 * An identifier that nobody has stands for the next higher one: so tools that list domains go on
 * where one has ended.
 */
long domctl_info(struct vcpu *v, struct xen_domctl *op)
{
    struct domain *d = domain_get(DOMID(op->domain));

    (void)v;
    if (d == NULL) {
        for (d = domain_next(NULL); d != NULL && d->id.v < op->domain;)
            d = domain_next(d);
        if (d == NULL)
            return -XEN_ESRCH;
    }
    domain_info(d, &op->u.getdomaininfo);
    op->domain = d->id.v;
    domain_put(d);
    return 0;
}

/* ---- Properties --------------------------------------------------------------------------- */

long domctl_set_handle(struct vcpu *v, struct xen_domctl *op)
{
    struct domain *d;
    int rc = domctl_domain(op, &d);

    (void)v;
    if (rc != 0)
        return rc;
    memcpy(d->handle, op->u.setdomainhandle.handle, sizeof(d->handle));
    domain_put(d);
    return 0;
}

long domctl_max_mem(struct vcpu *v, struct xen_domctl *op)
{
    uint64_t pages = op->u.max_mem.max_memkb >> (PAGE_SHIFT - 10);
    struct domain *d;
    int rc = domctl_domain(op, &d);

    (void)v;
    if (rc != 0)
        return rc;
    /* Below what it has is allowed: it then gets no more. */
    lock(&d->pages_lock);
    d->max_pages = pages;
    unlock(&d->pages_lock);
    domain_put(d);
    return 0;
}

long domctl_set_time_offset(struct vcpu *v, struct xen_domctl *op)
{
    struct domain *d;
    int rc = domctl_domain(op, &d);

    (void)v;
    if (rc != 0)
        return rc;
    WRITE_ONCE(d->time_offset_s, op->u.settimeoffset.time_offset_seconds);
    arch_update_wallclock(d);
    domain_put(d);
    return 0;
}

/* Global VIRQs are the control domain's. */
long domctl_set_virq_handler(struct vcpu *v, struct xen_domctl *op)
{
    struct domain *d;
    int rc = domctl_domain(op, &d);
    uint32_t virq = op->u.set_virq_handler.virq;

    (void)v;
    if (rc != 0)
        return rc;
    if (virq >= NR_VIRQS)
        rc = -XEN_EINVAL;
    else if (d != control_domain)
        rc = -XEN_EOPNOTSUPP;
    domain_put(d);
    return rc;
}

/* No debugger attaches to a domain: traps that it asks for are its own. */
long domctl_set_debugging(struct vcpu *v, struct xen_domctl *op)
{
    struct domain *d;
    int rc = domctl_domain(op, &d);

    if (rc != 0)
        return rc;
    if (d == v->domain)
        rc = -XEN_EINVAL;
    else if (op->u.setdebugging.enable)
        rc = -XEN_EOPNOTSUPP;
    domain_put(d);
    return rc;
}

/*
 * Log-dirty mode is what migration would need. Turning off what is not on is no error: tools do it
 * when they clean up.
 */
long domctl_shadow_op(struct vcpu *v, struct xen_domctl *op)
{
    struct domain *d;
    int rc = domctl_domain(op, &d);

    if (rc != 0)
        return rc;
    if (d == v->domain)
        rc = -XEN_EINVAL;
    else if (op->u.shadow_op.op != XEN_DOMCTL_SHADOW_OP_OFF)
        rc = -XEN_EOPNOTSUPP;
    domain_put(d);
    return rc;
}

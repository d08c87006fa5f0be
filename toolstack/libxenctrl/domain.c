/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Domains: their life and their properties.
 */
#include "private.h"

static int simple(xc_interface *xch, uint32_t cmd, uint32_t domid)
{
    struct xen_domctl op = xci_domctl(cmd, domid);

    return xc_domctl(xch, &op);
}

/* ---- Life --------------------------------------------------------------------------------- */

int xc_domain_create(xc_interface *xch, uint32_t *pdomid, struct xen_domctl_createdomain *config)
{
    struct xen_domctl op = xci_domctl(XEN_DOMCTL_createdomain, *pdomid);

    op.u.createdomain = *config;
    if (xc_domctl(xch, &op))
        return -1;
    *pdomid = op.domain;
    return 0;
}

int xc_domain_max_vcpus(xc_interface *xch, uint32_t domid, unsigned int max)
{
    struct xen_domctl op = xci_domctl(XEN_DOMCTL_max_vcpus, domid);

    op.u.max_vcpus.max = max;
    return xc_domctl(xch, &op);
}

int xc_domain_pause(xc_interface *xch, uint32_t domid)
{
    return simple(xch, XEN_DOMCTL_pausedomain, domid);
}

int xc_domain_unpause(xc_interface *xch, uint32_t domid)
{
    return simple(xch, XEN_DOMCTL_unpausedomain, domid);
}

int xc_domain_destroy(xc_interface *xch, uint32_t domid)
{
    return simple(xch, XEN_DOMCTL_destroydomain, domid);
}

static int sched_op(xc_interface *xch, int cmd, void *arg, size_t size)
{
    void *buffer = xci_buffer_get(xch, arg, size);
    int rc;

    if (buffer == NULL)
        return -1;
    rc = xencall2(xch->xcall, __HYPERVISOR_sched_op, (uint64_t)cmd, (uint64_t)(uintptr_t)buffer);
    xci_buffer_put(xch, buffer, NULL, 0);
    return rc;
}

int xc_domain_shutdown(xc_interface *xch, uint32_t domid, int reason)
{
    sched_remote_shutdown_t arg = {.domain_id = (domid_t)domid, .reason = (unsigned int)reason};

    return sched_op(xch, SCHEDOP_remote_shutdown, &arg, sizeof(arg));
}

int xc_watchdog(xc_interface *xch, uint32_t id, uint32_t timeout)
{
    sched_watchdog_t arg = {.id = id, .timeout = timeout};

    return sched_op(xch, SCHEDOP_watchdog, &arg, sizeof(arg));
}

/* ---- Properties --------------------------------------------------------------------------- */

int xc_domain_sethandle(xc_interface *xch, uint32_t domid, xen_domain_handle_t handle)
{
    struct xen_domctl op = xci_domctl(XEN_DOMCTL_setdomainhandle, domid);

    memcpy(op.u.setdomainhandle.handle, handle, sizeof(xen_domain_handle_t));
    return xc_domctl(xch, &op);
}

int xc_domain_get_guest_width(xc_interface *xch, uint32_t domid, unsigned int *guest_width)
{
    struct xen_domctl op = xci_domctl(XEN_DOMCTL_get_address_size, domid);

    if (xc_domctl(xch, &op))
        return -1;
    *guest_width = op.u.address_size.size / 8; /* bytes */
    return 0;
}

int xc_domain_set_time_offset(xc_interface *xch, uint32_t domid, int32_t time_offset_seconds)
{
    struct xen_domctl op = xci_domctl(XEN_DOMCTL_settimeoffset, domid);

    op.u.settimeoffset.time_offset_seconds = time_offset_seconds;
    return xc_domctl(xch, &op);
}

int xc_domain_set_tsc_info(xc_interface *xch, uint32_t domid, uint32_t tsc_mode,
                           uint64_t elapsed_nsec, uint32_t gtsc_khz, uint32_t incarnation)
{
    struct xen_domctl op = xci_domctl(XEN_DOMCTL_settscinfo, domid);

    op.u.tsc_info.tsc_mode = tsc_mode;
    op.u.tsc_info.elapsed_nsec = elapsed_nsec;
    op.u.tsc_info.gtsc_khz = gtsc_khz;
    op.u.tsc_info.incarnation = incarnation;
    return xc_domctl(xch, &op);
}

int xc_domain_get_tsc_info(xc_interface *xch, uint32_t domid, uint32_t *tsc_mode,
                           uint64_t *elapsed_nsec, uint32_t *gtsc_khz, uint32_t *incarnation)
{
    struct xen_domctl op = xci_domctl(XEN_DOMCTL_gettscinfo, domid);

    if (xc_domctl(xch, &op))
        return -1;
    *tsc_mode = op.u.tsc_info.tsc_mode;
    *elapsed_nsec = op.u.tsc_info.elapsed_nsec;
    *gtsc_khz = op.u.tsc_info.gtsc_khz;
    *incarnation = op.u.tsc_info.incarnation;
    return 0;
}

int xc_domain_setdebugging(xc_interface *xch, uint32_t domid, unsigned int enable)
{
    struct xen_domctl op = xci_domctl(XEN_DOMCTL_setdebugging, domid);

    op.u.setdebugging.enable = enable != 0;
    return xc_domctl(xch, &op);
}

int xc_domain_set_virq_handler(xc_interface *xch, uint32_t domid, int virq)
{
    struct xen_domctl op = xci_domctl(XEN_DOMCTL_set_virq_handler, domid);

    op.u.set_virq_handler.virq = (uint32_t)virq;
    return xc_domctl(xch, &op);
}

int xc_shadow_control(xc_interface *xch, uint32_t domid, unsigned int sop, unsigned int *mb,
                      unsigned int mode)
{
    struct xen_domctl op = xci_domctl(XEN_DOMCTL_shadow_op, domid);

    op.u.shadow_op.op = sop;
    op.u.shadow_op.mb = mb != NULL ? *mb : 0;
    op.u.shadow_op.mode = mode;
    int rc = xc_domctl(xch, &op);
    if (mb != NULL)
        *mb = op.u.shadow_op.mb;
    return rc;
}

/* ---- Lists -------------------------------------------------------------------------------- */

static void fill_info(xc_dominfo_t *info, const xc_domaininfo_t *from)
{
    uint32_t flags = from->flags;

    memset(info, 0, sizeof(*info));
    info->domid = from->domain;
    info->ssidref = from->ssidref;
    info->dying = (flags & XEN_DOMINF_dying) != 0;
    info->shutdown = (flags & XEN_DOMINF_shutdown) != 0;
    info->paused = (flags & XEN_DOMINF_paused) != 0;
    info->blocked = (flags & XEN_DOMINF_blocked) != 0;
    info->running = (flags & XEN_DOMINF_running) != 0;
    info->hvm = (flags & XEN_DOMINF_hvm_guest) != 0;
    info->debugged = (flags & XEN_DOMINF_debugged) != 0;
    info->xenstore = (flags & XEN_DOMINF_xs_domain) != 0;
    info->hap = (flags & XEN_DOMINF_hap) != 0;
    info->shutdown_reason = flags >> XEN_DOMINF_shutdownshift & XEN_DOMINF_shutdownmask;
    /* A crash is told apart from a shutdown. */
    if (info->shutdown && info->shutdown_reason == SHUTDOWN_crash) {
        info->shutdown = 0;
        info->crashed = 1;
    }
    info->nr_pages = from->tot_pages;
    info->nr_outstanding_pages = from->outstanding_pages;
    info->nr_shared_pages = from->shr_pages;
    info->nr_paged_pages = from->paged_pages;
    info->max_memkb = from->max_pages << (XC_PAGE_SHIFT - 10);
    info->shared_info_frame = from->shared_info_frame;
    info->cpu_time = from->cpu_time;
    info->nr_online_vcpus = from->nr_online_vcpus;
    info->max_vcpu_id = from->max_vcpu_id;
    info->cpupool = from->cpupool;
    info->gpaddr_bits = from->gpaddr_bits;
    info->arch_config = from->arch_config;
    memcpy(info->handle, from->handle, sizeof(info->handle));
}

int xc_domain_getinfolist(xc_interface *xch, uint32_t first_domain, unsigned int max_domains,
                          xc_domaininfo_t *info)
{
    size_t size = max_domains * sizeof(*info);
    void *buffer = xci_buffer_get(xch, info, size);
    struct xen_sysctl op = xci_sysctl(XEN_SYSCTL_getdomaininfolist);

    if (buffer == NULL)
        return -1;
    op.u.getdomaininfolist.first_domain = (domid_t)first_domain;
    op.u.getdomaininfolist.max_domains = max_domains;
    set_xen_guest_handle_raw(op.u.getdomaininfolist.buffer, buffer);
    int rc = xc_sysctl(xch, &op);
    xci_buffer_put(xch, buffer, info, size);
    return rc < 0 ? -1 : (int)op.u.getdomaininfolist.num_domains;
}

/* One call for all: the cost of listing many does not grow with the square of their number. */
#define LIST_MAX 4096u

int xc_domain_getinfo(xc_interface *xch, uint32_t first_domid, unsigned int max_doms,
                      xc_dominfo_t *info)
{
    unsigned room = max_doms < LIST_MAX ? max_doms : LIST_MAX;
    xc_domaininfo_t *list = room ? calloc(room, sizeof(*list)) : NULL;
    int count = -1;

    if (room == 0)
        return 0;
    if (list == NULL)
        return -1;
    if (first_domid < DOMID_FIRST_RESERVED)
        count = xc_domain_getinfolist(xch, first_domid, room, list);
    else
        errno = ESRCH;
    for (int i = 0; i < count; i++)
        fill_info(&info[i], &list[i]);
    free(list);
    if (count == 0) {
        errno = ESRCH;
        count = -1;
    }
    return count;
}

/* ---- Nodes -------------------------------------------------------------------------------- */

static int node_affinity(xc_interface *xch, uint32_t cmd, uint32_t domid, xc_nodemap_t nodemap)
{
    struct xen_domctl op = xci_domctl(cmd, domid);
    int size = xc_get_nodemap_size(xch);
    void *buffer = size > 0 ? xci_buffer_get(xch, nodemap, (size_t)size) : NULL;

    if (buffer == NULL)
        return -1;
    set_xen_guest_handle_raw(op.u.nodeaffinity.nodemap.bitmap, buffer);
    op.u.nodeaffinity.nodemap.nr_bits = (uint32_t)size * 8;
    int rc = xc_domctl(xch, &op);
    xci_buffer_put(xch, buffer, cmd == XEN_DOMCTL_getnodeaffinity ? nodemap : NULL, (size_t)size);
    return rc;
}

int xc_domain_node_setaffinity(xc_interface *xch, uint32_t domind, xc_nodemap_t nodemap)
{
    return node_affinity(xch, XEN_DOMCTL_setnodeaffinity, domind, nodemap);
}

int xc_domain_node_getaffinity(xc_interface *xch, uint32_t domind, xc_nodemap_t nodemap)
{
    return node_affinity(xch, XEN_DOMCTL_getnodeaffinity, domind, nodemap);
}

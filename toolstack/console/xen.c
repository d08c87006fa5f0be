/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The hypervisor, through the libraries that wrap Linux's devices.
 */
#include "console/xen.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <xenctrl.h>
#include <xenevtchn.h>
#include <xenforeignmemory.h>
#include <xengnttab.h>
#include <xentoollog.h>

struct xen {
    xentoollog_logger *quiet; /* what fails is told once, by who asked */
    xc_interface *xch;
    xenevtchn_handle *evtchn;
    xengnttab_handle *gnttab;
    xenforeignmemory_handle *memory;
};

/* The handles, or which of them there is not. */
static const char *open_handles(struct xen *xen)
{
    xen->quiet = (xentoollog_logger *)xtl_createlogger_stdiostream(stderr, XTL_CRITICAL, 0);
    xen->evtchn = xenevtchn_open(xen->quiet, 0);
    if (xen->evtchn == NULL)
        return "/dev/xen/evtchn";
    xen->gnttab = xengnttab_open(xen->quiet, 0);
    if (xen->gnttab == NULL)
        return "/dev/xen/gntdev";
    xen->memory = xenforeignmemory_open(xen->quiet, 0);
    xen->xch = xc_interface_open(xen->quiet, xen->quiet, 0);
    return xen->memory == NULL || xen->xch == NULL ? "/dev/xen/privcmd" : NULL;
}

int xen_open(struct xen **out, struct message *why)
{
    struct xen *xen = calloc(1, sizeof(*xen));

    if (xen == NULL)
        return message_set(why, -ENOMEM, "no memory");
    const char *missing = open_handles(xen);
    if (missing != NULL) {
        int rc = message_errno(why, errno ? -errno : -ENODEV,
                               "cannot open %s (is this the control domain, and are the modules "
                               "xen-evtchn, xen-gntdev and xen-privcmd loaded?)",
                               missing);
        xen_close(xen);
        return rc;
    }
    fcntl(xenevtchn_fd(xen->evtchn), F_SETFL, O_NONBLOCK);
    *out = xen;
    return 0;
}

void xen_close(struct xen *xen)
{
    if (xen->xch != NULL)
        xc_interface_close(xen->xch);
    if (xen->memory != NULL)
        xenforeignmemory_close(xen->memory);
    if (xen->gnttab != NULL)
        xengnttab_close(xen->gnttab);
    if (xen->evtchn != NULL)
        xenevtchn_close(xen->evtchn);
    if (xen->quiet != NULL)
        xtl_logger_destroy(xen->quiet);
    free(xen);
}

struct xencons_interface *xen_map_console(struct xen *xen, uint16_t domid, uint64_t mfn,
                                          bool *by_frame)
{
    xen_pfn_t frame = mfn;
    void *ring = xengnttab_map_grant_ref(xen->gnttab, domid, GNTTAB_RESERVED_CONSOLE,
                                         PROT_READ | PROT_WRITE);

    *by_frame = ring == NULL;
    if (ring == NULL)
        ring = xenforeignmemory_map(xen->memory, domid, PROT_READ | PROT_WRITE, 1, &frame, NULL);
    return ring;
}

void xen_unmap_console(struct xen *xen, struct xencons_interface *ring, bool by_frame)
{
    if (by_frame)
        xenforeignmemory_unmap(xen->memory, ring, 1);
    else
        xengnttab_unmap(xen->gnttab, ring, 1);
}

int xen_bind(struct xen *xen, uint16_t domid, uint32_t port)
{
    int local = xenevtchn_bind_interdomain(xen->evtchn, domid, port);

    return local < 0 ? -errno : local;
}

void xen_unbind(struct xen *xen, int local_port)
{
    xenevtchn_unbind(xen->evtchn, (evtchn_port_t)local_port);
}

void xen_notify(struct xen *xen, int local_port)
{
    xenevtchn_notify(xen->evtchn, (evtchn_port_t)local_port);
}

int xen_event_fd(const struct xen *xen)
{
    return xenevtchn_fd(xen->evtchn);
}

int xen_next_event(struct xen *xen)
{
    return xenevtchn_pending(xen->evtchn);
}

void xen_unmask(struct xen *xen, int local_port)
{
    xenevtchn_unmask(xen->evtchn, (evtchn_port_t)local_port);
}

int xen_domains(struct xen *xen, uint16_t first, struct domain_info *list, unsigned room)
{
    xc_domaininfo_t *info = calloc(room, sizeof(*info));
    int count = info == NULL ? -1 : xc_domain_getinfolist(xen->xch, first, room, info);
    int rc = count < 0 ? -errno : count;

    for (int i = 0; i < count; i++) {
        list[i].domid = info[i].domain;
        list[i].dying = info[i].flags & XEN_DOMINF_dying;
        list[i].stopped = info[i].flags & XEN_DOMINF_shutdown;
        memcpy(list[i].handle, info[i].handle, sizeof(list[i].handle));
    }
    free(info);
    return rc;
}

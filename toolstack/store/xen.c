/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The hypervisor, through the libraries that wrap Linux's devices.
 */
#define __XEN_TOOLS__ 1 /* interfaces of the toolstack in Xen's headers */
#include "store/xen.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>
#include <xen/grant_table.h>
#include <xen/sysctl.h>
#include <xen/xen.h>
#include <xencall.h>
#include <xenevtchn.h>
#include <xenforeignmemory.h>
#include <xengnttab.h>

#include "store/memory.h"

/* Linux's xenfs: the page of its store ring, and its port. */
#define OWN_RING "/proc/xen/xsd_kva"
#define OWN_PORT "/proc/xen/xsd_port"

#define PAGE 4096u

struct xen {
    xenevtchn_handle *evtchn;
    xengnttab_handle *gnttab;
    xenforeignmemory_handle *memory;
    xencall_handle *call;
    int domains_port;
    /* By domain: whether its ring is mapped by number of frame, not by grant. */
    bool by_frame[DOMID_FIRST_RESERVED];
};

/* The handles, or which of them there is not. */
static const char *open_handles(struct xen *xen)
{
    xen->evtchn = xenevtchn_open(NULL, 0);
    if (xen->evtchn == NULL)
        return "/dev/xen/evtchn";
    xen->gnttab = xengnttab_open(NULL, 0);
    if (xen->gnttab == NULL)
        return "/dev/xen/gntdev";
    xen->memory = xenforeignmemory_open(NULL, 0);
    xen->call = xencall_open(NULL, 0);
    return xen->memory == NULL || xen->call == NULL ? "/dev/xen/privcmd" : NULL;
}

int xen_open(struct xen **out, struct message *why)
{
    struct xen *xen = store_alloc(sizeof(*xen));
    const char *missing = open_handles(xen);

    if (missing != NULL) {
        int rc = message_errno(why, -errno,
                               "cannot open %s (is this the control domain, and are the modules "
                               "xen-evtchn, xen-gntdev and xen-privcmd loaded?)",
                               missing);
        xen_close(xen);
        return rc;
    }
    int port = xenevtchn_bind_virq(xen->evtchn, VIRQ_DOM_EXC);
    if (port < 0) {
        int rc =
            message_errno(why, -errno, "cannot bind the interrupt that tells of domains' ends");
        xen_close(xen);
        return rc;
    }
    xen->domains_port = port;
    fcntl(xenevtchn_fd(xen->evtchn), F_SETFL, O_NONBLOCK);
    *out = xen;
    return 0;
}

void xen_close(struct xen *xen)
{
    if (xen->call != NULL)
        xencall_close(xen->call);
    if (xen->memory != NULL)
        xenforeignmemory_close(xen->memory);
    if (xen->gnttab != NULL)
        xengnttab_close(xen->gnttab);
    if (xen->evtchn != NULL)
        xenevtchn_close(xen->evtchn);
    free(xen);
}

struct xenstore_domain_interface *xen_map_ring(struct xen *xen, uint16_t domid, uint64_t mfn)
{
    void *ring = xengnttab_map_grant_ref(xen->gnttab, domid, GNTTAB_RESERVED_XENSTORE,
                                         PROT_READ | PROT_WRITE);

    xen->by_frame[domid] = ring == NULL;
    if (ring == NULL) {
        xen_pfn_t frame = mfn;
        ring = xenforeignmemory_map(xen->memory, domid, PROT_READ | PROT_WRITE, 1, &frame, NULL);
    }
    return ring;
}

void xen_unmap_ring(struct xen *xen, uint16_t domid, struct xenstore_domain_interface *ring)
{
    if (domid == 0)
        munmap(ring, PAGE);
    else if (xen->by_frame[domid])
        xenforeignmemory_unmap(xen->memory, ring, 1);
    else
        xengnttab_unmap(xen->gnttab, ring, 1);
}

static int own_port(uint32_t *port)
{
    char text[32] = "";
    int fd = open(OWN_PORT, O_RDONLY | O_CLOEXEC);

    if (fd < 0)
        return -errno;
    ssize_t size = read(fd, text, sizeof(text) - 1);
    close(fd);
    *port = size > 0 ? (uint32_t)strtoul(text, NULL, 10) : 0;
    return *port ? 0 : -EIO;
}

struct xenstore_domain_interface *xen_own_ring(struct xen *xen, uint32_t *port, struct message *why)
{
    (void)xen;
    int rc = own_port(port);
    int fd = rc ? -1 : open(OWN_RING, O_RDWR | O_CLOEXEC);
    void *ring = MAP_FAILED;

    if (fd >= 0) {
        ring = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
        rc = -errno;
        close(fd);
    } else if (rc == 0) {
        rc = -errno;
    }
    if (ring == MAP_FAILED) {
        message_errno(why, rc,
                      "cannot map the ring of this domain's kernel by " OWN_RING
                      " (is xenfs mounted on /proc/xen?)");
        return NULL;
    }
    return ring;
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
    if (local_port >= 0)
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

int xen_domains_port(const struct xen *xen)
{
    return xen->domains_port;
}

int xen_domains(struct xen *xen, uint16_t first, struct domain_info *list, unsigned room)
{
    xen_domctl_getdomaininfo_t *info = xencall_alloc_buffer(xen->call, room * sizeof(*info));
    struct xen_sysctl *sysctl = xencall_alloc_buffer(xen->call, sizeof(*sysctl));
    int rc = -ENOMEM;

    if (info != NULL && sysctl != NULL) {
        *sysctl = (struct xen_sysctl){.cmd = XEN_SYSCTL_getdomaininfolist,
                                      .interface_version = XEN_SYSCTL_INTERFACE_VERSION};
        sysctl->u.getdomaininfolist.first_domain = first;
        sysctl->u.getdomaininfolist.max_domains = room;
        set_xen_guest_handle(sysctl->u.getdomaininfolist.buffer, info);
        rc = xencall1(xen->call, __HYPERVISOR_sysctl, (uintptr_t)sysctl) < 0
                 ? -errno
                 : (int)sysctl->u.getdomaininfolist.num_domains;
    }
    for (int i = 0; i < rc; i++) {
        list[i].domid = info[i].domain;
        list[i].state = info[i].flags & XEN_DOMINF_dying      ? DOMAIN_GONE
                        : info[i].flags & XEN_DOMINF_shutdown ? DOMAIN_STOPPED
                                                              : DOMAIN_ALIVE;
    }
    xencall_free_buffer(xen->call, sysctl);
    xencall_free_buffer(xen->call, info);
    return rc;
}

/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Guests and a hypervisor for tests of the console daemon: rings are this program's memory, port n
 * is the n-th guest's. A guest writes as its driver would.
 */
#ifndef CONSOLE_WORLD_H
#define CONSOLE_WORLD_H

#include <errno.h>
#include <stdlib.h>

#include "console/nodes.h"
#include "console/ring.h"
#include "console/xen.h"
#include "tap.h"

#define WORLD_GUESTS 8

struct world_guest {
    struct xencons_interface ring;
    bool mapped, bound, masked, pending;
    bool lives, dying, stopped;
    bool refused; /* it cannot be mapped */
    uint8_t handle[16];
    unsigned notified;
    char tty[32];
};

static struct world_guest world[WORLD_GUESTS]; /* domain n + 1 */

static inline void ring_port(unsigned n)
{
    world[n].pending = true;
}

/* As much as the ring takes; returns how many bytes. */
static inline uint32_t guest_write(unsigned n, const char *bytes, size_t count)
{
    struct xencons_interface *r = &world[n].ring;
    uint32_t done = 0;

    while (done < count && r->out_prod - r->out_cons < RING_OUTPUT)
        r->out[MASK_XENCONS_IDX(r->out_prod++, r->out)] = bytes[done++];
    ring_port(n);
    return done;
}

static inline uint32_t guest_read(unsigned n, char *bytes, uint32_t room)
{
    struct xencons_interface *r = &world[n].ring;
    uint32_t done = 0;

    while (done < room && r->in_cons != r->in_prod)
        bytes[done++] = r->in[MASK_XENCONS_IDX(r->in_cons++, r->in)];
    return done;
}

/* ---- console/xen.h ------------------------------------------------------------------------ */

struct xencons_interface *xen_map_console(struct xen *xen, uint16_t domid, uint64_t mfn,
                                          bool *by_frame)
{
    (void)xen;
    (void)mfn;
    *by_frame = false;
    if (world[domid - 1].refused) {
        errno = EPERM;
        return NULL;
    }
    world[domid - 1].mapped = true;
    return &world[domid - 1].ring;
}

void xen_unmap_console(struct xen *xen, struct xencons_interface *ring, bool by_frame)
{
    (void)xen;
    (void)by_frame;
    for (unsigned n = 0; n < WORLD_GUESTS; n++)
        if (ring == &world[n].ring)
            world[n].mapped = false;
}

int xen_bind(struct xen *xen, uint16_t domid, uint32_t port)
{
    (void)xen;
    (void)port;
    world[domid - 1].bound = true;
    return domid - 1;
}

void xen_unbind(struct xen *xen, int local_port)
{
    (void)xen;
    world[local_port].bound = false;
}

void xen_notify(struct xen *xen, int local_port)
{
    (void)xen;
    world[local_port].notified++;
}

int xen_next_event(struct xen *xen)
{
    (void)xen;
    for (unsigned n = 0; n < WORLD_GUESTS; n++)
        if (world[n].pending && world[n].bound && !world[n].masked) {
            world[n].pending = false;
            world[n].masked = true;
            return (int)n;
        }
    return -1;
}

void xen_unmask(struct xen *xen, int local_port)
{
    (void)xen;
    world[local_port].masked = false;
}

int xen_domains(struct xen *xen, uint16_t first, struct domain_info *list, unsigned room)
{
    int count = 0;

    (void)xen;
    for (unsigned n = first ? first - 1u : 0; n < WORLD_GUESTS && (unsigned)count < room; n++) {
        if (!world[n].lives)
            continue;
        list[count] = (struct domain_info){
            .domid = (uint16_t)(n + 1), .dying = world[n].dying, .stopped = world[n].stopped};
        memcpy(list[count++].handle, world[n].handle, 16);
    }
    return count;
}

#endif

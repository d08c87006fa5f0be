/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What the hypervisor's devices cost a program of the control domain: privcmd, evtchn, gntdev.
 * Grants are the domain's own, made by gntalloc.
 */
#include <fcntl.h>
#include <signal.h>
#include <stdbool.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <xencall.h>
#include <xenevtchn.h>
#include <xengnttab.h>
#include <xen/version.h>
#include <xen/xen.h>

#include "batch.h"

#define PAGE       4096u
#define BATCH      64u
/* No ioctl of privcmd has this number. */
#define IOCTL_NONE _IOC(_IOC_NONE, 'P', 0xff, 0)

static void check(bool ok, const char *what)
{
    if (!ok) {
        perror(what);
        printf("bench: failed: %s\n", what);
        exit(1);
    }
}

/* ---- Hypercalls ----------------------------------------------------------------------------- */

static int privcmd;
static xencall_handle *calls;

OPERATION(privcmd_invalid)
{
    while (n--)
        check(ioctl(privcmd, IOCTL_NONE, NULL) != 0, "an ioctl that there is not");
}

OPERATION(privcmd_version)
{
    while (n--)
        check(xencall2(calls, __HYPERVISOR_xen_version, XENVER_version, 0) > 0, "xen_version");
}

/* ---- Events --------------------------------------------------------------------------------- */

struct end {
    xenevtchn_handle *events;
    evtchn_port_t port;
};
static struct end here, near, far;

static void end_open(struct end *e)
{
    e->events = xenevtchn_open(NULL, 0);
    check(e->events != NULL, "/dev/xen/evtchn");
}

/* Waits for an event and lets the next one come. */
static void end_take(const struct end *e)
{
    xenevtchn_port_or_error_t port = xenevtchn_pending(e->events);

    check(port >= 0 && xenevtchn_unmask(e->events, (evtchn_port_t)port) == 0, "take an event");
}

static void end_notify(const struct end *e)
{
    check(xenevtchn_notify(e->events, e->port) == 0, "notify");
}

static evtchn_port_t port_of(xenevtchn_port_or_error_t port)
{
    check(port >= 0, "bind a port");
    return (evtchn_port_t)port;
}

OPERATION(evtchn_self)
{
    while (n--) {
        end_notify(&here);
        end_take(&here);
    }
}

OPERATION(evtchn_pair)
{
    while (n--) {
        end_notify(&near);
        end_take(&near);
    }
}

/* Both ends are read here. A port that has just been bound has one event pending. */
static void events_start(void)
{
    end_open(&here);
    evtchn_port_t other = port_of(xenevtchn_bind_unbound_port(here.events, DOMID_SELF));
    here.port = port_of(xenevtchn_bind_interdomain(here.events, 0, other));
    end_take(&here);
}

/* Another process that sends back each event. */
static pid_t pair_start(void)
{
    int ready[2];
    char byte = 0;
    pid_t child = -1;

    end_open(&near);
    near.port = port_of(xenevtchn_bind_unbound_port(near.events, DOMID_SELF));
    check(pipe(ready) == 0 && (child = fork()) >= 0, "fork");
    if (child == 0) {
        end_open(&far);
        far.port = port_of(xenevtchn_bind_interdomain(far.events, 0, near.port));
        end_take(&far);
        check(write(ready[1], &byte, 1) == 1, "tell the other");
        for (;;) {
            end_take(&far);
            end_notify(&far);
        }
    }
    check(read(ready[0], &byte, 1) == 1, "hear of the other");
    return child;
}

/* ---- Grants --------------------------------------------------------------------------------- */

static xengnttab_handle *maps;
static char *shared;
static uint32_t refs[BATCH];
static char buffer[BATCH * PAGE] __attribute__((aligned(4096)));

static void grants_start(void)
{
    xengntshr_handle *share = xengntshr_open(NULL, 0);

    maps = xengnttab_open(NULL, 0);
    check(share && maps, "grant devices");
    shared = xengntshr_share_pages(share, 0, BATCH, refs, 1);
    check(shared != NULL, "share pages");
    memset(shared, 1, BATCH * PAGE);
    memset(buffer, 1, sizeof(buffer));
}

static void map_touch_unmap(unsigned pages)
{
    uint32_t domains[BATCH] = {0};
    volatile char *at =
        xengnttab_map_grant_refs(maps, pages, domains, refs, PROT_READ | PROT_WRITE);

    check(at != NULL, "map grants");
    for (unsigned i = 0; i < pages; i++)
        at[i * PAGE] = 2;
    check(xengnttab_unmap(maps, (void *)at, pages) == 0, "unmap grants");
}

OPERATION(grant_map)
{
    while (n--)
        map_touch_unmap(1);
}

/* One operation is one page. */
OPERATION(grant_map_64)
{
    for (; n >= BATCH; n -= BATCH)
        map_touch_unmap(BATCH);
}

static void copy_in(unsigned pages)
{
    xengnttab_grant_copy_segment_t segments[BATCH];

    for (unsigned i = 0; i < pages; i++) {
        segments[i] = (xengnttab_grant_copy_segment_t){.len = PAGE, .flags = GNTCOPY_source_gref};
        segments[i].source.foreign.ref = refs[i];
        segments[i].dest.virt = buffer + i * PAGE;
    }
    check(xengnttab_grant_copy(maps, pages, segments) == 0, "copy from grants");
}

OPERATION(grant_copy)
{
    while (n--)
        copy_in(1);
}

OPERATION(grant_copy_64)
{
    for (; n >= BATCH; n -= BATCH)
        copy_in(BATCH);
}

static const struct operation operations[] = {
    MEASURED(privcmd_invalid, 500), MEASURED(privcmd_version, 500),
    MEASURED(evtchn_self, 200),     MEASURED(evtchn_pair, 100),
    MEASURED(grant_map, 50),        MEASURED(grant_map_64, BATCH),
    MEASURED(grant_copy, 100),      MEASURED(grant_copy_64, BATCH * 2),
};

int main(void)
{
    setvbuf(stdout, NULL, _IOLBF, 0);
    privcmd = open("/dev/xen/privcmd", O_RDWR | O_CLOEXEC);
    calls = xencall_open(NULL, 0);
    check(privcmd >= 0 && calls, "/dev/xen/privcmd");
    events_start();
    pid_t other = pair_start();
    grants_start();
    batch_all(operations, sizeof(operations) / sizeof(operations[0]));
    kill(other, SIGKILL);
    return 0;
}

/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A hypervisor for the store daemon, made of shared memory: rings that the test's process and the
 * daemon's both map, and a socket for events. The daemon's process can be killed and started anew;
 * events that it did not take are then lost, as they are with Linux.
 */
#ifndef STORE_XEN_FAKE_H
#define STORE_XEN_FAKE_H

#include <errno.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "store/daemon.h"
#include "store/xen.h"

#define FAKE_DOMAINS      16
#define FAKE_DOMAINS_PORT 1
#define FAKE_PORT(domid)  (100 + (domid))

static struct fake {
    struct xenstore_domain_interface rings[FAKE_DOMAINS];
    enum domain_state states[FAKE_DOMAINS];
    unsigned notified[FAKE_DOMAINS];
    unsigned storm; /* domain that sends an event whenever it can; 0: none */
    bool masked[FAKE_DOMAINS];
} * fake;

static int fake_ends[2]; /* the daemon's, the test's */
static char fake_directory[PATH_MAX], fake_socket[PATH_MAX + 16], fake_state[PATH_MAX + 16];
static pid_t fake_daemon;

int xen_open(struct xen **xen, struct message *why)
{
    int port;

    (void)why;
    while (recv(fake_ends[0], &port, sizeof(port), MSG_DONTWAIT) == sizeof(port))
        ;
    *xen = (struct xen *)fake;
    return 0;
}

void xen_close(struct xen *xen)
{
    (void)xen;
}

struct xenstore_domain_interface *xen_map_ring(struct xen *xen, uint16_t domid, uint64_t mfn)
{
    (void)xen;
    if (domid >= FAKE_DOMAINS || fake->states[domid] == DOMAIN_GONE || mfn != 1000u + domid) {
        errno = EINVAL;
        return NULL;
    }
    return &fake->rings[domid];
}

void xen_unmap_ring(struct xen *xen, uint16_t domid, struct xenstore_domain_interface *ring)
{
    (void)xen;
    (void)domid;
    (void)ring;
}

struct xenstore_domain_interface *xen_own_ring(struct xen *xen, uint32_t *port, struct message *why)
{
    (void)xen;
    (void)why;
    *port = 7;
    return &fake->rings[0];
}

int xen_bind(struct xen *xen, uint16_t domid, uint32_t port)
{
    (void)xen;
    return port == 7 ? FAKE_PORT(domid) : -EINVAL;
}

void xen_unbind(struct xen *xen, int local_port)
{
    (void)xen;
    (void)local_port;
}

void xen_notify(struct xen *xen, int local_port)
{
    (void)xen;
    __atomic_add_fetch(&fake->notified[local_port - FAKE_PORT(0)], 1, __ATOMIC_RELEASE);
}

int xen_event_fd(const struct xen *xen)
{
    (void)xen;
    return fake_ends[0];
}

int xen_next_event(struct xen *xen)
{
    int port;

    (void)xen;
    /* What was sent to the daemon stays there meanwhile, so it does not sleep. */
    if (fake->storm != 0) {
        bool again = !fake->masked[fake->storm];
        fake->masked[fake->storm] = true;
        return again ? FAKE_PORT((int)fake->storm) : -1;
    }
    return recv(fake_ends[0], &port, sizeof(port), MSG_DONTWAIT) == sizeof(port) ? port : -1;
}

void xen_unmask(struct xen *xen, int local_port)
{
    (void)xen;
    if (local_port >= FAKE_PORT(0))
        fake->masked[local_port - FAKE_PORT(0)] = false;
}

int xen_domains_port(const struct xen *xen)
{
    (void)xen;
    return FAKE_DOMAINS_PORT;
}

int xen_domains(struct xen *xen, uint16_t first, struct domain_info *list, unsigned room)
{
    unsigned count = 0;

    (void)xen;
    for (unsigned i = first; i < FAKE_DOMAINS && count < room; i++)
        if (fake->states[i] != DOMAIN_GONE)
            list[count++] = (struct domain_info){.domid = (uint16_t)i, .state = fake->states[i]};
    return (int)count;
}

/* An event for the daemon. */
static inline void fake_event(int port)
{
    send(fake_ends[1], &port, sizeof(port), MSG_DONTWAIT);
}

static inline void fake_started(void *data)
{
    int *end = data;

    if (write(*end, "", 1) != 1)
        _exit(1);
    close(*end);
}

/* Comes back when clients can connect; false: it did not start. */
static inline bool fake_start(void)
{
    int ends[2];
    char byte;

    fflush(stdout);
    if (pipe(ends))
        return false;
    fake_daemon = fork();
    if (fake_daemon == 0) {
        struct daemon_options options = {.socket = fake_socket,
                                         .state_directory = fake_state,
                                         .is_ready = fake_started,
                                         .data = &ends[1]};
        struct message why = {0};
        close(ends[0]);
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        int rc = daemon_run(&options, &why);
        if (rc)
            message_print(stderr, "pvstored", &why);
        _exit(rc != 0);
    }
    close(ends[1]);
    bool ready = read(ends[0], &byte, 1) == 1;
    close(ends[0]);
    return ready;
}

static inline int fake_stop(int signal)
{
    int status = 0;

    kill(fake_daemon, signal);
    waitpid(fake_daemon, &status, 0);
    return status;
}

static inline void fake_begin(void)
{
    snprintf(fake_directory, sizeof(fake_directory), "%s/pvstored.XXXXXX",
             getenv("TMPDIR") != NULL ? getenv("TMPDIR") : P_tmpdir);
    if (mkdtemp(fake_directory) == NULL || socketpair(AF_UNIX, SOCK_DGRAM, 0, fake_ends))
        exit(1);
    snprintf(fake_socket, sizeof(fake_socket), "%s/socket", fake_directory);
    snprintf(fake_state, sizeof(fake_state), "%s/state", fake_directory);
    setenv("XENSTORED_PATH", fake_socket, 1);
    fake = mmap(NULL, sizeof(*fake), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    for (unsigned i = 0; i < FAKE_DOMAINS; i++)
        fake->states[i] = DOMAIN_ALIVE;
}

static inline void fake_end(void)
{
    char name[PATH_MAX + 32];
    static const char *const names[] = {"state/state", "state/state.new", "state/lock", "socket"};

    for (unsigned i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        snprintf(name, sizeof(name), "%s/%s", fake_directory, names[i]);
        unlink(name);
    }
    rmdir(fake_state);
    rmdir(fake_directory);
}

#endif

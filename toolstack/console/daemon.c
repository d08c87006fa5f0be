/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The daemon: puts the parts together, and gives each its turn. The store may go and come back;
 * guests that are known are served meanwhile.
 */
#include "console/daemon.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/inotify.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <time.h>
#include <unistd.h>

#include "common/daemon_log.h"
#include "common/store_session.h"
#include "console/consoles.h"

/* Between attempts to reach a store that is not there; and how many at the start. */
#define STORE_RETRY_MS    200
#define STORE_TRIES_FIRST 150

struct daemon {
    struct loop loop;
    struct consoles consoles;
    struct store_session session;
    struct source signals, ports, notices, store;
    bool stop, store_lost;
    int64_t last_try; /* ms: to reach the store */
};

#define DAEMON_OF(source, member)                                                                  \
    ((struct daemon *)((char *)(source)-offsetof(struct daemon, member)))

/* ---- Sources ------------------------------------------------------------------------------ */

static void signal_ready(struct source *source, uint32_t events)
{
    struct daemon *daemon = DAEMON_OF(source, signals);
    struct signalfd_siginfo info;

    (void)events;
    if (read(source->fd, &info, sizeof(info)) != sizeof(info))
        return;
    if (info.ssi_signo == SIGHUP)
        consoles_reopen_logs(&daemon->consoles);
    else
        daemon->stop = true;
}

static void port_ready(struct source *source, uint32_t events)
{
    (void)events;
    consoles_events(&DAEMON_OF(source, ports)->consoles);
}

static void notice_ready(struct source *source, uint32_t events)
{
    char buffer[4096] __attribute__((aligned(__alignof__(struct inotify_event))));
    ssize_t size = read(source->fd, buffer, sizeof(buffer));

    (void)events;
    for (ssize_t at = 0; at < size;) {
        const struct inotify_event *event = (const struct inotify_event *)(buffer + at);

        consoles_noticed(&DAEMON_OF(source, notices)->consoles, event->wd);
        at += (ssize_t)(sizeof(*event) + event->len);
    }
}

static void store_ready(struct source *source, uint32_t events)
{
    struct daemon *daemon = DAEMON_OF(source, store);

    (void)events;
    unsigned found = store_watch_events(&daemon->session.watch);
    daemon->store_lost |= (found & STORE_ENDED) != 0;
    if (found & STORE_CHANGED)
        consoles_look(&daemon->consoles, daemon->session.xs);
}

/* ---- The store ---------------------------------------------------------------------------- */

static int connect_store(struct daemon *daemon)
{
    int rc = store_session_open(&daemon->session);

    if (rc)
        return rc;
    /* A duplicate: removing a source closes its descriptor, and the session does so too. */
    daemon->store = (struct source){.fd = dup(daemon->session.watch.fd), .ready = store_ready};
    rc = loop_add(&daemon->loop, &daemon->store, EPOLLIN);
    if (rc)
        store_session_close(&daemon->session);
    else
        consoles_tell(&daemon->consoles, daemon->session.xs);
    return rc;
}

static void leave_store(struct daemon *daemon)
{
    if (daemon->session.xs == NULL)
        return;
    loop_remove(&daemon->loop, &daemon->store);
    store_session_close(&daemon->session);
}

/* However often events of guests wake the daemon. */
static bool time_to_retry(struct daemon *daemon)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    int64_t ms = (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
    if (daemon->session.xs != NULL || ms - daemon->last_try < STORE_RETRY_MS)
        return false;
    daemon->last_try = ms;
    return true;
}

static void mind_store(struct daemon *daemon)
{
    if (daemon->store_lost) {
        daemon_log(LOG_WARNING, "the store has gone; waiting for it to come back");
        leave_store(daemon);
        daemon->store_lost = false;
    }
    if (time_to_retry(daemon) && connect_store(daemon) == 0)
        daemon_log(LOG_INFO, "the store is back");
}

/* ---- Start and end ------------------------------------------------------------------------ */

static int add_source(struct daemon *daemon, struct source *source, int fd,
                      void (*ready)(struct source *, uint32_t))
{
    *source = (struct source){.fd = fd, .ready = ready};
    return fd < 0 ? -errno : loop_add(&daemon->loop, source, EPOLLIN);
}

static int open_sources(struct daemon *daemon)
{
    sigset_t set;

    sigemptyset(&set);
    sigaddset(&set, SIGTERM);
    sigaddset(&set, SIGINT);
    sigaddset(&set, SIGHUP);
    /* libxenstore's thread inherits it. */
    sigprocmask(SIG_BLOCK, &set, NULL);
    signal(SIGPIPE, SIG_IGN);
    int rc = loop_open(&daemon->loop);
    if (rc == 0)
        rc = add_source(daemon, &daemon->signals, signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK),
                        signal_ready);
    if (rc == 0)
        rc = add_source(daemon, &daemon->notices, inotify_init1(IN_CLOEXEC | IN_NONBLOCK),
                        notice_ready);
    daemon->consoles.host.loop = &daemon->loop;
    daemon->consoles.host.inotify = daemon->notices.fd;
    return rc;
}

/* The store may be about to start, too. */
static int first_store(struct daemon *daemon, struct message *why)
{
    int rc = connect_store(daemon);

    for (unsigned i = 0; rc && i < STORE_TRIES_FIRST && !daemon->stop; i++) {
        loop_wait(&daemon->loop, STORE_RETRY_MS);
        rc = connect_store(daemon);
    }
    return rc ? message_errno(why, rc, "the store cannot be reached (is pvstored running?)") : 0;
}

static int start(struct daemon *daemon, const struct daemon_options *options, struct message *why)
{
    struct rlimit files;

    /* Some for each guest. */
    if (getrlimit(RLIMIT_NOFILE, &files) == 0) {
        files.rlim_cur = files.rlim_max;
        setrlimit(RLIMIT_NOFILE, &files);
    }
    consoles_open(&daemon->consoles, options);
    int rc = open_sources(daemon);
    if (rc)
        return message_errno(why, rc, "cannot wait for events");
    rc = xen_open(&daemon->consoles.host.xen, why);
    if (rc)
        return rc;
    rc = add_source(daemon, &daemon->ports, dup(xen_event_fd(daemon->consoles.host.xen)),
                    port_ready);
    if (rc)
        return message_errno(why, rc, "cannot wait for events of guests");
    rc = first_store(daemon, why);
    if (rc == 0)
        consoles_look(&daemon->consoles, daemon->session.xs);
    return rc;
}

static void stop(struct daemon *daemon)
{
    consoles_close(&daemon->consoles);
    leave_store(daemon);
    loop_remove(&daemon->loop, &daemon->ports);
    xen_close(daemon->consoles.host.xen);
    loop_remove(&daemon->loop, &daemon->signals);
    loop_remove(&daemon->loop, &daemon->notices);
    loop_close(&daemon->loop);
}

int daemon_run(const struct daemon_options *options, struct message *why)
{
    static struct daemon daemon;
    int rc = start(&daemon, options, why);

    if (rc)
        return rc;
    if (options->is_ready != NULL)
        options->is_ready(options->data);
    while (rc == 0 && !daemon.stop) {
        int patience = consoles_patience(&daemon.consoles);
        if (daemon.session.xs == NULL && (patience < 0 || patience > STORE_RETRY_MS))
            patience = STORE_RETRY_MS;
        rc = loop_wait(&daemon.loop, patience);
        consoles_turn(&daemon.consoles);
        if (daemon.store_lost || daemon.session.xs == NULL)
            mind_store(&daemon);
    }
    stop(&daemon);
    return rc ? message_errno(why, rc, "cannot wait for events") : 0;
}

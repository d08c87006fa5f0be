/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The daemon: puts the parts together, and gives each its turn.
 */
#include "store/daemon.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "store/guests.h"
#include "store/journal.h"
#include "store/socket.h"
#include "store/state.h"
#include "store/xen.h"

struct daemon {
    struct store store;
    struct loop loop;
    struct journal *journal;
    struct xen *xen;
    struct guests guests;
    struct sockets sockets;
    struct source events, signals;
    bool stop;
};

#define DAEMON_OF(source, member)                                                                  \
    ((struct daemon *)((char *)(source)-offsetof(struct daemon, member)))

static void events_ready(struct source *source, uint32_t events)
{
    (void)events;
    guests_events(&DAEMON_OF(source, events)->guests);
}

static void signal_ready(struct source *source, uint32_t events)
{
    struct signalfd_siginfo info;

    (void)events;
    if (read(source->fd, &info, sizeof(info)) == sizeof(info))
        DAEMON_OF(source, signals)->stop = true;
}

static int watch_signals(struct daemon *daemon)
{
    sigset_t set;

    sigemptyset(&set);
    sigaddset(&set, SIGTERM);
    sigaddset(&set, SIGINT);
    sigprocmask(SIG_BLOCK, &set, NULL);
    daemon->signals = (struct source){.fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK),
                                      .ready = signal_ready};
    return daemon->signals.fd < 0 ? -errno : loop_add(&daemon->loop, &daemon->signals, EPOLLIN);
}

/* Names this boot of the machine: what was recorded in another is of no use. */
static void boot_name(char *text, size_t size)
{
    int fd = open("/proc/sys/kernel/random/boot_id", O_RDONLY | O_CLOEXEC);
    ssize_t got = fd < 0 ? 0 : read(fd, text, size - 1);

    text[got < 0 ? 0 : got] = '\0';
    text[strcspn(text, "\n")] = '\0';
    if (fd >= 0)
        close(fd);
}

static int open_state(struct daemon *daemon, const struct daemon_options *options,
                      struct message *why)
{
    char boot[40];

    boot_name(boot, sizeof(boot));
    int rc = journal_open(options->state_directory, boot, options->fresh, &daemon->journal, why);
    return rc ? rc : state_restore(&daemon->store, daemon->journal, why);
}

static int open_guests(struct daemon *daemon, struct message *why)
{
    int rc = xen_open(&daemon->xen, why);

    if (rc)
        return rc;
    rc = guests_open(&daemon->guests, &daemon->store, daemon->xen, why);
    daemon->events = (struct source){.fd = xen_event_fd(daemon->xen), .ready = events_ready};
    return rc ? rc : loop_add(&daemon->loop, &daemon->events, EPOLLIN);
}

static int start(struct daemon *daemon, const struct daemon_options *options, struct message *why)
{
    struct rlimit files;

    /* A descriptor for each client. */
    if (getrlimit(RLIMIT_NOFILE, &files) == 0) {
        files.rlim_cur = files.rlim_max;
        setrlimit(RLIMIT_NOFILE, &files);
    }
    int rc = loop_open(&daemon->loop);
    if (rc == 0)
        rc = watch_signals(daemon);
    if (rc)
        return message_errno(why, rc, "cannot wait for events");
    rc = open_state(daemon, options, why);
    if (rc == 0 && !options->socket_only)
        rc = open_guests(daemon, why);
    if (rc == 0)
        rc = sockets_open(&daemon->sockets, &daemon->store, &daemon->loop, options->socket, why);
    return rc;
}

/* The answers of this turn, which have been recorded. */
static void send_answers(struct daemon *daemon)
{
    struct connection *conn;

    while ((conn = TAILQ_FIRST(&daemon->store.unsent)) != NULL) {
        TAILQ_REMOVE(&daemon->store.unsent, conn, unsent);
        conn->in_unsent = false;
        if (!conn->is_ring)
            socket_answer(conn);
        else if (daemon->xen != NULL)
            guests_answer(&daemon->guests, conn->transport);
    }
}

static void stop(struct daemon *daemon)
{
    sockets_close(&daemon->sockets);
    daemon->store.journal = NULL;
    if (daemon->xen != NULL) {
        guests_close(&daemon->guests);
        xen_close(daemon->xen);
    }
    journal_close(daemon->journal);
    store_destroy(&daemon->store);
    loop_remove(&daemon->loop, &daemon->signals);
    loop_close(&daemon->loop);
}

int daemon_run(const struct daemon_options *options, struct message *why)
{
    static struct daemon daemon;

    store_init(&daemon.store);
    daemon.store.log = options->verbose;
    int rc = start(&daemon, options, why);
    if (rc)
        return rc;
    if (options->is_ready != NULL)
        options->is_ready(options->data);
    while (rc == 0 && !daemon.stop) {
        bool busy = daemon.xen != NULL && guests_busy(&daemon.guests);
        rc = loop_wait(&daemon.loop, busy ? 0 : -1);
        if (daemon.xen != NULL)
            guests_turn(&daemon.guests);
        send_answers(&daemon);
    }
    stop(&daemon);
    return rc ? message_errno(why, rc, "cannot wait for events") : 0;
}

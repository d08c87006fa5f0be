/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The daemon: sees guests stop, and has done what their configurations say. It decides; processes
 * of its own do it (workers.h). All that it must not forget is in files (task.h), in the kept
 * configurations, and in the store.
 */
#include "watch/daemon.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <time.h>
#include <unistd.h>
#include <xenctrl.h>
#include <xentoollog.h>

#include "common/daemon_log.h"
#include "common/domains.h"
#include "common/store_session.h"
#include "guest/age.h"
#include "guest/guest.h"
#include "store/loop.h"
#include "watch/act.h"
#include "watch/decide.h"
#include "watch/past.h"
#include "watch/task.h"
#include "watch/workers.h"

#define STORE_RETRY_MS    200
#define STORE_TRIES_FIRST 150

#define DOMAINS_AT_ONCE 256

/* A guest that was there when it was looked last. */
struct known {
    bool here, told; /* that it stays as it is */
    uint8_t uuid[16];
};

struct daemon {
    struct loop loop;
    struct store_session session;
    struct source signals, store;
    struct workers workers;
    xc_interface *xch;
    const struct daemon_options *options;
    struct known known[DOMID_FIRST_RESERVED];
    bool stop, store_lost, look;
    int64_t last_try; /* ms: to reach the store */
};

#define DAEMON_OF(source, member)                                                                  \
    ((struct daemon *)((char *)(source)-offsetof(struct daemon, member)))

/* ---- A guest that stopped ----------------------------------------------------------------- */

static void make_task(struct daemon *daemon, struct task *task)
{
    struct message why = {.file = NULL};

    if (task_save(task, &why))
        daemon_log(LOG_ERR, "%s: %s", task->config.name, why.text);
    else
        workers_add(&daemon->workers, task->config.uuid);
}

static void stopped(struct daemon *daemon, const xc_domaininfo_t *info, struct known *known,
                    struct guest_config *config)
{
    unsigned reason = (info->flags >> XEN_DOMINF_shutdownshift) & XEN_DOMINF_shutdownmask;
    int64_t age = guest_age(daemon->session.xs, info->handle);
    struct stop stop = {.reason = reason,
                        .seconds = age > 0 ? (uint64_t)age : 0,
                        .quick = past_quick_stops(daemon->session.xs, info->handle)};
    struct quick_rules rules = {.seconds = daemon->options->quick_seconds,
                                .limit = daemon->options->quick_limit};
    struct decision d = decide(config, &stop, &rules);
    const char *what = d.leave ? "preserve" : stop_action_name(d.action);

    daemon_log(LOG_NOTICE, "%s, domain %u, stopped: %s; it ran %llu s: %s%s", config->name,
               info->domain, stop_reason_name(reason), (unsigned long long)stop.seconds, what,
               d.refused ? ", not restart, as it stops too soon too often" : "");
    if (d.leave || d.action == ACTION_PRESERVE) {
        known->told = true;
        return;
    }
    struct task task = {.domid = info->domain,
                        .action = d.action,
                        .reason = reason,
                        .quick = d.quick,
                        .config = *config};
    make_task(daemon, &task);
}

static void look_at(struct daemon *daemon, const xc_domaininfo_t *info)
{
    struct known *known = &daemon->known[info->domain];
    struct message why = {.file = NULL};
    struct guest_config config;

    known->told &= known->here && memcmp(known->uuid, info->handle, 16) == 0;
    known->here = true;
    memcpy(known->uuid, info->handle, sizeof(known->uuid));
    if (!(info->flags & XEN_DOMINF_shutdown) || (info->flags & XEN_DOMINF_dying) || known->told ||
        task_exists(info->handle))
        return;
    int rc = guest_config_load(info->handle, &config, &why);
    if (rc == 0) {
        stopped(daemon, info, known, &config);
        guest_config_free(&config);
    } else if (rc != -ENOENT) { /* without one it is somebody else's guest, or being destroyed */
        daemon_log(LOG_ERR, "domain %u stopped and is left as it is: %s", info->domain, why.text);
        known->told = true;
    }
}

/* Whether a guest of this UUID lives. Asked after its configuration was seen, which is made when
 * the domain is there already. */
static bool lives(struct daemon *daemon, const uint8_t uuid[16])
{
    xc_domaininfo_t info;
    int rc = domains_by_uuid(daemon->xch, uuid, DOMID_INVALID, &info);

    return rc < 0 || (rc == 1 && !(info.flags & XEN_DOMINF_dying)); /* < 0: for all that is known */
}

/* Gone, and its configuration is not: somebody destroyed it who knows nothing of its devices. */
static void look_for(struct daemon *daemon, uint32_t domid)
{
    struct known *known = &daemon->known[domid];
    struct task task = {.domid = domid, .action = ACTION_DESTROY};

    known->here = false;
    if (task_exists(known->uuid) || guest_config_load(known->uuid, &task.config, NULL))
        return;
    if (!lives(daemon, known->uuid)) {
        daemon_log(LOG_NOTICE, "%s, domain %u, is gone; what it left is cleared away",
                   task.config.name, domid);
        make_task(daemon, &task);
    }
    task_free(&task);
}

static void look_at_all(struct daemon *daemon)
{
    static xc_domaininfo_t info[DOMAINS_AT_ONCE];
    uint32_t next = 0;
    int n;

    do {
        n = xc_domain_getinfolist(daemon->xch, next, DOMAINS_AT_ONCE, info);
        if (n < 0) {
            daemon_log(LOG_ERR, "domains cannot be listed: %s", strerror(errno));
            return;
        }
        for (int i = 0; i < n; i++) {
            for (; next < info[i].domain; next++)
                if (daemon->known[next].here)
                    look_for(daemon, next);
            if (info[i].domain != 0)
                look_at(daemon, &info[i]);
            next = info[i].domain + 1u;
        }
    } while (n == DOMAINS_AT_ONCE);
    for (; next < DOMID_FIRST_RESERVED; next++)
        if (daemon->known[next].here)
            look_for(daemon, next);
}

/* ---- What the one before left ------------------------------------------------------------- */

static void add_task(void *data, const uint8_t uuid[16])
{
    workers_add(data, uuid);
}

/* Configurations of guests that ended with an earlier boot of the machine. */
static void clear_config(void *data, const uint8_t uuid[16])
{
    if (!task_exists(uuid) && !lives(data, uuid))
        guest_config_forget(uuid);
}

/* ---- Sources ------------------------------------------------------------------------------ */

static void signal_ready(struct source *source, uint32_t events)
{
    struct daemon *daemon = DAEMON_OF(source, signals);
    struct signalfd_siginfo info;

    (void)events;
    while (read(source->fd, &info, sizeof(info)) == sizeof(info)) {
        daemon->stop |= info.ssi_signo != SIGCHLD;
        daemon->look |= info.ssi_signo == SIGCHLD;
    }
    workers_reap(&daemon->workers);
}

static void store_ready(struct source *source, uint32_t events)
{
    struct daemon *daemon = DAEMON_OF(source, store);

    (void)events;
    unsigned found = store_watch_events(&daemon->session.watch);
    daemon->look |= (found & STORE_CHANGED) != 0;
    daemon->store_lost |= (found & STORE_ENDED) != 0;
}

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
    return rc;
}

static void leave_store(struct daemon *daemon)
{
    if (daemon->session.xs == NULL)
        return;
    loop_remove(&daemon->loop, &daemon->store);
    store_session_close(&daemon->session);
}

static void mind_store(struct daemon *daemon)
{
    struct timespec now;

    if (daemon->store_lost) {
        daemon_log(LOG_WARNING, "the store has gone; waiting for it to come back");
        leave_store(daemon);
        daemon->store_lost = false;
    }
    clock_gettime(CLOCK_MONOTONIC, &now);
    int64_t ms = (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
    if (daemon->session.xs != NULL || ms - daemon->last_try < STORE_RETRY_MS)
        return;
    daemon->last_try = ms;
    if (connect_store(daemon) == 0) {
        daemon_log(LOG_INFO, "the store is back");
        daemon->look = true;
    }
}

/* ---- Start and end ------------------------------------------------------------------------ */

static int watch_signals(struct daemon *daemon)
{
    sigset_t set;

    sigemptyset(&set);
    sigaddset(&set, SIGTERM);
    sigaddset(&set, SIGINT);
    sigaddset(&set, SIGCHLD);
    /* libxenstore's thread inherits it. */
    sigprocmask(SIG_BLOCK, &set, NULL);
    signal(SIGPIPE, SIG_IGN);
    daemon->signals = (struct source){.fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK),
                                      .ready = signal_ready};
    return daemon->signals.fd < 0 ? -errno : loop_add(&daemon->loop, &daemon->signals, EPOLLIN);
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

static int start(struct daemon *daemon, struct message *why)
{
    xentoollog_logger *quiet =
        (xentoollog_logger *)xtl_createlogger_stdiostream(stderr, XTL_CRITICAL, 0);

    workers_open(&daemon->workers, daemon->options);
    int rc = loop_open(&daemon->loop);
    if (rc == 0)
        rc = watch_signals(daemon);
    if (rc)
        return message_errno(why, rc, "cannot wait for events");
    daemon->xch = xc_interface_open(quiet, quiet, 0);
    if (daemon->xch == NULL)
        return message_errno(why, errno ? -errno : -ENODEV,
                             "the hypervisor cannot be reached (is this the control domain?)");
    rc = first_store(daemon, why);
    if (rc)
        return rc;
    each_uuid(TASKS, add_task, &daemon->workers);
    look_at_all(daemon);
    each_uuid(PATH_GUESTS, clear_config, daemon);
    return 0;
}

static void stop(struct daemon *daemon)
{
    workers_close(&daemon->workers);
    leave_store(daemon);
    xc_interface_close(daemon->xch);
    loop_remove(&daemon->loop, &daemon->signals);
    loop_close(&daemon->loop);
}

int daemon_run(const struct daemon_options *options, struct message *why)
{
    static struct daemon daemon;

    daemon.options = options;
    int rc = start(&daemon, why);
    if (rc)
        return rc;
    if (options->is_ready != NULL)
        options->is_ready(options->data);
    while (rc == 0 && !daemon.stop) {
        int patience = workers_turn(&daemon.workers);
        if (daemon.session.xs == NULL && (patience < 0 || patience > STORE_RETRY_MS))
            patience = STORE_RETRY_MS;
        rc = loop_wait(&daemon.loop, patience);
        mind_store(&daemon);
        if (daemon.look && daemon.session.xs != NULL) {
            daemon.look = false;
            look_at_all(&daemon);
        }
    }
    stop(&daemon);
    return rc ? message_errno(why, rc, "cannot wait for events") : 0;
}

int daemon_task(const char *path)
{
    struct message why = {.file = NULL};
    struct task task;
    int lock;
    prctl(PR_SET_NAME, "pvwatchd"); /* it was started as /proc/self/exe */
    int rc = task_take(path, &task, &lock, &why);

    if (rc == -EBUSY)
        return TASK_BUSY;
    if (rc == -ENOENT)
        return TASK_DONE;
    if (rc == 0) {
        rc = act(&task, &why);
        if (rc)
            message_prefix(&why, "%s", task.config.name);
        else
            unlink(path);
        task_free(&task);
        close(lock);
    }
    if (rc)
        daemon_log(LOG_ERR, "%s", why.text);
    return rc ? TASK_FAILED : TASK_DONE;
}

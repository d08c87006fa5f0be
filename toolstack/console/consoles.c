/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The consoles of all guests.
 */
#include "console/consoles.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

#include "common/daemon_log.h"
#include "common/guest_config.h"
#include "common/paths.h"
#include "console/nodes.h"

/* A guest's share of turns, before it gets one a millisecond. 64 turns move 128 KiB. */
#define TURNS_A_PERIOD 64u
#define PERIOD_MS      100u
#define LATER_MS       1u

/* Bytes that wait for somebody to look: how many at most, unless the guest's nodes say fewer. */
#define BACKLOG_MAX (256u << 10)
#define BACKLOG_MIN 4096u

#define DOMAINS_AT_ONCE 256

static uint64_t now_ms(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

/* ---- Turns -------------------------------------------------------------------------------- */

static struct console_list *queue_of(struct consoles *consoles, const struct console *c)
{
    return c->queue == QUEUE_READY ? &consoles->ready : &consoles->later;
}

static void leave_queue(struct consoles *consoles, struct console *c)
{
    if (c->queue != QUEUE_NONE)
        TAILQ_REMOVE(queue_of(consoles, c), c, turn);
    c->queue = QUEUE_NONE;
}

static void want_turn(struct consoles *consoles, struct console *c)
{
    uint64_t now = now_ms();

    if (c->queue != QUEUE_NONE)
        return;
    if (c->period != now / PERIOD_MS) {
        c->period = now / PERIOD_MS;
        c->turns = 0;
    }
    c->queue = c->turns < TURNS_A_PERIOD ? QUEUE_READY : QUEUE_LATER;
    if (c->queue == QUEUE_LATER && TAILQ_EMPTY(&consoles->later))
        consoles->later_since = now;
    TAILQ_INSERT_TAIL(queue_of(consoles, c), c, turn);
}

static void serve(struct consoles *consoles, struct console *c)
{
    leave_queue(consoles, c);
    c->turns++;
    console_serve(c);
    if (c->masked)
        xen_unmask(consoles->host.xen, c->port);
    c->masked = false;
}

static void serve_all(struct consoles *consoles, struct console_list *list)
{
    /* Those that come meanwhile are for the next time. */
    struct console *last = TAILQ_LAST(list, console_list), *c = NULL;

    while (last != NULL && c != last && !TAILQ_EMPTY(list)) {
        c = TAILQ_FIRST(list);
        serve(consoles, c);
    }
}

void consoles_turn(struct consoles *consoles)
{
    uint64_t now = now_ms();
    struct console *c, *next;

    serve_all(consoles, &consoles->ready);
    if (!TAILQ_EMPTY(&consoles->later) && now >= consoles->later_since + LATER_MS) {
        serve_all(consoles, &consoles->later);
        consoles->later_since = now;
    }
    for (c = TAILQ_FIRST(&consoles->gone); c != NULL; c = next) {
        next = TAILQ_NEXT(c, all);
        if (!console_finished(c, now))
            continue;
        TAILQ_REMOVE(&consoles->gone, c, all);
        console_close(c);
        free(c);
    }
}

int consoles_patience(const struct consoles *consoles)
{
    if (!TAILQ_EMPTY(&consoles->ready))
        return 0;
    if (!TAILQ_EMPTY(&consoles->later))
        return LATER_MS;
    return TAILQ_EMPTY(&consoles->gone) ? -1 : (int)CONSOLE_LINGER_STEP_MS;
}

void consoles_events(struct consoles *consoles)
{
    struct console *c;
    int port;

    while ((port = xen_next_event(consoles->host.xen)) >= 0) {
        for (c = TAILQ_FIRST(&consoles->all); c != NULL; c = TAILQ_NEXT(c, all)) {
            if (c->port != port)
                continue;
            c->masked = true;
            want_turn(consoles, c);
            break;
        }
    }
}

void consoles_noticed(struct consoles *consoles, int notice)
{
    struct console *c;

    for (c = TAILQ_FIRST(&consoles->all); c != NULL; c = TAILQ_NEXT(c, all)) {
        if (c->terminal.notice != notice)
            continue;
        console_look(c);
        return;
    }
}

/* ---- A guest that comes ------------------------------------------------------------------- */

/* Where it is logged; NULL: nowhere. For free(). A relative name is one in the logs' directory. */
static char *log_path(const struct consoles *consoles, uint16_t domid,
                      const struct console_nodes *nodes)
{
    const struct daemon_options *o = consoles->options;
    const char *name = nodes->name;
    char number[24], *path = NULL;
    int rc;

    if (o->log == LOG_NONE || (o->log == LOG_GUEST && nodes->log == NULL))
        return NULL;
    if (nodes->log != NULL && nodes->log[0] == '/')
        return strdup(nodes->log);
    mkdir(PATH_LOG, 0755);
    mkdir(o->log_directory, 0750);
    if (nodes->log != NULL && strstr(nodes->log, "..") == NULL) {
        rc = asprintf(&path, "%s/%s", o->log_directory, nodes->log);
        return rc < 0 ? NULL : path;
    }
    if (name == NULL || !guest_name_good(name, NULL)) {
        snprintf(number, sizeof(number), "domain-%u", domid);
        name = number;
    }
    rc = asprintf(&path, "%s/%s.log", o->log_directory, name);
    return rc < 0 ? NULL : path;
}

static size_t backlog_limit(const struct console_nodes *nodes)
{
    if (nodes->limit == 0 || nodes->limit > BACKLOG_MAX)
        return BACKLOG_MAX;
    return nodes->limit < BACKLOG_MIN ? BACKLOG_MIN : (size_t)nodes->limit;
}

/* Ring and port. 0, or -errno and nothing is held. */
static int connect_guest(struct console *c, const struct console_nodes *nodes, struct message *why)
{
    struct xen *xen = c->host->xen;

    c->ring = xen_map_console(xen, c->domid, nodes->mfn, &c->by_frame);
    if (c->ring == NULL)
        return message_errno(why, -errno, "domain %u: its console cannot be mapped", c->domid);
    c->port = xen_bind(xen, c->domid, nodes->port);
    if (c->port >= 0)
        return 0;
    xen_unmap_console(xen, c->ring, c->by_frame);
    return message_errno(why, c->port, "domain %u: port %u of its console cannot be bound",
                         c->domid, nodes->port);
}

static int open_console(struct consoles *consoles, struct console *c,
                        const struct console_nodes *nodes, struct message *why)
{
    int rc = connect_guest(c, nodes, why);

    if (rc)
        return rc;
    rc = console_open(c, backlog_limit(nodes), why);
    if (rc) {
        xen_unbind(c->host->xen, c->port);
        xen_unmap_console(c->host->xen, c->ring, c->by_frame);
        return rc;
    }
    char *path = log_path(consoles, c->domid, nodes);
    if (path != NULL)
        c->record = record_open(path, &consoles->rules);
    free(path);
    return 0;
}

static void complain(struct consoles *consoles, uint16_t domid, const char *text)
{
    if (!consoles->complained[domid])
        daemon_log(LOG_WARNING, "%s", text);
    consoles->complained[domid] = true;
}

static void welcome(struct consoles *consoles, struct xs_handle *xs, const struct domain_info *info)
{
    struct message why = {.file = NULL};
    struct console_nodes nodes;

    if (!nodes_read(xs, info->domid, &nodes))
        return;
    struct console *c = calloc(1, sizeof(*c));
    if (c == NULL) {
        nodes_free(&nodes);
        complain(consoles, info->domid, "no memory for a console");
        return;
    }
    c->host = &consoles->host;
    c->domid = info->domid;
    memcpy(c->handle, info->handle, sizeof(c->handle));
    int rc = open_console(consoles, c, &nodes, &why);
    nodes_free(&nodes);
    if (rc) {
        complain(consoles, info->domid, why.text);
        /* What stands there may be the pty of another guest by now. */
        nodes_tell(xs, info->domid, "");
        free(c);
        return;
    }
    consoles->by_domid[c->domid] = c;
    consoles->complained[c->domid] = false;
    TAILQ_INSERT_TAIL(&consoles->all, c, all);
    if (!nodes_tell(xs, c->domid, c->terminal.path))
        daemon_log(LOG_DEBUG, "domain %u: its node console/tty cannot be written", c->domid);
    daemon_log(LOG_DEBUG, "domain %u: console on %s", c->domid, c->terminal.path);
    /* What the one before us, or nobody, took off the ring, and an event that was lost with it. */
    want_turn(consoles, c);
}

/* ---- Guests that come and go -------------------------------------------------------------- */

/* All domains, for free(), *count of them; NULL: a message was logged. */
static struct domain_info *all_domains(struct consoles *consoles, int *count)
{
    struct domain_info *list = NULL;
    int n = 0, room = 0;
    uint16_t first = 0;

    do {
        struct domain_info *larger =
            realloc(list, (size_t)(room + DOMAINS_AT_ONCE) * sizeof(*list));
        if (larger != NULL) {
            list = larger;
            n = xen_domains(consoles->host.xen, first, list + room, DOMAINS_AT_ONCE);
        }
        if (larger == NULL || n < 0) {
            daemon_log(LOG_ERR, "domains cannot be listed: %s", strerror(larger ? -n : ENOMEM));
            free(list);
            return NULL;
        }
        room += n;
        first = room ? (uint16_t)(list[room - 1].domid + 1) : 0;
    } while (n == DOMAINS_AT_ONCE);
    *count = room;
    return list;
}

static int by_number(const void *key, const void *entry)
{
    return (int)*(const uint16_t *)key - (int)((const struct domain_info *)entry)->domid;
}

static void farewell(struct consoles *consoles, struct console *c)
{
    leave_queue(consoles, c);
    TAILQ_REMOVE(&consoles->all, c, all);
    consoles->by_domid[c->domid] = NULL;
    console_end(c, now_ms());
    TAILQ_INSERT_TAIL(&consoles->gone, c, all);
    daemon_log(LOG_DEBUG, "domain %u is gone", c->domid);
}

void consoles_look(struct consoles *consoles, struct xs_handle *xs)
{
    struct console *c, *next;
    int count;
    struct domain_info *list = all_domains(consoles, &count);

    if (list == NULL)
        return;
    for (c = TAILQ_FIRST(&consoles->all); c != NULL; c = next) {
        next = TAILQ_NEXT(c, all);
        const struct domain_info *info =
            bsearch(&c->domid, list, (size_t)count, sizeof(*list), by_number);
        if (info == NULL || info->dying || memcmp(info->handle, c->handle, sizeof(c->handle)) != 0)
            farewell(consoles, c);
        else if (info->stopped)
            want_turn(consoles, c);
    }
    for (int i = 0; xs != NULL && i < count; i++) {
        if (list[i].dying)
            consoles->complained[list[i].domid] = false;
        else if (list[i].domid != 0 && consoles->by_domid[list[i].domid] == NULL)
            welcome(consoles, xs, &list[i]);
    }
    free(list);
}

void consoles_tell(struct consoles *consoles, struct xs_handle *xs)
{
    struct console *c;

    for (c = TAILQ_FIRST(&consoles->all); c != NULL; c = TAILQ_NEXT(c, all)) {
        nodes_tell(xs, c->domid, c->terminal.path);
    }
}

void consoles_reopen_logs(struct consoles *consoles)
{
    struct console *c;

    for (c = TAILQ_FIRST(&consoles->all); c != NULL; c = TAILQ_NEXT(c, all)) {
        if (c->record != NULL)
            record_reopen(c->record);
    }
}

void consoles_open(struct consoles *consoles, const struct daemon_options *options)
{
    consoles->options = options;
    consoles->rules = (struct record_rules){
        .size = options->log_size, .keep = options->log_keep, .timestamps = options->timestamps};
    TAILQ_INIT(&consoles->all);
    TAILQ_INIT(&consoles->gone);
    TAILQ_INIT(&consoles->ready);
    TAILQ_INIT(&consoles->later);
}

static void close_all(struct console_list *list)
{
    struct console *c, *next;

    for (c = TAILQ_FIRST(list); c != NULL; c = next) {
        next = TAILQ_NEXT(c, all);
        console_close(c);
        free(c);
    }
}

/* Guests go on; what they write waits on their rings for the next process. */
void consoles_close(struct consoles *consoles)
{
    close_all(&consoles->all);
    close_all(&consoles->gone);
    consoles_open(consoles, consoles->options);
}

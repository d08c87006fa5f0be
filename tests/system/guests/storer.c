/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A guest that uses the store, well or badly, as the first word of its command line says. It tells
 * what it found by nodes below "data", its own: data/result/N is a check ("ok TITLE" or "not ok
 * TITLE: why"), data/state where it is.
 *   pry OTHER    tries to read and change what is not its own, and domain OTHER's
 *   fill         takes as much as it gets: nodes, watches, transactions, sizes
 *   work         counts in data/count, each time in a transaction; answers data/ping by data/pong;
 *                opens a transaction when data/hold is written and ends it when that is removed
 *   rubbish      writes impossible things into its ring, and connects anew after each
 *   deaf         asks without taking answers, for ever
 */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <pv/clock.h>
#include <pv/event.h>
#include <pv/memory.h>
#include <pv/start.h>

#include "../../../guest-patches/newlib/xenstore_internal.h"

#define MS 1000000ull

static unsigned results;

static void state(const char *text)
{
    xenstore_write(0, "data/state", text);
}

static void check(bool good, const char *format, ...) __attribute__((format(printf, 2, 3)));

static void check(bool good, const char *format, ...)
{
    char title[256], path[32];
    va_list args;

    va_start(args, format);
    vsnprintf(title, sizeof(title), format, args);
    va_end(args);
    snprintf(path, sizeof(path), "data/result/%03u", ++results);
    xenstore_printf(0, path, "%s %s", good ? "ok" : "not ok", title);
}

static void wants(int error, int wanted, const char *what)
{
    check(error == wanted, "%s: %d, wanted %d", what, error, wanted);
}

static int ask(unsigned type, const char *first, const char *second)
{
    struct store_part parts[] = {{first, strlen(first) + 1},
                                 {second, second != NULL ? strlen(second) + 1 : 0}};

    return store_request(type, 0, parts, second != NULL ? 2 : 1, NULL);
}

/* ---- Permissions --------------------------------------------------------------------------- */

/* A node that this guest may not know. */
static void try_node(const char *path)
{
    char *text, **names, title[128];
    unsigned count;
    static const char *const what[] = {"read", "list", "write", "make below", "remove", "permit"};
    char below[96];

    snprintf(below, sizeof(below), "%s/mine", path);
    const int errors[] = {xenstore_read(0, path, &text, NULL),
                          xenstore_directory(0, path, &names, &count),
                          xenstore_write(0, path, "mine"),
                          xenstore_mkdir(0, below),
                          xenstore_remove(0, path),
                          ask(XS_SET_PERMS, path, "b0")};
    for (unsigned i = 0; i < sizeof(errors) / sizeof(errors[0]); i++) {
        snprintf(title, sizeof(title), "%s %s", what[i], path);
        wants(errors[i], EACCES, title);
    }
}

static void pry(const char *other)
{
    char path[96], *text;
    static const char *const nodes[] = {"", "/name", "/data", "/control/shutdown",
                                        "/memory/target"};
    xenstore_transaction t;

    wants(xenstore_read(0, "name", &text, NULL), 0, "read its own name");
    wants(xenstore_write(0, "name", "another"), EACCES, "write its own name");
    wants(xenstore_write(0, "memory/target", "99999999"), EACCES, "write its own memory/target");
    wants(xenstore_write(0, "data/x/y", "1"), 0, "write below what it owns");
    wants(ask(XS_SET_PERMS, "data/x", "n0"), EPERM, "give a node of its own away");
    wants(ask(XS_SET_PERMS, "data/x", "b"), EINVAL, "permissions without a number");
    for (unsigned i = 0; i < sizeof(nodes) / sizeof(nodes[0]); i++) {
        snprintf(path, sizeof(path), "/local/domain/%s%s", other, nodes[i]);
        try_node(path);
    }
    try_node("/local/domain/0");
    try_node("/tool");
    wants(xenstore_read(0, "/", &text, NULL), EACCES, "read the root");
    wants(xenstore_remove(0, "/"), EACCES, "remove the root");
    wants(xenstore_begin(&t), 0, "begin a transaction");
    snprintf(path, sizeof(path), "/local/domain/%s/name", other);
    wants(xenstore_read(t, path, &text, NULL), EACCES, "read another's name in a transaction");
    wants(xenstore_write(t, path, "x"), EACCES, "write it there");
    wants(xenstore_end(t, false), 0, "end the transaction");
    wants(ask(XS_INTRODUCE, other, "1"), EACCES, "introduce a domain");
    wants(ask(XS_RELEASE, other, NULL), EACCES, "release a domain");
    wants(ask(XS_RESUME, other, NULL), EACCES, "resume a domain");
    wants(ask(XS_SET_TARGET, other, "0"), EACCES, "become another's target");
    wants(ask(XS_CONTROL, "quota", NULL), EACCES, "control the daemon");
    wants(ask(99, other, NULL), ENOSYS, "a request that there is not");
    /* Made without an error, and never fired: the script changes what it watches. */
    snprintf(path, sizeof(path), "/local/domain/%s", other);
    wants(xenstore_watch(path, "spy"), 0, "watch another's nodes");
    wants(xenstore_watch("@introduceDomain", "spy"), 0, "watch for new domains");
    wants(xenstore_watch("data/knock", "knock"), 0, "watch a node of its own");
    state("watches");
    unsigned spied = 0;
    for (bool knocked = false; !knocked;) {
        char token[64], *where;
        if (xenstore_wait(&where, token, 0))
            break;
        if (strcmp(token, "spy") == 0)
            spied++;
        else
            knocked = xenstore_read(0, "data/knock", &text, NULL) == 0;
        free(where);
    }
    /* One event comes with each watch, whoever asks. */
    check(spied == 2, "events of nodes that it may not read: %u, wanted the two first", spied);
}

/* ---- Quotas -------------------------------------------------------------------------------- */

static void fill(void)
{
    static char value[4000];
    char name[64];
    unsigned count = 0;
    int error;
    xenstore_transaction t;

    do
        snprintf(name, sizeof(name), "data/n/%u", count);
    while ((error = xenstore_mkdir(0, name)) == 0 && ++count < 5000);
    check(error == ENOSPC && count > 500 && count <= 1000, "%u nodes, then error %d", count, error);
    wants(xenstore_remove(0, "data/n"), 0, "gives them back");
    count = 0;
    do
        snprintf(name, sizeof(name), "token %u", count);
    while ((error = xenstore_watch("data", name)) == 0 && ++count < 5000);
    check(error == E2BIG && count > 100 && count <= 128, "%u watches, then error %d", count, error);
    while (count > 0) {
        snprintf(name, sizeof(name), "token %u", --count);
        xenstore_unwatch("data", name);
    }
    while ((error = xenstore_begin(&t)) == 0 && ++count < 5000)
        ;
    check(error == ENOSPC && count == 10, "%u transactions, then error %d", count, error);
    wants(ask(XS_RESET_WATCHES, "", NULL), 0, "forgets watches and transactions");
    wants(xenstore_begin(&t), 0, "begins another transaction");
    for (count = 0; count < 5000; count++) {
        snprintf(name, sizeof(name), "data/t/%u", count);
        error = xenstore_mkdir(t, name);
        if (error)
            break;
    }
    check(error == ENOSPC && count > 100, "%u nodes in a transaction, then error %d", count, error);
    wants(xenstore_end(t, true), 0, "which it gives up");
    memset(value, 'v', sizeof(value) - 1);
    wants(xenstore_write(0, "data/large", value), ENOSPC, "a value of 3999 bytes");
    value[2048] = '\0';
    wants(xenstore_write(0, "data/large", value), 0, "one of 2048 bytes");
    char path[3100] = "data/";
    memset(path + 5, 'p', sizeof(path) - 6);
    wants(xenstore_write(0, path, "x"), EINVAL, "a path of 3099 bytes");
    wants(xenstore_write(0, "data//x", "x"), EINVAL, "an empty name");
    wants(xenstore_write(0, "data/a b", "x"), EINVAL, "a space in a name");
}

/* ---- Work, while the daemon may come and go ------------------------------------------------- */

static unsigned lost; /* answers and events that were wrong */

static void count_once(void)
{
    static unsigned last;
    unsigned found = 0;
    xenstore_transaction t = 0;
    int error;

    do {
        lost += xenstore_begin(&t) != 0;
        error = xenstore_scanf(t, "data/count", 1, "%u", &found);
        if (error == 0 && found == last)
            error = xenstore_printf(t, "data/count", "%u", last + 1);
        else if (error == 0)
            lost++;
        /* A transaction that was open when the daemon ended sees errors, and ends with EAGAIN. */
        int end = xenstore_end(t, error != 0);
        if (end == 0 && error == 0)
            break;
        lost += end != 0 && end != EAGAIN;
    } while (true);
    last++;
}

static void answer(const char *path, xenstore_transaction *held)
{
    char *text;

    if (strcmp(path, "data/ping") == 0 && xenstore_read(0, path, &text, NULL) == 0) {
        xenstore_write(0, "data/pong", text);
        free(text);
        return;
    }
    bool hold = xenstore_read(0, "data/hold", &text, NULL) == 0;
    if (hold && *held == 0) {
        lost += xenstore_begin(held) != 0;
        xenstore_write(*held, "data/held", "by a transaction");
        state("holds");
    } else if (!hold && *held != 0) {
        xenstore_printf(0, "data/held-end", "%d", xenstore_end(*held, false));
        *held = 0;
    }
}

static void work(void)
{
    xenstore_transaction held = 0;
    char token[64], *path;

    xenstore_write(0, "data/count", "0");
    xenstore_watch("data/ping", "ping");
    xenstore_watch("data/hold", "hold");
    state("works");
    while (true) {
        count_once();
        if (lost)
            xenstore_printf(0, "data/lost", "%u", lost);
        while (xenstore_wait(&path, token, monotonic_ns() + MS) == 0) {
            answer(path, &held);
            free(path);
        }
    }
}

/* ---- Breaking the ring --------------------------------------------------------------------- */

static struct xenstore_domain_interface *ring(void)
{
    return pfn_to_virt(mfn_to_pfn(start_info->store_mfn));
}

static bool until(volatile uint32_t *word, uint32_t value)
{
    uint64_t end = monotonic_ns() + 20000 * MS;

    while (*word != value && monotonic_ns() < end)
        event_wait(start_info->store_evtchn, monotonic_ns() + 10 * MS);
    return *word == value;
}

/* `error`: what the store must have told before; 0: anything. */
static void connect_anew(const char *after, uint32_t error)
{
    volatile struct xenstore_domain_interface *r = ring();
    bool told = error == 0 || until(&r->error, error);
    char *text;

    r->connection = XENSTORE_RECONNECT;
    event_send(start_info->store_evtchn);
    bool good = until(&r->connection, XENSTORE_CONNECTED);
    xenstore_connect(ring(), start_info->store_evtchn);
    good = good && xenstore_read(0, "name", &text, NULL) == 0;
    check(told && good, "it is told of %s, and can connect anew", after);
}

static void send_raw(const void *bytes, size_t size)
{
    struct xenstore_domain_interface *r = ring();

    for (size_t i = 0; i < size; i++)
        r->req[MASK_XENSTORE_IDX(r->req_prod + i)] = ((const char *)bytes)[i];
    __atomic_store_n(&r->req_prod, r->req_prod + (uint32_t)size, __ATOMIC_RELEASE);
    event_send(start_info->store_evtchn);
}

static void rubbish(void)
{
    volatile struct xenstore_domain_interface *r = ring();
    struct xsd_sockmsg header = {.type = XS_READ, .req_id = 1, .len = 5000};
    uint32_t random = 12345;

    check((r->server_features & XENSTORE_SERVER_FEATURE_RECONNECTION) != 0,
          "the store says that one can connect anew");
    r->req_prod = r->req_cons + XENSTORE_RING_SIZE + 1;
    event_send(start_info->store_evtchn);
    connect_anew("a wrong index of requests", XENSTORE_ERROR_RINGIDX);
    r->rsp_cons = r->rsp_prod + 1;
    event_send(start_info->store_evtchn);
    connect_anew("a wrong index of answers", XENSTORE_ERROR_RINGIDX);
    send_raw(&header, sizeof(header));
    connect_anew("a request that is too long", XENSTORE_ERROR_PROTO);
    for (unsigned round = 0; round < 200; round++) {
        for (unsigned i = 0; i < sizeof(struct xenstore_domain_interface); i++) {
            random = random * 1664525u + 1013904223u;
            ((volatile uint8_t *)r)[i] = (uint8_t)(random >> 24);
        }
        event_send(start_info->store_evtchn);
        if (round % 50 == 49)
            connect_anew("a page of rubbish", 0);
    }
    connect_anew("all of that", 0);
    check((r->server_features & XENSTORE_SERVER_FEATURE_RECONNECTION) != 0,
          "the store says again that one can connect anew");
}

/* Requests and no end; answers stay where they are. */
static void deaf(void)
{
    struct {
        struct xsd_sockmsg header;
        char path[8];
    } request = {{.type = XS_WRITE, .req_id = 1, .len = 8}, "data/d"};
    struct xenstore_domain_interface *r = ring();

    xenstore_watch("data", "self");
    state("deaf");
    while (true) {
        uint32_t used = r->req_prod - __atomic_load_n(&r->req_cons, __ATOMIC_ACQUIRE);
        if (used + sizeof(request) <= XENSTORE_RING_SIZE) {
            request.path[6] = '\0';
            send_raw(&request, sizeof(request));
        } else {
            event_send(start_info->store_evtchn);
        }
    }
}

int main(int argc, char **argv)
{
    const char *role = argc > 1 ? argv[1] : "";

    if (strcmp(role, "pry") == 0 && argc > 2)
        pry(argv[2]);
    else if (strcmp(role, "fill") == 0)
        fill();
    else if (strcmp(role, "work") == 0)
        work();
    else if (strcmp(role, "rubbish") == 0)
        rubbish();
    else if (strcmp(role, "deaf") == 0)
        deaf();
    state("done");
    /* Stays until it is destroyed. */
    while (true)
        sleep_ns(1000 * MS);
}

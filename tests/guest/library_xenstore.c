/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The library's client of the store (pv/xenstore.h), against a store that this program plays: what
 * each function does, and what becomes of answers that are wrong. A store that breaks the protocol
 * is not spoken to again: its stream of bytes has no beginning any more.
 *
 * test: vcpus=1,4
 */
#include <errno.h>
#include <stdlib.h>

#include <pv/clock.h>
#include <pv/start.h>

#include "grants.h"
#include "played_store.h"

static domid_t own;

static void test_values(void)
{
    char *value, long_value[200];
    unsigned size;
    int a, b;

    is(xenstore_write(0, "a/b", "hello"), 0, "write: works");
    is(xenstore_read(0, "a/b", &value, &size), 0, "read: works");
    ok(size == 5 && strcmp(value, "hello") == 0, "read: what was written, with a 0 behind it");
    free(value);
    is(xenstore_read(0, "a/none", &value, NULL), ENOENT, "read of what there is not: ENOENT");
    is(xenstore_printf(0, "a/n", "%d:%d", 17, -4), 0, "printf: works");
    ok(xenstore_scanf(0, "a/n", 2, "%d:%d", &a, &b) == 0 && a == 17 && b == -4, "scanf: works");
    is(xenstore_scanf(0, "a/b", 1, "%d", &a), EINVAL, "scanf of what does not match: EINVAL");
    is(xenstore_write(0, "empty", ""), 0, "write of nothing: works");
    is(xenstore_read(0, "empty", &value, &size), 0, "read of nothing: works");
    is(size, 0, "read of nothing: size 0");
    free(value);
    memset(long_value, 'x', sizeof(long_value) - 1);
    long_value[sizeof(long_value) - 1] = 0;
    for (unsigned i = 0; i < 20; i++)
        (void)xenstore_write(0, "long", long_value);
    is(xenstore_read(0, "long", &value, &size), 0, "read after the ring went round: works");
    is(size, sizeof(long_value) - 1, "read after the ring went round: whole");
    free(value);
}

static void test_tree(void)
{
    char **names;
    unsigned count;

    is(xenstore_mkdir(0, "d"), 0, "mkdir: works");
    (void)xenstore_write(0, "d/one", "1");
    (void)xenstore_write(0, "d/two", "2");
    is(xenstore_directory(0, "d", &names, &count), 0, "directory: works");
    is(count, 2, "directory: two names");
    ok(count == 2 && (strcmp(names[0], "one") == 0 || strcmp(names[1], "one") == 0) && !names[2],
       "directory: one is there, and NULL behind them");
    free(names);
    is(xenstore_directory(0, "d/one", &names, &count), 0, "directory without names: works");
    is(count, 0, "directory without names: none");
    free(names);
    is(xenstore_remove(0, "d/one"), 0, "remove: works");
    is(xenstore_remove(0, "d/one"), ENOENT, "remove again: ENOENT");
}

static void test_transactions(void)
{
    xenstore_transaction t = 0;

    is(xenstore_begin(&t), 0, "begin: works");
    ok(t != 0, "begin: a number");
    is(xenstore_write(t, "in", "x"), 0, "write in a transaction: works");
    store_play.mischief = CONFLICT;
    is(xenstore_end(t, false), EAGAIN, "end, another changed something: EAGAIN");
    is(xenstore_begin(&t), 0, "begin again: works");
    is(xenstore_end(t, false), 0, "end: works");
}

static void test_limits(void)
{
    static char big[XENSTORE_PAYLOAD_MAX + 8];
    char token[70];
    unsigned before = store_play.requests;

    memset(big, 'p', sizeof(big) - 1);
    is(xenstore_write(0, "big", big), E2BIG, "a request beyond the protocol's limit: E2BIG");
    memset(token, 't', sizeof(token) - 1);
    token[64] = 0;
    is(xenstore_watch("x", token), EINVAL, "a token of 64 characters: EINVAL");
    is(store_play.requests, before, "neither reached the store");
}

static void test_watches(void)
{
    char *path, token[64];

    is(xenstore_wait(&path, token, monotonic_ns() + 30000000), ETIMEDOUT,
       "wait when nothing happens: ETIMEDOUT");
    is(xenstore_watch("w", "mine"), 0, "watch: works");
    (void)xenstore_write(0, "w/x", "1");
    (void)xenstore_write(0, "w/y", "1");
    is(xenstore_wait(&path, token, 0), 0, "wait: an event");
    ok(strcmp(path, "w/x") == 0 && strcmp(token, "mine") == 0, "wait: its path and token");
    free(path);
    is(xenstore_unwatch("w", "mine"), 0, "unwatch: works");
    is(xenstore_wait(&path, token, monotonic_ns() + 30000000), ETIMEDOUT,
       "unwatch: events that waited are gone");
    is(xenstore_unwatch("w", "mine"), ENOENT, "unwatch again: ENOENT");
    store_play.mischief = MALFORMED_EVENT;
    is(xenstore_write(0, "w/z", "1"), 0, "an event without token: passed over");
    store_play.mischief = HONEST;
}

/* More events than are kept, while answers come between them. */
static void test_flood(void)
{
    char *path, token[64];
    unsigned events = 0;

    (void)xenstore_watch("f", "flood");
    for (unsigned i = 0; i < 400; i++)
        (void)xenstore_write(0, "f", "1");
    while (xenstore_wait(&path, token, monotonic_ns() + 20000000) == 0) {
        events++;
        free(path);
    }
    ok(events > 100 && events <= 400, "a flood of events: many are kept, none invented");
    is(xenstore_unwatch("f", "flood"), 0, "a flood of events: the store works still");
}

static void test_slow(void)
{
    char *value;

    store_play.mischief = TRICKLE;
    is(xenstore_read(0, "long", &value, NULL), 0, "an answer in pieces of 3 bytes: works");
    is(strlen(value), 199, "an answer in pieces of 3 bytes: whole");
    free(value);
    store_play.mischief = HONEST;
}

static void test_wrong(enum mischief mischief, const char *what)
{
    char *value;

    store_start(own);
    store_play.mischief = mischief;
    is(xenstore_read(0, "a/b", &value, NULL), EIO, "%s: EIO", what);
    store_play.mischief = HONEST;
    is(xenstore_read(0, "a/b", &value, NULL), EIO, "%s: and no more dealings with it", what);
}

static void test_wrong_contents(void)
{
    char **names, *value;
    unsigned count;

    store_start(own);
    store_play.mischief = NOT_TERMINATED;
    is(xenstore_directory(0, "d", &names, &count), EIO, "names without end: EIO");
    store_play.mischief = ODD_ERROR;
    is(xenstore_read(0, "a/b", &value, NULL), EIO, "an error that has no number: EIO");
    store_play.mischief = HONEST;
    is(xenstore_read(0, "a/b", &value, NULL), 0, "after wrong contents: dealings go on");
    free(value);
}

int main(void)
{
    char *value;

    own = own_domain();
    if (is_control_domain())
        is(xenstore_read(0, "a", &value, NULL), ENODEV, "without a store: ENODEV");
    store_start(own);
    test_values();
    test_tree();
    test_transactions();
    test_limits();
    test_watches();
    test_flood();
    test_slow();
    test_wrong_contents();
    test_wrong(WRONG_ID, "an answer to another request");
    test_wrong(WRONG_TYPE, "an answer of another type");
    test_wrong(TOO_LONG, "an answer that is too long");
    test_wrong(WRONG_INDEX, "an index beyond the ring");
    test_wrong(WRONG_CONSUMER, "a consumer before the producer");
    return done();
}

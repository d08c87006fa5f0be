/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The store's protocol on byte buffers: each request, its answers and errors, permissions, quotas,
 * and which watchers learn of what.
 *
 * links: tests/unit/host.c toolstack/store/commit.c toolstack/store/connection.c
 * links: toolstack/store/control.c toolstack/store/domain.c toolstack/store/journal.c
 * links: toolstack/store/memory.c toolstack/store/operations.c toolstack/store/path.c
 * links: toolstack/store/perms.c toolstack/store/protocol.c toolstack/store/restore.c
 * links: toolstack/store/state.c toolstack/store/store.c toolstack/store/transaction.c
 * links: toolstack/store/tree.c toolstack/store/view.c toolstack/store/watch.c
 * links: toolstack/common/message.c
 */
#include "tap.h"

#include "store_world.h"

static struct store store;
static struct connection *root, *guest, *other;

static void begin(void)
{
    store_init(&store);
    root = connection_new(&store, 0, false);
    guest = connection_new(&store, 5, true);
    other = connection_new(&store, 6, true);
    ask(root, XS_MKDIR, 0, "/local/domain/5");
    ask_bars(root, XS_SET_PERMS, 0, "/local/domain/5|n5|");
}

static void end(void)
{
    ok(store_check(&store), "the store is in order");
    store_destroy(&store);
}

static void test_nodes(void)
{
    begin();
    is_str(ask_bars(root, XS_WRITE, 0, "/a/b/c|value"), "OK");
    is_str(ask(root, XS_READ, 0, "/a/b/c"), "value");
    is_str(ask(root, XS_READ, 0, "/a/b"), "", "nodes above are made, empty");
    is_str(ask_bars(root, XS_WRITE, 0, "/a/b/d|"), "OK", "an empty value");
    is_str(ask_list(root, XS_DIRECTORY, 0, "/a/b|"), "c|d|");
    is_str(ask_list(root, XS_DIRECTORY, 0, "/a/b/c|"), "");
    is_str(ask(root, XS_MKDIR, 0, "/a/b/c"), "OK", "it exists");
    is_str(ask(root, XS_READ, 0, "/a/b/c"), "value", "and keeps its value");
    is_str(ask(root, XS_RM, 0, "/a/b"), "OK");
    is_str(ask(root, XS_READ, 0, "/a/b/c"), "ENOENT");
    is_str(ask(root, XS_RM, 0, "/a/x"), "OK", "it could be there");
    is_str(ask(root, XS_RM, 0, "/x/y"), "ENOENT", "it could not");
    is_str(ask(root, XS_RM, 0, "/"), "EINVAL");
    is_str(ask_bars(root, XS_WRITE, 0, "relative/x|1"), "OK");
    is_str(ask(root, XS_READ, 0, "/local/domain/0/relative/x"), "1");
    end();
}

static void test_paths(void)
{
    static const char *const bad[] = {"",         "a//b",           "/a/",  "//", "/a b", "/a\x80",
                                      "@nothing", "@releaseDomain", "/a.b", "a/"};
    char text[XENSTORE_PAYLOAD_MAX];

    begin();
    for (unsigned i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
        is_str(ask(root, XS_WRITE, 0, bad[i]), "EINVAL", "'%s' is no path", bad[i]);
    memset(text, 'a', sizeof(text));
    text[0] = '/';
    text[XENSTORE_ABS_PATH_MAX] = '\0';
    is_str(ask(root, XS_MKDIR, 0, text), "OK", "the longest path");
    is_str(ask(root, XS_MKDIR, 0, text), "OK", "again");
    text[XENSTORE_ABS_PATH_MAX] = 'a';
    text[XENSTORE_ABS_PATH_MAX + 1] = '\0';
    is_str(ask(root, XS_MKDIR, 0, text), "EINVAL", "one more");
    text[0] = 'a';
    text[XENSTORE_REL_PATH_MAX] = '\0';
    is_str(ask(root, XS_MKDIR, 0, text), "OK", "the longest relative path");
    text[XENSTORE_REL_PATH_MAX] = 'a';
    text[XENSTORE_REL_PATH_MAX + 1] = '\0';
    is_str(ask(root, XS_MKDIR, 0, text), "EINVAL", "one more");
    is_str(ask_bytes(root, XS_READ, 0, "/a", 2), "EINVAL", "no NUL at the end");
    is_str(ask_bytes(root, XS_READ, 0, "", 0), "EINVAL", "nothing");
    is_str(ask_bars(root, XS_READ, 0, "/a|/b|"), "EINVAL", "two strings for one");
    is_str(ask(root, XS_TYPE_COUNT, 0, "/"), "ENOSYS");
    is_str(ask(root, XS_SET_TARGET + 1, 0, "5"), "ENOSYS", "XS_RESTRICT's number");
    is_str(ask(root, XS_WATCH_EVENT, 0, "/"), "ENOSYS");
    is_str(ask(root, UINT32_MAX, 0, "/"), "ENOSYS");
    end();
}

static void test_directory_parts(void)
{
    char text[64], parts[65536] = "", bytes[XENSTORE_PAYLOAD_MAX];
    size_t got = 0;
    unsigned asked = 0, names = 0;

    begin();
    for (unsigned i = 0; i < 1000; i++) {
        snprintf(text, sizeof(text), "/dir/name-%u", i);
        ask(root, XS_MKDIR, 0, text);
    }
    is_str(ask(root, XS_DIRECTORY, 0, "/dir"), "E2BIG");
    for (bool all = false; !all && asked < 100; asked++) {
        snprintf(text, sizeof(text), "/dir|%zu|", got);
        size_t size = bars(bytes, text);
        struct answer *answer = world_ask(root, XS_DIRECTORY_PART, 0, bytes, size);
        world_receive(root, answer, NULL);
        size_t number = strlen(answer->text) + 1;
        size_t part = answer->size - number;
        all = answer->text[answer->size - 2] == '\0';
        memcpy(parts + got, answer->text + number, part);
        got += part - all;
    }
    for (size_t at = 0; at < got; at += strlen(parts + at) + 1, names++) {
        snprintf(text, sizeof(text), "name-%u", names);
        if (strcmp(parts + at, text) != 0)
            break;
    }
    is(names, 1000, "every name came once");
    ok(asked > 2 && asked < 10, "in %u parts", asked);
    is_str(ask_bars(root, XS_DIRECTORY_PART, 0, "/dir|x|"), "EINVAL");
    is_str(ask_bars(root, XS_DIRECTORY_PART, 0, "/none|0|"), "ENOENT");
    end();
}

static void test_permissions(void)
{
    begin();
    is_str(ask(guest, XS_READ, 0, "/"), "EACCES");
    is_str(ask(guest, XS_MKDIR, 0, "/x"), "EACCES");
    is_str(ask_bars(guest, XS_WRITE, 0, "data/x|1"), "OK", "a domain in its home");
    is_str(ask_list(root, XS_GET_PERMS, 0, "/local/domain/5/data/x|"), "n5|");
    is_str(ask(other, XS_READ, 0, "/local/domain/5/data/x"), "EACCES");
    is_str(ask(other, XS_READ, 0, "/local/domain/5/none"), "EACCES", "nor what is not there");
    is_str(ask(guest, XS_READ, 0, "none"), "ENOENT");
    is_str(ask_bars(guest, XS_SET_PERMS, 0, "data/x|n5|r6|"), "OK");
    is_str(ask(other, XS_READ, 0, "/local/domain/5/data/x"), "1");
    is_str(ask_bars(other, XS_WRITE, 0, "/local/domain/5/data/x|2"), "EACCES");
    is_str(ask_bars(guest, XS_SET_PERMS, 0, "data/x|w5|n6|"), "OK");
    is_str(ask_bars(other, XS_WRITE, 0, "/local/domain/5/data/x|2"), "EACCES", "its own entry");
    is_str(ask_bars(guest, XS_SET_PERMS, 0, "data/x|b5|"), "OK");
    is_str(ask_bars(other, XS_WRITE, 0, "/local/domain/5/data/x|2"), "OK", "what holds for all");
    is_str(ask_bars(other, XS_SET_PERMS, 0, "/local/domain/5/data/x|b6|"), "EACCES");
    is_str(ask_bars(guest, XS_SET_PERMS, 0, "data/x|b6|"), "EPERM", "to give a node away");
    is_str(ask_bars(root, XS_SET_PERMS, 0, "/local/domain/5/data/x|b6|"), "OK");
    is_str(ask(guest, XS_GET_PERMS, 0, "data/x"), "b6");
    is_str(ask_bars(guest, XS_SET_PERMS, 0, "data|n5|r1|r2|r3|r4|"), "OK");
    is_str(ask_bars(guest, XS_SET_PERMS, 0, "data|n5|r1|r2|r3|r4|r6|"), "ENOSPC");
    static const char *const bad[] = {"data|x5|",  "data|n|",      "data|n5",
                                      "data|",     "data|n99999|", "data|n32752|",
                                      "data|n-1|", "data|n5||",    "data|n5x|"};
    for (unsigned i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
        is_str(ask_bars(guest, XS_SET_PERMS, 0, bad[i]), "EINVAL", "%s", bad[i]);
    other->target = 5;
    is_str(ask(other, XS_READ, 0, "/local/domain/5/data"), "", "on behalf of its target");
    end();
}

static void test_end_of_domain(void)
{
    begin();
    ask_bars(guest, XS_WRITE, 0, "mine|1");
    ask_bars(root, XS_WRITE, 0, "/theirs|2");
    ask_bars(root, XS_SET_PERMS, 0, "/theirs|n0|r5|r6|");
    is(store.accounts[5].nodes, 2);
    store_domain_ended(&store, 5);
    is(store.accounts[5].nodes, 0, "it owns nothing any more");
    is_str(ask(guest, XS_READ, 0, "/theirs"), "EACCES", "the next one of that number is another");
    is_str(ask(guest, XS_READ, 0, "mine"), "EACCES");
    is_str(ask(other, XS_READ, 0, "/theirs"), "2");
    is_str(ask_list(root, XS_GET_PERMS, 0, "/theirs|"), "n0|r6|");
    is_str(ask_list(root, XS_GET_PERMS, 0, "/local/domain/5/mine|"), "n0|");
    ask_bars(root, XS_WRITE, 0, "/local/domain/5/new|1");
    is_str(ask_list(root, XS_GET_PERMS, 0, "/local/domain/5/new|"), "n0|", "nor is it inherited");
    is_str(ask_bars(root, XS_SET_PERMS, 0, "/local/domain/5|n5|"), "OK");
    is_str(ask_bars(guest, XS_WRITE, 0, "again|1"), "OK");
    is(store.accounts[5].nodes, 2);
    is_str(ask(root, XS_RM, 0, "/local/domain/5"), "OK");
    is(store.accounts[5].nodes, 0);
    end();
}

static void test_watches(void)
{
    struct events events = {0};
    char bytes[64];

    begin();
    is_str(ask_bars(root, XS_WATCH, 0, "/a|tok|"), "OK", "what is not there can be watched");
    is_str(ask_bars(root, XS_WATCH, 0, "/a|tok|"), "EEXIST");
    is_str(ask_bars(root, XS_WATCH, 0, "/a|tok2|"), "OK");
    is_str(ask_bars(root, XS_WATCH, 0, "/a|tok|2|"), "EINVAL", "4.17 knows no depth");
    is_str(ask_bars(root, XS_WATCH, 0, "@somethingElse|x|"), "EINVAL");
    is_str(ask_bars(root, XS_UNWATCH, 0, "/a|none|"), "ENOENT");
    is_str(ask_bars(root, XS_UNWATCH, 0, "/a|tok2|"), "OK");
    size_t size = bars(bytes, "/a/b/c|r|");
    world_send(root, XS_WATCH, 0, bytes, size);
    world_receive(root, NULL, &events);
    is(events.count, 1);
    is_str(events.text[0], "/a/b/c r", "the first event comes by itself");

    events.count = 0;
    world_send(root, XS_WRITE, 0, "/a/b/c", 7);
    world_receive(root, NULL, &events);
    is(events.count, 2);
    world_send(root, XS_RM, 0, "/a/b", 5);
    world_receive(root, NULL, &events);
    is(events.count, 4);
    is_str(events.text[2], "/a/b/c r", "a node that vanishes along with another");
    is_str(events.text[3], "/a/b tok");
    world_send(root, XS_WRITE, 0, "/ab", 4);
    world_receive(root, NULL, &events);
    is(events.count, 4, "/ab is not below /a");
    ask(root, XS_RESET_WATCHES, 0, "");
    is(store.watches.nr_watches, 0);
    end();
}

static void test_watches_of_guests(void)
{
    struct events events = {0};
    char text[32];

    begin();
    is_str(ask_bars(guest, XS_WATCH, 0, "data|tok|"), "OK");
    is_str(ask_bars(other, XS_WATCH, 0, "/local/domain/5|secret|"), "OK");
    world_receive(guest, NULL, NULL);
    world_receive(other, NULL, NULL);
    ask_bars(root, XS_WRITE, 0, "/local/domain/5/data/x|1");
    world_receive(guest, NULL, &events);
    is(events.count, 1);
    is_str(events.text[0], "data/x tok", "a relative watch is told relative paths");
    world_receive(other, NULL, &events);
    is(events.count, 1, "who may not read is not told");
    for (unsigned i = 0; i < 127; i++) {
        snprintf(text, sizeof(text), "%u|x|", i);
        ask_bars(guest, XS_WATCH, 0, text);
    }
    is_str(ask_bars(guest, XS_WATCH, 0, "too/many|x|"), "E2BIG");
    is_str(ask_bars(guest, XS_WATCH, 0, "@releaseDomain|x|"), "E2BIG");
    ask_bars(guest, XS_UNWATCH, 0, "5|x|");
    is_str(ask_bars(guest, XS_WATCH, 0, "@releaseDomain|x|"), "OK");
    is_str(ask_bars(guest, XS_SET_PERMS, 0, "@releaseDomain|n0|r5|"), "EACCES");
    is_str(ask_bars(root, XS_SET_PERMS, 0, "@releaseDomain|n0|r5|"), "OK");
    is_str(ask_list(root, XS_GET_PERMS, 0, "@releaseDomain|"), "n0|r5|");
    end();
}

/* A client that does not read. */
static void test_waiting_events(void)
{
    struct events events = {0};
    char text[64];

    begin();
    ask_bars(guest, XS_WATCH, 0, "data|tok|");
    world_receive(guest, NULL, NULL);
    for (unsigned i = 0; i < 5; i++)
        ask_bars(root, XS_WRITE, 0, "/local/domain/5/data/x|1");
    is(guest->events, 1, "equal events wait once");
    for (unsigned i = 0; i < 3 * EVENTS_MAX; i++) {
        snprintf(text, sizeof(text), "/local/domain/5/data/%u", i);
        ask(root, XS_MKDIR, 0, text);
    }
    is(guest->events, EVENTS_MAX + 1, "beyond the limit there is one more");
    events.count = 0;
    world_receive(guest, NULL, &events);
    is(events.count, EVENTS_MAX + 1);
    is(guest->events, 0);
    for (unsigned i = 0; i < 19; i++)
        world_send(guest, XS_READ, 0, "data", 5);
    ok(connection_may_ask(guest), "19 answers wait");
    world_send(guest, XS_READ, 0, "data", 5);
    ok(!connection_may_ask(guest), "20 are enough");
    end();
}

static void test_quotas(void)
{
    char text[4096];

    begin();
    for (unsigned i = 0; i < 999; i++) {
        snprintf(text, sizeof(text), "n%u", i);
        ask(guest, XS_MKDIR, 0, text);
    }
    is(store.accounts[5].nodes, 1000);
    is_str(ask(guest, XS_MKDIR, 0, "more"), "ENOSPC");
    is_str(ask_bars(guest, XS_WRITE, 0, "n1|1"), "OK", "what is there may be written");
    is_str(ask(root, XS_MKDIR, 0, "/local/domain/5/more"), "OK", "the control domain may");
    is_str(ask(guest, XS_RM, 0, "n0"), "OK");
    is_str(ask(guest, XS_RM, 0, "n2"), "OK");
    is_str(ask(guest, XS_MKDIR, 0, "a/b"), "ENOSPC", "two nodes, and room for one");
    is_str(ask(guest, XS_READ, 0, "a"), "ENOENT", "then none is made");
    is_str(ask(guest, XS_MKDIR, 0, "a"), "OK");
    memset(text, 'x', sizeof(text));
    memcpy(text, "n1", 3);
    is_str(ask_bytes(guest, XS_WRITE, 0, text, 3 + 2048), "OK", "the largest value");
    is_str(ask_bytes(guest, XS_WRITE, 0, text, 3 + 2049), "ENOSPC", "one byte more");
    memcpy(text, "/n", 3);
    is_str(ask_bytes(root, XS_WRITE, 0, text, 4096), "OK", "of the control domain");
    for (unsigned i = 1; i <= 10; i++)
        ask(guest, XS_TRANSACTION_START, 0, "");
    is_str(ask(guest, XS_TRANSACTION_START, 0, ""), "ENOSPC");
    is_str(ask(guest, XS_TRANSACTION_END, 3, "F"), "OK");
    ok(atoi(ask(guest, XS_TRANSACTION_START, 0, "")) > 0);
    end();
}

static void test_transaction_quotas(void)
{
    char text[4096];
    unsigned tx;

    begin();
    tx = (unsigned)atoi(ask(guest, XS_TRANSACTION_START, 0, ""));
    const char *answer = "OK";
    unsigned made = 0;
    for (; made < 2000 && strcmp(answer, "OK") == 0; made++) {
        snprintf(text, sizeof(text), "n%u", made);
        answer = ask(guest, XS_MKDIR, tx, text);
    }
    is_str(answer, "ENOSPC");
    is(made, 1000, "its home and 999 more");
    is_str(ask(guest, XS_TRANSACTION_END, tx, "T"), "OK");
    is(store.accounts[5].nodes, 1000);

    tx = (unsigned)atoi(ask(guest, XS_TRANSACTION_START, 0, ""));
    memset(text, 'x', sizeof(text));
    answer = "OK";
    for (made = 0; made < 999 && strcmp(answer, "OK") == 0; made++) {
        int name = snprintf(text, sizeof(text), "n%u", made);
        answer = ask_bytes(guest, XS_WRITE, tx, text, (size_t)name + 1 + 2000);
    }
    is_str(answer, "ENOSPC", "memory of transactions");
    ok(made > 500, "after %u values", made);
    is_str(ask(guest, XS_TRANSACTION_END, tx, "F"), "OK");
    is(guest->transaction_memory, 0);
    is_str(ask(guest, XS_READ, 0, "n0"), "", "nothing of it was made true");
    end();
}

static void test_domains(void)
{
    begin();
    is_str(ask_bars(guest, XS_INTRODUCE, 0, "7|1|2|"), "EACCES");
    is_str(ask_bars(root, XS_INTRODUCE, 0, "7|1|2|"), "ENOSYS", "there is no hypervisor");
    is_str(ask_bars(root, XS_INTRODUCE, 0, "0|1|2|"), "EINVAL");
    is_str(ask_bars(root, XS_INTRODUCE, 0, "7|1|"), "EINVAL");
    is_str(ask_bars(root, XS_INTRODUCE, 0, "40000|1|2|"), "EINVAL");
    is_str(ask(root, XS_RELEASE, 0, "7"), "ENOENT");
    is_str(ask(root, XS_RESUME, 0, "7"), "ENOENT");
    is_str(ask_bars(root, XS_SET_TARGET, 0, "7|5|"), "ENOENT");
    is_str(ask(guest, XS_GET_DOMAIN_PATH, 0, "12"), "/local/domain/12");
    is_str(ask(guest, XS_IS_DOMAIN_INTRODUCED, 0, "12"), "F");
    is_str(ask(guest, XS_IS_DOMAIN_INTRODUCED, 0, "0"), "T");
    is_str(ask(guest, XS_IS_DOMAIN_INTRODUCED, 0, "32752"), "T", "DOMID_SELF");
    is_str(ask(guest, XS_IS_DOMAIN_INTRODUCED, 0, "x"), "EINVAL");
    end();
}

static void test_control(void)
{
    begin();
    is_str(ask(guest, XS_CONTROL, 0, "help"), "EACCES");
    ok(strstr(ask(root, XS_CONTROL, 0, "help"), "quota") != NULL);
    ok(strstr(ask(root, XS_CONTROL, 0, "check"), "in order") != NULL);
    ok(strstr(ask(root, XS_CONTROL, 0, "quota"), "1000") != NULL);
    is_str(ask_bars(root, XS_CONTROL, 0, "quota|set|nodes|3|"), "OK");
    is(store.quota.nodes, 3);
    is_str(ask_bars(root, XS_CONTROL, 0, "quota|set|nodes|0|"), "EINVAL");
    is_str(ask_bars(root, XS_CONTROL, 0, "quota|set|nothing|5|"), "EINVAL");
    ok(strstr(ask_bars(root, XS_CONTROL, 0, "quota|5|"), "nodes: 1") != NULL);
    is_str(ask_bars(root, XS_CONTROL, 0, "find|/local/none|name|x|"), "");
    is_str(ask_bars(root, XS_CONTROL, 0, "find|/local|"), "EINVAL");
    is_str(ask_bars(root, XS_WRITE, 0, "/found/one/name|guest"), "OK");
    is_str(ask_bars(root, XS_WRITE, 0, "/found/two/name|guest2"), "OK");
    is_str(ask_bars(root, XS_WRITE, 0, "/found/three/other|guest"), "OK");
    is_str(ask_bars(root, XS_CONTROL, 0, "find|/found|name|guest|"), "one\n");
    is_str(ask_bars(root, XS_CONTROL, 0, "find|/found|name|gues|"), "");
    is_str(ask(guest, XS_CONTROL, 0, "find"), "EACCES");
    is_str(ask(root, XS_RM, 0, "/found"), "OK");
    is_str(ask_bars(root, XS_CONTROL, 0, "log|on|"), "OK");
    ok(store.log);
    is_str(ask_bars(root, XS_CONTROL, 0, "log|off|"), "OK");
    is_str(ask_bars(root, XS_CONTROL, 0, "log|maybe|"), "EINVAL");
    is_str(ask(root, XS_CONTROL, 0, "live-update"), "EINVAL");
    is_str(ask_bytes(root, XS_CONTROL, 0, "", 0), "EINVAL");
    end();
}

int main(void)
{
    test_nodes();
    test_paths();
    test_directory_parts();
    test_permissions();
    test_end_of_domain();
    test_watches();
    test_watches_of_guests();
    test_waiting_events();
    test_quotas();
    test_transaction_quotas();
    test_domains();
    test_control();
    return done();
}

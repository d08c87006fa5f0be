/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Rings of guests that do as they like with the shared page: indices out of range, requests that
 * are too long or never end, floods, answers that are not taken; and connecting anew. Without
 * processes: the ring is this program's memory.
 *
 * links: tests/unit/host.c toolstack/store/commit.c toolstack/store/connection.c
 * links: toolstack/store/control.c toolstack/store/domain.c toolstack/store/journal.c
 * links: toolstack/store/memory.c toolstack/store/operations.c toolstack/store/path.c
 * links: toolstack/store/perms.c toolstack/store/protocol.c toolstack/store/restore.c
 * links: toolstack/store/state.c toolstack/store/store.c toolstack/store/transaction.c
 * links: toolstack/store/tree.c toolstack/store/view.c toolstack/store/watch.c
 * links: toolstack/store/ring.c toolstack/common/message.c
 */
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <time.h>

#include "tap.h"

#include "store/domain.h"
#include "store/ring.h"
#include "store_world.h"

static struct store store;
static struct domain *domain;
static struct xenstore_domain_interface ring;

static void begin_at(uint32_t index)
{
    memset(&ring, 0, sizeof(ring));
    ring.req_cons = ring.req_prod = ring.rsp_cons = ring.rsp_prod = index;
    store_init(&store);
    domain = domain_new(&store, 5);
    domain->ring = &ring;
    ring_begin(&store, domain);
    struct connection *root = connection_new(&store, 0, false);
    ask(root, XS_MKDIR, 0, "/local/domain/5");
    ask_bars(root, XS_SET_PERMS, 0, "/local/domain/5|n5|");
}

static void end(void)
{
    ok(store_check(&store), "the store is in order");
    domain_free(&store, domain);
    store_destroy(&store);
}

static void put(const void *bytes, size_t size)
{
    for (size_t i = 0; i < size; i++)
        ring.req[MASK_XENSTORE_IDX(ring.req_prod++)] = ((const char *)bytes)[i];
}

static void put_request(uint32_t type, const char *payload, uint32_t size)
{
    struct xsd_sockmsg header = {.type = type, .req_id = 9, .len = size};

    put(&header, sizeof(header));
    put(payload, size);
}

static size_t get(char *bytes)
{
    size_t size = 0;

    while (ring.rsp_cons != ring.rsp_prod)
        bytes[size++] = ring.rsp[MASK_XENSTORE_IDX(ring.rsp_cons++)];
    return size;
}

static void test_request(uint32_t index)
{
    char bytes[XENSTORE_RING_SIZE];

    begin_at(index);
    is(ring.server_features, 3, "it says that it can be connected to anew");
    for (unsigned i = 0; i < 100; i++) {
        put_request(XS_WRITE, "x\0value", 7);
        struct ring_result result = ring_requests(&store, domain, 8);
        if (!result.notify || ring.req_cons != ring.req_prod)
            break;
        ring_answers(&store, domain);
        if (get(bytes) != 19 || memcmp(bytes + 16, "OK", 3) != 0)
            break;
        if (i == 99)
            pass("100 requests, from index %x on", index);
    }
    end();
}

/* The guest may write its index before all of the bytes of a request are there. */
static void test_in_pieces(void)
{
    struct xsd_sockmsg header = {.type = XS_WRITE, .len = 2000};
    char payload[2000] = "x", bytes[XENSTORE_RING_SIZE];
    uint32_t sent = 0;

    begin_at(0);
    header.len = 9;
    put(&header, sizeof(header));
    ring_requests(&store, domain, 8);
    is(ring.req_cons, 16, "half a request is taken: Linux tells of the rest only then");
    put("x\0longer!", 9);
    ok(ring_requests(&store, domain, 8).notify);
    is(ring.req_cons, 25);
    ring_answers(&store, domain);
    get(bytes);
    header.len = sizeof(payload);
    put(&header, sizeof(header));
    for (unsigned turns = 0; sent < sizeof(payload) && turns < 10; turns++) {
        while (sent < sizeof(payload) && ring.req_prod - ring.req_cons < XENSTORE_RING_SIZE)
            put(&payload[sent++], 1);
        ring_requests(&store, domain, 8);
    }
    is(sent, sizeof(payload), "one that is longer than the ring passes through it");
    ring_answers(&store, domain);
    is(get(bytes), 19);
    end();
}

/* --- a reader as Linux: it tells of room only if it found the ring full --------------------- */

#define ROUNDS   2000
#define PART     16 /* it takes a header, then what follows */
#define REQUESTS 20 /* their answers fill the ring several times */
#define VALUE                                                                                      \
    "a value of some length, so that twenty of its kind are more than a ring of answers has room " \
    "for"
#define ANSWERS (REQUESTS * (sizeof(struct xsd_sockmsg) + sizeof(VALUE) - 1))

static atomic_bool data, room;

/* Without sleeping: the two sides shall meet. */
static bool wait_or_give_up(atomic_bool *event)
{
    time_t end = time(NULL) + 10;

    while (!atomic_exchange(event, false)) {
        if (time(NULL) > end)
            return false;
        sched_yield();
    }
    return true;
}

static void *reader(void *unused)
{
    (void)unused;
    for (size_t left = ROUNDS * ANSWERS; left > 0;) {
        uint32_t cons = ring.rsp_cons, prod = __atomic_load_n(&ring.rsp_prod, __ATOMIC_ACQUIRE);
        if (prod == cons) {
            if (!wait_or_give_up(&data))
                break;
            continue;
        }
        uint32_t part = prod - cons < PART ? prod - cons : PART;
        left -= part;
        __atomic_store_n(&ring.rsp_cons, cons + part, __ATOMIC_SEQ_CST);
        __atomic_thread_fence(__ATOMIC_SEQ_CST);
        if (__atomic_load_n(&ring.rsp_prod, __ATOMIC_ACQUIRE) - cons >= XENSTORE_RING_SIZE)
            atomic_store(&room, true);
    }
    return NULL;
}

static void test_reader_at_once(void)
{
    unsigned rounds = 0;
    pthread_t thread;
    bool good = true;

    begin_at(0);
    put_request(XS_WRITE, "x\0" VALUE, sizeof("x\0" VALUE) - 1);
    ring_requests(&store, domain, 1);
    ring_answers(&store, domain);
    ring.rsp_cons = ring.rsp_prod;
    if (pthread_create(&thread, NULL, reader, NULL) != 0)
        bail_out("no thread");
    for (; good && rounds < ROUNDS; rounds++) {
        for (unsigned i = 0; i < REQUESTS; i++)
            put_request(XS_READ, "x", 2);
        while (good && (ring.req_cons != ring.req_prod || domain->conn->replies > 0)) {
            bool asked = ring_requests(&store, domain, REQUESTS).notify;
            if (ring_answers(&store, domain).notify || asked)
                atomic_store(&data, true);
            if (domain->conn->replies > 0)
                good = wait_or_give_up(&room);
        }
    }
    pthread_join(thread, NULL);
    is(rounds, ROUNDS, "whoever tells of room only when the ring was full gets all");
    end();
}

static void test_wrong_indices(void)
{
    begin_at(0);
    ring.req_prod = XENSTORE_RING_SIZE + 1;
    ring_requests(&store, domain, 8);
    ok(domain->broken, "more requests than the ring holds");
    is(ring.error, XENSTORE_ERROR_RINGIDX);
    ring_requests(&store, domain, 8);
    ring_answers(&store, domain);
    end();

    begin_at(0);
    put_request(XS_READ, "x", 2);
    ring_requests(&store, domain, 8);
    ring.rsp_cons = 1;
    ring_answers(&store, domain);
    ok(domain->broken, "answers taken that were not given");
    is(ring.rsp_prod, 0);
    end();

    begin_at(0);
    struct xsd_sockmsg header = {.type = XS_WRITE, .len = XENSTORE_PAYLOAD_MAX + 1};
    put(&header, sizeof(header));
    ring_requests(&store, domain, 8);
    ok(domain->broken, "a request that is too long");
    is(ring.error, XENSTORE_ERROR_PROTO);
    end();
}

static void test_reconnect(void)
{
    char bytes[XENSTORE_RING_SIZE];

    begin_at(77);
    put_request(XS_WATCH, "x\0token", 8);
    put_request(XS_TRANSACTION_START, "", 1);
    ring_requests(&store, domain, 8);
    is(domain->conn->nr_watches, 1);
    ring.req_prod += 5000;
    ring_requests(&store, domain, 8);
    ok(domain->broken);
    ring.connection = XENSTORE_RECONNECT;
    ok(ring_requests(&store, domain, 8).notify);
    is(ring.connection, XENSTORE_CONNECTED);
    is(ring.error, XENSTORE_ERROR_NONE);
    ok(ring.req_prod == 0 && ring.req_cons == 0 && ring.rsp_prod == 0 && ring.rsp_cons == 0);
    ok(domain->conn->nr_watches == 0 && domain->conn->nr_transactions == 0, "nothing is left");
    put_request(XS_READ, "x", 2);
    ring_requests(&store, domain, 8);
    ring_answers(&store, domain);
    ok(get(bytes) > 16, "it is served again");
    end();
}

static void test_flood(void)
{
    char bytes[XENSTORE_RING_SIZE];
    unsigned turns = 0;

    begin_at(0);
    for (unsigned i = 0; i < 40; i++)
        put_request(XS_READ, "x", 2);
    struct ring_result result = ring_requests(&store, domain, 8);
    is(domain->conn->replies, 8, "so many in one turn");
    ok(result.again);
    while (ring_requests(&store, domain, 8).again)
        turns++;
    is(domain->conn->replies, store.quota.outstanding, "no more until it takes answers");
    ok(turns < 5);
    for (turns = 0; ring.req_cons != ring.req_prod && turns < 100; turns++) {
        ring_answers(&store, domain);
        get(bytes);
        ring_requests(&store, domain, 8);
    }
    is(ring.req_cons, ring.req_prod, "then all are done");
    end();
}

/* Anything at any time: nothing may be read or written outside the ring. */
static void test_rubbish(void)
{
    uint64_t seed = 99;
    unsigned broken = 0;

    begin_at(0);
    for (unsigned i = 0; i < 20000; i++) {
        seed = seed * 6364136223846793005u + 1442695040888963407u;
        uint32_t *words = (uint32_t *)&ring;
        words[(seed >> 40) % (sizeof(ring) / sizeof(*words))] = (uint32_t)(seed >> 20);
        if (seed >> 62 == 0)
            ring.req_prod = domain->req_cons + (uint32_t)(seed >> 33) % 64;
        if (domain->broken) {
            broken++;
            ring.connection = XENSTORE_RECONNECT;
        }
        ring_answers(&store, domain);
        ring_requests(&store, domain, 8);
        ring_answers(&store, domain);
    }
    ok(broken > 10, "it was refused %u times", broken);
    end();
}

int main(void)
{
    if (freopen("/dev/null", "w", stderr) == NULL)
        bail_out("no /dev/null");
    test_request(0);
    test_request(1000);
    test_request(UINT32_MAX - 500);
    test_in_pieces();
    test_reader_at_once();
    test_wrong_indices();
    test_reconnect();
    test_flood();
    test_rubbish();
    return done();
}

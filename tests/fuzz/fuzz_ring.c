/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Rings: the input is what a domain does with the page that it shares with the store, beside
 * another domain that does everything right and must be served all the while; the store's process
 * may end and start anew at any step. What the first one makes the store keep is bounded.
 *
 * Steps of the input, each a byte and what belongs to it: see enum step.
 *
 * links: tests/fuzz/store_record.c toolstack/store/commit.c toolstack/store/connection.c
 * links: toolstack/store/control.c toolstack/store/domain.c toolstack/store/journal.c
 * links: toolstack/store/memory.c toolstack/store/operations.c toolstack/store/path.c
 * links: toolstack/store/perms.c toolstack/store/protocol.c toolstack/store/restore.c
 * links: toolstack/store/state.c toolstack/store/store.c toolstack/store/transaction.c
 * links: toolstack/store/tree.c toolstack/store/view.c toolstack/store/watch.c
 * links: toolstack/store/ring.c toolstack/common/message.c
 * runs: 1200
 * max_len: 1024
 */
#include <string.h>

#include "store/domain.h"
#include "store/ring.h"
#include "store/state.h"
#include "tests/fuzz/fuzz.h"
#include "tests/fuzz/store_record.h"

#define HOSTILE 5
#define HONEST  6
#define BUDGET  8u

enum step {
    STEP_BYTES,     /* a count, bytes: put on the ring, the index follows */
    STEP_REQUEST,   /* type, transaction, a count, bytes: as STEP_BYTES with a proper header */
    STEP_INDEX,     /* which, four bytes: an index takes that value */
    STEP_TAKE,      /* all answers are taken */
    STEP_TAKE_SOME, /* a count of bytes */
    STEP_FIELD,     /* where, a byte: anywhere in the page */
    STEP_CONNECT,   /* XENSTORE_RECONNECT */
    STEP_SERVE,     /* the store has a turn */
    STEP_RESTART,
    STEPS
};

#define RESTARTS 4u

static struct xenstore_domain_interface hostile, honest;
static unsigned restarts;

struct input {
    const uint8_t *at;
    size_t left;
};

static uint8_t next_byte(struct input *input)
{
    if (input->left == 0)
        return 0;
    input->left--;
    return *input->at++;
}

static void put(struct xenstore_domain_interface *ring, const void *bytes, size_t size)
{
    for (size_t i = 0; i < size; i++)
        ring->req[MASK_XENSTORE_IDX(ring->req_prod + i)] = ((const char *)bytes)[i];
    ring->req_prod += (uint32_t)size;
}

static void put_input(struct input *input, size_t size)
{
    if (size > input->left)
        size = input->left;
    put(&hostile, input->at, size);
    input->at += size;
    input->left -= size;
}

static void set_index(struct input *input)
{
    XENSTORE_RING_IDX *const indices[] = {&hostile.req_cons, &hostile.req_prod, &hostile.rsp_cons,
                                          &hostile.rsp_prod};
    XENSTORE_RING_IDX *index = indices[next_byte(input) % 4];
    uint32_t value = 0;

    for (unsigned i = 0; i < 4; i++)
        value = value << 8 | next_byte(input);
    *index = value;
}

static void serve(struct store *store, uint16_t domid)
{
    struct domain *domain = store->domains[domid];

    ring_answers(store, domain);
    ring_requests(store, domain, BUDGET);
    ring_answers(store, domain);
    demand(domain->conn->replies <= store->quota.outstanding);
    demand(domain->conn->events <= EVENTS_MAX + store->quota.watches);
    demand(domain->conn->nr_watches <= store->quota.watches);
    demand(domain->conn->nr_transactions <= store->quota.transactions);
    demand(store->accounts[domid].nodes <= store->quota.nodes);
}

static void be_honest(struct store *store)
{
    static uint32_t number;
    struct xsd_sockmsg header = {.type = XS_WRITE, .req_id = ++number, .len = 7}, answer;
    uint32_t size;

    put(&honest, &header, sizeof(header));
    put(&honest, "x\0value", 7);
    serve(store, HONEST);
    size = honest.rsp_prod - honest.rsp_cons;
    demand(size == sizeof(answer) + 3);
    for (uint32_t i = 0; i < sizeof(answer); i++)
        ((char *)&answer)[i] = honest.rsp[MASK_XENSTORE_IDX(honest.rsp_cons + i)];
    demand(answer.type == XS_WRITE && answer.req_id == number && answer.len == 3);
    honest.rsp_cons = honest.rsp_prod;
}

static struct store *restart(struct store *store)
{
    store = record_restart(store);
    store->domains[HOSTILE]->ring = &hostile;
    store->domains[HONEST]->ring = &honest;
    ring_resume(store, store->domains[HOSTILE]);
    demand(ring_resume(store, store->domains[HONEST]));
    state_commit(store);
    return store;
}

static struct store *step(struct store *store, struct input *input)
{
    struct xsd_sockmsg header = {.req_id = 1};

    switch ((enum step)(next_byte(input) % STEPS)) {
    case STEP_BYTES:
        put_input(input, next_byte(input));
        break;
    case STEP_REQUEST:
        header.type = next_byte(input) % (XS_TYPE_COUNT + 2);
        header.tx_id = next_byte(input) % 4;
        header.len = next_byte(input);
        put(&hostile, &header, sizeof(header));
        put_input(input, header.len);
        break;
    case STEP_INDEX:
        set_index(input);
        break;
    case STEP_TAKE:
        hostile.rsp_cons = hostile.rsp_prod;
        break;
    case STEP_TAKE_SOME:
        hostile.rsp_cons += next_byte(input);
        break;
    case STEP_FIELD: {
        size_t at = next_byte(input) * 11u % sizeof(hostile);
        ((uint8_t *)&hostile)[at] = next_byte(input);
        break;
    }
    case STEP_CONNECT:
        hostile.connection = XENSTORE_RECONNECT;
        break;
    case STEP_SERVE:
        serve(store, HOSTILE);
        be_honest(store);
        break;
    default:
        return restarts++ < RESTARTS ? restart(store) : store;
    }
    return store;
}

static void introduce(struct store *store, uint16_t domid, struct xenstore_domain_interface *ring)
{
    static const struct perm owner[] = {{.domid = HOSTILE}, {.domid = HONEST}};
    struct domain *domain = domain_new(store, domid);
    char path[32];
    int length = snprintf(path, sizeof(path), "/local/domain/%u", domid);

    memset(ring, 0, sizeof(*ring));
    domain->ring = ring;
    state_domain(store, domain);
    ring_begin(store, domain);
    store_create(store, path, (size_t)length, perms_new(&owner[domid - HOSTILE], 1, 1),
                 blob_new("", 0));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct input input = {data, size};
    struct store *store = record_begin();
    static const struct perm none = {.domid = CONTROL_DOMAIN};

    store_create(store, "/local", 6, perms_new(&none, 1, 1), blob_new("", 0));
    store_create(store, "/local/domain", 13, perms_new(&none, 1, 1), blob_new("", 0));
    introduce(store, HOSTILE, &hostile);
    introduce(store, HONEST, &honest);
    state_commit(store);
    restarts = 0;
    while (input.left > 0)
        store = step(store, &input);
    serve(store, HOSTILE);
    be_honest(store);
    /* Whatever it did, it can connect anew. */
    hostile.connection = XENSTORE_RECONNECT;
    serve(store, HOSTILE);
    demand(hostile.connection == XENSTORE_CONNECTED && !store->domains[HOSTILE]->broken);
    demand(store_check(store));
    record_end(restart(store));
    return 0;
}

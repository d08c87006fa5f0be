/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The store's protocol: the input is a sequence of requests of three clients, one of them a program
 * of the control domain and two of them domains, with a record of changes. After each input the
 * store must be in order, and what is taken up from the record must be the same store.
 *
 * A request of the input: a byte for the client, one for its type, one for its transaction (its
 * high bit: answers are taken now), one for the number of bytes that follow (16 times as many, if
 * the client byte's high bit is set).
 *
 * links: tests/fuzz/store_record.c toolstack/store/commit.c toolstack/store/connection.c
 * links: toolstack/store/control.c toolstack/store/domain.c toolstack/store/journal.c
 * links: toolstack/store/memory.c toolstack/store/operations.c toolstack/store/path.c
 * links: toolstack/store/perms.c toolstack/store/protocol.c toolstack/store/restore.c
 * links: toolstack/store/state.c toolstack/store/store.c toolstack/store/transaction.c
 * links: toolstack/store/tree.c toolstack/store/view.c toolstack/store/watch.c
 * links: toolstack/common/message.c
 * runs: 1500
 */
#include <string.h>

#include "store/domain.h"
#include "store/state.h"
#include "tests/fuzz/fuzz.h"
#include "tests/fuzz/store_record.h"

#define CLIENTS 3

static void drain(struct connection *conn)
{
    const void *bytes;
    size_t size;

    while ((size = connection_output(conn, &bytes)) != 0)
        connection_sent(conn, size);
}

/* false: the connection is broken, as a length that is too large makes it. */
static bool feed(struct connection *conn, const void *bytes, size_t size)
{
    const char *from = bytes;

    while (size > 0) {
        void *where;
        size_t part = connection_wants(conn, &where);
        if (part > size)
            part = size;
        memcpy(where, from, part);
        from += part;
        size -= part;
        if (connection_got(conn, part) < 0)
            return false;
    }
    return true;
}

static void one_request(struct store *store, struct connection *conn, const uint8_t *bytes,
                        size_t size)
{
    struct xsd_sockmsg header = {
        .type = bytes[1] % (XS_TYPE_COUNT + 2), .tx_id = bytes[2] % 8, .len = (uint32_t)size};

    if (!feed(conn, &header, sizeof(header)) || !feed(conn, bytes + 4, size)) {
        connection_reset(conn);
        if (conn->is_ring)
            state_reset(store, conn->transport);
    }
    state_commit(store);
    if (!connection_may_ask(conn) || bytes[2] & 0x80)
        drain(conn);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const uint16_t domids[CLIENTS] = {0, 5, 6};
    struct store *store = record_begin();
    struct connection *clients[CLIENTS] = {connection_new(store, domids[0], false)};

    for (unsigned i = 1; i < CLIENTS; i++) {
        struct domain *domain = domain_new(store, domids[i]);
        state_domain(store, domain);
        state_reset(store, domain);
        clients[i] = domain->conn;
    }
    state_commit(store);
    while (size >= 4) {
        size_t length = data[0] & 0x80 ? data[3] * 16u : data[3];
        if (length > size - 4)
            length = size - 4;
        one_request(store, clients[(data[0] & 0x7f) % CLIENTS], data, length);
        data += 4 + length;
        size -= 4 + length;
    }
    demand(store_check(store));
    record_end(record_restart(store));
    return 0;
}

/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Fuzzing of the store's protocol: the input is a sequence of requests of three clients, one of
 * them the control domain's. After each input the store must be in order. With clang:
 *   clang -g -fsanitize=fuzzer,address,undefined -DSTORE_LIBFUZZER -D_GNU_SOURCE -Itoolstack -I. \
 *       tests/fuzz/fuzz_store.c and the sources that tests/unit/test_pvstored_fuzz.c names
 * That test runs it for a bounded number of random inputs.
 *
 * A request of the input: a byte for the client, one for its type, one for its transaction, one for
 * the number of bytes that follow (a multiple of it, if the client byte's high bit is set).
 */
#include "tests/fuzz/fuzz_store.h"

#include <stdlib.h>
#include <string.h>

#include "store/store.h"

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

static void one_request(struct connection *conn, const uint8_t *bytes, size_t size)
{
    struct xsd_sockmsg header = {
        .type = bytes[1] % (XS_TYPE_COUNT + 2), .tx_id = bytes[2] % 8, .len = (uint32_t)size};

    if (!feed(conn, &header, sizeof(header)) || !feed(conn, bytes + 4, size))
        connection_reset(conn);
    if (!connection_may_ask(conn) || bytes[2] & 0x80)
        drain(conn);
}

int fuzz_store(const uint8_t *data, size_t size)
{
    static const uint16_t domids[CLIENTS] = {0, 5, 6};
    struct store store;
    struct connection *clients[CLIENTS];

    store_init(&store);
    for (unsigned i = 0; i < CLIENTS; i++)
        clients[i] = connection_new(&store, domids[i], i != 0);
    while (size >= 4) {
        size_t length = data[0] & 0x80 ? data[3] * 16u : data[3];
        if (length > size - 4)
            length = size - 4;
        one_request(clients[(data[0] & 0x7f) % CLIENTS], data, length);
        data += 4 + length;
        size -= 4 + length;
    }
    bool good = store_check(&store);
    store_destroy(&store);
    if (!good)
        abort();
    return 0;
}

#ifdef STORE_LIBFUZZER
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    return fuzz_store(data, size);
}
#endif

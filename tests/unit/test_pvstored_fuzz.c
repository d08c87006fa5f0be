/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The store's protocol under random requests (tests/fuzz/fuzz_store.c): random bytes, and requests
 * put together from paths and words that mean something. SEED= repeats a run.
 *
 * links: tests/unit/host.c tests/fuzz/fuzz_store.c
 * links: toolstack/store/commit.c toolstack/store/connection.c
 * links: toolstack/store/control.c toolstack/store/domain.c toolstack/store/journal.c
 * links: toolstack/store/memory.c toolstack/store/operations.c toolstack/store/path.c
 * links: toolstack/store/perms.c toolstack/store/protocol.c toolstack/store/restore.c
 * links: toolstack/store/state.c toolstack/store/store.c toolstack/store/transaction.c
 * links: toolstack/store/tree.c toolstack/store/view.c toolstack/store/watch.c
 * links: toolstack/common/message.c
 */
#include "tap.h"

#include <time.h>

#include "tests/fuzz/fuzz_store.h"

#define INPUTS   1500
#define REQUESTS 200

static const char *const words[] = {"/",
                                    "/a",
                                    "/a/b",
                                    "/a/b/c",
                                    "a",
                                    "a/b",
                                    "/local/domain/5",
                                    "/local/domain/5/x",
                                    "T",
                                    "F",
                                    "n5",
                                    "b6",
                                    "r0",
                                    "n0",
                                    "@releaseDomain",
                                    "@introduceDomain",
                                    "0",
                                    "5",
                                    "check",
                                    "quota",
                                    "",
                                    "token",
                                    "set",
                                    "nodes",
                                    "help",
                                    "1000000",
                                    "//",
                                    "32752"};

static uint64_t seed;

static unsigned pick(unsigned limit)
{
    seed = seed * 6364136223846793005u + 1442695040888963407u;
    return (unsigned)(seed >> 33) % limit;
}

static size_t request(uint8_t *to)
{
    size_t size = 0;

    to[0] = (uint8_t)pick(128);
    to[1] = (uint8_t)pick(256);
    to[2] = (uint8_t)pick(256);
    for (unsigned parts = pick(4); parts > 0; parts--) {
        const char *word = words[pick(sizeof(words) / sizeof(words[0]))];
        memcpy(to + 4 + size, word, strlen(word) + 1);
        size += strlen(word) + 1;
    }
    if (size > 0 && pick(10) == 0)
        to[4 + pick((unsigned)size)] = (uint8_t)pick(256);
    to[3] = (uint8_t)size;
    return 4 + size;
}

int main(void)
{
    static uint8_t bytes[REQUESTS * 256];

    seed = getenv("SEED") != NULL ? strtoull(getenv("SEED"), NULL, 0) : (uint64_t)time(NULL);
    diag("SEED=%" PRIu64, seed);
    /* What the store logs of requests, if that is switched on, is of no interest. */
    if (freopen("/dev/null", "w", stderr) == NULL)
        bail_out("no /dev/null");
    for (unsigned input = 0; input < INPUTS; input++) {
        size_t size = 0;
        for (unsigned i = 0; i < REQUESTS; i++)
            size += request(bytes + size);
        fuzz_store(bytes, size);
        for (unsigned i = 0; i < 4096; i++)
            bytes[i] = (uint8_t)pick(256);
        fuzz_store(bytes, 4096);
    }
    pass("%u inputs", 2 * INPUTS);
    return done();
}

/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A guest without Linux: fills its disk (51712, xvda) with a pattern, reads it back, asks by its
 * card who has 10.0.0.1 (ARP, RFC 826), and writes into the node data/disknet what came of it.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <pv/block.h>
#include <pv/clock.h>
#include <pv/net.h>
#include <pv/xenstore.h>

#define CHUNK 64u /* sectors */

static const char *use_disk(void)
{
    struct block *block;
    struct block_info info;

    if (block_open(&block, 51712) || block_info(block, &info))
        return "the disk cannot be opened";
    size_t words = CHUNK * info.sector_size / sizeof(uint64_t);
    uint64_t *buffer = malloc(words * sizeof(*buffer));
    for (unsigned pass = 0; pass < 2; pass++)
        for (uint64_t sector = 0; sector + CHUNK <= info.sectors; sector += CHUNK) {
            for (size_t i = 0; pass == 0 && i < words; i++)
                buffer[i] = sector << 16 | i;
            if (pass == 0 ? block_write(block, sector, buffer, CHUNK)
                          : block_read(block, sector, buffer, CHUNK))
                return pass == 0 ? "a write fails" : "a read fails";
            for (size_t i = 0; pass == 1 && i < words; i++)
                if (buffer[i] != (sector << 16 | i))
                    return "what is read is not what was written";
            if (pass == 0 && sector + 2 * CHUNK > info.sectors && block_flush(block))
                return "the flush fails";
        }
    free(buffer);
    block_close(block);
    return NULL;
}

static const char *use_card(void)
{
    static const uint8_t question[] = {0, 1, 8, 0, 6, 4, 0, 1}, asked[] = {10, 0, 0, 1};
    uint8_t frame[NET_FRAME_MAX] = {0}, mac[6];
    uint64_t end = monotonic_ns() + 60 * NS_PER_SEC;
    struct net *net;
    unsigned size;

    if (net_open(&net, 0))
        return "the card cannot be opened";
    net_mac(net, mac);
    while (monotonic_ns() < end) {
        memset(frame, 0xff, 6);
        memcpy(frame + 6, mac, 6);
        memcpy(frame + 12, "\x08\x06", 2);
        memcpy(frame + 14, question, sizeof(question));
        memcpy(frame + 22, mac, 6);
        memcpy(frame + 28, (const uint8_t[]){10, 0, 0, 77}, 4);
        memset(frame + 32, 0, 6);
        memcpy(frame + 38, asked, sizeof(asked));
        if (net_send(net, frame, 60))
            return "a frame cannot be sent";
        while (net_receive(net, frame, &size, monotonic_ns() + NS_PER_SEC) == 0)
            if (size >= 42 && memcmp(frame + 12, "\x08\x06", 2) == 0 && frame[21] == 2 &&
                memcmp(frame + 28, asked, sizeof(asked)) == 0)
                return NULL;
    }
    return "nobody answers";
}

int main(void)
{
    const char *fault = use_disk();

    if (fault == NULL)
        fault = use_card();
    xenstore_write(0, "data/disknet", fault ? fault : "good");
    for (;;)
        sleep_ns(NS_PER_SEC);
}

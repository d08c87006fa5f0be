/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A guest that fills its rings with rubbish (E12): store, console, and those of its disk and its
 * network card once these are connected. What it shares is what its grant table says, so every page
 * that the control domain may use is written to, indices and requests alike, and every port is sent
 * events. It goes on until it is destroyed. On the way: data/state in the store, "connected" and
 * then nothing more.
 */
#include <stdlib.h>
#include <string.h>

#include <pv/block.h>
#include <pv/clock.h>
#include <pv/event.h>
#include <pv/grant.h>
#include <pv/memory.h>
#include <pv/net.h>
#include <pv/start.h>
#include <pv/xenstore.h>

#define DISK   51712u
#define PORTS  32u
#define HEADER 16u /* words at a ring's start that are indices, mostly */
#define WORDS  (PAGE_SIZE / 4)

static uint32_t any_number(void)
{
    static uint64_t state = 88172645463325252ull;
    state ^= state << 13;
    state ^= state >> 7;
    state ^= state << 17;
    return (uint32_t)(state >> 32);
}

/* Indices that wrap, that are far away, that are next to what was there. */
static uint32_t rubbish(uint32_t old)
{
    switch (any_number() % 6) {
    case 0:
        return old + any_number() % 64;
    case 1:
        return old - any_number() % 64;
    case 2:
        return 0x7fffffffu + any_number() % 3;
    case 3:
        return 0xffffffffu;
    default:
        return any_number();
    }
}

static void spoil(volatile uint32_t *page)
{
    unsigned words = any_number() % 2 ? HEADER : WORDS;
    for (unsigned i = 0; i < 8; i++) {
        volatile uint32_t *at = &page[any_number() % words];
        *at = rubbish(*at);
    }
    if (any_number() % 16 == 0) {
        for (unsigned i = 0; i < WORDS; i++)
            page[i] = any_number();
    }
}

static void spoil_all(void)
{
    const grant_entry_v1_t *table = grant_table();
    unsigned count = grant_entries();
    for (unsigned ref = 0; ref < count; ref++) {
        unsigned long pfn =
            table[ref].flags & GTF_permit_access ? mfn_to_pfn(table[ref].frame) : ~0ul;
        if (pfn < nr_pages)
            spoil(pfn_to_virt(pfn));
    }
}

int main(void)
{
    static char buffer[4096], frame[64];
    struct block *disk = NULL;
    struct net *net = NULL;
    if (block_open(&disk, DISK) == 0)
        block_write(disk, 0, buffer, 1);
    memset(frame, 0xff, 6);
    if (net_open(&net, 0) == 0)
        net_send(net, frame, sizeof(frame));
    xenstore_write(0, "data/state", disk && net ? "connected" : "not connected");
    events_disable();
    for (;;) {
        spoil_all();
        for (evtchn_port_t port = 1; port < PORTS; port++)
            event_send(port);
        sleep_ns(200000);
    }
}

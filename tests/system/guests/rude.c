/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A guest that does not treat its back-ends as a front-end should. Its disk is 51712 (xvda), its
 * card 0. What it does is its first argument:
 *   mute      connects both, and never answers again
 *   rubbish   writes rubbish into the nodes of both, and random states, without end
 *   vanish    removes its directories
 *   ring      connects both, then sends random requests, in the end more than a ring holds
 * The node data/rude says "done" when it has come as far as it goes.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <pv/block.h>
#include <pv/clock.h>
#include <pv/event.h>
#include <pv/grant.h>
#include <pv/memory.h>
#include <pv/net.h>
#include <pv/xenstore.h>
#include <xen/io/blkif.h>
#include <xen/io/netif.h>
#include <xen/io/protocols.h>
#include <xen/io/xenbus.h>

#define VBD "device/vbd/51712"
#define VIF "device/vif/0"

static uint64_t seed = 88172645463325252ull;

/* xorshift: the same at each run. */
static uint32_t any(void)
{
    seed ^= seed << 13;
    seed ^= seed >> 7;
    seed ^= seed << 17;
    return (uint32_t)(seed >> 32);
}

static void done(void)
{
    xenstore_write(0, "data/rude", "done");
}

static void sleep_for_ever(void)
{
    done();
    for (;;)
        sleep_ns(NS_PER_SEC);
}

static void mute(void)
{
    struct block *block;
    struct net *net;

    if (block_open(&block, 51712) || net_open(&net, 0))
        xenstore_write(0, "data/rude", "failed");
    else
        sleep_for_ever();
}

static const char *rubbish_value(char text[40])
{
    static const char *const values[] = {
        "", "0", "-1", "9", "4294967295", "18446744073709551616", "4x", "../../0", "\377\376"};
    uint32_t n = any() % 12;

    if (n < sizeof(values) / sizeof(values[0]))
        return values[n];
    snprintf(text, 40, "%u", (unsigned)any());
    return text;
}

static void rubbish(void)
{
    static const char *const names[] = {
        "state",          "ring-ref",        "event-channel",
        "protocol",       "tx-ring-ref",     "rx-ring-ref",
        "backend",        "backend-id",      "event-channel-tx",
        "feature-sg",     "request-rx-copy", "multi-queue-num-queues",
        "ring-page-order"};
    char path[80], text[40];

    for (unsigned i = 0;; i++) {
        snprintf(path, sizeof(path), "%s/%s", any() & 1 ? VBD : VIF,
                 names[any() % (sizeof(names) / sizeof(names[0]))]);
        xenstore_write(0, path, rubbish_value(text));
        xenstore_printf(0, any() & 1 ? VBD "/state" : VIF "/state", "%u", (unsigned)any() % 9);
        if (i == 100)
            done();
        sleep_ns(2000000);
    }
}

/* ---- Rings -------------------------------------------------------------------------------- */

/* The first words of a ring of any kind (xen/io/ring.h). */
struct ring {
    uint32_t req_prod, req_event, rsp_prod, rsp_event;
    uint8_t private[48];
    uint8_t entries[PAGE_SIZE - 64];
};

static struct ring *offer_ring(const char *front, const char *name)
{
    struct ring *ring = page_alloc();
    char path[80];

    if (ring == NULL)
        abort();
    ring->req_event = ring->rsp_event = 1;
    snprintf(path, sizeof(path), "%s/%s", front, name);
    xenstore_printf(0, path, "%u", grant_give(0, ring, false));
    return ring;
}

static evtchn_port_t offer_port(const char *front)
{
    char path[80];
    evtchn_port_t port = (evtchn_port_t)event_alloc_unbound(0, NULL, NULL);

    snprintf(path, sizeof(path), "%s/event-channel", front);
    xenstore_printf(0, path, "%u", port);
    return port;
}

/* Polls: what it waits for may never come, as it is rude in other ways, too. */
static void wait_backend(const char *front, int least)
{
    char path[80], *backend;
    int state = 0;

    snprintf(path, sizeof(path), "%s/backend", front);
    if (xenstore_read(0, path, &backend, NULL))
        abort();
    snprintf(path, sizeof(path), "%s/state", backend);
    while (xenstore_scanf(0, path, 1, "%d", &state) || state < least)
        sleep_ns(10000000);
    free(backend);
}

static void send_rubbish(struct ring *ring, evtchn_port_t port)
{
    for (size_t i = 0; i < sizeof(ring->entries); i++)
        ring->entries[i] = (uint8_t)any();
    __atomic_store_n(&ring->req_prod, ring->req_prod + 1 + any() % 8, __ATOMIC_RELEASE);
    event_send(port);
    sleep_ns(1000000);
}

static void rings(void)
{
    struct ring *disk, *transmit;
    evtchn_port_t disk_port, port;

    wait_backend(VBD, XenbusStateInitWait);
    wait_backend(VIF, XenbusStateInitWait);
    disk = offer_ring(VBD, "ring-ref");
    disk_port = offer_port(VBD);
    xenstore_write(0, VBD "/protocol", XEN_IO_PROTO_ABI_X86_64);
    transmit = offer_ring(VIF, "tx-ring-ref");
    offer_ring(VIF, "rx-ring-ref");
    port = offer_port(VIF);
    xenstore_write(0, VIF "/request-rx-copy", "1");
    xenstore_write(0, VBD "/state", "3");
    xenstore_write(0, VIF "/state", "4");
    wait_backend(VBD, XenbusStateConnected);
    xenstore_write(0, VBD "/state", "4");
    wait_backend(VIF, XenbusStateConnected);
    for (unsigned i = 0; i < 200; i++) {
        send_rubbish(disk, disk_port);
        send_rubbish(transmit, port);
    }
    disk->req_prod += 1u << 20;
    transmit->req_prod += 1u << 20;
    event_send(disk_port);
    event_send(port);
    sleep_for_ever();
}

int main(int argc, char **argv)
{
    const char *what = argc > 1 ? argv[1] : "";

    if (!strcmp(what, "mute"))
        mute();
    else if (!strcmp(what, "rubbish"))
        rubbish();
    else if (!strcmp(what, "ring"))
        rings();
    else if (!strcmp(what, "vanish"))
        xenstore_remove(0, "device");
    sleep_for_ever();
}

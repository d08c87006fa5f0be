/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The library's network card (pv/net.h), against a back-end that this program plays: it sends back
 * each frame that it gets, copied into the buffers that the card offers. Frames come back as they
 * were sent, through many turns of both rings; frames in parts, too long or too short ones are
 * passed over; a back-end that breaks the rules of the rings ends the use of the device.
 *
 * test: vcpus=1,4 limit=60
 */
#include <errno.h>
#include <stdlib.h>

#include <pv/clock.h>
#include <pv/net.h>
#include <xen/io/netif.h>
#include <xen/io/xenbus.h>

#include "grants.h"
#include "played_store.h"

#define ENTRIES 256u /* of both rings */

enum card_mischief {
    GOOD,
    SILENT,    /* takes frames, and sends nothing back */
    BAD_TX_ID, /* says that a frame was sent which is none */
    BAD_TX_INDEX,
    BAD_RX_ID,
    BAD_RX_INDEX,
    BAD_RX_OFFSET, /* a frame that would lie outside its page */
    BAD_RX_SIZE,
    TOO_LONG_FRAME, /* in its page, but no Ethernet frame */
    SHORT_FRAME,
    PARTS, /* a frame in two buffers */
    LEAVES,
};

static domid_t own;
static struct {
    unsigned id;
    enum card_mischief mischief;
    struct netif_tx_sring *tx;
    struct netif_rx_sring *rx;
    grant_handle_t tx_handle, rx_handle;
    evtchn_port_t port;
    uint32_t tx_cons, tx_prod, rx_cons, rx_prod;
    unsigned frames, no_buffer;
} back;

/* ---- The back-end -------------------------------------------------------------------------- */

static void set_node(const char *format, const char *name, const char *value)
{
    char path[96];

    snprintf(path, sizeof(path), format, back.id, name);
    store_set(path, value);
}

static void set_back(const char *name, const char *value)
{
    set_node("back/%u/%s", name, value);
}

static unsigned front_number(const char *name)
{
    char path[96];
    const char *value;

    snprintf(path, sizeof(path), "device/vif/%u/%s", back.id, name);
    value = store_get(path);
    return value ? (unsigned)strtoul(value, NULL, 10) : 0;
}

static void rx_respond(uint16_t id, unsigned offset, int status, unsigned flags)
{
    struct netif_rx_response answer = {
        .id = id, .offset = (uint16_t)offset, .status = (int16_t)status, .flags = (uint16_t)flags};

    switch (back.mischief) {
    case BAD_RX_ID:
        answer.id ^= 1;
        break;
    case BAD_RX_OFFSET:
        answer.offset = 4090;
        break;
    case BAD_RX_SIZE:
        answer.status = 0x7fff;
        break;
    case TOO_LONG_FRAME:
        answer.status = NET_FRAME_MAX + 1;
        break;
    case SHORT_FRAME:
        answer.status = 13;
        break;
    default:
        break;
    }
    back.rx->ring[back.rx_prod++ % ENTRIES].rsp = answer;
}

/* Into the next buffer that the card has offered. */
static void deliver(const char *frame, unsigned size)
{
    struct netif_rx_request request;
    grant_handle_t handle;
    char *page;
    bool parts = back.mischief == PARTS;

    for (int part = 0; part < (parts ? 2 : 1); part++) {
        if (back.rx_cons == back.rx->req_prod) {
            back.no_buffer++;
            return;
        }
        request = back.rx->ring[back.rx_cons++ % ENTRIES].req;
        page = grant_map(own, request.gref, false, &handle, NULL);
        if (!page)
            return;
        memcpy(page + 64, frame, size);
        (void)grant_unmap(page, handle);
        rx_respond(request.id, 64, (int)size, parts && part == 0 ? NETRXF_more_data : 0);
    }
}

static void take_frame(const struct netif_tx_request *request)
{
    struct netif_tx_response answer = {.id = request->id, .status = NETIF_RSP_OKAY};
    grant_handle_t handle;
    char *page = grant_map(own, request->gref, false, &handle, NULL);

    back.frames++;
    if (page && request->offset + request->size <= (int)PAGE_SIZE && back.mischief != SILENT)
        deliver(page + request->offset, request->size);
    if (page)
        (void)grant_unmap(page, handle);
    if (back.mischief == BAD_TX_ID)
        answer.id = 999;
    back.tx->ring[back.tx_prod++ % ENTRIES].rsp = answer;
}

static void card_handler(evtchn_port_t port, void *unused)
{
    (void)port;
    (void)unused;
    if (back.mischief == LEAVES) {
        set_back("state", "5");
        return;
    }
    while (back.tx_cons != __atomic_load_n(&back.tx->req_prod, __ATOMIC_SEQ_CST)) {
        struct netif_tx_request request = back.tx->ring[back.tx_cons++ % ENTRIES].req;

        take_frame(&request);
    }
    back.tx->req_event = back.tx_cons + 1;
    back.tx->rsp_prod = back.tx_prod + (back.mischief == BAD_TX_INDEX ? 1000 : 0);
    back.rx->rsp_prod = back.rx_prod + (back.mischief == BAD_RX_INDEX ? 1000 : 0);
    (void)event_send(back.port);
}

static void card_written(const char *path, const char *value)
{
    if (!strstr(path, "/state"))
        return;
    if (atoi(value) == XenbusStateConnected) {
        back.tx = grant_map(own, front_number("tx-ring-ref"), false, &back.tx_handle, NULL);
        back.rx = grant_map(own, front_number("rx-ring-ref"), false, &back.rx_handle, NULL);
        back.port = (evtchn_port_t)event_bind_interdomain(own, front_number("event-channel"),
                                                          card_handler, NULL);
        set_back("state", "4");
    } else if (atoi(value) == XenbusStateClosing && back.tx) {
        (void)grant_unmap(back.tx, back.tx_handle);
        (void)grant_unmap(back.rx, back.rx_handle);
        (void)event_close(back.port);
        back.tx = NULL;
        set_back("state", "6");
    }
}

static int plug(unsigned id, struct net **net)
{
    char value[32];

    memset(&back, 0, sizeof(back));
    back.id = id;
    set_back("feature-rx-copy", "1");
    set_back("state", "2");
    snprintf(value, sizeof(value), "%u", own);
    set_node("device/vif/%u/%s", "backend-id", value);
    snprintf(value, sizeof(value), "back/%u", id);
    set_node("device/vif/%u/%s", "backend", value);
    set_node("device/vif/%u/%s", "mac", "00:16:3e:0a:0b:ff");
    store_play.written = card_written;
    return net_open(net, id);
}

/* ---- Honest back-ends ---------------------------------------------------------------------- */

static char sent[NET_FRAME_MAX], got[NET_FRAME_MAX];

static uint64_t soon(void)
{
    return monotonic_ns() + NS_PER_SEC / 50;
}

static bool echo(struct net *n, unsigned size)
{
    unsigned back_size = 0;

    for (unsigned i = 0; i < size; i++)
        sent[i] = (char)random_u64();
    memset(got, 0, sizeof(got));
    return net_send(n, sent, size) == 0 && net_receive(n, got, &back_size, soon()) == 0 &&
           back_size == size && checksum(got, size) == checksum(sent, size);
}

static void test_echo(struct net *n)
{
    unsigned wrong = 0, size;

    ok(echo(n, 14), "the shortest frame: comes back");
    ok(echo(n, NET_FRAME_MAX), "the longest frame: comes back");
    for (unsigned i = 0; i < 600; i++)
        wrong += !echo(n, 14 + (unsigned)random_below(NET_FRAME_MAX - 13));
    is(wrong, 0, "600 frames, more than the rings hold: all come back");
    for (unsigned i = 0; i < 20; i++)
        wrong += net_send(n, sent, 100 + i) != 0;
    for (unsigned i = 0; i < 20; i++)
        wrong += net_receive(n, got, &size, soon()) != 0 || size != 100 + i;
    is(wrong, 0, "20 frames at once: come back in order");
    is(net_receive(n, got, &size, soon()), ETIMEDOUT, "nothing to receive: ETIMEDOUT");
    is(net_send(n, sent, 13), EINVAL, "a frame that is too short: EINVAL");
    is(net_send(n, sent, NET_FRAME_MAX + 1), EINVAL, "a frame that is too long: EINVAL");
}

/* Frames that the card did not ask for. */
static void test_odd_frames(struct net *n)
{
    static const struct {
        enum card_mischief mischief;
        const char *what;
    } odd[] = {{TOO_LONG_FRAME, "a long frame"},
               {SHORT_FRAME, "a short frame"},
               {PARTS, "a frame in parts"}};
    unsigned size;

    for (unsigned i = 0; i < sizeof(odd) / sizeof(odd[0]); i++) {
        back.mischief = odd[i].mischief;
        (void)net_send(n, sent, 60);
        is(net_receive(n, got, &size, soon()), ETIMEDOUT, "%s: passed over", odd[i].what);
        back.mischief = GOOD;
        ok(echo(n, 60), "%s: the next one comes", odd[i].what);
    }
}

/* Nobody fetches frames: the back-end runs out of buffers, and the card goes on. */
static void test_not_fetched(struct net *n)
{
    unsigned size, frames = 0;

    for (unsigned i = 0; i < 200; i++)
        (void)net_send(n, sent, 64);
    ok(back.no_buffer > 0, "200 frames not fetched: the back-end runs out of buffers");
    while (net_receive(n, got, &size, soon()) == 0)
        frames++;
    is(frames, 200 - back.no_buffer, "200 frames not fetched: those that fitted are there");
    ok(echo(n, 64), "200 frames not fetched: it works still");
}

static void test_honest(void)
{
    static const uint8_t mac[6] = {0x00, 0x16, 0x3e, 0x0a, 0x0b, 0xff};
    unsigned long before = pages_free_count();
    uint8_t its[6];
    struct net *n;

    if (!ok(plug(1, &n) == 0, "open: works"))
        return;
    net_mac(n, its);
    ok(memcmp(its, mac, 6) == 0, "its address is the store's");
    test_echo(n);
    test_odd_frames(n);
    test_not_fetched(n);
    net_close(n);
    ok(before - pages_free_count() < 8, "close: pages are free again");
}

/* ---- Others -------------------------------------------------------------------------------- */

static void test_hostile(unsigned id, enum card_mischief mischief, const char *what)
{
    struct net *n;
    unsigned size;
    int error;

    if (!ok(plug(id, &n) == 0, "%s: open", what))
        return;
    back.mischief = mischief;
    error = net_send(n, sent, 60);
    if (error == 0 && (mischief == BAD_TX_ID || mischief == BAD_TX_INDEX))
        error = net_send(n, sent, 60);
    else if (error == 0)
        error = net_receive(n, got, &size, monotonic_ns() + 3 * NS_PER_SEC);
    is(error, EIO, "%s: EIO", what);
    back.mischief = GOOD;
    is(net_receive(n, got, &size, soon()), EIO, "%s: and for ever", what);
    net_close(n);
}

int main(int argc, char **argv)
{
    struct net *n;

    random_start(argc, argv);
    own = own_domain();
    store_start(own);
    test_honest();
    is(net_open(&n, 99), ENOENT, "open of no device: ENOENT");
    test_hostile(10, BAD_TX_ID, "sent what was not");
    test_hostile(11, BAD_TX_INDEX, "sent more than there was");
    test_hostile(12, BAD_RX_ID, "received into another buffer");
    test_hostile(13, BAD_RX_INDEX, "received more than buffers");
    test_hostile(14, BAD_RX_OFFSET, "received across the page's end");
    test_hostile(15, BAD_RX_SIZE, "received more than a page");
    test_hostile(16, LEAVES, "a back-end that goes");
    return done();
}

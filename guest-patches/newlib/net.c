/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The front-end of a network card (xen/io/netif.h). Owns two rings and the pages behind them, which
 * stay granted as long as the device is open; the back-end copies into those of the receive ring.
 *
 * Receiving: BUFFERS requests are always outstanding, in order, and a back-end answers in order: so
 * the buffer of an answer is its position in the ring modulo BUFFERS, and nothing that the answer
 * says has to be looked up. Sending: answers come in any order; a buffer is busy until its own.
 *
 * Whatever an answer says is checked; what cannot be ends the use of the device: EIO.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <pv/clock.h>
#include <pv/memory.h>
#include <pv/net.h>
#include <xen/io/netif.h>

#include "xenbus.h"

#define BUFFERS   64u /* each way */
#define FRAME_MIN 14u /* Ethernet's header */

#define RING_ENTRIES(type)                                                                         \
    ((unsigned)__RD32((PAGE_SIZE - offsetof(struct type##_sring, ring)) /                          \
                      sizeof(union type##_sring_entry)))
#define TX_ENTRIES RING_ENTRIES(netif_tx)
#define RX_ENTRIES RING_ENTRIES(netif_rx)
_Static_assert(BUFFERS <= TX_ENTRIES && BUFFERS <= RX_ENTRIES, "no ring is ever overrun");

struct net {
    struct xenbus_device bus;
    struct xenbus_page tx_page, rx_page;
    struct netif_tx_sring *tx;
    struct netif_rx_sring *rx;
    uint32_t tx_prod, tx_cons, rx_prod, rx_cons;
    struct xenbus_page tx_buffers[BUFFERS], rx_buffers[BUFFERS];
    bool tx_busy[BUFFERS];
    bool broken;
    /* Answers to be thrown away: the rest of a frame in several parts, extra information. */
    bool in_frame, in_extra;
    uint8_t mac[6];
};

/* ---- Receiving ----------------------------------------------------------------------------- */

/* Gives the buffers that have been emptied to the back-end again. */
static void fill_rx(struct net *n)
{
    uint32_t old = n->rx_prod;

    for (; n->rx_prod - n->rx_cons < BUFFERS; n->rx_prod++) {
        struct netif_rx_request request = {
            .id = (uint16_t)(n->rx_prod % BUFFERS),
            .gref = n->rx_buffers[n->rx_prod % BUFFERS].ref,
        };

        n->rx->ring[n->rx_prod % RX_ENTRIES].req = request;
    }
    if (n->rx_prod == old)
        return;
    __atomic_store_n(&n->rx->req_prod, n->rx_prod, __ATOMIC_SEQ_CST);
    if (ring_wants_notice(__atomic_load_n(&n->rx->req_event, __ATOMIC_SEQ_CST), old, n->rx_prod))
        xenbus_notify(&n->bus);
}

/*
 * Judges one answer: the size of a whole frame in one part, 0 for what is to be passed over, -1 for
 * what cannot be. Frames in several parts and extra information were not asked for.
 */
static int judge_rx(struct net *n, const struct netif_rx_response *answer)
{
    bool more = (answer->flags & NETRXF_more_data) != 0, first = !n->in_frame;

    if (n->in_extra) {
        const struct netif_extra_info *extra = (const void *)answer;

        n->in_extra = (extra->flags & XEN_NETIF_EXTRA_FLAG_MORE) != 0;
        return 0;
    }
    if (answer->id != n->rx_cons % BUFFERS)
        return -1;
    n->in_frame = more;
    n->in_extra = first && (answer->flags & NETRXF_extra_info);
    if (answer->status < 0)
        return 0;
    if (answer->offset + answer->status > (int)PAGE_SIZE)
        return -1;
    if (!first || more || answer->status < (int)FRAME_MIN || answer->status > NET_FRAME_MAX)
        return 0;
    return answer->status;
}

/* 1: a frame; 0: none is there; -1: broken. */
static int take_frame(struct net *n, void *frame, unsigned *size)
{
    while (true) {
        uint32_t prod = __atomic_load_n(&n->rx->rsp_prod, __ATOMIC_SEQ_CST);
        unsigned buffer = n->rx_cons % BUFFERS;
        struct netif_rx_response answer;
        int got;

        if (prod - n->rx_cons > n->rx_prod - n->rx_cons)
            return -1;
        if (prod == n->rx_cons)
            return 0;
        answer = *(volatile struct netif_rx_response *)&n->rx->ring[n->rx_cons % RX_ENTRIES].rsp;
        got = judge_rx(n, &answer);
        if (got < 0)
            return -1;
        if (got > 0) {
            memcpy(frame, (char *)n->rx_buffers[buffer].page + answer.offset, (size_t)got);
            *size = (unsigned)got;
        }
        n->rx_cons++;
        fill_rx(n);
        if (got > 0)
            return 1;
    }
}

int net_receive(struct net *n, void *frame, unsigned *size, uint64_t until)
{
    int got = 0, error;

    while (!n->broken && got == 0) {
        got = take_frame(n, frame, size);
        if (got != 0)
            break;
        __atomic_store_n(&n->rx->rsp_event, n->rx_cons + 1, __ATOMIC_SEQ_CST);
        got = take_frame(n, frame, size);
        if (got != 0)
            break;
        error = xenbus_wait(&n->bus, until);
        if (error == ETIMEDOUT)
            return error;
        n->broken = error != 0;
    }
    if (got < 0)
        n->broken = true;
    return n->broken ? EIO : 0;
}

/* ---- Sending ------------------------------------------------------------------------------- */

/* Buffers whose frames have been sent, or dropped, are free again. False: broken. */
static bool reap_tx(struct net *n)
{
    uint32_t prod = __atomic_load_n(&n->tx->rsp_prod, __ATOMIC_SEQ_CST);

    if (prod - n->tx_cons > n->tx_prod - n->tx_cons)
        return false;
    for (; n->tx_cons != prod; n->tx_cons++) {
        struct netif_tx_response answer =
            *(volatile struct netif_tx_response *)&n->tx->ring[n->tx_cons % TX_ENTRIES].rsp;

        if (answer.id >= BUFFERS || !n->tx_busy[answer.id])
            return false;
        n->tx_busy[answer.id] = false;
    }
    return true;
}

static unsigned idle_tx(const struct net *n)
{
    unsigned i = 0;

    while (i < BUFFERS && n->tx_busy[i])
        i++;
    return i;
}

/* A buffer to send from; BUFFERS: broken. */
static unsigned wait_tx(struct net *n)
{
    while (!n->broken) {
        unsigned i;

        if (!reap_tx(n))
            break;
        i = idle_tx(n);
        if (i < BUFFERS)
            return i;
        __atomic_store_n(&n->tx->rsp_event, n->tx_cons + 1, __ATOMIC_SEQ_CST);
        if (__atomic_load_n(&n->tx->rsp_prod, __ATOMIC_SEQ_CST) != n->tx_cons)
            continue;
        if (xenbus_wait(&n->bus, 0))
            break;
    }
    n->broken = true;
    return BUFFERS;
}

int net_send(struct net *n, const void *frame, unsigned size)
{
    struct netif_tx_request request = {.size = (uint16_t)size};
    uint32_t old = n->tx_prod;
    unsigned i;

    if (size < FRAME_MIN || size > NET_FRAME_MAX)
        return EINVAL;
    i = wait_tx(n);
    if (i == BUFFERS)
        return EIO;
    memcpy(n->tx_buffers[i].page, frame, size);
    n->tx_busy[i] = true;
    request.id = (uint16_t)i;
    request.gref = n->tx_buffers[i].ref;
    n->tx->ring[n->tx_prod++ % TX_ENTRIES].req = request;
    __atomic_store_n(&n->tx->req_prod, n->tx_prod, __ATOMIC_SEQ_CST);
    if (ring_wants_notice(__atomic_load_n(&n->tx->req_event, __ATOMIC_SEQ_CST), old, n->tx_prod))
        xenbus_notify(&n->bus);
    return 0;
}

/* ---- Opening ------------------------------------------------------------------------------- */

static bool share_pages(struct net *n)
{
    if (!xenbus_share(&n->bus, &n->tx_page) || !xenbus_share(&n->bus, &n->rx_page))
        return false;
    n->tx = n->tx_page.page;
    n->rx = n->rx_page.page;
    n->tx->req_event = n->tx->rsp_event = n->rx->req_event = n->rx->rsp_event = 1;
    for (unsigned i = 0; i < BUFFERS; i++)
        if (!xenbus_share(&n->bus, &n->tx_buffers[i]) || !xenbus_share(&n->bus, &n->rx_buffers[i]))
            return false;
    return true;
}

static int read_mac(struct net *n)
{
    unsigned part[6];
    char path[80];
    int error;

    snprintf(path, sizeof(path), "%s/mac", n->bus.path);
    error = xenstore_scanf(0, path, 6, "%2x:%2x:%2x:%2x:%2x:%2x", &part[0], &part[1], &part[2],
                           &part[3], &part[4], &part[5]);
    for (unsigned i = 0; i < 6 && error == 0; i++)
        n->mac[i] = (uint8_t)part[i];
    return error;
}

/* Copying into buffers of ours is the only way of receiving that back-ends still have. */
static int say_what_we_do(struct net *n)
{
    static const struct {
        const char *name;
        unsigned value;
    } features[] = {
        {"request-rx-copy", 1}, /* buffers are copied to, not exchanged */
        {"feature-rx-notify", 1}, {"feature-sg", 0},
        {"feature-gso-tcpv4", 0}, {"feature-no-csum-offload", 1},
    };
    int error = xenbus_write(&n->bus, "tx-ring-ref", n->tx_page.ref);

    if (error == 0)
        error = xenbus_write(&n->bus, "rx-ring-ref", n->rx_page.ref);
    if (error == 0)
        error = xenbus_offer_port(&n->bus);
    for (unsigned i = 0; i < sizeof(features) / sizeof(features[0]) && error == 0; i++)
        error = xenbus_write(&n->bus, features[i].name, features[i].value);
    return error;
}

static int connect(struct net *n, unsigned id)
{
    int error = xenbus_open(&n->bus, "vif", id);

    if (error == 0)
        error = read_mac(n);
    if (error)
        return error;
    if (xenbus_number(&n->bus, "feature-rx-copy", 0) != 1)
        return EOPNOTSUPP;
    if (!share_pages(n))
        return ENOMEM;
    error = say_what_we_do(n);
    if (error)
        return error;
    /* Before the back-end looks, which it does once it sees the state. */
    fill_rx(n);
    return xenbus_connect(&n->bus, XenbusStateConnected);
}

void net_close(struct net *n)
{
    xenbus_close(&n->bus);
    for (unsigned i = 0; i < BUFFERS; i++) {
        xenbus_unshare(&n->tx_buffers[i]);
        xenbus_unshare(&n->rx_buffers[i]);
    }
    xenbus_unshare(&n->tx_page);
    xenbus_unshare(&n->rx_page);
    free(n);
}

int net_open(struct net **net, unsigned id)
{
    struct net *n = calloc(1, sizeof(*n));
    int error;

    if (!n)
        return ENOMEM;
    error = connect(n, id);
    if (error)
        net_close(n);
    else
        *net = n;
    return error;
}

void net_mac(const struct net *n, uint8_t mac[6])
{
    memcpy(mac, n->mac, sizeof(n->mac));
}

/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What the files of the event-channel module share.
 *
 * Locking. A binding changes only with its domain's lock (RANK_EVTCHN; both domains' for a pair of
 * ports) and then the port's own lock (RANK_EVTCHN_PORT; both ports') held. So either of the two is
 * enough to read it. A sender takes just the port lock of the end that it sends from: while it
 * holds that, the other end stays bound, and the other end's domain alive. Structures of ports are
 * never freed before their domain, so a port is found without a lock.
 */
#ifndef CORE_EVTCHN_INTERNAL_H
#define CORE_EVTCHN_INTERNAL_H

#include "core/atomic.h"
#include "core/domain.h"

enum evtchn_state {
    EVTCHN_FREE, /* as fresh memory is */
    EVTCHN_RESERVED,
    EVTCHN_UNBOUND,
    EVTCHN_INTERDOMAIN,
    EVTCHN_PIRQ,
    EVTCHN_VIRQ,
    EVTCHN_IPI,
};

struct evtchn {
    struct spinlock lock;
    union {
        domid_t unbound_for;   /* EVTCHN_UNBOUND: who may connect */
        struct domain *remote; /* EVTCHN_INTERDOMAIN */
        uint32_t pirq;
        uint32_t virq;
    } u;
    uint32_t remote_port; /* EVTCHN_INTERDOMAIN */
    uint32_t port;
    uint8_t state; /* enum evtchn_state */
    uint8_t notify_vcpu;
    /* FIFO delivery alone: */
    uint8_t priority;  /* the queue of notify_vcpu that the next event joins */
    uint8_t raised;    /* an event came before the port had an event word */
    uint8_t last_vcpu; /* the queue that it joined last; these two stay when the port is closed, */
    uint8_t last_priority; /* and change under that vCPU's queue lock alone */
};
static_assert(sizeof(struct evtchn) <= 32 && MAX_VCPUS <= 256, "a port is half a cache line");

#define EVTCHN_PER_PAGE ((uint32_t)(PAGE_SIZE / sizeof(struct evtchn)))
#define EVTCHN_PAGES    (EVTCHN_FIFO_PORTS / EVTCHN_PER_PAGE)

struct evtchn_table {
    struct evtchn *page[EVTCHN_PAGES];
    uint8_t free[EVTCHN_PAGES]; /* ports of a page that are EVTCHN_FREE */
};
static_assert(EVTCHN_PER_PAGE <= UINT8_MAX, "free counts of a page are bytes");

/*
 * A delivery ABI. set_pending, clear_pending, unmask and is_pending are called with a lock that
 * keeps chn bound: its own port lock or its peer's (so with interrupts off).
 */
struct evtchn_delivery {
    const char *name;
    uint32_t ports;
    void (*init)(struct domain *d, struct evtchn *chn); /* chn is about to be bound */
    void (*set_pending)(struct domain *d, struct evtchn *chn);
    void (*clear_pending)(struct domain *d, struct evtchn *chn);
    void (*unmask)(struct domain *d, struct evtchn *chn);
    bool (*is_pending)(struct domain *d, const struct evtchn *chn);
    bool (*is_masked)(struct domain *d, const struct evtchn *chn);
    bool (*is_busy)(struct domain *d,
                    const struct evtchn *chn); /* too early to use the port anew */
};

extern const struct evtchn_delivery evtchn_2l, evtchn_fifo;

void evtchn_fifo_set_pending(struct domain *d, struct evtchn *chn);

/* The port of a guest's number; NULL when there is none. */
static inline struct evtchn *evtchn_from_port(const struct domain *d, uint32_t port)
{
    /* Pairs with the release in add_page(): what is counted is there. */
    uint32_t valid = atomic_load(&d->evtchn.nr_valid);

    if (port >= valid)
        return NULL;
    port = (uint32_t)array_index_nospec(port, valid);
    return &d->evtchn.table->page[port / EVTCHN_PER_PAGE][port % EVTCHN_PER_PAGE];
}

/*
 * Tell vCPUs in SCHEDOP_poll that the port is pending now. What made it so was a barrier (see
 * evtchn_poll_start()).
 */
void evtchn_wake_some_poller(struct domain *d, uint32_t port);

static inline void evtchn_wake_pollers(struct domain *d, uint32_t port)
{
    unsigned long some = 0;

    for (unsigned i = 0; i < BITMAP_LONGS(MAX_VCPUS); i++)
        some |= READ_ONCE(d->evtchn.pollers[i]);
    if (unlikely(some != 0))
        evtchn_wake_some_poller(d, port);
}

/* The domain's vCPU with a number from a guest; NULL when there is none. */
struct vcpu *evtchn_vcpu_by_id(const struct domain *d, uint32_t id);

static inline struct vcpu *evtchn_notified(const struct domain *d, const struct evtchn *chn)
{
    return d->vcpu[READ_ONCE(chn->notify_vcpu)];
}

static inline bool evtchn_usable(const struct evtchn *chn)
{
    return READ_ONCE(chn->state) > EVTCHN_RESERVED;
}

/* d's event lock held: an unused port, for evtchn_bind_port(). -XEN_ENOSPC, _ENOMEM, _EINVAL
 * (dying). */
int evtchn_find_free(struct domain *d, struct evtchn **chn) must_check;

/*
 * Take every lock under which an event may be sent to chn, and give them back. d's event lock held.
 * After evtchn_lock_senders(), whoever sends sees what was published before.
 */
unsigned long evtchn_lock_senders(struct evtchn *chn);
void evtchn_unlock_senders(struct evtchn *chn, unsigned long flags);

/* Give up FIFO delivery. d's event lock held (or d dying), no port bound. */
void evtchn_fifo_destroy(struct domain *d);
void evtchn_fifo_free(struct domain *d);

#endif

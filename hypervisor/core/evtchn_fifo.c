/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * FIFO delivery (xen/event_channel.h, "FIFO ABI", and the design "Event Channel ABI: FIFO" that
 * it comes from): an event word a port, in pages of the guest; sixteen queues a vCPU, one a
 * priority, linked through the event words; and a control block a vCPU with the queues' heads.
 *
 * All of that is the guest's to scribble in. What we know of a queue, its tail, is our own; event
 * words are changed by compare-and-exchange for a bounded number of times; a link is written and
 * never followed. The worst that a guest can do is lose its own events.
 *
 * An event is in one queue at most. That it is in one says LINKED of its word; in which one, the
 * port's last_vcpu and last_priority, under the lock of that vCPU's queues.
 */
#include <arch/memory.h>

#include "core/atomic.h"
#include "core/evtchn_internal.h"
#include "core/frame.h"
#include "core/hypercall.h"
#include "core/audit.h"
#include "core/lib.h"
#include "core/log.h"

#define PENDING (1u << EVTCHN_FIFO_PENDING)
#define MASKED  (1u << EVTCHN_FIFO_MASKED)
#define LINKED  (1u << EVTCHN_FIFO_LINKED)
#define BUSY    (1u << EVTCHN_FIFO_BUSY)

#define WORDS_PER_PAGE ((uint32_t)(PAGE_SIZE / sizeof(event_word_t)))
#define MAX_WORD_PAGES (EVTCHN_FIFO_PORTS / WORDS_PER_PAGE)

struct evtchn_fifo_domain {
    uint32_t nr_words;                  /* ports with an event word; grows only */
    event_word_t *page[MAX_WORD_PAGES]; /* guest frames, each with both references */
};

struct evtchn_fifo_vcpu {
    struct spinlock lock;                      /* RANK_EVTCHN_QUEUE */
    struct evtchn_fifo_control_block *control; /* in a guest frame, with both references; or NULL */
    uint32_t tail[EVTCHN_FIFO_MAX_QUEUES];     /* last event linked; 0: the queue is empty */
};

/* NULL: the guest has not given us that page yet. */
static event_word_t *word_of(const struct domain *d, uint32_t port)
{
    const struct evtchn_fifo_domain *f = d->evtchn.fifo;

    /* Pairs with the release in add_words(). */
    if (port >= atomic_load(&f->nr_words))
        return NULL;
    port = (uint32_t)array_index_nospec(port, EVTCHN_FIFO_PORTS);
    return &f->page[port / WORDS_PER_PAGE][port % WORDS_PER_PAGE];
}

/* ---- Linking an event into a queue --------------------------------------------------------- */

enum link_result { LINK_DONE, LINK_EMPTY, LINK_GIVEN_UP };

/*
 * Write `port` as the successor of the event that was linked last, if that is still in the queue.
 * BUSY forbids a guest to unmask meanwhile, so an honest one can make the exchange fail three
 * times: by masking, by clearing PENDING and by unlinking. The rest of the tries is for other
 * senders, who set PENDING.
 */
#define LINK_TRIES 16u

static enum link_result link_behind(event_word_t *tail, uint32_t port)
{
    event_word_t old = READ_ONCE(*tail);

    for (unsigned try = 0; try < LINK_TRIES; try++) {
        event_word_t linked = (old & ~(BUSY | EVTCHN_FIFO_LINK_MASK)) | port;

        if (!(old & LINKED)) {
            if (try)
                atomic_fetch_and(tail, ~BUSY);
            return LINK_EMPTY;
        }
        if (atomic_cas(tail, &old, linked))
            return LINK_DONE;
        if (try == 0)
            old = atomic_fetch_or(tail, BUSY) | BUSY;
    }
    atomic_fetch_and(tail, ~BUSY);
    return LINK_GIVEN_UP;
}

/*
 * The locks of v's queues and of those that the event was in last are held. Returns true when v
 * must be told.
 */
static inline __attribute__((always_inline)) bool append(struct domain *d, struct vcpu *v,
                                                         struct evtchn_fifo_vcpu *last,
                                                         struct evtchn *chn, event_word_t *word)
{
    struct evtchn_fifo_vcpu *q = v->evtchn.fifo;
    unsigned priority = READ_ONCE(chn->priority);
    uint32_t port = chn->port, bit = 1u << priority, tail;
    enum link_result result = LINK_EMPTY;

    /*
     * The event was taken out since it was linked last. Was it the tail then, so that queue is
     * empty now; and its word must not pass for that queue's end once it is linked in another.
     */
    if (last->tail[chn->last_priority] == port)
        last->tail[chn->last_priority] = 0;
    tail = q->tail[priority];
    if (tail)
        result = link_behind(word_of(d, tail), port);
    if (unlikely(result == LINK_GIVEN_UP)) {
        log_guest(LOG_WARNING, "port %u could not be queued", port);
        atomic_fetch_and(word, ~LINKED);
        return false;
    }
    q->tail[priority] = port;
    chn->last_priority = (uint8_t)priority;
    WRITE_ONCE(chn->last_vcpu, (uint8_t)v->id);
    if (result != LINK_EMPTY)
        return false;
    WRITE_ONCE(q->control->head[priority], port);
    return !(atomic_fetch_or(&q->control->ready, bit) & bit);
}

/*
 * Lock v's queues and those that the event was in last. The latter can change until they are
 * locked; a change is one more link, after an unlink by the guest, so only a hostile guest's event
 * moves again and again, and that one is dropped.
 */
#define LOCK_TRIES 8u

static struct spinlock *lock_queues(struct domain *d, struct vcpu *v, struct evtchn *chn)
{
    for (unsigned try = 0; try < LOCK_TRIES; try++) {
        uint8_t last = READ_ONCE(chn->last_vcpu);
        struct spinlock *other = &d->vcpu[last]->evtchn.fifo->lock;

        lock_pair(&v->evtchn.fifo->lock, other);
        if (chn->last_vcpu == last)
            return other;
        unlock_pair(&v->evtchn.fifo->lock, other);
    }
    log_guest(LOG_WARNING, "port %u keeps moving", chn->port);
    return NULL;
}

/* As below, for an event that moves to v's queues from another vCPU's. */
static bool __attribute__((noinline))
link_moved(struct domain *d, struct vcpu *v, struct evtchn *chn, event_word_t *word)
{
    struct spinlock *other = lock_queues(d, v, chn);
    bool raise = false;

    if (!other)
        return false;
    if (!(atomic_fetch_or(word, LINKED) & LINKED))
        raise = append(d, v, d->vcpu[chn->last_vcpu]->evtchn.fifo, chn, word);
    unlock_pair(&v->evtchn.fifo->lock, other);
    return raise;
}

/* Put the event into the queue of the vCPU that is notified, unless another sender does. */
static __attribute__((noinline)) void link_event(struct domain *d, struct evtchn *chn,
                                                 event_word_t *word)
{
    struct vcpu *v = evtchn_notified(d, chn);
    struct evtchn_fifo_vcpu *q = v->evtchn.fifo;
    bool raise = false;

    /* Not to be unmasked before the vCPU's control block is there: dropped, but stays pending. */
    if (!q || !atomic_load(&q->control))
        return;
    lock_inline(&q->lock);
    /* Only under that lock can it come from this vCPU's queues to another's. */
    if (unlikely(READ_ONCE(chn->last_vcpu) != v->id)) {
        unlock(&q->lock);
        raise = link_moved(d, v, chn, word);
    } else {
        if (!(atomic_fetch_or(word, LINKED) & LINKED))
            raise = append(d, v, q, chn, word);
        unlock(&q->lock);
    }
    if (raise)
        vcpu_raise_upcall(v);
}

/* ---- The delivery -------------------------------------------------------------------------- */

static void fifo_init(struct domain *d, struct evtchn *chn)
{
    (void)d;
    chn->priority = EVTCHN_FIFO_PRIORITY_DEFAULT;
    chn->raised = 0;
}

/*
 * PENDING is set before MASKED and LINKED are read, or by the same access. A guest that unmasks
 * reads PENDING after, one that unlinks looks at PENDING after: either it sees the event or we see
 * that it has to be linked.
 */
void evtchn_fifo_set_pending(struct domain *d, struct evtchn *chn)
{
    event_word_t *word = word_of(d, chn->port), old;

    if (unlikely(!word)) {
        WRITE_ONCE(chn->raised, 1);
        return;
    }
    old = atomic_fetch_or(word, PENDING);
    if (!(old & PENDING))
        evtchn_wake_pollers(d, chn->port);
    if (!(old & (MASKED | LINKED)))
        link_event(d, chn, word);
}

static void fifo_clear_pending(struct domain *d, struct evtchn *chn)
{
    event_word_t *word = word_of(d, chn->port);

    /* It may stay linked: the guest passes over what is not pending. */
    chn->raised = 0;
    if (word)
        atomic_fetch_and(word, ~PENDING);
}

static void fifo_unmask(struct domain *d, struct evtchn *chn)
{
    event_word_t *word = word_of(d, chn->port);

    if (word && (atomic_fetch_and(word, ~MASKED) & (PENDING | LINKED)) == PENDING)
        link_event(d, chn, word);
}

static bool fifo_is_pending(struct domain *d, const struct evtchn *chn)
{
    const event_word_t *word = word_of(d, chn->port);

    return word ? (READ_ONCE(*word) & PENDING) != 0 : READ_ONCE(chn->raised) != 0;
}

static bool fifo_is_masked(struct domain *d, const struct evtchn *chn)
{
    const event_word_t *word = word_of(d, chn->port);

    return !word || (READ_ONCE(*word) & MASKED);
}

/* A closed port that is still in a queue would be taken for the new one, at the wrong priority. */
static bool fifo_is_busy(struct domain *d, const struct evtchn *chn)
{
    const event_word_t *word = word_of(d, chn->port);

    return word && (READ_ONCE(*word) & LINKED);
}

const struct evtchn_delivery evtchn_fifo = {
    .name = "FIFO",
    .ports = EVTCHN_FIFO_PORTS,
    .init = fifo_init,
    .set_pending = evtchn_fifo_set_pending,
    .clear_pending = fifo_clear_pending,
    .unmask = fifo_unmask,
    .is_pending = fifo_is_pending,
    .is_masked = fifo_is_masked,
    .is_busy = fifo_is_busy,
};

/* ---- Guest frames -------------------------------------------------------------------------- */

/* Event words and control blocks are written by us, so their frame must be the guest's to write. */
static int hold_guest_frame(struct domain *d, uint64_t gfn)
{
    int ret = mfn_valid(MFN(gfn)) ? frame_get_both(MFN(gfn), d, FT_WRITABLE) : -XEN_EINVAL;

    return ret == 0 || ret == -XEN_ERESTART ? ret : -XEN_EINVAL;
}

static void put_mapped(const void *va)
{
    frame_put_both(virt_to_mfn(va));
}

/* ---- EVTCHNOP_init_control ----------------------------------------------------------------- */

static struct evtchn_fifo_vcpu *queues_of(struct vcpu *v)
{
    struct evtchn_fifo_vcpu *q = v->evtchn.fifo;

    if (q)
        return q;
    q = hv_new(v->domain, struct evtchn_fifo_vcpu);
    if (q) {
        lock_init(&q->lock, RANK_EVTCHN_QUEUE);
        atomic_store(&v->evtchn.fifo, q);
    }
    return q;
}

/*
 * From two-level to FIFO, with ports bound and events under way. A sender that found the old
 * delivery has a port lock until it is done: so after each port's senders have been locked out
 * once, its bit in the old bitmap is final.
 */
static int switch_to_fifo(struct domain *d)
{
    struct evtchn_fifo_domain *f;

    for_each_vcpu (d, v) {
        if (!queues_of(v))
            return -XEN_ENOMEM;
    }
    f = hv_new(d, struct evtchn_fifo_domain);
    if (!f)
        return -XEN_ENOMEM;
    d->evtchn.fifo = f;
    atomic_store(&d->evtchn.delivery, &evtchn_fifo);

    for (uint32_t port = 1; port < MIN(d->evtchn.nr_valid, EVTCHN_2L_PORTS); port++) {
        struct evtchn *chn = evtchn_from_port(d, port);
        unsigned long flags;

        if (!evtchn_usable(chn))
            continue;
        flags = evtchn_lock_senders(chn);
        chn->priority = EVTCHN_FIFO_PRIORITY_DEFAULT;
        if (evtchn_2l.is_pending(d, chn))
            chn->raised = 1;
        evtchn_unlock_senders(chn, flags);
    }
    return 0;
}

static int set_control(struct vcpu *v, void *control)
{
    struct domain *d = v->domain;
    int ret = 0;

    if (d->is_dying || (v->evtchn.fifo && v->evtchn.fifo->control))
        return -XEN_EINVAL;
    if (!d->evtchn.fifo)
        ret = switch_to_fifo(d);
    else if (!queues_of(v))
        ret = -XEN_ENOMEM;
    if (ret == 0)
        atomic_store(&v->evtchn.fifo->control, control);
    return ret;
}

long evtchn_init_control(struct vcpu *caller, struct evtchn_init_control *arg)
{
    struct domain *d = caller->domain;
    struct vcpu *v = evtchn_vcpu_by_id(d, arg->vcpu);
    uint32_t offset = arg->offset;
    const uint32_t last = (uint32_t)(PAGE_SIZE - sizeof(struct evtchn_fifo_control_block));
    int ret;

    if (!v)
        return -XEN_ENOENT;
    if (offset > last || offset % 8 != 0)
        return -XEN_EINVAL;
    offset = (uint32_t)array_index_nospec(offset, last + 1);
    ret = hold_guest_frame(d, arg->control_gfn);
    if (ret)
        return ret;
    lock(&d->evtchn.lock);
    ret = set_control(v, (char *)mfn_to_virt(MFN(arg->control_gfn)) + offset);
    unlock(&d->evtchn.lock);
    if (ret)
        frame_put_both(MFN(arg->control_gfn));
    else
        arg->link_bits = EVTCHN_FIFO_LINK_BITS;
    return ret;
}

/* ---- EVTCHNOP_expand_array ----------------------------------------------------------------- */

/* Event lock held. Events that came before their word was there are raised now. */
static int add_words(struct domain *d, event_word_t *words)
{
    struct evtchn_fifo_domain *f = d->evtchn.fifo;
    uint32_t first, end;

    if (d->is_dying)
        return -XEN_EINVAL;
    if (!f)
        return -XEN_EOPNOTSUPP;
    first = f->nr_words;
    if (first >= EVTCHN_FIFO_PORTS)
        return -XEN_ENOSPC;
    f->page[first / WORDS_PER_PAGE] = words;
    atomic_store(&f->nr_words, first + WORDS_PER_PAGE);

    end = MIN(first + WORDS_PER_PAGE, d->evtchn.nr_valid);
    for (uint32_t port = MAX(first, 1u); port < end; port++) {
        struct evtchn *chn = evtchn_from_port(d, port);
        unsigned long flags;

        if (!evtchn_usable(chn))
            continue;
        flags = evtchn_lock_senders(chn);
        if (chn->raised) {
            chn->raised = 0;
            evtchn_fifo_set_pending(d, chn);
        }
        evtchn_unlock_senders(chn, flags);
    }
    return 0;
}

long evtchn_expand_array(struct vcpu *v, struct evtchn_expand_array *arg)
{
    struct domain *d = v->domain;
    int ret;

    if (!READ_ONCE(d->evtchn.fifo)) /* a hint, to say the more telling error */
        return -XEN_EOPNOTSUPP;
    ret = hold_guest_frame(d, arg->array_gfn);
    if (ret)
        return ret;
    lock(&d->evtchn.lock);
    ret = add_words(d, mfn_to_virt(MFN(arg->array_gfn)));
    unlock(&d->evtchn.lock);
    if (ret)
        frame_put_both(MFN(arg->array_gfn));
    return ret;
}

/* ---- EVTCHNOP_set_priority ----------------------------------------------------------------- */

/* An event that is queued stays where it is; the next one joins the other queue. */
long evtchn_set_priority(struct vcpu *v, struct evtchn_set_priority *arg)
{
    struct domain *d = v->domain;
    struct evtchn *chn = evtchn_from_port(d, arg->port);
    unsigned long flags;
    long ret = 0;

    if (!chn)
        return -XEN_EINVAL;
    flags = lock_irqsave(&chn->lock);
    if (atomic_load(&d->evtchn.delivery) != &evtchn_fifo)
        ret = -XEN_ENOSYS;
    else if (!evtchn_usable(chn))
        ret = -XEN_EACCES;
    else if (arg->priority > EVTCHN_FIFO_PRIORITY_MIN)
        ret = -XEN_EINVAL;
    else
        WRITE_ONCE(chn->priority,
                   (uint8_t)array_index_nospec(arg->priority, EVTCHN_FIFO_MAX_QUEUES));
    unlock_irqrestore(&chn->lock, flags);
    return ret;
}

/* ---- The end ------------------------------------------------------------------------------- */

/*
 * No port is bound, so nobody sends, and nobody looks at an event word. The ports' last queues stay
 * as they are: those queues are empty now, and kept for the next time.
 */
void evtchn_fifo_destroy(struct domain *d)
{
    struct evtchn_fifo_domain *f = d->evtchn.fifo;

    for_each_vcpu (d, v) {
        struct evtchn_fifo_vcpu *q = v->evtchn.fifo;

        if (q && q->control)
            put_mapped(q->control);
        if (q) {
            q->control = NULL;
            memset(q->tail, 0, sizeof(q->tail));
        }
    }
    if (!f)
        return;
    atomic_store(&d->evtchn.delivery, &evtchn_2l);
    d->evtchn.fifo = NULL;
    for (uint32_t i = 0; i < f->nr_words / WORDS_PER_PAGE; i++)
        put_mapped(f->page[i]);
    hv_free(d, f, sizeof(*f));
}

void evtchn_fifo_free(struct domain *d)
{
    for_each_vcpu (d, v) {
        hv_free(d, v->evtchn.fifo, sizeof(*v->evtchn.fifo));
        v->evtchn.fifo = NULL;
    }
}

/* ---- Audit ----------------------------------------------------------------------------------- */

void evtchn_audit_domain(struct domain *d)
{
    const struct evtchn_fifo_domain *f = d->evtchn.fifo;

    if (f == NULL)
        return;
    for (uint32_t i = 0; i < f->nr_words / WORDS_PER_PAGE; i++)
        audit_note(virt_to_mfn(f->page[i]), 1, 1);
    for_each_vcpu (d, v)
        if (v->evtchn.fifo != NULL && v->evtchn.fifo->control != NULL)
            audit_note(virt_to_mfn(v->evtchn.fifo->control), 1, 1);
}

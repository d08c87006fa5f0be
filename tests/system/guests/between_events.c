/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Event channels between domains (E5): who may connect to what, what the other side sees of a close
 * and of a reset, ends that close while the other sends, and a domain that is sent more events than
 * it can count, with its own queues full of rubbish at that.
 */
#include "teller.h"

#include <pv/event.h>
#include <pv/start.h>

/* Both headers of tests/guest name a domain that there is not. */
#undef NO_DOMAIN
#include "evtchn_fifo.h"

#define STORM        20000u
#define RACES        40u
#define RACE_EVENTS  400u
#define RUBBISH_RUNS 30u

static domid_t self;

static long tell_connect(struct hand *h, domid_t domain, evtchn_port_t port)
{
    struct evtchn_bind_interdomain op = {.remote_dom = domain, .remote_port = port};
    long rc = tell_op(h, __HYPERVISOR_event_channel_op, EVTCHNOP_bind_interdomain, &op, sizeof(op));
    return rc ? rc : (long)op.local_port;
}

static long tell_send(struct hand *h, evtchn_port_t port)
{
    struct evtchn_send op = {.port = port};
    return tell_op(h, __HYPERVISOR_event_channel_op, EVTCHNOP_send, &op, sizeof(op));
}

static long tell_close(struct hand *h, evtchn_port_t port)
{
    struct evtchn_close op = {.port = port};
    return tell_op(h, __HYPERVISOR_event_channel_op, EVTCHNOP_close, &op, sizeof(op));
}

static long tell_kind(struct hand *h, evtchn_port_t port)
{
    struct evtchn_status op = {.dom = DOMID_SELF, .port = port};
    long rc = tell_op(h, __HYPERVISOR_event_channel_op, EVTCHNOP_status, &op, sizeof(op));
    return rc ? rc : (long)op.status;
}

/* ---- Who may connect ------------------------------------------------------------------------ */

static void test_connect(void)
{
    long mine = event_alloc_unbound(HAND->domain, NULL, NULL), ipi = event_bind_ipi(0, NULL, NULL);
    long virq = event_bind_virq(VIRQ_DEBUG, 0, NULL, NULL);
    ok(mine > 0 && ipi > 0 && virq > 0, "there are ports of all kinds");
    is_error(tell_connect(THIRD, self, (evtchn_port_t)mine), -XEN_EINVAL,
             "a third domain does not connect to what was offered to another");
    is_error(tell_connect(HAND, self, (evtchn_port_t)ipi), -XEN_EINVAL, "nobody does to an IPI");
    is_error(tell_connect(HAND, self, (evtchn_port_t)virq), -XEN_EINVAL, "nor to a VIRQ");
    is_error(tell_connect(HAND, self, 100000), -XEN_EINVAL, "nor to a port that there is not");
    is_error(tell_connect(HAND, self, ~0u), -XEN_EINVAL, "nor to the largest");
    long theirs = tell_connect(HAND, self, (evtchn_port_t)mine);
    ok(theirs > 0, "whom it was offered to connects");
    is_error(tell_connect(HAND, self, (evtchn_port_t)mine), -XEN_EINVAL, "once");
    is_error(tell_send(THIRD, 900), -XEN_EINVAL, "a port that is not open sends nothing");
    ok(!event_is_pending((evtchn_port_t)mine), "nothing has come so far");
    is_error(tell_send(HAND, (evtchn_port_t)theirs), 0, "the other side sends");
    ok(event_is_pending((evtchn_port_t)mine), "it has come");
    event_clear((evtchn_port_t)mine);
    is_error(event_send((evtchn_port_t)mine), 0, "this side sends");
    is(tell(HAND, REMOTE_PENDING, (uint64_t)theirs, 0, 0, 0), 1, "it has come there");
    is_error(event_close((evtchn_port_t)mine), 0, "one end is closed");
    is(tell_kind(HAND, (evtchn_port_t)theirs), EVTCHNSTAT_unbound, "the other is free again");
    is_error(tell_connect(THIRD, HAND->domain, (evtchn_port_t)theirs), -XEN_EINVAL,
             "but not for a third");
    long again = event_bind_interdomain(HAND->domain, (evtchn_port_t)theirs, NULL, NULL);
    ok(again > 0, "for who was there before it is");
    is_error(tell_close(HAND, (evtchn_port_t)theirs), 0, "the other end is closed");
    is(evtchn_kind((evtchn_port_t)again), EVTCHNSTAT_unbound, "and this one free");
    event_close((evtchn_port_t)again);
    event_close((evtchn_port_t)ipi);
    event_close((evtchn_port_t)virq);
}

/* ---- Storms --------------------------------------------------------------------------------- */

static volatile unsigned long arrived;

static void on_event(evtchn_port_t port, void *data)
{
    (void)port, (void)data;
    arrived++;
}

/* While another sends without end, a program still gets its turns and its timers. */
static void test_storm(void)
{
    long mine = event_alloc_unbound(HAND->domain, on_event, NULL);
    long theirs = tell_connect(HAND, self, (evtchn_port_t)mine);
    uint64_t turns = 0, naps = 0;
    tell_begin(HAND, REMOTE_STORM, (uint64_t)theirs, STORM, 0, 0);
    for (; !told(HAND); turns++) {
        if (turns % 1024 == 0)
            sleep_ns(10000), naps++;
    }
    is_error(tell_end(HAND), 0, "a storm of events is sent");
    ok(arrived > 0 && arrived <= STORM, "some of them come, and no more than were sent");
    ok(turns > 0 && naps > 0, "the program goes on meanwhile");
    event_mask((evtchn_port_t)mine);
    unsigned long before = arrived;
    is_error(tell(HAND, REMOTE_STORM, (uint64_t)theirs, STORM, 0, 0), 0,
             "a storm on a masked port");
    is(arrived, before, "does not come");
    event_close((evtchn_port_t)mine);
    tell_close(HAND, (evtchn_port_t)theirs);
}

/* One end closes while the other sends, on different CPUs. */
static void test_close_race(void)
{
    unsigned wrong = 0;
    for (unsigned i = 0; i < RACES; i++) {
        long mine = event_alloc_unbound(HAND->domain, NULL, NULL);
        long theirs = tell_connect(HAND, self, (evtchn_port_t)mine);
        tell_begin(HAND, REMOTE_STORM, (uint64_t)theirs, RACE_EVENTS, 0, 0);
        for (uint64_t wait = random_below(2000); wait > 0; wait--)
            cpu_relax();
        wrong += mine < 0 || theirs < 0 || event_close((evtchn_port_t)mine) != 0;
        long again = event_alloc_unbound(THIRD->domain, NULL, NULL); /* the same number, often */
        wrong += tell_end(HAND) != 0;
        wrong += event_is_pending((evtchn_port_t)again) || again < 0;
        wrong += tell_close(HAND, (evtchn_port_t)theirs) != 0;
        event_close((evtchn_port_t)again);
    }
    is(wrong, 0, "ends that close while the other sends");
}

/* ---- Rubbish in one's own queues ------------------------------------------------------------ */

static void rubbish_words(unsigned words)
{
    for (unsigned i = 0; i < words; i++)
        __atomic_store_n(&fifo_words[random_below(words)], (event_word_t)random_u64(),
                         __ATOMIC_SEQ_CST);
    for (unsigned queue = 0; queue < EVTCHN_FIFO_MAX_QUEUES; queue++)
        __atomic_store_n(&fifo_control(0)->head[queue], (uint32_t)random_u64(), __ATOMIC_SEQ_CST);
    fifo_control(0)->ready = (uint32_t)random_u64();
}

static void test_rubbish(void)
{
    long ports[16], theirs[16];
    unsigned wrong = 0;
    (void)events_disable();
    for (unsigned i = 0; i < 16; i++) {
        ports[i] = event_alloc_unbound(HAND->domain, NULL, NULL);
        theirs[i] = tell_connect(HAND, self, (evtchn_port_t)ports[i]);
        wrong += ports[i] < 0 || theirs[i] < 0;
    }
    ok(fifo_memory() && fifo_init_vcpu(0) > 0 && fifo_expand(0) == 0, "FIFO delivery begins");
    for (unsigned run = 0; run < RUBBISH_RUNS; run++) {
        tell_begin(HAND, REMOTE_STORM, (uint64_t)theirs[run % 16], RACE_EVENTS, 0, 0);
        while (!told(HAND))
            rubbish_words(64);
        wrong += tell_end(HAND) != 0;
        evtchn_set_priority((evtchn_port_t)ports[run % 16], (uint32_t)random_below(16));
        evtchn_unmask((evtchn_port_t)ports[(run + 5) % 16]);
    }
    is(wrong, 0, "who sends to a domain with rubbish in its queues is not held up");
    tell_begin(HAND, REMOTE_STORM, (uint64_t)theirs[3], RACE_EVENTS, 0, 0);
    is_error(evtchn_reset(DOMID_SELF), 0, "all is reset while the other sends");
    is_error(tell_end(HAND), 0, "which the other need not notice");
    is(tell_kind(HAND, (evtchn_port_t)theirs[3]), EVTCHNSTAT_unbound, "but for its free ports");
    for (unsigned i = 0; i < 16; i++)
        tell_close(HAND, (evtchn_port_t)theirs[i]);
}

int main(int argc, char **argv)
{
    self = own_domain();
    random_start(argc, argv);
    hands_start(argc, argv);
    test_connect();
    test_storm();
    test_close_race();
    test_rubbish();
    hands_end();
    return done();
}

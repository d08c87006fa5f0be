/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Class E5, event channels: what has broken hypervisors, step by step (XSA-317, 340, 342, 343, 344,
 * 358, 359 in kind). A guest owns the words that delivery works with, so it writes rubbish there:
 * it links queues into circles, clears bits under the hypervisor's hands, claims ports that there
 * are not. It binds and closes in orders that leave a stale end, and gives a page twice. The worst
 * that may come of it is lost events of its own.
 *
 * test: vcpus=1,4
 */
#include "tap.h"

#include <pv/event.h>

#include "evtchn_fifo.h"

#define QUEUE EVTCHN_FIFO_PRIORITY_DEFAULT

static evtchn_port_t ipi(unsigned vcpu)
{
    return (evtchn_port_t)evtchn_bind_ipi(vcpu);
}

/* ---- Two-level ------------------------------------------------------------------------------ */

/* All bits that a guest can set, set: of ports that are bound, that are not, and that cannot be. */
static void test_bitmaps(void)
{
    struct vcpu_info *info = &shared_info->vcpu_info[0];
    evtchn_port_t port = ipi(0), found;

    memset(shared_info->evtchn_pending, 0xff, sizeof(shared_info->evtchn_pending));
    info->evtchn_pending_sel = ~0ul;
    info->evtchn_upcall_pending = 0xff;
    is_error(evtchn_send(port), 0, "send with every bit set");
    is_error(evtchn_close(port), 0, "close with every bit set");
    ok(!event_is_pending(port), "the port's bit is cleared");
    found = ipi(0);
    is(found, port, "the next bind gets the port, though others look pending");
    is_error(sched_poll(&found, 1, 1), 0, "poll with every bit set");
    memset(shared_info->evtchn_pending, 0, sizeof(shared_info->evtchn_pending));
    info->evtchn_pending_sel = 0;
    info->evtchn_upcall_pending = 0;
    (void)evtchn_close(found);
}

/* One end closes, both are reused, and the other end must not be left pointing there. */
static void test_stale_end(void)
{
    struct evtchn_status status;
    evtchn_port_t far = (evtchn_port_t)evtchn_alloc(DOMID_SELF, DOMID_SELF);
    evtchn_port_t near = (evtchn_port_t)evtchn_connect(DOMID_SELF, far), other;

    (void)evtchn_close(near);
    other = ipi(0);
    is(other, near, "the near end's number is given to another");
    event_clear(other);
    is_error(evtchn_send(far), 0, "send from the end that is left");
    ok(!event_is_pending(other), "does not reach the new owner of the number");
    (void)evtchn_status(far, &status);
    is(status.status, EVTCHNSTAT_unbound, "the far end is unbound");
    is_error(evtchn_close(far), 0, "and can be closed");
    is_error(evtchn_kind(other), EVTCHNSTAT_ipi, "which leaves the new port alone");
    (void)evtchn_close(other);
}

/* A pair of a port with itself cannot be, nor one with a port that is bound otherwise. */
static void test_odd_pairs(void)
{
    evtchn_port_t bell = ipi(0);

    is_error(evtchn_connect(DOMID_SELF, bell), -XEN_EINVAL, "connect to an IPI");
    is_error(evtchn_connect(DOMID_SELF, bell + 1), -XEN_EINVAL,
             "connect to the port that connecting would get");
    is_error(evtchn_kind(bell + 1), EVTCHNSTAT_closed, "which stays closed");
    (void)evtchn_close(bell);
}

/* A VIRQ that is closed while it is pending, and bound again: nothing is left over. */
static void test_virq_again(void)
{
    unsigned left_over = 0;

    for (unsigned i = 0; i < 100; i++) {
        long port = evtchn_bind_virq(VIRQ_DEBUG, i % nr_vcpus());

        left_over += port < 0 || event_is_pending((evtchn_port_t)port);
        __atomic_fetch_or(&shared_info->evtchn_pending[port / 64], 1ul << port % 64,
                          __ATOMIC_SEQ_CST);
        (void)evtchn_close((evtchn_port_t)port);
    }
    is(left_over, 0, "a VIRQ that is bound again is not pending");
}

/* ---- FIFO: the guest's own words ------------------------------------------------------------ */

static void test_circle(evtchn_port_t a, evtchn_port_t b)
{
    (void)evtchn_send(a);
    (void)evtchn_send(b);
    fifo_words[b] |= a;
    fifo_words[a] |= b;
    is_error(evtchn_send(a), 0, "send with two events linked in a circle");
    fifo_words[a] = fifo_words[b] = 0;
    is_error(evtchn_send(a), 0, "send when all of a queue is gone");
    ok(fifo_words[a] & WORD_PENDING, "the event is pending");
    fifo_words[a] = fifo_words[b] = 0;
}

static void test_rubbish(evtchn_port_t a, evtchn_port_t b)
{
    static const event_word_t rubbish[] = {
        ~0u,
        WORD_BUSY,
        WORD_LINKED | EVTCHN_FIFO_LINK_MASK,
        WORD_BUSY | WORD_LINKED,
        WORD_PENDING | WORD_LINKED | WORD_BUSY | 1,
        EVTCHN_FIFO_LINK_MASK,
    };
    unsigned refused = 0;

    for (unsigned i = 0; i < sizeof(rubbish) / sizeof(rubbish[0]); i++) {
        for (unsigned j = 0; j < 4; j++) {
            memset(fifo_control(0), j % 2 ? 0xff : 0, sizeof(struct evtchn_fifo_control_block));
            fifo_words[a] = rubbish[i];
            fifo_words[b] = rubbish[(i + j) % (sizeof(rubbish) / sizeof(rubbish[0]))];
            refused += evtchn_send(a) != 0;
            refused += evtchn_send(b) != 0;
            refused += evtchn_unmask(a) != 0;
            refused += evtchn_set_priority(b, (i + j) % EVTCHN_FIFO_MAX_QUEUES) != 0;
        }
    }
    is(refused, 0, "rubbish in event words and control blocks is the guest's own trouble");
    memset(fifo_control(0), 0, sizeof(struct evtchn_fifo_control_block));
    fifo_words[a] = fifo_words[b] = 0;
    (void)evtchn_set_priority(b, QUEUE);
}

/* A port that is closed while linked is not given out until the guest has taken it out. */
static void test_closed_linked(void)
{
    evtchn_port_t port = ipi(0), next;

    (void)evtchn_send(port);
    ok(fifo_words[port] & WORD_LINKED, "a port is linked");
    is_error(evtchn_close(port), 0, "and closed");
    next = ipi(0);
    ok(next != port, "its number is not given out as long as it is linked");
    fifo_words[port] = 0;
    is(ipi(0), port, "but then it is");
    (void)evtchn_close(port);
    (void)evtchn_close(next);
}

/* A page may serve twice: what breaks is what the guest keeps there. */
static void test_same_page(evtchn_port_t a)
{
    is_error(evtchn_expand(virt_to_mfn(fifo_control(0))), 0,
             "a control block's page for event words");
    is_error(fifo_expand(0), 0, "a page of event words for more event words");
    is_error(evtchn_send(a), 0, "send still works");
    memset(fifo_words, 0, PAGE_SIZE);
}

static void test_fifo(void)
{
    evtchn_port_t a, b;

    for (unsigned i = 0; i < nr_vcpus(); i++)
        is_error(fifo_init_vcpu(i), EVTCHN_FIFO_LINK_BITS, "FIFO delivery for vCPU %u", i);
    is_error(fifo_expand(0), 0, "event words");
    a = ipi(0);
    b = ipi(0);
    test_circle(a, b);
    test_rubbish(a, b);
    test_closed_linked();
    test_same_page(a);
    is_error(evtchn_reset(DOMID_SELF), 0, "reset in the end");
    is_error(evtchn_kind(a), EVTCHNSTAT_closed, "closes all");
}

/* A control block for one vCPU alone; what is sent to the others may be lost. */
static void test_half_initialised(void)
{
    evtchn_port_t port;
    unsigned last = nr_vcpus() - 1;

    memset(fifo_words, 0, PAGE_SIZE);
    is_error(fifo_init_vcpu(0), EVTCHN_FIFO_LINK_BITS, "FIFO delivery for vCPU 0 alone");
    is_error(fifo_expand(0), 0, "with event words");
    port = ipi(last);
    is_error(evtchn_send(port), 0, "send to the last vCPU");
    is_error(evtchn_close(port), 0, "close it");
    is_error(evtchn_reset(DOMID_SELF), 0, "reset again");
}

int main(void)
{
    bool enabled = events_disable();

    test_bitmaps();
    test_stale_end();
    test_odd_pairs();
    test_virq_again();
    ok(fifo_memory(), "memory for event words");
    test_fifo();
    test_half_initialised();
    events_restore(enabled);
    return done();
}

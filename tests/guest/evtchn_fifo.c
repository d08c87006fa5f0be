/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Event channels: FIFO delivery.
 *
 * A domain may change from the bitmaps to queues. It gives a control block for each vCPU
 * (EVTCHNOP_init_control; the first one switches the domain over) and pages of event words, one
 * word a port (EVTCHNOP_expand_array). A vCPU has sixteen queues, 0 the most urgent; the control
 * block has a queue's first port and says which queues are not empty; a word holds the port behind
 * it. An event that is pending and not masked is linked, once. Events that come before their word
 * is there, or were pending in the bitmaps, are not lost.
 *
 * test: vcpus=1,4
 */
#include "tap.h"

#include <pv/event.h>

#include "evtchn_fifo.h"

#define LAST_OFFSET ((uint32_t)(PAGE_SIZE - sizeof(struct evtchn_fifo_control_block)))

static void test_before(long port)
{
    is_error(fifo_expand(0), -XEN_EOPNOTSUPP, "expand_array without FIFO delivery");
    is_error(evtchn_set_priority((evtchn_port_t)port, 0), -XEN_ENOSYS,
             "set_priority without FIFO delivery");
}

static void test_init_errors(void)
{
    uint64_t mfn = virt_to_mfn(fifo_control(0));

    is_error(evtchn_init_control(mfn, 0, nr_vcpus()), -XEN_ENOENT, "init_control of no vCPU");
    is_error(evtchn_init_control(mfn, 0, ~0u), -XEN_ENOENT, "init_control of vCPU 2^32-1");
    is_error(evtchn_init_control(mfn, LAST_OFFSET + 8, 0), -XEN_EINVAL,
             "a control block that does not fit in its page");
    is_error(evtchn_init_control(mfn, ~0u - 7, 0), -XEN_EINVAL, "offset 2^32-8");
    is_error(evtchn_init_control(mfn, 4, 0), -XEN_EINVAL, "a control block that is not aligned");
    is_error(evtchn_init_control(~0ull, 0, 0), -XEN_EINVAL, "a control block in no frame");
    is_error(evtchn_init_control(1ull << 40, 0, 0), -XEN_EINVAL, "a control block beyond memory");
    is_error(evtchn_init_control(tables_root(), 0, 0), -XEN_EINVAL,
             "a control block in a page table");
    is_error(fifo_expand(0), -XEN_EOPNOTSUPP, "after all that there is no FIFO delivery");
}

static void test_init(void)
{
    is_error(fifo_init_vcpu(0), EVTCHN_FIFO_LINK_BITS, "init_control of vCPU 0");
    is_error(fifo_init_vcpu(0), -XEN_EINVAL, "of the same vCPU again");
    for (unsigned i = 1; i < nr_vcpus(); i++)
        is_error(evtchn_init_control(virt_to_mfn(fifo_control(i)), LAST_OFFSET, i),
                 EVTCHN_FIFO_LINK_BITS, "init_control of vCPU %u, at the end of a page", i);
}

static void test_expand_errors(void)
{
    is_error(evtchn_expand(~0ull), -XEN_EINVAL, "event words in no frame");
    is_error(evtchn_expand(1ull << 40), -XEN_EINVAL, "event words beyond memory");
    is_error(evtchn_expand(tables_root()), -XEN_EINVAL, "event words in a page table");
}

static uint32_t heads[EVTCHN_FIFO_MAX_QUEUES];

static evtchn_port_t take(unsigned queue)
{
    return fifo_take(0, queue, &heads[queue]);
}

static bool ready(unsigned queue)
{
    return __atomic_fetch_and(&fifo_control(0)->ready, ~(1u << queue), __ATOMIC_SEQ_CST) >> queue &
           1;
}

/* `early` was pending in the bitmap, `late` has been sent to since. Both words start as zeroes. */
static void test_first_words(long early, long late)
{
    unsigned queue = EVTCHN_FIFO_PRIORITY_DEFAULT;

    is_error(fifo_expand(0), 0, "expand_array");
    ok(fifo_word(early) & WORD_PENDING, "what was pending in the bitmap is pending in its word");
    ok(fifo_word(late) & WORD_PENDING, "and so is what was sent before there were words");
    ok(ready(queue), "their queue is ready");
    is(take(queue), early, "they are queued in order of port: the first");
    is(take(queue), late, "and the second");
    is(take(queue), 0, "and no third");
    fifo_clear(early, WORD_PENDING);
    fifo_clear(late, WORD_PENDING);
}

static void test_queue(long a, long b)
{
    unsigned queue = EVTCHN_FIFO_PRIORITY_DEFAULT;

    (void)evtchn_send((evtchn_port_t)a);
    is(fifo_word(a) & (WORD_PENDING | WORD_LINKED), WORD_PENDING | WORD_LINKED,
       "a send sets PENDING and LINKED");
    ok(ready(queue), "and makes the queue ready");
    is(fifo_control(0)->head[queue], a, "with the port at its head");
    (void)evtchn_send((evtchn_port_t)b);
    is(fifo_word(a) & EVTCHN_FIFO_LINK_MASK, b, "the next one is linked behind it");
    ok(!ready(queue), "a queue that is not empty is not made ready again");
    (void)evtchn_send((evtchn_port_t)a);
    is(fifo_word(b) & EVTCHN_FIFO_LINK_MASK, 0, "a port is in its queue once");
    is(take(queue), a, "first come");
    is(take(queue), b, "first served");
    is(take(queue), 0, "then the queue is empty");
    (void)evtchn_send((evtchn_port_t)a);
    ok(fifo_word(a) & WORD_LINKED, "an event for a port that is pending is linked anew");
    is(take(queue), a, "and can be taken out");
    fifo_clear(a, WORD_PENDING);
    fifo_clear(b, WORD_PENDING);
    (void)ready(queue);
}

static void test_mask(long a)
{
    unsigned queue = EVTCHN_FIFO_PRIORITY_DEFAULT;

    __atomic_fetch_or(&fifo_words[a], WORD_MASKED, __ATOMIC_SEQ_CST);
    (void)evtchn_send((evtchn_port_t)a);
    is(fifo_word(a) & (WORD_PENDING | WORD_LINKED), WORD_PENDING, "a masked port is not linked");
    is_error(evtchn_unmask((evtchn_port_t)a), 0, "unmask");
    is(fifo_word(a) & (WORD_MASKED | WORD_LINKED), WORD_LINKED, "links it");
    is(take(queue), a, "it is in its queue");
    fifo_clear(a, WORD_PENDING);
    (void)ready(queue);
}

static void test_priority(long a, long b)
{
    is_error(evtchn_set_priority((evtchn_port_t)a, EVTCHN_FIFO_PRIORITY_MIN + 1), -XEN_EINVAL,
             "a priority below the lowest");
    is_error(evtchn_set_priority((evtchn_port_t)a, ~0u), -XEN_EINVAL, "priority 2^32-1");
    is_error(evtchn_set_priority(0, 0), -XEN_EACCES, "the priority of port 0");
    is_error(evtchn_set_priority(PORTS_FIFO, 0), -XEN_EINVAL, "the priority of no port");
    for (unsigned p = EVTCHN_FIFO_PRIORITY_MAX; p <= EVTCHN_FIFO_PRIORITY_MIN; p++) {
        is_error(evtchn_set_priority((evtchn_port_t)a, p), 0, "set priority %u", p);
        (void)evtchn_send((evtchn_port_t)a);
        ok(ready(p) && take(p) == (evtchn_port_t)a, "an event joins queue %u", p);
        fifo_clear(a, WORD_PENDING);
    }
    (void)evtchn_set_priority((evtchn_port_t)a, 3);
    (void)evtchn_send((evtchn_port_t)a);
    (void)evtchn_set_priority((evtchn_port_t)a, 4);
    (void)evtchn_send((evtchn_port_t)b);
    ok(fifo_word(a) & WORD_LINKED,
       "a port that is linked keeps its place when its priority changes");
    is(take(3), a, "which is the old queue");
    is(take(EVTCHN_FIFO_PRIORITY_DEFAULT), b, "others are not touched");
    fifo_clear(a, WORD_PENDING);
    fifo_clear(b, WORD_PENDING);
    __atomic_store_n(&fifo_control(0)->ready, 0, __ATOMIC_SEQ_CST);
}

/* Ports behind the 4096 of the bitmaps. */
static void test_many(void)
{
    long port = 0, refused = 0;
    unsigned count = 0;

    while (port < (long)PORTS_2L + 1 && (port = evtchn_bind_ipi(0)) > 0)
        count++;
    ok(port > (long)PORTS_2L, "with FIFO delivery there are more than 4096 ports");
    (void)evtchn_send((evtchn_port_t)port);
    ok(!(fifo_word(port) & WORD_LINKED), "an event for which there is no word is not linked");
    for (unsigned page = 1; page < WORD_PAGES && refused == 0; page++)
        refused = fifo_expand(page);
    is_error(refused, 0, "128 pages of event words are taken");
    is_error(fifo_expand(0), -XEN_ENOSPC, "and no more");
    ok(fifo_word(port) & WORD_LINKED, "the event is linked when its word is there");
    ok(count > 4000, "that took %s ports", "more than 4000");
}

/* Whether a page may become a page table: not as long as the hypervisor writes there. */
static bool can_be_table(void *page)
{
    struct mmuext_op op = {.cmd = MMUEXT_PIN_L1_TABLE, .arg1.mfn = virt_to_mfn(page)};
    bool good;

    if (page_read_only(page) != 0)
        return false;
    good = HYPERVISOR_mmuext_op(&op, 1, NULL, DOMID_SELF) == 0;
    if (good) {
        op.cmd = MMUEXT_UNPIN_TABLE;
        (void)HYPERVISOR_mmuext_op(&op, 1, NULL, DOMID_SELF);
    }
    (void)page_writable(page);
    return good;
}

static void test_reset(long closed)
{
    void *last = (char *)fifo_words + (WORD_PAGES - 1) * PAGE_SIZE;

    ok(!can_be_table(last), "a page of event words cannot become a page table");
    is_error(evtchn_close((evtchn_port_t)closed), 0, "close a port");
    is_error(evtchn_set_priority((evtchn_port_t)closed, 0), -XEN_EACCES,
             "the priority of a closed port");
    is_error(evtchn_reset(DOMID_SELF), 0, "reset");
    ok(can_be_table(last), "after a reset it can");
    memset(fifo_words, 0, PAGE_SIZE);
    is_error(fifo_expand(0), -XEN_EOPNOTSUPP, "a reset ends FIFO delivery");
    closed = evtchn_bind_ipi(0);
    event_mask((evtchn_port_t)closed);
    is_error(evtchn_send((evtchn_port_t)closed), 0, "send after a reset");
    ok(event_is_pending((evtchn_port_t)closed), "goes to the bitmap again");
    (void)evtchn_close((evtchn_port_t)closed);
    memset(fifo_control(0), 0, PAGE_SIZE);
    is_error(fifo_init_vcpu(0), EVTCHN_FIFO_LINK_BITS, "FIFO delivery can be begun again");
}

int main(void)
{
    bool enabled = events_disable();
    long a = evtchn_bind_ipi(0), b = evtchn_bind_ipi(0);

    ok(fifo_memory(), "memory for event words");
    test_before(a);
    test_init_errors();
    event_mask((evtchn_port_t)a);
    (void)evtchn_send((evtchn_port_t)a);
    test_init();
    (void)evtchn_send((evtchn_port_t)b);
    test_expand_errors();
    test_first_words(a, b);
    test_queue(a, b);
    test_mask(a);
    test_priority(a, b);
    test_many();
    test_reset(b);
    is_error(evtchn_reset(DOMID_SELF), 0, "reset at the end");
    events_restore(enabled);
    return done();
}

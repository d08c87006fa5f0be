/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The guest's side of FIFO event delivery, in its simplest form: event words in pages that lie one
 * behind the other, a control block a vCPU, and taking events out of a queue. For one program file;
 * upcalls are to be disabled.
 */
#ifndef EVTCHN_FIFO_H
#define EVTCHN_FIFO_H

#include <pv/memory.h>
#include <pv/smp.h>

#include "evtchn.h"

#define WORD_PENDING (1u << EVTCHN_FIFO_PENDING)
#define WORD_MASKED  (1u << EVTCHN_FIFO_MASKED)
#define WORD_LINKED  (1u << EVTCHN_FIFO_LINKED)
#define WORD_BUSY    (1u << EVTCHN_FIFO_BUSY)
#define WORDS_A_PAGE (PAGE_SIZE / sizeof(event_word_t))
#define WORD_PAGES   (PORTS_FIFO / WORDS_A_PAGE)

static event_word_t *fifo_words;                        /* of all pages */
static struct evtchn_fifo_control_block *fifo_controls; /* a page for each vCPU, at its start */

#define FIFO_WORD_ORDER 7u /* WORD_PAGES */

/* Pages for it; a control block's page is vCPU after vCPU, of at most 16. False: no memory. */
static inline bool fifo_memory(void)
{
    fifo_words = pages_alloc(FIFO_WORD_ORDER);
    fifo_controls = pages_alloc(4);
    return fifo_words && fifo_controls;
}

static inline struct evtchn_fifo_control_block *fifo_control(unsigned vcpu)
{
    return (void *)((char *)fifo_controls + vcpu * PAGE_SIZE);
}

static inline long fifo_init_vcpu(unsigned vcpu)
{
    return evtchn_init_control(virt_to_mfn(fifo_control(vcpu)), 0, vcpu);
}

static inline long fifo_expand(unsigned page)
{
    return evtchn_expand(virt_to_mfn((char *)fifo_words + page * PAGE_SIZE));
}

static inline event_word_t fifo_word(long port)
{
    return __atomic_load_n(&fifo_words[port], __ATOMIC_SEQ_CST);
}

static inline void fifo_clear(long port, event_word_t bits)
{
    __atomic_fetch_and(&fifo_words[port], ~bits, __ATOMIC_SEQ_CST);
}

/*
 * Takes the first event out of a queue: its port, 0 when the queue is empty. *head is the caller's
 * own note of where the queue goes on (0: ask the control block).
 */
static inline evtchn_port_t fifo_take(unsigned vcpu, unsigned queue, uint32_t *head)
{
    struct evtchn_fifo_control_block *control = fifo_control(vcpu);
    evtchn_port_t port = *head;
    event_word_t old;

    if (port == 0)
        port = __atomic_load_n(&control->head[queue], __ATOMIC_SEQ_CST);
    old = fifo_word(port);
    if (port == 0 || !(old & WORD_LINKED))
        return 0;
    while (!__atomic_compare_exchange_n(&fifo_words[port], &old,
                                        old & ~(WORD_LINKED | EVTCHN_FIFO_LINK_MASK), false,
                                        __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST))
        ;
    *head = old & EVTCHN_FIFO_LINK_MASK;
    return port;
}

#endif

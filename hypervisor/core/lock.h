/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Ranked spin locks (ticket locks, fair).
 *
 * A CPU takes locks in strictly rising rank, and holds none when a guest is entered. A debug build
 * checks the first at each lock, the second when a hypercall ends, when softirqs have run and when
 * an event is delivered. A rank with the bit LOCK_IRQ is only ever taken with
 * interrupts off (lock_irqsave); the others never from an interrupt handler. Two locks of one rank
 * are taken together only by lock_pair(), lower address first.
 */
#ifndef CORE_LOCK_H
#define CORE_LOCK_H

#include "core/atomic.h"
#include "core/types.h"

/* The order of all locks: outermost first. */
enum lock_rank {
    RANK_CONTROL = 1, /* one control operation (domctl) at a time */
    RANK_DOMLIST,     /* the list of domains: creation and destruction */
    RANK_DOMAIN,      /* struct domain: life cycle, memory map, parameters */
    RANK_PHYSDEV,     /* PIRQ maps and PCI devices */
    RANK_GRANT,       /* a domain's grant table */
    RANK_GRANT_MAPS,  /* a domain's table of grant mappings it holds */
    RANK_EVTCHN,      /* a domain's event-channel bindings (pairs: interdomain) */
    RANK_VCPU,        /* a vCPU's register state and info areas */
    RANK_PAGES,       /* a domain's page accounting */
    RANK_TIME,        /* wall clock */
    /* From here on interrupts are off. */
    LOCK_IRQ = 0x40,
    RANK_IRQ_DESC,      /* one interrupt line or vector */
    RANK_EVTCHN_PORT,   /* one port, against senders (pairs: interdomain) */
    RANK_EVTCHN_QUEUE,  /* FIFO event queues of a vCPU (pairs: an event that moves) */
    RANK_SCHED,         /* a CPU's run queue (pairs: migration) */
    RANK_TIMER,         /* a CPU's timer heap */
    RANK_HEAP,          /* the frame allocator */
    RANK_TLB,           /* TLB shoot-down */
    RANK_MSI,           /* mask bits of a device's messages */
    RANK_PCI_CONFIG,    /* PCI configuration access by ports */
    RANK_IOAPIC,        /* IOAPIC register window */
    RANK_CONSOLE_INPUT, /* what was typed */
    RANK_CONSOLE,       /* console devices; a holder reads the log ring */
    RANK_LOG,           /* the log ring */
};

struct spinlock {
    union {
        uint32_t tickets; /* both halves, for trylock() */
        struct {
            uint16_t serving; /* the ticket that holds the lock */
            uint16_t next;    /* to be drawn */
        };
    };
    uint16_t rank;
    uint16_t owner; /* CPU + 1, debug builds */
};

#define SPINLOCK_INIT(rank_) ((struct spinlock){.rank = (rank_)})

void lock_init(struct spinlock *l, enum lock_rank rank);
void lock(struct spinlock *l);
bool trylock(struct spinlock *l) must_check;
unsigned long lock_irqsave(struct spinlock *l);
void unlock_irqrestore(struct spinlock *l, unsigned long flags);
/* Both of one rank; `a` may equal `b`. */
void lock_pair(struct spinlock *a, struct spinlock *b);
void unlock_pair(struct spinlock *a, struct spinlock *b);
bool lock_held(const struct spinlock *l);
/*
 * For a panic, whose locks may be held by a CPU that has been stopped: from now on lock() waits a
 * bounded time, then goes on without the lock, and no order is checked.
 */
void lock_break_all(void);
/* Debug builds: panic unless this CPU holds no lock. Called on the way to a guest. */
#ifdef PARAVANE_DEBUG
void unlock(struct spinlock *l);
void lock_assert_none(void);

static inline void lock_inline(struct spinlock *l)
{
    lock(l);
}
#else
void lock_wait(struct spinlock *l, uint16_t ticket);

/* lock(), for paths where its call would tell. */
static inline void lock_inline(struct spinlock *l)
{
    uint16_t ticket = atomic_fetch_add(&l->next, 1);

    /* The acquire load pairs with the release store of unlock(). */
    if (unlikely(atomic_load(&l->serving) != ticket))
        lock_wait(l, ticket);
}

static inline void unlock(struct spinlock *l)
{
    /* Only the holder writes this half. */
    atomic_store(&l->serving, (uint16_t)(l->serving + 1));
}

static inline void lock_assert_none(void)
{
}
#endif

#endif

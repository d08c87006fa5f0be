/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * One guest has another one make hypercalls and touch memory for it: so a test of what domains do
 * to each other is one program (between.c) that tells all sides what to do, and knows what must
 * come of it. The other guests run hand.c.
 *
 * The two share a page of the teller's, granted by an entry that the ABI reserves (2 and on; no
 * toolstack uses them), as those survive a change of the table's version. The hand answers one
 * request at a time: it copies the request before it looks at it, and touches nothing else.
 */
#ifndef REMOTE_H
#define REMOTE_H

#include <pv/clock.h>
#include <pv/smp.h>

#define REMOTE_REF   2u /* of hand 0; of hand 1 the next */
#define REMOTE_DATA  2048u
#define REMOTE_NAP   20000u /* ns that a side sleeps when it has waited for so many turns: */
#define REMOTE_TURNS 64u

/* An argument that means the hand's own copy of `data`, at an offset. */
#define REMOTE_ARG(offset) (0xda7a000000000000ul + (offset))

enum remote_op {
    REMOTE_CALL,             /* number, args: a hypercall */
    REMOTE_PEEK,             /* args[0]: address; fault, result */
    REMOTE_POKE,             /* args[0]: address, args[1]: value; fault */
    REMOTE_PAGE,             /* result: a zeroed page's address; args[0] gets its frame */
    REMOTE_WINDOW,           /* args[0]: pages; result: address */
    REMOTE_ENTRY,            /* args[0]: address; result: machine address of its entry of level 1 */
    REMOTE_GRANT,            /* version 1: args: ref, flags, domain, frame */
    REMOTE_GRANT_V2,         /* version 2: args: ref, flags, domain, frame */
    REMOTE_GRANT_TRANSITIVE, /* args: ref, flags, domain, domain behind, ref behind */
    REMOTE_TOUCH,            /* args[0]: address, that the second vCPU writes to again and again */
    REMOTE_TOUCHED, /* and no longer; result: how often it could, fault: whether it faulted */
    REMOTE_PENDING, /* args[0]: port; result: whether it is, and it is cleared */
    REMOTE_STORM,   /* args: port, times: events; result: the first error */
    REMOTE_END,
};

struct remote {
    uint32_t request, answer; /* a request waits while they differ */
    uint32_t op, fault;
    uint64_t number, args[5];
    int64_t result;
    uint8_t data[REMOTE_DATA];
};

/* One turn of waiting for the other side. */
static inline void remote_wait(unsigned *turns)
{
    if (++*turns % REMOTE_TURNS)
        vcpu_give_way();
    else
        sleep_ns(REMOTE_NAP);
}

#endif

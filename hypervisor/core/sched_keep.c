/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * How long a vCPU that was given a CPU keeps it from one that wakes, whose turn is before its own.
 *
 * Two that wake each other, as the two ends of a device do, would change places for each request;
 * kept for sched_ratelimit, each finds a batch of the other's. But one that asks and then only
 * waits for the answer had better give way at once: the answer is there before it has gone to
 * sleep. Which of the two a vCPU is, is learnt: if, kept, it blocks before it has run two fifths as
 * long again as until then, to keep it was of no use, and the next KEEP_LEARNT times it gives way;
 * after that it is tried again. Times are compared with each other only, so that the machine's
 * speed does not matter; the fraction was found by measuring single requests and streams
 * (docs/PERFORMANCE.md). All under the lock of the queue.
 */
#include "core/lib.h"
#include "core/runqueue.h"

#define KEEP_LEARNT 32u

ns_t sched_ratelimit;

ns_t keep_until(const struct runqueue *q)
{
    const struct vcpu *v = q->current;

    if (vcpu_is_idle(v) || v->sched.gives_way)
        return 0;
    return v->sched.chosen + READ_ONCE(sched_ratelimit);
}

bool keep_from_waker(const struct runqueue *q, ns_t when)
{
    struct vcpu *v = q->current;

    if (when >= keep_until(q))
        return false;
    if (v->sched.unkept != 0) {
        v->sched.unkept--;
        v->sched.gives_way = true;
        return false;
    }
    if (v->sched.kept_from == 0)
        v->sched.kept_from = when;
    return true;
}

void keep_end(struct vcpu *v, ns_t when)
{
    ns_t from = v->sched.kept_from;

    if (from != 0 && !vcpu_runnable(v) && (when - from) * 5 < (from - v->sched.chosen) * 2)
        v->sched.unkept = KEEP_LEARNT;
    v->sched.kept_from = 0;
    v->sched.gives_way = false;
}

int sched_set_ratelimit(uint32_t us)
{
    if (!sched_ratelimit_valid(us))
        return -XEN_EINVAL;
    WRITE_ONCE(sched_ratelimit, us * NS_PER_US); /* who runs now is measured by it at once */
    return 0;
}

uint32_t sched_get_ratelimit(void)
{
    return (uint32_t)(READ_ONCE(sched_ratelimit) / NS_PER_US);
}

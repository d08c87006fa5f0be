/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Which vCPU runs on which CPU, and when.
 *
 * Who holds the lock of the queue of v->cpu may change v's scheduling state. Of that, at any time:
 *   - v is queued: it may run, is not `running`, and is on the queue of v->cpu only;
 *   - v is some queue's `current`: `running` is set, and its CPU is v->cpu;
 *   - v was current and its state is being saved: `running` is still set. Nobody may queue it, so
 *     that no other CPU can pick it; who wakes it meanwhile leaves `requeue`, and sched_switched()
 *     queues it. Therefore v->cpu never changes while `running` is set;
 *   - none of these: it is blocked, paused, down or parked, or about to be put on a queue.
 *
 * Waking and going idle race: who queues a vCPU looks for idle CPUs afterwards, and who goes idle
 * says so in idle_cpus before it looks at the queues, so one of them sees the other.
 *
 * While there are no more vCPUs than CPUs, nobody waits: no timer is set and no queue but the own
 * one is looked at.
 */
#include "core/sched.h"

#include <arch/cpu.h>

#include "core/lib.h"
#include "core/runqueue.h"
#include "core/softirq.h"

static cpumask_t idle_cpus;

bool vcpu_runnable(const struct vcpu *v)
{
    return READ_ONCE(v->pause_flags) == 0 && READ_ONCE(v->pause_count) == 0 &&
           READ_ONCE(v->domain->pause_count) == 0;
}

/* The state of a vCPU that does not run and is not queued. */
static int resting_state(const struct vcpu *v)
{
    if (vcpu_runnable(v))
        return RUNSTATE_runnable; /* parked, or on its way to a queue */
    return READ_ONCE(v->pause_flags) & VPF_BLOCKED ? RUNSTATE_blocked : RUNSTATE_offline;
}

/* ---- Waking ------------------------------------------------------------------------------- */

static cpumask_t allowed_cpus(const struct vcpu *v)
{
    return cpumask_and(v->sched.affinity, cpu_online_mask);
}

/* Those of the CPUs that v rather runs on; if there are none of these, all of them. */
static cpumask_t preferred(const struct vcpu *v, cpumask_t cpus)
{
    cpumask_t soft = cpumask_and(cpus, v->sched.soft);

    return cpumask_empty(soft) ? cpus : soft;
}

/*
 * Where v should wait: an idle CPU, the last one it ran on for choice; else its last one if it may;
 * else the one with the least load. Clearing the idle bit keeps two wakers from choosing one CPU.
 */
static unsigned choose_cpu(const struct vcpu *v)
{
    cpumask_t allowed = allowed_cpus(v);
    cpumask_t idle = cpumask_and(allowed, (cpumask_t){atomic_load(&idle_cpus.bits)});
    unsigned best;

    idle = preferred(v, idle);
    if (!cpumask_empty(idle)) {
        best = cpumask_has(idle, v->cpu) ? v->cpu : cpumask_first(idle);
        cpumask_clear_atomic(&idle_cpus, best);
        return best;
    }
    if (cpumask_has(allowed, v->cpu) || cpumask_empty(allowed))
        return v->cpu;
    allowed = preferred(v, allowed);
    best = cpumask_first(allowed);
    for_each_cpu (cpu, allowed) {
        if (READ_ONCE(per_cpu(runqueue, cpu).load) < READ_ONCE(per_cpu(runqueue, best).load))
            best = cpu;
    }
    return best;
}

/* Is it v's turn, before what runs now? */
static bool precedes_current(const struct runqueue *q, const struct vcpu *v)
{
    return vcpu_is_idle(q->current) || vtime_before(v->sched.vtime, q->current->sched.vtime);
}

/*
 * When schedule() must be called for the sake of `v`, who waits while another runs: it is before it
 * and waits for the end of the least time, or it waits for the end of a turn.
 */
static ns_t turn_ends(const struct runqueue *q, const struct vcpu *v, ns_t when)
{
    ns_t kept = keep_until(q);

    return precedes_current(q, v) && kept > when ? kept : when + SCHED_SLICE;
}

/* Someone waits while someone else runs: see to it that turns end. */
static void start_slice(struct runqueue *q, ns_t end)
{
    if (!timer_is_set(&q->slice) || q->slice.expires > end)
        timer_set(&q->slice, end);
}

/* Does v take the CPU at once from what runs now? */
static bool preempts(const struct runqueue *q, const struct vcpu *v, ns_t when)
{
    return precedes_current(q, v) && !keep_from_waker(q, when);
}

/* For everyone who waits here, wake an idle CPU that may take him, while there are any. */
static void call_idle_cpus(struct runqueue *q)
{
    cpumask_t idle = cpumask_and(cpu_online_mask, (cpumask_t){atomic_load(&idle_cpus.bits)});

    for (struct vcpu *v = q->head; v != NULL && !cpumask_empty(idle); v = v->sched.next) {
        cpumask_t takers = cpumask_and(v->sched.affinity, idle);
        unsigned cpu;

        if (cpumask_empty(takers))
            continue;
        cpu = cpumask_first(takers);
        idle.bits &= ~(1ull << cpu);
        softirq_raise_on(cpu, SOFTIRQ_SCHEDULE);
    }
}

/*
 * v may wait here: queue it, and make this or an idle CPU look. q's lock held.
 *
 * One that was just displaced (or yielded) is measured against what its successor was chosen by,
 * which is not charged for the switch here: else v would be before it again, and the two could take
 * the CPU from each other without end, neither coming to run.
 */
static void enqueue(struct runqueue *q, struct vcpu *v, bool displaced, ns_t when)
{
    runstate_change(v, RUNSTATE_runnable, when);
    if (!displaced)
        runqueue_charge(q, q->current, when);
    runqueue_place(q, v);
    runqueue_insert(q, v);
    if (preempts(q, v, when)) {
        softirq_raise_on(q->cpu, SOFTIRQ_SCHEDULE);
        return;
    }
    start_slice(q, turn_ends(q, v, when));
    memory_barrier(); /* v is queued: now look whether a CPU has gone idle meanwhile */
    call_idle_cpus(q);
}

/*
 * One step of waking v, with q locked: true when nothing is left to do. False: v was moved to
 * another queue, and is to be queued there. `moved` says that this happened before.
 */
static bool wake_step(struct runqueue *q, struct vcpu *v, bool displaced, bool moved)
{
    ns_t when = now();
    unsigned cpu;

    if (q->current == v || v->sched.queued)
        return true; /* if it is about to stop, schedule() finds that it need not */
    if (v->running) {
        v->sched.requeue = true;
        return true;
    }
    v->sched.parked = !cap_allows(v);
    if (v->sched.parked || !vcpu_runnable(v)) {
        runstate_change(v, resting_state(v), when);
        return true;
    }
    cpu = moved && cpumask_has(allowed_cpus(v), v->cpu) ? v->cpu : choose_cpu(v);
    if (cpu != v->cpu) {
        runqueue_leave(q, v, cpu, when);
        return false;
    }
    enqueue(q, v, displaced && !moved, when);
    return true;
}

/* `displaced`: it has just given way to another on its CPU. */
static void make_wait(struct vcpu *v, bool displaced)
{
    bool moved = false, done;

    if (vcpu_is_idle(v))
        return;
    do {
        unsigned long flags;
        struct runqueue *q = vcpu_lock_queue(v, &flags);

        done = wake_step(q, v, displaced, moved);
        /* choose_cpu() has made an idle CPU look busy; if v then did not stay there, let it look.
         */
        if (done && moved)
            softirq_raise_on(q->cpu, SOFTIRQ_SCHEDULE);
        moved = true;
        unlock_irqrestore(&q->lock, flags);
    } while (!done);
}

void vcpu_wake(struct vcpu *v)
{
    make_wait(v, false);
}

bool vcpu_unblock(struct vcpu *v)
{
    const uint32_t blocked = VPF_BLOCKED | VPF_POLLING;
    uint32_t was = READ_ONCE(v->pause_flags) & blocked;

    if (was == 0)
        return false;
    /* First, so that if v is already in another poll by now, the next line ends that one too. */
    if (was & VPF_POLLING)
        evtchn_poll_stop(v);
    if (!(atomic_fetch_and(&v->pause_flags, ~blocked) & blocked))
        return false;
    vcpu_wake(v);
    return true;
}

/* ---- Stopping ----------------------------------------------------------------------------- */

void vcpu_sleep(struct vcpu *v)
{
    unsigned long flags;
    struct runqueue *q = vcpu_lock_queue(v, &flags);

    if (!vcpu_runnable(v) && !vcpu_is_idle(v)) {
        if (q->current == v) {
            softirq_raise_on(q->cpu, SOFTIRQ_SCHEDULE);
        } else if (!v->running) {
            if (v->sched.queued)
                runqueue_remove(q, v);
            runstate_change(v, resting_state(v), now());
        }
    }
    unlock_irqrestore(&q->lock, flags);
}

void vcpu_wait_stopped(struct vcpu *v)
{
    ASSERT(v != current_vcpu());
    while (atomic_load(&v->running))
        cpu_relax();
}

void vcpu_pause_nowait(struct vcpu *v)
{
    atomic_fetch_add(&v->pause_count, 1);
    vcpu_sleep(v);
}

void vcpu_pause(struct vcpu *v)
{
    vcpu_pause_nowait(v);
    vcpu_wait_stopped(v);
}

void vcpu_unpause(struct vcpu *v)
{
    int32_t count = atomic_fetch_sub(&v->pause_count, 1);

    BUG_ON(count <= 0);
    if (count == 1)
        vcpu_wake(v);
}

void vcpu_block(void)
{
    struct vcpu *v = current_vcpu();

    /* See poke() in vcpu.c: first the flag, then the look. */
    atomic_fetch_or(&v->pause_flags, VPF_BLOCKED);
    if (vcpu_event_due(v))
        atomic_fetch_and(&v->pause_flags, ~(uint32_t)VPF_BLOCKED);
    else
        softirq_raise(SOFTIRQ_SCHEDULE);
}

void vcpu_yield(void)
{
    WRITE_ONCE(current_vcpu()->sched.yielded, true); /* read by this CPU's schedule() only */
    softirq_raise(SOFTIRQ_SCHEDULE);
}

/* ---- Choosing ----------------------------------------------------------------------------- */

/* May prev stay on this CPU? Parks it when its cap is used up. */
static bool may_stay(struct runqueue *q, struct vcpu *prev, ns_t when)
{
    if (vcpu_is_idle(prev) || !vcpu_runnable(prev))
        return false;
    if (cap_draw(prev, when) <= 0) {
        prev->sched.parked = true;
        return false;
    }
    return cpumask_has(prev->sched.affinity, q->cpu);
}

/* The vCPU to run now, taken off the queue if it comes from there; the idle one if there is none.
 */
static struct vcpu *pick(struct runqueue *q, struct vcpu *prev, bool stays, ns_t when)
{
    struct vcpu *head = q->head;
    bool yields = prev->sched.yielded;

    prev->sched.yielded = false;
    if (head == NULL)
        return stays ? prev : q->idle;
    if (stays && yields && vtime_before(prev->sched.vtime, head->sched.vtime))
        prev->sched.vtime = head->sched.vtime; /* behind the first in the queue */
    if (stays &&
        (vtime_before(prev->sched.vtime, head->sched.vtime) || (!yields && when < keep_until(q))))
        return prev;
    runqueue_remove(q, head);
    return head;
}

/* prev leaves the CPU, next has it. The lock is held. */
static void hand_over(struct runqueue *q, struct vcpu *prev, struct vcpu *next, ns_t when)
{
    keep_end(prev, when);
    if (!vcpu_is_idle(prev)) {
        q->load -= prev->sched.weight;
        cap_return(prev);
        prev->sched.requeue = vcpu_runnable(prev) && !prev->sched.parked;
        runstate_change(prev, resting_state(prev), when);
    } else {
        runstate_change(prev, RUNSTATE_runnable, when);
    }
    q->current = next;
    if (!vcpu_is_idle(next))
        q->load += next->sched.weight;
    next->sched.started = when;
    next->sched.chosen = when;
    WRITE_ONCE(next->running, true);
    runstate_change(next, RUNSTATE_running, when);
}

/* When must schedule() be called again, if nothing happens before? */
static void set_slice(struct runqueue *q, ns_t when)
{
    ns_t left = vcpu_is_idle(q->current) ? NS_NEVER : cap_draw(q->current, when);

    if (q->head != NULL)
        left = MIN(left, turn_ends(q, q->head, when) - when);
    if (left != NS_NEVER)
        timer_set(&q->slice, when + left);
    else if (timer_is_set(&q->slice))
        timer_stop(&q->slice);
}

/* Longer than anybody who runs holds a queue's lock. */
#define STEAL_TRIES 100u

/*
 * The lock of another's queue, or none if it does not come free: to line up there would keep all
 * idle CPUs waiting, in a virtual machine for as long as the host lets one of them not run.
 */
static bool lock_to_steal(struct runqueue *q)
{
    for (unsigned i = 0; i < STEAL_TRIES && READ_ONCE(q->count) != 0; i++) {
        if (trylock(&q->lock))
            return true;
        cpu_relax();
    }
    return false;
}

/*
 * Take a vCPU that waits elsewhere and may run here. The own queue is not locked. Those who wait in
 * a queue that is left out get their turn when its CPU comes to it, as if no CPU were idle.
 */
static struct vcpu *steal(unsigned cpu)
{
    for_each_cpu (other, cpu_online_mask) {
        struct runqueue *q = &per_cpu(runqueue, other);
        struct vcpu *v;

        if (other == cpu || !lock_to_steal(q))
            continue;
        for (v = q->head; v != NULL; v = v->sched.next) {
            if (!cpumask_has(v->sched.affinity, cpu))
                continue;
            runqueue_remove(q, v);
            runqueue_leave(q, v, cpu, now());
            unlock(&q->lock);
            return v;
        }
        unlock(&q->lock);
    }
    return NULL;
}

/*
 * Choose, with the lock held. The idle vCPU is chosen only after this CPU is in idle_cpus;
 * `searched` says that the other queues have been looked at since.
 */
static struct vcpu *choose(struct runqueue *q, struct vcpu *prev, ns_t when, bool searched,
                           bool *search)
{
    bool stays = may_stay(q, prev, when);
    struct vcpu *next = pick(q, prev, stays, when);

    if (next != q->idle) {
        if (cpumask_has((cpumask_t){atomic_load(&idle_cpus.bits)}, q->cpu))
            cpumask_clear_atomic(&idle_cpus, q->cpu);
        return next;
    }
    cpumask_set_atomic(&idle_cpus, q->cpu); /* a full barrier */
    *search = !searched && atomic_load(&sched_waiting) != 0;
    return next;
}

void schedule(void)
{
    unsigned long flags = irq_save();
    struct runqueue *q = &this_cpu(runqueue);
    struct vcpu *prev, *next;
    bool search = false;
    ns_t when;

    lock(&q->lock);
    when = now();
    prev = q->current;
    runqueue_charge(q, prev, when);
    next = choose(q, prev, when, false, &search);
    if (search) {
        struct vcpu *found;
        unlock(&q->lock);
        found = steal(q->cpu);
        if (found != NULL)
            vcpu_wake(found);
        lock(&q->lock);
        search = false;
        next = choose(q, prev, when, true, &search);
    }
    if (next != prev)
        hand_over(q, prev, next, when);
    set_slice(q, when);
    call_idle_cpus(q);
    unlock(&q->lock);
    if (next != prev)
        arch_context_switch(prev, next);
    irq_restore(flags);
}

/* The allowed CPU of least load; of several the next after q's, so that all have their turn. */
static unsigned least_loaded(const struct runqueue *q, cpumask_t allowed)
{
    unsigned best = q->cpu;

    for (unsigned i = 1; i < NR_CPUS; i++) {
        unsigned cpu = (q->cpu + i) % NR_CPUS;
        if (cpumask_has(allowed, cpu) &&
            READ_ONCE(per_cpu(runqueue, cpu).load) < READ_ONCE(per_cpu(runqueue, best).load))
            best = cpu;
    }
    return best;
}

/*
 * More load here than elsewhere by at least the weight of someone who waits: he moves. Equality
 * counts, so that three on two CPUs take turns at having one to themselves; and so that it is not
 * always the same one, the one that has been here longest goes. Returns him, to be woken without a
 * lock held.
 */
static struct vcpu *pick_to_move(struct runqueue *q, ns_t when)
{
    struct vcpu *oldest = q->head;
    unsigned best;

    if (oldest == NULL || when < q->next_balance)
        return NULL;
    for (struct vcpu *v = q->head; v != NULL; v = v->sched.next) {
        if (v->sched.arrived < oldest->sched.arrived)
            oldest = v;
    }
    if (!vcpu_is_idle(q->current) && q->current->sched.arrived < oldest->sched.arrived)
        return NULL; /* when it waits itself */
    q->next_balance = when + SCHED_BALANCE_PERIOD;
    best = least_loaded(q, allowed_cpus(oldest));
    if (best == q->cpu || READ_ONCE(per_cpu(runqueue, best).load) + oldest->sched.weight > q->load)
        return NULL;
    runqueue_remove(q, oldest);
    runqueue_leave(q, oldest, best, when);
    return oldest;
}

static void balance(struct runqueue *q)
{
    unsigned long flags;
    struct vcpu *moving;

    if (READ_ONCE(q->count) == 0)
        return;
    flags = lock_irqsave(&q->lock);
    moving = pick_to_move(q, now());
    unlock_irqrestore(&q->lock, flags);
    if (moving != NULL)
        vcpu_wake(moving);
}

void sched_switched(struct vcpu *prev)
{
    unsigned long flags;
    struct runqueue *q;
    bool requeue;

    if (vcpu_is_idle(prev)) {
        atomic_store(&prev->running, false);
        memory_barrier(); /* the next vCPU's `running` is seen before it looks for events (poke())
                           */
        return;
    }
    q = vcpu_lock_queue(prev, &flags);
    atomic_store(&prev->running, false);
    requeue = prev->sched.requeue;
    prev->sched.requeue = false;
    unlock_irqrestore(&q->lock, flags);
    if (requeue)
        make_wait(prev, true);
    balance(&this_cpu(runqueue));
}

/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Run states: how long each vCPU was running, runnable, blocked and offline. They change under the
 * lock of the vCPU's run queue, at the moments at which the scheduler accounts, so that the four
 * times add up to the time since the vCPU was made.
 */
#include "core/guest.h"
#include "core/runqueue.h"

void runstate_change(struct vcpu *v, int state, ns_t when)
{
    struct vcpu_runstate_info *r = &v->runstate;
    ns_t spent = when - (ns_t)r->state_entry_time;

    if (r->state == state)
        return;
    /* Two CPUs' readings of the time may be taken in one order and come here in the other. */
    if (spent > 0) {
        r->time[r->state] += (uint64_t)spent;
        r->state_entry_time = (uint64_t)when;
    }
    r->state = state;
}

void runstate_get(struct vcpu *v, struct vcpu_runstate_info *out)
{
    unsigned long flags;
    struct runqueue *q = vcpu_lock_queue(v, &flags);
    ns_t spent = now() - (ns_t)v->runstate.state_entry_time;

    *out = v->runstate;
    if (spent > 0)
        out->time[out->state] += (uint64_t)spent;
    unlock_irqrestore(&q->lock, flags);
}

ns_t sched_vcpu_time(struct vcpu *v)
{
    struct vcpu_runstate_info info;

    runstate_get(v, &info);
    return (ns_t)info.time[RUNSTATE_running];
}

/*
 * With VMASST_TYPE_runstate_update_flag the guest sees XEN_RUNSTATE_UPDATE in state_entry_time
 * while the rest is written (xen/vcpu.h): the word with the flag goes first, and without it last.
 * x86 does not reorder stores; guest_copy_out() is a call, so the compiler does not either.
 */
void runstate_publish(struct vcpu *v)
{
    struct vcpu_runstate_info copy = v->runstate;
    uint64_t entry_time = copy.state_entry_time;
    vaddr_t area = v->runstate_guest;
    vaddr_t entry = VADDR(area.v + offsetof(struct vcpu_runstate_info, state_entry_time));

    if (area.v == 0)
        return;
    if (!(v->domain->vm_assist & (1ull << VMASST_TYPE_runstate_update_flag))) {
        (void)!guest_copy_out(area, &copy, sizeof(copy));
        return;
    }
    copy.state_entry_time |= XEN_RUNSTATE_UPDATE;
    if (guest_copy_out(entry, &copy.state_entry_time, sizeof(entry_time)) == 0 &&
        guest_copy_out(area, &copy, sizeof(copy)) == 0)
        (void)!guest_copy_out(entry, &entry_time, sizeof(entry_time));
}

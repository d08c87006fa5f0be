/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * vCPUs: made and freed, and the last step of every event's delivery.
 */
#include "core/domain.h"

#include <arch/memory.h>

#include "core/frame.h"
#include "core/lib.h"

struct vcpu_info vcpu_info_dummy = {.evtchn_upcall_mask = 1};

/* Where v's info is while no page of the guest's own is registered. */
static struct vcpu_info *default_info(const struct domain *d, unsigned id)
{
    if (d->shared == NULL || id >= XEN_LEGACY_MAX_VCPUS)
        return &vcpu_info_dummy;
    return &d->shared->vcpu_info[id];
}

int vcpu_create(struct domain *d, unsigned id, unsigned cpu)
{
    struct vcpu *v;
    int rc;

    if (id >= d->max_vcpus || cpu >= NR_CPUS || d->is_dying)
        return -XEN_EINVAL;
    if (d->vcpu[id] != NULL)
        return -XEN_EEXIST;
    v = hv_alloc(d, arch_vcpu_bytes());
    if (v == NULL)
        return -XEN_ENOMEM;
    v->id = id;
    v->domain = d;
    v->cpu = cpu;
    lock_init(&v->lock, RANK_VCPU);
    v->pause_flags = VPF_DOWN;
    v->info_mfn = INVALID_MFN;
    v->info = default_info(d, id);
    rc = arch_vcpu_create(v);
    if (rc != 0) {
        hv_free(d, v, arch_vcpu_bytes());
        return rc;
    }
    vcpu_timers_init(v);
    sched_vcpu_init(v);
    atomic_store(&d->vcpu[id], v); /* complete: senders may find it from now on */
    return 0;
}

void vcpu_release(struct vcpu *v)
{
    mfn_t mfn;

    vcpu_timers_kill(v);
    lock(&v->lock);
    mfn = v->info_mfn;
    v->info_mfn = INVALID_MFN;
    WRITE_ONCE(v->info, default_info(v->domain, v->id));
    v->runstate_guest = VADDR(0);
    v->time_guest = VADDR(0);
    unlock(&v->lock);
    if (!mfn_eq(mfn, INVALID_MFN))
        frame_put_both(mfn);
}

void vcpu_free(struct vcpu *v)
{
    arch_vcpu_free(v);
    hv_free(v->domain, v, arch_vcpu_bytes());
}

int vcpu_up(struct vcpu *v)
{
    if (!READ_ONCE(v->initialised))
        return -XEN_EINVAL;
    if (atomic_fetch_and(&v->pause_flags, ~(uint32_t)VPF_DOWN) & VPF_DOWN)
        vcpu_wake(v);
    return 0;
}

void vcpu_down(struct vcpu *v)
{
    if (!(atomic_fetch_or(&v->pause_flags, VPF_DOWN) & VPF_DOWN))
        vcpu_sleep(v);
}

/* ---- Telling a vCPU that something is pending ---------------------------------------------- */

bool vcpu_event_due(const struct vcpu *v)
{
    const struct vcpu_info *info = READ_ONCE(v->info);

    return READ_ONCE(v->nmi_pending) || (READ_ONCE(info->evtchn_upcall_pending) != 0 &&
                                         READ_ONCE(info->evtchn_upcall_mask) == 0);
}

/*
 * Make v look at what its caller has just set (with a full barrier behind it). There are four
 * cases:
 *
 *   blocked    vcpu_block() sets VPF_BLOCKED, then looks at what is pending; we set pending, then
 *              look at VPF_BLOCKED. Both with full barriers, so at least one sees the other's
 *              write.
 *   queued     it will look when it enters the guest.
 *   runs here  the way out of the hypervisor looks, with interrupts off.
 *   elsewhere  it may be past that look: the interrupt brings it back. If `running` is still false
 *              here though it is being switched to, its look comes after the switch, and so after
 *              our write.
 */
static inline void poke(struct vcpu *v, bool kick)
{
    bool rests = READ_ONCE(v->pause_flags) & (VPF_BLOCKED | VPF_POLLING);

    if (!(rests && vcpu_unblock(v)) && kick && atomic_load(&v->running)) {
        unsigned cpu = READ_ONCE(v->cpu);
        if (cpu != cpu_id())
            arch_kick_cpu(cpu);
    }
}

void vcpu_raise_upcall(struct vcpu *v)
{
    struct vcpu_info *info = READ_ONCE(v->info);
    uint8_t was = atomic_swap(&info->evtchn_upcall_pending, 1);

    /*
     * Pending already: whoever set it has kicked v, or v has not cleared it yet and will look
     * again. The mask is no reason not to kick: a guest that unmasks and then reads `pending` may,
     * as x86 loads pass stores, read it before its unmasking can be seen here.
     */
    poke(v, was == 0);
}

void vcpu_send_nmi(struct vcpu *v)
{
    bool was = atomic_swap(&v->nmi_pending, true);

    arch_vcpu_exit_work(v);
    poke(v, !was);
}

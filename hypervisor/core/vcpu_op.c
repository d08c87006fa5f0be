/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * VCPUOP_*: starting and stopping vCPUs, and the areas in guest memory that they publish in. The
 * timers are in vcpu_timer.c. `v` is the vCPU that the guest named, of its own domain; most
 * operations are allowed on any of them.
 */
#include "core/domain.h"

#include <arch/memory.h>

#include "core/frame.h"
#include "core/guest.h"
#include "core/lib.h"

/* ---- Starting and stopping ---------------------------------------------------------------- */

/*
 * Above XEN_LEGACY_MAX_VCPUS a vCPU has no vcpu_info until it registers one, and could not be sent
 * an event.
 */
static bool has_info(const struct vcpu *v)
{
    return READ_ONCE(v->info) != &vcpu_info_dummy;
}

long vcpu_op_initialise(struct vcpu *v, vaddr_t *arg)
{
    struct domain *d = v->domain;
    bool online; /* for the toolstack's call: here it takes a VCPUOP_up */
    int rc;

    if (!has_info(v))
        return -XEN_EINVAL;
    lock(&d->lock); /* against another vCPU that initialises v too */
    rc = -XEN_EEXIST;
    if (!v->initialised) {
        rc = arch_vcpu_set_context(v, *arg, &online);
        if (rc == 0)
            WRITE_ONCE(v->initialised, true);
    }
    unlock(&d->lock);
    return rc;
}

long vcpu_op_up(struct vcpu *v, void *arg)
{
    (void)arg;
    if (!has_info(v))
        return -XEN_EINVAL;
    return vcpu_up(v);
}

/* The last vCPU that goes down takes the domain with it, as nobody could bring one up again. */
long vcpu_op_down(struct vcpu *v, void *arg)
{
    struct domain *d = v->domain;
    bool others = false;

    (void)arg;
    lock(&d->lock); /* of two that go down at once, one is the last */
    for_each_vcpu (d, other)
        others |= other != v && !(READ_ONCE(other->pause_flags) & VPF_DOWN);
    if (others)
        vcpu_down(v);
    unlock(&d->lock);
    if (!others)
        domain_shutdown(d, SHUTDOWN_poweroff);
    return 0;
}

long vcpu_op_is_up(struct vcpu *v, void *arg)
{
    (void)arg;
    return !(READ_ONCE(v->pause_flags) & VPF_DOWN);
}

long vcpu_op_send_nmi(struct vcpu *v, vaddr_t *arg)
{
    if (arg->v != 0) /* xen/vcpu.h: "@extra_arg == NULL" */
        return -XEN_EINVAL;
    vcpu_send_nmi(v);
    return 0;
}

/*
 * Only for a control domain whose vCPUs are pinned for good, each to its CPU; no option does that
 * here. The answer is that of Xen for vCPUs which are not.
 */
long vcpu_op_get_physid(struct vcpu *v, struct vcpu_get_physid *arg)
{
    (void)v;
    (void)arg;
    return -XEN_EINVAL;
}

/* ---- Areas -------------------------------------------------------------------------------- */

long vcpu_op_get_runstate_info(struct vcpu *v, struct vcpu_runstate_info *arg)
{
    runstate_get(v, arg);
    return 0;
}

/*
 * A virtual address, in whatever page table v uses when it is switched to; so that it is not mapped
 * now is no error. Address 0 ends the publishing.
 */
long vcpu_op_register_runstate(struct vcpu *v, struct vcpu_register_runstate_memory_area *arg)
{
    vaddr_t area = VADDR(arg->addr.p);
    struct vcpu_runstate_info info;

    if (!guest_range_ok(area, sizeof(info)))
        return -XEN_EFAULT;
    WRITE_ONCE(v->runstate_guest.v, area.v);
    if (v == current_vcpu()) {
        runstate_publish(v);
    } else if (area.v != 0) {
        runstate_get(v, &info);
        (void)!guest_copy_out(area, &info, sizeof(info));
    }
    return 0;
}

long vcpu_op_register_time(struct vcpu *v, struct vcpu_register_time_memory_area *arg)
{
    vaddr_t area = VADDR(arg->addr.p);

    if (!guest_range_ok(area, sizeof(struct vcpu_time_info)))
        return -XEN_EFAULT;
    WRITE_ONCE(v->time_guest_stale, true); /* first: who sees the address writes there */
    memory_barrier();
    WRITE_ONCE(v->time_guest.v, area.v);
    if (v == current_vcpu())
        arch_update_vcpu_time(v);
    return 0;
}

/* Switch v over to its info at `to`, of which the caller holds the frame's references. */
static int move_info(struct vcpu *v, mfn_t mfn, struct vcpu_info *to)
{
    int rc = -XEN_EINVAL;

    lock(&v->lock);
    if (mfn_eq(v->info_mfn, INVALID_MFN)) {
        if (has_info(v)) {
            memcpy(to, v->info, sizeof(*to));
        } else {
            memset(to, 0, sizeof(*to));
            to->evtchn_upcall_mask = 1;
        }
        v->info_mfn = mfn;
        atomic_store(&v->info, to);
        memory_barrier(); /* what goes to the old place from here on, the poll below makes up for */
        rc = 0;
    }
    unlock(&v->lock);
    return rc;
}

/*
 * Once for each vCPU, by itself or while it is down. Events may be sent while the info moves: one
 * whose sender still saw the old place after it was copied is pending in the shared page only, so
 * all of the new place is marked pending, and the guest will look.
 */
long vcpu_op_register_info(struct vcpu *v, struct vcpu_register_vcpu_info *arg)
{
    mfn_t mfn = MFN(arg->mfn);
    int rc;

    if (arg->offset > PAGE_SIZE - sizeof(struct vcpu_info) ||
        arg->offset % _Alignof(struct vcpu_info) != 0)
        return -XEN_ENXIO;
    if (v != current_vcpu() && !(READ_ONCE(v->pause_flags) & VPF_DOWN))
        return -XEN_EINVAL;
    if (!mfn_eq(v->info_mfn, INVALID_MFN))
        return -XEN_EINVAL;
    rc = frame_get_both(mfn, v->domain, FT_WRITABLE);
    if (rc != 0)
        return rc == -XEN_ERESTART ? rc : -XEN_EINVAL;
    rc = move_info(v, mfn, (struct vcpu_info *)((char *)mfn_to_virt(mfn) + arg->offset));
    if (rc != 0)
        frame_put_both(mfn);
    else
        evtchn_vcpu_repoll(v);
    return rc;
}

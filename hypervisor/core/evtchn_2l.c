/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Two-level delivery (xen/event_channel.h, "2-level ABI"): bitmaps of pending and masked ports in
 * the domain's shared page, and a word of each vcpu_info that tells which words of them to look at.
 *
 * The bits belong to the guest as much as to us: nothing here relies on what they were.
 */
#include "core/atomic.h"
#include "core/evtchn_internal.h"

static unsigned long *pending_map(const struct domain *d)
{
    return (unsigned long *)d->shared->evtchn_pending;
}

static unsigned long *mask_map(const struct domain *d)
{
    return (unsigned long *)d->shared->evtchn_mask;
}

static void two_level_init(struct domain *d, struct evtchn *chn)
{
    (void)d;
    chn->priority = EVTCHN_FIFO_PRIORITY_DEFAULT;
}

/*
 * Second and third step of a delivery: the selector word, then the upcall. A domain that is being
 * made may have ports before it has a vCPU; its guest finds the pending bit when it unmasks them.
 */
static void select_and_raise(const struct domain *d, const struct evtchn *chn)
{
    struct vcpu *v = evtchn_notified(d, chn);

    if (v == NULL)
        return;
    struct vcpu_info *info = READ_ONCE(v->info);
    if (!bit_test_and_set(chn->port / BITS_PER_LONG, (unsigned long *)&info->evtchn_pending_sel))
        vcpu_raise_upcall(v);
}

/*
 * The pending bit is set before the mask is read, and a guest that unmasks by itself clears the
 * mask before it reads the pending bit: one of the two sees the other. bit_test_and_set() is the
 * barrier.
 */
static void two_level_set_pending(struct domain *d, struct evtchn *chn)
{
    if (bit_test_and_set(chn->port, pending_map(d)))
        return;
    if (!bit_test(chn->port, mask_map(d)))
        select_and_raise(d, chn);
    evtchn_wake_pollers(d, chn->port);
}

static void two_level_clear_pending(struct domain *d, struct evtchn *chn)
{
    bit_clear(chn->port, pending_map(d));
}

static void two_level_unmask(struct domain *d, struct evtchn *chn)
{
    if (bit_test_and_clear(chn->port, mask_map(d)) && bit_test(chn->port, pending_map(d)))
        select_and_raise(d, chn);
}

static bool two_level_is_pending(struct domain *d, const struct evtchn *chn)
{
    return bit_test(chn->port, pending_map(d));
}

static bool two_level_is_masked(struct domain *d, const struct evtchn *chn)
{
    return bit_test(chn->port, mask_map(d));
}

static bool two_level_is_busy(struct domain *d, const struct evtchn *chn)
{
    (void)d;
    (void)chn;
    return false;
}

const struct evtchn_delivery evtchn_2l = {
    .name = "two-level",
    .ports = EVTCHN_2L_PORTS,
    .init = two_level_init,
    .set_pending = two_level_set_pending,
    .clear_pending = two_level_clear_pending,
    .unmask = two_level_unmask,
    .is_pending = two_level_is_pending,
    .is_masked = two_level_is_masked,
    .is_busy = two_level_is_busy,
};

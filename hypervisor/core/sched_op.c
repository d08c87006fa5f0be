/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * SCHEDOP_* (the watchdogs are in vcpu_timer.c) and vm_assist. `v` is the caller, the current vCPU.
 */
#include "core/domain.h"
#include "core/guest.h"
#include "core/hypercall.h"
#include "core/softirq.h"

#define POLL_MAX_PORTS 128u

long sched_op_yield(struct vcpu *v, void *arg)
{
    (void)v;
    (void)arg;
    vcpu_yield();
    return 0;
}

long sched_op_block(struct vcpu *v, void *arg)
{
    (void)arg;
    WRITE_ONCE(v->info->evtchn_upcall_mask, 0);
    vcpu_block();
    return 0;
}

/* ---- Poll --------------------------------------------------------------------------------- */

/* In the order of the list: 1 for a pending port, an error for one that is not in use; else 0. */
static int any_port_pending(struct domain *d, const xen_evtchn_port_t *ports, unsigned count)
{
    for (unsigned i = 0; i < count; i++) {
        int ret = evtchn_port_pending(d, EVTCHN_PORT(ports[i]));

        if (ret != 0)
            return ret;
    }
    return 0;
}

/*
 * The flags, then the poller's mark, then the look at the ports; who sends an event does it in the
 * opposite order, so one of the two sees the other (as in vcpu.c's poke()).
 */
static void poll_wait(struct vcpu *v, const xen_evtchn_port_t *ports, unsigned count, ns_t timeout)
{
    atomic_fetch_or(&v->pause_flags, VPF_BLOCKED | VPF_POLLING);
    evtchn_poll_start(v, EVTCHN_PORT(count == 1 ? ports[0] : 0));
    memory_barrier();
    /* A port that was closed since the caller looked sends nothing: that ends the poll, too. */
    if (vcpu_event_due(v) || any_port_pending(v->domain, ports, count) != 0) {
        evtchn_poll_stop(v);
        atomic_fetch_and(&v->pause_flags, ~(uint32_t)(VPF_BLOCKED | VPF_POLLING));
        return;
    }
    if (timeout != 0)
        timer_set(&v->poll_timer, timeout);
    softirq_raise(SOFTIRQ_SCHEDULE);
}

/* Timeout: absolute, 0 for none. Wakes for any event at all when there are no or several ports. */
long sched_op_poll(struct vcpu *v, struct sched_poll *arg)
{
    xen_evtchn_port_t ports[POLL_MAX_PORTS];
    ns_t timeout = arg->timeout > (uint64_t)NS_NEVER ? NS_NEVER : (ns_t)arg->timeout;
    int ret;

    if (arg->nr_ports > POLL_MAX_PORTS)
        return -XEN_EINVAL;
    if (guest_copy_in(ports, HANDLE_VA(arg->ports), arg->nr_ports * sizeof(ports[0])))
        return -XEN_EFAULT;
    ret = any_port_pending(v->domain, ports, arg->nr_ports);
    if (ret != 0)
        return ret < 0 ? ret : 0;
    timer_stop(&v->poll_timer); /* a former poll's */
    poll_wait(v, ports, arg->nr_ports, timeout);
    return 0;
}

/* ---- Shutting down ------------------------------------------------------------------------ */

/* Only the low byte of a reason counts, as with Xen. */
long sched_op_shutdown(struct vcpu *v, struct sched_shutdown *arg)
{
    domain_shutdown(v->domain, (uint8_t)arg->reason);
    return 0;
}

/* The reason that a shutdown to come will have, whatever it says itself; the first call counts. */
long sched_op_shutdown_code(struct vcpu *v, struct sched_shutdown *arg)
{
    unsigned none = SHUTDOWN_CODE_NONE;

    (void)atomic_cas(&v->domain->shutdown_code, &none, (unsigned)(uint8_t)arg->reason);
    return 0;
}

long sched_op_remote_shutdown(struct vcpu *v, struct sched_remote_shutdown *arg)
{
    struct domain *d = domain_get(DOMID(arg->domain_id));
    long rc = -XEN_EPERM;

    if (d == NULL)
        return -XEN_ESRCH;
    if (v->domain->is_privileged) {
        domain_shutdown(d, (uint8_t)arg->reason);
        rc = 0;
    }
    domain_put(d);
    return rc;
}

/* ---- Pinning ------------------------------------------------------------------------------ */

/* Firmware calls of Linux (dcdbas, i8k) that work on one CPU only; a negative number ends it. */
long sched_op_pin_override(struct vcpu *v, struct sched_pin_override *arg)
{
    if (!v->domain->is_privileged)
        return -XEN_EPERM;
    return arg->pcpu < 0 ? sched_unpin(v) : sched_pin(v, (unsigned)arg->pcpu);
}

/* ---- vm_assist ---------------------------------------------------------------------------- */

/* All of xen/xen.h's list. Those of 32-bit guests, on segments and CR3, have no effect. */
#define VM_ASSIST_VALID                                                                            \
    ((1ull << VMASST_TYPE_4gb_segments) | (1ull << VMASST_TYPE_4gb_segments_notify) |              \
     (1ull << VMASST_TYPE_writable_pagetables) | (1ull << VMASST_TYPE_pae_extended_cr3) |          \
     (1ull << VMASST_TYPE_architectural_iopl) | (1ull << VMASST_TYPE_runstate_update_flag) |       \
     (1ull << VMASST_TYPE_m2p_strict))

long hc_vm_assist(struct vcpu *v, struct hypercall_args *a)
{
    uint32_t cmd = (uint32_t)a->arg[0], type = (uint32_t)a->arg[1];
    uint64_t bit;

    if (type >= 64)
        return -XEN_EINVAL;
    bit = 1ull << type;
    if (!(bit & VM_ASSIST_VALID))
        return -XEN_EINVAL;
    if (cmd == VMASST_CMD_enable)
        atomic_fetch_or(&v->domain->vm_assist, bit);
    else if (cmd == VMASST_CMD_disable)
        atomic_fetch_and(&v->domain->vm_assist, ~bit);
    else
        return -XEN_ENOSYS;
    arch_vm_assist_changed(v->domain);
    return 0;
}

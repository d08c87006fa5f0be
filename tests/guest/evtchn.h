/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * event_channel_op as functions, a line each, for the tests of event channels. Those that give a
 * port return it, or the negative error.
 */
#ifndef EVTCHN_H
#define EVTCHN_H

#include <pv/hypercall.h>
#include <pv/start.h>

#define PORTS_2L   4096u      /* two-level delivery on 64 bits */
#define PORTS_FIFO (1u << 17) /* EVTCHN_FIFO_LINK_BITS */
#define NO_DOMAIN  0x7fefu    /* the highest number that a domain could have */

static inline long evtchn_alloc(domid_t dom, domid_t remote)
{
    struct evtchn_alloc_unbound op = {.dom = dom, .remote_dom = remote};
    long ret = HYPERVISOR_event_channel_op(EVTCHNOP_alloc_unbound, &op);
    return ret ? ret : (long)op.port;
}

static inline long evtchn_connect(domid_t remote, evtchn_port_t port)
{
    struct evtchn_bind_interdomain op = {.remote_dom = remote, .remote_port = port};
    long ret = HYPERVISOR_event_channel_op(EVTCHNOP_bind_interdomain, &op);
    return ret ? ret : (long)op.local_port;
}

static inline long evtchn_bind_virq(unsigned virq, unsigned vcpu)
{
    struct evtchn_bind_virq op = {.virq = virq, .vcpu = vcpu};
    long ret = HYPERVISOR_event_channel_op(EVTCHNOP_bind_virq, &op);
    return ret ? ret : (long)op.port;
}

static inline long evtchn_bind_ipi(unsigned vcpu)
{
    struct evtchn_bind_ipi op = {.vcpu = vcpu};
    long ret = HYPERVISOR_event_channel_op(EVTCHNOP_bind_ipi, &op);
    return ret ? ret : (long)op.port;
}

static inline long evtchn_bind_pirq(unsigned pirq, unsigned flags)
{
    struct evtchn_bind_pirq op = {.pirq = pirq, .flags = flags};
    long ret = HYPERVISOR_event_channel_op(EVTCHNOP_bind_pirq, &op);
    return ret ? ret : (long)op.port;
}

/* Makes a legacy interrupt of the machine a PIRQ of the same number, which bind_pirq() needs. */
static inline long map_pirq(int gsi)
{
    struct physdev_map_pirq op = {
        .domid = DOMID_SELF, .type = MAP_PIRQ_TYPE_GSI, .index = gsi, .pirq = gsi};
    return HYPERVISOR_physdev_op(PHYSDEVOP_map_pirq, &op);
}

static inline long evtchn_close(evtchn_port_t port)
{
    struct evtchn_close op = {.port = port};
    return HYPERVISOR_event_channel_op(EVTCHNOP_close, &op);
}

static inline long evtchn_send(evtchn_port_t port)
{
    struct evtchn_send op = {.port = port};
    return HYPERVISOR_event_channel_op(EVTCHNOP_send, &op);
}

static inline long evtchn_status(evtchn_port_t port, struct evtchn_status *op)
{
    *op = (struct evtchn_status){.dom = DOMID_SELF, .port = port};
    return HYPERVISOR_event_channel_op(EVTCHNOP_status, op);
}

/* EVTCHNSTAT_* or the error. */
static inline long evtchn_kind(evtchn_port_t port)
{
    struct evtchn_status op;
    long ret = evtchn_status(port, &op);
    return ret ? ret : (long)op.status;
}

static inline long evtchn_bind_vcpu(evtchn_port_t port, unsigned vcpu)
{
    struct evtchn_bind_vcpu op = {.port = port, .vcpu = vcpu};
    return HYPERVISOR_event_channel_op(EVTCHNOP_bind_vcpu, &op);
}

static inline long evtchn_unmask(evtchn_port_t port)
{
    struct evtchn_unmask op = {.port = port};
    return HYPERVISOR_event_channel_op(EVTCHNOP_unmask, &op);
}

static inline long evtchn_reset(domid_t dom)
{
    struct evtchn_reset op = {.dom = dom};
    return HYPERVISOR_event_channel_op(EVTCHNOP_reset, &op);
}

/* The bits of the link field, or the error. */
static inline long evtchn_init_control(uint64_t mfn, uint32_t offset, unsigned vcpu)
{
    struct evtchn_init_control op = {.control_gfn = mfn, .offset = offset, .vcpu = vcpu};
    long ret = HYPERVISOR_event_channel_op(EVTCHNOP_init_control, &op);
    return ret ? ret : (long)op.link_bits;
}

static inline long evtchn_expand(uint64_t mfn)
{
    struct evtchn_expand_array op = {.array_gfn = mfn};
    return HYPERVISOR_event_channel_op(EVTCHNOP_expand_array, &op);
}

static inline long evtchn_set_priority(evtchn_port_t port, uint32_t priority)
{
    struct evtchn_set_priority op = {.port = port, .priority = priority};
    return HYPERVISOR_event_channel_op(EVTCHNOP_set_priority, &op);
}

/* SCHEDOP_poll of some ports, until `timeout` (ns of system time; 0: for ever). */
static inline long sched_poll(evtchn_port_t *ports, unsigned count, uint64_t timeout)
{
    struct sched_poll op = {.nr_ports = count, .timeout = timeout};
    set_xen_guest_handle(op.ports, ports);
    return HYPERVISOR_sched_op(SCHEDOP_poll, &op);
}

#endif

/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Calls on event channels. All ports are the domain's own, connected with itself; it changes
 * between the two ways of delivery, and closes all of them now and then.
 */
#include "fuzz.h"

static uint32_t value_port(void)
{
    static const uint32_t bounds[] = {0, 4095, 4096, 131071, 131072, 0xffffffff};
    if (one_in(16))
        return bounds[random_below(sizeof(bounds) / sizeof(bounds[0]))];
    return (uint32_t)pool_get(POOL_PORT);
}

static uint32_t value_vcpu(void)
{
    return one_in(16) ? (uint32_t)value_number() : (uint32_t)random_below(nr_vcpus());
}

static domid_t domain(void)
{
    return one_in(8) ? fuzz_peer : one_in(8) ? (domid_t)value_domid() : DOMID_SELF;
}

/* What makes a port. */
static void bind_fill(unsigned cmd, void *data)
{
    switch (cmd) {
    case EVTCHNOP_alloc_unbound:
        *(struct evtchn_alloc_unbound *)data =
            (struct evtchn_alloc_unbound){.dom = domain(), .remote_dom = domain()};
        break;
    case EVTCHNOP_bind_interdomain:
        *(struct evtchn_bind_interdomain *)data =
            (struct evtchn_bind_interdomain){.remote_dom = domain(), .remote_port = value_port()};
        break;
    case EVTCHNOP_bind_virq:
        *(struct evtchn_bind_virq *)data = (struct evtchn_bind_virq){
            .virq = one_in(8) ? (uint32_t)value_number() : (uint32_t)random_below(25),
            .vcpu = value_vcpu()};
        break;
    case EVTCHNOP_bind_pirq:
        *(struct evtchn_bind_pirq *)data = (struct evtchn_bind_pirq){
            .pirq = (uint32_t)pool_get(POOL_PIRQ), .flags = (uint32_t)random_below(3)};
        break;
    default:
        *(struct evtchn_bind_ipi *)data = (struct evtchn_bind_ipi){.vcpu = value_vcpu()};
        break;
    }
}

/* What is done with one. Fields that are not named are the first in all of these. */
static void port_fill(unsigned cmd, void *data)
{
    switch (cmd) {
    case EVTCHNOP_status:
        *(struct evtchn_status *)data =
            (struct evtchn_status){.dom = domain(), .port = value_port()};
        break;
    case EVTCHNOP_bind_vcpu:
        *(struct evtchn_bind_vcpu *)data =
            (struct evtchn_bind_vcpu){.port = value_port(), .vcpu = value_vcpu()};
        break;
    case EVTCHNOP_set_priority:
        *(struct evtchn_set_priority *)data = (struct evtchn_set_priority){
            .port = value_port(), .priority = (uint32_t)random_below(20)};
        break;
    case EVTCHNOP_init_control:
        *(struct evtchn_init_control *)data =
            (struct evtchn_init_control){.control_gfn = value_mfn(),
                                         .offset = one_in(2) ? 0 : (uint32_t)value_number() & 0xfff,
                                         .vcpu = value_vcpu()};
        break;
    case EVTCHNOP_expand_array:
        ((struct evtchn_expand_array *)data)->array_gfn = value_mfn();
        break;
    case EVTCHNOP_reset:
        ((struct evtchn_reset *)data)->dom = domain();
        break;
    default:
        *(uint32_t *)data = value_port();
        break;
    }
}

void generate_event(struct fuzzer *f, struct call *call)
{
    static const uint8_t binds[] = {EVTCHNOP_alloc_unbound, EVTCHNOP_bind_interdomain,
                                    EVTCHNOP_bind_virq, EVTCHNOP_bind_pirq, EVTCHNOP_bind_ipi};
    static const uint8_t others[] = {
        EVTCHNOP_close,  EVTCHNOP_send,         EVTCHNOP_send,         EVTCHNOP_unmask,
        EVTCHNOP_status, EVTCHNOP_bind_vcpu,    EVTCHNOP_send,         EVTCHNOP_set_priority,
        EVTCHNOP_close,  EVTCHNOP_init_control, EVTCHNOP_expand_array, EVTCHNOP_reset};
    void *data = call_begin(f, call, __HYPERVISOR_event_channel_op, 1, 24);
    if (one_in(2)) {
        call->arg[0] = binds[random_below(sizeof(binds))];
        bind_fill((unsigned)call->arg[0], data);
    } else {
        /* All ports are closed seldom enough for some hundreds to be there. */
        call->arg[0] = others[random_below(one_in(64) ? sizeof(others) : sizeof(others) - 1)];
        port_fill((unsigned)call->arg[0], data);
    }
}

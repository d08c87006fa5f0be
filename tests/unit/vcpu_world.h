/* SPDX-License-Identifier: BSD-2-Clause */
/* A domain that asks: one vCPU is current, one is down (vcpu_op and sched_op). */
#include "domain_world.h"

/* The handlers as the table of hypercalls has them. */
#define HYPERCALL(...)
#define SUBOP(hypercall, command, handler, type, direction, doc)                                   \
    long handler(struct vcpu *v, type *arg);
#include "core/hypercalls.def"

static struct domain *d;
static struct vcpu *v, *w; /* v is current, w is down */

static void begin(void)
{
    d = new_domain(1, 40, false);
    v = d->vcpu[0];
    w = d->vcpu[1];
    if (domain_controller_unpause(d) != 0)
        bail_out("it does not run");
    run_vcpu(v);
    settle();
    on_cpu(v->cpu);
    d->evtchn.nr_valid = ARRAY_SIZE(port_pending);
    memset(vcpu_virqs, 0, sizeof(vcpu_virqs));
}

static void end(void)
{
    destroy_domain(d);
    is(objects, 0, "nothing is left");
    is(info_frames, 0, "no reference either");
}

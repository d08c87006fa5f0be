/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What tests of domains and vCPUs stand on: the real scheduler and timers on simulated CPUs, and a
 * record of what was asked of event channels, grants, frames and the machine. Include it in one
 * file of a test program.
 */
#ifndef DOMAIN_WORLD_H
#define DOMAIN_WORLD_H

#include "host.h"

#include "core/audit.h"
#include "core/cmdline.h"
#include "core/domain.h"
#include "core/frame.h"
#include "core/grant.h"
#include "core/hypercall.h"
#include "core/runqueue.h"
#include "core/softirq.h"

#define CPUS 2u

cpumask_t cpu_online_mask = {(1u << CPUS) - 1};
struct options options;

/* ---- Memory ------------------------------------------------------------------------------- */

static long alloc_left = -1; /* allocations that still succeed; -1: all */
static int64_t objects, shared_frames, next_frame;

static bool may_alloc(void)
{
    if (alloc_left == 0)
        return false;
    alloc_left -= alloc_left > 0;
    return true;
}

void *hv_alloc(struct domain *d, size_t size)
{
    if (!may_alloc())
        return NULL;
    objects++;
    if (d != NULL)
        d->account.used += size;
    return calloc(1, size);
}

void hv_free(struct domain *d, void *ptr, size_t size)
{
    if (ptr == NULL)
        return;
    objects--;
    if (d != NULL)
        d->account.used -= size;
    free(ptr);
}

mfn_t heap_alloc_frames(unsigned order, unsigned flags)
{
    (void)flags;
    if (order != 0 || !may_alloc())
        return INVALID_MFN;
    return MFN(0x1000 + (uint64_t)next_frame++);
}

void frame_share(struct domain *d, mfn_t mfn, bool writable)
{
    (void)d;
    (void)mfn;
    (void)writable;
    shared_frames++;
}

void frame_unshare(mfn_t mfn)
{
    (void)mfn;
    shared_frames--;
}

size_t frame_chunk_bitmap_bytes(void)
{
    return 64;
}

static int get_both_result;
static int info_frames; /* references held */

int frame_get_both(mfn_t mfn, const struct domain *owner, enum frame_type type)
{
    (void)owner;
    if (type != FT_WRITABLE || !mfn_valid(mfn))
        return -XEN_EPERM;
    info_frames += get_both_result == 0;
    return get_both_result;
}

void frame_put_both(mfn_t mfn)
{
    (void)mfn;
    info_frames--;
}

/* ---- What is asked of others, in order ---------------------------------------------------- */

static char steps[256];
static int restarts; /* how often each step of a teardown stops */
static int left;
static const char *failing; /* the creation step that is to fail */

static void step(const char *what)
{
    strncat(steps, what, sizeof(steps) - strlen(steps) - 1);
    strncat(steps, " ", sizeof(steps) - strlen(steps) - 1);
}

static int teardown_step(const char *what)
{
    step(what);
    if (left > 0) {
        left--;
        return -XEN_ERESTART;
    }
    left = restarts;
    return 0;
}

static bool fails(const char *what)
{
    return failing != NULL && strcmp(failing, what) == 0;
}

void evtchn_domain_init(struct domain *d)
{
    lock_init(&d->evtchn.lock, RANK_EVTCHN);
}

int evtchn_domain_release(struct domain *d)
{
    (void)d;
    return teardown_step("evtchn");
}

void evtchn_domain_free(struct domain *d)
{
    (void)d;
}

int grant_domain_init(struct domain *d)
{
    (void)d;
    return fails("grant") ? -XEN_ENOMEM : 0;
}

int grant_set_limits(struct domain *d, unsigned frames, unsigned version)
{
    (void)d;
    (void)frames;
    (void)version;
    return 0;
}

int grant_domain_release(struct domain *d)
{
    (void)d;
    return teardown_step("grant");
}

void grant_domain_free(struct domain *d)
{
    (void)d;
}

void memory_domain_free(struct domain *d)
{
    (void)d;
}

int arch_domain_create(struct domain *d)
{
    (void)d;
    return fails("arch") ? -XEN_EINVAL : 0;
}

int arch_domain_release(struct domain *d)
{
    (void)d;
    return teardown_step("arch");
}

void arch_domain_free(struct domain *d)
{
    (void)d;
}

int frame_release_all(struct domain *d)
{
    (void)d;
    return teardown_step("frames");
}

size_t arch_vcpu_bytes(void)
{
    return sizeof(struct vcpu);
}

int arch_vcpu_create(struct vcpu *v)
{
    (void)v;
    return fails("vcpu") ? -XEN_ENOMEM : 0;
}

void arch_vcpu_free(struct vcpu *v)
{
    (void)v;
}

static unsigned assists_changed;

void arch_vm_assist_changed(struct domain *d)
{
    (void)d;
    assists_changed++;
}

static int set_context_result;

int arch_vcpu_set_context(struct vcpu *v, vaddr_t context, bool *online)
{
    (void)v;
    (void)context;
    *online = false;
    return set_context_result;
}

static unsigned vcpu_virqs[NR_VIRQS], global_virqs[NR_VIRQS], time_updates, audits;

void evtchn_send_vcpu_virq(struct vcpu *v, unsigned virq)
{
    vcpu_virqs[virq]++;
    vcpu_raise_upcall(v);
}

void evtchn_send_global_virq(struct domain *d, unsigned virq)
{
    (void)d;
    global_virqs[virq]++;
}

void evtchn_vcpu_repoll(struct vcpu *v)
{
    v->info->evtchn_pending_sel = ~0ul;
    vcpu_raise_upcall(v);
}

static bool port_pending[16];

int evtchn_port_pending(struct domain *d, evtchn_port_t port)
{
    (void)d;
    return port.v < ARRAY_SIZE(port_pending) ? port_pending[port.v] : -XEN_EINVAL;
}

static int polls; /* started and not stopped */

void evtchn_poll_start(struct vcpu *v, evtchn_port_t only)
{
    polls++;
    v->evtchn.polling = only;
}

void evtchn_poll_stop(struct vcpu *v)
{
    polls--;
    v->evtchn.polling = EVTCHN_PORT(0);
}

unsigned audit_memory(void)
{
    audits++;
    return 0;
}

void arch_update_vcpu_time(struct vcpu *v)
{
    (void)v;
    time_updates++;
}

static int machine_ended = -1; /* the argument */
static jmp_buf restart_jump;

void arch_machine_end(enum machine_end how)
{
    machine_ended = (int)how;
    longjmp(restart_jump, 1);
}

/* ---- CPUs --------------------------------------------------------------------------------- */

static ns_t deadline[NR_CPUS];
static struct vcpu *current_of[NR_CPUS];
static unsigned kicks[NR_CPUS];

void arch_vcpu_exit_work(struct vcpu *v)
{
    (void)v;
}

void arch_kick_cpu(unsigned cpu)
{
    kicks[cpu]++;
}

void arch_timer_program(ns_t at)
{
    deadline[cpu_id()] = at;
}

void arch_context_switch(struct vcpu *prev, struct vcpu *next)
{
    current_of[cpu_id()] = next;
    host_current = next;
    sched_switched(prev);
}

static inline void on_cpu(unsigned cpu)
{
    host_cpu = cpu;
    host_current = current_of[cpu];
}

/* Every CPU does what is due now; the caller stays on the CPU that it is on. */
static inline void settle(void)
{
    unsigned was = host_cpu;

    for (unsigned round = 0; round < 2 * CPUS; round++) {
        on_cpu(round % CPUS);
        if (deadline[host_cpu] <= host_now) {
            unsigned long flags = irq_save();
            deadline[host_cpu] = NS_NEVER;
            timer_interrupt();
            irq_restore(flags);
        }
        softirq_run();
    }
    on_cpu(was);
}

static inline void advance(ns_t by)
{
    ns_t end = host_now + by;

    settle();
    for (;;) {
        ns_t next = MIN(deadline[0], deadline[1]);
        if (next > end)
            break;
        host_now = MAX(host_now, next);
        settle();
    }
    host_now = end;
}

static inline void start_world(void)
{
    host_now = NS_PER_SEC;
    host_ram_init(MFN(0x1000), 4096);
    timer_subsystem_init();
    sched_init();
    for (unsigned cpu = 0; cpu < CPUS; cpu++) {
        deadline[cpu] = NS_NEVER;
        timer_cpu_init(cpu);
        sched_cpu_init(cpu);
        current_of[cpu] = idle_domain.vcpu[cpu];
    }
    on_cpu(0);
    objects = 0; /* the idle vCPUs stay */
}

static inline void end_world(void)
{
    for (unsigned cpu = 0; cpu < CPUS; cpu++)
        free(idle_domain.vcpu[cpu]);
}

static inline struct domain *new_domain(unsigned id, unsigned vcpus, bool privileged)
{
    struct domain_config config = {.max_vcpus = vcpus, .max_pages = 100, .privileged = privileged};
    struct domain *d = NULL;

    if (domain_create(DOMID((uint16_t)id), &config, &d) != 0)
        bail_out("domain %u cannot be made", id);
    for (unsigned i = 0; i < vcpus; i++) {
        if (vcpu_create(d, i, i % CPUS) != 0)
            bail_out("vCPU %u cannot be made", i);
    }
    return d;
}

static inline void run_vcpu(struct vcpu *v)
{
    v->initialised = true;
    if (vcpu_up(v) != 0)
        bail_out("vCPU %u cannot be brought up", v->id);
}

static inline void destroy_domain(struct domain *d)
{
    if (d == control_domain)
        control_domain = NULL;
    on_cpu(0);
    host_current = idle_domain.vcpu[0];
    domain_pause_nowait(d);
    settle();
    host_current = idle_domain.vcpu[0];
    while (domain_kill(d) != 0)
        settle();
    settle();
}

#endif

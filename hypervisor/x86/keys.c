/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Debug keys: what the hypervisor's console can be asked when input is switched to it. A key
 * arrives in an interrupt; its handler runs from a tasklet, with interrupts on and no lock held.
 */
#include "core/atomic.h"
#include "core/audit.h"
#include "core/console.h"
#include "core/domain.h"
#include "core/heap.h"
#include "core/lib.h"
#include "core/log.h"
#include "core/sched.h"
#include "core/softirq.h"
#include "core/timer.h"
#include "x86/irq.h"
#include "x86/panic.h"
#include "x86/smp.h"
#include "x86/time.h"

struct debug_key {
    char key;
    bool ends_machine; /* left out by '*' */
    const char *help;
    void (*fn)(void);
};

static void show_help(void);
static void show_all(void);

static void show_cpu(void *unused)
{
    const struct vcpu *v = current_vcpu();

    (void)unused;
    if (v == NULL || v->domain->is_idle) {
        log_always("CPU %u: idle", cpu_id());
    } else {
        log_always("CPU %u: runs d%uv%u, which entered the hypervisor with", cpu_id(),
                   v->domain->id.v, v->id);
        show_registers(guest_regs());
    }
    show_stack_trace((uintptr_t)__builtin_frame_address(0));
}

static void show_cpus(void)
{
    for_each_cpu (cpu, cpu_online_mask)
        smp_call_function(CPUMASK_OF(cpu), show_cpu, NULL);
}

static void show_vcpu(const struct vcpu *v)
{
    log_always("  vCPU %u: CPU %u%s%s%s%s%s, pauses %d, upcall %s%s", v->id, v->cpu,
               v->running ? " running" : "", v->pause_flags & VPF_BLOCKED ? " blocked" : "",
               v->pause_flags & VPF_DOWN ? " down" : "",
               v->pause_flags & VPF_POLLING ? " polling" : "",
               timer_is_set(&v->singleshot_timer) ? " timer set" : "", v->pause_count,
               v->info->evtchn_upcall_pending ? "pending" : "none",
               v->info->evtchn_upcall_mask ? ", masked" : "");
}

static void show_domains(void)
{
    lock(&domain_list_lock);
    for (struct domain *d = domain_list; d != NULL; d = d->next) {
        log_always("domain %u:%s%s%s %lu of %lu pages, %lu bytes of hypervisor memory, "
                   "%u references, pauses %d",
                   d->id.v, d->is_privileged ? " privileged" : "", d->is_dying ? " dying" : "",
                   d->is_shut_down ? " shut down" : "", d->tot_pages, d->max_pages, d->account.used,
                   d->refs, d->pause_count);
        if (d->crash_reason[0] != '\0')
            log_always("  crashed: %s", d->crash_reason);
        for_each_vcpu (d, v)
            show_vcpu(v);
    }
    unlock(&domain_list_lock);
}

static void show_event_channels(void)
{
    lock(&domain_list_lock);
    for (struct domain *d = domain_list; d != NULL; d = d->next)
        evtchn_dump(d);
    unlock(&domain_list_lock);
}

static void show_heap(void)
{
    uint64_t free = heap_free_count(), dirty = heap_dirty_count();

    log_always("%lu MiB free in %lu frames, %lu of them still to be scrubbed",
               free >> (20 - PAGE_SHIFT), free, dirty);
}

static long us_until(ns_t when, ns_t from)
{
    return when == NS_NEVER ? -1 : (long)((when - from) / 1000);
}

static void show_time(void)
{
    ns_t t = now();

    log_always("system time %ld.%09ld s, TSC %u kHz, %s", (long)(t / NS_PER_SEC),
               (long)(t % NS_PER_SEC), time_tsc_khz(), time_tsc_stable() ? "stable" : "not stable");
    log_always("wall clock at system time 0: %lu s since 1970",
               time_wallclock_base() / (uint64_t)NS_PER_SEC);
    for_each_cpu (cpu, cpu_online_mask) {
        ns_t expires, programmed;

        timer_next(cpu, &expires, &programmed);
        log_always("CPU %u: first timer in %ld us, interrupt in %ld us", cpu, us_until(expires, t),
                   us_until(programmed, t));
    }
}

static void key_audit(void)
{
    (void)audit_memory();
}

static void reboot(void)
{
    arch_machine_end(MACHINE_RESTART);
}

static void crash(void)
{
    panic("asked for by the debug key C");
}

static const struct debug_key keys[] = {
    {'h', false, "this help", show_help},
    {'d', false, "registers and calls of every CPU", show_cpus},
    {'q', false, "domains, their pages and vCPUs", show_domains},
    {'r', false, "run queues", sched_dump},
    {'e', false, "event channels", show_event_channels},
    {'i', false, "interrupts", irq_dump},
    {'m', false, "audit memory: walk every page table, recount every reference", key_audit},
    {'M', false, "free memory", show_heap},
    {'t', false, "time, and what each CPU waits for", show_time},
    {'R', true, "reboot at once", reboot},
    {'C', true, "stop with a panic", crash},
    {'*', true, "all of the above that end well", show_all},
};

static void show_help(void)
{
    for (unsigned i = 0; i < ARRAY_SIZE(keys); i++)
        log_always("%c  %s", keys[i].key, keys[i].help);
}

static void show_all(void)
{
    for (unsigned i = 0; i < ARRAY_SIZE(keys); i++)
        if (!keys[i].ends_machine) {
            log_always("[%c: %s]", keys[i].key, keys[i].help);
            keys[i].fn();
        }
}

/* Keys that were pressed and not yet served, by their place in the table. */
static unsigned long pressed[BITMAP_LONGS(ARRAY_SIZE(keys))];

static void serve_keys(void *unused)
{
    (void)unused;
    for (unsigned i = 0; i < ARRAY_SIZE(keys); i++)
        if (bit_test_and_clear(i, pressed))
            keys[i].fn();
}

void debug_key_pressed(char key)
{
    static struct tasklet serve = {.fn = serve_keys};

    for (unsigned i = 0; i < ARRAY_SIZE(keys); i++)
        if (keys[i].key == key) {
            bit_set(i, pressed);
            tasklet_schedule_on(&serve, cpu_id());
        }
}

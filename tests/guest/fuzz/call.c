/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Making one call: its data go to the vCPU's arena, and what a call may have changed that the
 * fuzzer itself needs is put right behind it. Events are disabled all the while.
 */
#include "fuzz.h"

#include <pv/event.h>
#include <pv/trap.h>

#define MSR_FS_BASE 0xc0000100u
#define MSR_GS_BASE 0xc0000101u

bool trace;

void *call_begin(const struct fuzzer *f, struct call *call, unsigned nr, unsigned arg, size_t bytes)
{
    memset(call, 0, offsetof(struct call, data));
    call->nr = nr;
    call->words = (uint32_t)((bytes + 7) / 8);
    memset(call->data, 0, call->words * 8ul);
    call->arg[arg] = call_data(f, call);
    return call->data;
}

unsigned long call_address(const struct fuzzer *f, const struct call *call, const void *pointer)
{
    return call_data(f, call) + (unsigned long)((const char *)pointer - (const char *)call->data);
}

unsigned call_command(const struct call *call)
{
    switch (call->nr) {
    case __HYPERVISOR_memory_op:
        return (unsigned)call->arg[0] % NR_COMMANDS;
    case __HYPERVISOR_domctl:
    case __HYPERVISOR_sysctl:
    case __HYPERVISOR_mmuext_op:
    case __HYPERVISOR_platform_op:
        return call->words ? (unsigned)call->data[0] % NR_COMMANDS : 0;
    default:
        return grammar[call->nr].arg[0].kind == ARG_CMD ? (unsigned)call->arg[0] % NR_COMMANDS : 0;
    }
}

/* ---- The fuzzer's own state ------------------------------------------------------------------ */

static uint64_t rdmsr(uint32_t msr)
{
    uint32_t low, high;
    __asm__ volatile("rdmsr" : "=a"(low), "=d"(high) : "c"(msr));
    return (uint64_t)high << 32 | low;
}

bool fuzzer_start(struct fuzzer *f, unsigned id)
{
    f->id = id;
    f->digest = 0xcbf29ce484222325;
    /* Mapped from pages of the guest's; the page behind is never mapped. */
    char *arena = window_alloc(ARENA_PAGES + 1);
    for (unsigned i = 0; arena && i < ARENA_PAGES; i++) {
        const char *page = page_alloc();
        if (!page || pte_set(arena + i * PAGE_SIZE, pte_make(virt_to_mfn(page), PTE_KERNEL_RW)))
            return false;
    }
    f->arena = (unsigned long)arena;
    f->arena_end = f->arena + ARENA_PAGES * PAGE_SIZE;
    return arena != NULL;
}

void fuzzer_start_here(struct fuzzer *f)
{
    f->fs = rdmsr(MSR_FS_BASE);
    f->gs = rdmsr(MSR_GS_BASE);
}

static void restore_traps(const struct fuzzer *f)
{
    static struct vcpu_guest_context contexts[FUZZ_VCPUS];
    static struct trap_info tables[FUZZ_VCPUS][257];
    struct vcpu_guest_context *context = &contexts[f->id];
    struct trap_info *table = tables[f->id];
    if (!context->event_callback_eip) {
        unsigned n = 0;
        vcpu_context_make(context, f->id, NULL, NULL);
        for (unsigned vector = 0; vector < 256; vector++)
            if (context->trap_ctxt[vector].address)
                table[n++] = context->trap_ctxt[vector];
    }
    HYPERVISOR_set_trap_table(table);
    HYPERVISOR_set_callbacks(context->event_callback_eip, context->failsafe_callback_eip,
                             context->syscall_callback_eip);
}

static void restore(struct fuzzer *f)
{
    if (f->restore & RESTORE_SEGMENTS) {
        HYPERVISOR_set_segment_base(SEGBASE_FS, f->fs);
        HYPERVISOR_set_segment_base(SEGBASE_GS_KERNEL, f->gs);
    }
    if (f->restore & RESTORE_TRAPS)
        restore_traps(f);
    if (f->restore & RESTORE_DEBUG)
        HYPERVISOR_set_debugreg(7, 0);
    if (f->restore & RESTORE_TS)
        HYPERVISOR_fpu_taskswitch(0);
    if (f->restore & RESTORE_VCPU)
        HYPERVISOR_vcpu_op(VCPUOP_up, (unsigned)f->restore_id, NULL);
    if (f->restore & RESTORE_WATCHDOG) {
        struct sched_watchdog w = {.id = (uint32_t)f->restore_id, .timeout = 0};
        HYPERVISOR_sched_op(SCHEDOP_watchdog, &w);
    }
    f->restore = 0;
}

/* ---- The call ------------------------------------------------------------------------------- */

/* FNV-1a, over what repeats: two runs of one seed on one vCPU end with the same number. */
static void digest(struct fuzzer *f, uint64_t value)
{
    f->digest = (f->digest ^ value) * 0x100000001b3;
}

void call_make(struct fuzzer *f, struct call *call)
{
    void *data = (void *)call_data(f, call);
    unsigned command = call_command(call);
    memcpy(data, call->data, call->words * 8ul);
    memcpy(&f->before, call, offsetof(struct call, data) + call->words * 8ul);
    if (trace)
        call_print(f, call);
    long result =
        hypercall(call->nr, call->arg[0], call->arg[1], call->arg[2], call->arg[3], call->arg[4]);
    if (call->nr == __HYPERVISOR_sched_op && result > 0) /* a watchdog that it has made */
        f->restore_id = (uint64_t)result;
    restore(f);
    if (trace)
        diag("= %ld", result);
    memcpy(call->data, data, call->words * 8ul);
    f->made++;
    f->good += result >= 0;
    f->count[call->nr][command][result < 0]++;
    digest(f, call->nr << 16 ^ command);
    digest(f, (uint64_t)result);
    corpus_consider(f, &f->before, result);
    if (result >= 0)
        values_harvest(call, result);
}

/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The context switch.
 *
 * It is lazy: a CPU that goes idle keeps the last vCPU's state in its registers and its page tables
 * loaded, since the same vCPU most often comes next. `loaded` is whose state a CPU has;
 * v->arch.loaded_on is the other direction. Both change only on that CPU, with interrupts off.
 */
#include "x86/switch.h"

#include <arch/cpu.h>

#include "core/domain.h"
#include "core/lib.h"
#include "core/percpu.h"
#include "x86/debugreg.h"
#include "x86/emulate/control.h"
#include "x86/emulate/ports.h"
#include "x86/extable.h"
#include "x86/fpu.h"
#include "x86/mm/segdesc.h"
#include "x86/msr.h"
#include "x86/paging.h"
#include "x86/smp.h"
#include "x86/spec_ctrl.h"
#include "x86/tlb.h"
#include "x86/x86.h"

static DEFINE_PER_CPU(struct vcpu *, loaded);

/* Registers as entry.S keeps them: what comes after SS is not in use. */
static void regs_copy(struct cpu_user_regs *to, const struct cpu_user_regs *from)
{
    size_t words = offsetof(struct cpu_user_regs, es) / sizeof(uint64_t);
    __asm__ volatile("rep movsq" : "+D"(to), "+S"(from), "+c"(words)::"memory");
}

void reset_stack_to_idle(void) noreturn_fn; /* entry.S */

/* ---- Segments -------------------------------------------------------------------------------- */

#define READ_SEGMENT(name, out) __asm__ volatile("mov %%" #name ", %0" : "=r"(out))

/* Load a selector; one that the CPU refuses becomes 0, and false is returned. */
#define LOAD_SEGMENT(name, sel)                                                                    \
    ({                                                                                             \
        uint32_t sel_ = (sel);                                                                     \
        bool ok_ = true;                                                                           \
        __asm__ volatile("1: mov %k0, %%" #name "\n"                                               \
                         "2:\n"                                                                    \
                         ".pushsection .text.fixup, \"ax\"\n"                                      \
                         "3: xor %k0, %k0\n"                                                       \
                         "   movb $0, %1\n"                                                        \
                         "   jmp 1b\n"                                                             \
                         ".popsection\n" EXTABLE_ASM("1b", "2b", "3b")                             \
                         : "+r"(sel_), "+m"(ok_));                                                 \
        ok_;                                                                                       \
    })

static void segments_save(struct vcpu *v)
{
    READ_SEGMENT(ds, v->arch.ds);
    READ_SEGMENT(es, v->arch.es);
    READ_SEGMENT(fs, v->arch.fs);
    READ_SEGMENT(gs, v->arch.gs);
    v->arch.fs_base = rdmsr(MSR_FS_BASE);
    uint64_t active = rdmsr(MSR_GS_BASE), other = rdmsr(MSR_SHADOW_GS_BASE);
    v->arch.gs_base_kernel = v->arch.in_kernel ? active : other;
    v->arch.gs_base_user = v->arch.in_kernel ? other : active;
}

static void segments_load(struct vcpu *v)
{
    bool ok = LOAD_SEGMENT(ds, v->arch.ds);
    ok = LOAD_SEGMENT(es, v->arch.es) && ok;
    ok = LOAD_SEGMENT(fs, v->arch.fs) && ok;
    ok = LOAD_SEGMENT(gs, v->arch.gs) && ok;
    /* Loading a selector changes the base: the bases come after. */
    wrmsr(MSR_FS_BASE, v->arch.fs_base);
    wrmsr(MSR_GS_BASE, v->arch.in_kernel ? v->arch.gs_base_kernel : v->arch.gs_base_user);
    wrmsr(MSR_SHADOW_GS_BASE, v->arch.in_kernel ? v->arch.gs_base_user : v->arch.gs_base_kernel);
    if (!ok) {
        v->arch.failsafe_due = true;
        v->arch.exit_work = true;
    }
}

/* ---- Saving and loading ---------------------------------------------------------------------- */

/* Take the state of the vCPU that this CPU has loaded, if any. Interrupts off. */
static void state_save(void)
{
    struct vcpu *v = this_cpu(loaded);
    if (v == NULL)
        return;
    regs_copy(&v->arch.regs, guest_regs());
    segments_save(v);
    fpu_save(v);
    debugreg_save(v);
    this_cpu(loaded) = NULL;
    atomic_store(&v->arch.loaded_on, -1);
}

static void tables_load(struct vcpu *v, struct domain *before)
{
    struct domain *d = v->domain;
    if (before != d)
        cpumask_set_atomic(&d->arch.dirty_cpus, cpu_id());
    tlb_load_guest(v->arch.in_kernel ? v->arch.cr3_kernel : v->arch.cr3_user);
    if (before != NULL && before != d)
        cpumask_clear_atomic(&before->arch.dirty_cpus, cpu_id());
}

static void state_load(struct vcpu *v, struct domain *before)
{
    if (spec_ctrl.ibpb_on_switch && before != v->domain)
        wrmsr(MSR_PRED_CMD, PRED_CMD_IBPB);
    regs_copy(guest_regs(), &v->arch.regs);
    segdesc_load(v);
    tables_load(v, before);
    segments_load(v);
    fpu_restore(v);
    debugreg_load(v);
    ports_load(v);
    msr_load(v);
    control_load(v);
    *cpu_info()->iomap_base =
        (uint16_t)(v->arch.in_kernel ? v->arch.iomap_base_kernel : v->arch.iomap_base_user);
    this_cpu(loaded) = v;
    v->arch.loaded_on = (int32_t)cpu_id();
}

/* The domain whose page tables this CPU has loaded; changes with CR3 only. */
static DEFINE_PER_CPU(struct domain *, tables_of);

/*
 * Leave guest page tables: an idle CPU must not run on tables that are about to go. Interrupts off.
 */
static void state_unload(void)
{
    struct domain *d = this_cpu(tables_of);
    state_save();
    tlb_load_own(hv_cr3());
    if (d != NULL)
        cpumask_clear_atomic(&d->arch.dirty_cpus, cpu_id());
    this_cpu(tables_of) = NULL;
}

void arch_context_switch(struct vcpu *prev, struct vcpu *next)
{
    if (!next->domain->is_idle && this_cpu(loaded) != next) {
        /* Another CPU may have it in registers still; it may want one of ours: interrupts on. */
        while (atomic_load(&next->arch.loaded_on) >= 0) {
            irq_enable();
            vcpu_sync_state(next);
            irq_disable();
        }
        state_save();
        struct domain *before = this_cpu(tables_of);
        this_cpu(tables_of) = next->domain;
        state_load(next, before);
    }
    cpu_info()->current = next;
    sched_switched(prev);
    if (next->domain->is_idle)
        reset_stack_to_idle();
    arch_update_vcpu_time(next);
    irq_enable();
    runstate_publish(next);
    reset_stack_to_guest();
}

bool switch_drop_lazy(void)
{
    if (!current_vcpu()->domain->is_idle || this_cpu(tables_of) == NULL)
        return false;
    state_unload();
    return true;
}

/* ---- Asking another CPU ---------------------------------------------------------------------- */

static void sync_here(void *data)
{
    struct vcpu *v = data;
    unsigned long flags = irq_save();
    if (this_cpu(loaded) == v && current_vcpu() != v)
        state_unload();
    irq_restore(flags);
}

void vcpu_sync_state(struct vcpu *v)
{
    int32_t cpu = atomic_load(&v->arch.loaded_on);
    if (cpu < 0)
        return;
    if ((unsigned)cpu == cpu_id())
        sync_here(v);
    else
        smp_call_function(CPUMASK_OF((unsigned)cpu), sync_here, v);
}

static void leave_domain(void *data)
{
    struct domain *d = data;
    unsigned long flags = irq_save();
    if (this_cpu(tables_of) == d && current_vcpu()->domain != d)
        state_unload();
    irq_restore(flags);
}

void domain_sync_state(struct domain *d)
{
    smp_call_function((cpumask_t){atomic_load(&d->arch.dirty_cpus.bits)}, leave_domain, d);
}

/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Entering the guest kernel.
 *
 * The frame is the native one of 64-bit mode (Intel SDM 3A 6.14.2) with RCX and R11 below it, as
 * the ABI has it (xen/arch-x86/xen-x86_64.h); the byte above the code selector is the event mask
 * before.
 */
#include "x86/bounce.h"

#include <arch/cpu.h>

#include "core/domain.h"
#include "core/guest.h"
#include "core/lib.h"
#include "x86/alternative.h"
#include "x86/extable.h"
#include "x86/x86.h"

void guest_mode_toggle(struct vcpu *v)
{
    v->arch.in_kernel = !v->arch.in_kernel;
    __asm__ volatile("swapgs" ::: "memory");
    *cpu_info()->iomap_base =
        (uint16_t)(v->arch.in_kernel ? v->arch.iomap_base_kernel : v->arch.iomap_base_user);
    WRITE_CR(3, v->arch.in_kernel ? v->arch.cr3_kernel : v->arch.cr3_user);
    cpu_info()->mode_switches++;
}

void bounce_update_stack(struct vcpu *v)
{
    /* Seven words, below an aligned address; an exception with an error code has one more. */
    uint64_t top = v->arch.kernel_sp & ~15ull;
    v->arch.entry_frame = top - 7 * sizeof(uint64_t);
    v->arch.fast_entry = v->arch.fast_entry_wanted &&
                         guest_range_ok(VADDR(top - 8 * sizeof(uint64_t)), 8 * sizeof(uint64_t));
}

void bounce_update_fast_entry(struct vcpu *v)
{
    bool iopl_in_frames = v->domain->vm_assist & (1ul << VMASST_TYPE_architectural_iopl);
    v->arch.fast_entry_wanted = v->arch.syscall_callback.address != 0 &&
                                v->arch.syscall_callback.disables_events && !iopl_in_frames &&
                                v->arch.cr3_user != 0 && !v->arch.nmi_blocked;
    bounce_update_stack(v);
}

/* RFLAGS as the guest is to see them: IF says whether events are on, IOPL is the virtual one. */
static uint64_t visible_rflags(const struct vcpu *v, const struct cpu_user_regs *regs, bool masked)
{
    uint64_t flags = regs->rflags & ~(X86_RFLAGS_IF | X86_RFLAGS_IOPL);
    if (!masked)
        flags |= X86_RFLAGS_IF;
    if (v->domain->vm_assist & (1ul << VMASST_TYPE_architectural_iopl))
        flags |= (uint64_t)v->arch.iopl << 12;
    return flags;
}

static uint16_t read_selector(unsigned which)
{
    uint16_t sel = 0;
    switch (which) {
    case 0:
        __asm__ volatile("mov %%ds, %0" : "=r"(sel));
        break;
    case 1:
        __asm__ volatile("mov %%es, %0" : "=r"(sel));
        break;
    case 2:
        __asm__ volatile("mov %%fs, %0" : "=r"(sel));
        break;
    default:
        __asm__ volatile("mov %%gs, %0" : "=r"(sel));
        break;
    }
    return sel;
}

struct trap_frame {
    uint64_t rip, cs, rflags, rsp, ss;
};

/* The frame of a failsafe callback, which has the data selectors. Returns true on a fault. */
static bool put_failsafe_frame(uint64_t *sp, struct trap_frame f, const struct cpu_user_regs *regs)
{
    uint64_t frame[11] = {regs->rcx, regs->r11};

    for (unsigned i = 0; i < 4; i++)
        frame[2 + i] = read_selector(i);
    memcpy(&frame[6], &f, sizeof(f));
    *sp -= sizeof(frame);
    return guest_copy_out(VADDR(*sp), frame, sizeof(frame)) != 0;
}

/* Any other frame; each event brings one. Without an error code the place is R11's. */
static inline bool put_frame(uint64_t *sp, struct trap_frame f, const struct cpu_user_regs *regs,
                             bool has_code, uint32_t error_code)
{
    uint64_t top = *sp, rcx = regs->rcx, r11 = regs->r11;

    *sp = top - (has_code ? 8 : 7) * sizeof(uint64_t);
    if (!guest_range_ok(VADDR(*sp), 8 * sizeof(uint64_t)))
        return true;
    guest_access_begin();
    __asm__ goto("1: movq %[ss], -8(%[top])\n"
                 "movq %[rsp], -16(%[top])\n"
                 "movq %[rflags], -24(%[top])\n"
                 "movq %[cs], -32(%[top])\n"
                 "movq %[rip], -40(%[top])\n"
                 "movq %[code], -48(%[top])\n"
                 "movq %[r11], 8(%[bottom])\n"
                 "movq %[rcx], (%[bottom])\n"
                 "2:\n" EXTABLE_ASM("1b", "2b", "%l[fault]")
                 :
                 : [ss] "r"(f.ss), [rsp] "r"(f.rsp), [rflags] "r"(f.rflags), [cs] "r"(f.cs),
                   [rip] "r"(f.rip), [code] "r"((uint64_t)error_code), [r11] "r"(r11),
                   [rcx] "r"(rcx), [top] "r"(top), [bottom] "r"(*sp)
                 : "memory"
                 : fault);
    guest_access_end();
    return false;
fault:
    guest_access_end();
    return true;
}

static inline __attribute__((always_inline)) void
enter_kernel(struct vcpu *v, uint64_t rip, unsigned flags, uint32_t error_code, bool masked)
{
    struct cpu_user_regs *regs = guest_regs();
    bool from_kernel = v->arch.in_kernel;
    uint64_t sp = (from_kernel ? regs->rsp : v->arch.kernel_sp) & ~15ull;
    /* A kernel's selector is shown with privilege 0, so that it is told from a user's. */
    struct trap_frame f = {
        .rip = regs->rip,
        .cs = (from_kernel ? regs->cs & ~3ull : regs->cs) | ((uint64_t)masked << 32),
        .rflags = visible_rflags(v, regs, masked),
        .rsp = regs->rsp,
        .ss = regs->ss,
    };

    if (!from_kernel) {
        unsigned long irq = irq_save();
        guest_mode_toggle(v);
        irq_restore(irq);
    }
    if (flags & BOUNCE_FAILSAFE ? put_failsafe_frame(&sp, f, regs)
                                : put_frame(&sp, f, regs, flags & BOUNCE_ERROR_CODE, error_code)) {
        domain_crash(v->domain, "no room for a trap frame at stack %#lx (RIP %#lx)",
                     (unsigned long)sp, (unsigned long)regs->rip);
        return;
    }
    if (flags & BOUNCE_MASK_EVENTS)
        v->info->evtchn_upcall_mask = 1;
    regs->rip = rip;
    regs->cs = FLAT_KERNEL_CS;
    regs->ss = FLAT_KERNEL_SS;
    regs->rsp = sp;
    regs->rflags &= ~(X86_RFLAGS_TF | X86_RFLAGS_NT | X86_RFLAGS_RF | X86_RFLAGS_VM |
                      X86_RFLAGS_AC | X86_RFLAGS_DF | X86_RFLAGS_IOPL);
}

void bounce_to_kernel(struct vcpu *v, uint64_t rip, unsigned flags, uint32_t error_code)
{
    enter_kernel(v, rip, flags, error_code, v->info->evtchn_upcall_mask);
}

void bounce_event(struct vcpu *v)
{
    enter_kernel(v, v->arch.event_callback.address, BOUNCE_MASK_EVENTS, 0, false);
}

/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Exceptions. Those of a guest are carried out for it, or bounced to its kernel; those of the
 * hypervisor itself go on at a fixup of the exception table, or stop the machine.
 */
#include "x86/traps.h"

#include <arch/cpu.h>

#include "core/atomic.h"
#include "core/domain.h"
#include "core/guest.h"
#include "core/hypercall.h"
#include "core/lib.h"
#include "core/lock.h"
#include "core/log.h"
#include "x86/bounce.h"
#include "x86/debugreg.h"
#include "x86/desc.h"
#include "x86/emulate/emulate.h"
#include "x86/emulate/ports.h"
#include "x86/extable.h"
#include "x86/fpu.h"
#include "x86/irq.h"
#include "x86/mm/ptwr.h"
#include "x86/mm/segdesc.h"
#include "x86/nmi.h"
#include "x86/panic.h"
#include "x86/switch.h"
#include "x86/x86.h"

/* ---- Into the guest kernel ------------------------------------------------------------------ */

void pv_inject_trap(unsigned vector, int error_code)
{
    struct vcpu *v = current_vcpu();
    const struct trap_info ti = trap_gate(v, (uint8_t)vector);
    unsigned flags = (ti.flags & TRAP_GATE_MASKS) ? BOUNCE_MASK_EVENTS : 0;
    if (ti.address == 0) {
        domain_crash(v->domain, "trap %u at %#lx without a handler", vector,
                     (unsigned long)guest_regs()->rip);
        return;
    }
    if (error_code >= 0)
        flags |= BOUNCE_ERROR_CODE;
    bounce_to_kernel(v, ti.address, flags, (uint32_t)error_code);
}

/* The guest's view: its kernel is the supervisor, though it runs in ring 3 as its programs do. */
void pv_inject_page_fault(uint32_t error_code, uint64_t cr2)
{
    struct vcpu *v = current_vcpu();
    error_code &= ~PF_USER;
    if (!v->arch.in_kernel)
        error_code |= PF_USER;
    v->arch.cr2 = cr2;
    v->info->arch.cr2 = cr2;
    if (v->arch.trap.address[X86_TRAP_PF] == 0) {
        domain_crash(v->domain, "page fault at %#lx (RIP %#lx, code %#x) without a handler",
                     (unsigned long)cr2, (unsigned long)guest_regs()->rip, error_code);
        return;
    }
    pv_inject_trap(X86_TRAP_PF, (int)error_code);
}

/* ---- Faults of the hypervisor itself -------------------------------------------------------- */

extern const char guest_iretq[], guest_iretq_end[], guest_iretq_fast[], guest_iretq_rdmsr[];

static bool at_guest_iretq(uint64_t rip)
{
    return rip == (uint64_t)guest_iretq || rip == (uint64_t)guest_iretq_fast ||
           rip == (uint64_t)guest_iretq_rdmsr;
}

static bool in_descriptor_windows(uint64_t va)
{
    return va >= DESC_WINDOW_START && va < DESC_WINDOW_START + NR_CPUS * DESC_WINDOW_SIZE;
}

/*
 * Where the guest has what the fault was about: a descriptor that the CPU itself looked for in a
 * window is one of the guest's LDT.
 */
static uint64_t guest_view_of(uint32_t code, uint64_t va)
{
    bool descriptor = in_descriptor_windows(va) && !(code & PF_USER);
    return descriptor ? segdesc_guest_address(current_vcpu(), va) : va;
}

/* Interrupts on. True: a page of the guest's LDT was missing, and is there now. */
static bool ldt_page_fault(uint32_t code, uint64_t va)
{
    return in_descriptor_windows(va) && !(code & PF_PRESENT) &&
           segdesc_ldt_fault(current_vcpu(), va);
}

/*
 * The IRET to a guest faulted: a bad selector, or an address that is not canonical. All other
 * registers were the guest's already; with the frame that IRET could not use they are its state,
 * and the exception is one of the guest at that place. If only a page of the LDT was missing, the
 * return is tried again, from the start: interrupts were on.
 */
static noreturn_fn void guest_iret_fault(const struct cpu_user_regs *fault)
{
    struct cpu_user_regs copy = *fault;
    struct cpu_user_regs *regs = guest_regs();
    uint64_t va = READ_CR(2);
    memcpy(regs, &copy, offsetof(struct cpu_user_regs, error_code));
    irq_enable();
    log_guest(LOG_DEBUG, "return to %04x:%#lx refused by the CPU", regs->cs,
              (unsigned long)regs->rip);
    if (copy.entry_vector != X86_TRAP_PF)
        pv_inject_trap(copy.entry_vector, (int)copy.error_code);
    else if (!ldt_page_fault(copy.error_code, va))
        pv_inject_page_fault(copy.error_code, guest_view_of(copy.error_code, va));
    reset_stack_to_guest();
}

static const char *const trap_names[] = {
    [X86_TRAP_DE] = "divide error",    [X86_TRAP_DB] = "debug",
    [X86_TRAP_BP] = "breakpoint",      [X86_TRAP_OF] = "overflow",
    [X86_TRAP_BR] = "bound range",     [X86_TRAP_UD] = "invalid opcode",
    [X86_TRAP_NM] = "no coprocessor",  [X86_TRAP_DF] = "double fault",
    [X86_TRAP_TS] = "invalid TSS",     [X86_TRAP_NP] = "segment not present",
    [X86_TRAP_SS] = "stack fault",     [X86_TRAP_GP] = "general protection",
    [X86_TRAP_PF] = "page fault",      [X86_TRAP_MF] = "x87 error",
    [X86_TRAP_AC] = "alignment check", [X86_TRAP_MC] = "machine check",
    [X86_TRAP_XM] = "SIMD error",
};

static const char *trap_name(unsigned vector)
{
    return vector < ARRAY_SIZE(trap_names) && trap_names[vector] ? trap_names[vector] : "trap";
}

static void hypervisor_fault(struct cpu_user_regs *regs)
{
    uint64_t fixup = extable_find(regs->rip);
    if (fixup) {
        regs->rip = fixup;
        return;
    }
    if (at_guest_iretq(regs->rip))
        guest_iret_fault(regs);
    fatal_trap(regs, trap_name(regs->entry_vector));
}

/* ---- Exceptions of a guest ------------------------------------------------------------------ */

/* Called by entry.S, interrupts off, for an access of a guest's own. */
void guest_page_fault(struct cpu_user_regs *regs);

void guest_page_fault(struct cpu_user_regs *regs)
{
    uint64_t va = READ_CR(2);
    uint32_t code = regs->error_code;
    if (current_vcpu()->arch.in_kernel &&
        (code & (PF_PRESENT | PF_WRITE | PF_RESERVED)) == (PF_PRESENT | PF_WRITE) &&
        ptwr_emulate(regs, va))
        return;
    irq_enable();
    if (!ldt_page_fault(code, va))
        pv_inject_page_fault(code, guest_view_of(code, va));
}

#define GP_IDT 2u /* the error code names an IDT vector (Intel SDM 3A 6.13) */

/*
 * INT n through a gate that ring 3 may not use: the guest's own table says who may. The vector is
 * taken from the instruction: the error code of some QEMU versions is wrong.
 */
static bool software_interrupt(struct cpu_user_regs *regs)
{
    uint8_t insn[2];
    struct vcpu *v = current_vcpu();
    if (guest_copy_in(insn, VADDR(regs->rip), sizeof(insn)) || insn[0] != 0xcd)
        return false;
    const struct trap_info ti = trap_gate(v, insn[1]);
    if (ti.address == 0 || TI_GET_DPL(&ti) < (v->arch.in_kernel ? 1 : 3)) {
        pv_inject_trap(X86_TRAP_GP, (int)((uint32_t)insn[1] << 3 | GP_IDT));
        return true;
    }
    regs->rip += sizeof(insn);
    pv_inject_trap(insn[1], -1);
    return true;
}

static void trap_general_protection(struct cpu_user_regs *regs)
{
    irq_enable();
    if ((regs->error_code & GP_IDT) && software_interrupt(regs))
        return;
    if (regs->error_code == 0 && emulate_privileged(regs))
        return;
    pv_inject_trap(X86_TRAP_GP, (int)regs->error_code);
}

static void trap_invalid_opcode(struct cpu_user_regs *regs)
{
    irq_enable();
    if (!emulate_forced_cpuid(regs))
        pv_inject_trap(X86_TRAP_UD, -1);
}

static void trap_no_coprocessor(struct cpu_user_regs *regs)
{
    (void)regs;
    fpu_device_not_available();
}

/* INT3 and INTO have gates that ring 3 may use; the guest's table may still refuse them. */
static void trap_breakpoint(struct cpu_user_regs *regs)
{
    irq_enable();
    pv_inject_trap(regs->entry_vector, -1);
}

static void trap_plain(struct cpu_user_regs *regs)
{
    irq_enable();
    pv_inject_trap(regs->entry_vector, -1);
}

static void trap_debug(struct cpu_user_regs *regs)
{
    (void)regs;
    debugreg_trap();
}

static void trap_with_code(struct cpu_user_regs *regs)
{
    irq_enable();
    pv_inject_trap(regs->entry_vector, (int)regs->error_code);
}

static void trap_int80(struct cpu_user_regs *regs)
{
    struct vcpu *v = current_vcpu();
    const struct trap_info ti = trap_gate(v, 0x80);
    irq_enable();
    if (ti.address && TI_GET_DPL(&ti) >= (v->arch.in_kernel ? 1 : 3)) {
        pv_inject_trap(0x80, -1);
    } else {
        regs->rip -= 2;
        pv_inject_trap(X86_TRAP_GP, 0x80 << 3 | GP_IDT);
    }
}

static void (*const guest_traps[32])(struct cpu_user_regs *) = {
    [X86_TRAP_DE] = trap_plain,
    [X86_TRAP_DB] = trap_debug,
    [X86_TRAP_BP] = trap_breakpoint,
    [X86_TRAP_OF] = trap_breakpoint,
    [X86_TRAP_BR] = trap_plain,
    [X86_TRAP_UD] = trap_invalid_opcode,
    [X86_TRAP_NM] = trap_no_coprocessor,
    [X86_TRAP_TS] = trap_with_code,
    [X86_TRAP_NP] = trap_with_code,
    [X86_TRAP_SS] = trap_with_code,
    [X86_TRAP_GP] = trap_general_protection,
    [X86_TRAP_PF] = guest_page_fault,
    [X86_TRAP_MF] = trap_plain,
    [X86_TRAP_AC] = trap_with_code,
    [X86_TRAP_XM] = trap_plain,
};

/* Called by entry.S, interrupts off. */
void trap_dispatch(struct cpu_user_regs *regs);

void trap_dispatch(struct cpu_user_regs *regs)
{
    unsigned vector = regs->entry_vector;
    if (vector == 0x80)
        trap_int80(regs);
    else if (vector >= ARRAY_SIZE(guest_traps))
        irq_handle(vector);
    else if (!regs_from_guest(regs))
        hypervisor_fault(regs);
    else if (guest_traps[vector])
        guest_traps[vector](regs);
    else
        log_guest(LOG_WARNING, "unexpected trap %u ignored", vector);
}

/*
 * NMI, #DF, #MC: on their own stacks; nothing here may take a lock that the interrupted code has.
 */
void trap_paranoid(struct cpu_user_regs *regs);

void trap_paranoid(struct cpu_user_regs *regs)
{
    switch (regs->entry_vector) {
    case X86_TRAP_NMI:
        nmi_handle(regs);
        break;
    case X86_TRAP_DB: /* SYSENTER with TF set, or a guest's breakpoint met in the hypervisor */
        regs->rflags &= ~X86_RFLAGS_TF;
        break;
    default:
        fatal_trap(regs, trap_name(regs->entry_vector));
    }
}

/* ---- On the way out ------------------------------------------------------------------------- */

/* Called by entry.S when the guest must not simply go on; interrupts on. */
void exit_to_guest_work(struct cpu_user_regs *regs);

/* As on a CPU, an NMI's handler is not interrupted by another before its iret. */
static void __attribute__((noinline)) deliver_nmi(struct vcpu *v)
{
    if (!atomic_swap(&v->nmi_pending, false) || v->arch.trap.address[X86_TRAP_NMI] == 0)
        return;
    v->arch.nmi_blocked = true;
    bounce_update_fast_entry(v);
    bounce_to_kernel(v, v->arch.trap.address[X86_TRAP_NMI], BOUNCE_MASK_EVENTS, 0);
}

void exit_to_guest_work(struct cpu_user_regs *regs)
{
    struct vcpu *v = current_vcpu();
    (void)regs;
    lock_assert_none();
    /* What was asked for before this is seen below; what is asked for later brings us back. */
    (void)atomic_swap(&v->arch.exit_work, false);
    if (unlikely(v->arch.failsafe_due)) {
        v->arch.failsafe_due = false;
        if (v->arch.failsafe_callback.address)
            bounce_to_kernel(v, v->arch.failsafe_callback.address,
                             BOUNCE_FAILSAFE | BOUNCE_MASK_EVENTS, 0);
    }
    if (unlikely(READ_ONCE(v->nmi_pending)) && !v->arch.nmi_blocked)
        deliver_nmi(v);
    if (v->info->evtchn_upcall_pending && !v->info->evtchn_upcall_mask) {
        if (v->arch.event_callback.address)
            bounce_event(v);
        else
            domain_crash(v->domain, "an event is due and there is no event callback");
    }
}

/* ---- System calls that entry_syscall.S leaves to C ------------------------------------------- */

static void enter_callback(struct vcpu *v, const struct callback *cb)
{
    bounce_to_kernel(v, cb->address, cb->disables_events ? BOUNCE_MASK_EVENTS : 0, 0);
}

void syscall_from_user(struct cpu_user_regs *regs);
void syscall32_entry(struct cpu_user_regs *regs);
void sysenter_entry(struct cpu_user_regs *regs);
void kernel_stack_fault(void);
void iret_from_kernel(struct cpu_user_regs *regs);

/* Without a callback SYSCALL is what it is where the CPU has it turned off: #UD at itself. */
static void syscall_enter(struct cpu_user_regs *regs, const struct callback *cb)
{
    if (cb->address) {
        enter_callback(current_vcpu(), cb);
    } else {
        regs->rip -= SYSCALL_LENGTH;
        pv_inject_trap(X86_TRAP_UD, -1);
    }
}

void syscall_from_user(struct cpu_user_regs *regs)
{
    irq_enable();
    syscall_enter(regs, &current_vcpu()->arch.syscall_callback);
}

void syscall32_entry(struct cpu_user_regs *regs)
{
    static const struct callback none;
    struct vcpu *v = current_vcpu();
    irq_enable();
    syscall_enter(regs, v->arch.in_kernel ? &none : &v->arch.syscall32_callback);
}

void sysenter_entry(struct cpu_user_regs *regs)
{
    struct vcpu *v = current_vcpu();
    regs->rflags =
        (regs->rflags & ~(X86_RFLAGS_TF | X86_RFLAGS_NT | X86_RFLAGS_IOPL)) | X86_RFLAGS_IF;
    irq_enable();
    if (v->arch.sysenter_callback.address && !v->arch.in_kernel)
        enter_callback(v, &v->arch.sysenter_callback);
    else
        pv_inject_trap(X86_TRAP_GP, 0);
}

void kernel_stack_fault(void)
{
    struct vcpu *v = current_vcpu();
    irq_enable();
    domain_crash(v->domain, "the kernel stack at %#lx cannot be written",
                 (unsigned long)v->arch.kernel_sp);
}

/* ---- iret ------------------------------------------------------------------------------------ */

/* The end of a system call: what SYSRET loads does not come from the frame. */
static void as_sysret(struct cpu_user_regs *regs)
{
    regs->rcx = regs->rip;
    regs->r11 = regs->rflags;
    if (regs->cs != FLAT_RING3_CS32)
        regs->cs = FLAT_RING3_CS64;
    regs->ss = FLAT_RING3_SS64;
}

static void nmi_unblock(struct vcpu *v)
{
    v->arch.nmi_blocked = false;
    bounce_update_fast_entry(v);
    arch_vcpu_exit_work(v);
}

void iret_from_kernel(struct cpu_user_regs *regs)
{
    struct vcpu *v = current_vcpu();
    struct iret_context frame;
    if (guest_copy_in(&frame, VADDR(regs->rsp), sizeof(frame))) {
        irq_enable();
        domain_crash(v->domain, "iret: no frame at stack %#lx", (unsigned long)regs->rsp);
        return;
    }
    if ((frame.cs & 3) == 3) {
        if (v->arch.cr3_user == 0) {
            irq_enable();
            domain_crash(v->domain, "iret to user mode without a user page table");
            return;
        }
        guest_mode_toggle(v);
    }
    irq_enable();
    if (v->domain->vm_assist & (1ul << VMASST_TYPE_architectural_iopl)) {
        v->arch.iopl = (uint8_t)((frame.rflags & X86_RFLAGS_IOPL) >> 12);
        ports_update_iopl(v);
    }
    regs->rip = frame.rip;
    regs->cs = (uint16_t)(frame.cs | 3);
    regs->rflags = (frame.rflags & IRET_RFLAGS) | X86_RFLAGS_IF | X86_RFLAGS_FIXED;
    regs->rsp = frame.rsp;
    regs->ss = (uint16_t)(frame.ss | 3);
    regs->rax = frame.rax;
    regs->r11 = frame.r11;
    regs->rcx = frame.rcx;
    if (frame.flags & VGCF_in_syscall)
        as_sysret(regs);
    v->info->evtchn_upcall_mask = !(frame.rflags & X86_RFLAGS_IF);
    if (v->arch.nmi_blocked)
        nmi_unblock(v);
}

/* Inside a multicall, where no frame of the guest's can be left half done. */
long hc_iret(struct vcpu *v, struct hypercall_args *a)
{
    (void)a;
    domain_crash(v->domain, "iret inside a multicall");
    return -XEN_EINVAL;
}

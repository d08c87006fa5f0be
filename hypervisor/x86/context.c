/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * struct vcpu_guest_context: the whole state of a vCPU, as VCPUOP_initialise and the toolstack give
 * it. Everything is checked, and every reference taken, before anything is changed, but that of two
 * root tables the kernel's may be set when the user mode's is refused: then the vCPU, which has not
 * run, holds it until its next context or its end.
 */
#include <arch/memory.h>

#include "core/domain.h"
#include "core/domctl.h"
#include "core/guest.h"
#include "core/heap.h"
#include "core/lib.h"
#include "core/log.h"
#include "x86/bounce.h"
#include "x86/debugreg.h"
#include "x86/emulate/control.h"
#include "x86/emulate/ports.h"
#include "x86/fpu.h"
#include "x86/mm/root.h"
#include "x86/mm/segdesc.h"
#include "x86/switch.h"
#include "x86/traps.h"
#include "x86/x86.h"

/* RFLAGS that a guest may start with. */
#define RFLAGS_ALLOWED (0xdd5ul | X86_RFLAGS_RF | X86_RFLAGS_AC | X86_RFLAGS_ID | X86_RFLAGS_FIXED)

/* A callback may be left out (0). */
static bool entry_ok(uint64_t va)
{
    return guest_range_ok(VADDR(va), 1);
}

static int context_check(const struct vcpu_guest_context *c)
{
    for (unsigned i = 0; i < ARRAY_SIZE(c->trap_ctxt); i++)
        if (!entry_ok(c->trap_ctxt[i].address))
            return -XEN_EINVAL;
    if (!entry_ok(c->event_callback_eip) || !entry_ok(c->failsafe_callback_eip) ||
        !entry_ok(c->syscall_callback_eip))
        return -XEN_EINVAL;
    if (!is_canonical(c->fs_base) || !is_canonical(c->gs_base_kernel) ||
        !is_canonical(c->gs_base_user) || !is_canonical(c->user_regs.rip))
        return -XEN_EINVAL;
    if (c->gdt_ents > FIRST_RESERVED_GDT_ENTRY || c->ldt_ents > LDT_MAX_ENTRIES ||
        (c->ldt_base & ~PAGE_MASK) ||
        (c->ldt_ents && !guest_range_ok(VADDR(c->ldt_base), c->ldt_ents * 8)))
        return -XEN_EINVAL;
    return 0;
}

static void set_registers(struct vcpu *v, const struct vcpu_guest_context *c)
{
    struct cpu_user_regs *r = &v->arch.regs;
    *r = c->user_regs;
    r->cs |= 3;
    r->ss |= 3;
    v->arch.iopl = (uint8_t)((r->rflags & X86_RFLAGS_IOPL) >> 12);
    r->rflags = (r->rflags & RFLAGS_ALLOWED) | X86_RFLAGS_IF | X86_RFLAGS_FIXED;
    v->arch.ds = c->user_regs.ds;
    v->arch.es = c->user_regs.es;
    v->arch.fs = c->user_regs.fs;
    v->arch.gs = c->user_regs.gs;
    v->arch.fs_base = c->fs_base;
    v->arch.gs_base_kernel = c->gs_base_kernel;
    v->arch.gs_base_user = c->gs_base_user;
    v->arch.in_kernel = (c->flags & VGCF_in_kernel) != 0;
    if (c->flags & VGCF_i387_valid)
        fpu_import(v, &c->fpu_ctxt);
    for (unsigned i = 0; i < ARRAY_SIZE(c->debugreg); i++)
        if (i != 4 && i != 5 && debugreg_set(v, i, c->debugreg[i]))
            log_guest(LOG_WARNING, "debug register %u: value %#lx ignored", i,
                      (unsigned long)c->debugreg[i]);
}

static void set_entry_points(struct vcpu *v, const struct vcpu_guest_context *c)
{
    for (unsigned i = 0; i < ARRAY_SIZE(c->trap_ctxt); i++) {
        struct trap_info gate = c->trap_ctxt[i];
        gate.vector = (uint8_t)i;
        gate.cs |= 3;
        trap_gate_set(v, gate);
    }
    v->arch.event_callback = (struct callback){c->event_callback_eip, true};
    v->arch.failsafe_callback = (struct callback){c->failsafe_callback_eip,
                                                  (c->flags & VGCF_failsafe_disables_events) != 0};
    v->arch.syscall_callback =
        (struct callback){c->syscall_callback_eip, (c->flags & VGCF_syscall_disables_events) != 0};
    v->arch.kernel_ss = (uint16_t)(c->kernel_ss | 3);
    v->arch.kernel_sp = c->kernel_sp;
    v->arch.ldt_base = c->ldt_base;
    v->arch.ldt_entries = (unsigned)c->ldt_ents;
    if (c->ctrlreg[0] & X86_CR0_TS)
        v->arch.cr0 |= X86_CR0_TS;
    v->arch.cr4 = control_guest_cr4(c->ctrlreg[4]);
    v->domain->vm_assist |= c->vm_assist & (1ul << VMASST_TYPE_writable_pagetables);
    bounce_update_fast_entry(v);
    ports_update_iopl(v);
}

static int context_commit(struct vcpu *v, const struct vcpu_guest_context *c)
{
    mfn_t gdt[GDT_GUEST_PAGES];
    xen_pfn_t list[GDT_GUEST_PAGES];
    memcpy(list, c->gdt_frames, sizeof(list));
    unsigned entries = (unsigned)c->gdt_ents;
    int rc = context_check(c);
    if (rc == 0)
        rc = segdesc_hold_gdt(v, list, gdt, entries);
    if (rc)
        return rc;
    rc = root_set_kernel(v, maddr_to_mfn(MADDR(c->ctrlreg[3])));
    if (rc == 0 && c->ctrlreg[1])
        rc = root_set_user(v, maddr_to_mfn(MADDR(c->ctrlreg[1])));
    if (rc) {
        segdesc_release_gdt(gdt, entries);
        return rc == -XEN_ERESTART ? rc : -XEN_EINVAL; /* whatever is wrong with the frame */
    }
    segdesc_install_gdt(v, gdt, DIV_ROUND_UP(entries, GDT_PAGE_ENTRIES), entries);
    set_registers(v, c);
    set_entry_points(v, c);
    return 0;
}

int arch_vcpu_set_context(struct vcpu *v, vaddr_t context, bool *online)
{
    struct vcpu_guest_context *c = hv_new(NULL, struct vcpu_guest_context);
    if (c == NULL)
        return -XEN_ENOMEM;
    int rc = guest_read(c, context);
    vcpu_sync_state(v); /* or what a CPU still holds of it would be saved over the new state */
    if (rc == 0)
        rc = context_commit(v, c);
    *online = rc == 0 && (c->flags & VGCF_online) != 0;
    hv_free(NULL, c, sizeof(*c));
    return rc;
}

/* ---- Reading ------------------------------------------------------------------------------ */

static uint64_t table_maddr(mfn_t table)
{
    return mfn_eq(table, INVALID_MFN) ? 0 : mfn_to_maddr(table).v;
}

static void get_registers(const struct vcpu *v, struct vcpu_guest_context *c)
{
    const struct arch_vcpu *a = &v->arch;

    c->user_regs = a->regs;
    c->user_regs.rflags &= ~X86_RFLAGS_IOPL;
    c->user_regs.rflags |= (uint64_t)a->iopl << 12;
    c->user_regs.ds = a->ds;
    c->user_regs.es = a->es;
    c->user_regs.fs = a->fs;
    c->user_regs.gs = a->gs;
    c->fs_base = a->fs_base;
    c->gs_base_kernel = a->gs_base_kernel;
    c->gs_base_user = a->gs_base_user;
    memcpy(c->debugreg, a->debugreg, sizeof(c->debugreg));
    c->ctrlreg[0] = a->cr0;
    c->ctrlreg[1] = table_maddr(a->user_table);
    c->ctrlreg[2] = a->cr2;
    c->ctrlreg[3] = table_maddr(a->kernel_table);
    c->ctrlreg[4] = a->cr4;
    fpu_export(v, &c->fpu_ctxt);
}

static void get_entry_points(const struct vcpu *v, struct vcpu_guest_context *c)
{
    const struct arch_vcpu *a = &v->arch;

    for (unsigned i = 0; i < ARRAY_SIZE(c->trap_ctxt); i++)
        c->trap_ctxt[i] = trap_gate(v, (uint8_t)i);
    c->event_callback_eip = a->event_callback.address;
    c->failsafe_callback_eip = a->failsafe_callback.address;
    c->syscall_callback_eip = a->syscall_callback.address;
    c->kernel_ss = a->kernel_ss;
    c->kernel_sp = a->kernel_sp;
    c->ldt_base = a->ldt_base;
    c->ldt_ents = a->ldt_entries;
    c->gdt_ents = a->gdt_entries;
    for (unsigned i = 0; i < DIV_ROUND_UP(a->gdt_entries, GDT_PAGE_ENTRIES); i++)
        c->gdt_frames[i] = a->gdt_frame[i].v;
    c->vm_assist = v->domain->vm_assist;
    c->flags = VGCF_i387_valid | (a->in_kernel ? VGCF_in_kernel : 0) |
               (a->failsafe_callback.disables_events ? VGCF_failsafe_disables_events : 0) |
               (a->syscall_callback.disables_events ? VGCF_syscall_disables_events : 0) |
               (READ_ONCE(v->pause_flags) & VPF_DOWN ? 0 : VGCF_online);
}

int arch_vcpu_get_context(struct vcpu *v, vaddr_t context)
{
    struct vcpu_guest_context *c = hv_new(NULL, struct vcpu_guest_context);
    if (c == NULL)
        return -XEN_ENOMEM;
    vcpu_sync_state(v);
    get_registers(v, c);
    get_entry_points(v, c);
    int rc = guest_write(context, c);
    hv_free(NULL, c, sizeof(*c));
    return rc;
}

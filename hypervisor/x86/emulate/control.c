/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The guest's control registers.
 *
 * Invariant: of the CPU's own, a guest changes CR0.TS, CR4.TSD and, by way of mm/root.c, CR3; the
 * rest it may write only as it stands.
 */
#include "x86/emulate/control.h"

#include "core/domain.h"
#include "core/percpu.h"
#include "x86/cpu.h"
#include "x86/fpu.h"
#include "x86/mm/root.h"
#include "x86/x86.h"

/* Bits of CR4 that a guest chooses for itself, and those that it sees as the hypervisor has them.
 */
#define CR4_GUEST_CHOICE  (X86_CR4_TSD | X86_CR4_DE | X86_CR4_FSGSBASE | X86_CR4_OSXSAVE)
#define CR4_GUEST_VISIBLE (X86_CR4_PAE | X86_CR4_MCE | X86_CR4_OSFXSR | X86_CR4_OSXMMEXCPT)

static DEFINE_PER_CPU(uint64_t, loaded_tsd);

uint64_t control_guest_cr4(uint64_t cr4)
{
    uint64_t choice = cr4 & CR4_GUEST_CHOICE;

    if (fpu_xcr0_mask() == 0)
        choice &= ~X86_CR4_OSXSAVE;
    if (!cpu_features.fsgsbase)
        choice &= ~X86_CR4_FSGSBASE;
    return choice | (hv_cr4 & CR4_GUEST_VISIBLE);
}

void control_load(const struct vcpu *v)
{
    uint64_t tsd = v->arch.cr4 & X86_CR4_TSD;

    if (this_cpu(loaded_tsd) == tsd)
        return;
    WRITE_CR(4, hv_cr4 | tsd);
    this_cpu(loaded_tsd) = tsd;
}

bool control_read(const struct vcpu *v, unsigned nr, uint64_t *val)
{
    switch (nr) {
    case 0:
        *val = (READ_CR(0) & ~X86_CR0_TS) | (v->arch.cr0 & X86_CR0_TS);
        return true;
    case 2:
        *val = v->arch.cr2;
        return true;
    case 3:
        *val = xen_pfn_to_cr3(v->arch.kernel_table.v);
        return true;
    case 4:
        *val = v->arch.cr4;
        return true;
    default:
        return false;
    }
}

static enum control_result write_cr3(struct vcpu *v, uint64_t val)
{
    int err = pv_set_cr3(v, val);

    if (err == -XEN_ERESTART)
        return CONTROL_AGAIN;
    return err == 0 ? CONTROL_DONE : CONTROL_REFUSED;
}

enum control_result control_write(struct vcpu *v, unsigned nr, uint64_t val)
{
    switch (nr) {
    case 0:
        if ((val ^ READ_CR(0)) & ~X86_CR0_TS)
            return CONTROL_REFUSED;
        fpu_set_ts(v, (val & X86_CR0_TS) != 0);
        return CONTROL_DONE;
    case 2:
        v->arch.cr2 = val;
        v->info->arch.cr2 = val;
        return CONTROL_DONE;
    case 3:
        return write_cr3(v, val);
    case 4:
        v->arch.cr4 = control_guest_cr4(val);
        control_load(v);
        return CONTROL_DONE;
    default:
        return CONTROL_REFUSED;
    }
}

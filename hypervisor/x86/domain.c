/* SPDX-License-Identifier: BSD-2-Clause */
/* The x86 part of a domain's and a vCPU's life. */
#include "core/domain.h"

#include "core/frame.h"
#include "core/heap.h"
#include "core/lib.h"
#include "x86/bounce.h"
#include "x86/debugreg.h"
#include "x86/emulate/control.h"
#include "x86/emulate/ports.h"
#include "x86/fpu.h"
#include "x86/mm/root.h"
#include "x86/mm/segdesc.h"
#include "x86/mm/spare.h"
#include "x86/pirq.h"
#include "x86/switch.h"
#include "x86/time.h"
#include "x86/x86.h"

int arch_domain_create(struct domain *d)
{
    d->arch.all_iomem = d->is_privileged;
    d->arch.tsc_khz = time_tsc_khz();
    int rc = ports_domain_init(d, d->is_privileged);
    d->arch.spare_slots = hv_alloc(d, sizeof(*d->arch.spare_slots));
    if (rc == 0 && d->arch.spare_slots == NULL)
        rc = -XEN_ENOMEM;
    if (rc == 0 && d->is_privileged)
        rc = pirq_domain_init(d);
    return rc;
}

/* What a vCPU holds of its domain's memory goes; its frames follow. */
int arch_domain_release(struct domain *d)
{
    domain_sync_state(d);
    for_each_vcpu (d, v) {
        int rc = frame_resume_teardown(&v->arch.torn);
        if (rc)
            return rc;
        segdesc_drop(v);
        root_drop(v);
    }
    int rc = spare_drop(d, NULL);
    if (rc)
        return rc;
    if (d->arch.pirqs != NULL)
        pirq_domain_release(d);
    return 0;
}

void arch_domain_free(struct domain *d)
{
    if (d->arch.pirqs != NULL)
        pirq_domain_free(d);
    ports_domain_free(d);
    hv_free(d, d->arch.spare_slots, sizeof(*d->arch.spare_slots));
}

void arch_vm_assist_changed(struct domain *d)
{
    for_each_vcpu (d, v)
        bounce_update_fast_entry(v);
}

/* CR0 as a PV kernel finds it: protected mode, paging, write protection; native FPU errors. */
#define GUEST_CR0                                                                                  \
    (X86_CR0_PE | X86_CR0_MP | X86_CR0_ET | X86_CR0_NE | X86_CR0_WP | X86_CR0_AM | X86_CR0_PG)

int arch_vcpu_create(struct vcpu *v)
{
    v->arch.loaded_on = -1;
    v->arch.in_kernel = true;
    v->arch.kernel_table = v->arch.user_table = INVALID_MFN;
    for (unsigned i = 0; i < ARRAY_SIZE(v->arch.gdt_frame); i++)
        v->arch.gdt_frame[i] = INVALID_MFN;
    for (unsigned i = 0; i < ARRAY_SIZE(v->arch.ldt_frame); i++)
        v->arch.ldt_frame[i] = INVALID_MFN;
    v->arch.cr0 = GUEST_CR0;
    if (v->domain->is_idle)
        return 0;
    v->arch.cr4 = control_guest_cr4(0);
    debugreg_vcpu_init(v);
    ports_update_iopl(v);
    fpu_vcpu_init(v);
    return 0;
}

size_t arch_vcpu_bytes(void)
{
    return sizeof(struct vcpu) + fpu_vcpu_bytes();
}

void arch_vcpu_exit_work(struct vcpu *v)
{
    atomic_store(&v->arch.exit_work, true);
}

void arch_vcpu_free(struct vcpu *v)
{
    fpu_vcpu_free(v);
}

/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The L4 tables that a vCPU runs on. Each is held by a reference and a FT_L4 type reference for as
 * long as it may be loaded; a CR3 value names a table so held.
 */
#include "x86/mm/root.h"

#include "core/domain.h"
#include "core/frame.h"
#include "x86/bounce.h"
#include "x86/mm/spare.h"
#include "x86/tlb.h"
#include "x86/x86.h"

/* *place: where the last one was found; then where this one was, for spare_root_give(). */
static int root_hold(struct vcpu *v, mfn_t mfn, unsigned *place)
{
    *place = spare_root_take(v, mfn, *place);
    if (*place != NO_PLACE)
        return 0;
    int rc = frame_get_both(mfn, v->domain, FT_L4);
    return rc == -XEN_EPERM ? -XEN_EINVAL : rc;
}

/* Tasks change places: it may soon be wanted again. */
static void root_release(struct vcpu *v, mfn_t mfn, unsigned place)
{
    if (!mfn_eq(mfn, INVALID_MFN))
        spare_root_give(v, mfn, place);
}

int root_set_kernel(struct vcpu *v, mfn_t mfn)
{
    if (mfn_eq(mfn, v->arch.kernel_table)) {
        if (v == current_vcpu())
            tlb_flush_local();
        return 0;
    }
    unsigned place = v->arch.spare_kernel;
    int rc = root_hold(v, mfn, &place);
    if (rc)
        return rc;
    v->arch.spare_kernel = (uint8_t)place;
    mfn_t old = v->arch.kernel_table;
    v->arch.kernel_table = mfn;
    v->arch.cr3_kernel = tlb_mode_cr3(mfn_to_maddr(mfn).v, false);
    if (v == current_vcpu() && v->arch.in_kernel) {
        unsigned long flags = irq_save();
        tlb_load_guest(v->arch.cr3_kernel);
        irq_restore(flags);
    }
    root_release(v, old, place);
    return 0;
}

int root_set_user(struct vcpu *v, mfn_t mfn)
{
    unsigned place = v->arch.spare_user;
    if (!mfn_eq(mfn, INVALID_MFN)) {
        int rc = root_hold(v, mfn, &place);
        if (rc)
            return rc;
    }
    v->arch.spare_user = (uint8_t)place;
    mfn_t old = v->arch.user_table;
    bool first_or_none = mfn_eq(old, INVALID_MFN) || mfn_eq(mfn, INVALID_MFN);
    v->arch.user_table = mfn;
    v->arch.cr3_user = mfn_eq(mfn, INVALID_MFN) ? 0 : tlb_mode_cr3(mfn_to_maddr(mfn).v, true);
    if (v == current_vcpu())
        tlb_flush_user_local();
    if (first_or_none)
        bounce_update_fast_entry(v);
    root_release(v, old, place);
    return 0;
}

void root_drop(struct vcpu *v)
{
    root_release(v, v->arch.user_table, NO_PLACE);
    root_release(v, v->arch.kernel_table, NO_PLACE);
    v->arch.user_table = v->arch.kernel_table = INVALID_MFN;
    v->arch.cr3_user = v->arch.cr3_kernel = 0;
}

int pv_set_cr3(struct vcpu *v, uint64_t cr3)
{
    return root_set_kernel(v, maddr_to_mfn(MADDR(cr3)));
}

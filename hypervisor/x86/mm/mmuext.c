/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * mmuext_op: pinned tables, page-table bases, TLB flushes, descriptor tables, whole pages.
 */
#include <arch/memory.h>

#include "core/domain.h"
#include "core/frame.h"
#include "core/guest.h"
#include "core/hypercall.h"
#include "core/lib.h"
#include "core/softirq.h"
#include "x86/mm/flush.h"
#include "x86/mm/owner.h"
#include "x86/mm/root.h"
#include "x86/mm/segdesc.h"
#include "x86/mm/spare.h"

typedef int mmuext_fn(struct vcpu *v, struct domain *d, const struct mmuext_op *op);

static int op_pin(struct vcpu *v, struct domain *d, const struct mmuext_op *op)
{
    (void)v;
    int rc = frame_pin(d, MFN(op->arg1.mfn), (enum frame_type)(op->cmd - MMUEXT_PIN_L1_TABLE + 1));
    return rc == -XEN_EPERM || rc == -XEN_EBUSY ? -XEN_EINVAL : rc;
}

static int op_unpin(struct vcpu *v, struct domain *d, const struct mmuext_op *op)
{
    int rc = frame_unpin(d, MFN(op->arg1.mfn), &v->arch.torn);
    if (rc == 0)
        spare_root_forget(d, MFN(op->arg1.mfn));
    return rc;
}

static int op_new_baseptr(struct vcpu *v, struct domain *d, const struct mmuext_op *op)
{
    return d == v->domain ? root_set_kernel(v, MFN(op->arg1.mfn)) : -XEN_EPERM;
}

static int op_new_user_baseptr(struct vcpu *v, struct domain *d, const struct mmuext_op *op)
{
    if (d != v->domain)
        return -XEN_EPERM;
    return root_set_user(v, op->arg1.mfn ? MFN(op->arg1.mfn) : INVALID_MFN);
}

static int op_flush_local(struct vcpu *v, struct domain *d, const struct mmuext_op *op)
{
    if (d != v->domain)
        return -XEN_EPERM;
    if (op->cmd == MMUEXT_TLB_FLUSH_LOCAL)
        tlb_flush_local();
    else
        tlb_flush_page_local(op->arg1.linear_addr);
    return 0;
}

static int op_flush_multi(struct vcpu *v, struct domain *d, const struct mmuext_op *op)
{
    cpumask_t mask;
    if (d != v->domain)
        return -XEN_EPERM;
    if (flush_vcpu_mask(d, HANDLE_VA(op->arg2.vcpumask), &mask))
        return -XEN_EINVAL;
    if (op->cmd == MMUEXT_TLB_FLUSH_MULTI)
        tlb_flush_mask(mask);
    else
        tlb_flush_page_mask(mask, op->arg1.linear_addr);
    return 0;
}

static int op_flush_all(struct vcpu *v, struct domain *d, const struct mmuext_op *op)
{
    if (d != v->domain)
        return -XEN_EPERM;
    if (op->cmd == MMUEXT_TLB_FLUSH_ALL)
        tlb_flush_mask(flush_domain_mask(d));
    else
        tlb_flush_page_mask(flush_domain_mask(d), op->arg1.linear_addr);
    return 0;
}

/* WBINVD stalls the machine: only for those who have devices that do not snoop. */
static int op_flush_cache(struct vcpu *v, struct domain *d, const struct mmuext_op *op)
{
    (void)op;
    if (d != v->domain)
        return -XEN_EPERM;
    if (!d->arch.all_iomem)
        return -XEN_EACCES;
    __asm__ volatile("wbinvd" ::: "memory");
    return 0;
}

static int op_set_ldt(struct vcpu *v, struct domain *d, const struct mmuext_op *op)
{
    return d == v->domain ? segdesc_set_ldt(v, op->arg1.linear_addr, op->arg2.nr_ents) : -XEN_EPERM;
}

static int page_for_write(struct domain *d, uint64_t mfn)
{
    int rc = frame_get_both(MFN(mfn), d, FT_WRITABLE);
    return rc == -XEN_EPERM || rc == -XEN_EBUSY ? -XEN_EINVAL : rc;
}

static int op_clear_page(struct vcpu *v, struct domain *d, const struct mmuext_op *op)
{
    (void)v;
    int rc = page_for_write(d, op->arg1.mfn);
    if (rc)
        return rc;
    memset(mfn_to_virt(MFN(op->arg1.mfn)), 0, PAGE_SIZE);
    frame_put_both(MFN(op->arg1.mfn));
    return 0;
}

static int op_copy_page(struct vcpu *v, struct domain *d, const struct mmuext_op *op)
{
    (void)v;
    mfn_t from = MFN(op->arg2.src_mfn);
    if (!frame_get(from, d))
        return -XEN_EINVAL;
    int rc = page_for_write(d, op->arg1.mfn);
    if (rc == 0) {
        memcpy(mfn_to_virt(MFN(op->arg1.mfn)), mfn_to_virt(from), PAGE_SIZE);
        frame_put_both(MFN(op->arg1.mfn));
    }
    frame_put(from);
    return rc;
}

/* Superpages are not built. */
static int op_superpage(struct vcpu *v, struct domain *d, const struct mmuext_op *op)
{
    (void)v;
    (void)d;
    (void)op;
    return -XEN_EOPNOTSUPP;
}

static mmuext_fn *const mmuext_table[] = {
    [MMUEXT_PIN_L1_TABLE] = op_pin,
    [MMUEXT_PIN_L2_TABLE] = op_pin,
    [MMUEXT_PIN_L3_TABLE] = op_pin,
    [MMUEXT_PIN_L4_TABLE] = op_pin,
    [MMUEXT_UNPIN_TABLE] = op_unpin,
    [MMUEXT_NEW_BASEPTR] = op_new_baseptr,
    [MMUEXT_TLB_FLUSH_LOCAL] = op_flush_local,
    [MMUEXT_INVLPG_LOCAL] = op_flush_local,
    [MMUEXT_TLB_FLUSH_MULTI] = op_flush_multi,
    [MMUEXT_INVLPG_MULTI] = op_flush_multi,
    [MMUEXT_TLB_FLUSH_ALL] = op_flush_all,
    [MMUEXT_INVLPG_ALL] = op_flush_all,
    [MMUEXT_FLUSH_CACHE] = op_flush_cache,
    [MMUEXT_SET_LDT] = op_set_ldt,
    [MMUEXT_NEW_USER_BASEPTR] = op_new_user_baseptr,
    [MMUEXT_CLEAR_PAGE] = op_clear_page,
    [MMUEXT_COPY_PAGE] = op_copy_page,
    [MMUEXT_FLUSH_CACHE_GLOBAL] = op_flush_cache,
    [MMUEXT_MARK_SUPER] = op_superpage,
    [MMUEXT_UNMARK_SUPER] = op_superpage,
};

static int mmuext_one(struct vcpu *v, struct domain *d, const struct mmuext_op *op)
{
    if (op->cmd >= ARRAY_SIZE(mmuext_table))
        return -XEN_ENOSYS;
    mmuext_fn *fn = mmuext_table[array_index_nospec(op->cmd, ARRAY_SIZE(mmuext_table))];
    return fn ? fn(v, d, op) : -XEN_ENOSYS;
}

static int mmuext_all(struct vcpu *v, struct domain *d, vaddr_t list, unsigned count,
                      unsigned *done)
{
    for (*done = 0; *done < count; (*done)++) {
        struct mmuext_op op;
        if (*done != 0 && preempt_wanted())
            return -XEN_ERESTART;
        if (guest_read(&op, VADDR(list.v + *done * sizeof(op))))
            return -XEN_EFAULT;
        int rc = mmuext_one(v, d, &op);
        if (rc)
            return rc;
    }
    return 0;
}

long hc_mmuext_op(struct vcpu *v, struct hypercall_args *a)
{
    vaddr_t list = VADDR(a->arg[0]), pdone = VADDR(a->arg[2]);
    unsigned count = (unsigned)a->arg[1], before = 0, done = 0;
    struct domain *d;

    int rc = frame_resume_teardown(&v->arch.torn);
    if (rc)
        return hypercall_continue(__HYPERVISOR_mmuext_op, 4, a->arg);
    if (count & HC_COUNT_PREEMPTED) {
        count &= ~HC_COUNT_PREEMPTED;
        if (pdone.v && guest_read(&before, pdone))
            return -XEN_EFAULT;
    }
    rc = page_owner_get(v, DOMID((uint16_t)a->arg[3]), &d);
    if (rc)
        return rc;
    rc = mmuext_all(v, d, list, count, &done);
    page_owner_put(v, d);

    unsigned total = before + done;
    if (pdone.v)
        (void)guest_write(pdone, &total); /* what is done is done, whether or not it can be told */
    if (rc == -XEN_ERESTART || (rc == 0 && torn_any(&v->arch.torn))) {
        uint64_t args[] = {list.v + done * sizeof(struct mmuext_op),
                           (count - done) | HC_COUNT_PREEMPTED, a->arg[2], a->arg[3]};
        return hypercall_continue(__HYPERVISOR_mmuext_op, 4, args);
    }
    return rc;
}

/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A guest to be destroyed at any moment: each vCPU is always within some long hypercall. Tables are
 * pinned and unpinned whole, entries changed in lists, memory given back and taken again, pages
 * copied by grants, frames exchanged, other vCPUs taken down and up.
 */
#include <stdlib.h>
#include <string.h>

#include <pv/grant.h>
#include <pv/hypercall.h>
#include <pv/memory.h>
#include <pv/smp.h>
#include <pv/xenstore.h>

#define PAGES 256u

struct own {
    uint64_t *l1, *l2;
    char *from, *to;
    unsigned long pfn[PAGES];
    xen_pfn_t list[PAGES];
    grant_ref_t grant;
};
static struct own vcpus_own[MAX_VCPUS];
static domid_t own_id;

static void mmuext(unsigned command, const void *table)
{
    struct mmuext_op op = {.cmd = command, .arg1.mfn = virt_to_mfn(table)};

    (void)HYPERVISOR_mmuext_op(&op, 1, NULL, DOMID_SELF);
}

static void read_only(void *page, bool yes)
{
    (void)HYPERVISOR_update_va_mapping(
        (unsigned long)page, pte_make(virt_to_mfn(page), yes ? PTE_KERNEL_RO : PTE_KERNEL_RW),
        UVMF_INVLPG | UVMF_ALL);
}

/* A table full of a page, below another: pinned, changed, unpinned. */
static void tables(struct own *o)
{
    mmu_update_t updates[64];

    for (unsigned i = 0; i < 512; i++)
        o->l1[i] = pte_make(virt_to_mfn(o->from), PTE_KERNEL_RW);
    memset(o->l2, 0, PAGE_SIZE);
    o->l2[0] = pte_make(virt_to_mfn(o->l1), PTE_TABLE);
    read_only(o->l1, true);
    read_only(o->l2, true);
    mmuext(MMUEXT_PIN_L2_TABLE, o->l2);
    for (unsigned i = 0; i < 64; i++)
        updates[i] = (mmu_update_t){.ptr = virt_to_maddr(&o->l1[i * 8]) | MMU_NORMAL_PT_UPDATE,
                                    .val = pte_make(virt_to_mfn(o->to), PTE_KERNEL_RO)};
    (void)HYPERVISOR_mmu_update(updates, 64, NULL, DOMID_SELF);
    mmuext(MMUEXT_UNPIN_TABLE, o->l2);
    read_only(o->l2, false);
    read_only(o->l1, false);
}

static void copies(struct own *o)
{
    struct gnttab_copy copy[32];

    for (unsigned i = 0; i < 32; i++) {
        copy[i] = (struct gnttab_copy){.flags = GNTCOPY_source_gref, .len = PAGE_SIZE};
        copy[i].source.u.ref = o->grant;
        copy[i].source.domid = DOMID_SELF;
        copy[i].dest.u.gmfn = virt_to_mfn(o->to);
        copy[i].dest.domid = DOMID_SELF;
    }
    (void)HYPERVISOR_grant_table_op(GNTTABOP_copy, copy, 32);
}

/* Frames that nothing maps: given to this vCPU by increase_reservation, and given back. */
static void reservations(struct own *o)
{
    struct xen_memory_reservation r = {.nr_extents = PAGES, .domid = DOMID_SELF};

    set_xen_guest_handle(r.extent_start, o->list);
    long got = HYPERVISOR_memory_op(XENMEM_increase_reservation, &r);
    r.nr_extents = got > 0 ? (unsigned long)got : 0;
    (void)HYPERVISOR_memory_op(XENMEM_decrease_reservation, &r);
}

static void work(void *data)
{
    struct own *o = &vcpus_own[this_vcpu()];

    (void)data;
    o->l1 = page_alloc();
    o->l2 = page_alloc();
    o->from = page_alloc();
    o->to = page_alloc();
    o->grant = grant_give(own_id, o->from, false);
    for (unsigned i = 0;; i++) {
        tables(o);
        copies(o);
        reservations(o);
        if (i == 1 && this_vcpu() == 0)
            xenstore_write(0, "data/busy", "1");
    }
}

int main(void)
{
    char *text;

    if (xenstore_read(0, "domid", &text, NULL))
        return 1;
    own_id = (domid_t)strtoul(text, NULL, 10);
    vcpus_run(work, NULL);
    return 0;
}

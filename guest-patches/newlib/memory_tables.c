/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The library's page tables: one top-level table, the builder's, for all vCPUs.
 *
 * A table that is missing is made when an address below it is wanted, and stays. Tables are pages
 * of the direct map, where they are read-only: that is how they are read, and they are changed by
 * hypercalls only (xen/xen.h: mmu_update, update_va_mapping).
 */
#include <pv/start.h>

#include "memory_internal.h"

static uint64_t *root;
static struct spinlock tables_lock;

/* ---- Batches ------------------------------------------------------------------------------ */

long mmu_batch_send(struct mmu_batch *batch)
{
    if (batch->count && batch->error == 0)
        batch->error = HYPERVISOR_mmu_update(batch->request, batch->count, NULL, batch->owner);
    batch->count = 0;
    return batch->error;
}

void mmu_batch_add(struct mmu_batch *batch, uint64_t maddr, uint64_t pte)
{
    batch->request[batch->count].ptr = maddr | MMU_NORMAL_PT_UPDATE;
    batch->request[batch->count].val = pte;
    if (++batch->count == MMU_BATCH)
        (void)mmu_batch_send(batch);
}

void tlb_flush_all(void)
{
    struct mmuext_op op = {.cmd = MMUEXT_TLB_FLUSH_ALL};

    (void)HYPERVISOR_mmuext_op(&op, 1, NULL, DOMID_SELF);
}

/* ---- Walking ------------------------------------------------------------------------------ */

/* Intel SDM 3A 4.5: nine bits of the address a level. */
static unsigned long entry_index(const volatile void *va, unsigned level)
{
    return (unsigned long)va >> (PAGE_SHIFT + 9 * (level - 1)) & (PTES_PER_TABLE - 1);
}

static uint64_t *next_table(uint64_t entry)
{
    if (!(entry & PTE_P))
        return NULL;
    return pfn_to_virt(own_mfn_to_pfn(pte_mfn(entry)));
}

void tables_start(void)
{
    root = (uint64_t *)start_info->pt_base;
}

const uint64_t *pte_of(const volatile void *va, unsigned level)
{
    uint64_t *table = root;

    for (unsigned l = TOP_LEVEL; l > level && table != NULL; l--)
        table = next_table(table[entry_index(va, l)]);
    return table == NULL ? NULL : &table[entry_index(va, level)];
}

uint64_t pte_maddr(const volatile void *va, unsigned level)
{
    const uint64_t *pte = pte_of(va, level);

    return pte == NULL ? 0 : virt_to_maddr(pte);
}

/* The hypervisor answers a read of CR3 with the frame of kernel mode's table (xen-x86_64.h). */
unsigned long tables_root(void)
{
    unsigned long cr3;

    __asm__ volatile("mov %%cr3, %0" : "=r"(cr3));
    return cr3 >> PAGE_SHIFT;
}

/* ---- Changing ----------------------------------------------------------------------------- */

long pte_set_of(const volatile void *va, uint64_t pte, domid_t owner)
{
    return HYPERVISOR_update_va_mapping_otherdomain((unsigned long)va, pte, UVMF_INVLPG | UVMF_ALL,
                                                    owner);
}

long pte_set(const volatile void *va, uint64_t pte)
{
    return HYPERVISOR_update_va_mapping((unsigned long)va, pte, UVMF_INVLPG | UVMF_ALL);
}

long page_read_only(const void *page)
{
    return pte_set(page, pte_make(virt_to_mfn(page), PTE_KERNEL_RO));
}

long page_writable(const void *page)
{
    return pte_set(page, pte_make(virt_to_mfn(page), PTE_KERNEL_RW));
}

/* A page for a table, as the start and the locked functions alike can get it. */
static long table_hook(uint64_t *entry)
{
    void *page = page_alloc();

    if (page == NULL)
        return -XEN_ENOMEM;
    long error = page_read_only(page);
    if (error == 0) {
        struct mmu_update request = {.ptr = virt_to_maddr(entry) | MMU_NORMAL_PT_UPDATE,
                                     .val = pte_make(virt_to_mfn(page), PTE_TABLE)};
        error = HYPERVISOR_mmu_update(&request, 1, NULL, DOMID_SELF);
        if (error)
            (void)page_writable(page);
    }
    if (error)
        page_free(page);
    return error;
}

long table_entry_make(const volatile void *va, unsigned level, uint64_t **entry)
{
    uint64_t *table = root;

    for (unsigned l = TOP_LEVEL; l > level; l--) {
        uint64_t *upper = &table[entry_index(va, l)];
        if (!(*(volatile uint64_t *)upper & PTE_P)) {
            long error = table_hook(upper);
            if (error)
                return error;
        }
        table = next_table(*(volatile uint64_t *)upper);
    }
    *entry = &table[entry_index(va, level)];
    return 0;
}

long tables_make(const void *va, unsigned long pages)
{
    unsigned long at = (unsigned long)va & PAGE_MASK;
    unsigned long end = ((unsigned long)va & PAGE_MASK) + (pages << PAGE_SHIFT);
    uint64_t *entry;
    long error = 0;

    bool events = memory_lock(&tables_lock);
    while (at < end && error == 0) {
        error = table_entry_make((void *)at, 1, &entry);
        at = (at | (PTES_PER_TABLE * PAGE_SIZE - 1)) + 1;
    }
    memory_unlock(&tables_lock, events);
    return error;
}

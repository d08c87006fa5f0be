/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * update_va_mapping sets the level 1 entry that maps an address of the current tables, and flushes
 * the TLB as its third argument says: a kind in the low two bits, and where.
 *
 *   UVMF_NONE, UVMF_TLB_FLUSH (all entries), UVMF_INVLPG (that page)
 *   UVMF_LOCAL (this vCPU), UVMF_ALL (all of the domain's), else the address of a bitmap of vCPUs
 *
 * update_va_mapping_otherdomain maps a frame of another domain: for who is privileged over it, and
 * device memory for who has devices. The tables are the caller's in either call.
 *
 * test: vcpus=1,4
 */
#include "mmu.h"

#include <pv/smp.h>

static volatile uint64_t *window;
static uint64_t *page[2];
static uint8_t bitmap[PAGE_SIZE] __attribute__((aligned(4096)));

static long map(unsigned which, unsigned long flags)
{
    return HYPERVISOR_update_va_mapping((unsigned long)window,
                                        pte_make(virt_to_mfn(page[which]), PTE_KERNEL_RW), flags);
}

/* Each flush that there is makes the new page seen. */
static void test_flushes(void)
{
    const struct {
        const char *name;
        unsigned long flags;
    } flushes[] = {
        {"UVMF_TLB_FLUSH | UVMF_LOCAL", UVMF_TLB_FLUSH | UVMF_LOCAL},
        {"UVMF_TLB_FLUSH | UVMF_ALL", UVMF_TLB_FLUSH | UVMF_ALL},
        {"UVMF_TLB_FLUSH | UVMF_MULTI", UVMF_TLB_FLUSH | UVMF_MULTI | (unsigned long)bitmap},
        {"UVMF_INVLPG | UVMF_LOCAL", UVMF_INVLPG | UVMF_LOCAL},
        {"UVMF_INVLPG | UVMF_ALL", UVMF_INVLPG | UVMF_ALL},
        {"UVMF_INVLPG | UVMF_MULTI", UVMF_INVLPG | UVMF_MULTI | (unsigned long)bitmap},
    };
    bitmap[0] = 0xff;
    for (unsigned f = 0; f < sizeof(flushes) / sizeof(flushes[0]); f++) {
        unsigned wrong = 0;
        for (unsigned i = 0; i < 50; i++)
            wrong += map(i % 2, flushes[f].flags) != 0 || window[0] != i % 2;
        is(wrong, 0, "%s: the new page is seen", flushes[f].name);
    }
}

static void test_flags(void)
{
    is_error(map(0, UVMF_NONE), 0, "no flush");
    is_error(map(0, UVMF_NONE | UVMF_ALL), 0, "no flush, on all");
    ok(map(0, 3) != 0, "flush 3 is not there");
    is_error(map(0, UVMF_TLB_FLUSH | HV_ADDRESS), -XEN_EFAULT, "a bitmap of the hypervisor's");
    is_error(map(0, UVMF_TLB_FLUSH | NON_CANONICAL), -XEN_EFAULT, "a bitmap nowhere");
    is_error(map(0, UVMF_INVLPG | 0x1000), -XEN_EFAULT, "a bitmap in unmapped memory");
    is_error(map(0, UVMF_NONE | 0x1000), 0, "without flush the bitmap is not looked at");
    memset(bitmap, 0, sizeof(bitmap));
    is_error(map(0, UVMF_TLB_FLUSH | (unsigned long)bitmap), 0, "a bitmap of no vCPU");
    memset(bitmap, 0xff, sizeof(bitmap));
    is_error(map(0, UVMF_TLB_FLUSH | (unsigned long)bitmap), 0, "of more than there are");
}

static void test_addresses(void)
{
    uint64_t entry = pte_make(virt_to_mfn(page[1]), PTE_KERNEL_RO);
    is_error(HYPERVISOR_update_va_mapping((unsigned long)window + 0x123, entry, UVMF_INVLPG), 0,
             "an address within the page");
    is(window[0], 1, "maps the page");
    static const struct {
        const char *name;
        unsigned long va;
    } bad[] = {
        {"without tables", 0x00007f0000000000},
        {"not canonical", NON_CANONICAL},
        {"the hypervisor's", HV_ADDRESS},
        {"the hypervisor's last", HYPERVISOR_VIRT_END - 1},
        {"the last page", ~0ul},
    };
    for (unsigned i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        is_error(HYPERVISOR_update_va_mapping(bad[i].va, entry, UVMF_NONE), -XEN_EINVAL,
                 "an address: %s", bad[i].name);
        is_error(HYPERVISOR_update_va_mapping(bad[i].va, 0, UVMF_INVLPG | UVMF_ALL), -XEN_EINVAL,
                 "to clear an address: %s", bad[i].name);
    }
}

static void test_entries(void)
{
    unsigned long va = (unsigned long)window, l1 = mfn_to_pfn(pte_maddr(window, 1) >> PAGE_SHIFT);
    const volatile uint64_t *entry = pte_of((void *)window, 1);
    uint64_t table = pte_make(pfn_to_mfn(l1), 0);
    is_error(HYPERVISOR_update_va_mapping(va, table | PTE_KERNEL_RO, UVMF_INVLPG), 0,
             "the table itself, read-only");
    ok(window[((unsigned long)entry & ~PAGE_MASK) / 8] == *entry, "is seen");
    ok(HYPERVISOR_update_va_mapping(va, table | PTE_KERNEL_RW, UVMF_INVLPG) != 0, "not writable");
    is(*entry & PTE_RW, 0, "the entry is what it was");
    is_error(HYPERVISOR_update_va_mapping(va, pte_make(NO_SUCH_MFN, PTE_P), UVMF_NONE), -XEN_EINVAL,
             "a frame that there is not");
    is_error(HYPERVISOR_update_va_mapping(va, pte_make(0x100, PTE_P), UVMF_NONE), -XEN_EBUSY,
             "a frame of the hypervisor");
    is_error(HYPERVISOR_update_va_mapping(va, 0xabcde000, UVMF_INVLPG), 0, "nothing present");
    is(*entry, 0xabcde000, "is kept as it is");
    ok(!try_read((void *)window, &(uint64_t){0}), "and maps nothing");
    is_error(HYPERVISOR_update_va_mapping(va, 0, UVMF_INVLPG), 0, "nothing");
}

static void test_other_domains(void)
{
    unsigned long va = (unsigned long)window;
    uint64_t ours = pte_make(virt_to_mfn(page[0]), PTE_KERNEL_RO);
    uint64_t vga = pte_make(0xb8, PTE_KERNEL_RO);
    is_error(HYPERVISOR_update_va_mapping_otherdomain(va, ours, UVMF_INVLPG, DOMID_SELF), 0,
             "a frame of ourselves");
    is(window[0], 0, "is mapped");
    is_error(HYPERVISOR_update_va_mapping_otherdomain(va, 0, UVMF_INVLPG, DOMID_SELF), 0,
             "and cleared");
    is_error(HYPERVISOR_update_va_mapping_otherdomain(va, ours, UVMF_NONE, DOMID_IO), -XEN_EBUSY,
             "our frame is not of device memory");
    is_error(HYPERVISOR_update_va_mapping_otherdomain(va, ours, UVMF_NONE, 0x7000), -XEN_ESRCH,
             "a domain that is not there");
    is_error(HYPERVISOR_update_va_mapping_otherdomain(va, ours, UVMF_NONE, DOMID_INVALID),
             -XEN_ESRCH, "DOMID_INVALID");
    if (is_control_domain()) {
        is_error(HYPERVISOR_update_va_mapping_otherdomain(va, vga, UVMF_INVLPG, DOMID_IO), 0,
                 "device memory");
        is(pte_mfn(*pte_of((void *)window, 1)), 0xb8, "is mapped");
    } else {
        is_error(HYPERVISOR_update_va_mapping_otherdomain(va, vga, UVMF_INVLPG, DOMID_IO),
                 -XEN_EPERM, "device memory is not for guests");
    }
    is_error(HYPERVISOR_update_va_mapping(va, 0, UVMF_INVLPG), 0, "nothing again");
}

/* All vCPUs map one address in turns, and flush it everywhere: each sees one of the two pages. */
static void on_each(void *data)
{
    unsigned long *wrong = data;
    for (unsigned i = 0; i < 100; i++)
        if (map(i % 2, UVMF_INVLPG | UVMF_ALL) != 0 || window[0] > 1)
            __atomic_fetch_add(wrong, 1, __ATOMIC_RELAXED);
}

int main(void)
{
    unsigned long wrong = 0;
    window = window_alloc(1);
    for (unsigned i = 0; i < 2; i++) {
        page[i] = page_alloc();
        page[i][0] = i;
    }
    test_flushes();
    test_flags();
    test_addresses();
    test_entries();
    test_other_domains();
    vcpus_run(on_each, &wrong);
    is(wrong, 0, "all vCPUs map one address");
    window_free((void *)window, 1);
    for (unsigned i = 0; i < 2; i++)
        page_free(page[i]);
    return done();
}

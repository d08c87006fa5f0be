/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * mmu_update: a list of requests (xen/xen.h), each a machine address and what to store there.
 *
 *   ptr[1:0]  MMU_NORMAL_PT_UPDATE (0)        a page-table entry, checked and stored
 *             MMU_MACHPHYS_UPDATE (1)         the machine-to-phys entry of the frame that ptr names
 *             MMU_PT_UPDATE_PRESERVE_AD (2)   as 0; accessed and dirty bits that are set stay set
 *             MMU_PT_UPDATE_NO_TRANSLATE (3)  as 0, for a PV guest
 *
 * The fourth argument says whose: the low half whose frames the new entries map (or whose M2P
 * entry it is), the upper half, unless 0, whose tables: their domain's number + 1. A third argument
 * that is not 0 points to where the number of requests carried out goes, also when one failed: the
 * list is carried out in order up to the first that is refused.
 *
 * test: vcpus=1,4
 */
#include "mmu.h"

#include <pv/smp.h>

#define BOTH(tables, frames) ((unsigned)(tables) << 16 | (unsigned)(frames))
#define PTE_COMPARE          (PTE_MFN | PTE_P | PTE_RW | PTE_A | PTE_D | PTE_NX)

static uint64_t *window; /* one page of address space */
static uint64_t slot;    /* the machine address of its entry */
static uint64_t *page;   /* a page to map there */

static uint64_t entry_now(void)
{
    return *pte_of(window, 1);
}

static void test_kinds(void)
{
    uint64_t entry = pte_make(virt_to_mfn(page), PTE_KERNEL_RW | PTE_NX);
    page[0] = 0x1234;
    is_error(mmu_request(slot | MMU_NORMAL_PT_UPDATE, entry, DOMID_SELF), 0, "an entry is set");
    is(entry_now() & PTE_COMPARE, entry & PTE_COMPARE, "it is as it was asked for");
    is(window[0], 0x1234, "and maps the page");
    is_error(mmu_request(slot, 0, DOMID_SELF), 0, "an entry is cleared");
    is(entry_now(), 0, "it is 0");
    is_error(mmu_request(slot, 0x123456789abcdeful & ~PTE_P, DOMID_SELF), 0,
             "an entry that is not present may be anything");
    is(entry_now(), 0x123456789abcdeful & ~PTE_P, "it is kept as it was given");
    is_error(mmu_request(slot | MMU_PT_UPDATE_NO_TRANSLATE, entry, DOMID_SELF), 0,
             "MMU_PT_UPDATE_NO_TRANSLATE sets an entry");
    is(entry_now() & PTE_COMPARE, entry & PTE_COMPARE, "it is as it was asked for, too");
    is_error(mmu_request(slot | 4, entry, DOMID_SELF), -XEN_ENOSYS, "kind 4 is not there");
    is_error(mmu_request(slot | 5, entry, DOMID_SELF), -XEN_ENOSYS, "kind 5 is not there");
    is_error(mmu_request(slot | 7, entry, DOMID_SELF), -XEN_ENOSYS, "kind 7 is not there");
    is_error(mmu_set(slot, 0), 0, "cleared again");
}

static void test_preserve(void)
{
    uint64_t clean = pte_make(virt_to_mfn(page), PTE_P | PTE_RW | PTE_US);
    is_error(mmu_set(slot, clean | PTE_A | PTE_D), 0, "an entry, accessed and dirty");
    is_error(mmu_request(slot | MMU_PT_UPDATE_PRESERVE_AD, clean & ~PTE_RW, DOMID_SELF), 0,
             "MMU_PT_UPDATE_PRESERVE_AD makes it read-only");
    is(entry_now() & (PTE_A | PTE_D), PTE_A | PTE_D, "it stays accessed and dirty");
    is(entry_now() & PTE_RW, 0, "it is read-only");
    is_error(mmu_set(slot, clean & ~PTE_RW), 0, "MMU_NORMAL_PT_UPDATE does the same");
    is(entry_now() & (PTE_A | PTE_D), 0, "and clears accessed and dirty");
    is_error(mmu_request(slot | MMU_PT_UPDATE_PRESERVE_AD, clean | PTE_A, DOMID_SELF), 0,
             "MMU_PT_UPDATE_PRESERVE_AD sets what is asked for");
    is(entry_now() & (PTE_A | PTE_D), PTE_A, "accessed, and not dirty");
    is_error(mmu_request(slot | MMU_PT_UPDATE_PRESERVE_AD, 0, DOMID_SELF), 0, "it clears an entry");
    is(entry_now() & PTE_P, 0, "which is not present then");
}

static void test_machphys(void)
{
    const unsigned long *m2p = (const unsigned long *)MACH2PHYS_VIRT_START;
    unsigned long mfn = virt_to_mfn(page), pfn = virt_to_pfn(page);
    uint64_t at = (uint64_t)mfn << PAGE_SHIFT | MMU_MACHPHYS_UPDATE;
    is(m2p[mfn], pfn, "the machine-to-phys table knows the page");
    is_error(mmu_request(at, 0xabcdef, DOMID_SELF), 0, "its entry is set");
    is(m2p[mfn], 0xabcdef, "it is as it was given");
    is_error(mmu_request(at | 0xff8, pfn, DOMID_SELF), 0, "the offset in the page does not count");
    is(m2p[mfn], pfn, "it is what it was");
    is_error(mmu_request(NO_SUCH_MFN << PAGE_SHIFT | MMU_MACHPHYS_UPDATE, 1, DOMID_SELF),
             -XEN_EINVAL, "of a frame that there is not: refused");
    is_error(mmu_request(0 | MMU_MACHPHYS_UPDATE, 1, DOMID_SELF), -XEN_EINVAL,
             "of a frame that is nobody's: refused");
    is_error(mmu_request(at, 1, DOMID_IO), -XEN_EINVAL, "of a frame that is not of that owner");
    ok(!try_write((void *)&m2p[mfn], 1), "the table itself cannot be written");
}

/* How many were done: pointer 0, and each place where the list stops. */
static void test_done(void)
{
    uint64_t good = pte_make(virt_to_mfn(page), PTE_KERNEL_RO), bad = pte_make(NO_SUCH_MFN, PTE_P);
    struct mmu_update list[40];
    unsigned done = 77;
    for (unsigned i = 0; i < 40; i++)
        list[i] = (struct mmu_update){.ptr = slot, .val = i % 2 ? good : 0};
    is_error(HYPERVISOR_mmu_update(list, 40, &done, DOMID_SELF), 0, "40 requests");
    is(done, 40, "all done");
    is_error(HYPERVISOR_mmu_update(list, 0, &done, DOMID_SELF), 0, "no request");
    is(done, 0, "none done");
    is_error(HYPERVISOR_mmu_update(NULL, 0, NULL, DOMID_SELF), 0, "no request and no list");
    is_error(HYPERVISOR_mmu_update(list, 40, NULL, DOMID_SELF), 0, "nowhere to say how many");
    for (unsigned at = 0; at < 40; at += 13) {
        struct mmu_update was = list[at];
        list[at].val = bad;
        is_error(HYPERVISOR_mmu_update(list, 40, &done, DOMID_SELF), -XEN_EINVAL,
                 "request %u is refused", at);
        is(done, at, "%u were done before it", at);
        list[at] = was;
    }
    is_error(mmu_set(slot, 0), 0, "the window is empty");
    struct mmu_update *nowhere = (struct mmu_update *)window;
    is_error(HYPERVISOR_mmu_update(nowhere, 1, &done, DOMID_SELF), -XEN_EFAULT,
             "a list in unmapped memory");
    is_error(HYPERVISOR_mmu_update(list, 1, (unsigned *)window, DOMID_SELF), 0,
             "what is done is done though the number goes to unmapped memory");
}

/* The first 16 lie in mapped memory, the others do not. */
static void test_end_of_memory(void)
{
    struct mmu_update *list = window_alloc(2);
    unsigned done = 77;
    pte_set(list, pte_make(virt_to_mfn(page), PTE_KERNEL_RW));
    list += PAGE_SIZE / sizeof(*list) - 16;
    for (unsigned i = 0; i < 16; i++)
        list[i] = (struct mmu_update){.ptr = slot, .val = 0};
    is_error(HYPERVISOR_mmu_update(list, 16, &done, DOMID_SELF), 0, "a list up to a page's end");
    is(done, 16, "all of it is done");
    is_error(HYPERVISOR_mmu_update(list, 18, &done, DOMID_SELF), -XEN_EFAULT,
             "a list that leaves mapped memory");
    is(done, 16, "is done as far as it is there");
    window_free((void *)((unsigned long)list & PAGE_MASK), 2);
}

static void test_owners(void)
{
    uint64_t ours = pte_make(virt_to_mfn(page), PTE_KERNEL_RO);
    is_error(mmu_request(slot, ours, DOMID_IO), -XEN_EBUSY, "our frame is not DOMID_IO's");
    is_error(mmu_request(slot, ours, 0x7000), -XEN_ESRCH, "frames of a domain that is not there");
    is_error(mmu_request(slot, ours, DOMID_INVALID), -XEN_ESRCH, "frames of DOMID_INVALID");
    is_error(mmu_request(slot, ours, BOTH(0x7001, DOMID_SELF)), -XEN_ESRCH,
             "tables of a domain that is not there");
    is_error(mmu_request(slot, ours, BOTH(DOMID_IO + 1, DOMID_SELF)), -XEN_ESRCH,
             "DOMID_IO has no tables");
    is_error(mmu_request(slot, ours, BOTH(0xffff, DOMID_SELF)), -XEN_ESRCH,
             "tables of domain 0xfffe");
    if (!is_control_domain()) {
        skip(3, "only the control domain knows its number");
        return;
    }
    is_error(mmu_request(slot, ours, BOTH(0 + 1, DOMID_SELF)), 0, "tables of ourselves by number");
    is_error(mmu_request(slot, 0, DOMID_SELF), 0, "cleared");
    struct mmu_update none;
    is_error(hypercall(__HYPERVISOR_mmu_update, PV_ARG(&none), 0, 0, 0x7000, 0), -XEN_ESRCH,
             "the domain is looked up though nothing is asked for");
}

/* Device memory, which the control domain may map: the first megabyte of a PC is not RAM. */
static void test_devices(void)
{
    const unsigned long vga = 0xb8, local_apic = 0xfee00;
    if (!is_control_domain()) {
        is_error(mmu_request(slot, pte_make(vga, PTE_KERNEL_RW), DOMID_IO), -XEN_EPERM,
                 "device memory is for the control domain");
        return;
    }
    is_error(mmu_request(slot, pte_make(vga, PTE_KERNEL_RW), DOMID_IO), 0,
             "device memory is mapped");
    is(pte_mfn(entry_now()), vga, "it is there");
    is_error(mmu_request(slot, pte_make(vga, PTE_KERNEL_RO | PTE_PCD | PTE_PWT), DOMID_IO), 0,
             "device memory may be uncached");
    is_error(mmu_request(slot, pte_make(local_apic, PTE_KERNEL_RW), DOMID_IO), -XEN_EPERM,
             "the local APIC is the hypervisor's");
    is_error(mmu_set(slot, 0), 0, "it is unmapped");
}

/* Each vCPU its own entries, all at once: results must not mix. */
static void on_each(void *data)
{
    unsigned long *bad = data;
    volatile uint64_t *mine = window_alloc(1);
    uint64_t *own = page_alloc(), at = pte_maddr(mine, 1);
    for (unsigned i = 1; i <= 500; i++) {
        own[0] = i;
        long error = mmu_set(at, pte_make(virt_to_mfn(own), PTE_KERNEL_RO));
        if (error || mine[0] != i)
            __atomic_fetch_add(bad, 1, __ATOMIC_RELAXED);
        if (mmu_set(at, 0) || mmuext_va(MMUEXT_INVLPG_LOCAL, (unsigned long)mine))
            __atomic_fetch_add(bad, 1, __ATOMIC_RELAXED);
    }
    page_free(own);
    window_free((void *)mine, 1);
}

int main(void)
{
    unsigned long bad = 0;
    window = window_alloc(1);
    slot = pte_maddr(window, 1);
    page = page_alloc();
    test_kinds();
    test_preserve();
    test_machphys();
    test_done();
    test_end_of_memory();
    test_owners();
    test_devices();
    vcpus_run(on_each, &bad);
    is(bad, 0, "every vCPU sets and clears entries of its own");
    page_free(page);
    window_free(window, 1);
    return done();
}

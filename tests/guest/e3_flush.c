/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * E3: flushes of the TLB that the hypervisor owes. A guest that changes an entry and does not flush
 * harms itself; but when the frame gets another meaning, a page table, a page of descriptors, no
 * frame of the guest's any more, or another domain's grant that ended, no CPU may write to it by a
 * translation that it still knows.
 *
 * The detectors are vCPUs that write to a window all the time, each to a word of its own. The
 * first one takes the window's mapping away, without a flush, gives the page its new meaning, and
 * looks at these words: from then on they may not change.
 *
 * test: vcpus=2,4 limit=60
 */
#include "mmu.h"

#include "grants.h"

#include <pv/clock.h>
#include <pv/smp.h>

#define ROUNDS 30u

static volatile uint64_t *window;
static uint64_t *page;
static volatile bool end;
static unsigned long writes[MAX_VCPUS];

/* ---- Detectors --------------------------------------------------------------------------------
 */

static uint64_t *word_of(unsigned vcpu)
{
    return (uint64_t *)&window[8 + vcpu];
}

/* Even numbers without RW: as page-table entries and as descriptors they are not present. */
static void detector(void *unused)
{
    (void)unused;
    for (uint64_t n = 2; !end; n += 2) {
        if (try_write(word_of(this_vcpu()), (n & 0xff) << 1 & ~1ul))
            __atomic_fetch_add(&writes[this_vcpu()], 1, __ATOMIC_RELAXED);
        cpu_relax();
    }
}

static void detectors_start(void)
{
    end = false;
    for (unsigned v = 1; v < nr_vcpus(); v++)
        vcpu_start(v, detector, NULL);
}

static void detectors_end(void)
{
    end = true;
    for (unsigned v = 1; v < nr_vcpus(); v++)
        vcpu_join(v);
}

static void show(uint64_t entry)
{
    if (mmu_set(pte_maddr(window, 1), entry) != 0)
        diag("the window's entry cannot be set");
}

/* Until every detector has written through the window anew. */
static void wait_for_writes(void)
{
    for (unsigned v = 1; v < nr_vcpus(); v++) {
        unsigned long was = __atomic_load_n(&writes[v], __ATOMIC_RELAXED);
        while (__atomic_load_n(&writes[v], __ATOMIC_RELAXED) == was)
            vcpu_give_way();
    }
}

/* The words that detectors write to stay what they are while these look for a while. */
static unsigned changes(const volatile uint64_t *words)
{
    uint64_t first[MAX_VCPUS];
    unsigned count = 0;
    for (unsigned v = 1; v < nr_vcpus(); v++)
        first[v] = words[8 + v];
    for (unsigned n = 0; n < 20; n++) {
        vcpu_give_way();
        for (unsigned v = 1; v < nr_vcpus(); v++)
            count += words[8 + v] != first[v];
    }
    return count;
}

/* ---- New meanings -----------------------------------------------------------------------------
 */

static bool become(unsigned meaning)
{
    unsigned long mfn = virt_to_mfn(page);
    if (meaning == 0)
        return HYPERVISOR_set_gdt(&mfn, 512) == 0;
    return pin_table(meaning, mfn) == 0;
}

static void give_up(unsigned meaning)
{
    if (meaning == 0)
        HYPERVISOR_set_gdt(NULL, 0);
    else
        unpin_table(virt_to_mfn(page));
}

static void test_meanings(void)
{
    for (unsigned meaning = 0; meaning <= LEVELS; meaning++) {
        unsigned seen = 0, failed = 0;
        page = table_page();
        for (unsigned round = 0; round < ROUNDS; round++) {
            show(pte_make(virt_to_mfn(page), PTE_KERNEL_RW));
            wait_for_writes();
            /* A read-only mapping of a level 1 table would let writes be emulated. */
            show(round % 2 || meaning == 1 ? 0 : pte_make(virt_to_mfn(page), PTE_KERNEL_RO));
            if (become(meaning)) {
                seen += changes(page);
                give_up(meaning);
            } else {
                failed++;
            }
        }
        show(0);
        is(failed, 0, "a page that was written to becomes %s%u",
           meaning ? "a table of level " : "descriptors: ", meaning);
        is(seen, 0, "and is not written to: %s%u",
           meaning ? "a table of level " : "descriptors: ", meaning);
        ok(table_free(page), "a plain page again after %s%u",
           meaning ? "a table of level " : "descriptors: ", meaning);
    }
}

/* A table that becomes data: what was reached through it may not be reached through its words. */
static void test_former_table(void)
{
    uint64_t *l1 = table_page(), *target = page_alloc();
    uint8_t *area = window_alloc(1024); /* there is one whole table of level 1 in it */
    area = (uint8_t *)(((unsigned long)area + (1ul << 21) - 1) & ~((1ul << 21) - 1));
    uint64_t old = *pte_of(area, 2), at = pte_maddr(area, 2);
    volatile uint64_t *before = window;
    unsigned seen = 0;
    window = (volatile uint64_t *)area;
    for (unsigned round = 0; round < ROUNDS; round++) {
        if (mmu_set(at, pte_make(virt_to_mfn(l1), PTE_TABLE)) != 0 ||
            mmu_set(maddr_of(&l1[0]), pte_make(virt_to_mfn(target), PTE_KERNEL_RW)) != 0)
            diag("a table cannot be hooked in");
        wait_for_writes();
        mmu_set(at, old);
        page_read_only(target);
        seen += pin_table(1, virt_to_mfn(target)) != 0;
        seen += page_writable(l1) != 0;
        l1[0] = pte_make(virt_to_mfn(target), PTE_KERNEL_RW);
        seen += changes(target);
        l1[0] = 0;
        unpin_table(virt_to_mfn(target));
        page_writable(target);
        page_read_only(l1);
    }
    is(seen, 0, "a former table's words map nothing");
    window = before;
    page_writable(l1);
    page_free(l1);
    page_free(target);
}

/* A frame given back and had again: it is another's meanwhile, and must not be written to. */
static void test_given_back(void)
{
    unsigned seen = 0, failed = 0;
    for (unsigned round = 0; round < ROUNDS; round++) {
        uint64_t *mine = page_alloc();
        unsigned long pfn = virt_to_pfn(mine), mfn = p2m[pfn];
        struct xen_memory_reservation r = {.nr_extents = 1, .domid = DOMID_SELF};
        show(pte_make(mfn, PTE_KERNEL_RW));
        wait_for_writes();
        show(0);
        HYPERVISOR_update_va_mapping((unsigned long)mine, 0, UVMF_INVLPG);
        set_xen_guest_handle(r.extent_start, &mfn);
        failed += HYPERVISOR_memory_op(XENMEM_decrease_reservation, &r) != 1;
        unsigned long frame = pfn;
        set_xen_guest_handle(r.extent_start, &frame);
        failed += HYPERVISOR_memory_op(XENMEM_populate_physmap, &r) != 1;
        p2m[pfn] = frame;
        failed += HYPERVISOR_update_va_mapping((unsigned long)mine, pte_make(frame, PTE_KERNEL_RW),
                                               UVMF_INVLPG | UVMF_ALL) != 0;
        seen += changes(mine);
        page_free(mine);
    }
    is(failed, 0, "frames are given back and had again");
    is(seen, 0, "and not written to by who had them");
}

/* A grant that was unmapped: unlike with ordinary entries the hypervisor flushes at once. */
static void test_grant(void)
{
    domid_t self = own_domain();
    unsigned seen = 0, failed = 0;
    uint64_t *granted = page_alloc();
    for (unsigned round = 0; round < ROUNDS; round++) {
        grant_ref_t ref = grant_give(self, granted, false);
        struct gnttab_map_grant_ref map = {
            .host_addr = (unsigned long)window, .flags = GNTMAP_host_map, .ref = ref, .dom = self};
        failed += HYPERVISOR_grant_table_op(GNTTABOP_map_grant_ref, &map, 1) != 0 || map.status;
        if (map.status == GNTST_okay)
            wait_for_writes();
        struct gnttab_unmap_grant_ref unmap = {.host_addr = map.host_addr, .handle = map.handle};
        failed += HYPERVISOR_grant_table_op(GNTTABOP_unmap_grant_ref, &unmap, 1) != 0;
        failed += unmap.status != GNTST_okay;
        seen += changes(granted);
        failed += !grant_end(ref);
    }
    is(failed, 0, "grants are mapped and unmapped");
    is(seen, 0, "and not written to after that");
    page_free(granted);
}

/* Addresses that are not canonical, in each flush there is. */
static void test_addresses(void)
{
    unsigned wrong = 0;
    uint8_t bitmap[16];
    memset(bitmap, 0xff, sizeof(bitmap));
    for (unsigned n = 0; n < 200; n++) {
        unsigned long va = random_u64() | (n % 2 ? NON_CANONICAL : 0);
        struct mmuext_op op = {.cmd = MMUEXT_INVLPG_MULTI, .arg1.linear_addr = va};
        set_xen_guest_handle(op.arg2.vcpumask, bitmap);
        wrong += mmuext_va(MMUEXT_INVLPG_LOCAL, va) != 0 || mmuext_va(MMUEXT_INVLPG_ALL, va) != 0;
        wrong += mmuext_of(op, DOMID_SELF) != 0;
        if (n % 2 && va >> 47 != 0x1ffff) /* never an address of ours */
            wrong += HYPERVISOR_update_va_mapping(va, 0, UVMF_INVLPG | UVMF_ALL) == 0;
    }
    is(wrong, 0, "addresses of all kinds are flushed");
}

int main(int argc, char **argv)
{
    random_start(argc, argv);
    window = window_alloc(1);
    detectors_start();
    test_meanings();
    test_former_table();
    test_given_back();
    test_grant();
    test_addresses();
    detectors_end();
    show(0);
    is(walk_all(NULL, 0), 0, "no table is writable");
    window_free((void *)window, 1);
    return done();
}

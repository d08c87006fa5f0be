/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * XENMEM_decrease_reservation: the domain gives frames back. A frame that is still used somewhere,
 * mapped or as a page table, remains the domain's until that ends; but it can be given back only
 * once. A frame that is not the domain's ends the work: the answer is the number of whole extents
 * done before it.
 *
 * test: memory=32
 */
#include "reservation.h"

#include <pv/trap.h>

static long decrease(xen_pfn_t *list, unsigned long count, unsigned order)
{
    return reserve(XENMEM_decrease_reservation, list, count, order);
}

/* A page that is mapped in a window only, and its frame. */
static uint64_t *page_in_window(xen_pfn_t *mfn)
{
    unsigned long frame;

    if (balloon_take(1) != 1)
        return NULL;
    frame = *mfn = balloon.mfn[0];
    return map_frames(&frame, 1, PTE_KERNEL_RW, DOMID_SELF, NULL);
}

static void mapped(void)
{
    long before = pages_owned();
    xen_pfn_t mfn;
    uint64_t *window = page_in_window(&mfn), value;

    *window = 0x1234;
    is(decrease(&mfn, 1, 0), 1, "a mapped frame is given back");
    is(pages_owned(), before, "as long as it is mapped it counts");
    ok(try_read(window, &value) && value == 0x1234, "and can be read");
    ok(try_write(window, 5), "and written");
    is(decrease(&mfn, 1, 0), 0, "it is given back only once");
    unsigned long frame = mfn;
    uint64_t *second = map_frames(&frame, 1, PTE_KERNEL_RW, DOMID_SELF, NULL);
    ok(second != NULL, "it can be mapped again");
    window_free(window, 1);
    is(pages_owned(), before, "one mapping remains");
    window_free(second, 1);
    is(pages_owned(), before - 1, "with its last mapping it goes");
    ok(map_frames(&frame, 1, PTE_KERNEL_RW, DOMID_SELF, NULL) == NULL,
       "and cannot be mapped again");
    ok(balloon_in(), "another comes in its place");
}

/* Given back while it is a page table: it stays one until it is unhooked. */
static void page_table(void)
{
    long before = pages_owned();
    char *va = (char *)0x0000300000000000;
    uint64_t value;

    is_error(tables_make(va, 1), 0, "a page table is made");
    xen_pfn_t table = pte_mfn(*pte_of(va, 2));
    unsigned long pfn = mfn_to_pfn(table);
    is(decrease(&table, 1, 0), 1, "it is given back");
    unsigned long data = virt_to_mfn(page_alloc());
    is_error(pte_set(va, pte_make(data, PTE_KERNEL_RW)), 0, "it still maps");
    ok(try_read(va, &value), "what it maps can be read");
    is_error(pte_set(va, 0), 0, "it is emptied");
    struct mmu_update unhook = {.ptr = pte_maddr(va, 2), .val = 0};
    is_error(HYPERVISOR_mmu_update(&unhook, 1, NULL, DOMID_SELF), 0, "it is unhooked");
    is(pages_owned(), before, "the direct map still has it");
    is_error(pte_set(pfn_to_virt(pfn), 0), 0, "it is unmapped");
    is(pages_owned(), before - 1, "it is gone");
    balloon.pfn[balloon.count++] = pfn;
    ok(balloon_in(), "another comes in its place");
    page_free(pfn_to_virt(mfn_to_pfn(data)));
}

/* Pinned, and mapped nowhere: the pin alone holds it. */
static void pinned(void)
{
    long before = pages_owned();

    is(balloon_take(1), 1, "a page is taken");
    xen_pfn_t mfn = balloon.mfn[0];
    struct mmuext_op op = {.cmd = MMUEXT_PIN_L1_TABLE, .arg1.mfn = mfn};
    is_error(HYPERVISOR_mmuext_op(&op, 1, NULL, DOMID_SELF), 0, "it is pinned");
    is(decrease(&mfn, 1, 0), 1, "it is given back");
    is(pages_owned(), before, "it counts as long as it is pinned");
    op.cmd = MMUEXT_UNPIN_TABLE;
    is_error(HYPERVISOR_mmuext_op(&op, 1, NULL, DOMID_SELF), 0, "it is unpinned");
    is(pages_owned(), before - 1, "it is gone with its pin");
    is_error(HYPERVISOR_mmuext_op(&op, 1, NULL, DOMID_SELF), -XEN_EINVAL,
             "and cannot be unpinned again");
    ok(balloon_in(), "another comes in its place");
}

static void bad_frames(void)
{
    const struct {
        const char *name;
        xen_pfn_t mfn;
    } bad[] = {
        {"the highest number", ~0ul},
        {"the highest physical address", PTE_MFN >> PAGE_SHIFT},
        {"beyond the machine's memory", NO_FRAME},
        {"frame 0", 0},
        {"the hypervisor's own", 0x200},
        {"the local APIC's", 0xfee00},
        {"the machine-to-phys table's number", MACH2PHYS_VIRT_START >> PAGE_SHIFT},
        {"a wrapped number", (1ul << 52) + p2m[nr_pages - 1]},
        {"another wrapped number", (1ul << 63) + p2m[nr_pages - 1]},
    };
    long before = pages_owned();

    for (unsigned i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        xen_pfn_t list[1] = {bad[i].mfn};
        is(decrease(list, 1, 0), 0, "not the domain's: %s", bad[i].name);
        is(decrease(list, 1, 9), 0, "not the domain's, order 9: %s", bad[i].name);
    }
    is(pages_owned(), before, "nothing is given back");
}

/* Where the list stops being good. */
static void partly(void)
{
    long before = pages_owned();
    xen_pfn_t list[5];

    is(balloon_take(4), 4, "four pages are taken");
    memcpy(list, balloon.mfn, 4 * sizeof(list[0]));
    list[4] = list[3];
    list[2] = NO_FRAME;
    is(decrease(list, 5, 0), 2, "two are done before one that is not the domain's");
    is(pages_owned(), before - 2, "two are given back");
    struct xen_memory_reservation r = reservation(list, 5, 0);
    is(HYPERVISOR_memory_op(XENMEM_decrease_reservation | 3 << START_SHIFT, &r), 4,
       "begun behind it: one is done, but not twice");
    is(pages_owned(), before - 3, "three are given back");
    is(decrease(list, 2, 0), 0, "what is gone cannot be given back");
    list[2] = balloon.mfn[2];
    is(decrease(list + 2, 1, 0), 1, "the last is given back");
    ok(balloon_in(), "others come in their place");
    is(pages_owned(), before, "partly: as many as before");
}

static void orders(void)
{
    long before = pages_owned();
    xen_pfn_t block, middle;

    ok(balloon_out(16), "there is room");
    is(reserve(XENMEM_increase_reservation, &block, 1, 3), 1, "eight frames together");
    middle = block + 5;
    is(decrease(&middle, 1, 0), 1, "one of them is given back");
    is(decrease(&block, 1, 3), 0, "eight cannot be given back any more");
    is(pages_owned(), before - 16 + 2, "those before the one that is gone are, nevertheless");
    middle = block + 6;
    is(decrease(&middle, 1, 1), 1, "the two behind it: an extent need not be what was asked for");
    is(decrease(&middle, 1, 19), 0, "an order that there is not");
    is(decrease(&middle, 1, ~0u), 0, "the highest order");
    is(decrease(&middle, 0, 0), 0, "nothing is given back when nothing is named");
    is(decrease(&middle, ~0ul, 0), 0, "as many extents as can be");
    ok(balloon_in(), "orders: all come back");
    is(pages_owned(), before, "orders: as many as before");
}

static void addresses_of_list(void)
{
    long before = pages_owned();

    for (const struct address *a = addresses(sizeof(xen_pfn_t)); a->name; a++) {
        bool good = a->readable && strcmp(a->name, "read-only") && strstr(a->name, "half") == NULL;
        xen_pfn_t mfn = NO_FRAME;
        if (good && balloon_take(1) == 1)
            mfn = balloon.mfn[0];
        if (a->writable)
            memcpy(a->address, &mfn, sizeof(mfn));
        is(decrease(a->address, 1, 0), good, "list %s", a->name);
    }
    is(pages_owned(), before - (long)balloon.count, "as many are given back as it says");
    ok(balloon_in(), "list: all come back");
    unsigned wrong = 0;
    for (const struct address *a = addresses(sizeof(struct xen_memory_reservation)); a->name; a++) {
        long rc = HYPERVISOR_memory_op(XENMEM_decrease_reservation, a->address);
        if (rc == (a->readable ? 0 : -XEN_EFAULT))
            continue;
        diag("argument %s: %ld", a->name, rc);
        wrong++;
    }
    is(wrong, 0, "an argument that cannot be read is an error");
    is(pages_owned(), before, "as many as before");
}

int main(void)
{
    diag("%ld pages", pages_owned());
    mapped();
    page_table();
    pinned();
    bad_frames();
    partly();
    orders();
    addresses_of_list();
    return done();
}

/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The memory part of the board support library (pv/memory.h) keeps what it promises.
 *
 * A PV guest is given machine frames that lie anywhere. It numbers its pages itself: page n is
 * frame p2m[n], and lies at VIRT_BASE + n * 4096. The machine-to-phys table, which the hypervisor
 * keeps, says the reverse. Whatever is mapped is mapped with the hypervisor's help: page tables are
 * read-only for the guest, and it asks for each change. So malloc() ends in hypercalls: sbrk()
 * takes free pages, and has them mapped into the heap.
 *
 * In a domain of more than 1 GiB, its tables of level 2 are several.
 *
 * test: vcpus=1 memory=4
 * test: vcpus=1,4 memory=16
 * test: vcpus=1 memory=1040 machine=1152 limit=60
 */
#include "tap.h"

#include <pv/hypercall.h>
#include <pv/memory.h>
#include <pv/smp.h>
#include <pv/start.h>
#include <pv/trap.h>

#include <errno.h>
#include <unistd.h>

#define PAGES_SEEN 256

extern char image_end[];

/* ---- Numbers and the direct map ----------------------------------------------------------- */

static void numbers(void)
{
    unsigned long wrong = 0, unmapped = 0;

    for (unsigned long pfn = 0; pfn < nr_pages; pfn++) {
        /* The shared page is mapped in place of one of the image's. */
        bool in_image = pfn_to_virt(pfn) < (void *)image_end;
        const uint64_t *pte = pte_of(pfn_to_virt(pfn), 1);
        wrong += mfn_to_pfn(pfn_to_mfn(pfn)) != pfn;
        unmapped +=
            !in_image && (pte == NULL || !(*pte & PTE_P) || pte_mfn(*pte) != pfn_to_mfn(pfn));
    }
    is(nr_pages, start_info->nr_pages, "all pages are known");
    is(wrong, 0, "M2P and P2M agree on each page");
    is(unmapped, 0, "each page behind the image is in the direct map");
    ok(mfn_to_pfn(~0ul) == INVALID_P2M, "no page for the last frame number");
    ok(mfn_to_pfn(start_info->shared_info >> PAGE_SHIFT) == INVALID_P2M,
       "the shared page is none of the domain's pages");
    ok(virt_to_maddr((char *)pfn_to_virt(1) + 5) == (pfn_to_mfn(1) << PAGE_SHIFT) + 5,
       "a machine address keeps the offset");
    is(tables_root(), virt_to_mfn((void *)start_info->pt_base), "the top table is the builder's");
    is(pte_maddr((void *)VIRT_BASE, 4), virt_to_maddr((void *)start_info->pt_base),
       "and its first entry maps the image");
    ok(pte_of((void *)0x0000700000000000, 1) == NULL &&
           pte_maddr((void *)0x0000700000000000, 1) == 0,
       "no entry where no table is");
}

/* Touches the last page: in a large domain that is mapped by tables of the library's. */
static void last_page(void)
{
    volatile uint64_t *word = pfn_to_virt(nr_pages - 1);
    uint64_t before = *word;

    *word = before + 1;
    ok(*word == before + 1, "the last page can be written");
    *word = before;
}

/* ---- The allocator ------------------------------------------------------------------------ */

static bool is_zero(const void *memory, size_t size)
{
    const uint64_t *word = memory;

    for (size_t i = 0; i < size / sizeof(*word); i++)
        if (word[i] != 0)
            return false;
    return true;
}

static void allocator(void)
{
    static void *page[PAGES_SEEN];
    unsigned long before = pages_free_count(), zero = 0, apart = 0, count = 0;

    while (count < PAGES_SEEN && (page[count] = page_alloc()) != NULL) {
        zero += is_zero(page[count], PAGE_SIZE);
        memset(page[count], 0xa5, PAGE_SIZE);
        count++;
    }
    for (unsigned long i = 0; i < count; i++) {
        apart += ((unsigned char *)page[i])[i] == 0xa5;
        memset(page[i], (int)(i & 0x7f), PAGE_SIZE);
    }
    is(zero, count, "pages are zero");
    is(apart, count, "no page is given twice");
    is(pages_free_count(), before - count, "pages taken are counted");
    for (unsigned long i = 0; i < count; i++)
        page_free(page[i]);
    is(pages_free_count(), before, "pages freed are counted");
}

static void allocator_orders(void)
{
    unsigned long before = pages_free_count(), good = 0;
    void *block[6];

    for (unsigned order = 0; order < 6; order++) {
        block[order] = pages_alloc(order);
        good += block[order] && virt_to_pfn(block[order]) % (1ul << order) == 0 &&
                is_zero(block[order], PAGE_SIZE << order);
        memset(block[order], 0xff, PAGE_SIZE << order);
    }
    is(good, 6, "blocks are aligned, and zero");
    is(pages_free_count(), before - 63, "blocks are counted by pages");
    for (unsigned order = 0; order < 6; order++)
        pages_free(block[order], order);
    is(pages_free_count(), before, "blocks are given back");
    ok(pages_alloc(63) == NULL && pages_alloc(30) == NULL, "no block of an absurd size");
    is(pages_free_count(), before, "what is refused takes nothing");
}

/* ---- Tables ------------------------------------------------------------------------------- */

static void read_only_pages(void)
{
    uint64_t *page = page_alloc(), value;

    ok(try_write(page, 5), "a page is writable");
    is_error(page_read_only(page), 0, "it becomes read-only");
    ok(try_read(page, &value) && value == 5, "it is read");
    ok(!try_write(page, 6), "it is not written");
    is_error(page_writable(page), 0, "it becomes writable");
    ok(try_write(page, 7) && *page == 7, "it is written again");
    page_free(page);
    /* Writes to tables of level 1 would be emulated. */
    uint64_t *top = (uint64_t *)start_info->pt_base;
    ok(!try_write(top, *top), "a page table is not written");
    is_error(page_writable(top), -XEN_EBUSY, "nor can its page be made writable");
}

static void tables(void)
{
    char *va = (char *)0x0000300000000000 - PAGE_SIZE;
    void *page = page_alloc();
    uint64_t value;

    is_error(tables_make(va, 2), 0, "tables are made on both sides of a top-level border");
    ok(pte_of(va, 1) && *pte_of(va, 1) == 0 && pte_of(va + PAGE_SIZE, 1), "entries are empty");
    is_error(pte_set(va, pte_make(virt_to_mfn(page), PTE_KERNEL_RW)), 0, "an entry is set");
    memset(page, 0x11, PAGE_SIZE);
    ok(try_read(va, &value) && value == 0x1111111111111111, "the page is seen there");
    is_error(pte_set(va, 0), 0, "the entry is cleared");
    ok(!try_read(va, &value), "the page is seen there no more");
    is_error(pte_set_of(va, pte_make(virt_to_mfn(page), PTE_KERNEL_RW), DOMID_SELF), 0,
             "an entry is set with the owner named");
    is_error(pte_set(va, 0), 0, "and cleared");
    ok(pte_set((void *)0x0000700000000000, pte_make(virt_to_mfn(page), PTE_KERNEL_RW)) != 0,
       "no entry is set where no table is");
    page_free(page);
}

/* ---- Windows ------------------------------------------------------------------------------ */

static void windows(void)
{
    char *one = window_alloc(1), *three = window_alloc(3);
    uint64_t value;

    ok(one && three && one != three, "windows are apart");
    ok(!try_read(one, &value) && !try_read(three + 2 * PAGE_SIZE, &value), "windows are empty");
    window_free(one, 1);
    ok(window_alloc(1) == one, "a window that is freed is used again");
    window_free(one, 1);
    window_free(three, 3);
    ok(window_alloc(0) == NULL && window_alloc(1ul << 40) == NULL, "no window of an absurd size");
}

static void frames(void)
{
    unsigned long mfn[100], before = pages_free_count();
    void *page[100];
    uint64_t value;
    long error = 1;

    for (unsigned i = 0; i < 100; i++) {
        page[i] = page_alloc();
        mfn[i] = virt_to_mfn(page[i]);
        memset(page[i], (int)i, PAGE_SIZE);
    }
    unsigned char *window = map_frames(mfn, 100, PTE_KERNEL_RW, DOMID_SELF, &error);
    ok(window != NULL && error == 0, "frames are mapped");
    unsigned right = 0;
    for (unsigned i = 0; window && i < 100; i++)
        right += window[i * PAGE_SIZE + i] == i;
    is(right, 100, "each at its place");
    window_free(window, 100);
    ok(!try_read(window, &value) && !try_read(window + 99 * PAGE_SIZE, &value),
       "a window that is freed maps nothing");
    /* A frame that there cannot be, in the second batch. */
    mfn[90] = PTE_MFN >> PAGE_SHIFT;
    ok(map_frames(mfn, 100, PTE_KERNEL_RW, DOMID_SELF, &error) == NULL && error < 0,
       "one bad frame refuses all");
    ok(!try_read(window, &value), "and nothing stays mapped");
    ok(map_frames(mfn, 100, PTE_KERNEL_RW, DOMID_SELF, NULL) == NULL,
       "the error need not be asked");
    for (unsigned i = 0; i < 100; i++)
        page_free(page[i]);
    is(pages_free_count(), before, "all pages are free again");
}

/* ---- The heap ----------------------------------------------------------------------------- */

static void heap(void)
{
    unsigned long before = pages_free_count();
    char *end = sbrk(0);

    ok(end >= (char *)HEAP_START, "the heap is where it should be");
    ok(sbrk(10 * PAGE_SIZE) == end && sbrk(0) == end + 10 * PAGE_SIZE, "the heap grows");
    ok(is_zero((void *)(((unsigned long)end + PAGE_SIZE - 1) & PAGE_MASK), 9 * PAGE_SIZE),
       "what it grows by is zero");
    memset(end, 1, 10 * PAGE_SIZE);
    ok(sbrk(-(ptrdiff_t)(10 * PAGE_SIZE)) == end + 10 * PAGE_SIZE && sbrk(0) == end,
       "the heap shrinks");
    is(pages_free_count(), before - 0, "its pages are free again");
    errno = 0;
    ok(sbrk((ptrdiff_t)(nr_pages + 1) * (ptrdiff_t)PAGE_SIZE) == (void *)-1 && errno == ENOMEM,
       "it does not grow beyond the domain's memory");
    ok(sbrk(0) == end, "and stays as it is then");
    errno = 0;
    ok(sbrk(-(ptrdiff_t)HEAP_START) == (void *)-1 && errno == ENOMEM, "nor below its start");
}

static void malloc_all(void)
{
    char *list = NULL;
    unsigned long count = 0, freed = 0;
    size_t size = 64 * 1024;

    for (char *next; count < 256 && (next = malloc(size)) != NULL; list = next, count++) {
        memset(next, (int)count, size);
        memcpy(next, &list, sizeof(list));
    }
    ok(count > 4, "malloc gives many pieces");
    while (list != NULL) {
        char *next;
        memcpy(&next, list, sizeof(next));
        freed++;
        free(list);
        list = next;
    }
    is(freed, count, "each is as it was left");
    /* volatile: compilers know malloc(), and may assume that it succeeds. */
    char *volatile all = malloc(nr_pages * PAGE_SIZE);
    ok(all == NULL, "malloc does not give all of memory");
    free(all);
}

/* ---- User mode's tables ------------------------------------------------------------------- */

static void user_tables(void)
{
    unsigned long before = pages_free_count();
    char *page = pages_alloc(2);

    /* Pages at a border of the second and third level, so that there are two of each table. */
    unsigned long va = (1ul << 39) - 2 * PAGE_SIZE;
    unsigned long root = user_tables_make(va, page, 4, PTE_KERNEL_RW);
    ok(root != 0, "user tables are made");
    ok(mfn_to_pfn(root) != INVALID_P2M, "of the domain's pages");
    is_error(page_writable(pfn_to_virt(mfn_to_pfn(root))), -XEN_EBUSY,
             "the top table is protected");
    is(pages_free_count(), before - 4 - 7, "a top table and three in each half");
    user_tables_free(root);
    is(pages_free_count(), before - 4, "tables are given back");
    is(user_tables_make(va, pfn_to_virt(virt_to_pfn((void *)start_info->pt_base)), 1,
                        PTE_KERNEL_RW),
       0, "a page table is not made writable for user mode");
    is(pages_free_count(), before - 4, "and nothing is lost by trying");
    pages_free(page, 2);
}

/* ---- Many vCPUs --------------------------------------------------------------------------- */

static unsigned long bad;

static void work(void *data)
{
    (void)data;
    for (unsigned i = 0; i < 40; i++) {
        void *page = page_alloc(), *block = malloc(3000 + 100 * i);
        unsigned long mfn = page ? virt_to_mfn(page) : 0;
        uint64_t *window = page ? map_frames(&mfn, 1, PTE_KERNEL_RW, DOMID_SELF, NULL) : NULL;
        bool good = window && block;
        if (window) {
            window[this_vcpu()] = this_vcpu() + 1;
            good = good && ((uint64_t *)page)[this_vcpu()] == this_vcpu() + 1;
            window_free(window, 1);
        }
        free(block);
        page_free(page);
        if (!good)
            __atomic_add_fetch(&bad, 1, __ATOMIC_RELAXED);
    }
}

static void all_vcpus(void)
{
    /* The first time takes what stays: stacks, page tables. */
    vcpus_run(work, NULL);
    unsigned long before = pages_free_count();
    char *end = sbrk(0);
    vcpus_run(work, NULL);
    is(bad, 0, "all vCPUs allocate and map at once");
    /* The heap keeps what malloc took. */
    unsigned long kept = (unsigned long)((char *)sbrk(0) - end) / PAGE_SIZE + 1;
    ok(pages_free_count() + kept >= before, "and give back");
}

int main(void)
{
    diag("%lu pages, %lu of them free", nr_pages, pages_free_count());
    numbers();
    last_page();
    allocator();
    allocator_orders();
    read_only_pages();
    tables();
    windows();
    frames();
    heap();
    malloc_all();
    user_tables();
    all_vcpus();
    return done();
}

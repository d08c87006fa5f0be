/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The layout of a new PV domain: what must hold of any layout, over many kernels; the number of
 * page tables, counted by mapping page after page; and that what cannot be is refused with words.
 *
 * links: tests/unit/host.c hypervisor/core/pv_layout.c
 */
#include <unistd.h>

#include "core/abi.h"
#include "core/pv_layout.h"
#include "host.h"

#define LINUX_BASE  0xffffffff80000000ull
#define LINUX_P2M   0x8000000000ull
#define NO_P2M      (~0ull)
#define MIB_PAGES   256ull
#define KERNEL(...) ((struct pv_kernel){.virt_base = LINUX_BASE, .init_p2m = NO_P2M, __VA_ARGS__})

static const char *why;
static unsigned rings; /* pages for rings that the next layouts have */

static int make(struct pv_layout *l, struct pv_kernel k, uint64_t pages, uint64_t ramdisk)
{
    why = NULL;
    alarm(10); /* arithmetic that does not end is a failure too */
    int rc = pv_layout_make(l, &k, pages, ramdisk, rings, &why);
    alarm(0);
    return rc;
}

/* ---- What must hold -------------------------------------------------------------------------- */

static unsigned long checked, wrong;

static void must(bool good, const char *what, const struct pv_kernel *k, uint64_t pages,
                 uint64_t ramdisk)
{
    checked++;
    if (good)
        return;
    if (wrong++ < 8)
        diag("%s: kernel %#lx-%#lx at base %#lx, p2m %#lx, %lu pages, ramdisk %lu (%d)", what,
             k->virt_start, k->virt_end, k->virt_base, k->init_p2m, pages, ramdisk,
             k->mod_start_pfn);
}

/* Tables of levels 1 to 3 for [start, end), made as a mapper makes them. */
static uint64_t tables_by_mapping(uint64_t start, uint64_t pages)
{
    uint64_t last[4] = {0}, count = 0;
    for (uint64_t i = 0; i < pages; i++) {
        uint64_t va = start + i * PAGE_SIZE;
        for (unsigned level = 1; level <= 3; level++) {
            uint64_t table = va >> (12 + 9 * level);
            count += i == 0 || table != last[level];
            last[level] = table;
        }
    }
    return count;
}

/* Areas in order of their frames, none over another. */
static bool apart(const struct pv_layout *l)
{
    const struct pv_area *areas[] = {&l->kernel, &l->ramdisk,    &l->p2m,   &l->p2m_tables,
                                     &l->tables, &l->start_info, &l->stack, &l->rings};
    for (unsigned i = 0; i < ARRAY_SIZE(areas); i++) {
        if (areas[i]->pfn + areas[i]->frames > l->nr_pages)
            return false;
        for (unsigned k = 0; k < i; k++)
            if (areas[i]->frames && areas[k]->frames &&
                areas[i]->pfn < areas[k]->pfn + areas[k]->frames &&
                areas[k]->pfn < areas[i]->pfn + areas[i]->frames)
                return false;
    }
    return true;
}

static bool mapped_at(const struct pv_layout *l, const struct pv_area *a)
{
    return a->va == l->virt_start + a->pfn * PAGE_SIZE &&
           a->va + a->frames * PAGE_SIZE <= l->virt_end;
}

static void check_layout(const struct pv_layout *l, const struct pv_kernel *k, uint64_t pages,
                         uint64_t ramdisk)
{
#define MUST(what) must((what), #what, k, pages, ramdisk)
    uint64_t mapped = (l->virt_end - l->virt_start) / PAGE_SIZE;
    uint64_t stack_end = l->stack.va + PAGE_SIZE;
    MUST(apart(l));
    MUST(l->nr_pages == pages && l->virt_start == k->virt_base);
    MUST(l->virt_end % (4ull << 20) == 0 && l->virt_end - stack_end >= 512u << 10);
    MUST(l->virt_end - stack_end < (512u << 10) + (4u << 20));
    MUST(l->kernel.va <= k->virt_start && l->kernel.va + PAGE_SIZE > k->virt_start);
    MUST(l->kernel.va + l->kernel.frames * PAGE_SIZE >= k->virt_end);
    MUST(mapped_at(l, &l->kernel) && mapped_at(l, &l->start_info) && mapped_at(l, &l->tables) &&
         mapped_at(l, &l->stack));
    MUST(l->start_info.frames == 1 && l->stack.frames == 1 && l->rings.frames == rings);
    MUST(mapped_at(l, &l->rings) && l->rings.pfn == l->start_info.pfn + 1);
    MUST(l->ramdisk.frames == ramdisk);
    MUST(k->mod_start_pfn || ramdisk == 0 ? l->ramdisk.va == 0 : mapped_at(l, &l->ramdisk));
    MUST(l->p2m.frames == (pages * 8 + PAGE_SIZE - 1) / PAGE_SIZE);
    MUST(l->boot_frames >= mapped && l->boot_frames <= pages);
    MUST(!l->ramdisk.va == (l->ramdisk.frames == 0 || l->ramdisk.pfn >= l->boot_frames));
    uint64_t need = 1 + tables_by_mapping(l->virt_start, mapped);
    MUST(l->tables.frames >= need && l->tables.frames <= need + 1);
    if (k->init_p2m == NO_P2M) {
        MUST(mapped_at(l, &l->p2m) && l->p2m_tables.frames == 0);
    } else {
        MUST(l->p2m.va == k->init_p2m && l->p2m_tables.va == 0);
        MUST(l->p2m_tables.frames == tables_by_mapping(k->init_p2m, l->p2m.frames));
    }
#undef MUST
}

static void verdict(const char *what)
{
    ok(wrong == 0, "%s: %lu checks", what, checked);
    wrong = checked = 0;
}

/* ---- Layouts that can be ------------------------------------------------------------------------
 */

static void test_many(void)
{
    static const uint64_t bases[] = {
        LINUX_BASE, 0, 0x40000000, 0xffffffffc0000000ull, 0x7f0000000000ull, LINUX_BASE + 0x3000};
    static const uint64_t starts[] = {0, 1, 0xfff, 0x1000, 0x1000000, 0x1000001, 0x3ff000};
    static const uint64_t sizes[] = {1, 0xfff, 0x1000, 0x1001, 0x37f000, 0x380000, 0x1c00001};
    static const uint64_t ramdisks[] = {0, 1, 511, 512, 5000, 20000};
    static const uint64_t p2ms[] = {NO_P2M, LINUX_P2M, 0x8000200000ull - 0x1000, 0x100000000000ull};
    struct pv_layout l;
    unsigned made = 0;
    for (unsigned b = 0; b < ARRAY_SIZE(bases); b++)
        for (unsigned s = 0; s < ARRAY_SIZE(starts); s++)
            for (unsigned z = 0; z < ARRAY_SIZE(sizes); z++)
                for (unsigned r = 0; r < ARRAY_SIZE(ramdisks); r++)
                    for (unsigned p = 0; p < 2 * ARRAY_SIZE(p2ms); p++) {
                        struct pv_kernel k = KERNEL(.mod_start_pfn = p % 2);
                        k.init_p2m = p2ms[p / 2];
                        k.virt_base = bases[b];
                        k.virt_start = k.virt_base + starts[s];
                        k.virt_end = k.virt_start + sizes[z];
                        int rc = make(&l, k, 128 * MIB_PAGES, ramdisks[r]);
                        must(rc == 0 || why != NULL, "an error has words", &k, 0, 0);
                        if (rc == 0)
                            check_layout(&l, &k, 128 * MIB_PAGES, ramdisks[r]);
                        made += rc == 0;
                    }
    ok(made > 10000, "%u layouts", made);
    verdict("what must hold of a layout");
}

/* The P2M list of the largest domains; it is mapped from init_p2m, or pushes everything else up. */
static void test_large(void)
{
    struct pv_layout l;
    for (unsigned shift = 16; shift <= 26; shift += 2)
        for (unsigned apart_ = 0; apart_ < 2; apart_++) {
            struct pv_kernel k = KERNEL(.virt_start = LINUX_BASE + 0x1000000,
                                        .virt_end = LINUX_BASE + 0x3000000, .mod_start_pfn = true);
            k.init_p2m = apart_ ? LINUX_P2M : NO_P2M;
            uint64_t pages = (1ull << shift) + 1;
            int rc = make(&l, k, pages, 1000);
            must(rc == 0, "large domain", &k, pages, 1000);
            if (rc == 0)
                check_layout(&l, &k, pages, 1000);
        }
    verdict("large domains");
}

/* The smallest domain that a kernel and its ramdisk fit in, and one page less. */
static void test_small(void)
{
    static const uint64_t ramdisks[] = {0, 1, 3000};
    struct pv_layout l;
    for (unsigned r = 0; r < ARRAY_SIZE(ramdisks); r++)
        for (unsigned how = 0; how < 4; how++) {
            struct pv_kernel k =
                KERNEL(.virt_start = LINUX_BASE + 0x1000000, .virt_end = LINUX_BASE + 0x1600000);
            k.init_p2m = how & 1 ? LINUX_P2M : NO_P2M;
            k.mod_start_pfn = how & 2;
            uint64_t least = 0;
            while (least < 100000 && make(&l, k, least, ramdisks[r]) != 0) {
                must(why != NULL, "an error has words", &k, least, ramdisks[r]);
                least++;
            }
            check_layout(&l, &k, least, ramdisks[r]);
            /* The mapping ends 4 MiB aligned, and only what is outside it has to be there besides.
             */
            must(least == MAX(l.boot_frames, l.ramdisk.pfn + l.ramdisk.frames), "no page too many",
                 &k, least, ramdisks[r]);
        }
    verdict("domains just large enough");
    is(make(&l, KERNEL(.virt_start = LINUX_BASE, .virt_end = LINUX_BASE + 0x1000), 0, 0),
       -XEN_ENOMEM, "no memory at all");
    ok(why != NULL);
}

/* ---- Layouts that cannot be
 * ----------------------------------------------------------------------- */

static void refused(const char *what, struct pv_kernel k, uint64_t pages, uint64_t ramdisk)
{
    struct pv_layout l;
    int rc = make(&l, k, pages, ramdisk);
    ok((rc == -XEN_EINVAL || rc == -XEN_ENOMEM) && why != NULL, "%s: %d, %s", what, rc,
       why ? why : "(nothing)");
}

static void test_refused(void)
{
    const uint64_t pages = 128 * MIB_PAGES, top = ~0ull;
    struct pv_kernel good =
        KERNEL(.virt_start = LINUX_BASE + 0x1000000, .virt_end = LINUX_BASE + 0x1600000);
    struct pv_kernel k = good;
    struct pv_layout l;
    is(make(&l, good, pages, 0), 0, "the kernel from which these differ");

    refused("a huge ramdisk", good, pages, top);
    refused("a ramdisk that wraps", good, pages, top - 0x1600 + 1);
    refused("a ramdisk of all the memory", good, pages, pages);
    k.mod_start_pfn = true;
    refused("a huge ramdisk apart", k, pages, top);
    refused("a ramdisk of all the memory apart", k, pages, pages);
    refused("more pages than there can be", good, top, 0);
    refused("pages whose list wraps", good, 1ull << 61, 0);
    refused("a list that does not fit in the mapping", good, 1ull << 30, 0);

    k = good;
    k.virt_start = LINUX_BASE - 1;
    refused("a kernel below its base", k, pages, 0);
    k = good;
    k.virt_end = k.virt_start - 1;
    refused("a kernel that ends before it begins", k, pages, 0);
    k.virt_end = k.virt_start;
    refused("a kernel of no bytes", k, pages, 0);
    k = good;
    k.virt_end = top;
    refused("a kernel to the end of the address space", k, pages, 0);
    refused("the same with all memory", k, 1ull << 40, 0);
    k.virt_base = 0;
    k.virt_start = 0;
    refused("a kernel of the whole address space", k, pages, 0);
    refused("the same with all memory", k, 1ull << 52, 0);

    k = good;
    k.virt_base = LINUX_BASE + 1;
    refused("a base that is no page's", k, pages, 0);
    k = good;
    k.init_p2m = LINUX_P2M + 8;
    refused("a list at an address that is no page's", k, pages, 0);
    k.init_p2m = top & PAGE_MASK;
    refused("a list that wraps", k, pages, 0);
    k.init_p2m = HV_VIRT_START;
    refused("a list in the hypervisor's range", k, pages, 0);
    k.init_p2m = HV_VIRT_START - PAGE_SIZE;
    refused("one that is not canonical", k, pages, 0);
    k.init_p2m = (1ull << 47) - PAGE_SIZE;
    refused("one that reaches there", k, pages, 0);
    k.init_p2m = LINUX_BASE + 0x1000000;
    refused("one over the kernel", k, pages, 0);

    static const uint64_t bases[] = {
        HV_VIRT_START, HV_VIRT_START - (32ull << 20), HV_VIRT_END - 4096,
        1ull << 47,    (1ull << 47) - (8ull << 20),   1ull << 60};
    for (unsigned i = 0; i < ARRAY_SIZE(bases); i++) {
        k = good;
        k.virt_base = k.virt_start = bases[i];
        k.virt_end = k.virt_start + (16ull << 20);
        refused("a kernel in a place that is not the guest's", k, pages, 0);
    }
    k = good;
    k.virt_base = k.virt_start = top - (8ull << 20) + 1;
    k.virt_end = k.virt_start + (6ull << 20);
    refused("a kernel with no room behind it", k, pages, 0);
}

static void test_table_count(void)
{
    static const uint64_t starts[] = {
        0,          0x1000,          0x1ff000,   0x200000,
        0x3ffff000, 0x7ffffff000ull, LINUX_BASE, 0xffffffffc0000000ull - 0x1000};
    static const uint64_t counts[] = {1, 2, 511, 512, 513, 262143, 262144, 262145};
    for (unsigned s = 0; s < ARRAY_SIZE(starts); s++)
        for (unsigned c = 0; c < ARRAY_SIZE(counts); c++) {
            uint64_t end = starts[s] + counts[c] * PAGE_SIZE;
            is(pv_layout_tables(starts[s], end), tables_by_mapping(starts[s], counts[c]),
               "tables for %lu pages at %#lx", counts[c], starts[s]);
        }
}

int main(void)
{
    test_table_count();
    for (rings = 0; rings <= 2; rings += 2) {
        test_many();
        test_large();
        test_small();
    }
    rings = 0;
    test_refused();
    return done();
}

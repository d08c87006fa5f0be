/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Segment descriptors: set_gdt, update_descriptor, MMUEXT_SET_LDT.
 *
 * A kernel gives the frames of its GDT, up to 14 with 512 descriptors each (the rest of the table
 * is the hypervisor's, from FIRST_RESERVED_GDT_ENTRY on), and the address of an LDT of up to 8192
 * descriptors. The frames become pages of descriptors: not writable, each descriptor judged. Those
 * of code and data are allowed, for the privilege of the kernel and its programs, which is 3; gates
 * and system segments would lead into the hypervisor and are not. update_descriptor changes one.
 *
 * What a descriptor does is seen by LAR and LSL, which look one up without using it.
 *
 * test: vcpus=1,4
 */
#include "mmu.h"

#include <pv/smp.h>

#define GDT_PAGES        14u
#define PAGE_DESCRIPTORS 512u

/* Intel SDM 3A 3.4.5: limit 0xfffff pages, base 0; type in bits 40 to 43. */
#define DESC(type, extra) (0x008f00000000ffffull | (uint64_t)(type) << 40 | (extra))
#define DESC_S            (1ull << 44)
#define DESC_DPL(n)       ((uint64_t)(n) << 45)
#define DESC_P            (1ull << 47)
#define DESC_L            (1ull << 53)
#define DESC_B            (1ull << 54)
#define DATA_RW           3u
#define TSS               9u
#define CALL_GATE         12u
#define LIMIT_ALL         0xffffffffu

static uint64_t *gdt[GDT_PAGES];
static unsigned long frames[GDT_PAGES + 1];

static bool lsl(unsigned selector, uint32_t *limit)
{
    bool found;
    __asm__ volatile("lsl %[selector], %[limit]"
                     : "=@ccz"(found), [limit] "=r"(*limit)
                     : [selector] "r"(selector));
    return found;
}

static long set_gdt(unsigned entries)
{
    return HYPERVISOR_set_gdt(frames, entries);
}

static unsigned gdt_selector(unsigned index)
{
    return index << 3 | 3;
}

static unsigned ldt_selector(unsigned index)
{
    return index << 3 | 7;
}

static bool is_writable(uint64_t *page)
{
    if (page_writable(page) != 0)
        return false;
    page_read_only(page);
    return true;
}

static void test_sizes(void)
{
    uint32_t limit;
    for (unsigned count = 0; count <= GDT_PAGES; count++) {
        unsigned last = count * PAGE_DESCRIPTORS;
        is_error(set_gdt(last), 0, "a GDT of %u frames", count);
        if (count == 0)
            continue;
        is_error(HYPERVISOR_update_descriptor(maddr_of(&gdt[count - 1][511]),
                                              DESC(DATA_RW, DESC_S | DESC_P | DESC_DPL(3))),
                 0, "%u frames: its last descriptor is set", count);
        ok(lsl(gdt_selector(last - 1), &limit) && limit == LIMIT_ALL, "%u frames: and there",
           count);
        ok(!is_writable(gdt[count - 1]), "%u frames: the last is no plain page", count);
    }
    is_error(set_gdt(FIRST_RESERVED_GDT_ENTRY), 0, "up to the hypervisor's descriptors");
    is_error(set_gdt(FIRST_RESERVED_GDT_ENTRY + 1), -XEN_EINVAL, "one more is too many");
    is_error(set_gdt(8192), -XEN_EINVAL, "8192 are too many");
    is_error(set_gdt(~0u), -XEN_EINVAL, "4 milliards are too many");
    is_error(set_gdt(1), 0, "a GDT of 1 descriptor");
    ok(!is_writable(gdt[0]), "takes a frame");
    ok(is_writable(gdt[1]), "one");
    is_error(set_gdt(0), 0, "no GDT");
    ok(is_writable(gdt[0]), "takes none");
}

static void test_frames(void)
{
    is_error(HYPERVISOR_set_gdt(NULL, 0), 0, "no list for no GDT");
    is_error(HYPERVISOR_set_gdt(NULL, 1), -XEN_EFAULT, "no list for a GDT");
    is_error(HYPERVISOR_set_gdt((unsigned long *)HV_ADDRESS, 1), -XEN_EFAULT,
             "a list of the hypervisor's");
    unsigned long was = frames[1];
    const struct {
        const char *name;
        unsigned long mfn;
    } bad[] = {
        {"that there is not", NO_SUCH_MFN},
        {"~0", ~0ul},
        {"0", 0},
        {"of the hypervisor", 0x100},
        {"that is the shared page", start_info->shared_info >> PAGE_SHIFT},
        {"that is a page table", tables_root()},
    };
    is_error(set_gdt(512), 0, "a GDT");
    for (unsigned i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        frames[1] = bad[i].mfn;
        is_error(set_gdt(1024), -XEN_EINVAL, "a frame %s", bad[i].name);
        ok(!is_writable(gdt[0]), "a frame %s: the GDT before stays", bad[i].name);
    }
    uint64_t *writable = page_alloc();
    frames[1] = virt_to_mfn(writable);
    is_error(set_gdt(1024), -XEN_EINVAL, "a frame that is mapped writable");
    page_free(writable);
    frames[1] = frames[0];
    is_error(set_gdt(1024), 0, "one frame twice");
    frames[1] = was;
    is_error(set_gdt(0), 0, "none");
    ok(is_writable(gdt[0]), "then it is let go twice");
}

/* A page of descriptors is nothing else. */
static void test_exclusion(void)
{
    is_error(set_gdt(512), 0, "a GDT of one frame");
    for (unsigned level = 1; level <= LEVELS; level++)
        ok(pin_table(level, frames[0]) != 0, "is no table of level %u", level);
    ok(mmu_set(maddr_of(&gdt[0][9]), DESC(DATA_RW, DESC_S | DESC_P)) != 0,
       "is not written by mmu_update");
    ok(mmuext_mfn(MMUEXT_CLEAR_PAGE, frames[0]) != 0, "is not cleared as a page");
    ok(!try_write(&gdt[0][9], 0), "is not written by an instruction");
    is_error(set_gdt(0), 0, "no GDT");
    ok(pin_table(1, frames[0]) != 0, "full of descriptors it is no table");
    page_writable(gdt[0]);
    memset(gdt[0], 0, PAGE_SIZE);
    page_read_only(gdt[0]);
    is_error(pin_table(1, frames[0]), 0, "emptied it is");
    is_error(set_gdt(512), -XEN_EINVAL, "and then no page of descriptors");
    is_error(unpin_table(frames[0]), 0, "no table any more");
}

/* Each type, present or not, at each privilege, by update_descriptor and in a page at set_gdt. */
static void test_kinds(void)
{
    uint64_t at = maddr_of(&gdt[0][8]);
    is_error(set_gdt(512), 0, "a GDT to change");
    for (unsigned type = 0; type < 16; type++) {
        unsigned wrong = 0;
        for (unsigned dpl = 0; dpl < 4; dpl++) {
            uint64_t segment = DESC(type, DESC_S | DESC_P | DESC_DPL(dpl));
            wrong += HYPERVISOR_update_descriptor(at, segment) != 0;
            uint64_t stored = gdt[0][8];
            wrong += (stored & DESC_DPL(3)) != DESC_DPL(3); /* the kernel's privilege is 3 */
            wrong += HYPERVISOR_update_descriptor(at, segment & ~DESC_P) != 0;
            wrong += HYPERVISOR_update_descriptor(at, segment & ~DESC_P & ~DESC_S) != 0;
        }
        is(wrong, 0, "code or data of type %u, or none", type);
        for (unsigned dpl = 0; dpl < 4 && type != 0 && type != CALL_GATE; dpl++)
            wrong += HYPERVISOR_update_descriptor(at, DESC(type, DESC_P | DESC_DPL(dpl))) == 0;
        is(wrong, 0, "no system descriptor of type %u", type);
    }
    is_error(HYPERVISOR_update_descriptor(at, DESC(CALL_GATE, DESC_P)), -XEN_EINVAL,
             "no call gate");
    is_error(HYPERVISOR_update_descriptor(at, 0), 0, "no descriptor");
    is_error(set_gdt(0), 0, "no GDT to change");
    page_writable(gdt[0]);
    gdt[0][300] = DESC(TSS, DESC_P | DESC_DPL(3));
    page_read_only(gdt[0]);
    is_error(set_gdt(512), -XEN_EINVAL, "a page with a TSS");
    page_writable(gdt[0]);
    gdt[0][300] = DESC(DATA_RW, DESC_S | DESC_P | DESC_DPL(0));
    page_read_only(gdt[0]);
    is_error(set_gdt(512), 0, "a page with a segment of privilege 0");
    is(gdt[0][300] & DESC_DPL(3), DESC_DPL(3), "which is given privilege 3");
    is_error(set_gdt(0), 0, "none at last");
}

static void test_update_targets(void)
{
    uint64_t *plain = page_alloc(), data = DESC(DATA_RW, DESC_S | DESC_P | DESC_DPL(3));
    is_error(HYPERVISOR_update_descriptor(maddr_of(&plain[5]), data), 0, "a plain page");
    is(plain[5], data, "is written");
    is_error(HYPERVISOR_update_descriptor(maddr_of(&plain[5]) + 4, data), -XEN_EINVAL,
             "an address in the midst of one");
    is_error(HYPERVISOR_update_descriptor(maddr_of(&plain[5]), DESC(TSS, DESC_P)), -XEN_EINVAL,
             "a TSS is not even written to a plain page");
    is_error(HYPERVISOR_update_descriptor(tables_root() << PAGE_SHIFT, 0), -XEN_EINVAL,
             "a page table is not");
    is_error(HYPERVISOR_update_descriptor(NO_SUCH_MFN << PAGE_SHIFT, 0), -XEN_EINVAL,
             "nor a frame that there is not");
    is_error(HYPERVISOR_update_descriptor(~7ul, 0), -XEN_EINVAL, "nor the last address");
    is_error(HYPERVISOR_update_descriptor(0x100000, 0), -XEN_EINVAL, "nor the hypervisor's");
    page_free(plain);
}

/* Segments are loaded; a descriptor that goes is gone at the next load. */
static unsigned long load_es(void *selector)
{
    __asm__ volatile("mov %0, %%es" : : "r"((unsigned)(unsigned long)selector));
    return 0;
}

static bool can_load(unsigned selector)
{
    bool can = trap_catch(load_es, (void *)(unsigned long)selector).vector == -1;
    __asm__ volatile("mov %0, %%es" : : "r"(0));
    return can;
}

static void test_loads(void)
{
    uint64_t at = maddr_of(&gdt[0][20]);
    is_error(set_gdt(512), 0, "a GDT to load from");
    is_error(HYPERVISOR_update_descriptor(at, DESC(DATA_RW, DESC_S | DESC_P | DESC_DPL(3))), 0,
             "a data segment");
    ok(can_load(gdt_selector(20)), "is loaded");
    is_error(HYPERVISOR_update_descriptor(at, DESC(DATA_RW, DESC_S | DESC_DPL(3))), 0,
             "not present");
    ok(!can_load(gdt_selector(20)), "it is not loaded");
    is_error(HYPERVISOR_update_descriptor(at, 0), 0, "cleared");
    ok(!can_load(gdt_selector(20)), "neither");
    ok(can_load(FLAT_RING3_DS64), "the ABI's flat segment is there");
    is_error(set_gdt(0), 0, "no GDT to load from");
    is(trap_catch(load_es, (void *)(unsigned long)gdt_selector(20)).vector, TRAP_GP,
       "a selector of no GDT: a general-protection fault");
    ok(can_load(FLAT_RING3_DS64), "the ABI's flat segment is still there");
}

static long set_ldt(const void *va, unsigned entries)
{
    struct mmuext_op op = {
        .cmd = MMUEXT_SET_LDT, .arg1.linear_addr = (unsigned long)va, .arg2.nr_ents = entries};
    return mmuext_of(op, DOMID_SELF);
}

static void test_ldt(void)
{
    uint64_t *page = page_alloc();
    page[0] = page[1] = page[511] = DESC(DATA_RW, DESC_S | DESC_P | DESC_DPL(3));
    is_error(set_ldt(page, 512), 0, "an LDT in a page that is writable");
    ok(!can_load(ldt_selector(1)), "is not used");
    page_read_only(page);
    ok(can_load(ldt_selector(1)), "read-only it is");
    ok(can_load(ldt_selector(511)), "to its end");
    ok(!can_load(ldt_selector(512)), "and no further");
    ok(!is_writable(page), "its page is one of descriptors now");
    is_error(HYPERVISOR_update_descriptor(maddr_of(&page[1]), 0), 0, "a descriptor is cleared");
    ok(!can_load(ldt_selector(1)), "it is not loaded");
    ok(can_load(ldt_selector(0)), "the other one is");
    is_error(set_ldt(page, 1), 0, "an LDT of one descriptor");
    ok(can_load(ldt_selector(0)), "it is loaded");
    ok(!can_load(ldt_selector(511)), "the last is not there");
    is_error(set_ldt(NULL, 0), 0, "no LDT");
    ok(!can_load(ldt_selector(0)), "nothing is loaded");
    ok(is_writable(page), "its page is a plain page");
    page_writable(page);
    page[0] = DESC(TSS, DESC_P | DESC_DPL(3));
    page_read_only(page);
    is_error(set_ldt(page, 512), 0, "an LDT with a TSS");
    ok(!can_load(ldt_selector(511)), "is not used at all");
    is_error(set_ldt(NULL, 0), 0, "no LDT at last");
    page_writable(page);
    page_free(page);
}

/* One frame is the GDT of all vCPUs; each sets and removes its own. */
static void on_each(void *data)
{
    unsigned long *wrong = data;
    uint32_t limit;
    for (unsigned i = 0; i < 200; i++) {
        bool good = set_gdt(512) == 0 && lsl(gdt_selector(40), &limit) && limit == LIMIT_ALL &&
                    set_gdt(0) == 0 && !lsl(gdt_selector(40), &limit);
        if (!good)
            __atomic_fetch_add(wrong, 1, __ATOMIC_RELAXED);
    }
}

int main(void)
{
    unsigned long wrong = 0;
    for (unsigned i = 0; i < GDT_PAGES; i++) {
        gdt[i] = table_page();
        frames[i] = virt_to_mfn(gdt[i]);
    }
    test_sizes();
    test_frames();
    test_exclusion();
    test_kinds();
    test_update_targets();
    test_loads();
    test_ldt();
    page_writable(gdt[0]);
    gdt[0][40] = DESC(DATA_RW, DESC_S | DESC_P | DESC_DPL(3));
    page_read_only(gdt[0]);
    vcpus_run(on_each, &wrong);
    is(wrong, 0, "all vCPUs set one frame as their GDT");
    for (unsigned i = 0; i < GDT_PAGES; i++)
        ok(table_free(gdt[i]), "frame %u is a plain page at the end", i);
    return done();
}

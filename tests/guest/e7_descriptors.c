/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Class E7: segments, descriptor tables, MSRs and debug registers.
 *
 * What a selector means is decided when it is loaded, and the CPU keeps it; the tables may change
 * meanwhile, or go (Xen's advisories 298, 193, 293, 333, 444). Here user mode and the kernel run in
 * segments of the guest's own GDT and LDT, whose pages are taken away under them: returns, emulated
 * instructions and faults then meet descriptors that are not there. Which descriptors may be set at
 * all is gdt_ldt.c's subject; bases and debug registers have their own files.
 *
 *   test: vcpus=1
 */
#include <pv/memory.h>

#include "raw.h"
#include "tap.h"
#include "user.h"

extern const char user_int80[], user_load_ds[], user_cr0[];
__asm__(".pushsection .text.user, \"ax\"\n"
        ".balign 4096\n"
        ".globl user_code, user_code_end, user_int80, user_load_ds, user_cr0\n"
        "user_code:\n"
        "user_int80: int $0x80\n"
        "   int $0x80\n"
        "user_load_ds: mov %edx, %ds\n"
        "   int $0x80\n"
        "user_cr0: mov %cr0, %rax\n"
        "user_code_end:\n"
        ".popsection\n");

enum { AT_GP, AT_PF, AT_NP, AT_INT80, AT_SS };
enum frame { FRAME_RCX, FRAME_R11, FRAME_RIP, FRAME_CS };

/* Intel SDM 3A 3.4.5: flat segments of privilege 3. */
#define CODE64 0x00affb000000ffffull
#define CODE32 0x00cffb000000ffffull
#define DATA32 0x00cff3000000ffffull
#define ABSENT 0x00cf73000000ffffull

/* Entries of the tables here; in the LDT selectors have bit 2 set. */
enum { IN_NULL, IN_CODE64, IN_CODE32, IN_DATA, IN_ABSENT };
#define GDT_SELECTOR(n) ((unsigned)(n) << 3 | 3)
#define LDT_SELECTOR(n) ((unsigned)(n) << 3 | 7)

static struct user_space user;
static uint64_t *gdt, *ldt;

static long set_ldt(const void *base, unsigned entries)
{
    struct mmuext_op op = {.cmd = MMUEXT_SET_LDT};
    op.arg1.linear_addr = (unsigned long)base;
    op.arg2.nr_ents = entries;
    return HYPERVISOR_mmuext_op(&op, 1, NULL, DOMID_SELF);
}

static long set_gdt(unsigned entries)
{
    unsigned long frame = virt_to_mfn(gdt);
    return HYPERVISOR_set_gdt(&frame, entries);
}

static uint64_t *table_make(void)
{
    uint64_t *table = page_alloc();
    table[IN_CODE64] = CODE64;
    table[IN_CODE32] = CODE32;
    table[IN_DATA] = DATA32;
    table[IN_ABSENT] = ABSENT;
    page_read_only(table);
    return table;
}

static int go(const char *label, unsigned cs, unsigned ss)
{
    struct iret_context frame = {
        .rip = user_address(label), .cs = cs, .rflags = RFLAGS_IF | 2, .rsp = USER_STACK, .ss = ss};
    return raw_iret(&frame);
}

/* The LDT's pages are mapped when the CPU first looks for them: also in the middle of an IRET. */
static void test_ldt_on_demand(void)
{
    is_error(set_ldt(ldt, 512), 0, "an LDT of one page");
    is(go(user_int80, LDT_SELECTOR(IN_CODE64), USER_SS), AT_INT80,
       "a return to a segment of an LDT that nobody has used yet");
    is(raw_words[FRAME_CS] & 0xffff, LDT_SELECTOR(IN_CODE64), "goes there");
    is_error(set_ldt(ldt, 512), 0, "the same LDT, anew");
    is(go(user_int80, USER_CS64, LDT_SELECTOR(IN_DATA)), AT_INT80, "with a stack segment of it");
    is_error(set_ldt(ldt, 512), 0, "once more");
    raw_load[RAW_RDX] = LDT_SELECTOR(IN_DATA);
    is(go(user_load_ds, USER_CS64, USER_SS), AT_INT80, "user mode loads a data segment of it");
    is(go(user_int80, LDT_SELECTOR(IN_ABSENT), USER_SS), AT_GP, "a data segment is none to run in");
    is(raw_words[2], LDT_SELECTOR(IN_ABSENT) & ~3u, "the error code names the LDT's descriptor");
    int entry = go(user_int80, USER_CS64, LDT_SELECTOR(IN_ABSENT));
    ok(entry == AT_SS || entry == AT_NP, "a stack that is not present"); /* QEMU: #NP */
    is(go(user_int80, LDT_SELECTOR(511), USER_SS), AT_GP, "an empty descriptor");
    is(go(user_int80, LDT_SELECTOR(512), USER_SS), AT_GP, "a descriptor behind the last");
}

static void test_ldt_sizes(void)
{
    is_error(set_ldt(ldt, 1), 0, "an LDT of one entry");
    is(go(user_int80, LDT_SELECTOR(IN_CODE64), USER_SS), AT_GP, "has no second");
    is_error(set_ldt(ldt, 2), 0, "one of two");
    is(go(user_int80, LDT_SELECTOR(IN_CODE64), USER_SS), AT_INT80, "has it");
    is_error(set_ldt(ldt, 8192), 0, "an LDT of 8192 entries, of which one page is mapped so");
    is(go(user_int80, LDT_SELECTOR(IN_CODE32), USER_SS), AT_INT80, "works where it is mapped");
    int entry = go(user_int80, LDT_SELECTOR(8191), USER_SS);
    ok(entry == AT_PF || entry == AT_GP, "and faults where it is not");
    if (entry == AT_PF)
        is(*(&raw_words[FRAME_RIP] + 1), user_address(user_int80), "at the return");
    else
        is(raw_words[2], LDT_SELECTOR(8191) & ~3u, "at the return");
    is_error(set_ldt(ldt, 8193), -XEN_EINVAL, "8193 entries are too many");
    is_error(set_ldt(ldt, ~0u), -XEN_EINVAL, "~0 as well");
    is_error(set_ldt((char *)ldt + 8, 1), -XEN_EINVAL, "an LDT begins with a page");
    is_error(set_ldt((void *)HYPERVISOR_FIRST, 1), -XEN_EINVAL, "and not in the hypervisor");
    is_error(set_ldt((void *)NON_CANONICAL, 1), -XEN_EINVAL, "nor where nothing can be");
    is_error(set_ldt((void *)(NON_CANONICAL - 4096), 8192), -XEN_EINVAL, "nor end there");
    is_error(set_ldt(NULL, 0), 0, "no LDT");
    is(go(user_int80, LDT_SELECTOR(IN_CODE64), USER_SS), AT_GP, "has no entries");
}

/* User mode is in a segment of the LDT; the kernel takes the LDT away and returns there. */
static void test_ldt_gone(void)
{
    static const struct {
        const char *how;
        unsigned entries;
    } cases[] = {{"no LDT", 0}, {"a smaller one", 1}, {"the same one", 512}};
    for (unsigned i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        set_ldt(ldt, 512);
        go(user_int80, LDT_SELECTOR(IN_CODE64), LDT_SELECTOR(IN_DATA));
        set_ldt(cases[i].entries != 0 ? ldt : NULL, cases[i].entries);
        is(go(user_int80, LDT_SELECTOR(IN_CODE64), LDT_SELECTOR(IN_DATA)),
           cases[i].entries == 512 ? AT_INT80 : AT_GP, "a return when there is %s", cases[i].how);
    }
    set_ldt(NULL, 0);
}

/*
 * The kernel itself runs in a segment of its table while that goes; then it does what has to be
 * emulated, for which the hypervisor must know what kind of code it is.
 */
static unsigned new_cs;
static unsigned long emulated_cr0;

static void emulate_in_own_segment(void *remove)
{
    void (*function)(void) = (void (*)(void))(unsigned long)remove;
    __asm__ volatile("lea 1f(%%rip), %%rax\n"
                     "push %q[cs]\n"
                     "push %%rax\n"
                     "lretq\n"
                     "1: call *%[remove]\n"
                     "mov %%cr0, %%rax\n"
                     "mov %%rax, %[out]\n"
                     "wbinvd\n"
                     : [out] "=m"(emulated_cr0)
                     : [cs] "r"((unsigned long)new_cs), [remove] "r"(function)
                     : "rax", "rcx", "rdx", "rsi", "rdi", "r8", "r9", "r10", "r11", "memory", "cc");
}

static void keep_all(void)
{
}

static void drop_ldt(void)
{
    set_ldt(NULL, 0);
}

static void renew_ldt(void)
{
    set_ldt(ldt, 512);
}

static void drop_gdt(void)
{
    HYPERVISOR_set_gdt(NULL, 0);
}

static void test_emulation(void)
{
    static const struct {
        const char *name;
        unsigned cs;
        void (*remove)(void);
    } cases[] = {
        {"in a segment of the LDT", LDT_SELECTOR(IN_CODE64), keep_all},
        {"in a segment of an LDT that has gone", LDT_SELECTOR(IN_CODE64), drop_ldt},
        {"in a segment of an LDT that was set again", LDT_SELECTOR(IN_CODE64), renew_ldt},
        {"in a segment of the GDT", GDT_SELECTOR(IN_CODE64), keep_all},
        {"in a segment of a GDT that has gone", GDT_SELECTOR(IN_CODE64), drop_gdt},
    };
    for (unsigned i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        set_ldt(ldt, 512);
        set_gdt(512);
        new_cs = cases[i].cs;
        int entry = raw_call(emulate_in_own_segment, (void *)(unsigned long)cases[i].remove);
        ok(entry == -1 || entry == AT_GP, "an emulated instruction %s", cases[i].name);
        diag("%s: %s", cases[i].name, entry == -1 ? "carried out" : "#GP");
        /* Back to the flat segment, whatever the last was. */
        struct iret_context frame = {.rip = raw_entry(7),
                                     .cs = FLAT_KERNEL_CS & ~3u,
                                     .rflags = RFLAGS_IF | 2,
                                     .rsp = (unsigned long)__builtin_frame_address(0) - 4096,
                                     .ss = FLAT_KERNEL_SS};
        is(raw_iret(&frame), 7, "and back to the flat segment from being %s", cases[i].name);
    }
    drop_gdt();
    drop_ldt();
}

/* One page is GDT and LDT at once, and is changed in use. */
static void test_shared_page(void)
{
    is_error(set_gdt(512), 0, "a page is the GDT");
    is_error(set_ldt(gdt, 512), 0, "and the LDT, too");
    is(go(user_int80, LDT_SELECTOR(IN_CODE64), GDT_SELECTOR(IN_DATA)), AT_INT80,
       "segments of both are good");
    uint64_t at = virt_to_maddr(&gdt[IN_CODE64]);
    is_error(HYPERVISOR_update_descriptor(at, 0), 0, "a descriptor in use can be taken out");
    is(go(user_int80, LDT_SELECTOR(IN_CODE64), USER_SS), AT_GP, "of the LDT");
    is(go(user_int80, GDT_SELECTOR(IN_CODE64), USER_SS), AT_GP, "and the GDT");
    is_error(HYPERVISOR_update_descriptor(at, CODE64 & ~(3ull << 45)), 0,
             "a descriptor of privilege 0 can be put in");
    is(go(user_int80, GDT_SELECTOR(IN_CODE64), USER_SS), AT_INT80, "and has privilege 3");
    static const uint64_t system[] = {
        0x0000ec0000000000, /* call gate of privilege 3 */
        0x0000ee0000000000, /* interrupt gate */
        0x0000ef0000000000, /* trap gate */
        0x0000e90000000067, /* TSS */
        0x0000eb0000000067, /* TSS in use */
        0x0000e2000000ffff, /* LDT */
        0x0000e50000000000, /* task gate */
    };
    for (unsigned i = 0; i < sizeof(system) / sizeof(system[0]); i++) {
        long result = HYPERVISOR_update_descriptor(at, system[i]);
        is_error(result, -XEN_EINVAL, "system descriptor %#" PRIx64 " is refused", system[i]);
        if (result == 0)
            HYPERVISOR_update_descriptor(at, CODE64);
        is(go(user_int80, GDT_SELECTOR(IN_CODE64), USER_SS), AT_INT80,
           "and what was there stays: %#" PRIx64, system[i]);
    }
    ok(pte_set(gdt, pte_make(virt_to_mfn(gdt), PTE_KERNEL_RW)) != 0,
       "the page cannot be made writable as long as it is a table");
    drop_gdt();
    drop_ldt();
    is_error(page_writable(gdt), 0, "and can when it is none");
    gdt[IN_CODE64] = 0x0000ec0000000000;
    page_read_only(gdt);
    is_error(set_gdt(512), -XEN_EINVAL, "with a gate it cannot be a GDT again");
    set_ldt(gdt, 512);
    ok(go(user_int80, LDT_SELECTOR(IN_DATA), USER_SS) != AT_INT80, "nor be used as an LDT");
    drop_ldt();
}

/* A selector of a GDT page that the guest has not given is one that is not there. */
static void test_empty_gdt(void)
{
    for (unsigned selector = 8; selector < FIRST_RESERVED_GDT_BYTE; selector += 0xff8) {
        raw_load[RAW_RDX] = selector | 3;
        is(go(user_load_ds, USER_CS64, USER_SS), AT_GP, "selector %#x of no GDT", selector);
        is(raw_words[2], selector, "the error code names it: %#x", selector);
    }
    uint32_t limit;
    bool found;
    __asm__ volatile("lsl %2, %0" : "=r"(limit), "=@ccz"(found) : "r"(0x4003u));
    ok(!found, "LSL finds nothing there");
}

int main(void)
{
    if (!ok(user_space_make(&user), "there is a user address space"))
        return done();
    gdt = table_make();
    ldt = table_make();
    raw_gate(0x80, 3, raw_entry(AT_INT80));
    raw_gate(TRAP_GP, 0, raw_entry(AT_GP));
    raw_gate(TRAP_PF, 0, raw_entry(AT_PF));
    raw_gate(TRAP_NP, 0, raw_entry(AT_NP));
    raw_gate(TRAP_SS, 0, raw_entry(AT_SS));
    test_empty_gdt();
    test_ldt_on_demand();
    test_ldt_sizes();
    test_ldt_gone();
    test_emulation();
    test_shared_page();
    return done();
}

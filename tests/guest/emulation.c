/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Privileged instructions that a PV kernel may execute all the same.
 *
 * The kernel runs in ring 3, where these raise #GP. The hypervisor looks at the instruction and
 * carries out, for the guest's own state, what the ABI promises: control registers, some MSRs, HLT,
 * CLTS, INVLPG, WBINVD, ports. All else comes back to the guest as the #GP that it is. CPUID is not
 * privileged: a kernel says by a prefix (UD2 and "xen") that it wants the hypervisor's answer.
 *
 *   test: vcpus=1,4
 */
#include <pv/clock.h>
#include <pv/event.h>
#include <pv/hypercall.h>
#include <pv/memory.h>
#include <pv/smp.h>
#include <pv/trap.h>

#include "machine.h"
#include "tap.h"

#define CR0_PE   1ul
#define CR0_TS   8ul
#define CR0_WP   0x10000ul
#define CR0_PG   0x80000000ul
#define CR4_TSD  4ul
#define CR4_PAE  0x20ul
#define CR4_VMXE 0x2000ul
#define CR4_PGE  0x80ul

#define MSR_TSC      0x10u
#define MSR_APIC     0x1bu
#define MSR_PAT      0x277u
#define MSR_EFER     0xc0000080u
#define MSR_STAR     0xc0000081u
#define MSR_LSTAR    0xc0000082u
#define MSR_TSC_AUX  0xc0000103u
#define MSR_SYSENTER 0x174u

#define EFER_SCE 1ul
#define EFER_LMA 0x400ul
#define EFER_NX  0x800ul

/* ---- Instructions as functions for trap_catch(): the argument goes in, the result comes out -----
 */

#define READER(name, insn)                                                                         \
    static unsigned long name(void *argument)                                                      \
    {                                                                                              \
        unsigned long value = (unsigned long)argument;                                             \
        __asm__ volatile(insn : "+r"(value) : : "memory", "cc");                                   \
        return value;                                                                              \
    }
READER(read_cr0, "mov %%cr0, %0")
READER(read_cr2, "mov %%cr2, %0")
READER(read_cr3, "mov %%cr3, %0")
READER(read_cr4, "mov %%cr4, %0")
READER(read_cr8, "mov %%cr8, %0")
READER(write_cr0, "mov %0, %%cr0")
READER(write_cr2, "mov %0, %%cr2")
READER(write_cr3, "mov %0, %%cr3")
READER(write_cr4, "mov %0, %%cr4")
READER(write_cr8, "mov %0, %%cr8")
/* With TS set, C code must not run: it may use the FPU. */
READER(set_ts, "mov %0, %%cr0\n mov %%cr0, %0\n clts")
READER(clear_ts, "mov %0, %%cr0\n clts\n mov %%cr0, %0")
READER(load_lmsw, "lmsw %w0\n mov %%cr0, %0\n clts")
READER(do_hlt, "hlt")
READER(do_invlpg, "invlpg (%0)")
READER(do_wbinvd, "wbinvd")
READER(do_cli, "cli")
READER(do_sti, "sti")
READER(do_lgdt, "lgdt (%0)")
READER(do_lidt, "lidt (%0)")
READER(do_lldt, "lldt %w0")
READER(do_ltr, "ltr %w0")
READER(do_swapgs, "swapgs")
READER(do_sysret, "sysretq")
READER(do_invpcid_free_monitor, ".byte 0x0f, 0x01, 0xc8")
READER(do_vmrun, ".byte 0x0f, 0x01, 0xd8")
READER(do_clgi, ".byte 0x0f, 0x01, 0xdd")
READER(do_lock_nop_cr, ".byte 0xf0\n mov %%cr0, %0")
READER(do_forced_wrong, "ud2\n .ascii \"xen\"\n wbinvd")
READER(do_ud2, "ud2")

static unsigned long read_msr(void *argument)
{
    return rdmsr((uint32_t)(unsigned long)argument);
}

struct msr_write {
    uint32_t msr;
    uint64_t value;
};

static unsigned long write_msr(void *argument)
{
    const struct msr_write *w = argument;
    wrmsr(w->msr, w->value);
    return 0;
}

static unsigned long read_tsc(void *argument)
{
    (void)argument;
    return rdtsc();
}

static unsigned long read_pmc(void *argument)
{
    uint32_t low, high;
    __asm__ volatile("rdpmc" : "=a"(low), "=d"(high) : "c"((uint32_t)(unsigned long)argument));
    return low;
}

static struct trap_result run(unsigned long (*insn)(void *), unsigned long argument)
{
    return trap_catch(insn, (void *)argument);
}

static int try_wrmsr(uint32_t msr, uint64_t value)
{
    struct msr_write w = {msr, value};
    return trap_catch(write_msr, &w).vector;
}

/* ---- Control registers ------------------------------------------------------------------------
 */

static void test_cr0(void)
{
    struct trap_result r = run(read_cr0, 0);
    is(r.vector, -1, "CR0 can be read");
    ok((r.value & (CR0_PE | CR0_PG | CR0_WP)) == (CR0_PE | CR0_PG | CR0_WP),
       "and shows paging and write protection");
    is(run(write_cr0, r.value).vector, -1, "CR0 can be written as it is");
    is(run(set_ts, r.value | CR0_TS).value, r.value | CR0_TS, "TS can be set");
    is(run(clear_ts, r.value | CR0_TS).value, r.value & ~CR0_TS, "CLTS clears it");
    is(run(write_cr0, r.value & ~CR0_WP).vector, TRAP_GP, "WP cannot be cleared");
    is(run(write_cr0, r.value & ~CR0_PG).vector, TRAP_GP, "nor PG");
    is(run(write_cr0, r.value | 1ul << 40).vector, TRAP_GP, "nor a high bit set");
    is(run(load_lmsw, (r.value & 0xf) | CR0_TS).value, r.value | CR0_TS, "LMSW sets TS");
}

static void test_cr2_cr3(void)
{
    is(run(write_cr2, 0x12345).vector, -1, "CR2 can be written");
    is(run(read_cr2, 0).value, 0x12345, "and read");
    struct trap_result r = run(read_cr3, 0);
    is(r.vector, -1, "CR3 can be read");
    is(r.value, tables_root() << PAGE_SHIFT, "and names the top table, as a machine frame");
    is(run(write_cr3, r.value).vector, -1, "it can be written as it is");
    is(run(read_cr3, 0).value, r.value, "and is still that");
    is(run(write_cr3, virt_to_maddr((void *)VIRT_BASE)).vector, TRAP_GP,
       "a frame that is no top table is refused");
    is(run(write_cr3, PTE_MFN).vector, TRAP_GP, "as is a frame that is not there");
    is(run(read_cr3, 0).value, r.value, "the refused have changed nothing");
}

static void test_cr4_cr8(void)
{
    struct trap_result r = run(read_cr4, 0);
    is(r.vector, -1, "CR4 can be read");
    ok(r.value & CR4_PAE, "and shows PAE");
    is(run(write_cr4, r.value).vector, -1, "it can be written as it is, CR4");
    is(run(write_cr4, r.value | CR4_TSD).vector, -1, "TSD can be set");
    is(run(read_cr4, 0).value, r.value | CR4_TSD, "and is seen");
    is(run(read_tsc, 0).vector, -1, "RDTSC works for the kernel in spite of TSD");
    is(run(write_cr4, r.value).vector, -1, "TSD can be cleared");
    is(run(write_cr4, r.value | CR4_VMXE | 1ul << 40).vector, -1, "odd bits are taken");
    is(run(read_cr4, 0).value & (CR4_VMXE | 1ul << 40), 0, "and forgotten");
    is(run(write_cr4, 0).vector, -1, "even zero is taken");
    ok(run(read_cr4, 0).value & CR4_PAE, "and PAE stays");
    run(write_cr4, r.value);
    is(run(read_cr8, 0).vector, TRAP_GP, "CR8 cannot be read: there is no APIC");
    is(run(write_cr8, 0).vector, TRAP_GP, "nor written");
}

/* ---- Other instructions -------------------------------------------------------------------------
 */

static void test_carried_out(void)
{
    static uint64_t word;
    is(run(do_invlpg, (unsigned long)&word).vector, -1, "INVLPG is carried out");
    is(run(do_invlpg, 0).vector, -1, "of an address where nothing is");
    is(run(do_invlpg, HYPERVISOR_FIRST).vector, -1, "of the hypervisor: nothing happens");
    is(run(do_invlpg, NON_CANONICAL).vector, -1, "of none that there can be: nothing happens");
    is(run(do_wbinvd, 0).vector, -1, "WBINVD is carried out");
    uint64_t before = rdtsc();
    ok(rdtsc() > before, "RDTSC runs forward");
    is(run(do_ud2, 0).vector, TRAP_UD, "UD2 without the signature is #UD");
    is(run(do_forced_wrong, 0).vector, TRAP_UD, "as is the signature before another instruction");
}

static void test_refused(void)
{
    static const struct {
        const char *name;
        unsigned long (*insn)(void *argument);
        int other; /* a vector that some CPUs raise instead of #GP */
    } cases[] = {
        {"CLI", do_cli, TRAP_GP},
        {"STI", do_sti, TRAP_GP},
        {"LGDT", do_lgdt, TRAP_GP},
        {"LIDT", do_lidt, TRAP_GP},
        {"LLDT", do_lldt, TRAP_GP},
        {"LTR", do_ltr, TRAP_GP},
        {"SWAPGS", do_swapgs, TRAP_GP},
        {"SYSRET", do_sysret, TRAP_GP},
        {"MONITOR", do_invpcid_free_monitor, TRAP_UD},
        {"VMRUN", do_vmrun, TRAP_UD},
        {"CLGI", do_clgi, TRAP_UD},
        {"LOCK MOV CR0", do_lock_nop_cr, TRAP_UD},
        {"RDPMC", read_pmc, TRAP_GP},
    };
    for (unsigned i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct trap_result r = run(cases[i].insn, (unsigned long)&cases);
        ok(r.vector == TRAP_GP || r.vector == cases[i].other, "%s is refused", cases[i].name);
        is(r.error, 0, "the error code of %s is 0", cases[i].name);
    }
}

static void wake(void *data)
{
    *(volatile bool *)data = true;
}

static void test_halt(void)
{
    static volatile bool woken;
    bool enabled = events_disable();
    timer_set(monotonic_ns() + 2000000, wake, (void *)&woken);
    struct trap_result r = run(do_hlt, 0); /* lets events in, as SCHEDOP_block does */
    is(r.vector, -1, "HLT is carried out");
    ok(woken, "it sleeps until an event, which it lets in");
    events_restore(enabled);
}

/* ---- MSRs
 * ----------------------------------------------------------------------------------------- */

static void test_msr_read(void)
{
    static const struct {
        const char *name;
        uint32_t msr;
    } readable[] = {{"TSC", MSR_TSC},         {"APIC_BASE", MSR_APIC},
                    {"PAT", MSR_PAT},         {"EFER", MSR_EFER},
                    {"FS_BASE", MSR_FS_BASE}, {"SHADOW_GS_BASE", MSR_SHADOW_GS_BASE}};
    for (unsigned i = 0; i < sizeof(readable) / sizeof(readable[0]); i++)
        is(run(read_msr, readable[i].msr).vector, -1, "MSR %s can be read", readable[i].name);
    uint64_t efer = run(read_msr, MSR_EFER).value;
    ok((efer & (EFER_SCE | EFER_LMA | EFER_NX)) == (EFER_SCE | EFER_LMA | EFER_NX),
       "EFER tells of long mode, SYSCALL and NX");
    static const uint32_t missing[] = {0x48,       0x4e0,      0x8ff,      0xc0000105, 0xc0010114,
                                       0x12345678, 0x40000200, 0xffffffff, 0x4b564d00, 0x480};
    for (unsigned i = 0; i < sizeof(missing) / sizeof(missing[0]); i++)
        is(run(read_msr, missing[i]).vector, TRAP_GP, "RDMSR of %#x raises #GP",
           (unsigned)missing[i]);
}

static void test_msr_write(void)
{
    uint64_t efer = run(read_msr, MSR_EFER).value, pat = run(read_msr, MSR_PAT).value;
    is(try_wrmsr(MSR_EFER, efer), -1, "EFER can be written as it is");
    is(try_wrmsr(MSR_EFER, efer & ~EFER_NX), TRAP_GP, "but NX not be cleared");
    is(try_wrmsr(MSR_PAT, pat), -1, "PAT can be written as it is");
    is(try_wrmsr(MSR_PAT, 0), TRAP_GP, "but not changed");
    is(try_wrmsr(MSR_FS_BASE, NON_CANONICAL), TRAP_GP, "FS's base must be canonical");
    is(try_wrmsr(MSR_GS_BASE, NON_CANONICAL), TRAP_GP, "GS's, too");
    is(try_wrmsr(MSR_SHADOW_GS_BASE, NON_CANONICAL_2), TRAP_GP, "and user mode's GS's");
    static const uint32_t missing[] = {0x48, 0x49 + 0x4000, 0x8ff, 0xc0000105, 0x12345678, 0x79f};
    for (unsigned i = 0; i < sizeof(missing) / sizeof(missing[0]); i++)
        is(try_wrmsr(missing[i], 0), TRAP_GP, "WRMSR of %#x raises #GP", (unsigned)missing[i]);
    uint64_t lstar = 0x1234;
    struct trap_result r = run(read_msr, MSR_LSTAR);
    ok(r.vector == TRAP_GP || r.value == 0, "LSTAR does not tell the hypervisor's entry");
    ok(try_wrmsr(MSR_LSTAR, lstar) != TRAP_PF, "nor can it be set");
    HYPERVISOR_xen_version(XENVER_version, NULL); /* SYSCALL still goes to the hypervisor */
    ok(true, "as the next hypercall shows");
    try_wrmsr(MSR_SYSENTER, 0x1234);
    r = run(read_msr, MSR_SYSENTER);
    ok(r.vector == TRAP_GP || r.value == 0, "SYSENTER_CS is not the guest's to set");
    try_wrmsr(MSR_STAR, 0x1234ul << 32);
    HYPERVISOR_xen_version(XENVER_version, NULL);
}

/* ---- CPUID
 * ------------------------------------------------------------------------------------------ */

static void test_cpuid(void)
{
    struct cpuid r = cpuid_forced(0x40000000, 0);
    bool found = memcmp(&r.b, "XenVMMXenVMM", 12) == 0;
    ok(found, "the hypervisor signs in leaf 0x40000000");
    ok(r.a >= 0x40000002 && r.a < 0x40000100, "and says how many leaves it has");
    r = cpuid_forced(0x40000001, 0);
    is(r.a, 4u << 16 | 17, "leaf 0x40000001 is the version");
    r = cpuid_forced(0x40000002, 0);
    is(r.a, 1, "there is one hypercall page");
    is(r.b, 0x40000000, "filled by writing this MSR");
    r = cpuid_forced(1, 0);
    ok(r.c >> 31, "leaf 1 says that there is a hypervisor");
    is(r.c >> 5 & 1, 0, "VMX is hidden");
    is(r.d >> 13 & 1, 0, "global pages are hidden");
    is(r.d >> 3 & 1, 0, "and 4-MiB pages");
    is(r.d >> 12 & 1, 0, "and MTRRs");
    is(r.d >> 9 & 1, 1, "the APIC is shown");
    r = cpuid_forced(0x80000001, 0);
    is(r.c >> 2 & 1, 0, "SVM is hidden");
    is(r.d >> 29 & 1, 1, "long mode is shown");
    is(r.d >> 26 & 1, 0, "1-GiB pages are hidden");
    r = cpuid_forced(7, 0);
    is(r.b >> 7 & 1, 0, "SMEP is hidden");
    is(r.b >> 20 & 1, 0, "SMAP is hidden");
    is(r.b >> 10 & 1, 0, "INVPCID is hidden");
    is(r.c >> 3 & 1, 0, "protection keys are hidden");
    static const uint32_t empty[] = {0x3fffffff, 0x50000000, 0x7fffffff, 0x8fffffff,
                                     0xffffffff, 0xa,        0x14,       0x80000009 + 0x100};
    for (unsigned i = 0; i < sizeof(empty) / sizeof(empty[0]); i++) {
        r = cpuid_forced(empty[i], 0);
        is(r.a | r.b | r.c | r.d, 0, "leaf %#x is empty", (unsigned)empty[i]);
    }
}

/* The hypercall page can be had by MSR, too (Xen's leaf 0x40000002). */
static void test_hypercall_page(void)
{
    uint8_t *page = page_alloc();
    uint64_t maddr = virt_to_maddr(page);
    is(try_wrmsr(0x40000000, maddr), -1, "a page can be named for hypercalls");
    ok(page[0] != 0, "and is filled");
    long version;
    __asm__ volatile("call *%%rax"
                     : "=a"(version)
                     : "0"(page + __HYPERVISOR_xen_version * 32), "D"(XENVER_version), "S"(0)
                     : "rcx", "r11", "memory");
    is(version, 4 << 16 | 17, "a hypercall by it works");
    is(try_wrmsr(0x40000000, maddr | 1), TRAP_GP, "there is no second page");
    is(try_wrmsr(0x40000000, 1ul << 50), TRAP_GP, "a frame that is not there is refused");
    is(try_wrmsr(0x40000000, tables_root() << PAGE_SHIFT), TRAP_GP, "as is a page table");
    page_free(page);
}

int main(void)
{
    test_cr0();
    test_cr2_cr3();
    test_cr4_cr8();
    test_carried_out();
    test_refused();
    test_halt();
    test_msr_read();
    test_msr_write();
    test_cpuid();
    test_hypercall_page();
    return done();
}

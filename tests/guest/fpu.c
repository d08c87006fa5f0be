/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The FPU: HYPERVISOR_fpu_taskswitch(), and that registers are kept.
 *
 * A kernel that switches FPU contexts lazily sets CR0.TS; the next FPU instruction then raises #NM.
 * A PV kernel sets TS by this hypercall (or by MOV CR0 and CLTS, which are emulated); the
 * hypervisor clears it when it delivers #NM, so that the handler need not. Registers of x87, SSE
 * and AVX are part of a vCPU: whatever runs between must not show in them. Which of them there are,
 * XCR0 says, which the kernel sets by XSETBV (Intel SDM 1, 13.3).
 *
 *   test: vcpus=1,4
 */
#include <pv/clock.h>
#include <pv/hypercall.h>
#include <pv/smp.h>
#include <pv/trap.h>

#include "machine.h"
#include "tap.h"

#define CR4_OSXSAVE (1ul << 18)
#define CR0_TS      8ul
#define CPUID_XSAVE (1u << 26) /* leaf 1, ECX */
#define CPUID_AVX   (1u << 28)
#define XCR0_FP     1u
#define XCR0_SSE    2u
#define XCR0_AVX    4u

static uint64_t read_cr0(void)
{
    uint64_t cr0;
    __asm__ volatile("mov %%cr0, %0" : "=r"(cr0));
    return cr0;
}

static void write_cr0(uint64_t cr0)
{
    __asm__ volatile("mov %0, %%cr0" : : "r"(cr0) : "memory");
}

/*
 * For trap_catch(), which saves FPU registers itself: so TS is set within. All return 0 when
 * nothing was raised, with TS clear.
 */
#define CAUGHT(name, prepare, insn)                                                                \
    static unsigned long name(void *argument)                                                      \
    {                                                                                              \
        (void)argument;                                                                            \
        prepare;                                                                                   \
        __asm__ volatile(insn : : : "memory");                                                     \
        return 0;                                                                                  \
    }
CAUGHT(x87, (void)0, "fnop")
CAUGHT(x87_off, HYPERVISOR_fpu_taskswitch(1), "fnop")
CAUGHT(sse_off, HYPERVISOR_fpu_taskswitch(1), "movaps %%xmm0, %%xmm0")
CAUGHT(off_on, HYPERVISOR_fpu_taskswitch(1); HYPERVISOR_fpu_taskswitch(0), "fnop")
CAUGHT(any_number, HYPERVISOR_fpu_taskswitch(-1), "fnop")
CAUGHT(yielded, HYPERVISOR_fpu_taskswitch(1); HYPERVISOR_sched_op(SCHEDOP_yield, NULL), "fnop")
CAUGHT(clts, HYPERVISOR_fpu_taskswitch(1); __asm__ volatile("clts"), "fnop")
CAUGHT(cr0_off, write_cr0(read_cr0() | CR0_TS), "movaps %%xmm0, %%xmm0")
CAUGHT(cr0_on, write_cr0(read_cr0() | CR0_TS); write_cr0(read_cr0() & ~CR0_TS), "fnop")

static unsigned long seen(void *argument)
{
    (void)argument;
    HYPERVISOR_fpu_taskswitch(1);
    uint64_t cr0 = read_cr0();
    HYPERVISOR_fpu_taskswitch(0);
    return cr0 & CR0_TS;
}

static void test_task_switch(void)
{
    is(trap_catch(x87_off, NULL).vector, TRAP_NM, "with TS set an x87 instruction raises #NM");
    is(trap_catch(x87, NULL).vector, -1, "once: TS was cleared with the trap");
    is(read_cr0() & CR0_TS, 0, "as CR0 shows");
    is(trap_catch(sse_off, NULL).vector, TRAP_NM, "an SSE instruction raises #NM, too");
    is(trap_catch(seen, NULL).value, CR0_TS, "TS that was set is seen in CR0");
    is(trap_catch(off_on, NULL).vector, -1, "TS that was cleared again raises nothing");
    is(trap_catch(any_number, NULL).vector, TRAP_NM, "any number but 0 sets it");
    is(trap_catch(yielded, NULL).vector, TRAP_NM, "it is kept while others run");
    is(trap_catch(clts, NULL).vector, -1, "CLTS clears it");
    is(trap_catch(cr0_off, NULL).vector, TRAP_NM, "MOV to CR0 sets it");
    is(trap_catch(cr0_on, NULL).vector, -1, "and clears it");
    is_error(HYPERVISOR_fpu_taskswitch(0), 0, "the hypercall always gives 0");
}

static unsigned long xsetbv(void *argument)
{
    const uint64_t *a = argument; /* index, value */
    __asm__ volatile("xsetbv"
                     :
                     : "c"((uint32_t)a[0]), "a"((uint32_t)a[1]), "d"((uint32_t)(a[1] >> 32)));
    return 0;
}

static int try_xsetbv(uint64_t index, uint64_t value)
{
    uint64_t a[2] = {index, value};
    return trap_catch(xsetbv, a).vector;
}

static uint64_t xgetbv(void)
{
    uint32_t low, high;
    __asm__ volatile("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
    return (uint64_t)high << 32 | low;
}

static void test_xcr0(void)
{
    if (!(cpuid_forced(1, 0).c & CPUID_XSAVE)) {
        skip(14, "this CPU has no XSAVE");
        return;
    }
    uint64_t mask = cpuid_forced(0xd, 0).a, cr4;
    __asm__ volatile("mov %%cr4, %0" : "=r"(cr4));
    __asm__ volatile("mov %0, %%cr4" : : "r"(cr4 | CR4_OSXSAVE));
    ok((mask & (XCR0_FP | XCR0_SSE)) == (XCR0_FP | XCR0_SSE), "x87 and SSE can be enabled");
    is(try_xsetbv(0, mask), -1, "XSETBV enables all that CPUID offers");
    is(xgetbv(), mask, "as XGETBV shows");
    is(try_xsetbv(0, 0), TRAP_GP, "XCR0 without x87 raises #GP");
    is(try_xsetbv(0, XCR0_SSE), TRAP_GP, "SSE without x87 as well");
    is(try_xsetbv(0, XCR0_FP | XCR0_AVX), TRAP_GP, "and AVX without SSE");
    is(try_xsetbv(0, mask | 1ul << 62), TRAP_GP, "what CPUID does not offer raises #GP");
    is(try_xsetbv(0, mask | 1ul << 9), TRAP_GP, "as do protection keys, which a guest has not");
    is(try_xsetbv(1, mask), TRAP_GP, "there is no XCR1");
    is(try_xsetbv(~0u, mask), TRAP_GP, "and no other");
    is(xgetbv(), mask, "what was refused has changed nothing");
    is(try_xsetbv(0, XCR0_FP), -1, "XCR0 can be made smaller");
    is(xgetbv(), XCR0_FP, "down to x87 alone");
    is(try_xsetbv(0, mask), -1, "and larger again");
}

/* ---- Registers are kept ---------------------------------------------------------------------- */

struct state {
    uint64_t xmm[16][2], ymm_high[16][2];
    uint32_t mxcsr;
    uint16_t control;
    uint8_t st[10];
};

#define EACH16(f)                                                                                  \
    f(0) f(1) f(2) f(3) f(4) f(5) f(6) f(7) f(8) f(9) f(10) f(11) f(12) f(13) f(14) f(15)

static bool has_avx;

static void load_state(const struct state *s)
{
#define LOAD(n) __asm__ volatile("movups %0, %%xmm" #n : : "m"(s->xmm[n]));
#define LOAD_HIGH(n)                                                                               \
    __asm__ volatile("vinsertf128 $1, %0, %%ymm" #n ", %%ymm" #n : : "m"(s->ymm_high[n]));
    EACH16(LOAD)
    if (has_avx) {
        EACH16(LOAD_HIGH)
    }
    __asm__ volatile("ldmxcsr %0" : : "m"(s->mxcsr));
    __asm__ volatile("fninit; fldcw %0" : : "m"(s->control));
    __asm__ volatile("fldt %0" : : "m"(s->st));
}

static void store_state(struct state *s)
{
#define STORE(n)      __asm__ volatile("movups %%xmm" #n ", %0" : "=m"(s->xmm[n]));
#define STORE_HIGH(n) __asm__ volatile("vextractf128 $1, %%ymm" #n ", %0" : "=m"(s->ymm_high[n]));
    EACH16(STORE)
    if (has_avx) {
        EACH16(STORE_HIGH)
    }
    __asm__ volatile("stmxcsr %0" : "=m"(s->mxcsr));
    __asm__ volatile("fnstcw %0" : "=m"(s->control));
    __asm__ volatile("fstpt %0" : "=m"(s->st));
}

static void pattern(struct state *s, unsigned id, unsigned round)
{
    uint64_t word = 0x0101010101010101ul * (id + 1) + ((uint64_t)round << 32);
    memset(s, 0, sizeof(*s));
    for (unsigned i = 0; i < 16; i++)
        for (unsigned j = 0; j < 2; j++) {
            s->xmm[i][j] = word + i * 2 + j;
            s->ymm_high[i][j] = has_avx ? ~word - i * 2 - j : 0;
        }
    s->mxcsr = 0x1f80 | (id & 3) << 13;
    s->control = (uint16_t)(0x37f ^ (round & 1) << 10);
    memcpy(s->st, &word, 8);
    s->st[9] = 0x3f;
    s->st[7] |= 0x80;
}

static unsigned wrong[MAX_VCPUS];

/* A hypercall that blocks lets another vCPU, or nobody, have the CPU; a plain loop is preempted. */
static void keep(void *argument)
{
    unsigned id = this_vcpu();
    (void)argument;
    for (unsigned round = 0; round < 300; round++) {
        struct state want, got;
        pattern(&want, id, round);
        memset(&got, 0, sizeof(got));
        struct sched_poll sleep = {.timeout = monotonic_ns() + 50000};
        load_state(&want);
        if (round % 3 == 0) {
            HYPERVISOR_sched_op(SCHEDOP_yield, NULL);
        } else if (round % 3 == 1) {
            for (volatile unsigned i = 0; i < 20000; i++)
                cpu_relax();
        } else {
            HYPERVISOR_sched_op(SCHEDOP_poll, &sleep);
        }
        store_state(&got);
        if (memcmp(&got, &want, sizeof(got)) != 0)
            wrong[id]++;
    }
    __asm__ volatile("fninit");
    uint32_t mxcsr = 0x1f80;
    __asm__ volatile("ldmxcsr %0" : : "m"(mxcsr));
}

static void test_kept(void)
{
    has_avx = (cpuid_forced(1, 0).c & (CPUID_XSAVE | CPUID_AVX)) == (CPUID_XSAVE | CPUID_AVX);
    diag("AVX is %s", has_avx ? "there" : "not there");
    vcpus_run(keep, NULL);
    for (unsigned i = 0; i < nr_vcpus(); i++)
        is(wrong[i], 0, "vCPU %u keeps its registers through yields, interrupts and sleep", i);
}

/* XCR0 of a vCPU is its own, too, and begins with x87 and SSE as a CPU's after the hypervisor. */
static uint64_t xcr0_elsewhere[MAX_VCPUS];

static void enable_avx(void *argument)
{
    uint64_t cr4;
    (void)argument;
    __asm__ volatile("mov %%cr4, %0" : "=r"(cr4));
    __asm__ volatile("mov %0, %%cr4" : : "r"(cr4 | CR4_OSXSAVE));
    if (has_avx)
        xcr0_elsewhere[this_vcpu()] =
            (uint64_t)try_xsetbv(0, XCR0_FP | XCR0_SSE | XCR0_AVX) == (uint64_t)-1 ? xgetbv() : 0;
}

int main(void)
{
    test_task_switch();
    test_xcr0();
    has_avx = (cpuid_forced(1, 0).c & (CPUID_XSAVE | CPUID_AVX)) == (CPUID_XSAVE | CPUID_AVX);
    vcpus_run(enable_avx, NULL);
    for (unsigned i = 0; i < nr_vcpus(); i++)
        is(xcr0_elsewhere[i], has_avx ? XCR0_FP | XCR0_SSE | XCR0_AVX : 0,
           "vCPU %u enables AVX for itself, where it is there", i);
    test_kept();
    return done();
}

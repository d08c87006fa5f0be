/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The CPUID policy of PV domains.
 *
 * Invariant: a bit reaches a guest only if this table names it. The bits are those that Xen 4.17
 * gives to 64-bit PV domains (class A in xen/arch-x86/cpufeatureset.h), but for speculation control
 * by SPEC_CTRL, which guests do not get.
 */
#include "x86/cpuid_policy.h"

#include <xen/arch-x86/cpufeatureset.h>
#include <xen/arch-x86/cpuid.h>

#define ALL     (~0u)
#define F(name) (1u << (XEN_X86_FEATURE_##name % 32))

#define FEATURES_1D                                                                                \
    (F(FPU) | F(DE) | F(TSC) | F(MSR) | F(PAE) | F(MCE) | F(CX8) | F(APIC) | F(SEP) | F(MCA) |     \
     F(CMOV) | F(PAT) | F(CLFLUSH) | F(ACPI) | F(MMX) | F(FXSR) | F(SSE) | F(SSE2) | F(SS) |       \
     F(HTT))

#define FEATURES_1C                                                                                \
    (F(SSE3) | F(PCLMULQDQ) | F(SSSE3) | F(FMA) | F(CX16) | F(SSE4_1) | F(SSE4_2) | F(MOVBE) |     \
     F(POPCNT) | F(AESNI) | F(XSAVE) | F(AVX) | F(F16C) | F(RDRAND))

/* Bits of 80000001h:EDX that repeat leaf 1 on AMD's CPUs (AMD APM 3, appendix E.4.2). */
#define COMMON_1D 0x0183f3ffu
#define FEATURES_E1D                                                                               \
    ((FEATURES_1D & COMMON_1D) | F(SYSCALL) | F(NX) | F(MMXEXT) | F(FFXSR) | F(RDTSCP) | F(LM) |   \
     F(3DNOWEXT) | F(3DNOW))

#define FEATURES_E1C                                                                               \
    (F(LAHF_LM) | F(CMP_LEGACY) | F(ABM) | F(SSE4A) | F(MISALIGNSSE) | F(3DNOWPREFETCH) | F(XOP) | \
     F(FMA4) | F(TBM) | F(DBEXT))

#define FEATURES_7B                                                                                \
    (F(FSGSBASE) | F(BMI1) | F(AVX2) | F(FDP_EXCP_ONLY) | F(BMI2) | F(ERMS) | F(RTM) |             \
     F(NO_FPU_SEL) | F(AVX512F) | F(AVX512DQ) | F(RDSEED) | F(ADX) | F(AVX512_IFMA) |              \
     F(CLFLUSHOPT) | F(CLWB) | F(AVX512PF) | F(AVX512ER) | F(AVX512CD) | F(SHA) | F(AVX512BW) |    \
     F(AVX512VL))

#define FEATURES_7C                                                                                \
    (F(PREFETCHWT1) | F(AVX512_VBMI) | F(AVX512_VBMI2) | F(GFNI) | F(VAES) | F(VPCLMULQDQ) |       \
     F(AVX512_VNNI) | F(AVX512_BITALG) | F(AVX512_VPOPCNTDQ) | F(RDPID) | F(CLDEMOTE))

#define FEATURES_7D                                                                                \
    (F(AVX512_4VNNIW) | F(AVX512_4FMAPS) | F(FSRM) | F(MD_CLEAR) | F(SERIALIZE) | F(ARCH_CAPS))

#define FEATURES_7_1A (F(AVX_VNNI) | F(AVX512_BF16) | F(FZRM) | F(FSRS) | F(FSRCS))
#define FEATURES_7_2D F(MCDT_NO)
#define FEATURES_E8B                                                                               \
    (F(CLZERO) | F(RSTR_FP_ERR_PTRS) | F(IBPB) | F(SSB_NO) | F(BTC_NO) | F(IBPB_RET))
#define FEATURES_E21A                                                                              \
    (F(LFENCE_DISPATCH) | F(VERW_CLEAR) | F(NSCB) | F(SBPB) | F(IBPB_BRTYPE) | F(SRSO_NO))

/* What needs AVX's state, or AVX-512's, and goes with it. */
#define AVX_1C   (F(AVX) | F(FMA) | F(F16C))
#define AVX_E1C  (F(XOP) | F(FMA4))
#define AVX_7B   F(AVX2)
#define AVX_7C   (F(VAES) | F(VPCLMULQDQ))
#define AVX_7_1A F(AVX_VNNI)
#define AVX512_7B                                                                                  \
    (F(AVX512F) | F(AVX512DQ) | F(AVX512_IFMA) | F(AVX512PF) | F(AVX512ER) | F(AVX512CD) |         \
     F(AVX512BW) | F(AVX512VL))
#define AVX512_7C                                                                                  \
    (F(AVX512_VBMI) | F(AVX512_VBMI2) | F(AVX512_VNNI) | F(AVX512_BITALG) | F(AVX512_VPOPCNTDQ))
#define AVX512_7D   (F(AVX512_4VNNIW) | F(AVX512_4FMAPS))
#define AVX512_7_1A F(AVX512_BF16)

#define XCR0_AVX_BIT     (1ul << 2)
#define XCR0_AVX512_BITS (7ul << 5)

#define MAX_BASIC_LEAF        0xdu
#define MAX_EXTENDED_LEAF     0x80000008u
#define MAX_EXTENDED_LEAF_AMD 0x80000021u
#define MAX_LEAF_7_SUBLEAF    2u
#define XSTATE_LEAF           0xdu
#define ANY_SUBLEAF           (~0u)

struct leaf_mask {
    uint32_t leaf, subleaf;
    struct cpuid_regs mask;
};

/* Every leaf that guests see, and which bits. Leaves that are not here read as zero. */
static const struct leaf_mask visible_leaves[] = {
    {0x0, ANY_SUBLEAF, {ALL, ALL, ALL, ALL}},                        /* highest leaf, vendor */
    {0x1, ANY_SUBLEAF, {ALL, 0x00ffffff, FEATURES_1C, FEATURES_1D}}, /* without the APIC's number */
    {0x2, ANY_SUBLEAF, {ALL, ALL, ALL, ALL}},                        /* cache descriptors */
    {0x4, ANY_SUBLEAF, {ALL, ALL, ALL, ALL}},                        /* caches */
    {0x7, 0, {ALL, FEATURES_7B, FEATURES_7C, FEATURES_7D}},
    {0x7, 1, {FEATURES_7_1A, 0, 0, 0}},
    {0x7, 2, {0, 0, 0, FEATURES_7_2D}},
    {XSTATE_LEAF, 0, {ALL, ALL, ALL, ALL}}, /* then limited to xcr0_mask */
    {XSTATE_LEAF, 1, {F(XSAVEOPT) | F(XSAVEC) | F(XGETBV1), ALL, 0, 0}},
    {XSTATE_LEAF, ANY_SUBLEAF, {ALL, ALL, ALL, 0}},
    {0x80000000, ANY_SUBLEAF, {ALL, ALL, ALL, ALL}},
    {0x80000001, ANY_SUBLEAF, {ALL, ALL, FEATURES_E1C, FEATURES_E1D}},
    {0x80000002, ANY_SUBLEAF, {ALL, ALL, ALL, ALL}}, /* brand string */
    {0x80000003, ANY_SUBLEAF, {ALL, ALL, ALL, ALL}},
    {0x80000004, ANY_SUBLEAF, {ALL, ALL, ALL, ALL}},
    {0x80000005, ANY_SUBLEAF, {ALL, ALL, ALL, ALL}}, /* caches and TLBs */
    {0x80000006, ANY_SUBLEAF, {ALL, ALL, ALL, ALL}},
    {0x80000007, ANY_SUBLEAF, {0, 0, 0, F(ITSC)}},
    {0x80000008, ANY_SUBLEAF, {ALL, FEATURES_E8B, ALL, 0}}, /* address widths, cores */
    {0x8000001a, ANY_SUBLEAF, {ALL, 0, 0, 0}},              /* performance hints */
    {0x80000021, ANY_SUBLEAF, {FEATURES_E21A, 0, 0, 0}},
};

static const struct leaf_mask *find_leaf(uint32_t leaf, uint32_t subleaf)
{
    for (size_t n = 0; n < ARRAY_SIZE(visible_leaves); n++) {
        const struct leaf_mask *m = &visible_leaves[n];
        if (m->leaf == leaf && (m->subleaf == subleaf || m->subleaf == ANY_SUBLEAF))
            return m;
    }
    return NULL;
}

static uint32_t max_extended_leaf(const struct cpuid_view *view)
{
    return view->amd ? MAX_EXTENDED_LEAF_AMD : MAX_EXTENDED_LEAF;
}

bool cpuid_policy_visible(const struct cpuid_view *view, uint32_t leaf, uint32_t subleaf)
{
    if (leaf >= 0x80000000 && leaf > max_extended_leaf(view))
        return false;
    if (leaf == XSTATE_LEAF) {
        if (view->xcr0_mask == 0 || subleaf >= 64)
            return false;
        if (subleaf >= 2 && !((view->xcr0_mask >> subleaf) & 1))
            return false;
    }
    return find_leaf(leaf, subleaf) != NULL;
}

/* Features that need state which guests cannot enable are not there. */
static void hide_stateless(const struct cpuid_view *view, uint32_t leaf, uint32_t subleaf,
                           struct cpuid_regs *r)
{
    bool avx = (view->xcr0_mask & XCR0_AVX_BIT) != 0;
    bool avx512 = avx && (view->xcr0_mask & XCR0_AVX512_BITS) == XCR0_AVX512_BITS;

    if (leaf == 1 && view->xcr0_mask == 0)
        r->c &= ~F(XSAVE);
    if (leaf == 1 && !avx)
        r->c &= ~AVX_1C;
    if (leaf == 0x80000001 && !avx)
        r->c &= ~AVX_E1C;
    if (leaf == 7 && subleaf == 0 && !avx) {
        r->b &= ~AVX_7B;
        r->c &= ~AVX_7C;
    }
    if (leaf == 7 && subleaf == 0 && !avx512) {
        r->b &= ~AVX512_7B;
        r->c &= ~AVX512_7C;
        r->d &= ~AVX512_7D;
    }
    if (leaf == 7 && subleaf == 1 && !avx)
        r->a &= ~AVX_7_1A;
    if (leaf == 7 && subleaf == 1 && !avx512)
        r->a &= ~AVX512_7_1A;
}

static void filter_xstate(const struct cpuid_view *view, uint32_t subleaf, struct cpuid_regs *r)
{
    if (subleaf != 0)
        return;
    r->a = (uint32_t)view->xcr0_mask;
    r->d = (uint32_t)(view->xcr0_mask >> 32);
    r->c = view->xsave_size;
}

void cpuid_policy_filter(const struct cpuid_view *view, uint32_t leaf, uint32_t subleaf,
                         struct cpuid_regs *r)
{
    const struct leaf_mask *m = find_leaf(leaf, subleaf);

    if (m == NULL) {
        *r = (struct cpuid_regs){0};
        return;
    }
    r->a &= m->mask.a;
    r->b &= m->mask.b;
    r->c &= m->mask.c;
    r->d &= m->mask.d;
    hide_stateless(view, leaf, subleaf, r);

    if (leaf == 0)
        r->a = MIN(r->a, MAX_BASIC_LEAF);
    else if (leaf == 0x80000000)
        r->a = MIN(r->a, max_extended_leaf(view));
    else if (leaf == 1)
        r->c |= F(HYPERVISOR) | (view->osxsave ? F(OSXSAVE) : 0);
    else if (leaf == 7 && subleaf == 0)
        r->a = MIN(r->a, MAX_LEAF_7_SUBLEAF);
    else if (leaf == XSTATE_LEAF)
        filter_xstate(view, subleaf, r);

    /* A domain that may be moved to another machine must not rely on these. */
    if (!view->privileged && leaf == 7 && subleaf == 0)
        r->d &= ~F(ARCH_CAPS);
    if (!view->privileged && leaf == 0x80000007)
        r->d &= ~F(ITSC);
}

/* ---- The hypervisor's leaves ---------------------------------------------------------------- */

/* ns = (ticks << shift) * mul >> 32, with mul as large as fits: vcpu_time_info's form. */
static void tsc_to_ns(unsigned khz, uint32_t *mul, uint32_t *shift)
{
    uint64_t ticks = khz, ns = 1000000;
    int s = 0;

    while (ns >= ticks && s < 31) {
        ticks <<= 1;
        s++;
    }
    while (ns < ticks / 2 && s > -31) {
        ns <<= 1;
        s--;
    }
    *mul = ticks != 0 ? (uint32_t)((ns << 32) / ticks) : 0;
    *shift = (uint32_t)s;
}

static struct cpuid_regs tsc_leaf(const struct cpuid_view *view, uint32_t subleaf)
{
    struct cpuid_regs r = {0};

    if (subleaf == 0) {
        r.a = (view->tsc_stable ? 2u : 0) | (view->rdtscp ? 4u : 0);
        r.c = view->tsc_khz;
    } else if (subleaf == 1) {
        tsc_to_ns(view->tsc_khz, &r.c, &r.d);
    } else if (subleaf == 2) {
        r.a = view->tsc_khz;
    }
    return r;
}

struct cpuid_regs cpuid_policy_xen(const struct cpuid_view *view, uint32_t leaf, uint32_t subleaf)
{
    switch (leaf - XEN_CPUID_FIRST_LEAF) {
    case 0:
        return (struct cpuid_regs){XEN_CPUID_LEAF(XEN_CPUID_MAX_NUM_LEAVES),
                                   XEN_CPUID_SIGNATURE_EBX, XEN_CPUID_SIGNATURE_ECX,
                                   XEN_CPUID_SIGNATURE_EDX};
    case 1:
        return (struct cpuid_regs){.a = (4u << 16) | 17u};
    case 2:
        return (struct cpuid_regs){
            .a = 1, .b = 0x40000000, .c = XEN_CPUID_FEAT1_MMU_PT_UPDATE_PRESERVE_AD};
    case 3:
        return tsc_leaf(view, subleaf);
    case 5:
        if (subleaf == 0)
            return (struct cpuid_regs){.b = view->address_bits &
                                            XEN_CPUID_MACHINE_ADDRESS_WIDTH_MASK};
        break;
    default:
        break;
    }
    return (struct cpuid_regs){0};
}

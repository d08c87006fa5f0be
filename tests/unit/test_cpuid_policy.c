/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What guests are told by CPUID: from a machine that has every bit there is, and from one that has
 * none.
 *
 * links: tests/unit/host.c hypervisor/x86/cpuid_policy.c
 * libs: -lm
 */
#include "x86/cpuid_policy.h"

#include <math.h>

#include "host.h"

#define BIT(n) (1u << (n))

static const struct cpuid_view dom0 = {.privileged = true,
                                       .amd = true,
                                       .tsc_stable = true,
                                       .rdtscp = true,
                                       .xcr0_mask = 0xe7,
                                       .xsave_size = 2688,
                                       .tsc_khz = 2000000,
                                       .address_bits = 33};

static struct cpuid_regs from_all_ones(const struct cpuid_view *view, uint32_t leaf, uint32_t sub)
{
    struct cpuid_regs r = {~0u, ~0u, ~0u, ~0u};
    cpuid_policy_filter(view, leaf, sub, &r);
    return r;
}

static bool is_zero(struct cpuid_regs r)
{
    return (r.a | r.b | r.c | r.d) == 0;
}

static void test_hidden(void)
{
    struct cpuid_regs r = from_all_ones(&dom0, 1, 0);
    is(r.c & (BIT(3) | BIT(5) | BIT(6) | BIT(17) | BIT(21) | BIT(24)), 0,
       "no MONITOR, VMX, SMX, PCID, x2APIC, TSC deadline");
    is(r.d & (BIT(1) | BIT(3) | BIT(12) | BIT(13) | BIT(17)), 0, "no VME, PSE, MTRR, PGE, PSE36");
    is(r.d & (BIT(0) | BIT(6) | BIT(9) | BIT(24) | BIT(25) | BIT(26)),
       BIT(0) | BIT(6) | BIT(9) | BIT(24) | BIT(25) | BIT(26), "FPU, PAE, APIC, FXSR, SSE, SSE2");
    is(r.b >> 24, 0, "no APIC identifier");
    is(r.c & BIT(27), 0, "OSXSAVE only when asked for");
    struct cpuid_view view = dom0;
    view.osxsave = true;
    is(from_all_ones(&view, 1, 0).c & BIT(27), BIT(27), "OSXSAVE then");

    r = from_all_ones(&dom0, 7, 0);
    is(r.a, 2, "leaf 7 ends at subleaf 2");
    is(r.b & (BIT(2) | BIT(7) | BIT(10) | BIT(14) | BIT(20) | BIT(25)), 0,
       "no SGX, SMEP, INVPCID, MPX, SMAP, PT");
    is(r.b & BIT(0), BIT(0), "FSGSBASE");
    is(r.c & (BIT(2) | BIT(3) | BIT(4) | BIT(7) | BIT(16)), 0, "no UMIP, PKU, OSPKE, CET, LA57");
    is(r.d & (BIT(26) | BIT(27) | BIT(28) | BIT(31) | BIT(20)), 0,
       "no IBRS, STIBP, L1D_FLUSH, SSBD, IBT");

    r = from_all_ones(&dom0, 0x80000001, 0);
    is(r.c & (BIT(2) | BIT(3) | BIT(10) | BIT(12) | BIT(22)), 0,
       "no SVM, EXTAPIC, IBS, SKINIT, TOPOEXT");
    is(r.d & (BIT(3) | BIT(12) | BIT(13) | BIT(17) | BIT(26)), 0,
       "no PSE, MTRR, PGE, PSE36, 1G pages");
    is(r.d & (BIT(11) | BIT(20) | BIT(27) | BIT(29)), BIT(11) | BIT(20) | BIT(27) | BIT(29),
       "SYSCALL, NX, RDTSCP, LM");
}

static void test_forced(void)
{
    struct cpuid_regs r = {0};
    cpuid_policy_filter(&dom0, 1, 0, &r);
    is(r.c, BIT(31), "of a machine without features, a guest sees the hypervisor");
    r = (struct cpuid_regs){0};
    cpuid_policy_filter(&dom0, 7, 0, &r);
    ok(is_zero(r), "and no feature is made up");
}

static void test_domains(void)
{
    struct cpuid_view domu = dom0;
    domu.privileged = false;
    is(from_all_ones(&dom0, 0x80000007, 0).d, BIT(8), "invariant TSC for the control domain");
    is(from_all_ones(&domu, 0x80000007, 0).d, 0, "not for others");
    is(from_all_ones(&dom0, 7, 0).d & BIT(29), BIT(29), "ARCH_CAPABILITIES for the control domain");
    is(from_all_ones(&domu, 7, 0).d & BIT(29), 0, "not for others");
}

static void test_state(void)
{
    struct cpuid_view view = dom0;

    struct cpuid_regs r = from_all_ones(&view, 0xd, 0);
    ok(r.a == 0xe7 && r.d == 0 && r.c == 2688, "leaf 0dh is limited to what guests may enable");
    is(from_all_ones(&view, 0xd, 1).a, 7, "XSAVEOPT, XSAVEC, XGETBV1, but not XSAVES");
    is(from_all_ones(&view, 0xd, 1).c, 0, "no supervisor state");
    ok(cpuid_policy_visible(&view, 0xd, 7), "AVX-512 state");
    ok(!cpuid_policy_visible(&view, 0xd, 9), "no PKRU state");
    ok(!cpuid_policy_visible(&view, 0xd, 3), "no MPX state");
    ok(!cpuid_policy_visible(&view, 0xd, 63));
    ok(!cpuid_policy_visible(&view, 0xd, 64));
    ok(!cpuid_policy_visible(&view, 0xd, ~0u));

    view.xcr0_mask = 7;
    r = from_all_ones(&view, 7, 0);
    is(r.b & (BIT(16) | BIT(17) | BIT(28) | BIT(30) | BIT(31)), 0, "no AVX-512 without its state");
    is(r.b & BIT(5), BIT(5), "AVX2 still");
    view.xcr0_mask = 3;
    is(from_all_ones(&view, 7, 0).b & BIT(5), 0, "no AVX2 without AVX state");
    is(from_all_ones(&view, 1, 0).c & (BIT(12) | BIT(28) | BIT(29)), 0, "no FMA, AVX, F16C either");
    is(from_all_ones(&view, 1, 0).c & BIT(26), BIT(26), "XSAVE still");
    view.xcr0_mask = 0;
    is(from_all_ones(&view, 1, 0).c & BIT(26), 0, "no XSAVE");
    ok(!cpuid_policy_visible(&view, 0xd, 0), "no leaf 0dh");
}

static void test_leaves(void)
{
    struct cpuid_view intel = dom0;
    intel.amd = false;
    is(from_all_ones(&dom0, 0, 0).a, 0xd, "highest basic leaf");
    is(from_all_ones(&dom0, 0x80000000, 0).a, 0x80000021, "highest extended leaf of AMD");
    is(from_all_ones(&intel, 0x80000000, 0).a, 0x80000008, "and of Intel");
    static const uint32_t hidden[] = {
        3,          5,          6,          8,          9,          0xa,        0xb,
        0xf,        0x10,       0x12,       0x14,       0x15,       0x1f,       0x7fffffff,
        0x80000009, 0x8000000a, 0x8000001b, 0x8000001c, 0x8000001e, 0x80000022, 0xffffffff};
    for (size_t n = 0; n < ARRAY_SIZE(hidden); n++) {
        ok(!cpuid_policy_visible(&dom0, hidden[n], 0), "leaf %#x is hidden", hidden[n]);
        ok(is_zero(from_all_ones(&dom0, hidden[n], 0)), "leaf %#x is zero", hidden[n]);
    }
    ok(!cpuid_policy_visible(&dom0, 7, 3), "no subleaf 3 of leaf 7");
    ok(!cpuid_policy_visible(&intel, 0x80000021, 0), "AMD's leaf on AMD only");
}

static void test_xen_leaves(void)
{
    struct cpuid_regs r = cpuid_policy_xen(&dom0, 0x40000000, 0);
    char name[13] = {0};
    memcpy(name, &r.b, 4);
    memcpy(name + 4, &r.c, 4);
    memcpy(name + 8, &r.d, 4);
    is_str(name, "XenVMMXenVMM");
    is(r.a, 0x40000005, "highest leaf");
    is(cpuid_policy_xen(&dom0, 0x40000001, 0).a, 0x40011, "version 4.17");
    r = cpuid_policy_xen(&dom0, 0x40000002, 0);
    ok(r.a == 1 && r.b == 0x40000000 && r.c == 1, "a hypercall page, its MSR, and PRESERVE_AD");
    r = cpuid_policy_xen(&dom0, 0x40000003, 0);
    ok(r.a == 6 && r.b == 0 && r.c == 2000000 && r.d == 0, "TSC, not emulated");
    r = cpuid_policy_xen(&dom0, 0x40000003, 1);
    ok(r.c == 0x80000000 && r.d == 0, "2 GHz: half a nanosecond a tick");
    is(cpuid_policy_xen(&dom0, 0x40000003, 2).a, 2000000);
    ok(is_zero(cpuid_policy_xen(&dom0, 0x40000003, 3)));
    ok(is_zero(cpuid_policy_xen(&dom0, 0x40000004, 0)), "nothing of HVM");
    is(cpuid_policy_xen(&dom0, 0x40000005, 0).b, 33, "width of machine addresses");
    ok(is_zero(cpuid_policy_xen(&dom0, 0x40000006, 0)));
    ok(is_zero(cpuid_policy_xen(&dom0, 0x40000100, 0)));

    struct cpuid_view view = dom0;
    static const unsigned rates[] = {1, 999, 1000000, 1000001, 2499999, 4000000, ~0u};
    for (size_t n = 0; n < ARRAY_SIZE(rates); n++) {
        view.tsc_khz = rates[n];
        r = cpuid_policy_xen(&view, 0x40000003, 1);
        double ns = ldexp((double)r.c, (int)r.d - 32), want = 1e6 / rates[n];
        ok(ns > want * 0.999999 && ns < want * 1.000001, "scale at %u kHz", rates[n]);
    }
}

int main(void)
{
    test_hidden();
    test_forced();
    test_domains();
    test_state();
    test_leaves();
    test_xen_leaves();
    return done();
}

/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Defences against speculation. Owns struct spec_ctrl, constant after boot, and MSR_SPEC_CTRL's
 * value outside of the entry and exit paths.
 *
 * Guests run in ring 3 and the hypervisor in ring 0 of the same page tables. Whatever tells the
 * two rings apart therefore protects the hypervisor; a CPU that lets ring 3 read through
 * supervisor pages (Meltdown) cannot be used.
 * Sources: Intel, "Affected Processors: Guidance for Security Issues" and SDM 4,
 * IA32_ARCH_CAPABILITIES; AMD, "Software Techniques for Managing Speculation", and APM 3, appendix
 * E.
 */
#include "x86/spec_ctrl.h"

#include "core/cmdline.h"
#include "core/log.h"
#include "x86/cpu.h"
#include "x86/panic.h"
#include "x86/x86.h"

#define LEAF7_EDX_MD_CLEAR  (1u << 10)
#define LEAF7_EDX_IBRS_IBPB (1u << 26)
#define LEAF7_EDX_STIBP     (1u << 27)
#define LEAF7_EDX_ARCH_CAPS (1u << 29)
#define LEAF1_EDX_HTT       (1u << 28)
#define EXT8_EBX_IBPB       (1u << 12)
#define EXT8_EBX_IBRS       (1u << 14)
#define EXT8_EBX_STIBP      (1u << 15)
#define EXT21_EAX_AUTO_IBRS (1u << 8)

#define CAPS_RDCL_NO    (1u << 0)
#define CAPS_IBRS_ALL   (1u << 1)
#define CAPS_MDS_NO     (1u << 5)
#define CAPS_TAA_NO     (1u << 8)
#define CAPS_FB_CLEAR   (1u << 17)
#define CAPS_RFDS_CLEAR (1u << 28)

#define SPEC_CTRL_IBRS  1u
#define SPEC_CTRL_STIBP 2u
#define EFER_AUTO_IBRS  (1ul << 21)

#ifndef PARAVANE_RETPOLINE
#error "the defences rest on retpolines: build with them"
#endif

struct spec_ctrl spec_ctrl;
static bool have_msr, auto_ibrs;

/* What the CPU says of itself, whoever made it. */
struct abilities {
    bool ibrs, ibrs_all, auto_ibrs, ibpb, stibp, smt;
    bool md_clear;
    uint64_t caps;
};

static struct abilities find_abilities(void)
{
    struct cpuid_regs l7 = cpuid(0).a >= 7 ? cpuid_count(7, 0) : (struct cpuid_regs){0};
    uint32_t ext = cpuid(0x80000000).a;
    uint32_t ext8 = ext >= 0x80000008 ? cpuid(0x80000008).b : 0;
    uint32_t ext21 = ext >= 0x80000021 ? cpuid(0x80000021).a : 0;
    struct abilities a = {
        .caps = l7.d & LEAF7_EDX_ARCH_CAPS ? rdmsr(MSR_ARCH_CAPS) : 0,
        .ibrs = (l7.d & LEAF7_EDX_IBRS_IBPB) || (ext8 & EXT8_EBX_IBRS),
        .auto_ibrs = ext21 & EXT21_EAX_AUTO_IBRS,
        .ibpb = (l7.d & LEAF7_EDX_IBRS_IBPB) || (ext8 & EXT8_EBX_IBPB),
        .stibp = (l7.d & LEAF7_EDX_STIBP) || (ext8 & EXT8_EBX_STIBP),
        .smt = cpuid(1).d & LEAF1_EDX_HTT,
        .md_clear = l7.d & LEAF7_EDX_MD_CLEAR,
    };
    a.ibrs_all = a.ibrs && (a.caps & CAPS_IBRS_ALL);
    return a;
}

/* Ring 3 reads supervisor pages: all of Intel's that do not say otherwise. */
static bool has_meltdown(const struct abilities *a)
{
    return cpu_features.vendor == VENDOR_INTEL && !(a->caps & CAPS_RDCL_NO);
}

/* Buffers that keep stale data, and microcode that lets VERW clear them. */
static bool needs_verw(const struct abilities *a)
{
    if (cpu_features.vendor != VENDOR_INTEL)
        return false;
    bool mds = a->md_clear && !((a->caps & CAPS_MDS_NO) && (a->caps & CAPS_TAA_NO));
    return mds || (a->caps & (CAPS_FB_CLEAR | CAPS_RFDS_CLEAR));
}

static void print_choice(const struct abilities *a)
{
    const char *ibrs = "none";
    if (auto_ibrs)
        ibrs = "automatic";
    else if (spec_ctrl.msr_value & SPEC_CTRL_IBRS)
        ibrs = "always";
    log_info("Speculation: retpolines; IBRS %s; STIBP %s; IBPB %s; VERW %s; RSB stuffing %s; "
             "Meltdown %s",
             ibrs, spec_ctrl.msr_value & SPEC_CTRL_STIBP ? "on" : "off",
             spec_ctrl.ibpb_on_switch ? "at switches" : "none",
             spec_ctrl.verw ? "on exit" : "not needed", spec_ctrl.rsb_stuff ? "on entry" : "off",
             has_meltdown(a) ? "UNDEFENDED" : "not affected");
}

void spec_ctrl_choose(void)
{
    struct abilities a = find_abilities();
    if (has_meltdown(&a) && !options.unsafe_cpu)
        boot_stop("this CPU lets guests read all memory (Meltdown: no RDCL_NO in "
                  "IA32_ARCH_CAPABILITIES); \"unsafe_cpu\" on the command line starts anyway");
    if (options.spec_ctrl) {
        have_msr = a.ibrs || a.stibp;
        auto_ibrs = a.auto_ibrs;
        spec_ctrl.msr_value =
            (a.stibp && a.smt ? SPEC_CTRL_STIBP : 0) | (a.ibrs_all ? SPEC_CTRL_IBRS : 0);
        spec_ctrl.verw = needs_verw(&a);
        spec_ctrl.ibpb_on_switch = a.ibpb;
        /* With SMEP a return address that a guest planted is no address to execute at. */
        spec_ctrl.rsb_stuff = !cpu_features.smep;
    }
    print_choice(&a);
}

void spec_ctrl_init_cpu(void)
{
    if (auto_ibrs)
        wrmsr(MSR_EFER, rdmsr(MSR_EFER) | EFER_AUTO_IBRS);
    if (have_msr)
        wrmsr(MSR_SPEC_CTRL, spec_ctrl.msr_value);
}

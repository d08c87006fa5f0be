/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * CPU features and control registers. Owns cpu_features, CR0, CR4, EFER and the PAT of every CPU.
 *
 * Invariant: every CPU runs with the same control registers, but for what a guest chooses
 * (emulate/control.c: CR4.TSD). What cpu_features says is used, every CPU has turned on: one that
 * lacked what the boot CPU has would stop here, by the fault of setting the bit.
 */
#include "x86/cpu.h"

#include "core/cmdline.h"
#include "core/cpumask.h"
#include "core/lib.h"
#include "core/log.h"
#include "core/percpu.h"
#include "x86/counters.h"
#include "x86/panic.h"
#include "x86/spec_ctrl.h"
#include "x86/x86.h"

/* CPUID bits: Intel SDM 2A, CPUID; AMD APM 3, appendix E. */
#define LEAF1_ECX_PCID       (1u << 17)
#define LEAF1_ECX_XSAVE      (1u << 26)
#define LEAF1_ECX_HYPERVISOR (1u << 31)
#define LEAF1_EDX_MCE        (1u << 7)
#define LEAF1_EDX_SEP        (1u << 11)
#define LEAF1_EDX_PGE        (1u << 13)
#define LEAF1_EDX_MCA        (1u << 14)
#define LEAF1_EDX_PAT        (1u << 16)
#define LEAF1_EDX_FXSR       (1u << 24)
#define LEAF1_EDX_SSE2       (1u << 26)
#define LEAF7_EBX_FSGSBASE   (1u << 0)
#define LEAF7_EBX_SMEP       (1u << 7)
#define LEAF7_EBX_INVPCID    (1u << 10)
#define LEAF7_EBX_SMAP       (1u << 20)
#define LEAF7_ECX_UMIP       (1u << 2)
#define LEAFD1_EAX_XSAVEOPT  (1u << 0)
#define EXT1_EDX_FFXSR       (1u << 25)
#define EXT1_EDX_PAGE1GB     (1u << 26)
#define EXT1_EDX_RDTSCP      (1u << 27)
#define EXT7_EDX_ITSC        (1u << 8)

/* Machine-check registers (Intel SDM 3B 16.3). */
#define MSR_MCG_CAP     0x179
#define MSR_MCG_CTL     0x17b
#define MSR_MC0_CTL     0x400
#define MSR_MC0_STATUS  0x401
#define MCG_CAP_COUNT   0xffu
#define MCG_CAP_CTL     (1u << 8)
#define MCA_BANK_STRIDE 4u

struct cpu_features cpu_features;
uint64_t hv_cr4;

static uint32_t max_leaf(uint32_t base)
{
    uint32_t max = cpuid(base).a;
    return max >= base && max < base + 0x10000 ? max : 0;
}

static struct cpuid_regs leaf_if(uint32_t leaf, uint32_t subleaf)
{
    if (leaf > max_leaf(leaf & 0x80000000))
        return (struct cpuid_regs){0};
    return cpuid_count(leaf, subleaf);
}

static enum cpu_vendor find_vendor(void)
{
    static const struct {
        char name[13];
        enum cpu_vendor vendor;
    } known[] = {
        {"GenuineIntel", VENDOR_INTEL},   {"AuthenticAMD", VENDOR_AMD},
        {"HygonGenuine", VENDOR_HYGON},   {"CentaurHauls", VENDOR_ZHAOXIN},
        {"  Shanghai  ", VENDOR_ZHAOXIN},
    };
    struct cpuid_regs r = cpuid(0);
    uint32_t name[3] = {r.b, r.d, r.c};
    for (unsigned i = 0; i < ARRAY_SIZE(known); i++) {
        if (memcmp(name, known[i].name, sizeof(name)) == 0)
            return known[i].vendor;
    }
    return VENDOR_OTHER;
}

static void find_model(struct cpu_features *f)
{
    uint32_t sig = cpuid(1).a;
    unsigned family = (sig >> 8) & 0xf, model = (sig >> 4) & 0xf;
    if (family == 6 || family == 0xf)
        model |= (sig >> 12) & 0xf0;
    if (family == 0xf)
        family += (sig >> 20) & 0xff;
    f->vendor = find_vendor();
    f->family = family;
    f->model = model;
    f->stepping = sig & 0xf;
}

static void find_features(struct cpu_features *f)
{
    struct cpuid_regs l1 = cpuid(1), l7 = leaf_if(7, 0), e1 = leaf_if(0x80000001, 0);
    const uint32_t needed = LEAF1_EDX_PAT | LEAF1_EDX_FXSR | LEAF1_EDX_SSE2;
    if ((l1.d & needed) != needed)
        boot_stop("this CPU lacks PAT, FXSR or SSE2");
    find_model(f);
    f->pge = l1.d & LEAF1_EDX_PGE;
    f->mce = (l1.d & LEAF1_EDX_MCE) && (l1.d & LEAF1_EDX_MCA);
    f->xsave = l1.c & LEAF1_ECX_XSAVE;
    f->xsaveopt = f->xsave && (leaf_if(0xd, 1).a & LEAFD1_EAX_XSAVEOPT);
    f->hypervisor = l1.c & LEAF1_ECX_HYPERVISOR;
    f->fxsr_opt = e1.d & EXT1_EDX_FFXSR;
    f->page1gb = e1.d & EXT1_EDX_PAGE1GB;
    f->rdtscp = e1.d & EXT1_EDX_RDTSCP;
    /* 36 where the leaf is missing (Intel SDM 3A 4.1.4). */
    unsigned phys_bits = leaf_if(0x80000008, 0).a & 0xff;
    f->phys_bits = phys_bits > 36 && phys_bits <= 52 ? phys_bits : 36;
    f->tsc_invariant = leaf_if(0x80000007, 0).d & EXT7_EDX_ITSC;
    f->smep = (l7.b & LEAF7_EBX_SMEP) && options.smep;
    f->smap = (l7.b & LEAF7_EBX_SMAP) && options.smap;
    f->umip = l7.c & LEAF7_ECX_UMIP;
    f->fsgsbase = l7.b & LEAF7_EBX_FSGSBASE;
    /* One without the other would make each flush of both modes two CR3 loads. */
    f->pcid = (l1.c & LEAF1_ECX_PCID) && (l7.b & LEAF7_EBX_INVPCID) && f->pge && options.pcid;
    /* In compatibility mode AMD has only SYSCALL, and Intel only SYSENTER (SDM 2B, APM 3). */
    bool amd_like = f->vendor == VENDOR_AMD || f->vendor == VENDOR_HYGON;
    f->syscall32 = amd_like;
    f->sysenter = !amd_like && (l1.d & LEAF1_EDX_SEP);
}

static uint64_t choose_cr4(const struct cpu_features *f)
{
    uint64_t cr4 = X86_CR4_PAE | X86_CR4_DE | X86_CR4_OSFXSR | X86_CR4_OSXMMEXCPT;
    cr4 |= f->pge ? X86_CR4_PGE : 0;
    cr4 |= f->mce ? X86_CR4_MCE : 0;
    cr4 |= f->xsave ? X86_CR4_OSXSAVE : 0;
    cr4 |= f->smep ? X86_CR4_SMEP : 0;
    cr4 |= f->smap ? X86_CR4_SMAP : 0;
    cr4 |= f->umip ? X86_CR4_UMIP : 0;
    cr4 |= f->fsgsbase ? X86_CR4_FSGSBASE : 0;
    cr4 |= f->pcid ? X86_CR4_PCIDE : 0;
    return cr4;
}

static void print_features(const struct cpu_features *f)
{
    log_info("CPU: family %#x model %#x stepping %u; using NX%s%s%s%s%s%s%s%s", f->family, f->model,
             f->stepping, f->pge ? " PGE" : "", f->page1gb ? " 1GiB-pages" : "",
             f->smep ? " SMEP" : "", f->smap ? " SMAP" : "", f->umip ? " UMIP" : "",
             f->fsgsbase ? " FSGSBASE" : "", f->pcid ? " PCID" : "", f->xsave ? " XSAVE" : "");
}

/* Let every bank report: the handler sees to it that nothing goes unnoticed (SDM 3B 16.8). */
static void machine_check_init(void)
{
    uint64_t cap = rdmsr(MSR_MCG_CAP);
    if (cap & MCG_CAP_CTL)
        wrmsr(MSR_MCG_CTL, ~0ull);
    for (uint32_t i = 0; i < (cap & MCG_CAP_COUNT); i++) {
        uint64_t status = rdmsr(MSR_MC0_STATUS + i * MCA_BANK_STRIDE);
        if (status >> 63)
            log_warning("CPU %u: machine check before boot, bank %u status %#lx", cpu_id(), i,
                        status);
        wrmsr(MSR_MC0_CTL + i * MCA_BANK_STRIDE, ~0ull);
        wrmsr(MSR_MC0_STATUS + i * MCA_BANK_STRIDE, 0);
    }
}

void cpu_init(void)
{
    counters_init_cpu();
    bool boot_cpu = hv_cr4 == 0;
    if (boot_cpu) {
        find_features(&cpu_features);
        hv_cr4 = choose_cr4(&cpu_features);
    }
    WRITE_CR(0, X86_CR0_PG | X86_CR0_AM | X86_CR0_WP | X86_CR0_NE | X86_CR0_ET | X86_CR0_MP |
                    X86_CR0_PE);
    /* PCIDE may be set only while the PCID in CR3 is 0 (SDM 3A 4.10.1); it is, at boot. */
    WRITE_CR(4, hv_cr4);
    wrmsr(MSR_EFER, rdmsr(MSR_EFER) | EFER_SCE | EFER_NXE);
    wrmsr(MSR_PAT, XEN_PAT);
    if (cpu_features.rdtscp)
        wrmsr(MSR_TSC_AUX, 0);
    if (cpu_features.mce)
        machine_check_init();
    if (boot_cpu) {
        print_features(&cpu_features);
        spec_ctrl_choose();
    }
    spec_ctrl_init_cpu();
}

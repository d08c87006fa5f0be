/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Model-specific registers (Intel SDM 4; AMD APM 2, appendix A, and the BKDGs).
 *
 * Invariant: a register that the table does not name raises #GP, and of a named one only the bits
 * of its mask come from the machine: what a new CPU adds does not leak. No write but those of
 * write_special() changes the machine.
 */
#include "x86/msr.h"

#include "core/domain.h"
#include "core/log.h"
#include "core/percpu.h"
#include "x86/cpu.h"
#include "x86/cpuid.h"
#include "x86/pv_calls.h"
#include "x86/x86.h"

#define MSR_TSC                0x10
#define MSR_PLATFORM_ID        0x17
#define MSR_UCODE_REV          0x8b /* AMD: PATCH_LEVEL */
#define MSR_PLATFORM_INFO      0xce
#define MSR_MISC_FEATURES      0x140
#define MSR_MCG_CAP            0x179
#define MSR_MCG_STATUS         0x17a
#define MSR_MISC_ENABLE        0x1a0
#define MSR_PERF_CAPABILITIES  0x345
#define MSR_XEN_HYPERCALL_PAGE 0x40000000
#define MSR_AMD_SYSCFG         0xc0010010
#define MSR_AMD_HWCR           0xc0010015
#define MSR_AMD_IORR_FIRST     0xc0010016
#define MSR_AMD_IORR_LAST      0xc0010019
#define MSR_AMD_TOP_MEM        0xc001001a
#define MSR_AMD_TOP_MEM2       0xc001001d
#define MSR_AMD_NB_CFG         0xc001001f
#define MSR_AMD_MMIO_CONF_BASE 0xc0010058
#define MSR_AMD_DE_CFG         0xc0011029

#define APIC_BASE_X2APIC             (1ul << 10)
#define EFER_FFXSR                   (1ul << 14)
#define MISC_ENABLE_PERFMON          (1ul << 7)
#define MISC_ENABLE_BTS_UNAVAILABLE  (1ul << 11)
#define MISC_ENABLE_PEBS_UNAVAILABLE (1ul << 12)
#define MISC_ENABLE_MONITOR          (1ul << 18)
#define HWCR_TSC_FREQ_SEL            (1ul << 24)
#define DE_CFG_LFENCE_SERIALIZES     (1ul << 1)
#define PRED_CMD_IBPB                1ul
#define ALL_BITS                     (~0ul)

/* What ARCH_CAPABILITIES may tell: vulnerabilities that the CPU does not have, and FB_CLEAR. */
#define ARCH_CAPS_VISIBLE                                                                          \
    ((1ul << 0) | (1ul << 4) | (1ul << 5) | (1ul << 6) | (1ul << 8) | (7ul << 13) | (1ul << 17))

enum msr_flags {
    PRIVILEGED = 1u << 0, /* others read it as if the mask were 0 */
    INTEL = 1u << 1,      /* only there on that vendor's CPUs */
    AMD = 1u << 2,
    IGNORE_WRITES = 1u << 3, /* else only the value that reads back may be written */
    HIDDEN = 1u << 4,        /* not there at all but for the privileged */
};

/* A guest reads (machine's value & mask) | set; the machine is not asked when the mask is 0. */
struct msr_rule {
    uint32_t first, last;
    unsigned flags; /* enum msr_flags */
    uint64_t mask, set;
};

/* Ordered by number. The system-call registers are set by callback_op, not by these. */
static const struct msr_rule rules[] = {
    {MSR_TSC, MSR_TSC, IGNORE_WRITES, ALL_BITS, 0},
    {MSR_PLATFORM_ID, MSR_PLATFORM_ID, INTEL, ALL_BITS, 0},
    {MSR_APIC_BASE, MSR_APIC_BASE, 0, ~APIC_BASE_X2APIC, 0},
    {MSR_UCODE_REV, MSR_UCODE_REV, IGNORE_WRITES, ALL_BITS, 0},
    {MSR_PLATFORM_INFO, MSR_PLATFORM_INFO, 0, 0, 0},
    {MSR_ARCH_CAPS, MSR_ARCH_CAPS, INTEL | HIDDEN, ARCH_CAPS_VISIBLE, 0},
    {MSR_MISC_FEATURES, MSR_MISC_FEATURES, INTEL, 0, 0},
    {MSR_SYSENTER_CS, MSR_SYSENTER_EIP, IGNORE_WRITES, 0, 0},
    {MSR_MCG_CAP, MSR_MCG_CAP, 0, 0, 0}, /* no banks */
    {MSR_MCG_STATUS, MSR_MCG_STATUS, IGNORE_WRITES, 0, 0},
    {MSR_MISC_ENABLE, MSR_MISC_ENABLE, INTEL, ~(MISC_ENABLE_PERFMON | MISC_ENABLE_MONITOR),
     MISC_ENABLE_BTS_UNAVAILABLE | MISC_ENABLE_PEBS_UNAVAILABLE},
    {MSR_PAT, MSR_PAT, 0, 0, XEN_PAT},
    {MSR_PERF_CAPABILITIES, MSR_PERF_CAPABILITIES, INTEL, 0, 0},
    {MSR_EFER, MSR_EFER, 0, EFER_SCE | EFER_LME | EFER_LMA | EFER_NXE | EFER_FFXSR, 0},
    {MSR_STAR, MSR_SYSCALL_MASK, IGNORE_WRITES, 0, 0},
    {MSR_AMD_SYSCFG, MSR_AMD_SYSCFG, AMD | PRIVILEGED | IGNORE_WRITES, ALL_BITS, 0},
    {MSR_AMD_HWCR, MSR_AMD_HWCR, AMD | IGNORE_WRITES, HWCR_TSC_FREQ_SEL, 0},
    {MSR_AMD_IORR_FIRST, MSR_AMD_IORR_LAST, AMD | PRIVILEGED, ALL_BITS, 0},
    {MSR_AMD_TOP_MEM, MSR_AMD_TOP_MEM, AMD | PRIVILEGED, ALL_BITS, 0},
    {MSR_AMD_TOP_MEM2, MSR_AMD_TOP_MEM2, AMD | PRIVILEGED, ALL_BITS, 0},
    {MSR_AMD_NB_CFG, MSR_AMD_NB_CFG, AMD | PRIVILEGED | IGNORE_WRITES, ALL_BITS, 0},
    {MSR_AMD_MMIO_CONF_BASE, MSR_AMD_MMIO_CONF_BASE, AMD | PRIVILEGED | IGNORE_WRITES, ALL_BITS, 0},
    {MSR_AMD_DE_CFG, MSR_AMD_DE_CFG, AMD | IGNORE_WRITES, DE_CFG_LFENCE_SERIALIZES, 0},
};

static DEFINE_PER_CPU(uint32_t, loaded_tsc_aux);

static const struct msr_rule *find_rule(const struct vcpu *v, uint32_t msr)
{
    for (size_t n = 0; n < ARRAY_SIZE(rules); n++) {
        const struct msr_rule *r = &rules[n];
        if (msr < r->first || msr > r->last)
            continue;
        bool amd = cpu_features.vendor == VENDOR_AMD || cpu_features.vendor == VENDOR_HYGON;
        bool wrong_vendor = ((r->flags & AMD) && !amd) || ((r->flags & INTEL) && amd);
        bool hidden = (r->flags & HIDDEN) && !v->domain->is_privileged;
        return wrong_vendor || hidden ? NULL : r;
    }
    return NULL;
}

static bool read_by_rule(const struct vcpu *v, const struct msr_rule *r, uint32_t msr,
                         uint64_t *val)
{
    uint64_t machine = 0;
    bool ask = r->mask != 0 && (v->domain->is_privileged || !(r->flags & PRIVILEGED));

    if (ask && rdmsr_safe(msr, &machine) != 0)
        return false;
    *val = (machine & r->mask) | r->set;
    return true;
}

static bool has_ibpb(struct vcpu *v)
{
    struct cpuid_regs leaf;

    guest_cpuid(v, 0x80000008, 0, &leaf);
    return (leaf.b & (1u << 12)) != 0;
}

bool guest_rdmsr(struct vcpu *v, uint32_t msr, uint64_t *val)
{
    switch (msr) {
    case MSR_FS_BASE:
    case MSR_GS_BASE:
    case MSR_SHADOW_GS_BASE:
        /* The current vCPU's are on the CPU; in kernel mode GS's is the kernel's, the other the
         * user's. */
        *val = rdmsr(msr);
        return true;
    case MSR_TSC_AUX:
        *val = v->arch.tsc_aux;
        return cpu_features.rdtscp;
    default:
        break;
    }

    const struct msr_rule *r = find_rule(v, msr);
    if (r != NULL && read_by_rule(v, r, msr, val))
        return true;
    log_guest(LOG_DEBUG, "RDMSR of %#x refused", msr);
    return false;
}

/* Those whose writes have an effect. *known: msr is one of them. */
static bool write_special(struct vcpu *v, uint32_t msr, uint64_t val, bool *known)
{
    *known = true;
    switch (msr) {
    case MSR_FS_BASE:
    case MSR_GS_BASE:
    case MSR_SHADOW_GS_BASE:
        if (!is_canonical(val))
            return false;
        wrmsr(msr, val);
        return true;
    case MSR_TSC_AUX:
        if (val >> 32 || !cpu_features.rdtscp)
            return false;
        v->arch.tsc_aux = (uint32_t)val;
        msr_load(v);
        return true;
    case MSR_PRED_CMD:
        if ((val & ~PRED_CMD_IBPB) || !has_ibpb(v))
            return false;
        return wrmsr_safe(msr, val) == 0;
    case MSR_XEN_HYPERCALL_PAGE:
        if (val & ~PAGE_MASK) /* there is one page, number 0 */
            return false;
        return pv_hypercall_page_write(v, val >> PAGE_SHIFT) == 0;
    default:
        *known = false;
        return false;
    }
}

bool guest_wrmsr(struct vcpu *v, uint32_t msr, uint64_t val)
{
    bool known;
    bool done = write_special(v, msr, val, &known);
    uint64_t now;

    if (!known) {
        const struct msr_rule *r = find_rule(v, msr);
        done = r != NULL &&
               ((r->flags & IGNORE_WRITES) || (read_by_rule(v, r, msr, &now) && now == val));
    }
    if (!done)
        log_guest(LOG_DEBUG, "WRMSR of %#llx to %#x refused", (unsigned long long)val, msr);
    return done;
}

/* RDTSCP and RDPID show it to user programs. */
void msr_load(const struct vcpu *v)
{
    if (!cpu_features.rdtscp || this_cpu(loaded_tsc_aux) == v->arch.tsc_aux)
        return;
    wrmsr(MSR_TSC_AUX, v->arch.tsc_aux);
    this_cpu(loaded_tsc_aux) = v->arch.tsc_aux;
}

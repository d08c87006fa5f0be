/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * x86 architecture constants and the instructions that need a wrapper. Numbers from the Intel SDM
 * (volume 3A chapters 2 and 4, volume 4) and the AMD APM volume 2.
 */
#ifndef X86_X86_H
#define X86_X86_H

#include <arch/cpu.h>

#include "core/types.h"
#include "x86/pte.h"

#define X86_RFLAGS_CF    (1ul << 0)
#define X86_RFLAGS_FIXED (1ul << 1)
#define X86_RFLAGS_TF    (1ul << 8)
#define X86_RFLAGS_DF    (1ul << 10)
#define X86_RFLAGS_OF    (1ul << 11)
#define X86_RFLAGS_IOPL  (3ul << 12)
#define X86_RFLAGS_NT    (1ul << 14)
#define X86_RFLAGS_RF    (1ul << 16)
#define X86_RFLAGS_VM    (1ul << 17)
#define X86_RFLAGS_AC    (1ul << 18)
#define X86_RFLAGS_VIF   (1ul << 19)
#define X86_RFLAGS_VIP   (1ul << 20)
#define X86_RFLAGS_ID    (1ul << 21)

#define X86_CR0_PE (1ul << 0)
#define X86_CR0_MP (1ul << 1)
#define X86_CR0_EM (1ul << 2)
#define X86_CR0_TS (1ul << 3)
#define X86_CR0_ET (1ul << 4)
#define X86_CR0_NE (1ul << 5)
#define X86_CR0_WP (1ul << 16)
#define X86_CR0_AM (1ul << 18)
#define X86_CR0_NW (1ul << 29)
#define X86_CR0_CD (1ul << 30)
#define X86_CR0_PG (1ul << 31)

#define X86_CR4_VME        (1ul << 0)
#define X86_CR4_PVI        (1ul << 1)
#define X86_CR4_TSD        (1ul << 2)
#define X86_CR4_DE         (1ul << 3)
#define X86_CR4_PSE        (1ul << 4)
#define X86_CR4_PAE        (1ul << 5)
#define X86_CR4_MCE        (1ul << 6)
#define X86_CR4_PGE        (1ul << 7)
#define X86_CR4_PCE        (1ul << 8)
#define X86_CR4_OSFXSR     (1ul << 9)
#define X86_CR4_OSXMMEXCPT (1ul << 10)
#define X86_CR4_UMIP       (1ul << 11)
#define X86_CR4_FSGSBASE   (1ul << 16)
#define X86_CR4_PCIDE      (1ul << 17)
#define X86_CR4_OSXSAVE    (1ul << 18)
#define X86_CR4_SMEP       (1ul << 20)
#define X86_CR4_SMAP       (1ul << 21)
#define X86_CR4_PKE        (1ul << 22)

#define X86_TRAP_DE       0
#define X86_TRAP_DB       1
#define X86_TRAP_NMI      2
#define X86_TRAP_BP       3
#define X86_TRAP_OF       4
#define X86_TRAP_BR       5
#define X86_TRAP_UD       6
#define X86_TRAP_NM       7
#define X86_TRAP_DF       8
#define X86_TRAP_CSO      9
#define X86_TRAP_TS       10
#define X86_TRAP_NP       11
#define X86_TRAP_SS       12
#define X86_TRAP_GP       13
#define X86_TRAP_PF       14
#define X86_TRAP_SPURIOUS 15
#define X86_TRAP_MF       16
#define X86_TRAP_AC       17
#define X86_TRAP_MC       18
#define X86_TRAP_XM       19
#define X86_TRAP_CP       21

#define PF_PRESENT  1u
#define PF_WRITE    2u
#define PF_USER     4u
#define PF_RESERVED 8u
#define PF_FETCH    16u

#define SYSCALL_LENGTH 2u /* of the instruction, in bytes */

/* The hypervisor's selectors, in the reserved page of every GDT (xen/arch-x86/xen.h). */
#define HV_CS   0xe008
#define HV_DS   0x0000
#define HV_SS   0xe010 /* HV_CS + 8: what SYSCALL loads into SS, so that IRET may load it again */
#define HV_CS32 0xe038
#define HV_TSS  0xe040
#define HV_LDT  0xe050

#define MSR_APIC_BASE      0x1b
#define MSR_SPEC_CTRL      0x48
#define MSR_PRED_CMD       0x49
#define MSR_ARCH_CAPS      0x10a
#define MSR_SYSENTER_CS    0x174
#define MSR_SYSENTER_ESP   0x175
#define MSR_SYSENTER_EIP   0x176
#define MSR_PAT            0x277
#define MSR_TSC_DEADLINE   0x6e0
#define MSR_EFER           0xc0000080
#define MSR_STAR           0xc0000081
#define MSR_LSTAR          0xc0000082
#define MSR_CSTAR          0xc0000083
#define MSR_SYSCALL_MASK   0xc0000084
#define MSR_FS_BASE        0xc0000100
#define MSR_GS_BASE        0xc0000101
#define MSR_SHADOW_GS_BASE 0xc0000102
#define MSR_TSC_AUX        0xc0000103

#define EFER_SCE (1ul << 0)
#define EFER_LME (1ul << 8)
#define EFER_LMA (1ul << 10)
#define EFER_NXE (1ul << 11)

/* PAT as Xen's ABI fixes it for PV guests: WB WT UC- UC WC WP UC UC. */
#define XEN_PAT 0x050100070406ul

struct cpuid_regs {
    uint32_t a, b, c, d;
};

static inline struct cpuid_regs cpuid_count(uint32_t leaf, uint32_t subleaf)
{
    struct cpuid_regs r;
    __asm__ volatile("cpuid"
                     : "=a"(r.a), "=b"(r.b), "=c"(r.c), "=d"(r.d)
                     : "a"(leaf), "c"(subleaf));
    return r;
}

static inline struct cpuid_regs cpuid(uint32_t leaf)
{
    return cpuid_count(leaf, 0);
}

static inline uint64_t rdmsr(uint32_t msr)
{
    uint32_t lo, hi;
    __asm__ volatile("rdmsr" : "=a"(lo), "=d"(hi) : "c"(msr));
    return ((uint64_t)hi << 32) | lo;
}

static inline void wrmsr(uint32_t msr, uint64_t val)
{
    __asm__ volatile("wrmsr" ::"c"(msr), "a"((uint32_t)val), "d"((uint32_t)(val >> 32)) : "memory");
}

/* 0, or -1 when the access faulted (x86/extable). */
int rdmsr_safe(uint32_t msr, uint64_t *val) must_check;
int wrmsr_safe(uint32_t msr, uint64_t val) must_check;

static inline uint64_t rdtsc(void)
{
    uint32_t lo, hi;
    __asm__ volatile("rdtsc" : "=a"(lo), "=d"(hi));
    return ((uint64_t)hi << 32) | lo;
}

static inline uint8_t inb(uint16_t port)
{
    uint8_t v;
    __asm__ volatile("inb %1, %0" : "=a"(v) : "Nd"(port));
    return v;
}

static inline uint16_t inw(uint16_t port)
{
    uint16_t v;
    __asm__ volatile("inw %1, %0" : "=a"(v) : "Nd"(port));
    return v;
}

static inline uint32_t inl(uint16_t port)
{
    uint32_t v;
    __asm__ volatile("inl %1, %0" : "=a"(v) : "Nd"(port));
    return v;
}

static inline void outb(uint16_t port, uint8_t v)
{
    __asm__ volatile("outb %0, %1" ::"a"(v), "Nd"(port));
}

static inline void outw(uint16_t port, uint16_t v)
{
    __asm__ volatile("outw %0, %1" ::"a"(v), "Nd"(port));
}

static inline void outl(uint16_t port, uint32_t v)
{
    __asm__ volatile("outl %0, %1" ::"a"(v), "Nd"(port));
}

#define READ_CR(n)                                                                                 \
    ({                                                                                             \
        uint64_t cr_;                                                                              \
        __asm__ volatile("mov %%cr" #n ", %0" : "=r"(cr_));                                        \
        cr_;                                                                                       \
    })
#define WRITE_CR(n, val) __asm__ volatile("mov %0, %%cr" #n ::"r"((uint64_t)(val)) : "memory")

static inline void invlpg(uint64_t va)
{
    __asm__ volatile("invlpg (%0)" ::"r"(va) : "memory");
}

/*
 * CR3 with CR4.PCIDE on: the low bits are a PCID; bit 63 keeps its translations (SDM 3A 4.10.4.1).
 */
#define CR3_NOFLUSH (1ul << 63)

/* INVPCID (SDM 2A): what to drop. */
#define INVPCID_ADDRESS 0ul /* one address, which must be canonical, of one PCID */
#define INVPCID_ONE     1ul /* one PCID */
#define INVPCID_ALL     3ul /* all that is not global */

static inline void invpcid(uint64_t what, uint64_t pcid, uint64_t va)
{
    struct {
        uint64_t pcid, va;
    } descriptor = {pcid, va};
    __asm__ volatile("invpcid %0, %1" ::"m"(descriptor), "r"(what) : "memory");
}

static inline bool is_canonical(uint64_t va)
{
    return (uint64_t)((int64_t)(va << 16) >> 16) == va;
}

#endif

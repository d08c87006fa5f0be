/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What a test must know of the machine below the hypervisor, and instructions that C has no word
 * for. CPUID is not intercepted in ring 3, so a PV guest can ask the machine itself.
 */
#ifndef MACHINE_H
#define MACHINE_H

#include <pv/abi.h>
#include <pv/start.h>

#include <string.h>

#define NON_CANONICAL    0x0000800000000000ul
#define NON_CANONICAL_2  0xdead000000000000ul
#define HYPERVISOR_FIRST HYPERVISOR_VIRT_START
#define HYPERVISOR_LAST  (HYPERVISOR_VIRT_END - 8)

#define RFLAGS_CF   0x1ul
#define RFLAGS_TF   0x100ul
#define RFLAGS_IF   0x200ul
#define RFLAGS_DF   0x400ul
#define RFLAGS_IOPL 0x3000ul
#define RFLAGS_NT   0x4000ul
#define RFLAGS_RF   0x10000ul
#define RFLAGS_VM   0x20000ul
#define RFLAGS_AC   0x40000ul
#define RFLAGS_VIF  0x80000ul
#define RFLAGS_VIP  0x100000ul
#define RFLAGS_ID   0x200000ul

#define MSR_FS_BASE        0xc0000100u
#define MSR_GS_BASE        0xc0000101u
#define MSR_SHADOW_GS_BASE 0xc0000102u

struct cpuid {
    uint32_t a, b, c, d;
};

/* The machine's own answer. */
static inline struct cpuid cpuid_native(uint32_t leaf, uint32_t subleaf)
{
    struct cpuid r;
    __asm__ volatile("cpuid"
                     : "=a"(r.a), "=b"(r.b), "=c"(r.c), "=d"(r.d)
                     : "0"(leaf), "2"(subleaf));
    return r;
}

/* The hypervisor's answer, by the forced-emulation prefix (XEN_CPUID of xen/arch-x86/xen.h). */
static inline struct cpuid cpuid_forced(uint32_t leaf, uint32_t subleaf)
{
    struct cpuid r;
    __asm__ volatile(XEN_CPUID
                     : "=a"(r.a), "=b"(r.b), "=c"(r.c), "=d"(r.d)
                     : "0"(leaf), "2"(subleaf));
    return r;
}

/* QEMU without KVM says so in the leaf where hypervisors sign (docs: "TCGTCGTCGTCG"). */
static inline bool under_tcg(void)
{
    struct cpuid r = cpuid_native(0x40000000, 0);
    return memcmp(&r.b, "TCGTCGTCGTCG", sizeof(r) - sizeof(r.a)) == 0;
}

static inline bool cpu_is_intel(void)
{
    return cpuid_native(0, 0).c == 0x6c65746e; /* "ntel" of "GenuineIntel" */
}

/*
 * QEMU 7.2 gives #GP of `int n` an error code with the index doubled. Paravane takes the vector
 * from the instruction; Xen believes the error code, and delivers another vector.
 */
static inline bool int_n_is_faulty(void)
{
    return under_tcg() && !is_paravane();
}

static inline uint64_t rdmsr(uint32_t msr)
{
    uint32_t low, high;
    __asm__ volatile("rdmsr" : "=a"(low), "=d"(high) : "c"(msr));
    return (uint64_t)high << 32 | low;
}

static inline void wrmsr(uint32_t msr, uint64_t value)
{
    __asm__ volatile("wrmsr" : : "c"(msr), "a"((uint32_t)value), "d"((uint32_t)(value >> 32)));
}

#endif

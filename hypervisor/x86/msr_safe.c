/* SPDX-License-Identifier: BSD-2-Clause */
/* MSR accesses that may fault: which registers a CPU has is not always told by CPUID. */
#include "x86/extable.h"
#include "x86/x86.h"

int rdmsr_safe(uint32_t msr, uint64_t *val)
{
    uint32_t lo = 0, hi = 0;
    int rc = 0;
    __asm__ volatile("1: rdmsr\n"
                     "2:\n"
                     ".pushsection .text.fixup, \"ax\"\n"
                     "3: mov $-1, %[rc]\n"
                     "   jmp 2b\n"
                     ".popsection\n" EXTABLE_ASM("1b", "2b", "3b")
                     : "+a"(lo), "+d"(hi), [rc] "+r"(rc)
                     : "c"(msr));
    *val = ((uint64_t)hi << 32) | lo;
    return rc;
}

int wrmsr_safe(uint32_t msr, uint64_t val)
{
    int rc = 0;
    __asm__ volatile("1: wrmsr\n"
                     "2:\n"
                     ".pushsection .text.fixup, \"ax\"\n"
                     "3: mov $-1, %[rc]\n"
                     "   jmp 2b\n"
                     ".popsection\n" EXTABLE_ASM("1b", "2b", "3b")
                     : [rc] "+r"(rc)
                     : "c"(msr), "a"((uint32_t)val), "d"((uint32_t)(val >> 32))
                     : "memory");
    return rc;
}

/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What all emulators share: reading the instruction, once, and stepping over it.
 *
 * Invariant: an instruction that was not read whole from 64-bit code changes nothing.
 */
#include "core/domain.h"
#include "core/guest.h"
#include "x86/emulate/emulate.h"
#include "x86/extable.h"
#include "x86/traps.h"
#include "x86/x86.h"

#define ACCESS_RIGHTS_L (1u << 21) /* 64-bit code segment (Intel SDM 3A, 3.4.5.1) */
#define DR6_BS          (1ul << 14)

/*
 * The descriptor tables that this CPU has loaded are the current vCPU's: ask the CPU itself. The
 * page of the LDT may be gone since the selector was loaded.
 */
static bool code_is_64bit(uint16_t cs)
{
    uint32_t rights = 0;
    __asm__ volatile("1: lar %1, %0\n"
                     "2:\n" EXTABLE_ASM("1b", "2b", "2b")
                     : "+r"(rights)
                     : "r"((uint32_t)cs)
                     : "cc");
    return rights & ACCESS_RIGHTS_L;
}

static uint32_t fault_mode_bit(void)
{
    return current_vcpu()->arch.in_kernel ? 0 : PF_USER;
}

enum fetch_result fetch_insn(struct cpu_user_regs *regs, struct insn *out)
{
    uint8_t bytes[INSN_MAX + 1]; /* whole words are copied faster */
    size_t to_page_end = PAGE_SIZE - (regs->rip & ~PAGE_MASK);
    size_t have = 0, want = MIN(sizeof(bytes), to_page_end);

    if (!code_is_64bit(regs->cs) || !is_canonical(regs->rip))
        return FETCH_REFUSED;

    /* The next page is asked for only when the instruction really reaches into it. */
    for (;;) {
        size_t missing = guest_copy_in(bytes + have, VADDR(regs->rip + have), want - have);
        if (missing != 0) {
            pv_inject_page_fault(PF_FETCH | fault_mode_bit(), regs->rip + want - missing);
            return FETCH_FAULTED;
        }
        have = want;
        enum decode_result result = decode_insn(bytes, have, out);
        if (result == DECODE_OK)
            return FETCH_OK;
        if (result == DECODE_UNKNOWN || have >= INSN_MAX)
            return FETCH_REFUSED;
        want = INSN_MAX;
    }
}

uint64_t segment_base(unsigned segment)
{
    if (segment == SEG_FS)
        return rdmsr(MSR_FS_BASE);
    if (segment == SEG_GS)
        return rdmsr(MSR_GS_BASE);
    return 0;
}

void inject_data_fault(uint64_t va, size_t done, bool write)
{
    pv_inject_page_fault((write ? PF_WRITE : 0) | fault_mode_bit(), va + done);
}

void retire_insn(struct cpu_user_regs *regs, unsigned length)
{
    regs->rip += length;
    regs->rflags &= ~X86_RFLAGS_RF;
    if (regs->rflags & X86_RFLAGS_TF) {
        current_vcpu()->arch.debugreg[6] |= DR6_BS;
        pv_inject_trap(X86_TRAP_DB, -1);
    }
}

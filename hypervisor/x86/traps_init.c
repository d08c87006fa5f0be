/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Filling the IDT, and the CPU's registers for SYSCALL and SYSENTER.
 *
 * SYSCALL switches no stack. Each CPU has two stubs of its own (64-bit and 32-bit programs) that
 * load the CPU's stack pointer as a constant; they are written at boot into .text, which is
 * read-only by then, under a lifted CR0.WP.
 */
#include <arch/cpu.h>

#include "core/lib.h"
#include "core/percpu.h"
#include "x86/cpu.h"
#include "x86/desc.h"
#include "x86/traps.h"
#include "x86/x86.h"

#define STUB_SIZE 16u /* of trap_stubs[] in entry.S */

extern const char trap_stubs[];
extern const char entry_syscall[], entry_syscall32[], entry_sysenter[];

static unsigned vector_ist(unsigned vector)
{
    switch (vector) {
    case X86_TRAP_DB: /* behind MOV SS a breakpoint waits for the first instruction after SYSCALL,
                         which has no stack of ours yet (CVE-2018-8897) */
        return IST_DB;
    case X86_TRAP_NMI:
        return IST_NMI;
    case X86_TRAP_DF:
        return IST_DF;
    case X86_TRAP_MC:
        return IST_MC;
    default:
        return IST_NONE;
    }
}

/*
 * INT3, INTO and INT 0x80 may be executed by ring 3; all others raise #GP, where the guest's table
 * decides.
 */
static unsigned vector_dpl(unsigned vector)
{
    return vector == X86_TRAP_BP || vector == X86_TRAP_OF || vector == 0x80 ? 3 : 0;
}

void traps_init(void)
{
    for (unsigned vector = 0; vector < 256; vector++)
        idt_set_gate(vector, (void (*)(void))(uintptr_t)(trap_stubs + vector * STUB_SIZE),
                     vector_ist(vector), vector_dpl(vector));
}

/* ---- SYSCALL ------------------------------------------------------------------------------ */

#define SYSCALL_STUB_SIZE 64u

static const uint8_t syscall_stubs[NR_CPUS][2][SYSCALL_STUB_SIZE]
    __attribute__((section(".text.stubs"), aligned(64))) = {0};
/* Where a stub puts the guest's stack pointer for a moment. */
static uint64_t syscall_rsp[NR_CPUS];

static uint8_t *emit(uint8_t *at, const void *bytes, size_t n)
{
    memcpy(at, bytes, n);
    return at + n;
}

static uint8_t *emit32(uint8_t *at, uint64_t value)
{
    uint32_t low = (uint32_t)value;
    return emit(at, &low, sizeof(low));
}

/*
 *   mov  %rsp, syscall_rsp[cpu](%rip)
 *   mov  $stack, %rsp
 *   push $FLAT_RING3_SS
 *   push syscall_rsp[cpu](%rip)
 *   jmp  target
 */
static void stub_write(unsigned cpu, unsigned which, const char *target)
{
    uint64_t va = (uint64_t)syscall_stubs[cpu][which];
    uint8_t *start = (uint8_t *)va;
    uint8_t *at = start;
    uint64_t scratch = (uint64_t)&syscall_rsp[cpu];
    uint64_t stack = (uint64_t)&guest_regs()->es;
#define NEXT_RIP(operand_left) (va + (uint64_t)(at - start) + 4 + (operand_left))
    at = emit(at, "\x48\x89\x25", 3);
    at = emit32(at, scratch - NEXT_RIP(0));
    at = emit(at, "\x48\xbc", 2);
    at = emit(at, &stack, sizeof(stack));
    at = emit(at, "\x68", 1);
    at = emit32(at, FLAT_RING3_SS64);
    at = emit(at, "\xff\x35", 2);
    at = emit32(at, scratch - NEXT_RIP(0));
    at = emit(at, "\xe9", 1);
    at = emit32(at, (uint64_t)target - NEXT_RIP(0));
#undef NEXT_RIP
    BUG_ON((size_t)(at - start) > SYSCALL_STUB_SIZE);
}

/* SYSRET to 64-bit mode adds 16 for CS and 8 for SS (AMD APM 2, 6.1.1). */
#define STAR_SYSRET_BASE FLAT_RING3_CS32

void syscall_init_cpu(void)
{
    unsigned cpu = cpu_id();
    unsigned long flags = irq_save();
    WRITE_CR(0, READ_CR(0) & ~X86_CR0_WP);
    stub_write(cpu, 0, entry_syscall);
    stub_write(cpu, 1, entry_syscall32);
    WRITE_CR(0, READ_CR(0) | X86_CR0_WP);
    irq_restore(flags);
    wrmsr(MSR_STAR, ((uint64_t)STAR_SYSRET_BASE << 48) | ((uint64_t)HV_CS << 32));
    wrmsr(MSR_LSTAR, (uint64_t)syscall_stubs[cpu][0]);
    wrmsr(MSR_CSTAR, (uint64_t)syscall_stubs[cpu][1]);
    wrmsr(MSR_SYSCALL_MASK, X86_RFLAGS_TF | X86_RFLAGS_IF | X86_RFLAGS_DF | X86_RFLAGS_IOPL |
                                X86_RFLAGS_NT | X86_RFLAGS_RF | X86_RFLAGS_AC);
    if (!cpu_features.sysenter)
        return;
    wrmsr(MSR_SYSENTER_CS, HV_CS);
    wrmsr(MSR_SYSENTER_ESP, (uint64_t)&guest_regs()->es);
    wrmsr(MSR_SYSENTER_EIP, (uint64_t)entry_sysenter);
}

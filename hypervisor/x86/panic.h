/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The ends of the hypervisor: a contradiction inside (panic() and assert_failed() of core/lib.h), a
 * trap that nothing can be done about, and a boot that cannot go on. And what they print.
 */
#ifndef X86_PANIC_H
#define X86_PANIC_H

#include "core/abi.h"
#include "core/types.h"

/* For handlers of double faults, machine checks and unexpected traps in the hypervisor. */
void fatal_trap(const struct cpu_user_regs *regs, const char *what) noreturn_fn;
/* Bad boot input: one clear line on the console, and a halt. Not for contradictions. */
void boot_stop(const char *format, ...) noreturn_fn printf_like(1, 2);

/* Print the registers; of a frame from the hypervisor itself, the calls that led there too. */
void show_registers(const struct cpu_user_regs *regs);
/* The last of each: stays halted, or restarts after some seconds, as `noreboot` says. */
void machine_failed(void) noreturn_fn;
/* Print the return addresses, by name, found on the stack from `sp` up. */
void show_stack_trace(uintptr_t sp);

#endif

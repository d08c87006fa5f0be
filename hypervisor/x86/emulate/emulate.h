/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Instructions of a guest that the CPU refuses in ring 3 and the ABI promises to carry out: the
 * privileged ones that stock kernels still execute, and stores to page tables that are mapped
 * read-only. Each takes the registers of the current vCPU as the trap saved them.
 */
#ifndef X86_EMULATE_EMULATE_H
#define X86_EMULATE_EMULATE_H

#include "x86/emulate/decode.h"
#include "x86/emulate/plain.h"

struct vcpu;

/*
 * #GP(0) from a guest. True: done, or another trap has been injected instead. False: the guest's
 * own fault, nothing has changed; the caller injects the #GP.
 */
bool emulate_privileged(struct cpu_user_regs *regs) must_check;

/*
 * #UD from a guest: carries out the forced-emulation CPUID (ud2; "xen"; cpuid) of
 * xen/arch-x86/xen.h, XEN_CPUID. Any other instruction: false.
 */
bool emulate_forced_cpuid(struct cpu_user_regs *regs) must_check;

/* Lost races before the guest is entered again, to fault again and to be preempted in between. */
#define STORE_MAX_ATTEMPTS 16u

/* How emulate_store() reaches the page table. Both get naturally aligned pieces within a page. */
struct store_ops {
    /* 0, or negative to refuse the store. */
    int (*read)(void *ctx, uint64_t va, unsigned size, uint64_t *val);
    /* 0: written. 1: memory did not hold *old, which now has what it holds. Negative: refuse. */
    int (*cmpxchg)(void *ctx, uint64_t va, unsigned size, uint64_t *old, uint64_t val);
};

/*
 * A write fault of the guest kernel at fault_va. True: the store, flags included, is done and RIP
 * is behind it (a repeated string store has done one step and RIP stays until the count is used
 * up), or another trap has been injected. False: not such an instruction, or refused; nothing has
 * changed.
 */
bool emulate_store(struct cpu_user_regs *regs, uint64_t fault_va, const struct store_ops *ops,
                   void *ctx) must_check;

/* ---- Shared by the emulators (emulate/fetch.c) ---------------------------------------------- */

enum fetch_result { FETCH_OK, FETCH_REFUSED, FETCH_FAULTED /* a #PF has been injected */ };

/* Read the instruction at RIP, once, and decode it. Only 64-bit code is understood. */
enum fetch_result fetch_insn(struct cpu_user_regs *regs, struct insn *out) must_check;
/* Linear address of a segment's offset 0: only FS and GS have a base other than 0. */
uint64_t segment_base(unsigned segment);
/* A guest's data access to `va` failed after `done` bytes: inject the #PF. */
void inject_data_fault(uint64_t va, size_t done, bool write);
/* The instruction is done: step over it, and take the single-step trap if one is due. */
void retire_insn(struct cpu_user_regs *regs, unsigned length);

/* ---- Port I/O (emulate/io.c) ---------------------------------------------------------------- */

enum io_result {
    IO_DONE,
    IO_AGAIN /* RIP stays: a repeated one goes on */,
    IO_REFUSED,
    IO_FAULTED
};

enum io_result emulate_io(struct vcpu *v, struct cpu_user_regs *regs,
                          const struct insn *i) must_check;

#endif

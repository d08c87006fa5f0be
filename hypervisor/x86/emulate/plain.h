/* SPDX-License-Identifier: BSD-2-Clause */
/* The commonest stores to page tables, without a decoder's detour (emulate/store.c). */
#ifndef X86_EMULATE_PLAIN_H
#define X86_EMULATE_PLAIN_H

#include "core/abi.h"

/*
 * The two stores to page tables that kernels nearly always make, XCHG and MOV of a whole entry from
 * a register, to fault_va by a register and a displacement, in their own 64-bit segment: known by
 * their first bytes. *s is the last one found, zero at first: the same bytes mean the same. False:
 * it is none of these, or it cannot be told. Nothing is done yet.
 */
struct plain_store {
    uint64_t code; /* the eight bytes that the rest was decoded from */
    int64_t displacement;
    /* Registers, by their words in struct cpu_user_regs. */
    uint8_t reg;    /* what is stored */
    uint8_t base;   /* where, but for the displacement */
    uint8_t length; /* of the instruction, for retire_insn(); 0: nothing was decoded yet */
    bool exchanges; /* reg gets what was there */
};
bool plain_store_find(struct cpu_user_regs *regs, uint64_t fault_va,
                      struct plain_store *s) must_check;

#endif

/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Exceptions. Without a handler, one prints the registers and the call chain, and ends the domain.
 *
 * A handler may change the frame and return true: execution goes on with it. Handlers run with
 * events disabled (as they were set by the trap), on the same stack, and may fault themselves.
 */
#ifndef PV_TRAP_H
#define PV_TRAP_H

#include <pv/abi.h>

#define TRAP_VECTORS 32

enum {
    TRAP_DE = 0,
    TRAP_DB = 1,
    TRAP_NMI = 2,
    TRAP_BP = 3,
    TRAP_OF = 4,
    TRAP_BR = 5,
    TRAP_UD = 6,
    TRAP_NM = 7,
    TRAP_DF = 8,
    TRAP_TS = 10,
    TRAP_NP = 11,
    TRAP_SS = 12,
    TRAP_GP = 13,
    TRAP_PF = 14,
    TRAP_MF = 16,
    TRAP_AC = 17,
    TRAP_XF = 19,
};

/* The vector is 0x80 to 0xff for `int n`. */
struct trap_frame {
    uint64_t r15, r14, r13, r12, rbp, rbx, r11, r10, r9, r8, rax, rcx, rdx, rsi, rdi;
    uint64_t vector, error; /* error: 0 where the vector has none */
    uint64_t rip, cs, rflags, rsp, ss;
};

typedef bool trap_handler(struct trap_frame *frame);

/* For all vCPUs; NULL: none. Returns what was set before. */
trap_handler *trap_set_handler(unsigned vector, trap_handler *handler);

/* The address of a page fault, on this vCPU: valid until the next one. */
unsigned long trap_fault_address(void);

/* What came of a call that may fault. */
struct trap_result {
    int vector;                   /* -1: it returned */
    uint64_t error, rip, address; /* address: of a page fault */
    unsigned long value;          /* what it returned */
};

/*
 * Calls function(argument) on this stack. A trap within it, unless a handler deals with it, ends
 * the call, and everything but memory is as before it. Calls may nest.
 */
struct trap_result trap_catch(unsigned long (*function)(void *argument), void *argument);

/* Reads or writes of 8 bytes that may fault: true when it worked. */
bool try_read(const void *address, uint64_t *value);
bool try_write(void *address, uint64_t value);

/* Registers, and the call chain by frame pointers, on the console. */
void trap_dump(const struct trap_frame *frame);

/*
 * User mode. Enters it with these registers (rip, rsp, rflags, the general ones) and returns at the
 * next trap, SYSCALL or event of this vCPU out of user mode, with them as they are then:
 *   TRAP_* or 0x80..0xff    an exception, or int n
 *   USER_SYSCALL            SYSCALL instruction (64-bit code)
 *   USER_SYSCALL32, USER_SYSENTER   of 32-bit code
 *   USER_FAILSAFE           a selector of DS, ES, FS or GS cannot be loaded any more
 *
 * Events are handled meanwhile and do not end it. The page table of user mode is set beforehand by
 * MMUEXT_NEW_USER_BASEPTR (pv/memory.h: user_tables_make()).
 */
#define USER_SYSCALL   0x100
#define USER_SYSCALL32 0x101
#define USER_SYSENTER  0x102
#define USER_FAILSAFE  0x103
int user_enter(struct trap_frame *registers);

/* The selectors of flat segments at CPL 3 for user code (the ABI's, of xen-x86_64.h). */
#define USER_CS64 FLAT_RING3_CS64
#define USER_CS32 FLAT_RING3_CS32
#define USER_SS   FLAT_RING3_SS64

#endif

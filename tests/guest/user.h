/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A small user address space for tests: a page of code, a page of data and a page of stack, below
 * 4 GiB, so that 32-bit code can run there. What the test's user code is, it says in assembly
 * between the labels user_code and user_code_end; it must not depend on where it lies.
 */
#ifndef USER_H
#define USER_H

#include <pv/memory.h>
#include <pv/trap.h>

#include <string.h>

#define USER_CODE  0x10000000ul
#define USER_DATA  (USER_CODE + PAGE_SIZE)
#define USER_STACK (USER_CODE + 3 * PAGE_SIZE) /* its top */

extern const char user_code[], user_code_end[];

struct user_space {
    void *code, *data; /* as the kernel sees these pages */
    unsigned long root;
};

/* False: memory ran out. The space is this vCPU's user mode from now on. */
static inline bool user_space_make(struct user_space *space)
{
    char *pages = pages_alloc(2);
    if (pages == NULL)
        return false;
    memcpy(pages, user_code, (size_t)(user_code_end - user_code));
    space->code = pages;
    space->data = pages + PAGE_SIZE;
    space->root = user_tables_make(USER_CODE, pages, 3, PTE_P | PTE_RW | PTE_US | PTE_A | PTE_D);
    return space->root != 0;
}

/* Where a label of the user code lies in user mode. */
static inline unsigned long user_address(const char *label)
{
    return USER_CODE + (unsigned long)(label - user_code);
}

/* Registers to enter user mode at a label with, in 64-bit code. */
static inline struct trap_frame user_at(const char *label)
{
    return (struct trap_frame){.rip = user_address(label),
                               .cs = USER_CS64,
                               .rflags = 0x202,
                               .rsp = USER_STACK,
                               .ss = USER_SS};
}

#endif

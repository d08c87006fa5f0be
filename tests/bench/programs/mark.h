/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Marks: instructions that do nothing, and that the plugin (count.c) knows by their bytes wherever
 * they lie, NOPL disp32(%rax) with a displacement that no compiler writes. One ends a section of
 * what is counted and begins the next.
 */
#ifndef MARK_H
#define MARK_H

/* Also in count.c. */
#define MARK_BASE 0x50560000

enum {
#define MARK(name) MARK_##name,
#include "marks.def"
#undef MARK
    MARKS
};

#define MARK_HERE(name)                                                                            \
    __asm__ volatile("nopl %c0(%%rax)" ::"i"(MARK_BASE + MARK_##name) : "memory")

/* Defines op_NAME(n), an operation done n times: what follows is its body. */
#define OPERATION(name)                                                                            \
    static void body_##name(unsigned n);                                                           \
    static __attribute__((noinline)) void op_##name(unsigned n)                                    \
    {                                                                                              \
        MARK_HERE(name);                                                                           \
        body_##name(n);                                                                            \
        MARK_HERE(end);                                                                            \
    }                                                                                              \
    static void body_##name(unsigned n)

#endif

/* SPDX-License-Identifier: BSD-2-Clause */
/* The program that micro.c executes: it ends at once, so that no C library's start is in the
 * figure. */
#include <sys/syscall.h>

#define PAGE  4096
#define PAGES 16

static char memory[PAGES * PAGE] __attribute__((aligned(PAGE)));

_Noreturn void _start(void);
void _start(void)
{
    for (int i = 0; i < PAGES; i++)
        *(volatile char *)(memory + i * PAGE) = 1;
    __asm__ volatile("syscall" ::"a"(SYS_exit_group), "D"(0));
    __builtin_unreachable();
}

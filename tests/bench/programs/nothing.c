/* SPDX-License-Identifier: BSD-2-Clause */
/* The program that micro.c executes: it ends at once, so that no C library's start is in the
 * figure. */
#include <sys/syscall.h>

_Noreturn void _start(void);
void _start(void)
{
    __asm__ volatile("syscall" ::"a"(SYS_exit_group), "D"(0));
    __builtin_unreachable();
}

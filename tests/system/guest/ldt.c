/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Segments of the local descriptor table, first used in user mode: each page of the table is shown
 * to the CPU only then. Prints TAP.
 */
#define _GNU_SOURCE
#include <asm/ldt.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#define SEGMENT_BASE 0x10000000u
#define MARK         0xfeedu

int main(void)
{
    /* The first and last of the table's first page, the first of its second, the last of all. */
    static const unsigned entries[] = {0, 511, 512, 8191};
    const unsigned count = sizeof(entries) / sizeof(entries[0]);
    unsigned *memory = mmap((void *)(unsigned long)SEGMENT_BASE, 4096, PROT_READ | PROT_WRITE,
                            MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
    int failures = 0;

    *memory = MARK;
    printf("1..%u\n", count);
    for (unsigned i = 0; i < count; i++) {
        struct user_desc segment = {.entry_number = entries[i],
                                    .base_addr = SEGMENT_BASE,
                                    .limit = 0xfff,
                                    .seg_32bit = 1,
                                    .useable = 1};
        unsigned value = 0, selector = entries[i] * 8 | 7;
        int good = syscall(SYS_modify_ldt, 1, &segment, sizeof(segment)) == 0;
        if (good)
            __asm__ volatile("mov %1, %%gs\n\tmovl %%gs:0, %0\n\tmov %2, %%gs"
                             : "=&r"(value)
                             : "r"(selector), "r"(0));
        good = good && value == MARK;
        failures += !good;
        printf("%sok %u - entry %u\n", good ? "" : "not ", i + 1, entries[i]);
    }
    return failures != 0;
}

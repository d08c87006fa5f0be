/* SPDX-License-Identifier: BSD-2-Clause */
/* Copying to and from the current guest's virtual memory; see core/guest.h. */
#include <arch/guest.h>

#include "x86/alternative.h"
#include "x86/extable.h"

/*
 * Copy eight bytes at a time and the rest singly. On a fault in the first loop the rest is left to
 * the second, which finds the exact byte. Returns what was not copied.
 */
static size_t copy_catching(void *dst, const void *src, size_t n)
{
    size_t words = n / 8, rest = n % 8;
    guest_access_begin();
    __asm__ volatile("1: rep movsq\n"
                     "   mov %[rest], %%rcx\n"
                     "2: rep movsb\n"
                     "3:\n"
                     ".pushsection .text.fixup, \"ax\"\n"
                     "4: lea (%[rest], %%rcx, 8), %%rcx\n"
                     "   jmp 2b\n"
                     ".popsection\n" EXTABLE_ASM("1b", "2b", "4b") EXTABLE_ASM("2b", "3b", "3b")
                     : "+c"(words), "+D"(dst), "+S"(src)
                     : [rest] "r"(rest)
                     : "memory");
    guest_access_end();
    return words;
}

size_t guest_copy_in(void *dst, vaddr_t src, size_t n)
{
    if (!guest_range_ok(src, n))
        return n;
    return copy_catching(dst, (const void *)src.v, n);
}

size_t guest_copy_out(vaddr_t dst, const void *src, size_t n)
{
    if (!guest_range_ok(dst, n))
        return n;
    return copy_catching((void *)dst.v, src, n);
}

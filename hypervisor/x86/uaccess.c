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

/*
 * One word, which most copies are, or half of one: numbers of ports, domains, commands. In one
 * access; what faults is left to copy_catching(), which finds the byte.
 */
#define DEFINE_GET(name, type, mov)                                                                \
    static bool name(type *dst, const type *src)                                                   \
    {                                                                                              \
        type value;                                                                                \
                                                                                                   \
        guest_access_begin();                                                                      \
        __asm__ goto("1: " mov " %1, %0\n"                                                         \
                     "2:\n" EXTABLE_ASM("1b", "2b", "%l[fault]")                                   \
                     : "=r"(value)                                                                 \
                     : "m"(*src)                                                                   \
                     :                                                                             \
                     : fault);                                                                     \
        guest_access_end();                                                                        \
        *dst = value;                                                                              \
        return true;                                                                               \
    fault:                                                                                         \
        guest_access_end();                                                                        \
        return false;                                                                              \
    }

DEFINE_GET(get_word, uint64_t, "movq")
DEFINE_GET(get_half, uint32_t, "movl")

/* Two words: a request of mmu_update. */
static bool get_pair(uint64_t dst[2], const uint64_t src[2])
{
    uint64_t first, second;

    guest_access_begin();
    __asm__ goto("1: movq %2, %0\n"
                 "   movq %3, %1\n"
                 "2:\n" EXTABLE_ASM("1b", "2b", "%l[fault]")
                 : "=&r"(first), "=r"(second)
                 : "m"(src[0]), "m"(src[1])
                 :
                 : fault);
    guest_access_end();
    dst[0] = first;
    dst[1] = second;
    return true;
fault:
    guest_access_end();
    return false;
}

static bool put_word(uint64_t *dst, uint64_t word)
{
    guest_access_begin();
    __asm__ goto("1: movq %1, %0\n"
                 "2:\n" EXTABLE_ASM("1b", "2b", "%l[fault]")
                 :
                 : "m"(*dst), "r"(word)
                 : "memory"
                 : fault);
    guest_access_end();
    return true;
fault:
    guest_access_end();
    return false;
}

size_t guest_copy_in(void *dst, vaddr_t src, size_t n)
{
    if (!guest_range_ok(src, n))
        return n;
    if (n == sizeof(uint64_t) && get_word(dst, (const uint64_t *)src.v))
        return 0;
    if (n == sizeof(uint32_t) && get_half(dst, (const uint32_t *)src.v))
        return 0;
    if (n == 2 * sizeof(uint64_t) && get_pair(dst, (const uint64_t *)src.v))
        return 0;
    return copy_catching(dst, (const void *)src.v, n);
}

size_t guest_copy_out(vaddr_t dst, const void *src, size_t n)
{
    if (!guest_range_ok(dst, n))
        return n;
    if (n == sizeof(uint64_t) && put_word((uint64_t *)dst.v, *(const uint64_t *)src))
        return 0;
    return copy_catching((void *)dst.v, src, n);
}

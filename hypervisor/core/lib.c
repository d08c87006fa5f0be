/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Memory and string functions under the names that compilers emit calls to. The host's unit tests
 * link the host's own instead of this file; what is not in a C library is in core/fmt.c.
 *
 * The barriers in the loops keep the compiler from recognizing a loop as the function that it
 * implements, and calling that.
 */
#include "core/lib.h"

#include "core/atomic.h"

/* A word at any address: x86 reads and writes it in one instruction. */
typedef struct {
    uint64_t v;
} __attribute__((packed, may_alias)) word_t;

/*
 * String instructions take a while to start, and then move more at a time than a loop does (Intel
 * 64 and IA-32 Optimization Reference Manual, "REP MOVSB, enhanced"): for what is at least as long
 * as this.
 */
#define STRING_MIN 128u

#if defined(__x86_64__)
static inline void copy_words(char **d, const char **s, size_t words)
{
    __asm__ volatile("rep movsq" : "+D"(*d), "+S"(*s), "+c"(words) : : "memory");
}

static inline void fill_words(char **d, word_t fill, size_t words)
{
    __asm__ volatile("rep stosq" : "+D"(*d), "+c"(words) : "a"(fill.v) : "memory");
}
#else
static inline void copy_words(char **d, const char **s, size_t words)
{
    for (; words > 0; words--, *d += sizeof(word_t), *s += sizeof(word_t)) {
        *(word_t *)*d = *(const word_t *)*s;
        compiler_barrier();
    }
}

static inline void fill_words(char **d, word_t fill, size_t words)
{
    for (; words > 0; words--, *d += sizeof(word_t)) {
        *(word_t *)*d = fill;
        compiler_barrier();
    }
}
#endif

void *memcpy(void *dst, const void *src, size_t n)
{
    char *d = dst;
    const char *s = src;

    if (n >= STRING_MIN) {
        copy_words(&d, &s, n / sizeof(word_t));
        n %= sizeof(word_t);
    }
    for (; n >= 4 * sizeof(word_t); n -= 4 * sizeof(word_t)) {
        const word_t *from = (const word_t *)s;
        word_t *to = (word_t *)d;
        word_t a = from[0], b = from[1], c = from[2], e = from[3];

        to[0] = a;
        to[1] = b;
        to[2] = c;
        to[3] = e;
        d += 4 * sizeof(word_t);
        s += 4 * sizeof(word_t);
        compiler_barrier();
    }
    for (; n >= sizeof(word_t); n -= sizeof(word_t)) {
        *(word_t *)d = *(const word_t *)s;
        d += sizeof(word_t);
        s += sizeof(word_t);
        compiler_barrier();
    }
    for (; n > 0; n--) {
        *d++ = *s++;
        compiler_barrier();
    }
    return dst;
}

void *memmove(void *dst, const void *src, size_t n)
{
    char *d = dst;
    const char *s = src;

    /* A copy upwards never overwrites what it has still to read when dst is below src. */
    if ((uintptr_t)d - (uintptr_t)s >= n)
        return memcpy(dst, src, n);
    while (n >= sizeof(word_t)) {
        n -= sizeof(word_t);
        *(word_t *)(d + n) = *(const word_t *)(s + n);
        compiler_barrier();
    }
    while (n > 0) {
        n--;
        d[n] = s[n];
        compiler_barrier();
    }
    return dst;
}

void *memset(void *dst, int c, size_t n)
{
    char *d = dst;
    word_t fill = {0x0101010101010101ull * (unsigned char)c};

    if (n >= STRING_MIN) {
        fill_words(&d, fill, n / sizeof(word_t));
        n %= sizeof(word_t);
    }
    for (; n >= 4 * sizeof(word_t); n -= 4 * sizeof(word_t)) {
        word_t *to = (word_t *)d;

        to[0] = fill;
        to[1] = fill;
        to[2] = fill;
        to[3] = fill;
        d += 4 * sizeof(word_t);
        compiler_barrier();
    }
    for (; n > 0; n--) {
        *d++ = (char)c;
        compiler_barrier();
    }
    return dst;
}

int memcmp(const void *a, const void *b, size_t n)
{
    const unsigned char *x = a, *y = b;

    for (; n > 0; n--, x++, y++)
        if (*x != *y)
            return *x - *y;
    return 0;
}

size_t strlen(const char *s)
{
    size_t n = 0;

    while (s[n] != '\0') {
        n++;
        compiler_barrier();
    }
    return n;
}

size_t strnlen(const char *s, size_t max)
{
    size_t n = 0;

    while (n < max && s[n] != '\0')
        n++;
    return n;
}

int strcmp(const char *a, const char *b)
{
    while (*a != '\0' && *a == *b) {
        a++;
        b++;
    }
    return (unsigned char)*a - (unsigned char)*b;
}

int strncmp(const char *a, const char *b, size_t n)
{
    for (; n > 0; n--, a++, b++)
        if (*a != *b || *a == '\0')
            return (unsigned char)*a - (unsigned char)*b;
    return 0;
}

char *strchr(const char *s, int c)
{
    for (; *s != (char)c; s++)
        if (*s == '\0')
            return NULL;
    return (char *)(uintptr_t)s;
}

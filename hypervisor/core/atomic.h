/* SPDX-License-Identifier: BSD-2-Clause */
/* Atomic operations and atomic bitmaps, sequentially consistent unless named otherwise. */
#ifndef CORE_ATOMIC_H
#define CORE_ATOMIC_H

#include "core/types.h"

#define atomic_load(p)         __atomic_load_n((p), __ATOMIC_ACQUIRE)
#define atomic_store(p, val)   __atomic_store_n((p), (val), __ATOMIC_RELEASE)
#define atomic_swap(p, val)    __atomic_exchange_n((p), (val), __ATOMIC_SEQ_CST)
#define atomic_fetch_add(p, n) __atomic_fetch_add((p), (n), __ATOMIC_SEQ_CST)
#define atomic_fetch_sub(p, n) __atomic_fetch_sub((p), (n), __ATOMIC_SEQ_CST)
#define atomic_fetch_or(p, n)  __atomic_fetch_or((p), (n), __ATOMIC_SEQ_CST)
#define atomic_fetch_and(p, n) __atomic_fetch_and((p), (n), __ATOMIC_SEQ_CST)
/* Compare-and-exchange: true when *p was *old and is now val; else *old holds what *p was. */
#define atomic_cas(p, old, val)                                                                    \
    __atomic_compare_exchange_n((p), (old), (val), false, __ATOMIC_SEQ_CST, __ATOMIC_ACQUIRE)
#define memory_barrier()   __atomic_thread_fence(__ATOMIC_SEQ_CST)
#define compiler_barrier() __asm__ volatile("" ::: "memory")

#define BITS_PER_LONG      64u
#define BITMAP_LONGS(bits) DIV_ROUND_UP(bits, BITS_PER_LONG)

static inline bool bit_test(unsigned nr, const unsigned long *map)
{
    return (READ_ONCE(map[nr / BITS_PER_LONG]) >> (nr % BITS_PER_LONG)) & 1;
}

/* Each returns the bit's former value. */
static inline bool bit_test_and_set(unsigned nr, unsigned long *map)
{
    unsigned long bit = 1ul << (nr % BITS_PER_LONG);
    return (atomic_fetch_or(&map[nr / BITS_PER_LONG], bit) & bit) != 0;
}

static inline bool bit_test_and_clear(unsigned nr, unsigned long *map)
{
    unsigned long bit = 1ul << (nr % BITS_PER_LONG);
    return (atomic_fetch_and(&map[nr / BITS_PER_LONG], ~bit) & bit) != 0;
}

static inline void bit_set(unsigned nr, unsigned long *map)
{
    (void)bit_test_and_set(nr, map);
}

static inline void bit_clear(unsigned nr, unsigned long *map)
{
    (void)bit_test_and_clear(nr, map);
}

/* First set (or clear) bit at or after `from`; `bits` when there is none. Not a snapshot. */
unsigned bitmap_find_set(const unsigned long *map, unsigned bits, unsigned from);
unsigned bitmap_find_clear(const unsigned long *map, unsigned bits, unsigned from);

/*
 * Clamp `index` to below `size` without a branch, for use after the bounds check that a
 * mispredicted branch may have run past (Spectre variant 1). An index out of range becomes 0.
 */
static inline unsigned long array_index_nospec(unsigned long index, unsigned long size)
{
    unsigned long mask;
#if defined(__x86_64__)
    __asm__ volatile("cmp %1, %2; sbb %0, %0" : "=r"(mask) : "r"(size), "r"(index) : "cc");
#else
    mask = index < size ? ~0ul : 0ul;
#endif
    return index & mask;
}

#endif

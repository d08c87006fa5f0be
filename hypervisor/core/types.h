/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Scalar types of the hypervisor.
 *
 * Each kind of number that a guest, a machine or a page table uses is a structure of one member, so
 * that mixing two kinds does not compile. The public ABI's own integer typedefs stay at the
 * boundary: core/abi.h renames those that would collide.
 */
#ifndef CORE_TYPES_H
#define CORE_TYPES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define PAGE_SHIFT 12u
#define PAGE_SIZE  (1ul << PAGE_SHIFT)
#define PAGE_MASK  (~(PAGE_SIZE - 1))

/* clang-format off */
typedef struct { uint64_t v; } mfn_t;         /* machine frame number */
typedef struct { uint64_t v; } pfn_t;         /* guest pseudo-physical frame number */
typedef struct { uint64_t v; } maddr_t;       /* machine (physical) address, bytes */
typedef struct { uint64_t v; } vaddr_t;       /* guest virtual address */
typedef struct { uint32_t v; } evtchn_port_t; /* event channel of one domain */
typedef struct { uint32_t v; } grant_ref_t;   /* index into a domain's grant table */
typedef struct { uint16_t v; } domid_t;       /* domain identifier, DOMID_* included */
/* clang-format on */

#define MFN(x)         ((mfn_t){(x)})
#define PFN(x)         ((pfn_t){(x)})
#define MADDR(x)       ((maddr_t){(x)})
#define VADDR(x)       ((vaddr_t){(x)})
#define EVTCHN_PORT(x) ((evtchn_port_t){(x)})
#define GRANT_REF(x)   ((grant_ref_t){(x)})
#define DOMID(x)       ((domid_t){(x)})

#define INVALID_MFN MFN(~0ull)

static inline bool mfn_eq(mfn_t a, mfn_t b)
{
    return a.v == b.v;
}

static inline mfn_t mfn_add(mfn_t m, uint64_t n)
{
    return MFN(m.v + n);
}

static inline maddr_t mfn_to_maddr(mfn_t m)
{
    return MADDR(m.v << PAGE_SHIFT);
}

static inline mfn_t maddr_to_mfn(maddr_t a)
{
    return MFN(a.v >> PAGE_SHIFT);
}

/* A time span or a point in time since boot, in nanoseconds. */
typedef int64_t ns_t;
#define NS_PER_SEC 1000000000ll
#define NS_PER_MS  1000000ll
#define NS_PER_US  1000ll
#define NS_NEVER   INT64_MAX

#define must_check                      __attribute__((warn_unused_result))
#define noreturn_fn                     __attribute__((noreturn))
#define printf_like(fmt, args)          __attribute__((format(printf, fmt, args)))
#define likely(x)                       __builtin_expect(!!(x), 1)
#define unlikely(x)                     __builtin_expect(!!(x), 0)
#define ARRAY_SIZE(a)                   (sizeof(a) / sizeof((a)[0]))
#define container_of(ptr, type, member) ((type *)((char *)(ptr)-offsetof(type, member)))
#define static_assert _Static_assert
#define ROUND_UP(x, a)     (((x) + (a)-1) & ~((a)-1))
#define DIV_ROUND_UP(x, a) (((x) + (a)-1) / (a))

#define MIN(a, b)                                                                                  \
    ({                                                                                             \
        __typeof__(a) min_a_ = (a);                                                                \
        __typeof__(b) min_b_ = (b);                                                                \
        min_a_ < min_b_ ? min_a_ : min_b_;                                                         \
    })
#define MAX(a, b)                                                                                  \
    ({                                                                                             \
        __typeof__(a) max_a_ = (a);                                                                \
        __typeof__(b) max_b_ = (b);                                                                \
        max_a_ > max_b_ ? max_a_ : max_b_;                                                         \
    })

/* A plain load or store that the compiler may neither tear, repeat nor elide. */
#define READ_ONCE(x)       (*(const volatile __typeof__(x) *)&(x))
#define WRITE_ONCE(x, val) (*(volatile __typeof__(x) *)&(x) = (val))

/* Largest number of logical CPUs, and of vCPUs of one domain. */
#define NR_CPUS   64u
#define MAX_VCPUS 128u

#endif

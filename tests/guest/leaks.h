/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Looking for what the hypervisor should not have told: for tests of leaks.
 *
 * The debug hypervisor fills free frames, and the stack below the one in use, with POISON. What it
 * hands out without having set it shows it. Besides, nothing that it gives is an address of its
 * own, but for where the guest's part of the machine-to-phys table lies.
 */
#ifndef LEAKS_H
#define LEAKS_H

/* The table has what a control domain may do, too. */
#define __XEN_TOOLS__ 1
#include <pv/hypercall.h>
#include <pv/smp.h>
#include <xen/domctl.h>
#include <xen/sysctl.h>

#include "tap.h"

#define POISON 0xdb /* hypervisor/core/lib.h */

/* Names of the hypervisor in the table's type column, for types of the ABI. */
typedef domid_t xen_domid_t;
typedef struct {
    uint64_t v;
} vaddr_t;

enum leak_direction { LEAK_NONE, LEAK_IN, LEAK_OUT, LEAK_INOUT, LEAK_RAW };

/* Rows of hypervisor/core/hypercalls.def whose argument is a structure of known size. */
struct leak_row {
    const char *name;
    unsigned nr, command, size;
    enum leak_direction direction;
    bool vcpu; /* (command, vCPU, pointer) */
};

#define LEAK_SIZE(type) _Generic((type *)NULL, void * : 0, default : sizeof(type))

static const struct leak_row leak_rows[] = {
#define HYPERCALL(call, args, style, what, doc)
#define SUBOP(call, cmd, handler, type, dir, doc)                                                  \
    {#cmd,       __HYPERVISOR_##call,                                                              \
     (cmd),      LEAK_SIZE(type),                                                                  \
     LEAK_##dir, __HYPERVISOR_##call == __HYPERVISOR_vcpu_op},
#include "core/hypercalls.def"
#undef HYPERCALL
#undef SUBOP
};
#define LEAK_ROWS (sizeof(leak_rows) / sizeof(leak_rows[0]))

static inline long leak_call(const struct leak_row *row, void *argument)
{
    return hypercall(row->nr, row->command, row->vcpu ? this_vcpu() : (unsigned long)argument,
                     (unsigned long)argument, 0, 0);
}

/* Where in the data poison lies, four bytes of it together, or -1. */
static inline long leak_poison(const void *data, size_t size)
{
    const uint8_t *byte = data;
    unsigned run = 0;
    for (size_t i = 0; i < size; i++) {
        run = byte[i] == POISON ? run + 1 : 0;
        if (run == 4)
            return (long)i - 3;
    }
    return -1;
}

static inline bool leak_is_address(uint64_t word)
{
    return word > HYPERVISOR_VIRT_START + (1ull << 38) && word < HYPERVISOR_VIRT_END;
}

/* Where an address of the hypervisor lies, at a multiple of 4, or -1. */
static inline long leak_address(const void *data, size_t size)
{
    for (size_t i = 0; i + 8 <= size; i += 4) {
        uint64_t word;
        memcpy(&word, (const char *)data + i, 8);
        if (leak_is_address(word))
            return (long)i;
    }
    return -1;
}

#endif

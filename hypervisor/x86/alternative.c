/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Instructions chosen at boot, written through the direct map before paging_init(). From then on
 * the code is mapped read-only; only traps_init.c writes into it, with CR0.WP off.
 */
#include "x86/alternative.h"

#include <arch/memory.h>

#include "core/lib.h"
#include "x86/boot/boot.h"

struct alternative {
    uint64_t site;
    uint8_t feature;
    uint8_t length;
    uint8_t bytes[14];
};
static_assert(sizeof(struct alternative) == 24, "as ALT_SITE lays it out");

extern const struct alternative alternatives_start[], alternatives_end[];

extern const uint16_t verw_selector; /* entry.S */
extern const char fill_return_stack[];

/*
 * What the last four bytes of the instruction name, relative to its end; NULL: they are what they
 * are.
 */
static const void *operand(unsigned feature)
{
    switch (feature) {
    case ALT_VERW:
        return &verw_selector;
    case ALT_RSB:
        return fill_return_stack;
    default:
        return NULL;
    }
}

void alternatives_apply(uint32_t features)
{
    for (const struct alternative *a = alternatives_start; a < alternatives_end; a++) {
        if (!(features & (1u << a->feature)))
            continue;
        void *site = maddr_to_virt(image_maddr((void *)a->site));
        memcpy(site, a->bytes, a->length);
        if (operand(a->feature) != NULL) {
            int32_t distance = (int32_t)((uint64_t)operand(a->feature) - (a->site + a->length));
            memcpy((uint8_t *)site + a->length - sizeof(distance), &distance, sizeof(distance));
        }
    }
}

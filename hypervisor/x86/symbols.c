/* SPDX-License-Identifier: BSD-2-Clause */
/* Looking up the symbol table, which is sorted by address. */
#include "x86/symbols.h"

#include "x86/boot/boot.h"

struct symbol {
    uint32_t offset; /* from IMAGE_VIRT_START */
    uint32_t name;   /* from the first name */
};

struct symbol_table {
    uint32_t count;
    struct symbol symbol[]; /* the names follow */
};

/* Empty in the first of the two links (Makefile). */
extern const struct symbol_table hv_symbols;

static const char *name_of(const struct symbol *s)
{
    return (const char *)&hv_symbols.symbol[hv_symbols.count] + s->name;
}

bool is_text_address(uintptr_t addr)
{
    return addr >= (uintptr_t)image_start && addr < (uintptr_t)image_text_end;
}

const char *symbol_find(uintptr_t addr, size_t *offset)
{
    unsigned low = 0, high = hv_symbols.count;
    uint32_t wanted = (uint32_t)(addr - IMAGE_VIRT_START);

    if (!is_text_address(addr))
        return NULL;
    /* Invariant: symbols below `low` start at or before the address, those from `high` on after it.
     */
    while (low < high) {
        unsigned middle = low + (high - low) / 2;

        if (hv_symbols.symbol[middle].offset <= wanted)
            low = middle + 1;
        else
            high = middle;
    }
    if (low == 0)
        return NULL;
    *offset = wanted - hv_symbols.symbol[low - 1].offset;
    return name_of(&hv_symbols.symbol[low - 1]);
}

bool symbol_at(unsigned index, uintptr_t *addr, const char **name)
{
    if (index >= hv_symbols.count)
        return false;
    *addr = IMAGE_VIRT_START + hv_symbols.symbol[index].offset;
    *name = name_of(&hv_symbols.symbol[index]);
    return true;
}

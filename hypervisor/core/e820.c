/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The memory map. Once sanitized a map is sorted by address, no two of its entries overlap or touch
 * with the same type, none is empty, and none reaches past the end of the address space.
 */
#include "core/e820.h"
#include "core/lib.h"

struct e820_map e820;

/* Which type wins where two overlap: whatever allows less. A type unknown to us may mean anything.
 */
static unsigned restriction(uint32_t type)
{
    switch (type) {
    case E820_RAM:
        return 0;
    case E820_ACPI:
        return 1;
    case E820_NVS:
        return 2;
    case E820_RESERVED:
        return 3;
    case E820_UNUSABLE:
        return 5;
    default:
        return 4;
    }
}

static uint64_t entry_end(const struct e820_entry *e)
{
    return e->addr + e->size;
}

/* Add a range behind all others, united with the last if they are alike. False when the map is
 * full. */
static bool append(struct e820_map *map, uint64_t start, uint64_t end, uint32_t type)
{
    if (start >= end)
        return true;
    if (map->count) {
        struct e820_entry *last = &map->entry[map->count - 1];
        if (last->type == type && entry_end(last) == start) {
            last->size += end - start;
            return true;
        }
    }
    if (map->count == E820_MAX)
        return false;
    map->entry[map->count++] =
        (struct e820_entry){.addr = start, .size = end - start, .type = type};
    return true;
}

/* The lowest start or end of an entry at or above `from`; false when there is none. */
static bool next_boundary(const struct e820_map *map, uint64_t from, uint64_t *out)
{
    bool found = false;

    for (unsigned i = 0; i < map->count; i++) {
        const uint64_t edge[2] = {map->entry[i].addr, entry_end(&map->entry[i])};
        for (unsigned k = 0; k < 2; k++) {
            if (edge[k] < from || (found && edge[k] >= *out))
                continue;
            *out = edge[k];
            found = true;
        }
    }
    return found;
}

/* The most restrictive entry that contains this address, or NULL. */
static const struct e820_entry *strictest_at(const struct e820_map *map, uint64_t addr)
{
    const struct e820_entry *best = NULL;

    for (unsigned i = 0; i < map->count; i++) {
        const struct e820_entry *e = &map->entry[i];
        if (addr < e->addr || addr >= entry_end(e))
            continue;
        if (!best || restriction(e->type) > restriction(best->type))
            best = e;
    }
    return best;
}

static void drop_invalid(struct e820_map *map)
{
    unsigned kept = 0;

    map->count = MIN(map->count, E820_MAX);
    for (unsigned i = 0; i < map->count; i++) {
        struct e820_entry e = map->entry[i];
        if (e.size && e.addr + e.size > e.addr)
            map->entry[kept++] = e;
    }
    map->count = kept;
}

bool e820_sanitize(struct e820_map *map)
{
    struct e820_map clean = {.count = 0};
    uint64_t at, next = 0;

    drop_invalid(map);
    /* From boundary to boundary: between two of them the entries that apply do not change. */
    for (bool more = next_boundary(map, 0, &at); more; at = next) {
        more = next_boundary(map, at + 1, &next);
        const struct e820_entry *e = more ? strictest_at(map, at) : NULL;
        /* What finds no room any more is not used: it was not RAM, or is lost, but never misused.
         */
        if (e && !append(&clean, at, next, e->type))
            break;
    }
    *map = clean;
    return e820_ram_bytes(map) != 0;
}

bool e820_all(const struct e820_map *map, uint64_t start, uint64_t end, uint32_t type)
{
    for (unsigned i = 0; i < map->count && start < end; i++) {
        const struct e820_entry *e = &map->entry[i];
        if (e->type == type && start >= e->addr && start < entry_end(e))
            start = entry_end(e);
    }
    return start >= end;
}

uint64_t e820_ram_bytes(const struct e820_map *map)
{
    uint64_t bytes = 0;

    for (unsigned i = 0; i < map->count; i++)
        if (map->entry[i].type == E820_RAM)
            bytes += map->entry[i].size;
    return bytes;
}

uint64_t e820_ram_end(const struct e820_map *map)
{
    uint64_t end = 0;

    for (unsigned i = 0; i < map->count; i++)
        if (map->entry[i].type == E820_RAM)
            end = MAX(end, entry_end(&map->entry[i]));
    return end;
}

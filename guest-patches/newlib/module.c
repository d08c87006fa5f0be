/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The boot module as the file /module. When it is a cpio archive of format "newc" (as an initramfs
 * is, not compressed), its files and directories are there too. Nothing is copied.
 */
#include "files.h"
#include "internal.h"

#include <stdio.h>
#include <string.h>

#include <pv/console.h>
#include <pv/memory.h>
#include <pv/start.h>

/* The header of an entry, all fields in text; numbers have eight hexadecimal digits. */
struct newc {
    char magic[6]; /* "070701" */
    char inode[8], mode[8], uid[8], gid[8], links[8], mtime[8], size[8];
    char major[8], minor[8], device_major[8], device_minor[8], name_size[8], check[8];
};
_Static_assert(sizeof(struct newc) == 110, "cpio newc");

#define MODE_TYPE      0170000u
#define MODE_DIRECTORY 0040000u
#define MODE_FILE      0100000u

static size_t number(const char digits[8])
{
    size_t value = 0;

    for (unsigned i = 0; i < 8; i++) {
        char c = (char)(digits[i] | 0x20);
        value = value * 16 + (size_t)(c >= 'a' ? c - 'a' + 10 : c - '0');
    }
    return value;
}

static size_t padded(size_t n)
{
    return (n + 3) & ~(size_t)3;
}

/* One entry; 0 at the archive's end, or the bytes that it takes. */
static size_t entry_load(const char *at, size_t left)
{
    const struct newc *header = (const struct newc *)at;

    if (left < sizeof(*header) || memcmp(header->magic, "070701", 6) != 0)
        return 0;
    size_t name_size = number(header->name_size), size = number(header->size);
    size_t start = padded(sizeof(*header) + name_size), end = start + padded(size);
    const char *name = at + sizeof(*header);
    if (name_size == 0 || start > left || size > left - start || name[name_size - 1] != '\0' ||
        strcmp(name, "TRAILER!!!") == 0)
        return 0;
    unsigned type = (unsigned)number(header->mode) & MODE_TYPE;
    int error = type == MODE_DIRECTORY ? file_make_directory(name)
                : type == MODE_FILE    ? file_add(name, at + start, size)
                                       : 0;
    if (error && type == MODE_FILE)
        console_printf("guest: %s of the boot module: %s\n", name, strerror(error));
    return end < left ? end : 0;
}

void module_load(void)
{
    size_t size = start_info->mod_len, at = 0, step;
    const char *module = start_info->flags & SIF_MOD_START_PFN
                             ? pfn_to_virt(start_info->mod_start)
                             : (const char *)start_info->mod_start;

    if (size == 0)
        return;
    do {
        step = entry_load(module + at, size - at);
        at += step;
    } while (step != 0);
    int error = file_add("/module", module, size);
    if (error)
        console_printf("guest: /module: %s\n", strerror(error));
}

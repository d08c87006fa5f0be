/* SPDX-License-Identifier: BSD-2-Clause */
/* What the boot loader handed over, gathered by the machine layer before anything else runs. */
#ifndef CORE_BOOT_H
#define CORE_BOOT_H

#include "core/e820.h"

#define BOOT_MAX_MODULES 8u
#define BOOT_CMDLINE_MAX 2048u

struct boot_module {
    uint64_t start, end; /* machine bytes [start, end) */
    char cmdline[BOOT_CMDLINE_MAX];
};

struct boot_info {
    char loader[64];
    char cmdline[BOOT_CMDLINE_MAX];
    unsigned nr_modules;
    struct boot_module module[BOOT_MAX_MODULES];
    uint64_t acpi_rsdp; /* machine address, 0: search for it */
    struct {
        uint64_t addr; /* 0: none; text mode is assumed on a BIOS machine */
        uint32_t pitch, width, height;
        uint8_t bpp, red_pos, red_size, green_pos, green_size, blue_pos, blue_size;
        bool text; /* an EGA text buffer at addr */
    } framebuffer;
    bool efi;
    uint64_t efi_system_table;
};

extern struct boot_info boot_info; /* e820 has the memory map */

#endif

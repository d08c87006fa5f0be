/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Layouts of the loader's information: Multiboot 1 (specification 0.6.96, 3.3), Multiboot 2
 * (specification 2.0, 3.6), and of EFI what leads to ACPI (UEFI 2.9, 4.3 and 4.6).
 */
#ifndef X86_BOOT_MULTIBOOT_H
#define X86_BOOT_MULTIBOOT_H

#include "core/types.h"

#define PACKED __attribute__((packed))

/* Both protocols describe the screen alike. */
struct multiboot_framebuffer {
    uint64_t addr;
    uint32_t pitch, width, height;
    uint8_t bpp, type;
} PACKED;
#define MULTIBOOT_FB_RGB  1u
#define MULTIBOOT_FB_TEXT 2u

struct multiboot_colours { /* of MULTIBOOT_FB_RGB */
    uint8_t red_pos, red_size, green_pos, green_size, blue_pos, blue_size;
} PACKED;

/* ---- Multiboot 1 ----------------------------------------------------------------------------- */

#define MB1_HAS_MEM         (1u << 0)
#define MB1_HAS_CMDLINE     (1u << 2)
#define MB1_HAS_MODULES     (1u << 3)
#define MB1_HAS_MMAP        (1u << 6)
#define MB1_HAS_LOADER_NAME (1u << 9)
#define MB1_HAS_FRAMEBUFFER (1u << 12)

struct multiboot1_info {
    uint32_t flags;
    uint32_t mem_lower, mem_upper;
    uint32_t boot_device;
    uint32_t cmdline;
    uint32_t mods_count, mods_addr;
    uint32_t symbols[4];
    uint32_t mmap_length, mmap_addr;
    uint32_t drives_length, drives_addr;
    uint32_t config_table;
    uint32_t loader_name;
    uint32_t apm_table;
    uint32_t vbe[4];
    struct multiboot_framebuffer framebuffer;
    struct multiboot_colours colours;
} PACKED;
static_assert(offsetof(struct multiboot1_info, framebuffer) == 88, "as specified");

struct multiboot1_module {
    uint32_t start, end, string, reserved;
};

struct multiboot1_mmap {
    uint32_t size; /* of what follows */
    uint64_t addr, len;
    uint32_t type;
} PACKED;

/* ---- Multiboot 2 ----------------------------------------------------------------------------- */

#define MB2_END          0u
#define MB2_CMDLINE      1u
#define MB2_LOADER_NAME  2u
#define MB2_MODULE       3u
#define MB2_BASIC_MEMORY 4u
#define MB2_MMAP         6u
#define MB2_FRAMEBUFFER  8u
#define MB2_EFI64        12u
#define MB2_ACPI_OLD     14u
#define MB2_ACPI_NEW     15u

struct multiboot2_info {
    uint32_t total_size, reserved;
};

struct multiboot2_tag {
    uint32_t type, size; /* size: this head included, the padding to 8 bytes not */
};

struct multiboot2_module {
    struct multiboot2_tag tag;
    uint32_t start, end;
    char cmdline[];
};

struct multiboot2_basic_memory {
    struct multiboot2_tag tag;
    uint32_t lower, upper;
};

struct multiboot2_mmap {
    struct multiboot2_tag tag;
    uint32_t entry_size, entry_version;
};

struct multiboot2_mmap_entry {
    uint64_t addr, len;
    uint32_t type, reserved;
};

struct multiboot2_framebuffer {
    struct multiboot2_tag tag;
    struct multiboot_framebuffer fb;
    uint16_t reserved;
    struct multiboot_colours colours;
} PACKED;

struct multiboot2_efi64 {
    struct multiboot2_tag tag;
    uint64_t system_table;
};

/* ---- EFI ------------------------------------------------------------------------------------- */

#define EFI_SYSTEM_TABLE_SIGNATURE 0x5453595320494249ull
#define EFI_MAX_TABLES             256u

struct efi_system_table {
    uint64_t signature;
    uint32_t revision, header_size, crc32, reserved;
    uint64_t vendor;
    uint32_t firmware_revision, pad;
    uint64_t console[6], runtime_services, boot_services;
    uint64_t nr_tables, tables;
};
static_assert(offsetof(struct efi_system_table, nr_tables) == 104, "as specified");

struct efi_configuration {
    uint8_t guid[16];
    uint64_t table;
};

#undef PACKED

#endif

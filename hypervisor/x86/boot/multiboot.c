/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What the boot loader left, by Multiboot 1 (specification 0.6.96, 3.3) or Multiboot 2
 * (specification 2.0, 3.6), copied into boot_info and e820 before its memory is used again.
 *
 * Invariant: nothing of the loader's is read after multiboot_parse(), but for the modules.
 */
#include "core/boot.h"
#include "core/lib.h"
#include "core/log.h"
#include "x86/boot/boot.h"
#include "x86/boot/multiboot.h"

#include <arch/memory.h>

struct boot_info boot_info;
uint64_t image_phys;

/* A loader's copy of the RSDP, kept where acpi_rsdp can point to it. */
static uint8_t rsdp_copy[36];

static const void *loader_ptr(uint32_t addr)
{
    return maddr_to_virt(MADDR(addr));
}

static void add_memory(uint64_t addr, uint64_t size, uint32_t type)
{
    if (e820.count == E820_MAX) {
        log_warning("Memory map too long: %#lx-%#lx is not used", addr, addr + size);
        return;
    }
    if (type < E820_RAM || type > E820_UNUSABLE)
        type = E820_RESERVED;
    e820.entry[e820.count++] = (struct e820_entry){addr, size, type};
}

/* Where there is no map: the two sizes in KiB, from 0 and from 1 MiB on. */
static void add_basic_memory(uint32_t lower_kib, uint32_t upper_kib)
{
    if (e820.count != 0)
        return;
    add_memory(0, (uint64_t)lower_kib << 10, E820_RAM);
    add_memory(0x100000, (uint64_t)upper_kib << 10, E820_RAM);
}

/* QEMU (and GRUB's ancestor) put the file's name first; GRUB 2 gives the arguments alone. */
static bool loader_names_file(void)
{
    return strncmp(boot_info.loader, "GRUB ", 5) != 0 || boot_info.loader[5] == '0';
}

static void copy_arguments(char *dst, const char *src, size_t size)
{
    while (*src == ' ')
        src++;
    if (loader_names_file()) {
        while (*src != ' ' && *src != '\0')
            src++;
        while (*src == ' ')
            src++;
    }
    if (str_copy(dst, src, size) >= size)
        log_warning("Command line cut to %zu characters", size - 1);
}

static void add_module(uint64_t start, uint64_t end, const char *cmdline)
{
    if (boot_info.nr_modules == BOOT_MAX_MODULES) {
        log_warning("Boot module beyond the first %u is not used", BOOT_MAX_MODULES);
        return;
    }
    struct boot_module *m = &boot_info.module[boot_info.nr_modules++];
    m->start = start;
    m->end = end;
    copy_arguments(m->cmdline, cmdline, sizeof(m->cmdline));
}

static void set_framebuffer(const struct multiboot_framebuffer *fb)
{
    if (fb->type != MULTIBOOT_FB_RGB && fb->type != MULTIBOOT_FB_TEXT)
        return;
    boot_info.framebuffer.addr = fb->addr;
    boot_info.framebuffer.pitch = fb->pitch;
    boot_info.framebuffer.width = fb->width;
    boot_info.framebuffer.height = fb->height;
    boot_info.framebuffer.bpp = fb->bpp;
    boot_info.framebuffer.text = fb->type == MULTIBOOT_FB_TEXT;
}

static void set_colours(const struct multiboot_colours *c)
{
    boot_info.framebuffer.red_pos = c->red_pos;
    boot_info.framebuffer.red_size = c->red_size;
    boot_info.framebuffer.green_pos = c->green_pos;
    boot_info.framebuffer.green_size = c->green_size;
    boot_info.framebuffer.blue_pos = c->blue_pos;
    boot_info.framebuffer.blue_size = c->blue_size;
}

/* ---- Multiboot 1 ----------------------------------------------------------------------------- */

static void parse_1(const struct multiboot1_info *mb)
{
    if (mb->flags & MB1_HAS_LOADER_NAME)
        str_copy(boot_info.loader, loader_ptr(mb->loader_name), sizeof(boot_info.loader));
    if (mb->flags & MB1_HAS_CMDLINE)
        copy_arguments(boot_info.cmdline, loader_ptr(mb->cmdline), sizeof(boot_info.cmdline));
    if (mb->flags & MB1_HAS_MODULES) {
        const struct multiboot1_module *m = loader_ptr(mb->mods_addr);
        for (uint32_t i = 0; i < mb->mods_count; i++)
            add_module(m[i].start, m[i].end, m[i].string ? loader_ptr(m[i].string) : "");
    }
    if (mb->flags & MB1_HAS_MMAP) {
        uint64_t at = mb->mmap_addr, end = at + mb->mmap_length;
        while (at + sizeof(struct multiboot1_mmap) <= end) {
            const struct multiboot1_mmap *e = loader_ptr((uint32_t)at);
            add_memory(e->addr, e->len, e->type);
            at += e->size + sizeof(e->size);
        }
    }
    if (mb->flags & MB1_HAS_MEM)
        add_basic_memory(mb->mem_lower, mb->mem_upper);
    if (mb->flags & MB1_HAS_FRAMEBUFFER) {
        set_framebuffer(&mb->framebuffer);
        set_colours(&mb->colours);
    }
}

/* ---- Multiboot 2 ----------------------------------------------------------------------------- */

static void parse_mmap_2(const struct multiboot2_mmap *tag)
{
    uint32_t room = tag->tag.size - (uint32_t)sizeof(*tag);
    if (tag->entry_size < sizeof(struct multiboot2_mmap_entry))
        return;
    for (uint32_t at = 0; at + tag->entry_size <= room; at += tag->entry_size) {
        const struct multiboot2_mmap_entry *e = (const void *)((const char *)(tag + 1) + at);
        add_memory(e->addr, e->len, e->type);
    }
}

static void parse_framebuffer_2(const struct multiboot2_framebuffer *tag)
{
    set_framebuffer(&tag->fb);
    if (tag->tag.size >= sizeof(*tag))
        set_colours(&tag->colours);
}

static void keep_rsdp(const void *rsdp, uint32_t size)
{
    memcpy(rsdp_copy, rsdp, MIN(size, (uint32_t)sizeof(rsdp_copy)));
    boot_info.acpi_rsdp = image_maddr(rsdp_copy).v;
}

static void parse_tag_2(const struct multiboot2_tag *tag)
{
    const void *payload = tag + 1;
    uint32_t room = tag->size - (uint32_t)sizeof(*tag);
    switch (tag->type) {
    case MB2_CMDLINE:
        copy_arguments(boot_info.cmdline, payload, sizeof(boot_info.cmdline));
        break;
    case MB2_MODULE: {
        const struct multiboot2_module *m = (const void *)tag;
        add_module(m->start, m->end, m->cmdline);
        break;
    }
    case MB2_BASIC_MEMORY: {
        const struct multiboot2_basic_memory *m = (const void *)tag;
        add_basic_memory(m->lower, m->upper);
        break;
    }
    case MB2_MMAP:
        e820.count = 0;
        parse_mmap_2((const void *)tag);
        break;
    case MB2_FRAMEBUFFER:
        parse_framebuffer_2((const void *)tag);
        break;
    case MB2_EFI64:
        boot_info.efi = true;
        boot_info.efi_system_table = ((const struct multiboot2_efi64 *)tag)->system_table;
        break;
    case MB2_ACPI_OLD:
        if (boot_info.acpi_rsdp == 0)
            keep_rsdp(payload, room);
        break;
    case MB2_ACPI_NEW:
        keep_rsdp(payload, room);
        break;
    default:
        break;
    }
}

static const struct multiboot2_tag *tag_next(const struct multiboot2_tag *tag)
{
    return (const void *)((const char *)tag + ROUND_UP(tag->size, 8u));
}

static void parse_2(const struct multiboot2_info *mb)
{
    const struct multiboot2_tag *end = (const void *)((const char *)mb + mb->total_size);
    /* Who it is decides how to read the other strings. */
    for (int pass = 0; pass < 2; pass++) {
        for (const struct multiboot2_tag *tag = (const void *)(mb + 1);
             tag < end && tag->type != MB2_END && tag->size >= sizeof(*tag); tag = tag_next(tag)) {
            if (pass == 1)
                parse_tag_2(tag);
            else if (tag->type == MB2_LOADER_NAME)
                str_copy(boot_info.loader, (const char *)(tag + 1), sizeof(boot_info.loader));
        }
    }
}

/*
 * The RSDP's real address, from EFI's configuration table (UEFI 2.9, 4.6): the loader's copy serves
 * us, but the control domain has to find the table itself.
 */
static void find_rsdp_efi(void)
{
    static const uint8_t acpi_20_guid[16] = {0x71, 0xe8, 0x68, 0x88, 0xf1, 0xe4, 0xd3, 0x11,
                                             0xbc, 0x22, 0x00, 0x80, 0xc7, 0x3c, 0x88, 0x81};
    if (boot_info.efi_system_table == 0 || boot_info.efi_system_table > UINT32_MAX)
        return;
    const struct efi_system_table *st = loader_ptr((uint32_t)boot_info.efi_system_table);
    if (st->signature != EFI_SYSTEM_TABLE_SIGNATURE || st->tables > UINT32_MAX)
        return;
    const struct efi_configuration *config = loader_ptr((uint32_t)st->tables);
    for (uint64_t i = 0; i < st->nr_tables && i < EFI_MAX_TABLES; i++) {
        if (memcmp(config[i].guid, acpi_20_guid, sizeof(acpi_20_guid)) == 0)
            boot_info.acpi_rsdp = config[i].table;
    }
}

bool multiboot_parse(uint32_t magic, uint32_t info, const char **why)
{
    if (magic == MULTIBOOT1_LOADER_MAGIC) {
        parse_1(loader_ptr(info));
    } else if (magic == MULTIBOOT2_LOADER_MAGIC) {
        parse_2(loader_ptr(info));
        find_rsdp_efi();
    } else {
        *why = "the boot loader speaks neither Multiboot 1 nor Multiboot 2";
        return false;
    }
    if (e820.count == 0) {
        *why = "the boot loader gave no memory map";
        return false;
    }
    return true;
}

/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What the assembly of the boot path and its C share: how the image is placed, and the symbols that
 * the linker script (paravane.lds) defines.
 */
#ifndef X86_BOOT_BOOT_H
#define X86_BOOT_BOOT_H

#include <arch/layout.h>

/* Where a loader that cannot relocate puts the image; any multiple of 2 MiB below 4 GiB works. */
#define IMAGE_PHYS_PREFERRED 0x200000
#define IMAGE_PHYS_ALIGN     0x200000

/* Bytes kept free at the top of the boot stack for struct cpu_info. */
#define BOOT_STACK_RESERVE 256

/* In EAX at entry, by the loader's protocol. */
#define MULTIBOOT1_LOADER_MAGIC 0x2badb002
#define MULTIBOOT2_LOADER_MAGIC 0x36d76289

#ifndef __ASSEMBLER__

#include "core/types.h"

/* Bounds of the image's parts, all page-aligned; virtual addresses. */
extern char image_start[], image_text_end[], image_rodata_end[], image_data_end[], image_end[];
extern char percpu_start[], percpu_end[];
extern char boot_stack[];
extern char boot_stack_guard[]; /* from here to boot_stack nothing is mapped */

/* The machine address at which the loader put image_start. */
extern uint64_t image_phys;

/* Machine address of something in the image. */
static inline maddr_t image_maddr(const void *p)
{
    return MADDR((uintptr_t)p - IMAGE_VIRT_START + image_phys);
}

/*
 * Fill boot_info and e820 from what the loader left: `magic` as in EAX, `info` the machine address
 * in EBX. Everything is copied. Needs the early direct map of the first 4 GiB. False, with the
 * reason in *why, when the loader is none we know or gave no memory map.
 */
bool multiboot_parse(uint32_t magic, uint32_t info, const char **why) must_check;

#endif
#endif

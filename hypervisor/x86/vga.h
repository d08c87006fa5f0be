/* SPDX-License-Identifier: BSD-2-Clause */
/* The screen: VGA text or the boot loader's linear framebuffer. */
#ifndef X86_VGA_H
#define X86_VGA_H

#include "core/abi.h"

struct console_device;

/* NULL when there is no screen. Needs map_device(). */
struct console_device *vga_open(void);
/* No more writing to it; NULL when it was not open. */
struct console_device *vga_close(void);
/* Describe the screen to the control domain's kernel; returns the size of the record, 0: no screen.
 */
size_t vga_console_info(struct dom0_vga_console_info *info);

#endif

/* SPDX-License-Identifier: BSD-2-Clause */
/* The built-in font of the framebuffer console: printable ASCII, 5 by 7 dots. */
#ifndef X86_FONT_H
#define X86_FONT_H

#include <stdint.h>

#define FONT_FIRST   0x20
#define FONT_LAST    0x7e
#define FONT_COLUMNS 5u
#define FONT_ROWS    7u

/* A row's leftmost dot is bit 4. */
extern const uint8_t font[FONT_LAST - FONT_FIRST + 1][FONT_ROWS];

#endif

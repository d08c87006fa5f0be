/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A console on the screen. Owns the grid of characters and the cursor; the device shows it. What
 * is on the device is never read back: a framebuffer is slow to read.
 */
#include "x86/vga.h"

#include "core/boot.h"
#include "core/console.h"
#include "core/lib.h"
#include "core/log.h"
#include "x86/font.h"
#include "x86/paging.h"
#include "x86/x86.h"

#define MAX_COLUMNS 160u
#define MAX_ROWS    75u
#define CELL_WIDTH  8u
#define CELL_HEIGHT 16u
#define TAB_STOP    8u

/* The BIOS's colour text mode 3 (IBM VGA technical reference). */
#define TEXT_BUFFER      0xb8000u
#define TEXT_COLUMNS     80u
#define TEXT_ROWS        25u
#define TEXT_ATTRIBUTE   0x0700u /* light grey on black */
#define CRTC_INDEX       0x3d4
#define CRTC_DATA        0x3d5
#define CRTC_CURSOR_HIGH 0x0e
#define CRTC_CURSOR_LOW  0x0f

static struct {
    volatile uint8_t *base; /* NULL: not open */
    bool text;
    unsigned columns, rows, x, y;
    uint8_t cell[MAX_ROWS][MAX_COLUMNS];
    enum { PLAIN, ESCAPE, SEQUENCE } state; /* inside an escape sequence, which is swallowed */
} screen;

/* ---- Showing one cell --------------------------------------------------------------------- */

static void put_pixel(volatile uint8_t *at, uint32_t colour, unsigned bytes)
{
    switch (bytes) {
    case 4:
        *(volatile uint32_t *)at = colour;
        break;
    case 2:
        *(volatile uint16_t *)at = (uint16_t)colour;
        break;
    default:
        for (unsigned i = 0; i < bytes; i++)
            at[i] = (uint8_t)(colour >> (8 * i));
    }
}

/* Two thirds of full brightness in each of the three fields. */
static uint32_t ink(void)
{
    const uint8_t field[3][2] = {
        {boot_info.framebuffer.red_pos, boot_info.framebuffer.red_size},
        {boot_info.framebuffer.green_pos, boot_info.framebuffer.green_size},
        {boot_info.framebuffer.blue_pos, boot_info.framebuffer.blue_size},
    };
    uint32_t colour = 0;

    for (unsigned i = 0; i < 3; i++)
        colour |= (uint32_t)(((1ull << field[i][1]) - 1) * 2 / 3 << field[i][0]);
    return colour;
}

/* The dots of one line of a cell, leftmost in bit 7: each row of the font is two lines high. */
static uint8_t cell_line(uint8_t c, unsigned line)
{
    unsigned row = (line - 1) / 2;

    if (line == 0 || row >= FONT_ROWS || c < FONT_FIRST || c > FONT_LAST)
        return 0;
    return (uint8_t)(font[c - FONT_FIRST][row] << 2);
}

static void draw_cell(unsigned x, unsigned y)
{
    unsigned bytes = DIV_ROUND_UP(boot_info.framebuffer.bpp, 8u);
    uint32_t colour = ink();

    for (unsigned line = 0; line < CELL_HEIGHT; line++) {
        size_t row = (size_t)(y * CELL_HEIGHT + line) * boot_info.framebuffer.pitch;
        volatile uint8_t *at = screen.base + row + (size_t)x * CELL_WIDTH * bytes;
        uint8_t dots = cell_line(screen.cell[y][x], line);

        for (unsigned i = 0; i < CELL_WIDTH; i++, at += bytes)
            put_pixel(at, dots & (0x80 >> i) ? colour : 0, bytes);
    }
}

static void set_cell(unsigned x, unsigned y, uint8_t c)
{
    if (screen.cell[y][x] == c)
        return;
    screen.cell[y][x] = c;
    if (screen.text)
        ((volatile uint16_t *)screen.base)[y * screen.columns + x] = TEXT_ATTRIBUTE | c;
    else
        draw_cell(x, y);
}

static void show_cursor(void)
{
    unsigned at = screen.y * screen.columns + screen.x;

    if (!screen.text)
        return;
    outb(CRTC_INDEX, CRTC_CURSOR_HIGH);
    outb(CRTC_DATA, (uint8_t)(at >> 8));
    outb(CRTC_INDEX, CRTC_CURSOR_LOW);
    outb(CRTC_DATA, (uint8_t)at);
}

/* ---- Text --------------------------------------------------------------------------------- */

static void new_line(void)
{
    screen.x = 0;
    if (screen.y + 1 < screen.rows) {
        screen.y++;
        return;
    }
    for (unsigned y = 0; y + 1 < screen.rows; y++)
        for (unsigned x = 0; x < screen.columns; x++)
            set_cell(x, y, screen.cell[y + 1][x]);
    for (unsigned x = 0; x < screen.columns; x++)
        set_cell(x, screen.rows - 1, ' ');
}

static void put_plain(char c)
{
    switch (c) {
    case '\n':
        new_line();
        return;
    case '\r':
        screen.x = 0;
        return;
    case '\b':
        screen.x -= screen.x > 0;
        return;
    case '\t':
        screen.x = MIN(ROUND_UP(screen.x + 1, TAB_STOP), screen.columns - 1);
        return;
    case '\033':
        screen.state = ESCAPE;
        return;
    default:
        if ((uint8_t)c < ' ')
            return;
    }
    if (screen.x == screen.columns)
        new_line();
    set_cell(screen.x++, screen.y, (uint8_t)c);
}

/* ESC c, and ESC [ ... letter (ECMA-48 5.4), are left out. */
static void put_char(char c)
{
    switch (screen.state) {
    case PLAIN:
        put_plain(c);
        break;
    case ESCAPE:
        screen.state = c == '[' ? SEQUENCE : PLAIN;
        break;
    case SEQUENCE:
        if (c >= '@' && c <= '~')
            screen.state = PLAIN;
        break;
    }
}

static void vga_write(const char *text, size_t n)
{
    if (screen.base == NULL)
        return;
    for (; n > 0; n--)
        put_char(*text++);
    show_cursor();
}

/* ---- The device --------------------------------------------------------------------------- */

static struct console_device vga = {.name = "vga", .write = vga_write};

static bool open_text(uint64_t addr, unsigned columns, unsigned rows)
{
    screen.text = true;
    screen.columns = MIN(columns, MAX_COLUMNS);
    screen.rows = MIN(rows, MAX_ROWS);
    screen.base = map_device(MADDR(addr), (size_t)columns * rows * 2);
    return screen.base != NULL;
}

static bool open_framebuffer(void)
{
    unsigned bpp = boot_info.framebuffer.bpp;

    if (bpp != 15 && bpp != 16 && bpp != 24 && bpp != 32)
        return false;
    screen.text = false;
    screen.columns = MIN(boot_info.framebuffer.width / CELL_WIDTH, MAX_COLUMNS);
    screen.rows = MIN(boot_info.framebuffer.height / CELL_HEIGHT, MAX_ROWS);
    if (screen.columns == 0 || screen.rows == 0)
        return false;
    screen.base = map_device(MADDR(boot_info.framebuffer.addr),
                             (size_t)boot_info.framebuffer.pitch * boot_info.framebuffer.height);
    return screen.base != NULL;
}

static bool has_text_mode(void)
{
    return boot_info.framebuffer.addr == 0 && !boot_info.efi;
}

struct console_device *vga_open(void)
{
    bool opened = false;

    if (screen.base != NULL)
        return &vga;
    if (has_text_mode())
        opened = open_text(TEXT_BUFFER, TEXT_COLUMNS, TEXT_ROWS);
    else if (boot_info.framebuffer.addr != 0 && boot_info.framebuffer.text)
        opened = open_text(boot_info.framebuffer.addr, boot_info.framebuffer.width,
                           boot_info.framebuffer.height);
    else if (boot_info.framebuffer.addr != 0)
        opened = open_framebuffer();
    if (!opened)
        return NULL;
    /* The cells are zero now, which no character is, so this draws every one of them. */
    for (unsigned y = 0; y < screen.rows; y++)
        for (unsigned x = 0; x < screen.columns; x++)
            set_cell(x, y, ' ');
    return &vga;
}

struct console_device *vga_close(void)
{
    if (screen.base == NULL)
        return NULL;
    /* The mapping stays: another CPU may be writing the last line. */
    return &vga;
}

static void describe_text(struct dom0_vga_console_info *info)
{
    info->video_type = XEN_VGATYPE_TEXT_MODE_3;
    info->u.text_mode_3.font_height = 16;
    info->u.text_mode_3.columns = TEXT_COLUMNS;
    info->u.text_mode_3.rows = TEXT_ROWS;
    info->u.text_mode_3.cursor_x = (uint16_t)(screen.x < TEXT_COLUMNS ? screen.x : 0);
    info->u.text_mode_3.cursor_y = (uint16_t)(screen.y < TEXT_ROWS ? screen.y : TEXT_ROWS - 1);
}

static void describe_framebuffer(struct dom0_vga_console_info *info)
{
    uint64_t addr = boot_info.framebuffer.addr;
    uint64_t size = (uint64_t)boot_info.framebuffer.pitch * boot_info.framebuffer.height;

    info->video_type = boot_info.efi ? XEN_VGATYPE_EFI_LFB : XEN_VGATYPE_VESA_LFB;
    info->u.vesa_lfb.width = (uint16_t)boot_info.framebuffer.width;
    info->u.vesa_lfb.height = (uint16_t)boot_info.framebuffer.height;
    info->u.vesa_lfb.bytes_per_line = (uint16_t)boot_info.framebuffer.pitch;
    info->u.vesa_lfb.bits_per_pixel = boot_info.framebuffer.bpp;
    info->u.vesa_lfb.lfb_base = (uint32_t)addr;
    info->u.vesa_lfb.ext_lfb_base = (uint32_t)(addr >> 32);
    /* In units of 64 KiB for VESA, in bytes for EFI (as Linux reads the record). */
    info->u.vesa_lfb.lfb_size = (uint32_t)(boot_info.efi ? size : DIV_ROUND_UP(size, 0x10000u));
    info->u.vesa_lfb.red_pos = boot_info.framebuffer.red_pos;
    info->u.vesa_lfb.red_size = boot_info.framebuffer.red_size;
    info->u.vesa_lfb.green_pos = boot_info.framebuffer.green_pos;
    info->u.vesa_lfb.green_size = boot_info.framebuffer.green_size;
    info->u.vesa_lfb.blue_pos = boot_info.framebuffer.blue_pos;
    info->u.vesa_lfb.blue_size = boot_info.framebuffer.blue_size;
}

size_t vga_console_info(struct dom0_vga_console_info *info)
{
    memset(info, 0, sizeof(*info));
    if (has_text_mode() ||
        (boot_info.framebuffer.addr == TEXT_BUFFER && boot_info.framebuffer.text))
        describe_text(info);
    else if (boot_info.framebuffer.addr != 0 && !boot_info.framebuffer.text)
        describe_framebuffer(info);
    else
        return 0;
    return sizeof(*info);
}

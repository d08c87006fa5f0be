/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The console: devices that show the log and what the control domain writes, and the input that
 * goes either to the control domain or to the hypervisor's debug keys.
 */
#ifndef CORE_CONSOLE_H
#define CORE_CONSOLE_H

#include "core/types.h"

/* One output device. The machine layer fills in name and write. */
struct console_device {
    const char *name;
    /* Called with the console's lock held and interrupts off; '\n' is a new line. */
    void (*write)(const char *text, size_t n);
    uint64_t shown; /* position in the log up to which it has been shown */
    struct console_device *next;
};

/*
 * The three steps of boot: a serial port, before the command line is known (sets the options to
 * their defaults, so that messages have their levels); then, with it parsed and device memory
 * mappable, the devices that console= names, which replay the log from its start; then input by
 * interrupts, once interrupts and tasklets work.
 */
void console_init_early(void);
void console_init(void);
void console_late_init(void);
/* The control domain is about to run: the screen is its own, unless vga=keep. */
void console_endboot(void);

/* Text past the log, unfiltered, to every device. Any context but NMI. */
void console_write(const char *text, size_t n);
/* Show what is new in the log. Any context but NMI; no lock of RANK_CONSOLE or above held. */
void console_flush(void);
/* From now on messages are on the devices when log_print() returns: panics, sync_console. */
void console_start_sync(void);
/* A device received a character. Interrupts off, or a tasklet. */
void console_input(char c);

/* ---- What the machine layer provides ------------------------------------------------------ */

struct console_device *arch_console_early(void); /* NULL: none */
/* Open the device of this name as the options say. NULL when there is none, having said so. */
struct console_device *arch_console_open(const char *name);
void arch_console_close(struct console_device *dev); /* the early one, which was not chosen */
void arch_console_enable_input(void);
/* Give up the screen; the device to be removed from the console, NULL: none. */
struct console_device *arch_console_release_screen(void);
void debug_key_pressed(char key); /* x86/keys.c; any context */

#endif

/* SPDX-License-Identifier: BSD-2-Clause */
/* Which of the machine's devices a name in console= means. */
#include "core/cmdline.h"
#include "core/console.h"
#include "core/lib.h"
#include "core/log.h"
#include "x86/serial.h"
#include "x86/vga.h"

struct console_device *arch_console_early(void)
{
    struct serial_setup setup;

    serial_default_setup(0, &setup);
    return serial_open(0, &setup);
}

static struct console_device *open_serial(unsigned nr, const char *text)
{
    struct console_device *dev;
    struct serial_setup setup;

    serial_default_setup(nr, &setup);
    if (!serial_parse(&setup, text))
        log_warning("com%u: bad setup \"%s\", expected <baud>|auto[,<dps>[,<io-port>[,<irq>]]]",
                    nr + 1, text);
    dev = serial_open(nr, &setup);
    if (dev == NULL)
        log_warning("com%u: no serial port at I/O port %#x", nr + 1, setup.port);
    return dev;
}

struct console_device *arch_console_open(const char *name)
{
    if (strcmp(name, "com1") == 0)
        return open_serial(0, options.com1);
    if (strcmp(name, "com2") == 0)
        return open_serial(1, options.com2);
    if (strcmp(name, "vga") == 0)
        return vga_open();
    log_warning("console=: no device is called \"%s\"; there are com1, com2 and vga", name);
    return NULL;
}

void arch_console_close(struct console_device *dev)
{
    serial_close(dev);
}

void arch_console_enable_input(void)
{
    serial_enable_input();
}

struct console_device *arch_console_release_screen(void)
{
    return vga_close();
}

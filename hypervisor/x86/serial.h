/* SPDX-License-Identifier: BSD-2-Clause */
/* The 16550 serial ports com1 and com2. */
#ifndef X86_SERIAL_H
#define X86_SERIAL_H

#include "core/types.h"

struct console_device;

/* How a port is set up: com1=<baud>|auto[,<dps>[,<io-port>[,<irq>]]]. */
struct serial_setup {
    unsigned divisor; /* of 115200 baud; 0: as the firmware left it */
    uint8_t line;     /* line control register */
    uint16_t port;
    uint8_t irq; /* ISA interrupt number; 0: input is polled */
};

/* Read a setup over the given defaults; false and no change when it is malformed. */
bool serial_parse(struct serial_setup *s, const char *text) must_check;

/* Set up com1 (0) or com2 (1); NULL when there is no such device. */
struct console_device *serial_open(unsigned nr, const struct serial_setup *s);
void serial_close(struct console_device *dev); /* no longer the hypervisor's */
void serial_default_setup(unsigned nr, struct serial_setup *s);
/* Boot, before the control domain is made: the open ports are kept from it, and their input is
 * read. */
void serial_enable_input(void);

#endif

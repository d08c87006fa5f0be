/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * 16550 serial ports. Output polls the transmitter, with interrupts off or in a panic alike; input
 * comes by the port's interrupt, or from a timer where there is none. Register numbers and bits:
 * National Semiconductor PC16550D data sheet, table II.
 */
#include "x86/serial.h"

#include "core/console.h"
#include "core/lib.h"
#include "core/log.h"
#include "core/timer.h"
#include "x86/emulate/ports.h"
#include "x86/irq.h"
#include "x86/x86.h"

#define UART_DATA    0 /* receive and transmit; divisor low when LCR_DLAB */
#define UART_IER     1 /* interrupt enable; divisor high when LCR_DLAB */
#define UART_FCR     2 /* FIFO control; read: interrupt identification */
#define UART_LCR     3 /* line control */
#define UART_MCR     4 /* modem control */
#define UART_LSR     5 /* line status */
#define UART_SCRATCH 7
#define UART_PORTS   8u

#define IER_RECEIVED       0x01
#define FCR_ENABLE_CLEAR   0x07
#define IIR_FIFOS          0xc0 /* both bits are set where the FIFOs work */
#define LCR_STOP2          0x04
#define LCR_DLAB           0x80
#define MCR_READY          0x03 /* DTR, RTS */
#define MCR_OUT2           0x08 /* lets the interrupt through on a PC */
#define LSR_RECEIVED       0x01
#define LSR_TRANSMIT_EMPTY 0x20

#define BAUD_MAX       115200u
#define FIFO_DEPTH     16u
/* Longer than 16 characters take at 1200 baud with a port read of a microsecond. */
#define TRANSMIT_POLLS 200000u
/* No interrupt handler may go on for ever when a line is held at break. */
#define RECEIVE_MAX    64u
#define POLL_PERIOD    (20 * NS_PER_MS)

struct uart {
    struct console_device dev;
    struct serial_setup setup;
    bool open;
    bool stuck; /* did not get rid of a character in time: no more waiting until it does */
    char last;
    unsigned fifo_depth;
    unsigned fifo_room; /* characters that the transmitter takes without a look at its state */
    struct timer poll;
};

static void write_com1(const char *text, size_t n);
static void write_com2(const char *text, size_t n);

static struct uart uarts[] = {
    {.dev = {.name = "com1", .write = write_com1}},
    {.dev = {.name = "com2", .write = write_com2}},
};

/* ---- The setup ---------------------------------------------------------------------------- */

void serial_default_setup(unsigned nr, struct serial_setup *s)
{
    /* The PC's two standard ports: 8 data bits, no parity, 1 stop bit. Padding is compared, so
     * zero. */
    memset(s, 0, sizeof(*s));
    s->divisor = 1;
    s->line = 3;
    s->port = nr == 0 ? 0x3f8 : 0x2f8;
    s->irq = nr == 0 ? 4 : 3;
}

static const char *parse_baud(struct serial_setup *s, const char *text)
{
    const char *end;
    unsigned long long baud;

    if (strncmp(text, "auto", 4) == 0) {
        s->divisor = 0;
        return text + 4;
    }
    baud = str_to_ull(text, &end);
    if (end == text || baud == 0 || baud > BAUD_MAX || BAUD_MAX / baud > 0xffff)
        return NULL;
    s->divisor = BAUD_MAX / (unsigned)baud;
    return end;
}

/* Data bits, parity, stop bits: 8n1. */
static const char *parse_line(struct serial_setup *s, const char *text)
{
    static const char parities[] = "n\0o\0e\0m\0s";
    uint8_t parity = 0;

    if (text[0] < '5' || text[0] > '8')
        return NULL;
    while (parity < 5 && parities[2 * parity] != text[1])
        parity++;
    if (parity == 5 || (text[2] != '1' && text[2] != '2'))
        return NULL;
    s->line = (uint8_t)(text[0] - '5');
    if (text[2] == '2')
        s->line |= LCR_STOP2;
    /* LCR bits 3-5: parity enable, even, stick. */
    if (parity > 0)
        s->line |= (uint8_t)((2 * (parity - 1) + 1) << 3);
    return text + 3;
}

/* A number of at most `max`, behind a comma. */
static const char *parse_field(const char *text, unsigned max, unsigned *value)
{
    const char *end;
    unsigned long long n = str_to_ull(text, &end);

    if (end == text || n > max)
        return NULL;
    *value = (unsigned)n;
    return end;
}

bool serial_parse(struct serial_setup *s, const char *text)
{
    struct serial_setup new = *s;
    unsigned port = s->port, irq = s->irq;

    if (*text != '\0')
        text = parse_baud(&new, text);
    if (text != NULL && *text == ',')
        text = parse_line(&new, text + 1);
    if (text != NULL && *text == ',')
        text = parse_field(text + 1, 0x10000 - UART_PORTS, &port);
    if (text != NULL && *text == ',')
        text = parse_field(text + 1, 15, &irq);
    if (text == NULL || *text != '\0' || port == 0)
        return false;
    new.port = (uint16_t)port;
    new.irq = (uint8_t)irq;
    *s = new;
    return true;
}

/* ---- Output ------------------------------------------------------------------------------- */

static uint8_t uart_read(const struct uart *u, uint16_t reg)
{
    return inb((uint16_t)(u->setup.port + reg));
}

static void uart_write(const struct uart *u, uint16_t reg, uint8_t value)
{
    outb((uint16_t)(u->setup.port + reg), value);
}

static void transmit(struct uart *u, char c)
{
    if (u->fifo_room == 0) {
        unsigned polls = u->stuck ? TRANSMIT_POLLS : 0;

        /* A line that does not move loses text rather than stop the machine. */
        u->stuck = false;
        while (!(uart_read(u, UART_LSR) & LSR_TRANSMIT_EMPTY))
            if (++polls > TRANSMIT_POLLS) {
                u->stuck = true;
                return;
            }
        u->fifo_room = u->fifo_depth;
    }
    uart_write(u, UART_DATA, (uint8_t)c);
    u->fifo_room--;
}

/* A terminal needs CR LF; who sends that already gets no second CR. */
static void write_text(struct uart *u, const char *text, size_t n)
{
    for (; n > 0; n--, text++) {
        if (*text == '\n' && u->last != '\r')
            transmit(u, '\r');
        transmit(u, *text);
        u->last = *text;
    }
}

static void write_com1(const char *text, size_t n)
{
    write_text(&uarts[0], text, n);
}

static void write_com2(const char *text, size_t n)
{
    write_text(&uarts[1], text, n);
}

/* The scratch register holds what is written where there is a UART, and floats where there is none.
 */
static bool present(const struct uart *u)
{
    uart_write(u, UART_SCRATCH, 0x5a);
    if (uart_read(u, UART_SCRATCH) != 0x5a)
        return false;
    uart_write(u, UART_SCRATCH, 0xa5);
    return uart_read(u, UART_SCRATCH) == 0xa5;
}

static bool same_setup(const struct serial_setup *a, const struct serial_setup *b)
{
    return a->divisor == b->divisor && a->line == b->line && a->port == b->port && a->irq == b->irq;
}

struct console_device *serial_open(unsigned nr, const struct serial_setup *s)
{
    struct uart *u = &uarts[nr];
    struct uart try = {.setup = *s};

    /* Opened already, early: setting it up again would lose what it is still sending. */
    if (u->open && same_setup(&u->setup, s))
        return &u->dev;
    if (!present(&try))
        return NULL;
    u->setup = *s;
    uart_write(u, UART_IER, 0);
    if (s->divisor != 0) {
        uart_write(u, UART_LCR, (uint8_t)(s->line | LCR_DLAB));
        uart_write(u, UART_DATA, (uint8_t)s->divisor);
        uart_write(u, UART_IER, (uint8_t)(s->divisor >> 8));
    }
    uart_write(u, UART_LCR, s->line);
    uart_write(u, UART_FCR, FCR_ENABLE_CLEAR);
    uart_write(u, UART_MCR, MCR_READY | MCR_OUT2);
    u->fifo_depth = (uart_read(u, UART_FCR) & IIR_FIFOS) == IIR_FIFOS ? FIFO_DEPTH : 1;
    u->fifo_room = 0;
    u->open = true;
    return &u->dev;
}

void serial_close(struct console_device *dev)
{
    for (unsigned i = 0; i < ARRAY_SIZE(uarts); i++)
        if (&uarts[i].dev == dev)
            uarts[i].open = false;
}

/* ---- Input -------------------------------------------------------------------------------- */

static void receive(void *data)
{
    struct uart *u = data;

    for (unsigned i = 0; i < RECEIVE_MAX && (uart_read(u, UART_LSR) & LSR_RECEIVED); i++)
        console_input((char)uart_read(u, UART_DATA));
}

static void poll(void *data)
{
    struct uart *u = data;

    receive(u);
    timer_set(&u->poll, now() + POLL_PERIOD);
}

static void enable_input(struct uart *u)
{
    int err = u->setup.irq != 0 ? irq_request_isa(u->setup.irq, receive, u) : -1;

    if (err == 0) {
        uart_write(u, UART_IER, IER_RECEIVED);
        return;
    }
    if (u->setup.irq != 0)
        log_warning("%s: interrupt %u cannot be had (error %d), input is polled", u->dev.name,
                    u->setup.irq, -err);
    timer_init(&u->poll, poll, u, 0);
    timer_set(&u->poll, now() + POLL_PERIOD);
}

void serial_enable_input(void)
{
    for (unsigned i = 0; i < ARRAY_SIZE(uarts); i++)
        if (uarts[i].open) {
            ports_reserve(uarts[i].setup.port, UART_PORTS);
            enable_input(&uarts[i]);
        }
}

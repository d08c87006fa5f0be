/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Reading the setup of a serial port.
 *
 * links: tests/unit/host.c hypervisor/x86/serial.c hypervisor/core/fmt.c
 */
#include "x86/serial.h"

#include "core/timer.h"
#include "host.h"
#include "x86/emulate/ports.h"
#include "x86/irq.h"

/* What the port's driver calls when it runs, which it does not here. */
void console_input(char c)
{
    (void)c;
}

void ports_reserve(unsigned first, unsigned count)
{
    (void)first;
    (void)count;
}

int irq_request_isa(unsigned isa_irq, void (*fn)(void *), void *data)
{
    (void)isa_irq;
    (void)fn;
    (void)data;
    return -1;
}

void timer_init(struct timer *t, void (*fn)(void *data), void *data, unsigned cpu)
{
    (void)t;
    (void)fn;
    (void)data;
    (void)cpu;
}

void timer_set(struct timer *t, ns_t expires)
{
    (void)t;
    (void)expires;
}

static struct serial_setup s;

static bool parse(const char *text)
{
    serial_default_setup(0, &s);
    return serial_parse(&s, text);
}

static void refused(const char *text)
{
    struct serial_setup before;

    serial_default_setup(0, &before);
    ok(!parse(text) && memcmp(&s, &before, sizeof(s)) == 0, "\"%s\" is refused", text);
}

static void test_good(void)
{
    /* Data bits, parity and stop bits as the line control register has them. */
    static const struct {
        const char *text;
        uint8_t line;
    } lines[] = {
        {"9600,8n1", 0x03}, {"9600,8o1", 0x0b}, {"9600,8e1", 0x1b}, {"9600,8m1", 0x2b},
        {"9600,8s1", 0x3b}, {"9600,5n1", 0x00}, {"9600,7e2", 0x1e}, {"9600,6n2", 0x05},
    };

    serial_default_setup(1, &s);
    ok(s.port == 0x2f8 && s.irq == 3 && s.divisor == 1 && s.line == 3, "com2's standard");
    ok(parse("") && s.port == 0x3f8 && s.irq == 4, "com1's standard");
    ok(parse("115200") && s.divisor == 1, "115200 baud");
    ok(parse("9600") && s.divisor == 12, "9600 baud");
    ok(parse("2") && s.divisor == 57600, "2 baud");
    ok(parse("auto") && s.divisor == 0, "auto");
    for (unsigned i = 0; i < ARRAY_SIZE(lines); i++)
        ok(parse(lines[i].text) && s.line == lines[i].line, "%s", lines[i].text);
    ok(parse("auto,8n1,0x3e8") && s.port == 0x3e8 && s.irq == 4, "a port");
    ok(parse("auto,8n1,0x3e8,0") && s.irq == 0, "polled");
    ok(parse("auto,8n1,0xfff8,15") && s.port == 0xfff8 && s.irq == 15, "the highest");
}

static void test_bad(void)
{
    static const char *const texts[] = {
        "0",
        "115201",
        "1",
        "-1",
        "fast",
        "9600,",
        "9600,9n1",
        "9600,4n1",
        "9600,8x1",
        "9600,8n0",
        "9600,8n3",
        "9600,8n",
        "9600,8n12",
        "9600,,0x3",
        "9600,8n1,",
        "9600,8n1,0",
        "9600,8n1,0xfff9",
        "9600,8n1,x",
        "9600x",
        ",8n1,",
        "auto,8n1,1,16",
        "autox",
        "9600,8n1,0x3f8,",
        "9600,8n1,1,2,3",
        "99999999999999999999",
    };

    for (unsigned i = 0; i < ARRAY_SIZE(texts); i++)
        refused(texts[i]);
}

int main(void)
{
    test_good();
    test_bad();
    return done();
}

/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * console_io: the hypervisor's console, for the control domain.
 *
 * CONSOLEIO_write shows bytes, CONSOLEIO_read gives what was typed: nothing here, where nobody
 * types. A write that is long is continued by itself, so that it holds nobody up.
 *
 *   test: vcpus=1
 */
#include <pv/hypercall.h>
#include <pv/memory.h>

#include "machine.h"
#include "tap.h"

static char text[3 * 4096] __attribute__((aligned(4096)));

static void test_write(void)
{
    static char line[] = "# a line that the hypercall writes\n";
    is_error(HYPERVISOR_console_io(CONSOLEIO_write, sizeof(line) - 1, line), 0, "text is written");
    is_error(HYPERVISOR_console_io(CONSOLEIO_write, 0, line), 0, "none can be written, too");
    is_error(HYPERVISOR_console_io(CONSOLEIO_write, 0, NULL), 0, "not even from nowhere");
    /* Lines of comment over three pages. */
    for (unsigned i = 0; i < sizeof(text); i++)
        text[i] = i % 64 == 0 ? '#' : i % 64 == 63 ? '\n' : '.';
    is_error(HYPERVISOR_console_io(CONSOLEIO_write, sizeof(text), text), 0, "pages are written");
}

static void test_read(void)
{
    memset(text, 0x5a, sizeof(text));
    is(HYPERVISOR_console_io(CONSOLEIO_read, 100, text), 0, "nothing was typed");
    is(HYPERVISOR_console_io(CONSOLEIO_read, 0, text), 0, "nothing is wanted");
    is(text[0], 0x5a, "nothing is stored");
}

static void test_errors(void)
{
    static const unsigned missing[] = {2, 3, 0x100, 0x80000000, ~0u};
    for (unsigned i = 0; i < sizeof(missing) / sizeof(missing[0]); i++)
        is_error(HYPERVISOR_console_io(missing[i], 1, text), -XEN_ENOSYS,
                 "command %#x is not there", missing[i]);
    static const struct {
        const char *name;
        unsigned long address;
    } bad[] = {
        {"not mapped", 8},
        {"not canonical", NON_CANONICAL},
        {"the hypervisor's", HYPERVISOR_FIRST},
        {"the last byte", ~0ul},
    };
    for (unsigned i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
        is_error(HYPERVISOR_console_io(CONSOLEIO_write, 16, (char *)bad[i].address), -XEN_EFAULT,
                 "text at an address that is %s", bad[i].name);
    is_error(HYPERVISOR_console_io(CONSOLEIO_write, 0xffffffff, (char *)HYPERVISOR_FIRST),
             -XEN_EFAULT, "4 GiB from there as well");
}

int main(void)
{
    test_write();
    test_read();
    test_errors();
    return done();
}

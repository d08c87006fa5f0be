/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Console output and input, and the console_io hypercall.
 *
 * A device is a reader of the log: it has a position up to which it has shown the text, so one
 * that is opened late shows everything from the start. Whoever logs tries to become the one who
 * copies new text to the devices; when another CPU is at it, that one takes the new text along. So
 * no CPU waits for another's slow serial line, unless sync_console is on.
 */
#include "core/console.h"

#include "core/cmdline.h"
#include "core/domain.h"
#include "core/guest.h"
#include "core/hypercall.h"
#include "core/lib.h"
#include "core/lock.h"
#include "core/log.h"
#include "core/softirq.h"
#include "core/timer.h"
#include "core/version.h"

#include <arch/cpu.h>

#define CHUNK 128u

static struct spinlock console_lock = SPINLOCK_INIT(RANK_CONSOLE);
static struct console_device *devices;
static bool line_open; /* the control domain's last text did not end its line */
static bool synchronous;

/* ---- Output ------------------------------------------------------------------------------- */

static void write_all(const char *text, size_t n)
{
    for (struct console_device *d = devices; d != NULL; d = d->next)
        d->write(text, n);
}

/* A line of the log begins on a line of its own. Called with the console's lock held. */
static void show_log(void)
{
    static char part[CHUNK];

    if (line_open && devices != NULL && devices->shown != log_end()) {
        write_all("\n", 1);
        line_open = false;
    }
    for (struct console_device *d = devices; d != NULL; d = d->next) {
        size_t n;

        while ((n = log_read(part, sizeof(part), &d->shown)) > 0)
            d->write(part, n);
    }
}

static bool all_shown(void)
{
    return devices == NULL || READ_ONCE(devices->shown) == log_end();
}

void console_flush(void)
{
    /*
     * Text is in the ring before the lock is tried, and the lock is released before the ring is
     * looked at again: of a CPU that fails to get the lock and the one that holds it, at least one
     * sees the text. The barriers keep each pair in that order.
     */
    do {
        unsigned long flags = irq_save();

        memory_barrier();
        if (READ_ONCE(synchronous)) {
            lock(&console_lock);
        } else if (!trylock(&console_lock)) {
            irq_restore(flags);
            return;
        }
        show_log();
        unlock(&console_lock);
        irq_restore(flags);
        memory_barrier();
    } while (!all_shown());
}

void console_write(const char *text, size_t n)
{
    unsigned long flags;

    if (n == 0)
        return;
    flags = lock_irqsave(&console_lock);
    show_log();
    write_all(text, n);
    line_open = text[n - 1] != '\n';
    unlock_irqrestore(&console_lock, flags);
    console_flush();
}

void console_start_sync(void)
{
    WRITE_ONCE(synchronous, true);
    console_flush();
}

static void add_device(struct console_device *dev)
{
    unsigned long flags = lock_irqsave(&console_lock);
    struct console_device **end = &devices;

    while (*end != NULL && *end != dev)
        end = &(*end)->next;
    if (*end == NULL) {
        dev->next = NULL;
        *end = dev;
    }
    show_log();
    unlock_irqrestore(&console_lock, flags);
    console_flush();
}

static void remove_device(struct console_device *dev)
{
    unsigned long flags = lock_irqsave(&console_lock);

    for (struct console_device **d = &devices; *d != NULL; d = &(*d)->next)
        if (*d == dev) {
            *d = dev->next;
            break;
        }
    unlock_irqrestore(&console_lock, flags);
}

void console_init_early(void)
{
    struct console_device *dev;

    cmdline_defaults(&options);
    dev = arch_console_early();
    if (dev != NULL)
        add_device(dev);
    version_log();
}

/* Open every device of a list with commas; the early one stays only when it is among them. */
static void open_devices(const char *list)
{
    struct console_device *early = devices;
    bool keep_early = false;

    while (*list != '\0') {
        char name[16];
        size_t n = 0;
        struct console_device *dev;

        for (; *list != '\0' && *list != ','; list++)
            if (n < sizeof(name) - 1)
                name[n++] = *list;
        name[n] = '\0';
        if (*list == ',')
            list++;
        if (n == 0 || strcmp(name, "none") == 0)
            continue;
        dev = arch_console_open(name);
        keep_early |= dev == early;
        if (dev != NULL)
            add_device(dev);
    }
    if (early != NULL && !keep_early) {
        remove_device(early);
        arch_console_close(early);
    }
}

void console_init(void)
{
    open_devices(options.console);
    if (options.sync_console)
        console_start_sync();
}

void console_late_init(void)
{
    arch_console_enable_input();
}

void console_endboot(void)
{
    struct console_device *screen = options.vga_keep ? NULL : arch_console_release_screen();

    if (screen != NULL)
        remove_device(screen);
}

/* ---- Input -------------------------------------------------------------------------------- */

#define SWITCH_KEY   0x01 /* Ctrl-A */
#define SWITCH_COUNT 3u
#define SWITCH_TIME  NS_PER_SEC
#define INPUT_SIZE   1024u /* a power of two */

/* What is typed, for the control domain to fetch by CONSOLEIO_read. */
static struct {
    struct spinlock lock;
    char ring[INPUT_SIZE];
    unsigned produced, consumed;
    bool to_hypervisor;
    unsigned switch_keys; /* seen in a row */
    ns_t switch_since;
} input = {.lock = SPINLOCK_INIT(RANK_CONSOLE_INPUT)};

/* Is this the last key of a sequence that switches the input? Called with the input's lock held. */
static bool is_switch(char c)
{
    ns_t t = now();

    if (c != SWITCH_KEY) {
        input.switch_keys = 0;
        return false;
    }
    if (input.switch_keys == 0 || t - input.switch_since > SWITCH_TIME) {
        input.switch_keys = 0;
        input.switch_since = t;
    }
    if (++input.switch_keys < SWITCH_COUNT)
        return false;
    input.switch_keys = 0;
    input.to_hypervisor = !input.to_hypervisor;
    return true;
}

void console_input(char c)
{
    unsigned long flags = lock_irqsave(&input.lock);
    bool switched = is_switch(c);
    bool to_hypervisor = input.to_hypervisor;

    if (!switched && !to_hypervisor && input.produced - input.consumed < INPUT_SIZE)
        input.ring[input.produced++ % INPUT_SIZE] = c;
    unlock_irqrestore(&input.lock, flags);

    if (switched)
        log_always("input goes to %s; Ctrl-A three times switches it",
                   to_hypervisor ? "the hypervisor (h for help)" : "the control domain");
    else if (to_hypervisor)
        debug_key_pressed(c);
    else if (control_domain != NULL)
        evtchn_send_global_virq(control_domain, VIRQ_CONSOLE);
}

static size_t take_input(char *to, size_t max)
{
    unsigned long flags = lock_irqsave(&input.lock);
    size_t n = 0;

    while (n < max && input.consumed != input.produced)
        to[n++] = input.ring[input.consumed++ % INPUT_SIZE];
    unlock_irqrestore(&input.lock, flags);
    return n;
}

/* ---- console_io --------------------------------------------------------------------------- */

static long io_write(vaddr_t from, uint32_t count)
{
    while (count > 0) {
        char text[CHUNK];
        uint32_t n = MIN(count, CHUNK);

        if (guest_copy_in(text, from, n) != 0)
            return -XEN_EFAULT;
        console_write(text, n);
        from.v += n;
        count -= n;
        if (count > 0 && preempt_wanted()) {
            uint64_t rest[] = {CONSOLEIO_write, count, from.v};

            return hypercall_continue(__HYPERVISOR_console_io, ARRAY_SIZE(rest), rest);
        }
    }
    return 0;
}

/* Returns the number of bytes read; bytes that the guest gave no memory for are lost. */
static long io_read(vaddr_t to, uint32_t count)
{
    uint32_t done = 0;

    while (done < count) {
        char text[CHUNK];
        size_t n = take_input(text, MIN(count - done, CHUNK));

        if (n == 0)
            break;
        if (guest_copy_out(VADDR(to.v + done), text, n) != 0)
            return -XEN_EFAULT;
        done += (uint32_t)n;
    }
    return done;
}

/* console_io(cmd, count, buffer): the control domain's terminal, so bytes pass as they are. */
long hc_console_io(struct vcpu *v, struct hypercall_args *a)
{
    uint32_t count = (uint32_t)a->arg[1];
    vaddr_t buffer = VADDR(a->arg[2]);

    if (!v->domain->is_privileged)
        return -XEN_EPERM;
    switch ((uint32_t)a->arg[0]) {
    case CONSOLEIO_write:
        return io_write(buffer, count);
    case CONSOLEIO_read:
        return io_read(buffer, count);
    default:
        return -XEN_ENOSYS;
    }
}

/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The console: by hypercall for the control domain, else the ring of xen/io/console.h.
 *
 * One vCPU writes at a time, with events disabled, so a handler never finds its own vCPU writing;
 * only a trap within the writing does, and goes on without the lock.
 */
#include "internal.h"

#include <stdarg.h>
#include <stdio.h>

#include <xen/io/console.h>

#include <pv/console.h>
#include <pv/event.h>
#include <pv/hypercall.h>
#include <pv/memory.h>
#include <pv/start.h>

#define PRINTF_SIZE 256
#define NOBODY      (~0u)

static struct xencons_interface *ring;
static evtchn_port_t ring_port;
static unsigned owner = NOBODY; /* the vCPU that writes or reads */

/* ---- Locking ------------------------------------------------------------------------------ */

struct console_hold {
    bool events, nested;
};

static struct console_hold console_lock(void)
{
    unsigned me = this_vcpu(), free = NOBODY;
    struct console_hold hold = {events_disable(), __atomic_load_n(&owner, __ATOMIC_RELAXED) == me};

    while (!hold.nested && !__atomic_compare_exchange_n(&owner, &free, me, false, __ATOMIC_ACQUIRE,
                                                        __ATOMIC_RELAXED)) {
        vcpu_give_way();
        free = NOBODY;
    }
    return hold;
}

static void console_unlock(struct console_hold hold)
{
    if (!hold.nested)
        __atomic_store_n(&owner, NOBODY, __ATOMIC_RELEASE);
    events_restore(hold.events);
}

/* ---- The ring ----------------------------------------------------------------------------- */

static void ring_notify(void)
{
    struct evtchn_send send = {.port = ring_port};

    (void)HYPERVISOR_event_channel_op(EVTCHNOP_send, &send);
}

static void ring_put(char c)
{
    XENCONS_RING_IDX at = ring->out_prod;

    while (at - __atomic_load_n(&ring->out_cons, __ATOMIC_ACQUIRE) >= sizeof(ring->out)) {
        ring_notify();
        vcpu_give_way();
    }
    ring->out[MASK_XENCONS_IDX(at, ring->out)] = c;
    __atomic_store_n(&ring->out_prod, at + 1, __ATOMIC_RELEASE);
}

/* The other end is a terminal in raw mode. */
static void ring_write(const char *text, size_t size)
{
    for (size_t i = 0; i < size; i++) {
        if (text[i] == '\n')
            ring_put('\r');
        ring_put(text[i]);
    }
    ring_notify();
}

static size_t ring_read(char *text, size_t size)
{
    XENCONS_RING_IDX at = ring->in_cons;
    size_t n = 0;

    while (n < size && at != __atomic_load_n(&ring->in_prod, __ATOMIC_ACQUIRE))
        text[n++] = ring->in[MASK_XENCONS_IDX(at++, ring->in)];
    if (n != 0) {
        __atomic_store_n(&ring->in_cons, at, __ATOMIC_RELEASE);
        ring_notify();
    }
    return n;
}

/* ---- For programs ------------------------------------------------------------------------- */

void console_init(void)
{
    if (is_control_domain() || start_info->console.domU.mfn == 0)
        return;
    ring = pfn_to_virt(machine_to_phys_mapping[start_info->console.domU.mfn]);
    ring_port = start_info->console.domU.evtchn;
}

void console_write(const char *text, size_t size)
{
    struct console_hold hold = console_lock();

    if (ring != NULL)
        ring_write(text, size);
    else
        (void)HYPERVISOR_console_io(CONSOLEIO_write, (unsigned)size, (char *)text);
    console_unlock(hold);
}

size_t console_read(char *text, size_t size)
{
    struct console_hold hold = console_lock();
    long n = ring != NULL ? (long)ring_read(text, size)
                          : HYPERVISOR_console_io(CONSOLEIO_read, (unsigned)size, text);

    console_unlock(hold);
    return n > 0 ? (size_t)n : 0;
}

void console_printf(const char *format, ...)
{
    char text[PRINTF_SIZE];
    va_list arguments;

    va_start(arguments, format);
    int n = vsnprintf(text, sizeof(text), format, arguments);
    va_end(arguments);
    if (n > 0)
        console_write(text, n < PRINTF_SIZE ? (size_t)n : PRINTF_SIZE - 1);
}

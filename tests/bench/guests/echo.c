/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A newlib guest that sends back each event of the control domain's: its port stands in its node
 * data/port. It sleeps in between, and ends by being destroyed.
 */
#include <stdio.h>

#include <pv/event.h>
#include <pv/start.h>
#include <pv/xenstore.h>

static void send_back(evtchn_port_t port, void *data)
{
    (void)data;
    event_send(port);
}

int main(void)
{
    char number[16];
    long port = event_alloc_unbound(0, send_back, NULL);

    snprintf(number, sizeof(number), "%ld", port);
    if (port < 0 || xenstore_write(0, "data/port", number) != 0)
        return 1;
    for (;;)
        events_block();
}

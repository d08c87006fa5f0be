/* SPDX-License-Identifier: BSD-2-Clause */
/* A guest that uses all the CPU time that it gets, on all its vCPUs, and hears of nothing. */
#include <pv/event.h>
#include <pv/smp.h>

static void spin(void *data)
{
    (void)data;
    events_disable();
    for (;;)
        cpu_relax();
}

int main(void)
{
    vcpus_run(spin, NULL);
}

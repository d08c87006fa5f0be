/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A guest that suspends itself as often as it is resumed, and says so in the store; the third time
 * it ends with a fault that nobody handles.
 */
#include <stdio.h>

#include <pv/hypercall.h>
#include <pv/xenstore.h>

int main(void)
{
    for (unsigned times = 1; times <= 2; times++) {
        struct sched_shutdown how = {.reason = SHUTDOWN_suspend};
        char text[16];

        (void)HYPERVISOR_sched_op(SCHEDOP_shutdown, &how);
        snprintf(text, sizeof(text), "%u", times);
        xenstore_write(0, "data/resumed", text);
    }
    (void)HYPERVISOR_set_trap_table(NULL);
    __asm__ volatile("ud2");
    return 0;
}

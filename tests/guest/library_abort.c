/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A guest that aborts has crashed: abort() ends the domain with SHUTDOWN_crash (xen/sched.h), which
 * the toolstack takes for a reason to keep a memory dump, or to start it again.
 *
 *   test: vcpus=1,4 expect="control domain shut down: crash|Dom0 crashed"
 */
#include <stdlib.h>

int main(void)
{
    abort();
}

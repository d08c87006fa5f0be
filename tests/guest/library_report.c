/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A trap that nobody deals with is reported, with the registers and the call chain, and ends the
 * domain with SHUTDOWN_crash. Here a null pointer's target is called, two calls deep.
 *
 *   test: vcpus=1 expect="control domain shut down: crash|Dom0 crashed"
 */
#include <stddef.h>

static void (*volatile nowhere)(void);

static __attribute__((noinline)) void inner(void)
{
    nowhere();
    __asm__ volatile("");
}

int main(void)
{
    inner();
}

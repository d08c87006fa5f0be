/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What the domain was started with, and how it ends.
 *
 * A program's main() gets the words of the kernel command line as argv[1] and on; argv[0] is its
 * name ("guest"). Words may be quoted with " to hold blanks. When main() returns or exit() is
 * called, the domain shuts down (SHUTDOWN_poweroff); a status that is not 0 is printed before.
 * abort() and a trap without handler shut it down with SHUTDOWN_crash.
 */
#ifndef PV_START_H
#define PV_START_H

#include <pv/abi.h>

extern const struct start_info *start_info;
extern struct shared_info *shared_info;

/* The start-of-day console of the hypervisor is this domain's (SIF_INITDOMAIN). */
static inline bool is_control_domain(void)
{
    return start_info->flags & SIF_INITDOMAIN;
}

/* Ends the domain; reason is SHUTDOWN_* of xen/sched.h. */
void shutdown(unsigned reason) __attribute__((noreturn));

/* Running on Paravane; else on another hypervisor of this ABI (by its extra version). */
bool is_paravane(void);

#endif

/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The program of four ways: written to Xen 4.17's xenctrl.h and xenguest.h, compiled with
 * Paravane's and with Debian's, run on Paravane and on Xen. Each part makes its checks; their
 * titles and results must be the same all four times, so nothing that a machine may have otherwise
 * is in a title.
 */
#ifndef FOUR_WAYS_H
#define FOUR_WAYS_H

#define XC_WANT_COMPAT_MAP_FOREIGN_API 1
#define XC_WANT_COMPAT_EVTCHN_API      1
#define XC_WANT_COMPAT_GNTTAB_API      1
#include <xenctrl.h>
#include <xenguest.h>

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define NO_DOMAIN 7777u /* nobody has this number */

/* Checks. What a check did not find is printed behind it. */
bool check(bool good, const char *title);
bool check_is(long long found, long long wanted, const char *title);
/* A call that must fail: -1 with this errno. */
bool check_fails(long long rc, int error, const char *title);
/* errno is set to 0 before the call, so that an old one does not count. */
#define FAILS(call, error, title) (errno = 0, check_fails((call), (error), (title)))

/* ---- Parts -------------------------------------------------------------------------------- */

void test_handles(void);
void test_machine(xc_interface *xch);
void test_refusals(xc_interface *xch);
void test_life(xc_interface *xch);
void test_memory(xc_interface *xch);
void test_sharing(xc_interface *xch);
void test_vcpus(xc_interface *xch);
void test_running(xc_interface *xch);

/* ---- A domain of the test ----------------------------------------------------------------- */

#define GUEST_PAGES 64u

/* A new paused domain with `vcpus` vCPUs, that may have 1 MiB; 0: there is none (a failed check).
 */
uint32_t new_domain(xc_interface *xch, unsigned vcpus);
/* Its first `pages` frames into mfn[]. */
bool populate(xc_interface *xch, uint32_t domid, unsigned pages, xen_pfn_t *mfn);
/* What the kernel of the control domain may still hold of it is gone after a while: waits. */
bool wait_gone(xc_interface *xch, uint32_t domid);

#endif

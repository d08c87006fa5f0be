/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Reporting in the Test Anything Protocol, for guests. A check prints one line; done() prints the
 * plan. All may be called on any vCPU.
 *
 * A test program says in its head comment how it is booted, a line for each boot; what is not said
 * is as below. docs/internals/15-testing-guests.md has the full list.
 *
 *   test: vcpus=1,4 memory=16 machine=128 limit=10 parallel=no args="..." options="..."
 *         expect="regular expression" xen=yes
 *
 *   vcpus     one boot for each number; the machine has as many CPUs
 *   memory    MiB of the domain;  machine: of the machine
 *   limit     virtual seconds (500 million instructions each) after which it hangs
 *   parallel  yes: a thread a CPU, no instruction count (races need it); limit is then
 *             seconds of the host's CPU time, 60 unless said
 *   args      the program's command line;  options: more for the hypervisor's
 *   expect    the domain does not end by itself: the hypervisor prints this (what Xen prints
 *             instead is an alternative)
 *   xen       no: not booted on Xen; the head comment says why
 */
#ifndef TAP_H
#define TAP_H

#include <pv/abi.h>

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

bool tap_check(bool good, const char *file, int line, const char *format, ...)
    __attribute__((format(printf, 4, 5)));
bool tap_is(int64_t got, int64_t want, const char *what, const char *file, int line,
            const char *format, ...) __attribute__((format(printf, 6, 7)));
bool tap_is_error(long got, long want, const char *what, const char *file, int line,
                  const char *format, ...) __attribute__((format(printf, 6, 7)));
/* A line of explanation: "# ...". */
void diag(const char *format, ...) __attribute__((format(printf, 1, 2)));
/* `count` checks that cannot be made here, and why. */
void skip(int count, const char *why);
/* The last line of main(): return done(); */
int done(void);

/* ok(condition, "what holds", ...). The text names the check in lists of differences: it must be
 * the same in every run, and unique in its program. */
#define ok(cond, ...) tap_check((cond), __FILE__, __LINE__, __VA_ARGS__)
/* Integers of any kind, pointers included: what there is, what is wanted. */
#define is(got, want, ...)                                                                         \
    tap_is((int64_t)(got), (int64_t)(want), #got, __FILE__, __LINE__, __VA_ARGS__)
/* The same for results of hypercalls; prints the names of errors. */
#define is_error(got, want, ...)                                                                   \
    tap_is_error((long)(got), (long)(want), #got, __FILE__, __LINE__, __VA_ARGS__)

/* ---- Random tests ------------------------------------------------------------------------- */

/* From seed=N of the command line (or a fixed one), which it prints. Each vCPU has its own stream.
 */
void random_start(int argc, char **argv);
uint64_t random_u64(void);
/* 0 to below - 1. */
uint64_t random_below(uint64_t below);
/* N of name=N on the command line, or what is given here. */
uint64_t argument(int argc, char **argv, const char *name, uint64_t otherwise);

/* ---- Addresses that an argument may have ---------------------------------------------------- */

struct address {
    const char *name;
    void *address;
    bool readable, writable; /* by the hypervisor, `size` bytes on behalf of the guest */
};

/*
 * Where an argument of `size` bytes, a multiple of 4 up to 4096, may lie: good ones (aligned, in
 * two pages, misaligned) and bad ones (0, all ones, not canonical, the hypervisor's, unmapped, its
 * last byte in an unmapped page, a read-only page). Good ones hold zeroes. Ends with name NULL. The
 * array stays valid until the next call.
 */
const struct address *addresses(size_t size);

#endif

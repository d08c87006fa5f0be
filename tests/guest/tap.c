/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The Test Anything Protocol for guests, and what tests have in common: random numbers that can be
 * had again, and addresses that an argument may have.
 *
 * Invariant: a check's lines leave in one piece and numbers rise, whatever vCPUs report: one lock,
 * with events of the vCPU off, so that handlers of events may check, too. Nothing goes through
 * stdio, whose lock the interrupted code may hold.
 */
#include "tap.h"

#include <pv/console.h>
#include <pv/event.h>
#include <pv/memory.h>
#include <pv/smp.h>

#include <stdarg.h>

/* ---- Lines -------------------------------------------------------------------------------- */

static struct spinlock lock;
static unsigned checks, failures;

/* One report under way; its text is put together before it goes out. */
struct report {
    char text[1024];
    size_t size;
    bool events;
};

static void report_begin(struct report *r)
{
    r->size = 0;
    r->events = events_disable();
    spin_lock(&lock);
}

static void report_end(const struct report *r)
{
    console_write(r->text, r->size);
    spin_unlock(&lock);
    events_restore(r->events);
}

/* Appends; what does not fit is cut, except the newline that ends the line. */
static void __attribute__((format(printf, 2, 0)))
report_add_v(struct report *r, const char *format, va_list args)
{
    size_t room = sizeof(r->text) - 1 - r->size;
    int length = vsnprintf(r->text + r->size, room, format, args);
    if (length > 0)
        r->size += (size_t)length < room ? (size_t)length : room - 1;
}

static void __attribute__((format(printf, 2, 3)))
report_add(struct report *r, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    report_add_v(r, format, args);
    va_end(args);
}

static void report_newline(struct report *r)
{
    r->text[r->size++] = '\n';
}

/* ---- Checks ------------------------------------------------------------------------------- */

static void __attribute__((format(printf, 3, 0)))
check_add(struct report *r, bool good, const char *format, va_list args)
{
    checks++;
    if (!good)
        failures++;
    report_add(r, "%sok %u - ", good ? "" : "not ", checks);
    report_add_v(r, format, args);
    report_newline(r);
}

bool tap_check(bool good, const char *file, int line, const char *format, ...)
{
    struct report r;
    va_list args;
    report_begin(&r);
    va_start(args, format);
    check_add(&r, good, format, args);
    va_end(args);
    if (!good) {
        report_add(&r, "#   %s:%d", file, line);
        report_newline(&r);
    }
    report_end(&r);
    return good;
}

bool tap_is(int64_t got, int64_t want, const char *what, const char *file, int line,
            const char *format, ...)
{
    struct report r;
    va_list args;
    report_begin(&r);
    va_start(args, format);
    check_add(&r, got == want, format, args);
    va_end(args);
    if (got != want) {
        report_add(&r,
                   "#   %s:%d: %s is %" PRId64 " (%#" PRIx64 "), not %" PRId64 " (%#" PRIx64 ")",
                   file, line, what, got, (uint64_t)got, want, (uint64_t)want);
        report_newline(&r);
    }
    report_end(&r);
    return got == want;
}

bool tap_is_error(long got, long want, const char *what, const char *file, int line,
                  const char *format, ...)
{
    struct report r;
    va_list args;
    report_begin(&r);
    va_start(args, format);
    check_add(&r, got == want, format, args);
    va_end(args);
    if (got != want) {
        /* Twice: xen_error() may use one buffer for numbers. */
        report_add(&r, "#   %s:%d: %s is %ld (%s)", file, line, what, got, xen_error(got));
        report_add(&r, ", not %ld (%s)", want, xen_error(want));
        report_newline(&r);
    }
    report_end(&r);
    return got == want;
}

void diag(const char *format, ...)
{
    struct report r;
    va_list args;
    report_begin(&r);
    report_add(&r, "# ");
    va_start(args, format);
    report_add_v(&r, format, args);
    va_end(args);
    report_newline(&r);
    report_end(&r);
}

void skip(int count, const char *why)
{
    for (int i = 0; i < count; i++) {
        struct report r;
        report_begin(&r);
        report_add(&r, "ok %u # SKIP %s", ++checks, why);
        report_newline(&r);
        report_end(&r);
    }
}

int done(void)
{
    struct report r;
    report_begin(&r);
    report_add(&r, "1..%u", checks);
    report_newline(&r);
    report_end(&r);
    return failures || !checks;
}

/* ---- Random numbers ------------------------------------------------------------------------- */

#define SEED_USUAL 20260101u

/* A vCPU's numbers depend on the seed and on how many it has drawn itself, not on the others. */
static uint64_t random_state[MAX_VCPUS];

/* splitmix64 (Steele, Lea, Flood: Fast splittable pseudorandom number generators, 2014). */
static uint64_t random_next(uint64_t *state)
{
    uint64_t z = *state += 0x9e3779b97f4a7c15;
    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9;
    z = (z ^ z >> 27) * 0x94d049bb133111eb;
    return z ^ z >> 31;
}

uint64_t argument(int argc, char **argv, const char *name, uint64_t otherwise)
{
    size_t length = strlen(name);
    for (int i = 1; i < argc; i++) {
        if (strncmp(argv[i], name, length) == 0 && argv[i][length] == '=')
            return strtoull(argv[i] + length + 1, NULL, 0);
    }
    return otherwise;
}

void random_start(int argc, char **argv)
{
    uint64_t seed = argument(argc, argv, "seed", SEED_USUAL);
    diag("seed=%" PRIu64, seed);
    for (unsigned i = 0; i < MAX_VCPUS; i++)
        random_state[i] = random_next(&seed);
}

uint64_t random_u64(void)
{
    return random_next(&random_state[this_vcpu()]);
}

uint64_t random_below(uint64_t below)
{
    return (uint64_t)((unsigned __int128)random_u64() * below >> 64);
}

/* ---- Addresses ------------------------------------------------------------------------------ */

/* Pages of the window that addresses() tells of; those not named stay unmapped. */
enum { FIRST, SECOND, HOLE, BEFORE_READ_ONLY, READ_ONLY, END_HOLE, WINDOW_PAGES };

static char *window;
static void *window_page[WINDOW_PAGES];

static void window_map(unsigned i, uint64_t flags)
{
    window_page[i] = page_alloc();
    if (!window_page[i] ||
        pte_set(window + i * PAGE_SIZE, pte_make(virt_to_mfn(window_page[i]), flags))) {
        diag("no page for addresses()");
        abort();
    }
}

static void window_make(void)
{
    window = window_alloc(WINDOW_PAGES);
    if (!window) {
        diag("no window for addresses()");
        abort();
    }
    window_map(FIRST, PTE_KERNEL_RW);
    window_map(SECOND, PTE_KERNEL_RW);
    window_map(BEFORE_READ_ONLY, PTE_KERNEL_RW);
    window_map(READ_ONLY, PTE_KERNEL_RO);
}

const struct address *addresses(size_t size)
{
    static struct address list[16];
    unsigned n = 0;
    if (!window)
        window_make();
    for (unsigned i = 0; i < WINDOW_PAGES; i++) {
        if (window_page[i])
            memset(window_page[i], 0, PAGE_SIZE);
    }
    char *hole = window + HOLE * PAGE_SIZE, *read_only = window + READ_ONLY * PAGE_SIZE;
#define ADD(name_, address_, readable_, writable_)                                                 \
    list[n++] = (struct address){name_, (void *)(address_), readable_, writable_}
    ADD("aligned", window, true, true);
    ADD("in two pages", window + SECOND * PAGE_SIZE - size / 2, true, true);
    ADD("misaligned", window + 1, true, true);
    ADD("null", 0, false, false);
    ADD("all ones", ~0ul, false, false);
    ADD("not canonical", 0x0000800000000000, false, false);
    ADD("into the canonical hole", 0x0000800000000000 - size / 2, false, false);
    ADD("machine-to-phys table", HYPERVISOR_VIRT_START, false, false);
    ADD("the hypervisor's", HYPERVISOR_VIRT_START + (3ul << 40), false, false);
    ADD("unmapped", hole, false, false);
    ADD("last byte unmapped", hole + 1 - size, false, false);
    ADD("read-only", read_only, true, false);
    ADD("second half read-only", read_only - size / 2, true, false);
    ADD(NULL, 0, false, false);
#undef ADD
    return list;
}

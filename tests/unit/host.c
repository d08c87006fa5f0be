/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The machine that portable code runs on in a host unit test. Everything here that the hypervisor
 * calls is weak, so that a test may link the real thing or bring its own.
 */
#include <sys/mman.h>

#include "core/atomic.h"
#include "core/cpumask.h"
#include "core/lock.h"
#include "core/softirq.h"
#include "core/timer.h"
#include "host.h"

#define weak __attribute__((weak))

/* ---- TAP ------------------------------------------------------------------------------------ */

int tap_count, tap_failed, tap_planned = -1;

void plan(int checks)
{
    tap_planned = checks;
    printf("1..%d\n", checks);
}

static bool report(bool good, const char *file, int line, const char *format, va_list args)
{
    printf("%s %d - ", good ? "ok" : "not ok", ++tap_count);
    if (format[1]) /* behind the space that the macros put there */
        vprintf(format + 1, args);
    else
        printf("line %d", line);
    printf("\n");
    if (!good) {
        tap_failed++;
        printf("#   failed at %s:%d\n", file, line);
    }
    fflush(stdout);
    return good;
}

bool tap_check(bool good, const char *file, int line, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    report(good, file, line, format, args);
    va_end(args);
    return good;
}

bool tap_is(int64_t got, int64_t want, const char *what, const char *file, int line,
            const char *format, ...)
{
    va_list args;
    va_start(args, format);
    report(got == want, file, line, format, args);
    va_end(args);
    if (got != want)
        diag("  %s is %" PRId64 " (0x%" PRIx64 "), wanted %" PRId64 " (0x%" PRIx64 ")", what, got,
             (uint64_t)got, want, (uint64_t)want);
    return got == want;
}

bool tap_is_str(const char *got, const char *want, const char *file, int line, const char *format,
                ...)
{
    bool good = got && want ? strcmp(got, want) == 0 : got == want;
    va_list args;
    va_start(args, format);
    report(good, file, line, format, args);
    va_end(args);
    if (!good)
        diag("  got '%s', wanted '%s'", got ? got : "(null)", want ? want : "(null)");
    return good;
}

void diag(const char *format, ...)
{
    va_list args;
    va_start(args, format);
    printf("# ");
    vprintf(format, args);
    printf("\n");
    va_end(args);
    fflush(stdout);
}

void skip(const char *why)
{
    printf("ok %d # SKIP %s\n", ++tap_count, why);
}

void bail_out(const char *format, ...)
{
    va_list args;
    va_start(args, format);
    printf("Bail out! ");
    vprintf(format, args);
    printf("\n");
    va_end(args);
    exit(255);
}

int done(void)
{
    if (tap_planned < 0)
        printf("1..%d\n", tap_count);
    else if (tap_planned != tap_count)
        diag("planned %d checks, made %d", tap_planned, tap_count);
    return tap_failed || (tap_planned >= 0 && tap_planned != tap_count);
}

/* ---- CPU ------------------------------------------------------------------------------------ */

_Thread_local bool host_irqs_on = true;
_Thread_local unsigned host_cpu;
_Thread_local struct vcpu *host_current;
_Thread_local struct cpu_user_regs host_regs;

weak cpumask_t cpu_online_mask = {1};
weak DEFINE_PER_CPU(uint64_t, softirq_pending);

weak void softirq_raise(enum softirq nr)
{
    atomic_fetch_or(&this_cpu(softirq_pending), 1ull << nr);
}

weak void softirq_raise_on(unsigned cpu, enum softirq nr)
{
    atomic_fetch_or(&per_cpu(softirq_pending, cpu), 1ull << nr);
}

weak void softirq_open(enum softirq nr, void (*handler)(void))
{
    (void)nr;
    (void)handler;
}

/* ---- RAM ------------------------------------------------------------------------------------ */

static struct {
    uint64_t base, count;
    uint8_t *bytes;
    struct frame *frames;
    uint64_t *m2p;
} ram;

static void *reserve(size_t bytes)
{
    void *p = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE,
                   -1, 0);
    if (p == MAP_FAILED)
        bail_out("no memory for the arena");
    return p;
}

void host_ram_init(mfn_t base, uint64_t count)
{
    if (ram.bytes) {
        munmap(ram.bytes, ram.count * PAGE_SIZE);
        munmap(ram.frames, ram.count * sizeof(struct frame));
        munmap(ram.m2p, ram.count * sizeof(uint64_t));
    }
    ram.base = base.v;
    ram.count = count;
    ram.bytes = reserve(count * PAGE_SIZE);
    ram.frames = reserve(count * sizeof(struct frame));
    ram.m2p = reserve(count * sizeof(uint64_t));
}

static uint64_t ram_index(mfn_t m, const char *what)
{
    if (m.v < ram.base || m.v - ram.base >= ram.count)
        panic("%s: frame %#lx is outside the arena", what, m.v);
    return m.v - ram.base;
}

void *maddr_to_virt(maddr_t a)
{
    return ram.bytes + ram_index(maddr_to_mfn(a), __func__) * PAGE_SIZE + (a.v & ~PAGE_MASK);
}

void *mfn_to_virt(mfn_t m)
{
    return maddr_to_virt(mfn_to_maddr(m));
}

mfn_t virt_to_mfn(const void *va)
{
    uint64_t offset = (uint64_t)((const uint8_t *)va - ram.bytes);
    if ((const uint8_t *)va < ram.bytes || offset >= ram.count * PAGE_SIZE)
        panic("virt_to_mfn: %p is outside the arena", va);
    return MFN(ram.base + offset / PAGE_SIZE);
}

struct frame *frame_entry(mfn_t m)
{
    return &ram.frames[ram_index(m, __func__)];
}

weak bool mfn_valid(mfn_t m)
{
    return m.v >= ram.base && m.v - ram.base < ram.count;
}

weak mfn_t frame_max(void)
{
    return MFN(ram.base + ram.count);
}

/* The table holds complements, so that the fresh arena's zeroes read as INVALID_M2P. */
weak void m2p_set(mfn_t m, pfn_t p)
{
    ram.m2p[ram_index(m, __func__)] = ~p.v;
}

weak pfn_t m2p_get(mfn_t m)
{
    return PFN(~ram.m2p[ram_index(m, __func__)]);
}

/* ---- Guest memory --------------------------------------------------------------------------- */

uintptr_t host_fault_start, host_fault_end;
long host_fault_after = -1;
void (*host_guest_hook)(uintptr_t addr, size_t size, bool write);

/* How many of n bytes at addr can be reached. */
static size_t reachable(vaddr_t addr, size_t n, bool write)
{
    if (n == 0)
        return 0;
    if (host_guest_hook)
        host_guest_hook(addr.v, n, write);
    if (!guest_range_ok(addr, n) || addr.v < 0x10000 || addr.v >= HV_VIRT_START)
        return 0;
    if (host_fault_after == 0)
        return 0;
    if (host_fault_after > 0)
        host_fault_after--;
    if (addr.v + n <= host_fault_start || addr.v >= host_fault_end)
        return n;
    return addr.v >= host_fault_start ? 0 : host_fault_start - addr.v;
}

weak size_t guest_copy_in(void *dst, vaddr_t src, size_t n)
{
    size_t can = reachable(src, n, false);
    if (can)
        memcpy(dst, (const void *)src.v, can);
    /* As the machine does: what could not be read is zero, never the hypervisor's old bytes. */
    if (n - can)
        memset((uint8_t *)dst + can, 0, n - can);
    return n - can;
}

weak size_t guest_copy_out(vaddr_t dst, const void *src, size_t n)
{
    size_t can = reachable(dst, n, true);
    if (can)
        memcpy((void *)dst.v, src, can);
    return n - can;
}

/* ---- Time, log, panics ---------------------------------------------------------------------- */

int64_t host_now;
char host_log[65536];
char host_panic_text[512];
jmp_buf *host_panic_jump;

weak ns_t now(void)
{
    return host_now;
}

weak void arch_timer_program(ns_t deadline)
{
    (void)deadline;
}

void host_log_reset(void)
{
    host_log[0] = 0;
}

bool host_logged(const char *text)
{
    return strstr(host_log, text) != NULL;
}

static void log_line(const char *format, va_list args)
{
    size_t used = strlen(host_log);
    vsnprintf(host_log + used, sizeof(host_log) - used, format, args);
    used = strlen(host_log);
    if (used && host_log[used - 1] != '\n' && used + 1 < sizeof(host_log))
        memcpy(host_log + used, "\n", 2);
}

weak void log_print(enum log_level level, const char *format, ...)
{
    va_list args;
    (void)level;
    va_start(args, format);
    log_line(format, args);
    va_end(args);
}

weak void log_guest(enum log_level level, const char *format, ...)
{
    va_list args;
    (void)level;
    va_start(args, format);
    log_line(format, args);
    va_end(args);
}

static void locks_drop(void);

static void stop(void) __attribute__((noreturn));
static void stop(void)
{
    if (host_panic_jump) {
        locks_drop();
        host_irqs_on = true;
        longjmp(*host_panic_jump, 1);
    }
    fprintf(stderr, "unexpected panic: %s\n", host_panic_text);
    abort();
}

weak void panic(const char *format, ...)
{
    va_list args;
    va_start(args, format);
    vsnprintf(host_panic_text, sizeof(host_panic_text), format, args);
    va_end(args);
    stop();
}

weak void assert_failed(const char *what, const char *file, int line)
{
    snprintf(host_panic_text, sizeof(host_panic_text), "%s:%d: %s", file, line, what);
    stop();
}

/* ---- Locks ---------------------------------------------------------------------------------- */

/*
 * Spinning test-and-set locks that check what core/lock.c checks: rising ranks, no lock taken
 * twice.
 */
#define HELD_MAX 16
_Thread_local unsigned host_locks_held;
static _Thread_local struct spinlock *held[HELD_MAX];

static void note_locked(struct spinlock *l, bool same_rank)
{
    for (unsigned i = 0; i < host_locks_held; i++)
        if (held[i]->rank > l->rank || (held[i]->rank == l->rank && !same_rank))
            panic("lock of rank %u taken under rank %u", l->rank, held[i]->rank);
    if (host_locks_held == HELD_MAX)
        panic("too many locks");
    held[host_locks_held++] = l;
}

/* An expected panic: what the code held is let go, so that the test can go on. */
static void locks_drop(void)
{
    while (host_locks_held)
        atomic_store(&held[--host_locks_held]->tickets, 0u);
}

static void take(struct spinlock *l)
{
    uint32_t zero = 0;
    for (unsigned i = 0; i < host_locks_held; i++)
        if (held[i] == l)
            panic("lock of rank %u taken twice", l->rank);
    while (!atomic_cas(&l->tickets, &zero, 1u))
        zero = 0;
}

weak void lock_init(struct spinlock *l, enum lock_rank rank)
{
    *l = SPINLOCK_INIT((uint16_t)rank);
}

weak void lock(struct spinlock *l)
{
    take(l);
    note_locked(l, false);
    if ((l->rank & LOCK_IRQ) && irq_enabled())
        panic("lock of rank %u taken with interrupts on", l->rank);
}

weak bool trylock(struct spinlock *l)
{
    uint32_t zero = 0;
    if (!atomic_cas(&l->tickets, &zero, 1u))
        return false;
    note_locked(l, false);
    return true;
}

weak void unlock(struct spinlock *l)
{
    unsigned i = 0;
    while (i < host_locks_held && held[i] != l)
        i++;
    if (i == host_locks_held)
        panic("unlock of a lock not held, rank %u", l->rank);
    for (host_locks_held--; i < host_locks_held; i++)
        held[i] = held[i + 1];
    atomic_store(&l->tickets, 0u);
}

weak unsigned long lock_irqsave(struct spinlock *l)
{
    unsigned long flags = irq_save();
    lock(l);
    return flags;
}

weak void unlock_irqrestore(struct spinlock *l, unsigned long flags)
{
    unlock(l);
    irq_restore(flags);
}

weak void lock_pair(struct spinlock *a, struct spinlock *b)
{
    struct spinlock *first = a < b ? a : b, *second = a < b ? b : a;
    lock(first);
    if (second == first)
        return;
    take(second);
    note_locked(second, true);
}

weak void unlock_pair(struct spinlock *a, struct spinlock *b)
{
    unlock(a);
    if (a != b)
        unlock(b);
}

weak bool lock_held(const struct spinlock *l)
{
    return atomic_load(&l->tickets) != 0;
}

weak void lock_assert_none(void)
{
    if (host_locks_held)
        panic("a lock is held");
}

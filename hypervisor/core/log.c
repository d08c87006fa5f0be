/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The log ring. Owns the text and decides what is worth keeping: a line that its level or the rate
 * limit refuses leaves no trace but a count. Positions are bytes since boot and only grow, so a
 * reader that has fallen behind finds out by comparing.
 */
#include "core/log.h"

#include "core/cmdline.h"
#include "core/console.h"
#include "core/domain.h"
#include "core/lib.h"
#include "core/lock.h"
#include "core/timer.h"

#define PREFIX "(pv) "

/* At most so many rate-limited lines in a period. */
#define LIMIT_LINES  10u
#define LIMIT_PERIOD (5 * NS_PER_SEC)

static struct spinlock log_lock = SPINLOCK_INIT(RANK_LOG);
static char ring[LOG_RING_SIZE];
static uint64_t ring_end;   /* position of the next byte */
static uint64_t cleared_to; /* log_clear() */

/* One budget for all guests: what it protects, the console and the ring, is one too. */
static struct {
    ns_t period_end;
    unsigned lines, suppressed;
} limit;

static void append(const char *text, size_t n)
{
    while (n > 0) {
        size_t at = ring_end % LOG_RING_SIZE;
        size_t part = MIN(n, LOG_RING_SIZE - at);

        memcpy(ring + at, text, part);
        ring_end += part;
        text += part;
        n -= part;
    }
}

/* Each line of the text behind the prefix and `head`, each ended by a newline. */
static void append_lines(const char *head, const char *text)
{
    do {
        const char *end = strchr(text, '\n');
        size_t n = end != NULL ? (size_t)(end - text) : strlen(text);

        append(PREFIX, sizeof(PREFIX) - 1);
        append(head, strlen(head));
        append(text, n);
        append("\n", 1);
        text += n + (end != NULL);
    } while (*text != '\0');
}

/* May a rate-limited line be printed? Says, once a period is over, how many were not. */
static bool within_limit(void)
{
    ns_t t = now();

    if (t >= limit.period_end) {
        if (limit.suppressed > 0) {
            char note[64];

            fmt_string(note, sizeof(note), "%u messages suppressed by the rate limit",
                       limit.suppressed);
            append_lines("", note);
        }
        limit.lines = limit.suppressed = 0;
        limit.period_end = t + LIMIT_PERIOD;
    }
    if (limit.lines < LIMIT_LINES) {
        limit.lines++;
        return true;
    }
    limit.suppressed++;
    return false;
}

static void emit(bool limited, const char *head, const char *format, va_list args)
{
    char text[LOG_TEXT_MAX];
    unsigned long flags;

    fmt_vstring(text, sizeof(text), format, args);
    flags = lock_irqsave(&log_lock);
    if (!limited || within_limit())
        append_lines(head, text);
    unlock_irqrestore(&log_lock, flags);
    console_flush();
}

void log_print(enum log_level level, const char *format, ...)
{
    va_list args;

    if ((int)level > options.loglvl_limited)
        return;
    va_start(args, format);
    emit((int)level > options.loglvl, "", format, args);
    va_end(args);
}

void log_guest(enum log_level level, const char *format, ...)
{
    const struct vcpu *v = current_vcpu();
    char head[24] = "";
    va_list args;

    if ((int)level > options.guest_loglvl_limited)
        return;
    if (v != NULL && !v->domain->is_idle)
        fmt_string(head, sizeof(head), "d%uv%u: ", v->domain->id.v, v->id);
    va_start(args, format);
    emit((int)level > options.guest_loglvl, head, format, args);
    va_end(args);
}

void log_always(const char *format, ...)
{
    va_list args;

    va_start(args, format);
    emit(false, "", format, args);
    va_end(args);
}

static uint64_t oldest(void)
{
    return ring_end > LOG_RING_SIZE ? ring_end - LOG_RING_SIZE : 0;
}

size_t log_read(char *buf, size_t size, uint64_t *index)
{
    unsigned long flags = lock_irqsave(&log_lock);
    uint64_t from = MIN(MAX(*index, oldest()), ring_end);
    size_t n = MIN(size, ring_end - from);
    size_t at = from % LOG_RING_SIZE;
    size_t part = MIN(n, LOG_RING_SIZE - at);

    memcpy(buf, ring + at, part);
    memcpy(buf + part, ring, n - part);
    unlock_irqrestore(&log_lock, flags);
    *index = from + n;
    return n;
}

void log_clear(void)
{
    unsigned long flags = lock_irqsave(&log_lock);

    cleared_to = ring_end;
    unlock_irqrestore(&log_lock, flags);
}

uint64_t log_start(void)
{
    unsigned long flags = lock_irqsave(&log_lock);
    uint64_t start = MAX(cleared_to, oldest());

    unlock_irqrestore(&log_lock, flags);
    return start;
}

uint64_t log_end(void)
{
    return READ_ONCE(ring_end);
}

/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The log ring: lines and levels, reading behind, at and before the text that is kept, and the rate
 * limit.
 *
 * links: tests/unit/host.c hypervisor/core/log.c hypervisor/core/fmt.c
 */
#include "core/cmdline.h"
#include "core/console.h"
#include "core/domain.h"
#include "core/log.h"
#include "host.h"

struct options options;
static unsigned flushes;

void console_flush(void)
{
    flushes++;
}

/* All text from *index on, at most 4 KiB. */
static const char *rest(uint64_t *index)
{
    static char text[4096];
    size_t n = log_read(text, sizeof(text) - 1, index);

    text[n] = '\0';
    return text;
}

static void levels(int own, int own_limited, int guest, int guest_limited)
{
    options.loglvl = own;
    options.loglvl_limited = own_limited;
    options.guest_loglvl = guest;
    options.guest_loglvl_limited = guest_limited;
}

static void test_lines(void)
{
    uint64_t at = log_end();

    levels(LOG_DEBUG, LOG_DEBUG, LOG_DEBUG, LOG_DEBUG);
    is_str(rest(&at), "", "nothing is there at first");
    flushes = 0;
    log_info("one %d", 1);
    is(flushes, 1, "the console is told");
    is_str(rest(&at), "(pv) one 1\n", "a newline is added");
    log_info("two\n");
    is_str(rest(&at), "(pv) two\n", "and not doubled");
    log_info("a\nb\n\nc");
    is_str(rest(&at), "(pv) a\n(pv) b\n(pv) \n(pv) c\n", "every line has its prefix");
    log_info("%s", "");
    is_str(rest(&at), "(pv) \n", "an empty line");
    log_info("%0600d", 1);
    is(strlen(rest(&at)), 5 + LOG_TEXT_MAX - 1 + 1, "a long text is cut");
    is_str(rest(&at), "", "and all has been read");
}

static void test_levels(void)
{
    uint64_t at = log_end();

    levels(LOG_WARNING, LOG_WARNING, -1, -1);
    log_error("e");
    log_warning("w");
    log_info("i");
    log_debug("d");
    log_guest(LOG_ERROR, "g");
    is_str(rest(&at), "(pv) e\n(pv) w\n", "up to the level");
    levels(-1, -1, LOG_INFO, LOG_INFO);
    log_error("e");
    log_guest(LOG_INFO, "g");
    log_guest(LOG_DEBUG, "h");
    is_str(rest(&at), "(pv) g\n", "guests' lines have a level of their own");
    levels(-1, -1, -1, -1);
    log_always("always");
    is_str(rest(&at), "(pv) always\n", "whatever the level");
}

static void test_guest_name(void)
{
    static struct domain d = {.id = {3}}, idle = {.is_idle = true};
    static struct vcpu v = {.id = 2, .domain = &d}, idle_vcpu = {.domain = &idle};
    uint64_t at = log_end();

    levels(-1, -1, LOG_DEBUG, LOG_DEBUG);
    host_current = &v;
    log_guest(LOG_INFO, "bad\nargument");
    is_str(rest(&at), "(pv) d3v2: bad\n(pv) d3v2: argument\n", "the guest is named");
    host_current = &idle_vcpu;
    log_guest(LOG_INFO, "idle");
    is_str(rest(&at), "(pv) idle\n", "none when there is none");
    host_current = NULL;
}

static unsigned count_lines(uint64_t *at)
{
    unsigned n = 0;

    for (const char *s = rest(at); *s; s++)
        n += *s == '\n';
    return n;
}

static void test_limit(void)
{
    uint64_t at = log_end();

    levels(LOG_INFO, LOG_INFO, -1, LOG_WARNING);
    host_now = 1000 * NS_PER_SEC;
    for (unsigned i = 0; i < 25; i++)
        log_guest(LOG_WARNING, "line %u", i);
    is(count_lines(&at), 10, "ten lines in a period");
    log_info("own");
    is_str(rest(&at), "(pv) own\n", "lines of the hypervisor's own are not held back");
    host_now += 5 * NS_PER_SEC - 1;
    log_guest(LOG_WARNING, "early");
    is_str(rest(&at), "", "up to the end of the period");
    host_now += 1;
    log_guest(LOG_WARNING, "late");
    is_str(rest(&at), "(pv) 16 messages suppressed by the rate limit\n(pv) late\n",
           "then the count of those left out");
    log_guest(LOG_INFO, "above");
    is_str(rest(&at), "", "a level above both is never shown");
    host_now += 100 * NS_PER_SEC;
    for (unsigned i = 0; i < 10; i++)
        log_guest(LOG_WARNING, "line %u", i);
    is(count_lines(&at), 10, "a new period has ten lines again, and nothing to tell");
}

static void test_ring(void)
{
    uint64_t at, before;
    char text[64];

    levels(LOG_DEBUG, LOG_DEBUG, -1, -1);
    before = log_end();
    for (unsigned i = 0; log_end() < before + 3 * LOG_RING_SIZE / 2; i++)
        log_info("line %08u", i);
    is(log_start(), log_end() - LOG_RING_SIZE, "the ring keeps its size of text");
    at = before;
    is(log_read(text, sizeof(text), &at), sizeof(text), "a reader that fell behind");
    is(at, log_start() + sizeof(text), "goes on with the oldest");
    at = log_end() - 20;
    is(log_read(text, sizeof(text), &at), 20, "the newest part");
    is(text[19], '\n');
    at = ROUND_UP(log_start(), LOG_RING_SIZE) - 7;
    is(log_read(text, 30, &at), 30, "across the end of the buffer");
    ok(memmem(text, 30, "(pv) line", 9) != NULL, "in order");
    at = UINT64_MAX;
    is(log_read(text, sizeof(text), &at), 0, "a position beyond the end");
    is(at, log_end(), "becomes the end");
    is(log_read(text, 0, &at), 0, "no room");
    log_clear();
    is(log_start(), log_end(), "cleared");
    at = log_end();
    log_info("x");
    is(log_start(), at, "and from there on kept");
}

int main(void)
{
    test_lines();
    test_levels();
    test_guest_name();
    test_limit();
    test_ring();
    return done();
}

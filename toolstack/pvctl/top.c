/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * pvctl top: a screen that is drawn anew every few seconds, or lines for a script (-b).
 */
#include "pvctl/usage.h"

#include <json-c/json.h>
#include <locale.h>
#include <ncurses.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define DELAY_DEFAULT 3u
#define LINE_MAX_SIZE 256
#define NAME_WIDTH    20u

struct top_options {
    bool batch;
    uint64_t delay, iterations; /* iterations 0: no end */
};

static bool read_top_options(struct pvctl *p, int argc, char **argv, struct top_options *o)
{
    static const struct option longs[] = {{"delay", required_argument, NULL, 'd'},
                                          {"batch", no_argument, NULL, 'b'},
                                          {"iterations", required_argument, NULL, 'i'},
                                          COMMON_OPTIONS};
    int c;

    o->delay = DELAY_DEFAULT;
    while ((c = next_option(p, argc, argv, "d:bi:", longs)) != -1) {
        o->batch |= c == 'b';
        if ((c == 'd' && !parse_number(optarg, 1, 3600, &o->delay)) ||
            (c == 'i' && !parse_number(optarg, 1, UINT32_MAX, &o->iterations))) {
            misused(p, "%s: %s", optarg,
                    c == 'd' ? "a delay is from 1 to 3600 seconds"
                             : "a number of looks, from 1, is wanted");
            return false;
        }
    }
    if (p->json) {
        o->batch = true;
        if (o->iterations == 0)
            o->iterations = 2; /* a share of CPU needs two looks */
    }
    return arguments_good(p, argc, 0, 0);
}

/* ---- Lines -------------------------------------------------------------------------------- */

static int by_cpu(const void *a, const void *b)
{
    const struct usage *x = a, *y = b;

    if (x->cpu_percent > y->cpu_percent || x->cpu_percent < y->cpu_percent)
        return x->cpu_percent > y->cpu_percent ? -1 : 1;
    return x->domid < y->domid ? -1 : 1;
}

static void head_line(char line[LINE_MAX_SIZE])
{
    snprintf(line, LINE_MAX_SIZE, "%-20s %5s %-6s %9s %6s %10s %5s %10s %10s %10s %10s", "NAME",
             "ID", "STATE", "CPU(s)", "CPU%", "MEM(k)", "VCPUS", "NETTX(k)", "NETRX(k)", "VBDRD(k)",
             "VBDWR(k)");
}

/* Bytes of a name that its column has room for, without a half character (UTF-8) at their end. */
static int name_width(const char *name)
{
    size_t width = strlen(name);

    if (width > NAME_WIDTH)
        for (width = NAME_WIDTH; width > 0 && (name[width] & 0xc0) == 0x80;)
            width--;
    return (int)width;
}

static void usage_line(const struct usage *u, char line[LINE_MAX_SIZE])
{
    snprintf(line, LINE_MAX_SIZE,
             "%-20.*s %5u %-6s %9.0f %6.1f %10llu %5u %10llu %10llu %10llu %10llu",
             name_width(u->name), u->name, u->domid, u->state, (double)u->cpu_ns / 1e9,
             u->cpu_percent, (unsigned long long)u->memory_kib, u->vcpus,
             (unsigned long long)u->net_sent >> 10, (unsigned long long)u->net_received >> 10,
             (unsigned long long)u->disk_read >> 10, (unsigned long long)u->disk_written >> 10);
}

static struct json_object *usage_object(const struct usage *u)
{
    struct json_object *o = json_object_new_object();

    json_add_text(o, "name", u->name);
    json_add_number(o, "domid", u->domid);
    json_add_text(o, "state", u->state);
    json_add_number(o, "cpu_time_ns", u->cpu_ns);
    json_object_object_add(o, "cpu_percent", json_object_new_double(u->cpu_percent));
    json_add_number(o, "memory_kib", u->memory_kib);
    json_add_number(o, "vcpus", u->vcpus);
    json_add_number(o, "net_sent_bytes", u->net_sent);
    json_add_number(o, "net_received_bytes", u->net_received);
    json_add_number(o, "disk_read_bytes", u->disk_read);
    json_add_number(o, "disk_written_bytes", u->disk_written);
    return o;
}

/* ---- Where they go ------------------------------------------------------------------------ */

static void show_batch(const struct look *look)
{
    char line[LINE_MAX_SIZE];

    head_line(line);
    puts(line);
    for (unsigned i = 0; i < look->count; i++) {
        usage_line(&look->domain[i], line);
        puts(line);
    }
    fflush(stdout);
}

/* What does not fit is cut, wherever the terminal ends. */
static void show_screen(struct pvctl *p, const struct look *look)
{
    char line[LINE_MAX_SIZE];
    xc_physinfo_t h = {.nr_cpus = 0};

    xc_physinfo(p->xch, &h);
    erase();
    snprintf(line, sizeof(line),
             "pvctl top: %u domains, %u CPUs, %llu MiB of memory, %llu MiB free; q leaves",
             look->count, h.nr_cpus, (unsigned long long)h.total_pages >> (20 - XC_PAGE_SHIFT),
             (unsigned long long)h.free_pages >> (20 - XC_PAGE_SHIFT));
    mvaddnstr(0, 0, line, COLS);
    head_line(line);
    attron(A_REVERSE);
    mvaddnstr(2, 0, line, COLS);
    attroff(A_REVERSE);
    for (unsigned i = 0; i < look->count && (int)i + 3 < LINES; i++) {
        usage_line(&look->domain[i], line);
        mvaddnstr((int)i + 3, 0, line, COLS);
    }
    refresh();
}

static int show_json(struct pvctl *p, const struct look *look)
{
    struct json_object *all = json_object_new_array();

    for (unsigned i = 0; i < look->count; i++)
        json_object_array_add(all, usage_object(&look->domain[i]));
    return print_json(p, all);
}

static long long now_ms(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return now.tv_sec * 1000LL + now.tv_nsec / 1000000;
}

/* Until the next look, drawing the last one anew when the terminal gets another size; false: a key
 * ended it. Input may be at its end from the start. */
static bool wait_delay(struct pvctl *p, const struct look *look, uint64_t delay)
{
    static struct pollfd keys = {.fd = STDIN_FILENO, .events = POLLIN};
    long long end = now_ms() + (long long)delay * 1000;

    /* A resize's signal comes while ppoll() waits or is seen by getch() before, never between. */
    sigset_t resize, others;
    bool goes_on = true;

    sigemptyset(&resize);
    sigaddset(&resize, SIGWINCH);
    sigprocmask(SIG_BLOCK, &resize, &others);
    for (int ready = 0; goes_on;) {
        bool any = false;

        for (int key; goes_on && (key = getch()) != ERR;) {
            any = true;
            goes_on = key != 'q' && key != 'Q';
            if (key == KEY_RESIZE)
                show_screen(p, look);
        }
        if (ready > 0 && !any)
            keys.fd = -1;
        long long left = end - now_ms();
        if (left <= 0)
            break;
        struct timespec timeout = {.tv_sec = left / 1000, .tv_nsec = left % 1000 * 1000000};
        ready = goes_on ? ppoll(&keys, 1, &timeout, &others) : 0;
    }
    sigprocmask(SIG_SETMASK, &others, NULL);
    return goes_on;
}

static int run_top(struct pvctl *p, const struct top_options *o)
{
    struct look before = {.count = 0}, now;
    int status = 0;

    for (uint64_t n = 1;; n++) {
        if (!usage_look(p, &now)) {
            status = STATUS_FAILED;
            break;
        }
        usage_compare(&now, &before);
        qsort(now.domain, now.count, sizeof(*now.domain), by_cpu);
        usage_free(&before);
        before = now;
        bool last = o->iterations && n == o->iterations;
        if (p->json && last)
            status = show_json(p, &now);
        else if (o->batch && !p->json)
            show_batch(&now);
        else if (!o->batch)
            show_screen(p, &now);
        if (last)
            break;
        if (o->batch)
            nanosleep(&(struct timespec){.tv_sec = (time_t)o->delay}, NULL);
        else if (!wait_delay(p, &now, o->delay))
            break;
    }
    usage_free(&before);
    return status;
}

int verb_top(struct pvctl *p, int argc, char **argv)
{
    struct top_options o = {.batch = false};

    if (!read_top_options(p, argc, argv, &o))
        return STATUS_USAGE;
    if (!o.batch && !isatty(STDOUT_FILENO))
        return misused(p, "the output is no terminal: -b prints lines instead");
    if (!need_xc(p))
        return STATUS_FAILED;
    try_store(p);
    if (o.batch)
        return run_top(p, &o);
    setlocale(LC_CTYPE, "");
    SCREEN *screen = newterm(NULL, stdout, stdin);
    if (screen == NULL)
        return failed(p, "this terminal is not known (TERM): -b prints lines instead");
    cbreak();
    noecho();
    nodelay(stdscr, true);
    curs_set(0);
    int status = run_top(p, &o);
    endwin();
    delscreen(screen);
    return status;
}

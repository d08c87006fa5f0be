/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * pvctl top: a screen that is drawn anew every few seconds, or lines for a script (-b).
 */
#include "pvctl/usage.h"

#include <json-c/json.h>
#include <ncurses.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define DELAY_DEFAULT 3u
#define LINE_MAX_SIZE 256

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

static void usage_line(const struct usage *u, char line[LINE_MAX_SIZE])
{
    snprintf(line, LINE_MAX_SIZE,
             "%-20.20s %5u %-6s %9.0f %6.1f %10llu %5u %10llu %10llu %10llu %10llu", u->name,
             u->domid, u->state, (double)u->cpu_ns / 1e9, u->cpu_percent,
             (unsigned long long)u->memory_kib, u->vcpus, (unsigned long long)u->net_sent >> 10,
             (unsigned long long)u->net_received >> 10, (unsigned long long)u->disk_read >> 10,
             (unsigned long long)u->disk_written >> 10);
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

static void show_screen(struct pvctl *p, const struct look *look)
{
    char line[LINE_MAX_SIZE];
    xc_physinfo_t h = {.nr_cpus = 0};

    xc_physinfo(p->xch, &h);
    erase();
    mvprintw(0, 0, "pvctl top: %u domains, %u CPUs, %llu MiB of memory, %llu MiB free; q leaves",
             look->count, h.nr_cpus, (unsigned long long)h.total_pages >> (20 - XC_PAGE_SHIFT),
             (unsigned long long)h.free_pages >> (20 - XC_PAGE_SHIFT));
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

/* Until the next look; false: a key ended it. */
static bool wait_delay(const struct top_options *o)
{
    if (o->batch) {
        nanosleep(&(struct timespec){.tv_sec = (time_t)o->delay}, NULL);
        return true;
    }
    timeout((int)o->delay * 1000);
    int key = getch();
    return key != 'q' && key != 'Q';
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
        if (last || !wait_delay(o))
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
    if (!need_xc(p))
        return STATUS_FAILED;
    try_store(p);
    if (o.batch)
        return run_top(p, &o);
    SCREEN *screen = newterm(NULL, stdout, stdin);
    if (screen == NULL)
        return failed(p, "this terminal is not known (TERM): -b prints lines instead");
    cbreak();
    noecho();
    curs_set(0);
    int status = run_top(p, &o);
    endwin();
    delscreen(screen);
    return status;
}

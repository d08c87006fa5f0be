/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * links: tests/unit/host.c toolstack/console/record.c toolstack/common/daemon_log.c
 *
 * Logs of consoles: sizes, numbers of files, what is in them together, times, links, disks that are
 * full.
 */
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/daemon_log.h"
#include "console/record.h"
#include "tap.h"

static char directory[] = "/tmp/test_console_record.XXXXXX";

static char *in_directory(const char *name)
{
    char *path;

    if (asprintf(&path, "%s/%s", directory, name) < 0)
        abort();
    return path;
}

static long size_of(const char *name)
{
    char *path = in_directory(name);
    struct stat st;
    long size = stat(path, &st) ? -1 : (long)st.st_size;

    free(path);
    return size;
}

/* The file's text; for free(). */
static char *text_of(const char *name)
{
    char *path = in_directory(name), *text = calloc(1, 1 << 20);
    FILE *f = fopen(path, "r");

    if (f != NULL && fread(text, 1, (1 << 20) - 1, f) == 0)
        text[0] = '\0';
    if (f != NULL)
        fclose(f);
    free(path);
    return text;
}

static struct record *begin(const char *name, const struct record_rules *rules)
{
    char *path = in_directory(name);
    struct record *record = record_open(path, rules);

    free(path);
    return record;
}

static void put_text(struct record *record, const char *text)
{
    record_write(record, text, strlen(text));
}

static void test_rotation(void)
{
    struct record_rules rules = {.size = 1000, .keep = 2};
    struct record *r = begin("a.log", &rules);
    char line[64], *text, *last;

    for (unsigned i = 0; i < 100; i++) {
        snprintf(line, sizeof(line), "this is the line number %08u\n", i);
        /* In pieces, as it comes from a ring. */
        record_write(r, line, 10);
        put_text(r, line + 10);
    }
    for (unsigned i = 0; i < 3; i++) {
        static const char *const names[] = {"a.log", "a.log.1", "a.log.2"};
        ok(size_of(names[i]) > 0 && size_of(names[i]) < 1000 + 34, "%s: %ld bytes", names[i],
           size_of(names[i]));
        text = text_of(names[i]);
        ok(strncmp(text, "this is", 7) == 0 && text[strlen(text) - 1] == '\n', "%s has whole lines",
           names[i]);
        free(text);
    }
    is(size_of("a.log.3"), -1, "older ones are not kept");
    text = text_of("a.log");
    last = strstr(text, "00000099\n");
    ok(last != NULL && last[9] == '\0', "the last line is the last in the newest");
    free(text);
    record_close(r);
}

static void test_long_line(void)
{
    struct record_rules rules = {.size = 4096, .keep = 1};
    struct record *r = begin("long.log", &rules);
    char bytes[1024];

    memset(bytes, 'x', sizeof(bytes));
    for (unsigned i = 0; i < 64; i++)
        record_write(r, bytes, sizeof(bytes));
    ok(size_of("long.log") <= 4096 + (long)RECORD_LINE_MAX + 1024, "%ld bytes without line end",
       size_of("long.log"));
    ok(size_of("long.log.1") <= 4096 + (long)RECORD_LINE_MAX + 1024, "%ld in the older file",
       size_of("long.log.1"));
    record_close(r);
}

static void test_keep_none(void)
{
    struct record_rules rules = {.size = 100, .keep = 0};
    struct record *r = begin("none.log", &rules);

    for (unsigned i = 0; i < 100; i++)
        put_text(r, "twelve bytes\n");
    ok(size_of("none.log") <= 113, "%ld bytes", size_of("none.log"));
    is(size_of("none.log.1"), -1, "no older file is kept");
    record_close(r);
}

static void test_again(void)
{
    struct record_rules rules = {.size = 1000, .keep = 1};
    struct record *r = begin("again.log", &rules);
    char *text, *path = in_directory("again.log"), *moved = in_directory("moved");

    put_text(r, "one\n");
    record_close(r);
    r = begin("again.log", &rules);
    put_text(r, "two\n");
    text = text_of("again.log");
    is_str(text, "one\ntwo\n", "a log is gone on with");
    free(text);
    rename(path, moved);
    put_text(r, "three\n");
    record_reopen(r);
    put_text(r, "four\n");
    text = text_of("moved");
    is_str(text, "one\ntwo\nthree\n", "a file that was moved is written until the log is reopened");
    free(text);
    text = text_of("again.log");
    is_str(text, "four\n", "then a new one is");
    free(text);
    record_close(r);
    free(path);
    free(moved);
}

static void test_timestamps(void)
{
    struct record_rules rules = {.size = 1000, .timestamps = true};
    struct record *r = begin("time.log", &rules);
    unsigned year, month, day, hour, minute, second;
    char word[8] = "", *text, *second_line;

    put_text(r, "hello ");
    put_text(r, "world\nmore\n");
    text = text_of("time.log");
    is(sscanf(text, "[%u-%u-%u %u:%u:%uZ] hello %7s", &year, &month, &day, &hour, &minute, &second,
              word),
       7, "a line begins with the time");
    is_str(word, "world", "once");
    second_line = strchr(text, '\n');
    ok(second_line != NULL && second_line[1] == '[' && strstr(second_line, "] more\n") != NULL,
       "and the next one too");
    free(text);
    record_close(r);
}

static void test_failures(void)
{
    struct record_rules rules = {.size = 1000, .keep = 1};
    char *target = in_directory("target"), *link = in_directory("link.log");
    char *missing = in_directory("later");

    if (symlink(target, link))
        bail_out("no link can be made");
    struct record *r = begin("link.log", &rules);
    put_text(r, "not there\n");
    is(size_of("target"), -1, "a link is not followed");
    record_close(r);
    r = begin("later/b.log", &rules);
    put_text(r, "lost\n");
    mkdir(missing, 0700);
    put_text(r, "kept\n");
    is(size_of("later/b.log"), 5, "a directory that comes later is found");
    record_close(r);
    r = record_open("/dev/full", &rules);
    put_text(r, "no room\n");
    pass("a device in the place of a log is refused");
    record_close(r);
    free(target);
    free(link);
    free(missing);
}

int main(void)
{
    char command[128];

    if (mkdtemp(directory) == NULL)
        bail_out("no directory can be made");
    daemon_log_open("test", false, -1); /* nothing */
    test_rotation();
    test_long_line();
    test_keep_none();
    test_again();
    test_timestamps();
    test_failures();
    snprintf(command, sizeof(command), "rm -r %s", directory);
    is(system(command), 0);
    return done();
}

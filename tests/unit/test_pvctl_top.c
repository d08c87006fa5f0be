/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * pvctl top on terminals of several sizes: a child runs it on a pty, and what it draws there is
 * read as a VT52 does (its control sequences are few: DEC's VT52 manual). Domains are made up.
 *
 * links: tests/unit/host.c toolstack/pvctl/top.c
 * libs: -ljson-c -lncursesw -ltinfo
 */
#include <fcntl.h>
#include <json-c/json.h>
#include <poll.h>
#include <pty.h>
#include <signal.h>
#include <stdarg.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "pvctl/usage.h"
#include "tap.h"

#define PATIENCE_MS 30000

/* ---- What top stands on ------------------------------------------------------------------- */

static struct shared {
    unsigned looks;
} * shared; /* with the child */
static unsigned nr_domains = 3;

int next_option(struct pvctl *p, int argc, char **argv, const char *shorts,
                const struct option *longs)
{
    (void)p;
    return getopt_long(argc, argv, shorts, longs, NULL);
}

bool arguments_good(struct pvctl *p, int argc, unsigned min, unsigned max)
{
    (void)p;
    (void)min;
    (void)max;
    return optind == argc;
}

int misused(struct pvctl *p, const char *format, ...)
{
    (void)p;
    (void)format;
    return STATUS_USAGE;
}

int failed(struct pvctl *p, const char *format, ...)
{
    (void)p;
    (void)format;
    return STATUS_FAILED;
}

bool need_xc(struct pvctl *p)
{
    return p != NULL;
}

bool try_store(struct pvctl *p)
{
    return p != NULL;
}

bool parse_number(const char *text, uint64_t min, uint64_t max, uint64_t *number)
{
    *number = strtoull(text, NULL, 10);
    return *number >= min && *number <= max;
}

int print_json(struct pvctl *p, struct json_object *object)
{
    (void)p;
    json_object_put(object);
    return 0;
}

void json_add_text(struct json_object *o, const char *key, const char *text)
{
    json_object_object_add(o, key, json_object_new_string(text));
}

void json_add_number(struct json_object *o, const char *key, uint64_t number)
{
    json_object_object_add(o, key, json_object_new_int64((int64_t)number));
}

int xc_physinfo(xc_interface *xch, xc_physinfo_t *info)
{
    (void)xch;
    info->nr_cpus = 4;
    info->total_pages = 1024 << 8;
    info->free_pages = 100 << 8;
    return 0;
}

/* Domain 1 uses more than domain 0, which uses more than the others. */
bool usage_look(struct pvctl *p, struct look *look)
{
    (void)p;
    shared->looks++;
    look->count = nr_domains;
    look->domain = calloc(nr_domains + 1, sizeof(*look->domain));
    for (unsigned i = 0; i < nr_domains; i++) {
        struct usage *u = &look->domain[i];

        *u = (struct usage){.domid = i, .vcpus = 1, .memory_kib = 4096, .state = "-b----"};
        snprintf(u->name, sizeof(u->name),
                 i == 2 ? "name-of-nineteen-b\xc3\xbc\xc3\xbc" : "guest%u", i);
        u->cpu_percent = i == 1 ? 50 : i == 0 ? 20 : 0;
    }
    return true;
}

void usage_compare(struct look *now, const struct look *before)
{
    (void)now;
    (void)before;
}

void usage_free(struct look *look)
{
    free(look->domain);
    look->domain = NULL;
    look->count = 0;
}

/* ---- A terminal --------------------------------------------------------------------------- */

#define ROWS_MAX    60
#define COLUMNS_MAX 220

static struct screen {
    char cell[ROWS_MAX][COLUMNS_MAX + 1];
    int rows, columns, row, column;
    int escape; /* how many bytes of a sequence have come */
    char sequence[4];
    bool wrapped; /* something was drawn behind the last column: it would have been a new line */
} screen;

static void clear_from(int row, int column)
{
    for (int r = row; r < ROWS_MAX; r++) {
        int from = r == row ? column : 0;

        memset(&screen.cell[r][from], ' ', (size_t)(COLUMNS_MAX - from));
        screen.cell[r][COLUMNS_MAX] = '\0';
    }
}

static void take_sequence(void)
{
    switch (screen.sequence[0]) {
    case 'Y':
        screen.row = (unsigned char)screen.sequence[1] - ' ';
        screen.column = (unsigned char)screen.sequence[2] - ' ';
        break;
    case 'H':
        screen.row = screen.column = 0;
        break;
    case 'J':
        clear_from(screen.row, screen.column);
        break;
    case 'K':
        memset(&screen.cell[screen.row][screen.column], ' ', (size_t)(COLUMNS_MAX - screen.column));
        break;
    case 'A':
        screen.row -= screen.row > 0;
        break;
    case 'B':
        screen.row++;
        break;
    case 'C':
        screen.column++;
        break;
    case 'D':
        screen.column -= screen.column > 0;
        break;
    }
}

static void take_byte(char c)
{
    if (screen.escape) {
        screen.sequence[screen.escape++ - 1] = c;
        if (screen.sequence[0] != 'Y' || screen.escape == 4) {
            screen.escape = 0;
            take_sequence();
        }
    } else if (c == '\033') {
        screen.escape = 1;
    } else if (c == '\r') {
        screen.column = 0;
    } else if (c == '\n') {
        screen.row++;
    } else if (c == '\b') {
        screen.column -= screen.column > 0;
    } else if (c == '\t') {
        screen.column = (screen.column + 8) & ~7;
    } else if ((unsigned char)c >= ' ') {
        screen.wrapped |= screen.column >= screen.columns || screen.row >= screen.rows;
        if (screen.row < ROWS_MAX && screen.column < COLUMNS_MAX)
            screen.cell[screen.row][screen.column++] = c;
    }
}

static void new_screen(int rows, int columns)
{
    screen = (struct screen){.rows = rows, .columns = columns};
    clear_from(0, 0);
}

/* Whether the row shows so much of the text as there is room for. */
static bool shows(int row, const char *text)
{
    size_t width = strlen(text);

    if (width > (size_t)screen.columns)
        width = (size_t)screen.columns;
    return row >= screen.rows || memcmp(screen.cell[row], text, width) == 0;
}

static long long now_ms(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return now.tv_sec * 1000LL + now.tv_nsec / 1000000;
}

/* Reads what is drawn until all that is wanted stands there. */
static bool wait_drawn(int pty)
{
    long long end = now_ms() + PATIENCE_MS;

    for (;;) {
        char bytes[4096];
        struct pollfd fd = {.fd = pty, .events = POLLIN};

        if (shows(0, "pvctl top: 3 domains, 4 CPUs, 1024 MiB of memory, 100 MiB free; q leaves") &&
            shows(2, "NAME                    ID STATE     CPU(s)") && shows(3, "guest1 ") &&
            shows(4, "guest0 ") && shows(5, "name-of-nineteen-b"))
            return true;
        if (now_ms() > end || poll(&fd, 1, PATIENCE_MS) <= 0)
            return false;
        ssize_t n = read(pty, bytes, sizeof(bytes));
        for (ssize_t i = 0; i < n; i++)
            take_byte(bytes[i]);
        if (n <= 0)
            return false;
    }
}

/* ---- Running it --------------------------------------------------------------------------- */

static pid_t start(int rows, int columns, char **argv, const char *input, int *pty)
{
    struct winsize size = {.ws_row = (unsigned short)rows, .ws_col = (unsigned short)columns};
    struct pvctl p = {.verb = NULL};
    int argc = 0;

    while (argv[argc] != NULL)
        argc++;
    new_screen(rows, columns);
    shared->looks = 0;
    pid_t child = forkpty(pty, NULL, NULL, &size);
    if (child == 0) {
        if (input != NULL && dup2(open(input, O_RDONLY), STDIN_FILENO) < 0)
            _exit(100);
        optind = 0;
        int status = verb_top(&p, argc, argv);
        fflush(stdout);
        _exit(status);
    }
    return child;
}

/* The exit status; what is still drawn is read, or the child could not end. */
static int end(pid_t child, int pty)
{
    char bytes[4096];
    int status;

    while (read(pty, bytes, sizeof(bytes)) > 0)
        ;
    close(pty);
    waitpid(child, &status, 0);
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

static void test_size(int rows, int columns)
{
    char *argv[] = {"top", "-d", "3600", NULL};
    int pty;
    pid_t child = start(rows, columns, argv, NULL, &pty);

    ok(wait_drawn(pty), "%d columns, %d rows: all that has room is there", columns, rows);
    ok(write(pty, "x ", 2) == 2 && write(pty, "q", 1) == 1, "keys");
    is(end(child, pty), 0, "q ends it");
    ok(!screen.wrapped, "nothing is drawn outside");
    is(shared->looks, 1, "other keys change nothing");
}

static void test_resize(void)
{
    static const int sizes[][2] = {{10, 30}, {40, 132}, {1, 1}, {3, 200}, {24, 80}};
    char *argv[] = {"top", "-d", "3600", NULL};
    int pty;
    pid_t child = start(24, 80, argv, NULL, &pty);

    ok(wait_drawn(pty), "before");
    for (unsigned i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
        struct winsize size = {.ws_row = (unsigned short)sizes[i][0],
                               .ws_col = (unsigned short)sizes[i][1]};

        new_screen(sizes[i][0], sizes[i][1]);
        ok(ioctl(pty, TIOCSWINSZ, &size) == 0 && wait_drawn(pty), "resized to %d columns, %d rows",
           size.ws_col, size.ws_row);
    }
    ok(write(pty, "Q", 1) == 1);
    is(end(child, pty), 0);
    is(shared->looks, 1, "another size needs no other look");
}

static void test_ends(void)
{
    char *two[] = {"top", "-d", "1", "-i", "2", NULL}, *bad[] = {"top", "-d", "0", NULL};
    char *batch[] = {"top", "-b", "-d", "1", "-i", "2", NULL};
    int pty;
    long long begin = now_ms();

    is(end(start(24, 80, two, "/dev/null", &pty), pty), 0, "input that is at its end");
    is(shared->looks, 2);
    ok(now_ms() - begin >= 1000, "the delay is kept");
    is(end(start(24, 80, bad, NULL, &pty), pty), STATUS_USAGE, "a delay of 0");
    is(end(start(24, 80, batch, NULL, &pty), pty), 0, "batch");
    is(shared->looks, 2);
    setenv("TERM", "nonsense", 1);
    is(end(start(24, 80, two, NULL, &pty), pty), STATUS_FAILED, "a terminal that nobody knows");
    setenv("TERM", "vt52", 1);
}

/* To a pipe: an error, not control sequences. */
static void test_pipe(void)
{
    char *argv[] = {"top", NULL};
    struct pvctl p = {.verb = NULL};
    int ends[2], status;
    char byte;

    ok(pipe(ends) == 0);
    pid_t child = fork();
    if (child == 0) {
        dup2(ends[1], STDOUT_FILENO);
        optind = 0;
        _exit(verb_top(&p, 1, argv));
    }
    close(ends[1]);
    is(read(ends[0], &byte, 1), 0, "nothing is written");
    waitpid(child, &status, 0);
    is(WEXITSTATUS(status), STATUS_USAGE);
    close(ends[0]);
}

int main(void)
{
    shared = mmap(NULL, sizeof(*shared), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    setenv("TERM", "vt52", 1);
    setvbuf(stdout, NULL, _IOLBF, 0);
    test_size(24, 80);
    test_size(50, 200);
    test_size(4, 30);
    test_size(3, 80);
    test_size(2, 10);
    test_size(1, 1);
    test_resize();
    test_ends();
    test_pipe();
    return done();
}

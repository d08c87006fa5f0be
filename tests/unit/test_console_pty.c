/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * links: tests/unit/host.c toolstack/console/console.c toolstack/console/ring.c
 * links: toolstack/console/backlog.c toolstack/console/record.c toolstack/console/terminal.c
 * links: toolstack/common/daemon_log.c toolstack/common/message.c toolstack/store/loop.c
 *
 * One guest's console with a real pty: those who look, who do not, who do not read, who type more
 * than fits and leave; a guest that floods, writes rubbish, and ends.
 */
#include <fcntl.h>
#include <poll.h>
#include <sys/epoll.h>
#include <sys/inotify.h>
#include <time.h>
#include <unistd.h>

#include "common/daemon_log.h"
#include "console/console.h"
#include "console_world.h"

#define LIMIT 20000u

static struct loop loop;
static struct source notices;
static struct console_host host = {.loop = &loop};
static struct console console;
static unsigned wakeups;

static void noticed(struct source *source, uint32_t events)
{
    char buffer[4096];

    (void)events;
    if (read(source->fd, buffer, sizeof(buffer)) > 0)
        console_look(&console);
}

/* The daemon's turns, until nothing has happened for a moment. */
static void settle(void)
{
    do {
        wakeups++;
        if (world[0].pending) {
            world[0].pending = false;
            console_serve(&console);
        }
        struct epoll_event event;
        if (epoll_wait(loop.epoll, &event, 1, 100) == 0)
            return;
        loop_wait(&loop, 0);
    } while (wakeups < 100000);
}

static void begin(void)
{
    struct message why;

    memset(&world[0], 0, sizeof(world[0]));
    console = (struct console){.host = &host, .domid = 1, .ring = &world[0].ring};
    if (console_open(&console, LIMIT, &why))
        bail_out("%s", why.text);
    settle();
}

static int look(void)
{
    int fd = open(console.terminal.path, O_RDWR | O_NOCTTY | O_NONBLOCK);

    if (fd < 0)
        bail_out("the slave cannot be opened");
    settle();
    return fd;
}

/* All that there is to read, while the daemon goes on. */
static size_t read_all(int fd, char *bytes, size_t room)
{
    size_t count = 0;
    ssize_t n;

    for (unsigned tries = 0; tries < 2; tries++) {
        while (count < room && (n = read(fd, bytes + count, room - count)) > 0) {
            count += (size_t)n;
            tries = 0;
        }
        settle();
    }
    return count;
}

static void say(const char *text)
{
    guest_write(0, text, strlen(text));
    settle();
}

/* ---- Cases -------------------------------------------------------------------------------- */

static void test_both_ways(void)
{
    char bytes[4096] = "";

    begin();
    say("hello ");
    is(world[0].ring.out_cons, 6, "what the guest writes is taken though nobody looks");
    ok(world[0].notified > 0, "it is told");
    int fd = look();
    is(read_all(fd, bytes, sizeof(bytes)), 6);
    ok(strncmp(bytes, "hello ", 6) == 0, "who looks later sees it");
    say("a\nb\x1b\x03");
    is(read_all(fd, bytes, sizeof(bytes)), 5, "bytes come as they are");
    ok(memcmp(bytes, "a\nb\x1b\x03", 5) == 0);
    ok(write(fd, "typed\r\x03\x1d", 8) == 8);
    settle();
    is(guest_read(0, bytes, sizeof(bytes)), 8, "what is typed comes to the guest");
    ok(memcmp(bytes, "typed\r\x03\x1d", 8) == 0, "as it is, without an echo");
    is(read_all(fd, bytes, sizeof(bytes)), 0);
    close(fd);
    settle();
    console_close(&console);
}

static void test_much_input(void)
{
    char bytes[3000], got[3000];
    uint32_t count = 0;

    for (unsigned i = 0; i < sizeof(bytes); i++)
        bytes[i] = (char)('a' + i % 23);
    begin();
    int fd = look();
    ok(write(fd, bytes, sizeof(bytes)) == sizeof(bytes), "more is typed than the ring holds");
    close(fd);
    settle();
    is(world[0].ring.in_prod - world[0].ring.in_cons, RING_INPUT, "the ring is full");
    for (unsigned i = 0; i < 100 && count < sizeof(bytes); i++) {
        count += guest_read(0, got + count, 100);
        ring_port(0);
        settle();
    }
    is(count, sizeof(bytes), "all of it comes, though who typed it has gone");
    ok(memcmp(bytes, got, sizeof(bytes)) == 0, "in order");
    console_close(&console);
}

static uint32_t flood(unsigned lines, unsigned from)
{
    char line[64];
    uint32_t size = 0;

    for (unsigned i = from; i < from + lines; i++) {
        int n = snprintf(line, sizeof(line), "line %08u\n", i);
        while (guest_write(0, line, (size_t)n) == 0)
            console_serve(&console);
        console_serve(&console);
        size += (uint32_t)n;
    }
    return size;
}

/* Whether the text is lines in order, without a gap, up to `last`. */
static bool in_order(const char *text, unsigned last)
{
    const char *at = strchr(text, '\n');
    unsigned number, before = 0;

    for (; at != NULL && at[1] != '\0'; at = strchr(at + 1, '\n')) {
        if (sscanf(at + 1, "line %8u", &number) != 1 || (before != 0 && number != before + 1))
            return false;
        before = number;
    }
    return before == last;
}

static void test_flood(void)
{
    static char bytes[LIMIT * 4];

    begin();
    uint32_t size = flood(10000, 1);
    ok(size > 5 * LIMIT && world[0].ring.out_cons == size, "a flood is taken, nobody looks");
    int fd = look();
    memset(bytes, 0, sizeof(bytes));
    is(read_all(fd, bytes, sizeof(bytes) - 1), LIMIT, "what is kept is bounded");
    ok(in_order(bytes, 10000), "it is the newest, without a gap");
    size = world[0].ring.out_cons;
    flood(10000, 10001);
    ok(world[0].ring.out_cons - size == 140000, "a flood is taken, who looks does not read");
    close(fd);
    settle();
    flood(10000, 20001);
    fd = look();
    memset(bytes, 0, sizeof(bytes));
    is(read_all(fd, bytes, sizeof(bytes) - 1), LIMIT, "the next one sees the newest");
    ok(in_order(bytes, 30000), "and nothing that was left to the one before");
    close(fd);
    settle();
    console_close(&console);
}

static void test_idle(void)
{
    begin();
    int fd = look();
    close(fd);
    settle();
    wakeups = 0;
    settle();
    ok(wakeups <= 3, "nothing to do without anybody: %u turns", wakeups);
    fd = look();
    wakeups = 0;
    settle();
    ok(wakeups <= 3, "nothing to do with somebody: %u turns", wakeups);
    /* The guest takes no input: the pty stays full. */
    char bytes[1000] = "";
    while (write(fd, bytes, sizeof(bytes)) > 0)
        settle();
    wakeups = 0;
    settle();
    ok(wakeups <= 3, "nothing to do with input that nobody takes: %u turns", wakeups);
    close(fd);
    settle();
    wakeups = 0;
    settle();
    ok(wakeups <= 3, "nor when who typed it has gone: %u turns", wakeups);
    console_close(&console);
}

static void test_rubbish(void)
{
    char bytes[64] = "";

    begin();
    int fd = look();
    world[0].ring.out_prod = world[0].ring.out_cons + 5000;
    world[0].ring.in_prod = world[0].ring.in_cons - 1;
    ok(write(fd, "x", 1) == 1);
    ring_port(0);
    settle();
    is(read_all(fd, bytes, sizeof(bytes)), 0, "nothing comes of rubbish");
    world[0].ring.in_prod = world[0].ring.in_cons;
    say("good");
    is(read_all(fd, bytes, sizeof(bytes)), 4, "what comes behind it is shown");
    is(guest_read(0, bytes, sizeof(bytes)), 1, "and what was typed meanwhile comes");
    close(fd);
    console_close(&console);
}

static void test_end(void)
{
    char bytes[64] = "";

    begin();
    world[0].mapped = world[0].bound = true;
    say("unread ");
    guest_write(0, "last words", 10);
    int fd = look();
    console_end(&console, 1000);
    ok(!world[0].mapped && !world[0].bound, "a guest that is gone is let go of at once");
    ok(!console_finished(&console, 1001), "who looks has time to read");
    usleep(20000);
    ok(!console_finished(&console, 1020), "as long as there is something");
    is(read_all(fd, bytes, sizeof(bytes)), 17, "he reads what it wrote last");
    ok(strncmp(bytes, "unread last words", 17) == 0);
    console_finished(&console, 1040);
    ok(console_finished(&console, 1060), "then nothing keeps it");
    console_close(&console);
    errno = 0;
    ok(read(fd, bytes, sizeof(bytes)) <= 0 && errno != EAGAIN, "and he sees the end");
    close(fd);

    begin();
    world[0].mapped = world[0].bound = true;
    say("unread");
    fd = look();
    console_end(&console, 1000);
    ok(!console_finished(&console, 1000 + CONSOLE_LINGER_MS - 1), "who does not read has time");
    ok(console_finished(&console, 1000 + CONSOLE_LINGER_MS), "but not for ever");
    close(fd);
    console_close(&console);

    begin();
    console_end(&console, 1000);
    ok(console_finished(&console, 1000), "nobody looks: it is forgotten at once");
    console_close(&console);
}

int main(void)
{
    daemon_log_open("test", false, -1); /* nothing */
    if (loop_open(&loop))
        bail_out("no epoll");
    notices = (struct source){.fd = inotify_init1(IN_NONBLOCK), .ready = noticed};
    host.inotify = notices.fd;
    if (loop_add(&loop, &notices, EPOLLIN))
        bail_out("no inotify");
    test_both_ways();
    test_much_input();
    test_flood();
    test_idle();
    test_rubbish();
    test_end();
    return done();
}

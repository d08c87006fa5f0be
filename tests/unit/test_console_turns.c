/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * links: tests/unit/host.c toolstack/console/consoles.c toolstack/console/console.c
 * links: toolstack/console/ring.c toolstack/console/backlog.c toolstack/console/record.c
 * links: toolstack/console/terminal.c toolstack/common/daemon_log.c toolstack/common/message.c
 * links: toolstack/common/guest_names.c toolstack/store/loop.c
 *
 * The consoles of several guests: who comes, goes, cannot be served, has another's number; and that
 * guests take turns, however loud one is.
 */
#include <sys/inotify.h>
#include <time.h>
#include <unistd.h>

#include "common/daemon_log.h"
#include "console/consoles.h"
#include "console_world.h"

static struct consoles consoles;
static struct loop loop;
static struct daemon_options options = {.log = LOG_NONE, .log_size = 1 << 20};
static struct xs_handle *const store = (struct xs_handle *)&loop; /* there is one */

/* ---- console/nodes.h ---------------------------------------------------------------------- */

bool nodes_read(struct xs_handle *xs, uint16_t domid, struct console_nodes *nodes)
{
    (void)xs;
    *nodes = (struct console_nodes){.mfn = domid, .port = 1};
    return true;
}

void nodes_free(struct console_nodes *nodes)
{
    (void)nodes;
}

bool nodes_tell(struct xs_handle *xs, uint16_t domid, const char *tty)
{
    (void)xs;
    snprintf(world[domid - 1].tty, sizeof(world[0].tty), "%s", tty);
    return true;
}

/* ---- Cases -------------------------------------------------------------------------------- */

static void turns(unsigned count)
{
    for (unsigned i = 0; i < count; i++) {
        consoles_events(&consoles);
        consoles_turn(&consoles);
    }
}

static void test_coming_and_going(void)
{
    for (unsigned n = 0; n < 4; n++)
        world[n].lives = true;
    world[2].refused = true;
    snprintf(world[2].tty, sizeof(world[2].tty), "/dev/pts/0");
    guest_write(3, "before", 6);
    consoles_look(&consoles, NULL);
    ok(!world[0].mapped, "without a store no guest is served");
    consoles_look(&consoles, store);
    ok(world[0].mapped && world[1].bound && world[3].mapped, "with one they are");
    ok(strncmp(world[0].tty, "/dev/pts/", 9) == 0, "and it is told the ptys");
    ok(!world[2].bound && world[2].tty[0] == '\0',
       "who cannot be served has no pty, not an old one either");
    turns(1);
    is(world[3].ring.out_cons, 6, "what was on a ring is taken without an event");
    world[2].refused = false;
    consoles_look(&consoles, store);
    ok(world[2].mapped, "it is tried again");
    world[1].stopped = true;
    guest_write(1, "dying words", 11);
    world[1].pending = false;
    consoles_look(&consoles, store);
    turns(1);
    ok(world[1].mapped && world[1].ring.out_cons == 11, "one that stopped is read once more");
    world[1].dying = true;
    consoles_look(&consoles, store);
    ok(!world[1].mapped && !world[1].bound, "one that dies is let go of");
    snprintf(world[3].tty, sizeof(world[3].tty), "old");
    world[3].handle[5] = 1;
    consoles_look(&consoles, store);
    ok(world[3].mapped && strcmp(world[3].tty, "old") != 0, "another guest of the number is seen");
    world[0].lives = false;
    consoles_look(&consoles, NULL);
    ok(!world[0].mapped, "one that is gone is let go of without a store, too");
    world[1].lives = false;
    turns(1);
    ok(TAILQ_EMPTY(&consoles.gone), "nothing is left of those");
    world[3].tty[0] = '\0';
    consoles_tell(&consoles, store);
    ok(world[3].tty[0] == '/', "a new store is told, too");
}

static uint64_t now_ms(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

/* Guest 2 rings all the time; guest 3 says a word each time round. */
static void test_fairness(void)
{
    unsigned rounds = 0, heard = 0, served = 0;
    uint64_t begin = now_ms(), elapsed;
    static char much[RING_OUTPUT];

    memset(much, 'x', sizeof(much));
    while ((elapsed = now_ms() - begin) < 500) {
        uint32_t loud = world[2].ring.out_cons, quiet = world[3].ring.out_prod;
        guest_write(2, much, sizeof(much));
        if (rounds % 16 == 0)
            guest_write(3, "w", 1);
        turns(1);
        served += world[2].ring.out_cons != loud;
        heard += rounds % 16 == 0 && world[3].ring.out_cons == quiet + 1;
        rounds++;
        if (rounds % 16 == 0)
            usleep(2000); /* the quiet one keeps within its share */
    }
    is(heard, (rounds + 15) / 16, "who says little is heard at once, each time");
    ok(served >= 64, "the loud one is served: %u times", served);
    ok(served <= 64 * (elapsed / 100 + 2) + elapsed + 2,
       "but no more than its share and once a millisecond: %u times in %u ms", served,
       (unsigned)elapsed);
    ok(world[2].ring.out_prod - world[2].ring.out_cons <= RING_OUTPUT, "and waits meanwhile");
    /* It gets its turn without ringing again. */
    guest_write(2, much, sizeof(much));
    for (unsigned i = 0; i < 1000 && world[2].ring.out_cons != world[2].ring.out_prod; i++) {
        usleep(1000);
        turns(1);
    }
    is(world[2].ring.out_cons, world[2].ring.out_prod, "in the end all is taken");
    ok(!world[2].masked, "and its port can ring again");
}

int main(void)
{
    daemon_log_open("test", false, -1); /* nothing */
    if (loop_open(&loop))
        bail_out("no epoll");
    consoles.host = (struct console_host){.loop = &loop, .inotify = inotify_init1(IN_NONBLOCK)};
    consoles_open(&consoles, &options);
    is(consoles_patience(&consoles), -1, "nothing is waited for");
    test_coming_and_going();
    test_fairness();
    consoles_close(&consoles);
    ok(!world[2].mapped && !world[3].bound, "at the end all is given back");
    return done();
}

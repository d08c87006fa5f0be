/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What the nodes of a guest cost, in CPU time with the record of changes: those of the 500th no
 * more than those of the first (half as much again is allowed for noise and for caches that
 * overflow). A watch on each guest's home, and one open transaction for each, are there too.
 *
 * links: tests/unit/host.c toolstack/store/commit.c toolstack/store/connection.c
 * links: toolstack/store/control.c toolstack/store/domain.c toolstack/store/journal.c
 * links: toolstack/store/memory.c toolstack/store/operations.c toolstack/store/path.c
 * links: toolstack/store/perms.c toolstack/store/protocol.c toolstack/store/restore.c
 * links: toolstack/store/state.c toolstack/store/store.c toolstack/store/transaction.c
 * links: toolstack/store/tree.c toolstack/store/view.c toolstack/store/watch.c
 * links: toolstack/common/message.c
 */
#include "tap.h"

#include <time.h>
#include <unistd.h>

#include "store/journal.h"
#include "store/state.h"
#include "store_world.h"

#define GUESTS 500
#define NODES  60
#define GROUP  20 /* the cheapest of so many counts: others of the machine's work is in the rest */

static struct store store;
static struct connection *root;

static uint64_t cpu_time(void)
{
    struct timespec now;

    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
    return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

/* As a toolstack does: in one transaction, with permissions. */
static void create_guest(unsigned domid)
{
    char text[128];
    uint32_t tx = (uint32_t)atoi(ask(root, XS_TRANSACTION_START, 0, ""));

    for (unsigned i = 0; i < NODES; i++) {
        snprintf(text, sizeof(text), "/local/domain/%u/device/vif/%u/node-%u|value", domid, i % 4,
                 i);
        ask_bars(root, XS_WRITE, tx, text);
    }
    snprintf(text, sizeof(text), "/local/domain/%u|n%u|", domid, domid);
    ask_bars(root, XS_SET_PERMS, tx, text);
    ask(root, XS_TRANSACTION_END, tx, "T");
    state_commit(&store);
}

static uint64_t cheapest(uint64_t *costs, unsigned first)
{
    uint64_t least = UINT64_MAX;

    for (unsigned i = first; i < first + GROUP; i++)
        if (least > costs[i])
            least = costs[i];
    return least;
}

int main(void)
{
    static uint64_t costs[GUESTS + 1];
    char directory[4096], name[4200], text[64];
    struct journal *journal;
    struct message why;

    snprintf(directory, sizeof(directory), "%s/pvstored.XXXXXX",
             getenv("TMPDIR") != NULL ? getenv("TMPDIR") : P_tmpdir);
    if (mkdtemp(directory) == NULL || journal_open(directory, "boot", true, &journal, &why))
        bail_out("no directory");
    store_init(&store);
    state_restore(&store, journal, &why);
    root = connection_new(&store, 0, false);
    for (unsigned domid = 1; domid <= GUESTS; domid++) {
        uint64_t begin = cpu_time();
        create_guest(domid);
        costs[domid] = cpu_time() - begin;
        struct connection *guest = connection_new(&store, (uint16_t)domid, false);
        snprintf(text, sizeof(text), "device|%u|", domid);
        ask_bars(guest, XS_WATCH, 0, text);
        ask(guest, XS_TRANSACTION_START, 0, "");
    }
    uint64_t first = cheapest(costs, 1), last = cheapest(costs, GUESTS - GROUP);
    ok(last < 2 * first, "%u nodes of a guest: first %" PRIu64 " ns, 500th %" PRIu64 " ns", NODES,
       first, last);
    ok(store.tree.nr_nodes > GUESTS * NODES, "%zu nodes", store.tree.nr_nodes);
    ok(store_check(&store));
    store.journal = NULL;
    journal_close(journal);

    struct store again;
    store_init(&again);
    is(journal_open(directory, "boot", false, &journal, &why), 0);
    is(state_restore(&again, journal, &why), 0, "all of it is taken up");
    is(again.tree.nr_nodes, store.tree.nr_nodes);
    ok(store_check(&again));
    journal_close(journal);
    is(journal_open(directory, "another boot", false, &journal, &why), 0);
    again.journal = NULL;
    store_destroy(&again);
    store_init(&again);
    is(state_restore(&again, journal, &why), 0);
    is(again.tree.nr_nodes, 1, "nothing of another boot");
    journal_close(journal);
    store_destroy(&again);
    store_destroy(&store);
    static const char *const names[] = {"state", "state.new", "lock"};
    for (unsigned i = 0; i < 3; i++) {
        snprintf(name, sizeof(name), "%s/%s", directory, names[i]);
        unlink(name);
    }
    rmdir(directory);
    return done();
}

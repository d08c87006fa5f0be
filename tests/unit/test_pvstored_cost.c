/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What the nodes of a guest cost, with the record of changes: those of the 500th and of the 2000th
 * as much as those of the first, a watch and an open transaction for each of them included.
 *
 * Cost is counted, not timed: the files below call __sanitizer_cov_trace_pc() for each basic block
 * that runs, and the C library's functions, whose blocks are not seen, are wrapped to add what
 * grows with their arguments; system calls about the record's file add its pages. So the figure
 * is the same on every machine and in every run; the hash's key is made so, too.
 *
 * links: tests/unit/host.c toolstack/common/message.c
 * counts: toolstack/store/commit.c toolstack/store/connection.c
 * counts: toolstack/store/control.c toolstack/store/domain.c toolstack/store/journal.c
 * counts: toolstack/store/memory.c toolstack/store/operations.c toolstack/store/path.c
 * counts: toolstack/store/perms.c toolstack/store/protocol.c toolstack/store/restore.c
 * counts: toolstack/store/state.c toolstack/store/store.c toolstack/store/transaction.c
 * counts: toolstack/store/tree.c toolstack/store/view.c toolstack/store/watch.c
 * libs: -Wl,--wrap=memcpy,--wrap=memmove,--wrap=memset,--wrap=memcmp,--wrap=memchr
 * libs: -Wl,--wrap=strlen,--wrap=strcmp,--wrap=qsort,--wrap=calloc,--wrap=realloc,--wrap=malloc
 * libs: -Wl,--wrap=mmap,--wrap=munmap,--wrap=mremap,--wrap=posix_fallocate
 * libs: -Wl,--wrap=getrandom
 */
#include "tap.h"

#include <sys/types.h>
#include <unistd.h>

#include "store/journal.h"
#include "store/state.h"
#include "store_world.h"

#define GUESTS 2000
#define NODES  20
#define GROUP  41 /* guests round the one that is looked at: some pay for a table that grows */

#define WORDS(size) ((size) / 8)
#define PAGES(size) ((size) / 4096)

static struct store store;
static struct connection *root;
static uint64_t cost;

void __sanitizer_cov_trace_pc(void);
void __sanitizer_cov_trace_pc(void)
{
    cost++;
}

/* The linker gives these in the place of the functions that they name. */
#define WRAP(type, name, parameters, arguments, adds)                                              \
    type __real_##name parameters;                                                                 \
    type __wrap_##name parameters;                                                                 \
    type __wrap_##name parameters                                                                  \
    {                                                                                              \
        cost += 1 + (adds);                                                                        \
        return __real_##name arguments;                                                            \
    }

WRAP(void *, memcpy, (void *to, const void *from, size_t n), (to, from, n), WORDS(n))
WRAP(void *, memmove, (void *to, const void *from, size_t n), (to, from, n), WORDS(n))
WRAP(void *, memset, (void *to, int byte, size_t n), (to, byte, n), WORDS(n))
WRAP(int, memcmp, (const void *a, const void *b, size_t n), (a, b, n), WORDS(n))
WRAP(void *, memchr, (const void *in, int byte, size_t n), (in, byte, n), WORDS(n))
size_t __real_strlen(const char *text);
WRAP(int, strcmp, (const char *a, const char *b), (a, b), WORDS(__real_strlen(a)))
WRAP(size_t, strlen, (const char *text), (text), WORDS(__real_strlen(text)))
WRAP(void *, malloc, (size_t n), (n), 0)
WRAP(void *, calloc, (size_t n, size_t size), (n, size), WORDS(n *size))
WRAP(void *, realloc, (void *old, size_t n), (old, n), WORDS(n))
WRAP(void *, mmap, (void *at, size_t n, int prot, int flags, int fd, off_t from),
     (at, n, prot, flags, fd, from), PAGES(n))
WRAP(int, munmap, (void *at, size_t n), (at, n), PAGES(n))
WRAP(void *, mremap, (void *at, size_t n, size_t wanted, int flags), (at, n, wanted, flags),
     PAGES(n))
WRAP(int, posix_fallocate, (int fd, off_t from, off_t n), (fd, from, n), PAGES((uint64_t)n))

ssize_t __wrap_getrandom(void *to, size_t n, unsigned flags);
ssize_t __wrap_getrandom(void *to, size_t n, unsigned flags)
{
    (void)flags;
    __real_memset(to, 0x5a, n);
    return (ssize_t)n;
}

typedef int compare(const void *, const void *);
void __real_qsort(void *list, size_t n, size_t size, compare *less);
void __wrap_qsort(void *list, size_t n, size_t size, compare *less);
void __wrap_qsort(void *list, size_t n, size_t size, compare *less)
{
    cost += n;
    __real_qsort(list, n, size, less);
}

/* As a toolstack does: in one transaction, with permissions; then the guest's own. */
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
    struct connection *guest = connection_new(&store, (uint16_t)domid, false);
    snprintf(text, sizeof(text), "device|%u|", domid);
    ask_bars(guest, XS_WATCH, 0, text);
    ask(guest, XS_TRANSACTION_START, 0, "");
    state_commit(&store);
}

static int by_size(const void *a, const void *b)
{
    uint64_t left = *(const uint64_t *)a, right = *(const uint64_t *)b;

    return left < right ? -1 : left > right;
}

static uint64_t median(const uint64_t *costs, unsigned first)
{
    uint64_t sorted[GROUP];

    memcpy(sorted, costs + first, sizeof(sorted));
    qsort(sorted, GROUP, sizeof(sorted[0]), by_size);
    return sorted[GROUP / 2];
}

static void compare_costs(const uint64_t *costs)
{
    uint64_t first = median(costs, 2), middle = median(costs, 500 - GROUP / 2),
             last = median(costs, GUESTS - GROUP + 1), all = 0;

    for (unsigned domid = 1; domid <= GUESTS; domid++)
        all += costs[domid];
    ok(middle * 100 < first * 105, "%u nodes of a guest: first %" PRIu64 ", 500th %" PRIu64, NODES,
       first, middle);
    ok(last * 100 < first * 105, "%dth %" PRIu64, GUESTS, last);
    ok(all < 2 * first * GUESTS, "mean %" PRIu64 ", tables and files that grow included",
       all / GUESTS);
}

int main(void)
{
    static uint64_t costs[GUESTS + 1];
    char directory[4096], name[4200];
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
        uint64_t begin = cost;
        create_guest(domid);
        costs[domid] = cost - begin;
    }
    compare_costs(costs);
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

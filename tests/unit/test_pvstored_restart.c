/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The daemon is killed (SIGKILL) at random moments, while guests on their rings and programs on the
 * socket ask for things. Each guest must get exactly one answer to each request, and exactly one
 * event for each change that it watches, and find its nodes, watches and the effect of every
 * request as if nothing had happened. A transaction that was open may end with EAGAIN.
 *
 * links: tests/unit/host.c toolstack/store/commit.c toolstack/store/connection.c
 * links: toolstack/store/control.c toolstack/store/domain.c toolstack/store/journal.c
 * links: toolstack/store/memory.c toolstack/store/operations.c toolstack/store/path.c
 * links: toolstack/store/perms.c toolstack/store/protocol.c toolstack/store/restore.c
 * links: toolstack/store/state.c toolstack/store/store.c toolstack/store/transaction.c
 * links: toolstack/store/tree.c toolstack/store/view.c toolstack/store/watch.c
 * links: toolstack/store/daemon.c toolstack/store/loop.c toolstack/store/socket.c
 * links: toolstack/store/guests.c toolstack/store/ring.c toolstack/common/message.c
 * libs: -lxenstore
 */
#include "tap.h"

#include <time.h>
#include <xenstore.h>

#include "store_xen.h"

#define GUESTS 4 /* domains 0 (its kernel) to 3 */
#define NODES  6 /* of each, data/0 ... */
#define VALUE  2000
#define ROUNDS 600

struct guest {
    struct xenstore_domain_interface *ring;
    unsigned domid;
    uint32_t next_id, tx;
    bool tx_lost, watching;
    bool there[NODES];
    char value[NODES][VALUE + 1];
    unsigned events; /* that came since they were last counted */
    char message[sizeof(struct xsd_sockmsg) + XENSTORE_PAYLOAD_MAX + 1];
    size_t have;
};

static struct guest guests[GUESTS];
static unsigned kills;
static bool kill_is_due;
static uint64_t seed;

static unsigned pick(unsigned limit)
{
    seed = seed * 6364136223846793005u + 1442695040888963407u;
    return (unsigned)(seed >> 33) % limit;
}

static void kill_daemon(void)
{
    fake_stop(SIGKILL);
    kills++;
    kill_is_due = false;
    for (unsigned i = 0; i < GUESTS; i++)
        guests[i].tx_lost = true;
    if (!fake_start())
        bail_out("the daemon does not start again after kill %u", kills);
}

static size_t put(struct guest *guest, const char *bytes, size_t size)
{
    struct xenstore_domain_interface *ring = guest->ring;
    uint32_t prod = ring->req_prod, cons = __atomic_load_n(&ring->req_cons, __ATOMIC_ACQUIRE);
    size_t part = XENSTORE_RING_SIZE - (prod - cons);

    if (part > size)
        part = size;
    for (size_t i = 0; i < part; i++)
        ring->req[MASK_XENSTORE_IDX(prod + i)] = bytes[i];
    __atomic_store_n(&ring->req_prod, prod + (uint32_t)part, __ATOMIC_RELEASE);
    if (part)
        fake_event(FAKE_PORT((int)guest->domid));
    return part;
}

static size_t get(struct guest *guest, char *bytes, size_t size)
{
    struct xenstore_domain_interface *ring = guest->ring;
    uint32_t cons = ring->rsp_cons, prod = __atomic_load_n(&ring->rsp_prod, __ATOMIC_ACQUIRE);
    size_t part = prod - cons;

    if (part > size)
        part = size;
    for (size_t i = 0; i < part; i++)
        bytes[i] = ring->rsp[MASK_XENSTORE_IDX(cons + i)];
    __atomic_store_n(&ring->rsp_cons, cons + (uint32_t)part, __ATOMIC_RELEASE);
    if (part)
        fake_event(FAKE_PORT((int)guest->domid));
    return part;
}

/* A whole message, if there is one. */
static bool take_message(struct guest *guest, struct xsd_sockmsg *header)
{
    size_t wanted = sizeof(*header);

    if (guest->have < wanted)
        guest->have += get(guest, guest->message + guest->have, wanted - guest->have);
    if (guest->have < wanted)
        return false;
    memcpy(header, guest->message, sizeof(*header));
    if (header->len > XENSTORE_PAYLOAD_MAX)
        bail_out("domain %u got a message of %u bytes", guest->domid, header->len);
    wanted += header->len;
    guest->have += get(guest, guest->message + guest->have, wanted - guest->have);
    if (guest->have < wanted)
        return false;
    guest->have = 0;
    guest->message[wanted] = '\0';
    return true;
}

static void wait_a_little(unsigned turns)
{
    struct timespec moment = {.tv_nsec = 20000};

    if (turns > 500000)
        bail_out("no answer comes (after %u kills)", kills);
    nanosleep(&moment, NULL);
}

/* The answer's payload; stays until the next request. */
static const char *request(struct guest *guest, uint32_t type, uint32_t tx, const void *payload,
                           size_t size)
{
    struct xsd_sockmsg header = {
        .type = type, .req_id = ++guest->next_id, .tx_id = tx, .len = (uint32_t)size};
    char bytes[sizeof(header) + XENSTORE_PAYLOAD_MAX];
    size_t total = sizeof(header) + size, sent = 0;
    unsigned turns = 0, fatal = pick(8);

    memcpy(bytes, &header, sizeof(header));
    memcpy(bytes + sizeof(header), payload, size);
    for (;;) {
        size_t chunk = 1 + pick(512);
        sent += put(guest, bytes + sent, chunk < total - sent ? chunk : total - sent);
        while (take_message(guest, &header)) {
            if (header.type != XS_WATCH_EVENT) {
                if (header.req_id != guest->next_id)
                    bail_out("domain %u: answer %u to request %u (after %u kills)", guest->domid,
                             header.req_id, guest->next_id, kills);
                return guest->message + sizeof(header);
            }
            guest->events++;
        }
        if (kill_is_due && turns >= fatal)
            kill_daemon();
        wait_a_little(turns++);
    }
}

static const char *request_text(struct guest *guest, uint32_t type, uint32_t tx, const char *text)
{
    return request(guest, type, tx, text, strlen(text) + 1);
}

static bool write_node(struct guest *guest, uint32_t tx, unsigned node, char *value)
{
    char payload[VALUE + 16];
    int name = sprintf(payload, "data/%u", node) + 1;
    size_t length = pick(3) ? pick(20) : pick(VALUE);

    for (size_t i = 0; i < length; i++)
        value[i] = (char)('a' + pick(26));
    value[length] = '\0';
    memcpy(payload + name, value, length);
    return strcmp(request(guest, XS_WRITE, tx, payload, (size_t)name + length), "OK") == 0;
}

/* Changes that are watched, each with its one event, which comes before the answer. */
static bool one_event(struct guest *guest)
{
    unsigned events = guest->events;

    guest->events = 0;
    if (events != (guest->watching ? 1u : 0u))
        diag("domain %u got %u events", guest->domid, events);
    return events == (guest->watching ? 1u : 0u);
}

static bool do_write(struct guest *guest, unsigned node)
{
    guest->there[node] = true;
    return write_node(guest, 0, node, guest->value[node]) && one_event(guest);
}

static bool do_read(struct guest *guest, unsigned node)
{
    char name[16];

    sprintf(name, "data/%u", node);
    const char *answer = request_text(guest, XS_READ, 0, name);
    return strcmp(answer, guest->there[node] ? guest->value[node] : "ENOENT") == 0;
}

static bool do_remove(struct guest *guest, unsigned node)
{
    char name[16];

    if (!guest->there[node])
        return true;
    sprintf(name, "data/%u", node);
    guest->there[node] = false;
    return strcmp(request_text(guest, XS_RM, 0, name), "OK") == 0 && one_event(guest);
}

static bool do_watch(struct guest *guest)
{
    static const char text[] = "data\0token";
    bool was = guest->watching;
    const char *answer = request(guest, was ? XS_UNWATCH : XS_WATCH, 0, text, sizeof(text));

    guest->watching = !was;
    if (strcmp(answer, "OK") != 0)
        return false;
    /* The first event follows the answer; the next request would fetch it. */
    for (unsigned turns = 0; !was && guest->events == 0;) {
        struct xsd_sockmsg header;
        if (take_message(guest, &header) && header.type == XS_WATCH_EVENT)
            guest->events++;
        else
            wait_a_little(turns++);
    }
    return was || one_event(guest);
}

static bool do_transaction(struct guest *guest, unsigned node)
{
    char value[VALUE + 1];

    /* Before: what has begun it can be killed before the answer is read. */
    guest->tx_lost = false;
    uint32_t tx = (uint32_t)atoi(request_text(guest, XS_TRANSACTION_START, 0, ""));
    if (tx == 0 || !write_node(guest, tx, node, value))
        return false;
    const char *answer = request_text(guest, XS_TRANSACTION_END, tx, "T");
    if (strcmp(answer, "EAGAIN") == 0)
        return guest->tx_lost && guest->events == 0;
    guest->there[node] = true;
    strcpy(guest->value[node], value);
    return strcmp(answer, "OK") == 0 && one_event(guest);
}

static bool one_round(void)
{
    struct guest *guest = &guests[pick(GUESTS)];
    unsigned node = pick(NODES);

    kill_is_due = pick(3) == 0;
    switch (pick(7)) {
    case 0:
    case 1:
        return do_write(guest, node);
    case 2:
    case 3:
        return do_read(guest, node);
    case 4:
        return do_remove(guest, node);
    case 5:
        return do_watch(guest);
    default:
        return do_transaction(guest, node);
    }
}

/* What a program finds in the guests' nodes; and what it was told is written, is there later. */
static bool look_from_outside(unsigned round)
{
    static unsigned written;
    struct xs_handle *xs = xs_open(0);
    char path[64], text[16];
    bool good = xs != NULL;

    for (unsigned i = 0; i < GUESTS && good; i++) {
        for (unsigned node = 0; node < NODES && good; node++) {
            sprintf(path, "/local/domain/%u/data/%u", i, node);
            char *value = xs_read(xs, 0, path, NULL);
            good = guests[i].there[node] ? value != NULL && !strcmp(value, guests[i].value[node])
                                         : value == NULL && errno == ENOENT;
            free(value);
        }
    }
    char *value = good && written ? xs_read(xs, 0, "/counter", NULL) : NULL;
    good = good && (!written || (value != NULL && (unsigned)atoi(value) == written));
    free(value);
    sprintf(text, "%u", round);
    if (good && xs_write(xs, 0, "/counter", text, (unsigned)strlen(text)))
        written = round;
    char *check = good ? xs_control_command(xs, "check", NULL, 0) : NULL;
    good = good && check != NULL && strstr(check, "in order") != NULL;
    free(check);
    xs_close(xs);
    return good;
}

static void introduce_guests(void)
{
    struct xs_handle *xs = xs_open(0);
    char path[64];

    for (unsigned i = 0; i < GUESTS; i++) {
        struct xs_permissions owner = {.id = i, .perms = XS_PERM_NONE};
        guests[i].domid = i;
        guests[i].ring = &fake->rings[i];
        sprintf(path, "/local/domain/%u", i);
        ok(xs_mkdir(xs, 0, path) && xs_set_permissions(xs, 0, path, &owner, 1));
        ok(i == 0 || xs_introduce_domain(xs, i, 1000 + i, 7));
    }
    xs_close(xs);
}

/* A domain that ends while there is no daemon. */
static void test_end_meanwhile(void)
{
    fake_stop(SIGKILL);
    fake->states[3] = DOMAIN_GONE;
    ok(fake_start());
    struct xs_handle *xs = xs_open(0);
    ok(!xs_is_domain_introduced(xs, 3), "a domain that ended meanwhile is released");
    ok(xs_is_domain_introduced(xs, 2), "another is still served");
    xs_close(xs);
    ok(do_write(&guests[2], 0));
}

/* A clean end keeps as much as a kill. */
static void test_clean_restart(void)
{
    is(fake_stop(SIGTERM), 0);
    ok(fake_start());
    bool good = true;
    for (unsigned node = 0; node < NODES; node++)
        good = good && do_read(&guests[1], node);
    ok(good, "all is there after a clean end");
}

/* A domain that sends events without end has its turns, and no more. */
static void test_storm(void)
{
    struct xs_handle *xs = xs_open(0);
    unsigned size, asked = 0;

    fake->storm = 1;
    fake_event(FAKE_PORT(1));
    alarm(300); /* a daemon that only takes events would never answer */
    for (; asked < 100; asked++) {
        char *value = NULL;
        if (!xs_write(xs, XBT_NULL, "/storm", "x", 1) ||
            (value = xs_read(xs, XBT_NULL, "/storm", &size)) == NULL)
            break;
        free(value);
    }
    is(asked, 100, "programs are answered beside it");
    alarm(0);
    fake->storm = 0;
    xs_close(xs);
}

int main(void)
{
    unsigned round = 0;
    bool good = true;

    seed = (uint64_t)time(NULL);
    if (getenv("SEED") != NULL)
        seed = strtoull(getenv("SEED"), NULL, 0);
    diag("SEED=%" PRIu64, seed);
    fake_begin();
    ok(fake_start(), "the daemon starts");
    introduce_guests();
    for (; round < ROUNDS && good; round++) {
        good = one_round();
        if (good && round % 50 == 49)
            good = look_from_outside(round);
    }
    ok(good, "%u rounds, %u kills", round, kills);
    ok(kills > 20);
    test_clean_restart();
    test_storm();
    test_end_meanwhile();
    is(fake_stop(SIGTERM), 0);
    fake_end();
    return done();
}

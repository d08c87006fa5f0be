/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Transactions: what conflicts and what does not, and at random beside a model.
 *
 * The model is a list of the store's paths with their values. Each transaction's requests and
 * answers are written down. When it commits, its requests are done again on the model as it is
 * then, one after the other, and must give the same answers: the transaction might as well have run
 * in that moment. When it is refused, something that it looked at must have been changed by others
 * since it began.
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

#include "store_world.h"

static struct store store;
static struct connection *one, *two;

static uint32_t start(struct connection *conn)
{
    return (uint32_t)atoi(ask(conn, XS_TRANSACTION_START, 0, ""));
}

static void begin(void)
{
    store_init(&store);
    one = connection_new(&store, 0, false);
    two = connection_new(&store, 0, false);
    ask_bars(one, XS_WRITE, 0, "/a/x|1");
    ask_bars(one, XS_WRITE, 0, "/a/y|2");
}

static void end(void)
{
    ok(store_check(&store), "the store is in order");
    store_destroy(&store);
}

/* What a transaction does, what is done beside it, and how its commit comes out. */
static const struct {
    uint32_t does;
    const char *its;
    uint32_t beside;
    const char *others;
    const char *result, *why;
} pairs[] = {
    {XS_READ, "/a/x|", XS_WRITE, "/a/x|3", "EAGAIN", "a value that was read"},
    {XS_READ, "/a/x|", XS_WRITE, "/a/y|3", "OK", "another value"},
    {XS_READ, "/a/x|", XS_WRITE, "/a/x/below|3", "OK", "a new node below what was read"},
    {XS_READ, "/a/x|", XS_SET_PERMS, "/a/x|n0|", "EAGAIN", "permissions of what was read"},
    {XS_READ, "/a/none|", XS_WRITE, "/a/none|3", "EAGAIN", "what was not there"},
    {XS_READ, "/a/none|", XS_WRITE, "/a/other|3", "OK", "another that was not there"},
    {XS_READ, "/a/x|", XS_RM, "/a/x|", "EAGAIN", "what was read is gone"},
    {XS_READ, "/a/x|", XS_RM, "/a|", "EAGAIN", "along with what is above it"},
    {XS_DIRECTORY, "/a|", XS_WRITE, "/a/x|3", "OK", "names do not change with values"},
    {XS_DIRECTORY, "/a|", XS_WRITE, "/a/new|3", "EAGAIN", "a new name"},
    {XS_DIRECTORY, "/a|", XS_WRITE, "/a/x/new|3", "OK", "a new name further below"},
    {XS_DIRECTORY, "/a|", XS_RM, "/a/x|", "EAGAIN", "one name less"},
    {XS_WRITE, "/a/x|9", XS_WRITE, "/a/x|3", "EAGAIN", "both wrote it"},
    {XS_WRITE, "/a/new|9", XS_WRITE, "/a/other|3", "OK", "both made a node below the same"},
    {XS_WRITE, "/a/new|9", XS_WRITE, "/a/new|3", "EAGAIN", "both made the same node"},
    {XS_WRITE, "/a/new|9", XS_RM, "/a|", "EAGAIN", "what it was made below is gone"},
    {XS_MKDIR, "/a/x|", XS_WRITE, "/a/x|3", "OK", "that it exists was all that counted"},
    {XS_RM, "/a|", XS_WRITE, "/a/x|3", "EAGAIN", "a value that was removed"},
    {XS_RM, "/a|", XS_WRITE, "/a/new|3", "EAGAIN", "a node that would survive its parent"},
    {XS_GET_PERMS, "/a/x|", XS_WRITE, "/a/x|3", "OK", "permissions are not the value"},
    {XS_SET_PERMS, "/a/x|n0|r5|", XS_WRITE, "/a/x|3", "OK", "nor the other way round"},
    {XS_SET_PERMS, "/a/x|n0|r5|", XS_SET_PERMS, "/a/x|n0|r6|", "EAGAIN", "both changed them"},
};

static void test_conflicts(void)
{
    for (unsigned i = 0; i < sizeof(pairs) / sizeof(pairs[0]); i++) {
        begin();
        uint32_t tx = start(one);
        ask_bars(one, pairs[i].does, tx, pairs[i].its);
        is_str(ask_bars(two, pairs[i].beside, 0, pairs[i].others), "OK");
        is_str(ask(one, XS_TRANSACTION_END, tx, "T"), pairs[i].result, "%s", pairs[i].why);
        end();
    }
}

static void test_isolation(void)
{
    struct events events = {0};

    begin();
    ask_bars(two, XS_WATCH, 0, "/|tok|");
    world_receive(two, NULL, NULL);
    uint32_t tx = start(one), again;
    is_str(ask(one, XS_TRANSACTION_START, tx, ""), "EBUSY");
    ask_bars(one, XS_WRITE, tx, "/b/c|new");
    ask_bars(one, XS_WRITE, tx, "/a/x|9");
    ask(one, XS_RM, tx, "/a/y");
    is_str(ask(one, XS_READ, tx, "/b/c"), "new");
    is_str(ask_list(one, XS_DIRECTORY, tx, "/|"), "a|b|");
    is_str(ask_list(one, XS_DIRECTORY, tx, "/a|"), "x|");
    is_str(ask(two, XS_READ, 0, "/b/c"), "ENOENT", "others see nothing of it");
    is_str(ask(two, XS_READ, 0, "/a/x"), "1");
    is_str(ask(two, XS_READ, tx, "/a/x"), "ENOENT", "nor have they this transaction");
    world_receive(two, NULL, &events);
    is(events.count, 0, "nor are watchers told");
    is_str(ask(one, XS_TRANSACTION_END, tx, "X"), "EINVAL");
    is_str(ask(one, XS_TRANSACTION_END, tx, "T"), "OK");
    world_receive(two, NULL, &events);
    is(events.count, 3);
    is_str(ask(two, XS_READ, 0, "/b/c"), "new");
    is_str(ask(two, XS_READ, 0, "/a/y"), "ENOENT");
    is_str(ask(one, XS_TRANSACTION_END, tx, "T"), "ENOENT", "it is over");
    again = start(one);
    ask(one, XS_RM, again, "/a");
    ask_bars(one, XS_WRITE, again, "/a/x/z|5");
    is_str(ask_list(one, XS_DIRECTORY, again, "/a|"), "x|", "removed and made anew");
    is_str(ask(one, XS_TRANSACTION_END, again, "T"), "OK");
    is_str(ask(one, XS_READ, 0, "/a/x"), "", "nothing of the old one is left");
    again = start(one);
    ask_bars(one, XS_WRITE, again, "/c|5");
    is_str(ask(one, XS_TRANSACTION_END, again, "F"), "OK");
    is_str(ask(one, XS_READ, 0, "/c"), "ENOENT", "given up");
    end();
}

/* Two nodes that are always changed together are always seen together, by one that commits. */
static void test_one_moment(void)
{
    begin();
    uint32_t tx = start(one);
    ask_bars(two, XS_WRITE, 0, "/a/x|7");
    is_str(ask(one, XS_READ, tx, "/a/x"), "7", "changed before it looked");
    is_str(ask(one, XS_READ, tx, "/a/y"), "2");
    is_str(ask(one, XS_TRANSACTION_END, tx, "T"), "OK", "so that is no conflict");
    end();
}

/* --- beside a model ------------------------------------------------------------------------------
 */

#define PATHS    24
#define CLIENTS  4
#define STEPS    30
#define VALUE    8
#define SEQUENCE 60000

static const char *const paths[PATHS] = {
    "/p",     "/p/a",   "/p/a/1", "/p/a/2", "/p/a/1/x", "/p/a/1/y", "/p/b", "/p/b/1",
    "/p/b/2", "/p/b/3", "/q",     "/q/a",   "/q/a/1",   "/q/a/2",   "/q/b", "/q/b/1",
    "/q/c",   "/q/c/1", "/q/c/2", "/q/c/3", "/q/c/3/x", "/r",       "/r/a", "/r/a/1"};

struct model {
    bool there[PATHS];
    char value[PATHS][VALUE];
};

struct step {
    uint32_t type;
    unsigned path;
    char value[VALUE];
    char answer[256];
};

static struct client {
    struct connection *conn;
    uint32_t tx;
    struct step steps[STEPS];
    unsigned count;
    unsigned began; /* model_time then */
} clients[CLIENTS];

static struct model model;
static unsigned model_time, changed_at[PATHS]; /* when something of the node last changed */

static uint64_t seed = 0x1234567;

static unsigned pick(unsigned limit)
{
    seed = seed * 6364136223846793005u + 1442695040888963407u;
    return (unsigned)(seed >> 33) % limit;
}

static bool below(unsigned path, unsigned above)
{
    size_t length = strlen(paths[above]);

    return strncmp(paths[path], paths[above], length) == 0 && paths[path][length] == '/';
}

static bool child(unsigned path, unsigned of)
{
    return below(path, of) && strchr(paths[path] + strlen(paths[of]) + 1, '/') == NULL;
}

/* With the changes' times, if they are to be kept. */
static void touch(struct model *m, unsigned path)
{
    if (m == &model)
        changed_at[path] = model_time;
}

static void model_make(struct model *m, unsigned path)
{
    for (unsigned i = 0; i < PATHS; i++) {
        if ((i == path || below(path, i)) && !m->there[i]) {
            m->there[i] = true;
            m->value[i][0] = '\0';
            touch(m, i);
        }
    }
}

static void model_remove(struct model *m, unsigned path, char *answer)
{
    unsigned parent = path;

    for (unsigned i = 0; i < PATHS; i++)
        if (child(path, i))
            parent = i;
    strcpy(answer, m->there[path] || parent == path || m->there[parent] ? "OK" : "ENOENT");
    for (unsigned i = 0; i < PATHS; i++) {
        if ((i == path || below(i, path)) && m->there[i]) {
            m->there[i] = false;
            touch(m, i);
        }
    }
}

static void model_list(const struct model *m, unsigned path, char *answer)
{
    size_t prefix = strlen(paths[path]) + 1;

    answer[0] = '\0';
    for (unsigned i = 0; i < PATHS; i++)
        if (child(i, path) && m->there[i])
            sprintf(answer + strlen(answer), "%s|", paths[i] + prefix);
}

static void model_do(struct model *m, const struct step *step, char *answer)
{
    unsigned path = step->path;

    strcpy(answer, "OK");
    if (step->type == XS_WRITE) {
        model_make(m, path);
        strcpy(m->value[path], step->value);
        touch(m, path);
    } else if (step->type == XS_MKDIR) {
        model_make(m, path);
    } else if (step->type == XS_RM) {
        model_remove(m, path, answer);
    } else if (!m->there[path]) {
        strcpy(answer, "ENOENT");
    } else if (step->type == XS_READ) {
        strcpy(answer, m->value[path]);
    } else {
        model_list(m, path, answer);
    }
}

/* Names in the order of the model's paths. */
static void sort_names(char *list)
{
    char copy[256], *names[PATHS], *save;
    unsigned count = 0;

    strcpy(copy, list);
    for (char *name = strtok_r(copy, "|", &save); name; name = strtok_r(NULL, "|", &save)) {
        unsigned at = count++;
        for (; at > 0 && strcmp(names[at - 1], name) > 0; at--)
            names[at] = names[at - 1];
        names[at] = name;
    }
    list[0] = '\0';
    for (unsigned i = 0; i < count; i++)
        sprintf(list + strlen(list), "%s|", names[i]);
}

static void store_do(struct client *client, uint32_t tx, struct step *step)
{
    char text[64];

    snprintf(text, sizeof(text), "%s|%s", paths[step->path],
             step->type == XS_WRITE ? step->value : "");
    snprintf(step->answer, sizeof(step->answer), "%.255s",
             ask_list(client->conn, step->type, tx, text));
    if (strcmp(step->answer, "OK|") == 0 || step->answer[0] == 'E')
        step->answer[strlen(step->answer) - 1] = '\0';
    else if (step->type == XS_DIRECTORY)
        sort_names(step->answer);
}

static void random_step(struct step *step)
{
    static const uint32_t types[] = {XS_READ,  XS_READ,  XS_DIRECTORY, XS_WRITE,
                                     XS_WRITE, XS_MKDIR, XS_RM};

    step->type = types[pick(sizeof(types) / sizeof(types[0]))];
    step->path = pick(PATHS);
    snprintf(step->value, sizeof(step->value), "%u", pick(10000));
}

/* Whether others changed something that the transaction's steps can have looked at: the nodes,
 * those above, and those below. */
static bool had_reason(const struct client *client)
{
    for (unsigned s = 0; s < client->count; s++)
        for (unsigned i = 0; i < PATHS; i++) {
            unsigned path = client->steps[s].path;
            if (changed_at[i] > client->began && (i == path || below(i, path) || below(path, i)))
                return true;
        }
    return false;
}

static bool finish(struct client *client, unsigned *committed, unsigned *refused)
{
    char answer[256];
    const char *end = ask(client->conn, XS_TRANSACTION_END, client->tx, "T");

    client->tx = 0;
    if (strcmp(end, "EAGAIN") == 0) {
        (*refused)++;
        return had_reason(client);
    }
    (*committed)++;
    model_time++;
    for (unsigned i = 0; i < client->count; i++) {
        model_do(&model, &client->steps[i], answer);
        if (strcmp(answer, client->steps[i].answer) != 0) {
            diag("request %u on %s: the store said '%s', the model '%s'", client->steps[i].type,
                 paths[client->steps[i].path], client->steps[i].answer, answer);
            return false;
        }
    }
    return strcmp(end, "OK") == 0;
}

static bool one_turn(unsigned *committed, unsigned *refused)
{
    struct client *client = &clients[pick(CLIENTS)];
    struct step alone;
    char answer[256];

    if (client->tx == 0 && pick(3) == 0) {
        random_step(&alone);
        store_do(client, 0, &alone);
        model_time++;
        model_do(&model, &alone, answer);
        return strcmp(answer, alone.answer) == 0;
    }
    if (client->tx == 0) {
        client->tx = start(client->conn);
        client->count = 0;
        client->began = model_time;
        return client->tx != 0;
    }
    if (client->count == STEPS || pick(6) == 0)
        return finish(client, committed, refused);
    random_step(&client->steps[client->count]);
    store_do(client, client->tx, &client->steps[client->count++]);
    return true;
}

static bool same_content(void)
{
    struct step step = {.type = XS_READ};
    char answer[256];

    for (step.path = 0; step.path < PATHS; step.path++) {
        store_do(&clients[0], 0, &step);
        model_do(&model, &step, answer);
        if (strcmp(answer, step.answer) != 0)
            return false;
    }
    return true;
}

static void test_model(void)
{
    unsigned committed = 0, refused = 0, turn;
    bool good = true;

    store_init(&store);
    for (unsigned i = 0; i < CLIENTS; i++)
        clients[i] = (struct client){.conn = connection_new(&store, 0, false)};
    for (turn = 0; turn < SEQUENCE && good; turn++) {
        good = one_turn(&committed, &refused);
        if (turn % 1000 == 0)
            good = good && same_content() && store_check(&store);
    }
    ok(good, "%u turns, %u transactions committed, %u refused", turn, committed, refused);
    ok(committed > 1000 && refused > 100);
    for (unsigned i = 0; i < CLIENTS; i++)
        connection_reset(clients[i].conn);
    ok(same_content(), "the store holds what the model does");
    end();
}

int main(void)
{
    test_conflicts();
    test_isolation();
    test_one_moment();
    test_model();
    return done();
}

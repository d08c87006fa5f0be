/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The daemon with a client library that is not ours: all calls of Debian's libxenstore, on the
 * daemon's socket. The hypervisor is the test's.
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

#include <xenstore.h>

#include "store_xen.h"

static struct xs_handle *xs;

/* A node's value; the answer is kept until the next call. */
static const char *value(xs_transaction_t tx, const char *path)
{
    static char *text;
    unsigned size;

    free(text);
    text = xs_read(xs, tx, path, &size);
    return text != NULL ? text : strerror(errno);
}

static bool put(xs_transaction_t tx, const char *path, const char *text)
{
    return xs_write(xs, tx, path, text, (unsigned)strlen(text));
}

/* The next event, as "path token". */
static const char *event(void)
{
    static char text[512];
    unsigned count;
    char **vector = xs_read_watch(xs, &count);

    if (vector == NULL)
        return "none";
    snprintf(text, sizeof(text), "%.250s %.250s", vector[XS_WATCH_PATH], vector[XS_WATCH_TOKEN]);
    free(vector);
    return text;
}

static void test_nodes(void)
{
    unsigned count = 0;

    ok(put(0, "/test/a", "1") && put(0, "/test/b", "2") && xs_mkdir(xs, 0, "/test/c"));
    is_str(value(0, "/test/a"), "1");
    is_str(value(0, "/test/none"), strerror(ENOENT));
    char **names = xs_directory(xs, 0, "/test", &count);
    ok(names != NULL && count == 3 && strcmp(names[0], "a") == 0 && strcmp(names[2], "c") == 0);
    free(names);
    ok(xs_rm(xs, 0, "/test/c"));
    ok(!xs_rm(xs, 0, "/none/c") && errno == ENOENT);
    ok(xs_directory(xs, 0, "/test/none", &count) == NULL && errno == ENOENT);
    char big[4096];
    memset(big, 'x', sizeof(big));
    ok(xs_write(xs, 0, "/test/big", big, sizeof(big) - 10));
    void *got = xs_read(xs, 0, "/test/big", &count);
    ok(got != NULL && count == sizeof(big) - 10 && memcmp(got, big, count) == 0);
    free(got);
    ok(!xs_write(xs, 0, "/test/big", big, sizeof(big)) && errno == E2BIG);
}

/* The library asks for such a list in parts. */
static void test_long_list(void)
{
    char path[64];
    unsigned count = 0;

    for (unsigned i = 0; i < 600; i++) {
        snprintf(path, sizeof(path), "/long/some-name-%u", i);
        xs_mkdir(xs, 0, path);
    }
    char **names = xs_directory(xs, 0, "/long", &count);
    is(count, 600);
    ok(names != NULL && strcmp(names[599], "some-name-599") == 0);
    free(names);
    xs_rm(xs, 0, "/long");
}

static void test_permissions(void)
{
    struct xs_permissions list[] = {{
                                        0,
                                        XS_PERM_NONE,
                                    },
                                    {3, XS_PERM_READ},
                                    {4, XS_PERM_READ | XS_PERM_WRITE}};
    unsigned count = 0;

    ok(xs_set_permissions(xs, 0, "/test/a", list, 3));
    struct xs_permissions *got = xs_get_permissions(xs, 0, "/test/a", &count);
    ok(got != NULL && count == 3 && got[1].id == 3 && got[1].perms == XS_PERM_READ &&
       got[2].perms == (XS_PERM_READ | XS_PERM_WRITE));
    free(got);
    ok(!xs_set_permissions(xs, 0, "/test/none", list, 3) && errno == ENOENT);
    ok(xs_get_permissions(xs, 0, "/test/none", &count) == NULL && errno == ENOENT);
}

static void test_transactions(void)
{
    xs_transaction_t tx = xs_transaction_start(xs);

    ok(tx != 0);
    ok(put(tx, "/test/a", "in"));
    is_str(value(tx, "/test/a"), "in");
    is_str(value(0, "/test/a"), "1");
    ok(xs_transaction_end(xs, tx, false));
    is_str(value(0, "/test/a"), "in");
    tx = xs_transaction_start(xs);
    put(tx, "/test/a", "lost");
    ok(xs_transaction_end(xs, tx, true), "given up");
    is_str(value(0, "/test/a"), "in");
    tx = xs_transaction_start(xs);
    value(tx, "/test/a");
    put(0, "/test/a", "between");
    put(tx, "/test/b", "x");
    ok(!xs_transaction_end(xs, tx, false) && errno == EAGAIN);
    ok(!xs_transaction_end(xs, 12345, false) && errno == ENOENT);
}

static void test_watches(void)
{
    ok(xs_watch(xs, "/test/a", "token"));
    is_str(event(), "/test/a token");
    ok(put(0, "/test/a", "3"));
    is_str(event(), "/test/a token");
    ok(put(0, "/test/a/below", "3"));
    is_str(event(), "/test/a/below token");
    ok(xs_rm(xs, 0, "/test"));
    is_str(event(), "/test/a token");
    ok(!xs_watch(xs, "/test/a", "token") && errno == EEXIST);
    ok(xs_unwatch(xs, "/test/a", "token"));
    ok(!xs_unwatch(xs, "/test/a", "token") && errno == ENOENT);
    ok(xs_check_watch(xs) == NULL && errno == EAGAIN);
    ok(xs_fileno(xs) >= 0);
}

static void test_domains(void)
{
    ok(xs_watch(xs, "@introduceDomain", "in") && xs_watch(xs, "@releaseDomain", "out"));
    event();
    event();
    ok(!xs_introduce_domain(xs, 3, 5, 7), "a frame that is not its");
    ok(!xs_is_domain_introduced(xs, 3));
    ok(xs_introduce_domain(xs, 3, 1003, 7));
    is_str(event(), "@introduceDomain in");
    ok(xs_introduce_domain(xs, 3, 1003, 7), "again");
    ok(xs_introduce_domain(xs, 4, 1004, 7));
    is_str(event(), "@introduceDomain in");
    ok(xs_is_domain_introduced(xs, 3) && xs_is_domain_introduced(xs, 0));
    char *path = xs_get_domain_path(xs, 3);
    is_str(path, "/local/domain/3");
    free(path);
    ok(xs_set_target(xs, 4, 3));
    ok(xs_resume_domain(xs, 3));
    ok(!xs_resume_domain(xs, 9) && errno == ENOENT);
    fake->states[3] = DOMAIN_STOPPED;
    fake_event(FAKE_DOMAINS_PORT);
    is_str(event(), "@releaseDomain out", "a domain has stopped");
    ok(xs_is_domain_introduced(xs, 3), "but is there");
    fake->states[3] = DOMAIN_GONE;
    fake_event(FAKE_DOMAINS_PORT);
    is_str(event(), "@releaseDomain out", "a domain is gone");
    ok(!xs_is_domain_introduced(xs, 3));
    ok(xs_release_domain(xs, 4));
    is_str(event(), "@releaseDomain out");
    ok(!xs_release_domain(xs, 4) && errno == ENOENT);
}

static void test_control(void)
{
    char *text = xs_control_command(xs, "check", NULL, 0);

    ok(text != NULL && strstr(text, "in order") != NULL, "%s", text);
    free(text);
    text = xs_control_command(xs, "quota", "3", 2);
    ok(text != NULL && strstr(text, "Domain 3") != NULL);
    free(text);
}

int main(void)
{
    fake_begin();
    ok(fake_start(), "the daemon starts");
    xs = xs_open(0);
    if (xs == NULL)
        bail_out("cannot connect: %s", strerror(errno));
    test_nodes();
    test_long_list();
    test_permissions();
    test_transactions();
    test_watches();
    test_domains();
    test_control();
    xs_close(xs);
    is(fake_stop(SIGTERM), 0, "it ends cleanly");
    ok(access(fake_socket, F_OK) != 0, "and takes its socket away");
    fake_end();
    return done();
}

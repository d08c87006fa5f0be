/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Messages: from bytes to operations, and back.
 */
#include "store/protocol.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "store/control.h"
#include "store/domain.h"
#include "store/state.h"

void protocol_answer(struct request *request, const void *bytes, size_t size)
{
    memcpy(request->answer + request->answer_size, bytes, size);
    request->answer_size += size;
}

int protocol_strings(const struct request *request, const char **strings, unsigned count)
{
    unsigned found = 0;

    if (request->size == 0 || request->payload[request->size - 1] != '\0')
        return -EINVAL;
    for (size_t at = 0; at < request->size; at += strlen(request->payload + at) + 1) {
        if (found < count)
            strings[found] = request->payload + at;
        found++;
    }
    return found == count ? 0 : -EINVAL;
}

static int number(const char *text, uint64_t limit, uint64_t *value)
{
    char *end;

    if (text[0] < '0' || text[0] > '9')
        return -EINVAL;
    errno = 0;
    *value = strtoull(text, &end, 10);
    return errno || *end || *value > limit ? -EINVAL : 0;
}

int protocol_domid(const char *text, uint16_t *domid)
{
    uint64_t value;
    int rc = number(text, DOMID_FIRST_RESERVED - 1, &value);

    *domid = rc ? 0 : (uint16_t)value;
    return rc;
}

/* The one string of the payload, as a path. */
static int one_path(const struct request *request, struct path *path)
{
    const char *text;
    int rc = protocol_strings(request, &text, 1);

    return rc ? rc : path_make(path, request->actor.conn->domid, text);
}

static int do_read(struct request *request)
{
    struct path path;
    struct sight sight;
    int rc = one_path(request, &path);

    if (rc == 0)
        rc = op_look(&request->actor, &path, PERM_READ, SEES_VALUE, &sight);
    if (rc == 0)
        protocol_answer(request, sight.value->bytes, sight.value->size);
    return rc;
}

static int do_directory(struct request *request)
{
    struct path path;
    struct sight sight;
    char *names;
    uint64_t generation;
    int rc = one_path(request, &path);

    if (rc == 0)
        rc = op_look(&request->actor, &path, PERM_READ, SEES_CHILDREN, &sight);
    if (rc)
        return rc;
    size_t size = view_children(&request->actor.view, &sight, &names, &generation);
    if (size <= XENSTORE_PAYLOAD_MAX)
        protocol_answer(request, size ? names : "", size);
    else
        rc = -E2BIG;
    free(names);
    return rc;
}

/* The generation, as many whole names from the offset on as have room, and one more NUL behind the
 * last. */
static int do_directory_part(struct request *request)
{
    const char *strings[2];
    struct path path;
    struct sight sight;
    char *names, text[24];
    uint64_t generation, at;
    int rc = protocol_strings(request, strings, 2);

    if (rc == 0)
        rc = path_make(&path, request->actor.conn->domid, strings[0]);
    if (rc == 0)
        rc = number(strings[1], UINT32_MAX, &at);
    if (rc == 0)
        rc = op_look(&request->actor, &path, PERM_READ, SEES_CHILDREN, &sight);
    if (rc)
        return rc;
    size_t size = view_children(&request->actor.view, &sight, &names, &generation);
    snprintf(text, sizeof(text), "%" PRIu64, generation);
    protocol_answer(request, text, strlen(text) + 1);
    while (at < size) {
        size_t part = strlen(names + at) + 1;
        if (request->answer_size + part + 1 > XENSTORE_PAYLOAD_MAX)
            break;
        protocol_answer(request, names + at, part);
        at += part;
    }
    if (at >= size)
        protocol_answer(request, "", 1);
    free(names);
    return 0;
}

static int do_write(struct request *request)
{
    const char *end = memchr(request->payload, '\0', request->size);
    struct path path;

    if (end == NULL)
        return -EINVAL;
    size_t name = (size_t)(end - request->payload) + 1;
    int rc = path_make(&path, request->actor.conn->domid, request->payload);
    return rc ? rc : op_write(&request->actor, &path, end + 1, request->size - name);
}

static int do_mkdir(struct request *request)
{
    struct path path;
    int rc = one_path(request, &path);

    return rc ? rc : op_mkdir(&request->actor, &path);
}

static int do_rm(struct request *request)
{
    struct path path;
    int rc = one_path(request, &path);

    return rc ? rc : op_rm(&request->actor, &path);
}

static int do_get_perms(struct request *request)
{
    const struct store *store = request->actor.view.store;
    const char *text;
    struct path path;
    struct sight sight;
    int rc = protocol_strings(request, &text, 1);

    if (rc == 0)
        rc = path_make_watch(&path, request->actor.conn->domid, text);
    if (rc)
        return rc;
    enum special special = path_special(path.text);
    if (special == SPECIAL_NONE)
        rc = op_look(&request->actor, &path, PERM_READ, 0, &sight);
    else if (connection_privileged(request->actor.conn))
        sight.perms = store->special[special];
    else
        rc = -EACCES;
    if (rc)
        return rc;
    char list[XENSTORE_PAYLOAD_MAX * 3];
    size_t size = perms_format(store, sight.perms, list);
    if (size > XENSTORE_PAYLOAD_MAX)
        return -E2BIG;
    protocol_answer(request, list, size);
    return 0;
}

static int do_set_perms(struct request *request)
{
    const char *end = memchr(request->payload, '\0', request->size);
    struct path path;

    if (end == NULL)
        return -EINVAL;
    size_t name = (size_t)(end - request->payload) + 1;
    int rc = path_make_watch(&path, request->actor.conn->domid, request->payload);
    return rc ? rc : op_set_perms(&request->actor, &path, end + 1, request->size - name);
}

static int do_watch(struct request *request)
{
    const char *strings[2];
    struct path path;
    int rc = protocol_strings(request, strings, 2);

    if (rc == 0)
        rc = path_make_watch(&path, request->actor.conn->domid, strings[0]);
    return rc ? rc : watch_add(request->actor.conn, &path, strings[1], &request->watch);
}

static int do_unwatch(struct request *request)
{
    const char *strings[2];
    struct path path;
    int rc = protocol_strings(request, strings, 2);

    if (rc == 0)
        rc = path_make_watch(&path, request->actor.conn->domid, strings[0]);
    return rc ? rc : watch_remove(request->actor.conn, &path, strings[1]);
}

static int do_reset_watches(struct request *request)
{
    struct connection *conn = request->actor.conn;

    watch_remove_all(conn);
    transaction_abort_all(conn);
    state_forget(conn);
    return 0;
}

static int do_transaction_start(struct request *request)
{
    struct transaction *tx;
    char text[16];

    if (request->actor.view.tx != NULL)
        return -EBUSY;
    int rc = transaction_start(request->actor.conn, &tx);
    if (rc)
        return rc;
    snprintf(text, sizeof(text), "%u", tx->id);
    protocol_answer(request, text, strlen(text) + 1);
    return 0;
}

static int do_transaction_end(struct request *request)
{
    const char *text;
    int rc = protocol_strings(request, &text, 1);

    if (rc || (strcmp(text, "T") != 0 && strcmp(text, "F") != 0))
        return -EINVAL;
    return request->actor.view.tx == NULL ? -ENOENT
                                          : transaction_end(request->actor.view.tx, *text == 'T');
}

/* The domain that the one string of the payload names. */
static int one_domain(const struct request *request, uint16_t *domid)
{
    const char *text;
    int rc = protocol_strings(request, &text, 1);

    return rc ? rc : protocol_domid(text, domid);
}

static int do_introduce(struct request *request)
{
    const struct store *store = request->actor.view.store;
    const char *strings[3];
    uint16_t domid;
    uint64_t mfn, port;

    if (protocol_strings(request, strings, 3) || protocol_domid(strings[0], &domid) ||
        number(strings[1], UINT64_MAX, &mfn) || number(strings[2], UINT32_MAX, &port) ||
        domid == CONTROL_DOMAIN || port == 0)
        return -EINVAL;
    if (store->domain_ops == NULL)
        return -ENOSYS;
    return store->domain_ops->introduce(store->domain_data, domid, mfn, (uint32_t)port);
}

static int do_release(struct request *request)
{
    const struct store *store = request->actor.view.store;
    uint16_t domid;
    int rc = one_domain(request, &domid);

    if (rc || domid == CONTROL_DOMAIN)
        return -EINVAL;
    if (store->domains[domid] == NULL)
        return -ENOENT;
    return store->domain_ops == NULL ? -ENOSYS
                                     : store->domain_ops->release(store->domain_data, domid);
}

static int do_resume(struct request *request)
{
    const struct store *store = request->actor.view.store;
    uint16_t domid;
    int rc = one_domain(request, &domid);

    if (rc)
        return rc;
    if (store->domains[domid] == NULL)
        return -ENOENT;
    return store->domain_ops == NULL ? -ENOSYS
                                     : store->domain_ops->resume(store->domain_data, domid);
}

static int do_set_target(struct request *request)
{
    const struct store *store = request->actor.view.store;
    const char *strings[2];
    uint16_t domid, target;

    if (protocol_strings(request, strings, 2) || protocol_domid(strings[0], &domid) ||
        protocol_domid(strings[1], &target) || domid == CONTROL_DOMAIN)
        return -EINVAL;
    if (store->domains[domid] == NULL || store->domains[target] == NULL)
        return -ENOENT;
    store->domains[domid]->conn->target = target;
    state_domain(store, store->domains[domid]);
    return 0;
}

static int do_get_domain_path(struct request *request)
{
    uint16_t domid;
    char home[sizeof("/local/domain/65535")];
    int rc = one_domain(request, &domid);

    if (rc)
        return rc;
    size_t length = path_home(home, sizeof(home), domid);
    protocol_answer(request, home, length + 1);
    return 0;
}

static int do_is_domain_introduced(struct request *request)
{
    const struct store *store = request->actor.view.store;
    const char *text;
    uint16_t domid;
    int rc = protocol_strings(request, &text, 1);
    bool self = rc == 0 && strtoul(text, NULL, 10) == DOMID_SELF;

    if (rc == 0 && !self)
        rc = protocol_domid(text, &domid);
    if (rc)
        return rc;
    bool yes = self || domid == CONTROL_DOMAIN || store->domains[domid] != NULL;
    protocol_answer(request, yes ? "T" : "F", 2);
    return 0;
}

#define SILENT     1u /* the answer to success is "OK" */
#define PRIVILEGED 2u /* the control domain's alone */

static const struct handler {
    const char *name;
    int (*carry_out)(struct request *);
    unsigned flags;
} handlers[XS_TYPE_COUNT] = {
    [XS_CONTROL] = {"CONTROL", control_request, PRIVILEGED},
    [XS_DIRECTORY] = {"DIRECTORY", do_directory, 0},
    [XS_READ] = {"READ", do_read, 0},
    [XS_GET_PERMS] = {"GET_PERMS", do_get_perms, 0},
    [XS_WATCH] = {"WATCH", do_watch, SILENT},
    [XS_UNWATCH] = {"UNWATCH", do_unwatch, SILENT},
    [XS_TRANSACTION_START] = {"TRANSACTION_START", do_transaction_start, 0},
    [XS_TRANSACTION_END] = {"TRANSACTION_END", do_transaction_end, SILENT},
    [XS_INTRODUCE] = {"INTRODUCE", do_introduce, SILENT | PRIVILEGED},
    [XS_RELEASE] = {"RELEASE", do_release, SILENT | PRIVILEGED},
    [XS_GET_DOMAIN_PATH] = {"GET_DOMAIN_PATH", do_get_domain_path, 0},
    [XS_WRITE] = {"WRITE", do_write, SILENT},
    [XS_MKDIR] = {"MKDIR", do_mkdir, SILENT},
    [XS_RM] = {"RM", do_rm, SILENT},
    [XS_SET_PERMS] = {"SET_PERMS", do_set_perms, SILENT},
    [XS_IS_DOMAIN_INTRODUCED] = {"IS_DOMAIN_INTRODUCED", do_is_domain_introduced, 0},
    [XS_RESUME] = {"RESUME", do_resume, SILENT | PRIVILEGED},
    [XS_SET_TARGET] = {"SET_TARGET", do_set_target, SILENT | PRIVILEGED},
    [XS_RESET_WATCHES] = {"RESET_WATCHES", do_reset_watches, SILENT},
    [XS_DIRECTORY_PART] = {"DIRECTORY_PART", do_directory_part, 0},
};

static int carry_out(struct request *request)
{
    struct connection *conn = request->actor.conn;
    const struct handler *handler = request->type < XS_TYPE_COUNT ? &handlers[request->type] : NULL;

    if (handler == NULL || handler->carry_out == NULL)
        return -ENOSYS;
    if ((handler->flags & PRIVILEGED) && !connection_privileged(conn))
        return -EACCES;
    if (conn->header.tx_id != 0) {
        request->actor.view.tx = transaction_find(conn, conn->header.tx_id);
        if (request->actor.view.tx == NULL)
            return -ENOENT;
    }
    int rc = handler->carry_out(request);
    if (rc == 0 && (handler->flags & SILENT))
        protocol_answer(request, "OK", 3);
    return rc;
}

/* The name of an error; all that have none are the client's fault in a way that has no name. */
static const char *error_name(int rc)
{
    for (size_t i = 0; i < sizeof(xsd_errors) / sizeof(xsd_errors[0]); i++)
        if (xsd_errors[i].errnum == -rc)
            return xsd_errors[i].errstring;
    return "EINVAL";
}

static void log_request(const struct connection *conn, int rc)
{
    uint32_t type = conn->header.type;
    const char *name = type < XS_TYPE_COUNT ? handlers[type].name : NULL;

    store_log("domain %u%s: %s %.200s in transaction %u: %s", conn->domid,
              conn->is_ring ? "" : " (socket)", name != NULL ? name : "?", conn->payload,
              conn->header.tx_id, rc ? error_name(rc) : "done");
}

void protocol_request(struct connection *conn)
{
    char answer[XENSTORE_PAYLOAD_MAX];
    struct request request = {.actor = {.conn = conn, .view = {.store = conn->store}},
                              .answer = answer,
                              .type = conn->header.type,
                              .payload = conn->payload,
                              .size = conn->header.len};
    int rc = carry_out(&request);

    if (conn->store->log)
        log_request(conn, rc);
    if (rc)
        connection_reply(conn, XS_ERROR, error_name(rc), strlen(error_name(rc)) + 1);
    else
        connection_reply(conn, request.type, request.answer, request.answer_size);
    if (request.watch != NULL)
        connection_event(conn, request.watch, request.watch->path);
}

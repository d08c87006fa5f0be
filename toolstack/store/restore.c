/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Taking up what another process recorded. The record is this program's own, but a file: what does
 * not fit is an error, not a crash.
 */
#include <errno.h>
#include <string.h>

#include "store/domain.h"
#include "store/journal.h"
#include "store/records.h"
#include "store/state.h"
#include "store/store.h"
#include "store/transaction.h"

static bool get_path(struct record *record, struct path *path)
{
    size_t size;
    const char *text = record_bytes(record, &size);
    char copy[PATH_SIZE];

    if (size >= sizeof(copy))
        return false;
    memcpy(copy, text, size);
    copy[size] = '\0';
    return path_make_watch(path, CONTROL_DOMAIN, copy) == 0 && !path->relative;
}

static struct perms *get_perms(struct store *store, struct record *record)
{
    size_t size;
    const char *bytes = record_bytes(record, &size);
    struct perm list[XENSTORE_PAYLOAD_MAX];
    unsigned count = (unsigned)(size / sizeof(list[0]));

    if (count == 0 || count > XENSTORE_PAYLOAD_MAX || size % sizeof(list[0]))
        return NULL;
    memcpy(list, bytes, size);
    for (unsigned i = 0; i < count; i++)
        if (list[i].domid >= DOMID_FIRST_RESERVED || list[i].bits > (PERM_READ | PERM_WRITE))
            return NULL;
    return perms_new(list, count, store->tree.generation);
}

static struct blob *get_value(struct record *record)
{
    size_t size;
    const char *bytes = record_bytes(record, &size);

    return blob_new(bytes, size);
}

static bool restore_node(struct store *store, struct record *record)
{
    struct path path;

    if (!get_path(record, &path) || path.text[0] != '/' || path.length == 1 ||
        tree_find(&store->tree, path.text, path.length) != NULL ||
        tree_find(&store->tree, path.text, path_parent(path.text, path.length)) == NULL)
        return false;
    struct perms *perms = get_perms(store, record);
    if (perms == NULL)
        return false;
    store_create(store, path.text, path.length, perms, get_value(record));
    return true;
}

static bool restore_value(struct store *store, struct record *record)
{
    struct path path;

    if (!get_path(record, &path))
        return false;
    struct node *node = tree_find(&store->tree, path.text, path.length);
    if (node != NULL)
        store_set_value(store, node, get_value(record));
    return node != NULL;
}

static bool restore_perms(struct store *store, struct record *record)
{
    struct path path;

    if (!get_path(record, &path))
        return false;
    enum special special = path_special(path.text);
    struct node *node = tree_find(&store->tree, path.text, path.length);
    struct perms *perms = get_perms(store, record);
    if (perms != NULL && special != SPECIAL_NONE) {
        store_set_special(store, special, perms);
    } else if (perms != NULL && node != NULL) {
        store_set_perms(store, node, perms);
    } else {
        perms_put(perms);
        return false;
    }
    return true;
}

static bool restore_remove(struct store *store, struct record *record)
{
    struct path path;

    if (!get_path(record, &path) || path.length == 1)
        return false;
    struct node *node = tree_find(&store->tree, path.text, path.length);
    if (node != NULL)
        store_remove(store, node);
    return node != NULL;
}

static bool get_domid(struct record *record, uint16_t *domid)
{
    uint64_t number = record_number(record);

    *domid = (uint16_t)number;
    return number < DOMID_FIRST_RESERVED;
}

/* NULL: the record is none of a domain that was introduced. */
static struct domain *get_domain(struct store *store, struct record *record)
{
    uint16_t domid;

    return get_domid(record, &domid) ? store->domains[domid] : NULL;
}

static bool restore_ended(struct store *store, struct record *record)
{
    uint16_t domid;

    if (!get_domid(record, &domid))
        return false;
    store_domain_ended(store, domid);
    return true;
}

static bool restore_quota(struct store *store, struct record *record)
{
    size_t size;
    const char *bytes = record_bytes(record, &size);

    if (size != sizeof(store->quota))
        return false;
    memcpy(&store->quota, bytes, size);
    return true;
}

static bool restore_generation(struct store *store, struct record *record)
{
    store->tree.generation += record_number(record);
    return true;
}

static bool restore_domain(struct store *store, struct record *record)
{
    uint16_t domid;

    if (!get_domid(record, &domid))
        return false;
    struct domain *domain = store->domains[domid];
    if (domain == NULL)
        domain = domain_new(store, domid);
    domain->mfn = record_number(record);
    domain->port = (uint32_t)record_number(record);
    domain->conn->target = (uint16_t)record_number(record);
    domain->shut_down = record_number(record) != 0;
    domain->broken = record_number(record) != 0;
    return true;
}

static bool restore_domain_gone(struct store *store, struct record *record)
{
    struct domain *domain = get_domain(store, record);

    if (domain != NULL)
        domain_free(store, domain);
    return domain != NULL;
}

static bool restore_reset(struct store *store, struct record *record)
{
    struct domain *domain = get_domain(store, record);

    if (domain == NULL)
        return false;
    connection_reset(domain->conn);
    domain->req_cons = domain->req_taken = (uint32_t)record_number(record);
    domain->conn->out_end = (uint32_t)record_number(record);
    return true;
}

static bool restore_input(struct store *store, struct record *record)
{
    struct domain *domain = get_domain(store, record);
    size_t header, payload;

    if (domain == NULL)
        return false;
    struct connection *conn = domain->conn;
    domain->req_cons = domain->req_taken = (uint32_t)record_number(record);
    const char *bytes = record_bytes(record, &header);
    if (header > sizeof(conn->header))
        return false;
    memcpy(&conn->header, bytes, header);
    bytes = record_bytes(record, &payload);
    if (header < sizeof(conn->header)
            ? payload != 0
            : conn->header.len > XENSTORE_PAYLOAD_MAX || payload >= conn->header.len)
        return false;
    memcpy(conn->payload, bytes, payload);
    conn->have = (uint32_t)(header + payload);
    return true;
}

static bool restore_forget(struct store *store, struct record *record)
{
    struct domain *domain = get_domain(store, record);

    if (domain == NULL)
        return false;
    watch_remove_all(domain->conn);
    transaction_abort_all(domain->conn);
    return true;
}

static bool get_watch(struct record *record, struct path *path, char *token, size_t room)
{
    bool relative = record_number(record) != 0;
    size_t size;

    if (!get_path(record, path))
        return false;
    path->relative = relative;
    const char *bytes = record_bytes(record, &size);
    if (size >= room)
        return false;
    memcpy(token, bytes, size);
    token[size] = '\0';
    return true;
}

static bool restore_watch(struct store *store, struct record *record)
{
    struct domain *domain = get_domain(store, record);
    struct path path;
    char token[XENSTORE_PAYLOAD_MAX];

    if (domain == NULL || !get_watch(record, &path, token, sizeof(token)))
        return false;
    watch_insert(domain->conn, &path, token);
    return true;
}

static bool restore_unwatch(struct store *store, struct record *record)
{
    struct domain *domain = get_domain(store, record);
    struct path path;
    char token[XENSTORE_PAYLOAD_MAX];

    return domain != NULL && get_watch(record, &path, token, sizeof(token)) &&
           watch_remove(domain->conn, &path, token) == 0;
}

static bool restore_transaction(struct store *store, struct record *record)
{
    struct domain *domain = get_domain(store, record);
    uint32_t id = (uint32_t)record_number(record);
    bool open = record_number(record) != 0;

    if (domain == NULL)
        return false;
    struct transaction *tx = transaction_find(domain->conn, id);
    if (open && tx == NULL)
        transaction_restore(domain->conn, id);
    else if (!open && tx != NULL)
        transaction_end(tx, false);
    else
        return false;
    return true;
}

static bool restore_output(struct store *store, struct record *record)
{
    struct domain *domain = get_domain(store, record);
    uint32_t end = (uint32_t)record_number(record);
    bool event = record_number(record) != 0;
    size_t size;
    const char *bytes = record_bytes(record, &size);

    if (domain == NULL || size == 0)
        return false;
    connection_restore_output(domain->conn, bytes, size, end, event);
    return true;
}

static bool (*const restore[RECORD_TYPES])(struct store *, struct record *) = {
    [RECORD_NODE] = restore_node,
    [RECORD_VALUE] = restore_value,
    [RECORD_PERMS] = restore_perms,
    [RECORD_REMOVE] = restore_remove,
    [RECORD_ENDED] = restore_ended,
    [RECORD_QUOTA] = restore_quota,
    [RECORD_GENERATION] = restore_generation,
    [RECORD_DOMAIN] = restore_domain,
    [RECORD_DOMAIN_GONE] = restore_domain_gone,
    [RECORD_RESET] = restore_reset,
    [RECORD_INPUT] = restore_input,
    [RECORD_FORGET] = restore_forget,
    [RECORD_WATCH] = restore_watch,
    [RECORD_UNWATCH] = restore_unwatch,
    [RECORD_TRANSACTION] = restore_transaction,
    [RECORD_OUTPUT] = restore_output,
};

int state_restore(struct store *store, struct journal *journal, struct message *why)
{
    struct record record;
    size_t offset = 0, start = 0;

    while (journal_next(journal, &offset, &record)) {
        bool known = record.good && record.type < RECORD_TYPES && restore[record.type] != NULL;
        bool good = known && restore[record.type](store, &record);
        if (!good || !record.good)
            return message_set(why, -EINVAL,
                               "the record of changes is damaged at byte %zu; --fresh begins a new "
                               "one (guests lose their connections)",
                               start);
        start = offset;
    }
    store->journal = journal;
    return 0;
}

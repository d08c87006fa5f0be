/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Commands to the daemon. Their answer is text.
 */
#include "store/control.h"

#include <errno.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "store/protocol.h"
#include "store/state.h"

#define ARGUMENTS_MAX 3u

struct arguments {
    const char *list[ARGUMENTS_MAX];
    unsigned count;
};

static void say(struct request *request, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
static void say(struct request *request, const char *format, ...)
{
    char text[256];
    va_list args;

    va_start(args, format);
    vsnprintf(text, sizeof(text), format, args);
    va_end(args);
    if (request->answer_size + strlen(text) < XENSTORE_PAYLOAD_MAX)
        protocol_answer(request, text, strlen(text));
}

static int do_check(struct request *request, const struct arguments *arguments)
{
    const struct store *store = request->actor.view.store;

    if (arguments->count)
        return -EINVAL;
    if (!store_check(store))
        return -EIO;
    say(request, "%zu nodes, %zu watches: in order", store->tree.nr_nodes,
        store->watches.nr_watches);
    return 0;
}

static int do_log(struct request *request, const struct arguments *arguments)
{
    struct store *store = request->actor.view.store;

    if (arguments->count != 1 ||
        (strcmp(arguments->list[0], "on") != 0 && strcmp(arguments->list[0], "off") != 0))
        return -EINVAL;
    store->log = strcmp(arguments->list[0], "on") == 0;
    say(request, "OK");
    return 0;
}

static const struct {
    const char *name, *text;
    size_t offset;
} quotas[] = {
    {"nodes", "nodes that a domain owns", offsetof(struct quota, nodes)},
    {"watches", "watches of a domain", offsetof(struct quota, watches)},
    {"transactions", "open transactions of a domain", offsetof(struct quota, transactions)},
    {"transaction-nodes", "nodes that a transaction sees",
     offsetof(struct quota, transaction_nodes)},
    {"transaction-memory", "bytes that a domain's transactions hold",
     offsetof(struct quota, transaction_memory)},
    {"node-size", "bytes of a node's value", offsetof(struct quota, node_size)},
    {"node-permissions", "entries of a node's permissions", offsetof(struct quota, perms)},
    {"outstanding", "answers that a domain has not taken", offsetof(struct quota, outstanding)},
};

static unsigned *quota_field(struct quota *quota, size_t i)
{
    return (unsigned *)((char *)quota + quotas[i].offset);
}

static int quota_set(struct request *request, const char *name, const char *value)
{
    char *end;
    unsigned long n = strtoul(value, &end, 10);

    if (value[0] < '0' || value[0] > '9' || *end || n == 0 || n > 1u << 30)
        return -EINVAL;
    for (size_t i = 0; i < sizeof(quotas) / sizeof(quotas[0]); i++) {
        if (strcmp(name, quotas[i].name) == 0) {
            *quota_field(&request->actor.view.store->quota, i) = (unsigned)n;
            state_quota(request->actor.view.store);
            say(request, "OK");
            return 0;
        }
    }
    return -EINVAL;
}

static int quota_of_domain(struct request *request, const char *text)
{
    const struct store *store = request->actor.view.store;
    const struct connection *conn;
    uint16_t domid;
    unsigned watches = 0, transactions = 0, outstanding = 0;

    if (protocol_domid(text, &domid))
        return -EINVAL;
    TAILQ_FOREACH(conn, &store->connections, all)
    {
        if (conn->domid != domid)
            continue;
        watches += conn->nr_watches;
        transactions += conn->nr_transactions;
        outstanding += conn->replies;
    }
    say(request, "Domain %u:\nnodes: %u\nwatches: %u\ntransactions: %u\noutstanding: %u\n", domid,
        store->accounts[domid].nodes, watches, transactions, outstanding);
    return 0;
}

static int do_quota(struct request *request, const struct arguments *arguments)
{
    if (arguments->count == 3 && strcmp(arguments->list[0], "set") == 0)
        return quota_set(request, arguments->list[1], arguments->list[2]);
    if (arguments->count == 1)
        return quota_of_domain(request, arguments->list[0]);
    if (arguments->count)
        return -EINVAL;
    for (size_t i = 0; i < sizeof(quotas) / sizeof(quotas[0]); i++)
        say(request, "%-18s: %8u %s\n", quotas[i].name,
            *quota_field(&request->actor.view.store->quota, i), quotas[i].text);
    return 0;
}

static bool has_value(const struct node *node, const char *value)
{
    return node->value != NULL && node->value->size == strlen(value) &&
           memcmp(node->value->bytes, value, node->value->size) == 0;
}

/* Names of the children of a node that have a child of that name and value: as many as fit. */
static int do_find(struct request *request, const struct arguments *arguments)
{
    const char *const *list = arguments->list;
    const struct node *parent, *child, *node;

    if (arguments->count != 3)
        return -EINVAL;
    parent = tree_find(&request->actor.view.store->tree, list[0], strlen(list[0]));
    if (parent == NULL)
        return 0;
    TAILQ_FOREACH(child, &parent->children, siblings)
    {
        TAILQ_FOREACH(node, &child->children, siblings)
        {
            if (strcmp(node_name(node), list[1]) != 0)
                continue;
            if (has_value(node, list[2]))
                say(request, "%s\n", node_name(child));
            break;
        }
    }
    return 0;
}

static int do_help(struct request *request, const struct arguments *arguments);

static const struct {
    const char *name, *usage;
    int (*carry_out)(struct request *, const struct arguments *);
} commands[] = {
    {"help", "", do_help},
    {"check", "", do_check},
    {"log", "on|off", do_log},
    {"find", "<directory> <node> <value>", do_find},
    {"quota", "[set <name> <value>|<domid>]", do_quota},
};

static int do_help(struct request *request, const struct arguments *arguments)
{
    if (arguments->count)
        return -EINVAL;
    for (size_t i = 0; i < sizeof(commands) / sizeof(commands[0]); i++)
        say(request, "%s %s\n", commands[i].name, commands[i].usage);
    return 0;
}

int control_request(struct request *request)
{
    struct arguments arguments = {.count = 0};
    size_t at = strlen(request->payload) + 1;

    if (request->size == 0 || request->payload[request->size - 1] != '\0')
        return -EINVAL;
    for (; at < request->size; at += strlen(request->payload + at) + 1) {
        if (arguments.count == ARGUMENTS_MAX)
            return -EINVAL;
        arguments.list[arguments.count++] = request->payload + at;
    }
    for (size_t i = 0; i < sizeof(commands) / sizeof(commands[0]); i++) {
        if (strcmp(request->payload, commands[i].name) != 0)
            continue;
        int rc = commands[i].carry_out(request, &arguments);
        if (rc == 0)
            protocol_answer(request, "", 1);
        return rc;
    }
    return -EINVAL;
}

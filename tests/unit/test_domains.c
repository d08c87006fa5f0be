/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * links: toolstack/common/domains.c toolstack/common/domain_names.c tests/unit/host.c
 *
 * Domains looked for by number, UUID and name: with a store that looks for names and with one that
 * does not, and while the hypervisor or the store does not answer.
 */
#include <errno.h>
#include <xenstore.h>

#include "common/domains.h"
#include "tap.h"

#define DOMAINS 200u /* more than one hypercall lists */
#define XCH     ((xc_interface *)1)
#define XS      ((struct xs_handle *)1)

struct fake {
    bool there, dying;
    uint8_t uuid;
    char name[16];
};

static struct fake domain[DOMAINS];
static bool finds;                            /* the store has CONTROL find */
static unsigned list_calls, reads;            /* made */
static unsigned list_fails_at, read_fails_at; /* 0: never */

int xc_domain_getinfolist(xc_interface *xch, uint32_t first, unsigned int max,
                          xc_domaininfo_t *info)
{
    unsigned n = 0;

    (void)xch;
    if (++list_calls == list_fails_at) {
        errno = EFAULT;
        return -1;
    }
    for (uint32_t i = first; i < DOMAINS && n < max; i++)
        if (domain[i].there) {
            info[n] = (xc_domaininfo_t){.domain = (domid_t)i,
                                        .flags = domain[i].dying ? XEN_DOMINF_dying : 0};
            info[n++].handle[0] = domain[i].uuid;
        }
    return (int)n;
}

void *xs_read(struct xs_handle *h, xs_transaction_t t, const char *path, unsigned int *len)
{
    unsigned domid;

    (void)h, (void)t, (void)len;
    if (++reads == read_fails_at) {
        errno = EIO;
        return NULL;
    }
    if (sscanf(path, "/local/domain/%u/name", &domid) == 1 && domain[domid].name[0] != '\0')
        return strdup(domain[domid].name);
    errno = ENOENT;
    return NULL;
}

/* Nodes may be there without their domain. */
char *xs_control_command(struct xs_handle *h, const char *cmd, void *data, unsigned int len)
{
    const char *where = data, *node = where + strlen(where) + 1, *value = node + strlen(node) + 1;
    char text[4096] = "";

    (void)h;
    if (!finds) {
        errno = EINVAL;
        return NULL;
    }
    if (strcmp(cmd, "find") != 0 || strcmp(where, "/local/domain") != 0 ||
        strcmp(node, "name") != 0 || value + strlen(value) + 1 != (char *)data + len)
        bail_out("it asks the store for something else");
    for (unsigned i = 0; i < DOMAINS; i++)
        if (domain[i].name[0] != '\0' && strcmp(domain[i].name, value) == 0)
            snprintf(text + strlen(text), sizeof(text) - strlen(text), "%u\n", i);
    return strdup(text);
}

static void begin(bool store_finds)
{
    memset(domain, 0, sizeof(domain));
    for (unsigned i = 0; i < DOMAINS; i += i < 10 ? 1 : 2) {
        domain[i] = (struct fake){.there = true, .uuid = (uint8_t)i};
        if (i != 0)
            snprintf(domain[i].name, sizeof(domain[i].name), "guest%u", i);
    }
    finds = store_finds;
    list_calls = reads = list_fails_at = read_fails_at = 0;
}

/* The number that is found; -1: none; or the error. */
static int by_name(const char *name)
{
    xc_domaininfo_t info;
    int rc = domains_by_name(XCH, XS, name, &info);

    return rc == 1 ? info.domain : rc == 0 ? -1 : rc;
}

static int by_uuid(uint8_t first, uint32_t except)
{
    const uint8_t uuid[16] = {first};
    xc_domaininfo_t info;
    int rc = domains_by_uuid(XCH, uuid, except, &info);

    return rc == 1 ? info.domain : rc == 0 ? -1 : rc;
}

static void test_numbers(void)
{
    xc_domaininfo_t info;

    begin(true);
    ok(domains_look(XCH, 7, &info) == 1 && info.domain == 7, "a domain by its number");
    is(domains_look(XCH, 11, &info), 0, "a number between others");
    is(domains_look(XCH, DOMAINS, &info), 0, "a number behind all");
    list_fails_at = list_calls + 1;
    is(domains_look(XCH, 7, &info), -EFAULT, "a hypercall that fails says nothing");
}

static void test_names(bool store_finds)
{
    const char *store = store_finds ? "the store looks" : "each is asked for";

    begin(store_finds);
    is(by_name("guest3"), 3, "%s: a name", store);
    is(by_name("guest198"), 198, "%s: the last one's", store);
    ok(list_calls <= (store_finds ? 2u : 4u), "%s: %u lists were asked for", store, list_calls);
    is(reads > 0, !store_finds, "%s: %u names were read", store, reads);
    is(by_name("guest"), -1, "%s: the begin of names", store);
    is(by_name(""), -1, "%s: an empty name", store);
    domain[5].there = false;
    is(by_name("guest5"), -1, "%s: nodes without a domain", store);
    snprintf(domain[9].name, sizeof(domain[9].name), "guest5");
    is(by_name("guest5"), 9, "%s: and another of that name", store);
    domain[9].dying = true;
    is(by_name("guest5"), 9, "%s: one that is dying is better than none", store);
    snprintf(domain[20].name, sizeof(domain[20].name), "guest5");
    is(by_name("guest5"), 20, "%s: one that lives is better", store);
    for (unsigned at = 1; at <= 2; at++) {
        begin(store_finds);
        list_fails_at = at;
        is(by_name("guest198"), store_finds && at == 2 ? 198 : -EFAULT, "%s: hypercall %u fails",
           store, at);
    }
    begin(store_finds);
    read_fails_at = 1;
    is(by_name("guest3"), store_finds ? 3 : -EIO, "%s: a node cannot be read", store);
}

static void test_uuids(void)
{
    begin(true);
    is(by_uuid(198, DOMID_INVALID), 198, "a UUID");
    is(by_uuid(255, DOMID_INVALID), -1, "no domain's");
    is(by_uuid(198, 198), -1, "not counting the one that has it");
    domain[6].uuid = 198;
    is(by_uuid(198, 198), 6, "but another");
    domain[6].dying = true;
    is(by_uuid(198, DOMID_INVALID), 198, "one that lives comes first");
    is(by_uuid(198, 198), 6, "or one that is dying");
    list_fails_at = list_calls + 2;
    is(by_uuid(255, DOMID_INVALID), -EFAULT, "a hypercall that fails says nothing");
}

int main(void)
{
    test_numbers();
    test_names(true);
    test_names(false);
    test_uuids();
    return done();
}

/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The handles that verbs use, domains found by what people call them, and values read from words.
 */
#include "pvctl/pvctl.h"

#include <errno.h>
#include <inttypes.h>
#include <json-c/json.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>
#include <xenstore.h>
#include <xentoollog.h>

#include "common/domains.h"
#include "common/paths.h"
#include "devices/devices.h"

#define DOMAINS_AT_ONCE 256u
#define CONTROL_DOMAIN  "Domain-0" /* called so whatever the store says */

/* ---- Handles ------------------------------------------------------------------------------ */

bool need_xc(struct pvctl *p)
{
    if (p->xch != NULL)
        return true;
    /* What failed is said once, by the verb; the library's own words are for those who ask. */
    xentoollog_logger *log = (xentoollog_logger *)xtl_createlogger_stdiostream(
        stderr, p->verbose >= 2 ? XTL_DEBUG : XTL_CRITICAL, 0);
    p->xch = xc_interface_open(log, log, 0);
    if (p->xch != NULL)
        return true;
    failed(p, "the hypervisor cannot be reached: %s (this works as root in the control domain)",
           strerror(errno));
    return false;
}

/* Without a daemon at its socket libxenstore would turn to the kernel, which waits for one. */
static bool store_listens(void)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX, .sun_path = PATH_STORE_SOCKET};
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    bool good = fd >= 0 && connect(fd, (struct sockaddr *)&address, sizeof(address)) == 0;
    int error = errno;

    if (fd >= 0)
        close(fd);
    errno = error;
    return good;
}

bool try_store(struct pvctl *p)
{
    if (p->xs == NULL && store_listens())
        p->xs = xs_open(0);
    return p->xs != NULL;
}

bool need_store(struct pvctl *p)
{
    if (try_store(p))
        return true;
    failed(p, "the store cannot be reached: %s (is pvstored running?)", strerror(errno));
    return false;
}

void session_close(struct pvctl *p)
{
    if (p->xch != NULL)
        xc_interface_close(p->xch);
    if (p->xs != NULL)
        xs_close(p->xs);
    p->xch = NULL;
    p->xs = NULL;
}

struct guest_host guest_host(struct pvctl *p)
{
    return (struct guest_host){.xch = p->xch, .xs = p->xs};
}

struct devices device_host(struct pvctl *p)
{
    return (struct devices){.xch = p->xch, .xs = p->xs};
}

/* ---- Nodes -------------------------------------------------------------------------------- */

char *domain_read(struct pvctl *p, uint32_t domid, const char *node)
{
    char path[192];

    if (p->xs == NULL)
        return NULL;
    snprintf(path, sizeof(path), "/local/domain/%u/%s", domid, node);
    return xs_read(p->xs, XBT_NULL, path, NULL);
}

bool domain_write(struct pvctl *p, uint32_t domid, const char *node, const char *value)
{
    char path[192];

    snprintf(path, sizeof(path), "/local/domain/%u/%s", domid, node);
    return xs_write(p->xs, XBT_NULL, path, value, (unsigned)strlen(value));
}

/* ---- Domains ------------------------------------------------------------------------------ */

bool domain_info(struct pvctl *p, uint32_t domid, xc_domaininfo_t *info)
{
    return domains_look(p->xch, domid, info) == 1;
}

xc_domaininfo_t *all_domains(struct pvctl *p, unsigned *count)
{
    xc_domaininfo_t *list = NULL;
    uint32_t next = 0;

    *count = 0;
    for (;;) {
        xc_domaininfo_t *larger = realloc(list, (*count + DOMAINS_AT_ONCE) * sizeof(*list));
        int n = -1;

        if (larger != NULL) {
            list = larger;
            n = xc_domain_getinfolist(p->xch, next, DOMAINS_AT_ONCE, list + *count);
        }
        if (n < 0) {
            failed(p, "domains cannot be listed: %s", strerror(errno));
            free(list);
            return NULL;
        }
        if (n == 0)
            return list;
        *count += (unsigned)n;
        next = list[*count - 1].domain + 1u;
        if ((unsigned)n < DOMAINS_AT_ONCE)
            return list;
    }
}

char *domain_name(struct pvctl *p, uint32_t domid)
{
    char *name = domain_read(p, domid, "name");

    return name != NULL ? name : strdup(domid == 0 ? CONTROL_DOMAIN : "(none)");
}

static int64_t no_answer(struct pvctl *p, int error)
{
    failed(p, "domains cannot be looked for: %s", strerror(-error));
    return -2;
}

int64_t lookup_domain(struct pvctl *p, const char *text)
{
    xc_domaininfo_t info;
    uint64_t number;
    uint8_t uuid[16];
    int rc;

    if (parse_number(text, 0, DOMID_FIRST_RESERVED - 1, &number))
        rc = domains_look(p->xch, (uint32_t)number, &info);
    else if (strcmp(text, CONTROL_DOMAIN) == 0)
        rc = domains_look(p->xch, 0, &info);
    else if (uuid_from_text(text, uuid))
        rc = domains_by_uuid(p->xch, uuid, DOMID_INVALID, &info);
    else
        rc = domains_by_name(p->xch, p->xs, text, &info);
    if (rc < 0)
        return no_answer(p, rc);
    return rc == 0 ? -1 : info.domain;
}

bool find_domain(struct pvctl *p, const char *text, uint32_t *domid)
{
    uint64_t number;
    bool by_number = parse_number(text, 0, DOMID_FIRST_RESERVED - 1, &number);

    if (!need_xc(p))
        return false;
    if (!by_number && !need_store(p))
        return false;
    int64_t found = lookup_domain(p, text);
    if (found == -1)
        failed(p, "%s: there is no such domain; `pvctl list` lists them", text);
    *domid = found < 0 ? 0 : (uint32_t)found;
    return found >= 0;
}

/* ---- Values ------------------------------------------------------------------------------- */

bool parse_number(const char *text, uint64_t min, uint64_t max, uint64_t *number)
{
    char *rest;

    if (text[0] < '0' || text[0] > '9')
        return false;
    errno = 0;
    unsigned long long n = strtoull(text, &rest, 10);
    if (errno || *rest != '\0' || n < min || n > max)
        return false;
    *number = n;
    return true;
}

bool parse_memory(const char *text, uint64_t *kib)
{
    char *rest;
    unsigned shift = 20;

    if (text[0] < '0' || text[0] > '9')
        return false;
    errno = 0;
    unsigned long long n = strtoull(text, &rest, 10);
    if (errno || (*rest != '\0' && rest[1] != '\0'))
        return false;
    switch (*rest == '\0' ? 'm' : *rest | 0x20) {
    case 't':
        shift = 40;
        break;
    case 'g':
        shift = 30;
        break;
    case 'm':
        break;
    case 'k':
        shift = 10;
        break;
    case 'b':
        shift = 0;
        break;
    default:
        return false;
    }
    if (n == 0 || n > (UINT64_MAX >> 8) >> shift)
        return false;
    *kib = (uint64_t)n << shift >> 10;
    return *kib != 0;
}

/* ---- JSON --------------------------------------------------------------------------------- */

int print_json(struct pvctl *p, struct json_object *object)
{
    const char *text =
        object == NULL ? NULL
                       : json_object_to_json_string_ext(object, JSON_C_TO_STRING_PRETTY |
                                                                    JSON_C_TO_STRING_SPACED |
                                                                    JSON_C_TO_STRING_NOSLASHESCAPE);
    int status = text == NULL ? failed(p, "no memory for the list") : 0;

    if (text != NULL)
        puts(text);
    json_object_put(object);
    return status;
}

void json_add_text(struct json_object *o, const char *key, const char *text)
{
    json_object_object_add(o, key, text != NULL ? json_object_new_string(text) : NULL);
}

void json_add_number(struct json_object *o, const char *key, uint64_t number)
{
    json_object_object_add(o, key, json_object_new_int64((int64_t)number));
}

/* ---- The hypervisor's log ----------------------------------------------------------------- */

char *read_log(struct pvctl *p, bool clear)
{
    char *log = NULL;
    size_t used = 0;
    uint32_t index = 0;

    /* The first part begins where the log was last emptied, the others behind those before. */
    for (bool more = false;; more = true) {
        unsigned chars = 16384;
        char *larger = realloc(log, used + chars + 1);

        if (larger == NULL)
            break;
        log = larger;
        if (xc_readconsolering(p->xch, log + used, &chars, 0, more, &index))
            break;
        used += chars;
        log[used] = '\0';
        if (chars == 0) {
            if (clear)
                xc_readconsolering(p->xch, NULL, &(unsigned){0}, 1, 0, NULL);
            return log;
        }
    }
    free(log);
    return NULL;
}

char *crash_reason(struct pvctl *p, uint32_t domid)
{
    char wanted[48], *found = NULL, *log = read_log(p, false);
    int length = snprintf(wanted, sizeof(wanted), "domain %u crashed: ", domid);

    for (char *at = log; at != NULL && (at = strstr(at, wanted)) != NULL; at += length)
        found = at + length;
    if (found != NULL)
        found = strndup(found, strcspn(found, "\r\n"));
    free(log);
    return found;
}

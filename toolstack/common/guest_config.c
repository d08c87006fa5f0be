/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What the keys of a guest's configuration mean (xl.cfg(5)): one table, a function for each kind of
 * value. A key is either taken, or refused because the guest would not be what its author thinks,
 * or passed over with a warning.
 */
#include "common/guest_config.h"

#include <errno.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include "common/cfg_parse.h"
#include "common/cpus.h"

#define MEMORY_MAX_MIB (16u << 20) /* 16 TiB */
#define DEVICES_MAX    1024u

struct reader {
    struct guest_config *config;
    const char *name;
    config_warning *warn;
    void *data;
    struct message *why;
    const char *root, *extra; /* of the file; both become the command line */
    const struct cfg_setting *max_memory, *max_vcpus;
};

struct key {
    const char *name;
    int (*take)(struct reader *r, const struct key *k, const struct cfg_value *v);
    size_t offset; /* of the member that it sets */
    int64_t min, max;
};

/* ---- Messages ----------------------------------------------------------------------------- */

static int wrong(struct reader *r, const struct cfg_value *v, const struct key *k, const char *what)
{
    if (r->why != NULL) {
        r->why->file = r->name;
        r->why->line = v->line;
        r->why->column = v->column;
    }
    return message_set(r->why, -EINVAL, "%s: %s", k->name, what);
}

/* `why` has a text and perhaps a column within the string that *v is. */
static int wrong_within(struct reader *r, const struct cfg_value *v, const struct key *k, int rc)
{
    if (r->why != NULL) {
        r->why->file = r->name;
        r->why->line = v->line;
        r->why->column += v->column; /* the first character stands behind the quote */
        message_prefix(r->why, "%s", k->name);
    }
    return rc;
}

static int no_memory(struct reader *r)
{
    return message_set(r->why, -ENOMEM, "no memory for the configuration");
}

static void warn_at(struct reader *r, unsigned line, unsigned column, const char *key,
                    const char *what)
{
    struct message m = {.file = r->name, .line = line, .column = column};

    if (r->warn == NULL)
        return;
    message_set(&m, 0, "%s: %s", key, what);
    r->warn(r->data, &m);
}

/* ---- Kinds of values ---------------------------------------------------------------------- */

static int get_text(struct reader *r, const struct key *k, const struct cfg_value *v)
{
    if (v->type != CFG_STRING)
        return wrong(r, v, k, "must be a string, between quotes");
    return 0;
}

static int get_number(struct reader *r, const struct key *k, const struct cfg_value *v,
                      int64_t *number)
{
    *number = v->number;
    if (v->type == CFG_STRING) { /* xl takes numbers between quotes, too */
        char *rest;

        errno = 0;
        *number = strtoll(v->string, &rest, 0);
        if (rest == v->string || *rest != '\0' || errno)
            return wrong(r, v, k, "must be a number");
    } else if (v->type != CFG_NUMBER) {
        return wrong(r, v, k, "must be a number");
    }
    if (*number < k->min || *number > k->max) {
        char text[96];

        snprintf(text, sizeof(text), "must be from %lld to %lld", (long long)k->min,
                 (long long)k->max);
        return wrong(r, v, k, text);
    }
    return 0;
}

static int put_text(struct reader *r, const struct key *k, const char *text)
{
    char **to = (char **)((char *)r->config + k->offset), *copy = strdup(text);

    if (copy == NULL)
        return no_memory(r);
    free(*to);
    *to = copy;
    return 0;
}

static int take_text(struct reader *r, const struct key *k, const struct cfg_value *v)
{
    int rc = get_text(r, k, v);

    if (rc == 0 && v->string[0] == '\0')
        rc = wrong(r, v, k, "must not be empty: leave the key out instead");
    return rc ? rc : put_text(r, k, v->string);
}

static int take_number(struct reader *r, const struct key *k, const struct cfg_value *v)
{
    int64_t number;
    int rc = get_number(r, k, v, &number);

    if (rc == 0)
        *(unsigned *)((char *)r->config + k->offset) = (unsigned)number;
    return rc;
}

static int take_mib(struct reader *r, const struct key *k, const struct cfg_value *v)
{
    int64_t number;
    int rc = get_number(r, k, v, &number);

    if (rc == 0)
        *(uint64_t *)((char *)r->config + k->offset) = (uint64_t)number << 10;
    return rc;
}

static int take_action(struct reader *r, const struct key *k, const struct cfg_value *v)
{
    int rc = get_text(r, k, v);

    if (rc)
        return rc;
    if (stop_action_from_name(v->string, (enum stop_action *)((char *)r->config + k->offset)))
        return 0;
    if (strcmp(v->string, "soft-reset") == 0)
        return wrong(r, v, k, "soft-reset is not available in this version");
    return wrong(r, v, k,
                 "must be destroy, restart, rename-restart, preserve, coredump-destroy or "
                 "coredump-restart");
}

/* ---- Keys of their own kind --------------------------------------------------------------- */

static int take_name(struct reader *r, const struct key *k, const struct cfg_value *v)
{
    struct message m = {.file = NULL};
    int rc = get_text(r, k, v);

    if (rc == 0 && !guest_name_good(v->string, &m))
        rc = wrong(r, v, k, m.text);
    return rc ? rc : put_text(r, k, v->string);
}

static int take_uuid(struct reader *r, const struct key *k, const struct cfg_value *v)
{
    int rc = get_text(r, k, v);

    if (rc)
        return rc;
    if (!uuid_from_text(v->string, r->config->uuid))
        return wrong(r, v, k, "must be like 1b4e28ba-2fa1-11d2-883f-0016d3cca427");
    r->config->has_uuid = true;
    return 0;
}

static int take_root(struct reader *r, const struct key *k, const struct cfg_value *v)
{
    int rc = get_text(r, k, v);

    if (rc == 0)
        *(strcmp(k->name, "root") == 0 ? &r->root : &r->extra) = v->string;
    return rc;
}

/* The command line as it is; it may be empty. */
static int take_cmdline(struct reader *r, const struct key *k, const struct cfg_value *v)
{
    int rc = get_text(r, k, v);

    return rc ? rc : put_text(r, k, v->string);
}

static int take_type(struct reader *r, const struct key *k, const struct cfg_value *v)
{
    int rc = get_text(r, k, v);

    if (rc)
        return rc;
    if (strcmp(k->name, "type") == 0)
        return strcmp(v->string, "pv") == 0
                   ? 0
                   : wrong(r, v, k,
                           "must be \"pv\": guests with virtual hardware (hvm, pvh) are "
                           "not available in this version");
    return strcmp(v->string, "generic") == 0 || strcmp(v->string, "linux") == 0
               ? 0
               : wrong(r, v, k, "must be \"generic\" or \"linux\"");
}

static int take_pool(struct reader *r, const struct key *k, const struct cfg_value *v)
{
    int rc = get_text(r, k, v);

    if (rc == 0 && strcmp(v->string, "Pool-0") != 0)
        rc =
            wrong(r, v, k, "must be \"Pool-0\": other CPU pools are not available in this version");
    return rc;
}

static int check_cpus(struct reader *r, const struct key *k, const struct cfg_value *v)
{
    uint8_t map[CPUS_MAX / 8];
    int rc;

    if (v->type == CFG_NUMBER)
        return v->number >= 0 && v->number < CPUS_MAX ? 0 : wrong(r, v, k, "there is no such CPU");
    rc = get_text(r, k, v);
    if (rc)
        return rc;
    rc = cpus_parse(v->string, map, CPUS_MAX, r->why);
    return rc ? wrong_within(r, v, k, rc) : 0;
}

/* Writes the set, or a list's sets with ';' between them, into `text`. */
static int join_cpus(struct reader *r, const struct key *k, const struct cfg_value *v, char *text,
                     size_t size)
{
    size_t used = 0;
    bool list = v->type == CFG_LIST;

    for (size_t i = 0; i < (list ? v->nr_items : 1); i++) {
        const struct cfg_value *item = list ? &v->item[i] : v;
        int rc = check_cpus(r, k, item), n;

        if (rc)
            return rc;
        if (item->type == CFG_NUMBER)
            n = snprintf(text + used, size - used, "%s%lld", i ? ";" : "", (long long)item->number);
        else
            n = snprintf(text + used, size - used, "%s%s", i ? ";" : "", item->string);
        used += (size_t)n;
        if (used >= size)
            return wrong(r, v, k, "is too long");
    }
    return 0;
}

static int take_cpus(struct reader *r, const struct key *k, const struct cfg_value *v)
{
    char text[8192];

    if (v->type == CFG_LIST && v->nr_items == 0)
        return wrong(r, v, k, "an empty list: leave the key out for all CPUs");
    if (v->type == CFG_LIST && v->nr_items > GUEST_MAX_VCPUS)
        return wrong(r, v, k, "more sets than a guest can have vCPUs");
    int rc = join_cpus(r, k, v, text, sizeof(text));
    return rc ? rc : put_text(r, k, text);
}

static int get_list(struct reader *r, const struct key *k, const struct cfg_value *v)
{
    if (v->type != CFG_LIST)
        return wrong(r, v, k, "must be a list of strings: [ \"...\", \"...\" ]");
    if (v->nr_items > DEVICES_MAX)
        return wrong(r, &v->item[DEVICES_MAX], k, "more than 1024 devices");
    for (size_t i = 0; i < v->nr_items; i++)
        if (v->item[i].type != CFG_STRING)
            return wrong(r, &v->item[i], k, "must be a list of strings: [ \"...\", \"...\" ]");
    return 0;
}

static int take_disks(struct reader *r, const struct key *k, const struct cfg_value *v)
{
    struct guest_config *c = r->config;
    int rc = get_list(r, k, v);

    if (rc || v->nr_items == 0)
        return rc;
    c->disk = calloc(v->nr_items, sizeof(*c->disk));
    if (c->disk == NULL)
        return no_memory(r);
    for (size_t i = 0; i < v->nr_items; i++) {
        struct device_disk *d = &c->disk[i];

        rc = disk_parse(v->item[i].string, d, r->why);
        if (rc)
            return wrong_within(r, &v->item[i], k, rc);
        c->nr_disks++;
        for (size_t j = 0; j < i; j++)
            if (c->disk[j].id == d->id)
                return wrong(r, &v->item[i], k, "two disks have the same virtual device");
    }
    return 0;
}

static int take_nics(struct reader *r, const struct key *k, const struct cfg_value *v)
{
    struct guest_config *c = r->config;
    int rc = get_list(r, k, v);

    if (rc || v->nr_items == 0)
        return rc;
    c->nic = calloc(v->nr_items, sizeof(*c->nic));
    if (c->nic == NULL)
        return no_memory(r);
    for (size_t i = 0; i < v->nr_items; i++) {
        struct device_nic *n = &c->nic[i];

        rc = nic_parse(v->item[i].string, n, r->why);
        if (rc)
            return wrong_within(r, &v->item[i], k, rc);
        c->nr_nics++;
        for (size_t j = 0; j < i; j++)
            if (n->has_mac && c->nic[j].has_mac && !memcmp(c->nic[j].mac, n->mac, sizeof(n->mac)))
                return wrong(r, &v->item[i], k, "two network cards have the same MAC address");
    }
    return 0;
}

/* Without it the guest would lack what its author counts on. An empty list asks for nothing. */
static int take_refused(struct reader *r, const struct key *k, const struct cfg_value *v)
{
    if ((v->type == CFG_LIST && v->nr_items == 0) || (v->type == CFG_NUMBER && v->number == 0) ||
        (v->type == CFG_STRING && v->string[0] == '\0'))
        return 0;
    return wrong(r, v, k, "not available in this version");
}

static int take_bootloader(struct reader *r, const struct key *k, const struct cfg_value *v)
{
    return wrong(r, v, k,
                 "not available in this version: name the kernel with kernel = and ramdisk =");
}

static int take_ignored(struct reader *r, const struct key *k, const struct cfg_value *v)
{
    warn_at(r, v->line, v->column, k->name, "has no effect in this version");
    return 0;
}

/* ---- The keys ----------------------------------------------------------------------------- */

#define AT(member) offsetof(struct guest_config, member)

static const struct key keys[] = {
    {"name", take_name, AT(name), 0, 0},
    {"uuid", take_uuid, 0, 0, 0},
    {"type", take_type, 0, 0, 0},
    {"builder", take_type, 0, 0, 0},
    {"kernel", take_text, AT(kernel), 0, 0},
    {"ramdisk", take_text, AT(ramdisk), 0, 0},
    {"cmdline", take_cmdline, AT(cmdline), 0, 0},
    {"root", take_root, 0, 0, 0},
    {"extra", take_root, 0, 0, 0},
    {"memory", take_mib, AT(memory_kib), 1, MEMORY_MAX_MIB},
    {"maxmem", take_mib, AT(max_memory_kib), 1, MEMORY_MAX_MIB},
    {"vcpus", take_number, AT(vcpus), 1, GUEST_MAX_VCPUS},
    {"maxvcpus", take_number, AT(max_vcpus), 1, GUEST_MAX_VCPUS},
    {"cpus", take_cpus, AT(cpus), 0, 0},
    {"cpu_weight", take_number, AT(weight), 1, 65535},
    {"cap", take_number, AT(cap), 0, 100 * (int64_t)GUEST_MAX_VCPUS},
    {"pool", take_pool, 0, 0, 0},
    {"disk", take_disks, 0, 0, 0},
    {"vif", take_nics, 0, 0, 0},
    {"on_poweroff", take_action, AT(on_poweroff), 0, 0},
    {"on_reboot", take_action, AT(on_reboot), 0, 0},
    {"on_watchdog", take_action, AT(on_watchdog), 0, 0},
    {"on_crash", take_action, AT(on_crash), 0, 0},
    {"on_soft_reset", take_action, AT(on_soft_reset), 0, 0},
    {"console_log", take_text, AT(console_log), 0, 0},
    {"max_event_channels", take_number, AT(max_event_channels), 1, 131071},
    {"max_grant_frames", take_number, AT(max_grant_frames), 1, 1024},
    {"max_maptrack_frames", take_number, AT(max_maptrack_frames), 1, 4096},
    {"rtc_timeoffset", take_number, AT(rtc_timeoffset), -86400, 86400},
    {"bootloader", take_bootloader, 0, 0, 0},
    {"bootloader_args", take_refused, 0, 0, 0},
    {"cpus_soft", take_refused, 0, 0, 0},
    {"pci", take_refused, 0, 0, 0},
    {"vfb", take_refused, 0, 0, 0},
    {"vkb", take_refused, 0, 0, 0},
    {"vtpm", take_refused, 0, 0, 0},
    {"p9", take_refused, 0, 0, 0},
    {"pvcalls", take_refused, 0, 0, 0},
    {"vdispl", take_refused, 0, 0, 0},
    {"vsnd", take_refused, 0, 0, 0},
    {"channel", take_refused, 0, 0, 0},
    {"usbctrl", take_refused, 0, 0, 0},
    {"usbdev", take_refused, 0, 0, 0},
    {"virtio", take_refused, 0, 0, 0},
    {"ioports", take_refused, 0, 0, 0},
    {"irqs", take_refused, 0, 0, 0},
    {"iomem", take_refused, 0, 0, 0},
    {"vnuma", take_refused, 0, 0, 0},
    {"driver_domain", take_refused, 0, 0, 0},
    {"device_tree", take_refused, 0, 0, 0},
    {"e820_host", take_refused, 0, 0, 0},
    {"localtime", take_refused, 0, 0, 0},
    {"seclabel", take_refused, 0, 0, 0},
    {"claim_mode", take_ignored, 0, 0, 0},
    {"nomigrate", take_ignored, 0, 0, 0},
    {"tsc_mode", take_ignored, 0, 0, 0},
    {"timer_mode", take_ignored, 0, 0, 0},
    {"gfx_passthru", take_ignored, 0, 0, 0},
    {"vncpasswd", take_ignored, 0, 0, 0},
    {"max_grant_version", take_ignored, 0, 0, 0},
    {"passthrough", take_ignored, 0, 0, 0},
    {"init_seclabel", take_ignored, 0, 0, 0},
    {"shadow_memory", take_ignored, 0, 0, 0},
};

static int take_setting(struct reader *r, const struct cfg_setting *s)
{
    if (strcmp(s->key, "maxmem") == 0)
        r->max_memory = s;
    if (strcmp(s->key, "maxvcpus") == 0)
        r->max_vcpus = s;
    for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]); i++)
        if (strcmp(keys[i].name, s->key) == 0)
            return keys[i].take(r, &keys[i], &s->value);
    warn_at(r, s->line, s->column, s->key, "this key is not known, and is passed over");
    return 0;
}

/* ---- The whole ---------------------------------------------------------------------------- */

static int make_cmdline(struct reader *r)
{
    struct guest_config *c = r->config;

    if (c->cmdline != NULL) {
        if (r->root != NULL || r->extra != NULL)
            warn_at(r, 0, 0, r->root != NULL ? "root" : "extra",
                    "has no effect beside cmdline, which is the whole command line");
        return 0;
    }
    int n = asprintf(&c->cmdline, "%s%s%s%s", r->root != NULL ? "root=" : "",
                     r->root != NULL ? r->root : "", r->root != NULL && r->extra != NULL ? " " : "",
                     r->extra != NULL ? r->extra : "");
    if (n < 0) {
        c->cmdline = NULL;
        return no_memory(r);
    }
    return 0;
}

static int missing(struct reader *r, const char *key)
{
    if (r->why != NULL) {
        r->why->file = r->name;
        r->why->line = r->why->column = 0;
    }
    return message_set(r->why, -EINVAL, "%s: is missing, and a guest needs it", key);
}

static int complete(struct reader *r)
{
    struct guest_config *c = r->config;

    if (c->name == NULL)
        return missing(r, "name");
    if (c->kernel == NULL)
        return missing(r, "kernel");
    if (c->memory_kib == 0)
        c->memory_kib = c->max_memory_kib ? c->max_memory_kib : 32u << 10;
    if (c->max_memory_kib == 0)
        c->max_memory_kib = c->memory_kib;
    if (c->max_memory_kib < c->memory_kib && r->max_memory != NULL)
        return wrong(r, &r->max_memory->value, &(struct key){.name = "maxmem"},
                     "must not be less than memory");
    if (c->vcpus == 0)
        c->vcpus = 1;
    if (c->max_vcpus == 0)
        c->max_vcpus = c->vcpus;
    if (c->max_vcpus < c->vcpus && r->max_vcpus != NULL)
        return wrong(r, &r->max_vcpus->value, &(struct key){.name = "maxvcpus"},
                     "must not be less than vcpus");
    return make_cmdline(r);
}

int guest_config_parse(const char *name, const char *text, size_t size, struct guest_config *config,
                       config_warning *warn, void *data, struct message *why)
{
    struct message unwanted = {.file = NULL};
    struct reader r = {.config = config,
                       .name = name,
                       .warn = warn,
                       .data = data,
                       .why = why != NULL ? why : &unwanted};
    struct cfg_file file;

    *r.why = (struct message){.file = NULL};
    *config = (struct guest_config){.on_poweroff = ACTION_DESTROY,
                                    .on_reboot = ACTION_RESTART,
                                    .on_watchdog = ACTION_DESTROY,
                                    .on_crash = ACTION_DESTROY,
                                    .on_soft_reset = ACTION_DESTROY};
    int rc = cfg_parse(name, text, size, &file, r.why);
    for (size_t i = 0; rc == 0 && i < file.nr_settings; i++)
        rc = take_setting(&r, &file.setting[i]);
    if (rc == 0)
        rc = complete(&r);
    cfg_free(&file);
    if (rc)
        guest_config_free(config);
    return rc;
}

static int read_all(FILE *f, char **text, size_t *size)
{
    char *all = NULL;

    *size = 0;
    for (size_t room = 0;;) {
        if (*size == room) {
            room = room ? 2 * room : 4096;
            char *larger = realloc(all, room);
            if (larger == NULL)
                break;
            all = larger;
        }
        size_t got = fread(all + *size, 1, room - *size, f);
        *size += got;
        if ((got == 0 && !ferror(f)) || *size > CFG_SIZE_MAX) {
            *text = all;
            return 0;
        }
        if (ferror(f))
            break;
    }
    int error = errno ? errno : EIO;
    free(all);
    return -error;
}

int guest_config_read(const char *path, struct guest_config *config, config_warning *warn,
                      void *data, struct message *why)
{
    char *text = NULL;
    size_t size;
    FILE *f = fopen(path, "re");
    int rc;

    *config = (struct guest_config){.name = NULL};
    if (f == NULL)
        return message_errno(why, -errno, "%s: the configuration cannot be opened", path);
    rc = read_all(f, &text, &size);
    fclose(f);
    if (rc)
        return message_errno(why, rc, "%s: the configuration cannot be read", path);
    rc = guest_config_parse(path, text, size, config, warn, data, why);
    free(text);
    return rc;
}

void guest_config_free(struct guest_config *c)
{
    free(c->name);
    free(c->kernel);
    free(c->ramdisk);
    free(c->cmdline);
    free(c->cpus);
    free(c->console_log);
    for (unsigned i = 0; i < c->nr_disks; i++)
        disk_free(&c->disk[i]);
    for (unsigned i = 0; i < c->nr_nics; i++)
        nic_free(&c->nic[i]);
    free(c->disk);
    free(c->nic);
    *c = (struct guest_config){.name = NULL};
}

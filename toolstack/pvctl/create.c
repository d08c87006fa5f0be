/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * pvctl create and config-update: configurations read from files, with the settings of the command
 * line behind those of the file.
 */
#include "pvctl/pvctl.h"

#include <errno.h>
#include <json-c/json.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/cfg_parse.h"
#include "common/paths.h"
#include "guest/lock.h"

/* ---- Reading ------------------------------------------------------------------------------ */

/* A file with settings of the command line behind it. */
struct reading {
    struct pvctl *p;
    unsigned lines; /* of the file */
    char **settings;
};

/* Messages about a setting of the command line name that instead of a line the file has not. */
static void name_setting(const struct reading *r, struct message *m)
{
    if (m->line > r->lines) {
        m->file = r->settings[m->line - r->lines - 1];
        m->line = 1;
    }
}

static void print_warning(void *data, const struct message *what)
{
    const struct reading *r = data;
    struct message m = *what;
    char program[48];

    snprintf(program, sizeof(program), "pvctl %s", r->p->verb->name);
    name_setting(r, &m);
    message_prefix(&m, "warning");
    message_print(stderr, program, &m);
}

/* The whole file; NULL: a message was printed. */
static char *read_file(struct pvctl *p, const char *path, size_t *size)
{
    FILE *f = fopen(path, "re");
    char *text = malloc(CFG_SIZE_MAX + 2u);

    if (f == NULL || text == NULL) {
        failed(p, "%s: the configuration cannot be opened: %s", path, strerror(errno));
        if (f != NULL)
            fclose(f);
        free(text);
        return NULL;
    }
    *size = fread(text, 1, CFG_SIZE_MAX + 1u, f);
    text[*size] = '\0';
    bool bad = ferror(f);
    fclose(f);
    if (bad) {
        failed(p, "%s: the configuration cannot be read: %s", path, strerror(EIO));
        free(text);
        return NULL;
    }
    return text;
}

/* Settings of the command line follow the file's last line, one a line. */
static char *add_settings(char *text, size_t *size, char **settings, int count)
{
    for (int i = 0; i < count; i++) {
        size_t length = strlen(settings[i]);
        char *larger = realloc(text, *size + length + 2);

        if (larger == NULL) {
            free(text);
            return NULL;
        }
        text = larger;
        text[(*size)++] = '\n';
        memcpy(text + *size, settings[i], length + 1);
        *size += length;
    }
    return text;
}

static unsigned lines_of(const char *text, size_t size)
{
    unsigned lines = 1;

    for (size_t i = 0; i < size; i++)
        lines += text[i] == '\n';
    return lines;
}

/* 0, or the exit status after a message. */
static int read_config(struct pvctl *p, const char *path, char **settings, int count, bool json,
                       struct guest_config *config)
{
    struct message why = {.file = NULL};
    size_t size;
    char *text = read_file(p, path, &size);
    int rc;

    if (text == NULL)
        return STATUS_USAGE;
    struct reading reading = {.p = p, .lines = lines_of(text, size), .settings = settings};
    if (json) {
        rc = count ? message_set(&why, -EINVAL, "settings cannot be added to JSON")
                   : guest_config_from_json(text, config, &why);
        why.file = path;
    } else {
        text = add_settings(text, &size, settings, count);
        rc = text == NULL
                 ? message_set(&why, -ENOMEM, "no memory for the configuration")
                 : guest_config_parse(path, text, size, config, print_warning, &reading, &why);
        if (rc)
            name_setting(&reading, &why);
    }
    free(text);
    if (rc == 0)
        return 0;
    failed_with(p, &why);
    return STATUS_USAGE;
}

/* ---- create ------------------------------------------------------------------------------- */

struct create_options {
    bool paused, console, dry_run, quiet, json;
    const char *file;
};

static bool read_create_options(struct pvctl *p, int argc, char **argv, struct create_options *o)
{
    static const struct option longs[] = {{"paused", no_argument, NULL, 'p'},
                                          {"console", no_argument, NULL, 'c'},
                                          {"dry-run", no_argument, NULL, 'n'},
                                          {"dryrun", no_argument, NULL, 'n'},
                                          {"quiet", no_argument, NULL, 'q'},
                                          {"defconfig", required_argument, NULL, 'f'},
                                          {"from-json", no_argument, NULL, 1},
                                          {"debug", no_argument, NULL, 'd'},
                                          COMMON_OPTIONS};
    int c;

    while ((c = next_option(p, argc, argv, "pcnqf:de", longs)) != -1) {
        if (c == 'p')
            o->paused = true;
        else if (c == 'c')
            o->console = true;
        else if (c == 'n')
            o->dry_run = true;
        else if (c == 'q')
            o->quiet = true;
        else if (c == 'f')
            o->file = optarg;
        else if (c == 'd')
            p->verbose++;
        else if (c == 1)
            o->json = true;
    }
    if (!arguments_good(p, argc, o->file == NULL ? 1 : 0, 1000))
        return false;
    if (o->file == NULL)
        o->file = argv[optind++];
    return true;
}

/* One line that is written over, on a terminal. */
static void show_progress(void *data, const char *what, uint64_t done, uint64_t all)
{
    unsigned *shown = data, percent = all ? (unsigned)(done * 100 / all) : 0;

    if (percent == *shown)
        return;
    *shown = percent;
    fprintf(stderr, "\r\033[K%s %u %%", what, percent);
    fflush(stderr);
}

static volatile sig_atomic_t interrupted;

static void on_signal(int number)
{
    interrupted = number;
}

/* Ctrl-C and its like wait until there is a whole guest or none. Programs that are started
 * meanwhile have them as before, as these are handlers. */
static void hold_signals(bool hold)
{
    static const int numbers[] = {SIGINT, SIGTERM, SIGHUP};
    struct sigaction action = {.sa_handler = hold ? on_signal : SIG_DFL, .sa_flags = SA_RESTART};

    for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++)
        sigaction(numbers[i], &action, NULL);
}

/* The guest exists, and runs if that is wanted; or a status, and nothing is left of it. */
static int make_guest(struct pvctl *p, const struct create_options *o, struct guest_host *host,
                      struct guest_config *config, uint32_t *domid)
{
    struct message why = {.file = NULL};
    int status = 0;

    hold_signals(true);
    int rc = guest_create(host, config, domid, &why);
    if (host->progress != NULL)
        fprintf(stderr, "\r\033[K");
    if (rc)
        status = failed_with(p, &why);
    else if (interrupted)
        status = failed(p, "%s: interrupted: what was made is undone", config->name);
    else if (!o->paused && xc_domain_unpause(p->xch, *domid))
        status = failed(p, "%s: the domain cannot be started: %s", config->name, strerror(errno));
    else
        return 0;
    if (rc == 0)
        guest_destroy(host, *domid, NULL);
    return status;
}

static int create_guest(struct pvctl *p, const struct create_options *o,
                        struct guest_config *config)
{
    unsigned shown = 1000;
    uint32_t domid;

    if (!need_xc(p) || !need_store(p))
        return STATUS_FAILED;
    struct guest_host host = guest_host(p);
    bool terminal = isatty(STDERR_FILENO) && !o->quiet;
    if (terminal) {
        host.progress = show_progress;
        host.progress_data = &shown;
    }
    int status = make_guest(p, o, &host, config, &domid);
    hold_signals(false);
    if (status)
        return status;
    if (p->json) {
        struct json_object *made = json_object_new_object();

        json_add_text(made, "name", config->name);
        json_add_number(made, "domid", domid);
        print_json(p, made);
    } else if (terminal) {
        fprintf(stderr, "%s is domain %u%s\n", config->name, domid, o->paused ? ", paused" : "");
    }
    return o->console ? console_attach(p, domid) : 0;
}

int verb_create(struct pvctl *p, int argc, char **argv)
{
    struct create_options o = {.file = NULL};
    struct guest_config config;

    if (!read_create_options(p, argc, argv, &o))
        return STATUS_USAGE;
    int status = read_config(p, o.file, argv + optind, argc - optind, o.json, &config);
    if (status)
        return status;
    if (o.dry_run) {
        char *text = guest_config_to_json(&config);

        status = text == NULL ? failed(p, "no memory for the configuration") : 0;
        if (text != NULL)
            puts(text);
        free(text);
    } else {
        status = create_guest(p, &o, &config);
    }
    guest_config_free(&config);
    return status;
}

/* ---- config-update ------------------------------------------------------------------------ */

/* Cards that were given no address keep the one that was made for them. */
static void keep_addresses(struct guest_config *new, const struct guest_config *old)
{
    for (unsigned i = 0; i < new->nr_nics &&i < old->nr_nics; i++)
        if (!new->nic[i].has_mac && old->nic[i].has_mac) {
            memcpy(new->nic[i].mac, old->nic[i].mac, sizeof(new->nic[i].mac));
            new->nic[i].has_mac = true;
        }
}

int verb_config_update(struct pvctl *p, int argc, char **argv)
{
    static const struct option longs[] = {{"defconfig", required_argument, NULL, 'f'},
                                          COMMON_OPTIONS};
    struct guest_config new, old;
    struct message why = {.file = NULL};
    xc_domaininfo_t info;
    const char *file = NULL;
    uint32_t domid;

    while (next_option(p, argc, argv, "f:", longs) != -1)
        file = optarg;
    if (!arguments_good(p, argc, file == NULL ? 2 : 1, 1000))
        return STATUS_USAGE;
    const char *domain = argv[optind++];
    if (file == NULL)
        file = argv[optind++];
    if (!find_domain(p, domain, &domid) || !domain_info(p, domid, &info))
        return STATUS_FAILED;
    int status = read_config(p, file, argv + optind, argc - optind, false, &new);
    if (status)
        return status;
    int lock = file_lock(PATH_GUESTS_LOCK, &why);
    if (lock < 0 || guest_config_load(info.handle, &old, &why)) {
        status = failed_with(p, &why);
    } else {
        memcpy(new.uuid, info.handle, sizeof(new.uuid));
        new.has_uuid = true;
        keep_addresses(&new, &old);
        if (guest_config_save(&new, &why))
            status = failed_with(p, &why);
        guest_config_free(&old);
    }
    if (lock >= 0)
        close(lock);
    guest_config_free(&new);
    return status;
}

/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What the verbs of pvctl share. Each verb is a function of main()'s kind that returns the exit
 * status: 0, STATUS_FAILED, or STATUS_USAGE for a wrong command line or configuration. It reads its
 * options first, so that --help works everywhere, then opens what it needs.
 */
#ifndef PVCTL_PVCTL_H
#define PVCTL_PVCTL_H

#include <getopt.h>
#include <stdbool.h>
#include <stdint.h>
#include <xenctrl.h>

#include "common/message.h"
#include "guest/guest.h"

#define STATUS_FAILED 1
#define STATUS_USAGE  2

struct json_object;
struct pvctl;

struct verb {
    const char *name;
    const char *arguments;
    const char *what;    /* a line of `pvctl help` */
    const char *options; /* lines of its --help; "" */
    int (*run)(struct pvctl *p, int argc, char **argv);
};

struct pvctl {
    const struct verb *verb;
    bool json;
    unsigned verbose;
    xc_interface *xch;    /* after need_xc() */
    struct xs_handle *xs; /* after need_store() */
};

/* ---- Options and messages (main.c) -------------------------------------------------------- */

#define OPT_JSON 0x100
/* Ends a verb's list of long options. */
#define COMMON_OPTIONS                                                                             \
    {"help", no_argument, NULL, 'h'}, {"json", no_argument, NULL, OPT_JSON},                       \
        {"verbose", no_argument, NULL, 'v'},                                                       \
    {                                                                                              \
        NULL, 0, NULL, 0                                                                           \
    }
extern const struct option common_options[];

/*
 * The next option of the verb, -1 after the last. The common ones are dealt with here; for --help
 * and a wrong option the program ends. `shorts` need not name h and v.
 */
int next_option(struct pvctl *p, int argc, char **argv, const char *shorts,
                const struct option *longs);
/* After the options: whether so many arguments follow; optind is the first one. */
bool arguments_good(struct pvctl *p, int argc, unsigned min, unsigned max);

/* Both print "pvctl verb: text"; they return STATUS_FAILED and STATUS_USAGE. */
int failed(struct pvctl *p, const char *format, ...) __attribute__((format(printf, 2, 3)));
int misused(struct pvctl *p, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* The same for a function's message: STATUS_USAGE when it says -EINVAL with a place in a file. */
int failed_with(struct pvctl *p, const struct message *why);

/* ---- What verbs work with (session.c) ----------------------------------------------------- */

/* Open them, if they are not; false: a message was printed. */
bool need_xc(struct pvctl *p);
bool need_store(struct pvctl *p);
/* The store where only names come from it: without it domains can be listed, too. */
bool try_store(struct pvctl *p);
void session_close(struct pvctl *p);
struct guest_host guest_host(struct pvctl *p);
struct devices device_host(struct pvctl *p);

/* A domain by number, name or UUID; false: a message was printed. Opens both handles. */
bool find_domain(struct pvctl *p, const char *text, uint32_t *domid);
/* Its number; -1: there is none, and nothing was printed; -2: a message was. */
int64_t lookup_domain(struct pvctl *p, const char *text);
bool domain_info(struct pvctl *p, uint32_t domid, xc_domaininfo_t *info);
/* All of them, *count; free(). NULL: a message was printed. */
xc_domaininfo_t *all_domains(struct pvctl *p, unsigned *count);
/* For free(); never NULL: "(none)" where the store knows none. */
char *domain_name(struct pvctl *p, uint32_t domid);

/* xl's letters: running, blocked, paused, shut down, crashed, dying. */
void domain_state(const xc_domaininfo_t *info, char text[7]);

/* A node below the domain's directory. read: for free(), NULL with errno; write: false. */
char *domain_read(struct pvctl *p, uint32_t domid, const char *node);
bool domain_write(struct pvctl *p, uint32_t domid, const char *node, const char *value);

/* "12", "12m", "1g": KiB; a number alone counts in MiB, as xl has it. */
bool parse_memory(const char *text, uint64_t *kib);
/* A whole decimal number within bounds. */
bool parse_number(const char *text, uint64_t min, uint64_t max, uint64_t *number);
/* Prints and frees it; returns 0, or STATUS_FAILED without memory. */
int print_json(struct pvctl *p, struct json_object *object);
void json_add_text(struct json_object *o, const char *key, const char *text);
void json_add_number(struct json_object *o, const char *key, uint64_t number);

/* The last reason that the hypervisor's log gives for a domain's crash; for free(), or NULL. */
char *crash_reason(struct pvctl *p, uint32_t domid);
/* All of the hypervisor's log; for free(). */
char *read_log(struct pvctl *p, bool clear);

/* ---- Verbs -------------------------------------------------------------------------------- */

int verb_create(struct pvctl *p, int argc, char **argv);
int verb_config_update(struct pvctl *p, int argc, char **argv);
int verb_destroy(struct pvctl *p, int argc, char **argv);
int verb_shutdown(struct pvctl *p, int argc, char **argv);
int verb_reboot(struct pvctl *p, int argc, char **argv);
int verb_pause(struct pvctl *p, int argc, char **argv);
int verb_unpause(struct pvctl *p, int argc, char **argv);
int verb_rename(struct pvctl *p, int argc, char **argv);
int verb_list(struct pvctl *p, int argc, char **argv);
int verb_domid(struct pvctl *p, int argc, char **argv);
int verb_domname(struct pvctl *p, int argc, char **argv);
int verb_uptime(struct pvctl *p, int argc, char **argv);
int verb_info(struct pvctl *p, int argc, char **argv);
int verb_dmesg(struct pvctl *p, int argc, char **argv);
int verb_console(struct pvctl *p, int argc, char **argv);
int verb_vcpu_list(struct pvctl *p, int argc, char **argv);
int verb_vcpu_set(struct pvctl *p, int argc, char **argv);
int verb_vcpu_pin(struct pvctl *p, int argc, char **argv);
int verb_sched(struct pvctl *p, int argc, char **argv);
int verb_mem_set(struct pvctl *p, int argc, char **argv);
int verb_mem_max(struct pvctl *p, int argc, char **argv);
int verb_block_attach(struct pvctl *p, int argc, char **argv);
int verb_block_detach(struct pvctl *p, int argc, char **argv);
int verb_block_list(struct pvctl *p, int argc, char **argv);
int verb_network_attach(struct pvctl *p, int argc, char **argv);
int verb_network_detach(struct pvctl *p, int argc, char **argv);
int verb_network_list(struct pvctl *p, int argc, char **argv);
int verb_top(struct pvctl *p, int argc, char **argv);

/* Console of a guest on this terminal, until ^] or its end; a status. */
int console_attach(struct pvctl *p, uint32_t domid);

#endif

/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * From the entry point to main(), and the ways in which a domain ends.
 *
 * Owns the shared page's mapping and the first vCPU's data. The parts start in the order that
 * internal.h tells; events are enabled when all of them are ready.
 */
#include "internal.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <pv/console.h>
#include <pv/event.h>
#include <pv/hypercall.h>
#include <pv/memory.h>
#include <pv/start.h>

#define ARGUMENTS_MAX (MAX_GUEST_CMDLINE / 2 + 2)

const struct start_info *start_info;
struct shared_info *shared_info;
struct vcpu_local *vcpu_locals[MAX_VCPUS];

static uint8_t shared_page[PAGE_SIZE] __attribute__((aligned(4096)));
static struct vcpu_local first_vcpu;
extern char first_stack[], first_stack_guard[];

typedef void initializer(void);
extern initializer *init_array_start[], *init_array_end[];
extern initializer *fini_array_start[], *fini_array_end[];

int main(int argc, char **argv);
void start_first(const struct start_info *info) __attribute__((noreturn));
void __sinit(struct _reent *reent); /* of the C library: opens stdin, stdout and stderr */

/* ---- A vCPU's data ------------------------------------------------------------------------ */

struct _reent *__getreent(void)
{
    return vcpu_local()->reent;
}

/* All vCPUs share the first one's standard streams, so that what one leaves in a buffer counts. */
static void streams_share(struct _reent *reent)
{
    __sinit(reent);
    reent->_stdin = _GLOBAL_REENT->_stdin;
    reent->_stdout = _GLOBAL_REENT->_stdout;
    reent->_stderr = _GLOBAL_REENT->_stderr;
}

void vcpu_local_init(struct vcpu_local *local, unsigned id, void *stack)
{
    memset(local, 0, sizeof(*local));
    local->self = local;
    local->id = id;
    local->stack = stack;
    local->info = id < XEN_LEGACY_MAX_VCPUS ? &shared_info->vcpu_info[id] : NULL;
    local->reent = &local->reent_space;
    _REENT_INIT_PTR(local->reent);
    streams_share(local->reent);
}

/* ---- Start -------------------------------------------------------------------------------- */

static void first_vcpu_init(void)
{
    first_vcpu.self = &first_vcpu;
    first_vcpu.reent = _GLOBAL_REENT;
    first_vcpu.stack = first_stack;
    vcpu_locals[0] = &first_vcpu;
    (void)HYPERVISOR_set_segment_base(SEGBASE_GS_KERNEL, (unsigned long)&first_vcpu);
}

static void shared_info_map(void)
{
    uint64_t pte = start_info->shared_info | PTE_KERNEL_RW;

    if (HYPERVISOR_update_va_mapping((unsigned long)shared_page, pte, UVMF_INVLPG))
        shutdown(SHUTDOWN_crash); /* there is no console yet */
    shared_info = (struct shared_info *)shared_page;
    first_vcpu.info = &shared_info->vcpu_info[0];
}

/* What grows beyond the stack is to trap, and not to overwrite data. */
static void stack_guard(void)
{
    (void)HYPERVISOR_update_va_mapping((unsigned long)first_stack_guard, 0, UVMF_INVLPG);
}

/* The words of the command line; "..." holds blanks and may be part of a word. */
static int arguments_split(char *line, char **argv)
{
    int argc = 0;

    argv[argc++] = (char[]){"guest"};
    while (*line != '\0') {
        bool quoted = false;
        char *to = line;

        line += strspn(line, " \t");
        if (*line == '\0')
            break;
        argv[argc++] = to = line;
        for (; *line != '\0' && (quoted || (*line != ' ' && *line != '\t')); line++) {
            if (*line == '"')
                quoted = !quoted;
            else
                *to++ = *line;
        }
        line += *line != '\0';
        *to = '\0';
    }
    argv[argc] = NULL;
    return argc;
}

static void destructors_run(void)
{
    for (initializer **f = fini_array_end; f != fini_array_start;)
        (*--f)();
}

static void __attribute__((noreturn)) main_run(void)
{
    static char line[MAX_GUEST_CMDLINE + 1];
    static char *argv[ARGUMENTS_MAX];

    memcpy(line, start_info->cmd_line, MAX_GUEST_CMDLINE);
    for (initializer **f = init_array_start; f != init_array_end; f++)
        (*f)();
    atexit(destructors_run);
    int argc = arguments_split(line, argv);
    exit(main(argc, argv));
}

void start_first(const struct start_info *info)
{
    start_info = info;
    first_vcpu_init();
    shared_info_map();
    stack_guard();
    trap_init();
    console_init();
    memory_init();
    events_init();
    clock_init();
    smp_init();
    files_init();
    events_enable();
    main_run();
}

/* ---- End ---------------------------------------------------------------------------------- */

void shutdown(unsigned reason)
{
    struct sched_shutdown request = {.reason = reason};

    for (;;)
        (void)HYPERVISOR_sched_op(SCHEDOP_shutdown, &request);
}

void _exit(int status)
{
    if (status != 0)
        console_printf("guest: exit status %d\n", status);
    shutdown(SHUTDOWN_poweroff);
}

void abort(void)
{
    console_printf("guest: abort\n");
    shutdown(SHUTDOWN_crash);
}

void fatal(const char *format, ...)
{
    char text[200];
    va_list arguments;

    va_start(arguments, format);
    vsnprintf(text, sizeof(text), format, arguments);
    va_end(arguments);
    console_printf("guest: %s\n", text);
    shutdown(SHUTDOWN_crash);
}

/* ---- What runs it ------------------------------------------------------------------------- */

bool is_paravane(void)
{
    xen_extraversion_t version = "";

    (void)HYPERVISOR_xen_version(XENVER_extraversion, version);
    return strstr(version, "paravane") != NULL;
}

const char *xen_error(long error)
{
    static const struct {
        const char *name;
        long value;
    } errors[] = {
#define XEN_ERRNO(name, value) {"XEN_" #name, value},
#include <xen/errno.h>
    };
    static char number[24];

    if (error == 0)
        return "0";
    for (size_t i = 0; i < sizeof(errors) / sizeof(errors[0]); i++)
        if (error == -errors[i].value)
            return errors[i].name;
    snprintf(number, sizeof(number), "%ld", error);
    return number;
}

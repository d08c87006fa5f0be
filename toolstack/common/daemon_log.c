/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Lines of daemons.
 */
#include "common/daemon_log.h"

#include <stdarg.h>
#include <stdio.h>

static const char *program_name = "daemon";
static bool use_syslog;
static int least_shown = LOG_INFO;

void daemon_log_open(const char *program, bool to_syslog, int least)
{
    program_name = program;
    use_syslog = to_syslog;
    least_shown = least;
    if (to_syslog)
        openlog(program, LOG_PID, LOG_DAEMON);
}

void daemon_log(int priority, const char *format, ...)
{
    char text[MESSAGE_SIZE * 2];
    va_list args;

    if (priority > least_shown)
        return;
    va_start(args, format);
    vsnprintf(text, sizeof(text), format, args);
    va_end(args);
    if (use_syslog)
        syslog(priority, "%s", text);
    else
        fprintf(stderr, "%s: %s\n", program_name, text);
}

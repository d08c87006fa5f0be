/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What daemons tell administrators: a line each, on standard error or to syslog.
 */
#ifndef COMMON_DAEMON_LOG_H
#define COMMON_DAEMON_LOG_H

#include <stdbool.h>
#include <syslog.h>

#include "common/message.h"

/* Before the first line; what is less important than `least` (LOG_INFO, LOG_DEBUG) is left out. */
void daemon_log_open(const char *program, bool to_syslog, int least);
/* priority: LOG_ERR, LOG_WARNING, LOG_NOTICE, LOG_INFO, LOG_DEBUG. */
void daemon_log(int priority, const char *format, ...) __attribute__((format(printf, 2, 3)));

#endif

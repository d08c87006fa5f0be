/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Messages: a text that is too long is cut, never overrun.
 */
#include "common/message.h"

#include <stdarg.h>
#include <string.h>

int message_set(struct message *why, int error, const char *format, ...)
{
    if (why == NULL)
        return error;
    va_list args;
    va_start(args, format);
    vsnprintf(why->text, sizeof(why->text), format, args);
    va_end(args);
    return error;
}

int message_errno(struct message *why, int error, const char *format, ...)
{
    if (why == NULL)
        return error;
    va_list args;
    va_start(args, format);
    int used = vsnprintf(why->text, sizeof(why->text), format, args);
    va_end(args);
    if (used >= 0 && (size_t)used < sizeof(why->text))
        snprintf(why->text + used, sizeof(why->text) - (size_t)used, ": %s", strerror(-error));
    return error;
}

void message_prefix(struct message *why, const char *format, ...)
{
    if (why == NULL)
        return;
    char text[MESSAGE_SIZE], joined[2 * MESSAGE_SIZE + 2];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof(text), format, args);
    va_end(args);
    snprintf(joined, sizeof(joined), "%s: %s", text, why->text);
    joined[MESSAGE_SIZE - 1] = '\0';
    memcpy(why->text, joined, MESSAGE_SIZE);
}

void message_print(FILE *to, const char *program, const struct message *why)
{
    fprintf(to, "%s: ", program);
    if (why->file != NULL)
        fprintf(to, "%s:", why->file);
    if (why->line)
        fprintf(to, "%u:", why->line);
    if (why->line && why->column)
        fprintf(to, "%u:", why->column);
    fprintf(to, "%s%s\n", why->file != NULL || why->line ? " " : "", why->text);
}

/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Calls as text: a line each, in hexadecimal, as they are printed before they are made when
 * trace=1, and as they are read back from a module of the guest for replay=1:
 *
 *   # call VCPU NUMBER ARGUMENT... : WORD...
 *
 * Addresses and frame numbers in it hold for the same guest on the same machine.
 */
#include "fuzz.h"

#include <pv/console.h>
#include <pv/start.h>

void call_print(const struct fuzzer *f, const struct call *call)
{
    static char texts[FUZZ_VCPUS][32 + (CALL_ARGS + CALL_WORDS + 2) * 17];
    char *text = texts[f->id];
    size_t room = sizeof(texts[0]), n = 0;
    n += (size_t)snprintf(text + n, room - n, "# call %u %" PRIx32, f->id, call->nr);
    for (unsigned i = 0; i < CALL_ARGS; i++)
        n += (size_t)snprintf(text + n, room - n, " %" PRIx64, call->arg[i]);
    n += (size_t)snprintf(text + n, room - n, " :");
    for (unsigned i = 0; i < call->words; i++)
        n += (size_t)snprintf(text + n, room - n, " %" PRIx64, call->data[i]);
    n += (size_t)snprintf(text + n, room - n, "\n");
    console_write(text, n);
}

/* A number at *text, which moves behind it. False: there is none on this line. */
static bool read_number(const char **text, uint64_t *value)
{
    while (**text == ' ')
        ++*text;
    char *end;
    if (**text == '\n' || **text == ':' || **text == '\0')
        return false;
    *value = strtoull(*text, &end, 16);
    bool got = end != *text;
    *text = end;
    return got;
}

static bool read_call(const char *line, struct call *call)
{
    static const char start[] = "# call ";
    uint64_t vcpu, nr;
    if (strncmp(line, start, sizeof(start) - 1) != 0)
        return false;
    line += sizeof(start) - 1;
    if (!read_number(&line, &vcpu) || !read_number(&line, &nr) || nr >= NR_HYPERCALLS)
        return false;
    memset(call, 0, sizeof(*call));
    call->nr = (uint32_t)nr;
    for (unsigned i = 0; i < CALL_ARGS; i++)
        if (!read_number(&line, &call->arg[i]))
            return false;
    while (*line == ' ')
        line++;
    if (*line++ != ':')
        return false;
    while (call->words < CALL_WORDS && read_number(&line, &call->data[call->words]))
        call->words++;
    return true;
}

/* All of them on this vCPU, in the order of the lines. */
unsigned long replay(struct fuzzer *f)
{
    const char *text = start_info->flags & SIF_MOD_START_PFN ? pfn_to_virt(start_info->mod_start)
                                                             : (const char *)start_info->mod_start;
    unsigned long calls = 0;
    size_t left = start_info->mod_start ? start_info->mod_len : 0;
    while (left) {
        const char *end = memchr(text, '\n', left);
        size_t length = end ? (size_t)(end - text) + 1 : left;
        if (end && read_call(text, &f->call) && guard(f, &f->call)) {
            call_make(f, &f->call);
            calls++;
        }
        text += length;
        left -= length;
    }
    return calls;
}

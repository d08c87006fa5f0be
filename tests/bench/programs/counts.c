/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Usage: counts DOMID
 * Reads the hypervisor's counters for a guest that asks (counted.h), and prints what it has them
 * read for, until it is killed.
 */
#define __XEN_TOOLS__
#include "counted.h"

static struct xs_handle *store;
static char question[64], answer[64]; /* nodes */
static uint32_t before[PERFC_COUNTERS];

/* Does what the guest asks for, once. */
static void do_asked(const char *text, unsigned *done)
{
    char what[16], name[48], number_text[16];
    unsigned number, times;

    int words = sscanf(text, "%u %15s %47s %u", &number, what, name, &times);
    if (words < 2 || number == *done)
        return;
    *done = number;
    if (strcmp(what, "begin") == 0)
        perfc_read(before);
    else if (words == 4 && times != 0)
        perfc_print(name, times, before);
    snprintf(number_text, sizeof(number_text), "%u", number);
    counted_check(xs_write(store, XBT_NULL, answer, number_text, (unsigned)strlen(number_text)),
                  "answer by the store");
}

int main(int argc, char **argv)
{
    unsigned count, done = 0;

    setvbuf(stdout, NULL, _IOLBF, 0);
    store = xs_open(0);
    if (argc != 2 || !store) {
        fprintf(stderr, "counts: DOMID is missing, or the store\n");
        return 2;
    }
    snprintf(question, sizeof(question), "/local/domain/%s/data/counts", argv[1]);
    snprintf(answer, sizeof(answer), "/local/domain/%s/data/counted", argv[1]);
    counted_check(xs_watch(store, question, "asked"), "watch the guest's question");
    for (;;) {
        free(xs_read_watch(store, &count));
        char *text = xs_read(store, XBT_NULL, question, NULL);
        if (text)
            do_asked(text, &done);
        free(text);
    }
}

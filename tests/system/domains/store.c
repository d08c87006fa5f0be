/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Looks into the store for tests' scripts:
 *   store read PATH           its value and a newline; status 1 if there is none
 *   store write PATH VALUE
 *   store remove PATH
 *   store count [PATH]        how many nodes there are below
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <xenstore.h>

static unsigned long count(struct xs_handle *xs, const char *path)
{
    unsigned number = 0;
    unsigned long all = 1;
    char **names = xs_directory(xs, XBT_NULL, path, &number);

    for (unsigned i = 0; names != NULL && i < number; i++) {
        char *child;

        if (asprintf(&child, "%s/%s", strcmp(path, "/") ? path : "", names[i]) < 0)
            break;
        all += count(xs, child);
        free(child);
    }
    free(names);
    return all;
}

int main(int argc, char **argv)
{
    struct xs_handle *xs = xs_open(0);
    const char *verb = argc > 1 ? argv[1] : "", *path = argc > 2 ? argv[2] : "/";
    bool good = xs != NULL;

    if (good && !strcmp(verb, "read")) {
        char *value = xs_read(xs, XBT_NULL, path, NULL);

        good = value != NULL;
        puts(good ? value : "");
        free(value);
    } else if (good && !strcmp(verb, "write") && argc == 4) {
        good = xs_write(xs, XBT_NULL, path, argv[3], (unsigned)strlen(argv[3]));
    } else if (good && !strcmp(verb, "remove")) {
        good = xs_rm(xs, XBT_NULL, path);
    } else if (good && !strcmp(verb, "count")) {
        printf("%lu\n", count(xs, path));
    } else {
        good = false;
    }
    xs_close(xs);
    return good ? 0 : 1;
}

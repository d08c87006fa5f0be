/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Usage: ended DOMID
 * Waits until the domain is gone, by a watch: looking for it from time to time would take the time
 * of the guest that is measured.
 */
#include <stdio.h>
#include <stdlib.h>
#include <xenstore.h>

int main(int argc, char **argv)
{
    struct xs_handle *xs = xs_open(0);
    unsigned count;

    if (argc != 2 || !xs || !xs_watch(xs, "@releaseDomain", "")) {
        fprintf(stderr, "ended: DOMID is missing, or the store\n");
        return 2;
    }
    /* A watch that has just been set fires once. */
    do
        free(xs_read_watch(xs, &count));
    while (xs_is_domain_introduced(xs, (unsigned)atoi(argv[1])));
    xs_close(xs);
    return 0;
}

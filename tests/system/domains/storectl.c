/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A command to the store daemon, as `xenstore-control` (which Debian does not have) gives it:
 * storectl COMMAND [ARGUMENT...]; the answer is printed.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <xenstore.h>

int main(int argc, char **argv)
{
    char data[256];
    size_t size = 0;
    struct xs_handle *xs = xs_open(0);

    if (xs == NULL || argc < 2)
        return 2;
    for (int i = 2; i < argc; i++) {
        size_t part = strlen(argv[i]) + 1;
        if (size + part > sizeof(data))
            return 2;
        memcpy(data + size, argv[i], part);
        size += part;
    }
    char *answer = xs_control_command(xs, argv[1], data, (unsigned)size);
    if (answer != NULL)
        puts(answer);
    else
        perror(argv[1]);
    free(answer);
    xs_close(xs);
    return answer == NULL;
}

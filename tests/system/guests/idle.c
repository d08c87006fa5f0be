/* SPDX-License-Identifier: BSD-2-Clause */
/* A guest that does nothing until it is asked to switch itself off. */
#include <stdlib.h>
#include <pv/xenstore.h>

int main(void)
{
    char *path, *wish, token[64];

    xenstore_watch("control/shutdown", "wish");
    for (;;) {
        if (xenstore_wait(&path, token, 0))
            continue;
        free(path);
        if (xenstore_read(0, "control/shutdown", &wish, NULL))
            continue;
        if (wish[0] != '\0') {
            xenstore_write(0, "control/shutdown", "");
            return 0;
        }
        free(wish);
    }
}

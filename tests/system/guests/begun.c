/* SPDX-License-Identifier: BSD-2-Clause */
/* A guest that says that it has come to main(), by a node of its own, and waits for its end. */
#include <stdlib.h>
#include <pv/xenstore.h>

int main(void)
{
    char *path, token[64];

    xenstore_write(0, "data/main", "1");
    xenstore_watch("control/shutdown", "wish");
    for (;;)
        if (xenstore_wait(&path, token, 0) == 0)
            free(path);
}

/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * One of many: prints a line and says so in the store (data/state), answers what is written into
 * data/ping in data/pong, and ends when it is asked to.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <pv/xenstore.h>

/* True: the guest is to end. */
static bool answer(void)
{
    char *text;
    if (xenstore_read(0, "data/ping", &text, NULL) == 0) {
        xenstore_write(0, "data/pong", text);
        free(text);
    }
    if (xenstore_read(0, "control/shutdown", &text, NULL))
        return false;
    bool end = text[0] != '\0';
    free(text);
    return end;
}

int main(void)
{
    char *path, token[64];
    printf("a member is here\n");
    xenstore_watch("data/ping", "ping");
    xenstore_watch("control/shutdown", "wish");
    xenstore_write(0, "data/state", "here");
    do {
        if (xenstore_wait(&path, token, 0))
            return 1;
        free(path);
    } while (!answer());
    xenstore_write(0, "control/shutdown", "");
    return 0;
}

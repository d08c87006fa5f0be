/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Usage: measure NAME COMMAND...      the command is one section; its status is this one's
 *        measure phase_NAME           what comes is of that domain
 * Starting the command and waiting for its end are in the section.
 */
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "mark.h"

/* A function for each name: a mark's number is in the instruction. */
#define MARK(name)                                                                                 \
    static void mark_##name(void)                                                                  \
    {                                                                                              \
        MARK_HERE(name);                                                                           \
    }
#include "marks.def"
#undef MARK

static const struct {
    const char *name;
    void (*mark)(void);
} marks[] = {
#define MARK(name) {#name, mark_##name},
#include "marks.def"
#undef MARK
};

static int run(char **command)
{
    int status = -1;
    pid_t child = fork();

    if (child == 0) {
        execvp(command[0], command);
        perror(command[0]);
        _exit(127);
    }
    if (child < 0 || waitpid(child, &status, 0) != child || !WIFEXITED(status))
        return 1;
    return WEXITSTATUS(status);
}

int main(int argc, char **argv)
{
    int status = 0;

    for (unsigned i = 0; argc > 1 && i < MARKS; i++) {
        if (strcmp(argv[1], marks[i].name) != 0)
            continue;
        marks[i].mark();
        if (argc > 2) {
            status = run(argv + 2);
            mark_end();
        }
        return status;
    }
    fprintf(stderr, "measure: no such mark\n");
    return 2;
}

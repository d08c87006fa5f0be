/* SPDX-License-Identifier: BSD-2-Clause */
/* What the hypervisor's files expect of the program that they are part of. */
#include <stdio.h>
#include <stdlib.h>

#include "core/lib.h"

void assert_failed(const char *what, const char *file, int line)
{
    fprintf(stderr, "%s:%d: a contradiction in the domain builder: %s\n", file, line, what);
    abort();
}

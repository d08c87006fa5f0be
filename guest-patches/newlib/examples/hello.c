/* SPDX-License-Identifier: BSD-2-Clause */
/* The first guest: says hello and what it was given. */
#include <stdio.h>

int main(int argc, char **argv)
{
    for (int i = 1; i < argc; i++)
        printf("argument %d is %s\n", i, argv[i]);
    printf("hello\n");
}

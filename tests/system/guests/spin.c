/* SPDX-License-Identifier: BSD-2-Clause */
/* A guest that uses up CPU time, with as many vCPUs as its command line's first word says: "4". */
#include <stdlib.h>

#include <pv/smp.h>

static void spin(void *data)
{
    (void)data;
    for (;;)
        cpu_relax();
}

int main(int argc, char **argv)
{
    unsigned busy = argc > 1 ? (unsigned)strtoul(argv[1], NULL, 10) : 1;

    for (unsigned vcpu = 1; vcpu < busy && vcpu < nr_vcpus(); vcpu++)
        if (vcpu_start(vcpu, spin, NULL))
            return 1;
    spin(NULL);
    return 0;
}

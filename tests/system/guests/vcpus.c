/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * All vCPUs that the domain may have, up to 128, each brought up, run and taken down again, twice;
 * the number that ran is told in the store. Then all of them are busy for ever.
 */
#include <stdio.h>

#include <pv/smp.h>
#include <pv/xenstore.h>

static unsigned ran[MAX_VCPUS];

static void run(void *data)
{
    (void)data;
    __atomic_fetch_add(&ran[this_vcpu()], 1, __ATOMIC_SEQ_CST);
}

static void spin(void *data)
{
    (void)data;
    for (;;)
        vcpu_give_way();
}

int main(void)
{
    unsigned good = 0;
    char text[16];

    for (unsigned round = 0; round < 2; round++) {
        for (unsigned vcpu = 1; vcpu < nr_vcpus(); vcpu++)
            if (vcpu_start(vcpu, run, NULL))
                return 1;
        for (unsigned vcpu = 1; vcpu < nr_vcpus(); vcpu++)
            vcpu_join(vcpu);
    }
    for (unsigned vcpu = 1; vcpu < nr_vcpus(); vcpu++)
        good += ran[vcpu] == 2;
    snprintf(text, sizeof(text), "%u", good + 1);
    xenstore_write(0, "data/ran", text);
    vcpus_run(spin, NULL);
    return 0;
}

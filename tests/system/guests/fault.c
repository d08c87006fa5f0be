/* SPDX-License-Identifier: BSD-2-Clause */
/* A guest whose fault finds no stack to be reported on: the hypervisor ends it. */
int main(void)
{
    __asm__ volatile("xor %%esp, %%esp; ud2" ::: "memory");
    return 0;
}

/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * vCPUs of a domain that does not run, and its share of the CPUs.
 */
#include "four_ways.h"

static void test_info(xc_interface *xch, uint32_t domid)
{
    vcpu_guest_context_any_t context;
    xc_vcpuinfo_t info;

    check(xc_vcpu_getinfo(xch, domid, 1, &info) == 0 && !info.online && !info.running &&
              info.cpu_time == 0,
          "its second vCPU is off");
    FAILS(xc_vcpu_getinfo(xch, domid, 2, &info), EINVAL, "it has no third one");
    FAILS(xc_vcpu_getinfo(xch, NO_DOMAIN, 0, &info), ESRCH, "no domain has a vCPU");
    check_is(xc_domain_get_cpu_usage(xch, domid, 0), 0, "it has not run");
    check_is(xc_domain_get_cpu_usage(xch, NO_DOMAIN, 0), -1, "no domain has run");
    check(xc_domain_get_cpu_usage(xch, 0, 0) > 0, "the control domain has");
    FAILS(xc_vcpu_getcontext(xch, domid, 0, &context), ENODATA, "its registers are not set yet");
    FAILS(xc_vcpu_getcontext(xch, domid, 9, &context), EINVAL, "vCPU 9 has no registers");
    FAILS(xc_vcpu_getcontext(xch, NO_DOMAIN, 0, &context), ESRCH, "no domain has registers");
    FAILS(xc_vcpu_setcontext(xch, 0, 0, &context), EINVAL, "the control domain's are its own");
    memset(&context, 0, sizeof(context));
    FAILS(xc_vcpu_setcontext(xch, NO_DOMAIN, 0, &context), ESRCH, "no domain's registers are set");
}

static void test_affinity(xc_interface *xch, uint32_t domid)
{
    xc_cpumap_t hard = xc_cpumap_alloc(xch), soft = xc_cpumap_alloc(xch);

    check(xc_vcpu_getaffinity(xch, domid, 0, hard, soft, XEN_VCPUAFFINITY_HARD) == 0 &&
              (hard[0] & 3) == 3,
          "a vCPU may run on both CPUs");
    check(xc_vcpu_getaffinity(xch, domid, 0, hard, soft, XEN_VCPUAFFINITY_SOFT) == 0 &&
              (soft[0] & 3) == 3,
          "and would like to");
    memset(hard, 0, (size_t)xc_get_cpumap_size(xch));
    xc_cpumap_setcpu(1, hard);
    check(xc_vcpu_setaffinity(xch, domid, 0, hard, NULL, XEN_VCPUAFFINITY_HARD) == 0 &&
              hard[0] == 2,
          "it is bound to CPU 1");
    memset(hard, 0, (size_t)xc_get_cpumap_size(xch));
    check(xc_vcpu_getaffinity(xch, domid, 0, hard, soft, XEN_VCPUAFFINITY_HARD) == 0 &&
              hard[0] == 2,
          "it says so");
    check(xc_vcpu_getaffinity(xch, domid, 1, hard, soft, XEN_VCPUAFFINITY_HARD) == 0 &&
              (hard[0] & 3) == 3,
          "the other vCPU is not");
    memset(soft, 0, (size_t)xc_get_cpumap_size(xch));
    xc_cpumap_setcpu(1, soft);
    check(xc_vcpu_setaffinity(xch, domid, 1, NULL, soft, XEN_VCPUAFFINITY_SOFT) == 0 &&
              soft[0] == 2,
          "the other one would like CPU 1");
    memset(soft, 0, (size_t)xc_get_cpumap_size(xch));
    check(xc_vcpu_getaffinity(xch, domid, 1, hard, soft, XEN_VCPUAFFINITY_SOFT) == 0 &&
              soft[0] == 2,
          "it says so");
    memset(hard, 0, (size_t)xc_get_cpumap_size(xch));
    FAILS(xc_vcpu_setaffinity(xch, domid, 0, hard, NULL, XEN_VCPUAFFINITY_HARD), EINVAL,
          "it must run somewhere");
    xc_cpumap_setcpu(0, hard);
    FAILS(xc_vcpu_setaffinity(xch, domid, 0, hard, soft, 0), EINVAL, "which affinity must be said");
    FAILS(xc_vcpu_setaffinity(xch, domid, 0, NULL, NULL, XEN_VCPUAFFINITY_HARD), EINVAL,
          "a set must be given");
    FAILS(xc_vcpu_setaffinity(xch, domid, 9, hard, soft, XEN_VCPUAFFINITY_HARD), EINVAL,
          "vCPU 9 is not bound");
    FAILS(xc_vcpu_setaffinity(xch, NO_DOMAIN, 0, hard, soft, XEN_VCPUAFFINITY_HARD), ESRCH,
          "no domain's vCPU is bound");
    FAILS(xc_vcpu_getaffinity(xch, NO_DOMAIN, 0, hard, soft, XEN_VCPUAFFINITY_HARD), ESRCH,
          "no domain's vCPU tells where it may run");
    free(hard);
    free(soft);
}

static void test_share(xc_interface *xch, uint32_t domid)
{
    struct xen_domctl_sched_credit2 share = {0};
    struct xen_domctl_sched_credit other = {.weight = 256};

    check(xc_sched_credit2_domain_get(xch, domid, &share) == 0 && share.weight == 256 &&
              share.cap == 0,
          "a new domain has the weight 256 and no cap");
    share = (struct xen_domctl_sched_credit2){.weight = 512, .cap = 50};
    check_is(xc_sched_credit2_domain_set(xch, domid, &share), 0, "it gets other ones");
    memset(&share, 0, sizeof(share));
    check(xc_sched_credit2_domain_get(xch, domid, &share) == 0 && share.weight == 512 &&
              share.cap == 50,
          "it has them");
    share = (struct xen_domctl_sched_credit2){.weight = 256, .cap = 0};
    check(xc_sched_credit2_domain_set(xch, domid, &share) == 0 &&
              xc_sched_credit2_domain_get(xch, domid, &share) == 0 && share.weight == 256 &&
              share.cap == 0,
          "it has the first ones again");
    FAILS(xc_sched_credit2_domain_get(xch, NO_DOMAIN, &share), ESRCH, "no domain has a share");
    FAILS(xc_sched_credit2_domain_set(xch, NO_DOMAIN, &share), ESRCH, "no domain gets one");
    FAILS(xc_sched_credit_domain_set(xch, domid, &other), EINVAL,
          "another scheduler's share is refused");
}

void test_vcpus(xc_interface *xch)
{
    uint32_t domid = new_domain(xch, 2);

    if (domid == 0)
        return;
    test_info(xch, domid);
    test_affinity(xch, domid);
    test_share(xch, domid);
    check_is(xc_domain_destroy(xch, domid), 0, "a domain with vCPUs is destroyed");
    check(wait_gone(xch, domid), "it is gone with its vCPUs");
}

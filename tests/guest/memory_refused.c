/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What memory_op has for others. Translated guests have a physmap that pages can be added to; a PV
 * guest sees machine frames and is refused (XENMEM_add_to_physmap). A virtual NUMA topology is
 * there only when the toolstack made one (XENMEM_get_vnumainfo). Commands that there are not are
 * refused whatever their argument is.
 *
 * test: memory=16
 */
#include "reservation.h"

#define COMMANDS 64u /* below the bits that say where to go on */

static long add_to_physmap(domid_t domain, unsigned space)
{
    struct xen_add_to_physmap x = {.domid = domain, .space = space, .idx = 0, .gpfn = 5};

    return HYPERVISOR_memory_op(XENMEM_add_to_physmap, &x);
}

static void physmap(void)
{
    static const char *const name[] = {"the shared page", "a grant-table frame", "a frame",
                                       "a range of frames"};

    for (unsigned space = 0; space < 4; space++)
        is_error(add_to_physmap(DOMID_SELF, space), -XEN_EACCES, "%s cannot be added", name[space]);
    is_error(add_to_physmap(DOMID_SELF, XENMAPSPACE_gmfn_foreign), -XEN_ENOSYS,
             "another domain's frame not by this call");
    is_error(add_to_physmap(DOMID_SELF, 77), -XEN_EACCES, "a space that there is not");
    is_error(add_to_physmap(0, XENMAPSPACE_shared_info), -XEN_EACCES, "the domain by its number");
    is_error(add_to_physmap(5, XENMAPSPACE_shared_info), -XEN_ESRCH, "a domain that there is not");
    is_error(add_to_physmap(DOMID_IO, XENMAPSPACE_shared_info), -XEN_ESRCH, "the devices' memory");
    for (const struct address *a = addresses(sizeof(struct xen_add_to_physmap)); a->name; a++)
        is_error(HYPERVISOR_memory_op(XENMEM_add_to_physmap, a->address),
                 a->readable ? -XEN_EACCES : -XEN_EFAULT, "adding: argument %s", a->name);
}

static long vnuma(domid_t domain, unsigned pad)
{
    struct xen_vnuma_topology_info t = {.domid = domain, .pad = (uint16_t)pad};

    return HYPERVISOR_memory_op(XENMEM_get_vnumainfo, &t);
}

static void topology(void)
{
    is_error(vnuma(DOMID_SELF, 0), -XEN_EOPNOTSUPP, "there is no topology");
    is_error(vnuma(0, 0), -XEN_EOPNOTSUPP, "nor for the domain's number");
    is_error(vnuma(DOMID_SELF, 1), -XEN_EINVAL, "the padding must be 0");
    is_error(vnuma(5, 0), -XEN_ESRCH, "topology: a domain that there is not");
    is_error(vnuma(DOMID_INVALID, 0), -XEN_ESRCH, "topology: no domain");
    for (const struct address *a = addresses(sizeof(struct xen_vnuma_topology_info)); a->name; a++)
        is_error(HYPERVISOR_memory_op(XENMEM_get_vnumainfo, a->address),
                 a->readable ? -XEN_EOPNOTSUPP : -XEN_EFAULT, "topology: argument %s", a->name);
}

/* Numbers that mean nothing in the ABI's header, and the highest. */
static void unknown(void)
{
    static const unsigned command[] = {8, 29, 30, 31, 32, 40, COMMANDS - 1};

    for (unsigned i = 0; i < sizeof(command) / sizeof(command[0]); i++) {
        is_error(HYPERVISOR_memory_op(command[i], NULL), -XEN_ENOSYS, "command %u", command[i]);
        is_error(HYPERVISOR_memory_op(command[i] | 5 << START_SHIFT, NULL), -XEN_ENOSYS,
                 "command %u begun in the middle", command[i]);
    }
    is_error(HYPERVISOR_memory_op(~0u, NULL), -XEN_ENOSYS, "the highest command");
    is_error(HYPERVISOR_memory_op(1u << 31 | 40, NULL), -XEN_ENOSYS,
             "and one with the highest bit");
}

int main(void)
{
    long before = pages_owned();

    physmap();
    topology();
    unknown();
    is(pages_owned(), before, "as many pages as before");
    return done();
}

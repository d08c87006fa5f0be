/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Hypercalls as such. Pointers within the structures are to buffers already.
 */
#include "private.h"

static int call1(xc_interface *xch, unsigned call, void *arg, size_t size)
{
    void *buffer = xci_buffer_get(xch, arg, size);
    int rc;

    if (buffer == NULL)
        return -1;
    rc = xencall1(xch->xcall, call, (uint64_t)(uintptr_t)buffer);
    xci_buffer_put(xch, buffer, arg, size);
    return rc;
}

static long call2(xc_interface *xch, unsigned call, uint64_t cmd, void *arg, size_t size)
{
    void *buffer = arg != NULL ? xci_buffer_get(xch, arg, size) : NULL;
    long rc;

    if (xch->xcall == NULL) {
        errno = ENODEV;
        return -1;
    }
    if (arg != NULL && buffer == NULL)
        return -1;
    rc = xencall2L(xch->xcall, call, cmd, (uint64_t)(uintptr_t)buffer);
    xci_buffer_put(xch, buffer, arg, size);
    return rc;
}

/* Tools of another version of the interface learn what is wrong. */
static void explain_version(xc_interface *xch, const char *what)
{
    if (errno == EACCES)
        xci_fail(xch, XC_INTERNAL_ERROR,
                 "%s refused: the hypervisor and these tools have different versions", what);
}

int xc_domctl(xc_interface *xch, struct xen_domctl *domctl)
{
    domctl->interface_version = XEN_DOMCTL_INTERFACE_VERSION;
    int rc = call1(xch, __HYPERVISOR_domctl, domctl, sizeof(*domctl));
    if (rc < 0)
        explain_version(xch, "domctl");
    return rc;
}

int xc_sysctl(xc_interface *xch, struct xen_sysctl *sysctl)
{
    sysctl->interface_version = XEN_SYSCTL_INTERFACE_VERSION;
    int rc = call1(xch, __HYPERVISOR_sysctl, sysctl, sizeof(*sysctl));
    if (rc < 0)
        explain_version(xch, "sysctl");
    return rc;
}

long xc_memory_op(xc_interface *xch, unsigned int cmd, void *arg, size_t len)
{
    return call2(xch, __HYPERVISOR_memory_op, cmd, arg, len);
}

/* 0: only the result counts; -1: not known. */
static ssize_t version_size(int cmd)
{
    switch (cmd) {
    case XENVER_extraversion:
        return sizeof(xen_extraversion_t);
    case XENVER_compile_info:
        return sizeof(xen_compile_info_t);
    case XENVER_capabilities:
        return sizeof(xen_capabilities_info_t);
    case XENVER_changeset:
        return sizeof(xen_changeset_info_t);
    case XENVER_platform_parameters:
        return sizeof(xen_platform_parameters_t);
    case XENVER_get_features:
        return sizeof(xen_feature_info_t);
    case XENVER_guest_handle:
        return sizeof(xen_domain_handle_t);
    case XENVER_commandline:
        return sizeof(xen_commandline_t);
    case XENVER_build_id:
        return sizeof(xen_build_id_t);
    case XENVER_version:
    case XENVER_pagesize:
        return 0;
    default:
        return -1;
    }
}

int xc_version(xc_interface *xch, int cmd, void *arg)
{
    ssize_t known = version_size(cmd);
    size_t size = (size_t)known;

    if (known < 0) { /* as of Xen's, with the error as result */
        xci_fail(xch, XC_INVALID_PARAM, "xen_version has no command %d", cmd);
        return -EINVAL;
    }

    /* The caller says in the structure itself how much room is behind it. */
    if (cmd == XENVER_build_id && arg != NULL)
        size += ((xen_build_id_t *)arg)->len;
    return (int)call2(xch, __HYPERVISOR_xen_version, (uint64_t)cmd, size ? arg : NULL, size);
}

int xc_mmuext_op(xc_interface *xch, struct mmuext_op *op, unsigned int nr_ops, uint32_t dom)
{
    size_t size = nr_ops * sizeof(*op);
    void *buffer = xci_buffer_get(xch, op, size);
    int rc;

    if (buffer == NULL)
        return -1;
    rc = xencall4(xch->xcall, __HYPERVISOR_mmuext_op, (uint64_t)(uintptr_t)buffer, nr_ops, 0, dom);
    xci_buffer_put(xch, buffer, NULL, 0);
    return rc;
}

int xc_gnttab_op(xc_interface *xch, int cmd, void *op, int op_size, int count)
{
    size_t size = (size_t)op_size * (size_t)count;
    void *buffer = xci_array_get(xch, op, (size_t)count, (size_t)op_size);
    int rc;

    if (buffer == NULL)
        return -1;
    rc = xencall3(xch->xcall, __HYPERVISOR_grant_table_op, (uint64_t)cmd,
                  (uint64_t)(uintptr_t)buffer, (uint64_t)count);
    xci_buffer_put(xch, buffer, op, size);
    return rc;
}

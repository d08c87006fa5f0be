/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The machine: CPUs, memory, the hypervisor's log.
 */
#include "private.h"

int xc_physinfo(xc_interface *xch, xc_physinfo_t *info)
{
    struct xen_sysctl op = xci_sysctl(XEN_SYSCTL_physinfo);

    op.u.physinfo = *info;
    if (xc_sysctl(xch, &op))
        return -1;
    *info = op.u.physinfo;
    return 0;
}

/* ---- Sets --------------------------------------------------------------------------------- */

int xc_get_max_cpus(xc_interface *xch)
{
    xc_physinfo_t info = {0};
    int known = xch->max_cpus;

    if (known == 0 && xc_physinfo(xch, &info) == 0)
        xch->max_cpus = known = (int)info.max_cpu_id + 1;
    return known ? known : -1;
}

int xc_get_online_cpus(xc_interface *xch)
{
    xc_physinfo_t info = {0};

    return xc_physinfo(xch, &info) ? -1 : (int)info.nr_cpus;
}

int xc_get_cpumap_size(xc_interface *xch)
{
    int cpus = xc_get_max_cpus(xch);

    return cpus < 0 ? cpus : (cpus + 7) / 8;
}

xc_cpumap_t xc_cpumap_alloc(xc_interface *xch)
{
    int size = xc_get_cpumap_size(xch);

    return size > 0 ? calloc(1, (size_t)size) : NULL;
}

void xc_cpumap_clearcpu(int cpu, xc_cpumap_t map)
{
    map[cpu / 8] &= (uint8_t) ~(1u << (cpu & 7));
}

void xc_cpumap_setcpu(int cpu, xc_cpumap_t map)
{
    map[cpu / 8] |= (uint8_t)(1u << (cpu & 7));
}

int xc_cpumap_testcpu(int cpu, xc_cpumap_t map)
{
    return map[cpu / 8] >> (cpu & 7) & 1;
}

int xc_get_max_nodes(xc_interface *xch)
{
    xc_physinfo_t info = {0};

    return xc_physinfo(xch, &info) ? -1 : (int)info.max_node_id + 1;
}

int xc_get_nodemap_size(xc_interface *xch)
{
    int nodes = xc_get_max_nodes(xch);

    return nodes < 0 ? nodes : (nodes + 7) / 8;
}

xc_nodemap_t xc_nodemap_alloc(xc_interface *xch)
{
    int size = xc_get_nodemap_size(xch);

    return size > 0 ? calloc(1, (size_t)size) : NULL;
}

/* ---- Topology ----------------------------------------------------------------------------- */

int xc_cputopoinfo(xc_interface *xch, unsigned *max_cpus, xc_cputopo_t *cputopo)
{
    struct xen_sysctl op = xci_sysctl(XEN_SYSCTL_cputopoinfo);
    size_t size = *max_cpus * sizeof(*cputopo);
    void *buffer = cputopo != NULL ? xci_buffer_get(xch, cputopo, size) : NULL;

    if (cputopo != NULL && buffer == NULL)
        return -1;
    op.u.cputopoinfo.num_cpus = *max_cpus;
    set_xen_guest_handle_raw(op.u.cputopoinfo.cputopo, buffer);
    int rc = xc_sysctl(xch, &op);
    if (rc == 0)
        *max_cpus = op.u.cputopoinfo.num_cpus;
    xci_buffer_put(xch, buffer, cputopo, size);
    return rc;
}

int xc_numainfo(xc_interface *xch, unsigned *max_nodes, xc_meminfo_t *meminfo, uint32_t *distance)
{
    struct xen_sysctl op = xci_sysctl(XEN_SYSCTL_numainfo);
    size_t nodes = *max_nodes, size = nodes * sizeof(*meminfo), far = nodes * nodes * 4;
    void *memory = meminfo != NULL ? xci_buffer_get(xch, meminfo, size) : NULL;
    void *distances = distance != NULL ? xci_buffer_get(xch, distance, far) : NULL;
    int rc = -1;

    if ((meminfo == NULL || memory != NULL) && (distance == NULL || distances != NULL)) {
        op.u.numainfo.num_nodes = *max_nodes;
        set_xen_guest_handle_raw(op.u.numainfo.meminfo, memory);
        set_xen_guest_handle_raw(op.u.numainfo.distance, distances);
        rc = xc_sysctl(xch, &op);
    }
    if (rc == 0)
        *max_nodes = op.u.numainfo.num_nodes;
    xci_buffer_put(xch, memory, meminfo, size);
    xci_buffer_put(xch, distances, distance, far);
    return rc;
}

/* The hypervisor may answer for a part of the devices only. */
int xc_pcitopoinfo(xc_interface *xch, unsigned num_devs, physdev_pci_device_t *devs,
                   uint32_t *nodes)
{
    size_t dev_size = num_devs * sizeof(*devs), node_size = num_devs * sizeof(*nodes);
    physdev_pci_device_t *from = xci_buffer_get(xch, devs, dev_size);
    uint32_t *to = xci_buffer_get(xch, nodes, node_size);
    int rc = from != NULL && to != NULL ? 0 : -1;

    for (unsigned done = 0; rc == 0 && done < num_devs;) {
        struct xen_sysctl op = xci_sysctl(XEN_SYSCTL_pcitopoinfo);

        op.u.pcitopoinfo.num_devs = num_devs - done;
        set_xen_guest_handle_raw(op.u.pcitopoinfo.devs, from + done);
        set_xen_guest_handle_raw(op.u.pcitopoinfo.nodes, to + done);
        rc = xc_sysctl(xch, &op);
        done += op.u.pcitopoinfo.num_devs;
        if (op.u.pcitopoinfo.num_devs == 0)
            break;
    }
    xci_buffer_put(xch, from, NULL, 0);
    xci_buffer_put(xch, to, nodes, node_size);
    return rc;
}

int xc_getcpuinfo(xc_interface *xch, int max_cpus, xc_cpuinfo_t *info, int *nr_cpus)
{
    struct xen_sysctl op = xci_sysctl(XEN_SYSCTL_getcpuinfo);
    size_t size = (size_t)max_cpus * sizeof(*info);
    void *buffer = xci_buffer_get(xch, info, size);

    if (buffer == NULL)
        return -1;
    op.u.getcpuinfo.max_cpus = (uint32_t)max_cpus;
    set_xen_guest_handle_raw(op.u.getcpuinfo.info, buffer);
    int rc = xc_sysctl(xch, &op);
    if (nr_cpus != NULL)
        *nr_cpus = (int)op.u.getcpuinfo.nr_cpus;
    xci_buffer_put(xch, buffer, info, size);
    return rc;
}

int xc_availheap(xc_interface *xch, int min_width, int max_width, int node, uint64_t *bytes)
{
    struct xen_sysctl op = xci_sysctl(XEN_SYSCTL_availheap);

    op.u.availheap.min_bitwidth = (uint32_t)min_width;
    op.u.availheap.max_bitwidth = (uint32_t)max_width;
    op.u.availheap.node = node;
    int rc = xc_sysctl(xch, &op);
    *bytes = op.u.availheap.avail_bytes;
    return rc;
}

static int hotplug(xc_interface *xch, int cpu, uint32_t what)
{
    struct xen_sysctl op = xci_sysctl(XEN_SYSCTL_cpu_hotplug);

    op.u.cpu_hotplug.cpu = (uint32_t)cpu;
    op.u.cpu_hotplug.op = what;
    return xc_sysctl(xch, &op);
}

int xc_cpu_online(xc_interface *xch, int cpu)
{
    return hotplug(xch, cpu, XEN_SYSCTL_CPU_HOTPLUG_ONLINE);
}

int xc_cpu_offline(xc_interface *xch, int cpu)
{
    return hotplug(xch, cpu, XEN_SYSCTL_CPU_HOTPLUG_OFFLINE);
}

/* ---- The log ------------------------------------------------------------------------------ */

int xc_readconsolering(xc_interface *xch, char *buffer, unsigned int *pnr_chars, int clear,
                       int incremental, uint32_t *pindex)
{
    struct xen_sysctl op = xci_sysctl(XEN_SYSCTL_readconsole);
    unsigned size = *pnr_chars;
    void *to = xci_buffer_get(xch, NULL, size);

    if (to == NULL)
        return -1;
    op.u.readconsole.count = size;
    op.u.readconsole.clear = clear != 0;
    op.u.readconsole.incremental = incremental != 0;
    op.u.readconsole.index = incremental && pindex != NULL ? *pindex : 0;
    set_xen_guest_handle_raw(op.u.readconsole.buffer, to);
    int rc = xc_sysctl(xch, &op);
    if (rc == 0) {
        *pnr_chars = op.u.readconsole.count < size ? op.u.readconsole.count : size;
        if (pindex != NULL)
            *pindex = op.u.readconsole.index;
    }
    xci_buffer_put(xch, to, rc == 0 ? buffer : NULL, rc == 0 ? *pnr_chars : 0);
    return rc;
}

int xc_send_debug_keys(xc_interface *xch, const char *keys)
{
    struct xen_sysctl op = xci_sysctl(XEN_SYSCTL_debug_keys);
    size_t size = strlen(keys);
    void *buffer = xci_buffer_get(xch, keys, size);

    if (buffer == NULL)
        return -1;
    set_xen_guest_handle_raw(op.u.debug_keys.keys, buffer);
    op.u.debug_keys.nr_keys = (uint32_t)size;
    int rc = xc_sysctl(xch, &op);
    xci_buffer_put(xch, buffer, NULL, 0);
    return rc;
}

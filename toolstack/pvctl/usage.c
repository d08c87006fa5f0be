/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Looking at what domains use: CPU and memory are the hypervisor's numbers; network and disks are
 * counted by the back-ends, Linux's netback (an interface vif<domain>.<n>) and blkback
 * (/sys/bus/xen-backend/devices/vbd-<domain>-<n>/statistics).
 */
#include "pvctl/usage.h"

#include <dirent.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define NET_DIR     "/sys/class/net"
#define DISK_DIR    "/sys/bus/xen-backend/devices"
#define SECTOR_SIZE 512u

static uint64_t read_counter(const char *dir, const char *device, const char *counter)
{
    char path[384], text[32] = "";
    FILE *f;

    snprintf(path, sizeof(path), "%s/%s/statistics/%s", dir, device, counter);
    f = fopen(path, "re");
    if (f == NULL)
        return 0;
    if (fgets(text, sizeof(text), f) == NULL)
        text[0] = '\0';
    fclose(f);
    return strtoull(text, NULL, 10);
}

static struct usage *find(struct look *look, uint32_t domid)
{
    for (unsigned i = 0; i < look->count; i++)
        if (look->domain[i].domid == domid)
            return &look->domain[i];
    return NULL;
}

/* Both name a device after its domain: what netback receives, the guest has sent. */
static void count_device(struct look *look, const char *name)
{
    struct usage *u;
    unsigned domid, id;

    if (sscanf(name, "vif%u.%u", &domid, &id) == 2 && (u = find(look, domid)) != NULL) {
        u->net_sent += read_counter(NET_DIR, name, "rx_bytes");
        u->net_received += read_counter(NET_DIR, name, "tx_bytes");
    } else if (sscanf(name, "vbd-%u-%u", &domid, &id) == 2 && (u = find(look, domid)) != NULL) {
        u->disk_read += read_counter(DISK_DIR, name, "rd_sect") * SECTOR_SIZE;
        u->disk_written += read_counter(DISK_DIR, name, "wr_sect") * SECTOR_SIZE;
    }
}

static void count_devices(struct look *look, const char *dir)
{
    DIR *d = opendir(dir);
    const struct dirent *entry;

    while (d != NULL && (entry = readdir(d)) != NULL)
        count_device(look, entry->d_name);
    if (d != NULL)
        closedir(d);
}

static void fill(struct pvctl *p, struct usage *u, const xc_domaininfo_t *d)
{
    char *name = domain_name(p, d->domain);

    *u = (struct usage){.domid = d->domain,
                        .vcpus = d->nr_online_vcpus,
                        .cpu_ns = d->cpu_time,
                        .memory_kib = d->tot_pages << (XC_PAGE_SHIFT - 10)};
    snprintf(u->name, sizeof(u->name), "%s", name);
    domain_state(d, u->state);
    free(name);
}

bool usage_look(struct pvctl *p, struct look *look)
{
    struct timespec now;
    xc_domaininfo_t *all = all_domains(p, &look->count);

    look->domain = all != NULL ? calloc(look->count + 1, sizeof(*look->domain)) : NULL;
    if (look->domain == NULL) {
        free(all);
        return false;
    }
    clock_gettime(CLOCK_MONOTONIC, &now);
    look->when_ns = (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
    for (unsigned i = 0; i < look->count; i++)
        fill(p, &look->domain[i], &all[i]);
    free(all);
    count_devices(look, NET_DIR);
    count_devices(look, DISK_DIR);
    return true;
}

void usage_compare(struct look *now, const struct look *before)
{
    uint64_t passed = now->when_ns - before->when_ns;

    for (unsigned i = 0; i < now->count; i++) {
        struct usage *u = &now->domain[i];

        for (unsigned j = 0; passed && j < before->count; j++)
            if (before->domain[j].domid == u->domid && before->domain[j].cpu_ns <= u->cpu_ns)
                u->cpu_percent =
                    (double)(u->cpu_ns - before->domain[j].cpu_ns) * 100.0 / (double)passed;
    }
}

void usage_free(struct look *look)
{
    free(look->domain);
    *look = (struct look){.count = 0};
}

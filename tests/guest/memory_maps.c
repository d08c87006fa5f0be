/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Memory maps, in the form of the PC's firmware (ACPI 6.5, 15: E820): the machine's, which the
 * control domain asks for to find devices (XENMEM_machine_memory_map), and a domain's, which is
 * made up for it (XENMEM_set_memory_map) and which it asks for as it would ask the firmware
 * (XENMEM_memory_map). The control domain has none until one is set.
 *
 * test: memory=16
 */
#include "reservation.h"

#define ENTRIES_MAX 1024u
#define E820_RAM    1u

struct e820_entry {
    uint64_t start, size;
    uint32_t type;
} __attribute__((packed));

static struct e820_entry buffer[ENTRIES_MAX + 1];

static struct xen_memory_map map_of(void *entries, unsigned count)
{
    struct xen_memory_map map = {.nr_entries = count};

    set_xen_guest_handle(map.buffer, entries);
    return map;
}

/* ---- The machine's ------------------------------------------------------------------------ */

/* The last page frame of RAM that the map tells of. */
static uint64_t end_of_ram(unsigned count)
{
    uint64_t end = 0;

    for (unsigned i = 0; i < count; i++)
        if (buffer[i].type == E820_RAM && buffer[i].start + buffer[i].size > end)
            end = buffer[i].start + buffer[i].size;
    return end >> PAGE_SHIFT;
}

static void machine_map(void)
{
    struct xen_memory_map map = map_of(buffer, ENTRIES_MAX);
    unsigned disorder = 0;

    is_error(HYPERVISOR_memory_op(XENMEM_machine_memory_map, &map), 0, "the machine has a map");
    unsigned count = map.nr_entries;
    ok(count > 1 && count < ENTRIES_MAX, "it has some entries");
    for (unsigned i = 1; i < count; i++)
        disorder += buffer[i].start < buffer[i - 1].start + buffer[i - 1].size;
    is(disorder, 0, "they rise and do not overlap");
    is(end_of_ram(count), HYPERVISOR_memory_op(XENMEM_maximum_ram_page, NULL),
       "memory ends where it is said to end");
    map = map_of(NULL, 0);
    is_error(HYPERVISOR_memory_op(XENMEM_machine_memory_map, &map), 0, "without a buffer");
    is(map.nr_entries, count, "only their number is told");
    map = map_of(buffer, count - 1);
    is_error(HYPERVISOR_memory_op(XENMEM_machine_memory_map, &map), -XEN_EINVAL,
             "a buffer too small for one");
    is(map.nr_entries, count - 1, "nothing is told then");
    map = map_of(buffer, 0);
    is_error(HYPERVISOR_memory_op(XENMEM_machine_memory_map, &map), -XEN_EINVAL, "an empty buffer");
    map = map_of(buffer, count);
    is_error(HYPERVISOR_memory_op(XENMEM_machine_memory_map, &map), 0, "a buffer just so large");
    map = map_of(buffer, ~0u);
    is_error(HYPERVISOR_memory_op(XENMEM_machine_memory_map, &map), 0,
             "a buffer as large as can be");
    is(map.nr_entries, count, "all are told");
}

static void machine_map_addresses(void)
{
    struct xen_memory_map map = map_of(NULL, 0);

    (void)HYPERVISOR_memory_op(XENMEM_machine_memory_map, &map);
    /* The buffer holds all entries, and so is some hundred bytes. */
    size_t size = (map.nr_entries * sizeof(buffer[0]) + 3) & ~3ul;
    for (const struct address *a = addresses(size); a->name; a++) {
        if (a->address == NULL || strcmp(a->name, "last byte unmapped") == 0)
            continue;
        map = map_of(a->address, ENTRIES_MAX);
        is_error(HYPERVISOR_memory_op(XENMEM_machine_memory_map, &map),
                 a->writable ? 0 : -XEN_EFAULT, "machine: buffer %s", a->name);
    }
    for (const struct address *a = addresses(sizeof(map)); a->name; a++)
        is_error(HYPERVISOR_memory_op(XENMEM_machine_memory_map, a->address),
                 a->writable ? 0 : -XEN_EFAULT, "machine: argument %s", a->name);
}

/* ---- The domain's ------------------------------------------------------------------------- */

static long set_map(domid_t domain, void *entries, unsigned count)
{
    struct xen_foreign_memory_map map = {.domid = domain, .map = map_of(entries, count)};

    return HYPERVISOR_memory_op(XENMEM_set_memory_map, &map);
}

static long get_map(void *entries, unsigned *count)
{
    struct xen_memory_map map = map_of(entries, *count);
    long rc = HYPERVISOR_memory_op(XENMEM_memory_map, &map);

    *count = map.nr_entries;
    return rc;
}

static void fill(unsigned count)
{
    for (unsigned i = 0; i < count; i++)
        buffer[i] = (struct e820_entry){.start = i * 0x100000ul, .size = 0x80000, .type = E820_RAM};
}

static void domain_map(void)
{
    struct e820_entry got[5];
    unsigned count = 5;

    is_error(get_map(got, &count), -XEN_ENOSYS, "the domain has no map");
    fill(3);
    is_error(set_map(DOMID_SELF, buffer, 3), 0, "one is set");
    memset(got, 0xee, sizeof(got));
    is_error(get_map(got, &count), 0, "it has one");
    is(count, 3, "it has three entries");
    is(memcmp(got, buffer, 3 * sizeof(got[0])), 0, "as they were set");
    ok(got[3].type == 0xeeeeeeee, "nothing is written behind");
    memset(got, 0xee, sizeof(got));
    count = 2;
    is_error(get_map(got, &count), 0, "into a small buffer");
    ok(count == 2 && got[1].start == 0x100000 && got[2].type == 0xeeeeeeee, "goes what it holds");
    count = 0;
    is_error(get_map(NULL, &count), 0, "into none");
    is(count, 0, "goes nothing");
    fill(1);
    is_error(set_map(0, buffer, 1), 0, "another is set, of the domain by its number");
    count = 5;
    ok(get_map(got, &count) == 0 && count == 1, "it has that");
}

static void domain_map_sizes(void)
{
    unsigned count = ENTRIES_MAX;

    is_error(set_map(DOMID_SELF, buffer, ENTRIES_MAX + 1), -XEN_EINVAL, "more entries than can be");
    is_error(set_map(DOMID_SELF, buffer, ~0u), -XEN_EINVAL, "the highest number of entries");
    count = 5;
    ok(get_map(buffer, &count) == 0 && count == 1, "the map is as it was");
    fill(128);
    is_error(set_map(DOMID_SELF, buffer, 128), 0,
             "128 entries, as many as the PC's boot protocol has");
    memset(buffer, 0, sizeof(buffer));
    count = ENTRIES_MAX;
    is_error(get_map(buffer, &count), 0, "they are told");
    ok(count == 128 && buffer[127].start == 127 * 0x100000ul, "all of them");
    is_error(set_map(DOMID_SELF, NULL, 0), 0, "no entry");
    is_error(get_map(buffer, &count), -XEN_ENOSYS, "is no map");
}

static void domain_map_refused(void)
{
    static const domid_t bad[] = {1, 5, DOMID_IO, DOMID_XEN, DOMID_INVALID, 0xffff};
    unsigned count;

    fill(2);
    for (unsigned i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
        is_error(set_map(bad[i], buffer, 1), -XEN_ESRCH, "domain %#x", bad[i]);
    is_error(set_map(DOMID_SELF, buffer, 2), 0, "a map is set");
    for (const struct address *a = addresses(2 * sizeof(buffer[0])); a->name; a++) {
        count = 2;
        is_error(get_map(a->address, &count), a->writable ? 0 : -XEN_EFAULT, "told to %s", a->name);
    }
    for (const struct address *a = addresses(2 * sizeof(buffer[0])); a->name; a++)
        is_error(set_map(DOMID_SELF, a->address, 2), a->readable ? 0 : -XEN_EFAULT, "set from %s",
                 a->name);
    count = 2;
    is_error(get_map(buffer, &count), 0, "the domain has a map");
    ok(count == 2 && buffer[0].type == 0, "the last that could be read");
    for (const struct address *a = addresses(sizeof(struct xen_memory_map)); a->name; a++)
        is_error(HYPERVISOR_memory_op(XENMEM_memory_map, a->address), a->writable ? 0 : -XEN_EFAULT,
                 "asked with argument %s", a->name);
    for (const struct address *a = addresses(sizeof(struct xen_foreign_memory_map)); a->name; a++)
        is_error(HYPERVISOR_memory_op(XENMEM_set_memory_map, a->address),
                 a->readable ? 0 : -XEN_EFAULT, "set with argument %s", a->name);
}

int main(void)
{
    machine_map();
    machine_map_addresses();
    domain_map();
    domain_map_sizes();
    domain_map_refused();
    return done();
}

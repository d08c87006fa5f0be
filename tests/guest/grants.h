/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What the tests of grant tables share. A domain may grant to itself: then this one program is the
 * side that lets its page be used, and the side that uses it.
 *
 * The hypervisor does as it is told by an entry of the table, which is ordinary memory of the
 * granting domain, and marks in it what is in use. The result of the hypercall says whether the
 * arguments could be read and written; what came of each element is in its `status`.
 */
#ifndef GRANTS_H
#define GRANTS_H

#include <pv/event.h>
#include <pv/grant.h>
#include <pv/hypercall.h>
#include <pv/memory.h>
#include <pv/trap.h>

#include "tap.h"

#define NO_DOMAIN ((domid_t)0x7fe0) /* a number that no domain has, below the reserved ones */
#ifndef NO_SUCH_MFN
#define NO_SUCH_MFN 0xfffffffful
#endif
#define NO_ADDRESS 0x0000700000000000ul /* no page tables are there */

/* The number of this domain: an unbound port for DOMID_SELF says whom it waits for. */
static inline domid_t own_domain(void)
{
    long port = event_alloc_unbound(DOMID_SELF, NULL, NULL);
    struct evtchn_status status = {.dom = DOMID_SELF, .port = (evtchn_port_t)port};

    if (port < 0 || HYPERVISOR_event_channel_op(EVTCHNOP_status, &status) != 0)
        return DOMID_INVALID;
    (void)event_close((evtchn_port_t)port);
    return status.u.unbound.dom;
}

/* ---- Entries written by hand --------------------------------------------------------------- */

static inline grant_entry_v1_t *entry_v1(grant_ref_t ref)
{
    return &grant_table()[ref];
}

/* The same memory, when the table is of version 2. */
static inline grant_entry_v2_t *entry_v2(grant_ref_t ref)
{
    return &((grant_entry_v2_t *)(void *)grant_table())[ref];
}

static inline void write_v1(grant_ref_t ref, unsigned flags, domid_t domain, unsigned long frame)
{
    volatile grant_entry_v1_t *entry = entry_v1(ref);

    entry->flags = 0;
    entry->domid = domain;
    entry->frame = (uint32_t)frame;
    __atomic_thread_fence(__ATOMIC_RELEASE);
    entry->flags = (uint16_t)flags;
}

static inline void write_v2(grant_ref_t ref, unsigned flags, domid_t domain, unsigned long frame)
{
    volatile grant_entry_v2_t *entry = entry_v2(ref);

    entry->hdr.flags = 0;
    entry->full_page.pad0 = 0;
    entry->full_page.hdr.domid = domain;
    entry->full_page.frame = frame;
    __atomic_thread_fence(__ATOMIC_RELEASE);
    entry->hdr.flags = (uint16_t)flags;
}

static inline unsigned flags_v1(grant_ref_t ref)
{
    return *(volatile uint16_t *)&entry_v1(ref)->flags;
}

/* ---- Operations ---------------------------------------------------------------------------- */

#define STATUS_UNSET 99 /* of an operation that has not been carried out */

static inline long grant_op(unsigned cmd, void *op)
{
    return HYPERVISOR_grant_table_op(cmd, op, 1);
}

static inline long set_version(unsigned version)
{
    struct gnttab_set_version op = {.version = version};

    return grant_op(GNTTABOP_set_version, &op);
}

static inline struct gnttab_map_grant_ref map_request(domid_t domain, grant_ref_t ref,
                                                      uint64_t address, unsigned flags)
{
    return (struct gnttab_map_grant_ref){
        .host_addr = address, .flags = flags, .ref = ref, .dom = domain, .status = STATUS_UNSET};
}

/* The status; what did not even come to one is STATUS_UNSET. */
static inline int map_one(struct gnttab_map_grant_ref *op)
{
    (void)grant_op(GNTTABOP_map_grant_ref, op);
    return op->status;
}

static inline int unmap_one(uint64_t address, uint64_t bus_address, grant_handle_t handle)
{
    struct gnttab_unmap_grant_ref op = {.host_addr = address,
                                        .dev_bus_addr = bus_address,
                                        .handle = handle,
                                        .status = STATUS_UNSET};

    (void)grant_op(GNTTABOP_unmap_grant_ref, &op);
    return op.status;
}

static inline int replace_one(uint64_t address, uint64_t new_address, grant_handle_t handle)
{
    struct gnttab_unmap_and_replace op = {
        .host_addr = address, .new_addr = new_address, .handle = handle, .status = STATUS_UNSET};

    (void)grant_op(GNTTABOP_unmap_and_replace, &op);
    return op.status;
}

/* ---- Contents ------------------------------------------------------------------------------ */

static inline void fill_page(void *page, uint64_t seed)
{
    uint64_t *words = page;

    for (unsigned i = 0; i < PAGE_SIZE / sizeof(*words); i++)
        words[i] = seed * 0x9e3779b97f4a7c15ull + i;
}

/* FNV-1a. */
static inline uint64_t checksum(const void *data, size_t size)
{
    const uint8_t *bytes = data;
    uint64_t sum = 0xcbf29ce484222325ull;

    for (size_t i = 0; i < size; i++)
        sum = (sum ^ bytes[i]) * 0x100000001b3ull;
    return sum;
}

/* ---- What every operation does with its argument's address ---------------------------------- */

/* Where an operation writes in its argument. */
enum answers { ANSWERS_NOWHERE, ANSWERS_FIRST_HALF, ANSWERS_ANYWHERE };

static inline bool address_good(const struct address *at, enum answers answers)
{
    return at->readable && (at->writable || answers == ANSWERS_NOWHERE ||
                            (answers == ANSWERS_FIRST_HALF && strstr(at->name, "second half")));
}

/* `prepare` fills in a request that works, or is refused harmlessly, or is NULL: zeroes do. */
static inline void check_addresses(unsigned cmd, size_t size, const char *name,
                                   enum answers answers, void (*prepare)(void *request))
{
    for (const struct address *at = addresses(size); at->name; at++) {
        long result;

        if (at->readable && at->writable && prepare)
            prepare(at->address);
        result = grant_op(cmd, at->address);
        if (address_good(at, answers))
            ok(result != -XEN_EFAULT, "%s, argument %s: taken", name, at->name);
        else
            is_error(result, -XEN_EFAULT, "%s, argument %s: -EFAULT", name, at->name);
    }
}

#endif

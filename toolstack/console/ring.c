/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A guest's console page.
 */
#include "console/ring.h"

#include <errno.h>
#include <stddef.h>
#include <string.h>

/* The guest runs at the same time: each index is read and written once, in order. */
#define SHARED_READ(field)         __atomic_load_n(&(field), __ATOMIC_ACQUIRE)
#define SHARED_WRITE(field, value) __atomic_store_n(&(field), (value), __ATOMIC_RELEASE)

/* Before the place of bytes is told, and before the other side is asked whether it waits for it:
 * a full barrier, as the guest writes one index and reads the other, and so do we. */
#define SHARED_BARRIER() __atomic_thread_fence(__ATOMIC_SEQ_CST)

int ring_output(const struct xencons_interface *ring, char bytes[RING_OUTPUT], uint32_t *next)
{
    uint32_t from = SHARED_READ(ring->out_cons), end = SHARED_READ(ring->out_prod);
    uint32_t count = end - from, at = MASK_XENCONS_IDX(from, ring->out);
    uint32_t first = (uint32_t)RING_OUTPUT - at;

    if (count > RING_OUTPUT)
        return -EPROTO;
    if (first > count)
        first = count;
    memcpy(bytes, ring->out + at, first);
    memcpy(bytes + first, ring->out, count - first);
    *next = end;
    return (int)count;
}

void ring_output_taken(struct xencons_interface *ring, uint32_t next)
{
    SHARED_WRITE(ring->out_cons, next);
    SHARED_BARRIER();
}

void ring_output_skip(struct xencons_interface *ring)
{
    ring_output_taken(ring, SHARED_READ(ring->out_prod));
}

uint32_t ring_input_room(const struct xencons_interface *ring)
{
    uint32_t filled = SHARED_READ(ring->in_prod) - SHARED_READ(ring->in_cons);

    return filled > RING_INPUT ? 0 : (uint32_t)RING_INPUT - filled;
}

uint32_t ring_input(struct xencons_interface *ring, const char *bytes, uint32_t count)
{
    uint32_t end = SHARED_READ(ring->in_prod), filled = end - SHARED_READ(ring->in_cons);
    uint32_t room = filled > RING_INPUT ? 0 : (uint32_t)RING_INPUT - filled;
    uint32_t at = MASK_XENCONS_IDX(end, ring->in), first = (uint32_t)RING_INPUT - at;

    if (count > room)
        count = room;
    if (first > count)
        first = count;
    memcpy(ring->in + at, bytes, first);
    memcpy(ring->in, bytes + first, count - first);
    SHARED_WRITE(ring->in_prod, end + count);
    SHARED_BARRIER();
    return count;
}

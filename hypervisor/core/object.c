/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Small objects of the hypervisor, each charged to the domain that it is made for.
 *
 * A slab is one frame of objects of one size, a header first, so that the slab of an object is
 * found by its address. A slab with a free object is on its class's list; one without is on none;
 * one without a used object goes back to the heap. What is larger than half a frame gets frames of
 * its own.
 */
#include <arch/memory.h>

#include "core/atomic.h"
#include "core/domain.h"
#include "core/heap.h"
#include "core/lib.h"
#include "core/lock.h"

#define SLAB_MAGIC 0x51ab51abu

struct slab {
    struct slab *next, *prev; /* slabs of the class with a free object */
    uint32_t magic;
    uint16_t class;
    uint16_t used; /* objects given out */
    uint16_t
        free; /* offset in the frame of the first object given back; each holds the next; 0: end */
    uint16_t fresh; /* offset behind the last object ever given out */
    uint32_t pad;
};
static_assert(sizeof(struct slab) % 16 == 0, "objects are 16-byte aligned");

/* Steps of an eighth to a quarter, and at the end what divides a frame without much left over. */
static const uint16_t class_size[] = {16,  32,  48,  64,  80,  96,  112, 128, 160,  192,  224,
                                      256, 320, 384, 448, 512, 576, 672, 800, 1008, 1344, 2032};
#define NR_CLASSES   ARRAY_SIZE(class_size)
#define LARGEST_SIZE 2032u
static_assert(sizeof(struct slab) + 2 * LARGEST_SIZE <= 4096, "two of the largest in a slab");

static struct {
    struct spinlock lock;
    struct slab *partial;
} classes[NR_CLASSES] = {[0 ... NR_CLASSES - 1] = {.lock = {.rank = RANK_HEAP}}};

static unsigned class_of(size_t size)
{
    unsigned c = 0;
    while (class_size[c] < size)
        c++;
    return c;
}

static unsigned order_of(size_t size)
{
    unsigned order = 0;
    while ((PAGE_SIZE << order) < size)
        order++;
    return order;
}

/* ---- Charging ----------------------------------------------------------------------------- */

/* What an object of this size takes from memory. */
static uint64_t cost_of(size_t size)
{
    return size <= LARGEST_SIZE ? class_size[class_of(size)] : PAGE_SIZE << order_of(size);
}

static bool charge(struct domain *d, uint64_t bytes)
{
    if (!d)
        return true;
    uint64_t used = atomic_load(&d->account.used);
    do {
        if (used > d->account.limit || bytes > d->account.limit - used)
            return false;
    } while (!atomic_cas(&d->account.used, &used, used + bytes));
    return true;
}

static void uncharge(struct domain *d, uint64_t bytes)
{
    if (!d)
        return;
    uint64_t used = atomic_fetch_sub(&d->account.used, bytes);
    BUG_ON(used < bytes);
}

/* ---- Slabs -------------------------------------------------------------------------------- */

static void slab_link(unsigned class, struct slab *s)
{
    s->prev = NULL;
    s->next = classes[class].partial;
    if (s->next)
        s->next->prev = s;
    classes[class].partial = s;
}

static void slab_unlink(unsigned class, struct slab *s)
{
    if (s->prev)
        s->prev->next = s->next;
    else
        classes[class].partial = s->next;
    if (s->next)
        s->next->prev = s->prev;
}

static bool slab_full(const struct slab *s)
{
    return s->free == 0 && s->fresh + class_size[s->class] > PAGE_SIZE;
}

static struct slab *slab_new(unsigned class)
{
    mfn_t mfn = heap_alloc_frames(0, HEAP_ZERO);
    if (mfn_eq(mfn, INVALID_MFN))
        return NULL;
    struct slab *s = mfn_to_virt(mfn);
    s->magic = SLAB_MAGIC;
    s->class = (uint16_t) class;
    s->fresh = sizeof(*s);
    return s;
}

#ifdef PARAVANE_DEBUG
/* A free object is poison behind the link in its first two bytes; any other byte was written late.
 */
static void check_poison(const void *object, size_t size)
{
    const uint8_t *byte = object;
    for (size_t i = sizeof(uint16_t); i < size; i++)
        if (byte[i] != POISON)
            panic("object %p of %zu bytes was written at +%zu after it was freed", object, size, i);
}

static void check_not_free(const struct slab *s, uint16_t offset)
{
    for (uint16_t at = s->free; at; at = *(const uint16_t *)((const char *)s + at))
        if (at == offset)
            panic("object %p was freed twice", (const void *)((const char *)s + offset));
}
#else
static void check_poison(const void *object, size_t size)
{
    (void)object;
    (void)size;
}

static void check_not_free(const struct slab *s, uint16_t offset)
{
    (void)s;
    (void)offset;
}
#endif

/* Take an object of a slab that has one. Lock held. */
static void *slab_take(struct slab *s)
{
    size_t size = class_size[s->class];
    char *object;

    if (s->free) {
        object = (char *)s + s->free;
        check_poison(object, size);
        s->free = *(uint16_t *)object;
    } else {
        object = (char *)s + s->fresh;
        s->fresh = (uint16_t)(s->fresh + size);
    }
    s->used++;
    return object;
}

static void *class_alloc(unsigned class)
{
    struct spinlock *l = &classes[class].lock;
    unsigned long flags = lock_irqsave(l);
    struct slab *s = classes[class].partial;

    if (!s) {
        /* The heap is asked with no lock held: it may have to flush TLBs. */
        unlock_irqrestore(l, flags);
        s = slab_new(class);
        if (!s)
            return NULL;
        flags = lock_irqsave(l);
        slab_link(class, s);
    }
    void *object = slab_take(s);
    if (slab_full(s))
        slab_unlink(class, s);
    unlock_irqrestore(l, flags);
    return memset(object, 0, class_size[class]);
}

static void class_free(unsigned class, void *object)
{
    struct slab *s = (struct slab *)((uintptr_t)object & PAGE_MASK);
    uint16_t offset = (uint16_t)((uintptr_t)object & ~PAGE_MASK);

    BUG_ON(s->magic != SLAB_MAGIC || s->class != class || offset < sizeof(*s) ||
           (offset - sizeof(*s)) % class_size[class] != 0);

    unsigned long flags = lock_irqsave(&classes[class].lock);
    check_not_free(s, offset);
#ifdef PARAVANE_DEBUG
    memset(object, POISON, class_size[class]);
#endif
    if (slab_full(s))
        slab_link(class, s);
    *(uint16_t *)object = s->free;
    s->free = offset;
    bool empty = --s->used == 0;
    if (empty)
        slab_unlink(class, s);
    unlock_irqrestore(&classes[class].lock, flags);
    if (empty) {
        s->magic = 0;
        heap_free_frames(virt_to_mfn(s), 0, true);
    }
}

/* ---- The interface ------------------------------------------------------------------------ */

void *hv_alloc(struct domain *d, size_t size)
{
    void *object = NULL;

    if (size > PAGE_SIZE << HEAP_MAX_ORDER)
        return NULL;
    uint64_t cost = cost_of(size);
    if (!charge(d, cost))
        return NULL;
    if (size <= LARGEST_SIZE) {
        object = class_alloc(class_of(size));
    } else {
        mfn_t mfn = heap_alloc_frames(order_of(size), HEAP_ZERO);
        if (!mfn_eq(mfn, INVALID_MFN))
            object = mfn_to_virt(mfn);
    }
    if (!object)
        uncharge(d, cost);
    return object;
}

void hv_free(struct domain *d, void *ptr, size_t size)
{
    if (!ptr)
        return;
    if (size <= LARGEST_SIZE) {
        class_free(class_of(size), ptr);
    } else {
#ifdef PARAVANE_DEBUG
        memset(ptr, POISON, PAGE_SIZE << order_of(size));
#endif
        heap_free_frames(virt_to_mfn(ptr), order_of(size), true);
    }
    uncharge(d, cost_of(size));
}

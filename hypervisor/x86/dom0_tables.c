/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The control domain's first page tables: written as data (pv_tables.h), then validated as any
 * guest's would be.
 */
#include "core/domain.h"
#include "core/frame.h"
#include "core/lib.h"
#include "core/softirq.h"
#include "x86/dom0.h"
#include "x86/mm/root.h"
#include "x86/pv_tables.h"

static void *table_page(void *data, uint64_t pfn)
{
    return dom0_page(data, pfn);
}

static void install(struct dom0 *b)
{
    mfn_t l4 = MFN(b->p2m[b->layout.tables.pfn]);
    int rc;
    while ((rc = frame_pin(b->d, l4, FT_L4)) == -XEN_ERESTART)
        softirq_run();
    if (rc == 0)
        rc = root_set_kernel(b->d->vcpu[0], l4);
    if (rc)
        panic("the control domain's own first page tables are refused (%d)", rc);
}

void dom0_build_tables(struct dom0 *b)
{
    struct pv_tables tables = {.layout = &b->layout, .p2m = b->p2m, .page = table_page, .data = b};
    pv_tables_write(&tables);
    install(b);
}

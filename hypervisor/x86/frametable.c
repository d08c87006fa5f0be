/* SPDX-License-Identifier: BSD-2-Clause */
/* How many frames can have an entry in the frame table. */
#include "core/frame.h"
#include "x86/paging.h"

mfn_t frame_max(void)
{
    return paging_frame_table_end();
}

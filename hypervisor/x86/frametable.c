/* SPDX-License-Identifier: BSD-2-Clause */
/* Which frames have an entry in the frame table. */
#include "core/frame.h"
#include "x86/paging.h"

bool mfn_valid(mfn_t mfn)
{
    return mfn.v < paging_frame_table_end().v &&
           paging_frame_chunk_present(mfn.v >> FRAME_CHUNK_FRAMES_SHIFT);
}

mfn_t frame_max(void)
{
    return paging_frame_table_end();
}

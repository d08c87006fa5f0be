/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The tiny guest's memory and what it puts into its registers, for it and for who looks at them.
 *
 * Its frames 0 to 3 are its page tables, from the fourth level down; frame n is at TINY_VA(n).
 */
#ifndef TINY_GUEST_H
#define TINY_GUEST_H

#define TINY_BASE  0x400000
#define TINY_VA(n) (TINY_BASE + (n)*0x1000)

#define TINY_TABLES 4 /* frames */
#define TINY_CODE   4
#define TINY_STACK  5
#define TINY_DATA   6
#define TINY_USER   7
#define TINY_FRAMES 8

#define TINY_STACK_TOP      TINY_VA(TINY_STACK + 1)
#define TINY_USER_STACK_TOP TINY_VA(TINY_USER + 1)

/* In AT_STATE. */
#define STATE_KERNEL 1 /* in the loop of the kernel */
#define STATE_USER   2 /* in the loop of the user */
#define STATE_DONE   3

/* In the data page. */
#define AT_COUNTER  0x000
#define AT_STATE    0x008
#define AT_R14      0x010 /* when the guest had noticed TINY_NOTICE */
#define AT_XMM1     0x020 /* the same */
#define AT_FSGSBASE 0x018 /* not 0: it may write the bases of FS and GS itself */
#define AT_SHUTDOWN 0x030 /* sched_shutdown */
#define AT_MXCSR    0x038
#define AT_FCW      0x03c
#define AT_XMM      0x100 /* what it loads: 16 times 16 bytes */

#define TINY_NOTICE 0x13572468 /* in R15: set from outside */

#define TINY_REGISTER(n)  (0x1111111100000000 + (n)*0x0101010101)
#define TINY_FS_BASE      0x0000000012345000
#define TINY_GS_USER      0x0000000023456000
#define TINY_GS_KERNEL    0x0000000034567000
#define TINY_DEBUG_VA     TINY_VA(TINY_USER)
#define TINY_DEBUG_ENABLE 0x401  /* DR7: break on execution at DR0; bit 10 is always set */
#define TINY_MXCSR        0x3f80 /* round down */
#define TINY_FCW          0x077f /* the same for x87 */

#endif

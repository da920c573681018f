// Sizes and limits, and where things are in a process's address space.
#pragma once

#define NPROC 64
#define NOFILE 16
#define NFILE 64
#define NINODE 32
#define NBUF 48
#define NAREA 24
#define MAXARG 16
#define MAXPATH 128
#define HZ_DEFAULT 100
#define KILLED_STATUS 137  // exit status of a process that was killed

#define PGSIZE 4096ull
#define PGDOWN(a) ((a) & ~(PGSIZE - 1))
#define PGUP(a) PGDOWN((a) + PGSIZE - 1)

// Root-table entries 0 and 2 belong to the kernel; user memory starts at entry 4.
#define USER_BASE 0x100000000ull
#define MMAP_BASE 0x120000000ull
#define MMAP_END 0x13f000000ull
#define STACK_TOP 0x140000000ull
#define STACK_SIZE (256 * 1024ull)

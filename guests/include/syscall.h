// The system call interface: number in a7, arguments in a0..a5, result in a0.
// A negative result is an error.
#pragma once

#define SYS_fork 1
#define SYS_exit 2        // (status)
#define SYS_wait 3        // (u64 *status) -> pid
#define SYS_kill 4        // (pid)
#define SYS_getpid 5
#define SYS_exec 6        // (path, argv)
#define SYS_sbrk 7        // (increment) -> old break
#define SYS_sleep 8       // (ticks)
#define SYS_yield 9
#define SYS_mmap 10       // (length, prot, or MAP_POPULATE) -> zero-filled pages
#define SYS_munmap 11     // (address, length)
#define SYS_mprotect 12   // (address, length, prot)
#define SYS_pipe 13       // (int fd[2])
#define SYS_open 14       // (path, flags) -> fd
#define SYS_read 15       // (fd, buf, n) -> bytes
#define SYS_write 16      // (fd, buf, n) -> bytes
#define SYS_close 17      // (fd)
#define SYS_dup 18        // (fd) -> fd
#define SYS_fstat 19      // (fd, struct stat *)
#define SYS_unlink 20     // (path)
#define SYS_mkdir 21      // (path)
#define SYS_chdir 22      // (path)
#define SYS_uptime 23     // -> timer ticks since boot
#define SYS_timerhz 24    // (hz) sets the rate of timer ticks
#define SYS_procs 25      // (struct procinfo *, max) -> number of processes
#define SYS_bootargs 26   // (buf, n): the kernel command line
#define SYS_shutdown 27   // (code): process 1 only
#define SYS_diskinfo 28   // (disk, struct diskinfo *)
#define SYS_diskread 29   // (disk, sector, buf, sectors)
#define SYS_diskwrite 30  // (disk, sector, buf, sectors): scratch sectors only
#define NSYSCALL 31

// mmap, mprotect
#define PROT_READ 1
#define PROT_WRITE 2
#define PROT_EXEC 4
#define MAP_POPULATE 0x100  // with mmap's prot: map all pages now

// open
#define O_RDONLY 0
#define O_WRONLY 1
#define O_RDWR 2
#define O_CREATE 0x100
#define O_TRUNC 0x200

// The disks of diskread and diskwrite; both hold the same image.
#define DISK_VIRTIO 0
#define DISK_ATA 1
#define NDISK 2
#define SECTOR 512
#define DISK_MAX_SECTORS 8  // per request: one page

#ifndef __ASSEMBLER__
#include "types.h"

struct stat {
  u32 type;   // T_DIR, T_FILE (fs.h), or one of:
  u32 inum;
  u64 size;
};
#define T_PIPE 3
#define T_CONSOLE 4

struct procinfo {
  u32 pid;
  u32 parent;
  char state;  // R running or runnable, S sleeping, Z zombie
  char name[15];
};

struct diskinfo {
  u64 scratch_sector;   // the part of the disk that diskwrite accepts
  u64 scratch_sectors;
};
#endif

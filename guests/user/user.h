// The library of user programs.
#pragma once
#include "fs.h"
#include "syscall.h"
#include "types.h"

// System calls (start.S); a negative result is an error.
i64 fork(void);
void exit(u64 status) __attribute__((noreturn));
i64 wait(u64 *status);
i64 kill(u64 pid);
i64 getpid(void);
i64 exec(const char *path, char *const *argv);
char *sbrk(i64 increment);
i64 sleep(u64 ticks);
i64 yield(void);
void *mmap(u64 length, u64 prot);
i64 munmap(void *, u64 length);
i64 mprotect(void *, u64 length, u64 prot);
i64 pipe(i32 fd[2]);
i64 open(const char *path, u64 flags);
i64 read(i64 fd, void *, u64 n);
i64 write(i64 fd, const void *, u64 n);
i64 close(i64 fd);
i64 dup(i64 fd);
i64 fstat(i64 fd, struct stat *);
i64 unlink(const char *path);
i64 mkdir(const char *path);
i64 chdir(const char *path);
i64 uptime(void);
i64 timerhz(u64 hz);
i64 procs(struct procinfo *, u64 max);
i64 bootargs(char *, u64 n);
void shutdown(u64 code) __attribute__((noreturn));
i64 diskinfo(u64 disk, struct diskinfo *);
i64 diskread(u64 disk, u64 sector, void *, u64 sectors);
i64 diskwrite(u64 disk, u64 sector, const void *, u64 sectors);

// The measured region of a workload.
void mark_begin(void);
void mark_end(void);

// lib.c
void *memset(void *, int, size_t);
void *memcpy(void *, const void *, size_t);
void *memmove(void *, const void *, size_t);
int memcmp(const void *, const void *, size_t);
size_t strlen(const char *);
int strcmp(const char *, const char *);
char *strchr(const char *, char);
void strlcpy(char *, const char *, size_t);
u64 number(const char *);
u64 read_full(i64 fd, void *, u64 n);

// printf.c: %s %c %d %u %x, l for 64 bits, width and 0
void printf(const char *, ...) __attribute__((format(printf, 1, 2)));
void error(const char *, ...) __attribute__((format(printf, 1, 2)));  // to fd 2; exits with 1

// workload.c
u64 parameter(int argc, char **argv, const char *key, u64 otherwise);
u64 mix(u64 checksum, u64 value);
void finish(const char *name, u64 checksum) __attribute__((noreturn));

// diskwork.c
void disk_workload(const char *name, u64 disk, u64 n, u64 chunk, bool write)
    __attribute__((noreturn));

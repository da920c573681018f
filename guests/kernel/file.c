// Open files: what a file descriptor stands for.
#include "file.h"
#include "inode.h"
#include "kernel.h"

static struct file files[NFILE];

struct file *file_alloc(void) {
  for (struct file *f = files; f < files + NFILE; f++)
    if (f->users == 0) {
      *f = (struct file){.users = 1};
      return f;
    }
  return 0;
}

struct file *file_dup(struct file *f) {
  f->users++;
  return f;
}

struct file *file_console(void) {
  struct file *f = file_alloc();
  f->kind = FILE_CONSOLE;
  f->readable = f->writable = true;
  return f;
}

void file_close(struct file *f) {
  if (--f->users > 0)
    return;
  struct file was = *f;
  f->kind = FILE_FREE;
  if (was.kind == FILE_PIPE)
    pipe_close(was.pipe, was.writable);
  if (was.kind == FILE_INODE) {
    fs_lock();
    inode_put(was.ip);
    fs_unlock();
  }
}

static i64 open_locked(const char *path, u64 flags, struct file *f) {
  struct inode *ip = flags & O_CREATE ? path_create(path, T_FILE) : path_inode(path);
  if (!ip)
    return -1;
  f->kind = FILE_INODE;
  f->ip = ip;
  f->readable = (flags & 3) != O_WRONLY;
  f->writable = (flags & 3) != O_RDONLY;
  if (ip->d.type == T_DIR && f->writable) {
    inode_put(ip);
    return -1;
  }
  if (flags & O_TRUNC && f->writable)
    inode_truncate(ip);
  return 0;
}

i64 file_open(const char *path, u64 flags, struct file **result) {
  struct file *f = *result = file_alloc();
  if (!f)
    return -1;
  fs_lock();
  i64 r = open_locked(path, flags, f);
  fs_unlock();
  if (r < 0)
    f->users = 0;
  return r;
}

// File contents pass through a buffer on the kernel stack, a part at a time.
#define PART 512

static i64 inode_to_user(struct file *f, u64 va, u64 n) {
  char part[PART];
  u64 done = 0;
  while (done < n) {
    u64 m = n - done < PART ? n - done : PART;
    i64 got = inode_read(f->ip, part, f->offset, m);
    if (got <= 0)
      break;
    if (!copyout(va + done, part, got))
      return -1;
    f->offset += got;
    done += got;
  }
  return done;
}

static i64 user_to_inode(struct file *f, u64 va, u64 n) {
  char part[PART];
  u64 done = 0;
  while (done < n) {
    u64 m = n - done < PART ? n - done : PART;
    if (!copyin(part, va + done, m))
      return -1;
    i64 put = inode_write(f->ip, part, f->offset, m);
    f->offset += put;
    done += put;
    if (put < (i64)m)
      return done > 0 ? (i64)done : -1;
  }
  return done;
}

i64 file_read(struct file *f, u64 va, u64 n) {
  if (!f->readable)
    return -1;
  if (f->kind == FILE_CONSOLE)
    return console_read(va, n);
  if (f->kind == FILE_PIPE)
    return pipe_read(f->pipe, va, n);
  fs_lock();
  i64 r = inode_to_user(f, va, n);
  fs_unlock();
  return r;
}

i64 file_write(struct file *f, u64 va, u64 n) {
  if (!f->writable)
    return -1;
  if (f->kind == FILE_CONSOLE)
    return console_write(va, n);
  if (f->kind == FILE_PIPE)
    return pipe_write(f->pipe, va, n);
  fs_lock();
  i64 r = user_to_inode(f, va, n);
  fs_unlock();
  return r;
}

i64 file_stat(struct file *f, u64 va) {
  struct stat st = {.type = f->kind == FILE_PIPE ? T_PIPE : T_CONSOLE};
  if (f->kind == FILE_INODE)
    st = (struct stat){f->ip->d.type, f->ip->number, f->ip->d.size};
  return copyout(va, &st, sizeof st) ? 0 : -1;
}

// System calls about files and disks.
#include "kernel.h"

static int fd_new(struct file *f) {
  for (int fd = 0; fd < NOFILE; fd++)
    if (!current->files[fd]) {
      current->files[fd] = f;
      return fd;
    }
  return -1;
}

static struct file *fd_file(u64 fd) { return fd < NOFILE ? current->files[fd] : 0; }

static bool arg_path(int n, char *path) { return copyinstr(path, arg(n), MAXPATH) >= 0; }

i64 sys_read(void) {
  struct file *f = fd_file(arg(0));
  return f ? file_read(f, arg(1), arg(2)) : -1;
}

i64 sys_write(void) {
  struct file *f = fd_file(arg(0));
  return f ? file_write(f, arg(1), arg(2)) : -1;
}

i64 sys_close(void) {
  struct file *f = fd_file(arg(0));
  if (!f)
    return -1;
  current->files[arg(0)] = 0;
  file_close(f);
  return 0;
}

i64 sys_dup(void) {
  struct file *f = fd_file(arg(0));
  int fd = f ? fd_new(f) : -1;
  if (fd >= 0)
    file_dup(f);
  return fd;
}

i64 sys_fstat(void) {
  struct file *f = fd_file(arg(0));
  return f ? file_stat(f, arg(1)) : -1;
}

i64 sys_open(void) {
  char path[MAXPATH];
  struct file *f;
  if (!arg_path(0, path) || file_open(path, arg(1), &f) < 0)
    return -1;
  int fd = fd_new(f);
  if (fd < 0)
    file_close(f);
  return fd;
}

i64 sys_pipe(void) {
  struct file *f[2];
  if (!pipe_new(&f[0], &f[1]))
    return -1;
  i32 fd[2];
  for (int i = 0; i < 2; i++)
    fd[i] = fd_new(f[i]);
  if (fd[1] >= 0 && copyout(arg(0), fd, sizeof fd))
    return 0;
  for (int i = 0; i < 2; i++) {
    if (fd[i] >= 0)
      current->files[fd[i]] = 0;
    file_close(f[i]);
  }
  return -1;
}

i64 sys_unlink(void) {
  char path[MAXPATH];
  if (!arg_path(0, path))
    return -1;
  fs_lock();
  bool ok = path_unlink(path);
  fs_unlock();
  return ok ? 0 : -1;
}

i64 sys_mkdir(void) {
  char path[MAXPATH];
  if (!arg_path(0, path))
    return -1;
  fs_lock();
  struct inode *ip = path_create(path, T_DIR);
  if (ip)
    inode_put(ip);
  fs_unlock();
  return ip ? 0 : -1;
}

i64 sys_chdir(void) {
  char path[MAXPATH];
  if (!arg_path(0, path))
    return -1;
  fs_lock();
  struct inode *ip = path_inode(path);
  bool ok = ip && ip->d.type == T_DIR;
  if (ok) {
    struct inode *old = current->cwd;
    current->cwd = ip;
    ip = old;
  }
  if (ip)
    inode_put(ip);
  fs_unlock();
  return ok ? 0 : -1;
}

i64 sys_diskinfo(void) {
  struct diskinfo info = {superblock.scratch_sector, superblock.scratch_sectors};
  if (arg(0) >= NDISK || !disk_present(arg(0)))
    return -1;
  return copyout(arg(1), &info, sizeof info) ? 0 : -1;
}

static i64 raw_transfer(bool write) {
  u64 disk = arg(0), sector = arg(1), va = arg(2), n = arg(3);
  if (disk >= NDISK || n == 0 || n > DISK_MAX_SECTORS || sector >> 28)
    return -1;
  u64 scratch = superblock.scratch_sector;
  if (write && (sector < scratch || sector + n > scratch + superblock.scratch_sectors))
    return -1;
  void *page = frame_alloc();
  bool ok = page && (!write || copyin(page, va, n * SECTOR)) &&
            disk_transfer(disk, sector, page, n, write) &&
            (write || copyout(va, page, n * SECTOR));
  if (page)
    frame_free(page);
  return ok ? 0 : -1;
}

i64 sys_diskread(void) { return raw_transfer(false); }
i64 sys_diskwrite(void) { return raw_transfer(true); }

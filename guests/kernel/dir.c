// Directories and path names.
#include "inode.h"
#include "kernel.h"

// The slot of a name in a directory, with its entry; or of the first free slot if
// name is "". -1: none.
static i64 find(struct inode *dir, const char *name, struct dirent *e) {
  for (u64 at = 0; at < dir->d.size; at += sizeof *e) {
    inode_read(dir, e, at, sizeof *e);
    if (*name == 0 ? e->inum == 0 : e->inum != 0 && strncmp(e->name, name, NAMELEN) == 0)
      return at;
  }
  return -1;
}

u32 dir_lookup(struct inode *dir, const char *name) {
  struct dirent e;
  return find(dir, name, &e) >= 0 ? e.inum : 0;
}

bool dir_link(struct inode *dir, const char *name, u32 number) {
  struct dirent e;
  i64 at = find(dir, "", &e);
  if (at < 0)
    at = dir->d.size;
  e = (struct dirent){.inum = number};
  for (int i = 0; i < NAMELEN && name[i]; i++)
    e.name[i] = name[i];
  return inode_write(dir, &e, at, sizeof e) == sizeof e;
}

// Copies the first part of a path and returns what follows it; 0 at the path's end.
static const char *next_part(const char *path, char *name) {
  while (*path == '/')
    path++;
  if (*path == 0)
    return 0;
  int n = 0;
  for (; *path && *path != '/'; path++)
    if (n < NAMELEN)
      name[n++] = *path;
  name[n] = 0;
  while (*path == '/')
    path++;
  return path;
}

// Follows a path; with `parent`, up to the directory of its last part, whose name is
// then in `name`.
static struct inode *follow(const char *path, bool parent, char *name) {
  struct inode *ip = *path == '/' || !current->cwd ? inode_get(ROOTINO) : inode_dup(current->cwd);
  const char *rest;
  while (ip && (rest = next_part(path, name))) {
    if (parent && *rest == 0 && ip->d.type == T_DIR)
      return ip;
    u32 number = ip->d.type == T_DIR ? dir_lookup(ip, name) : 0;
    inode_put(ip);
    ip = number ? inode_get(number) : 0;
    path = rest;
  }
  if (parent && ip) {
    inode_put(ip);
    return 0;
  }
  return ip;
}

struct inode *path_inode(const char *path) {
  char name[NAMELEN + 1];
  return follow(path, false, name);
}

struct inode *path_parent(const char *path, char *name) { return follow(path, true, name); }

static bool make_entries(struct inode *ip, struct inode *dir, const char *name) {
  if (ip->d.type == T_DIR &&
      !(dir_link(ip, ".", ip->number) && dir_link(ip, "..", dir->number)))
    return false;
  return dir_link(dir, name, ip->number);
}

// Opens the file at path, or makes it. A directory must not exist.
struct inode *path_create(const char *path, u16 type) {
  char name[NAMELEN + 1];
  struct inode *dir = path_parent(path, name), *ip = 0;
  if (!dir)
    return 0;
  u32 number = dir_lookup(dir, name);
  if (number) {
    ip = type == T_FILE ? inode_get(number) : 0;
  } else if ((ip = inode_new(type))) {
    ip->d.nlink = make_entries(ip, dir, name);
    inode_update(ip);
    if (ip->d.nlink == 0) {
      inode_put(ip);
      ip = 0;
    }
  }
  inode_put(dir);
  return ip;
}

static bool is_empty(struct inode *dir) {
  struct dirent e;
  for (u64 at = 2 * sizeof e; at < dir->d.size; at += sizeof e) {
    inode_read(dir, &e, at, sizeof e);
    if (e.inum)
      return false;
  }
  return true;
}

bool path_unlink(const char *path) {
  char name[NAMELEN + 1];
  struct inode *dir = path_parent(path, name);
  if (!dir)
    return false;
  struct dirent e;
  i64 at = find(dir, name, &e);
  bool ok = at >= 0 && strcmp(name, ".") != 0 && strcmp(name, "..") != 0;
  struct inode *ip = ok ? inode_get(e.inum) : 0;
  ok = ip && (ip->d.type != T_DIR || is_empty(ip));
  if (ok) {
    memset(&e, 0, sizeof e);
    inode_write(dir, &e, at, sizeof e);
    ip->d.nlink = 0;
    inode_update(ip);
  }
  if (ip)
    inode_put(ip);
  inode_put(dir);
  return ok;
}

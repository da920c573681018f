// The file system below names: free blocks, inodes, and their contents.
//
// One lock for all of it: a process may sleep for the disk in the middle of an
// operation, and nobody else may see the half of it.
#include "inode.h"
#include "kernel.h"

struct superblock superblock;
static struct inode inodes[NINODE];
static bool locked;

void fs_lock(void) {
  while (locked)
    sleep(&locked);
  locked = true;
}

void fs_unlock(void) {
  locked = false;
  wakeup(&locked);
}

void fs_init(void) {
  memcpy(&superblock, block_read(0), sizeof superblock);
  if (superblock.magic != FSMAGIC)
    panic("no file system on the root disk");
}

// ---- Free blocks -------------------------------------------------------------

static u32 block_alloc(void) {
  u8 *bits = block_read(superblock.bitmap);
  for (u32 b = 0; b < superblock.nblocks; b++) {
    if (bits[b / 8] & 1 << b % 8)
      continue;
    bits[b / 8] |= 1 << b % 8;
    block_write(superblock.bitmap);
    memset(block_read(b), 0, BSIZE);
    return b;
  }
  return 0;
}

static void block_free(u32 b) {
  block_read(superblock.bitmap)[b / 8] &= ~(1 << b % 8);
  block_write(superblock.bitmap);
}

// ---- Inodes ------------------------------------------------------------------

static u32 inode_block(u32 number) { return superblock.inodes + number / INODES_PER_BLOCK; }

static struct dinode *on_disk(u32 number) {
  return (struct dinode *)block_read(inode_block(number)) + number % INODES_PER_BLOCK;
}

struct inode *inode_get(u32 number) {
  struct inode *free = 0;
  for (struct inode *ip = inodes; ip < inodes + NINODE; ip++) {
    if (ip->users > 0 && ip->number == number) {
      ip->users++;
      return ip;
    }
    if (ip->users == 0)
      free = ip;
  }
  if (!free || number >= superblock.ninodes)
    return 0;
  *free = (struct inode){.number = number, .users = 1, .d = *on_disk(number)};
  return free;
}

struct inode *inode_dup(struct inode *ip) {
  ip->users++;
  return ip;
}

struct inode *inode_new(u16 type) {
  for (u32 number = ROOTINO; number < superblock.ninodes; number++) {
    if (on_disk(number)->type != T_FREE)
      continue;
    struct inode *ip = inode_get(number);
    if (!ip)
      return 0;
    ip->d = (struct dinode){.type = type};
    inode_update(ip);
    return ip;
  }
  return 0;
}

void inode_update(struct inode *ip) {
  *on_disk(ip->number) = ip->d;
  block_write(inode_block(ip->number));
}

// A file without a name lives as long as somebody has it open.
void inode_put(struct inode *ip) {
  if (ip->users == 1 && ip->d.nlink == 0) {
    inode_truncate(ip);
    ip->d.type = T_FREE;
    inode_update(ip);
  }
  ip->users--;
}

// ---- Contents ----------------------------------------------------------------

static u32 allocate_if_0(u32 *slot, bool create) {
  if (*slot == 0 && create)
    *slot = block_alloc();
  return *slot;
}

// The block that holds block n of a file; 0: none (a hole, or the disk is full).
static u32 file_block(struct inode *ip, u32 n, bool create) {
  if (n < NDIRECT)
    return allocate_if_0(&ip->d.addrs[n], create);
  u32 table = allocate_if_0(&ip->d.addrs[NDIRECT], create);
  if (!table)
    return 0;
  u32 *entry = (u32 *)block_read(table) + (n - NDIRECT);
  u32 before = *entry, block = allocate_if_0(entry, create);
  if (block != before)
    block_write(table);
  return block;
}

void inode_truncate(struct inode *ip) {
  for (u32 n = 0; n < (ip->d.size + BSIZE - 1) / BSIZE; n++) {
    u32 block = file_block(ip, n, false);
    if (block)
      block_free(block);
  }
  if (ip->d.addrs[NDIRECT])
    block_free(ip->d.addrs[NDIRECT]);
  memset(ip->d.addrs, 0, sizeof ip->d.addrs);
  ip->d.size = 0;
  inode_update(ip);
}

static u64 rest_of_block(u64 offset, u64 n) {
  u64 rest = BSIZE - offset % BSIZE;
  return n < rest ? n : rest;
}

i64 inode_read(struct inode *ip, void *to, u64 offset, u64 n) {
  if (offset >= ip->d.size)
    return 0;
  if (n > ip->d.size - offset)
    n = ip->d.size - offset;
  for (u64 done = 0; done < n;) {
    u64 at = offset + done, m = rest_of_block(at, n - done);
    u32 block = file_block(ip, at / BSIZE, false);
    if (block)
      memcpy((char *)to + done, block_read(block) + at % BSIZE, m);
    else
      memset((char *)to + done, 0, m);
    done += m;
  }
  return n;
}

// Fewer than n bytes when the disk or the file is full.
i64 inode_write(struct inode *ip, const void *from, u64 offset, u64 n) {
  u64 done = 0;
  while (done < n && offset + done < MAXFILE * BSIZE) {
    u64 at = offset + done, m = rest_of_block(at, n - done);
    u32 block = file_block(ip, at / BSIZE, true);
    if (!block)
      break;
    memcpy(block_read(block) + at % BSIZE, (const char *)from + done, m);
    block_write(block);
    done += m;
  }
  if (offset + done > ip->d.size)
    ip->d.size = offset + done;
  inode_update(ip);
  return done;
}

// The block cache of the root file system. Written through; the block that was not
// used for longest makes room. A block stays in its place until NBUF - 1 others were
// read, so whoever holds the file-system lock may keep the addresses of a few.
#include "kernel.h"

#define SECTORS (BSIZE / SECTOR)

static struct buf {
  u32 number;
  bool valid;
  u64 used;  // when, by `clock`
  u8 *data;
} bufs[NBUF];

static u64 clock;
static u32 disk;

void bio_init(void) {
  char name[8] = "virtio";
  bootarg("root", name, sizeof name);
  disk = strcmp(name, "ata") == 0 ? DISK_ATA : DISK_VIRTIO;
  for (int i = 0; i < NBUF; i++)
    if (i % (PGSIZE / BSIZE) == 0)
      bufs[i].data = frame_alloc();
    else
      bufs[i].data = bufs[i - 1].data + BSIZE;
}

static struct buf *find(u32 number) {
  struct buf *oldest = bufs;
  for (struct buf *b = bufs; b < bufs + NBUF; b++) {
    if (b->valid && b->number == number)
      return b;
    if (b->used < oldest->used)
      oldest = b;
  }
  oldest->valid = false;
  oldest->number = number;
  return oldest;
}

static void transfer(struct buf *b, bool write) {
  if (!disk_transfer(disk, (u64)b->number * SECTORS, b->data, SECTORS, write))
    panic("root disk: no such disk, or an error");
}

u8 *block_read(u32 number) {
  struct buf *b = find(number);
  b->used = ++clock;
  if (!b->valid) {
    transfer(b, false);
    b->valid = true;
  }
  return b->data;
}

// Writes a block that was just changed to the disk.
void block_write(u32 number) { transfer(find(number), true); }

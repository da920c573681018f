// On-disk format of the file system. guests/mkfs.py writes it too.
//
// [ superblock | bitmap | inodes … | data … | scratch ]   in blocks of 1 KiB
#pragma once
#include "types.h"

#define BSIZE 1024
#define FSMAGIC 0x7366626c6176ull  // "valbfs"
#define ROOTINO 1
#define NDIRECT 12
#define NINDIRECT (BSIZE / sizeof(u32))
#define MAXFILE (NDIRECT + NINDIRECT)

#define T_FREE 0
#define T_DIR 1
#define T_FILE 2

struct superblock {
  u64 magic;
  u32 nblocks;         // of the file system, without the scratch area
  u32 ninodes;
  u32 bitmap;          // block number: one block, a bit for each block
  u32 inodes;          // first block of inodes
  u32 scratch_sector;  // raw sectors that diskwrite may change
  u32 scratch_sectors;
};

struct dinode {
  u16 type;
  u16 nlink;
  u32 size;
  u32 addrs[NDIRECT + 1];  // the last one names the indirect block
  u32 unused;
};
#define INODES_PER_BLOCK (BSIZE / sizeof(struct dinode))

#define NAMELEN 14
struct dirent {
  u16 inum;  // 0: free slot
  char name[NAMELEN];
};

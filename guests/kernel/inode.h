// Inodes in memory.
#pragma once
#include "fs.h"

struct inode {
  u32 number;
  u32 users;        // 0: the slot is free
  struct dinode d;  // as on the disk
};

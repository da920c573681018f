// Open files.
#pragma once
#include "types.h"

struct file {
  enum { FILE_FREE, FILE_INODE, FILE_PIPE, FILE_CONSOLE } kind;
  u32 users;
  bool readable, writable;
  struct inode *ip;
  u64 offset;
  struct pipe *pipe;
};

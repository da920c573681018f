// Processes.
#pragma once
#include "arch/arch.h"
#include "param.h"

// What swtch saves: the registers that a C function must preserve.
struct context {
  u64 ra, sp, s[12];
};

// A range of user memory whose pages are filled in at their first use.
struct area {
  u64 start, end;  // start == end: unused
  u64 prot;
};
#define AREA_HEAP 0
#define AREA_STACK 1

enum proc_state { UNUSED, RUNNABLE, RUNNING, SLEEPING, ZOMBIE };

#define STACK_GUARD 0x6b63617473646e65ull  // overwritten by a stack that is too deep

struct proc {
  enum proc_state state;
  u32 pid;
  struct proc *parent;
  struct proc *next;           // in the run queue
  void *channel;               // what it sleeps on
  volatile bool killed;
  u64 status;                  // for the parent, once a zombie
  void *kernel_stack;          // one frame, with STACK_GUARD as its lowest word
  struct trapframe *tf;        // at its top
  struct context context;
  pte_t *root;
  struct area areas[NAREA];
  struct file *files[NOFILE];
  struct inode *cwd;
  char name[16];
};

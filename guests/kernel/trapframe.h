// Registers of interrupted code, as the entry code lays them out on the stack.
#pragma once

#define TF_EPC 256
#define TF_CAUSE 264
#define TF_TVAL 272
#define TF_STATUS 280
#define TF_SIZE 288

#ifdef __ASSEMBLER__
// Every register but sp (x2), which each entry code saves in its own way.
.macro FOR_EACH_SAVED op, base
  \op ra, 1*8(\base)
  \op gp, 3*8(\base)
  \op tp, 4*8(\base)
  \op t0, 5*8(\base)
  \op t1, 6*8(\base)
  \op t2, 7*8(\base)
  \op s0, 8*8(\base)
  \op s1, 9*8(\base)
  \op a0, 10*8(\base)
  \op a1, 11*8(\base)
  \op a2, 12*8(\base)
  \op a3, 13*8(\base)
  \op a4, 14*8(\base)
  \op a5, 15*8(\base)
  \op a6, 16*8(\base)
  \op a7, 17*8(\base)
  \op s2, 18*8(\base)
  \op s3, 19*8(\base)
  \op s4, 20*8(\base)
  \op s5, 21*8(\base)
  \op s6, 22*8(\base)
  \op s7, 23*8(\base)
  \op s8, 24*8(\base)
  \op s9, 25*8(\base)
  \op s10, 26*8(\base)
  \op s11, 27*8(\base)
  \op t3, 28*8(\base)
  \op t4, 29*8(\base)
  \op t5, 30*8(\base)
  \op t6, 31*8(\base)
.endm
#else
#include "types.h"

struct trapframe {
  u64 x[32];    // x[0] is not used
  u64 epc;
  u64 cause;    // as scause
  u64 tval;     // as stval
  u64 status;   // belongs to the porting layer
};

enum { RA = 1, SP = 2, A0 = 10, A1, A2, A3, A4, A5, A6, A7 };

#define CAUSE_INTERRUPT (1ull << 63)
#define CAUSE_TIMER (CAUSE_INTERRUPT | 5)
#define CAUSE_EXTERNAL (CAUSE_INTERRUPT | 9)
#define CAUSE_SYSCALL 8
#define CAUSE_FETCH_FAULT 12
#define CAUSE_LOAD_FAULT 13
#define CAUSE_STORE_FAULT 15
#endif

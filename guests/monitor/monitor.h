// A monitor for pv.elf in a few hundred lines, for testing that image under QEMU without
// vlab: it checks what the ABI asks of the guest and counts nothing.
//
// It runs in M-mode, so it needs no page tables of its own.
#pragma once
#include "abi.h"
#include "pte.h"
#include "types.h"

#define PAGE 4096ull
#define GUEST_BASE 0x80000000ull  // guest-physical
#define GUEST_FRAMES 8192ull
#define HOST_BASE 0x84000000ull   // where those frames are, in reverse order
#define PV_ELF 0x88000000ull      // put there by QEMU's loader devices
#define DISK 0x89000000ull
#define COMMAND_LINE 0x8a000000ull

#define csr_read(name) ({ u64 v_; asm volatile("csrr %0, " #name : "=r"(v_)); v_; })
#define csr_write(name, v) asm volatile("csrw " #name ", %0" ::"r"((u64)(v)) : "memory")
#define REG8(a) (*(volatile u8 *)(a))
#define REG32(a) (*(volatile u32 *)(a))
#define REG64(a) (*(volatile u64 *)(a))

extern u64 registers[32];
extern struct shared_page {
  struct shared_info info;
  u64 trap_cause, trap_epc, trap_tval, trap_user, trap_masked, trap_a7;
  u64 rest[242];
} page;
extern u64 p2m[GUEST_FRAMES], m2p[GUEST_FRAMES];

// monitor.c
void require(bool, const char *what);
void *host(u64 gpa);
void *guest_virtual(u64 va);

// boot.c
u64 load_guest(void);  // the entry point

// tables.c
enum { LEVEL0, LEVEL1, ROOT_KERNEL, ROOT_USER, PLAIN };
void tables_init(void);
void table_get(u64 frame, int type);
void table_put(u64 frame);
void table_update(u64 slot, u64 value);
bool is_root(u64 gpa, int type);

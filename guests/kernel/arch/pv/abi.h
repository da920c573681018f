// The paravirtual ABI (docs/architecture.md, "The paravirtual ABI"): what kernel and
// monitor have agreed on.
#pragma once

// ---- The shared page, at the top of the address space --------------------------
// Its second half is within reach of x0: the offsets that entry.S uses.
#define SHARED_INFO 0xfffffffffffff000
#define SHARED_MAGIC 0x31767062616c76
#define PENDING -2048
#define MASKED -2040
#define TRAP_CAUSE -2032
#define TRAP_EPC -2024
#define TRAP_TVAL -2016
#define TRAP_USER -2008
#define TRAP_MASKED -2000
#define TRAP_A7 -1992
#define KERNEL_STACK -1984  // from here on the kernel's own
#define SAVED_SP -1976

#define EVENT_TIMER 1
#define EVENT_CONSOLE 2
#define EVENT_BLOCK 4

// ---- Hypercalls: ecall in kernel mode, number in a7, arguments in a0... ---------
#define HC_SET_ENTRY 0    // (entry)
#define HC_IRET 1
#define HC_MMU_UPDATE 2   // (struct mmu_update *, count)
#define HC_MULTICALL 3    // (struct multicall *, count)
#define HC_PIN_ROOT 4     // (root, kind)
#define HC_UNPIN_ROOT 5   // (root, kind)
#define HC_SWITCH 6       // (kernel root, user root)
#define HC_TLB_FLUSH 7    // (address, or all ones)
#define HC_SET_TIMER 8    // (time)
#define HC_BLOCK 9
#define HC_NOTIFY 10      // (ring)
#define HC_SHUTDOWN 11    // (code)
#define HC_CONSOLE 12     // (text, length)
#define HC_DELIVER 13
#define HC_SETUP_RING 14  // (ring, page)

#define USER_ROOT 1
#define EVERYTHING (~0ull)
#define RING_CONSOLE 1
#define RING_BLOCK 2

#ifndef __ASSEMBLER__
#include "pte.h"
#include "types.h"

struct shared_info {
  u64 magic;
  u64 ram_base, ram_size;
  u64 kernel_root;
  u64 first_free;
  pte_t *identity;    // the entry that maps guest frame i in the kernel
  const u64 *p2m;     // machine frame number of guest frame i
  const u64 *m2p;     // guest frame number of machine frame m2p_base + i
  u64 m2p_base;
  u64 timebase;
  u64 unused[22];
  char cmdline[1024];
  u64 unused2[96];
  volatile u64 pending;
  volatile u64 masked;
};
_Static_assert(offsetof(struct shared_info, cmdline) == 256, "offset");
_Static_assert(offsetof(struct shared_info, pending) == 4096 + PENDING, "offset");
_Static_assert(offsetof(struct shared_info, masked) == 4096 + MASKED, "offset");
#define SHARED ((struct shared_info *)SHARED_INFO)

struct mmu_update {
  pte_t *slot;
  u64 value;  // with a machine frame number
};

struct multicall {
  u64 op, args[4];
  i64 result;
};

// The rings: indices run freely, modulo the number of elements.
struct console_ring {
  volatile u32 out_prod, out_cons, in_prod, in_cons;
  u32 unused[12];
  volatile char out[2048];
  volatile char in[1024];
};

struct block_ring {
  volatile u32 req_prod, rsp_prod;
  u32 unused[14];
  struct block_request {
    u64 sector;
    u64 buffer;
    u32 count;
    u32 write;
    u32 disk;
    volatile u32 status;
    u64 unused[4];
  } slots[32];
};

_Static_assert(offsetof(struct console_ring, in) == 2112, "offset");
_Static_assert(sizeof(struct block_request) == 64, "offset");

static inline i64 hypercall(u64 number, u64 arg0, u64 arg1) {
  register u64 a0 asm("a0") = arg0;
  register u64 a1 asm("a1") = arg1;
  register u64 a7 asm("a7") = number;
  asm volatile("ecall" : "+r"(a0) : "r"(a1), "r"(a7) : "memory");
  return a0;
}
#endif

// Native: the kernel's address space and the page-table operations that are more
// than a store.
//
// The kernel needs two gigapages, identity-mapped: devices (root entry 0) and RAM
// (entry 2). Every process's root has them too, so that traps change no satp.
#include "kernel.h"
#include "native.h"

#define SATP_SV39 (8ull << 60)
#define DEVICES 0
#define RAM 2
#define GIGAPAGE(i) PA_TO_PTE((u64)(i) << 30)

static pte_t kernel_root[512] __attribute__((aligned(4096)));

void paging_init(void) {
  u64 ram_max = (u64)(RAM + 1) << 30;
  if (machine.ram_end > ram_max)
    machine.ram_end = ram_max;
  kernel_root[DEVICES] = GIGAPAGE(DEVICES) | PTE_V | PTE_R | PTE_W | PTE_G | PTE_A | PTE_D;
  kernel_root[RAM] = GIGAPAGE(RAM) | PTE_V | PTE_R | PTE_W | PTE_X | PTE_G | PTE_A | PTE_D;
  pt_switch(kernel_root);
}

void pt_table_new(pte_t *table) { (void)table; }
void pt_table_free(pte_t *table) { (void)table; }

void pt_root_new(pte_t *root) {
  root[DEVICES] = kernel_root[DEVICES];
  root[RAM] = kernel_root[RAM];
}

void pt_root_free(pte_t *root) { (void)root; }

void pt_switch(pte_t *root) {
  csr_write(satp, SATP_SV39 | (u64)root >> 12);
  tlb_flush_user();
}

void tlb_flush_page(u64 va) { asm volatile("sfence.vma %0, %1" ::"r"(va), "r"(0ull) : "memory"); }

// ASID 0, which is everybody's; naming it spares the kernel's global entries.
void tlb_flush_user(void) { asm volatile("sfence.vma zero, %0" ::"r"(0ull) : "memory"); }

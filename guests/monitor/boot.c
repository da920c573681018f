// Loads pv.elf and builds the tables that it starts with.
#include "elf.h"
#include "monitor.h"

#define LEAF (PTE_V | PTE_R | PTE_X | PTE_U | PTE_A)
#define WRITABLE (PTE_W | PTE_D)
#define P2M 0xfffffffffe000000ull
#define M2P 0xfffffffffc000000ull
#define TIMEBASE 10000000
#define LEAF_TABLES (GUEST_FRAMES / 512)

struct shared_page page __attribute__((aligned(4096)));
u64 p2m[GUEST_FRAMES] __attribute__((aligned(4096)));
u64 m2p[GUEST_FRAMES] __attribute__((aligned(4096)));
static u64 monitor_level1[512] __attribute__((aligned(4096)));
static u64 monitor_level0[3][512] __attribute__((aligned(4096)));

static u64 load_elf(u64 *end) {
  struct elf_header *h = (void *)PV_ELF;
  struct elf_segment *s = (void *)(PV_ELF + h->phoff);
  require(h->magic == ELF_MAGIC, "no ELF");
  for (int i = 0; i < h->phnum; i++, s++) {
    if (s->type != PT_LOAD)
      continue;
    for (u64 j = 0; j < s->filesz; j++)
      *(u8 *)host(s->vaddr + j) = *(u8 *)(PV_ELF + s->offset + j);
    *end = (s->vaddr + s->memsz + PAGE - 1) & ~(PAGE - 1);
  }
  return h->entry;
}

static void map(int table, u64 va, void *memory, u64 size, u64 flags) {
  u64 *level0 = monitor_level0[table];
  monitor_level1[VPN(va, 1)] = PA_TO_PTE(level0) | PTE_V;
  for (u64 at = 0; at < size; at += PAGE)
    level0[VPN(va + at, 0)] = PA_TO_PTE((u64)memory + at) | flags;
}

u64 load_guest(void) {
  for (u64 i = 0; i < GUEST_FRAMES; i++) {
    u64 frame = HOST_BASE / PAGE + GUEST_FRAMES - 1 - i;
    p2m[i] = frame;
    m2p[frame - HOST_BASE / PAGE] = GUEST_BASE / PAGE + i;
  }
  u64 end, entry = load_elf(&end);
  u64 root = end, level1 = end + PAGE, identity = end + 2 * PAGE;
  u64 first_free = identity + LEAF_TABLES * PAGE;

  for (u64 i = 0; i < GUEST_FRAMES; i++) {
    u64 gpa = GUEST_BASE + i * PAGE;
    bool table = root <= gpa && gpa < first_free;
    *(u64 *)host(identity + 8 * i) = p2m[i] << PTE_FRAME_SHIFT | LEAF | (table ? 0 : WRITABLE);
  }
  for (u64 i = 0; i < LEAF_TABLES; i++)
    *(u64 *)host(level1 + 8 * i) = PA_TO_PTE(host(identity + i * PAGE)) | PTE_V;
  *(u64 *)host(root + 8 * VPN(GUEST_BASE, 2)) = PA_TO_PTE(host(level1)) | PTE_V;
  *(u64 *)host(root + 8 * 511) = PA_TO_PTE(monitor_level1) | PTE_V;
  map(0, SHARED_INFO, &page, PAGE, LEAF | WRITABLE);
  map(1, P2M, p2m, sizeof p2m, LEAF);
  map(2, M2P, m2p, sizeof m2p, LEAF);

  struct shared_info *info = &page.info;
  info->magic = SHARED_MAGIC;
  info->ram_base = GUEST_BASE;
  info->ram_size = GUEST_FRAMES * PAGE;
  info->kernel_root = root;
  info->first_free = first_free;
  info->identity = (pte_t *)identity;
  info->p2m = (u64 *)P2M;
  info->m2p = (u64 *)M2P;
  info->m2p_base = HOST_BASE / PAGE;
  info->timebase = TIMEBASE;
  info->masked = 1;
  tables_init();
  table_get((root - GUEST_BASE) / PAGE, ROOT_KERNEL);
  for (int i = 0; i < 1023; i++)
    info->cmdline[i] = REG8(COMMAND_LINE + i);
  return entry;
}

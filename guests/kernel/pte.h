// Sv39 page-table entries (RISC-V privileged specification, section "Sv39").
// The frame in an entry is guest-physical wherever shared code sees it.
#pragma once
#include "types.h"

typedef u64 pte_t;

#define PTE_V (1ull << 0)
#define PTE_R (1ull << 1)
#define PTE_W (1ull << 2)
#define PTE_X (1ull << 3)
#define PTE_U (1ull << 4)
#define PTE_G (1ull << 5)
#define PTE_A (1ull << 6)
#define PTE_D (1ull << 7)
#define PTE_FLAGS 0x3ffull

#define PTE_FRAME_SHIFT 10
#define PA_TO_PTE(pa) (((u64)(pa) >> 12) << PTE_FRAME_SHIFT)
#define PTE_TO_PA(pte) (((pte) >> PTE_FRAME_SHIFT) << 12)

#define VPN(va, level) (((u64)(va) >> (12 + 9 * (level))) & 511)

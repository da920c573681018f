// Native: the inline part of the porting layer.
#pragma once
#include "../arch.h"

#define SSTATUS_SIE 0x2ull
#define SSTATUS_SPIE 0x20ull
#define SSTATUS_SPP 0x100ull
#define SIE_TIMER (1ull << 5)
#define SIE_EXTERNAL (1ull << 9)

#define csr_read(name) ({ u64 v_; asm volatile("csrr %0, " #name : "=r"(v_)); v_; })
#define csr_write(name, v) asm volatile("csrw " #name ", %0" ::"r"((u64)(v)) : "memory")

static inline void intr_on(void) { asm volatile("csrsi sstatus, 2" ::: "memory"); }
static inline void intr_off(void) { asm volatile("csrci sstatus, 2" ::: "memory"); }
static inline bool intr_enabled(void) { return csr_read(sstatus) & SSTATUS_SIE; }

static inline bool trap_from_user(struct trapframe *tf) { return !(tf->status & SSTATUS_SPP); }

static inline pte_t pt_get(pte_t *slot) { return *slot; }
static inline void pt_set(pte_t *slot, pte_t pte) { *slot = pte; }
static inline void pt_commit(void) {}

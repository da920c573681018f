// Paravirtual: the inline part of the porting layer.
#pragma once
#include "../arch.h"
#include "abi.h"

// The interrupt flag is a word of memory: no trap unless something waited for it.
static inline void intr_on(void) {
  SHARED->masked = 0;
  if (SHARED->pending)
    hypercall(HC_DELIVER, 0, 0);
}
static inline void intr_off(void) { SHARED->masked = 1; }
static inline bool intr_enabled(void) { return !SHARED->masked; }

// tf->status: bit 0 from user mode, bit 1 interrupts were off.
static inline bool trap_from_user(struct trapframe *tf) { return tf->status & 1; }

// Hypercalls that can wait (queue.c).
extern u64 queue_slots;  // a bit, by queue_hash, for each slot with an update in the queue
static inline u64 queue_hash(pte_t *slot) {
  return 1ull << (((u64)slot >> 3 ^ (u64)slot >> 9) & 63);
}
void queue_init(void);
void queue_update(pte_t *slot, u64 value);
void queue_call(u64 op, u64 arg0, u64 arg1);
void queue_flush(u64 va);
void queue_flush_now(void);
bool queue_find(pte_t *slot, u64 *value);

// Tables hold machine frames; the kernel sees guest frames. Most entries are 0.
pte_t pt_translate(pte_t *slot);
static inline pte_t pt_get(pte_t *slot) {
  return *slot == 0 && !(queue_slots & queue_hash(slot)) ? 0 : pt_translate(slot);
}
void pt_set(pte_t *slot, pte_t pte);
void pt_commit(void);

// Paravirtual: page tables. The hardware walks the guest's own tables, so they hold
// machine frames, and only the monitor writes them. The kernel reads them through its
// identity map, in which a page that is a table must be read-only.
#include "kernel.h"

static u64 frame_index(void *page) { return ((u64)page - SHARED->ram_base) / PGSIZE; }

static u64 to_machine(pte_t pte) {
  if (!(pte & PTE_V))
    return pte;
  u64 machine_frame = SHARED->p2m[frame_index((void *)PTE_TO_PA(pte))];
  return machine_frame << PTE_FRAME_SHIFT | (pte & PTE_FLAGS);
}

static pte_t to_guest(u64 value) {
  if (!(value & PTE_V))
    return value;
  u64 guest_frame = SHARED->m2p[(value >> PTE_FRAME_SHIFT) - SHARED->m2p_base];
  return guest_frame << PTE_FRAME_SHIFT | (value & PTE_FLAGS);
}

pte_t pt_translate(pte_t *slot) {
  u64 value;
  return to_guest(queue_find(slot, &value) ? value : *slot);
}

void pt_set(pte_t *slot, pte_t pte) { queue_update(slot, to_machine(pte)); }

static void make_writable(void *page, bool writable) {
  pte_t *slot = &SHARED->identity[frame_index(page)];
  pte_t pte = pt_get(slot);
  pt_set(slot, writable ? pte | PTE_W | PTE_D : pte & ~(PTE_W | PTE_D));
}

void pt_table_new(pte_t *table) { make_writable(table, false); }
void pt_table_free(pte_t *table) { make_writable(table, true); }

void pt_root_new(pte_t *root) {
  make_writable(root, false);
  queue_call(HC_PIN_ROOT, (u64)root, USER_ROOT);
}

// The tables under the root stop being tables, too, as nothing else names them.
void pt_root_free(pte_t *root) {
  queue_call(HC_UNPIN_ROOT, (u64)root, USER_ROOT);
  make_writable(root, true);
}

void pt_switch(pte_t *root) {
  queue_flush_now();
  queue_call(HC_SWITCH, SHARED->kernel_root, (u64)root);
}

void tlb_flush_page(u64 va) { queue_flush(va); }
void tlb_flush_user(void) { queue_flush(EVERYTHING); }

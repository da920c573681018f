// Address spaces: three-level page tables (Sv39) and the pages they map.
#include "kernel.h"

#define USER_FIRST 4  // root-table entries of user memory
#define USER_LAST 255
#define FEW 16        // pages that are flushed one by one rather than all at once

static pte_t leaf(void *frame, u64 prot) {
  pte_t pte = PA_TO_PTE(frame) | PTE_V | PTE_U | PTE_A;
  if (prot & PROT_READ)
    pte |= PTE_R;
  if (prot & PROT_WRITE)
    pte |= PTE_W | PTE_D;
  if (prot & PROT_EXEC)
    pte |= PTE_X;
  return pte;
}

static void *frame_of(pte_t pte) { return (void *)PTE_TO_PA(pte); }

pte_t *vm_new(void) {
  pte_t *root = frame_alloc_zero();
  if (root)
    pt_root_new(root);
  return root;
}

// The entry that maps va; 0 if there is no table for it.
pte_t *vm_slot(pte_t *root, u64 va, bool create) {
  pte_t *table = root;
  for (int level = 2; level > 0; level--) {
    pte_t *slot = &table[VPN(va, level)];
    pte_t pte = pt_get(slot);
    if (pte & PTE_V) {
      table = frame_of(pte);
      continue;
    }
    table = create ? frame_alloc_zero() : 0;
    if (!table)
      return 0;
    pt_table_new(table);
    pt_set(slot, PA_TO_PTE(table) | PTE_V);
  }
  return &table[VPN(va, 0)];
}

bool vm_map(pte_t *root, u64 va, void *frame, u64 prot) {
  pte_t *slot = vm_slot(root, va, true);
  if (slot)
    pt_set(slot, leaf(frame, prot));
  return slot != 0;
}

// Whether eight entries are empty: most are, and zeros look the same on any machine.
static bool all_empty(pte_t *e) {
  return (e[0] | e[1] | e[2] | e[3] | e[4] | e[5] | e[6] | e[7]) == 0;
}

static void free_entries(pte_t *table, int first, int end, int level);

static void free_table(pte_t *table, int level) {
  free_entries(table, 0, 512, level);
  pt_table_free(table);
  frame_free(table);
}

static void free_entries(pte_t *table, int first, int end, int level) {
  for (int i = first; i < end; i++) {
    if (i % 8 == 0 && all_empty(&table[i])) {
      i += 7;
      continue;
    }
    pte_t pte = pt_get(&table[i]);
    if (!(pte & PTE_V))
      continue;
    if (level > 0)
      free_table(frame_of(pte), level - 1);
    else
      frame_free(frame_of(pte));
  }
}

// Frees an address space that is not in use, with its pages.
void vm_free(pte_t *root) {
  pt_commit();
  pt_root_free(root);
  free_entries(root, USER_FIRST, USER_LAST + 1, 2);
  frame_free(root);
  pt_commit();
}

// The next page from va on that is mapped, with its entry in *slot; end if none is.
static u64 next_mapped(pte_t *root, u64 va, u64 end, pte_t **slot) {
  while (va < end) {
    *slot = vm_slot(root, va, false);
    if (!*slot)
      va = (va | (512 * PGSIZE - 1)) + 1;  // no table: nothing in these 2 MiB
    else if (pt_get(*slot) & PTE_V)
      return va;
    else
      va += PGSIZE;
  }
  return end;
}

#define for_each_mapped(root, va, start, end, slot)            \
  for (u64 va = next_mapped(root, start, end, &slot); va < end; \
       va = next_mapped(root, va + PGSIZE, end, &slot))

static void flush(u64 va, u64 start, u64 end) {
  if (end - start <= FEW * PGSIZE)
    tlb_flush_page(va);
}

static void flush_rest(u64 start, u64 end) {
  if (end - start > FEW * PGSIZE)
    tlb_flush_user();
}

// vm_unmap and vm_protect are for the running process: they flush its TLB.
void vm_unmap(pte_t *root, u64 start, u64 end) {
  pte_t *slot;
  for_each_mapped(root, va, start, end, slot) {
    void *frame = frame_of(pt_get(slot));
    pt_set(slot, 0);
    flush(va, start, end);
    frame_free(frame);
  }
  flush_rest(start, end);
}

// A frame that others use stays read-only; page_fault copies it when it is written.
void vm_protect(pte_t *root, u64 start, u64 end, u64 prot) {
  pte_t *slot;
  for_each_mapped(root, va, start, end, slot) {
    void *frame = frame_of(pt_get(slot));
    pt_set(slot, leaf(frame, frame_count(frame) == 1 ? prot : prot & ~PROT_WRITE));
    flush(va, start, end);
  }
  flush_rest(start, end);
}

// Both address spaces then share the frames, read-only, until one of them writes.
// The caller flushes the TLB.
bool vm_copy(pte_t *from, pte_t *to, u64 start, u64 end) {
  pte_t *slot;
  for_each_mapped(from, va, start, end, slot) {
    pte_t *copy = vm_slot(to, va, true);
    if (!copy)
      return false;
    pte_t pte = pt_get(slot);
    if (pte & PTE_W) {
      pte &= ~(PTE_W | PTE_D);
      pt_set(slot, pte);
    }
    pt_set(copy, pte);
    frame_share(frame_of(pte));
  }
  return true;
}

// Areas: which user addresses are valid, and how. Pages come at the first fault.
#include "kernel.h"

struct area *area_find(struct proc *p, u64 va) {
  for (struct area *a = p->areas; a < p->areas + NAREA; a++)
    if (a->start <= va && va < a->end)
      return a;
  return 0;
}

struct area *area_add(struct proc *p, u64 start, u64 end, u64 prot) {
  for (struct area *a = p->areas + AREA_STACK + 1; a < p->areas + NAREA; a++)
    if (a->start == a->end) {
      *a = (struct area){start, end, prot};
      return a;
    }
  return 0;
}

// Makes `at` a boundary between areas.
static bool split(struct proc *p, u64 at) {
  struct area *a = area_find(p, at);
  if (!a || a->start == at)
    return true;
  if (!area_add(p, at, a->end, a->prot))
    return false;
  a->end = at;
  return true;
}

static struct area *overlapping(struct proc *p, u64 start, u64 end) {
  for (struct area *a = p->areas; a < p->areas + NAREA; a++)
    if (a->start < end && start < a->end)
      return a;
  return 0;
}

static bool valid_prot(u64 prot) {
  return (prot & PROT_READ) && !(prot & ~(u64)(PROT_READ | PROT_WRITE | PROT_EXEC));
}

// munmap and mprotect take only what mmap gives out.
static bool valid_range(u64 start, u64 length) {
  return start % PGSIZE == 0 && length > 0 && start >= MMAP_BASE && start < MMAP_END &&
         length <= MMAP_END - start;
}

i64 area_mmap(struct proc *p, u64 length, u64 prot) {
  bool populate = prot & MAP_POPULATE;
  prot &= ~(u64)MAP_POPULATE;
  if (length == 0 || length > MMAP_END - MMAP_BASE || !valid_prot(prot))
    return -1;
  length = PGUP(length);
  u64 start = MMAP_BASE;
  struct area *a;
  while ((a = overlapping(p, start, start + length)))
    start = a->end;
  if (start + length > MMAP_END || !area_add(p, start, start + length, prot))
    return -1;
  for (u64 va = start; populate && va < start + length; va += PGSIZE)
    if (!page_fault(p, va, PROT_READ)) {
      area_munmap(p, start, length);
      return -1;
    }
  return start;
}

i64 area_munmap(struct proc *p, u64 start, u64 length) {
  if (!valid_range(start, length))
    return -1;
  u64 end = start + PGUP(length);
  if (!split(p, start) || !split(p, end))
    return -1;
  struct area *a;
  while ((a = overlapping(p, start, end)))
    a->start = a->end = 0;
  vm_unmap(p->root, start, end);
  return 0;
}

i64 area_mprotect(struct proc *p, u64 start, u64 length, u64 prot) {
  if (!valid_range(start, length) || !valid_prot(prot))
    return -1;
  u64 end = start + PGUP(length);
  if (!split(p, start) || !split(p, end))
    return -1;
  for (struct area *a = p->areas; a < p->areas + NAREA; a++)
    if (start <= a->start && a->end <= end && a->start < a->end)
      a->prot = prot;
  vm_protect(p->root, start, end, prot);
  return 0;
}

// Makes the page at va usable for `prot`: a zero-filled page at the first use, a copy
// at the first write to a page that fork shared. False: the process may not do that.
bool page_fault(struct proc *p, u64 va, u64 prot) {
  struct area *a = area_find(p, va);
  if (!a || (prot & ~a->prot))
    return false;
  va = PGDOWN(va);
  pte_t *slot = vm_slot(p->root, va, true);
  if (!slot)
    return false;
  pte_t pte = pt_get(slot);
  if (!(pte & PTE_V)) {
    void *frame = frame_alloc_zero();
    return frame && vm_map(p->root, va, frame, a->prot);
  }
  if ((prot & PROT_WRITE) && !(pte & PTE_W)) {
    void *shared = (void *)PTE_TO_PA(pte), *frame = shared;
    if (frame_count(shared) > 1) {
      if (!(frame = frame_alloc()))
        return false;
      memcpy(frame, shared, PGSIZE);
      frame_free(shared);
    }
    vm_map(p->root, va, frame, a->prot);
  }
  // Also for an entry that was in order: the TLB may remember that it was invalid.
  tlb_flush_page(va);
  return true;
}

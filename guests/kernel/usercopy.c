// Copying to and from the running process's memory. The kernel finds the pages by
// walking the tables itself, so it never touches memory through a user mapping.
#include "kernel.h"

// Where the kernel sees user address va; 0 if the process may not use it so.
static char *user_address(u64 va, u64 prot) {
  pte_t want = PTE_V | PTE_U | (prot & PROT_WRITE ? PTE_W : PTE_R);
  for (int tries = 0; tries < 2; tries++) {
    if (va < USER_BASE || va >= STACK_TOP)
      return 0;
    pte_t *slot = vm_slot(current->root, va, false);
    pte_t pte = slot ? pt_get(slot) : 0;
    if ((pte & want) == want)
      return (char *)PTE_TO_PA(pte) + va % PGSIZE;
    if (!page_fault(current, va, prot))
      return 0;
  }
  return 0;
}

static u64 rest_of_page(u64 va, u64 n) {
  u64 rest = PGSIZE - va % PGSIZE;
  return n < rest ? n : rest;
}

bool copyout(u64 to, const void *from, u64 n) {
  while (n > 0) {
    u64 m = rest_of_page(to, n);
    char *p = user_address(to, PROT_WRITE);
    if (!p)
      return false;
    memcpy(p, from, m);
    to += m, from = (const char *)from + m, n -= m;
  }
  return true;
}

bool copyin(void *to, u64 from, u64 n) {
  while (n > 0) {
    u64 m = rest_of_page(from, n);
    char *p = user_address(from, PROT_READ);
    if (!p)
      return false;
    memcpy(to, p, m);
    to = (char *)to + m, from += m, n -= m;
  }
  return true;
}

// A string of less than n bytes, whose length is the result, or -1.
i64 copyinstr(char *to, u64 from, u64 n) {
  for (u64 i = 0; i < n;) {
    char *p = user_address(from + i, PROT_READ);
    if (!p)
      return -1;
    for (u64 m = rest_of_page(from + i, n - i); m > 0; m--, i++)
      if ((to[i] = *p++) == 0)
        return i;
  }
  return -1;
}

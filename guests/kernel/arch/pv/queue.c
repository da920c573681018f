// Paravirtual: hypercalls that can wait are queued, and made in order by one multicall.
// Page-table updates that follow one another are one call of the queue.
//
// `batch=` on the command line is the number of updates that the queue holds; with 1
// each update is a hypercall of its own.
#include "kernel.h"

#define MAX_UPDATES 512
#define MAX_CALLS 32
#define BATCH_DEFAULT 32

static struct mmu_update updates[MAX_UPDATES];
static struct multicall calls[MAX_CALLS];
static u32 nupdates, ncalls, batch;
static u64 flush;      // an address whose translation is stale; EVERYTHING
static bool flush_due;

u64 queue_slots;

void queue_init(void) {
  batch = bootarg_number("batch", BATCH_DEFAULT);
  if (batch < 1)
    batch = 1;
  if (batch > MAX_UPDATES)
    batch = MAX_UPDATES;
}

static void make_calls(void) {
  if (ncalls == 1)
    calls[0].result = hypercall(calls[0].op, calls[0].args[0], calls[0].args[1]);
  else if (ncalls > 1 && hypercall(HC_MULTICALL, (u64)calls, ncalls) < 0)
    panic("the monitor refused a multicall");
  for (u32 i = 0; i < ncalls; i++)
    if (calls[i].result < 0)
      panic("the monitor refused a hypercall");
  nupdates = ncalls = 0;
  queue_slots = 0;
}

void queue_call(u64 op, u64 arg0, u64 arg1) {
  calls[ncalls++] = (struct multicall){.op = op, .args = {arg0, arg1}};
  if (ncalls == MAX_CALLS || batch == 1)
    make_calls();
}

void queue_update(pte_t *slot, u64 value) {
  updates[nupdates] = (struct mmu_update){slot, value};
  queue_slots |= queue_hash(slot);
  nupdates++;
  if (ncalls > 0 && calls[ncalls - 1].op == HC_MMU_UPDATE)
    calls[ncalls - 1].args[1]++;
  else
    queue_call(HC_MMU_UPDATE, (u64)&updates[nupdates - 1], 1);
  if (nupdates == batch)
    make_calls();
}

// A stale translation can wait until user code runs or the address space changes.
void queue_flush(u64 va) {
  flush = flush_due && flush != va ? EVERYTHING : va;
  flush_due = true;
}

void queue_flush_now(void) {
  if (flush_due)
    queue_call(HC_TLB_FLUSH, flush, 0);
  flush_due = false;
}

void pt_commit(void) {
  queue_flush_now();
  make_calls();
}

// The value that a slot will have, if it is in the queue.
bool queue_find(pte_t *slot, u64 *value) {
  if (!(queue_slots & queue_hash(slot)))
    return false;
  for (u32 i = nupdates; i-- > 0;)
    if (updates[i].slot == slot) {
      *value = updates[i].value;
      return true;
    }
  return false;
}

// Paravirtual: console and disks through rings that are shared with the monitor, with
// one doorbell for output and requests and one event for input and responses.
#include "kernel.h"

#define OUT_SIZE sizeof console->out
#define IN_SIZE sizeof console->in
#define SLOTS (sizeof block->slots / sizeof *block->slots)

static struct console_ring *console;
static struct block_ring *block;
static u32 seen;  // responses

void rings_init(void) {
  struct console_ring *page = frame_alloc_zero();
  block = frame_alloc_zero();
  if (!page || !block || hypercall(HC_SETUP_RING, RING_CONSOLE, (u64)page) < 0 ||
      hypercall(HC_SETUP_RING, RING_BLOCK, (u64)block) < 0)
    panic("no rings");
  console = page;
}

void console_output(const char *s, u64 n) {
  if (!console) {
    console_panic_output(s, n);
    return;
  }
  u64 intr = intr_save();
  while (n > 0) {
    u32 produced = console->out_prod;
    for (; n > 0 && produced - console->out_cons < OUT_SIZE; n--)
      console->out[produced++ % OUT_SIZE] = *s++;
    console->out_prod = produced;
    hypercall(HC_NOTIFY, RING_CONSOLE, 0);
  }
  intr_restore(intr);
}

void console_panic_output(const char *s, u64 n) { hypercall(HC_CONSOLE, (u64)s, n); }

static void console_event(void) {
  while (console->in_cons != console->in_prod) {
    char c = console->in[console->in_cons % IN_SIZE];
    console->in_cons++;
    console_input(c);
  }
}

bool disk_present(u32 disk) { return disk < NDISK; }

void disk_start(struct disk_request *r) {
  struct block_request *slot = &block->slots[block->req_prod % SLOTS];
  slot->sector = r->sector;
  slot->buffer = (u64)r->buf;
  slot->count = r->count;
  slot->write = r->write;
  slot->disk = r->disk;
  block->req_prod++;
  hypercall(HC_NOTIFY, RING_BLOCK, 0);
}

static void block_event(void) {
  while (seen != block->rsp_prod) {
    struct block_request *slot = &block->slots[seen++ % SLOTS];
    disk_finished(slot->disk, slot->status != 0);
  }
}

void external_interrupt(void) {
  __atomic_fetch_and(&SHARED->pending, ~(u64)(EVENT_CONSOLE | EVENT_BLOCK), __ATOMIC_RELAXED);
  console_event();
  block_event();
}

// Frames of physical memory. A frame in use has a count of its users (copy-on-write
// shares frames); a free one holds the index of the next free one in the same word.
// Frames that were never used are taken in order, so that booting need not visit them.
#include "kernel.h"

static u32 *words;
static u64 base;        // address of frame 0
static u32 nframes;
static u32 never_used;  // first of those
static u32 free_list;   // index + 1, 0: empty

static u32 index_of(void *frame) {
  u64 i = ((u64)frame - base) / PGSIZE;
  if ((u64)frame % PGSIZE || (u64)frame < base || i >= nframes)
    panic("not a frame");
  return i;
}

void frames_init(void) {
  words = (u32 *)machine.ram_free;
  u64 available = PGDOWN(machine.ram_end) - machine.ram_free;
  nframes = available / (PGSIZE + sizeof(u32));
  base = PGUP(machine.ram_free + nframes * sizeof(u32));
  nframes = (PGDOWN(machine.ram_end) - base) / PGSIZE;
}

void *frame_alloc(void) {
  u32 i;
  if (free_list) {
    i = free_list - 1;
    free_list = words[i];
  } else if (never_used < nframes) {
    i = never_used++;
  } else {
    return 0;
  }
  words[i] = 1;
  return (void *)(base + i * PGSIZE);
}

void *frame_alloc_zero(void) {
  void *frame = frame_alloc();
  return frame ? memset(frame, 0, PGSIZE) : 0;
}

void frame_share(void *frame) { words[index_of(frame)]++; }

void frame_free(void *frame) {
  u32 i = index_of(frame);
  if (--words[i] > 0)
    return;
  words[i] = free_list;
  free_list = i + 1;
}

u32 frame_count(void *frame) { return words[index_of(frame)]; }

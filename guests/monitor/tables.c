// Direct paging: a frame is a table of one kind or may be written, never both.
#include "monitor.h"

#define MONITOR_SLOT 511

static u8 type[GUEST_FRAMES];
static u32 users[GUEST_FRAMES];    // entries (and pins) that name it as a table
static u32 writable[GUEST_FRAMES]; // writable mappings

void tables_init(void) {
  for (u64 i = 0; i < GUEST_FRAMES; i++)
    type[i] = PLAIN;
}

static u64 guest_frame(u64 value) {
  u64 i = (value >> PTE_FRAME_SHIFT) - page.info.m2p_base;
  require(i < GUEST_FRAMES, "an entry names a foreign frame");
  return m2p[i] - GUEST_BASE / PAGE;
}

static int below(int t) { return t == LEVEL1 ? LEVEL0 : LEVEL1; }

static void entry_get(u64 value, int t) {
  if (!(value & PTE_V))
    return;
  u64 frame = guest_frame(value);
  if (t != LEVEL0) {
    require(!(value & (PTE_R | PTE_W | PTE_X | PTE_U)), "a leaf above level 0");
    table_get(frame, below(t));
    return;
  }
  require(value & PTE_U, "a leaf without U");
  require(value & (PTE_R | PTE_X), "not a leaf at level 0");
  require(!(value & PTE_W) || type[frame] == PLAIN, "a writable mapping of a table");
  if (value & PTE_W)
    writable[frame]++;
}

static void entry_put(u64 value, int t) {
  if (!(value & PTE_V))
    return;
  if (t != LEVEL0)
    table_put(guest_frame(value));
  else if (value & PTE_W)
    writable[guest_frame(value)]--;
}

static int entries(int t) { return t == ROOT_KERNEL ? MONITOR_SLOT : 512; }

void table_get(u64 frame, int t) {
  if (type[frame] == PLAIN) {
    require(writable[frame] == 0, "a table that is mapped writable");
    type[frame] = t;
    u64 *table = host(GUEST_BASE + frame * PAGE);
    for (int i = 0; i < entries(t); i++)
      entry_get(table[i], t);
  }
  require(type[frame] == t, "a table of another kind");
  users[frame]++;
}

void table_put(u64 frame) {
  if (--users[frame] > 0)
    return;
  u64 *table = host(GUEST_BASE + frame * PAGE);
  for (int i = 0; i < entries(type[frame]); i++)
    entry_put(table[i], type[frame]);
  type[frame] = PLAIN;
}

void table_update(u64 slot, u64 value) {
  u64 frame = (slot - GUEST_BASE) / PAGE;
  require(frame < GUEST_FRAMES && slot % 8 == 0, "an update outside guest memory");
  require(type[frame] != PLAIN, "an update of what is no table");
  require(type[frame] != ROOT_KERNEL, "an update of the kernel root");
  u64 *entry = host(slot), old = *entry;
  entry_get(value, type[frame]);
  *entry = value;
  entry_put(old, type[frame]);
}

bool is_root(u64 gpa, int t) {
  u64 frame = (gpa - GUEST_BASE) / PAGE;
  return gpa % PAGE == 0 && frame < GUEST_FRAMES && type[frame] == t;
}

// Native: a reader for the flattened device tree (Devicetree Specification 0.4,
// chapter 5). One pass over the structure block; a node is looked at when its
// properties end, that is at the next begin or end of a node.
#include "kernel.h"
#include "native.h"

#define FDT_MAGIC 0xd00dfeed
#define FDT_BEGIN_NODE 1
#define FDT_END_NODE 2
#define FDT_PROP 3
#define FDT_NOP 4

struct node {
  const char *compatible, *device_type;
  const u32 *reg;
  u32 compatible_len;
};

static u32 be32(const u32 *p) { return __builtin_bswap32(*p); }
static u64 be64(const u32 *p) { return (u64)be32(p) << 32 | be32(p + 1); }

static bool compatible(struct node *n, const char *name) {
  for (u32 i = 0; n->compatible && i < n->compatible_len; i += strlen(n->compatible + i) + 1)
    if (strcmp(n->compatible + i, name) == 0)
      return true;
  return false;
}

static void look_at(struct node *n, struct board *b) {
  if (n->device_type && n->reg && strcmp(n->device_type, "memory") == 0) {
    b->ram_base = be64(n->reg);
    b->ram_size = be64(n->reg + 2);
  }
  if (compatible(n, "ata-generic") && n->reg && be64(n->reg) == ATA)
    b->has_ata = true;
  if (compatible(n, "virtio,mmio") && n->reg && be64(n->reg) == VIRTIO)
    b->has_virtio = true;
  memset(n, 0, sizeof *n);
}

static void property(const char *name, const u32 *value, u32 len, struct node *n,
                     struct board *b) {
  if (strcmp(name, "compatible") == 0) {
    n->compatible = (const char *)value;
    n->compatible_len = len;
  } else if (strcmp(name, "device_type") == 0) {
    n->device_type = (const char *)value;
  } else if (strcmp(name, "reg") == 0 && len >= 16) {
    n->reg = value;
  } else if (strcmp(name, "timebase-frequency") == 0) {
    b->timebase = be32(value);
  } else if (strcmp(name, "bootargs") == 0) {
    b->bootargs = (const char *)value;
  }
}

bool fdt_read(const void *fdt, struct board *b) {
  const u32 *header = fdt;
  if (be32(header) != FDT_MAGIC)
    return false;
  const u32 *p = (const u32 *)((const char *)fdt + be32(header + 2));
  const char *strings = (const char *)fdt + be32(header + 3);
  struct node n = {0};
  for (;;) {
    switch (be32(p++)) {
    case FDT_BEGIN_NODE:
      look_at(&n, b);
      p += (strlen((const char *)p) + 4) / 4;
      break;
    case FDT_END_NODE:
      look_at(&n, b);
      break;
    case FDT_PROP: {
      u32 len = be32(p);
      property(strings + be32(p + 1), p + 2, len, &n, b);
      p += 2 + (len + 3) / 4;
      break;
    }
    case FDT_NOP:
      break;
    default:  // FDT_END
      return true;
    }
  }
}

// exec: a new address space from an ELF file.
#include "elf.h"
#include "inode.h"
#include "kernel.h"

struct image {
  pte_t *root;
  struct area areas[NAREA];
  u64 entry, end;
  int nareas;
};

static u64 prot_of(u32 flags) {
  return (flags & PF_R ? PROT_READ : 0) | (flags & PF_W ? PROT_WRITE : 0) |
         (flags & PF_X ? PROT_EXEC : 0);
}

// Pages with file contents are read now; the rest of the segment fills at page faults.
static bool load_segment(struct inode *ip, struct elf_segment *s, struct image *im) {
  u64 start = PGDOWN(s->vaddr), file_end = s->vaddr + s->filesz, end = s->vaddr + s->memsz;
  if (s->vaddr < USER_BASE || s->vaddr >= MMAP_BASE || s->memsz > MMAP_BASE - USER_BASE || s->filesz > s->memsz ||
      end > MMAP_BASE || start < im->end || im->nareas == NAREA)
    return false;
  for (u64 va = start; va < file_end; va += PGSIZE) {
    char *page = frame_alloc_zero();
    if (!page)
      return false;
    if (!vm_map(im->root, va, page, prot_of(s->flags))) {
      frame_free(page);
      return false;
    }
    u64 from = va > s->vaddr ? va : s->vaddr;
    u64 to = va + PGSIZE < file_end ? va + PGSIZE : file_end;
    if (inode_read(ip, page + (from - va), s->offset + (from - s->vaddr), to - from) !=
        (i64)(to - from))
      return false;
  }
  im->end = PGUP(end);
  im->areas[im->nareas++] = (struct area){start, im->end, prot_of(s->flags)};
  return true;
}

static bool load(const char *path, struct image *im) {
  struct elf_header h;
  struct inode *ip = path_inode(path);
  bool ok = ip && ip->d.type == T_FILE && inode_read(ip, &h, 0, sizeof h) == sizeof h &&
            h.magic == ELF_MAGIC && h.phentsize == sizeof(struct elf_segment);
  for (int i = 0; ok && i < h.phnum; i++) {
    struct elf_segment s;
    ok = inode_read(ip, &s, h.phoff + i * sizeof s, sizeof s) == sizeof s;
    if (ok && s.type == PT_LOAD && s.memsz > 0)
      ok = load_segment(ip, &s, im);
  }
  if (ip)
    inode_put(ip);
  im->entry = h.entry;
  return ok;
}

// Puts the strings and then argv on the top page of the stack; *sp is where argv is.
static i64 push_arguments(pte_t *root, char *const *argv, u64 *sp) {
  char *page = frame_alloc_zero();
  if (!page)
    return -1;
  if (!vm_map(root, STACK_TOP - PGSIZE, page, PROT_READ | PROT_WRITE)) {
    frame_free(page);
    return -1;
  }
  u64 pointers[MAXARG + 1], at = PGSIZE;
  i64 argc = 0;
  for (; argv[argc]; argc++) {
    u64 n = strlen(argv[argc]) + 1;
    at -= n;
    memcpy(page + at, argv[argc], n);
    pointers[argc] = STACK_TOP - PGSIZE + at;
  }
  pointers[argc] = 0;
  at = (at - sizeof(u64) * (argc + 1)) & ~15ull;
  memcpy(page + at, pointers, sizeof(u64) * (argc + 1));
  *sp = STACK_TOP - PGSIZE + at;
  return argc;
}

// Runs the program at `path` in the current process. Returns argc, which becomes the
// system call's result and so main's first argument; or -1, and nothing has changed.
i64 exec(const char *path, char *const *argv) {
  struct image im = {.root = vm_new(), .nareas = AREA_STACK + 1};
  if (!im.root)
    return -1;
  fs_lock();
  bool ok = load(path, &im);
  fs_unlock();
  u64 sp;
  i64 argc = ok ? push_arguments(im.root, argv, &sp) : -1;
  if (argc < 0) {
    vm_free(im.root);
    return -1;
  }
  im.areas[AREA_HEAP] = (struct area){im.end, im.end, PROT_READ | PROT_WRITE};
  im.areas[AREA_STACK] =
      (struct area){STACK_TOP - STACK_SIZE, STACK_TOP, PROT_READ | PROT_WRITE};
  const char *name = path;
  for (const char *s = path; *s; s++)
    if (*s == '/')
      name = s + 1;
  strlcpy(current->name, name, sizeof current->name);

  pte_t *old = current->root;
  current->root = im.root;
  memcpy(current->areas, im.areas, sizeof im.areas);
  pt_switch(im.root);
  vm_free(old);
  asm volatile("fence.i" ::: "memory");  // the program was written as data
  trap_init_user(current->tf, im.entry, sp);
  current->tf->x[A0] = argc;
  current->tf->x[A1] = sp;
  return argc;
}

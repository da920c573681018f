// Pipes. Only processes use them, and the kernel is not preempted: no locks.
#include "file.h"
#include "kernel.h"

#define SIZE 2048

struct pipe {
  u32 nread, nwritten;  // bytes so far
  bool has_reader, has_writer;
  char data[SIZE];
};

bool pipe_new(struct file **reader, struct file **writer) {
  struct pipe *p = frame_alloc_zero();
  *reader = file_alloc();
  *writer = file_alloc();
  if (!p || !*reader || !*writer) {
    if (p)
      frame_free(p);
    if (*reader)
      (*reader)->users = 0;
    if (*writer)
      (*writer)->users = 0;
    return false;
  }
  p->has_reader = p->has_writer = true;
  **reader = (struct file){.kind = FILE_PIPE, .users = 1, .readable = true, .pipe = p};
  **writer = (struct file){.kind = FILE_PIPE, .users = 1, .writable = true, .pipe = p};
  return true;
}

void pipe_close(struct pipe *p, bool writer) {
  if (writer)
    p->has_writer = false;
  else
    p->has_reader = false;
  wakeup(p);
  if (!p->has_reader && !p->has_writer)
    frame_free(p);
}

// Waits for at least one byte; 0 when no writer is left.
i64 pipe_read(struct pipe *p, u64 va, u64 n) {
  while (p->nread == p->nwritten && p->has_writer)
    if (!sleep_unless_killed(p))
      return -1;
  u64 done = 0;
  while (done < n && p->nread != p->nwritten) {
    u64 at = p->nread % SIZE, m = n - done;
    if (m > p->nwritten - p->nread)
      m = p->nwritten - p->nread;
    if (m > SIZE - at)
      m = SIZE - at;
    if (!copyout(va + done, p->data + at, m))
      return -1;
    p->nread += m;
    done += m;
  }
  wakeup(p);
  return done;
}

i64 pipe_write(struct pipe *p, u64 va, u64 n) {
  u64 done = 0;
  while (done < n) {
    if (!p->has_reader)
      return -1;
    u64 at = p->nwritten % SIZE, m = n - done;
    if (m > SIZE - (p->nwritten - p->nread))
      m = SIZE - (p->nwritten - p->nread);
    if (m > SIZE - at)
      m = SIZE - at;
    if (m == 0) {
      wakeup(p);
      if (!sleep_unless_killed(p))
        return -1;
      continue;
    }
    if (!copyin(p->data + at, va + done, m))
      return -1;
    p->nwritten += m;
    done += m;
  }
  wakeup(p);
  return done;
}

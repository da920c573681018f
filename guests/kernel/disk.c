// Requests to a disk wait in a queue; the porting layer serves the first one.
#include "kernel.h"

static struct disk_request *queue[NDISK];

// Called by drivers, with interrupts off, when the first request is served.
void disk_finished(u32 disk, bool failed) {
  struct disk_request *r = queue[disk];
  if (!r)
    return;
  queue[disk] = r->next;
  r->failed = failed;
  r->done = true;
  wakeup(r);
  if (queue[disk])
    disk_start(queue[disk]);
}

// Reads or writes `count` sectors and waits until that is done.
bool disk_transfer(u32 disk, u64 sector, void *buf, u32 count, bool write) {
  if (!disk_present(disk))
    return false;
  struct disk_request r = {
      .disk = disk, .sector = sector, .buf = buf, .count = count, .write = write};
  u64 intr = intr_save();
  struct disk_request **last = &queue[disk];
  while (*last)
    last = &(*last)->next;
  *last = &r;
  if (queue[disk] == &r)
    disk_start(&r);
  while (!r.done)
    sleep(&r);
  intr_restore(intr);
  return !r.failed;
}

// What the two disk workloads share: n sectors of the scratch area, in order and again
// from its start, `chunk` of them in a request.
#include "user.h"

#define MAX_SECTORS 128

static u64 buffer[MAX_SECTORS * SECTOR / sizeof(u64)];

static void transfer(u64 disk, struct diskinfo *info, u64 n, u64 chunk, bool write) {
  for (u64 done = 0, m; done < n; done += m) {
    u64 at = done % info->scratch_sectors;
    m = chunk;
    if (m > n - done)
      m = n - done;
    if (m > info->scratch_sectors - at)
      m = info->scratch_sectors - at;
    void *p = (char *)buffer + at * SECTOR;
    u64 sector = info->scratch_sector + at;
    if ((write ? diskwrite(disk, sector, p, m) : diskread(disk, sector, p, m)) < 0)
      error("disk error at sector %lu\n", sector);
  }
}

void disk_workload(const char *name, u64 disk, u64 n, u64 chunk, bool write) {
  struct diskinfo info;
  if (diskinfo(disk, &info) < 0)
    error("%s: there is no such disk\n", name);
  if (info.scratch_sectors > MAX_SECTORS)
    info.scratch_sectors = MAX_SECTORS;
  for (u64 i = 0; i < sizeof buffer / sizeof *buffer; i++)
    buffer[i] = write ? mix(i, n) : 0;
  mark_begin();
  transfer(disk, &info, n, chunk, write);
  mark_end();
  if (write) {
    memset(buffer, 0, sizeof buffer);
    transfer(disk, &info, n, DISK_MAX_SECTORS, false);
  }
  u64 checksum = 0;
  for (u64 i = 0; i < sizeof buffer / sizeof *buffer; i++)
    checksum = mix(checksum, buffer[i]);
  finish(name, checksum);
}

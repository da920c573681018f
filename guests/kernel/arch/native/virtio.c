// Native: virtio-blk on virtio-mmio (Virtual I/O Device specification 1.1, sections
// 4.2 and 5.2), one request of three descriptors in flight.
#include "kernel.h"
#include "native.h"

#define MAGIC REG32(VIRTIO + 0x000)
#define VERSION REG32(VIRTIO + 0x004)
#define DEVICE_ID REG32(VIRTIO + 0x008)
#define DRIVER_FEATURES REG32(VIRTIO + 0x020)
#define DRIVER_FEATURES_SEL REG32(VIRTIO + 0x024)
#define QUEUE_SEL REG32(VIRTIO + 0x030)
#define QUEUE_NUM_MAX REG32(VIRTIO + 0x034)
#define QUEUE_NUM REG32(VIRTIO + 0x038)
#define QUEUE_READY REG32(VIRTIO + 0x044)
#define QUEUE_NOTIFY REG32(VIRTIO + 0x050)
#define INTERRUPT_STATUS REG32(VIRTIO + 0x060)
#define INTERRUPT_ACK REG32(VIRTIO + 0x064)
#define STATUS REG32(VIRTIO + 0x070)
#define QUEUE_DESC 0x080  // each a pair of 32-bit registers
#define QUEUE_DRIVER 0x090
#define QUEUE_DEVICE 0x0a0

#define MAGIC_VALUE 0x74726976
#define BLOCK_DEVICE 2
#define ACKNOWLEDGE 1
#define DRIVER 2
#define DRIVER_OK 4
#define FEATURES_OK 8
#define FEATURE_VERSION_1 1  // bit 32

#define QUEUE_SIZE 4
#define DESC_NEXT 1
#define DESC_WRITE 2  // the device writes
#define BLK_IN 0
#define BLK_OUT 1

struct descriptor {
  u64 addr;
  u32 len;
  u16 flags, next;
};

static struct {
  struct descriptor desc[QUEUE_SIZE];
  struct {
    u16 flags, idx, ring[QUEUE_SIZE];
  } avail;
  _Alignas(4) struct {
    u16 flags;
    volatile u16 idx;
    struct {
      u32 id, len;
    } ring[QUEUE_SIZE];
  } used;
} queue __attribute__((aligned(16)));

static struct {
  u32 type, reserved;
  u64 sector;
} header;
static u8 status;
static u16 seen;  // used.idx up to which requests were finished

static void set_address(u64 reg, void *p) {
  REG32(VIRTIO + reg) = (u64)p;
  REG32(VIRTIO + reg + 4) = (u64)p >> 32;
}

bool virtio_init(void) {
  if (MAGIC != MAGIC_VALUE || VERSION != 2 || DEVICE_ID != BLOCK_DEVICE)
    return false;
  STATUS = 0;
  STATUS = ACKNOWLEDGE;
  STATUS = ACKNOWLEDGE | DRIVER;
  DRIVER_FEATURES_SEL = 0;
  DRIVER_FEATURES = 0;
  DRIVER_FEATURES_SEL = 1;
  DRIVER_FEATURES = FEATURE_VERSION_1;
  STATUS = ACKNOWLEDGE | DRIVER | FEATURES_OK;
  QUEUE_SEL = 0;
  if (!(STATUS & FEATURES_OK) || QUEUE_NUM_MAX < QUEUE_SIZE)
    return false;
  QUEUE_NUM = QUEUE_SIZE;
  set_address(QUEUE_DESC, queue.desc);
  set_address(QUEUE_DRIVER, &queue.avail);
  set_address(QUEUE_DEVICE, &queue.used);
  QUEUE_READY = 1;
  STATUS = ACKNOWLEDGE | DRIVER | FEATURES_OK | DRIVER_OK;
  return true;
}

void virtio_start(struct disk_request *r) {
  header.type = r->write ? BLK_OUT : BLK_IN;
  header.sector = r->sector;
  queue.desc[0] = (struct descriptor){(u64)&header, sizeof header, DESC_NEXT, 1};
  queue.desc[1] = (struct descriptor){(u64)r->buf, r->count * SECTOR,
                                      r->write ? DESC_NEXT : DESC_NEXT | DESC_WRITE, 2};
  queue.desc[2] = (struct descriptor){(u64)&status, 1, DESC_WRITE, 0};
  queue.avail.ring[queue.avail.idx % QUEUE_SIZE] = 0;
  __sync_synchronize();  // the ring entry before the index, the index before the bell
  *(volatile u16 *)&queue.avail.idx += 1;
  __sync_synchronize();
  QUEUE_NOTIFY = 0;
}

void virtio_interrupt(void) {
  INTERRUPT_ACK = INTERRUPT_STATUS;
  __sync_synchronize();
  if (seen == queue.used.idx)
    return;
  seen = queue.used.idx;
  disk_finished(DISK_VIRTIO, *(volatile u8 *)&status != 0);
}

// Native: an ATA disk in PIO mode (ATA/ATAPI-6, 28-bit LBA). The disk interrupts
// for every sector, whose 256 words the processor then moves by itself.
#include "kernel.h"
#include "native.h"

#define DATA REG16(ATA + 0)
#define SECTOR_COUNT REG8(ATA + 2)
#define LBA_LOW REG8(ATA + 3)
#define LBA_MID REG8(ATA + 4)
#define LBA_HIGH REG8(ATA + 5)
#define DEVICE REG8(ATA + 6)
#define COMMAND REG8(ATA + 7)
#define STATUS REG8(ATA + 7)  // reading it withdraws the interrupt
#define ALT_STATUS REG8(ATA + 0x206)
#define CONTROL REG8(ATA + 0x206)

#define STATUS_ERROR 0x01
#define STATUS_DRQ 0x08
#define STATUS_FAULT 0x20
#define STATUS_BUSY 0x80
#define DEVICE_LBA 0xe0
#define READ_SECTORS 0x20
#define WRITE_SECTORS 0x30

static struct disk_request *request;
static u16 *next_word;
static u32 sectors_left;

bool ata_init(void) {
  CONTROL = 0;  // interrupts on
  return ALT_STATUS != 0xff;
}

static void read_sector(void) {
  for (int i = 0; i < SECTOR / 2; i++)
    *next_word++ = DATA;
}

static void write_sector(void) {
  for (int i = 0; i < SECTOR / 2; i++)
    DATA = *next_word++;
}

void ata_start(struct disk_request *r) {
  request = r;
  next_word = r->buf;
  sectors_left = r->count;
  DEVICE = DEVICE_LBA | (r->sector >> 24 & 0x0f);
  SECTOR_COUNT = r->count;
  LBA_LOW = r->sector;
  LBA_MID = r->sector >> 8;
  LBA_HIGH = r->sector >> 16;
  COMMAND = r->write ? WRITE_SECTORS : READ_SECTORS;
  if (r->write) {  // the first sector goes without an interrupt
    while ((ALT_STATUS & (STATUS_BUSY | STATUS_DRQ)) == STATUS_BUSY)
      ;
    if (ALT_STATUS & STATUS_DRQ)
      write_sector();
  }
}

void ata_interrupt(void) {
  u8 status = STATUS;
  if (!request)
    return;
  bool failed = status & (STATUS_ERROR | STATUS_FAULT);
  if (!failed) {
    if (!request->write)
      read_sector();
    if (--sectors_left > 0) {
      if (request->write)
        write_sector();
      return;
    }
  }
  request = 0;
  disk_finished(DISK_ATA, failed);
}

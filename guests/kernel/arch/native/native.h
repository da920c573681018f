// Native: what its files share.
#pragma once
#include "../arch.h"

// The virt board. Devices are identity-mapped by root-table entry 0.
#define FINISHER 0x00100000ull
#define PLIC 0x0c000000ull
#define UART 0x10000000ull
#define VIRTIO 0x10001000ull
#define ATA 0x10009000ull

#define IRQ_VIRTIO 1
#define IRQ_ATA 9
#define IRQ_UART 10

#define REG8(a) (*(volatile u8 *)(a))
#define REG16(a) (*(volatile u16 *)(a))
#define REG32(a) (*(volatile u32 *)(a))

// What the device tree says (fdt.c).
struct board {
  u64 ram_base, ram_size, timebase;
  bool has_ata, has_virtio;
  const char *bootargs;
};
bool fdt_read(const void *fdt, struct board *);

void paging_init(void);
void plic_init(u64 hart);
void uart_init(void);
void uart_interrupt(void);
bool ata_init(void);
void ata_interrupt(void);
void ata_start(struct disk_request *);
bool virtio_init(void);
void virtio_interrupt(void);
void virtio_start(struct disk_request *);

// Native: the platform-level interrupt controller. Context 2h+1 is the S-mode of
// hart h (SiFive FU540 manual, chapter 10).
#include "native.h"

#define PRIORITY(irq) (PLIC + 4 * (irq))
#define ENABLE(context) (PLIC + 0x2000 + 0x80 * (context))
#define THRESHOLD(context) (PLIC + 0x200000 + 0x1000 * (context))
#define CLAIM(context) (PLIC + 0x200004 + 0x1000 * (context))

static u64 context;

void plic_init(u64 hart) {
  context = 2 * hart + 1;
  REG32(PRIORITY(IRQ_VIRTIO)) = 1;
  REG32(PRIORITY(IRQ_ATA)) = 1;
  REG32(PRIORITY(IRQ_UART)) = 1;
  REG32(ENABLE(context)) = 1 << IRQ_VIRTIO | 1 << IRQ_ATA | 1 << IRQ_UART;
  REG32(THRESHOLD(context)) = 0;
}

void external_interrupt(void) {
  u32 irq = REG32(CLAIM(context));
  switch (irq) {
  case 0:
    return;
  case IRQ_UART:
    uart_interrupt();
    break;
  case IRQ_VIRTIO:
    virtio_interrupt();
    break;
  case IRQ_ATA:
    ata_interrupt();
    break;
  }
  REG32(CLAIM(context)) = irq;
}

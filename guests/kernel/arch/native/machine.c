// Native: early boot, timer, waiting, shutdown.
#include "kernel.h"
#include "native.h"

#define SBI_TIME 0x54494d45

struct machine machine;
static struct board board;
static u64 hart;

extern char __kernel_end[];
void trap_entry(void);

void machine_init(u64 a0, u64 a1) {
  hart = a0;
  csr_write(stvec, trap_entry);
  csr_write(sscratch, 0);
  if (!fdt_read((const void *)a1, &board))
    panic("no device tree");
  machine.ram_free = (u64)__kernel_end;
  machine.ram_end = board.ram_base + board.ram_size;
  machine.timebase = board.timebase;
  if (board.bootargs)
    strlcpy(machine.cmdline, board.bootargs, sizeof machine.cmdline);
  paging_init();
}

void devices_init(void) {
  plic_init(hart);
  uart_init();
  board.has_ata = board.has_ata && ata_init();
  board.has_virtio = board.has_virtio && virtio_init();
  csr_write(sie, SIE_TIMER | SIE_EXTERNAL);
}

bool disk_present(u32 disk) { return disk == DISK_ATA ? board.has_ata : board.has_virtio; }

void disk_start(struct disk_request *r) {
  if (r->disk == DISK_ATA)
    ata_start(r);
  else
    virtio_start(r);
}

void timer_set(u64 when) {
  register u64 a0 asm("a0") = when;
  register u64 a6 asm("a6") = 0;
  register u64 a7 asm("a7") = SBI_TIME;
  asm volatile("ecall" : "+r"(a0) : "r"(a6), "r"(a7) : "a1", "memory");
}

// wfi wakes up for an interrupt even while they are off, so none can be lost
// between the caller's check and the wait.
void intr_wait(void) {
  asm volatile("wfi" ::: "memory");
  intr_on();
  intr_off();
}

void trap_init_user(struct trapframe *tf, u64 pc, u64 sp) {
  memset(tf, 0, sizeof *tf);
  tf->epc = pc;
  tf->x[SP] = sp;
  tf->status = SSTATUS_SPIE;
}

// The test finisher: 0x5555 passes, (code << 16) | 0x3333 fails.
void machine_shutdown(int code) {
  intr_off();
  REG32(FINISHER) = code == 0 ? 0x5555 : (u32)code << 16 | 0x3333;
  for (;;)
    asm volatile("wfi");
}

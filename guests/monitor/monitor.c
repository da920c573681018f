// Traps, upcalls, hypercalls, and the two rings.
#include "monitor.h"

#define FINISHER 0x00100000
#define MTIMECMP 0x02004000
#define MTIME 0x0200bff8
#define UART 0x10000000
#define MIE_TIMER (1 << 7)
#define MSTATUS_MPP 0x1800
#define CAUSE_TIMER (1ull << 63 | 5)
#define CAUSE_EXTERNAL (1ull << 63 | 9)
#define CAUSE_ECALL 8
#define FAILED 99

enum { A0 = 10, A1 = 11, A7 = 17 };

static u64 entry, kernel_root, user_root;
static bool in_user;
static struct console_ring *console;
static struct block_ring *block;

void resume(void) __attribute__((noreturn));

static void put(char c) {
  while (!(REG8(UART + 5) & 0x20))
    ;
  REG8(UART) = c;
}

static void stop(u64 code) {
  REG32(FINISHER) = code ? (u32)code << 16 | 0x3333 : 0x5555;
  for (;;)
    ;
}

void require(bool condition, const char *what) {
  if (condition)
    return;
  for (const char *s = "monitor: "; *s; s++)
    put(*s);
  while (*what)
    put(*what++);
  put('\n');
  stop(FAILED);
}

void *host(u64 gpa) {
  u64 i = (gpa - GUEST_BASE) / PAGE;
  require(i < GUEST_FRAMES, "an address outside guest memory");
  return (void *)(p2m[i] * PAGE + gpa % PAGE);
}

// The kernel's pointers are identity-mapped, unless they point into the shared page.
void *guest_virtual(u64 va) { return va >= SHARED_INFO ? (char *)&page + va % PAGE : host(va); }

static void use_root(u64 gpa) {
  csr_write(satp, 8ull << 60 | (u64)host(gpa) / PAGE);
  asm volatile("sfence.vma" ::: "memory");
}

static void upcall(u64 cause, u64 tval) {
  page.trap_cause = cause;
  page.trap_epc = csr_read(mepc);
  page.trap_tval = tval;
  page.trap_user = in_user;
  page.trap_masked = page.info.masked;
  page.info.masked = 1;
  in_user = false;
  use_root(kernel_root);
  csr_write(mepc, entry);
}

static void deliver(void) {
  if (page.info.masked || !page.info.pending)
    return;
  upcall(page.info.pending & EVENT_TIMER ? CAUSE_TIMER : CAUSE_EXTERNAL, 0);
}

static void look_at_clock_and_keyboard(void) {
  if (REG64(MTIME) >= REG64(MTIMECMP)) {
    page.info.pending |= EVENT_TIMER;
    REG64(MTIMECMP) = ~0ull;
  }
  if (console && REG8(UART + 5) & 1) {
    console->in[console->in_prod % sizeof console->in] = REG8(UART);
    console->in_prod++;
    page.info.pending |= EVENT_CONSOLE;
  }
}

static void notify(u64 ring) {
  if (ring == RING_CONSOLE)
    for (; console->out_cons != console->out_prod; console->out_cons++)
      put(console->out[console->out_cons % sizeof console->out]);
  else
    for (; block->rsp_prod != block->req_prod; block->rsp_prod++) {
      struct block_request *r = &block->slots[block->rsp_prod % 32];
      char *sector = (char *)DISK + r->sector * 512, *buffer = host(r->buffer);
      require(r->buffer % PAGE + r->count * 512 <= PAGE, "a buffer that crosses a page");
      for (u32 i = 0; i < r->count * 512; i++)
        if (r->write)
          sector[i] = buffer[i];
        else
          buffer[i] = sector[i];
      r->status = 0;
      page.info.pending |= EVENT_BLOCK;
    }
}

static i64 call(u64 number, u64 *a) {
  switch (number) {
  case HC_SET_ENTRY:
    entry = a[0];
    return 0;
  case HC_MMU_UPDATE: {
    struct mmu_update *u = 0;
    for (u64 i = 0; i < a[1]; i++) {
      u = guest_virtual(a[0] + i * sizeof *u);
      table_update((u64)u->slot, u->value);
    }
    return a[1];
  }
  case HC_MULTICALL:
    for (u64 i = 0; i < a[1]; i++) {
      struct multicall *m = guest_virtual(a[0] + i * sizeof *m);
      require(m->op != HC_MULTICALL && m->op != HC_IRET, "a nested call");
      m->result = call(m->op, m->args);
    }
    return 0;
  case HC_PIN_ROOT:
    table_get((a[0] - GUEST_BASE) / PAGE, a[1] == USER_ROOT ? ROOT_USER : ROOT_KERNEL);
    return 0;
  case HC_UNPIN_ROOT:
    require(is_root(a[0], ROOT_USER) && a[0] != user_root, "unpinned what is no root, or in use");
    table_put((a[0] - GUEST_BASE) / PAGE);
    return 0;
  case HC_SWITCH:
    require(is_root(a[0], ROOT_KERNEL) && is_root(a[1], ROOT_USER), "a switch to no root");
    kernel_root = a[0];
    user_root = a[1];
    return 0;
  case HC_TLB_FLUSH:
    asm volatile("sfence.vma" ::: "memory");
    return 0;
  case HC_SET_TIMER:
    REG64(MTIMECMP) = a[0];
    return 0;
  case HC_BLOCK:
    page.info.masked = 0;
    while (!page.info.pending)
      look_at_clock_and_keyboard();
    return 0;
  case HC_NOTIFY:
    notify(a[0]);
    return 0;
  case HC_SHUTDOWN:
    stop(a[0]);
    return 0;
  case HC_CONSOLE:
    for (u64 i = 0; i < a[1]; i++)
      put(*(char *)guest_virtual(a[0] + i));
    return 0;
  case HC_DELIVER:
    return 0;
  case HC_SETUP_RING:
    if (a[0] == RING_CONSOLE)
      console = host(a[1]);
    else
      block = host(a[1]);
    return 0;
  }
  require(false, "an unknown hypercall");
  return -1;
}

static void return_from_upcall(void) {
  csr_write(mepc, page.trap_epc);
  in_user = page.trap_user;
  page.info.masked = page.trap_masked;
  registers[A7] = page.trap_a7;
  use_root(in_user ? user_root : kernel_root);
}

void trapped(u64 cause, u64 tval) {
  look_at_clock_and_keyboard();
  if (cause == CAUSE_ECALL && !in_user) {
    csr_write(mepc, csr_read(mepc) + 4);
    if (registers[A7] == HC_IRET)
      return_from_upcall();
    else
      registers[A0] = call(registers[A7], &registers[A0]);
  } else if (!(cause >> 63)) {
    upcall(cause, tval);
  }
  deliver();
}

void start_guest(void) {
  csr_write(mepc, load_guest());
  kernel_root = page.info.kernel_root;
  csr_write(pmpaddr0, ~0ull);
  csr_write(pmpcfg0, 0x1f);
  csr_write(mcounteren, 7);
  csr_write(scounteren, 7);
  csr_write(mstatus, csr_read(mstatus) & ~(u64)MSTATUS_MPP);
  csr_write(mie, MIE_TIMER);
  REG64(MTIMECMP) = ~0ull;
  use_root(kernel_root);
  resume();
}

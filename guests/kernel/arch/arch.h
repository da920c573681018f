// The porting layer: everything privileged or machine-specific is behind these
// functions. arch/native runs on the bare machine, arch/pv on a monitor's
// hypercalls. The rest of the kernel is the same in both images.
//
// The declarations in comments are for functions that one side has inline: each side
// declares them in its cpu.h.
#pragma once
#include "pte.h"
#include "trapframe.h"
#include "types.h"

// ---- The machine -------------------------------------------------------------
struct machine {
  u64 ram_free;   // first byte that the kernel image does not occupy
  u64 ram_end;
  u64 timebase;   // ticks of the time CSR in a second
  char cmdline[1024];
};
extern struct machine machine;

void machine_init(u64 a0, u64 a1);  // a0, a1 as at the entry point; fills `machine`
void devices_init(void);            // needs the frame allocator
void machine_shutdown(int code) __attribute__((noreturn));

// ---- Traps and interrupts ----------------------------------------------------
// The entry code saves all registers in a trap frame on the kernel stack and calls
// trap(frame) with interrupts off; when trap returns it resumes from the frame.
// Causes are numbered as in scause.
void trap(struct trapframe *);
void trap_return(void);                 // first code of a new process: resumes from
                                        // the frame that the stack pointer points to
void trap_init_user(struct trapframe *, u64 pc, u64 sp);
// bool trap_from_user(struct trapframe *);

// void intr_on(void);
// void intr_off(void);
// bool intr_enabled(void);
void intr_wait(void);                   // interrupts off; sleeps until one was handled
void external_interrupt(void);          // serves the devices that interrupted

void timer_set(u64 when);               // one interrupt at that time

// ---- Page tables ---------------------------------------------------------------
// pt_set may be delayed until pt_commit; pt_get always sees it.
// pte_t pt_get(pte_t *slot);
// void pt_set(pte_t *slot, pte_t pte);
// void pt_commit(void);                // before a page that was a table is written as
                                        // data (trap_return does it, too)
void pt_table_new(pte_t *table);        // a zeroed page becomes a page table …
void pt_table_free(pte_t *table);       // … and a plain page again
void pt_root_new(pte_t *root);          // the same for the root of an address space
void pt_root_free(pte_t *root);         // (frees no table under it)
void pt_switch(pte_t *root);            // user memory is now that of `root`
void tlb_flush_page(u64 va);            // after a present entry of this root changed
void tlb_flush_user(void);

// ---- Console -------------------------------------------------------------------
void console_output(const char *s, u64 n);
void console_panic_output(const char *s, u64 n);  // works at any time
void console_input(char c);             // kernel/console.c; called by the driver

// ---- Disks ---------------------------------------------------------------------
struct disk_request {
  struct disk_request *next;
  u32 disk;
  u32 count;          // sectors
  u64 sector;
  void *buf;          // kernel memory, does not cross a page
  bool write;
  volatile bool done;
  bool failed;
};
bool disk_present(u32 disk);
void disk_start(struct disk_request *);         // interrupts off; one at a time per disk
void disk_finished(u32 disk, bool failed);      // kernel/disk.c; called by the driver

#include "cpu.h"

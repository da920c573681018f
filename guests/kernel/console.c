// The console: output as it comes, input by lines with echo.
// ^H or DEL erases, ^U erases the line, ^D ends the input, ^C kills what runs.
#include "kernel.h"

#define SIZE 256
#define CTRL(c) ((c) - '@')
#define DEL 0x7f

// [r, w) can be read, [w, edit) is the line being typed; indices modulo SIZE.
static char input[SIZE];
static u32 r, w, edit;

static void erase(void) {
  edit--;
  console_output("\b \b", 3);
}

void console_input(char c) {
  switch (c) {
  case CTRL('C'):
    console_output("^C\n", 3);
    edit = w;
    proc_interrupt_all();
    return;
  case CTRL('U'):
    while (edit != w)
      erase();
    return;
  case CTRL('H'):
  case DEL:
    if (edit != w)
      erase();
    return;
  }
  if (edit - r == SIZE)
    return;
  if (c == '\r')
    c = '\n';
  if (c != CTRL('D'))
    console_output(&c, 1);
  input[edit++ % SIZE] = c;
  if (c == '\n' || c == CTRL('D') || edit - r == SIZE) {
    w = edit;
    wakeup(&r);
  }
}

// Up to a line.
i64 console_read(u64 va, u64 n) {
  u64 done = 0;
  u64 intr = intr_save();
  while (r == w)
    if (!sleep_unless_killed(&r)) {
      intr_restore(intr);
      return -1;
    }
  while (done < n && r != w) {
    char c = input[r++ % SIZE];
    if (c == CTRL('D')) {
      if (done > 0)
        r--;  // the next read returns 0
      break;
    }
    if (!copyout(va + done, &c, 1)) {
      intr_restore(intr);
      return -1;
    }
    done++;
    if (c == '\n')
      break;
  }
  intr_restore(intr);
  return done;
}

i64 console_write(u64 va, u64 n) {
  char chunk[128];
  for (u64 done = 0; done < n;) {
    u64 m = n - done < sizeof chunk ? n - done : sizeof chunk;
    if (!copyin(chunk, va + done, m))
      return -1;
    console_output(chunk, m);
    done += m;
  }
  return n;
}

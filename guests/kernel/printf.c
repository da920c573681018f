// The kernel's own messages: %s %c %d %u %x %lx %p.
#include "kernel.h"
#include <stdarg.h>

struct line {
  char text[128];
  u64 n;
  void (*output)(const char *, u64);
};

static void put(struct line *l, char c) {
  l->text[l->n++] = c;
  if (l->n == sizeof l->text) {
    l->output(l->text, l->n);
    l->n = 0;
  }
}

static void put_number(struct line *l, u64 v, u64 base) {
  char digits[20];
  int n = 0;
  do
    digits[n++] = "0123456789abcdef"[v % base];
  while ((v /= base) > 0);
  while (n > 0)
    put(l, digits[--n]);
}

static void format(struct line *l, const char *f, va_list args) {
  for (; *f; f++) {
    if (*f != '%') {
      put(l, *f);
      continue;
    }
    bool wide = *++f == 'l';
    if (wide)
      f++;
    switch (*f) {
    case 's':
      for (const char *s = va_arg(args, const char *); *s; s++)
        put(l, *s);
      break;
    case 'c':
      put(l, va_arg(args, int));
      break;
    case 'd': {
      i64 v = wide ? va_arg(args, i64) : va_arg(args, i32);
      if (v < 0)
        put(l, '-');
      put_number(l, v < 0 ? -v : v, 10);
      break;
    }
    case 'u':
      put_number(l, wide ? va_arg(args, u64) : va_arg(args, u32), 10);
      break;
    case 'x':
      put_number(l, wide ? va_arg(args, u64) : va_arg(args, u32), 16);
      break;
    case 'p':
      put_number(l, va_arg(args, u64), 16);
      break;
    default:
      put(l, *f);
    }
  }
}

void printf(const char *f, ...) {
  struct line l = {.n = 0, .output = console_output};
  va_list args;
  va_start(args, f);
  format(&l, f, args);
  va_end(args);
  console_output(l.text, l.n);
}

void panic(const char *message) {
  intr_off();
  console_panic_output("panic: ", 7);
  console_panic_output(message, strlen(message));
  console_panic_output("\n", 1);
  machine_shutdown(255);
}

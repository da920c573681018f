// Formatted output; one write for each call.
#include "user.h"
#include <stdarg.h>

struct line {
  i64 fd;
  u64 n;
  char text[256];
};

static void flush(struct line *l) {
  write(l->fd, l->text, l->n);
  l->n = 0;
}

static void put(struct line *l, char c) {
  l->text[l->n++] = c;
  if (l->n == sizeof l->text)
    flush(l);
}

static void put_number(struct line *l, u64 v, u64 base, bool negative, int width, char pad) {
  char digits[24];
  int n = 0;
  do
    digits[n++] = "0123456789abcdef"[v % base];
  while ((v /= base) > 0);
  if (negative)
    digits[n++] = '-';
  for (int i = n; i < width; i++)
    put(l, pad);
  while (n > 0)
    put(l, digits[--n]);
}

static void format(struct line *l, const char *f, va_list args) {
  for (; *f; f++) {
    if (*f != '%') {
      put(l, *f);
      continue;
    }
    char pad = *++f == '0' ? '0' : ' ';
    int width = 0;
    for (; *f >= '0' && *f <= '9'; f++)
      width = width * 10 + (*f - '0');
    bool wide = *f == 'l';
    if (wide)
      f++;
    if (*f == 's') {
      const char *s = va_arg(args, const char *);
      for (width -= strlen(s); *s; s++)
        put(l, *s);
      for (; width > 0; width--)
        put(l, ' ');
    } else if (*f == 'c') {
      put(l, va_arg(args, int));
    } else if (*f == 'd') {
      i64 v = wide ? va_arg(args, i64) : va_arg(args, i32);
      put_number(l, v < 0 ? -v : v, 10, v < 0, width, pad);
    } else if (*f == 'u' || *f == 'x') {
      u64 v = wide ? va_arg(args, u64) : va_arg(args, u32);
      put_number(l, v, *f == 'u' ? 10 : 16, false, width, pad);
    } else {
      put(l, *f);
    }
  }
}

void printf(const char *f, ...) {
  struct line l = {.fd = 1};
  va_list args;
  va_start(args, f);
  format(&l, f, args);
  va_end(args);
  flush(&l);
}

void error(const char *f, ...) {
  struct line l = {.fd = 2};
  va_list args;
  va_start(args, f);
  format(&l, f, args);
  va_end(args);
  flush(&l);
  exit(1);
}

// Memory and strings. Pages and blocks are whole lines of eight words, so lines are
// worth the trouble.
#include "kernel.h"

#define LINE 64
#define LINES_ONLY(a, b, n) ((((u64)(a) | (u64)(b)) & 7) == 0 && (n) % LINE == 0)

void *memset(void *to, int c, size_t n) {
  if (c == 0 && LINES_ONLY(to, 0, n)) {
    for (u64 *p = to, *end = p + n / 8; p < end; p += 8)
      p[0] = p[1] = p[2] = p[3] = p[4] = p[5] = p[6] = p[7] = 0;
  } else {
    for (char *p = to; n > 0; n--)
      *p++ = c;
  }
  return to;
}

void *memcpy(void *to, const void *from, size_t n) {
  if (LINES_ONLY(to, from, n)) {
    u64 *t = to;
    for (const u64 *f = from, *end = f + n / 8; f < end; t += 8, f += 8) {
      u64 a = f[0], b = f[1], c = f[2], d = f[3];
      t[0] = a, t[1] = b, t[2] = c, t[3] = d;
      a = f[4], b = f[5], c = f[6], d = f[7];
      t[4] = a, t[5] = b, t[6] = c, t[7] = d;
    }
  } else {
    char *t = to;
    for (const char *f = from; n > 0; n--)
      *t++ = *f++;
  }
  return to;
}

void *memmove(void *to, const void *from, size_t n) {
  if (to <= from || (char *)from + n <= (char *)to)
    return memcpy(to, from, n);
  char *t = to;
  while (n-- > 0)
    t[n] = ((const char *)from)[n];
  return to;
}

int memcmp(const void *a, const void *b, size_t n) {
  const u8 *p = a, *q = b;
  for (; n > 0; n--, p++, q++)
    if (*p != *q)
      return *p - *q;
  return 0;
}

size_t strlen(const char *s) {
  size_t n = 0;
  while (s[n])
    n++;
  return n;
}

int strncmp(const char *a, const char *b, size_t n) {
  for (; n > 0; n--, a++, b++)
    if (*a != *b || *a == 0)
      return (u8)*a - (u8)*b;
  return 0;
}

int strcmp(const char *a, const char *b) { return strncmp(a, b, ~0ull); }

void strlcpy(char *to, const char *from, size_t n) {
  while (n-- > 1 && *from)
    *to++ = *from++;
  *to = 0;
}

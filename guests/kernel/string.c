// Memory and strings. Pages and blocks are aligned, so words are worth the trouble.
#include "kernel.h"

#define ALIGNED(a, b, n) ((((u64)(a) | (u64)(b) | (n)) & 7) == 0)

void *memset(void *to, int c, size_t n) {
  if (c == 0 && ALIGNED(to, 0, n)) {
    for (u64 *p = to, *end = p + n / 8; p < end; p++)
      *p = 0;
  } else {
    for (char *p = to; n > 0; n--)
      *p++ = c;
  }
  return to;
}

void *memcpy(void *to, const void *from, size_t n) {
  if (ALIGNED(to, from, n)) {
    u64 *t = to;
    for (const u64 *f = from, *end = f + n / 8; f < end;)
      *t++ = *f++;
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

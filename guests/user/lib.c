// Memory, strings, numbers.
#include "user.h"

void *memset(void *to, int c, size_t n) {
  for (char *p = to; n > 0; n--)
    *p++ = c;
  return to;
}

void *memcpy(void *to, const void *from, size_t n) {
  char *t = to;
  for (const char *f = from; n > 0; n--)
    *t++ = *f++;
  return to;
}

void *memmove(void *to, const void *from, size_t n) {
  if ((u64)to - (u64)from >= n)
    return memcpy(to, from, n);
  for (char *t = to; n-- > 0;)
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

int strcmp(const char *a, const char *b) {
  while (*a && *a == *b)
    a++, b++;
  return (u8)*a - (u8)*b;
}

char *strchr(const char *s, char c) {
  for (; *s; s++)
    if (*s == c)
      return (char *)s;
  return 0;
}

void strlcpy(char *to, const char *from, size_t n) {
  while (n-- > 1 && *from)
    *to++ = *from++;
  *to = 0;
}

u64 number(const char *s) {
  u64 v = 0;
  for (; *s >= '0' && *s <= '9'; s++)
    v = v * 10 + (*s - '0');
  return v;
}

// Reads until n bytes or the end.
u64 read_full(i64 fd, void *to, u64 n) {
  u64 done = 0;
  while (done < n) {
    i64 got = read(fd, (char *)to + done, n - done);
    if (got <= 0)
      break;
    done += got;
  }
  return done;
}

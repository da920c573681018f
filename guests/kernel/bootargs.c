// The kernel command line: key=value words; `run=` and all that follows it is for
// init.
#include "kernel.h"

static const char *find(const char *key) {
  u64 n = strlen(key);
  for (const char *s = machine.cmdline; *s;) {
    while (*s == ' ')
      s++;
    if (strncmp(s, key, n) == 0 && s[n] == '=')
      return s + n + 1;
    if (strncmp(s, "run=", 4) == 0)
      break;
    while (*s && *s != ' ')
      s++;
  }
  return 0;
}

bool bootarg(const char *key, char *value, u64 n) {
  const char *s = find(key);
  if (!s)
    return false;
  while (n-- > 1 && *s && *s != ' ')
    *value++ = *s++;
  *value = 0;
  return true;
}

u64 bootarg_number(const char *key, u64 otherwise) {
  const char *s = find(key);
  if (!s || *s < '0' || *s > '9')
    return otherwise;
  u64 v = 0;
  while (*s >= '0' && *s <= '9')
    v = v * 10 + (*s++ - '0');
  return v;
}

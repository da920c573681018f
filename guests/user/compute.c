// Workload: arithmetic on integers in a small memory. n rounds.
#include "user.h"

#define SIZE 8
#define LIMIT 256

static u32 a[SIZE][SIZE], b[SIZE][SIZE];
static u8 composite[LIMIT];

static u32 multiply(u32 seed) {
  u32 sum = 0;
  for (int i = 0; i < SIZE; i++)
    for (int j = 0; j < SIZE; j++) {
      a[i][j] = seed + i * j;
      b[i][j] = seed ^ (i + j);
    }
  for (int i = 0; i < SIZE; i++)
    for (int j = 0; j < SIZE; j++) {
      u32 c = 0;
      for (int k = 0; k < SIZE; k++)
        c += a[i][k] * b[k][j];
      sum = sum * 31 + c;
    }
  return sum;
}

static u32 primes(u32 limit) {
  u32 n = 0;
  memset(composite, 0, sizeof composite);
  for (u32 i = 2; i < limit; i++) {
    if (composite[i])
      continue;
    n++;
    for (u32 j = i * i; j < limit; j += i)
      composite[j] = 1;
  }
  return n;
}

static u64 gcd(u64 x, u64 y) {
  while (y) {
    u64 r = x % y;
    x = y;
    y = r;
  }
  return x;
}

int main(int argc, char **argv) {
  u64 n = parameter(argc, argv, "n", 1000), checksum = 0;
  mark_begin();
  for (u64 i = 0; i < n; i++) {
    checksum = mix(checksum, multiply(checksum));
    checksum = mix(checksum, primes(LIMIT / 2 + i % (LIMIT / 2)));
    checksum = mix(checksum, gcd(checksum, i * i + 1));
  }
  mark_end();
  finish("compute", checksum);
}

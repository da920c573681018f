// In Dhrystone's spirit: records, strings, calls with parameters, assignments.
#include "bench.h"

typedef struct Record Record;
struct Record { Record *next; int kind, number; char name[32]; };
static Record first, second;
static int array[50], grid[50][50];
static int total;

#define APART __attribute__((noinline))

APART static int compare(const char *x, const char *y) {
  while (*x && *x == *y) x++, y++;
  return (uint8)*x - (uint8)*y;
}

APART static void copy(char *to, const char *from) {
  while ((*to++ = *from++)) {}
}

APART static int add(int x, int y) { return x + 2 + y; }

APART static void fill(int *line, int (*square)[50], int x, int y) {
  int at = x + 5;
  line[at] = y;
  line[at + 1] = line[at];
  line[at + 30] = at;
  for (int i = at; i <= at + 1; i++) square[at][i] = at;
  square[at][at - 1]++;
  square[at + 20][at] = line[at];
  total += 5;
}

APART static void follow(Record *from) {
  Record *to = from->next;
  *to = *from;
  to->number = add(from->number & 15, 10);
  to->kind = from->kind ? 0 : to->number > 12;
  to->next = from->next;
}

uint64 benchmark(void) {
  char x[32], y[32];
  uint64 sum = 0;
  first.next = &second;
  copy(first.name, "A RECORD OF THE FIRST KIND");
  copy(x, "A STRING OF NO IMPORTANCE, 1");
  for (int i = 0; i < 3000000 * SCALE; i++) {
    copy(y, i & 1 ? "A STRING OF NO IMPORTANCE, 2" : "A STRING OF NO IMPORTANCE, 1");
    first.kind = compare(x, y) < 0;
    first.number = add(i & 7, total & 3);
    fill(array, grid, i & 7, first.number);
    follow(&first);
    sum += second.number + second.kind + grid[i % 50][i % 13] + array[i % 50];
  }
  return sum;
}

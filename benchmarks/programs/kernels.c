// In CoreMark's spirit: sorted lists, matrices of 16-bit numbers, a scanner, and a CRC of it all.
#include "bench.h"

enum { NODES = 64, N = 12 };
typedef struct Node Node;
struct Node { Node *next; short key, data; };
static Node nodes[NODES];
static short a[N][N], b[N][N];
static int c[N][N];
static const char text[] = "12,-7,3.25,0x1F,1e9,abc,-.5e-3,77777,+4,9.,e,0,";

static uint16 crc(uint16 value, uint32 word) {
  for (int i = 0; i < 16; i++, word >>= 1)
    value = (value ^ word) & 1 ? value >> 1 ^ 0xA001 : value >> 1;
  return value;
}

static Node *merge_sort(Node *list) {
  for (int size = 1;; size *= 2) {
    Node *left = list, *tail = 0;
    int merges = 0;
    list = 0;
    while (left) {
      Node *right = left;
      int nl = 0, nr = size;
      merges++;
      while (nl < size && right) nl++, right = right->next;
      while (nl > 0 || (nr > 0 && right)) {
        Node *taken;
        if (nl > 0 && (nr == 0 || !right || left->key <= right->key))
          taken = left, left = left->next, nl--;
        else
          taken = right, right = right->next, nr--;
        if (tail) tail->next = taken; else list = taken;
        tail = taken;
      }
      left = right;
    }
    tail->next = 0;
    if (merges <= 1) return list;
  }
}

static uint16 lists(uint16 value) {
  for (int i = 0; i < NODES; i++) {
    nodes[i].key = (short)(crc(value, i * 7919) & 0x3FFF);
    nodes[i].data = (short)i;
    nodes[i].next = i + 1 < NODES ? &nodes[i + 1] : 0;
  }
  for (Node *n = merge_sort(nodes); n; n = n->next) value = crc(value, n->key ^ n->data << 8);
  return value;
}

static uint16 matrices(uint16 value) {
  for (int i = 0; i < N; i++)
    for (int j = 0; j < N; j++) a[i][j] = value + i * j, b[i][j] = value ^ (i + 3 * j);
  for (int i = 0; i < N; i++)
    for (int j = 0; j < N; j++) {
      int sum = 0;
      for (int k = 0; k < N; k++) sum += a[i][k] * b[k][j];
      c[i][j] = sum;
    }
  for (int i = 0; i < N; i++) value = crc(value, c[i][(i * 5) % N] >> 3);
  return value;
}

static uint16 scan(uint16 value) {
  enum { START, SIGN, DIGITS, POINT, EXPONENT, BAD } state = START;
  uint32 counts[6] = {0};
  for (const char *p = text; *p; p++) {
    char ch = *p;
    if (ch == ',') { counts[state]++; state = START; continue; }
    int digit = ch >= '0' && ch <= '9';
    switch (state) {
      case START: state = digit ? DIGITS : ch == '+' || ch == '-' ? SIGN : ch == '.' ? POINT : BAD; break;
      case SIGN: state = digit ? DIGITS : ch == '.' ? POINT : BAD; break;
      case DIGITS: state = digit ? DIGITS : ch == '.' ? POINT : ch == 'e' ? EXPONENT : BAD; break;
      case POINT: state = digit ? POINT : ch == 'e' ? EXPONENT : BAD; break;
      case EXPONENT: state = digit || ch == '-' ? EXPONENT : BAD; break;
      default: break;
    }
  }
  for (int i = 0; i < 6; i++) value = crc(value, counts[i] + i);
  return value;
}

uint64 benchmark(void) {
  uint16 value = 0x1D0F;
  for (int i = 0; i < 90000 * SCALE; i++) value = scan(matrices(lists(value)));
  return value;
}

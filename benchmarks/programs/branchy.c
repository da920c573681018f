// A little machine of states: a switch and branches that no predictor knows.
#include "bench.h"

__attribute__((noinline)) static uint64 turn(uint64 state, uint64 input) {
  switch (input & 7) {
    case 0: return state + 1;
    case 1: return state * 3;
    case 2: return state > 1000 ? state - 1000 : state + 7;
    case 3: return state & 1 ? state ^ input : state >> 1;
    case 4: return state << 1 | state >> 63;
    case 5: return state < input ? input : state - input;
    case 6: return ~state;
    default: return state + (input >> 8 & 255);
  }
}

uint64 benchmark(void) {
  uint64 seed = 88172645463325252UL, state = 1;
  for (uint64 i = 0; i < 60000000UL * SCALE; i++) state = turn(state, xorshift(&seed));
  return state;
}

// Native: the ns16550 UART. Output polls, input interrupts.
#include "native.h"

#define DATA REG8(UART + 0)  // receive and transmit
#define IER REG8(UART + 1)   // interrupt enable
#define FCR REG8(UART + 2)   // FIFO control
#define LCR REG8(UART + 3)   // line control
#define LSR REG8(UART + 5)   // line status

#define IER_RECEIVE 1
#define FCR_ENABLE_CLEAR 7
#define LCR_8N1 3
#define LSR_RECEIVED 1
#define LSR_IDLE 0x20

void uart_init(void) {
  LCR = LCR_8N1;
  FCR = FCR_ENABLE_CLEAR;
  IER = IER_RECEIVE;
}

void console_output(const char *s, u64 n) {
  for (u64 i = 0; i < n; i++) {
    while (!(LSR & LSR_IDLE))
      ;
    DATA = s[i];
  }
}

void console_panic_output(const char *s, u64 n) { console_output(s, n); }

void uart_interrupt(void) {
  while (LSR & LSR_RECEIVED)
    console_input(DATA);
}

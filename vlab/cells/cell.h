// What a cell in C may use; it is included by itself.
#pragma once
void print(const char *text);          // a text that ends with 0
void print_char(char c);
void print_number(long n);             // in decimal
void print_hex(unsigned long n);
void exit(int code) __attribute__((noreturn));

#define csr_read(name) ({ unsigned long v_; __asm__ volatile("csrr %0, " #name : "=r"(v_)); v_; })
#define csr_write(name, v) __asm__ volatile("csrw " #name ", %0" ::"r"((unsigned long)(v)) : "memory")

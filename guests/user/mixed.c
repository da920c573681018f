// Workload: a process serves n requests of another, each of which reads a file, works in
// fresh memory, computes, or writes and removes a file.
#include "user.h"

#define PAGE 4096
#define PAGES 4

struct request {
  u64 what, value;
};

static u64 read_file(u64 value) {
  char buf[64];
  i64 fd = open("/etc/motd", O_RDONLY), n;
  while ((n = read(fd, buf, sizeof buf)) > 0)
    for (i64 i = 0; i < n; i++)
      value = mix(value, buf[i]);
  close(fd);
  return value;
}

static u64 use_memory(u64 value) {
  u64 *memory = mmap(PAGES * PAGE, PROT_READ | PROT_WRITE);
  for (u64 i = 0; i < PAGES * PAGE / sizeof(u64); i += 64)
    memory[i] = value + i;
  mprotect(memory, PAGES * PAGE, PROT_READ);
  for (u64 i = 0; i < PAGES * PAGE / sizeof(u64); i += 32)
    value = mix(value, memory[i]);
  munmap(memory, PAGES * PAGE);
  return value;
}

static u64 compute(u64 value) {
  for (u64 i = 0; i < 300; i++)
    value = mix(value, value / (i + 1));
  return value;
}

static u64 write_file(u64 value) {
  u64 data[32], sum = 0;
  for (u64 i = 0; i < 32; i++)
    data[i] = value = mix(value, i);
  i64 fd = open("/mixed.tmp", O_RDWR | O_CREATE | O_TRUNC);
  write(fd, data, sizeof data);
  close(fd);
  fd = open("/mixed.tmp", O_RDONLY);
  memset(data, 0, sizeof data);
  read(fd, data, sizeof data);
  close(fd);
  unlink("/mixed.tmp");
  for (u64 i = 0; i < 32; i++)
    sum = mix(sum, data[i]);
  return sum;
}

static void serve(i64 in, i64 out) {
  static u64 (*const services[])(u64) = {read_file, use_memory, compute, write_file};
  struct request r;
  while (read_full(in, &r, sizeof r) == sizeof r) {
    u64 answer = services[r.what % 4](r.value);
    write(out, &answer, sizeof answer);
  }
  exit(0);
}

int main(int argc, char **argv) {
  u64 n = parameter(argc, argv, "n", 40), checksum = 0;
  i32 requests[2], answers[2];
  if (pipe(requests) < 0 || pipe(answers) < 0)
    error("mixed: no pipe\n");
  if (fork() == 0) {
    close(requests[1]);
    serve(requests[0], answers[1]);
  }
  mark_begin();
  for (u64 i = 0; i < n; i++) {
    struct request r = {i, mix(checksum, i)};
    u64 answer = 0;
    write(requests[1], &r, sizeof r);
    read_full(answers[0], &answer, sizeof answer);
    checksum = mix(checksum, answer);
  }
  mark_end();
  close(requests[1]);
  wait(0);
  finish("mixed", checksum);
}

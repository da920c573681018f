// usertests: what the kernel promises to programs, and what it refuses them.
#include "user.h"

#define PAGE 4096
#define BAD_KERNEL ((void *)0x80200000)
#define BAD_HOLE ((void *)0x130000000)

static char buf[3 * PAGE];
static const char text[] = "text cannot be written";
static u64 counter = 1;

#define CHECK(condition)                                     \
  do {                                                       \
    if (!(condition))                                        \
      error("usertests: line %d: " #condition "\n", __LINE__); \
  } while (0)

// Runs f in a child and returns its exit status: 137 if it was killed.
static u64 status_of(void (*f)(void)) {
  u64 status = 0;
  i64 pid = fork();
  CHECK(pid >= 0);
  if (pid == 0) {
    f();
    exit(0);
  }
  CHECK(wait(&status) == pid);
  return status;
}

#define KILLED 137

static void read_kernel(void) { counter = *(volatile u64 *)BAD_KERNEL; }
static void write_hole(void) { *(volatile u64 *)BAD_HOLE = 1; }
static void write_text(void) { *(volatile char *)&text = 1; }
static void jump_to_data(void) { ((void (*)(void))buf)(); }
static void illegal(void) { asm volatile("csrr a0, sstatus"); }
static void overflow(void) { *(volatile char *)(0x140000000 - 260 * 1024) = 1; }

static void faults(void) {
  CHECK(status_of(read_kernel) == KILLED);
  CHECK(status_of(write_hole) == KILLED);
  CHECK(status_of(write_text) == KILLED);
  CHECK(status_of(jump_to_data) == KILLED);
  CHECK(status_of(illegal) == KILLED);
  CHECK(status_of(overflow) == KILLED);
}

static void bad_arguments(void) {
  i64 fd = open("/README", O_RDONLY);
  CHECK(fd >= 0);
  CHECK(read(fd, BAD_KERNEL, 10) < 0 && read(fd, BAD_HOLE, 10) < 0);
  CHECK(read(fd, (void *)text, 10) < 0);
  CHECK(write(fd, text, 1) < 0);
  CHECK(close(fd) == 0 && close(fd) < 0 && close(99) < 0);
  CHECK(write(1, BAD_KERNEL, 10) < 0);
  CHECK(open(BAD_KERNEL, O_RDONLY) < 0 && open("/none", O_RDONLY) < 0);
  CHECK(open("/bin", O_RDWR) < 0 && mkdir("/bin") < 0 && unlink("/bin") < 0);
  char *argv[] = {"x", 0};
  CHECK(exec("/none", argv) < 0 && exec("/README", argv) < 0 && exec("/bin/ls", BAD_HOLE) < 0);
  CHECK(pipe(BAD_KERNEL) < 0);
  CHECK(kill(1) < 0 && kill(9999) < 0 && wait(0) < 0);
  struct diskinfo info;
  CHECK(diskinfo(DISK_VIRTIO, &info) == 0);
  CHECK(diskwrite(DISK_VIRTIO, 0, buf, 1) < 0);
  CHECK(diskwrite(DISK_VIRTIO, info.scratch_sector + info.scratch_sectors, buf, 1) < 0);
  CHECK(diskread(DISK_VIRTIO, 0, buf, 9) < 0 && diskread(7, 0, buf, 1) < 0);
}

// A child's writes are its own, and so are the parent's.
static void copy_on_write(void) {
  memset(buf, 'p', sizeof buf);
  i32 ready[2], go[2];
  char c;
  CHECK(pipe(ready) == 0 && pipe(go) == 0);
  i64 pid = fork();
  if (pid == 0) {
    memset(buf, 'c', PAGE);
    write(ready[1], "r", 1);
    read(go[0], &c, 1);
    exit(buf[0] == 'c' && buf[2 * PAGE] == 'p' ? 7 : 8);
  }
  CHECK(read(ready[0], &c, 1) == 1);
  CHECK(buf[0] == 'p');
  buf[2 * PAGE] = 'q';
  write(go[1], "g", 1);
  u64 status;
  CHECK(wait(&status) == pid && status == 7);
  for (int i = 0; i < 2; i++)
    close(ready[i]), close(go[i]);
}

static char *mapped;
static void write_mapped(void) { mapped[0] = 1; }
static void write_mapped_2(void) { mapped[2 * PAGE] = 1; }

static void memory(void) {
  mapped = mmap(3 * PAGE, PROT_READ | PROT_WRITE);
  CHECK((i64)mapped > 0);
  CHECK(mapped[0] == 0 && mapped[3 * PAGE - 1] == 0);
  mapped[0] = 5;
  CHECK(mprotect(mapped, PAGE, PROT_READ) == 0);
  CHECK(status_of(write_mapped) == KILLED && mapped[0] == 5);
  CHECK(status_of(write_mapped_2) == 0 && mapped[2 * PAGE] == 0);
  CHECK(mprotect(mapped, PAGE, PROT_READ | PROT_WRITE) == 0);
  mapped[0] = 6;
  CHECK(munmap(mapped + PAGE, PAGE) == 0);
  CHECK(mapped[0] == 6 && bootargs(mapped + PAGE, PAGE) < 0);
  CHECK(munmap(mapped, 3 * PAGE) == 0 && status_of(write_mapped) == KILLED);
  CHECK((i64)mmap(0, PROT_READ) < 0 && (i64)mmap(PAGE, 0) < 0 && (i64)mmap(~0ull, PROT_READ) < 0);
  CHECK(munmap(buf, PAGE) < 0 && mprotect(mapped + 1, PAGE, PROT_READ) < 0);

  mapped = mmap(2 * PAGE, PROT_READ | PROT_WRITE | MAP_POPULATE);
  CHECK((i64)mapped > 0 && mapped[PAGE] == 0);
  mapped[PAGE] = 1;
  CHECK(munmap(mapped, 2 * PAGE) == 0);
  CHECK((i64)mmap(100 << 20, PROT_READ | MAP_POPULATE) < 0);  // more than there is
  char *heap = sbrk(2 * PAGE);
  CHECK((i64)heap > 0 && heap[0] == 0);
  heap[2 * PAGE - 1] = 9;
  CHECK(sbrk(-PAGE) == heap + 2 * PAGE && sbrk(PAGE) == heap + PAGE);
  CHECK(heap[2 * PAGE - 1] == 0);
  CHECK((i64)sbrk(-(1 << 30)) < 0);
}

static void files(void) {
  i64 fd = open("/t", O_RDWR | O_CREATE | O_TRUNC);
  CHECK(fd >= 0);
  for (int i = 0; i < 20; i++) {
    memset(buf, i, 1000);
    CHECK(write(fd, buf, 1000) == 1000);
  }
  close(fd);
  fd = open("/t", O_RDONLY);
  CHECK(unlink("/t") == 0 && open("/t", O_RDONLY) < 0);
  struct stat st;
  CHECK(fstat(fd, &st) == 0 && st.size == 20000 && st.type == T_FILE);
  for (int i = 0; i < 20; i++)
    CHECK(read(fd, buf, 1000) == 1000 && buf[0] == i && buf[999] == i);
  CHECK(read(fd, buf, 1) == 0 && close(fd) == 0);

  // A full disk is an error, and removing the file makes room again.
  fd = open("/t", O_RDWR | O_CREATE);
  u64 written = 0;
  for (i64 n; (n = write(fd, buf, sizeof buf)) > 0; written += n)
    ;
  CHECK(written > 20000 && close(fd) == 0 && unlink("/t") == 0);
  fd = open("/t", O_RDWR | O_CREATE);
  CHECK(write(fd, buf, sizeof buf) == sizeof buf && close(fd) == 0 && unlink("/t") == 0);

  CHECK(mkdir("/dir") == 0 && mkdir("/dir/sub") == 0 && unlink("/dir") < 0);
  CHECK(chdir("/dir/sub") == 0 && chdir("../../dir") == 0 && chdir("/README") < 0);
  CHECK(unlink("sub") == 0 && chdir("/") == 0 && unlink("/dir") == 0);
}

static void pipes(void) {
  i32 fd[2];
  CHECK(pipe(fd) == 0);
  i64 pid = fork();
  if (pid == 0) {
    close(fd[0]);
    for (int i = 0; i < 50; i++) {
      memset(buf, i, 300);
      write(fd[1], buf, 300);
    }
    exit(0);
  }
  close(fd[1]);
  for (int i = 0; i < 50; i++)
    CHECK(read_full(fd[0], buf, 300) == 300 && buf[0] == i && buf[299] == i);
  CHECK(read(fd[0], buf, 1) == 0 && wait(0) == pid);
  close(fd[0]);
  CHECK(pipe(fd) == 0);
  close(fd[0]);
  CHECK(write(fd[1], buf, 1) < 0 && close(fd[1]) == 0);
}

static void spin(void) {
  for (;;)
    counter++;
}

// A process that never calls the kernel does not keep others from running.
static void preemption(void) {
  u64 status, before = uptime();
  i64 pid = fork();
  if (pid == 0)
    spin();
  CHECK(sleep(3) == 0 && (u64)uptime() >= before + 3);
  CHECK(kill(pid) == 0 && wait(&status) == pid && status == KILLED);
}

static const struct {
  const char *name;
  void (*test)(void);
} tests[] = {
    {"faults", faults}, {"bad_arguments", bad_arguments}, {"copy_on_write", copy_on_write},
    {"memory", memory}, {"files", files},                 {"pipes", pipes},
    {"preemption", preemption},
};

int main(void) {
  for (u64 i = 0; i < sizeof tests / sizeof *tests; i++) {
    tests[i].test();
    printf("usertests: %s OK\n", tests[i].name);
  }
  printf("usertests: all OK\n");
  return 0;
}

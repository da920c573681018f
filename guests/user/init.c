// Process 1. With `run=PROGRAM ARG …` on the kernel command line it runs that and
// shuts the machine down with its exit status; otherwise it runs the shell.
#include "user.h"

#define MAXARG 16

static char line[1024];
static char path[64] = "/bin/";
static char *argv[MAXARG + 1] = {"sh"};

static char *find_run(char *s) {
  for (; *s; s++)
    if (s[0] == 'r' && s[1] == 'u' && s[2] == 'n' && s[3] == '=' && (s == line || s[-1] == ' '))
      return s + 4;
  return 0;
}

static void split(char *s) {
  int n = 0;
  while (n < MAXARG) {
    while (*s == ' ')
      *s++ = 0;
    if (*s == 0)
      break;
    argv[n++] = s;
    while (*s && *s != ' ')
      s++;
  }
  argv[n] = 0;
}

int main(void) {
  bootargs(line, sizeof line);
  char *run = find_run(line);
  if (run)
    split(run);
  if (!argv[0])
    error("init: run= names no program\n");
  if (*argv[0] == '/')
    strlcpy(path, argv[0], sizeof path);
  else
    strlcpy(path + 5, argv[0], sizeof path - 5);

  i64 child = fork();
  if (child == 0) {
    exec(path, argv);
    error("init: cannot run %s\n", path);
  }
  u64 status = 1;
  while (wait(&status) != child)
    ;
  shutdown(status);
}

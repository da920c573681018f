// The shell: programs with arguments, pipes, redirection, ; and &.
#include "user.h"

#define MAXARG 16
#define LINE 256

static char line[LINE];
static char words[2 * LINE], *words_end;  // those of the line

// One program of a pipeline.
struct command {
  char *argv[MAXARG + 1];
  char *input, *output;
};

static char *skip_spaces(char *s) {
  while (*s == ' ' || *s == '\t')
    s++;
  return s;
}

// The next word of *s, copied to where it can end with a 0; 0 if there is none.
static char *word(char **s) {
  char *start = words_end;
  for (*s = skip_spaces(*s); **s && !strchr(" \t<>|;&", **s); (*s)++)
    *words_end++ = **s;
  if (words_end == start)
    return 0;
  *words_end++ = 0;
  return start;
}

// Parses a command at s; returns what follows it, with *stop the character that ended it.
static char *parse(char *s, struct command *c, char *stop) {
  int argc = 0;
  memset(c, 0, sizeof *c);
  for (;;) {
    char *argument = word(&s);
    if (argument && argc < MAXARG)
      c->argv[argc++] = argument;
    if (argument)
      continue;
    *stop = *s;
    if (*s)
      s++;
    if (*stop == '<')
      c->input = word(&s);
    else if (*stop == '>')
      c->output = word(&s);
    else
      return s;
  }
}

static void replace_fd(i64 fd, i64 by) {
  close(fd);
  dup(by);  // the lowest free number, which is fd
  close(by);
}

static void redirect(const char *path, u64 flags, i64 fd) {
  i64 file = open(path, flags);
  if (file < 0)
    error("sh: cannot open %s\n", path);
  replace_fd(fd, file);
}

static void run(struct command *c) {
  char path[64] = "/bin/";
  if (c->input)
    redirect(c->input, O_RDONLY, 0);
  if (c->output)
    redirect(c->output, O_WRONLY | O_CREATE | O_TRUNC, 1);
  if (!c->argv[0])
    exit(0);
  if (strchr(c->argv[0], '/'))
    strlcpy(path, c->argv[0], sizeof path);
  else
    strlcpy(path + 5, c->argv[0], sizeof path - 5);
  exec(path, c->argv);
  error("sh: no program %s\n", path);
}

// cd must change the shell itself.
static bool built_in(struct command *c) {
  if (!c->argv[0])
    return !c->input && !c->output;
  if (strcmp(c->argv[0], "exit") == 0)
    exit(c->argv[1] ? number(c->argv[1]) : 0);
  if (strcmp(c->argv[0], "cd") != 0)
    return false;
  if (chdir(c->argv[1] ? c->argv[1] : "/") < 0)
    printf("sh: no directory %s\n", c->argv[1]);
  return true;
}

// Runs a pipeline at s and returns what follows it.
static char *pipeline(char *s) {
  i64 input = -1, child = -1;
  char stop;
  do {
    struct command c;
    i32 fd[2];
    s = parse(s, &c, &stop);
    if (stop == '|') {
      if (pipe(fd) < 0)
        error("sh: no pipe\n");
    } else if (input < 0 && built_in(&c)) {
      return s;
    }
    child = fork();
    if (child < 0)
      printf("sh: cannot fork\n");
    if (child == 0) {
      if (input >= 0)
        replace_fd(0, input);
      if (stop == '|') {
        close(fd[0]);
        replace_fd(1, fd[1]);
      }
      run(&c);
    }
    if (input >= 0)
      close(input);
    if (stop == '|') {
      close(fd[1]);
      input = fd[0];
    }
  } while (stop == '|');
  // The last program's end is the pipeline's; programs before it are collected here or
  // with a later pipeline.
  if (stop != '&' && child > 0)
    for (i64 pid = 0; pid >= 0 && pid != child;)
      pid = wait(0);
  return s;
}

static bool read_line(void) {
  u64 n = 0;
  while (n < LINE - 1) {
    if (read(0, &line[n], 1) <= 0)
      return n > 0;
    if (line[n] == '\n')
      break;
    n++;
  }
  line[n] = 0;
  return true;
}

int main(void) {
  for (;;) {
    printf("$ ");
    if (!read_line())
      return 0;
    words_end = words;
    for (char *s = line; *(s = skip_spaces(s));)
      s = pipeline(s);
  }
}

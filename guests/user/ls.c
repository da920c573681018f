// ls [directory …]
#include "user.h"

static void list(const char *path) {
  i64 fd = open(path, O_RDONLY);
  struct stat st;
  if (fd < 0)
    error("ls: no %s\n", path);
  fstat(fd, &st);
  if (st.type != T_DIR) {
    printf("%8lu %s\n", st.size, path);
    close(fd);
    return;
  }
  struct dirent e;
  while (read(fd, &e, sizeof e) == sizeof e) {
    if (e.inum == 0 || e.name[0] == '.')
      continue;
    char name[NAMELEN + 1] = {0}, whole[128];
    memcpy(name, e.name, NAMELEN);
    strlcpy(whole, path, 100);
    u64 n = strlen(whole);
    whole[n] = '/';
    strlcpy(whole + n + 1, name, sizeof name);
    i64 file = open(whole, O_RDONLY);
    fstat(file, &st);
    close(file);
    printf("%8lu %s%s\n", st.size, name, st.type == T_DIR ? "/" : "");
  }
  close(fd);
}

int main(int argc, char **argv) {
  if (argc < 2)
    list(".");
  for (int i = 1; i < argc; i++)
    list(argv[i]);
  return 0;
}

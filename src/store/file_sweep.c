/* store/file_sweep.c - clearing up after writers that died: temporary files that never got their name.
 *
 * A writer holds a lock on its temporary file while it writes it, and a process that ends loses its locks. What is
 * locked is left alone, whatever its age. Links are not followed. May call: base, file.c. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/file.h>
#include <unistd.h>

#include "store/file.h"

enum { DEPTH_MAX = 64 };

typedef struct sweeping {
  int64_t before_us;
  uint64_t removed;
  char path[MST_PATH_MAX];
} sweeping;

/* FNV-1a. */
uint32_t mst_file_name_mark(const char *name) {
  uint32_t h = UINT32_C(2166136261);
  for (const char *p = name; *p != '\0'; p++) h = (h ^ (uint8_t)*p) * UINT32_C(16777619);
  return h;
}

/* Whether a temporary file was to become `name`. */
static bool is_marked(const char *temporary, const char *name) {
  uint8_t mark[4];
  const char *digits = temporary + strlen(".meseta-");
  return strlen(digits) > 16 && mst_unhex(digits, 8, mark) && mst_be32(mark) == mst_file_name_mark(name);
}

static void remove_if_dead(sweeping *w) {
  struct stat st;
  int fd = open(w->path, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
  if (fd < 0) return;
  const bool old = fstat(fd, &st) == 0 && S_ISREG(st.st_mode) &&
                   (int64_t)st.st_mtim.tv_sec * 1000000 + st.st_mtim.tv_nsec / 1000 <= w->before_us;
  if (old && flock(fd, LOCK_EX | LOCK_NB) == 0 && unlink(w->path) == 0) w->removed++;
  (void)close(fd);
}

static bool append(sweeping *w, size_t n, const char *name) {
  const size_t size = strlen(name);
  if (n + 1 + size >= sizeof w->path) return false;
  w->path[n] = '/';
  memcpy(w->path + n + 1, name, size + 1);
  return true;
}

static bool is_folder(const sweeping *w, const struct dirent *e) {
  struct stat st;
  if (e->d_type != DT_UNKNOWN) return e->d_type == DT_DIR;
  return lstat(w->path, &st) == 0 && S_ISDIR(st.st_mode);
}

/* The folder that `path` names in its first n bytes. `only`: temporary files of this one name, and no folders below;
 * NULL: all. */
static void sweep_folder(sweeping *w, size_t n, const char *only, uint32_t depth) {
  const uint64_t before = w->removed;
  DIR *folder = opendir(w->path);
  if (folder == NULL) return;
  for (struct dirent *e = readdir(folder); e != NULL; e = readdir(folder)) {
    if (strcmp(e->d_name, ".") == 0 || strcmp(e->d_name, "..") == 0 || !append(w, n, e->d_name)) continue;
    if (mst_file_is_temporary(e->d_name)) {
      if (only == NULL || is_marked(e->d_name, only)) remove_if_dead(w);
    } else if (only == NULL && depth < DEPTH_MAX && is_folder(w, e)) {
      sweep_folder(w, n + 1 + strlen(e->d_name), NULL, depth + 1);
    }
    w->path[n] = '\0';
  }
  (void)closedir(folder);
  w->path[n] = '\0';
  if (only == NULL && w->removed > before) (void)rmdir(w->path); /* in a store of keys there are no empty folders */
}

mst_status mst_file_sweep(void *self, const char *prefix, int64_t before_us, uint64_t *n, mst_error *err) {
  mst_file_store *s = self;
  mst_path path;
  sweeping w = {.before_us = before_us};
  char key[MST_PATH_MAX];
  const size_t size = strlen(prefix);
  const bool below = size > 0 && prefix[size - 1] == '/';
  if (size == 0 || size >= sizeof key) return mst_fail(err, MST_E_ARGUMENT, "what is cleared up needs a prefix");
  memcpy(key, prefix, size + 1);
  if (below) key[size - 1] = '\0';
  mst_status status = mst_file_path(s, key, &path, err);
  if (status != MST_OK) return status;
  memcpy(w.path, path.text, path.n + 1);
  if (below) {
    sweep_folder(&w, path.n, NULL, 0);
  } else {
    const char *name = strrchr(path.text, '/') + 1;
    w.path[name - path.text - 1] = '\0';
    sweep_folder(&w, (size_t)(name - path.text) - 1, name, 0);
  }
  *n = w.removed;
  return MST_OK;
}

/* dataset/kill_shim.c - preloaded into a process: kills it, without a word, right before its n-th call that changes a
 * folder, or lets that call fail. Calls are counted from 1; MESETA_KILL_AT says which one, MESETA_FAIL_AT which one
 * fails with EIO. */
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/types.h>
#include <unistd.h>

static atomic_long calls;

static long wanted(const char *name) {
  const char *text = getenv(name);
  return text == NULL ? 0 : atol(text);
}

/* Nonzero: the call is to fail. */
static int due(void) {
  const long n = atomic_fetch_add(&calls, 1) + 1;
  if (n == wanted("MESETA_KILL_AT")) (void)kill(getpid(), SIGKILL);
  if (n != wanted("MESETA_FAIL_AT")) return 0;
  errno = EIO;
  return 1;
}

static void *real(const char *name) { return dlsym(RTLD_NEXT, name); }

#define CALL(type, name, declared, passed)           \
  type name declared;                                \
  type name declared {                               \
    static type(*next) declared;                     \
    if (next == NULL) *(void **)&next = real(#name); \
    return due() ? (type)-1 : next passed;           \
  }

CALL(int, link, (const char *from, const char *to), (from, to))
CALL(int, rename, (const char *from, const char *to), (from, to))
CALL(int, renameat2, (int a, const char *from, int b, const char *to, unsigned flags), (a, from, b, to, flags))
CALL(int, unlink, (const char *path), (path))
CALL(int, rmdir, (const char *path), (path))
CALL(int, mkdir, (const char *path, mode_t mode), (path, mode))
CALL(int, fsync, (int fd), (fd))
CALL(int, ftruncate, (int fd, off_t n), (fd, n))

/* Of a file only: standard output is not the store. */
ssize_t write(int fd, const void *data, size_t n);
ssize_t write(int fd, const void *data, size_t n) {
  static ssize_t (*next)(int, const void *, size_t);
  if (next == NULL) *(void **)&next = real("write");
  return fd > 2 && due() ? -1 : next(fd, data, n);
}

#define PWRITE(name)                                           \
  ssize_t name(int fd, const void *data, size_t n, off_t at);  \
  ssize_t name(int fd, const void *data, size_t n, off_t at) { \
    static ssize_t (*next)(int, const void *, size_t, off_t);  \
    if (next == NULL) *(void **)&next = real(#name);           \
    return due() ? -1 : next(fd, data, n, at);                 \
  }
PWRITE(pwrite)
PWRITE(pwrite64)

/* Only those that may make a file. */
#define OPEN(name)                                   \
  int name(const char *path, int flags, ...);        \
  int name(const char *path, int flags, ...) {       \
    static int (*next)(const char *, int, ...);      \
    mode_t mode = 0;                                 \
    if (next == NULL) *(void **)&next = real(#name); \
    if ((flags & O_CREAT) != 0) {                    \
      va_list args;                                  \
      va_start(args, flags);                         \
      mode = (mode_t)va_arg(args, int);              \
      va_end(args);                                  \
      if (due()) return -1;                          \
    }                                                \
    return next(path, flags, mode);                  \
  }
OPEN(open)
OPEN(open64)

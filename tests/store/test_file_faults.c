/* tests/store/test_file_faults.c - each system call of the folder store fails in turn, is interrupted, or does half its
 * work: the object is the old one or the new one, and nothing is left beside it. The linker puts the __wrap_ functions
 * before libc's. */
#include "store/conformance.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

/* ---- faults ------------------------------------------------------------------------------------------------------ */

static struct {
  bool armed;
  long calls;         /* so far */
  long fail_at;       /* 0: none */
  int with;           /* errno */
  bool only_slow;     /* EINTR comes from these only */
  bool halve;         /* reads and writes do half of what they are asked */
  const char *failed; /* the call that was chosen */
} faults;

/* Whether this call is the one. */
static bool fails(const char *call, bool slow) {
  if (!faults.armed || (faults.only_slow && !slow)) return false;
  if (++faults.calls != faults.fail_at) return false;
  faults.failed = call;
  errno = faults.with;
  return true;
}

#define WRAP(type, name, slow, parameters, arguments) \
  type __real_##name parameters;                      \
  type __wrap_##name parameters;                      \
  type __wrap_##name parameters { return fails(#name, slow) ? (type)-1 : __real_##name arguments; }

WRAP(int, fsync, true, (int fd), (fd))
WRAP(int, link, false, (const char *a, const char *b), (a, b))
WRAP(int, rename, false, (const char *a, const char *b), (a, b))
WRAP(int, unlink, false, (const char *a), (a))
WRAP(int, mkdir, false, (const char *a, mode_t m), (a, m))
WRAP(int, fstat64, false, (int fd, struct stat *st), (fd, st))
WRAP(int, stat64, false, (const char *a, struct stat *st), (a, st))

/* Taking a folder's lock may fail; giving it back does not. That of a temporary file only says that its writer lives. */
int __real_flock(int fd, int how);
int __wrap_flock(int fd, int how);
int __wrap_flock(int fd, int how) {
  struct stat st;
  const bool folder = __real_fstat64(fd, &st) == 0 && S_ISDIR(st.st_mode);
  return folder && (how & LOCK_UN) == 0 && fails("flock", true) ? -1 : __real_flock(fd, how);
}

int __real_open64(const char *path, int flags, ...);
int __wrap_open64(const char *path, int flags, ...);
int __wrap_open64(const char *path, int flags, ...) {
  return fails("open", true) ? -1 : __real_open64(path, flags, 0666);
}

static size_t half(size_t n) { return faults.armed && faults.halve && n > 1 ? n / 2 : n; }

ssize_t __real_pread64(int fd, void *into, size_t n, off_t at);
ssize_t __wrap_pread64(int fd, void *into, size_t n, off_t at);
ssize_t __wrap_pread64(int fd, void *into, size_t n, off_t at) {
  return fails("pread", true) ? -1 : __real_pread64(fd, into, half(n), at);
}
ssize_t __real_write(int fd, const void *from, size_t n);
ssize_t __wrap_write(int fd, const void *from, size_t n);
ssize_t __wrap_write(int fd, const void *from, size_t n) {
  return fails("write", true) ? -1 : __real_write(fd, from, half(n));
}
ssize_t __real_pwrite64(int fd, const void *from, size_t n, off_t at);
ssize_t __wrap_pwrite64(int fd, const void *from, size_t n, off_t at);
ssize_t __wrap_pwrite64(int fd, const void *from, size_t n, off_t at) {
  return fails("pwrite", true) ? -1 : __real_pwrite64(fd, from, half(n), at);
}
DIR *__real_opendir(const char *path);
DIR *__wrap_opendir(const char *path);
DIR *__wrap_opendir(const char *path) { return fails("opendir", false) ? NULL : __real_opendir(path); }
struct dirent *__real_readdir64(DIR *d);
struct dirent *__wrap_readdir64(DIR *d);
struct dirent *__wrap_readdir64(DIR *d) {
  return fails("readdir", false) ? NULL : __real_readdir64(d);
}

static void arm(long fail_at, int with) {
  faults.armed = true;
  faults.calls = 0;
  faults.fail_at = fail_at;
  faults.with = with;
  faults.only_slow = with == EINTR;
  faults.halve = false;
  faults.failed = NULL;
}

static bool disarm(void) {
  faults.armed = false;
  return faults.failed != NULL;
}

/* ---- what is done below them ------------------------------------------------------------------------------------- */

static char base[PATH_MAX], root[PATH_MAX];

/* Names in the folder, all levels, joined. */
static void gather(const char *folder, char *out, size_t n) {
  DIR *d = opendir(folder);
  if (d == NULL) return;
  for (struct dirent *e = readdir(d); e != NULL; e = readdir(d)) {
    char path[2 * PATH_MAX];
    if (strcmp(e->d_name, ".") == 0 || strcmp(e->d_name, "..") == 0) continue;
    (void)snprintf(path, sizeof path, "%s/%s", folder, e->d_name);
    (void)snprintf(out + strlen(out), n - strlen(out), "%s ", path + strlen(root) + 1);
    if (e->d_type == DT_DIR) gather(path, out, n);
  }
  closedir(d);
}

static void assert_beside(const char *expected) {
  char names[4096] = "";
  gather(root, names, sizeof names);
  assert_string_equal(names, expected);
}

static mst_store *fresh_store(void) {
  mst_store *s = NULL;
  mst_test_folder_remove(root);
  assert_int_equal(mkdir(root, 0777), 0);
  assert_int_equal(mst_store_open_url(NULL, root, NULL, 0, &s, NULL), MST_OK);
  return s;
}

typedef mst_status (*action)(mst_store *s, mst_error *err);

static mst_status put_new(mst_store *s, mst_error *err) {
  return conf_put(s, "a/b/new", "new", 3, MST_PUT_REPLACE, NULL, NULL, err);
}
static mst_status create_new(mst_store *s, mst_error *err) {
  return conf_put(s, "a/b/new", "new", 3, MST_PUT_CREATE, NULL, NULL, err);
}
static mst_status put_over(mst_store *s, mst_error *err) {
  return conf_put(s, "old", "new", 3, MST_PUT_REPLACE, NULL, NULL, err);
}

static mst_status put_if_match(mst_store *s, mst_error *err) {
  bool armed = faults.armed;
  mst_pin pin;
  faults.armed = false;
  assert_int_equal(conf_head(s, "old", &pin, NULL), MST_OK);
  faults.armed = armed;
  return conf_put(s, "old", "new", 3, MST_PUT_IF_MATCH, pin.etag, NULL, err);
}

/* One part at a time in the calling thread, as a local store of one thread does. */
static mst_status upload_new(mst_store *s, mst_error *err) {
  mst_status status;
  mst_op open_op = mst_op_make(MST_OP_UPLOAD_OPEN, "a/b/new");
  if ((status = mst_store_perform(s, &open_op, err)) != MST_OK) return status;
  mst_op part = mst_op_make(MST_OP_UPLOAD_PART, "a/b/new");
  part.upload = open_op.upload_id;
  part.part = 1;
  part.data = (const uint8_t *)"new";
  part.n_data = 3;
  status = mst_store_perform(s, &part, err);
  mst_op end = mst_op_make(MST_OP_UPLOAD_CLOSE, "a/b/new");
  const char *tags[] = {part.part_tag};
  end.upload = open_op.upload_id;
  end.part_tags = tags;
  end.n_parts = 1;
  end.size = 3;
  if (status == MST_OK) status = mst_store_perform(s, &end, err);
  if (status == MST_OK) return status;
  mst_op abort_op = mst_op_make(MST_OP_UPLOAD_ABORT, "a/b/new");
  abort_op.upload = open_op.upload_id;
  (void)mst_store_perform(s, &abort_op, NULL);
  return status;
}

static void assert_content(mst_store *s, const char *key, const char *one, const char *other) {
  char b[16] = {0};
  mst_status status = conf_get(s, key, 0, 15, false, NULL, b, NULL, NULL, NULL);
  if (status == MST_E_NOT_FOUND && one == NULL) return;
  assert_int_equal(status, MST_OK);
  assert_true((one != NULL && strcmp(b, one) == 0) || (other != NULL && strcmp(b, other) == 0));
}

static void fail_each(action act, const char *key, const char *old, const char *done, const char *done_again,
                      const char *undone) {
  static const int errors[] = {EIO, ENOSPC, EINTR};
  for (size_t e = 0; e < 3; e++) {
    for (long at = 1;; at++) {
      mst_error err = {0};
      mst_store *s = fresh_store();
      assert_int_equal(conf_put_text(s, "old", "old"), MST_OK);
      arm(at, errors[e]);
      mst_status status = act(s, &err);
      bool failed = disarm();
      if (!failed) {
        assert_int_equal(status, MST_OK);
        assert_true(at > 3);
      }
      if (errors[e] == EINTR) assert_int_equal(status, MST_OK); /* interrupted calls are made again */
      assert_content(s, key, status == MST_OK ? "new" : old, "new");
      /* one temporary name may stay when the very call that takes it away fails */
      bool excused = failed && strcmp(faults.failed, "unlink") == 0;
      char names[4096] = "";
      gather(root, names, sizeof names);
      bool clean = strcmp(names, done) == 0 || strcmp(names, done_again) == 0 ||
                   (status != MST_OK && strcmp(names, undone) == 0);
      if (!clean && !excused) print_message("%s failed: %s | %s\n", faults.failed, err.message, names);
      assert_true(clean || excused);
      if (status != MST_OK) {
        assert_true(strlen(err.message) > 10);
        assert_non_null(strstr(err.object, key));
      }
      mst_store_unref(s);
      if (!failed) break;
    }
  }
}

static void writes_are_whole_or_not_at_all(void **state) {
  (void)state;
  fail_each(put_new, "a/b/new", NULL, "a a/b a/b/new old ", "old a a/b a/b/new ", "old ");
  fail_each(create_new, "a/b/new", NULL, "a a/b a/b/new old ", "old a a/b a/b/new ", "old ");
  fail_each(put_over, "old", "old", "old ", "old ", "old ");
  fail_each(put_if_match, "old", "old", "old ", "old ", "old ");
  fail_each(upload_new, "a/b/new", NULL, "a a/b a/b/new old ", "old a a/b a/b/new ", "old ");
}

static void reads_are_right_or_errors(void **state) {
  mst_store *s = fresh_store();
  (void)state;
  assert_int_equal(conf_put_text(s, "d/k", "0123456789"), MST_OK);
  for (long at = 1;; at++) {
    char b[16] = {0};
    mst_error err = {0};
    arm(at, EIO);
    mst_status status = conf_get(s, "d/k", 2, 5, false, NULL, b, NULL, NULL, &err);
    bool failed = disarm();
    assert_int_equal(status, failed ? MST_E_IO : MST_OK);
    if (status == MST_OK) assert_string_equal(b, "23456");
    if (!failed) break;
  }
  for (long at = 1;; at++) {
    char b[16] = {0};
    arm(at, EINTR);
    assert_int_equal(conf_get(s, "d/k", 2, 5, false, NULL, b, NULL, NULL, NULL), MST_OK);
    assert_string_equal(b, "23456");
    if (!disarm()) break;
  }
  for (long at = 1;; at++) {
    mst_status status;
    arm(at, EIO);
    char *listed = conf_list(s, "", NULL, 0, &status);
    bool failed = disarm();
    assert_int_equal(status, failed ? MST_E_IO : MST_OK);
    if (listed != NULL) assert_string_equal(listed, "d/k\n");
    free(listed);
    if (!failed) break;
    assert_true(at < 20);
  }
  mst_store_unref(s);
}

static void half_reads_and_writes_are_gone_on_with(void **state) {
  mst_store *s = fresh_store();
  char data[1000], b[1001];
  uint64_t got;
  (void)state;
  for (size_t i = 0; i < sizeof data; i++) data[i] = (char)(i * 31);
  arm(0, 0);
  faults.halve = true;
  assert_int_equal(conf_put(s, "k", data, sizeof data, MST_PUT_REPLACE, NULL, NULL, NULL), MST_OK);
  assert_int_equal(conf_get(s, "k", 0, sizeof b, false, NULL, b, &got, NULL, NULL), MST_OK);
  (void)disarm();
  assert_int_equal(got, sizeof data);
  assert_memory_equal(b, data, sizeof data);
  mst_store_unref(s);
}

/* A real full disk, as the kernel tells it. */
static void a_full_disk_leaves_nothing_behind(void **state) {
  int how = 0;
  (void)state;
  mst_store *s = fresh_store();
  assert_int_equal(conf_put_text(s, "old", "old"), MST_OK);
  pid_t pid = fork();
  if (pid == 0) {
    struct rlimit limit = {.rlim_cur = 1 << 20, .rlim_max = 1 << 20};
    mst_error err = {0};
    char *data = calloc(1, 4 << 20);
    signal(SIGXFSZ, SIG_IGN);
    setrlimit(RLIMIT_FSIZE, &limit);
    mst_status status = conf_put(s, "a/b/large", data, 4 << 20, MST_PUT_REPLACE, NULL, NULL, &err);
    if (status == MST_E_IO && strlen(err.message) > 10)
      status = conf_put(s, "old", data, 4 << 20, MST_PUT_REPLACE, NULL, NULL, &err);
    free(data);
    _exit(status == MST_E_IO ? 0 : 1);
  }
  assert_int_equal(waitpid(pid, &how, 0), pid);
  assert_int_equal(how, 0);
  assert_beside("old ");
  assert_content(s, "old", "old", NULL);
  mst_store_unref(s);
}

/* Another file system's refusal of links, of locks, and of syncing folders. */
static void lesser_file_systems_are_got_along_with(void **state) {
  static const int errors[] = {EPERM, EOPNOTSUPP};
  (void)state;
  for (size_t e = 0; e < 2; e++) {
    for (long at = 1;; at++) {
      mst_store *s = fresh_store();
      arm(at, errors[e]);
      mst_status status = create_new(s, NULL);
      bool failed = disarm();
      if (failed && strcmp(faults.failed, "link") == 0) assert_int_equal(status, MST_OK); /* renamed instead */
      mst_store_unref(s);
      if (!failed) break;
    }
    for (long at = 1;; at++) {
      mst_store *s = fresh_store();
      mst_error err = {0};
      assert_int_equal(conf_put_text(s, "old", "old"), MST_OK);
      arm(at, EOPNOTSUPP);
      mst_status status = put_if_match(s, &err);
      bool failed = disarm();
      if (failed && strcmp(faults.failed, "flock") == 0) {
        assert_int_equal(status, MST_E_UNSUPPORTED); /* without locks no version can be replaced safely */
        assert_non_null(strstr(err.message, "locks"));
      }
      mst_store_unref(s);
      if (!failed) break;
    }
  }
}

int main(void) {
  static const struct CMUnitTest tests[] = {
      cmocka_unit_test(writes_are_whole_or_not_at_all),         cmocka_unit_test(reads_are_right_or_errors),
      cmocka_unit_test(half_reads_and_writes_are_gone_on_with), cmocka_unit_test(a_full_disk_leaves_nothing_behind),
      cmocka_unit_test(lesser_file_systems_are_got_along_with),
  };
  mst_test_folder(base);
  (void)snprintf(root, sizeof root, "%.*s/r", PATH_MAX - 8, base);
  assert_int_equal(mkdir(root, 0777), 0);
  int failed = cmocka_run_group_tests(tests, NULL, NULL);
  mst_test_folder_remove(base);
  return failed;
}

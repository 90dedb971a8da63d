/* store/file.c - a folder as a store: keys are paths below the root. How keys become paths, and reading.
 *
 * Owns: nothing between two operations but listings under way. Plain libc calls only, so that faults can be put in
 * front of them. May call: base. */
#include "store/file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

/* ---- keys and paths ---------------------------------------------------------------------------------------------- */

bool mst_file_is_temporary(const char *name) {
  return mst_text_starts(name, ".meseta-") && mst_text_ends(name, ".tmp");
}

static mst_status check_element(const char *key, const char *element, size_t n, mst_error *err) {
  if (n == 0)
    return mst_fail(err, MST_E_ARGUMENT, "the key '%.200s' has an empty path element, which a folder cannot hold", key);
  if (element[0] == '.' && (n == 1 || (n == 2 && element[1] == '.')))
    return mst_fail(err, MST_E_ARGUMENT, "the key '%.200s' has the path element '%.*s'", key, (int)n, element);
  if (n > MST_NAME_MAX)
    return mst_fail(err, MST_E_ARGUMENT, "the key '%.100s…' has a path element of %zu bytes; a folder holds at most %d",
                    key, n, MST_NAME_MAX);
  return MST_OK;
}

static mst_status check_key(const char *key, mst_error *err) {
  if (key[0] == '/') return mst_fail(err, MST_E_ARGUMENT, "the key '%.200s' begins with '/'; keys are relative", key);
  const char *element = key;
  for (;;) {
    size_t n = strcspn(element, "/");
    mst_status status = check_element(key, element, n, err);
    if (status != MST_OK) return status;
    if (element[n] == '\0') break;
    element += n + 1;
  }
  if (mst_file_is_temporary(element))
    return mst_fail(err, MST_E_ARGUMENT, "'%.200s' is a name that meseta gives to unfinished files", key);
  return MST_OK;
}

mst_status mst_file_path(const mst_file_store *s, const char *key, mst_path *out, mst_error *err) {
  mst_status status = check_key(key, err);
  if (status != MST_OK) return status;
  size_t n_key = strlen(key);
  /* room for the longest name that may stand beside it: a temporary file's */
  if (s->n_root + 1 + n_key + 64 >= sizeof out->text)
    return mst_fail(err, MST_E_ARGUMENT, "the key has %zu bytes, too many for a path in the folder", n_key);
  memcpy(out->text, s->root, s->n_root);
  out->text[s->n_root] = '/';
  memcpy(out->text + s->n_root + 1, key, n_key + 1);
  out->n = s->n_root + 1 + n_key;
  return MST_OK;
}

/* ---- facts about files ------------------------------------------------------------------------------------------- */

void mst_file_pin(const struct stat *st, mst_pin *out) {
  *out = (mst_pin){.size = (uint64_t)st->st_size,
                   .modified_ns = (int64_t)st->st_mtim.tv_sec * 1000000000 + st->st_mtim.tv_nsec,
                   .inode = (uint64_t)st->st_ino & INT64_MAX};
  if (out->inode == 0) out->inode = 1;
  if (out->modified_ns == 0) out->modified_ns = 1; /* 0 means unknown */
  (void)snprintf(out->etag, sizeof out->etag, "\"%llx-%llx-%llx\"", (unsigned long long)out->size,
                 (unsigned long long)out->modified_ns, (unsigned long long)out->inode);
}

mst_status mst_file_check_kind(const struct stat *st, const char *key, mst_error *err) {
  const char *kind = "not a regular file";
  if (S_ISREG(st->st_mode)) return MST_OK;
  if (S_ISDIR(st->st_mode)) return mst_fail(err, MST_E_NOT_FOUND, "'%.200s' is a folder, not an object", key);
  if (S_ISFIFO(st->st_mode)) kind = "a named pipe";
  if (S_ISSOCK(st->st_mode)) kind = "a socket";
  if (S_ISCHR(st->st_mode) || S_ISBLK(st->st_mode)) kind = "a device";
  return mst_fail(err, MST_E_UNSUPPORTED, "'%.200s' is %s; only regular files can be read in ranges", key, kind);
}

static mst_status do_head(const mst_file_store *s, mst_op *op, mst_error *err) {
  mst_path path;
  struct stat st;
  mst_status status = mst_file_path(s, op->key, &path, err);
  if (status != MST_OK) return status;
  if (stat(path.text, &st) != 0) return mst_fail_errno(err, errno, "cannot look at the file");
  status = mst_file_check_kind(&st, op->key, err);
  if (status == MST_OK) mst_file_pin(&st, &op->info);
  return status;
}

/* ---- reading ----------------------------------------------------------------------------------------------------- */

/* Opens without waiting, whatever it is: a named pipe would wait for a writer. */
static mst_status open_to_read(const mst_file_store *s, const char *key, int *fd, struct stat *st, mst_error *err) {
  mst_path path;
  mst_status status = mst_file_path(s, key, &path, err);
  if (status != MST_OK) return status;
  int f;
  do f = open(path.text, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
  while (f < 0 && errno == EINTR);
  if (f < 0 && errno == ENXIO) return mst_fail(err, MST_E_UNSUPPORTED, "'%.200s' is a socket or a device", key);
  if (f < 0) return mst_fail_errno(err, errno, "cannot open the file");
  if (fstat(f, st) != 0) status = mst_fail_errno(err, errno, "cannot look at the file");
  else status = mst_file_check_kind(st, key, err);
  if (status == MST_OK) *fd = f;
  else (void)close(f);
  return status;
}

/* Large reads go in steps, so that a cancel is seen. */
static mst_status read_fully(int fd, mst_op *op, uint64_t offset, uint64_t n, mst_error *err) {
  static const uint64_t step = 16 << 20;
  while (op->got < n) {
    mst_status status = mst_op_check(op, err);
    if (status != MST_OK) return status;
    ssize_t got = pread(fd, op->into + op->got, (size_t)mst_min_u64(n - op->got, step), (off_t)(offset + op->got));
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return mst_fail_errno(err, errno, "cannot read at byte %llu", (unsigned long long)(offset + op->got));
    if (got == 0) return MST_OK; /* it shrank: the look behind the read tells */
    op->got += (uint64_t)got;
  }
  return MST_OK;
}

static mst_status read_pinned(int fd, const struct stat *before, mst_op *op, mst_error *err) {
  mst_status status = MST_OK;
  struct stat after;
  mst_pin now;
  uint64_t size = (uint64_t)before->st_size;
  uint64_t offset = op->from_end ? size - mst_min_u64(size, op->size) : op->offset;
  uint64_t n = offset >= size ? 0 : mst_min_u64(op->size, size - offset);
  mst_file_pin(before, &op->info);
  if (op->pin != NULL) MST_TRY(mst_pin_check(op->pin, &op->info, err));
  if (op->exact && n < op->size)
    return mst_fail_at(err, MST_E_CORRUPT, size, "the file ends at byte %llu, before %llu bytes at %llu",
                       (unsigned long long)size, (unsigned long long)op->size, (unsigned long long)offset);
  MST_TRY(read_fully(fd, op, offset, n, err));
  if (fstat(fd, &after) != 0) return mst_fail_errno(err, errno, "cannot look at the file");
  mst_file_pin(&after, &now);
  MST_TRY(mst_pin_check(&op->info, &now, err));
  if (op->got < n)
    return mst_fail_at(err, MST_E_IO, offset + op->got, "reading ended %llu bytes before the file's end",
                       (unsigned long long)(size - offset - op->got));
done:
  return status;
}

static mst_status do_get(const mst_file_store *s, mst_op *op, mst_error *err) {
  int fd = -1;
  struct stat st;
  mst_status status = open_to_read(s, op->key, &fd, &st, err);
  if (status != MST_OK) return status;
  status = read_pinned(fd, &st, op, err);
  (void)close(fd);
  return status;
}

/* ---- the store --------------------------------------------------------------------------------------------------- */

static mst_status file_run(void *self, mst_op *op, mst_error *err) {
  mst_file_store *s = self;
  switch (op->kind) {
  case MST_OP_HEAD: return do_head(s, op, err);
  case MST_OP_GET: return do_get(s, op, err);
  case MST_OP_PUT: return mst_file_put(s, op, err);
  case MST_OP_DELETE: return mst_file_delete(s, op, err);
  case MST_OP_LIST: return mst_file_list(s, op, err);
  case MST_OP_UPLOAD_OPEN: return mst_file_upload_open(s, op, err);
  case MST_OP_UPLOAD_PART: return mst_file_upload_part(s, op, err);
  case MST_OP_UPLOAD_CLOSE: return mst_file_upload_close(s, op, err);
  case MST_OP_UPLOAD_ABORT: return mst_file_upload_abort(s, op, err);
  case MST_OP_KINDS: break;
  }
  return mst_fail(err, MST_E_UNSUPPORTED, "the folder store has no operation %d", (int)op->kind);
}

static void file_close(void *self) {
  mst_file_store *s = self;
  mst_file_list_end(s);
  mst_free(s->mem, s);
}

mst_status mst_file_open(mst_context *ctx, const mst_url *url, const mst_settings *settings, mst_store **out,
                         mst_error *err) {
  static const mst_store_ops ops = {.struct_size = sizeof ops,
                                    .name = "file",
                                    .flags = MST_STORE_LOCAL,
                                    .run = file_run,
                                    .close = file_close,
                                    .sweep = mst_file_sweep};
  const mst_allocator *mem = mst_context_mem(ctx);
  char text[MST_PATH_MAX + 16];
  size_t n = strlen(url->key);
  (void)settings;
  if (url->key[0] != '/') return mst_fail(err, MST_E_INTERNAL, "the folder's path is not absolute");
  while (n > 0 && url->key[n - 1] == '/') n--;
  if (n + 64 >= MST_PATH_MAX) return mst_fail(err, MST_E_ARGUMENT, "the folder's path has %zu bytes", n);
  mst_file_store *s = mst_alloc_zero(mem, 1, sizeof *s + n + 1);
  if (s == NULL) return mst_fail_memory(err);
  s->mem = mem;
  s->n_root = n;
  memcpy(s->root, url->key, n);
  (void)snprintf(text, sizeof text, "file://%s", n > 0 ? s->root : "/");
  mst_status status = mst_store_wrap(ctx, &ops, s, text, out, err);
  if (status != MST_OK) file_close(s);
  return status;
}

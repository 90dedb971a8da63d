/* store/file_write.c - changing a folder: whatever becomes visible is whole, and what fails leaves nothing behind.
 *
 * A new object is written to a temporary file in the folder where it will lie, synced, then linked (create-only) or
 * renamed to its name, and the folder is synced. Writers that replace take flock on the folder for the moment of
 * looking and renaming, so that "only over this version" holds between them; each replacing version has a later time
 * than the one before, so that an ETag never comes back. May call: base, file.c. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/file.h>
#include <time.h>
#include <unistd.h>

#include "store/file.h"

enum { NAME_ROOM = 64, OPEN_ATTEMPTS = 16 };

/* An object on its way. */
typedef struct staging {
  mst_path target;
  mst_path temp;
  size_t n_folder; /* bytes of either path that name the folder */
  uint32_t n_made; /* folders that were made for it, the innermost last */
  int fd;
} staging;

/* ---- errors ------------------------------------------------------------------------------------------------------ */

/* Keys that a folder cannot hold together are not the disk's fault. */
static mst_status fail_write(mst_error *err, int os_errno, const char *what) {
  if (os_errno == EISDIR) return mst_fail(err, MST_E_UNSUPPORTED, "%s: there is a folder of this name", what);
  if (os_errno == ENOTDIR)
    return mst_fail(err, MST_E_UNSUPPORTED, "%s: a part of the path is a file; a folder cannot hold both 'a' and 'a/b'",
                    what);
  return mst_fail_errno(err, os_errno, "%s", what);
}

/* ---- folders ----------------------------------------------------------------------------------------------------- */

static int open_retrying(const char *path, int flags) {
  int fd;
  do fd = open(path, flags | O_CLOEXEC, 0666);
  while (fd < 0 && errno == EINTR);
  return fd;
}

/* Not every file system can sync a folder; those that cannot say so. */
static int sync_folder(int fd) {
  int failed;
  do failed = fsync(fd);
  while (failed != 0 && errno == EINTR);
  return failed != 0 && errno != EINVAL && errno != ENOTSUP ? -1 : 0;
}

static void sync_parent(char *path, size_t n) {
  while (n > 0 && path[n - 1] != '/') n--;
  char kept = path[n];
  path[n] = '\0';
  int fd = open_retrying(path, O_RDONLY | O_DIRECTORY);
  path[n] = kept;
  if (fd < 0) return;
  (void)sync_folder(fd); /* what matters is synced once more when the object is there */
  (void)close(fd);
}

static int make_one(char *path, size_t n) {
  char kept = path[n];
  path[n] = '\0';
  int failed = mkdir(path, 0777);
  path[n] = kept;
  return failed == 0 ? 0 : errno;
}

/* Makes the first `n` bytes of `path` a folder, with those above it. `made` counts the new ones. */
static mst_status make_folders(char *path, size_t n, uint32_t *made, mst_error *err) {
  size_t at = n;
  int failed;
  while ((failed = make_one(path, at)) == ENOENT) {
    while (at > 0 && path[at - 1] != '/') at--;
    if (at <= 1) break;
    at--;
  }
  for (;;) {
    if (failed != 0 && failed != EEXIST) return fail_write(err, failed, "cannot make the folder");
    if (failed == 0) {
      ++*made;
      sync_parent(path, at);
    }
    if (at == n) return MST_OK;
    do at++;
    while (at < n && path[at] != '/');
    failed = make_one(path, at);
  }
}

/* Removes up to `levels` folders that are empty, from the innermost that is there outwards, never `keep` bytes of path
 * or less. */
static void remove_folders(const char *path, size_t n_folder, uint32_t levels, size_t keep) {
  char text[MST_PATH_MAX];
  memcpy(text, path, n_folder);
  while (levels > 0 && n_folder > keep) {
    text[n_folder] = '\0';
    if (rmdir(text) == 0) levels--;
    else if (errno != ENOENT) return;
    while (n_folder > 0 && text[n_folder] != '/') n_folder--;
  }
}

/* ---- staging ----------------------------------------------------------------------------------------------------- */

static size_t folder_length(const mst_path *p) {
  size_t n = p->n;
  while (n > 0 && p->text[n - 1] != '/') n--;
  return n > 0 ? n - 1 : 0;
}

static mst_status stage_paths(const mst_file_store *s, const char *key, staging *st, mst_error *err) {
  *st = (staging){.fd = -1};
  mst_status status = mst_file_path(s, key, &st->target, err);
  if (status != MST_OK) return status;
  st->n_folder = folder_length(&st->target);
  memcpy(st->temp.text, st->target.text, st->n_folder + 1);
  st->temp.n = st->n_folder + 1;
  st->temp.text[st->temp.n] = '\0';
  return MST_OK;
}

/* 16 digits: a mark of the target's name and a random part. */
static void name_temp(staging *st, const mst_env *env) {
  unsigned long long a = (unsigned long long)mst_file_name_mark(st->target.text + st->n_folder + 1) << 32 |
                         (uint32_t)env->random(env->self);
  int n = snprintf(st->temp.text + st->n_folder + 1, NAME_ROOM, ".meseta-%016llx%x.tmp", a, (unsigned)getpid());
  st->temp.n = st->n_folder + 1 + (size_t)n;
}

/* Another process may remove an empty folder between its making and its use: then once more. */
static mst_status stage_open(const mst_file_store *s, const mst_op *op, staging *st, mst_error *err) {
  mst_status status = stage_paths(s, op->key, st, err);
  if (status != MST_OK) return status;
  int failed = EEXIST;
  for (int i = 0; i < OPEN_ATTEMPTS && (failed == EEXIST || failed == ENOENT); i++) {
    if (failed == ENOENT) status = make_folders(st->temp.text, st->n_folder, &st->n_made, err);
    if (status != MST_OK) break;
    name_temp(st, mst_context_env(op->ctx));
    st->fd = open_retrying(st->temp.text, O_WRONLY | O_CREAT | O_EXCL);
    /* locked as long as its writer lives, so that it is not taken for a dead one's */
    if (st->fd >= 0) (void)flock(st->fd, LOCK_EX | LOCK_NB);
    if (st->fd >= 0) return MST_OK;
    failed = errno;
  }
  if (status == MST_OK) status = fail_write(err, failed, "cannot make a file");
  remove_folders(st->temp.text, st->n_folder, st->n_made, 0);
  return status;
}

static void stage_drop(staging *st) {
  if (st->fd >= 0) (void)close(st->fd);
  (void)unlink(st->temp.text);
  remove_folders(st->temp.text, st->n_folder, st->n_made, 0);
}

static mst_status write_fully(const mst_op *op, int fd, uint64_t offset, mst_error *err) {
  static const size_t step = 8 << 20;
  size_t at = 0;
  while (at < op->n_data) {
    mst_status status = mst_op_check(op, err);
    if (status != MST_OK) return status;
    size_t n = mst_min_size(op->n_data - at, step);
    ssize_t put = op->kind == MST_OP_UPLOAD_PART ? pwrite(fd, op->data + at, n, (off_t)(offset + at))
                                                 : write(fd, op->data + at, n);
    if (put < 0 && errno == EINTR) continue;
    if (put <= 0) return fail_write(err, put < 0 ? errno : EIO, "cannot write the file");
    at += (size_t)put;
  }
  return MST_OK;
}

static mst_status sync_file(int fd, mst_error *err) {
  int failed;
  do failed = fsync(fd);
  while (failed != 0 && errno == EINTR);
  return failed == 0 ? MST_OK : fail_write(err, errno, "cannot sync the file");
}

/* ---- publishing -------------------------------------------------------------------------------------------------- */

static bool locks_missing(int os_errno) {
  return os_errno == ENOLCK || os_errno == EOPNOTSUPP || os_errno == ENOSYS || os_errno == EBADF || os_errno == EINVAL;
}

/* Waits for the folder's lock. Where locks do not work, only those who rest on them fail. */
static mst_status lock_folder(const mst_op *op, int folder, bool *locked, mst_error *err) {
  const mst_env *env = mst_context_env(op->ctx);
  int64_t pause = 100;
  *locked = false;
  while (flock(folder, LOCK_EX | LOCK_NB) != 0) {
    if (errno == EINTR) continue;
    if (locks_missing(errno) && op->put_mode != MST_PUT_IF_MATCH) return MST_OK;
    if (locks_missing(errno))
      return mst_fail(err, MST_E_UNSUPPORTED,
                      "this folder has no locks, without which conditional writes are not safe");
    if (errno != EWOULDBLOCK) return mst_fail_errno(err, errno, "cannot lock the folder");
    mst_status status = mst_op_check(op, err);
    if (status != MST_OK) return status;
    env->sleep_us(env->self, pause);
    pause = pause < 5000 ? pause * 2 : pause;
  }
  *locked = true;
  return MST_OK;
}

/* Once more below the lock: is it still the version that may be replaced? */
static mst_status check_version(const mst_op *op, const struct stat *there, bool exists, mst_error *err) {
  mst_pin now;
  if (op->put_mode != MST_PUT_IF_MATCH) return MST_OK;
  if (!exists) return mst_fail(err, MST_E_CONFLICT, "the object '%.200s' is gone", op->key);
  mst_file_pin(there, &now);
  bool same = op->pin->etag[0] != '\0' ? strcmp(op->pin->etag, now.etag) == 0 : mst_pin_same(op->pin, &now);
  if (same) return MST_OK;
  return mst_fail(err, MST_E_CONFLICT, "the object '%.200s' is now %s, not %s", op->key, now.etag, op->pin->etag);
}

static bool later(const struct timespec *a, const struct timespec *b) {
  return a->tv_sec != b->tv_sec ? a->tv_sec > b->tv_sec : a->tv_nsec > b->tv_nsec;
}

/* The kernel's own file times are some milliseconds coarse, in which a size and a freed inode can come back. */
static void set_time(int fd, const struct stat *there) {
  struct timespec times[2] = {{.tv_nsec = UTIME_OMIT}};
  (void)clock_gettime(CLOCK_REALTIME, &times[1]);
  if (there != NULL && !later(&times[1], &there->st_mtim)) {
    times[1] = there->st_mtim;
    times[1].tv_nsec++;
    if (times[1].tv_nsec >= 1000000000) {
      times[1].tv_nsec = 0;
      times[1].tv_sec++;
    }
  }
  (void)futimens(fd, times);
}

static mst_status replace(const staging *st, const mst_op *op, int folder, mst_error *err) {
  mst_status status = MST_OK;
  struct stat there;
  bool locked = false;
  MST_TRY(lock_folder(op, folder, &locked, err));
  bool exists = stat(st->target.text, &there) == 0;
  if (!exists && errno != ENOENT && op->put_mode == MST_PUT_IF_MATCH) {
    status = mst_fail_errno(err, errno, "cannot look at the file");
    goto done;
  }
  MST_TRY(check_version(op, &there, exists, err));
  set_time(st->fd, exists ? &there : NULL);
  if (rename(st->temp.text, st->target.text) != 0) status = fail_write(err, errno, "cannot put the file in place");
done:
  if (locked) (void)flock(folder, LOCK_UN);
  return status;
}

static bool has_no_links(int os_errno) {
  return os_errno == EPERM || os_errno == EOPNOTSUPP || os_errno == ENOSYS || os_errno == EMLINK;
}

/* For file systems that can neither link nor rename without replacing: below the lock, which holds between writers of
 * ours. */
static mst_status create_locked(const staging *st, const mst_op *op, int folder, int *failed, mst_error *err) {
  mst_op strict = *op;
  struct stat there;
  bool locked = false;
  strict.put_mode = MST_PUT_IF_MATCH; /* rests on the lock */
  mst_status status = lock_folder(&strict, folder, &locked, err);
  if (status != MST_OK) return status;
  *failed = lstat(st->target.text, &there) == 0 ? EEXIST : rename(st->temp.text, st->target.text) == 0 ? 0 : errno;
  (void)flock(folder, LOCK_UN);
  return MST_OK;
}

/* Gives the file its name where there is none yet; `*failed` is EEXIST where there is. */
static mst_status link_new(const staging *st, const mst_op *op, int folder, int *failed, mst_error *err) {
  const char *from = st->temp.text;
  const char *to = st->target.text;
  *failed = link(from, to) == 0 ? 0 : errno;
  if (*failed == 0) (void)unlink(from);
  if (*failed == 0 || !has_no_links(*failed)) return MST_OK;
  *failed = renameat2(AT_FDCWD, from, AT_FDCWD, to, RENAME_NOREPLACE) == 0 ? 0 : errno;
  if (*failed == 0 || *failed == EEXIST) return MST_OK;
  return create_locked(st, op, folder, failed, err);
}

static mst_status create(const staging *st, const mst_op *op, int folder, mst_error *err) {
  struct stat there;
  int failed = 0;
  set_time(st->fd, NULL);
  mst_status status = link_new(st, op, folder, &failed, err);
  if (status != MST_OK || failed == 0) return status;
  if (failed != EEXIST) return fail_write(err, failed, "cannot put the file in place");
  if (stat(st->target.text, &there) == 0 && S_ISDIR(there.st_mode))
    return fail_write(err, EISDIR, "cannot put the file in place");
  return mst_fail(err, MST_E_EXISTS, "there is an object '%.200s' already", op->key);
}

/* Gives the synced temporary file its name. */
static mst_status publish(staging *st, mst_op *op, mst_error *err) {
  mst_status status = MST_OK;
  struct stat now;
  char kept = st->target.text[st->n_folder];
  st->target.text[st->n_folder] = '\0';
  int folder = open_retrying(st->n_folder > 0 ? st->target.text : "/", O_RDONLY | O_DIRECTORY);
  st->target.text[st->n_folder] = kept;
  if (folder < 0) return fail_write(err, errno, "cannot open the folder");
  MST_TRY(op->put_mode == MST_PUT_CREATE ? create(st, op, folder, err) : replace(st, op, folder, err));
  if (sync_folder(folder) != 0) {
    status = mst_fail_errno(err, errno, "the file is in place, but its folder cannot be synced");
    goto done;
  }
  if (fstat(st->fd, &now) != 0) {
    status = mst_fail_errno(err, errno, "cannot look at the file");
    goto done;
  }
  mst_file_pin(&now, &op->info);
done:
  (void)close(folder);
  return status;
}

mst_status mst_file_put(mst_file_store *s, mst_op *op, mst_error *err) {
  staging st;
  mst_status status = stage_open(s, op, &st, err);
  if (status != MST_OK) return status;
  MST_TRY(write_fully(op, st.fd, 0, err));
  MST_TRY(sync_file(st.fd, err));
  MST_TRY(publish(&st, op, err));
done:
  if (status != MST_OK) stage_drop(&st);
  else (void)close(st.fd);
  return status;
}

/* ---- deleting ---------------------------------------------------------------------------------------------------- */

static uint32_t depth_below(const mst_path *p, size_t n_root) {
  uint32_t n = 0;
  for (size_t i = n_root + 1; i < p->n; i++) n += p->text[i] == '/';
  return n;
}

/* Below the folder's lock, so that nothing is deleted between the look and the rename of one who replaces it. */
static mst_status delete_one(const mst_file_store *s, const mst_op *op, const char *key, mst_error *err) {
  mst_path path;
  bool locked = false;
  mst_status status = mst_file_path(s, key, &path, err);
  if (status != MST_OK) return status;
  size_t n_folder = folder_length(&path);
  path.text[n_folder] = '\0';
  int folder = open_retrying(n_folder > 0 ? path.text : "/", O_RDONLY | O_DIRECTORY);
  path.text[n_folder] = '/';
  if (folder < 0 && (errno == ENOENT || errno == ENOTDIR)) return MST_OK;
  if (folder < 0) return mst_fail_errno(err, errno, "cannot open the folder of '%.200s'", key);
  status = lock_folder(op, folder, &locked, err);
  if (status == MST_OK && unlink(path.text) != 0 && errno != ENOENT && errno != ENOTDIR && errno != EISDIR)
    status = mst_fail_errno(err, errno, "cannot delete '%.200s'", key);
  if (locked) (void)flock(folder, LOCK_UN);
  (void)close(folder);
  /* in a store of keys there are no empty folders */
  if (status == MST_OK) remove_folders(path.text, n_folder, depth_below(&path, s->n_root), s->n_root);
  return status;
}

mst_status mst_file_delete(mst_file_store *s, mst_op *op, mst_error *err) {
  for (size_t i = 0; i < op->n_keys; i++) {
    mst_status status = mst_op_check(op, err);
    if (status == MST_OK) status = delete_one(s, op, op->keys[i], err);
    if (status != MST_OK) return status;
  }
  return MST_OK;
}

/* ---- uploads in parts: one temporary file, each part written where it belongs ------------------------------------ */

mst_status mst_file_upload_open(mst_file_store *s, mst_op *op, mst_error *err) {
  staging st;
  mst_status status = stage_open(s, op, &st, err);
  if (status != MST_OK) return status;
  (void)close(st.fd);
  /* the id tells how many folders an abort takes away again */
  (void)snprintf(op->upload_id, sizeof op->upload_id, "%u/%.*s", (unsigned)st.n_made, NAME_ROOM,
                 st.temp.text + st.n_folder + 1);
  return MST_OK;
}

/* Finds the temporary file of an upload; an id is believed only if it has the form that we give. */
static mst_status find_upload(const mst_file_store *s, const mst_op *op, staging *st, mst_error *err) {
  mst_status status = stage_paths(s, op->key, st, err);
  if (status != MST_OK) return status;
  size_t digits = op->upload == NULL ? 0 : strspn(op->upload, "0123456789");
  const char *name = digits == 0 || digits > 4 ? "" : op->upload + digits;
  uint64_t made = 0;
  if (name[0] != '/' || !mst_file_is_temporary(name + 1) || strchr(name + 1, '/') != NULL || strlen(name) > NAME_ROOM ||
      mst_parse_u64(op->upload, digits, "upload", &made, NULL) != MST_OK)
    return mst_fail(err, MST_E_NOT_FOUND, "there is no upload of '%.200s' under way with this id", op->key);
  memcpy(st->temp.text + st->n_folder, name, strlen(name) + 1);
  st->temp.n = st->n_folder + strlen(name);
  st->n_made = (uint32_t)made;
  return MST_OK;
}

static mst_status open_upload(const mst_file_store *s, const mst_op *op, staging *st, mst_error *err) {
  mst_status status = find_upload(s, op, st, err);
  if (status != MST_OK) return status;
  st->fd = open_retrying(st->temp.text, O_WRONLY);
  if (st->fd >= 0) return MST_OK;
  return mst_fail_errno(err, errno, "the upload of '%.200s' is not under way", op->key);
}

mst_status mst_file_upload_part(mst_file_store *s, mst_op *op, mst_error *err) {
  staging st;
  mst_status status = open_upload(s, op, &st, err);
  if (status != MST_OK) return status;
  status = write_fully(op, st.fd, op->offset, err);
  if (close(st.fd) != 0 && errno != EINTR && status == MST_OK) status = fail_write(err, errno, "cannot write the file");
  if (status == MST_OK) (void)snprintf(op->part_tag, sizeof op->part_tag, "\"%u-%zu\"", (unsigned)op->part, op->n_data);
  return status;
}

mst_status mst_file_upload_close(mst_file_store *s, mst_op *op, mst_error *err) {
  staging st;
  struct stat now;
  mst_status status = open_upload(s, op, &st, err);
  if (status != MST_OK) return status;
  if (fstat(st.fd, &now) != 0) {
    status = mst_fail_errno(err, errno, "cannot look at the file");
  } else if ((uint64_t)now.st_size != op->size) {
    status = mst_fail(err, MST_E_IO, "the upload of '%.200s' has %llu bytes, not %llu: a part is missing", op->key,
                      (unsigned long long)now.st_size, (unsigned long long)op->size);
  } else {
    MST_TRY(sync_file(st.fd, err));
    MST_TRY(publish(&st, op, err));
  }
done:
  (void)close(st.fd);
  return status;
}

mst_status mst_file_upload_abort(mst_file_store *s, mst_op *op, mst_error *err) {
  staging st;
  mst_status status = find_upload(s, op, &st, err);
  if (status == MST_E_NOT_FOUND) return MST_OK;
  if (status != MST_OK) return status;
  if (unlink(st.temp.text) != 0 && errno != ENOENT && errno != ENOTDIR)
    return mst_fail_errno(err, errno, "cannot remove the unfinished file");
  remove_folders(st.temp.text, st.n_folder, st.n_made, 0);
  return MST_OK;
}

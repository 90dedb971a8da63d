/* store/file_list.c - listings of a folder in the order of the keys' bytes, page by page.
 *
 * Owns: walks. A walk reads one folder at a time, sorts its names (a folder's with '/' behind, which is where its keys
 * sort) and goes down where it must. Between two pages it is parked in the store; a page whose walk is gone starts anew
 * behind the last key. Links are followed, but never back into a folder that the walk is in. May call: base, file.c. */
#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "store/file.h"

/* Names of one folder: some ten million. */
static const size_t names_max = 512u << 20;

typedef struct level {
  mst_buf names;   /* NUL-terminated one after another */
  uint32_t *order; /* offsets into names, sorted */
  uint32_t n, at, capacity;
  size_t n_path; /* bytes of the walk's path that name this folder, its '/' included */
  dev_t device;
  ino_t inode;
} level;

struct mst_walk {
  const mst_allocator *mem;
  level *levels;
  size_t n_levels, capacity;
  char *prefix;
  bool folded;       /* with the delimiter "/" */
  char *after;       /* keys up to this one are left out: the last that was given; "" for none */
  bool after_folded; /* `after` is a common prefix: all below it is left out, too */
  size_t n_root;     /* where keys begin in `path` */
  char path[MST_PATH_MAX];
};

/* ---- making and ending walks ------------------------------------------------------------------------------------- */

static void level_free(const mst_allocator *mem, level *l) {
  mst_buf_free(&l->names);
  mst_free(mem, l->order);
}

static void walk_free(mst_walk *w) {
  if (w == NULL) return;
  while (w->n_levels > 0) level_free(w->mem, &w->levels[--w->n_levels]);
  mst_free(w->mem, w->levels);
  mst_free(w->mem, w->prefix);
  mst_free(w->mem, w->after);
  mst_free(w->mem, w);
}

void mst_file_list_end(mst_file_store *s) {
  for (size_t i = 0; i < MST_FILE_PARKED; i++) walk_free(atomic_exchange(&s->parked[i], NULL));
}

static bool is_of(const mst_walk *w, const mst_op *op, const char *after, bool after_folded) {
  return w->folded == (op->delimiter != NULL) && w->after_folded == after_folded && strcmp(w->after, after) == 0 &&
         strcmp(w->prefix, op->prefix) == 0;
}

/* The walk that stands behind this key. Places are taken and given by exchange: no lock that a fork() could leave held.
 */
static mst_walk *unpark(mst_file_store *s, const mst_op *op, const char *after, bool after_folded) {
  for (size_t i = 0; i < MST_FILE_PARKED; i++) {
    mst_walk *none = NULL;
    mst_walk *w = atomic_exchange(&s->parked[i], NULL);
    if (w == NULL) continue;
    if (is_of(w, op, after, after_folded)) return w;
    if (!atomic_compare_exchange_strong(&s->parked[i], &none, w)) walk_free(w);
  }
  return NULL;
}

/* In turn, so that the oldest gives way. */
static void park(mst_file_store *s, mst_walk *w) {
  for (size_t i = 0; i < MST_FILE_PARKED; i++) {
    mst_walk *none = NULL;
    if (atomic_compare_exchange_strong(&s->parked[i], &none, w)) return;
  }
  walk_free(atomic_exchange(&s->parked[atomic_fetch_add(&s->parkings, 1) % MST_FILE_PARKED], w));
}

/* ---- one folder -------------------------------------------------------------------------------------------------- */

static const char *name_at(const level *l, uint32_t i) { return (const char *)l->names.data + l->order[i]; }

static int compare_names(const void *a, const void *b, void *names) {
  return strcmp((const char *)names + *(const uint32_t *)a, (const char *)names + *(const uint32_t *)b);
}

/* What an entry is, links followed: 'd' folder, 'f' file, 0 anything else. Looks at the disk only where it must. */
static char kind_of(mst_walk *w, size_t n_path, const struct dirent *e) {
  struct stat st;
  if (e->d_type == DT_DIR) return 'd';
  if (e->d_type == DT_REG) return 'f';
  if (e->d_type != DT_LNK && e->d_type != DT_UNKNOWN) return 0;
  size_t n = strlen(e->d_name);
  if (n_path + n >= sizeof w->path) return 0;
  memcpy(w->path + n_path, e->d_name, n + 1);
  int failed = stat(w->path, &st);
  w->path[n_path] = '\0';
  if (failed != 0) return 0;
  return S_ISDIR(st.st_mode) ? 'd' : S_ISREG(st.st_mode) ? 'f' : 0;
}

static mst_status add_name(const mst_walk *w, level *l, const char *name, bool is_folder, mst_error *err) {
  mst_status status = MST_OK;
  if (l->n == l->capacity) {
    uint32_t capacity = l->capacity == 0 ? 64 : l->capacity * 2;
    uint32_t *order = mst_resize(w->mem, l->order, capacity * sizeof *order);
    MST_TRY_ALLOC(order);
    l->order = order;
    l->capacity = capacity;
  }
  l->order[l->n] = (uint32_t)l->names.size;
  MST_TRY(mst_buf_put(&l->names, name, strlen(name), err));
  MST_TRY(mst_buf_put(&l->names, "/", is_folder ? 2 : 0, err));
  if (!is_folder) MST_TRY(mst_buf_put_byte(&l->names, 0, err));
  l->n++;
done:
  return status;
}

/* Whether any key of an entry ("name", or "name/" for a folder) can be behind `after`. */
static bool is_wanted(const mst_walk *w, const level *l, const char *name, bool is_folder) {
  char path[MST_PATH_MAX + 260];
  size_t n_key = l->n_path - w->n_root;
  if (w->after[0] == '\0') return true;
  memcpy(path, w->path + w->n_root, n_key);
  (void)snprintf(path + n_key, sizeof path - n_key, "%s%s", name, is_folder ? "/" : "");
  if (strcmp(path, w->after) > 0) return !w->after_folded || !mst_text_starts(path, w->after);
  if (!is_folder || !mst_text_starts(w->after, path)) return false;
  return !(w->after_folded && strcmp(path, w->after) == 0);
}

static mst_status read_names(mst_walk *w, level *l, DIR *dir, const char *head, mst_error *err) {
  size_t n_head = strlen(head);
  for (;;) {
    errno = 0;
    const struct dirent *e = readdir(dir);
    if (e == NULL) break;
    if (strcmp(e->d_name, ".") == 0 || strcmp(e->d_name, "..") == 0 || mst_file_is_temporary(e->d_name)) continue;
    if (strncmp(e->d_name, head, n_head) != 0) continue;
    char kind = kind_of(w, l->n_path, e);
    if (kind == 0 || !is_wanted(w, l, e->d_name, kind == 'd')) continue;
    mst_status status = add_name(w, l, e->d_name, kind == 'd', err);
    if (status != MST_OK) return status;
  }
  if (errno != 0) return mst_fail_errno(err, errno, "cannot read the folder '%.200s'", w->path + w->n_root);
  if (l->n > 1) qsort_r(l->order, l->n, sizeof *l->order, compare_names, l->names.data);
  return MST_OK;
}

static bool is_ancestor(const mst_walk *w, const struct stat *st) {
  for (size_t i = 0; i < w->n_levels; i++)
    if (w->levels[i].device == st->st_dev && w->levels[i].inode == st->st_ino) return true;
  return false;
}

static mst_status push(mst_walk *w, const level *l, mst_error *err) {
  if (w->n_levels == w->capacity) {
    size_t capacity = w->capacity == 0 ? 8 : w->capacity * 2;
    level *levels = mst_resize(w->mem, w->levels, capacity * sizeof *levels);
    if (levels == NULL) return mst_fail_memory(err);
    w->levels = levels;
    w->capacity = capacity;
  }
  w->levels[w->n_levels++] = *l;
  return MST_OK;
}

/* Goes into the folder that the first `n_path` bytes of the path name; `head` begins the names that count. What
 * vanished, or leads back into a folder that we are in, is skipped. */
static mst_status enter(mst_walk *w, size_t n_path, const char *head, mst_error *err) {
  mst_status status = MST_OK;
  struct stat st;
  level l = {.n_path = n_path};
  w->path[n_path] = '\0';
  DIR *dir = opendir(w->path);
  if (dir == NULL) {
    if (errno == ENOENT || errno == ENOTDIR) return MST_OK;
    return mst_fail_errno(err, errno, "cannot open the folder '%.200s'", w->path + w->n_root);
  }
  mst_buf_init(&l.names, w->mem, names_max);
  if (fstat(dirfd(dir), &st) != 0) {
    status = mst_fail_errno(err, errno, "cannot look at the folder '%.200s'", w->path + w->n_root);
    goto done;
  }
  if (is_ancestor(w, &st)) goto done;
  l.device = st.st_dev;
  l.inode = st.st_ino;
  MST_TRY(read_names(w, &l, dir, head, err));
  if (l.n > 0) MST_TRY(push(w, &l, err));
done:
  if (l.n == 0 || status != MST_OK) level_free(w->mem, &l);
  (void)closedir(dir);
  return status;
}

/* ---- walking ----------------------------------------------------------------------------------------------------- */

static mst_status check_prefix(const char *prefix, size_t n_folder, mst_error *err) {
  if (prefix[0] == '/')
    return mst_fail(err, MST_E_ARGUMENT, "the prefix '%.200s' begins with '/'; keys are relative", prefix);
  for (size_t at = 0; at < n_folder;) {
    size_t n = strcspn(prefix + at, "/");
    if (n == 0 || (prefix[at] == '.' && (n == 1 || (n == 2 && prefix[at + 1] == '.'))))
      return mst_fail(err, MST_E_ARGUMENT, "the prefix '%.200s' has the path element '%.*s'", prefix, (int)n,
                      prefix + at);
    at += n + 1;
  }
  return MST_OK;
}

static mst_status begin(mst_walk *w, const mst_file_store *s, mst_error *err) {
  mst_status status = MST_OK;
  struct stat st;
  const char *slash = strrchr(w->prefix, '/');
  size_t n_folder = slash == NULL ? 0 : (size_t)(slash - w->prefix) + 1;
  MST_TRY(check_prefix(w->prefix, n_folder, err));
  if (s->n_root + 1 + n_folder + MST_NAME_MAX + 2 > sizeof w->path)
    return mst_fail(err, MST_E_ARGUMENT, "the prefix has %zu bytes, too many for a path in the folder",
                    strlen(w->prefix));
  memcpy(w->path, s->root, s->n_root);
  w->path[s->n_root] = '/';
  w->n_root = s->n_root + 1;
  w->path[w->n_root] = '\0';
  if (stat(w->path, &st) != 0) return mst_fail_errno(err, errno, "cannot look at the store's folder");
  if (!S_ISDIR(st.st_mode)) return mst_fail(err, MST_E_NOT_FOUND, "this is a file, not a folder");
  memcpy(w->path + w->n_root, w->prefix, n_folder);
  MST_TRY(enter(w, w->n_root + n_folder, w->prefix + n_folder, err));
done:
  return status;
}

static mst_status walk_new(const mst_file_store *s, const mst_op *op, const char *after, bool after_folded,
                           mst_walk **out, mst_error *err) {
  mst_status status = MST_OK;
  mst_walk *w = mst_alloc_zero(s->mem, 1, sizeof *w);
  MST_TRY_ALLOC(w);
  w->mem = s->mem;
  w->folded = op->delimiter != NULL;
  w->after_folded = after_folded;
  w->prefix = mst_text_copy(s->mem, op->prefix);
  MST_TRY_ALLOC(w->prefix);
  w->after = mst_text_copy(s->mem, after);
  MST_TRY_ALLOC(w->after);
  MST_TRY(begin(w, s, err));
  *out = w;
  w = NULL;
done:
  walk_free(w);
  return status;
}

static mst_status add_file(mst_walk *w, mst_op *op, size_t n_key, mst_error *err) {
  struct stat st;
  mst_pin pin;
  if (stat(w->path, &st) != 0) {
    if (errno == ENOENT || errno == ENOTDIR) return MST_OK;
    return mst_fail_errno(err, errno, "cannot look at '%.200s'", w->path + w->n_root);
  }
  if (!S_ISREG(st.st_mode)) return MST_OK;
  mst_file_pin(&st, &pin);
  return mst_page_add(op->page, w->path + w->n_root, n_key, pin.size, pin.modified_ns, pin.etag, false, err);
}

/* One step: an entry, a way down, or a way up. */
static mst_status step(mst_walk *w, mst_op *op, mst_error *err) {
  level *l = &w->levels[w->n_levels - 1];
  if (l->at == l->n) {
    level_free(w->mem, l);
    w->n_levels--;
    return MST_OK;
  }
  const char *name = name_at(l, l->at++);
  size_t n = strlen(name);
  size_t n_path = l->n_path;
  if (n_path + n + MST_NAME_MAX + 2 > sizeof w->path)
    return mst_fail(err, MST_E_UNSUPPORTED, "the path of '%.100s' in the folder is too long", name);
  memcpy(w->path + n_path, name, n + 1);
  size_t n_key = n_path + n - w->n_root;
  if (name[n - 1] != '/') return add_file(w, op, n_key, err);
  if (w->folded) return mst_page_add(op->page, w->path + w->n_root, n_key, 0, 0, NULL, true, err);
  return enter(w, n_path + n, "", err);
}

/* The token is "k" and the last key, or "p" and the last common prefix. */
static mst_status end_page(mst_walk *w, mst_op *op, mst_error *err) {
  const mst_entry *last = &op->page->entries[op->page->n - 1];
  const char *key = (const char *)op->page->text.data + (uintptr_t)last->key;
  mst_buf token;
  mst_buf_init(&token, w->mem, 1 << 16);
  bool folded = last->is_prefix;
  mst_status status = mst_buf_printf(&token, err, "%c%s", folded ? 'p' : 'k', key);
  if (status == MST_OK) status = mst_page_end(op->page, mst_buf_text(&token), err);
  char *after = status == MST_OK ? mst_text_copy(w->mem, mst_buf_text(&token) + 1) : NULL;
  if (status == MST_OK && after == NULL) status = mst_fail_memory(err);
  if (status == MST_OK) {
    mst_free(w->mem, w->after);
    w->after = after;
    w->after_folded = folded;
  }
  mst_buf_free(&token);
  return status;
}

static mst_status fill_page(mst_walk *w, mst_op *op, uint32_t page_max, mst_error *err) {
  for (uint32_t i = 0; w->n_levels > 0 && op->page->n < page_max; i++) {
    mst_status status = i % 256 == 0 ? mst_op_check(op, err) : MST_OK;
    if (status == MST_OK) status = step(w, op, err);
    if (status != MST_OK) return status;
  }
  return MST_OK;
}

static mst_status continue_walk(mst_file_store *s, const mst_op *op, mst_walk **out, mst_error *err) {
  if (op->token == NULL) return walk_new(s, op, op->start_after != NULL ? op->start_after : "", false, out, err);
  if (op->token[0] != 'k' && op->token[0] != 'p')
    return mst_fail(err, MST_E_ARGUMENT, "the listing's token is not one of this store");
  *out = unpark(s, op, op->token + 1, op->token[0] == 'p');
  return *out != NULL ? MST_OK : walk_new(s, op, op->token + 1, op->token[0] == 'p', out, err);
}

mst_status mst_file_list(mst_file_store *s, mst_op *op, mst_error *err) {
  mst_status status = MST_OK;
  mst_walk *w = NULL;
  uint32_t page_max = op->page_max == 0 ? 1000 : op->page_max;
  if (op->delimiter != NULL && strcmp(op->delimiter, "/") != 0)
    return mst_fail(err, MST_E_UNSUPPORTED, "a folder is listed with the delimiter '/' only, not '%.20s'",
                    op->delimiter);
  MST_TRY(continue_walk(s, op, &w, err));
  MST_TRY(fill_page(w, op, page_max, err));
  if (w->n_levels == 0) {
    MST_TRY(mst_page_end(op->page, NULL, err));
  } else {
    MST_TRY(end_page(w, op, err));
    park(s, w);
    w = NULL;
  }
done:
  walk_free(w);
  return status;
}

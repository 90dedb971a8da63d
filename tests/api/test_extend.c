/* tests/api/test_extend.c - stores of others, against the installed headers alone: one that blocks, and one that
 * completes later, from a thread of its own, and can be cancelled. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <pthread.h>
#include <stdio.h>
#include <time.h>
#include <unistd.h>

#include <meseta/context.h>
#include <meseta/extend.h>

/* ---- a store of a few slots that blocks -------------------------------------------------------------------------- */

enum { SLOTS = 8 };

typedef struct toy {
  pthread_mutex_t lock;
  struct {
    char key[32];
    char data[64];
    size_t n;
    int version;
  } slots[SLOTS];
  int versions, closed;
  char parts[4][64]; /* of the one upload that it can have */
  size_t n_parts[4];
} toy;

static int find(const toy *t, const char *key) {
  for (int i = 0; i < SLOTS; i++)
    if (strcmp(t->slots[i].key, key) == 0) return i;
  return -1;
}

static void pin_of(const toy *t, int i, mst_pin *out) {
  memset(out, 0, sizeof *out);
  out->size = t->slots[i].n;
  (void)snprintf(out->etag, sizeof out->etag, "\"%d\"", t->slots[i].version);
}

static mst_status toy_get(toy *t, mst_op *op, mst_error *err) {
  int i = find(t, op->key);
  if (i < 0) return mst_error_set(err, MST_E_NOT_FOUND, "the toy has no '%s'", op->key);
  pin_of(t, i, &op->info);
  if (op->pin != NULL && strcmp(op->pin->etag, op->info.etag) != 0)
    return mst_error_set(err, MST_E_CHANGED, "another version");
  if (op->kind == MST_OP_HEAD) return MST_OK;
  size_t size = t->slots[i].n, at = op->from_end ? (op->size < size ? size - op->size : 0) : op->offset;
  op->got = at >= size ? 0 : op->size < size - at ? op->size : size - at;
  if (op->exact && op->got < op->size) return mst_error_set(err, MST_E_CORRUPT, "too short");
  memcpy(op->into, t->slots[i].data + (op->got > 0 ? at : 0), op->got);
  return MST_OK;
}

static mst_status toy_put(toy *t, mst_op *op, const char *data, size_t n, mst_error *err) {
  int i = find(t, op->key);
  char etag[32] = "";
  if (i >= 0) (void)snprintf(etag, sizeof etag, "\"%d\"", t->slots[i].version);
  if (op->put_mode == MST_PUT_CREATE && i >= 0) return mst_error_set(err, MST_E_EXISTS, "taken");
  if (op->put_mode == MST_PUT_IF_MATCH && strcmp(op->pin->etag, etag) != 0)
    return mst_error_set(err, MST_E_CONFLICT, "replaced by another");
  if (i < 0) i = find(t, "");
  if (i < 0 || n > sizeof t->slots[i].data || strlen(op->key) >= sizeof t->slots[i].key)
    return mst_error_set(err, MST_E_UNSUPPORTED, "the toy has no room");
  strcpy(t->slots[i].key, op->key);
  memcpy(t->slots[i].data, data, n);
  t->slots[i].n = n;
  t->slots[i].version = ++t->versions;
  pin_of(t, i, &op->info);
  return MST_OK;
}

/* A page of one entry: the smallest key behind the token. */
static mst_status toy_list(toy *t, mst_op *op, mst_error *err) {
  int best = -1, left = 0;
  for (int i = 0; i < SLOTS; i++) {
    const char *key = t->slots[i].key;
    if (key[0] == '\0' || strncmp(key, op->prefix, strlen(op->prefix)) != 0) continue;
    if (op->token != NULL && strcmp(key, op->token) <= 0) continue;
    left++;
    if (best < 0 || strcmp(key, t->slots[best].key) < 0) best = i;
  }
  if (best < 0) return mst_page_end(op->page, NULL, err);
  mst_pin pin;
  pin_of(t, best, &pin);
  mst_status status =
      mst_page_add(op->page, t->slots[best].key, strlen(t->slots[best].key), pin.size, 0, pin.etag, false, err);
  return status == MST_OK ? mst_page_end(op->page, left > 1 ? t->slots[best].key : NULL, err) : status;
}

static mst_status toy_close_upload(toy *t, mst_op *op, mst_error *err) {
  char all[256];
  size_t n = 0;
  for (size_t i = 0; i < op->n_parts; i++) {
    memcpy(all + n, t->parts[i], t->n_parts[i]);
    n += t->n_parts[i];
  }
  return toy_put(t, op, all, n, err);
}

static mst_status toy_locked(toy *t, mst_op *op, mst_error *err) {
  switch (op->kind) {
  case MST_OP_HEAD:
  case MST_OP_GET: return toy_get(t, op, err);
  case MST_OP_PUT: return toy_put(t, op, (const char *)op->data, op->n_data, err);
  case MST_OP_LIST: return toy_list(t, op, err);
  case MST_OP_DELETE:
    for (size_t i = 0; i < op->n_keys; i++)
      if (find(t, op->keys[i]) >= 0) t->slots[find(t, op->keys[i])].key[0] = '\0';
    return MST_OK;
  case MST_OP_UPLOAD_OPEN: strcpy(op->upload_id, "the only one"); return MST_OK;
  case MST_OP_UPLOAD_PART:
    memcpy(t->parts[op->part - 1], op->data, op->n_data);
    t->n_parts[op->part - 1] = op->n_data;
    (void)snprintf(op->part_tag, sizeof op->part_tag, "\"part %u\"", op->part);
    return MST_OK;
  case MST_OP_UPLOAD_CLOSE: return toy_close_upload(t, op, err);
  case MST_OP_UPLOAD_ABORT: return MST_OK;
  default: return mst_error_set(err, MST_E_UNSUPPORTED, "the toy cannot do that");
  }
}

static mst_status toy_run(void *self, mst_op *op, mst_error *err) {
  toy *t = self;
  pthread_mutex_lock(&t->lock);
  mst_status status = toy_locked(t, op, err);
  pthread_mutex_unlock(&t->lock);
  return status;
}

static void toy_closed(void *self) { ((toy *)self)->closed++; }

/* ---- the same, completed later by one thread, cancellable -------------------------------------------------------- */

typedef struct late {
  toy toy;
  pthread_mutex_t lock;
  pthread_cond_t changed;
  pthread_t thread;
  mst_op *waiting[16];
  int n, delay_ms;
  bool stop;
} late;

static void *late_thread(void *arg) {
  late *l = arg;
  pthread_mutex_lock(&l->lock);
  while (!l->stop || l->n > 0) {
    if (l->n == 0) {
      pthread_cond_wait(&l->changed, &l->lock);
      continue;
    }
    pthread_mutex_unlock(&l->lock);
    usleep((useconds_t)l->delay_ms * 1000);
    pthread_mutex_lock(&l->lock);
    if (l->n == 0) continue;
    mst_op *op = l->waiting[0];
    memmove(l->waiting, l->waiting + 1, sizeof *l->waiting * (size_t)--l->n);
    pthread_mutex_unlock(&l->lock);
    mst_op_done(op, toy_run(&l->toy, op, &op->error));
    pthread_mutex_lock(&l->lock);
  }
  pthread_mutex_unlock(&l->lock);
  return NULL;
}

static void late_start(void *self, mst_op *op) {
  late *l = self;
  pthread_mutex_lock(&l->lock);
  bool room = l->n < 16;
  if (room) l->waiting[l->n++] = op;
  pthread_cond_signal(&l->changed);
  pthread_mutex_unlock(&l->lock);
  if (!room) mst_op_done(op, mst_error_set(&op->error, MST_E_LIMIT, "too many at once"));
}

static void late_cancel(void *self, mst_op *op) {
  late *l = self;
  bool found = false;
  pthread_mutex_lock(&l->lock);
  for (int i = 0; i < l->n && !found; i++) {
    if (l->waiting[i] != op) continue;
    found = true;
    memmove(l->waiting + i, l->waiting + i + 1, sizeof *l->waiting * (size_t)(--l->n - i));
  }
  pthread_mutex_unlock(&l->lock);
  if (found) mst_op_done(op, MST_E_CANCELLED);
}

static void late_close(void *self) {
  late *l = self;
  pthread_mutex_lock(&l->lock);
  l->stop = true;
  pthread_cond_signal(&l->changed);
  pthread_mutex_unlock(&l->lock);
  pthread_join(l->thread, NULL);
  l->toy.closed++;
}

/* ---- using them by the public calls ------------------------------------------------------------------------------ */

static mst_status gather(void *arg, const mst_object_info *info, mst_error *err) {
  (void)err;
  strcat(strcat(arg, info->key), " ");
  return MST_OK;
}

static void use(mst_store *s) {
  char etag[168], newer[168], keys[100] = "";
  mst_bytes b = {0};
  mst_object_info info;
  mst_error err;
  mst_upload *u = NULL;
  assert_int_equal(mst_store_put(s, "b", "two", 3, MST_PUT_CREATE, NULL, etag, NULL, NULL), MST_OK);
  assert_int_equal(mst_store_put(s, "b", "two", 3, MST_PUT_CREATE, NULL, etag, NULL, &err), MST_E_EXISTS);
  assert_string_equal(err.object, "toy://box/b");
  assert_string_equal(err.message, "taken");
  assert_int_equal(mst_store_put(s, "a", "one", 3, MST_PUT_REPLACE, NULL, NULL, NULL, NULL), MST_OK);
  assert_int_equal(mst_store_put(s, "b", "2", 1, MST_PUT_IF_MATCH, etag, newer, NULL, NULL), MST_OK);
  assert_int_equal(mst_store_put(s, "b", "3", 1, MST_PUT_IF_MATCH, etag, newer, NULL, NULL), MST_E_CONFLICT);
  assert_int_equal(mst_store_head(s, "b", &info, etag, NULL, NULL), MST_OK);
  assert_int_equal(info.size, 1);
  assert_string_equal(etag, newer);
  assert_int_equal(mst_store_get(s, "a", 1, 100, &b, NULL, NULL), MST_OK);
  assert_int_equal(b.size, 2);
  assert_memory_equal(b.data, "ne", 2);
  mst_bytes_release(&b);
  assert_int_equal(mst_store_get(s, "a", 0, UINT64_MAX, &b, NULL, NULL), MST_OK);
  assert_int_equal(b.size, 3);
  mst_bytes_release(&b);
  assert_int_equal(mst_store_get(s, "x", 0, 1, &b, NULL, NULL), MST_E_NOT_FOUND);
  assert_int_equal(mst_upload_open(s, "c", &u, NULL, NULL), MST_OK);
  assert_int_equal(mst_upload_put(u, "th", 2, NULL), MST_OK);
  assert_int_equal(mst_upload_put(u, "ree", 3, NULL), MST_OK);
  assert_int_equal(mst_upload_close(u, MST_PUT_CREATE, NULL, newer, NULL), MST_OK);
  mst_upload_free(u);
  assert_int_equal(mst_store_list(s, NULL, NULL, gather, keys, NULL, NULL), MST_OK);
  assert_string_equal(keys, "a b c ");
  const char *gone[] = {"a", "nothing"};
  assert_int_equal(mst_store_delete(s, gone, 2, NULL, NULL), MST_OK);
  keys[0] = '\0';
  assert_int_equal(mst_store_list(s, "", "", gather, keys, NULL, NULL), MST_OK);
  assert_string_equal(keys, "b c ");
}

static void a_blocking_store_of_ones_own(void **state) {
  toy t = {.lock = PTHREAD_MUTEX_INITIALIZER};
  const mst_store_ops ops = {.struct_size = sizeof ops, .name = "toy", .run = toy_run, .close = toy_closed};
  mst_store *s = NULL;
  (void)state;
  assert_int_equal(mst_store_wrap(NULL, &ops, &t, "toy://box/", &s, NULL), MST_OK);
  use(s);
  mst_store *second = mst_store_ref(s);
  mst_store_unref(s);
  assert_int_equal(t.closed, 0);
  mst_store_unref(second);
  assert_int_equal(t.closed, 1);
}

static int64_t tick_ms(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

static void *cancel_soon(void *arg) {
  usleep(30000);
  mst_cancel_request(arg);
  return NULL;
}

static void a_store_that_completes_later(void **state) {
  late l = {.toy = {.lock = PTHREAD_MUTEX_INITIALIZER},
            .lock = PTHREAD_MUTEX_INITIALIZER,
            .changed = PTHREAD_COND_INITIALIZER,
            .delay_ms = 1};
  const mst_store_ops ops = {
      .struct_size = sizeof ops, .name = "late toy", .start = late_start, .cancel = late_cancel, .close = late_close};
  mst_store *s = NULL;
  mst_bytes b = {0};
  pthread_t thread;
  (void)state;
  assert_int_equal(pthread_create(&l.thread, NULL, late_thread, &l), 0);
  assert_int_equal(mst_store_wrap(NULL, &ops, &l, "toy://box", &s, NULL), MST_OK);
  use(s);
  /* held up by one that takes long, a second one is cancelled */
  mst_cancel *cancel = mst_cancel_new(NULL);
  l.delay_ms = 400;
  pthread_create(&thread, NULL, cancel_soon, cancel);
  int64_t begun = tick_ms();
  assert_int_equal(mst_store_get(s, "b", 0, 1, &b, cancel, NULL), MST_E_CANCELLED);
  assert_true(tick_ms() - begun < 130);
  pthread_join(thread, NULL);
  mst_cancel_unref(cancel);
  mst_store_unref(s);
  assert_int_equal(l.toy.closed, 1);
}

static void what_a_store_is_not_good_for_does_not_reach_it(void **state) {
  toy t = {.lock = PTHREAD_MUTEX_INITIALIZER};
  mst_store_ops ops = {.struct_size = sizeof ops, .name = "toy", .run = toy_run, .flags = MST_STORE_READ_ONLY};
  mst_store *s = NULL;
  mst_upload *u = NULL;
  const char *keys[] = {"a"};
  (void)state;
  assert_int_equal(mst_store_wrap(NULL, &ops, &t, "toy://box", &s, NULL), MST_OK);
  assert_int_equal(mst_store_put(s, "a", "1", 1, MST_PUT_REPLACE, NULL, NULL, NULL, NULL), MST_E_UNSUPPORTED);
  assert_int_equal(mst_store_delete(s, keys, 1, NULL, NULL), MST_E_UNSUPPORTED);
  assert_int_equal(mst_upload_open(s, "a", &u, NULL, NULL), MST_E_UNSUPPORTED);
  mst_store_unref(s);
  ops.flags = MST_STORE_NO_CONDITIONS;
  assert_int_equal(mst_store_wrap(NULL, &ops, &t, "toy://box", &s, NULL), MST_OK);
  assert_int_equal(mst_store_put(s, "a", "1", 1, MST_PUT_CREATE, NULL, NULL, NULL, NULL), MST_E_UNSUPPORTED);
  assert_int_equal(mst_store_put(s, "a", "1", 1, MST_PUT_REPLACE, NULL, NULL, NULL, NULL), MST_OK);
  mst_store_unref(s);
  assert_int_equal(t.versions, 1);
}

static void wrong_arguments_are_refused(void **state) {
  toy t = {.lock = PTHREAD_MUTEX_INITIALIZER};
  mst_store_ops ops = {.struct_size = sizeof ops, .name = "toy"};
  struct {
    mst_store_ops ops;
    void *wish;
  } newer = {.ops = {.struct_size = sizeof newer, .name = "toy", .run = toy_run}, .wish = &t};
  mst_store *s = NULL;
  mst_bytes b;
  mst_error err;
  (void)state;
  assert_int_equal(mst_store_wrap(NULL, &ops, &t, "toy://box", &s, &err), MST_E_ARGUMENT); /* neither start nor run */
  assert_int_equal(mst_store_wrap(NULL, NULL, &t, "toy://box", &s, &err), MST_E_ARGUMENT);
  assert_int_equal(mst_store_wrap(NULL, &newer.ops, &t, "toy://box", &s, &err),
                   MST_E_UNSUPPORTED); /* a wish we cannot read */
  newer.wish = NULL;
  assert_int_equal(mst_store_wrap(NULL, &newer.ops, &t, "toy://box", &s, &err), MST_OK);
  assert_int_equal(mst_store_get(NULL, "a", 0, 1, &b, NULL, &err), MST_E_ARGUMENT);
  assert_int_equal(mst_store_get(s, NULL, 0, 1, &b, NULL, &err), MST_E_ARGUMENT);
  assert_int_equal(mst_store_get(s, "", 0, 1, &b, NULL, &err), MST_E_ARGUMENT);
  assert_int_equal(mst_store_put(s, "a", NULL, 1, MST_PUT_REPLACE, NULL, NULL, NULL, &err), MST_E_ARGUMENT);
  assert_int_equal(mst_store_put(s, "a", "1", 1, MST_PUT_IF_MATCH, NULL, NULL, NULL, &err), MST_E_ARGUMENT);
  assert_int_equal(mst_store_put(s, "a", "1", 1, (mst_put_mode)7, NULL, NULL, NULL, &err), MST_E_ARGUMENT);
  assert_int_equal(mst_store_open(NULL, NULL, NULL, 0, &s, &err), MST_E_ARGUMENT);
  assert_int_equal(mst_store_open(NULL, "nowhere://x", NULL, 0, &s, &err), MST_E_ARGUMENT);
  mst_store_unref(s);
  mst_store_unref(NULL);
  mst_upload_free(NULL);
}

int main(void) {
  static const struct CMUnitTest tests[] = {
      cmocka_unit_test(a_blocking_store_of_ones_own),
      cmocka_unit_test(a_store_that_completes_later),
      cmocka_unit_test(what_a_store_is_not_good_for_does_not_reach_it),
      cmocka_unit_test(wrong_arguments_are_refused),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}

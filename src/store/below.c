/* store/below.c - the view of a store below a prefix: keys go down with the prefix in front and come back without it.
 * May call: base. */
#include "store/wrapper.h"

typedef struct below {
  mst_wrapper wrapper;
  size_t n_prefix;
  char prefix[];
} below;

/* What an operation asked for, while longer texts stand in its place. */
typedef struct view {
  mst_frame frame; /* of started operations */
  const char *key, *prefix, *start_after;
  const char *const *keys;
  char *long_key, *long_prefix, *long_start_after;
  char **long_keys;
} view;

static mst_status join(const below *b, const char *text, char **out, mst_error *err) {
  size_t n = strlen(text) + 1;
  char *whole = mst_alloc(b->wrapper.mem, b->n_prefix + n);
  if (whole == NULL) return mst_fail_memory(err);
  memcpy(whole, b->prefix, b->n_prefix);
  memcpy(whole + b->n_prefix, text, n);
  *out = whole;
  return MST_OK;
}

static void free_texts(const below *b, view *v, size_t n_keys) {
  mst_free(b->wrapper.mem, v->long_key);
  mst_free(b->wrapper.mem, v->long_prefix);
  mst_free(b->wrapper.mem, v->long_start_after);
  for (size_t i = 0; v->long_keys != NULL && i < n_keys; i++) mst_free(b->wrapper.mem, v->long_keys[i]);
  mst_free(b->wrapper.mem, v->long_keys);
}

static mst_status join_all(const below *b, const mst_op *op, view *v, mst_error *err) {
  mst_status status = MST_OK;
  if (op->key != NULL) MST_TRY(join(b, op->key, &v->long_key, err));
  if (op->kind == MST_OP_LIST) MST_TRY(join(b, op->prefix, &v->long_prefix, err));
  if (op->start_after != NULL) MST_TRY(join(b, op->start_after, &v->long_start_after, err));
  if (op->kind != MST_OP_DELETE) goto done;
  v->long_keys = mst_alloc_zero(b->wrapper.mem, op->n_keys, sizeof *v->long_keys);
  MST_TRY_ALLOC(v->long_keys);
  for (size_t i = 0; i < op->n_keys; i++) MST_TRY(join(b, op->keys[i], &v->long_keys[i], err));
done:
  return status;
}

static mst_status go_down(const below *b, mst_op *op, view *v, mst_error *err) {
  v->key = op->key;
  v->prefix = op->prefix;
  v->start_after = op->start_after;
  v->keys = op->keys;
  mst_status status = join_all(b, op, v, err);
  if (status != MST_OK) {
    free_texts(b, v, op->n_keys);
    return status;
  }
  if (op->key != NULL) op->key = v->long_key;
  if (op->kind == MST_OP_LIST) op->prefix = v->long_prefix;
  if (op->start_after != NULL) op->start_after = v->long_start_after;
  if (op->kind == MST_OP_DELETE) op->keys = (const char *const *)v->long_keys;
  return MST_OK;
}

static mst_status shorten(const below *b, const mst_op *op, mst_error *err) {
  for (size_t i = 0; i < op->page->n; i++) {
    mst_entry *e = &op->page->entries[i];
    if (strncmp(e->key, b->prefix, b->n_prefix) != 0)
      return mst_fail(err, MST_E_CORRUPT, "the listing holds '%.100s', which is not below '%.100s'", e->key, b->prefix);
    e->key += b->n_prefix;
  }
  return MST_OK;
}

static mst_status come_up(const below *b, mst_op *op, view *v, mst_status status) {
  op->key = v->key;
  op->prefix = v->prefix;
  op->start_after = v->start_after;
  op->keys = v->keys;
  free_texts(b, v, op->n_keys);
  return status == MST_OK && op->kind == MST_OP_LIST ? shorten(b, op, &op->error) : status;
}

static void below_done(mst_op *op, mst_status status) {
  view *v = op->done_arg;
  status = come_up((below *)v->frame.wrapper, op, v, status);
  mst_frame_leave(&v->frame, op);
  mst_op_done(op, status);
}

static void below_start(void *self, mst_op *op) {
  below *b = self;
  view *v = (view *)mst_frame_enter(&b->wrapper, op, sizeof(view), below_done);
  if (v == NULL) return;
  mst_status status = go_down(b, op, v, &op->error);
  if (status == MST_OK) {
    mst_store_start(b->wrapper.inner, op);
    return;
  }
  mst_frame_leave(&v->frame, op);
  mst_op_done(op, status);
}

static mst_status below_run(void *self, mst_op *op, mst_error *err) {
  below *b = self;
  view v = {0};
  mst_status status = go_down(b, op, &v, err);
  if (status != MST_OK) return status;
  status = mst_store_perform(b->wrapper.inner, op, err);
  status = come_up(b, op, &v, status);
  if (status != MST_OK && err != NULL) *err = op->error;
  return status;
}

static mst_status below_sweep(void *self, const char *prefix, int64_t before_us, uint64_t *n, mst_error *err) {
  const below *b = self;
  char *whole = NULL;
  mst_status status = join(b, prefix, &whole, err);
  if (status == MST_OK) status = mst_store_sweep(b->wrapper.inner, whole, before_us, n, err);
  mst_free(b->wrapper.mem, whole);
  return status;
}

static const char *place_url(const below *b, mst_buf *url, mst_error *err) {
  const char *inner = mst_store_url(b->wrapper.inner);
  if (mst_buf_printf(url, err, "%s%s%s", inner, mst_text_ends(inner, "/") ? "" : "/", b->prefix) != MST_OK) return NULL;
  return mst_buf_text(url);
}

mst_status mst_store_below(mst_store *inner, const char *prefix, mst_store **out, mst_error *err) {
  mst_store_ops ops = {.struct_size = sizeof ops,
                       .name = mst_store_kind(inner),
                       .flags = mst_store_flags(inner),
                       .start = below_start,
                       .run = below_run,
                       .cancel = mst_wrapper_cancel,
                       .settings = mst_wrapper_settings,
                       .close = mst_wrapper_close,
                       .sweep = below_sweep};
  if (prefix[0] == '\0') {
    *out = mst_store_ref(inner);
    return MST_OK;
  }
  mst_status status = MST_OK;
  const mst_allocator *mem = mst_context_mem(mst_store_context(inner));
  size_t n = strlen(prefix);
  mst_buf url;
  mst_buf_init(&url, mem, 1 << 16);
  below *b = mst_alloc_zero(mem, 1, sizeof *b + n + 1);
  MST_TRY_ALLOC(b);
  *b = (below){.wrapper = {.inner = inner, .mem = mem}, .n_prefix = n};
  memcpy(b->prefix, prefix, n + 1);
  const char *text = place_url(b, &url, err);
  if (text == NULL) {
    status = MST_E_NO_MEMORY;
    goto done;
  }
  MST_TRY(mst_store_wrap(mst_store_context(inner), &ops, b, text, out, err));
  mst_store_ref(inner);
  b = NULL;
done:
  mst_free(mem, b);
  mst_buf_free(&url);
  return status;
}

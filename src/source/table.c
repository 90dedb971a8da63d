/* source/table.c - Parquet files as pinned tables: opening by the tail, facts, reading ranges. See table.h; reading
 * rows is table_read.c's, writing table_write.c's. May call fetch and parquet. */
#include "source/table_inner.h"

static mst_status table_new(mst_context *ctx, mst_table **out, mst_error *err) {
  const mst_allocator *mem = mst_context_mem(ctx);
  mst_table *t = mst_alloc_zero(mem, 1, sizeof *t);
  if (t == NULL) return mst_fail_memory(err);
  atomic_init(&t->refs, 1);
  t->ctx = mst_context_ref(ctx);
  t->mem = mem;
  *out = t;
  return MST_OK;
}

mst_table *mst_table_ref(mst_table *t) {
  if (t != NULL) atomic_fetch_add_explicit(&t->refs, 1, memory_order_relaxed);
  return t;
}

void mst_table_unref(mst_table *t) {
  if (t == NULL || atomic_fetch_sub_explicit(&t->refs, 1, memory_order_acq_rel) != 1) return;
  mst_context *ctx = t->ctx;
  mst_parquet_file_unref(t->file);
  mst_object_unref(t->object);
  mst_bytes_release(&t->bytes);
  mst_free(t->mem, t->name);
  mst_free(t->mem, t);
  mst_context_unref(ctx); /* last: the allocator may be its own */
}

/* The footer from the last bytes, `tail`; reads more where they do not hold all of it. */
static mst_status read_footer(mst_table *t, const mst_bytes *tail, mst_cancel *cancel, mst_error *err) {
  mst_status status = MST_OK;
  mst_bytes last = mst_bytes_share(tail);
  const uint64_t size = mst_table_size(t), most = mst_max_u64(mst_context_record_max(t->ctx), MST_PARQUET_TAIL);
  uint64_t need = 0;
  MST_TRY(mst_parquet_file_open(t->mem, &last, size, &t->file, &need, err));
  for (int turn = 0; t->file == NULL && turn < 2; turn++) {
    if (need > most) {
      status =
          mst_fail(err, MST_E_LIMIT, "the footer of this Parquet file takes %llu bytes, more than a record may (%llu)",
                   (unsigned long long)need, (unsigned long long)most);
      goto done;
    }
    const mst_range range = {.offset = size - need, .length = need};
    mst_bytes_release(&last);
    MST_TRY(mst_table_get(t, &range, 1, &last, cancel, err));
    MST_TRY(mst_parquet_file_open(t->mem, &last, size, &t->file, &need, err));
  }
  if (t->file == NULL) status = mst_fail(err, MST_E_INTERNAL, "the footer asks for more bytes without an end");
done:
  mst_bytes_release(&last);
  return status;
}

/* With a pin nothing is looked at but the tail itself, on condition that the object is still that version. */
static mst_status open_object(mst_table *t, mst_store *store, const char *key, const mst_table_open_options *o,
                              mst_bytes *tail, mst_cancel *cancel, mst_error *err) {
  mst_status status = MST_OK;
  const uint32_t flags = o->allow_unpinned != 0 ? MST_OBJECT_UNPINNED : 0;
  const size_t most = o->tail != 0 ? o->tail : MST_PARQUET_TAIL;
  if (o->pin == NULL) return mst_object_open_tail(store, key, flags, most, tail, &t->object, cancel, err);
  MST_TRY(mst_object_open(store, key, o->pin, flags, 0, NULL, &t->object, cancel, err));
  const uint64_t n = mst_min_u64(most, o->pin->size);
  const mst_range range = {.offset = o->pin->size - n, .length = n};
  MST_TRY(mst_object_read(t->object, &range, 1, tail, cancel, err));
done:
  return status;
}

mst_status mst_table_open(mst_store *store, const char *key, const mst_table_open_options *options, mst_table **out,
                          mst_cancel *cancel, mst_error *err) {
  mst_status status = MST_OK;
  static const mst_table_open_options defaults;
  mst_bytes tail = {0};
  mst_table *t = NULL;
  MST_TRY(table_new(mst_store_context(store), &t, err));
  MST_TRY(open_object(t, store, key, options != NULL ? options : &defaults, &tail, cancel, err));
  status = read_footer(t, &tail, cancel, err);
  if (status != MST_OK) {
    status = mst_error_name(err, status, mst_object_url(t->object));
    goto done;
  }
  /* a small file is here already as a whole: no second request */
  if (tail.size == mst_table_size(t)) t->bytes = mst_bytes_share(&tail);
  *out = t;
  t = NULL;
done:
  mst_bytes_release(&tail);
  mst_table_unref(t);
  return status;
}

mst_status mst_table_open_bytes(mst_context *ctx, const mst_bytes *bytes, const char *name, mst_table **out,
                                mst_error *err) {
  mst_status status = MST_OK;
  mst_table *t = NULL;
  MST_TRY(table_new(ctx, &t, err));
  MST_TRY_ALLOC(t->name = mst_text_copy(t->mem, name));
  t->bytes = mst_bytes_share(bytes);
  t->pin.size = bytes->size;
  status = mst_error_name(err, read_footer(t, &t->bytes, NULL, err), name);
  if (status != MST_OK) goto done;
  *out = t;
  t = NULL;
done:
  mst_table_unref(t);
  return status;
}

mst_parquet_file *mst_table_file(const mst_table *t) { return t->file; }
const mst_pin *mst_table_pin(const mst_table *t) { return t->object != NULL ? mst_object_pin(t->object) : &t->pin; }
const char *mst_table_url(const mst_table *t) { return t->object != NULL ? mst_object_url(t->object) : t->name; }
uint64_t mst_table_rows(const mst_table *t) { return mst_parquet_file_rows(t->file); }
uint64_t mst_table_size(const mst_table *t) { return mst_table_pin(t)->size; }

mst_status mst_table_schema(const mst_table *t, struct ArrowSchema *out, mst_error *err) {
  return mst_error_name(err, mst_parquet_file_schema(t->file, out, err), mst_table_url(t));
}

static mst_status get_in_memory(const mst_table *t, const mst_range *ranges, size_t n, mst_bytes *out, mst_error *err) {
  for (size_t i = 0; i < n; i++)
    if (ranges[i].offset > t->bytes.size || ranges[i].length > t->bytes.size - ranges[i].offset)
      return mst_fail_at(err, MST_E_CORRUPT, ranges[i].offset,
                         "%llu bytes at %llu lie beyond the end of the file (%zu bytes)",
                         (unsigned long long)ranges[i].length, (unsigned long long)ranges[i].offset, t->bytes.size);
  for (size_t i = 0; i < n; i++) out[i] = mst_bytes_part(&t->bytes, (size_t)ranges[i].offset, (size_t)ranges[i].length);
  return MST_OK;
}

mst_status mst_table_get(mst_table *t, const mst_range *ranges, size_t n, mst_bytes *out, mst_cancel *cancel,
                         mst_error *err) {
  if (t->object != NULL && t->bytes.data == NULL) return mst_object_read(t->object, ranges, n, out, cancel, err);
  return mst_error_name(err, get_in_memory(t, ranges, n, out, err), mst_table_url(t));
}

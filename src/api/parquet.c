/* api/parquet.c - the public calls of meseta/parquet.h that open files, read and verify them: checks arguments,
 * completes options, calls down. Showing is parquet_show.c's, writing parquet_out.c's. */
#include <meseta/parquet.h>

#include "api/give.h"
#include "column/column.h"
#include "source/source.h"

/* ---- opening ------------------------------------------------------------------------------------------------------
 */

static mst_status take_open(const mst_parquet_open_options *given, mst_parquet_open_options *o, mst_error *err) {
  mst_status status = mst_options_take(o, sizeof *o, given, "mst_parquet_open_options", err);
  if (status == MST_OK && o->config == NULL && o->n_config > 0)
    status = mst_fail(err, MST_E_ARGUMENT, "mst_parquet_open: config must not be NULL");
  return status;
}

mst_status mst_parquet_open(mst_context *ctx, const char *url, const mst_parquet_open_options *options,
                            mst_parquet **out, mst_cancel *cancel, mst_error *err) {
  mst_status status = MST_OK;
  mst_parquet_open_options o;
  mst_location at = {0};
  char shown[256];
  mst_error_clear(err);
  NEEDS(url != NULL && out != NULL, "url and out");
  MST_TRY(mst_context_resolve(ctx, &ctx, err));
  MST_TRY(take_open(options, &o, err));
  MST_TRY(mst_location_open(ctx, url, o.config, o.n_config, &at, err));
  if (at.is_prefix) {
    status =
        mst_fail(err, MST_E_ARGUMENT, "%.200s names a folder, not an object", mst_url_redact(url, shown, sizeof shown));
    goto done;
  }
  const mst_table_open_options how = {.allow_unpinned = o.allow_unpinned};
  MST_TRY(mst_table_open(at.store, at.key, &how, out, cancel, err));
done:
  mst_location_close(&at);
  return status;
}

mst_status mst_parquet_open_in(mst_store *store, const char *key, const mst_parquet_open_options *options,
                               mst_parquet **out, mst_cancel *cancel, mst_error *err) {
  mst_parquet_open_options o;
  mst_error_clear(err);
  NEEDS(store != NULL && key != NULL && out != NULL, "store, key and out");
  mst_status status = take_open(options, &o, err);
  const mst_table_open_options how = {.allow_unpinned = o.allow_unpinned};
  return status == MST_OK ? mst_table_open(store, key, &how, out, cancel, err) : status;
}

/* Memory of the caller's that is given back when its last part is let go. */
typedef struct lent_memory {
  mst_owner owner; /* first */
  mst_allocator mem;
  bool own_mem;
  void (*release)(void *arg);
  void *arg;
} lent_memory;

static void give_back(mst_owner *self) {
  lent_memory *m = (lent_memory *)self;
  const mst_allocator mem = m->mem;
  const bool own = m->own_mem;
  if (m->release != NULL) m->release(m->arg);
  mst_free(own ? &mem : NULL, m);
}

mst_status mst_parquet_open_memory(mst_context *ctx, const void *data, size_t size, void (*release)(void *arg),
                                   void *arg, const char *name, mst_parquet **out, mst_error *err) {
  mst_status status = MST_OK;
  lent_memory *m = NULL;
  mst_error_clear(err);
  if (out == NULL || (data == NULL && size > 0)) {
    status = mst_fail(err, MST_E_ARGUMENT, "mst_parquet_open_memory: data and out must not be NULL");
    goto done;
  }
  MST_TRY(mst_context_resolve(ctx, &ctx, err));
  const mst_allocator *mem = mst_context_mem(ctx);
  MST_TRY_ALLOC(m = mst_alloc_zero(mem, 1, sizeof *m));
  mst_owner_init(&m->owner, give_back);
  if (mem != NULL) m->mem = *mem;
  m->own_mem = mem != NULL;
  m->release = release;
  m->arg = arg;
  mst_bytes bytes = {.data = data, .size = size, .owner = &m->owner};
  status = mst_table_open_bytes(ctx, &bytes, name != NULL ? name : "memory", out, err);
  mst_bytes_release(&bytes);
  return status;
done:
  if (release != NULL) release(arg);
  return status;
}

mst_parquet *mst_parquet_ref(mst_parquet *p) { return mst_table_ref(p); }
void mst_parquet_unref(mst_parquet *p) { mst_table_unref(p); }

/* ---- facts --------------------------------------------------------------------------------------------------------
 */

const char *mst_parquet_get_url(const mst_parquet *p) { return mst_table_url(p); }
const char *mst_parquet_get_created_by(const mst_parquet *p) { return mst_parquet_file_created_by(mst_table_file(p)); }
uint64_t mst_parquet_get_size(const mst_parquet *p) { return mst_table_size(p); }
uint64_t mst_parquet_get_rows(const mst_parquet *p) { return mst_table_rows(p); }
size_t mst_parquet_get_row_groups(const mst_parquet *p) { return mst_parquet_file_groups(mst_table_file(p)); }

uint64_t mst_parquet_get_group_rows(const mst_parquet *p, size_t group) {
  return group < mst_parquet_get_row_groups(p) ? mst_parquet_group_rows(mst_table_file(p), group) : 0;
}

bool mst_parquet_get_metadata(const mst_parquet *p, size_t i, const char **key, const char **value) {
  return mst_parquet_file_pair(mst_table_file(p), i, key, value);
}

mst_status mst_parquet_get_schema(const mst_parquet *p, struct ArrowSchema *out, mst_error *err) {
  mst_error_clear(err);
  NEEDS(p != NULL && out != NULL, "p and out");
  return mst_table_schema(p, out, err);
}

static mst_status print_json(const json_t *value, mst_bytes *out, mst_error *err) {
  mst_buf text;
  mst_buf_init(&text, NULL, SIZE_MAX / 2);
  mst_status status = mst_json_print(value, &text, err);
  if (status == MST_OK) status = mst_buf_take(&text, out, err);
  mst_buf_free(&text);
  return status;
}

/* ---- reading ------------------------------------------------------------------------------------------------------
 */

static mst_status check_query(const mst_parquet_query *q, mst_error *err) {
  if (q->columns == NULL && q->n_columns > 0)
    return mst_fail(err, MST_E_ARGUMENT, "mst_parquet_query: columns must not be NULL");
  if (q->rows == NULL && q->n_rows > 0)
    return mst_fail(err, MST_E_ARGUMENT, "mst_parquet_query: rows must not be NULL");
  for (size_t i = 0; i < q->n_columns; i++)
    if (q->columns[i] == NULL)
      return mst_fail(err, MST_E_ARGUMENT, "mst_parquet_query: column %zu must not be NULL", i);
  return MST_OK;
}

mst_status mst_parquet_read(mst_parquet *p, const mst_parquet_query *query, struct ArrowArrayStream *out,
                            mst_cancel *cancel, mst_error *err) {
  mst_status status = MST_OK;
  mst_parquet_query q;
  mst_where *where = NULL;
  mst_error_clear(err);
  NEEDS(p != NULL && out != NULL, "p and out");
  MST_TRY(mst_options_take(&q, sizeof q, query, "mst_parquet_query", err));
  MST_TRY(check_query(&q, err));
  if (q.where != NULL) MST_TRY(mst_where_parse_any(NULL, q.where, strlen(q.where), &where, err));
  const mst_range groups = {.offset = q.first_group, .length = q.groups};
  const mst_table_read_options o = {.columns = q.columns,
                                    .n_columns = q.n_columns,
                                    .where = where,
                                    .rows = q.rows,
                                    .n_rows = q.n_rows,
                                    .groups = q.groups == 0 ? NULL : &groups,
                                    .limit = q.has_limit == 0 ? NULL : &q.limit,
                                    .batch_rows = q.batch_rows,
                                    .memory = q.memory,
                                    .in_caller = q.in_caller != 0};
  MST_TRY(mst_table_read(p, &o, out, cancel, err));
done:
  mst_where_unref(where);
  return status;
}

mst_status mst_parquet_verify(mst_parquet *p, mst_bytes *report, mst_cancel *cancel, mst_error *err) {
  mst_status status = MST_OK;
  json_t *value = NULL;
  mst_parquet_read_facts facts = {0};
  mst_error_clear(err);
  NEEDS(p != NULL, "p");
  MST_TRY(mst_table_verify(p, &facts, cancel, err));
  if (report == NULL) goto done;
  MST_TRY_ALLOC(value = json_object());
  MST_TRY(mst_json_set_text(value, "url", mst_table_url(p), err));
  MST_TRY(mst_json_set_u64(value, "rows", mst_table_rows(p), err));
  MST_TRY(mst_json_set_u64(value, "row_groups", mst_parquet_file_groups(mst_table_file(p)), err));
  MST_TRY(mst_json_set_u64(value, "pages", facts.pages, err));
  MST_TRY(mst_json_set_u64(value, "bytes", mst_table_size(p), err));
  MST_TRY(print_json(value, report, err));
done:
  json_decref(value);
  return status;
}

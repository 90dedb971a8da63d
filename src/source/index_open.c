/* source/index_open.c - reading an index file: footer, pins and facts are checked before anything in it is believed
 * (docs/specification/index.md). Owns struct mst_index; may call fetch and parquet. */
#include "source/raw.h"

#define FACTS_MAX ((size_t)64 << 20)

const char *mst_index_state_name(mst_index_state state) {
  switch (state) {
  case MST_INDEX_NONE: return "none";
  case MST_INDEX_FRESH: return "fresh";
  case MST_INDEX_STALE: return "stale";
  case MST_INDEX_BROKEN: return "broken";
  }
  return "?";
}

mst_index *mst_source_index_ref(mst_index *ix) {
  atomic_fetch_add_explicit(&ix->refs, 1, memory_order_relaxed);
  return ix;
}

void mst_source_index_unref(mst_index *ix) {
  if (ix == NULL || atomic_fetch_sub_explicit(&ix->refs, 1, memory_order_acq_rel) != 1) return;
  mst_object_unref(ix->object);
  mst_parquet_file_unref(ix->file);
  json_decref(ix->facts);
  mst_free(ix->mem, ix->group_first_row);
  mst_context_unref(ix->ctx);
  mst_free(ix->mem, ix);
}

mst_status mst_index_metadata(const mst_parquet_file *file, const char *key, json_t **out, mst_error *err) {
  const char *text = mst_parquet_file_metadata(file, key, NULL);
  if (text == NULL) return mst_fail(err, MST_E_CORRUPT, "not an index of this library: its footer lacks \"%s\"", key);
  mst_status status = mst_json_parse(text, strlen(text), FACTS_MAX, key, out, err);
  if (status == MST_OK && !json_is_object(*out)) {
    json_decref(*out);
    *out = NULL;
    status = mst_fail(err, MST_E_CORRUPT, "\"%s\" in the index's footer is no JSON object", key);
  }
  return status;
}

/* The index must describe the very version that is open, in a format and version that this build reads. */
static mst_status check_subject(const mst_source *s, const mst_index *ix, mst_error *err) {
  mst_status status = MST_OK;
  json_t *pins = NULL;
  mst_pin pin;
  char version[16];
  const char *format = mst_parquet_file_metadata(ix->file, "meseta.format", NULL);
  const char *made = mst_parquet_file_metadata(ix->file, "meseta.version", NULL);
  snprintf(version, sizeof version, "%u", (unsigned)s->format->version);
  MST_TRY(mst_index_metadata(ix->file, "meseta.pins", &pins, err));
  MST_TRY(mst_pin_from_json(pins, "the index's pins", &pin, err));
  MST_TRY(mst_pin_check(&pin, mst_object_pin(s->object), err));
  if (!mst_text_equal(format, s->format->name) || !mst_text_equal(made, version)) {
    status = mst_fail(err, MST_E_CHANGED,
                      "the index was made for format %.40s version %.10s, the source is read as %s version %s",
                      format == NULL ? "?" : format, made == NULL ? "?" : made, s->format->name, version);
  }
done:
  json_decref(pins);
  return status;
}

/* Options that the user gives now must be those that the index was made with, or what was found then. None given: any
 * will do. */
static mst_status check_options(const mst_source *s, const mst_index *ix, mst_error *err) {
  mst_status status = MST_OK;
  json_t *made_with = NULL, *value;
  const char *key;
  const json_t *found = json_object_get(ix->facts, "dialect");
  if (json_object_size(s->dialect) == 0) return MST_OK;
  MST_TRY(mst_index_metadata(ix->file, "meseta.options", &made_with, err));
  json_object_foreach(s->dialect, key, value) {
    const json_t *then = json_object_get(made_with, key);
    if (then == NULL) then = json_object_get(found, key);
    if (then != NULL && json_equal(then, value)) continue;
    status =
        mst_fail(err, MST_E_CHANGED, "the index was made with other options of the format: \"%.60s\" differs", key);
    break;
  }
done:
  json_decref(made_with);
  return status;
}

static mst_status bad_directory(size_t group, const char *what, mst_error *err) {
  return mst_fail(err, MST_E_CORRUPT, "row group %zu of the index: %s", group, what);
}

/* Where each row group begins, in rows, records and plain bytes: from the footer alone, and rising. */
static mst_status read_directory(mst_index *ix, mst_error *err) {
  const size_t n = mst_parquet_file_groups(ix->file);
  uint64_t *block = mst_alloc_array(ix->mem, n == 0 ? 1 : n, 3 * sizeof(uint64_t));
  if (block == NULL) return mst_fail_memory(err);
  ix->group_first_row = block;
  ix->group_first_record = (int64_t *)(void *)(block + n);
  ix->group_first_plain = (int64_t *)(void *)(block + 2 * n);
  ix->n_groups = n;
  for (size_t i = 0; i < n; i++) {
    const uint64_t rows = mst_parquet_group_rows(ix->file, i);
    int64_t max_record = 0, max_plain = 0, last_record = -1, last_plain = -1;
    ix->group_first_row[i] = ix->rows;
    if (rows == 0) return bad_directory(i, "it has no rows", err);
    if (!mst_add_u64(ix->rows, rows, &ix->rows)) return bad_directory(i, "more rows than can be", err);
    if (!mst_parquet_group_bounds_i64(ix->file, i, "record", &ix->group_first_record[i], &max_record) ||
        !mst_parquet_group_bounds_i64(ix->file, i, "plain", &ix->group_first_plain[i], &max_plain)) {
      ix->group_first_record[i] = ix->group_first_plain[i] = -1; /* a format whose rows are no run of records */
      continue;
    }
    if (i > 0) {
      last_record = ix->group_first_record[i - 1];
      last_plain = ix->group_first_plain[i - 1];
    }
    if (ix->group_first_record[i] < 0 || ix->group_first_plain[i] < 0 || max_record < ix->group_first_record[i] ||
        max_plain < ix->group_first_plain[i] || ix->group_first_record[i] < last_record ||
        ix->group_first_plain[i] < last_plain)
      return bad_directory(i, "checkpoints do not rise", err);
  }
  return MST_OK;
}

mst_status mst_index_footer(mst_context *ctx, mst_object *object, const mst_bytes *tail, mst_parquet_file **out,
                            mst_cancel *cancel, mst_error *err) {
  uint64_t need = 0;
  const uint64_t size = mst_object_size(object);
  mst_bytes last = mst_bytes_share(tail);
  mst_status status = MST_OK;
  *out = NULL;
  if (last.size == 0) need = mst_min_u64(size, MST_PARQUET_TAIL);
  else MST_TRY(mst_parquet_file_parse(mst_context_mem(ctx), last.data, last.size, size, out, &need, err));
  for (int turn = 0; *out == NULL && turn < 2; turn++) {
    if (need > mst_context_record_max(ctx) || need > size) {
      status = mst_fail(err, MST_E_LIMIT, "the footer of the index has %llu bytes", (unsigned long long)need);
      goto done;
    }
    const mst_range range = {.offset = size - need, .length = need};
    mst_bytes_release(&last);
    MST_TRY(mst_object_read(object, &range, 1, &last, cancel, err));
    MST_TRY(mst_parquet_file_parse(mst_context_mem(ctx), last.data, last.size, size, out, &need, err));
  }
  if (*out == NULL) status = mst_fail(err, MST_E_CORRUPT, "the index has no footer");
done:
  mst_bytes_release(&last);
  return status;
}

mst_status mst_index_open(mst_source *s, mst_index **out, mst_cancel *cancel, mst_error *err) {
  mst_status status = MST_OK;
  mst_bytes tail = {0};
  mst_index *ix = mst_alloc_zero(s->mem, 1, sizeof *ix);
  if (ix == NULL) return mst_fail_memory(err);
  atomic_init(&ix->refs, 1);
  ix->mem = s->mem;
  ix->ctx = mst_context_ref(s->ctx);
  MST_TRY(
      mst_object_open_tail(s->index_at.store, s->index_at.key, 0, MST_PARQUET_TAIL, &tail, &ix->object, cancel, err));
  MST_TRY(mst_index_footer(s->ctx, ix->object, &tail, &ix->file, cancel, err));
  MST_TRY(check_subject(s, ix, err));
  MST_TRY(mst_index_metadata(ix->file, "meseta.facts", &ix->facts, err));
  MST_TRY(check_options(s, ix, err));
  MST_TRY(read_directory(ix, err));
  ix->spacing = MST_SPACING_DEFAULT;
  MST_TRY(mst_json_get_u64(ix->facts, "spacing", "the index's facts", &ix->spacing, err));
  *out = ix;
  ix = NULL;
done:
  mst_bytes_release(&tail);
  mst_source_index_unref(ix);
  if (status != MST_OK) {
    mst_error_name(err, status, s->index_url);
    return mst_while(err, status, "index %s", s->index_url);
  }
  return MST_OK;
}

mst_status mst_source_index_load(mst_source *s, mst_index **out, mst_index_state *state, mst_error *why,
                                 mst_cancel *cancel, mst_error *err) {
  mst_error local;
  mst_error *e = why != NULL ? why : &local;
  mst_error_clear(e);
  *out = NULL;
  pthread_mutex_lock(&s->lock);
  if (s->index == NULL) {
    mst_status status = mst_index_open(s, &s->index, cancel, e);
    if (status == MST_E_CHANGED) *state = MST_INDEX_STALE;
    else if (status == MST_E_NOT_FOUND) *state = MST_INDEX_NONE;
    else if (status == MST_E_CORRUPT || status == MST_E_UNSUPPORTED || status == MST_E_LIMIT) *state = MST_INDEX_BROKEN;
    else if (status != MST_OK) {
      pthread_mutex_unlock(&s->lock);
      if (err != NULL) *err = *e;
      return status;
    }
  }
  if (s->index != NULL) {
    *state = MST_INDEX_FRESH;
    *out = mst_source_index_ref(s->index);
  }
  pthread_mutex_unlock(&s->lock);
  return MST_OK;
}

/* ---- rows for plans ---- */

/* Every column but the windows, which only readers of slices fetch. */
static mst_status plan_columns(const mst_index *ix, struct ArrowSchema *schema, const char **names, size_t *n,
                               mst_error *err) {
  mst_status status = mst_parquet_file_schema(ix->file, schema, err);
  if (status != MST_OK) return status;
  *n = 0;
  for (int64_t i = 0; i < schema->n_children && *n < 64; i++)
    if (!mst_text_equal(schema->children[i]->name, "window")) names[(*n)++] = schema->children[i]->name;
  return MST_OK;
}

mst_status mst_index_rows(void *index, size_t row_group, struct ArrowSchema *schema, struct ArrowArray *batch,
                          mst_cancel *cancel, mst_error *err) {
  mst_index *ix = index;
  mst_status status = MST_OK;
  mst_parquet_reader *reader = NULL;
  mst_bytes given[64] = {{0}};
  size_t n_given = 0, n_columns = 0;
  const char *names[64];
  struct ArrowSchema all = {0};
  mst_parquet_read_options options = {.columns = names, .first_group = row_group, .groups = 1};
  if (row_group >= ix->n_groups)
    return mst_fail(err, MST_E_INTERNAL, "row group %zu of an index of %zu", row_group, ix->n_groups);
  MST_TRY(plan_columns(ix, &all, names, &n_columns, err));
  options.n_columns = n_columns;
  MST_TRY(mst_parquet_reader_open(ix->file, &options, &reader, err));
  for (;;) {
    const mst_range *need = NULL;
    size_t n_need = 0;
    MST_TRY(mst_parquet_reader_step(reader, given, n_given, &need, &n_need, batch, err));
    for (size_t i = 0; i < n_given; i++) mst_bytes_release(&given[i]);
    n_given = 0;
    if (batch->release != NULL) break;
    if (n_need == 0 || n_need > 64) {
      status = mst_fail(err, MST_E_CORRUPT, "row group %zu holds no rows", row_group);
      goto done;
    }
    MST_TRY(mst_object_read(ix->object, need, n_need, given, cancel, err));
    n_given = n_need;
  }
  if ((uint64_t)batch->length != mst_parquet_group_rows(ix->file, row_group)) {
    mst_array_release(batch);
    status = mst_fail(err, MST_E_CORRUPT, "row group %zu came in more than one piece", row_group);
    goto done;
  }
  status = mst_parquet_reader_schema(reader, schema, err);
  if (status != MST_OK) mst_array_release(batch);
done:
  for (size_t i = 0; i < n_given; i++) mst_bytes_release(&given[i]);
  mst_parquet_reader_free(reader);
  mst_schema_release(&all);
  if (status != MST_OK) mst_error_name(err, status, mst_object_url(ix->object));
  return status == MST_OK ? MST_OK : mst_while(err, status, "reading the index %s", mst_object_url(ix->object));
}

/* dataset/stats.c - the statistics of a snapshot: read from segments and from the section, asked by partition; and what
 * a commit adds. May call: base, column, expr, store, source/table.h, dataset's own headers. */
#include "dataset/stats.h"

#include "dataset/key.h"
#include "dataset/ours.h"
#include "dataset/schema.h"
#include "dataset/stats_rows.h"
#include "dataset/value.h"
#include "source/source.h"

enum {
  RECENT_BYTES_MAX = 12 << 10, /* of the section, before the newest files' statistics go into a segment */
  RECENT_FILES_MAX = 64,       /* more of one commit go at once */
  SEGMENTS_MAX = 10,           /* before the newest ones are made one */
  COLUMNS_MAX = 2000           /* wider tables: unknown */
};
#define NOWHERE UINT32_MAX

typedef struct place {
  uint32_t batch, row;
} place;

struct mst_stats {
  const mst_allocator *mem;
  size_t n; /* partitions */
  place *places;
  struct ArrowSchema *schemas; /* of each batch */
  struct ArrowArray *batches;
  size_t n_batches, room;
};

/* ---- loading -------------------------------------------------------------------------------------------------------
 */

static void stats_free(mst_stats *s) {
  if (s == NULL) return;
  for (size_t i = 0; i < s->n_batches; i++) {
    mst_array_release(&s->batches[i]);
    mst_schema_release(&s->schemas[i]);
  }
  mst_free(s->mem, s->batches);
  mst_free(s->mem, s->schemas);
  mst_free(s->mem, s->places);
  mst_free(s->mem, s);
}

static void drop_of_state(mst_dataset *d, void *statistics) {
  (void)d;
  stats_free(statistics);
}

static mst_status stats_new(const mst_allocator *mem, size_t n, mst_stats **out, mst_error *err) {
  mst_status status = MST_OK;
  mst_stats *s = mst_alloc_zero(mem, 1, sizeof *s);
  if (s == NULL) return mst_fail_memory(err);
  s->mem = mem;
  s->n = n;
  MST_TRY_ALLOC(s->places = mst_alloc_array(mem, n + 1, sizeof *s->places));
  for (size_t i = 0; i < n; i++) s->places[i] = (place){NOWHERE, 0};
  *out = s;
  s = NULL;
done:
  stats_free(s);
  return status;
}

/* Takes both over, also on failure. */
static mst_status keep_batch(mst_stats *s, const mst_document *d, struct ArrowSchema *schema, struct ArrowArray *batch,
                             mst_error *err) {
  mst_status status = MST_OK;
  mst_view labels, rows;
  if (s->n_batches == s->room) {
    size_t room = s->room == 0 ? 8 : s->room * 2;
    void *schemas = mst_resize(s->mem, s->schemas, room * sizeof *s->schemas);
    if (schemas != NULL) s->schemas = schemas;
    void *batches = mst_resize(s->mem, s->batches, room * sizeof *s->batches);
    if (batches != NULL) s->batches = batches;
    if (schemas == NULL || batches == NULL) {
      status = mst_fail_memory(err);
      goto done;
    }
    s->room = room;
  }
  MST_TRY(mst_batch_column(schema, batch, "label", "u,U", &labels, err));
  MST_TRY(mst_batch_column(schema, batch, "rows", "l", &rows, err));
  for (int64_t i = 0; i < batch->length; i++) {
    char label[MST_KEY_MAX];
    size_t n;
    const uint8_t *text = mst_view_bytes(&labels, i, &n);
    if (n == 0 || n >= sizeof label) continue;
    memcpy(label, text, n);
    label[n] = '\0';
    size_t at = mst_document_find(d, label);
    if (at != MST_DOCUMENT_NONE) s->places[at] = (place){(uint32_t)s->n_batches, (uint32_t)i};
  }
  s->schemas[s->n_batches] = *schema;
  s->batches[s->n_batches++] = *batch;
  schema->release = NULL;
  batch->release = NULL;
done:
  mst_schema_release(schema);
  mst_array_release(batch);
  return status;
}

static mst_status load_segment(mst_stats *s, mst_store *store, const mst_document *d, const char *uuid, const char *key,
                               mst_cancel *cancel, mst_error *err) {
  mst_status status = MST_OK;
  mst_table *table = NULL;
  struct ArrowArrayStream rows = {0};
  struct ArrowSchema schema = {0};
  struct ArrowArray batch = {0};
  if (!mst_ours_is_key(key, uuid))
    return mst_fail(err, MST_E_CORRUPT, "the statistics '%.200s' lie outside of the dataset", key);
  MST_TRY(mst_table_open(store, key, NULL, &table, cancel, err));
  MST_TRY(mst_table_read(table, NULL, &rows, cancel, err));
  for (;;) {
    MST_TRY(mst_stream_next(&rows, &batch, err));
    if (batch.release == NULL) break;
    MST_TRY(mst_stream_schema(&rows, &schema, err));
    MST_TRY(keep_batch(s, d, &schema, &batch, err));
  }
done:
  mst_schema_release(&schema);
  mst_array_release(&batch);
  mst_stream_release(&rows);
  mst_table_unref(table);
  return status;
}

/* What is unknown is not pruned: only what must stop everything stops this. */
static bool must_stop(mst_status status) { return status == MST_E_NO_MEMORY || status == MST_E_CANCELLED; }

/* ---- the newest ones, inside the section ---------------------------------------------------------------------------
 */

/* [rows, {column: [min, max, nulls, nan_free]}] */
typedef struct recent {
  const json_t *columns;
  mst_buf low, high;
} recent;

static bool recent_bounds(void *self, const struct ArrowSchema *field, mst_bounds *out) {
  recent *r = self;
  const json_t *b = json_object_get(r->columns, field->name);
  if (!json_is_array(b)) return false;
  const json_t *min = json_array_get(b, 0), *max = json_array_get(b, 1), *nulls = json_array_get(b, 2);
  mst_buf_clear(&r->low);
  mst_buf_clear(&r->high);
  out->has_min =
      min != NULL && !json_is_null(min) && mst_scalar_from_json(field, min, &r->low, &out->min, NULL) == MST_OK;
  out->has_max =
      max != NULL && !json_is_null(max) && mst_scalar_from_json(field, max, &r->high, &out->max, NULL) == MST_OK;
  out->has_nulls = json_is_integer(nulls) && json_integer_value(nulls) >= 0;
  if (out->has_nulls) out->nulls = (uint64_t)json_integer_value(nulls);
  out->nan_free = json_is_true(json_array_get(b, 3));
  return true;
}

/* Those of files that `d` names; NULL: of all, for a version of the past may come back. */
static mst_status put_recent(mst_stat_rows *rows, const mst_document *d, json_t *map, mst_error *err) {
  mst_status status = MST_OK;
  const char *label;
  json_t *entry;
  recent r = {0};
  mst_buf_init(&r.low, rows->mem, SIZE_MAX);
  mst_buf_init(&r.high, rows->mem, SIZE_MAX);
  json_object_foreach(map, label, entry) {
    const json_int_t n = json_integer_value(json_array_get(entry, 0));
    if (!json_is_integer(json_array_get(entry, 0)) || n < 0) continue;
    if (d != NULL && mst_document_find(d, label) == MST_DOCUMENT_NONE) continue;
    r.columns = json_array_get(entry, 1);
    MST_TRY(mst_stat_rows_put(rows, label, (uint64_t)n, recent_bounds, &r, err));
  }
done:
  mst_buf_free(&r.low);
  mst_buf_free(&r.high);
  return status;
}

static mst_status load_recent(mst_stats *s, mst_dataset *d, json_t *map, mst_error *err) {
  mst_status status = MST_OK;
  mst_stat_rows rows = {0};
  struct ArrowArray batch = {0};
  struct ArrowSchema schema = {0};
  if (json_object_size(map) == 0 || d->schema.release == NULL) return MST_OK;
  MST_TRY(mst_stat_rows_open(d->mem, &d->schema, &rows, err));
  MST_TRY(put_recent(&rows, d->document, map, err));
  MST_TRY(mst_stat_rows_take(&rows, &batch, err));
  MST_TRY(mst_schema_copy(d->mem, &rows.schema, &schema, err));
  MST_TRY(keep_batch(s, d->document, &schema, &batch, err));
done:
  mst_schema_release(&schema);
  mst_array_release(&batch);
  mst_stat_rows_free(&rows);
  return status;
}

static mst_status load_all(mst_dataset *d, mst_stats **out, mst_cancel *cancel, mst_error *err) {
  mst_status status = MST_OK;
  mst_section section;
  mst_stats *s = NULL;
  size_t i;
  json_t *segment;
  MST_TRY(mst_section_of(d->document, d->uuid, &section, err));
  const json_t *statistics = json_object_get(section.map, "statistics");
  MST_TRY(stats_new(d->mem, mst_document_partitions(d->document), &s, err));
  json_array_foreach(json_object_get(statistics, "segments"), i, segment) {
    const char *key = json_string_value(json_object_get(segment, "key"));
    if (key == NULL) continue;
    status = load_segment(s, d->store, d->document, d->uuid, key, cancel, err);
    if (must_stop(status)) goto done;
  }
  status = load_recent(s, d, json_object_get(statistics, "recent"), err);
  if (must_stop(status)) goto done;
  mst_error_clear(err);
  status = MST_OK;
  *out = s;
  s = NULL;
done:
  stats_free(s);
  return status;
}

mst_status mst_stats_load(mst_dataset *d, const mst_stats **out, mst_cancel *cancel, mst_error *err) {
  mst_stats *s = NULL;
  pthread_mutex_lock(&d->guard);
  *out = d->statistics;
  pthread_mutex_unlock(&d->guard);
  if (*out != NULL) return MST_OK;
  mst_status status = load_all(d, &s, cancel, err);
  if (status != MST_OK) return status;
  pthread_mutex_lock(&d->guard);
  if (d->statistics == NULL) {
    d->statistics = s;
    d->statistics_free = drop_of_state;
    s = NULL;
  }
  *out = d->statistics;
  pthread_mutex_unlock(&d->guard);
  stats_free(s);
  return MST_OK;
}

bool mst_stats_bounds(const mst_stats *s, size_t partition, const struct ArrowSchema *field, mst_bounds *out) {
  if (s == NULL || partition >= s->n || s->places[partition].batch == NOWHERE) return false;
  const place p = s->places[partition];
  return mst_stat_rows_bounds(&s->schemas[p.batch], &s->batches[p.batch], p.row, field, out);
}

bool mst_stats_rows(const mst_stats *s, size_t partition, uint64_t *rows) {
  mst_scalar v;
  if (s == NULL || partition >= s->n || s->places[partition].batch == NOWHERE) return false;
  const place p = s->places[partition];
  const struct ArrowSchema *schema = &s->schemas[p.batch];
  if (mst_scalar_at(schema->children[1], s->batches[p.batch].children[1], p.row, &v, NULL) != MST_OK ||
      v.kind != MST_SCALAR_INT || v.as.i < 0)
    return false;
  *rows = (uint64_t)v.as.i;
  return true;
}

/* ---- what a commit adds --------------------------------------------------------------------------------------------
 */

static bool file_bounds(void *self, const struct ArrowSchema *field, mst_bounds *out) {
  const mst_new_file *f = self;
  for (size_t i = 0; i < f->n_stats; i++) {
    if (strcmp(f->stats[i].column, field->name) != 0) continue;
    *out = f->stats[i].bounds;
    return true;
  }
  return false;
}

static mst_status scalar_json(const struct ArrowSchema *field, bool has, const mst_scalar *v, json_t **out,
                              mst_error *err) {
  if (has) return mst_scalar_to_json(field, v, out, err);
  *out = json_null();
  return MST_OK;
}

static mst_status bounds_json(const struct ArrowSchema *field, const mst_bounds *b, json_t **out, mst_error *err) {
  mst_status status = MST_OK;
  json_t *min = NULL, *max = NULL;
  const bool both = b->has_min && b->has_max;
  MST_TRY(scalar_json(field, both, &b->min, &min, err));
  MST_TRY(scalar_json(field, both, &b->max, &max, err));
  json_t *nulls = b->has_nulls ? json_integer((json_int_t)mst_min_u64(b->nulls, INT64_MAX)) : json_null();
  *out = json_pack("[O,O,o,b]", min, max, nulls, (int)b->nan_free);
  if (*out == NULL) status = mst_fail_memory(err);
done:
  json_decref(min);
  json_decref(max);
  return status;
}

static mst_status file_json(const struct ArrowSchema *schema, const mst_new_file *f, json_t **out, mst_error *err) {
  mst_status status = MST_OK;
  json_t *columns = json_object(), *one = NULL;
  MST_TRY_ALLOC(columns);
  for (int64_t i = 0; i < schema->n_children; i++) {
    mst_bounds b = {0};
    if (!file_bounds((void *)(uintptr_t)f, schema->children[i], &b)) continue;
    MST_TRY(bounds_json(schema->children[i], &b, &one, err));
    MST_TRY(mst_json_set(columns, schema->children[i]->name, one, err));
  }
  *out = json_pack("[I,O]", (json_int_t)mst_min_u64(f->rows, INT64_MAX), columns);
  if (*out == NULL) status = mst_fail_memory(err);
done:
  json_decref(columns);
  return status;
}

static mst_status member(json_t *object, const char *name, bool array, json_t **out, mst_error *err) {
  json_t *value = json_object_get(object, name);
  if (array ? !json_is_array(value) : !json_is_object(value)) {
    mst_status status = mst_json_set(object, name, array ? json_array() : json_object(), err);
    if (status != MST_OK) return status;
    value = json_object_get(object, name);
  }
  *out = value;
  return MST_OK;
}

/* Ends the rows as a segment. */
static mst_status write_segment(const mst_stats_commit *c, mst_stat_rows *rows, json_t *segments, mst_cancel *cancel,
                                mst_error *err) {
  mst_status status = MST_OK;
  struct ArrowArray batch = {0};
  mst_table_writer *w = NULL;
  mst_table_written written;
  char id[33];
  const size_t n = rows->n;
  const mst_parquet_writer_options options = {
      .codec = MST_PARQUET_ZSTD, .no_statistics = true, .no_size_statistics = true};
  mst_buf key;
  mst_buf_init(&key, rows->mem, MST_KEY_MAX);
  if (n == 0) return MST_OK;
  mst_uuid_make(c->ctx, id);
  MST_TRY(mst_buf_printf(&key, err, "%s%sstatistics/%s", c->uuid, MST_KEY_OURS, id));
  MST_TRY(mst_stat_rows_take(rows, &batch, err));
  MST_TRY(
      mst_table_writer_open(c->store, mst_buf_text(&key), &rows->schema, &options, MST_PUT_REPLACE, &w, cancel, err));
  MST_TRY(mst_table_writer_put(w, &batch, err));
  MST_TRY(mst_table_writer_close(w, &written, err));
  json_t *segment = json_pack("{s:s,s:I}", "key", mst_buf_text(&key), "n", (json_int_t)n);
  if (segment == NULL || json_array_append_new(segments, segment) != 0) status = mst_fail_memory(err);
done:
  mst_array_release(&batch);
  mst_table_writer_free(w);
  mst_buf_free(&key);
  return status;
}

static mst_status move_recent(const mst_stats_commit *c, json_t *map, json_t *segments, mst_cancel *cancel,
                              mst_error *err) {
  mst_status status = MST_OK;
  mst_stat_rows rows = {0};
  MST_TRY(mst_stat_rows_open(mst_context_mem(c->ctx), c->schema, &rows, err));
  MST_TRY(put_recent(&rows, NULL, map, err));
  for (size_t i = 0; i < c->n_files; i++)
    MST_TRY(mst_stat_rows_put(&rows, c->files[i]->label, c->files[i]->rows, file_bounds, (void *)(uintptr_t)c->files[i],
                              err));
  MST_TRY(write_segment(c, &rows, segments, cancel, err));
  (void)json_object_clear(map);
done:
  mst_stat_rows_free(&rows);
  return status;
}

/* How many of the last segments are worth making one: each no larger than twice all behind it. */
static size_t segments_to_merge(const json_t *segments) {
  size_t n = json_array_size(segments), k = 0;
  uint64_t sum = 0;
  if (n <= SEGMENTS_MAX) return 0;
  while (k < n) {
    const json_int_t files = json_integer_value(json_object_get(json_array_get(segments, n - 1 - k), "n"));
    if (k >= 2 && files > 0 && (uint64_t)files > 2 * sum) break;
    sum += files > 0 ? (uint64_t)files : 0;
    k++;
  }
  return k;
}

typedef struct one_of {
  const mst_stats *stats;
  size_t partition;
} one_of;

static bool one_bounds(void *self, const struct ArrowSchema *field, mst_bounds *out) {
  const one_of *o = self;
  return mst_stats_bounds(o->stats, o->partition, field, out);
}

static mst_status merge_segments(const mst_stats_commit *c, json_t *segments, mst_cancel *cancel, mst_error *err) {
  mst_status status = MST_OK;
  const mst_allocator *mem = mst_context_mem(c->ctx);
  size_t k = segments_to_merge(segments);
  mst_stats *s = NULL;
  mst_stat_rows rows = {0};
  if (k == 0) return MST_OK;
  MST_TRY(stats_new(mem, mst_document_partitions(c->document), &s, err));
  for (size_t i = json_array_size(segments) - k; i < json_array_size(segments); i++) {
    const char *key = json_string_value(json_object_get(json_array_get(segments, i), "key"));
    status = key == NULL ? MST_OK : load_segment(s, c->store, c->document, c->uuid, key, cancel, err);
    if (must_stop(status)) goto done;
    if (status != MST_OK) mst_error_clear(err);
  }
  MST_TRY(mst_stat_rows_open(mem, c->schema, &rows, err));
  for (size_t i = 0; i < s->n; i++) {
    one_of o = {s, i};
    uint64_t n = UINT64_MAX;
    if (s->places[i].batch == NOWHERE) continue;
    (void)mst_stats_rows(s, i, &n);
    MST_TRY(mst_stat_rows_put(&rows, mst_document_label(c->document, i), n, one_bounds, &o, err));
  }
  for (; k > 0; k--) (void)json_array_remove(segments, json_array_size(segments) - 1);
  MST_TRY(write_segment(c, &rows, segments, cancel, err));
done:
  mst_stat_rows_free(&rows);
  stats_free(s);
  return status;
}

mst_status mst_stats_push(json_t *section, const mst_stats_commit *c, mst_cancel *cancel, mst_error *err) {
  mst_status status = MST_OK;
  json_t *statistics, *map, *segments, *entry = NULL;
  mst_buf text;
  mst_buf_init(&text, mst_context_mem(c->ctx), SIZE_MAX);
  if (c->schema == NULL || c->schema->n_children > COLUMNS_MAX) return MST_OK;
  MST_TRY(member(section, "statistics", false, &statistics, err));
  MST_TRY(member(statistics, "recent", false, &map, err));
  MST_TRY(member(statistics, "segments", true, &segments, err));
  if (c->n_files > RECENT_FILES_MAX) {
    status = move_recent(c, map, segments, cancel, err);
    goto merge;
  }
  for (size_t i = 0; i < c->n_files; i++) {
    MST_TRY(file_json(c->schema, c->files[i], &entry, err));
    MST_TRY(mst_json_set(map, c->files[i]->label, entry, err));
  }
  MST_TRY(mst_json_print(map, &text, err));
  if (text.size > RECENT_BYTES_MAX) {
    mst_stats_commit moved = *c;
    moved.n_files = 0;
    status = move_recent(&moved, map, segments, cancel, err);
  }
merge:
  if (status == MST_OK) status = merge_segments(c, segments, cancel, err);
done:
  mst_buf_free(&text);
  return status;
}

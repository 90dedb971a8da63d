/* dataset/count.c - facts of a snapshot: how many rows meet a condition, what partitions there are, what the document says. Metadata
 * first; footers and rows only where it does not tell. May call: base, column, expr, dataset's own headers. */
#include "dataset/conform.h"
#include "dataset/dataset.h"
#include "dataset/read.h"
#include "dataset/section.h"
#include "dataset/stats.h"

enum { PARTITIONS_A_BATCH = 16384 };

/* ---- rows ------------------------------------------------------------------------------------------------------ */

/* Rows of `parts` that meet the condition, read without columns; rows[i] is part i's when not NULL. */
static mst_status count_by_scan(mst_dataset *d, mst_predicate *p, const mst_scan_part *parts, size_t n, uint64_t *total, uint64_t *rows,
                                mst_cancel *cancel, mst_error *err) {
  mst_status status = MST_OK;
  mst_scan *scan = NULL;
  const size_t none = 0;
  const mst_scan_options o = {.columns = &none, .n_columns = 0, .parts = parts, .n_parts = n, .predicate = p};
  MST_TRY(mst_scan_open(d, &o, &scan, cancel, err));
  for (;;) {
    struct ArrowArray batch = {0};
    size_t item = 0;
    MST_TRY(mst_scan_next(scan, &batch, &item, err));
    if (batch.release == NULL) break;
    *total += (uint64_t)batch.length;
    if (rows != NULL) rows[item] += (uint64_t)batch.length;
    mst_array_release(&batch);
  }
done:
  mst_scan_close(scan);
  return status;
}

mst_status mst_ds_count(mst_dataset *d, const char *where, uint64_t *rows, mst_cancel *cancel, mst_error *err) {
  mst_status status = MST_OK;
  mst_where *w = NULL;
  mst_predicate *p = NULL;
  mst_candidates found = {.mem = d->mem};
  mst_scan_part *parts = NULL;
  const mst_stats *stats = NULL;
  uint64_t total = 0;
  size_t n = 0;
  MST_TRY(mst_condition_of(d, where, &w, &p, err));
  MST_TRY(mst_prune_partitions(d, p, NULL, 0, 0, &found, cancel, err));
  MST_TRY(mst_stats_load(d, &stats, cancel, err));
  MST_TRY_ALLOC(parts = mst_alloc_zero(d->mem, found.n + 1, sizeof *parts));
  for (size_t i = 0; i < found.n; i++) {
    uint64_t known = 0;
    if (found.items[i].all && stats != NULL && mst_stats_rows(stats, found.items[i].part, &known)) total += known;
    else parts[n++] = (mst_scan_part){.part = found.items[i].part, .all = found.items[i].all};
  }
  if (n > 0) MST_TRY(count_by_scan(d, p, parts, n, &total, NULL, cancel, err));
  *rows = total;
done:
  mst_free(d->mem, parts);
  mst_candidates_free(&found);
  mst_predicate_unref(p);
  mst_where_unref(w);
  return status;
}

/* ---- partitions ------------------------------------------------------------------------------------------------ */

mst_status mst_rows_of_parts(mst_dataset *d, const mst_candidates *c, bool look, uint64_t *rows, mst_cancel *cancel, mst_error *err) {
  mst_status status = MST_OK;
  const mst_stats *stats = NULL;
  mst_scan_part *parts = NULL;
  size_t n = 0, *places = NULL;
  uint64_t *found = NULL, total = 0;
  MST_TRY(mst_stats_load(d, &stats, cancel, err));
  MST_TRY_ALLOC(parts = mst_alloc_zero(d->mem, c->n + 1, sizeof *parts));
  MST_TRY_ALLOC(places = mst_alloc_array(d->mem, c->n + 1, sizeof *places));
  MST_TRY_ALLOC(found = mst_alloc_zero(d->mem, c->n + 1, sizeof *found));
  for (size_t i = 0; i < c->n; i++) {
    rows[i] = UINT64_MAX;
    if (stats != NULL && mst_stats_rows(stats, c->items[i].part, &rows[i])) continue;
    parts[n] = (mst_scan_part){.part = c->items[i].part, .all = true};
    places[n++] = i;
  }
  if (!look || n == 0) goto done;
  MST_TRY(count_by_scan(d, NULL, parts, n, &total, found, cancel, err));
  for (size_t i = 0; i < n; i++) rows[places[i]] = found[i];
done:
  mst_free(d->mem, parts);
  mst_free(d->mem, places);
  mst_free(d->mem, found);
  return status;
}

typedef struct partition_stream {
  mst_dataset *d;
  mst_candidates found;
  uint64_t *rows;
  size_t at;
} partition_stream;

static void close_partitions(void *self) {
  partition_stream *s = self;
  if (s == NULL) return;
  mst_dataset *d = s->d;
  mst_candidates_free(&s->found);
  mst_free(d->mem, s->rows);
  mst_free(d->mem, s);
  mst_ds_unref(d);
}

static mst_status put_partition(partition_stream *s, size_t i, mst_builder *const b[3], mst_buf *key, mst_error *err) {
  mst_status status = MST_OK;
  const size_t part = s->found.items[i].part;
  const char *label = mst_document_label(s->d->document, part);
  mst_buf_clear(key);
  MST_TRY(mst_document_file(s->d->document, part, key, err));
  MST_TRY(mst_builder_bytes(b[0], label, strlen(label), err));
  MST_TRY(mst_builder_bytes(b[1], mst_buf_text(key), strlen(mst_buf_text(key)), err));
  if (s->rows[i] == UINT64_MAX) MST_TRY(mst_builder_null(b[2], err));
  else MST_TRY(mst_builder_i64(b[2], (int64_t)s->rows[i], err));
done:
  return status;
}

static mst_status take_keys(partition_stream *s, size_t first, size_t n, struct ArrowArray *out, mst_error *err) {
  mst_status status = MST_OK;
  const struct ArrowSchema *schema = NULL;
  const struct ArrowArray *keys = NULL;
  int64_t *rows = mst_alloc_array(s->d->mem, n + 1, sizeof *rows);
  MST_TRY_ALLOC(rows);
  MST_TRY(mst_state_keys(s->d, &schema, &keys, err));
  for (size_t i = 0; i < n; i++) rows[i] = (int64_t)s->found.items[first + i].part;
  MST_TRY(mst_array_gather(s->d->mem, schema, keys, rows, (int64_t)n, out, err));
done:
  mst_free(s->d->mem, rows);
  return status;
}

static const mst_field partition_fields[3] = {{.name = "label", .format = "u"}, {.name = "key", .format = "u"},
                                              {.name = "rows", .format = "l", .nullable = true}};

static mst_status next_partitions(void *self, struct ArrowArray *out, mst_error *err) {
  mst_status status = MST_OK;
  partition_stream *s = self;
  mst_builder *b[3] = {0};
  struct ArrowArray columns[4] = {{0}};
  mst_buf key;
  const size_t n = mst_min_size(s->found.n - s->at, PARTITIONS_A_BATCH);
  *out = (struct ArrowArray){0};
  if (n == 0) return MST_OK;
  mst_buf_init(&key, s->d->mem, MST_KEY_MAX + 1);
  for (size_t i = 0; i < 3; i++) MST_TRY(mst_builder_new(s->d->mem, &partition_fields[i], &b[i], err));
  for (size_t i = 0; i < n; i++) MST_TRY(put_partition(s, s->at + i, b, &key, err));
  for (size_t i = 0; i < 3; i++) MST_TRY(mst_builder_take(b[i], &columns[i], err));
  MST_TRY(take_keys(s, s->at, n, &columns[3], err));
  MST_TRY(mst_batch_make(s->d->mem, columns, 4, (int64_t)n, out, err));
  s->at += n;
done:
  for (size_t i = 0; i < 3; i++) mst_builder_free(b[i]);
  for (size_t i = 0; i < 4; i++) mst_array_release(&columns[i]);
  mst_buf_free(&key);
  return status;
}

static mst_status partition_schema(mst_dataset *d, struct ArrowSchema *out, mst_error *err) {
  mst_status status = MST_OK;
  struct ArrowSchema flat = {0}, made = {0};
  const struct ArrowSchema *keys_schema = NULL;
  const struct ArrowArray *keys = NULL;
  MST_TRY(mst_state_keys(d, &keys_schema, &keys, err));
  MST_TRY(mst_schema_make(d->mem, partition_fields, 3, &flat, err));
  MST_TRY(mst_schema_node(d->mem, "+s", "", 0, 4, &made, err));
  for (size_t i = 0; i < 3; i++) MST_TRY(mst_schema_copy(d->mem, flat.children[i], made.children[i], err));
  MST_TRY(mst_schema_node(d->mem, "+s", "keys", 0, (size_t)keys_schema->n_children, made.children[3], err));
  for (int64_t i = 0; i < keys_schema->n_children; i++)
    MST_TRY(mst_schema_copy(d->mem, keys_schema->children[i], made.children[3]->children[i], err));
  *out = made;
  made.release = NULL;
done:
  mst_schema_release(&flat);
  mst_schema_release(&made);
  return status;
}

mst_status mst_ds_partitions(mst_dataset *d, const char *where, bool count_rows, struct ArrowArrayStream *out, mst_cancel *cancel,
                             mst_error *err) {
  mst_status status = MST_OK;
  mst_where *w = NULL;
  mst_predicate *p = NULL;
  struct ArrowSchema schema = {0};
  partition_stream *s = mst_alloc_zero(d->mem, 1, sizeof *s);
  if (s == NULL) return mst_fail_memory(err);
  s->d = mst_ds_ref(d);
  s->found.mem = d->mem;
  MST_TRY(mst_condition_of(d, where, &w, &p, err));
  MST_TRY(mst_prune_partitions(d, p, NULL, 0, 0, &s->found, cancel, err));
  MST_TRY_ALLOC(s->rows = mst_alloc_zero(d->mem, s->found.n + 1, sizeof *s->rows));
  MST_TRY(mst_rows_of_parts(d, &s->found, count_rows, s->rows, cancel, err));
  MST_TRY(partition_schema(d, &schema, err));
  const mst_stream_source source = {.self = s, .next = next_partitions, .close = close_partitions};
  s = NULL;
  MST_TRY(mst_stream_make(d->mem, &schema, &source, out, err));
done:
  close_partitions(s);
  mst_schema_release(&schema);
  mst_predicate_unref(p);
  mst_where_unref(w);
  return status;
}

/* ---- what the document says ------------------------------------------------------------------------------------- */

static mst_status known_rows(mst_dataset *d, json_t **out, mst_cancel *cancel, mst_error *err) {
  const mst_stats *stats = NULL;
  uint64_t total = 0, rows = 0;
  const size_t n = mst_document_partitions(d->document);
  const mst_status status = mst_stats_load(d, &stats, cancel, err);
  if (status != MST_OK) return status;
  for (size_t i = 0; i < n; i++) {
    if (stats == NULL || !mst_stats_rows(stats, i, &rows)) {
      *out = json_null();
      return MST_OK;
    }
    total += rows;
  }
  *out = json_integer((json_int_t)total);
  return *out == NULL ? mst_fail_memory(err) : MST_OK;
}

static json_t *names_of(const mst_dataset *d, size_t n, const char *(*name)(const mst_document *d, size_t i)) {
  json_t *array = json_array();
  for (size_t i = 0; array != NULL && i < n; i++)
    if (json_array_append_new(array, json_string(name(d->document, i))) != 0) {
      json_decref(array);
      return NULL;
    }
  return array;
}

static json_t *users_metadata(const mst_dataset *d) {
  json_t *copy = json_copy(mst_document_metadata(d->document));
  if (copy != NULL) (void)json_object_del(copy, "meseta");
  return copy;
}

mst_status mst_ds_describe(mst_dataset *d, json_t **out, mst_cancel *cancel, mst_error *err) {
  mst_status status = MST_OK;
  mst_section section = {0};
  json_t *rows = NULL, *made = NULL;
  MST_TRY(mst_section_of(d->document, d->uuid, &section, err));
  MST_TRY(known_rows(d, &rows, cancel, err));
  const json_t *created = json_object_get(mst_document_metadata(d->document), "creation_time");
  MST_TRY_ALLOC(made = json_pack("{ss ss sI so so sI so so ss ss sO?}", "uuid", d->uuid, "table", d->table, "version", (json_int_t)d->version,
                                 "partition_keys", names_of(d, mst_document_n_keys(d->document), mst_document_key), "indices",
                                 names_of(d, mst_document_n_indices(d->document), mst_document_index_column), "partitions",
                                 (json_int_t)mst_document_partitions(d->document), "rows", json_incref(rows), "metadata", users_metadata(d),
                                 "metadata_format", d->form == MST_DOCUMENT_JSON ? "json" : "msgpack", "history",
                                 section.map != NULL && section.history != NULL ? section.history : "0", "created", created));
  *out = made;
done:
  json_decref(rows);
  return status;
}

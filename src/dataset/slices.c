/* dataset/slices.c - a table cut like a file: slices that name a snapshot, a run of its partitions and the rows of the first and the last
 * of these, and are read anywhere.
 *
 * A snapshot is named by its version and the digest of its document; a slice also carries a digest of its partitions' labels and, where
 * they are few, the labels. A worker takes the newest state when it is that snapshot, else the version of the past, else a state that has
 * the same partitions still; files are immutable, so that their rows are the same. May call: base, column, store, source, dataset's own
 * headers. */
#include "dataset/dataset.h"

#include <stdio.h>

#include "dataset/read.h"
#include "dataset/stats.h"

enum { SLICE_VERSION = 1, LABELS_BYTES_MOST = 500, SAMPLES_MOST = 4 };
#define SLICE_BYTES_DEFAULT ((uint64_t)64 << 20)
#define SLICES_MAX          ((uint64_t)10 * 1000 * 1000)
#define PART_TEXT           "the slice's part"

/* ---- names of a run of partitions ------------------------------------------------------------------------------- */

/* 32 hex digits over the labels of a run. */
static void digest_labels(const mst_document *d, const size_t *parts, size_t n, char out[33]) {
  uint64_t a = 0x6d657365, b = 0x7461;
  uint8_t bytes[16];
  for (size_t i = 0; i < n; i++) {
    const char *label = mst_document_label(d, parts[i]);
    a = mst_hash_bytes(label, strlen(label) + 1, a);
    b = mst_hash_bytes(label, strlen(label) + 1, b + 1);
  }
  mst_put_le64(bytes, a);
  mst_put_le64(bytes + 8, b);
  mst_hex(bytes, 16, out);
}

/* ---- planning -------------------------------------------------------------------------------------------------- */

typedef struct cutting {
  mst_dataset *d;
  const mst_allocator *mem;
  mst_candidates found;
  size_t *parts;  /* numbers of the candidates */
  uint64_t *ends; /* rows up to and with each candidate */
  const char *where;
  json_t *columns; /* NULL: all */
  char document[33];
  json_t *settings;
  char *url;
  mst_slice **slices;
  size_t n, room;
} cutting;

static void cutting_end(cutting *c) {
  for (size_t i = 0; i < c->n; i++) mst_slice_unref(c->slices[i]);
  mst_free(c->mem, c->slices);
  mst_free(c->mem, c->parts);
  mst_free(c->mem, c->ends);
  mst_free(c->mem, c->url);
  json_decref(c->columns);
  json_decref(c->settings);
  mst_candidates_free(&c->found);
}

/* Rows of all candidates: of statistics, else of footers, several of which are read at a time. */
static mst_status count_rows(cutting *c, mst_cancel *cancel, mst_error *err) {
  mst_status status = MST_OK;
  uint64_t sum = 0;
  MST_TRY_ALLOC(c->parts = mst_alloc_array(c->mem, c->found.n + 1, sizeof *c->parts));
  MST_TRY_ALLOC(c->ends = mst_alloc_zero(c->mem, c->found.n + 1, sizeof *c->ends));
  MST_TRY(mst_rows_of_parts(c->d, &c->found, true, c->ends, cancel, err));
  for (size_t i = 0; i < c->found.n; i++) {
    c->parts[i] = c->found.items[i].part;
    sum += c->ends[i];
    c->ends[i] = sum;
  }
done:
  return status;
}

static uint64_t all_rows(const cutting *c) { return c->found.n == 0 ? 0 : c->ends[c->found.n - 1]; }

/* The candidate that holds row `row`. */
static size_t part_of(const cutting *c, uint64_t row) {
  size_t low = 0, high = c->found.n;
  while (low < high) {
    const size_t middle = low + (high - low) / 2;
    if (c->ends[middle] <= row) low = middle + 1;
    else high = middle;
  }
  return low;
}

/* Plain bytes of a row, from the first row groups of a few files spread over the table. */
static mst_status bytes_of_row(cutting *c, double *out, mst_cancel *cancel, mst_error *err) {
  mst_status status = MST_OK;
  double bytes = 0, rows = 0;
  const size_t n = mst_min_size(c->found.n, SAMPLES_MOST);
  mst_table *table = NULL;
  json_t *facts = NULL;
  for (size_t i = 0; i < n; i++) {
    MST_TRY(mst_part_table(c->d, c->parts[i * c->found.n / n], 0, &table, cancel, err));
    MST_TRY(mst_parquet_describe(mst_table_file(table), 1, &facts, err));
    const json_t *group = json_array_get(json_object_get(facts, "groups"), 0);
    bytes += (double)json_integer_value(json_object_get(group, "plain_bytes"));
    rows += (double)json_integer_value(json_object_get(group, "rows"));
    json_decref(facts);
    facts = NULL;
    mst_table_unref(table);
    table = NULL;
  }
  *out = rows > 0 && bytes > 0 ? bytes / rows : 1;
done:
  json_decref(facts);
  mst_table_unref(table);
  return status;
}

/* ---- one slice ------------------------------------------------------------------------------------------------- */

/* Labels of parts [first, last] when they are short, else NULL. */
static json_t *short_labels(const cutting *c, size_t first, size_t last) {
  size_t bytes = 0;
  for (size_t i = first; i <= last; i++) {
    bytes += strlen(mst_document_label(c->d->document, c->parts[i])) + 3;
    if (bytes > LABELS_BYTES_MOST) return NULL;
  }
  json_t *labels = json_array();
  for (size_t i = first; labels != NULL && i <= last; i++)
    (void)json_array_append_new(labels, json_string(mst_document_label(c->d->document, c->parts[i])));
  return labels;
}

/* A run of partitions is named by the number of the first where it has no gaps, else by its place among those that pruning leaves, which
 * the reader then finds again. */
static mst_status make_part(const cutting *c, uint64_t from, uint64_t to, json_t **out, mst_error *err) {
  mst_status status = MST_OK;
  const size_t first = part_of(c, from), last = part_of(c, to - 1);
  const uint64_t before_first = first == 0 ? 0 : c->ends[first - 1], before_last = last == 0 ? 0 : c->ends[last - 1];
  char digest[33];
  json_t *labels = NULL;
  digest_labels(c->d->document, c->parts + first, last - first + 1, digest);
  const bool gapless = c->parts[last] - c->parts[first] == last - first;
  json_t *part = json_pack("{sI ss ss sI sI s[II]}", "version", (json_int_t)c->d->version, "document", c->document, "digest", digest, "files",
                           (json_int_t)(last - first + 1), gapless ? "partition" : "candidate", (json_int_t)(gapless ? c->parts[first] : first),
                           "rows", (json_int_t)(from - before_first), (json_int_t)(to - before_last));
  MST_TRY_ALLOC(part);
  labels = short_labels(c, first, last);
  if (labels != NULL) MST_TRY(mst_json_set(part, "labels", json_incref(labels), err));
  if (c->where != NULL) MST_TRY(mst_json_set_text(part, "where", c->where, err));
  if (c->columns != NULL) MST_TRY(mst_json_set(part, "columns", json_incref(c->columns), err));
  *out = part;
  part = NULL;
done:
  json_decref(labels);
  json_decref(part);
  return status;
}

static void drop_dataset(void *held) { mst_ds_unref(held); }

static mst_status add_slice(cutting *c, uint64_t from, uint64_t to, size_t number, size_t of, mst_error *err) {
  mst_status status = MST_OK;
  json_t *part = NULL, *value = NULL;
  bool all = true;
  if (from >= to) return MST_OK;
  if (c->n == c->room) {
    const size_t room = c->room == 0 ? 64 : 2 * c->room;
    mst_slice **grown = mst_resize(c->mem, c->slices, room * sizeof(mst_slice *));
    MST_TRY_ALLOC(grown);
    c->slices = grown;
    c->room = room;
  }
  MST_TRY(make_part(c, from, to, &part, err));
  MST_TRY_ALLOC(value = json_pack("{si ss ss si s{} sO s[II]}", "meseta", 1, "url", c->url, "format", "dataset", "version", SLICE_VERSION, "facts",
                                  "part", part, "number", (json_int_t)number + 1, (json_int_t)of));
  if (json_object_size(c->settings) > 0) MST_TRY(mst_json_set(value, "store", json_incref(c->settings), err));
  for (size_t i = part_of(c, from); i <= part_of(c, to - 1); i++) all = all && c->found.items[i].all;
  if (all) MST_TRY(mst_json_set_u64(value, "records", to - from, err));
  status = mst_slice_of_provider(c->d->ctx, value, &mst_dataset_slices, mst_ds_ref(c->d), drop_dataset, &c->slices[c->n], err);
  value = NULL;
  if (status == MST_OK) c->n++;
done:
  json_decref(part);
  json_decref(value);
  return status;
}

/* A border between slices goes to the border of a file that is near: a file is best read by one. */
static uint64_t snap(const cutting *c, uint64_t row, uint64_t slack) {
  if (row == 0 || row >= all_rows(c)) return row;
  const size_t i = part_of(c, row);
  const uint64_t before = i == 0 ? 0 : c->ends[i - 1], after = c->ends[i];
  const uint64_t down = row - before, up = after - row;
  if (down <= up) return down <= slack ? before : row;
  return up <= slack ? after : row;
}

static mst_status cut(cutting *c, uint64_t n, uint64_t each, mst_error *err) {
  mst_status status = MST_OK;
  const uint64_t rows = all_rows(c);
  uint64_t from = 0;
  if (each > 0) n = rows / each + (rows % each != 0 ? 1 : 0);
  if (n > SLICES_MAX) return mst_fail(err, MST_E_LIMIT, "%llu slices are more than a plan may have", (unsigned long long)n);
  for (uint64_t i = 0; i < n && from < rows; i++) {
    const uint64_t border = (uint64_t)((__extension__(unsigned __int128)rows * (i + 1)) / n);
    uint64_t to = each > 0 ? mst_min_u64(from + each, rows) : snap(c, border, rows / n / 4);
    if (i + 1 == n) to = rows;
    MST_TRY(add_slice(c, from, to, (size_t)i, (size_t)n, err));
    from = mst_max_u64(from, to);
  }
done:
  return status;
}

/* ---- the plan -------------------------------------------------------------------------------------------------- */

static mst_status read_options(cutting *c, const mst_query *query, mst_error *err) {
  mst_status status = MST_OK;
  json_t *options = NULL, *columns = NULL;
  size_t *numbers = NULL;
  const char **names = NULL;
  if (query->strategy != NULL || query->region != NULL)
    return mst_fail(err, MST_E_ARGUMENT, "a dataset is cut by number, size or records; it knows no %s", query->strategy != NULL ? "strategies" : "regions");
  c->where = query->where;
  if (query->options_json == NULL) return MST_OK;
  MST_TRY(mst_json_parse(query->options_json, strlen(query->options_json), 1 << 20, "plan options", &options, err));
  MST_TRY(mst_json_get_array(options, "columns", "the plan's options", &columns, err));
  if (columns == NULL) goto done;
  const size_t n = json_array_size(columns);
  MST_TRY_ALLOC(numbers = mst_alloc_array(c->mem, n + 1, sizeof *numbers));
  MST_TRY_ALLOC(names = mst_alloc_zero(c->mem, n + 1, sizeof *names));
  for (size_t i = 0; i < n; i++) {
    names[i] = json_string_value(json_array_get(columns, i));
    if (names[i] == NULL) {
      status = mst_fail(err, MST_E_ARGUMENT, "the plan's columns are a list of names");
      goto done;
    }
  }
  MST_TRY(mst_columns_find(c->d, names, n, numbers, err));
  c->columns = json_incref(columns);
done:
  mst_free(c->mem, numbers);
  mst_free(c->mem, names);
  json_decref(options);
  return status;
}

static mst_status name_place(cutting *c, mst_error *err) {
  mst_status status = MST_OK;
  const char *store = mst_store_url(c->d->store);
  const size_t n = strlen(store) + strlen(c->d->uuid) + 2;
  MST_TRY_ALLOC(c->url = mst_alloc(c->mem, n));
  (void)snprintf(c->url, n, "%s%s%s", store, mst_text_ends(store, "/") ? "" : "/", c->d->uuid);
  MST_TRY(mst_store_settings(c->d->store, &c->settings, err));
  MST_TRY(mst_document_digest(c->d->document, c->document, err));
done:
  return status;
}

mst_status mst_ds_plan(mst_dataset *d, const mst_query *query, mst_plan **out, mst_cancel *cancel, mst_error *err) {
  mst_status status = MST_OK;
  mst_where *where = NULL;
  mst_predicate *p = NULL;
  double bytes = 1;
  cutting c = {.d = d, .mem = d->mem, .found.mem = d->mem};
  MST_TRY(read_options(&c, query, err));
  MST_TRY(mst_condition_of(d, query->where, &where, &p, err));
  MST_TRY(mst_prune_partitions(d, p, NULL, 0, 0, &c.found, cancel, err));
  MST_TRY(count_rows(&c, cancel, err));
  MST_TRY(name_place(&c, err));
  if (query->slices == 0 && query->slice_records == 0) MST_TRY(bytes_of_row(&c, &bytes, cancel, err));
  const double wanted = (double)(query->slice_bytes != 0 ? query->slice_bytes : SLICE_BYTES_DEFAULT);
  const double by_size = (double)all_rows(&c) * bytes / wanted;
  const uint64_t n = query->slices != 0 ? query->slices : by_size >= (double)SLICES_MAX ? SLICES_MAX + 1 : (uint64_t)by_size + 1;
  MST_TRY(cut(&c, n, query->slice_records, err));
  status = mst_plan_of_slices(d->ctx, c.slices, c.n, out, err);
  c.n = 0;
done:
  cutting_end(&c);
  mst_predicate_unref(p);
  mst_where_unref(where);
  return status;
}

/* ---- a slice from outside ---------------------------------------------------------------------------------------- */

/* What a part says; borrowed from it. */
typedef struct slice_part {
  uint64_t version, files, partition, candidate, from, to; /* of partition and candidate, one is UINT64_MAX */
  const char *document, *digest, *where;
  json_t *labels, *columns;
} slice_part;

static bool all_texts(const json_t *array) {
  for (size_t i = 0; i < json_array_size(array); i++)
    if (!json_is_string(json_array_get(array, i))) return false;
  return true;
}

static mst_status parse_part(const json_t *part, slice_part *out, mst_error *err) {
  mst_status status = MST_OK;
  json_t *rows = NULL;
  *out = (slice_part){.files = UINT64_MAX, .partition = UINT64_MAX, .candidate = UINT64_MAX};
  MST_TRY(mst_json_get_u64(part, "version", PART_TEXT, &out->version, err));
  MST_TRY(mst_json_get_u64(part, "files", PART_TEXT, &out->files, err));
  MST_TRY(mst_json_get_u64(part, "partition", PART_TEXT, &out->partition, err));
  MST_TRY(mst_json_get_u64(part, "candidate", PART_TEXT, &out->candidate, err));
  MST_TRY(mst_json_get_text(part, "document", PART_TEXT, &out->document, err));
  MST_TRY(mst_json_get_text(part, "digest", PART_TEXT, &out->digest, err));
  MST_TRY(mst_json_get_text(part, "where", PART_TEXT, &out->where, err));
  MST_TRY(mst_json_get_array(part, "labels", PART_TEXT, &out->labels, err));
  MST_TRY(mst_json_get_array(part, "columns", PART_TEXT, &out->columns, err));
  MST_TRY(mst_json_get_array(part, "rows", PART_TEXT, &rows, err));
  const json_t *from = json_array_get(rows, 0), *to = json_array_get(rows, 1);
  const bool whole = out->document != NULL && out->digest != NULL && json_array_size(rows) == 2 && json_is_integer(from) && json_is_integer(to) &&
                     json_integer_value(from) >= 0 && json_integer_value(to) > 0 && out->files > 0 && out->files != UINT64_MAX &&
                     (out->partition == UINT64_MAX) != (out->candidate == UINT64_MAX) && (out->labels == NULL || json_array_size(out->labels) == out->files) &&
                     all_texts(out->labels) && all_texts(out->columns);
  if (!whole) {
    status = mst_fail(err, MST_E_CORRUPT, PART_TEXT " does not name a run of a dataset's rows");
    goto done;
  }
  out->from = (uint64_t)json_integer_value(from);
  out->to = (uint64_t)json_integer_value(to);
done:
  return status;
}

static mst_status check_slice(const mst_slice_parts *s, mst_error *err) {
  slice_part part;
  return parse_part(s->part, &part, err);
}

static mst_status open_dataset(const mst_slice_parts *s, mst_dataset **out, mst_cancel *cancel, mst_error *err) {
  mst_status status = MST_OK;
  mst_location at = {0};
  mst_store *store = NULL;
  char *prefix = NULL;
  const mst_dataset_options options = {.struct_size = sizeof options, .config = s->config, .n_config = s->n_config};
  MST_TRY(mst_location_open_from_slice(s->ctx, s->url, s->store, s->config, s->n_config, &at, err));
  const char *slash = strrchr(at.key, '/'), *uuid = slash == NULL ? at.key : slash + 1;
  MST_TRY_ALLOC(prefix = mst_text_copy_n(mst_context_mem(s->ctx), at.key, (size_t)(uuid - at.key)));
  MST_TRY(mst_store_below(at.store, prefix, &store, err));
  MST_TRY(mst_ds_open(store, uuid, &options, out, cancel, err));
done:
  mst_free(mst_context_mem(s->ctx), prefix);
  mst_store_unref(store);
  mst_location_close(&at);
  return status;
}

static bool is_snapshot(const mst_dataset *d, const slice_part *part) {
  char digest[33];
  return d->version == part->version && mst_document_digest(d->document, digest, NULL) == MST_OK && mst_text_equal(digest, part->document);
}

static mst_status by_labels(mst_dataset *d, const slice_part *part, size_t *parts, bool *found) {
  char digest[33];
  const size_t n = (size_t)part->files;
  *found = part->labels != NULL;
  for (size_t i = 0; *found && i < n; i++) {
    parts[i] = mst_document_find(d->document, json_string_value(json_array_get(part->labels, i)));
    *found = parts[i] != MST_DOCUMENT_NONE;
  }
  if (!*found) return MST_OK;
  digest_labels(d->document, parts, n, digest);
  *found = mst_text_equal(digest, part->digest);
  return MST_OK;
}

static void by_number(const mst_dataset *d, const slice_part *part, size_t *parts, bool *found) {
  char digest[33];
  const size_t n = mst_document_partitions(d->document);
  *found = false;
  if (part->partition > n || part->files > n - part->partition) return;
  for (size_t i = 0; i < part->files; i++) parts[i] = (size_t)part->partition + i;
  digest_labels(d->document, parts, (size_t)part->files, digest);
  *found = mst_text_equal(digest, part->digest);
}

/* The candidates are found again as the plan found them: the same snapshot, the same condition. */
static mst_status by_place(mst_dataset *d, const slice_part *part, const mst_predicate *p, size_t *parts, bool *found, mst_cancel *cancel,
                            mst_error *err) {
  mst_status status = MST_OK;
  char digest[33];
  mst_candidates c = {.mem = d->mem};
  *found = false;
  MST_TRY(mst_prune_partitions(d, p, NULL, 0, 0, &c, cancel, err));
  if (part->candidate > c.n || part->files > c.n - part->candidate) goto done;
  for (size_t i = 0; i < part->files; i++) parts[i] = c.items[part->candidate + i].part;
  digest_labels(d->document, parts, (size_t)part->files, digest);
  *found = mst_text_equal(digest, part->digest);
done:
  mst_candidates_free(&c);
  return status;
}

/* A dataset opened for a slice, with the condition bound to it. */
typedef struct opened {
  mst_dataset *d;
  mst_where *where;
  mst_predicate *p;
  size_t *parts, n;
} opened;

static void opened_end(opened *o) {
  if (o->d != NULL) mst_free(o->d->mem, o->parts);
  mst_predicate_unref(o->p);
  mst_where_unref(o->where);
  mst_ds_unref(o->d);
  *o = (opened){0};
}

/* Tries one state; `*found` tells whether it has the slice's partitions. Takes `d` over, also on failure. */
static mst_status try_state(mst_dataset *d, const slice_part *part, opened *o, bool *found, mst_cancel *cancel, mst_error *err) {
  mst_status status = MST_OK;
  *o = (opened){.d = d, .n = (size_t)part->files};
  *found = false;
  if (part->files > mst_document_partitions(d->document)) return MST_OK;
  MST_TRY_ALLOC(o->parts = mst_alloc_array(d->mem, o->n + 1, sizeof *o->parts));
  MST_TRY(mst_condition_of(d, part->where, &o->where, &o->p, err));
  MST_TRY(by_labels(d, part, o->parts, found));
  if (*found || !is_snapshot(d, part)) goto done;
  if (part->partition != UINT64_MAX) by_number(d, part, o->parts, found);
  else MST_TRY(by_place(d, part, o->p, o->parts, found, cancel, err));
done:
  return status;
}

static mst_status resolve(const mst_slice_parts *s, const slice_part *part, opened *o, mst_cancel *cancel, mst_error *err) {
  mst_status status = MST_OK;
  mst_dataset *head = NULL, *past = NULL;
  bool found = false;
  if (s->held != NULL) head = mst_ds_ref(s->held);
  else MST_TRY(open_dataset(s, &head, cancel, err));
  if (!is_snapshot(head, part) && part->version != 0 && mst_ds_at(head, part->version, 0, &past, cancel, NULL) == MST_OK && is_snapshot(past, part)) {
    MST_TRY(try_state(mst_ds_ref(past), part, o, &found, cancel, err));
    if (!found) opened_end(o);
  }
  if (!found) MST_TRY(try_state(mst_ds_ref(head), part, o, &found, cancel, err));
  if (!found) {
    opened_end(o);
    status = mst_fail(err, MST_E_CHANGED, "the dataset has changed since the slice was planned, and version %llu is no longer kept",
                      (unsigned long long)part->version);
  }
done:
  if (status != MST_OK) opened_end(o);
  mst_ds_unref(past);
  mst_ds_unref(head);
  return status;
}

/* ---- reading --------------------------------------------------------------------------------------------------- */

static mst_status parts_of(const opened *o, const slice_part *part, mst_scan_part **out, mst_cancel *cancel, mst_error *err) {
  mst_status status = MST_OK;
  mst_scan_part *parts = mst_alloc_zero(o->d->mem, o->n + 1, sizeof *parts);
  mst_table *table = NULL;
  MST_TRY_ALLOC(parts);
  for (size_t i = 0; i < o->n; i++) parts[i] = (mst_scan_part){.part = o->parts[i], .all = o->p == NULL};
  if (o->n == 1 || part->from > 0) {
    /* Up to the slice's end, or to the file's, which only its footer tells. */
    uint64_t to = part->to;
    if (o->n > 1) {
      MST_TRY(mst_part_table(o->d, o->parts[0], 0, &table, cancel, err));
      to = mst_table_rows(table);
    }
    if (part->from >= to) {
      status = mst_fail(err, MST_E_CORRUPT, PART_TEXT " begins behind the rows of its file");
      goto done;
    }
    parts[0].some_rows = true;
    parts[0].rows = (mst_range){.offset = part->from, .length = to - part->from};
  }
  if (o->n > 1) {
    parts[o->n - 1].some_rows = true;
    parts[o->n - 1].rows = (mst_range){.offset = 0, .length = part->to};
  }
  *out = parts;
  parts = NULL;
done:
  mst_table_unref(table);
  mst_free(o->d->mem, parts);
  return status;
}

static mst_status columns_of(const opened *o, const slice_part *part, size_t **out, size_t *n, mst_error *err) {
  mst_status status = MST_OK;
  const char **names = NULL;
  size_t *numbers = NULL;
  *n = json_array_size(part->columns);
  if (part->columns == NULL) return MST_OK;
  MST_TRY_ALLOC(names = mst_alloc_zero(o->d->mem, *n + 1, sizeof *names));
  MST_TRY_ALLOC(numbers = mst_alloc_array(o->d->mem, *n + 1, sizeof *numbers));
  for (size_t i = 0; i < *n; i++) names[i] = json_string_value(json_array_get(part->columns, i));
  MST_TRY(mst_columns_find(o->d, names, *n, numbers, err));
  *out = numbers;
  numbers = NULL;
done:
  mst_free(o->d->mem, names);
  mst_free(o->d->mem, numbers);
  return status;
}

static mst_status slice_rows(const mst_slice_parts *s, const mst_read_options *options, struct ArrowArrayStream *out, mst_cancel *cancel,
                             mst_error *err) {
  mst_status status = MST_OK;
  slice_part part;
  opened o = {0};
  mst_scan_part *parts = NULL;
  size_t *columns = NULL, n_columns = 0;
  mst_scan *scan = NULL;
  MST_TRY(parse_part(s->part, &part, err));
  MST_TRY(resolve(s, &part, &o, cancel, err));
  MST_TRY(parts_of(&o, &part, &parts, cancel, err));
  MST_TRY(columns_of(&o, &part, &columns, &n_columns, err));
  const mst_scan_options scanned = {.columns = columns, .n_columns = n_columns, .parts = parts, .n_parts = o.n, .predicate = o.p,
                                    .batch_rows = options->batch_rows, .memory = options->memory};
  MST_TRY(mst_scan_open(o.d, &scanned, &scan, cancel, err));
  const mst_rows_options shown = {.columns = columns, .n_columns = n_columns, .batch_rows = options->batch_rows};
  MST_TRY(mst_rows_stream(o.d, scan, &shown, out, err));
done:
  if (o.d != NULL) {
    mst_free(o.d->mem, parts);
    mst_free(o.d->mem, columns);
  }
  opened_end(&o);
  return status;
}

/* As bytes: one Parquet file, handed out as it is written. */
typedef struct slice_file {
  const mst_allocator *mem;
  mst_context *ctx;
  struct ArrowArrayStream rows;
  mst_table_writer *writer;
  mst_buf pending;
  bool closed;
} slice_file;

static void close_file(void *self) {
  slice_file *f = self;
  if (f == NULL) return;
  mst_table_writer_free(f->writer);
  mst_stream_release(&f->rows);
  mst_buf_free(&f->pending);
  mst_context *ctx = f->ctx;
  mst_free(f->mem, f);
  mst_context_unref(ctx);
}

static mst_status take_bytes(void *arg, const void *data, size_t size, mst_error *err) {
  slice_file *f = arg;
  return mst_buf_put(&f->pending, data, size, err);
}

static mst_status next_bytes(void *self, mst_bytes *out, mst_error *err) {
  mst_status status = MST_OK;
  slice_file *f = self;
  while (f->pending.size == 0 && !f->closed) {
    struct ArrowArray batch = {0};
    MST_TRY(mst_stream_next(&f->rows, &batch, err));
    f->closed = batch.release == NULL;
    if (f->closed) MST_TRY(mst_table_writer_close(f->writer, NULL, err));
    else MST_TRY(mst_table_writer_put(f->writer, &batch, err));
  }
  if (f->pending.size > 0) MST_TRY(mst_buf_take(&f->pending, out, err));
done:
  return status;
}

static mst_status slice_read(const mst_slice_parts *s, const mst_read_options *options, mst_slice_bytes *out, mst_cancel *cancel, mst_error *err) {
  mst_status status = MST_OK;
  struct ArrowSchema schema = {0};
  slice_file *f = mst_alloc_zero(mst_context_mem(s->ctx), 1, sizeof *f);
  if (f == NULL) return mst_fail_memory(err);
  f->mem = mst_context_mem(s->ctx);
  f->ctx = mst_context_ref(s->ctx);
  mst_buf_init(&f->pending, f->mem, SIZE_MAX / 2);
  MST_TRY(slice_rows(s, options, &f->rows, cancel, err));
  MST_TRY(mst_stream_schema(&f->rows, &schema, err));
  MST_TRY(mst_table_writer_open_into(s->ctx, &schema, NULL, take_bytes, f, &f->writer, err));
  *out = (mst_slice_bytes){.self = f, .next = next_bytes, .close = close_file};
  f = NULL;
done:
  mst_schema_release(&schema);
  close_file(f);
  return status;
}

const mst_slice_provider mst_dataset_slices = {.format = "dataset", .version = SLICE_VERSION, .check = check_slice, .rows = slice_rows, .read = slice_read};

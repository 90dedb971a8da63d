/* api/import.c - files as Arrow streams: picks the reader by the file's name, brings columns to the types that are
 * wanted. Text files are read as the one slice of a source that is indexed in memory, so that whatever they are
 * compressed with is understood once. */
#include <meseta/export.h>
#include <meseta/source.h>

#include "api/give.h"
#include "codec/codec.h"
#include "column/column.h"
#include "fetch/fetch.h"
#include "source/source.h"

#define LINE_MAX_BYTES ((size_t)256 << 20)
#define BATCH_ROWS     8192u

/* ---- which reader -------------------------------------------------------------------------------------------------
 */

static bool ends(const char *text, size_t n, const char *ending) {
  const size_t m = strlen(ending);
  return n >= m && memcmp(text + n - m, ending, m) == 0;
}

static const char *kind_of(const char *url) {
  static const char *const packed[] = {".gz", ".bgz", ".zst"};
  static const struct {
    const char *ending, *as;
  } known[] = {{".parquet", "parquet"}, {".parq", "parquet"}, {".pq", "parquet"},   {".csv", "csv"},
               {".tsv", "csv"},         {".jsonl", "jsonl"},  {".ndjson", "jsonl"}, {".json", "jsonl"},
               {".arrow", "arrow"},     {".arrows", "arrow"}, {".feather", "arrow"}};
  size_t n = strlen(url);
  for (size_t i = 0; i < sizeof packed / sizeof *packed; i++)
    if (ends(url, n, packed[i])) n -= strlen(packed[i]);
  for (size_t i = 0; i < sizeof known / sizeof *known; i++)
    if (ends(url, n, known[i].ending)) return known[i].as;
  return NULL;
}

/* ---- text files: one slice ------------------------------------------------------------------------------------------
 */

static mst_status whole_slice(mst_context *ctx, const char *url, const char *format, const mst_import_options *o,
                              mst_slice **out, mst_cancel *cancel, mst_error *err) {
  mst_status status = MST_OK;
  mst_source *s = NULL;
  mst_plan *plan = NULL;
  char place[64];
  const mst_env *env = mst_context_env(ctx);
  /* One place for each import: what lies there belongs to nobody else. */
  (void)snprintf(place, sizeof place, "memory://meseta-import-%llx/", (unsigned long long)env->random(env->self));
  const mst_source_options how = {
      .struct_size = sizeof how, .format = format, .index_at = place, .config = o->config, .n_config = o->n_config};
  const mst_index_options indexing = MST_INDEX_OPTIONS_INIT;
  const mst_query query = {.struct_size = sizeof query, .slices = 1};
  MST_TRY(mst_source_open(ctx, url, &how, &s, cancel, err));
  MST_TRY(mst_source_index(s, &indexing, NULL, cancel, err));
  MST_TRY(mst_source_plan(s, &query, &plan, cancel, err));
  *out = mst_plan_get_count(plan) == 0 ? NULL : mst_plan_take(plan, 0);
done:
  mst_plan_unref(plan);
  mst_source_unref(s);
  return status;
}

/* ---- JSON Lines
 * ------------------------------------------------------------------------------------------------------ */

/* Lines of a slice, one by one. */
typedef struct lines {
  mst_slice *slice;
  mst_reader *reader;
  mst_bytes piece;
  size_t used;
  mst_buf line;
  uint64_t number; /* of the line at hand, from 1 */
  bool ended;
} lines;

static void lines_close(lines *l) {
  mst_bytes_release(&l->piece);
  mst_reader_free(l->reader);
  mst_buf_free(&l->line);
  l->reader = NULL;
}

static mst_status lines_open(lines *l, mst_slice *slice, mst_cancel *cancel, mst_error *err) {
  *l = (lines){.slice = slice, .ended = slice == NULL};
  mst_buf_init(&l->line, NULL, LINE_MAX_BYTES);
  return slice == NULL ? MST_OK : mst_slice_open(slice, NULL, &l->reader, cancel, err);
}

/* `*text` is NULL at the end; else valid until the next call. */
static mst_status lines_next(lines *l, const char **text, size_t *n, mst_error *err) {
  mst_status status = MST_OK;
  mst_buf_clear(&l->line);
  *text = NULL;
  l->number++;
  while (!l->ended) {
    const size_t left = l->piece.size - l->used;
    const uint8_t *at = l->piece.data + l->used, *lf = left == 0 ? NULL : memchr(at, '\n', left);
    const size_t take = lf == NULL ? left : (size_t)(lf - at);
    if (lf != NULL && l->line.size == 0) { /* the usual line: no copy */
      l->used += take + 1;
      *text = (const char *)at;
      *n = take;
      return MST_OK;
    }
    if (take > 0) MST_TRY(mst_buf_put(&l->line, at, take, err));
    if (lf != NULL) {
      l->used += take + 1;
      break;
    }
    mst_bytes_release(&l->piece);
    l->piece = (mst_bytes){0};
    l->used = 0;
    MST_TRY(mst_reader_next(l->reader, &l->piece, err));
    l->ended = l->piece.size == 0;
  }
  if (l->ended && l->line.size == 0) return MST_OK;
  *text = (const char *)l->line.data;
  *n = l->line.size;
done:
  return status;
}

static bool is_blank(const char *text, size_t n) {
  for (size_t i = 0; i < n; i++)
    if (text[i] != ' ' && text[i] != '\t' && text[i] != '\r') return false;
  return true;
}

/* The next object; NULL at the end. */
static mst_status next_object(lines *l, json_t **out, mst_error *err) {
  mst_status status = MST_OK;
  const char *text = NULL;
  size_t n = 0;
  char what[48];
  *out = NULL;
  do {
    MST_TRY(lines_next(l, &text, &n, err));
  } while (text != NULL && is_blank(text, n));
  if (text == NULL) goto done;
  (void)snprintf(what, sizeof what, "line %llu", (unsigned long long)l->number);
  MST_TRY(mst_json_parse(text, n, LINE_MAX_BYTES, what, out, err));
done:
  return status;
}

static mst_status in_line(const lines *l, const char *url, mst_status status, mst_error *err) {
  char name[256];
  return mst_while(err, status, "line %llu of %s", (unsigned long long)l->number,
                   mst_url_redact(url, name, sizeof name));
}

typedef struct jsonl {
  const mst_allocator *mem;
  char *url;
  mst_slice *slice;
  struct ArrowSchema schema;
  mst_builder **columns;
  size_t n;
  lines at;
} jsonl;

static void jsonl_close(void *self) {
  jsonl *j = self;
  if (j == NULL) return;
  lines_close(&j->at);
  mst_slice_unref(j->slice);
  for (size_t i = 0; j->columns != NULL && i < j->n; i++) mst_builder_free(j->columns[i]);
  mst_free(j->mem, j->columns);
  mst_free(j->mem, j->url);
  mst_schema_release(&j->schema);
  mst_free(j->mem, j);
}

static mst_status jsonl_next(void *self, struct ArrowArray *out, mst_error *err) {
  jsonl *j = self;
  mst_status status = MST_OK;
  json_t *object = NULL;
  size_t rows = 0;
  *out = (struct ArrowArray){0};
  while (rows < BATCH_ROWS) {
    MST_TRY(next_object(&j->at, &object, err));
    if (object == NULL) break;
    MST_TRY(mst_json_put_row(j->columns, &j->schema, object, err));
    json_decref(object);
    object = NULL;
    rows++;
  }
  if (rows > 0) MST_TRY(mst_batch_take(j->mem, j->columns, j->n, out, err));
done:
  json_decref(object);
  return status == MST_OK ? MST_OK : in_line(&j->at, j->url, status, err);
}

/* All objects, so that every column has the type of all its values. */
static mst_status find_schema(jsonl *j, mst_cancel *cancel, mst_error *err) {
  mst_status status = MST_OK;
  mst_json_shape *shape = NULL;
  json_t *object = NULL;
  lines l = {0};
  MST_TRY(mst_json_shape_new(j->mem, &shape, err));
  MST_TRY(lines_open(&l, j->slice, cancel, err));
  for (;;) {
    status = next_object(&l, &object, err);
    if (status == MST_OK && object != NULL) status = mst_json_shape_see(shape, object, err);
    if (status != MST_OK) {
      status = in_line(&l, j->url, status, err);
      goto done;
    }
    if (object == NULL) break;
    json_decref(object);
    object = NULL;
  }
  MST_TRY(mst_json_shape_schema(shape, &j->schema, err));
done:
  json_decref(object);
  lines_close(&l);
  mst_json_shape_free(shape);
  return status;
}

/* Text columns that are to become dates or timestamps are read as such. */
static mst_status take_times(jsonl *j, const struct ArrowSchema *wanted, mst_error *err) {
  mst_status status = MST_OK;
  for (int64_t i = 0; wanted != NULL && i < j->schema.n_children; i++) {
    struct ArrowSchema *own = j->schema.children[i];
    for (int64_t k = 0; k < wanted->n_children; k++) {
      const struct ArrowSchema *want = wanted->children[k];
      if (strcmp(want->name, own->name) != 0 || strcmp(own->format, "u") != 0) continue;
      if (strcmp(want->format, "tdD") != 0 && strncmp(want->format, "ts", 2) != 0) continue;
      mst_schema_release(own);
      MST_TRY(mst_schema_node(j->mem, want->format, want->name, ARROW_FLAG_NULLABLE, 0, own, err));
    }
  }
done:
  return status;
}

static mst_status open_jsonl(mst_context *ctx, const char *url, const mst_import_options *o,
                             struct ArrowArrayStream *out, mst_cancel *cancel, mst_error *err) {
  mst_status status = MST_OK;
  const mst_allocator *mem = mst_context_mem(ctx);
  struct ArrowSchema copy = {0};
  jsonl *j = NULL;
  MST_TRY_ALLOC(j = mst_alloc_zero(mem, 1, sizeof *j));
  j->mem = mem;
  MST_TRY_ALLOC(j->url = mst_alloc(mem, strlen(url) + 1));
  memcpy(j->url, url, strlen(url) + 1);
  MST_TRY(whole_slice(ctx, url, "text", o, &j->slice, cancel, err));
  MST_TRY(find_schema(j, cancel, err));
  MST_TRY(take_times(j, o->wanted, err));
  j->n = (size_t)j->schema.n_children;
  MST_TRY_ALLOC(j->columns = mst_alloc_zero(mem, j->n + 1, sizeof *j->columns));
  for (size_t i = 0; i < j->n; i++) MST_TRY(mst_builder_from_schema(mem, j->schema.children[i], &j->columns[i], err));
  MST_TRY(lines_open(&j->at, j->slice, cancel, err));
  MST_TRY(mst_schema_copy(mem, &j->schema, &copy, err));
  const mst_stream_source source = {.self = j, .next = jsonl_next, .close = jsonl_close};
  j = NULL;
  MST_TRY(mst_stream_make(mem, &copy, &source, out, err));
done:
  jsonl_close(j);
  return status;
}

/* ---- CSV, Parquet
 * ---------------------------------------------------------------------------------------------------- */

static mst_status open_csv(mst_context *ctx, const char *url, const mst_import_options *o, struct ArrowArrayStream *out,
                           mst_cancel *cancel, mst_error *err) {
  mst_slice *slice = NULL;
  const mst_read_options reading = {.struct_size = sizeof reading, .memory = o->memory};
  mst_status status = whole_slice(ctx, url, "csv", o, &slice, cancel, err);
  if (status == MST_OK && slice == NULL)
    status = mst_fail(err, MST_E_CORRUPT, "%s holds no rows, not even names of columns", url);
  if (status == MST_OK) status = mst_slice_stream(slice, &reading, out, cancel, err);
  mst_slice_unref(slice);
  return status;
}

static mst_status open_parquet(mst_context *ctx, const char *url, const mst_import_options *o,
                               struct ArrowArrayStream *out, mst_cancel *cancel, mst_error *err) {
  mst_status status = MST_OK;
  mst_location at = {0};
  mst_table *table = NULL;
  const mst_table_read_options reading = {.memory = o->memory};
  MST_TRY(mst_location_open(ctx, url, o->config, o->n_config, &at, err));
  MST_TRY(mst_table_open(at.store, at.key, NULL, &table, cancel, err));
  MST_TRY(mst_table_read(table, &reading, out, cancel, err));
done:
  mst_table_unref(table);
  mst_location_close(&at);
  return status;
}

/* ---- Arrow IPC --------------------------------------------------------------------------------------------------- */

typedef struct ipc {
  const mst_allocator *mem;
  mst_object *object;
  mst_cancel *cancel;
  uint64_t at;
  mst_block_coder coder;
  char name[256];
} ipc;

static void ipc_close(void *self) {
  ipc *i = self;
  mst_block_coder_close(&i->coder);
  mst_object_unref(i->object);
  mst_cancel_unref(i->cancel);
  mst_free(i->mem, i);
}

static mst_status ipc_read(void *self, uint64_t n, mst_bytes *out, mst_error *err) {
  ipc *i = self;
  uint8_t *into = NULL;
  const uint64_t size = mst_min_u64(n, mst_object_size(i->object) - i->at);
  *out = (mst_bytes){0};
  if (size == 0) return MST_OK;
  mst_status status = mst_bytes_new(i->mem, (size_t)size, out, &into, err);
  if (status == MST_OK) status = mst_object_read_into(i->object, i->at, size, into, i->cancel, err);
  if (status != MST_OK) mst_bytes_release(out);
  else i->at += size;
  return status;
}

static mst_status ipc_unpack(void *self, int codec, const uint8_t *in, size_t in_size, uint8_t *out, size_t out_size,
                             mst_error *err) {
  ipc *i = self;
  return mst_block_unpack(&i->coder, codec == 0 ? MST_BLOCK_LZ4_HADOOP : MST_BLOCK_ZSTD, in, in_size, out, out_size,
                          err);
}

static mst_status open_arrow(mst_context *ctx, const char *url, const mst_import_options *o,
                             struct ArrowArrayStream *out, mst_cancel *cancel, mst_error *err) {
  mst_location at = {0};
  const mst_allocator *mem = mst_context_mem(ctx);
  ipc *i = mst_alloc_zero(mem, 1, sizeof *i);
  if (i == NULL) return mst_fail_memory(err);
  i->mem = i->coder.mem = mem;
  i->cancel = cancel == NULL ? NULL : mst_cancel_ref(cancel);
  (void)mst_url_redact(url, i->name, sizeof i->name);
  mst_status status = mst_location_open(ctx, url, o->config, o->n_config, &at, err);
  if (status == MST_OK) status = mst_object_open(at.store, at.key, NULL, 0, 0, NULL, &i->object, cancel, err);
  mst_location_close(&at);
  if (status != MST_OK) {
    ipc_close(i);
    return status;
  }
  const mst_ipc_source source = {
      .self = i, .read = ipc_read, .unpack = ipc_unpack, .close = ipc_close, .name = i->name};
  return mst_ipc_stream(mem, &source, out, err);
}

/* ---- the types that are wanted
 * ---------------------------------------------------------------------------------------- */

typedef struct casting {
  const mst_allocator *mem;
  struct ArrowArrayStream from;
  struct ArrowSchema had, gives;
} casting;

static void casting_close(void *self) {
  casting *c = self;
  if (c == NULL) return;
  mst_stream_release(&c->from);
  mst_schema_release(&c->had);
  mst_schema_release(&c->gives);
  mst_free(c->mem, c);
}

static mst_status casting_next(void *self, struct ArrowArray *out, mst_error *err) {
  casting *c = self;
  struct ArrowArray batch = {0};
  *out = (struct ArrowArray){0};
  const mst_status status = mst_stream_next(&c->from, &batch, err);
  if (status != MST_OK || batch.release == NULL) return status;
  return mst_array_cast(c->mem, &c->had, &batch, &c->gives, out, err);
}

/* The stream's own columns, each in the wanted type where there is a way to it. `*differs`: some are. */
static mst_status aim(casting *c, const struct ArrowSchema *wanted, bool *differs, mst_error *err) {
  mst_status status = MST_OK;
  MST_TRY(mst_schema_copy(c->mem, &c->had, &c->gives, err));
  for (int64_t i = 0; i < c->had.n_children; i++) {
    for (int64_t k = 0; k < wanted->n_children; k++) {
      const struct ArrowSchema *own = c->had.children[i], *want = wanted->children[k];
      if (strcmp(own->name, want->name) != 0 || strcmp(own->format, want->format) == 0 ||
          !mst_schema_can_cast(own, want))
        continue;
      mst_schema_release(c->gives.children[i]);
      MST_TRY(mst_schema_copy(c->mem, want, c->gives.children[i], err));
      *differs = true;
    }
  }
done:
  return status;
}

static mst_status cast_stream(const mst_allocator *mem, const struct ArrowSchema *wanted,
                              struct ArrowArrayStream *stream, mst_error *err) {
  mst_status status = MST_OK;
  struct ArrowSchema copy = {0};
  bool differs = false;
  casting *c = mst_alloc_zero(mem, 1, sizeof *c);
  if (c == NULL) return mst_fail_memory(err);
  c->mem = mem;
  MST_TRY(mst_stream_schema(stream, &c->had, err));
  MST_TRY(aim(c, wanted, &differs, err));
  if (!differs) goto done;
  MST_TRY(mst_schema_copy(mem, &c->gives, &copy, err));
  c->from = *stream;
  *stream = (struct ArrowArrayStream){0};
  const mst_stream_source source = {.self = c, .next = casting_next, .close = casting_close};
  c = NULL;
  MST_TRY(mst_stream_make(mem, &copy, &source, stream, err));
done:
  casting_close(c);
  return status;
}

mst_status mst_stream_import(mst_context *ctx, const char *url, const mst_import_options *options,
                             struct ArrowArrayStream *out, mst_cancel *cancel, mst_error *err) {
  mst_import_options o;
  mst_status status = MST_OK;
  struct ArrowArrayStream stream = {0};
  mst_error_clear(err);
  NEEDS(url != NULL && out != NULL, "url and out");
  MST_TRY(mst_context_resolve(ctx, &ctx, err));
  MST_TRY(mst_options_take(&o, sizeof o, options, "mst_import_options", err));
  const char *as = o.as != NULL ? o.as : kind_of(url);
  if (as != NULL && strcmp(as, "parquet") == 0) MST_TRY(open_parquet(ctx, url, &o, &stream, cancel, err));
  else if (as != NULL && strcmp(as, "csv") == 0) MST_TRY(open_csv(ctx, url, &o, &stream, cancel, err));
  else if (as != NULL && strcmp(as, "jsonl") == 0) MST_TRY(open_jsonl(ctx, url, &o, &stream, cancel, err));
  else if (as != NULL && strcmp(as, "arrow") == 0) MST_TRY(open_arrow(ctx, url, &o, &stream, cancel, err));
  else if (as == NULL) {
    status = mst_fail(err, MST_E_ARGUMENT,
                      "%s: the name does not tell what it is (.parquet, .csv, .jsonl, .arrow); say it (as)", url);
    goto done;
  } else {
    status = mst_fail(err, MST_E_UNSUPPORTED, "files cannot be read as \"%s\": parquet, csv, jsonl or arrow can", as);
    goto done;
  }
  if (o.wanted != NULL) MST_TRY(cast_stream(mst_context_mem(ctx), o.wanted, &stream, err));
  *out = stream;
  stream = (struct ArrowArrayStream){0};
done:
  mst_stream_release(&stream);
  return status;
}

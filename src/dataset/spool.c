/* dataset/spool.c - see spool.h. The file is Parquet without compression: its writer and reader keep to bounded memory and know every
 * type. May call: base, column, parquet, the file system. */
#include "dataset/spool.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "parquet/parquet.h"

enum { GROUP_ROWS = 8192, READ_MEMORY = 512 << 10 };
#define GROUP_BYTES ((uint64_t)512 << 10) /* many spools are read at once when sorted runs are merged */

struct mst_spool {
  _Atomic uint32_t refs;
  mst_context *ctx;
  const mst_allocator *mem;
  struct ArrowSchema schema;
  int fd; /* -1: none yet */
  uint64_t size, rows;
  mst_parquet_writer *writer;
  mst_parquet_file *file; /* once ended, when there are rows */
};

/* ---- the file -------------------------------------------------------------------------------------------------- */

static mst_status open_nameless(mst_spool *s, mst_error *err) {
  char path[4096];
  const char *folder = mst_context_getenv(s->ctx, "TMPDIR");
  if (folder == NULL) folder = "/tmp";
#ifdef O_TMPFILE
  s->fd = open(folder, O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
  if (s->fd >= 0) return MST_OK;
#endif
  const int n = snprintf(path, sizeof path, "%s/meseta-XXXXXX", folder);
  if (n < 0 || (size_t)n >= sizeof path) return mst_fail(err, MST_E_ARGUMENT, "TMPDIR is too long");
  s->fd = mkostemp(path, O_CLOEXEC);
  if (s->fd < 0) return mst_fail_errno(err, errno, "rows that memory has no room for: making a temporary file in %s", folder);
  (void)unlink(path);
  return MST_OK;
}

static mst_status write_out(void *self, mst_bytes *bytes, mst_error *err) {
  mst_spool *s = self;
  mst_status status = MST_OK;
  for (size_t at = 0; at < bytes->size;) {
    const ssize_t n = pwrite(s->fd, bytes->data + at, bytes->size - at, (off_t)s->size);
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) {
      status = mst_fail_errno(err, n == 0 ? EIO : errno, "writing a temporary file of rows that memory has no room for");
      break;
    }
    at += (size_t)n;
    s->size += (uint64_t)n;
  }
  mst_bytes_release(bytes);
  return status;
}

static mst_status read_in(const mst_spool *s, const mst_range *range, mst_bytes *out, mst_error *err) {
  mst_status status = MST_OK;
  uint8_t *into = NULL;
  mst_bytes bytes = {0};
  if (range->offset > s->size || range->length > s->size - range->offset)
    return mst_fail(err, MST_E_INTERNAL, "a temporary file is to be read beyond its end");
  MST_TRY(mst_bytes_new(s->mem, (size_t)range->length, &bytes, &into, err));
  for (uint64_t at = 0; at < range->length;) {
    const ssize_t n = pread(s->fd, into + at, (size_t)(range->length - at), (off_t)(range->offset + at));
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) {
      status = mst_fail_errno(err, n == 0 ? EIO : errno, "reading a temporary file");
      goto done;
    }
    at += (uint64_t)n;
  }
  *out = bytes;
  bytes = (mst_bytes){0};
done:
  mst_bytes_release(&bytes);
  return status;
}

/* ---- writing --------------------------------------------------------------------------------------------------- */

mst_status mst_spool_new(mst_context *ctx, const struct ArrowSchema *schema, mst_spool **out, mst_error *err) {
  const mst_allocator *mem = mst_context_mem(ctx);
  mst_spool *s = mst_alloc_zero(mem, 1, sizeof *s);
  if (s == NULL) return mst_fail_memory(err);
  atomic_init(&s->refs, 1);
  s->ctx = mst_context_ref(ctx);
  s->mem = mem;
  s->fd = -1;
  const mst_status status = mst_schema_copy(mem, schema, &s->schema, err);
  if (status == MST_OK) *out = s;
  else mst_spool_unref(s);
  return status;
}

mst_spool *mst_spool_ref(mst_spool *s) {
  atomic_fetch_add_explicit(&s->refs, 1, memory_order_relaxed);
  return s;
}

void mst_spool_unref(mst_spool *s) {
  if (s == NULL || atomic_fetch_sub_explicit(&s->refs, 1, memory_order_acq_rel) != 1) return;
  mst_parquet_writer_free(s->writer);
  mst_parquet_file_unref(s->file);
  mst_schema_release(&s->schema);
  if (s->fd >= 0) close(s->fd);
  mst_context *ctx = s->ctx;
  mst_free(s->mem, s);
  mst_context_unref(ctx);
}

static mst_status open_writer(mst_spool *s, mst_error *err) {
  const mst_parquet_writer_options o = {.mem = s->mem, .codec = MST_PARQUET_NONE, .row_group_rows = GROUP_ROWS, .row_group_bytes = GROUP_BYTES,
                                        .no_dictionary = true, .no_statistics = true, .no_checksums = true};
  const mst_parquet_sink sink = {.self = s, .put = write_out};
  mst_status status = open_nameless(s, err);
  if (status == MST_OK) status = mst_parquet_writer_open(&s->schema, &o, &sink, &s->writer, err);
  return status;
}

mst_status mst_spool_put(mst_spool *s, struct ArrowArray *batch, mst_error *err) {
  mst_status status = MST_OK;
  if (s->writer == NULL) MST_TRY(open_writer(s, err));
  s->rows += (uint64_t)batch->length;
  return mst_parquet_writer_put(s->writer, batch, err);
done:
  mst_array_release(batch);
  return status;
}

static mst_status parse_footer(mst_spool *s, mst_error *err) {
  mst_status status = MST_OK;
  mst_bytes tail = {0};
  uint64_t need = mst_min_u64(s->size, MST_PARQUET_TAIL);
  for (int turn = 0; s->file == NULL && turn < 3; turn++) {
    const mst_range range = {.offset = s->size - need, .length = need};
    mst_bytes_release(&tail);
    MST_TRY(read_in(s, &range, &tail, err));
    MST_TRY(mst_parquet_file_parse(s->mem, tail.data, tail.size, s->size, &s->file, &need, err));
  }
  if (s->file == NULL) status = mst_fail(err, MST_E_INTERNAL, "a temporary file has no footer");
done:
  mst_bytes_release(&tail);
  return status;
}

mst_status mst_spool_end(mst_spool *s, mst_error *err) {
  mst_status status = MST_OK;
  if (s->writer == NULL) return MST_OK;
  MST_TRY(mst_parquet_writer_close(s->writer, err));
  mst_parquet_writer_free(s->writer);
  s->writer = NULL;
  MST_TRY(parse_footer(s, err));
done:
  return status;
}

uint64_t mst_spool_rows(const mst_spool *s) { return s->rows; }

/* ---- reading --------------------------------------------------------------------------------------------------- */

typedef struct spool_stream {
  mst_spool *spool;
  mst_cancel *cancel;
  mst_parquet_reader *reader; /* NULL: no rows */
  mst_bytes *given;
  size_t n_given, room;
} spool_stream;

static void drop_given(spool_stream *r) {
  for (size_t i = 0; i < r->n_given; i++) mst_bytes_release(&r->given[i]);
  r->n_given = 0;
}

static void close_spool(void *self) {
  spool_stream *r = self;
  if (r == NULL) return;
  drop_given(r);
  mst_spool *s = r->spool;
  mst_free(s->mem, r->given);
  mst_parquet_reader_free(r->reader);
  mst_cancel_unref(r->cancel);
  mst_free(s->mem, r);
  mst_spool_unref(s);
}

static mst_status give(spool_stream *r, const mst_range *need, size_t n, mst_error *err) {
  mst_status status = MST_OK;
  if (n > r->room) {
    mst_bytes *grown = mst_resize(r->spool->mem, r->given, n * sizeof *grown);
    MST_TRY_ALLOC(grown);
    r->given = grown;
    r->room = n;
  }
  for (size_t i = 0; i < n; i++) {
    MST_TRY(read_in(r->spool, &need[i], &r->given[i], err));
    r->n_given++;
  }
done:
  return status;
}

static mst_status next_spooled(void *self, struct ArrowArray *out, mst_error *err) {
  mst_status status = MST_OK;
  spool_stream *r = self;
  *out = (struct ArrowArray){0};
  while (r->reader != NULL) {
    const mst_range *need = NULL;
    size_t n = 0;
    MST_TRY(mst_cancel_check(r->cancel, err));
    status = mst_parquet_reader_step(r->reader, r->given, r->n_given, &need, &n, out, err);
    drop_given(r);
    if (status != MST_OK || out->release != NULL || n == 0) break;
    MST_TRY(give(r, need, n, err));
  }
done:
  return status;
}

mst_status mst_spool_read(mst_spool *s, uint64_t batch_rows, struct ArrowArrayStream *out, mst_cancel *cancel, mst_error *err) {
  mst_status status = MST_OK;
  struct ArrowSchema schema = {0};
  spool_stream *r = mst_alloc_zero(s->mem, 1, sizeof *r);
  if (r == NULL) return mst_fail_memory(err);
  r->spool = mst_spool_ref(s);
  r->cancel = cancel == NULL ? NULL : mst_cancel_ref(cancel);
  const mst_parquet_read_options o = {.batch_rows = batch_rows, .memory = READ_MEMORY, .no_pruning = true};
  if (s->file != NULL) MST_TRY(mst_parquet_reader_open(s->file, &o, &r->reader, err));
  MST_TRY(mst_schema_copy(s->mem, &s->schema, &schema, err));
  const mst_stream_source source = {.self = r, .next = next_spooled, .close = close_spool};
  r = NULL;
  MST_TRY(mst_stream_make(s->mem, &schema, &source, out, err));
done:
  close_spool(r);
  mst_schema_release(&schema);
  return status;
}

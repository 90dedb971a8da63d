/* column/stream.c - Arrow streams out of pull functions, with their whole error kept for callers inside the library.
 *
 * Owns: the schema and source it is given. May call: base. */
#include <errno.h>

#include "column/column.h"

typedef struct stream_box {
  mst_allocator mem;
  bool own_mem;
  bool ended;
  struct ArrowSchema schema;
  mst_stream_source source;
  mst_error error;
} stream_box;

static int as_errno(mst_status status) {
  switch (status) {
  case MST_OK: return 0;
  case MST_E_ARGUMENT: return EINVAL;
  case MST_E_NO_MEMORY:
  case MST_E_LIMIT: return ENOMEM;
  case MST_E_NOT_FOUND: return ENOENT;
  case MST_E_EXISTS: return EEXIST;
  case MST_E_DENIED: return EACCES;
  case MST_E_CORRUPT: return EINVAL;
  case MST_E_UNSUPPORTED: return ENOSYS;
  case MST_E_TIMEOUT: return ETIMEDOUT;
  case MST_E_CANCELLED: return ECANCELED;
  default: return EIO;
  }
}

static const mst_allocator *box_mem(const stream_box *box) { return box->own_mem ? &box->mem : NULL; }

static int stream_get_schema(struct ArrowArrayStream *stream, struct ArrowSchema *out) {
  stream_box *box = stream->private_data;
  mst_error_clear(&box->error);
  return as_errno(mst_schema_copy(box_mem(box), &box->schema, out, &box->error));
}

static int stream_get_next(struct ArrowArrayStream *stream, struct ArrowArray *out) {
  stream_box *box = stream->private_data;
  mst_status status;
  *out = (struct ArrowArray){0};
  if (box->ended) return 0;
  mst_error_clear(&box->error);
  status = box->source.next(box->source.self, out, &box->error);
  if (status == MST_OK && out->release == NULL) box->ended = true;
  return as_errno(status);
}

static const char *stream_get_last_error(struct ArrowArrayStream *stream) {
  stream_box *box = stream->private_data;
  return box->error.message[0] != '\0' ? box->error.message : NULL;
}

static void stream_release(struct ArrowArrayStream *stream) {
  stream_box *box = stream->private_data;
  mst_allocator copy = box->mem;
  if (box->source.close != NULL) box->source.close(box->source.self);
  mst_schema_release(&box->schema);
  stream->release = NULL;
  stream->private_data = NULL;
  mst_free(box->own_mem ? &copy : NULL, box);
}

mst_status mst_stream_make(const mst_allocator *mem, struct ArrowSchema *schema, const mst_stream_source *source,
                           struct ArrowArrayStream *out, mst_error *err) {
  stream_box *box = mst_alloc_zero(mem, 1, sizeof *box);
  if (box == NULL) {
    mst_schema_release(schema);
    if (source->close != NULL) source->close(source->self);
    return mst_fail_memory(err);
  }
  if (mem != NULL) {
    box->mem = *mem;
    box->own_mem = true;
  }
  box->schema = *schema;
  schema->release = NULL;
  box->source = *source;
  *out = (struct ArrowArrayStream){
      .get_schema = stream_get_schema,
      .get_next = stream_get_next,
      .get_last_error = stream_get_last_error,
      .release = stream_release,
      .private_data = box,
  };
  return MST_OK;
}

const mst_error *mst_stream_error(const struct ArrowArrayStream *stream) {
  const stream_box *box = stream->private_data;
  if (stream->release != stream_release || box->error.status == MST_OK) return NULL;
  return &box->error;
}

/* What a failed call of any stream means: our own error in full, else the producer's text. */
static mst_status stream_failed(struct ArrowArrayStream *stream, int code, mst_error *err) {
  const mst_error *own = mst_stream_error(stream);
  const char *text;
  mst_status status = MST_E_IO;
  if (own != NULL) {
    if (err != NULL) *err = *own;
    return own->status;
  }
  text = stream->get_last_error(stream);
  if (code == ENOMEM) status = MST_E_NO_MEMORY;
  if (code == EINVAL) status = MST_E_ARGUMENT;
  if (code == ENOSYS || code == ENOTSUP) status = MST_E_UNSUPPORTED;
  if (code == ECANCELED) status = MST_E_CANCELLED;
  return mst_fail(err, status, "Arrow stream failed (%d): %s", code, text != NULL ? text : "no message");
}

mst_status mst_stream_schema(struct ArrowArrayStream *stream, struct ArrowSchema *out, mst_error *err) {
  int code = stream->get_schema(stream, out);
  return code == 0 ? MST_OK : stream_failed(stream, code, err);
}

mst_status mst_stream_next(struct ArrowArrayStream *stream, struct ArrowArray *out, mst_error *err) {
  int code;
  *out = (struct ArrowArray){0};
  code = stream->get_next(stream, out);
  return code == 0 ? MST_OK : stream_failed(stream, code, err);
}

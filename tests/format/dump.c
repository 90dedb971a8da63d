/* tests/format/dump.c - see dump.h. */
#include "format/dump.h"

#include <stdio.h>

static void dump_value(const struct ArrowSchema *schema, const struct ArrowArray *array, int64_t i, mst_buf *out);

static bool is_null(const struct ArrowArray *a, int64_t i) {
  const uint8_t *valid = a->n_buffers > 0 ? a->buffers[0] : NULL;
  return valid != NULL && (valid[(a->offset + i) / 8] >> ((a->offset + i) % 8) & 1) == 0;
}

static void dump_children(const struct ArrowSchema *schema, const struct ArrowArray *a, int64_t i, mst_buf *out) {
  mst_buf_put_text(out, "{", NULL);
  for (int64_t k = 0; k < schema->n_children; k++) {
    if (k > 0) mst_buf_put_text(out, ",", NULL);
    dump_value(schema->children[k], a->children[k], a->offset + i, out);
  }
  mst_buf_put_text(out, "}", NULL);
}

static void dump_list(const struct ArrowSchema *schema, const struct ArrowArray *a, int64_t i, mst_buf *out) {
  const int32_t *ends = a->buffers[1];
  mst_buf_put_text(out, "[", NULL);
  for (int32_t k = ends[a->offset + i]; k < ends[a->offset + i + 1]; k++) {
    if (k > ends[a->offset + i]) mst_buf_put_text(out, ",", NULL);
    dump_value(schema->children[0], a->children[0], k, out);
  }
  mst_buf_put_text(out, "]", NULL);
}

static void dump_value(const struct ArrowSchema *schema, const struct ArrowArray *a, int64_t i, mst_buf *out) {
  const char *f = schema->format;
  const int64_t at = a->offset + i;
  if (is_null(a, i)) {
    mst_buf_put_text(out, "~", NULL);
  } else if (strcmp(f, "+s") == 0) {
    dump_children(schema, a, i, out);
  } else if (strcmp(f, "+l") == 0) {
    dump_list(schema, a, i, out);
  } else if (strcmp(f, "u") == 0 || strcmp(f, "z") == 0) {
    const int32_t *ends = a->buffers[1];
    mst_buf_put(out, (const uint8_t *)a->buffers[2] + ends[at], (size_t)(ends[at + 1] - ends[at]), NULL);
  } else if (strcmp(f, "b") == 0) {
    mst_buf_put_text(out, ((const uint8_t *)a->buffers[1])[at / 8] >> (at % 8) & 1 ? "true" : "false", NULL);
  } else if (strcmp(f, "g") == 0) {
    mst_buf_printf(out, NULL, "%.17g", ((const double *)a->buffers[1])[at]);
  } else if (strcmp(f, "i") == 0 || strcmp(f, "tdD") == 0) {
    mst_buf_printf(out, NULL, "%d", ((const int32_t *)a->buffers[1])[at]);
  } else {
    mst_buf_printf(out, NULL, "%lld", (long long)((const int64_t *)a->buffers[1])[at]);
  }
}

void dump_batch(const struct ArrowSchema *schema, const struct ArrowArray *batch, mst_buf *out) {
  for (int64_t i = 0; i < batch->length; i++) {
    for (int64_t k = 0; k < schema->n_children; k++) {
      if (k > 0) mst_buf_put_text(out, "|", NULL);
      dump_value(schema->children[k], batch->children[k], batch->offset + i, out);
    }
    mst_buf_put_text(out, "\n", NULL);
  }
}

void dump_schema(const struct ArrowSchema *schema, mst_buf *out) {
  for (int64_t k = 0; k < schema->n_children; k++) {
    const struct ArrowSchema *c = schema->children[k];
    mst_buf_printf(out, NULL, "%s%s:%s", k > 0 ? " " : "", c->name, c->format);
    if (c->n_children == 0) continue;
    mst_buf_put_text(out, "(", NULL);
    dump_schema(c, out);
    mst_buf_put_text(out, ")", NULL);
  }
}

/* format/container_plain.c - bytes that are not wrapped: runs are the given bytes themselves, cut at marks.
 * Owns nothing but its place. Calls base only. */
#include "format/container_impl.h"

typedef struct plain_container {
  mst_container base;
  const mst_allocator *mem;
  container_input in;
  uint64_t begin, end;  /* of the object                        */
  uint64_t offset_base; /* plain offset = object offset - this  */
  uint64_t next_mark, spacing;
  uint64_t current, captured, kept; /* object offsets               */
} plain_container;

static int plain_probe(const uint8_t *head, size_t n) {
  (void)head;
  (void)n;
  return 1;
}

static mst_status plain_open(const mst_container_open *options, mst_container **out, mst_error *err) {
  plain_container *c = mst_alloc_zero(options->mem, 1, sizeof *c);
  if (c == NULL) return mst_fail_memory(err);
  c->base.ops = &mst_container_plain;
  c->mem = options->mem;
  c->begin = options->begin;
  c->end = options->end;
  c->offset_base = options->begin;
  if (options->from != NULL) {
    c->begin = options->from->at;
    /* In plain objects both offsets are one; a base that differs would be the caller's own way of counting. */
    c->offset_base = options->from->at - options->from->plain;
    if (options->plain_end != UINT64_MAX) c->end = mst_min_u64(c->end, options->plain_end + c->offset_base);
  }
  c->in.offset = c->begin;
  c->spacing = options->spacing;
  c->next_mark = c->begin == 0 ? mst_mark_behind(0, c->spacing) : mst_mark_behind(c->begin - 1, c->spacing);
  *out = &c->base;
  return MST_OK;
}

static mst_status plain_feed(mst_container *base, const mst_bytes *input, bool last, mst_error *err) {
  plain_container *c = (plain_container *)base;
  (void)err;
  mst_input_feed(&c->in, input, last);
  return MST_OK;
}

static mst_status plain_next(mst_container *base, mst_container_state *state, mst_run *run, mst_error *err) {
  plain_container *c = (plain_container *)base;
  const uint64_t at = c->in.offset;
  (void)err;
  if (at >= c->end || (mst_input_left(&c->in) == 0 && c->in.last)) {
    *state = MST_CONTAINER_END;
    return MST_OK;
  }
  if (mst_input_left(&c->in) == 0) {
    *state = MST_CONTAINER_INPUT;
    return MST_OK;
  }
  uint64_t stop = c->end;
  const bool mark = at == c->next_mark;
  if (mark) c->next_mark = mst_mark_behind(at, c->spacing);
  stop = mst_min_u64(stop, c->next_mark);
  const size_t n = (size_t)mst_min_u64(mst_input_left(&c->in), stop - at);
  *state = MST_CONTAINER_RUN;
  *run = (mst_run){.data = c->in.at,
                   .size = n,
                   .source = c->in.given,
                   .plain = at - c->offset_base,
                   .at = at,
                   .restartable = true,
                   .mark = mark};
  c->current = at;
  mst_input_use(&c->in, n);
  return MST_OK;
}

static mst_status plain_capture(mst_container *base, mst_error *err) {
  plain_container *c = (plain_container *)base;
  (void)err;
  c->captured = c->current;
  return MST_OK;
}

static void plain_keep(mst_container *base) {
  plain_container *c = (plain_container *)base;
  c->kept = c->captured;
}

static mst_status plain_take(mst_container *base, mst_restart *out, mst_error *err) {
  plain_container *c = (plain_container *)base;
  (void)err;
  *out = (mst_restart){.at = c->kept, .plain = c->kept - c->offset_base};
  return MST_OK;
}

static void plain_extent(const mst_container *base, uint64_t *begin, uint64_t *end) {
  const plain_container *c = (const plain_container *)base;
  *begin = c->begin;
  *end = c->in.offset;
}

static mst_status plain_facts(mst_container *base, json_t *facts, mst_error *err) {
  (void)base;
  (void)facts;
  (void)err;
  return MST_OK;
}

static void plain_close(mst_container *base) {
  plain_container *c = (plain_container *)base;
  if (c != NULL) mst_free(c->mem, c);
}

const mst_container_ops mst_container_plain = {
    .name = "plain",
    .pieces = true,
    .probe = plain_probe,
    .open = plain_open,
    .feed = plain_feed,
    .next = plain_next,
    .capture = plain_capture,
    .keep = plain_keep,
    .take = plain_take,
    .extent = plain_extent,
    .facts = plain_facts,
    .close = plain_close,
};

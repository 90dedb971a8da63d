/* format/container_bgzf.c - BGZF: every block is a restart that needs no window, and any piece of the object can be
 * decoded alone once its first block is found. Owns the decoder and the bytes of a block that input borders cut. Calls
 * codec. */
#include "codec/codec.h"
#include "format/container_impl.h"

/* What finding a block may have to look at (codec/bgzf.h), and a block behind it. */
#define KEPT_MAX (256u * 1024)
/* Of a block, with the fields that every writer gives it. */
#define HEAD_BYTES 18u

typedef enum bgzf_phase { PHASE_FIND, PHASE_BLOCK, PHASE_PADDING, PHASE_END } bgzf_phase;

typedef struct bgzf_container {
  mst_container base;
  const mst_allocator *mem;
  container_input in;
  mst_inflate *z;
  bgzf_phase phase;
  bool verify, recover;
  bool reading;        /* a slice: what an index calls BGZF must be that     */
  bool gap;            /* damage was passed over since the last run           */
  uint64_t begin, end; /* first block; blocks from `end` on are others' work  */
  uint64_t at;         /* of the next block, or where finding goes on         */
  uint64_t plain, plain_end;
  uint64_t step; /* bytes of the object between marks; 0: none          */
  uint64_t blocks;
  bool last_empty;          /* the block before held nothing                       */
  bool end_seen, end_block; /* the object's end was reached; with its end block    */
  mst_restart current, captured, kept;
  uint8_t *bytes; /* kept bytes of the object from `at` on               */
  size_t n_bytes;
  container_notes notes;
} bgzf_container;

/* ---- life ------------------------------------------------------------------------------------------------------ */

static int bgzf_probe(const uint8_t *head, size_t n) {
  mst_bgzf_block block;
  size_t want;
  if (n < 4 || mst_bgzf_parse(head, n, &block, &want, NULL) != MST_OK) return 0;
  return want == 0 ? 95 : 0;
}

static void bgzf_close(mst_container *base) {
  bgzf_container *c = (bgzf_container *)base;
  if (c == NULL) return;
  mst_inflate_free(c->z);
  mst_free(c->mem, c->bytes);
  mst_free(c->mem, c->notes.list);
  mst_free(c->mem, c);
}

static mst_status bgzf_open(const mst_container_open *options, mst_container **out, mst_error *err) {
  mst_status status = MST_OK;
  bgzf_container *c = mst_alloc_zero(options->mem, 1, sizeof *c);
  if (c == NULL) return mst_fail_memory(err);
  c->base.ops = &mst_container_bgzf;
  c->mem = options->mem;
  c->verify = options->verify;
  c->recover = options->recover;
  /* The last piece goes on to the object's end, whatever lies there. */
  c->end = options->end >= options->size ? UINT64_MAX : options->end;
  c->at = options->begin;
  c->plain_end = UINT64_MAX;
  c->step = options->spacing > 0 ? mst_max_u64(options->spacing / 4, 1) : 0;
  c->phase = options->begin == 0 ? PHASE_BLOCK : PHASE_FIND;
  c->reading = options->from != NULL;
  if (options->from != NULL) {
    c->phase = PHASE_BLOCK;
    c->at = options->from->at;
    c->plain = options->from->plain;
    c->plain_end = options->plain_end;
  }
  c->begin = c->phase == PHASE_FIND ? UINT64_MAX : c->at;
  c->in.offset = c->at;
  MST_TRY(mst_inflate_new(c->mem, &c->z, err));
  MST_TRY_ALLOC(c->bytes = mst_alloc(c->mem, KEPT_MAX));
  *out = &c->base;
done:
  if (status != MST_OK) bgzf_close(&c->base);
  return status;
}

static mst_status bgzf_feed(mst_container *base, const mst_bytes *input, bool last, mst_error *err) {
  bgzf_container *c = (bgzf_container *)base;
  (void)err;
  mst_input_feed(&c->in, input, last);
  return MST_OK;
}

/* ---- bytes at hand --------------------------------------------------------------------------------------------- */

/* At least `want` contiguous bytes from `at` on, or fewer when the input has no more. */
static const uint8_t *view(bgzf_container *c, size_t want, size_t *n) {
  if (c->n_bytes == 0 && mst_input_left(&c->in) >= want) {
    *n = mst_input_left(&c->in);
    return c->in.at;
  }
  (void)mst_input_keep(&c->in, c->bytes, &c->n_bytes, mst_min_size(want, KEPT_MAX));
  *n = c->n_bytes;
  return c->bytes;
}

static void use(bgzf_container *c, size_t n) {
  if (c->n_bytes == 0) {
    mst_input_use(&c->in, n);
  } else {
    c->n_bytes -= n;
    memmove(c->bytes, c->bytes + n, c->n_bytes);
  }
  c->at += n;
}

/* Nothing was kept and nothing is left: the object ends at `at`. */
static bool at_end(const bgzf_container *c) { return c->n_bytes == 0 && mst_input_left(&c->in) == 0 && c->in.last; }

/* ---- decoding -------------------------------------------------------------------------------------------------- */

/* Damage in the block at `at`: an error, or with `recover` a note, and the next block is looked for. An ordinary member
 * of gzip is none (MST_E_UNSUPPORTED): the object can be read as gzip, whose members may stand behind blocks. */
static mst_status damaged(bgzf_container *c, mst_status status, uint64_t at, const char *what, size_t skip,
                          mst_error *err) {
  if (c->reading && status == MST_E_UNSUPPORTED) status = MST_E_CORRUPT;
  if (!c->recover || status == MST_E_NO_MEMORY) return mst_container_broken("bgzf", status, at, c->plain, what, err);
  status = mst_notes_add(&c->notes, c->mem, at, c->plain, what, err);
  use(c, skip);
  c->gap = true;
  c->phase = PHASE_FIND;
  return status;
}

static mst_status reach_end(bgzf_container *c, mst_error *err) {
  static const char what[] = "the end block is missing: the object may have lost blocks at its end";
  c->phase = PHASE_END;
  c->end_seen = true;
  c->end_block = c->last_empty;
  if (c->last_empty || c->plain_end != UINT64_MAX) return MST_OK;
  if (c->blocks == 0 && c->begin != 0) return MST_OK;
  c->gap = true;
  if (c->recover) return mst_notes_add(&c->notes, c->mem, c->at, c->plain, what, err);
  return mst_container_broken("bgzf", MST_E_CORRUPT, c->at, c->plain, what, err);
}

static mst_status find(bgzf_container *c, bool *wait, mst_error *err) {
  const uint8_t *data = c->bytes;
  size_t at = 0;
  (void)err;
  /* Looking over a border of blocks needs far more than a block; everything is kept until the place is certain. */
  (void)mst_input_keep(&c->in, c->bytes, &c->n_bytes, KEPT_MAX);
  const bool last = c->in.last && mst_input_left(&c->in) == 0;
  const mst_bgzf_search found = mst_bgzf_find(data, c->n_bytes, 0, last, &at);
  if (found == MST_BGZF_MORE) {
    *wait = true;
    return MST_OK;
  }
  const bool ended = found == MST_BGZF_NONE && last && at == c->n_bytes;
  use(c, at);
  if (c->at >= c->end || ended) {
    c->phase = PHASE_END;
  } else if (found == MST_BGZF_FOUND) {
    c->phase = PHASE_BLOCK;
    if (c->begin == UINT64_MAX) c->begin = c->at;
  }
  return MST_OK;
}

static bool holds_mark(const bgzf_container *c, uint64_t size) {
  if (c->step == 0) return false;
  const uint64_t before = c->at == 0 ? 0 : (c->at - 1) / c->step;
  return (c->at + size - 1) / c->step > before;
}

static mst_status inflate_block(bgzf_container *c, const uint8_t *data, const mst_bgzf_block *block,
                                mst_container_state *state, mst_run *run, mst_error *err) {
  mst_error cause = {0};
  const uint8_t *plain;
  size_t n;
  uint32_t crc = 0;
  const mst_status status = mst_bgzf_inflate(c->z, data, block, c->verify, &plain, &n, &crc, &cause);
  if (status != MST_OK) return damaged(c, status, c->at + (uint64_t)cause.offset, cause.message, block->size, err);
  c->blocks++;
  c->last_empty = n == 0;
  if (n > 0) {
    const size_t size = (size_t)mst_min_u64(n, c->plain_end - c->plain);
    *run = (mst_run){.data = plain,
                     .size = size,
                     .plain = c->plain,
                     .at = c->at,
                     .restartable = true,
                     .mark = holds_mark(c, block->size),
                     .gap = c->gap,
                     .has_crc = c->verify && size == n,
                     .crc = crc};
    c->gap = false;
    c->current = (mst_restart){.at = c->at, .plain = c->plain};
    c->plain += size;
    *state = MST_CONTAINER_RUN;
  }
  use(c, block->size);
  return MST_OK;
}

/* What comes behind the last block of a piece: another piece's block, or the end of all blocks, which belongs to the
 * piece that holds the last of them, so that one piece alone says whether the object is whole. */
static mst_status leave_piece(bgzf_container *c, bool *wait, mst_error *err) {
  size_t n, want;
  const uint8_t *data = view(c, HEAD_BYTES, &n);
  mst_error cause = {0};
  mst_bgzf_block block;
  if (n == 0 && at_end(c)) return reach_end(c, err);
  *wait = n < HEAD_BYTES && !c->in.last;
  if (*wait) return MST_OK;
  c->phase = data[0] == 0 && c->blocks > 0 ? PHASE_PADDING : PHASE_END;
  if (c->phase == PHASE_PADDING || c->recover || c->blocks == 0) return MST_OK;
  /* No piece behind would see an ordinary member of gzip. */
  if (mst_bgzf_parse(data, n, &block, &want, &cause) != MST_E_UNSUPPORTED) return MST_OK;
  return damaged(c, MST_E_UNSUPPORTED, c->at, cause.message, 0, err);
}

static mst_status next_block(bgzf_container *c, bool *wait, mst_container_state *state, mst_run *run, mst_error *err) {
  mst_error cause = {0};
  mst_bgzf_block block;
  size_t n, want = HEAD_BYTES;
  const uint8_t *data;
  if (c->at >= c->end) return leave_piece(c, wait, err);
  for (;;) {
    data = view(c, want, &n);
    if (n == 0 && at_end(c)) return reach_end(c, err);
    if (n > 0 && data[0] == 0 && c->blocks > 0) {
      c->phase = PHASE_PADDING;
      return MST_OK;
    }
    size_t more = 0;
    const mst_status status = n == 0 ? MST_OK : mst_bgzf_parse(data, n, &block, &more, &cause);
    if (status != MST_OK) {
      char what[sizeof cause.message];
      (void)snprintf(what, sizeof what, "%s%.700s",
                     c->blocks > 0 && cause.offset < 2 ? "bytes behind the last block: " : "", cause.message);
      return damaged(c, status, c->at + (uint64_t)cause.offset, what, 1, err);
    }
    if (n > 0 && more == 0) more = block.size;
    if (n > 0 && n >= more) break;
    if (n < want || want >= more) {
      *wait = true;
      if (!c->in.last) return MST_OK;
      *wait = false;
      return damaged(c, MST_E_CORRUPT, c->at + n, "the object ends in the middle of a block", n, err);
    }
    want = more;
  }
  return inflate_block(c, data, &block, state, run, err);
}

/* Zeros up to the object's end are allowed behind the last block, as behind the last member of gzip. */
static mst_status read_padding(bgzf_container *c, bool *wait, mst_error *err) {
  size_t n, zeros = 0;
  const uint8_t *data = view(c, 1, &n);
  while (zeros < n && data[zeros] == 0) zeros++;
  use(c, zeros);
  if (zeros < n) return damaged(c, MST_E_CORRUPT, c->at, "bytes behind the zeros that pad the last block", 1, err);
  if (at_end(c)) return reach_end(c, err);
  *wait = zeros == 0;
  return MST_OK;
}

static mst_status bgzf_next(mst_container *base, mst_container_state *state, mst_run *run, mst_error *err) {
  bgzf_container *c = (bgzf_container *)base;
  bool wait = false;
  mst_status status = MST_OK;
  *state = MST_CONTAINER_INPUT;
  while (status == MST_OK && !wait && *state != MST_CONTAINER_RUN && c->phase != PHASE_END && c->plain < c->plain_end) {
    if (c->phase == PHASE_FIND) status = find(c, &wait, err);
    else if (c->phase == PHASE_BLOCK) status = next_block(c, &wait, state, run, err);
    else status = read_padding(c, &wait, err);
  }
  if (*state != MST_CONTAINER_RUN && (c->phase == PHASE_END || c->plain >= c->plain_end)) {
    *state = MST_CONTAINER_END;
    *run = (mst_run){.plain = c->plain, .gap = c->gap};
  }
  return status;
}

static mst_status bgzf_capture(mst_container *base, mst_error *err) {
  bgzf_container *c = (bgzf_container *)base;
  (void)err;
  c->captured = c->current;
  return MST_OK;
}

static void bgzf_keep(mst_container *base) {
  bgzf_container *c = (bgzf_container *)base;
  c->kept = c->captured;
}

static mst_status bgzf_take(mst_container *base, mst_restart *out, mst_error *err) {
  bgzf_container *c = (bgzf_container *)base;
  (void)err;
  *out = c->kept;
  return MST_OK;
}

static void bgzf_extent(const mst_container *base, uint64_t *begin, uint64_t *end) {
  const bgzf_container *c = (const bgzf_container *)base;
  *begin = c->begin;
  *end = c->begin == UINT64_MAX ? UINT64_MAX : c->at;
}

static mst_status bgzf_facts(mst_container *base, json_t *facts, mst_error *err) {
  bgzf_container *c = (bgzf_container *)base;
  mst_status status = MST_OK;
  MST_TRY(mst_json_set_u64(facts, "blocks", c->blocks, err));
  if (c->end_seen) MST_TRY(mst_json_set(facts, "end_block", json_boolean(c->end_block), err));
  MST_TRY(mst_notes_put(&c->notes, facts, err));
done:
  return status;
}

const mst_container_ops mst_container_bgzf = {
    .name = "bgzf",
    .pieces = true,
    .probe = bgzf_probe,
    .open = bgzf_open,
    .feed = bgzf_feed,
    .next = bgzf_next,
    .capture = bgzf_capture,
    .keep = bgzf_keep,
    .take = bgzf_take,
    .extent = bgzf_extent,
    .facts = bgzf_facts,
    .close = bgzf_close,
};

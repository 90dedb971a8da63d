/* format/container_gzip.c - gzip members one after the other, with restarts in their middle: at a block boundary the
 * decoder can begin again when it is given the window in front of it.
 *
 * Owns the decoder, two windows (captured, kept) and the notes about damage. Calls codec. */
#include "codec/codec.h"
#include "format/container_impl.h"

/* While a safe start is looked for, boundaries closer than this to the last one are not worth a window each. */
#define RETRY_BYTES 65536u

typedef enum gzip_phase { PHASE_HEAD, PHASE_BODY, PHASE_TRAILER, PHASE_PADDING, PHASE_END } gzip_phase;

/* A place where a run began. */
typedef struct gzip_place {
  uint64_t at, plain;
  uint8_t bits;
  bool inside; /* a member; else its head begins here */
} gzip_place;

typedef struct gzip_slot {
  gzip_place place;
  bool filled;
  bool tracked; /* by the decoder, at this moment */
  size_t n_window;
  uint8_t window[MST_INFLATE_WINDOW];
} gzip_slot;

typedef struct gzip_container {
  mst_container base;
  const mst_allocator *mem;
  container_input in;
  mst_inflate *z;
  gzip_phase phase;
  bool verify, recover;
  bool gap; /* damage ended the plain bytes, perhaps in the middle of something */
  uint64_t begin;
  uint64_t plain, plain_end; /* of the next run; where to stop                          */
  mst_gzip_head head;
  uint64_t member_at, body_at; /* where the member's head and DEFLATE data begin          */
  uint64_t body_plain;         /* plain offset at which the decoder began                 */
  bool whole;                  /* the member was decoded from its head on                 */
  uint32_t crc;
  uint8_t trailer[MST_GZIP_TRAILER];
  size_t n_trailer;
  uint64_t members;                      /* that ended                                              */
  uint64_t spacing, next_mark, retry_at; /* retry_at: UINT64_MAX when no safe start is awaited */
  bool at_boundary, is_mark;             /* of the next run                                         */
  mst_inflate_state after;               /* what the decoder reached behind the current run          */
  gzip_place boundary, current;
  bool current_restartable;
  gzip_slot *captured, *kept; /* both in `slots`                                         */
  gzip_slot slots[2];
  container_notes notes;
} gzip_container;

/* ---- life ------------------------------------------------------------------------------------------------------ */

static int gzip_probe(const uint8_t *head, size_t n) { return n >= 2 && head[0] == 0x1f && head[1] == 0x8b ? 90 : 0; }

static void gzip_close(mst_container *base) {
  gzip_container *c = (gzip_container *)base;
  if (c == NULL) return;
  mst_inflate_free(c->z);
  mst_free(c->mem, c->notes.list);
  mst_free(c->mem, c);
}

/* Decoding begins at a restart: in front of a head, or inside a member with its window. */
static mst_status begin_at(gzip_container *c, const mst_restart *from, mst_error *err) {
  uint8_t window[MST_INFLATE_WINDOW];
  size_t n;
  c->begin = c->in.offset = c->member_at = from->at;
  c->plain = c->body_plain = from->plain;
  c->current.at = from->at;
  if (from->window.size == 0) return MST_OK;
  if (from->bits > 7) return mst_fail(err, MST_E_CORRUPT, "gzip: a restart at bit %u of a byte", from->bits);
  const mst_status status = mst_window_unpack(c->mem, from->window.data, from->window.size, window, &n, err);
  if (status != MST_OK) return status;
  c->phase = PHASE_BODY;
  c->body_at = from->at;
  c->whole = false;
  mst_inflate_begin(c->z, from->bits, window, n);
  return MST_OK;
}

static mst_status gzip_open(const mst_container_open *options, mst_container **out, mst_error *err) {
  mst_status status = MST_OK;
  gzip_container *c = mst_alloc_zero(options->mem, 1, sizeof *c);
  if (c == NULL) return mst_fail_memory(err);
  c->base.ops = &mst_container_gzip;
  c->mem = options->mem;
  c->phase = PHASE_HEAD;
  c->verify = options->verify;
  c->recover = options->recover;
  c->plain_end = UINT64_MAX;
  c->spacing = options->spacing;
  c->next_mark = mst_mark_behind(0, c->spacing);
  c->retry_at = UINT64_MAX;
  c->captured = &c->slots[0];
  c->kept = &c->slots[1];
  c->begin = c->in.offset = c->member_at = options->begin;
  MST_TRY(mst_inflate_new(c->mem, &c->z, err));
  if (options->from != NULL) {
    c->plain_end = options->plain_end;
    MST_TRY(begin_at(c, options->from, err));
  }
  *out = &c->base;
done:
  if (status != MST_OK) gzip_close(&c->base);
  return status;
}

static mst_status gzip_feed(mst_container *base, const mst_bytes *input, bool last, mst_error *err) {
  gzip_container *c = (gzip_container *)base;
  (void)err;
  mst_input_feed(&c->in, input, last);
  return MST_OK;
}

/* ---- restarts -------------------------------------------------------------------------------------------------- */

/* The decoder is about to forget what it tracked: prune the windows that wait for it. */
static void settle(gzip_container *c) {
  for (size_t i = 0; i < 2; i++) {
    gzip_slot *slot = &c->slots[i];
    if (slot->tracked) mst_inflate_prune(c->z, slot->window, slot->n_window);
    slot->tracked = false;
  }
}

/* The next run begins where decoding can begin again. A head is a better place than a block, which needs a window; of
 * several places with no plain byte between them the last one leaves the least to decode. */
static void set_boundary(gzip_container *c, bool inside) {
  if (c->at_boundary && inside && !c->boundary.inside) return;
  c->at_boundary = true;
  c->boundary = (gzip_place){.plain = c->plain, .inside = inside, .at = c->member_at};
  if (inside) {
    const uint64_t bit = mst_inflate_bit(c->z);
    c->boundary.at = c->body_at + bit / 8;
    c->boundary.bits = bit % 8;
    settle(c);
    mst_inflate_track(c->z);
  }
  if (c->plain >= c->next_mark) {
    c->is_mark = true;
    c->next_mark = mst_mark_behind(c->plain, c->spacing);
    c->retry_at = c->plain;
  }
  if (c->plain >= c->retry_at) c->retry_at = c->plain + RETRY_BYTES;
}

static mst_status gzip_capture(mst_container *base, mst_error *err) {
  gzip_container *c = (gzip_container *)base;
  gzip_slot *slot = c->captured;
  const uint8_t *window;
  if (!c->current_restartable) return mst_fail(err, MST_E_INTERNAL, "gzip: a capture where decoding cannot begin");
  slot->place = c->current;
  slot->filled = true;
  slot->tracked = c->current.inside;
  slot->n_window = 0;
  if (c->current.inside) {
    slot->n_window = mst_inflate_window(c->z, c->current.plain - c->body_plain, &window);
    if (slot->n_window > 0) memcpy(slot->window, window, slot->n_window);
  }
  return MST_OK;
}

static void gzip_keep(mst_container *base) {
  gzip_container *c = (gzip_container *)base;
  gzip_slot *kept = c->captured;
  c->retry_at = UINT64_MAX;
  if (!kept->filled) return;
  c->captured = c->kept;
  c->kept = kept;
  c->captured->filled = c->captured->tracked = false;
}

static mst_status gzip_take(mst_container *base, mst_restart *out, mst_error *err) {
  gzip_container *c = (gzip_container *)base;
  gzip_slot *slot = c->kept;
  if (!slot->filled) return mst_fail(err, MST_E_INTERNAL, "gzip: no restart was kept");
  mst_restart taken = {.at = slot->place.at, .plain = slot->place.plain, .bits = slot->place.bits};
  if (slot->place.inside) {
    if (slot->tracked) mst_inflate_prune(c->z, slot->window, slot->n_window);
    const mst_status status = mst_window_pack(c->mem, slot->window, slot->n_window, &taken.window, err);
    if (status != MST_OK) return status;
  }
  slot->filled = slot->tracked = false;
  *out = taken;
  return MST_OK;
}

/* ---- decoding -------------------------------------------------------------------------------------------------- */

/* Broken or cut data: an error, or with `recover` a note and the end. */
static mst_status give_up(gzip_container *c, mst_status status, uint64_t at, const char *what, mst_error *err) {
  c->gap = true;
  c->phase = PHASE_END;
  if (c->recover) return mst_notes_add(&c->notes, c->mem, at, c->plain, what, err);
  return mst_container_broken("gzip", status, at, c->plain, what, err);
}

static mst_status cut(gzip_container *c, const char *where, mst_error *err) {
  char what[160];
  (void)snprintf(what, sizeof what, "the object ends in the %s of the member that begins at byte %llu", where,
                 (unsigned long long)c->member_at);
  return give_up(c, MST_E_CORRUPT, c->in.offset, what, err);
}

/* Damage that does not hinder going on. */
static mst_status mismatch(gzip_container *c, uint64_t at, const char *what, mst_error *err) {
  if (c->recover) return mst_notes_add(&c->notes, c->mem, at, c->plain, what, err);
  return mst_container_broken("gzip", MST_E_CORRUPT, at, c->plain, what, err);
}

/* Each step: MST_OK with *wait set when it needs more input. */
static mst_status read_head(gzip_container *c, bool *wait, mst_error *err) {
  mst_error cause = {0};
  if (c->head.size == 0) {
    c->member_at = c->in.offset;
    /* Zeros up to the object's end are allowed behind a member. */
    if (c->members > 0 && mst_input_left(&c->in) > 0 && *c->in.at == 0) {
      c->phase = PHASE_PADDING;
      return MST_OK;
    }
  }
  const uint8_t *at = c->in.at;
  const mst_status status = mst_gzip_head_feed(&c->head, &at, c->in.end, &cause);
  mst_input_use(&c->in, (size_t)(at - c->in.at));
  if (status != MST_OK) {
    char what[sizeof cause.message];
    const bool garbage = cause.offset == 0 && c->members > 0;
    (void)snprintf(what, sizeof what, "%s%.700s", garbage ? "bytes behind the last member: " : "", cause.message);
    return give_up(c, status, c->member_at + (uint64_t)cause.offset, what, err);
  }
  if (c->head.done) {
    settle(c);
    mst_inflate_begin(c->z, 0, NULL, 0);
    c->phase = PHASE_BODY;
    c->body_at = c->in.offset;
    c->body_plain = c->plain;
    c->whole = true;
    c->crc = 0;
    set_boundary(c, false);
    return MST_OK;
  }
  *wait = true;
  if (!c->in.last) return MST_OK;
  if (c->head.size > 0) return cut(c, "head", err);
  if (c->members == 0 && c->begin == 0) return give_up(c, MST_E_CORRUPT, 0, "an empty object is no gzip file", err);
  c->phase = PHASE_END;
  return MST_OK;
}

static mst_status read_trailer(gzip_container *c, bool *wait, mst_error *err) {
  const uint64_t at = c->in.offset - c->n_trailer;
  char what[160];
  mst_status status = MST_OK;
  if (!mst_input_keep(&c->in, c->trailer, &c->n_trailer, MST_GZIP_TRAILER)) {
    *wait = true;
    return c->in.last ? cut(c, "trailer", err) : MST_OK;
  }
  if (c->whole && c->verify) {
    const uint32_t size = (uint32_t)(c->plain - c->body_plain);
    what[0] = 0;
    if (mst_le32(c->trailer) != c->crc)
      (void)snprintf(what, sizeof what,
                     "the CRC-32 of the member that begins at byte %llu is %08x, its plain bytes give %08x",
                     (unsigned long long)c->member_at, mst_le32(c->trailer), c->crc);
    else if (mst_le32(c->trailer + 4) != size)
      (void)snprintf(what, sizeof what,
                     "the length of the member that begins at byte %llu is %u (modulo 2^32), its plain bytes are %u",
                     (unsigned long long)c->member_at, mst_le32(c->trailer + 4), size);
    if (what[0] != 0) status = mismatch(c, at, what, err);
  }
  c->members++;
  c->n_trailer = 0;
  c->head = (mst_gzip_head){0};
  c->phase = PHASE_HEAD;
  return status;
}

static mst_status read_padding(gzip_container *c, bool *wait, mst_error *err) {
  while (mst_input_left(&c->in) > 0 && *c->in.at == 0) mst_input_use(&c->in, 1);
  if (mst_input_left(&c->in) > 0)
    return give_up(c, MST_E_CORRUPT, c->in.offset, "bytes behind the zeros that pad the last member", err);
  *wait = true;
  if (c->in.last) c->phase = PHASE_END;
  return MST_OK;
}

/* What the decoder reached behind the last run, now that the run is done with. */
static void go_on(gzip_container *c) {
  if (c->after == MST_INFLATE_BLOCK) {
    set_boundary(c, true);
  } else if (c->after == MST_INFLATE_END) {
    c->phase = PHASE_TRAILER;
  }
  c->after = MST_INFLATE_INPUT;
}

static void fill_run(gzip_container *c, const uint8_t *data, size_t n, mst_run *run) {
  const size_t size = (size_t)mst_min_u64(n, c->plain_end - c->plain);
  *run = (mst_run){.data = data, .size = size, .plain = c->plain, .restartable = c->at_boundary, .mark = c->is_mark};
  if (c->whole && c->verify) {
    run->crc = mst_crc32(0, data, n);
    run->has_crc = size == n;
    c->crc = mst_crc32_combine(c->crc, run->crc, n);
  }
  c->current_restartable = c->at_boundary;
  if (c->at_boundary) c->current = c->boundary;
  run->at = c->at_boundary ? c->boundary.at : c->in.offset;
  c->at_boundary = c->is_mark = false;
  c->plain += size;
}

static mst_status read_body(gzip_container *c, bool *wait, mst_container_state *state, mst_run *run, mst_error *err) {
  const uint8_t *at = c->in.at, *data;
  mst_error cause = {0};
  go_on(c);
  if (c->phase != PHASE_BODY) return MST_OK;
  const uint64_t stop = mst_min_u64(c->next_mark, c->retry_at);
  if (c->plain_end != UINT64_MAX) mst_inflate_until(c->z, c->plain_end - c->body_plain);
  const mst_status status =
      mst_inflate_run(c->z, &at, c->in.end, stop == UINT64_MAX ? stop : stop - c->body_plain, &c->after, &cause);
  mst_input_use(&c->in, (size_t)(at - c->in.at));
  const size_t n = mst_inflate_take(c->z, &data);
  if (n > 0) {
    fill_run(c, data, n, run);
    *state = MST_CONTAINER_RUN;
    return MST_OK;
  }
  if (status != MST_OK) return give_up(c, status, c->body_at + (uint64_t)cause.offset, cause.message, err);
  if (c->after != MST_INFLATE_INPUT) return MST_OK;
  *wait = true;
  return c->in.last ? cut(c, "DEFLATE data", err) : MST_OK;
}

static mst_status gzip_next(mst_container *base, mst_container_state *state, mst_run *run, mst_error *err) {
  gzip_container *c = (gzip_container *)base;
  bool wait = false;
  mst_status status = MST_OK;
  *state = MST_CONTAINER_INPUT;
  while (status == MST_OK && !wait && *state != MST_CONTAINER_RUN && c->phase != PHASE_END && c->plain < c->plain_end) {
    if (c->phase == PHASE_HEAD) status = read_head(c, &wait, err);
    else if (c->phase == PHASE_BODY) status = read_body(c, &wait, state, run, err);
    else if (c->phase == PHASE_TRAILER) status = read_trailer(c, &wait, err);
    else status = read_padding(c, &wait, err);
  }
  if (*state != MST_CONTAINER_RUN && (c->phase == PHASE_END || c->plain >= c->plain_end)) {
    *state = MST_CONTAINER_END;
    *run = (mst_run){.plain = c->plain, .gap = c->gap};
  }
  return status;
}

static void gzip_extent(const mst_container *base, uint64_t *begin, uint64_t *end) {
  const gzip_container *c = (const gzip_container *)base;
  *begin = c->begin;
  *end = c->in.offset;
}

static mst_status gzip_facts(mst_container *base, json_t *facts, mst_error *err) {
  gzip_container *c = (gzip_container *)base;
  const mst_status status = mst_json_set_u64(facts, "members", c->members, err);
  return status != MST_OK ? status : mst_notes_put(&c->notes, facts, err);
}

const mst_container_ops mst_container_gzip = {
    .name = "gzip",
    .pieces = false,
    .probe = gzip_probe,
    .open = gzip_open,
    .feed = gzip_feed,
    .next = gzip_next,
    .capture = gzip_capture,
    .keep = gzip_keep,
    .take = gzip_take,
    .extent = gzip_extent,
    .facts = gzip_facts,
    .close = gzip_close,
};

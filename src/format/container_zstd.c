/* format/container_zstd.c - zstd frames one after the other; decoding can begin again at each frame. The seek table
 * that an object may end with is held against the frames: frames that were lost leave no other trace. Owns the decoder,
 * its output buffer and the table while it comes in. Calls codec. */
#include "codec/codec.h"
#include "format/container_impl.h"

#define OUT_BYTES      (256u * 1024)
#define MEMORY_DEFAULT (16u << 20)
/* What `zstd -19` writes is read whatever the budget. */
#define WINDOW_LEAST (8u << 20)
/* A table of some 100,000 frames; larger ones are passed over. */
#define TABLE_MAX   (1u << 20)
#define TABLE_MAGIC 0x184d2a5eu
/* A frame of more spacings than this is worth a note. */
#define FRAME_SPACINGS 16u

typedef enum zstd_phase { PHASE_HEAD, PHASE_SKIP, PHASE_BODY, PHASE_FIND, PHASE_END } zstd_phase;

typedef struct zstd_container {
  mst_container base;
  const mst_allocator *mem;
  container_input in;
  mst_zstd *z;
  zstd_phase phase;
  bool recover;
  bool gap;   /* damage was passed over since the last run             */
  bool whole; /* decoding began at the object's beginning, and is exact */
  uint64_t begin;
  uint64_t frame_at;
  uint64_t plain, plain_end;
  uint64_t spacing, next_mark;
  uint64_t frames;               /* that began and hold data                       */
  uint64_t restarts;             /* frames at whose beginning decoding can begin   */
  uint64_t skip;                 /* bytes of a skippable frame to come             */
  uint64_t frame_plain, largest; /* where the frame at hand begins; the largest one's plain bytes */
  mst_buf table;                 /* a skippable frame that may be a seek table                    */
  bool in_table;
  uint8_t head[MST_ZSTD_HEAD_MAX];
  size_t n_head, head_used; /* taken from the input; given to the decoder     */
  bool at_frame;            /* the next run is the frame's first              */
  mst_restart current, captured, kept;
  container_notes notes;
  uint8_t out[OUT_BYTES];
} zstd_container;

static int zstd_probe(const uint8_t *head, size_t n) {
  if (n >= 4 && mst_le32(head) == 0xfd2fb528u) return 95;
  return n >= 4 && (mst_le32(head) & 0xfffffff0u) == 0x184d2a50u ? 80 : 0;
}

static void zstd_close(mst_container *base) {
  zstd_container *c = (zstd_container *)base;
  if (c == NULL) return;
  mst_zstd_free(c->z);
  mst_buf_free(&c->table);
  mst_free(c->mem, c->notes.list);
  mst_free(c->mem, c);
}

static mst_status zstd_open(const mst_container_open *options, mst_container **out, mst_error *err) {
  const uint64_t memory = options->memory > 0 ? mst_min_u64(options->memory, UINT64_MAX / 2) : MEMORY_DEFAULT;
  mst_status status = MST_OK;
  zstd_container *c = mst_alloc_zero(options->mem, 1, sizeof *c);
  if (c == NULL) return mst_fail_memory(err);
  c->base.ops = &mst_container_zstd;
  c->mem = options->mem;
  c->recover = options->recover;
  c->plain_end = UINT64_MAX;
  c->whole = options->from == NULL && options->begin == 0 && options->verify;
  mst_buf_init(&c->table, c->mem, TABLE_MAX + 8);
  c->spacing = options->spacing;
  c->next_mark = mst_mark_behind(0, c->spacing);
  c->begin = options->begin;
  if (options->from != NULL) {
    c->begin = options->from->at;
    c->plain = options->from->plain;
    c->plain_end = options->plain_end;
  }
  c->in.offset = c->begin;
  MST_TRY(mst_zstd_new(c->mem, mst_max_u64(2 * memory, WINDOW_LEAST), &c->z, err));
  *out = &c->base;
done:
  if (status != MST_OK) zstd_close(&c->base);
  return status;
}

static mst_status zstd_feed(mst_container *base, const mst_bytes *input, bool last, mst_error *err) {
  zstd_container *c = (zstd_container *)base;
  (void)err;
  mst_input_feed(&c->in, input, last);
  return MST_OK;
}

/* Broken or cut data: an error, or with `recover` a note, and the next frame is looked for. */
static mst_status give_up(zstd_container *c, mst_status status, uint64_t at, const char *what, mst_error *err) {
  if (status == MST_E_NO_MEMORY) return mst_fail_memory(err);
  if (!c->recover || status != MST_E_CORRUPT) return mst_container_broken("zstd", status, at, c->plain, what, err);
  c->gap = true;
  c->whole = false;
  /* A wrong head may hold the beginning of a right one. */
  if (c->phase == PHASE_BODY || c->n_head == 0) c->n_head = 0;
  else memmove(c->head, c->head + 1, --c->n_head);
  c->phase = PHASE_FIND;
  return mst_notes_add(&c->notes, c->mem, at, c->plain, what, err);
}

static void drop_to_magic(zstd_container *c) {
  static const uint8_t magic[4] = {0x28, 0xb5, 0x2f, 0xfd};
  while (c->n_head > 0 && memcmp(c->head, magic, mst_min_size(c->n_head, 4)) != 0)
    memmove(c->head, c->head + 1, --c->n_head);
}

/* The next magic of a frame, behind damage. */
static mst_status find_frame(zstd_container *c, bool *wait) {
  drop_to_magic(c);
  while (c->n_head < 4 && mst_input_left(&c->in) > 0) {
    c->head[c->n_head++] = *c->in.at;
    mst_input_use(&c->in, 1);
    drop_to_magic(c);
  }
  if (c->n_head >= 4) {
    c->frame_at = c->in.offset - c->n_head;
    c->phase = PHASE_HEAD;
  } else {
    *wait = !c->in.last;
    if (c->in.last) c->phase = PHASE_END;
  }
  return MST_OK;
}

static mst_status cut(zstd_container *c, mst_error *err) {
  char what[160];
  (void)snprintf(what, sizeof what, "the object ends in the frame that begins at byte %llu",
                 (unsigned long long)c->frame_at);
  return give_up(c, MST_E_CORRUPT, c->in.offset, what, err);
}

static mst_status begin_skip(zstd_container *c, uint64_t size, mst_error *err) {
  c->skip = size;
  c->phase = PHASE_SKIP;
  c->in_table = c->whole && mst_le32(c->head) == TABLE_MAGIC && size <= TABLE_MAX;
  mst_buf_clear(&c->table);
  c->n_head = 0;
  return c->in_table ? mst_buf_put(&c->table, c->head, 8, err) : MST_OK;
}

/* A skippable frame of the table's kind has ended. What is no table at all is nobody's business. */
static mst_status check_table(zstd_container *c, mst_error *err) {
  const uint8_t *table = c->table.data;
  const size_t n = c->table.size;
  mst_zstd_seek *seeks = NULL;
  size_t n_frames = 0;
  char what[200];
  if (n < 8 + MST_ZSTD_SEEK_FOOTER || mst_zstd_seek_size(table + n - MST_ZSTD_SEEK_FOOTER) != n) return MST_OK;
  const mst_status status = mst_zstd_seek_parse(c->mem, table, n, MST_ZSTD_UNKNOWN, &seeks, &n_frames, err);
  if (status != MST_OK) return status == MST_E_NO_MEMORY ? status : MST_OK;
  const uint64_t told = seeks[n_frames].plain;
  mst_free(c->mem, seeks);
  if (told == c->plain) return MST_OK;
  (void)snprintf(what, sizeof what, "the seek table tells of %zu frames with %llu plain bytes, but %llu came out",
                 n_frames, (unsigned long long)told, (unsigned long long)c->plain);
  if (c->recover) return mst_notes_add(&c->notes, c->mem, c->frame_at, c->plain, what, err);
  return mst_container_broken("zstd", MST_E_CORRUPT, c->frame_at, c->plain, what, err);
}

static mst_status read_head(zstd_container *c, bool *wait, mst_error *err) {
  mst_error cause = {0};
  mst_zstd_head head;
  size_t want = 4;
  do {
    if (c->n_head == 0) c->frame_at = c->in.offset;
    const bool whole = mst_input_keep(&c->in, c->head, &c->n_head, want);
    mst_status status = c->n_head == 0 ? MST_OK : mst_zstd_parse(c->head, c->n_head, &head, &want, &cause);
    if (status == MST_OK && c->n_head > 0 && want == 0 && !head.skippable) status = mst_zstd_begin(c->z, &head, &cause);
    if (status != MST_OK) {
      char what[sizeof cause.message];
      (void)snprintf(what, sizeof what, "%s%.700s",
                     c->frames > 0 && status == MST_E_CORRUPT && cause.offset == 0 ? "bytes behind the last frame: "
                                                                                   : "",
                     cause.message);
      return give_up(c, status, c->frame_at + (uint64_t)cause.offset, what, err);
    }
    if (!whole && want > 0) {
      *wait = !c->in.last;
      if (*wait) return MST_OK;
      if (c->n_head > 0) return cut(c, err);
      c->phase = PHASE_END;
      return MST_OK;
    }
  } while (want > 0);
  if (head.skippable) return begin_skip(c, head.content, err);
  c->frames++;
  c->frame_plain = c->plain;
  c->head_used = 0;
  c->at_frame = true;
  c->phase = PHASE_BODY;
  return MST_OK;
}

static mst_status read_skip(zstd_container *c, bool *wait, mst_error *err) {
  const size_t n = (size_t)mst_min_u64(c->skip, mst_input_left(&c->in));
  const mst_status status = c->in_table && n > 0 ? mst_buf_put(&c->table, c->in.at, n, err) : MST_OK;
  if (status != MST_OK) return status;
  mst_input_use(&c->in, n);
  c->skip -= n;
  if (c->skip == 0) {
    c->phase = PHASE_HEAD;
    return c->in_table ? check_table(c, err) : MST_OK;
  }
  *wait = !c->in.last;
  return *wait ? MST_OK : cut(c, err);
}

static void fill_run(zstd_container *c, size_t n, mst_run *run) {
  const size_t size = (size_t)mst_min_u64(n, c->plain_end - c->plain);
  *run = (mst_run){.data = c->out,
                   .size = size,
                   .plain = c->plain,
                   .at = c->at_frame ? c->frame_at : c->in.offset,
                   .restartable = c->at_frame,
                   .gap = c->gap};
  c->gap = false;
  if (c->at_frame) {
    c->restarts++;
    c->current = (mst_restart){.at = c->frame_at, .plain = c->plain};
    if (c->plain >= c->next_mark) {
      run->mark = true;
      c->next_mark = mst_mark_behind(c->plain, c->spacing);
    }
    c->at_frame = false;
  }
  c->plain += size;
  c->largest = mst_max_u64(c->largest, c->plain - c->frame_plain);
}

static mst_status read_body(zstd_container *c, bool *wait, mst_container_state *state, mst_run *run, mst_error *err) {
  const bool in_head = c->head_used < c->n_head;
  const uint8_t *at = in_head ? c->head + c->head_used : c->in.at;
  const uint8_t *const from = at;
  mst_error cause = {0};
  bool ended;
  size_t n;
  const mst_status status =
      mst_zstd_run(c->z, &at, in_head ? c->head + c->n_head : c->in.end, c->out, OUT_BYTES, &n, &ended, &cause);
  const size_t used = (size_t)(at - from);
  if (in_head) c->head_used += used;
  else mst_input_use(&c->in, used);
  if (status != MST_OK) return give_up(c, status, c->in.offset, cause.message, err);
  if (ended) {
    c->n_head = 0;
    c->phase = PHASE_HEAD;
  }
  if (n > 0) {
    fill_run(c, n, run);
    *state = MST_CONTAINER_RUN;
    return MST_OK;
  }
  if (ended || used > 0) return MST_OK;
  *wait = !c->in.last;
  return *wait ? MST_OK : cut(c, err);
}

static mst_status zstd_next(mst_container *base, mst_container_state *state, mst_run *run, mst_error *err) {
  zstd_container *c = (zstd_container *)base;
  bool wait = false;
  mst_status status = MST_OK;
  *state = MST_CONTAINER_INPUT;
  while (status == MST_OK && !wait && *state != MST_CONTAINER_RUN && c->phase != PHASE_END && c->plain < c->plain_end) {
    if (c->phase == PHASE_HEAD) status = read_head(c, &wait, err);
    else if (c->phase == PHASE_SKIP) status = read_skip(c, &wait, err);
    else if (c->phase == PHASE_FIND) status = find_frame(c, &wait);
    else status = read_body(c, &wait, state, run, err);
  }
  if (*state != MST_CONTAINER_RUN && (c->phase == PHASE_END || c->plain >= c->plain_end)) {
    *state = MST_CONTAINER_END;
    *run = (mst_run){.plain = c->plain, .gap = c->gap};
  }
  return status;
}

static mst_status zstd_capture(mst_container *base, mst_error *err) {
  zstd_container *c = (zstd_container *)base;
  (void)err;
  c->captured = c->current;
  return MST_OK;
}

static void zstd_keep(mst_container *base) {
  zstd_container *c = (zstd_container *)base;
  c->kept = c->captured;
}

static mst_status zstd_take(mst_container *base, mst_restart *out, mst_error *err) {
  zstd_container *c = (zstd_container *)base;
  (void)err;
  *out = c->kept;
  return MST_OK;
}

static void zstd_extent(const mst_container *base, uint64_t *begin, uint64_t *end) {
  const zstd_container *c = (const zstd_container *)base;
  *begin = c->begin;
  *end = c->in.offset;
}

/* What slices of a large frame cost. */
static mst_status put_note(const zstd_container *c, json_t *facts, mst_error *err) {
  char size[24], text[200];
  if (c->spacing == 0 || c->largest / FRAME_SPACINGS < c->spacing) return MST_OK;
  (void)snprintf(text, sizeof text,
                 "one zstd frame holds %s of plain bytes: a slice in it is decoded from the frame's beginning",
                 mst_format_size(c->largest, size));
  json_t *notes = json_pack("[s]", text);
  return notes == NULL ? mst_fail_memory(err) : mst_json_set(facts, "notes", notes, err);
}

static mst_status zstd_facts(mst_container *base, json_t *facts, mst_error *err) {
  zstd_container *c = (zstd_container *)base;
  mst_status status = MST_OK;
  MST_TRY(mst_json_set_u64(facts, "frames", c->frames, err));
  MST_TRY(mst_json_set_u64(facts, "restarts", c->restarts, err));
  MST_TRY(put_note(c, facts, err));
  MST_TRY(mst_notes_put(&c->notes, facts, err));
done:
  return status;
}

const mst_container_ops mst_container_zstd = {
    .name = "zstd",
    .pieces = false,
    .probe = zstd_probe,
    .open = zstd_open,
    .feed = zstd_feed,
    .next = zstd_next,
    .capture = zstd_capture,
    .keep = zstd_keep,
    .take = zstd_take,
    .extent = zstd_extent,
    .facts = zstd_facts,
    .close = zstd_close,
};

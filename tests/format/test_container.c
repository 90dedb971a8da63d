/* tests/format/test_container.c - containers give the plain bytes of their objects from any cut of the input, begin
 * again at every restart they hand out, agree between pieces, and never pass damage over in silence. */
#include "support/support.h"

#include <dirent.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>
#include <zstd.h>

#include "codec/codec.h"
#include "codec/sample.h"
#include "format/container.h"

/* ---- one pass over an object ----------------------------------------------------------------------------------- */

typedef struct pass {
  const mst_container_ops *ops;
  const uint8_t *data;
  size_t n;
  mst_container_open open; /* size and end are filled in when 0 */
  size_t chunk;            /* bytes a feed; 0: random           */
  unsigned patience;       /* runs between a mark and its keep  */
} pass;

#define RESTARTS_MAX 512
typedef struct outcome {
  mst_status status;
  mst_error err;
  uint8_t *plain;
  size_t n_plain;
  uint64_t first; /* plain offset of the first run          */
  size_t runs, marks, restartable, with_crc;
  mst_restart restarts[RESTARTS_MAX];
  size_t n_restarts;
  uint64_t begin, end; /* the extent                             */
  json_t *facts;
} outcome;

static void outcome_free(outcome *o) {
  free(o->plain);
  for (size_t i = 0; i < o->n_restarts; i++) mst_restart_clear(&o->restarts[i]);
  json_decref(o->facts);
  free(o);
}

static void add_plain(outcome *o, const mst_run *run) {
  assert_true(run->size > 0);
  if (o->runs++ == 0) o->first = run->plain;
  assert_true(run->plain == o->first + o->n_plain);
  if (run->source.data != NULL)
    assert_true(run->data >= run->source.data && run->data + run->size <= run->source.data + run->source.size);
  if (run->has_crc) assert_int_equal(run->crc, mst_crc32(0, run->data, run->size));
  o->with_crc += run->has_crc;
  o->restartable += run->restartable;
  if (run->mark) assert_true(run->restartable);
  sample_append(&o->plain, &o->n_plain, run->data, run->size);
}

static mst_status take_kept(mst_container *c, outcome *o, bool *kept) {
  mst_status status = MST_OK;
  if (*kept && o->n_restarts < RESTARTS_MAX) {
    status = c->ops->take(c, &o->restarts[o->n_restarts], &o->err);
    if (status == MST_OK) o->n_restarts++;
  }
  *kept = false;
  return status;
}

/* What a scanner does with a run: capture where it may have to begin again, keep once a safe start was found. */
static mst_status mind_marks(const pass *p, mst_container *c, outcome *o, const mst_run *run, unsigned *waiting,
                             bool *kept) {
  mst_status status = MST_OK;
  if (run->mark) {
    o->marks++;
    if (*waiting == 0) *waiting = p->patience + 1;
  }
  if (*waiting == 0) return MST_OK;
  if (run->restartable) status = c->ops->capture(c, &o->err);
  if (status == MST_OK && --*waiting == 0) {
    status = take_kept(c, o, kept);
    if (status == MST_OK) {
      c->ops->keep(c);
      *kept = true;
    }
  }
  return status;
}

static mst_status run_pass(const pass *p, outcome *o) {
  mst_container_open open = p->open;
  sample_random r = {.state = p->n + p->chunk};
  mst_container *c = NULL;
  uint8_t *piece = NULL;
  unsigned waiting = 0;
  bool kept = false;
  if (open.size == 0) open.size = p->n;
  if (open.end == 0) open.end = open.size;
  if (open.name == NULL) open.name = "object";
  size_t at = (size_t)(open.from != NULL ? open.from->at : open.begin);
  mst_status status = p->ops->open(&open, &c, &o->err);
  while (status == MST_OK) {
    mst_container_state state;
    mst_run run;
    status = c->ops->next(c, &state, &run, &o->err);
    if (status != MST_OK || state == MST_CONTAINER_END) break;
    if (state == MST_CONTAINER_RUN) {
      add_plain(o, &run);
      status = mind_marks(p, c, o, &run, &waiting, &kept);
      continue;
    }
    /* Each feed in a block of its own, so that a sanitizer sees a look at bytes that were given back. */
    const size_t k = mst_min_size(p->n - at, p->chunk > 0 ? p->chunk : 1 + sample_below(&r, 5000));
    free(piece);
    piece = malloc(k + (k == 0));
    assert_non_null(piece);
    if (k > 0) memcpy(piece, p->data + at, k);
    const mst_bytes bytes = mst_bytes_borrow(piece, k);
    at += k;
    status = c->ops->feed(c, &bytes, at == p->n, &o->err);
  }
  if (status == MST_OK) status = take_kept(c, o, &kept);
  if (status == MST_OK) {
    c->ops->extent(c, &o->begin, &o->end);
    status = c->ops->facts(c, o->facts, &o->err);
  }
  if (c != NULL) c->ops->close(c);
  free(piece);
  return status;
}

static outcome *run(const pass *p) {
  outcome *o = calloc(1, sizeof *o);
  assert_non_null(o);
  o->facts = json_object();
  o->status = run_pass(p, o);
  if (o->status != MST_OK) assert_int_equal(o->err.status, o->status);
  return o;
}

static void expect_plain(const outcome *o, const uint8_t *plain, size_t n) {
  if (o->status != MST_OK) fail_msg("%s", o->err.message);
  assert_int_equal(o->n_plain, n);
  if (n > 0) assert_memory_equal(o->plain, plain, n);
}

/* ---- objects --------------------------------------------------------------------------------------------------- */

static uint8_t *make_members(const uint8_t *plain, size_t n, size_t each, const sample_deflate *how, size_t *n_out) {
  uint8_t *out = NULL;
  *n_out = 0;
  for (size_t at = 0, i = 0; at < n || i == 0; at += each, i++) {
    size_t k;
    uint8_t *member = sample_member(plain + at, mst_min_size(each, n - at), how, (unsigned)i % 32, &k);
    sample_append(&out, n_out, member, k);
    free(member);
  }
  return out;
}

static uint8_t *make_frames(const uint8_t *plain, size_t n, size_t each, size_t *n_out) {
  uint8_t *out = NULL, *frame = malloc(ZSTD_compressBound(each));
  ZSTD_CCtx *c = ZSTD_createCCtx();
  ZSTD_CCtx_setParameter(c, ZSTD_c_checksumFlag, 1);
  *n_out = 0;
  for (size_t at = 0; at < n; at += each) {
    const size_t k = ZSTD_compress2(c, frame, ZSTD_compressBound(each), plain + at, mst_min_size(each, n - at));
    assert_false(ZSTD_isError(k));
    sample_append(&out, n_out, "\x51\x2a\x4d\x18\5\0\0\0skip!", 13);
    sample_append(&out, n_out, frame, k);
  }
  ZSTD_freeCCtx(c);
  free(frame);
  return out;
}

#define KINDS 6
/* The same plain bytes as an object of one of the containers. */
static uint8_t *make_object(int kind, const uint8_t *plain, size_t n, const mst_container_ops **ops, size_t *n_out) {
  static const sample_deflate normal = {.level = 6, .mem_level = 3},
                              flushed = {.level = 6, .flush = Z_SYNC_FLUSH, .flush_every = 3000};
  *ops = &mst_container_gzip;
  if (kind == 0) return make_members(plain, n, n + 1, &normal, n_out);
  if (kind == 1) return make_members(plain, n, n / 5 + 1, &flushed, n_out);
  *ops = &mst_container_bgzf;
  if (kind == 2) return sample_bgzf(plain, n, 65280, 6, true, n_out);
  if (kind == 3) return sample_bgzf(plain, n, 1000, 1, true, n_out);
  *ops = &mst_container_zstd;
  if (kind == 4) return make_frames(plain, n, n / 20 + 1, n_out);
  *ops = &mst_container_plain;
  uint8_t *out = NULL;
  *n_out = 0;
  sample_append(&out, n_out, plain, n);
  return out;
}

/* ---- whole objects --------------------------------------------------------------------------------------------- */

static void objects_come_out_whole_from_any_cut(void **state) {
  static const size_t chunks[] = {1 << 30, 0, 4096, 100, 7, 1};
  const size_t n_plain = 300000;
  uint8_t *plain = sample_plain(SAMPLE_FASTQ, n_plain, 1);
  (void)state;
  for (int kind = 0; kind < KINDS; kind++)
    for (size_t i = 0; i < sizeof chunks / sizeof *chunks; i++) {
      const size_t k = i < 3 ? n_plain : 20000;
      pass p = {.chunk = chunks[i], .open = {.verify = i % 2 == 0, .spacing = i % 3 == 0 ? 50000 : 0}};
      p.data = make_object(kind, plain, k, &p.ops, &p.n);
      outcome *o = run(&p);
      expect_plain(o, plain, k);
      assert_int_equal(o->begin, 0);
      assert_int_equal(o->end, p.n);
      if (p.ops == &mst_container_gzip || p.ops == &mst_container_bgzf)
        assert_int_equal(o->with_crc, i % 2 == 0 ? o->runs : 0);
      outcome_free(o);
      free((void *)(uintptr_t)p.data);
    }
  free(plain);
}

static void plain_runs_are_the_given_bytes(void **state) {
  const uint8_t text[] = "0123456789";
  const mst_bytes given = mst_bytes_borrow(text, 10);
  const mst_container_open open = {.begin = 20, .end = 100, .size = 100, .spacing = 8};
  mst_container *c = NULL;
  mst_container_state at;
  mst_run r;
  (void)state;
  assert_int_equal(mst_container_plain.open(&open, &c, NULL), MST_OK);
  assert_int_equal(c->ops->next(c, &at, &r, NULL), MST_OK);
  assert_int_equal(at, MST_CONTAINER_INPUT);
  assert_int_equal(c->ops->feed(c, &given, false, NULL), MST_OK);
  assert_int_equal(c->ops->next(c, &at, &r, NULL), MST_OK);
  assert_ptr_equal(r.data, text);
  assert_int_equal(r.size, 4); /* bytes 20 to 23; 24 is a mark */
  assert_false(r.mark);
  assert_int_equal(c->ops->next(c, &at, &r, NULL), MST_OK);
  assert_ptr_equal(r.data, text + 4);
  assert_ptr_equal(r.source.data, text);
  assert_true(r.mark && r.at == 24 && r.plain == 4 && r.size == 6);
  c->ops->close(c);
}

/* ---- restarts -------------------------------------------------------------------------------------------------- */

/* From restart `i` on: up to the end, and up to a place in the middle. */
static void expect_restart(const pass *whole, const mst_restart *from, const uint8_t *plain, size_t n_plain,
                           sample_random *r) {
  for (int turn = 0; turn < 2; turn++) {
    const size_t left = n_plain - (size_t)from->plain;
    const size_t want = turn == 0 ? left : 1 + sample_below(r, left);
    pass p = {.ops = whole->ops, .data = whole->data, .n = whole->n, .chunk = turn == 0 ? 1 << 30 : 0};
    p.open =
        (mst_container_open){.from = from, .verify = true, .plain_end = turn == 0 ? UINT64_MAX : from->plain + want};
    outcome *o = run(&p);
    expect_plain(o, plain + from->plain, want);
    assert_int_equal(o->first, from->plain);
    outcome_free(o);
  }
}

static void decoding_begins_again_at_every_restart(void **state) {
  static const size_t spacings[] = {20000, 3000, 100};
  const size_t n_plain = 200000;
  sample_random r = {.state = 5};
  (void)state;
  for (int sample = SAMPLE_FASTQ; sample <= SAMPLE_TABLE; sample++) {
    uint8_t *plain = sample_plain(sample, n_plain, 3);
    for (int kind = 0; kind < KINDS; kind++)
      for (unsigned i = 0; i < 3; i++) {
        pass p = {.chunk = 1 << 30, .patience = i, .open = {.verify = true, .spacing = spacings[i]}};
        p.data = make_object(kind, plain, n_plain, &p.ops, &p.n);
        outcome *o = run(&p);
        expect_plain(o, plain, n_plain);
        assert_true(o->n_restarts > 0);
        for (size_t k = 0; k < o->n_restarts; k += 1 + o->n_restarts / 20) {
          assert_true(k == 0 || o->restarts[k].plain > o->restarts[k - 1].plain);
          expect_restart(&p, &o->restarts[k], plain, n_plain, &r);
        }
        outcome_free(o);
        free((void *)(uintptr_t)p.data);
      }
    free(plain);
  }
}

static void marks_stand_close_to_their_multiples(void **state) {
  const size_t n_plain = 1 << 20, spacing = 1 << 16;
  uint8_t *plain = sample_plain(SAMPLE_FASTQ, n_plain, 1);
  (void)state;
  for (int kind = 0; kind < KINDS; kind++) {
    pass p = {.chunk = 1 << 30, .open = {.verify = true, .spacing = spacing}};
    p.data = make_object(kind, plain, n_plain, &p.ops, &p.n);
    outcome *o = run(&p);
    expect_plain(o, plain, n_plain);
    for (size_t k = 0; k < o->n_restarts; k++) {
      const mst_restart *at = &o->restarts[k];
      if (p.ops == &mst_container_plain) assert_int_equal(at->plain, (k + 1) * spacing);
      else if (p.ops != &mst_container_bgzf)
        assert_true(at->plain / spacing > (k == 0 ? 0 : o->restarts[k - 1].plain / spacing));
    }
    if (kind == 0 || kind == 1 || kind == 5) assert_int_equal(o->n_restarts, 15);
    outcome_free(o);
    free((void *)(uintptr_t)p.data);
  }
  free(plain);
}

/* The restarts are the same whatever the cut of the input. */
static void restarts_do_not_depend_on_the_cut(void **state) {
  const size_t n_plain = 60000;
  uint8_t *plain = sample_plain(SAMPLE_TABLE, n_plain, 8);
  (void)state;
  for (int kind = 0; kind < KINDS; kind++) {
    pass p = {.chunk = 1 << 30, .open = {.verify = true, .spacing = 4000}};
    p.data = make_object(kind, plain, n_plain, &p.ops, &p.n);
    outcome *whole = run(&p);
    for (size_t chunk = 1; chunk < 5000; chunk = chunk * 9 + 2) {
      p.chunk = chunk;
      outcome *o = run(&p);
      expect_plain(o, plain, n_plain);
      assert_int_equal(o->n_restarts, whole->n_restarts);
      for (size_t k = 0; k < o->n_restarts; k++) {
        const mst_restart *a = &o->restarts[k], *b = &whole->restarts[k];
        assert_true(a->at == b->at && a->plain == b->plain && a->bits == b->bits);
      }
      outcome_free(o);
    }
    outcome_free(whole);
    free((void *)(uintptr_t)p.data);
  }
  free(plain);
}

/* A record longer than the spacing: captures go on, each only at a distance, until one is kept. */
static void a_capture_that_is_not_kept_is_replaced(void **state) {
  const size_t n_plain = 1 << 20;
  uint8_t *plain = sample_plain(SAMPLE_TABLE, n_plain, 8);
  const sample_deflate how = {.level = 6, .flush = Z_SYNC_FLUSH, .flush_every = 500};
  pass p = {.ops = &mst_container_gzip, .chunk = 1 << 30, .patience = 3, .open = {.verify = true, .spacing = 300000}};
  sample_random r = {.state = 5};
  (void)state;
  p.data = sample_member(plain, n_plain, &how, 0, &p.n);
  outcome *o = run(&p);
  expect_plain(o, plain, n_plain);
  /* 2,000 blocks, but neither a run nor a window for each of them. */
  assert_true(o->runs < 40);
  assert_int_equal(o->n_restarts, 2);
  assert_true(o->restarts[0].plain > 300000 + 2 * 65536);
  for (size_t k = 0; k < o->n_restarts; k++) expect_restart(&p, &o->restarts[k], plain, n_plain, &r);
  outcome_free(o);
  free((void *)(uintptr_t)p.data);
  free(plain);
}

static void windows_hold_what_is_referred_to_and_little_else(void **state) {
  const size_t n_plain = 2 << 20;
  uint8_t *plain = sample_plain(SAMPLE_FASTQ, n_plain, 1);
  const sample_deflate how = {.level = 6};
  pass p = {.ops = &mst_container_gzip, .chunk = 1 << 30, .open = {.verify = true, .spacing = 1 << 17}};
  uint8_t window[32768];
  size_t n, packed = 0;
  (void)state;
  p.data = sample_member(plain, n_plain, &how, 0, &p.n);
  outcome *o = run(&p);
  expect_plain(o, plain, n_plain);
  assert_true(o->n_restarts > 10);
  for (size_t k = 0; k < o->n_restarts; k++) {
    const mst_restart *at = &o->restarts[k];
    size_t zeros = 0;
    assert_int_equal(mst_window_unpack(NULL, at->window.data, at->window.size, window, &n, NULL), MST_OK);
    assert_int_equal(n, 32768);
    for (size_t i = 0; i < n; i++) {
      if (window[i] == 0) zeros++;
      else assert_int_equal(window[i], plain[at->plain - n + i]);
    }
    assert_true(zeros > 5000);
    packed += at->window.size;
  }
  assert_true(packed < o->n_restarts * 16000);
  outcome_free(o);
  free((void *)(uintptr_t)p.data);
  free(plain);
}

/* ---- pieces ---------------------------------------------------------------------------------------------------- */

/* Cuts the object at `cuts` and decodes every piece alone; together they are the object. */
static void expect_pieces(const pass *whole, const outcome *all, const uint64_t *cuts, size_t n_cuts) {
  uint64_t begin = 0, met = 0;
  size_t plain = 0, restarts = 0, blocks = 0;
  for (size_t i = 0; i <= n_cuts; i++) {
    const uint64_t end = i < n_cuts ? cuts[i] : whole->n;
    pass p = *whole;
    p.open.begin = begin;
    p.open.end = end;
    p.open.size = whole->n;
    if (begin < end) {
      outcome *o = run(&p);
      if (o->status != MST_OK)
        fail_msg("piece [%llu, %llu): %s", (unsigned long long)begin, (unsigned long long)end, o->err.message);
      if (o->begin != UINT64_MAX) {
        assert_true(o->begin == met && o->begin >= begin && o->begin < end);
        met = o->end;
      } else {
        assert_true(o->end == UINT64_MAX && o->n_plain == 0);
      }
      assert_true(o->n_plain <= all->n_plain - plain);
      if (o->n_plain > 0) assert_memory_equal(o->plain, all->plain + plain, o->n_plain);
      for (size_t k = 0; k < o->n_restarts; k++, restarts++) {
        assert_true(restarts < all->n_restarts);
        assert_true(o->restarts[k].at == all->restarts[restarts].at);
        assert_true(o->restarts[k].plain + plain == all->restarts[restarts].plain);
      }
      blocks += (size_t)json_integer_value(json_object_get(o->facts, "blocks"));
      plain += o->n_plain;
      outcome_free(o);
    }
    begin = end;
  }
  assert_int_equal(plain, all->n_plain);
  assert_int_equal(restarts, all->n_restarts);
  assert_int_equal(met, whole->n);
  assert_int_equal(blocks, json_integer_value(json_object_get(all->facts, "blocks")));
}

static int rising(const void *a, const void *b) {
  const uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
  return x < y ? -1 : x > y;
}

static void pieces_together_are_the_whole(void **state) {
  const size_t n_plain = 900000;
  uint8_t *plain = sample_plain(SAMPLE_FASTQ, n_plain, 1);
  sample_random r = {.state = 9};
  (void)state;
  for (int kind = 0; kind < 5; kind++) {
    pass p = {
        .ops = &mst_container_bgzf, .chunk = kind % 2 == 0 ? 1 << 30 : 0, .open = {.verify = true, .spacing = 40000}};
    uint8_t *object = sample_bgzf(plain, n_plain, kind == 1 ? 3000 : 65280, kind == 2 ? 0 : 6, true, &p.n);
    if (kind == 3) { /* a BGZF file inside stored blocks */
      uint8_t *outer = sample_bgzf(object, p.n, 65280, 0, true, &p.n);
      free(object);
      object = outer;
    } else if (kind == 4) {
      p.ops = &mst_container_plain;
    }
    p.data = object;
    outcome *all = run(&p);
    assert_int_equal(all->status, MST_OK);
    for (int turn = 0; turn < 8; turn++) {
      uint64_t cuts[40];
      const size_t n_cuts = 1 + sample_below(&r, 40);
      for (size_t i = 0; i < n_cuts; i++) cuts[i] = sample_below(&r, p.n + 1);
      if (turn < 3) /* tiny pieces, some of them within one block, at the end too */
        for (size_t i = 0; i < n_cuts; i++) cuts[i] = turn == 2 ? p.n - i : 1000 + i * 17;
      qsort(cuts, n_cuts, sizeof *cuts, rising);
      expect_pieces(&p, all, cuts, n_cuts);
    }
    outcome_free(all);
    free(object);
  }
  free(plain);
}

/* ---- damage ---------------------------------------------------------------------------------------------------- */

static void a_cut_object_is_never_taken_for_a_whole_one(void **state) {
  const size_t n_plain = 3000;
  uint8_t *plain = sample_plain(SAMPLE_TABLE, n_plain, 8);
  (void)state;
  for (int kind = 0; kind < 5; kind++) {
    pass p = {.chunk = 1 << 30, .open = {.verify = true, .spacing = 500}};
    p.data = make_object(kind, plain, n_plain, &p.ops, &p.n);
    const size_t n = p.n;
    size_t passed = 0;
    for (p.n = 0; p.n < n; p.n++) {
      outcome *o = run(&p);
      if (o->status != MST_OK) {
        assert_int_equal(o->status, MST_E_CORRUPT);
        assert_true(o->err.offset >= 0 && (uint64_t)o->err.offset <= p.n);
        assert_non_null(strstr(o->err.message, p.ops->name));
      }
      assert_true(o->n_plain <= n_plain && (o->n_plain == 0 || memcmp(o->plain, plain, o->n_plain) == 0));
      passed += o->status == MST_OK;
      outcome_free(o);
    }
    /* A cut between two members or frames leaves nothing that could tell; BGZF has its end block for that. */
    assert_true(passed == (kind == 1 ? 4u : kind == 4 ? 40u : 0u));
    free((void *)(uintptr_t)p.data);
  }
  free(plain);
}

static void damage_gives_an_error_or_the_right_bytes(void **state) {
  const size_t n_plain = 9000;
  uint8_t *plain = sample_plain(SAMPLE_FASTQ, n_plain, 8);
  sample_random r = {.state = 77};
  (void)state;
  for (int kind = 0; kind < 5; kind++)
    for (int turn = 0; turn < 1500; turn++) {
      pass p = {.chunk = turn % 2 == 0 ? 1 << 30 : 0,
                .open = {.verify = true, .spacing = 500, .recover = turn % 5 == 4}};
      uint8_t *object = make_object(kind, plain, n_plain, &p.ops, &p.n);
      for (size_t k = 1 + sample_below(&r, 3); k > 0; k--)
        object[sample_below(&r, p.n)] ^= (uint8_t)(1 + sample_below(&r, 255));
      p.data = object;
      outcome *o = run(&p);
      const bool same = o->n_plain == n_plain && memcmp(o->plain, plain, n_plain) == 0;
      if (p.open.recover && o->status == MST_OK) assert_true(same || json_object_get(o->facts, "damage") != NULL);
      else if (o->status == MST_OK) assert_true(same);
      else assert_true(o->status == MST_E_CORRUPT || o->status == MST_E_UNSUPPORTED || o->status == MST_E_LIMIT);
      outcome_free(o);
      free(object);
    }
  free(plain);
}

/* `plain` with what `mangle` did to its container, read with and without recovering. */
static void expect_damage(const mst_container_ops *ops, const uint8_t *object, size_t n, const char *what,
                          const uint8_t *rescued, size_t n_rescued) {
  pass p = {.ops = ops, .data = object, .n = n, .chunk = 1 << 30, .open = {.verify = true}};
  outcome *o = run(&p);
  assert_int_equal(o->status, MST_E_CORRUPT);
  if (strstr(o->err.message, what) == NULL) fail_msg("\"%s\" does not tell of \"%s\"", o->err.message, what);
  outcome_free(o);
  p.open.recover = true;
  o = run(&p);
  expect_plain(o, rescued, n_rescued);
  const json_t *note = json_array_get(json_object_get(o->facts, "damage"), 0);
  assert_non_null(note);
  assert_non_null(strstr(json_string_value(json_object_get(note, "what")), what));
  outcome_free(o);
}

static void what_can_be_rescued_is_and_the_rest_is_named(void **state) {
  const size_t n_plain = 300000;
  uint8_t *plain = sample_plain(SAMPLE_FASTQ, n_plain, 1), *rest = NULL;
  const sample_deflate how = {.level = 6};
  size_t n, n_rest = 0;
  uint8_t *object = sample_member(plain, n_plain, &how, 0, &n);
  (void)state;
  object[n - 8] ^= 1;
  expect_damage(&mst_container_gzip, object, n, "CRC-32", plain, n_plain);
  object[n - 8] ^= 1;
  object[n - 1] ^= 1;
  expect_damage(&mst_container_gzip, object, n, "length", plain, n_plain);
  object[n - 1] ^= 1;
  expect_damage(&mst_container_gzip, object, n - 3, "ends in the trailer", plain, n_plain);
  sample_append(&object, &n, "garbage", 7);
  expect_damage(&mst_container_gzip, object, n, "behind the last member", plain, n_plain);
  n -= 7;
  sample_append(&object, &n, "\0\0\0\0x", 5);
  expect_damage(&mst_container_gzip, object, n, "behind the zeros", plain, n_plain);
  free(object);

  object = sample_bgzf(plain, n_plain, 65280, 6, true, &n);
  expect_damage(&mst_container_bgzf, object, n - 28, "end block is missing", plain, n_plain);
  expect_damage(&mst_container_bgzf, object, n - 27, "middle of a block", plain, n_plain);
  sample_append(&object, &n, "garbage", 7);
  expect_damage(&mst_container_bgzf, object, n, "behind the last block", plain, n_plain);
  n -= 7;
  object[mst_le16(object + 16) + 1 + 200] ^= 0x55; /* in the second block: it is lost alone */
  sample_append(&rest, &n_rest, plain, 65280);
  sample_append(&rest, &n_rest, plain + 2 * 65280, n_plain - 2 * 65280);
  expect_damage(&mst_container_bgzf, object, n, "", rest, n_rest);
  free(object);
  free(plain);
  free(rest);
}

/* An object of the seekable format: frames, and a table that tells of them. */
static uint8_t *make_seekable(const uint8_t *plain, size_t n, size_t each, size_t *n_out) {
  uint8_t *out = NULL, *frame = malloc(ZSTD_compressBound(each)), table[8 + 8 * 100 + 9] = {0x5e, 0x2a, 0x4d, 0x18};
  size_t frames = 0;
  *n_out = 0;
  for (size_t at = 0; at < n; at += each, frames++) {
    const size_t part = mst_min_size(each, n - at),
                 k = ZSTD_compress(frame, ZSTD_compressBound(each), plain + at, part, 3);
    assert_false(ZSTD_isError(k));
    mst_put_le32(table + 8 + 8 * frames, (uint32_t)k);
    mst_put_le32(table + 12 + 8 * frames, (uint32_t)part);
    sample_append(&out, n_out, frame, k);
  }
  mst_put_le32(table + 4, (uint32_t)(8 * frames + 9));
  mst_put_le32(table + 8 + 8 * frames, (uint32_t)frames);
  mst_put_le32(table + 8 + 8 * frames + 5, 0x8f92eab1);
  sample_append(&out, n_out, table, 8 + 8 * frames + 9);
  free(frame);
  return out;
}

static void a_seek_table_tells_of_lost_frames(void **state) {
  const size_t n_plain = 50000;
  uint8_t *plain = sample_plain(SAMPLE_TABLE, n_plain, 1);
  size_t n, want;
  mst_zstd_head head;
  uint8_t *object = make_seekable(plain, n_plain, 9000, &n);
  (void)state;
  for (size_t chunk = 1; chunk < 100000; chunk *= 9) {
    pass p = {.ops = &mst_container_zstd, .data = object, .n = n, .chunk = chunk, .open = {.verify = true}};
    outcome *o = run(&p);
    expect_plain(o, plain, n_plain);
    outcome_free(o);
  }
  /* The first frame is cut out. */
  assert_int_equal(mst_zstd_parse(object, n, &head, &want, NULL), MST_OK);
  const size_t k = ZSTD_findFrameCompressedSize(object, n);
  expect_damage(&mst_container_zstd, object + k, n - k, "seek table", plain + 9000, n_plain - 9000);
  free(object);
  free(plain);
}

static void frames_behind_a_broken_one_are_rescued(void **state) {
  const size_t n_plain = 50000;
  uint8_t *plain = sample_plain(SAMPLE_TABLE, n_plain, 1), *object = NULL;
  const char *garbage[] = {"x", "\x28", "\x28\xb5", "\x28\xb5\x2f", "\x28\xb5\x28\x28\xb5\x2f"};
  size_t n_first, n_second;
  uint8_t *first = make_frames(plain, 20000, 20000, &n_first),
          *second = make_frames(plain + 20000, 30000, 10000, &n_second);
  (void)state;
  for (size_t i = 0; i < sizeof garbage / sizeof *garbage; i++)
    for (size_t chunk = 1; chunk < 100000; chunk *= 7) {
      size_t n = 0;
      object = NULL;
      sample_append(&object, &n, first, n_first);
      sample_append(&object, &n, garbage[i], strlen(garbage[i]));
      sample_append(&object, &n, second + 13, n_second - 13);
      pass p = {.ops = &mst_container_zstd,
                .data = object,
                .n = n,
                .chunk = chunk,
                .open = {.verify = true, .recover = true}};
      outcome *o = run(&p);
      expect_plain(o, plain, n_plain);
      assert_int_equal(json_array_size(json_object_get(o->facts, "damage")), 1);
      outcome_free(o);
      free(object);
    }
  free(first);
  free(second);
  free(plain);
}

static void a_large_frame_is_noted(void **state) {
  uint8_t *plain = sample_plain(SAMPLE_TABLE, 400000, 1);
  (void)state;
  for (int large = 0; large < 2; large++) {
    pass p = {.ops = &mst_container_zstd, .chunk = 1 << 30, .open = {.verify = true, .spacing = 10000}};
    p.data = make_frames(plain, 400000, large ? 400000 : 100000, &p.n);
    outcome *o = run(&p);
    expect_plain(o, plain, 400000);
    const json_t *note = json_array_get(json_object_get(o->facts, "notes"), 0);
    assert_int_equal(note != NULL, large);
    if (note != NULL) assert_non_null(strstr(json_string_value(note), "one zstd frame"));
    outcome_free(o);
    free((void *)(uintptr_t)p.data);
  }
  free(plain);
}

static void zeros_may_pad_the_end(void **state) {
  static const uint8_t zeros[1000];
  uint8_t *plain = sample_plain(SAMPLE_TABLE, 5000, 1);
  (void)state;
  for (int kind = 0; kind < 4; kind++)
    for (size_t chunk = 1; chunk < 100000; chunk *= 10) {
      pass p = {.chunk = chunk, .open = {.verify = true}};
      uint8_t *object = make_object(kind, plain, 5000, &p.ops, &p.n);
      sample_append(&object, &p.n, zeros, sizeof zeros);
      p.data = object;
      outcome *o = run(&p);
      expect_plain(o, plain, 5000);
      assert_int_equal(o->end, p.n);
      outcome_free(o);
      free(object);
    }
  free(plain);
}

static void empty_objects(void **state) {
  const sample_deflate how = {.level = 6};
  pass p = {.chunk = 1, .open = {.verify = true, .end = 1}, .data = (const uint8_t *)""};
  (void)state;
  p.ops = &mst_container_plain;
  outcome *o = run(&p);
  expect_plain(o, NULL, 0);
  outcome_free(o);
  p.ops = &mst_container_gzip;
  o = run(&p);
  assert_int_equal(o->status, MST_E_CORRUPT);
  outcome_free(o);
  /* Members that hold nothing, before, between and behind others. */
  uint8_t *object = NULL;
  for (size_t i = 0; i < 9; i++) {
    size_t n;
    uint8_t *member = sample_member((const uint8_t *)"abc", i % 4 == 1 ? 3 : 0, &how, 0, &n);
    sample_append(&object, &p.n, member, n);
    free(member);
  }
  p.data = object;
  p.open.end = 0;
  o = run(&p);
  expect_plain(o, (const uint8_t *)"abcabc", 6);
  assert_int_equal(json_integer_value(json_object_get(o->facts, "members")), 9);
  outcome_free(o);
  free(object);
}

/* ---- limits ---------------------------------------------------------------------------------------------------- */

static void memory_stays_small_whatever_the_object(void **state) {
  const size_t n_plain = 20 << 20;
  uint8_t *plain = sample_plain(SAMPLE_ZEROS, n_plain, 1);
  (void)state;
  for (int kind = 0; kind < 5; kind++) {
    mst_test_allocator a;
    pass p = {.chunk = 1 << 16, .open = {.mem = &a.allocator, .verify = true, .spacing = 1 << 20}};
    mst_test_allocator_init(&a, 0, false);
    p.data = make_object(kind == 3 ? 5 : kind, plain, n_plain, &p.ops, &p.n);
    outcome *o = run(&p);
    expect_plain(o, plain, n_plain);
    /* zstd: the frame's window of 1 MiB and its buffers. */
    assert_true(a.peak_bytes < 3 << 20);
    outcome_free(o);
    assert_int_equal(a.live_blocks, 0);
    free((void *)(uintptr_t)p.data);
  }
  free(plain);
}

static void a_frame_that_wants_more_memory_is_refused(void **state) {
  const size_t n_plain = 9 << 20;
  uint8_t *plain = sample_plain(SAMPLE_ZEROS, n_plain, 1);
  pass p = {.ops = &mst_container_zstd, .chunk = 1 << 30, .open = {.verify = true, .memory = 1 << 20}};
  (void)state;
  ZSTD_CCtx *c = ZSTD_createCCtx();
  uint8_t *frame = malloc(ZSTD_compressBound(n_plain));
  ZSTD_CCtx_setParameter(c, ZSTD_c_windowLog, 24);
  p.n = ZSTD_compress2(c, frame, ZSTD_compressBound(n_plain), plain, n_plain);
  ZSTD_freeCCtx(c);
  p.data = frame;
  outcome *o = run(&p);
  assert_int_equal(o->status, MST_E_LIMIT);
  assert_non_null(strstr(o->err.message, "window of 9"));
  outcome_free(o);
  p.open.memory = 8 << 20;
  o = run(&p);
  expect_plain(o, plain, n_plain);
  outcome_free(o);
  free(frame);
  free(plain);
}

static void every_allocation_may_fail(void **state) {
  uint8_t *plain = sample_plain(SAMPLE_FASTQ, 200000, 1);
  (void)state;
  for (int persistent = 0; persistent < 2; persistent++)
    for (int kind = 0; kind < KINDS; kind++)
      for (long fail_at = 1;; fail_at++) {
        mst_test_allocator a;
        pass p = {.chunk = 3000, .open = {.mem = &a.allocator, .verify = true, .recover = true, .spacing = 30000}};
        mst_test_allocator_init(&a, fail_at, persistent != 0);
        uint8_t *object = make_object(kind, plain, 200000, &p.ops, &p.n);
        if (p.ops != &mst_container_plain) p.n -= 3;
        p.data = object;
        outcome *o = run(&p);
        const mst_status status = o->status;
        outcome_free(o);
        free(object);
        assert_int_equal(a.live_blocks, 0);
        assert_int_equal(status, a.failed ? MST_E_NO_MEMORY : MST_OK);
        if (!a.failed) break;
      }
  free(plain);
}

/* ---- windows --------------------------------------------------------------------------------------------------- */

static void windows_go_round(void **state) {
  static const size_t sizes[] = {0, 1, 2, 100, 32767, 32768};
  uint8_t unpacked[32768];
  (void)state;
  for (int kind = 0; kind < SAMPLE_KINDS; kind++)
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
      uint8_t *window = sample_plain(kind, sizes[i], 2);
      mst_bytes packed = {0};
      size_t n;
      assert_int_equal(mst_window_pack(NULL, window, sizes[i], &packed, NULL), MST_OK);
      assert_true(packed.size > 0 && packed.size < sizes[i] + 200);
      assert_int_equal(mst_window_unpack(NULL, packed.data, packed.size, unpacked, &n, NULL), MST_OK);
      assert_int_equal(n, sizes[i]);
      assert_memory_equal(unpacked, window, n);
      mst_bytes_release(&packed);
      free(window);
    }
}

static void hostile_windows_are_refused(void **state) {
  uint8_t *window = sample_plain(SAMPLE_FASTQ, 32768, 2), unpacked[32768];
  mst_bytes packed = {0};
  size_t n;
  (void)state;
  assert_int_equal(mst_window_pack(NULL, window, 32768, &packed, NULL), MST_OK);
  uint8_t *copy = malloc(packed.size + 1);
  for (size_t k = 0; k < packed.size; k++) {
    uint8_t *part = malloc(k + 1);
    memcpy(part, packed.data, k);
    assert_int_equal(mst_window_unpack(NULL, part, k, unpacked, &n, NULL), MST_E_CORRUPT);
    free(part);
  }
  for (size_t k = 0; k < packed.size; k += 1 + k / 20)
    for (int bit = 0; bit < 8; bit++) {
      memcpy(copy, packed.data, packed.size);
      copy[k] ^= (uint8_t)(1 << bit);
      const mst_status status = mst_window_unpack(NULL, copy, packed.size, unpacked, &n, NULL);
      assert_true(status == MST_E_CORRUPT || (status == MST_OK && n <= 32768));
    }
  memcpy(copy, packed.data, packed.size);
  copy[packed.size] = 0;
  assert_int_equal(mst_window_unpack(NULL, copy, packed.size + 1, unpacked, &n, NULL), MST_E_CORRUPT);
  free(copy);
  mst_bytes_release(&packed);
  free(window);
}

/* ---- finding --------------------------------------------------------------------------------------------------- */

static void containers_are_found_by_name_and_bytes(void **state) {
  uint8_t *plain = sample_plain(SAMPLE_FASTQ, 100000, 1);
  (void)state;
  assert_ptr_equal(mst_container_find("bgzf"), &mst_container_bgzf);
  assert_null(mst_container_find("bz2"));
  assert_null(mst_container_find(NULL));
  assert_ptr_equal(mst_container_detect(NULL, 0), &mst_container_plain);
  for (int kind = 0; kind < KINDS; kind++) {
    const mst_container_ops *ops;
    size_t n;
    mst_buf out;
    uint8_t *object = make_object(kind, plain, 100000, &ops, &n);
    assert_ptr_equal(mst_container_detect(object, n), ops);
    assert_ptr_equal(mst_container_detect(object, 64), ops);
    mst_buf_init(&out, NULL, 1 << 20);
    /* From a part of the object come as many plain bytes as it holds, but no more than wished. */
    assert_int_equal(mst_container_peek(NULL, object, n / 2, 100000, &out, NULL), MST_OK);
    assert_true(out.size > 20000 && out.size < 100000);
    assert_memory_equal(out.data, plain, out.size);
    mst_buf_clear(&out);
    assert_int_equal(mst_container_peek(NULL, object, n / 2, 777, &out, NULL), MST_OK);
    assert_int_equal(out.size, 777);
    assert_memory_equal(out.data, plain, 777);
    mst_buf_free(&out);
    free(object);
  }
  free(plain);
}

/* ---- the shared corpus ----------------------------------------------------------------------------------------- */

/* All members by zlib; false when it refuses. */
static bool gunzip_by_zlib(const uint8_t *data, size_t n, uint8_t **out, size_t *n_out) {
  static uint8_t buffer[1 << 16];
  z_stream z = {.next_in = (Bytef *)(uintptr_t)data, .avail_in = (uInt)n};
  bool whole = false;
  *out = NULL;
  *n_out = 0;
  if (inflateInit2(&z, 31) != Z_OK) return false;
  for (;;) {
    z.next_out = buffer;
    z.avail_out = sizeof buffer;
    const int code = inflate(&z, Z_NO_FLUSH);
    sample_append(out, n_out, buffer, sizeof buffer - z.avail_out);
    if (code != Z_OK && code != Z_STREAM_END) break;
    if (code != Z_STREAM_END) continue;
    while (z.avail_in > 0 && *z.next_in == 0) {
      z.next_in++;
      z.avail_in--;
    }
    whole = z.avail_in == 0;
    if (whole || inflateReset(&z) != Z_OK) break;
  }
  (void)inflateEnd(&z);
  return whole;
}

static size_t corpus_folder(const char *folder, bool good) {
  char path[PATH_MAX * 2];
  DIR *d = opendir(folder);
  size_t seen = 0;
  if (d == NULL) return 0;
  for (const struct dirent *e = readdir(d); e != NULL; e = readdir(d)) {
    const size_t k = strlen(e->d_name);
    if (k < 4 || strcmp(e->d_name + k - 3, ".gz") != 0) continue;
    (void)snprintf(path, sizeof path, "%s/%s", folder, e->d_name);
    pass p = {.ops = &mst_container_gzip, .open = {.verify = true, .spacing = 10000}};
    size_t n_plain;
    uint8_t *object = mst_test_read_file(path, &p.n), *plain;
    p.data = object;
    const bool whole = gunzip_by_zlib(object, p.n, &plain, &n_plain);
    for (int turn = 0; turn < 2; turn++) {
      p.chunk = turn == 0 ? 1 << 30 : 0;
      outcome *o = run(&p);
      if (good) assert_true(whole);
      if (whole) expect_plain(o, plain, n_plain);
      else assert_int_equal(o->status, MST_E_CORRUPT);
      sample_random r = {.state = 1};
      for (size_t i = 0; whole && i < o->n_restarts && turn == 0; i += 5)
        expect_restart(&p, &o->restarts[i], plain, n_plain, &r);
      outcome_free(o);
    }
    free(object);
    free(plain);
    seen++;
  }
  (void)closedir(d);
  return seen;
}

static void the_corpus_is_read_as_by_zlib(void **state) {
  char path[PATH_MAX];
  (void)state;
  MST_TEST_NEED_SHARED("corpus/files/gzip/made", path);
  assert_true(corpus_folder(path, true) > 25);
  MST_TEST_NEED_SHARED("corpus/files/gzip/bad/made", path);
  assert_true(corpus_folder(path, false) > 13);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(objects_come_out_whole_from_any_cut),
      cmocka_unit_test(plain_runs_are_the_given_bytes),
      cmocka_unit_test(decoding_begins_again_at_every_restart),
      cmocka_unit_test(marks_stand_close_to_their_multiples),
      cmocka_unit_test(restarts_do_not_depend_on_the_cut),
      cmocka_unit_test(a_capture_that_is_not_kept_is_replaced),
      cmocka_unit_test(windows_hold_what_is_referred_to_and_little_else),
      cmocka_unit_test(pieces_together_are_the_whole),
      cmocka_unit_test(a_cut_object_is_never_taken_for_a_whole_one),
      cmocka_unit_test(damage_gives_an_error_or_the_right_bytes),
      cmocka_unit_test(what_can_be_rescued_is_and_the_rest_is_named),
      cmocka_unit_test(a_seek_table_tells_of_lost_frames),
      cmocka_unit_test(frames_behind_a_broken_one_are_rescued),
      cmocka_unit_test(a_large_frame_is_noted),
      cmocka_unit_test(zeros_may_pad_the_end),
      cmocka_unit_test(empty_objects),
      cmocka_unit_test(memory_stays_small_whatever_the_object),
      cmocka_unit_test(a_frame_that_wants_more_memory_is_refused),
      cmocka_unit_test(every_allocation_may_fail),
      cmocka_unit_test(windows_go_round),
      cmocka_unit_test(hostile_windows_are_refused),
      cmocka_unit_test(containers_are_found_by_name_and_bytes),
      cmocka_unit_test(the_corpus_is_read_as_by_zlib),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}

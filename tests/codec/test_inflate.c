/* tests/codec/test_inflate.c - the DEFLATE decoder gives what zlib gives, whatever the cut of its input; begins again
 * at every block boundary with a pruned window; and refuses what breaks the rules, naming the place. */
#include "support/support.h"

#include <stdlib.h>
#include <string.h>
#include <zlib.h>

#include "codec/codec.h"
#include "sample.h"

static bool portable; /* the loops without special instructions */

static mst_inflate *open_inflate(void) {
  mst_inflate *z = NULL;
  assert_int_equal(mst_inflate_new(NULL, &z, NULL), MST_OK);
  if (portable) mst_inflate_portable(z);
  return z;
}

/* Decodes all, fed `chunk` bytes at a time (0: random sizes), and compares. */
static void expect_plain(mst_inflate *z, const uint8_t *deflated, size_t n, const uint8_t *plain, size_t n_plain,
                         size_t chunk) {
  sample_random r = {.state = n + chunk};
  mst_inflate_state state = MST_INFLATE_INPUT;
  size_t at = 0, got = 0;
  while (state != MST_INFLATE_END) {
    const size_t k = mst_min_size(n - at, chunk > 0 ? chunk : sample_below(&r, 3000));
    /* A copy of its own, so that a sanitizer sees every look beyond the end. */
    uint8_t *piece = malloc(k + (k == 0));
    const uint8_t *in = piece, *data;
    mst_error err;
    assert_non_null(piece);
    memcpy(piece, deflated + at, k);
    do {
      assert_int_equal(mst_inflate_run(z, &in, piece + k, UINT64_MAX, &state, &err), MST_OK);
      const size_t out = mst_inflate_take(z, &data);
      assert_true(out <= n_plain - got);
      if (out > 0) assert_memory_equal(data, plain + got, out);
      got += out;
    } while (state == MST_INFLATE_FULL);
    at += (size_t)(in - piece);
    if (state == MST_INFLATE_INPUT) {
      assert_ptr_equal(in, piece + k);
      assert_true(at < n);
    }
    free(piece);
  }
  assert_int_equal(got, n_plain);
  assert_int_equal(at, n);
  assert_int_equal(mst_inflate_plain(z), n_plain);
}

static void every_kind_of_data_in_every_way_and_cut(void **state) {
  static const size_t sizes[] = {0, 1, 5, 300, 40000, 330000};
  static const size_t chunks[] = {1 << 30, 0, 1, 2, 7, 33, 4096};
  mst_inflate *z = open_inflate();
  (void)state;
  for (int kind = 0; kind < SAMPLE_KINDS; kind++)
    for (size_t s = 0; s < sizeof sizes / sizeof *sizes; s++) {
      uint8_t *plain = sample_plain(kind, sizes[s], s + 1);
      for (size_t way = 0; way < SAMPLE_WAYS; way++) {
        size_t n;
        uint8_t *deflated = sample_compress(plain, sizes[s], &sample_ways[way], &n);
        for (size_t c = 0; c < sizeof chunks / sizeof *chunks; c++) {
          /* The slow cuts with the small data only. */
          if (sizes[s] > 30000 && (c > 1 && c < 5 && kind != SAMPLE_FASTQ)) continue;
          if (sizes[s] > 300000 && (c > 1 || way > 8)) continue;
          mst_inflate_begin(z, 0, NULL, 0);
          expect_plain(z, deflated, n, plain, sizes[s], chunks[c]);
        }
        free(deflated);
      }
      free(plain);
    }
  mst_inflate_free(z);
}

/* A boundary where a run stopped. */
typedef struct stop {
  uint64_t bit, plain;
  size_t n_window;
  uint8_t window[MST_INFLATE_WINDOW];
} stop;

/* From `s` on with its window: the rest of the plain bytes, or `most` of them. */
static void expect_rest(const stop *s, const uint8_t *deflated, size_t n, const uint8_t *plain, size_t n_plain,
                        size_t most) {
  mst_inflate *z = open_inflate();
  const uint8_t *in = deflated + s->bit / 8, *data;
  mst_inflate_state state = MST_INFLATE_INPUT;
  size_t got = 0;
  mst_error err;
  mst_inflate_begin(z, s->bit % 8, s->window, s->n_window);
  do {
    assert_int_equal(mst_inflate_run(z, &in, deflated + n, UINT64_MAX, &state, &err), MST_OK);
    const size_t out = mst_inflate_take(z, &data);
    assert_memory_equal(data, plain + s->plain + got, out);
    got += out;
  } while (state == MST_INFLATE_FULL && got < most);
  if (state == MST_INFLATE_END) assert_int_equal(s->plain + got, n_plain);
  mst_inflate_free(z);
}

/* Stops in front of every block; at each the decoder can begin again, with its window as it is and with it pruned. */
static void restart_everywhere(const uint8_t *deflated, size_t n, const uint8_t *plain, size_t n_plain, size_t chunk,
                               size_t *n_stops, size_t *n_zeroed) {
  mst_inflate *z = open_inflate();
  stop *s = calloc(1, sizeof *s), *pruned = calloc(1, sizeof *pruned);
  mst_inflate_state state = MST_INFLATE_INPUT;
  const uint8_t *in = deflated, *data, *window;
  bool tracking = false;
  uint64_t wish = 1;
  *n_stops = 0;
  mst_inflate_begin(z, 0, NULL, 0);
  while (state != MST_INFLATE_END) {
    const uint8_t *end = deflated + mst_min_size(n, (size_t)(in - deflated) + chunk);
    if (state != MST_INFLATE_INPUT && end < in) end = in;
    assert_int_equal(mst_inflate_run(z, &in, end, wish, &state, NULL), MST_OK);
    (void)mst_inflate_take(z, &data);
    if (tracking && (state == MST_INFLATE_BLOCK || state == MST_INFLATE_END)) {
      *pruned = *s;
      mst_inflate_prune(z, pruned->window, pruned->n_window);
      for (size_t i = 0; i < s->n_window; i++) *n_zeroed += s->window[i] != 0 && pruned->window[i] == 0;
      expect_rest(pruned, deflated, n, plain, n_plain, 40000);
      tracking = false;
    }
    if (state != MST_INFLATE_BLOCK) continue;
    ++*n_stops;
    s->bit = mst_inflate_bit(z);
    s->plain = mst_inflate_plain(z);
    wish = s->plain + 1;
    assert_ptr_equal(in, deflated + s->bit / 8);
    s->n_window = mst_inflate_window(z, s->plain, &window);
    assert_int_equal(s->n_window, mst_min_u64(s->plain, MST_INFLATE_WINDOW));
    assert_memory_equal(window, plain + s->plain - s->n_window, s->n_window);
    memcpy(s->window, window, s->n_window);
    expect_rest(s, deflated, n, plain, n_plain, 1);
    mst_inflate_track(z);
    tracking = true;
  }
  free(s);
  free(pruned);
  mst_inflate_free(z);
}

static void decoding_begins_again_at_every_block(void **state) {
  const size_t n_plain = 90000;
  size_t all_zeroed = 0;
  (void)state;
  for (int kind = 0; kind < SAMPLE_KINDS; kind++) {
    uint8_t *plain = sample_plain(kind, n_plain, 77);
    for (size_t way = 0; way < SAMPLE_WAYS; way++) {
      size_t n, n_stops, zeroed = 0;
      if (sample_ways[way].flush_every > 0 && sample_ways[way].flush_every < 2000) continue;
      uint8_t *deflated = sample_compress(plain, n_plain, &sample_ways[way], &n);
      restart_everywhere(deflated, n, plain, n_plain, n, &n_stops, &zeroed);
      if (sample_ways[way].flush_every > 0) assert_true(n_stops >= n_plain / sample_ways[way].flush_every - 1);
      all_zeroed += zeroed;
      free(deflated);
    }
    free(plain);
  }
  assert_true(all_zeroed > 100000);
}

static void stops_do_not_depend_on_the_cut(void **state) {
  const sample_deflate how = {.level = 6, .mem_level = 2, .flush = Z_SYNC_FLUSH, .flush_every = 7000};
  size_t n, whole, cut, zeroed = 0, zeroed_cut = 0;
  uint8_t *plain = sample_plain(SAMPLE_FASTQ, 60000, 5);
  uint8_t *deflated = sample_compress(plain, 60000, &how, &n);
  (void)state;
  restart_everywhere(deflated, n, plain, 60000, n, &whole, &zeroed);
  for (size_t chunk = 1; chunk < 40; chunk += 13) {
    zeroed_cut = 0;
    restart_everywhere(deflated, n, plain, 60000, chunk, &cut, &zeroed_cut);
    assert_int_equal(cut, whole);
    assert_int_equal(zeroed_cut, zeroed);
  }
  free(plain);
  free(deflated);
}

/* ---- what breaks the rules ------------------------------------------------------------------------------------- */

static mst_status run_bits(const sample_bits *b, size_t n_window, mst_inflate_state *end, mst_error *err) {
  static const uint8_t window[MST_INFLATE_WINDOW];
  mst_inflate *z = open_inflate();
  const uint8_t *in = b->data, *data;
  mst_status status;
  mst_inflate_begin(z, 0, window, n_window);
  do {
    status = mst_inflate_run(z, &in, b->data + sample_size(b), UINT64_MAX, end, err);
    (void)mst_inflate_take(z, &data);
  } while (status == MST_OK && *end == MST_INFLATE_FULL);
  if (status != MST_OK) {
    /* Broken stays broken. */
    mst_inflate_state again;
    assert_int_equal(mst_inflate_run(z, &in, b->data + sample_size(b), UINT64_MAX, &again, NULL), status);
  }
  mst_inflate_free(z);
  return status;
}

static void expect_broken(const sample_bits *b, const char *rule) {
  mst_inflate_state end;
  mst_error err = {0};
  assert_int_equal(run_bits(b, 0, &end, &err), MST_E_CORRUPT);
  if (strstr(err.message, rule) == NULL) fail_msg("\"%s\" does not tell of \"%s\"", err.message, rule);
  assert_true(err.offset >= 0 && (size_t)err.offset <= sample_size(b));
}

static void reserved_blocks_and_false_lengths_are_refused(void **state) {
  sample_bits b = {0};
  (void)state;
  sample_put(&b, 1 | 3 << 1, 3);
  expect_broken(&b, "reserved kind");
  b = (sample_bits){0};
  sample_put(&b, 1, 8);
  sample_put(&b, 5, 16);
  sample_put(&b, 5, 16);
  expect_broken(&b, "complement");
}

/* The fixed code of a literal, length or end symbol. */
static void put_fixed(sample_bits *b, unsigned symbol) {
  if (symbol < 144) sample_put_code(b, 0x30 + symbol, 8);
  else if (symbol < 256) sample_put_code(b, 0x190 + symbol - 144, 9);
  else if (symbol < 280) sample_put_code(b, symbol - 256, 7);
  else sample_put_code(b, 0xc0 + symbol - 280, 8);
}

static void distances_beyond_the_history_are_refused(void **state) {
  mst_inflate_state end;
  mst_error err;
  (void)state;
  for (unsigned padding = 0; padding <= 200; padding += 200) { /* in the careful loop and in the fast one */
    for (unsigned literals = 0; literals < 5; literals++) {
      sample_bits b = {0};
      sample_put(&b, 1 | 1 << 1, 3);
      for (unsigned i = 0; i < literals; i++) put_fixed(&b, 'a');
      put_fixed(&b, 257);        /* length 3 */
      sample_put_code(&b, 3, 5); /* distance 4 */
      for (unsigned i = 0; i < padding; i++) put_fixed(&b, 'b');
      put_fixed(&b, 256);
      if (literals >= 4) assert_int_equal(run_bits(&b, 0, &end, &err), MST_OK);
      else expect_broken(&b, "beyond the first byte");
      /* The same with some history in front. */
      assert_int_equal(run_bits(&b, 4 - literals, &end, &err), MST_OK);
      if (literals < 3) assert_int_equal(run_bits(&b, 3 - literals, &end, &err), MST_E_CORRUPT);
    }
  }
}

static void symbols_without_meaning_are_refused(void **state) {
  (void)state;
  for (unsigned padding = 0; padding <= 200; padding += 200) {
    for (unsigned kind = 0; kind < 4; kind++) {
      sample_bits b = {0};
      sample_put(&b, 1 | 1 << 1, 3);
      put_fixed(&b, 'a');
      put_fixed(&b, kind < 2 ? 286 + kind : 257);
      if (kind >= 2) sample_put_code(&b, 28 + kind, 5);
      for (unsigned i = 0; i < padding; i++) put_fixed(&b, 'b');
      put_fixed(&b, 256);
      expect_broken(&b, "stands for nothing");
    }
  }
}

/* A dynamic block's head with the given code lengths, each written as itself by a flat code of 4 or 5 bits. */
static void put_dynamic(sample_bits *b, const uint8_t *lengths, unsigned n_litlen, unsigned n_dist) {
  static const uint8_t order[19] = {16, 17, 18, 0, 8, 7, 9, 6, 10, 5, 11, 4, 12, 3, 13, 2, 14, 1, 15};
  sample_put(b, 1 | 2 << 1, 3);
  sample_put(b, n_litlen - 257, 5);
  sample_put(b, n_dist - 1, 5);
  sample_put(b, 19 - 4, 4);
  for (unsigned i = 0; i < 19; i++) sample_put(b, order[i] < 16 ? 4 : 0, 3);
  for (unsigned i = 0; i < n_litlen + n_dist; i++) sample_put_code(b, lengths[i], 4);
}

static void wrong_sets_of_codes_are_refused(void **state) {
  uint8_t lengths[320];
  mst_inflate_state end;
  (void)state;
  for (int kind = 0; kind < 10; kind++) {
    sample_bits b = {0};
    const char *rule = NULL;
    unsigned n_litlen = 257, n_dist = 1;
    memset(lengths, 0, sizeof lengths);
    lengths['a'] = 1;
    lengths[256] = 1;
    if (kind == 1) {
      lengths['b'] = 1;
      rule = "more codes than";
    } else if (kind == 2) {
      lengths['a'] = 2;
      lengths[256] = 2;
      rule = "incomplete";
    } else if (kind == 3) {
      lengths[256] = 0;
      lengths['b'] = 1;
      rule = "end of the block";
    } else if (kind == 4) {
      n_litlen = 287;
      lengths[287] = 1;
      rule = "286";
    } else if (kind == 5) {
      n_dist = 31;
      rule = "30 distance";
    } else if (kind == 6) {
      n_dist = 2;
      lengths[257] = 2;
      lengths[258] = 2;
      rule = "incomplete";
    } else if (kind == 7) {
      n_dist = 3;
      lengths[257] = lengths[258] = lengths[259] = 1;
      rule = "more codes than";
    } else if (kind == 8) {
      lengths[257] = 1; /* one distance code of one bit is complete enough */
    } else if (kind == 9) {
      lengths['a'] = 0; /* so is an end of block alone */
    }
    put_dynamic(&b, lengths, n_litlen, n_dist);
    if (kind != 9) sample_put_code(&b, 0, 1);
    sample_put_code(&b, kind == 9 ? 0 : 1, 1);
    if (rule != NULL) {
      expect_broken(&b, rule);
    } else {
      assert_int_equal(run_bits(&b, 0, &end, NULL), MST_OK);
      assert_int_equal(end, MST_INFLATE_END);
    }
  }
}

static void wrong_runs_of_code_lengths_are_refused(void **state) {
  static const uint8_t order[19] = {16, 17, 18, 0, 8, 7, 9, 6, 10, 5, 11, 4, 12, 3, 13, 2, 14, 1, 15};
  (void)state;
  for (int kind = 0; kind < 5; kind++) {
    sample_bits b = {0};
    sample_put(&b, 1 | 2 << 1, 3);
    sample_put(&b, 0, 5);
    sample_put(&b, 0, 5);
    sample_put(&b, 15, 4);
    /* Symbols 1, 16, 17, 18 with two bits each; or sets that are wrong themselves. */
    for (unsigned i = 0; i < 19; i++) {
      const bool used = order[i] == 1 || order[i] >= 16;
      sample_put(&b, kind == 3 ? (order[i] == 1) : kind == 4 ? 1 : used ? 2 : 0, 3);
    }
    if (kind == 0) {
      sample_put_code(&b, 1, 2); /* 16: nothing to repeat yet */
      sample_put(&b, 0, 2);
      expect_broken(&b, "none before it");
    } else if (kind == 1 || kind == 2) {
      for (int i = 0; i < 3; i++) {
        sample_put_code(&b, (uint32_t)kind + 1, 2);
        sample_put(&b, 127, kind == 1 ? 3 : 7);
      }
      for (int i = 0; i < 40 && kind == 1; i++) {
        sample_put_code(&b, 2, 2);
        sample_put(&b, 7, 3);
      }
      expect_broken(&b, "more code lengths");
    } else {
      expect_broken(&b, kind == 3 ? "incomplete" : "more codes than");
    }
  }
}

/* Every single bit and byte changed: an error or other plain bytes, as zlib says, never a crash. */
static void damaged_data_is_judged_as_by_zlib(void **state) {
  static uint8_t mine[300000], theirs[300000];
  uint8_t *plain = sample_plain(SAMPLE_FASTQ, 3000, 9);
  mst_inflate *z = open_inflate();
  (void)state;
  for (size_t way = 0; way < SAMPLE_WAYS; way++) {
    size_t n;
    uint8_t *deflated = sample_compress(plain, 3000, &sample_ways[way], &n);
    for (size_t bit = 0; bit < n * 8; bit += 1 + n / 200) {
      mst_inflate_state end;
      const uint8_t *in = deflated, *data;
      z_stream s = {.next_in = deflated, .avail_in = (uInt)n, .next_out = theirs, .avail_out = sizeof theirs};
      size_t got = 0;
      deflated[bit / 8] ^= (uint8_t)(1u << bit % 8);
      mst_inflate_begin(z, 0, NULL, 0);
      mst_status status;
      do {
        status = mst_inflate_run(z, &in, deflated + n, UINT64_MAX, &end, NULL);
        const size_t k = mst_inflate_take(z, &data);
        assert_true(k <= sizeof mine - got);
        memcpy(mine + got, data, k);
        got += k;
      } while (status == MST_OK && end == MST_INFLATE_FULL);
      assert_int_equal(inflateInit2(&s, -15), Z_OK);
      const int code = inflate(&s, Z_FINISH);
      assert_int_equal(status == MST_OK, code != Z_DATA_ERROR);
      if (status == MST_OK) {
        assert_int_equal(end == MST_INFLATE_END, code == Z_STREAM_END);
        assert_int_equal(got, s.total_out);
        assert_memory_equal(mine, theirs, got);
      }
      (void)inflateEnd(&s);
      deflated[bit / 8] ^= (uint8_t)(1u << bit % 8);
    }
    free(deflated);
  }
  free(plain);
  mst_inflate_free(z);
}

static void an_end_that_comes_too_early_is_no_end(void **state) {
  uint8_t *plain = sample_plain(SAMPLE_TABLE, 2000, 4);
  mst_inflate *z = open_inflate();
  (void)state;
  for (size_t way = 0; way < SAMPLE_WAYS; way++) {
    size_t n;
    uint8_t *deflated = sample_compress(plain, 2000, &sample_ways[way], &n);
    for (size_t k = 0; k < n; k++) {
      uint8_t *copy = malloc(k + (k == 0));
      const uint8_t *in = copy, *data;
      mst_inflate_state end;
      memcpy(copy, deflated, k);
      mst_inflate_begin(z, 0, NULL, 0);
      assert_int_equal(mst_inflate_run(z, &in, copy + k, UINT64_MAX, &end, NULL), MST_OK);
      assert_int_equal(end, MST_INFLATE_INPUT);
      const size_t got = mst_inflate_take(z, &data);
      assert_true(got <= 2000);
      assert_memory_equal(data, plain, got);
      free(copy);
    }
    free(deflated);
  }
  free(plain);
  mst_inflate_free(z);
}

static void no_memory_is_said(void **state) {
  mst_test_allocator a;
  mst_inflate *z = NULL;
  mst_error err;
  (void)state;
  mst_test_allocator_init(&a, 1, false);
  assert_int_equal(mst_inflate_new(&a.allocator, &z, &err), MST_E_NO_MEMORY);
  mst_test_allocator_init(&a, 0, false);
  assert_int_equal(mst_inflate_new(&a.allocator, &z, &err), MST_OK);
  assert_true(a.peak_bytes < 1 << 20);
  mst_inflate_free(z);
  mst_inflate_free(NULL);
  assert_int_equal(a.live_blocks, 0);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(every_kind_of_data_in_every_way_and_cut),
      cmocka_unit_test(decoding_begins_again_at_every_block),
      cmocka_unit_test(stops_do_not_depend_on_the_cut),
      cmocka_unit_test(reserved_blocks_and_false_lengths_are_refused),
      cmocka_unit_test(distances_beyond_the_history_are_refused),
      cmocka_unit_test(symbols_without_meaning_are_refused),
      cmocka_unit_test(wrong_sets_of_codes_are_refused),
      cmocka_unit_test(wrong_runs_of_code_lengths_are_refused),
      cmocka_unit_test(damaged_data_is_judged_as_by_zlib),
      cmocka_unit_test(an_end_that_comes_too_early_is_no_end),
      cmocka_unit_test(no_memory_is_said),
  };
  int failed = cmocka_run_group_tests_name("fast", tests, NULL, NULL);
  portable = true;
  return failed + cmocka_run_group_tests_name("portable", tests, NULL, NULL);
}

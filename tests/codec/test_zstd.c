/* tests/codec/test_zstd.c - zstd frame heads as libzstd reads them, frames decoded from input cut anywhere within their
 * limits, and seek tables that are not believed before they fit. */
#define ZSTD_STATIC_LINKING_ONLY
#include "support/support.h"

#include <stdlib.h>
#include <string.h>
#include <zstd.h>

#include "codec/codec.h"
#include "sample.h"

static uint8_t *compress(const uint8_t *plain, size_t n, int level, int window_log, bool checksum, bool sized,
                         size_t *n_out) {
  ZSTD_CCtx *c = ZSTD_createCCtx();
  uint8_t *out = malloc(ZSTD_compressBound(n));
  assert_non_null(out);
  ZSTD_CCtx_setParameter(c, ZSTD_c_compressionLevel, level);
  if (window_log > 0) ZSTD_CCtx_setParameter(c, ZSTD_c_windowLog, window_log);
  ZSTD_CCtx_setParameter(c, ZSTD_c_checksumFlag, checksum);
  ZSTD_CCtx_setParameter(c, ZSTD_c_contentSizeFlag, sized);
  *n_out = ZSTD_compress2(c, out, ZSTD_compressBound(n), plain, n);
  assert_false(ZSTD_isError(*n_out));
  ZSTD_freeCCtx(c);
  return out;
}

static void heads_are_read_as_by_libzstd(void **state) {
  static const size_t sizes[] = {0, 1, 255, 256, 65791, 65792, 300000};
  (void)state;
  for (size_t s = 0; s < sizeof sizes / sizeof *sizes; s++)
    for (int how = 0; how < 4; how++) {
      uint8_t *plain = sample_plain(SAMPLE_TABLE, sizes[s], 1);
      size_t n, want;
      uint8_t *frame = compress(plain, sizes[s], 3, how & 2 ? 12 : 0, how & 1, how & 1, &n);
      ZSTD_frameHeader theirs;
      mst_zstd_head mine = {0};
      assert_int_equal(ZSTD_getFrameHeader(&theirs, frame, n), 0);
      for (size_t few = 0; few < theirs.headerSize; few++) {
        assert_int_equal(mst_zstd_parse(frame, few, &mine, &want, NULL), MST_OK);
        assert_true(want > few && want <= theirs.headerSize);
      }
      assert_int_equal(mst_zstd_parse(frame, n, &mine, &want, NULL), MST_OK);
      assert_int_equal(want, 0);
      assert_int_equal(mine.size, theirs.headerSize);
      assert_int_equal(mine.window, theirs.windowSize);
      assert_true(mine.content == theirs.frameContentSize);
      assert_int_equal(mine.checksum, theirs.checksumFlag);
      assert_false(mine.skippable);
      free(plain);
      free(frame);
    }
}

static void what_is_no_frame_is_refused(void **state) {
  static const struct {
    uint8_t bytes[8];
    mst_status status;
    const char *rule;
  } cases[] = {
      {{0x1f, 0x8b, 8, 0}, MST_E_CORRUPT, "1f 8b 08 00"},
      {{0x25, 0xb5, 0x2f, 0xfd}, MST_E_UNSUPPORTED, "before 0.8"},
      {{0x28, 0xb5, 0x2f, 0xfd, 8}, MST_E_CORRUPT, "reserved bit"},
      {{0x28, 0xb5, 0x2f, 0xfd, 0x21, 77, 1}, MST_E_UNSUPPORTED, "id 77"},
  };
  (void)state;
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    mst_zstd_head head;
    size_t want;
    mst_error err = {0};
    assert_int_equal(mst_zstd_parse(cases[i].bytes, 8, &head, &want, &err), cases[i].status);
    assert_non_null(strstr(err.message, cases[i].rule));
  }
}

static void frames_come_out_whole_from_any_cut(void **state) {
  const size_t n_plain = 500000;
  uint8_t *plain = sample_plain(SAMPLE_FASTQ, n_plain, 1);
  size_t n;
  uint8_t *frame = compress(plain, n_plain, 5, 0, true, false, &n);
  mst_zstd *z = NULL;
  (void)state;
  assert_int_equal(mst_zstd_new(NULL, 8 << 20, &z, NULL), MST_OK);
  for (size_t chunk = 1; chunk < 2 * n; chunk = chunk * 5 + 1) {
    static uint8_t out[10007];
    mst_zstd_head head;
    size_t want, at = 0, got = 0;
    bool ended = false;
    assert_int_equal(mst_zstd_parse(frame, n, &head, &want, NULL), MST_OK);
    assert_int_equal(mst_zstd_begin(z, &head, NULL), MST_OK);
    while (!ended) {
      const uint8_t *in = frame + at;
      size_t k;
      assert_true(at <= n);
      assert_int_equal(mst_zstd_run(z, &in, frame + mst_min_size(n, at + chunk), out, sizeof out, &k, &ended, NULL),
                       MST_OK);
      assert_memory_equal(out, plain + got, k);
      got += k;
      at = (size_t)(in - frame);
    }
    assert_int_equal(got, n_plain);
    assert_int_equal(at, n);
  }
  /* A changed byte behind the head: refused by structure or check sum. */
  for (size_t i = 20; i < n; i += 1 + n / 200) {
    static uint8_t out[600000];
    const uint8_t *in = frame;
    mst_zstd_head head;
    size_t want, k;
    bool ended;
    frame[i] ^= 4;
    assert_int_equal(mst_zstd_parse(frame, n, &head, &want, NULL), MST_OK);
    assert_int_equal(mst_zstd_begin(z, &head, NULL), MST_OK);
    const mst_status status = mst_zstd_run(z, &in, frame + n, out, sizeof out, &k, &ended, NULL);
    assert_true(status == MST_E_CORRUPT || !ended);
    frame[i] ^= 4;
  }
  mst_zstd_free(z);
  free(plain);
  free(frame);
}

static void a_window_beyond_the_limit_is_named(void **state) {
  uint8_t *plain = sample_plain(SAMPLE_ZEROS, 3 << 20, 1);
  mst_zstd_head head;
  mst_zstd *z = NULL;
  mst_error err = {0};
  size_t n, want;
  uint8_t *frame = compress(plain, 3 << 20, 1, 23, false, false, &n);
  (void)state;
  assert_int_equal(mst_zstd_parse(frame, n, &head, &want, NULL), MST_OK);
  assert_int_equal(head.window, 4 << 20);
  assert_int_equal(mst_zstd_new(NULL, head.window - 1, &z, NULL), MST_OK);
  assert_int_equal(mst_zstd_begin(z, &head, &err), MST_E_LIMIT);
  assert_non_null(strstr(err.message, "window of 4.0 MiB"));
  mst_zstd_free(z);
  assert_int_equal(mst_zstd_new(NULL, head.window, &z, NULL), MST_OK);
  assert_int_equal(mst_zstd_begin(z, &head, &err), MST_OK);
  mst_zstd_free(z);
  free(plain);
  free(frame);
}

static void decoding_takes_its_memory_from_the_allocator(void **state) {
  uint8_t *plain = sample_plain(SAMPLE_TABLE, 100000, 1);
  size_t n;
  uint8_t *frame = compress(plain, 100000, 3, 0, true, true, &n);
  (void)state;
  for (long fail_at = 1;; fail_at++) {
    static uint8_t out[200000];
    mst_test_allocator a;
    mst_zstd_head head;
    mst_zstd *z = NULL;
    size_t want, k;
    bool ended = false;
    mst_test_allocator_init(&a, fail_at, false);
    assert_int_equal(mst_zstd_parse(frame, n, &head, &want, NULL), MST_OK);
    mst_status status = mst_zstd_new(&a.allocator, 1 << 20, &z, NULL);
    if (status == MST_OK) {
      const uint8_t *in = frame;
      status = mst_zstd_begin(z, &head, NULL);
      while (status == MST_OK && !ended)
        status =
            mst_zstd_run(z, &in, in + mst_min_size(1000, (size_t)(frame + n - in)), out, sizeof out, &k, &ended, NULL);
      mst_zstd_free(z);
    }
    assert_int_equal(a.live_blocks, 0);
    assert_int_equal(status, a.failed ? MST_E_NO_MEMORY : MST_OK);
    if (a.failed) continue;
    assert_true(ended);
    assert_true(fail_at > 3); /* ours, libzstd's context, its buffers */
    break;
  }
  free(plain);
  free(frame);
}

/* A table of the seekable format over frames of the given sizes. */
static size_t put_table(uint8_t *out, const uint32_t (*frames)[2], size_t n, bool sums) {
  const size_t entry = sums ? 12 : 8, size = 8 + n * entry + 9;
  mst_put_le32(out, 0x184d2a5e);
  mst_put_le32(out + 4, (uint32_t)(size - 8));
  for (size_t i = 0; i < n; i++) {
    mst_put_le32(out + 8 + i * entry, frames[i][0]);
    mst_put_le32(out + 12 + i * entry, frames[i][1]);
  }
  mst_put_le32(out + size - 9, (uint32_t)n);
  out[size - 5] = sums ? 0x80 : 0;
  mst_put_le32(out + size - 4, 0x8f92eab1);
  return size;
}

static void seek_tables_are_believed_when_they_fit(void **state) {
  static const uint32_t frames[3][2] = {{100, 1000}, {UINT32_MAX, UINT32_MAX}, {7, 0}};
  const uint64_t before = 107 + (uint64_t)UINT32_MAX;
  (void)state;
  for (int sums = 0; sums < 2; sums++) {
    uint8_t table[100];
    const size_t n = put_table(table, frames, 3, sums != 0);
    mst_zstd_seek *seeks = NULL;
    size_t n_frames;
    assert_int_equal(mst_zstd_seek_size(table + n - 9), n);
    assert_int_equal(mst_zstd_seek_parse(NULL, table, n, before + n, &seeks, &n_frames, NULL), MST_OK);
    assert_int_equal(n_frames, 3);
    assert_true(seeks[2].at == 100 + (uint64_t)UINT32_MAX && seeks[2].plain == 1000 + (uint64_t)UINT32_MAX);
    assert_true(seeks[3].at == before);
    mst_free(NULL, seeks);
    assert_int_equal(mst_zstd_seek_parse(NULL, table, n, before + n + 1, &seeks, &n_frames, NULL), MST_E_CORRUPT);
    for (size_t k = 0; k < n; k++)
      assert_int_equal(mst_zstd_seek_parse(NULL, table, k, before + k, &seeks, &n_frames, NULL), MST_E_CORRUPT);
    for (size_t i = 0; i < n; i++) {
      /* Plain sizes and check sums cannot be judged from the table alone. */
      const size_t in_entry = (i - 8) % (sums ? 12 : 8);
      if (i >= 8 && i < n - 9 && in_entry >= 4) continue;
      table[i] ^= 0x10;
      const uint64_t size = mst_zstd_seek_size(table + n - 9);
      if (size == n) {
        const mst_status status = mst_zstd_seek_parse(NULL, table, n, before + n, &seeks, &n_frames, NULL);
        assert_int_equal(status, MST_E_CORRUPT);
      }
      table[i] ^= 0x10;
    }
  }
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(heads_are_read_as_by_libzstd),
      cmocka_unit_test(what_is_no_frame_is_refused),
      cmocka_unit_test(frames_come_out_whole_from_any_cut),
      cmocka_unit_test(a_window_beyond_the_limit_is_named),
      cmocka_unit_test(decoding_takes_its_memory_from_the_allocator),
      cmocka_unit_test(seek_tables_are_believed_when_they_fit),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}

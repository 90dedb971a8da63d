/* fuzz/fuzz_inflate.c - raw DEFLATE from outside: what zlib makes of it, from any cut of the input, with any window,
 * through the fast loops and the portable ones. Byte 0: bytes a feed; bytes 1 and 2: size of the window. */
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

#include "codec/codec.h"

#define PLAIN_MAX (1u << 20)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static uint8_t mine[PLAIN_MAX], theirs[PLAIN_MAX];

static void must(bool ok) {
  if (!ok) abort();
}

typedef enum answer { WHOLE, CUT, BROKEN, LONG } answer;

static answer by_us(mst_inflate *z, const uint8_t *data, size_t size, size_t chunk, uint64_t stop,
                    const uint8_t *window, size_t n_window, size_t *n) {
  mst_inflate_state state = MST_INFLATE_INPUT;
  size_t at = 0;
  *n = 0;
  mst_inflate_begin(z, 0, window, n_window);
  for (;;) {
    const uint8_t *in = data + at, *out;
    mst_error err = {0};
    const mst_status status = mst_inflate_run(z, &in, in + mst_min_size(chunk, size - at), stop, &state, &err);
    const size_t k = mst_inflate_take(z, &out);
    at = (size_t)(in - data);
    must(at <= size);
    if (k > PLAIN_MAX - *n) return LONG;
    memcpy(mine + *n, out, k);
    *n += k;
    if (status != MST_OK) {
      must(status == MST_E_CORRUPT && err.message[0] != '\0' && (size_t)err.offset <= size);
      return BROKEN;
    }
    if (state == MST_INFLATE_END) return WHOLE;
    if (state == MST_INFLATE_BLOCK) mst_inflate_track(z);
    if (state == MST_INFLATE_INPUT && at == size) return CUT;
  }
}

static answer by_zlib(const uint8_t *data, size_t size, const uint8_t *window, size_t n_window, size_t *n) {
  z_stream z = {
      .next_in = (Bytef *)(uintptr_t)data, .avail_in = (uInt)size, .next_out = theirs, .avail_out = PLAIN_MAX};
  must(inflateInit2(&z, -15) == Z_OK);
  if (n_window > 0) must(inflateSetDictionary(&z, window, (uInt)n_window) == Z_OK);
  const int code = inflate(&z, Z_SYNC_FLUSH);
  *n = z.total_out;
  const bool full = z.avail_out == 0;
  (void)inflateEnd(&z);
  return code == Z_STREAM_END ? WHOLE : full ? LONG : code == Z_DATA_ERROR ? BROKEN : CUT;
}

/* A set of no code at all is no code length's beginning; zlib finds out when all lengths have come. */
static bool breaks_later(const uint8_t *data, size_t size, const uint8_t *window, size_t n_window) {
  uint8_t *longer = calloc(1, size + 1000);
  size_t n;
  must(longer != NULL);
  memcpy(longer, data, size);
  const bool broken = by_zlib(longer, size + 1000, window, n_window, &n) == BROKEN;
  free(longer);
  return broken;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  static uint8_t window[MST_INFLATE_WINDOW];
  size_t n_mine, n_theirs;
  if (size < 3) return 0;
  const size_t chunk = 1 + data[0] * 3u, n_window = mst_le16(data + 1) % (MST_INFLATE_WINDOW + 1);
  for (size_t i = 0; i < n_window; i++) window[i] = (uint8_t)(i * 7 + (i >> 8));
  data += 3;
  size -= 3;
  const answer expected = by_zlib(data, size, window, n_window, &n_theirs);
  for (int turn = 0; turn < 3; turn++) {
    mst_inflate *z = NULL;
    must(mst_inflate_new(NULL, &z, NULL) == MST_OK);
    if (turn == 1) mst_inflate_portable(z);
    const answer got =
        by_us(z, data, size, turn == 2 ? size + 1 : chunk, turn == 1 ? 0 : UINT64_MAX, window, n_window, &n_mine);
    mst_inflate_free(z);
    if (got == LONG || expected == LONG) continue;
    if (got == BROKEN && expected == CUT) must(breaks_later(data, size, window, n_window));
    else must(got == expected);
    if (got != BROKEN) must(n_mine == n_theirs);
    must(memcmp(mine, theirs, mst_min_size(n_mine, n_theirs)) == 0);
  }
  return 0;
}

/* tests/codec/test_snappy.c - Tests of Snappy and LZ4 blocks: what was packed comes back, and on whole and damaged blocks alike the decoders agree
 * with plain ones that go byte by byte. Input and output lie at the very end of their memory, so that a sanitizer sees each
 * byte too many. */
#include <stdlib.h>
#include <string.h>

#include "codec/snappy.h"
#include "support/support.h"

static uint64_t random_state = 88172645463325252u;
static uint32_t next_random(void) {
  random_state ^= random_state << 13;
  random_state ^= random_state >> 7;
  random_state ^= random_state << 17;
  return (uint32_t)(random_state >> 32);
}

/* ---- plain decoders ------------------------------------------------------------------------------------------ */

static bool copy_back(uint8_t *out, size_t *done, size_t size, size_t offset, size_t n) {
  if (offset == 0 || offset > *done || n > size - *done) return false;
  for (; n > 0; n--, ++*done) out[*done] = out[*done - offset];
  return true;
}

static bool copy_literal(const uint8_t *in, size_t n, size_t *at, uint8_t *out, size_t *done, size_t size,
                         size_t count) {
  if (count > n - *at || count > size - *done) return false;
  for (; count > 0; count--) out[(*done)++] = in[(*at)++];
  return true;
}

static size_t little(const uint8_t *p, size_t n) {
  size_t v = 0;
  while (n-- > 0) v = v << 8 | p[n];
  return v;
}

static bool plain_snappy(const uint8_t *in, size_t n, uint8_t *out, size_t size) {
  size_t at = 0, done = 0, shift, claimed = 0;
  for (shift = 0;; shift += 7) {
    if (at == n || shift > 28) return false;
    claimed |= (size_t)(in[at] & 0x7f) << shift;
    if (in[at++] < 0x80) break;
  }
  if (claimed != size) return false;
  while (at < n) {
    size_t tag = in[at++], kind = tag & 3, length, more = kind == 3 ? 4 : kind;
    if (kind == 0) {
      length = tag >> 2;
      more = length >= 60 ? length - 59 : 0;
      if (more > n - at) return false;
      if (more > 0) length = little(in + at, more);
      at += more;
      if (!copy_literal(in, n, &at, out, &done, size, length + 1)) return false;
      continue;
    }
    if (more > n - at) return false;
    length = kind == 1 ? (tag >> 2 & 7) + 4 : (tag >> 2) + 1;
    if (!copy_back(out, &done, size, little(in + at, more) | (kind == 1 ? tag >> 5 << 8 : 0), length)) return false;
    at += more;
  }
  return done == size;
}

static bool lz4_more(const uint8_t *in, size_t n, size_t *at, size_t *length) {
  for (;;) {
    if (*at == n) return false;
    *length += in[*at];
    if (in[(*at)++] != 255) return true;
  }
}

static bool plain_lz4(const uint8_t *in, size_t n, uint8_t *out, size_t size) {
  size_t at = 0, done = 0;
  if (n == 0) return size == 0;
  for (;;) {
    size_t token, length, offset;
    if (at == n) return false;
    token = in[at++];
    length = token >> 4;
    if (length == 15 && !lz4_more(in, n, &at, &length)) return false;
    if (!copy_literal(in, n, &at, out, &done, size, length)) return false;
    if (at == n) return done == size;
    if (n - at < 2) return false;
    offset = little(in + at, 2);
    at += 2;
    length = token & 15;
    if (length == 15 && !lz4_more(in, n, &at, &length)) return false;
    if (!copy_back(out, &done, size, offset, length + 4)) return false;
  }
}

/* ---- data ---------------------------------------------------------------------------------------------------- */

enum { KINDS = 7 };

/* Noise, few letters, rising numbers, runs, words, zeros, far repeats. */
static void make_data(int kind, uint8_t *data, size_t n) {
  size_t i;
  for (i = 0; i < n; i++) {
    uint32_t r = next_random();
    switch (kind) {
    case 0: data[i] = (uint8_t)r; break;
    case 1: data[i] = (uint8_t)("0123456789abcdef"[r & 15]); break;
    case 2: data[i] = (uint8_t)(i % 8 < 3 ? i / 8 >> 8 * (i % 8) : 0); break;
    case 3: data[i] = i > 0 && r % 20 != 0 ? data[i - 1] : (uint8_t)r; break;
    case 4: data[i] = (uint8_t)("the quick brown fox jumps "[(i + (r % 50 == 0)) % 26]); break;
    case 5: data[i] = 0; break;
    default: data[i] = i > 3000 && r % 40 != 0 ? data[i - 3000] : (uint8_t)r; break;
    }
  }
}

typedef struct codec {
  size_t (*pack)(const uint8_t *in, size_t n, uint8_t *out, void *table);
  bool (*unpack)(const uint8_t *in, size_t in_size, uint8_t *out, size_t out_size);
  bool (*plain)(const uint8_t *in, size_t n, uint8_t *out, size_t size);
  size_t (*bound)(size_t n);
} codec;

static const codec codecs[] = {{mst_snappy_pack, mst_snappy_unpack, plain_snappy, mst_snappy_bound},
                               {mst_lz4_pack, mst_lz4_unpack, plain_lz4, mst_lz4_bound}};

/* Both decoders on a copy of the block that ends where its memory does. */
static void compare(const codec *c, const uint8_t *packed, size_t n, size_t size) {
  uint8_t *in = malloc(n + 1), *fast = malloc(size + 1), *slow = malloc(size + 1);
  bool good;
  assert_true(in != NULL && fast != NULL && slow != NULL);
  in = realloc(in, n > 0 ? n : 1);
  fast = realloc(fast, size > 0 ? size : 1);
  assert_true(in != NULL && fast != NULL);
  if (n > 0) memcpy(in, packed, n);
  good = c->plain(in, n, slow, size);
  assert_int_equal(c->unpack(in, n, fast, size), good);
  if (good && size > 0) assert_memory_equal(fast, slow, size);
  free(in);
  free(fast);
  free(slow);
}

static void check_block(const codec *c, const uint8_t *data, size_t size, void *table, int damages) {
  uint8_t *packed = malloc(c->bound(size)), *out = malloc(size + 1);
  size_t n, i;
  int k;
  assert_true(packed != NULL && out != NULL);
  n = c->pack(data, size, packed, table);
  assert_true(n <= c->bound(size));
  assert_true(c->plain(packed, n, out, size));
  assert_memory_equal(out, data, size);
  compare(c, packed, n, size);
  for (k = 0; k < damages && n > 0; k++) {
    uint8_t saved;
    i = next_random() % n;
    saved = packed[i];
    packed[i] = (uint8_t)next_random();
    compare(c, packed, n, size);
    compare(c, packed, i, size);
    packed[i] = saved;
    compare(c, packed, n, size + 1 + next_random() % 40);
    if (size > 0) compare(c, packed, n, size - 1 - next_random() % size);
  }
  free(packed);
  free(out);
}

static void blocks_come_back(void **state) {
  static const size_t sizes[] = {0, 1, 3, 12, 13, 15, 16, 17, 63, 64, 65, 100, 300, 1000, 5000, 70000, 300000};
  void *table = malloc(MST_MATCH_TABLE_SIZE);
  uint8_t *data = malloc(300001);
  size_t c, s;
  int kind;
  (void)state;
  assert_true(table != NULL && data != NULL);
  for (kind = 0; kind < KINDS; kind++)
    for (s = 0; s < sizeof sizes / sizeof sizes[0]; s++) {
      make_data(kind, data, sizes[s]);
      for (c = 0; c < 2; c++) check_block(&codecs[c], data, sizes[s], table, sizes[s] > 10000 ? 10 : 200);
    }
  free(table);
  free(data);
}

/* Bytes that nobody packed: each is either refused by both or read alike. */
static void arbitrary_bytes_are_read_alike(void **state) {
  uint8_t bytes[200];
  size_t round, i, n;
  (void)state;
  for (round = 0; round < 20000; round++) {
    n = next_random() % sizeof bytes;
    for (i = 0; i < n; i++) bytes[i] = (uint8_t)(next_random() & (round % 3 == 0 ? 0xff : 0x3f));
    compare(&codecs[1], bytes, n, next_random() % 600);
    if (n == 0) continue;
    bytes[0] = (uint8_t)(next_random() & 0x7f);
    compare(&codecs[0], bytes, n, bytes[0]);
  }
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(blocks_come_back),
      cmocka_unit_test(arbitrary_bytes_are_read_alike),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}

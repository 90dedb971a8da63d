/* fuzz/fuzz_reply.c - the headers of HTTP replies, and ranged reads that follow them: whatever a server says, no byte
 * is written outside of the memory that was given, and never more is told than was read. Input: 8 bytes that choose
 * what is asked, then replies, each of header lines, an empty line and a body, with a 0xFF byte between them. */
#include <stdlib.h>
#include <string.h>

#include "store/range.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { ROOM = 64 };

static void expect(bool condition) {
  if (!condition) abort();
}

/* Gives the number of bytes of the header block. */
static size_t read_headers(const char *text, size_t n, mst_reply *reply) {
  size_t at = 0;
  mst_reply_begin(reply);
  while (at < n) {
    const char *end = memchr(text + at, '\n', n - at);
    const size_t length = end == NULL ? n - at : (size_t)(end - text - (ptrdiff_t)at) + 1;
    const bool last = text[at] == '\n';
    mst_reply_line(reply, text + at, length);
    at += length;
    if (last) break;
  }
  expect(strlen(reply->etag) < sizeof reply->etag && strlen(reply->retry_after) < sizeof reply->retry_after);
  expect(reply->range != MST_RANGE_GIVEN || reply->range_first <= reply->range_last);
  expect(reply->range != MST_RANGE_GIVEN || !reply->range_total_known || reply->range_last < reply->range_total);
  return at;
}

static bool one_reply(mst_ranged *r, const char *text, size_t n) {
  mst_reply reply;
  char ask[64];
  bool again = false;
  size_t at;
  (void)mst_ranged_ask(r, ask);
  (void)mst_ranged_condition(r);
  at = read_headers(text, n, &reply);
  if (reply.status == 416) return mst_ranged_unsatisfied(r, &reply, &again, NULL) == MST_OK && again;
  if (reply.status != 200 && reply.status != 206) return true;
  if (mst_ranged_head(r, &reply, NULL) != MST_OK) return true;
  while (at < n) {
    const size_t piece = n - at < 7 ? n - at : 7;
    if (!mst_ranged_take(r, text + at, piece)) break;
    at += piece;
  }
  if (r->overlong) return false;
  if (r->enough || mst_ranged_end(r) == MST_RANGED_DONE) return false;
  mst_ranged_break(r);
  return true;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  uint8_t memory[ROOM + 16];
  const mst_pin pin = {.size = size > 6 ? data[6] : 0, .modified_ns = 1000000000, .etag = "\"a\""};
  if (size < 8) return 0;
  mst_op op = {.struct_size = sizeof op, .kind = MST_OP_GET, .key = "k", .prefix = "", .into = memory};
  mst_ranged r;
  memset(memory, 0xA5, sizeof memory);
  op.size = data[0] % ROOM + 1u;
  op.offset = data[1] | (uint64_t)data[2] << (data[3] % 50);
  op.from_end = (data[4] & 1) != 0;
  op.exact = (data[4] & 2) != 0;
  op.pin = (data[4] & 4) != 0 ? &pin : NULL;
  mst_ranged_begin(&r, &op, (data[4] & 8) != 0);
  for (size_t at = 8; at < size;) {
    const uint8_t *end = memchr(data + at, 0xFF, size - at);
    const size_t n = end == NULL ? size - at : (size_t)(end - data) - at;
    const bool more = one_reply(&r, (const char *)data + at, n);
    expect(r.have <= op.size);
    if (!more) break;
    at += n + 1;
  }
  if (mst_ranged_finish(&r, NULL) == MST_OK) expect(op.got <= op.size && op.got == r.have);
  for (size_t i = 0; i < 16; i++) expect(memory[op.size + i] == 0xA5);
  return 0;
}

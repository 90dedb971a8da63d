/* tests/format/wrap.c - see wrap.h. Calls zlib and zstd. */
#include "format/wrap.h"

#include <stdlib.h>
#include <string.h>
#include <zlib.h>
#include <zstd.h>

typedef struct object {
  uint8_t *data;
  size_t size;
} object;

static uint8_t *room(object *o, size_t more) {
  o->data = realloc(o->data, o->size + more + 1);
  if (o->data == NULL) abort();
  return o->data + o->size;
}

/* One gzip member; with `flush` > 0 a deflate block ends after each so many plain bytes. */
static void put_member(object *o, const uint8_t *plain, size_t n, int level, size_t flush) {
  z_stream z = {0};
  size_t done = 0;
  if (deflateInit2(&z, level, Z_DEFLATED, 31, 8, Z_DEFAULT_STRATEGY) != Z_OK) abort();
  do {
    const size_t step = flush > 0 && flush < n - done ? flush : n - done;
    const size_t max = deflateBound(&z, step) + 1024;
    z.next_in = (Bytef *)(uintptr_t)(plain + done);
    z.avail_in = (uInt)step;
    z.next_out = room(o, max);
    z.avail_out = (uInt)max;
    done += step;
    if (deflate(&z, done == n ? Z_FINISH : Z_BLOCK) == Z_STREAM_ERROR) abort();
    o->size += max - z.avail_out;
  } while (done < n);
  deflateEnd(&z);
}

static void put_block(object *o, const uint8_t *plain, size_t n) {
  static const uint8_t head[18] = {0x1f, 0x8b, 8, 4, 0, 0, 0, 0, 0, 0xff, 6, 0, 'B', 'C', 2, 0, 0, 0};
  z_stream z = {0};
  uint8_t *at = room(o, n + n / 8 + 1024);
  const uint32_t crc = (uint32_t)crc32(0, plain, (uInt)n);
  memcpy(at, head, sizeof head);
  if (deflateInit2(&z, 6, Z_DEFLATED, -15, 8, Z_DEFAULT_STRATEGY) != Z_OK) abort();
  z.next_in = (Bytef *)(uintptr_t)plain;
  z.avail_in = (uInt)n;
  z.next_out = at + sizeof head;
  z.avail_out = (uInt)(n + n / 8 + 512);
  if (deflate(&z, Z_FINISH) != Z_STREAM_END) abort();
  const size_t packed = z.total_out, size = sizeof head + packed + 8;
  deflateEnd(&z);
  for (size_t i = 0; i < 4; i++) {
    at[sizeof head + packed + i] = (uint8_t)(crc >> 8 * i);
    at[sizeof head + packed + 4 + i] = (uint8_t)(n >> 8 * i);
  }
  at[16] = (uint8_t)(size - 1);
  at[17] = (uint8_t)((size - 1) >> 8);
  o->size += size;
}

static void put_frame(object *o, const uint8_t *plain, size_t n) {
  const size_t max = ZSTD_compressBound(n), size = ZSTD_compress(room(o, max), max, plain, n, 3);
  if (ZSTD_isError(size)) abort();
  o->size += size;
}

static void put_all(object *o, wrap_kind kind, const uint8_t *plain, size_t n, size_t unit) {
  if (kind == WRAP_PLAIN) {
    memcpy(room(o, n), plain, n);
    o->size += n;
  } else if (kind == WRAP_GZIP) {
    put_member(o, plain, n, 6, 0);
  } else if (kind == WRAP_GZIP_SMALL) {
    put_member(o, plain, n, 6, unit);
  } else if (kind == WRAP_GZIP_STORED) {
    put_member(o, plain, n, 0, 0);
  } else if (kind == WRAP_ZSTD) {
    put_frame(o, plain, n);
  } else {
    for (size_t at = 0, k = 1; at < n || at == 0; k++) {
      size_t step = 1 + unit * (1 + k % 3) / 2;
      if (step > n - at) step = n - at;
      if (kind == WRAP_BGZF) put_block(o, plain + at, step > 60000 ? 60000 : step);
      if (kind == WRAP_GZIP_MEMBERS) put_member(o, plain + at, step, 6, 0);
      if (kind == WRAP_ZSTD_FRAMES) put_frame(o, plain + at, step);
      if (kind != WRAP_ZSTD_FRAMES && k % 5 == 0)
        kind == WRAP_BGZF ? put_block(o, plain, 0) : put_member(o, plain, 0, 6, 0);
      at += kind == WRAP_BGZF && step > 60000 ? 60000 : step;
      if (n == 0) break;
    }
    if (kind == WRAP_BGZF) {
      static const uint8_t end[28] = {0x1f, 0x8b, 8, 4, 0, 0, 0, 0, 0, 0xff, 6, 0, 'B', 'C', 2, 0, 0x1b, 0, 3};
      memcpy(room(o, sizeof end), end, sizeof end);
      o->size += sizeof end;
    }
  }
}

const char *wrap_name(wrap_kind kind) {
  static const char *const names[] = {"plain", "gzip", "gzip of small blocks", "gzip of members", "stored gzip",
                                      "bgzf",  "zstd", "zstd of frames"};
  return names[kind];
}

uint8_t *wrap(wrap_kind kind, const void *plain, size_t n, size_t unit, size_t *size) {
  object o = {0};
  room(&o, 0);
  put_all(&o, kind, plain, n, unit > 0 ? unit : 4000);
  *size = o.size;
  return o.data;
}

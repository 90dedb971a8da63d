/* column/kernel_like.c - SQL's LIKE, compiled once and matched in time that grows with text times pattern at most.
 *
 * A pattern is cut at its `%` into pieces; the first must lie at the beginning, the last at the end, the others are
 * searched from left to right, where the first place is always as good as any later one. Owns: the compiled patterns it
 * makes. May call: base. */
#include "column/column.h"

/* `any[i]` says whether byte i of the piece is a `_`. */
typedef struct like_piece {
  size_t at, size; /* of bytes and any */
  bool plain;      /* no `_`           */
} like_piece;

struct mst_like {
  mst_allocator mem;
  bool own_mem;
  uint8_t *bytes;
  uint8_t *any;
  size_t size;
  like_piece *pieces; /* one more than there are `%` */
  size_t n_pieces;
};

static void put_byte(mst_like *like, uint8_t byte, bool any) {
  like_piece *piece = &like->pieces[like->n_pieces - 1];
  like->bytes[like->size] = byte;
  like->any[like->size++] = any;
  piece->size++;
  piece->plain = piece->plain && !any;
}

static void begin_piece(mst_like *like) {
  like->pieces[like->n_pieces++] = (like_piece){.at = like->size, .plain = true};
}

/* The bytes of a code point; 0 for none. */
static size_t utf8_bytes(uint32_t code, uint8_t out[4]) {
  if (code == 0) return 0;
  if (code < 0x80) {
    out[0] = (uint8_t)code;
    return 1;
  }
  if (code < 0x800) {
    out[0] = (uint8_t)(0xc0 | code >> 6);
    out[1] = (uint8_t)(0x80 | (code & 63));
    return 2;
  }
  if (code < 0x10000) {
    out[0] = (uint8_t)(0xe0 | code >> 12);
    out[1] = (uint8_t)(0x80 | (code >> 6 & 63));
    out[2] = (uint8_t)(0x80 | (code & 63));
    return 3;
  }
  out[0] = (uint8_t)(0xf0 | (code >> 18 & 7));
  out[1] = (uint8_t)(0x80 | (code >> 12 & 63));
  out[2] = (uint8_t)(0x80 | (code >> 6 & 63));
  out[3] = (uint8_t)(0x80 | (code & 63));
  return 4;
}

static mst_status compile(mst_like *like, const char *pattern, size_t size, uint32_t escape, mst_error *err) {
  uint8_t sign[4];
  const size_t sign_size = utf8_bytes(escape, sign);
  begin_piece(like);
  for (size_t i = 0; i < size; i++) {
    if (sign_size > 0 && size - i >= sign_size && memcmp(pattern + i, sign, sign_size) == 0) {
      i += sign_size;
      if (i >= size) return mst_fail(err, MST_E_ARGUMENT, "the pattern of \"like\" ends with its escape character");
      put_byte(like, (uint8_t)pattern[i], false);
    } else if (pattern[i] == '%') {
      if (like->n_pieces == 1 || like->pieces[like->n_pieces - 1].size > 0) begin_piece(like);
    } else {
      put_byte(like, (uint8_t)pattern[i], pattern[i] == '_');
    }
  }
  return MST_OK;
}

mst_status mst_like_new(const mst_allocator *mem, const char *pattern, size_t size, uint32_t escape, mst_like **out,
                        mst_error *err) {
  mst_status status = MST_OK;
  size_t n = 2;
  mst_like *like = mst_alloc_zero(mem, 1, sizeof *like);
  if (like == NULL) return mst_fail_memory(err);
  if (mem != NULL) like->mem = *mem;
  like->own_mem = mem != NULL;
  for (size_t i = 0; i < size; i++) n += pattern[i] == '%';
  MST_TRY_ALLOC(like->bytes = mst_alloc(mem, size));
  MST_TRY_ALLOC(like->any = mst_alloc(mem, size));
  MST_TRY_ALLOC(like->pieces = mst_alloc_array(mem, n, sizeof *like->pieces));
  MST_TRY(compile(like, pattern, size, escape, err));
  *out = like;
  like = NULL;
done:
  mst_like_free(like);
  return status;
}

void mst_like_free(mst_like *like) {
  mst_allocator copy;
  const mst_allocator *mem;
  if (like == NULL) return;
  copy = like->mem;
  mem = like->own_mem ? &copy : NULL;
  mst_free(mem, like->bytes);
  mst_free(mem, like->any);
  mst_free(mem, like->pieces);
  mst_free(mem, like);
}

/* ---- matching ------------------------------------------------------------------------------------------------ */

/* Bytes of the character at p; a wrong byte is a character of its own. */
static size_t character(bool text, const uint8_t *p, size_t n) {
  size_t want = 1;
  if (!text || p[0] < 0xc2) return 1;
  if (p[0] < 0xe0) want = 2;
  else if (p[0] < 0xf0) want = 3;
  else if (p[0] < 0xf5) want = 4;
  if (n < want) return 1;
  for (size_t i = 1; i < want; i++)
    if ((p[i] & 0xc0) != 0x80) return 1;
  return want;
}

/* Bytes of p that the piece takes when it begins there; SIZE_MAX when it does not fit. */
static size_t fit(const mst_like *like, const like_piece *piece, bool text, const uint8_t *p, size_t n) {
  const uint8_t *bytes = like->bytes + piece->at, *any = like->any + piece->at;
  size_t at = 0;
  if (piece->plain)
    return n >= piece->size && (piece->size == 0 || memcmp(p, bytes, piece->size) == 0) ? piece->size : SIZE_MAX;
  for (size_t i = 0; i < piece->size; i++) {
    if (at >= n) return SIZE_MAX;
    if (any[i] != 0) at += character(text, p + at, n - at);
    else if (p[at] == bytes[i]) at++;
    else return SIZE_MAX;
  }
  return at;
}

/* Where the piece first fits from p on: *end is behind it. Characters are stepped over whole. */
static bool search(const mst_like *like, const like_piece *piece, bool text, const uint8_t *p, size_t n, size_t *end) {
  if (piece->plain) {
    const uint8_t *found = piece->size == 0 ? p : memmem(p, n, like->bytes + piece->at, piece->size);
    if (found == NULL) return false;
    *end = (size_t)(found - p) + piece->size;
    return true;
  }
  for (size_t at = 0; at < n; at += character(text, p + at, n - at)) {
    const size_t taken = fit(like, piece, text, p + at, n - at);
    if (taken == SIZE_MAX) continue;
    *end = at + taken;
    return true;
  }
  return false;
}

/* Whether the last piece fits so that it ends with the text. */
static bool fits_end(const mst_like *like, const like_piece *piece, bool text, const uint8_t *p, size_t n) {
  if (piece->plain) return n >= piece->size && fit(like, piece, text, p + n - piece->size, piece->size) != SIZE_MAX;
  for (size_t at = 0; at < n; at += character(text, p + at, n - at))
    if (fit(like, piece, text, p + at, n - at) == n - at) return true;
  return piece->size == 0;
}

bool mst_like_match(const mst_like *like, bool text, const uint8_t *p, size_t n) {
  static const uint8_t none[1];
  size_t at, end;
  if (p == NULL) p = none;
  at = fit(like, &like->pieces[0], text, p, n);
  if (at == SIZE_MAX) return false;
  if (like->n_pieces == 1) return at == n;
  for (size_t k = 1; k + 1 < like->n_pieces; k++) {
    if (!search(like, &like->pieces[k], text, p + at, n - at, &end)) return false;
    at += end;
  }
  return fits_end(like, &like->pieces[like->n_pieces - 1], text, p + at, n - at);
}

const uint8_t *mst_like_prefix(const mst_like *like, size_t *n, bool *whole, bool *exact) {
  const like_piece *first = &like->pieces[0];
  size_t size = 0;
  while (size < first->size && like->any[first->at + size] == 0) size++;
  *n = size;
  *exact = like->n_pieces == 1 && first->plain;
  *whole = like->n_pieces == 2 && first->plain && like->pieces[1].size == 0;
  return like->bytes + first->at;
}

mst_status mst_array_like(const struct ArrowSchema *schema, const struct ArrowArray *array, const mst_like *like,
                          const uint64_t *among, uint64_t *bits, mst_error *err) {
  mst_status status = MST_OK;
  mst_type type;
  const size_t rows = (size_t)array->length;
  MST_TRY(mst_type_parse(schema->format, &type, err));
  if (type.kind == MST_KIND_NULL) {
    mst_bits_fill(bits, rows, false);
    return MST_OK;
  }
  if (schema->dictionary != NULL || (type.kind != MST_KIND_TEXT && type.kind != MST_KIND_BYTES))
    return mst_fail(err, MST_E_UNSUPPORTED, "column \"%.80s\" of Arrow format \"%.40s\" holds no text",
                    schema->name != NULL ? schema->name : "", schema->format);
  MST_TRY(mst_array_valid(schema, array, bits, err));
  if (among != NULL) mst_bits_and(bits, among, rows);
  for (size_t i = 0; i < MST_BITS_WORDS(rows); i++) {
    uint64_t word = 0;
    for (uint64_t rest = bits[i]; rest != 0; rest = mst_mask_rest(rest)) {
      const unsigned k = mst_mask_first(rest);
      size_t n;
      const uint8_t *p = mst_array_text(&type, array, array->offset + (int64_t)(64 * i + k), &n);
      word |= (uint64_t)mst_like_match(like, type.kind == MST_KIND_TEXT, p, n) << k;
    }
    bits[i] = word;
  }
done:
  return status;
}

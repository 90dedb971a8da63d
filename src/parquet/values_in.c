/* parquet/values_in.c - PLAIN, RLE, the DELTA encodings and BYTE_STREAM_SPLIT.
 *
 * Owns: scratch inside an mst_values_in. May call: base, column. */
#include "parquet/values_in.h"

void mst_values_in_init(mst_values_in *v, const mst_allocator *mem, const mst_pq_kernels *kernels) {
  *v = (mst_values_in){.kernels = kernels};
  mst_block_init(&v->lengths, mem);
  mst_block_init(&v->prefixes, mem);
  mst_block_init(&v->last, mem);
}

void mst_values_in_free(mst_values_in *v) {
  mst_block_free(&v->lengths);
  mst_block_free(&v->prefixes);
  mst_block_free(&v->last);
}

static mst_status broken(const mst_values_in *v, const char *what, mst_error *err) {
  return mst_fail(err, MST_E_CORRUPT, "%s: %s", mst_pq_encoding_name(v->encoding), what);
}

/* ---- beginning a page ---------------------------------------------------------------------------------------- */

/* All lengths of a page at once, because the bytes lie behind them. */
static mst_status take_lengths(mst_values_in *v, mst_block *out, uint32_t n_values, mst_error *err) {
  mst_status status = MST_OK;
  mst_delta_in d;
  size_t i, n;
  const int32_t *lengths;
  if (!mst_delta_in_begin(&d, v->at, (size_t)(v->end - v->at), n_values))
    return broken(v, "the lengths' header is broken", err);
  n = (size_t)d.left;
  out->size = 0;
  MST_TRY(mst_block_reserve(out, n * sizeof(int32_t), err));
  if (!mst_delta_in_i32(&d, (int32_t *)(void *)out->data, n)) return broken(v, "the lengths are broken", err);
  out->size = n * sizeof(int32_t);
  lengths = (const int32_t *)(const void *)out->data;
  for (i = 0; i < n; i++)
    if (lengths[i] < 0) return broken(v, "a length is negative", err);
  v->at = mst_delta_in_end(&d);
done:
  return status;
}

static mst_status begin_rle_bools(mst_values_in *v, mst_error *err) {
  uint32_t size;
  if (v->end - v->at < 4) return broken(v, "the page is too short", err);
  size = mst_le32(v->at);
  if (size > (size_t)(v->end - v->at) - 4) return broken(v, "the size is beyond the page", err);
  mst_rle_in_begin(&v->indices, v->kernels, v->at + 4, size, 1);
  return MST_OK;
}

static mst_status begin_indices(mst_values_in *v, mst_error *err) {
  if (v->at == v->end) {
    /* A page of nulls may hold no indices at all. */
    mst_rle_in_begin(&v->indices, v->kernels, v->at, 0, 0);
    return MST_OK;
  }
  if (*v->at > 32)
    return mst_fail(err, MST_E_CORRUPT, "dictionary indices of %u bits, 32 is the most", (unsigned)*v->at);
  mst_rle_in_begin(&v->indices, v->kernels, v->at + 1, (size_t)(v->end - v->at) - 1, *v->at);
  return MST_OK;
}

static mst_status misuse(const mst_values_in *v, mst_error *err) {
  return mst_fail(err, MST_E_CORRUPT, "%s cannot encode %s", mst_pq_encoding_name(v->encoding),
                  mst_pq_physical_name(v->physical));
}

static mst_status begin_delta_bytes(mst_values_in *v, uint32_t n_values, mst_error *err) {
  mst_status status = MST_OK;
  v->lengths_at = 0;
  v->last.size = 0;
  v->prefixes.size = 0;
  if (v->encoding == MST_PQ_DELTA_BYTE_ARRAY) MST_TRY(take_lengths(v, &v->prefixes, n_values, err));
  MST_TRY(take_lengths(v, &v->lengths, n_values, err));
  if (v->encoding == MST_PQ_DELTA_BYTE_ARRAY && v->prefixes.size != v->lengths.size)
    return broken(v, "there are not as many prefixes as suffixes", err);
done:
  return status;
}

mst_status mst_values_in_begin(mst_values_in *v, mst_pq_physical physical, uint32_t width, int encoding,
                               const uint8_t *data, size_t n, uint32_t n_values, mst_error *err) {
  bool integer = physical == MST_PQ_INT32 || physical == MST_PQ_INT64;
  v->physical = physical;
  v->width = width;
  v->encoding = encoding;
  v->at = data;
  v->end = data + n;
  v->bit = 0;
  switch (encoding) {
  case MST_PQ_PLAIN: return MST_OK;
  case MST_PQ_RLE: return physical == MST_PQ_BOOLEAN ? begin_rle_bools(v, err) : misuse(v, err);
  case MST_PQ_PLAIN_DICTIONARY:
  case MST_PQ_RLE_DICTIONARY: return physical == MST_PQ_BOOLEAN ? misuse(v, err) : begin_indices(v, err);
  case MST_PQ_DELTA_BINARY_PACKED:
    if (!integer) return misuse(v, err);
    if (n == 0) v->delta = (mst_delta_in){.at = data, .end = data};
    if (n > 0 && !mst_delta_in_begin(&v->delta, data, n, n_values)) return broken(v, "the header is broken", err);
    return MST_OK;
  case MST_PQ_DELTA_LENGTH_BYTE_ARRAY:
    if (physical != MST_PQ_BYTE_ARRAY) return misuse(v, err);
    return begin_delta_bytes(v, n_values, err);
  case MST_PQ_DELTA_BYTE_ARRAY:
    if (physical != MST_PQ_BYTE_ARRAY && physical != MST_PQ_FIXED) return misuse(v, err);
    return begin_delta_bytes(v, n_values, err);
  case MST_PQ_BYTE_STREAM_SPLIT:
    if (width == 0) return misuse(v, err);
    if (n % width != 0) return broken(v, "the page is no whole number of values", err);
    v->stream_size = n / width;
    v->stream_at = 0;
    return MST_OK;
  default: return mst_fail(err, MST_E_UNSUPPORTED, "encoding %d is unknown", encoding);
  }
}

/* ---- fixed width --------------------------------------------------------------------------------------------- */

static mst_status take_split(mst_values_in *v, size_t n, mst_block *scratch, mst_error *err) {
  mst_status status = MST_OK;
  uint32_t b;
  size_t i;
  if (n > v->stream_size - v->stream_at) return broken(v, "the values end early", err);
  MST_TRY(mst_block_reserve(scratch, n * v->width, err));
  for (b = 0; b < v->width; b++) {
    const uint8_t *from = v->at + b * v->stream_size + v->stream_at;
    uint8_t *to = scratch->data + b;
    for (i = 0; i < n; i++) to[i * v->width] = from[i];
  }
  v->stream_at += n;
done:
  return status;
}

static mst_status take_delta_fixed(mst_values_in *v, size_t n, mst_block *scratch, mst_error *err) {
  mst_status status = MST_OK;
  mst_block ends;
  size_t got, done = 0;
  mst_block_init(&ends, scratch->mem);
  for (; done < n; done += got) {
    size_t before = scratch->size;
    MST_TRY(mst_values_in_bytes(v, 1, SIZE_MAX / 4, true, scratch, &ends, &got, err));
    if (scratch->size - before != v->width) {
      status = broken(v, "a value has not the length of its type", err);
      goto done;
    }
  }
done:
  mst_block_free(&ends);
  return status;
}

mst_status mst_values_in_fixed(mst_values_in *v, size_t n, mst_block *scratch, const uint8_t **out, mst_error *err) {
  mst_status status = MST_OK;
  scratch->size = 0;
  switch (v->encoding) {
  case MST_PQ_PLAIN:
    if (n > (size_t)(v->end - v->at) / (v->width > 0 ? v->width : 1)) return broken(v, "the values end early", err);
    *out = v->at;
    v->at += n * v->width;
    return MST_OK;
  case MST_PQ_DELTA_BINARY_PACKED:
    MST_TRY(mst_block_reserve(scratch, n * v->width, err));
    if (v->width == 8 ? !mst_delta_in_i64(&v->delta, (int64_t *)(void *)scratch->data, n)
                      : !mst_delta_in_i32(&v->delta, (int32_t *)(void *)scratch->data, n))
      return broken(v, "the values end early or a block is broken", err);
    break;
  case MST_PQ_BYTE_STREAM_SPLIT: MST_TRY(take_split(v, n, scratch, err)); break;
  default: MST_TRY(take_delta_fixed(v, n, scratch, err)); break;
  }
  *out = scratch->data;
done:
  return status;
}

bool mst_values_in_bools(mst_values_in *v, uint8_t *bits, size_t at, size_t n) {
  size_t ones;
  mst_rle_in plain;
  if (v->encoding == MST_PQ_RLE) return mst_rle_in_bits(&v->indices, bits, at, n, &ones);
  if ((uint64_t)n > (uint64_t)(v->end - v->at) * 8 - v->bit) return false;
  plain = (mst_rle_in){.width = 1, .packed = v->at, .packed_end = v->end, .bit = v->bit, .literals = n};
  v->bit += n;
  return mst_rle_in_bits(&plain, bits, at, n, &ones);
}

bool mst_values_in_indices(mst_values_in *v, uint32_t *out, size_t n) { return mst_rle_in_u32(&v->indices, out, n); }

/* ---- byte strings -------------------------------------------------------------------------------------------- */

static inline void put_end(mst_block *ends, bool wide, size_t end) {
  if (wide) {
    int64_t v = (int64_t)end;
    memcpy(ends->data + ends->size, &v, 8);
    ends->size += 8;
  } else {
    int32_t v = (int32_t)end;
    memcpy(ends->data + ends->size, &v, 4);
    ends->size += 4;
  }
}

static mst_status take_plain(mst_values_in *v, size_t n, size_t most, bool wide, mst_block *data, mst_block *ends,
                             size_t *got, mst_error *err) {
  mst_status status = MST_OK;
  const uint8_t *at = v->at, *end = v->end;
  size_t i;
  /* All that is left fits: then nothing need be looked at value by value. */
  MST_TRY(mst_block_reserve(data, mst_min_size((size_t)(end - at), most > data->size ? most - data->size : 0), err));
  for (i = 0; i < n; i++) {
    uint32_t size;
    if (end - at < 4) return broken(v, "the values end early", err);
    size = mst_le32(at);
    if (size > (size_t)(end - at) - 4) return broken(v, "a value is longer than the page", err);
    if (data->size + size > most && i > 0) break;
    MST_TRY(mst_block_reserve(data, size, err));
    if (size <= 16 && end - at >= 20 && data->capacity - data->size >= 16) {
      memcpy(data->data + data->size, at + 4, 16);
    } else if (size > 0) {
      memcpy(data->data + data->size, at + 4, size);
    }
    data->size += size;
    at += 4 + (size_t)size;
    put_end(ends, wide, data->size);
  }
  v->at = at;
  *got = i;
done:
  return status;
}

static mst_status take_delta_lengths(mst_values_in *v, size_t n, size_t most, bool wide, mst_block *data,
                                     mst_block *ends, size_t *got, mst_error *err) {
  mst_status status = MST_OK;
  const int32_t *lengths = (const int32_t *)(const void *)v->lengths.data;
  size_t i, total = 0, left = (size_t)(v->end - v->at), count = v->lengths.size / sizeof(int32_t);
  if (n > count - v->lengths_at) return broken(v, "the values end early", err);
  for (i = 0; i < n; i++) {
    size_t size = (size_t)lengths[v->lengths_at + i];
    if (size > left - total) return broken(v, "the values are longer than the page", err);
    if (data->size + total + size > most && i > 0) break;
    total += size;
    put_end(ends, wide, data->size + total);
  }
  MST_TRY(mst_block_put(data, v->at, total, err));
  v->at += total;
  v->lengths_at += i;
  *got = i;
done:
  return status;
}

/* Each value is the beginning of the one before and a suffix of its own. */
static mst_status take_delta_strings(mst_values_in *v, size_t n, size_t most, bool wide, mst_block *data,
                                     mst_block *ends, size_t *got, mst_error *err) {
  mst_status status = MST_OK;
  const int32_t *suffixes = (const int32_t *)(const void *)v->lengths.data;
  const int32_t *prefixes = (const int32_t *)(const void *)v->prefixes.data;
  size_t i, start = 0, size = 0, count = v->lengths.size / sizeof(int32_t);
  if (n > count - v->lengths_at) return broken(v, "the values end early", err);
  for (i = 0; i < n; i++) {
    size_t prefix = (size_t)prefixes[v->lengths_at + i], suffix = (size_t)suffixes[v->lengths_at + i];
    size_t last = i > 0 ? size : v->last.size;
    if (prefix > last) return broken(v, "a prefix is longer than the value before", err);
    if (suffix > (size_t)(v->end - v->at)) return broken(v, "the values are longer than the page", err);
    if (data->size + prefix + suffix > most && i > 0) break;
    MST_TRY(mst_block_reserve(data, prefix + suffix, err));
    if (prefix > 0) memcpy(data->data + data->size, i > 0 ? data->data + start : v->last.data, prefix);
    if (suffix > 0) memcpy(data->data + data->size + prefix, v->at, suffix);
    v->at += suffix;
    start = data->size;
    size = prefix + suffix;
    data->size += size;
    put_end(ends, wide, data->size);
  }
  if (i > 0) {
    v->last.size = 0;
    MST_TRY(mst_block_put(&v->last, data->data + start, size, err));
  }
  v->lengths_at += i;
  *got = i;
done:
  return status;
}

mst_status mst_values_in_bytes(mst_values_in *v, size_t n, size_t most, bool wide, mst_block *data, mst_block *ends,
                               size_t *got, mst_error *err) {
  mst_status status = MST_OK;
  MST_TRY(mst_block_reserve(ends, n * (wide ? 8u : 4u), err));
  switch (v->encoding) {
  case MST_PQ_PLAIN: MST_TRY(take_plain(v, n, most, wide, data, ends, got, err)); break;
  case MST_PQ_DELTA_LENGTH_BYTE_ARRAY: MST_TRY(take_delta_lengths(v, n, most, wide, data, ends, got, err)); break;
  default: MST_TRY(take_delta_strings(v, n, most, wide, data, ends, got, err)); break;
  }
done:
  return status;
}

/* parquet/column_in.c - pages of one column chunk become Arrow values.
 *
 * Owns: mst_pq_column_in. May call: base, codec, column. */
#include "parquet/column_in.h"

#include "parquet/convert.h"

enum { LEVELS_AHEAD = 4096, INDICES_AT_ONCE = 1024, NESTED_ROOM_MOST = 1 << 20, PAGE_MAX = 1 << 30 };

/* ---- opening ------------------------------------------------------------------------------------------------- */

static mst_status codec_of(int8_t number, mst_block_codec *out, mst_error *err) {
  switch (number) {
  case MST_PARQUET_NONE: *out = MST_BLOCK_NONE; return MST_OK;
  case MST_PARQUET_SNAPPY: *out = MST_BLOCK_SNAPPY; return MST_OK;
  case MST_PARQUET_GZIP: *out = MST_BLOCK_GZIP; return MST_OK;
  case MST_PARQUET_BROTLI: *out = MST_BLOCK_BROTLI; return MST_OK;
  case MST_PARQUET_LZ4: *out = MST_BLOCK_LZ4_HADOOP; return MST_OK;
  case MST_PARQUET_ZSTD: *out = MST_BLOCK_ZSTD; return MST_OK;
  case MST_PARQUET_LZ4_RAW: *out = MST_BLOCK_LZ4; return MST_OK;
  default: return mst_fail(err, MST_E_UNSUPPORTED, "codec number %d is unknown", number);
  }
}

/* Says which column an error belongs to. */
static mst_status in_column(const mst_pq_column_in *c, mst_status status, mst_error *err) {
  char path[256];
  if (err != NULL && err->offset < 0) err->offset = (int64_t)c->page_at;
  return mst_while(err, status, "column \"%s\", row group %zu, page at byte %llu",
                   mst_pq_leaf_path(c->file, c->leaf, path, sizeof path), c->group, (unsigned long long)c->page_at);
}

static mst_status check_chunk(const mst_pq_column_in *c, mst_error *err) {
  const mst_pq_chunk *k = c->chunk;
  uint64_t end;
  if ((k->flags & MST_PQ_CHUNK_ENCRYPTED) != 0)
    return mst_fail(err, MST_E_UNSUPPORTED, "it is encrypted, which needs a key");
  if ((k->flags & MST_PQ_CHUNK_ELSEWHERE) != 0)
    return mst_fail(err, MST_E_UNSUPPORTED, "its pages lie in another file");
  if (k->physical != (int8_t)c->node->physical)
    return mst_fail(err, MST_E_CORRUPT, "the schema says %s, the column chunk %s",
                    mst_pq_physical_name(c->node->physical), mst_pq_physical_name((mst_pq_physical)k->physical));
  if (k->data_at < 4 || k->packed_size < 0 || k->levels < 0 || k->dictionary_at < 0)
    return mst_fail(err, MST_E_CORRUPT, "an offset or size of the column chunk is negative");
  if (!mst_add_u64(c->at, (uint64_t)k->packed_size, &end) || end > c->file->footer_at)
    return mst_fail(err, MST_E_CORRUPT,
                    "the column chunk of %lld bytes at byte %llu goes beyond the data, which end at byte %llu",
                    (long long)k->packed_size, (unsigned long long)c->at, (unsigned long long)c->file->footer_at);
  return MST_OK;
}

mst_status mst_pq_column_in_open(mst_parquet_file *f, size_t group, const mst_pq_field *field, uint32_t leaf,
                                 bool nested, mst_pq_column_in *out, mst_error *err) {
  mst_status status = MST_OK;
  mst_pq_column_in *c = out;
  const mst_pq_chunk *k = &f->groups[group].chunks[leaf];
  const mst_allocator *mem = f->mem;
  *c = (mst_pq_column_in){.file = f,
                          .mem = mem,
                          .field = field,
                          .leaf = leaf,
                          .node = &f->nodes[f->leaves[leaf]],
                          .chunk = k,
                          .group = group,
                          .nested = nested,
                          .kernels = mst_pq_kernels_best()};
  mst_pq_bytes_in_init(&c->bytes, mem);
  mst_pq_bytes_in_init(&c->dictionary_bytes, mem);
  mst_values_in_init(&c->values, mem, c->kernels);
  mst_block_init(&c->page, mem);
  mst_block_init(&c->scratch, mem);
  mst_block_init(&c->dictionary.values, mem);
  mst_block_init(&c->dictionary.ends, mem);
  mst_pq_decoded_init(&c->out, mem);
  c->stored_width = mst_pq_width(c->node->physical, c->node->type_length);
  c->at = (uint64_t)(k->dictionary_at > 0 && k->dictionary_at < k->data_at ? k->dictionary_at : k->data_at);
  c->page_at = c->at;
  MST_TRY(check_chunk(c, err));
  c->end = c->at + (uint64_t)k->packed_size;
  MST_TRY(codec_of(k->codec, &c->codec, err));
  if (nested) {
    MST_TRY_ALLOC(c->def_ahead = mst_alloc(mem, LEVELS_AHEAD));
    MST_TRY_ALLOC(c->rep_ahead = mst_alloc(mem, LEVELS_AHEAD));
  }
done:
  return status == MST_OK ? MST_OK : in_column(c, status, err);
}

void mst_pq_column_in_finish(mst_pq_column_in *c) {
  mst_pq_bytes_in_free(&c->bytes);
  mst_pq_bytes_in_free(&c->dictionary_bytes);
  mst_values_in_free(&c->values);
  mst_block_free(&c->page);
  mst_block_free(&c->scratch);
  mst_block_free(&c->dictionary.values);
  mst_block_free(&c->dictionary.ends);
  mst_free(c->mem, c->def_ahead);
  mst_free(c->mem, c->rep_ahead);
  c->def_ahead = c->rep_ahead = NULL;
}

void mst_pq_column_in_close(mst_pq_column_in *c) {
  mst_pq_column_in_finish(c);
  mst_pq_decoded_free(&c->out);
}

/* ---- pages --------------------------------------------------------------------------------------------------- */

static mst_status unpack(mst_pq_column_in *c, const uint8_t *body, size_t n, size_t plain, mst_block *out,
                         const uint8_t **data, mst_error *err) {
  mst_status status = MST_OK;
  if (plain > PAGE_MAX) return mst_fail(err, MST_E_LIMIT, "a page of %zu bytes, %d is the most", plain, PAGE_MAX);
  if (!mst_block_plausible(c->codec, body, n, plain))
    return mst_fail(err, MST_E_CORRUPT, "%zu bytes of %s cannot unpack to %zu", n, mst_block_codec_name(c->codec),
                    plain);
  *data = body;
  if (c->codec == MST_BLOCK_NONE) return MST_OK;
  out->size = 0;
  MST_TRY(mst_block_reserve(out, plain + 16, err));
  MST_TRY(mst_block_unpack(&c->tools->coder, c->codec, body, n, out->data, plain, err));
  *data = out->data;
done:
  return status;
}

static bool by_index(int encoding) { return encoding == MST_PQ_PLAIN_DICTIONARY || encoding == MST_PQ_RLE_DICTIONARY; }

/* Where RLE levels of a v1 page lie: behind their size; old BIT_PACKED ones take what their number needs. */
static mst_status begin_levels(mst_rle_in *r, const mst_pq_kernels *kernels, int32_t encoding, unsigned width,
                               uint32_t n_values, const uint8_t **at, const uint8_t *end, mst_error *err) {
  uint64_t size;
  if (encoding == MST_PQ_BIT_PACKED) {
    size = ((uint64_t)n_values * width + 7) / 8;
    if (size > (uint64_t)(end - *at)) return mst_fail(err, MST_E_CORRUPT, "the levels are longer than the page");
    mst_bit_packed_begin(r, kernels, *at, (size_t)size, width);
    *at += size;
    return MST_OK;
  }
  if (encoding != MST_PQ_RLE) return mst_fail(err, MST_E_UNSUPPORTED, "levels in encoding %d", encoding);
  if (end - *at < 4) return mst_fail(err, MST_E_CORRUPT, "the page is too short for its levels");
  size = mst_le32(*at);
  if (size > (uint64_t)(end - *at) - 4)
    return mst_fail(err, MST_E_CORRUPT, "levels of %llu bytes in a page that has %zu left", (unsigned long long)size,
                    (size_t)(end - *at) - 4);
  mst_rle_in_begin(r, kernels, *at + 4, (size_t)size, width);
  *at += 4 + size;
  return MST_OK;
}

static unsigned level_bits(uint8_t max) { return max == 0 ? 0 : 32 - (unsigned)__builtin_clz(max); }

static mst_status begin_data_page(mst_pq_column_in *c, const mst_pq_page *p, const uint8_t *body, mst_error *err) {
  mst_status status = MST_OK;
  const uint8_t *at, *end;
  unsigned def_bits = level_bits(c->node->def), rep_bits = level_bits(c->node->rep);
  if (p->type == MST_PQ_DATA_PAGE) {
    MST_TRY(unpack(c, body, p->packed_size, p->plain_size, &c->page, &at, err));
    end = at + p->plain_size;
    if (rep_bits > 0) MST_TRY(begin_levels(&c->rep, c->kernels, p->rep_encoding, rep_bits, p->n_values, &at, end, err));
    if (def_bits > 0) MST_TRY(begin_levels(&c->def, c->kernels, p->def_encoding, def_bits, p->n_values, &at, end, err));
  } else {
    size_t levels = (size_t)p->rep_size + p->def_size;
    mst_rle_in_begin(&c->rep, c->kernels, body, p->rep_size, rep_bits);
    mst_rle_in_begin(&c->def, c->kernels, body + p->rep_size, p->def_size, def_bits);
    at = body + levels;
    end = at + (p->packed_size - levels);
    if (p->packed && p->packed_size > levels) {
      MST_TRY(unpack(c, at, p->packed_size - levels, p->plain_size - levels, &c->page, &at, err));
      end = at + (p->plain_size - levels);
    }
  }
  c->has_dictionary_values = by_index(p->encoding);
  if (c->has_dictionary_values && !c->dictionary.loaded && p->n_values > 0 && at < end)
    return mst_fail(err, MST_E_CORRUPT, "a page of dictionary indices without a dictionary before it");
  c->levels_left = p->n_values;
  c->page_begins = true;
  MST_TRY(mst_values_in_begin(&c->values, c->node->physical, c->stored_width, p->encoding, at, (size_t)(end - at),
                              p->n_values, err));
done:
  return status;
}

static mst_status wrong_value(mst_error *err) {
  return mst_fail(err, MST_E_CORRUPT, "a value is beyond what its type can hold");
}

static mst_status load_fixed_dictionary(mst_pq_column_in *c, mst_error *err) {
  mst_status status = MST_OK;
  mst_pq_dictionary *d = &c->dictionary;
  const uint8_t *raw;
  MST_TRY(mst_values_in_fixed(&c->values, d->n, &c->scratch, &raw, err));
  MST_TRY(mst_block_reserve(&d->values, (size_t)d->n * c->field->width, err));
  if (!mst_pq_convert(c->field->conv, raw, c->stored_width, d->n, d->values.data, c->field->width))
    return wrong_value(err);
  d->values.size = (size_t)d->n * c->field->width;
done:
  return status;
}

/* Byte strings; decimals among them become numbers. */
static mst_status load_bytes_dictionary(mst_pq_column_in *c, mst_error *err) {
  mst_status status = MST_OK;
  mst_pq_dictionary *d = &c->dictionary;
  mst_block numbers;
  const uint32_t *ends;
  size_t got;
  uint32_t i, zero = 0;
  mst_block_init(&numbers, c->mem);
  MST_TRY(mst_block_put(&d->ends, &zero, sizeof zero, err));
  MST_TRY(mst_values_in_bytes(&c->values, d->n, SIZE_MAX / 4, false, &d->values, &d->ends, &got, err));
  ends = (const uint32_t *)(const void *)d->ends.data;
  for (i = 0; i < d->n; i++) d->longest = ends[i + 1] - ends[i] > d->longest ? ends[i + 1] - ends[i] : d->longest;
  if (c->field->conv == MST_PQ_CONV_BIG_BYTES) {
    MST_TRY(mst_block_reserve(&numbers, (size_t)d->n * c->field->width, err));
    for (i = 0; i < d->n; i++)
      if (!mst_pq_convert_big(d->values.data + ends[i], ends[i + 1] - ends[i],
                              numbers.data + (size_t)i * c->field->width, c->field->width))
        return wrong_value(err);
    mst_block_free(&d->values);
    d->values = numbers;
    mst_block_init(&numbers, c->mem);
  } else {
    MST_TRY(mst_block_reserve(&d->values, 16, err)); /* so that short values are copied 16 bytes at a time */
  }
done:
  mst_block_free(&numbers);
  return status;
}

static mst_status load_dictionary(mst_pq_column_in *c, const mst_pq_page *p, const uint8_t *body, mst_error *err) {
  mst_status status = MST_OK;
  const uint8_t *data;
  mst_pq_dictionary *d = &c->dictionary;
  if (d->loaded) return mst_fail(err, MST_E_CORRUPT, "a second dictionary in one column chunk");
  if (p->encoding != MST_PQ_PLAIN && p->encoding != MST_PQ_PLAIN_DICTIONARY)
    return mst_fail(err, MST_E_UNSUPPORTED, "a dictionary in %s", mst_pq_encoding_name(p->encoding));
  if (c->node->physical == MST_PQ_BOOLEAN) return mst_fail(err, MST_E_CORRUPT, "a dictionary of BOOLEAN");
  MST_TRY(unpack(c, body, p->packed_size, p->plain_size, &c->page, &data, err));
  if (p->n_values > p->plain_size / (c->stored_width > 0 ? c->stored_width : 4))
    return mst_fail(err, MST_E_CORRUPT, "a dictionary of %u values in %u bytes", p->n_values, p->plain_size);
  MST_TRY(mst_values_in_begin(&c->values, c->node->physical, c->stored_width, MST_PQ_PLAIN, data, p->plain_size,
                              p->n_values, err));
  d->n = p->n_values;
  d->loaded = true;
  status = c->stored_width > 0 ? load_fixed_dictionary(c, err) : load_bytes_dictionary(c, err);
done:
  return status;
}

static mst_status bad_head(const char *what, size_t at, mst_error *err) {
  return mst_fail(err, MST_E_CORRUPT, "broken page header at its byte %zu: %s", at, what);
}

/* The header of the page at `at` and, when `body`, all of it. `*data` is NULL when bytes are missing. */
static mst_status look_at_page(mst_pq_column_in *c, mst_pq_bytes_in *bytes, mst_pq_extent run, bool body, mst_pq_page *p,
                               const uint8_t **data, mst_error *err) {
  mst_status status = MST_OK;
  const char *what = "";
  size_t n, wrong = 0;
  uint64_t want = 1, left = run.end - run.at;
  c->missing = 0;
  for (;;) {
    mst_pq_page_parse parsed = MST_PQ_PAGE_SHORT;
    MST_TRY(mst_pq_bytes_in_look(bytes, run.at, want, data, &n, err));
    if (n > left) n = (size_t)left;
    if (n >= want) parsed = mst_pq_page_head(*data, n, p, &what, &wrong);
    if (parsed == MST_PQ_PAGE_BAD || (parsed == MST_PQ_PAGE_SHORT && n >= left)) return bad_head(what, wrong, err);
    if (parsed == MST_PQ_PAGE_GOOD) break;
    if (n < want) goto missing;
    want = mst_min_u64(4 * (uint64_t)n, left);
  }
  if (p->packed_size > left - p->head_size)
    return mst_fail(err, MST_E_CORRUPT, "a page of %u bytes goes beyond its column chunk, which has %llu left",
                    p->packed_size, (unsigned long long)(left - p->head_size));
  want = (uint64_t)p->head_size + p->packed_size;
  if (!body || n >= want) return MST_OK;
  MST_TRY(mst_pq_bytes_in_look(bytes, run.at, want, data, &n, err));
  if (n >= want) return MST_OK;
missing:
  c->missing = run.at + want;
  c->misses_dictionary = bytes == &c->dictionary_bytes;
  *data = NULL;
done:
  return status;
}

static mst_status look_ahead(mst_pq_column_in *c, bool body, mst_pq_page *p, const uint8_t **data, mst_error *err) {
  return look_at_page(c, &c->bytes, (mst_pq_extent){c->at, c->end}, body, p, data, err);
}

static mst_status check_crc(const mst_pq_page *p, const uint8_t *body, mst_error *err) {
  uint32_t crc = p->has_crc ? mst_crc32(0, body, p->packed_size) : p->crc;
  return crc == p->crc ? MST_OK
                       : mst_fail(err, MST_E_CORRUPT, "the page's CRC-32 is %08x, its header says %08x", crc, p->crc);
}

/* Rows of a page that can be told without unpacking it; UINT64_MAX when they cannot. */
static uint64_t rows_of_page(const mst_pq_column_in *c, const mst_pq_page *p) {
  if (p->type == MST_PQ_DATA_PAGE_V2) return c->node->rep == 0 ? p->n_values : p->n_rows;
  return c->node->rep == 0 ? p->n_values : UINT64_MAX;
}

/* A page that the offset index names must begin with the row that it says. */
static mst_status check_place(const mst_pq_column_in *c, mst_error *err) {
  size_t k;
  uint64_t row = mst_pq_column_in_row(c);
  if (c->offset_index == NULL) return MST_OK;
  k = mst_pq_page_of_row(c->offset_index, row);
  while (k > 0 && c->offset_index->pages[k].at > c->at) k--;
  if (c->offset_index->pages[k].at == c->at && c->offset_index->pages[k].first_row == row) return MST_OK;
  return mst_fail(err, MST_E_CORRUPT, "the page begins with row %llu, which is not what the offset index says",
                  (unsigned long long)row);
}

/* A dictionary that was left out until a page needed it. */
static mst_status fetch_dictionary(mst_pq_column_in *c, mst_error *err) {
  mst_status status = MST_OK;
  mst_pq_page p;
  const uint8_t *data;
  MST_TRY(look_at_page(c, &c->dictionary_bytes, c->dictionary_at, true, &p, &data, err));
  if (data == NULL) return MST_OK;
  if (p.type != MST_PQ_DICTIONARY_PAGE)
    return mst_fail(err, MST_E_CORRUPT, "the page in front of the first data page is no dictionary");
  MST_TRY(check_crc(&p, data + p.head_size, err));
  MST_TRY(load_dictionary(c, &p, data + p.head_size, err));
  mst_pq_bytes_in_free(&c->dictionary_bytes);
done:
  return status;
}

/* Opens the next data page; without effect but `missing` when bytes are missing. `*ended` at the end of the chunk. */
static mst_status next_page(mst_pq_column_in *c, bool *ended, mst_error *err) {
  mst_status status = MST_OK;
  mst_pq_page p;
  const uint8_t *data;
  uint64_t rows;
  bool is_data, passed;
  *ended = false;
  while (c->levels_left == 0) {
    if (c->at >= c->end) {
      *ended = true;
      return MST_OK;
    }
    c->page_at = c->at;
    MST_TRY(look_ahead(c, false, &p, &data, err));
    if (data == NULL) return MST_OK;
    is_data = p.type == MST_PQ_DATA_PAGE || p.type == MST_PQ_DATA_PAGE_V2;
    rows = is_data ? rows_of_page(c, &p) : UINT64_MAX;
    if (is_data) MST_TRY(check_place(c, err));
    passed = rows != UINT64_MAX && c->skip_to > mst_pq_column_in_row(c) && rows <= c->skip_to - mst_pq_column_in_row(c);
    if (passed) {
      c->rows_skipped += rows;
    } else {
      if (is_data && by_index(p.encoding) && !c->dictionary.loaded && c->dictionary_at.at < c->dictionary_at.end)
        MST_TRY(fetch_dictionary(c, err));
      if (c->missing > 0) return MST_OK;
      MST_TRY(look_ahead(c, true, &p, &data, err));
      if (data == NULL) return MST_OK;
      data += p.head_size;
      MST_TRY(check_crc(&p, data, err));
      if (p.type == MST_PQ_DICTIONARY_PAGE) MST_TRY(load_dictionary(c, &p, data, err));
      if (is_data) MST_TRY(begin_data_page(c, &p, data, err));
      c->pages += is_data;
    }
    c->at += (uint64_t)p.head_size + p.packed_size;
    c->plain_met += (uint64_t)p.head_size + p.plain_size;
    c->levels_met += is_data ? p.n_values : 0;
    if (passed && c->skip_to == mst_pq_column_in_row(c)) return MST_OK;
  }
done:
  return status;
}

/* ---- values -------------------------------------------------------------------------------------------------- */

static bool is_bytes(const mst_pq_column_in *c) { return c->field->conv == MST_PQ_CONV_BYTES; }

/* Indices into the dictionary, in pieces; `use` gets each piece. */
static mst_status take_indices(mst_pq_column_in *c, uint32_t *some, size_t n, mst_error *err) {
  uint32_t largest;
  if (!mst_values_in_indices(&c->values, some, n))
    return mst_fail(err, MST_E_CORRUPT, "the dictionary indices end early or are broken");
  largest = c->kernels->max_u32(some, n);
  if (largest >= c->dictionary.n)
    return mst_fail(err, MST_E_CORRUPT, "dictionary index %u, but the dictionary has %u values", largest,
                    c->dictionary.n);
  return MST_OK;
}

static void gather(const uint8_t *values, uint32_t width, const uint32_t *indices, size_t n, uint8_t *to) {
  size_t i;
  if (width == 4) {
    for (i = 0; i < n; i++) memcpy(to + 4 * i, values + 4 * (size_t)indices[i], 4);
  } else if (width == 8) {
    for (i = 0; i < n; i++) memcpy(to + 8 * i, values + 8 * (size_t)indices[i], 8);
  } else {
    for (i = 0; i < n; i++) memcpy(to + i * width, values + (size_t)indices[i] * width, width);
  }
}

/* n Arrow values of fixed width to `to`. */
static mst_status take_fixed(mst_pq_column_in *c, size_t n, uint8_t *to, mst_error *err) {
  mst_status status = MST_OK;
  uint32_t width = c->field->width, some[INDICES_AT_ONCE];
  const uint8_t *raw;
  size_t k;
  if (!c->has_dictionary_values) {
    MST_TRY(mst_values_in_fixed(&c->values, n, &c->scratch, &raw, err));
    return mst_pq_convert(c->field->conv, raw, c->stored_width, n, to, width) ? MST_OK : wrong_value(err);
  }
  for (; n > 0; n -= k, to += k * width) {
    k = mst_min_size(n, INDICES_AT_ONCE);
    MST_TRY(take_indices(c, some, k, err));
    gather(c->dictionary.values.data, width, some, k, to);
  }
done:
  return status;
}

/* Decimals that are stored as byte strings. */
static mst_status take_big_bytes(mst_pq_column_in *c, size_t n, uint8_t *to, mst_error *err) {
  mst_status status = MST_OK;
  mst_block ends;
  size_t i, got;
  int64_t start = 0;
  mst_block_init(&ends, c->mem);
  if (c->has_dictionary_values) return take_fixed(c, n, to, err);
  c->scratch.size = 0;
  MST_TRY(mst_values_in_bytes(&c->values, n, SIZE_MAX / 4, true, &c->scratch, &ends, &got, err));
  for (i = 0; i < n; i++) {
    int64_t end = ((const int64_t *)(const void *)ends.data)[i];
    if (!mst_pq_convert_big(c->scratch.data + start, (size_t)(end - start), to + i * c->field->width,
                            c->field->width)) {
      status = wrong_value(err);
      goto done;
    }
    start = end;
  }
done:
  mst_block_free(&ends);
  return status;
}

static inline void put_end(uint8_t *to, bool wide, size_t i, size_t end) {
  if (wide) {
    ((int64_t *)(void *)to)[i] = (int64_t)end;
  } else {
    ((int32_t *)(void *)to)[i] = (int32_t)end;
  }
}

static mst_status gather_bytes(mst_pq_column_in *c, const uint32_t *indices, size_t n, mst_error *err) {
  mst_status status = MST_OK;
  const uint32_t *ends = (const uint32_t *)(const void *)c->dictionary.ends.data;
  mst_block *out = &c->out.values, *to = &c->out.ends;
  bool wide = c->field->large;
  size_t i, most = n * (size_t)c->dictionary.longest;
  MST_TRY(mst_block_reserve(to, n * (wide ? 8u : 4u), err));
  if (most <= (size_t)1 << 20) {
    MST_TRY(mst_block_reserve(out, most + 16, err));
  } else {
    for (most = 16, i = 0; i < n; i++) most += ends[indices[i] + 1] - ends[indices[i]];
    MST_TRY(mst_block_reserve(out, most, err));
  }
  for (i = 0; i < n; i++) {
    const uint8_t *from = c->dictionary.values.data + ends[indices[i]];
    size_t size = ends[indices[i] + 1] - ends[indices[i]];
    if (size <= 16) {
      memcpy(out->data + out->size, from, 16);
    } else {
      memcpy(out->data + out->size, from, size);
    }
    out->size += size;
    put_end(to->data + to->size, wide, i, out->size);
  }
  to->size += n * (wide ? 8u : 4u);
done:
  return status;
}

static mst_status take_bytes(mst_pq_column_in *c, size_t n, mst_error *err) {
  mst_status status = MST_OK;
  uint32_t some[INDICES_AT_ONCE];
  size_t k, got;
  if (!c->has_dictionary_values)
    return n > 0 ? mst_values_in_bytes(&c->values, n, SIZE_MAX / 4, c->field->large, &c->out.values, &c->out.ends, &got,
                                       err)
                 : MST_OK;
  for (; n > 0; n -= k) {
    k = mst_min_size(n, INDICES_AT_ONCE);
    MST_TRY(take_indices(c, some, k, err));
    MST_TRY(gather_bytes(c, some, k, err));
  }
done:
  return status;
}

static mst_status grow_bits(mst_block *bits, int64_t n, mst_error *err) {
  size_t need = ((size_t)n + 7) / 8;
  return bits->size >= need ? MST_OK : mst_block_put_zero(bits, need - bits->size, err);
}

/* `slots` more slots of which `m` have values, as the validity bits behind the present slots say. */
static mst_status take_values(mst_pq_column_in *c, size_t slots, size_t m, mst_error *err) {
  mst_status status = MST_OK;
  mst_pq_decoded *o = &c->out;
  uint32_t width = c->field->width;
  size_t at = (size_t)o->slots, before;
  switch (c->field->conv) {
  case MST_PQ_CONV_NOTHING:
    if (m > 0) status = mst_fail(err, MST_E_CORRUPT, "a column of nulls has values");
    break;
  case MST_PQ_CONV_BITS:
    MST_TRY(grow_bits(&o->values, o->slots + (int64_t)slots, err));
    if (!mst_values_in_bools(&c->values, o->values.data, at, m))
      return mst_fail(err, MST_E_CORRUPT, "the bools end early");
    if (m < slots) mst_pq_spread_bits(o->values.data, o->valid.data, at, slots, m);
    break;
  case MST_PQ_CONV_BYTES:
    if (o->ends.size == 0) MST_TRY(mst_block_put_zero(&o->ends, c->field->large ? 8 : 4, err));
    before = o->values.size;
    at = o->ends.size;
    MST_TRY(mst_block_reserve(&o->ends, slots * (c->field->large ? 8u : 4u), err));
    MST_TRY(take_bytes(c, m, err));
    if (!c->field->large && o->values.size > INT32_MAX)
      return mst_fail(err, MST_E_LIMIT, "byte strings of one row outgrow 2 GiB");
    if (m < slots) {
      mst_pq_spread_ends(o->ends.data + at, c->field->large, before, o->valid.data, (size_t)o->slots, slots, m);
      o->ends.size = at + slots * (c->field->large ? 8u : 4u);
    }
    break;
  default:
    MST_TRY(mst_block_reserve(&o->values, slots * width, err));
    MST_TRY(c->field->conv == MST_PQ_CONV_BIG_BYTES ? take_big_bytes(c, m, o->values.data + o->values.size, err)
                                                    : take_fixed(c, m, o->values.data + o->values.size, err));
    if (m < slots) mst_pq_spread(o->values.data + o->values.size, width, o->valid.data, at, slots, m);
    o->values.size += slots * width;
    break;
  }
done:
  return status;
}

/* The validity bitmap comes into being with the first null. */
static mst_status need_valid(mst_pq_column_in *c, size_t more, mst_error *err) {
  mst_status status = MST_OK;
  mst_pq_decoded *o = &c->out;
  int64_t i;
  if (!o->has_valid) {
    o->valid.size = 0;
    MST_TRY(grow_bits(&o->valid, o->slots, err));
    if (o->valid.size > 0) memset(o->valid.data, 0xff, o->valid.size);
    if ((o->slots & 7) != 0) o->valid.data[o->slots >> 3] = (uint8_t)((1u << (o->slots & 7)) - 1);
    o->has_valid = true;
  }
  i = o->slots + (int64_t)more;
  MST_TRY(grow_bits(&o->valid, i, err));
done:
  return status;
}

/* How many of the next n values fit `room` bytes, without decoding them; n when it is certain that all do. */
static size_t fitting(const mst_pq_column_in *c, size_t n, uint64_t room) {
  const mst_values_in *v = &c->values;
  const uint8_t *at = v->at;
  uint64_t total = 0;
  size_t i, lengths = v->lengths.size / sizeof(int32_t);
  if (!is_bytes(c)) return n;
  if (c->has_dictionary_values) {
    uint64_t fit = c->dictionary.longest > 0 ? room / c->dictionary.longest : n;
    return fit < n ? (size_t)fit : n;
  }
  if (v->encoding != MST_PQ_DELTA_BYTE_ARRAY && (uint64_t)(v->end - v->at) <= room) return n;
  for (i = 0; i < n; i++) {
    if (v->encoding == MST_PQ_PLAIN) {
      uint32_t size;
      if (v->end - at < 4) return n;
      size = mst_le32(at);
      if (size > (size_t)(v->end - at) - 4) return n;
      total += size;
      at += 4 + (size_t)size;
    } else {
      if (v->lengths_at + i >= lengths) return n;
      total += (uint64_t)((const int32_t *)(const void *)v->lengths.data)[v->lengths_at + i];
      if (v->encoding == MST_PQ_DELTA_BYTE_ARRAY)
        total += (uint64_t)((const int32_t *)(const void *)v->prefixes.data)[v->lengths_at + i];
    }
    if (total > room) return i;
  }
  return n;
}

static uint64_t room_left(const mst_pq_column_in *c, uint64_t most) {
  return c->out.values.size < most ? most - c->out.values.size : 0;
}

/* Room for a whole batch at once, as far as it can be told: blocks that grow in turn would move. */
static mst_status make_room(mst_pq_column_in *c, uint64_t rows, mst_error *err) {
  mst_status status = MST_OK;
  mst_pq_decoded *o = &c->out;
  uint64_t levels = (uint64_t)c->chunk->levels, all = (uint64_t)c->file->groups[c->group].rows;
  /* Of nested columns only the average is known. */
  double share = c->nested && all > 0 ? (double)levels / (double)all * 1.02 : 1;
  size_t n = (size_t)mst_min_u64((uint64_t)((double)rows * share), levels) + 1;
  if (c->field->conv == MST_PQ_CONV_NOTHING) return MST_OK;
  if (c->nested) {
    n = mst_min_size(n, NESTED_ROOM_MOST);
    MST_TRY(mst_block_grow(&o->def, n + 8, err));
    MST_TRY(mst_block_grow(&o->rep, n + 8, err));
  }
  if (c->field->conv == MST_PQ_CONV_BYTES) {
    MST_TRY(mst_block_grow(&o->ends, n * (c->field->large ? 8u : 4u), err));
  } else {
    MST_TRY(mst_block_grow(&o->values, c->field->conv == MST_PQ_CONV_BITS ? n / 8 + 16 : n * c->field->width, err));
  }
done:
  return status;
}

/* ---- flat columns -------------------------------------------------------------------------------------------- */

static mst_status take_flat(mst_pq_column_in *c, size_t n, mst_error *err) {
  mst_status status = MST_OK;
  mst_pq_decoded *o = &c->out;
  uint32_t value;
  size_t ones = n, equal;
  if (c->node->def > 0) {
    /* Pages without nulls are one run, for which no bitmap is made. */
    equal = mst_rle_in_equal(&c->def, n, &value);
    if (equal > 0) {
      n = equal;
      ones = value != 0 ? n : 0;
      if (ones < n || o->has_valid) MST_TRY(need_valid(c, n, err));
      if (ones == n && o->has_valid) mst_set_bits(o->valid.data, (size_t)o->slots, n);
    } else {
      MST_TRY(need_valid(c, n, err));
      if (!mst_rle_in_bits(&c->def, o->valid.data, (size_t)o->slots, n, &ones))
        return mst_fail(err, MST_E_CORRUPT, "the definition levels end early or are broken");
    }
  }
  MST_TRY(take_values(c, n, ones, err));
  o->slots += (int64_t)n;
  o->nulls += (int64_t)(n - ones);
  o->rows += n;
  c->levels_left -= (uint32_t)n;
done:
  return status;
}

static mst_status read_flat(mst_pq_column_in *c, uint64_t rows, uint64_t bytes_most, mst_error *err) {
  mst_status status = MST_OK;
  bool ended;
  size_t n;
  while (c->out.rows < rows) {
    MST_TRY(next_page(c, &ended, err));
    if (c->missing > 0) return MST_OK;
    if (ended)
      return mst_fail(err, MST_E_CORRUPT, "the column chunk ends after %llu of its row group's %lld rows",
                      (unsigned long long)mst_pq_column_in_row(c), (long long)c->file->groups[c->group].rows);
    if (c->out.rows == 0) MST_TRY(make_room(c, rows, err));
    n = (size_t)mst_min_u64(rows - c->out.rows, c->levels_left);
    n = fitting(c, n, room_left(c, bytes_most));
    if (n == 0) {
      if (c->out.rows > 0) return MST_OK;
      n = 1;
    }
    MST_TRY(take_flat(c, n, err));
  }
done:
  return status;
}

/* ---- nested columns ------------------------------------------------------------------------------------------ */

static mst_status fill_ahead(mst_pq_column_in *c, bool *ended, mst_error *err) {
  mst_status status = MST_OK;
  size_t n;
  MST_TRY(next_page(c, ended, err));
  if (*ended || c->missing > 0) return MST_OK;
  n = mst_min_size(c->levels_left, LEVELS_AHEAD);
  memset(c->rep_ahead, 0, n);
  memset(c->def_ahead, 0, n);
  if ((c->node->rep > 0 && !mst_rle_in_u8(&c->rep, c->rep_ahead, n)) ||
      (c->node->def > 0 && !mst_rle_in_u8(&c->def, c->def_ahead, n)))
    return mst_fail(err, MST_E_CORRUPT, "the levels end early or are broken");
  if (c->kernels->count_u8(c->rep_ahead, n, (uint8_t)(c->node->rep + 1)) > 0 ||
      c->kernels->count_u8(c->def_ahead, n, (uint8_t)(c->node->def + 1)) > 0)
    return mst_fail(err, MST_E_CORRUPT, "a level is beyond the schema's highest");
  if (c->page_begins && (mst_pq_column_in_row(c) == 0 || c->offset_index != NULL) && c->rep_ahead[0] != 0)
    return mst_fail(err, MST_E_CORRUPT, "the first repetition level is %u, not 0", c->rep_ahead[0]);
  c->page_begins = false;
  c->ahead_at = 0;
  c->ahead_n = n;
done:
  return status;
}

/* `n` levels from those decoded ahead. */
static mst_status take_nested(mst_pq_column_in *c, size_t n, size_t starts, mst_error *err) {
  mst_status status = MST_OK;
  mst_pq_decoded *o = &c->out;
  const uint8_t *def = c->def_ahead + c->ahead_at;
  uint8_t parent = c->field->parent_def, max = c->node->def;
  size_t i, slots, ones;
  slots = parent > 0 ? c->kernels->count_u8(def, n, parent) : n;
  ones = c->kernels->count_u8(def, n, max);
  if (ones < slots || o->has_valid) {
    int64_t at = o->slots;
    MST_TRY(need_valid(c, slots, err));
    for (i = 0; i < n; i++) {
      if (def[i] == max) o->valid.data[at >> 3] |= (uint8_t)(1u << (at & 7));
      at += def[i] >= parent;
    }
  }
  MST_TRY(take_values(c, slots, ones, err));
  MST_TRY(mst_block_put(&o->def, def, n, err));
  MST_TRY(mst_block_put(&o->rep, c->rep_ahead + c->ahead_at, n, err));
  o->slots += (int64_t)slots;
  o->nulls += (int64_t)(slots - ones);
  o->rows += starts;
  c->ahead_at += n;
  c->levels_left -= (uint32_t)n;
done:
  return status;
}

/* Levels up to the row that is one too many; `*starts` rows begin among them. */
static size_t levels_of_rows(const mst_pq_column_in *c, uint64_t rows, size_t *starts) {
  size_t i, n = c->ahead_n - c->ahead_at;
  *starts = n - c->kernels->count_u8(c->rep_ahead + c->ahead_at, n, 1);
  if (*starts <= rows) return n;
  *starts = 0;
  for (i = c->ahead_at; i < c->ahead_n; i++) {
    if (c->rep_ahead[i] != 0) continue;
    if (*starts == rows) break;
    ++*starts;
  }
  return i - c->ahead_at;
}

static size_t values_among(const mst_pq_column_in *c, size_t n) {
  return c->kernels->count_u8(c->def_ahead + c->ahead_at, n, c->node->def);
}

static mst_status read_nested(mst_pq_column_in *c, uint64_t rows, uint64_t bytes_most, mst_error *err) {
  mst_status status = MST_OK;
  size_t n, starts, m;
  bool ended;
  for (;;) {
    if (c->ahead_at == c->ahead_n) {
      /* Pages that an offset index names begin with a row: nothing of this one's last row comes behind it. */
      if (c->offset_index != NULL && c->levels_left == 0 && c->out.rows == rows) return MST_OK;
      MST_TRY(fill_ahead(c, &ended, err));
      if (c->missing > 0) return MST_OK;
      if (ended) break;
      if (c->out.rows == 0 && c->out.def.size == 0) MST_TRY(make_room(c, rows, err));
    }
    n = levels_of_rows(c, rows - c->out.rows, &starts);
    if (n == 0) return MST_OK;
    /* A batch ends early only between rows, and never before its first one. */
    if (c->rep_ahead[c->ahead_at] == 0 && c->out.rows > 0) {
      m = is_bytes(c) ? values_among(c, n) : 0;
      while (starts > 1 && fitting(c, m, room_left(c, bytes_most)) < m) {
        n = levels_of_rows(c, starts / 2, &starts);
        m = values_among(c, n);
      }
      if (fitting(c, m, room_left(c, bytes_most)) < m) return MST_OK;
    }
    MST_TRY(take_nested(c, n, starts, err));
  }
  if (c->out.rows < rows)
    return mst_fail(err, MST_E_CORRUPT, "the column chunk ends after %llu of its row group's %lld rows",
                    (unsigned long long)mst_pq_column_in_row(c), (long long)c->file->groups[c->group].rows);
done:
  return status;
}

mst_status mst_pq_column_in_read(mst_pq_column_in *c, uint64_t rows, uint64_t bytes_most, mst_error *err) {
  mst_status status;
  c->missing = 0;
  status = c->nested ? read_nested(c, rows, bytes_most, err) : read_flat(c, rows, bytes_most, err);
  mst_block_trim(&c->out.values);
  return status == MST_OK ? MST_OK : in_column(c, status, err);
}

/* ---- passing over rows --------------------------------------------------------------------------------------- */

/* Decodes up to `rows` rows of the open page and those behind it for nothing. */
static mst_status discard(mst_pq_column_in *c, uint64_t rows, mst_error *err) {
  mst_status status;
  mst_pq_decoded kept = c->out;
  mst_pq_decoded_init(&c->out, c->mem);
  c->rows_skipped += kept.rows;
  rows = mst_min_u64(rows, mst_min_u64(c->levels_left, LEVELS_AHEAD));
  status = c->nested ? read_nested(c, rows, UINT64_MAX / 2, err) : read_flat(c, rows, UINT64_MAX / 2, err);
  rows = c->out.rows;
  mst_pq_decoded_free(&c->out);
  c->out = kept;
  c->rows_skipped += rows;
  c->rows_skipped -= kept.rows;
  return status;
}

/* The dictionary in front of the first page. */
static mst_status open_dictionary(mst_pq_column_in *c, mst_error *err) {
  mst_status status = MST_OK;
  mst_pq_page p;
  const uint8_t *data;
  c->page_at = c->at;
  MST_TRY(look_ahead(c, true, &p, &data, err));
  if (data == NULL) return MST_OK;
  if (p.type == MST_PQ_DATA_PAGE || p.type == MST_PQ_DATA_PAGE_V2)
    return mst_fail(err, MST_E_CORRUPT, "a data page that the offset index does not name");
  MST_TRY(check_crc(&p, data + p.head_size, err));
  if (p.type == MST_PQ_DICTIONARY_PAGE) MST_TRY(load_dictionary(c, &p, data + p.head_size, err));
  c->at += (uint64_t)p.head_size + p.packed_size;
done:
  return status;
}

mst_status mst_pq_column_in_dictionary(mst_pq_column_in *c, mst_error *err) {
  mst_status status = open_dictionary(c, err);
  return status == MST_OK ? MST_OK : in_column(c, status, err);
}

/* Goes to the page that holds `row` when it is a later one than the open page. */
static void jump(mst_pq_column_in *c, uint64_t row) {
  const mst_pq_page_place *p = &c->offset_index->pages[mst_pq_page_of_row(c->offset_index, row)];
  if (p->at < c->at || p->first_row <= mst_pq_column_in_row(c)) return;
  c->levels_left = 0;
  c->ahead_at = c->ahead_n = 0;
  c->rows_skipped += p->first_row - mst_pq_column_in_row(c);
  c->at = p->at;
}

static mst_status skip(mst_pq_column_in *c, uint64_t row, mst_error *err) {
  mst_status status = MST_OK;
  bool ended = false;
  while (mst_pq_column_in_row(c) < row) {
    if (c->offset_index != NULL && c->at < c->offset_index->pages[0].at) {
      MST_TRY(open_dictionary(c, err));
    } else {
      if (c->offset_index != NULL) jump(c, row);
      if (mst_pq_column_in_row(c) == row) return MST_OK;
      if (c->levels_left == 0 && c->ahead_at == c->ahead_n) {
        c->skip_to = row;
        status = next_page(c, &ended, err);
        c->skip_to = 0;
        if (status != MST_OK) goto done;
      }
      if (c->missing == 0 && !ended && mst_pq_column_in_row(c) < row)
        MST_TRY(discard(c, row - mst_pq_column_in_row(c), err));
    }
    if (c->missing > 0) return MST_OK;
    if (ended)
      return mst_fail(err, MST_E_CORRUPT, "the column chunk ends after %llu of its row group's %lld rows",
                      (unsigned long long)mst_pq_column_in_row(c), (long long)c->file->groups[c->group].rows);
  }
done:
  return status;
}

mst_status mst_pq_column_in_skip(mst_pq_column_in *c, uint64_t row, mst_error *err) {
  mst_status status;
  c->missing = 0;
  status = skip(c, row, err);
  return status == MST_OK ? MST_OK : in_column(c, status, err);
}

/* ---- giving out what is decoded ------------------------------------------------------------------------------ */

void mst_pq_decoded_init(mst_pq_decoded *d, const mst_allocator *mem) {
  *d = (mst_pq_decoded){0};
  mst_block_init(&d->values, mem);
  mst_block_init(&d->ends, mem);
  mst_block_init(&d->valid, mem);
  mst_block_init(&d->def, mem);
  mst_block_init(&d->rep, mem);
}

void mst_pq_column_in_use(mst_pq_column_in *c, mst_pq_tools *tools) {
  c->tools = tools;
  c->out.values.pool = c->out.ends.pool = c->out.valid.pool = &tools->pool;
}

/* Levels stay here: their memory is used again. */
static void keep_levels(mst_block *rest, mst_block *before) {
  if (rest->data != NULL) return;
  *rest = *before;
  rest->size = 0;
  mst_block_init(before, rest->mem);
}

void mst_pq_decoded_follow(mst_pq_decoded *rest, mst_pq_decoded *before) {
  rest->values.usual = before->values.usual;
  rest->ends.usual = before->ends.usual;
  keep_levels(&rest->def, &before->def);
  keep_levels(&rest->rep, &before->rep);
}

void mst_pq_decoded_free(mst_pq_decoded *d) {
  mst_block_free(&d->values);
  mst_block_free(&d->ends);
  mst_block_free(&d->valid);
  mst_block_free(&d->def);
  mst_block_free(&d->rep);
}

static mst_status move_bits(mst_block *from, size_t at, size_t n, mst_block *to, size_t *ones, mst_error *err) {
  mst_status status = MST_OK;
  mst_rle_in bits = {.width = 1, .packed = from->data, .packed_end = from->data + from->size, .bit = at, .literals = n};
  MST_TRY(grow_bits(to, (int64_t)n, err));
  mst_rle_in_bits(&bits, to->data, 0, n, ones);
  from->size = (at + 7) / 8;
  if ((at & 7) != 0) from->data[at >> 3] &= (uint8_t)((1u << (at & 7)) - 1);
done:
  return status;
}

/* Ends behind slot `at`, counted from there, and their bytes. */
static mst_status move_bytes(mst_pq_decoded *d, bool wide, size_t at, mst_pq_decoded *rest, mst_error *err) {
  mst_status status = MST_OK;
  size_t each = wide ? 8 : 4, i, n = d->ends.size / each;
  uint64_t base = wide ? mst_le64(d->ends.data + at * 8) : mst_le32(d->ends.data + at * 4);
  MST_TRY(mst_block_put(&rest->ends, d->ends.data + at * each, (n - at) * each, err));
  for (i = 0; i < n - at; i++) {
    if (wide) ((int64_t *)(void *)rest->ends.data)[i] -= (int64_t)base;
    if (!wide) ((int32_t *)(void *)rest->ends.data)[i] -= (int32_t)base;
  }
  MST_TRY(mst_block_put(&rest->values, d->values.data + base, d->values.size - (size_t)base, err));
  d->ends.size = (at + 1) * each;
  d->values.size = (size_t)base;
done:
  return status;
}

/* Slots and levels of the first `rows` rows. */
static void measure_rows(const mst_pq_column_in *c, uint64_t rows, size_t *levels, size_t *slots) {
  const mst_pq_decoded *d = &c->out;
  uint64_t seen = 0;
  size_t i;
  *slots = (size_t)rows;
  *levels = 0;
  if (!c->nested) return;
  *slots = 0;
  for (i = 0; i < d->rep.size; i++) {
    seen += d->rep.data[i] == 0;
    if (seen > rows) break;
    *slots += d->def.data[i] >= c->field->parent_def;
  }
  *levels = i;
}

mst_status mst_pq_column_in_split(mst_pq_column_in *c, uint64_t rows, mst_pq_decoded *rest, mst_error *err) {
  mst_status status = MST_OK;
  mst_pq_decoded *d = &c->out;
  size_t levels, slots, n, ones = 0;
  mst_pq_decoded_init(rest, c->mem);
  measure_rows(c, rows, &levels, &slots);
  n = (size_t)d->slots - slots;
  if (d->has_valid) {
    MST_TRY(move_bits(&d->valid, slots, n, &rest->valid, &ones, err));
    rest->has_valid = true;
    rest->nulls = (int64_t)(n - ones);
  }
  if (c->field->conv == MST_PQ_CONV_BITS) {
    MST_TRY(move_bits(&d->values, slots, n, &rest->values, &ones, err));
  } else if (c->field->conv == MST_PQ_CONV_BYTES) {
    if (d->ends.size > 0) MST_TRY(move_bytes(d, c->field->large, slots, rest, err));
  } else {
    MST_TRY(mst_block_put(&rest->values, d->values.data + slots * c->field->width, n * c->field->width, err));
    d->values.size = slots * c->field->width;
  }
  if (c->field->conv == MST_PQ_CONV_NOTHING) rest->nulls = (int64_t)n;
  if (c->nested) {
    MST_TRY(mst_block_put(&rest->def, d->def.data + levels, d->def.size - levels, err));
    MST_TRY(mst_block_put(&rest->rep, d->rep.data + levels, d->rep.size - levels, err));
    d->def.size = d->rep.size = levels;
  }
  rest->slots = (int64_t)n;
  rest->rows = d->rows - rows;
  d->slots = (int64_t)slots;
  d->nulls -= rest->nulls;
  d->rows = rows;
done:
  return status;
}

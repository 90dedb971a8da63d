/* parquet/column_out.c - pages of one leaf column of one row group.
 *
 * A chunk begins with a dictionary where the column may have one; its pages wait until the chunk ends, or until the
 * dictionary turns out to be no gain: then they are written like all others. Owns: the pages it makes. May call: base,
 * codec, column. */
#include "parquet/column_out.h"

#include "parquet/bloom.h"
#include "parquet/encode_out.h"
#include "parquet/rle_out.h"
#include "parquet/sketch_out.h"
#include "parquet/thrift.h"
#include "parquet/values_out.h"

enum {
  HEAD_ROOM = 64, /* page headers without statistics stay below this         */
  DICTIONARY_BYTES_MOST = 1 << 20,
  INTERN_AT_ONCE = 4096, /* after so many values a dictionary must have shown a gain */
  TRIAL_VALUES = 8192,
  TRIAL_BYTES = 1 << 17
};

/* Runs of one piece of the open page. */
typedef struct part {
  const struct ArrowArray *array;
  size_t first_run, n_runs;
} part;

/* A page whose values are dictionary indices, not yet written. */
typedef struct waiting {
  mst_block levels;
  size_t first_index, n_values;
  uint64_t n_levels, rows, first_row, text;
  mst_pq_stats stats;
} waiting;

/* One chunk that is being written. */
typedef struct column_out {
  const mst_allocator *mem;
  const mst_pq_leaf *leaf;
  mst_pq_column_config *config;
  mst_block_coder *coder;
  mst_pq_chunk_out *chunk;
  mst_shred shred;
  part *parts;
  size_t n_parts, parts_capacity;
  uint64_t plain_bytes, rows, first_row; /* of the open page */
  mst_block levels, values, body, trial;
  bool dictionary;
  mst_intern intern;
  mst_block indices; /* uint32, of the whole chunk */
  mst_block hashes;  /* for a Bloom filter         */
  waiting *waiting;
  size_t n_waiting, waiting_capacity;
} column_out;

void mst_pq_chunk_out_init(const mst_allocator *mem, mst_pq_chunk_out *chunk) {
  *chunk = (mst_pq_chunk_out){0};
  mst_block_init(&chunk->histograms, mem);
  mst_block_init(&chunk->bloom, mem);
}

void mst_pq_chunk_out_free(const mst_allocator *mem, mst_pq_chunk_out *chunk) {
  size_t i;
  for (i = 0; i < chunk->n_pages; i++) mst_bytes_release(&chunk->pages[i].bytes);
  mst_free(mem, chunk->pages);
  mst_block_free(&chunk->histograms);
  mst_block_free(&chunk->bloom);
  mst_pq_chunk_out_init(mem, chunk);
}

/* Room for one more element in an array that doubles. */
static mst_status grow(const mst_allocator *mem, void **array, size_t n, size_t *capacity, size_t each,
                       mst_error *err) {
  void *grown;
  size_t wanted = *capacity == 0 ? 4 : 2 * *capacity;
  if (n < *capacity) return MST_OK;
  grown = mst_resize(mem, *array, wanted * each);
  if (grown == NULL) return mst_fail_memory(err);
  *array = grown;
  *capacity = wanted;
  return MST_OK;
}

/* ---- page headers -------------------------------------------------------------------------------------------- */

typedef struct page_head {
  mst_pq_page_type type;
  size_t plain, packed;
  uint32_t crc;
  uint32_t n_values;
  mst_pq_encoding encoding;
} page_head;

static mst_status put_head(mst_buf *b, const page_head *h, bool checksum, mst_error *err) {
  mst_status status = MST_OK;
  int16_t last = 0, inner = 0;
  MST_TRY(mst_thrift_put_i32(b, &last, 1, (int32_t)h->type, err));
  MST_TRY(mst_thrift_put_i32(b, &last, 2, (int32_t)h->plain, err));
  MST_TRY(mst_thrift_put_i32(b, &last, 3, (int32_t)h->packed, err));
  if (checksum) MST_TRY(mst_thrift_put_i32(b, &last, 4, (int32_t)h->crc, err));
  MST_TRY(mst_thrift_put_struct(b, &last, h->type == MST_PQ_DICTIONARY_PAGE ? 7 : 5, err));
  MST_TRY(mst_thrift_put_i32(b, &inner, 1, (int32_t)h->n_values, err));
  MST_TRY(mst_thrift_put_i32(b, &inner, 2, (int32_t)h->encoding, err));
  if (h->type == MST_PQ_DATA_PAGE) {
    MST_TRY(mst_thrift_put_i32(b, &inner, 3, MST_PQ_RLE, err));
    MST_TRY(mst_thrift_put_i32(b, &inner, 4, MST_PQ_RLE, err));
  }
  MST_TRY(mst_thrift_put_stop(b, err));
  MST_TRY(mst_thrift_put_stop(b, err));
done:
  return status;
}

/* ---- pages --------------------------------------------------------------------------------------------------- */

/* A page whose body lies in `out` behind HEAD_ROOM: packs it, and puts its header in front of it. */
static mst_status close_page(column_out *c, page_head *h, mst_block *body, mst_pq_page_out *page, mst_error *err) {
  mst_status status = MST_OK;
  mst_block packed, *out = body;
  mst_buf head;
  mst_bytes whole = {0};
  size_t size = body->size - HEAD_ROOM;
  mst_block_init(&packed, c->mem);
  mst_buf_init(&head, c->mem, 4096);
  if (size > INT32_MAX) {
    status = mst_fail(err, MST_E_LIMIT, "a Parquet page of %zu bytes is beyond the format's 2 GiB", size);
    goto done;
  }
  h->plain = h->packed = size;
  if (c->config->codec != MST_BLOCK_NONE) {
    out = &packed;
    MST_TRY(mst_block_grow(out, HEAD_ROOM + mst_block_bound(c->config->codec, size), err));
    MST_TRY(mst_block_pack(c->coder, c->config->codec, c->config->level, body->data + HEAD_ROOM, size,
                           out->data + HEAD_ROOM, &h->packed, err));
    out->size = HEAD_ROOM + h->packed;
  }
  if (c->config->checksums) h->crc = mst_crc32(0, out->data + HEAD_ROOM, h->packed);
  MST_TRY(put_head(&head, h, c->config->checksums, err));
  mst_assert(head.size <= HEAD_ROOM);
  if (out->capacity > 2 * out->size) MST_TRY(mst_block_shrink(out, err)); /* it packed well: give the rest back */
  memcpy(out->data + HEAD_ROOM - head.size, head.data, head.size);
  mst_block_take(out, &whole);
  page->bytes = mst_bytes_part(&whole, HEAD_ROOM - head.size, head.size + h->packed);
  page->head_size = (uint32_t)head.size;
  page->size = page->bytes.size;
  page->plain_size = head.size + size;
  c->chunk->packed_size += page->size;
  c->chunk->plain_size += page->plain_size;
  c->chunk->encodings |= 1u << h->encoding;
  c->chunk->n_pages++;
done:
  mst_bytes_release(&whole);
  mst_block_free(&packed);
  mst_buf_free(&head);
  return status;
}

static mst_status put_level_section(mst_block *out, const mst_block *levels, uint8_t max, mst_error *err) {
  mst_status status = MST_OK;
  size_t at = out->size;
  if (max == 0) return MST_OK;
  MST_TRY(mst_block_put_zero(out, 4, err));
  MST_TRY(mst_rle_put_levels(out, levels->data, levels->size, mst_bit_width(max), err));
  mst_put_le32(out->data + at, (uint32_t)(out->size - at - 4));
done:
  return status;
}

static void open_page(column_out *c) {
  c->first_row += c->rows;
  c->rows = c->plain_bytes = 0;
  c->n_parts = 0;
  c->levels.size = c->values.size = 0;
  mst_shred_clear(&c->shred);
}

/* What a data page is, beside its body. */
typedef struct page_facts {
  uint64_t n_levels, rows, first_row, text;
  mst_pq_encoding encoding;
  const mst_block *levels;
  mst_pq_stats stats;
} page_facts;

/* A data page around values that `c->body` holds behind HEAD_ROOM and the levels. */
static mst_status put_data_page(column_out *c, const page_facts *f, mst_error *err) {
  mst_status status = MST_OK;
  mst_pq_page_out *page;
  page_head head = {.type = MST_PQ_DATA_PAGE, .n_values = (uint32_t)f->n_levels, .encoding = f->encoding};
  if (f->n_levels > INT32_MAX)
    return mst_fail(err, MST_E_LIMIT, "a row of column \"%s\" has more than 2^31 values", c->leaf->path[0]);
  MST_TRY(grow(c->mem, (void **)&c->chunk->pages, c->chunk->n_pages, &c->chunk->pages_capacity, sizeof *c->chunk->pages,
               err));
  page = &c->chunk->pages[c->chunk->n_pages];
  *page = (mst_pq_page_out){
      .first_row = f->first_row, .rows = f->rows, .levels = f->n_levels, .text = f->text, .stats = f->stats};
  if (f->levels->size > 0) c->chunk->encodings |= 1u << MST_PQ_RLE;
  MST_TRY(close_page(c, &head, &c->body, page, err));
  page->values_at = page->head_size + (uint32_t)f->levels->size;
  mst_pq_stats_merge(&c->chunk->stats, c->leaf->order, &f->stats);
  c->chunk->levels += f->n_levels;
  c->chunk->data_encoding = f->encoding;
done:
  return status;
}

/* Makes c->body hold room for a header, and the levels. */
static mst_status begin_body(column_out *c, const mst_block *levels, size_t more, mst_error *err) {
  mst_status status = MST_OK;
  c->body.size = 0;
  MST_TRY(mst_block_reserve(&c->body, HEAD_ROOM + levels->size + more, err));
  c->body.size = HEAD_ROOM;
  MST_TRY(mst_block_put(&c->body, levels->data, levels->size, err));
done:
  return status;
}

/* ---- encodings by trial -------------------------------------------------------------------------------------- */

/* Values of a page that go into a trial, and their PLAIN bytes. */
static size_t trial_size(const mst_pq_leaf *leaf, const mst_block *plain, size_t n, size_t *bytes) {
  size_t i, at = 0;
  n = mst_min_size(n, TRIAL_VALUES);
  if (leaf->width > 0) {
    n = mst_min_size(n, TRIAL_BYTES / leaf->width + 1);
    *bytes = n * leaf->width;
    return n;
  }
  for (i = 0; i < n && at < TRIAL_BYTES; i++) at += 4 + (size_t)mst_le32(plain->data + at);
  *bytes = at;
  return i;
}

static mst_status try_encoding(column_out *c, mst_pq_encoding e, size_t bytes, size_t n, size_t *size, mst_error *err) {
  mst_status status = MST_OK;
  size_t plain;
  c->trial.size = 0;
  MST_TRY(mst_pq_encode(e, c->leaf->width, c->values.data, bytes, n, &c->trial, err));
  *size = c->trial.size;
  if (c->config->codec == MST_BLOCK_NONE) return MST_OK;
  plain = c->trial.size;
  MST_TRY(mst_block_reserve(&c->trial, mst_block_bound(c->config->codec, plain), err));
  status = mst_block_pack(c->coder, c->config->codec, c->config->level, c->trial.data, plain, c->trial.data + plain,
                          size, err);
done:
  return status;
}

/* The encoding of the smallest trial; PLAIN, which is the quickest, unless another one saves a twentieth. */
static mst_status choose_encoding(column_out *c, size_t n, mst_error *err) {
  mst_status status = MST_OK;
  static const mst_pq_encoding others[] = {MST_PQ_DELTA_BINARY_PACKED, MST_PQ_BYTE_STREAM_SPLIT,
                                           MST_PQ_DELTA_LENGTH_BYTE_ARRAY, MST_PQ_DELTA_BYTE_ARRAY};
  size_t bytes, size, best, i;
  bool strong =
      c->config->codec == MST_BLOCK_ZSTD || c->config->codec == MST_BLOCK_GZIP || c->config->codec == MST_BLOCK_BROTLI;
  c->config->known = true;
  c->config->encoding = MST_PQ_PLAIN;
  /* Of fixed byte strings the other readers know PLAIN and dictionaries alone. */
  if (c->leaf->physical == MST_PQ_BOOLEAN || c->leaf->physical == MST_PQ_FIXED || n < 64) return MST_OK;
  n = trial_size(c->leaf, &c->values, n, &bytes);
  MST_TRY(try_encoding(c, MST_PQ_PLAIN, bytes, n, &best, err));
  best -= best / 20;
  for (i = 0; i < sizeof others / sizeof others[0]; i++) {
    if (!mst_pq_can_encode(others[i], c->leaf->physical) || (others[i] == MST_PQ_BYTE_STREAM_SPLIT && !strong))
      continue;
    MST_TRY(try_encoding(c, others[i], bytes, n, &size, err));
    if (size >= best) continue;
    best = size;
    c->config->encoding = others[i];
  }
done:
  return status;
}

/* ---- pages without a dictionary ------------------------------------------------------------------------------ */

/* The encoding for the PLAIN values that c->values holds; a trial decides when nothing else did. */
static mst_status put_encoded_page(column_out *c, page_facts *f, size_t n, mst_error *err) {
  mst_status status = MST_OK;
  if (c->config->bloom) MST_TRY(mst_pq_put_hashes(c->leaf->width, c->values.data, n, &c->hashes, err));
  if (c->config->automatic && !c->config->known && n > 0) MST_TRY(choose_encoding(c, n, err));
  f->encoding = c->config->encoding;
  MST_TRY(begin_body(c, f->levels, c->values.size, err));
  MST_TRY(mst_block_reserve(&c->values, 0, err));
  MST_TRY(mst_pq_encode(f->encoding, c->leaf->width, c->values.data, c->values.size, n, &c->body, err));
  MST_TRY(put_data_page(c, f, err));
done:
  return status;
}

/* All values of the open page as PLAIN. */
static mst_status stage(column_out *c, mst_block *out, mst_pq_stats *stats, mst_error *err) {
  mst_status status = MST_OK;
  uint64_t bits = 0;
  size_t i;
  for (i = 0; i < c->n_parts; i++)
    if (c->parts[i].n_runs > 0)
      MST_TRY(mst_pq_put_plain(c->leaf, c->config->kernels, c->parts[i].array, c->shred.runs + c->parts[i].first_run,
                               c->parts[i].n_runs, out, &bits, stats, err));
done:
  return status;
}

/* Bytes of the open page's byte strings. */
static uint64_t open_text(const column_out *c) {
  uint64_t total = 0;
  size_t i;
  for (i = 0; c->config->sizes && c->leaf->map == MST_PQ_MAP_TEXT && i < c->n_parts; i++)
    total += mst_pq_text_size(c->leaf, c->parts[i].array, c->shred.runs + c->parts[i].first_run, c->parts[i].n_runs);
  return total;
}

static mst_status put_open_page(column_out *c, mst_error *err) {
  mst_status status = MST_OK;
  page_facts f = {.n_levels = (uint64_t)c->shred.levels,
                  .rows = c->rows,
                  .first_row = c->first_row,
                  .text = open_text(c),
                  .levels = &c->levels};
  mst_pq_stats *stats = c->config->statistics ? &f.stats : NULL;
  bool plain = !c->config->bloom && (!c->config->automatic || c->config->known);
  if (plain && c->config->encoding == MST_PQ_PLAIN) {
    /* PLAIN values go where they stay. */
    MST_TRY(begin_body(c, &c->levels, (size_t)c->plain_bytes, err));
    MST_TRY(stage(c, &c->body, stats, err));
    f.stats.nulls = (uint64_t)(c->shred.levels - c->shred.values);
    return put_data_page(c, &f, err);
  }
  if (plain && c->config->encoding == MST_PQ_DELTA_LENGTH_BYTE_ARRAY && c->n_parts == 1 &&
      c->leaf->type.layout != MST_LAYOUT_VIEWS) {
    f.encoding = c->config->encoding;
    MST_TRY(begin_body(c, &c->levels, (size_t)c->plain_bytes, err));
    MST_TRY(mst_pq_put_delta_lengths(c->leaf, c->parts[0].array, c->shred.runs + c->parts[0].first_run,
                                     c->parts[0].n_runs, &c->body, stats, err));
    f.stats.nulls = (uint64_t)(c->shred.levels - c->shred.values);
    return put_data_page(c, &f, err);
  }
  c->values.size = 0;
  MST_TRY(stage(c, &c->values, stats, err));
  f.stats.nulls = (uint64_t)(c->shred.levels - c->shred.values);
  MST_TRY(put_encoded_page(c, &f, (size_t)c->shred.values, err));
done:
  return status;
}

/* ---- dictionaries -------------------------------------------------------------------------------------------- */

static uint64_t index_count(const column_out *c) { return c->indices.size / sizeof(uint32_t); }

/* Bytes of the dictionary as a page. */
static uint64_t dictionary_bytes(const column_out *c) {
  return c->intern.values.size + (c->leaf->width == 0 ? 4 * (uint64_t)c->intern.n : 0);
}

/* Whether what was seen so far speaks for a dictionary: values that repeat do so ever more often. */
static bool worth_it(const column_out *c) {
  uint64_t n = index_count(c);
  if (dictionary_bytes(c) > DICTIONARY_BYTES_MOST) return false;
  if (n < INTERN_AT_ONCE) return true;
  return c->intern.n <= (n < 8 * INTERN_AT_ONCE ? n - n / 16 : n - n / 4);
}

/* PLAIN values of fixed width. */
static mst_status intern_fixed(column_out *c, const uint8_t *values, size_t n, bool *good, mst_error *err) {
  mst_status status = MST_OK;
  size_t i, k, done;
  uint32_t *to;
  MST_TRY(mst_block_reserve(&c->indices, n * sizeof *to, err));
  for (; n > 0 && *good; n -= k, values += k * c->leaf->width) {
    k = mst_min_size(n, INTERN_AT_ONCE);
    to = (uint32_t *)(void *)(c->indices.data + c->indices.size);
    if (c->leaf->width == 4) {
      MST_TRY(mst_intern_u32(&c->intern, values, k, UINT32_MAX, to, &done, err));
    } else if (c->leaf->width == 8) {
      MST_TRY(mst_intern_u64(&c->intern, values, k, UINT32_MAX, to, &done, err));
    } else {
      for (i = 0; i < k; i++)
        MST_TRY(mst_intern_bytes(&c->intern, values + i * c->leaf->width, c->leaf->width, &to[i], err));
    }
    c->indices.size += k * sizeof *to;
    *good = worth_it(c);
  }
done:
  return status;
}

/* Byte strings of one run. */
static mst_status intern_run(column_out *c, const struct ArrowArray *array, int64_t first, size_t n, uint32_t *to,
                             mst_error *err) {
  mst_status status = MST_OK;
  const mst_type *type = &c->leaf->type;
  size_t i, size;
  if (type->layout == MST_LAYOUT_OFFSETS32)
    return mst_intern_texts(&c->intern, (const int32_t *)array->buffers[1] + first, false, array->buffers[2], n, to,
                            err);
  if (type->layout == MST_LAYOUT_OFFSETS64)
    return mst_intern_texts(&c->intern, (const int64_t *)array->buffers[1] + first, true, array->buffers[2], n, to,
                            err);
  for (i = 0; i < n; i++) {
    const uint8_t *text = mst_array_text(type, array, first + (int64_t)i, &size);
    MST_TRY(mst_intern_bytes(&c->intern, text, size, &to[i], err));
  }
done:
  return status;
}

static mst_status intern_text(column_out *c, const part *p, bool *good, mst_error *err) {
  mst_status status = MST_OK;
  const mst_pq_run *runs = c->shred.runs + p->first_run;
  size_t k, n, done;
  uint64_t checked = index_count(c);
  for (k = 0; k < p->n_runs; k++) {
    MST_TRY(mst_block_reserve(&c->indices, (size_t)runs[k].count * sizeof(uint32_t), err));
    for (done = 0; done < (size_t)runs[k].count; done += n) {
      n = mst_min_size((size_t)runs[k].count - done, INTERN_AT_ONCE);
      MST_TRY(intern_run(c, p->array, runs[k].first + (int64_t)done, n,
                         (uint32_t *)(void *)(c->indices.data + c->indices.size), err));
      c->indices.size += n * sizeof(uint32_t);
      if (index_count(c) - checked < INTERN_AT_ONCE) continue;
      checked = index_count(c);
      *good = worth_it(c);
      if (!*good) return MST_OK;
    }
  }
done:
  return status;
}

/* The open page's values become indices behind the others; when the dictionary is no good, `*good` is false and the
 * indices are as they were. */
static mst_status intern_page(column_out *c, mst_pq_stats *stats, bool *good, mst_error *err) {
  mst_status status = MST_OK;
  size_t i, before = c->indices.size;
  if (c->leaf->width > 0) {
    c->values.size = 0;
    MST_TRY(stage(c, &c->values, stats, err));
    MST_TRY(intern_fixed(c, c->values.data, (size_t)c->shred.values, good, err));
  } else {
    for (i = 0; i < c->n_parts && *good; i++) MST_TRY(intern_text(c, &c->parts[i], good, err));
  }
  if (!*good) c->indices.size = before;
done:
  return status;
}

static const uint32_t *indices_of(const column_out *c, const waiting *w) {
  return (const uint32_t *)(const void *)c->indices.data + w->first_index;
}

/* Values that wait as indices, as PLAIN again. */
static mst_status look_up(column_out *c, const waiting *w, mst_error *err) {
  mst_status status = MST_OK;
  const uint32_t *indices = indices_of(c, w);
  size_t i, n;
  c->values.size = 0;
  for (i = 0; i < w->n_values; i++) {
    const uint8_t *p = c->intern.values.data + (size_t)indices[i] * c->leaf->width;
    uint8_t size[4];
    n = c->leaf->width;
    if (n == 0) {
      p = mst_intern_text(&c->intern, indices[i], &n);
      mst_put_le32(size, (uint32_t)n);
      MST_TRY(mst_block_put(&c->values, size, 4, err));
    }
    MST_TRY(mst_block_put(&c->values, p, n, err));
  }
done:
  return status;
}

/* Statistics of byte strings that wait as indices: each distinct one is looked at once. */
static mst_status text_stats(column_out *c, waiting *w, mst_error *err) {
  mst_status status = MST_OK;
  const uint32_t *indices = indices_of(c, w);
  mst_pq_text_range range = {0};
  size_t i, n;
  uint32_t k;
  if (!c->config->statistics || c->leaf->width > 0 || w->n_values == 0) return MST_OK;
  c->trial.size = 0;
  MST_TRY(mst_block_put_zero(&c->trial, c->intern.n, err));
  for (i = 0; i < w->n_values; i++) c->trial.data[indices[i]] = 1;
  for (k = 0; k < c->intern.n; k++) {
    const uint8_t *p;
    if (c->trial.data[k] == 0) continue;
    p = mst_intern_text(&c->intern, k, &n);
    mst_pq_text_range_add(&range, c->leaf->order, p, n);
  }
  mst_pq_text_range_end(&range, c->leaf->order, c->leaf->type.kind == MST_KIND_TEXT, &w->stats);
done:
  return status;
}

static page_facts facts_of(const waiting *w) {
  return (page_facts){.n_levels = w->n_levels,
                      .rows = w->rows,
                      .first_row = w->first_row,
                      .text = w->text,
                      .levels = &w->levels,
                      .stats = w->stats};
}

/* Writes what waits without the dictionary. */
static mst_status give_up_dictionary(column_out *c, mst_error *err) {
  mst_status status = MST_OK;
  size_t i;
  c->dictionary = false;
  for (i = 0; i < c->n_waiting; i++) {
    page_facts f;
    MST_TRY(text_stats(c, &c->waiting[i], err));
    f = facts_of(&c->waiting[i]);
    MST_TRY(look_up(c, &c->waiting[i], err));
    MST_TRY(put_encoded_page(c, &f, c->waiting[i].n_values, err));
  }
done:
  return status;
}

static mst_status put_dictionary_page(column_out *c, mst_error *err) {
  mst_status status = MST_OK;
  mst_pq_page_out *page;
  page_head head = {.type = MST_PQ_DICTIONARY_PAGE, .n_values = c->intern.n, .encoding = MST_PQ_PLAIN};
  uint32_t i;
  uint8_t size[4];
  size_t n;
  MST_TRY(grow(c->mem, (void **)&c->chunk->pages, c->chunk->n_pages, &c->chunk->pages_capacity, sizeof *c->chunk->pages,
               err));
  page = &c->chunk->pages[c->chunk->n_pages];
  *page = (mst_pq_page_out){.dictionary = true};
  c->levels.size = 0;
  MST_TRY(begin_body(c, &c->levels, (size_t)dictionary_bytes(c), err));
  if (c->leaf->width > 0) MST_TRY(mst_block_put(&c->body, c->intern.values.data, c->intern.values.size, err));
  for (i = 0; c->leaf->width == 0 && i < c->intern.n; i++) {
    const uint8_t *p = mst_intern_text(&c->intern, i, &n);
    mst_put_le32(size, (uint32_t)n);
    MST_TRY(mst_block_put(&c->body, size, 4, err));
    MST_TRY(mst_block_put(&c->body, p, n, err));
  }
  MST_TRY(close_page(c, &head, &c->body, page, err));
  c->chunk->has_dictionary = true;
done:
  return status;
}

static mst_status put_index_page(column_out *c, waiting *w, mst_error *err) {
  mst_status status = MST_OK;
  unsigned width = mst_bit_width(c->intern.n - 1);
  uint8_t byte = (uint8_t)width;
  page_facts f;
  MST_TRY(text_stats(c, w, err));
  f = facts_of(w);
  f.encoding = MST_PQ_RLE_DICTIONARY;
  MST_TRY(begin_body(c, f.levels, w->n_values * width / 8 + 64, err));
  MST_TRY(mst_block_put(&c->body, &byte, 1, err));
  MST_TRY(mst_rle_put_indices(&c->body, indices_of(c, w), w->n_values, width, err));
  MST_TRY(put_data_page(c, &f, err));
done:
  return status;
}

/* The dictionary's values are the distinct ones. */
static mst_status hash_dictionary(column_out *c, mst_error *err) {
  mst_status status = MST_OK;
  uint32_t i;
  size_t n;
  if (!c->config->bloom) return MST_OK;
  if (c->leaf->width > 0) return mst_pq_put_hashes(c->leaf->width, c->intern.values.data, c->intern.n, &c->hashes, err);
  for (i = 0; i < c->intern.n; i++) {
    const uint8_t *p = mst_intern_text(&c->intern, i, &n);
    uint64_t hash = mst_pq_hash64(p, n);
    MST_TRY(mst_block_put(&c->hashes, &hash, sizeof hash, err));
  }
done:
  return status;
}

/* Bits a value that DELTA_BINARY_PACKED takes on the first values of the chunk; 64 for what it cannot hold. */
static mst_status delta_bits(column_out *c, uint64_t *bits, mst_error *err) {
  mst_status status = MST_OK;
  size_t n = c->n_waiting > 0 ? mst_min_size(c->waiting[0].n_values, TRIAL_VALUES) : 0;
  waiting first;
  *bits = 64;
  if (!c->config->automatic || n < 64 || !mst_pq_can_encode(MST_PQ_DELTA_BINARY_PACKED, c->leaf->physical))
    return MST_OK;
  first = c->waiting[0];
  first.n_values = n;
  MST_TRY(look_up(c, &first, err));
  c->trial.size = 0;
  MST_TRY(mst_pq_encode(MST_PQ_DELTA_BINARY_PACKED, c->leaf->width, c->values.data, c->values.size, n, &c->trial, err));
  *bits = 8 * (uint64_t)c->trial.size / n;
done:
  return status;
}

/* The whole chunk is known: is the dictionary a gain? */
static mst_status end_dictionary(column_out *c, mst_error *err) {
  mst_status status = MST_OK;
  uint64_t n = index_count(c), plain = 0, packed, bits;
  size_t i;
  for (i = 0; i < c->n_waiting; i++) plain += c->waiting[i].n_values * (c->leaf->width > 0 ? c->leaf->width : 4);
  if (c->leaf->width == 0 && c->intern.n > 0) plain += c->intern.values.size / c->intern.n * n;
  packed = dictionary_bytes(c) + n * mst_bit_width(c->intern.n) / 8;
  MST_TRY(delta_bits(c, &bits, err));
  plain = mst_min_u64(plain, n * bits / 8 + n * bits / 40);
  if (c->intern.n == 0 || (packed > plain - plain / 10 && n >= INTERN_AT_ONCE)) return give_up_dictionary(c, err);
  MST_TRY(hash_dictionary(c, err));
  MST_TRY(put_dictionary_page(c, err));
  for (i = 0; i < c->n_waiting; i++) MST_TRY(put_index_page(c, &c->waiting[i], err));
done:
  return status;
}

static mst_status wait_page(column_out *c, bool *good, mst_error *err) {
  mst_status status = MST_OK;
  waiting *w;
  MST_TRY(grow(c->mem, (void **)&c->waiting, c->n_waiting, &c->waiting_capacity, sizeof *c->waiting, err));
  w = &c->waiting[c->n_waiting];
  *w = (waiting){.first_index = (size_t)index_count(c),
                 .n_values = (size_t)c->shred.values,
                 .n_levels = (uint64_t)c->shred.levels,
                 .rows = c->rows,
                 .first_row = c->first_row,
                 .text = open_text(c)};
  MST_TRY(intern_page(c, c->config->statistics ? &w->stats : NULL, good, err));
  if (!*good) return MST_OK;
  w->stats.nulls = w->n_levels - w->n_values;
  w->levels = c->levels;
  mst_block_init(&c->levels, c->mem);
  c->n_waiting++;
done:
  return status;
}

/* ---- cutting pages ------------------------------------------------------------------------------------------- */

static mst_status end_page(column_out *c, mst_error *err) {
  mst_status status = MST_OK;
  bool good = true;
  if (c->rows == 0) return MST_OK;
  MST_TRY(mst_block_reserve(&c->levels, 0, err));
  MST_TRY(put_level_section(&c->levels, &c->shred.rep, c->leaf->max_rep, err));
  MST_TRY(put_level_section(&c->levels, &c->shred.def, c->leaf->max_def, err));
  if (c->config->sizes)
    MST_TRY(mst_pq_put_histogram(c->leaf, c->config->kernels, &c->shred, &c->chunk->histograms, err));
  if (c->dictionary) {
    MST_TRY(wait_page(c, &good, err));
    if (!good) MST_TRY(give_up_dictionary(c, err));
  }
  if (!c->dictionary) MST_TRY(put_open_page(c, err));
  open_page(c);
done:
  return status;
}

/* ---- how many rows fit a page -------------------------------------------------------------------------------- */

/* PLAIN bytes of rows [first, first + n) of text. */
static uint64_t text_bytes(const mst_type *type, const struct ArrowArray *array, int64_t first, int64_t n) {
  int64_t at = array->offset + first, size;
  if (type->layout == MST_LAYOUT_OFFSETS32) {
    const int32_t *offsets = array->buffers[1];
    size = offsets[at + n] - offsets[at];
  } else {
    const int64_t *offsets = array->buffers[1];
    size = offsets[at + n] - offsets[at];
  }
  return (uint64_t)size + 4 * (uint64_t)n;
}

/* The largest n in 1 … count for which rows [first, first + n) take at most `room` bytes; 1 also when none does. */
static int64_t rows_of_text(const mst_type *type, const struct ArrowArray *array, int64_t first, int64_t count,
                            uint64_t room) {
  int64_t low = 1, high = count;
  while (low < high) {
    int64_t n = low + (high - low + 1) / 2;
    if (text_bytes(type, array, first, n) <= room) {
      low = n;
    } else {
      high = n - 1;
    }
  }
  return low;
}

/* PLAIN bytes of a whole leaf array, for an average. */
static uint64_t leaf_bytes(const mst_pq_leaf *leaf, const struct ArrowArray *array) {
  uint64_t n = (uint64_t)array->length, total = 4 * n;
  int64_t i;
  if (leaf->map == MST_PQ_MAP_BITS || leaf->map == MST_PQ_MAP_NOTHING) return n / 8;
  if (leaf->map != MST_PQ_MAP_TEXT) return n * leaf->width;
  if (leaf->type.layout != MST_LAYOUT_VIEWS) return n > 0 ? text_bytes(&leaf->type, array, 0, array->length) : 0;
  for (i = 0; i < array->length; i++) total += mst_le32((const uint8_t *)array->buffers[1] + 16 * (array->offset + i));
  return total;
}

/* How many of the next rows the open page takes, and about how many PLAIN bytes they are; 0: it is full. */
static int64_t page_rows(const column_out *c, const mst_pq_piece *piece, int64_t first, int64_t count,
                         uint64_t *bytes) {
  const mst_pq_leaf *leaf = c->leaf;
  const struct ArrowArray *array = mst_shred_leaf(leaf, piece->column);
  uint64_t room = c->config->page_bytes, each;
  int64_t n;
  if (c->plain_bytes >= room || c->rows >= c->config->page_rows) return 0;
  room -= c->plain_bytes;
  count = (int64_t)mst_min_u64((uint64_t)count, c->config->page_rows - c->rows);
  if (leaf->n_steps == 1 && leaf->map == MST_PQ_MAP_TEXT && leaf->type.layout != MST_LAYOUT_VIEWS) {
    n = rows_of_text(&leaf->type, array, first, count, room);
    *bytes = text_bytes(&leaf->type, array, first, n);
    return c->rows > 0 && *bytes > room ? 0 : n;
  }
  each = leaf_bytes(leaf, array) / (uint64_t)(piece->column->length > 0 ? piece->column->length : 1);
  if (each == 0) each = 1;
  n = (int64_t)mst_min_u64((uint64_t)count, mst_max_u64(1, room / each));
  *bytes = (uint64_t)n * each;
  return n;
}

/* ---- the column ---------------------------------------------------------------------------------------------- */

static mst_status put_piece(column_out *c, const mst_pq_piece *piece, mst_error *err) {
  mst_status status = MST_OK;
  int64_t done = 0, n;
  uint64_t bytes = 0;
  while (done < piece->count) {
    n = page_rows(c, piece, piece->first + done, piece->count - done, &bytes);
    if (n == 0) {
      MST_TRY(end_page(c, err));
      continue;
    }
    MST_TRY(grow(c->mem, (void **)&c->parts, c->n_parts, &c->parts_capacity, sizeof *c->parts, err));
    c->parts[c->n_parts] = (part){.array = mst_shred_leaf(c->leaf, piece->column), .first_run = c->shred.n_runs};
    MST_TRY(mst_shred_rows(&c->shred, c->leaf, piece->column, piece->first + done, n, err));
    c->parts[c->n_parts].n_runs = c->shred.n_runs - c->parts[c->n_parts].first_run;
    c->n_parts++;
    done += n;
    c->rows += (uint64_t)n;
    c->plain_bytes += bytes;
  }
done:
  return status;
}

static void free_column(column_out *c) {
  size_t i;
  for (i = 0; i < c->n_waiting; i++) mst_block_free(&c->waiting[i].levels);
  mst_free(c->mem, c->waiting);
  mst_free(c->mem, c->parts);
  mst_shred_free(&c->shred);
  mst_intern_free(&c->intern);
  mst_block_free(&c->levels);
  mst_block_free(&c->values);
  mst_block_free(&c->body);
  mst_block_free(&c->trial);
  mst_block_free(&c->indices);
  mst_block_free(&c->hashes);
}

mst_status mst_pq_column_write(const mst_allocator *mem, const mst_pq_leaf *leaf, mst_pq_column_config *config,
                               mst_block_coder *coder, const mst_pq_piece *pieces, size_t n_pieces,
                               mst_pq_chunk_out *out, mst_error *err) {
  mst_status status = MST_OK;
  mst_pq_chunk_out chunk;
  column_out c = {.mem = mem, .leaf = leaf, .config = config, .coder = coder, .chunk = &chunk};
  size_t i;
  mst_pq_chunk_out_init(mem, &chunk);
  mst_shred_init(&c.shred, mem);
  mst_intern_init(&c.intern, mem);
  mst_block_init(&c.levels, mem);
  mst_block_init(&c.values, mem);
  mst_block_init(&c.body, mem);
  mst_block_init(&c.trial, mem);
  mst_block_init(&c.indices, mem);
  mst_block_init(&c.hashes, mem);
  c.dictionary = config->dictionary && leaf->physical != MST_PQ_BOOLEAN && leaf->map != MST_PQ_MAP_NOTHING;
  open_page(&c);
  for (i = 0; i < n_pieces; i++) MST_TRY(put_piece(&c, &pieces[i], err));
  MST_TRY(end_page(&c, err));
  if (c.dictionary) MST_TRY(end_dictionary(&c, err));
  MST_TRY(mst_pq_bloom_make(&c.hashes, config->bloom_share, &chunk.bloom, err));
  *out = chunk;
  mst_pq_chunk_out_init(mem, &chunk);
done:
  mst_pq_chunk_out_free(mem, &chunk);
  free_column(&c);
  return status;
}

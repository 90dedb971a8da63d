/* parquet/column_out.c - pages of one leaf column of one row group.
 *
 * Owns: the pages it makes. May call: base, codec, column. */
#include "parquet/column_out.h"

#include "codec/codec.h"
#include "parquet/thrift.h"
#include "parquet/values_out.h"

enum { HEAD_ROOM = 64 }; /* page headers without statistics stay below this */

/* One chunk that is being written. */
typedef struct column_out {
  const mst_allocator *mem;
  const mst_pq_leaf *leaf;
  const mst_pq_column_config *config;
  mst_block_coder *coder;
  mst_pq_chunk_out *chunk;
  mst_shred shred;
  mst_block def, rep, values; /* of the open page */
  mst_block body;             /* levels and values in one piece */
  uint64_t bits;              /* bools in `values` */
  uint64_t rows, first_row;
  mst_pq_stats stats; /* of the open page */
} column_out;

void mst_pq_chunk_out_free(const mst_allocator *mem, mst_pq_chunk_out *chunk) {
  size_t i;
  for (i = 0; i < chunk->n_pages; i++) mst_bytes_release(&chunk->pages[i].bytes);
  mst_free(mem, chunk->pages);
  *chunk = (mst_pq_chunk_out){0};
}

static mst_status add_page(column_out *c, mst_pq_page_out **out, mst_error *err) {
  mst_pq_chunk_out *chunk = c->chunk;
  if (chunk->n_pages == chunk->pages_capacity) {
    size_t capacity = chunk->pages_capacity == 0 ? 4 : 2 * chunk->pages_capacity;
    mst_pq_page_out *grown = mst_resize(c->mem, chunk->pages, capacity * sizeof *grown);
    if (grown == NULL) return mst_fail_memory(err);
    chunk->pages = grown;
    chunk->pages_capacity = capacity;
  }
  *out = &chunk->pages[chunk->n_pages];
  **out = (mst_pq_page_out){0};
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

/* Packs `body` and puts its header in front of it. */
static mst_status close_page(column_out *c, page_head *h, const uint8_t *body, size_t size, mst_pq_page_out *page,
                             mst_error *err) {
  mst_status status = MST_OK;
  mst_block out;
  mst_buf head;
  mst_bytes whole = {0};
  mst_block_init(&out, c->mem);
  mst_buf_init(&head, c->mem, 4096);
  if (size > INT32_MAX) {
    status = mst_fail(err, MST_E_LIMIT, "a Parquet page of %zu bytes is beyond the format's 2 GiB", size);
    goto done;
  }
  h->plain = size;
  MST_TRY(mst_block_grow(&out, HEAD_ROOM + mst_block_bound(c->config->codec, size), err));
  MST_TRY(
      mst_block_pack(c->coder, c->config->codec, c->config->level, body, size, out.data + HEAD_ROOM, &h->packed, err));
  if (c->config->checksums) h->crc = mst_crc32(0, out.data + HEAD_ROOM, h->packed);
  MST_TRY(put_head(&head, h, c->config->checksums, err));
  mst_assert(head.size <= HEAD_ROOM);
  out.size = HEAD_ROOM + h->packed;
  /* A page that packed well gives the rest of its room back. */
  if (out.capacity > 2 * out.size) MST_TRY(mst_block_shrink(&out, err));
  memcpy(out.data + HEAD_ROOM - head.size, head.data, head.size);
  mst_block_take(&out, &whole);
  page->bytes = mst_bytes_part(&whole, HEAD_ROOM - head.size, head.size + h->packed);
  page->head_size = (uint32_t)head.size;
  page->size = page->bytes.size;
  page->plain_size = head.size + size;
  c->chunk->packed_size += page->bytes.size;
  c->chunk->plain_size += page->plain_size;
  c->chunk->encodings |= 1u << h->encoding;
  c->chunk->n_pages++;
done:
  mst_bytes_release(&whole);
  mst_block_free(&out);
  mst_buf_free(&head);
  return status;
}

static mst_status put_level_section(mst_block *body, const mst_block *levels, mst_error *err) {
  mst_status status = MST_OK;
  uint8_t size[4];
  mst_put_le32(size, (uint32_t)levels->size);
  MST_TRY(mst_block_put(body, size, 4, err));
  MST_TRY(mst_block_put(body, levels->data, levels->size, err));
done:
  return status;
}

static void open_page(column_out *c) {
  c->first_row += c->rows;
  c->rows = 0;
  c->bits = 0;
  c->stats = (mst_pq_stats){0};
  c->def.size = c->rep.size = c->values.size = c->body.size = 0;
  c->shred.levels = c->shred.values = 0;
  c->shred.n_runs = 0;
  mst_rle_out_begin(&c->shred.def, &c->def, mst_bit_width(c->leaf->max_def));
  mst_rle_out_begin(&c->shred.rep, &c->rep, mst_bit_width(c->leaf->max_rep));
}

static mst_status end_page(column_out *c, mst_error *err) {
  mst_status status = MST_OK;
  const mst_block *values = &c->values;
  mst_pq_page_out *page;
  page_head head = {.type = MST_PQ_DATA_PAGE, .n_values = (uint32_t)c->shred.levels, .encoding = MST_PQ_PLAIN};
  if (c->rows == 0) return MST_OK;
  if (c->shred.levels > INT32_MAX)
    return mst_fail(err, MST_E_LIMIT, "a row of column \"%s\" has more than 2^31 values", c->leaf->path[0]);
  MST_TRY(mst_rle_out_end(&c->shred.def, err));
  MST_TRY(mst_rle_out_end(&c->shred.rep, err));
  MST_TRY(add_page(c, &page, err));
  if (c->leaf->max_def > 0 || c->leaf->max_rep > 0) {
    MST_TRY(mst_block_reserve(&c->body, c->def.size + c->rep.size + c->values.size + 8, err));
    if (c->leaf->max_rep > 0) MST_TRY(put_level_section(&c->body, &c->rep, err));
    if (c->leaf->max_def > 0) MST_TRY(put_level_section(&c->body, &c->def, err));
    page->values_at = (uint32_t)c->body.size;
    MST_TRY(mst_block_put(&c->body, c->values.data, c->values.size, err));
    values = &c->body;
    c->chunk->encodings |= 1u << MST_PQ_RLE;
  }
  c->stats.nulls = (uint64_t)(c->shred.levels - c->shred.values);
  page->stats = c->stats;
  page->first_row = c->first_row;
  page->rows = c->rows;
  page->levels = (uint64_t)c->shred.levels;
  MST_TRY(close_page(c, &head, values->data, values->size, page, err));
  page->values_at += page->head_size;
  mst_pq_stats_merge(&c->chunk->stats, c->leaf->order, &c->stats);
  c->chunk->levels += page->levels;
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

static int64_t page_rows(const column_out *c, const mst_pq_piece *piece, int64_t first, int64_t count) {
  const mst_pq_leaf *leaf = c->leaf;
  const struct ArrowArray *array = mst_shred_leaf(leaf, piece->column);
  uint64_t room = c->config->page_bytes, used = c->values.size, each;
  if (used >= room) return 0;
  room -= used;
  if (leaf->n_steps == 1 && leaf->map == MST_PQ_MAP_TEXT && leaf->type.layout != MST_LAYOUT_VIEWS) {
    int64_t n = rows_of_text(&leaf->type, array, first, count, room);
    return c->rows > 0 && n == 1 && text_bytes(&leaf->type, array, first, 1) > room ? 0 : n;
  }
  each = leaf_bytes(leaf, array) / (uint64_t)(piece->column->length > 0 ? piece->column->length : 1);
  if (each == 0) each = 1;
  return (int64_t)mst_min_u64((uint64_t)count, mst_max_u64(1, room / each));
}

/* ---- the column ---------------------------------------------------------------------------------------------- */

static mst_status put_piece(column_out *c, const mst_pq_piece *piece, mst_error *err) {
  mst_status status = MST_OK;
  const struct ArrowArray *array = mst_shred_leaf(c->leaf, piece->column);
  int64_t done = 0, n;
  while (done < piece->count) {
    n = page_rows(c, piece, piece->first + done, piece->count - done);
    if (n == 0) {
      MST_TRY(end_page(c, err));
      open_page(c);
      continue;
    }
    c->shred.n_runs = 0;
    MST_TRY(mst_shred_rows(&c->shred, c->leaf, piece->column, piece->first + done, n, err));
    MST_TRY(mst_pq_put_plain(c->leaf, array, c->shred.runs, c->shred.n_runs, &c->values, &c->bits,
                             c->config->statistics ? &c->stats : NULL, err));
    done += n;
    c->rows += (uint64_t)n;
    if (done < piece->count) {
      MST_TRY(end_page(c, err));
      open_page(c);
    }
  }
done:
  return status;
}

mst_status mst_pq_column_write(const mst_allocator *mem, const mst_pq_leaf *leaf, const mst_pq_column_config *config,
                               mst_block_coder *coder, const mst_pq_piece *pieces, size_t n_pieces,
                               mst_pq_chunk_out *out, mst_error *err) {
  mst_status status = MST_OK;
  mst_pq_chunk_out chunk = {0};
  column_out c = {.mem = mem, .leaf = leaf, .config = config, .coder = coder, .chunk = &chunk, .shred = {.mem = mem}};
  size_t i;
  mst_block_init(&c.def, mem);
  mst_block_init(&c.rep, mem);
  mst_block_init(&c.values, mem);
  mst_block_init(&c.body, mem);
  open_page(&c);
  for (i = 0; i < n_pieces; i++) MST_TRY(put_piece(&c, &pieces[i], err));
  MST_TRY(end_page(&c, err));
  *out = chunk;
  chunk = (mst_pq_chunk_out){0};
done:
  mst_pq_chunk_out_free(mem, &chunk);
  mst_shred_free(&c.shred);
  mst_block_free(&c.def);
  mst_block_free(&c.rep);
  mst_block_free(&c.values);
  mst_block_free(&c.body);
  return status;
}

/* parquet/writer.c - the writer: batches in, bytes of the file out, row group by row group.
 *
 * Owns: batches until their row group is out, and the facts for the footer. May call: base, codec, column. */
#include "codec/codec.h"
#include "parquet/encode_out.h"
#include "parquet/footer_out.h"
#include "parquet/group_out.h"
#include "parquet/parquet.h"
#include "parquet/sketch_out.h"
#include "parquet/values_out.h"

/* A batch of which the rows before `done` are already written. */
typedef struct pending_batch {
  mst_pq_batch *of;
  int64_t done;
} pending_batch;

struct mst_parquet_writer {
  const mst_allocator *mem;
  struct ArrowSchema schema; /* of the batches; the shape's is without dictionaries */
  bool plain;                /* both are the same */
  mst_pq_shape shape;
  mst_pq_column_config *configs; /* one for each leaf */
  uint64_t row_group_rows, row_group_bytes;
  mst_parquet_sink sink;
  mst_block_coder coder;
  uint64_t at;
  pending_batch *pending;
  size_t n_pending, pending_capacity;
  uint64_t pending_rows, pending_bytes;
  mst_pq_encoders *encoders;     /* NULL: columns are encoded one by one */
  mst_pq_group_out *encoding[2]; /* row groups that are not out yet, in order */
  size_t n_encoding;
  mst_pq_file_meta meta;
  bool closed, failed;
};

/* ---- opening ------------------------------------------------------------------------------------------------- */

static mst_status block_codec(mst_parquet_codec codec, mst_block_codec *out, mst_error *err) {
  switch (codec) {
  case MST_PARQUET_NONE: *out = MST_BLOCK_NONE; return MST_OK;
  case MST_PARQUET_SNAPPY: *out = MST_BLOCK_SNAPPY; return MST_OK;
  case MST_PARQUET_GZIP: *out = MST_BLOCK_GZIP; return MST_OK;
  case MST_PARQUET_BROTLI: *out = MST_BLOCK_BROTLI; return MST_OK;
  case MST_PARQUET_LZ4: *out = MST_BLOCK_LZ4_HADOOP; return MST_OK;
  case MST_PARQUET_ZSTD: *out = MST_BLOCK_ZSTD; return MST_OK;
  case MST_PARQUET_LZ4_RAW: *out = MST_BLOCK_LZ4; return MST_OK;
  }
  return mst_fail(err, MST_E_ARGUMENT, "Parquet knows no codec number %d", (int)codec);
}

/* Whether `name` is the leaf's path, its parts joined by dots. */
static bool is_path(const mst_pq_leaf *leaf, const char *name) {
  uint32_t i;
  for (i = 0; i < leaf->n_path; i++) {
    size_t n = strlen(leaf->path[i]);
    if (strncmp(name, leaf->path[i], n) != 0 || name[n] != (i + 1 < leaf->n_path ? '.' : '\0')) return false;
    name += n + 1;
  }
  return true;
}

/* Options of a leaf: those of its full path before those of its column. */
static const mst_parquet_column_options *options_of(const mst_parquet_writer_options *o, const mst_pq_leaf *leaf) {
  const mst_parquet_column_options *found = NULL;
  size_t i;
  for (i = 0; i < o->n_columns; i++) {
    if (is_path(leaf, o->columns[i].name)) return &o->columns[i];
    if (mst_text_equal(o->columns[i].name, leaf->path[0])) found = &o->columns[i];
  }
  return found;
}

/* The leaf of that path, or with `top` the first one of the column of that name; n_leaves for none. */
static uint32_t find_leaf(const mst_pq_shape *shape, const char *name, bool top) {
  uint32_t i;
  for (i = 0; i < shape->n_leaves; i++)
    if (is_path(&shape->leaves[i], name) || (top && mst_text_equal(shape->leaves[i].path[0], name))) break;
  return i;
}

static mst_status no_leaf(const mst_pq_shape *shape, const char *name, mst_error *err) {
  const char *names[64], *nearest;
  uint32_t i;
  for (i = 0; i < shape->n_leaves && i < 64; i++) names[i] = shape->leaves[i].path[0];
  nearest = mst_text_nearest(name, names, i);
  if (nearest != NULL)
    return mst_fail(err, MST_E_ARGUMENT, "options for a column \"%s\" that is not written (did you mean \"%s\"?)", name,
                    nearest);
  return mst_fail(err, MST_E_ARGUMENT, "options for a column \"%s\" that is not written", name);
}

static mst_status set_encoding(const mst_pq_leaf *leaf, mst_parquet_encoding encoding, mst_pq_column_config *c,
                               mst_error *err) {
  static const mst_pq_encoding encodings[] = {MST_PQ_PLAIN,
                                              MST_PQ_PLAIN,
                                              MST_PQ_PLAIN,
                                              MST_PQ_RLE,
                                              MST_PQ_DELTA_BINARY_PACKED,
                                              MST_PQ_DELTA_LENGTH_BYTE_ARRAY,
                                              MST_PQ_DELTA_BYTE_ARRAY,
                                              MST_PQ_BYTE_STREAM_SPLIT};
  if ((unsigned)encoding >= sizeof encodings / sizeof encodings[0])
    return mst_fail(err, MST_E_ARGUMENT, "encoding option %d of column \"%s\" is unknown", (int)encoding,
                    leaf->path[0]);
  c->encoding = encodings[encoding];
  c->automatic = encoding == MST_PARQUET_ENCODING_AUTO;
  if (encoding != MST_PARQUET_ENCODING_AUTO && encoding != MST_PARQUET_ENCODING_DICTIONARY) c->dictionary = false;
  if (encoding == MST_PARQUET_ENCODING_DICTIONARY) c->dictionary = true;
  if (c->encoding != MST_PQ_PLAIN && !mst_pq_can_encode(c->encoding, leaf->physical))
    return mst_fail(err, MST_E_ARGUMENT, "column \"%s\" is stored as %s, which %s cannot encode", leaf->path[0],
                    mst_pq_physical_name(leaf->physical), mst_pq_encoding_name((int)c->encoding));
  return MST_OK;
}

static mst_status set_bloom(const mst_pq_leaf *leaf, const mst_parquet_column_options *own, mst_pq_column_config *c,
                            mst_error *err) {
  c->bloom = own != NULL && own->bloom;
  c->bloom_share = own != NULL && own->bloom_share != 0 ? own->bloom_share : 0.01;
  if (!c->bloom) return MST_OK;
  if (leaf->physical == MST_PQ_BOOLEAN || leaf->map == MST_PQ_MAP_NOTHING)
    return mst_fail(err, MST_E_ARGUMENT,
                    "column \"%s\" holds bools or nothing but nulls, for which there are no Bloom filters",
                    leaf->path[0]);
  if (!(c->bloom_share > 0 && c->bloom_share < 1))
    return mst_fail(err, MST_E_ARGUMENT,
                    "the Bloom filter of column \"%s\" may have %g of false finds, which is not between 0 and 1",
                    leaf->path[0], c->bloom_share);
  return MST_OK;
}

static mst_status configure_leaf(const mst_pq_leaf *leaf, const mst_parquet_writer_options *o, mst_pq_column_config *c,
                                 mst_error *err) {
  mst_status status = MST_OK;
  const mst_parquet_column_options *own = options_of(o, leaf);
  bool own_codec = own != NULL && own->codec_set;
  MST_TRY(block_codec(own_codec ? own->codec : o->codec, &c->codec, err));
  c->level = own_codec && own->codec != o->codec ? 0 : o->level;
  c->dictionary = !o->no_dictionary;
  c->statistics = !o->no_statistics && (own == NULL || !own->no_statistics);
  c->checksums = !o->no_checksums;
  c->sizes = !o->no_size_statistics;
  MST_TRY(set_bloom(leaf, own, c, err));
  c->page_bytes = o->page_bytes != 0 ? (size_t)o->page_bytes : (size_t)1 << 20;
  c->page_rows = o->page_rows != 0 ? o->page_rows : UINT64_MAX;
  c->kernels = mst_pq_kernels_best();
  MST_TRY(set_encoding(leaf,
                       own == NULL  ? MST_PARQUET_ENCODING_AUTO
                       : own->plain ? MST_PARQUET_ENCODING_PLAIN
                                    : own->encoding,
                       c, err));
done:
  return status;
}

static mst_status configure(mst_parquet_writer *w, const mst_parquet_writer_options *o, mst_error *err) {
  mst_status status = MST_OK;
  uint32_t i;
  size_t k;
  MST_TRY_ALLOC(w->configs = mst_alloc_zero(w->mem, w->shape.n_leaves + 1u, sizeof *w->configs));
  for (i = 0; i < w->shape.n_leaves; i++) MST_TRY(configure_leaf(&w->shape.leaves[i], o, &w->configs[i], err));
  for (k = 0; k < o->n_columns; k++)
    if (find_leaf(&w->shape, o->columns[k].name, true) == w->shape.n_leaves)
      return no_leaf(&w->shape, o->columns[k].name, err);
  if (o->created_by != NULL) MST_TRY_ALLOC(w->meta.created_by = mst_text_copy(w->mem, o->created_by));
  MST_TRY_ALLOC(w->meta.sorting = mst_alloc_zero(w->mem, o->n_sorting + 1, sizeof *w->meta.sorting));
  for (k = 0; k < o->n_sorting; k++) {
    const mst_parquet_sorting *s = &o->sorting[k];
    i = find_leaf(&w->shape, s->name, false);
    if (i == w->shape.n_leaves) return no_leaf(&w->shape, s->name, err);
    w->meta.sorting[k] = (mst_pq_sort_key){.leaf = i, .descending = s->descending, .nulls_first = s->nulls_first};
  }
  w->meta.n_sorting = o->n_sorting;
done:
  return status;
}

static mst_status put_out(mst_parquet_writer *w, mst_bytes *bytes, mst_error *err) {
  mst_status status = MST_OK;
  mst_bytes given = *bytes;
  size_t size = bytes->size;
  *bytes = (mst_bytes){0};
  MST_TRY(w->sink.put(w->sink.self, &given, err));
  w->at += size;
done:
  if (status != MST_OK) w->failed = true;
  return status;
}

/* Later values win. */
static mst_status put_pair(mst_parquet_writer *w, const char *key, size_t key_size, const char *value,
                           size_t value_size, mst_error *err) {
  mst_status status = MST_OK;
  mst_pq_pair **at = &w->meta.pairs, *made = NULL;
  char *copy = mst_text_copy_n(w->mem, value, value_size);
  if (copy == NULL) return mst_fail_memory(err);
  while (*at != NULL && (strlen((*at)->key) != key_size || memcmp((*at)->key, key, key_size) != 0)) at = &(*at)->next;
  if (*at != NULL) {
    mst_free(w->mem, (*at)->value);
    (*at)->value = copy;
    return MST_OK;
  }
  MST_TRY_ALLOC(made = mst_alloc_zero(w->mem, 1, sizeof *made));
  MST_TRY_ALLOC(made->key = mst_text_copy_n(w->mem, key, key_size));
  made->value = copy;
  *at = made;
  return MST_OK;
done:
  mst_free(w->mem, copy);
  mst_free(w->mem, made);
  return status;
}

/* The schema's own metadata become the file's, and Arrow's schema goes along for the types that Parquet cannot say. */
static mst_status keep_schema(mst_parquet_writer *w, bool arrow, mst_error *err) {
  mst_status status = MST_OK;
  mst_metadata_pair pair;
  mst_buf message, text;
  size_t i;
  mst_buf_init(&message, w->mem, INT32_MAX);
  mst_buf_init(&text, w->mem, INT32_MAX);
  for (i = 0; mst_schema_pair(&w->schema, i, &pair); i++)
    MST_TRY(put_pair(w, pair.key, pair.key_size, pair.value, pair.value_size, err));
  if (!arrow) goto done;
  MST_TRY(mst_ipc_put_any_schema(&w->schema, &message, err));
  MST_TRY(mst_base64_encode(&text, message.data, message.size, err));
  MST_TRY(put_pair(w, "ARROW:schema", 12, (const char *)text.data, text.size, err));
done:
  mst_buf_free(&message);
  mst_buf_free(&text);
  return status;
}

mst_status mst_parquet_writer_open(const struct ArrowSchema *schema, const mst_parquet_writer_options *options,
                                   const mst_parquet_sink *sink, mst_parquet_writer **out, mst_error *err) {
  mst_status status = MST_OK;
  static const mst_parquet_writer_options defaults;
  const mst_parquet_writer_options *o = options != NULL ? options : &defaults;
  mst_bytes magic = mst_bytes_borrow("PAR1", 4);
  mst_parquet_writer *w = mst_alloc_zero(o->mem, 1, sizeof *w);
  if (w == NULL) return mst_fail_memory(err);
  w->mem = o->mem;
  w->coder.mem = o->mem;
  w->sink = *sink;
  w->row_group_rows = o->row_group_rows != 0 ? o->row_group_rows : (uint64_t)1 << 20;
  w->row_group_bytes = o->row_group_bytes != 0 ? o->row_group_bytes : (uint64_t)64 << 20;
  MST_TRY(mst_schema_copy(w->mem, schema, &w->schema, err));
  w->plain = mst_schema_is_plain(&w->schema);
  MST_TRY(mst_pq_shape_make(w->mem, &w->schema, &w->shape, err));
  w->meta.shape = &w->shape;
  MST_TRY(configure(w, o, err));
  MST_TRY(keep_schema(w, !o->no_arrow_schema, err));
  MST_TRY(mst_pq_encoders_open(w->mem, o->ctx, &w->encoders, err));
  MST_TRY(put_out(w, &magic, err));
  *out = w;
  w = NULL;
done:
  mst_parquet_writer_free(w);
  return status;
}

static void free_group(mst_parquet_writer *w, mst_pq_group_meta *g) {
  uint32_t i;
  for (i = 0; g->chunks != NULL && i < w->shape.n_leaves; i++) {
    mst_buf_free(&g->chunks[i].column_index);
    mst_buf_free(&g->chunks[i].offset_index);
    mst_free(w->mem, g->chunks[i].histogram);
  }
  mst_free(w->mem, g->chunks);
}

void mst_parquet_writer_free(mst_parquet_writer *w) {
  size_t i;
  mst_pq_pair *p;
  if (w == NULL) return;
  mst_pq_encoders_close(w->encoders);
  for (i = 0; i < w->n_encoding; i++) mst_pq_group_out_free(w->encoding[i]);
  for (i = 0; i < w->n_pending; i++) mst_pq_batch_drop(w->pending[i].of);
  mst_free(w->mem, w->pending);
  for (i = 0; i < w->meta.n_groups; i++) free_group(w, &w->meta.groups[i]);
  mst_free(w->mem, w->meta.groups);
  for (p = w->meta.pairs; p != NULL; p = w->meta.pairs) {
    w->meta.pairs = p->next;
    mst_free(w->mem, p->key);
    mst_free(w->mem, p->value);
    mst_free(w->mem, p);
  }
  mst_free(w->mem, w->meta.sorting);
  mst_free(w->mem, w->meta.created_by);
  mst_free(w->mem, w->configs);
  mst_pq_shape_free(&w->shape);
  mst_schema_release(&w->schema);
  mst_block_coder_close(&w->coder);
  mst_free(w->mem, w);
}

/* ---- row groups ---------------------------------------------------------------------------------------------- */

static mst_status begin_group(mst_parquet_writer *w, mst_pq_group_meta **out, mst_error *err) {
  mst_status status = MST_OK;
  mst_pq_group_meta *g;
  uint32_t i;
  if (w->meta.n_groups == w->meta.groups_capacity) {
    size_t capacity = w->meta.groups_capacity == 0 ? 4 : 2 * w->meta.groups_capacity;
    MST_TRY_ALLOC(g = mst_resize(w->mem, w->meta.groups, capacity * sizeof *g));
    w->meta.groups = g;
    w->meta.groups_capacity = capacity;
  }
  g = &w->meta.groups[w->meta.n_groups];
  *g = (mst_pq_group_meta){.at = w->at};
  MST_TRY_ALLOC(g->chunks = mst_alloc_zero(w->mem, w->shape.n_leaves + 1u, sizeof *g->chunks));
  for (i = 0; i < w->shape.n_leaves; i++) {
    mst_buf_init(&g->chunks[i].column_index, w->mem, INT32_MAX);
    mst_buf_init(&g->chunks[i].offset_index, w->mem, INT32_MAX);
  }
  w->meta.n_groups++;
  *out = g;
done:
  return status;
}

/* What the pages' size statistics come to. */
static mst_status keep_sizes(mst_parquet_writer *w, const mst_pq_leaf *leaf, const mst_pq_chunk_out *chunk,
                             mst_pq_chunk_meta *m, mst_error *err) {
  mst_status status = MST_OK;
  const uint64_t *counts = (const uint64_t *)(const void *)chunk->histograms.data;
  size_t size = mst_pq_histogram_size(leaf), n = chunk->histograms.size / sizeof *counts, i;
  for (i = 0; i < chunk->n_pages; i++) m->text += chunk->pages[i].text;
  if (n == 0) return MST_OK;
  MST_TRY_ALLOC(m->histogram = mst_alloc_zero(w->mem, size, sizeof *counts));
  for (i = 0; i < n; i++) m->histogram[i % size] += counts[i];
done:
  return status;
}

/* Bloom filters lie behind the pages of their row group. */
static mst_status put_bloom(mst_parquet_writer *w, mst_block *bloom, mst_pq_chunk_meta *m, mst_error *err) {
  mst_bytes bytes;
  m->bloom_at = w->at;
  m->bloom_size = (uint32_t)bloom->size;
  mst_block_take(bloom, &bytes);
  return put_out(w, &bytes, err);
}

static mst_status put_chunk(mst_parquet_writer *w, uint32_t leaf, mst_pq_chunk_out *chunk, mst_pq_group_meta *g,
                            mst_error *err) {
  mst_status status = MST_OK;
  mst_pq_chunk_meta *m = &g->chunks[leaf];
  size_t i;
  m->codec = w->configs[leaf].codec;
  m->packed_size = chunk->packed_size;
  m->plain_size = chunk->plain_size;
  m->levels = chunk->levels;
  m->encodings = chunk->encodings;
  m->data_pages = (uint32_t)(chunk->n_pages - (chunk->has_dictionary ? 1 : 0));
  m->data_encoding = chunk->data_encoding;
  m->statistics = w->configs[leaf].statistics;
  m->stats = chunk->stats;
  m->sizes = w->configs[leaf].sizes;
  MST_TRY(keep_sizes(w, &w->shape.leaves[leaf], chunk, m, err));
  m->data_at = w->at;
  if (chunk->has_dictionary) {
    m->dictionary_at = w->at;
    m->data_at = w->at + chunk->pages[0].size;
  }
  MST_TRY(mst_pq_index_put(&w->shape.leaves[leaf], chunk, w->at, m, err));
  for (i = 0; i < chunk->n_pages; i++) MST_TRY(put_out(w, &chunk->pages[i].bytes, err));
  g->packed_size += chunk->packed_size;
  g->plain_size += chunk->plain_size;
done:
  return status;
}

/* What put_group wants beyond the pages of one column. */
typedef struct position_want {
  uint32_t leaf;
  mst_parquet_positions_fn call;
  void *arg;
} position_want;

/* Walks the PLAIN values of the pages, which begin at `at` in the file. */
static mst_status tell_positions(mst_parquet_writer *w, const position_want *want, const mst_pq_chunk_out *chunk,
                                 uint64_t at, const mst_pq_piece *piece, mst_error *err) {
  mst_status status = MST_OK;
  const mst_pq_leaf *leaf = &w->shape.leaves[want->leaf];
  const struct ArrowArray *array = piece->column;
  const uint8_t *valid = array->null_count != 0 ? array->buffers[0] : NULL;
  uint64_t *positions = mst_alloc_zero(w->mem, (size_t)piece->count * 2 + 1, sizeof *positions), value = 0;
  size_t i, n;
  uint64_t row = 0;
  if (positions == NULL) return mst_fail_memory(err);
  for (i = 0; i < chunk->n_pages; i++) {
    const mst_pq_page_out *page = &chunk->pages[i];
    uint64_t end = row + page->rows;
    for (value = at + page->values_at; row < end; row++) {
      int64_t k = array->offset + piece->first + (int64_t)row;
      if (valid != NULL && (valid[k >> 3] >> (k & 7) & 1) == 0) continue;
      mst_array_text(&leaf->type, array, k, &n);
      positions[2 * row] = value + 4;
      positions[2 * row + 1] = n;
      value += 4 + n;
    }
    at += page->size;
  }
  MST_TRY(want->call(want->arg, positions, (size_t)piece->count, err));
done:
  mst_free(w->mem, positions);
  return status;
}

/* The first row group finds out which encodings suit; those that follow keep to it, whoever encodes them. */
static void learn(mst_parquet_writer *w, uint32_t leaf, const mst_pq_column_config *found) {
  if (w->meta.n_groups == 1) w->configs[leaf] = *found;
}

/* Writes `n` pieces as one row group, column by column. */
static mst_status write_group(mst_parquet_writer *w, const mst_pq_rows *rows, size_t n, const position_want *want,
                              mst_error *err) {
  mst_status status = MST_OK;
  mst_pq_group_meta *g = NULL;
  mst_pq_chunk_out chunk;
  mst_pq_piece *pieces = NULL;
  mst_block *blooms = NULL;
  uint32_t leaf;
  size_t i;
  mst_pq_chunk_out_init(w->mem, &chunk);
  MST_TRY(begin_group(w, &g, err));
  MST_TRY_ALLOC(blooms = mst_alloc_zero(w->mem, w->shape.n_leaves + 1u, sizeof *blooms));
  MST_TRY_ALLOC(pieces = mst_alloc_array(w->mem, n + 1, sizeof *pieces));
  for (i = 0; i < n; i++) g->rows += (uint64_t)rows[i].count;
  for (leaf = 0; leaf < w->shape.n_leaves; leaf++) {
    uint64_t at = w->at;
    mst_pq_column_config config = w->configs[leaf];
    for (i = 0; i < n; i++) {
      const struct ArrowArray *array = &rows[i].batch->array;
      pieces[i] =
          (mst_pq_piece){array->children[w->shape.leaves[leaf].top], array->offset + rows[i].first, rows[i].count};
    }
    MST_TRY(mst_pq_column_write(w->mem, &w->shape.leaves[leaf], &config, &w->coder, pieces, n, &chunk, err));
    learn(w, leaf, &config);
    MST_TRY(put_chunk(w, leaf, &chunk, g, err));
    if (want != NULL && want->leaf == leaf) MST_TRY(tell_positions(w, want, &chunk, at, &pieces[0], err));
    blooms[leaf] = chunk.bloom;
    mst_block_init(&chunk.bloom, w->mem);
    mst_pq_chunk_out_free(w->mem, &chunk);
  }
  for (leaf = 0; leaf < w->shape.n_leaves; leaf++)
    if (blooms[leaf].size > 0) MST_TRY(put_bloom(w, &blooms[leaf], &g->chunks[leaf], err));
  w->meta.rows += g->rows;
done:
  if (status != MST_OK) w->failed = true;
  for (leaf = 0; blooms != NULL && leaf < w->shape.n_leaves; leaf++) mst_block_free(&blooms[leaf]);
  mst_free(w->mem, blooms);
  mst_pq_chunk_out_free(w->mem, &chunk);
  mst_free(w->mem, pieces);
  return status;
}

/* Hands out the oldest row group that is being encoded. */
static mst_status put_encoded(mst_parquet_writer *w, mst_error *err) {
  mst_status status = MST_OK;
  mst_pq_group_out *out = w->encoding[0];
  mst_pq_group_meta *g = NULL;
  mst_pq_chunk_out *chunk, **chunks = NULL;
  const mst_pq_column_config *config;
  uint32_t leaf;
  MST_TRY(begin_group(w, &g, err));
  g->rows = mst_pq_group_out_rows(out);
  MST_TRY_ALLOC(chunks = mst_alloc_zero(w->mem, w->shape.n_leaves + 1u, sizeof *chunks));
  for (leaf = 0; leaf < w->shape.n_leaves; leaf++) {
    MST_TRY(mst_pq_group_out_leaf(out, leaf, &chunk, &config, err));
    learn(w, leaf, config);
    MST_TRY(put_chunk(w, leaf, chunk, g, err));
    chunks[leaf] = chunk;
  }
  for (leaf = 0; leaf < w->shape.n_leaves; leaf++)
    if (chunks[leaf]->bloom.size > 0) MST_TRY(put_bloom(w, &chunks[leaf]->bloom, &g->chunks[leaf], err));
  w->meta.rows += g->rows;
  mst_pq_group_out_free(out);
  w->encoding[0] = w->encoding[1];
  w->n_encoding--;
done:
  if (status != MST_OK) w->failed = true;
  mst_free(w->mem, chunks);
  return status;
}

static mst_status put_all_encoded(mst_parquet_writer *w, mst_error *err) {
  mst_status status = MST_OK;
  while (w->n_encoding > 0) MST_TRY(put_encoded(w, err));
done:
  return status;
}

/* The threads encode this row group while the one before it goes out. */
static mst_status encode_group(mst_parquet_writer *w, const mst_pq_rows *rows, size_t n, mst_error *err) {
  mst_status status = MST_OK;
  mst_pq_group_out *out = NULL;
  status = mst_pq_group_out_begin(w->encoders, &w->shape, w->configs, rows, n, &out, err);
  if (out != NULL) w->encoding[w->n_encoding++] = out;
  if (status != MST_OK) w->failed = true;
  /* What the first one finds out, the second must know. */
  while (status == MST_OK && w->n_encoding > (w->meta.n_groups == 0 ? 0 : 1)) status = put_encoded(w, err);
  return status;
}

/* Writes the first `rows` pending rows as one row group. */
static mst_status write_pending(mst_parquet_writer *w, uint64_t rows, mst_error *err) {
  mst_status status = MST_OK;
  size_t n = 0, left;
  uint64_t need = rows;
  mst_pq_rows *parts = NULL;
  MST_TRY_ALLOC(parts = mst_alloc_array(w->mem, w->n_pending + 1, sizeof *parts));
  for (; need > 0; n++) {
    pending_batch *p = &w->pending[n];
    int64_t count = (int64_t)mst_min_u64(need, (uint64_t)(p->of->array.length - p->done));
    parts[n] = (mst_pq_rows){p->of, p->done, count};
    p->done += count;
    need -= (uint64_t)count;
  }
  MST_TRY(w->encoders != NULL ? encode_group(w, parts, n, err) : write_group(w, parts, n, NULL, err));
  for (left = 0; left < w->n_pending && w->pending[left].done == w->pending[left].of->array.length; left++)
    mst_pq_batch_drop(w->pending[left].of);
  memmove(w->pending, w->pending + left, (w->n_pending - left) * sizeof *w->pending);
  w->n_pending -= left;
  w->pending_bytes -= (uint64_t)((double)w->pending_bytes * ((double)rows / (double)w->pending_rows));
  w->pending_rows -= rows;
done:
  mst_free(w->mem, parts);
  return status;
}

/* ---- batches in ---------------------------------------------------------------------------------------------- */

static mst_status usable(const mst_parquet_writer *w, mst_error *err) {
  if (w->closed) return mst_fail(err, MST_E_ARGUMENT, "this Parquet file is already closed");
  if (w->failed) return mst_fail(err, MST_E_ARGUMENT, "this Parquet file failed before and cannot be continued");
  return MST_OK;
}

/* Checks a batch and frees it of dictionaries. */
static mst_status take_in(mst_parquet_writer *w, struct ArrowArray *batch, uint64_t *bytes, mst_error *err) {
  mst_status status = MST_OK;
  struct ArrowArray plain;
  MST_TRY(mst_array_check(&w->schema, batch, bytes, err));
  if (w->plain) return MST_OK;
  MST_TRY(mst_array_plain(w->mem, &w->schema, batch, &plain, err));
  *batch = plain;
  MST_TRY(mst_array_check(&w->shape.schema, batch, bytes, err));
done:
  return status;
}

mst_status mst_parquet_writer_put(mst_parquet_writer *w, struct ArrowArray *batch, mst_error *err) {
  mst_status status = MST_OK;
  uint64_t bytes = 0;
  pending_batch *grown;
  mst_pq_batch *shared;
  MST_TRY(usable(w, err));
  MST_TRY(take_in(w, batch, &bytes, err));
  if (batch->length == 0) goto done;
  if (w->n_pending == w->pending_capacity) {
    size_t capacity = w->pending_capacity == 0 ? 4 : 2 * w->pending_capacity;
    MST_TRY_ALLOC(grown = mst_resize(w->mem, w->pending, capacity * sizeof *grown));
    w->pending = grown;
    w->pending_capacity = capacity;
  }
  MST_TRY(mst_pq_batch_new(w->mem, batch, &shared, err));
  w->pending[w->n_pending++] = (pending_batch){.of = shared};
  w->pending_rows += (uint64_t)shared->array.length;
  w->pending_bytes += bytes;
  while (w->pending_rows > 0) {
    uint64_t each = w->pending_bytes / w->pending_rows + 1;
    uint64_t rows = mst_min_u64(w->row_group_rows, mst_max_u64(1, w->row_group_bytes / each));
    if (w->pending_rows < rows) break;
    MST_TRY(write_pending(w, rows, err));
  }
done:
  mst_array_release(batch);
  return status;
}

mst_status mst_parquet_writer_flush(mst_parquet_writer *w, mst_error *err) {
  mst_status status = MST_OK;
  MST_TRY(usable(w, err));
  if (w->pending_rows > 0) MST_TRY(write_pending(w, w->pending_rows, err));
  MST_TRY(put_all_encoded(w, err));
done:
  return status;
}

mst_status mst_parquet_writer_put_group(mst_parquet_writer *w, struct ArrowArray *batch, int binary_column,
                                        mst_parquet_positions_fn positions, void *arg, mst_error *err) {
  mst_status status = MST_OK;
  position_want want = {.call = positions, .arg = arg};
  mst_pq_batch whole;
  mst_pq_rows rows = {.batch = &whole};
  uint64_t bytes;
  uint32_t leaf;
  MST_TRY(mst_parquet_writer_flush(w, err));
  MST_TRY(take_in(w, batch, &bytes, err));
  for (leaf = 0; leaf < w->shape.n_leaves; leaf++)
    if (binary_column >= 0 && w->shape.leaves[leaf].top == (uint32_t)binary_column) break;
  if (leaf == w->shape.n_leaves || w->shape.leaves[leaf].map != MST_PQ_MAP_TEXT || w->shape.leaves[leaf].n_steps != 1 ||
      w->configs[leaf].dictionary || w->configs[leaf].automatic || w->configs[leaf].encoding != MST_PQ_PLAIN ||
      w->configs[leaf].codec != MST_BLOCK_NONE) {
    status = mst_fail(err, MST_E_ARGUMENT,
                      "positions need a flat column of bytes that is written plain and without a codec");
    goto done;
  }
  want.leaf = leaf;
  whole = (mst_pq_batch){.array = *batch, .users = 1};
  rows.count = batch->length;
  if (rows.count > 0) MST_TRY(write_group(w, &rows, 1, &want, err));
done:
  mst_array_release(batch);
  return status;
}

/* ---- metadata and the end ------------------------------------------------------------------------------------ */

mst_status mst_parquet_writer_metadata(mst_parquet_writer *w, const char *key, const char *value, mst_error *err) {
  return put_pair(w, key, strlen(key), value, strlen(value), err);
}

mst_status mst_parquet_writer_close(mst_parquet_writer *w, mst_error *err) {
  mst_status status = MST_OK;
  mst_buf footer;
  mst_bytes bytes = {0};
  mst_buf_init(&footer, w->mem, SIZE_MAX / 4);
  MST_TRY(mst_parquet_writer_flush(w, err));
  MST_TRY(mst_pq_footer_put(&w->meta, w->at, &footer, err));
  MST_TRY(mst_buf_take(&footer, &bytes, err));
  MST_TRY(put_out(w, &bytes, err));
  w->closed = true;
done:
  mst_bytes_release(&bytes);
  mst_buf_free(&footer);
  return status;
}

uint64_t mst_parquet_writer_size(const mst_parquet_writer *w) { return w->at; }
size_t mst_parquet_writer_groups(const mst_parquet_writer *w) { return w->meta.n_groups; }

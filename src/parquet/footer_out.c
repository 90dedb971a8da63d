/* parquet/footer_out.c - writes page indexes and the footer.
 *
 * Owns: nothing. May call: base, column. */
#include "parquet/footer_out.h"

#include "parquet/sketch_out.h"
#include "parquet/thrift.h"

/* ---- schema elements ----------------------------------------------------------------------------------------- */

/* ConvertedType for readers from before LogicalType. */
static mst_pq_converted converted_of(const mst_pq_annotation *a) {
  switch (a->logical) {
  case MST_PQ_LOGICAL_STRING: return MST_PQ_UTF8;
  case MST_PQ_LOGICAL_MAP: return MST_PQ_MAP;
  case MST_PQ_LOGICAL_LIST: return MST_PQ_LIST;
  case MST_PQ_LOGICAL_ENUM: return MST_PQ_ENUM;
  case MST_PQ_LOGICAL_DECIMAL: return MST_PQ_DECIMAL;
  case MST_PQ_LOGICAL_DATE: return MST_PQ_DATE;
  case MST_PQ_LOGICAL_TIME:
    if (!a->utc || a->unit == MST_UNIT_NS) return MST_PQ_CONVERTED_NONE;
    return a->unit == MST_UNIT_MS ? MST_PQ_TIME_MILLIS : MST_PQ_TIME_MICROS;
  case MST_PQ_LOGICAL_TIMESTAMP:
    if (!a->utc || a->unit == MST_UNIT_NS) return MST_PQ_CONVERTED_NONE;
    return a->unit == MST_UNIT_MS ? MST_PQ_TIMESTAMP_MILLIS : MST_PQ_TIMESTAMP_MICROS;
  case MST_PQ_LOGICAL_INTEGER:
    return (mst_pq_converted)((a->is_signed ? MST_PQ_INT_8 : MST_PQ_UINT_8) + __builtin_ctz(a->bits) - 3);
  case MST_PQ_LOGICAL_JSON: return MST_PQ_JSON;
  case MST_PQ_LOGICAL_BSON: return MST_PQ_BSON;
  case MST_PQ_LOGICAL_INTERVAL: return MST_PQ_INTERVAL;
  default: return MST_PQ_CONVERTED_NONE;
  }
}

/* TimeUnit is a union of empty structs. */
static mst_status put_time(mst_buf *b, const mst_pq_annotation *a, mst_error *err) {
  mst_status status = MST_OK;
  int16_t last = 0, unit = 0;
  MST_TRY(mst_thrift_put_bool(b, &last, 1, a->utc, err));
  MST_TRY(mst_thrift_put_struct(b, &last, 2, err));
  MST_TRY(mst_thrift_put_struct(b, &unit, a->unit, err)); /* MS 1, US 2, NS 3, as mst_time_unit counts */
  MST_TRY(mst_thrift_put_stop(b, err));
  MST_TRY(mst_thrift_put_stop(b, err));
done:
  return status;
}

static mst_status put_logical(mst_buf *b, const mst_pq_annotation *a, mst_error *err) {
  mst_status status = MST_OK;
  int16_t last = 0, inner = 0;
  MST_TRY(mst_thrift_put_struct(b, &last, (int16_t)a->logical, err));
  if (a->logical == MST_PQ_LOGICAL_DECIMAL) {
    MST_TRY(mst_thrift_put_i32(b, &inner, 1, a->scale, err));
    MST_TRY(mst_thrift_put_i32(b, &inner, 2, a->precision, err));
  } else if (a->logical == MST_PQ_LOGICAL_INTEGER) {
    MST_TRY(mst_thrift_put_byte(b, &inner, 1, (int8_t)a->bits, err));
    MST_TRY(mst_thrift_put_bool(b, &inner, 2, a->is_signed, err));
  } else if (a->logical == MST_PQ_LOGICAL_TIME || a->logical == MST_PQ_LOGICAL_TIMESTAMP) {
    MST_TRY(put_time(b, a, err));
  }
  MST_TRY(mst_thrift_put_stop(b, err));
  MST_TRY(mst_thrift_put_stop(b, err));
done:
  return status;
}

static mst_status put_element(mst_buf *b, const mst_pq_element *e, bool root, mst_error *err) {
  mst_status status = MST_OK;
  int16_t last = 0;
  mst_pq_converted converted = converted_of(&e->annotation);
  if (e->physical != MST_PQ_GROUP) MST_TRY(mst_thrift_put_i32(b, &last, 1, (int32_t)e->physical, err));
  if (e->physical == MST_PQ_FIXED) MST_TRY(mst_thrift_put_i32(b, &last, 2, (int32_t)e->type_length, err));
  if (!root) MST_TRY(mst_thrift_put_i32(b, &last, 3, (int32_t)e->repetition, err));
  MST_TRY(mst_thrift_put_binary(b, &last, 4, e->name, strlen(e->name), err));
  if (e->physical == MST_PQ_GROUP) MST_TRY(mst_thrift_put_i32(b, &last, 5, (int32_t)e->n_children, err));
  if (converted != MST_PQ_CONVERTED_NONE) MST_TRY(mst_thrift_put_i32(b, &last, 6, (int32_t)converted, err));
  if (e->annotation.logical == MST_PQ_LOGICAL_DECIMAL) {
    MST_TRY(mst_thrift_put_i32(b, &last, 7, e->annotation.scale, err));
    MST_TRY(mst_thrift_put_i32(b, &last, 8, e->annotation.precision, err));
  }
  if (e->field_id != INT32_MIN) MST_TRY(mst_thrift_put_i32(b, &last, 9, e->field_id, err));
  if (e->annotation.logical != MST_PQ_LOGICAL_NONE && e->annotation.logical != MST_PQ_LOGICAL_INTERVAL) {
    MST_TRY(mst_thrift_put_struct(b, &last, 10, err));
    MST_TRY(put_logical(b, &e->annotation, err));
  }
  MST_TRY(mst_thrift_put_stop(b, err));
done:
  return status;
}

/* ---- row groups ---------------------------------------------------------------------------------------------- */

static mst_status put_stats(mst_buf *b, const mst_pq_stats *s, mst_pq_order order, mst_error *err) {
  mst_status status = MST_OK;
  int16_t last = 0;
  bool bounds = s->has && !s->none;
  /* The old fields were compared as signed bytes; they are filled only where both orders agree. */
  bool old = bounds && order >= MST_PQ_ORDER_BOOL && order <= MST_PQ_ORDER_F64 && order != MST_PQ_ORDER_U32 &&
             order != MST_PQ_ORDER_U64;
  if (old) {
    MST_TRY(mst_thrift_put_binary(b, &last, 1, s->max.bytes, s->max.size, err));
    MST_TRY(mst_thrift_put_binary(b, &last, 2, s->min.bytes, s->min.size, err));
  }
  MST_TRY(mst_thrift_put_i64(b, &last, 3, (int64_t)s->nulls, err));
  if (bounds) {
    MST_TRY(mst_thrift_put_binary(b, &last, 5, s->max.bytes, s->max.size, err));
    MST_TRY(mst_thrift_put_binary(b, &last, 6, s->min.bytes, s->min.size, err));
    MST_TRY(mst_thrift_put_bool(b, &last, 7, s->max.exact, err));
    MST_TRY(mst_thrift_put_bool(b, &last, 8, s->min.exact, err));
  }
  MST_TRY(mst_thrift_put_stop(b, err));
done:
  return status;
}

static mst_status put_encodings(mst_buf *b, int16_t *last, uint32_t encodings, mst_error *err) {
  mst_status status = MST_OK;
  int e;
  MST_TRY(mst_thrift_put_list(b, last, 2, MST_THRIFT_I32, (size_t)__builtin_popcount(encodings), err));
  for (e = 0; e < 32; e++)
    if ((encodings >> e & 1) != 0) MST_TRY(mst_thrift_put_element_int(b, e, err));
done:
  return status;
}

static mst_status put_page_counts(mst_buf *b, const mst_pq_chunk_meta *c, mst_error *err) {
  mst_status status = MST_OK;
  int16_t last = 0;
  if (c->dictionary_at != 0) {
    MST_TRY(mst_thrift_put_i32(b, &last, 1, MST_PQ_DICTIONARY_PAGE, err));
    MST_TRY(mst_thrift_put_i32(b, &last, 2, MST_PQ_PLAIN, err));
    MST_TRY(mst_thrift_put_i32(b, &last, 3, 1, err));
    MST_TRY(mst_thrift_put_stop(b, err));
    last = 0;
  }
  MST_TRY(mst_thrift_put_i32(b, &last, 1, MST_PQ_DATA_PAGE, err));
  MST_TRY(mst_thrift_put_i32(b, &last, 2, (int32_t)c->data_encoding, err));
  MST_TRY(mst_thrift_put_i32(b, &last, 3, (int32_t)c->data_pages, err));
  MST_TRY(mst_thrift_put_stop(b, err));
done:
  return status;
}

/* Histograms of `n` pages, or of a whole chunk (n = 1): those of the repetition levels as field `id`, of the definition
 * levels as the next one. What nulls tell as well is left out. */
static mst_status put_histograms(mst_buf *b, int16_t *last, int16_t id, const mst_pq_leaf *leaf, const uint64_t *counts,
                                 size_t n, mst_error *err) {
  mst_status status = MST_OK;
  size_t size = mst_pq_histogram_size(leaf), reps = (size_t)leaf->max_rep + 1, defs = (size_t)leaf->max_def + 1, i, k;
  if (leaf->max_rep > 0) {
    MST_TRY(mst_thrift_put_list(b, last, id, MST_THRIFT_I64, n * reps, err));
    for (i = 0; i < n; i++)
      for (k = 0; k < reps; k++) MST_TRY(mst_thrift_put_element_int(b, (int64_t)counts[i * size + k], err));
  }
  if (leaf->max_def > 1) {
    MST_TRY(mst_thrift_put_list(b, last, (int16_t)(id + 1), MST_THRIFT_I64, n * defs, err));
    for (i = 0; i < n; i++)
      for (k = 0; k < defs; k++) MST_TRY(mst_thrift_put_element_int(b, (int64_t)counts[i * size + reps + k], err));
  }
done:
  return status;
}

static mst_status put_sizes(mst_buf *b, const mst_pq_leaf *leaf, const mst_pq_chunk_meta *c, mst_error *err) {
  mst_status status = MST_OK;
  int16_t last = 0;
  if (leaf->physical == MST_PQ_BYTE_ARRAY) MST_TRY(mst_thrift_put_i64(b, &last, 1, (int64_t)c->text, err));
  if (c->histogram != NULL) MST_TRY(put_histograms(b, &last, 2, leaf, c->histogram, 1, err));
  MST_TRY(mst_thrift_put_stop(b, err));
done:
  return status;
}

/* CompressionCodec of the format. */
static int32_t codec_number(mst_block_codec codec) {
  static const int32_t numbers[] = {0, 1, 2, 6, 7, 5, 4};
  return numbers[codec];
}

static mst_status put_chunk_meta(mst_buf *b, const mst_pq_leaf *leaf, const mst_pq_chunk_meta *c, mst_error *err) {
  mst_status status = MST_OK;
  int16_t last = 0;
  uint32_t i;
  MST_TRY(mst_thrift_put_i32(b, &last, 1, (int32_t)leaf->physical, err));
  MST_TRY(put_encodings(b, &last, c->encodings, err));
  MST_TRY(mst_thrift_put_list(b, &last, 3, MST_THRIFT_BINARY, leaf->n_path, err));
  for (i = 0; i < leaf->n_path; i++)
    MST_TRY(mst_thrift_put_element_binary(b, leaf->path[i], strlen(leaf->path[i]), err));
  MST_TRY(mst_thrift_put_i32(b, &last, 4, codec_number(c->codec), err));
  MST_TRY(mst_thrift_put_i64(b, &last, 5, (int64_t)c->levels, err));
  MST_TRY(mst_thrift_put_i64(b, &last, 6, (int64_t)c->plain_size, err));
  MST_TRY(mst_thrift_put_i64(b, &last, 7, (int64_t)c->packed_size, err));
  MST_TRY(mst_thrift_put_i64(b, &last, 9, (int64_t)c->data_at, err));
  if (c->dictionary_at != 0) MST_TRY(mst_thrift_put_i64(b, &last, 11, (int64_t)c->dictionary_at, err));
  if (c->statistics) {
    MST_TRY(mst_thrift_put_struct(b, &last, 12, err));
    MST_TRY(put_stats(b, &c->stats, leaf->order, err));
  }
  if (c->data_pages > 0) {
    MST_TRY(mst_thrift_put_list(b, &last, 13, MST_THRIFT_STRUCT, c->dictionary_at != 0 ? 2 : 1, err));
    MST_TRY(put_page_counts(b, c, err));
  }
  if (c->bloom_at != 0) {
    MST_TRY(mst_thrift_put_i64(b, &last, 14, (int64_t)c->bloom_at, err));
    MST_TRY(mst_thrift_put_i32(b, &last, 15, (int32_t)c->bloom_size, err));
  }
  if (c->sizes && (leaf->physical == MST_PQ_BYTE_ARRAY || c->histogram != NULL)) {
    MST_TRY(mst_thrift_put_struct(b, &last, 16, err));
    MST_TRY(put_sizes(b, leaf, c, err));
  }
  MST_TRY(mst_thrift_put_stop(b, err));
done:
  return status;
}

/* Where a chunk's indexes will lie. */
typedef struct index_place {
  uint64_t column_at, offset_at;
} index_place;

static mst_status put_chunk(mst_buf *b, const mst_pq_leaf *leaf, const mst_pq_chunk_meta *c, index_place *place,
                            mst_error *err) {
  mst_status status = MST_OK;
  int16_t last = 0;
  MST_TRY(mst_thrift_put_i64(b, &last, 2, 0, err));
  MST_TRY(mst_thrift_put_struct(b, &last, 3, err));
  MST_TRY(put_chunk_meta(b, leaf, c, err));
  if (c->offset_index.size > 0) {
    MST_TRY(mst_thrift_put_i64(b, &last, 4, (int64_t)place->offset_at, err));
    MST_TRY(mst_thrift_put_i32(b, &last, 5, (int32_t)c->offset_index.size, err));
    place->offset_at += c->offset_index.size;
  }
  if (c->column_index.size > 0) {
    MST_TRY(mst_thrift_put_i64(b, &last, 6, (int64_t)place->column_at, err));
    MST_TRY(mst_thrift_put_i32(b, &last, 7, (int32_t)c->column_index.size, err));
    place->column_at += c->column_index.size;
  }
  MST_TRY(mst_thrift_put_stop(b, err));
done:
  return status;
}

static mst_status put_sorting(mst_buf *b, int16_t *last, const mst_pq_file_meta *m, mst_error *err) {
  mst_status status = MST_OK;
  size_t i;
  if (m->n_sorting == 0) return MST_OK;
  MST_TRY(mst_thrift_put_list(b, last, 4, MST_THRIFT_STRUCT, m->n_sorting, err));
  for (i = 0; i < m->n_sorting; i++) {
    int16_t inner = 0;
    MST_TRY(mst_thrift_put_i32(b, &inner, 1, (int32_t)m->sorting[i].leaf, err));
    MST_TRY(mst_thrift_put_bool(b, &inner, 2, m->sorting[i].descending, err));
    MST_TRY(mst_thrift_put_bool(b, &inner, 3, m->sorting[i].nulls_first, err));
    MST_TRY(mst_thrift_put_stop(b, err));
  }
done:
  return status;
}

static mst_status put_group(mst_buf *b, const mst_pq_file_meta *m, size_t number, index_place *place, mst_error *err) {
  mst_status status = MST_OK;
  const mst_pq_group_meta *g = &m->groups[number];
  int16_t last = 0;
  uint32_t i;
  MST_TRY(mst_thrift_put_list(b, &last, 1, MST_THRIFT_STRUCT, m->shape->n_leaves, err));
  for (i = 0; i < m->shape->n_leaves; i++) MST_TRY(put_chunk(b, &m->shape->leaves[i], &g->chunks[i], place, err));
  MST_TRY(mst_thrift_put_i64(b, &last, 2, (int64_t)g->plain_size, err));
  MST_TRY(mst_thrift_put_i64(b, &last, 3, (int64_t)g->rows, err));
  MST_TRY(put_sorting(b, &last, m, err));
  MST_TRY(mst_thrift_put_i64(b, &last, 5, (int64_t)g->at, err));
  MST_TRY(mst_thrift_put_i64(b, &last, 6, (int64_t)g->packed_size, err));
  if (number <= INT16_MAX) MST_TRY(mst_thrift_put_i16(b, &last, 7, (int16_t)number, err));
  MST_TRY(mst_thrift_put_stop(b, err));
done:
  return status;
}

/* ---- the file ------------------------------------------------------------------------------------------------ */

static mst_status put_pairs(mst_buf *b, int16_t *last, const mst_pq_pair *pairs, mst_error *err) {
  mst_status status = MST_OK;
  const mst_pq_pair *p;
  size_t n = 0;
  for (p = pairs; p != NULL; p = p->next) n++;
  if (n == 0) return MST_OK;
  MST_TRY(mst_thrift_put_list(b, last, 5, MST_THRIFT_STRUCT, n, err));
  for (p = pairs; p != NULL; p = p->next) {
    int16_t inner = 0;
    MST_TRY(mst_thrift_put_binary(b, &inner, 1, p->key, strlen(p->key), err));
    MST_TRY(mst_thrift_put_binary(b, &inner, 2, p->value, strlen(p->value), err));
    MST_TRY(mst_thrift_put_stop(b, err));
  }
done:
  return status;
}

static mst_status put_metadata(mst_buf *b, const mst_pq_file_meta *m, index_place *place, mst_error *err) {
  mst_status status = MST_OK;
  static const char ours[] = "meseta version " MST_VERSION;
  const char *created_by = m->created_by != NULL ? m->created_by : ours;
  int16_t last = 0;
  uint32_t i;
  size_t k;
  MST_TRY(mst_thrift_put_i32(b, &last, 1, 2, err));
  MST_TRY(mst_thrift_put_list(b, &last, 2, MST_THRIFT_STRUCT, m->shape->n_elements, err));
  for (i = 0; i < m->shape->n_elements; i++) MST_TRY(put_element(b, &m->shape->elements[i], i == 0, err));
  MST_TRY(mst_thrift_put_i64(b, &last, 3, (int64_t)m->rows, err));
  MST_TRY(mst_thrift_put_list(b, &last, 4, MST_THRIFT_STRUCT, m->n_groups, err));
  for (k = 0; k < m->n_groups; k++) MST_TRY(put_group(b, m, k, place, err));
  MST_TRY(put_pairs(b, &last, m->pairs, err));
  MST_TRY(mst_thrift_put_binary(b, &last, 6, created_by, strlen(created_by), err));
  /* TypeDefinedOrder for every column: the order in which our statistics are. */
  MST_TRY(mst_thrift_put_list(b, &last, 7, MST_THRIFT_STRUCT, m->shape->n_leaves, err));
  for (i = 0; i < m->shape->n_leaves; i++) {
    int16_t inner = 0;
    MST_TRY(mst_thrift_put_struct(b, &inner, 1, err));
    MST_TRY(mst_thrift_put_stop(b, err));
    MST_TRY(mst_thrift_put_stop(b, err));
  }
  MST_TRY(mst_thrift_put_stop(b, err));
done:
  return status;
}

mst_status mst_pq_footer_put(const mst_pq_file_meta *m, uint64_t at, mst_buf *out, mst_error *err) {
  mst_status status = MST_OK;
  size_t k, start;
  uint32_t i;
  index_place place = {.column_at = at};
  for (k = 0; k < m->n_groups; k++)
    for (i = 0; i < m->shape->n_leaves; i++)
      MST_TRY(
          mst_buf_put(out, m->groups[k].chunks[i].column_index.data, m->groups[k].chunks[i].column_index.size, err));
  place.offset_at = at + out->size;
  for (k = 0; k < m->n_groups; k++)
    for (i = 0; i < m->shape->n_leaves; i++)
      MST_TRY(
          mst_buf_put(out, m->groups[k].chunks[i].offset_index.data, m->groups[k].chunks[i].offset_index.size, err));
  start = out->size;
  MST_TRY(put_metadata(out, m, &place, err));
  if (out->size - start > INT32_MAX) {
    status =
        mst_fail(err, MST_E_LIMIT, "a Parquet footer of %zu bytes is beyond the format's 2 GiB", out->size - start);
    goto done;
  }
  MST_TRY(mst_buf_put_u32(out, (uint32_t)(out->size - start), err));
  MST_TRY(mst_buf_put(out, "PAR1", 4, err));
done:
  return status;
}

/* ---- page indexes -------------------------------------------------------------------------------------------- */

static mst_status put_offset_index(const mst_pq_leaf *leaf, bool sizes, const mst_pq_chunk_out *chunk, uint64_t at,
                                   mst_buf *b, mst_error *err) {
  mst_status status = MST_OK;
  int16_t last = 0;
  size_t i, n = chunk->n_pages - (chunk->has_dictionary ? 1 : 0);
  MST_TRY(mst_thrift_put_list(b, &last, 1, MST_THRIFT_STRUCT, n, err));
  for (i = 0; i < chunk->n_pages; at += chunk->pages[i].size, i++) {
    const mst_pq_page_out *p = &chunk->pages[i];
    int16_t inner = 0;
    if (p->dictionary) continue;
    MST_TRY(mst_thrift_put_i64(b, &inner, 1, (int64_t)at, err));
    MST_TRY(mst_thrift_put_i32(b, &inner, 2, (int32_t)p->size, err));
    MST_TRY(mst_thrift_put_i64(b, &inner, 3, (int64_t)p->first_row, err));
    MST_TRY(mst_thrift_put_stop(b, err));
  }
  if (sizes && leaf->physical == MST_PQ_BYTE_ARRAY) {
    MST_TRY(mst_thrift_put_list(b, &last, 2, MST_THRIFT_I64, n, err));
    for (i = 0; i < chunk->n_pages; i++)
      if (!chunk->pages[i].dictionary) MST_TRY(mst_thrift_put_element_int(b, (int64_t)chunk->pages[i].text, err));
  }
  MST_TRY(mst_thrift_put_stop(b, err));
done:
  return status;
}

/* 0 unordered, 1 ascending, 2 descending, as BoundaryOrder counts. */
static int32_t boundary_order(const mst_pq_leaf *leaf, const mst_pq_chunk_out *chunk) {
  const mst_pq_page_out *before = NULL;
  bool up = true, down = true;
  size_t i;
  for (i = 0; i < chunk->n_pages; i++) {
    const mst_pq_page_out *p = &chunk->pages[i];
    const mst_pq_stats *s = &p->stats;
    if (p->dictionary || !s->has) continue;
    if (before != NULL) {
      int low = mst_pq_compare(leaf->order, before->stats.min.bytes, before->stats.min.size, s->min.bytes, s->min.size);
      int high =
          mst_pq_compare(leaf->order, before->stats.max.bytes, before->stats.max.size, s->max.bytes, s->max.size);
      up = up && low <= 0 && high <= 0;
      down = down && low >= 0 && high >= 0;
    }
    before = p;
  }
  return up ? 1 : down ? 2 : 0;
}

static bool all_null(const mst_pq_page_out *p) { return p->stats.nulls == p->levels; }

/* The format cannot say "unknown" for one page, so that every page needs bounds or nulls only. */
static bool indexable(const mst_pq_leaf *leaf, const mst_pq_chunk_out *chunk) {
  size_t i;
  if (leaf->order == MST_PQ_ORDER_NONE) return false;
  for (i = 0; i < chunk->n_pages; i++) {
    const mst_pq_page_out *p = &chunk->pages[i];
    if (!p->dictionary && (p->stats.none || (!p->stats.has && !all_null(p)))) return false;
  }
  return true;
}

static mst_status put_bounds(mst_buf *b, int16_t *last, int16_t id, const mst_pq_chunk_out *chunk, size_t n, bool max,
                             mst_error *err) {
  mst_status status = MST_OK;
  size_t i;
  MST_TRY(mst_thrift_put_list(b, last, id, MST_THRIFT_BINARY, n, err));
  for (i = 0; i < chunk->n_pages; i++) {
    const mst_pq_page_out *p = &chunk->pages[i];
    const mst_pq_bound *bound = max ? &p->stats.max : &p->stats.min;
    if (p->dictionary) continue;
    MST_TRY(mst_thrift_put_element_binary(b, bound->bytes, p->stats.has ? bound->size : 0, err));
  }
done:
  return status;
}

static mst_status put_column_index(const mst_pq_leaf *leaf, bool sizes, const mst_pq_chunk_out *chunk, mst_buf *b,
                                   mst_error *err) {
  mst_status status = MST_OK;
  int16_t last = 0;
  size_t i, n = chunk->n_pages - (chunk->has_dictionary ? 1 : 0);
  MST_TRY(mst_thrift_put_list(b, &last, 1, MST_THRIFT_TRUE, n, err));
  for (i = 0; i < chunk->n_pages; i++)
    if (!chunk->pages[i].dictionary)
      MST_TRY(mst_buf_put_byte(b, all_null(&chunk->pages[i]) ? MST_THRIFT_TRUE : MST_THRIFT_FALSE, err));
  MST_TRY(put_bounds(b, &last, 2, chunk, n, false, err));
  MST_TRY(put_bounds(b, &last, 3, chunk, n, true, err));
  MST_TRY(mst_thrift_put_i32(b, &last, 4, boundary_order(leaf, chunk), err));
  MST_TRY(mst_thrift_put_list(b, &last, 5, MST_THRIFT_I64, n, err));
  for (i = 0; i < chunk->n_pages; i++)
    if (!chunk->pages[i].dictionary) MST_TRY(mst_thrift_put_element_int(b, (int64_t)chunk->pages[i].stats.nulls, err));
  if (sizes && chunk->histograms.size > 0)
    MST_TRY(put_histograms(b, &last, 6, leaf, (const uint64_t *)(const void *)chunk->histograms.data, n, err));
  MST_TRY(mst_thrift_put_stop(b, err));
done:
  return status;
}

mst_status mst_pq_index_put(const mst_pq_leaf *leaf, const mst_pq_chunk_out *chunk, uint64_t at,
                            mst_pq_chunk_meta *meta, mst_error *err) {
  mst_status status = MST_OK;
  if (chunk->n_pages == 0) return MST_OK;
  MST_TRY(put_offset_index(leaf, meta->sizes, chunk, at, &meta->offset_index, err));
  if (meta->statistics && indexable(leaf, chunk))
    MST_TRY(put_column_index(leaf, meta->sizes, chunk, &meta->column_index, err));
done:
  return status;
}

/* parquet/describe.c - what a footer tells, as JSON.
 *
 * Owns: nothing. May call: base, column, expr. */
#include "parquet/bounds.h"
#include "parquet/parquet.h"

enum { TEXT_MOST = 1 << 20 };

/* ---- values -------------------------------------------------------------------------------------------------- */

/* A value as JSON Lines show one of its type: temporal types and decimals. */
static mst_status as_line(const mst_parquet_file *f, const mst_pq_bounded *b, const mst_scalar *v, json_t **out,
                          mst_error *err) {
  mst_status status = MST_OK;
  const mst_field field = {.name = "v", .format = b->field->format, .nullable = true};
  mst_builder *builder = NULL;
  struct ArrowSchema schema = {0};
  struct ArrowArray batch = {0};
  mst_buf text;
  json_t *line = NULL;
  mst_buf_init(&text, f->mem, TEXT_MOST);
  MST_TRY(mst_schema_make(f->mem, &field, 1, &schema, err));
  MST_TRY(mst_builder_new(f->mem, &field, &builder, err));
  /* Little-endian: the low bytes of a wider number are the narrower one. */
  MST_TRY(mst_builder_fixed(builder, v->kind == MST_SCALAR_WIDE ? (const void *)v->as.wide.limb : &v->as.i, 1, err));
  MST_TRY(mst_batch_take(f->mem, &builder, 1, &batch, err));
  MST_TRY(mst_jsonl_put_rows(&schema, &batch, 0, 1, &text, err));
  MST_TRY(mst_json_parse(text.data, text.size, TEXT_MOST, "a value", &line, err));
  *out = json_incref(json_object_get(line, "v"));
done:
  json_decref(line);
  mst_array_release(&batch);
  mst_builder_free(builder);
  mst_schema_release(&schema);
  mst_buf_free(&text);
  return status;
}

static json_t *as_hex(const mst_parquet_file *f, const uint8_t *data, size_t n) {
  static const char digits[] = "0123456789abcdef";
  char *text = mst_alloc(f->mem, 2 * n + 1);
  json_t *object = NULL;
  size_t i;
  if (text == NULL) return NULL;
  for (i = 0; i < n; i++) {
    text[2 * i] = digits[data[i] >> 4];
    text[2 * i + 1] = digits[data[i] & 15];
  }
  object = json_pack("{s:s#}", "hex", text, (int)(2 * n));
  mst_free(f->mem, text);
  return object;
}

/* Text where it is text. */
static mst_status put_text(const mst_parquet_file *f, json_t *object, const char *key, const char *text, size_t n,
                           mst_error *err) {
  json_t *v = json_stringn(text, n);
  return mst_json_set(object, key, v != NULL ? v : as_hex(f, (const uint8_t *)text, n), err);
}

static mst_status as_json(const mst_parquet_file *f, const mst_pq_bounded *b, const mst_scalar *v, json_t **out,
                          mst_error *err) {
  char text[32];
  if (b->type.kind == MST_KIND_DECIMAL || mst_type_is_temporal(&b->type)) return as_line(f, b, v, out, err);
  switch (v->kind) {
  case MST_SCALAR_INT: *out = b->type.kind == MST_KIND_BOOL ? json_boolean(v->as.i != 0) : json_integer(v->as.i); break;
  case MST_SCALAR_UINT:
    snprintf(text, sizeof text, "%llu", (unsigned long long)v->as.u);
    *out = v->as.u <= INT64_MAX ? json_integer((json_int_t)v->as.u) : json_string(text);
    break;
  case MST_SCALAR_DOUBLE:
    *out = v->as.f - v->as.f == 0 ? json_real(v->as.f) : json_string(v->as.f > 0 ? "Infinity" : "-Infinity");
    break;
  default:
    *out = b->type.kind == MST_KIND_TEXT ? json_stringn((const char *)v->as.bytes.data, v->as.bytes.size) : NULL;
    if (*out == NULL) *out = as_hex(f, v->as.bytes.data, v->as.bytes.size);
    break;
  }
  return *out != NULL ? MST_OK : mst_fail_memory(err);
}

/* ---- columns ------------------------------------------------------------------------------------------------- */

static void logical_text(const mst_pq_annotation *a, char *out, size_t size) {
  static const char *const names[] = {"",     "STRING",    "MAP",      "LIST",     "ENUM",     "DECIMAL", "DATE",
                                      "TIME", "TIMESTAMP", "INTERVAL", "INTEGER",  "NULL",     "JSON",    "BSON",
                                      "UUID", "FLOAT16",   "VARIANT",  "GEOMETRY", "GEOGRAPHY"};
  static const char *const units[] = {"s", "ms", "us", "ns"};
  const char *name = names[a->logical];
  if (a->logical == MST_PQ_LOGICAL_DECIMAL) {
    snprintf(out, size, "%s(%d, %d)", name, a->precision, a->scale);
  } else if (a->logical == MST_PQ_LOGICAL_INTEGER) {
    snprintf(out, size, "%s(%d, %s)", name, a->bits, a->is_signed ? "signed" : "unsigned");
  } else if ((a->logical == MST_PQ_LOGICAL_TIME || a->logical == MST_PQ_LOGICAL_TIMESTAMP) && a->unit >= 0 &&
             a->unit <= 3) {
    snprintf(out, size, "%s(%s%s)", name, units[a->unit], a->utc ? ", UTC" : "");
  } else {
    snprintf(out, size, "%s", name);
  }
}

static mst_status put_column(const mst_parquet_file *f, uint32_t leaf, json_t *list, mst_error *err) {
  static const char *const repetitions[] = {"required", "optional", "repeated"};
  mst_status status = MST_OK;
  const mst_pq_node *n = &f->nodes[f->leaves[leaf]];
  char path[1024], logical[64];
  json_t *c = json_object();
  logical_text(&n->annotation, logical, sizeof logical);
  mst_pq_leaf_path(f, leaf, path, sizeof path);
  MST_TRY(put_text(f, c, "name", path, strlen(path), err));
  MST_TRY(mst_json_set_text(c, "physical", mst_pq_physical_name(n->physical), err));
  if (n->physical == MST_PQ_FIXED) MST_TRY(mst_json_set_u64(c, "length", n->type_length, err));
  if (logical[0] != '\0') MST_TRY(mst_json_set_text(c, "logical", logical, err));
  MST_TRY(mst_json_set_text(c, "repetition", repetitions[n->repetition], err));
  MST_TRY(mst_json_set_u64(c, "definition_levels", n->def, err));
  MST_TRY(mst_json_set_u64(c, "repetition_levels", n->rep, err));
  if (n->field_id != INT32_MIN) MST_TRY(mst_json_set(c, "field_id", json_integer(n->field_id), err));
  if (json_array_append(list, c) != 0) status = mst_fail_memory(err);
done:
  json_decref(c);
  return status;
}

/* ---- column chunks ------------------------------------------------------------------------------------------- */

static const char *codec_text(int8_t codec) {
  static const char *const names[] = {"none", "snappy", "gzip", "lzo", "brotli", "lz4_hadoop", "zstd", "lz4"};
  return codec >= 0 && codec < 8 ? names[codec] : "unknown";
}

static mst_status put_encodings(uint32_t bits, json_t *chunk, mst_error *err) {
  json_t *list = json_array();
  int e;
  for (e = 0; e < 31; e++)
    if ((bits >> e & 1) != 0 && json_array_append_new(list, json_string(mst_pq_encoding_name(e))) != 0) {
      json_decref(list);
      return mst_fail_memory(err);
    }
  return mst_json_set(chunk, "encodings", list, err);
}

static mst_status put_statistics(const mst_parquet_file *f, size_t group, uint32_t leaf, const mst_pq_bounded *b,
                                 json_t *chunk, mst_error *err) {
  mst_status status = MST_OK;
  const mst_pq_chunk *c = &f->groups[group].chunks[leaf];
  mst_bounds bounds = {0};
  json_t *v;
  if (c->nulls >= 0) MST_TRY(mst_json_set_u64(chunk, "nulls", (uint64_t)c->nulls, err));
  if (c->distinct >= 0) MST_TRY(mst_json_set_u64(chunk, "distinct", (uint64_t)c->distinct, err));
  if (c->nans >= 0) MST_TRY(mst_json_set_u64(chunk, "nans", (uint64_t)c->nans, err));
  if (b == NULL) return MST_OK;
  mst_pq_chunk_bounds_get(f, group, b, &bounds);
  if (bounds.has_min) {
    MST_TRY(as_json(f, b, &bounds.min, &v, err));
    MST_TRY(mst_json_set(chunk, "min", v, err));
    MST_TRY(mst_json_set(chunk, "min_exact", json_boolean((c->flags & MST_PQ_CHUNK_MIN_CUT) == 0), err));
  }
  if (bounds.has_max) {
    MST_TRY(as_json(f, b, &bounds.max, &v, err));
    MST_TRY(mst_json_set(chunk, "max", v, err));
    MST_TRY(mst_json_set(chunk, "max_exact", json_boolean((c->flags & MST_PQ_CHUNK_MAX_CUT) == 0), err));
  }
done:
  return status;
}

static mst_status put_number(json_t *object, const char *key, int64_t v, mst_error *err) {
  return mst_json_set(object, key, json_integer(v), err);
}

static mst_status put_chunk(const mst_parquet_file *f, size_t group, uint32_t leaf, const mst_pq_bounded *b,
                            json_t *list, mst_error *err) {
  mst_status status = MST_OK;
  const mst_pq_chunk *c = &f->groups[group].chunks[leaf];
  char path[1024];
  json_t *object = json_object();
  mst_pq_leaf_path(f, leaf, path, sizeof path);
  MST_TRY(put_text(f, object, "name", path, strlen(path), err));
  if ((c->flags & MST_PQ_CHUNK_ENCRYPTED) != 0) MST_TRY(mst_json_set(object, "encrypted", json_true(), err));
  if ((c->flags & MST_PQ_CHUNK_META) != 0) {
    MST_TRY(mst_json_set_text(object, "codec", codec_text(c->codec), err));
    MST_TRY(put_encodings(c->encodings, object, err));
    MST_TRY(put_number(object, "values", c->levels, err));
    MST_TRY(put_number(object, "bytes", c->packed_size, err));
    MST_TRY(put_number(object, "plain_bytes", c->plain_size, err));
    MST_TRY(put_number(object, "offset",
                       c->dictionary_at > 0 && c->dictionary_at < c->data_at ? c->dictionary_at : c->data_at, err));
    MST_TRY(mst_json_set(object, "dictionary", json_boolean(c->dictionary_at > 0), err));
    MST_TRY(mst_json_set(object, "column_index", json_boolean(c->column_index_at > 0), err));
    MST_TRY(mst_json_set(object, "offset_index", json_boolean(c->offset_index_at > 0), err));
    MST_TRY(mst_json_set(object, "bloom_filter", json_boolean(c->bloom_at > 0), err));
    MST_TRY(put_statistics(f, group, leaf, b, object, err));
  }
  if (json_array_append(list, object) != 0) status = mst_fail_memory(err);
done:
  json_decref(object);
  return status;
}

static mst_status put_group(const mst_parquet_file *f, size_t group, const mst_pq_bounded *bounded, json_t *list,
                            mst_error *err) {
  mst_status status = MST_OK;
  const mst_pq_group *g = &f->groups[group];
  json_t *object = json_object(), *chunks = json_array();
  int64_t packed = 0;
  uint32_t i;
  for (i = 0; i < f->n_leaves; i++)
    packed += g->chunks[i].packed_size > 0 && packed < INT64_MAX / 2 ? g->chunks[i].packed_size : 0;
  MST_TRY(put_number(object, "rows", g->rows, err));
  MST_TRY(put_number(object, "bytes", packed, err));
  MST_TRY(put_number(object, "plain_bytes", g->plain_size, err));
  for (i = 0; i < f->n_leaves; i++)
    MST_TRY(put_chunk(f, group, i, bounded[i].field != NULL ? &bounded[i] : NULL, chunks, err));
  MST_TRY(mst_json_set(object, "columns", json_incref(chunks), err));
  if (json_array_append(list, object) != 0) status = mst_fail_memory(err);
done:
  json_decref(chunks);
  json_decref(object);
  return status;
}

/* The leaves below `field` whose statistics are values of a row. */
static void find_bounded(const mst_parquet_file *f, const mst_pq_field *field, mst_pq_bounded *out) {
  uint32_t i;
  for (i = 0; i < field->n_children; i++) find_bounded(f, &field->children[i], out);
  if (field->n_children == 0 && !mst_pq_bounded_of(f, field, field->leaf, &out[field->leaf]))
    out[field->leaf].field = NULL;
}

/* ---- the file ------------------------------------------------------------------------------------------------ */

static mst_status put_pairs(const mst_parquet_file *f, json_t *object, mst_error *err) {
  mst_status status = MST_OK;
  json_t *pairs = json_object(), *v;
  size_t i;
  for (i = 0; i < f->n_pairs; i++) {
    const mst_pq_key_value *p = &f->pairs[i];
    v = p->value == NULL ? json_null() : json_stringn(p->value, p->value_size);
    if (v == NULL) v = as_hex(f, (const uint8_t *)p->value, p->value_size);
    if (json_object_set_new(pairs, p->key, v) != 0 && v == NULL) status = mst_fail_memory(err);
  }
  if (status == MST_OK) status = mst_json_set(object, "metadata", json_incref(pairs), err);
  json_decref(pairs);
  return status;
}

static mst_status put_facts(const mst_parquet_file *f, json_t *object, mst_error *err) {
  mst_status status = MST_OK;
  MST_TRY(put_number(object, "rows", f->rows, err));
  MST_TRY(mst_json_set_u64(object, "bytes", f->size, err));
  MST_TRY(mst_json_set_u64(object, "footer_bytes", f->footer_size, err));
  MST_TRY(put_number(object, "version", f->version, err));
  MST_TRY(put_text(f, object, "created_by", f->created_by, strlen(f->created_by), err));
  MST_TRY(mst_json_set_u64(object, "row_groups", f->n_groups, err));
  MST_TRY(mst_json_set(object, "encrypted", json_boolean(f->encrypted), err));
done:
  return status;
}

mst_status mst_parquet_describe(mst_parquet_file *f, size_t groups_max, json_t **out, mst_error *err) {
  mst_status status = MST_OK;
  json_t *object = json_object(), *columns = json_array(), *groups = json_array();
  mst_pq_bounded *bounded = NULL;
  size_t g;
  uint32_t i;
  MST_TRY(put_facts(f, object, err));
  MST_TRY_ALLOC(bounded = mst_alloc_zero(f->mem, f->n_leaves + 1u, sizeof *bounded));
  if (f->fields != NULL) find_bounded(f, f->fields, bounded);
  for (i = 0; i < f->n_leaves; i++) MST_TRY(put_column(f, i, columns, err));
  for (g = 0; g < f->n_groups && g < groups_max; g++) MST_TRY(put_group(f, g, bounded, groups, err));
  MST_TRY(mst_json_set(object, "columns", json_incref(columns), err));
  MST_TRY(mst_json_set(object, "groups", json_incref(groups), err));
  MST_TRY(put_pairs(f, object, err));
  *out = object;
  object = NULL;
done:
  mst_free(f->mem, bounded);
  json_decref(columns);
  json_decref(groups);
  json_decref(object);
  return status;
}

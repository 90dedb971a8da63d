/* parquet/fields.c - turns a Parquet schema into Arrow fields, legacy lists and maps included.
 *
 * Owns: nothing; everything lies in the file's arena. May call: base, column. */
#include "parquet/fields.h"

typedef struct making {
  mst_parquet_file *f;
  mst_error *err;
} making;

/* The levels of the items of the nearest list above. */
typedef struct level {
  uint8_t def, rep;
} level;

/* ---- leaves -------------------------------------------------------------------------------------------------- */

static mst_status misfit(const making *m, const mst_pq_node *n, const char *what) {
  char path[256];
  return mst_fail_at(m->err, MST_E_CORRUPT, m->f->footer_at, "column \"%s\": %s does not fit its physical type %s",
                     mst_pq_leaf_path(m->f, n->leaf, path, sizeof path), what, mst_pq_physical_name(n->physical));
}

static char *text_of(making *m, const char *format, int a, int b) {
  char *text = mst_pq_file_alloc(m->f, 1, 32);
  if (text == NULL) return NULL;
  snprintf(text, 32, format, a, b);
  return text;
}

static void simple(mst_pq_field *out, const char *format, mst_pq_conv conv) {
  out->format = format;
  out->conv = conv;
}

static mst_status decimal_leaf(making *m, const mst_pq_node *n, mst_pq_field *out) {
  mst_status status = MST_OK;
  mst_error *err = m->err;
  const mst_pq_annotation *a = &n->annotation;
  bool wide = a->precision > 38;
  if (a->precision < 1 || a->precision > 76 || a->scale < 0 || a->scale > a->precision) {
    char path[256];
    return mst_fail_at(err, MST_E_CORRUPT, m->f->footer_at, "column \"%s\": DECIMAL(%d, %d) is out of range",
                       mst_pq_leaf_path(m->f, n->leaf, path, sizeof path), a->precision, a->scale);
  }
  MST_TRY_ALLOC(out->format = text_of(m, wide ? "d:%d,%d,256" : "d:%d,%d", a->precision, a->scale));
  switch (n->physical) {
  case MST_PQ_INT32:
  case MST_PQ_INT64: out->conv = MST_PQ_CONV_WIDEN; break;
  case MST_PQ_FIXED: out->conv = MST_PQ_CONV_BIG; break;
  case MST_PQ_BYTE_ARRAY: out->conv = MST_PQ_CONV_BIG_BYTES; break;
  default: return misfit(m, n, "DECIMAL");
  }
done:
  return status;
}

static mst_status integer_leaf(making *m, const mst_pq_node *n, mst_pq_field *out) {
  const mst_pq_annotation *a = &n->annotation;
  mst_pq_physical want = a->bits == 64 ? MST_PQ_INT64 : MST_PQ_INT32;
  static const char *const formats[2][4] = {{"C", "S", "I", "L"}, {"c", "s", "i", "l"}};
  if (a->bits != 8 && a->bits != 16 && a->bits != 32 && a->bits != 64) return misfit(m, n, "INTEGER of an odd width");
  if (n->physical != want) return misfit(m, n, "INTEGER");
  simple(out, formats[a->is_signed][__builtin_ctz(a->bits) - 3], a->bits < 32 ? MST_PQ_CONV_NARROW : MST_PQ_CONV_SAME);
  return MST_OK;
}

static mst_status time_leaf(making *m, const mst_pq_node *n, mst_pq_field *out) {
  const mst_pq_annotation *a = &n->annotation;
  static const char *const stamps[2][3] = {{"tsm:", "tsu:", "tsn:"}, {"tsm:UTC", "tsu:UTC", "tsn:UTC"}};
  static const char *const times[3] = {"ttm", "ttu", "ttn"};
  bool stamp = a->logical == MST_PQ_LOGICAL_TIMESTAMP;
  if (a->unit < MST_UNIT_MS || a->unit > MST_UNIT_NS) return misfit(m, n, "a time of no unit");
  if (n->physical != (stamp || a->unit != MST_UNIT_MS ? MST_PQ_INT64 : MST_PQ_INT32))
    return misfit(m, n, stamp ? "TIMESTAMP" : "TIME");
  simple(out, stamp ? stamps[a->utc][a->unit - 1] : times[a->unit - 1], MST_PQ_CONV_SAME);
  return MST_OK;
}

static mst_status fixed_leaf(making *m, const mst_pq_node *n, mst_pq_field *out) {
  mst_status status = MST_OK;
  mst_error *err = m->err;
  mst_pq_logical logical = n->annotation.logical;
  uint32_t want = logical == MST_PQ_LOGICAL_UUID       ? 16
                  : logical == MST_PQ_LOGICAL_FLOAT16  ? 2
                  : logical == MST_PQ_LOGICAL_INTERVAL ? 12
                                                       : n->type_length;
  if (n->physical != MST_PQ_FIXED) return misfit(m, n, "a fixed-width logical type");
  if (n->type_length != want) return misfit(m, n, "its length");
  if (n->type_length > INT32_MAX / 2) return misfit(m, n, "a length over 1 GiB");
  MST_TRY_ALLOC(out->format = text_of(m, "w:%d", (int)n->type_length, 0));
  out->conv = MST_PQ_CONV_SAME;
  if (logical == MST_PQ_LOGICAL_UUID) out->extension = "arrow.uuid";
  if (logical == MST_PQ_LOGICAL_FLOAT16) out->format = "e";
done:
  return status;
}

static mst_status plain_leaf(making *m, const mst_pq_node *n, mst_pq_field *out) {
  switch (n->physical) {
  case MST_PQ_BOOLEAN: simple(out, "b", MST_PQ_CONV_BITS); return MST_OK;
  case MST_PQ_INT32: simple(out, "i", MST_PQ_CONV_SAME); return MST_OK;
  case MST_PQ_INT64: simple(out, "l", MST_PQ_CONV_SAME); return MST_OK;
  case MST_PQ_INT96: simple(out, "tsn:", MST_PQ_CONV_INT96); return MST_OK;
  case MST_PQ_FLOAT: simple(out, "f", MST_PQ_CONV_SAME); return MST_OK;
  case MST_PQ_DOUBLE: simple(out, "g", MST_PQ_CONV_SAME); return MST_OK;
  case MST_PQ_BYTE_ARRAY: simple(out, "z", MST_PQ_CONV_BYTES); return MST_OK;
  default: return fixed_leaf(m, n, out);
  }
}

static mst_status typed_leaf(making *m, const mst_pq_node *n, mst_pq_field *out) {
  switch (n->annotation.logical) {
  case MST_PQ_LOGICAL_STRING:
  case MST_PQ_LOGICAL_JSON:
    if (n->physical != MST_PQ_BYTE_ARRAY) return misfit(m, n, "STRING or JSON");
    simple(out, "u", MST_PQ_CONV_BYTES);
    if (n->annotation.logical == MST_PQ_LOGICAL_JSON) out->extension = "arrow.json";
    return MST_OK;
  case MST_PQ_LOGICAL_ENUM:
  case MST_PQ_LOGICAL_BSON:
    if (n->physical != MST_PQ_BYTE_ARRAY) return misfit(m, n, "ENUM or BSON");
    return plain_leaf(m, n, out);
  case MST_PQ_LOGICAL_DATE:
    if (n->physical != MST_PQ_INT32) return misfit(m, n, "DATE");
    simple(out, "tdD", MST_PQ_CONV_SAME);
    return MST_OK;
  case MST_PQ_LOGICAL_DECIMAL: return decimal_leaf(m, n, out);
  case MST_PQ_LOGICAL_INTEGER: return integer_leaf(m, n, out);
  case MST_PQ_LOGICAL_TIME:
  case MST_PQ_LOGICAL_TIMESTAMP: return time_leaf(m, n, out);
  case MST_PQ_LOGICAL_UUID:
  case MST_PQ_LOGICAL_FLOAT16:
  case MST_PQ_LOGICAL_INTERVAL: return fixed_leaf(m, n, out);
  case MST_PQ_LOGICAL_UNKNOWN: simple(out, "n", MST_PQ_CONV_NOTHING); return MST_OK;
  default: return plain_leaf(m, n, out);
  }
}

static mst_status make_leaf(making *m, const mst_pq_node *n, mst_pq_field *out) {
  mst_status status = MST_OK;
  mst_type type;
  out->leaf = n->leaf;
  MST_TRY(typed_leaf(m, n, out));
  MST_TRY(mst_type_parse(out->format, &type, m->err));
  out->kind = type.kind;
  out->layout = type.layout;
  out->width = type.width;
  if (type.kind == MST_KIND_NULL) out->nullable = true;
done:
  return status;
}

/* ---- groups -------------------------------------------------------------------------------------------------- */

static mst_status make_field(making *m, uint32_t node, bool as_item, level above, mst_pq_field *out);

static mst_status make_children(making *m, uint32_t node, level above, mst_pq_field *out) {
  mst_status status = MST_OK;
  mst_error *err = m->err;
  const mst_pq_node *n = &m->f->nodes[node];
  uint32_t i, child = node + 1;
  MST_TRY_ALLOC(out->children = mst_pq_file_alloc(m->f, n->n_children, sizeof *out->children));
  for (i = 0; i < n->n_children; i++, child = m->f->nodes[child].end)
    MST_TRY(make_field(m, child, false, above, &out->children[i]));
  out->n_children = n->n_children;
done:
  return status;
}

static bool is_group(const mst_pq_node *n) { return n->physical == MST_PQ_GROUP; }

/* Whether the repeated group inside a LIST is itself the item (parquet-format LogicalTypes.md, backward compatibility).
 */
static bool group_is_item(const making *m, const mst_pq_node *list, uint32_t repeated) {
  const mst_pq_node *r = &m->f->nodes[repeated];
  size_t n = strlen(list->name);
  if (!is_group(r) || r->n_children != 1) return true;
  if (m->f->nodes[repeated + 1].repetition == MST_PQ_REPEATED) return true;
  return strcmp(r->name, "array") == 0 || (strncmp(r->name, list->name, n) == 0 && strcmp(r->name + n, "_tuple") == 0);
}

static mst_status make_list(making *m, uint32_t node, uint32_t repeated, mst_pq_field *out) {
  mst_status status = MST_OK;
  mst_error *err = m->err;
  const mst_pq_node *r = &m->f->nodes[repeated];
  bool item = group_is_item(m, &m->f->nodes[node], repeated);
  out->kind = MST_KIND_LIST;
  out->layout = MST_LAYOUT_LIST32;
  out->format = "+l";
  out->rep = r->rep;
  MST_TRY_ALLOC(out->children = mst_pq_file_alloc(m->f, 1, sizeof *out->children));
  out->n_children = 1;
  MST_TRY(make_field(m, item ? repeated : repeated + 1, item, (level){r->def, r->rep}, &out->children[0]));
done:
  return status;
}

static mst_status make_map(making *m, uint32_t repeated, mst_pq_field *out) {
  mst_status status = MST_OK;
  mst_error *err = m->err;
  const mst_pq_node *r = &m->f->nodes[repeated];
  mst_pq_field *entries;
  out->kind = MST_KIND_MAP;
  out->layout = MST_LAYOUT_LIST32;
  out->format = "+m";
  out->rep = r->rep;
  MST_TRY_ALLOC(out->children = entries = mst_pq_file_alloc(m->f, 1, sizeof *out->children));
  out->n_children = 1;
  *entries = (mst_pq_field){.name = "entries",
                            .kind = MST_KIND_STRUCT,
                            .layout = MST_LAYOUT_STRUCT,
                            .format = "+s",
                            .def = r->def,
                            .parent_def = r->def,
                            .parent_rep = r->rep,
                            .field_id = INT32_MIN};
  MST_TRY(make_children(m, repeated, (level){r->def, r->rep}, entries));
  entries->children[0].nullable = false;
done:
  return status;
}

/* A group with one repeated child. */
static bool wraps_repeated(const making *m, uint32_t node) {
  return m->f->nodes[node].n_children == 1 && m->f->nodes[node + 1].repetition == MST_PQ_REPEATED;
}

static mst_status make_value(making *m, uint32_t node, level above, mst_pq_field *out) {
  const mst_pq_node *n = &m->f->nodes[node];
  if (!is_group(n)) return make_leaf(m, n, out);
  if (n->annotation.logical == MST_PQ_LOGICAL_LIST && wraps_repeated(m, node)) return make_list(m, node, node + 1, out);
  if (n->annotation.logical == MST_PQ_LOGICAL_MAP && wraps_repeated(m, node)) {
    const mst_pq_node *r = &m->f->nodes[node + 1];
    if (is_group(r) && r->n_children == 2) return make_map(m, node + 1, out);
    if (is_group(r) && r->n_children == 1) return make_list(m, node, node + 1, out);
  }
  out->kind = MST_KIND_STRUCT;
  out->layout = MST_LAYOUT_STRUCT;
  out->format = "+s";
  return make_children(m, node, above, out);
}

/* `as_item`: a repeated node whose list was made already. */
static mst_status make_field(making *m, uint32_t node, bool as_item, level above, mst_pq_field *out) {
  mst_status status = MST_OK;
  mst_error *err = m->err;
  const mst_pq_node *n = &m->f->nodes[node];
  *out = (mst_pq_field){
      .name = n->name, .field_id = n->field_id, .def = n->def, .parent_def = above.def, .parent_rep = above.rep};
  if (n->repetition != MST_PQ_REPEATED || as_item) {
    out->nullable = n->repetition == MST_PQ_OPTIONAL;
    return make_value(m, node, above, out);
  }
  /* Repeated without a LIST around it: a list that is always there, of required items. */
  out->kind = MST_KIND_LIST;
  out->layout = MST_LAYOUT_LIST32;
  out->format = "+l";
  out->def = (uint8_t)(n->def - 1);
  out->rep = n->rep;
  MST_TRY_ALLOC(out->children = mst_pq_file_alloc(m->f, 1, sizeof *out->children));
  out->n_children = 1;
  status = make_field(m, node, true, (level){n->def, n->rep}, &out->children[0]);
done:
  return status;
}

mst_status mst_pq_fields_make(mst_parquet_file *f, mst_pq_field *out, mst_error *err) {
  making m = {.f = f, .err = err};
  *out = (mst_pq_field){
      .name = "", .format = "+s", .kind = MST_KIND_STRUCT, .layout = MST_LAYOUT_STRUCT, .field_id = INT32_MIN};
  return make_children(&m, 0, (level){0, 0}, out);
}

/* ---- Arrow schema -------------------------------------------------------------------------------------------- */

static mst_status put_pairs(const mst_pq_field *field, struct ArrowSchema *out, mst_error *err) {
  mst_metadata_pair pairs[2];
  size_t n = 0;
  char id[16];
  if (field->metadata != NULL) return mst_schema_set_metadata(out, field->metadata, err);
  if (field->extension != NULL) {
    pairs[n++] = (mst_metadata_pair){"ARROW:extension:name", 20, field->extension, strlen(field->extension)};
    pairs[n++] = (mst_metadata_pair){"ARROW:extension:metadata", 24, "", 0};
    return mst_schema_set_pairs(out, pairs, n, err);
  }
  if (field->field_id == INT32_MIN) return MST_OK;
  snprintf(id, sizeof id, "%d", field->field_id);
  pairs[n++] = (mst_metadata_pair){"PARQUET:field_id", 16, id, strlen(id)};
  return mst_schema_set_pairs(out, pairs, n, err);
}

mst_status mst_pq_fields_schema(const mst_allocator *mem, const mst_pq_field *field, struct ArrowSchema *out,
                                mst_error *err) {
  mst_status status = MST_OK;
  struct ArrowSchema made = {0}, values = {0};
  int64_t flags = (field->nullable ? ARROW_FLAG_NULLABLE : 0) | (field->ordered ? ARROW_FLAG_DICTIONARY_ORDERED : 0) |
                  (field->sorted ? ARROW_FLAG_MAP_KEYS_SORTED : 0);
  const char *format = field->index_format != NULL ? field->index_format : field->format;
  uint32_t i;
  MST_TRY(mst_schema_node(mem, format, field->name, flags, field->n_children, &made, err));
  MST_TRY(put_pairs(field, &made, err));
  for (i = 0; i < field->n_children; i++)
    MST_TRY(mst_pq_fields_schema(mem, &field->children[i], made.children[i], err));
  if (field->index_format != NULL) {
    MST_TRY(mst_schema_node(mem, field->format, "", ARROW_FLAG_NULLABLE, 0, &values, err));
    mst_schema_set_dictionary(&made, &values);
  }
  *out = made;
  return MST_OK;
done:
  mst_schema_release(&made);
  return status;
}

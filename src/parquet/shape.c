/* parquet/shape.c - maps Arrow types to Parquet's, and lays out levels.
 *
 * Owns: the shape it makes. May call: base, column. */
#include "parquet/shape.h"

#include <stdlib.h>

/* One allocation in the chain that the shape owns. */
typedef struct block {
  struct block *next;
} block;

/* The walk from the root to where it stands. */
typedef struct walk {
  mst_pq_shape *shape;
  uint32_t top;
  mst_pq_step steps[MST_SCHEMA_DEPTH_MAX + 1];
  uint32_t n_steps;
  const char *names[3 * MST_SCHEMA_DEPTH_MAX + 3];
  uint32_t n_names;
  uint8_t def, rep;
} walk;

static void *shape_alloc(mst_pq_shape *s, size_t size) {
  block *b = mst_alloc(s->mem, sizeof *b + size);
  if (b == NULL) return NULL;
  b->next = s->blocks;
  s->blocks = b;
  return b + 1;
}

void mst_pq_shape_free(mst_pq_shape *s) {
  block *b = s->blocks;
  while (b != NULL) {
    block *next = b->next;
    mst_free(s->mem, b);
    b = next;
  }
  mst_free(s->mem, s->elements);
  mst_free(s->mem, s->leaves);
  mst_schema_release(&s->schema);
  *s = (mst_pq_shape){0};
}

/* ---- types --------------------------------------------------------------------------------------------------- */

/* Bytes that decimals of `precision` digits take in two's complement. */
static uint32_t decimal_bytes(int32_t precision) {
  static const uint8_t digits[] = {0,  2,  4,  6,  9,  11, 14, 16, 18, 21, 23, 26, 28, 31, 33, 35, 38,
                                   40, 43, 45, 47, 50, 52, 55, 57, 59, 62, 64, 67, 69, 71, 74, 76};
  uint32_t n = 1;
  while (n < 32 && digits[n] < precision) n++;
  return n;
}

static void set_integer(mst_pq_leaf *leaf, mst_pq_annotation *a) {
  bool is_signed = mst_type_is_signed(&leaf->type);
  leaf->physical = leaf->type.width == 8 ? MST_PQ_INT64 : MST_PQ_INT32;
  if (leaf->type.width == 1) leaf->map = is_signed ? MST_PQ_MAP_I8 : MST_PQ_MAP_U8;
  if (leaf->type.width == 2) leaf->map = is_signed ? MST_PQ_MAP_I16 : MST_PQ_MAP_U16;
  if (leaf->type.width >= 4 && is_signed) return;
  *a = (mst_pq_annotation){
      .logical = MST_PQ_LOGICAL_INTEGER, .is_signed = is_signed, .bits = (uint8_t)(leaf->type.width * 8)};
}

static void set_time(mst_pq_leaf *leaf, mst_pq_annotation *a) {
  bool seconds = leaf->type.unit == MST_UNIT_S;
  bool stamp = leaf->type.kind == MST_KIND_TIMESTAMP;
  leaf->physical = leaf->type.width == 8 ? MST_PQ_INT64 : MST_PQ_INT32;
  if (seconds) leaf->map = MST_PQ_MAP_TIMES_1000;
  *a = (mst_pq_annotation){.logical = stamp ? MST_PQ_LOGICAL_TIMESTAMP : MST_PQ_LOGICAL_TIME,
                           .unit = (int8_t)(seconds ? MST_UNIT_MS : leaf->type.unit),
                           .utc = stamp ? leaf->type.zone[0] != '\0' : true};
}

/* An Arrow type that has extension metadata `name`. */
static bool has_extension(const struct ArrowSchema *field, const char *name) {
  mst_metadata_pair pair;
  return mst_schema_find_pair(field, "ARROW:extension:name", &pair) && pair.value_size == strlen(name) &&
         memcmp(pair.value, name, pair.value_size) == 0;
}

static void set_bytes(mst_pq_leaf *leaf, const struct ArrowSchema *field, mst_pq_annotation *a) {
  leaf->physical = MST_PQ_BYTE_ARRAY;
  leaf->map = MST_PQ_MAP_TEXT;
  if (leaf->type.kind != MST_KIND_TEXT) return;
  a->logical = has_extension(field, "arrow.json") ? MST_PQ_LOGICAL_JSON : MST_PQ_LOGICAL_STRING;
}

static void set_fixed(mst_pq_leaf *leaf, uint32_t length, mst_pq_logical logical, mst_pq_element *e) {
  leaf->physical = MST_PQ_FIXED;
  e->type_length = length;
  e->annotation.logical = logical;
}

/* Physical type, annotation and mapping of one Arrow leaf; false when Parquet has none. */
static bool map_type(mst_pq_leaf *leaf, const struct ArrowSchema *field, mst_pq_element *e) {
  mst_pq_annotation *a = &e->annotation;
  leaf->map = MST_PQ_MAP_SAME;
  switch (leaf->type.kind) {
  case MST_KIND_NULL:
    leaf->physical = MST_PQ_INT32;
    leaf->map = MST_PQ_MAP_NOTHING;
    a->logical = MST_PQ_LOGICAL_UNKNOWN;
    return true;
  case MST_KIND_BOOL:
    leaf->physical = MST_PQ_BOOLEAN;
    leaf->map = MST_PQ_MAP_BITS;
    return true;
  case MST_KIND_INT8:
  case MST_KIND_INT16:
  case MST_KIND_INT32:
  case MST_KIND_INT64:
  case MST_KIND_UINT8:
  case MST_KIND_UINT16:
  case MST_KIND_UINT32:
  case MST_KIND_UINT64: set_integer(leaf, a); return true;
  case MST_KIND_HALF: set_fixed(leaf, 2, MST_PQ_LOGICAL_FLOAT16, e); return true;
  case MST_KIND_FLOAT: leaf->physical = MST_PQ_FLOAT; return true;
  case MST_KIND_DOUBLE: leaf->physical = MST_PQ_DOUBLE; return true;
  case MST_KIND_DECIMAL:
    if (leaf->type.scale < 0 || leaf->type.scale > leaf->type.precision || leaf->type.precision > 76) return false;
    set_fixed(leaf, decimal_bytes(leaf->type.precision), MST_PQ_LOGICAL_DECIMAL, e);
    leaf->map = MST_PQ_MAP_DECIMAL;
    a->precision = leaf->type.precision;
    a->scale = leaf->type.scale;
    return true;
  case MST_KIND_DATE64: leaf->map = MST_PQ_MAP_MS_TO_DAYS; /* fall through */
  case MST_KIND_DATE32:
    leaf->physical = MST_PQ_INT32;
    a->logical = MST_PQ_LOGICAL_DATE;
    return true;
  case MST_KIND_TIME32:
  case MST_KIND_TIME64:
  case MST_KIND_TIMESTAMP: set_time(leaf, a); return true;
  case MST_KIND_DURATION: leaf->physical = MST_PQ_INT64; return true;
  case MST_KIND_MONTHS:
  case MST_KIND_DAYS_MS:
    set_fixed(leaf, 12, MST_PQ_LOGICAL_INTERVAL, e);
    leaf->map = leaf->type.kind == MST_KIND_MONTHS ? MST_PQ_MAP_MONTHS : MST_PQ_MAP_DAYS_MS;
    return true;
  case MST_KIND_FIXED_BYTES:
    if (leaf->type.width == 0) return false;
    set_fixed(leaf, leaf->type.width, has_extension(field, "arrow.uuid") ? MST_PQ_LOGICAL_UUID : MST_PQ_LOGICAL_NONE,
              e);
    return true;
  case MST_KIND_BYTES:
  case MST_KIND_TEXT: set_bytes(leaf, field, a); return true;
  default: return false;
  }
}

/* ---- the walk ------------------------------------------------------------------------------------------------ */

/* Where the walk stands, to come back to for the next child. */
typedef struct place {
  uint32_t n_steps, n_names;
  uint8_t def, rep;
} place;

static place here(const walk *w) { return (place){w->n_steps, w->n_names, w->def, w->rep}; }

static void back_to(walk *w, place p) {
  w->n_steps = p.n_steps;
  w->n_names = p.n_names;
  w->def = p.def;
  w->rep = p.rep;
}

static mst_status grow_elements(mst_pq_shape *s, mst_error *err) {
  mst_pq_element *grown;
  if ((s->n_elements & (s->n_elements - 1)) != 0 || s->n_elements == 1) return MST_OK;
  grown = mst_resize(s->mem, s->elements, sizeof *grown * (s->n_elements == 0 ? 2 : 2 * (size_t)s->n_elements));
  if (grown == NULL) return mst_fail_memory(err);
  s->elements = grown;
  return MST_OK;
}

static mst_status add_element(walk *w, const char *name, mst_pq_repetition repetition, uint32_t n_children,
                              mst_error *err) {
  mst_status status = grow_elements(w->shape, err);
  if (status != MST_OK) return status;
  w->shape->elements[w->shape->n_elements++] = (mst_pq_element){.name = name,
                                                                .physical = MST_PQ_GROUP,
                                                                .repetition = repetition,
                                                                .n_children = n_children,
                                                                .field_id = INT32_MIN};
  w->names[w->n_names++] = name;
  return MST_OK;
}

static mst_pq_element *last_element(walk *w) { return &w->shape->elements[w->shape->n_elements - 1]; }

/* pyarrow keeps Parquet's field ids in the field's metadata under this key. */
static int32_t field_id(const struct ArrowSchema *field) {
  mst_metadata_pair pair;
  char text[16];
  if (!mst_schema_find_pair(field, "PARQUET:field_id", &pair) || pair.value_size >= sizeof text) return INT32_MIN;
  memcpy(text, pair.value, pair.value_size);
  text[pair.value_size] = '\0';
  return (int32_t)strtol(text, NULL, 10);
}

static mst_status grow_leaves(mst_pq_shape *s, mst_error *err) {
  mst_pq_leaf *grown;
  if ((s->n_leaves & (s->n_leaves - 1)) != 0 || s->n_leaves == 1) return MST_OK;
  grown = mst_resize(s->mem, s->leaves, sizeof *grown * (s->n_leaves == 0 ? 2 : 2 * (size_t)s->n_leaves));
  if (grown == NULL) return mst_fail_memory(err);
  s->leaves = grown;
  return MST_OK;
}

static mst_status add_leaf(walk *w, const struct ArrowSchema *field, const mst_type *type, mst_error *err) {
  mst_status status = MST_OK;
  mst_pq_shape *s = w->shape;
  mst_pq_leaf leaf = {.top = w->top, .element = s->n_elements - 1, .type = *type, .max_def = w->def, .max_rep = w->rep};
  mst_pq_element *e = last_element(w);
  mst_pq_step *steps;
  if (!map_type(&leaf, field, e))
    return mst_fail(err, MST_E_UNSUPPORTED, "Parquet cannot hold field \"%s\" of Arrow format \"%s\"", field->name,
                    field->format);
  e->physical = leaf.physical;
  leaf.width = mst_pq_width(leaf.physical, e->type_length);
  leaf.order = mst_pq_order_of(leaf.physical, &e->annotation);
  w->steps[w->n_steps++] = (mst_pq_step){
      .kind = MST_PQ_STEP_LEAF, .layout = type->layout, .nullable = e->repetition == MST_PQ_OPTIONAL, .def = w->def};
  MST_TRY_ALLOC(steps = shape_alloc(s, sizeof *steps * w->n_steps));
  memcpy(steps, w->steps, sizeof *steps * w->n_steps);
  leaf.steps = steps;
  leaf.n_steps = w->n_steps;
  MST_TRY_ALLOC(leaf.path = shape_alloc(s, sizeof *leaf.path * w->n_names));
  memcpy(leaf.path, w->names, sizeof *leaf.path * w->n_names);
  leaf.n_path = w->n_names;
  MST_TRY(grow_leaves(s, err));
  s->leaves[s->n_leaves++] = leaf;
done:
  return status;
}

static mst_status add_field(walk *w, const struct ArrowSchema *field, const char *name, bool required, mst_error *err);

static mst_status add_struct(walk *w, const struct ArrowSchema *field, mst_error *err) {
  mst_status status = MST_OK;
  place saved = here(w);
  bool nullable = last_element(w)->repetition == MST_PQ_OPTIONAL;
  int64_t i;
  if (field->n_children == 0)
    return mst_fail(err, MST_E_UNSUPPORTED, "Parquet cannot hold struct \"%s\", which has no fields", field->name);
  for (i = 0; i < field->n_children; i++) {
    back_to(w, saved);
    w->steps[w->n_steps++] = (mst_pq_step){.kind = MST_PQ_STEP_STRUCT,
                                           .layout = MST_LAYOUT_STRUCT,
                                           .nullable = nullable,
                                           .def = w->def,
                                           .child = (uint32_t)i};
    MST_TRY(add_field(w, field->children[i], field->children[i]->name, false, err));
  }
done:
  return status;
}

/* group LIST { repeated group list { element } }; the list's own element is already there. */
static mst_status add_list(walk *w, const struct ArrowSchema *field, const mst_type *type, mst_error *err) {
  mst_status status = MST_OK;
  bool fixed = type->layout == MST_LAYOUT_FIXED_LIST;
  last_element(w)->annotation.logical = MST_PQ_LOGICAL_LIST;
  w->steps[w->n_steps++] = (mst_pq_step){.kind = fixed ? MST_PQ_STEP_FIXED_LIST : MST_PQ_STEP_LIST,
                                         .layout = type->layout,
                                         .nullable = last_element(w)->repetition == MST_PQ_OPTIONAL,
                                         .def = w->def,
                                         .rep = ++w->rep,
                                         .size = type->size};
  MST_TRY(add_element(w, "list", MST_PQ_REPEATED, 1, err));
  w->def++;
  MST_TRY(add_field(w, field->children[0], "element", false, err));
done:
  return status;
}

/* group MAP { repeated group key_value { required key; value } } */
static mst_status add_map(walk *w, const struct ArrowSchema *field, mst_error *err) {
  mst_status status = MST_OK;
  const struct ArrowSchema *entries = field->children[0];
  place saved;
  int64_t i;
  if (entries->n_children != 2)
    return mst_fail(err, MST_E_ARGUMENT, "map \"%s\" has entries of %lld fields, not 2", field->name,
                    (long long)entries->n_children);
  last_element(w)->annotation.logical = MST_PQ_LOGICAL_MAP;
  w->steps[w->n_steps++] = (mst_pq_step){.kind = MST_PQ_STEP_LIST,
                                         .layout = MST_LAYOUT_LIST32,
                                         .nullable = last_element(w)->repetition == MST_PQ_OPTIONAL,
                                         .def = w->def,
                                         .rep = ++w->rep};
  MST_TRY(add_element(w, "key_value", MST_PQ_REPEATED, 2, err));
  w->def++;
  saved = here(w);
  for (i = 0; i < 2; i++) {
    back_to(w, saved);
    w->steps[w->n_steps++] =
        (mst_pq_step){.kind = MST_PQ_STEP_STRUCT, .layout = MST_LAYOUT_STRUCT, .def = w->def, .child = (uint32_t)i};
    MST_TRY(add_field(w, entries->children[i], i == 0 ? "key" : "value", i == 0, err));
  }
done:
  return status;
}

static mst_status add_field(walk *w, const struct ArrowSchema *field, const char *name, bool required, mst_error *err) {
  mst_status status = MST_OK;
  bool nullable = (field->flags & ARROW_FLAG_NULLABLE) != 0 && !required;
  mst_type type;
  if (w->n_steps >= MST_SCHEMA_DEPTH_MAX)
    return mst_fail(err, MST_E_LIMIT, "field \"%s\" nests deeper than %d levels", field->name, MST_SCHEMA_DEPTH_MAX);
  MST_TRY(mst_type_parse(field->format, &type, err));
  if (mst_type_children(&type) >= 0 && mst_type_children(&type) != field->n_children)
    return mst_fail(err, MST_E_ARGUMENT, "field \"%s\" of Arrow format \"%s\" has %lld children", field->name,
                    field->format, (long long)field->n_children);
  if (type.kind == MST_KIND_NULL) nullable = true;
  MST_TRY(add_element(w, name, nullable ? MST_PQ_OPTIONAL : MST_PQ_REQUIRED, (uint32_t)field->n_children, err));
  last_element(w)->field_id = field_id(field);
  if (nullable) w->def++;
  if (type.kind == MST_KIND_STRUCT) return add_struct(w, field, err);
  if (type.kind == MST_KIND_MAP) return add_map(w, field, err);
  if (type.kind == MST_KIND_LIST || type.kind == MST_KIND_FIXED_LIST) {
    last_element(w)->n_children = 1;
    return add_list(w, field, &type, err);
  }
  status = add_leaf(w, field, &type, err);
done:
  return status;
}

mst_status mst_pq_shape_make(const mst_allocator *mem, const struct ArrowSchema *schema, mst_pq_shape *out,
                             mst_error *err) {
  mst_status status = MST_OK;
  mst_pq_shape shape = {.mem = mem};
  walk *w = NULL;
  int64_t i;
  MST_TRY(mst_schema_plain(mem, schema, &shape.schema, err));
  if (!mst_text_equal(shape.schema.format, "+s")) {
    status =
        mst_fail(err, MST_E_ARGUMENT, "a table's schema must be a struct (\"+s\"), not \"%s\"", shape.schema.format);
    goto done;
  }
  MST_TRY_ALLOC(w = mst_alloc_zero(mem, 1, sizeof *w));
  w->shape = &shape;
  MST_TRY(add_element(w, "schema", MST_PQ_REQUIRED, (uint32_t)shape.schema.n_children, err));
  for (i = 0; i < shape.schema.n_children; i++) {
    const struct ArrowSchema *field = shape.schema.children[i];
    *w = (walk){.shape = &shape, .top = (uint32_t)i};
    MST_TRY(add_field(w, field, field->name, false, err));
  }
  *out = shape;
  shape = (mst_pq_shape){0};
done:
  mst_free(mem, w);
  mst_pq_shape_free(&shape);
  return status;
}

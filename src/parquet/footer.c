/* parquet/footer.c - decodes the footer straight into what the reader uses.
 *
 * Owns: mst_parquet_file. May call: base, column. */
#include "parquet/footer.h"

#include "parquet/fields.h"
#include "parquet/thrift.h"

enum { FOOTER_SIZE_MAX = INT32_MAX, ARENA_BLOCK = 16384, TAIL_MAX = 4 << 20, CHUNK_LEAST = 8 };

/* ---- memory -------------------------------------------------------------------------------------------------- */

typedef struct arena_block {
  struct arena_block *next;
  uint64_t align;
} arena_block;

void *mst_pq_file_alloc(mst_parquet_file *f, size_t count, size_t size) {
  size_t n;
  arena_block *b;
  void *out;
  if (!mst_mul_size(count, size, &n) || n > SIZE_MAX / 2) return NULL;
  n = n == 0 ? 16 : (n + 15) & ~(size_t)15;
  if (n > f->arena_left) {
    size_t room = n > ARENA_BLOCK / 4 ? n : ARENA_BLOCK;
    b = mst_alloc_zero(f->mem, 1, sizeof *b + room);
    if (b == NULL) return NULL;
    mst_expect_whole(b, room);
    b->next = f->arena;
    f->arena = b;
    if (room == n) return b + 1;
    f->arena_at = (uint8_t *)(b + 1);
    f->arena_left = room;
  }
  out = f->arena_at;
  f->arena_at += n;
  f->arena_left -= n;
  return out;
}

static void free_file(mst_parquet_file *f) {
  mst_allocator copy = f->mem_copy;
  const mst_allocator *mem = f->mem != NULL ? &copy : NULL;
  arena_block *b = f->arena, *next;
  for (; b != NULL; b = next) {
    next = b->next;
    mst_free(mem, b);
  }
  mst_bytes_release(&f->held);
  mst_free(mem, f);
}

mst_parquet_file *mst_parquet_file_ref(mst_parquet_file *f) {
  if (f != NULL) atomic_fetch_add_explicit(&f->refs, 1, memory_order_relaxed);
  return f;
}

void mst_parquet_file_unref(mst_parquet_file *f) {
  if (f != NULL && atomic_fetch_sub_explicit(&f->refs, 1, memory_order_acq_rel) == 1) free_file(f);
}

/* What a parser works on. No memory is told apart from bad bytes by `no_memory`. */
typedef struct parse {
  mst_parquet_file *f;
  mst_thrift t;
  bool no_memory;
} parse;

static void *take(parse *p, size_t count, size_t size) {
  void *out = mst_pq_file_alloc(p->f, count, size);
  if (out == NULL) {
    p->no_memory = true;
    mst_thrift_fail(&p->t, "there is no memory");
  }
  return out;
}

static const char *take_text(parse *p, uint8_t type, size_t *size, uint64_t *at) {
  size_t n;
  const uint8_t *data = mst_thrift_binary(&p->t, type, &n);
  char *copy = take(p, 1, n + 1);
  if (copy == NULL) return "";
  if (n > 0) memcpy(copy, data, n);
  if (size != NULL) *size = n;
  if (at != NULL) *at = p->f->footer_at + (uint64_t)(data != NULL ? data - p->t.data : 0);
  return copy;
}

/* ---- schema -------------------------------------------------------------------------------------------------- */

static void parse_time_unit(mst_thrift *t, uint8_t type, mst_pq_annotation *a) {
  mst_thrift_field f = {0};
  if (!mst_thrift_enter(t, type)) return;
  while (mst_thrift_next(t, &f)) {
    if (f.id >= 1 && f.id <= 3) a->unit = (int8_t)f.id;
    mst_thrift_skip(t, f.type);
  }
  mst_thrift_leave(t);
}

/* The fields of DecimalType, IntType, TimeType and TimestampType do not collide per logical type. */
static void parse_logical_body(mst_thrift *t, uint8_t type, mst_pq_annotation *a) {
  mst_thrift_field f = {0};
  bool decimal = a->logical == MST_PQ_LOGICAL_DECIMAL, integer = a->logical == MST_PQ_LOGICAL_INTEGER;
  bool time = a->logical == MST_PQ_LOGICAL_TIME || a->logical == MST_PQ_LOGICAL_TIMESTAMP;
  if (!mst_thrift_enter(t, type)) return;
  while (mst_thrift_next(t, &f)) {
    if (decimal && f.id == 1) {
      a->scale = mst_thrift_i32(t, f.type);
    } else if (decimal && f.id == 2) {
      a->precision = mst_thrift_i32(t, f.type);
    } else if (integer && f.id == 1) {
      a->bits = (uint8_t)mst_thrift_int(t, f.type);
    } else if (integer && f.id == 2) {
      a->is_signed = mst_thrift_bool(t, f.type);
    } else if (time && f.id == 1) {
      a->utc = mst_thrift_bool(t, f.type);
    } else if (time && f.id == 2) {
      parse_time_unit(t, f.type, a);
    } else {
      mst_thrift_skip(t, f.type);
    }
  }
  mst_thrift_leave(t);
}

static void parse_logical(mst_thrift *t, uint8_t type, mst_pq_annotation *a) {
  mst_thrift_field f = {0};
  if (!mst_thrift_enter(t, type)) return;
  while (mst_thrift_next(t, &f)) {
    a->logical =
        f.id >= MST_PQ_LOGICAL_STRING && f.id <= MST_PQ_LOGICAL_GEOGRAPHY ? (mst_pq_logical)f.id : MST_PQ_LOGICAL_NONE;
    parse_logical_body(t, f.type, a);
  }
  mst_thrift_leave(t);
}

/* Files from before LogicalType say it by ConvertedType; its times are in UTC. */
static void convert(mst_pq_node *n, int32_t scale, int32_t precision) {
  mst_pq_annotation *a = &n->annotation;
  mst_pq_converted c = n->converted;
  if (a->logical != MST_PQ_LOGICAL_NONE) return;
  switch (c) {
  case MST_PQ_UTF8: a->logical = MST_PQ_LOGICAL_STRING; break;
  case MST_PQ_MAP:
  case MST_PQ_MAP_KEY_VALUE: a->logical = MST_PQ_LOGICAL_MAP; break;
  case MST_PQ_LIST: a->logical = MST_PQ_LOGICAL_LIST; break;
  case MST_PQ_ENUM: a->logical = MST_PQ_LOGICAL_ENUM; break;
  case MST_PQ_DECIMAL:
    *a = (mst_pq_annotation){.logical = MST_PQ_LOGICAL_DECIMAL, .scale = scale, .precision = precision};
    break;
  case MST_PQ_DATE: a->logical = MST_PQ_LOGICAL_DATE; break;
  case MST_PQ_TIME_MILLIS:
  case MST_PQ_TIME_MICROS:
    *a = (mst_pq_annotation){
        .logical = MST_PQ_LOGICAL_TIME, .utc = true, .unit = c == MST_PQ_TIME_MILLIS ? MST_UNIT_MS : MST_UNIT_US};
    break;
  case MST_PQ_TIMESTAMP_MILLIS:
  case MST_PQ_TIMESTAMP_MICROS:
    *a = (mst_pq_annotation){.logical = MST_PQ_LOGICAL_TIMESTAMP,
                             .utc = true,
                             .unit = c == MST_PQ_TIMESTAMP_MILLIS ? MST_UNIT_MS : MST_UNIT_US};
    break;
  case MST_PQ_JSON: a->logical = MST_PQ_LOGICAL_JSON; break;
  case MST_PQ_BSON: a->logical = MST_PQ_LOGICAL_BSON; break;
  case MST_PQ_INTERVAL: a->logical = MST_PQ_LOGICAL_INTERVAL; break;
  default:
    if (c < MST_PQ_UINT_8 || c > MST_PQ_INT_64) break;
    *a = (mst_pq_annotation){.logical = MST_PQ_LOGICAL_INTEGER,
                             .is_signed = c >= MST_PQ_INT_8,
                             .bits = (uint8_t)(8 << ((c - MST_PQ_UINT_8) & 3))};
    break;
  }
}

static void parse_element(parse *p, mst_pq_node *n) {
  mst_thrift *t = &p->t;
  mst_thrift_field f = {0};
  int32_t v, scale = 0, precision = 0;
  *n = (mst_pq_node){.name = "",
                     .physical = MST_PQ_GROUP,
                     .converted = MST_PQ_CONVERTED_NONE,
                     .field_id = INT32_MIN,
                     .annotation = {0}};
  if (!mst_thrift_enter(t, MST_THRIFT_STRUCT)) return;
  while (mst_thrift_next(t, &f)) {
    switch (f.id) {
    case 1:
      v = mst_thrift_i32(t, f.type);
      if (v < MST_PQ_BOOLEAN || v > MST_PQ_FIXED) mst_thrift_fail(t, "a physical type is unknown");
      n->physical = (mst_pq_physical)v;
      break;
    case 2:
      v = mst_thrift_i32(t, f.type);
      if (v < 0) mst_thrift_fail(t, "a type length is negative");
      n->type_length = (uint32_t)v;
      break;
    case 3:
      v = mst_thrift_i32(t, f.type);
      if (v < MST_PQ_REQUIRED || v > MST_PQ_REPEATED) mst_thrift_fail(t, "a repetition is unknown");
      n->repetition = (mst_pq_repetition)v;
      break;
    case 4: n->name = take_text(p, f.type, NULL, NULL); break;
    case 5:
      v = mst_thrift_i32(t, f.type);
      if (v < 0) mst_thrift_fail(t, "a number of children is negative");
      n->n_children = (uint32_t)v;
      break;
    case 6: n->converted = (mst_pq_converted)mst_thrift_i32(t, f.type); break;
    case 7: scale = mst_thrift_i32(t, f.type); break;
    case 8: precision = mst_thrift_i32(t, f.type); break;
    case 9: n->field_id = mst_thrift_i32(t, f.type); break;
    case 10: parse_logical(t, f.type, &n->annotation); break;
    default: mst_thrift_skip(t, f.type); break;
    }
  }
  mst_thrift_leave(t);
  /* Some writers give groups a type, and leaves 0 children. */
  if (n->n_children > 0) n->physical = MST_PQ_GROUP;
  convert(n, scale, precision);
}

/* Where a walk through the preorder list stands: children still to come at each depth. */
typedef struct tree_place {
  uint32_t node, left;
} tree_place;

/* Ends, levels and leaves of the nodes; a mistake when the counts do not make one tree. */
static void build_tree(parse *p) {
  mst_parquet_file *f = p->f;
  tree_place stack[MST_SCHEMA_DEPTH_MAX + 2];
  uint32_t depth = 0, i;
  for (i = 0; i < f->n_nodes && p->t.bad == NULL; i++) {
    mst_pq_node *n = &f->nodes[i];
    const mst_pq_node *parent = depth > 0 ? &f->nodes[stack[depth - 1].node] : NULL;
    if (i > 0 && depth == 0) {
      mst_thrift_fail(&p->t, "the schema has elements outside its root");
      return;
    }
    n->def = (uint8_t)((parent != NULL ? parent->def : 0) + (i > 0 && n->repetition != MST_PQ_REQUIRED));
    n->rep = (uint8_t)((parent != NULL ? parent->rep : 0) + (i > 0 && n->repetition == MST_PQ_REPEATED));
    n->end = i + 1;
    if (depth > 0) stack[depth - 1].left--;
    if (n->physical != MST_PQ_GROUP) {
      n->n_children = 0;
      n->leaf = f->n_leaves;
      f->leaves[f->n_leaves++] = i;
    } else if (depth > MST_SCHEMA_DEPTH_MAX) {
      mst_thrift_fail(&p->t, "the schema nests too deep");
    } else {
      stack[depth++] = (tree_place){i, n->n_children};
    }
    for (; depth > 0 && stack[depth - 1].left == 0; depth--) f->nodes[stack[depth - 1].node].end = i + 1;
  }
  if (p->t.bad == NULL && (depth > 0 || f->n_nodes == 0 || f->nodes[0].physical != MST_PQ_GROUP))
    mst_thrift_fail(&p->t, "the schema's numbers of children do not add up");
}

static void parse_schema(parse *p, uint8_t type) {
  mst_parquet_file *f = p->f;
  uint8_t element;
  size_t n = mst_thrift_list(&p->t, type, 3, &element), i;
  if (f->nodes != NULL) mst_thrift_fail(&p->t, "there are two schemas");
  f->nodes = take(p, n, sizeof *f->nodes);
  f->leaves = take(p, n, sizeof *f->leaves);
  if (p->t.bad != NULL || n > UINT32_MAX) return;
  for (i = 0; i < n && p->t.bad == NULL; i++) parse_element(p, &f->nodes[i]);
  f->n_nodes = (uint32_t)n;
  build_tree(p);
}

/* ---- column chunks ------------------------------------------------------------------------------------------- */

static void take_slice(mst_thrift *t, uint8_t type, mst_pq_slice *out) {
  size_t n;
  const uint8_t *data = mst_thrift_binary(t, type, &n);
  *out = data != NULL ? (mst_pq_slice){(uint32_t)(data - t->data), (uint32_t)n} : (mst_pq_slice){0};
}

static void parse_statistics(mst_thrift *t, uint8_t type, mst_pq_chunk *c) {
  mst_thrift_field f = {0};
  mst_pq_slice unused;
  if (!mst_thrift_enter(t, type)) return;
  while (mst_thrift_next(t, &f)) {
    switch (f.id) {
    case 1:
      take_slice(t, f.type, (c->flags & MST_PQ_CHUNK_MAX) != 0 ? &unused : &c->max);
      c->flags |= MST_PQ_CHUNK_OLD_MAX;
      break;
    case 2:
      take_slice(t, f.type, (c->flags & MST_PQ_CHUNK_MIN) != 0 ? &unused : &c->min);
      c->flags |= MST_PQ_CHUNK_OLD_MIN;
      break;
    case 3: c->nulls = mst_thrift_int(t, f.type); break;
    case 4: c->distinct = mst_thrift_int(t, f.type); break;
    case 5: take_slice(t, f.type, &c->max), c->flags |= MST_PQ_CHUNK_MAX; break;
    case 6: take_slice(t, f.type, &c->min), c->flags |= MST_PQ_CHUNK_MIN; break;
    case 7: c->flags |= mst_thrift_bool(t, f.type) ? 0u : (uint32_t)MST_PQ_CHUNK_MAX_CUT; break;
    case 8: c->flags |= mst_thrift_bool(t, f.type) ? 0u : (uint32_t)MST_PQ_CHUNK_MIN_CUT; break;
    case 9: c->nans = mst_thrift_int(t, f.type); break;
    default: mst_thrift_skip(t, f.type); break;
    }
  }
  mst_thrift_leave(t);
}

static uint32_t parse_encodings(mst_thrift *t, uint8_t type) {
  uint8_t element;
  size_t n = mst_thrift_list(t, type, 1, &element), i;
  uint32_t encodings = 0;
  for (i = 0; i < n && t->bad == NULL; i++) {
    int32_t e = mst_thrift_i32(t, element);
    encodings |= 1u << (e >= 0 && e < 31 ? e : 31);
  }
  return encodings;
}

/* What is said of the pages' encodings: whether any data page does without the dictionary. */
static void parse_page_encodings(mst_thrift *t, uint8_t type, mst_pq_chunk *c) {
  uint8_t element;
  size_t n = mst_thrift_list(t, type, 2, &element), i;
  for (i = 0; i < n && t->bad == NULL; i++) {
    mst_thrift_field f = {0};
    int32_t page = -1, encoding = -1;
    if (!mst_thrift_enter(t, element)) return;
    while (mst_thrift_next(t, &f)) {
      if (f.id == 1) {
        page = mst_thrift_i32(t, f.type);
      } else if (f.id == 2) {
        encoding = mst_thrift_i32(t, f.type);
      } else {
        mst_thrift_skip(t, f.type);
      }
    }
    mst_thrift_leave(t);
    if ((page == MST_PQ_DATA_PAGE || page == MST_PQ_DATA_PAGE_V2) && encoding != MST_PQ_PLAIN_DICTIONARY &&
        encoding != MST_PQ_RLE_DICTIONARY)
      c->flags |= MST_PQ_CHUNK_PAGES_PLAIN;
  }
  c->flags |= MST_PQ_CHUNK_PAGES_TOLD;
}

static void parse_chunk_meta(mst_thrift *t, uint8_t type, mst_pq_chunk *c) {
  mst_thrift_field f = {0};
  if (!mst_thrift_enter(t, type)) return;
  c->flags |= MST_PQ_CHUNK_META;
  while (mst_thrift_next(t, &f)) {
    switch (f.id) {
    case 1: c->physical = (int8_t)mst_thrift_int(t, f.type); break;
    case 2: c->encodings = parse_encodings(t, f.type); break;
    case 4: c->codec = (int8_t)mst_thrift_int(t, f.type); break;
    case 5: c->levels = mst_thrift_int(t, f.type); break;
    case 6: c->plain_size = mst_thrift_int(t, f.type); break;
    case 7: c->packed_size = mst_thrift_int(t, f.type); break;
    case 9: c->data_at = mst_thrift_int(t, f.type); break;
    case 11: c->dictionary_at = mst_thrift_int(t, f.type); break;
    case 12: parse_statistics(t, f.type, c); break;
    case 13: parse_page_encodings(t, f.type, c); break;
    case 14: c->bloom_at = mst_thrift_int(t, f.type); break;
    case 15: c->bloom_size = mst_thrift_i32(t, f.type); break;
    default: mst_thrift_skip(t, f.type); break;
    }
  }
  mst_thrift_leave(t);
}

static void parse_chunk(parse *p, mst_pq_chunk *c) {
  mst_thrift *t = &p->t;
  mst_thrift_field f = {0};
  size_t n;
  c->nulls = c->distinct = c->nans = -1;
  if (!mst_thrift_enter(t, MST_THRIFT_STRUCT)) return;
  while (mst_thrift_next(t, &f)) {
    switch (f.id) {
    case 1:
      mst_thrift_binary(t, f.type, &n);
      if (n > 0) c->flags |= MST_PQ_CHUNK_ELSEWHERE;
      break;
    case 3: parse_chunk_meta(t, f.type, c); break;
    case 4: c->offset_index_at = mst_thrift_int(t, f.type); break;
    case 5: c->offset_index_size = mst_thrift_i32(t, f.type); break;
    case 6: c->column_index_at = mst_thrift_int(t, f.type); break;
    case 7: c->column_index_size = mst_thrift_i32(t, f.type); break;
    case 8:
      c->flags |= MST_PQ_CHUNK_ENCRYPTED;
      p->f->encrypted = true;
      mst_thrift_skip(t, f.type);
      break;
    default: mst_thrift_skip(t, f.type); break;
    }
  }
  mst_thrift_leave(t);
  if (t->bad == NULL && (c->flags & (MST_PQ_CHUNK_META | MST_PQ_CHUNK_ENCRYPTED)) == 0)
    mst_thrift_fail(t, "a column chunk has no metadata");
}

/* ---- row groups ---------------------------------------------------------------------------------------------- */

static void parse_sorting(parse *p, uint8_t type, mst_pq_group *g) {
  mst_thrift *t = &p->t;
  uint8_t element;
  size_t n = mst_thrift_list(t, type, 2, &element), i;
  mst_pq_sorting *s = take(p, n, sizeof *s);
  for (i = 0; i < n && t->bad == NULL; i++) {
    mst_thrift_field f = {0};
    if (!mst_thrift_enter(t, element)) return;
    while (mst_thrift_next(t, &f)) {
      if (f.id == 1) {
        s[i].column = mst_thrift_i32(t, f.type);
      } else if (f.id == 2) {
        s[i].descending = mst_thrift_bool(t, f.type);
      } else if (f.id == 3) {
        s[i].nulls_first = mst_thrift_bool(t, f.type);
      } else {
        mst_thrift_skip(t, f.type);
      }
    }
    mst_thrift_leave(t);
  }
  g->sorting = s;
  g->n_sorting = t->bad == NULL ? (uint32_t)n : 0;
}

static void parse_chunks(parse *p, uint8_t type, mst_pq_chunk *chunks, mst_pq_group *g) {
  uint8_t element;
  size_t n = mst_thrift_list(&p->t, type, CHUNK_LEAST, &element), i;
  if (p->t.bad == NULL && n != p->f->n_leaves) mst_thrift_fail(&p->t, "a row group has not one chunk for each column");
  if (g->chunks != NULL) mst_thrift_fail(&p->t, "a row group has two lists of columns");
  if (p->t.bad != NULL) return;
  g->chunks = chunks;
  for (i = 0; i < n && p->t.bad == NULL; i++) parse_chunk(p, &g->chunks[i]);
}

static void parse_group(parse *p, mst_pq_chunk *chunks, mst_pq_group *g) {
  mst_thrift *t = &p->t;
  mst_thrift_field f = {0};
  if (!mst_thrift_enter(t, MST_THRIFT_STRUCT)) return;
  while (mst_thrift_next(t, &f)) {
    switch (f.id) {
    case 1: parse_chunks(p, f.type, chunks, g); break;
    case 2: g->plain_size = mst_thrift_int(t, f.type); break;
    case 3: g->rows = mst_thrift_int(t, f.type); break;
    case 4: parse_sorting(p, f.type, g); break;
    case 6: g->packed_size = mst_thrift_int(t, f.type); break;
    default: mst_thrift_skip(t, f.type); break;
    }
  }
  mst_thrift_leave(t);
  if (t->bad != NULL) return;
  if (g->chunks == NULL && p->f->n_leaves > 0) mst_thrift_fail(t, "a row group has no columns");
  if (g->rows < 0) mst_thrift_fail(t, "a row group's number of rows is negative");
}

static void parse_groups(parse *p, uint8_t type) {
  uint8_t element;
  size_t n = mst_thrift_list(&p->t, type, 4, &element), i;
  mst_pq_group *groups = take(p, n, sizeof *groups);
  mst_pq_chunk *chunks;
  uint32_t leaves = p->f->n_leaves;
  if (p->f->groups != NULL) mst_thrift_fail(&p->t, "there are two lists of row groups");
  if (p->t.bad == NULL && p->f->nodes == NULL) mst_thrift_fail(&p->t, "row groups come before the schema");
  /* All chunks lie in one block, which the bytes that are left must be able to fill. */
  if (p->t.bad == NULL && leaves > 0 && n > (p->t.size - p->t.at) / CHUNK_LEAST / leaves)
    mst_thrift_fail(&p->t, "the row groups are too short for their columns");
  if (p->t.bad != NULL) return;
  chunks = take(p, n * leaves, sizeof *chunks);
  for (i = 0; i < n && p->t.bad == NULL; i++) parse_group(p, chunks + i * leaves, &groups[i]);
  p->f->groups = groups;
  p->f->n_groups = p->t.bad == NULL ? n : 0;
}

/* ---- the rest of the footer ---------------------------------------------------------------------------------- */

static void parse_pairs(parse *p, uint8_t type) {
  mst_thrift *t = &p->t;
  uint8_t element;
  size_t n = mst_thrift_list(t, type, 1, &element), i;
  mst_pq_key_value *pairs = take(p, n, sizeof *pairs);
  for (i = 0; i < n && t->bad == NULL; i++) {
    mst_thrift_field f = {0};
    pairs[i].key = "";
    if (!mst_thrift_enter(t, element)) return;
    while (mst_thrift_next(t, &f)) {
      if (f.id == 1) {
        pairs[i].key = take_text(p, f.type, NULL, NULL);
      } else if (f.id == 2) {
        pairs[i].value = take_text(p, f.type, &pairs[i].value_size, &pairs[i].at);
      } else {
        mst_thrift_skip(t, f.type);
      }
    }
    mst_thrift_leave(t);
  }
  p->f->pairs = pairs;
  p->f->n_pairs = t->bad == NULL ? n : 0;
}

static void parse_orders(parse *p, uint8_t type) {
  mst_thrift *t = &p->t;
  uint8_t element;
  size_t n = mst_thrift_list(t, type, 1, &element), i;
  uint8_t *orders;
  if (p->f->orders != NULL) mst_thrift_fail(t, "there are two lists of column orders");
  orders = take(p, p->f->n_leaves + (size_t)1, 1);
  for (i = 0; i < n && t->bad == NULL; i++) {
    mst_thrift_field f = {0};
    if (!mst_thrift_enter(t, element)) return;
    while (mst_thrift_next(t, &f)) {
      if (i < p->f->n_leaves) orders[i] = f.id == 1 || f.id == 2 ? (uint8_t)f.id : MST_PQ_ORDER_UNDEFINED;
      mst_thrift_skip(t, f.type);
    }
    mst_thrift_leave(t);
  }
  p->f->orders = orders;
}

static void parse_metadata(parse *p) {
  mst_thrift *t = &p->t;
  mst_thrift_field f = {0};
  mst_parquet_file *file = p->f;
  file->created_by = "";
  if (!mst_thrift_enter(t, MST_THRIFT_STRUCT)) return;
  while (mst_thrift_next(t, &f)) {
    switch (f.id) {
    case 1: file->version = mst_thrift_i32(t, f.type); break;
    case 2: parse_schema(p, f.type); break;
    case 3: file->rows = mst_thrift_int(t, f.type); break;
    case 4: parse_groups(p, f.type); break;
    case 5: parse_pairs(p, f.type); break;
    case 6: file->created_by = take_text(p, f.type, NULL, NULL); break;
    case 7: parse_orders(p, f.type); break;
    default: mst_thrift_skip(t, f.type); break;
    }
  }
  if (t->bad != NULL) return;
  if (file->nodes == NULL) mst_thrift_fail(t, "there is no schema");
  if (file->rows < 0) mst_thrift_fail(t, "the number of rows is negative");
}

/* The rows are those of the row groups: some writers leave the file's own number at 0. */
static mst_status count_rows(mst_parquet_file *f, mst_error *err) {
  uint64_t total = 0;
  size_t i;
  for (i = 0; i < f->n_groups; i++)
    if (!mst_add_u64(total, (uint64_t)f->groups[i].rows, &total) || total > INT64_MAX)
      return mst_fail_at(err, MST_E_CORRUPT, f->footer_at, "Parquet footer: the row groups' rows overflow");
  f->rows_claimed = f->rows;
  f->rows = (int64_t)total;
  return MST_OK;
}

static mst_status parse_file(mst_parquet_file *f, mst_error *err) {
  parse p = {.f = f, .t = mst_thrift_over(f->footer, f->footer_size)};
  parse_metadata(&p);
  if (p.no_memory) return mst_fail_memory(err);
  if (p.t.bad != NULL)
    return mst_fail_at(err, MST_E_CORRUPT, f->footer_at + p.t.bad_at,
                       "broken Parquet footer at its byte %zu of %zu: %s", p.t.bad_at, f->footer_size, p.t.bad);
  return count_rows(f, err);
}

/* The end of the file: length of the footer and magic. */
static mst_status check_end(const uint8_t *tail, size_t n, uint64_t size, uint32_t *length, mst_error *err) {
  const uint8_t *end = tail + n - 4;
  if (memcmp(end, "PARE", 4) == 0)
    return mst_fail_at(err, MST_E_UNSUPPORTED, size - 4, "the Parquet file's footer is encrypted, which needs a key");
  if (memcmp(end, "PAR1", 4) != 0)
    return mst_fail_at(err, MST_E_CORRUPT, size - 4,
                       "not a Parquet file, or cut short: it ends with %02x %02x %02x %02x, not with \"PAR1\"", end[0],
                       end[1], end[2], end[3]);
  *length = mst_le32(tail + n - 8);
  if (*length > size - 12)
    return mst_fail_at(err, MST_E_CORRUPT, size - 8, "Parquet footer of %u bytes does not fit a file of %llu bytes",
                       *length, (unsigned long long)size);
  if (*length > FOOTER_SIZE_MAX)
    return mst_fail_at(err, MST_E_LIMIT, size - 8, "Parquet footer of %u bytes is beyond 2 GiB", *length);
  return MST_OK;
}

/* Arrow's own schema, when a writer left one; a broken one is as good as none. */
static mst_status restore_types(mst_parquet_file *f, mst_error *err) {
  mst_status status = MST_OK;
  const char *text = mst_parquet_file_metadata(f, "ARROW:schema", NULL);
  struct ArrowSchema schema = {0};
  mst_buf bytes;
  mst_buf_init(&bytes, f->mem, f->footer_size + 16);
  if (text != NULL) status = mst_base64_decode(&bytes, text, strlen(text), err);
  if (text != NULL && status == MST_OK) status = mst_ipc_get_schema(f->mem, bytes.data, bytes.size, &schema, err);
  if (text != NULL && status == MST_OK) status = mst_pq_fields_restore(f, f->fields, &schema, err);
  mst_schema_release(&schema);
  mst_buf_free(&bytes);
  return status == MST_E_NO_MEMORY ? status : MST_OK;
}

/* Columns as Arrow fields. A file with a column that cannot be Arrow can still be looked at. */
static mst_status make_fields(mst_parquet_file *f, mst_error *err) {
  mst_status status = MST_OK;
  mst_pq_field *fields;
  MST_TRY_ALLOC(fields = mst_pq_file_alloc(f, 1, sizeof *fields));
  status = mst_pq_fields_make(f, fields, &f->fields_error);
  if (status == MST_E_NO_MEMORY) return mst_fail_memory(err);
  if (status != MST_OK) return MST_OK;
  f->fields = fields;
  status = restore_types(f, err);
done:
  return status;
}

static void keep_from(uint64_t from, int64_t at, uint64_t *lowest) {
  if (at > 0 && (uint64_t)at >= from && (uint64_t)at < *lowest) *lowest = (uint64_t)at;
}

/* Where what lies between the first index or filter in the tail and the footer begins. */
static uint64_t find_tail(const mst_parquet_file *f, size_t n) {
  uint64_t from = f->size - n, lowest = f->footer_at;
  size_t g;
  uint32_t i;
  if (f->footer_at <= from) return lowest;
  if (f->footer_at - from > TAIL_MAX) from = f->footer_at - TAIL_MAX;
  for (g = 0; g < f->n_groups; g++) {
    for (i = 0; i < f->n_leaves; i++) {
      const mst_pq_chunk *c = &f->groups[g].chunks[i];
      keep_from(from, c->column_index_at, &lowest);
      keep_from(from, c->offset_index_at, &lowest);
      keep_from(from, c->bloom_at, &lowest);
    }
  }
  return lowest;
}

/* A copy of the last `n` bytes of `tail`, or a reference to them. */
static mst_status hold(mst_parquet_file *f, const mst_bytes *tail, size_t n, mst_error *err) {
  mst_status status = MST_OK;
  uint8_t *copy;
  if (tail->owner != NULL) {
    f->held = mst_bytes_part(tail, tail->size - n, n);
    return MST_OK;
  }
  MST_TRY(mst_bytes_new(f->mem, n, &f->held, &copy, err));
  mst_expect_whole(copy, n);
  memcpy(copy, tail->data + (tail->size - n), n);
done:
  return status;
}

static mst_status parse_tail(mst_parquet_file *f, const mst_bytes *tail, size_t length, mst_error *err) {
  mst_status status = MST_OK;
  mst_bytes only;
  size_t kept;
  f->footer_size = length;
  f->footer_at = f->size - 8 - length;
  /* The footer first: only then it is known how much in front of it is worth keeping. */
  f->footer = tail->data + (tail->size - 8 - length);
  MST_TRY(parse_file(f, err));
  f->tail_at = find_tail(f, tail->size);
  kept = (size_t)(f->size - 8 - f->tail_at);
  only = (mst_bytes){.data = tail->data, .size = tail->size - 8, .owner = tail->owner};
  MST_TRY(hold(f, &only, kept, err));
  f->tail = f->held.data;
  f->footer = f->held.data + (kept - length);
  status = make_fields(f, err);
done:
  return status;
}

mst_status mst_parquet_file_open(const mst_allocator *mem, const mst_bytes *tail, uint64_t size, mst_parquet_file **out,
                                 uint64_t *need, mst_error *err) {
  mst_status status = MST_OK;
  mst_parquet_file *f = NULL;
  const uint8_t *p = tail->data;
  size_t n = tail->size;
  uint32_t length = 0;
  *out = NULL;
  *need = 0;
  if (size < 12)
    return mst_fail_at(err, MST_E_CORRUPT, 0, "not a Parquet file: %llu bytes are too few", (unsigned long long)size);
  if (n > size || n < mst_min_u64(size, 12))
    return mst_fail(err, MST_E_INTERNAL, "%zu bytes are no tail of a Parquet file", n);
  MST_TRY(check_end(p, n, size, &length, err));
  if (n < (size_t)length + 8) {
    *need = (uint64_t)length + 8;
    return MST_OK;
  }
  if (n == size && memcmp(p, "PAR1", 4) != 0)
    return mst_fail_at(err, MST_E_CORRUPT, 0,
                       "not a Parquet file: it begins with %02x %02x %02x %02x, not with \"PAR1\"", p[0], p[1], p[2],
                       p[3]);
  MST_TRY_ALLOC(f = mst_alloc_zero(mem, 1, sizeof *f));
  atomic_init(&f->refs, 1);
  if (mem != NULL) {
    f->mem_copy = *mem;
    f->mem = &f->mem_copy;
  }
  f->size = size;
  MST_TRY(parse_tail(f, tail, length, err));
  *out = f;
  f = NULL;
done:
  mst_parquet_file_unref(f);
  return status;
}

mst_status mst_parquet_file_parse(const mst_allocator *mem, const uint8_t *tail, size_t n, uint64_t size,
                                  mst_parquet_file **out, uint64_t *need, mst_error *err) {
  const mst_bytes borrowed = mst_bytes_borrow(tail, n);
  return mst_parquet_file_open(mem, &borrowed, size, out, need, err);
}

/* ---- asking -------------------------------------------------------------------------------------------------- */

uint64_t mst_parquet_file_rows(const mst_parquet_file *f) { return (uint64_t)f->rows; }
size_t mst_parquet_file_groups(const mst_parquet_file *f) { return f->n_groups; }

uint64_t mst_parquet_group_rows(const mst_parquet_file *f, size_t group) {
  return group < f->n_groups ? (uint64_t)f->groups[group].rows : 0;
}

const char *mst_parquet_file_metadata(const mst_parquet_file *f, const char *key, uint64_t *at) {
  size_t i;
  for (i = 0; i < f->n_pairs; i++) {
    if (!mst_text_equal(f->pairs[i].key, key)) continue;
    if (at != NULL) *at = f->pairs[i].at;
    return f->pairs[i].value;
  }
  return NULL;
}

bool mst_pq_file_bytes(const mst_parquet_file *f, uint64_t at, uint64_t size, mst_bytes *out) {
  if (at < f->tail_at || at > f->footer_at || size > f->footer_at - at) return false;
  *out = mst_bytes_borrow(f->tail + (at - f->tail_at), (size_t)size);
  return true;
}

const char *mst_parquet_file_created_by(const mst_parquet_file *f) { return f->created_by; }

bool mst_parquet_file_pair(const mst_parquet_file *f, size_t i, const char **key, const char **value) {
  if (i >= f->n_pairs) return false;
  *key = f->pairs[i].key;
  *value = f->pairs[i].value;
  return true;
}

const char *mst_pq_leaf_path(const mst_parquet_file *f, uint32_t leaf, char *out, size_t size) {
  uint32_t node = f->leaves[leaf], at = 1, end;
  size_t n = 0;
  out[0] = '\0';
  while (at <= node) {
    /* The one among its siblings whose subtree holds the leaf. */
    while ((end = f->nodes[at].end) <= node) at = end;
    int wrote = snprintf(out + n, size - n, "%s%s", n > 0 ? "." : "", f->nodes[at].name);
    n += wrote > 0 ? mst_min_size((size_t)wrote, size - n - 1) : 0;
    at++;
  }
  return out;
}

bool mst_pq_chunk_bounds(const mst_parquet_file *f, size_t group, uint32_t leaf, const uint8_t **min, size_t *min_size,
                         const uint8_t **max, size_t *max_size, bool *exact) {
  const mst_pq_chunk *c = &f->groups[group].chunks[leaf];
  const mst_pq_node *node = &f->nodes[f->leaves[leaf]];
  mst_pq_order order = mst_pq_order_of(node->physical, &node->annotation);
  uint32_t both = MST_PQ_CHUNK_MIN | MST_PQ_CHUNK_MAX, old = MST_PQ_CHUNK_OLD_MIN | MST_PQ_CHUNK_OLD_MAX;
  bool ordered = (c->flags & both) == both && f->orders != NULL && f->orders[leaf] == MST_PQ_ORDER_BY_TYPE;
  uint32_t width = order == MST_PQ_ORDER_BOOL ? 1 : mst_pq_width(node->physical, node->type_length);
  if (order == MST_PQ_ORDER_NONE) return false;
  if (!ordered && (!mst_pq_order_is_signed(order) || ((c->flags & both) != both && (c->flags & old) != old)))
    return false;
  if (order != MST_PQ_ORDER_BYTES && order != MST_PQ_ORDER_DECIMAL && (c->min.size != width || c->max.size != width))
    return false;
  *min = f->footer + c->min.at;
  *min_size = c->min.size;
  *max = f->footer + c->max.at;
  *max_size = c->max.size;
  *exact = (c->flags & (MST_PQ_CHUNK_MIN_CUT | MST_PQ_CHUNK_MAX_CUT)) == 0;
  return true;
}

mst_status mst_pq_file_schema(const mst_parquet_file *f, const mst_pq_field *fields, struct ArrowSchema *out,
                              mst_error *err) {
  mst_status status = MST_OK;
  struct ArrowSchema made = {0};
  mst_metadata_pair *pairs = NULL;
  size_t i, n = 0;
  MST_TRY(mst_pq_fields_schema(f->mem, fields, &made, err));
  MST_TRY_ALLOC(pairs = mst_alloc_array(f->mem, f->n_pairs + 1, sizeof *pairs));
  for (i = 0; i < f->n_pairs; i++) {
    const mst_pq_key_value *p = &f->pairs[i];
    if (p->value == NULL || mst_text_equal(p->key, "ARROW:schema")) continue;
    pairs[n++] = (mst_metadata_pair){p->key, strlen(p->key), p->value, p->value_size};
  }
  MST_TRY(mst_schema_set_pairs(&made, pairs, n, err));
  *out = made;
  made = (struct ArrowSchema){0};
done:
  mst_schema_release(&made);
  mst_free(f->mem, pairs);
  return status;
}

mst_status mst_parquet_file_schema(const mst_parquet_file *f, struct ArrowSchema *out, mst_error *err) {
  if (f->fields != NULL) return mst_pq_file_schema(f, f->fields, out, err);
  if (err != NULL) *err = f->fields_error;
  return f->fields_error.status;
}

/* A bound of an integer column as a 64-bit number; false when it does not fit. */
static bool bound_i64(mst_pq_order order, const uint8_t *p, int64_t *out) {
  if (order == MST_PQ_ORDER_I32) *out = (int32_t)mst_le32(p);
  if (order == MST_PQ_ORDER_U32) *out = (int64_t)mst_le32(p);
  if (order == MST_PQ_ORDER_I64 || order == MST_PQ_ORDER_U64) *out = (int64_t)mst_le64(p);
  return order != MST_PQ_ORDER_U64 || *out >= 0;
}

bool mst_parquet_group_bounds_i64(const mst_parquet_file *f, size_t group, const char *column, int64_t *min,
                                  int64_t *max) {
  const uint8_t *low, *high;
  size_t low_size, high_size;
  bool exact;
  uint32_t leaf;
  int64_t a, b;
  if (group >= f->n_groups) return false;
  for (leaf = 0; leaf < f->n_leaves; leaf++) {
    const mst_pq_node *n = &f->nodes[f->leaves[leaf]];
    mst_pq_order order = mst_pq_order_of(n->physical, &n->annotation);
    char path[256];
    if (order < MST_PQ_ORDER_I32 || order > MST_PQ_ORDER_U64 || n->rep > 0) continue;
    if (!mst_text_equal(mst_pq_leaf_path(f, leaf, path, sizeof path), column)) continue;
    if (!mst_pq_chunk_bounds(f, group, leaf, &low, &low_size, &high, &high_size, &exact) || !exact) return false;
    if (!bound_i64(order, low, &a) || !bound_i64(order, high, &b) || a > b) return false;
    *min = a;
    *max = b;
    return true;
  }
  return false;
}

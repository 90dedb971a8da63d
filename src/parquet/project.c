/* parquet/project.c - finds the columns that names ask for.
 *
 * Owns: nothing. May call: base, column. */
#include "parquet/project.h"

typedef struct block {
  struct block *next;
  uint64_t align;
} block;

static void *keep(mst_pq_projection *r, size_t count, size_t size) {
  block *b = mst_alloc_zero(r->mem, 1, sizeof *b + count * size);
  if (b == NULL) return NULL;
  b->next = r->blocks;
  r->blocks = b;
  return b + 1;
}

static mst_status add_leaf(mst_pq_projection *r, mst_pq_field *leaf, mst_error *err) {
  if (r->n_leaves == r->leaves_capacity) {
    uint32_t capacity = r->leaves_capacity == 0 ? 16 : 2 * r->leaves_capacity;
    uint32_t *grown = mst_resize(r->mem, r->leaves, capacity * sizeof *grown);
    if (grown == NULL) return mst_fail_memory(err);
    r->leaves = grown;
    r->leaves_capacity = capacity;
  }
  r->leaves[r->n_leaves] = leaf->leaf;
  leaf->leaf = r->n_leaves++;
  return MST_OK;
}

/* A copy of `from` and all below it. */
static mst_status copy_field(mst_pq_projection *r, const mst_pq_field *from, mst_pq_field *to, mst_error *err) {
  mst_status status = MST_OK;
  uint32_t i;
  *to = *from;
  if (from->n_children == 0) return add_leaf(r, to, err);
  MST_TRY_ALLOC(to->children = keep(r, from->n_children, sizeof *to->children));
  for (i = 0; i < from->n_children; i++) MST_TRY(copy_field(r, &from->children[i], &to->children[i], err));
done:
  return status;
}

static mst_status no_column(const mst_parquet_file *f, const char *name, mst_error *err) {
  const char *nearest = NULL, *names[64];
  uint32_t i, n = 0;
  for (i = 0; i < f->fields->n_children && n < 64; i++) names[n++] = f->fields->children[i].name;
  nearest = mst_text_nearest(name, names, n);
  if (nearest != NULL)
    return mst_fail(err, MST_E_NOT_FOUND, "the Parquet file has no column \"%s\" (did you mean \"%s\"?)", name,
                    nearest);
  return mst_fail(err, MST_E_NOT_FOUND, "the Parquet file has no column \"%s\"", name);
}

/* Marks of one byte for each field of a tree in preorder: which ones a list of names asks for. */
static size_t count_fields(const mst_pq_field *field) {
  size_t n = 1;
  uint32_t i;
  for (i = 0; i < field->n_children; i++) n += count_fields(&field->children[i]);
  return n;
}

static void mark_all(const mst_pq_field *field, uint8_t *marks) { memset(marks, 1, count_fields(field)); }

/* Follows "a.b.c" below `field`; lists and maps may be named or passed over. */
static bool mark_path(const mst_pq_field *field, const char *path, uint8_t *marks) {
  size_t at = 1, length;
  uint32_t i;
  for (i = 0; i < field->n_children; i++) {
    const mst_pq_field *child = &field->children[i];
    length = strlen(child->name);
    if (strcmp(child->name, path) == 0) {
      mark_all(child, marks + at);
      marks[0] = 1;
      return true;
    }
    if (strncmp(child->name, path, length) == 0 && path[length] == '.' &&
        mark_path(child, path + length + 1, marks + at)) {
      marks[0] = 1;
      return true;
    }
    at += count_fields(child);
  }
  if (field->kind == MST_KIND_LIST && field->n_children == 1 && mark_path(&field->children[0], path, marks + 1)) {
    marks[0] = 1;
    return true;
  }
  return false;
}

static mst_status copy_marked(mst_pq_projection *r, const mst_pq_field *from, const uint8_t *marks, mst_pq_field *to,
                              mst_error *err) {
  mst_status status = MST_OK;
  size_t at = 1;
  uint32_t i;
  *to = *from;
  if (from->n_children == 0) return add_leaf(r, to, err);
  MST_TRY_ALLOC(to->children = keep(r, from->n_children, sizeof *to->children));
  to->n_children = 0;
  for (i = 0; i < from->n_children; i++) {
    /* A map stays a map only with both of its halves. */
    if (marks[at] != 0 || from->kind == MST_KIND_MAP)
      MST_TRY(marks[at] != 0 && from->kind != MST_KIND_MAP
                  ? copy_marked(r, &from->children[i], marks + at, &to->children[to->n_children++], err)
                  : copy_field(r, &from->children[i], &to->children[to->n_children++], err));
    at += count_fields(&from->children[i]);
  }
done:
  return status;
}

/* The top-level columns by name, first come first served, where there are too many to look through. */
typedef struct top_names {
  const mst_pq_field *all;
  uint32_t *slots; /* of a hash table: number of a column and 1; 0: empty */
  size_t n_slots;  /* a power of two; 0: no table */
} top_names;

enum { NAMES_FEW = 32 };

static size_t hash_name(const char *name, size_t n) {
  uint64_t h = 14695981039346656037u;
  size_t i;
  for (i = 0; i < n; i++) h = (h ^ (uint8_t)name[i]) * 1099511628211u;
  return (size_t)(h ^ h >> 29);
}

static bool is_name(const char *name, const char *text, size_t n) {
  return strncmp(name, text, n) == 0 && name[n] == '\0';
}

/* The column called by the first `n` bytes of `text`, or n_children. */
static uint32_t find_top(const top_names *names, const char *text, size_t n) {
  uint32_t i;
  size_t at;
  if (names->n_slots == 0) {
    for (i = 0; i < names->all->n_children && !is_name(names->all->children[i].name, text, n); i++) {
    }
    return i;
  }
  for (at = hash_name(text, n) & (names->n_slots - 1); names->slots[at] != 0; at = (at + 1) & (names->n_slots - 1))
    if (is_name(names->all->children[names->slots[at] - 1].name, text, n)) return names->slots[at] - 1;
  return names->all->n_children;
}

static mst_status index_names(const mst_allocator *mem, const mst_pq_field *all, top_names *out, mst_error *err) {
  mst_status status = MST_OK;
  size_t at, n_slots = 64;
  uint32_t i;
  *out = (top_names){.all = all};
  if (all->n_children <= NAMES_FEW) return MST_OK;
  while (n_slots < 2 * (size_t)all->n_children) n_slots *= 2;
  MST_TRY_ALLOC(out->slots = mst_alloc_zero(mem, n_slots, sizeof *out->slots));
  out->n_slots = n_slots;
  for (i = 0; i < all->n_children; i++) {
    const char *name = all->children[i].name;
    size_t n = strlen(name);
    if (find_top(out, name, n) < all->n_children) continue;
    for (at = hash_name(name, n) & (n_slots - 1); out->slots[at] != 0; at = (at + 1) & (n_slots - 1)) {
    }
    out->slots[at] = i + 1;
  }
done:
  return status;
}

/* Marks what `name` asks for; the number of the top-level column, or n_children: there is none. */
static uint32_t mark_name(const top_names *names, const char *name, const size_t *starts, uint8_t *marks) {
  size_t n = strlen(name);
  uint32_t top = find_top(names, name, n);
  const char *dot = name;
  if (top < names->all->n_children) {
    mark_all(&names->all->children[top], marks + starts[top]);
    return top;
  }
  while ((dot = strchr(dot, '.')) != NULL) {
    top = find_top(names, name, (size_t)(dot - name));
    dot++;
    if (top < names->all->n_children && mark_path(&names->all->children[top], dot, marks + starts[top])) return top;
  }
  return names->all->n_children;
}

/* Top-level columns in the order of the names, each once. */
static mst_status choose(mst_pq_projection *r, const mst_parquet_file *f, const char *const *names, size_t n,
                         mst_error *err) {
  mst_status status = MST_OK;
  const mst_pq_field *all = f->fields;
  top_names tops = {0};
  uint8_t *marks = NULL;
  size_t *starts = NULL, k, at = 1;
  uint32_t i, top, *order = NULL;
  bool *taken = NULL;
  MST_TRY(index_names(r->mem, all, &tops, err));
  MST_TRY_ALLOC(marks = mst_alloc_zero(r->mem, count_fields(all), 1));
  MST_TRY_ALLOC(starts = mst_alloc_array(r->mem, all->n_children + (size_t)1, sizeof *starts));
  MST_TRY_ALLOC(order = mst_alloc_array(r->mem, all->n_children + (size_t)1, sizeof *order));
  MST_TRY_ALLOC(taken = mst_alloc_zero(r->mem, all->n_children + (size_t)1, sizeof *taken));
  MST_TRY_ALLOC(r->root.children = keep(r, all->n_children, sizeof *all->children));
  for (i = 0; i < all->n_children; at += count_fields(&all->children[i]), i++) starts[i] = at;
  for (k = 0; k < n; k++) {
    top = mark_name(&tops, names[k], starts, marks);
    if (top == all->n_children) {
      status = no_column(f, names[k], err);
      goto done;
    }
    if (!taken[top]) order[r->root.n_children++] = top;
    taken[top] = true;
  }
  for (i = 0; i < r->root.n_children; i++)
    MST_TRY(copy_marked(r, &all->children[order[i]], marks + starts[order[i]], &r->root.children[i], err));
done:
  mst_free(r->mem, tops.slots);
  mst_free(r->mem, marks);
  mst_free(r->mem, starts);
  mst_free(r->mem, order);
  mst_free(r->mem, taken);
  return status;
}

mst_status mst_pq_project(const mst_parquet_file *f, const char *const *names, size_t n, mst_pq_projection *out,
                          mst_error *err) {
  mst_status status = MST_OK;
  uint32_t i;
  *out = (mst_pq_projection){.mem = f->mem, .root = *f->fields};
  out->root.n_children = 0;
  if (names != NULL) {
    MST_TRY(choose(out, f, names, n, err));
  } else {
    MST_TRY_ALLOC(out->root.children = keep(out, f->fields->n_children, sizeof *f->fields->children));
    for (i = 0; i < f->fields->n_children; i++)
      MST_TRY(copy_field(out, &f->fields->children[i], &out->root.children[i], err));
    out->root.n_children = f->fields->n_children;
  }
done:
  return status;
}

/* Whether two fields are the same part of the file. */
static bool is_same(const mst_pq_projection *p, const mst_pq_field *a, const mst_pq_projection *q,
                    const mst_pq_field *b) {
  uint32_t i;
  if (a->n_children != b->n_children) return false;
  if (a->n_children == 0) return p->leaves[a->leaf] == q->leaves[b->leaf];
  for (i = 0; i < a->n_children; i++)
    if (!is_same(p, &a->children[i], q, &b->children[i])) return false;
  return true;
}

/* A copy of a field whose leaves are numbered within `from`. */
static mst_status copy_projected(mst_pq_projection *r, const mst_pq_projection *from, const mst_pq_field *field,
                                 mst_pq_field *to, mst_error *err) {
  mst_status status = MST_OK;
  uint32_t i;
  *to = *field;
  if (field->n_children == 0) {
    to->leaf = from->leaves[field->leaf];
    return add_leaf(r, to, err);
  }
  MST_TRY_ALLOC(to->children = keep(r, field->n_children, sizeof *to->children));
  for (i = 0; i < field->n_children; i++) MST_TRY(copy_projected(r, from, &field->children[i], &to->children[i], err));
done:
  return status;
}

mst_status mst_pq_project_rest(const mst_pq_projection *all, const mst_pq_projection *first, mst_pq_projection *out,
                               mst_pq_origin *origins, mst_error *err) {
  mst_status status = MST_OK;
  uint32_t i, k;
  *out = (mst_pq_projection){.mem = all->mem, .root = all->root};
  out->root.n_children = 0;
  MST_TRY_ALLOC(out->root.children = keep(out, all->root.n_children, sizeof *out->root.children));
  for (i = 0; i < all->root.n_children; i++) {
    const mst_pq_field *field = &all->root.children[i];
    for (k = 0; k < first->root.n_children && !is_same(all, field, first, &first->root.children[k]); k++) {
    }
    origins[i] = (mst_pq_origin){true, k};
    if (k < first->root.n_children) continue;
    origins[i] = (mst_pq_origin){false, out->root.n_children};
    MST_TRY(copy_projected(out, all, field, &out->root.children[out->root.n_children++], err));
  }
done:
  return status;
}

void mst_pq_projection_free(mst_pq_projection *p) {
  block *b, *next;
  for (b = p->blocks; b != NULL; b = next) {
    next = b->next;
    mst_free(p->mem, b);
  }
  mst_free(p->mem, p->leaves);
  *p = (mst_pq_projection){.mem = p->mem};
}

uint64_t mst_pq_row_bytes(const mst_pq_field *field) {
  uint64_t n = 0;
  uint32_t i;
  for (i = 0; i < field->n_children; i++) n += mst_pq_row_bytes(&field->children[i]);
  if (field->n_children == 0) n = field->conv == MST_PQ_CONV_BYTES ? 16 : field->width + 1;
  return n;
}

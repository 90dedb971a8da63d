/* fuzz/fuzz_fasta.c - FASTA by residues, as rows and by regions: slices cut inside sequences join to the object, their
 * rows to the records of the whole, and a region that names a record gives just its residues. The first two bytes
 * choose spacing and the number of slices; the rest is the object. */
#include <stdint.h>
#include <stdlib.h>

#include "column/column.h"
#include "format/drive.h"
#include "format/records.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { ROWS_MAX = 64, NAME_MAX_TRIED = 40 };

/* Names and sequences of the first rows, and all residues in a row. */
typedef struct gathered {
  size_t rows;
  char names[ROWS_MAX][NAME_MAX_TRIED + 1];
  bool odd[ROWS_MAX]; /* a name that is no good for a region: long, or with marks of its own */
  mst_buf sequences[ROWS_MAX];
  mst_buf residues;
} gathered;

static void gather_init(gathered *g) {
  g->rows = 0;
  mst_buf_init(&g->residues, NULL, SIZE_MAX / 4);
  for (size_t i = 0; i < ROWS_MAX; i++) mst_buf_init(&g->sequences[i], NULL, SIZE_MAX / 4);
}

static void gather_free(gathered *g) {
  mst_buf_free(&g->residues);
  for (size_t i = 0; i < ROWS_MAX; i++) mst_buf_free(&g->sequences[i]);
}

static bool is_odd(const uint8_t *name, size_t n) {
  for (size_t i = 0; i < n; i++)
    if (name[i] == ':' || name[i] == '{' || name[i] <= ' ' || name[i] > '~') return true;
  return n == 0 || n > NAME_MAX_TRIED;
}

static mst_status take(void *arg, const struct ArrowSchema *schema, struct ArrowArray *batch, mst_error *err) {
  gathered *g = arg;
  mst_view names, sequences;
  mst_assert(mst_batch_column(schema, batch, "name", "u", &names, err) == MST_OK);
  mst_assert(mst_batch_column(schema, batch, "sequence", "U", &sequences, err) == MST_OK);
  for (int64_t i = 0; i < batch->length; i++, g->rows++) {
    size_t n = 0, m;
    const uint8_t *sequence = mst_view_bytes(&sequences, i, &m);
    const uint8_t *name = mst_view_null(&names, i) ? NULL : mst_view_bytes(&names, i, &n);
    mst_assert(mst_buf_put(&g->residues, sequence, m, NULL) == MST_OK);
    if (g->rows >= ROWS_MAX) continue;
    g->odd[g->rows] = is_odd(name, n);
    if (!g->odd[g->rows]) memcpy(g->names[g->rows], name, n);
    g->names[g->rows][g->odd[g->rows] ? 0 : n] = '\0';
    mst_assert(mst_buf_put(&g->sequences[g->rows], sequence, m, NULL) == MST_OK);
  }
  mst_array_release(batch);
  return MST_OK;
}

static void check_residues(drive *d, uint64_t n, const mst_buf *whole, const gathered *all) {
  const mst_plan_query query = {.slices = n, .strategy = "residues"};
  drive_plan plan = {0};
  gathered *g = malloc(sizeof *g);
  mst_buf joined;
  mst_assert(g != NULL);
  gather_init(g);
  mst_buf_init(&joined, NULL, SIZE_MAX / 4);
  mst_assert(drive_make_plan(d, &query, &plan, NULL) == MST_OK && plan.n <= n);
  for (size_t i = 0; i < plan.n; i++) {
    json_t *place = NULL;
    mst_assert(drive_read(d, plan.parts[i].json, NULL, &joined, NULL) == MST_OK);
    mst_assert(drive_read_arrow(d, plan.parts[i].json, NULL, take, g, NULL) == MST_OK);
    mst_assert(drive_read_place(d, plan.parts[i].json, &place, NULL) == MST_OK);
    json_decref(place);
  }
  mst_assert(joined.size == whole->size && (joined.size == 0 || memcmp(joined.data, whole->data, joined.size) == 0));
  mst_assert(g->residues.size == all->residues.size);
  mst_assert(g->residues.size == 0 || memcmp(g->residues.data, all->residues.data, g->residues.size) == 0);
  drive_plan_free(d, &plan);
  mst_buf_free(&joined);
  gather_free(g);
  free(g);
}

/* The first record of a name is what a region of that name gives. */
static void check_regions(drive *d, const gathered *all) {
  for (size_t i = 0; i < all->rows && i < ROWS_MAX; i++) {
    const mst_plan_query query = {.region = all->names[i]};
    drive_plan plan = {0};
    gathered *g;
    bool first = !all->odd[i];
    for (size_t k = 0; k < i && first; k++) first = all->odd[k] || strcmp(all->names[k], all->names[i]) != 0;
    /* An odd name may be a copy of this one cut short; such objects prove nothing. */
    for (size_t k = 0; k < all->rows && k < ROWS_MAX; k++) first = first && !all->odd[k];
    if (!first || all->rows > ROWS_MAX) continue;
    g = malloc(sizeof *g);
    mst_assert(g != NULL);
    gather_init(g);
    mst_assert(drive_make_plan(d, &query, &plan, NULL) == MST_OK && plan.n == 1);
    mst_assert(drive_read_arrow(d, plan.parts[0].json, NULL, take, g, NULL) == MST_OK && g->rows == 1);
    mst_assert(g->residues.size == all->sequences[i].size);
    mst_assert(g->residues.size == 0 || memcmp(g->residues.data, all->sequences[i].data, g->residues.size) == 0);
    drive_plan_free(d, &plan);
    gather_free(g);
    free(g);
  }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  drive d;
  json_t *part;
  gathered *all;
  mst_buf whole;
  if (size < 2 || size > 1 << 14) return 0;
  drive_init(&d, NULL, &mst_format_fasta, "fuzz", data + 2, size - 2);
  d.spacing = 1 + data[0];
  if (drive_index(&d, NULL, 0, NULL) != MST_OK) {
    drive_free(&d);
    return 0;
  }
  all = malloc(sizeof *all);
  part = json_pack("{s:s}", "kind", "all");
  mst_assert(all != NULL && part != NULL);
  gather_init(all);
  mst_buf_init(&whole, NULL, SIZE_MAX / 4);
  mst_assert(drive_read(&d, part, NULL, &whole, NULL) == MST_OK);
  /* Headers that are no UTF-8 have no rows. */
  if (drive_read_arrow(&d, part, NULL, take, all, NULL) == MST_OK) {
    check_residues(&d, 1 + data[1] % 11, &whole, all);
    check_regions(&d, all);
  }
  json_decref(part);
  gather_free(all);
  free(all);
  mst_buf_free(&whole);
  drive_free(&d);
  return 0;
}

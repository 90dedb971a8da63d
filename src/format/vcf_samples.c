/* format/vcf_samples.c - the columns of samples, field by field: their borders are found by the kernels, a block of samples at a time;
 * then each field's values are read in one go, numbers without a look at each digit.
 *
 * Owns: the borders at hand. May call: base, vcf_fields.c. */
#include "base/number.h"
#include "format/vcf_fields.h"

enum { BLOCK_SAMPLES = 256, BLOCK_BYTES = 4096 };

void mst_vcf_layout_free(mst_vcf_layout *l) {
  mst_free(l->mem, l->cells);
  l->cells = NULL;
  l->room = 0;
}

/* ---- values ---------------------------------------------------------------------------------------------------- */

/* A column of cells, one for each sample: cells[0], cells[step], … */
typedef struct column {
  const mst_vcf_cell *cells;
  size_t step, n;
  const uint8_t *limit;
} column;

static mst_status add_slowly(mst_vcf_field *f, mst_vcf_cell cell, mst_vcf_misfit *misfit, mst_error *err) {
  bool fits;
  const mst_status status = mst_vcf_field_add(f, cell.text, cell.size, &fits, err);
  if (status == MST_OK && !fits) *misfit = (mst_vcf_misfit){cell.text, cell.size, f};
  return status;
}

static bool is_missing(mst_vcf_cell c) { return c.size == 0 || (c.size == 1 && *c.text == '.'); }

static mst_status add_texts(mst_vcf_field *f, const column *c, mst_error *err) {
  const mst_status status = mst_vcf_field_room(f, c->n, err);
  if (status != MST_OK) return status;
  for (size_t i = 0; i < c->n; i++) {
    const mst_vcf_cell cell = c->cells[i * c->step];
    const bool missing = is_missing(cell);
    f->spans[f->n] = (mst_span){missing ? NULL : cell.text, cell.size};
    f->valid[f->n++] = !missing;
  }
  return MST_OK;
}

static mst_status add_integers(mst_vcf_field *f, const column *c, mst_vcf_misfit *misfit, mst_error *err) {
  mst_status status = mst_vcf_field_room(f, c->n, err);
  for (size_t i = 0; i < c->n && status == MST_OK; i++) {
    const mst_vcf_cell cell = c->cells[i * c->step];
    uint64_t v = 0;
    const bool missing = is_missing(cell);
    if (!missing && (cell.size > 7 || c->limit - cell.text < 8 || !mst_number_short(cell.text, cell.size, &v))) {
      status = add_slowly(f, cell, misfit, err);
      continue;
    }
    ((int32_t *)f->values)[f->n] = (int32_t)v;
    f->valid[f->n++] = !missing;
  }
  return status;
}

/* Short integers and points, divided by commas, into room that was made; false when they are something else. */
static inline bool read_list(mst_vcf_field *f, mst_vcf_cell cell) {
  const uint8_t *p = cell.text, *const end = p + cell.size;
  int32_t *const values = f->values;
  size_t n = f->n;
  for (;; p++) {
    /* The first byte that is no digit: at most 7 digits are read here. */
    const uint64_t word = mst_le64(p) ^ UINT64_C(0x3030303030303030);
    const uint64_t others = ((word + UINT64_C(0x7676767676767676)) | word) & UINT64_C(0x8080808080808080);
    size_t size = others == 0 ? 8 : mst_mask_first(others) / 8;
    uint64_t v = 0;
    if (size > (size_t)(end - p)) size = (size_t)(end - p);
    if (size == 0 && p < end && *p == '.') {
      f->valid[n] = 0;
      size = 1;
    } else if (size == 0 || size > 7 || !mst_number_short(p, size, &v)) {
      return false;
    } else {
      f->valid[n] = 1;
    }
    values[n++] = (int32_t)v;
    p += size;
    if (p == end) break;
    if (*p != ',') return false;
  }
  f->n = n;
  return true;
}

static mst_status add_lists(mst_vcf_field *f, const column *c, mst_vcf_misfit *misfit, mst_error *err) {
  mst_status status = mst_vcf_field_room(f, c->n, err);
  for (size_t i = 0; i < c->n && status == MST_OK; i++) {
    const mst_vcf_cell cell = c->cells[i * c->step];
    if (is_missing(cell)) {
      f->ends[f->n_lists] = f->n;
      f->lists_valid[f->n_lists++] = 0;
    } else if (c->limit - cell.text >= (ptrdiff_t)cell.size + 8 && f->room - f->n > cell.size / 2 && read_list(f, cell)) {
      f->ends[f->n_lists] = f->n;
      f->lists_valid[f->n_lists++] = 1;
    } else {
      status = add_slowly(f, cell, misfit, err); /* makes room, too */
    }
  }
  return status;
}

static mst_status add_column(mst_vcf_field *f, const column *c, mst_vcf_misfit *misfit, mst_error *err) {
  mst_status status = MST_OK;
  if (f->kind == MST_VCF_TEXT && !f->list) return add_texts(f, c, err);
  if (f->kind == MST_VCF_INTEGER && f->narrow && !f->list) return add_integers(f, c, misfit, err);
  if (f->kind == MST_VCF_INTEGER && f->narrow) return add_lists(f, c, misfit, err);
  for (size_t i = 0; i < c->n && status == MST_OK; i++) status = add_slowly(f, c->cells[i * c->step], misfit, err);
  return status;
}

static mst_status add_block(mst_vcf_layout *l, size_t n, const uint8_t *limit, mst_vcf_misfit *misfit, mst_error *err) {
  mst_status status = MST_OK;
  for (size_t k = 0; k < l->n && status == MST_OK; k++) {
    const column c = {.cells = l->cells + k, .step = l->n, .n = n, .limit = limit};
    if (l->fields[k] != NULL) status = add_column(l->fields[k], &c, misfit, err);
  }
  return status;
}

/* ---- borders --------------------------------------------------------------------------------------------------- */

static mst_status make_room(mst_vcf_layout *l, mst_error *err) {
  const size_t need = BLOCK_SAMPLES * l->n;
  mst_vcf_cell *more;
  if (l->room >= need) return MST_OK;
  more = mst_resize(l->mem, l->cells, need * sizeof *more);
  if (more == NULL) return mst_fail_memory(err);
  l->cells = more;
  l->room = need;
  return MST_OK;
}

/* Where the walk over the borders stands. */
typedef struct walk {
  const uint8_t *cell; /* where the cell under way begins */
  size_t sample, k;    /* in the block; of the sample     */
  size_t found;        /* columns that have ended         */
} walk;

static inline void end_cell(mst_vcf_layout *l, walk *w, const uint8_t *end) {
  if (w->k < l->n) l->cells[w->sample * l->n + w->k] = (mst_vcf_cell){w->cell, (size_t)(end - w->cell)};
  w->cell = end + 1;
  w->k++;
}

/* Trailing fields may be dropped. */
static inline void end_sample(mst_vcf_layout *l, walk *w) {
  for (; w->k < l->n; w->k++) l->cells[w->sample * l->n + w->k] = (mst_vcf_cell){w->cell, 0};
  w->k = 0;
  w->sample++;
  w->found++;
}

mst_status mst_vcf_samples(mst_vcf_layout *l, const uint8_t *text, const uint8_t *end, const uint8_t *limit, size_t n, size_t *found,
                           mst_vcf_misfit *misfit, mst_error *err) {
  mst_status status = MST_OK;
  uint64_t colons[BLOCK_BYTES / 64], tabs[BLOCK_BYTES / 64];
  walk w = {.cell = text};
  MST_TRY(make_room(l, err));
  for (const uint8_t *p = text; p < end && w.found < n; p += mst_min_size((size_t)(end - p), BLOCK_BYTES)) {
    const size_t size = mst_min_size((size_t)(end - p), BLOCK_BYTES);
    l->scan->mask2(p, size, ':', '\t', colons, tabs);
    for (size_t i = 0; i < MST_SCAN_WORDS(size); i++) {
      for (uint64_t mask = colons[i] | tabs[i]; mask != 0; mask = mst_mask_rest(mask)) {
        end_cell(l, &w, p + 64 * i + mst_mask_first(mask));
        if ((tabs[i] & mask & (0 - mask)) == 0) continue;
        end_sample(l, &w);
        if (w.sample < BLOCK_SAMPLES && w.found < n) continue;
        MST_TRY(add_block(l, w.sample, limit, misfit, err));
        w.sample = 0;
        if (w.found == n) goto enough;
      }
    }
  }
enough:
  if (w.found < n) {
    end_cell(l, &w, end);
    end_sample(l, &w);
    MST_TRY(add_block(l, w.sample, limit, misfit, err));
    *found = w.found;
  } else {
    *found = n + 1; /* a tab stands behind the last */
  }
done:
  return status;
}

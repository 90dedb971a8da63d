/* format/vcf_samples.c - the columns of samples, field by field: their borders are found by the kernels, a block of
 * samples at a time; then each field's values are read in one go, numbers without a look at each digit.
 *
 * Owns: the borders at hand. May call: base, vcf_fields.c. */
#include "base/base.h"
#include "format/vcf_fields.h"

enum { BLOCK_SAMPLES = 256, BLOCK_BYTES = 4096 };

void mst_vcf_layout_free(mst_vcf_layout *l) {
  mst_free(l->mem, l->cells);
  l->cells = NULL;
  l->room = 0;
}

/* ---- values ---------------------------------------------------------------------------------------------------- */

/* A column of cells, one for each sample: cells[0], cells[step], … Behind each cell at least 16 bytes may be read when
 * `fast`. */
typedef struct column {
  const mst_vcf_cell *cells;
  size_t step, n;
  const uint8_t *text;
  bool fast;
} column;

static mst_status add_slowly(mst_vcf_field *f, const uint8_t *text, size_t size, mst_vcf_misfit *misfit,
                             mst_error *err) {
  bool fits;
  const mst_status status = mst_vcf_field_add(f, text, size, &fits, err);
  if (status == MST_OK && !fits) *misfit = (mst_vcf_misfit){text, size, f};
  return status;
}

static inline bool is_missing(const uint8_t *text, size_t size) { return size == 0 || (size == 1 && *text == '.'); }

static mst_status add_texts(mst_vcf_field *f, const column *c, mst_error *err) {
  mst_status status = mst_vcf_field_room(f, c->n, err);
  uint8_t *bytes = f->bytes;
  size_t size = f->n_bytes;
  for (size_t i = 0; i < c->n && status == MST_OK; i++) {
    const mst_vcf_cell cell = c->cells[i * c->step];
    const uint8_t *text = c->text + cell.at;
    const bool missing = is_missing(text, cell.size);
    if (f->bytes_room < size + cell.size + 16) {
      f->n_bytes = size;
      status = mst_vcf_field_bytes(f, cell.size, err);
      bytes = f->bytes;
      if (status != MST_OK) break;
    }
    if (c->fast && cell.size <= 16) memcpy(bytes + size, text, 16); /* what is too much is written over */
    else memcpy(bytes + size, text, cell.size);
    size += missing ? 0 : cell.size;
    f->text_ends[f->n + i] = (uint32_t)size;
    f->valid[f->n + i] = !missing;
  }
  if (status == MST_OK) {
    f->n += c->n;
    f->n_bytes = size;
  }
  return status;
}

static mst_status add_integers(mst_vcf_field *f, const column *c, mst_vcf_misfit *misfit, mst_error *err) {
  mst_status status = mst_vcf_field_room(f, c->n, err);
  int32_t *const values = f->values;
  uint8_t *const valid = f->valid;
  for (size_t i = 0; i < c->n && status == MST_OK; i++) {
    const mst_vcf_cell cell = c->cells[i * c->step];
    const uint8_t *text = c->text + cell.at;
    uint64_t v = 0;
    const bool missing = is_missing(text, cell.size);
    if (!missing && (cell.size > 7 || !c->fast || !mst_number_short(text, cell.size, &v))) {
      status = add_slowly(f, text, cell.size, misfit, err);
      continue;
    }
    values[f->n] = (int32_t)v;
    valid[f->n++] = !missing;
  }
  return status;
}

/* Short integers divided by commas that lie in one word, into room that was made; false when they are something else.
 * In the word digits are 0 to 9; what lies behind the text is filled with commas. */
#define ZEROS  UINT64_C(0x3030303030303030)
#define COMMAS UINT64_C(0x1c1c1c1c1c1c1c1c) /* ',' ^ '0' */
#define HIGHS  UINT64_C(0x8080808080808080)
static inline bool read_list(mst_vcf_field *f, const uint8_t *text, size_t size) {
  const uint64_t all = size < 8 ? mst_mask_low((unsigned)(8 * size)) : UINT64_MAX;
  uint64_t word = ((mst_le64(text) ^ ZEROS) & all) | (COMMAS & ~all);
  uint64_t others = ((word + UINT64_C(0x7676767676767676)) | word) & HIGHS; /* marks what is no digit */
  size_t n = f->n, left = size;
  for (;;) {
    const unsigned bits = others == 0 ? 64 : mst_mask_first(others) & ~7u; /* of the digits in front of it */
    if (bits == 0 || (bits < 64 && (word >> bits & 0xff) != 0x1c)) return false;
    ((int32_t *)f->values)[n] = (int32_t)mst_number_sum(word << (64 - bits));
    f->valid[n++] = 1;
    if (bits / 8 == left) break;
    if (bits == 56) return false; /* the text ends with a comma */
    left -= bits / 8 + 1;
    word = word >> (bits + 8) | COMMAS << (56 - bits);
    others = others >> (bits + 8) | HIGHS << (56 - bits);
  }
  f->n = n;
  return true;
}

static mst_status add_lists(mst_vcf_field *f, const column *c, mst_vcf_misfit *misfit, mst_error *err) {
  mst_status status = mst_vcf_field_room(f, c->n, err);
  for (size_t i = 0; i < c->n && status == MST_OK; i++) {
    const mst_vcf_cell cell = c->cells[i * c->step];
    const uint8_t *text = c->text + cell.at;
    if (is_missing(text, cell.size)) {
      f->ends[f->n_lists] = f->n;
      f->lists_valid[f->n_lists++] = 0;
    } else if (c->fast && cell.size <= 8 && f->room - f->n >= 8 && read_list(f, text, cell.size)) {
      f->ends[f->n_lists] = f->n;
      f->lists_valid[f->n_lists++] = 1;
    } else {
      status = add_slowly(f, text, cell.size, misfit, err); /* makes room, too */
    }
  }
  return status;
}

static mst_status add_column(mst_vcf_field *f, const column *c, mst_vcf_misfit *misfit, mst_error *err) {
  mst_status status = MST_OK;
  if (f->packed) return add_texts(f, c, err);
  if (f->kind == MST_VCF_INTEGER && f->narrow && !f->list) return add_integers(f, c, misfit, err);
  if (f->kind == MST_VCF_INTEGER && f->narrow) return add_lists(f, c, misfit, err);
  for (size_t i = 0; i < c->n && status == MST_OK; i++)
    status = add_slowly(f, c->text + c->cells[i * c->step].at, c->cells[i * c->step].size, misfit, err);
  return status;
}

static mst_status add_block(mst_vcf_layout *l, size_t n, const uint8_t *text, bool fast, mst_vcf_misfit *misfit,
                            mst_error *err) {
  mst_status status = MST_OK;
  for (size_t k = 0; k < l->n && status == MST_OK; k++) {
    const column c = {.cells = l->cells + k, .step = l->n, .n = n, .text = text, .fast = fast};
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
  uint32_t begin;               /* of the cell under way             */
  mst_vcf_cell *next, *row_end; /* the cell under way; its sample's end */
  size_t in_block, found;       /* samples that have ended           */
} walk;

static inline void end_cell(walk *w, size_t end) {
  if (w->next < w->row_end) *w->next++ = (mst_vcf_cell){w->begin, (uint32_t)end - w->begin};
  w->begin = (uint32_t)end + 1;
}

/* Trailing fields may be dropped. */
static inline void end_sample(walk *w, size_t n) {
  while (w->next < w->row_end) *w->next++ = (mst_vcf_cell){w->begin - 1, 0};
  w->row_end += n;
  w->in_block++;
  w->found++;
}

static inline void begin_block(const mst_vcf_layout *l, walk *w) {
  w->next = l->cells;
  w->row_end = l->cells + l->n;
  w->in_block = 0;
}

mst_status mst_vcf_samples(mst_vcf_layout *l, const uint8_t *text, const uint8_t *end, const uint8_t *limit, size_t n,
                           size_t *found, mst_vcf_misfit *misfit, mst_error *err) {
  mst_status status = MST_OK;
  const size_t size = (size_t)(end - text);
  const bool fast = limit - end >= 16;
  uint64_t colons[BLOCK_BYTES / 64], tabs[BLOCK_BYTES / 64];
  walk w = {.begin = 0};
  if (size >= UINT32_MAX) return mst_fail(err, MST_E_LIMIT, "the samples of a line are longer than 4 GiB");
  MST_TRY(make_room(l, err));
  begin_block(l, &w);
  for (size_t at = 0; at < size && w.found < n; at += BLOCK_BYTES) {
    const size_t part = mst_min_size(size - at, BLOCK_BYTES);
    l->scan->mask2(text + at, part, ':', '\t', colons, tabs);
    for (size_t i = 0; i < MST_SCAN_WORDS(part) && w.found < n; i++) {
      for (uint64_t mask = colons[i] | tabs[i]; mask != 0; mask = mst_mask_rest(mask)) {
        end_cell(&w, at + 64 * i + mst_mask_first(mask));
        if ((tabs[i] & mask & (0 - mask)) == 0) continue;
        end_sample(&w, l->n);
        if (w.in_block < BLOCK_SAMPLES && w.found < n) continue;
        MST_TRY(add_block(l, w.in_block, text, fast, misfit, err));
        begin_block(l, &w);
        if (w.found == n) break;
      }
    }
  }
  *found = n + 1; /* a tab stands behind the last */
  if (w.found == n) return MST_OK;
  end_cell(&w, size);
  end_sample(&w, l->n);
  MST_TRY(add_block(l, w.in_block, text, fast, misfit, err));
  *found = w.found;
done:
  return status;
}

/* format/vcf_rows.c - data lines of VCF as Arrow columns:
 *   CHROM text, POS int64, ID text, REF text, ALT list of texts, QUAL double, FILTER list of texts ("." is null
 * everywhere) INFO       struct of the declared fields, typed by the header's Number and Type (text when the header
 * declares none) genotypes  struct of the declared FORMAT fields, each a list with one item a sample; GT is text as it
 * stands; on request What the header does not declare is left out. Percent-encoding stays. Options: info       true
 * (default), false, "text" (as it stands), or a list of field names genotypes  false (default), true, or a list of
 * field names samples    a list of sample names: only these, in this order columns    a list of column names: only
 * these, in this order misfit     "error" (default) or "null": what becomes of a value that is not of its field's type
 *
 * Owns: the reader. May call: base, column, vcf_fields.c. */
#include "base/base.h"
#include "format/batches.h"
#include "format/vcf_fields.h"

#define CHUNK_LINES  256
#define CHUNK_VALUES 16384
#define BATCH_ROWS   ((uint64_t)1 << 16)
#define BATCH_BYTES  ((size_t)4 << 20)

enum { CHROM, POS, ID, REF, ALT, QUAL, FILTER, INFO, GENOTYPES, N_COLUMNS };

static const char *const column_names[N_COLUMNS] = {"CHROM", "POS",    "ID",   "REF",      "ALT",
                                                    "QUAL",  "FILTER", "INFO", "genotypes"};

/* A struct of declared fields. */
typedef struct field_set {
  mst_vcf_field *fields;
  mst_field *items, *schemas;
  size_t n;
  size_t *slots; /* open addressing by the name's hash: number of a field + 1 */
  size_t n_slots;
} field_set;

typedef struct vcf_shape {
  const mst_allocator *mem;
  bool wanted[N_COLUMNS];
  size_t order[N_COLUMNS], n_order; /* columns in the batch */
  bool info_text;
  field_set info, format;
  mst_field columns[N_COLUMNS]; /* in the batch's order */
  mst_field text_item;
} vcf_shape;

typedef struct vcf_rows {
  vcf_shape shape;
  const mst_allocator *mem;
  json_t *dialect; /* the fields borrow its names */
  const mst_scan_kernels *scan;
  bool misfit_null;
  uint64_t record_max;
  uint32_t n_columns;               /* of a line                       */
  size_t n_samples;                 /* wanted                          */
  size_t *samples;                  /* their columns, rising unless asked for otherwise; NULL: all */
  mst_builder *builders[N_COLUMNS]; /* by column; NULL: not wanted */
  mst_builder *places[N_COLUMNS];   /* in the batch's order */

  size_t chunk_lines, n; /* lines gathered */
  mst_span chrom[CHUNK_LINES], id[CHUNK_LINES], ref[CHUNK_LINES], info[CHUNK_LINES];
  int64_t pos[CHUNK_LINES];
  double qual[CHUNK_LINES];
  uint8_t qual_valid[CHUNK_LINES];
  mst_vcf_field alt, filter;
  size_t next_info;          /* the field that comes next if this line is like the last */
  mst_buf format_copy;       /* FORMAT of the last line         */
  mst_vcf_layout layout;     /* its fields                      */
  const uint8_t **sample_at; /* where each sample's column begins, and one behind: for chosen samples */

  mst_buf rest;                /* the line that the last bytes given did not finish */
  uint64_t at, rows;           /* offset of the bytes being read; rows in front of the chunk */
  const uint8_t *data, *limit; /* the bytes being read */
  bool utf8;
  mst_batches batches;
} vcf_rows;

/* ---- fields by name -------------------------------------------------------------------------------------------- */

static uint64_t hash_name(const uint8_t *name, size_t n) {
  uint64_t h = UINT64_C(14695981039346656037);
  for (size_t i = 0; i < n; i++) h = (h ^ name[i]) * UINT64_C(1099511628211);
  return h ^ h >> 29;
}

static bool is_named(const mst_vcf_field *f, const uint8_t *name, size_t n) {
  return f->id_size == n && memcmp(f->id, name, n) == 0;
}

/* SIZE_MAX when there is none. */
static size_t find_field(const field_set *s, const uint8_t *name, size_t n) {
  if (s->n == 0) return SIZE_MAX;
  for (size_t i = hash_name(name, n) & (s->n_slots - 1);; i = (i + 1) & (s->n_slots - 1)) {
    if (s->slots[i] == 0) return SIZE_MAX;
    if (is_named(&s->fields[s->slots[i] - 1], name, n)) return s->slots[i] - 1;
  }
}

static void set_free(const mst_allocator *mem, field_set *s) {
  for (size_t i = 0; s->fields != NULL && i < s->n; i++) mst_vcf_field_free(&s->fields[i]);
  mst_free(mem, s->fields);
  mst_free(mem, s->items);
  mst_free(mem, s->schemas);
  mst_free(mem, s->slots);
}

static bool chosen(const json_t *choice, const char *id) {
  if (!json_is_array(choice)) return true;
  for (size_t i = 0; i < json_array_size(choice); i++)
    if (mst_text_equal(json_string_value(json_array_get(choice, i)), id)) return true;
  return false;
}

/* GT is known even where the header forgot it. */
static const json_t *implied_gt(json_t **kept) {
  if (*kept == NULL) *kept = json_pack("[s, s, s]", "GT", "1", "String");
  return *kept;
}

static mst_status set_make(const mst_allocator *mem, const json_t *declared, const json_t *choice, bool sample,
                           json_t **gt, field_set *s, mst_error *err) {
  mst_status status = MST_OK;
  const size_t n = json_array_size(declared) + 1;
  bool has_gt = !sample;
  for (s->n_slots = 8; s->n_slots < 2 * n; s->n_slots *= 2) {
  }
  MST_TRY_ALLOC(s->fields = mst_alloc_zero(mem, n, sizeof *s->fields));
  MST_TRY_ALLOC(s->items = mst_alloc_zero(mem, n, sizeof *s->items));
  MST_TRY_ALLOC(s->schemas = mst_alloc_zero(mem, n, sizeof *s->schemas));
  MST_TRY_ALLOC(s->slots = mst_alloc_zero(mem, s->n_slots, sizeof *s->slots));
  for (size_t i = 0; i < n; i++) {
    const json_t *row = i + 1 < n ? json_array_get(declared, i) : has_gt ? NULL : implied_gt(gt);
    mst_vcf_field *f = &s->fields[s->n];
    size_t slot;
    if (row == NULL && i + 1 == n && has_gt) break;
    MST_TRY_ALLOC(row);
    MST_TRY(mst_vcf_field_init(f, mem, row, sample, err));
    has_gt = has_gt || strcmp(f->id, "GT") == 0;
    if (!chosen(choice, f->id) || find_field(s, (const uint8_t *)f->id, f->id_size) != SIZE_MAX) continue;
    if (sample && strcmp(f->id, "GT") == 0)
      *f = (mst_vcf_field){.mem = mem, .id = f->id, .id_size = 2, .kind = MST_VCF_TEXT, .narrow = true, .packed = true};
    mst_vcf_field_schema(f, &s->items[s->n], &s->schemas[s->n]);
    slot = hash_name((const uint8_t *)f->id, f->id_size) & (s->n_slots - 1);
    while (s->slots[slot] != 0) slot = (slot + 1) & (s->n_slots - 1);
    s->slots[slot] = ++s->n;
  }
done:
  return status;
}

static mst_status check_choice(const json_t *choice, const field_set *s, const char *what, mst_error *err) {
  for (size_t i = 0; i < json_array_size(choice); i++) {
    const json_t *name = json_array_get(choice, i);
    if (!json_is_string(name) ||
        find_field(s, (const uint8_t *)json_string_value(name), json_string_length(name)) == SIZE_MAX)
      return mst_fail(err, MST_E_ARGUMENT, "the header declares no %s field \"%s\"", what,
                      json_is_string(name) ? json_string_value(name) : "?");
  }
  return MST_OK;
}

/* ---- columns --------------------------------------------------------------------------------------------------- */

static mst_status choose_columns(vcf_shape *s, const json_t *columns, mst_error *err) {
  if (columns == NULL || json_is_null(columns)) {
    for (size_t i = 0; i < N_COLUMNS; i++)
      if (s->wanted[i]) s->order[s->n_order++] = i;
    return MST_OK;
  }
  if (!json_is_array(columns)) return mst_fail(err, MST_E_ARGUMENT, "option \"columns\" is no list of names");
  for (size_t k = 0; k < json_array_size(columns); k++) {
    const char *name = json_string_value(json_array_get(columns, k));
    size_t i = 0;
    while (i < N_COLUMNS && !(s->wanted[i] && mst_text_equal(column_names[i], name))) i++;
    for (size_t j = 0; j < s->n_order; j++)
      if (s->order[j] == i) i = N_COLUMNS;
    if (i == N_COLUMNS)
      return mst_fail(err, MST_E_ARGUMENT, "there is no column \"%s\" (or it is asked for twice)",
                      name != NULL ? name : "?");
    s->order[s->n_order++] = i;
  }
  memset(s->wanted, 0, sizeof s->wanted);
  for (size_t k = 0; k < s->n_order; k++) s->wanted[s->order[k]] = true;
  return MST_OK;
}

static mst_field column_schema(vcf_shape *s, size_t i) {
  mst_field f = {.name = column_names[i], .format = "u", .nullable = i != CHROM && i != REF};
  if (i == POS) return (mst_field){.name = f.name, .format = "l"};
  if (i == QUAL) f.format = "g";
  if (i == ALT || i == FILTER)
    f = (mst_field){.name = f.name, .format = "+l", .nullable = true, .children = &s->text_item, .n_children = 1};
  if (i == INFO && !s->info_text)
    f = (mst_field){.name = f.name, .format = "+s", .children = s->info.schemas, .n_children = s->info.n};
  if (i == GENOTYPES)
    f = (mst_field){.name = f.name, .format = "+s", .children = s->format.schemas, .n_children = s->format.n};
  return f;
}

static void shape_free(vcf_shape *s) {
  set_free(s->mem, &s->info);
  set_free(s->mem, &s->format);
}

/* Every FORMAT field is a list with one item a sample; the inner schemas move one level down. */
static mst_status wrap_samples(vcf_shape *s, mst_field **inner, mst_error *err) {
  *inner = mst_alloc_zero(s->mem, s->format.n + 1, sizeof **inner);
  if (*inner == NULL) return mst_fail_memory(err);
  for (size_t i = 0; i < s->format.n; i++) {
    mst_field *f = &s->format.schemas[i];
    (*inner)[i] = *f;
    (*inner)[i].name = "sample";
    *f = (mst_field){.name = s->format.fields[i].id, .format = "+l", .children = &(*inner)[i], .n_children = 1};
  }
  return MST_OK;
}

static mst_status wanted_switch(const json_t *value, const char *key, bool usual, bool *on, mst_error *err) {
  *on = value == NULL || json_is_null(value) ? usual : !json_is_false(value);
  if (value == NULL || json_is_null(value) || json_is_boolean(value) || json_is_array(value)) return MST_OK;
  if (strcmp(key, "info") == 0 && mst_text_equal(json_string_value(value), "text")) return MST_OK;
  return mst_fail(err, MST_E_ARGUMENT, "option \"%s\" is neither true or false nor a list of fields", key);
}

static mst_status shape_make(const mst_allocator *mem, const json_t *dialect, const json_t *options, vcf_shape *s,
                             mst_field **inner, json_t **gt, mst_error *err) {
  mst_status status = MST_OK;
  const json_t *info = json_object_get(options, "info"), *genotypes = json_object_get(options, "genotypes");
  const json_t *declared = json_object_get(dialect, "long_info"), *formats = json_object_get(dialect, "long_format");
  *s = (vcf_shape){.mem = mem, .text_item = {.name = "item", .format = "u", .nullable = true}};
  if (!json_is_array(declared) || !json_is_array(formats))
    return mst_fail(err, MST_E_CORRUPT, "the VCF dialect does not tell the header's fields");
  for (size_t i = 0; i < INFO; i++) s->wanted[i] = true;
  MST_TRY(wanted_switch(info, "info", true, &s->wanted[INFO], err));
  MST_TRY(wanted_switch(genotypes, "genotypes", false, &s->wanted[GENOTYPES], err));
  MST_TRY(choose_columns(s, json_object_get(options, "columns"), err));
  if (s->wanted[INFO]) {
    MST_TRY(set_make(mem, declared, info, false, gt, &s->info, err));
    MST_TRY(check_choice(info, &s->info, "INFO", err));
    s->info_text = s->info.n == 0 || json_is_string(info);
  }
  if (s->wanted[GENOTYPES]) {
    MST_TRY(set_make(mem, formats, genotypes, true, gt, &s->format, err));
    MST_TRY(check_choice(genotypes, &s->format, "FORMAT", err));
    MST_TRY(wrap_samples(s, inner, err));
  }
  for (size_t k = 0; k < s->n_order; k++) s->columns[k] = column_schema(s, s->order[k]);
done:
  return status;
}

/* The names of the samples as metadata "samples" of the genotypes, as a JSON list. */
static mst_status name_samples(const mst_allocator *mem, const vcf_shape *s, const json_t *dialect,
                               const json_t *options, struct ArrowSchema *schema, mst_error *err) {
  const json_t *names = json_object_get(options, "samples");
  mst_status status = MST_OK;
  mst_buf text;
  mst_metadata_pair pair = {.key = "samples", .key_size = 7};
  mst_buf_init(&text, mem, SIZE_MAX / 2);
  if (!json_is_array(names)) names = json_object_get(dialect, "long_samples");
  for (size_t k = 0; k < s->n_order; k++) {
    if (s->order[k] != GENOTYPES) continue;
    MST_TRY(mst_json_print(names, &text, err));
    pair.value = mst_buf_text(&text);
    pair.value_size = text.size;
    MST_TRY(mst_schema_set_pairs(schema->children[k], &pair, 1, err));
  }
done:
  mst_buf_free(&text);
  return status;
}

mst_status mst_vcf_rows_schema(const mst_allocator *mem, const json_t *dialect, const json_t *options,
                               struct ArrowSchema *out, mst_error *err) {
  mst_status status = MST_OK;
  vcf_shape s;
  mst_field *inner = NULL;
  json_t *gt = NULL;
  MST_TRY(shape_make(mem, dialect, options, &s, &inner, &gt, err));
  MST_TRY(mst_schema_make(mem, s.columns, s.n_order, out, err));
  status = name_samples(mem, &s, dialect, options, out, err);
  if (status != MST_OK) mst_schema_release(out);
done:
  shape_free(&s);
  mst_free(mem, inner);
  json_decref(gt);
  return status;
}

/* ---- opening --------------------------------------------------------------------------------------------------- */

void mst_vcf_rows_close(void *self) {
  vcf_rows *r = self;
  if (r == NULL) return;
  for (size_t i = 0; i < N_COLUMNS; i++) mst_builder_free(r->builders[i]);
  shape_free(&r->shape);
  mst_vcf_field_free(&r->alt);
  mst_vcf_field_free(&r->filter);
  mst_free(r->mem, r->samples);
  mst_free(r->mem, r->sample_at);
  mst_vcf_layout_free(&r->layout);
  mst_buf_free(&r->format_copy);
  mst_buf_free(&r->rest);
  mst_batches_free(&r->batches);
  json_decref(r->dialect);
  mst_free(r->mem, r);
}

static mst_status choose_samples(vcf_rows *r, const json_t *wanted, mst_error *err) {
  const json_t *names = json_object_get(r->dialect, "long_samples");
  mst_status status = MST_OK;
  r->n_samples = json_array_size(names);
  if (r->n_columns != MST_VCF_FIXED + 1 + r->n_samples && (r->n_samples > 0 || r->n_columns != MST_VCF_FIXED))
    return mst_fail(err, MST_E_CORRUPT, "the VCF dialect names %zu samples for %u columns", r->n_samples, r->n_columns);
  if (wanted == NULL || json_is_null(wanted)) return MST_OK;
  if (!json_is_array(wanted)) return mst_fail(err, MST_E_ARGUMENT, "option \"samples\" is no list of names");
  MST_TRY_ALLOC(r->samples = mst_alloc_zero(r->mem, json_array_size(wanted) + 1, sizeof *r->samples));
  MST_TRY_ALLOC(r->sample_at = mst_alloc_zero(r->mem, r->n_samples + 2, sizeof *r->sample_at));
  for (size_t k = 0; k < json_array_size(wanted); k++) {
    size_t i = 0;
    while (i < r->n_samples && !json_equal(json_array_get(names, i), json_array_get(wanted, k))) i++;
    if (i == r->n_samples) {
      const char *name = json_string_value(json_array_get(wanted, k));
      return mst_fail(err, MST_E_ARGUMENT, "the header names no sample \"%s\"", name != NULL ? name : "?");
    }
    r->samples[k] = i;
  }
  r->n_samples = json_array_size(wanted);
done:
  return status;
}

static mst_status make_builders(vcf_rows *r, mst_error *err) {
  vcf_shape *s = &r->shape;
  mst_status status = MST_OK;
  for (size_t k = 0; k < s->n_order; k++) {
    MST_TRY(mst_builder_new(r->mem, &s->columns[k], &r->builders[s->order[k]], err));
    r->places[k] = r->builders[s->order[k]];
  }
  r->alt = r->filter = (mst_vcf_field){.mem = r->mem, .kind = MST_VCF_TEXT, .list = true};
  if (s->wanted[ALT]) mst_vcf_field_use(&r->alt, r->builders[ALT]);
  if (s->wanted[FILTER]) mst_vcf_field_use(&r->filter, r->builders[FILTER]);
  for (size_t i = 0; i < s->info.n && !s->info_text; i++)
    mst_vcf_field_use(&s->info.fields[i], mst_builder_child(r->builders[INFO], i));
  for (size_t i = 0; i < s->format.n; i++)
    mst_vcf_field_use(&s->format.fields[i], mst_builder_child(mst_builder_child(r->builders[GENOTYPES], i), 0));
done:
  return status;
}

static mst_status read_options(vcf_rows *r, const json_t *options, mst_error *err) {
  const json_t *misfit = json_object_get(options, "misfit");
  uint64_t columns = 0;
  mst_status status = mst_json_get_u64(r->dialect, "columns", "VCF dialect", &columns, err);
  if (status != MST_OK) return status;
  r->misfit_null = mst_text_equal(json_string_value(misfit), "null");
  if (misfit != NULL && !json_is_null(misfit) && !r->misfit_null && !mst_text_equal(json_string_value(misfit), "error"))
    return mst_fail(err, MST_E_ARGUMENT, "VCF option \"misfit\" must be \"error\" or \"null\"");
  if (columns < MST_VCF_FIXED || columns > UINT32_MAX)
    return mst_fail(err, MST_E_CORRUPT, "the VCF dialect has a wrong number of columns");
  r->n_columns = (uint32_t)columns;
  return choose_samples(r, json_object_get(options, "samples"), err);
}

mst_status mst_vcf_rows_open(const mst_job *job, const json_t *dialect, const json_t *options, uint64_t batch_rows,
                             void **out, mst_error *err) {
  mst_status status = MST_OK;
  mst_field *inner = NULL;
  json_t *gt = NULL;
  vcf_rows *r = NULL;
  MST_TRY_ALLOC(r = mst_alloc_zero(job->mem, 1, sizeof *r));
  r->mem = r->shape.mem = r->alt.mem = r->filter.mem = job->mem;
  r->scan = mst_scan_best();
  r->layout = (mst_vcf_layout){.mem = job->mem, .scan = r->scan};
  r->record_max = job->record_max > 0 ? job->record_max : UINT64_MAX;
  r->dialect = json_incref((json_t *)(uintptr_t)dialect);
  mst_buf_init(&r->format_copy, r->mem, SIZE_MAX / 2);
  mst_buf_init(&r->rest, r->mem, SIZE_MAX / 2);
  MST_TRY(read_options(r, options, err));
  MST_TRY(shape_make(r->mem, dialect, options, &r->shape, &inner, &gt, err));
  MST_TRY(make_builders(r, err));
  mst_batches_init(&r->batches, r->mem, r->places, r->shape.n_order, batch_rows > 0 ? batch_rows : BATCH_ROWS,
                   BATCH_BYTES);
  /* The implied GT's name is a constant: the field must not borrow the JSON made for it. */
  for (size_t i = 0; i < r->shape.format.n; i++)
    if (strcmp(r->shape.format.fields[i].id, "GT") == 0) r->shape.format.fields[i].id = "GT";
  r->chunk_lines = mst_max_size(1, mst_min_size(CHUNK_LINES, CHUNK_VALUES / mst_max_size(r->n_samples, 1)));
  r->chunk_lines = (size_t)mst_min_u64(r->chunk_lines, r->batches.rows_max);
  *out = r;
  r = NULL;
done:
  mst_vcf_rows_close(r);
  mst_free(job->mem, inner);
  json_decref(gt);
  return status;
}

/* ---- a chunk of lines ------------------------------------------------------------------------------------------ */

static mst_status bad_line(const vcf_rows *r, const uint8_t *line, const char *why, mst_error *err) {
  return mst_fail_at(err, MST_E_CORRUPT, r->at + (uint64_t)(line - r->data), "line %llu: %s",
                     (unsigned long long)(r->rows + r->n + 1), why);
}

static mst_status misfit(const vcf_rows *r, const uint8_t *at, size_t n, const char *what, const char *id,
                         mst_error *err) {
  char text[41];
  size_t i = 0;
  if (r->misfit_null) return MST_OK;
  for (; i < n && i < sizeof text - 1; i++) text[i] = at[i] >= 0x20 && at[i] < 0x7f ? (char)at[i] : '?';
  text[i] = 0;
  return mst_fail_at(err, MST_E_CORRUPT, r->at + (uint64_t)(at - r->data),
                     "line %llu: %s%s \"%s\" is not what the header declares (the option \"misfit\" can make it null)",
                     (unsigned long long)(r->rows + r->n + 1), what, id, text);
}

/* Brings the fields that this line did not name up to `lines` values. */
static mst_status pad(field_set *s, size_t lines, mst_error *err) {
  for (size_t i = 0; i < s->n; i++) {
    mst_vcf_field *f = &s->fields[i];
    while (mst_vcf_field_count(f) < lines) {
      const mst_status status =
          f->kind == MST_VCF_FLAG ? mst_vcf_field_flag(f, false, err) : mst_vcf_field_null(f, err);
      if (status != MST_OK) return status;
    }
  }
  return MST_OK;
}

static mst_status pad_one(mst_vcf_field *f, size_t lines, mst_error *err) {
  field_set one = {.fields = f, .n = 1};
  return pad(&one, lines, err);
}

/* One item of INFO: "KEY=value" or "FLAG". */
static mst_status put_item(vcf_rows *r, const uint8_t *item, const uint8_t *end, mst_error *err) {
  field_set *s = &r->shape.info;
  const uint8_t *equals = memchr(item, '=', (size_t)(end - item)), *value = equals == NULL ? end : equals + 1;
  const size_t size = (size_t)((equals == NULL ? end : equals) - item);
  mst_status status = MST_OK;
  mst_vcf_field *f;
  size_t i = r->next_info;
  bool fits = true;
  if (i >= s->n || !is_named(&s->fields[i], item, size)) i = find_field(s, item, size);
  if (i == SIZE_MAX) return MST_OK;
  r->next_info = i + 1;
  f = &s->fields[i];
  if (mst_vcf_field_count(f) > r->n) return MST_OK; /* named twice: the first counts */
  if (mst_vcf_field_count(f) < r->n) MST_TRY(pad_one(f, r->n, err));
  if (f->kind == MST_VCF_FLAG) return mst_vcf_field_flag(f, true, err);
  MST_TRY(mst_vcf_field_add(f, value, (size_t)(end - value), &fits, err));
  if (!fits) MST_TRY(misfit(r, value, (size_t)(end - value), "INFO/", f->id, err));
done:
  return status;
}

static mst_status put_info(vcf_rows *r, const uint8_t *text, size_t n, mst_error *err) {
  const uint8_t *const end = text + n, *p = text;
  r->next_info = 0;
  if (n == 1 && *text == '.') return MST_OK;
  while (p < end) {
    const uint8_t *stop = memchr(p, ';', (size_t)(end - p));
    mst_status status;
    if (stop == NULL) stop = end;
    status = stop > p ? put_item(r, p, stop, err) : MST_OK;
    if (status != MST_OK) return status;
    p = stop + 1;
  }
  return MST_OK;
}

/* Which fields FORMAT names, in its order. Most lines repeat the one before. */
static mst_status take_format(vcf_rows *r, const uint8_t *line, const uint8_t *text, size_t n, mst_error *err) {
  const uint8_t *const end = text + n, *p = text;
  mst_vcf_layout *layout = &r->layout;
  mst_status status = MST_OK;
  if (layout->n > 0 && r->format_copy.size == n && memcmp(r->format_copy.data, text, n) == 0) return MST_OK;
  mst_buf_clear(&r->format_copy);
  MST_TRY(mst_buf_put(&r->format_copy, text, n, err));
  layout->n = 0;
  for (;;) {
    const uint8_t *stop = p;
    mst_vcf_field *f;
    size_t i;
    while (stop < end && *stop != ':') stop++;
    if (layout->n == MST_VCF_FORMAT_MAX) return bad_line(r, line, "FORMAT names too many fields", err);
    i = find_field(&r->shape.format, p, (size_t)(stop - p));
    f = i == SIZE_MAX ? NULL : &r->shape.format.fields[i];
    for (size_t k = 0; k < layout->n; k++)
      if (layout->fields[k] == f) f = NULL; /* named twice: the first counts */
    layout->fields[layout->n++] = f;
    if (stop == end) break;
    p = stop + 1;
  }
done:
  return status;
}

static mst_status put_misfit(const vcf_rows *r, const mst_vcf_misfit *wrong, mst_error *err) {
  return wrong->text == NULL ? MST_OK : misfit(r, wrong->text, wrong->size, "FORMAT/", wrong->field->id, err);
}

/* Chosen samples, whose columns must be found first. */
static mst_status put_chosen(vcf_rows *r, const uint8_t *line, const uint8_t *p, const uint8_t *end, mst_error *err) {
  const size_t all = json_array_size(json_object_get(r->dialect, "long_samples"));
  mst_status status = MST_OK;
  for (size_t i = 0; i < all; i++) {
    const uint8_t *tab = memchr(p, '\t', (size_t)(end - p));
    r->sample_at[i] = p;
    if (tab == NULL && i + 1 < all) return bad_line(r, line, "there are fewer columns than in the header", err);
    p = tab == NULL ? end + 1 : tab + 1;
  }
  r->sample_at[all] = p;
  for (size_t k = 0; k < r->n_samples; k++) {
    const size_t i = r->samples[k];
    mst_vcf_misfit wrong = {0};
    size_t found;
    MST_TRY(mst_vcf_samples(&r->layout, r->sample_at[i], r->sample_at[i + 1] - 1, r->limit, 1, &found, &wrong, err));
    MST_TRY(put_misfit(r, &wrong, err));
  }
done:
  return status;
}

static mst_status put_all(vcf_rows *r, const uint8_t *line, const uint8_t *p, const uint8_t *end, mst_error *err) {
  mst_vcf_misfit wrong = {0};
  size_t found = 0;
  mst_status status = MST_OK;
  if (r->n_samples == 0) return MST_OK;
  MST_TRY(mst_vcf_samples(&r->layout, p, end, r->limit, r->n_samples, &found, &wrong, err));
  if (found != r->n_samples)
    return bad_line(r, line,
                    found < r->n_samples ? "there are fewer columns than in the header"
                                         : "there are more columns than in the header",
                    err);
  MST_TRY(put_misfit(r, &wrong, err));
done:
  return status;
}

static mst_status put_samples(vcf_rows *r, const uint8_t *line, const uint8_t *p, const uint8_t *end, mst_error *err) {
  mst_status status = MST_OK;
  const uint8_t *tab = memchr(p, '\t', (size_t)(end - p));
  MST_TRY(take_format(r, line, p, (size_t)((tab == NULL ? end : tab) - p), err));
  if (tab == NULL && r->n_columns > MST_VCF_FIXED + 1)
    return bad_line(r, line, "there are fewer columns than in the header", err);
  p = tab == NULL ? end : tab + 1;
  MST_TRY(r->samples != NULL ? put_chosen(r, line, p, end, err) : put_all(r, line, p, end, err));
  MST_TRY(pad(&r->shape.format, (r->n + 1) * r->n_samples, err));
done:
  return status;
}

/* ALT by commas, FILTER by semicolons. */
static mst_status put_list(mst_vcf_field *f, const uint8_t *text, size_t n, uint8_t divider, mst_error *err) {
  const uint8_t *const end = text + n, *p = text;
  mst_status status = MST_OK;
  bool fits;
  if (divider == ',' || memchr(text, divider, n) == NULL) return mst_vcf_field_add(f, text, n, &fits, err);
  MST_TRY(mst_vcf_field_room(f, 1, err));
  for (;;) {
    const uint8_t *stop = memchr(p, divider, (size_t)(end - p));
    mst_vcf_field one = *f;
    if (stop == NULL) stop = end;
    one.list = false;
    status = mst_vcf_field_add(&one, p, (size_t)(stop - p), &fits, err);
    f->n = one.n;
    f->room = one.room;
    f->spans = one.spans;
    f->valid = one.valid;
    if (status != MST_OK) return status;
    if (stop == end) break;
    p = stop + 1;
  }
  f->ends[f->n_lists] = f->n;
  f->lists_valid[f->n_lists++] = 1;
done:
  return status;
}

static mst_span text_or_null(const uint8_t *text, size_t n) {
  return n == 0 || (n == 1 && *text == '.') ? (mst_span){0} : (mst_span){text, n};
}

static mst_status put_fixed(vcf_rows *r, const uint8_t *line, const uint8_t *const c[MST_VCF_FIXED + 1],
                            mst_error *err) {
  const bool *wanted = r->shape.wanted;
  mst_status status = MST_OK;
  const size_t i = r->n;
#define SIZE(k) ((size_t)(c[(k) + 1] - c[k] - 1))
  r->chrom[i] = (mst_span){c[CHROM], SIZE(CHROM)};
  if (!mst_number_i64_inline((const char *)c[POS], SIZE(POS), &r->pos[i]) || r->pos[i] < 0)
    return bad_line(r, line, "POS is not a number", err);
  r->id[i] = text_or_null(c[ID], SIZE(ID));
  r->ref[i] = (mst_span){c[REF], SIZE(REF)};
  if (wanted[ALT]) MST_TRY(put_list(&r->alt, c[ALT], SIZE(ALT), ',', err));
  r->qual_valid[i] = text_or_null(c[QUAL], SIZE(QUAL)).data != NULL;
  r->qual[i] = 0;
  if (wanted[QUAL] && r->qual_valid[i] && !mst_number_f64((const char *)c[QUAL], SIZE(QUAL), &r->qual[i])) {
    r->qual_valid[i] = 0;
    MST_TRY(misfit(r, c[QUAL], SIZE(QUAL), "", "QUAL", err));
  }
  if (wanted[FILTER]) MST_TRY(put_list(&r->filter, c[FILTER], SIZE(FILTER), ';', err));
  r->info[i] = text_or_null(c[INFO], SIZE(INFO));
  if (wanted[INFO] && !r->shape.info_text) MST_TRY(put_info(r, c[INFO], SIZE(INFO), err));
#undef SIZE
done:
  return status;
}

/* ---- flushing -------------------------------------------------------------------------------------------------- */

static mst_status not_utf8(const vcf_rows *r, mst_span s, size_t bad, mst_error *err) {
  const uint8_t *at = (const uint8_t *)s.data + bad;
  return mst_fail_at(err, MST_E_CORRUPT, r->at + (uint64_t)(at - r->data), "byte 0x%02x here is not UTF-8", *at);
}

static mst_status check_spans(const vcf_rows *r, const mst_span *spans, size_t n, mst_error *err) {
  for (size_t i = 0, bad; i < n; i++)
    if (spans[i].data != NULL && !mst_utf8_valid(spans[i].data, spans[i].size, &bad))
      return not_utf8(r, spans[i], bad, err);
  return MST_OK;
}

static mst_status flush_spans(const vcf_rows *r, size_t column, const mst_span *spans, mst_error *err) {
  mst_status status = MST_OK;
  if (r->builders[column] == NULL) return MST_OK;
  if (!r->utf8) MST_TRY(check_spans(r, spans, r->n, err));
  MST_TRY(mst_builder_spans(r->builders[column], spans, r->n, err));
done:
  return status;
}

/* Packed texts have left their place in the object behind. */
static mst_status check_packed(const vcf_rows *r, const mst_vcf_field *f, mst_error *err) {
  uint32_t begin = 0;
  for (size_t i = 0; i < f->n; begin = f->text_ends[i++])
    if (f->text_ends[i] > begin && !mst_utf8_valid(f->bytes + begin, f->text_ends[i] - begin, NULL))
      return mst_fail_at(err, MST_E_CORRUPT, r->at, "FORMAT/%s of a line not far behind this place is not UTF-8",
                         f->id);
  return MST_OK;
}

static mst_status flush_field(const vcf_rows *r, mst_vcf_field *f, mst_error *err) {
  mst_status status = MST_OK;
  if (!r->utf8 && f->packed) MST_TRY(check_packed(r, f, err));
  else if (!r->utf8 && f->kind == MST_VCF_TEXT) MST_TRY(check_spans(r, f->spans, f->n, err));
  MST_TRY(mst_vcf_field_flush(f, err));
done:
  return status;
}

static mst_status flush_genotypes(vcf_rows *r, mst_error *err) {
  mst_builder *b = r->builders[GENOTYPES];
  mst_status status = MST_OK;
  uint64_t ends[CHUNK_LINES];
  for (size_t i = 0; i < r->shape.format.n; i++) {
    mst_builder *lists = mst_builder_child(b, i);
    const uint64_t before = mst_builder_length(mst_builder_child(lists, 0));
    for (size_t k = 0; k < r->n; k++) ends[k] = before + (k + 1) * r->n_samples;
    MST_TRY(flush_field(r, &r->shape.format.fields[i], err));
    MST_TRY(mst_builder_lists(lists, ends, NULL, r->n, err));
  }
  MST_TRY(mst_builder_structs(b, r->n, err));
done:
  return status;
}

static mst_status flush_info(vcf_rows *r, mst_error *err) {
  mst_status status = MST_OK;
  if (r->shape.info_text) return flush_spans(r, INFO, r->info, err);
  MST_TRY(pad(&r->shape.info, r->n, err));
  for (size_t i = 0; i < r->shape.info.n; i++) MST_TRY(flush_field(r, &r->shape.info.fields[i], err));
  MST_TRY(mst_builder_structs(r->builders[INFO], r->n, err));
done:
  return status;
}

static mst_status flush_chunk(vcf_rows *r, mst_error *err) {
  mst_status status = MST_OK;
  const bool *wanted = r->shape.wanted;
  if (r->n == 0) return MST_OK;
  MST_TRY(flush_spans(r, CHROM, r->chrom, err));
  if (wanted[POS]) MST_TRY(mst_builder_values(r->builders[POS], r->pos, NULL, r->n, err));
  MST_TRY(flush_spans(r, ID, r->id, err));
  MST_TRY(flush_spans(r, REF, r->ref, err));
  if (wanted[ALT]) MST_TRY(flush_field(r, &r->alt, err));
  if (wanted[QUAL]) MST_TRY(mst_builder_values(r->builders[QUAL], r->qual, r->qual_valid, r->n, err));
  if (wanted[FILTER]) MST_TRY(flush_field(r, &r->filter, err));
  if (wanted[INFO]) MST_TRY(flush_info(r, err));
  if (wanted[GENOTYPES]) MST_TRY(flush_genotypes(r, err));
  r->rows += r->n;
  r->n = 0;
  MST_TRY(mst_batches_seal(&r->batches, err));
done:
  return status;
}

/* ---- lines ----------------------------------------------------------------------------------------------------- */

static mst_status put_line(vcf_rows *r, const uint8_t *line, const uint8_t *end, mst_error *err) {
  const uint8_t *c[MST_VCF_FIXED + 1], *p = line;
  mst_status status = MST_OK;
  if (end > line && end[-1] == '\r') end--;
  if (end == line) return bad_line(r, line, "it is empty", err);
  for (size_t k = 0; k <= MST_VCF_FIXED; k++) {
    const uint8_t *tab = k < MST_VCF_FIXED && p <= end ? memchr(p, '\t', (size_t)(end - p)) : NULL;
    c[k] = p;
    if (tab == NULL && k + 1 < MST_VCF_FIXED) return bad_line(r, line, "there are fewer than 8 columns", err);
    p = tab == NULL ? end + 1 : tab + 1;
  }
  if ((c[MST_VCF_FIXED] <= end) != (r->n_columns > MST_VCF_FIXED))
    return bad_line(r, line, "it has not the header's number of columns", err);
  MST_TRY(put_fixed(r, line, c, err));
  if (r->shape.wanted[GENOTYPES] && c[MST_VCF_FIXED] <= end) MST_TRY(put_samples(r, line, c[MST_VCF_FIXED], end, err));
  else if (r->shape.wanted[GENOTYPES]) MST_TRY(pad(&r->shape.format, (r->n + 1) * r->n_samples, err));
  r->n++;
  if (r->n == r->chunk_lines || r->n == mst_batches_room(&r->batches)) MST_TRY(flush_chunk(r, err));
done:
  return status;
}

static mst_status put_lines(vcf_rows *r, const uint8_t *data, size_t n, mst_error *err) {
  mst_status status = MST_OK;
  const uint8_t *const end = data + n, *p = data;
  r->data = data;
  r->limit = end;
  r->utf8 = r->scan->utf8(data, n);
  while (p < end) {
    const uint8_t *lf = memchr(p, '\n', (size_t)(end - p));
    if (lf == NULL) lf = end;
    MST_TRY(put_line(r, p, lf, err));
    p = lf + 1;
  }
  MST_TRY(flush_chunk(r, err)); /* the bytes may be gone by the next call */
  r->at += n;
done:
  return status;
}

static mst_status keep_rest(vcf_rows *r, const uint8_t *data, size_t n, mst_error *err) {
  if (r->rest.size + n > r->record_max)
    return mst_fail_at(err, MST_E_LIMIT, r->at, "line %llu is longer than the limit of %llu bytes",
                       (unsigned long long)(r->rows + 1), (unsigned long long)r->record_max);
  return mst_buf_put(&r->rest, data, n, err);
}

mst_status mst_vcf_rows_feed(void *self, const uint8_t *data, size_t n, bool last, mst_error *err) {
  vcf_rows *r = self;
  mst_status status = MST_OK;
  size_t used = 0;
  if (r->rest.size > 0 && n > 0) {
    const uint8_t *lf = memchr(data, '\n', n);
    used = lf == NULL ? n : (size_t)(lf - data) + 1;
    MST_TRY(keep_rest(r, data, used, err));
    if (lf != NULL) {
      MST_TRY(put_lines(r, r->rest.data, r->rest.size, err));
      mst_buf_clear(&r->rest);
    }
  }
  if (used < n) {
    const uint8_t *lf = memrchr(data + used, '\n', n - used);
    const size_t whole = lf == NULL ? 0 : (size_t)(lf - data) + 1 - used;
    if (whole > 0) MST_TRY(put_lines(r, data + used, whole, err));
    MST_TRY(keep_rest(r, data + used + whole, n - used - whole, err));
  }
  if (last && r->rest.size > 0) {
    MST_TRY(put_lines(r, r->rest.data, r->rest.size, err));
    mst_buf_clear(&r->rest);
  }
done:
  return status;
}

mst_status mst_vcf_rows_take(void *self, bool all, struct ArrowArray *out, mst_error *err) {
  vcf_rows *r = self;
  return mst_batches_take(&r->batches, all, out, err);
}

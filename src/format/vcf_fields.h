/* format/vcf_fields.h - INFO and FORMAT fields as columns: values gathered over a few hundred lines, then handed to
 * builders at once.
 *
 * Owns: what is gathered, until it is flushed. May be included by: vcf_fields.c, vcf_rows.c. */
#ifndef MST_FORMAT_VCF_FIELDS_H
#define MST_FORMAT_VCF_FIELDS_H

#include "format/vcf.h"

typedef enum mst_vcf_kind { MST_VCF_INTEGER, MST_VCF_FLOAT, MST_VCF_TEXT, MST_VCF_FLAG } mst_vcf_kind;

/* One declared field. Texts borrow the lines' bytes until the flush. */
typedef struct mst_vcf_field {
  const mst_allocator *mem;
  const char *id; /* borrowed from the dialect's JSON */
  size_t id_size;
  mst_vcf_kind kind;
  bool list;                 /* more than one value where the header allows it */
  bool narrow;               /* integers of 32 bits                            */
  bool packed;               /* texts lie in `bytes` (samples)                 */
  mst_builder *leaf, *lists; /* borrowed; lists: NULL when `list` is false */
  size_t n, room;            /* values                                         */
  void *values;              /* int64, int32, double, or bytes of flags        */
  uint8_t *valid;
  mst_span *spans; /* texts                                          */
  uint8_t *bytes;  /* packed texts, each with room for 16 bytes more  */
  uint32_t *text_ends;
  size_t n_bytes, bytes_room;
  size_t n_lists, lists_room;
  uint64_t *ends; /* in values gathered since the flush             */
  uint8_t *lists_valid;
} mst_vcf_field;

/* From [ID, Number, Type] of the dialect. `sample`: a FORMAT field. */
mst_status mst_vcf_field_init(mst_vcf_field *f, const mst_allocator *mem, const json_t *declared, bool sample,
                              mst_error *err);
void mst_vcf_field_free(mst_vcf_field *f);
/* Its schema: `item` gets the list's item, and must live as long as `out`. */
void mst_vcf_field_schema(const mst_vcf_field *f, mst_field *item, mst_field *out);
/* Borrows a builder of that schema. */
void mst_vcf_field_use(mst_vcf_field *f, mst_builder *b);

/* Room for `more` further values (or lists). */
mst_status mst_vcf_field_room(mst_vcf_field *f, size_t more, mst_error *err);
/* Room for packed texts of `more` further bytes. */
mst_status mst_vcf_field_bytes(mst_vcf_field *f, size_t more, mst_error *err);
mst_status mst_vcf_field_null(mst_vcf_field *f, mst_error *err);
/* The text of the field in one line or sample; "." is null. `*fits` is false, and a null was added, when it is not of
 * the type. */
mst_status mst_vcf_field_add(mst_vcf_field *f, const uint8_t *text, size_t n, bool *fits, mst_error *err);
/* A flag that is there. */
mst_status mst_vcf_field_flag(mst_vcf_field *f, bool there, mst_error *err);
/* Values (or lists) gathered. */
static inline size_t mst_vcf_field_count(const mst_vcf_field *f) { return f->list ? f->n_lists : f->n; }
/* Hands everything to the builders. */
mst_status mst_vcf_field_flush(mst_vcf_field *f, mst_error *err);

/* ---- samples: vcf_samples.c ------------------------------------------------------------------------------------ */

/* One value of one sample, from where the samples' columns begin. */
typedef struct mst_vcf_cell {
  uint32_t at, size; /* size 0: dropped, which is null */
} mst_vcf_cell;

/* What FORMAT names: the fields of each sample's column, in order; NULL: not wanted. */
enum { MST_VCF_FORMAT_MAX = 64 };
typedef struct mst_vcf_layout {
  const mst_allocator *mem;
  const mst_scan_kernels *scan;
  mst_vcf_field *fields[MST_VCF_FORMAT_MAX];
  size_t n;
  mst_vcf_cell *cells; /* of the samples at hand: n for each */
  size_t room;
} mst_vcf_layout;
void mst_vcf_layout_free(mst_vcf_layout *l);

/* A value that is not of its field's type. */
typedef struct mst_vcf_misfit {
  const uint8_t *text; /* NULL: everything fits */
  size_t size;
  const mst_vcf_field *field;
} mst_vcf_misfit;
/* The columns of samples at [text, end), divided by tabs, of which `n` are there; adds a value to each wanted field for
 * each. Up to `limit` bytes may be read. `*found` is how many columns there were; more than n are not read. */
mst_status mst_vcf_samples(mst_vcf_layout *l, const uint8_t *text, const uint8_t *end, const uint8_t *limit, size_t n,
                           size_t *found, mst_vcf_misfit *misfit, mst_error *err);

#endif

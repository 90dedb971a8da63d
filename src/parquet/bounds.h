/* parquet/bounds.h - what a file's statistics say of values, as scalars of the Arrow type; only what can be trusted.
 *
 * Owns: nothing; byte strings are borrowed from the footer or the index. May call: base, column, expr. */
#ifndef MST_PARQUET_BOUNDS_H
#define MST_PARQUET_BOUNDS_H

#include "expr/expr.h"
#include "parquet/fields.h"
#include "parquet/page_index.h"

/* A leaf column whose statistics are asked for: of no list, so that it has a value or a null in each row. */
typedef struct mst_pq_bounded {
  const mst_pq_field *field; /* the leaf */
  uint32_t leaf;             /* of the file */
  mst_type type;             /* of its values */
  bool any_writer;           /* also statistics of writers that are known to be wrong */
} mst_pq_bounded;

/* The same for what is not asked about rows: leaves of lists, too, and a writer's word whoever it is. */
bool mst_pq_bounded_any(const mst_pq_field *field, uint32_t leaf, mst_pq_bounded *out);
/* false for fields that are no such leaf. */
bool mst_pq_bounded_of(const mst_parquet_file *f, const mst_pq_field *field, uint32_t leaf, mst_pq_bounded *out);
/* A bound in PLAIN bytes, without a length; false when it says nothing. */
bool mst_pq_bound_scalar(const mst_parquet_file *f, const mst_pq_bounded *b, const uint8_t *data, size_t n,
                         mst_scalar *out);
void mst_pq_chunk_bounds_get(const mst_parquet_file *f, size_t group, const mst_pq_bounded *b, mst_bounds *out);
/* `base` is what the index was parsed from; `rows` are the page's. */
void mst_pq_page_bounds_get(const mst_parquet_file *f, const mst_pq_bounded *b, const uint8_t *base,
                            const mst_pq_page_bounds *page, uint64_t rows, mst_bounds *out);
/* A value as PLAIN stores it, without a length: into `room` of 32 bytes, or borrowed. false when it could be stored in
 * several ways, or in none. */
bool mst_pq_scalar_plain(const mst_parquet_file *f, const mst_pq_bounded *b, const mst_scalar *value, uint8_t *room,
                         const uint8_t **out, size_t *n);

#endif

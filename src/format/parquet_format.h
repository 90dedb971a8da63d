/* format/parquet_format.h - what the machines of the format parquet share: all begin with the file's footer. Private to
 * src/format/parquet*.c. */
#ifndef MST_FORMAT_PARQUET_FORMAT_H
#define MST_FORMAT_PARQUET_FORMAT_H

#include "expr/expr.h"
#include "format/format.h"
#include "parquet/parquet.h"

extern const mst_format mst_format_parquet;

/* The last bytes of the object until they hold the footer. */
typedef struct mst_footer {
  const mst_job *job;
  uint64_t hint; /* bytes that the footer is known to take; 0: not known */
  mst_range need;
  mst_parquet_file *file; /* NULL until it is here */
} mst_footer;

/* One step: with `file` set it is done; else `out` says what is needed. */
mst_status mst_footer_step(mst_footer *f, const mst_given *given, mst_step *out, mst_error *err);
void mst_footer_free(mst_footer *f);
/* Hands on what a machine of src/parquet asks for: true when `out` says that something is needed. */
bool mst_parquet_needs(const mst_range *need, size_t n_need, mst_step *out);

mst_status mst_parquet_plan(const mst_job *job, const mst_plan_query *query, mst_machine **out, mst_error *err);
mst_status mst_parquet_read_part(const mst_job *job, const json_t *part, const mst_read_query *query, mst_machine **out,
                                 mst_error *err);
/* Reads all there is and holds what the file says against it; DONE gives records and plain_bytes. */
mst_status mst_parquet_check(const mst_job *job, mst_machine **out, mst_error *err);

#endif

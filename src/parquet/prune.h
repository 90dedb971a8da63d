/* parquet/prune.h - a condition on the way through a file: which row groups and pages it rules out, and what it says of
 * rows.
 *
 * Owns: the bound condition and the columns that it reads. May call: base, column, expr. */
#ifndef MST_PARQUET_PRUNE_H
#define MST_PARQUET_PRUNE_H

#include "parquet/bounds.h"
#include "parquet/project.h"
#include "parquet/spans.h"
#include "parquet/tools.h"

typedef struct mst_pq_filter {
  mst_predicate *predicate;  /* bound to the columns below; NULL: there is no condition */
  mst_pq_projection columns; /* what it reads */
  struct ArrowSchema schema; /* of those */
  size_t n;                  /* columns as the predicate numbers them ... */
  mst_pq_bounded *bounded;   /* ... and their leaves; field NULL: statistics say nothing of it */
} mst_pq_filter;

/* `out` must be freed also on failure. */
mst_status mst_pq_filter_make(mst_parquet_file *f, mst_where *where, mst_pq_filter *out, mst_error *err);
void mst_pq_filter_free(mst_pq_filter *filter);

/* What the statistics of a row group decide. */
mst_prune mst_pq_prune_group(const mst_parquet_file *f, const mst_pq_filter *filter, size_t group);

/* Page indexes and Bloom filter of one column of the condition; what is not there has no data. */
typedef struct mst_pq_page_facts {
  mst_bytes offset, column;
  mst_bytes bloom;      /* header and filter */
  mst_bytes dictionary; /* the page of a dictionary that all data pages use */
} mst_pq_page_facts;
/* What Bloom filters decide. Broken ones decide nothing. */
mst_prune mst_pq_prune_bloom(const mst_parquet_file *f, const mst_pq_filter *filter, const mst_pq_page_facts *facts);
/* What dictionaries decide: a value that is not in one is in no page. Broken ones decide nothing. */
mst_status mst_pq_prune_dictionaries(mst_parquet_file *f, const mst_pq_filter *filter, size_t group,
                                     const mst_pq_page_facts *facts, mst_pq_tools *tools, mst_prune *out,
                                     mst_error *err);
/* The rows of `from` that lie in pages which may match, added to `out`; all of them where indexes are broken. */
mst_status mst_pq_prune_pages(const mst_parquet_file *f, const mst_pq_filter *filter, size_t group,
                              const mst_pq_page_facts *facts, const mst_pq_spans *from, mst_pq_spans *out,
                              mst_error *err);
/* Whether a Bloom filter for this column could rule anything out. */
bool mst_pq_filter_asks_equality(const mst_pq_filter *filter, size_t column);

#endif

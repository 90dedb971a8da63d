/* source/table_inner.h - a table from the inside. Private to table*.c. */
#ifndef MST_SOURCE_TABLE_INNER_H
#define MST_SOURCE_TABLE_INNER_H

#include <stdatomic.h>

#include "column/column.h"
#include "fetch/fetch.h"
#include "source/table.h"

struct mst_parquet {
  _Atomic uint32_t refs;
  mst_context *ctx;
  const mst_allocator *mem;
  mst_object *object; /* NULL: in memory, the four below */
  mst_bytes bytes;
  char *name;
  mst_pin pin;
  mst_parquet_file *file;
};

#endif

/* parquet/fields.h - a Parquet schema as Arrow fields: what the reader builds, and from which leaves.
 *
 * Owns: nothing; fields live in the file's arena or in one given by the caller. May call: base, column. */
#ifndef MST_PARQUET_FIELDS_H
#define MST_PARQUET_FIELDS_H

#include "parquet/footer.h"

/* How a leaf's stored values become Arrow's. */
typedef enum mst_pq_conv {
  MST_PQ_CONV_SAME,      /* same bytes                                                    */
  MST_PQ_CONV_NARROW,    /* INT32 becomes 1 or 2 bytes                                    */
  MST_PQ_CONV_WIDEN,     /* INT32 or INT64 becomes a decimal of `width` bytes             */
  MST_PQ_CONV_BIG,       /* FIXED big-endian becomes a decimal of `width` bytes           */
  MST_PQ_CONV_BIG_BYTES, /* BYTE_ARRAY big-endian becomes a decimal                       */
  MST_PQ_CONV_INT96,     /* Julian day and nanoseconds become nanoseconds                 */
  MST_PQ_CONV_BITS,      /* BOOLEAN                                                       */
  MST_PQ_CONV_BYTES,     /* BYTE_ARRAY                                                    */
  MST_PQ_CONV_NOTHING    /* only nulls                                                    */
} mst_pq_conv;

typedef struct mst_pq_field {
  const char *name;
  const char *format;
  mst_kind kind; /* LIST, MAP, STRUCT, or a leaf's  */
  bool nullable;
  bool fixed_list;    /* LIST whose format is "+w:n"     */
  int32_t size;       /* of a fixed list                 */
  uint8_t def;        /* level of a value that is present; of lists: of a list that is there */
  uint8_t rep;        /* lists: level of their items     */
  uint8_t parent_def; /* below this level there is no slot for it: the nearest list above has no item there */
  uint8_t parent_rep; /* level of the items of that list, 0: there is none */
  int32_t field_id;
  uint32_t n_children;
  struct mst_pq_field *children;
  uint32_t leaf; /* leaves */
  mst_pq_conv conv;
  uint32_t width;           /* of an Arrow value of fixed width                 */
  const char *extension;    /* Arrow extension name, NULL: none                 */
  const char *metadata;     /* Arrow metadata from the file's own Arrow schema  */
  const char *index_format; /* dictionary: format of the indices               */
  bool ordered;             /* dictionaries */
  bool sorted;              /* maps, by their keys */
  uint32_t index_width;
  mst_layout layout; /* of the array; of a dictionary's values      */
  bool large;        /* 64-bit offsets while decoding               */
} mst_pq_field;

/* All fields of the file, as children of `*out`; made once and kept. MST_E_CORRUPT or MST_E_UNSUPPORTED names the
 * column. */
mst_status mst_pq_fields_make(mst_parquet_file *f, mst_pq_field *out, mst_error *err);
/* Gives fields the Arrow types that the writer's own schema (the ARROW:schema of the footer) names, where they are ways
 * to look at the same stored values; the rest stays as it is. */
mst_status mst_pq_fields_restore(mst_parquet_file *f, mst_pq_field *fields, const struct ArrowSchema *schema,
                                 mst_error *err);
/* The Arrow schema of fields. */
mst_status mst_pq_fields_schema(const mst_allocator *mem, const mst_pq_field *field, struct ArrowSchema *out,
                                mst_error *err);
/* The same with the file's key-values as the schema's metadata. */
mst_status mst_pq_file_schema(const mst_parquet_file *f, const mst_pq_field *fields, struct ArrowSchema *out,
                              mst_error *err);

#endif

/* column/type.h - what an Arrow format string means: the kind of a column, its layout and its parameters.
 *
 * Owns: nothing; a parsed type borrows the format string. May call: base. */
#ifndef MST_COLUMN_TYPE_H
#define MST_COLUMN_TYPE_H

#include <meseta/arrow_abi.h>

#include "base/base.h"

typedef enum mst_kind {
  MST_KIND_NULL,
  MST_KIND_BOOL,
  MST_KIND_INT8,
  MST_KIND_INT16,
  MST_KIND_INT32,
  MST_KIND_INT64,
  MST_KIND_UINT8,
  MST_KIND_UINT16,
  MST_KIND_UINT32,
  MST_KIND_UINT64,
  MST_KIND_HALF,
  MST_KIND_FLOAT,
  MST_KIND_DOUBLE,
  MST_KIND_DECIMAL, /* `width` bytes, `precision`, `scale` */
  MST_KIND_DATE32,
  MST_KIND_DATE64,
  MST_KIND_TIME32,
  MST_KIND_TIME64,
  MST_KIND_TIMESTAMP,
  MST_KIND_DURATION,
  MST_KIND_MONTHS,         /* int32 months                             */
  MST_KIND_DAYS_MS,        /* int32 days, int32 milliseconds           */
  MST_KIND_MONTH_DAY_NANO, /* int32 months, int32 days, int64 ns       */
  MST_KIND_FIXED_BYTES,    /* `width` bytes a value                    */
  MST_KIND_BYTES,
  MST_KIND_TEXT,
  MST_KIND_LIST,
  MST_KIND_FIXED_LIST, /* `size` items a row */
  MST_KIND_MAP,
  MST_KIND_STRUCT,
  MST_KIND_UNION,
  MST_KIND_RUN_END
} mst_kind;

/* How the buffers of an array are laid out. */
typedef enum mst_layout {
  MST_LAYOUT_NULL,       /* no buffers                                         */
  MST_LAYOUT_BITS,       /* validity, bits                                     */
  MST_LAYOUT_FIXED,      /* validity, `width` bytes a value                    */
  MST_LAYOUT_OFFSETS32,  /* validity, int32 offsets, bytes                     */
  MST_LAYOUT_OFFSETS64,  /* validity, int64 offsets, bytes                     */
  MST_LAYOUT_VIEWS,      /* validity, 16-byte views, data buffers, their sizes */
  MST_LAYOUT_LIST32,     /* validity, int32 offsets; one child                 */
  MST_LAYOUT_LIST64,     /* validity, int64 offsets; one child                 */
  MST_LAYOUT_LISTVIEW32, /* validity, int32 offsets, int32 sizes; one child    */
  MST_LAYOUT_LISTVIEW64, /* validity, int64 offsets, int64 sizes; one child    */
  MST_LAYOUT_FIXED_LIST, /* validity; one child                                */
  MST_LAYOUT_STRUCT,     /* validity; children                                 */
  MST_LAYOUT_DENSE,      /* type ids, int32 offsets; children                  */
  MST_LAYOUT_SPARSE,     /* type ids; children                                 */
  MST_LAYOUT_RUN_END     /* none; children run_ends and values                 */
} mst_layout;

typedef enum mst_time_unit { MST_UNIT_S, MST_UNIT_MS, MST_UNIT_US, MST_UNIT_NS } mst_time_unit;

typedef struct mst_type {
  mst_kind kind;
  mst_layout layout;
  mst_time_unit unit; /* of times, timestamps, durations           */
  uint32_t width;     /* bytes of a value of MST_LAYOUT_FIXED      */
  int32_t precision;  /* of decimals                               */
  int32_t scale;      /* of decimals                               */
  int32_t size;       /* items of a fixed list                     */
  const char *zone;   /* of timestamps, "" when none; borrowed     */
  const char *ids;    /* of unions: "0,1,5"; borrowed              */
} mst_type;

/* MST_E_UNSUPPORTED for a format that the Arrow specification does not know. */
mst_status mst_type_parse(const char *format, mst_type *out, mst_error *err);
/* Buffers that an array of this type has; variadic view arrays have at least this many. */
int64_t mst_type_buffers(const mst_type *type);
/* Children that an array of this type must have, -1 for any number. */
int64_t mst_type_children(const mst_type *type);
bool mst_type_is_integer(const mst_type *type);  /* signed and unsigned integers                   */
bool mst_type_is_signed(const mst_type *type);   /* signed integers and all temporal single values */
bool mst_type_is_temporal(const mst_type *type); /* date, time, timestamp, duration                */

#endif

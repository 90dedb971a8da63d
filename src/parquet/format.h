/* parquet/format.h - the numbers of the Parquet format (apache/parquet-format, parquet.thrift) and how a column's
 * values are ordered.
 *
 * Owns: nothing. May call: base. */
#ifndef MST_PARQUET_FORMAT_H
#define MST_PARQUET_FORMAT_H

#include "base/base.h"

typedef enum mst_pq_physical {
  MST_PQ_BOOLEAN = 0,
  MST_PQ_INT32 = 1,
  MST_PQ_INT64 = 2,
  MST_PQ_INT96 = 3,
  MST_PQ_FLOAT = 4,
  MST_PQ_DOUBLE = 5,
  MST_PQ_BYTE_ARRAY = 6,
  MST_PQ_FIXED = 7,
  MST_PQ_GROUP = -1
} mst_pq_physical;

typedef enum mst_pq_repetition { MST_PQ_REQUIRED = 0, MST_PQ_OPTIONAL = 1, MST_PQ_REPEATED = 2 } mst_pq_repetition;

typedef enum mst_pq_encoding {
  MST_PQ_PLAIN = 0,
  MST_PQ_PLAIN_DICTIONARY = 2,
  MST_PQ_RLE = 3,
  MST_PQ_BIT_PACKED = 4,
  MST_PQ_DELTA_BINARY_PACKED = 5,
  MST_PQ_DELTA_LENGTH_BYTE_ARRAY = 6,
  MST_PQ_DELTA_BYTE_ARRAY = 7,
  MST_PQ_RLE_DICTIONARY = 8,
  MST_PQ_BYTE_STREAM_SPLIT = 9
} mst_pq_encoding;

typedef enum mst_pq_page_type {
  MST_PQ_DATA_PAGE = 0,
  MST_PQ_INDEX_PAGE = 1,
  MST_PQ_DICTIONARY_PAGE = 2,
  MST_PQ_DATA_PAGE_V2 = 3
} mst_pq_page_type;

/* Numbers of ConvertedType. */
typedef enum mst_pq_converted {
  MST_PQ_CONVERTED_NONE = -1,
  MST_PQ_UTF8 = 0,
  MST_PQ_MAP = 1,
  MST_PQ_MAP_KEY_VALUE = 2,
  MST_PQ_LIST = 3,
  MST_PQ_ENUM = 4,
  MST_PQ_DECIMAL = 5,
  MST_PQ_DATE = 6,
  MST_PQ_TIME_MILLIS = 7,
  MST_PQ_TIME_MICROS = 8,
  MST_PQ_TIMESTAMP_MILLIS = 9,
  MST_PQ_TIMESTAMP_MICROS = 10,
  MST_PQ_UINT_8 = 11,
  MST_PQ_UINT_16 = 12,
  MST_PQ_UINT_32 = 13,
  MST_PQ_UINT_64 = 14,
  MST_PQ_INT_8 = 15,
  MST_PQ_INT_16 = 16,
  MST_PQ_INT_32 = 17,
  MST_PQ_INT_64 = 18,
  MST_PQ_JSON = 19,
  MST_PQ_BSON = 20,
  MST_PQ_INTERVAL = 21
} mst_pq_converted;

/* Field numbers of the union LogicalType; 0 means that there is none. */
typedef enum mst_pq_logical {
  MST_PQ_LOGICAL_NONE = 0,
  MST_PQ_LOGICAL_STRING = 1,
  MST_PQ_LOGICAL_MAP = 2,
  MST_PQ_LOGICAL_LIST = 3,
  MST_PQ_LOGICAL_ENUM = 4,
  MST_PQ_LOGICAL_DECIMAL = 5,
  MST_PQ_LOGICAL_DATE = 6,
  MST_PQ_LOGICAL_TIME = 7,
  MST_PQ_LOGICAL_TIMESTAMP = 8,
  MST_PQ_LOGICAL_INTERVAL = 9, /* reserved by the format; here: ConvertedType INTERVAL */
  MST_PQ_LOGICAL_INTEGER = 10,
  MST_PQ_LOGICAL_UNKNOWN = 11,
  MST_PQ_LOGICAL_JSON = 12,
  MST_PQ_LOGICAL_BSON = 13,
  MST_PQ_LOGICAL_UUID = 14,
  MST_PQ_LOGICAL_FLOAT16 = 15,
  MST_PQ_LOGICAL_VARIANT = 16,
  MST_PQ_LOGICAL_GEOMETRY = 17,
  MST_PQ_LOGICAL_GEOGRAPHY = 18
} mst_pq_logical;

/* How the values of a column are compared for statistics. */
typedef enum mst_pq_order {
  MST_PQ_ORDER_NONE, /* INT96, INTERVAL and what the format leaves undefined */
  MST_PQ_ORDER_BOOL,
  MST_PQ_ORDER_I32,
  MST_PQ_ORDER_U32,
  MST_PQ_ORDER_I64,
  MST_PQ_ORDER_U64,
  MST_PQ_ORDER_F32,
  MST_PQ_ORDER_F64,
  MST_PQ_ORDER_F16,
  MST_PQ_ORDER_BYTES,  /* unsigned, byte by byte                   */
  MST_PQ_ORDER_DECIMAL /* big-endian two's complement of any width */
} mst_pq_order;

/* What a type is, beyond its physical kind. */
typedef struct mst_pq_annotation {
  mst_pq_logical logical;
  int8_t unit; /* mst_time_unit: MST_UNIT_MS, _US, _NS */
  bool utc;
  bool is_signed;
  uint8_t bits; /* of INTEGER */
  int32_t precision, scale;
} mst_pq_annotation;

mst_pq_order mst_pq_order_of(mst_pq_physical physical, const mst_pq_annotation *annotation);
/* Orders in which the deprecated statistics, which compared signed values, were right. */
bool mst_pq_order_is_signed(mst_pq_order order);
/* Bytes of one PLAIN value, 0 for BOOLEAN and BYTE_ARRAY. */
uint32_t mst_pq_width(mst_pq_physical physical, uint32_t type_length);
const char *mst_pq_physical_name(mst_pq_physical physical);
const char *mst_pq_encoding_name(int encoding);

#endif

/* parquet/format.c - names, widths and orders of Parquet's types.
 *
 * Owns: nothing. May call: base. */
#include "parquet/format.h"

mst_pq_order mst_pq_order_of(mst_pq_physical physical, const mst_pq_annotation *annotation) {
  bool is_unsigned = annotation->logical == MST_PQ_LOGICAL_INTEGER && !annotation->is_signed;
  switch (annotation->logical) {
  case MST_PQ_LOGICAL_INTERVAL:
  case MST_PQ_LOGICAL_UNKNOWN:
  case MST_PQ_LOGICAL_VARIANT:
  case MST_PQ_LOGICAL_GEOMETRY:
  case MST_PQ_LOGICAL_GEOGRAPHY: return MST_PQ_ORDER_NONE;
  case MST_PQ_LOGICAL_FLOAT16: return MST_PQ_ORDER_F16;
  case MST_PQ_LOGICAL_DECIMAL:
    if (physical == MST_PQ_BYTE_ARRAY || physical == MST_PQ_FIXED) return MST_PQ_ORDER_DECIMAL;
    break;
  default: break;
  }
  switch (physical) {
  case MST_PQ_BOOLEAN: return MST_PQ_ORDER_BOOL;
  case MST_PQ_INT32: return is_unsigned ? MST_PQ_ORDER_U32 : MST_PQ_ORDER_I32;
  case MST_PQ_INT64: return is_unsigned ? MST_PQ_ORDER_U64 : MST_PQ_ORDER_I64;
  case MST_PQ_FLOAT: return MST_PQ_ORDER_F32;
  case MST_PQ_DOUBLE: return MST_PQ_ORDER_F64;
  case MST_PQ_BYTE_ARRAY:
  case MST_PQ_FIXED: return MST_PQ_ORDER_BYTES;
  default: return MST_PQ_ORDER_NONE;
  }
}

uint32_t mst_pq_width(mst_pq_physical physical, uint32_t type_length) {
  switch (physical) {
  case MST_PQ_INT32:
  case MST_PQ_FLOAT: return 4;
  case MST_PQ_INT64:
  case MST_PQ_DOUBLE: return 8;
  case MST_PQ_INT96: return 12;
  case MST_PQ_FIXED: return type_length;
  default: return 0;
  }
}

const char *mst_pq_physical_name(mst_pq_physical physical) {
  static const char *const names[] = {"BOOLEAN", "INT32",  "INT64",      "INT96",
                                      "FLOAT",   "DOUBLE", "BYTE_ARRAY", "FIXED_LEN_BYTE_ARRAY"};
  return physical >= 0 && physical <= MST_PQ_FIXED ? names[physical] : "group";
}

const char *mst_pq_encoding_name(int encoding) {
  static const char *const names[] = {
      "PLAIN",          "encoding 1",          "PLAIN_DICTIONARY",        "RLE",
      "BIT_PACKED",     "DELTA_BINARY_PACKED", "DELTA_LENGTH_BYTE_ARRAY", "DELTA_BYTE_ARRAY",
      "RLE_DICTIONARY", "BYTE_STREAM_SPLIT"};
  return encoding >= 0 && encoding <= MST_PQ_BYTE_STREAM_SPLIT ? names[encoding] : "unknown encoding";
}

bool mst_pq_order_is_signed(mst_pq_order order) {
  return order == MST_PQ_ORDER_I32 || order == MST_PQ_ORDER_I64 || order == MST_PQ_ORDER_F32 ||
         order == MST_PQ_ORDER_F64 || order == MST_PQ_ORDER_BOOL;
}

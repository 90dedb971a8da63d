/* parquet/page.c - decodes page headers.
 *
 * Owns: nothing. May call: base. */
#include "parquet/page.h"

#include "parquet/thrift.h"

enum { HEAD_SIZE_MAX = 16 << 20 }; /* statistics inside may be large; a header beyond this is none */

static uint32_t take_count(mst_thrift *t, uint8_t type, const char *negative) {
  int32_t v = mst_thrift_i32(t, type);
  if (v < 0) mst_thrift_fail(t, negative);
  return v < 0 ? 0 : (uint32_t)v;
}

static void parse_data(mst_thrift *t, uint8_t type, mst_pq_page *p) {
  mst_thrift_field f = {0};
  if (!mst_thrift_enter(t, type)) return;
  while (mst_thrift_next(t, &f)) {
    switch (f.id) {
    case 1: p->n_values = take_count(t, f.type, "the number of values is negative"); break;
    case 2: p->encoding = mst_thrift_i32(t, f.type); break;
    case 3: p->def_encoding = mst_thrift_i32(t, f.type); break;
    case 4: p->rep_encoding = mst_thrift_i32(t, f.type); break;
    default: mst_thrift_skip(t, f.type); break;
    }
  }
  mst_thrift_leave(t);
}

static void parse_dictionary(mst_thrift *t, uint8_t type, mst_pq_page *p) {
  mst_thrift_field f = {0};
  if (!mst_thrift_enter(t, type)) return;
  while (mst_thrift_next(t, &f)) {
    if (f.id == 1) {
      p->n_values = take_count(t, f.type, "the number of values is negative");
    } else if (f.id == 2) {
      p->encoding = mst_thrift_i32(t, f.type);
    } else {
      mst_thrift_skip(t, f.type);
    }
  }
  mst_thrift_leave(t);
}

static void parse_data_v2(mst_thrift *t, uint8_t type, mst_pq_page *p) {
  mst_thrift_field f = {0};
  p->packed = true;
  if (!mst_thrift_enter(t, type)) return;
  while (mst_thrift_next(t, &f)) {
    switch (f.id) {
    case 1: p->n_values = take_count(t, f.type, "the number of values is negative"); break;
    case 2: p->n_nulls = take_count(t, f.type, "the number of nulls is negative"); break;
    case 3: p->n_rows = take_count(t, f.type, "the number of rows is negative"); break;
    case 4: p->encoding = mst_thrift_i32(t, f.type); break;
    case 5: p->def_size = take_count(t, f.type, "the size of the definition levels is negative"); break;
    case 6: p->rep_size = take_count(t, f.type, "the size of the repetition levels is negative"); break;
    case 7: p->packed = mst_thrift_bool(t, f.type); break;
    default: mst_thrift_skip(t, f.type); break;
    }
  }
  mst_thrift_leave(t);
}

static void parse_head(mst_thrift *t, mst_pq_page *p) {
  mst_thrift_field f = {0};
  uint32_t seen = 0, body;
  if (!mst_thrift_enter(t, MST_THRIFT_STRUCT)) return;
  while (mst_thrift_next(t, &f)) {
    if (f.id > 0 && f.id < 32) seen |= 1u << f.id;
    switch (f.id) {
    case 1: p->type = (mst_pq_page_type)mst_thrift_i32(t, f.type); break;
    case 2: p->plain_size = take_count(t, f.type, "the plain size is negative"); break;
    case 3: p->packed_size = take_count(t, f.type, "the packed size is negative"); break;
    case 4:
      p->crc = (uint32_t)mst_thrift_i32(t, f.type);
      p->has_crc = true;
      break;
    case 5: parse_data(t, f.type, p); break;
    case 7: parse_dictionary(t, f.type, p); break;
    case 8: parse_data_v2(t, f.type, p); break;
    default: mst_thrift_skip(t, f.type); break;
    }
  }
  mst_thrift_leave(t);
  if (t->bad != NULL) return;
  if ((seen & 14) != 14) mst_thrift_fail(t, "its type or a size is missing");
  body = p->type == MST_PQ_DATA_PAGE         ? 5
         : p->type == MST_PQ_DICTIONARY_PAGE ? 7
         : p->type == MST_PQ_DATA_PAGE_V2    ? 8
                                             : 0;
  if (body != 0 && (seen >> body & 1) == 0) mst_thrift_fail(t, "the part for its type is missing");
  if (p->type == MST_PQ_DATA_PAGE_V2 &&
      (uint64_t)p->def_size + p->rep_size > mst_min_u64(p->plain_size, p->packed_size))
    mst_thrift_fail(t, "the levels are larger than the page");
}

mst_pq_page_parse mst_pq_page_head(const uint8_t *data, size_t n, mst_pq_page *out, const char **what, size_t *at) {
  mst_thrift t = mst_thrift_over(data, n);
  size_t reached;
  *out = (mst_pq_page){0};
  parse_head(&t, out);
  if (t.bad == NULL) {
    out->head_size = (uint32_t)t.at;
    return MST_PQ_PAGE_GOOD;
  }
  *what = t.bad;
  *at = reached = t.bad_at;
  /* Running into the end, or over it, may be cured by more bytes; nothing else is. */
  if (reached >= n && n < HEAD_SIZE_MAX) return MST_PQ_PAGE_SHORT;
  if (strstr(t.bad, "what is left") != NULL && n < HEAD_SIZE_MAX) return MST_PQ_PAGE_SHORT;
  return MST_PQ_PAGE_BAD;
}

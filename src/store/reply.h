/* store/reply.h - the facts that an HTTP reply's status line and headers tell. Hostile input. Private to the store
 * module. */
#ifndef MST_STORE_REPLY_H
#define MST_STORE_REPLY_H

#include "base/base.h"

typedef enum mst_sum_kind {
  MST_SUM_NONE,
  MST_SUM_CRC32,
  MST_SUM_CRC32C,
  MST_SUM_CRC64NVME,
  MST_SUM_SHA1,
  MST_SUM_SHA256
} mst_sum_kind;

typedef enum mst_content_range {
  MST_RANGE_ABSENT,
  MST_RANGE_GIVEN,       /* bytes first-last/total */
  MST_RANGE_UNSATISFIED, /* bytes * /total */
  MST_RANGE_WRONG        /* anything else */
} mst_content_range;

typedef struct mst_reply {
  int status; /* 0: none came */
  mst_content_range range;
  uint64_t range_first, range_last, range_total;
  bool range_total_known;
  bool length_known;
  bool etag_cut;     /* longer than we keep: as good as none */
  bool is_multipart; /* several ranges in one body */
  bool sum_of_parts; /* the checksum is one of checksums */
  bool chunked;      /* no length, but its end shows */
  mst_sum_kind sum;
  uint64_t length;
  int64_t modified_us; /* Last-Modified; 0: unknown */
  int64_t date_us;     /* Date; 0: unknown */
  char etag[168];
  char version[104];
  char encoding[32]; /* Content-Encoding, "" for none or identity */
  char retry_after[48];
  char request_id[64];
  char host_id[112];
  char region[48];    /* x-amz-bucket-region */
  char sum_value[64]; /* base64 */
} mst_reply;

void mst_reply_begin(mst_reply *r);
/* One line, with or without its line end. A status line starts anew: what came before belonged to an interim reply. */
void mst_reply_line(mst_reply *r, const char *line, size_t n);

#endif

/* store/checksum.h - the checksums that S3 takes and gives, in base64. Private to the store module. */
#ifndef MST_STORE_CHECKSUM_H
#define MST_STORE_CHECKSUM_H

#include "store/lib_crypto.h"
#include "store/reply.h"

enum { MST_SUM_TEXT_MAX = 48 };

/* Big-endian bytes in base64, as in the headers x-amz-checksum-…. */
mst_status mst_sum_make(const mst_crypto *lib, mst_sum_kind kind, const void *data, size_t n,
                        char out[MST_SUM_TEXT_MAX], mst_error *err);
/* MST_E_CORRUPT when the data does not have the checksum `expected`. */
mst_status mst_sum_check(const mst_crypto *lib, mst_sum_kind kind, const char *expected, const void *data, size_t n,
                         mst_error *err);
const char *mst_sum_header(mst_sum_kind kind); /* "x-amz-checksum-crc32" */
/* Content-MD5 in base64; MST_E_UNSUPPORTED where MD5 is forbidden. */
mst_status mst_md5_make(const mst_crypto *lib, const void *data, size_t n, char out[MST_SUM_TEXT_MAX], mst_error *err);

uint32_t mst_crc32c(const void *data, size_t n);
uint64_t mst_crc64nvme(const void *data, size_t n);

#endif

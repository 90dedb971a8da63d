/* meseta/bytes.h - immutable bytes that leave the library together with their owner, without a copy. */
#ifndef MESETA_BYTES_H
#define MESETA_BYTES_H

#include <meseta/status.h>

#ifdef __cplusplus
extern "C" {
#endif

/* `owner` holds one reference; release it once with mst_bytes_release. An empty value ({0}) is valid and owns nothing.
 * The bytes never change while a reference exists, and may be read from any thread. */
typedef struct mst_bytes {
  const uint8_t *data;
  size_t size;
  void *owner;
} mst_bytes;

/* Gives the reference back and empties `b`. NULL and empty values are fine. Thread-safe for different values. */
MST_API void mst_bytes_release(mst_bytes *b);
/* A second reference to the same bytes. */
MST_API mst_bytes mst_bytes_share(const mst_bytes *b);

/* Half-open [offset, offset + length) of member `member` of a source (0 for single objects). */
typedef struct mst_range {
  uint64_t offset;
  uint64_t length;
  uint32_t member;
  uint32_t reserved; /* zero */
} mst_range;

/* A setting as text; both borrowed for the call. */
typedef struct mst_pair {
  const char *key;
  const char *value;
} mst_pair;

#ifdef __cplusplus
}
#endif
#endif

/* codec/gzip.c - reads gzip heads byte by byte. Owns nothing. Calls codec/crc.h. */
#include "codec/gzip.h"

#include "codec/crc.h"

enum { STEP_FIXED, STEP_EXTRA_SIZE, STEP_EXTRA, STEP_NAME, STEP_COMMENT, STEP_CRC, STEP_DONE };

static mst_status check_fixed(const mst_gzip_head *h, mst_error *err) {
  const uint8_t *k = h->kept;
  const unsigned n = h->n_kept;
  if ((n >= 1 && k[0] != 0x1f) || (n >= 2 && k[1] != 0x8b))
    return mst_fail_at(err, MST_E_CORRUPT, 0, "no gzip magic (1f 8b) but %s", mst_gzip_looks_like(k, n));
  if (n >= 3 && k[2] != 8)
    return mst_fail_at(err, MST_E_CORRUPT, 2, "unknown compression method %u (gzip knows 8, DEFLATE, only)", k[2]);
  if (n >= 4 && (k[3] & 0xe0) != 0)
    return mst_fail_at(err, MST_E_CORRUPT, 3, "reserved flag bits are set (flags %02x)", k[3]);
  return MST_OK;
}

/* The next part of the head that its flags announce, from `step` on. */
static uint8_t step_from(const mst_gzip_head *h, uint8_t step) {
  static const uint8_t flag_of[] = {
      0, MST_GZIP_FEXTRA, MST_GZIP_FEXTRA, MST_GZIP_FNAME, MST_GZIP_FCOMMENT, MST_GZIP_FHCRC};
  while (step < STEP_DONE && (h->flags & flag_of[step]) == 0) step++;
  return step;
}

/* Takes n bytes into `kept`; false when the input ends before. */
static bool keep(mst_gzip_head *h, const uint8_t **in, const uint8_t *end, unsigned n) {
  while (h->n_kept < n && *in < end) h->kept[h->n_kept++] = *(*in)++;
  return h->n_kept == n;
}

/* Passes over text up to its NUL. */
static bool skip_text(const uint8_t **in, const uint8_t *end) {
  const uint8_t *nul = memchr(*in, 0, (size_t)(end - *in));
  *in = nul == NULL ? end : nul + 1;
  return nul != NULL;
}

/* One part of the head; `*whole` tells that it ended. */
static mst_status feed_part(mst_gzip_head *h, const uint8_t **in, const uint8_t *end, bool *whole, mst_error *err) {
  *whole = false;
  if (h->step == STEP_FIXED) {
    *whole = keep(h, in, end, 10);
    const mst_status status = check_fixed(h, err);
    if (status != MST_OK || !*whole) return status;
    h->flags = h->kept[3];
    h->mtime = mst_le32(h->kept + 4);
  } else if (h->step == STEP_EXTRA_SIZE) {
    *whole = keep(h, in, end, 2);
    if (*whole) h->left = mst_le16(h->kept);
  } else if (h->step == STEP_EXTRA) {
    const size_t n = mst_min_size(h->left, (size_t)(end - *in));
    *in += n;
    h->left -= (uint32_t)n;
    *whole = h->left == 0;
  } else if (h->step == STEP_NAME || h->step == STEP_COMMENT) {
    *whole = skip_text(in, end);
  } else {
    *whole = keep(h, in, end, 2);
    if (*whole && mst_le16(h->kept) != (h->crc & 0xffff))
      return mst_fail_at(err, MST_E_CORRUPT, h->size, "the head's check sum is %04x, its bytes give %04x",
                         mst_le16(h->kept), h->crc & 0xffff);
  }
  return MST_OK;
}

mst_status mst_gzip_head_feed(mst_gzip_head *h, const uint8_t **in, const uint8_t *end, mst_error *err) {
  while (!h->done && *in < end) {
    const uint8_t *from = *in;
    bool whole;
    const mst_status status = feed_part(h, in, end, &whole, err);
    if (status != MST_OK) return status;
    if (h->step != STEP_CRC) h->crc = mst_crc32(h->crc, from, (size_t)(*in - from));
    h->size += (uint64_t)(*in - from);
    if (!whole) continue;
    h->n_kept = 0;
    /* An empty FEXTRA has no bytes that could end its step. */
    h->step = step_from(h, (uint8_t)(h->step + (h->step == STEP_EXTRA_SIZE && h->left == 0 ? 2 : 1)));
    h->done = h->step == STEP_DONE;
  }
  return MST_OK;
}

const char *mst_gzip_looks_like(const uint8_t *head, size_t n) {
  static const struct {
    const char *name;
    uint8_t n, magic[6];
  } known[] = {
      {"zstd data", 4, {0x28, 0xb5, 0x2f, 0xfd}},    {"bzip2 data", 3, {'B', 'Z', 'h'}},
      {"xz data", 6, {0xfd, '7', 'z', 'X', 'Z', 0}}, {"a ZIP archive", 4, {'P', 'K', 3, 4}},
      {"LZ4 data", 4, {0x04, 0x22, 0x4d, 0x18}},
  };
  for (size_t i = 0; i < sizeof known / sizeof *known; i++)
    if (n >= known[i].n && memcmp(head, known[i].magic, known[i].n) == 0) return known[i].name;
  for (size_t i = 0; i < n; i++)
    if (head[i] < 0x20 && head[i] != '\t' && head[i] != '\n' && head[i] != '\r') return "other bytes";
  return n == 0 ? "nothing" : "plain text";
}

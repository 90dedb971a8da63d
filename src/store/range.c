/* store/range.c - the rules of ranged reads over HTTP. Owns nothing; writes into the operation's memory. Calls reply.h,
 * the pins of store.h, base. */
#include "store/range.h"

#include <stdio.h>

enum { DRAIN_MAX = 256 << 10 }; /* of a body that is longer than needed: less work than a new connection */

typedef unsigned long long ull;

/* Nanoseconds of years that they can tell; what lies outside is as good as unknown. */
static int64_t nanoseconds(int64_t us) {
  int64_t ns;
  return __builtin_mul_overflow(us, (int64_t)1000, &ns) ? 0 : ns;
}

void mst_pin_of_reply(const mst_reply *reply, uint64_t size, mst_pin *out) {
  *out = (mst_pin){.size = size, .modified_ns = nanoseconds(reply->modified_us)};
  memcpy(out->etag, reply->etag, sizeof out->etag);
  memcpy(out->version, reply->version, sizeof out->version);
}

static void place(mst_ranged *r, uint64_t total) {
  const mst_op *op = r->op;
  r->first = op->from_end ? total - mst_min_u64(op->size, total) : op->offset;
  r->want = r->first >= total ? 0 : mst_min_u64(op->size, total - r->first);
  r->placed = true;
}

void mst_ranged_begin(mst_ranged *r, mst_op *op, bool refuse_encoding) {
  *r = (mst_ranged){.op = op, .refuse_encoding = refuse_encoding};
  mst_ranged_restart(r);
}

void mst_ranged_restart(mst_ranged *r) {
  r->step = MST_RANGED_ASK;
  r->known = r->placed = r->enough = false;
  r->have = 0;
  /* With a pin the size is known, but what lies behind the end is asked for all the same: it may have changed. */
  if (!r->op->from_end) {
    r->first = r->op->offset;
    r->want = r->op->size;
    r->placed = true;
  } else if (r->op->pin != NULL && r->op->pin->size > 0) place(r, r->op->pin->size);
}

bool mst_ranged_ask(mst_ranged *r, char out[64]) {
  r->gained = r->skip = r->body_left = r->body_seen = 0;
  r->open_end = r->overlong = false;
  if (r->step == MST_RANGED_WHOLE) return false;
  if (r->step == MST_RANGED_PROBE) snprintf(out, 64, "bytes=0-0");
  else if (!r->placed) snprintf(out, 64, "bytes=-%llu", (ull)r->op->size);
  else {
    const ull from = r->first + r->have, last = r->first + r->want - 1;
    snprintf(out, 64, "bytes=%llu-%llu", from, last);
  }
  return true;
}

static const mst_pin *expected(const mst_ranged *r) {
  return r->op->pin != NULL ? r->op->pin : r->known ? &r->seen : NULL;
}

const char *mst_ranged_condition(const mst_ranged *r) {
  const mst_pin *pin = expected(r);
  return pin != NULL && mst_pin_etag_strong(pin) ? pin->etag : NULL;
}

bool mst_ranged_asks_whole(const mst_ranged *r) {
  const mst_op *op = r->op;
  return r->step == MST_RANGED_ASK && !op->from_end && op->offset == 0 &&
         (op->pin == NULL || op->pin->size <= op->size);
}

static mst_status check_version(mst_ranged *r, const mst_reply *reply, uint64_t size, mst_error *err) {
  const mst_pin *pin = expected(r);
  mst_status status = MST_OK;
  mst_pin seen;
  mst_pin_of_reply(reply, size, &seen);
  if (pin != NULL) status = mst_pin_check(pin, &seen, err);
  if (status == MST_OK) {
    r->seen = seen;
    r->known = true;
  }
  return status;
}

/* A server may compress what it sends although it was asked not to. Where the name itself says so (x.gz as gzip), the
 * bytes are the object's own. */
bool mst_encoding_is_own(const char *key, const char *encoding) {
  static const struct {
    const char *encoding, *ending;
  } own[] = {{"gzip", ".gz"},    {"gzip", ".bgz"},   {"gzip", ".tgz"},    {"x-gzip", ".gz"}, {"x-gzip", ".bgz"},
             {"x-gzip", ".tgz"}, {"gzip", ".bam"},   {"zstd", ".zst"},    {"br", ".br"},     {"x-bzip2", ".bz2"},
             {"bzip2", ".bz2"},  {"compress", ".Z"}, {"x-compress", ".Z"}};
  const size_t n = strcspn(key, "?");
  for (size_t i = 0; i < sizeof own / sizeof *own; i++) {
    const size_t n_ending = strlen(own[i].ending);
    if (mst_text_equal_nocase(encoding, own[i].encoding) && n >= n_ending &&
        strncasecmp(key + n - n_ending, own[i].ending, n_ending) == 0)
      return true;
  }
  return false;
}

static mst_status head_of_part(mst_ranged *r, const mst_reply *reply, mst_error *err) {
  uint64_t from = 0, last = 0;
  mst_status status;
  if (reply->is_multipart) return mst_fail(err, MST_E_IO, "one range was asked for and the reply holds several");
  if (reply->range == MST_RANGE_UNSATISFIED && reply->range_total == 0 && reply->length_known && reply->length == 0) {
    status = check_version(r, reply, 0, err);
    if (status == MST_OK) place(r, 0);
    r->enough = true;
    return status;
  }
  if (reply->range != MST_RANGE_GIVEN)
    return mst_fail(err, MST_E_IO, "HTTP 206 has %s Content-Range",
                    reply->range == MST_RANGE_ABSENT ? "no" : "no sound");
  if (!reply->range_total_known) return mst_fail(err, MST_E_UNSUPPORTED, "the server does not tell the object's size");
  status = check_version(r, reply, reply->range_total, err);
  if (status != MST_OK) return status;
  if (!r->placed) place(r, reply->range_total);
  if (r->step != MST_RANGED_PROBE) {
    from = r->first + r->have;
    last = mst_min_u64(r->first + r->want, reply->range_total);
    if (last > 0) last--;
  }
  if (reply->range_first != from || reply->range_last > last)
    return mst_fail(err, MST_E_IO,
                    "bytes %llu-%llu were asked for and the reply says Content-Range: bytes %llu-%llu/%llu", (ull)from,
                    (ull)last, (ull)reply->range_first, (ull)reply->range_last, (ull)reply->range_total);
  if (reply->length_known && reply->length != reply->range_last - reply->range_first + 1)
    return mst_fail(err, MST_E_IO, "the reply's length %llu does not fit its Content-Range: bytes %llu-%llu",
                    (ull)reply->length, (ull)reply->range_first, (ull)reply->range_last);
  if (r->step == MST_RANGED_ASK) r->want = mst_min_u64(r->want, reply->range_total - r->first);
  r->body_left = reply->range_last - reply->range_first + 1;
  return MST_OK;
}

/* 200: the range was ignored. Allowed by the rules of HTTP, and cheap near the object's beginning. */
static mst_status head_of_whole(mst_ranged *r, const mst_reply *reply, mst_error *err) {
  const uint64_t total = reply->length_known ? reply->length : r->op->pin != NULL ? r->op->pin->size : UINT64_MAX;
  mst_status status;
  if (!reply->length_known && r->op->pin == NULL && (r->op->from_end || !reply->chunked))
    return mst_fail(err, MST_E_UNSUPPORTED,
                    "the server ignores ranges and does not tell the object's size, so that a cut reply would pass for "
                    "a whole one");
  status = check_version(r, reply, total, err);
  if (status != MST_OK) return status;
  if (r->step != MST_RANGED_ASK) {
    /* It was behind the end or empty; now there is something: begin again. */
    if (reply->length_known && total == 0) return place(r, 0), MST_OK;
    mst_ranged_restart(r);
    return mst_fail(err, MST_E_IO, "the object changed between two requests");
  }
  if (reply->length_known || r->op->pin != NULL) place(r, total);
  if (r->want > 0 && r->first + r->have > MST_SKIP_MAX)
    return mst_fail(err, MST_E_UNSUPPORTED,
                    "the server ignores ranges: reading at offset %llu would fetch all that lies before it",
                    (ull)r->first);
  r->open_end = !reply->length_known;
  r->skip = r->first + r->have;
  r->body_left = total;
  r->enough = r->have >= r->want;
  return MST_OK;
}

mst_status mst_ranged_head(mst_ranged *r, const mst_reply *reply, mst_error *err) {
  if (r->refuse_encoding && reply->encoding[0] != '\0' && !mst_encoding_is_own(r->op->key, reply->encoding))
    return mst_fail(err, MST_E_UNSUPPORTED,
                    "the server compresses the object on its way (Content-Encoding: %s) although it was asked not to",
                    reply->encoding);
  return reply->status == 206 ? head_of_part(r, reply, err) : head_of_whole(r, reply, err);
}

bool mst_ranged_take(mst_ranged *r, const void *data, size_t n) {
  const uint8_t *from = data;
  uint64_t take;
  if (!r->open_end) {
    if (n > r->body_left) {
      r->overlong = true;
      return false;
    }
    r->body_left -= n;
  }
  r->body_seen += n;
  if (r->step != MST_RANGED_ASK) return true;
  if (r->skip > 0) {
    const size_t skipped = (size_t)mst_min_u64(r->skip, n);
    r->skip -= skipped;
    from += skipped;
    n -= skipped;
  }
  take = mst_min_u64(n, r->want - r->have);
  if (take > 0) memcpy(r->op->into + r->have, from, (size_t)take);
  r->have += take;
  r->gained += take;
  r->enough = r->have == r->want;
  if (!r->enough) return true;
  /* Where nothing tells the size, the end does, if it is not far. */
  if (r->open_end) return r->op->pin == NULL && r->body_seen - (r->first + r->have) <= MST_SKIP_MAX;
  return r->body_left <= DRAIN_MAX;
}

mst_ranged_state mst_ranged_end(mst_ranged *r) {
  if (r->step != MST_RANGED_ASK) {
    r->have = 0;
    return MST_RANGED_DONE;
  }
  if (r->open_end) {
    /* Only now it is known how long the object is. */
    r->seen.size = r->body_seen;
    place(r, r->body_seen);
    r->have = mst_min_u64(r->have, r->want);
  }
  r->enough = r->have >= r->want;
  return r->enough ? MST_RANGED_DONE : MST_RANGED_MORE;
}

mst_status mst_ranged_unsatisfied(mst_ranged *r, const mst_reply *reply, bool *again, mst_error *err) {
  const mst_op *op = r->op;
  const bool told = reply->range == MST_RANGE_UNSATISFIED;
  *again = false;
  if (op->pin != NULL) {
    if (told && reply->range_total != op->pin->size)
      return mst_fail(err, MST_E_CHANGED, "the object changed: its size was %llu and is now %llu", (ull)op->pin->size,
                      (ull)reply->range_total);
    if (op->pin->size > 0 && (op->from_end || op->offset < op->pin->size))
      return mst_fail(err, MST_E_IO, "HTTP 416 for a range inside the object of %llu bytes", (ull)op->pin->size);
    r->seen = *op->pin;
    r->want = r->have = 0;
    return MST_OK;
  }
  if (r->step == MST_RANGED_WHOLE || r->known)
    return mst_fail(err, MST_E_IO, "HTTP 416 for a range that was inside the object before");
  *again = true;
  r->step = r->step == MST_RANGED_PROBE || (told && reply->range_total == 0) || op->from_end || op->offset == 0
                ? MST_RANGED_WHOLE
                : MST_RANGED_PROBE;
  return MST_OK;
}

void mst_ranged_break(mst_ranged *r) {
  const mst_pin *pin = expected(r);
  /* Without a version that both replies tell, the next one cannot be known to go on where this one broke. */
  if (pin == NULL || r->open_end || (!mst_pin_etag_strong(pin) && pin->version[0] == '\0' && pin->modified_ns == 0))
    mst_ranged_restart(r);
  r->enough = false;
}

mst_status mst_ranged_finish(mst_ranged *r, mst_error *err) {
  mst_op *op = r->op;
  if (r->step == MST_RANGED_PROBE && op->offset < r->seen.size)
    return mst_fail(err, MST_E_IO, "HTTP 416 for a range inside the object of %llu bytes", (ull)r->seen.size);
  if (r->seen.size == UINT64_MAX)
    return mst_fail(err, MST_E_UNSUPPORTED, "the server ignores ranges and does not tell the object's size");
  op->got = r->have;
  op->info = r->seen;
  if (op->pin != NULL && r->seen.size != op->pin->size) return mst_pin_check(op->pin, &r->seen, err);
  if (!op->exact || op->got == op->size) return MST_OK;
  return mst_fail_at(err, op->pin != NULL ? MST_E_CHANGED : MST_E_CORRUPT, op->offset,
                     "%llu bytes were to be read and the object of %llu bytes has only %llu there", (ull)op->size,
                     (ull)r->seen.size, (ull)op->got);
}

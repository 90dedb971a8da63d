/* tests/format/scan_check.c - see scan_check.h. */
#include "scan_check.h"

#include <string.h>

uint64_t scan_random(uint64_t *rng) {
  *rng ^= *rng << 13;
  *rng ^= *rng >> 7;
  *rng ^= *rng << 17;
  return *rng;
}

static const mst_scan_stop never = {.record = UINT64_MAX, .offset = UINT64_MAX};

static mst_scanner *open_scanner(const scan_case *c, unsigned state) {
  mst_scanner *s = NULL;
  mst_error err = {0};
  if (c->ops->open(NULL, c->dialect, state, c->unit, &s, &err) != MST_OK) fail_msg("open: %s", err.message);
  return s;
}

/* Feeds a copy that ends where the bytes end, so that a sanitizer sees a read behind them. */
static mst_status feed_copy(const scan_case *c, mst_scanner *s, const uint8_t *data, size_t n,
                            const mst_scan_stop *stop, size_t *used, bool *stopped, mst_error *err) {
  uint8_t *copy = malloc(n > 0 ? n : 1);
  mst_status status;
  assert_non_null(copy);
  memcpy(copy, data, n);
  status = c->ops->feed(s, copy, n, stop, used, stopped, err);
  free(copy);
  return status;
}

static void take_extra(const scan_case *c, mst_scanner *s, scan_result *out) {
  mst_buf extra;
  if (c->ops->take_extra == NULL) return;
  mst_buf_init(&extra, NULL, SIZE_MAX / 4);
  assert_int_equal(c->ops->take_extra(s, &extra, NULL), MST_OK);
  out->no_extra = extra.size > sizeof out->extra;
  out->extra_size = out->no_extra ? 0 : extra.size;
  if (out->extra_size > 0) memcpy(out->extra, extra.data, extra.size);
  mst_buf_free(&extra);
}

void scan_bytes(const scan_case *c, unsigned state, const uint8_t *data, size_t n, size_t chunk, bool last,
                scan_result *out) {
  mst_scanner *s = open_scanner(c, state);
  size_t at = 0;
  memset(out, 0, sizeof *out);
  assert_non_null(s);
  while (at < n && out->status == MST_OK) {
    const size_t size = chunk == 0 || n - at < chunk ? n - at : chunk;
    size_t used = 0;
    bool stopped = false;
    out->status = feed_copy(c, s, data + at, size, &never, &used, &stopped, &out->err);
    if (out->status != MST_OK) break;
    assert_false(stopped);
    assert_int_equal(used, size);
    at += size;
  }
  if (out->status == MST_OK && last) out->status = c->ops->end(s, &out->err);
  out->state = c->ops->state(s);
  out->records = c->ops->records(s);
  if (out->status == MST_OK) take_extra(c, s, out);
  c->ops->close(s);
}

/* left = left ++ right */
static void join(const scan_case *c, scan_result *left, uint64_t left_bytes, const scan_result *right) {
  const mst_bytes l = mst_bytes_borrow(left->extra, left->extra_size),
                  r = mst_bytes_borrow(right->extra, right->extra_size);
  mst_buf out;
  left->no_extra = left->no_extra || right->no_extra;
  if (c->ops->join_extra != NULL && !left->no_extra) {
    mst_buf_init(&out, NULL, SIZE_MAX / 4);
    assert_int_equal(c->ops->join_extra(&l, left_bytes, left->records, &r, &out, NULL), MST_OK);
    left->no_extra = out.size > sizeof left->extra;
    left->extra_size = left->no_extra ? 0 : out.size;
    if (left->extra_size > 0) memcpy(left->extra, out.data, out.size);
    mst_buf_free(&out);
  }
  left->records += right->records;
  left->state = right->state;
}

void scan_pieces(const scan_case *c, const uint8_t *data, size_t n, const size_t *cuts, size_t n_cuts, bool from_left,
                 scan_result *out) {
  scan_result *parts = calloc(n_cuts + 1, sizeof *parts);
  unsigned state = 0;
  assert_non_null(parts);
  memset(out, 0, sizeof *out);
  for (size_t i = 0; i <= n_cuts && out->status == MST_OK; i++) {
    const size_t begin = i == 0 ? 0 : cuts[i - 1], end = i == n_cuts ? n : cuts[i];
    scan_bytes(c, state, data + begin, end - begin, 0, i == n_cuts, &parts[i]);
    out->status = parts[i].status;
    out->err = parts[i].err;
    if (out->err.offset >= 0) out->err.offset += (int64_t)begin;
    state = parts[i].state;
  }
  if (out->status != MST_OK) goto done;
  if (from_left) {
    *out = parts[0];
    for (size_t i = 1; i <= n_cuts; i++) join(c, out, cuts[i - 1], &parts[i]);
  } else {
    for (size_t i = n_cuts; i-- > 0;) join(c, &parts[i], cuts[i] - (i == 0 ? 0 : cuts[i - 1]), &parts[i + 1]);
    *out = parts[0];
  }
done:
  free(parts);
}

static bool same_extra(const scan_case *c, const scan_result *a, const scan_result *b) {
  const mst_bytes x = mst_bytes_borrow(a->extra, a->extra_size), y = mst_bytes_borrow(b->extra, b->extra_size);
  if (a->no_extra || b->no_extra) return true;
  if (c->same_extra != NULL) return c->same_extra(&x, &y);
  return x.size == y.size && (x.size == 0 || memcmp(x.data, y.data, x.size) == 0);
}

static void same(const scan_case *c, const scan_result *a, const scan_result *b, const char *what, size_t where) {
  if (a->status != b->status)
    fail_msg("%s (%zu): %s \"%s\" and %s \"%s\"", what, where, mst_status_name(a->status), a->err.message,
             mst_status_name(b->status), b->err.message);
  if (a->status != MST_OK) return;
  if (a->state != b->state || a->records != b->records)
    fail_msg("%s (%zu): state %u and %u, records %llu and %llu", what, where, a->state, b->state,
             (unsigned long long)a->records, (unsigned long long)b->records);
  if (!same_extra(c, a, b)) fail_msg("%s (%zu): the extras differ", what, where);
}

/* Looks for a stop in data[from, n) with a scanner in `state`; n when there is none. */
static size_t find_stop(const scan_case *c, unsigned state, const uint8_t *data, size_t n, size_t chunk,
                        const mst_scan_stop *stop, scan_result *end) {
  mst_scanner *s = open_scanner(c, state);
  size_t at = 0, used = 0;
  bool stopped = false;
  mst_status status = MST_OK;
  assert_non_null(s);
  while (at < n && !stopped && status == MST_OK) {
    const size_t size = chunk == 0 || n - at < chunk ? n - at : chunk;
    status = feed_copy(c, s, data + at, size, stop, &used, &stopped, &end->err);
    if (status != MST_OK) break;
    assert_true(used <= size && (stopped ? used < size : used == size));
    at += used;
    if (stopped) { /* asked again it stays where it is */
      assert_int_equal(feed_copy(c, s, data + at, n - at, stop, &used, &stopped, NULL), MST_OK);
      assert_true(stopped && used == 0);
    }
  }
  end->status = status;
  end->state = c->ops->state(s);
  end->records = c->ops->records(s);
  if (status == MST_OK) take_extra(c, s, end);
  c->ops->close(s);
  return stopped ? at : n;
}

/* Behind a safe start a fresh scanner finds what one from the beginning finds. */
static void check_safe_start(const scan_case *c, const uint8_t *data, size_t n, size_t from, size_t chunk,
                             const scan_result *whole) {
  const mst_scan_stop stop = {.safe = true, .record = UINT64_MAX, .offset = UINT64_MAX};
  scan_result left, middle = {0}, right;
  size_t safe;
  scan_bytes(c, 0, data, from, 0, false, &left);
  if (left.status != MST_OK) return;
  safe = from + find_stop(c, left.state, data + from, n - from, chunk, &stop, &middle);
  if (middle.status != MST_OK || safe == n) return;
  join(c, &left, from, &middle);
  scan_bytes(c, c->ops->safe_state, data + safe, n - safe, chunk, true, &right);
  if (right.status != MST_OK || whole->status != MST_OK) {
    assert_int_equal(right.status, whole->status);
    return;
  }
  join(c, &left, safe, &right);
  same(c, whole, &left, "begun at the safe start", safe);
}

void scan_check(const scan_case *c, const uint8_t *data, size_t n, unsigned rounds, uint64_t *rng) {
  scan_result whole, other;
  scan_bytes(c, 0, data, n, 0, true, &whole);
  for (size_t chunk = 1; chunk < 5 && chunk <= n; chunk++) {
    scan_bytes(c, 0, data, n, chunk, true, &other);
    same(c, &whole, &other, "fed in small runs", chunk);
    if (whole.status != MST_OK) assert_int_equal(whole.err.offset, other.err.offset);
  }
  for (unsigned i = 0; i < rounds && n > 0; i++) {
    size_t cuts[3];
    cuts[0] = scan_random(rng) % n;
    cuts[1] = cuts[0] + scan_random(rng) % (n - cuts[0]);
    cuts[2] = i % 2 == 0 && cuts[1] + 1 < n ? cuts[1] + 1 : cuts[1] + scan_random(rng) % (n - cuts[1]);
    scan_bytes(c, 0, data, n, 1 + scan_random(rng) % 100, true, &other);
    same(c, &whole, &other, "fed in runs", i);
    for (int left = 0; left < 2 && whole.status == MST_OK; left++) {
      scan_pieces(c, data, n, cuts, 3, left == 0, &other);
      same(c, &whole, &other, "in pieces", cuts[0]);
    }
    check_safe_start(c, data, n, cuts[1], scan_random(rng) % 9, &whole);
  }
}

size_t scan_starts(const scan_case *c, const uint8_t *data, size_t n, uint64_t *starts, size_t max) {
  size_t count = 0;
  for (; count < max; count++) {
    const mst_scan_stop stop = {.record = count, .offset = UINT64_MAX};
    scan_result end = {0};
    const size_t place = find_stop(c, 0, data, n, 0, &stop, &end);
    assert_int_equal(end.status, MST_OK);
    if (place == n) break;
    assert_int_equal(end.records, count);
    starts[count] = place;
  }
  return count;
}

size_t scan_cut(const scan_case *c, const uint8_t *data, size_t n, uint64_t offset) {
  const mst_scan_stop stop = {.record = UINT64_MAX, .offset = offset};
  scan_result end = {0};
  const size_t place = find_stop(c, 0, data, n, 7, &stop, &end);
  assert_int_equal(end.status, MST_OK);
  return place;
}

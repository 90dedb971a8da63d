/* tests/format/exact.c - see exact.h. */
#include "format/exact.h"

#include <stdio.h>
#include <stdlib.h>

enum { BYTE_BY_BYTE_MAX = 20000 };

void exact_add(exact *e, uint64_t start) {
  if ((e->n & (e->n + 1)) == 0) {
    e->starts = realloc(e->starts, (2 * e->n + 2) * sizeof *e->starts);
    assert_non_null(e->starts);
  }
  e->starts[e->n++] = start;
}

void exact_free(exact *e) {
  free(e->starts);
  e->starts = NULL;
  e->n = 0;
}

uint64_t exact_random(uint64_t *state) {
  uint64_t x = *state += 0x9E3779B97F4A7C15u;
  x = (x ^ x >> 30) * 0xBF58476D1CE4E5B9u;
  x = (x ^ x >> 27) * 0x94D049BB133111EBu;
  return x ^ x >> 31;
}

void exact_ok(mst_status status, const mst_error *err) {
  if (status != MST_OK) fail_msg("%s (%s, offset %lld)", err->message, mst_status_name(status), (long long)err->offset);
}

/* ---- plans ----------------------------------------------------------------------------------------------------- */

/* Records that begin in front of a plain offset. */
static uint64_t records_before(const exact *e, uint64_t plain) {
  size_t low = 0, high = e->n;
  while (low < high) {
    const size_t middle = low + (high - low) / 2;
    if (e->starts[middle] < plain) low = middle + 1;
    else high = middle;
  }
  return low;
}

static bool is_start(const exact *e, uint64_t plain) {
  const uint64_t i = records_before(e, plain);
  return i < e->n && e->starts[i] == plain;
}

static void check_part_json(const json_t *part) {
  char *text = json_dumps(part, JSON_COMPACT);
  assert_true(strlen(text) <= 700);
  free(text);
}

/* The slice with its header in front, where it does not begin with it anyway. */
static void check_header(drive *d, const exact *e, const json_t *part, uint64_t begin, const uint8_t *content,
                         size_t n) {
  const mst_read_query query = {.as = MST_READ_RAW, .header = true};
  const size_t header = begin == 0 ? 0 : e->header;
  mst_error err = {0};
  mst_buf out;
  mst_buf_init(&out, NULL, SIZE_MAX / 2);
  exact_ok(drive_read(d, part, &query, &out, &err), &err);
  assert_int_equal(out.size, header + n);
  assert_memory_equal(out.data, e->plain, header);
  assert_memory_equal(out.data + header, content, n);
  mst_buf_free(&out);
}

static void check_count(const exact *e, const mst_plan_query *q, const drive_plan *plan) {
  if (e->size == 0) assert_int_equal(plan->n, 0);
  else assert_true(plan->n >= 1);
  if (q->slices > 0) assert_true(plan->n <= q->slices);
  if (q->slices > 0 && e->n > 0) assert_true(plan->n <= e->n || e->n == 0);
  if (q->slice_records > 0 && e->n > 0) assert_int_equal(plan->n, (e->n + q->slice_records - 1) / q->slice_records);
}

void exact_check_plan(drive *d, const exact *e, const mst_plan_query *query) {
  drive_plan plan = {0};
  mst_error err = {0};
  mst_buf all;
  mst_buf_init(&all, NULL, SIZE_MAX / 2);
  exact_ok(drive_make_plan(d, query, &plan, &err), &err);
  check_count(e, query, &plan);
  for (size_t i = 0; i < plan.n; i++) {
    const uint64_t begin = all.size;
    uint64_t records;
    check_part_json(plan.parts[i].json);
    exact_ok(drive_read(d, plan.parts[i].json, NULL, &all, &err), &err);
    records = records_before(e, all.size) - records_before(e, begin);
    if (all.size <= begin) {
      char *text = json_dumps(plan.parts[i].json, 0);
      fail_msg("slice %zu of %zu of %s is empty: %s", i, plan.n, d->name, text);
    }
    if (i > 0) assert_true(is_start(e, begin));
    assert_int_equal(plan.parts[i].records, records);
    if (plan.parts[i].bytes != UINT64_MAX) assert_int_equal(plan.parts[i].bytes, all.size - begin);
    if (query->slice_records > 0 && i + 1 < plan.n) assert_int_equal(records, query->slice_records);
    if (e->header > 0 || i == 0) check_header(d, e, plan.parts[i].json, begin, all.data + begin, all.size - begin);
  }
  assert_int_equal(all.size, e->size);
  if (e->size > 0) assert_memory_equal(all.data, e->plain, e->size);
  mst_buf_free(&all);
  drive_plan_free(d, &plan);
}

static void check_all(drive *d, const exact *e) {
  json_t *part = json_pack("{s:s}", "kind", "all");
  mst_error err = {0};
  mst_buf all;
  mst_buf_init(&all, NULL, SIZE_MAX / 2);
  exact_ok(drive_read(d, part, NULL, &all, &err), &err);
  assert_int_equal(all.size, e->size);
  if (e->size > 0) assert_memory_equal(all.data, e->plain, e->size);
  mst_buf_free(&all);
  json_decref(part);
}

/* The same slices, given one byte at a time. */
static void check_byte_by_byte(drive *d, const exact *e) {
  if (d->size >= BYTE_BY_BYTE_MAX) return;
  d->grain = 1;
  exact_check_plan(d, e, &(mst_plan_query){.slices = 3});
  d->grain = 0;
}

void exact_check(drive *d, const exact *e) {
  const uint64_t ns[] = {1, 2, 3, 7, 50, e->n + 3};
  const uint64_t ks[] = {1, 2, 7, e->n / 3 + 1, e->n + 1};
  assert_int_equal(json_integer_value(json_object_get(d->facts, "records")), e->n);
  assert_int_equal(json_integer_value(json_object_get(d->facts, "plain_bytes")), e->size);
  check_all(d, e);
  for (size_t i = 0; i < sizeof ns / sizeof *ns; i++) {
    const mst_plan_query by_number = {.slices = ns[i]}, by_size = {.slice_bytes = e->size / ns[i] + 1};
    if (ns[i] > 200) continue;
    exact_check_plan(d, e, &by_number);
    exact_check_plan(d, e, &by_size);
  }
  for (size_t i = 0; i < sizeof ks / sizeof *ks; i++) {
    const mst_plan_query by_records = {.slice_records = ks[i]};
    if (e->n / ks[i] <= 300) exact_check_plan(d, e, &by_records);
  }
  exact_check_plan(d, e, &(mst_plan_query){0});
  check_byte_by_byte(d, e);
}

/* ---- cuts ------------------------------------------------------------------------------------------------------ */

static void index_with_cuts(drive *d, uint64_t *seed, mst_buf *out) {
  const bool pieces = json_is_true(json_object_get(d->facts, "pieces"));
  const size_t n = pieces && d->size > 1 ? (size_t)(exact_random(seed) % mst_min_u64(d->size, 9)) : 0;
  drive_list partials = {0};
  uint64_t begin = 0;
  mst_error err = {0};
  for (size_t i = 0; i <= n; i++) {
    /* Each border lies in what is left, with room for the borders behind it. */
    const uint64_t left = d->size - begin - (n - i);
    const uint64_t end = i < n ? begin + 1 + exact_random(seed) % mst_max_u64(left, 1) : d->size;
    d->grain = exact_random(seed) % 3 == 0 ? 1 + exact_random(seed) % 5000 : 0;
    exact_ok(drive_scan(d, begin, mst_min_u64(end, d->size - (n - i)), &partials, &err), &err);
    begin = mst_min_u64(end, d->size - (n - i));
  }
  for (uint64_t merges = partials.n > 1 ? exact_random(seed) % partials.n : 0; merges > 0; merges--)
    exact_ok(drive_merge(d, &partials, (size_t)(exact_random(seed) % (partials.n - 1)), &err), &err);
  exact_ok(drive_collect(d, &partials, &err), &err);
  exact_ok(drive_index_bytes(d, out, &err), &err);
  drive_list_free(d, &partials);
  d->grain = 0;
}

void exact_check_cuts(drive *d, uint64_t seed, int rounds) {
  mst_error err = {0};
  mst_buf first, other;
  mst_buf_init(&first, NULL, SIZE_MAX / 2);
  mst_buf_init(&other, NULL, SIZE_MAX / 2);
  exact_ok(drive_inspect(d, &err), &err);
  exact_ok(drive_index(d, NULL, 0, &err), &err);
  exact_ok(drive_index_bytes(d, &first, &err), &err);
  rounds = exact_rounds(rounds);
  for (int i = 0; i < rounds; i++) {
    exact_ok(drive_inspect(d, &err), &err);
    mst_buf_clear(&other);
    if (i == 0 && d->size < BYTE_BY_BYTE_MAX) {
      d->grain = 1;
      exact_ok(drive_index(d, NULL, 0, &err), &err);
      exact_ok(drive_index_bytes(d, &other, &err), &err);
      d->grain = 0;
    } else {
      index_with_cuts(d, &seed, &other);
    }
    assert_int_equal(other.size, first.size);
    assert_memory_equal(other.data, first.data, first.size);
  }
  mst_buf_free(&first);
  mst_buf_free(&other);
}

/* ---- faults ---------------------------------------------------------------------------------------------------- */

static mst_status whole_life(drive *d, mst_error *err) {
  mst_status status = MST_OK;
  const bool pieces = json_is_true(json_object_get(d->facts, "pieces")) && d->size > 2;
  const uint64_t borders[] = {d->size / 2};
  const mst_plan_query query = {.slices = 3};
  drive_list partials = {0};
  drive_plan plan = {0};
  mst_buf out;
  mst_buf_init(&out, d->mem, SIZE_MAX / 2);
  json_decref(d->facts);
  d->facts = NULL;
  MST_TRY(drive_inspect(d, err));
  MST_TRY(drive_scan(d, 0, pieces ? borders[0] : d->size, &partials, err));
  if (pieces) MST_TRY(drive_scan(d, borders[0], d->size, &partials, err));
  while (partials.n > 1) MST_TRY(drive_merge(d, &partials, 0, err));
  MST_TRY(drive_collect(d, &partials, err));
  MST_TRY(drive_make_plan(d, &query, &plan, err));
  for (size_t i = 0; i < plan.n; i++) MST_TRY(drive_read(d, plan.parts[i].json, NULL, &out, err));
done:
  drive_list_free(d, &partials);
  drive_plan_free(d, &plan);
  mst_buf_free(&out);
  return status;
}

void exact_check_memory(drive *d) {
  for (int persistent = 0; persistent < 2; persistent++)
    for (long n = 1;; n++) {
      mst_test_allocator a;
      mst_error err = {0};
      mst_status status;
      drive copy = *d;
      drive_init(&copy, &a.allocator, d->format, d->name, d->data, d->size);
      copy.spacing = d->spacing;
      copy.options = d->options;
      copy.recover = d->recover;
      copy.facts = json_incref(d->facts);
      mst_test_allocator_init(&a, n, persistent != 0);
      status = whole_life(&copy, &err);
      drive_free(&copy);
      assert_int_equal(a.live_blocks, 0);
      if (!a.failed) {
        exact_ok(status, &err);
        break;
      }
      if (status != MST_E_NO_MEMORY && status != MST_OK) fail_msg("allocation %ld: %s", n, err.message);
    }
}

void exact_check_damage(drive *d, uint8_t *data, uint64_t at, uint64_t n) {
  const mst_plan_query query = {.slices = n};
  drive_plan plan = {0};
  mst_error err = {0};
  mst_buf before, after;
  mst_buf_init(&before, NULL, SIZE_MAX / 2);
  mst_buf_init(&after, NULL, SIZE_MAX / 2);
  exact_ok(drive_make_plan(d, &query, &plan, &err), &err);
  for (size_t i = 0; i < plan.n; i++) {
    mst_buf_clear(&before);
    mst_buf_clear(&after);
    exact_ok(drive_read(d, plan.parts[i].json, NULL, &before, &err), &err);
    data[at] ^= 0x10;
    const mst_status status = drive_read(d, plan.parts[i].json, NULL, &after, &err);
    data[at] ^= 0x10;
    if (status == MST_OK) {
      assert_int_equal(after.size, before.size);
      assert_memory_equal(after.data, before.data, before.size);
    }
  }
  mst_buf_free(&before);
  mst_buf_free(&after);
  drive_plan_free(d, &plan);
}

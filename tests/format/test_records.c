/* tests/format/test_records.c - what the generic record machinery promises whatever the format: bounds of what is read,
 * limits, damage, failing memory, hostile partials and parts. Text stands for all formats. */
#include "codec/codec.h"
#include "format/exact.h"
#include "format/records.h"
#include "format/wrap.h"

#include <stdio.h>
#include <stdlib.h>

/* Lines of 1 to `longest` bytes. */
static uint8_t *make_lines(uint64_t seed, size_t n, size_t longest, exact *e) {
  uint8_t *text = malloc(n + 1);
  size_t left = 0;
  assert_non_null(text);
  *e = (exact){.plain = text, .size = n};
  for (size_t i = 0; i < n; i++) {
    if (i == 0 || text[i - 1] == '\n') {
      exact_add(e, i);
      left = (size_t)(exact_random(&seed) % longest);
    }
    text[i] = left-- == 0 ? '\n' : (uint8_t)('a' + exact_random(&seed) % 7);
  }
  return text;
}

static void open_index(drive *d, const char *name, const void *data, size_t n, uint64_t spacing) {
  mst_error err = {0};
  drive_init(d, NULL, &mst_format_text, name, data, n);
  d->spacing = spacing;
  exact_ok(drive_index(d, NULL, 0, &err), &err);
}

/* ---- cost ----------------------------------------------------------------------------------------------------------
 */

/* A slice costs the bytes it holds and at most one span, and few requests. */
static void slices_cost_what_they_hold(void **state) {
  enum { SIZE = 1 << 20, SPACING = 16 << 10 };
  const uint64_t ns[] = {1, 2, 3, 7, 50, 200};
  exact e;
  uint8_t *text = make_lines(5, SIZE, 120, &e);
  drive d;
  (void)state;
  open_index(&d, "cost", text, SIZE, SPACING);
  for (size_t k = 0; k < sizeof ns / sizeof *ns; k++) {
    drive_plan plan = {0};
    mst_error err = {0};
    exact_ok(drive_make_plan(&d, &(mst_plan_query){.slices = ns[k]}, &plan, &err), &err);
    for (size_t i = 0; i < plan.n; i++) {
      mst_buf out;
      mst_buf_init(&out, NULL, SIZE_MAX / 2);
      drive_count_anew(&d);
      exact_ok(drive_read(&d, plan.parts[i].json, NULL, &out, &err), &err);
      if (d.bytes_given > out.size + SPACING + 200) {
        char *text_of = json_dumps(plan.parts[i].json, 0);
        fail_msg("slice %zu of %zu: %llu bytes for %zu: %s", i, plan.n, (unsigned long long)d.bytes_given, out.size,
                 text_of);
      }
      assert_true(d.needs <= 2);
      assert_int_equal(d.bytes_index, 0);
      mst_buf_free(&out);
    }
    drive_plan_free(&d, &plan);
  }
  drive_free(&d);
  exact_free(&e);
  free(text);
}

/* A plan asks only for row groups in which borders fall. */
static void plans_read_few_rows(void **state) {
  enum { SIZE = 1 << 20 };
  exact e;
  uint8_t *text = make_lines(6, SIZE, 9, &e);
  drive d;
  drive_plan plan = {0};
  mst_error err = {0};
  (void)state;
  open_index(&d, "rows", text, SIZE, 64);
  assert_true(d.n_groups >= 20);
  drive_count_anew(&d);
  exact_ok(drive_make_plan(&d, &(mst_plan_query){.slices = 3}, &plan, &err), &err);
  assert_int_equal(plan.n, 3);
  assert_true(d.row_groups <= 5);
  assert_int_equal(d.bytes_given, 0);
  drive_plan_free(&d, &plan);
  drive_free(&d);
  exact_free(&e);
  free(text);
}

/* Slices by number differ little in size. */
static void slices_are_balanced(void **state) {
  enum { SIZE = 300000 };
  exact e;
  uint8_t *text = make_lines(7, SIZE, 50, &e);
  drive d;
  (void)state;
  open_index(&d, "balance", text, SIZE, 4000);
  for (uint64_t n = 2; n < 60; n += 9) {
    drive_plan plan = {0};
    mst_error err = {0};
    exact_ok(drive_make_plan(&d, &(mst_plan_query){.slices = n}, &plan, &err), &err);
    assert_int_equal(plan.n, n);
    for (size_t i = 0; i < plan.n; i++) {
      mst_buf out;
      mst_buf_init(&out, NULL, SIZE_MAX / 2);
      exact_ok(drive_read(&d, plan.parts[i].json, NULL, &out, &err), &err);
      assert_in_range(out.size, SIZE / n / 2, SIZE / n * 3 / 2 + 100);
      mst_buf_free(&out);
    }
    drive_plan_free(&d, &plan);
  }
  drive_free(&d);
  exact_free(&e);
  free(text);
}

/* The scan of a long object gives partials as it goes, so that it needs not hold them. */
static void long_scans_give_many_partials(void **state) {
  enum { SIZE = 1 << 20 };
  exact e;
  uint8_t *text = make_lines(8, SIZE, 30, &e);
  drive d;
  drive_list partials = {0};
  mst_error err = {0};
  (void)state;
  drive_init(&d, NULL, &mst_format_text, "long", text, SIZE);
  d.spacing = 100;
  exact_ok(drive_inspect(&d, &err), &err);
  exact_ok(drive_scan(&d, 0, SIZE, &partials, &err), &err);
  assert_true(partials.n > 20);
  for (size_t i = 0; i < partials.n; i++) assert_true(partials.items[i].size < 64 << 10);
  exact_ok(drive_collect(&d, &partials, &err), &err);
  assert_int_equal(json_integer_value(json_object_get(d.facts, "records")), e.n);
  drive_list_free(&d, &partials);
  exact_check_cuts(&d, 77, 6);
  drive_free(&d);
  exact_free(&e);
  free(text);
}

static void giant_records_are_limited(void **state) {
  enum { SIZE = 200000 };
  const uint64_t borders[] = {70000, 130000};
  uint8_t *text = malloc(SIZE);
  drive d;
  mst_error err = {0};
  (void)state;
  assert_non_null(text);
  memset(text, 'x', SIZE);
  text[10] = '\n';
  drive_init(&d, NULL, &mst_format_text, "giant", text, SIZE);
  d.spacing = 1000;
  d.record_max = 100000;
  assert_int_equal(drive_index(&d, NULL, 0, &err), MST_E_LIMIT);
  assert_string_equal(err.object, "giant");
  assert_int_equal(drive_index(&d, borders, 2, &err), MST_E_LIMIT);
  d.record_max = 200000;
  exact_ok(drive_index(&d, borders, 2, &err), &err);
  drive_free(&d);
  free(text);
}

/* ---- damage
 * ---------------------------------------------------------------------------------------------------------- */

/* A byte that changed after indexing is an error or does not matter, whatever the pins say. */
static void changed_bytes_are_found(void **state) {
  enum { SIZE = 30000 };
  exact e;
  uint8_t *text = make_lines(9, SIZE, 40, &e);
  uint64_t seed = 10;
  (void)state;
  for (wrap_kind kind = 0; kind < WRAP_KINDS; kind++) {
    size_t size;
    uint8_t *data = wrap(kind, text, SIZE, 700, &size);
    drive d;
    open_index(&d, wrap_name(kind), data, size, 2000);
    for (int i = 0; i < 40; i++) {
      exact_check_damage(&d, data, exact_random(&seed) % size, 1);
      exact_check_damage(&d, data, exact_random(&seed) % size, 4);
    }
    drive_free(&d);
    free(data);
  }
  exact_free(&e);
  free(text);
}

/* An object cut off at any byte: an error, or what the container allows to be whole, and then exact. */
static void truncation_is_found(void **state) {
  enum { SIZE = 900 };
  exact e;
  uint8_t *text = make_lines(11, SIZE, 40, &e);
  (void)state;
  for (wrap_kind kind = 1; kind < WRAP_KINDS; kind++) {
    size_t size, passed = 0;
    uint8_t *data = wrap(kind, text, SIZE, 200, &size);
    for (size_t n = 1; n < size; n++) {
      json_t *part = json_pack("{s:s}", "kind", "all");
      uint8_t *copy = malloc(n);
      drive d;
      mst_error err = {0};
      mst_buf out;
      mst_status status;
      assert_non_null(copy);
      memcpy(copy, data, n);
      mst_buf_init(&out, NULL, SIZE_MAX / 2);
      drive_init(&d, NULL, &mst_format_text, wrap_name(kind), copy, n);
      d.spacing = 100;
      status = drive_index(&d, NULL, 0, &err);
      if (n < 4) {
        /* Too short to be told from plain text. */
      } else if (status == MST_OK) {
        passed++;
        exact_ok(drive_read(&d, part, NULL, &out, &err), &err);
        assert_true(out.size < SIZE || n + 28 >= size);
        assert_memory_equal(out.data, text, out.size);
      } else {
        assert_int_equal(status, MST_E_CORRUPT);
        assert_string_equal(err.object, wrap_name(kind));
        assert_true(err.offset >= 0);
      }
      mst_buf_free(&out);
      json_decref(part);
      drive_free(&d);
      free(copy);
    }
    if (kind != WRAP_GZIP_MEMBERS && kind != WRAP_ZSTD_FRAMES && kind != WRAP_BGZF) assert_int_equal(passed, 0);
    free(data);
  }
  exact_free(&e);
  free(text);
}

/* ---- recovery
 * -------------------------------------------------------------------------------------------------------- */

/* What all slices of a recovered object hold. */
static void read_recovered(drive *d, uint64_t n, mst_buf *out) {
  drive_plan plan = {0};
  mst_error err = {0};
  uint64_t records = 0;
  exact_ok(drive_make_plan(d, &(mst_plan_query){.slices = n}, &plan, &err), &err);
  for (size_t i = 0; i < plan.n; i++) {
    const bool recover = d->recover;
    d->recover = false; /* slices of what is whole need no indulgence */
    exact_ok(drive_read(d, plan.parts[i].json, NULL, out, &err), &err);
    d->recover = recover;
    records += plan.parts[i].records;
  }
  assert_int_equal(records, json_integer_value(json_object_get(d->facts, "records")));
  drive_plan_free(d, &plan);
}

/* Every record of `got` is one of e, in order; returns how many there are. `ended`: each ends with its line end. */
static size_t check_subset(const exact *e, const mst_buf *got) {
  size_t at = 0, found = 0;
  for (size_t i = 0; i < e->n && at < got->size; i++) {
    const size_t n = (i + 1 < e->n ? e->starts[i + 1] : e->size) - e->starts[i];
    if (n > got->size - at || memcmp(e->plain + e->starts[i], got->data + at, n) != 0) continue;
    at += n;
    found++;
  }
  if (at != got->size)
    fail_msg("%zu records fit, then \"%.*s\"", found, (int)mst_min_size(got->size - at, 100), got->data + at);
  return found;
}

/* Distinct lines, so that none passes for another. */
static uint8_t *make_numbered_lines(size_t lines, exact *e) {
  uint8_t *text = malloc(lines * 64);
  size_t n = 0;
  assert_non_null(text);
  *e = (exact){.plain = text};
  for (size_t i = 0; i < lines; i++) {
    exact_add(e, n);
    n += (size_t)sprintf((char *)text + n, "%zu:%.*s\n", i, (int)(i * 7 % 40),
                         "the quick brown fox jumps over the lazy dog");
  }
  e->size = n;
  return text;
}

static void check_recovery(wrap_kind kind, const uint8_t *data, size_t size, const exact *e, size_t lost_at_most) {
  const uint64_t ns[] = {1, 3, 20};
  mst_error err = {0};
  drive d;
  drive_init(&d, NULL, &mst_format_text, wrap_name(kind), data, size);
  d.spacing = 1000;
  d.recover = true;
  exact_ok(drive_index(&d, NULL, 0, &err), &err);
  assert_true(json_array_size(json_object_get(d.facts, "damage")) > 0);
  for (size_t i = 0; i < 3; i++) {
    mst_buf got;
    size_t found;
    mst_buf_init(&got, NULL, SIZE_MAX / 2);
    read_recovered(&d, ns[i], &got);
    found = check_subset(e, &got);
    if (found + lost_at_most < e->n) fail_msg("%s: %zu of %zu records", wrap_name(kind), found, e->n);
    mst_buf_free(&got);
  }
  exact_check_cuts(&d, size, 3);
  drive_free(&d);
}

static void cut_objects_are_recovered(void **state) {
  const wrap_kind kinds[] = {WRAP_GZIP, WRAP_GZIP_SMALL, WRAP_GZIP_MEMBERS, WRAP_BGZF, WRAP_ZSTD_FRAMES};
  exact e;
  uint8_t *text = make_numbered_lines(1200, &e);
  (void)state;
  for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++) {
    size_t size;
    uint8_t *data = wrap(kinds[i], text, e.size, 700, &size);
    for (size_t cut = 40; cut < size; cut += size / 23) {
      drive d;
      mst_error err = {0};
      drive_init(&d, NULL, &mst_format_text, "cut", data, cut);
      if (drive_index(&d, NULL, 0, &err) != MST_OK) check_recovery(kinds[i], data, cut, &e, e.n);
      drive_free(&d);
    }
    free(data);
  }
  exact_free(&e);
  free(text);
}

/* A broken block in the middle costs the records that it holds and at most two around it. */
static void broken_blocks_are_passed_over(void **state) {
  exact e;
  uint8_t *text = make_numbered_lines(3000, &e);
  size_t size;
  uint8_t *data = wrap(WRAP_BGZF, text, e.size, 700, &size);
  (void)state;
  for (size_t at = 100; at < size - 100; at += size / 31) {
    const uint8_t before = data[at];
    drive d;
    mst_error err = {0};
    data[at] ^= 0x55;
    drive_init(&d, NULL, &mst_format_text, "broken", data, size);
    if (drive_index(&d, NULL, 0, &err) != MST_OK) check_recovery(WRAP_BGZF, data, size, &e, 150);
    drive_free(&d);
    data[at] = before;
  }
  free(data);
  exact_free(&e);
  free(text);
}

static void failing_memory_hinders_no_recovery(void **state) {
  exact e;
  uint8_t *text = make_numbered_lines(60, &e);
  size_t size;
  uint8_t *data = wrap(WRAP_BGZF, text, e.size, 200, &size);
  drive d;
  mst_error err = {0};
  (void)state;
  data[size / 2] ^= 0x55;
  drive_init(&d, NULL, &mst_format_text, "broken", data, size - 40);
  d.spacing = 200;
  d.recover = true;
  exact_ok(drive_index(&d, NULL, 0, &err), &err);
  assert_true(json_array_size(json_object_get(d.facts, "damage")) >= 1);
  exact_check_memory(&d);
  drive_free(&d);
  free(data);
  exact_free(&e);
  free(text);
}

/* A rule that a record breaks costs that record. */
static void broken_records_are_passed_over(void **state) {
  enum { READS = 3000 };
  char *text = mst_format_find("fastq") == NULL ? NULL : malloc(READS * 80);
  size_t n = 0, broken = 0;
  mst_error err = {0};
  mst_buf got;
  drive d;
  (void)state;
  if (text == NULL) skip();
  for (size_t i = 0; i < READS; i++) {
    if (i == 1500) broken = n;
    n += (size_t)sprintf(text + n, "@read%zu\nACGTACGTAC%s\n+\nIIIIIIIIII\n", i, i == 1500 ? "TT" : "");
  }
  mst_buf_init(&got, NULL, SIZE_MAX / 2);
  drive_init(&d, NULL, mst_format_find("fastq"), "broken.fastq", text, n);
  d.spacing = 4000;
  assert_int_equal(drive_index(&d, NULL, 0, &err), MST_E_CORRUPT);
  d.recover = true;
  exact_ok(drive_inspect(&d, &err), &err);
  exact_ok(drive_index(&d, NULL, 0, &err), &err);
  read_recovered(&d, 5, &got);
  assert_true(got.size < n && n - got.size < 600);
  assert_memory_equal(got.data, text, broken);
  mst_buf_free(&got);
  drive_free(&d);
  free(text);
}

/* ---- memory
 * ---------------------------------------------------------------------------------------------------------- */

static void failing_memory_is_clean(void **state) {
  enum { SIZE = 2500 };
  const wrap_kind kinds[] = {WRAP_PLAIN, WRAP_GZIP_SMALL, WRAP_BGZF, WRAP_ZSTD_FRAMES};
  exact e;
  uint8_t *text = make_lines(12, SIZE, 40, &e);
  (void)state;
  for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++) {
    size_t size;
    uint8_t *data = wrap(kinds[i], text, SIZE, 300, &size);
    drive d;
    open_index(&d, wrap_name(kinds[i]), data, size, 300);
    exact_check_memory(&d);
    drive_free(&d);
    free(data);
  }
  exact_free(&e);
  free(text);
}

/* ---- hostile input
 * ----------------------------------------------------------------------------------------------------- */

/* Random changes, some with a checksum that fits: never worse than an error. */
static void hostile_partials_are_refused(void **state) {
  enum { SIZE = 3000 };
  exact e;
  uint8_t *text = make_lines(13, SIZE, 60, &e);
  uint64_t seed = 14;
  drive d;
  drive_list good = {0};
  mst_error err = {0};
  size_t refused = 0;
  (void)state;
  drive_init(&d, NULL, &mst_format_text, "hostile", text, SIZE);
  d.spacing = 200;
  exact_ok(drive_inspect(&d, &err), &err);
  exact_ok(drive_scan(&d, 0, 1500, &good, &err), &err);
  exact_ok(drive_scan(&d, 1500, SIZE, &good, &err), &err);
  for (int round = 0; round < 3000; round++) {
    drive_list bad = {0};
    const size_t which = exact_random(&seed) % 2;
    for (size_t i = 0; i < good.n; i++) {
      uint8_t *bytes;
      bad.items = mst_resize(NULL, bad.items, (i + 1) * sizeof *bad.items);
      exact_ok(mst_bytes_new(NULL, good.items[i].size, &bad.items[i], &bytes, &err), &err);
      memcpy(bytes, good.items[i].data, good.items[i].size);
      if (i == which) {
        for (uint64_t k = 1 + exact_random(&seed) % 3; k > 0; k--)
          bytes[16 + exact_random(&seed) % (good.items[i].size - 16)] = (uint8_t)exact_random(&seed);
        if (round % 10 != 0) mst_put_le32(bytes + 8, mst_crc32(0, bytes + 12, good.items[i].size - 12));
        if (round % 7 == 0) bad.items[i].size -= exact_random(&seed) % good.items[i].size;
      }
      bad.n = i + 1;
    }
    if (round % 2 == 0) refused += drive_merge(&d, &bad, 0, NULL) != MST_OK;
    drive_collect(&d, &bad, NULL);
    drive_list_free(&d, &bad);
    drive_free(&d);
    drive_init(&d, NULL, &mst_format_text, "hostile", text, SIZE);
    d.spacing = 200;
    exact_ok(drive_inspect(&d, &err), &err);
  }
  assert_true(refused > 500);
  d.spacing = 300;
  assert_int_equal(drive_collect(&d, &good, &err), MST_E_ARGUMENT);
  d.spacing = 200;
  drive_list reversed = {.items = (mst_bytes[]){good.items[1], good.items[0]}, .n = 2};
  assert_int_equal(drive_collect(&d, &reversed, &err), MST_E_ARGUMENT);
  drive_list half = {.items = good.items, .n = 1};
  assert_int_equal(drive_collect(&d, &half, &err), MST_E_ARGUMENT);
  drive_list_free(&d, &good);
  drive_free(&d);
  exact_free(&e);
  free(text);
}

static void change_number(json_t *part, uint64_t *seed) {
  const size_t n = exact_random(seed) % json_object_size(part);
  void *at = json_object_iter(part);
  for (size_t i = 0; i < n; i++) at = json_object_iter_next(part, at);
  json_t *value = json_object_iter_value(at);
  const json_int_t numbers[] = {0, 1, -1, 7, 255, 65536, INT64_MAX, INT64_MIN, (json_int_t)(exact_random(seed) % 5000)};
  json_t *number = json_integer(numbers[exact_random(seed) % 9]);
  if (json_is_array(value) && json_array_size(value) > 0)
    json_array_set_new(value, exact_random(seed) % json_array_size(value), number);
  else json_object_iter_set_new(part, at, number);
}

static void hostile_parts_are_refused(void **state) {
  enum { SIZE = 3000 };
  exact e;
  uint8_t *text = make_lines(15, SIZE, 60, &e);
  uint64_t seed = 16;
  (void)state;
  for (wrap_kind kind = 0; kind < WRAP_KINDS; kind++) {
    size_t size;
    uint8_t *data = wrap(kind, text, SIZE, 300, &size);
    for (int words = 0; words < 2; words++) {
      drive d;
      drive_plan plan = {0};
      mst_error err = {0};
      open_index(&d, wrap_name(kind), data, size, 400);
      exact_ok(drive_make_plan(&d, &(mst_plan_query){.slices = 9, .strategy = words ? "words" : NULL}, &plan, &err),
               &err);
      for (int round = 0; round < 300; round++) {
        json_t *part = json_deep_copy(plan.parts[exact_random(&seed) % plan.n].json);
        mst_buf out;
        mst_buf_init(&out, NULL, SIZE_MAX / 2);
        for (uint64_t k = 1 + exact_random(&seed) % 3; k > 0; k--) change_number(part, &seed);
        if (drive_read(&d, part, NULL, &out, &err) == MST_OK) assert_true(out.size <= SIZE);
        mst_buf_free(&out);
        json_decref(part);
      }
      drive_plan_free(&d, &plan);
      drive_free(&d);
    }
    free(data);
  }
  exact_free(&e);
  free(text);
}

static void wrong_queries_are_refused(void **state) {
  static const char text[] = "a\nb\nc\n";
  const mst_plan_query wrong[] = {{.slices = 2, .slice_bytes = 3},
                                  {.slices = 2, .slice_records = 3},
                                  {.slices = 2, .strategy = "tiles"},
                                  {.region = "chr1:1-2"},
                                  {.where = "a > 3"}};
  drive d;
  (void)state;
  open_index(&d, "query", text, sizeof text - 1, 100);
  for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
    drive_plan plan = {0};
    mst_error err = {0};
    assert_int_equal(drive_make_plan(&d, &wrong[i], &plan, &err), MST_E_ARGUMENT);
    assert_true(err.message[0] != '\0');
  }
  drive_free(&d);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(slices_cost_what_they_hold),    cmocka_unit_test(plans_read_few_rows),
      cmocka_unit_test(slices_are_balanced),           cmocka_unit_test(long_scans_give_many_partials),
      cmocka_unit_test(giant_records_are_limited),     cmocka_unit_test(changed_bytes_are_found),
      cmocka_unit_test(truncation_is_found),           cmocka_unit_test(failing_memory_is_clean),
      cmocka_unit_test(hostile_partials_are_refused),  cmocka_unit_test(hostile_parts_are_refused),
      cmocka_unit_test(wrong_queries_are_refused),     cmocka_unit_test(cut_objects_are_recovered),
      cmocka_unit_test(broken_blocks_are_passed_over), cmocka_unit_test(broken_records_are_passed_over),
      cmocka_unit_test(failing_memory_hinders_no_recovery),
  };
  return cmocka_run_group_tests_name("records", tests, NULL, NULL);
}

/* tests/source/test_source.c - sources end to end over stores in memory: exact slices, one index however it is cut, staleness, budgets
 * of requests and bytes, what hostile indexes and slices give. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <meseta/meseta.h>

#include "source/kit.h"
#include "store/store.h"

static const uint64_t counts[] = {1, 2, 3, 7, 50, 1000};

static void check_exact(const char *key, const char *format, const void *object, size_t n_object, const char *plain, size_t n_plain) {
  kit k;
  mst_error err;
  mst_buf joined;
  assert_int_equal(kit_open(&k, NULL, 2, &err), MST_OK);
  mst_buf_init(&joined, NULL, SIZE_MAX / 2);
  kit_put(k.store, key, object, n_object);
  for (size_t i = 0; i < sizeof counts / sizeof *counts; i++) {
    size_t n = 0;
    const kit_job job = {.key = key, .format = format, .slices = counts[i], .spacing = 4096, .indexed = i > 0};
    mst_status status = kit_run(k.store, &job, &joined, &n, &err);
    if (status != MST_OK) fail_msg("%s", err.message);
    assert_true(n >= 1 && n <= counts[i]);
    assert_int_equal(joined.size, n_plain);
    assert_memory_equal(joined.data, plain, n_plain);
  }
  mst_buf_free(&joined);
  kit_close(&k);
}

static void test_slices_join_to_the_plain_object(void **state) {
  (void)state;
  size_t n = 0, packed = 0;
  char *reads = kit_reads(700, 1, &n), *gz = kit_gzip(reads, n, &packed);
  check_exact("r.fastq", "fastq", reads, n, reads, n);
  check_exact("r.fastq.gz", "fastq", gz, packed, reads, n);
  check_exact("r.txt.gz", "text", gz, packed, reads, n);
  free(reads);
  free(gz);
}

/* The bytes of the stored index. */
static void stored_index(mst_store *store, const char *key, mst_bytes *out) {
  mst_error err;
  char name[256];
  snprintf(name, sizeof name, "%s.meseta", key);
  assert_int_equal(mst_store_get(store, name, 0, 1 << 26, out, NULL, &err), MST_OK);
}

static void test_one_index_however_it_is_cut(void **state) {
  (void)state;
  static const uint64_t pieces[] = {0, 100000, 33333, 5000, 777};
  kit k;
  mst_error err;
  mst_bytes first = {0};
  mst_buf joined;
  size_t n = 0;
  char *reads = kit_reads(1500, 2, &n);
  assert_int_equal(kit_open(&k, NULL, 4, &err), MST_OK);
  mst_buf_init(&joined, NULL, SIZE_MAX / 2);
  kit_put(k.store, "r.fastq", reads, n);
  for (size_t i = 0; i < sizeof pieces / sizeof *pieces; i++) {
    mst_bytes index = {0};
    const kit_job job = {.key = "r.fastq", .slices = 3, .spacing = 4096, .piece_bytes = pieces[i], .threads = (uint32_t)(i + 1)};
    mst_store_delete(k.store, (const char *const[]){"r.fastq.meseta"}, 1, NULL, &err);
    mst_status status = kit_run(k.store, &job, &joined, NULL, &err);
    if (status != MST_OK) fail_msg("%s", err.message);
    stored_index(k.store, "r.fastq", &index);
    if (i == 0) first = mst_bytes_share(&index);
    assert_int_equal(index.size, first.size);
    assert_memory_equal(index.data, first.data, first.size);
    mst_bytes_release(&index);
  }
  mst_bytes_release(&first);
  mst_buf_free(&joined);
  kit_close(&k);
  free(reads);
}

static void test_partials_from_anywhere_give_the_same_index(void **state) {
  (void)state;
  enum { N = 5 };
  kit k;
  mst_error err;
  mst_bytes partials[N] = {{0}}, at_once = {0}, collected = {0};
  mst_source *source = NULL;
  mst_index_options options = MST_INDEX_OPTIONS_INIT;
  size_t n = 0;
  char *reads = kit_reads(900, 3, &n);
  options.spacing = 4096;
  assert_int_equal(kit_open(&k, NULL, 1, &err), MST_OK);
  kit_put(k.store, "r.fastq", reads, n);
  assert_int_equal(mst_source_open_in(k.store, "r.fastq", NULL, &source, NULL, &err), MST_OK);
  assert_int_equal(mst_source_index(source, &options, NULL, NULL, &err), MST_OK);
  stored_index(k.store, "r.fastq", &at_once);
  for (unsigned i = N; i-- > 0;) assert_int_equal(mst_source_scan(source, i, N, &options, &partials[i], NULL, &err), MST_OK);
  assert_int_equal(mst_source_index_from(source, partials, N, &options, NULL, NULL, &err), MST_OK);
  stored_index(k.store, "r.fastq", &collected);
  assert_int_equal(collected.size, at_once.size);
  assert_memory_equal(collected.data, at_once.data, at_once.size);
  /* Pieces in the wrong order, cut short or missing are told. */
  mst_bytes swapped = partials[1];
  partials[1] = partials[2];
  partials[2] = swapped;
  assert_int_not_equal(mst_source_index_from(source, partials, N, &options, NULL, NULL, &err), MST_OK);
  assert_int_not_equal(mst_source_index_from(source, partials, 2, &options, NULL, NULL, &err), MST_OK);
  for (unsigned i = 0; i < N; i++) mst_bytes_release(&partials[i]);
  mst_bytes_release(&at_once);
  mst_bytes_release(&collected);
  mst_source_unref(source);
  kit_close(&k);
  free(reads);
}

static void test_a_changed_source_is_refused(void **state) {
  (void)state;
  kit k;
  mst_error err;
  mst_source *source = NULL;
  mst_plan *plan = NULL;
  mst_bytes content = {0};
  mst_query query = MST_QUERY_INIT;
  size_t n = 0;
  char *reads = kit_reads(200, 4, &n);
  query.slices = 3;
  assert_int_equal(kit_open(&k, NULL, 1, &err), MST_OK);
  kit_put(k.store, "r.fastq", reads, n);
  assert_int_equal(mst_source_open_in(k.store, "r.fastq", NULL, &source, NULL, &err), MST_OK);
  assert_int_equal(mst_source_plan(source, &query, &plan, NULL, &err), MST_E_NOT_FOUND);
  assert_non_null(strstr(err.message, "meseta index"));
  assert_int_equal(mst_source_index(source, NULL, NULL, NULL, &err), MST_OK);
  assert_int_equal(mst_source_plan(source, &query, &plan, NULL, &err), MST_OK);
  mst_slice *slice = mst_plan_take(plan, 1);
  kit_put(k.store, "r.fastq", reads, n); /* the same bytes, but another version */
  assert_int_equal(mst_slice_read(slice, NULL, &content, NULL, &err), MST_E_CHANGED);
  assert_int_equal(mst_source_index(source, &(mst_index_options){.struct_size = sizeof(mst_index_options), .force = 1}, NULL, NULL, &err), MST_E_CHANGED);
  mst_slice_unref(slice);
  mst_plan_unref(plan);
  mst_source_unref(source);
  assert_int_equal(mst_source_open_in(k.store, "r.fastq", NULL, &source, NULL, &err), MST_OK);
  assert_int_equal(mst_source_plan(source, &query, &plan, NULL, &err), MST_E_CHANGED);
  mst_source_unref(source);
  kit_close(&k);
  free(reads);
}

static uint64_t operations(const mst_trace_counts *c) {
  uint64_t n = 0;
  for (int kind = 0; kind < MST_OP_KINDS; kind++) n += c->ops[kind];
  return n;
}

/* A slice of a gzip object costs its bytes, at most a span in front, and one small read of the index; no look-up beforehand. */
static void test_a_slice_costs_what_it_holds(void **state) {
  (void)state;
  kit k;
  mst_error err;
  mst_store *trace = NULL;
  mst_source *source = NULL;
  mst_plan *plan = NULL;
  mst_query query = MST_QUERY_INIT;
  mst_index_options options = MST_INDEX_OPTIONS_INIT;
  mst_trace_counts before, after;
  size_t n = 0, packed = 0;
  char *reads = kit_reads(20000, 5, &n), *gz = kit_gzip(reads, n, &packed);
  options.spacing = 65536;
  query.slices = 10;
  assert_int_equal(kit_open(&k, NULL, 1, &err), MST_OK);
  kit_put(k.store, "r.fastq.gz", gz, packed);
  assert_int_equal(mst_store_trace(k.store, NULL, NULL, &trace, &err), MST_OK);
  assert_int_equal(mst_source_open_in(trace, "r.fastq.gz", NULL, &source, NULL, &err), MST_OK);
  assert_int_equal(mst_store_trace_counts(trace, &after), MST_OK);
  assert_int_equal(operations(&after), 1);
  assert_int_equal(mst_source_index(source, &options, NULL, NULL, &err), MST_OK);
  assert_int_equal(mst_source_plan(source, &query, &plan, NULL, &err), MST_OK);
  assert_int_equal(mst_store_trace_counts(trace, &before), MST_OK);
  mst_slice *slice = mst_plan_take(plan, 5);
  mst_bytes content = {0};
  assert_int_equal(mst_slice_read(slice, NULL, &content, NULL, &err), MST_OK);
  assert_int_equal(mst_store_trace_counts(trace, &after), MST_OK);
  const uint64_t span = packed * 65536 / n + 70000, held = packed * content.size / n;
  assert_true(after.bytes_read - before.bytes_read <= held + span);
  assert_true(operations(&after) - operations(&before) <= 3);
  mst_bytes_release(&content);
  mst_slice_unref(slice);
  mst_plan_unref(plan);
  mst_source_unref(source);
  mst_store_unref(trace);
  kit_close(&k);
  free(reads);
  free(gz);
}

/* Every byte of an index turned over, and every cut: an error or the right content, never something else. */
static void test_a_damaged_index_never_lies(void **state) {
  (void)state;
  kit k;
  mst_error err;
  mst_bytes index = {0};
  mst_buf joined;
  size_t n = 0, packed = 0;
  char *reads = kit_reads(300, 6, &n), *gz = kit_gzip(reads, n, &packed);
  kit_job job = {.key = "r.fastq.gz", .slices = 4, .spacing = 4096};
  assert_int_equal(kit_open(&k, NULL, 1, &err), MST_OK);
  mst_buf_init(&joined, NULL, SIZE_MAX / 2);
  kit_put(k.store, job.key, gz, packed);
  assert_int_equal(kit_run(k.store, &job, &joined, NULL, &err), MST_OK);
  stored_index(k.store, job.key, &index);
  job.indexed = true;
  uint8_t *copy = malloc(index.size);
  for (size_t i = 0; i < index.size; i += 1 + i % 3) {
    memcpy(copy, index.data, index.size);
    copy[i] ^= (uint8_t)(1u << (i % 8));
    kit_put(k.store, "r.fastq.gz.meseta", copy, index.size);
    if (kit_run(k.store, &job, &joined, NULL, &err) != MST_OK) continue;
    assert_int_equal(joined.size, n);
    assert_memory_equal(joined.data, reads, n);
  }
  for (size_t size = 0; size < index.size; size += 13) {
    kit_put(k.store, "r.fastq.gz.meseta", index.data, size);
    assert_int_not_equal(kit_run(k.store, &job, &joined, NULL, &err), MST_OK);
  }
  free(copy);
  mst_bytes_release(&index);
  mst_buf_free(&joined);
  kit_close(&k);
  free(reads);
  free(gz);
}

/* One byte of the source changes and its pin does not: what pins cannot see, checksums catch. */
static void test_span_checksums_catch_what_pins_cannot(void **state) {
  (void)state;
  mst_error err;
  char folder[PATH_MAX], path[PATH_MAX + 16];
  size_t n = 0;
  char *reads = kit_reads(300, 7, &n);
  mst_source *source = NULL;
  mst_plan *plan = NULL;
  mst_query query = MST_QUERY_INIT;
  mst_context *ctx = NULL;
  query.slices = 50;
  mst_test_folder(folder);
  snprintf(path, sizeof path, "%s/r.fastq", folder);
  mst_test_write_file(path, reads, n);
  assert_int_equal(mst_context_open(NULL, &ctx, &err), MST_OK);
  assert_int_equal(mst_source_open(ctx, path, NULL, &source, NULL, &err), MST_OK);
  assert_int_equal(mst_source_index(source, NULL, NULL, NULL, &err), MST_OK);
  assert_int_equal(mst_source_plan(source, &query, &plan, NULL, &err), MST_OK);
  struct stat before;
  assert_int_equal(stat(path, &before), 0);
  FILE *f = fopen(path, "r+b");
  fseek(f, (long)n / 2, SEEK_SET);
  const int was = fgetc(f);
  fseek(f, (long)n / 2, SEEK_SET);
  fputc(was == 'A' ? 'C' : 'A', f);
  fclose(f);
  const struct timespec times[2] = {before.st_atim, before.st_mtim};
  assert_int_equal(utimensat(AT_FDCWD, path, times, 0), 0);
  size_t refused = 0;
  for (size_t i = 0; i < mst_plan_get_count(plan); i++) {
    mst_slice *slice = mst_plan_take(plan, i);
    mst_bytes content = {0};
    if (mst_slice_read(slice, NULL, &content, NULL, &err) == MST_E_CORRUPT) refused++;
    mst_bytes_release(&content);
    mst_slice_unref(slice);
  }
  assert_true(refused > 0);
  mst_plan_unref(plan);
  mst_source_unref(source);
  mst_context_unref(ctx);
  mst_test_folder_remove(folder);
  free(reads);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_slices_join_to_the_plain_object),
      cmocka_unit_test(test_one_index_however_it_is_cut),
      cmocka_unit_test(test_partials_from_anywhere_give_the_same_index),
      cmocka_unit_test(test_a_changed_source_is_refused),
      cmocka_unit_test(test_a_slice_costs_what_it_holds),
      cmocka_unit_test(test_a_damaged_index_never_lies),
      cmocka_unit_test(test_span_checksums_catch_what_pins_cannot),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}

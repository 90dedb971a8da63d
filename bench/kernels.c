/* bench/kernels.c - nanoseconds of CPU time a row of conditions and of kernels on columns, over 2 M rows of mixed
 * columns.
 *
 *   bench_kernels [RUNS]
 *
 * The figure is the best of RUNS (3). MESETA_KERNELS=portable measures the plain loops. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "expr/expr.h"

enum { ROWS = 2000000 };

static const mst_field fields[] = {
    {"i", "l", true, NULL, 0},  /* random, a twentieth null  */
    {"f", "g", false, NULL, 0}, /* 1000 values               */
    {"s", "i", false, NULL, 0}, /* sorted                    */
    {"t", "u", false, NULL, 0}, /* 20 short texts            */
    {"u", "u", false, NULL, 0}, /* unique texts of 33 bytes  */
    {"c", "i", false, NULL, 0}, /* 50 values                 */
};
enum { FIELDS = sizeof fields / sizeof fields[0] };

typedef struct bench {
  struct ArrowSchema schema;
  struct ArrowArray batch;
  uint64_t *bits;
  int64_t *rows;
  uint32_t *ids;
  uint64_t *hashes;
  int column; /* of the kernel at hand */
  mst_predicate *predicate;
  int runs;
} bench;

static void must(mst_status status, const mst_error *err) {
  if (status == MST_OK) return;
  fprintf(stderr, "bench_kernels: %s\n", err->message);
  exit(1);
}

static double cpu_seconds(void) {
  struct timespec t;
  clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
  return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static uint64_t next_random(void) {
  static uint64_t state = 88172645463325252u;
  state ^= state << 13;
  state ^= state >> 7;
  state ^= state << 17;
  return state;
}

static void make_row(mst_builder *const *b, int64_t row, mst_error *err) {
  char text[48];
  int n;
  must(next_random() % 20 == 0 ? mst_builder_null(b[0], err)
                               : mst_builder_i64(b[0], (int64_t)(next_random() % 1000000), err),
       err);
  must(mst_builder_f64(b[1], (double)(next_random() % 1000) / 8, err), err);
  must(mst_builder_i64(b[2], row / 3, err), err);
  n = snprintf(text, sizeof text, "name%u", (unsigned)(next_random() % 20));
  must(mst_builder_bytes(b[3], text, (size_t)n, err), err);
  n = snprintf(text, sizeof text, "some/unique/text/%016llx", (unsigned long long)next_random());
  must(mst_builder_bytes(b[4], text, (size_t)n, err), err);
  must(mst_builder_i64(b[5], (int64_t)(next_random() % 50), err), err);
}

static void make_table(bench *x) {
  mst_builder *b[FIELDS];
  mst_error err;
  must(mst_schema_make(NULL, fields, FIELDS, &x->schema, &err), &err);
  for (int k = 0; k < FIELDS; k++) must(mst_builder_new(NULL, &fields[k], &b[k], &err), &err);
  for (int64_t i = 0; i < ROWS; i++) make_row(b, i, &err);
  must(mst_batch_take(NULL, b, FIELDS, &x->batch, &err), &err);
  for (int k = 0; k < FIELDS; k++) mst_builder_free(b[k]);
}

static void report(const bench *x, const char *what, void (*run)(bench *x, mst_error *err), bench *with) {
  double best = 1e9;
  mst_error err;
  for (int k = 0; k < x->runs; k++) {
    const double start = cpu_seconds();
    double took;
    run(with, &err);
    took = cpu_seconds() - start;
    best = took < best ? took : best;
  }
  printf("%-40.40s %8.2f ns\n", what, best / ROWS * 1e9);
}

/* ---- conditions -------------------------------------------------------------------------------------------------- */

static void run_predicate(bench *x, mst_error *err) {
  must(mst_predicate_eval(x->predicate, &x->batch, x->bits, err), err);
}

static void conditions(bench *x) {
  static const char *const texts[] = {
      "i < 500000",
      "f >= 60.5",
      "s = 1000",
      "c between 10 and 12",
      "i in (1, 2, 3, 4)",
      "i in (1, 22, 333, 4444, 55555, 666666, 777777, 888888, 999999)",
      "t = 'name7'",
      "t < 'name7'",
      "t in ('name1', 'name3', 'name5')",
      "u like '%abc%'",
      "u like 'some%'",
      "i < 1000 and u like '%abc%'",
      "not i is null and f > 100",
  };
  for (size_t k = 0; k < sizeof texts / sizeof texts[0]; k++) {
    mst_where *w = NULL;
    mst_error err;
    must(mst_where_parse(NULL, texts[k], strlen(texts[k]), &w, &err), &err);
    must(mst_predicate_bind(NULL, w, &x->schema, &x->predicate, &err), &err);
    report(x, texts[k], run_predicate, x);
    mst_predicate_unref(x->predicate);
    mst_where_unref(w);
  }
}

/* ---- kernels -------------------------------------------------------------------------------------------------------
 */

static void run_filter(bench *x, mst_error *err) {
  struct ArrowArray out;
  must(mst_array_filter(NULL, x->schema.children[x->column], x->batch.children[x->column], x->bits, &out, err), err);
  mst_array_release(&out);
}

static void run_sort(bench *x, mst_error *err) {
  const mst_sort_key by = {.column = x->column};
  must(mst_sort_rows(NULL, &x->schema, &x->batch, &by, 1, x->rows, err), err);
}

static void run_gather(bench *x, mst_error *err) {
  struct ArrowArray out;
  must(mst_array_gather(NULL, x->schema.children[x->column], x->batch.children[x->column], x->rows, ROWS, &out, err),
       err);
  mst_array_release(&out);
}

static void run_concat(bench *x, mst_error *err) {
  struct ArrowArray out, half = *x->batch.children[x->column];
  const struct ArrowArray *two[2] = {&half, &half};
  half.length /= 2;
  if (half.null_count > 0) half.null_count = -1;
  must(mst_array_concat(NULL, x->schema.children[x->column], two, 2, &out, err), err);
  mst_array_release(&out);
}

static void run_group(bench *x, mst_error *err) {
  const int32_t column = x->column;
  mst_grouper *g = NULL;
  must(mst_grouper_new(NULL, &x->schema, &column, 1, &g, err), err);
  must(mst_grouper_put(g, &x->batch, x->ids, NULL, err), err);
  mst_grouper_free(g);
}

static void run_hash(bench *x, mst_error *err) {
  const int32_t column = x->column;
  must(mst_hash_rows(NULL, &x->schema, &x->batch, &column, 1, x->hashes, err), err);
}

static void run_encode(bench *x, mst_error *err) {
  struct ArrowArray out;
  must(mst_array_dictionary_encode(NULL, x->schema.children[x->column], x->batch.children[x->column], &out, err), err);
  mst_array_release(&out);
}

static void kernels(bench *x) {
  static const struct {
    const char *name;
    void (*run)(bench *x, mst_error *err);
    const char *columns;
  } all[] = {{"filter, half of", run_filter, "iftuc"},
             {"sort by", run_sort, "ifstu"},
             {"gather at random", run_gather, "ifu"},
             {"concat", run_concat, "ifu"},
             {"group by", run_group, "ct"},
             {"hash", run_hash, "ctu"},
             {"dictionary encode", run_encode, "ct"}};
  for (size_t k = 0; k < sizeof all / sizeof all[0]; k++) {
    for (const char *name = all[k].columns; *name != '\0'; name++) {
      char what[64];
      for (x->column = 0; fields[x->column].name[0] != *name;) x->column++;
      snprintf(what, sizeof what, "%s %c", all[k].name, *name);
      report(x, what, all[k].run, x);
    }
  }
}

int main(int argc, char **argv) {
  static bench x;
  x.runs = argc > 1 ? atoi(argv[1]) : 3;
  x.bits = calloc(MST_BITS_WORDS(ROWS), sizeof *x.bits);
  x.rows = malloc(ROWS * sizeof *x.rows);
  x.ids = malloc(ROWS * sizeof *x.ids);
  x.hashes = malloc(ROWS * sizeof *x.hashes);
  if (x.bits == NULL || x.rows == NULL || x.ids == NULL || x.hashes == NULL) return 1;
  make_table(&x);
  conditions(&x);
  for (size_t i = 0; i < MST_BITS_WORDS(ROWS); i++) x.bits[i] = next_random();
  x.bits[MST_BITS_WORDS(ROWS) - 1] &= ROWS % 64 == 0 ? UINT64_MAX : mst_mask_low(ROWS % 64);
  kernels(&x);
  mst_array_release(&x.batch);
  mst_schema_release(&x.schema);
  free(x.bits);
  free(x.rows);
  free(x.ids);
  free(x.hashes);
  return 0;
}

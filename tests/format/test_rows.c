/* tests/format/test_rows.c - rows of CSV and VCF as Arrow: types, nulls, options, what is refused, and that no cut of the text and no
 * size of batches changes them. */
#include <stdio.h>
#include <stdlib.h>

#include "format/csv.h"
#include "format/dump.h"
#include "format/exact.h"
#include "format/naive_csv.h"
#include "format/scan_check.h"
#include "format/vcf.h"

/* ---- reading --------------------------------------------------------------------------------------------------- */

typedef struct reading {
  const mst_record_ops *ops;
  const json_t *dialect, *options;
  uint64_t batch_rows;
  size_t chunk; /* 0: at once */
  const mst_allocator *mem;
} reading;

static mst_status take(const reading *r, void *rows, bool all, const struct ArrowSchema *schema, mst_buf *out, mst_error *err) {
  for (;;) {
    struct ArrowArray batch = {0};
    const mst_status status = r->ops->rows_take(rows, all, &batch, err);
    if (status != MST_OK || batch.release == NULL) return status;
    if (r->batch_rows > 0) assert_true((uint64_t)batch.length <= r->batch_rows);
    dump_batch(schema, &batch, out);
    mst_array_release(&batch);
  }
}

/* All rows of the text as dumped text. */
static mst_status read_rows(const reading *r, const uint8_t *data, size_t n, mst_buf *out, mst_error *err) {
  const mst_job job = {.mem = r->mem, .name = "rows", .record_max = 1 << 20};
  struct ArrowSchema schema = {0};
  void *rows = NULL;
  mst_status status = MST_OK;
  size_t at = 0;
  MST_TRY(r->ops->rows_schema(r->mem, r->dialect, r->options, &schema, err));
  MST_TRY(r->ops->rows_open(&job, r->dialect, r->options, r->batch_rows, &rows, err));
  while (at < n) {
    const size_t size = r->chunk == 0 ? n - at : mst_min_size(r->chunk, n - at);
    uint8_t *copy = malloc(size); /* ends where the bytes end, and is gone after the call */
    memcpy(copy, data + at, size);
    status = r->ops->rows_feed(rows, copy, size, false, err);
    free(copy);
    if (status != MST_OK) goto done;
    MST_TRY(take(r, rows, false, &schema, out, err));
    at += size;
  }
  MST_TRY(r->ops->rows_feed(rows, (const uint8_t *)"", 0, true, err));
  MST_TRY(take(r, rows, true, &schema, out, err));
done:
  if (rows != NULL) r->ops->rows_close(rows);
  mst_schema_release(&schema);
  return status;
}

static json_t *sniff(const mst_record_ops *ops, const void *text, size_t n, json_t *options) {
  const mst_job job = {.name = "rows", .options = options};
  json_t *dialect = NULL;
  uint64_t want = 0;
  mst_error err = {0};
  exact_ok(ops->sniff(&job, text, n, true, &dialect, &want, &err), &err);
  assert_non_null(dialect);
  return dialect;
}

static size_t header_of(const json_t *dialect) { return (size_t)json_integer_value(json_object_get(dialect, "header_bytes")); }

/* The rows are `want`, however the text is cut and the rows are batched. */
static void check_rows(const mst_record_ops *ops, const void *text, size_t n, json_t *given, const json_t *options, const char *want) {
  json_t *dialect = sniff(ops, text, n, given);
  const size_t header = header_of(dialect);
  for (size_t chunk = 0; chunk < 40; chunk++)
    for (uint64_t rows = 0; rows < 4; rows++) {
      const reading r = {.ops = ops, .dialect = dialect, .options = options, .batch_rows = rows, .chunk = chunk};
      mst_error err = {0};
      mst_buf got;
      mst_buf_init(&got, NULL, SIZE_MAX / 2);
      exact_ok(read_rows(&r, (const uint8_t *)text + header, n - header, &got, &err), &err);
      if (strcmp(mst_buf_text(&got), want) != 0) fail_msg("in runs of %zu, batches of %u: got\n%swant\n%s", chunk, (unsigned)rows, mst_buf_text(&got), want);
      mst_buf_free(&got);
    }
  json_decref(dialect);
}

static void check_schema(const mst_record_ops *ops, const void *text, size_t n, json_t *given, const json_t *options, const char *want) {
  json_t *dialect = sniff(ops, text, n, given);
  struct ArrowSchema schema = {0};
  mst_error err = {0};
  mst_buf got;
  mst_buf_init(&got, NULL, SIZE_MAX / 2);
  exact_ok(ops->rows_schema(NULL, dialect, options, &schema, &err), &err);
  dump_schema(&schema, &got);
  assert_string_equal(mst_buf_text(&got), want);
  mst_schema_release(&schema);
  mst_buf_free(&got);
  json_decref(dialect);
}

/* Reading fails with `status`, at `offset` behind the header (-1: any), and says `says`. */
static void check_refused(const mst_record_ops *ops, const void *text, size_t n, json_t *given, const json_t *options, mst_status status,
                          int64_t offset, const char *says) {
  json_t *dialect = sniff(ops, text, n, given);
  const size_t header = header_of(dialect);
  for (size_t chunk = 0; chunk < 12; chunk++) {
    const reading r = {.ops = ops, .dialect = dialect, .options = options, .chunk = chunk};
    mst_error err = {.offset = -1};
    mst_buf got;
    mst_buf_init(&got, NULL, SIZE_MAX / 2);
    assert_int_equal(read_rows(&r, (const uint8_t *)text + header, n - header, &got, &err), status);
    if (strstr(err.message, says) == NULL) fail_msg("\"%s\" does not say \"%s\"", err.message, says);
    if (offset >= 0) assert_int_equal(err.offset, offset);
    mst_buf_free(&got);
  }
  json_decref(dialect);
}

#define TEXT(literal) literal, sizeof(literal) - 1
#define CSV &mst_records_csv
#define VCF &mst_records_vcf

static json_t *json(const char *text) {
  json_error_t e;
  json_t *j = json_loads(text, 0, &e);
  if (j == NULL) fail_msg("%s: %s", text, e.text);
  return j;
}

/* ---- CSV ------------------------------------------------------------------------------------------------------- */

static const char typed[] = "id,price,ok,day,at,utc,name\r\n"
                            "1,1.5,true,2024-02-29,2024-02-29 12:00:01,2024-02-29T12:00:00Z,\"a, \"\"b\"\"\"\r\n"
                            "-2,,FALSE,1969-12-31,1970-01-01T00:00,1970-01-01T01:00:00.5+01:00,\r\n\r\n"
                            "\"3\",1e3,,,,,\"\"\r\n"
                            ",NA,null,N/A,NULL,None,NA\r\n"
                            "9223372036854775807,-0.25,True,2000-01-01,2000-01-01 00:00:00.123456,2000-01-01 00:00:00-00:30,\"x\r\ny\"";

static void cells_have_types(void **state) {
  (void)state;
  check_schema(CSV, TEXT(typed), NULL, NULL, "id:l price:g ok:b day:tdD at:tsu: utc:tsu:UTC name:u");
  check_rows(CSV, TEXT(typed), NULL, NULL,
             "1|1.5|true|19782|1709208001000000|1709208000000000|a, \"b\"\n"
             "-2|~|false|-1|0|500000|~\n"
             "3|1000|~|~|~|~|\n"
             "~|~|~|~|~|~|NA\n"
             "9223372036854775807|-0.25|true|10957|946684800123456|946686600000000|x\r\ny\n");
}

static void a_schema_can_be_given(void **state) {
  json_t *some = json("{\"schema\": {\"id\": \"double\", \"day\": \"text\"}, \"columns\": [\"day\", \"id\"]}"), *all = json("{\"schema\": \"text\"}");
  json_t *columns = json("{\"columns\": [\"name\", \"ok\"]}"), *given = json("{\"schema\": {\"a\": \"text\"}}");
  (void)state;
  check_schema(CSV, TEXT(typed), NULL, some, "day:u id:g");
  check_rows(CSV, TEXT("id,day\n1,2024-01-01\n2,\n"), NULL, some, "2024-01-01|1\n~|2\n");
  check_rows(CSV, TEXT("id,day\n1,2024-01-01\n007,NA\n"), NULL, all, "1|2024-01-01\n007|NA\n");
  check_rows(CSV, TEXT("id,ok,name\n1,true,x\n2,,y\n"), NULL, columns, "x|true\ny|~\n");
  check_schema(CSV, TEXT("a,b\n1,2\n"), given, NULL, "a:u b:l");
  json_decref(some);
  json_decref(all);
  json_decref(columns);
  json_decref(given);
}

static void numbers_with_leading_zeros_are_text(void **state) {
  (void)state;
  check_rows(CSV, TEXT("zip,n,big\n01234,0,1\n99999,-0,18446744073709551616\n"), NULL, NULL, "01234|0|1\n99999|0|18446744073709551616\n");
}

static void misfits_are_named(void **state) {
  json_t *null = json("{\"misfit\": \"null\"}"), *schema = json("{\"schema\": {\"a\": \"int64\"}}"), *both = json("{\"schema\": {\"a\": \"int64\"}, \"misfit\": \"null\"}");
  json_t *unknown = json("{\"schema\": {\"z\": \"int64\"}}"), *wrong = json("{\"schema\": {\"a\": \"int7\"}}"), *cut = json("{\"ragged\": \"cut\"}");
  json_t *columns = json("{\"columns\": [\"zz\"]}"), *bytes = json("{\"schema\": {\"b\": \"bytes\"}}");
  (void)state;
  check_refused(CSV, TEXT("a,b\n1,x\ntwo,y\n"), NULL, schema, MST_E_CORRUPT, 4, "row 2, column \"a\": \"two\" is not a 64-bit integer");
  check_rows(CSV, TEXT("a,b\n1,x\ntwo,y\n"), NULL, both, "1|x\n~|y\n");
  check_refused(CSV, TEXT("a,b\n1,x\n2,y,z\n"), NULL, NULL, MST_E_CORRUPT, 8, "row 2 has more than 2 cells");
  check_rows(CSV, TEXT("a,b\n1,x\n2,y,z\n3\n4,w,\n"), NULL, cut, "1|x\n2|y\n3|~\n4|w\n");
  check_refused(CSV, TEXT("a,b\n1,x\n2,\xff\n"), NULL, NULL, MST_E_CORRUPT, 6, "0xff, is not UTF-8");
  check_rows(CSV, TEXT("a,b\n1,x\n2,\xff\n"), NULL, bytes, "1|x\n2|\xff\n");
  check_refused(CSV, TEXT("a,b\n1,x\n"), NULL, unknown, MST_E_ARGUMENT, -1, "\"z\"");
  check_refused(CSV, TEXT("a,b\n1,x\n"), NULL, wrong, MST_E_ARGUMENT, -1, "int7");
  check_refused(CSV, TEXT("a,b\n1,x\n"), NULL, columns, MST_E_ARGUMENT, -1, "zz");
  json_decref(null);
  json_decref(schema);
  json_decref(both);
  json_decref(unknown);
  json_decref(wrong);
  json_decref(cut);
  json_decref(columns);
  json_decref(bytes);
}

static void names_are_made_unique(void **state) {
  json_t *no_header = json("{\"header\": false}");
  (void)state;
  check_schema(CSV, TEXT("a,a,,\"b\nc\",\xff,a_1\n1,2,3,4,5,6\n"), NULL, NULL, "a:l a_1:l column_3:l b\nc:l \xef\xbf\xbd:l a_1_1:l");
  check_schema(CSV, TEXT("1,x\n2,y\n"), NULL, NULL, "column_1:l column_2:u");
  check_schema(CSV, TEXT("a,x\n2,y\n"), no_header, NULL, "column_1:u column_2:u");
  json_decref(no_header);
}

/* Any text, all columns text: the cells are those of the naive reader. */
static void cells_are_those_of_a_naive_reader(void **state) {
  json_t *given = json("{\"delimiter\": \",\", \"quote\": \"\\\"\", \"escape\": \"\", \"header\": false}"), *escape = json("{\"delimiter\": \",\", \"escape\": \"\\\\\", \"header\": false}");
  json_t *options = json("{\"schema\": \"bytes\", \"ragged\": \"cut\"}");
  uint64_t rng = 4;
  (void)state;
  for (int i = 0; i < 400; i++) {
    uint8_t text[600];
    const size_t n = scan_random(&rng) % (i % 2 == 0 ? 60 : sizeof text), calm = 1 + scan_random(&rng) % 6;
    for (size_t k = 0; k < n; k++) text[k] = (uint8_t)(scan_random(&rng) % calm == 0 ? ",\"\"\\\n\r,\n"[scan_random(&rng) % 8] : "ab \xc3\xa9"[scan_random(&rng) % 5]);
    naive_csv csv;
    mst_buf want;
    size_t widest = 0, in_row = 0;
    naive_csv_read(text, n, 0, ',', '"', i % 3 == 0 ? '\\' : -1, &csv);
    if (!csv.unclosed && csv.n_rows > 0) {
      mst_buf_init(&want, NULL, SIZE_MAX / 2);
      for (size_t k = 0; k < csv.n_cells; k++) {
        in_row = k > 0 && csv.cells[k].row == csv.cells[k - 1].row ? in_row + 1 : 1;
        widest = mst_max_size(widest, in_row);
      }
      for (size_t k = 0, row = 0; row < csv.n_rows; row++) {
        for (size_t c = 0; c < widest; c++) {
          const bool there = k < csv.n_cells && csv.cells[k].row == row;
          if (c > 0) mst_buf_put_text(&want, "|", NULL);
          if (!there || (csv.cells[k].size == 0 && csv.cells[k].bare)) mst_buf_put_text(&want, "~", NULL);
          else mst_buf_put(&want, csv.cells[k].text, csv.cells[k].size, NULL);
          k += there;
        }
        mst_buf_put_text(&want, "\n", NULL);
      }
      check_rows(CSV, text, n, i % 3 == 0 ? escape : given, options, mst_buf_text(&want));
      mst_buf_free(&want);
    }
    naive_csv_free(&csv);
  }
  json_decref(given);
  json_decref(escape);
  json_decref(options);
}

/* ---- VCF ------------------------------------------------------------------------------------------------------- */

#define VCF_HEADER                                                                                                               \
  "##fileformat=VCFv4.3\n##INFO=<ID=DP,Number=1,Type=Integer>\n##INFO=<ID=AF,Number=A,Type=Float>\n"                             \
  "##INFO=<ID=DB,Number=0,Type=Flag>\n##INFO=<ID=ANN,Number=.,Type=String>\n##FORMAT=<ID=GT,Number=1,Type=String>\n"             \
  "##FORMAT=<ID=AD,Number=R,Type=Integer>\n##FORMAT=<ID=GQ,Number=1,Type=Float>\n"                                               \
  "#CHROM\tPOS\tID\tREF\tALT\tQUAL\tFILTER\tINFO\tFORMAT\tS1\tS2\n"

static const char calls[] = VCF_HEADER "1\t5\trs1\tA\tT,<DEL>\t30.5\tPASS\tDP=7;AF=0.5,.;DB;ANN=x%20y|z\tGT:AD:GQ\t0/1:3,4:9.5\t./.\n"
                                       "1\t6\t.\tAC\t.\t.\tq10;s50\t.\tGT\t1|1\t.\n"
                                       "HLA*1:2\t0\t.\tN\t*\t1e2\t.\tAF=1;NEW=3;DP=.;DB=1\tGQ:XX:GT:AD\t.:q:0:.\t7\r\n"
                                       "x\t9\t.\tG\tA\t0\tPASS\tDP=1;DP=2;\tAD\t1\t.,2,3";

static void calls_have_types(void **state) {
  json_t *genotypes = json("{\"genotypes\": true}"), *no_info = json("{\"info\": false}"), *text = json("{\"info\": \"text\"}");
  (void)state;
  check_schema(VCF, TEXT(calls), NULL, genotypes,
               "CHROM:u POS:l ID:u REF:u ALT:+l(item:u) QUAL:g FILTER:+l(item:u) INFO:+s(DP:l AF:+l(item:g) DB:b ANN:+l(item:u)) "
               "genotypes:+s(GT:+l(sample:u) AD:+l(sample:+l(item:i)) GQ:+l(sample:g))");
  check_rows(VCF, TEXT(calls), NULL, genotypes,
             "1|5|rs1|A|[T,<DEL>]|30.5|[PASS]|{7,[0.5,~],true,[x%20y|z]}|{[0/1,./.],[[3,4],~],[9.5,~]}\n"
             "1|6|~|AC|~|~|[q10,s50]|{~,~,false,~}|{[1|1,~],[~,~],[~,~]}\n"
             "HLA*1:2|0|~|N|[*]|100|~|{~,[1],true,~}|{[0,~],[~,~],[~,7]}\n"
             "x|9|~|G|[A]|0|[PASS]|{1,~,false,~}|{[~,~],[[1],[~,2,3]],[~,~]}\n");
  check_rows(VCF, TEXT(calls), NULL, no_info, "1|5|rs1|A|[T,<DEL>]|30.5|[PASS]\n1|6|~|AC|~|~|[q10,s50]\nHLA*1:2|0|~|N|[*]|100|~\nx|9|~|G|[A]|0|[PASS]\n");
  check_schema(VCF, TEXT(calls), NULL, text, "CHROM:u POS:l ID:u REF:u ALT:+l(item:u) QUAL:g FILTER:+l(item:u) INFO:u");
  json_decref(genotypes);
  json_decref(no_info);
  json_decref(text);
}

static void calls_can_be_chosen(void **state) {
  json_t *o = json("{\"genotypes\": [\"GQ\", \"GT\"], \"info\": [\"DB\"], \"samples\": [\"S2\"], \"columns\": [\"genotypes\", \"POS\", \"INFO\"]}");
  json_t *reversed = json("{\"genotypes\": [\"GT\"], \"samples\": [\"S2\", \"S1\"], \"columns\": [\"genotypes\"]}");
  json_t *no_field = json("{\"info\": [\"ZZ\"]}"), *no_sample = json("{\"genotypes\": true, \"samples\": [\"S9\"]}"), *no_column = json("{\"columns\": [\"genotypes\"]}");
  (void)state;
  check_rows(VCF, TEXT(calls), NULL, o, "{[./.],[~]}|5|{true}\n{[~],[~]}|6|{false}\n{[~],[7]}|0|{true}\n{[~],[~]}|9|{false}\n");
  check_rows(VCF, TEXT(calls), NULL, reversed, "{[./.,0/1]}\n{[~,1|1]}\n{[~,0]}\n{[~,~]}\n");
  check_refused(VCF, TEXT(calls), NULL, no_field, MST_E_ARGUMENT, -1, "\"ZZ\"");
  check_refused(VCF, TEXT(calls), NULL, no_sample, MST_E_ARGUMENT, -1, "\"S9\"");
  check_refused(VCF, TEXT(calls), NULL, no_column, MST_E_ARGUMENT, -1, "\"genotypes\"");
  json_decref(o);
  json_decref(reversed);
  json_decref(no_field);
  json_decref(no_sample);
  json_decref(no_column);
}

static void calls_that_misfit_are_named(void **state) {
  static const char wrong[] = VCF_HEADER "1\t5\t.\tA\tT\t.\t.\tDP=many\tGT:AD\t0/1:3,x\t0/1:1\n";
  json_t *null = json("{\"misfit\": \"null\", \"genotypes\": true}"), *genotypes = json("{\"genotypes\": true, \"info\": false}");
  (void)state;
  check_refused(VCF, TEXT(wrong), NULL, NULL, MST_E_CORRUPT, 17, "line 1: INFO/DP \"many\" is not what the header declares");
  check_refused(VCF, TEXT(wrong), NULL, genotypes, MST_E_CORRUPT, 32, "FORMAT/AD \"3,x\"");
  check_rows(VCF, TEXT(wrong), NULL, null, "1|5|~|A|[T]|~|~|{~,~,false,~}|{[0/1,0/1],[~,[1]],[~,~]}\n");
  check_refused(VCF, TEXT(VCF_HEADER "1\t5\t.\tA\tT\t.\t.\t.\tGT\t0/1\n"), NULL, genotypes, MST_E_CORRUPT, 0, "fewer columns");
  check_refused(VCF, TEXT(VCF_HEADER "1\t5\t.\tA\tT\t.\t.\t.\tGT\t0/1\t.\t.\n"), NULL, genotypes, MST_E_CORRUPT, 0, "more columns");
  check_refused(VCF, TEXT(VCF_HEADER "1\t5\t.\tA\tT\t.\t.\t.\tGT\t0/1\t\xff\n"), NULL, genotypes, MST_E_CORRUPT, -1, "FORMAT/GT");
  check_refused(VCF, TEXT(VCF_HEADER "1\t5\t.\tA\xff\tT\t.\t.\t.\tGT\t0/1\t.\n"), NULL, NULL, MST_E_CORRUPT, 7, "not UTF-8");
  json_decref(null);
  json_decref(genotypes);
}

/* Samples of every shape against a naive reading of the same text. */
static void samples_are_those_of_a_naive_reader(void **state) {
  static const char *const texts[] = {".", "0/1", "0|1", "./.", "1", "10/11", "a-much-longer-genotype-than-usual"};
  static const char *const lists[] = {".", "1", "1,2", "12,345", "1,2,3,4", "1234567", "12345678", "1234,567", "12,34567", ".,3", "4,.", "123456789", "-5,6", "1,22,333,4444", "0", "00,01"};
  static const char *const numbers[] = {".", "0", "7", "42", "123", "1234567", "12345678", "2147483647", "-3", "+4"};
  static const char *const reals[] = {".", "1.5", "3", "1e3"};
  json_t *options = json("{\"genotypes\": true, \"info\": false, \"columns\": [\"genotypes\"]}");
  uint64_t rng = 6;
  (void)state;
  for (int round = 0; round < 30; round++) {
    const size_t samples = 1 + scan_random(&rng) % (round % 10 == 0 ? 700 : 9), lines = 1 + scan_random(&rng) % 5;
    mst_buf text, want;
    mst_buf_init(&text, NULL, SIZE_MAX / 2);
    mst_buf_init(&want, NULL, SIZE_MAX / 2);
    mst_buf_put_text(&text, "##fileformat=VCFv4.3\n##FORMAT=<ID=AD,Number=R,Type=Integer>\n##FORMAT=<ID=DP,Number=1,Type=Integer>\n"
                            "##FORMAT=<ID=X,Number=1,Type=Float>\n#CHROM\tPOS\tID\tREF\tALT\tQUAL\tFILTER\tINFO\tFORMAT", NULL);
    for (size_t i = 0; i < samples; i++) mst_buf_printf(&text, NULL, "\tS%zu", i);
    for (size_t l = 0; l < lines; l++) {
      mst_buf cells[4]; /* AD, DP, X, GT: the schema's order */
      for (int k = 0; k < 4; k++) mst_buf_init(&cells[k], NULL, SIZE_MAX / 2);
      mst_buf_put_text(&text, "\n1\t5\t.\tA\tT\t.\t.\t.\tGT:AD:DP:X", NULL);
      for (size_t i = 0; i < samples; i++) {
        const char *shown[4] = {lists[scan_random(&rng) % 16], numbers[scan_random(&rng) % 10], reals[scan_random(&rng) % 4], texts[scan_random(&rng) % 7]};
        const size_t given = scan_random(&rng) % 5 == 0 ? scan_random(&rng) % 4 : 3; /* how many follow GT */
        mst_buf_printf(&text, NULL, "\t%s", shown[3]);
        for (size_t k = 0; k < given; k++) mst_buf_printf(&text, NULL, ":%s", shown[k]);
        for (size_t k = 0; k < 4; k++) {
          const bool missing = (k < 3 && k >= given) || strcmp(shown[k], ".") == 0;
          if (i > 0) mst_buf_put_text(&cells[k], ",", NULL);
          if (missing) {
            mst_buf_put_text(&cells[k], "~", NULL);
          } else if (k == 0) {
            mst_buf_put_text(&cells[k], "[", NULL);
            for (char *copy = strdup(shown[k]), *rest = copy, *item; (item = strsep(&rest, ",")) != NULL || (free(copy), 0);)
              mst_buf_printf(&cells[k], NULL, item > copy ? (item[0] == '.' ? ",~" : ",%ld") : (item[0] == '.' ? "~" : "%ld"), strtol(item, NULL, 10));
            mst_buf_put_text(&cells[k], "]", NULL);
          } else if (k == 1) {
            mst_buf_printf(&cells[k], NULL, "%ld", strtol(shown[k], NULL, 10));
          } else if (k == 2) {
            mst_buf_printf(&cells[k], NULL, "%.17g", strtod(shown[k], NULL));
          } else {
            mst_buf_put_text(&cells[k], shown[k], NULL);
          }
        }
      }
      mst_buf_printf(&want, NULL, "{[%s],[%s],[%s],[%s]}\n", mst_buf_text(&cells[0]), mst_buf_text(&cells[1]), mst_buf_text(&cells[2]), mst_buf_text(&cells[3]));
      for (int k = 0; k < 4; k++) mst_buf_free(&cells[k]);
    }
    check_rows(VCF, text.data, text.size, NULL, options, mst_buf_text(&want));
    mst_buf_free(&text);
    mst_buf_free(&want);
  }
  json_decref(options);
}

static void headers_without_fields_give_text(void **state) {
  static const char bare[] = "##fileformat=VCFv4.3\n#CHROM\tPOS\tID\tREF\tALT\tQUAL\tFILTER\tINFO\n1\t2\t.\tA\tC\t.\t.\tX=1;Y\n1\t3\t.\tA\tC\t.\t.\t.\n";
  json_t *genotypes = json("{\"genotypes\": true}");
  (void)state;
  check_rows(VCF, TEXT(bare), NULL, NULL, "1|2|~|A|[C]|~|~|X=1;Y\n1|3|~|A|[C]|~|~|~\n");
  check_rows(VCF, TEXT(bare), NULL, genotypes, "1|2|~|A|[C]|~|~|X=1;Y|{[]}\n1|3|~|A|[C]|~|~|~|{[]}\n");
  json_decref(genotypes);
}

/* ---- faults ---------------------------------------------------------------------------------------------------- */

static void check_memory(const mst_record_ops *ops, const void *text, size_t n, const json_t *options) {
  json_t *dialect = sniff(ops, text, n, NULL);
  const size_t header = header_of(dialect);
  for (int persistent = 0; persistent < 2; persistent++)
    for (long k = 1;; k++) {
      mst_test_allocator a;
      const reading r = {.ops = ops, .dialect = dialect, .options = options, .batch_rows = 2, .chunk = 50, .mem = &a.allocator};
      mst_error err = {0};
      mst_buf got;
      mst_buf_init(&got, NULL, SIZE_MAX / 2);
      mst_test_allocator_init(&a, k, persistent != 0);
      const mst_status status = read_rows(&r, (const uint8_t *)text + header, n - header, &got, &err);
      mst_buf_free(&got);
      assert_int_equal(a.live_blocks, 0);
      if (!a.failed) {
        exact_ok(status, &err);
        break;
      }
      assert_int_equal(status, MST_E_NO_MEMORY);
    }
  json_decref(dialect);
}

static void every_allocation_may_fail(void **state) {
  json_t *genotypes = json("{\"genotypes\": true}");
  (void)state;
  check_memory(CSV, TEXT(typed), NULL);
  check_memory(VCF, TEXT(calls), genotypes);
  json_decref(genotypes);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(cells_have_types),
      cmocka_unit_test(a_schema_can_be_given),
      cmocka_unit_test(numbers_with_leading_zeros_are_text),
      cmocka_unit_test(misfits_are_named),
      cmocka_unit_test(names_are_made_unique),
      cmocka_unit_test(cells_are_those_of_a_naive_reader),
      cmocka_unit_test(calls_have_types),
      cmocka_unit_test(calls_can_be_chosen),
      cmocka_unit_test(calls_that_misfit_are_named),
      cmocka_unit_test(samples_are_those_of_a_naive_reader),
      cmocka_unit_test(headers_without_fields_give_text),
      cmocka_unit_test(every_allocation_may_fail),
  };
  return cmocka_run_group_tests_name("rows", tests, NULL, NULL);
}

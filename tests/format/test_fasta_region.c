/* tests/format/test_fasta_region.c - regions of FASTA records, by our index and by .fai and .gzi, against residues cut
 * out of what a naive parser found, and against samtools' answers in the shared corpus. Companions that lie. */
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>

#include "format/exact.h"
#include "format/fasta.h"
#include "format/table.h"
#include "format/wrap.h"

/* ---- one query --------------------------------------------------------------------------------------------------- */

/* Plans one region and reads its slice; `header` and `residues` from malloc, without line ends. */
static mst_status query_region(drive *d, const char *region, char **header, char **residues, mst_error *err) {
  const mst_plan_query query = {.region = region};
  drive_plan plan = {0};
  mst_status status;
  mst_buf out;
  table t;
  table_init(&t);
  mst_buf_init(&out, NULL, SIZE_MAX / 2);
  MST_TRY(drive_make_plan(d, &query, &plan, err));
  assert_int_equal(plan.n, 1);
  char *text = json_dumps(plan.parts[0].json, JSON_COMPACT);
  assert_true(strlen(text) <= 700);
  free(text);
  MST_TRY(drive_read(d, plan.parts[0].json, NULL, &out, err));
  MST_TRY(table_read(&t, d, plan.parts[0].json, NULL, err));
  assert_true(out.size > 0 && out.data[0] == '>' && out.data[out.size - 1] == '\n');
  char *at = strchr((char *)out.data, '\n'), *to;
  *header = strndup((char *)out.data + 1, (size_t)(at - (char *)out.data) - 1);
  *residues = to = malloc(out.size);
  for (size_t column = 0; *++at != '\0';) { /* every line but the last has 60 residues */
    if (*at == '\n') assert_true(at[1] == '\0' || column == 60);
    column = *at == '\n' ? 0 : column + 1;
    assert_true(column <= 60);
    if (*at != '\n') *to++ = *at;
  }
  *to = '\0';
  assert_int_equal(t.rows, 1);
  assert_string_equal(table_cell(&t, 0, 2), *residues);
done:
  table_free(&t);
  mst_buf_free(&out);
  drive_plan_free(d, &plan);
  return status;
}

static void check_region(drive *d, const char *region, const char *want_header, const char *want, size_t n) {
  char *header, *residues;
  mst_error err = {0};
  if (query_region(d, region, &header, &residues, &err) != MST_OK) fail_msg("%s: %s", region, err.message);
  if (strlen(residues) != n || memcmp(residues, want, n) != 0)
    fail_msg("%s of %s: \"%s\", not \"%.*s\"", region, d->name, residues, (int)n, want);
  if (want_header != NULL) assert_string_equal(header, want_header);
  free(header);
  free(residues);
}

static void check_refused(drive *d, const char *region, mst_status want, const char *reason) {
  char *header, *residues;
  mst_error err = {0};
  const mst_status status = query_region(d, region, &header, &residues, &err);
  if (status != want)
    fail_msg("%s: %s, not %s (%s)", region, mst_status_name(status), mst_status_name(want), err.message);
  if (strstr(err.message, reason) == NULL) fail_msg("%s: %s", region, err.message);
}

/* ---- by our index ------------------------------------------------------------------------------------------------ */

static const char small[] = "; old comment\n"
                            ">a first one\nACGTAC\nGTAC\nG\n"
                            ">b:1-3 odd\r\nTTTTGGGG\r\nCC\r\n"
                            ">b\nAAAA\n\nCC CC\n;GGGG\nT\n"
                            ">empty\n"
                            ">a copy\nNNNN\n"
                            ">\nKK\n"
                            ">last\nRRRRYY";

static void check_small(drive *d) {
  check_region(d, "a", "a first one", "ACGTACGTACG", 11);
  check_region(d, "a:1-11", "a first one", "ACGTACGTACG", 11);
  check_region(d, "a:5-8", NULL, "ACGT", 4);
  check_region(d, "a:6-7", NULL, "CG", 2);
  check_region(d, "a:11-11", NULL, "G", 1);
  check_region(d, "a:10-5000", NULL, "CG", 2);
  check_region(d, "a:12-20", NULL, "", 0);
  check_region(d, "a:9", NULL, "ACG", 3);
  check_region(d, "a:9-", NULL, "ACG", 3);
  check_region(d, "a:-2", NULL, "AC", 2);
  check_region(d, "a:1-1,0", NULL, "ACGTACGTAC", 10);
  check_region(d, "b:1-3", "b:1-3 odd", "TTTTGGGGCC", 10);
  check_region(d, "b:1-3:4-5", "b:1-3 odd", "TG", 2);
  check_region(d, "{b}:1-3", "b", "AAA", 3);
  check_region(d, "b:4-6", "b", "ACC", 3);
  check_region(d, "b:1-4", "b", "AAAA", 4);
  check_region(d, "b", "b", "AAAACCCCT", 9);
  check_region(d, "empty", "empty", "", 0);
  check_region(d, "last:2-6", "last", "RRRYY", 5);
  check_refused(d, "c", MST_E_NOT_FOUND, "no record named \"c\"");
  check_refused(d, "c:1-5", MST_E_NOT_FOUND, "no record named \"c\"");
  check_refused(d, "a:x", MST_E_NOT_FOUND, "no record named \"a:x\"");
  check_refused(d, "a:5-4", MST_E_ARGUMENT, "the first must not lie behind the last");
  check_refused(d, "a:0-4", MST_E_ARGUMENT, "count from 1");
  check_refused(d, "", MST_E_ARGUMENT, "empty");
  check_refused(d, "{a", MST_E_ARGUMENT, "{name}");
}

static void test_regions_by_our_index(void **state) {
  (void)state;
  for (uint64_t spacing = 1; spacing < 150; spacing += spacing < 20 ? 1 : 13) {
    mst_error err = {0};
    drive d;
    drive_init(&d, NULL, &mst_format_fasta, "small.fa", small, sizeof small - 1);
    d.spacing = spacing;
    exact_ok(drive_index(&d, NULL, 0, &err), &err);
    check_small(&d);
    d.grain = 1;
    check_region(&d, "b:1-3:4-5", "b:1-3 odd", "TG", 2);
    drive_free(&d);
  }
}

static void test_many_regions_at_once(void **state) {
  const mst_plan_query query = {.region = " a:1-2\tb:1-3 {b}:9  last "}, few = {.region = "a b", .slices = 1};
  static const char *const want[] = {">a first one\nAC\n", ">b:1-3 odd\nTTTTGGGGCC\n", ">b\nT\n", ">last\nRRRRYY\n"};
  drive_plan plan = {0};
  mst_error err = {0};
  drive d;
  (void)state;
  drive_init(&d, NULL, &mst_format_fasta, "small.fa", small, sizeof small - 1);
  d.spacing = 10;
  exact_ok(drive_index(&d, NULL, 0, &err), &err);
  exact_ok(drive_make_plan(&d, &query, &plan, &err), &err);
  assert_int_equal(plan.n, 4);
  for (size_t i = 0; i < 4; i++) {
    mst_buf out;
    mst_buf_init(&out, NULL, SIZE_MAX / 2);
    exact_ok(drive_read(&d, plan.parts[i].json, NULL, &out, &err), &err);
    assert_string_equal(mst_buf_text(&out), want[i]);
    mst_buf_free(&out);
  }
  drive_plan_free(&d, &plan);
  assert_int_equal(drive_make_plan(&d, &few, &plan, &err), MST_E_ARGUMENT);
  drive_free(&d);
}

/* A long record among others, in every container: each region costs the spans that hold it, not the record. */
typedef struct big {
  char *text;
  size_t n;
  char *residues[3];
  size_t length[3];
} big;

static void make_big(big *b, uint64_t seed, const char *end, size_t width) {
  static const size_t lengths[3] = {500, 150000, 40};
  b->text = malloc(400000);
  b->n = 0;
  for (int r = 0; r < 3; r++) {
    b->length[r] = lengths[r];
    b->residues[r] = malloc(lengths[r] + 1);
    b->n += (size_t)sprintf(b->text + b->n, ">chr%d some text%s", r + 1, end);
    for (size_t i = 0; i < lengths[r]; i++) {
      if (i > 0 && i % width == 0) b->n += (size_t)sprintf(b->text + b->n, "%s", end);
      b->text[b->n++] = b->residues[r][i] = "ACGTNacgt"[exact_random(&seed) % 9];
    }
    b->residues[r][lengths[r]] = '\0';
    b->n += (size_t)sprintf(b->text + b->n, "%s", end);
  }
}

static void free_big(big *b) {
  free(b->text);
  for (int r = 0; r < 3; r++) free(b->residues[r]);
}

static void check_big(drive *d, const big *b, uint64_t seed, int rounds) {
  for (int i = 0; i < rounds; i++) {
    const int r = i % 4 == 0 ? (int)(exact_random(&seed) % 3) : 1;
    const size_t from = exact_random(&seed) % b->length[r], most = i % 3 == 0 ? b->length[r] : 200;
    const size_t n = mst_min_size(1 + exact_random(&seed) % most, b->length[r] - from);
    char region[64];
    snprintf(region, sizeof region, "chr%d:%zu-%zu", r + 1, from + 1, from + n + (n + from == b->length[r] ? 7 : 0));
    check_region(d, region, NULL, b->residues[r] + from, n);
  }
}

static void test_big_records_in_every_container(void **state) {
  mst_error err = {0};
  big b;
  (void)state;
  make_big(&b, 77, "\n", 61);
  for (wrap_kind kind = 0; kind < WRAP_KINDS; kind++) {
    size_t size;
    uint8_t *data = wrap(kind, b.text, b.n, 9000, &size);
    drive d;
    drive_init(&d, NULL, &mst_format_fasta, wrap_name(kind), data, size);
    d.spacing = 5000;
    exact_ok(drive_index(&d, NULL, 0, &err), &err);
    check_big(&d, &b, 5 + kind, 60);
    if (kind == WRAP_PLAIN) {
      drive_count_anew(&d);
      check_region(&d, "chr2:100001-100100", NULL, b.residues[1] + 100000, 100);
      /* Twice (raw and as a row): the header's span and the region's. */
      assert_true(d.bytes_given <= 2 * 2 * (5000 + 5000));
    }
    drive_free(&d);
    free(data);
  }
  free_big(&b);
}

/* Two words with one FNV-1a hash: the object decides. */
static void test_names_with_one_hash(void **state) {
  static const char text[] = ">x\nAA\n>costarring\nCC\n>liquid\nGG\n>liquid again\nTT\n";
  mst_error err = {0};
  drive d;
  (void)state;
  assert_int_equal(mst_fasta_hash((const uint8_t *)"costarring", 10), mst_fasta_hash((const uint8_t *)"liquid", 6));
  for (uint64_t spacing = 1; spacing < 50; spacing += 3) {
    drive_init(&d, NULL, &mst_format_fasta, "twins.fa", text, sizeof text - 1);
    d.spacing = spacing;
    exact_ok(drive_index(&d, NULL, 0, &err), &err);
    check_region(&d, "costarring", "costarring", "CC", 2);
    check_region(&d, "liquid", "liquid", "GG", 2);
    check_region(&d, "liquid:2-2", "liquid", "G", 1);
    drive_free(&d);
  }
}

static void test_long_names(void **state) {
  char text[2000], name[400];
  mst_error err = {0};
  drive d;
  (void)state;
  memset(name, 'n', sizeof name);
  name[390] = '\0';
  snprintf(text, sizeof text, ">%.300s1\nACGT\n>%s\nGGG\n>z\nTT\n", name, name);
  drive_init(&d, NULL, &mst_format_fasta, "long.fa", text, strlen(text));
  d.spacing = 100;
  exact_ok(drive_index(&d, NULL, 0, &err), &err);
  check_region(&d, name, name, "GGG", 3);
  drive_free(&d);
}

/* ---- by companions ----------------------------------------------------------------------------------------------- */

typedef struct companions {
  mst_member members[3];
  mst_bytes bytes[2];
} companions;

static void set_companions(drive *d, companions *c, const char *fai, const void *gzi, size_t gzi_size) {
  *c = (companions){.members = {{.name = d->name, .size = d->size, .present = true, .fresh = true},
                                {.name = "x.fai", .size = strlen(fai), .present = true, .fresh = true},
                                {.name = "x.gzi", .size = gzi_size, .present = gzi != NULL, .fresh = gzi != NULL}}};
  c->bytes[0] = mst_bytes_borrow(fai, strlen(fai));
  c->bytes[1] = mst_bytes_borrow(gzi, gzi_size);
  d->members = c->members;
  d->companions = c->bytes;
  d->n_members = 3;
}

/* Blocks of a BGZF object, as a .gzi tells them. */
static uint8_t *make_gzi(const uint8_t *data, size_t n, size_t *size) {
  uint8_t *gzi = calloc(1, 8 + 16 * (n / 26 + 1));
  uint64_t plain = 0, count = 0;
  assert_non_null(gzi);
  for (size_t at = 0; at < n;) {
    const size_t block = (size_t)mst_le16(data + at + 16) + 1;
    if (at > 0) {
      mst_put_le64(gzi + 8 + 16 * count, at);
      mst_put_le64(gzi + 16 + 16 * count++, plain);
    }
    plain += mst_le32(data + at + block - 4);
    at += block;
  }
  mst_put_le64(gzi, count);
  *size = 8 + 16 * (size_t)count;
  return gzi;
}

static void test_regions_by_fai(void **state) {
  (void)state;
  for (int crlf = 0; crlf < 2; crlf++) {
    const char *end = crlf ? "\r\n" : "\n";
    char fai[300];
    companions c;
    mst_error err = {0};
    drive d;
    big b;
    size_t at = 0, size, gzi_size;
    uint8_t *packed, *gzi;
    make_big(&b, 3, end, 60);
    for (int r = 0; r < 3; r++) {
      const char *line = strstr(b.text, r == 0 ? ">chr1" : r == 1 ? ">chr2" : ">chr3");
      const size_t first = (size_t)(strchr(line, '\n') - b.text) + 1, bases = mst_min_size(b.length[r], 60);
      at += (size_t)snprintf(fai + at, sizeof fai - at, "chr%d\t%zu\t%zu\t%zu\t%zu\n", r + 1, b.length[r], first, bases,
                             bases + strlen(end));
    }
    drive_init(&d, NULL, &mst_format_fasta, "x.fa", b.text, b.n);
    set_companions(&d, &c, fai, NULL, 0);
    exact_ok(drive_inspect(&d, &err), &err);
    check_big(&d, &b, 9, 100);
    check_region(&d, "chr1", "chr1 some text", b.residues[0], b.length[0]);
    check_region(&d, "chr1:501-900", "chr1 some text", "", 0);
    check_refused(&d, "chr4", MST_E_NOT_FOUND, "chr4");
    check_refused(&d, "chr1:7-6", MST_E_ARGUMENT, "behind the last");
    d.grain = 7;
    check_region(&d, "chr3:2-41", NULL, b.residues[2] + 1, 39);
    c.members[1].fresh = false;
    check_refused(&d, "chr1", MST_E_NOT_FOUND, "older");
    c.members[1].present = false;
    check_refused(&d, "chr1", MST_E_NOT_FOUND, "no index");
    drive_free(&d);
    packed = wrap(WRAP_BGZF, b.text, b.n, 3000, &size);
    gzi = make_gzi(packed, size, &gzi_size);
    drive_init(&d, NULL, &mst_format_fasta, "x.fa.gz", packed, size);
    set_companions(&d, &c, fai, gzi, gzi_size);
    exact_ok(drive_inspect(&d, &err), &err);
    check_big(&d, &b, 19, 100);
    c.members[2].present = false;
    check_refused(&d, "chr1", MST_E_NOT_FOUND, ".gzi");
    drive_free(&d);
    free(packed);
    free(gzi);
    free_big(&b);
  }
}

/* A companion that tells lies is refused, and named; it never gives residues that are not there. */
static void test_companions_that_lie(void **state) {
  static const char text[] = ">a x\nACGTAC\nGTAC\n>b\nTTTT\nGG\n>c\nAC GT\n>d\nAA\n;note\nCC\n>e\n>f\nAA\n\nT>A\n>g\nAA\n\n;x\n \n>e\n";
  static const struct {
    const char *fai, *region, *reason;
    mst_status status;
  } cases[] = {
      {"a\t10\t5\t6\t7\n", "a", "", MST_OK},
      {"a\t10\t5\t6\t7", "a", "", MST_OK},
      {"e\t0\t55\t0\t0\n", "e", "", MST_OK},
      {"e\t0\t81\t0\t0\n", "e", "", MST_OK},
      {"a\t0\t5\t6\t7\n", "a", "the record goes on", MST_E_CORRUPT},
      {"a\t10\t5\t6\t7\n", "a:11-12", "", MST_OK},
      {"a\t6\t5\t6\t7\n", "a:11-12", "the record goes on", MST_E_CORRUPT},
      {"b\t10\t5\t6\t7\n", "b", "another record", MST_E_CORRUPT},
      {"a\t10\t6\t6\t7\n", "a", "no line of residues begins", MST_E_CORRUPT},
      {"a\t10\t5\t5\t6\n", "a", "a line does not end", MST_E_CORRUPT},
      {"a\t10\t5\t6\t8\n", "a", "a line does not end", MST_E_CORRUPT},
      {"a\t12\t5\t6\t7\n", "a", "not only residues", MST_E_CORRUPT},
      {"a\t8\t5\t6\t7\n", "a", "the record goes on", MST_E_CORRUPT},
      {"a\t8\t5\t6\t7\n", "a:1-3", "", MST_OK},
      {"a\t6\t5\t6\t7\n", "a", "the record goes on", MST_E_CORRUPT},
      {"a\t1000\t5\t6\t7\n", "a", "not only residues", MST_E_CORRUPT},
      {"a\t1000\t5\t6\t7\n", "a:900-901", "", MST_E_CORRUPT},
      {"a\t18446744073709551615\t5\t6\t7\n", "a", "make no sense", MST_E_CORRUPT},
      {"a\t18446744073709551616\t5\t6\t7\n", "a", "four numbers", MST_E_CORRUPT},
      {"a\t10\t1152921504606846977\t6\t7\n", "a", "make no sense", MST_E_CORRUPT},
      {"a\t10\t99999\t6\t7\n", "a", "", MST_E_CORRUPT},
      {"a\t10\t5\t0\t0\n", "a", "make no sense", MST_E_CORRUPT},
      {"a\t10\t5\t6\t6\n", "a", "make no sense", MST_E_CORRUPT},
      {"a\t10\t5\t6\t99\n", "a", "make no sense", MST_E_CORRUPT},
      {"a\t10\t5\t6\n", "a", "four numbers", MST_E_CORRUPT},
      {"a\t10\t5\t6\t7\t9\n", "a", "FASTQ", MST_E_CORRUPT},
      {"a 10 5 6 x\n", "a", "four numbers", MST_E_CORRUPT},
      {"", "a", "no record named", MST_E_NOT_FOUND},
      {"c\t4\t31\t5\t6\n", "c:1-3", "not only residues", MST_E_CORRUPT},
      {"d\t4\t40\t2\t3\n", "d:1-3", "no residue stands", MST_E_CORRUPT},
      {"d\t2\t40\t2\t3\n", "d", "the record goes on", MST_E_CORRUPT},
      {"f\t2\t58\t2\t3\n", "f", "the record goes on", MST_E_CORRUPT},
      {"g\t2\t69\t2\t3\n", "g", "", MST_OK},
  };
  (void)state;
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    char *header, *residues;
    companions c;
    mst_error err = {0};
    drive d;
    drive_init(&d, NULL, &mst_format_fasta, "x.fa", text, sizeof text - 1);
    set_companions(&d, &c, cases[i].fai, NULL, 0);
    exact_ok(drive_inspect(&d, &err), &err);
    const mst_status status = query_region(&d, cases[i].region, &header, &residues, &err);
    if (status != cases[i].status || (status != MST_OK && strstr(err.message, cases[i].reason) == NULL))
      fail_msg("%s %s: %s %s", cases[i].fai, cases[i].region, mst_status_name(status), err.message);
    if (status == MST_OK) {
      free(header);
      free(residues);
    }
    drive_free(&d);
  }
}

static void test_broken_gzi(void **state) {
  static const char text[] = ">a\nACGTACGTACGTACGTACGTACGTACGTACGTACGTACGT\n";
  size_t size, gzi_size;
  uint8_t *packed = wrap(WRAP_BGZF, text, sizeof text - 1, 10, &size), *gzi = make_gzi(packed, size, &gzi_size);
  uint64_t rng = 4;
  (void)state;
  for (int i = 0; i < 3000; i++) {
    uint8_t *wrong = malloc(gzi_size);
    const size_t n = i % 3 == 0 ? exact_random(&rng) % gzi_size : gzi_size;
    char *header, *residues;
    companions c;
    mst_error err = {0};
    mst_status status;
    drive d;
    memcpy(wrong, gzi, gzi_size);
    wrong[exact_random(&rng) % gzi_size] ^= (uint8_t)(1u << exact_random(&rng) % 8);
    drive_init(&d, NULL, &mst_format_fasta, "x.fa.gz", packed, size);
    set_companions(&d, &c, "a\t40\t3\t40\t41\n", wrong, n);
    exact_ok(drive_inspect(&d, &err), &err);
    status = query_region(&d, "a:11-30", &header, &residues, &err);
    if (status == MST_OK) {
      assert_string_equal(residues, "GTACGTACGTACGTACGTAC");
      free(header);
      free(residues);
    } else if (status != MST_E_CORRUPT) {
      fail_msg("%s: %s", mst_status_name(status), err.message);
    }
    drive_free(&d);
    free(wrong);
  }
  free(packed);
  free(gzi);
}

static void test_hostile_parts(void **state) {
  static const char *const parts[] = {
      "{\"kind\":\"region\"}",
      "{\"kind\":\"region\",\"name\":\"a\",\"from\":1}",
      "{\"kind\":\"region\",\"name\":\"a\",\"from\":0,\"head\":{\"kind\":\"all\"}}",
      "{\"kind\":\"region\",\"name\":\"a\",\"from\":1,\"head\":{\"kind\":\"region\"}}",
      "{\"kind\":\"region\",\"name\":\"a\",\"from\":1,\"head\":{\"kind\":\"all\"}}",
      "{\"kind\":\"region\",\"name_size\":1,\"from\":1}",
      "{\"kind\":\"fai\",\"name\":\"a\",\"from\":1}",
      "{\"kind\":\"fai\",\"name\":\"a\",\"from\":1,\"entry\":[10,5,6]}",
      "{\"kind\":\"fai\",\"name\":\"a\",\"from\":1,\"entry\":[10,5,6,-7]}",
      "{\"kind\":\"fai\",\"name\":\"a\",\"from\":1,\"entry\":[9223372036854775807,5,1,2]}",
      "{\"kind\":\"fai\",\"name\":\"a\",\"from\":1,\"entry\":[10,9223372036854775807,6,7]}",
      "{\"kind\":\"fai\",\"name\":\"a\",\"from\":5,\"to\":4,\"entry\":[10,5,6,7]}",
      "{\"kind\":\"other\"}",
  };
  mst_error err = {0};
  drive d;
  (void)state;
  drive_init(&d, NULL, &mst_format_fasta, "small.fa", small, sizeof small - 1);
  exact_ok(drive_index(&d, NULL, 0, &err), &err);
  for (size_t i = 0; i < sizeof parts / sizeof *parts; i++) {
    json_t *part = json_loads(parts[i], 0, NULL);
    mst_buf out;
    assert_non_null(part);
    mst_buf_init(&out, NULL, SIZE_MAX / 2);
    if (drive_read(&d, part, NULL, &out, &err) != MST_E_CORRUPT) fail_msg("%s", parts[i]);
    mst_buf_free(&out);
    json_decref(part);
  }
  drive_free(&d);
}

static void test_memory_runs_out(void **state) {
  mst_error err = {0};
  drive d;
  (void)state;
  drive_init(&d, NULL, &mst_format_fasta, "small.fa", small, sizeof small - 1);
  d.spacing = 10;
  exact_ok(drive_index(&d, NULL, 0, &err), &err);
  for (int persistent = 0; persistent < 2; persistent++)
    for (long n = 1;; n++) {
      char *header, *residues;
      mst_test_allocator a;
      mst_status status;
      mst_test_allocator_init(&a, n, persistent != 0);
      d.mem = &a.allocator;
      status = query_region(&d, n % 2 == 0 ? "a:5-8" : "b:1-3:4-5", &header, &residues, &err);
      if (status == MST_OK) {
        free(header);
        free(residues);
      }
      assert_int_equal(a.live_blocks, 0);
      if (!a.failed && n % 2 == 0) {
        exact_ok(status, &err);
        break;
      }
      if (status != MST_E_NO_MEMORY && status != MST_OK) fail_msg("allocation %ld: %s", n, err.message);
    }
  d.mem = NULL;
  drive_free(&d);
}

/* ---- the shared corpus ------------------------------------------------------------------------------------------- */

static char *make_fai(const json_t *rows) {
  mst_buf out;
  const json_t *row, *value;
  size_t i, k;
  char *text;
  mst_buf_init(&out, NULL, SIZE_MAX / 2);
  json_array_foreach(rows, i, row) {
    json_array_foreach(row, k, value)
        assert_int_equal(mst_buf_printf(&out, NULL, "%s%s", k == 0 ? "" : "\t", json_string_value(value)), MST_OK);
    assert_int_equal(mst_buf_put_text(&out, "\n", NULL), MST_OK);
  }
  text = strdup(mst_buf_text(&out));
  mst_buf_free(&out);
  return text;
}

static void check_queries(drive *d, const json_t *queries) {
  const json_t *q;
  size_t i;
  json_array_foreach(queries, i, q) {
    const char *want = json_string_value(json_object_get(q, "sequence"));
    check_region(d, json_string_value(json_object_get(q, "region")), NULL, want, strlen(want));
  }
}

static void check_case(const char *name) {
  char relative[300], path[PATH_MAX], *fai;
  mst_error err = {0};
  json_t *expected, *queries;
  uint8_t *data;
  size_t n;
  companions c;
  drive d;
  snprintf(relative, sizeof relative, "corpus/slicing/fasta/%s/expected.json", name);
  assert_true(mst_test_shared(relative, path));
  expected = json_load_file(path, 0, NULL);
  queries = json_object_get(expected, "queries");
  snprintf(relative, sizeof relative, "corpus/slicing/fasta/%s/%s", name,
           json_string_value(json_object_get(expected, "input")));
  assert_true(mst_test_shared(relative, path));
  data = mst_test_read_file(path, &n);
  fai = make_fai(json_object_get(expected, "fai"));
  for (wrap_kind kind = 0; kind < WRAP_KINDS && json_array_size(queries) > 0; kind++) {
    size_t size, gzi_size = 0;
    uint8_t *packed = wrap(kind, data, n, 1000, &size),
            *gzi = kind == WRAP_BGZF ? make_gzi(packed, size, &gzi_size) : NULL;
    drive_init(&d, NULL, &mst_format_fasta, wrap_name(kind), packed, size);
    d.spacing = 700;
    exact_ok(drive_index(&d, NULL, 0, &err), &err);
    check_queries(&d, queries);
    drive_free(&d);
    drive_init(&d, NULL, &mst_format_fasta, wrap_name(kind), packed, size);
    exact_ok(drive_inspect(&d, &err), &err);
    set_companions(&d, &c, fai, gzi, gzi_size);
    if (kind == WRAP_PLAIN || kind == WRAP_BGZF) check_queries(&d, queries);
    drive_free(&d);
    free(packed);
    free(gzi);
  }
  free(fai);
  free(data);
  json_decref(expected);
}

static void test_corpus_queries(void **state) {
  char path[PATH_MAX];
  struct dirent *entry;
  DIR *folder;
  (void)state;
  MST_TEST_NEED_SHARED("corpus/slicing/fasta", path);
  folder = opendir(path);
  assert_non_null(folder);
  while ((entry = readdir(folder)) != NULL)
    if (entry->d_name[0] != '.') check_case(entry->d_name);
  closedir(folder);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_regions_by_our_index),
      cmocka_unit_test(test_many_regions_at_once),
      cmocka_unit_test(test_big_records_in_every_container),
      cmocka_unit_test(test_names_with_one_hash),
      cmocka_unit_test(test_long_names),
      cmocka_unit_test(test_regions_by_fai),
      cmocka_unit_test(test_companions_that_lie),
      cmocka_unit_test(test_broken_gzi),
      cmocka_unit_test(test_hostile_parts),
      cmocka_unit_test(test_memory_runs_out),
      cmocka_unit_test(test_corpus_queries),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}

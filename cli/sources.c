/* cli/sources.c - the commands index, slices, get, verify and show. */
#include "cli.h"
#include "dataset.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const cli_option index_options[] = {
    CLI_SOURCE_OPTIONS,
    {"spacing", 0, CLI_SIZE, "SIZE", "plain bytes between checkpoints; default 1 MiB"},
    {"force", 0, CLI_FLAG, NULL, "index again even where a fresh index is there"},
    {"dry-run", 0, CLI_FLAG, NULL, "only say what would be read and written"},
    {"recover", 0, CLI_FLAG, NULL, "index what is whole of a damaged source, and say what is missing"},
    {"companion", 0, CLI_TEXT, "KIND", "write a companion in the field's own format instead: fai, gzi"},
    {NULL, 0, CLI_FLAG, NULL, NULL}};

static uint64_t number_of(const json_t *o, const char *key) {
  return (uint64_t)json_integer_value(json_object_get(o, key));
}
static const char *text_of(const json_t *o, const char *key) {
  const char *t = json_string_value(json_object_get(o, key));
  return t == NULL ? "" : t;
}

static int say_report(cli *c, const json_t *r) {
  char a[24], b[24], n[32], k[32];
  size_t i;
  json_t *note;
  const char *done = text_of(r, "done");
  if (cli_has(c, "json")) return cli_print_json(r);
  if (cli_has(c, "quiet")) return CLI_DONE;
  if (strcmp(done, "indexed") == 0)
    printf("%s: %s records in %s of plain text, %s checkpoints, index of %s at %s\n", text_of(r, "url"),
           cli_count(number_of(r, "records"), n), cli_size(number_of(r, "plain_bytes"), a),
           cli_count(number_of(r, "checkpoints"), k), cli_size(number_of(r, "writes"), b), text_of(r, "index"));
  else if (strcmp(done, "fresh") == 0)
    printf("%s: the index is fresh, nothing to do (%s records)\n", text_of(r, "url"),
           cli_count(number_of(r, "records"), n));
  else if (strcmp(done, "dry-run") == 0)
    printf("%s: would read %s and write about %s to %s\n", text_of(r, "url"), cli_size(number_of(r, "reads"), a),
           cli_size(number_of(r, "writes"), b), text_of(r, "index"));
  else printf("%s: needs no index, %s files hold their own\n", text_of(r, "url"), text_of(r, "format"));
  json_array_foreach(json_object_get(r, "notes"), i, note)
      cli_note("note: %s", json_string_value(note) == NULL ? "?" : json_string_value(note));
  json_array_foreach(json_object_get(r, "damage"), i, note) cli_note("damaged: %s", text_of(note, "what"));
  return CLI_DONE;
}

static int index_one(cli *c, const char *url) {
  mst_error err;
  mst_source *s = NULL;
  json_t *report = NULL;
  mst_status status = cli_open_source(c, url, &s, &err);
  if (status != MST_OK) return cli_fail(status, &err);
  int code = CLI_DONE;
  if (cli_has(c, "companion")) {
    status = mst_source_export(s, cli_text(c, "companion"), NULL, c->cancel, &err);
    if (status != MST_OK) code = cli_fail(status, &err);
    else if (!cli_has(c, "quiet")) printf("%s.%s written\n", mst_source_get_url(s), cli_text(c, "companion"));
  } else {
    code = cli_index_one(c, s, &report);
    if (code == CLI_DONE) code = say_report(c, report);
  }
  json_decref(report);
  mst_source_unref(s);
  return code;
}

static int run_index(cli *c) { return cli_each_source(c, index_one); }

const cli_command cli_command_index = {
    .name = "index",
    .title = "look at a source once and store where its records lie",
    .usage = "[options] URL…",
    .text =
        "Reads each source once, from beginning to end, and writes one small Parquet file beside it (URL.meseta), or "
        "below --index-at. The source is "
        "never changed. Checksums of compressed sources are verified on the way; damage is an error (exit 6) and "
        "leaves no index.\n"
        "A source whose index is fresh is left alone. URL may be an object, a prefix that ends with '/', or a glob.\n",
    .examples =
        "meseta index reads.fastq.gz\tindexes one file\nmeseta index 's3://bucket/runs/*.fastq.gz' -j 8\tindexes many\n"
        "meseta index s3://public/x.vcf.gz --index-at ./indexes/\tkeeps the index of a read-only bucket at home\n",
    .options = index_options,
    .run = run_index};

/* ---- slices ---- */

static const cli_option slices_options[] = {CLI_QUERY_OPTIONS,
                                            CLI_SOURCE_OPTIONS,
                                            {"table", 't', CLI_FLAG, NULL, "a table for people instead of JSON lines"},
                                            {NULL, 0, CLI_FLAG, NULL, NULL}};

static void add_table_row(cli_table *t, size_t i, const mst_slice *s) {
  char number[32], records[32] = "?", bytes[24] = "?";
  snprintf(number, sizeof number, "%zu", i + 1);
  if (mst_slice_get_records(s) != MST_UNKNOWN) cli_count(mst_slice_get_records(s), records);
  if (mst_slice_get_bytes(s) != MST_UNKNOWN) cli_size(mst_slice_get_bytes(s), bytes);
  cli_table_row(t, (const char *const[]){number, records, bytes, mst_slice_get_format(s), mst_slice_get_url(s)});
}

static int print_plan(cli *c, const mst_plan *p) {
  cli_table t;
  int code = CLI_DONE;
  const bool table = cli_has(c, "table") && !cli_has(c, "json");
  cli_table_init(&t, 5, 7);
  if (table) cli_table_row(&t, (const char *const[]){"slice", "records", "plain size", "format", "source"});
  for (size_t i = 0; i < mst_plan_get_count(p) && code == CLI_DONE; i++) {
    mst_slice *s = mst_plan_take(p, i);
    const char *json = mst_slice_get_json(s);
    if (table) add_table_row(&t, i, s);
    else if ((code = cli_write(json, strlen(json))) == CLI_DONE) code = cli_write("\n", 1);
    mst_slice_unref(s);
  }
  if (table && code == CLI_DONE) code = cli_table_print(&t);
  cli_table_free(&t);
  return code;
}

static int slices_one(cli *c, const char *url) {
  mst_error err;
  mst_source *s = NULL;
  mst_plan *p = NULL;
  mst_status status = cli_open_source(c, url, &s, &err);
  if (status == MST_OK) status = cli_plan(c, s, &p, &err);
  const int code = status == MST_OK ? print_plan(c, p) : cli_fail(status, &err);
  mst_plan_unref(p);
  mst_source_unref(s);
  return code;
}

static int run_slices(cli *c) { return cli_each_source(c, slices_one); }

const cli_command cli_command_slices = {
    .name = "slices",
    .title = "cut an indexed source into slices, at no cost",
    .usage = "[options] URL…",
    .text =
        "Prints one slice a line, as JSON: a small, self-sufficient value without secrets that meseta get, or Python's "
        "meseta.Slice.from_json, reads anywhere. Nothing of the "
        "source's data is read. Read in order and joined, the slices of a plan give the plain (decompressed) object.\n",
    .examples = "meseta slices reads.fastq.gz -n 50\tfifty slices, balanced\nmeseta slices genome.fa -r chr1:1000-2000 "
                "| meseta get -\tone region\n",
    .options = slices_options,
    .run = run_slices};

/* ---- get ---- */

static const cli_option get_options[] = {
    {"as", 0, CLI_TEXT, "FORM", "raw (default), or the records as arrow (IPC stream), parquet, csv or jsonl"},
    {"with", 0, CLI_TEXT, "JSON", "how records become columns, such as {\"genotypes\": true}"},
    {"header", 0, CLI_FLAG, NULL, "repeat the source's header in front"},
    {"output", 'o', CLI_TEXT, "FILE", "write to FILE, which appears only when it is whole"},
    {"recover", 0, CLI_FLAG, NULL, "give the whole records in front of damage, and say what is damaged"},
    {NULL, 0, CLI_FLAG, NULL, NULL}};

/* A slice is given as its JSON, as a file that holds it, or on standard input; only its first line counts. */
static char *slice_text(const char *argument) {
  if (argument[0] == '{') return strdup(argument);
  FILE *f = strcmp(argument, "-") == 0 ? stdin : fopen(argument, "re");
  char *line = NULL;
  size_t room = 0;
  if (f == NULL) return NULL;
  if (getline(&line, &room, f) < 0) {
    free(line);
    line = errno == 0 ? strdup("") : NULL;
  }
  if (f != stdin) fclose(f);
  return line;
}

static mst_read_options read_options(const cli *c) {
  mst_read_options o = MST_READ_OPTIONS_INIT;
  o.header = cli_has(c, "header");
  o.recover = cli_has(c, "recover");
  o.options_json = cli_text(c, "with");
  return o;
}

/* What was whole has been given: what is missing is told, and that is all. */
static bool is_loss(const cli *c, mst_status status, const mst_error *err) {
  if (status != MST_E_CORRUPT || !cli_has(c, "recover")) return false;
  cli_note("damaged: %s", err->message);
  return true;
}

static int pour(cli *c, mst_slice *s, const char *path) {
  mst_error err;
  mst_reader *r = NULL;
  mst_bytes piece = {0};
  cli_output out;
  const mst_read_options o = read_options(c);
  mst_status status = mst_slice_open(s, &o, &r, c->cancel, &err);
  if (status == MST_OK) status = mst_reader_next(r, &piece, &err);
  if (is_loss(c, status, &err)) status = MST_OK;
  if (status != MST_OK) {
    mst_reader_free(r);
    return cli_fail(status, &err);
  }
  int code = cli_output_open(&out, path);
  if (code != CLI_DONE) {
    mst_bytes_release(&piece);
    mst_reader_free(r);
    return code;
  }
  while (code == CLI_DONE && piece.size > 0) {
    code = cli_output_write(&out, piece.data, piece.size);
    mst_bytes_release(&piece);
    if (code == CLI_DONE) status = mst_reader_next(r, &piece, &err);
    if (status != MST_OK && !is_loss(c, status, &err)) code = cli_fail(status, &err);
  }
  mst_bytes_release(&piece);
  mst_reader_free(r);
  return cli_output_close(&out, code);
}

static int pour_as(cli *c, mst_slice *s, const char *as, const char *path) {
  mst_error err;
  struct ArrowArrayStream stream = {0};
  const mst_read_options o = read_options(c);
  const mst_status status = mst_slice_stream(s, &o, &stream, c->cancel, &err);
  return status == MST_OK ? cli_export(c, &stream, as, path) : cli_fail(status, &err);
}

static int run_get(cli *c) {
  mst_error err;
  mst_slice *s = NULL;
  if (c->n_args > 1) return cli_usage(c->command, "one slice at a time");
  const char *argument = c->n_args == 0 ? "-" : c->args[0];
  errno = 0;
  char *text = slice_text(argument);
  if (text == NULL) {
    cli_note("cannot read a slice from %s: %s", argument, strerror(errno));
    return errno == ENOENT ? CLI_NOT_FOUND : CLI_FAILED;
  }
  const mst_status status = mst_slice_parse(c->ctx, text, strlen(text), c->storage, c->n_storage, &s, &err);
  if (status != MST_OK && text[0] != '{' && argument[0] != '{' && strcmp(argument, "-") != 0) {
    free(text);
    cli_note("%s holds no slice; slices are made with: meseta slices URL", argument);
    return CLI_CORRUPT;
  }
  free(text);
  const char *as = cli_text(c, "as"), *path = cli_text(c, "output");
  int code = CLI_DONE;
  if (status != MST_OK) code = cli_fail(status, &err);
  else if (as == NULL || strcmp(as, "raw") == 0) code = pour(c, s, path);
  else code = pour_as(c, s, as, path);
  mst_slice_unref(s);
  return code;
}

const cli_command cli_command_get = {
    .name = "get",
    .title = "give a slice's content",
    .usage = "[options] [SLICE|FILE|-]",
    .text = "Reads one slice (its JSON, a file that holds it, or standard input) and writes its content: text-like "
            "slices give exactly their part of the plain object. A source that "
            "is no longer the version that was planned is refused (exit 4).\n",
    .examples =
        "meseta slices x.csv -n 8 | sed -n 3p | meseta get - --header\tthe third of eight, with the header line\n",
    .options = get_options,
    .run = run_get};

/* ---- verify, show ---- */

static const cli_option verify_options[] = {
    CLI_SOURCE_OPTIONS,
    {"recover", 0, CLI_FLAG, NULL, "go on behind damage and count it all"},
    {"store", 0, CLI_FLAG, NULL, "try the store: may several writers share it?"},
    {NULL, 0, CLI_FLAG, NULL, NULL}};

static int verify_one(cli *c, const char *url) {
  mst_error err;
  mst_source *s = NULL;
  mst_bytes text = {0};
  cli_progress progress;
  char n[32], size[24];
  if (cli_is_parquet(c, url)) return cli_parquet_verify(c, url);
  mst_verify_options o = MST_VERIFY_OPTIONS_INIT;
  mst_status status = cli_open_source(c, url, &s, &err);
  if (status != MST_OK) return cli_fail(status, &err);
  if (strcmp(mst_source_get_format(s), "parquet") == 0) {
    mst_source_unref(s);
    return cli_parquet_verify(c, url);
  }
  cli_progress_begin(&progress, "verifying");
  if (cli_has(c, "quiet")) progress.shown = false;
  o.progress = cli_progress_show;
  o.progress_arg = &progress;
  o.recover = cli_has(c, "recover");
  status = mst_source_verify(s, &o, &text, c->cancel, &err);
  cli_progress_end(&progress);
  json_t *r = text.size == 0 ? NULL : json_loadb((const char *)text.data, text.size, 0, NULL);
  int code = CLI_DONE;
  if (r != NULL && cli_has(c, "json")) {
    json_object_set_new(r, "ok", json_boolean(status == MST_OK));
    if (status != MST_OK) json_object_set_new(r, "error", json_string(err.message));
    code = cli_print_json(r);
  } else if (status == MST_OK) {
    const char *index = text_of(r, "index");
    printf("%s: undamaged, %s records in %s of plain text; %s\n", url, cli_count(number_of(r, "records"), n),
           cli_size(number_of(r, "plain_bytes"), size),
           strcmp(index, "fresh") == 0 ? "the index is fresh and right" : "no index");
  }
  if (status != MST_OK) code = cli_fail(status, &err);
  json_decref(r);
  mst_bytes_release(&text);
  mst_source_unref(s);
  return code;
}

static int run_verify(cli *c) {
  int code = CLI_DONE;
  if (!cli_has(c, "store") && !(c->n_args > 0 && cli_is_store(c->args[0]))) return cli_each_source(c, verify_one);
  if (c->n_args == 0) return cli_usage(c->command, "a URL is missing");
  for (int i = 0; i < c->n_args && code == CLI_DONE; i++) code = cli_store_verify(c, c->args[i]);
  return code;
}

const cli_command cli_command_verify = {
    .name = "verify",
    .title = "is a source undamaged, its index fresh and right?",
    .usage = "[options] URL…",
    .text =
        "Reads the whole source, with every checksum that it holds, and compares what it finds with the index "
        "where there is one. Exit 0: all is well; 4: the index is of another "
        "version; 6: damage.\n"
        "Of a store (s3://bucket, or any URL with --store) it tries whether conditional writes hold when many come at "
        "once, which datasets rest on; what it writes is removed again. Exit 1: they do not.\n",
    .examples = "meseta verify reads.fastq.gz\tchecks file and index\n"
                "meseta verify s3://lake\traces the store's conditional writes\n",
    .options = verify_options,
    .run = run_verify};

static const cli_option show_options[] = {CLI_SOURCE_OPTIONS, {NULL, 0, CLI_FLAG, NULL, NULL}};

static void show_row(cli_table *t, const char *name, const json_t *value) {
  char text[64];
  char *dumped = NULL;
  const char *cell = json_string_value(value);
  if (json_is_integer(value)) cell = cli_count((uint64_t)json_integer_value(value), text);
  else if (cell == NULL) cell = dumped = json_dumps(value, JSON_ENCODE_ANY | JSON_COMPACT);
  cli_table_row(t, (const char *const[]){name, cell});
  free(dumped);
}

static int show_table(const json_t *r) {
  cli_table t;
  char name[128];
  const char *key, *inner;
  json_t *value, *part;
  cli_table_init(&t, 2, 0);
  json_object_foreach((json_t *)(uintptr_t)r, key, value) {
    if (!json_is_object(value)) {
      show_row(&t, key, value);
      continue;
    }
    json_object_foreach(value, inner, part) {
      snprintf(name, sizeof name, "%s.%s", key, inner);
      if (strncmp(inner, "long_", 5) != 0) show_row(&t, name, part);
    }
  }
  const int code = cli_table_print(&t);
  cli_table_free(&t);
  return code;
}

static int show_one(cli *c, const char *url) {
  mst_error err;
  mst_source *s = NULL;
  mst_bytes text = {0};
  if (cli_is_parquet(c, url)) return cli_parquet_show(c, url);
  mst_status status = cli_open_source(c, url, &s, &err);
  if (status == MST_OK && strcmp(mst_source_get_format(s), "parquet") == 0) {
    mst_source_unref(s);
    return cli_parquet_show(c, url);
  }
  if (status == MST_OK) status = mst_source_show(s, &text, c->cancel, &err);
  int code = status == MST_OK ? CLI_DONE : cli_fail(status, &err);
  if (status == MST_OK) {
    json_t *r = json_loadb((const char *)text.data, text.size, 0, NULL);
    code = cli_has(c, "json") ? cli_print_json(r) : show_table(r);
    json_decref(r);
  }
  mst_bytes_release(&text);
  mst_source_unref(s);
  return code;
}

/* Names of datasets have no dot; only for such a URL is there one more thing to ask. */
static bool is_dataset(cli *c, const char *url) {
  const char *slash = strrchr(url, '/'), *name = slash == NULL ? url : slash + 1;
  bool found = false;
  mst_dataset_options o = MST_DATASET_OPTIONS_INIT;
  o.config = c->storage;
  o.n_config = c->n_storage;
  if (*name == '\0' || strpbrk(name, ".*?[") != NULL) return false;
  return mst_dataset_exists(c->ctx, url, &o, &found, c->cancel, NULL) == MST_OK && found;
}

static int run_show(cli *c) {
  if (c->n_args == 1 && is_dataset(c, c->args[0])) return cli_dataset_show_command.run(c);
  return cli_each_source(c, show_one);
}

const cli_command cli_command_show = {.name = "show",
                                      .title = "what lies there: a source and its index, a Parquet file, a dataset",
                                      .usage = "[options] URL…",
                                      .text = "Shows what is known of a source without reading it through: size and "
                                              "version, format and dialect, and the state of its index.\n",
                                      .examples = "meseta show s3://bucket/reads.fastq.gz --json\tfor machines\n",
                                      .options = show_options,
                                      .run = run_show};

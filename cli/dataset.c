/* cli/dataset.c - `meseta dataset …`: the commands that read and look into tables. Those that change them are
 * dataset_change.c's. */
#include "cli.h"

#include <stdlib.h>
#include <string.h>

#include "dataset.h"

/* ---- what all of them share ---- */

int cli_dataset_url(cli *c, int more, const char **url) {
  if (c->n_args < 1) return cli_usage(c->command, "which dataset? Its URL is its store's URL, \"/\" and its name");
  if (more >= 0 && c->n_args > 1 + more) return cli_usage(c->command, "what is \"%s\"?", c->args[1 + more]);
  *url = c->args[0];
  return CLI_DONE;
}

mst_dataset_options cli_dataset_options(const cli *c) {
  mst_dataset_options o = MST_DATASET_OPTIONS_INIT;
  o.config = c->storage;
  o.n_config = c->n_storage;
  o.lock = cli_text(c, "lock");
  return o;
}

int cli_dataset_open(cli *c, const char *url, mst_dataset **out) {
  mst_error err;
  const mst_dataset_options o = cli_dataset_options(c);
  const mst_status status = mst_dataset_open(c->ctx, url, &o, out, c->cancel, &err);
  return status == MST_OK ? CLI_DONE : cli_fail(status, &err);
}

/* Seconds of "30s", "15m", "24h", "7d" or a plain number. */
int cli_age(const cli *c, const char *option, uint64_t otherwise, uint64_t *out) {
  static const struct {
    char unit;
    uint64_t seconds;
  } units[] = {{'s', 1}, {'m', 60}, {'h', 3600}, {'d', 86400}, {'\0', 1}};
  const char *text = cli_text(c, option);
  *out = otherwise;
  if (text == NULL) return CLI_DONE;
  char *end = NULL;
  const double n = *text >= '0' && *text <= '9' ? strtod(text, &end) : -1;
  for (size_t i = 0; n >= 0 && n < 1e12 && i < sizeof units / sizeof *units; i++) {
    if (*end != units[i].unit || (*end != '\0' && end[1] != '\0')) continue;
    *out = (uint64_t)(n * (double)units[i].seconds);
    return CLI_DONE;
  }
  return cli_usage(c->command, "--%s takes an age such as 30s, 15m, 24h or 7d, not \"%s\"", option, text);
}

/* Prints a JSON text of the library: as it is with --json or `each` == NULL, else each member of the array by `each`.
 */
int cli_print_members(cli *c, mst_bytes *text, int (*each)(cli *c, const json_t *member)) {
  int code = CLI_DONE;
  size_t i;
  json_t *all = json_loadb((const char *)text->data, text->size, JSON_DECODE_ANY, NULL), *one;
  mst_bytes_release(text);
  if (all == NULL) return cli_fail(MST_E_INTERNAL, &(mst_error){.message = "the library gave no JSON"});
  if (!json_is_array(all)) code = cli_print_json(all);
  json_array_foreach(all, i, one) {
    if (code == CLI_DONE) code = each == NULL || cli_has(c, "json") ? cli_print_json(one) : each(c, one);
  }
  json_decref(all);
  return code;
}

int cli_print_key(cli *c, const json_t *key) {
  (void)c;
  const int code = cli_write(json_string_value(key), json_string_length(key));
  return code == CLI_DONE ? cli_write("\n", 1) : code;
}

/* ---- read, count ---- */

static int open_wanted(cli *c, const char *url, mst_dataset **out) {
  mst_dataset *newest = NULL;
  mst_error err;
  int code = cli_dataset_open(c, url, &newest);
  if (code != CLI_DONE || !cli_has(c, "at")) {
    *out = newest;
    return code;
  }
  const mst_status status = mst_dataset_at(newest, cli_number(c, "at"), 0, out, c->cancel, &err);
  mst_dataset_unref(newest);
  return status == MST_OK ? CLI_DONE : cli_fail(status, &err);
}

static int run_read(cli *c) {
  const char *url = NULL, *as = cli_text(c, "as");
  mst_error err = {.message = "out of memory"};
  mst_dataset *d = NULL;
  struct ArrowArrayStream stream = {0};
  cli_names columns = {0};
  mst_dataset_read_options o = MST_DATASET_READ_OPTIONS_INIT;
  int code = cli_dataset_url(c, 0, &url);
  if (code == CLI_DONE) code = open_wanted(c, url, &d);
  if (code != CLI_DONE) return code;
  mst_status status = cli_names_split(cli_text(c, "columns"), &columns);
  o.columns = columns.names;
  o.n_columns = columns.n;
  o.where = cli_text(c, "where");
  o.has_limit = cli_has(c, "limit");
  o.limit = cli_number(c, "limit");
  if (status == MST_OK) status = mst_dataset_read(d, &o, &stream, c->cancel, &err);
  code = status == MST_OK ? cli_export(c, &stream, as == NULL ? "jsonl" : as, cli_text(c, "output"))
                          : cli_fail(status, &err);
  cli_names_free(&columns);
  mst_dataset_unref(d);
  return code;
}

static int run_count(cli *c) {
  const char *url = NULL;
  mst_error err;
  mst_dataset *d = NULL;
  uint64_t rows = 0;
  char text[64];
  int code = cli_dataset_url(c, 0, &url);
  if (code == CLI_DONE) code = open_wanted(c, url, &d);
  if (code != CLI_DONE) return code;
  const mst_status status = mst_dataset_count(d, cli_text(c, "where"), &rows, c->cancel, &err);
  mst_dataset_unref(d);
  if (status != MST_OK) return cli_fail(status, &err);
  const int n =
      snprintf(text, sizeof text, cli_has(c, "json") ? "{\"rows\":%llu}\n" : "%llu\n", (unsigned long long)rows);
  return cli_write(text, (size_t)n);
}

/* ---- show ---- */

static void add_line(cli_table *t, const char *name, const json_t *value) {
  char text[512], count[32];
  size_t i, at = 0;
  json_t *one;
  text[0] = '\0';
  if (json_is_array(value)) {
    json_array_foreach(value, i, one) if (at < sizeof text) at +=
        (size_t)snprintf(text + at, sizeof text - at, "%s%s", i == 0 ? "" : ", ", json_string_value(one));
  } else if (json_is_integer(value))
    snprintf(text, sizeof text, "%s", cli_count((uint64_t)json_integer_value(value), count));
  else if (json_is_string(value)) snprintf(text, sizeof text, "%s", json_string_value(value));
  else if (json_is_null(value)) snprintf(text, sizeof text, "not counted");
  else if (json_is_object(value)) {
    char *dumped = json_dumps(value, JSON_COMPACT | JSON_PRESERVE_ORDER);
    snprintf(text, sizeof text, "%s", dumped == NULL ? "" : dumped);
    free(dumped);
  }
  cli_table_row(t, (const char *[]){name, text});
}

static int print_facts(const json_t *facts) {
  static const struct {
    const char *name, *title;
  } lines[] = {
      {"uuid", "name"},       {"version", "version"},       {"table", "table"}, {"partition_keys", "partition keys"},
      {"indices", "indices"}, {"partitions", "partitions"}, {"rows", "rows"},   {"history", "history"},
      {"created", "created"}, {"metadata", "metadata"}};
  cli_table t;
  cli_table_init(&t, 2, 0);
  for (size_t i = 0; i < sizeof lines / sizeof *lines; i++) {
    const json_t *value = json_object_get(facts, lines[i].name);
    if (value != NULL) add_line(&t, lines[i].title, value);
  }
  const int code = cli_table_print(&t);
  cli_table_free(&t);
  return code;
}

static int show(cli *c, mst_dataset *d) {
  mst_error err;
  mst_bytes text = {0};
  const mst_status status = mst_dataset_describe(d, &text, c->cancel, &err);
  if (status != MST_OK) return cli_fail(status, &err);
  if (cli_has(c, "json")) return cli_print_members(c, &text, NULL);
  json_t *facts = json_loadb((const char *)text.data, text.size, 0, NULL);
  const int code = facts == NULL ? CLI_FAILED : print_facts(facts);
  mst_bytes_release(&text);
  json_decref(facts);
  return code;
}

static int run_show(cli *c) {
  const char *url = NULL;
  mst_dataset *d = NULL;
  int code = cli_dataset_url(c, 0, &url);
  if (code == CLI_DONE) code = open_wanted(c, url, &d);
  if (code == CLI_DONE) code = show(c, d);
  mst_dataset_unref(d);
  return code;
}

/* ---- log, gc, expire, drop ---- */

static const char *counted(const json_t *entry, const char *name, char out[32]) {
  const json_t *n = json_object_get(entry, name);
  return json_is_integer(n) ? cli_count((uint64_t)json_integer_value(n), out) : "?";
}

static int print_log(const json_t *all) {
  size_t i;
  json_t *one;
  cli_table t;
  cli_table_init(&t, 5, 1u | 8u | 16u);
  cli_table_row(&t, (const char *[]){"VERSION", "TIME", "OPERATION", "ADDED", "REMOVED"});
  json_array_foreach(all, i, one) {
    char version[32], added[32], removed[32];
    const char *time = json_string_value(json_object_get(one, "time")),
               *operation = json_string_value(json_object_get(one, "operation"));
    cli_table_row(&t, (const char *[]){counted(one, "version", version), time == NULL ? "" : time,
                                       operation == NULL ? "" : operation, counted(one, "rows_added", added),
                                       counted(one, "rows_removed", removed)});
  }
  const int code = cli_table_print(&t);
  cli_table_free(&t);
  return code;
}

static int run_log(cli *c) {
  const char *url = NULL;
  mst_error err;
  mst_dataset *d = NULL;
  mst_bytes text = {0};
  int code = cli_dataset_url(c, 0, &url);
  if (code == CLI_DONE) code = cli_dataset_open(c, url, &d);
  if (code != CLI_DONE) return code;
  const mst_status status = mst_dataset_log(d, &text, c->cancel, &err);
  mst_dataset_unref(d);
  if (status != MST_OK) return cli_fail(status, &err);
  if (cli_has(c, "json")) return cli_print_members(c, &text, NULL);
  json_t *all = json_loadb((const char *)text.data, text.size, 0, NULL);
  code = all == NULL ? CLI_FAILED : print_log(all);
  mst_bytes_release(&text);
  json_decref(all);
  return code;
}

static int run_gc(cli *c) {
  const char *url = NULL;
  mst_error err;
  mst_dataset *d = NULL;
  mst_bytes keys = {0};
  uint64_t age = 0;
  int code = cli_age(c, "older-than", 86400, &age);
  if (code == CLI_DONE) code = cli_dataset_url(c, 0, &url);
  if (code == CLI_DONE) code = cli_dataset_open(c, url, &d);
  if (code != CLI_DONE) return code;
  const mst_status status = mst_dataset_gc(d, age, cli_has(c, "dry-run"), &keys, c->cancel, &err);
  mst_dataset_unref(d);
  return status == MST_OK ? cli_print_members(c, &keys, cli_print_key) : cli_fail(status, &err);
}

static int run_drop(cli *c) {
  const char *url = NULL;
  mst_error err;
  mst_bytes keys = {0};
  const mst_dataset_options o = cli_dataset_options(c);
  const int code = cli_dataset_url(c, 0, &url);
  if (code != CLI_DONE) return code;
  const mst_status status = mst_dataset_drop(c->ctx, url, &o, cli_has(c, "dry-run"), &keys, c->cancel, &err);
  return status == MST_OK ? cli_print_members(c, &keys, cli_print_key) : cli_fail(status, &err);
}

static int run_expire(cli *c) {
  const char *url = NULL;
  mst_error err;
  mst_dataset *d = NULL, *after = NULL;
  uint64_t age = 0;
  if (cli_has(c, "keep") == cli_has(c, "older-than")) return cli_usage(c->command, "give --keep N or --older-than AGE");
  int code = cli_age(c, "older-than", 0, &age);
  if (code == CLI_DONE) code = cli_dataset_url(c, 0, &url);
  if (code == CLI_DONE) code = cli_dataset_open(c, url, &d);
  if (code != CLI_DONE) return code;
  const mst_status status = mst_dataset_expire(d, cli_number(c, "keep"), age, &after, c->cancel, &err);
  mst_dataset_unref(d);
  if (status != MST_OK) return cli_fail(status, &err);
  code = cli_dataset_done(c, after, NULL);
  mst_dataset_unref(after);
  return code;
}

/* ---- tables ---- */

static const cli_option read_options[] = {
    {"columns", 0, CLI_TEXT, "A,B", "only these columns, in this order"},
    {"where", 'w', CLI_TEXT, "CONDITION", "only rows that meet a condition such as \"qty > 3 and day = '2026-01-01'\""},
    {"limit", 0, CLI_COUNT, "N", "at most N rows"},
    {"at", 0, CLI_NUMBER, "VERSION", "the table as it was at a version"},
    {"as", 0, CLI_TEXT, "FORMAT", "jsonl (default), csv, parquet or arrow"},
    {"output", 'o', CLI_TEXT, "FILE", "write to FILE instead of standard output"},
    {NULL, 0, CLI_FLAG, NULL, NULL}};
const cli_command cli_dataset_read = {
    "dataset read",
    "the rows of a table",
    "URL [--columns A,B] [--where CONDITION]",
    "Rows come in partition order, in bounded memory; partitions, row groups and pages that cannot match are not "
    "fetched.\n",
    "meseta dataset read s3://lake/sales --where \"qty > 3\" --columns day,qty\trows as JSON Lines\n",
    read_options,
    run_read,
    false};

static const cli_option count_options[] = {{"where", 'w', CLI_TEXT, "CONDITION", "only rows that meet a condition"},
                                           {"at", 0, CLI_NUMBER, "VERSION", "the table as it was at a version"},
                                           {NULL, 0, CLI_FLAG, NULL, NULL}};
const cli_command cli_dataset_count = {"dataset count",
                                       "the number of rows of a table",
                                       "URL [--where CONDITION]",
                                       "Data are read only where metadata does not suffice.\n",
                                       NULL,
                                       count_options,
                                       run_count,
                                       false};

static const cli_option show_options[] = {{"at", 0, CLI_NUMBER, "VERSION", "the table as it was at a version"},
                                          {NULL, 0, CLI_FLAG, NULL, NULL}};
const cli_command cli_dataset_show_command = {
    "dataset show", "facts of a table",
    "URL",          "Name, version, partition keys, indices, number of partitions and rows, metadata.\n",
    NULL,           show_options,
    run_show,       false};

static const cli_option no_options[] = {{NULL, 0, CLI_FLAG, NULL, NULL}};
const cli_command cli_dataset_log = {"dataset log", "the commits that the history keeps, newest first",
                                     "URL",         "With --json one object a line.\n",
                                     NULL,          no_options,
                                     run_log,       false};

static const cli_option gc_options[] = {
    {"older-than", 0, CLI_TEXT, "AGE", "only what is older (30s 15m 24h 7d; default 24h; 0: all)"},
    {"dry-run", 0, CLI_FLAG, NULL, "only print the keys"},
    {NULL, 0, CLI_FLAG, NULL, NULL}};
const cli_command cli_dataset_gc = {"dataset gc",
                                    "remove files that no kept version names",
                                    "URL [--older-than AGE] [--dry-run]",
                                    "Prints the keys that it removes. Files of versions that the history keeps stay, "
                                    "and so do those of writers at work that are younger "
                                    "than the age.\n",
                                    NULL,
                                    gc_options,
                                    run_gc,
                                    false};

static const cli_option expire_options[] = {
    {"keep", 0, CLI_NUMBER, "N", "keep the newest N versions"},
    {"older-than", 0, CLI_TEXT, "AGE", "forget versions that were superseded longer ago"},
    {NULL, 0, CLI_FLAG, NULL, NULL}};
const cli_command cli_dataset_expire = {"dataset expire",
                                        "forget old versions",
                                        "URL (--keep N | --older-than AGE)",
                                        "Their files are removed by the next gc.\n",
                                        NULL,
                                        expire_options,
                                        run_expire,
                                        false};

static const cli_option drop_options[] = {
    {"dry-run", 0, CLI_FLAG, NULL, "only print the keys"},
    {"lock", 0, CLI_TEXT, "NAME", "a lock object, for stores that honour no conditional writes"},
    {NULL, 0, CLI_FLAG, NULL, NULL}};
const cli_command cli_dataset_drop = {
    "dataset drop",
    "remove a table and all its files",
    "URL [--dry-run]",
    "Prints the keys that it removes. A drop that was cut short is finished by dropping again.\n",
    NULL,
    drop_options,
    run_drop,
    false};

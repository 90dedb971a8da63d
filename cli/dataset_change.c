/* cli/dataset_change.c - `meseta dataset …`: the commands that make and change tables. */
#include <stdlib.h>
#include <string.h>

#include "dataset.h"

int cli_dataset_done(cli *c, mst_dataset *d, mst_bytes *report) {
  json_t *said =
      report == NULL || report->size == 0 ? NULL : json_loadb((const char *)report->data, report->size, 0, NULL);
  int code = CLI_DONE;
  if (report != NULL) mst_bytes_release(report);
  if (said == NULL) said = json_object();
  json_object_set_new(said, "version", json_integer((json_int_t)mst_dataset_get_version(d)));
  if (cli_has(c, "json")) code = cli_print_json(said);
  else if (!cli_has(c, "quiet")) {
    const json_t *added = json_object_get(said, "rows_added"), *removed = json_object_get(said, "rows_removed");
    char text[160], a[32], r[32];
    const int n = snprintf(text, sizeof text, "version %llu", (unsigned long long)mst_dataset_get_version(d));
    int m = n;
    if (json_is_integer(added))
      m += snprintf(text + m, sizeof text - (size_t)m, ", %s rows added",
                    cli_count((uint64_t)json_integer_value(added), a));
    if (json_is_integer(removed))
      m += snprintf(text + m, sizeof text - (size_t)m, ", %s rows removed",
                    cli_count((uint64_t)json_integer_value(removed), r));
    cli_note("%s", text);
  }
  json_decref(said);
  return code;
}

/* ---- rows from files ---- */

static mst_status open_rows(cli *c, const char *path, const struct ArrowSchema *wanted, struct ArrowArrayStream *out,
                            mst_error *err) {
  mst_import_options o = MST_IMPORT_OPTIONS_INIT;
  o.config = c->storage;
  o.n_config = c->n_storage;
  o.as = cli_text(c, "format");
  o.wanted = wanted;
  return mst_stream_import(c->ctx, path, &o, out, c->cancel, err);
}

/* Does `step` with the rows of each file behind the URL. */
typedef mst_status (*row_step)(cli *c, mst_change *change, struct ArrowArrayStream *rows, mst_error *err);

static mst_status each_file(cli *c, mst_dataset *d, mst_change *change, row_step step, mst_error *err) {
  struct ArrowSchema wanted = {0};
  mst_status status = mst_dataset_get_schema(d, &wanted, err);
  for (int i = 1; status == MST_OK && i < c->n_args; i++) {
    struct ArrowArrayStream rows = {0};
    status = open_rows(c, c->args[i], &wanted, &rows, err);
    if (status == MST_OK) status = step(c, change, &rows, err);
  }
  if (wanted.release != NULL) wanted.release(&wanted);
  return status;
}

static mst_status step_append(cli *c, mst_change *change, struct ArrowArrayStream *rows, mst_error *err) {
  return mst_change_append(change, rows, c->cancel, err);
}

static mst_status step_upsert(cli *c, mst_change *change, struct ArrowArrayStream *rows, mst_error *err) {
  cli_names on;
  mst_status status = cli_names_split(cli_text(c, "on"), &on);
  if (status == MST_OK) status = mst_change_upsert(change, rows, on.names, on.n, c->cancel, err);
  else rows->release(rows);
  cli_names_free(&on);
  return status;
}

static mst_status step_write(cli *c, mst_change *change, struct ArrowArrayStream *rows, mst_error *err) {
  mst_bytes fragment = {0};
  const mst_status status = mst_change_write(change, rows, &fragment, c->cancel, err);
  if (status != MST_OK) return status;
  int code = cli_write(fragment.data, fragment.size);
  if (code == CLI_DONE) code = cli_write("\n", 1);
  mst_bytes_release(&fragment);
  return code == CLI_DONE ? MST_OK : MST_E_CANCELLED;
}

/* ---- one commit ---- */

/* What a command puts into its change. */
typedef mst_status (*change_fn)(cli *c, mst_dataset *d, mst_change *change, mst_error *err);

static int changed(cli *c, int more, change_fn fill) {
  const char *url = NULL;
  mst_error err = {.message = "out of memory"};
  mst_dataset *d = NULL, *after = NULL;
  mst_change *change = NULL;
  mst_bytes report = {0};
  int code = cli_dataset_url(c, more, &url);
  if (code == CLI_DONE) code = cli_dataset_open(c, url, &d);
  if (code != CLI_DONE) return code;
  mst_status status = mst_change_open(d, &change, &err);
  if (status == MST_OK) status = fill(c, d, change, &err);
  if (status == MST_OK) status = mst_change_commit(change, &after, &report, c->cancel, &err);
  code = status == MST_OK ? cli_dataset_done(c, after, &report) : cli_fail(status, &err);
  mst_change_free(change);
  mst_dataset_unref(after);
  mst_dataset_unref(d);
  return code;
}

static mst_status fill_append(cli *c, mst_dataset *d, mst_change *change, mst_error *err) {
  return each_file(c, d, change, step_append, err);
}

static int run_append(cli *c) {
  if (c->n_args < 2) return cli_usage(c->command, "append which files?");
  return changed(c, -1, fill_append);
}

static mst_status fill_upsert(cli *c, mst_dataset *d, mst_change *change, mst_error *err) {
  return each_file(c, d, change, step_upsert, err);
}

static int run_upsert(cli *c) {
  if (c->n_args < 2) return cli_usage(c->command, "upsert which files?");
  if (!cli_has(c, "on")) return cli_usage(c->command, "by which columns? --on A,B");
  return changed(c, -1, fill_upsert);
}

static mst_status fill_delete(cli *c, mst_dataset *d, mst_change *change, mst_error *err) {
  (void)d;
  return mst_change_delete(change, cli_text(c, "where"), c->cancel, err);
}

static int run_delete(cli *c) {
  if (!cli_has(c, "where"))
    return cli_usage(c->command, "which rows? --where CONDITION (meseta dataset drop removes all)");
  return changed(c, 0, fill_delete);
}

static mst_status fill_update(cli *c, mst_dataset *d, mst_change *change, mst_error *err) {
  mst_status status = MST_OK;
  if (cli_has(c, "where")) {
    char *set = json_dumps(c->dialect, JSON_COMPACT);
    status = set == NULL ? MST_E_NO_MEMORY : mst_change_update(change, cli_text(c, "where"), set, c->cancel, err);
    free(set);
  }
  if (status == MST_OK && cli_has(c, "delete-scope"))
    status = mst_change_remove(change, cli_text(c, "delete-scope"), c->cancel, err);
  if (status == MST_OK) status = each_file(c, d, change, step_append, err);
  if (status == MST_OK && cli_has(c, "metadata")) status = mst_change_metadata(change, cli_text(c, "metadata"), err);
  return status;
}

static int run_update(cli *c) {
  const bool rows = cli_has(c, "where") || c->dialect != NULL;
  const bool parts = cli_has(c, "delete-scope") || c->n_args > 1;
  if (rows && parts) return cli_usage(c->command, "give --where and --set, or files and --delete-scope, not both");
  if (rows && !cli_has(c, "where")) return cli_usage(c->command, "which rows? --where CONDITION");
  if (rows && c->dialect == NULL) return cli_usage(c->command, "what is to be set? --set COLUMN=VALUE");
  if (!rows && !parts && !cli_has(c, "metadata"))
    return cli_usage(c->command, "nothing to do: give files, --delete-scope, --where and --set, or --metadata");
  return changed(c, -1, fill_update);
}

static mst_status fill_index(cli *c, mst_dataset *d, mst_change *change, mst_error *err) {
  (void)d;
  if (cli_has(c, "drop")) return mst_change_drop_index(change, cli_text(c, "drop"), err);
  return mst_change_build_index(change, cli_text(c, "on"), c->cancel, err);
}

static int run_index(cli *c) {
  if (cli_has(c, "on") == cli_has(c, "drop")) return cli_usage(c->command, "give --on COLUMN or --drop COLUMN");
  return changed(c, 0, fill_index);
}

static mst_status fill_compact(cli *c, mst_dataset *d, mst_change *change, mst_error *err) {
  cli_names by;
  (void)d;
  mst_status status = cli_names_split(cli_text(c, "sort-by"), &by);
  const uint64_t target = cli_has(c, "target") ? cli_number(c, "target") : (uint64_t)128 << 20;
  if (status == MST_OK)
    status = mst_change_compact(change, cli_text(c, "where"), target, by.names, by.n, c->cancel, err);
  cli_names_free(&by);
  return status;
}

static int run_compact(cli *c) { return changed(c, 0, fill_compact); }

static mst_status fill_restore(cli *c, mst_dataset *d, mst_change *change, mst_error *err) {
  (void)d;
  return mst_change_restore(change, cli_number(c, "version"), c->cancel, err);
}

static int run_restore(cli *c) {
  if (!cli_has(c, "version")) return cli_usage(c->command, "to which version? --version N (see: meseta dataset log)");
  return changed(c, 0, fill_restore);
}

/* ---- fragments ---- */

static int run_write(cli *c) {
  const char *url = NULL;
  mst_error err = {.message = "out of memory"};
  mst_dataset *d = NULL;
  mst_change *change = NULL;
  if (c->n_args < 2) return cli_usage(c->command, "write which files?");
  int code = cli_dataset_url(c, -1, &url);
  if (code == CLI_DONE) code = cli_dataset_open(c, url, &d);
  if (code != CLI_DONE) return code;
  mst_status status = mst_change_open(d, &change, &err);
  if (status == MST_OK) status = each_file(c, d, change, step_write, &err);
  if (status != MST_OK) code = cli_fail(status, &err);
  mst_change_free(change);
  mst_dataset_unref(d);
  return code;
}

/* A fragment, a file of them (one a line), or "-": standard input. */
static mst_status add_fragments(mst_change *change, const char *arg, mst_error *err) {
  mst_status status = MST_OK;
  if (arg[0] == '{') return mst_change_add(change, arg, NULL, err);
  FILE *from = strcmp(arg, "-") == 0 ? stdin : fopen(arg, "r");
  char *line = NULL;
  size_t room = 0;
  if (from == NULL) {
    *err = (mst_error){.status = MST_E_NOT_FOUND};
    snprintf(err->message, sizeof err->message, "%s is neither a fragment nor a file of them", arg);
    return MST_E_NOT_FOUND;
  }
  for (ssize_t n; status == MST_OK && (n = getline(&line, &room, from)) > 0;) {
    if (line[n - 1] == '\n') line[n - 1] = '\0';
    if (line[0] != '\0') status = mst_change_add(change, line, NULL, err);
  }
  free(line);
  if (from != stdin) fclose(from);
  return status;
}

static mst_status fill_commit(cli *c, mst_dataset *d, mst_change *change, mst_error *err) {
  mst_status status = MST_OK;
  (void)d;
  for (int i = 1; status == MST_OK && i < c->n_args; i++) status = add_fragments(change, c->args[i], err);
  return status;
}

static int run_commit(cli *c) {
  if (c->n_args < 2) return cli_usage(c->command, "commit which fragments?");
  return changed(c, -1, fill_commit);
}

/* ---- create ---- */

static mst_status create(cli *c, const char *url, mst_dataset_create_options *o, mst_dataset **out, mst_bytes *report,
                         mst_error *err) {
  const mst_dataset_options how = cli_dataset_options(c);
  const size_t n = (size_t)(c->n_args - 1);
  struct ArrowArrayStream *rows = calloc(n + 1, sizeof *rows);
  mst_status status = rows == NULL ? MST_E_NO_MEMORY : MST_OK;
  size_t opened = 0;
  for (; status == MST_OK && opened < n; opened++) {
    status = open_rows(c, c->args[opened + 1], NULL, &rows[opened], err);
    if (status != MST_OK) break;
  }
  if (status == MST_OK) status = mst_dataset_create(c->ctx, url, &how, o, rows, n, out, report, c->cancel, err);
  else
    for (size_t i = 0; i < opened; i++) rows[i].release(&rows[i]);
  free(rows);
  return status;
}

static int run_create(cli *c) {
  const char *url = NULL;
  mst_error err = {.message = "out of memory"};
  mst_dataset *d = NULL;
  mst_bytes report = {0};
  cli_names on = {0}, index = {0}, sort = {0};
  mst_dataset_create_options o = MST_DATASET_CREATE_OPTIONS_INIT;
  int code = cli_dataset_url(c, -1, &url);
  if (code != CLI_DONE) return code;
  if (c->n_args < 2) return cli_usage(c->command, "create it of which files?");
  mst_status status = cli_names_split(cli_text(c, "partition-on"), &on);
  if (status == MST_OK) status = cli_names_split(cli_text(c, "index"), &index);
  if (status == MST_OK) status = cli_names_split(cli_text(c, "sort-by"), &sort);
  o.partition_on = on.names;
  o.n_partition_on = on.n;
  o.indices = index.names;
  o.n_indices = index.n;
  o.sort_by = sort.names;
  o.n_sort_by = sort.n;
  o.bucket_by = cli_text(c, "bucket-by");
  o.buckets = (uint32_t)cli_number(c, "buckets");
  o.overwrite = cli_has(c, "overwrite");
  o.metadata_json = cli_text(c, "metadata");
  o.codec = cli_text(c, "codec");
  o.history = cli_text(c, "history");
  if (status == MST_OK) status = create(c, url, &o, &d, &report, &err);
  code = status == MST_OK ? cli_dataset_done(c, d, &report) : cli_fail(status, &err);
  mst_dataset_unref(d);
  cli_names_free(&on);
  cli_names_free(&index);
  cli_names_free(&sort);
  return code;
}

/* ---- tables ---- */

#define LOCK \
  { "lock", 0, CLI_TEXT, "NAME", "a lock object, for stores that honour no conditional writes" }
#define FORMAT \
  { "format", 'f', CLI_TEXT, "FORMAT", "of the files: parquet, arrow, csv or jsonl; by their names' endings" }
#define END \
  { NULL, 0, CLI_FLAG, NULL, NULL }

static const cli_option create_options[] = {
    {"partition-on", 0, CLI_TEXT, "A,B", "partition keys: rows of equal values lie together"},
    {"index", 0, CLI_TEXT, "A,B", "columns that get a secondary index"},
    {"sort-by", 0, CLI_TEXT, "A,B", "sort the rows of each file"},
    {"bucket-by", 0, CLI_TEXT, "A", "spread rows over --buckets files by the hash of a column"},
    {"buckets", 0, CLI_NUMBER, "N", "with --bucket-by"},
    {"metadata", 0, CLI_TEXT, "JSON", "the user's own metadata, an object"},
    {"codec", 0, CLI_TEXT, "CODEC", "none snappy gzip zstd lz4 brotli; default zstd"},
    {"overwrite", 0, CLI_FLAG, NULL, "replace a table of this name"},
    {"history", 0, CLI_TEXT, "AGE|N", "versions (a number) or age (7d) that are kept; default 7d; 0: none"},
    FORMAT,
    LOCK,
    END};
const cli_command cli_dataset_create = {
    "dataset create",
    "make a table of files",
    "URL FILE... [--partition-on A,B] [--index A,B]",
    "Each file becomes its own partition file(s). The table appears in one commit, or not at all.\n",
    "meseta dataset create s3://lake/sales day1.parquet day2.parquet --partition-on day\tpartitioned by day\n",
    create_options,
    run_create,
    false};

static const cli_option append_options[] = {FORMAT, LOCK, END};
const cli_command cli_dataset_append = {"dataset append",
                                        "add the rows of files to a table",
                                        "URL FILE...",
                                        "One commit; other writers at the same time do no harm.\n",
                                        NULL,
                                        append_options,
                                        run_append,
                                        false};

static const cli_option upsert_options[] = {
    {"on", 0, CLI_TEXT, "A,B", "rows that equal a new one in these columns go"}, FORMAT, LOCK, END};
const cli_command cli_dataset_upsert = {
    "dataset upsert",
    "add rows in place of those with the same key",
    "URL FILE... --on A,B",
    "Only files that hold such rows are rewritten. A key that is twice in the new rows is refused.\n",
    NULL,
    upsert_options,
    run_upsert,
    false};

static const cli_option update_options[] = {
    {"delete-scope", 0, CLI_TEXT, "JSON",
     "remove partitions that hold a match of any [{column: value}, …]; partition keys and indices only"},
    {"where", 'w', CLI_TEXT, "CONDITION", "with --set: the rows to change"},
    {"set", 0, CLI_PAIRS, "COLUMN=VALUE", "a new value: JSON where it parses as JSON, else text; may be repeated"},
    {"metadata", 0, CLI_TEXT, "JSON", "members of the user's metadata to add or replace"},
    FORMAT,
    LOCK,
    END};
const cli_command cli_dataset_update = {
    "dataset update",
    "replace partitions, or values of rows",
    "URL [FILE...] [--delete-scope JSON] | URL --where CONDITION --set COLUMN=VALUE...",
    "One commit.\n",
    "meseta dataset update s3://lake/sales --where \"qty < 0\" --set qty=0\tno negative quantities\n",
    update_options,
    run_update,
    false};

static const cli_option delete_options[] = {{"where", 'w', CLI_TEXT, "CONDITION", "the rows to remove"}, LOCK, END};
const cli_command cli_dataset_delete = {"dataset delete",
                                        "remove rows",
                                        "URL --where CONDITION",
                                        "Only files that hold such rows are rewritten.\n",
                                        NULL,
                                        delete_options,
                                        run_delete,
                                        false};

static const cli_option index_options[] = {
    {"on", 0, CLI_TEXT, "COLUMN", "build a secondary index, anew where there is one"},
    {"drop", 0, CLI_TEXT, "COLUMN", "drop it"},
    LOCK,
    END};
const cli_command cli_dataset_index = {"dataset index",
                                       "build or drop a secondary index",
                                       "URL (--on COLUMN | --drop COLUMN)",
                                       "Changes keep indices up to date by themselves.\n",
                                       NULL,
                                       index_options,
                                       run_index,
                                       false};

static const cli_option compact_options[] = {
    {"target", 0, CLI_SIZE, "SIZE", "size of the new files; default 128MiB"},
    {"sort-by", 0, CLI_TEXT, "A,B", "sort the rows of the new files"},
    {"where", 'w', CLI_TEXT, "CONDITION", "only partitions that may hold such rows"},
    LOCK,
    END};
const cli_command cli_dataset_compact = {"dataset compact",
                                         "join small files",
                                         "URL [--target SIZE] [--sort-by A,B]",
                                         "Rows stay what they are; writers of other partitions are not disturbed.\n",
                                         NULL,
                                         compact_options,
                                         run_compact,
                                         false};

static const cli_option restore_options[] = {{"version", 0, CLI_NUMBER, "N", "the version to go back to"}, LOCK, END};
const cli_command cli_dataset_restore = {"dataset restore",
                                         "make a table what it was",
                                         "URL --version N",
                                         "A new commit; nothing of the history is lost.\n",
                                         NULL,
                                         restore_options,
                                         run_restore,
                                         false};

static const cli_option write_options[] = {FORMAT, END};
const cli_command cli_dataset_write = {
    "dataset write",
    "write files on any worker, without a commit",
    "URL FILE...",
    "Prints a fragment, a small JSON text, for each file; meseta dataset commit takes fragments in.\n",
    NULL,
    write_options,
    run_write,
    false};

static const cli_option commit_options[] = {LOCK, END};
const cli_command cli_dataset_commit = {
    "dataset commit",
    "take in what workers wrote",
    "URL FRAGMENT...",
    "A FRAGMENT is its JSON text, a file with one on each line, or - for standard input. One commit for all.\n",
    NULL,
    commit_options,
    run_commit,
    false};

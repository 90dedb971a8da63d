/* cli/objects.c - store housekeeping: ls, cat, cp, rm, and what verify does with a store. */
#include "cli.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

/* ---- ls ---- */

static const cli_option ls_options[] = {{"recursive", 'r', CLI_FLAG, NULL, "everything below, not one level"},
                                        {"long", 'l', CLI_FLAG, NULL, "size and time of each object"},
                                        {"bytes", 'b', CLI_FLAG, NULL, "sizes in bytes"},
                                        {NULL, 0, CLI_FLAG, NULL, NULL}};

/* Keys are shown as they stand below what was listed, so that they can be put behind it again. */
typedef struct lister {
  cli *cli;
  int code;
} lister;

static int list_json(const char *url, const char *below, const mst_object_info *info) {
  json_t *o = json_pack("{s:s, s:s, s:b}", "key", below, "url", url, "folder", info->is_prefix);
  if (o == NULL)
    return cli_fail(MST_E_ARGUMENT, &(mst_error){.message = "a key is not valid UTF-8: use ls without --json"});
  if (!info->is_prefix) {
    json_object_set_new(o, "size", json_integer((json_int_t)info->size));
    json_object_set_new(o, "modified_us", json_integer(info->modified_us));
    json_object_set_new(o, "etag", json_string(info->etag == NULL ? "" : info->etag));
  }
  char *text = json_dumps(o, JSON_COMPACT | JSON_PRESERVE_ORDER);
  json_decref(o);
  int code = text == NULL ? CLI_FAILED : cli_write(text, strlen(text));
  free(text);
  return code == CLI_DONE ? cli_write("\n", 1) : code;
}

static void long_part(const cli *c, const mst_object_info *info, char *out, size_t n) {
  char size[24], stamp[32] = "-";
  const time_t seconds = (time_t)(info->modified_us / 1000000);
  struct tm tm;
  if (info->modified_us != 0 && gmtime_r(&seconds, &tm) != NULL)
    strftime(stamp, sizeof stamp, "%Y-%m-%dT%H:%M:%SZ", &tm);
  if (info->is_prefix) snprintf(size, sizeof size, "-");
  else if (cli_has(c, "bytes")) snprintf(size, sizeof size, "%llu", (unsigned long long)info->size);
  else cli_size(info->size, size);
  snprintf(out, n, "%12s  %-20s  ", size, stamp);
}

static mst_status list_one(void *arg, const char *url, const char *below, const mst_object_info *info, mst_error *err) {
  lister *l = arg;
  (void)err;
  if (cli_has(l->cli, "json")) {
    l->code = list_json(url, below, info);
    return l->code == CLI_DONE ? MST_OK : MST_E_CANCELLED;
  }
  char front[80] = "";
  if (cli_has(l->cli, "long")) long_part(l->cli, info, front, sizeof front);
  l->code = cli_write(front, strlen(front));
  if (l->code == CLI_DONE) l->code = cli_write(below, strlen(below));
  if (l->code == CLI_DONE) l->code = cli_write("\n", 1);
  return l->code == CLI_DONE ? MST_OK : MST_E_CANCELLED;
}

static int run_ls(cli *c) {
  mst_error err;
  if (c->n_args == 0) return cli_usage(c->command, "a URL is missing");
  int code = CLI_DONE;
  for (int i = 0; i < c->n_args && code == CLI_DONE; i++) {
    lister l = {.cli = c};
    char *folder = cli_is_folder(c->args[i]) ? cli_as_prefix(c->args[i]) : NULL;
    const char *url = folder != NULL ? folder : c->args[i];
    const mst_status status = mst_find(c->ctx, url, c->storage, c->n_storage,
                                       cli_has(c, "recursive") ? MST_FIND_RECURSIVE : 0, list_one, &l, c->cancel, &err);
    code = l.code != CLI_DONE ? l.code : status != MST_OK ? cli_fail(status, &err) : CLI_DONE;
    free(folder);
  }
  return code;
}

const cli_command cli_command_ls = {.name = "ls",
                                    .title = "list objects",
                                    .usage = "[options] URL…",
                                    .text = "Lists what lies below a URL that ends with '/', what matches a glob, or "
                                            "one object; one key a line, in the order of the keys' bytes.\n",
                                    .examples = "meseta ls -r -l s3://bucket/runs/\teverything below, with sizes\n",
                                    .options = ls_options,
                                    .run = run_ls};

/* ---- cat ---- */

typedef struct cat_target {
  cli_output out;
  int code;
} cat_target;

static const cli_option cat_options[] = {
    {"as", 0, CLI_TEXT, "FORM", "the rows of a Parquet file as jsonl, csv, parquet or arrow (IPC stream)"},
    {"columns", 0, CLI_TEXT, "A,B", "with --as: only these columns, in this order; nested ones as a.b"},
    {"where", 'w', CLI_TEXT, "CONDITION", "with --as: only rows that meet it, such as \"n > 3 and name like 'a%'\""},
    {"limit", 0, CLI_COUNT, "N", "with --as: at most N rows"},
    {"output", 'o', CLI_TEXT, "FILE", "write to FILE, which appears only when it is whole"},
    {NULL, 0, CLI_FLAG, NULL, NULL}};

static mst_status cat_write(void *arg, const void *data, size_t n, mst_error *err) {
  cat_target *t = arg;
  (void)err;
  t->code = cli_output_write(&t->out, data, n);
  return t->code == CLI_DONE ? MST_OK : MST_E_CANCELLED;
}

static int cat_bytes(cli *c) {
  mst_error err;
  cat_target t = {.code = CLI_DONE};
  int code = cli_output_open(&t.out, cli_text(c, "output"));
  if (code != CLI_DONE) return code;
  for (int i = 0; i < c->n_args && code == CLI_DONE; i++) {
    const mst_status status =
        mst_object_cat(c->ctx, c->args[i], c->storage, c->n_storage, cat_write, &t, c->cancel, &err);
    code = t.code != CLI_DONE ? t.code : status != MST_OK ? cli_fail(status, &err) : CLI_DONE;
  }
  return cli_output_close(&t.out, code);
}

static int run_cat(cli *c) {
  static const char *const rows[] = {"columns", "where", "limit"};
  const char *as = cli_text(c, "as");
  if (c->n_args == 0) return cli_usage(c->command, "a URL is missing");
  if (as != NULL && strcmp(as, "raw") != 0) {
    if (c->n_args > 1) return cli_usage(c->command, "--as takes one file at a time");
    return cli_parquet_cat(c, c->args[0], as);
  }
  for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
    if (cli_has(c, rows[i])) return cli_usage(c->command, "--%s needs --as: bytes have no rows", rows[i]);
  return cat_bytes(c);
}

const cli_command cli_command_cat = {
    .name = "cat",
    .title = "give an object's bytes as they are, or a Parquet file's rows",
    .usage = "[options] URL…",
    .text = "Writes the raw bytes of objects to standard output, in order, all of one version of each.\n"
            "With --as, the rows of one Parquet file: only the columns, row groups and pages that may hold what is "
            "wanted are fetched.\n",
    .examples =
        "meseta cat s3://bucket/x.parquet --as jsonl --limit 10\tthe first ten rows\n"
        "meseta cat x.parquet --as csv --columns day,n --where \"day >= '2026-01-01'\"\tsome columns of some rows\n",
    .options = cat_options,
    .run = run_cat};

/* ---- cp ---- */

static const cli_option cp_options[] = {{"recursive", 'r', CLI_FLAG, NULL, "everything below SRC"},
                                        {"no-clobber", 0, CLI_FLAG, NULL, "leave alone what is there already (exit 5)"},
                                        {NULL, 0, CLI_FLAG, NULL, NULL}};

typedef struct names {
  char **each;
  char **below;
  size_t n;
} names;

static mst_status keep_name(void *arg, const char *url, const char *below, const mst_object_info *info,
                            mst_error *err) {
  names *l = arg;
  (void)err;
  if (info->is_prefix) return MST_OK;
  char **each = realloc(l->each, (l->n + 1) * sizeof *each), **names_below;
  if (each == NULL) return MST_E_NO_MEMORY;
  l->each = each;
  if ((names_below = realloc(l->below, (l->n + 1) * sizeof *names_below)) == NULL) return MST_E_NO_MEMORY;
  l->below = names_below;
  l->each[l->n] = strdup(url);
  l->below[l->n] = strdup(below);
  l->n++;
  return MST_OK;
}

static void names_free(names *l) {
  for (size_t i = 0; i < l->n; i++) {
    free(l->each[i]);
    free(l->below[i]);
  }
  free(l->each);
  free(l->below);
}

static bool ends_with_slash(const char *url) { return *url != '\0' && url[strlen(url) - 1] == '/'; }

static int copy_one(cli *c, const char *from, const char *to) {
  mst_error err;
  const mst_put_mode mode = cli_has(c, "no-clobber") ? MST_PUT_CREATE : MST_PUT_REPLACE;
  const mst_status status =
      mst_object_copy(c->ctx, from, c->storage, c->n_storage, to, c->storage, c->n_storage, mode, c->cancel, &err);
  return status == MST_OK ? CLI_DONE : cli_fail(status, &err);
}

static int copy_into(cli *c, const char *url, const char *name, const char *to) {
  const size_t n = strlen(to) + strlen(name) + 2;
  char *target = malloc(n);
  if (target == NULL) return CLI_FAILED;
  snprintf(target, n, "%s%s%s", to, ends_with_slash(to) ? "" : "/", name);
  const int code = copy_one(c, url, target);
  free(target);
  return code;
}

static int run_cp(cli *c) {
  mst_error err;
  names l = {0};
  if (c->n_args != 2) return cli_usage(c->command, "SRC and DST are needed");
  const char *from = c->args[0], *to = c->args[1];
  const bool many = ends_with_slash(from) || (strpbrk(from, "*[") != NULL && !cli_is_file(from));
  if (many && ends_with_slash(from) && !cli_has(c, "recursive"))
    return cli_usage(c->command, "%s is a prefix: add --recursive", from);
  if (!many) {
    const char *slash = strrchr(from, '/');
    return ends_with_slash(to) ? copy_into(c, from, slash == NULL ? from : slash + 1, to) : copy_one(c, from, to);
  }
  const mst_status status =
      mst_find(c->ctx, from, c->storage, c->n_storage, MST_FIND_RECURSIVE, keep_name, &l, c->cancel, &err);
  int code = status == MST_OK ? CLI_DONE : cli_fail(status, &err);
  for (size_t i = 0; i < l.n && code == CLI_DONE; i++) code = copy_into(c, l.each[i], l.below[i], to);
  names_free(&l);
  return code;
}

const cli_command cli_command_cp = {
    .name = "cp",
    .title = "copy objects, also between two stores",
    .usage = "[-r] SRC DST",
    .text = "Copies one object, or with -r everything below SRC/ to below DST/. Nothing is visible at the target "
            "before it is whole.\n",
    .examples = "meseta cp x.fa s3://bucket/genomes/\tinto a bucket\nmeseta cp -r s3://a/runs/ ./runs/\tout of one\n",
    .options = cp_options,
    .run = run_cp};

/* ---- rm ---- */

static const cli_option rm_options[] = {{"recursive", 'r', CLI_FLAG, NULL, "everything below URL/"},
                                        {"dry-run", 0, CLI_FLAG, NULL, "only say what would be removed"},
                                        {NULL, 0, CLI_FLAG, NULL, NULL}};

static int run_rm(cli *c) {
  mst_error err;
  names l = {0};
  if (c->n_args == 0) return cli_usage(c->command, "a URL is missing");
  mst_status status = MST_OK;
  for (int i = 0; i < c->n_args && status == MST_OK; i++) {
    if (ends_with_slash(c->args[i]) && !cli_has(c, "recursive")) {
      names_free(&l);
      return cli_usage(c->command, "%s is a prefix: add --recursive", c->args[i]);
    }
    status = mst_find(c->ctx, c->args[i], c->storage, c->n_storage, MST_FIND_RECURSIVE, keep_name, &l, c->cancel, &err);
  }
  if (status == MST_OK && cli_has(c, "dry-run")) {
    for (size_t i = 0; i < l.n; i++) printf("would remove %s\n", l.each[i]);
  } else if (status == MST_OK) {
    status = mst_object_remove(c->ctx, (const char *const *)l.each, l.n, c->storage, c->n_storage, c->cancel, &err);
  }
  const int code = status == MST_OK ? CLI_DONE : cli_fail(status, &err);
  names_free(&l);
  return code;
}

const cli_command cli_command_rm = {
    .name = "rm",
    .title = "remove objects",
    .usage = "[-r] [--dry-run] URL…",
    .text = "Removes objects, what matches a glob, or with -r everything below URL/. --dry-run only says what.\n",
    .options = rm_options,
    .run = run_rm};

/* ---- verify ---- */

bool cli_is_store(const char *url) {
  const char *place = strstr(url, "://");
  return place != NULL && strncmp(url, "http", 4) != 0 && strncmp(url, "file:", 5) != 0 && place[3] != '\0' &&
         strchr(place + 3, '/') == NULL;
}

int cli_store_verify(cli *c, const char *url) {
  mst_error err;
  mst_store *store = NULL;
  mst_bytes text = {0};
  mst_status status = mst_store_open(c->ctx, url, c->storage, c->n_storage, &store, &err);
  if (status == MST_OK) status = mst_store_probe(store, "", 0, 0, &text, c->cancel, &err);
  json_t *r = text.size == 0 ? NULL : json_loadb((const char *)text.data, text.size, 0, NULL);
  int code = status != MST_OK ? cli_fail(status, &err) : CLI_DONE;
  if (r != NULL) {
    const bool safe = json_is_true(json_object_get(r, "safe"));
    const char *why = json_string_value(json_object_get(r, "why"));
    code = safe ? CLI_DONE : CLI_FAILED;
    if (cli_has(c, "json")) {
      json_object_set_new(r, "url", json_string(url));
      (void)cli_print_json(r);
    } else if (safe) {
      if (!cli_has(c, "quiet"))
        printf("%s: honours conditional writes, also when many come at once: several writers may share it\n", url);
    } else {
      fprintf(stderr, "meseta: %s: not safe for several writers: %s\n", url, why == NULL ? "" : why);
    }
  }
  json_decref(r);
  mst_bytes_release(&text);
  mst_store_unref(store);
  return code;
}

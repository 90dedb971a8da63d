/* cli/common.c - what the commands on sources share: opening, finding, planning. */
#include "cli.h"

#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

mst_status cli_open_source(cli *c, const char *url, mst_source **out, mst_error *err) {
  mst_source_options o = MST_SOURCE_OPTIONS_INIT;
  char *dialect = c->dialect == NULL ? NULL : json_dumps(c->dialect, JSON_COMPACT);
  o.format = cli_text(c, "format");
  o.index_at = cli_text(c, "index-at");
  o.dialect_json = dialect;
  o.config = c->storage;
  o.n_config = c->n_storage;
  const mst_status status = mst_source_open(c->ctx, url, &o, out, c->cancel, err);
  free(dialect);
  return status;
}

typedef struct url_list {
  char **urls;
  size_t n;
} url_list;

static mst_status keep_url(void *arg, const char *url, const char *below, const mst_object_info *info, mst_error *err) {
  url_list *l = arg;
  (void)below;
  (void)err;
  if (info->is_prefix) return MST_OK;
  char **grown = realloc(l->urls, (l->n + 1) * sizeof *grown);
  char *copy = strdup(url);
  if (grown != NULL) l->urls = grown;
  if (grown == NULL || copy == NULL) {
    free(copy);
    return MST_E_NO_MEMORY;
  }
  l->urls[l->n++] = copy;
  return MST_OK;
}

static int each_of_many(cli *c, const char *argument, int (*each)(cli *c, const char *url)) {
  mst_error err;
  url_list l = {0};
  int code = CLI_DONE;
  const mst_status status = mst_find(c->ctx, argument, c->storage, c->n_storage, MST_FIND_RECURSIVE | MST_FIND_SOURCES,
                                     keep_url, &l, c->cancel, &err);
  if (status != MST_OK) code = cli_fail(status, &err);
  else if (l.n == 0) {
    cli_note("nothing matches %s", argument);
    code = CLI_NOT_FOUND;
  }
  for (size_t i = 0; i < l.n; i++) {
    const int one = status == MST_OK && !cli_interrupted() ? each(c, l.urls[i]) : CLI_DONE;
    if (code == CLI_DONE) code = one;
    free(l.urls[i]);
  }
  free(l.urls);
  return code;
}

char *cli_as_prefix(const char *url) {
  const size_t n = strlen(url);
  char *out = malloc(n + 2);
  if (out == NULL) return NULL;
  memcpy(out, url, n + 1);
  if (n == 0 || url[n - 1] != '/') memcpy(out + n, "/", 2);
  return out;
}

/* A local folder is meant with all that lies in it, with or without a slash behind it. */
bool cli_is_folder(const char *url) {
  struct stat st;
  return strstr(url, "://") == NULL && stat(url, &st) == 0 && S_ISDIR(st.st_mode);
}

bool cli_is_file(const char *url) {
  struct stat st;
  return strstr(url, "://") == NULL && stat(url, &st) == 0 && S_ISREG(st.st_mode);
}

int cli_each_source(cli *c, int (*each)(cli *c, const char *url)) {
  int code = CLI_DONE;
  if (c->n_args == 0) return cli_usage(c->command, "a URL is missing");
  for (int i = 0; i < c->n_args && !cli_interrupted(); i++) {
    const char *url = c->args[i];
    const size_t n = strlen(url);
    const bool web = strncmp(url, "http", 4) == 0 && strstr(url, "://") != NULL; /* a '?' there is no glob */
    const bool folder = cli_is_folder(url);
    const bool many = n == 0 || url[n - 1] == '/' || folder || (!web && strpbrk(url, "*?[") != NULL);
    char *below = folder ? cli_as_prefix(url) : NULL;
    const int one = many ? each_of_many(c, below != NULL ? below : url, each) : each(c, url);
    free(below);
    if (code == CLI_DONE) code = one;
  }
  return code;
}

mst_status cli_query(cli *c, mst_query *out, mst_error *err) {
  (void)err;
  *out = (mst_query)MST_QUERY_INIT;
  out->slices = cli_number(c, "slices");
  out->slice_bytes = cli_number(c, "size");
  out->slice_records = cli_number(c, "records");
  out->strategy = cli_text(c, "strategy");
  out->region = cli_text(c, "region");
  out->where = cli_text(c, "where");
  out->options_json = cli_text(c, "plan");
  return MST_OK;
}

int cli_index_one(cli *c, mst_source *s, json_t **report) {
  mst_error err;
  mst_bytes text = {0};
  cli_progress progress;
  mst_index_options o = MST_INDEX_OPTIONS_INIT;
  char label[64];
  const char *slash = strrchr(mst_source_get_url(s), '/');
  snprintf(label, sizeof label, "%.60s", slash == NULL ? mst_source_get_url(s) : slash + 1);
  cli_progress_begin(&progress, label);
  if (cli_has(c, "quiet")) progress.shown = false;
  o.spacing = cli_number(c, "spacing");
  o.force = cli_has(c, "force");
  o.dry_run = cli_has(c, "dry-run");
  o.recover = cli_has(c, "recover");
  o.piece_bytes = cli_number(c, "pieces");
  o.progress = cli_progress_show;
  o.progress_arg = &progress;
  const mst_status status = mst_source_index(s, &o, &text, c->cancel, &err);
  cli_progress_end(&progress);
  if (status != MST_OK) return cli_fail(status, &err);
  json_t *r = json_loadb((const char *)text.data, text.size, 0, NULL);
  mst_bytes_release(&text);
  if (report != NULL) *report = r;
  else json_decref(r);
  return CLI_DONE;
}

mst_status cli_plan(cli *c, mst_source *s, mst_plan **out, mst_error *err) {
  mst_query q;
  mst_status status = cli_query(c, &q, err);
  if (status != MST_OK) return status;
  if (cli_has(c, "index")) {
    mst_index_options o = MST_INDEX_OPTIONS_INIT;
    cli_progress progress;
    cli_progress_begin(&progress, "indexing");
    o.progress = cli_progress_show;
    o.progress_arg = &progress;
    status = mst_source_index(s, &o, NULL, c->cancel, err);
    cli_progress_end(&progress);
  }
  return status == MST_OK ? mst_source_plan(s, &q, out, c->cancel, err) : status;
}

/* cli/parquet.c - what show, verify and cat do with Parquet files. */
#include "cli.h"

#include <stdlib.h>
#include <string.h>

static bool ends_with(const char *text, size_t n, const char *ending) {
  const size_t m = strlen(ending);
  return n >= m && strncmp(text + n - m, ending, m) == 0;
}

bool cli_is_parquet(const cli *c, const char *url) {
  const char *format = cli_text(c, "format");
  const bool web = strncmp(url, "http", 4) == 0 && strstr(url, "://") != NULL;
  const size_t n = web ? strcspn(url, "?#") : strlen(url);
  if (format != NULL) return strcmp(format, "parquet") == 0;
  return ends_with(url, n, ".parquet") || ends_with(url, n, ".parq") || ends_with(url, n, ".pq");
}

static mst_status open_file(cli *c, const char *url, mst_parquet **out, mst_error *err) {
  mst_parquet_open_options o = MST_PARQUET_OPEN_OPTIONS_INIT;
  o.config = c->storage;
  o.n_config = c->n_storage;
  return mst_parquet_open(c->ctx, url, &o, out, c->cancel, err);
}

/* ---- cat ---- */

mst_status cli_names_split(const char *text, cli_names *out) {
  *out = (cli_names){0};
  if (text == NULL) return MST_OK;
  size_t most = 1;
  for (const char *at = text; *at != '\0'; at++) most += *at == ',';
  out->text = strdup(text);
  out->names = calloc(most, sizeof *out->names);
  if (out->text == NULL || out->names == NULL) {
    cli_names_free(out);
    return MST_E_NO_MEMORY;
  }
  for (char *at = out->text; at != NULL;) {
    char *comma = strchr(at, ',');
    if (comma != NULL) *comma = '\0';
    if (*at != '\0') out->names[out->n++] = at;
    at = comma == NULL ? NULL : comma + 1;
  }
  return MST_OK;
}

void cli_names_free(cli_names *n) {
  free(n->text);
  free(n->names);
  *n = (cli_names){0};
}

int cli_parquet_cat(cli *c, const char *url, const char *as) {
  mst_error err = {.message = "out of memory"};
  mst_parquet *file = NULL;
  struct ArrowArrayStream stream = {0};
  mst_parquet_query q = MST_PARQUET_QUERY_INIT;
  cli_names columns;
  mst_status status = cli_names_split(cli_text(c, "columns"), &columns);
  q.columns = columns.names;
  q.n_columns = columns.n;
  q.where = cli_text(c, "where");
  q.has_limit = cli_has(c, "limit");
  q.limit = cli_number(c, "limit");
  if (status == MST_OK) status = open_file(c, url, &file, &err);
  if (status == MST_OK) status = mst_parquet_read(file, &q, &stream, c->cancel, &err);
  const int code = status == MST_OK ? cli_export(c, &stream, as, cli_text(c, "output")) : cli_fail(status, &err);
  mst_parquet_unref(file);
  cli_names_free(&columns);
  return code;
}

/* ---- verify ---- */

int cli_parquet_verify(cli *c, const char *url) {
  mst_error err = {0};
  mst_parquet *file = NULL;
  mst_bytes text = {0};
  char rows[32], pages[32], size[24];
  mst_status status = open_file(c, url, &file, &err);
  if (status == MST_OK) status = mst_parquet_verify(file, &text, c->cancel, &err);
  json_t *r = status == MST_OK ? json_loadb((const char *)text.data, text.size, 0, NULL)
                               : json_pack("{s:s, s:s}", "url", url, "error", err.message);
  int code = CLI_DONE;
  if (r != NULL && cli_has(c, "json")) {
    json_object_set_new(r, "ok", json_boolean(status == MST_OK));
    code = cli_print_json(r);
  } else if (r != NULL && status == MST_OK && !cli_has(c, "quiet")) {
    printf("%s: undamaged, %s rows in %s pages and %s\n", url,
           cli_count((uint64_t)json_integer_value(json_object_get(r, "rows")), rows),
           cli_count((uint64_t)json_integer_value(json_object_get(r, "pages")), pages),
           cli_size(mst_parquet_get_size(file), size));
  }
  if (status != MST_OK) code = cli_fail(status, &err);
  json_decref(r);
  mst_bytes_release(&text);
  mst_parquet_unref(file);
  return code;
}

/* ---- show ---- */

enum { GROUPS_SHOWN = 10, TEXT_SHOWN = 60 };

static uint64_t number_of(const json_t *o, const char *key) {
  return (uint64_t)json_integer_value(json_object_get(o, key));
}

static const char *text_of(const json_t *o, const char *key) {
  const char *t = json_string_value(json_object_get(o, key));
  return t == NULL ? "" : t;
}

/* Foreign text must not steer a terminal. */
static void put_safe(const char *text, size_t most) {
  size_t n = 0;
  for (; *text != '\0' && n < most; text++, n++) putchar((unsigned char)*text < 0x20 || *text == 0x7f ? '?' : *text);
  if (*text != '\0') fputs("…", stdout);
}

static void show_fields(const json_t *fields, int depth) {
  size_t i;
  json_t *field;
  json_array_foreach(fields, i, field) {
    printf("%*s", 2 + 2 * depth, "");
    put_safe(text_of(field, "name"), SIZE_MAX);
    printf(": ");
    put_safe(text_of(field, "type"), SIZE_MAX);
    if (json_object_get(field, "dictionary") != NULL) printf(" dictionary[%s]", text_of(field, "dictionary"));
    if (json_object_get(field, "extension") != NULL) {
      printf(" (");
      put_safe(text_of(field, "extension"), TEXT_SHOWN);
      putchar(')');
    }
    if (!json_is_true(json_object_get(field, "nullable"))) printf(" not null");
    putchar('\n');
    show_fields(json_object_get(field, "fields"), depth + 1);
  }
}

/* A statistic in one cell. */
static char *cell_of(const json_t *value) {
  char *text = value == NULL           ? strdup("")
               : json_is_string(value) ? strdup(json_string_value(value))
                                       : json_dumps(value, JSON_ENCODE_ANY | JSON_COMPACT);
  if (text == NULL) return NULL;
  for (char *at = text; *at != '\0'; at++)
    if ((unsigned char)*at < 0x20 || *at == 0x7f) *at = '?';
  if (strlen(text) > 24) {
    size_t n = 22;
    while (n > 0 && ((unsigned char)text[n] & 0xc0) == 0x80) n--; /* not in the middle of a character */
    memcpy(text + n, "~", 2);
  }
  return text;
}

static char *encodings_of(const json_t *chunk) {
  char text[256] = "";
  size_t i, n = 0;
  json_t *name;
  json_array_foreach(json_object_get(chunk, "encodings"), i, name) {
    const int wrote = snprintf(text + n, sizeof text - n, "%s%s", i > 0 ? " " : "",
                               json_string_value(name) == NULL ? "?" : json_string_value(name));
    n += wrote > 0 && (size_t)wrote < sizeof text - n ? (size_t)wrote : 0;
  }
  return strdup(text);
}

static int show_group(const json_t *group, size_t number) {
  cli_table t;
  size_t i;
  json_t *chunk;
  char rows[32], packed[24], plain[24];
  printf("\nrow group %zu: %s rows, %s, %s before compression\n", number, cli_count(number_of(group, "rows"), rows),
         cli_size(number_of(group, "bytes"), packed), cli_size(number_of(group, "plain_bytes"), plain));
  cli_table_init(&t, 8, 2 | 4);
  cli_table_row(&t, (const char *const[]){"  column", "stored", "plain", "codec", "nulls", "min", "max", "encodings"});
  json_array_foreach(json_object_get(group, "columns"), i, chunk) {
    char *name = cell_of(json_object_get(chunk, "name")), *min = cell_of(json_object_get(chunk, "min")),
         *max = cell_of(json_object_get(chunk, "max"));
    char *nulls = cell_of(json_object_get(chunk, "nulls")), *encodings = encodings_of(chunk),
         *indented = name == NULL ? NULL : malloc(strlen(name) + 3);
    if (indented != NULL) snprintf(indented, strlen(name) + 3, "  %s", name);
    cli_table_row(&t,
                  (const char *const[]){indented == NULL ? "?" : indented, cli_size(number_of(chunk, "bytes"), packed),
                                        cli_size(number_of(chunk, "plain_bytes"), plain), text_of(chunk, "codec"),
                                        nulls == NULL ? "" : nulls, min == NULL ? "" : min, max == NULL ? "" : max,
                                        encodings == NULL ? "" : encodings});
    free(name);
    free(min);
    free(max);
    free(nulls);
    free(encodings);
    free(indented);
  }
  const int code = cli_table_print(&t);
  cli_table_free(&t);
  return code;
}

static int show_people(const json_t *r) {
  char rows[32], size[24], groups[32];
  const char *key;
  json_t *value, *group;
  size_t i;
  int code = CLI_DONE;
  put_safe(text_of(r, "url"), SIZE_MAX);
  printf(": Parquet, %s rows in %s row group%s, %s, written by ", cli_count(number_of(r, "rows"), rows),
         cli_count(number_of(r, "row_groups"), groups), number_of(r, "row_groups") == 1 ? "" : "s",
         cli_size(number_of(r, "bytes"), size));
  put_safe(text_of(r, "created_by"), SIZE_MAX);
  printf("\n\ncolumns\n");
  show_fields(json_object_get(r, "schema"), 0);
  if (json_object_get(r, "schema_error") != NULL) {
    printf("  ");
    put_safe(text_of(r, "schema_error"), SIZE_MAX);
    putchar('\n');
  }
  if (json_object_size(json_object_get(r, "metadata")) > 0) printf("\nmetadata\n");
  json_object_foreach(json_object_get(r, "metadata"), key, value) {
    printf("  ");
    put_safe(key, SIZE_MAX);
    printf(": ");
    put_safe(json_is_string(value) ? json_string_value(value) : "", TEXT_SHOWN);
    putchar('\n');
  }
  json_array_foreach(json_object_get(r, "groups"), i, group) if (code == CLI_DONE) code = show_group(group, i);
  if (number_of(r, "row_groups") > GROUPS_SHOWN)
    printf("\n… and %s row groups more (--json shows all)\n",
           cli_count(number_of(r, "row_groups") - GROUPS_SHOWN, rows));
  return code;
}

int cli_parquet_show(cli *c, const char *url) {
  mst_error err = {0};
  mst_parquet *file = NULL;
  mst_bytes text = {0};
  const bool json = cli_has(c, "json");
  mst_status status = open_file(c, url, &file, &err);
  if (status == MST_OK) status = mst_parquet_show(file, json ? 0 : GROUPS_SHOWN, &text, &err);
  int code = status == MST_OK ? CLI_DONE : cli_fail(status, &err);
  if (status == MST_OK && json) {
    code = cli_write(text.data, text.size);
    if (code == CLI_DONE) code = cli_write("\n", 1);
  } else if (status == MST_OK) {
    json_t *r = json_loadb((const char *)text.data, text.size, JSON_ALLOW_NUL, NULL);
    code = r == NULL ? cli_fail(MST_E_NO_MEMORY, &(mst_error){.message = "out of memory"}) : show_people(r);
    json_decref(r);
  }
  mst_bytes_release(&text);
  mst_parquet_unref(file);
  return code;
}
